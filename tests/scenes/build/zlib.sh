#: needs make gcc dpkg-source
#: source zlib
#: seconds 240
# zlib with its own configure script and test: many small processes of a shell, then a build by four jobs.
cd src || exit 1
export CFLAGS=-O1
./configure > configured || { cat configured; exit 1; }
sed 's/ [0-9.]*s$//' configured
make -s -j4 > made 2>&1; echo "made: $?"
sha256sum *.o libz.a libz.so.*.*.* minigzip example 2>/dev/null
./example | tail -n 3
make -s -j4 check 2>&1 | grep -v '^make' | sort | uniq -c
seq 50000 | ./minigzip | ./minigzip -d | md5sum
