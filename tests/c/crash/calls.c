// calls.c SEED COUNT [verbose] - system calls with arguments nobody means, for kernels that must survive them.
//
// Never run this on a host: as root it may do anything. Whatever happens to the program itself is fine (it may unmap
// its own code); the kernel below must not die, hang or complain. The same seed makes the same calls.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }
static unsigned below(unsigned n) { return next() % n; }
static char *area;
static char valid[65536] __attribute__((aligned(4096)));
static const char *const names[] = {"file", "dir", "dir/inner", "link", "missing", "/", "/dev/null", "/proc/self/exe", "", "/proc/self/maps", "a/b/../c", "user.x"};

static uint64_t argument(void) {
    switch (below(16)) {
    case 0: return 0;
    case 1: return -1ull;
    case 2: return 1ull << below(64);
    case 3: return (1ull << below(64)) - 1;
    case 4: return (uint64_t)(valid + below(sizeof valid));
    case 5: return (uint64_t)(valid + below(4096) * 16);
    case 6: return (uint64_t)(area + 4096 - below(64));
    case 7: return (uint64_t)(area + below(3 * 4096));
    case 8: return 0xffff800000000000ull + below(1 << 20);
    case 9: return (uint64_t)names[below(sizeof names / sizeof *names)];
    case 10: return next();
    case 11: return (uint64_t)AT_FDCWD;
    case 12: return -(uint64_t)below(4096);
    default: return below(40);
    }
}
// Calls that end the program, or wait for something that never comes.
static int left_out(long nr) {
    static const short list[] = {SYS_exit, SYS_exit_group, SYS_pause, SYS_rt_sigsuspend, SYS_rt_sigreturn, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
        SYS_setitimer, SYS_alarm, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigtimedwait, SYS_ppoll, SYS_pselect6, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_timer_settime,
        SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_munmap};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) if (list[i] == nr) return 1;
    return 0;
}
static void on(int s) { (void)s; }
static void open_things(void) {
    int p[2];
    mkdir("dir", 0755);
    close(open("file", O_CREAT | O_RDWR, 0644));
    symlink("file", "link");
    // Numbers from 3 on; calls close them, so this is done again now and then.
    open("file", O_RDWR); open("dir", O_RDONLY); open("/dev/zero", O_RDWR); open("/proc/self/status", O_RDONLY); open(".", O_PATH);
    if (pipe2(p, O_NONBLOCK)) {}
    eventfd(0, EFD_NONBLOCK); timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK); epoll_create1(0); syscall(SYS_memfd_create, "m", 3);
    // Sockets of each kind: pairs, one that listens with one that waits there, and one for messages.
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p) || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p)) {}
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), udp = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(server, (void *)&in, len) || listen(server, 3) || getsockname(server, (void *)&in, &len) || connect(client, (void *)&in, len) || udp < 0) {}
    int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), zero = 0;
    ioctl(terminal, TIOCSPTLCK, &zero);
    ioctl(terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
    inotify_add_watch(inotify_init1(IN_NONBLOCK), ".", IN_ALL_EVENTS);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    signalfd(-1, &set, SFD_NONBLOCK);
    syscall(SYS_pidfd_open, getpid(), 0);
    syscall(SYS_mq_open, "q", O_CREAT | O_RDWR | O_NONBLOCK, 0600, NULL);
    open("/proc/self/mem", O_RDWR); open("/proc/self/task", O_RDONLY); open("/dev/shm/s", O_CREAT | O_RDWR, 0600); open("/proc/self/fdinfo", O_RDONLY);
}
int main(int argc, char **argv) {
    state = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9e3779b97f4a7c15ull | 1;
    long count = argc > 2 ? atol(argv[2]) : 1000;
    int verbose = argc > 3;
    area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(area + 4096, 4096, PROT_NONE);
    mprotect(area + 8192, 4096, PROT_READ);
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    struct itimerval it = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &it, NULL);
    for (long i = 0; i < count; i++) {
        if (i % 200 == 0) {
            for (int fd = 3; fd < 60; fd++) close(fd);
            open_things();
        }
        long nr = below(50) ? below(470) : (long)next();
        if (left_out(nr)) continue;
        // Half of the time the first argument is a descriptor.
        uint64_t v[6];
        for (int k = 0; k < 6; k++) v[k] = argument();
        if (below(2)) v[0] = below(48);
        if (verbose) { fprintf(stderr, "%ld: %ld(%lx, %lx, %lx, %lx, %lx, %lx)\n", i, nr, v[0], v[1], v[2], v[3], v[4], v[5]); }
        syscall(nr, v[0], v[1], v[2], v[3], v[4], v[5]);
    }
    _exit(0);
}
