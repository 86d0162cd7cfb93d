// What a program might do to harm the kernel it runs on: it must stay alive, and answer as Linux does.
#include "facts.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

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
// Directories in directories, deeper than any path is long.
SECTION(deep_directories) {
    enum { DEPTH = 600 };
    int made = 0;
    for (; made < DEPTH; made++) if (mkdir("a-directory-with-a-name", 0755) || chdir("a-directory-with-a-name")) break;
    N(made);
    static char path[1 << 16];
    OK(syscall(SYS_getcwd, path, sizeof path));
    ssize_t len = readlink("/proc/self/cwd", path, sizeof path);
    printf("cwd: %s\n", len < 0 ? ename(errno) : "told");
    put("file", "x");
    int fd = open("file", O_RDONLY);
    struct stat st;
    OK(fstat(fd, &st));
    OK(rename("file", "other"));
    T(unlink("other"));
    for (; made > 0; made--) if (chdir("..") || rmdir("a-directory-with-a-name")) break;
    N(made);
    // Not only the names are gone: the directory that is left knows where it is.
    OK(fstat(fd, &st));
}
// epolls in epolls: how deep, and in a circle.
SECTION(nested_epolls) {
    int e[8];
    for (int i = 0; i < 8; i++) e[i] = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};
    for (int i = 0; i + 1 < 8; i++) T(epoll_ctl(e[i], EPOLL_CTL_ADD, e[i + 1], &ev));
    T(epoll_ctl(e[2], EPOLL_CTL_ADD, e[0], &ev));
    T(epoll_ctl(e[0], EPOLL_CTL_ADD, e[0], &ev));
    // Many that watch the same one, which watches a pipe: all hear of it.
    int p[2], leaf = epoll_create1(0), heard = 0;
    pipe(p);
    T(epoll_ctl(leaf, EPOLL_CTL_ADD, p[0], &ev));
    int many[200];
    for (int i = 0; i < 200; i++) { many[i] = epoll_create1(0); if (epoll_ctl(many[i], EPOLL_CTL_ADD, leaf, &ev)) printf("%d: %s\n", i, ename(errno)); }
    write(p[1], "x", 1);
    for (int i = 0; i < 200; i++) heard += epoll_wait(many[i], &ev, 1, 0) == 1;
    N(heard);
}
// A socket that lies in the queue of a socket that lies in the queue …
SECTION(sockets_in_sockets) {
    int inner[2], sent = 0;
    socketpair(AF_UNIX, SOCK_STREAM, 0, inner);
    for (; sent < 3000; sent++) {
        int outer[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, outer)) break;
        char byte = 0, control[CMSG_SPACE(2 * sizeof(int))] = {0};
        struct iovec iov = {&byte, 1};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(c), inner, 2 * sizeof(int));
        ssize_t n = sendmsg(outer[0], &m, 0);
        close(inner[0]), close(inner[1]);
        memcpy(inner, outer, sizeof inner);
        if (n != 1) { printf("%s\n", ename(errno)); break; }
    }
    printf("sent some: %d\n", sent > 200);
    close(inner[0]), close(inner[1]);
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, inner));
}
// A list of robust locks that never ends, and one that leads nowhere.
static void *robust_circle(void *arg) {
    static struct robust_list_head head;
    static struct robust_list one, two;
    if (arg) {
        head.list.next = &one, one.next = &two, two.next = &one;
        head.futex_offset = 64;
    } else {
        head.list.next = (void *)1;
        head.futex_offset = -1;
        head.list_op_pending = (void *)(uintptr_t)-8;
    }
    syscall(SYS_set_robust_list, &head, sizeof head);
    return NULL;
}
SECTION(robust_lists) {
    for (uintptr_t i = 0; i < 2; i++) {
        pthread_t t;
        pthread_create(&t, NULL, robust_circle, (void *)i);
        N(pthread_join(t, NULL));
    }
}
// Timers that expire all the time.
SECTION(timers_without_rest) {
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec it = {{0, 1}, {0, 1}};
    T(timerfd_settime(fd, 0, &it, NULL));
    uint64_t n = 0;
    for (int i = 0; i < 100; i++) if (read(fd, &n, 8) != 8 || n == 0) puts("none");
    struct itimerspec far = {{INT64_MAX, 999999999}, {INT64_MAX, 999999999}};
    T(timerfd_settime(fd, 0, &far, NULL));
    T(timerfd_settime(fd, TFD_TIMER_ABSTIME, &far, NULL));
    struct itimerspec long_ago = {{0, 1}, {0, 1}};
    T(timerfd_settime(fd, TFD_TIMER_ABSTIME, &long_ago, NULL));
    n = 0;
    T(read(fd, &n, 8));
    IS(n > 1000000);
    timer_t timer;
    struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    signal(SIGUSR1, SIG_IGN);
    T(timer_create(CLOCK_MONOTONIC, &se, &timer));
    // While it is ignored, nothing happens; a program that took each would do nothing else.
    T(timer_settime(timer, 0, &it, NULL));
    usleep(20000);
    struct itimerspec sometimes = {{0, 100000}, {0, 100000}};
    T(timer_settime(timer, 0, &sometimes, NULL));
    signal(SIGUSR1, tick);
    while (ticks == 0) usleep(1000);
    IS(timer_getoverrun(timer) >= 0);
    T(timer_delete(timer));
    T(timer_settime(timer, 0, &it, NULL));
}
// Locks on every other byte.
SECTION(many_locks) {
    int fd = open("file", O_CREAT | O_RDWR, 0644), failed = 0;
    for (int i = 0; i < 4000; i++) { struct flock l = {.l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1}; failed += fcntl(fd, F_SETLK, &l) != 0; }
    N(failed);
    pid_t child = fork();
    if (child == 0) {
        int found = 0;
        for (int i = 0; i < 200; i++) { struct flock l = {.l_type = F_WRLCK, .l_start = 2 * i, .l_len = 1}; fcntl(fd, F_GETLK, &l); found += l.l_type == F_WRLCK; }
        _exit(found == 200 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    N(status);
    struct flock all = {.l_type = F_UNLCK};
    T(fcntl(fd, F_SETLK, &all));
    struct flock end = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = INT64_MAX};
    T(fcntl(fd, F_SETLK, &end));
    struct flock wide = {.l_type = F_WRLCK, .l_start = INT64_MAX, .l_len = INT64_MAX};
    T(fcntl(fd, F_SETLK, &wide));
    struct flock back = {.l_type = F_WRLCK, .l_start = 10, .l_len = INT64_MIN};
    T(fcntl(fd, F_SETLK, &back));
}
// Offsets at the end of what there is.
SECTION(far_offsets) {
    // Other file systems of a host end earlier.
    if (chdir("/dev/shm")) return;
    int fd = open("file", O_CREAT | O_RDWR, 0644);
    char b[64] = {0};
    const off_t last = INT64_MAX;
    signal(SIGXFSZ, SIG_IGN);
    T(pread(fd, b, 64, last));
    T(pread(fd, b, 64, last - 10));
    T(pwrite(fd, b, 64, last));
    T(lseek(fd, last, SEEK_SET) == last);
    T(read(fd, b, 64));
    T(lseek(fd, 1, SEEK_CUR));
    T(lseek(fd, INT64_MIN, SEEK_CUR));
    T(lseek(fd, last, SEEK_END));
    T(lseek(fd, last, SEEK_DATA));
    T(lseek(fd, last, SEEK_HOLE));
    T(posix_fadvise(fd, last, last, POSIX_FADV_DONTNEED));
    T(syscall(SYS_fallocate, fd, 0, last, last));
    T(syscall(SYS_fallocate, fd, 3, last - 4096, 4096));
    T(syscall(SYS_sync_file_range, fd, last, last, 0));
    off_t from = last - 5, to = last - 5;
    T(syscall(SYS_copy_file_range, fd, &from, fd, &to, 4096, 0));
    T(syscall(SYS_sendfile, 1, fd, &from, SIZE_MAX));
    T(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, last & -4096) == MAP_FAILED ? -1 : 0);
    T(mmap(NULL, SIZE_MAX, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    unlink("file");
}
// More signals than may wait.
SECTION(queued_signals) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct rlimit few = {100, 100};
    setrlimit(RLIMIT_SIGPENDING, &few);
    int sent = 0;
    while (sent < 1000 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = sent}) == 0) sent++;
    printf("then: %s, not too many: %d\n", ename(errno), sent <= 100);
    int taken = 0;
    struct timespec zero = {0, 0};
    while (sigtimedwait(&set, NULL, &zero) > 0) taken++;
    IS(taken == sent);
}
// The largest descriptor there may be, and all of them closed.
SECTION(large_descriptors) {
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    T(dup2(0, l.rlim_max - 1) == (int)l.rlim_max - 1 ? 0 : -1);
    T(dup2(0, l.rlim_max));
    T(dup2(0, -1));
    T(fcntl(0, F_DUPFD, l.rlim_max));
    pid_t child = fork();
    if (child == 0) _exit(fcntl(l.rlim_max - 1, F_GETFD) == 0 ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    N(status);
    T(syscall(SYS_close_range, 3, ~0u, 0));
    T(syscall(SYS_close_range, ~0u, 3, 0));
    T(dup(0));
}
// Scripts that are interpreted by scripts.
SECTION(scripts_of_scripts) {
    for (int i = 0; i < 8; i++) {
        char name[16], line[64];
        snprintf(name, sizeof name, "s%d", i);
        if (i == 0) snprintf(line, sizeof line, "#!/bin/true\n");
        else snprintf(line, sizeof line, "#!./s%d\n", i - 1);
        put(name, line);
        chmod(name, 0755);
    }
    put("self", "#!./self\n");
    chmod("self", 0755);
    char *av[] = {"x", NULL};
    for (int i = 3; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "./s%d", i);
        pid_t child = fork();
        if (child == 0) { execve(name, av, NULL); printf("%s: %s\n", name, ename(errno)); fflush(stdout); _exit(7); }
        int status;
        waitpid(child, &status, 0);
        printf("%s: %d\n", name, status);
    }
    T(execve("./self", av, NULL));
}
