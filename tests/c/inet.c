//: musl
// ip(7), ipv6(7), tcp(7), udp(7) over the loopback. No ports are printed: they differ from run to run.
#include "facts.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char b[1 << 20];
static int caught;
static void on(int s) { caught = s; }
static struct sockaddr_in a4(const char *ip, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}
static struct sockaddr_in6 a6(const char *ip, int port) {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, ip, &a.sin6_addr);
    return a;
}
#define A4(ip, port) (struct sockaddr *)&(struct sockaddr_in[]){a4(ip, port)}, sizeof(struct sockaddr_in)
#define A6(ip, port) (struct sockaddr *)&(struct sockaddr_in6[]){a6(ip, port)}, sizeof(struct sockaddr_in6)
static int port_of(int fd) {
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    MUST(getsockname(fd, (struct sockaddr *)&a, &n));
    return ntohs(a.sin6_port);
}
static void show_name(const char *what, int (*get)(int, struct sockaddr *, socklen_t *), int fd) {
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    char ip[64] = "";
    errno = 0;
    int r = get(fd, (struct sockaddr *)&a, &n);
    if (r) { printf("%s: %s\n", what, ename(errno)); return; }
    if (a.sin6_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, ip, sizeof ip);
    else inet_ntop(AF_INET6, &a.sin6_addr, ip, sizeof ip);
    printf("%s: family %d len %d %s port %s\n", what, a.sin6_family, (int)n, ip, a.sin6_port ? "some" : "none");
}
static void show_poll(const char *what, int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI | POLLRDNORM | POLLWRNORM, 0};
    MUST(poll(&p, 1, 20));
    printf("%s: poll %x\n", what, p.revents);
}
static int opt(int fd, int level, int name) { int v = -77; socklen_t n = sizeof v; int r = getsockopt(fd, level, name, &v, &n); return r ? -errno : v; }
static int set(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }
static int server(int type) {
    int s = MUST(socket(AF_INET, type, 0));
    MUST(bind(s, A4("127.0.0.1", 0)));
    if (type == SOCK_STREAM) MUST(listen(s, 5));
    return s;
}
static void connected(int p[2]) {
    int s = server(SOCK_STREAM);
    p[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(p[0], A4("127.0.0.1", port_of(s))));
    p[1] = MUST(accept(s, NULL, NULL));
    close(s);
}

SECTION(create) {
    for (int f = AF_INET; f <= AF_INET6; f += AF_INET6 - AF_INET) {
        T(socket(f, SOCK_STREAM, 0) > 0);
        T(socket(f, SOCK_STREAM, IPPROTO_TCP) > 0);
        T(socket(f, SOCK_DGRAM, IPPROTO_UDP) > 0);
        T(socket(f, SOCK_STREAM, IPPROTO_UDP));
        T(socket(f, SOCK_DGRAM, IPPROTO_TCP));
        T(socket(f, SOCK_SEQPACKET, 0));
        T(socket(f, SOCK_RAW, 0));
        T(socket(f, SOCK_STREAM, -1));
        T(socket(f, SOCK_STREAM, 256));
        int p[2];
        T(socketpair(f, SOCK_STREAM, 0, p));
    }
    int s = socket(AF_INET, SOCK_STREAM, 0);
    N(opt(s, SOL_SOCKET, SO_DOMAIN));
    N(opt(s, SOL_SOCKET, SO_TYPE));
    N(opt(s, SOL_SOCKET, SO_PROTOCOL));
    show_name("name", getsockname, s);
    show_name("peer", getpeername, s);
    show_poll("new", s);
    T(send(s, "x", 1, MSG_NOSIGNAL));
    T(recv(s, b, 1, 0));
    T(shutdown(s, SHUT_WR));
    T(accept(s, NULL, NULL));
    T(bind(s, A4("8.8.8.8", 0)));
    T(bind(s, A6("::1", 0)));
    T(bind(s, (struct sockaddr *)b, 16));
    T(bind(s, (struct sockaddr *)b, 2));
    T(bind(s, A4("127.9.8.7", 0)));
    show_name("name", getsockname, s);
    T(bind(s, A4("127.0.0.1", 0)));
    T(set(s, IPPROTO_TCP, TCP_NODELAY, 1));
    N(opt(s, IPPROTO_TCP, TCP_NODELAY));
    N(opt(s, IPPROTO_IP, IP_TTL));
    T(set(s, IPPROTO_TCP, 9999, 1));
    N(opt(s, IPPROTO_TCP, 9999));
    T(set(s, SOL_SOCKET, SO_REUSEADDR, 1));
    T(set(s, SOL_SOCKET, SO_KEEPALIVE, 1));
}
SECTION(ports) {
    int s = server(SOCK_STREAM), p = port_of(s);
    T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.1", p)));
    T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("0.0.0.0", p)));
    T(bind(socket(AF_INET6, SOCK_STREAM, 0), A6("::", p)));
    T(bind(socket(AF_INET6, SOCK_STREAM, 0), A6("::1", p)));
    T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.2", p)));
    T(bind(socket(AF_INET, SOCK_DGRAM, 0), A4("127.0.0.1", p)) ?: 0);
    int r = socket(AF_INET, SOCK_STREAM, 0);
    MUST(set(r, SOL_SOCKET, SO_REUSEADDR, 1));
    T(bind(r, A4("127.0.0.1", p)));
    int x = socket(AF_INET, SOCK_STREAM, 0), y = socket(AF_INET, SOCK_STREAM, 0);
    MUST(set(x, SOL_SOCKET, SO_REUSEADDR, 1));
    MUST(set(y, SOL_SOCKET, SO_REUSEADDR, 1));
    T(bind(x, A4("127.0.0.1", 0)));
    T(bind(y, A4("127.0.0.1", port_of(x))));
    T(listen(x, 1));
    T(listen(y, 1));
    x = socket(AF_INET, SOCK_STREAM, 0), y = socket(AF_INET, SOCK_STREAM, 0);
    MUST(set(x, SOL_SOCKET, SO_REUSEPORT, 1));
    MUST(set(y, SOL_SOCKET, SO_REUSEPORT, 1));
    T(bind(x, A4("127.0.0.1", 0)));
    T(bind(y, A4("127.0.0.1", port_of(x))));
    T(listen(x, 1));
    T(listen(y, 1));
    close(s);
    T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.1", p)));
    // Listening without a name takes a port.
    s = socket(AF_INET, SOCK_STREAM, 0);
    T(listen(s, 1));
    show_name("listening", getsockname, s);
    if (!fork()) {
        MUST(setuid(1000));
        T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.1", 81)));
        _exit(0);
    }
    wait(NULL);
}
SECTION(stream) {
    int p[2];
    connected(p);
    show_name("name", getsockname, p[0]);
    show_name("peer", getpeername, p[0]);
    show_name("name", getsockname, p[1]);
    IS(port_of(p[0]) > 0);
    T(write(p[0], "hello", 5));
    T(recv(p[1], b, 3, MSG_PEEK));
    T(recv(p[1], b, 9, 0));
    T(recv(p[1], b, 9, MSG_DONTWAIT));
    T(sendto(p[0], "x", 1, 0, A4("127.0.0.1", 9)));
    int n;
    sleep_ms(5);
    T(ioctl(p[1], FIONREAD, &n));
    N(n);
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    T(recvfrom(p[1], b, 9, 0, (struct sockaddr *)&from, &l));
    N(l);
    T(connect(p[0], A4("127.0.0.1", 9)));
    T(listen(p[0], 1));
    T(bind(p[0], A4("127.0.0.1", 0)));
    show_poll("idle", p[0]);
    T(write(p[0], "discarded", 9));
    sleep_ms(5);
    T(recv(p[1], NULL, 4, MSG_TRUNC));
    T(recv(p[1], b, 9, 0));
    show_bytes("b", b, 5);
    // Shut down, closed.
    T(shutdown(p[0], SHUT_WR));
    show_poll("p0", p[0]);
    show_poll("p1", p[1]);
    signal(SIGPIPE, on);
    T(write(p[0], "x", 1));
    N(caught);
    T(read(p[1], b, 9));
    T(write(p[1], "back", 4));
    T(read(p[0], b, 9));
    T(shutdown(p[1], SHUT_WR));
    show_poll("p0", p[0]);
    show_poll("p1", p[1]);
    T(read(p[0], b, 9));
    T(shutdown(p[0], SHUT_RDWR));
    show_name("peer", getpeername, p[0]);
    close(p[0]);
    T(read(p[1], b, 9));
    // The peer closes: the first write is answered by a reset.
    connected(p);
    close(p[0]);
    T(read(p[1], b, 9));
    T(send(p[1], "x", 1, MSG_NOSIGNAL));
    sleep_ms(5);
    show_poll("reset", p[1]);
    T(send(p[1], "x", 1, MSG_NOSIGNAL));
    T(read(p[1], b, 9));
    // Unread bytes reset at once.
    connected(p);
    T(write(p[0], "unread", 6));
    close(p[1]);
    sleep_ms(5);
    show_poll("reset", p[0]);
    T(read(p[0], b, 9));
    T(read(p[0], b, 9));
    T(send(p[0], "x", 1, MSG_NOSIGNAL));
    // So does no time to linger.
    connected(p);
    struct linger now = {1, 0};
    MUST(setsockopt(p[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close(p[1]);
    sleep_ms(5);
    T(read(p[0], b, 9));
}
SECTION(connecting) {
    int s = server(SOCK_STREAM), p = port_of(s);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    T(connect(c, A4("127.0.0.1", p)));
    show_poll("connecting", c);
    N(opt(c, SOL_SOCKET, SO_ERROR));
    T(connect(c, A4("127.0.0.1", p)));
    T(connect(c, A4("127.0.0.1", p)));
    show_poll("listening", s);
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    int x = T(accept4(s, (struct sockaddr *)&from, &l, SOCK_NONBLOCK) > 0);
    (void)x;
    N(l);
    IS(ntohs(from.sin_port) == port_of(c));
    T(fcntl(s, F_SETFL, O_NONBLOCK));
    T(accept(s, NULL, NULL));
    close(s);
    int r = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    T(connect(r, A4("127.0.0.1", p)));
    show_poll("refused", r);
    N(opt(r, SOL_SOCKET, SO_ERROR));
    show_poll("told", r);
    T(connect(r, A4("127.0.0.1", p)));
    T(connect(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.1", p)));
    T(connect(socket(AF_INET, SOCK_STREAM, 0), A6("::1", p)));
    T(connect(socket(AF_INET6, SOCK_STREAM, 0), A4("127.0.0.1", p)));
    T(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)b, 1));
    // A blocked accept.
    s = server(SOCK_STREAM);
    p = port_of(s);
    if (!fork()) {
        int k = socket(AF_INET, SOCK_STREAM, 0);
        sleep_ms(30);
        MUST(connect(k, A4("127.0.0.1", p)));
        write(k, "from the child", 14);
        _exit(0);
    }
    int y = accept(s, NULL, NULL);
    T(read(y, b, 99));
    T(read(y, b, 99));
    wait(NULL);
    // Connections that nobody has accepted go with the listener.
    c = socket(AF_INET, SOCK_STREAM, 0);
    MUST(connect(c, A4("127.0.0.1", p)));
    close(s);
    sleep_ms(5);
    T(read(c, b, 9));
}
SECTION(six) {
    int s = socket(AF_INET6, SOCK_STREAM, 0);
    N(opt(s, IPPROTO_IPV6, IPV6_V6ONLY));
    T(set(s, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    T(bind(s, A6("::", 0)));
    T(set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    T(listen(s, 5));
    int p = port_of(s);
    int c = socket(AF_INET6, SOCK_STREAM, 0);
    T(connect(c, A6("::1", p)));
    show_name("name", getsockname, c);
    show_name("peer", getpeername, accept(s, NULL, NULL));
    c = socket(AF_INET, SOCK_STREAM, 0);
    T(connect(c, A4("127.0.0.1", p)));
    int x = accept(s, NULL, NULL);
    show_name("name", getsockname, x);
    show_name("peer", getpeername, x);
    c = socket(AF_INET6, SOCK_STREAM, 0);
    T(connect(c, A6("::ffff:127.0.0.1", p)));
    show_name("name", getsockname, c);
    s = socket(AF_INET6, SOCK_STREAM, 0);
    T(set(s, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    T(bind(s, A6("::", 0)));
    T(listen(s, 5));
    T(connect(socket(AF_INET, SOCK_STREAM, 0), A4("127.0.0.1", port_of(s))));
    T(bind(socket(AF_INET, SOCK_STREAM, 0), A4("0.0.0.0", port_of(s))));
    T(bind(socket(AF_INET6, SOCK_STREAM, 0), A6("2001:db8::1", 0)));
    T(bind(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&(struct sockaddr_in6[]){a6("::1", 0)}, 23));
}
SECTION(large) {
    // More than fits any buffer; another process reads.
    int p[2];
    connected(p);
    if (!fork()) {
        close(p[0]);
        long sum = 0, total = 0, k;
        while ((k = read(p[1], b, sizeof b)) > 0) { total += k; for (int i = 0; i < k; i++) sum += (unsigned char)b[i]; }
        N(total);
        N(sum);
        _exit(0);
    }
    close(p[1]);
    for (size_t i = 0; i < sizeof b; i++) b[i] = i % 251;
    for (int i = 0; i < 16; i++) MUST(write(p[0], b, sizeof b));
    put("file", "from a file");
    int f = open("file", O_RDONLY);
    T(sendfile(p[0], f, NULL, 100));
    close(p[0]);
    wait(NULL);
    // Full: not writable, writable again when enough was read.
    connected(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    long total = 0, k;
    while ((k = write(p[0], b, sizeof b)) > 0) total += k;
    IS(errno == EAGAIN && total > 100000);
    struct pollfd w = {p[0], POLLOUT, 0};
    T(poll(&w, 1, 0));
    long got = 0;
    while (got < total && (k = recv(p[1], b, sizeof b, MSG_DONTWAIT)) > 0) got += k;
    T(poll(&w, 1, 1000));
}
SECTION(events) {
    int p[2];
    connected(p);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    int e = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN | EPOLLRDHUP | EPOLLET, {.u32 = 1}}, out[4];
    T(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    for (int step = 0; step < 6; step++) {
        switch (step) {
        case 1: MUST(write(p[1], "a", 1)); break;
        case 3: MUST(write(p[1], "b", 1)); break;
        case 4: MUST(read(p[0], b, 9)); break;
        case 5: close(p[1]); break;
        }
        int n = epoll_wait(e, out, 4, 20);
        printf("step %d: %d", step, n);
        for (int i = 0; i < n; i++) printf(" %x", out[i].events);
        puts("");
    }
}
SECTION(datagrams) {
    int s = server(SOCK_DGRAM), p = port_of(s), c = socket(AF_INET, SOCK_DGRAM, 0);
    show_name("new", getsockname, c);
    show_poll("new", c);
    T(send(c, "x", 1, 0));
    T(sendto(c, "one", 3, 0, A4("127.0.0.1", p)));
    show_name("named", getsockname, c);
    T(sendto(c, "", 0, 0, A4("127.0.0.1", p)));
    T(sendto(c, "three", 5, 0, A4("0.0.0.0", p)));
    T(sendto(c, b, 65507, 0, A4("127.0.0.1", p)));
    T(sendto(c, b, 65508, 0, A4("127.0.0.1", p)));
    T(sendto(c, "x", 1, 0, A4("127.0.0.1", 0)));
    T(sendto(c, "x", 1, 0, A6("::1", p)));
    T(sendto(c, "x", 1, 0, (struct sockaddr *)b, 5));
    show_poll("waiting", s);
    struct sockaddr_in from;
    socklen_t l = sizeof from;
    T(recvfrom(s, b, 2, MSG_PEEK, (struct sockaddr *)&from, &l));
    IS(ntohs(from.sin_port) == port_of(c) && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    int n;
    T(ioctl(s, FIONREAD, &n));
    N(n);
    T(recv(s, b, 2, MSG_TRUNC));
    T(recv(s, b, 9, 0));
    T(recv(s, b, 9, 0));
    T(recv(s, b, sizeof b, 0));
    T(recv(s, b, 9, MSG_DONTWAIT));
    T(recv(s, b, 9, MSG_OOB | MSG_DONTWAIT));
    // Connected.
    T(connect(c, A4("127.0.0.1", p)));
    show_name("peer", getpeername, c);
    show_name("name", getsockname, c);
    T(write(c, "to peer", 7));
    T(recv(s, b, 9, 0));
    int other = server(SOCK_DGRAM);
    T(sendto(other, "stranger", 8, 0, A4("127.0.0.1", port_of(c))));
    T(sendto(s, "peer", 4, 0, A4("127.0.0.1", port_of(c))));
    T(recv(c, b, 9, 0));
    T(recv(c, b, 9, MSG_DONTWAIT));
    close(s);
    T(write(c, "lost", 4));
    sleep_ms(5);
    show_poll("refused", c);
    T(write(c, "told", 4));
    T(write(c, "lost", 4));
    sleep_ms(5);
    T(recv(c, b, 9, 0));
    struct sockaddr none = {AF_UNSPEC};
    T(connect(c, &none, sizeof none));
    show_name("peer", getpeername, c);
    T(write(c, "x", 1));
    T(shutdown(c, SHUT_RD));
    T(listen(c, 1));
    T(accept(c, NULL, NULL));
    // Broadcast and elsewhere are not looked at here: that depends on the network.
    struct timeval t = {0, 30000};
    MUST(setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    while (recv(other, b, 9, 0) > 0) {}
    N(errno == EAGAIN);
}

static int got_urg;
static void on_urg(int s) { (void)s; got_urg++; }
// The byte that is urgent, and where it is among the others.
static void show_mark(const char *what, int fd) {
    int mark = -1, n = -1;
    MUST(ioctl(fd, SIOCATMARK, &mark));
    MUST(ioctl(fd, FIONREAD, &n));
    printf("%s: at mark %d, to read %d\n", what, mark, n);
    struct pollfd p = {fd, POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND, 0};
    MUST(poll(&p, 1, 0));
    printf("%s: poll %x\n", what, p.revents);
}
static void get(int fd, int len, int flags) {
    struct msghdr m = {.msg_iov = &(struct iovec){b, len}, .msg_iovlen = 1};
    errno = 0;
    long n = recvmsg(fd, &m, flags);
    if (n < 0) printf("recv %x: %s\n", flags, ename(errno));
    else printf("recv %x: \"%.*s\" flags %x\n", flags, (int)n, b, m.msg_flags & ~MSG_CTRUNC);
}
// What is sent takes a moment on the host.
static void settle(void) { usleep(20000); }
SECTION(urgent) {
    int p[2];
    connected(p);
    get(p[1], 9, MSG_OOB);
    show_mark("nothing", p[1]);
    T(send(p[0], "abcU", 4, MSG_OOB)); settle();
    show_mark("sent", p[1]);
    get(p[1], 9, MSG_PEEK);
    get(p[1], 2, MSG_DONTWAIT);
    get(p[1], 9, MSG_OOB | MSG_PEEK);
    get(p[1], 9, MSG_OOB);
    get(p[1], 9, MSG_OOB);
    show_mark("taken", p[1]);
    get(p[1], 9, MSG_DONTWAIT);
    show_mark("at it", p[1]);
    get(p[1], 9, MSG_DONTWAIT);
    T(send(p[0], "def", 3, 0)); settle();
    show_mark("more", p[1]);
    get(p[1], 9, MSG_PEEK | MSG_DONTWAIT);
    get(p[1], 9, MSG_DONTWAIT);
    show_mark("passed", p[1]);
    // A second one makes the first a byte like the others, unless it would be the next.
    T(send(p[0], "gH", 2, MSG_OOB)); T(send(p[0], "iJ", 2, MSG_OOB)); settle();
    get(p[1], 9, MSG_DONTWAIT); show_mark("second", p[1]); get(p[1], 9, MSG_OOB); get(p[1], 9, MSG_DONTWAIT);
    T(send(p[0], "K", 1, MSG_OOB)); settle();
    T(send(p[0], "L", 1, MSG_OOB)); settle();
    show_mark("two at once", p[1]);
    get(p[1], 9, MSG_DONTWAIT); get(p[1], 0, MSG_OOB); get(p[1], 9, MSG_OOB | MSG_TRUNC); get(p[1], 9, MSG_DONTWAIT);
    // Among the others.
    T(set(p[1], SOL_SOCKET, SO_OOBINLINE, 1));
    T(send(p[0], "mnO", 3, MSG_OOB)); T(send(p[0], "pq", 2, 0)); settle();
    show_mark("inline", p[1]);
    get(p[1], 9, MSG_OOB);
    get(p[1], 9, MSG_DONTWAIT); show_mark("inline at it", p[1]); get(p[1], 9, MSG_DONTWAIT); show_mark("inline passed", p[1]);
    T(send(p[0], "R", 1, MSG_OOB)); close(p[0]); settle();
    show_mark("inline end", p[1]);
    get(p[1], 9, 0); get(p[1], 9, 0);
    close(p[1]);
    connected(p);
    T(send(p[0], "xyZ", 3, MSG_OOB)); close(p[0]); settle();
    get(p[1], 9, 0); get(p[1], 9, MSG_OOB); get(p[1], 9, 0); get(p[1], 9, MSG_OOB);
    close(p[1]);
    int s = server(SOCK_STREAM);
    get(s, 9, MSG_OOB); get(s, 9, 0);
    s = MUST(socket(AF_INET, SOCK_STREAM, 0));
    get(s, 9, MSG_OOB); get(s, 9, 0);
}
SECTION(urgent_signal) {
    int p[2];
    connected(p);
    signal(SIGURG, on_urg);
    T(send(p[0], "a", 1, MSG_OOB)); settle();
    N(got_urg);
    MUST(fcntl(p[1], F_SETOWN, getpid()));
    T(send(p[0], "b", 1, MSG_OOB)); settle();
    N(got_urg);
    T(send(p[0], "b", 1, 0)); settle();
    N(got_urg);
    struct epoll_event e = {.events = EPOLLPRI | EPOLLET};
    int ep = MUST(epoll_create1(0));
    MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e));
    T(epoll_wait(ep, &e, 1, 0)); X(e.events);
    T(epoll_wait(ep, &e, 1, 0));
    get(p[1], 1, MSG_OOB);
    T(send(p[0], "c", 1, MSG_OOB)); settle();
    T(epoll_wait(ep, &e, 1, 0)); X(e.events);
    N(got_urg);
}
static void show_controls(int fd) {
    char c[512];
    struct msghdr m = {.msg_iov = &(struct iovec){b, sizeof b}, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
    T(recvmsg(fd, &m, MSG_DONTWAIT)); X(m.msg_flags);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        printf("level %d type %d length %d", h->cmsg_level, h->cmsg_type, (int)h->cmsg_len);
        if (h->cmsg_level == SOL_SOCKET) {
            struct timespec t;
            clock_gettime(CLOCK_REALTIME, &t);
            long at = *(long *)CMSG_DATA(h);
            printf(" %s\n", at >= t.tv_sec - 60 && at <= t.tv_sec ? "now" : "other");
        } else show_bytes("", (char *)CMSG_DATA(h), h->cmsg_len - CMSG_LEN(0));
    }
}
SECTION(controls) {
    int a = MUST(socket(AF_INET, SOCK_DGRAM, 0)), c = server(SOCK_DGRAM), v6 = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
    T(set(c, 0, IP_PKTINFO, 1)); T(set(c, 0, IP_RECVTTL, 1)); T(set(c, 0, IP_RECVTOS, 1));
    T(set(a, 0, IP_TTL, 7)); T(set(a, 0, IP_TOS, 0x10));
    MUST(connect(a, A4("127.0.0.1", port_of(c))));
    T(send(a, "x", 1, 0));
    show_controls(c);
    T(set(c, SOL_SOCKET, SO_TIMESTAMP, 1)); T(opt(c, SOL_SOCKET, SO_TIMESTAMP));
    T(send(a, "x", 1, 0));
    show_controls(c);
    T(set(c, SOL_SOCKET, SO_TIMESTAMPNS, 1)); T(opt(c, SOL_SOCKET, SO_TIMESTAMP)); T(opt(c, SOL_SOCKET, SO_TIMESTAMPNS));
    T(send(a, "x", 1, 0));
    show_controls(c);
    MUST(bind(v6, A6("::1", 0)));
    T(set(v6, 41, IPV6_RECVPKTINFO, 1)); T(set(v6, 41, IPV6_RECVHOPLIMIT, 1)); T(set(v6, 41, IPV6_RECVTCLASS, 1));
    int d = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
    T(set(d, 41, IPV6_UNICAST_HOPS, 9)); T(set(d, 41, IPV6_TCLASS, 0x20));
    T(sendto(d, "y", 1, 0, A6("::1", port_of(v6))));
    show_controls(v6);
    get(c, 9, MSG_ERRQUEUE);
    close(a); close(c); close(d); close(v6);
}
static void show_opt(const char *what, int fd, int level, int name) {
    unsigned char v[300];
    socklen_t n = sizeof v;
    int r = getsockopt(fd, level, name, v, &n);
    printf("%s: %s", what, ename(r ? errno : 0));
    if (!r) { printf(" %d", (int)n); for (unsigned i = 0; i < n && i < 4; i++) printf(" %02x", v[i]); }
    putchar('\n');
}
SECTION(more_options) {
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0)), fd6 = MUST(socket(AF_INET6, SOCK_STREAM, 0)), u = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    static const int socket_level[] = {SO_BUSY_POLL, SO_INCOMING_CPU, SO_PREFER_BUSY_POLL, SO_BINDTODEVICE, SO_PASSCRED, SO_TIMESTAMP, SO_TIMESTAMPNS, 56, 75, 82};
    for (size_t i = 0; i < sizeof socket_level / sizeof *socket_level; i++) {
        int o = socket_level[i];
        printf("%d: ", o); show_opt("first", fd, SOL_SOCKET, o);
        if (o == SO_BINDTODEVICE) continue;
        printf("%d: set %s", o, ename(set(fd, SOL_SOCKET, o, 1) ? errno : 0)); printf(" %s\n", ename(set(fd, SOL_SOCKET, o, -1) ? errno : 0));
    }
    T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nope", 5));
    T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    show_opt("device", fd, SOL_SOCKET, SO_BINDTODEVICE);
    T(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
    show_opt("device", fd, SOL_SOCKET, SO_BINDTODEVICE);
    static const int tcp[] = {TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_FASTOPEN, TCP_NOTSENT_LOWAT, TCP_ULP, TCP_FASTOPEN_CONNECT, TCP_MAXSEG};
    for (size_t i = 0; i < sizeof tcp / sizeof *tcp; i++) {
        int o = tcp[i];
        printf("%d: ", o);
        if (o == TCP_MAXSEG) puts(""); else show_opt("tcp", fd, 6, o);
        if (o == TCP_ULP || o == TCP_LINGER2 || o == TCP_MAXSEG || o == TCP_DEFER_ACCEPT) continue;
        printf("%d: set %s", o, ename(set(fd, 6, o, 1) ? errno : 0)); printf(" %s %d\n", ename(set(fd, 6, o, -1) ? errno : 0), opt(fd, 6, o));
    }
    char name[20] = "";
    socklen_t n = sizeof name;
    T(setsockopt(fd, 6, TCP_CONGESTION, "reno", 4));
    T(getsockopt(fd, 6, TCP_CONGESTION, name, &n)); N(n); puts(name);
    T(setsockopt(fd, 6, TCP_CONGESTION, "nosuch", 6));
    T(setsockopt(fd, 6, TCP_ULP, "nosuch", 6));
    static const int ip[] = {IP_RECVOPTS, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_BIND_ADDRESS_NO_PORT, IP_MTU};
    for (size_t i = 0; i < sizeof ip / sizeof *ip; i++) {
        int o = ip[i];
        printf("%d: ", o); show_opt("ip", u, 0, o);
        printf("%d: set %s", o, ename(set(u, 0, o, 3) ? errno : 0)); printf(" %s %d\n", ename(set(u, 0, o, -1) ? errno : 0), opt(u, 0, o));
        char one = 2;
        printf("%d: byte %s", o, ename(setsockopt(u, 0, o, &one, 1) ? errno : 0));
        n = 1;
        printf(" %s", ename(getsockopt(u, 0, o, &one, &n) ? errno : 0)); printf(" %d\n", (int)n);
    }
    static const int ip6[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_MTU, IPV6_DONTFRAG};
    for (size_t i = 0; i < sizeof ip6 / sizeof *ip6; i++) {
        int o = ip6[i];
        printf("%d: ", o); show_opt("ip6", fd6, 41, o);
        printf("%d: set %s\n", o, ename(set(fd6, 41, o, 1) ? errno : 0));
    }
    struct ip_mreq group = {.imr_multiaddr = {htonl(0x7f000001)}};
    T(setsockopt(u, 0, IP_ADD_MEMBERSHIP, &group, sizeof group));
    T(setsockopt(u, 0, IP_ADD_MEMBERSHIP, &group, 4));
    T(setsockopt(fd, 0, IP_ADD_MEMBERSHIP, &group, sizeof group));
    for (int level = 250; level < 290; level += 5) { show_opt("v4", fd, level, 1); show_opt("v6", fd6, level, 1); printf("%s\n", ename(set(fd, level, 1, 1) ? errno : 0)); }
    show_opt("udp of tcp", fd, 17, 1); show_opt("tcp of udp", u, 6, 1); show_opt("6 of 4", fd, 41, 26);
    show_opt("info", fd, 6, TCP_INFO);
    int p[2];
    connected(p);
    struct tcp_info info;
    n = sizeof info;
    T(write(p[0], "12345", 5)); T(write(p[1], "123", 3));
    settle();
    T(getsockopt(p[0], 6, TCP_INFO, &info, &n)); N(n); N(info.tcpi_state); N(info.tcpi_options & 7); IS(info.tcpi_rto > 0); IS(info.tcpi_snd_mss > 0); IS(info.tcpi_snd_cwnd > 0);
    n = 2;
    T(getsockopt(p[0], 6, TCP_INFO, &info, &n)); N(n);
    T(opt(p[0], 0, IP_MTU));
}
// ---- messages of other families, and the queue of errors ----------------------------------------------------------
SECTION(control_and_errors) {
    static const int kinds[][2] = {{SOL_SOCKET, SCM_RIGHTS}, {SOL_SOCKET, 2}, {SOL_SOCKET, 77}};
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof a;
        int to = socket(AF_INET, type, 0), from = socket(AF_INET, type, 0), fresh = socket(AF_INET, type, 0);
        MUST(bind(to, (void *)&a, sizeof a));
        if (type == SOCK_STREAM) MUST(listen(to, 1));
        MUST(getsockname(to, (void *)&a, &len));
        MUST(connect(from, (void *)&a, sizeof a));
        char text[8] = "abcdefg", control[64] __attribute__((aligned(8))) = {0};
        struct iovec v = {text, 7};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 24};
        struct cmsghdr *c = (void *)control;
        for (int i = 0; i < 3; i++) {
            *c = (struct cmsghdr){.cmsg_len = 20, .cmsg_level = kinds[i][0], .cmsg_type = kinds[i][1]};
            T(sendmsg(from, &m, 0));
        }
        c->cmsg_type = SCM_RIGHTS, c->cmsg_len = 15;
        T(sendmsg(from, &m, 0));
        c->cmsg_len = 25;
        T(sendmsg(from, &m, 0));
        m.msg_control = hole();
        T(sendmsg(from, &m, 0));
        m.msg_control = NULL, m.msg_controllen = 0;
        T(recvmsg(from, &m, MSG_ERRQUEUE));
        T(recvmsg(fresh, &m, MSG_ERRQUEUE));
        close(to), close(from), close(fresh);
    }
}
