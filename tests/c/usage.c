//: musl
// What children used (getrusage(2), wait4(2), times(2)); flags of prctl(2) over fork and changes of credentials.
#include "facts.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>

#define CHILD(...) do { fflush(stdout); int c_ = fork(); if (!c_) { __VA_ARGS__; _exit(0); } waitpid(c_, NULL, 0); } while (0)

static void burn(long ms) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}
static long spent(int who) { struct rusage r; getrusage(who, &r); return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000; }
SECTION(usage_of_children) {
    struct rusage r;
    struct tms t;
    N(spent(RUSAGE_CHILDREN));
    int child = fork();
    if (!child) {
        IS(spent(RUSAGE_SELF) < 50);
        int grandchild = fork();
        if (!grandchild) { burn(60); _exit(0); }
        N(spent(RUSAGE_CHILDREN));
        waitpid(grandchild, NULL, 0);
        static char pages[8 << 20];
        memset(pages, 1, sizeof pages);
        IS(pages[sizeof pages / 2]);
        IS(spent(RUSAGE_CHILDREN) >= 55);
        burn(40);
        _exit(0);
    }
    siginfo_t si;
    T(waitid(P_PID, child, &si, WEXITED | WNOWAIT));
    N(spent(RUSAGE_CHILDREN));
    IS(wait4(child, NULL, 0, &r) == child);
    IS(spent(RUSAGE_CHILDREN) >= 95);
    IS((r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000 >= 95);
    // Linux counts pages in batches, so a small program may have none.
    IS(r.ru_maxrss > 1024);
    times(&t);
    IS(t.tms_cutime + t.tms_cstime >= 8);
    IS(spent(RUSAGE_SELF) < 90);
    // Nobody waits: nobody counts.
    long before = spent(RUSAGE_CHILDREN);
    signal(SIGCHLD, SIG_IGN);
    if (!fork()) { burn(80); _exit(0); }
    wait(NULL);
    IS(spent(RUSAGE_CHILDREN) - before < 70);
    T(S(getrusage, 2, &r));
    T(S(getrusage, -2, &r));
    T(S(getrusage, 0, hole()));
}
SECTION(process_flags) {
    int v = 7;
    T(prctl(PR_SET_PDEATHSIG, 10));
    T(prctl(PR_GET_PDEATHSIG, &v));
    N(v);
    CHILD(T(prctl(PR_GET_PDEATHSIG, &v)); N(v));
    T(prctl(PR_SET_PDEATHSIG, 65));
    T(prctl(PR_SET_PDEATHSIG, 0));
    T(prctl(PR_GET_PDEATHSIG, hole()));
    T(prctl(PR_SET_DUMPABLE, 0));
    T(prctl(PR_GET_DUMPABLE));
    CHILD(T(prctl(PR_GET_DUMPABLE)));
    T(prctl(PR_SET_DUMPABLE, 2));
    T(prctl(PR_SET_DUMPABLE, 1));
    T(prctl(PR_SET_CHILD_SUBREAPER, 5));
    T(prctl(PR_GET_CHILD_SUBREAPER, &v));
    N(v);
    CHILD(T(prctl(PR_GET_CHILD_SUBREAPER, &v)); N(v));
    T(prctl(PR_SET_CHILD_SUBREAPER, 0));
    T(prctl(PR_GET_KEEPCAPS));
    T(prctl(PR_SET_KEEPCAPS, 1));
    T(prctl(PR_GET_KEEPCAPS));
    T(prctl(PR_SET_KEEPCAPS, 2));
    CHILD(T(prctl(PR_GET_KEEPCAPS)));
    T(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHILD(T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); T(setresuid(5, 5, 5)));
    CHILD(prctl(PR_SET_DUMPABLE, 1); T(setresuid(5, 5, 5)); T(prctl(PR_GET_DUMPABLE)));
    CHILD(T(prctl(PR_SET_PDEATHSIG, 10)); T(setresuid(5, 5, 5)); T(prctl(PR_GET_PDEATHSIG, &v)); N(v));
    T(prctl(PR_SET_NAME, "a name that is too long"));
    char name[17] = "";
    T(prctl(PR_GET_NAME, name));
    puts(name);
    T(prctl(PR_SET_NAME, hole()));
    T(prctl(PR_GET_NAME, hole()));
}
SECTION(death_signal) {
    int p[2];
    char b[4] = "";
    MUST(pipe(p));
    int child = fork();
    if (!child) {
        int q[2];
        MUST(pipe(q));
        if (!fork()) {
            sigset_t s;
            sigemptyset(&s);
            sigaddset(&s, SIGUSR2);
            sigprocmask(SIG_BLOCK, &s, NULL);
            prctl(PR_SET_PDEATHSIG, SIGUSR2);
            write(q[1], "x", 1);
            int sig = 0;
            siginfo_t si;
            sig = sigwaitinfo(&s, &si);
            write(p[1], sig == SIGUSR2 && si.si_code == SI_USER ? "usr" : si.si_code == SI_KERNEL ? "ker" : "odd", 3);
            _exit(0);
        }
        read(q[0], b, 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    T(read(p[0], b, 3));
    puts(b);
}
