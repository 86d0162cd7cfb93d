#: needs gcc g++ ccache
#: seconds 120
# Ways to run a compiler: pipes, link-time optimisation by several jobs, response files, ccache, dependencies, errors.
export HOME=$PWD
# Looking for leaks takes ptrace.
export ASAN_OPTIONS=detect_leaks=0
for i in 1 2 3 4; do echo "int f$i(int x) { return x * $i; }" > f$i.c; done
printf 'int f1(int), f2(int), f3(int), f4(int);\nint main(int c, char **v) { return f1(c) + f2(c) + f3(c) + f4(c); }\n' > m.c
gcc -pipe -O2 -o p *.c; ./p; echo $?
for f in f1 f2 f3 f4 m; do cp $f.c $f.cc; done; g++ -O2 -flto=2 f?.cc m.cc -o l; ./l; echo $?
gcc -flto=auto -O2 -c *.c && gcc -flto=auto -O2 -o l2 *.o; ./l2; echo $?
echo '-O1 -o r f1.c f2.c f3.c f4.c m.c' > args; gcc @args; ./r; echo $?
gcc -MMD -MP -c m.c; cat m.d; gcc -E -dM - < /dev/null | wc -l; gcc -S -o - f1.c | grep -c imul
gcc -save-temps -c f2.c; ls f2.*; gcc -Wall -Werror -c -o /dev/null -xc - <<< 'int f(void) { int x; return x; }' 2>&1 | tail -n 1
export CCACHE_DIR=$PWD/cc; for i in 1 2 3; do ccache gcc -O1 -c f3.c -o c$i.o; done; cmp c1.o c3.o && echo same; ccache -s | grep -i hits | head -n 1 | sed 's/  */ /g'
gcc -shared -fPIC -o libf.so f1.c f2.c f3.c f4.c; gcc -o d m.c -L. -lf; LD_LIBRARY_PATH=. ./d; echo $?; ./d 2>&1 | sed 's/.*: //'; LD_PRELOAD=./libf.so ./d; echo $?
gcc -fsanitize=address,undefined -g -o a m.c f1.c f2.c f3.c f4.c && ./a; echo $?
printf '#include <stdlib.h>\nint main(void) { char *p = malloc(4); free(p); return p[0]; }\n' > uaf.c; gcc -fsanitize=address -g -o uaf uaf.c; ./uaf 2>&1 | grep -o 'heap-use-after-free' | head -n 1
printf '#include <limits.h>\nint main(int c, char **v) { int x = INT_MAX; x += c; return 0; }\n' > ub.c; gcc -fsanitize=undefined -o ub ub.c; ./ub 2>&1 | sed 's/.*error: //'
printf '#include <pthread.h>\nint n; void *f(void *a) { for (int i = 0; i < 1000; i++) n++; return a; }\nint main(void) { pthread_t t, u; pthread_create(&t, 0, f, 0); pthread_create(&u, 0, f, 0); pthread_join(t, 0); pthread_join(u, 0); return 0; }\n' > race.c; gcc -fsanitize=thread -g -o race race.c; ./race 2>&1 | grep -o 'data race' | head -n 1; echo ${PIPESTATUS[0]}
gcc --coverage -o cov m.c f1.c f2.c f3.c f4.c; ./cov; gcov -n cov-f1.c 2>/dev/null | grep Lines
gcc -pg -o prof m.c f1.c f2.c f3.c f4.c; ./prof; ls gmon.out; gprof prof gmon.out | head -n 1
