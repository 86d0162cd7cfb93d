// Bad pointers to every system call that takes one: the errno must be the host's, and nothing may die.
//
// One table row a call: the arguments that make it succeed (or fail for a known reason), and which of them are pointers.
// Each pointer argument in turn is replaced by: null, unmapped, a kernel address, a non-canonical address, the last
// bytes before an unmapped page (too few for the object), and, where the kernel writes, a read-only page.
#include "facts.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>

static char *edge, *readonly;
static long fd, dirfd_, pipe_r, pipe_w, ep, tfd, evfd, timer_id;
static char buf[8192] __attribute__((aligned(16)));
static char in_path[] = "file", dir_path[] = ".";

struct row { const char *name; long nr; long arg[6]; const char *kind; };
// kind: one letter per argument: '.' a number, 'i' the kernel reads, 'o' the kernel writes, 's' a string, 'b' both ways; 'n' and 'm' are 'i' and 'b' where null
// means to wait for ever.
static void call(const struct row *r, int at, const char *what, long value) {
    long a[6];
    memcpy(a, r->arg, sizeof a);
    memset(edge - 16, 'x', 16);
    a[at] = value;
    // Every call starts from the same offset and the same timer state.
    lseek(fd, 0, SEEK_SET);
    errno = 0;
    long v = syscall(r->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (v == -1) printf("%s arg %d %s: %s\n", r->name, at, what, ename(errno));
    else printf("%s arg %d %s: ok\n", r->name, at, what);
}
static void one(const struct row *r) {
    for (int i = 0; i < 6 && r->kind[i]; i++) {
        char k = r->kind[i];
        if (k == '.') continue;
        if (k != 'n' && k != 'm') call(r, i, "null", 0);
        call(r, i, "unmapped", (long)hole());
        call(r, i, "kernel", (long)0xffff888000000000ul);
        call(r, i, "non-canonical", (long)0x8000000000000000ul);
        call(r, i, "top", -1);
        call(r, i, "straddling", (long)edge - 1);
        if (k == 'o' || k == 'b' || k == 'm') call(r, i, "read-only", (long)readonly);
        if (k == 's') call(r, i, "unterminated", (long)edge - 3);
    }
}
static void prepare(void) {
    // Timers and files that calls need; small numbers, so that they are the same everywhere.
    put(in_path, "0123456789");
    fd = open(in_path, O_RDWR);
    dirfd_ = open(".", O_RDONLY);
    int p[2];
    MUST(pipe2(p, O_NONBLOCK));
    pipe_r = p[0]; pipe_w = p[1];
    MUST(write(p[1], "0123456789012345678901234567890123456789", 40));
    ep = epoll_create1(0);
    tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    evfd = eventfd(5, EFD_NONBLOCK);
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    int id = 0;
    MUST(S(timer_create, CLOCK_MONOTONIC, &ev, &id));
    timer_id = id;
    char *two = pages(2, PROT_READ | PROT_WRITE);
    MUST(mprotect(two + PAGE, PAGE, PROT_NONE));
    edge = two + PAGE;
    readonly = pages(1, PROT_READ);
    memset(buf, 0, sizeof buf);
}
#define ROW(n, kind, ...) {#n, SYS_##n, {__VA_ARGS__}, kind}
#define B (long)buf
#define RUN(...) do { prepare(); const struct row rows[] = {__VA_ARGS__}; for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) one(&rows[i]); } while (0)

SECTION(io) {
    RUN(ROW(read, ".o.", fd, B, 8), ROW(pread64, ".o..", fd, B, 8, 0), ROW(write, ".i.", fd, B, 8), ROW(pwrite64, ".i..", fd, B, 8, 0),
        ROW(readv, ".i.", fd, B, 1), ROW(writev, ".i.", fd, B, 1), ROW(preadv, ".i...", fd, B, 1, 0, 0), ROW(pwritev, ".i...", fd, B, 1, 0, 0),
        ROW(preadv2, ".i....", fd, B, 1, 0, 0, 0), ROW(pwritev2, ".i....", fd, B, 1, 0, 0, 0));
}
SECTION(io_other_objects) {
    RUN(ROW(read, ".o.", pipe_r, B, 8), ROW(write, ".i.", pipe_w, B, 8), ROW(read, ".o.", evfd, B, 8), ROW(write, ".i.", evfd, B, 8), ROW(read, ".o.", tfd, B, 8));
    prepare();
    const struct row dev[] = {ROW(read, ".o.", open("/dev/zero", O_RDONLY), B, 8), ROW(read, ".o.", open("/dev/null", O_RDONLY), B, 8), ROW(write, ".i.", open("/dev/null", O_WRONLY), B, 8),
        ROW(read, ".o.", open("/dev/urandom", O_RDONLY), B, 8), ROW(read, ".o.", open("/proc/self/status", O_RDONLY), B, 8)};
    for (size_t i = 0; i < sizeof dev / sizeof *dev; i++) one(&dev[i]);
}
SECTION(paths) {
    long p = (long)in_path, d = (long)"missing";
    RUN(ROW(open, "s..", p, O_RDONLY, 0), ROW(openat, ".s..", AT_FDCWD, p, O_RDONLY, 0), ROW(creat, "s.", p, 0600), ROW(access, "s.", p, 0), ROW(faccessat, ".s.", AT_FDCWD, p, 0),
        ROW(stat, "so", p, B), ROW(lstat, "so", p, B), ROW(newfstatat, ".so.", AT_FDCWD, p, B, 0), ROW(fstat, ".o", fd, B), ROW(statx, ".s..o", AT_FDCWD, p, 0, 0xfff, B),
        ROW(statfs, "so", p, B), ROW(fstatfs, ".o", fd, B), ROW(readlink, "so.", p, B, 10), ROW(readlinkat, ".so.", AT_FDCWD, p, B, 10),
        ROW(chmod, "s.", p, 0644), ROW(fchmodat, ".s.", AT_FDCWD, p, 0644), ROW(chown, "s..", p, -1, -1), ROW(lchown, "s..", p, -1, -1), ROW(fchownat, ".s...", AT_FDCWD, p, -1, -1, 0),
        ROW(truncate, "s.", p, 10), ROW(chdir, "s", (long)dir_path), ROW(getcwd, "o.", B, 4096), ROW(utimensat, ".si.", AT_FDCWD, p, B, 0), ROW(utime, "si", p, B), ROW(utimes, "si", p, B),
        ROW(futimesat, ".si", AT_FDCWD, p, B), ROW(unlink, "s", d), ROW(unlinkat, ".s.", AT_FDCWD, d, 0), ROW(rmdir, "s", d), ROW(mkdir, "s.", (long)dir_path, 0700), ROW(mkdirat, ".s.", AT_FDCWD, (long)dir_path, 0700),
        ROW(mknod, "s..", (long)dir_path, S_IFREG, 0), ROW(mknodat, ".s..", AT_FDCWD, (long)dir_path, S_IFREG, 0));
}
SECTION(two_paths) {
    long p = (long)in_path, d = (long)"missing", o = (long)dir_path;
    RUN(ROW(rename, "ss", d, o), ROW(renameat, ".s.s", AT_FDCWD, d, AT_FDCWD, o), ROW(renameat2, ".s.s.", AT_FDCWD, d, AT_FDCWD, o, 0), ROW(link, "ss", p, o), ROW(linkat, ".s.s.", AT_FDCWD, p, AT_FDCWD, o, 0),
        ROW(symlink, "ss", p, o), ROW(symlinkat, "s.s", p, AT_FDCWD, o));
}
SECTION(attributes) {
    long p = (long)in_path, n = (long)"user.a";
    RUN(ROW(setxattr, "ssi..", p, n, B, 4, 0), ROW(lsetxattr, "ssi..", p, n, B, 4, 0), ROW(fsetxattr, ".si..", fd, n, B, 4, 0), ROW(getxattr, "sso.", p, n, B, 100), ROW(lgetxattr, "sso.", p, n, B, 100),
        ROW(fgetxattr, ".so.", fd, n, B, 100), ROW(listxattr, "so.", p, B, 100), ROW(llistxattr, "so.", p, B, 100), ROW(flistxattr, ".o.", fd, B, 100), ROW(removexattr, "ss", p, (long)"user.b"),
        ROW(lremovexattr, "ss", p, (long)"user.b"), ROW(fremovexattr, ".s", fd, (long)"user.b"));
}
SECTION(descriptors) {
    RUN(ROW(pipe, "o", B), ROW(pipe2, "o.", B, 0), ROW(getdents64, ".o.", dirfd_, B, 4096), ROW(ioctl, "..o", fd, 0x541b /* FIONREAD */, B), ROW(ioctl, "..i", fd, 0x5421 /* FIONBIO */, B),
        ROW(fcntl, "..b", fd, F_GETLK, B), ROW(fcntl, "..i", fd, F_SETLK, B), ROW(sendfile, "..b.", pipe_w, fd, B, 4), ROW(copy_file_range, ".b.b..", fd, B, fd, B, 0, 0), ROW(splice, ".b.b..", fd, B, pipe_w, 0, 4, 0),
        ROW(vmsplice, ".i..", pipe_w, B, 1, 0), ROW(memfd_create, "s.", (long)"m", 0), ROW(inotify_add_watch, ".s.", fd, (long)in_path, 2), ROW(openat2, ".si.", AT_FDCWD, (long)in_path, B, 24), ROW(name_to_handle_at, ".sbo.", AT_FDCWD, (long)in_path, B, B + 512, 0));
}
SECTION(waiting) {
    static struct pollfd pf = {-1, 0, 0};
    static struct timespec zero;
    static fd_set none;
    static struct epoll_event ev;
    long z = (long)&zero, f = (long)&none;
    RUN(ROW(poll, "b..", (long)&pf, 1, 0), ROW(ppoll, "b.ni.", (long)&pf, 1, z, B, 8), ROW(select, ".bbbm", 1, f, f, f, z), ROW(pselect6, ".bbbmi", 1, f, f, f, z, 0), ROW(epoll_ctl, "...i", ep, EPOLL_CTL_ADD, pipe_r, (long)&ev),
        ROW(epoll_wait, ".o..", ep, B, 1, 0), ROW(epoll_pwait, ".o..i.", ep, B, 1, 0, B, 8), ROW(epoll_pwait2, ".o.ni.", ep, B, 1, z, B, 8), ROW(nanosleep, "io", z, B), ROW(clock_nanosleep, "..io", 1, 0, z, B));
}
SECTION(signals) {
    static struct timespec zero;
    long z = (long)&zero;
    RUN(ROW(rt_sigaction, ".io.", SIGUSR1, 0, B, 8), ROW(rt_sigprocmask, ".io.", SIG_BLOCK, 0, B, 8), ROW(rt_sigpending, "o.", B, 8), ROW(rt_sigtimedwait, "ion.", B, B + 64, z, 8), ROW(rt_sigqueueinfo, "..i", getpid(), 0, B),
        ROW(rt_tgsigqueueinfo, "...i", getpid(), self_tid(), 0, B), ROW(sigaltstack, "io", 0, B), ROW(signalfd4, ".i..", -1, B, 8, 0));
}
SECTION(times_and_timers) {
    static struct itimerval far;
    RUN(ROW(time, "o", B), ROW(gettimeofday, "oo", B, 0), ROW(clock_gettime, ".o", 1, B), ROW(clock_getres, ".o", 1, B), ROW(getitimer, ".o", 0, B), ROW(setitimer, ".io", 0, (long)&far, B), ROW(timer_create, ".io", 1, 0, B),
        ROW(timer_settime, "..io", timer_id, 0, B, B + 64), ROW(timer_gettime, ".o", timer_id, B), ROW(timerfd_settime, "..io", tfd, 0, B, B + 64), ROW(timerfd_gettime, ".o", tfd, B), ROW(times, "o", B));
}
SECTION(identity) {
    RUN(ROW(uname, "o", B), ROW(sysinfo, "o", B), ROW(getrlimit, ".o", 7, B), ROW(prlimit64, "..io", 0, 7, 0, B), ROW(getrusage, ".o", 0, B), ROW(getresuid, "ooo", B, B + 8, B + 16), ROW(getresgid, "ooo", B, B + 8, B + 16),
        ROW(getgroups, ".o", 0, B), ROW(capget, "bo", B, B + 64), ROW(sched_getaffinity, "..o", 0, 128, B), ROW(sched_getparam, ".o", 0, B), ROW(sched_rr_get_interval, ".o", 0, B), ROW(sched_getattr, ".o..", 0, B, 56, 0),
        ROW(getrandom, "o..", B, 8, 0), ROW(getcpu, "oo.", B, B + 8, 0), ROW(prctl, ".o...", 16 /* GET_NAME */, B, 0, 0, 0), ROW(prctl, ".i...", 15 /* SET_NAME */, B, 0, 0, 0), ROW(prctl, ".o...", 2 /* GET_PDEATHSIG */, B, 0, 0, 0),
        ROW(arch_prctl, ".o", 0x1003 /* GET_FS */, B), ROW(arch_prctl, ".o", 0x1004 /* GET_GS */, B), ROW(get_robust_list, ".oo", 0, B, B + 8));
}
SECTION(memory) {
    static char page[2 * PAGE] __attribute__((aligned(PAGE)));
    RUN(ROW(mincore, "..o", (long)page, PAGE, B));
    T(S(mprotect, -1, PAGE, PROT_READ));
    T(S(madvise, -PAGE, PAGE, MADV_NORMAL));
    T(S(munmap, -PAGE, PAGE));
    T(S(msync, -PAGE, PAGE, MS_SYNC));
    T(S(mlock, -PAGE, PAGE));
    T(S(mremap, -PAGE, PAGE, PAGE, 0, 0));
    T(S(mmap, -PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}
SECTION(execution) {
    static char *args[] = {"prog", NULL};
    RUN(ROW(execve, "sii", (long)"missing", (long)args, (long)args), ROW(execveat, ".sii.", AT_FDCWD, (long)"missing", (long)args, (long)args, 0));
    char *bad[] = {"/bin/true", hole(), NULL};
    char *good[] = {"true", NULL};
    T(S(execve, "/bin/true", bad, NULL));
    T(S(execve, "/bin/true", good, bad));
    T(S(execve, "/bin/true", hole(), NULL));
    T(S(execve, "/bin/true", edge - 8, NULL));
}
SECTION(futexes) {
    static int word = 1;
    static struct timespec zero;
    RUN(ROW(futex, "i..i", (long)&word, 0 /* WAIT */, 0, (long)&zero, 0, 0), ROW(futex, "i...", (long)&word, 1 /* WAKE */, 1, 0, 0, 0), ROW(futex, "i..", (long)&word, 128, 2, 0, 0, 0));
    T(S(futex, &word, 0, 1, &zero, NULL, 0));
    T(S(futex, (char *)&word + 1, 0, 1, &zero, NULL, 0));
    T(S(futex, &word, 77, 1, &zero, NULL, 0));
    T(S(futex, &word, 9 /* WAIT_BITSET */, 1, NULL, NULL, 0));
}
SECTION(sockets) {
    static socklen_t len = 110;
    static struct mmsghdr mm[2];
    static struct timespec zero;
    int s[2], n = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s));
    // Enough for every call that takes one.
    for (int i = 0; i < 200; i++) send(s[0], "x", 1, 0);
    RUN(ROW(bind, ".i.", n, B, 16), ROW(connect, ".i.", n, B, 16), ROW(getsockname, ".ob", n, B, (long)&len), ROW(getpeername, ".ob", s[0], B, (long)&len),
        ROW(getpeername, ".ob", n, B, (long)&len), ROW(accept, ".ob", n, B, (long)&len), ROW(socketpair, "...o", AF_UNIX, SOCK_STREAM, 0, B),
        ROW(sendto, ".i..i.", s[0], B, 8, MSG_DONTWAIT, B, 16), ROW(recvfrom, ".o..ob", s[1], B, 8, MSG_PEEK, B, (long)&len),
        ROW(sendmsg, ".i.", s[0], B, MSG_DONTWAIT), ROW(recvmsg, ".b.", s[1], B, MSG_PEEK), ROW(sendmmsg, ".b..", s[0], (long)mm, 1, MSG_DONTWAIT),
        ROW(recvmmsg, ".b..n", s[1], (long)mm, 1, MSG_PEEK, (long)&zero), ROW(getsockopt, "...ob", n, SOL_SOCKET, SO_TYPE, B, (long)&len),
        ROW(getsockopt, "...ob", n, SOL_SOCKET, SO_PEERCRED, B, (long)&len), ROW(setsockopt, "...i.", n, SOL_SOCKET, SO_SNDBUF, B, 4),
        ROW(setsockopt, "...i.", n, SOL_SOCKET, SO_RCVTIMEO, B, 16));
}
