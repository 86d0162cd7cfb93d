//: files musl
// fcntl(2), dup(2), ioctl(2), flock(2).
#include "facts.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

SECTION(dup_family) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR | O_CLOEXEC);
    T(dup(fd));
    T(dup(-1));
    T(dup(999));
    T(dup2(fd, 20));
    T(fcntl(20, F_GETFD));
    T(lseek(20, 3, SEEK_SET));
    T(lseek(fd, 0, SEEK_CUR));
    T(dup2(fd, fd));
    T(dup2(-1, 5));
    T(dup2(999, 999));
    T(dup2(fd, -1));
    T(dup2(fd, 1 << 30));
    T(dup3(fd, 21, O_CLOEXEC));
    T(fcntl(21, F_GETFD));
    T(dup3(fd, fd, 0));
    T(dup3(fd, 22, O_NONBLOCK));
    T(dup3(fd, 22, 0));
    T(dup3(-1, 22, 0));
    T(dup3(-1, -1, 0));
    T(fcntl(fd, F_DUPFD, 30));
    T(fcntl(fd, F_DUPFD, 30));
    T(fcntl(fd, F_DUPFD_CLOEXEC, 30));
    T(fcntl(32, F_GETFD));
    T(fcntl(fd, F_DUPFD, -1));
    T(fcntl(fd, F_DUPFD, 1 << 30));
    T(close(20));
    T(dup(fd));
    int p[2];
    MUST(pipe(p));
    T(dup2(p[1], 40));
    T(close(p[1]));
    T(write(40, "x", 1));
    T(dup2(fd, 40));
    char c;
    T(read(p[0], &c, 1));
    T(read(p[0], &c, 1));
}
SECTION(descriptor_flags) {
    put("f", "");
    int fd = open("f", O_RDWR);
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, FD_CLOEXEC));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, -1));
    T(fcntl(fd, F_GETFD));
    T(fcntl(fd, F_SETFD, 2));
    T(fcntl(fd, F_GETFD));
    X(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, O_NONBLOCK));
    X(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, O_APPEND | O_WRONLY | O_TRUNC | O_CREAT | O_EXCL | O_SYNC | O_DIRECTORY));
    X(fcntl(fd, F_GETFL));
    int d = dup(fd);
    T(fcntl(d, F_SETFL, 0));
    X(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, -1));
    T(fcntl(fd, F_SETFL, O_NOATIME));
    X(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, O_DIRECT) == 0 || errno == EINVAL);
    T(fcntl(-1, F_GETFL));
    T(fcntl(fd, 9999, 0));
    T(fcntl(fd, -1, 0));
    X(fcntl(open("/dev/null", O_WRONLY), F_GETFL));
    int p[2];
    MUST(pipe2(p, O_NONBLOCK | O_CLOEXEC));
    X(fcntl(p[0], F_GETFL));
    X(fcntl(p[1], F_GETFL));
    T(fcntl(p[0], F_GETFD));
}
SECTION(pipe_size) {
    int p[2], fd = open("/dev/null", O_RDWR);
    MUST(pipe(p));
    T(fcntl(p[0], F_GETPIPE_SZ));
    T(fcntl(p[0], F_SETPIPE_SZ, 4096));
    T(fcntl(p[1], F_SETPIPE_SZ, 5000));
    T(fcntl(p[1], F_GETPIPE_SZ));
    T(fcntl(p[1], F_SETPIPE_SZ, 0));
    T(fcntl(p[1], F_SETPIPE_SZ, 1 << 20));
    T(fcntl(p[1], F_SETPIPE_SZ, -1));
    MUST(fcntl(p[1], F_SETPIPE_SZ, 65536));
    static char b[65536];
    T(write(p[1], b, 20000));
    T(fcntl(p[1], F_SETPIPE_SZ, 4096));
    T(fcntl(fd, F_GETPIPE_SZ));
    T(fcntl(fd, F_SETPIPE_SZ, 4096));
}
static void lk(const char *what, int fd, int cmd, short type, short whence, off_t start, off_t len) {
    struct flock l = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = len};
    errno = 0;
    int r = fcntl(fd, cmd, &l);
    printf("%s = %s", what, r ? ename(errno) : "0");
    if (!r && (cmd == F_GETLK || cmd == F_OFD_GETLK)) {
        printf(" type %d", l.l_type);
        if (l.l_type != F_UNLCK) printf(" whence %d start %ld len %ld pid %s", l.l_whence, (long)l.l_start, (long)l.l_len, l.l_pid == -1 ? "-1" : l.l_pid == getpid() ? "self" : "other");
    }
    puts("");
}
SECTION(posix_locks) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR), fd2 = open("f", O_RDWR), r = open("f", O_RDONLY), w = open("f", O_WRONLY);
    lk("set w", fd, F_SETLK, F_WRLCK, SEEK_SET, 0, 5);
    lk("same process sees none", fd2, F_GETLK, F_WRLCK, SEEK_SET, 0, 5);
    lk("own again", fd2, F_SETLK, F_WRLCK, SEEK_SET, 2, 5);
    lk("to read", fd, F_SETLK, F_RDLCK, SEEK_SET, 0, 100);
    lk("wait", fd, F_SETLKW, F_WRLCK, SEEK_SET, 0, 0);
    lk("unlock", fd, F_SETLK, F_UNLCK, SEEK_SET, 0, 0);
    lk("w on read-only", r, F_SETLK, F_WRLCK, SEEK_SET, 0, 0);
    lk("r on write-only", w, F_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    lk("r on read-only", r, F_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    lk("bad type", fd, F_SETLK, 77, SEEK_SET, 0, 0);
    lk("bad type get", fd, F_GETLK, F_UNLCK, SEEK_SET, 0, 0);
    lk("bad whence", fd, F_SETLK, F_WRLCK, 77, 0, 0);
    lk("negative start", fd, F_SETLK, F_WRLCK, SEEK_SET, -1, 0);
    lk("negative length", fd, F_SETLK, F_WRLCK, SEEK_SET, 5, -5);
    lk("negative length too far", fd, F_SETLK, F_WRLCK, SEEK_SET, 5, -6);
    lk("from end", fd, F_SETLK, F_WRLCK, SEEK_END, -5, 5);
    lk("overflow", fd, F_SETLK, F_WRLCK, SEEK_SET, LONG_MAX, 5);
    lk("bad fd", -1, F_SETLK, F_WRLCK, SEEK_SET, 0, 0);
    int p[2];
    MUST(pipe(p));
    lk("pipe", p[1], F_SETLK, F_WRLCK, SEEK_SET, 0, 0);
    T(S(fcntl, fd, F_SETLK, NULL));
    T(S(fcntl, fd, F_GETLK, hole()));
}
SECTION(ofd_locks) {
    put("f", "0123456789");
    int a = open("f", O_RDWR), b = open("f", O_RDWR), c = open("f", O_RDONLY), a2 = dup(a);
    lk("a w 0..5", a, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 5);
    lk("b get", b, F_OFD_GETLK, F_RDLCK, SEEK_SET, 0, 0);
    lk("b get beyond", b, F_OFD_GETLK, F_RDLCK, SEEK_SET, 5, 0);
    lk("b r", b, F_OFD_SETLK, F_RDLCK, SEEK_SET, 4, 1);
    lk("b r beyond", b, F_OFD_SETLK, F_RDLCK, SEEK_SET, 5, 1);
    lk("a over b", a, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 0);
    lk("a r over b", a, F_OFD_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    lk("dup is the same owner", a2, F_OFD_SETLK, F_RDLCK, SEEK_SET, 0, 0);
    lk("c get w", c, F_OFD_GETLK, F_WRLCK, SEEK_SET, 2, 1);
    lk("a splits", a, F_OFD_SETLK, F_UNLCK, SEEK_SET, 2, 2);
    lk("c in the gap", c, F_OFD_GETLK, F_WRLCK, SEEK_SET, 2, 1);
    lk("c in the gap 2", c, F_OFD_GETLK, F_WRLCK, SEEK_SET, 3, 1);
    lk("c after the gap", c, F_OFD_GETLK, F_WRLCK, SEEK_SET, 4, 1);
    lk("posix against ofd", c, F_GETLK, F_WRLCK, SEEK_SET, 0, 0);
    lk("posix set", c, F_SETLK, F_RDLCK, SEEK_SET, 0, 1);
    lk("b against posix", b, F_OFD_SETLK, F_WRLCK, SEEK_SET, 0, 1);
    close(a);
    lk("closing one of two keeps", b, F_OFD_GETLK, F_WRLCK, SEEK_SET, 7, 1);
    close(a2);
    lk("closing the last releases", b, F_OFD_GETLK, F_WRLCK, SEEK_SET, 7, 1);
    close(open("f", O_RDONLY));
    lk("any close drops posix locks", b, F_OFD_GETLK, F_WRLCK, SEEK_SET, 0, 1);
    struct flock l = {.l_type = F_WRLCK, .l_pid = 5};
    T(fcntl(b, F_OFD_SETLK, &l));
    T(fcntl(b, F_OFD_GETLK, &l));
}
SECTION(flock_call) {
    put("f", "");
    int a = open("f", O_RDONLY), b = open("f", O_RDWR), a2 = dup(a), p[2];
    T(flock(a, LOCK_EX));
    T(flock(b, LOCK_SH | LOCK_NB));
    T(flock(a2, LOCK_SH | LOCK_NB));
    T(flock(b, LOCK_SH | LOCK_NB));
    T(flock(b, LOCK_EX | LOCK_NB));
    T(flock(a2, LOCK_UN));
    T(flock(b, LOCK_EX | LOCK_NB));
    T(flock(a, LOCK_EX | LOCK_NB));
    close(b);
    T(flock(a, LOCK_EX | LOCK_NB));
    T(flock(a, 0));
    T(flock(a, 99));
    T(flock(-1, LOCK_EX));
    MUST(pipe(p));
    T(flock(p[0], LOCK_EX | LOCK_NB));
    T(flock(open("f", O_PATH), LOCK_EX | LOCK_NB));
}
SECTION(ownership) {
    int p[2];
    MUST(pipe(p));
    T(fcntl(p[0], F_GETOWN));
    T(fcntl(p[0], F_GETSIG));
    T(fcntl(p[0], F_SETSIG, SIGUSR1));
    T(fcntl(p[0], F_GETSIG));
    T(fcntl(p[0], F_SETSIG, 65));
    T(fcntl(p[0], F_SETSIG, -1));
    T(fcntl(p[0], F_SETOWN, getpid()));
    IS(fcntl(p[0], F_GETOWN) == getpid());
    put("f", "");
    int fd = open("f", O_RDWR);
    T(fcntl(fd, F_GETLEASE));
    unsigned long hint = 0;
    T(fcntl(fd, 1035 /* F_GET_RW_HINT */, &hint));
}
SECTION(ioctls) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR), p[2], n = -1, on = 1;
    char buf[256];
    MUST(pipe(p));
    T(ioctl(fd, FIONREAD, &n));
    N(n);
    T(lseek(fd, 4, SEEK_SET));
    T(ioctl(fd, FIONREAD, &n));
    N(n);
    MUST(write(p[1], "abc", 3));
    T(ioctl(p[0], FIONREAD, &n));
    N(n);
    T(ioctl(p[1], FIONREAD, &n));
    T(ioctl(p[0], FIONREAD, NULL));
    T(ioctl(p[0], FIONBIO, &on));
    X(fcntl(p[0], F_GETFL));
    on = 0;
    T(ioctl(p[0], FIONBIO, &on));
    X(fcntl(p[0], F_GETFL));
    T(ioctl(p[0], FIONBIO, NULL));
    T(ioctl(p[0], FIOCLEX));
    T(fcntl(p[0], F_GETFD));
    T(ioctl(p[0], FIONCLEX));
    T(fcntl(p[0], F_GETFD));
    T(ioctl(fd, TCGETS, buf));
    T(ioctl(p[0], TCGETS, buf));
    T(ioctl(fd, TIOCGWINSZ, buf));
    T(ioctl(open("/dev/null", O_RDWR), TCGETS, buf));
    T(ioctl(open("/dev/zero", O_RDWR), TIOCGWINSZ, buf));
    T(ioctl(open(".", O_RDONLY), TCGETS, buf));
    T(ioctl(-1, TCGETS, buf));
    T(ioctl(fd, 0xdeadbeef, buf));
    T(ioctl(p[0], 0xdeadbeef, buf));
    T(ioctl(open("f", O_PATH), FIONREAD, &n));
    T(ioctl(fd, FIOQSIZE, buf));
    T(isatty(fd));
    T(isatty(p[0]));
}
