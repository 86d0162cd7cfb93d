// sched(7): policies, parameters, nice values, affinity, priorities of input and output; who may change them.
#include "facts.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint32_t min, max; uint64_t more; };
static void show_attr(const char *what, int pid) {
    struct attr a = {0};
    long r = syscall(SYS_sched_getattr, pid, &a, 56, 0);
    printf("%s: %ld policy %u flags %llu nice %d priority %u\n", what, r, a.policy, (unsigned long long)a.flags, a.nice, a.priority);
}
static pid_t sleeper(void) {
    pid_t pid = fork();
    if (pid == 0) { pause(); _exit(0); }
    return pid;
}
static void end(pid_t pid) { kill(pid, SIGKILL); waitpid(pid, NULL, 0); }
#define CHILD(...) do { fflush(stdout); pid_t p_ = fork(); if (p_ == 0) { __VA_ARGS__; fflush(stdout); _exit(0); } int s_; waitpid(p_, &s_, 0); X(s_); } while (0)

SECTION(policies) {
    struct sched_param p = {0}, one = {1}, most = {99}, over = {100}, under = {-1};
    show_attr("at first", 0);
    T(sched_setscheduler(0, SCHED_BATCH, &p));
    show_attr("batch", 0);
    T(sched_setscheduler(0, SCHED_BATCH, &one));
    T(sched_setscheduler(0, SCHED_FIFO, &p));
    T(sched_setscheduler(0, SCHED_FIFO, &over));
    T(sched_setscheduler(0, SCHED_FIFO, &under));
    T(sched_setscheduler(0, 6, &p));
    T(sched_setscheduler(0, 4, &p));
    T(sched_setscheduler(0, 77, &p));
    T(sched_setscheduler(0, -1, &p));
    T(sched_setscheduler(-1, 0, &p));
    T(sched_setscheduler(0x3fffffff, 0, &p));
    T(sched_setscheduler(0, 0, NULL));
    T(sched_setscheduler(0, SCHED_RR, &one));
    show_attr("rr", 0);
    N(sched_getscheduler(0));
    T(sched_setparam(0, &most));
    show_attr("rr 99", 0);
    T(sched_setparam(0, &p));
    T(sched_setscheduler(0, SCHED_RR | 0x40000000, &one));
    X(sched_getscheduler(0));
    CHILD(show_attr("a child, reset", 0));
    T(sched_setscheduler(0, SCHED_OTHER, &p));
    T(sched_setscheduler(0, SCHED_IDLE, &p));
    show_attr("idle", 0);
    T(sched_setscheduler(0, SCHED_OTHER, &p));
    T(sched_getparam(0, NULL));
    T(sched_getparam(-1, &p));
    T(sched_getscheduler(-5));
}
SECTION(attributes) {
    struct attr a = {.size = 56, .nice = 7};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    show_attr("nice 7", 0);
    a = (struct attr){.size = 48, .policy = SCHED_FIFO, .priority = 3, .flags = 1};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    show_attr("fifo", 0);
    a = (struct attr){.size = 48, .flags = 0x18 | 1};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    show_attr("kept", 0);
    a = (struct attr){.size = 0, .policy = 0, .nice = -30};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    show_attr("clamped", 0);
    a = (struct attr){.size = 64};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    a = (struct attr){.size = 64, .more = 1};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    N(a.size);
    a = (struct attr){.size = 40};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    N(a.size);
    a = (struct attr){.size = 5000};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    a = (struct attr){.size = 56, .flags = 1ull << 40};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    a = (struct attr){.size = 56, .policy = 0x80000000};
    T(syscall(SYS_sched_setattr, 0, &a, 0));
    a = (struct attr){.size = 56};
    T(syscall(SYS_sched_setattr, 0, &a, 1));
    T(syscall(SYS_sched_setattr, 0, NULL, 0));
    T(syscall(SYS_sched_setattr, -1, &a, 0));
    T(syscall(SYS_sched_setattr, 0x3fffffff, &a, 0));
    T(syscall(SYS_sched_getattr, 0, &a, 47, 0));
    T(syscall(SYS_sched_getattr, 0, &a, 4097, 0));
    T(syscall(SYS_sched_getattr, 0, &a, 56, 1));
    T(syscall(SYS_sched_getattr, 0, &a, 48, 0));
    N(a.size);
}
SECTION(nice_values) {
    pid_t a = sleeper();
    T(setpriority(PRIO_PROCESS, a, 5));
    N(getpriority(PRIO_PROCESS, a));
    N(getpriority(PRIO_PROCESS, 0));
    CHILD(MUST(setpgid(0, 0)); pid_t b = sleeper(); T(setpriority(PRIO_PGRP, 0, 3)); N(getpriority(PRIO_PROCESS, b)); N(getpriority(PRIO_PGRP, 0)); T(setpriority(PRIO_PROCESS, b, 9));
          N(getpriority(PRIO_PGRP, 0)); end(b));
    T(setpriority(PRIO_PROCESS, a, -100));
    N(getpriority(PRIO_PROCESS, a));
    T(setpriority(9, 0, 0));
    T(getpriority(9, 0));
    T(setpriority(PRIO_PGRP, 0x3fffffff, 0));
    T(getpriority(PRIO_USER, 54321));
    T(setpriority(PRIO_PROCESS, -4, 0));
    T(nice(2));
    CHILD(N(getpriority(PRIO_PROCESS, 0)));
    end(a);
}
SECTION(strangers) {
    pid_t a = sleeper();
    CHILD(MUST(setuid(1000)); struct sched_param p = {0}; cpu_set_t set; CPU_ZERO(&set); CPU_SET(0, &set);
          T(sched_setparam(a, &p)); T(sched_setscheduler(a, SCHED_BATCH, &p)); T(sched_setaffinity(a, sizeof set, &set)); T(setpriority(PRIO_PROCESS, a, 9)); T(sched_getscheduler(a));
          T(syscall(SYS_ioprio_set, 1, a, 2 << 13 | 3)); T(syscall(SYS_ioprio_set, 1, 0, 1 << 13)); T(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5)); N(syscall(SYS_ioprio_get, 1, 0));
          T(setpriority(PRIO_PROCESS, 0, 4)); T(setpriority(PRIO_PROCESS, 0, 1)); p.sched_priority = 1; T(sched_setscheduler(0, SCHED_FIFO, &p)); p.sched_priority = 0;
          T(sched_setscheduler(0, SCHED_IDLE, &p)); T(sched_setscheduler(0, SCHED_OTHER, &p)));
    end(a);
}
SECTION(affinity) {
    pid_t a = sleeper();
    cpu_set_t set, got;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    T(sched_setaffinity(a, sizeof set, &set));
    IS(sched_getaffinity(a, sizeof got, &got) == 0 && CPU_COUNT(&got) == 1);
    IS(sched_getaffinity(0, sizeof got, &got) == 0 && CPU_COUNT(&got) == sysconf(_SC_NPROCESSORS_ONLN));
    CPU_ZERO(&set);
    T(sched_setaffinity(0, sizeof set, &set));
    T(sched_setaffinity(-1, sizeof set, &set));
    T(sched_setaffinity(0x3fffffff, sizeof set, &set));
    T(syscall(SYS_sched_getaffinity, 0, 4, &got));
    T(syscall(SYS_sched_getaffinity, 0, 9, &got));
    end(a);
}
SECTION(io_priorities) {
    pid_t a = sleeper();
    T(syscall(SYS_ioprio_set, 1, a, 2 << 13 | 6));
    X(syscall(SYS_ioprio_get, 1, a));
    T(syscall(SYS_ioprio_set, 1, a, 3 << 13));
    X(syscall(SYS_ioprio_get, 1, a));
    T(syscall(SYS_ioprio_set, 1, a, 0));
    T(syscall(SYS_ioprio_set, 1, a, 5));
    T(syscall(SYS_ioprio_set, 1, a, 4 << 13));
    T(syscall(SYS_ioprio_set, 1, a, 7 << 13));
    T(syscall(SYS_ioprio_set, 0, a, 0));
    T(syscall(SYS_ioprio_set, 4, a, 0));
    T(syscall(SYS_ioprio_set, 1, 0x3fffffff, 0));
    T(syscall(SYS_ioprio_get, 1, 0x3fffffff));
    T(syscall(SYS_ioprio_get, 9, 0));
    end(a);
}
