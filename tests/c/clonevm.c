// Processes that share their memory and run beside each other: clone(2) with CLONE_VM and without CLONE_THREAD, with all
// other flags, who waits for them, what each of them has of its own, and what becomes of the others when one executes a
// program, forks, is killed or ends.
#include "facts.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/times.h>
#include <sys/wait.h>

extern char **environ;
typedef int (*body)(void *);
enum { STACK = 65536 };
static char stacks[64][STACK] __attribute__((aligned(64)));

// A child with one of the stacks. What it finds out it leaves in memory: the C library believes that it is a thread.
static int start_with(int n, body run, long flags, void *arg, int *parent_tid, int *child_tid) {
    return clone(run, stacks[n] + STACK, flags, arg, parent_tid, NULL, child_tid);
}
static int start(int n, body run, long flags) { return start_with(n, run, flags, NULL, NULL, NULL); }
static int started(int n, body run, long flags) { return MUST(start(n, run, flags)); }

static void ended(const char *what, int status) {
    if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
    else if (WIFSTOPPED(status)) printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
    else printf("%s: killed by %d\n", what, WTERMSIG(status));
}
static void reap(const char *what, pid_t pid) {
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL);
    if (got != pid) printf("%s: %s\n", what, got < 0 ? ename(errno) : "another");
    else ended(what, status);
}
static _Atomic int word, other;
static void wake(_Atomic int *w) { syscall(SYS_futex, w, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }
static void set(_Atomic int *w, int value) { *w = value; wake(w); }
static void await(_Atomic int *w, int value) {
    int now;
    while ((now = *w) != value) syscall(SYS_futex, w, FUTEX_WAIT, now, NULL, NULL, 0);
}

// ---- what is shared and what is not -------------------------------------------------------------------------------
static struct { int pid, ppid, tid, fd, mode; } seen;
static int runs_beside(UNUSED void *arg) {
    seen.pid = syscall(SYS_getpid), seen.ppid = syscall(SYS_getppid), seen.tid = syscall(SYS_gettid);
    set(&word, 1);
    await(&other, 2);
    seen.fd = open("/dev/null", O_RDWR);
    seen.mode = umask(077);
    chdir("/");
    signal(SIGUSR2, SIG_IGN);
    syscall(SYS_exit, 5);
    return 0;
}
SECTION(what_is_shared) {
    static const struct { const char *name; long flags; } kinds[] = {
        {"memory", 0}, {"directories", CLONE_FS}, {"files", CLONE_FILES}, {"handlers", CLONE_SIGHAND},
        {"all", CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_IO},
    };
    char before[PATH_MAX], now[PATH_MAX];
    getcwd(before, sizeof before);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        word = other = 0;
        signal(SIGUSR2, SIG_DFL);
        int pid = started(0, runs_beside, CLONE_VM | SIGCHLD | kinds[i].flags);
        await(&word, 1);
        printf("%s: a process of its own: %d %d %d\n", kinds[i].name, seen.pid == pid, seen.ppid == getpid(), seen.tid == pid);
        set(&other, 2);
        reap(kinds[i].name, pid);
        struct sigaction a;
        sigaction(SIGUSR2, NULL, &a);
        int mask = umask(022);
        getcwd(now, sizeof now);
        printf("its descriptor %s, its directory %s, its umask %03o, its handlers %s\n", fcntl(seen.fd, F_GETFD) < 0 ? "unknown" : "known",
            strcmp(before, now) ? "known" : "unknown", mask, a.sa_handler == SIG_IGN ? "known" : "unknown");
        if (fcntl(seen.fd, F_GETFD) == 0) close(seen.fd);
        chdir(before);
    }
    signal(SIGUSR2, SIG_DFL);
}
static char *volatile made;
static int maps(UNUSED void *arg) {
    made = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    made[0] = 'm';
    munmap(made + PAGE, PAGE);
    mprotect(made, PAGE, PROT_READ);
    long brk = syscall(SYS_brk, 0);
    return syscall(SYS_brk, brk + 8192) != brk + 8192;
}
static size_t file_text(const char *path, char *text, size_t room) {
    int fd = open(path, O_RDONLY);
    size_t len = 0;
    ssize_t n;
    while (fd >= 0 && len < room && (n = read(fd, text + len, room - len)) > 0) len += n;
    if (fd >= 0) close(fd);
    return len;
}
static int waits(UNUSED void *arg) { await(&word, 1); return 0; }
SECTION(mappings_are_shared) {
    long brk = syscall(SYS_brk, 0);
    reap("child", started(0, maps, CLONE_VM | SIGCHLD));
    IS(made[0] == 'm');
    IS(syscall(SYS_brk, 0) == brk + 8192);
    errno = 0;
    T(mincore(made + PAGE, PAGE, (unsigned char[1]){0}));
    T(read(open("/dev/zero", O_RDONLY), made, 1));
    word = 0;
    int pid = started(1, waits, CLONE_VM | SIGCHLD);
    static char own[65536], its[65536];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    size_t a = file_text(path, its, sizeof its), b = file_text("/proc/self/maps", own, sizeof own);
    IS(a > 0 && a == b && !memcmp(own, its, a));
    int fd = open((snprintf(path, sizeof path, "/proc/%d/mem", pid), path), O_RDWR);
    int value = 0;
    T(pread(fd, &value, sizeof value, (off_t)&word));
    N(value);
    set(&word, 1);
    reap("second", pid);
}
static int counts(void *arg) { for (int i = 0; i < 1000; i++) __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST); return 0; }
SECTION(many) {
    enum { N_CHILDREN = 60 };
    int sum = 0, pids[N_CHILDREN], good = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N_CHILDREN; i++) pids[i] = MUST(start_with(i, counts, CLONE_VM | SIGCHLD, &sum, NULL, NULL));
        for (int i = 0; i < N_CHILDREN; i++) { int status; good += waitpid(pids[i], &status, 0) == pids[i] && status == 0; }
    }
    N(good);
    N(sum);
}

// ---- numbers and words --------------------------------------------------------------------------------------------
static int returns(void *arg) { return (long)arg; }
static _Atomic int its_tid;
static int looks(UNUSED void *arg) { other = its_tid; await(&word, 1); return 0; }
SECTION(tid_words) {
    int parent_tid = 0;
    its_tid = 77, word = 0;
    int pid = MUST(start_with(0, looks, CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, &parent_tid, (int *)&its_tid));
    IS(parent_tid == pid);
    set(&word, 1);
    await(&its_tid, 0);
    IS(other == pid);
    reap("cleared by the end", pid);
    word = 1, its_tid = 77;
    pid = MUST(start_with(0, looks, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, (int *)&its_tid));
    reap("not set", pid);
    N(other);
    N(its_tid);
    pid = MUST(start_with(0, looks, CLONE_VM | CLONE_CHILD_SETTID | SIGCHLD, NULL, NULL, (int *)&its_tid));
    reap("not cleared", pid);
    IS(its_tid == pid);
    // Nobody else looks at the memory of a process that is alone.
    int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *shared = 5;
    pid = MUST(syscall(SYS_clone, CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, shared, NULL));
    if (!pid) _exit(0);
    reap("alone", pid);
    N(*shared);
}
static char *const truth[] = {"sh", "-c", "exit 7", NULL};
static int executes(UNUSED void *arg) { execve("/bin/sh", truth, environ); return 1; }
SECTION(tid_word_at_exec) {
    static const struct { const char *name; long flags; } kinds[] = {{"beside", CLONE_VM}, {"vfork", CLONE_VM | CLONE_VFORK}};
    for (size_t i = 0; i < 2; i++) {
        its_tid = 77;
        int pid = MUST(start_with(0, executes, kinds[i].flags | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, (int *)&its_tid));
        if (i == 0) await(&its_tid, 0);
        N(its_tid);
        reap(kinds[i].name, pid);
    }
}

// ---- the signal at the end, and who is waited for -----------------------------------------------------------------
static volatile sig_atomic_t got, got_code, got_status;
static void on(int s, siginfo_t *info, UNUSED void *c) { got = s, got_code = info->si_code, got_status = info->si_status; }
static void catch(int s) { struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART}; sigaction(s, &a, NULL); }
SECTION(exit_signals) {
    static const int signals[] = {SIGCHLD, 0, SIGUSR1, 34, 64, 65, 100, 255};
    catch(SIGCHLD), catch(SIGUSR1), catch(34), catch(64);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        got = got_code = got_status = 0;
        int pid = started(0, (body)returns, CLONE_VM | signals[i]);
        siginfo_t info = {0};
        T(waitid(P_PID, pid, &info, WEXITED | WNOWAIT | __WALL));
        int plain = waitpid(pid, NULL, WNOHANG), plain_errno = errno;
        printf("%d: waitpid %s", signals[i], plain == pid ? "ok" : ename(plain_errno));
        int cloned = waitpid(pid, NULL, WNOHANG | __WCLONE), cloned_errno = errno;
        printf(", __WCLONE %s, got %d %d %d\n", cloned == pid ? "ok" : ename(cloned_errno), got, got_code, got_status);
        if (plain != pid && cloned != pid) reap("all", pid);
    }
    signal(SIGCHLD, SIG_DFL);
}
static int sleeps_then_executes(UNUSED void *arg) { await(&word, 1); return executes(NULL); }
SECTION(exec_makes_an_ordinary_child) {
    catch(SIGUSR1);
    got = word = 0;
    int pid = started(0, sleeps_then_executes, CLONE_VM | SIGUSR1);
    T(waitpid(pid, NULL, WNOHANG));
    T(waitpid(pid, NULL, WNOHANG | __WCLONE));
    set(&word, 1);
    siginfo_t info = {0};
    T(waitid(P_PID, pid, &info, WEXITED | WNOWAIT | __WALL));
    T(waitpid(pid, NULL, WNOHANG | __WCLONE));
    reap("executed", pid);
    N(got);
    pid = started(0, executes, CLONE_VM | CLONE_VFORK);
    reap("after vfork", pid);
    // A new program gets no other signal than SIGCHLD from children of the old one.
    int up[2], go[2], gone[2], status = 0;
    char c, script[128];
    MUST(pipe(up)), MUST(pipe(go)), MUST(pipe(gone));
    fflush(stdout);
    pid = fork();
    if (!pid) {
        close(go[1]);
        // Ends when `go` does, which `gone` tells.
        if (!syscall(SYS_clone, SIGUSR1, NULL, NULL, NULL, NULL)) { read(go[0], &c, 1); _exit(0); }
        close(gone[1]);
        snprintf(script, sizeof script, "echo >&%d; read x <&%d; sleep 0.05; exit 6", up[1], gone[0]);
        execve("/bin/sh", (char *[]){"sh", "-c", script, NULL}, environ);
        _exit(1);
    }
    close(gone[1]);
    read(up[0], &c, 1);
    close(go[1]);
    waitpid(pid, &status, 0);
    ended("parent that executed", status);
}
SECTION(autoreaped) {
    signal(SIGCHLD, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    int pid = started(0, (body)returns, CLONE_VM | SIGCHLD);
    T(waitpid(pid, NULL, __WALL));
    pid = started(0, (body)returns, CLONE_VM | SIGUSR2);
    reap("another signal", pid);
    signal(SIGCHLD, SIG_DFL), signal(SIGUSR2, SIG_DFL);
}
static int makes_a_brother(UNUSED void *arg) {
    seen.pid = clone((body)returns, stacks[9] + STACK, CLONE_VM | CLONE_PARENT | SIGUSR1, (void *)9l);
    return 3;
}
SECTION(brothers) {
    seen.pid = 0;
    int pid = started(0, makes_a_brother, CLONE_VM | SIGCHLD);
    reap("child", pid);
    // With the exit signal of its maker.
    int status;
    IS(waitpid(seen.pid, &status, 0) == seen.pid);
    ended("its brother", status);
}
SECTION(pidfds) {
    int fd = -1;
    word = 0;
    int pid = MUST(start_with(0, waits, CLONE_VM | CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL));
    struct pollfd p = {fd, POLLIN, 0};
    T(poll(&p, 1, 0));
    set(&word, 1);
    T(poll(&p, 1, -1));
    siginfo_t info = {0};
    T(waitid(3, fd, &info, WEXITED));
    IS(info.si_pid == pid);
    close(fd);
    struct clone_args a = {.flags = CLONE_VM, .exit_signal = SIGCHLD, .stack = (uintptr_t)stacks[0], .stack_size = STACK};
    long r = SYS_clone3;
    __asm__ volatile("syscall; test %%rax, %%rax; jnz 1f; mov $4, %%edi; mov $231, %%eax; syscall; 1:" : "+a"(r) : "D"(&a), "S"(sizeof a) : "rcx", "r11", "memory");
    reap("clone3", r);
}

// ---- ends ---------------------------------------------------------------------------------------------------------
static int thread_body(UNUSED void *arg) { set(&other, 1); for (;;) syscall(SYS_pause); return 0; }
enum { THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };
static int threads_then_group(UNUSED void *arg) {
    other = 0;
    seen.tid = clone(thread_body, stacks[10] + STACK, THREAD, NULL);
    await(&other, 1);
    syscall(SYS_exit_group, 11);
    return 0;
}
static int leader_leaves(UNUSED void *arg) {
    other = 0;
    clone((body)waits, stacks[10] + STACK, THREAD, NULL);
    syscall(SYS_exit, 12);
    return 0;
}
static int faults(UNUSED void *arg) { *(volatile char *)hole() = 1; return 0; }
static int stays(UNUSED void *arg) { set(&other, 1); for (;;) syscall(SYS_pause); return 0; }
static int spins(UNUSED void *arg) { set(&other, 1); for (;;) word++; return 0; }
SECTION(each_ends_alone) {
    // A thread of the first process goes on all the time.
    static _Atomic int ticks;
    reap("exit_group with a thread", started(0, threads_then_group, CLONE_VM | SIGCHLD));
    word = 0;
    int pid = started(0, leader_leaves, CLONE_VM | SIGCHLD);
    sleep_ms(20);
    T(waitpid(pid, NULL, WNOHANG));
    set(&word, 1);
    reap("last thread", pid);
    reap("fault", started(0, faults, CLONE_VM | SIGCHLD));
    static const int signals[] = {SIGTERM, SIGKILL, SIGABRT, 34};
    for (size_t i = 0; i < 4; i++) {
        other = 0;
        pid = started(0, i & 1 ? stays : spins, CLONE_VM | SIGCHLD | (i & 2 ? CLONE_SIGHAND | CLONE_FILES : 0));
        signal(34, SIG_DFL);
        await(&other, 1);
        T(kill(pid, signals[i]));
        reap("signal", pid);
    }
    ticks++;
    N(ticks);
}
SECTION(stop_and_go) {
    other = 0;
    int status, pid = started(0, stays, CLONE_VM | SIGCHLD);
    await(&other, 1);
    T(kill(pid, SIGSTOP));
    IS(waitpid(pid, &status, WUNTRACED) == pid);
    ended("stop", status);
    T(kill(pid, SIGCONT));
    IS(waitpid(pid, &status, WCONTINUED) == pid);
    ended("go", status);
    T(kill(pid, SIGKILL));
    reap("end", pid);
}
static void note(UNUSED int s) { word++; }
static int handles(UNUSED void *arg) {
    signal(SIGUSR1, note);
    set(&other, 1);
    await(&word, 2);
    return 0;
}
SECTION(handlers_are_per_process) {
    other = word = 0;
    signal(SIGUSR1, SIG_IGN);
    int pid = started(0, handles, CLONE_VM | SIGCHLD);
    await(&other, 1);
    T(kill(getpid(), SIGUSR1));
    N(word);
    kill(pid, SIGUSR1);
    while (word < 1) sleep_ms(1);
    kill(pid, SIGUSR1);
    wake(&word);
    reap("child", pid);
    signal(SIGUSR1, SIG_DFL);
}
static int outlives(UNUSED void *arg) {
    while (syscall(SYS_getppid) == seen.ppid) sleep_ms(1);
    for (int i = 0; i < 100; i++) made[i * PAGE] = i;
    char *more = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    more[0] = 1;
    int pid = fork(), status = 0;
    if (!pid) _exit(made[50 * PAGE] == 50);
    waitpid(pid, &status, 0);
    write(seen.fd, status == 0x100 ? "fine" : "lost", 4);
    return 6;
}
SECTION(parent_ends_first) {
    static const char *const ends[] = {"exit", "exit_group", "kill"};
    int p[2];
    char text[4];
    MUST(pipe(p));
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int way = 0; way < 3; way++) {
        fflush(stdout);
        pid_t middle = fork();
        if (!middle) {
            seen.fd = p[1], seen.ppid = getpid();
            made = pages(100, PROT_READ | PROT_WRITE);
            start(0, outlives, CLONE_VM | SIGUSR1);
            if (way == 0) syscall(SYS_exit, 2);
            if (way == 1) _exit(2);
            kill(getpid(), SIGKILL);
        }
        reap(ends[way], middle);
        read(p[0], text, sizeof text);
        printf("memory %.4s\n", text);
        // An orphan's end is told by SIGCHLD, whatever was agreed on.
        int status = 0;
        T(waitpid(-1, &status, 0) > 0);
        ended("orphan", status);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}
static int wants_to_know(UNUSED void *arg) {
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    set(&other, 1);
    for (;;) syscall(SYS_pause);
}
SECTION(death_signal) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t middle = fork();
    if (!middle) {
        start(0, wants_to_know, CLONE_VM | SIGCHLD);
        await(&other, 1);
        _exit(0);
    }
    reap("middle", middle);
    int status = 0;
    T(waitpid(-1, &status, 0) > 0);
    ended("orphan", status);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

// ---- exec ---------------------------------------------------------------------------------------------------------
SECTION(child_executes) {
    made = pages(1, PROT_READ | PROT_WRITE);
    made[0] = 'k';
    for (int i = 0; i < 20; i++) {
        int status = 0, pid = started(0, executes, CLONE_VM | SIGCHLD | (i & 1 ? CLONE_FILES | CLONE_FS : 0) | (i & 2 ? CLONE_SIGHAND : 0));
        if (waitpid(pid, &status, 0) != pid || status != 0x700) printf("%d: %x\n", i, status);
    }
    putchar(made[0]);
    putchar('\n');
}
static int fails_to_execute(UNUSED void *arg) {
    char *const none[] = {"x", NULL};
    execve("/missing", none, environ);
    seen.mode = errno;
    other = 41;
    return 13;
}
SECTION(child_fails_to_execute) {
    reap("child", started(0, fails_to_execute, CLONE_VM | SIGCHLD));
    printf("%s %d\n", ename(seen.mode), other);
}
static int thread_executes(UNUSED void *arg) { executes(NULL); return 0; }
static int thread_of_child_executes(UNUSED void *arg) {
    clone(thread_body, stacks[10] + STACK, THREAD, NULL);
    clone(thread_executes, stacks[11] + STACK, THREAD, NULL);
    for (;;) syscall(SYS_pause);
}
SECTION(thread_of_child_executes_too) {
    for (int i = 0; i < 10; i++) {
        int status = 0, pid = started(0, thread_of_child_executes, CLONE_VM | SIGCHLD);
        if (waitpid(pid, &status, 0) != pid || status != 0x700) printf("%d: %x\n", i, status);
    }
    puts("done");
}
// What an exec keeps: number, parent, mask, pending and ignored signals, directory, open files.
static int executes_grep(UNUSED void *arg) {
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), SIGUSR1);
    kill(syscall(SYS_getpid), SIGUSR2);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, note);
    char *const argv[] = {"grep", "-E", "^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|Threads|Umask)", "/proc/self/status", NULL};
    execve("/bin/grep", argv, environ);
    return 1;
}
static int executes_a_look(UNUSED void *arg) {
    static char pid[16], ppid[16];
    chdir("/");
    sprintf(pid, "%ld", syscall(SYS_getpid));
    sprintf(ppid, "%ld", syscall(SYS_getppid));
    char *const argv[] = {"sh", "-c", "pwd; test $$ = $0 && echo same; test $PPID = $1 && echo parent; ls /proc/$$/task | wc -l; test -e /proc/$$/fd/3 && echo 3; test -e /proc/$$/fd/4 || echo no 4", pid, ppid, NULL};
    execve("/bin/sh", argv, environ);
    return 1;
}
SECTION(what_exec_keeps) {
    fflush(stdout);
    for (int fd = 3; fd < 20; fd++) close(fd);
    open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY | O_CLOEXEC);
    reap("signals", started(0, executes_grep, CLONE_VM | SIGCHLD));
    reap("look", started(0, executes_a_look, CLONE_VM | SIGCHLD));
    reap("look with shared files", started(0, executes_a_look, CLONE_VM | CLONE_FILES | SIGCHLD));
    T(fcntl(4, F_GETFD));
}
static int stays_behind(UNUSED void *arg) {
    char c;
    read(seen.fd, &c, 1);
    int pid = fork(), status = 0;
    if (!pid) _exit(made[0]);
    waitpid(pid, &status, 0);
    dprintf(1, "behind: %c, memory %d, forked %d\n", c, made[0], WEXITSTATUS(status));
    write(seen.mode, "done\n", 5);
    return 8;
}
static void executes_before_its_child(void) {
    int to[2], from[2];
    char script[256];
    MUST(pipe(to));
    MUST(pipe(from));
    made = pages(1, PROT_READ | PROT_WRITE);
    made[0] = 42;
    seen.fd = to[0], seen.mode = from[1];
    start(0, stays_behind, CLONE_VM | SIGCHLD);
    snprintf(script, sizeof script, "echo executed; echo z >&%d; read x <&%d; echo heard $x; sh -c 'exit 3'; echo $?; exit 5", to[1], from[0]);
    char *const argv[] = {"sh", "-c", script, NULL};
    execve("/bin/sh", argv, environ);
}
SECTION(parent_executes) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { executes_before_its_child(); _exit(1); }
    reap("parent", pid);
}
// The very first process of all.
SECTION(first_executes) { fflush(stdout); executes_before_its_child(); }
static int first_thread_executes(UNUSED void *arg) { executes_before_its_child(); return 1; }
SECTION(thread_of_first_executes) {
    fflush(stdout);
    MUST(clone(first_thread_executes, stacks[20] + STACK, THREAD, NULL));
    for (;;) pause();
}

// ---- fork, vfork, threads inside ----------------------------------------------------------------------------------
static int forks(UNUSED void *arg) {
    int status = 0, pid = fork();
    if (!pid) { word = 99; _exit(15); }
    waitpid(pid, &status, 0);
    other = WEXITSTATUS(status);
    return word;
}
static int vforks(UNUSED void *arg) {
    int status = 0;
    pid_t pid = vfork();
    if (!pid) { word = 21; _exit(16); }
    waitpid(pid, &status, 0);
    other = WEXITSTATUS(status);
    pid = 0;
    posix_spawn(&pid, "/bin/sh", NULL, NULL, truth, environ);
    waitpid(pid, &status, 0);
    other += WEXITSTATUS(status);
    posix_spawn(&pid, "/missing", NULL, NULL, truth, environ);
    return word;
}
static int depth;
static int nests(UNUSED void *arg) {
    int n = ++depth, status = 0;
    if (n == 6) return 1;
    int pid = clone(nests, stacks[n] + STACK, CLONE_VM | SIGCHLD, NULL);
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status) + 1;
}
static int many_threads(UNUSED void *arg) {
    static int sum;
    int tids[8];
    _Atomic int gone[8];
    for (int i = 0; i < 8; i++) {
        gone[i] = 1;
        tids[i] = clone(counts, stacks[20 + i] + STACK, THREAD | CLONE_CHILD_CLEARTID, &sum, NULL, NULL, &gone[i]);
    }
    for (int i = 0; i < 8; i++) if (tids[i] > 0) await(&gone[i], 0);
    return sum == 8000;
}
SECTION(what_a_child_makes) {
    word = 7;
    reap("fork", started(0, forks, CLONE_VM | SIGCHLD));
    printf("%d %d\n", word, other);
    reap("vfork", started(0, vforks, CLONE_VM | SIGCHLD));
    printf("%d %d\n", word, other);
    depth = 0;
    reap("nested", started(0, nests, CLONE_VM | SIGCHLD));
    reap("threads", started(0, many_threads, CLONE_VM | SIGCHLD));
}
static int vforked_makes_one(UNUSED void *arg) {
    int status = 0, pid = clone((body)returns, stacks[1] + STACK, CLONE_VM | SIGCHLD, (void *)17l);
    waitpid(pid, &status, 0);
    word = WEXITSTATUS(status);
    pid = vfork();
    if (!pid) { word++; _exit(0); }
    waitpid(pid, &status, 0);
    return word;
}
SECTION(from_a_vfork_child) {
    reap("vfork", started(0, vforked_makes_one, CLONE_VM | CLONE_VFORK | SIGCHLD));
    N(word);
}

// ---- CLONE_VFORK --------------------------------------------------------------------------------------------------
static int takes_its_time(UNUSED void *arg) { sleep_ms(30); word = 1; syscall(SYS_exit, 0); return 0; }
static int executes_slowly(UNUSED void *arg) { sleep_ms(30); word = 1; return executes(NULL); }
SECTION(vfork_waits) {
    word = 0;
    int pid = started(0, takes_its_time, CLONE_VM | CLONE_VFORK | SIGCHLD);
    N(word);
    reap("vfork", pid);
    word = 0;
    long tid = MUST(start(0, takes_its_time, THREAD | CLONE_VFORK));
    IS(tid != getpid());
    N(word);
    _Atomic int *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    pid = MUST(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL));
    if (!pid) { sleep_ms(30); *shared = 4; _exit(9); }
    N(*shared);
    reap("copy", pid);
    pid = MUST(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL));
    if (!pid) { sleep_ms(30); *shared = 5; execve("/bin/sh", truth, environ); _exit(9); }
    N(*shared);
    reap("copy that executes", pid);
    word = 0;
    pid = started(0, executes_slowly, CLONE_VM | CLONE_VFORK | SIGCHLD);
    N(word);
    reap("executes", pid);
}
static void tick(UNUSED int s) { other++; }
SECTION(vfork_is_killed_not_interrupted) {
    signal(SIGALRM, tick);
    other = 0;
    struct itimerval soon = {{0, 0}, {0, 5000}};
    fflush(stdout);
    setitimer(ITIMER_REAL, &soon, NULL);
    int pid = MUST(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL));
    if (!pid) { sleep_ms(40); _exit(9); }
    N(other);
    T(waitpid(pid, NULL, 0) == pid);
    signal(SIGALRM, SIG_DFL);
    int p[2];
    MUST(pipe(p));
    pid = fork();
    if (!pid) {
        long inner = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
        if (!inner) { char c; read(p[0], &c, 1); _exit(0); }
        _exit(77);
    }
    sleep_ms(30);
    kill(pid, SIGTERM);
    reap("parent", pid);
    write(p[1], "x", 1);
}

// ---- what each has of its own -------------------------------------------------------------------------------------
static char alternate[STACK];
static int looks_at_stack(UNUSED void *arg) { stack_t s; sigaltstack(NULL, &s); other = s.ss_flags; return 0; }
SECTION(alternate_stack) {
    stack_t s = {.ss_sp = alternate, .ss_size = sizeof alternate};
    T(sigaltstack(&s, NULL));
    reap("beside", started(0, looks_at_stack, CLONE_VM | SIGCHLD));
    N(other);
    reap("vfork", started(0, looks_at_stack, CLONE_VM | CLONE_VFORK | SIGCHLD));
    N(other);
    s.ss_flags = SS_DISABLE;
    T(sigaltstack(&s, NULL));
}
static double seconds(int who) {
    struct rusage u;
    getrusage(who, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
static double cpu(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static double its_cpu, its_usage;
static int burns(UNUSED void *arg) {
    while (cpu() < 0.3) {}
    its_cpu = cpu(), its_usage = seconds(RUSAGE_SELF);
    return 0;
}
static int burns_and_executes(UNUSED void *arg) { burns(NULL); return executes(NULL); }
static int burns_and_looks(UNUSED void *arg) { burns(NULL); execl("/proc/self/exe", "clonevm", "clock_of_what_executed", NULL); return 1; }
// What is run by the section after it; by itself it has used next to nothing.
SECTION(clock_of_what_executed) { IS(cpu() >= 0.3); IS(clock() >= 300000); }
SECTION(processor_time) {
    double before = cpu();
    reap("child", started(0, burns, CLONE_VM | SIGCHLD));
    IS(its_cpu >= 0.3 && its_usage >= 0.2);
    IS(cpu() - before < 0.2);
    IS(seconds(RUSAGE_CHILDREN) >= 0.2);
    before = seconds(RUSAGE_CHILDREN);
    reap("executes", started(0, burns_and_executes, CLONE_VM | SIGCHLD));
    IS(seconds(RUSAGE_CHILDREN) - before >= 0.2);
    reap("looks", started(0, burns_and_looks, CLONE_VM | SIGCHLD));
}
static int spends(UNUSED void *arg) {
    struct rlimit one = {1, 5};
    setrlimit(RLIMIT_CPU, &one);
    for (;;) word++;
}
SECTION(processor_limit) {
    reap("child", started(0, spends, CLONE_VM | SIGCHLD));
    struct rlimit l;
    getrlimit(RLIMIT_CPU, &l);
    IS(l.rlim_cur == RLIM_INFINITY);
}
static int sets_alarm(UNUSED void *arg) {
    struct itimerval soon = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    for (;;) syscall(SYS_pause);
}
SECTION(timers) {
    reap("child", started(0, sets_alarm, CLONE_VM | SIGCHLD));
    struct itimerval it;
    getitimer(ITIMER_REAL, &it);
    IS(it.it_value.tv_sec == 0 && it.it_value.tv_usec == 0);
}
static struct { void *head[3]; _Atomic int lock; } robust;
static int dies_with_a_lock(UNUSED void *arg) {
    robust.head[0] = &robust.head[0], robust.head[1] = (void *)((char *)&robust.lock - (char *)&robust.head[0]), robust.head[2] = &robust.head[0];
    syscall(SYS_set_robust_list, robust.head, sizeof robust.head);
    robust.lock = syscall(SYS_gettid);
    if (word) executes(NULL);
    return 0;
}
SECTION(robust_locks) {
    for (int i = 0; i < 2; i++) {
        word = i, robust.lock = 0;
        reap(i ? "exec" : "exit", started(0, dies_with_a_lock, CLONE_VM | SIGCHLD));
        X(robust.lock & FUTEX_OWNER_DIED);
    }
    // Alone, in a program that goes on in the same process.
    void **head = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    int pid = fork();
    if (!pid) {
        head[0] = head, head[1] = (void *)64, head[2] = head;
        syscall(SYS_set_robust_list, head, 24);
        *(int *)((char *)head + 64) = syscall(SYS_gettid);
        executes(NULL);
    }
    reap("alone", pid);
    X(*(int *)((char *)head + 64) & FUTEX_OWNER_DIED);
}
static int undoes(void *arg) {
    struct sembuf up = {0, 5, SEM_UNDO};
    return semop((long)arg, &up, 1) < 0;
}
SECTION(semaphore_undo) {
    int id = MUST(semget(IPC_PRIVATE, 1, 0600));
    MUST(semctl(id, 0, SETVAL, 1));
    reap("its own", MUST(start_with(0, undoes, CLONE_VM | SIGCHLD, (void *)(long)id, NULL, NULL)));
    T(semctl(id, 0, GETVAL));
    reap("shared", MUST(start_with(0, undoes, CLONE_VM | CLONE_SYSVSEM | SIGCHLD, (void *)(long)id, NULL, NULL)));
    T(semctl(id, 0, GETVAL));
    T(unshare(CLONE_SYSVSEM));
    T(semctl(id, 0, GETVAL));
    T(semctl(id, 0, IPC_RMID));
}

// ---- wrong mixes --------------------------------------------------------------------------------------------------
SECTION(wrong_mixes) {
    static const struct { const char *name; long flags; } mixes[] = {
#define M(f) {#f, f}
        M(CLONE_SIGHAND), M(CLONE_THREAD), M(CLONE_THREAD | CLONE_VM), M(CLONE_THREAD | CLONE_SIGHAND), M(CLONE_FS | CLONE_NEWNS),
        M(CLONE_FS | CLONE_NEWUSER), M(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWPID), M(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUSER),
        M(CLONE_VM | CLONE_PIDFD | CLONE_DETACHED), M(CLONE_SIGHAND | CLONE_VFORK),
    };
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        int fd;
        int pid = start_with(0, (body)returns, mixes[i].flags | SIGCHLD, NULL, &fd, NULL);
        printf("%s = %s\n", mixes[i].name, pid < 0 ? ename(errno) : "made");
        if (pid > 0) waitpid(pid, NULL, __WALL);
    }
    T(clone((body)returns, stacks[0] + STACK, CLONE_VM | CLONE_SETTLS | SIGCHLD, NULL, NULL, (void *)-1l));
    T(clone((body)returns, stacks[0] + STACK, CLONE_VM | CLONE_SETTLS | SIGCHLD | CLONE_SIGHAND | CLONE_FS | CLONE_NEWNS, NULL, NULL, (void *)-1l));
    T(clone((body)returns, stacks[0] + STACK, CLONE_VM | CLONE_PIDFD | SIGCHLD, NULL, hole()));
    struct clone_args wrong[] = {
        {.flags = CLONE_VM, .exit_signal = 65}, {.flags = CLONE_VM | CLONE_PARENT, .exit_signal = SIGCHLD}, {.flags = CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND},
        {.flags = CLONE_VM, .stack = 4096}, {.flags = CLONE_VM, .stack_size = 4096}, {.flags = 1ull << 40}, {.flags = CLONE_DETACHED}, {.flags = CLONE_VM | 1},
        {.flags = CLONE_VM, .set_tid = 1}, {.flags = CLONE_VM, .set_tid_size = 1}, {.flags = CLONE_VM, .set_tid = (uintptr_t)hole(), .set_tid_size = 1},
        {.flags = CLONE_INTO_CGROUP, .cgroup = 1ull << 40}, {.flags = CLONE_INTO_CGROUP, .cgroup = 999, .exit_signal = SIGCHLD},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        long r = syscall(SYS_clone3, &wrong[i], sizeof wrong[i]);
        if (!r) _exit(0);
        printf("clone3 %zu = %s\n", i, r < 0 ? ename(errno) : "made");
        if (r > 0) waitpid(r, NULL, __WALL);
    }
    struct clone_args into = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
    into.cgroup = open("/", O_RDONLY);
    T(syscall(SYS_clone3, &into, sizeof into));
    into.cgroup = open("/dev/null", O_RDONLY);
    T(syscall(SYS_clone3, &into, sizeof into));
    // Other mistakes come first.
    into.flags |= CLONE_SIGHAND;
    T(syscall(SYS_clone3, &into, sizeof into));
    into.flags = CLONE_INTO_CGROUP | CLONE_PIDFD, into.pidfd = (uintptr_t)hole();
    T(syscall(SYS_clone3, &into, sizeof into));
    T(syscall(SYS_clone3, &into, 80));
}
