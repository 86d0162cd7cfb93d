//: musl
// unix(7), socket(2) and the calls on sockets: names, connections, bytes, messages.
#include "facts.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/sockios.h>

static char b[1 << 16];
static int caught;
static void on(int s) { caught = s; }
// An address; len 0: as long as the text, with its NUL for a path.
static struct sockaddr_un sa;
static socklen_t at(const char *path, size_t len) {
    memset(&sa, 0, sizeof sa);
    sa.sun_family = AF_UNIX;
    if (!len) len = strlen(path) + 1;
    memcpy(sa.sun_path, path, len);
    return offsetof(struct sockaddr_un, sun_path) + len;
}
#define AT(path, len) (struct sockaddr *)&sa, at(path, len)
static int sock(int type) { return MUST(socket(AF_UNIX, type, 0)); }
static int server(int type, const char *path, int backlog) {
    int s = sock(type);
    MUST(bind(s, AT(path, 0)));
    if (type != SOCK_DGRAM) MUST(listen(s, backlog));
    return s;
}
static void show_name(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd) {
    struct sockaddr_un a;
    memset(&a, 'z', sizeof a);
    socklen_t n = sizeof a;
    errno = 0;
    int r = get(fd, (struct sockaddr *)&a, &n);
    printf("%s = %d %s family %d len %d ", what, r, ename(errno), r ? 0 : a.sun_family, (int)n);
    show_bytes("path", a.sun_path, r || n < 2 ? 0 : n - 2);
}
static void show_poll(const char *what, int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND, 0};
    MUST(poll(&p, 1, 0));
    printf("%s: poll %x\n", what, p.revents);
}
static int opt(int fd, int name) { int v = -77; socklen_t n = sizeof v; int r = getsockopt(fd, SOL_SOCKET, name, &v, &n); return r ? -errno : v; }
static int set(int fd, int name, int v) { return setsockopt(fd, SOL_SOCKET, name, &v, sizeof v); }

SECTION(create) {
    T(socket(AF_UNIX, SOCK_STREAM, 0));
    T(socket(AF_UNIX, SOCK_DGRAM, 0));
    T(socket(AF_UNIX, SOCK_SEQPACKET, 0));
    T(socket(AF_UNIX, SOCK_RAW, 0));
    T(socket(AF_UNIX, SOCK_STREAM, AF_UNIX));
    T(socket(AF_UNIX, SOCK_STREAM, 2));
    T(socket(AF_UNIX, SOCK_STREAM, -1));
    T(socket(AF_UNIX, SOCK_RDM, 0));
    T(socket(AF_UNIX, 10, 0));
    T(socket(AF_UNIX, 11, 0));
    T(socket(AF_UNIX, 0, 0));
    T(socket(AF_UNIX, SOCK_STREAM | 0x10, 0));
    T(socket(AF_UNIX, -1, 0));
    T(socket(-1, SOCK_STREAM, 0));
    T(socket(46, SOCK_STREAM, 0));
    T(socket(46, 15, 0));
    T(socket(AF_UNIX, 15, 0));
    T(socket(45, SOCK_STREAM, 0));
    int s = T(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    X(fcntl(s, F_GETFD));
    X(fcntl(s, F_GETFL));
    T(fcntl(s, F_SETFL, 0));
    X(fcntl(s, F_GETFL));
    struct stat st;
    MUST(fstat(s, &st));
    printf("mode %o nlink %ld size %ld uid %u blksize %ld\n", st.st_mode, (long)st.st_nlink, (long)st.st_size, st.st_uid, (long)st.st_blksize);
    char link[64], want[64], path[64];
    sprintf(path, "/proc/self/fd/%d", s);
    sprintf(want, "socket:[%lu]", (unsigned long)st.st_ino);
    ssize_t n = readlink(path, link, sizeof link);
    IS(n == (ssize_t)strlen(want) && !memcmp(link, want, n));
    T(open(path, O_RDWR));
    T(fchmod(s, 0600));
    MUST(fstat(s, &st));
    printf("mode %o\n", st.st_mode);
    T(lseek(s, 0, SEEK_SET));
    T(pread(s, b, 1, 0));
    T(ftruncate(s, 0));
    T(fsync(s));
    T(mmap(NULL, 4096, PROT_READ, MAP_SHARED, s, 0) == MAP_FAILED ? -1 : 0);
    T(bind(0, NULL, 0));
    T(bind(99, NULL, 0));
    T(listen(s, 1) ?: listen(1, 1));
    struct rlimit r = {20, 20};
    MUST(setrlimit(RLIMIT_NOFILE, &r));
    int last = 0;
    for (int i; (i = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0;) last = i;
    N(last);
    T(socket(AF_UNIX, SOCK_STREAM, 0));
    int p[2];
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    T(socketpair(AF_UNIX, 15, 0, p));
    close(last);
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    T(socket(AF_UNIX, SOCK_STREAM, 0));
}
SECTION(pair) {
    int p[2];
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    printf("%d %d\n", p[0], p[1]);
    T(write(p[0], "hello", 5));
    T(write(p[0], " you", 4));
    T(read(p[1], b, 3));
    T(read(p[1], b, 20));
    show_bytes("b", b, 6);
    show_name("name", getsockname, p[0]);
    show_name("peer", getpeername, p[0]);
    T(write(p[0], b, 0));
    T(read(p[0], b, 0));
    T(recv(p[0], b, 0, MSG_DONTWAIT));
    T(recv(p[0], b, 1, MSG_DONTWAIT));
    T(write(p[1], "x", 1));
    T(recv(p[0], b, 0, 0));
    T(recv(p[0], b, 9, 0));
    int none[2];
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    T(socketpair(AF_UNIX, 15, 0, none));
    T(socketpair(AF_UNIX, 15, 0, NULL));
    T(socketpair(46, SOCK_STREAM, 0, none));
    T(socketpair(AF_UNIX, SOCK_STREAM | 0x10, 0, NULL));
    T(socketpair(AF_UNIX, SOCK_STREAM, 7, none));
    T(connect(p[0], AT("nobody", 0)));
    T(listen(p[0], 1));
    T(accept(p[0], NULL, NULL));
    show_poll("p0", p[0]);
    close(p[1]);
    show_poll("closed", p[0]);
    show_name("peer", getpeername, p[0]);
    T(read(p[0], b, 1));
    signal(SIGPIPE, on);
    T(write(p[0], b, 1));
    N(caught); caught = 0;
    T(write(p[0], b, 0));
    T(send(p[0], b, 1, MSG_NOSIGNAL));
    N(caught);
    T(send(p[0], b, 1, 0));
    N(caught);
    T(opt(p[0], SO_ERROR));
}
SECTION(unread_resets) {
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[0], "abc", 3));
    MUST(write(p[1], "def", 3));
    close(p[1]);
    show_poll("reset", p[0]);
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[0], "abc", 3));
    close(p[1]);
    N(opt(p[0], SO_ERROR));
    N(opt(p[0], SO_ERROR));
    T(read(p[0], b, 9));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
    MUST(write(p[0], "abc", 3));
    MUST(write(p[1], "def", 3));
    close(p[1]);
    show_poll("reset", p[0]);
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
}
SECTION(flags) {
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[0], "hello", 5));
    MUST(write(p[0], "world", 5));
    T(recv(p[1], b, 3, MSG_PEEK));
    T(recv(p[1], b, 20, MSG_PEEK));
    show_bytes("b", b, 10);
    T(recv(p[1], b, 3, MSG_TRUNC));
    T(recv(p[1], b, 20, MSG_WAITALL | MSG_DONTWAIT));
    show_bytes("b", b, 7);
    MUST(write(p[0], "12345", 5));
    if (!fork()) { sleep_ms(30); write(p[0], "67", 2); sleep_ms(30); write(p[0], "890", 3); _exit(0); }
    T(recv(p[1], b, 8, MSG_WAITALL));
    show_bytes("b", b, 8);
    wait(NULL);
    T(recv(p[1], b, 8, MSG_DONTWAIT));
    MUST(write(p[0], "end", 3));
    close(p[0]);
    T(recv(p[1], b, 8, MSG_WAITALL));
    T(recv(p[1], b, 8, MSG_WAITALL));
    // A low water mark.
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    T(set(p[1], SO_RCVLOWAT, 4));
    MUST(write(p[0], "ab", 2));
    T(recv(p[1], b, 8, MSG_DONTWAIT));
    MUST(write(p[0], "ab", 2));
    if (!fork()) { sleep_ms(30); write(p[0], "cd", 2); _exit(0); }
    T(read(p[1], b, 8));
    wait(NULL);
    MUST(set(p[1], SO_RCVLOWAT, 1));
    T(send(p[0], "x", 1, MSG_EOR | MSG_MORE | MSG_CONFIRM | 0x800000));
    T(recv(p[1], b, 8, 0x800000));
}
SECTION(names) {
    int s = sock(SOCK_STREAM);
    show_name("unbound", getsockname, s);
    show_name("unbound", getpeername, s);
    T(bind(s, AT("", 1)) ?: 1);
    show_name("one nul", getsockname, s);
    s = sock(SOCK_STREAM);
    T(bind(s, AT("s1", 0)));
    show_name("s1", getsockname, s);
    show_stat("s1");
    T(bind(s, AT("s2", 0)));
    IS(path_exists("s2"));
    T(bind(s, AT("s1", 0)));
    int t = sock(SOCK_STREAM);
    T(bind(t, AT("s1", 0)));
    T(bind(t, AT("none/s", 0)));
    T(bind(t, AT("s1/s", 0)));
    T(bind(t, AT("s3/", 0)));
    T(bind(t, AT(".", 0)));
    T(bind(t, (struct sockaddr *)&sa, 2));
    T(bind(t, (struct sockaddr *)&sa, 2) + 5);
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    MUST(getsockname(t, (struct sockaddr *)&a, &n));
    N(n);
    t = sock(SOCK_STREAM);
    T(bind(t, (struct sockaddr *)&sa, 1));
    T(bind(t, (struct sockaddr *)&sa, 0));
    T(bind(t, (struct sockaddr *)&sa, 111));
    T(bind(t, (struct sockaddr *)&sa, 128));
    T(bind(t, (struct sockaddr *)&sa, 129));
    T(bind(t, (struct sockaddr *)&sa, -1));
    T(bind(t, (struct sockaddr *)hole(), 10));
    T(bind(t, (struct sockaddr *)hole(), 200));
    at("x", 0);
    sa.sun_family = AF_INET;
    T(bind(t, (struct sockaddr *)&sa, 16));
    T(bind(t, (struct sockaddr *)&sa, 2));
    // A name that fills the address has no NUL.
    at("x", 0);
    memset(sa.sun_path, 'n', 108);
    T(bind(t, (struct sockaddr *)&sa, 110));
    show_name("full", getsockname, t);
    // Bytes behind the NUL do not count.
    t = sock(SOCK_STREAM);
    T(bind(t, AT("ab\0cd", 5)));
    show_name("ab", getsockname, t);
    T(unlink("ab"));
    show_name("ab", getsockname, t);
    struct sockaddr_un small;
    memset(&small, 'z', sizeof small);
    n = 4;
    T(getsockname(t, (struct sockaddr *)&small, &n));
    N(n);
    show_bytes("small", small.sun_path, 4);
    n = -1;
    T(getsockname(t, (struct sockaddr *)&small, &n));
    n = 0;
    T(getsockname(t, NULL, &n));
    N(n);
    T(getsockname(t, NULL, NULL));
    umask(077);
    t = sock(SOCK_DGRAM);
    T(bind(t, AT("private", 0)));
    show_stat("private");
    umask(0);
    t = sock(SOCK_DGRAM);
    MUST(fchmod(t, 0640));
    T(bind(t, AT("mode", 0)));
    show_stat("mode");
    T(symlink("target", "link"));
    T(bind(sock(SOCK_DGRAM), AT("link", 0)));
    T(open("s1", O_RDONLY));
    T(open("s1", O_RDONLY | O_PATH));
    T(rename("s1", "moved"));
    T(chdir("/"));
}
SECTION(abstract) {
    int s = sock(SOCK_STREAM), t = sock(SOCK_STREAM), d = sock(SOCK_DGRAM);
    char name[64];
    int n = sprintf(name, "%cfncall %d%c!", 0, getpid(), 0);
    T(bind(s, AT(name, n)));
    T(bind(t, AT(name, n)));
    T(bind(d, AT(name, n)));
    T(bind(d, AT(name, n)));
    T(connect(t, AT(name, n)));
    T(listen(s, 5));
    T(connect(t, AT(name, n - 1)));
    T(connect(t, AT(name, n)));
    T(connect(t, AT(name, n)));
    int c = T(accept(s, NULL, NULL) > 0);
    struct sockaddr_un a;
    socklen_t l = sizeof a;
    MUST(getpeername(t, (struct sockaddr *)&a, &l));
    IS(l == 2u + n && !memcmp(a.sun_path, name, n));
    (void)c;
    close(s);
    T(bind(sock(SOCK_STREAM), AT(name, n)));
    // Autobind.
    s = sock(SOCK_DGRAM);
    sa.sun_family = AF_UNIX;
    T(bind(s, (struct sockaddr *)&sa, 2));
    l = sizeof a;
    MUST(getsockname(s, (struct sockaddr *)&a, &l));
    N(l);
    N(a.sun_path[0]);
    N(strspn(a.sun_path + 1, "0123456789abcdef") >= 5);
    T(bind(s, (struct sockaddr *)&sa, 2));
    T(bind(s, AT("other", 0)));
    IS(path_exists("other"));
}
SECTION(connect_errors) {
    int s = server(SOCK_STREAM, "s", 5);
    int c = sock(SOCK_STREAM);
    put("file", "x");
    T(connect(c, AT("none", 0)));
    T(connect(c, AT("file", 0)));
    T(connect(c, AT("file/x", 0)));
    T(connect(c, AT(".", 0)));
    T(connect(c, (struct sockaddr *)&sa, 2));
    T(connect(c, (struct sockaddr *)&sa, 0));
    T(connect(c, (struct sockaddr *)&sa, -1));
    T(connect(c, (struct sockaddr *)&sa, 111));
    T(connect(c, (struct sockaddr *)hole(), 12));
    sa.sun_family = AF_UNSPEC;
    T(connect(c, (struct sockaddr *)&sa, 12));
    int d = server(SOCK_DGRAM, "d", 0), q = server(SOCK_SEQPACKET, "q", 0);
    T(connect(c, AT("d", 0)));
    T(connect(c, AT("q", 0)));
    T(connect(sock(SOCK_DGRAM), AT("s", 0)));
    T(connect(sock(SOCK_SEQPACKET), AT("s", 0)));
    int u = sock(SOCK_STREAM);
    MUST(bind(u, AT("u", 0)));
    T(connect(c, AT("u", 0)));
    T(connect(u, AT("u", 0)));
    T(connect(s, AT("s", 0)));
    MUST(symlink("s", "link"));
    T(connect(c, AT("link", 0)));
    T(connect(c, AT("s", 0)));
    T(connect(c, AT("u", 0)));
    T(connect(c, AT("none", 0)));
    T(bind(c, AT("late", 0)));
    T(listen(c, 1));
    show_name("peer", getpeername, c);
    int a = T(accept4(s, NULL, NULL, SOCK_NONBLOCK) > 0);
    (void)a;
    T(connect(s, AT("q", 0)));
    close(q);
    T(connect(sock(SOCK_SEQPACKET), AT("q", 0)));
    close(d);
    T(connect(sock(SOCK_DGRAM), AT("d", 0)));
    T(connect(0, AT("s", 0)));
    T(connect(99, AT("s", 0)));
    T(unlink("s"));
    T(connect(sock(SOCK_STREAM), AT("s", 0)));
    char path[64];
    sprintf(path, "/proc/self/fd/%d", s);
    T(connect(sock(SOCK_STREAM), AT(path, 0)));
}
SECTION(permission) {
    int s = server(SOCK_STREAM, "s", 5), d = server(SOCK_DGRAM, "d", 0);
    MUST(chmod("s", 0700));
    MUST(chmod("d", 0700));
    MUST(chmod(".", 0777));
    if (!fork()) {
        MUST(setgid(1000));
        MUST(setuid(1000));
        T(connect(sock(SOCK_STREAM), AT("s", 0)));
        T(connect(sock(SOCK_DGRAM), AT("d", 0)));
        T(sendto(sock(SOCK_DGRAM), "x", 1, 0, AT("d", 0)));
        T(bind(sock(SOCK_DGRAM), AT("mine", 0)));
        show_stat("mine");
        _exit(0);
    }
    wait(NULL);
    MUST(chmod("s", 0722));
    if (!fork()) {
        MUST(setuid(1000));
        T(connect(sock(SOCK_STREAM), AT("s", 0)));
        _exit(0);
    }
    wait(NULL);
    (void)s; (void)d;
}
SECTION(listening) {
    int s = sock(SOCK_STREAM);
    T(listen(s, 1));
    T(accept(s, NULL, NULL));
    T(read(s, b, 1));
    T(write(s, b, 1));
    show_poll("new", s);
    N(opt(s, SO_ACCEPTCONN));
    MUST(bind(s, AT("s", 0)));
    T(listen(s, 1));
    T(listen(s, -1));
    T(listen(s, 1));
    N(opt(s, SO_ACCEPTCONN));
    show_poll("listening", s);
    T(read(s, b, 1));
    signal(SIGPIPE, on);
    T(write(s, b, 1));
    N(caught);
    T(fcntl(s, F_SETFL, O_NONBLOCK));
    T(accept(s, NULL, NULL));
    int c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = sock(SOCK_STREAM | SOCK_NONBLOCK);
        T(connect(c[i], AT("s", 0)));
    }
    show_poll("waiting", s);
    show_poll("connected", c[0]);
    show_poll("refused", c[3]);
    // Bytes may be sent before anybody accepts.
    T(write(c[0], "early", 5));
    struct sockaddr_un a;
    memset(&a, 'z', sizeof a);
    socklen_t n = sizeof a;
    int x = T(accept4(s, (struct sockaddr *)&a, &n, SOCK_CLOEXEC) > 0) ? 0 : -1;
    N(n);
    (void)x;
    T(connect(c[2], AT("s", 0)));
    T(accept4(s, NULL, NULL, 0x10));
    T(accept4(99, NULL, NULL, 0x10));
    T(accept4(0, NULL, NULL, 0x10));
    T(accept4(0, NULL, NULL, 0));
    n = -1;
    T(accept(s, (struct sockaddr *)&a, &n));
    T(listen(sock(SOCK_DGRAM), 1));
    T(accept(sock(SOCK_DGRAM), NULL, NULL));
    // The listener goes with connections that nobody has accepted.
    close(s);
    show_poll("orphan", c[2]);
    T(read(c[2], b, 1));
    T(read(c[2], b, 1));
}
SECTION(accepting) {
    int s = server(SOCK_STREAM, "s", 0);
    if (!fork()) {
        int c = sock(SOCK_STREAM);
        MUST(bind(c, AT("client", 0)));
        sleep_ms(30);
        MUST(connect(c, AT("s", 0)));
        MUST(write(c, "from child", 10));
        T(read(c, b, 3));
        _exit(0);
    }
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    int c = T(accept(s, (struct sockaddr *)&a, &n));
    N(n);
    puts(a.sun_path);
    T(read(c, b, 20));
    show_name("name", getsockname, c);
    show_name("peer", getpeername, c);
    X(fcntl(c, F_GETFL));
    MUST(write(c, "ok!", 3));
    wait(NULL);
    // Blocked in connect while the backlog is full.
    int c1 = sock(SOCK_STREAM);
    T(connect(c1, AT("s", 0)));
    if (!fork()) {
        int c2 = sock(SOCK_STREAM);
        MUST(connect(c2, AT("s", 0)));
        MUST(write(c2, "second", 6));
        _exit(0);
    }
    sleep_ms(30);
    close(accept(s, NULL, NULL));
    int c3 = accept(s, NULL, NULL);
    T(read(c3, b, 20));
    wait(NULL);
    // A blocked connect ends with the listener.
    MUST(connect(sock(SOCK_STREAM), AT("s", 0)));
    if (!fork()) { close(s); T(connect(sock(SOCK_STREAM), AT("s", 0))); _exit(0); }
    sleep_ms(30);
    close(s);
    wait(NULL);
    s = server(SOCK_STREAM, "s2", 5);
    MUST(connect(sock(SOCK_STREAM), AT("s2", 0)));
    T(shutdown(s, SHUT_RD));
    T(accept(s, NULL, NULL) > 0);
    T(accept(s, NULL, NULL));
    T(connect(sock(SOCK_STREAM), AT("s2", 0)));
}
SECTION(shut) {
    int p[2];
    signal(SIGPIPE, on);
    T(shutdown(0, 0));
    T(shutdown(sock(SOCK_STREAM), 3));
    T(shutdown(sock(SOCK_STREAM), -1));
    T(shutdown(sock(SOCK_STREAM), 1));
    T(shutdown(sock(SOCK_DGRAM), 1));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[0], "abc", 3));
    T(shutdown(p[0], SHUT_WR));
    show_poll("p0", p[0]);
    show_poll("p1", p[1]);
    T(write(p[0], "x", 1));
    N(caught); caught = 0;
    T(write(p[0], "x", 0));
    T(read(p[1], b, 9));
    T(read(p[1], b, 9));
    T(write(p[1], "back", 4));
    T(read(p[0], b, 9));
    T(shutdown(p[0], SHUT_RD));
    show_poll("p0", p[0]);
    show_poll("p1", p[1]);
    T(write(p[1], "x", 1));
    N(caught);
    T(read(p[0], b, 1));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[1], "queued", 6));
    T(shutdown(p[0], SHUT_RD));
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
    for (int t = SOCK_DGRAM; t <= SOCK_SEQPACKET; t += 3) {
        MUST(socketpair(AF_UNIX, t, 0, p));
        MUST(write(p[1], "queued", 6));
        caught = 0;
        T(shutdown(p[0], SHUT_RD));
        show_poll("p0", p[0]);
        show_poll("p1", p[1]);
        T(write(p[1], "x", 1));
        N(caught);
        T(read(p[0], b, 9));
        T(recv(p[0], b, 9, MSG_DONTWAIT));
        T(recv(p[0], b, 9, 0));
        T(shutdown(p[0], SHUT_WR));
        T(write(p[0], "x", 1));
        show_poll("p0", p[0]);
        show_poll("p1", p[1]);
    }
    // A reader that waits sees it.
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    if (!fork()) { sleep_ms(30); shutdown(p[1], SHUT_WR); _exit(0); }
    T(read(p[0], b, 1));
    wait(NULL);
}
SECTION(datagrams) {
    int s = server(SOCK_DGRAM, "s", 0), c = sock(SOCK_DGRAM);
    T(write(c, "x", 1));
    T(recv(c, b, 1, MSG_DONTWAIT));
    T(sendto(c, "one", 3, 0, AT("s", 0)));
    T(sendto(c, "", 0, 0, AT("s", 0)));
    T(sendto(c, "three", 5, 0, AT("none", 0)));
    T(sendto(c, "x", 1, 0, (struct sockaddr *)&sa, 1));
    T(sendto(c, "x", 1, 0, (struct sockaddr *)&sa, 200));
    T(sendto(c, "x", 1, 0, (struct sockaddr *)&sa, 0));
    MUST(bind(c, AT("c", 0)));
    T(sendto(c, "fourth", 6, 0, AT("s", 0)));
    int n = -1;
    T(ioctl(s, FIONREAD, &n));
    N(n);
    struct sockaddr_un a;
    socklen_t l = sizeof a;
    memset(&a, 'z', sizeof a);
    T(recvfrom(s, b, 10, 0, (struct sockaddr *)&a, &l));
    N(l);
    l = sizeof a;
    T(recvfrom(s, b, 10, 0, (struct sockaddr *)&a, &l));
    l = sizeof a;
    T(recvfrom(s, b, 2, MSG_PEEK, (struct sockaddr *)&a, &l));
    N(l);
    puts(a.sun_path);
    T(recvfrom(s, b, 2, MSG_PEEK | MSG_TRUNC, NULL, NULL));
    T(recvfrom(s, b, 2, MSG_TRUNC, NULL, NULL));
    show_bytes("b", b, 2);
    T(recv(s, b, 2, MSG_DONTWAIT));
    // Connected.
    T(connect(c, AT("s", 0)));
    show_name("peer", getpeername, c);
    T(write(c, "a", 1));
    T(send(c, "b", 1, 0));
    T(sendto(c, "c", 1, 0, AT("s", 0)));
    T(recv(s, b, 9, 0));
    T(connect(s, AT("c", 0)));
    T(recv(s, b, 9, MSG_DONTWAIT));
    N(opt(c, SO_ERROR));
    int other = sock(SOCK_DGRAM);
    T(sendto(other, "x", 1, 0, AT("s", 0)));
    T(connect(other, AT("s", 0)));
    T(write(s, "reply", 5));
    T(recv(c, b, 9, 0));
    sa.sun_family = AF_UNSPEC;
    T(connect(s, (struct sockaddr *)&sa, 2));
    T(connect(s, (struct sockaddr *)&sa, 1));
    show_name("peer", getpeername, s);
    T(write(s, "x", 1));
    T(sendto(other, "x", 1, 0, AT("s", 0)));
    close(s);
    show_poll("c", c);
    T(write(c, "x", 1));
    T(write(c, "x", 1));
    show_name("peer", getpeername, c);
    T(sendto(c, "x", 1, 0, AT("s", 0)));
    T(send(other, "x", 1, MSG_OOB));
    T(recv(other, b, 1, MSG_OOB | MSG_DONTWAIT));
    // To itself.
    T(connect(c, AT("c", 0)));
    T(write(c, "self", 4));
    T(read(c, b, 9));
}
SECTION(queue_full) {
    int s = server(SOCK_DGRAM, "s", 0), c = sock(SOCK_DGRAM);
    int sent = 0;
    while (sendto(c, "x", 1, MSG_DONTWAIT, AT("s", 0)) == 1) sent++;
    N(sent);
    N(errno == EAGAIN);
    T(sendto(s, "x", 1, MSG_DONTWAIT, AT("s", 0)));
    MUST(connect(c, AT("s", 0)));
    show_poll("full", c);
    struct timeval t = {0, 40000};
    MUST(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
    T(write(c, "x", 1));
    if (!fork()) { sleep_ms(30); for (int i = 0; i < 3; i++) read(s, b, 9); _exit(0); }
    T(poll(&(struct pollfd){c, POLLOUT, 0}, 1, 5000));
    wait(NULL);
    T(write(c, "x", 1));
    show_poll("room", c);
    // A pair is bounded by bytes.
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    for (sent = 0; send(p[0], "x", 1, MSG_DONTWAIT) == 1;) sent++;
    IS(sent > 100);
    IS(errno == EAGAIN);
    T(send(p[0], b, 300000, 0));
    T(set(p[0], SO_SNDBUF, 4096));
    N(opt(p[0], SO_SNDBUF));
    while (recv(p[1], b, 9, MSG_DONTWAIT) > 0) {}
    T(send(p[0], b, 8192 - 32, MSG_DONTWAIT));
    T(send(p[0], b, 8192 - 31, MSG_DONTWAIT));
}
SECTION(packets) {
    int s = server(SOCK_SEQPACKET, "s", 5), c = sock(SOCK_SEQPACKET);
    T(read(c, b, 1));
    T(write(c, "x", 1));
    show_poll("new", c);
    T(connect(c, AT("s", 0)));
    int a = accept(s, NULL, NULL);
    signal(SIGPIPE, on);
    T(write(c, "one", 3));
    T(write(c, "", 0));
    T(send(c, "three", 5, MSG_EOR));
    T(sendto(c, "four", 4, 0, AT("nobody", 0)));
    int n;
    T(ioctl(a, FIONREAD, &n));
    N(n);
    struct iovec v = {b, 2};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_flags = -1};
    T(recvmsg(a, &m, 0));
    X(m.msg_flags);
    v.iov_len = 10;
    T(recvmsg(a, &m, 0));
    X(m.msg_flags);
    T(recvmsg(a, &m, 0));
    X(m.msg_flags);
    T(read(a, b, 100));
    close(c);
    show_poll("closed", a);
    T(read(a, b, 10));
    T(recv(a, b, 10, MSG_DONTWAIT));
    T(write(a, "x", 1));
    T(send(a, "x", 1, 0));
    N(caught);
    show_name("peer", getpeername, a);
}
SECTION(room) {
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
    int n = 0;
    show_poll("empty", p[0]);
    while (write(p[0], "x", 1) == 1) n++;
    N(n);
    IS(errno == EAGAIN);
    show_poll("full", p[0]);
    int q = -1;
    T(ioctl(p[0], SIOCOUTQ, &q));
    N(q);
    T(ioctl(p[1], SIOCINQ, &q));
    N(q);
    // Room again only when three quarters are free.
    int reads = 0;
    struct pollfd f = {p[0], POLLOUT, 0};
    while (poll(&f, 1, 0) == 0 && read(p[1], b, 1) == 1) reads++;
    N(reads);
    while (read(p[1], b, 100) > 0) {}
    static const int sizes[] = {1, 64, 256, 1000, 3776, 4000, 20000, 60000};
    for (int t = SOCK_STREAM; t <= SOCK_SEQPACKET; t += t == SOCK_STREAM ? 1 : 3)
        for (int i = 0; i < 8; i++) {
            int r[2];
            MUST(socketpair(AF_UNIX, t | SOCK_NONBLOCK, 0, r));
            T(send(r[0], b, sizes[i], 0));
            T(ioctl(r[0], SIOCOUTQ, &q));
            N(q);
            close(r[0]); close(r[1]);
        }
    // A large write blocks until somebody reads.
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    if (!fork()) {
        long sum = 0, k;
        close(p[0]);
        while ((k = read(p[1], b, sizeof b)) > 0) for (int i = 0; i < k; i++) sum += b[i];
        N(sum);
        _exit(0);
    }
    close(p[1]);
    static char big[1 << 20];
    for (size_t i = 0; i < sizeof big; i++) big[i] = i % 7;
    T(write(p[0], big, sizeof big));
    struct iovec v[3] = {{big, 100000}, {big + 100000, 0}, {big + 100000, 200000}};
    T(writev(p[0], v, 3));
    close(p[0]);
    wait(NULL);
}
SECTION(options) {
    int s = sock(SOCK_SEQPACKET);
    static const int known[] = {SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF,
        SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_PASSCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN,
        SO_MARK, SO_BSDCOMPAT};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) printf("option %d: %d\n", known[i], opt(s, known[i]));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        errno = 0;
        int r = set(s, known[i], 3);
        printf("set %d: %d %s now %d\n", known[i], r, ename(errno), opt(s, known[i]));
    }
    T(set(s, SO_REUSEPORT, 1));
    T(set(s, SO_REUSEPORT, 0));
    N(opt(s, SO_REUSEPORT));
    T(set(s, SO_RCVLOWAT, -1));
    N(opt(s, SO_RCVLOWAT));
    T(set(s, SO_RCVLOWAT, 0));
    N(opt(s, SO_RCVLOWAT));
    T(set(s, SO_SNDBUF, 0));
    N(opt(s, SO_SNDBUF));
    T(set(s, SO_SNDBUF, 100000));
    N(opt(s, SO_SNDBUF));
    T(set(s, SO_RCVBUF, 0));
    N(opt(s, SO_RCVBUF));
    T(set(s, SO_RCVBUF, 100000));
    N(opt(s, SO_RCVBUF));
    T(set(s, SO_RCVBUFFORCE, 10000000));
    N(opt(s, SO_RCVBUF));
    T(set(s, SO_PRIORITY, 6));
    N(opt(s, SO_PRIORITY));
    int v = 1;
    T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 3));
    T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, -1));
    T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 0));
    T(setsockopt(s, 6, 1, &v, 4));
    T(setsockopt(s, SOL_SOCKET, 9999, &v, 4));
    T(setsockopt(99, SOL_SOCKET, 9999, &v, -1));
    T(setsockopt(0, SOL_SOCKET, 9999, &v, -1));
    struct linger l = {1, 5};
    T(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4));
    T(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 8));
    l.l_onoff = l.l_linger = 9;
    socklen_t n = sizeof l;
    T(getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n));
    printf("linger %d %d %d\n", l.l_onoff, l.l_linger, (int)n);
    struct timeval t = {1, 500000};
    T(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    T(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, 15));
    t.tv_usec = 1000000;
    T(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
    t.tv_usec = -1;
    T(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
    n = sizeof t;
    T(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, &n));
    printf("%ld.%06ld %d\n", (long)t.tv_sec, (long)t.tv_usec, (int)n);
    T(getsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, &n));
    printf("%ld.%06ld\n", (long)t.tv_sec, (long)t.tv_usec);
    v = 0x11223344;
    n = 2;
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
    printf("%x %d\n", v, (int)n);
    n = 0;
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, NULL, &n));
    n = -1;
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
    n = 100;
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n));
    N(n);
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, NULL));
    T(getsockopt(s, SOL_SOCKET, SO_TYPE, NULL, &n));
    T(getsockopt(s, SOL_SOCKET, 9999, &v, &n));
    T(getsockopt(s, 6, 1, &v, &n));
    T(getsockopt(s, 0, 1, &v, &n));
    struct { int pid; unsigned uid, gid; } u;
    n = sizeof u;
    T(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &n));
    printf("%d %u %u %d\n", u.pid, u.uid, u.gid, (int)n);
    T(getsockopt(s, SOL_SOCKET, SO_PEERGROUPS, &u, &n));
    T(getsockopt(s, SOL_SOCKET, SO_PEERNAME, &u, &n));
    if (!fork()) {
        MUST(setuid(1000));
        T(set(s, SO_PRIORITY, 7));
        T(set(s, SO_MARK, 7));
        T(set(s, SO_DEBUG, 1));
        T(set(s, SO_SNDBUFFORCE, 7));
        _exit(0);
    }
    wait(NULL);
}
SECTION(peer_credentials) {
    int p[2];
    struct ucred u;
    socklen_t n = sizeof u;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    T(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &n));
    IS(u.pid == getpid() && u.uid == 0 && u.gid == 0);
    int s = server(SOCK_STREAM, "s", 5);
    MUST(chmod("s", 0777));
    MUST(chmod(".", 0777));
    T(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &n));
    IS(u.pid == getpid());
    int child = fork();
    if (!child) {
        gid_t g[3] = {7, 8, 9};
        MUST(setgroups(3, g));
        MUST(setresgid(100, 200, 300));
        MUST(setresuid(1000, 2000, 3000));
        int c = sock(SOCK_STREAM);
        T(connect(c, AT("s", 0)));
        MUST(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &n));
        IS(u.pid == getppid() && u.uid == 0);
        MUST(write(c, "", 1));
        read(c, b, 1);
        _exit(0);
    }
    int a = accept(s, NULL, NULL);
    // One prints after the other.
    MUST(read(a, b, 1));
    MUST(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &u, &n));
    IS(u.pid == child);
    printf("%u %u\n", u.uid, u.gid);
    gid_t g[8] = {0};
    n = 8;
    T(getsockopt(a, SOL_SOCKET, SO_PEERGROUPS, g, &n));
    N(n);
    n = sizeof g;
    T(getsockopt(a, SOL_SOCKET, SO_PEERGROUPS, g, &n));
    N(n);
    printf("%u %u %u\n", g[0], g[1], g[2]);
    char name[10];
    n = sizeof name;
    T(getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, name, &n));
    n = 2;
    T(getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, name, &n));
    close(a);
    wait(NULL);
}
SECTION(timeouts) {
    int p[2];
    struct timeval t = {0, 30000};
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    MUST(setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
    long long start = now_ns();
    T(read(p[0], b, 1));
    IS(now_ns() - start >= 29000000);
    MUST(write(p[1], "ab", 2));
    T(recv(p[0], b, 5, MSG_WAITALL));
    while (write(p[0], b, 1000) > 0) {}
    N(errno == EAGAIN);
    int s = server(SOCK_STREAM, "s", 0);
    MUST(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    T(accept(s, NULL, NULL));
    int c = sock(SOCK_STREAM);
    MUST(setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t));
    MUST(connect(sock(SOCK_STREAM), AT("s", 0)));
    T(connect(c, AT("s", 0)));
    int d = server(SOCK_DGRAM, "d", 0);
    MUST(setsockopt(d, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    T(read(d, b, 1));
    t.tv_sec = -1;
    t.tv_usec = 0;
    T(setsockopt(d, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    T(read(d, b, 1));
}
static void signal_soon(void) {
    int parent = getpid();
    if (!fork()) { sleep_ms(40); kill(parent, SIGUSR1); _exit(0); }
}
SECTION(interrupted) {
    int p[2];
    struct sigaction act = {.sa_handler = on};
    MUST(sigaction(SIGUSR1, &act, NULL));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    signal_soon();
    T(read(p[0], b, 1));
    wait(NULL);
    N(caught); caught = 0;
    // Restarted.
    act.sa_flags = SA_RESTART;
    MUST(sigaction(SIGUSR1, &act, NULL));
    int parent = getpid();
    if (!fork()) { sleep_ms(40); kill(parent, SIGUSR1); sleep_ms(40); write(p[1], "late", 4); _exit(0); }
    T(read(p[0], b, 9));
    wait(NULL);
    N(caught); caught = 0;
    // Not with a time limit.
    struct timeval t = {5, 0};
    MUST(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    signal_soon();
    T(read(p[0], b, 1));
    wait(NULL);
    N(caught); caught = 0;
    signal_soon();
    T(read(p[0], b, 1) ?: 0);
    wait(NULL);
    // What was moved before counts.
    act.sa_flags = 0;
    MUST(sigaction(SIGUSR1, &act, NULL));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(write(p[1], "ab", 2));
    signal_soon();
    T(recv(p[0], b, 5, MSG_WAITALL));
    wait(NULL);
    int s = server(SOCK_STREAM, "s", 0);
    signal_soon();
    T(accept(s, NULL, NULL));
    wait(NULL);
    MUST(connect(sock(SOCK_STREAM), AT("s", 0)));
    signal_soon();
    T(connect(sock(SOCK_STREAM), AT("s", 0)));
    wait(NULL);
    int d = server(SOCK_DGRAM, "d", 0);
    signal_soon();
    T(read(d, b, 1));
    wait(NULL);
}
SECTION(events) {
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
    int e = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.u32 = 1}}, out[4];
    T(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    for (int step = 0; step < 9; step++) {
        switch (step) {
        case 2: MUST(write(p[1], "a", 1)); break;
        case 3: MUST(write(p[1], "b", 1)); break;
        case 4: MUST(read(p[0], b, 1)); break;
        case 5: while (write(p[0], b, 1000) > 0) {} break;
        case 6: while (read(p[1], b, 1000) > 0) {} break;
        case 7: MUST(shutdown(p[1], SHUT_WR)); break;
        case 8: close(p[1]); break;
        }
        int n = epoll_wait(e, out, 4, 0);
        printf("step %d: %d", step, n);
        for (int i = 0; i < n; i++) printf(" %x", out[i].events);
        puts("");
    }
    int s = server(SOCK_STREAM | SOCK_NONBLOCK, "s", 5);
    ev.events = EPOLLIN | EPOLLET;
    T(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev));
    T(epoll_wait(e, out, 4, 0));
    MUST(connect(sock(SOCK_STREAM), AT("s", 0)));
    T(epoll_wait(e, out, 4, 0));
    T(epoll_wait(e, out, 4, 0));
    MUST(connect(sock(SOCK_STREAM), AT("s", 0)));
    T(epoll_wait(e, out, 4, 0));
    // select, and a wait that another process ends.
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    if (!fork()) { sleep_ms(30); write(p[1], "x", 1); _exit(0); }
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    T(select(p[0] + 1, &r, NULL, NULL, NULL));
    wait(NULL);
    if (!fork()) { sleep_ms(30); _exit(0); }
    close(p[1]);
    T(read(p[0], b, 1));
    wait(NULL);
}
SECTION(splicing) {
    int p[2], q[2];
    MUST(pipe(p));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, q));
    put("file", "contents of a file");
    int f = open("file", O_RDONLY);
    T(sendfile(q[0], f, NULL, 100));
    T(read(q[1], b, 100));
    T(write(p[1], "through a pipe", 14));
    T(splice(p[0], NULL, q[0], NULL, 100, 0));
    T(splice(q[1], NULL, p[1], NULL, 9, 0));
    T(read(p[0], b, 100));
    T(read(q[1], b, 100));
    T(splice(q[1], NULL, p[1], NULL, 9, SPLICE_F_NONBLOCK));
    loff_t off = 0;
    T(splice(q[1], &off, p[1], NULL, 9, 0));
    T(sendfile(q[0], q[1], NULL, 5));
    T(splice(q[0], NULL, q[1], NULL, 5, 0));
    struct iovec v[2] = {{"ab", 2}, {"cde", 3}}, w[2] = {{b, 1}, {b + 1, 9}};
    T(writev(q[0], v, 2));
    T(readv(q[1], w, 2));
    show_bytes("b", b, 5);
    T(pwrite(q[0], "x", 1, 0));
    T(pwrite(q[0], "x", 1, 5));
    close(q[1]);
    signal(SIGPIPE, on);
    MUST(write(p[1], "x", 1));
    T(splice(p[0], NULL, q[0], NULL, 100, 0));
    N(caught); caught = 0;
    T(sendfile(q[0], f, &(off_t){0}, 100));
    N(caught);
}
SECTION(listed) {
    server(SOCK_STREAM, "listed", 5);
    FILE *f = fopen("/proc/net/unix", "r");
    char line[512];
    int head = 1;
    while (fgets(line, sizeof line, f)) {
        if (head) { fputs(line, stdout); head = 0; }
        char *p = strstr(line, "listed");
        unsigned flags, type, st;
        if (p && sscanf(line, "%*s %*s %*s %x %x %x", &flags, &type, &st) == 3) printf("%x %x %x %s", flags, type, st, p);
    }
}
SECTION(inherited) {
    // A socket is the same in parent and child, and lives until both have closed it.
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    if (!fork()) {
        close(p[0]);
        for (int i = 0; i < 1000; i++) {
            if (read(p[1], b, 1) != 1) _exit(1);
            b[0]++;
            if (write(p[1], b, 1) != 1) _exit(2);
        }
        _exit(0);
    }
    close(p[1]);
    char c = 0;
    for (int i = 0; i < 1000; i++) {
        MUST(write(p[0], &c, 1));
        MUST(read(p[0], &c, 1));
    }
    N(c);
    T(read(p[0], &c, 1));
    int st;
    wait(&st);
    X(st);
    if (!fork()) { close(p[0]); _exit(0); }
    wait(&st);
    T(dup2(p[0], 100));
    close(p[0]);
    T(read(100, &c, 1));
}

static int got_urg;
static void on_urg(int s) { (void)s; got_urg++; }
static void show_mark(const char *what, int fd) {
    // How much there is to read is not asked for: Linux 6.18 counts urgent bytes twice.
    int mark = -1;
    MUST(ioctl(fd, SIOCATMARK, &mark));
    struct pollfd p = {fd, POLLIN | POLLPRI | POLLRDBAND, 0};
    MUST(poll(&p, 1, 0));
    printf("%s: at mark %d, poll %x\n", what, mark, p.revents);
}
static void get(int fd, int len, int flags) {
    struct msghdr m = {.msg_iov = &(struct iovec){b, len}, .msg_iovlen = 1};
    errno = 0;
    long n = recvmsg(fd, &m, flags);
    if (n < 0) printf("recv %x: %s\n", flags, ename(errno));
    else printf("recv %x: \"%.*s\" flags %x\n", flags, (int)n, b, m.msg_flags);
}
SECTION(urgent) {
    int p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    signal(SIGURG, on_urg);
    MUST(fcntl(p[1], F_SETOWN, getpid()));
    get(p[1], 9, MSG_OOB);
    show_mark("nothing", p[1]);
    T(send(p[0], "", 0, MSG_OOB));
    T(send(p[0], "abcU", 4, MSG_OOB));
    N(got_urg);
    show_mark("sent", p[1]);
    get(p[1], 9, MSG_PEEK);
    get(p[1], 2, MSG_DONTWAIT);
    get(p[1], 9, MSG_OOB | MSG_PEEK);
    get(p[1], 9, MSG_OOB);
    get(p[1], 9, MSG_OOB);
    show_mark("taken", p[1]);
    get(p[1], 9, MSG_DONTWAIT);
    show_mark("at it", p[1]);
    T(send(p[0], "def", 3, 0));
    show_mark("more", p[1]);
    get(p[1], 9, MSG_PEEK | MSG_DONTWAIT);
    get(p[1], 9, MSG_DONTWAIT);
    show_mark("passed", p[1]);
    get(p[1], 9, MSG_DONTWAIT);
    // Not taken, it is passed.
    T(send(p[0], "ghI", 3, MSG_OOB)); T(send(p[0], "jk", 2, 0));
    get(p[1], 9, MSG_DONTWAIT); show_mark("at the second", p[1]); get(p[1], 9, MSG_PEEK); get(p[1], 9, MSG_DONTWAIT); get(p[1], 9, MSG_OOB);
    // A further one makes the older a byte like the others.
    T(send(p[0], "lM", 2, MSG_OOB)); T(send(p[0], "nO", 2, MSG_OOB));
    get(p[1], 9, MSG_DONTWAIT); show_mark("at the third", p[1]); get(p[1], 9, MSG_OOB); get(p[1], 9, MSG_DONTWAIT);
    show_mark("empty", p[1]);
    N(got_urg);
    int one = 1;
    MUST(setsockopt(p[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof one));
    T(send(p[0], "pqR", 3, MSG_OOB)); T(send(p[0], "st", 2, 0));
    get(p[1], 9, MSG_OOB);
    get(p[1], 9, MSG_DONTWAIT); show_mark("inline at it", p[1]); get(p[1], 9, MSG_DONTWAIT); show_mark("inline passed", p[1]);
    get(p[1], 9, MSG_DONTWAIT);
    // With the end behind it.
    T(send(p[0], "uV", 2, MSG_OOB)); close(p[0]);
    get(p[1], 9, 0); get(p[1], 9, 0); get(p[1], 9, 0);
    close(p[1]);
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    T(send(p[0], "W", 1, MSG_OOB));
    get(p[1], 9, MSG_OOB);
    close(p[1]);
    // The mark alone is nothing unread.
    get(p[0], 9, 0);
    close(p[0]);
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    T(send(p[0], "X", 1, MSG_OOB));
    get(p[1], 9, MSG_OOB | MSG_DONTWAIT);
    close(p[0]); close(p[1]);
}
SECTION(stamps) {
    int p[2], one = 1;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
    MUST(setsockopt(p[1], SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one));
    T(send(p[0], "x", 1, 0));
    char c[200];
    struct msghdr m = {.msg_iov = &(struct iovec){b, 9}, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    T(recvmsg(p[1], &m, 0));
    N(m.msg_controllen); X(m.msg_flags);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (h) { N(h->cmsg_level); N(h->cmsg_type); N(h->cmsg_len); IS(labs(*(long *)CMSG_DATA(h) - (long)time(NULL)) < 60); }
    close(p[0]); close(p[1]);
}
