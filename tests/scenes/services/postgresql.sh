#: needs /usr/lib/postgresql/15/bin/initdb setpriv
# PostgreSQL as another user, reached over its socket: a new cluster, a server, clients at once, and its end.
export PATH=/usr/lib/postgresql/15/bin:$PATH
place=$(mktemp -d /tmp/postgres.XXXX) || exit 1
trap 'rm -rf "$place"' EXIT
chown 65534:65534 "$place"; cd "$place" || exit 1
as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
as initdb -D db -U u -A trust > init 2>&1; echo "initdb $?"
as pg_ctl -D db -o "-k $place -h ''" -l log -w start > /dev/null; echo "start $?"
psql -h "$place" -U u -d postgres -Atc 'select 6 * 7, count(*) from generate_series(1, 100000)'
as pgbench -h "$place" -U u -i -q postgres > /dev/null 2>&1; echo "filled $?"
as pgbench -h "$place" -U u -c 4 -j 2 -t 50 postgres 2> /dev/null | grep processed
as pg_ctl -D db -m fast -w stop > /dev/null; echo "stop $?"
