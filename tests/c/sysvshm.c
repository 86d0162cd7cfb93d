//: musl
// shmget(2), shmat(2), shmdt(2), shmctl(2).
#include "facts.h"
#include <grp.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#ifndef SHM_STAT
#define SHM_STAT 13
#define SHM_INFO 14
#endif
#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif

static key_t own_key(int n) { return 0x5a000000 + getpid() * 16 + n; }
static void show_shm(int id) {
    struct shmid_ds d;
    memset(&d, 0x5a, sizeof d);
    if (shmctl(id, IPC_STAT, &d) < 0) { printf("stat: %s\n", ename(errno)); return; }
    printf("mode %o uid %u gid %u cuid %u cgid %u size %lu nattch %lu cpid %d lpid %d atime %d dtime %d ctime %d\n",
        d.shm_perm.mode, d.shm_perm.uid, d.shm_perm.gid, d.shm_perm.cuid, d.shm_perm.cgid, (unsigned long)d.shm_segsz,
        (unsigned long)d.shm_nattch, d.shm_cpid == getpid(), d.shm_lpid == getpid(), d.shm_atime != 0, d.shm_dtime != 0,
        d.shm_ctime != 0);
}
static int attached(int id) {
    struct shmid_ds d;
    return shmctl(id, IPC_STAT, &d) < 0 ? -1 : (int)d.shm_nattch;
}
static int segment(size_t size) { return MUST(shmget(IPC_PRIVATE, size, 0600)); }
static void gone(int id) { MUST(shmctl(id, IPC_RMID, NULL)); }

SECTION(get) {
    key_t k = own_key(0);
    T(shmget(k, 100, 0600));
    int id = MUST(shmget(k, 100, IPC_CREAT | 0640));
    IS(shmget(k, 0, 0) == id);
    IS(shmget(k, 100, IPC_CREAT) == id);
    IS(shmget(k, 100, 0640) == id);
    T(shmget(k, 101, 0));
    T(shmget(k, 100, IPC_CREAT | IPC_EXCL));
    T(shmget(k, 0, IPC_CREAT | IPC_EXCL));
    show_shm(id);
    gone(id);
    T(shmget(k, 100, 0600));
    T(shmget(k, 0, IPC_CREAT | 0600));
    T(shmget(IPC_PRIVATE, 0, 0600));
    T(shmget(IPC_PRIVATE, -1ul, 0600));
    T(shmget(IPC_PRIVATE, 1ul << 62, 0600));
    T(shmget(IPC_PRIVATE, 1ul << 46, 0600));
    T(shmctl(id, IPC_STAT, NULL));
    T(shmctl(id, IPC_RMID, NULL));
    T(shmat(id, NULL, 0) == (void *)-1);
    T(S(shmat, id, NULL, 0));
}
SECTION(attach) {
    int id = segment(3 * PAGE + 5);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    IS(a != (char *)-1 && b != (char *)-1 && a != b);
    strcpy(a + 3 * PAGE, "seen");
    IS(!strcmp(b + 3 * PAGE, "seen"));
    N(a[0]);
    show_shm(id);
    T(S(mprotect, b, PAGE, PROT_READ | PROT_WRITE));
    T(S(mprotect, a, PAGE, PROT_READ));
    N(attached(id));
    T(S(shmdt, a + PAGE));
    T(S(shmdt, a + 1));
    T(S(shmdt, a));
    T(S(shmdt, a));
    T(S(shmdt, 0));
    T(S(shmdt, hole()));
    N(attached(id));
    show_shm(id);
    T(S(shmdt, b));
    N(attached(id));
    gone(id);
    show_shm(id);
}
SECTION(attach_at) {
    int id = segment(2 * PAGE);
    char *room = pages(16, PROT_READ | PROT_WRITE);
    munmap(room + 4 * PAGE, 8 * PAGE);
    T(S(shmat, id, room, 0));
    T(S(shmat, id, room + 3 * PAGE, 0));
    T(S(shmat, id, room + 11 * PAGE, 0));
    IS(S(shmat, id, room + 4 * PAGE, 0) == (long)(room + 4 * PAGE));
    T(S(shmat, id, room + 4 * PAGE, 0));
    T(S(shmat, id, room + 6 * PAGE + 5, 0));
    IS(S(shmat, id, room + 6 * PAGE + 5, SHM_RND) == (long)(room + 6 * PAGE));
    IS(S(shmat, id, room, SHM_REMAP) == (long)room);
    N(attached(id));
    IS(S(shmat, id, room + 6 * PAGE + 9, SHM_REMAP | SHM_RND) == (long)(room + 6 * PAGE));
    N(attached(id));
    T(S(shmat, id, NULL, SHM_REMAP));
    T(S(shmat, id, 5, SHM_REMAP | SHM_RND));
    T(S(shmat, id, -PAGE, 0));
    T(S(shmat, id, -PAGE, SHM_REMAP));
    T(S(shmat, -1, NULL, 0));
    T(S(shmat, 0x7fffffff, NULL, 0));
    strcpy(room, "through");
    IS(!strcmp(room + 4 * PAGE, "through"));
    munmap(room + 4 * PAGE, PAGE);
    N(attached(id));
    T(S(shmdt, room + 4 * PAGE));
    N(attached(id));
    T(S(shmdt, room + 5 * PAGE));
    gone(id);
    N(attached(id));
}
SECTION(pieces) {
    int id = segment(4 * PAGE);
    char *a = shmat(id, NULL, 0);
    munmap(a + PAGE, PAGE);
    N(attached(id));
    char *moved = mremap(a + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages(1, PROT_READ));
    IS(moved != MAP_FAILED);
    N(attached(id));
    T(S(shmdt, a));
    N(attached(id));
    munmap(moved, PAGE);
    N(attached(id));
    gone(id);
}
SECTION(executable) {
    int id = segment(PAGE);
    char *x = shmat(id, NULL, SHM_EXEC);
    IS(x == (char *)-1);
    gone(id);
    id = MUST(shmget(IPC_PRIVATE, PAGE, 0700));
    x = shmat(id, NULL, SHM_EXEC);
    memcpy(x, "\xb8\x2a\x00\x00\x00\xc3", 6);
    N(((int (*)(void))(void *)x)());
    gone(id);
}
SECTION(processes) {
    int id = segment(PAGE);
    volatile int *p = shmat(id, NULL, 0);
    int child = fork();
    if (!child) {
        N(attached(id));
        *p = 42;
        MUST(shmdt((void *)p));
        N(attached(id));
        p = shmat(id, NULL, 0);
        N(*p);
        *p = 43;
        _exit(0);
    }
    waitpid(child, NULL, 0);
    N(*p);
    N(attached(id));
    struct shmid_ds d;
    MUST(shmctl(id, IPC_STAT, &d));
    IS(d.shm_lpid == child);
    IS(d.shm_dtime != 0);
    child = fork();
    if (!child) { *p = 7; kill(getpid(), SIGKILL); }
    waitpid(child, NULL, 0);
    N(*p);
    N(attached(id));
    child = vfork();
    if (!child) _exit(0);
    waitpid(child, NULL, 0);
    N(attached(id));
    child = fork();
    if (!child) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    N(attached(id));
    gone(id);
    show_shm(id);
    T(S(shmat, id, NULL, 0) > 0);
    N(attached(id));
    child = fork();
    if (!child) _exit(attached(id));
    int status;
    waitpid(child, &status, 0);
    X(status);
    *p = 5;
    MUST(shmdt((void *)p));
    N(attached(id));
}
SECTION(dest_and_exec) {
    int id = segment(PAGE), p[2];
    MUST(pipe(p));
    int child = fork();
    if (!child) {
        char *a = shmat(id, NULL, 0);
        strcpy(a, "x");
        MUST(shmctl(id, IPC_RMID, NULL));
        N(attached(id));
        execl("/bin/sleep", "sleep", "0", (char *)NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    N(attached(id));
    T(shmctl(id, IPC_RMID, NULL));
}
SECTION(control) {
    struct shmid_ds d;
    int id = segment(100);
    MUST(shmctl(id, IPC_STAT, &d));
    d.shm_perm.mode = 07654;
    d.shm_perm.uid = 5;
    d.shm_perm.gid = 6;
    T(shmctl(id, IPC_SET, &d));
    show_shm(id);
    d.shm_perm.uid = -1;
    T(shmctl(id, IPC_SET, &d));
    T(shmctl(id, SHM_LOCK, NULL));
    show_shm(id);
    T(shmctl(id, SHM_UNLOCK, NULL));
    show_shm(id);
    T(S(shmctl, id, IPC_STAT, hole()));
    T(S(shmctl, id, IPC_SET, hole()));
    T(S(shmctl, -5, IPC_SET, hole()));
    T(S(shmctl, 0x7fffffff, IPC_SET, hole()));
    T(S(shmctl, 0x7fffffff, IPC_SET, &d));
    T(S(shmctl, id, -1, &d));
    T(S(shmctl, id, 99, &d));
    T(S(shmctl, 0x7fffffff, 99, &d));
    T(S(shmctl, 0x7fffffff, SHM_STAT, &d));
    T(S(shmctl, 0x7fffffff, IPC_STAT, &d));
    T(S(shmctl, 0x7fffffff, SHM_LOCK, &d));
    IS(shmctl(id & 0x7fff, SHM_STAT, &d) == id);
    IS(S(shmctl, id & 0x7fff, 15, &d) == id);
    IS(S(shmctl, id, 15, &d) == id);
    gone(id);
    T(S(shmctl, id & 0x7fff, SHM_STAT, &d) != id);
}
SECTION(permissions) {
    int id = MUST(shmget(own_key(1), PAGE, IPC_CREAT | 0640)), other = segment(PAGE);
    key_t k = own_key(1);
    struct shmid_ds d;
    MUST(shmctl(id, IPC_STAT, &d));
    int child = fork();
    if (!child) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        IS(shmget(k, 0, 0) == id);
        T(shmget(k, 0, 0400));
        T(shmget(k, 0, 0200));
        T(shmget(k, 0, 0004));
        T(S(shmat, id, NULL, 0));
        T(S(shmat, id, NULL, SHM_RDONLY));
        T(shmctl(id, IPC_STAT, &d));
        T(shmctl(id, IPC_SET, &d));
        T(shmctl(id, IPC_RMID, NULL));
        T(shmctl(id, SHM_LOCK, NULL));
        T(S(shmctl, id & 0x7fff, SHM_STAT, &d));
        IS(S(shmctl, id & 0x7fff, 15, &d) == id);
        T(S(shmat, other, NULL, 0));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    d.shm_perm.mode = 0604;
    MUST(shmctl(id, IPC_SET, &d));
    child = fork();
    if (!child) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        T(S(shmat, id, NULL, 0));
        T(S(shmat, id, NULL, SHM_RDONLY) > 0);
        T(shmctl(id, IPC_STAT, &d));
        int mine = segment(10);
        T(shmctl(mine, SHM_LOCK, NULL));
        struct { unsigned long a, b; } zero = {0, 0};
        MUST(S(prlimit64, 0, 8, &zero, NULL));
        T(shmctl(mine, SHM_LOCK, NULL));
        show_shm(mine);
        gone(mine);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    gone(id);
    gone(other);
}
static void line_of(const char *path, int column, int id) {
    char line[512];
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        int n = 0, at = 0;
        char *words[20], *copy = strdup(line);
        for (char *w = strtok(copy, " \n"); w && n < 20; w = strtok(NULL, " \n")) words[n++] = w;
        if (n > column && strcmp(words[0], "key") && atoi(words[column]) == id) {
            printf("length %zu:", strlen(line));
            for (at = 2; at < n; at++) {
                // Process ids and times are not the same each time.
                int hidden = at == 4 || at == 5 || (at >= 11 && at <= 13);
                printf(" %s", hidden && strcmp(words[at], "0") ? "*" : words[at]);
            }
            putchar('\n');
        }
        free(copy);
    }
    if (f) fclose(f);
}
SECTION(in_proc) {
    show("/proc/sys/kernel/shmmax");
    show("/proc/sys/kernel/shmall");
    show("/proc/sys/kernel/shmmni");
    char line[512], want[64], *found = NULL;
    FILE *f = fopen("/proc/sysvipc/shm", "r");
    fgets(line, sizeof line, f);
    fclose(f);
    fputs(line, stdout);
    int id = segment(5000);
    line_of("/proc/sysvipc/shm", 1, id);
    char *a = shmat(id, NULL, 0);
    a[0] = 1;
    line_of("/proc/sysvipc/shm", 1, id);
    snprintf(want, sizeof want, "%lx-%lx rw-s 00000000 00:01 %d ", (long)a, (long)a + 8192, id);
    f = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, want, strlen(want))) found = line + 73, fputs(found, stdout);
    IS(found != NULL);
    gone(id);
    line_of("/proc/sysvipc/shm", 1, id);
    T(open("/proc/sysvipc/none", O_RDONLY));
    T(open("/proc/sysvipc/shm", O_RDONLY) > 0);
}
SECTION(information) {
    struct { unsigned long max, min, mni, seg, all, unused[4]; } i;
    memset(&i, 0x5a, sizeof i);
    OK(S(shmctl, 0, IPC_INFO, &i));
    printf("%lx %lu %lu %lu %lx %lu\n", i.max, i.min, i.mni, i.seg, i.all, i.unused[3]);
    struct { int used; unsigned long tot, rss, swp, a, b; } s, t;
    int highest = MUST(S(shmctl, 0, SHM_INFO, &s)), id = segment(5 * PAGE);
    IS(S(shmctl, 0, SHM_INFO, &t) >= highest);
    IS(t.used > 0 && t.tot >= 5);
    gone(id);
    T(S(shmctl, 0, IPC_INFO, hole()));
    T(S(shmctl, 0, SHM_INFO, hole()));
    T(S(shmctl, -1, IPC_INFO, &i));
}
SECTION(mutex_between_processes) {
    int id = segment(PAGE);
    volatile int *p = shmat(id, NULL, 0);
    int child = fork();
    if (!child) {
        // A futex in it is known in both processes, whatever the address.
        volatile int *q = shmat(id, NULL, 0);
        sleep_ms(20);
        q[0] = 1;
        MUST(S(futex, q, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0));
        _exit(0);
    }
    while (p[0] == 0) S(futex, p, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
    waitpid(child, NULL, 0);
    N(p[0]);
    gone(id);
}
