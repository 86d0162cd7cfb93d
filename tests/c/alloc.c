//: files musl
// truncate(2), ftruncate(2), fallocate(2).
#include "facts.h"
#include <linux/falloc.h>

SECTION(truncation) {
    put("f", "0123456789");
    MUST(mkdir("d", 0755));
    MUST(symlink("f", "l"));
    T(truncate("f", 4));
    show("f");
    T(truncate("f", 8));
    show("f");
    T(truncate("l", 2));
    show("f");
    T(truncate("f", -1));
    T(truncate("missing", 0));
    T(truncate("missing", -1));
    T(truncate("d", 0));
    T(truncate("f/x", 0));
    T(truncate("", 0));
    T(truncate("f/", 0));
    T(S(truncate, NULL, 0));
    T(truncate("/dev/null", 0));
    int fd = open("f", O_RDWR), r = open("f", O_RDONLY), p[2];
    MUST(pipe(p));
    T(ftruncate(fd, 100));
    T(lseek(fd, 0, SEEK_END));
    T(ftruncate(fd, -1));
    T(ftruncate(r, 0));
    T(ftruncate(p[1], 0));
    T(ftruncate(-1, 0));
    T(ftruncate(fd, 0));
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, "x", 1));
    show("f");
    T(ftruncate(fd, 1ll << 40));
    T(lseek(fd, 0, SEEK_END));
    T(ftruncate(fd, 1));
}
SECTION(allocation) {
    struct stat s;
    char b[32] = "";
    int fd = open("f", O_RDWR | O_CREAT, 0600), r = open("f", O_RDONLY), p[2];
    MUST(pipe(p));
    T(fallocate(fd, 0, 0, 100));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 10000));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(fallocate(fd, 0, 50, 100));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(fallocate(fd, 0, 0, 0));
    T(fallocate(fd, 0, -1, 10));
    T(fallocate(fd, 0, 0, -1));
    T(fallocate(fd, 0, LONG_MAX - 5, 10));
    T(fallocate(r, 0, 0, 10));
    T(fallocate(p[1], 0, 0, 10));
    T(fallocate(-1, 0, 0, 10));
    T(fallocate(fd, 0x4000, 0, 10));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    MUST(mkdir("d", 0755));
    T(fallocate(open("d", O_RDONLY), 0, 0, 10));
    T(posix_fallocate(fd, 0, 1000));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(pread(fd, b, 32, 990));
}
SECTION(punching) {
    struct stat s;
    size_t n = 5 * PAGE;
    char *b = malloc(n), *c = malloc(n);
    memset(b, 'x', n);
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    MUST(write(fd, b, n));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE + 10, 100));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * PAGE - 10, 1000));
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50 * PAGE, 1000));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(pread(fd, c, n, 0));
    memset(b + PAGE, 0, PAGE);
    memset(b + 3 * PAGE + 10, 0, 100);
    memset(b + 5 * PAGE - 10, 0, 10);
    IS(!memcmp(b, c, n));
    T(lseek(fd, 0, SEEK_HOLE));
    T(lseek(fd, PAGE, SEEK_DATA));
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, 0, 10));
}
SECTION(disk_full) {
    char b[100] = "";
    int fd = open("/dev/full", O_RDWR);
    T(write(fd, b, 100));
    T(write(fd, b, 0));
    T(read(fd, b, 100));
    T(pwrite(fd, b, 1, 0));
    T(lseek(fd, 5, SEEK_SET));
}
