// sharer.c child|executes - processes that share their memory, for a host that kills one of them.
//
// `child`: makes one that runs beside it and never ends by itself, says "ready", and tells how it ended and what it has
// written to the memory. `executes`: makes one, and is a shell from then on, which tells of a SIGTERM.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536] __attribute__((aligned(16)));
static volatile unsigned long count;
static int counts(void *arg) { (void)arg; for (;;) count++; return 0; }
static int sleeps(void *arg) { (void)arg; for (;;) pause(); return 0; }

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "executes")) {
        if (clone(sleeps, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL) < 0) return 1;
        execl("/bin/sh", "sh", "-c", "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.05; done", NULL);
        return 2;
    }
    int status, pid = clone(counts, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    if (pid < 0) return 1;
    while (count < 1000) {}
    puts("ready");
    fflush(stdout);
    if (waitpid(pid, &status, 0) != pid) return 2;
    unsigned long then = count;
    usleep(10000);
    printf("%d %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1, then >= 1000 && then == count);
    return 3;
}
