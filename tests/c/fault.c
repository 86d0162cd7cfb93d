//: musl static
// Faults become signals with si_code and si_addr; handlers may repair or skip; contexts come back exactly.
#include "facts.h"
#include <setjmp.h>
#include <ucontext.h>

static volatile int sig, code, trapno, repaired;
static char *volatile addr, *volatile page;
static volatile greg_t err, cr2;
static sigjmp_buf env;
static void record(int s, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    sig = s; code = i->si_code; addr = i->si_addr;
    trapno = c->uc_mcontext.gregs[REG_TRAPNO]; err = c->uc_mcontext.gregs[REG_ERR]; cr2 = c->uc_mcontext.gregs[REG_CR2];
}
static void bail(int s, siginfo_t *i, void *u) { record(s, i, u); siglongjmp(env, 1); }
static void install(void (*f)(int, siginfo_t *, void *)) {
    struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO};
    int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 5; i++) MUST(sigaction(all[i], &a, NULL));
}
#define FAULT(what, expected, ...) do { sig = 0; install(bail); \
    if (sigsetjmp(env, 1) == 0) { __VA_ARGS__; printf("%s: no fault\n", what); } \
    else printf("%s: signal %d code %d addr %s trap %d err %lx\n", what, sig, code, addr == (char *)(expected) ? "as expected" : addr == NULL ? "null" : "other", trapno, (long)err); } while (0)

SECTION(memory) {
    char *h = hole(), *ro = pages(1, PROT_READ), *none = pages(1, PROT_NONE), *rw = pages(1, PROT_READ | PROT_WRITE);
    FAULT("read null", NULL, (void)*(volatile char *)NULL);
    FAULT("write null", NULL, *(volatile char *)NULL = 1);
    FAULT("read 8", 8, (void)*(volatile char *)8);
    FAULT("read unmapped", h, (void)*(volatile char *)h);
    FAULT("write unmapped", h + 5, h[5] = 1);
    FAULT("write read-only", ro + 7, ro[7] = 1);
    FAULT("read none", none, (void)*(volatile char *)none);
    FAULT("write none", none + 4095, none[4095] = 1);
    FAULT("kernel address", 0xffffffff80000000ul, (void)*(volatile char *)0xffffffff80000000ul);
    FAULT("non-canonical", 0x8000000000000000ul, (void)*(volatile char *)0x8000000000000000ul);
    FAULT("call null", NULL, ((void (*volatile)(void))NULL)());
    FAULT("call unmapped", h, ((void (*volatile)(void))h)());
    FAULT("call not executable", rw, ((void (*volatile)(void))rw)());
    char *two = pages(2, PROT_READ | PROT_WRITE);
    mprotect(two + PAGE, PAGE, PROT_NONE);
    FAULT("straddling write", two + PAGE, *(volatile uint64_t *)(two + PAGE - 4) = 1);
    FAULT("write text", &record, *(volatile char *)(void *)&record = 1);
    FAULT("vsyscall page", 0xffffffffff600000ul, *(volatile char *)0xffffffffff600000ul = 1);
}
SECTION(bus) {
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    char *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    FAULT("last byte of the page", 0, (void)*(volatile char *)(m + 4095));
    FAULT("past the end", m + PAGE, (void)*(volatile char *)(m + PAGE));
    FAULT("write past the end", m + PAGE + 8, m[PAGE + 8] = 1);
    FAULT("private past the end", p + PAGE, (void)*(volatile char *)(p + PAGE));
    MUST(ftruncate(fd, PAGE + 10));
    FAULT("grown", 0, (void)*(volatile char *)(m + PAGE));
    MUST(ftruncate(fd, 0));
    FAULT("shrunk", m, (void)*(volatile char *)m);
    char b[4];
    T(write(1, m, 1));
    T(read(open("/dev/zero", O_RDONLY), m, 1));
    T(pread(fd, b, 1, 0));
}
// The compiler may know the answer of a division and leave it out.
static volatile int quotient;
#define DIV(a, b) __asm__ volatile("cltd; idivl %1" : "=a"(quotient) : "r"(b), "a"(a) : "rdx")
SECTION(arithmetic) {
    volatile int zero = 0, min = INT_MIN;
    volatile long lz = 0, r;
    FAULT("divide by zero", 0, DIV(1, zero));
    FAULT("divide overflow", 0, DIV(min, -1));
    FAULT("long divide", 0, __asm__ volatile("cqto; idivq %1" : "=a"(r) : "r"(lz), "a"(5l) : "rdx"));
    unsigned mx = 0x1f80 & ~0x200, old;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    FAULT("sse divide", 0, { __asm__ volatile("ldmxcsr %0" ::"m"(mx)); volatile double d = 0, e = 1; e = e / d; });
    __asm__ volatile("ldmxcsr %0" ::"m"(old));
    unsigned short cw = 0x37f & ~4, ocw;
    __asm__ volatile("fnstcw %0" : "=m"(ocw));
    FAULT("x87 divide", 0, __asm__ volatile("fldcw %0; fld1; fldz; fdivrp; fwait" ::"m"(cw)));
    __asm__ volatile("fnclex; fldcw %0" ::"m"(ocw));
    (void)r;
}
SECTION(instructions) {
    FAULT("ud2", 0, __asm__ volatile("ud2"));
    FAULT("int3", 0, __asm__ volatile("int3"));
    FAULT("int1", 0, __asm__ volatile(".byte 0xf1"));
    FAULT("hlt", 0, __asm__ volatile("hlt"));
    FAULT("cli", 0, __asm__ volatile("cli"));
    FAULT("in", 0, __asm__ volatile("in $0x80, %%al" ::: "al"));
    FAULT("int 0x81", 0, __asm__ volatile("int $0x81"));
    FAULT("int 3 long form", 0, __asm__ volatile(".byte 0xcd, 3"));
    FAULT("mov to cr0", 0, __asm__ volatile("mov %0, %%cr0" ::"r"(0ul)));
    FAULT("bad opcode", 0, __asm__ volatile(".byte 0x06"));
    FAULT("non-canonical jump", 0, __asm__ volatile("jmp *%0" ::"r"(0x8000000000000000ul)));
    FAULT("misaligned sse", 0, { static char b[64] __attribute__((aligned(16))); __asm__ volatile("movaps %%xmm0, (%0)" ::"r"(b + 1) : "memory"); });
}
static void repair(int s, siginfo_t *i, void *u) {
    record(s, i, u);
    repaired++;
    MUST(mprotect((void *)((uintptr_t)i->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE));
}
SECTION(repair_and_retry) {
    install(repair);
    char *p = pages(64, PROT_NONE);
    for (int i = 0; i < 64; i++) p[i * PAGE + i] = i;
    int ok = 1;
    for (int i = 0; i < 64; i++) ok &= p[i * PAGE + i] == i;
    IS(ok);
    N(repaired);
}
static void skip(int s, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    record(s, i, u);
    greg_t *g = c->uc_mcontext.gregs;
    if (s == SIGILL) g[REG_RIP] += 2;
    g[REG_RAX] = 0x1111; g[REG_RBX] ^= 0xff; g[REG_R12] = 0x2222; g[REG_R15] += 1;
    g[REG_EFL] ^= 0x1; // carry
}
SECTION(edit_registers) {
    install(skip);
    uint64_t rax = 1, rbx = 0x100, r12 = 3, r15 = 4, carry;
    __asm__ volatile("mov %[b], %%rbx; mov %[r12], %%r12; mov %[r15], %%r15; mov %[a], %%rax; clc; ud2\n\t"
                     "setc %%cl; movzbq %%cl, %%rcx; mov %%rax, %[a]; mov %%rbx, %[b]; mov %%r12, %[r12]; mov %%r15, %[r15]; mov %%rcx, %[c]"
                     : [a] "+m"(rax), [b] "+m"(rbx), [r12] "+m"(r12), [r15] "+m"(r15), [c] "=m"(carry) : : "rax", "rbx", "rcx", "r12", "r15", "cc");
    printf("%lx %lx %lx %lx %lx\n", rax, rbx, r12, r15, carry);
    N(sig);
}
static void nothing(int s, siginfo_t *i, void *u) { record(s, i, u); if (s == SIGILL) ((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP] += 2; memset(__builtin_alloca(512), 0x55, 512); }
// All registers and flags around a fault: what the handler does to its own must not show.
SECTION(registers_survive) {
    install(nothing);
    static uint64_t in[15], out[15], flags;
    for (int i = 0; i < 15; i++) in[i] = 0x0101010101010101ull * (i + 1);
    __asm__ volatile(
        "push %%rbp\n\tpush %%rbx\n\tpush %%r12\n\tpush %%r13\n\tpush %%r14\n\tpush %%r15\n\t"
        "lea %[in], %%rax\n\tmov 8(%%rax), %%rbx\n\tmov 16(%%rax), %%rcx\n\tmov 24(%%rax), %%rdx\n\tmov 32(%%rax), %%rsi\n\tmov 40(%%rax), %%rdi\n\tmov 48(%%rax), %%rbp\n\t"
        "mov 56(%%rax), %%r8\n\tmov 64(%%rax), %%r9\n\tmov 72(%%rax), %%r10\n\tmov 80(%%rax), %%r11\n\tmov 88(%%rax), %%r12\n\tmov 96(%%rax), %%r13\n\tmov 104(%%rax), %%r14\n\tmov 112(%%rax), %%r15\n\t"
        "mov (%%rax), %%rax\n\tstd\n\tstc\n\tud2\n\t"
        "mov %%rax, %[o0]\n\tpushfq\n\tpop %%rax\n\tmov %%rax, %[f]\n\tcld\n\tlea %[out], %%rax\n\t"
        "mov %%rbx, 8(%%rax)\n\tmov %%rcx, 16(%%rax)\n\tmov %%rdx, 24(%%rax)\n\tmov %%rsi, 32(%%rax)\n\tmov %%rdi, 40(%%rax)\n\tmov %%rbp, 48(%%rax)\n\t"
        "mov %%r8, 56(%%rax)\n\tmov %%r9, 64(%%rax)\n\tmov %%r10, 72(%%rax)\n\tmov %%r11, 80(%%rax)\n\tmov %%r12, 88(%%rax)\n\tmov %%r13, 96(%%rax)\n\tmov %%r14, 104(%%rax)\n\tmov %%r15, 112(%%rax)\n\t"
        "pop %%r15\n\tpop %%r14\n\tpop %%r13\n\tpop %%r12\n\tpop %%rbx\n\tpop %%rbp"
        : [o0] "=m"(out[0]), [out] "=m"(out), [f] "=m"(flags) : [in] "m"(in) : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
    IS(!memcmp(in, out, sizeof in));
    printf("DF %d CF %d\n", (int)(flags >> 10 & 1), (int)(flags & 1));
}
static void sees_df(int s, siginfo_t *i, void *u) {
    uint64_t f;
    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    nothing(s, i, u);
    repaired = f >> 10 & 1;
}
SECTION(handler_starts_clean) {
    install(sees_df);
    __asm__ volatile("std; ud2; cld" ::: "cc");
    printf("DF in handler %d\n", repaired);
    unsigned mx = 0x9fc0, old, now;
    __asm__ volatile("stmxcsr %0" : "=m"(old));
    __asm__ volatile("ldmxcsr %1; ud2; stmxcsr %0; ldmxcsr %2" : "=m"(now) : "m"(mx), "m"(old));
    X(now);
    unsigned short cw = 0x27f, ncw, ocw;
    __asm__ volatile("fnstcw %0" : "=m"(ocw));
    __asm__ volatile("fldcw %1; ud2; fnstcw %0; fldcw %2" : "=m"(ncw) : "m"(cw), "m"(ocw));
    X(ncw);
}
SECTION(default_kills_segv) { puts("dying"); *(volatile char *)hole() = 1; puts("not reached"); }
SECTION(default_kills_null) { puts("dying"); *(volatile char *)NULL = 1; puts("not reached"); }
SECTION(default_kills_call) { puts("dying"); ((void (*volatile)(void))NULL)(); puts("not reached"); }
SECTION(default_kills_fpe) { puts("dying"); DIV(1, 0); puts("not reached"); }
SECTION(default_kills_ill) { puts("dying"); __asm__ volatile("ud2"); puts("not reached"); }
SECTION(default_kills_trap) { puts("dying"); __asm__ volatile("int3"); puts("not reached"); }
SECTION(default_kills_abort) { puts("dying"); abort(); }
SECTION(default_kills_term) { puts("dying"); raise(SIGTERM); puts("not reached"); }
SECTION(default_kills_rt) { puts("dying"); raise(SIGRTMIN + 5); puts("not reached"); }
SECTION(default_kills_kill) { puts("dying"); kill(getpid(), SIGKILL); puts("not reached"); }
SECTION(blocked_fault_kills) {
    install(record);
    sigset_t s;
    sigfillset(&s);
    sigprocmask(SIG_BLOCK, &s, NULL);
    puts("dying");
    *(volatile char *)hole() = 1;
    puts("not reached");
}
SECTION(ignored_fault_kills) {
    signal(SIGSEGV, SIG_IGN);
    puts("dying");
    *(volatile char *)hole() = 1;
    puts("not reached");
}
SECTION(fault_without_stack_kills) {
    struct sigaction a = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &a, NULL);
    puts("dying");
    __asm__ volatile("mov $0x123400000000, %%rsp; push %%rax" ::: "memory");
}
static char alt[65536] __attribute__((aligned(16)));
static int recurse(int n) { volatile char b[4096]; b[0] = n; return n > 1000000000 ? 0 : recurse(n + 1) + b[0]; }
SECTION(stack_overflow) {
    stack_t k = {.ss_sp = alt, .ss_size = sizeof alt};
    MUST(sigaltstack(&k, NULL));
    struct sigaction a = {.sa_sigaction = bail, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    MUST(sigaction(SIGSEGV, &a, NULL));
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(env, 1) == 0) printf("%d\n", recurse(0)); else printf("overflow: signal %d code %d\n", sig, code);
}
SECTION(stack_overflow_kills) { puts("dying"); printf("%d\n", recurse(0)); }
SECTION(trap_flag) {
    static volatile int steps;
    struct sigaction a = {.sa_sigaction = record, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGTRAP, &a, NULL));
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; pushfq; andq $~0x100, (%%rsp); popfq" ::: "cc", "memory");
    printf("signal %d code %d\n", sig, code);
    (void)steps;
}
