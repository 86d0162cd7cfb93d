//: musl
// futex(2) with owners: LOCK_PI and its kin, robust lists; futex_waitv(2); the calls of the second interface.
#include "facts.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#define P FUTEX_PRIVATE_FLAG
#define OWNER(w) ((w) & FUTEX_TID_MASK)

static uint32_t w, v;
static long fx(void *a, int op, long val, const void *t, void *b, long val3) { return S(futex, a, op, val, t, b, val3); }
static void state(const char *what, uint32_t x) {
    printf("%s: %s%s%s\n", what, OWNER(x) == 0 ? "free" : OWNER(x) == (uint32_t)self_tid() ? "mine" : "another's", x & FUTEX_WAITERS ? " waiters" : "", x & FUTEX_OWNER_DIED ? " died" : "");
}
struct job { int op; uint32_t *word; const struct timespec *t; volatile int tid; volatile int result; volatile int done; volatile int release; };
static void *locker(void *p) {
    struct job *j = p;
    j->tid = self_tid();
    errno = 0;
    long r = fx(j->word, j->op, 0, j->t, NULL, 0);
    j->result = r < 0 ? errno : 0;
    j->done = 1;
    while (!j->release) sleep_ms(1);
    if (r == 0 && j->release == 1) fx(j->word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return NULL;
}
static pthread_t start(struct job *j) { pthread_t t; j->tid = j->done = j->release = 0; pthread_create(&t, NULL, locker, j); while (!j->tid) sleep_ms(1); return t; }
static void wait_waiters(uint32_t *x) { while (!(*(volatile uint32_t *)x & FUTEX_WAITERS)) sleep_ms(1); }

SECTION(alone) {
    w = 0;
    T(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    state("locked", w);
    T(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    state("unlocked", w);
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_TRYLOCK_PI | P, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI | P, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI2, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    w = FUTEX_OWNER_DIED;
    T(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    state("died before", w);
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    w = 4000000;
    T(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}
SECTION(arguments) {
    struct timespec bad = {0, 1000000000}, neg = {-1, 0};
    w = 0;
    T(fx(NULL, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(hole(), FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(hole(), FUTEX_LOCK_PI | P, 0, NULL, NULL, 0));
    T(fx(hole(), FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    T(fx(hole(), FUTEX_TRYLOCK_PI | P, 0, NULL, NULL, 0));
    T(fx((char *)&w + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx((char *)&w + 2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI, 0, &bad, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI, 0, &neg, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI, 0, hole(), NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI2, 0, &bad, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &neg, NULL, 0));
    T(fx(&w, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAIT_BITSET, 1, NULL, NULL, 1));
    T(fx(&w, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    T(fx(&w, 14, 0, NULL, NULL, 0));
    T(fx(&w, 99, 0, NULL, NULL, 0));
    T(fx(&w, 2, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAIT, 1, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAIT, 0, &bad, NULL, 0));
    T(fx(&w, FUTEX_WAKE, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_WAKE, -1, NULL, NULL, 0));
    T(fx(&w, FUTEX_REQUEUE, -1, NULL, &v, 0));
    T(fx(&w, FUTEX_REQUEUE, 0, (void *)-1l, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE, 1, (void *)1l, &v, 1));
    T(fx(&w, FUTEX_CMP_REQUEUE, 1, (void *)1l, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE, 1, (void *)1l, hole(), 0));
    T(fx(&w, FUTEX_CMP_REQUEUE, 1, (void *)1l, (char *)&v + 1, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1l, &w, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 2, (void *)1l, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)-1l, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1l, &v, 1));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1l, &v, 0));
    T(fx(&w, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &w, 0));
    T(fx(&w, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &v, 0));
    T(fx(&w, FUTEX_WAIT_REQUEUE_PI, 0, &bad, &v, 0));
    T(fx(&w, FUTEX_WAKE_OP, 1, (void *)1l, &v, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
    N(v);
    T(fx(&w, FUTEX_WAKE_OP, 1, (void *)1l, &v, FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4, FUTEX_OP_CMP_GT, 0)));
    N(v);
    T(fx(&w, FUTEX_WAKE_OP, 1, (void *)1l, &v, FUTEX_OP(7, 5, FUTEX_OP_CMP_EQ, 0)));
    T(fx(&w, FUTEX_WAKE_OP, 1, (void *)1l, hole(), 0));
    T(fx(&w, FUTEX_WAKE_OP, 1, (void *)1l, (char *)&v + 1, 0));
}
SECTION(handed_over) {
    struct job j = {FUTEX_LOCK_PI, &w, NULL, 0, 0, 0, 0};
    w = 0;
    MUST(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    pthread_t t = start(&j);
    wait_waiters(&w);
    state("contended", w);
    T(fx(&w, FUTEX_WAKE, 1, NULL, NULL, 0));
    sleep_ms(20);
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    while (!j.done) sleep_ms(1);
    N(j.result);
    IS(OWNER(w) == (uint32_t)j.tid);
    T(fx(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    j.release = 1;
    T(fx(&w, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    pthread_join(t, NULL);
    IS(OWNER(w) == (uint32_t)self_tid());
    T(fx(&w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    N(w);
}
SECTION(timed_out) {
    struct timespec t;
    struct job j = {FUTEX_LOCK_PI, &w, NULL, 0, 0, 0, 0};
    w = 0;
    pthread_t th = start(&j);
    while (!j.done) sleep_ms(1);
    clock_gettime(CLOCK_REALTIME, &t);
    T(fx(&w, FUTEX_LOCK_PI, 0, &t, NULL, 0));
    t.tv_sec = 0;
    T(fx(&w, FUTEX_LOCK_PI, 0, &t, NULL, 0));
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    long long a = now_ns();
    T(fx(&w, FUTEX_LOCK_PI2, 0, &t, NULL, 0));
    IS(now_ns() - a >= 15000000);
    clock_gettime(CLOCK_REALTIME, &t);
    T(fx(&w, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 0));
    state("after", w);
    j.release = 1;
    pthread_join(th, NULL);
    N(w);
}
static uint32_t a1, a2;
static volatile int got[2];
static void *crossing(void *p) {
    fx(&a2, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    got[1] = 1;
    while (!got[0]) sleep_ms(1);
    long r = fx(&a1, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    (void)p;
    if (r == 0) fx(&a1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    fx(&a2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return (void *)(r ? (long)errno : 0);
}
SECTION(deadlock) {
    pthread_t t;
    void *r;
    got[0] = got[1] = 0;
    MUST(fx(&a1, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    pthread_create(&t, NULL, crossing, NULL);
    while (!got[1]) sleep_ms(1);
    got[0] = 1;
    wait_waiters(&a1);
    sleep_ms(20);
    T(fx(&a2, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(&a1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    pthread_join(t, &r);
    N((long)r);
    printf("%u %u\n", OWNER(a1), OWNER(a2));
}
SECTION(owner_ends) {
    // Without a robust list: who waits gets it, and learns that the owner died.
    struct job j = {FUTEX_LOCK_PI, &w, NULL, 0, 0, 0, 0};
    w = 0;
    pthread_t t = start(&j);
    while (!j.done) sleep_ms(1);
    struct job k = {FUTEX_LOCK_PI, &w, NULL, 0, 0, 0, 0};
    pthread_t u = start(&k);
    wait_waiters(&w);
    sleep_ms(20);
    j.release = 2;
    pthread_join(t, NULL);
    while (!k.done) sleep_ms(1);
    N(k.result);
    IS(OWNER(w) == (uint32_t)k.tid);
    IS((w & FUTEX_OWNER_DIED) != 0);
    k.release = 1;
    pthread_join(u, NULL);
    N(w);
}
static void *requeue_waiter(void *p) {
    struct job *j = p;
    j->tid = self_tid();
    errno = 0;
    long r = fx(&w, FUTEX_WAIT_REQUEUE_PI, 0, j->t, &v, 0);
    j->result = r < 0 ? errno : 0;
    j->done = 1;
    if (r == 0) {
        while (!j->release) sleep_ms(1);
        fx(&v, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    }
    return NULL;
}
SECTION(requeue_pi) {
    pthread_t t[3];
    struct job j[3] = {{0}};
    w = v = 0;
    for (int i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, requeue_waiter, &j[i]);
        while (!j[i].tid) sleep_ms(1);
        sleep_ms(20);
    }
    T(fx(&w, FUTEX_WAKE, 1, NULL, NULL, 0));
    T(fx(&w, FUTEX_REQUEUE, 1, (void *)1l, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)5l, &a1, 0));
    MUST(fx(&v, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1l, &v, 0));
    IS((v & FUTEX_WAITERS) != 0);
    T(fx(&v, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    while (!j[0].done) sleep_ms(1);
    IS(OWNER(v) == (uint32_t)j[0].tid);
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)5l, &v, 0));
    j[0].release = j[1].release = j[2].release = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    printf("%d %d %d\n", j[0].result, j[1].result, j[2].result);
    N(OWNER(v));
    // Free: the first gets it at once.
    v = 0;
    memset(j, 0, sizeof j);
    pthread_create(&t[0], NULL, requeue_waiter, &j[0]);
    while (!j[0].tid) sleep_ms(1);
    sleep_ms(20);
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)0l, &v, 0));
    while (!j[0].done) sleep_ms(1);
    IS(OWNER(v) == (uint32_t)j[0].tid);
    j[0].release = 1;
    pthread_join(t[0], NULL);
    struct timespec past = {1, 0};
    j[0].t = &past;
    T(fx(&w, FUTEX_WAIT_REQUEUE_PI, 0, &past, &v, 0));
    T(fx(&w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1l, &v, 0));
}
static pthread_mutex_t *shared_mutex(int robust, int inherit) {
    pthread_mutex_t *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    if (inherit) printf("protocol: %d\n", pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
    printf("init: %d\n", pthread_mutex_init(m, &a));
    return m;
}
static void robust(int inherit) {
    pthread_mutex_t *m = shared_mutex(1, inherit);
    int p[2], q[2];
    char c;
    MUST(pipe(p));
    MUST(pipe(q));
    // One that dies with it, nobody waiting.
    int pid = fork();
    if (!pid) { pthread_mutex_lock(m); _exit(0); }
    waitpid(pid, NULL, 0);
    printf("lock: %s\n", ename(pthread_mutex_lock(m)));
    printf("consistent: %s\n", ename(pthread_mutex_consistent(m)));
    printf("unlock: %s\n", ename(pthread_mutex_unlock(m)));
    // One that is killed while another waits.
    pid = fork();
    if (!pid) { pthread_mutex_lock(m); write(p[1], "x", 1); pause(); }
    read(p[0], &c, 1);
    int waiter = fork();
    if (!waiter) {
        write(p[1], "x", 1);
        int r = pthread_mutex_lock(m);
        printf("waiter: %s\n", ename(r));
        pthread_mutex_consistent(m);
        printf("waiter: %s\n", ename(pthread_mutex_unlock(m)));
        _exit(0);
    }
    read(p[0], &c, 1);
    sleep_ms(30);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    waitpid(waiter, NULL, 0);
    // Unlocked without making it consistent: lost for good.
    pid = fork();
    if (!pid) { pthread_mutex_lock(m); _exit(0); }
    waitpid(pid, NULL, 0);
    printf("lock: %s\n", ename(pthread_mutex_lock(m)));
    printf("unlock: %s\n", ename(pthread_mutex_unlock(m)));
    int r = pthread_mutex_lock(m);
    printf("lock: %s\n", r == 131 ? "ENOTRECOVERABLE" : ename(r));
}
SECTION(robust_mutex) { robust(0); }
#ifdef __GLIBC__
SECTION(robust_pi_mutex) { robust(1); }
#endif
static pthread_mutex_t *contended;
static int *counter;
static void count_up(void) {
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(contended);
        int n = *counter;
        if (i % 100 == 0) sched_yield();
        *counter = n + 1;
        pthread_mutex_unlock(contended);
    }
}
static void *count_thread(void *p) { (void)p; count_up(); return NULL; }
static void contention(int inherit) {
    contended = shared_mutex(0, inherit);
    counter = (int *)(contended + 4);
    for (int i = 0; i < 3; i++)
        if (!fork()) {
            pthread_t t;
            pthread_create(&t, NULL, count_thread, NULL);
            count_up();
            pthread_join(t, NULL);
            _exit(0);
        }
    while (wait(NULL) > 0) {}
    N(*counter);
}
SECTION(contended_mutex) { contention(0); }
SECTION(contended_pi_mutex) { contention(1); }
struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
static void *wake_later(void *p) { sleep_ms(30); while (fx(p, FUTEX_WAKE | P, 1, NULL, NULL, 0) == 0) sleep_ms(1); return NULL; }
SECTION(waitv) {
    uint32_t x[3] = {1, 2, 3};
    struct waitv f[130];
    struct timespec t = {0, 1};
    pthread_t th;
    memset(f, 0, sizeof f);
    for (int i = 0; i < 130; i++) f[i] = (struct waitv){x[i % 3], (uintptr_t)&x[i % 3], 2 | 128, 0};
    pthread_create(&th, NULL, wake_later, &x[1]);
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    pthread_join(th, NULL);
    T(S(futex_waitv, f, 3, 0, &t, CLOCK_MONOTONIC));
    T(S(futex_waitv, f, 128, 0, &t, CLOCK_REALTIME));
    T(S(futex_waitv, f, 129, 0, &t, CLOCK_MONOTONIC));
    T(S(futex_waitv, f, 0, 0, &t, CLOCK_MONOTONIC));
    T(S(futex_waitv, NULL, 1, 0, &t, CLOCK_MONOTONIC));
    T(S(futex_waitv, f, 1, 1, &t, CLOCK_MONOTONIC));
    T(S(futex_waitv, f, 1, 0, &t, 7));
    T(S(futex_waitv, f, 1, 0, hole(), CLOCK_MONOTONIC));
    T(S(futex_waitv, hole(), 1, 0, NULL, 0));
    t.tv_nsec = -1;
    T(S(futex_waitv, f, 1, 0, &t, CLOCK_MONOTONIC));
    f[2].val = 9;
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    f[2].reserved = 1;
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    f[2] = (struct waitv){3, (uintptr_t)&x[2] + 1, 2, 0};
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    f[2] = (struct waitv){3, (uintptr_t)hole(), 2, 0};
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    for (int flags = 0; flags < 4; flags++) {
        f[2] = (struct waitv){3, (uintptr_t)&x[2], flags, 0};
        t = (struct timespec){0, 1};
        T(S(futex_waitv, f, 3, 0, &t, CLOCK_MONOTONIC));
    }
    f[2] = (struct waitv){1ul << 32 | 3, (uintptr_t)&x[2], 2, 0};
    T(S(futex_waitv, f, 3, 0, NULL, 0));
    f[2] = (struct waitv){3, (uintptr_t)&x[2], 2 | 16, 0};
    T(S(futex_waitv, f, 3, 0, NULL, 0));
}
static void *wait2(void *p) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_sec += 20; return (void *)S(futex_wait, p, 0ul, ~0u + 0ul, 2 | 128, &t, CLOCK_MONOTONIC); }
SECTION(second_interface) {
    pthread_t t;
    void *r;
    struct timespec past = {1, 0};
    w = v = 0;
    pthread_create(&t, NULL, wait2, &w);
    while (S(futex_wake, &w, ~0u + 0ul, 1, 2 | 128) != 1) sleep_ms(1);
    pthread_join(t, &r);
    N((long)r);
    T(S(futex_wake, &w, 1ul, 0, 2));
    T(S(futex_wake, &w, 0ul, 1, 2));
    T(S(futex_wake, &w, 1ul, 1, 1));
    T(S(futex_wake, &w, 1ul, 1, 0x12));
    T(S(futex_wake, &w, 1ul << 32, 1, 2));
    T(S(futex_wake, (char *)&w + 1, 1ul, 1, 2));
    T(S(futex_wake, hole(), 1ul, 1, 2));
    T(S(futex_wait, &w, 1ul, 1ul, 2, NULL, 0));
    T(S(futex_wait, &w, 0ul, 1ul, 2, &past, CLOCK_MONOTONIC));
    T(S(futex_wait, &w, 0ul, 1ul, 2, &past, CLOCK_REALTIME));
    T(S(futex_wait, &w, 0ul, 1ul, 2, &past, 5));
    T(S(futex_wait, &w, 0ul, 0ul, 2, NULL, 0));
    T(S(futex_wait, &w, 1ul << 32, 1ul, 2, NULL, 0));
    T(S(futex_wait, hole(), 0ul, 1ul, 2, NULL, 0));
    struct waitv f[2] = {{0, (uintptr_t)&w, 2 | 128, 0}, {0, (uintptr_t)&v, 2 | 128, 0}};
    pthread_create(&t, NULL, wait2, &w);
    while (S(futex_requeue, f, 0, 0, 1) != 1) sleep_ms(1);
    T(S(futex_wake, &w, ~0u + 0ul, 1, 2 | 128));
    T(S(futex_wake, &v, ~0u + 0ul, 1, 2 | 128));
    pthread_join(t, &r);
    N((long)r);
    T(S(futex_requeue, f, 1, 0, 1));
    T(S(futex_requeue, NULL, 0, 0, 1));
    T(S(futex_requeue, hole(), 0, 0, 1));
    T(S(futex_requeue, f, 0, -1, 1));
    T(S(futex_requeue, f, 0, 0, -1));
    f[0].val = 7;
    T(S(futex_requeue, f, 0, 0, 1));
}
SECTION(robust_lists_of_others) {
    void *head;
    size_t len = 0;
    int p[2];
    char c;
    MUST(pipe(p));
    int pid = fork();
    if (!pid) { write(p[1], "x", 1); pause(); }
    read(p[0], &c, 1);
    T(S(get_robust_list, pid, &head, &len));
    N(len);
    T(S(get_robust_list, 4000000, &head, &len));
    T(S(get_robust_list, 0, hole(), &len));
    T(S(get_robust_list, 0, &head, hole()));
    T(S(set_robust_list, head, 23));
    int q = fork();
    if (!q) {
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        T(S(get_robust_list, pid, &head, &len));
        T(S(get_robust_list, 0, &head, &len));
        _exit(0);
    }
    waitpid(q, NULL, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    T(S(get_robust_list, pid, &head, &len));
}
static void nothing(int s) { (void)s; }
SECTION(signals) {
    // Restarted or not, by time-out and SA_RESTART.
    for (int restart = 0; restart < 2; restart++)
        for (int timed = 0; timed < 2; timed++) {
            int pid = fork();
            if (!pid) {
                struct sigaction a = {.sa_handler = nothing, .sa_flags = restart ? SA_RESTART : 0};
                struct timespec t = {0, 400000000};
                sigaction(SIGUSR1, &a, NULL);
                w = 0;
                long r = fx(&w, FUTEX_WAIT, 0, timed ? &t : NULL, NULL, 0);
                printf("restart %d timed %d: %s\n", restart, timed, r < 0 ? ename(errno) : "woken");
                _exit(0);
            }
            sleep_ms(60);
            for (int i = 0; i < 3; i++) kill(pid, SIGUSR1), sleep_ms(10);
            if (restart && !timed) { kill(pid, SIGKILL); puts("restarted"); }
            waitpid(pid, NULL, 0);
        }
}
