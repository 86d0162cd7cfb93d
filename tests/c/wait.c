// Children: which wait calls report what of them, stops and continues, what becomes of orphans, who may kill whom.
#include "facts.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void nap(void) { usleep(20000); }
static pid_t child(void (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { f(); _exit(0); }
    return pid;
}
static void sleeps(void) { for (;;) pause(); }
static void exits_3(void) { _exit(3); }
static void show_status(int s) {
    if (WIFEXITED(s)) printf("exited %d\n", WEXITSTATUS(s));
    else if (WIFSIGNALED(s)) printf("killed %d core %d\n", WTERMSIG(s), !!WCOREDUMP(s));
    else if (WIFSTOPPED(s)) printf("stopped %d\n", WSTOPSIG(s));
    else if (WIFCONTINUED(s)) puts("continued");
    else printf("status %x\n", s);
}
static const char *code_name(int code) {
    static const char *const names[] = {"0", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    return code >= 0 && code < 7 ? names[code] : "?";
}
static void show_info(siginfo_t *i, pid_t pid) {
    printf("signo %d errno %d CLD_%s pid %s uid %d status %d\n", i->si_signo, i->si_errno, code_name(i->si_code),
           i->si_pid == pid ? "the child" : i->si_pid == 0 ? "0" : "another", (int)i->si_uid, i->si_status);
}
// Waits until it is stopped (or has ended), without taking the report away.
static void see(pid_t pid, int what) { siginfo_t i; waitid(P_PID, pid, &i, what | WNOWAIT); }
static void end(pid_t pid) { kill(pid, SIGKILL); waitpid(pid, NULL, 0); }

SECTION(wait4_flags) {
    int s = 7;
    T(waitpid(-1, &s, 0));
    T(waitpid(-1, &s, WNOHANG));
    T(waitpid(-2147483647 - 1, &s, 0));
    T(syscall(SYS_wait4, -1, &s, 0x100, NULL));
    T(syscall(SYS_wait4, -1, &s, WNOWAIT, NULL));
    T(syscall(SYS_wait4, -1, &s, WEXITED, NULL));
    T(waitpid(getpid(), &s, 0));
    T(waitpid(1, &s, 0));
    pid_t pid = child(exits_3);
    see(pid, WEXITED);
    T(waitpid(pid, (int *)8, 0));
    T(waitpid(pid, &s, 0));
    pid = child(exits_3);
    see(pid, WEXITED);
    IS(waitpid(pid, &s, WNOHANG | WUNTRACED | WCONTINUED | __WALL) == pid);
    show_status(s);
    pid = child(sleeps);
    T(waitpid(pid, &s, WNOHANG));
    T(waitpid(0, &s, WNOHANG));
    T(waitpid(-getpgrp(), &s, WNOHANG));
    T(waitpid(pid, &s, WNOHANG | __WCLONE));
    T(waitpid(pid, &s, WNOHANG | __WALL));
    T(waitpid(-pid, &s, WNOHANG));
    end(pid);
    IS(s == 0x300);
}
SECTION(wait_status) {
    int s;
    for (int sig = 1; sig < 65; sig++) {
        if (sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT || sig == 32 || sig == 33) continue;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) { raise(sig); _exit(0); }
        waitpid(pid, &s, WUNTRACED);
        printf("%d: ", sig);
        show_status(s);
        if (WIFSTOPPED(s)) end(pid);
    }
}
SECTION(waitid_arguments) {
    siginfo_t i;
    T(waitid(P_ALL, 0, &i, 0));
    T(waitid(P_ALL, 0, &i, WNOHANG));
    T(waitid(P_ALL, 0, &i, WEXITED | 0x100));
    T(waitid(P_PID, 0, &i, WEXITED));
    T(waitid(P_PID, -1, &i, WEXITED));
    T(waitid(P_PGID, -1, &i, WEXITED));
    T(waitid(77, 1, &i, WEXITED));
    T(waitid(P_ALL, 0, &i, WEXITED));
    T(waitid(P_PGID, 0, &i, WEXITED));
    memset(&i, 0x55, sizeof i);
    T(waitid(P_ALL, 0, &i, WEXITED));
    printf("%x %x %x %x %x\n", i.si_signo, i.si_code, ((int *)&i)[3], i.si_pid, ((int *)&i)[7]);
    T(syscall(SYS_waitid, P_ALL, 0, 8, WEXITED, NULL));
    pid_t pid = child(exits_3);
    see(pid, WEXITED);
    T(syscall(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOWAIT, 8));
    T(syscall(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOWAIT, 0));
    memset(&i, 0x55, sizeof i);
    T(waitid(P_ALL, 0, &i, WEXITED | WNOHANG));
    show_info(&i, pid);
    printf("%x %x\n", ((int *)&i)[3], ((int *)&i)[10]);
    pid = child(sleeps);
    memset(&i, 0x55, sizeof i);
    T(waitid(P_PGID, 0, &i, WEXITED | WNOHANG));
    show_info(&i, pid);
    T(waitid(P_PGID, getpgrp(), &i, WSTOPPED | WNOHANG));
    T(waitid(P_PGID, pid, &i, WSTOPPED | WNOHANG));
    end(pid);
}
SECTION(waitid_group) {
    siginfo_t i;
    fflush(stdout);
    pid_t a = fork();
    if (!a) { setpgid(0, 0); _exit(4); }
    setpgid(a, a);
    pid_t b = child(exits_3);
    see(a, WEXITED);
    see(b, WEXITED);
    T(waitid(P_PGID, a, &i, WEXITED));
    show_info(&i, a);
    T(waitid(P_PGID, a, &i, WEXITED));
    T(waitid(P_PGID, getpgrp(), &i, WEXITED));
    show_info(&i, b);
}
SECTION(nowait) {
    siginfo_t i;
    int s;
    pid_t pid = child(exits_3);
    for (int n = 0; n < 3; n++) {
        T(waitid(P_PID, pid, &i, WEXITED | WNOWAIT));
        show_info(&i, pid);
    }
    T(kill(pid, 0));
    T(kill(pid, SIGKILL));
    IS(waitpid(pid, &s, 0) == pid);
    show_status(s);
    T(kill(pid, 0));
    T(waitid(P_PID, pid, &i, WEXITED | WNOWAIT));
}
SECTION(stop_and_continue) {
    siginfo_t i;
    int s;
    pid_t pid = child(sleeps);
    kill(pid, SIGSTOP);
    T(waitid(P_PID, pid, &i, WSTOPPED | WNOWAIT));
    show_info(&i, pid);
    T(waitid(P_PID, pid, &i, WSTOPPED));
    show_info(&i, pid);
    T(waitid(P_PID, pid, &i, WSTOPPED | WNOHANG));
    show_info(&i, pid);
    // A second stop signal changes nothing.
    kill(pid, SIGTSTP);
    nap();
    T(waitpid(pid, &s, WUNTRACED | WNOHANG));
    kill(pid, SIGCONT);
    T(waitid(P_PID, pid, &i, WCONTINUED | WNOWAIT));
    show_info(&i, pid);
    IS(waitpid(pid, &s, WCONTINUED) == pid);
    show_status(s);
    T(waitpid(pid, &s, WCONTINUED | WNOHANG));
    // Not stopped: nothing to tell.
    kill(pid, SIGCONT);
    nap();
    T(waitpid(pid, &s, WCONTINUED | WNOHANG));
    for (int sig = SIGSTOP; sig <= SIGTTOU; sig++) {
        setpgid(pid, pid);
        kill(pid, sig);
        IS(waitpid(pid, &s, WUNTRACED) == pid);
        show_status(s);
        kill(pid, SIGCONT);
        IS(waitpid(pid, &s, WCONTINUED) == pid);
        show_status(s);
    }
    kill(pid, SIGSTOP);
    see(pid, WSTOPPED);
    // Stopped, not yet reported, then continued: only the continue is left.
    kill(pid, SIGCONT);
    see(pid, WCONTINUED);
    T(waitpid(pid, &s, WUNTRACED | WNOHANG));
    IS(waitpid(pid, &s, WUNTRACED | WCONTINUED) == pid);
    show_status(s);
    // Signals wait while it is stopped; SIGKILL does not.
    kill(pid, SIGSTOP);
    see(pid, WSTOPPED);
    kill(pid, SIGTERM);
    nap();
    T(waitpid(pid, &s, WNOHANG));
    kill(pid, SIGKILL);
    IS(waitpid(pid, &s, 0) == pid);
    show_status(s);
}
static volatile int *shared;
static void *counts(UNUSED void *arg) { for (;;) __atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST); return NULL; }
static void *counts_too(UNUSED void *arg) { for (;;) { __atomic_add_fetch(&shared[1], 1, __ATOMIC_SEQ_CST); usleep(100); } return NULL; }
static void threads(void) {
    pthread_t t;
    pthread_create(&t, NULL, counts, NULL);
    pthread_create(&t, NULL, counts_too, NULL);
    sleeps();
}
SECTION(stop_all_threads) {
    int s;
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = child(threads);
    while (!shared[0] || !shared[1]) nap();
    kill(pid, SIGSTOP);
    IS(waitpid(pid, &s, WUNTRACED) == pid);
    show_status(s);
    nap();
    int a = shared[0], b = shared[1];
    usleep(60000);
    IS(a == shared[0] && b == shared[1]);
    kill(pid, SIGCONT);
    IS(waitpid(pid, &s, WCONTINUED) == pid);
    while (a == shared[0] || b == shared[1]) nap();
    puts("all go on");
    end(pid);
}
static volatile sig_atomic_t chld, last_code, last_status, last_pid;
static void on_chld(UNUSED int sig, siginfo_t *i, UNUSED void *c) {
    chld++;
    last_code = i->si_code;
    last_status = i->si_status;
    last_pid = i->si_pid;
}
static void expect_chld(const char *what, pid_t pid, int count) {
    for (int n = 0; n < 200 && chld < count; n++) usleep(1000);
    nap();
    printf("%s: %d signals, CLD_%s status %d %s\n", what, (int)chld, code_name(last_code), (int)last_status,
           last_pid == pid ? "the child" : "another");
}
static void sigchld(int flags) {
    struct sigaction a = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | flags};
    sigaction(SIGCHLD, &a, NULL);
    chld = last_code = last_status = last_pid = 0;
}
static void all_kinds(int flags, int stops) {
    sigchld(flags);
    pid_t pid = child(sleeps);
    kill(pid, SIGSTOP);
    see(pid, WSTOPPED);
    expect_chld("stop", pid, stops);
    kill(pid, SIGCONT);
    see(pid, WCONTINUED);
    expect_chld("continue", pid, 2 * stops);
    kill(pid, SIGTERM);
    expect_chld("kill", pid, 2 * stops + 1);
    T(waitpid(pid, NULL, 0) == pid);
    pid = child(exits_3);
    expect_chld("exit", pid, 2 * stops + 2);
    T(waitpid(pid, NULL, 0) == pid);
}
SECTION(sigchld_info) { all_kinds(SA_RESTART, 1); }
SECTION(sigchld_nocldstop) { all_kinds(SA_NOCLDSTOP | SA_RESTART, 0); }
SECTION(sigchld_nocldwait) {
    sigchld(SA_NOCLDWAIT);
    pid_t pid = child(exits_3);
    expect_chld("exit", pid, 1);
    T(waitpid(pid, NULL, 0));
    // A wait that sleeps already ends with the last child.
    sigchld(SA_NOCLDWAIT | SA_RESTART);
    fflush(stdout);
    if (!fork()) { nap(); _exit(0); }
    T(waitpid(-1, NULL, 0));
}
SECTION(sigchld_ignored) {
    signal(SIGCHLD, SIG_IGN);
    fflush(stdout);
    if (!fork()) { nap(); _exit(0); }
    T(wait(NULL));
    // A zombie from before stays one.
    signal(SIGCHLD, SIG_DFL);
    pid_t pid = child(exits_3);
    see(pid, WEXITED);
    signal(SIGCHLD, SIG_IGN);
    int s;
    IS(waitpid(pid, &s, 0) == pid);
    show_status(s);
}
static void *waits(void *arg) {
    int s = 0;
    printf("another thread, __WNOTHREAD: %d %s\n", (int)waitpid(-1, &s, WNOHANG | __WNOTHREAD), ename(errno));
    printf("another thread: %d\n", waitpid(-1, &s, 0) == *(pid_t *)arg);
    return NULL;
}
SECTION(threads_and_children) {
    pthread_t t;
    pid_t pid = child(exits_3);
    see(pid, WEXITED);
    pthread_create(&t, NULL, waits, &pid);
    pthread_join(t, NULL);
}
static pid_t made;
static int gate[2];
static void waits_at_gate(void) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(5); }
static void *makes(UNUSED void *arg) { made = child(waits_at_gate); return NULL; }
SECTION(child_of_thread_that_ended) {
    pthread_t t;
    int s;
    pipe(gate);
    pthread_create(&t, NULL, makes, NULL);
    pthread_join(t, NULL);
    nap();
    close(gate[0]);
    close(gate[1]);
    IS(waitpid(made, &s, __WNOTHREAD) == made);
    show_status(s);
}
static void tells_death(int sig) { char c = sig; write(gate[1], &c, 1); }
static void asks_death(void) { signal(SIGUSR1, tells_death); prctl(PR_SET_PDEATHSIG, SIGUSR1); write(gate[1], "r", 1); sleeps(); }
static void *makes_asker(UNUSED void *arg) { char c; made = child(asks_death); read(gate[0], &c, 1); return NULL; }
SECTION(death_signal) {
    pthread_t t;
    char c = 0;
    pipe(gate);
    pthread_create(&t, NULL, makes_asker, NULL);
    pthread_join(t, NULL);
    // The end of the thread that made it is the end of its parent.
    T(read(gate[0], &c, 1));
    printf("signal %d\n", c);
    end(made);
    fflush(stdout);
    pid_t middle = fork();
    if (!middle) { makes_asker(NULL); write(gate[1], &made, sizeof made); _exit(0); }
    waitpid(middle, NULL, 0);
    struct { char a[5]; } got;
    for (unsigned n = 0; n < sizeof got; n++) T(read(gate[0], &got.a[n], 1));
    memcpy(&made, got.a, 4);
    printf("signal %d\n", got.a[4]);
    kill(made, SIGKILL);
}
static void orphan_tells(void) {
    char c;
    read(gate[0], &c, 1);
    int ppid = getppid();
    write(gate[1], &ppid, sizeof ppid);
    _exit(6);
}
SECTION(orphans) {
    int up[2], down[2], s;
    pipe(up);
    pipe(down);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t middle = fork();
    if (!middle) {
        int v = 5;
        prctl(PR_GET_CHILD_SUBREAPER, &v);
        write(up[1], &v, sizeof v);
        gate[0] = down[0];
        gate[1] = up[1];
        pid_t orphan = child(orphan_tells);
        write(up[1], &orphan, sizeof orphan);
        _exit(0);
    }
    int v, orphan, ppid;
    read(up[0], &v, sizeof v);
    printf("the attribute is inherited: %d\n", v);
    read(up[0], &orphan, sizeof orphan);
    waitpid(middle, NULL, 0);
    T(waitpid(orphan, &s, WNOHANG));
    write(down[1], "x", 1);
    read(up[0], &ppid, sizeof ppid);
    printf("its parent is %s\n", ppid == getpid() ? "the reaper" : "another");
    IS(waitpid(orphan, &s, 0) == orphan);
    show_status(s);
    T(waitpid(-1, &s, 0));
}
static void hups(int sig) { char c = sig; write(gate[1], &c, 1); }
SECTION(stopped_orphans_are_hung_up) {
    pipe(gate);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t leader = fork();
    if (!leader) {
        setsid();
        pid_t job = fork();
        if (!job) {
            signal(SIGHUP, hups);
            signal(SIGCONT, hups);
            setpgid(0, 0);
            raise(SIGSTOP);
            for (int n = 0; n < 5; n++) usleep(100000);
            _exit(0);
        }
        int s;
        waitpid(job, &s, WUNTRACED);
        _exit(WIFSTOPPED(s) ? 0 : 1);
    }
    int s;
    waitpid(leader, &s, 0);
    show_status(s);
    char c[2] = {0};
    read(gate[0], &c[0], 1);
    read(gate[0], &c[1], 1);
    printf("%d %d\n", c[0] + c[1], c[0] == SIGHUP || c[0] == SIGCONT);
    T(wait(&s) > 0);
}
SECTION(kill_targets) {
    int s;
    T(kill(999999, 0));
    T(kill(-999999, 0));
    T(kill(-2147483647 - 1, 0));
    T(kill(getpid(), 65));
    T(kill(getpid(), -1));
    T(kill(999999, 65));
    T(kill(0, 0));
    setpgid(0, 0);
    pid_t a = child(sleeps), b = child(sleeps);
    setpgid(b, b);
    signal(SIGTERM, SIG_IGN);
    nap();
    T(kill(0, SIGTERM));
    IS(waitpid(a, &s, 0) == a);
    show_status(s);
    T(waitpid(b, &s, WNOHANG));
    T(kill(-b, SIGUSR1));
    IS(waitpid(b, &s, 0) == b);
    show_status(s);
    T(kill(-b, 0));
}
SECTION(kill_permission) {
    if (getuid()) { puts("needs root"); return; }
    pid_t root = child(sleeps);
    fflush(stdout);
    pid_t user = fork();
    if (!user) { setresgid(65534, 65534, 65534); setresuid(65534, 65534, 65534); sleeps(); }
    nap();
    fflush(stdout);
    pid_t other = fork();
    if (!other) {
        setresuid(65534, 65534, 65534);
        T(kill(root, 0));
        T(kill(root, SIGTERM));
        T(kill(root, SIGCONT));
        T(kill(getppid(), SIGCONT));
        setsid();
        T(kill(root, SIGCONT));
        T(kill(user, 0));
        T(kill(1, 0));
        T(kill(1, SIGTERM));
        T(kill(user, SIGTERM));
        fflush(stdout);
        _exit(0);
    }
    waitpid(other, NULL, 0);
    int s;
    waitpid(user, &s, 0);
    show_status(s);
    end(root);
}
SECTION(process_limit) {
    if (getuid()) { puts("needs root"); return; }
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        struct rlimit few = {3, 3};
        setrlimit(RLIMIT_NPROC, &few);
        OK(fork() == 0 ? (_exit(0), 0) : 0);
        wait(NULL);
        setresuid(61234, 61234, 61234);
        pid_t c[4];
        for (int i = 0; i < 4; i++) {
            errno = 0;
            c[i] = child(sleeps);
            printf("%d: %s\n", i, c[i] > 0 ? "made" : ename(errno));
        }
        kill(c[0], SIGKILL);
        see(c[0], WEXITED);
        // A zombie counts.
        OK(fork());
        waitpid(c[0], NULL, 0);
        c[2] = child(sleeps);
        IS(c[2] > 0);
        kill(c[1], SIGKILL);
        kill(c[2], SIGKILL);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}
SECTION(process_limit_of_another_user) {
    if (getuid()) { puts("needs root"); return; }
    fflush(stdout);
    pid_t first = fork();
    if (!first) { setresuid(61235, 61235, 61235); sleeps(); }
    nap();
    for (int limit = 0; limit < 2; limit++) {
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) {
            struct rlimit few = {limit, limit};
            setrlimit(RLIMIT_NPROC, &few);
            T(setresuid(61235, 61235, 61235));
            fflush(stdout);
            T(execl("/bin/sh", "sh", "-c", "echo executed; exit 7", NULL));
            fflush(stdout);
            _exit(0);
        }
        int s;
        waitpid(pid, &s, 0);
        show_status(s);
    }
    end(first);
}
static void uses(void) { for (volatile long i = 0; i < 60000000; i++) {} }
static void uses_in_child(void) { waitpid(child(uses), NULL, 0); }
SECTION(usage_of_children) {
    struct rusage r, before, own;
    int s;
    memset(&r, 0, sizeof r);
    getrusage(RUSAGE_CHILDREN, &before);
    IS(before.ru_utime.tv_sec == 0 && before.ru_utime.tv_usec == 0 && before.ru_minflt == 0);
    pid_t pid = child(uses_in_child);
    see(pid, WEXITED);
    getrusage(RUSAGE_CHILDREN, &before);
    IS(before.ru_minflt == 0);
    IS(wait4(pid, &s, 0, &r) == pid);
    IS((r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec > 10000);
    IS(r.ru_maxrss > 0 && r.ru_minflt > 0);
    getrusage(RUSAGE_CHILDREN, &own);
    IS((own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000 + own.ru_utime.tv_usec + own.ru_stime.tv_usec > 10000);
    pid = child(exits_3);
    siginfo_t i;
    T(syscall(SYS_waitid, P_PID, pid, &i, WEXITED, &r));
    IS(r.ru_minflt > 0);
}
