//: musl
// pty(7): opening, locking, names, packets, and what happens when one side is gone.
#include "facts.h"
#include "tty.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sysmacros.h>

SECTION(opening) {
    int m = OK(posix_openpt(O_RDWR | O_NOCTTY));
    int n = -1, lock = -1;
    T(ioctl(m, TIOCGPTN, &n));
    T(ioctl(m, TIOCGPTLCK, &lock)); N(lock);
    char name[64];
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    IS(!strcmp(name, ptsname(m)));
    T(open(name, O_RDWR | O_NOCTTY));
    T(grantpt(m));
    T(unlockpt(m));
    T(ioctl(m, TIOCGPTLCK, &lock)); N(lock);
    int s = OK(open(name, O_RDWR | O_NOCTTY));
    IS(!strcmp(ttyname(s), name));
    struct stat st, by_name;
    T(fstat(s, &st));
    T(stat(name, &by_name));
    IS(st.st_ino == by_name.st_ino && st.st_dev == by_name.st_dev);
    IS(S_ISCHR(st.st_mode));
    N(major(st.st_rdev)); IS((int)minor(st.st_rdev) == n); IS((int)st.st_ino == n + 3);
    N(st.st_uid); N(st.st_nlink); N(st.st_size);
    T(fchmod(s, 0640)); T(fstat(s, &st)); X(st.st_mode);
    T(fchown(s, 1, 2)); T(stat(name, &st)); N(st.st_uid); N(st.st_gid);
    T(fstat(m, &st)); N(major(st.st_rdev)); N(minor(st.st_rdev));
    unsigned dev = 0;
    T(ioctl(s, TIOCGDEV, &dev)); N(dev >> 8 & 0xfff);
    T(ioctl(m, TIOCGDEV, &dev)); N(dev >> 8 & 0xfff);
    T(unlink(name));
    T(close(m));
    T(stat(name, &st));
    T(open(name, O_RDWR));
    close(s);
}
SECTION(devpts) {
    struct stat st;
    T(stat("/dev/ptmx", &st)); N(major(st.st_rdev)); N(minor(st.st_rdev));
    T(stat("/dev/pts/ptmx", &st)); N(major(st.st_rdev)); N(minor(st.st_rdev));
    T(stat("/dev/pts", &st)); X(st.st_mode); N(st.st_ino);
    int m = OK(posix_openpt(O_RDWR)), n = -1;
    MUST(ioctl(m, TIOCGPTN, &n));
    char name[16];
    snprintf(name, sizeof name, "%d", n);
    int found = 0;
    DIR *d = opendir("/dev/pts");
    for (struct dirent *e; (e = readdir(d));) found += !strcmp(e->d_name, name) && e->d_type == DT_CHR;
    closedir(d);
    N(found);
    T(open("/dev/pts/99999999", O_RDWR));
    T(open("/dev/pts/00", O_RDWR));
    T(open("/dev/pts/x", O_RDWR | O_CREAT, 0600));
    T(mkdir("/dev/pts/x", 0700));
    close(m);
}
SECTION(peer) {
    int m = MUST(posix_openpt(O_RDWR | O_NOCTTY)), n = -1;
    T(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    unlockpt(m);
    MUST(ioctl(m, TIOCGPTN, &n));
    int s = OK(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    T(fcntl(s, F_GETFD));
    char name[64], link[64], self[64];
    snprintf(name, sizeof name, "/dev/pts/%d", n);
    snprintf(self, sizeof self, "/proc/self/fd/%d", s);
    ssize_t k = readlink(self, link, sizeof link);
    IS(k == (ssize_t)strlen(name) && !memcmp(link, name, k));
    T(write(s, "hi\n", 3));
    drain("master", m);
    close(s);
    close(m);
}
SECTION(slave_closes) {
    open_pair();
    X(events(master));
    MUST(write(slave, "left", 4));
    close(slave);
    X(events(master));
    char b[16];
    T(read(master, b, 16));
    T(read(master, b, 16));
    X(events(master));
    T(write(master, "typed\n", 6));
    slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
    get(100);
    fcntl(master, F_SETFL, O_NONBLOCK);
    T(read(master, b, 16));
    drain("echo", master);
    close(slave);
    T(read(master, b, 16));
    close(master);
}
SECTION(master_closes) {
    open_pair();
    char b[16];
    MUST(write(master, "line\n", 5));
    int other = dup(slave);
    close(master);
    X(events(slave));
    T(read(slave, b, 16));
    T(write(slave, "x", 1));
    struct termios t;
    T(tcgetattr(slave, &t));
    int n = 0;
    T(ioctl(slave, FIONREAD, &n));
    T(ioctl(slave, TIOCSPGRP, &n));
    T(ioctl(slave, TIOCGPGRP, &n));
    T(tcflush(slave, TCIFLUSH));
    struct stat st;
    T(fstat(slave, &st));
    X(events(other));
    close(other);
    close(slave);
}
static void *closer(void *p) { (void)p; sleep_ms(80); close(master); return NULL; }
static void *slave_closer(void *p) { (void)p; sleep_ms(80); close(slave); return NULL; }
SECTION(closed_meanwhile) {
    pthread_t t;
    char b[16];
    open_pair();
    pthread_create(&t, NULL, slave_closer, NULL);
    T(read(master, b, 16));
    pthread_join(t, NULL);
    close(master);
    open_pair();
    pthread_create(&t, NULL, slave_closer, NULL);
    struct pollfd f = {master, POLLIN, 0};
    T(poll(&f, 1, 5000));
    X(f.revents);
    pthread_join(t, NULL);
    close(master);
    open_pair();
    pthread_create(&t, NULL, closer, NULL);
    f = (struct pollfd){slave, POLLIN, 0};
    T(poll(&f, 1, 5000));
    IS(f.revents & POLLHUP);
    pthread_join(t, NULL);
    close(slave);
}
SECTION(packets) {
    open_pair();
    int on = 1;
    T(ioctl(master, TIOCPKT, &on));
    on = 9;
    T(ioctl(master, TIOCGPKT, &on)); N(on);
    MUST(write(slave, "data", 4));
    drain("data", master);
    MUST(write(slave, "data", 4));
    char b[3];
    T(read(master, b, 3)); show_bytes("three", b, 3);
    T(read(master, b, 1)); show_bytes("one", b, 1);
    drain("rest", master);
    T(tcflush(slave, TCIFLUSH));
    X(events(master));
    drain("flush", master);
    T(tcflush(slave, TCIOFLUSH));
    drain("flush", master);
    T(tcflow(slave, TCOOFF));
    drain("stop", master);
    T(tcflow(slave, TCOON));
    drain("start", master);
    TYPE("\023");
    TYPE("\021");
    TYPE("ab\n");
    TYPE("x\003");
    get(100);
    change(0, IXON, 0, 0, 0, 0);
    drain("no stop", master);
    change(IXON, 0, 0, 0, 0, 0);
    drain("do stop", master);
    set_char(VSTOP, 'x');
    drain("other stop", master);
    change(0, 0, 0, 0, EXTPROC, 0);
    drain("extproc", master);
    on = 0;
    T(ioctl(master, TIOCPKT, &on));
    MUST(write(slave, "data", 4));
    drain("data", master);
    T(tcflush(slave, TCIFLUSH));
    drain("flush", master);
    close_pair();
}
SECTION(nonblocking) {
    static char x[1 << 16];
    char b[4];
    open_pair();
    fcntl(master, F_SETFL, O_NONBLOCK);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    T(read(master, b, 4));
    T(read(slave, b, 4));
    raw();
    long n = 0, r;
    while ((r = write(slave, x, sizeof x)) > 0) n += r;
    T(write(slave, x, 1));
    IS(n > 4096);
    // Whether there is room now is the host's own business: a worker of its moves what was written.
    long got = 0;
    while ((r = read(master, x, sizeof x)) > 0) { got += r; sleep_ms(5); }
    IS(got == n);
    X(events(slave));
    n = 0;
    while ((r = write(master, x, sizeof x)) > 0) { n += r; sleep_ms(5); }
    IS(n > 4096);
    X(events(master));
    got = 0;
    while ((r = read(slave, x, sizeof x)) > 0) { got += r; sleep_ms(5); }
    IS(got == n);
    close_pair();
}
static void *pump(void *p) {
    (void)p;
    static char b[777];
    long n = 0, r;
    while (n < 300000 && (r = read(master, b, sizeof b)) > 0) n += r;
    return (void *)n;
}
SECTION(much) {
    static char x[300000];
    pthread_t t;
    open_pair();
    raw();
    memset(x, 'y', sizeof x);
    pthread_create(&t, NULL, pump, NULL);
    T(write(slave, x, sizeof x));
    void *n;
    pthread_join(t, &n);
    N((long)n);
    close_pair();
}
SECTION(epoll) {
    open_pair();
    int e = MUST(epoll_create1(0));
    struct epoll_event ev = {EPOLLIN | EPOLLET, {.fd = master}}, got[4];
    T(epoll_ctl(e, EPOLL_CTL_ADD, master, &ev));
    ev.data.fd = slave;
    T(epoll_ctl(e, EPOLL_CTL_ADD, slave, &ev));
    T(epoll_wait(e, got, 4, 0));
    MUST(write(slave, "a", 1));
    sleep_ms(20);
    T(epoll_wait(e, got, 4, 1000)); IS(got[0].data.fd == master);
    T(epoll_wait(e, got, 4, 0));
    drain("out", master);
    MUST(write(master, "b\n", 2));
    sleep_ms(20);
    T(epoll_wait(e, got, 4, 1000));
    close(e);
    close_pair();
}
SECTION(two_pairs) {
    open_pair();
    int m = master, s = slave;
    open_pair();
    IS(strcmp(ptsname(m), ptsname(master)));
    MUST(write(m, "one\n", 4));
    MUST(write(master, "two\n", 4));
    get(100);
    int keep = slave;
    slave = s;
    get(100);
    slave = keep;
    close(m); close(s);
    close_pair();
}
