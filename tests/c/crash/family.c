// family.c SEED STEPS - processes and threads that make, signal, stop, wait for and kill each other at random while they
// pass bytes and memory around, for kernels that must survive them.
//
// Never run this on a host: it ends with kill(-1, SIGKILL). Whatever happens to the others is fine; the first process
// waits for all of them, and must see each end. The same seed makes the same choices in each process, in an order that
// the scheduler decides.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 40, STACK = 65536 };
// What all of them share.
struct shared {
    pid_t pids[64];
    unsigned alive, word, made;
    char bytes[8192];
};
static struct shared *all;
static int ends[2], event;
static char *self;
static __thread uint64_t state;
static uint64_t next(void) { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }
static unsigned below(unsigned n) { return next() % n; }
// 34 and 35: the first real-time signals that libc leaves to programs.
static const int signals[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGTERM, SIGSEGV, SIGSTOP, SIGCONT, SIGKILL, 34, 35, SIGTSTP, SIGABRT, SIGPIPE};
static int anysignal(void) { return signals[below(sizeof signals / sizeof *signals)]; }
static pid_t anypid(void) { return all->pids[below(64)]; }
static void on(int s, siginfo_t *i, void *c) { (void)i; (void)c; if (s == SIGUSR2) __atomic_fetch_add(&all->word, 1, __ATOMIC_SEQ_CST); }
static void step(unsigned long *left);

static void nap(long us) { struct timespec t = {0, us * 1000}; nanosleep(&t, NULL); }
static void *thread(void *seed) {
    state = (uintptr_t)seed | 1;
    unsigned long left = below(200);
    while (left > 0) step(&left);
    if (below(32) == 0) syscall(SYS_exit_group, 3);
    return NULL;
}
static int started(void *p) { (void)p; nap(below(500)); _exit(below(3)); }
// One that shares its parent's memory. The C library takes it for the parent's thread: only system calls, and few steps.
static char sharers[16][STACK] __attribute__((aligned(16)));
static void counted(int s) { (void)s; __atomic_fetch_add(&all->word, 1, __ATOMIC_SEQ_CST); }
static int sharer(void *p) {
    uint64_t mine = (uintptr_t)p | 1;
    for (unsigned left = mine % 50; left > 0; left--) {
        mine ^= mine << 13; mine ^= mine >> 7; mine ^= mine << 17;
        struct timespec soon = {0, (long)(mine % 300000)};
        switch ((mine >> 20) % 12) {
        case 0: syscall(SYS_nanosleep, &soon, NULL); break;
        case 1: { void *m = (void *)syscall(SYS_mmap, NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); if ((long)m > 0) { memset(m, 1, 65536); syscall(SYS_munmap, m, 65536); } break; }
        case 2: if (syscall(SYS_fork) == 0) syscall(SYS_exit_group, 4); break;
        case 3: syscall(SYS_wait4, -1, NULL, WNOHANG | __WALL, NULL); break;
        case 4: if (left % 8 == 0) syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0) == 0 ? syscall(SYS_exit, 0) : 0; break;
        case 5: { struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } a = {(void *)counted, 0x40000000ul, NULL, 0}; syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 8); break; }
        case 6: syscall(SYS_kill, all->pids[(mine >> 40) % 64] ?: 1, SIGCONT); break;
        case 7: syscall(SYS_futex, &all->word, FUTEX_WAIT, all->word, &soon, 0, 0); break;
        case 8: { char *argv[] = {self, "7", "20", "child", NULL}; if (left % 4 == 0) syscall(SYS_execve, self, argv, environ); break; }
        case 9: syscall(SYS_kill, syscall(SYS_getppid) > 2 ? syscall(SYS_getppid) : 1, signals[(mine >> 40) % 14]); break;
        case 10: if (left % 8 == 0) syscall(SYS_exit_group, 9); break;
        default: __atomic_fetch_add(&all->word, 1, __ATOMIC_SEQ_CST);
        }
    }
    syscall(SYS_exit, 8);
    return 0;
}
static void enter(pid_t pid) { all->pids[pid % 64] = pid; }
// Room for another process?
static int room(void) { return __atomic_load_n(&all->made, __ATOMIC_RELAXED) < MOST && __atomic_fetch_add(&all->made, 1, __ATOMIC_RELAXED) < MOST; }

static void birth(unsigned long *left) {
    if (!room()) return;
    uint64_t seed = next();
    char stack[STACK] __attribute__((aligned(16)));
    pid_t pid;
    switch (below(7)) {
    case 0:
    case 1:
        pid = fork();
        if (pid == 0) {
            state = seed | 1;
            enter(getpid());
            *left /= 2;
        }
        break;
    case 2:
        pid = vfork();
        if (pid == 0) {
            char number[24];
            snprintf(number, sizeof number, "%llu", (unsigned long long)seed >> 8);
            if (seed & 1) execl(self, self, number, "40", "child", NULL);
            if (seed & 2) execl("/missing", "x", NULL);
            _exit(1);
        }
        break;
    case 3:
        pid = clone(started, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        break;
    case 4:
    case 5: {
        static const int ends[] = {SIGCHLD, 0, SIGUSR1, 100};
        int flags = CLONE_VM | (below(2) ? CLONE_FILES : 0) | (below(2) ? CLONE_FS : 0) | (below(2) ? CLONE_SIGHAND : 0) | (below(4) ? 0 : CLONE_PARENT) | (below(4) ? 0 : CLONE_SYSVSEM);
        static unsigned turn;
        pid = clone(sharer, sharers[turn++ % 16] + STACK, flags | ends[below(4)], (void *)(uintptr_t)seed);
        break;
    }
    default:
        pid = syscall(SYS_clone, (below(2) ? CLONE_PARENT : 0) | (below(2) ? CLONE_FILES : 0) | (below(2) ? CLONE_FS : 0) | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            state = seed | 1;
            enter(syscall(SYS_getpid));
            *left /= 2;
        }
    }
    if (pid > 0) enter(pid);
}
static void step(unsigned long *left) {
    char some[512];
    struct timespec soon = {0, 300000};
    sigset_t set;
    if (*left > 0) --*left;
    switch (below(24)) {
    case 0: birth(left); break;
    case 1: {
        pid_t pid = anypid();
        if (pid > 1) kill(pid, anysignal());
        break;
    }
    case 2: {
        pid_t pid = anypid();
        if (pid > 1) kill(pid, SIGCONT);
        break;
    }
    case 3: waitpid(-1, NULL, WNOHANG | (below(2) ? WUNTRACED | WCONTINUED : 0)); break;
    case 4: { siginfo_t info; waitid(P_ALL, 0, &info, WEXITED | WNOHANG | (below(2) ? WNOWAIT : 0)); break; }
    case 5: {
        pthread_t t;
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK);
        if (below(4) == 0 && pthread_create(&t, &attr, thread, (void *)(uintptr_t)next()) == 0) pthread_detach(t);
        break;
    }
    case 6: if (write(ends[1], some, below(sizeof some)) < 0) {} break;
    case 7: case 8: if (read(ends[0], some, sizeof some) < 0) {} break;
    case 9: syscall(SYS_futex, &all->word, FUTEX_WAIT, all->word, &soon, 0, 0); break;
    case 10: syscall(SYS_futex, &all->word, FUTEX_WAKE, below(4), 0, 0, 0); break;
    case 11: __atomic_fetch_add(&all->word, 1, __ATOMIC_SEQ_CST); break;
    case 12: {
        struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | (below(2) ? SA_RESTART : 0) | (below(8) ? 0 : SA_NODEFER)};
        int s = anysignal();
        sigfillset(&a.sa_mask);
        if (s != SIGSEGV && s != SIGABRT) sigaction(s, &a, NULL);
        break;
    }
    case 13: sigemptyset(&set); sigaddset(&set, anysignal()); sigprocmask(below(2) ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL); break;
    case 14: sigfillset(&set); sigtimedwait(&set, NULL, &soon); break;
    case 15: { struct itimerval it = {{0, 0}, {0, 200}}; setitimer(ITIMER_REAL, &it, NULL); break; }
    case 16: {
        void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p != MAP_FAILED) {
            memset(p, 1, 65536);
            if (below(2)) mprotect(p, 4096, PROT_READ);
            munmap(p, below(2) ? 65536 : 4096);
        }
        break;
    }
    case 17: { uint64_t one = 1; if (write(event, &one, 8) < 0) {} break; }
    case 18: { struct pollfd p[2] = {{ends[0], POLLIN, 0}, {event, POLLIN, 0}}; poll(p, 2, 1); break; }
    case 19: memcpy(all->bytes + below(4096), some, sizeof some); break;
    case 20: setpgid(0, below(3) ? 0 : getppid()); break;
    case 21: { pid_t pid = anypid(); union sigval v = {0}; if (pid > 1) sigqueue(pid, 34 + below(2), v); break; }
    case 22: {
        int fd = open("shared", O_CREAT | O_RDWR | O_APPEND, 0644);
        if (fd >= 0) {
            if (write(fd, some, sizeof some) < 0) {}
            if (below(4) == 0 && ftruncate(fd, below(4096))) {}
            close(fd);
        }
        break;
    }
    default: if (below(60) == 0) _exit(below(256)); nap(below(100)); break;
    }
}
int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    unsigned long left = argc > 2 ? strtoul(argv[2], NULL, 10) : 400;
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    self = argv[0];
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED || pipe2(ends, O_NONBLOCK) || (event = eventfd(0, EFD_NONBLOCK)) < 0) return 99;
    if (argc > 3) { // one that was executed: a few steps of its own
        all->made = MOST - 3;
        enter(getpid());
        while (left > 0) step(&left);
        return 7;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t worker = fork();
    if (worker == 0) {
        // Most signals do not kill, at first.
        struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &a, NULL);
        setsid();
        enter(getpid());
        while (left > 0) step(&left);
        return 5;
    }
    // Two seconds at most, then the end of all.
    for (int i = 0; i < 200 && waitpid(worker, NULL, WNOHANG) == 0; i++) nap(10000);
    // Processes that were made meanwhile are killed in a later round; a stopped one dies of SIGKILL, too.
    pid_t pid = 0;
    for (int round = 0; round < 400; round++) {
        kill(-1, SIGKILL);
        while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0) {}
        if (pid < 0 && errno == ECHILD) break;
        nap(5000);
    }
    if (pid == 0) {
        fprintf(stderr, "family: somebody cannot be killed\n");
        return 98;
    }
    return 0;
}
