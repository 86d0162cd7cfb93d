// facts.h - what every oracle program shares. A program is a set of sections; each prints facts, one per line, that
// are the same every time on the same kernel: no addresses, process ids or times.
//   prog            run every section, one after the other
//   prog -l         list the sections
//   prog NAME...    run these
// First line of a program: "//: files musl static": run it on host files too, also link it with musl / statically.
#ifndef FACTS_H
#define FACTS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
// Wrong arguments are the subject here; section names may be those of library functions.
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define PAGE 4096ul

// A section registers itself in a linker set, so that listing and running need no table.
struct section { const char *name; void (*run)(void); };
#define SECTION(n)                                                                                                    \
    static void n(void);                                                                                              \
    static const struct section section_##n __attribute__((section("sections"), used, aligned(8))) = {#n, n};            \
    static void n(void)
extern const struct section __start_sections[], __stop_sections[];

static UNUSED const char *ename(int e) {
    static char other[32];
#define E(n) case n: return #n;
    switch (e) {
    case 0: return "0";
    E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(ENXIO) E(E2BIG) E(ENOEXEC) E(EBADF) E(ECHILD) E(EAGAIN) E(ENOMEM)
    E(EACCES) E(EFAULT) E(ENOTBLK) E(EBUSY) E(EEXIST) E(EXDEV) E(ENODEV) E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENFILE)
    E(EMFILE) E(ENOTTY) E(ETXTBSY) E(EFBIG) E(ENOSPC) E(ESPIPE) E(EROFS) E(EMLINK) E(EPIPE) E(EDOM) E(ERANGE)
    E(EDEADLK) E(ENAMETOOLONG) E(ENOLCK) E(ENOSYS) E(ENOTEMPTY) E(ELOOP) E(ENODATA) E(EOVERFLOW) E(ENOTSOCK)
    E(EOPNOTSUPP) E(ETIMEDOUT) E(ESTALE) E(EUCLEAN) E(ELIBBAD) E(EILSEQ) E(EDESTADDRREQ) E(EPROTONOSUPPORT)
    E(EAFNOSUPPORT) E(ENOTCONN) E(ECANCELED) E(EBADFD) E(EMSGSIZE) E(ENOPROTOOPT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ECONNREFUSED)
    E(ECONNRESET) E(ECONNABORTED) E(EISCONN) E(EPROTOTYPE) E(ESOCKTNOSUPPORT) E(ENOBUFS) E(ETOOMANYREFS) E(EINPROGRESS)
    E(EALREADY)
    }
#undef E
    snprintf(other, sizeof other, "errno%d", e);
    return other;
}

static UNUSED long fact_(const char *text, long r, int e) {
    if (r == -1) printf("%s = %s\n", text, ename(e));
    else printf("%s = %ld\n", text, r);
    return r;
}
static UNUSED long ok_(const char *text, long r, int e) {
    printf("%s = %s\n", text, r == -1 ? ename(e) : "ok");
    return r;
}
// T prints the expression and its value, or the errno it failed with. OK hides the value.
#define T(e) ({ errno = 0; long r_ = (long)(e); fact_(#e, r_, errno); })
#define OK(e) ({ errno = 0; long r_ = (long)(e); ok_(#e, r_, errno); })
// The same for a call that is part of the scenery: silent unless it fails.
#define MUST(e) ({ errno = 0; long r_ = (long)(e); if (r_ == -1) printf("MUST %s: %s\n", #e, ename(errno)); r_; })
// A truth that should print as yes everywhere.
#define IS(e) printf("%s: %s\n", #e, (e) ? "yes" : "no")
// A number.
#define N(e) printf("%s: %lld\n", #e, (long long)(e))
#define X(e) printf("%s: 0x%llx\n", #e, (unsigned long long)(e))

// A raw system call: the C library's own checks and loops are not the subject.
#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static UNUSED long self_tid(void) { return syscall(SYS_gettid); }

// A file with these contents.
static UNUSED void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) printf("put %s: %s\n", path, ename(errno));
    if (fd >= 0) close(fd);
}
// Prints a file's contents, printable bytes as they are.
static UNUSED void show_bytes(const char *what, const char *p, size_t n) {
    printf("%s (%zu):", what, n);
    if (n) putchar(' ');
    for (size_t i = 0; i < n;) {
        size_t k = 1;
        while (i + k < n && p[i + k] == p[i]) k++;
        if (p[i] >= 32 && p[i] < 127) putchar(p[i]); else printf("\\x%02x", (unsigned char)p[i]);
        if (k > 3) printf("{%zu}", k); else k = 1;
        i += k;
    }
    putchar('\n');
}
static UNUSED void show(const char *path) {
    static char b[1 << 20];
    int fd = open(path, O_RDONLY);
    if (fd < 0) { printf("%s: %s\n", path, ename(errno)); return; }
    ssize_t n = read(fd, b, sizeof b);
    close(fd);
    if (n < 0) { printf("%s: read: %s\n", path, ename(errno)); return; }
    show_bytes(path, b, n);
}
// The facts of a file that are the same on every file system.
static UNUSED void show_stat(const char *path) {
    struct stat s;
    if (lstat(path, &s) < 0) { printf("%s: %s\n", path, ename(errno)); return; }
    printf("%s: mode %o uid %u gid %u", path, s.st_mode, s.st_uid, s.st_gid);
    if (!S_ISDIR(s.st_mode)) printf(" nlink %lu size %ld", (long)s.st_nlink, (long)s.st_size);
    putchar('\n');
}
static UNUSED int path_exists(const char *path) { struct stat s; return lstat(path, &s) == 0; }
// Anonymous memory of n pages, and an address where nothing is ever mapped.
static UNUSED char *pages(size_t n, int prot) {
    char *p = mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { printf("pages: %s\n", ename(errno)); exit(1); }
    return p;
}
static UNUSED char *hole(void) { return (char *)0x123400000000ul; }
static UNUSED void rm(const char *path) { if (unlink(path) < 0 && errno == EISDIR) rmdir(path); }
static UNUSED void sleep_ms(long ms) { struct timespec t = {ms / 1000, ms % 1000 * 1000000}; while (nanosleep(&t, &t) < 0 && errno == EINTR) {} }
static UNUSED long long now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ll + t.tv_nsec; }

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    umask(022);
    // A shell that started the tests in the background has these ignored.
    signal(SIGHUP, SIG_DFL), signal(SIGINT, SIG_DFL), signal(SIGQUIT, SIG_DFL);
    if (argc == 2 && !strcmp(argv[1], "-l")) {
        for (const struct section *s = __start_sections; s < __stop_sections; s++) puts(s->name);
        return 0;
    }
    int ran = 0;
    for (const struct section *s = __start_sections; s < __stop_sections; s++) {
        int want = argc < 2;
        for (int i = 1; i < argc; i++) want |= !strcmp(argv[i], s->name);
        if (!want) continue;
        if (argc != 2) printf("[%s]\n", s->name);
        s->run();
        ran++;
    }
    return ran ? 0 : 2;
}
#endif
