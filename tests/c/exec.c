//: musl
// execve(2) of oneself and of others, without a new process; what survives it.
#include "facts.h"
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

extern char **environ;
static char self[4096];
static void find_self(void) { ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1); self[n < 0 ? 0 : n] = 0; }
// Runs the section "after_exec" of this program in place of it.
static void again(char *const envp[]) { char *av[] = {"renamed-argv0", "after_exec", NULL}; find_self(); T(execve(self, av, envp)); }

SECTION(after_exec) {
    // Also run by itself: then these are the facts of a fresh start.
    extern char *program_invocation_name;
    printf("argv0 %s\n", strrchr(program_invocation_name, '/') ? "a path" : program_invocation_name);
    for (char **e = environ; *e; e++) if (strncmp(*e, "HOME=", 5)) printf("env %s\n", *e);
    for (int i = 0; i < 40; i++) if (fcntl(i, F_GETFD) >= 0) printf("fd %d offset %ld\n", i, i > 2 ? (long)lseek(i, 0, SEEK_CUR) : 0l);
    sigset_t s, p;
    sigprocmask(0, NULL, &s);
    sigpending(&p);
    for (int i = 1; i < 65; i++) {
        struct sigaction a;
        if (sigismember(&s, i) == 1) printf("blocked %d\n", i);
        if (sigismember(&p, i) == 1) printf("pending %d\n", i);
        if (i != 32 && i != 33 && i != 34 && !sigaction(i, NULL, &a) && a.sa_handler != SIG_DFL) printf("action %d %s\n", i, a.sa_handler == SIG_IGN ? "ignored" : "handler");
    }
    stack_t k;
    sigaltstack(NULL, &k);
    N(k.ss_flags);
    N(getpriority(0, 0));
    struct itimerval it;
    getitimer(ITIMER_REAL, &it);
    N(it.it_value.tv_sec > 0);
    umask(umask(0));
    X(umask(0));
    char name[16], b[4096], c[4096];
    prctl(PR_GET_NAME, name);
    puts(strlen(name) ? "named" : "nameless");
    char *fn = (char *)getauxval(AT_EXECFN);
    puts(fn && strrchr(fn, '/') ? "execfn path" : "execfn name");
    ssize_t n = readlink("/proc/self/cwd", b, sizeof b - 1);
    b[n] = 0;
    IS(!strcmp(b, getcwd(c, sizeof c)));
    struct { unsigned long cur, max; } l;
    S(prlimit64, 0, 7, NULL, &l);
    N(l.cur);
    IS(getenv("FRESH") == NULL || !strcmp(getenv("FRESH"), "yes"));
}
SECTION(plain) { char *ev[] = {"FRESH=yes", "SECOND=", "NO_EQUALS", NULL}; again(ev); }
SECTION(null_environment) { again(NULL); }
static void on(int s) { (void)s; }
SECTION(state) {
    put("f", "0123456789");
    int a = open("f", O_RDONLY), b = open("f", O_RDONLY | O_CLOEXEC), c = dup2(a, 20);
    (void)b; (void)c;
    lseek(a, 4, SEEK_SET);
    S(memfd_create, "gone", 1);
    int p[2];
    pipe2(p, O_CLOEXEC);
    signal(SIGUSR1, on);
    signal(SIGUSR2, SIG_IGN);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGHUP);
    sigaddset(&s, SIGTERM);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGTERM);
    static char alt[1 << 16];
    stack_t k = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&k, NULL);
    alarm(100);
    umask(037);
    struct { unsigned long cur, max; } l = {333, 333};
    S(prlimit64, 0, 7, &l, NULL);
    setpriority(0, 0, 3);
    mkdir("d", 0700);
    again((char *[]){"A=b", NULL});
}
SECTION(timers_end) {
    struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    int id;
    MUST(S(timer_create, CLOCK_MONOTONIC, &ev, &id));
    struct itimerspec it = {{0, 0}, {0, 200000000}};
    MUST(S(timer_settime, id, 0, &it, NULL));
    char *av[] = {"sleep", "0.4", NULL};
    T(execve("/bin/sleep", av, NULL));
}
SECTION(errors) {
    char *av[] = {"x", NULL};
    put("text", "not a program");
    put("empty", "");
    put("magic", "\177ELF");
    put("script", "#!/nowhere/interpreter\n");
    put("noname", "#!\n");
    put("spaces", "#!   \n");
    put("dirscript", "#!/tmp\n");
    put("plain", "#!/bin/true\n");
    put("loop1", "#!./loop1\n");
    put("notexec", "\177ELF");
    MUST(mkdir("dir", 0755));
    MUST(symlink("self", "self"));
    const char *all[] = {"text", "empty", "magic", "script", "noname", "spaces", "dirscript", "loop1", NULL};
    for (int i = 0; all[i]; i++) MUST(chmod(all[i], 0755));
    MUST(chmod("plain", 0644));
    MUST(chmod("notexec", 0644));
    const char *names[] = {"missing", "", "dir", "text", "empty", "magic", "script", "noname", "spaces", "dirscript", "loop1", "plain", "notexec", "self", "text/x", "dir/", "/dev/null", NULL};
    for (int i = 0; names[i]; i++) { printf("%s: ", names[i]); T(execve(names[i], av, environ)); }
    T(execve(NULL, av, environ));
    T(S(execveat, AT_FDCWD, "", av, environ, 0));
    T(S(execveat, 999, "x", av, environ, 0));
    T(S(execveat, AT_FDCWD, "self", av, environ, AT_SYMLINK_NOFOLLOW));
    T(S(execveat, AT_FDCWD, "text", av, environ, 1));
    int fd = open("text", O_RDONLY);
    T(S(execveat, fd, "", av, environ, AT_EMPTY_PATH));
    T(S(execveat, fd, "x", av, environ, 0));
    static char name[300];
    memset(name, 'n', 299);
    T(execve(name, av, environ));
}
SECTION(busy) {
    // A program that is being written cannot be run, one that runs cannot be written.
    find_self();
    int in = open(self, O_RDONLY), out = open("copy", O_WRONLY | O_CREAT, 0755);
    char b[65536];
    ssize_t n;
    while ((n = read(in, b, sizeof b)) > 0) MUST(write(out, b, n));
    char *av[] = {"copy", "exit_seven", NULL};
    T(execve("./copy", av, NULL));
    close(out);
    T(execve("./copy", av, NULL));
}
SECTION(exit_seven) { puts("seven"); fflush(stdout); _exit(7); }
SECTION(too_long) {
    // One string may have 32 pages, all of them together a quarter of the stack limit.
    size_t one = 32 * PAGE;
    char *s = malloc(one + 2);
    memset(s, 'a', one + 1);
    s[one - 1] = 0;
    char *av[] = {"x", s, NULL};
    find_self();
    s[one - 1] = 'a';
    s[one] = 0;
    T(execve(self, av, NULL));
    char *ev[] = {s, NULL};
    T(execve(self, (char *[]){"x", "exit_seven", NULL}, ev));
    s[1000] = 0;
    size_t n = 3000;
    char **many = malloc((n + 1) * sizeof *many);
    for (size_t i = 0; i < n; i++) many[i] = s;
    many[n] = NULL;
    many[1] = "exit_seven";
    s[1000] = 0;
    T(execve(self, many, NULL));
}
SECTION(long_but_fine) {
    size_t n = 1500;
    static char s[1001];
    memset(s, 'a', 1000);
    char **many = malloc((n + 1) * sizeof *many);
    for (size_t i = 0; i < n; i++) many[i] = s;
    many[0] = "x";
    many[1] = "count_arguments";
    many[n] = NULL;
    find_self();
    T(execve(self, many, NULL));
}
SECTION(count_arguments) {
    int fd = open("/proc/self/cmdline", O_RDONLY), args = 0;
    char b[65536];
    ssize_t n, total = 0;
    while ((n = read(fd, b, sizeof b)) > 0) { total += n; for (ssize_t i = 0; i < n; i++) args += b[i] == 0; }
    printf("%d arguments, %zd bytes\n", args, total);
}
SECTION(million_arguments) {
    size_t n = 1 << 20;
    char **many = malloc((n + 1) * sizeof *many);
    for (size_t i = 0; i < n; i++) many[i] = "";
    many[n] = NULL;
    find_self();
    T(execve(self, many, NULL));
}
SECTION(no_arguments) {
    // Linux gives such a program one empty argument.
    char *none[] = {NULL};
    T(execve("/bin/echo", none, environ));
}
SECTION(null_arguments) { T(execve("/bin/echo", NULL, environ)); }
SECTION(by_descriptor) {
    find_self();
    int fd = open(self, O_PATH | O_CLOEXEC);
    char *av[] = {"fd", "exit_seven", NULL};
    T(S(execveat, fd, "", av, environ, AT_EMPTY_PATH));
}
SECTION(script) {
    put("s", "#!/bin/echo one argument  \nrest\n");
    MUST(chmod("s", 0755));
    T(execve("./s", (char *[]){"ignored", "x", "y", NULL}, environ));
}
SECTION(script_of_script) {
    put("a", "#!./b inner\n");
    put("b", "#!/bin/echo outer\n");
    MUST(chmod("a", 0755));
    MUST(chmod("b", 0755));
    T(execve("a", (char *[]){"ignored", "x", NULL}, environ));
}
SECTION(script_through_descriptor) {
    put("s", "#!/bin/echo via\n");
    MUST(chmod("s", 0755));
    int fd = open("s", O_RDONLY);
    T(S(execveat, fd, "", ((char *[]){"ignored", "x", NULL}), environ, AT_EMPTY_PATH));
}
SECTION(overlay_program) {
    // A program that exists only because this one wrote it.
    find_self();
    int in = open(self, O_RDONLY), out = open("fresh", O_WRONLY | O_CREAT, 0755);
    char b[65536];
    ssize_t n;
    while ((n = read(in, b, sizeof b)) > 0) MUST(write(out, b, n));
    close(in);
    close(out);
    T(execve("./fresh", (char *[]){"fresh", "exit_seven", NULL}, environ));
}
