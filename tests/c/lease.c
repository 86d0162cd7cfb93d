// Leases on files: F_SETLEASE, F_GETLEASE, and what breaks them.
#include "facts.h"
#include <sys/wait.h>

static const char *kind(int k) { return k == F_RDLCK ? "read" : k == F_WRLCK ? "write" : k == F_UNLCK ? "none" : ename(errno); }
#define LEASE(fd) printf("lease: %s\n", kind(fcntl(fd, F_GETLEASE)))
static void block(int s) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, s);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
// What comes within a time: signal, code, band and descriptor.
static int take(const char *what, long ms) {
    sigset_t set;
    siginfo_t i;
    sigemptyset(&set);
    sigaddset(&set, SIGIO), sigaddset(&set, SIGRTMIN);
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    int s = sigtimedwait(&set, &i, &t);
    if (s < 0) printf("%s: nothing\n", what);
    else if (i.si_code == SI_KERNEL) printf("%s: signal %d of the kernel\n", what, s);
    else printf("%s: signal %d code %d band %lx fd %d\n", what, s, i.si_code, (long)i.si_band, i.si_fd);
    return s;
}
SECTION(take_and_give_up) {
    put("f", "x");
    int r = open("f", O_RDONLY);
    LEASE(r);
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    LEASE(r);
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    LEASE(r);
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    LEASE(r);
    T(fcntl(r, F_GETOWN) == getpid());
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    T(fcntl(r, F_GETOWN));
    LEASE(r);
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    T(fcntl(r, F_SETLEASE, 99));
    T(fcntl(r, F_SETLEASE, -1));
    T(fcntl(-1, F_SETLEASE, F_RDLCK));
    T(fcntl(-1, F_GETLEASE));
}
SECTION(who_else_has_it_open) {
    put("f", "x");
    int w = open("f", O_RDWR);
    T(fcntl(w, F_SETLEASE, F_RDLCK));
    T(fcntl(w, F_SETLEASE, F_WRLCK));
    LEASE(w);
    T(fcntl(w, F_SETLEASE, F_RDLCK));
    T(fcntl(w, F_SETLEASE, F_UNLCK));
    int r = open("f", O_RDONLY);
    T(fcntl(w, F_SETLEASE, F_WRLCK));
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    close(w);
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    int p = open("f", O_PATH);
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    T(fcntl(p, F_SETLEASE, F_RDLCK));
    T(fcntl(p, F_GETLEASE));
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    int r2 = open("f", O_RDONLY);
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    T(fcntl(r2, F_SETLEASE, F_RDLCK));
    LEASE(r2);
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    // Several descriptors of one open file are one.
    int d = dup(r);
    LEASE(d);
    close(r);
    LEASE(d);
    close(d);
    LEASE(r2);
    T(fcntl(r2, F_SETLEASE, F_WRLCK));
    LEASE(r2);
}
SECTION(what_has_none) {
    int p[2];
    mkdir("d", 0755);
    MUST(pipe(p));
    int d = open("d", O_RDONLY), n = open("/dev/null", O_RDONLY);
    T(fcntl(d, F_SETLEASE, F_RDLCK));
    T(fcntl(d, F_SETLEASE, F_UNLCK));
    T(fcntl(p[0], F_SETLEASE, F_RDLCK));
    T(fcntl(n, F_SETLEASE, F_RDLCK));
    LEASE(n);
    LEASE(d);
    put("f", "x");
    chmod("f", 0666);
    if (fork() == 0) {
        MUST(setresuid(1234, 1234, 1234));
        int r = open("f", O_RDONLY);
        T(fcntl(r, F_SETLEASE, F_RDLCK));
        T(fcntl(r, F_SETLEASE, F_UNLCK));
        T(fcntl(r, F_SETLEASE, 99));
        T(fcntl(d, F_SETLEASE, F_RDLCK));
        _exit(0);
    }
    wait(NULL);
}
SECTION(nonblocking_break) {
    put("f", "x");
    block(SIGIO);
    int r = open("f", O_RDONLY);
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    OK(open("f", O_RDONLY | O_NONBLOCK));
    take("another reader", 0);
    T(open("f", O_WRONLY | O_NONBLOCK));
    take("a writer", 0);
    LEASE(r);
    T(open("f", O_WRONLY | O_NONBLOCK));
    take("it was told", 0);
    T(open("f", O_RDWR | O_NONBLOCK | O_CREAT, 0600));
    T(open("f", O_WRONLY | O_TRUNC | O_NONBLOCK));
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    LEASE(r);
    OK(open("f", O_WRONLY | O_NONBLOCK));
    show("f");
}
SECTION(what_breaks) {
    put("f", "abc");
    block(SIGIO);
    int r = open("f", O_RDONLY);
    T(fcntl(r, F_SETLEASE, F_WRLCK));
    T(chmod("f", 0600));
    T(rename("f", "g"));
    T(link("g", "f"));
    T(unlink("g"));
    T(utimensat(AT_FDCWD, "f", NULL, 0));
    struct stat s;
    T(stat("f", &s));
    OK(open("f", O_PATH));
    take("names and attributes", 0);
    LEASE(r);
    T(open("f", O_RDONLY | O_NONBLOCK));
    take("a reader", 0);
    LEASE(r);
    // Becoming a reader's lease is what was asked for.
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    LEASE(r);
    OK(open("f", O_RDONLY | O_NONBLOCK));
    T(open("f", O_WRONLY | O_NONBLOCK));
    take("a writer", 0);
    LEASE(r);
}
SECTION(signal_with_details) {
    put("f", "x");
    block(SIGRTMIN);
    int r = open("f", O_RDONLY);
    T(fcntl(r, F_SETSIG, SIGRTMIN));
    T(fcntl(r, F_SETLEASE, F_RDLCK));
    T(open("f", O_WRONLY | O_NONBLOCK));
    take("a writer", 0);
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    N(fcntl(r, F_GETSIG));
}
// The child waits in open(2) or truncate(2) until the parent gives its lease up.
static void waits_for(const char *what, int lease, int (*act)(void), int answer) {
    printf("%s\n", what);
    put("f", "abcdef");
    block(SIGIO);
    int r = open("f", O_RDONLY);
    MUST(fcntl(r, F_SETLEASE, lease));
    if (fork() == 0) {
        long long from = now_ns();
        close(r);
        printf("child: %s\n", act() < 0 ? ename(errno) : "ok");
        printf("it waited: %s\n", now_ns() - from >= 50000000 ? "yes" : "no");
        _exit(0);
    }
    take("told", 5000);
    LEASE(r);
    sleep_ms(100);
    MUST(fcntl(r, F_SETLEASE, answer));
    wait(NULL);
    LEASE(r);
    close(r);
    show("f");
}
static int to_write(void) { return open("f", O_WRONLY); }
static int to_read(void) { return open("f", O_RDONLY); }
static int to_cut(void) { return truncate("f", 3); }
static int to_open_cut(void) { return open("f", O_WRONLY | O_TRUNC); }
SECTION(blocking_break) {
    waits_for("write against read", F_RDLCK, to_write, F_UNLCK);
    waits_for("read against write", F_WRLCK, to_read, F_UNLCK);
    waits_for("read against write, downgraded", F_WRLCK, to_read, F_RDLCK);
    waits_for("write against write", F_WRLCK, to_write, F_UNLCK);
    waits_for("truncate", F_RDLCK, to_cut, F_UNLCK);
    waits_for("open to truncate", F_WRLCK, to_open_cut, F_UNLCK);
}
SECTION(close_gives_up) {
    put("f", "x");
    int p[2];
    MUST(pipe(p));
    if (fork() == 0) {
        int r = open("f", O_RDONLY);
        signal(SIGIO, SIG_IGN);
        MUST(fcntl(r, F_SETLEASE, F_RDLCK));
        MUST(write(p[1], "x", 1));
        sleep_ms(100);
        _exit(0);
    }
    char b;
    MUST(read(p[0], &b, 1));
    long long from = now_ns();
    OK(open("f", O_WRONLY));
    IS(now_ns() - from >= 50000000);
    wait(NULL);
}
static void nothing(int s) { (void)s; }
SECTION(interrupted) {
    put("f", "x");
    block(SIGIO);
    int r = open("f", O_RDONLY);
    MUST(fcntl(r, F_SETLEASE, F_RDLCK));
    struct sigaction a = {.sa_handler = nothing};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval t = {{0, 0}, {0, 50000}};
    setitimer(ITIMER_REAL, &t, NULL);
    T(open("f", O_WRONLY));
    // Who gave up counts no longer.
    LEASE(r);
    T(fcntl(r, F_SETLEASE, F_UNLCK));
    T(fcntl(r, F_SETLEASE, F_WRLCK));
}
SECTION(proc_locks) {
    put("f", "x");
    int r = open("f", O_RDONLY);
    struct stat s;
    fstat(r, &s);
    MUST(fcntl(r, F_SETLEASE, F_RDLCK));
    for (int i = 0; i < 2; i++) {
        char line[200], want[32];
        snprintf(want, sizeof want, ":%lu ", (long)s.st_ino);
        FILE *f = fopen("/proc/locks", "r");
        while (f && fgets(line, sizeof line, f)) {
            long pid;
            char a[20], b[20], c[20], dev[64], from[20], to[20];
            if (strstr(line, want) && sscanf(line, "%*d: %19s %19s %19s %ld %63s %19s %19s", a, b, c, &pid, dev, from, to) == 7)
                printf("%s %s %s %s %s %s\n", a, b, c, pid == getpid() ? "own" : "other", from, to);
        }
        if (f) fclose(f);
        block(SIGIO);
        T(open("f", O_WRONLY | O_NONBLOCK));
    }
}
