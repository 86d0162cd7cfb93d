// Dies of SIGSEGV some calls deep, or of abort() when there is an argument, while other threads spin, pause and read: what
// a debugger is to find in the core file.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int *volatile where;
int global_value = 4711;
static volatile int spins = 1, there;
static volatile pid_t blocked[2];
static int ends[2];

__attribute__((noinline)) static int leaf(int depth) {
    char local[32];
    strcpy(local, "in leaf");
    *where = depth;
    return local[0];
}
__attribute__((noinline)) static int middle(int depth) { return depth ? middle(depth - 1) + 1 : leaf(7) + 1; }
__attribute__((noinline)) static void waiter(long n) {
    if (n < 2) blocked[n] = syscall(SYS_gettid);
    __sync_fetch_and_add(&there, 1);
    if (n == 0) for (;;) pause();
    if (n == 1) for (;;) { char c; if (read(ends[0], &c, 1)) abort(); }
    while (spins) { }
}
static void *thread(void *n) { waiter((long)n); return 0; }
static int sleeps(pid_t tid) {
    char path[64], text[256] = "";
    sprintf(path, "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0) return 0;
    close(fd);
    char *end = strrchr(text, ')');
    return end && end[2] == 'S';
}
int main(int argc, char **argv) {
    (void)argv;
    if (pipe(ends)) return 1;
    for (long i = 0; i < 3; i++) { pthread_t t; pthread_create(&t, 0, thread, (void *)i); }
    while (there < 3) usleep(1000);
    for (int i = 0; i < 2; i++) while (!sleeps(blocked[i])) usleep(1000);
    if (argc > 1) abort();
    return middle(3);
}
