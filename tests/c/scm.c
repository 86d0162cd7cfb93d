// Control messages of sendmsg(2) and recvmsg(2) on unix(7) sockets: descriptors, credentials; mmsg calls; bad arguments.
// Not with musl, whose sendmsg(2) copies control messages into a small buffer of its own.
#include "facts.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char b[1 << 12], ctl[1 << 12] __attribute__((aligned(16)));
static struct iovec one = {"x", 1};
// A message with one control message of this kind and content.
static long send_ctl(int fd, int level, int type, const void *content, size_t len, int flags) {
    struct cmsghdr *h = (struct cmsghdr *)ctl;
    memset(ctl, 0, sizeof ctl);
    h->cmsg_level = level;
    h->cmsg_type = type;
    h->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(h), content, len);
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(len)};
    return sendmsg(fd, &m, flags);
}
static long send_fds(int fd, const int *fds, int n) { return send_ctl(fd, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(int), 0); }
static int got[300], ngot;
// Receives with room for so many bytes of control messages, and tells what came.
static long receive(int fd, size_t room, int flags) {
    struct iovec v = {b, sizeof b};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = room, .msg_flags = -1};
    memset(ctl, 0x55, sizeof ctl);
    ngot = 0;
    errno = 0;
    long r = recvmsg(fd, &m, flags);
    if (r < 0) { printf("receive: %s\n", ename(errno)); return r; }
    printf("receive: %ld flags %x control %zu\n", r, m.msg_flags, (size_t)m.msg_controllen);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        printf("  level %d type %d len %zu", h->cmsg_level, h->cmsg_type, (size_t)h->cmsg_len);
        if (h->cmsg_type == SCM_RIGHTS) {
            ngot = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(got, CMSG_DATA(h), ngot * sizeof(int));
            for (int i = 0; i < ngot && i < 4; i++) printf(" fd %d", got[i]);
        } else if (h->cmsg_len == CMSG_LEN(sizeof(struct ucred))) {
            struct ucred u;
            memcpy(&u, CMSG_DATA(h), sizeof u);
            printf(" pid %s uid %u gid %u", u.pid == getpid() ? "mine" : u.pid == getppid() ? "parent" : u.pid ? "other" : "0", u.uid, u.gid);
        }
        puts("");
    }
    return r;
}
static int set(int fd, int name, int v) { return setsockopt(fd, SOL_SOCKET, name, &v, sizeof v); }

SECTION(rights) {
    int s[2], p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(pipe(p));
    T(send_fds(s[0], p, 2));
    T(receive(s[1], sizeof ctl, 0));
    T(write(got[1], "hi", 2));
    T(read(p[0], b, 9));
    X(fcntl(got[0], F_GETFD));
    T(send_fds(s[0], p, 2));
    T(receive(s[1], sizeof ctl, MSG_CMSG_CLOEXEC));
    X(fcntl(got[0], F_GETFD));
    // No room, little room.
    for (int room = 0; room <= 32; room += 4) {
        MUST(send_fds(s[0], p, 2));
        printf("room %d\n", room);
        receive(s[1], room, 0);
        for (int i = 0; i < ngot; i++) close(got[i]);
    }
    // Without control messages the descriptors are lost.
    MUST(send_fds(s[0], p, 2));
    T(read(s[1], b, 9));
    MUST(send_fds(s[0], p, 1));
    T(recv(s[1], b, 9, 0));
    struct iovec v = {b, 9};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    MUST(send_fds(s[0], p, 1));
    T(recvmsg(s[1], &m, 0));
    X(m.msg_flags);
    // A message with descriptors ends a read.
    MUST(write(s[0], "aa", 2));
    MUST(send_fds(s[0], p, 1));
    MUST(write(s[0], "bb", 2));
    MUST(send_fds(s[0], p, 1));
    T(receive(s[1], sizeof ctl, 0));
    T(receive(s[1], sizeof ctl, 0));
    // Peeking makes further descriptors.
    MUST(write(s[0], "cc", 2));
    MUST(send_fds(s[0], p, 1));
    T(receive(s[1], sizeof ctl, MSG_PEEK));
    T(receive(s[1], sizeof ctl, MSG_PEEK));
    T(receive(s[1], sizeof ctl, 0));
    // Read in part: they come with the first.
    one.iov_len = 1;
    MUST(send_fds(s[0], p, 1));
    T(recv(s[1], b, 0, 0));
    T(receive(s[1], sizeof ctl, 0));
}
SECTION(rights_errors) {
    int s[2], fds[300];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    for (int i = 0; i < 300; i++) fds[i] = 1;
    T(send_fds(s[0], fds, 253));
    T(receive(s[1], sizeof ctl, 0));
    N(ngot);
    for (int i = 0; i < ngot; i++) close(got[i]);
    T(send_fds(s[0], fds, 254));
    T(send_fds(s[0], fds, 0));
    T(receive(s[1], sizeof ctl, 0));
    fds[1] = 999;
    T(send_fds(s[0], fds, 2));
    fds[1] = -1;
    T(send_fds(s[0], fds, 2));
    fds[0] = open(".", O_PATH);
    T(send_fds(s[0], fds, 1));
    T(receive(s[1], sizeof ctl, 0));
    T(send_ctl(s[0], SOL_SOCKET, 99, fds, 4, 0));
    T(send_ctl(s[0], 99, SCM_RIGHTS, fds, 4, 0));
    T(receive(s[1], sizeof ctl, 0));
    T(send_ctl(s[0], SOL_SOCKET, SCM_RIGHTS, fds, 7, 0));
    T(receive(s[1], sizeof ctl, 0));
    // Broken headers.
    struct cmsghdr *h = (struct cmsghdr *)ctl;
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(4)};
    for (size_t len = 0; len < 40; len += 5) {
        memset(ctl, 0, sizeof ctl);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = len;
        printf("len %zu ", len);
        T(sendmsg(s[0], &m, MSG_DONTWAIT));
    }
    h->cmsg_len = -1;
    T(sendmsg(s[0], &m, 0));
    m.msg_controllen = 15;
    T(sendmsg(s[0], &m, 0));
    m.msg_controllen = 1 << 20;
    T(sendmsg(s[0], &m, 0));
    m.msg_controllen = 1ul << 32;
    T(sendmsg(s[0], &m, 0));
    m.msg_controllen = 100;
    m.msg_control = hole();
    T(sendmsg(s[0], &m, 0));
    // No number left for what comes.
    while (recv(s[1], b, 9, MSG_DONTWAIT) >= 0) {}
    int p[2];
    MUST(pipe(p));
    MUST(send_fds(s[0], (int[]){1, 1, 1}, 3));
    struct rlimit r = {p[1] + 3, 100};
    MUST(setrlimit(RLIMIT_NOFILE, &r));
    T(receive(s[1], sizeof ctl, 0));
}
SECTION(in_flight) {
    // A descriptor on its way keeps the file open.
    int s[2], p[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(pipe(p));
    MUST(send_fds(s[0], &p[1], 1));
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    T(read(p[0], b, 1));
    close(s[1]);
    T(read(p[0], b, 1));
    // Also through a chain of sockets in each other's queues.
    MUST(pipe(p));
    int carried = p[1];
    for (int i = 0; i < 100; i++) {
        MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
        MUST(send_fds(s[0], &carried, 1));
        close(s[0]);
        close(carried);
        carried = s[1];
    }
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    T(read(p[0], b, 1));
    close(carried);
    T(read(p[0], b, 1));
    // A circle, which only a collector finds.
    MUST(pipe(p));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(send_fds(s[0], (int[]){s[0], p[1]}, 2));
    MUST(send_fds(s[1], (int[]){s[1]}, 1));
    close(p[1]);
    close(s[0]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    T(read(p[0], b, 1));
    close(s[1]);
    for (int i = 0; i < 100 && read(p[0], b, 1) < 0; i++) {
        sleep_ms(10);
        // On Linux, too, the collector is woken when a socket is closed.
        close(socket(AF_UNIX, SOCK_STREAM, 0));
    }
    T(read(p[0], b, 1));
    // A circle with a way in stays.
    int t[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, t));
    MUST(send_fds(s[0], (int[]){s[1]}, 1));
    MUST(send_fds(t[0], (int[]){s[1], s[0]}, 2));
    close(s[0]);
    close(s[1]);
    close(socket(AF_UNIX, SOCK_STREAM, 0));
    T(receive(t[1], sizeof ctl, 0));
    T(receive(got[0], sizeof ctl, MSG_DONTWAIT));
    // A listener in the queue of a connection that it never accepts.
    struct sockaddr_un a = {AF_UNIX, "listener"};
    MUST(pipe(p));
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(l, (struct sockaddr *)&a, sizeof a));
    MUST(listen(l, 5));
    MUST(connect(c, (struct sockaddr *)&a, sizeof a));
    MUST(send_fds(c, (int[]){l, p[1]}, 2));
    close(c);
    close(p[1]);
    close(l);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 100 && read(p[0], b, 1) < 0; i++) {
        sleep_ms(10);
        close(socket(AF_UNIX, SOCK_STREAM, 0));
    }
    T(read(p[0], b, 1));
}
SECTION(too_many_in_flight) {
    int s[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    if (!fork()) {
        struct rlimit r = {30, 30};
        MUST(setrlimit(RLIMIT_NOFILE, &r));
        MUST(setuid(12345));
        int sent = 0;
        while (send_ctl(s[0], SOL_SOCKET, SCM_RIGHTS, (int[]){1, 1}, 8, MSG_DONTWAIT) == 1) sent++;
        N(sent);
        N(errno == ETOOMANYREFS);
        while (recv(s[1], b, 1, MSG_DONTWAIT) > 0) {}
        T(send_fds(s[0], (int[]){1, 1}, 2));
        _exit(0);
    }
    wait(NULL);
}
SECTION(credentials) {
    int s[2];
    for (int t = SOCK_STREAM; t <= SOCK_DGRAM; t++) {
        MUST(socketpair(AF_UNIX, t, 0, s));
        MUST(write(s[0], "before", 6));
        T(set(s[1], SO_PASSCRED, 1));
        MUST(write(s[0], "after", 5));
        if (!fork()) { MUST(setgid(5)); MUST(setuid(6)); MUST(write(s[0], "child", 5)); _exit(0); }
        wait(NULL);
        MUST(write(s[0], "mine", 4));
        for (int i = 0; i < 4; i++) receive(s[1], sizeof ctl, MSG_DONTWAIT);
        // Given ones.
        struct ucred u = {getpid(), 77, 88};
        T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u, 0));
        T(receive(s[1], sizeof ctl, 0));
        u.pid = getppid();
        T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u, 0));
        T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &u, 8, 0));
        u.pid = 999999;
        T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u, 0));
        u.pid = getpid();
        u.uid = -1;
        T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u, 0));
        if (!fork()) {
            MUST(setresuid(10, 11, 12));
            for (int uid = 9; uid <= 12; uid++) {
                struct ucred v = {getpid(), uid, 0};
                T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &v, sizeof v, 0));
            }
            struct ucred v = {getppid(), 10, 0};
            T(send_ctl(s[0], SOL_SOCKET, SCM_CREDENTIALS, &v, sizeof v, 0));
            _exit(0);
        }
        wait(NULL);
        while (recv(s[1], b, 99, MSG_DONTWAIT) > 0) {}
        MUST(write(s[0], "x", 1));
        T(receive(s[1], 20, 0));
        MUST(write(s[0], "x", 1));
        T(receive(s[1], 0, 0));
        MUST(write(s[0], "x", 1));
        T(receive(s[1], 16, 0));
        // With descriptors.
        MUST(send_fds(s[0], (int[]){1}, 1));
        T(receive(s[1], sizeof ctl, 0));
    }
    // An unnamed socket that passes credentials gets a name when it sends.
    struct sockaddr_un a = {AF_UNIX, "d"};
    int d = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    MUST(bind(d, (struct sockaddr *)&a, sizeof a));
    T(set(c, SO_PASSCRED, 1));
    T(sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    socklen_t n = sizeof a;
    T(recvfrom(d, b, 9, 0, (struct sockaddr *)&a, &n));
    N(n);
}
SECTION(message_header) {
    int s[2];
    struct sockaddr_un a;
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    struct iovec v[3] = {{"ab", 2}, {NULL, 0}, {"cd", 2}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
    T(sendmsg(s[0], &m, 0));
    m.msg_iovlen = 1025;
    T(sendmsg(s[0], &m, 0));
    T(recvmsg(s[1], &m, MSG_DONTWAIT));
    m.msg_iovlen = 0;
    T(sendmsg(s[0], &m, 0));
    m.msg_iovlen = 3;
    v[1].iov_len = -1;
    T(sendmsg(s[0], &m, 0));
    v[1].iov_len = 0;
    m.msg_name = &a;
    m.msg_namelen = -1;
    T(sendmsg(s[0], &m, 0));
    T(recvmsg(s[1], &m, MSG_DONTWAIT));
    m.msg_namelen = 0;
    T(sendmsg(s[0], &m, 0));
    m.msg_namelen = 1;
    T(sendmsg(s[0], &m, 0));
    m.msg_namelen = 1000;
    T(sendmsg(s[0], &m, 0));
    m.msg_name = hole();
    m.msg_namelen = 10;
    T(sendmsg(s[0], &m, 0));
    m.msg_name = NULL;
    m.msg_namelen = -5;
    T(sendmsg(s[0], &m, 0));
    char c[3], d[9];
    struct iovec w[2] = {{c, 1}, {d, 9}};
    struct msghdr r = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = w, .msg_iovlen = 2, .msg_flags = -1};
    T(recvmsg(s[1], &r, 0));
    N(r.msg_namelen);
    X(r.msg_flags);
    r.msg_iovlen = 1;
    r.msg_namelen = sizeof a;
    MUST(write(s[0], "long", 4));
    while (recvmsg(s[1], &r, MSG_DONTWAIT) == 0) {}
    T(recvmsg(s[1], &r, MSG_DONTWAIT) > 1);
    MUST(write(s[0], "long", 4));
    T(recvmsg(s[1], &r, MSG_TRUNC | MSG_DONTWAIT));
    X(r.msg_flags);
    T(recvmsg(s[1], &r, 0x80000000));
    T(sendmsg(s[0], &r, 0x80000000));
    T(recvmsg(99, NULL, 0x80000000));
    T(recvmsg(99, NULL, 0));
    T(recvmsg(0, NULL, 0));
    T(recvmsg(s[1], NULL, 0));
    T(sendmsg(s[0], NULL, 0));
    T(sendto(s[0], hole(), 5, 0, NULL, 0));
    MUST(write(s[0], "long", 4));
    T(recvfrom(s[1], hole(), 5, MSG_DONTWAIT, NULL, NULL));
    T(recvfrom(s[1], b, 5, MSG_DONTWAIT, NULL, NULL));
    T(sendto(99, (void *)-5, 5, 0, NULL, 0));
    T(sendto(99, b, 5, 0, NULL, 0));
    T(recvfrom(s[1], b, -1, MSG_DONTWAIT, NULL, NULL));
    MUST(write(s[0], "x", 1));
    T(recvfrom(s[1], b, 5, 0, (struct sockaddr *)&a, NULL));
    // A stream takes no address, and keeps what could not be copied.
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    T(sendto(s[0], "x", 1, 0, (struct sockaddr *)&a, 10));
    T(sendto(s[0], "x", 1, 0, (struct sockaddr *)&a, 0));
    MUST(write(s[0], "kept", 4));
    T(recvfrom(s[1], hole(), 5, MSG_DONTWAIT, NULL, NULL));
    T(recvfrom(s[1], b, 50, MSG_DONTWAIT, NULL, NULL));
    T(sendto(socket(AF_UNIX, SOCK_STREAM, 0), "x", 1, 0, (struct sockaddr *)&a, 10));
    T(send(socket(AF_UNIX, SOCK_STREAM, 0), "x", 1, 0));
    T(recv(socket(AF_UNIX, SOCK_STREAM, 0), b, 1, 0));
    T(sendto(s[0], hole(), 5, 0, NULL, 0));
}
SECTION(many) {
    int s[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
    struct iovec v[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    struct mmsghdr m[3];
    memset(m, 0, sizeof m);
    for (int i = 0; i < 3; i++) { m[i].msg_hdr.msg_iov = &v[i]; m[i].msg_hdr.msg_iovlen = 1; m[i].msg_len = 99; }
    T(sendmmsg(s[0], m, 3, 0));
    for (int i = 0; i < 3; i++) N(m[i].msg_len);
    T(sendmmsg(s[0], m, 0, 0));
    T(sendmmsg(s[0], NULL, 0, 0));
    T(sendmmsg(s[0], NULL, 1, 0));
    T(sendmmsg(99, m, 1, 0));
    T(sendmmsg(0, m, 1, 0));
    char buf[4][10];
    struct iovec w[4];
    struct mmsghdr r[4];
    memset(r, 0, sizeof r);
    for (int i = 0; i < 4; i++) { w[i] = (struct iovec){buf[i], 10}; r[i].msg_hdr.msg_iov = &w[i]; r[i].msg_hdr.msg_iovlen = 1; r[i].msg_len = 99; }
    T(recvmmsg(s[1], r, 4, MSG_DONTWAIT, NULL));
    for (int i = 0; i < 4; i++) N(r[i].msg_len);
    T(recvmmsg(s[1], r, 4, MSG_DONTWAIT, NULL));
    T(recvmmsg(s[1], r, 0, 0, NULL));
    MUST(sendmmsg(s[0], m, 2, 0));
    T(recvmmsg(s[1], r, 4, MSG_WAITFORONE, NULL));
    struct timespec t = {0, -1};
    T(recvmmsg(s[1], r, 4, 0, &t));
    T(S(recvmmsg, s[1], r, 4, 0, hole()));
    MUST(sendmmsg(s[0], m, 3, 0));
    t = (struct timespec){0, 0};
    T(recvmmsg(s[1], r, 4, 0, &t));
    t = (struct timespec){10, 0};
    T(recvmmsg(s[1], r, 2, 0, &t));
    IS(t.tv_sec == 9);
    // A bad one after a good one.
    m[1].msg_hdr.msg_iov = (void *)hole();
    T(sendmmsg(s[0], m, 3, 0));
    T(recvmmsg(s[1], r, 4, MSG_DONTWAIT, NULL));
    m[1].msg_hdr.msg_iov = &v[1];
    MUST(sendmmsg(s[0], m, 2, 0));
    r[1].msg_hdr.msg_iov = (void *)hole();
    T(recvmmsg(s[1], r, 4, MSG_DONTWAIT, NULL));
    T(recvmmsg(s[1], r, 1, MSG_DONTWAIT, NULL));
    T(recvmmsg(s[1], r, 1, MSG_DONTWAIT, NULL));
    T(recvmmsg(99, r, 1, MSG_DONTWAIT, NULL));
}

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
// Which process a pidfd is for, as its line in fdinfo says.
static const char *whose(int fd) {
    char path[64], line[200];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    FILE *f = fopen(path, "r");
    int pid = 0;
    while (f && fgets(line, sizeof line, f)) sscanf(line, "Pid: %d", &pid);
    if (f) fclose(f);
    return pid == getpid() ? "own" : pid > 0 ? "other" : "none";
}
static void show_pidfd(int fd, size_t room) {
    char data[16], c[256];
    struct msghdr m = {.msg_iov = &(struct iovec){data, sizeof data}, .msg_iovlen = 1, .msg_control = room ? c : NULL, .msg_controllen = room};
    T(recvmsg(fd, &m, MSG_DONTWAIT));
    printf("flags %x length %zu\n", m.msg_flags, m.msg_controllen);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        printf("type %d length %zu", h->cmsg_type, (size_t)h->cmsg_len);
        if (h->cmsg_type == 4) { int p = *(int *)CMSG_DATA(h); printf(" of %s\n", whose(p)); T(fcntl(p, F_GETFD)); close(p); }
        else putchar('\n');
    }
}
SECTION(pidfds) {
    int p[2], d[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, d));
    int one = 1, v = -1;
    socklen_t n = sizeof v;
    T(getsockopt(p[0], SOL_SOCKET, SO_PEERPIDFD, &v, &n) == 0); N(n); puts(whose(v)); T(fcntl(v, F_GETFD)); close(v);
    n = 2;
    T(getsockopt(p[0], SOL_SOCKET, SO_PASSPIDFD, &v, &n)); N(n);
    int un = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), in = MUST(socket(AF_INET, SOCK_STREAM, 0));
    n = sizeof v;
    T(getsockopt(un, SOL_SOCKET, SO_PEERPIDFD, &v, &n));
    T(getsockopt(in, SOL_SOCKET, SO_PEERPIDFD, &v, &n));
    T(setsockopt(in, SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one));
    T(setsockopt(p[1], SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one));
    T(setsockopt(d[1], SOL_SOCKET, SO_PASSPIDFD, &one, sizeof one));
    T(write(p[0], "abc", 3)); show_pidfd(p[1], 200);
    T(write(d[0], "abc", 3)); show_pidfd(d[1], 200);
    T(write(p[0], "abc", 3)); show_pidfd(p[1], 18);
    T(write(p[0], "abc", 3)); show_pidfd(p[1], 0);
    T(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    T(write(p[0], "abc", 3)); show_pidfd(p[1], 200);
    int pid = MUST(fork());
    if (!pid) { if (write(p[0], "child", 5) != 5) _exit(1); pause(); }
    usleep(50000);
    show_pidfd(p[1], 200);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(p[0]); close(p[1]); close(d[0]); close(d[1]); close(un); close(in);
}
