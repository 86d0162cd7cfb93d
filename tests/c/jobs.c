// Job control: sessions, controlling terminals, foreground groups, SIGTTIN and SIGTTOU, orphans, hang-ups.
#include "facts.h"
#include "tty.h"
#include <sys/wait.h>

// What the child says comes through a pipe: its terminal is the subject.
static int say_pipe[2];
static UNUSED void say(const char *text) { MUST(write(say_pipe[1], text, strlen(text))); }
static void hear(void) {
    char b[4096];
    for (;;) {
        struct pollfd p = {say_pipe[0], POLLIN, 0};
        if (poll(&p, 1, 100) <= 0) break;
        ssize_t n = read(say_pipe[0], b, sizeof b);
        if (n <= 0) break;
        fwrite(b, 1, n, stdout);
    }
}
// A session leader with the slave as controlling terminal; its standard output is the pipe.
static pid_t session(void (*run)(void)) {
    open_pair();
    MUST(pipe(say_pipe));
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        dup2(say_pipe[1], 1);
        close(master);
        MUST(setsid());
        MUST(ioctl(slave, TIOCSCTTY, 0));
        run();
        fflush(stdout);
        _exit(0);
    }
    return p;
}
static void status(const char *who, int s) {
    if (WIFEXITED(s)) printf("%s exited %d\n", who, WEXITSTATUS(s));
    else if (WIFSIGNALED(s)) printf("%s killed %d\n", who, WTERMSIG(s));
    else if (WIFSTOPPED(s)) printf("%s stopped %d\n", who, WSTOPSIG(s));
    else if (WIFCONTINUED(s)) printf("%s continued\n", who);
}
static void finish(pid_t p) {
    int s;
    MUST(waitpid(p, &s, 0));
    hear();
    status("session", s);
    close_pair();
    close(say_pipe[0]); close(say_pipe[1]);
}
static void who(int fd) {
    pid_t me = getpid();
    pid_t fg = tcgetpgrp(fd), sid = tcgetsid(fd);
    printf("foreground %s, session %s\n", fg == me ? "me" : fg < 0 ? ename(errno) : "other", sid == me ? "me" : sid < 0 ? ename(errno) : "other");
}
static void acquiring(void) {
    who(slave);
    T(ioctl(slave, TIOCSCTTY, 0));
    int t = OK(open("/dev/tty", O_RDWR));
    who(t);
    struct stat st;
    T(fstat(t, &st));
    X(st.st_rdev);
    IS(!strncmp(ttyname(t), "/dev/tty", 8));
    T(write(t, "x", 1));
    T(ioctl(t, TIOCNOTTY));
    who(slave);
    T(open("/dev/tty", O_RDWR));
    T(ioctl(slave, TIOCNOTTY));
    // By opening, unless told not to.
    char *name = ttyname(slave);
    int f = OK(open(name, O_RDWR | O_NOCTTY));
    who(f);
    f = OK(open(name, O_WRONLY));
    who(f);
    f = OK(open(name, O_RDWR));
    who(f);
    T(setsid());
}
SECTION(controlling_terminal) {
    pid_t p = session(acquiring);
    sleep_ms(50);
    // From outside the session.
    T(tcgetpgrp(slave));
    T(tcgetsid(slave));
    T(tcsetpgrp(slave, getpid()));
    finish(p);
}
SECTION(without) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        MUST(setsid());
        T(open("/dev/tty", O_RDWR));
        open_pair();
        who(slave);
        who(master);
        T(ioctl(slave, TIOCSCTTY, 0));
        who(master);
        int m = master, s = slave;
        open_pair();
        T(ioctl(slave, TIOCSCTTY, 0));
        T(ioctl(m, TIOCSPGRP, &p));
        T(ioctl(s, TIOCSPGRP, hole()));
        T(tcsetpgrp(s, 99999));
        T(tcsetpgrp(s, -1));
        T(tcsetpgrp(s, getppid()));
        if (fork() == 0) {
            T(ioctl(slave, TIOCSCTTY, 0));
            T(ioctl(s, TIOCSCTTY, 0));
            T(setsid() < 0);
            T(ioctl(s, TIOCSCTTY, 0));
            T(open("/dev/tty", O_RDWR));
            fflush(stdout);
            _exit(0);
        }
        wait(NULL);
        fflush(stdout);
        _exit(0);
    }
    waitpid(p, NULL, 0);
}
static volatile int caught;
static void on(int s) { caught = s; }
// A child in a group of its own, in the background. Says how its use of the terminal ended.
static void background(const char *what, long (*use)(void), void (*prepare)(void)) {
    int s;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        setpgid(0, 0);
        if (prepare) prepare();
        errno = 0;
        long r = use();
        printf("%s: %s\n", what, r < 0 ? ename(errno) : "ok");
        if (caught) printf("%s: caught %d\n", what, caught);
        fflush(stdout);
        _exit(0);
    }
    setpgid(p, p);
    for (;;) {
        MUST(waitpid(p, &s, WUNTRACED));
        status(what, s);
        if (!WIFSTOPPED(s)) break;
        tcsetpgrp(slave, p);
        kill(p, SIGCONT);
    }
    signal(SIGTTOU, SIG_IGN);
    T(tcsetpgrp(slave, getpid()));
    signal(SIGTTOU, SIG_DFL);
}
static long use_read(void) { char b[10]; return read(slave, b, 10); }
static long use_write(void) { return write(slave, "x", 1); }
static long use_setattr(void) { struct termios t; tcgetattr(slave, &t); return tcsetattr(slave, TCSANOW, &t); }
static long use_pgrp(void) { return tcsetpgrp(slave, getpid()); }
static long use_flush(void) { return tcflush(slave, TCOFLUSH); }
static void ignore(void) { signal(SIGTTIN, SIG_IGN); signal(SIGTTOU, SIG_IGN); }
static void block(void) { sigset_t s; sigfillset(&s); sigprocmask(SIG_BLOCK, &s, NULL); }
static void catch(void) { struct sigaction a = {.sa_handler = on}; sigaction(SIGTTIN, &a, NULL); sigaction(SIGTTOU, &a, NULL); }
static void in_background(void) {
    background("read", use_read, NULL);
    background("read, ignored", use_read, ignore);
    background("read, blocked", use_read, block);
    background("read, caught", use_read, catch);
    background("write", use_write, NULL);
    change(0, 0, 0, 0, TOSTOP, 0);
    background("write, tostop", use_write, NULL);
    background("write, tostop, ignored", use_write, ignore);
    background("write, tostop, caught", use_write, catch);
    background("tcsetattr", use_setattr, NULL);
    background("tcsetattr, ignored", use_setattr, ignore);
    background("tcsetattr, blocked", use_setattr, block);
    background("tcsetattr, caught", use_setattr, catch);
    background("tcsetpgrp", use_pgrp, NULL);
    background("tcsetpgrp, ignored", use_pgrp, ignore);
    background("tcflush", use_flush, NULL);
}
SECTION(background_use) {
    pid_t p = session(in_background);
    MUST(write(master, "1\n2\n3\n", 6));
    finish(p);
}
// The group's only link to its session ends: it is an orphan.
static void orphans(void) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        setpgid(0, 0);
        if (fork() == 0) {
            sleep_ms(100);
            T(use_read());
            T(use_write());
            T(use_setattr());
            T(use_pgrp());
            raise(SIGTSTP);
            raise(SIGTTIN);
            puts("still here");
            fflush(stdout);
            _exit(0);
        }
        _exit(0);
    }
    waitpid(p, NULL, 0);
    sleep_ms(250);
}
SECTION(orphaned_group) { finish(session(orphans)); }
static void hup(int s) { const char *t = s == SIGHUP ? "child: SIGHUP\n" : "child: SIGCONT\n"; write(1, t, strlen(t)); }
static void loses_its_parent(void) {
    int ready[2];
    MUST(pipe(ready));
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        setpgid(0, 0);
        if (fork() == 0) {
            struct sigaction a = {.sa_handler = hup};
            sigfillset(&a.sa_mask);
            sigaction(SIGHUP, &a, NULL);
            sigaction(SIGCONT, &a, NULL);
            write(ready[1], "", 1);
            raise(SIGSTOP);
            puts("child: goes on");
            fflush(stdout);
            _exit(0);
        }
        char c;
        read(ready[0], &c, 1);
        sleep_ms(60);
        _exit(0);
    }
    waitpid(p, NULL, 0);
    sleep_ms(150);
}
SECTION(stopped_orphans) { finish(session(loses_its_parent)); }
static void child_with_handlers(int own_group) {
    int ready[2];
    MUST(pipe(ready));
    fflush(stdout);
    if (fork() == 0) {
        if (own_group) { setpgid(0, 0); signal(SIGTTOU, SIG_IGN); tcsetpgrp(slave, getpid()); }
        struct sigaction a = {.sa_handler = hup};
        sigfillset(&a.sa_mask);
        sigaction(SIGHUP, &a, NULL);
        sigaction(SIGCONT, &a, NULL);
        write(ready[1], "", 1);
        sleep_ms(300);
        sleep_ms(100);
        char b[4];
        T(open("/dev/tty", O_RDWR));
        T(read(slave, b, 4));
        fflush(stdout);
        _exit(0);
    }
    char c;
    read(ready[0], &c, 1);
}
static void leader_ends(void) { child_with_handlers(1); }
SECTION(leader_exits) {
    pid_t p = session(leader_ends);
    sleep_ms(600);
    finish(p);
}
static void gives_up(void) {
    signal(SIGHUP, SIG_IGN);
    child_with_handlers(1);
    MUST(ioctl(slave, TIOCNOTTY));
    sleep_ms(600);
}
SECTION(leader_gives_up) { finish(session(gives_up)); }
static void waits_for_hang_up(void) {
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGHUP, &a, NULL);
    child_with_handlers(1);
    pause();
    printf("leader: caught %d\n", caught);
    who(slave);
    T(open("/dev/tty", O_RDWR));
    printf("leader ends\n");
    fflush(stdout);
}
SECTION(master_closes) {
    pid_t p = session(waits_for_hang_up);
    sleep_ms(100);
    close(master);
    sleep_ms(600);
    finish(p);
}
// One byte for each step of the child: the other side waits for it.
static int steps[2];
static void step(void) { MUST(write(steps[1], "", 1)); }
static void await(void) { char c; MUST(read(steps[0], &c, 1)); }
static void catch_all(void) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGINT, on); signal(SIGQUIT, on); signal(SIGWINCH, on); signal(SIGTSTP, on);
    step();
    for (int i = 0; i < 6; i++) {
        sigsuspend(&none);
        printf("caught %d\n", caught);
        fflush(stdout);
        step();
    }
}
SECTION(characters) {
    MUST(pipe(steps));
    pid_t p = session(catch_all);
    await();
    for (const char *c = "\003\034\032"; *c; c++) { MUST(write(master, c, 1)); await(); }
    struct winsize w = {5, 6, 0, 0};
    MUST(ioctl(master, TIOCSWINSZ, &w));
    await();
    // The same again is no change.
    MUST(ioctl(master, TIOCSWINSZ, &w));
    MUST(ioctl(master, TIOCSIG, SIGINT));
    await();
    T(ioctl(master, TIOCSIG, SIGTERM));
    w.ws_col++;
    MUST(ioctl(slave, TIOCSWINSZ, &w));
    finish(p);
}
static void reads_again(void) {
    char b[16];
    struct sigaction a = {.sa_handler = on, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &a, NULL);
    step();
    T(read(slave, b, 16));
    N(caught);
}
SECTION(restarted_read) {
    MUST(pipe(steps));
    pid_t p = session(reads_again);
    await();
    MUST(write(master, "ab\003", 3));
    sleep_ms(20);
    MUST(write(master, "cd\n", 3));
    finish(p);
}
static void reads_once(void) {
    char b[16];
    struct sigaction a = {.sa_handler = on};
    sigaction(SIGINT, &a, NULL);
    step();
    T(read(slave, b, 16));
    N(caught);
}
SECTION(interrupted_read) {
    MUST(pipe(steps));
    pid_t p = session(reads_once);
    await();
    // Until it is in the call.
    siginfo_t i = {0};
    for (int n = 0; n < 500 && !i.si_pid; n++) {
        MUST(write(master, "ef\003", 3));
        sleep_ms(10);
        MUST(waitid(P_PID, p, &i, WEXITED | WNOHANG | WNOWAIT));
    }
    finish(p);
}
// A shell in small: a job is stopped by its terminal, continued in the background, then in the foreground.
static void shell(void) {
    int s;
    signal(SIGTTOU, SIG_IGN);
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        setpgid(0, 0);
        MUST(tcsetpgrp(slave, getpid()));
        signal(SIGTTOU, SIG_DFL);
        if (fork() == 0) { pause(); _exit(0); }
        step();
        char b[16];
        ssize_t n = read(slave, b, 16);
        printf("job: read %zd\n", n);
        fflush(stdout);
        step();
        wait(NULL);
        _exit(7);
    }
    setpgid(p, p);
    MUST(tcsetpgrp(slave, p));
    MUST(waitpid(p, &s, WUNTRACED)); status("job", s);
    MUST(tcsetpgrp(slave, getpid()));
    MUST(kill(-p, SIGCONT));
    // It goes on reading, in the background.
    MUST(waitpid(p, &s, WUNTRACED)); status("job", s);
    MUST(tcsetpgrp(slave, p));
    MUST(kill(-p, SIGCONT));
    MUST(waitpid(p, &s, WUNTRACED | WCONTINUED)); status("job", s);
    say("foreground\n");
    MUST(waitpid(p, &s, WUNTRACED)); status("job", s);
}
SECTION(a_job) {
    MUST(pipe(steps));
    pid_t p = session(shell);
    await();
    MUST(write(master, "\032", 1));
    // Typed ahead: ^Z would throw it away.
    sleep_ms(100);
    MUST(write(master, "line\n", 5));
    await();
    MUST(write(master, "\003", 1));
    finish(p);
}
static void proc_stat(void) {
    char b[512] = "";
    int fd = open("/proc/self/stat", O_RDONLY), tty, fg;
    read(fd, b, 511);
    close(fd);
    sscanf(strrchr(b, ')') + 2, "%*c %*d %*d %*d %d %d", &tty, &fg);
    N(tty >> 8);
    IS(fg == getpid());
    MUST(ioctl(slave, TIOCNOTTY));
    fd = open("/proc/self/stat", O_RDONLY);
    read(fd, b, 511);
    close(fd);
    sscanf(strrchr(b, ')') + 2, "%*c %*d %*d %*d %d %d", &tty, &fg);
    N(tty); N(fg);
}
static void proc_stat_session(void) { signal(SIGHUP, SIG_IGN); proc_stat(); }
SECTION(stat_of_proc) { finish(session(proc_stat_session)); }
static void steals(void) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        MUST(setsid());
        T(ioctl(slave, TIOCSCTTY, 0));
        T(ioctl(slave, TIOCSCTTY, 1));
        who(slave);
        fflush(stdout);
        _exit(0);
    }
    waitpid(p, NULL, 0);
    who(slave);
    T(open("/dev/tty", O_RDWR));
}
SECTION(stolen) { finish(session(steals)); }
