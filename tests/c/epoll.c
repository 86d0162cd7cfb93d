//: musl
// epoll(7): level, edge, oneshot; on pipes, eventfd, timerfd, signalfd, epoll itself.
#include "facts.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int ep, p[2];
static int ctl(int op, int fd, uint32_t events, uint64_t data) { struct epoll_event e = {.events = events, .data.u64 = data}; return epoll_ctl(ep, op, fd, &e); }
static void waits(int ms) {
    struct epoll_event e[8];
    int n = epoll_wait(ep, e, 8, ms);
    printf("  wait %d:", n);
    if (n < 0) printf(" %s", ename(errno));
    for (int i = 0; i < n; i++) printf(" [%x %ld]", e[i].events, (long)e[i].data.u64);
    puts("");
}
static void scenery(void) { ep = epoll_create1(0); MUST(pipe2(p, O_NONBLOCK)); }

SECTION(create) {
    T(epoll_create(1));
    T(epoll_create(0));
    T(epoll_create(-1));
    T(epoll_create1(EPOLL_CLOEXEC));
    T(fcntl(4, F_GETFD));
    T(epoll_create1(1));
    X(fcntl(3, F_GETFL));
    char c;
    T(read(3, &c, 1));
    T(write(3, &c, 1));
    T(lseek(3, 0, SEEK_SET));
}
SECTION(control) {
    scenery();
    put("f", "x");
    int f = open("f", O_RDONLY), d = open(".", O_RDONLY), n = open("/dev/null", O_RDWR), ev = eventfd(0, 0);
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 2));
    T(ctl(EPOLL_CTL_MOD, p[1], EPOLLIN, 2));
    T(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
    T(ctl(EPOLL_CTL_ADD, f, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, d, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, n, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, ev, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, ep, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, 999, EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, -1, EPOLLIN, 1));
    T(ctl(99, p[0], EPOLLIN, 1));
    T(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], NULL));
    T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (void *)hole()));
    T(epoll_ctl(p[0], EPOLL_CTL_ADD, p[0], NULL));
    struct epoll_event e = {.events = EPOLLIN};
    T(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
    T(epoll_ctl(f, EPOLL_CTL_ADD, p[1], &e));
    T(epoll_ctl(-1, EPOLL_CTL_ADD, p[1], &e));
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
    T(epoll_wait(ep, &e, 0, 0));
    T(epoll_wait(ep, &e, -1, 0));
    T(epoll_wait(p[0], &e, 1, 0));
    T(epoll_wait(-1, &e, 1, 0));
    T(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 1));
    T(epoll_wait(ep, (void *)hole(), 1, 0));
    T(epoll_wait(ep, NULL, 1, 0));
    T(epoll_wait(ep, &e, 0x7fffffff, 0));
}
SECTION(level) {
    scenery();
    char b[16];
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 10));
    T(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT, 11));
    waits(0);
    MUST(write(p[1], "xy", 2));
    T(ctl(EPOLL_CTL_DEL, p[1], 0, 0));
    waits(0);
    waits(0);
    MUST(read(p[0], b, 1));
    waits(0);
    MUST(read(p[0], b, 1));
    waits(0);
    T(ctl(EPOLL_CTL_MOD, p[0], 0, 10));
    MUST(write(p[1], "x", 1));
    waits(0);
    close(p[1]);
    waits(0);
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLRDHUP, 12));
    waits(0);
    close(p[0]);
    waits(0);
}
SECTION(edge) {
    scenery();
    char b[16];
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET, 10));
    waits(0);
    MUST(write(p[1], "x", 1));
    waits(0);
    waits(0);
    MUST(write(p[1], "y", 1));
    waits(0);
    waits(0);
    MUST(read(p[0], b, 1));
    waits(0);
    MUST(write(p[1], "z", 1));
    waits(0);
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 13));
    waits(0);
    waits(0);
    T(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 11));
    waits(0);
    waits(0);
    MUST(read(p[0], b, 16));
    waits(0);
    close(p[1]);
    waits(0);
    waits(0);
}
SECTION(oneshot) {
    scenery();
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT, 10));
    MUST(write(p[1], "x", 1));
    waits(0);
    waits(0);
    MUST(write(p[1], "x", 1));
    waits(0);
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 11));
    waits(0);
    waits(0);
    close(p[1]);
    waits(0);
    T(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN, 12));
    waits(0);
}
SECTION(eventfd_source) {
    scenery();
    int e = eventfd(0, EFD_NONBLOCK);
    uint64_t v = 1;
    T(ctl(EPOLL_CTL_ADD, e, EPOLLIN | EPOLLOUT, 5));
    waits(0);
    MUST(write(e, &v, 8));
    waits(0);
    v = 0xfffffffffffffffdull;
    MUST(write(e, &v, 8));
    waits(0);
    MUST(read(e, &v, 8));
    waits(0);
    T(ctl(EPOLL_CTL_MOD, e, EPOLLIN | EPOLLET, 6));
    waits(0);
    v = 1;
    MUST(write(e, &v, 8));
    waits(0);
    MUST(write(e, &v, 8));
    waits(0);
    waits(0);
}
SECTION(timerfd_source) {
    scenery();
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    T(ctl(EPOLL_CTL_ADD, t, EPOLLIN, 5));
    waits(0);
    struct itimerspec it = {{0, 0}, {0, 20000000}};
    MUST(timerfd_settime(t, 0, &it, NULL));
    waits(-1);
    waits(0);
    uint64_t v;
    T(read(t, &v, 8));
    waits(0);
    T(ctl(EPOLL_CTL_MOD, t, EPOLLIN | EPOLLET, 6));
    MUST(timerfd_settime(t, 0, &it, NULL));
    waits(1000);
    waits(0);
}
SECTION(signalfd_source) {
    scenery();
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGUSR2);
    sigprocmask(SIG_BLOCK, &s, NULL);
    int f = signalfd(-1, &s, SFD_NONBLOCK);
    T(ctl(EPOLL_CTL_ADD, f, EPOLLIN, 5));
    waits(0);
    raise(SIGUSR1);
    waits(0);
    struct signalfd_siginfo i;
    T(read(f, &i, sizeof i));
    N(i.ssi_signo);
    waits(0);
}
SECTION(nested) {
    scenery();
    int inner = ep, outer = epoll_create1(0);
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    ep = outer;
    T(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 2));
    waits(0);
    MUST(write(p[1], "x", 1));
    waits(0);
    struct pollfd f = {outer, POLLIN, 0};
    T(poll(&f, 1, 0));
    printf("%x\n", f.revents);
    ep = inner;
    T(ctl(EPOLL_CTL_ADD, outer, EPOLLIN, 3));
    waits(0);
    int chain[8];
    chain[0] = epoll_create1(0);
    for (int i = 1; i < 8; i++) {
        chain[i] = epoll_create1(0);
        ep = chain[i];
        printf("depth %d: %s\n", i, ctl(EPOLL_CTL_ADD, chain[i - 1], EPOLLIN, 0) ? ename(errno) : "0");
    }
}
SECTION(duplicates) {
    scenery();
    int d = dup(p[0]);
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    T(ctl(EPOLL_CTL_ADD, d, EPOLLIN, 2));
    MUST(write(p[1], "x", 1));
    close(p[0]);
    struct epoll_event e[4];
    T(epoll_wait(ep, e, 4, 0));
    close(d);
    T(epoll_wait(ep, e, 4, 0));
}
SECTION(fairness) {
    scenery();
    int e[5];
    uint64_t v = 1;
    for (int i = 0; i < 5; i++) { e[i] = eventfd(0, 0); ctl(EPOLL_CTL_ADD, e[i], EPOLLIN, i); MUST(write(e[i], &v, 8)); }
    struct epoll_event r[5];
    int seen[5] = {0};
    for (int k = 0; k < 5; k++) { if (epoll_wait(ep, r, 1, 0) == 1) seen[r[0].data.u64]++; }
    for (int i = 0; i < 5; i++) printf("%d ", seen[i]);
    puts("");
    T(epoll_wait(ep, r, 3, 0));
    T(epoll_wait(ep, r, 5, 0));
}
static int caught;
static void on(int s) { caught = s; }
SECTION(waiting) {
    scenery();
    T(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
    long long t = now_ns();
    waits(30);
    IS(now_ns() - t >= 29000000);
    struct sigaction a = {.sa_handler = on, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &it, NULL);
    waits(-1);
    N(caught);
    sigset_t none, block;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, NULL);
    caught = 0;
    raise(SIGALRM);
    struct epoll_event e;
    T(epoll_pwait(ep, &e, 1, 1000, &none));
    N(caught);
    T(S(epoll_pwait, ep, &e, 1, 0, &none, 4));
    struct timespec ts = {0, 1000000};
    T(S(epoll_pwait2, ep, &e, 1, &ts, NULL, 8));
    ts.tv_nsec = -1;
    T(S(epoll_pwait2, ep, &e, 1, &ts, NULL, 8));
}

// ---- EPOLLEXCLUSIVE: of instances that watch the same file one is told ---------------------------------------------
static _Atomic int woken, slept, last;
static void *sleeps_alone(void *flags) {
    int own = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN | (uint32_t)(uintptr_t)flags};
    MUST(epoll_ctl(own, EPOLL_CTL_ADD, p[0], &e));
    slept++;
    MUST(epoll_wait(own, &e, 1, -1));
    last = e.events;
    woken++;
    close(own);
    return NULL;
}
static void told(const char *what, uint32_t flags) {
    enum { THREADS = 5 };
    pthread_t t[THREADS];
    scenery();
    woken = slept = 0;
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, sleeps_alone, (void *)(uintptr_t)flags);
    while (slept < THREADS) sched_yield();
    sleep_ms(100);
    MUST(write(p[1], "x", 1));
    while (woken < (flags ? 1 : THREADS)) sched_yield();
    sleep_ms(50);
    printf("%s: %d", what, woken);
    char c;
    MUST(read(p[0], &c, 1));
    if (woken == 1) {
        MUST(write(p[1], "x", 1));
        while (woken < 2) sched_yield();
        sleep_ms(50);
        printf(", then %d", woken);
    }
    close(p[1]);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    printf(", at the end %d\n", woken);
}
SECTION(exclusive) {
    told("level", EPOLLEXCLUSIVE);
    told("edge", EPOLLEXCLUSIVE | EPOLLET);
    told("not exclusive", 0);
}
