//: files musl
// mmap(2), munmap(2), mprotect(2), madvise(2), msync(2), mincore(2), mlock(2), brk(2).
#include "facts.h"
#include <sys/wait.h>
#include <setjmp.h>
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static sigjmp_buf env;
static volatile int sig, code;
static void bail(int s, siginfo_t *i, void *u) { (void)u; sig = s; code = i->si_code; siglongjmp(env, 1); }
static void guard(void) { struct sigaction a = {.sa_sigaction = bail, .sa_flags = SA_SIGINFO}; sigaction(SIGSEGV, &a, NULL); sigaction(SIGBUS, &a, NULL); }
// What an access does: r reads, w writes back what is there, x calls (the page holds a return instruction).
static const char *access_(char *p, char how) {
    static char b[64];
    guard();
    if (sigsetjmp(env, 1)) { snprintf(b, sizeof b, "signal %d code %d", sig, code); return b; }
    volatile char *v = p;
    if (how == 'r') (void)*v; else if (how == 'w') *v = *v; else ((void (*)(void))p)();
    return "fine";
}
#define A(p, how) printf("%s %s: %s\n", #how, #p, access_(p, *#how))
#define M(...) ({ errno = 0; char *m_ = mmap(__VA_ARGS__); printf("mmap(%s) = %s\n", #__VA_ARGS__, m_ == MAP_FAILED ? ename(errno) : "ok"); m_; })
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

SECTION(anonymous) {
    char *p = M(NULL, 3 * PAGE, RW, ANON, -1, 0);
    IS(((uintptr_t)p & 4095) == 0);
    int zero = 1;
    for (size_t i = 0; i < 3 * PAGE; i++) zero &= p[i] == 0;
    IS(zero);
    p[PAGE] = 5;
    T(munmap(p + PAGE, PAGE));
    A(p, r);
    A(p + PAGE, r);
    A(p + 2 * PAGE, w);
    T(munmap(p + PAGE, PAGE));
    T(munmap(p, 3 * PAGE));
    T(munmap(p, 0));
    T(munmap(p + 1, PAGE));
    T(munmap(NULL, PAGE));
    T(munmap((void *)0x800000000000ul, PAGE));
    T(munmap((void *)-4096ul, PAGE));
    T(munmap((void *)0x7ffffffff000ul, 2 * PAGE));
    p = M(NULL, 100, RW, ANON, -1, 0);
    A(p + 4095, w);
    T(munmap(p, 1));
    A(p, r);
    M(NULL, 0, RW, ANON, -1, 0);
    M(NULL, (size_t)-1, RW, ANON, -1, 0);
    M(NULL, 1ul << 47, RW, ANON, -1, 0);
    M(NULL, 1ul << 48, RW, ANON, -1, 0);
    M(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0);
    M(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE, -1, 0);
    M(NULL, PAGE, RW, ANON, 999, 0);
    M(NULL, PAGE, RW, ANON, -1, 1);
    M(NULL, PAGE, RW, ANON, -1, PAGE);
    M(NULL, PAGE, 0x1000, ANON, -1, 0);
    M(NULL, PAGE, RW, ANON | MAP_NORESERVE | MAP_POPULATE | MAP_STACK, -1, 0);
    M(NULL, PAGE, RW, ANON | 0x20000000, -1, 0);
    char *huge = M(NULL, 1ul << 36, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    T(munmap(huge, 1ul << 36));
}
SECTION(fixed) {
    char *p = pages(8, RW);
    memset(p, 'a', 8 * PAGE);
    IS(M(p + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + 2 * PAGE);
    printf("%d %d %d %d\n", p[2 * PAGE - 1], p[2 * PAGE], p[4 * PAGE - 1], p[4 * PAGE]);
    M(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    M(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    MUST(munmap(p, 8 * PAGE));
    IS(M(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p);
    M(p - PAGE, 3 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    A(p, w);
    M((void *)0x800000000000ul, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    M((void *)-4096ul, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    M((void *)0x7ffffffff000ul, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    char *hint = (char *)0x210000000000ul;
    IS(M(hint, PAGE, RW, ANON, -1, 0) == hint);
    IS(M(hint, PAGE, RW, ANON, -1, 0) != hint);
    IS(M((void *)0x220000000123ul, PAGE, RW, ANON, -1, 0) == (char *)0x220000000000ul);
    uintptr_t low = (uintptr_t)M(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);
    IS(low < 1ul << 31);
}
SECTION(files) {
    char b[16];
    put("f", "0123456789");
    int fd = open("f", O_RDWR), r = open("f", O_RDONLY), w = open("f", O_WRONLY), d = open(".", O_RDONLY), p[2];
    MUST(pipe(p));
    char *s = M(NULL, PAGE, RW, MAP_SHARED, fd, 0), *v = M(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), *ro = M(NULL, PAGE, PROT_READ, MAP_SHARED, r, 0);
    show_bytes("tail", s + 8, 8);
    s[0] = 'S';
    v[1] = 'V';
    show_bytes("shared", s, 4);
    show_bytes("private", v, 4);
    show_bytes("read-only", ro, 4);
    T(pread(fd, b, 4, 0));
    show_bytes("file", b, 4);
    T(pwrite(fd, "XYZ", 3, 1));
    show_bytes("shared", s, 5);
    show_bytes("private", v, 5);
    show_bytes("read-only", ro, 5);
    A(ro, w);
    T(mprotect(ro, PAGE, RW));
    char *pro = M(NULL, PAGE, RW, MAP_PRIVATE, r, 0);
    A(pro, w);
    M(NULL, PAGE, RW, MAP_SHARED, r, 0);
    M(NULL, PAGE, PROT_READ, MAP_SHARED, w, 0);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, w, 0);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, d, 0);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 1ul << 40);
    M(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, -(off_t)PAGE);
    M(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0);
    M(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x20000000, fd, 0);
    M(NULL, PAGE, PROT_READ, 0, fd, 0);
    char *z = M(NULL, PAGE, RW, MAP_SHARED, open("/dev/zero", O_RDWR), 0);
    A(z, w);
    z = M(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0);
    A(z, w);
    M(NULL, PAGE, RW, MAP_PRIVATE, open("/dev/null", O_RDWR), 0);
    close(fd);
    s[5] = '!';
    show("f");
    T(unlink("f"));
    s[6] = '?';
    show_bytes("still there", s, 8);
    show_bytes("still there", ro, 8);
    // Bytes past the end of the file in its last page belong to nobody.
    s[100] = 'q';
    T(ftruncate(w, 200));
    N(s[100] == 'q' || s[100] == 0);
}
SECTION(file_growth) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *s = M(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0), *v = M(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
    A(s + PAGE, r);
    A(v + PAGE, w);
    T(ftruncate(fd, 2 * PAGE));
    A(s + PAGE, w);
    A(v + PAGE, w);
    A(s + 2 * PAGE, r);
    s[PAGE + 1] = 'G';
    v[PAGE + 2] = 'P';
    char b[4];
    T(pread(fd, b, 4, PAGE));
    show_bytes("b", b, 4);
    T(ftruncate(fd, 5));
    A(s + PAGE, r);
    A(v + PAGE, r);
    show_bytes("cut", s, 12);
    T(ftruncate(fd, 2 * PAGE));
    show_bytes("zeroed", s, 12);
    N(s[PAGE + 1]);
    T(pwrite(fd, "tail", 4, 2 * PAGE));
    show_bytes("appended", s + 2 * PAGE, 4);
    char *off = M(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
    show_bytes("offset", off, 4);
}
SECTION(coherence) {
    // One file, written through a descriptor, a mapping and a second mapping, in turns.
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    MUST(ftruncate(fd, 16 * PAGE));
    char *a = M(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0), *c = M(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 4 * PAGE);
    int wrong = 0;
    for (int i = 0; i < 1000; i++) {
        off_t o = (i * 7919l) % (16 * PAGE);
        char x = i, y;
        if (i & 1) a[o] = x; else MUST(pwrite(fd, &x, 1, o));
        MUST(pread(fd, &y, 1, o));
        wrong += y != x || a[o] != x;
        if (o >= (off_t)(4 * PAGE) && o < (off_t)(12 * PAGE)) wrong += c[o - 4 * PAGE] != x;
    }
    N(wrong);
    T(msync(a, 16 * PAGE, MS_SYNC));
    int f2 = open("f", O_RDONLY);
    char *d = M(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, f2, 0);
    IS(!memcmp(a, d, 16 * PAGE));
    char *buf = malloc(16 * PAGE);
    T(read(f2, buf, 16 * PAGE));
    IS(!memcmp(a, buf, 16 * PAGE));
}
SECTION(write_from_mapping) {
    // The source of a write may be the file itself.
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *s = M(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    T(pwrite(fd, s, 10, 10));
    show("f");
    T(pread(fd, s, 5, 12));
    show("f");
    T(pwrite(fd, s, 8, 2));
    show("f");
}
SECTION(protection) {
    char *p = pages(4, RW);
    p[0] = (char)0xc3;
    T(mprotect(p, PAGE, PROT_READ));
    A(p, w);
    T(mprotect(p, PAGE, PROT_NONE));
    A(p, r);
    T(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    A(p, x);
    T(mprotect(p, PAGE, RW | PROT_EXEC));
    A(p, x);
    A(p, w);
    T(mprotect(p, PAGE, PROT_EXEC));
    A(p, x);
    T(mprotect(p, PAGE, RW));
    A(p, x);
    T(mprotect(p, PAGE, PROT_WRITE));
    A(p, r);
    T(mprotect(p + 1, PAGE, PROT_READ));
    T(mprotect(p, 0, PROT_READ));
    T(mprotect(p, 1, PROT_NONE));
    A(p + 100, r);
    T(mprotect(p, PAGE, 0x100));
    T(mprotect(p, PAGE, PROT_READ | 0x1000));
    T(mprotect(NULL, PAGE, PROT_READ));
    T(mprotect(hole(), PAGE, PROT_READ));
    // A range with a hole: what lies before the hole changes, then ENOMEM.
    MUST(mprotect(p, 4 * PAGE, RW));
    MUST(munmap(p + 2 * PAGE, PAGE));
    T(mprotect(p, 4 * PAGE, PROT_READ));
    A(p, w);
    A(p + PAGE, w);
    A(p + 3 * PAGE, w);
    T(mprotect((void *)-4096ul, PAGE, PROT_READ));
    T(mprotect(p, (size_t)-4096, PROT_READ));
    T(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
}
SECTION(advice) {
    char *p = pages(4, RW);
    memset(p, 'x', 4 * PAGE);
    T(madvise(p + PAGE, PAGE, MADV_DONTNEED));
    printf("%d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *v = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), *s = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    v[0] = 'V';
    s[1] = 'S';
    T(madvise(v, PAGE, MADV_DONTNEED));
    T(madvise(s, PAGE, MADV_DONTNEED));
    show_bytes("private", v, 3);
    show_bytes("shared", s, 3);
    T(madvise(p, 4 * PAGE, MADV_NORMAL));
    T(madvise(p, 4 * PAGE, MADV_RANDOM));
    T(madvise(p, 4 * PAGE, MADV_WILLNEED));
    T(madvise(p, 4 * PAGE, MADV_FREE));
    T(madvise(v, PAGE, MADV_FREE));
    T(madvise(p, 4 * PAGE, MADV_DONTFORK));
    T(madvise(p, 4 * PAGE, MADV_DOFORK));
    T(madvise(p, 4 * PAGE, MADV_DONTDUMP));
    T(madvise(p, 4 * PAGE, 12345));
    T(madvise(p + 1, PAGE, MADV_NORMAL));
    T(madvise(p, 0, MADV_NORMAL));
    T(madvise(p, 0, 12345));
    T(madvise(hole(), PAGE, MADV_NORMAL));
    T(madvise(hole(), PAGE, MADV_DONTNEED));
    T(madvise(p, 1, MADV_DONTNEED));
    N(p[5]);
    memset(p, 'y', 4 * PAGE);
    MUST(munmap(p + PAGE, PAGE));
    T(madvise(p, 4 * PAGE, MADV_DONTNEED));
    printf("%d %d\n", p[0], p[2 * PAGE]);
    T(madvise(p, PAGE, MADV_POPULATE_WRITE));
    T(madvise(s, PAGE, MADV_REMOVE));
    show_bytes("removed", s, 3);
    T(posix_madvise(p, PAGE, POSIX_MADV_DONTNEED));
}
SECTION(sync_and_residence) {
    unsigned char vec[4] = {9, 9, 9, 9};
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *s = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), *p = pages(4, RW);
    s[0] = 'M';
    T(msync(s, PAGE, MS_SYNC));
    T(msync(s, PAGE, MS_ASYNC));
    T(msync(s, PAGE, MS_SYNC | MS_ASYNC));
    T(msync(s, PAGE, 8));
    T(msync(s, PAGE, 0));
    T(msync(s + 1, PAGE, MS_SYNC));
    T(msync(hole(), PAGE, MS_SYNC));
    T(msync(p, PAGE, MS_SYNC | MS_INVALIDATE));
    T(msync(s, 0, MS_SYNC));
    p[0] = 1;
    p[2 * PAGE] = 1;
    T(mincore(p, 4 * PAGE, vec));
    printf("%d %d %d %d\n", vec[0] & 1, vec[1] & 1, vec[2] & 1, vec[3] & 1);
    T(mincore(p + 1, PAGE, vec));
    T(mincore(hole(), PAGE, vec));
    T(mincore(p, PAGE, (void *)hole()));
    T(mincore(p, 0, vec));
    T(mincore(p, (size_t)1 << 60, vec));
}
SECTION(locking) {
    char *p = pages(4, RW);
    T(mlock(p, PAGE));
    T(munlock(p, PAGE));
    T(mlock(p + 1, 1));
    T(mlock(hole(), PAGE));
    T(munlock(hole(), PAGE));
    T(S(mlock2, p, PAGE, 1));
    T(S(mlock2, p, PAGE, 2));
    T(mlock(p, 0));
    T(mlockall(0));
    T(mlockall(8));
    T(munlockall());
    M(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0);
}
SECTION(grows_down) {
    char *base = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0);
    MUST(munmap(base, 64 * PAGE));
    // The kernel's guard gap of 256 pages wants room below.
    char *area = (char *)0x230000000000ul, *top = area + 1024 * PAGE;
    char *g = M(top - PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
    IS(g == top - PAGE);
    A(top - 1, w);
    A(top - 2 * PAGE, w);
    A(top - 10 * PAGE, w);
    A(top, r);
    M(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    // The stack itself.
    volatile char deep[1 << 20];
    for (size_t i = 0; i < sizeof deep; i += PAGE) deep[sizeof deep - 1 - i] = 1;
    puts("stack grew");
}
SECTION(program_break) {
    char *b = (char *)S(brk, 0);
    IS(b == (char *)S(brk, 0));
    IS((char *)S(brk, b + 3 * PAGE) == b + 3 * PAGE);
    memset(b, 'k', 3 * PAGE);
    IS((char *)S(brk, b + PAGE) == b + PAGE);
    A(b + 2 * PAGE + (-(uintptr_t)b & 4095), r);
    IS((char *)S(brk, b + 3 * PAGE) == b + 3 * PAGE);
    N(b[2 * PAGE + (-(uintptr_t)b & 4095)]);
    IS((char *)S(brk, 1) == b + 3 * PAGE);
    IS((char *)S(brk, -1) == b + 3 * PAGE);
    IS((char *)S(brk, b + 1) == b + 1);
    IS((char *)S(brk, 0) == b + 1);
    // Something in the way.
    char *next = (char *)(((uintptr_t)b + 20 * PAGE) & -PAGE);
    IS(mmap(next, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == next);
    IS((char *)S(brk, next + PAGE) == b + 1);
    MUST(S(brk, b));
}
SECTION(shared_anonymous) {
    char *p = M(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p[0] = 1;
    T(madvise(p, PAGE, MADV_DONTNEED));
    N(p[0]);
    T(mprotect(p, PAGE, PROT_READ));
    A(p, w);
    char *q = mremap(p, 0, PAGE, MREMAP_MAYMOVE);
    IS(q != MAP_FAILED);
    N(q == MAP_FAILED ? -1 : q[0]);
}
SECTION(limits) {
    struct { unsigned long cur, max; } l;
    MUST(S(prlimit64, 0, 9 /* RLIMIT_AS */, NULL, &l));
    l.cur = 1ul << 30;
    MUST(S(prlimit64, 0, 9, &l, NULL));
    M(NULL, 2ul << 30, RW, ANON, -1, 0);
    char *p = M(NULL, 1ul << 28, RW, ANON, -1, 0);
    T(mremap(p, 1ul << 28, 2ul << 30, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
}
SECTION(split_and_merge) {
    // Many neighbours with changing protections, then one again.
    char *p = pages(100, RW);
    for (int i = 0; i < 100; i += 2) MUST(mprotect(p + i * PAGE, PAGE, PROT_READ));
    int bad = 0;
    for (int i = 0; i < 100; i++) bad += strcmp(access_(p + i * PAGE, 'w'), i % 2 ? "fine" : "signal 11 code 2") != 0;
    N(bad);
    MUST(mprotect(p, 100 * PAGE, RW));
    memset(p, 1, 100 * PAGE);
    for (int i = 1; i < 100; i += 2) MUST(munmap(p + i * PAGE, PAGE));
    bad = 0;
    for (int i = 0; i < 100; i++) bad += strcmp(access_(p + i * PAGE, 'r'), i % 2 ? "signal 11 code 1" : "fine") != 0;
    N(bad);
    MUST(munmap(p, 100 * PAGE));
    A(p, r);
}
static void unmap_all(void) {
    munmap(NULL, 0x7ffffffff000ul);
    _exit(1);
}
static void unmap_in_halves(void) {
    for (size_t len = 1ul << 63; len > PAGE; len >>= 1) munmap(NULL, len - PAGE);
    _exit(1);
}
// Nobody keeps a program from unmapping itself: it ends by the fault that follows, handled or not.
SECTION(unmap_everything) {
    void (*all[])(void) = {unmap_all, unmap_in_halves};
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        if (child == 0) {
            sigset_t segv;
            sigemptyset(&segv);
            sigaddset(&segv, SIGSEGV);
            if (i / 2 == 1) sigprocmask(SIG_BLOCK, &segv, NULL);
            if (i / 2 == 2) signal(SIGSEGV, SIG_IGN);
            all[i % 2]();
        }
        int status;
        waitpid(child, &status, 0);
        N(WTERMSIG(status));
    }
}
