// Core files: which signals leave one and what the parent hears of it, what keeps it from being written, its limits, what of the
// memory is in it by filter and advice, and what its notes say.
#include "facts.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void core_limit(rlim_t bytes) {
    struct rlimit l;
    getrlimit(RLIMIT_CORE, &l);
    l.rlim_cur = bytes;
    if (setrlimit(RLIMIT_CORE, &l)) printf("setrlimit: %s\n", ename(errno));
}
static void die(int sig) { signal(sig, SIG_DFL); kill(getpid(), sig); for (;;) pause(); }
static int status;
// The status of a child that does f(arg).
static void run(void (*f)(int), int arg) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) { f(arg); _exit(99); }
    waitpid(pid, &status, 0);
}
static void show_core(const char *what) {
    struct stat st;
    if (WIFEXITED(status)) printf("%s: exited %d", what, WEXITSTATUS(status));
    else printf("%s: signal %d dumped %d", what, WTERMSIG(status), !!WCOREDUMP(status));
    if (lstat("core", &st)) puts(", no file");
    else printf(", file %o links %d uid %d %s\n", st.st_mode, (int)st.st_nlink, (int)st.st_uid, st.st_size > 4096 ? "long" : st.st_size ? "short" : "empty");
}
static void limited(int sig) { core_limit(RLIM_INFINITY); die(sig); }

SECTION(signals) {
    const int sigs[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS, SIGIO, 34};
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        char name[32];
        sprintf(name, "signal %d", sigs[i]);
        run(limited, sigs[i]);
        show_core(name);
        unlink("core");
    }
}
static volatile siginfo_t seen;
static void on_child(int sig UNUSED, siginfo_t *i, void *u UNUSED) { *(siginfo_t *)&seen = *i; }
SECTION(reports) {
    struct sigaction a = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO}, old;
    sigaction(SIGCHLD, &a, &old);
    for (int with = 0; with < 2; with++) {
        fflush(stdout);
        pid_t pid = fork();
        if (!pid) { core_limit(with ? RLIM_INFINITY : 0); die(SIGQUIT); }
        siginfo_t i = {0};
        T(waitid(P_PID, pid, &i, WEXITED | WNOWAIT));
        printf("waitid: signo %d code %d status %d\n", i.si_signo, i.si_code, i.si_status);
        waitpid(pid, &status, 0);
        printf("SIGCHLD: code %d status %d, wait status %#x\n", seen.si_code, seen.si_status, status);
        show_core("end");
        unlink("core");
    }
    sigaction(SIGCHLD, &old, NULL);
}
static void with_limit(int bytes) { core_limit(bytes); die(SIGSEGV); }
static void with_file_limit(int bytes) {
    core_limit(RLIM_INFINITY);
    struct rlimit l = {bytes, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &l);
    die(SIGSEGV);
}
SECTION(limits) {
    const int bytes[] = {0, 1, 4095, 4096, 8192, 65536};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        run(with_limit, bytes[i]);
        struct stat st = {0};
        stat("core", &st);
        printf("limit %d: dumped %d, within %d, holds more than headers %d\n", bytes[i], !!WCOREDUMP(status),
               st.st_blocks * 512 <= (bytes[i] + 4095) / 4096 * 4096, st.st_size > 1000);
        unlink("core");
    }
    run(with_file_limit, 10000);
    struct stat st = {0};
    stat("core", &st);
    printf("RLIMIT_FSIZE: dumped %d, within %d\n", !!WCOREDUMP(status), st.st_size <= 10000);
    unlink("core");
}

static void masked(int mask) { umask(mask); limited(SIGABRT); }
static void undumpable(int sig) { prctl(PR_SET_DUMPABLE, 0); limited(sig); }
static void redumpable(int sig) { prctl(PR_SET_DUMPABLE, 0); prctl(PR_SET_DUMPABLE, 1); limited(sig); }
static void other_user(int sig) { if (setuid(12345)) _exit(1); limited(sig); }
static void other_user_again(int sig) { if (setuid(12345)) _exit(1); prctl(PR_SET_DUMPABLE, 1); limited(sig); }
static void no_directory(int sig) { mkdir("gone", 0700); if (chdir("gone")) _exit(1); rmdir("../gone"); limited(sig); }
static void in_directory(int sig) { mkdir("sub", 0700); if (chdir("sub")) _exit(1); limited(sig); }
SECTION(refusals) {
    char big[20000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    put("core", big); chmod("core", 0600); run(limited, SIGABRT); show_core("an own file");
    chmod("core", 0644); run(limited, SIGABRT); show_core("a file that others read");
    chmod("core", 0700); run(limited, SIGABRT); show_core("a file that can be executed");
    chmod("core", 0600); link("core", "other"); run(limited, SIGABRT); show_core("a file with two names"); unlink("other");
    chown("core", 12345, 0); run(limited, SIGABRT); show_core("a file of somebody else"); unlink("core");
    put("target", ""); chmod("target", 0600); symlink("target", "core"); run(limited, SIGABRT); show_core("a link");
    struct stat st; stat("target", &st); N(st.st_size); unlink("core"); unlink("target");
    mkdir("core", 0700); run(limited, SIGABRT); show_core("a directory"); rmdir("core");
    mkfifo("core", 0600); int fd = open("core", O_RDWR); run(limited, SIGABRT); show_core("a FIFO"); close(fd); unlink("core");
    run(masked, 0777); show_core("umask 777"); unlink("core");
    run(masked, 0077); show_core("umask 077"); unlink("core");
    run(undumpable, SIGSEGV); show_core("not dumpable"); unlink("core");
    run(redumpable, SIGSEGV); show_core("dumpable again"); unlink("core");
    chmod(".", 0777);
    run(other_user, SIGSEGV); show_core("after setuid"); unlink("core");
    run(other_user_again, SIGSEGV); show_core("after setuid, dumpable"); unlink("core");
    run(no_directory, SIGSEGV); show_core("no directory");
    run(in_directory, SIGSEGV); show_core("another directory");
    T(unlink("sub/core")); rmdir("sub");
}

// What the core file says of the memory.
static char *core_map; static size_t core_len;
static int load_core(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st)) { printf("%s: %s\n", path, ename(errno)); return -1; }
    core_len = st.st_size;
    core_map = mmap(NULL, core_len, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return core_map == MAP_FAILED ? -1 : 0;
}
static Elf64_Phdr *segment(void *addr) {
    Elf64_Ehdr *h = (void *)core_map;
    Elf64_Phdr *p = (void *)(core_map + h->e_phoff);
    for (int i = 0; i < h->e_phnum; i++)
        if (p[i].p_type == PT_LOAD && p[i].p_vaddr <= (uintptr_t)addr && (uintptr_t)addr < p[i].p_vaddr + p[i].p_memsz) return p + i;
    return NULL;
}
enum { TOUCHED, UNTOUCHED, SPARSE, HIDDEN, SHARED, DONTDUMP, DODUMP, FILE_READ, FILE_WRITTEN, FILE_SHARED, FILE_GONE, FILE_EXEC, FILE_TAIL, READONLY, KINDS };
static const char *const kind_names[] = {"touched", "untouched", "sparse", "PROT_NONE", "shared", "DONTDUMP", "DODUMP", "file read", "file written", "file shared", "file removed", "file executable", "file from page 2", "read only"};
static char *maps[KINDS];
enum { LEN = 8 * PAGE };
static char *map(int prot, int flags, int fd, off_t at) {
    // Apart from each other, so that nothing merges.
    char *p = mmap(NULL, LEN + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mmap(p + PAGE, LEN, prot, flags | MAP_FIXED, fd, at);
}
static void make_maps(void) {
    int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    char page[PAGE];
    memset(page, 'f', sizeof page);
    const char *names[] = {"data", "gone", "tool"};
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = open(names[i], O_RDWR | O_CREAT | O_TRUNC, i == 2 ? 0755 : 0644);
        for (int k = 0; k < 9; k++) write(fds[i], page, sizeof page);
    }
    unlink("gone");
    maps[TOUCHED] = map(rw, anon, -1, 0); memset(maps[TOUCHED], 1, LEN);
    maps[UNTOUCHED] = map(rw, anon, -1, 0);
    maps[SPARSE] = map(rw, anon, -1, 0); maps[SPARSE][3 * PAGE + 5] = 7;
    maps[HIDDEN] = map(rw, anon, -1, 0); memset(maps[HIDDEN], 2, LEN); mprotect(maps[HIDDEN], LEN, PROT_NONE);
    maps[SHARED] = map(rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0); memset(maps[SHARED], 3, LEN);
    maps[DONTDUMP] = map(rw, anon, -1, 0); memset(maps[DONTDUMP], 4, LEN); madvise(maps[DONTDUMP], LEN, MADV_DONTDUMP);
    maps[DODUMP] = map(rw, anon, -1, 0); memset(maps[DODUMP], 5, LEN); madvise(maps[DODUMP], LEN, MADV_DONTDUMP); madvise(maps[DODUMP], LEN, MADV_DODUMP);
    maps[FILE_READ] = map(PROT_READ, MAP_PRIVATE, fds[0], 0); (void)*(volatile char *)maps[FILE_READ];
    maps[FILE_WRITTEN] = map(rw, MAP_PRIVATE, fds[0], 0); maps[FILE_WRITTEN][PAGE] = 'w';
    maps[FILE_SHARED] = map(rw, MAP_SHARED, fds[0], 0); maps[FILE_SHARED][0] = 's';
    maps[FILE_GONE] = map(rw, MAP_SHARED, fds[1], 0); maps[FILE_GONE][0] = 'g';
    maps[FILE_EXEC] = map(PROT_READ, MAP_PRIVATE, fds[2], 0); (void)*(volatile char *)maps[FILE_EXEC];
    maps[FILE_TAIL] = map(PROT_READ, MAP_PRIVATE, fds[2], PAGE); (void)*(volatile char *)maps[FILE_TAIL];
    maps[READONLY] = map(rw, anon, -1, 0); memset(maps[READONLY], 6, LEN); mprotect(maps[READONLY], LEN, PROT_READ);
}
static void with_filter(int bits) {
    char text[16];
    sprintf(text, "%d", bits);
    put("/proc/self/coredump_filter", text);
    limited(SIGSEGV);
}
static void show_maps(void) {
    if (load_core("core")) return;
    for (int k = 0; k < KINDS; k++) {
        Elf64_Phdr *p = segment(maps[k]);
        if (!p) { printf("  %s: no segment\n", kind_names[k]); continue; }
        char *bytes = core_map + p->p_offset + ((uintptr_t)maps[k] - p->p_vaddr);
        printf("  %s: %lu of %lu pages, access %u", kind_names[k], p->p_filesz / PAGE, p->p_memsz / PAGE, p->p_flags);
        if (p->p_filesz) printf(", first byte %d", bytes[0]);
        if (p->p_filesz > 4 * PAGE) printf(", second page %d, fourth %d", bytes[PAGE], bytes[3 * PAGE + 5]);
        puts("");
    }
    munmap(core_map, core_len);
    unlink("core");
}
SECTION(memory) {
    make_maps();
    const int filters[] = {0x33, 0, 1, 2, 4, 8, 0x10, 0x7f};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        run(with_filter, filters[i]);
        printf("filter %#x: dumped %d\n", filters[i], !!WCOREDUMP(status));
        show_maps();
    }
}

SECTION(filter_file) {
    const char *path = "/proc/self/coredump_filter";
    show(path);
    const char *texts[] = {"0", "1\n", "0x23", "010", "511", "512", "0xffffffff", "4294967296", "-1", "", "\n", "x", "3x", " 5", "5 "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int fd = open(path, O_WRONLY);
        ssize_t n = write(fd, texts[i], strlen(texts[i]));
        show_bytes("write", texts[i], strlen(texts[i]));
        printf("= %s\n", n < 0 ? ename(errno) : n == (ssize_t)strlen(texts[i]) ? "all" : "part");
        close(fd);
        show(path);
    }
    put(path, "0x17");
    fflush(stdout);
    if (!fork()) {
        show(path);
        fflush(stdout);
        execl("/bin/cat", "cat", path, NULL);
        _exit(1);
    }
    wait(NULL);
    struct stat st;
    stat(path, &st);
    printf("mode %o\n", st.st_mode);
}

// The notes.
static volatile int there, spins = 1; static volatile pid_t blocked[32];
static void *thread(void *number) {
    long n = (long)number;
    int p[2];
    char c;
    pipe(p);
    if (n % 3) blocked[n] = self_tid();
    __sync_fetch_and_add(&there, 1);
    if (n % 3 == 0) while (spins) { }
    else if (n % 3 == 1) for (;;) pause();
    else read(p[0], &c, 1);
    return NULL;
}
static int sleeps(pid_t tid) {
    char path[64], text[256] = "";
    sprintf(path, "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    read(fd, text, sizeof text - 1);
    close(fd);
    char *end = strrchr(text, ')');
    return end && end[2] == 'S';
}
static void crash_with_threads(int n) {
    core_limit(RLIM_INFINITY);
    prctl(PR_SET_NAME, "crasher");
    for (long i = 0; i < n; i++) { pthread_t t; pthread_create(&t, NULL, thread, (void *)i); }
    while (there < n) usleep(1000);
    for (int i = 0; i < n; i++) while (blocked[i] && !sleeps(blocked[i])) usleep(1000);
    *(volatile int *)0x123458 = 1;
}
static void *crasher(void *unused UNUSED) { usleep(50000); *(volatile int *)0x123458 = 1; return NULL; }
static void crash_in_thread(int n UNUSED) {
    core_limit(RLIM_INFINITY);
    pthread_t t;
    pthread_create(&t, NULL, crasher, NULL);
    pthread_join(t, NULL);
}
static void raised(int sig) { core_limit(RLIM_INFINITY); S(tgkill, getpid(), self_tid(), sig); }
static void show_notes(void) {
    if (load_core("core")) return;
    Elf64_Ehdr *h = (void *)core_map;
    printf("class %d data %d type %d machine %d version %d phentsize %d shnum %d\n", h->e_ident[4], h->e_ident[5], h->e_type, h->e_machine, h->e_version, h->e_phentsize, h->e_shnum);
    Elf64_Phdr *p = (void *)(core_map + h->e_phoff);
    printf("first: type %d flags %d vaddr %lu memsz %lu align %lu\n", p->p_type, p->p_flags, p->p_vaddr, p->p_memsz, p->p_align);
    char *at = core_map + p->p_offset, *end = at + p->p_filesz;
    int threads = 0; uint64_t tls = 0; pid_t process = 0;
    while (at < end) {
        Elf64_Nhdr *n = (void *)at;
        char *name = at + sizeof *n, *d = name + (n->n_namesz + 3) / 4 * 4;
        at = d + (n->n_descsz + 3) / 4 * 4;
        if (n->n_type == 0x205) continue; // NT_X86_XSAVE_LAYOUT, since Linux 6.12
        printf("%s %#x", name, n->n_type);
        if (n->n_type != NT_AUXV && n->n_type != NT_FILE) printf(" (%u)", n->n_descsz);
        switch (n->n_type) {
        case NT_PRSTATUS: {
            struct elf_prstatus *s = (void *)d;
            struct user_regs { uint64_t r[27]; } *r = (void *)&s->pr_reg;
            printf(": signo %d code %d cursig %d pending %lx held %lx fpvalid %d", s->pr_info.si_signo, s->pr_info.si_code, s->pr_cursig, s->pr_sigpend, s->pr_sighold, s->pr_fpvalid);
            printf(" cs %lx ss %lx ds %lx gs_base %lx", r->r[17], r->r[20], r->r[23], r->r[22]);
            printf(" tls %s", r->r[21] && r->r[21] != tls ? "own" : "?");
            printf(" call %ld", (long)r->r[15]);
            if (!threads++) process = s->pr_ppid; else printf(" same parent %d", process == s->pr_ppid);
            tls = r->r[21];
            break;
        }
        case NT_PRPSINFO: {
            struct elf_prpsinfo *s = (void *)d;
            printf(": state %d %c zombie %d nice %d flags %lx uid %d gid %d name %s args of %s", s->pr_state, s->pr_sname, s->pr_zomb, s->pr_nice, s->pr_flag & 0x608, s->pr_uid, s->pr_gid, s->pr_fname,
                   strstr(s->pr_psargs, "core") ? "core" : "?");
            break;
        }
        case NT_SIGINFO: {
            siginfo_t *i = (void *)d;
            printf(": signo %d code %d addr %p", i->si_signo, i->si_code, i->si_code > 0 ? i->si_addr : NULL);
            break;
        }
        case NT_AUXV: {
            Elf64_auxv_t *a = (void *)d;
            int has = 0;
            for (; a->a_type; a++) has |= a->a_type == AT_PHDR ? 1 : a->a_type == AT_ENTRY ? 2 : a->a_type == AT_RANDOM ? 4 : 0;
            printf(": has %d, end %d", has, (char *)(a + 1) == d + n->n_descsz);
            break;
        }
        case NT_FILE: {
            uint64_t *w = (void *)d;
            char *path = (char *)(w + 2 + 3 * w[0]);
            int rises = 1, own = 0;
            for (uint64_t i = 0; i < w[0]; i++) {
                rises &= w[2 + 3 * i] < w[3 + 3 * i] && (!i || w[3 * i] <= w[2 + 3 * i]);
                own |= strstr(path, "core") != NULL;
                path += strlen(path) + 1;
            }
            printf(": page %lu, in order %d, has the program %d, exact %d", w[1], rises, own, path == d + n->n_descsz);
            break;
        }
        case NT_PRFPREG: printf(": control %x mxcsr %x", *(uint16_t *)d, *(uint32_t *)(d + 24)); break;
        case NT_X86_XSTATE: printf(": components %d", *(uint64_t *)(d + 464) != 0); break;
        }
        puts("");
    }
    printf("%d threads\n", threads);
    munmap(core_map, core_len);
    unlink("core");
}
SECTION(notes) {
    puts("one thread"); run(crash_with_threads, 0); show_notes();
    puts("by tgkill"); run(raised, SIGABRT); show_notes();
}
// Threads come in the order they were stopped in, so only their number is a fact.
SECTION(threads) {
    const int counts[] = {1, 3, 20};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        run(crash_with_threads, counts[i]);
        show_core("crash");
        if (load_core("core")) continue;
        Elf64_Phdr *p = (void *)(core_map + ((Elf64_Ehdr *)core_map)->e_phoff);
        char *at = core_map + p->p_offset, *end = at + p->p_filesz;
        int threads = 0, extended = 0, in_pause = 0, in_read = 0, running = 0;
        while (at < end) {
            Elf64_Nhdr *n = (void *)at;
            char *d = at + sizeof *n + (n->n_namesz + 3) / 4 * 4;
            at = d + (n->n_descsz + 3) / 4 * 4;
            if (n->n_type == NT_X86_XSTATE) extended++;
            if (n->n_type != NT_PRSTATUS) continue;
            long call = ((uint64_t *)&((struct elf_prstatus *)d)->pr_reg)[15];
            threads++; in_pause += call == SYS_pause; in_read += call == SYS_read; running += call == -1;
        }
        printf("%d threads, %d with extended state, %d in pause, %d in read, %d running\n", threads, extended, in_pause, in_read, running);
        munmap(core_map, core_len);
        unlink("core");
    }
    run(crash_in_thread, 0);
    show_core("not the first thread");
    show_notes();
}
// The registers at the fault are those of the program.
static void crash_with_registers(int unused UNUSED) {
    core_limit(RLIM_INFINITY);
    __asm__ volatile("mov $0x1111, %%rbx\n mov $0x2222, %%r12\n mov $0x3333, %%r13\n mov $0x4444, %%rcx\n mov $0x5555, %%rdi\n fldpi\n"
                     "pcmpeqd %%xmm7, %%xmm7\n xor %%eax, %%eax\n mov %%eax, (%%rax)" ::: "rbx", "r12", "r13", "rcx", "rdi", "rax", "xmm7", "memory");
}
SECTION(registers) {
    run(crash_with_registers, 0);
    show_core("crash");
    if (load_core("core")) return;
    Elf64_Phdr *p = (void *)(core_map + ((Elf64_Ehdr *)core_map)->e_phoff);
    char *at = core_map + p->p_offset, *end = at + p->p_filesz;
    while (at < end) {
        Elf64_Nhdr *n = (void *)at;
        char *d = at + sizeof *n + (n->n_namesz + 3) / 4 * 4;
        at = d + (n->n_descsz + 3) / 4 * 4;
        if (n->n_type == NT_PRSTATUS) {
            uint64_t *r = (uint64_t *)&((struct elf_prstatus *)d)->pr_reg;
            printf("rbx %lx r12 %lx r13 %lx rcx %lx rdi %lx rax %lx flags %lx\n", r[5], r[3], r[2], r[11], r[14], r[10], r[18] & ~0x10000ul);
            unsigned char *code = (unsigned char *)r[16]; // the same program, at the same address
            printf("code %02x %02x\n", code[0], code[1]);
            Elf64_Phdr *stack = segment((void *)r[19]);
            printf("stack in the file: %d\n", stack && stack->p_filesz == stack->p_memsz);
        }
        if (n->n_type == NT_PRFPREG) { printf("x87 top %x tags %02x, ", *(uint16_t *)(d + 2) >> 11 & 7, d[4] & 0xff); show_bytes("st0", d + 32, 10); show_bytes("xmm7", d + 160 + 7 * 16, 16); }
    }
    unlink("core");
}
static void in_vfork(int sig) {
    core_limit(RLIM_INFINITY);
    if (!vfork()) { kill(getpid(), sig); _exit(1); }
    int s;
    wait(&s);
    _exit(WIFSIGNALED(s) ? WTERMSIG(s) + 100 * !!WCOREDUMP(s) : 0);
}
static void *other_exits(void *unused UNUSED) { usleep(1000); _exit(3); }
static void exit_race(int sig) {
    core_limit(RLIM_INFINITY);
    pthread_t t;
    pthread_create(&t, NULL, other_exits, NULL);
    usleep(1000);
    die(sig);
}
SECTION(others) {
    run(in_vfork, SIGSEGV); show_core("vfork child"); unlink("core");
    // Whoever is first: the end is one of the two, whole.
    int good = 1;
    for (int i = 0; i < 20; i++) {
        run(exit_race, SIGABRT);
        good &= WIFEXITED(status) ? WEXITSTATUS(status) == 3 : WTERMSIG(status) == SIGABRT && WCOREDUMP(status);
        unlink("core");
    }
    IS(good);
}

