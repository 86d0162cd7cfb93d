//: files musl
// inotify(7): which change makes which events, in which order; coalescing, one-shot watches, errors.
#include "facts.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static int q;
static void show_mask(unsigned m) {
    static const struct { unsigned bit; const char *name; } names[] = {
        {IN_ACCESS, "ACCESS"}, {IN_MODIFY, "MODIFY"}, {IN_ATTRIB, "ATTRIB"}, {IN_CLOSE_WRITE, "CLOSE_WRITE"},
        {IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {IN_OPEN, "OPEN"}, {IN_MOVED_FROM, "MOVED_FROM"},
        {IN_MOVED_TO, "MOVED_TO"}, {IN_CREATE, "CREATE"}, {IN_DELETE, "DELETE"}, {IN_DELETE_SELF, "DELETE_SELF"},
        {IN_MOVE_SELF, "MOVE_SELF"}, {IN_Q_OVERFLOW, "Q_OVERFLOW"}, {IN_IGNORED, "IGNORED"}, {IN_ISDIR, "ISDIR"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (m & names[i].bit) { printf(" %s", names[i].name); m &= ~names[i].bit; }
    if (m) printf(" %x", m);
}
static void events(void) {
    static char b[65536] __attribute__((aligned(8)));
    unsigned cookie = 0;
    for (;;) {
        ssize_t n = read(q, b, sizeof b);
        if (n < 0) break;
        for (char *p = b; p < b + n;) {
            struct inotify_event *e = (void *)p;
            printf("  %d:", e->wd);
            show_mask(e->mask);
            if (e->cookie) printf(" %s cookie", e->cookie == cookie ? "same" : "new");
            cookie = e->cookie;
            if (e->len) printf(" len %u %s", e->len, e->name);
            putchar('\n');
            p += sizeof *e + e->len;
        }
    }
}
static void begin(void) {
    q = MUST(inotify_init1(IN_NONBLOCK));
    MUST(mkdir("d", 0755));
}
static int watch(const char *path) { return MUST(inotify_add_watch(q, path, IN_ALL_EVENTS)); }
// What the expression makes happen.
#define E(e) do { T(e); events(); } while (0)
#define EO(e) do { OK(e); events(); } while (0)

SECTION(errors) {
    T(inotify_init1(1));
    T(inotify_init1(IN_NONBLOCK | IN_CLOEXEC | 2));
    begin();
    X(fcntl(q, F_GETFL));
    T(inotify_add_watch(q, "d", 0));
    T(inotify_add_watch(q, "d", 0x80000 | IN_OPEN));
    T(inotify_add_watch(-1, "d", 0x80000));
    T(inotify_add_watch(-1, "d", IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN));
    T(inotify_add_watch(1, "d", IN_OPEN));
    T(inotify_add_watch(q, "none", IN_OPEN));
    T(inotify_add_watch(q, "", IN_OPEN));
    T(inotify_add_watch(q, hole(), IN_OPEN));
    T(inotify_add_watch(q, "d", IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN));
    T(inotify_add_watch(q, "d", IN_MASK_CREATE | IN_OPEN));
    T(inotify_add_watch(q, "d", IN_MASK_CREATE | IN_OPEN));
    T(inotify_add_watch(q, "d", IN_MASK_ADD | IN_CLOSE_NOWRITE));
    put("f", "");
    T(inotify_add_watch(q, "f", IN_ONLYDIR | IN_OPEN));
    T(inotify_add_watch(q, "d/.", IN_ONLYDIR));
    T(inotify_add_watch(q, "f", IN_OPEN));
    T(inotify_rm_watch(q, 7));
    T(inotify_rm_watch(q, -1));
    T(inotify_rm_watch(1, 1));
    T(inotify_rm_watch(-1, 1));
    E(inotify_rm_watch(q, 1));
    T(inotify_rm_watch(q, 1));
    T(inotify_add_watch(q, "d", IN_OPEN));
    T(write(q, "x", 1));
    T(lseek(q, 5, SEEK_SET));
    T(pread(q, &(char){0}, 1, 0));
    char b[8];
    T(read(q, b, 8));
    MUST(close(MUST(open("d", O_RDONLY))));
    T(read(q, b, 8));
    T(ftruncate(q, 0));
    close(q);
}
SECTION(reading) {
    begin();
    struct pollfd p = {q, -1, 0};
    watch("d");
    T(poll(&p, 1, 0));
    put("d/a", "x");
    put("d/sixteen_bytes_xx", "x");
    T(poll(&p, 1, 0));
    X(p.revents);
    int n;
    T(ioctl(q, FIONREAD, &n));
    N(n);
    char b[256];
    T(read(q, b, 15));
    T(read(q, b, 16));
    T(read(q, b, 31));
    T(read(q, b, 32));
    T(read(q, b, 63));
    T(read(q, b, 250));
    T(read(q, b, 250));
    T(read(q, hole(), 250));
    events();
}
SECTION(files) {
    begin();
    watch("d");
    int fd;
    char b[4];
    E(fd = open("d/f", O_RDWR | O_CREAT, 0644));
    watch("d/f");
    E(write(fd, "hello", 5));
    E(write(fd, "", 0));
    E(pread(fd, b, 4, 0));
    E(pread(fd, b, 4, 100));
    E(ftruncate(fd, 3));
    E(truncate("d/f", 2));
    E(fchmod(fd, 0600));
    E(chmod("d/f", 0644));
    E(chown("d/f", -1, -1));
    E(chown("d/f", 0, 0));
    E(fchown(fd, 0, -1));
    struct timespec t[2] = {{1, 0}, {2, 0}};
    E(utimensat(AT_FDCWD, "d/f", t, 0));
    E(futimens(fd, NULL));
    t[0].tv_nsec = UTIME_OMIT;
    E(futimens(fd, t));
    t[0].tv_nsec = 0;
    t[1].tv_nsec = UTIME_OMIT;
    E(futimens(fd, t));
    E(setxattr("d/f", "user.x", "1", 1, 0));
    E(removexattr("d/f", "user.x"));
    E(posix_fallocate(fd, 0, 100));
    EO(open("d/f", O_RDONLY | O_TRUNC));
    E(close(fd + 1));
    E(open("d/f", O_PATH) > 0);
    E(close(fd + 1));
    struct iovec v = {b, 2};
    E(readv(fd, &v, 1));
    E(writev(fd, &v, 1));
    int g = MUST(open("g", O_RDWR | O_CREAT, 0644));
    MUST(write(g, "0123456789", 10));
    off_t o = 0;
    E(sendfile(fd, g, &o, 4));
    o = 0;
    E(sendfile(g, fd, &o, 4));
    int p[2];
    MUST(pipe(p));
    loff_t l = 0;
    E(splice(fd, &l, p[1], NULL, 4, 0));
    l = 0;
    E(splice(p[0], NULL, fd, &l, 4, 0));
    E(access("d/f", R_OK));
    int h = MUST(dup(fd));
    E(close(fd));
    E(close(h));
}
SECTION(names) {
    begin();
    watch("d");
    E(mkdir("d/s", 0755));
    E(mknod("d/n", S_IFIFO | 0600, 0));
    E(symlink("target", "d/l"));
    put("d/f", "x");
    events();
    watch("d/f");
    E(link("d/f", "d/g"));
    E(unlink("d/g"));
    E(chmod("d/s", 0700));
    EO(open("d/s", O_RDONLY | O_DIRECTORY));
    watch("d/s");
    E(rmdir("d/s"));
    E(unlink("d/l"));
    E(unlink("d/n"));
    E(unlink("d/f"));
    E(unlink("d/none"));
    E(mkdir("d/s", 0755));
    watch("d/s");
    E(rmdir("d/s"));
    E(rmdir("d"));
    E(mkdir("d", 0755));
}
SECTION(open_while_removed) {
    begin();
    watch("d");
    int fd = MUST(open("d/f", O_RDWR | O_CREAT, 0644));
    watch("d/f");
    events();
    E(unlink("d/f"));
    E(write(fd, "x", 1));
    E(fchmod(fd, 0600));
    E(close(fd));
    MUST(inotify_rm_watch(q, 1));
    T(inotify_add_watch(q, "d", IN_ALL_EVENTS | IN_EXCL_UNLINK));
    fd = MUST(open("d/f", O_RDWR | O_CREAT, 0644));
    events();
    E(unlink("d/f"));
    E(write(fd, "x", 1));
    E(close(fd));
}
SECTION(moves) {
    begin();
    watch("d");
    MUST(mkdir("e", 0755));
    watch("e");
    put("d/a", "x");
    MUST(mkdir("d/s", 0755));
    events();
    watch("d/a");
    watch("d/s");
    E(rename("d/a", "d/b"));
    E(rename("d/b", "d/b"));
    E(rename("d/b", "e/c"));
    E(rename("d/s", "e/s"));
    put("e/x", "x");
    watch("e/x");
    events();
    E(rename("e/c", "e/x"));
    E(rename("e/s", "out"));
    put("in", "x");
    E(rename("in", "d/in"));
    E(S(renameat2, AT_FDCWD, "d/in", AT_FDCWD, "e/x", 2));
    E(rename("d", "d2"));
    E(chmod("e/x", 0600));
    E(link("e/x", "d2/again"));
    E(rename("e/x", "d2/again"));
    E(unlink("e/x"));
}
SECTION(directories) {
    begin();
    MUST(mkdir("d/s", 0755));
    watch("d");
    watch("d/s");
    int fd;
    char b[1024];
    E(fd = open("d/s", O_RDONLY));
    EO(S(getdents64, fd, b, sizeof b));
    E(S(getdents64, fd, b, sizeof b));
    E(fchmod(fd, 0700));
    E(close(fd));
    put("d/s/deep", "x");
    events();
}
SECTION(same_again) {
    begin();
    put("d/f", "");
    watch("d");
    int fd = MUST(open("d/f", O_WRONLY));
    for (int i = 0; i < 5; i++) MUST(write(fd, "x", 1));
    close(fd);
    events();
    T(inotify_add_watch(q, "d", IN_MODIFY | IN_ONESHOT));
    put("d/f", "one");
    events();
    put("d/f", "two");
    events();
    T(inotify_add_watch(q, "d", IN_OPEN));
    put("d/f", "two");
    events();
    T(inotify_add_watch(q, "d", IN_MASK_ADD | IN_CLOSE_WRITE));
    put("d/f", "two");
    events();
    T(inotify_add_watch(q, "d", IN_DELETE));
    put("d/f", "two");
    events();
    E(unlink("d/f"));
}
SECTION(overflow) {
    begin();
    put("d/a", "");
    put("d/b", "");
    T(inotify_add_watch(q, "d", IN_ATTRIB));
    int max = 0;
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!f || fscanf(f, "%d", &max) != 1) puts("no limit known");
    if (f) fclose(f);
    N(max);
    for (int i = 0; i < max + 100; i++) MUST(chmod(i % 2 ? "d/a" : "d/b", 0600));
    static struct inotify_event all[65536];
    int n = 0, over = 0;
    for (ssize_t k; (k = read(q, all, sizeof all)) > 0;)
        for (char *p = (char *)all; p < (char *)all + k;) {
            struct inotify_event *e = (void *)p;
            if (e->mask & IN_Q_OVERFLOW) printf("overflow: wd %d, len %u, after %d\n", e->wd, e->len, n), over++;
            else n++;
            p += sizeof *e + e->len;
        }
    N(n);
    N(over);
    E(chmod("d/a", 0644));
}
static void on(int s) { (void)s; }
SECTION(waiting) {
    q = MUST(inotify_init());
    MUST(mkdir("d", 0755));
    watch("d");
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGALRM, &a, NULL);
    struct itimerval it = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &it, NULL);
    char b[256];
    T(read(q, b, sizeof b));
    MUST(mkdir("d/s", 0755));
    T(read(q, b, sizeof b));
}
