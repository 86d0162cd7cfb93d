//: static
// Many system call sites in code that the program makes itself: called by several threads at once, copied by fork,
// rewritten, moved and unmapped between calls.
#include "facts.h"
#include <pthread.h>
#include <sys/wait.h>

// mov eax, imm32; syscall; ret; padding: the commonest shape, and one without padding that a jump could use.
static const unsigned char roomy[16] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};
static const unsigned char tight[8] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
// push rbx; mov ebx, eax; mov eax, imm32; syscall; xchg ebx, eax; pop rbx; mov eax, eax … ret: rbx is kept.
static const unsigned char busy[16] = {0x53, 0x89, 0xc3, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x5b, 0xc3, 0x90, 0x90, 0x90, 0x90};

typedef long call(void);

static void lay(unsigned char *at, const unsigned char *shape, size_t len, unsigned nr) {
    memcpy(at, shape, len);
    memcpy(at + (shape == busy ? 4 : 1), &nr, 4);
}
#define COUNT 256
static unsigned char *make(unsigned nr) {
    unsigned char *code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < COUNT; i++) switch (i % 3) {
        case 0: lay(code + 16 * i, roomy, 16, nr); break;
        case 1: lay(code + 16 * i, tight, 8, nr); lay(code + 16 * i + 8, tight, 8, nr); break;
        case 2: lay(code + 16 * i, busy, 16, nr); break;
    }
    mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC);
    return code;
}
static int call_all(unsigned char *code, long want) {
    int bad = 0;
    for (int i = 0; i < COUNT; i++) bad += ((call *)(code + 16 * i))() != want;
    return bad;
}
SECTION(each_often) {
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 8; i++) N(call_all(code, getppid()));
}
static unsigned char *shared_code;
static volatile int go;
static void *racer(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    long want = getppid();
    int bad = 0;
    while (!go) ;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        bad += ((call *)(shared_code + 16 * (seed / 65536 % COUNT)))() != want;
    }
    return (void *)(uintptr_t)bad;
}
SECTION(threads_at_once) {
    for (int round = 0; round < 3; round++) {
        shared_code = make(SYS_getppid);
        go = 0;
        pthread_t t[4];
        for (uintptr_t i = 0; i < 4; i++) pthread_create(&t[i], NULL, racer, (void *)(i + 1));
        go = 1;
        for (int i = 0; i < 4; i++) {
            void *bad;
            pthread_join(t[i], &bad);
            IS(bad == NULL);
        }
    }
}
SECTION(rewritten) {
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 6; i++) call_all(code, getppid());
    // Made writable, the program finds what it wrote.
    mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE);
    unsigned char *fresh = make(SYS_getppid);
    IS(memcmp(code, fresh, 16 * COUNT) == 0);
    for (int i = 0; i < COUNT; i++) {
        unsigned nr = SYS_getuid;
        if (i % 3 != 1) memcpy(code + 16 * i + (i % 3 == 2 ? 4 : 1), &nr, 4);
    }
    mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC);
    int bad = 0;
    for (int r = 0; r < 8; r++)
        for (int i = 0; i < COUNT; i++) bad += ((call *)(code + 16 * i))() != (i % 3 != 1 ? (long)getuid() : getppid());
    N(bad);
}
SECTION(written_while_executable) {
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 6; i++) call_all(code, getppid());
    mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
    int bad = 0;
    for (int r = 0; r < 8; r++) {
        unsigned nr = r % 2 ? SYS_getuid : SYS_getppid;
        for (int i = 0; i < COUNT; i += 3) memcpy(code + 16 * i + 1, &nr, 4);
        for (int i = 0; i < COUNT; i += 3) bad += ((call *)(code + 16 * i))() != (r % 2 ? (long)getuid() : getppid());
    }
    N(bad);
}
SECTION(moved_and_unmapped) {
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 6; i++) call_all(code, getppid());
    unsigned char *place = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    T(mremap(code, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE) != place + PAGE);
    for (int i = 0; i < 6; i++) N(call_all(place + PAGE, getppid()));
    // The same addresses again, with other code.
    T(munmap(place + PAGE, 2 * PAGE));
    unsigned char *other = make(SYS_getuid);
    T(mremap(other, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + PAGE) != place + PAGE);
    for (int i = 0; i < 6; i++) N(call_all(place + PAGE, getuid()));
    // Half of it is replaced, and half of the rest unmapped.
    T(mmap(place + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != place + 2 * PAGE);
    int bad = 0;
    for (int r = 0; r < 6; r++) for (int i = 0; i < COUNT / 2; i++) bad += ((call *)(place + PAGE + 16 * i))() != getuid();
    N(bad);
}
SECTION(forked) {
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 6; i++) call_all(code, getppid());
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        int bad = 0;
        for (int i = 0; i < 6; i++) bad += call_all(code, parent);
        mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE);
        memset(code, 0xcc, 2 * PAGE);
        _exit(bad != 0);
    }
    int status;
    waitpid(child, &status, 0);
    N(status);
    for (int i = 0; i < 6; i++) N(call_all(code, getppid()));
}
SECTION(covered) {
    // A program that takes all the room around its code, by force, still makes its calls.
    unsigned char *code = make(SYS_getppid);
    for (int i = 0; i < 6; i++) call_all(code, getppid());
    // Every free address within 2 GiB: hints first, then whatever hides there is mapped over.
    int bad = 0;
    for (long step = 1; step < 32; step++) {
        unsigned char *at = code - step * (64l << 20);
        void *got = mmap(at, 64l << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (got != MAP_FAILED) bad += got != at;
    }
    N(bad);
    for (int i = 0; i < 6; i++) N(call_all(code, getppid()));
}
SECTION(thousands) {
    size_t len = 4ul << 20;
    unsigned char *code = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t at = 0; at < len; at += 512) lay(code + at, roomy, 16, SYS_getppid);
    mprotect(code, len, PROT_READ | PROT_EXEC);
    int bad = 0;
    for (int r = 0; r < 6; r++) for (size_t at = 0; at < len; at += 512) bad += ((call *)(code + at))() != getppid();
    N(bad);
}
