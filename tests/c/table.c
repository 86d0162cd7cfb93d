//: musl
// The descriptor table and the limits on it; devices.
#include "facts.h"
#include <sys/resource.h>
#include <sys/epoll.h>

SECTION(exhaustion) {
    struct rlimit l = {20, 20};
    MUST(setrlimit(RLIMIT_NOFILE, &l));
    int n = 0, fd, last = -1;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) { n++; last = fd; }
    printf("%d more, last %d, then %s\n", n, last, ename(errno));
    int p[2] = {-1, -1};
    T(pipe(p));
    printf("%d %d\n", p[0], p[1]);
    T(dup(1));
    T(dup2(1, 25));
    T(dup2(1, 10));
    T(fcntl(1, F_DUPFD, 3));
    T(fcntl(1, F_DUPFD, 20));
    T(fcntl(1, F_DUPFD, 21));
    T(S(epoll_create1, 0));
    T(S(eventfd2, 0, 0));
    T(S(memfd_create, "x", 0));
    T(S(timerfd_create, 1, 0));
    T(S(inotify_init1, 0));
    uint64_t set = 0;
    T(S(signalfd4, -1, &set, 8, 0));
    T(open("missing", O_RDONLY));
    T(open("made", O_CREAT | O_RDWR, 0600));
    T(path_exists("made"));
    close(5);
    T(pipe(p));
    T(open("/dev/null", O_RDONLY));
    close(7);
    close(6);
    T(pipe(p));
    printf("%d %d\n", p[0], p[1]);
}
SECTION(lowest_number) {
    for (int i = 3; i < 70; i++) MUST(dup(0));
    close(40);
    close(5);
    close(66);
    T(dup(0));
    T(dup(0));
    T(fcntl(0, F_DUPFD, 50));
    T(fcntl(0, F_DUPFD, 64));
    T(dup2(0, 1000));
    T(dup(0));
    T(dup2(0, 5000));
    T(close(5000));
    T(fcntl(0, F_DUPFD, 1000));
}
SECTION(many) {
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    int want = l.rlim_cur > 5000 ? 5000 : (int)l.rlim_cur, n = 3, fd = 0;
    while (n < want && (fd = open("/dev/null", O_RDONLY)) >= 0) n++;
    IS(n == want);
    for (int i = 3; i < n; i++) MUST(close(i));
    T(dup(0));
}
SECTION(null_and_friends) {
    char b[16] = "xxxxxxxxxxxxxxx";
    int n = open("/dev/null", O_RDWR), z = open("/dev/zero", O_RDWR), f = open("/dev/full", O_RDWR);
    T(read(n, b, 16));
    T(write(n, b, 16));
    T(lseek(n, 100, SEEK_SET));
    T(pread(n, b, 1, 5));
    T(pwrite(n, b, 1, 5));
    T(read(z, b, 8));
    show_bytes("b", b, 16);
    T(write(z, b, 16));
    T(lseek(z, 7, SEEK_END));
    T(write(f, b, 1));
    T(read(f, b, 16));
    show_bytes("b", b, 16);
    T(ftruncate(n, 5));
    T(fsync(n));
    T(fallocate(n, 0, 0, 10));
    T(open("/dev/null", O_RDONLY | O_DIRECTORY));
    T(open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0600));
    T(open("/dev/null", O_RDWR | O_EXCL | O_CREAT, 0600));
    T(open("/dev/missing", O_RDONLY));
    char *big = malloc(1 << 20);
    memset(big, 1, 1 << 20);
    T(read(z, big, 1 << 20));
    int ok = 1;
    for (int i = 0; i < 1 << 20; i++) ok &= big[i] == 0;
    IS(ok);
    struct stat s;
    T(fstat(n, &s));
    T(S_ISCHR(s.st_mode));
}
SECTION(shm_directory) {
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/fncall-test-%d", getpid());
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    IS(fd >= 0);
    T(ftruncate(fd, 2 * PAGE));
    char *a = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *b = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    a[5000] = 'x';
    printf("%c\n", b[5000]);
    T(unlink(name));
    T(path_exists(name));
}
SECTION(terminal) {
    // No controlling terminal here.
    T(open("/dev/tty", O_RDWR));
    T(isatty(0));
    T(isatty(1));
}
