//: musl
// eventfd(2), timerfd_create(2), signalfd(2), memfd_create(2), inotify(7).
#include "facts.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

SECTION(eventfd_counter) {
    uint64_t v;
    int e = T(eventfd(3, EFD_NONBLOCK));
    T(read(e, &v, 8));
    N(v);
    T(read(e, &v, 8));
    v = 5;
    T(write(e, &v, 8));
    v = 7;
    T(write(e, &v, 8));
    T(read(e, &v, 4));
    T(read(e, &v, 8));
    N(v);
    v = UINT64_MAX;
    T(write(e, &v, 8));
    v = UINT64_MAX - 1;
    T(write(e, &v, 8));
    v = 1;
    T(write(e, &v, 8));
    v = 0;
    T(write(e, &v, 8));
    T(write(e, &v, 4));
    char b[32] = "";
    T(write(e, b, 16));
    T(read(e, b, 32));
    T(lseek(e, 0, SEEK_SET));
    T(pread(e, b, 8, 0));
    T(eventfd(0, 4));
    T(eventfd(0, EFD_CLOEXEC));
    T(fcntl(4, F_GETFD));
    T(S(eventfd, 9));
    T(read(e, hole(), 8));
    T(write(e, hole(), 8));
    T(ftruncate(e, 0));
}
SECTION(eventfd_semaphore) {
    uint64_t v;
    int e = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
    for (int i = 0; i < 4; i++) { T(read(e, &v, 8)); N(v); }
    v = 2;
    T(write(e, &v, 8));
    T(read(e, &v, 8));
    N(v);
}
SECTION(timerfd_call) {
    uint64_t v;
    struct itimerspec it = {{0, 0}, {0, 20000000}}, old;
    int t = T(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    T(read(t, &v, 8));
    T(timerfd_gettime(t, &old));
    printf("%ld %ld %ld %ld\n", old.it_interval.tv_sec, old.it_interval.tv_nsec, old.it_value.tv_sec, old.it_value.tv_nsec);
    it.it_value.tv_sec = 100;
    T(timerfd_settime(t, 0, &it, &old));
    T(timerfd_gettime(t, &old));
    IS(old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
    T(read(t, &v, 8));
    it.it_value.tv_sec = 0;
    T(timerfd_settime(t, 0, &it, NULL));
    sleep_ms(25);
    T(read(t, &v, 8));
    N(v);
    T(read(t, &v, 8));
    it = (struct itimerspec){{0, 10000000}, {0, 10000000}};
    T(timerfd_settime(t, 0, &it, NULL));
    sleep_ms(35);
    T(read(t, &v, 8));
    IS(v >= 3);
    T(timerfd_gettime(t, &old));
    N(old.it_interval.tv_nsec);
    it = (struct itimerspec){{0, 0}, {0, 0}};
    T(timerfd_settime(t, 0, &it, &old));
    N(old.it_interval.tv_nsec);
    IS(old.it_value.tv_nsec > 0);
    T(read(t, &v, 8));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int r = T(timerfd_create(CLOCK_REALTIME, 0));
    it.it_value = (struct timespec){now.tv_sec - 10, 0};
    T(timerfd_settime(r, TFD_TIMER_ABSTIME, &it, NULL));
    T(read(r, &v, 8));
    N(v);
    it.it_value = (struct timespec){0, 1000000000};
    T(timerfd_settime(r, 0, &it, NULL));
    it.it_value = (struct timespec){-1, 0};
    T(timerfd_settime(r, 0, &it, NULL));
    it.it_value = (struct timespec){1, 0};
    T(timerfd_settime(r, 8, &it, NULL));
    T(timerfd_settime(0, 0, &it, NULL));
    T(timerfd_settime(-1, 0, &it, NULL));
    T(S(timerfd_settime, r, 0, NULL, NULL));
    T(S(timerfd_gettime, r, NULL));
    T(timerfd_create(99, 0));
    T(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    T(timerfd_create(CLOCK_MONOTONIC, 1));
    T(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
    T(read(r, &v, 4));
    T(write(r, &v, 8));
}
SECTION(timerfd_blocks) {
    uint64_t v;
    struct itimerspec it = {{0, 0}, {0, 20000000}};
    int t = timerfd_create(CLOCK_MONOTONIC, 0);
    timerfd_settime(t, 0, &it, NULL);
    long long a = now_ns();
    T(read(t, &v, 8));
    IS(now_ns() - a >= 19000000);
    N(v);
}
SECTION(signalfd_call) {
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    int f = T(signalfd(-1, &s, SFD_NONBLOCK));
    struct signalfd_siginfo i[4];
    T(read(f, i, sizeof i));
    raise(SIGUSR1);
    raise(SIGUSR1);
    union sigval v = {.sival_int = 42};
    sigqueue(getpid(), SIGRTMIN + 1, v);
    v.sival_int = 43;
    sigqueue(getpid(), SIGRTMIN + 1, v);
    T(read(f, i, sizeof i[0] - 1));
    ssize_t n = T(read(f, i, sizeof i));
    for (ssize_t k = 0; k < n / 128; k++) printf("%u code %d pid %d int %d\n", i[k].ssi_signo, i[k].ssi_code, i[k].ssi_pid == (uint32_t)getpid(), i[k].ssi_int);
    T(read(f, i, sizeof i));
    sigset_t t;
    sigemptyset(&t);
    sigaddset(&t, SIGUSR2);
    sigprocmask(SIG_BLOCK, &t, NULL);
    T(signalfd(f, &t, 0) == f);
    raise(SIGUSR1);
    T(read(f, i, sizeof i));
    raise(SIGUSR2);
    T(read(f, i, sizeof i));
    N(i[0].ssi_signo);
    T(S(signalfd4, -1, &s, 4, 0));
    T(S(signalfd4, -1, &s, 8, 1));
    T(S(signalfd4, 0, &s, 8, 0));
    T(S(signalfd4, 999, &s, 8, 0));
    T(S(signalfd4, -1, NULL, 8, 0));
    T(write(f, i, 1));
    T(signalfd(-1, &s, SFD_CLOEXEC) >= 0);
}
SECTION(memfd) {
    char b[16] = "";
    int m = T(memfd_create("name", MFD_ALLOW_SEALING));
    T(write(m, "hello", 5));
    T(fcntl(m, F_GET_SEALS));
    T(ftruncate(m, 10));
    T(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
    T(ftruncate(m, 5));
    T(ftruncate(m, 20));
    T(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
    T(ftruncate(m, 30));
    T(pwrite(m, "x", 1, 25));
    T(pwrite(m, "x", 1, 15));
    char *map = mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
    IS(map != MAP_FAILED);
    map[0] = 'J';
    T(pread(m, b, 5, 0));
    show_bytes("b", b, 5);
    T(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    T(munmap(map, 20));
    T(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
    T(pwrite(m, "x", 1, 0));
    T(fallocate(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5));
    T(mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED ? -1 : 0);
    T(mmap(NULL, 20, PROT_READ, MAP_SHARED, m, 0) == MAP_FAILED ? -1 : 0);
    T(mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, m, 0) == MAP_FAILED ? -1 : 0);
    T(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
    T(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
    T(fcntl(m, F_GET_SEALS));
    T(fcntl(m, F_ADD_SEALS, 0x1000));
    int n = T(memfd_create("", MFD_CLOEXEC));
    T(fcntl(n, F_GET_SEALS));
    T(fcntl(n, F_ADD_SEALS, F_SEAL_GROW));
    T(fcntl(n, F_GETFD));
    T(memfd_create("x", 0x1000));
    T(S(memfd_create, NULL, 0));
    static char name[300];
    memset(name, 'n', 299);
    T(memfd_create(name, 0));
    name[249] = 0;
    T(memfd_create(name, 0));
    char p[64], l[300];
    snprintf(p, sizeof p, "/proc/self/fd/%d", m);
    ssize_t k = readlink(p, l, sizeof l);
    show_bytes("link", l, k < 0 ? 0 : k);
    T(open(p, O_RDWR) >= 0);
    T(fchmod(m, 0600));
    struct stat s;
    T(fstat(m, &s));
    printf("%o nlink %d size %d\n", s.st_mode, (int)s.st_nlink, (int)s.st_size);
    T(lseek(m, 0, SEEK_CUR));
    X(fcntl(m, F_GETFL));
}
static void drain(int f) {
    char b[4096] __attribute__((aligned(8)));
    ssize_t n = read(f, b, sizeof b);
    if (n < 0) { printf("  none: %s\n", ename(errno)); return; }
    for (char *p = b; p < b + n;) {
        struct inotify_event *e = (void *)p;
        printf("  wd %d mask %x cookie %s name %s len %u\n", e->wd, e->mask, e->cookie ? "yes" : "no", e->len ? e->name : "-", e->len);
        p += sizeof *e + e->len;
    }
}
SECTION(inotify_basic) {
    MUST(mkdir("d", 0755));
    put("d/old", "x");
    int f = T(inotify_init1(IN_NONBLOCK));
    T(inotify_add_watch(f, "d", IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE));
    drain(f);
    put("d/new", "text");
    drain(f);
    MUST(chmod("d/new", 0600));
    drain(f);
    MUST(rename("d/new", "d/other"));
    drain(f);
    MUST(mkdir("d/sub", 0700));
    MUST(rmdir("d/sub"));
    drain(f);
    MUST(unlink("d/other"));
    drain(f);
    MUST(rename("d/old", "out"));
    drain(f);
    T(inotify_add_watch(f, "out", IN_ALL_EVENTS));
    int fd = open("out", O_RDWR);
    MUST(write(fd, "y", 1));
    close(fd);
    drain(f);
    MUST(unlink("out"));
    drain(f);
    T(inotify_rm_watch(f, 1));
    drain(f);
    T(inotify_rm_watch(f, 1));
    T(inotify_add_watch(f, "missing", IN_CREATE));
    T(inotify_add_watch(f, "d", 0));
    T(inotify_add_watch(-1, "d", IN_CREATE));
    T(inotify_add_watch(0, "d", IN_CREATE));
    T(inotify_init1(1));
    T(inotify_add_watch(f, "d", IN_CREATE | IN_ONLYDIR));
    put("file", "");
    T(inotify_add_watch(f, "file", IN_CREATE | IN_ONLYDIR));
    T(inotify_add_watch(f, "d", IN_DELETE | IN_MASK_ADD));
    T(inotify_add_watch(f, "d", IN_DELETE | IN_MASK_CREATE));
    int n;
    T(ioctl(f, FIONREAD, &n));
    N(n);
    put("d/z", "");
    T(ioctl(f, FIONREAD, &n));
    N(n);
    char small[8];
    T(read(f, small, 8));
    struct pollfd pf = {f, POLLIN, 0};
    T(poll(&pf, 1, 0));
    T(rmdir("d"));
    MUST(unlink("d/z"));
    MUST(rmdir("d"));
    drain(f);
}
