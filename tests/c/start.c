//: musl static
// What a program finds at start: stack, auxiliary vector, TLS, vdso, descriptors, signal state.
#include "facts.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

extern char **environ;
extern const char __ehdr_start[] __attribute__((weak));
static __thread int tls_zero, tls_init = 0x1234;
static __thread char tls_big[10000];

static unsigned long *vector(void) { char **e = environ; while (*e) e++; return (unsigned long *)(e + 1); }
SECTION(auxv_entries) {
    // Every entry the host gives, and what can be said about it. Their order means nothing.
    for (unsigned long type = 1; type < 64; type++)
        for (unsigned long *a = vector(); a[0] != AT_NULL; a += 2) {
            // Where restartable sequences live: a kernel without them says nothing.
            if (a[0] != type || type == 27 || type == 28) continue;
            printf("type %lu", type);
            switch (type) {
            case AT_PHENT: case AT_PHNUM: case AT_PAGESZ: case AT_CLKTCK: case AT_SECURE: case AT_UID: case AT_EUID: case AT_GID: case AT_EGID: case AT_FLAGS:
            case AT_HWCAP: case AT_HWCAP2: printf(" %lx", a[1]); break;
            case AT_PLATFORM: printf(" %s", (char *)a[1]); break;
            case AT_EXECFN: printf(" %s", strrchr((char *)a[1], '/') ? "a path" : (char *)a[1]); break;
            case AT_MINSIGSTKSZ: printf(" %s", a[1] >= 2048 ? "enough" : "too small"); break;
            case AT_BASE: printf(" %s", a[1] ? "set" : "0"); break;
            }
            puts("");
        }
}
SECTION(auxv_truth) {
    const ElfW(Phdr) *ph = (void *)getauxval(AT_PHDR);
    IS(ph != NULL && getauxval(AT_PHENT) == sizeof *ph);
    uintptr_t bias = 0;
    for (size_t i = 0; i < getauxval(AT_PHNUM); i++) if (ph[i].p_type == PT_PHDR) bias = (uintptr_t)ph - ph[i].p_vaddr;
    int loads = 0;
    for (size_t i = 0; i < getauxval(AT_PHNUM); i++) loads += ph[i].p_type == PT_LOAD;
    IS(loads >= 2);
    const ElfW(Ehdr) *eh = NULL;
    for (size_t i = 0; i < getauxval(AT_PHNUM); i++) if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0) eh = (void *)(ph[i].p_vaddr + bias);
    if (eh) { IS(!memcmp(eh->e_ident, ELFMAG, 4)); IS(eh->e_entry + bias == getauxval(AT_ENTRY)); }
    const unsigned char *r = (void *)getauxval(AT_RANDOM);
    int sum = 0;
    for (int i = 0; i < 16; i++) sum += r[i];
    IS(sum > 0);
    struct stat s, t;
    MUST(stat((char *)getauxval(AT_EXECFN), &s));
    MUST(stat("/proc/self/exe", &t));
    IS(s.st_ino == t.st_ino && s.st_dev == t.st_dev);
    IS(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
    const ElfW(Ehdr) *v = (void *)getauxval(AT_SYSINFO_EHDR);
    IS(v && !memcmp(v->e_ident, ELFMAG, 4));
}
SECTION(stack_layout) {
    char **argv0 = (char **)((char *)environ - 8);
    IS(*argv0 == NULL);
    char here;
    IS((char *)environ > &here);
    // Strings lie above the vectors and near the top.
    IS((char *)vector() < environ[0]);
    char *fn = (char *)getauxval(AT_EXECFN);
    IS(fn > environ[0]);
    IS((((uintptr_t)fn + strlen(fn) + 1 + 8 + PAGE - 1) & -PAGE) - (uintptr_t)fn < PAGE + 4096);
    int n = 0;
    for (char **e = environ; *e; e++) { if (strncmp(*e, "HOME=", 5)) printf("%s\n", *e); n++; }
    N(n);
    IS(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
}
SECTION(thread_local) {
    printf("%d %x %d\n", tls_zero, tls_init, tls_big[9999]);
    tls_zero = 5;
    tls_init++;
    printf("%d %x\n", tls_zero, tls_init);
    errno = 77;
    N(errno);
    int zero = 1;
    for (size_t i = 0; i < sizeof tls_big; i++) zero &= tls_big[i] == 0;
    IS(zero);
}
SECTION(vdso_works) {
    // The clock through the vdso and through the kernel tell the same time, and the C library's needs no system call.
    struct timespec a, b;
    long long worst = 0;
    for (int i = 0; i < 1000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &a);
        S(clock_gettime, CLOCK_MONOTONIC, &b);
        long long d = (b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec;
        if (d < 0) worst = d;
    }
    N(worst);
    const ElfW(Ehdr) *v = (void *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Phdr) *ph = (void *)((char *)v + v->e_phoff);
    const ElfW(Dyn) *d = NULL;
    uintptr_t bias = 0;
    for (int i = 0; i < v->e_phnum; i++) {
        if (ph[i].p_type == PT_DYNAMIC) d = (void *)((char *)v + ph[i].p_offset);
        if (ph[i].p_type == PT_LOAD) bias = (uintptr_t)v + ph[i].p_offset - ph[i].p_vaddr;
    }
    const char *strings = NULL;
    const ElfW(Sym) *symbols = NULL;
    size_t size = 0;
    for (; d && d->d_tag; d++) {
        if (d->d_tag == DT_STRTAB) strings = (void *)(d->d_un.d_ptr + bias);
        if (d->d_tag == DT_STRSZ) size = d->d_un.d_val;
        if (d->d_tag == DT_SYMTAB) symbols = (void *)(d->d_un.d_ptr + bias);
    }
    int (*get)(clockid_t, struct timespec *) = NULL;
    for (int i = 0; symbols && i < 64 && symbols[i].st_name < size; i++)
        if (!strcmp(strings + symbols[i].st_name, "__vdso_clock_gettime")) get = (void *)(symbols[i].st_value + bias);
    IS(get != NULL);
    if (get) {
        T(get(CLOCK_MONOTONIC, &a));
        // A clock the vdso cannot read: it makes a system call from its own page.
        T(get(CLOCK_THREAD_CPUTIME_ID, &a));
        IS(get(99, &a) == -EINVAL);
    }
}
SECTION(descriptors) {
    for (int i = 0; i < 10; i++) printf("%d", fcntl(i, F_GETFD));
    puts("");
    struct stat s;
    for (int i = 0; i < 3; i++) { MUST(fstat(i, &s)); printf("%o ", s.st_mode & S_IFMT); }
    puts("");
    X(fcntl(0, F_GETFL) & O_ACCMODE);
    X(fcntl(1, F_GETFL) & O_ACCMODE);
    X(fcntl(2, F_GETFL) & O_ACCMODE);
}
SECTION(signal_state) {
    sigset_t s;
    sigprocmask(0, NULL, &s);
    for (int i = 1; i < 65; i++) if (sigismember(&s, i) == 1) printf("blocked %d\n", i);
    for (int i = 1; i < 65; i++) {
        struct sigaction a;
        if (i == 32 || i == 33 || i == 34 || sigaction(i, NULL, &a)) continue;
        if (a.sa_handler != SIG_DFL) printf("%d not default\n", i);
    }
    stack_t k;
    sigaltstack(NULL, &k);
    N(k.ss_flags);
}
SECTION(floating_point_state) {
    unsigned mx;
    unsigned short cw;
    unsigned long f;
    __asm__ volatile("stmxcsr %0" : "=m"(mx));
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    X(mx & ~0x3f);
    X(cw);
    X(f & 0x47700);
}
SECTION(selectors) {
    unsigned short cs, ss, ds, es, fs, gs;
    __asm__("mov %%cs, %0" : "=r"(cs));
    __asm__("mov %%ss, %0" : "=r"(ss));
    __asm__("mov %%ds, %0" : "=r"(ds));
    __asm__("mov %%es, %0" : "=r"(es));
    __asm__("mov %%fs, %0" : "=r"(fs));
    __asm__("mov %%gs, %0" : "=r"(gs));
    printf("%x %x %x %x %x %x\n", cs, ss, ds, es, fs, gs);
}
SECTION(exit_code_is_masked) { fflush(stdout); S(exit_group, 0x1ff); }
SECTION(exit_code_negative) { exit(-1); }
static void bye(void) { puts("bye"); }
SECTION(exit_runs_handlers) { atexit(bye); exit(3); }
SECTION(exit_call) { puts("thread exit of the last thread"); fflush(stdout); S(exit, 9); }
