# Limits of the shell, and what happens at them.
# Messages of bash name processes by number.
say() { sed "s/line [0-9]*: *[0-9]* /line: PID /; s/pid [0-9]*/pid PID/"; }
{
exec 2>&1
ulimit -a | grep -v 'pending\|processes\|stack\|core\|open'
(ulimit -f 1; head -c 5000 /dev/zero > big; echo $?); stat -c %s big
(ulimit -n 5; exec 3< /dev/null 4< /dev/null; echo full; exec 5< /dev/null; echo not here)
(ulimit -t 1; while :; do :; done); echo $?
(ulimit -v 200000; python3 -c 'b = bytearray(1 << 30)' 2>&1 | tail -n 1)
(ulimit -s 256; bash -c 'f() { f; }; f' > /dev/null 2>&1; echo $?)
(ulimit -Sn 100; ulimit -n 90; ulimit -Hn 80; echo $?; ulimit -Sn; ulimit -Hn)
prlimit --nofile=50:60 sh -c 'ulimit -n; ulimit -Hn'; echo $?
prlimit --pid $$ --core=0:0; prlimit --pid $$ --core -o SOFT,HARD --noheadings
nice -n 5 sh -c 'nice; nice -n 3 nice'; ionice -c 3 ionice; chrt -p $$; chrt -b 0 chrt -p 0
taskset -c 0 nproc; taskset -c 0 taskset -p $$; taskset 0 true; echo $?
} | say
