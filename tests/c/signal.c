//: musl static
// sigaction(2), sigprocmask(2), sigpending(2), sigsuspend(2), sigtimedwait(2), kill(2), sigaltstack(2): to oneself.
#include "facts.h"
#include <setjmp.h>
#include <ucontext.h>

static volatile int hits, depth, deepest, last;
static char log_[256];
static void note(const char *s) { strcat(log_, s); }
static void flush_log(void) { printf("log:%s\n", log_); log_[0] = 0; }
static void plain(int s) { char b[16]; snprintf(b, sizeof b, " %d", s); note(b); hits++; last = s; }
static void on(int sig, void (*f)(int), int flags, int masked) {
    struct sigaction a = {.sa_handler = f, .sa_flags = flags};
    sigemptyset(&a.sa_mask);
    if (masked) sigaddset(&a.sa_mask, masked);
    MUST(sigaction(sig, &a, NULL));
}
static void show_mask(const char *what) {
    sigset_t s;
    MUST(sigprocmask(SIG_SETMASK, NULL, &s));
    printf("%s:", what);
    for (int i = 1; i < 65; i++) if (sigismember(&s, i) == 1) printf(" %d", i);
    puts("");
}
static sigset_t set_of(int a, int b) { sigset_t s; sigemptyset(&s); if (a) sigaddset(&s, a); if (b) sigaddset(&s, b); return s; }
struct ksa { void *handler; unsigned long flags; void *restorer; uint64_t mask; };

SECTION(action) {
    struct sigaction a, old;
    T(sigaction(SIGUSR1, NULL, &old));
    IS(old.sa_handler == SIG_DFL);
    on(SIGUSR1, plain, SA_RESTART | SA_NODEFER, SIGUSR2);
    T(sigaction(SIGUSR1, NULL, &old));
    IS(old.sa_handler == plain);
    X(old.sa_flags & ~0x04000000);
    N(sigismember(&old.sa_mask, SIGUSR2));
    N(sigismember(&old.sa_mask, SIGUSR1));
    memset(&a, 0, sizeof a);
    a.sa_handler = plain;
    T(sigaction(SIGKILL, &a, NULL));
    T(sigaction(SIGSTOP, &a, NULL));
    T(sigaction(SIGKILL, NULL, &old));
    T(sigaction(0, &a, NULL));
    T(sigaction(65, &a, NULL));
    T(sigaction(-1, &a, NULL));
    T(sigaction(64, &a, NULL));
    T(S(rt_sigaction, SIGUSR1, NULL, NULL, 4));
    T(S(rt_sigaction, SIGUSR1, NULL, NULL, 16));
    T(S(rt_sigaction, SIGUSR1, hole(), NULL, 8));
    T(S(rt_sigaction, SIGUSR1, NULL, hole(), 8));
    struct ksa k = {SIG_IGN, 0, NULL, ~0ull}, o;
    T(S(rt_sigaction, SIGUSR2, &k, NULL, 8));
    T(S(rt_sigaction, SIGUSR2, NULL, &o, 8));
    // SIGKILL and SIGSTOP cannot be masked.
    X(o.mask);
    k.flags = 0xffffffff;
    T(S(rt_sigaction, SIGUSR2, &k, NULL, 8));
    T(S(rt_sigaction, SIGUSR2, NULL, &o, 8));
    X(o.flags);
}
SECTION(delivery) {
    on(SIGUSR1, plain, 0, 0);
    on(SIGUSR2, plain, 0, 0);
    on(SIGRTMIN + 3, plain, 0, 0);
    T(raise(SIGUSR1));
    flush_log();
    T(kill(getpid(), SIGUSR2));
    flush_log();
    T(S(tgkill, getpid(), self_tid(), SIGUSR1));
    T(S(tkill, self_tid(), SIGUSR2));
    flush_log();
    T(kill(0, 0));
    T(kill(getpid(), 0));
    T(kill(getpid(), 65));
    T(kill(getpid(), -1));
    T(kill(0x3ffffff, 0));
    T(kill(0x3ffffff, SIGUSR1));
    T(kill(INT_MIN, SIGUSR1));
    T(S(tgkill, getpid(), 0, SIGUSR1));
    T(S(tgkill, -1, self_tid(), SIGUSR1));
    T(S(tgkill, getpid(), self_tid(), 0));
    T(S(tkill, 0, SIGUSR1));
    T(S(tkill, -5, SIGUSR1));
    T(S(tgkill, getpid(), self_tid(), 65));
    flush_log();
    T(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    T(raise(SIGUSR1));
    flush_log();
    // A signal whose default is to be ignored.
    T(raise(SIGCHLD));
    T(raise(SIGURG));
    T(raise(SIGWINCH));
    T(raise(SIGCONT));
    flush_log();
}
SECTION(masks) {
    on(SIGUSR1, plain, 0, 0);
    on(SIGUSR2, plain, 0, 0);
    sigset_t s = set_of(SIGUSR1, SIGUSR2), o, p;
    T(sigprocmask(SIG_BLOCK, &s, &o));
    show_mask("blocked");
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1);
    flush_log();
    T(sigpending(&p));
    printf("pending %d %d %d\n", sigismember(&p, SIGUSR1), sigismember(&p, SIGUSR2), sigismember(&p, SIGHUP));
    s = set_of(SIGUSR1, 0);
    T(sigprocmask(SIG_UNBLOCK, &s, NULL));
    flush_log();
    T(sigprocmask(SIG_SETMASK, &o, NULL));
    flush_log();
    // Both at once: the lower number first, so the higher one's handler runs first on the stack of frames.
    s = set_of(SIGUSR1, SIGUSR2);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR2);
    raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    flush_log();
    sigfillset(&s);
    T(sigprocmask(SIG_SETMASK, &s, NULL));
    show_mask("full");
    uint64_t all = ~0ull, got;
    T(S(rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
    T(S(rt_sigprocmask, SIG_SETMASK, NULL, &got, 8));
    X(got);
    all = 0;
    T(S(rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
    T(S(rt_sigprocmask, 99, &all, NULL, 8));
    T(S(rt_sigprocmask, 99, NULL, &got, 8));
    T(S(rt_sigprocmask, SIG_BLOCK, &all, NULL, 4));
    T(S(rt_sigprocmask, SIG_BLOCK, hole(), NULL, 8));
    T(S(rt_sigprocmask, SIG_BLOCK, NULL, hole(), 8));
    T(S(rt_sigpending, &got, 16));
    T(S(rt_sigpending, &got, 4));
    T(S(rt_sigpending, hole(), 8));
    // Ignored while blocked: dropped when it becomes ignored.
    s = set_of(SIGUSR1, 0);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&p);
    N(sigismember(&p, SIGUSR1));
    signal(SIGUSR1, plain);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    flush_log();
}
SECTION(realtime_order) {
    sigset_t s;
    sigemptyset(&s);
    for (int i = SIGRTMIN; i < SIGRTMIN + 4; i++) { on(i, plain, 0, 0); sigaddset(&s, i); }
    sigprocmask(SIG_BLOCK, &s, NULL);
    siginfo_t info;
    int order[] = {2, 0, 3, 1, 0, 2, 0};
    for (int i = 0; i < 7; i++) { union sigval v = {.sival_int = i}; MUST(sigqueue(getpid(), SIGRTMIN + order[i], v)); }
    raise(SIGRTMIN + 1);
    struct timespec t = {0, 0};
    int r;
    while ((r = sigtimedwait(&s, &info, &t)) > 0) printf("rt+%d code %d value %d\n", r - SIGRTMIN, info.si_code, info.si_value.sival_int);
    printf("%s\n", ename(errno));
}
static void informed(int sig, siginfo_t *i, void *u) {
    ucontext_t *c = u;
    char b[200];
    snprintf(b, sizeof b, " [%d signo %d errno %d code %d pid %d uid %d value %x flags %lx link %d]", sig, i->si_signo, i->si_errno, i->si_code, i->si_pid == getpid(), i->si_uid == getuid(),
        i->si_code == SI_QUEUE ? i->si_value.sival_int : 0, c->uc_flags & ~0xful, c->uc_link != NULL);
    note(b);
}
static void on_info(int sig, int flags) { struct sigaction a = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO | flags}; MUST(sigaction(sig, &a, NULL)); }
SECTION(information) {
    on_info(SIGUSR1, 0);
    on_info(SIGRTMIN, 0);
    raise(SIGUSR1);
    flush_log();
    kill(getpid(), SIGUSR1);
    flush_log();
    union sigval v = {.sival_int = 0x1234};
    sigqueue(getpid(), SIGUSR1, v);
    sigqueue(getpid(), SIGRTMIN, v);
    flush_log();
    siginfo_t i = {.si_code = SI_QUEUE};
    i.si_pid = getpid();
    i.si_uid = getuid();
    i.si_value.sival_int = 0x77;
    T(S(rt_sigqueueinfo, getpid(), SIGUSR1, &i));
    flush_log();
    i.si_code = -60;
    T(S(rt_tgsigqueueinfo, getpid(), self_tid(), SIGUSR1, &i));
    flush_log();
    T(S(rt_sigqueueinfo, getpid(), 65, &i));
    T(S(rt_sigqueueinfo, getpid(), SIGUSR1, hole()));
    T(S(rt_sigqueueinfo, 0x3ffffff, SIGUSR1, &i));
}
static void nest(int s) {
    (void)s;
    depth++;
    if (depth > deepest) deepest = depth;
    if (++hits < 4) raise(s);
    depth--;
}
SECTION(nodefer_and_reset) {
    on(SIGUSR1, nest, 0, 0);
    raise(SIGUSR1);
    printf("hits %d deepest %d\n", hits, deepest);
    hits = deepest = 0;
    on(SIGUSR1, nest, SA_NODEFER, 0);
    raise(SIGUSR1);
    printf("nodefer: hits %d deepest %d\n", hits, deepest);
    on(SIGUSR2, plain, SA_RESETHAND, 0);
    raise(SIGUSR2);
    flush_log();
    struct sigaction a;
    sigaction(SIGUSR2, NULL, &a);
    IS(a.sa_handler == SIG_DFL);
    X(a.sa_flags & ~0x04000000);
}
static void mask_inside(int s) { (void)s; show_mask("inside"); }
static void mask_changes(int s) { (void)s; sigset_t m = set_of(SIGHUP, 0); sigprocmask(SIG_BLOCK, &m, NULL); show_mask("changed"); }
static void mask_persists(int s, siginfo_t *i, void *u) { (void)s; (void)i; sigaddset(&((ucontext_t *)u)->uc_sigmask, SIGTERM); }
SECTION(handler_mask) {
    on(SIGUSR1, mask_inside, 0, SIGUSR2);
    raise(SIGUSR1);
    show_mask("after");
    on(SIGUSR1, mask_inside, SA_NODEFER, SIGUSR2);
    raise(SIGUSR1);
    on(SIGUSR1, mask_changes, 0, 0);
    raise(SIGUSR1);
    show_mask("restored");
    struct sigaction a = {.sa_sigaction = mask_persists, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    raise(SIGUSR1);
    show_mask("edited in the frame");
}
static char alt[1 << 16], *where;
static void on_stack(int s) {
    char here;
    (void)s;
    where = &here;
    stack_t k;
    sigaltstack(NULL, &k);
    printf("inside: on alt %d flags %d\n", &here >= alt && &here < alt + sizeof alt, k.ss_flags);
    errno = 0;
    k.ss_flags = 0;
    int r = sigaltstack(&k, NULL);
    printf("change inside: %d %s\n", r, ename(errno));
    if (hits++ == 0) raise(SIGUSR1);
}
SECTION(alternate_stack) {
    stack_t k, o;
    T(sigaltstack(NULL, &o));
    printf("%d %d %d\n", o.ss_sp == NULL, o.ss_flags, (int)o.ss_size);
    k = (stack_t){.ss_sp = alt, .ss_size = 100};
    T(sigaltstack(&k, NULL));
    k = (stack_t){.ss_sp = alt, .ss_size = sizeof alt, .ss_flags = 77};
    T(sigaltstack(&k, NULL));
    k.ss_flags = SS_ONSTACK;
    T(sigaltstack(&k, NULL));
    k.ss_flags = 0;
    T(sigaltstack(&k, NULL));
    T(sigaltstack(NULL, &o));
    printf("%d %d %d\n", o.ss_sp == alt, o.ss_flags, (int)o.ss_size);
    on(SIGUSR1, on_stack, SA_ONSTACK | SA_NODEFER, 0);
    raise(SIGUSR1);
    IS(where >= alt && where < alt + sizeof alt);
    hits = 1;
    on(SIGUSR1, on_stack, 0, 0);
    raise(SIGUSR1);
    k.ss_flags = SS_DISABLE;
    T(sigaltstack(&k, &o));
    N(o.ss_flags);
    on(SIGUSR1, on_stack, SA_ONSTACK, 0);
    raise(SIGUSR1);
    k.ss_flags = (int)(1u << 31);
    T(sigaltstack(&k, NULL));
    T(sigaltstack(NULL, &o));
    X(o.ss_flags);
    T(S(sigaltstack, hole(), NULL));
    T(S(sigaltstack, NULL, hole()));
}
SECTION(suspend) {
    on(SIGUSR1, plain, 0, 0);
    on(SIGUSR2, plain, 0, 0);
    sigset_t block = set_of(SIGUSR1, SIGUSR2), wait = set_of(SIGUSR2, 0);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    T(sigsuspend(&wait));
    flush_log();
    show_mask("after");
    raise(SIGUSR1);
    raise(SIGUSR2);
    T(sigsuspend(&wait));
    flush_log();
    wait = set_of(0, 0);
    T(sigsuspend(&wait));
    flush_log();
    T(S(rt_sigsuspend, &wait, 4));
    T(S(rt_sigsuspend, hole(), 8));
    on(SIGALRM, plain, SA_RESTART, 0);
    struct itimerval it = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &it, NULL);
    T(sigsuspend(&wait));
    setitimer(ITIMER_REAL, &it, NULL);
    T(pause());
    flush_log();
}
SECTION(timedwait) {
    on(SIGUSR1, plain, 0, 0);
    on(SIGUSR2, plain, 0, 0);
    sigset_t s = set_of(SIGUSR1, 0);
    sigprocmask(SIG_BLOCK, &s, NULL);
    siginfo_t i;
    struct timespec t = {0, 0};
    T(sigtimedwait(&s, &i, &t));
    raise(SIGUSR1);
    T(sigtimedwait(&s, &i, &t));
    printf("signo %d code %d\n", i.si_signo, i.si_code);
    raise(SIGUSR1);
    int got;
    T(sigwait(&s, &got));
    N(got);
    raise(SIGUSR1);
    T(sigwaitinfo(&s, NULL));
    t = (struct timespec){0, 10000000};
    T(sigtimedwait(&s, &i, &t));
    t.tv_nsec = 1000000000;
    T(sigtimedwait(&s, &i, &t));
    t = (struct timespec){-1, 0};
    T(sigtimedwait(&s, &i, &t));
    T(S(rt_sigtimedwait, &s, &i, NULL, 4));
    T(S(rt_sigtimedwait, hole(), &i, NULL, 8));
    T(S(rt_sigtimedwait, &s, &i, hole(), 8));
    on(SIGALRM, plain, 0, 0);
    struct itimerval it = {{0, 0}, {0, 10000}};
    setitimer(ITIMER_REAL, &it, NULL);
    T(S(rt_sigtimedwait, &s, &i, NULL, 8));
    flush_log();
    // It also takes a signal whose action is to be ignored, when blocked.
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    t = (struct timespec){0, 0};
    T(sigtimedwait(&s, &i, &t));
}
static sigjmp_buf env;
static void jumps(int s) { siglongjmp(env, s); }
SECTION(longjmp_out) {
    on(SIGUSR1, jumps, 0, 0);
    for (volatile int i = 0; i < 3; i++) {
        int r = sigsetjmp(env, 1);
        if (r == 0) raise(SIGUSR1); else printf("jumped with %d\n", r);
        show_mask("mask");
    }
    on(SIGSEGV, jumps, 0, 0);
    if (sigsetjmp(env, 1) == 0) *(volatile char *)hole() = 1; else puts("fault jumped");
    on(SIGUSR1, jumps, SA_ONSTACK, 0);
    stack_t k = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&k, NULL);
    for (volatile int i = 0; i < 3; i++) if (sigsetjmp(env, 1) == 0) raise(SIGUSR1); else puts("from the alternate stack");
    sigaltstack(NULL, &k);
    N(k.ss_flags);
}
SECTION(no_restorer) {
    // Without SA_RESTORER the kernel has nowhere to return to and kills the program.
    struct ksa k = {plain, 0, NULL, 0};
    T(S(rt_sigaction, SIGUSR1, &k, NULL, 8));
    raise(SIGUSR1);
    puts("not reached");
}
SECTION(many_pending) {
    struct { unsigned long cur, max; } l = {5, 5}, old;
    sigset_t s = set_of(SIGRTMIN, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    MUST(S(prlimit64, 0, 11 /* RLIMIT_SIGPENDING */, NULL, &old));
    IS(old.cur > 100);
    (void)l;
    union sigval v = {.sival_int = 1};
    for (int i = 0; i < 100; i++) MUST(sigqueue(getpid(), SIGRTMIN, v));
    int n = 0;
    struct timespec t = {0, 0};
    while (sigtimedwait(&s, NULL, &t) > 0) n++;
    N(n);
}
