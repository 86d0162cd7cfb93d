#: needs make gcc
# make's jobserver: over recursive makes, with commands that fail, with -k, -l, -O, and when it is killed.
make --version | head -n 1
mkdir a b c
for d in a b c; do
    printf 'all: 1 2 3\n1 2 3:\n\t@echo $(notdir $(CURDIR)) $@ >> ../log; sleep 0.05\nfail:\n\t@exit 3\n' > $d/Makefile
done
printf 'all: a b c\na b c:\n\t@+$(MAKE) -s -C $@\nbad: b c\n\t@$(MAKE) -s -C a fail\nslow:\n\t@sleep 30; echo not here\n' > Makefile
printf '.PHONY: all a b c bad slow\n' >> Makefile
make -s -j4; echo $?; sort log; rm log
make -s -j; echo $?; wc -l < log; rm log
make -s -j3 -Otarget; echo $?; wc -l < log
make -s -j2 bad 2>&1 | sed 's/\[.*\]/[]/'; echo ${PIPESTATUS[0]}
make -s -k -j4 bad all 2> /dev/null; echo $?
make --jobserver-style=pipe -s -j2 > /dev/null 2>&1 || make -s -j2; echo $?
make -n all; make -s -j2 -l 100; echo $?
timeout -s INT 3 make -s -j2 slow > killed 2>&1; echo $?
printf 'x: y\n\tcp y x\ny:\n\techo y > y\nx.o: x.c\nx.c:\n\techo "int x;" > x.c\n' > m2; make -s -f m2 -j2 x x.o; echo $?; make -f m2 x x.o; touch -d @0 x; make -f m2 x
echo 'all: ; @echo $(shell echo sub; exit 4) $(.SHELLSTATUS); $(MAKE) --version > /dev/null; echo $$?' | make -f -
