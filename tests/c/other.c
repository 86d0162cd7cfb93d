// What a process may learn of another: /proc/PID of a child in every state, its memory, kcmp(2), and who may not.
#include "facts.h"
#include <dirent.h>
#include <grp.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char path_[4096];
static const char *of(pid_t pid, const char *name) { sprintf(path_, "/proc/%d/%s", pid, name); return path_; }
static char text[1 << 16];
static ssize_t slurp(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return text[0] = 0, -1;
    ssize_t n, all = 0;
    errno = 0;
    while ((n = read(fd, text + all, sizeof text - 1 - all)) > 0) all += n;
    int e = errno;
    close(fd);
    errno = e;
    text[all] = 0;
    return n < 0 ? -1 : all;
}
static const char *field(const char *name) {
    static char values[8][256];
    static int next;
    char *value = values[next++ % 8], *at = strstr(text, name);
    if (!at) return "absent";
    at += strlen(name);
    while (*at == ' ' || *at == '\t') at++;
    sprintf(value, "%.*s", (int)strcspn(at, "\n"), at);
    return value;
}
// Field n of stat, as proc_pid_stat(5) counts them.
static const char *stat_field(int n) {
    static char values[8][64];
    static int next;
    char *value = values[next++ % 8], *at = strrchr(text, ')') + 1;
    for (int i = 3; i < n; i++) at = strchr(at + 1, ' ');
    sprintf(value, "%.*s", (int)strcspn(at + 1, " \n"), at + 1);
    return value;
}
static int up[2], down[2];
static void ready(void) { char c = 'r'; write(up[1], &c, 1); }
static void hold(void) { char c; read(down[0], &c, 1); }
static void wait_ready(void) { char c; read(up[0], &c, 1); }
static pid_t child(void (*f)(void)) {
    if (!up[0]) { pipe(up); pipe(down); }
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { f(); fflush(stdout); _exit(0); }
    return pid;
}
static void stays(void) { ready(); for (;;) hold(); }
static void runs(void) { ready(); for (volatile long i = 0;; i++) {} }
static void ends(void) { _exit(3); }
static void end(pid_t pid) { kill(pid, SIGKILL); waitpid(pid, NULL, 0); }
static void see(pid_t pid, int what) { siginfo_t i; waitid(P_PID, pid, &i, what | WNOWAIT); }
// Waits until its state is one of these letters.
static void until(pid_t pid, const char *states) {
    for (int n = 0; n < 3000; n++) {
        slurp(of(pid, "stat"));
        if (strchr(states, *stat_field(3))) return;
        usleep(1000);
    }
}
static void show_state(const char *what, pid_t pid) {
    slurp(of(pid, "stat"));
    printf("%s: %s", what, stat_field(3));
    slurp(of(pid, "status"));
    printf(" = %s\n", field("State:"));
}

SECTION(states) {
    pid_t pid = child(stays);
    wait_ready();
    until(pid, "S");
    show_state("sleeps", pid);
    kill(pid, SIGSTOP);
    see(pid, WSTOPPED);
    show_state("stopped", pid);
    kill(pid, SIGCONT);
    until(pid, "S");
    show_state("goes on", pid);
    kill(pid, SIGKILL);
    see(pid, WEXITED);
    show_state("ended", pid);
    waitpid(pid, NULL, 0);
    T(access(of(pid, ""), F_OK));
    pid = child(runs);
    wait_ready();
    until(pid, "R");
    show_state("runs", pid);
    end(pid);
}
SECTION(zombie) {
    char b[256];
    pid_t pid = child(ends);
    see(pid, WEXITED);
    T(slurp(of(pid, "cmdline")));
    T(slurp(of(pid, "environ")));
    T(slurp(of(pid, "maps")));
    T(slurp(of(pid, "auxv")));
    T(slurp(of(pid, "mounts")));
    T(slurp(of(pid, "mountinfo")));
    T(slurp(of(pid, "comm")));
    puts(text);
    T(slurp(of(pid, "statm")));
    puts(text);
    T(readlink(of(pid, "exe"), b, sizeof b));
    T(readlink(of(pid, "cwd"), b, sizeof b));
    T(readlink(of(pid, "root"), b, sizeof b));
    slurp(of(pid, "stat"));
    for (int n = 20; n <= 30; n++) if (n != 22 && n != 25) printf("%d: %s\n", n, stat_field(n));
    for (int n = 45; n <= 52; n++) printf("%d: %s\n", n, stat_field(n));
    printf("exit signal %s\n", stat_field(38));
    slurp(of(pid, "status"));
    printf("%s, %s, %s, %s, %s\n", field("VmSize:"), field("Threads:"), field("FDSize:"), field("Umask:"), field("State:"));
    T(slurp(of(pid, "fd/0")));
    waitpid(pid, NULL, 0);
}
static void renamed(void) {
    prctl(PR_SET_NAME, "a (b) c");
    chdir("/usr");
    umask(027);
    close(0);
    open("/dev/null", O_RDONLY);
    signal(SIGUSR2, SIG_IGN);
    stays();
}
SECTION(living) {
    char b[256];
    pid_t pid = child(renamed);
    wait_ready();
    slurp(of(pid, "comm"));
    fputs(text, stdout);
    slurp(of(pid, "stat"));
    IS(strstr(text, "(a (b) c)") != NULL);
    IS(atoi(stat_field(4)) == getpid());
    IS(atoi(stat_field(5)) == getpgrp());
    IS(atoi(stat_field(6)) == getsid(0));
    printf("threads %s, exit signal %s, ignored %s\n", stat_field(20), stat_field(38), stat_field(33));
    IS(atol(stat_field(23)) > 0 && atol(stat_field(24)) > 0);
    IS(strtoul(stat_field(26), NULL, 10) > 1 && strtoul(stat_field(28), NULL, 10) > 1);
    slurp(of(pid, "status"));
    printf("%s, %s, %s, %s\n", field("Name:"), field("Umask:"), field("Threads:"), field("SigIgn:"));
    IS(atoi(field("Pid:")) == pid);
    IS(atoi(field("PPid:")) == getpid());
    IS(atoi(field("VmRSS:")) > 0);
    ssize_t n = readlink(of(pid, "cwd"), b, sizeof b - 1);
    show_bytes("cwd", b, n);
    n = readlink(of(pid, "fd/0"), b, sizeof b - 1);
    show_bytes("fd 0", b, n);
    n = readlink(of(pid, "exe"), b, sizeof b - 1);
    char own[256];
    IS(readlink("/proc/self/exe", own, sizeof own) == n && !memcmp(b, own, n));
    slurp(of(pid, "limits"));
    printf("open files: %s\n", strstr(text, "Max open files") ? "there" : "missing");
    T(slurp(of(pid, "cgroup")) > 0);
    T(slurp(of(pid, "mountinfo")) > 0);
    T(slurp(of(pid, "oom_score_adj")));
    fputs(text, stdout);
    T(slurp(of(pid, "wchan")) > 0);
    T(slurp(of(pid, "io")) > 0);
    T(slurp(of(pid, "maps")) > 0);
    IS(strstr(text, "[stack]") != NULL);
    end(pid);
}
SECTION(arguments) {
    pid_t pid = child(stays);
    wait_ready();
    ssize_t n = slurp("/proc/self/cmdline");
    static char own[1 << 16];
    memcpy(own, text, n);
    IS(slurp(of(pid, "cmdline")) == n && !memcmp(own, text, n));
    end(pid);
    fflush(stdout);
    pid = fork();
    if (!pid) { dup2(down[0], 0); execle("/bin/cat", "one two", "-", "", NULL, (char *[]){"A=b", "C=d e", NULL}); _exit(1); }
    // Until it has executed.
    for (int i = 0; i < 3000; i++) { slurp(of(pid, "cmdline")); if (!strcmp(text, "one two")) break; usleep(1000); }
    n = slurp(of(pid, "cmdline"));
    show_bytes("cmdline", text, n);
    n = slurp(of(pid, "environ"));
    show_bytes("environ", text, n);
    n = readlink(of(pid, "exe"), text, sizeof text);
    show_bytes("exe", text, n);
    end(pid);
}
static void *waits(UNUSED void *arg) { prctl(PR_SET_NAME, "second"); ready(); for (;;) hold(); return NULL; }
static void threads(void) {
    pthread_t t;
    prctl(PR_SET_NAME, "first");
    pthread_create(&t, NULL, waits, NULL);
    stays();
}
static void first_ends(void) {
    pthread_t t;
    pthread_create(&t, NULL, waits, NULL);
    syscall(SYS_exit, 0);
}
static int list(const char *path) {
    DIR *d = opendir(path);
    int n = 0;
    if (!d) { printf("opendir: %s\n", ename(errno)); return -1; }
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}
SECTION(tasks) {
    char b[64];
    pid_t pid = child(threads), tid = 0;
    wait_ready();
    wait_ready();
    printf("%d tasks\n", list(of(pid, "task")));
    DIR *d = opendir(of(pid, "task"));
    for (struct dirent *e; (e = readdir(d));) {
        if (atoi(e->d_name) && atoi(e->d_name) != pid) tid = atoi(e->d_name);
    }
    closedir(d);
    sprintf(b, "task/%d/comm", tid);
    slurp(of(pid, b));
    fputs(text, stdout);
    sprintf(b, "task/%d/status", tid);
    slurp(of(pid, b));
    IS(atoi(field("Tgid:")) == pid && atoi(field("Pid:")) == tid);
    sprintf(b, "task/%d/stat", tid);
    slurp(of(pid, b));
    printf("threads %s exit signal %s\n", stat_field(20), stat_field(38));
    // A thread has a directory that no listing shows.
    T(access(of(tid, "status"), F_OK));
    T(access(of(pid, "children"), F_OK));
    T(list("/proc/self/task"));
    sprintf(b, "task/%d/children", getpid());
    slurp(of(getpid(), b));
    IS(atoi(text) == pid);
    end(pid);
    pid = child(first_ends);
    wait_ready();
    until(pid, "Z");
    show_state("its first thread has ended", pid);
    printf("%d tasks\n", list(of(pid, "task")));
    end(pid);
}
static int magic = 4711;
SECTION(memory) {
    int got = 0, other = 1234;
    pid_t pid = child(stays);
    wait_ready();
    magic = 5;
    struct iovec here = {&got, sizeof got}, there = {&magic, sizeof magic};
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
    printf("%d\n", got);
    here.iov_base = &other;
    T(process_vm_writev(pid, &here, 1, &there, 1, 0));
    here.iov_base = &got;
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
    printf("%d, here still %d\n", got, magic);
    there.iov_base = (void *)8;
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
    T(process_vm_writev(pid, &here, 1, &there, 1, 0));
    there.iov_base = (void *)child; // Code: the other may not write there itself.
    T(process_vm_writev(pid, &here, 1, &there, 1, 0));
    there.iov_base = &magic;
    here.iov_base = (void *)8;
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
    T(process_vm_readv(pid, &here, 1, &there, 1, 1));
    T(process_vm_readv(999999, &here, 1, &there, 1, 0));
    T(process_vm_readv(pid, &here, 0, &there, 1, 0));
    // Over the end of what is mapped: a part.
    char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    end(pid);
    munmap(two + PAGE, PAGE);
    pid = child(stays);
    wait_ready();
    static char buf[8192];
    struct iovec big = {buf, 8192}, edge = {two + PAGE - 100, 200};
    T(process_vm_readv(pid, &big, 1, &edge, 1, 0));
    struct iovec several[3] = {{&magic, 2}, {(char *)&magic + 2, 2}, {two, 50}};
    T(process_vm_readv(pid, &big, 1, several, 3, 0));
    int fd = open(of(pid, "mem"), O_RDWR);
    IS(fd >= 0);
    got = 0;
    T(pread(fd, &got, 4, (off_t)&magic));
    printf("%d\n", got);
    got = 77;
    T(pwrite(fd, &got, 4, (off_t)&magic));
    here.iov_base = &got;
    got = 0;
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
    printf("%d\n", got);
    T(pread(fd, &got, 4, 8));
    end(pid);
    T(pread(fd, &got, 4, (off_t)&magic));
    T(process_vm_readv(pid, &here, 1, &there, 1, 0));
}
static long same(pid_t a, pid_t b, int type, long x, long y) {
    errno = 0;
    long r = syscall(SYS_kcmp, a, b, type, x, y);
    return r > 0 ? 1 : r;
}
SECTION(compare) {
    pid_t pid = child(stays), me = getpid();
    wait_ready();
    int fd = dup(1);
    T(same(me, me, KCMP_FILE, 1, fd));
    T(same(me, me, KCMP_FILE, 0, up[0]));
    T(same(me, pid, KCMP_FILE, 1, 1));
    T(same(me, pid, KCMP_FILE, up[0], up[0]));
    T(same(me, pid, KCMP_FILE, up[0], up[1]));
    T(same(me, pid, KCMP_FILE, 99, 1));
    T(same(me, pid, KCMP_FILE, 1, -1));
    T(same(me, pid, KCMP_VM, 0, 0));
    T(same(me, pid, KCMP_FILES, 0, 0));
    T(same(me, pid, KCMP_FS, 0, 0));
    T(same(me, pid, KCMP_SIGHAND, 0, 0));
    T(same(me, me, KCMP_VM, 0, 0));
    T(same(me, me, KCMP_FILES, 0, 0));
    T(same(me, me, KCMP_SIGHAND, 0, 0));
    T(same(me, pid, 8, 0, 0));
    T(same(me, 999999, KCMP_VM, 0, 0));
    end(pid);
}
static pid_t target;
static void tries(void) {
    char b[64];
    int got;
    struct iovec here = {&got, sizeof got}, there = {&magic, sizeof magic};
    static const char *const names[] = {"cmdline", "stat", "status", "statm", "comm", "environ", "maps", "auxv", "io",
        "limits", "personality", "syscall", "wchan", "oom_score_adj", "cgroup", "mountinfo", "mem", "fdinfo/0", "task"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        errno = 0;
        int fd = open(of(target, names[i]), O_RDONLY);
        printf("open %s: %s", names[i], fd < 0 ? ename(errno) : "ok");
        if (fd >= 0) { errno = 0; printf(", read: %s", read(fd, b, 1) < 0 ? ename(errno) : "ok"); close(fd); }
        puts("");
    }
    T(readlink(of(target, "exe"), b, sizeof b) > 0);
    T(readlink(of(target, "cwd"), b, sizeof b) > 0);
    T(readlink(of(target, "root"), b, sizeof b) > 0);
    T(readlink(of(target, "fd/1"), b, sizeof b) > 0);
    T(access(of(target, "fd"), R_OK));
    T(list(of(target, "fd")) > 0);
    T(list(of(target, "fdinfo")) > 0);
    T(open(of(target, "comm"), O_WRONLY) > 0);
    T(open(of(target, "cwd"), O_RDONLY) > 0);
    T(process_vm_readv(target, &here, 1, &there, 1, 0));
    T(same(getpid(), target, KCMP_VM, 0, 0));
    slurp(of(target, "stat"));
    for (int n = 26; n < 53; n++) {
        if (n < 29 || n > 44) printf("field %d: %s\n", n, atol(stat_field(n)) > 1 ? "an address" : stat_field(n));
    }
}
static void become(int id) { setgroups(0, NULL); setresgid(id, id, id); setresuid(id, id, id); }
static void user(void) { become(65534); prctl(PR_SET_DUMPABLE, 1); stays(); }
static void user_tries(void) { become(65534); tries(); }
SECTION(root_by_user) {
    if (getuid()) { puts("needs root"); return; }
    target = child(stays);
    wait_ready();
    waitpid(child(user_tries), NULL, 0);
    end(target);
}
SECTION(user_by_user) {
    if (getuid()) { puts("needs root"); return; }
    target = child(user);
    wait_ready();
    fflush(stdout);
    pid_t pid = child(user_tries);
    waitpid(pid, NULL, 0);
    struct stat st;
    stat(of(target, "environ"), &st);
    printf("environ belongs to %d:%d\n", st.st_uid, st.st_gid);
    end(target);
}
static void undumpable(void) { become(65534); prctl(PR_SET_DUMPABLE, 0); stays(); }
SECTION(undumpable_by_user) {
    if (getuid()) { puts("needs root"); return; }
    target = child(undumpable);
    wait_ready();
    waitpid(child(user_tries), NULL, 0);
    struct stat st;
    stat(of(target, ""), &st);
    printf("directory belongs to %d:%d\n", st.st_uid, st.st_gid);
    stat(of(target, "environ"), &st);
    printf("environ belongs to %d:%d\n", st.st_uid, st.st_gid);
    end(target);
}
static void looks_at_itself(void) {
    become(65534);
    printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
    T(list("/proc/self/fd") > 0);
    T(open("/proc/self/environ", O_RDONLY) > 0);
    T(open("/proc/self/maps", O_RDONLY) > 0);
    struct stat st;
    stat("/proc/self/maps", &st);
    printf("maps belongs to %d:%d\n", st.st_uid, st.st_gid);
}
SECTION(after_setuid) {
    if (getuid()) { puts("needs root"); return; }
    waitpid(child(looks_at_itself), NULL, 0);
}
SECTION(first_of_all) {
    T(access("/proc/1/stat", R_OK));
    slurp("/proc/1/stat");
    printf("pid %d ppid %s\n", atoi(text), stat_field(4));
    T(kill(1, 0));
    errno = 0;
    IS(getpgid(1) >= 0);
    T(open("/proc/1/nothing", O_RDONLY));
}
SECTION(machine) {
    int running, all, last;
    pid_t pid = child(ends);
    waitpid(pid, NULL, 0);
    slurp("/proc/loadavg");
    T(sscanf(text, "%*f %*f %*f %d/%d %d", &running, &all, &last));
    IS(running >= 1 && all >= running);
    IS(last >= pid);
    slurp("/proc/stat");
    int made = atoi(field("\nprocesses"));
    IS(made >= 1);
    IS(atoi(field("\nprocs_running")) >= 1);
    waitpid(child(ends), NULL, 0);
    slurp("/proc/stat");
    IS(atoi(field("\nprocesses")) > made);
}
