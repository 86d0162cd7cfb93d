//: files musl
// fifo(7): opening waits for the other side, O_NONBLOCK, O_RDWR, what is left when all have closed.
#include "facts.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

static void on(int s) { (void)s; }
static void *reader(void *p) {
    sleep_ms(30);
    int fd = open("fifo", O_RDONLY);
    char b[16];
    *(long *)p = read(fd, b, 16);
    close(fd);
    return NULL;
}
static void *visitor(void *p) {
    (void)p;
    sleep_ms(30);
    close(open("fifo", O_WRONLY));
    return NULL;
}
static int events(int fd) {
    struct pollfd f = {fd, -1, 0};
    poll(&f, 1, 0);
    return f.revents;
}
SECTION(node) {
    T(mkfifo("fifo", 0644));
    T(mkfifo("fifo", 0644));
    show_stat("fifo");
    T(open("fifo", O_WRONLY | O_NONBLOCK));
    T(open("fifo", 3));
    T(open("fifo", O_RDONLY | O_DIRECTORY));
    T(truncate("fifo", 0));
    rm("fifo");
}
SECTION(without_waiting) {
    char b[16];
    MUST(mkfifo("fifo", 0644));
    int r = OK(open("fifo", O_RDONLY | O_NONBLOCK));
    X(events(r));
    T(read(r, b, 16));
    int w = OK(open("fifo", O_WRONLY | O_NONBLOCK));
    X(events(r));
    X(events(w));
    T(read(r, b, 16));
    T(write(w, "hello", 5));
    int n = 0;
    T(ioctl(r, FIONREAD, &n));
    N(n);
    T(lseek(r, 0, SEEK_CUR));
    T(pread(r, b, 1, 0));
    T(ftruncate(w, 0));
    T(fcntl(r, F_GETPIPE_SZ));
    close(w);
    X(events(r));
    T(read(r, b, 3));
    T(read(r, b, 16));
    T(read(r, b, 16));
    w = OK(open("fifo", O_WRONLY));
    X(events(r));
    T(write(w, "left", 4));
    close(r);
    X(events(w));
    signal(SIGPIPE, SIG_IGN);
    T(write(w, "x", 1));
    r = OK(open("fifo", O_RDONLY | O_NONBLOCK));
    // What nobody read is still there as long as one side is open.
    T(read(r, b, 16));
    T(write(w, "gone", 4));
    close(r);
    close(w);
    r = OK(open("fifo", O_RDONLY | O_NONBLOCK));
    T(read(r, b, 16));
    close(r);
    rm("fifo");
}
SECTION(both_sides_in_one) {
    char b[16];
    MUST(mkfifo("fifo", 0644));
    int f = OK(open("fifo", O_RDWR));
    X(events(f));
    T(write(f, "self", 4));
    X(events(f));
    T(read(f, b, 16));
    int w = OK(open("fifo", O_WRONLY)), r = OK(open("fifo", O_RDONLY));
    T(write(w, "x", 1));
    T(read(r, b, 16));
    rm("fifo");
    T(write(w, "unlinked", 8));
    T(read(r, b, 16));
}
SECTION(waits_for_the_other_side) {
    pthread_t t;
    long got = 0;
    MUST(mkfifo("fifo", 0644));
    pthread_create(&t, NULL, reader, &got);
    int w = OK(open("fifo", O_WRONLY));
    T(write(w, "hello", 5));
    close(w);
    pthread_join(t, NULL);
    N(got);
    pthread_create(&t, NULL, visitor, NULL);
    // Whoever came and went at once has been there.
    int r = OK(open("fifo", O_RDONLY));
    char b;
    T(read(r, &b, 1));
    pthread_join(t, NULL);
    close(r);
    rm("fifo");
}
SECTION(interrupted) {
    MUST(mkfifo("fifo", 0644));
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &it, NULL);
    T(open("fifo", O_RDONLY));
    T(open("fifo", O_WRONLY | O_NONBLOCK));
    rm("fifo");
}
SECTION(times) {
    struct stat s, u;
    MUST(mkfifo("fifo", 0644));
    int f = MUST(open("fifo", O_RDWR));
    MUST(fstat(f, &s));
    sleep_ms(30);
    MUST(write(f, "x", 1));
    MUST(fstat(f, &u));
    IS(u.st_mtim.tv_nsec != s.st_mtim.tv_nsec || u.st_mtim.tv_sec != s.st_mtim.tv_sec);
    IS(u.st_ctim.tv_nsec != s.st_ctim.tv_nsec || u.st_ctim.tv_sec != s.st_ctim.tv_sec);
    N(u.st_size);
    rm("fifo");
}
