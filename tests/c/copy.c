//: files musl
// sendfile(2), copy_file_range(2), splice(2), tee(2), vmsplice(2).
#include "facts.h"
#include <sys/sendfile.h>

static int rd, wr, p[2], q[2];
static void scenery(void) {
    put("in", "0123456789abcdef");
    put("out", "");
    rd = open("in", O_RDWR);
    wr = open("out", O_RDWR);
    MUST(pipe2(p, O_NONBLOCK));
    MUST(pipe2(q, O_NONBLOCK));
}
static void drain(int fd) { char b[4096]; ssize_t n = read(fd, b, sizeof b); if (n < 0) printf("drain: %s\n", ename(errno)); else show_bytes("drain", b, n); }

SECTION(sendfile_call) {
    scenery();
    off_t o = 2;
    T(sendfile(wr, rd, NULL, 4));
    show("out");
    T(lseek(rd, 0, SEEK_CUR));
    T(sendfile(wr, rd, &o, 3));
    N(o);
    T(lseek(rd, 0, SEEK_CUR));
    show("out");
    T(sendfile(wr, rd, NULL, 100));
    T(sendfile(wr, rd, NULL, 100));
    show("out");
    T(sendfile(p[1], rd, (o = 0, &o), 5));
    drain(p[0]);
    T(sendfile(wr, p[0], NULL, 5));
    T(sendfile(wr, p[0], &o, 5));
    T(sendfile(-1, rd, NULL, 5));
    T(sendfile(wr, -1, NULL, 5));
    T(sendfile(rd, wr, NULL, 0));
    T(sendfile(open("out", O_RDONLY), rd, NULL, 5));
    T(sendfile(wr, open("in", O_WRONLY), NULL, 5));
    o = -1;
    T(sendfile(wr, rd, &o, 5));
    T(S(sendfile, wr, rd, hole(), 5));
    T(sendfile(open("out", O_WRONLY | O_APPEND), rd, NULL, 5));
    MUST(mkdir("d", 0700));
    T(sendfile(wr, open("d", O_RDONLY), NULL, 5));
    T(sendfile(wr, open("/dev/zero", O_RDONLY), NULL, 5));
    T(sendfile(open("/dev/null", O_WRONLY), rd, (o = 0, &o), 16));
    T(sendfile(wr, rd, (o = 1000, &o), 16));
    T(sendfile(wr, rd, NULL, (size_t)-1));
}
SECTION(copy_range) {
    scenery();
    loff_t a = 4, b = 8;
#define CFR(...) T(S(copy_file_range, __VA_ARGS__))
    CFR(rd, &a, wr, &b, 4, 0);
    N(a); N(b);
    show("out");
    CFR(rd, NULL, wr, NULL, 3, 0);
    CFR(rd, NULL, wr, NULL, 100, 0);
    CFR(rd, NULL, wr, NULL, 100, 0);
    show("out");
    CFR(rd, NULL, wr, NULL, 0, 0);
    CFR(rd, NULL, wr, NULL, 1, 1);
    CFR(-1, NULL, wr, NULL, 1, 0);
    CFR(rd, NULL, -1, NULL, 1, 0);
    CFR(p[0], NULL, wr, NULL, 1, 0);
    CFR(rd, NULL, p[1], NULL, 1, 0);
    a = 0; b = 2;
    CFR(rd, &a, rd, &b, 5, 0);
    a = 0; b = 100;
    CFR(rd, &a, rd, &b, 5, 0);
    show("in");
    a = -1;
    CFR(rd, &a, wr, NULL, 5, 0);
    a = 5000;
    CFR(rd, &a, wr, NULL, 5, 0);
    CFR(rd, NULL, open("out", O_WRONLY | O_APPEND), NULL, 5, 0);
    CFR(rd, NULL, open("out", O_RDONLY), NULL, 5, 0);
    CFR(open("in", O_WRONLY), NULL, wr, NULL, 5, 0);
    MUST(mkdir("d", 0700));
    CFR(open("d", O_RDONLY), NULL, wr, NULL, 5, 0);
    CFR(rd, hole(), wr, NULL, 5, 0);
    CFR(rd, NULL, wr, hole(), 5, 0);
}
SECTION(splice_call) {
    scenery();
    loff_t o = 3;
    T(splice(rd, NULL, p[1], NULL, 4, 0));
    drain(p[0]);
    T(splice(rd, &o, p[1], NULL, 4, 0));
    N(o);
    drain(p[0]);
    T(lseek(rd, 0, SEEK_CUR));
    MUST(write(p[1], "PIPED", 5));
    T(splice(p[0], NULL, wr, NULL, 3, 0));
    show("out");
    o = 10;
    T(splice(p[0], NULL, wr, &o, 30, 0));
    N(o);
    show("out");
    T(splice(p[0], NULL, wr, NULL, 30, SPLICE_F_NONBLOCK));
    T(splice(p[0], &o, wr, NULL, 30, 0));
    T(splice(rd, NULL, wr, NULL, 30, 0));
    T(splice(rd, NULL, p[1], NULL, 0, 0));
    T(splice(rd, NULL, p[1], NULL, 1, 64));
    T(splice(-1, NULL, p[1], NULL, 1, 0));
    T(splice(rd, NULL, -1, NULL, 1, 0));
    T(splice(p[0], NULL, p[1], NULL, 1, 0));
    MUST(write(p[1], "to q", 4));
    T(splice(p[0], NULL, q[1], NULL, 2, SPLICE_F_MOVE | SPLICE_F_MORE));
    drain(q[0]);
    drain(p[0]);
    T(splice(p[1], NULL, wr, NULL, 1, 0));
    T(splice(rd, NULL, p[0], NULL, 1, 0));
    T(S(splice, rd, hole(), p[1], NULL, 1, 0));
    T(splice(p[0], NULL, open("out", O_WRONLY | O_APPEND), NULL, 1, 0));
    o = 1000;
    T(splice(rd, &o, p[1], NULL, 1, 0));
    T(splice(open("/dev/zero", O_RDONLY), NULL, p[1], NULL, 3, 0));
    drain(p[0]);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    o = 0;
    T(splice(rd, &o, p[1], NULL, 1, 0));
}
SECTION(tee_call) {
    scenery();
    MUST(write(p[1], "teatime", 7));
    T(tee(p[0], q[1], 3, 0));
    drain(q[0]);
    drain(p[0]);
    T(tee(p[0], q[1], 3, SPLICE_F_NONBLOCK));
    T(tee(p[0], p[1], 3, 0));
    T(tee(rd, q[1], 3, 0));
    T(tee(p[0], wr, 3, 0));
    T(tee(p[0], q[1], 0, 0));
    T(tee(p[0], q[1], 1, 64));
    T(tee(-1, q[1], 1, 0));
    T(tee(p[1], q[1], 1, 0));
    close(p[1]);
    T(tee(p[0], q[1], 1, 0));
}
SECTION(vmsplice_call) {
    scenery();
    char b[8] = "";
    struct iovec v[2] = {{"hello ", 6}, {"there", 5}};
    T(vmsplice(p[1], v, 2, 0));
    drain(p[0]);
    T(vmsplice(rd, v, 2, 0));
    T(vmsplice(-1, v, 2, 0));
    T(vmsplice(p[1], v, 0, 0));
    T(vmsplice(p[1], v, 2000, 0));
    T(vmsplice(p[1], v, 1, 64));
    v[0].iov_base = hole();
    T(vmsplice(p[1], v, 1, 0));
    MUST(write(p[1], "back", 4));
    v[0] = (struct iovec){b, 8};
    T(vmsplice(p[0], v, 1, 0));
    show_bytes("b", b, 4);
    T(S(vmsplice, p[1], hole(), 1, 0));
}
