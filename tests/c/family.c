// New processes and threads: fork(2), vfork(2), clone(2) and clone3(2) with the flags that C libraries and Go use,
// posix_spawn(3), and a threaded program that forks.
#include "facts.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

// How a child ended, and that there is no other.
static void reap(pid_t pid) {
    int status = 0;
    pid_t got = waitpid(pid, &status, __WALL);
    if (got != pid) { printf("waitpid: %s\n", got < 0 ? ename(errno) : "another"); return; }
    if (WIFEXITED(status)) printf("exited %d\n", WEXITSTATUS(status));
    else printf("killed by %d\n", WTERMSIG(status));
}

// ---- fork --------------------------------------------------------------------------------------------------------
SECTION(memory_is_copied) {
    int *private = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *private = *shared = 1;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { *private = *shared = 2; _exit(*private); }
    reap(pid);
    printf("private %d, shared %d\n", *private, *shared);
}
SECTION(fork_after_spawn) {
    // What is done to start a program quickly must not keep memory from a child that goes on with it.
    char *argv[] = {"true", NULL};
    int *before = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *kept = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *after = NULL;
    madvise(kept, PAGE, MADV_DONTFORK);
    for (int round = 0; round < 3; round++) {
        pid_t pid;
        *before = 10 + round;
        printf("spawn: %d\n", posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ));
        reap(pid);
        if (round == 1) { madvise(before, PAGE, MADV_DONTFORK); madvise(before, PAGE, MADV_DOFORK); }
        after = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *after = 20 + round;
        fflush(stdout);
        if (!(pid = fork())) {
            unsigned char resident;
            printf("child: %d %d, kept back: %s\n", *before, *after, mincore(kept, PAGE, &resident) ? ename(errno) : "there");
            printf("spawn: %d\n", posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ));
            reap(pid);
            fflush(stdout);
            if (!(pid = fork())) _exit(*before + *after);
            reap(pid);
            fflush(stdout);
            _exit(0);
        }
        reap(pid);
    }
}
SECTION(chain) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        for (int depth = 1; depth < 20; depth++) {
            pid_t next = fork();
            int status;
            if (next) { if (waitpid(next, &status, 0) != next) _exit(99); _exit(WEXITSTATUS(status) + 1); }
        }
        _exit(1);
    }
    reap(pid);
}
SECTION(many_at_once) {
    enum { N = 200 };
    pid_t pids[N];
    int gate[2], sum = 0;
    if (pipe(gate)) return;
    fflush(stdout);
    for (int i = 0; i < N; i++) {
        if (!(pids[i] = fork())) { char c; close(gate[1]); read(gate[0], &c, 1); _exit(i & 7); }
        if (pids[i] < 0) { printf("only %d: %s\n", i, ename(errno)); return; }
    }
    close(gate[1]);
    close(gate[0]);
    for (int i = 0; i < N; i++) { int status; if (waitpid(pids[i], &status, 0) == pids[i]) sum += WEXITSTATUS(status); }
    printf("sum %d, then %s\n", sum, waitpid(-1, NULL, 0) < 0 ? ename(errno) : "another");
}
SECTION(one_after_the_other) {
    int good = 0;
    fflush(stdout);
    for (int i = 0; i < 500; i++) {
        pid_t pid = fork();
        int status = -1;
        if (!pid) _exit(i & 63);
        good += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == (i & 63);
    }
    printf("%d of 500\n", good);
}

// ---- a threaded program forks ------------------------------------------------------------------------------------
static volatile int stop;
static void *maps_and_unmaps(UNUSED void *arg) {
    while (!stop) {
        char *p = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) break;
        p[0] = p[15 * PAGE] = 1;
        munmap(p, 16 * PAGE);
    }
    return NULL;
}
static void *forks(void *arg) {
    long good = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        int status = -1;
        if (!pid) {
            // Only this thread goes on, and its memory is whole: it can make mappings and threads of its own.
            char *p = mmap(0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) _exit(1);
            for (int page = 0; page < 16; page++) if (p[page * PAGE]) _exit(2);
            munmap(p, 16 * PAGE);
            _exit(3);
        }
        good += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3;
    }
    *(long *)arg = good;
    return NULL;
}
SECTION(fork_while_threads_map) {
    pthread_t mapper[2], forker[2];
    long good[2] = {0};
    stop = 0;
    fflush(stdout);
    for (int i = 0; i < 2; i++) pthread_create(&mapper[i], NULL, maps_and_unmaps, NULL);
    for (int i = 0; i < 2; i++) pthread_create(&forker[i], NULL, forks, &good[i]);
    for (int i = 0; i < 2; i++) pthread_join(forker[i], NULL);
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(mapper[i], NULL);
    printf("%ld + %ld of 40\n", good[0], good[1]);
}
static void *adds(void *arg) { __atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST); return NULL; }
static void *forks_and_threads(UNUSED void *arg) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        pthread_t t[8];
        int sum = 0;
        for (int i = 0; i < 8; i++) if (pthread_create(&t[i], NULL, adds, &sum)) _exit(99);
        for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
        _exit(gettid() == getpid() ? sum : 98);
    }
    reap(pid);
    return NULL;
}
SECTION(threads_in_the_child_of_a_thread) {
    pthread_t t;
    pthread_create(&t, NULL, forks_and_threads, NULL);
    pthread_join(t, NULL);
}
static void *spawns(void *arg) {
    char *argv[] = {"sh", "-c", "exit 5", NULL};
    long good = 0;
    for (int i = 0; i < 10; i++) {
        pid_t pid;
        int status = -1;
        if (!posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ))
            good += waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5;
    }
    *(long *)arg = good;
    return NULL;
}
SECTION(spawn_while_threads_fork_and_map) {
    pthread_t mapper, forker, spawner[2];
    long forked = 0, spawned[2] = {0};
    stop = 0;
    fflush(stdout);
    pthread_create(&mapper, NULL, maps_and_unmaps, NULL);
    pthread_create(&forker, NULL, forks, &forked);
    for (int i = 0; i < 2; i++) pthread_create(&spawner[i], NULL, spawns, &spawned[i]);
    for (int i = 0; i < 2; i++) pthread_join(spawner[i], NULL);
    pthread_join(forker, NULL);
    stop = 1;
    pthread_join(mapper, NULL);
    printf("forked %ld of 40, spawned %ld + %ld of 10\n", forked, spawned[0], spawned[1]);
}

// ---- vfork and posix_spawn ---------------------------------------------------------------------------------------
static volatile int mark;
SECTION(vfork_shares_memory) {
    mark = 0;
    fflush(stdout);
    pid_t pid = vfork();
    if (!pid) { mark = 7; _exit(4); }
    printf("the child left %d\n", mark);
    reap(pid);
}
SECTION(vfork_that_cannot_execute) {
    mark = 0;
    fflush(stdout);
    pid_t pid = vfork();
    if (!pid) { execl("/nonexistent", "x", (char *)NULL); mark = errno; _exit(127); }
    printf("%s\n", ename(mark));
    reap(pid);
}
// What was mapped before is there afterwards, whatever was left out of the child, and the next fork copies it.
SECTION(memory_after_vfork) {
    char *p = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 'x', 64 * PAGE);
    madvise(p + 8 * PAGE, PAGE, MADV_DONTFORK);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        pid_t pid = vfork();
        if (!pid) { execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL); _exit(127); }
        reap(pid);
    }
    int kept = 0;
    for (int i = 0; i < 64; i++) kept += p[i * PAGE] == 'x';
    printf("%d pages\n", kept);
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        int there = 0;
        unsigned char in;
        for (int i = 0; i < 64; i++) there += mincore(p + i * PAGE, PAGE, &in) == 0 && p[i * PAGE] == 'x';
        _exit(there);
    }
    reap(pid);
    munmap(p, 64 * PAGE);
}
SECTION(spawn_actions) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all;
    pid_t pid;
    char *argv[] = {"sh", "-c", "cat; pwd; exit 9", NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attr, &all);
    sigemptyset(&all);
    posix_spawnattr_setsigmask(&attr, &all);
    fflush(stdout);
    int e = posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, environ);
    printf("%s\n", ename(e));
    if (!e) reap(pid);
    printf("%s\n", ename(posix_spawn(&pid, "/nonexistent", &actions, &attr, argv, environ)));
    printf("%s\n", ename(posix_spawn(&pid, "/etc/passwd", NULL, NULL, argv, environ)));
    printf("then %s\n", waitpid(-1, NULL, 0) < 0 ? ename(errno) : "a child");
}
static void *waits_for_pipe(void *arg) { char c; return (void *)(long)read(*(int *)arg, &c, 1); }
// The other threads go on while one waits for its vfork child.
SECTION(vfork_in_a_thread) {
    int fds[2];
    pthread_t t;
    void *got = NULL;
    if (pipe(fds)) return;
    pthread_create(&t, NULL, waits_for_pipe, &fds[0]);
    fflush(stdout);
    pid_t pid = vfork();
    if (!pid) { execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL); _exit(127); }
    reap(pid);
    write(fds[1], "x", 1);
    pthread_join(t, &got);
    printf("read %ld\n", (long)got);
}

// ---- clone with flags --------------------------------------------------------------------------------------------
static char stack[256 << 10] __attribute__((aligned(16)));
static int words[4];
static int told(void *arg) { words[0] = words[1] == gettid(); return (int)(long)arg; }
// As glibc's fork, without and with what posix_spawn and Go's os/exec add.
SECTION(process_flags) {
    static const struct { const char *name; int flags; } kinds[] = {
        {"SIGCHLD", SIGCHLD},
        {"glibc fork", SIGCHLD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID},
        {"no signal", 0},
        {"SIGUSR1", SIGUSR1},
        {"FILES", SIGCHLD | CLONE_FILES},
        {"FS", SIGCHLD | CLONE_FS},
        {"PARENT_SETTID", SIGCHLD | CLONE_PARENT_SETTID},
        {"posix_spawn", SIGCHLD | CLONE_VM | CLONE_VFORK},
        {"vfork as libc's", SIGCHLD | CLONE_VFORK},
        {"Go's fork", SIGCHLD | CLONE_VFORK | CLONE_VM | CLONE_CHILD_SETTID},
    };
    signal(SIGUSR1, SIG_IGN);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int parent_tid = 0;
        memset(words, 0, sizeof words);
        fflush(stdout);
        pid_t pid = clone(told, stack + sizeof stack, kinds[i].flags, (void *)(long)(i + 10), &parent_tid, NULL, &words[1]);
        if (pid < 0) { printf("%s: %s\n", kinds[i].name, ename(errno)); continue; }
        printf("%s: parent told %s, ", kinds[i].name, parent_tid == pid ? "the number" : parent_tid ? "nonsense" : "nothing");
        reap(pid);
        printf("  the number found in shared memory: %d\n", words[0]);
    }
}
static int exits_at_once(UNUSED void *arg) { syscall(SYS_exit, 0); return 0; }
// As glibc's pthread_create and as Go's runtime.newosproc.
SECTION(thread_flags) {
    int posix = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                CLONE_CHILD_CLEARTID;
    int go = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD;
    volatile int *word = &words[2];
    for (int i = 0; i < 50; i++) {
        *word = -1;
        int tid = clone(exits_at_once, stack + sizeof stack, posix, NULL, &words[3], NULL, (void *)word);
        if (tid < 0) { printf("clone: %s\n", ename(errno)); return; }
        if (words[3] != tid) printf("told %s\n", words[3] ? "nonsense" : "nothing");
        // The kernel clears the word and wakes who waits for it, when the thread is off its stack.
        while (*word) syscall(SYS_futex, word, 0 /* FUTEX_WAIT */, -1, NULL, NULL, 0);
    }
    printf("posix: done\n");
    int tid = clone(exits_at_once, stack + sizeof stack, go, NULL, NULL, NULL, NULL);
    printf("go: %s\n", tid > 0 ? "made" : ename(errno));
    while (tid > 0 && syscall(SYS_tgkill, getpid(), tid, 0) == 0) usleep(100);
    printf("gone: %s\n", ename(errno));
}
SECTION(refused_flags) {
    static const struct { const char *name; unsigned long flags; } kinds[] = {
        {"THREAD", CLONE_THREAD},
        {"THREAD|VM", CLONE_THREAD | CLONE_VM},
        {"SIGHAND", CLONE_SIGHAND},
        {"THREAD|SIGHAND", CLONE_THREAD | CLONE_SIGHAND},
        {"FS|NEWNS", CLONE_FS | CLONE_NEWNS},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        errno = 0;
        long ret = syscall(SYS_clone, kinds[i].flags, stack + sizeof stack, NULL, NULL, NULL);
        printf("%s: %s\n", kinds[i].name, ret < 0 ? ename(errno) : "made");
    }
}
SECTION(clone3_sizes) {
    struct clone_args args = {.exit_signal = SIGCHLD};
    static const size_t sizes[] = {0, 63, 64, 80, 88};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fflush(stdout);
        long pid = syscall(SYS_clone3, &args, sizes[i]);
        if (!pid) _exit(2);
        printf("%zu: ", sizes[i]);
        if (pid < 0) printf("%s\n", ename(errno));
        else reap(pid);
    }
    struct clone_args wrong[] = {
        {.exit_signal = 65}, {.exit_signal = SIGCHLD, .stack = 4096}, {.exit_signal = SIGCHLD, .stack_size = 4096},
        {.flags = 1ull << 40}, {.flags = CLONE_THREAD, .exit_signal = SIGCHLD}, {.flags = CSIGNAL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        long pid = syscall(SYS_clone3, &wrong[i], sizeof wrong[i]);
        if (!pid) _exit(2);
        printf("wrong %zu: %s\n", i, pid < 0 ? ename(errno) : "made");
        if (pid > 0) reap(pid);
    }
    printf("no memory: %s\n", syscall(SYS_clone3, 8, 64) < 0 ? ename(errno) : "made");
}
