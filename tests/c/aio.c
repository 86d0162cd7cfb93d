//: files
// Linux's asynchronous input and output: io_setup, io_submit, io_getevents, io_pgetevents, io_cancel, io_destroy.
#include "facts.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

struct ring { unsigned id, nr, head, tail, magic, compat, incompat, header; struct io_event events[]; };
static aio_context_t setup(unsigned n) {
    aio_context_t c = 0;
    MUST(S(io_setup, n, &c));
    return c;
}
static struct iocb request(int op, int fd, const void *buf, size_t n, off_t at) {
    return (struct iocb){.aio_data = 7, .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = n, .aio_offset = at};
}
static long submit(aio_context_t c, struct iocb *one) { return S(io_submit, c, 1, &one); }
static void events(aio_context_t c, const char *what, long least, struct iocb *of) {
    struct io_event e[8];
    struct timespec none = {0, 0};
    long n = S(io_getevents, c, least, 8, e, least ? NULL : &none);
    printf("%s: %ld\n", what, n < 0 ? -errno : n);
    for (long i = 0; i < n; i++)
        printf("  data %lld, obj %s, res %lld, res2 %lld\n", (long long)e[i].data, of == (void *)(uintptr_t)e[i].obj ? "as submitted" : "another",
               // Some wakers tell more than was asked for.
               (long long)(((struct iocb *)(uintptr_t)e[i].obj)->aio_lio_opcode == IOCB_CMD_POLL ? e[i].res & (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP) : e[i].res), (long long)e[i].res2);
}
SECTION(contexts) {
    aio_context_t c = 0, d = 1;
    T(S(io_setup, 0, &c));
    T(S(io_setup, 1, &d));
    T(S(io_setup, 1, NULL));
    T(S(io_setup, 0, hole()));
    T(S(io_setup, -1, &c));
    T(S(io_setup, 0x1000000, &c));
    T(S(io_setup, 0x3ffffff, &c));
    T(S(io_setup, 1, &c));
    struct ring *r = (void *)c;
    X(r->magic), N(r->head), N(r->tail), N(r->compat), N(r->incompat), N(r->header);
    N((r->nr * 32 + 32) % 4096);
    T(S(io_destroy, c));
    T(S(io_destroy, c));
    T(S(io_destroy, 0));
    T(S(io_destroy, hole()));
    T(S(io_getevents, c, 0, 0, NULL, NULL));
    T(S(io_submit, c, 0, NULL));
    // The mapping went with it.
    T(msync((void *)c, 4096, MS_ASYNC));
}
SECTION(reads_and_writes) {
    aio_context_t c = setup(8);
    char b[64] = "", b2[4] = "";
    int f = open("f", O_RDWR | O_CREAT, 0644);
    struct iocb w = request(IOCB_CMD_PWRITE, f, "hello world", 11, 2);
    T(submit(c, &w));
    N(w.aio_key);
    struct ring *ring = (void *)c;
    N(ring->tail), N(ring->head);
    printf("in the ring: %lld %lld\n", (long long)ring->events[0].data, (long long)ring->events[0].res);
    events(c, "write", 1, &w);
    N(ring->tail), N(ring->head);
    struct iocb r = request(IOCB_CMD_PREAD, f, b, 8, 4);
    T(submit(c, &r));
    events(c, "read", 1, &r);
    show_bytes("read", b, 8);
    r.aio_offset = 100;
    T(submit(c, &r));
    events(c, "at the end", 1, &r);
    struct iovec v[2] = {{b, 3}, {b2, 4}};
    struct iocb rv = request(IOCB_CMD_PREADV, f, v, 2, 2);
    T(submit(c, &rv));
    events(c, "vector", 1, &rv);
    show_bytes("first", b, 3), show_bytes("second", b2, 4);
    struct iocb wv = request(IOCB_CMD_PWRITEV, f, v, 2, 0);
    T(submit(c, &wv));
    events(c, "vector", 1, &wv);
    struct iocb s = request(IOCB_CMD_FSYNC, f, NULL, 0, 0), ds = request(IOCB_CMD_FDSYNC, f, NULL, 0, 0);
    T(submit(c, &s));
    events(c, "fsync", 1, &s);
    T(submit(c, &ds));
    events(c, "fdatasync", 1, &ds);
    N(lseek(f, 0, SEEK_CUR));
    struct iocb *list[3] = {&w, &r, &rv};
    T(S(io_submit, c, 3, list));
    events(c, "three", 3, NULL);
    close(f);
    show("f");
    int a = open("f", O_WRONLY | O_APPEND);
    struct iocb ap = request(IOCB_CMD_PWRITE, a, "end", 3, 0);
    T(submit(c, &ap));
    events(c, "append", 1, &ap);
    show("f");
    T(S(io_destroy, c));
}
SECTION(refused) {
    aio_context_t c = setup(1);
    char b[8];
    put("f", "abcdef");
    int f = open("f", O_RDONLY), w = open("f", O_WRONLY), d = open(".", O_RDONLY), p[2];
    MUST(pipe(p));
    struct iocb q;
#define REFUSED(what, ...) do { q = request(__VA_ARGS__); printf("%s: ", what); errno = 0; long n = submit(c, &q); printf("%s\n", n < 0 ? ename(errno) : "submitted"); if (n == 1) events(c, "it", 1, &q); } while (0)
    REFUSED("bad descriptor", IOCB_CMD_PREAD, -1, b, 1, 0);
    REFUSED("not to write", IOCB_CMD_PWRITE, f, b, 1, 0);
    REFUSED("not to read", IOCB_CMD_PREAD, w, b, 1, 0);
    REFUSED("directory", IOCB_CMD_PREAD, d, b, 1, 0);
    REFUSED("directory, poll", IOCB_CMD_POLL, d, (void *)POLLIN, 0, 0);
    REFUSED("directory, sync", IOCB_CMD_FSYNC, d, NULL, 0, 0);
    REFUSED("no memory", IOCB_CMD_PREAD, f, hole(), 1, 0);
    REFUSED("no memory, vector", IOCB_CMD_PREADV, f, hole(), 1, 0);
    REFUSED("kernel memory", IOCB_CMD_PREAD, f, (void *)-4096l, 1, 0);
    REFUSED("offset below 0", IOCB_CMD_PREAD, f, b, 1, -1);
    REFUSED("length below 0", IOCB_CMD_PREAD, f, b, -1, 0);
    REFUSED("too long a vector", IOCB_CMD_PREADV, f, b, 1025, 0);
    REFUSED("nothing", IOCB_CMD_PREAD, f, b, 0, 0);
    REFUSED("no operation", IOCB_CMD_NOOP, f, NULL, 0, 0);
    REFUSED("operation 4", 4, f, NULL, 0, 0);
    REFUSED("operation 99", 99, f, NULL, 0, 0);
    REFUSED("fsync with a buffer", IOCB_CMD_FSYNC, f, b, 0, 0);
    REFUSED("fsync with an offset", IOCB_CMD_FSYNC, f, NULL, 0, 1);
    REFUSED("fsync of a pipe", IOCB_CMD_FSYNC, p[0], NULL, 0, 0);
    REFUSED("poll with a length", IOCB_CMD_POLL, p[0], (void *)POLLIN, 1, 0);
    REFUSED("poll for too much", IOCB_CMD_POLL, p[0], (void *)0x10000, 0, 0);
    q = request(IOCB_CMD_PREAD, f, b, 1, 0), q.aio_reserved2 = 1;
    T(submit(c, &q));
    q.aio_reserved2 = 0, q.aio_rw_flags = 1 << 30;
    T(submit(c, &q));
    q.aio_rw_flags = 0, q.aio_flags = IOCB_FLAG_RESFD, q.aio_resfd = -1;
    T(submit(c, &q));
    q.aio_resfd = f;
    T(submit(c, &q));
    q.aio_flags = 1 << 10;
    T(submit(c, &q));
    q.aio_flags = IOCB_FLAG_IOPRIO, q.aio_reqprio = 7 << 13;
    T(submit(c, &q));
    struct iocb *list[3] = {&q, NULL, &q};
    q = request(IOCB_CMD_PREAD, f, b, 1, 0);
    T(S(io_submit, c, 3, list));
    list[1] = &q, list[0] = NULL;
    T(S(io_submit, c, 3, list));
    T(S(io_submit, c, 1, NULL));
    T(S(io_submit, c, 0, NULL));
    T(S(io_submit, c, -1, list));
    T(S(io_submit, 0, 1, list));
    T(S(io_getevents, c, -1, 1, NULL, NULL));
    T(S(io_getevents, c, 2, 1, NULL, NULL));
    T(S(io_getevents, c, 0, 0, NULL, NULL));
    T(S(io_getevents, c, 1, 1, NULL, NULL));
    T(S(io_getevents, c, 0, 1, hole(), hole()));
    events(c, "still there", 0, &q);
}
SECTION(pipes_and_signals) {
    aio_context_t c = setup(4);
    char b[8] = "";
    int p[2];
    MUST(pipe(p));
    struct iocb w = request(IOCB_CMD_PWRITE, p[1], "abc", 3, 55), r = request(IOCB_CMD_PREAD, p[0], b, 8, 0);
    T(submit(c, &w));
    events(c, "write", 1, &w);
    T(submit(c, &r));
    events(c, "read", 1, &r);
    show_bytes("read", b, 3);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    T(submit(c, &r));
    events(c, "nothing there", 1, &r);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    T(submit(c, &w));
    events(c, "no reader", 1, &w);
}
SECTION(full) {
    aio_context_t c = setup(1);
    char b[8];
    put("f", "abc");
    int f = open("f", O_RDONLY);
    struct iocb r = request(IOCB_CMD_PREAD, f, b, 1, 0);
    struct ring *ring = (void *)c;
    long n = 0;
    while (submit(c, &r) == 1) n++;
    printf("stopped by %s\n", ename(errno));
    IS(n >= 1 && n < ring->nr);
    // A program may take events itself.
    ring->head = (ring->head + 1) % ring->nr;
    T(submit(c, &r));
    long taken = 0;
    struct io_event e[16];
    struct timespec none = {0, 0};
    for (long k; (k = S(io_getevents, c, 1, 16, e, &none)) > 0;) taken += k;
    IS(taken == n);
    T(submit(c, &r));
    events(c, "again", 0, &r);
}
static void *later(void *fd) {
    sleep_ms(50);
    MUST(write(*(int *)fd, "12345678", 8));
    return NULL;
}
SECTION(polling) {
    aio_context_t c = setup(8);
    int p[2], s[2];
    char b[8];
    MUST(pipe(p));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
    T(submit(c, &q));
    events(c, "not yet", 0, &q);
    MUST(write(p[1], "x", 1));
    struct ring *ring = (void *)c;
    N(ring->tail);
    events(c, "ready", 1, &q);
    T(submit(c, &q));
    events(c, "ready at once", 1, &q);
    MUST(read(p[0], b, 8));
    q.aio_buf = POLLOUT, q.aio_fildes = p[1];
    T(submit(c, &q));
    events(c, "to write", 1, &q);
    q.aio_buf = 0, q.aio_fildes = p[0];
    T(submit(c, &q));
    events(c, "nothing asked", 0, &q);
    close(p[1]);
    events(c, "the writer is gone", 1, &q);
    q.aio_buf = POLLIN | POLLRDHUP, q.aio_fildes = s[0];
    T(submit(c, &q));
    // The request keeps the file, not the descriptor.
    int keep = dup(s[0]);
    close(s[0]);
    pthread_t t;
    pthread_create(&t, NULL, later, &s[1]);
    events(c, "by a thread", 1, &q);
    pthread_join(t, NULL);
    MUST(read(keep, b, 8));
    q.aio_fildes = keep;
    T(submit(c, &q));
    if (fork() == 0) {
        T(S(io_getevents, c, 0, 1, NULL, NULL));
        later(&s[1]);
        _exit(0);
    }
    events(c, "by a process", 1, &q);
    wait(NULL);
    MUST(read(keep, b, 8));
    T(submit(c, &q));
    close(s[1]);
    events(c, "the peer is gone", 1, &q);
    int e = eventfd(0, 0);
    q.aio_buf = POLLIN, q.aio_fildes = e;
    T(submit(c, &q));
    T(submit(c, &q));
    pthread_create(&t, NULL, later, &e);
    events(c, "two of an eventfd", 2, &q);
    pthread_join(t, NULL);
    int f = open("f", O_RDWR | O_CREAT, 0644);
    q.aio_buf = POLLIN | POLLOUT, q.aio_fildes = f;
    T(submit(c, &q));
    events(c, "a file", 1, &q);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec in = {{0, 0}, {0, 30000000}};
    timerfd_settime(timer, 0, &in, NULL);
    q.aio_buf = POLLIN, q.aio_fildes = timer;
    T(submit(c, &q));
    events(c, "a timer", 1, &q);
}
SECTION(eventfd_notification) {
    aio_context_t c = setup(8);
    char b[8];
    put("f", "abc");
    int f = open("f", O_RDONLY), e = eventfd(0, EFD_NONBLOCK), p[2];
    MUST(pipe(p));
    uint64_t n = 0;
    struct iocb r = request(IOCB_CMD_PREAD, f, b, 8, 0), q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
    r.aio_flags = q.aio_flags = IOCB_FLAG_RESFD, r.aio_resfd = q.aio_resfd = e;
    struct iocb *list[2] = {&r, &r};
    T(S(io_submit, c, 2, list));
    T(read(e, &n, 8));
    N(n);
    T(submit(c, &q));
    T(read(e, &n, 8));
    MUST(write(p[1], "x", 1));
    T(read(e, &n, 8));
    N(n);
    events(c, "all", 3, NULL);
    // One that fails before it begins says nothing.
    r.aio_fildes = -1;
    T(submit(c, &r));
    T(read(e, &n, 8));
}
SECTION(cancel) {
    aio_context_t c = setup(8);
    int p[2];
    MUST(pipe(p));
    struct io_event e;
    struct iocb q = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0), other = q;
    T(S(io_cancel, c, &q, &e));
    T(submit(c, &q));
    T(S(io_cancel, c, NULL, &e));
    T(S(io_cancel, c, &other, &e));
    T(S(io_cancel, 0, &q, &e));
    q.aio_key = 1;
    T(S(io_cancel, c, &q, &e));
    q.aio_key = 0;
    T(S(io_cancel, c, &q, &e));
    events(c, "cancelled", 1, &q);
    T(S(io_cancel, c, &q, &e));
    T(submit(c, &q));
    T(S(io_destroy, c));
}
static void nothing(int s) { (void)s; }
SECTION(waiting) {
    aio_context_t c = setup(8);
    struct io_event e[4];
    struct timespec t = {0, 30000000};
    long long from = now_ns();
    T(S(io_getevents, c, 1, 4, e, &t));
    IS(now_ns() - from >= 30000000);
    struct sigaction a = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval in = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &in, NULL);
    T(S(io_getevents, c, 1, 4, e, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct { sigset_t *mask; size_t size; } mask = {&set, 8};
    setitimer(ITIMER_REAL, &in, NULL);
    t.tv_nsec = 100000000;
    T(S(io_pgetevents, c, 1, 4, e, &t, &mask));
    sigemptyset(&set);
    T(S(io_pgetevents, c, 1, 4, e, NULL, &mask));
    mask.size = 7;
    T(S(io_pgetevents, c, 1, 4, e, NULL, &mask));
    mask.mask = hole(), mask.size = 8;
    T(S(io_pgetevents, c, 1, 4, e, NULL, &mask));
    T(S(io_pgetevents, c, 1, 4, e, NULL, hole()));
    mask.mask = NULL, mask.size = 99;
    T(S(io_pgetevents, c, 0, 4, e, NULL, &mask));
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    IS(sigismember(&now, SIGALRM));
}
SECTION(limits) {
    long before = -1, with = -1, after = -1;
    FILE *f;
#define NR(n) (f = fopen("/proc/sys/fs/aio-nr", "r"), fscanf(f, "%ld", &n), fclose(f))
    aio_context_t c = 0;
    NR(before);
    c = setup(100);
    NR(with);
    S(io_destroy, c);
    N(with - before);
    // A context goes with its process, and with the program.
    if (fork() == 0) {
        setup(1000);
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    wait(NULL);
    if (fork() == 0) {
        setup(1000);
        _exit(0);
    }
    wait(NULL);
    for (int i = 0; i < 100; i++) {
        NR(after);
        if (after == before) break;
        sleep_ms(10);
    }
    N(after - before);
}
