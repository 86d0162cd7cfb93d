//: musl
// poll(2), ppoll(2), select(2), pselect(2) on what a single process has.
#include "facts.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static int caught;
static void on(int s) { caught = s; }
static void alarm_in(int ms) {
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, ms * 1000}};
    setitimer(ITIMER_REAL, &it, NULL);
}
SECTION(poll_objects) {
    put("f", "x");
    int fds[] = {open("f", O_RDONLY), open("f", O_RDWR), open(".", O_RDONLY), open("/dev/null", O_RDWR), open("/dev/zero", O_RDONLY),
        eventfd(0, 0), eventfd(1, 0), open("/proc/self/stat", O_RDONLY), open("f", O_PATH), 999, -1, -5};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        struct pollfd f = {fds[i], -1, 0x7777};
        int r = poll(&f, 1, 0);
        printf("%zu: %d %x\n", i, r, f.revents);
        f.events = 0;
        r = poll(&f, 1, 0);
        printf("   none: %d %x\n", r, f.revents);
    }
}
SECTION(poll_call) {
    int p[2];
    MUST(pipe(p));
    struct pollfd f[3] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 7}};
    T(poll(f, 3, -1));
    printf("%x %x %x\n", f[0].revents, f[1].revents, f[2].revents);
    T(poll(f, 1, 10));
    T(poll(f, 0, 1));
    T(poll(NULL, 0, 0));
    T(poll(NULL, 1, 0));
    T(S(poll, hole(), 1, 0));
    T(poll(f, 0x7fffffff, 0));
}
SECTION(poll_waits) {
    int p[2];
    MUST(pipe(p));
    struct pollfd f = {p[0], POLLIN, 0};
    long long t = now_ns();
    T(poll(&f, 1, 40));
    t = now_ns() - t;
    IS(t >= 39000000);
    alarm_in(20);
    T(poll(&f, 1, -1));
    N(caught);
    int tf = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec it = {{0, 0}, {0, 20000000}};
    MUST(timerfd_settime(tf, 0, &it, NULL));
    f.fd = tf;
    T(poll(&f, 1, -1));
    printf("%x\n", f.revents);
}
SECTION(ppoll_call) {
    int p[2];
    MUST(pipe(p));
    struct pollfd f = {p[0], POLLIN, 0};
    struct timespec t = {0, 1000000};
    T(ppoll(&f, 1, &t, NULL));
    T(S(ppoll, &f, 1, &t, NULL, 8));
    printf("left %ld %ld\n", t.tv_sec, t.tv_nsec);
    t = (struct timespec){-1, 0};
    T(ppoll(&f, 1, &t, NULL));
    t = (struct timespec){0, 1000000000};
    T(ppoll(&f, 1, &t, NULL));
    T(S(ppoll, &f, 1, hole(), NULL, 8));
    sigset_t none, block;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, NULL);
    alarm_in(1);
    sleep_ms(20);
    N(caught);
    // The pending signal is taken because the mask is replaced for the wait.
    T(ppoll(&f, 1, NULL, &none));
    N(caught);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    N(sigismember(&now, SIGALRM));
    T(S(ppoll, &f, 1, &t, &none, 4));
    T(S(ppoll, &f, 1, NULL, hole(), 8));
    t = (struct timespec){0, 0};
    caught = 0;
    raise(SIGALRM);
    T(ppoll(&f, 1, &t, &none));
    N(caught);
}
SECTION(sticky_timeouts) {
    int p[2];
    MUST(pipe(p));
    fd_set r;
    FD_ZERO(&r);
    MUST(personality(STICKY_TIMEOUTS));
    struct timeval t = {0, 2000};
    T(S(select, 0, NULL, NULL, NULL, &t));
    N(t.tv_usec);
    struct timespec s = {0, 2000000};
    T(S(pselect6, 0, NULL, NULL, NULL, &s, NULL));
    N(s.tv_nsec);
    T(S(ppoll, NULL, 0, &s, NULL, 8));
    N(s.tv_nsec);
    // And nothing begins anew after a handler.
    struct sigaction a = {.sa_handler = on, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 5000}};
    setitimer(ITIMER_REAL, &it, NULL);
    s = (struct timespec){10, 0};
    T(S(ppoll, NULL, 0, &s, NULL, 8));
    MUST(personality(0));
}
SECTION(select_call) {
    int p[2];
    fd_set r, w, e;
    MUST(pipe(p));
#define FDS(fd) do { FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&e); FD_SET(fd, &r); FD_SET(p[1], &w); FD_SET(fd, &e); } while (0)
    struct timeval t = {0, 0};
    FDS(p[0]);
    T(select(p[1] + 1, &r, &w, &e, &t));
    printf("%d %d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), FD_ISSET(p[0], &e));
    MUST(write(p[1], "x", 1));
    FDS(p[0]);
    T(select(p[1] + 1, &r, &w, &e, NULL));
    printf("%d %d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), FD_ISSET(p[0], &e));
    FDS(p[0]);
    T(select(p[0] + 1, &r, NULL, NULL, &t));
    T(select(p[0], &r, NULL, NULL, &t));
    T(select(0, NULL, NULL, NULL, &t));
    T(select(-1, NULL, NULL, NULL, &t));
    FDS(200);
    T(select(201, &r, NULL, NULL, &t));
    t = (struct timeval){-1, 0};
    T(S(select, 0, NULL, NULL, NULL, &t));
    t = (struct timeval){0, 2000000};
    FDS(p[0]);
    T(S(select, p[0] + 1, &r, NULL, NULL, &t));
    IS(t.tv_sec >= 1 && t.tv_usec >= 0);
    T(S(select, 10, hole(), NULL, NULL, &t));
    T(S(select, 10, NULL, NULL, NULL, hole()));
    char c;
    MUST(read(p[0], &c, 1));
    FDS(p[0]);
    t = (struct timeval){0, 20000};
    T(S(select, p[0] + 1, &r, NULL, NULL, &t));
    printf("%ld %ld %d\n", t.tv_sec, t.tv_usec, FD_ISSET(p[0], &r));
    alarm_in(20);
    FDS(p[0]);
    T(select(p[0] + 1, &r, NULL, NULL, NULL));
    N(caught);
    close(p[1]);
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    T(select(p[0] + 1, &r, NULL, NULL, NULL));
    N(FD_ISSET(p[0], &r));
}
SECTION(pselect_call) {
    int p[2];
    fd_set r;
    MUST(pipe(p));
    sigset_t none, block;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, NULL);
    alarm_in(1);
    sleep_ms(15);
    N(caught);
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    T(pselect(p[0] + 1, &r, NULL, NULL, NULL, &none));
    N(caught);
    struct timespec t = {0, 0};
    T(pselect(p[0] + 1, &r, NULL, NULL, &t, &none));
    struct { const void *p; size_t n; } arg = {&none, 4};
    T(S(pselect6, 0, NULL, NULL, NULL, &t, &arg));
    arg.n = 8;
    arg.p = hole();
    T(S(pselect6, 0, NULL, NULL, NULL, &t, &arg));
    T(S(pselect6, 0, NULL, NULL, NULL, &t, hole()));
    arg.p = NULL;
    T(S(pselect6, 0, NULL, NULL, NULL, &t, &arg));
}
