//: musl
// setitimer(2), alarm(2), timer_create(2), nanosleep(2); EINTR and SA_RESTART.
#include "facts.h"
#include <poll.h>
#include <sys/eventfd.h>

static volatile int hits, code, value, overrun;
static void on(int s) { (void)s; hits++; }
static void info(int s, siginfo_t *i, void *u) { (void)s; (void)u; hits++; code = i->si_code; value = i->si_value.sival_int; overrun = i->si_overrun; }
static void action(int sig, int flags) { struct sigaction a = {.sa_handler = on, .sa_flags = flags}; MUST(sigaction(sig, &a, NULL)); }
static void in_ms(int ms, int every) { struct itimerval it = {{0, every * 1000}, {0, ms * 1000}}; MUST(setitimer(ITIMER_REAL, &it, NULL)); }

SECTION(itimer) {
    struct itimerval it = {{0, 0}, {0, 0}}, o;
    T(getitimer(ITIMER_REAL, &o));
    printf("%ld %ld %ld %ld\n", o.it_interval.tv_sec, o.it_interval.tv_usec, o.it_value.tv_sec, o.it_value.tv_usec);
    action(SIGALRM, 0);
    it.it_value.tv_sec = 100;
    T(setitimer(ITIMER_REAL, &it, NULL));
    T(getitimer(ITIMER_REAL, &o));
    IS(o.it_value.tv_sec >= 99);
    T(alarm(50));
    T(alarm(0));
    T(alarm(0));
    in_ms(5, 5);
    while (hits < 5) pause();
    puts("five");
    in_ms(0, 0);
    int h = hits;
    sleep_ms(15);
    IS(h == hits);
    it.it_value.tv_usec = 1000000;
    T(setitimer(ITIMER_REAL, &it, NULL));
    it.it_value = (struct timeval){-1, 0};
    T(setitimer(ITIMER_REAL, &it, NULL));
    T(setitimer(99, &it, NULL));
    T(getitimer(99, &o));
    T(S(setitimer, 0, hole(), NULL));
    T(S(setitimer, 0, NULL, NULL));
    T(S(getitimer, 0, hole()));
    T(S(getitimer, 0, NULL));
}
SECTION(cpu_timers) {
    action(SIGVTALRM, 0);
    action(SIGPROF, 0);
    struct itimerval it = {{0, 0}, {0, 20000}}, z = {{0, 0}, {0, 0}};
    T(setitimer(ITIMER_VIRTUAL, &it, NULL));
    while (!hits) {}
    puts("virtual");
    T(setitimer(ITIMER_VIRTUAL, &z, NULL));
    hits = 0;
    T(setitimer(ITIMER_PROF, &it, NULL));
    while (!hits) getppid();
    puts("prof");
}
SECTION(interrupts_a_loop) {
    // No system call in the loop: the signal must get through by itself.
    action(SIGALRM, 0);
    in_ms(10, 0);
    volatile unsigned long n = 0;
    while (!hits) n++;
    IS(n > 1000);
    in_ms(2, 2);
    while (hits < 20) n++;
    puts("done");
}
SECTION(restarts) {
    int p[2];
    char b[8];
    MUST(pipe(p));
    action(SIGALRM, 0);
    in_ms(15, 0);
    T(read(p[0], b, 8));
    in_ms(15, 0);
    struct pollfd f = {p[0], POLLIN, 0};
    T(poll(&f, 1, -1));
    in_ms(15, 0);
    T(pause());
    int e = eventfd(0, 0);
    in_ms(15, 0);
    T(read(e, b, 8));
    N(hits);
    // With SA_RESTART a read goes on; the handler feeds it.
    action(SIGALRM, SA_RESTART);
    in_ms(15, 0);
    T(poll(&f, 1, -1));
    in_ms(15, 0);
    T(pause());
}
static int feed;
static void feeds(int s) { (void)s; hits++; if (hits == 3) MUST(write(feed, "12345678", 8)); }
SECTION(restart_goes_on) {
    int p[2];
    char b[8];
    MUST(pipe(p));
    feed = p[1];
    struct sigaction a = {.sa_handler = feeds, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &a, NULL);
    in_ms(8, 8);
    T(read(p[0], b, 8));
    N(hits);
    hits = 0;
    int e = eventfd(0, 0);
    feed = e;
    T(read(e, b, 8));
    IS(hits == 3);
}
SECTION(sleeping) {
    struct timespec t = {0, 20000000}, left = {9, 9};
    long long a = now_ns();
    T(nanosleep(&t, &left));
    IS(now_ns() - a >= 20000000);
    printf("%ld %ld\n", left.tv_sec, left.tv_nsec);
    action(SIGALRM, SA_RESTART);
    in_ms(10, 0);
    t = (struct timespec){5, 0};
    T(nanosleep(&t, &left));
    IS(left.tv_sec == 4);
    in_ms(10, 0);
    T(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left));
    IS(left.tv_sec == 4);
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += 5;
    in_ms(10, 0);
    T(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, &left));
    when.tv_sec -= 100;
    T(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, &left));
    t = (struct timespec){0, 0};
    T(nanosleep(&t, NULL));
    t = (struct timespec){0, 1000000000};
    T(nanosleep(&t, NULL));
    t = (struct timespec){-1, 0};
    T(nanosleep(&t, NULL));
    T(clock_nanosleep(99, 0, &t, NULL));
    T(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
    T(S(nanosleep, hole(), NULL));
    T(S(nanosleep, NULL, NULL));
    // A signal that runs no handler does not interrupt.
    signal(SIGALRM, SIG_IGN);
    in_ms(5, 0);
    t = (struct timespec){0, 20000000};
    T(nanosleep(&t, NULL));
}
SECTION(posix_timers) {
    timer_t id;
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
    struct sigaction a = {.sa_sigaction = info, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    int kid;
#define CREATE(clock, e) S(timer_create, clock, e, &kid)
    T(CREATE(CLOCK_MONOTONIC, &ev));
    N(kid);
    struct itimerspec it = {{0, 0}, {0, 10000000}}, o;
    T(S(timer_gettime, kid, &o));
    printf("%ld %ld\n", o.it_value.tv_sec, o.it_value.tv_nsec);
    T(S(timer_settime, kid, 0, &it, &o));
    while (!hits) {}
    printf("code %d value %d overrun %d\n", code, value, overrun);
    // Overruns while blocked.
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    hits = 0;
    it = (struct itimerspec){{0, 2000000}, {0, 2000000}};
    T(S(timer_settime, kid, 0, &it, NULL));
    sleep_ms(30);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    IS(hits >= 1 && overrun >= 5);
    T(S(timer_getoverrun, kid) >= 0);
    T(S(timer_delete, kid));
    T(S(timer_delete, kid));
    T(S(timer_gettime, kid, &o));
    T(S(timer_settime, 999, 0, &it, NULL));
    T(S(timer_getoverrun, 999));
    T(CREATE(CLOCK_REALTIME, NULL));
    N(kid);
    T(S(timer_delete, kid));
    T(CREATE(99, &ev));
    ev.sigev_notify = SIGEV_NONE;
    T(CREATE(CLOCK_MONOTONIC, &ev));
    it = (struct itimerspec){{0, 0}, {100, 0}};
    T(S(timer_settime, kid, 0, &it, NULL));
    T(S(timer_gettime, kid, &o));
    IS(o.it_value.tv_sec == 99 || o.it_value.tv_sec == 100);
    it.it_value.tv_nsec = -1;
    T(S(timer_settime, kid, 0, &it, NULL));
    T(S(timer_settime, kid, 0, NULL, NULL));
    T(S(timer_settime, kid, 0, hole(), NULL));
    ev.sigev_notify = 77;
    T(CREATE(CLOCK_MONOTONIC, &ev));
    ev.sigev_notify = SIGEV_SIGNAL;
    ev.sigev_signo = 65;
    T(CREATE(CLOCK_MONOTONIC, &ev));
    ev.sigev_signo = 0;
    T(CREATE(CLOCK_MONOTONIC, &ev));
    T(S(timer_create, CLOCK_MONOTONIC, hole(), &kid));
    T(S(timer_create, CLOCK_MONOTONIC, NULL, NULL));
    (void)id;
}
SECTION(absolute_timer) {
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    action(SIGUSR1, 0);
    int kid;
    MUST(S(timer_create, CLOCK_MONOTONIC, &ev, &kid));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct itimerspec it = {{0, 0}, {now.tv_sec - 1, 0}};
    T(S(timer_settime, kid, TIMER_ABSTIME, &it, NULL));
    while (!hits) {}
    puts("past");
    long long ns = now_ns() + 10000000;
    it.it_value = (struct timespec){ns / 1000000000, ns % 1000000000};
    T(S(timer_settime, kid, TIMER_ABSTIME, &it, NULL));
    while (hits < 2) {}
    IS(now_ns() >= ns);
}
