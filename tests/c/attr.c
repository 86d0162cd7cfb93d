//: files musl
// chmod(2), chown(2), utimensat(2) and their families.
#include "facts.h"
#include <sys/time.h>
#include <utime.h>

SECTION(modes) {
    put("f", "");
    MUST(mkdir("d", 0755));
    MUST(symlink("f", "l"));
    MUST(symlink("no", "dang"));
    T(chmod("f", 0));
    show_stat("f");
    T(chmod("f", 07777));
    show_stat("f");
    T(chmod("f", 0177777));
    show_stat("f");
    T(chmod("f", -1));
    show_stat("f");
    T(chmod("l", 0600));
    show_stat("f");
    show_stat("l");
    T(chmod("dang", 0600));
    T(chmod("missing", 0600));
    T(chmod("f/x", 0600));
    T(chmod("", 0600));
    T(chmod("d", 01700));
    show_stat("d");
    T(chmod("f/", 0600));
    T(chmod("d/", 0755));
    T(fchmod(open("f", O_RDONLY), 0604));
    show_stat("f");
    T(fchmod(-1, 0));
    T(fchmod(open("d", O_RDONLY), 0711));
    show_stat("d");
    T(S(fchmodat, AT_FDCWD, "f", 0640));
    T(S(fchmodat, 999, "f", 0640));
    T(S(fchmodat, AT_FDCWD, NULL, 0640));
    T(S(chmod, hole(), 0640));
}
SECTION(owners) {
    put("f", "");
    MUST(mkdir("d", 0755));
    MUST(symlink("f", "l"));
    if (geteuid() != 0) { puts("not root"); return; }
    T(chown("f", 1, 2));
    show_stat("f");
    T(chown("f", -1, 3));
    show_stat("f");
    T(chown("f", 4, -1));
    show_stat("f");
    T(chown("f", -1, -1));
    show_stat("f");
    MUST(chmod("f", 06755));
    T(chown("f", 5, 5));
    show_stat("f");
    MUST(chmod("f", 02644));
    T(chown("f", 5, 5));
    show_stat("f");
    MUST(chmod("d", 06755));
    T(chown("d", 5, 5));
    show_stat("d");
    T(lchown("l", 6, 6));
    show_stat("l");
    show_stat("f");
    T(chown("l", 7, 7));
    show_stat("f");
    T(chown("missing", 0, 0));
    T(fchown(open("f", O_RDONLY), 8, 8));
    show_stat("f");
    T(fchown(-1, 0, 0));
    T(fchownat(AT_FDCWD, "l", 9, 9, AT_SYMLINK_NOFOLLOW));
    show_stat("l");
    T(fchownat(AT_FDCWD, "l", 9, 9, 1));
    T(fchownat(open("f", O_RDONLY), "", 10, 10, AT_EMPTY_PATH));
    show_stat("f");
    T(fchownat(AT_FDCWD, "", 10, 10, 0));
    T(chown("f", 0x7fffffff, 0x7ffffffe));
    show_stat("f");
    T(S(chown, NULL, 0, 0));
    MUST(chown("f", 0, 0));
    MUST(chmod("f", 06777));
    int fd = open("f", O_RDWR);
    T(write(fd, "x", 1));
    show_stat("f");
}
SECTION(write_clears_suid) {
    put("f", "abc");
    MUST(chmod("f", 06777));
    MUST(chmod(".", 0777));
    if (geteuid() != 0) { puts("not root"); return; }
    MUST(chown("f", 65534, 65534));
    MUST(chmod("f", 06777));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    int fd = open("f", O_RDWR);
    T(write(fd, "x", 1));
    show_stat("f");
    MUST(chmod("f", 06777));
    T(ftruncate(fd, 1));
    show_stat("f");
    T(chmod("f", 02777));
    show_stat("f");
    T(chown("f", -1, 65534));
    show_stat("f");
    T(chown("f", 0, -1));
    T(chown("f", 65534, -1));
}
static void times(const char *path) {
    struct stat s;
    if (lstat(path, &s) < 0) { printf("%s: %s\n", path, ename(errno)); return; }
    long now = time(NULL);
    // What lies near the present is "now".
    printf("%s: ", path);
    if (labs(now - s.st_atim.tv_sec) < 5) printf("atime now"); else printf("atime %ld.%09ld", s.st_atim.tv_sec, s.st_atim.tv_nsec);
    if (labs(now - s.st_mtim.tv_sec) < 5) printf(" mtime now"); else printf(" mtime %ld.%09ld", s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    printf(" ctime %s\n", labs(now - s.st_ctim.tv_sec) < 5 ? "now" : "other");
}
SECTION(times_set) {
    put("f", "");
    MUST(symlink("f", "l"));
    MUST(mkdir("d", 0755));
    struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    T(utimensat(AT_FDCWD, "f", t, 0));
    times("f");
    t[0].tv_nsec = UTIME_OMIT; t[1] = (struct timespec){5, 6};
    T(utimensat(AT_FDCWD, "f", t, 0));
    times("f");
    t[0].tv_nsec = UTIME_NOW; t[1].tv_nsec = UTIME_OMIT;
    T(utimensat(AT_FDCWD, "f", t, 0));
    times("f");
    t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
    T(utimensat(AT_FDCWD, "f", t, 0));
    T(utimensat(AT_FDCWD, "missing", t, 0));
    T(utimensat(999, "missing", t, 0));
    t[0] = t[1] = (struct timespec){-1, 0};
    T(utimensat(AT_FDCWD, "f", t, 0));
    times("f");
    t[0] = (struct timespec){7, 1000000000};
    T(utimensat(AT_FDCWD, "f", t, 0));
    t[0] = (struct timespec){7, -1};
    T(utimensat(AT_FDCWD, "f", t, 0));
    t[0] = (struct timespec){7, 7}; t[1] = (struct timespec){8, 8};
    T(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
    times("l");
    times("f");
    T(utimensat(AT_FDCWD, "f", t, 1));
    T(utimensat(AT_FDCWD, "d", t, 0));
    times("d");
    int fd = open("f", O_RDONLY);
    T(futimens(fd, t));
    times("f");
    T(futimens(-1, t));
    T(S(utimensat, fd, NULL, t, 0));
    T(S(utimensat, AT_FDCWD, NULL, t, 0));
    T(S(utimensat, AT_FDCWD, "f", hole(), 0));
    T(S(utimensat, fd, "", t, AT_EMPTY_PATH));
    T(utimensat(AT_FDCWD, "f", NULL, 0));
    times("f");
    struct utimbuf u = {10, 20};
    T(utime("f", &u));
    times("f");
    struct timeval v[2] = {{30, 40}, {50, 60}};
    T(utimes("f", v));
    times("f");
    v[0].tv_usec = 1000000;
    T(utimes("f", v));
    T(S(futimesat, AT_FDCWD, "f", NULL));
    times("f");
    t[0] = (struct timespec){4102444800, 1}; t[1] = (struct timespec){4102444801, 2};
    T(utimensat(AT_FDCWD, "f", t, 0));
    times("f");
}
