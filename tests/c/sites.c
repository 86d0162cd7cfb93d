//: static
// The system call instruction in every position and mood: where bytes straddle, where neighbours matter, in code that
// was just written, jumped to directly, with the red zone in use.
#include "facts.h"
#include <sys/utsname.h>

#define NR_getppid "110"
#define REPEAT 5
// Every site runs several times: the first may trap, the later ones take another road.

// Assembly functions, called with the C convention.
#define FUNC(name, body) __asm__(".text\n.p2align 4\n.globl " #name "\n.type " #name ",@function\n" #name ":\n.cfi_startproc\n" body "\n.cfi_endproc\n.size " #name ",.-" #name "\n"); long name(long, long)

FUNC(plain, "mov $" NR_getppid ", %eax\n syscall\n ret");
FUNC(zero_idiom, "xor %eax, %eax\n mov $" NR_getppid ", %al\n syscall\n ret");
FUNC(push_pop, "push $" NR_getppid "\n pop %rax\n syscall\n ret");
FUNC(from_register, "mov %rdi, %rax\n mov %rsi, %rdi\n syscall\n ret");
FUNC(rip_after, "mov $" NR_getppid ", %eax\n syscall\n mov number(%rip), %rdx\n lea (%rax,%rdx), %rax\n ret\n .pushsection .data\n number: .quad 1000000\n .popsection");
FUNC(rip_before, "mov number2(%rip), %rdx\n mov $" NR_getppid ", %eax\n syscall\n add %rdx, %rax\n ret\n .pushsection .data\n number2: .quad 2000000\n .popsection");
FUNC(branch_to_syscall, "mov $" NR_getppid ", %eax\n test %rdi, %rdi\n jz 1f\n mov $102, %eax\n 1: syscall\n ret");
FUNC(branch_after_syscall, "mov $" NR_getppid ", %eax\n test %rdi, %rdi\n jnz 2f\n 1: syscall\n 3: test %rax, %rax\n ret\n 2: syscall\n jmp 3b");
FUNC(loop_on_site, "mov $3, %r8d\n 1: mov $" NR_getppid ", %eax\n syscall\n dec %r8d\n jnz 1b\n ret");
FUNC(last_bytes, "mov $" NR_getppid ", %eax\n jmp 1f\n .p2align 4\n 1: syscall\n ret");
FUNC(conditional_follows, "mov $" NR_getppid ", %eax\n syscall\n cmp $-4095, %rax\n jae 1f\n ret\n 1: mov $-1, %rax\n ret");
FUNC(short_branch_follows, "mov $" NR_getppid ", %eax\n syscall\n jmp 1f\n ud2\n 1: ret");
FUNC(loop_instruction_follows, "mov $" NR_getppid ", %eax\n syscall\n mov $2, %ecx\n 1: loop 1b\n ret");
FUNC(call_follows, "push %rbx\n mov $" NR_getppid ", %eax\n syscall\n call 1f\n pop %rbx\n ret\n 1: inc %rax\n dec %rax\n ret");
FUNC(two_in_a_row, "mov $" NR_getppid ", %eax\n syscall\n mov $" NR_getppid ", %eax\n syscall\n ret");
// close(-1) fails with -EBADF, which is then the number of a call that is not there.
FUNC(back_to_back, "mov $3, %eax\n mov $-1, %rdi\n syscall\n syscall\n ret");
FUNC(three_close, "mov $" NR_getppid ", %eax\n syscall\n mov %rax, %rdi\n mov $102, %eax\n syscall\n mov %rdi, %rsi\n mov $" NR_getppid ", %eax\n syscall\n sub %rsi, %rax\n ret");
FUNC(flags_kept, "mov $" NR_getppid ", %eax\n stc\n syscall\n setc %al\n movzbl %al, %eax\n ret");
// The five bytes before the instruction read as `mov $110, %eax`, but are the end of another instruction.
FUNC(fake_mov, "push %rbx\n mov $" NR_getppid ", %eax\n movabs $0x6eb8909090, %rbx\n syscall\n movabs $0x6eb8909090, %rdx\n cmp %rdx, %rbx\n jne 1f\n pop %rbx\n ret\n 1: pop %rbx\n mov $-7, %rax\n ret");
FUNC(inside_immediate, "movabs $0x050f050f050f050f, %rax\n shr $56, %rax\n ret");
FUNC(rex_prefixed, "mov $" NR_getppid ", %eax\n .byte 0x48, 0x0f, 0x05\n ret");
FUNC(sixteen_bit_prefix, "mov $" NR_getppid ", %eax\n .byte 0x66, 0x0f, 0x05\n ret");
// One way in jumps over the first byte of the mov.
FUNC(enters_the_middle, "mov $" NR_getppid ", %eax\n test %rdi, %rdi\n jz 1f\n .byte 0xb8\n 1: .byte 0x90, 0x90, 0x90, 0x90\n mov $" NR_getppid ", %eax\n 2: syscall\n ret");

static long by_parent(long r) { return r == getppid() ? 1 : r; }
SECTION(shapes) {
#define P(name) do { int bad = 0; for (int i = 0; i < REPEAT; i++) bad += name(0, 0) != getppid(); printf(#name ": %s\n", bad ? "wrong" : "right"); } while (0)
    P(plain); P(zero_idiom); P(push_pop); P(loop_on_site); P(last_bytes); P(conditional_follows); P(short_branch_follows); P(loop_instruction_follows); P(call_follows); P(two_in_a_row); P(fake_mov);
    P(rex_prefixed); P(sixteen_bit_prefix); P(enters_the_middle); P(branch_to_syscall); P(branch_after_syscall);
    for (int i = 0; i < REPEAT; i++) {
        long a = rip_after(0, 0) - getppid(), b = rip_before(0, 0) - getppid(), c = branch_to_syscall(1, 0), d = by_parent(branch_after_syscall(1, 0)), e = three_close(0, 0), f = flags_kept(0, 0), g = inside_immediate(0, 0), h = by_parent(enters_the_middle(1, 0));
        printf("%ld %ld %ld %ld %ld %ld %lx %ld\n", a, b, c, d, e, f, g, h);
    }
}
SECTION(one_site_many_calls) {
    for (int i = 0; i < 4; i++) {
        IS(from_register(SYS_getppid, 0) == getppid());
        IS(from_register(SYS_getuid, 0) == getuid());
        N(from_register(SYS_close, -1));
        N(from_register(999999, 0));
        N(from_register(-1, 0));
        struct utsname u;
        N(from_register(SYS_uname, (long)&u));
    }
    for (int i = 0; i < REPEAT; i++) N(back_to_back(0, 0));
}
// A system call at a chosen offset of a page or a cache line, in memory written just before.
static char *code(size_t n) { return mmap(NULL, n, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static const unsigned char body[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
SECTION(straddling) {
    char *p = code(4 * PAGE);
    int wrong = 0;
    for (size_t at = PAGE - 10; at <= PAGE + 2; at++)
        for (int k = 0; k < 3; k++) {
            memset(p, 0xcc, 4 * PAGE);
            memcpy(p + at, body, sizeof body);
            for (int i = 0; i < REPEAT; i++) wrong += ((long (*)(void))(p + at))() != getppid();
        }
    printf("page: %d wrong\n", wrong);
    wrong = 0;
    for (size_t at = 2 * PAGE; at < 2 * PAGE + 130; at++) {
        memset(p, 0xcc, 4 * PAGE);
        memcpy(p + at, body, sizeof body);
        for (int i = 0; i < REPEAT; i++) wrong += ((long (*)(void))(p + at))() != getppid();
    }
    printf("line: %d wrong\n", wrong);
    // The second page may not be writable, or may be another mapping.
    mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    memcpy(p + PAGE - 6, body, sizeof body);
    mprotect(p, PAGE, PROT_READ | PROT_EXEC);
    mprotect(p + PAGE, PAGE, PROT_READ | PROT_EXEC);
    wrong = 0;
    for (int i = 0; i < REPEAT; i++) wrong += ((long (*)(void))(p + PAGE - 6))() != getppid();
    printf("read-only: %d wrong\n", wrong);
    // The very end of a mapping: nothing readable follows.
    char *q = code(2 * PAGE);
    memcpy(q + PAGE - sizeof body, body, sizeof body);
    munmap(q + PAGE, PAGE);
    wrong = 0;
    for (int i = 0; i < REPEAT; i++) wrong += ((long (*)(void))(q + PAGE - sizeof body))() != getppid();
    printf("end: %d wrong\n", wrong);
}
SECTION(jit) {
    char *p = code(PAGE);
    // The same place, new code each time: nothing may be remembered about it.
    int wrong = 0;
    for (int i = 0; i < 50; i++) {
        static const int calls[] = {110, 102, 39, 104};
        unsigned char b[] = {0xb8, (unsigned char)calls[i % 4], 0, 0, 0, 0x0f, 0x05, 0xc3};
        memset(p, 0xcc, 64);
        memcpy(p, b, sizeof b);
        long want = i % 4 == 0 ? getppid() : i % 4 == 1 ? (long)getuid() : i % 4 == 2 ? getpid() : (long)getgid();
        for (int k = 0; k < 3; k++) wrong += ((long (*)(void))p)() != want;
    }
    N(wrong);
    // Code that is unmapped and mapped again elsewhere, or replaced by data.
    for (int i = 0; i < 20; i++) {
        char *q = code(PAGE);
        memcpy(q + i, body, sizeof body);
        wrong += ((long (*)(void))(q + i))() != getppid();
        wrong += ((long (*)(void))(q + i))() != getppid();
        MUST(munmap(q, PAGE));
    }
    N(wrong);
    // W^X as JIT compilers do it.
    char *x = pages(1, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 5; i++) {
        MUST(mprotect(x, PAGE, PROT_READ | PROT_WRITE));
        memset(x, 0x90, 100);
        memcpy(x + i * 3, body, sizeof body);
        MUST(mprotect(x, PAGE, PROT_READ | PROT_EXEC));
        wrong += ((long (*)(void))x)() != getppid();
        wrong += ((long (*)(void))x)() != getppid();
    }
    N(wrong);
    // The same memory in two places: written here, run there.
    int m = S(memfd_create, "code", 0);
    MUST(ftruncate(m, PAGE));
    char *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0), *r = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, m, 0);
    memcpy(w, body, sizeof body);
    for (int i = 0; i < REPEAT; i++) wrong += ((long (*)(void))r)() != getppid();
    N(wrong);
}
SECTION(direct_jump) {
    // Jumping to the instruction itself, past the load of the number, before and after it ran the normal way.
    char *at = (char *)plain + 5;
    for (int round = 0; round < 3; round++) {
        long r;
        __asm__ volatile("call *%1" : "=a"(r) : "r"(at), "0"((long)SYS_getuid) : "rcx", "r11", "memory");
        IS(r == (long)getuid());
        __asm__ volatile("call *%1" : "=a"(r) : "r"(at), "0"((long)SYS_close), "D"(-1l) : "rcx", "r11", "memory");
        N(r);
        IS(plain(0, 0) == getppid());
    }
}
SECTION(red_zone) {
    // 128 bytes below rsp belong to the function, also across a system call.
    long wrong = 0;
    for (int i = 0; i < REPEAT; i++) {
        long diff;
        __asm__ volatile(
            "mov $0x0101010101010101, %%rdx\n mov $16, %%ecx\n 1: mov %%rcx, %%r8\n imul %%rdx, %%r8\n neg %%rcx\n mov %%r8, (%%rsp,%%rcx,8)\n neg %%rcx\n dec %%ecx\n jnz 1b\n"
            "mov $110, %%eax\n syscall\n"
            "xor %%r9d, %%r9d\n mov $16, %%ecx\n 2: mov %%rcx, %%r8\n imul %%rdx, %%r8\n neg %%rcx\n xor (%%rsp,%%rcx,8), %%r8\n or %%r8, %%r9\n neg %%rcx\n dec %%ecx\n jnz 2b\n mov %%r9, %0"
            : "=r"(diff) : : "rax", "rcx", "rdx", "r8", "r9", "r11", "memory", "cc");
        wrong |= diff;
    }
    X(wrong);
}
static uint64_t before[16], after[16];
// Everything but rax, rcx and r11 comes back as it was; rcx is the return address, r11 the flags.
SECTION(registers) {
    for (int round = 0; round < REPEAT; round++) {
        for (int i = 0; i < 16; i++) before[i] = 0x1111111111111111ull * i + 7;
        uint64_t rcx_ok, r11, rsp_same;
        __asm__ volatile(
            "push %%rbp\n push %%rbx\n push %%r12\n push %%r13\n push %%r14\n push %%r15\n"
            "lea before(%%rip), %%rax\n mov 8(%%rax), %%rbx\n mov 24(%%rax), %%rdx\n mov 32(%%rax), %%rsi\n mov 40(%%rax), %%rdi\n mov 48(%%rax), %%rbp\n"
            "mov 64(%%rax), %%r8\n mov 72(%%rax), %%r9\n mov 80(%%rax), %%r10\n mov 96(%%rax), %%r12\n mov 104(%%rax), %%r13\n mov 112(%%rax), %%r14\n mov 120(%%rax), %%r15\n"
            "mov %%rsp, saved_rsp(%%rip)\n stc\n mov $110, %%eax\n syscall\n 9:\n"
            "mov %%rax, after(%%rip)\n lea after(%%rip), %%rax\n mov %%rbx, 8(%%rax)\n mov %%rcx, 16(%%rax)\n mov %%rdx, 24(%%rax)\n mov %%rsi, 32(%%rax)\n mov %%rdi, 40(%%rax)\n mov %%rbp, 48(%%rax)\n"
            "mov %%r8, 64(%%rax)\n mov %%r9, 72(%%rax)\n mov %%r10, 80(%%rax)\n mov %%r11, 88(%%rax)\n mov %%r12, 96(%%rax)\n mov %%r13, 104(%%rax)\n mov %%r14, 112(%%rax)\n mov %%r15, 120(%%rax)\n"
            "mov %%rsp, %%r8\n sub saved_rsp(%%rip), %%r8\n lea 9b(%%rip), %%r9\n sub 16(%%rax), %%r9\n mov 88(%%rax), %%r10\n"
            "pop %%r15\n pop %%r14\n pop %%r13\n pop %%r12\n pop %%rbx\n pop %%rbp\n mov %%r8, %0\n mov %%r9, %1\n mov %%r10, %2"
            "\n.pushsection .bss\n saved_rsp: .quad 0\n .popsection" : "=m"(rsp_same), "=m"(rcx_ok), "=m"(r11) : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
        int bad = 0;
        for (int i = 0; i < 16; i++) if (i != 0 && i != 2 && i != 7 && i != 11 && before[i] != after[i]) { printf("register %d lost\n", i); bad++; }
        printf("bad %d rsp %ld rcx %s carry %d\n", bad, (long)rsp_same, rcx_ok ? "not the return address" : "return address", (int)(r11 & 1));
    }
}
SECTION(flags_and_direction) {
    for (int i = 0; i < REPEAT; i++) {
        uint64_t f, want = 0x8d5 | 0x400 | 0x200;
        __asm__ volatile("push %1\n popfq\n mov $110, %%eax\n syscall\n pushfq\n pop %0\n cld" : "=r"(f) : "r"(want) : "rax", "rcx", "r11", "memory", "cc");
        X(f & 0xcd5);
        // With the direction flag set, a system call that copies memory works all the same.
        struct utsname u;
        long r;
        __asm__ volatile("std\n syscall\n cld" : "=a"(r) : "0"((long)SYS_uname), "D"(&u) : "rcx", "r11", "memory", "cc");
        printf("%ld %s\n", r, u.sysname);
    }
}
SECTION(alignment_check_flag) {
    for (int i = 0; i < REPEAT; i++) {
        uint64_t f;
        __asm__ volatile("pushfq\n orq $0x40000, (%%rsp)\n popfq\n mov $110, %%eax\n syscall\n pushfq\n pop %0\n pushfq\n andq $~0x40000, (%%rsp)\n popfq" : "=r"(f) : : "rax", "rcx", "r11", "memory", "cc");
        X(f & 0x40000);
    }
}
SECTION(odd_stack) {
    // The stack pointer is anything: unaligned, or no stack at all.
    for (int i = 0; i < REPEAT; i++) {
        long r, s;
        __asm__ volatile("mov %%rsp, %%rbx\n sub $3, %%rsp\n mov $110, %%eax\n syscall\n mov %%rbx, %%rsp" : "=a"(r) : : "rbx", "rcx", "r11", "memory");
        __asm__ volatile("mov %%rsp, %%rbx\n mov $0x12345, %%esp\n mov $110, %%eax\n syscall\n mov %%rbx, %%rsp" : "=a"(s) : : "rbx", "rcx", "r11", "memory");
        IS(r == getppid() && s == getppid());
        __asm__ volatile("mov %%rsp, %%rbx\n movabs $0x8000000000000001, %%rsp\n mov $110, %%eax\n syscall\n mov %%rbx, %%rsp" : "=a"(s) : : "rbx", "rcx", "r11", "memory");
        IS(s == getppid());
    }
}
SECTION(int80) {
    // The 32-bit way in, from 64-bit code: getpid is 20 there.
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "0"(20l) : "memory", "r8", "r9", "r10", "r11");
    printf("%s\n", r == getpid() ? "getpid" : r == -ENOSYS ? "ENOSYS" : "other");
}
SECTION(own_text_reads_back) {
    // A program that looks at its code after running it; whatever was patched must still do the same.
    unsigned sum = 0;
    plain(0, 0);
    plain(0, 0);
    for (const unsigned char *p = (const unsigned char *)plain; p < (const unsigned char *)plain + 8; p++) sum += *p;
    char copy[64];
    memcpy(copy, (const void *)(uintptr_t)plain, 8);
    char *x = code(PAGE);
    memcpy(x, copy, 8);
    (void)sum;
    puts("read");
}
