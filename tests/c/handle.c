// File handles: name_to_handle_at and open_by_handle_at.
#include "facts.h"

struct handle { unsigned bytes; int type; unsigned char f[128]; };
static int mount_id;
static long named(const char *path, struct handle *h, int flags) {
    h->bytes = sizeof h->f;
    return S(name_to_handle_at, AT_FDCWD, path, h, &mount_id, flags);
}
static int same(struct handle *a, struct handle *b) { return a->bytes == b->bytes && a->type == b->type && !memcmp(a->f, b->f, a->bytes); }
static long opened(struct handle *h, int flags) {
    int d = open(".", O_RDONLY);
    long fd = S(open_by_handle_at, d, h, flags);
    int e = errno;
    close(d);
    errno = e;
    return fd;
}
SECTION(round_trip) {
    struct handle h, h2, h3;
    put("f", "content");
    put("g", "other");
    T(named("f", &h, 0));
    IS(h.bytes > 0 && h.bytes <= 128);
    link("f", "l");
    T(named("l", &h2, 0));
    IS(same(&h, &h2));
    T(named("g", &h3, 0));
    IS(same(&h, &h3));
    symlink("f", "s");
    T(named("s", &h2, 0));
    IS(same(&h, &h2));
    T(named("s", &h2, AT_SYMLINK_FOLLOW));
    IS(same(&h, &h2));
    int fd = open("f", O_RDONLY);
    h2.bytes = 128;
    T(S(name_to_handle_at, fd, "", &h2, &mount_id, AT_EMPTY_PATH));
    IS(same(&h, &h2));
    close(fd);
    char b[16] = "";
    long o = opened(&h, O_RDWR);
    IS(o >= 0);
    T(read(o, b, 16));
    show_bytes("read", b, 7);
    struct stat s, t;
    fstat(o, &s), stat("f", &t);
    IS(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    close(o);
    rename("f", "renamed");
    o = opened(&h, O_RDONLY);
    IS(o >= 0);
    close(o);
    unlink("renamed"), unlink("l");
    T(opened(&h, O_RDONLY));
}
SECTION(directories_and_links) {
    struct handle h;
    mkdir("d", 0755);
    put("d/f", "x");
    T(named("d", &h, 0));
    long d = opened(&h, O_RDONLY | O_DIRECTORY);
    IS(d >= 0);
    T(faccessat(d, "f", F_OK, 0));
    T(opened(&h, O_WRONLY));
    put("f", "x");
    T(named("f", &h, 0));
    T(opened(&h, O_RDONLY | O_DIRECTORY));
    symlink("f", "s");
    T(named("s", &h, 0));
    T(opened(&h, O_RDONLY));
    long p = opened(&h, O_PATH);
    IS(p >= 0);
    char b[16] = "";
    T(readlinkat(p, "", b, 16));
}
SECTION(refused) {
    struct handle h = {0};
    put("f", "x");
    h.bytes = 0;
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, 0));
    IS(h.bytes > 0);
    unsigned need = h.bytes;
    h.bytes = need - 1;
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, 0));
    h.bytes = need;
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, 0));
    h.bytes = 129;
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, 0));
    h.bytes = 128;
    T(S(name_to_handle_at, AT_FDCWD, "none", &h, &mount_id, 0));
    T(S(name_to_handle_at, AT_FDCWD, "", &h, &mount_id, 0));
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, 1));
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, &mount_id, AT_SYMLINK_NOFOLLOW));
    T(S(name_to_handle_at, AT_FDCWD, "f", hole(), &mount_id, 0));
    T(S(name_to_handle_at, AT_FDCWD, "f", &h, hole(), 0));
    T(S(name_to_handle_at, -1, "f", &h, &mount_id, 0));
    T(S(name_to_handle_at, AT_FDCWD, "/proc/self/stat", &h, &mount_id, 0));
    h.bytes = 128;
    MUST(named("f", &h, 0));
    struct handle wrong = h;
    T(S(open_by_handle_at, -1, &h, O_RDONLY));
    T(S(open_by_handle_at, AT_FDCWD, hole(), O_RDONLY));
    wrong.bytes = 0;
    T(S(open_by_handle_at, AT_FDCWD, &wrong, O_RDONLY));
    wrong.bytes = 129;
    T(S(open_by_handle_at, AT_FDCWD, &wrong, O_RDONLY));
    if (fork() == 0) {
        setresuid(1234, 1234, 1234);
        T(S(open_by_handle_at, AT_FDCWD, &h, O_RDONLY));
        _exit(0);
    }
    sleep_ms(50);
    long fd = S(open_by_handle_at, AT_FDCWD, &h, O_RDONLY);
    IS(fd >= 0);
    IS(fcntl(fd, F_GETFD) == 0);
    fd = S(open_by_handle_at, AT_FDCWD, &h, O_RDONLY | O_CLOEXEC);
    IS(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}
SECTION(other_file_system) {
    struct handle h;
    put("f", "x");
    T(named("f", &h, 0));
    int p = open("/proc", O_RDONLY);
    T(S(open_by_handle_at, p, &h, O_RDONLY));
}
