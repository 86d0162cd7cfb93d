// What /proc/PID tells of memory beside its text: PROCMAP_QUERY, pagemap, clear_refs; timerslack_ns; random's ioctls.
#include "facts.h"
#include <linux/random.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

struct query { uint64_t size, flags, addr, start, end, vma_flags, page_size, offset, inode; uint32_t major, minor, name_size, id_size; uint64_t name, id; };
#define QUERY _IOWR('f', 17, struct query)
#define BASE ((char *)0x240000000000)
static int fd;
static char name[4096];
static void query(const char *what, void *addr, uint64_t flags) {
    struct query q = {.size = sizeof q, .flags = flags, .addr = (uintptr_t)addr, .name_size = sizeof name, .name = (uintptr_t)name};
    memset(name, 'x', 8);
    if (ioctl(fd, QUERY, &q) < 0) { printf("%s: %s\n", what, ename(errno)); return; }
    char *slash = q.name_size ? strrchr(name, '/') : NULL;
    printf("%s: page %ld to %ld, flags %llx, size %llu, offset %llx, inode %s, name %s (%s)\n", what, (long)(q.start - (uintptr_t)BASE) / 4096,
           (long)(q.end - (uintptr_t)BASE) / 4096, (long long)q.vma_flags, (long long)q.page_size, (long long)q.offset, q.inode ? "set" : "0",
           !q.name_size ? "none" : slash ? slash : name, q.name_size == (q.name_size ? strlen(name) + 1 : 0) ? "right length" : "wrong length");
}
SECTION(procmap_query) {
    fd = open("/proc/self/maps", O_RDONLY);
    put("f", "x");
    int f = open("f", O_RDWR);
    ftruncate(f, 8 * PAGE);
    struct stat s;
    fstat(f, &s);
    int fixed = MAP_FIXED_NOREPLACE;
    mmap(BASE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
    mmap(BASE + 4 * PAGE, PAGE, PROT_READ, MAP_SHARED | fixed, f, 3 * PAGE);
    mmap(BASE + 8 * PAGE, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | fixed, f, 0);
    mmap(BASE + 9 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
    mmap(BASE + 12 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | fixed, -1, 0);
    query("first", BASE, 0);
    query("within", BASE + PAGE + 5, 0);
    query("gap", BASE + 2 * PAGE, 0);
    query("gap, or next", BASE + 2 * PAGE, 0x10);
    query("file", BASE + 4 * PAGE, 0);
    query("next of a file", BASE, 0x30);
    query("not of a file", BASE, 0x20);
    query("next writable", BASE + 3 * PAGE, 0x12);
    query("next executable", BASE + 3 * PAGE, 0x14);
    query("next shared", BASE + 5 * PAGE, 0x18);
    query("none", BASE + 9 * PAGE, 0);
    query("not readable", BASE + 9 * PAGE, 1);
    query("unknown flag", BASE, 0x40);
    query("kernel", (void *)-4096l, 0x10);
    struct query q = {.size = sizeof q, .addr = (uintptr_t)BASE + 4 * PAGE};
    T(ioctl(fd, QUERY, &q));
    IS(q.inode == s.st_ino && q.major == major(s.st_dev) && q.minor == minor(s.st_dev));
    N(q.name_size);
    q.size = 23;
    T(ioctl(fd, QUERY, &q));
    q.size = 5000;
    T(ioctl(fd, QUERY, &q));
    q.size = 24, q.start = 99;
    T(ioctl(fd, QUERY, &q));
    N(q.start);
    q.size = 32;
    T(ioctl(fd, QUERY, &q));
    IS(q.start == (uintptr_t)BASE + 4 * PAGE);
    q.size = sizeof q, q.name_size = 4;
    T(ioctl(fd, QUERY, &q));
    q.name = (uintptr_t)name;
    T(ioctl(fd, QUERY, &q));
    q.name_size = 0;
    T(ioctl(fd, QUERY, &q));
    q.name = (uintptr_t)hole(), q.name_size = 4096;
    T(ioctl(fd, QUERY, &q));
    T(ioctl(fd, QUERY, hole()));
    T(ioctl(fd, FIONREAD, &q));
    int c = open("/proc/self/cmdline", O_RDONLY);
    T(ioctl(c, QUERY, &q));
}
SECTION(pagemap) {
    int p = open("/proc/self/pagemap", O_RDONLY);
    char *m = mmap(BASE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    m[PAGE] = 1;
    uint64_t e[6] = {0};
    T(pread(p, e, sizeof e, (uintptr_t)BASE / PAGE * 8));
    for (int i = 0; i < 4; i++) printf("page %d: %s\n", i, e[i] >> 63 ? "present" : "not there");
    T(pread(p, e, 7, 0));
    T(pread(p, e, 8, 4));
    T(pread(p, e, 8, (uintptr_t)hole() / PAGE * 8));
    N(e[0] >> 63);
    T(open("/proc/self/pagemap", O_WRONLY) >= 0);
}
static void write_to(const char *path, const char *text) {
    int f = open(path, O_WRONLY);
    errno = 0;
    long n = write(f, text, strlen(text));
    printf("%s: %s: %s\n", path, text, n < 0 ? ename(errno) : "taken");
    close(f);
}
SECTION(written) {
    write_to("/proc/self/clear_refs", "1");
    write_to("/proc/self/clear_refs", "4\n");
    write_to("/proc/self/clear_refs", "0");
    write_to("/proc/self/clear_refs", "6");
    write_to("/proc/self/clear_refs", "x");
    show("/proc/self/timerslack_ns");
    write_to("/proc/self/timerslack_ns", "12345\n");
    show("/proc/self/timerslack_ns");
    N(prctl(PR_GET_TIMERSLACK));
    write_to("/proc/self/timerslack_ns", "0");
    show("/proc/self/timerslack_ns");
    write_to("/proc/self/timerslack_ns", "x");
}
SECTION(random_device) {
    int r = open("/dev/urandom", O_RDONLY), bits = 0;
    T(ioctl(r, RNDGETENTCNT, &bits));
    N(bits);
    T(ioctl(r, RNDGETENTCNT, hole()));
    T(ioctl(r, 0x12345, &bits));
    show("/proc/sys/kernel/random/entropy_avail");
}
SECTION(watched_mounts) {
    static const char *const names[] = {"/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/stat", "/proc/self/maps"};
    for (int i = 0; i < 4; i++) {
        int f = open(names[i], O_RDONLY), e = epoll_create1(0);
        struct pollfd p = {f, POLLIN | POLLOUT | POLLPRI, 0};
        struct epoll_event v = {.events = EPOLLPRI};
        printf("%s\n", names[i]);
        T(poll(&p, 1, 0));
        X(p.revents);
        T(epoll_ctl(e, EPOLL_CTL_ADD, f, &v));
        T(epoll_wait(e, &v, 1, 0));
        v.events = EPOLLIN | EPOLLOUT;
        if (epoll_ctl(e, EPOLL_CTL_MOD, f, &v) == 0) { T(epoll_wait(e, &v, 1, 0)); X(v.events); }
    }
}
