//: files musl
// stat(2), fstat(2), fstatat(2), statx(2), statfs(2), access(2): fields and errors.
#include "facts.h"
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <linux/stat.h>

static void scenery(void) {
    put("file", "hello");
    MUST(chmod("file", 0640));
    MUST(mkdir("dir", 0750));
    put("dir/x", "");
    MUST(symlink("file", "link"));
    MUST(symlink("dir", "dlink"));
    MUST(symlink("nowhere", "dangling"));
    MUST(link("file", "hard"));
    MUST(mkfifo("fifo", 0620));
}
static void facts(const struct stat *s) {
    printf("  mode %o nlink %s%d uid %d gid %d size %d rdev %x blksize %ld\n", s->st_mode, S_ISDIR(s->st_mode) ? "dir" : "",
        S_ISDIR(s->st_mode) ? 0 : (int)s->st_nlink, s->st_uid, s->st_gid, S_ISDIR(s->st_mode) ? 0 : (int)s->st_size, (int)s->st_rdev, (long)s->st_blksize);
}
SECTION(fields) {
    scenery();
    struct stat s, t;
    const char *names[] = {"file", "dir", "link", "dlink", "hard", "fifo", "dangling", "missing", "file/", "dir/", "dlink/", "link/", "", ".", ".."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        printf("%s\n", names[i]);
        if (T(stat(names[i], &s)) == 0) facts(&s);
        if (T(lstat(names[i], &s)) == 0) facts(&s);
    }
    MUST(stat("file", &s));
    MUST(stat("hard", &t));
    IS(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    MUST(stat("dir", &t));
    IS(s.st_dev == t.st_dev);
    IS(s.st_ino != t.st_ino);
    int fd = open("file", O_RDONLY);
    MUST(fstat(fd, &t));
    IS(!memcmp(&s, &t, sizeof s));
    IS(s.st_blocks <= 8);
}
SECTION(devices) {
    struct stat s;
    const char *names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
    for (size_t i = 0; i < 6; i++) {
        printf("%s %d", names[i], stat(names[i], &s));
        printf(" mode %o rdev %u:%u size %d\n", s.st_mode, major(s.st_rdev), minor(s.st_rdev), (int)s.st_size);
    }
    MUST(stat("/", &s));
    printf("/ mode %o uid %d\n", s.st_mode, s.st_uid);
    MUST(stat("/proc", &s));
    printf("/proc mode %o uid %d\n", s.st_mode, s.st_uid);
    MUST(stat("/dev", &s));
    printf("/dev mode %o uid %d\n", s.st_mode, s.st_uid);
    MUST(stat("/dev/shm", &s));
    printf("/dev/shm mode %o uid %d\n", s.st_mode, s.st_uid);
    MUST(stat("/tmp", &s));
    printf("/tmp mode %o uid %d\n", s.st_mode, s.st_uid);
}
SECTION(other_objects) {
    struct stat s;
    int p[2];
    MUST(pipe(p));
    MUST(fstat(p[0], &s));
    printf("pipe mode %o size %d blksize %ld\n", s.st_mode, (int)s.st_size, (long)s.st_blksize);
    int fd = S(eventfd2, 0, 0);
    MUST(fstat(fd, &s));
    printf("eventfd mode %o\n", s.st_mode);
    fd = S(memfd_create, "m", 0);
    MUST(fstat(fd, &s));
    printf("memfd mode %o size %d nlink %d\n", s.st_mode, (int)s.st_size, (int)s.st_nlink);
    fd = S(epoll_create1, 0);
    MUST(fstat(fd, &s));
    printf("epoll mode %o\n", s.st_mode);
    T(fstat(-1, &s));
    T(fstat(999, &s));
    T(fstat(0, NULL));
    T(S(fstat, 0, hole()));
    T(S(stat, "/dev/null", hole()));
    T(S(stat, hole(), &s));
    T(S(stat, NULL, &s));
    T(S(lstat, "/dev/null", NULL));
}
SECTION(times_move) {
    struct stat a, b;
    put("f", "1");
    MUST(stat("f", &a));
    sleep_ms(20);
#define LATER(f) (b.f.tv_sec > a.f.tv_sec || (b.f.tv_sec == a.f.tv_sec && b.f.tv_nsec > a.f.tv_nsec))
#define STEP(what) do { sleep_ms(15); what; MUST(lstat("f", &b)); \
    printf("%s: mtime %d ctime %d\n", #what, LATER(st_mtim), LATER(st_ctim)); a = b; } while (0)
    int fd = open("f", O_RDWR);
    char c;
    STEP(MUST(read(fd, &c, 1)));
    STEP(MUST(write(fd, "2", 1)));
    STEP(MUST(write(fd, "2", 0)));
    STEP(MUST(chmod("f", 0600)));
    STEP(MUST(chmod("f", 0600)));
    STEP(MUST(chown("f", -1, -1)));
    STEP(MUST(link("f", "g")));
    STEP(MUST(unlink("g")));
    STEP(MUST(rename("f", "h") + rename("h", "f")));
    STEP(MUST(ftruncate(fd, 1)));
    STEP(MUST(truncate("f", 5)));
    STEP(MUST(close(open("f", O_WRONLY | O_TRUNC))));
    STEP(MUST(close(open("f", O_WRONLY | O_TRUNC))));
    STEP(MUST(utimensat(AT_FDCWD, "f", NULL, 0)));
    STEP(MUST(fsync(fd)));
    STEP(MUST(pwrite(fd, "x", 1, 100)));
    MUST(mkdir("d", 0755));
#undef STEP
#define STEP(what) do { sleep_ms(15); what; MUST(lstat("d", &b)); \
    printf("%s: mtime %d ctime %d\n", #what, LATER(st_mtim), LATER(st_ctim)); a = b; } while (0)
    MUST(lstat("d", &a));
    STEP(put("d/a", "x"));
    STEP(put("d/a", "y"));
    STEP(MUST(rename("d/a", "d/b")));
    STEP(MUST(link("d/b", "d/c")));
    STEP(MUST(chmod("d/c", 0600)));
    STEP(MUST(unlink("d/c")));
    STEP(MUST(mkdir("d/sub", 0700)));
    STEP(MUST(rmdir("d/sub")));
    STEP(MUST(symlink("x", "d/l")));
}
// A file that is touched does not become older, whichever clock stamped it before.
SECTION(times_never_go_back) {
    int back = 0;
    for (int i = 0; i < 300; i++) {
        struct stat a, b, c;
        put("t", "1");
        MUST(stat("t", &a));
        MUST(utimensat(AT_FDCWD, "t", NULL, 0));
        MUST(stat("t", &b));
        struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
        put("t", "2");
        MUST(utimensat(AT_FDCWD, "t", now, 0));
        MUST(stat("t", &c));
#define OLDER(x, y) (x.tv_sec < y.tv_sec || (x.tv_sec == y.tv_sec && x.tv_nsec < y.tv_nsec))
        back += OLDER(b.st_mtim, a.st_mtim) + OLDER(b.st_atim, a.st_atim) + OLDER(c.st_mtim, b.st_mtim);
        unlink("t");
    }
    N(back);
}
SECTION(fstatat_flags) {
    scenery();
    struct stat s;
    int d = open("dir", O_RDONLY), f = open("file", O_RDONLY);
    T(fstatat(d, "x", &s, 0));
    T(fstatat(d, "", &s, 0));
    T(fstatat(d, "", &s, AT_EMPTY_PATH));
    T(S_ISDIR(s.st_mode));
    T(fstatat(f, "", &s, AT_EMPTY_PATH));
    T(fstatat(f, "x", &s, 0));
    T(fstatat(AT_FDCWD, "", &s, AT_EMPTY_PATH));
    T(S_ISDIR(s.st_mode));
    T(fstatat(AT_FDCWD, "link", &s, AT_SYMLINK_NOFOLLOW));
    T(S_ISLNK(s.st_mode));
    T(fstatat(AT_FDCWD, "link", &s, AT_NO_AUTOMOUNT));
    T(S(newfstatat, AT_FDCWD, "link", &s, 0x40000000));
    T(S(newfstatat, AT_FDCWD, "link", &s, 1));
    T(fstatat(999, "x", &s, 0));
    T(fstatat(999, "/dev/null", &s, 0));
    T(S(newfstatat, 1, NULL, &s, AT_EMPTY_PATH));
    T(S(newfstatat, 999, "", &s, AT_EMPTY_PATH));
}
SECTION(statx_call) {
    scenery();
    struct statx x;
#define SX(...) T(S(statx, __VA_ARGS__))
    memset(&x, 0xaa, sizeof x);
    SX(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x);
    X(x.stx_mask & STATX_BASIC_STATS);
    printf("mode %o nlink %u uid %u gid %u size %u dev %d\n", x.stx_mode, x.stx_nlink, x.stx_uid, x.stx_gid, (int)x.stx_size, x.stx_dev_major != 0xaaaaaaaa);
    N(x.stx_blksize);
    struct stat s;
    MUST(stat("file", &s));
    IS(s.st_ino == x.stx_ino && s.st_mtim.tv_nsec == x.stx_mtime.tv_nsec && s.st_ctim.tv_sec == x.stx_ctime.tv_sec);
    IS(makedev(x.stx_dev_major, x.stx_dev_minor) == s.st_dev);
    SX(AT_FDCWD, "file", 0, 0, &x);
    SX(AT_FDCWD, "file", 0, 0x80000000, &x);
    SX(AT_FDCWD, "file", 0x10000000, 0, &x);
    SX(AT_FDCWD, "file", AT_STATX_SYNC_TYPE, 0, &x);
    SX(AT_FDCWD, "file", AT_STATX_DONT_SYNC, STATX_ALL, &x);
    SX(AT_FDCWD, "missing", 0, STATX_ALL, &x);
    SX(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_ALL, &x);
    N(S_ISLNK(x.stx_mode));
    SX(AT_FDCWD, "", AT_EMPTY_PATH, STATX_ALL, &x);
    SX(1, "", AT_EMPTY_PATH, STATX_ALL, &x);
    SX(999, "", AT_EMPTY_PATH, STATX_ALL, &x);
    SX(AT_FDCWD, "file", 0, STATX_ALL, NULL);
    SX(AT_FDCWD, "file", 0, STATX_ALL, hole());
    SX(AT_FDCWD, NULL, 0, STATX_ALL, &x);
    SX(AT_FDCWD, "/dev/null", 0, STATX_ALL, &x);
    printf("%o %u:%u\n", x.stx_mode, x.stx_rdev_major, x.stx_rdev_minor);
}
SECTION(statfs_call) {
    put("f", "");
    struct statfs f;
    T(statfs("f", &f));
    IS(f.f_bsize > 0 && f.f_namelen == 255 && f.f_blocks > 0);
    T(statfs("missing", &f));
    T(statfs("f/x", &f));
    T(statfs("/proc", &f));
    X(f.f_type);
    T(statfs("/sys", &f));
    X(f.f_type);
    T(statfs("/dev/shm", &f));
    X(f.f_type);
    T(fstatfs(open("f", O_RDONLY), &f));
    T(fstatfs(-1, &f));
    T(S(statfs, "f", NULL));
    T(S(statfs, NULL, &f));
    int p[2];
    MUST(pipe(p));
    T(fstatfs(p[0], &f));
    X(f.f_type);
}
SECTION(access_call) {
    scenery();
    T(access("file", F_OK));
    T(access("file", R_OK | W_OK));
    T(access("file", X_OK));
    T(access("dir", X_OK));
    T(access("file", 8));
    T(access("file", -1));
    T(access("missing", F_OK));
    T(access("dangling", F_OK));
    T(access("file/x", F_OK));
    T(access("", F_OK));
    MUST(chmod("file", 0));
    T(access("file", R_OK));
    T(access("file", X_OK));
    MUST(chmod("file", 0111));
    T(access("file", X_OK));
    T(S(faccessat2, AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));
    T(S(faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(S(faccessat2, AT_FDCWD, "file", X_OK, AT_EACCESS));
    T(S(faccessat2, AT_FDCWD, "file", X_OK, 1));
    T(S(faccessat2, AT_FDCWD, "", F_OK, AT_EMPTY_PATH));
    T(S(faccessat2, 999, "x", F_OK, 0));
    T(S(faccessat2, AT_FDCWD, "x", 77, 0));
    T(access("/proc/self/exe", X_OK));
    T(access("/dev/null", X_OK));
    T(access("/dev/null", W_OK));
}
