// What a program might do to harm the kernel it runs on: it must stay alive, and answer as Linux does.
#include "facts.h"

// A file that tells its own position while it is read.
SECTION(fdinfo_of_itself) {
    put("file", "x");
    int first = open("file", O_RDONLY);
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", first);
    int fd = open(path, O_RDONLY);
    dup2(fd, first);
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    IS(n > 0 && strncmp(text, "pos:\t0\n", 7) == 0);
    // Two that tell of each other, from two processes.
    int a = open("file", O_RDONLY), b = open("file", O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", a);
    int of_a = open(path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", b);
    int of_b = open(path, O_RDONLY);
    dup2(of_b, a);
    dup2(of_a, b);
    pid_t child = fork();
    for (int i = 0; i < 2000; i++) {
        lseek(child ? of_a : of_b, 0, SEEK_SET);
        if (read(child ? of_a : of_b, text, sizeof text) <= 0) break;
    }
    if (child == 0) _exit(0);
    int status;
    waitpid(child, &status, 0);
    N(status);
}
// Signals that come while the kernel reads of the host what a file of /proc says.
static volatile int ticks;
static void tick(int s) { (void)s; ticks++; }
SECTION(signals_while_reading_proc) {
    const char *const names[] = {"/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/maps", "/proc/self/smaps", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/self/io", "/proc/sys/kernel/osrelease"};
    struct sigaction a = {.sa_handler = tick};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &it, NULL);
    int failed = 0;
    for (int round = 0; round < 200 || ticks < 100; round++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char text[4096];
            int fd = open(names[i], O_RDONLY);
            ssize_t n;
            while ((n = read(fd, text, sizeof text)) > 0) continue;
            if (n < 0) failed++;
            close(fd);
        }
    // The program's own memory, and a file it was started with.
    int mem = open("/proc/self/mem", O_RDWR);
    static char from[65536], to[65536];
    for (int i = 0; i < 2000; i++) {
        if (pread(mem, to, sizeof to, (off_t)(uintptr_t)from) != sizeof to) failed++;
        if (pwrite(mem, from, sizeof from, (off_t)(uintptr_t)to) != sizeof from) failed++;
    }
    N(failed);
}
// No wait, nothing to interrupt: a pipe that has room takes what is written, whatever signals come.
SECTION(signals_while_writing) {
    struct sigaction a = {.sa_handler = tick};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &it, NULL);
    int failed = 0;
    // Less than fits into a pipe: nobody need read.
    for (int i = 0; i < 2000; i++) {
        char line[] = "a line of standard output\n";
        if (write(1, line, sizeof line - 1) != sizeof line - 1) failed++;
    }
    struct itimerval none = {0};
    setitimer(ITIMER_REAL, &none, NULL);
    N(failed);
}
