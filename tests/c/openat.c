//: files musl
// openat(2): flags, path resolution errors and their order.
#include "facts.h"
#include <linux/openat2.h>

static char longname[300], longpath[5000];
static void scenery(void) {
    put("file", "hello");
    MUST(mkdir("dir", 0755));
    put("dir/inner", "inner");
    MUST(symlink("file", "link"));
    MUST(symlink("dir", "dlink"));
    MUST(symlink("nowhere", "dangling"));
    MUST(symlink("loop2", "loop1"));
    MUST(symlink("loop1", "loop2"));
    memset(longname, 'n', 256);
    for (int i = 0; i < 4200; i += 2) memcpy(longpath + i, "./", 2);
}

SECTION(create) {
    scenery();
    T(open("new", O_RDONLY));
    T(open("new", O_RDWR | O_CREAT, 0640));
    show_stat("new");
    T(open("new2", O_RDONLY | O_CREAT, 0777));
    show_stat("new2");
    T(open("new3", O_RDONLY | O_CREAT, 0));
    show_stat("new3");
    T(open("new4", O_RDONLY | O_CREAT, 07777));
    show_stat("new4");
    umask(077);
    T(open("new5", O_RDONLY | O_CREAT, 0666));
    show_stat("new5");
    T(open("nodir/x", O_CREAT | O_RDWR, 0600));
    T(open("file/x", O_CREAT | O_RDWR, 0600));
    T(open("dir", O_CREAT | O_RDWR, 0600));
    T(open("dir", O_CREAT | O_RDONLY, 0600));
    T(open("dir/", O_CREAT | O_RDONLY, 0600));
    T(open("newslash/", O_CREAT | O_RDWR, 0600));
    T(open("file/", O_CREAT | O_RDWR, 0600));
    T(open("dangling", O_CREAT | O_RDWR, 0600));
    show_stat("nowhere");
    T(open("new6", O_CREAT | O_DIRECTORY | O_RDWR, 0700));
    show_stat("new6");
    T(open("file", O_CREAT | O_DIRECTORY | O_RDWR, 0700));
    T(open("dir", O_CREAT | O_DIRECTORY | O_RDONLY, 0700));
    T(open(".", O_CREAT | O_RDONLY, 0700));
    T(open("..", O_CREAT | O_EXCL | O_RDONLY, 0700));
    T(open("/", O_CREAT | O_EXCL | O_RDONLY, 0700));
    T(creat("new7", 0600));
    T(S(open, "new8", O_CREAT | O_WRONLY | 0x40000000, 0600));
    show_stat("new8");
}
SECTION(excl) {
    scenery();
    T(open("fresh", O_CREAT | O_EXCL | O_RDWR, 0600));
    T(open("fresh", O_CREAT | O_EXCL | O_RDWR, 0600));
    T(open("file", O_CREAT | O_EXCL, 0600));
    T(open("dir", O_CREAT | O_EXCL, 0600));
    T(open("link", O_CREAT | O_EXCL, 0600));
    T(open("dangling", O_CREAT | O_EXCL, 0600));
    T(open("loop1", O_CREAT | O_EXCL, 0600));
    T(open("file", O_EXCL | O_RDONLY));
    T(path_exists("nowhere"));
    T(unlink("fresh"));
    T(open("fresh", O_CREAT | O_EXCL | O_RDWR, 0600));
}
SECTION(trunc) {
    scenery();
    T(open("file", O_RDWR | O_TRUNC));
    show_stat("file");
    put("file", "again");
    T(open("link", O_WRONLY | O_TRUNC));
    show_stat("file");
    T(open("dir", O_WRONLY | O_TRUNC));
    T(open("dir", O_RDONLY | O_TRUNC));
    T(open("missing", O_WRONLY | O_TRUNC));
    put("file", "content");
    T(open("file", O_WRONLY | O_TRUNC | O_CREAT | O_EXCL, 0600));
    show("file");
    int fd = open("file", O_RDWR);
    T(lseek(fd, 3, SEEK_SET));
    T(open("file", O_WRONLY | O_TRUNC));
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, "x", 1));
    show("file");
}
SECTION(append) {
    scenery();
    int fd = T(open("file", O_RDWR | O_APPEND));
    T(lseek(fd, 0, SEEK_SET));
    T(write(fd, "++", 2));
    T(lseek(fd, 0, SEEK_CUR));
    show("file");
    T(pwrite(fd, "P", 1, 0));
    show("file");
    T(lseek(fd, 0, SEEK_CUR));
    int fd2 = T(open("file", O_WRONLY));
    T(write(fd2, "12345678901234", 14));
    T(write(fd, "end", 3));
    show("file");
    T(fcntl(fd, F_SETFL, 0));
    T(lseek(fd, 0, SEEK_SET));
    T(write(fd, "S", 1));
    show("file");
    T(fcntl(fd2, F_SETFL, O_APPEND));
    T(write(fd2, "E", 1));
    show("file");
}
SECTION(directory) {
    scenery();
    T(open("dir", O_RDONLY | O_DIRECTORY));
    T(open("dlink", O_RDONLY | O_DIRECTORY));
    T(open("file", O_RDONLY | O_DIRECTORY));
    T(open("link", O_RDONLY | O_DIRECTORY));
    T(open("missing", O_RDONLY | O_DIRECTORY));
    T(open("dir", O_WRONLY | O_DIRECTORY));
    T(open("dir", O_WRONLY));
    T(open("dir", O_RDWR));
    T(open("dir", O_RDONLY));
    char c;
    int fd = open("dir", O_RDONLY);
    T(read(fd, &c, 1));
    T(write(fd, &c, 1));
    T(pread(fd, &c, 1, 0));
    T(ftruncate(fd, 0));
    T(openat(fd, "inner", O_RDONLY));
    T(openat(fd, "../file", O_RDONLY));
    T(openat(fd, "", O_RDONLY));
    T(openat(fd, ".", O_RDONLY));
    int f2 = open("file", O_RDONLY);
    T(openat(f2, "x", O_RDONLY));
    T(openat(f2, "/", O_RDONLY));
    T(openat(f2, "", O_RDONLY));
    T(openat(999, "x", O_RDONLY));
    T(openat(999, "/dev/null", O_RDONLY));
    T(openat(-1, "x", O_RDONLY));
    T(openat(999, "", O_RDONLY));
    T(rmdir("nonexistent") == -1 && errno == ENOENT);
    int gone = (mkdir("gone", 0700), open("gone", O_RDONLY));
    MUST(rmdir("gone"));
    T(openat(gone, "x", O_RDWR | O_CREAT, 0600));
    T(openat(gone, "x", O_RDONLY));
    T(openat(gone, ".", O_RDONLY) >= 0);
}
SECTION(nofollow) {
    scenery();
    T(open("link", O_RDONLY | O_NOFOLLOW));
    T(open("file", O_RDONLY | O_NOFOLLOW));
    T(open("dlink", O_RDONLY | O_NOFOLLOW));
    T(open("dlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    T(open("dlink/", O_RDONLY | O_NOFOLLOW));
    T(open("dlink/inner", O_RDONLY | O_NOFOLLOW));
    T(open("dangling", O_RDONLY | O_NOFOLLOW));
    T(open("dangling", O_RDWR | O_NOFOLLOW | O_CREAT, 0600));
    T(open("link", O_RDWR | O_NOFOLLOW | O_CREAT, 0600));
    T(open("link", O_RDONLY | O_NOFOLLOW | O_PATH));
}
SECTION(o_path) {
    scenery();
    char c;
    struct stat s;
    int fd = T(open("file", O_PATH));
    T(read(fd, &c, 1));
    T(write(fd, &c, 1));
    T(lseek(fd, 0, SEEK_SET));
    T(fstat(fd, &s));
    T(s.st_size);
    T(fchmod(fd, 0600));
    T(fchown(fd, 0, 0));
    T(ftruncate(fd, 0));
    T(fsync(fd));
    T(fcntl(fd, F_GETFL) & O_PATH);
    X(fcntl(fd, F_GETFL));
    T(fcntl(fd, F_SETFL, O_NONBLOCK));
    T(fcntl(fd, F_GETFD));
    T(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    T(dup(fd));
    int d = T(open("dir", O_PATH | O_DIRECTORY));
    T(openat(d, "inner", O_RDONLY));
    T(openat(d, "new", O_RDWR | O_CREAT, 0600));
    T(fchdir(d));
    T(path_exists("inner"));
    T(chdir(".."));
    char buf[512];
    T(S(getdents64, d, buf, sizeof buf));
    int l = T(open("link", O_PATH | O_NOFOLLOW));
    T(fstat(l, &s));
    T(S_ISLNK(s.st_mode));
    ssize_t n = readlinkat(l, "", buf, sizeof buf);
    show_bytes("readlinkat", buf, n < 0 ? 0 : n);
    T(readlinkat(fd, "", buf, sizeof buf));
    T(readlinkat(d, "", buf, sizeof buf));
    T(open("file", O_PATH | O_DIRECTORY));
    T(open("missing", O_PATH));
    T(open("file", O_PATH | O_RDWR | O_TRUNC | O_CREAT | O_APPEND));
    show("file");
    T(open("dangling", O_PATH));
    T(open("dangling", O_PATH | O_NOFOLLOW));
    snprintf(buf, sizeof buf, "/proc/self/fd/%d", fd);
    T(open(buf, O_RDONLY));
    T(fstatat(fd, "", &s, AT_EMPTY_PATH));
    T(linkat(fd, "", AT_FDCWD, "hard", AT_EMPTY_PATH));
    show_stat("hard");
    T(faccessat(fd, "", R_OK, AT_EMPTY_PATH));
}
SECTION(tmpfile_flag) {
    scenery();
    int fd = OK(open("dir", O_TMPFILE | O_RDWR, 0640)) >= 0 ? 3 : -1;
    T(write(fd, "temp", 4));
    struct stat s;
    T(fstat(fd, &s));
    printf("mode %o nlink %d size %d\n", s.st_mode, (int)s.st_nlink, (int)s.st_size);
    T(linkat(fd, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
    show("linked");
    T(fstat(fd, &s));
    T(s.st_nlink);
    T(linkat(fd, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
    int fd2 = T(open("dir", O_TMPFILE | O_RDWR | O_EXCL, 0640));
    T(linkat(fd2, "", AT_FDCWD, "linked2", AT_EMPTY_PATH));
    T(open("dir", O_TMPFILE | O_RDONLY, 0640));
    T(open("file", O_TMPFILE | O_RDWR, 0640));
    T(open("missing", O_TMPFILE | O_RDWR, 0640));
    T(open("dir", O_TMPFILE | O_RDWR | O_CREAT, 0640));
    T(open("dir", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0640));
    char p[64];
    int fd3 = open(".", O_TMPFILE | O_WRONLY, 0600);
    snprintf(p, sizeof p, "/proc/self/fd/%d", fd3);
    T(linkat(AT_FDCWD, p, AT_FDCWD, "linked3", AT_SYMLINK_FOLLOW));
    show_stat("linked3");
}
SECTION(cloexec) {
    scenery();
    int fd = open("file", O_RDONLY | O_CLOEXEC);
    T(fcntl(fd, F_GETFD));
    T(fcntl(dup(fd), F_GETFD));
    T(fcntl(open("file", O_RDONLY), F_GETFD));
    X(fcntl(fd, F_GETFL));
    X(fcntl(open("file", O_RDWR | O_NONBLOCK | O_APPEND | O_SYNC), F_GETFL));
    X(fcntl(open("file", O_WRONLY | O_DSYNC | O_NOATIME), F_GETFL));
    X(fcntl(open("dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), F_GETFL));
    X(fcntl(open("file", O_CREAT | O_TRUNC | O_RDWR | O_NOCTTY, 0600), F_GETFL));
}
SECTION(accmode3) {
    scenery();
    char c;
    int fd = T(open("file", O_ACCMODE));
    T(read(fd, &c, 1));
    T(write(fd, &c, 1));
    X(fcntl(fd, F_GETFL));
}
SECTION(slashes) {
    scenery();
    T(open("file/", O_RDONLY));
    T(open("file/.", O_RDONLY));
    T(open("file/..", O_RDONLY));
    T(open("dir/", O_RDONLY));
    T(open("dir//inner", O_RDONLY));
    T(open("./././/dir/./inner", O_RDONLY));
    T(open("dir/../file", O_RDONLY));
    T(open("missing/../file", O_RDONLY));
    T(open("link/", O_RDONLY));
    T(open("dlink/", O_RDONLY));
    T(open("dlink/../file", O_RDONLY));
    T(open("dangling/", O_RDONLY));
    T(open("dangling/", O_RDWR | O_CREAT, 0600));
    T(open("/../../dev/null", O_RDONLY));
    T(open("//dev///null", O_RDONLY));
    T(open("/dev/null/", O_RDONLY));
    T(open("", O_RDONLY));
    T(open("", O_CREAT | O_RDWR, 0600));
    T(open("missing/", O_RDONLY));
}
SECTION(loops) {
    scenery();
    T(open("loop1", O_RDONLY));
    T(open("loop1/x", O_RDONLY));
    T(open("loop1", O_CREAT | O_RDWR, 0600));
    MUST(symlink("self", "self"));
    T(open("self", O_RDONLY));
    T(open("self", O_PATH | O_NOFOLLOW) >= 0);
    // Forty links are followed, forty-one are not.
    char a[16], b[16];
    for (int i = 0; i < 45; i++) {
        snprintf(a, sizeof a, i ? "c%d" : "file", i - 1);
        if (i) snprintf(a, sizeof a, "c%d", i - 1);
        snprintf(b, sizeof b, "c%d", i);
        MUST(symlink(a, b));
    }
    T(open("c38", O_RDONLY) >= 0 ? 0 : -1);
    T(open("c39", O_RDONLY) >= 0 ? 0 : -1);
    T(open("c40", O_RDONLY) >= 0 ? 0 : -1);
    T(open("c41", O_RDONLY) >= 0 ? 0 : -1);
    MUST(symlink("dlink", "d1"));
    char deep[1024] = "";
    for (int i = 0; i < 19; i++) strcat(deep, "d1/../");
    strcat(deep, "d1/inner");
    T(open(deep, O_RDONLY) >= 0 ? 0 : -1);
    char deeper[1024] = "d1/../";
    strcat(deeper, deep);
    T(open(deeper, O_RDONLY) >= 0 ? 0 : -1);
}
SECTION(names) {
    scenery();
    T(open(longname, O_RDONLY));
    T(open(longname, O_RDWR | O_CREAT, 0600));
    longname[255] = 0;
    T(open(longname, O_RDONLY));
    T(open(longname, O_RDWR | O_CREAT, 0600));
    T(path_exists(longname));
    T(open(longpath, O_RDONLY));
    longpath[4096] = 0;
    T(open(longpath, O_RDONLY));
    longpath[4095] = 0;
    T(open(longpath, O_RDONLY));
    longpath[4094] = 0;
    T(open(longpath, O_RDONLY));
    T(open("\x01\x02\xff odd \n name", O_CREAT | O_RDWR, 0600));
    T(open("\xc3\x28", O_CREAT | O_RDWR, 0600));
    T(path_exists("\xc3\x28"));
    T(open("...", O_CREAT | O_RDWR, 0600));
    longname[255] = 'n';
    char p[600];
    snprintf(p, sizeof p, "file/%s", longname);
    T(open(p, O_RDONLY));
    snprintf(p, sizeof p, "missing/%s", longname);
    T(open(p, O_RDONLY));
    snprintf(p, sizeof p, "dir/%s/x", longname);
    T(open(p, O_RDONLY));
}
SECTION(permissions) {
    scenery();
    put("secret", "s");
    MUST(chmod("secret", 0600));
    put("readable", "r");
    MUST(chmod("readable", 0444));
    MUST(mkdir("closed", 0700));
    put("closed/x", "x");
    MUST(mkdir("listonly", 0744));
    put("listonly/x", "x");
    MUST(mkdir("xonly", 0711));
    put("xonly/x", "x");
    MUST(mkdir("open", 0777));
    MUST(chmod("open", 0777));
    MUST(mkdir("sticky", 0777));
    MUST(chmod("sticky", 01777));
    put("sticky/x", "x");
    if (geteuid() != 0) { puts("not root"); return; }
    MUST(chmod(".", 0755));
    MUST(S(setgroups, 0, NULL));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    T(open("secret", O_RDONLY));
    T(open("secret", O_PATH) >= 0);
    T(open("readable", O_RDONLY) >= 0);
    T(open("readable", O_RDWR));
    T(open("readable", O_RDONLY | O_TRUNC));
    T(open("closed/x", O_RDONLY));
    T(open("closed/missing", O_RDONLY));
    T(open("listonly", O_RDONLY) >= 0);
    T(open("listonly/x", O_RDONLY));
    T(open("xonly", O_RDONLY));
    T(open("xonly/x", O_RDONLY) >= 0);
    T(open("newfile", O_CREAT | O_RDWR, 0600));
    T(open("open/mine", O_CREAT | O_RDWR, 0600) >= 0);
    show_stat("open/mine");
    T(open("file", O_RDONLY | O_NOATIME));
    T(access("secret", R_OK));
    T(access("readable", R_OK));
    T(access("readable", X_OK));
    T(access("closed/x", F_OK));
    T(unlink("file"));
    T(unlink("sticky/x"));
    T(unlink("open/mine"));
    T(rename("file", "open/file"));
    T(mkdir("newdir", 0700));
    T(mkdir("open/newdir", 0700));
    T(rmdir("open/newdir"));
    T(symlink("a", "b"));
    T(link("readable", "open/hard"));
    T(chmod("file", 0600));
    T(chown("file", 65534, 65534));
    T(utimensat(AT_FDCWD, "file", NULL, 0));
    T(truncate("readable", 0));
    T(chdir("closed"));
    T(chdir("xonly"));
    T(mknod("open2", S_IFIFO | 0600, 0));
    T(mknod("open/dev", S_IFCHR | 0600, 0x103));
    T(mknod("open/fifo", S_IFIFO | 0600, 0));
}
SECTION(openat2_call) {
    scenery();
    int dir = open("dir", O_RDONLY | O_DIRECTORY);
#define O2(d, p, ...) ({ struct open_how h = {__VA_ARGS__}; T(S(openat2, d, p, &h, sizeof h)); })
    O2(AT_FDCWD, "file", .flags = O_RDONLY);
    O2(AT_FDCWD, "file", .flags = O_RDONLY, .mode = 0600);
    O2(AT_FDCWD, "new", .flags = O_RDWR | O_CREAT, .mode = 0600);
    O2(AT_FDCWD, "new2", .flags = O_RDWR | O_CREAT, .mode = 010600);
    O2(AT_FDCWD, "file", .flags = 1ull << 40);
    O2(AT_FDCWD, "file", .flags = O_RDONLY, .resolve = 1ull << 40);
    O2(AT_FDCWD, "link", .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS);
    O2(AT_FDCWD, "dlink/inner", .flags = O_RDONLY, .resolve = RESOLVE_NO_SYMLINKS);
    O2(dir, "../file", .flags = O_RDONLY, .resolve = RESOLVE_BENEATH);
    O2(dir, "inner", .flags = O_RDONLY, .resolve = RESOLVE_BENEATH);
    O2(dir, "/inner", .flags = O_RDONLY, .resolve = RESOLVE_BENEATH);
    O2(dir, "/inner", .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT);
    O2(dir, "../../inner", .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT);
    O2(dir, "inner", .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT | RESOLVE_BENEATH);
    O2(AT_FDCWD, "/proc/self/exe", .flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS);
    O2(AT_FDCWD, "file", .flags = O_PATH | O_CREAT);
    struct open_how h = {.flags = O_RDONLY};
    T(S(openat2, AT_FDCWD, "file", &h, 23));
    T(S(openat2, AT_FDCWD, "file", &h, 0));
    struct { struct open_how h; uint64_t extra; } big = {{.flags = O_RDONLY}, 0};
    T(S(openat2, AT_FDCWD, "file", &big, sizeof big));
    big.extra = 1;
    T(S(openat2, AT_FDCWD, "file", &big, sizeof big));
    T(S(openat2, AT_FDCWD, "file", &h, 5000));
}
SECTION(close_call) {
    scenery();
    int fd = open("file", O_RDONLY);
    T(close(fd));
    T(close(fd));
    T(close(-1));
    T(close(100000));
    T(S(close_range, 10, 5, 0));
    T(dup2(1, 50));
    T(dup2(1, 51));
    T(S(close_range, 50, 51, 0));
    T(fcntl(50, F_GETFD));
    T(dup2(1, 52));
    T(S(close_range, 52, ~0u, 4));
    T(fcntl(52, F_GETFD));
    T(S(close_range, 52, 60, 8));
    T(S(close_range, 52, ~0u, 2));
    T(fcntl(52, F_GETFD));
    T(open("file", O_RDONLY));
    T(open("file", O_RDONLY));
    T(close(3));
    T(open("dir", O_RDONLY));
}
SECTION(unlinked_stays) {
    scenery();
    char b[16];
    int fd = open("file", O_RDWR);
    T(unlink("file"));
    T(pread(fd, b, 16, 0));
    T(write(fd, "HELLO WORLD", 11));
    T(pread(fd, b, 16, 0));
    struct stat s;
    T(fstat(fd, &s));
    T(s.st_nlink);
    put("file", "another");
    show("file");
    T(pread(fd, b, 16, 0));
    char p[64], l[4096];
    snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(p, l, sizeof l - 1);
    l[n < 0 ? 0 : n] = 0;
    IS(n > 10 && !strcmp(l + n - 10, " (deleted)"));
    T(open(p, O_RDONLY) >= 0);
    T(linkat(AT_FDCWD, p, AT_FDCWD, "revived", AT_SYMLINK_FOLLOW));
}
