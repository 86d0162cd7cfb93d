//: files
// Directory notification by signals: F_NOTIFY.
#include "facts.h"
#include <dirent.h>
#include <sys/wait.h>

static int pending(int s) {
    int n = 0;
    sigset_t set;
    siginfo_t i;
    sigemptyset(&set);
    sigaddset(&set, s);
    struct timespec t = {0, 0};
    while (sigtimedwait(&set, &i, &t) > 0) n++;
    return n;
}
static void begin(int s) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, s);
    sigprocmask(SIG_BLOCK, &set, NULL);
    mkdir("d", 0755);
    mkdir("other", 0755);
    put("d/f", "abc");
    put("d/g", "abc");
}
// How many signals each thing that happens is worth.
#define WORTH(e) do { if ((long)(e) == -1) printf("%s: %s\n", #e, ename(errno)); printf("%s: %d\n", #e, pending(SIGRTMIN)); } while (0)
static void happen(const char *what, unsigned mask) {
    printf("[%s]\n", what);
    int d = open("d", O_RDONLY), fd;
    char b[8];
    MUST(fcntl(d, F_SETSIG, SIGRTMIN));
    MUST(fcntl(d, F_NOTIFY, mask | DN_MULTISHOT));
    WORTH(fd = open("d/f", O_RDWR));
    WORTH(read(fd, b, 2));
    WORTH(write(fd, "x", 1));
    WORTH(ftruncate(fd, 1));
    WORTH(fchmod(fd, 0600));
    WORTH(close(fd));
    WORTH(utimensat(AT_FDCWD, "d/f", NULL, 0));
    WORTH(truncate("d/f", 2));
    WORTH(rename("d/f", "d/h"));
    WORTH(rename("d/h", "other/h"));
    WORTH(rename("other/h", "d/f"));
    WORTH(rename("d/f", "d/g"));
    WORTH(link("d/g", "d/f"));
    WORTH(close(open("d/new", O_WRONLY | O_CREAT, 0644)));
    WORTH(symlink("new", "d/sym"));
    WORTH(mkdir("d/dir", 0755));
    WORTH(chmod("d/dir", 0700));
    WORTH(chmod("d", 0700));
    WORTH(rmdir("d/dir"));
    WORTH(unlink("d/sym"));
    WORTH(unlink("d/new"));
    DIR *dir = opendir("d");
    int n = 0;
    while (readdir(dir)) n++;
    closedir(dir);
    printf("listed: %d\n", pending(SIGRTMIN));
    close(d);
    WORTH(close(open("d/last", O_WRONLY | O_CREAT, 0644)));
    unlink("d/last");
}
SECTION(events) {
    begin(SIGRTMIN);
    happen("access", DN_ACCESS);
    happen("modify", DN_MODIFY);
    happen("create", DN_CREATE);
    happen("delete", DN_DELETE);
    happen("rename", DN_RENAME);
    happen("attrib", DN_ATTRIB);
}
static void take(const char *what, int s) {
    sigset_t set;
    siginfo_t i;
    sigemptyset(&set);
    sigaddset(&set, s);
    struct timespec t = {0, 0};
    if (sigtimedwait(&set, &i, &t) < 0) printf("%s: nothing\n", what);
    else if (i.si_code == SI_KERNEL) printf("%s: signal %d of the kernel\n", what, i.si_signo);
    else printf("%s: signal %d code %d band %lx fd %d\n", what, i.si_signo, i.si_code, (long)i.si_band, i.si_fd);
}
static void make(void) { close(open("d/new", O_WRONLY | O_CREAT, 0644)); }
static void unmake(void) { unlink("d/new"); }
SECTION(once_and_again) {
    begin(SIGIO);
    int d = open("d", O_RDONLY);
    T(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE));
    IS(fcntl(d, F_GETOWN) == getpid());
    make();
    take("made", SIGIO);
    unmake();
    take("removed", SIGIO);
    T(fcntl(d, F_NOTIFY, DN_CREATE));
    T(fcntl(d, F_NOTIFY, DN_DELETE));
    make();
    take("made", SIGIO);
    unmake();
    take("removed", SIGIO);
    T(fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    T(fcntl(d, F_NOTIFY, DN_DELETE));
    make();
    take("made", SIGIO);
    unmake();
    take("removed", SIGIO);
    make();
    take("made", SIGIO);
    T(fcntl(d, F_NOTIFY, 0));
    unmake();
    take("no more", SIGIO);
    T(fcntl(d, F_NOTIFY, 0));
    T(fcntl(d, F_NOTIFY, DN_MULTISHOT));
}
SECTION(descriptors) {
    begin(SIGRTMIN);
    int d = open("d", O_RDONLY), d2 = dup(d);
    T(fcntl(d, F_SETSIG, SIGRTMIN));
    T(fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    make();
    take("first", SIGRTMIN);
    unmake();
    T(fcntl(d2, F_NOTIFY, DN_CREATE));
    make();
    take("named by the second", SIGRTMIN);
    take("once", SIGRTMIN);
    unmake();
    close(d2);
    make();
    take("one descriptor closed", SIGRTMIN);
    unmake();
    T(fcntl(d, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    if (fork() == 0) _exit(0);
    wait(NULL);
    make();
    take("closed in a child", SIGRTMIN);
    unmake();
    int e = open("d", O_RDONLY);
    T(fcntl(e, F_SETSIG, SIGRTMIN));
    T(fcntl(e, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
    make();
    N(pending(SIGRTMIN));
    unmake();
    // A change by another process.
    if (fork() == 0) { make(); _exit(0); }
    wait(NULL);
    N(pending(SIGRTMIN));
}
SECTION(refused) {
    begin(SIGIO);
    int f = open("d/f", O_RDONLY), p = open("d", O_RDONLY | O_PATH);
    T(fcntl(f, F_NOTIFY, DN_CREATE));
    T(fcntl(f, F_NOTIFY, 0));
    T(fcntl(p, F_NOTIFY, DN_CREATE));
    T(fcntl(-1, F_NOTIFY, DN_CREATE));
    int d = open("d", O_RDONLY);
    T(fcntl(d, F_NOTIFY, 0x40));
    T(fcntl(d, F_NOTIFY, 0x7fffffff));
}
