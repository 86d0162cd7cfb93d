// Stress: many processes, many signals, sudden ends. What is printed is the same on every run and every kernel; how often
// things happen is not. STRESS=N in the environment makes everything N times longer.
#include "../c/facts.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static long factor(void) {
    const char *text = getenv("STRESS");
    long n = text ? atol(text) : 1;
    return n > 0 ? n : 1;
}
static unsigned long long seed = 88172645463325252ull;
static unsigned random_below(unsigned n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

// fork(2) that succeeds: a number of -1 handed to kill(2) would mean everybody.
static pid_t child(void) {
    pid_t p = fork();
    if (p < 0) { printf("fork: %s\n", ename(errno)); exit(3); }
    return p;
}

// ---- RLIMIT_NPROC -------------------------------------------------------------------------------------------------
// The limit counts all processes and threads of a user, and root is exempt: become somebody nobody else is.
static void as_nobody_else(uid_t uid, void (*f)(void)) {
    pid_t p = child();
    if (p == 0) {
        if (geteuid() == 0) MUST(setresuid(uid, uid, uid));
        f();
        fflush(stdout);
        _exit(0);
    }
    int st;
    MUST(waitpid(p, &st, 0));
    X(st);
}
static void *paused(void *p) { for (;;) pause(); return p; }
static void reap_all(void) { while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {} }

static void fill_up(void) {
    struct rlimit limit = {60, 60};
    MUST(setrlimit(RLIMIT_NPROC, &limit));
    for (int round = 0; round < 3; round++) {
        int made = 0, go[2];
        MUST(pipe(go));
        pid_t p;
        while ((p = fork()) > 0) made++;
        if (p == 0) {
            char c;
            close(go[1]);
            read(go[0], &c, 1);
            _exit(0);
        }
        printf("forks: %d, then %s\n", made, ename(errno));
        // Threads count as processes do.
        pthread_t t;
        printf("thread: %s\n", ename(pthread_create(&t, NULL, paused, NULL)));
        close(go[0]), close(go[1]);
        reap_all();
        T((p = fork()) ? waitpid(p, NULL, 0) > 0 : (_exit(0), 0));
    }
}
SECTION(nproc_limit) { as_nobody_else(48611, fill_up); }

// Every process forks until it cannot: the classic. Nobody may end otherwise than by its own exit.
static void bomb(void) {
    struct rlimit limit = {80, 80};
    MUST(setrlimit(RLIMIT_NPROC, &limit));
    long long end = now_ns() + 3000000000ll * factor();
    int again[2], strange = 0, full = 0;
    MUST(pipe(again));
    pid_t root = getpid();
    while (now_ns() < end) {
        pid_t p = fork();
        if (p < 0) {
            full += errno == EAGAIN;
            strange += errno != EAGAIN;
            // Make room: whoever is not the first ends when it could not fork.
            if (getpid() != root) break;
        }
        int st;
        while (waitpid(-1, &st, WNOHANG) > 0) strange += st != 0;
    }
    int st;
    while (waitpid(-1, &st, 0) > 0) strange += st != 0;
    if (getpid() != root) _exit(strange != 0);
    printf("the limit was met: %s; strange errors or ends: %d\n", full ? "yes" : "no", strange);
}
SECTION(fork_bomb) { as_nobody_else(48612, bomb); }

// ---- nothing is left ----------------------------------------------------------------------------------------------
// The harness looks at memory and descriptors when it reads "mark"; it answers with a line.
static void mark(const char *when) {
    if (!getenv("STRESS_MARKS")) return;
    printf("mark %s\n", when);
    fflush(stdout);
    char c;
    while (read(0, &c, 1) == 1 && c != '\n') {}
}
static int fork_exec_wait_once(int by_vfork) {
    char *args[] = {"/bin/true", NULL};
    pid_t p = by_vfork ? vfork() : fork();
    if (p == 0) {
        execve(args[0], args, args + 1);
        _exit(127);
    }
    int st = -1;
    return p < 0 || waitpid(p, &st, 0) != p || st != 0;
}
static void fork_exec_wait(int count) {
    int bad = 0;
    for (int i = 0; i < count; i++) bad += fork_exec_wait_once(i % 2);
    N(bad);
}
SECTION(ten_thousand_processes) {
    fork_exec_wait(1000);
    mark("before");
    fork_exec_wait(9000 * factor());
    mark("after");
}
static void *nothing(void *p) { return p; }
static void threads(int count) {
    int bad = 0;
    for (int i = 0; i < count; i++) {
        pthread_t t[4];
        for (int k = 0; k < 4; k++) bad += pthread_create(&t[k], NULL, nothing, t) != 0;
        for (int k = 0; k < 4; k++) {
            void *r = NULL;
            bad += pthread_join(t[k], &r) != 0 || r != t;
        }
    }
    N(bad);
}
SECTION(ten_thousand_threads) {
    threads(500);
    mark("before");
    threads(2500 * factor());
    mark("after");
}
// Processes that share their memory: some have threads and children of their own, some execute a program, some are killed.
static char sharer_stacks[16][65536] __attribute__((aligned(16)));
static _Atomic int sharers_done;
static int counts_one(void *arg) { (void)arg; sharers_done++; return 0; }
static int sharer(void *arg) {
    long n = (long)arg;
    char *const argv[] = {"true", NULL};
    if (n % 16 == 3) clone(counts_one, sharer_stacks[8 + n % 8] + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL);
    if (n % 16 == 7) { pid_t pid = fork(); if (!pid) _exit(0); waitpid(pid, NULL, 0); }
    if (n % 16 == 9) execv("/bin/true", argv);
    if (n % 16 == 11) for (;;) pause();
    sharers_done++;
    return n % 16 == 11;
}
static void sharers(int count) {
    int bad = 0;
    for (long n = 0; n < count; n += 8) {
        pid_t pids[8];
        for (long k = 0; k < 8; k++) {
            pids[k] = clone(sharer, sharer_stacks[k] + 65536, CLONE_VM | SIGCHLD | (n & 8 ? CLONE_FILES | CLONE_SIGHAND : 0), (void *)(n + k));
            if (pids[k] < 0) { printf("clone: %s\n", ename(errno)); return; }
        }
        for (long k = 0; k < 8; k++) {
            int status = -1, killed = (n + k) % 16 == 11;
            if (killed) kill(pids[k], SIGKILL);
            bad += waitpid(pids[k], &status, 0) != pids[k] || (killed ? !WIFSIGNALED(status) : status != 0);
        }
    }
    N(bad);
}
SECTION(thousands_of_sharers) {
    sharers(800);
    mark("before");
    sharers(4000 * factor());
    mark("after");
}
// Processes, threads, pipes, shared mappings and files at once, ended by a signal in the middle of it.
static void messy(int count) {
    int bad = 0;
    for (int i = 0; i < count; i++) {
        int up[2];
        MUST(pipe(up));
        int *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t p = child();
        if (p == 0) {
            pthread_t t;
            pthread_create(&t, NULL, paused, NULL);
            int fd = open("messy", O_RDWR | O_CREAT, 0600);
            ftruncate(fd, 8 * PAGE);
            char *m = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            m[5 * PAGE] = 1;
            *shared = i;
            if (child() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                write(up[1], "x", 1);
            }
            for (;;) pause();
        }
        char c;
        int st;
        close(up[1]);
        bad += read(up[0], &c, 1) != 1 || *shared != i;
        kill(p, SIGKILL);
        bad += waitpid(p, &st, 0) != p || st != SIGKILL;
        // The grandchild is ours now; with it the last writer goes.
        bad += waitpid(-1, &st, 0) <= 0 || st != SIGKILL;
        bad += read(up[0], &c, 1) != 0;
        munmap(shared, 4 * PAGE);
        close(up[0]);
        unlink("messy");
    }
    N(bad);
}
SECTION(killed_in_the_middle) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    messy(100);
    mark("before");
    messy(500 * factor());
    mark("after");
}

// ---- signal storms ------------------------------------------------------------------------------------------------
static volatile int storm_over;
static int handled;
static void count_signal(int s) { (void)s, __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED); }
static unsigned char byte_at(long at) { return at * 2654435761ul >> 13; }

// A stream of bytes through a pipe, in pieces of all sizes. Signals may cut a piece, not lose or double a byte.
struct stream { int fd; long bytes, bad; unsigned seed; };
static void *stream_out(void *arg) {
    struct stream *s = arg;
    static __thread unsigned char b[70000];
    while (!storm_over) {
        long want = 1 + rand_r(&s->seed) % (sizeof b - 1);
        for (long i = 0; i < want; i++) b[i] = byte_at(s->bytes + i);
        long n = write(s->fd, b, want);
        if (n > 0) s->bytes += n;
        else if (errno != EINTR) s->bad++;
    }
    close(s->fd);
    return NULL;
}
static void *stream_in(void *arg) {
    struct stream *s = arg;
    static __thread unsigned char b[50000];
    for (;;) {
        long n = read(s->fd, b, 1 + rand_r(&s->seed) % (sizeof b - 1));
        if (n == 0) return NULL;
        if (n < 0) { s->bad += errno != EINTR; continue; }
        for (long i = 0; i < n; i++) s->bad += b[i] != byte_at(s->bytes + i);
        s->bytes += n;
    }
}
// A file that grows, is read back, and shrinks.
static void *file_user(void *arg) {
    struct stream *s = arg;
    static __thread unsigned char b[9000], c[9000];
    char name[32];
    snprintf(name, sizeof name, "storm%d", s->fd);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | (s->fd % 2 ? O_APPEND : 0), 0600);
    long size = 0;
    while (!storm_over) {
        long want = 1 + rand_r(&s->seed) % (sizeof b - 1);
        for (long i = 0; i < want; i++) b[i] = byte_at(size + i);
        // Reads and writes of files are never cut short by signals.
        s->bad += write(fd, b, want) != want;
        s->bad += pread(fd, c, want, size) != want || memcmp(b, c, want);
        size += want;
        s->bytes += want;
        struct stat st;
        s->bad += fstat(fd, &st) != 0 || st.st_size != size;
        if (size > 3000000) {
            size = rand_r(&s->seed) % 100000;
            s->bad += ftruncate(fd, size) != 0 || lseek(fd, size, SEEK_SET) != size;
        }
    }
    close(fd);
    unlink(name);
    return NULL;
}
#define STREAMS 2
#define FILES 3
SECTION(signal_storm) {
    struct sigaction restart = {.sa_handler = count_signal, .sa_flags = SA_RESTART}, cut = {.sa_handler = count_signal};
    MUST(sigaction(SIGUSR1, &restart, NULL));
    MUST(sigaction(SIGUSR2, &cut, NULL));
    MUST(sigaction(SIGALRM, &restart, NULL));
    static struct stream out[STREAMS], in[STREAMS], file[FILES];
    pthread_t t[2 * STREAMS + FILES];
    int n = 0;
    for (int i = 0; i < STREAMS; i++) {
        int fd[2];
        MUST(pipe(fd));
        out[i] = (struct stream){.fd = fd[1], .seed = i};
        in[i] = (struct stream){.fd = fd[0], .seed = 77 + i};
        pthread_create(&t[n++], NULL, stream_out, &out[i]);
        pthread_create(&t[n++], NULL, stream_in, &in[i]);
    }
    for (int i = 0; i < FILES; i++) {
        file[i] = (struct stream){.fd = i, .seed = 99 + i};
        pthread_create(&t[n++], NULL, file_user, &file[i]);
    }
    // Another process sends to the process; a timer of 10 kHz too; and the main thread to each thread in turn.
    pid_t us = getpid(), other = child();
    if (other == 0) {
        // Or the readers would wait for this one, too.
        for (int i = 0; i < STREAMS; i++) close(out[i].fd);
        for (;;) {
            if (kill(us, random_below(2) ? SIGUSR1 : SIGUSR2) < 0 || getppid() != us) _exit(0);
            struct timespec gap = {0, 100000};
            nanosleep(&gap, NULL);
        }
    }
    struct sigevent by_signal = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    timer_t timer;
    MUST(timer_create(CLOCK_MONOTONIC, &by_signal, &timer));
    struct itimerspec each = {{0, 100000}, {0, 100000}};
    MUST(timer_settime(timer, 0, &each, NULL));
    long long end = now_ns() + 5000000000ll * factor();
    for (int i = 0; now_ns() < end; i++) {
        pthread_kill(t[i % n], i % 3 ? SIGUSR1 : SIGUSR2);
        struct timespec gap = {0, 50000};
        nanosleep(&gap, NULL);
    }
    storm_over = 1;
    for (int i = 0; i < n; i++) pthread_join(t[i], NULL);
    MUST(timer_delete(timer));
    kill(other, SIGKILL);
    reap_all();
    for (int i = 0; i < STREAMS; i++) {
        N(out[i].bad + in[i].bad);
        N(in[i].bytes - out[i].bytes);
        IS(in[i].bytes > 100000);
    }
    for (int i = 0; i < FILES; i++) {
        N(file[i].bad);
        IS(file[i].bytes > 100000);
    }
    IS(handled > 3000);
}

// Real-time signals are queued: all arrive, in their order, with their values, whoever sends meanwhile.
SECTION(queued_signals) {
    enum { SENDERS = 3, EACH = 8000 };
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < SENDERS; i++) sigaddset(&set, SIGRTMIN + i);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t us = getpid(), p[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        if ((p[i] = child()) == 0) {
            for (int k = 0; k < EACH; k++)
                while (sigqueue(us, SIGRTMIN + i, (union sigval){.sival_int = k}) < 0) {
                    if (errno != EAGAIN) _exit(1);
                    sched_yield();
                }
            _exit(0);
        }
    int next[SENDERS] = {0}, wrong = 0;
    for (int got = 0; got < SENDERS * EACH; got++) {
        siginfo_t info;
        int s = sigwaitinfo(&set, &info) - SIGRTMIN;
        if (s < 0 || s >= SENDERS) { wrong++; continue; }
        wrong += info.si_value.sival_int != next[s]++ || info.si_pid != p[s] || info.si_code != SI_QUEUE;
    }
    N(wrong);
    int st;
    for (int i = 0; i < SENDERS; i++) {
        MUST(waitpid(p[i], &st, 0));
        X(st);
    }
    T(sigtimedwait(&set, NULL, &(struct timespec){0, 0}));
}

// ---- sudden ends --------------------------------------------------------------------------------------------------
// Four processes in a row; one of them is killed at any moment. The others see the end of the stream or a broken pipe,
// and what came through is the beginning of what was sent.
enum { STAGES = 4 };
static void stage(int at, int in, int out) {
    static unsigned char b[16384];
    long pos = 0;
    for (;;) {
        long n = sizeof b;
        if (at == 0) for (long i = 0; i < n; i++) b[i] = byte_at(pos + i);
        else n = read(in, b, sizeof b);
        if (n < 0) _exit(100);
        if (n == 0) _exit(0);
        if (at == STAGES - 1) {
            for (long i = 0; i < n; i++) if (b[i] != byte_at(pos + i)) _exit(101);
        } else {
            for (long done = 0; done < n;) {
                long w = write(out, b + done, n - done);
                if (w <= 0) _exit(102);
                done += w;
            }
        }
        pos += n;
    }
}
SECTION(killed_pipelines) {
    int strange = 0;
    for (int round = 0; round < 150 * factor(); round++) {
        pid_t p[STAGES];
        int in = -1;
        for (int i = 0; i < STAGES; i++) {
            int fd[2] = {-1, -1};
            if (i < STAGES - 1) MUST(pipe(fd));
            if ((p[i] = child()) == 0) {
                close(fd[0]);
                stage(i, in, fd[1]);
            }
            close(in), close(fd[1]);
            in = fd[0];
        }
        struct timespec moment = {0, random_below(12000000)};
        nanosleep(&moment, NULL);
        int victim = random_below(STAGES);
        kill(p[victim], SIGKILL);
        for (int i = 0; i < STAGES; i++) {
            int st = -1;
            if (waitpid(p[i], &st, 0) != p[i]) strange++;
            // Before the victim: the pipe breaks. Behind it: the stream ends.
            int expected = i == victim ? SIGKILL : i < victim ? SIGPIPE : 0;
            strange += st != expected;
        }
    }
    N(strange);
}
// The same with programs, whole groups, and stops in between.
SECTION(killed_groups) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int strange = 0;
    for (int round = 0; round < 30 * factor(); round++) {
        pid_t p = child();
        if (p == 0) {
            setpgid(0, 0);
            execl("/bin/sh", "sh", "-c", "(yes | cat | cat >/dev/null) & yes | tr y n | cat >/dev/null", NULL);
            _exit(127);
        }
        setpgid(p, p);
        struct timespec moment = {0, random_below(25000000)};
        nanosleep(&moment, NULL);
        for (int i = 0; i < 5; i++) {
            kill(-p, i % 2 ? SIGCONT : SIGSTOP);
            if (random_below(2)) nanosleep(&(struct timespec){0, 300000}, NULL);
        }
        kill(-p, SIGKILL);
        int st = -1;
        strange += waitpid(p, &st, 0) != p || st != SIGKILL;
        // The rest of the group is ours now. A writer may have met the broken pipe first: a group is not killed at once.
        while (waitpid(-p, &st, 0) > 0) strange += st != SIGKILL && st != SIGPIPE;
        strange += kill(-p, 0) == 0;
    }
    N(strange);
}
