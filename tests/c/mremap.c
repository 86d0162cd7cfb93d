//: files
// mremap(2), all flags.
#include "facts.h"
#include <setjmp.h>
#include <sys/wait.h>
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define R(...) ({ errno = 0; char *m_ = mremap(__VA_ARGS__); printf("mremap(%s) = %s\n", #__VA_ARGS__, m_ == MAP_FAILED ? ename(errno) : "ok"); m_; })
static sigjmp_buf env;
static void bail(int s) { siglongjmp(env, s); }
static int dead(char *p) { signal(SIGSEGV, bail); signal(SIGBUS, bail); int s = sigsetjmp(env, 1); if (s) return s; (void)*(volatile char *)p; return 0; }

static char *alone(size_t n) {
    // A mapping with free room on both sides.
    char *p = mmap(NULL, (n + 64) * PAGE, PROT_NONE, ANON, -1, 0);
    munmap(p, (n + 64) * PAGE);
    p = mmap(p + 16 * PAGE, n * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    memset(p, 'a', n * PAGE);
    return p;
}
SECTION(in_place) {
    char *p = alone(4);
    IS(R(p, 4 * PAGE, 2 * PAGE, 0) == p);
    N(dead(p + 2 * PAGE));
    IS(R(p, 2 * PAGE, 6 * PAGE, 0) == p);
    printf("%d %d\n", p[2 * PAGE - 1], p[2 * PAGE]);
    IS(R(p, 6 * PAGE, 6 * PAGE, 0) == p);
    IS(mmap(p + 6 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + 6 * PAGE);
    R(p, 6 * PAGE, 7 * PAGE, 0);
    char *q = R(p, 6 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    IS(q != p && q[0] == 'a');
    N(dead(p));
}
SECTION(errors) {
    char *p = alone(4);
    R(p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    R(p, PAGE, 0, MREMAP_MAYMOVE);
    R(p, 0, PAGE, MREMAP_MAYMOVE);
    R(p, PAGE, PAGE, 64);
    R(p, PAGE, PAGE, MREMAP_FIXED);
    R(hole(), PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    R(p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    R(p, PAGE, (size_t)-4096, MREMAP_MAYMOVE);
    R(p, PAGE, 1ul << 47, MREMAP_MAYMOVE);
    R(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p);
    R(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1);
    R(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE);
    R(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x800000000000ul);
    R(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)-4096ul);
    MUST(mprotect(p + PAGE, PAGE, PROT_READ));
    R(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    R(p, 2 * PAGE, PAGE, 0);
    N(dead(p + PAGE));
}
SECTION(moved_to) {
    char *p = alone(4), *t = alone(8);
    memset(t, 't', 8 * PAGE);
    IS(R(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t + 2 * PAGE) == t + 2 * PAGE);
    printf("%c %c %c %c\n", t[2 * PAGE - 1], t[2 * PAGE], t[6 * PAGE - 1], t[6 * PAGE]);
    N(dead(p));
    // Shrinking while moving, then growing while moving.
    p = alone(4);
    IS(R(p, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t) == t);
    printf("%c %c\n", t[0], t[2 * PAGE]);
    p = alone(2);
    IS(R(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, t) == t);
    printf("%c %d\n", t[0], t[2 * PAGE]);
}
SECTION(dontunmap) {
    char *p = alone(2);
    char *q = R(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4 /* DONTUNMAP */);
    IS(q != p && q[0] == 'a' && p[0] == 0);
    R(p, 2 * PAGE, PAGE, MREMAP_MAYMOVE | 4);
    R(p, 2 * PAGE, 2 * PAGE, 4);
}
SECTION(files) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    MUST(ftruncate(fd, 4 * PAGE));
    for (int i = 0; i < 4; i++) MUST(pwrite(fd, &"0123"[i], 1, i * PAGE));
    char *s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *q = R(s + PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    printf("%c %c %c\n", q[0], q[PAGE], q[2 * PAGE]);
    q[0] = 'X';
    char b;
    MUST(pread(fd, &b, 1, PAGE));
    printf("%c\n", b);
    N(dead(s + PAGE));
    printf("%c %c\n", s[0], s[3 * PAGE]);
    char *copy = R(s, 0, PAGE, MREMAP_MAYMOVE);
    copy[1] = 'c';
    printf("%c %c\n", copy[0], s[1]);
    char *v = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    v[0] = 'P';
    char *w = R(v, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    printf("%c %c %d\n", w[0], w[PAGE], dead(w + 4 * PAGE));
}
SECTION(protection_travels) {
    char *p = alone(2);
    MUST(mprotect(p, 2 * PAGE, PROT_READ));
    char *q = R(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    IS(q != MAP_FAILED && q[0] == 'a');
    signal(SIGSEGV, bail);
    if (sigsetjmp(env, 1)) puts("read-only"); else { q[0] = 1; puts("writable"); }
}
// What grew keeps the advice it was given, so that it is one mapping, which can be moved as a whole.
SECTION(grown_with_advice) {
    for (int advice = 0; advice < 3; advice++) {
        char *p = alone(2);
        MUST(madvise(p, 2 * PAGE, (int[]){MADV_DONTFORK, MADV_RANDOM, MADV_DONTDUMP}[advice]));
        IS(R(p, 2 * PAGE, 8 * PAGE, 0) == p);
        p[7 * PAGE] = 'z';
        char *to = alone(32);
        IS(R(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
        printf("%c %c %d\n", to[0], to[7 * PAGE], to[15 * PAGE]);
        IS(R(to, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP) != MAP_FAILED);
        pid_t child = fork();
        if (child == 0) _exit(dead(to + 15 * PAGE));
        int status;
        waitpid(child, &status, 0);
        N(WEXITSTATUS(status));
    }
}
