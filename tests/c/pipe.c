//: musl
// pipe(2), pipe(7): capacity, atomicity, EPIPE, O_NONBLOCK, packet mode.
#include "facts.h"
#include <poll.h>
#include <sys/ioctl.h>

static char big[1 << 18];
static int caught;
static void on(int s) { caught = s; }
SECTION(simple) {
    int p[2];
    char b[16];
    T(pipe(p));
    printf("%d %d\n", p[0], p[1]);
    T(write(p[1], "hello", 5));
    T(write(p[1], " you", 4));
    T(read(p[0], b, 3));
    T(read(p[0], b, 16));
    show_bytes("b", b, 6);
    T(read(p[1], b, 1));
    T(write(p[0], b, 1));
    T(write(p[1], b, 0));
    T(read(p[0], b, 0));
    T(close(p[1]));
    T(read(p[0], b, 1));
    T(read(p[0], b, 1));
    T(pipe2(p, O_APPEND));
    T(pipe2(p, -1));
    T(pipe2(p, O_RDWR));
    T(S(pipe, NULL));
    T(S(pipe2, hole(), 0));
    T(pipe(p));
    printf("%d %d\n", p[0], p[1]);
}
SECTION(no_reader) {
    int p[2];
    MUST(pipe(p));
    signal(SIGPIPE, on);
    close(p[0]);
    T(write(p[1], "x", 1));
    N(caught);
    caught = 0;
    T(write(p[1], "x", 0));
    N(caught);
    signal(SIGPIPE, SIG_IGN);
    T(write(p[1], "x", 1));
    N(caught);
    sigset_t s, old;
    sigemptyset(&s);
    sigaddset(&s, SIGPIPE);
    signal(SIGPIPE, on);
    sigprocmask(SIG_BLOCK, &s, &old);
    T(write(p[1], "x", 1));
    sigpending(&s);
    N(sigismember(&s, SIGPIPE));
    N(caught);
    sigprocmask(SIG_SETMASK, &old, NULL);
    N(caught);
}
SECTION(no_reader_kills) {
    int p[2];
    MUST(pipe(p));
    close(p[0]);
    puts("now");
    T(write(p[1], "x", 1));
    puts("not reached");
}
SECTION(nonblocking) {
    int p[2];
    char b[16];
    MUST(pipe2(p, O_NONBLOCK));
    T(read(p[0], b, 1));
    T(write(p[1], big, sizeof big));
    T(write(p[1], big, sizeof big));
    T(write(p[1], b, 1));
    T(read(p[0], big, 100));
    T(write(p[1], b, 1));
    T(read(p[0], big, 4096 - 100));
    T(write(p[1], b, 1));
    T(write(p[1], big, 4096));
    T(write(p[1], big, 4095));
    T(write(p[1], big, 4097));
    int n;
    T(ioctl(p[0], FIONREAD, &n));
    N(n);
    T(read(p[0], big, sizeof big));
    T(read(p[0], big, sizeof big));
    // Many small writes each take room of their own unless they can be merged.
    int k = 0;
    while (write(p[1], "y", 1) == 1) k++;
    N(k);
    T(read(p[0], big, sizeof big));
    close(p[1]);
    T(read(p[0], b, 1));
}
SECTION(atomic_size) {
    int p[2];
    MUST(pipe2(p, O_NONBLOCK));
    MUST(fcntl(p[1], F_SETPIPE_SZ, 8192));
    T(write(p[1], big, 5000));
    T(write(p[1], big, 4096));
    T(write(p[1], big, 3000));
    T(write(p[1], big, 5000));
    T(write(p[1], big, 192));
    T(read(p[0], big, sizeof big));
}
SECTION(packets) {
    int p[2];
    char b[16];
    T(pipe2(p, O_DIRECT | O_NONBLOCK));
    T(write(p[1], "one", 3));
    T(write(p[1], "three", 5));
    T(read(p[0], b, 16));
    T(read(p[0], b, 2));
    T(read(p[0], b, 16));
    X(fcntl(p[1], F_GETFL));
}
SECTION(poll_states) {
    int p[2];
    MUST(pipe2(p, O_NONBLOCK));
    struct pollfd f[2] = {{p[0], -1, 0}, {p[1], -1, 0}};
#define POLL() do { int r_ = poll(f, 2, 0); printf("poll %d: read end %x write end %x\n", r_, f[0].revents, f[1].revents); } while (0)
    POLL();
    MUST(write(p[1], "x", 1));
    POLL();
    while (write(p[1], big, 4096) > 0) {}
    POLL();
    MUST(read(p[0], big, 1));
    POLL();
    MUST(read(p[0], big, 4095));
    POLL();
    MUST(read(p[0], big, sizeof big));
    POLL();
    int keep = dup(p[1]);
    close(p[1]);
    f[1].fd = keep;
    POLL();
    close(keep);
    POLL();
    MUST(pipe(p));
    close(p[0]);
    f[0].fd = p[1];
    f[1].fd = -1;
    POLL();
}
SECTION(proc_fd_reopens) {
    int p[2];
    char b[8], path[64], l[64];
    MUST(pipe(p));
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    ssize_t n = readlink(path, l, sizeof l);
    IS(n > 6 && !memcmp(l, "pipe:[", 6) && l[n - 1] == ']');
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[1]);
    int w = T(open(path, O_WRONLY));
    T(write(w, "again", 5));
    T(read(p[0], b, 8));
}
SECTION(interrupted) {
    int p[2];
    char b[8];
    MUST(pipe(p));
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &it, NULL);
    T(read(p[0], b, 8));
    N(caught);
    // A partial write tells how much it wrote.
    MUST(fcntl(p[1], F_SETPIPE_SZ, 4096));
    setitimer(ITIMER_REAL, &it, NULL);
    T(write(p[1], big, 10000));
    setitimer(ITIMER_REAL, &it, NULL);
    T(write(p[1], big, 10000));
}
