//: musl
// pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), CLONE_PIDFD, waitid(P_PIDFD), clone3(2), unshare(2).
#include "facts.h"
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#undef P_PIDFD
#define P_PIDFD 3
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

struct args { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };

static int child_that_waits(void) {
    int pid = fork();
    if (!pid) { pause(); _exit(3); }
    return pid;
}
static int ready(int fd, int ms) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, ms);
    return p.revents;
}
static void *other_thread(void *tid) {
    *(volatile int *)tid = self_tid();
    pause();
    return NULL;
}
static int thread_that_waits(void) {
    static volatile int tid;
    pthread_t t;
    tid = 0;
    pthread_create(&t, NULL, other_thread, (void *)&tid);
    while (!tid) sleep_ms(1);
    return tid;
}

SECTION(open_call) {
    int fd = T(S(pidfd_open, getpid(), 0));
    T(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_GETFD));
    T(fcntl(S(pidfd_open, getpid(), O_NONBLOCK), F_GETFL));
    int tid = thread_that_waits();
    T(S(pidfd_open, tid, 0));
    T(fcntl(S(pidfd_open, tid, O_EXCL), F_GETFL));
    T(S(pidfd_open, 0, 0));
    T(S(pidfd_open, -1, 0));
    T(S(pidfd_open, 4000000, 0));
    T(S(pidfd_open, getpid(), 1));
    T(S(pidfd_open, getpid(), O_CLOEXEC));
    struct rlimit_ { unsigned long a, b; } r = {3, 3};
    MUST(S(prlimit64, 0, 7, &r, NULL));
    T(S(pidfd_open, getpid(), 0));
    T(S(pidfd_open, 4000000, 0));
}
SECTION(file_of_it) {
    char b[64], path[64];
    struct stat s, t;
    struct statfs f;
    int fd = S(pidfd_open, getpid(), 0), two = S(pidfd_open, getpid(), 0), child = child_that_waits();
    int other = S(pidfd_open, child, 0);
    MUST(fstat(fd, &s));
    printf("mode %o nlink %d uid %d size %d\n", s.st_mode, (int)s.st_nlink, s.st_uid, (int)s.st_size);
    MUST(fstat(two, &t));
    IS(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    MUST(fstat(other, &t));
    IS(s.st_ino == t.st_ino);
    T(fstatfs(fd, &f));
    X(f.f_type);
    T(read(fd, b, 10));
    T(write(fd, b, 10));
    T(lseek(fd, 0, SEEK_SET));
    T(ftruncate(fd, 0));
    T(fchmod(fd, 0600));
    T(fsync(fd));
    T(S(ioctl, fd, 0x1234, 0));
    T((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    T(readlink(path, b, sizeof b));
    show_bytes("link", b, 18);
    OK(open(path, O_RDWR));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", other);
    char text[512] = "";
    int q = open(path, O_RDONLY);
    MUST(read(q, text, sizeof text - 1));
    close(q);
    char want[64];
    snprintf(want, sizeof want, "\nPid:\t%d\nNSpid:\t%d\n", child, child);
    IS(strstr(text, want) != NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    memset(text, 0, sizeof text);
    q = open(path, O_RDONLY);
    MUST(read(q, text, sizeof text - 1));
    IS(strstr(text, "\nPid:\t-1\nNSpid:\t-1\n") != NULL);
}
// PIDFD_GET_INFO. Control groups are left out: bit 4 of the mask.
struct info { uint64_t mask, cgroup; uint32_t pid, tgid, ppid, ids[8]; int32_t exit_code; uint32_t coredump[2]; uint64_t more[5]; };
#define GET_INFO(size) _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, size)
static void show_info(const char *what, int fd, uint64_t mask, size_t size, int pid) {
    struct info i;
    memset(&i, 0x55, sizeof i);
    i.mask = mask;
    if (ioctl(fd, GET_INFO(size), &i) < 0) { printf("%s %llx %zu: %s\n", what, (long long)mask, size, ename(errno)); return; }
    printf("%s %llx %zu: mask %llx, %d%d%d, status %x, core %x %x, then %llx %llx, ids", what, (long long)mask, size, (long long)i.mask & ~4, i.pid == (unsigned)pid,
        i.tgid == (unsigned)pid, i.ppid == (unsigned)getpid(), i.exit_code, i.coredump[0], i.coredump[1], (long long)i.more[1], (long long)i.more[4]);
    for (int n = 0; n < 8; n++) printf(" %d", i.ids[n]);
    putchar('\n');
}
static _Atomic int thread_tid;
static void *ends_when_told(void *go) {
    char c;
    thread_tid = S(gettid);
    read(*(int *)go, &c, 1);
    syscall(SYS_exit, 9);
    return NULL;
}
SECTION(info) {
    int child = child_that_waits(), fd = S(pidfd_open, child, 0), status;
    static const size_t sizes[] = {64, 72, 88, 112};
    for (int bit = -1; bit < 5; bit++) show_info("alive", fd, bit < 0 ? 0 : 1 << bit, 72, child);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) show_info("size", fd, 0x1f, sizes[i], child);
    show_info("unknown", fd, 1ull << 40, 64, child);
    T(ioctl(fd, GET_INFO(63), NULL));
    T(ioctl(fd, GET_INFO(64), NULL));
    T(ioctl(fd, GET_INFO(64), hole()));
    T(ioctl(fd, _IOC(_IOC_READ, 0xff, 11, 64), NULL));
    T(ioctl(fd, _IO(0xff, 12), NULL));
    kill(child, SIGUSR1);
    siginfo_t info;
    waitid(P_PID, child, &info, WEXITED | WNOWAIT);
    show_info("zombie", fd, 0x18, 72, child);
    waitpid(child, &status, 0);
    N(WTERMSIG(status));
    show_info("gone", fd, 0, 64, child);
    show_info("gone", fd, 0x1f, 72, child);
    fflush(stdout);
    child = fork();
    if (!child) _exit(3);
    fd = S(pidfd_open, child, 0);
    waitpid(child, NULL, 0);
    show_info("exited", fd, 8, 64, child);
    int self = S(pidfd_open, getpid(), 0);
    prctl(PR_SET_DUMPABLE, 0);
    struct info own = {.mask = 16};
    T(ioctl(self, GET_INFO(72), &own));
    N(own.coredump[0]);
    prctl(PR_SET_DUMPABLE, 1);
    pthread_t t;
    int go[2];
    MUST(pipe(go));
    pthread_create(&t, NULL, ends_when_told, go);
    while (!thread_tid) sched_yield();
    fd = S(pidfd_open, thread_tid, O_EXCL);
    own.mask = 0;
    T(ioctl(fd, GET_INFO(64), &own));
    IS(own.pid == (unsigned)thread_tid && own.tgid == (unsigned)getpid());
    write(go[1], "x", 1);
    struct pollfd p = {fd, POLLIN, 0};
    poll(&p, 1, -1);
    own.mask = 8;
    T(ioctl(fd, GET_INFO(64), &own));
    X(own.mask & ~4);
    X(own.exit_code);
}
SECTION(life_of_a_child) {
    siginfo_t si;
    memset(&si, 0, sizeof si);
    int child = child_that_waits(), fd = MUST(S(pidfd_open, child, 0));
    X(ready(fd, 0));
    T(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
    N(si.si_pid);
    T(S(pidfd_send_signal, fd, 0, NULL, 0));
    T(S(pidfd_send_signal, fd, SIGKILL, NULL, 0));
    X(ready(fd, 5000));
    T(S(pidfd_send_signal, fd, SIGTERM, NULL, 0));
    T(S(pidfd_getfd, fd, 0, 0));
    T(waitid(P_PIDFD, fd, &si, WEXITED | WNOWAIT));
    X(ready(fd, 0));
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    IS(si.si_pid == child);
    N(si.si_status);
    N(si.si_code);
    X(ready(fd, 0));
    T(S(pidfd_send_signal, fd, 0, NULL, 0));
    T(S(pidfd_send_signal, fd, 99, NULL, 0));
    T(S(pidfd_getfd, fd, 0, 0));
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    T(S(pidfd_open, child, 0));
}
SECTION(epoll_tells) {
    int child = child_that_waits(), fd = MUST(S(pidfd_open, child, 0)), ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    T(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
    T(epoll_wait(ep, &e, 1, 0));
    kill(child, SIGTERM);
    T(epoll_wait(ep, &e, 1, 5000));
    X(e.events);
    waitpid(child, NULL, 0);
    T(epoll_wait(ep, &e, 1, 0));
    X(e.events);
}
SECTION(waitid_nonblock) {
    siginfo_t si;
    int child = child_that_waits(), fd = MUST(S(pidfd_open, child, O_NONBLOCK));
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    T(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
    T(waitid(P_PIDFD, fd, NULL, WEXITED | WNOHANG));
    T(waitid(P_PIDFD, 0, &si, WEXITED));
    T(waitid(P_PIDFD, 99, &si, WEXITED));
    T(waitid(P_PIDFD, -1, &si, WEXITED));
    T(waitid(P_PIDFD, S(pidfd_open, getpid(), 0), &si, WEXITED));
    T(waitid(P_PIDFD, fd, &si, 0));
    T(waitid(4, fd, &si, WEXITED));
    kill(child, SIGKILL);
    ready(fd, 5000);
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    N(si.si_status);
}
static volatile siginfo_t seen;
static volatile int seen_tid;
static void note(int s, siginfo_t *i, void *c) { (void)s, (void)c; *(siginfo_t *)&seen = *i; seen_tid = self_tid(); }
SECTION(send_signal) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    int fd = S(pidfd_open, getpid(), 0), d = open("/proc/self", O_DIRECTORY);
    int codes[] = {0, 1, 2, 4};
    setpgid(0, 0);
    for (int i = 0; i < 4; i++) {
        memset((void *)&seen, 0, sizeof seen);
        T(S(pidfd_send_signal, fd, SIGUSR1, NULL, codes[i]));
        printf("code %d own %d\n", seen.si_code, seen.si_pid == getpid());
    }
    T(S(pidfd_send_signal, d, SIGUSR1, NULL, 0));
    T(S(pidfd_send_signal, -10000, SIGUSR1, NULL, 0));
    T(S(pidfd_send_signal, -10001, SIGUSR1, NULL, 0));
    T(S(pidfd_send_signal, -10002, 0, NULL, 0));
    T(S(pidfd_send_signal, -1, 0, NULL, 0));
    T(S(pidfd_send_signal, 0, 0, NULL, 0));
    T(S(pidfd_send_signal, 99, 0, NULL, 0));
    T(S(pidfd_send_signal, fd, 0, NULL, 3));
    T(S(pidfd_send_signal, fd, 0, NULL, 8));
    T(S(pidfd_send_signal, fd, 99, NULL, 0));
    T(S(pidfd_send_signal, fd, -1, NULL, 0));
    T(S(pidfd_send_signal, fd, SIGUSR1, hole(), 0));
    siginfo_t si;
    memset(&si, 0, sizeof si);
    si.si_signo = SIGUSR1;
    si.si_code = SI_QUEUE;
    si.si_value.sival_int = 77;
    T(S(pidfd_send_signal, fd, SIGUSR1, &si, 0));
    N(seen.si_code);
    N(seen.si_value.sival_int);
    T(S(pidfd_send_signal, fd, SIGUSR2, &si, 0));
    int child = child_that_waits(), cf = S(pidfd_open, child, 0);
    si.si_code = SI_USER;
    T(S(pidfd_send_signal, cf, SIGUSR1, &si, 0));
    si.si_code = SI_TKILL;
    T(S(pidfd_send_signal, cf, SIGUSR1, &si, 0));
    T(S(pidfd_send_signal, cf, 0, NULL, 4));
    T(S(pidfd_send_signal, cf, SIGKILL, NULL, 0));
    waitpid(child, NULL, 0);
}
SECTION(thread_fd) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    int tid = thread_that_waits(), fd = MUST(S(pidfd_open, tid, O_EXCL));
    X(ready(fd, 0));
    T(S(pidfd_send_signal, fd, SIGUSR1, NULL, 0));
    X(ready(fd, 5000));
    IS(seen_tid == tid);
    N(seen.si_code);
    T(S(pidfd_send_signal, fd, SIGUSR1, NULL, 0));
}
SECTION(getfd) {
    int p[2], q[2];
    char b[8] = "";
    MUST(pipe(p));
    MUST(pipe(q));
    int child = fork();
    if (!child) {
        int r[2];
        MUST(pipe(r));
        MUST(dup2(r[0], 50));
        MUST(write(r[1], "hello", 5));
        MUST(write(p[1], "x", 1));
        read(q[0], b, 1);
        _exit(0);
    }
    read(p[0], b, 1);
    int fd = MUST(S(pidfd_open, child, 0)), got = T(S(pidfd_getfd, fd, 50, 0));
    T(read(got, b, 8));
    show_bytes("got", b, 5);
    T(fcntl(got, F_GETFD));
    T(S(pidfd_getfd, fd, 50, 1));
    T(S(pidfd_getfd, fd, 51, 0));
    T(S(pidfd_getfd, fd, -1, 0));
    T(S(pidfd_getfd, 0, 0, 0));
    T(S(pidfd_getfd, -1, 0, 0));
    T(S(pidfd_getfd, open("/proc/self", O_DIRECTORY), 0, 0));
    int self = S(pidfd_open, getpid(), 0);
    T(S(pidfd_getfd, self, 50, 0));
    MUST(write(q[1], "x", 1));
    waitpid(child, NULL, 0);
}
static long clone_with(struct args a, size_t size) {
    long r = syscall(SYS_clone3, &a, size);
    if (!r) _exit(7);
    int e = errno;
    if (r > 0 && !(a.flags & CLONE_THREAD)) {
        int status = 0;
        waitpid(r, &status, __WALL);
        if (status != 0x700) printf("status %x\n", status);
    }
    errno = e;
    return r;
}
#define C3(...) OK(clone_with((struct args){__VA_ARGS__}, sizeof(struct args)))
SECTION(clone3_arguments) {
    int fd = -1, tids[2] = {2345, 1};
    C3(.exit_signal = SIGCHLD);
    C3(.flags = CLONE_PIDFD, .pidfd = (long)&fd);
    N(fd);
    T(fcntl(fd, F_GETFD));
    C3(.flags = CLONE_PIDFD, .pidfd = 0);
    C3(.flags = CLONE_PIDFD, .pidfd = (long)hole());
    T(dup(0));
    C3(.flags = CLONE_PIDFD | CLONE_DETACHED, .pidfd = (long)&fd);
    C3(.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (long)&fd, .parent_tid = (long)&fd);
    C3(.flags = CLONE_DETACHED);
    C3(.flags = CLONE_CLEAR_SIGHAND);
    C3(.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM);
    C3(.flags = CLONE_INTO_CGROUP, .cgroup = 99);
    C3(.flags = CLONE_INTO_CGROUP, .cgroup = 0);
    C3(.flags = CLONE_INTO_CGROUP, .cgroup = 1ul << 40);
    C3(.flags = 1ul << 40);
    C3(.flags = 1);
    C3(.flags = CLONE_THREAD);
    C3(.flags = CLONE_SIGHAND);
    C3(.flags = CLONE_FS | CLONE_NEWNS);
    C3(.flags = CLONE_FS | CLONE_NEWUSER);
    C3(.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWPID);
    C3(.flags = CLONE_PARENT, .exit_signal = SIGCHLD);
    C3(.exit_signal = 65);
    C3(.exit_signal = 256);
    C3(.stack = 4096);
    C3(.stack_size = 4096);
    C3(.stack = -4096ul, .stack_size = 4096);
    C3(.set_tid = (long)tids, .set_tid_size = 0);
    C3(.set_tid_size = 1);
    C3(.set_tid = (long)tids, .set_tid_size = 33);
    C3(.set_tid = (long)hole(), .set_tid_size = 1);
    tids[0] = getpid();
    C3(.set_tid = (long)tids, .set_tid_size = 1);
    tids[0] = -1;
    C3(.set_tid = (long)tids, .set_tid_size = 1);
    tids[0] = 0;
    C3(.set_tid = (long)tids, .set_tid_size = 1);
    tids[0] = 1;
    C3(.set_tid = (long)tids, .set_tid_size = 1);
    struct args a = {.exit_signal = SIGCHLD};
    struct { struct args a; uint64_t more; } b = {a, 0};
    OK(clone_with(a, 64));
    T(clone_with(a, 63));
    T(clone_with(a, 4097));
    T(syscall(SYS_clone3, NULL, 64));
    b.more = 1;
    T(syscall(SYS_clone3, &b, sizeof b));
    a.flags = CLONE_INTO_CGROUP;
    T(clone_with(a, 80));
}
SECTION(set_tid) {
    // A number that nobody has, most likely.
    int tid = 30000;
    while (kill(tid, 0) == 0) tid++;
    struct args a = {.exit_signal = SIGCHLD, .set_tid = (long)&tid, .set_tid_size = 1};
    long r = syscall(SYS_clone3, &a, sizeof a);
    if (!r) _exit(getpid() == tid ? 5 : 6);
    IS(r == tid);
    int status = 0;
    T(waitpid(tid, &status, 0) == tid);
    X(status);
    MUST(setresuid(1000, 1000, 1000));
    T(syscall(SYS_clone3, &a, sizeof a));
}
SECTION(clone_pidfd) {
    int fd = -1;
    long r = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL, NULL);
    if (!r) {
        // The descriptor is the parent's alone.
        printf("in the child: %s\n", fcntl(fd == -1 ? 3 : fd, F_GETFD) == -1 ? "EBADF" : "open");
        _exit(4);
    }
    siginfo_t si;
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    N(fd);
    N(si.si_status);
    T(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, &fd, NULL, NULL));
    T(syscall(SYS_clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, NULL, &fd, NULL, NULL));
    T(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, hole(), NULL, NULL));
    // vfork with one
    fd = -1;
    struct args a = {.flags = CLONE_PIDFD | CLONE_VFORK, .pidfd = (long)&fd, .exit_signal = SIGCHLD};
    r = syscall(SYS_clone3, &a, sizeof a);
    if (!r) _exit(9);
    N(fd);
    T(waitid(P_PIDFD, fd, &si, WEXITED));
    N(si.si_status);
}
static void nothing(int s) { (void)s; }
SECTION(clear_sighand) {
    struct sigaction s;
    signal(SIGUSR1, nothing);
    signal(SIGUSR2, SIG_IGN);
    struct args a = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    long r = syscall(SYS_clone3, &a, sizeof a);
    if (!r) {
        sigaction(SIGUSR1, NULL, &s);
        IS(s.sa_handler == SIG_DFL);
        sigaction(SIGUSR2, NULL, &s);
        IS(s.sa_handler == SIG_IGN);
        _exit(0);
    }
    waitpid(r, NULL, 0);
    sigaction(SIGUSR1, NULL, &s);
    IS(s.sa_handler == nothing);
}
static int shares_handlers(void *p) {
    (void)p;
    struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } k = {nothing, 0, NULL, 0};
    syscall(SYS_rt_sigaction, SIGUSR2, &k, NULL, 8);
    k.handler = SIG_IGN;
    syscall(SYS_rt_sigaction, SIGUSR1, &k, NULL, 8);
    syscall(SYS_exit, 0);
    return 0;
}
SECTION(shared_handlers) {
    static char stack[65536] __attribute__((aligned(16)));
    struct sigaction s;
    int pid = MUST(clone(shares_handlers, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | SIGCHLD, NULL));
    waitpid(pid, NULL, 0);
    sigaction(SIGUSR2, NULL, &s);
    IS(s.sa_handler == nothing);
    sigaction(SIGUSR1, NULL, &s);
    IS(s.sa_handler == SIG_IGN);
    pid = MUST(clone(shares_handlers, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
    waitpid(pid, NULL, 0);
}
static int in_thread(int (*f)(void)) {
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, (void *(*)(void *))(void *)f, NULL);
    pthread_join(t, &r);
    return (int)(long)r;
}
static int unshare_files(void) {
    T(unshare(CLONE_FILES));
    T(dup2(0, 40));
    T(close(41));
    T(unshare(CLONE_FS));
    T(chdir("/tmp"));
    umask(0);
    return 0;
}
static int unshare_range(void) {
    T(S(close_range, 42, 43, 2));
    T(fcntl(42, F_GETFD));
    T(fcntl(1, F_GETFD));
    return 0;
}
SECTION(unshare_call) {
    T(unshare(0));
    T(unshare(CLONE_FILES));
    T(unshare(CLONE_FS));
    T(unshare(CLONE_SYSVSEM));
    T(unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM));
    T(unshare(CLONE_VM));
    T(unshare(CLONE_SIGHAND));
    T(unshare(CLONE_THREAD));
    T(unshare(CLONE_PARENT));
    T(unshare(CLONE_IO));
    T(unshare(CLONE_SETTLS));
    T(unshare(1));
    char cwd[256];
    MUST(chdir("/"));
    MUST(dup2(0, 41));
    MUST(dup2(0, 42));
    in_thread(unshare_files);
    T(fcntl(40, F_GETFD));
    T(fcntl(41, F_GETFD));
    puts(getcwd(cwd, sizeof cwd));
    printf("umask %o\n", umask(022));
    in_thread(unshare_range);
    T(fcntl(42, F_GETFD));
    thread_that_waits();
    T(unshare(CLONE_VM));
    T(unshare(CLONE_THREAD));
    T(unshare(CLONE_SIGHAND));
    T(unshare(CLONE_FILES));
}
static int child_of_shared_table(void *p) {
    (void)p;
    dup2(0, 60);
    close(61);
    syscall(SYS_exit, 0);
    return 0;
}
SECTION(shared_table) {
    static char stack[65536] __attribute__((aligned(16)));
    MUST(dup2(0, 61));
    int pid = MUST(clone(child_of_shared_table, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL));
    waitpid(pid, NULL, 0);
    T(fcntl(60, F_GETFD));
    T(fcntl(61, F_GETFD));
    pid = fork();
    if (!pid) { child_of_shared_table(NULL); }
    waitpid(pid, NULL, 0);
    T(fcntl(60, F_GETFD));
}
