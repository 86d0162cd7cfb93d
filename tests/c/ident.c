//: musl static
// Identity, limits, names, clocks, scheduling, random numbers, prctl(2), arch_prctl(2).
#include "facts.h"
#include <asm/prctl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

SECTION(users) {
    printf("%d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    uid_t r, e, s;
    T(getresuid(&r, &e, &s));
    printf("%d %d %d\n", r, e, s);
    T(getresgid(&r, &e, &s));
    printf("%d %d %d\n", r, e, s);
    T(S(getresuid, &r, &e, NULL));
    gid_t g[64];
    T(getgroups(0, NULL));
    int n = T(getgroups(64, g));
    for (int i = 0; i < n; i++) printf(" %d", g[i]);
    puts("");
    T(getgroups(-1, g));
    T(S(getgroups, 64, hole()));
    T(setfsuid(-1));
    T(setfsgid(-1));
}
SECTION(becoming_someone) {
    if (geteuid() != 0) { puts("not root"); return; }
    gid_t g[3] = {5, 6, 7};
    T(S(setgroups, 3, g));
    T(getgroups(0, NULL));
    T(S(setgroups, 70000, g));
    T(S(setgroups, 3, hole()));
    T(setresgid(10, 20, 30));
    T(setresuid(-1, 1000, -1));
    printf("%d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    T(seteuid(0));
    T(setresuid(100, 200, 300));
    printf("%d %d\n", getuid(), geteuid());
    T(setuid(0));
    T(setuid(100));
    T(geteuid());
    T(setuid(300));
    T(geteuid());
    T(setuid(200));
    T(setreuid(300, 100));
    printf("%d %d\n", getuid(), geteuid());
    T(setresuid(-1, -1, -1));
    T(S(setgroups, 0, NULL));
    T(setgid(77));
    T(setgid(30));
    printf("%d %d\n", getgid(), getegid());
    T(setfsuid(0));
    T(setfsuid(-1));
}
SECTION(processes) {
    IS(getpid() > 0 && getpid() == self_tid());
    IS(getppid() >= 0);
    IS(getpgid(0) == getpgrp());
    IS(getpgid(getpid()) == getpgrp());
    IS(getsid(0) > 0 || getsid(0) == 0);
    T(getpgid(-1));
    T(getpgid(0x3ffffff));
    T(getsid(0x3ffffff));
    T(getsid(-1));
    T(setpgid(0x3ffffff, 0));
    T(setpgid(-1, 0));
    T(setpgid(0, -1));
    IS(S(set_tid_address, NULL) == getpid());
    T(S(set_robust_list, NULL, 24));
    T(S(set_robust_list, NULL, 5));
    T(S(get_robust_list, 0x3ffffff, &errno, &errno));
    T(getpriority(PRIO_PROCESS, 0));
    T(getpriority(99, 0));
    T(S(getpriority, PRIO_PROCESS, 0));
    T(getpriority(PRIO_PROCESS, 0x3ffffff));
    T(setpriority(PRIO_PROCESS, 0, 5));
    T(S(getpriority, PRIO_PROCESS, 0));
    T(setpriority(PRIO_PROCESS, 0, 100));
    T(S(getpriority, PRIO_PROCESS, 0));
    T(setpriority(99, 0, 5));
}
SECTION(names) {
    struct utsname u;
    T(uname(&u));
    printf("%s %s\n", u.sysname, u.machine);
    IS(strlen(u.nodename) > 0 && strlen(u.release) > 0 && strlen(u.version) > 0);
    char h[65];
    T(gethostname(h, sizeof h));
    IS(!strcmp(h, u.nodename));
    T(S(uname, NULL));
    T(S(uname, hole()));
}
SECTION(limits) {
    struct rlimit l;
    int all[] = {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int r = getrlimit(all[i], &l);
        printf("%d: %d %lx %lx\n", all[i], r, (long)l.rlim_cur, (long)l.rlim_max);
    }
    T(getrlimit(RLIMIT_NPROC, &l));
    T(getrlimit(RLIMIT_MEMLOCK, &l));
    T(getrlimit(RLIMIT_SIGPENDING, &l));
    T(getrlimit(16, &l));
    T(getrlimit(-1, &l));
    T(S(getrlimit, RLIMIT_NOFILE, NULL));
    T(S(setrlimit, RLIMIT_NOFILE, NULL));
    l = (struct rlimit){100, 50};
    T(setrlimit(RLIMIT_NOFILE, &l));
    l = (struct rlimit){50, 100};
    T(setrlimit(RLIMIT_NOFILE, &l));
    T(getrlimit(RLIMIT_NOFILE, &l));
    printf("%ld %ld\n", (long)l.rlim_cur, (long)l.rlim_max);
    T(dup2(1, 49));
    T(dup2(1, 50));
    struct { uint64_t c, m; } n = {60, 100}, o;
    T(S(prlimit64, 0, RLIMIT_NOFILE, &n, &o));
    printf("%lu %lu\n", o.c, o.m);
    T(S(prlimit64, getpid(), RLIMIT_NOFILE, NULL, &o));
    printf("%lu %lu\n", o.c, o.m);
    T(S(prlimit64, 0x3ffffff, RLIMIT_NOFILE, NULL, &o));
    T(S(prlimit64, 0, 99, NULL, &o));
    T(S(prlimit64, 0, RLIMIT_NOFILE, hole(), NULL));
    T(S(prlimit64, 0, RLIMIT_NOFILE, NULL, hole()));
    l = (struct rlimit){1 << 20, RLIM_INFINITY};
    T(setrlimit(RLIMIT_STACK, &l));
    T(getrlimit(RLIMIT_STACK, &l));
    printf("%lx %lx\n", (long)l.rlim_cur, (long)l.rlim_max);
    l = (struct rlimit){1 << 30, 1 << 30};
    T(setrlimit(RLIMIT_NOFILE, &l));
}
SECTION(clocks) {
    struct timespec t, u;
    clockid_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 12, 16, -1, 99};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        long r = S(clock_gettime, all[i], &t), e = errno;
        printf("clock %d: %s", all[i], r ? ename(e) : "ok");
        r = S(clock_getres, all[i], &t), e = errno;
        if (r) printf(" %s\n", ename(e)); else printf(" %ld %ld\n", t.tv_sec, t.tv_nsec);
    }
    S(clock_gettime, CLOCK_REALTIME, &t);
    clock_gettime(CLOCK_REALTIME, &u);
    IS(labs(u.tv_sec - t.tv_sec) <= 1);
    IS(labs(time(NULL) - u.tv_sec) <= 1);
    S(clock_gettime, CLOCK_MONOTONIC, &t);
    clock_gettime(CLOCK_MONOTONIC, &u);
    IS(u.tv_sec - t.tv_sec <= 1 && (u.tv_sec > t.tv_sec || u.tv_nsec >= t.tv_nsec));
    struct timeval v;
    T(S(gettimeofday, &v, NULL));
    IS(labs(v.tv_sec - time(NULL)) <= 1);
    IS(labs(S(time, NULL) - time(NULL)) <= 1);
    T(S(clock_gettime, 0, hole()));
    T(S(clock_gettime, 0, NULL));
    T(S(clock_getres, 0, NULL));
    T(S(gettimeofday, hole(), NULL));
    T(S(gettimeofday, NULL, NULL));
    T(S(time, hole()));
    int back = 0;
    long long a = now_ns();
    for (int i = 0; i < 10000; i++) { long long b = now_ns(); back += b < a; a = b; }
    N(back);
}
SECTION(usage) {
    struct rusage u;
    struct tms t;
    struct timespec spent;
    T(getrusage(RUSAGE_SELF, &u));
    T(getrusage(RUSAGE_CHILDREN, &u));
    printf("%ld %ld %ld\n", u.ru_utime.tv_sec, u.ru_utime.tv_usec, u.ru_maxrss);
    T(getrusage(RUSAGE_THREAD, &u));
    T(getrusage(99, &u));
    T(S(getrusage, RUSAGE_SELF, hole()));
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent); while (spent.tv_nsec < 60000000 && !spent.tv_sec);
    getrusage(RUSAGE_SELF, &u);
    IS(u.ru_utime.tv_usec + u.ru_stime.tv_usec + (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 >= 20000);
    IS(u.ru_maxrss > 100);
    IS(times(&t) > 0);
    IS(t.tms_utime + t.tms_stime >= 1);
    IS(t.tms_cutime == 0);
    IS(S(times, NULL) > 0);
    T(S(times, hole()));
    IS(clock() > 0);
    struct sysinfo i;
    T(sysinfo(&i));
    IS(i.totalram > 0 && i.mem_unit > 0 && i.uptime > 0 && i.procs > 0);
    T(S(sysinfo, NULL));
    IS(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    N(sysconf(_SC_PAGESIZE));
    N(sysconf(_SC_CLK_TCK));
    N(sysconf(_SC_OPEN_MAX));
    N(sysconf(_SC_ARG_MAX));
    IS(sysconf(_SC_PHYS_PAGES) > 0);
}
SECTION(scheduling) {
    cpu_set_t c;
    struct sched_param p = {.sched_priority = 77};
    T(sched_yield());
    T(S(sched_getscheduler, 0));
    T(S(sched_getparam, 0, &p));
    N(p.sched_priority);
    T(sched_get_priority_max(SCHED_FIFO));
    T(sched_get_priority_min(SCHED_FIFO));
    T(sched_get_priority_max(SCHED_OTHER));
    T(sched_get_priority_max(99));
    IS(S(sched_getaffinity, 0, sizeof c, &c) > 0);
    CPU_ZERO(&c);
    T(sched_getaffinity(0, sizeof c, &c));
    IS(CPU_COUNT(&c) == sysconf(_SC_NPROCESSORS_ONLN));
    T(S(sched_getaffinity, 0, 1, &c));
    T(S(sched_getaffinity, 0, 0, &c));
    T(S(sched_getaffinity, 0x3ffffff, sizeof c, &c));
    T(S(sched_getaffinity, 0, sizeof c, hole()));
    CPU_ZERO(&c);
    T(sched_setaffinity(0, sizeof c, &c));
    T(S(sched_getscheduler, 0x3ffffff));
    T(S(sched_getscheduler, -1));
    T(S(sched_getparam, 0, NULL));
    struct timespec t;
    T(S(sched_rr_get_interval, 0, &t));
    unsigned cpu = 99, node = 99;
    T(S(getcpu, &cpu, &node, NULL));
    IS(cpu < 1024);
    T(S(getcpu, NULL, NULL, NULL));
    T(S(getcpu, hole(), NULL, NULL));
    struct { unsigned size, policy; unsigned long flags; int nice; unsigned prio; unsigned long a, b, c; } at;
    T(S(sched_getattr, 0, &at, sizeof at, 0));
    printf("%u %u %lu %d\n", at.size, at.policy, at.flags, at.nice);
    T(S(sched_getattr, 0, &at, 4, 0));
    T(S(sched_getattr, 0, &at, sizeof at, 1));
    T(S(membarrier, 0, 0, 0) >= 0);
}
SECTION(random_numbers) {
    char a[32] = "", b[32] = "";
    T(getrandom(a, 32, 0));
    T(getrandom(b, 32, GRND_NONBLOCK));
    IS(memcmp(a, b, 32) != 0);
    T(getrandom(a, 32, GRND_RANDOM));
    T(getrandom(a, 32, 77));
    T(getrandom(a, 32, GRND_RANDOM | 4 /* GRND_INSECURE */));
    T(getrandom(a, 0, 0));
    T(S(getrandom, hole(), 8, 0));
    T(S(getrandom, NULL, 8, 0));
    T(S(getrandom, a, 0, 8));
    int fd = open("/dev/urandom", O_RDONLY);
    T(read(fd, a, 32));
    IS(memcmp(a, b, 32) != 0);
    fd = open("/dev/random", O_RDONLY);
    T(read(fd, a, 32));
}
SECTION(process_control) {
    char n[16] = "";
    T(prctl(PR_SET_NAME, "a-rather-long-name-for-it"));
    T(prctl(PR_GET_NAME, n));
    puts(n);
    T(prctl(PR_SET_NAME, hole()));
    T(prctl(PR_GET_NAME, NULL));
    T(prctl(PR_GET_DUMPABLE));
    T(prctl(PR_SET_DUMPABLE, 0));
    T(prctl(PR_GET_DUMPABLE));
    T(prctl(PR_SET_DUMPABLE, 7));
    T(prctl(PR_SET_DUMPABLE, 1));
    int sig = 99;
    T(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    T(prctl(PR_GET_PDEATHSIG, &sig));
    N(sig);
    T(prctl(PR_SET_PDEATHSIG, 100));
    T(prctl(PR_SET_PDEATHSIG, 0));
    T(prctl(PR_GET_KEEPCAPS));
    T(prctl(PR_SET_KEEPCAPS, 1));
    T(prctl(PR_GET_KEEPCAPS));
    T(prctl(PR_SET_KEEPCAPS, 2));
    T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_GET_SECCOMP));
    T(prctl(PR_GET_TIMERSLACK));
    T(prctl(PR_SET_TIMERSLACK, 1000));
    T(prctl(PR_GET_TIMERSLACK));
    T(prctl(PR_CAPBSET_READ, 0) >= 0);
    T(prctl(PR_CAPBSET_READ, 1000));
    T(prctl(PR_GET_CHILD_SUBREAPER, &sig));
    N(sig);
    T(prctl(PR_GET_TSC, &sig));
    N(sig);
    T(prctl(9999));
    T(prctl(-1));
    T(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    T(S(personality, 0xffffffff));
}
SECTION(arch_control) {
    unsigned long fs = 0, gs = 99;
    T(S(arch_prctl, ARCH_GET_FS, &fs));
    unsigned long self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    IS(self == fs);
    T(S(arch_prctl, ARCH_GET_GS, &gs));
    T(S(arch_prctl, ARCH_GET_FS, hole()));
    T(S(arch_prctl, ARCH_SET_FS, 0x8000000000000000ul));
    T(S(arch_prctl, ARCH_SET_FS, -1ul));
    T(S(arch_prctl, 0x9999, 0));
    T(S(arch_prctl, ARCH_GET_CPUID, 0));
    // Another thread block for a moment.
    static unsigned long block[64] __attribute__((aligned(64)));
    block[0] = 0x1234;
    unsigned long seen, nr = SYS_arch_prctl, r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(ARCH_SET_FS), "S"(block) : "rcx", "r11", "memory");
    __asm__ volatile("mov %%fs:0, %0" : "=r"(seen));
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(ARCH_SET_FS), "S"(fs) : "rcx", "r11", "memory");
    X(seen);
}
SECTION(capabilities) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    T(S(capget, &h, d));
    h.version = 0;
    T(S(capget, &h, d));
    X(h.version);
    T(S(capget, &h, NULL));
    h.pid = 0x3ffffff;
    T(S(capget, &h, d));
    T(S(capget, NULL, d));
}
// What may be taken and given up. The sets are only those that CAP_KILL (5), CAP_SETPCAP (8) and CAP_CHOWN (0) are in.
SECTION(changing_capabilities) {
    struct { uint32_t version; int32_t pid; } h = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } d[2] = {{0x101, 0x101, 0x101}}, now[2];
#define SHOW_CAPS() do { S(capget, &h, now); for (int i_ = 0; i_ < 2; i_++) { X(now[i_].effective); X(now[i_].permitted); X(now[i_].inheritable); } } while (0)
    T(S(capset, &h, d));
    SHOW_CAPS();
    T(prctl(PR_CAPBSET_DROP, 5));
    T(prctl(PR_CAPBSET_READ, 5));
    d[0].effective = 0x121;
    T(S(capset, &h, d));
    d[0].effective = 0x101, d[0].permitted = 0x121;
    T(S(capset, &h, d));
    d[0].permitted = 0x101, d[0].inheritable = 0x121;
    T(S(capset, &h, d));
    d[0].inheritable = 0x101, d[1].permitted = 0x80000000;
    T(S(capset, &h, d));
    SHOW_CAPS();
    h.pid = 0x3fffffff;
    T(S(capset, &h, d));
    h.pid = 0;
    // Ambient ones are both permitted and inheritable, and go with either.
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5, 0, 0));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
    d[0].inheritable = 0x100, d[1].permitted = 0;
    T(S(capset, &h, d));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
    d[0].effective = 0;
    T(S(capset, &h, d));
    T(prctl(PR_CAPBSET_DROP, 0));
    SHOW_CAPS();
}
SECTION(unknown_calls) {
    T(syscall(340));
    T(syscall(400));
    T(syscall(500));
    T(syscall(999));
    T(syscall(100000));
    T(syscall(-1));
    T(syscall(LONG_MAX));
    T(syscall(0x40000000 + SYS_getpid));
    // Only the lower half of the number counts.
    IS(syscall(SYS_getppid + (1ul << 32)) == getppid());
    T(syscall(134 /* uselib */));
    T(syscall(156 /* _sysctl */));
    T(syscall(174 /* create_module */));
    T(syscall(181 /* getpmsg */));
    T(syscall(236 /* vserver */));
    T(syscall(SYS_rseq, NULL, 0, 0, 0) == -1);
}
