//: musl
// semget(2), semop(2), semtimedop(2), semctl(2).
#include "facts.h"
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#ifndef SEM_STAT
#define SEM_STAT 18
#define SEM_INFO 19
#endif

static key_t own_key(int n) { return 0x5b000000 + getpid() * 16 + n; }
static int set(int n) { return MUST(semget(IPC_PRIVATE, n, 0600)); }
static int op(int id, int num, int by, int flags) {
    struct sembuf o = {num, by, flags};
    return S(semop, id, &o, 1);
}
static int value(int id, int num) { return S(semctl, id, num, GETVAL, 0); }
static void gone(int id) { MUST(S(semctl, id, 0, IPC_RMID, 0)); }
struct ds { struct { int key; unsigned uid, gid, cuid, cgid, mode; unsigned short seq, pad; unsigned long a, b; } p; long otime, x, ctime, y; unsigned long nsems, u1, u2; };
static void show_set(int id) {
    struct ds d;
    memset(&d, 0x5a, sizeof d);
    if (S(semctl, id, 0, IPC_STAT, &d) < 0) { printf("stat: %s\n", ename(errno)); return; }
    printf("mode %o uid %u gid %u cuid %u cgid %u nsems %lu otime %d ctime %d rest %lx\n", d.p.mode, d.p.uid, d.p.gid, d.p.cuid,
        d.p.cgid, d.nsems, d.otime != 0, d.ctime != 0, d.u1 | d.u2 | d.x | d.y | d.p.a | d.p.b | d.p.pad);
}
// Waits until so many wait for semaphore num.
static void until_waiting(int id, int num, int cmd, int n) {
    while (S(semctl, id, num, cmd, 0) < n) sleep_ms(1);
}

SECTION(get) {
    key_t k = own_key(0);
    T(semget(k, 3, 0600));
    int id = MUST(semget(k, 3, IPC_CREAT | 0640));
    IS(semget(k, 0, 0) == id);
    IS(semget(k, 2, IPC_CREAT) == id);
    T(semget(k, 4, 0));
    T(semget(k, 3, IPC_CREAT | IPC_EXCL));
    show_set(id);
    gone(id);
    show_set(id);
    T(semget(k, 0, IPC_CREAT));
    T(semget(IPC_PRIVATE, 0, 0));
    T(semget(IPC_PRIVATE, -1, 0));
    T(semget(IPC_PRIVATE, 32001, 0));
    id = MUST(semget(IPC_PRIVATE, 32000, 0600));
    T(op(id, 31999, 1, 0));
    T(value(id, 31999));
    gone(id);
}
SECTION(operations) {
    int id = set(3);
    T(op(id, 0, 2, 0));
    T(op(id, 0, -1, 0));
    T(value(id, 0));
    T(op(id, 0, -2, IPC_NOWAIT));
    T(op(id, 0, 0, IPC_NOWAIT));
    T(op(id, 1, 0, IPC_NOWAIT));
    T(op(id, 3, 1, 0));
    T(op(id, 65535, 1, 0));
    T(op(id, 0, 32767, 0));
    T(op(id, 0, 32766, 0));
    T(op(id, 0, 1, 0));
    T(op(id, 0, -32767, 0));
    T(op(id, 0, -32768, IPC_NOWAIT));
    struct sembuf o[600] = {{0, 1, 0}, {1, 2, 0}, {0, -1, 0}, {0, 0, 0}, {1, -3, IPC_NOWAIT}};
    T(S(semop, id, o, 4));
    printf("%d %d\n", value(id, 0), value(id, 1));
    T(S(semop, id, o, 5));
    printf("%d %d\n", value(id, 0), value(id, 1));
    T(S(semop, id, o, 0));
    T(S(semop, id, o, 500));
    T(S(semop, id, o, 501));
    T(S(semop, id, o, -1));
    T(S(semop, id, hole(), 1));
    T(S(semop, -1, o, 1));
    T(S(semop, -1, o, 0));
    T(S(semop, -1, hole(), 1));
    T(S(semop, 0x7fffffff, o, 1));
    T(S(semctl, id, 0, GETPID, 0) == getpid());
    T(S(semctl, id, 2, GETPID, 0));
    show_set(id);
    gone(id);
}
SECTION(timed) {
    int id = set(1);
    struct sembuf o = {0, -1, 0};
    struct timespec t = {0, 20000000};
    long long a = now_ns();
    T(S(semtimedop, id, &o, 1, &t));
    IS(now_ns() - a >= 20000000);
    t.tv_nsec = 1000000000;
    T(S(semtimedop, id, &o, 1, &t));
    t = (struct timespec){-1, 0};
    T(S(semtimedop, id, &o, 1, &t));
    T(S(semtimedop, id, &o, 1, hole()));
    T(S(semtimedop, id, &o, 501, hole()));
    T(S(semtimedop, id, &o, 501, &t));
    T(S(semtimedop, -1, &o, 1, &t));
    t = (struct timespec){0, 0};
    T(S(semtimedop, id, &o, 1, &t));
    T(op(id, 0, 1, 0));
    T(S(semtimedop, id, &o, 1, &t));
    gone(id);
}
static int child_op(int id, int num, int by, int flags) {
    int pid = fork();
    if (pid) return pid;
    _exit(op(id, num, by, flags) < 0 ? errno : 0);
}
static void ended(const char *who, int pid) {
    int s;
    waitpid(pid, &s, 0);
    printf("%s: %s\n", who, ename(WEXITSTATUS(s)));
}
SECTION(waiting) {
    int id = set(2);
    int a = child_op(id, 0, -2, 0);
    until_waiting(id, 0, GETNCNT, 1);
    int b = child_op(id, 0, -1, 0);
    until_waiting(id, 0, GETNCNT, 2);
    T(S(semctl, id, 0, GETZCNT, 0));
    T(S(semctl, id, 1, GETNCNT, 0));
    // Not enough for the first, but for the second.
    T(op(id, 0, 1, 0));
    ended("b", b);
    T(S(semctl, id, 0, GETNCNT, 0));
    T(op(id, 0, 3, 0));
    ended("a", a);
    T(value(id, 0));
    T(S(semctl, id, 0, GETPID, 0) == a);
    a = child_op(id, 0, 0, 0);
    until_waiting(id, 0, GETZCNT, 1);
    T(S(semctl, id, 0, GETNCNT, 0));
    T(op(id, 0, -1, 0));
    ended("zero", a);
    a = child_op(id, 0, -5, 0);
    until_waiting(id, 0, GETNCNT, 1);
    T(S(semctl, id, 0, SETVAL, 6));
    ended("setval", a);
    T(value(id, 0));
    a = child_op(id, 1, -5, 0);
    until_waiting(id, 1, GETNCNT, 1);
    unsigned short all[2] = {1, 5};
    T(S(semctl, id, 0, SETALL, all));
    ended("setall", a);
    a = child_op(id, 1, -5, 0);
    until_waiting(id, 1, GETNCNT, 1);
    gone(id);
    ended("removed", a);
}
static void nothing(int s) { (void)s; }
SECTION(interrupted) {
    int id = set(1);
    struct sigaction a = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &a, NULL);
    int pid = child_op(id, 0, -1, 0);
    until_waiting(id, 0, GETNCNT, 1);
    kill(pid, SIGUSR1);
    ended("signal", pid);
    T(S(semctl, id, 0, GETNCNT, 0));
    pid = child_op(id, 0, -1, 0);
    until_waiting(id, 0, GETNCNT, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    T(S(semctl, id, 0, GETNCNT, 0));
    gone(id);
}
SECTION(undo) {
    int id = set(2), s;
    MUST(S(semctl, id, 0, SETVAL, 5));
    int pid = fork();
    if (!pid) {
        MUST(op(id, 0, -3, SEM_UNDO));
        MUST(op(id, 1, 4, SEM_UNDO));
        MUST(op(id, 1, 2, 0));
        _exit(0);
    }
    waitpid(pid, &s, 0);
    printf("%d %d\n", value(id, 0), value(id, 1));
    IS(S(semctl, id, 0, GETPID, 0) == pid);
    // Killed, and the undo lets another go on.
    pid = fork();
    if (!pid) {
        MUST(op(id, 0, -5, SEM_UNDO));
        pause();
    }
    while (value(id, 0)) sleep_ms(1);
    int b = child_op(id, 0, -4, 0);
    until_waiting(id, 0, GETNCNT, 1);
    kill(pid, SIGKILL);
    waitpid(pid, &s, 0);
    ended("after the undo", b);
    printf("%d\n", value(id, 0));
    // SETVAL forgets.
    int p[2];
    char c;
    MUST(pipe(p));
    pid = fork();
    if (!pid) {
        MUST(op(id, 0, 3, SEM_UNDO));
        MUST(op(id, 1, 3, SEM_UNDO));
        close(p[1]);
        sleep_ms(1);
        MUST(S(semctl, id, 0, SETVAL, 9));
        _exit(0);
    }
    waitpid(pid, &s, 0);
    printf("%d %d\n", value(id, 0), value(id, 1));
    // Never below zero.
    pid = fork();
    if (!pid) {
        MUST(op(id, 1, 3, SEM_UNDO));
        MUST(op(id, 1, -value(id, 1), 0));
        _exit(0);
    }
    waitpid(pid, &s, 0);
    printf("%d\n", value(id, 1));
    // Not inherited, kept by exec.
    pid = fork();
    if (!pid) {
        MUST(op(id, 0, -1, SEM_UNDO));
        if (!fork()) _exit(0);
        wait(NULL);
        printf("in the parent: %d\n", value(id, 0));
        execl("/bin/sleep", "sleep", "0.01", (char *)NULL);
    }
    waitpid(pid, &s, 0);
    printf("%d\n", value(id, 0));
    T(op(id, 0, -9, SEM_UNDO));
    for (int i = 0; i < 3; i++) T(op(id, 0, 16384, SEM_UNDO | IPC_NOWAIT)), T(op(id, 0, -16384, IPC_NOWAIT));
    (void)c;
    gone(id);
}
static void *undo_in_thread(void *p) { return (void *)(long)op(*(int *)p, 0, 1, SEM_UNDO); }
SECTION(undo_of_threads) {
    int id = set(1), s, pid = fork();
    if (!pid) {
        pthread_t t;
        pthread_create(&t, NULL, undo_in_thread, &id);
        pthread_join(t, NULL);
        // The threads share the list: it is carried out with the last.
        printf("%d\n", value(id, 0));
        _exit(0);
    }
    waitpid(pid, &s, 0);
    printf("%d\n", value(id, 0));
    gone(id);
}
SECTION(unshared) {
    int id = set(1);
    MUST(op(id, 0, 1, SEM_UNDO));
    T(S(unshare, 0x40000));
    T(value(id, 0));
    gone(id);
}
SECTION(control) {
    int id = set(3);
    unsigned short v[3] = {1, 2, 3}, w[4] = {9, 9, 9, 9};
    T(S(semctl, id, 0, SETALL, v));
    T(S(semctl, id, 77, GETALL, w));
    printf("%d %d %d %d\n", w[0], w[1], w[2], w[3]);
    v[1] = 32768;
    T(S(semctl, id, 0, SETALL, v));
    T(S(semctl, id, 0, SETALL, hole()));
    T(S(semctl, id, 0, GETALL, hole()));
    T(S(semctl, id, 0, SETVAL, 32767));
    T(S(semctl, id, 0, SETVAL, 32768));
    T(S(semctl, id, 0, SETVAL, -1));
    T(S(semctl, id, 3, SETVAL, 1));
    T(S(semctl, id, 3, SETVAL, -1));
    T(S(semctl, id, -1, SETVAL, 1));
    T(S(semctl, id, 3, GETVAL, 0));
    T(S(semctl, id, -1, GETPID, 0));
    T(S(semctl, id, 3, GETNCNT, 0));
    T(S(semctl, id, 3, GETZCNT, 0));
    T(S(semctl, id, 0, 99, 0));
    T(S(semctl, id, 0, -1, 0));
    T(S(semctl, -1, 0, GETVAL, 0));
    T(S(semctl, 0x7fffffff, 0, GETVAL, 0));
    T(S(semctl, 0x7fffffff, 0, SETVAL, -1));
    T(S(semctl, 0x7fffffff, 0, SETVAL, 1));
    struct ds d;
    MUST(S(semctl, id, 0, IPC_STAT, &d));
    d.p.mode = 0444, d.p.uid = 3, d.p.gid = 4;
    T(S(semctl, id, 0, IPC_SET, &d));
    show_set(id);
    d.p.gid = -1;
    T(S(semctl, id, 0, IPC_SET, &d));
    T(S(semctl, id, 0, IPC_SET, hole()));
    T(S(semctl, id, 0, IPC_STAT, hole()));
    T(S(semctl, 0x7fffffff, 0, IPC_SET, hole()));
    IS(S(semctl, id & 0x7fff, 0, SEM_STAT, &d) == id);
    IS(S(semctl, id & 0x7fff, 0, 20, &d) == id);
    T(S(semctl, 0x7fffffff, 0, SEM_STAT, &d));
    gone(id);
    T(S(semctl, id, 0, IPC_RMID, 0));
    int i[10];
    memset(i, 0x5a, sizeof i);
    OK(S(semctl, 0, 0, IPC_INFO, i));
    for (int n = 0; n < 10; n++) printf("%d ", i[n]);
    puts("");
    T(S(semctl, 0, 0, IPC_INFO, hole()));
    OK(S(semctl, 0, 0, SEM_INFO, i));
    for (int n = 0; n < 10; n++) printf("%d ", n == 7 || n == 9 ? 0 : i[n]);
    puts("");
}
SECTION(permissions) {
    key_t k = own_key(1);
    int id = MUST(semget(k, 1, IPC_CREAT | 0604));
    int pid = fork();
    if (!pid) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        struct ds d;
        IS(semget(k, 1, 0) == id);
        IS(semget(k, 1, 04) == id);
        T(semget(k, 1, 06));
        T(op(id, 0, 0, 0));
        T(op(id, 0, 1, 0));
        T(op(id, 1, 1, 0));
        T(S(semctl, id, 0, GETVAL, 0));
        T(S(semctl, id, 0, SETVAL, 1));
        T(S(semctl, id, 1, SETVAL, 1));
        T(S(semctl, id, 0, SETALL, hole()));
        T(S(semctl, id, 0, IPC_STAT, &d));
        T(S(semctl, id, 0, IPC_SET, &d));
        T(S(semctl, id, 0, IPC_RMID, 0));
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    struct ds d;
    MUST(S(semctl, id, 0, IPC_STAT, &d));
    d.p.mode = 0600;
    MUST(S(semctl, id, 0, IPC_SET, &d));
    pid = fork();
    if (!pid) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        T(op(id, 0, 0, 0));
        T(S(semctl, id, 0, GETVAL, 0));
        T(S(semctl, id, 5, GETVAL, 0));
        T(S(semctl, id & 0x7fff, 0, SEM_STAT, &d));
        IS(S(semctl, id & 0x7fff, 0, 20, &d) == id);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    gone(id);
}
SECTION(in_proc) {
    show("/proc/sys/kernel/sem");
    char line[256];
    int id = set(4);
    FILE *f = fopen("/proc/sysvipc/sem", "r");
    fgets(line, sizeof line, f);
    fputs(line, stdout);
    while (fgets(line, sizeof line, f)) {
        int k, i, used;
        unsigned mode, n, uid, gid, cuid, cgid;
        long otime, ctime;
        if (sscanf(line, "%d %d %o %u %u %u %u %u %ld %ld%n", &k, &i, &mode, &n, &uid, &gid, &cuid, &cgid, &otime, &ctime, &used) == 10 && i == id)
            printf("%zu: %d %o %u %u %u %u %u %ld %d\n", strlen(line), k, mode, n, uid, gid, cuid, cgid, otime, ctime != 0);
    }
    fclose(f);
    gone(id);
}
SECTION(many_processes) {
    // A mutex and a counter that only it protects.
    int id = set(1);
    volatile int *n = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(S(semctl, id, 0, SETVAL, 1));
    for (int i = 0; i < 6; i++)
        if (!fork()) {
            for (int j = 0; j < 500; j++) {
                MUST(op(id, 0, -1, SEM_UNDO));
                int v = *n;
                if (j % 50 == 0) sched_yield();
                *n = v + 1;
                MUST(op(id, 0, 1, SEM_UNDO));
            }
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    printf("%d %d\n", *n, value(id, 0));
    gone(id);
}
