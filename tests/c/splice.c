//: files musl
// splice(2), tee(2), vmsplice(2): order of errors, offsets, what takes a buffer of its own, blocking.
#include "facts.h"
#include <poll.h>
#include <sys/eventfd.h>

static char big[1 << 18];
static int caught;
static void on(int s) { caught = s; }
static void fill(int seed) { for (size_t i = 0; i < sizeof big; i++) big[i] = (char)((i * 7 + seed) % 251); }
static void drain(int fd) {
    char b[64];
    ssize_t n = read(fd, b, sizeof b);
    if (n < 0) printf("drained: %s\n", ename(errno));
    else show_bytes("drained", b, n);
}
SECTION(errors) {
    int p[2], q[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644), d = open(".", O_RDONLY);
    int a = open("file", O_WRONLY | O_APPEND), r = open("file", O_RDONLY), e = eventfd(5, 0);
    loff_t off = 0, neg = -1;
    MUST(pipe2(p, O_NONBLOCK));
    MUST(pipe2(q, O_NONBLOCK));
    T(splice(-1, NULL, -1, NULL, 0, 0));
    T(splice(-1, NULL, -1, NULL, 0, -1));
    T(splice(-1, NULL, -1, NULL, 1, 0x10));
    T(splice(-1, NULL, p[1], NULL, 1, 0));
    T(splice(p[0], NULL, -1, NULL, 1, 0));
    T(splice(f, NULL, f, NULL, 1, 0));
    T(splice(f, &off, f, NULL, 1, 0));
    T(splice(p[0], NULL, p[1], NULL, 1, 0));
    T(splice(p[0], &off, q[1], NULL, 1, 0));
    T(splice(p[0], NULL, q[1], &off, 1, 0));
    T(splice(p[1], NULL, q[1], NULL, 1, 0));
    T(splice(p[0], NULL, q[0], NULL, 1, 0));
    T(splice(p[0], NULL, r, NULL, 1, 0));
    T(splice(a, NULL, p[1], NULL, 1, 0));
    T(splice(p[0], NULL, a, NULL, 1, 0));
    T(splice(p[0], &off, f, NULL, 1, 0));
    T(splice(p[0], NULL, f, &neg, 1, 0));
    T(splice(f, &neg, p[1], NULL, 1, 0));
    T(splice(p[0], NULL, f, (loff_t *)hole(), 1, 0));
    T(splice(d, NULL, p[1], NULL, 1, 0));
    T(splice(e, NULL, p[1], NULL, 8, 0));
    MUST(write(p[1], "12345678", 8));
    T(splice(p[0], NULL, e, NULL, 8, 0));
    T(splice(p[0], NULL, p[1], NULL, 8, 0));
    T(splice(q[0], NULL, f, NULL, 8, 0));
    T(tee(-1, -1, 0, 0));
    T(tee(-1, -1, 0, 16));
    T(tee(-1, -1, 1, 0));
    T(tee(f, p[1], 1, 0));
    T(tee(p[0], f, 1, 0));
    T(tee(p[0], p[1], 1, 0));
    T(tee(p[1], q[1], 1, 0));
    T(tee(p[0], q[0], 1, 0));
    struct iovec v = {big, 4};
    T(vmsplice(-1, &v, 1, 16));
    T(vmsplice(-1, &v, 1, 0));
    T(vmsplice(f, &v, 1, 0));
    T(vmsplice(f, &v, 0, 0));
    T(vmsplice(p[1], &v, 1025, 0));
    T(S(vmsplice, p[1], hole(), 1, 0));
    v.iov_base = hole();
    T(vmsplice(p[1], &v, 1, 0));
    T(vmsplice(p[0], &v, 1, 0));
    v.iov_len = -1;
    T(vmsplice(p[1], &v, 1, 0));
}
SECTION(file_to_pipe) {
    int p[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    loff_t off;
    fill(1);
    MUST(pipe2(p, O_NONBLOCK));
    MUST(write(f, big, 100000));
    T(splice(f, NULL, p[1], NULL, 10, 0));
    T(lseek(f, 0, SEEK_SET));
    T(splice(f, NULL, p[1], NULL, 10, 0));
    T(lseek(f, 0, SEEK_CUR));
    off = 5;
    T(splice(f, &off, p[1], NULL, 10, 0));
    N(off);
    T(lseek(f, 0, SEEK_CUR));
    T(read(p[0], big, 100));
    // Parts of one page take a buffer each.
    off = 100;
    T(splice(f, &off, p[1], NULL, 1 << 20, 0));
    N(off);
    T(splice(f, &off, p[1], NULL, 1, 0));
    T(write(p[1], "x", 1));
    T(read(p[0], big, sizeof big));
    off = 99990;
    T(splice(f, &off, p[1], NULL, 100, 0));
    T(splice(f, &off, p[1], NULL, 100, 0));
    N(off);
    off = 200000;
    T(splice(f, &off, p[1], NULL, 100, 0));
    T(read(p[0], big, sizeof big));
    // Nothing is merged into what was spliced.
    off = 0;
    int n = 0;
    while (splice(f, &off, p[1], NULL, 1, 0) == 1) n++;
    N(n);
    T(write(p[1], "x", 1));
}
SECTION(pipe_to_file) {
    int p[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    loff_t off = 3;
    MUST(pipe2(p, O_NONBLOCK));
    MUST(write(p[1], "hello world", 11));
    T(splice(p[0], NULL, f, NULL, 5, 0));
    T(splice(p[0], NULL, f, &off, 3, 0));
    N(off);
    T(lseek(f, 0, SEEK_CUR));
    T(splice(p[0], NULL, f, NULL, 100, 0));
    T(splice(p[0], NULL, f, NULL, 100, 0));
    show("file");
    fill(2);
    MUST(write(p[1], big, 60000));
    off = 0;
    T(splice(p[0], NULL, f, &off, 1 << 20, 0));
    T(lseek(f, 0, SEEK_END));
    static char back[60000];
    T(pread(f, back, sizeof back, 0));
    IS(!memcmp(back, big, sizeof back));
    MUST(write(p[1], "last", 4));
    close(p[1]);
    T(splice(p[0], NULL, f, NULL, 2, 0));
    T(splice(p[0], NULL, f, NULL, 20, 0));
    T(splice(p[0], NULL, f, NULL, 20, 0));
}
SECTION(pipe_to_pipe) {
    int p[2], q[2];
    MUST(pipe2(p, O_NONBLOCK));
    MUST(pipe2(q, O_NONBLOCK));
    T(splice(p[0], NULL, q[1], NULL, 10, 0));
    MUST(write(p[1], "hello world", 11));
    T(splice(p[0], NULL, q[1], NULL, 5, 0));
    T(splice(p[0], NULL, q[1], NULL, 100, 0));
    MUST(write(q[1], "!", 1));
    drain(q[0]);
    MUST(fcntl(q[1], F_SETPIPE_SZ, 8192));
    fill(3);
    MUST(write(p[1], big, 20000));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(read(q[0], big, 100));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(read(q[0], big, 100000));
    T(splice(p[0], NULL, q[1], NULL, 100, 0));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(read(q[0], big, 100000));
    close(p[1]);
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    signal(SIGPIPE, on);
    close(q[0]);
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    N(caught);
    MUST(pipe(p));
    MUST(write(p[1], "x", 1));
    T(splice(p[0], NULL, q[1], NULL, 20000, 0));
    N(caught);
    drain(p[0]);
}
SECTION(no_reader) {
    int p[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    MUST(write(f, "x", 1));
    MUST(pipe(p));
    close(p[0]);
    signal(SIGPIPE, on);
    loff_t off = 0;
    T(splice(f, &off, p[1], NULL, 1, 0));
    N(caught);
    caught = 0;
    struct iovec v = {big, 4};
    T(vmsplice(p[1], &v, 1, 0));
    N(caught);
}
SECTION(tee_leaves_what_it_copies) {
    int p[2], q[2];
    MUST(pipe2(p, O_NONBLOCK));
    MUST(pipe2(q, O_NONBLOCK));
    T(tee(p[0], q[1], 10, 0));
    MUST(write(p[1], "hello", 5));
    T(tee(p[0], q[1], 3, 0));
    T(tee(p[0], q[1], 30, 0));
    MUST(write(p[1], " world", 6));
    T(tee(p[0], q[1], 30, 0));
    drain(q[0]);
    drain(p[0]);
    fill(4);
    MUST(fcntl(q[1], F_SETPIPE_SZ, 8192));
    MUST(write(p[1], big, 10000));
    T(tee(p[0], q[1], 9000, 0));
    T(tee(p[0], q[1], 9000, 0));
    T(read(q[0], big, 100000));
    T(read(p[0], big, 100000));
    close(p[1]);
    T(tee(p[0], q[1], 9000, 0));
    int n = 0;
    MUST(pipe2(p, O_NONBLOCK));
    MUST(write(p[1], "x", 1));
    while (tee(p[0], q[1], 1, 0) == 1) n++;
    N(n);
}
SECTION(vmsplice_both_ways) {
    int p[2];
    char a[] = "hello ", b[] = "world", to[16] = "";
    MUST(pipe2(p, O_NONBLOCK));
    struct iovec v[3] = {{a, 6}, {NULL, 0}, {b, 5}};
    T(vmsplice(p[1], v, 3, SPLICE_F_GIFT));
    struct iovec r[2] = {{to, 3}, {to + 8, 8}};
    T(vmsplice(p[0], r, 2, 0));
    show_bytes("to", to, 16);
    T(vmsplice(p[0], r, 2, SPLICE_F_NONBLOCK));
    char *pg = pages(40, PROT_READ | PROT_WRITE);
    v[0] = (struct iovec){pg + 100, 39 * PAGE};
    T(vmsplice(p[1], v, 1, 0));
    T(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK));
    T(read(p[0], big, sizeof big));
    MUST(munmap(pg + 2 * PAGE, PAGE));
    T(vmsplice(p[1], v, 1, 0));
    T(read(p[0], big, sizeof big));
    v[0].iov_len = 0;
    T(vmsplice(p[1], v, 1, 0));
}
SECTION(packets_are_not_cut) {
    int p[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    MUST(pipe2(p, O_NONBLOCK | O_DIRECT));
    MUST(write(p[1], "one", 3));
    MUST(write(p[1], "two", 3));
    T(splice(p[0], NULL, f, NULL, 2, 0));
    drain(p[0]);
    drain(p[0]);
    MUST(write(p[1], "three", 5));
    char b[3];
    struct iovec v = {b, 2};
    T(vmsplice(p[0], &v, 1, 0));
    drain(p[0]);
}
SECTION(devices) {
    int p[2], z = open("/dev/zero", O_RDWR), n = open("/dev/null", O_RDWR);
    loff_t off = 0;
    MUST(pipe2(p, O_NONBLOCK));
    T(splice(z, NULL, p[1], NULL, 100, 0));
    T(splice(p[0], NULL, n, NULL, 200, 0));
    T(splice(z, NULL, p[1], NULL, 1 << 20, 0));
    T(splice(p[0], NULL, n, &off, 1 << 20, 0));
    T(splice(n, NULL, p[1], NULL, 100, 0));
    int f = open("/dev/full", O_RDWR);
    T(splice(f, NULL, p[1], NULL, 100, 0));
    T(splice(p[0], NULL, f, NULL, 100, 0));
}
SECTION(waits) {
    int p[2], q[2];
    MUST(pipe(p));
    MUST(pipe(q));
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &it, NULL);
    T(splice(p[0], NULL, q[1], NULL, 10, 0));
    N(caught);
    T(splice(p[0], NULL, q[1], NULL, 10, SPLICE_F_NONBLOCK));
    T(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK));
    setitimer(ITIMER_REAL, &it, NULL);
    T(tee(p[0], q[1], 10, 0));
}
