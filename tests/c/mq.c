// mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2). One flavour, because
// the host counts the bytes of all queues of a user, so that two runs at once would see each other.
#include "facts.h"
#include <linux/netlink.h>
#include <mqueue.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct attr { long flags, maxmsg, msgsize, curmsgs, reserved[4]; };
static char name[64];
static const char *own(int n) { snprintf(name, sizeof name, "fncall-%d-%d", getpid(), n); return name; }
static int make(int n, int flags, long most, long size) {
    struct attr a = {.maxmsg = most, .msgsize = size};
    return MUST(S(mq_open, own(n), flags | O_CREAT | O_EXCL, 0600, most ? &a : NULL));
}
static void gone(int n) { MUST(S(mq_unlink, own(n))); }
static long snd(int q, const char *text, unsigned prio) { return S(mq_timedsend, q, text, strlen(text), prio, NULL); }
static long rcv(int q) {
    char b[8192];
    unsigned prio = 99;
    long n = S(mq_timedreceive, q, b, sizeof b, &prio, NULL);
    if (n >= 0) printf("got %u \"%.*s\"\n", prio, (int)n, b);
    return n;
}
static void show_attr(int q) {
    struct attr a;
    memset(&a, 0x5a, sizeof a);
    if (S(mq_getsetattr, q, NULL, &a) < 0) { puts(ename(errno)); return; }
    printf("flags %lx maxmsg %ld msgsize %ld curmsgs %ld rest %lx\n", a.flags, a.maxmsg, a.msgsize, a.curmsgs, a.reserved[0] | a.reserved[3]);
}

SECTION(open_call) {
    struct attr a = {.maxmsg = 5, .msgsize = 100};
    char text[300];
    T(S(mq_open, own(0), O_RDWR, 0, NULL));
    int q = T(S(mq_open, own(0), O_RDWR | O_CREAT, 0640, &a));
    show_attr(q);
    T(fcntl(q, F_GETFD));
    T(fcntl(q, F_GETFL));
    struct stat s;
    MUST(fstat(q, &s));
    printf("mode %o size %ld nlink %ld uid %d\n", s.st_mode, (long)s.st_size, (long)s.st_nlink, s.st_uid);
    T(S(mq_open, own(0), O_RDWR | O_CREAT | O_EXCL, 0640, &a));
    T(fcntl(S(mq_open, own(0), O_RDONLY | O_NONBLOCK, 0, NULL), F_GETFL));
    T(fcntl(S(mq_open, own(0), O_WRONLY | O_CREAT, 0, NULL), F_GETFL));
    T(S(mq_open, own(0), 3, 0, NULL));
    T(S(mq_unlink, own(0)));
    T(S(mq_unlink, own(0)));
    MUST(fstat(q, &s));
    printf("nlink %ld\n", (long)s.st_nlink);
    show_attr(q);
    int d = T(S(mq_open, own(0), O_RDWR | O_CREAT, 0600, NULL));
    show_attr(d);
    gone(0);
    T(S(mq_open, "", O_RDWR, 0, NULL));
    T(S(mq_open, "a/b", O_RDWR, 0, NULL));
    T(S(mq_open, ".", O_RDWR, 0, NULL));
    T(S(mq_open, "..", O_RDWR | O_CREAT, 0, NULL));
    T(S(mq_open, "/", O_RDWR | O_CREAT, 0, NULL));
    T(S(mq_open, NULL, O_RDWR, 0, NULL));
    T(S(mq_open, hole(), O_RDWR, 0, NULL));
    T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, hole()));
    T(S(mq_open, own(1), O_RDWR, 0600, hole()));
    memset(text, 'x', sizeof text);
    text[256] = 0;
    T(S(mq_open, text, O_RDWR, 0, NULL));
    T(S(mq_unlink, text));
    text[255] = 0;
    T(S(mq_open, text, O_RDWR, 0, NULL));
    T(S(mq_unlink, ""));
    T(S(mq_unlink, "a/b"));
    T(S(mq_unlink, hole()));
    long bad[][2] = {{0, 10}, {10, 0}, {-1, 10}, {10, -1}, {65537, 10}, {10, 16777217}, {1l << 40, 1}};
    for (int i = 0; i < 7; i++) {
        a.maxmsg = bad[i][0], a.msgsize = bad[i][1];
        T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
    }
    struct rlimit r = {0, 0};
    a.maxmsg = 1, a.msgsize = 1;
    MUST(setrlimit(RLIMIT_MSGQUEUE, &r));
    T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
}
SECTION(limit_of_bytes) {
    struct rlimit r = {20000, 20000};
    MUST(setrlimit(RLIMIT_MSGQUEUE, &r));
    struct attr a = {.maxmsg = 10, .msgsize = 904};
    int q = T(S(mq_open, own(0), O_RDWR | O_CREAT, 0600, &a));
    a.msgsize = 905;
    T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
    a.msgsize = 904;
    T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
    T(S(mq_unlink, own(0)));
    T(S(mq_open, own(2), O_RDWR | O_CREAT, 0600, &a));
    close(q);
    T(S(mq_open, own(2), O_RDWR | O_CREAT, 0600, &a));
    gone(1);
    gone(2);
}
SECTION(order) {
    int q = make(0, O_RDWR | O_NONBLOCK, 8, 8192);
    gone(0);
    T(snd(q, "low", 1));
    T(snd(q, "high", 9));
    T(snd(q, "low again", 1));
    T(snd(q, "", 5));
    T(snd(q, "high again", 9));
    T(snd(q, "highest", 32767));
    T(snd(q, "too high", 32768));
    show_attr(q);
    for (int i = 0; i < 7; i++) T(rcv(q));
}
SECTION(arguments) {
    char b[200];
    struct timespec bad = {0, 1000000000}, past = {1, 0};
    int q = make(0, O_RDWR, 2, 100), r, w;
    r = MUST(S(mq_open, own(0), O_RDONLY, 0, NULL));
    w = MUST(S(mq_open, own(0), O_WRONLY, 0, NULL));
    gone(0);
    memset(b, 'x', sizeof b);
    T(S(mq_timedsend, q, b, 101, 0, NULL));
    T(S(mq_timedsend, q, b, 100, 0, NULL));
    T(S(mq_timedreceive, q, b, 99, NULL, NULL));
    T(S(mq_timedreceive, w, b, 100, NULL, NULL));
    T(S(mq_timedsend, r, b, 10, 0, NULL));
    T(S(mq_timedsend, 0, b, 10, 0, NULL));
    T(S(mq_timedsend, -1, b, 10, 0, NULL));
    T(S(mq_timedsend, -1, b, 10, 40000, NULL));
    T(S(mq_timedreceive, 0, b, 100, NULL, NULL));
    T(S(mq_timedsend, q, hole(), 10, 0, NULL));
    T(S(mq_timedsend, q, b, 10, 0, &bad));
    T(S(mq_timedsend, q, b, 10, 0, hole()));
    T(S(mq_timedsend, q, b, 10, 0, &past));
    T(S(mq_timedsend, q, b, 10, 0, &past));
    T(S(mq_timedreceive, q, b, 100, NULL, &bad));
    T(S(mq_timedreceive, q, hole(), 100, NULL, NULL));
    T(S(mq_timedreceive, q, b, 100, (void *)hole(), NULL));
    T(S(mq_timedreceive, q, b, 100, NULL, &past));
    show_attr(q);
    struct attr a = {.flags = O_NONBLOCK, .maxmsg = 50};
    T(S(mq_getsetattr, q, &a, NULL));
    show_attr(q);
    T(fcntl(q, F_GETFL));
    T(S(mq_timedreceive, q, b, 100, NULL, NULL));
    a.flags = 0;
    T(S(mq_getsetattr, q, &a, &a));
    X(a.flags);
    show_attr(q);
    a.flags = O_APPEND;
    T(S(mq_getsetattr, q, &a, NULL));
    T(S(mq_getsetattr, q, hole(), NULL));
    T(S(mq_getsetattr, q, NULL, hole()));
    T(S(mq_getsetattr, 0, NULL, &a));
    T(S(mq_getsetattr, -1, NULL, &a));
    T(write(q, b, 10));
    T(lseek(q, 0, SEEK_CUR));
    T((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, q, 0));
    T(ftruncate(q, 0));
}
static int ready(int q) {
    struct pollfd p = {q, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    return p.revents;
}
SECTION(polled) {
    int q = make(0, O_RDWR, 2, 100);
    gone(0);
    X(ready(q));
    snd(q, "a", 0);
    X(ready(q));
    snd(q, "b", 0);
    X(ready(q));
    struct epoll_event e = {.events = EPOLLIN};
    int ep = epoll_create1(0);
    T(epoll_ctl(ep, EPOLL_CTL_ADD, q, &e));
    T(epoll_wait(ep, &e, 1, 0));
    snd(-1, "", 0);
    MUST(S(mq_timedreceive, q, (char[100]){0}, 100, NULL, NULL));
    MUST(S(mq_timedreceive, q, (char[100]){0}, 100, NULL, NULL));
    T(epoll_wait(ep, &e, 1, 0));
}
SECTION(between_processes) {
    int q = make(0, O_RDWR, 3, 8192);
    gone(0);
    int pid = fork();
    if (!pid) {
        for (int i = 0; i < 300; i++) {
            char b[16];
            snprintf(b, sizeof b, "%d", i);
            MUST(snd(q, b, 3));
        }
        _exit(0);
    }
    int wrong = 0;
    for (int i = 0; i < 300; i++) {
        char b[8192] = "";
        MUST(S(mq_timedreceive, q, b, sizeof b, NULL, NULL));
        wrong += atoi(b) != i;
    }
    N(wrong);
    waitpid(pid, NULL, 0);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 30000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    char b[8192];
    long long a = now_ns();
    T(S(mq_timedreceive, q, b, sizeof b, NULL, &t));
    IS(now_ns() - a > 20000000);
}
static volatile siginfo_t seen;
static volatile int count;
static void note(int s, siginfo_t *i, void *c) { (void)s, (void)c; *(siginfo_t *)&seen = *i; count++; }
SECTION(notify) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    int q = make(0, O_RDWR, 3, 8192);
    int other = MUST(S(mq_open, own(0), O_RDWR, 0, NULL));
    gone(0);
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, &e));
    int pid = fork();
    if (!pid) { T(S(mq_notify, q, &e)); T(S(mq_notify, q, NULL)); snd(q, "x", 0); _exit(0); }
    waitpid(pid, NULL, 0);
    while (!count) sleep_ms(1);
    printf("count %d code %d value %d from the child %d uid %d\n", count, seen.si_code, seen.si_value.sival_int, seen.si_pid == pid, seen.si_uid);
    T(S(mq_notify, q, &e));
    snd(q, "not empty before", 0);
    N(count);
    T(rcv(q));
    T(rcv(q));
    snd(q, "y", 0);
    N(count);
    T(rcv(q));
    snd(q, "once only", 0);
    N(count);
    T(rcv(q));
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, NULL));
    T(S(mq_notify, q, NULL));
    e.sigev_notify = SIGEV_NONE;
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, &e));
    // Closing any descriptor of it ends that.
    close(other);
    T(S(mq_notify, q, &e));
    snd(q, "z", 0);
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, NULL));
    e.sigev_notify = SIGEV_SIGNAL;
    e.sigev_signo = 65;
    T(S(mq_notify, q, &e));
    e.sigev_signo = -1;
    T(S(mq_notify, q, &e));
    e.sigev_signo = 0;
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, NULL));
    e.sigev_notify = 4;
    T(S(mq_notify, q, &e));
    e.sigev_notify = 9;
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, hole()));
    T(S(mq_notify, -1, &e));
    T(S(mq_notify, 0, NULL));
    e.sigev_notify = SIGEV_THREAD;
    e.sigev_value.sival_ptr = hole();
    T(S(mq_notify, q, &e));
    e.sigev_value.sival_ptr = &e;
    e.sigev_signo = -1;
    T(S(mq_notify, q, &e));
    e.sigev_signo = q;
    T(S(mq_notify, q, &e));
}
static volatile int called;
static sem_t told;
static void by_thread(union sigval v) { called = v.sival_int; sem_post(&told); }
static int wait_told(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 5;
    return sem_timedwait(&told, &t);
}
// A message to a socket, whose last byte says what has happened.
SECTION(notify_by_socket) {
    int q = make(0, O_RDWR, 3, 100), s = MUST(socket(AF_NETLINK, SOCK_RAW, 0)), u = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    char cookie[32], b[64];
    for (int i = 0; i < 32; i++) cookie[i] = 'a' + i % 26;
    gone(0);
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_signo = u, .sigev_value.sival_ptr = cookie};
    T(S(mq_notify, q, &e));
    e.sigev_signo = s;
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, &e));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", q);
    T(recv(s, b, sizeof b, MSG_DONTWAIT));
    OK(snd(q, "x", 1));
    struct sockaddr_nl from;
    socklen_t n = sizeof from;
    long got = T(recvfrom(s, b, sizeof b, MSG_DONTWAIT, (struct sockaddr *)&from, &n));
    if (got > 0) show_bytes("cookie", b, got);
    N(from.nl_pid); N(n);
    OK(snd(q, "y", 1));
    T(recv(s, b, sizeof b, MSG_DONTWAIT));
    rcv(q); rcv(q);
    T(S(mq_notify, q, &e));
    T(S(mq_notify, q, NULL));
    got = T(recv(s, b, sizeof b, MSG_DONTWAIT));
    if (got > 0) show_bytes("cookie", b, got);
    T(S(mq_notify, q, NULL));
    T(recv(s, b, sizeof b, MSG_DONTWAIT));
    // Closing any descriptor of it takes it back, too.
    T(S(mq_notify, q, &e));
    close(dup(q));
    got = T(recv(s, b, sizeof b, MSG_DONTWAIT));
    if (got > 0) show_bytes("cookie", b, got);
    T(S(mq_notify, q, &e));
    close(s);
    OK(snd(q, "x", 1));
    close(q); close(u);
}
SECTION(notify_by_thread) {
    MUST(sem_init(&told, 0, 0));
    char slashed[80];
    snprintf(slashed, sizeof slashed, "/%s", own(0));
    struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 100};
    mqd_t q = MUST(mq_open(slashed, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = by_thread, .sigev_value.sival_int = 42};
    char b[100];
    for (int i = 0; i < 3; i++) {
        e.sigev_value.sival_int = 42 + i;
        T(mq_notify(q, &e));
        T(mq_notify(q, &e));
        T(mq_send(q, "x", 1, 0));
        T(wait_told());
        N(called);
        T(mq_receive(q, b, sizeof b, NULL));
    }
    T(mq_notify(q, &e));
    T(mq_notify(q, NULL));
    T(mq_send(q, "x", 1, 0));
    IS(sem_trywait(&told) == -1);
    mq_close(q);
    mq_unlink(slashed);
}
SECTION(owner_ends) {
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    int q = make(0, O_RDWR, 3, 100);
    gone(0);
    int pid = fork();
    if (!pid) { T(S(mq_notify, q, &e)); _exit(0); }
    waitpid(pid, NULL, 0);
    T(S(mq_notify, q, &e));
}
SECTION(receiver_before_notify) {
    struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &a, NULL);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    int q = make(0, O_RDWR, 3, 8192);
    gone(0);
    MUST(S(mq_notify, q, &e));
    int pid = fork();
    if (!pid) { rcv(q); _exit(0); }
    sleep_ms(60);
    snd(q, "to the receiver", 1);
    waitpid(pid, NULL, 0);
    N(count);
    snd(q, "to nobody", 1);
    N(count);
}
SECTION(interrupted) {
    for (int restart = 0; restart < 2; restart++) {
        int q = make(restart, O_RDWR, 3, 8192), s;
        gone(restart);
        int pid = fork();
        if (!pid) {
            struct sigaction a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | (restart ? SA_RESTART : 0)};
            sigaction(SIGUSR1, &a, NULL);
            T(rcv(q));
            _exit(0);
        }
        sleep_ms(60);
        for (int i = 0; i < 3 && waitpid(pid, &s, WNOHANG) == 0; i++) kill(pid, SIGUSR1), sleep_ms(20);
        if (restart) snd(q, "after the signal", 0), waitpid(pid, NULL, 0);
    }
}
SECTION(permissions) {
    struct attr a = {.maxmsg = 2, .msgsize = 100};
    int q = MUST(S(mq_open, own(0), O_RDWR | O_CREAT, 0604, &a));
    (void)q;
    int pid = fork();
    if (!pid) {
        char theirs[64];
        snprintf(theirs, sizeof theirs, "fncall-%d-0", getppid());
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        OK(S(mq_open, theirs, O_RDONLY, 0, NULL));
        T(S(mq_open, theirs, O_RDWR, 0, NULL));
        T(S(mq_open, theirs, O_WRONLY | O_CREAT, 0600, NULL));
        T(S(mq_unlink, theirs));
        a.maxmsg = 11;
        T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
        a.maxmsg = 1, a.msgsize = 8193;
        T(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
        a.msgsize = 8192;
        OK(S(mq_open, own(1), O_RDWR | O_CREAT, 0600, &a));
        T(S(mq_unlink, own(1)));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    gone(0);
}
SECTION(limits_in_proc) {
    show("/proc/sys/fs/mqueue/msg_default");
    show("/proc/sys/fs/mqueue/msg_max");
    show("/proc/sys/fs/mqueue/msgsize_default");
    show("/proc/sys/fs/mqueue/msgsize_max");
    show("/proc/sys/fs/mqueue/queues_max");
}
