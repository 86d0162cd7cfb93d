//: files musl
// read(2), write(2), pread(2), pwrite(2), readv(2), writev(2), preadv2(2) and their errors.
#include "facts.h"
#ifndef RWF_HIPRI
#include <linux/fs.h>
#endif

SECTION(basics) {
    char b[64];
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    T(read(fd, b, 4));
    show_bytes("b", b, 4);
    T(read(fd, b, 64));
    T(read(fd, b, 64));
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, "abc", 3));
    T(pread(fd, b, 5, 2));
    show_bytes("b", b, 5);
    T(pread(fd, b, 64, 12));
    T(pread(fd, b, 64, 13));
    T(pread(fd, b, 64, 1000));
    T(pread(fd, b, 1, -1));
    T(pwrite(fd, b, 1, -1));
    T(pwrite(fd, "Z", 1, 20));
    show("f");
    T(lseek(fd, 0, SEEK_CUR));
    T(read(fd, b, 0));
    T(write(fd, b, 0));
    T(pread(fd, NULL, 0, 0));
    T(read(fd, NULL, 0));
    T(write(fd, NULL, 0));
    T(pread(fd, b, 1, LONG_MAX));
    T(pwrite(fd, b, 1, LONG_MAX));
    T(pwrite(fd, b, 2, LONG_MAX - 1));
}
SECTION(wrong_mode) {
    char b[4];
    put("f", "0123");
    int r = open("f", O_RDONLY), w = open("f", O_WRONLY);
    T(write(r, "x", 1));
    T(read(w, b, 1));
    T(write(r, NULL, 0));
    T(read(w, NULL, 0));
    T(pwrite(r, "x", 1, 0));
    T(pread(w, b, 1, 0));
    T(read(-1, b, 1));
    T(read(9999, b, 1));
    T(write(9999, NULL, 1));
    T(write(r, (void *)1, 1));
    T(ftruncate(r, 0));
    T(read(w, (void *)1, 1));
}
SECTION(bad_buffers) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *h = hole(), *ro = pages(1, PROT_READ);
    T(read(fd, h, 1));
    T(read(fd, NULL, 5));
    T(read(fd, ro, 5));
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, h, 1));
    T(write(fd, NULL, 1));
    T(write(fd, ro, 1));
    char *two = pages(2, PROT_READ | PROT_WRITE);
    MUST(mprotect(two + PAGE, PAGE, PROT_NONE));
    // A transfer that meets a bad page half way tells how far it came, or fails: file systems differ, memory does not.
    lseek(fd, 0, SEEK_SET);
    IS(read(fd, two + PAGE - 4, 4) == 4);
    T(read(fd, (void *)0xffff800000000000ul, 1));
    T(read(fd, (void *)0xffffffffff600000ul, 1));
    T(read(fd, (void *)0x800000000000ul, 1));
    T(write(fd, (void *)0xffffffffff600000ul, 1));
    T(write(fd, (void *)0xffff888000000000ul, 1));
    T(write(fd, (void *)0x7ffffffff000ul, 1));
    T(read(fd, (void *)-1ul, 1));
    T(read(fd, (void *)(-1ul - 4095), 4096));
    T(read(fd, two, (size_t)-1));
    T(write(fd, two, (size_t)-1));
    T(read(fd, two, LONG_MAX));
    T(lseek(fd, 5, SEEK_SET));
}
SECTION(vectors) {
    char a[4] = "", b[4] = "", c[8] = "";
    put("f", "0123456789abcdef");
    int fd = open("f", O_RDWR);
    struct iovec v[3] = {{a, 3}, {b, 0}, {c, 8}};
    T(readv(fd, v, 3));
    show_bytes("a", a, 4);
    show_bytes("c", c, 8);
    T(readv(fd, v, 0));
    T(readv(fd, v, -1));
    T(readv(fd, v, 1025));
    T(readv(fd, NULL, 0));
    T(readv(fd, NULL, 1));
    T(readv(fd, (void *)1, 1));
    T(writev(fd, v, 3));
    show("f");
    T(writev(fd, v, 0));
    T(writev(fd, NULL, 1));
    v[0].iov_len = -1;
    T(writev(fd, v, 1));
    v[0].iov_len = LONG_MAX;
    v[2].iov_len = LONG_MAX;
    T(readv(fd, v, 3));
    v[0].iov_len = 3;
    v[2].iov_len = 8;
    v[1].iov_base = hole();
    v[1].iov_len = 2;
    T(lseek(fd, 0, SEEK_SET));
    T(readv(fd, v + 1, 2));
    v[1].iov_len = 0;
    T(readv(fd, v, 3));
    T(preadv(fd, v, 3, 1));
    show_bytes("a", a, 4);
    T(preadv(fd, v, 3, -1));
    T(pwritev(fd, v, 3, -5));
    T(pwritev(fd, v, 3, 100));
    show("f");
    T(readv(-1, v, 1));
    T(readv(-1, NULL, -1));
    struct iovec many[1024];
    for (int i = 0; i < 1024; i++) many[i] = (struct iovec){"x", 1};
    T(writev(fd, many, 1024));
}
#define PV2(fd, v, n, off, flags) syscall(SYS_preadv2, fd, v, n, (long)(off), (long)(off) < 0 ? -1l : 0l, flags)
#define WV2(fd, v, n, off, flags) syscall(SYS_pwritev2, fd, v, n, (long)(off), (long)(off) < 0 ? -1l : 0l, flags)
SECTION(v2_flags) {
    char a[8] = "";
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    struct iovec v = {a, 4};
    T(PV2(fd, &v, 1, 2, 0));
    show_bytes("a", a, 4);
    T(PV2(fd, &v, 1, -1, 0));
    T(lseek(fd, 0, SEEK_CUR));
    T(PV2(fd, &v, 1, -2, 0));
    T(PV2(fd, &v, 1, 0, 1 << 20));
    T(WV2(fd, &v, 1, 0, 1 << 20));
    T(WV2(fd, &v, 1, 0, RWF_SYNC));
    T(WV2(fd, &v, 1, 0, RWF_DSYNC));
    T(WV2(fd, &v, 1, 0, RWF_APPEND));
    show("f");
    T(WV2(fd, &v, 1, -1, RWF_APPEND));
    T(lseek(fd, 0, SEEK_CUR));
    show("f");
    T(PV2(fd, &v, 1, 0, RWF_HIPRI));
    int p[2];
    MUST(pipe(p));
    T(PV2(p[0], &v, 1, -1, RWF_NOWAIT));
    T(PV2(p[0], &v, 1, 0, 0));
    T(WV2(p[1], &v, 1, -1, 0));
    T(PV2(p[0], &v, 1, -1, 0));
}
SECTION(sparse) {
    char b[32];
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    T(pwrite(fd, "end", 3, 1 << 20));
    struct stat s;
    MUST(fstat(fd, &s));
    N(s.st_size);
    IS(s.st_blocks * 512 < s.st_size);
    T(pread(fd, b, 32, 500000));
    show_bytes("hole", b, 32);
    T(pread(fd, b, 32, (1 << 20) - 3));
    show_bytes("edge", b, 6);
    T(pwrite(fd, "far", 3, 1ll << 35));
    MUST(fstat(fd, &s));
    N(s.st_size);
    T(pread(fd, b, 32, (1ll << 35) - 2));
    show_bytes("far", b, 5);
    T(unlink("f"));
}
SECTION(big) {
    size_t n = 3 << 20;
    char *b = malloc(n), *c = malloc(n);
    for (size_t i = 0; i < n; i++) b[i] = i * 2654435761u >> 13;
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    T(write(fd, b, n));
    T(write(fd, b, 12345));
    T(pread(fd, c, n, 0));
    IS(!memcmp(b, c, n));
    T(pread(fd, c, n, 4097));
    IS(!memcmp(b + 4097, c, n - 4097) && !memcmp(b, c + n - 4097, 4097));
    T(ftruncate(fd, 100000));
    T(pread(fd, c, n, 99990));
    T(ftruncate(fd, 200000));
    T(pread(fd, c, n, 99990));
    int zero = 1;
    for (int i = 10; i < 100010; i++) zero &= c[i] == 0;
    IS(zero);
}
SECTION(fsize_limit) {
    struct rlimit_ { unsigned long cur, max; } l = {1000, 1000};
    signal(SIGXFSZ, SIG_IGN);
    MUST(S(prlimit64, 0, 1 /* FSIZE */, &l, NULL));
    char b[2000] = "";
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    T(write(fd, b, 600));
    T(write(fd, b, 600));
    T(write(fd, b, 1));
    T(ftruncate(fd, 1001));
    T(ftruncate(fd, 1000));
    T(pwrite(fd, b, 10, 995));
    T(fallocate(fd, 0, 0, 2000));
}
SECTION(fsize_signal) {
    struct rlimit_ { unsigned long cur, max; } l = {10, 10};
    MUST(S(prlimit64, 0, 1 /* FSIZE */, &l, NULL));
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    T(write(fd, "0123456789", 10));
    T(write(fd, "x", 1));
    puts("not reached");
}
SECTION(seek) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    T(lseek(fd, 5, SEEK_SET));
    T(lseek(fd, -2, SEEK_CUR));
    T(lseek(fd, -4, SEEK_CUR));
    T(lseek(fd, 0, SEEK_CUR));
    T(lseek(fd, -1, SEEK_SET));
    T(lseek(fd, 10, SEEK_END));
    T(lseek(fd, -11, SEEK_END));
    T(lseek(fd, 0, 99));
    T(lseek(fd, 0, -1));
    T(lseek(fd, LONG_MAX, SEEK_CUR));
    T(lseek(fd, LONG_MAX, SEEK_END));
    T(lseek(fd, 1ll << 40, SEEK_SET));
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 9, SEEK_DATA));
    T(lseek(fd, 10, SEEK_DATA));
    T(lseek(fd, 3, SEEK_HOLE));
    T(lseek(fd, 10, SEEK_HOLE));
    T(lseek(fd, -1, SEEK_DATA));
    T(lseek(fd, -1, SEEK_HOLE));
    T(lseek(fd, 0, SEEK_CUR));
    int h = open("sparse", O_RDWR | O_CREAT, 0600);
    MUST(pwrite(h, "x", 1, 1 << 20));
    MUST(ftruncate(h, 2 << 20));
    T(lseek(h, 0, SEEK_DATA));
    T(lseek(h, 0, SEEK_HOLE));
    T(lseek(h, 1 << 20, SEEK_HOLE));
    T(lseek(h, (1 << 20) + 4096, SEEK_DATA));
    T(lseek(h, 2 << 20, SEEK_HOLE));
    int p[2];
    MUST(pipe(p));
    T(lseek(p[0], 0, SEEK_SET));
    T(lseek(-1, 0, SEEK_SET));
    T(lseek(p[0], 0, 99));
    T(pread(p[0], &h, 1, 0));
    T(pwrite(p[1], &h, 1, 0));
    int d1 = dup(fd), o = open("f", O_RDONLY);
    T(lseek(fd, 7, SEEK_SET));
    T(lseek(d1, 0, SEEK_CUR));
    T(lseek(o, 0, SEEK_CUR));
}
SECTION(sync_calls) {
    put("f", "x");
    int fd = open("f", O_RDWR), p[2];
    MUST(pipe(p));
    T(fsync(fd));
    T(fdatasync(fd));
    T(fsync(p[0]));
    T(fdatasync(-1));
    T(syncfs(-1));
    T(S(sync_file_range, fd, 0, 0, 7));
    T(S(sync_file_range, fd, 0, 0, 8));
    T(S(sync_file_range, fd, -1, 0, 0));
    T(S(sync_file_range, p[0], 0, 0, 0));
    T(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
    T(posix_fadvise(fd, 0, 0, 77));
    T(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
    T(S(readahead, fd, 0, 100));
    T(S(readahead, p[0], 0, 100));
    T(S(readahead, -1, 0, 100));
}
