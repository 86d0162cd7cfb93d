//: musl static
// Vector and floating point state across system calls, signals and faults.
#include "facts.h"
#include <immintrin.h>
#include <ucontext.h>

static int avx, avx512;
static void detect(void) { avx = __builtin_cpu_supports("avx2"); avx512 = __builtin_cpu_supports("avx512f"); }
static uint8_t in[32][64] __attribute__((aligned(64))), out[32][64] __attribute__((aligned(64)));
static void fill(int seed) { for (int i = 0; i < 32; i++) for (int j = 0; j < 64; j++) in[i][j] = i * 7 + j * 3 + seed; }
static void compare(const char *what, int n, int width) {
    int bad = 0;
    for (int i = 0; i < n; i++) bad += memcmp(in[i], out[i], width) != 0;
    printf("%s: %d of %d lost\n", what, bad, n);
}
#define L(r, n) "vmovdqu " #n "*64(%[in]), %%ymm" #r "\n"
#define ST(r, n) "vmovdqu %%ymm" #r ", " #n "*64(%[out])\n"
#define ALL(F) F(0, 0) F(1, 1) F(2, 2) F(3, 3) F(4, 4) F(5, 5) F(6, 6) F(7, 7) F(8, 8) F(9, 9) F(10, 10) F(11, 11) F(12, 12) F(13, 13) F(14, 14) F(15, 15)
#define LX(r, n) "movdqu " #n "*64(%[in]), %%xmm" #r "\n"
#define SX(r, n) "movdqu %%xmm" #r ", " #n "*64(%[out])\n"
#define LZ(r, n) "vmovdqu64 " #n "*64(%[in]), %%zmm" #r "\n"
#define SZ(r, n) "vmovdqu64 %%zmm" #r ", " #n "*64(%[out])\n"
#define HIGH(F) F(16, 16) F(17, 17) F(18, 18) F(19, 19) F(20, 20) F(21, 21) F(22, 22) F(23, 23) F(24, 24) F(25, 25) F(26, 26) F(27, 27) F(28, 28) F(29, 29) F(30, 30) F(31, 31)
#define XMMS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static long rax;
static __attribute__((target("sse2"))) void around_sse(long nr, long a, long b, long c) {
    __asm__ volatile(ALL(LX) "syscall\n" ALL(SX) : "=a"(rax) : "0"(nr), [in] "r"(in), [out] "r"(out), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", XMMS);
}
static __attribute__((target("avx2"))) void around_avx(long nr, long a, long b, long c) {
    __asm__ volatile(ALL(L) "syscall\n" ALL(ST) "vzeroupper\n" : "=a"(rax) : "0"(nr), [in] "r"(in), [out] "r"(out), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", XMMS);
}
static __attribute__((target("avx512f"))) void around_avx512(long nr, long a, long b, long c) {
    __asm__ volatile(ALL(LZ) HIGH(LZ) "syscall\n" ALL(SZ) HIGH(SZ) "vzeroupper\n" : "=a"(rax) : "0"(nr), [in] "r"(in), [out] "r"(out), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", XMMS);
}
static char big[1 << 16], stat_[256];
SECTION(system_calls) {
    detect();
    put("f", "0123456789");
    long fd = open("f", O_RDWR), zero = open("/dev/zero", O_RDONLY);
    struct { const char *name; long nr, a, b, c; } calls[] = {{"getppid", SYS_getppid, 0, 0, 0}, {"uname", SYS_uname, (long)big, 0, 0}, {"fstat", SYS_fstat, fd, (long)stat_, 0}, {"read", SYS_read, zero, (long)big, sizeof big},
        {"write", SYS_write, fd, (long)big, 100}, {"stat", SYS_stat, (long)"f", (long)stat_, 0}, {"open", SYS_open, (long)"missing", 0, 0}, {"mmap", SYS_brk, 0, 0, 0}, {"bad pointer", SYS_uname, (long)hole(), 0, 0}, {"getrandom", SYS_getrandom, (long)big, 64, 0},
        {"unknown", 999, 0, 0, 0}, {"clock", SYS_clock_gettime, 1, (long)big, 0}, {"sched_yield", SYS_sched_yield, 0, 0, 0}, {"getdents", SYS_getdents64, zero, (long)big, 100}};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int k = 0; k < 3; k++) {
            fill(i + k);
            memset(out, 0, sizeof out);
            around_sse(calls[i].nr, calls[i].a, calls[i].b, calls[i].c);
            compare(calls[i].name, 16, 16);
            if (avx) { memset(out, 0, sizeof out); around_avx(calls[i].nr, calls[i].a, calls[i].b, calls[i].c); compare(calls[i].name, 16, 32); }
            if (avx512) { memset(out, 0, sizeof out); around_avx512(calls[i].nr, calls[i].a, calls[i].b, calls[i].c); compare(calls[i].name, 32, 64); }
        }
}
SECTION(control_words) {
    for (int k = 0; k < 3; k++) {
        unsigned mx, old, set = 0x7f80 & ~0x1f; // round toward zero
        unsigned short cw, ocw, scw = 0xc7f;
        __asm__ volatile("stmxcsr %0\n fnstcw %1" : "=m"(old), "=m"(ocw));
        __asm__ volatile("ldmxcsr %2\n fldcw %3\n mov $110, %%eax\n syscall\n stmxcsr %0\n fnstcw %1" : "=m"(mx), "=m"(cw) : "m"(set), "m"(scw) : "rax", "rcx", "r11", "memory");
        __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(old), "m"(ocw));
        printf("%x %x\n", mx, cw);
        // Values on the x87 stack.
        long double v;
        __asm__ volatile("fldpi\n fld1\n mov $110, %%eax\n syscall\n faddp\n fstpt %0" : "=m"(v) : : "rax", "rcx", "r11", "memory", "st", "st(1)");
        printf("%.15Lf\n", v);
        // Sticky exception flags.
        unsigned flags = 0x1fbf;
        __asm__ volatile("ldmxcsr %1\n mov $110, %%eax\n syscall\n stmxcsr %0\n ldmxcsr %2" : "=m"(mx) : "m"(flags), "m"(old) : "rax", "rcx", "r11", "memory");
        X(mx);
    }
}
static volatile int hits, frame_ok, seen_mx;
static void dirty(int s, siginfo_t *i, void *u) {
    (void)i;
    ucontext_t *c = u;
    unsigned mx, junk_mx = 0x3f80;
    __asm__ volatile("stmxcsr %0" : "=m"(mx));
    seen_mx = mx;
    static uint8_t junk[64];
    memset(junk, 0xee, sizeof junk);
    struct { long dummy; } d;
    (void)d;
    uint8_t (*src)[64] = &junk;
    if (avx) __asm__ volatile("vmovdqu (%0), %%ymm0\n vmovdqa %%ymm0, %%ymm1\n vmovdqa %%ymm0, %%ymm7\n vmovdqa %%ymm0, %%ymm15\n vzeroupper" ::"r"(src) : XMMS);
    else __asm__ volatile("movdqu (%0), %%xmm0\n movdqa %%xmm0, %%xmm7" ::"r"(src) : XMMS);
    __asm__ volatile("fninit\n fldz\n fldz\n fldz\n ldmxcsr %0" ::"m"(junk_mx));
    // The interrupted registers are in the frame.
    frame_ok = c->uc_mcontext.fpregs && !memcmp(&c->uc_mcontext.fpregs->_xmm[3], in[3], 16);
    if (s == SIGILL) c->uc_mcontext.gregs[REG_RIP] += 2;
    hits++;
}
static void install(void) { struct sigaction a = {.sa_sigaction = dirty, .sa_flags = SA_SIGINFO}; sigaction(SIGILL, &a, NULL); sigaction(SIGALRM, &a, NULL); sigaction(SIGUSR1, &a, NULL); }
static __attribute__((target("avx2"))) void fault_avx(void) { __asm__ volatile(ALL(L) "ud2\n" ALL(ST) "vzeroupper\n" : : [in] "r"(in), [out] "r"(out) : "memory", XMMS); }
static __attribute__((target("avx512f"))) void fault_avx512(void) { __asm__ volatile(ALL(LZ) HIGH(LZ) "mov $0x5a5a, %%eax\n kmovw %%eax, %%k3\n ud2\n kmovw %%k3, %%eax\n mov %%rax, %[k]\n" ALL(SZ) HIGH(SZ) "vzeroupper\n" : [k] "=m"(rax) : [in] "r"(in), [out] "r"(out) : "rax", "memory", XMMS); }
SECTION(faults) {
    detect();
    install();
    for (int k = 0; k < 3; k++) {
        fill(k);
        __asm__ volatile(ALL(LX) "ud2\n" ALL(SX) : : [in] "r"(in), [out] "r"(out) : "memory", XMMS);
        compare("sse", 16, 16);
        N(frame_ok);
        if (avx) { memset(out, 0, sizeof out); fault_avx(); compare("avx", 16, 32); }
        if (avx512) { memset(out, 0, sizeof out); fault_avx512(); compare("avx512", 32, 64); X(rax); }
    }
    X(seen_mx);
    unsigned mx = 0x5f80, got, old;
    long double v;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    __asm__ volatile("ldmxcsr %2\n fldpi\n ud2\n fstpt %1\n stmxcsr %0\n ldmxcsr %3" : "=m"(got), "=m"(v) : "m"(mx), "m"(old) : "memory", "st");
    printf("%x %.12Lf handler saw %x\n", got, v, seen_mx);
}
static __attribute__((target("avx2"))) void tgkill_avx(void) {
    __asm__ volatile(ALL(L) "syscall\n" ALL(ST) "vzeroupper\n" : "=a"(rax) : "0"((long)SYS_tgkill), [in] "r"(in), [out] "r"(out), "D"((long)getpid()), "S"(self_tid()), "d"((long)SIGUSR1) : "rcx", "r11", "memory", XMMS);
}
SECTION(signals_in_calls) {
    detect();
    install();
    for (int k = 0; k < 3; k++) {
        fill(k + 9);
        around_sse(SYS_tgkill, getpid(), self_tid(), SIGUSR1);
        compare("sse", 16, 16);
        if (avx) { memset(out, 0, sizeof out); tgkill_avx(); compare("avx", 16, 32); }
    }
    N(hits > 0);
}
static __attribute__((target("avx2"))) long spin_avx(void) {
    long wrong;
    __asm__ volatile(ALL(L) "xor %%edx, %%edx\n 1: vpcmpeqb 5*64(%[in]), %%ymm5, %%ymm4\n vpmovmskb %%ymm4, %%eax\n not %%eax\n or %%eax, %%edx\n mov hits(%%rip), %%eax\n cmp $20, %%eax\n jb 1b\n vmovdqu 4*64(%[in]), %%ymm4\n" ALL(ST) "mov %%rdx, %[w]\n vzeroupper\n"
                     : [w] "=m"(wrong) : [in] "r"(in), [out] "r"(out) : "rax", "rdx", "memory", "cc", XMMS);
    return wrong;
}
SECTION(interruptions) {
    detect();
    install();
    fill(3);
    struct itimerval it = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &it, NULL);
    if (avx) { N(spin_avx()); compare("avx", 16, 32); } else while (hits < 20) {}
    double s = 0;
    for (int i = 1; hits < 60; i = i % 1000 + 1) s = s * 0.5 + 1.0 / i;
    IS(s > 0 && s < 3);
}
static void edits(int s, siginfo_t *i, void *u) {
    (void)s; (void)i;
    ucontext_t *c = u;
    memset(&c->uc_mcontext.fpregs->_xmm[2], 0x42, 16);
    c->uc_mcontext.fpregs->mxcsr = 0x1fc0;
    c->uc_mcontext.gregs[REG_RIP] += 2;
}
SECTION(edited_in_the_frame) {
    struct sigaction a = {.sa_sigaction = edits, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &a, NULL);
    fill(1);
    unsigned mx, old;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    __asm__ volatile(ALL(LX) "ud2\n" ALL(SX) "stmxcsr %[mx]\n ldmxcsr %[old]\n" : [mx] "=m"(mx) : [in] "r"(in), [out] "r"(out), [old] "m"(old) : "memory", XMMS);
    show_bytes("xmm2", (char *)out[2], 16);
    IS(!memcmp(in[1], out[1], 16) && !memcmp(in[3], out[3], 16));
    X(mx);
}
