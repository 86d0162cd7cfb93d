//: files
// Signal-driven input and output: O_ASYNC, FIOASYNC, F_SETOWN and F_SETSIG on pipes and other files.
#include "facts.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

// What comes within 20 ms: signal, code, band and descriptor.
static int take(const char *what) {
    sigset_t set;
    siginfo_t i;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGRTMIN);
    struct timespec t = {0, 20000000};
    int s = sigtimedwait(&set, &i, &t);
    if (s < 0) printf("%s: nothing\n", what);
    else if (i.si_code == SI_KERNEL) printf("%s: signal %d of the kernel\n", what, s);
    else printf("%s: signal %d code %d band %lx fd %d\n", what, s, i.si_code, (long)i.si_band, i.si_fd);
    return s;
}
static void block(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
SECTION(reader) {
    int p[2];
    char b[8];
    block();
    MUST(pipe(p));
    T(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    X(fcntl(p[0], F_GETFL));
    T(write(p[1], "a", 1));
    take("without an owner");
    T(fcntl(p[0], F_SETOWN, getpid()));
    T(write(p[1], "b", 1));
    take("a byte");
    take("again");
    T(fcntl(p[0], F_SETSIG, SIGRTMIN));
    T(read(p[0], b, 8));
    take("own read");
    T(write(p[1], "c", 1));
    take("details");
    T(read(p[0], b, 8));
    T(fcntl(p[0], F_SETFL, O_NONBLOCK));
    T(write(p[1], "d", 1));
    take("flag taken away");
    int on = 1;
    T(read(p[0], b, 8));
    T(ioctl(p[0], FIOASYNC, &on));
    X(fcntl(p[0], F_GETFL));
    close(p[1]);
    take("the writer is gone");
    T(fcntl(p[0], F_SETOWN, 0));
    close(p[0]);
}
SECTION(writer) {
    int p[2];
    char b[4096] = {0};
    block();
    MUST(pipe2(p, O_NONBLOCK));
    T(fcntl(p[1], F_SETOWN, getpid()));
    T(fcntl(p[1], F_SETSIG, SIGRTMIN));
    T(fcntl(p[1], F_SETFL, O_ASYNC | O_NONBLOCK));
    while (write(p[1], b, 4096) > 0) {}
    take("full");
    T(read(p[0], b, 4096));
    take("room");
}
SECTION(owners) {
    int p[2];
    block();
    MUST(pipe2(p, O_NONBLOCK));
    struct f_owner_ex ex = {F_OWNER_TID, getpid()};
    T(fcntl(p[0], F_SETOWN_EX, &ex));
    T(fcntl(p[0], F_SETFL, O_ASYNC));
    T(write(p[1], "a", 1));
    take("a thread");
    fflush(stdout);
    // A group of its own, so that nobody else is meant.
    pid_t child = fork();
    if (child == 0) {
        MUST(setpgid(0, 0));
        T(fcntl(p[0], F_SETOWN, -getpid()));
        T(write(p[1], "a", 1));
        take("a group");
        T(fcntl(p[0], F_SETOWN, getppid()));
        fflush(stdout);
        _exit(0);
    }
    MUST(waitpid(child, NULL, 0));
    // The child inherits the open file; the signal stays the parent's.
    pid_t pid = fork();
    if (pid == 0) _exit(write(p[1], "b", 1) == 1 ? 0 : 1);
    MUST(waitpid(pid, NULL, 0));
    take("written by a child");
    // Somebody else's process may not be signalled by who set it.
    pid = fork();
    if (pid == 0) {
        if (setuid(1000)) _exit(1);
        _exit(fcntl(p[0], F_SETOWN, getppid()) ? 2 : 0);
    }
    int status = 0;
    MUST(waitpid(pid, &status, 0));
    X(status);
    T(write(p[1], "c", 1));
    take("set by another user");
}
SECTION(others) {
    block();
    int on = 1, e = eventfd(0, 0), f = open("file", O_CREAT | O_RDWR, 0644), i = inotify_init1(IN_NONBLOCK);
    T(ioctl(e, FIOASYNC, &on));
    T(fcntl(e, F_SETFL, O_ASYNC));
    X(fcntl(e, F_GETFL));
    T(ioctl(f, FIOASYNC, &on));
    T(fcntl(f, F_SETFL, O_ASYNC));
    X(fcntl(f, F_GETFL));
    T(inotify_add_watch(i, ".", IN_CREATE));
    T(fcntl(i, F_SETOWN, getpid()));
    T(fcntl(i, F_SETSIG, SIGRTMIN));
    T(fcntl(i, F_SETFL, O_ASYNC | O_NONBLOCK));
    close(open("other", O_CREAT | O_RDWR, 0644));
    take("inotify");
}
SECTION(sockets) {
    int s[2], on = 1;
    char b[8];
    block();
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
    T(fcntl(s[0], F_SETOWN, getpid()));
    T(fcntl(s[0], F_SETSIG, SIGRTMIN));
    T(ioctl(s[0], FIOASYNC, &on));
    while (take("before") != -1) {}
    T(write(s[1], "a", 1));
    take("a byte");
    T(read(s[0], b, 8));
    T(fcntl(s[0], F_SETFL, 0));
    T(write(s[1], "b", 1));
    take("flag taken away");
}
SECTION(terminals) {
    int m = posix_openpt(O_RDWR | O_NOCTTY), on = 1;
    char b[8];
    block();
    T(grantpt(m));
    T(unlockpt(m));
    int t = OK(open(ptsname(m), O_RDWR | O_NOCTTY));
    T(fcntl(t, F_SETOWN, getpid()));
    T(fcntl(t, F_SETSIG, SIGRTMIN));
    T(ioctl(t, FIOASYNC, &on));
    T(write(m, "a", 1));
    take("half a line");
    T(write(m, "b\n", 2));
    take("a line");
    T(read(t, b, 8));
}
