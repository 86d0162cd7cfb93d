// Threads and the ends of processes: who is left, which status the parent sees, what execve(2) does to the others.
#include "facts.h"
#include <pthread.h>
#include <sys/wait.h>

extern char **environ;
static void *sleeper(UNUSED void *arg) { for (;;) pause(); }
static void *spinner(UNUSED void *arg) { for (volatile long i = 0;; i++) {} }
static pthread_t start(void *(*f)(void *), void *arg) {
    pthread_t t;
    int e = pthread_create(&t, NULL, f, arg);
    if (e) printf("pthread_create: %s\n", ename(e));
    return t;
}
static void child(void (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { f(); _exit(99); }
    int status = 0;
    printf("waited for it: %d\n", waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status)) printf("exited %d\n", WEXITSTATUS(status));
    else printf("killed %d\n", WTERMSIG(status));
}

static int counter;
static void *count(UNUSED void *arg) { __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST); return NULL; }
SECTION(thousand) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    static pthread_t t[1000];
    int made = 0;
    for (int i = 0; i < 1000; i++) made += pthread_create(&t[i], &a, count, NULL) == 0;
    for (int i = 0; i < made; i++) pthread_join(t[i], NULL);
    printf("%d made, %d counted\n", made, counter);
}
static pthread_barrier_t barrier;
static void *meet(UNUSED void *arg) { pthread_barrier_wait(&barrier); return NULL; }
SECTION(thousand_at_once) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    static pthread_t t[1000];
    pthread_barrier_init(&barrier, NULL, 1001);
    for (int i = 0; i < 1000; i++) if (pthread_create(&t[i], &a, meet, NULL)) { printf("only %d\n", i); exit(1); }
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 1000; i++) pthread_join(t[i], NULL);
    printf("all met\n");
}
static void *exits_five(UNUSED void *arg) { usleep(20000); exit(5); }
static void other_exits(void) { start(sleeper, NULL); start(spinner, NULL); start(exits_five, NULL); pause(); }
SECTION(exit_group_of_another_thread) { child(other_exits); }
static void *exits_late(UNUSED void *arg) { usleep(50000); syscall(SYS_exit, 6); return NULL; }
static void leader_first(void) { start(exits_late, NULL); syscall(SYS_exit, 4); }
SECTION(leader_exits_first) { child(leader_first); }
SECTION(first_leader_exits_first) { fflush(stdout); leader_first(); }
static void *group_late(UNUSED void *arg) { usleep(50000); _exit(6); }
static void leader_then_group(void) { start(group_late, NULL); syscall(SYS_exit, 4); }
SECTION(leader_exits_then_group) { child(leader_then_group); }
static void *faults(UNUSED void *arg) { *(volatile int *)8 = 1; return NULL; }
static void thread_faults(void) { start(sleeper, NULL); start(faults, NULL); pause(); }
SECTION(fault_in_thread) { child(thread_faults); }
static void *kills(UNUSED void *arg) { kill(getpid(), SIGKILL); return NULL; }
static void group_killed(void) { start(spinner, NULL); start(kills, NULL); pause(); }
SECTION(kill_of_the_group) { child(group_killed); }
static void *execs(UNUSED void *arg) {
    execve("/bin/sh", (char *[]){"sh", "-c", "set -- /proc/self/task/*; echo execed $#; exit 7", NULL}, environ);
    return NULL;
}
static void thread_execs(void) { for (int i = 0; i < 4; i++) start(i & 1 ? spinner : sleeper, NULL); start(execs, NULL); pause(); }
static void main_execs(void) { for (int i = 0; i < 4; i++) start(i & 1 ? spinner : sleeper, NULL); execs(NULL); }
SECTION(exec_by_thread) { child(thread_execs); }
SECTION(exec_by_leader) { child(main_execs); }
SECTION(first_exec_by_thread) { fflush(stdout); thread_execs(); }
SECTION(first_exec_by_leader) { fflush(stdout); main_execs(); }
// A thread that cannot be made any more, because another one's execve(2) has begun, is no difference (EAGAIN).
static void race(void) {
    pthread_t t;
    for (int i = 0; i < 8; i++) pthread_create(&t, NULL, execs, NULL);
    pause();
}
SECTION(exec_race) { child(race); }
static volatile int got;
static pthread_t target;
static void handler(UNUSED int s) { got = pthread_equal(pthread_self(), target) ? 1 : 2; }
SECTION(signal_to_thread) {
    signal(SIGUSR1, handler);
    target = start(spinner, NULL);
    printf("%s\n", ename(pthread_kill(target, SIGUSR1)));
    while (!got) usleep(1000);
    printf("handled by %s\n", got == 1 ? "the thread" : "another");
}
