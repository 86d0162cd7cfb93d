//: musl
// /proc of the process itself tells the truth.
#include "facts.h"
#include <dirent.h>
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;
static char text[1 << 20];
static ssize_t slurp(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) { printf("%s: %s\n", path, ename(errno)); text[0] = 0; return -1; }
    ssize_t n, total = 0;
    while ((n = read(fd, text + total, sizeof text - 1 - total)) > 0) total += n;
    close(fd);
    text[total] = 0;
    return total;
}
// The line of maps that covers an address, without address, device and inode.
static void map_of(const char *what, void *p) {
    slurp("/proc/self/maps");
    for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
        unsigned long a, b, off, ino;
        char perm[8], dev[16], name[4096] = "";
        if (sscanf(l, "%lx-%lx %7s %lx %15s %lu %4095[^\n]", &a, &b, perm, &off, dev, &ino, name) < 6) { printf("strange line: %s\n", l); continue; }
        if ((unsigned long)p < a || (unsigned long)p >= b) continue;
        char *slash = strrchr(name, '/');
        printf("%s: %lu pages, %s offset %lx %s inode %s\n", what, (b - a) / PAGE, perm, off, slash ? slash : name, ino ? "set" : "0");
        return;
    }
    printf("%s: not mapped\n", what);
}
SECTION(maps) {
    char *p = pages(8, PROT_READ | PROT_WRITE);
    p = mmap((void *)0x240000000000, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    map_of("fresh", p);
    mprotect(p + 2 * PAGE, PAGE, PROT_READ);
    map_of("before", p);
    map_of("changed", p + 2 * PAGE);
    map_of("after", p + 3 * PAGE);
    mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE);
    map_of("merged", p);
    munmap(p + 3 * PAGE, PAGE);
    map_of("cut", p);
    map_of("gap", p + 3 * PAGE);
    map_of("rest", p + 4 * PAGE);
    put("file", "x");
    int fd = open("file", O_RDWR);
    ftruncate(fd, 5 * PAGE);
    p = mmap((void *)0x250000000000, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, PAGE);
    map_of("shared", p);
    p = mmap((void *)0x260000000000, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 2 * PAGE);
    map_of("private", p);
    p = mmap((void *)0x270000000000, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    map_of("none", p);
    p = mmap((void *)0x280000000000, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    map_of("shared anonymous", p);
    unlink("file");
    map_of("deleted", (void *)0x250000000000);
    slurp("/proc/self/maps");
    IS(strstr(text, "[stack]") && strstr(text, "[vdso]") && strstr(text, "[heap]"));
    // Sorted, not overlapping.
    unsigned long last = 0;
    int bad = 0;
    for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) { unsigned long a, b; if (sscanf(l, "%lx-%lx", &a, &b) != 2 || a < last || b <= a) bad++; last = b; }
    N(bad);
}
static char data_byte = 1, bss_byte;
SECTION(maps_of_the_program) {
    slurp("/proc/self/maps");
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n < 0 ? 0 : n] = 0;
    int segments = 0;
    for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) segments += strstr(l, exe) != NULL;
    IS(segments >= 3);
    slurp("/proc/self/maps");
    static const char constant[] = "constant";
    char local;
    void *all[] = {(void *)map_of, (void *)constant, &data_byte, &bss_byte, &local, malloc(10), (void *)getauxval(AT_SYSINFO_EHDR)};
    const char *names[] = {"text", "rodata", "data", "bss", "stack", "heap", "vdso"};
    for (int i = 0; i < 7; i++) {
        slurp("/proc/self/maps");
        char found[8] = "none";
        for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
            unsigned long a, b;
            char perm[8];
            if (sscanf(l, "%lx-%lx %7s", &a, &b, perm) == 3 && (unsigned long)all[i] >= a && (unsigned long)all[i] < b) strcpy(found, perm);
        }
        printf("%s %s\n", names[i], found);
    }
}
SECTION(links) {
    char b[4096], c[4096];
    ssize_t n = readlink("/proc/self/exe", b, sizeof b);
    IS(n > 1 && b[0] == '/');
    n = readlink("/proc/self/cwd", b, sizeof b - 1);
    b[n] = 0;
    IS(!strcmp(b, getcwd(c, sizeof c)));
    n = readlink("/proc/self/root", b, sizeof b);
    show_bytes("root", b, n);
    n = readlink("/proc/self", b, sizeof b - 1);
    b[n] = 0;
    IS(atoi(b) == getpid());
    n = readlink("/proc/thread-self", b, sizeof b - 1);
    b[n] = 0;
    sprintf(c, "%d/task/%ld", getpid(), self_tid());
    IS(!strcmp(b, c));
    sprintf(c, "/proc/%d/exe", getpid());
    T(access(c, R_OK));
    T(access("/proc/self/task", X_OK));
    T(access("/proc/1", F_OK));
    T(access("/proc/999999999", F_OK));
    T(access("/proc/self/nothing", F_OK));
    T(open("/proc/self/newfile", O_CREAT | O_RDWR, 0600));
    T(mkdir("/proc/x", 0700));
    T(unlink("/proc/self/exe"));
    T(rename("/proc/self/exe", "x"));
    T(symlink("a", "/proc/b"));
}
SECTION(descriptors) {
    char b[4096], l[64];
    put("file", "0123456789");
    int fd = open("file", O_RDWR | O_APPEND);
    lseek(fd, 4, SEEK_SET);
    sprintf(l, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(l, b, sizeof b - 1);
    b[n] = 0;
    puts(strrchr(b, '/'));
    // The same file by a new description: its own offset, its own flags.
    int g = open(l, O_RDONLY);
    T(lseek(g, 0, SEEK_CUR));
    X(fcntl(g, F_GETFL));
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;
    int sum = 0, count = 0;
    while ((e = readdir(d))) if (e->d_name[0] != '.') { sum += atoi(e->d_name); count++; }
    printf("%d %d\n", count, sum);
    struct stat s;
    T(lstat(l, &s));
    printf("%o\n", s.st_mode & (S_IFMT | 0700));
    T(stat(l, &s));
    N(s.st_size);
    T(access("/proc/self/fd/99", F_OK));
    T(access("/proc/self/fd/x", F_OK));
    T(access("/proc/self/fd/01", F_OK));
    T(access("/dev/fd/0", F_OK));
    T(access("/dev/stdin", F_OK));
    n = readlink("/dev/fd", b, sizeof b);
    show_bytes("/dev/fd", b, n);
    n = readlink("/dev/stdout", b, sizeof b);
    show_bytes("/dev/stdout", b, n);
    int w = open("/dev/stdout", O_WRONLY);
    IS(w >= 0);
    T(write(w, "through /dev/stdout\n", 20));
    sprintf(l, "/proc/self/fdinfo/%d", fd);
    slurp(l);
    char *p = strstr(text, "pos:"), *f = strstr(text, "flags:");
    printf("%.6s %.14s\n", p ? p : "none", f ? f : "none");
    close(fd);
    T(access(l, F_OK));
}
// Closing what was read does not hide what comes after: programs close all their descriptors this way.
SECTION(descriptors_close_while_reading) {
    for (int i = 0; i < 40; i++) MUST(dup2(0, 50 + 3 * i));
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY), closed = 0;
    char b[64];
    long n;
    while ((n = syscall(SYS_getdents64, fd, b, sizeof b)) > 0)
        for (long at = 0; at < n; at += *(unsigned short *)(b + at + 16)) {
            int each = atoi(b + at + 19);
            if (each >= 50) closed += close(each) == 0;
        }
    N(n);
    N(closed);
    // Back to a number that is gone, and to the start.
    T(lseek(fd, 0, SEEK_SET));
    int left = 0;
    while ((n = syscall(SYS_getdents64, fd, b, sizeof b)) > 0)
        for (long at = 0; at < n; at += *(unsigned short *)(b + at + 16)) left++;
    N(left);
}
SECTION(arguments) {
    ssize_t n = slurp("/proc/self/cmdline");
    IS(n > 0 && text[n - 1] == 0);
    char *second = text + strlen(text) + 1;
    puts(second < text + n ? second : "none");
    n = slurp("/proc/self/environ");
    ssize_t want = 0;
    for (char **e = environ; *e; e++) want += strlen(*e) + 1;
    IS(n == want);
    IS(!strcmp(text, environ[0]));
    MUST(setenv("ADDED", "later", 1));
    IS(slurp("/proc/self/environ") == want);
    slurp("/proc/self/comm");
    IS(strlen(text) > 1 && text[strlen(text) - 1] == '\n');
    prctl(PR_SET_NAME, "renamed");
    slurp("/proc/self/comm");
    printf("%s", text);
    int fd = open("/proc/self/comm", O_WRONLY);
    T(write(fd, "written", 7));
    slurp("/proc/self/comm");
    printf("%s", text);
}
SECTION(vector) {
    int fd = open("/proc/self/auxv", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text);
    char **e = environ;
    while (*e) e++;
    IS(n > 0 && n % 16 == 0);
    IS(!memcmp(text, e + 1, n));
}
static char *field(const char *name) {
    static char b[256];
    char *p = strstr(text, name);
    if (!p) return "missing";
    p += *p == '\n';
    snprintf(b, sizeof b, "%.*s", (int)strcspn(p, "\n"), p);
    // Signals 32 and 33 belong to the C library; whether they are ignored comes from whoever started us.
    if (!strncmp(b, "SigIgn:", 7)) snprintf(b, sizeof b, "SigIgn:\t%016llx", strtoull(b + 8, NULL, 16) & ~0x180000000ull);
    return b;
}
static void nothing(int s) { (void)s; }
SECTION(status) {
    slurp("/proc/self/status");
    const char *plain[] = {"State:", "Umask:", "TracerPid:", "Uid:", "Gid:", "Threads:", "SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:", "NoNewPrivs:", "Seccomp:"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) puts(field(plain[i]));
    IS(atoi(field("\nPid:") + 5) == getpid());
    IS(atoi(field("\nTgid:") + 6) == getpid());
    IS(atoi(field("\nPPid:") + 6) == getppid());
    IS(atoi(field("VmSize:") + 7) > 100);
    IS(atoi(field("VmRSS:") + 6) > 0);
    IS(atoi(field("VmPeak:") + 7) >= atoi(field("VmSize:") + 7));
    IS(strcmp(field("Cpus_allowed_list:"), "missing") != 0);
    IS(strcmp(field("VmStk:"), "missing") != 0);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGHUP, nothing);
    umask(077);
    slurp("/proc/self/status");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) puts(field(plain[i]));
    long before = atol(field("VmSize:") + 7);
    pages(1000, PROT_READ);
    slurp("/proc/self/status");
    N(atol(field("VmSize:") + 7) - before);
}
SECTION(stat_line) {
    slurp("/proc/self/stat");
    int pid, n;
    IS(sscanf(text, "%d", &pid) == 1 && pid == getpid());
    char *close_ = strrchr(text, ')');
    IS(close_ && close_[1] == ' ');
    char *save;
    n = 2;
    for (char *f = strtok_r(close_ + 1, " \n", &save); f; f = strtok_r(NULL, " \n", &save)) {
        n++;
        if (n == 3) printf("state %s\n", f);
        if (n == 4) IS(atoi(f) == getppid());
        if (n == 5) IS(atoi(f) == getpgrp());
        if (n == 18 || n == 19 || n == 20) printf("field %d %s\n", n, f);
        if (n == 23) IS(atol(f) > 100000);
        if (n == 24) IS(atol(f) > 0);
        if (n == 28) IS(strtoul(f, NULL, 10) > (unsigned long)&n);
        if (n == 31 || n == 38) printf("field %d %s\n", n, f);
    }
    N(n);
    n = 0;
    slurp("/proc/self/statm");
    for (char *f = strtok(text, " \n"); f; f = strtok(NULL, " \n")) n++;
    N(n);
}
SECTION(limits_file) {
    struct { unsigned long cur, max; } l = {1234, 5678};
    MUST(S(prlimit64, 0, 7, &l, NULL));
    slurp("/proc/self/limits");
    char *p = strstr(text, "Max open files");
    printf("%.75s\n", p ? p : "missing");
    printf("%.20s\n", text);
    int lines = 0;
    for (char *c = text; *c; c++) lines += *c == '\n';
    N(lines);
}
SECTION(mounts) {
    slurp("/proc/self/mountinfo");
    IS(strlen(text) > 0);
    int good = 1, lines = 0, root = 0;
    for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
        int id, parent, major, minor;
        char where[4096], at[4096];
        good &= sscanf(l, "%d %d %d:%d %4095s %4095s", &id, &parent, &major, &minor, where, at) == 6 && strstr(l, " - ");
        root |= !strcmp(at, "/");
        lines++;
    }
    IS(good && root && lines >= 3);
    slurp("/proc/mounts");
    IS(strstr(text, " / ") && strstr(text, " /proc proc "));
    slurp("/proc/filesystems");
    IS(strstr(text, "tmpfs") && strstr(text, "proc"));
}
SECTION(machine) {
    slurp("/proc/cpuinfo");
    int n = 0;
    for (char *p = text; (p = strstr(p, "processor\t:")); p++) n++;
    IS(n == sysconf(_SC_NPROCESSORS_ONLN));
    IS(strstr(text, "flags\t\t:") && strstr(text, "model name\t:"));
    slurp("/proc/meminfo");
    IS(!strncmp(text, "MemTotal:", 9) && strstr(text, "MemFree:") && strstr(text, "MemAvailable:") && strstr(text, "SwapTotal:"));
    slurp("/proc/uptime");
    double up, idle;
    IS(sscanf(text, "%lf %lf", &up, &idle) == 2 && up > 0);
    slurp("/proc/loadavg");
    double a, b, c;
    int r, t;
    IS(sscanf(text, "%lf %lf %lf %d/%d", &a, &b, &c, &r, &t) == 5);
    slurp("/proc/stat");
    IS(!strncmp(text, "cpu ", 4) && strstr(text, "btime ") && strstr(text, "processes "));
    slurp("/proc/version");
    IS(!strncmp(text, "Linux version ", 14));
    slurp("/proc/sys/kernel/osrelease");
    IS(strlen(text) > 2);
    slurp("/proc/sys/kernel/pid_max");
    IS(atoi(text) > 1000);
    slurp("/proc/sys/vm/overcommit_memory");
    IS(strlen(text) == 2);
    slurp("/sys/devices/system/cpu/online");
    IS(text[0] == '0');
    T(access("/sys/devices/system/cpu/cpu0", F_OK));
}
SECTION(reading) {
    // Short reads, offsets and seeks on a generated file.
    char a[64], b[64];
    int fd = open("/proc/self/status", O_RDONLY);
    T(read(fd, a, 10));
    T(pread(fd, b, 10, 0));
    IS(!memcmp(a, b, 10));
    T(lseek(fd, 5, SEEK_SET));
    T(read(fd, b, 5));
    IS(!memcmp(a + 5, b, 5));
    T(lseek(fd, 1000000, SEEK_SET));
    T(read(fd, b, 5));
    struct stat s;
    T(fstat(fd, &s));
    printf("%o %d\n", s.st_mode, (int)s.st_size);
    T(write(fd, "x", 1));
    T(open("/proc/self/status", O_RDWR) >= 0 ? 0 : -1);
    T(ftruncate(fd, 0));
    T(read(fd, hole(), 10));
    T(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
}
// The numbers of the mapping that covers an address, and which fields there are.
static void smaps_of(const char *what, const char *path, void *p) {
    slurp(path);
    int inside = 0;
    for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
        unsigned long a, b, n;
        char name[64], perm[8];
        if (sscanf(l, "%lx-%lx %7s", &a, &b, perm) == 3) { inside = !p || ((unsigned long)p >= a && (unsigned long)p < b); if (inside) printf("%s: %s %s\n", what, perm, strchr(l, '[') ? strchr(l, '[') : "-"); continue; }
        if (!inside) continue;
        if (p && !strncmp(l, "VmFlags:", 8)) { printf("flags rd %d wr %d sh %d\n", !!strstr(l, " rd"), !!strstr(l, " wr"), !!strstr(l, " sh")); continue; }
        if (sscanf(l, "%63[^:]: %lu", name, &n) != 2) { printf("strange line: %s\n", l); continue; }
        int known = p && (!strcmp(name, "Size") || !strcmp(name, "Rss") || !strcmp(name, "Private_Dirty") || !strcmp(name, "Anonymous") || !strcmp(name, "KernelPageSize"));
        if (known) printf("%s %lu\n", name, n); else printf("%s width %zu\n", name, strlen(l));
    }
}
SECTION(smaps) {
    char *p = mmap((void *)0x240000000000, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    p[0] = p[PAGE] = p[5 * PAGE] = 1;
    smaps_of("private", "/proc/self/smaps", p);
    mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ);
    smaps_of("first half", "/proc/self/smaps", p);
    smaps_of("second half", "/proc/self/smaps", p + 4 * PAGE);
    p = mmap((void *)0x250000000000, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    p[0] = 1;
    smaps_of("shared", "/proc/self/smaps", p);
    smaps_of("rollup", "/proc/self/smaps_rollup", NULL);
}
SECTION(memory_file) {
    static volatile int word = 0x11223344;
    int fd = open("/proc/self/mem", O_RDWR), got = 0;
    T(fd >= 0);
    T(pread(fd, &got, 4, (off_t)(uintptr_t)&word));
    X(got);
    int fresh = 0x55667788;
    T(pwrite(fd, &fresh, 4, (off_t)(uintptr_t)&word));
    X(word);
    T(pread(fd, &got, 4, (off_t)(uintptr_t)hole()));
    T(pread(fd, &got, 4, 0));
    // Read-only pages of the program can be written this way: debuggers do it.
    char *ro = pages(1, PROT_READ);
    T(pwrite(fd, "x", 1, (off_t)(uintptr_t)ro));
    N(ro[0]);
}
static void tick(int s) { (void)s; }
// Signals that arrive meanwhile disturb no reading of /proc.
SECTION(read_under_signals) {
    struct sigaction act = {.sa_handler = tick};
    sigaction(SIGALRM, &act, NULL);
    struct itimerval often = {{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, NULL);
    const char *files[] = {"/proc/self/maps", "/proc/self/smaps", "/proc/self/status", "/proc/self/stat", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo"};
    int failed = 0;
    for (int i = 0; i < 700; i++) {
        int fd = open(files[i % 7], O_RDONLY);
        failed += fd < 0;
        char text[5000];
        ssize_t n, all = 0;
        while ((n = read(fd, text, sizeof text)) > 0) all += n;
        failed += n < 0 || all == 0;
        close(fd);
    }
    N(failed);
}
