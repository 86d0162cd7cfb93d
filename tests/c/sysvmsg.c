//: musl
// msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
#include "facts.h"
#include <grp.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#ifndef MSG_STAT
#define MSG_STAT 11
#define MSG_INFO 12
#endif
#ifndef MSG_EXCEPT
#define MSG_EXCEPT 020000
#endif
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct ds { struct { int key; unsigned uid, gid, cuid, cgid, mode; unsigned short seq, pad; unsigned long a, b; } p; long stime, rtime, ctime; unsigned long cbytes, qnum, qbytes; int lspid, lrpid; unsigned long u1, u2; };
struct msg { long type; char text[8200]; };
static key_t own_key(int n) { return 0x5c000000 + getpid() * 16 + n; }
static int queue(void) { return MUST(msgget(IPC_PRIVATE, 0600)); }
static void gone(int id) { MUST(S(msgctl, id, IPC_RMID, NULL)); }
static long snd(int id, long type, const char *text, int flags) {
    struct msg m = {.type = type};
    strcpy(m.text, text);
    return S(msgsnd, id, &m, strlen(text), flags);
}
static long rcv(int id, size_t size, long type, int flags) {
    struct msg m = {0};
    long n = S(msgrcv, id, &m, size, type, flags);
    if (n >= 0) printf("got type %ld \"%.*s\"\n", m.type, (int)n, m.text);
    return n;
}
static void show_queue(int id) {
    struct ds d;
    memset(&d, 0x5a, sizeof d);
    if (S(msgctl, id, IPC_STAT, &d) < 0) { printf("stat: %s\n", ename(errno)); return; }
    printf("mode %o uid %u gid %u cuid %u cgid %u cbytes %lu qnum %lu qbytes %lu lspid %d lrpid %d stime %d rtime %d ctime %d rest %lx\n",
        d.p.mode, d.p.uid, d.p.gid, d.p.cuid, d.p.cgid, d.cbytes, d.qnum, d.qbytes, d.lspid == getpid(), d.lrpid == getpid(),
        d.stime != 0, d.rtime != 0, d.ctime != 0, d.u1 | d.u2);
}

SECTION(get) {
    key_t k = own_key(0);
    T(msgget(k, 0600));
    int id = MUST(msgget(k, IPC_CREAT | 0620));
    IS(msgget(k, 0) == id);
    IS(msgget(k, 0620) == id);
    T(msgget(k, IPC_CREAT | IPC_EXCL));
    show_queue(id);
    gone(id);
    show_queue(id);
    T(msgget(k, 0));
    T(S(msgctl, id, IPC_RMID, NULL));
}
SECTION(send_and_receive) {
    int id = queue();
    T(snd(id, 1, "one", 0));
    T(snd(id, 3, "three", 0));
    T(snd(id, 2, "two", 0));
    T(snd(id, 3, "drei", 0));
    T(snd(id, 1, "", 0));
    show_queue(id);
    T(rcv(id, 100, 3, 0));
    T(rcv(id, 100, -2, 0));
    T(rcv(id, 100, -9, 0));
    T(rcv(id, 2, 2, 0));
    T(rcv(id, 2, 2, MSG_NOERROR));
    T(rcv(id, 100, 7, IPC_NOWAIT));
    T(snd(id, 5, "five", 0));
    T(rcv(id, 100, 3, MSG_EXCEPT | IPC_NOWAIT));
    T(rcv(id, 100, 3, MSG_EXCEPT | IPC_NOWAIT));
    T(rcv(id, 100, 0, 0));
    T(rcv(id, 100, 0, IPC_NOWAIT));
    T(rcv(id, 100, -9223372036854775807l - 1, IPC_NOWAIT));
    show_queue(id);
    gone(id);
}
SECTION(arguments) {
    int id = queue();
    static struct msg m = {.type = 1};
    T(snd(id, 0, "x", 0));
    T(snd(id, -1, "x", 0));
    T(S(msgsnd, id, &m, 8192, 0));
    T(S(msgsnd, id, &m, 8193, 0));
    T(S(msgsnd, id, &m, -1l, 0));
    T(S(msgsnd, id, &m, 8192, 0));
    T(S(msgsnd, id, &m, 1, IPC_NOWAIT));
    T(S(msgsnd, id, &m, 0, IPC_NOWAIT));
    T(S(msgsnd, -1, &m, 1, 0));
    T(S(msgsnd, 0x7fffffff, &m, 1, 0));
    T(S(msgsnd, id, hole(), 1, 0));
    T(S(msgsnd, -1, hole(), 1, 0));
    T(S(msgsnd, 0x7fffffff, hole(), 1, 0));
    char *edge = pages(2, PROT_READ | PROT_WRITE);
    munmap(edge + PAGE, PAGE);
    *(long *)(edge + PAGE - 8) = 1;
    T(S(msgsnd, 0x7fffffff, edge + PAGE - 8, 1, 0));
    T(S(msgsnd, 0x7fffffff, edge + PAGE - 8, 0, 0));
    T(S(msgrcv, id, hole(), 8192, 0, 0));
    show_queue(id);
    T(S(msgrcv, id, edge + PAGE - 8, 8192, 0, 0));
    show_queue(id);
    T(S(msgrcv, id, &m, -1l, 0, 0));
    T(S(msgrcv, -1, &m, 1, 0, 0));
    T(S(msgrcv, 0x7fffffff, &m, 1, 0, 0));
    T(S(msgrcv, id, &m, 0, 0, IPC_NOWAIT));
    gone(id);
}
SECTION(copy) {
    int id = queue();
    snd(id, 7, "first", 0);
    snd(id, 8, "second", 0);
    T(rcv(id, 100, 0, MSG_COPY | IPC_NOWAIT));
    T(rcv(id, 100, 1, MSG_COPY | IPC_NOWAIT));
    T(rcv(id, 100, 2, MSG_COPY | IPC_NOWAIT));
    T(rcv(id, 100, -1, MSG_COPY | IPC_NOWAIT));
    T(rcv(id, 3, 1, MSG_COPY | IPC_NOWAIT));
    T(rcv(id, 3, 1, MSG_COPY | IPC_NOWAIT | MSG_NOERROR));
    T(rcv(id, 100, 0, MSG_COPY));
    T(rcv(id, 100, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
    show_queue(id);
    gone(id);
}
static void ended(const char *who, int pid) {
    int s;
    waitpid(pid, &s, 0);
    printf("%s: %s\n", who, ename(WEXITSTATUS(s)));
}
static int receiver(int id, long type) {
    int pid = fork();
    if (pid) { sleep_ms(30); return pid; }
    _exit(rcv(id, 100, type, 0) < 0 ? errno : 0);
}
static void nothing(int s) { (void)s; }
// Sends signals until it has ended: the first may come before it sleeps.
static void interrupt(const char *who, int pid) {
    int s;
    while (waitpid(pid, &s, WNOHANG) == 0) kill(pid, SIGUSR1), sleep_ms(10);
    printf("%s: %s\n", who, ename(WEXITSTATUS(s)));
}
SECTION(waiting) {
    int id = queue();
    int a = receiver(id, 5);
    MUST(snd(id, 4, "not you", 0));
    MUST(snd(id, 5, "you", 0));
    ended("receiver", a);
    a = receiver(id, 6);
    gone(id);
    ended("removed", a);
    id = queue();
    struct sigaction s = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &s, NULL);
    a = receiver(id, 6);
    interrupt("signal", a);
    // A full queue.
    static struct msg m = {.type = 1};
    for (int i = 0; i < 2; i++) T(S(msgsnd, id, &m, 8192, IPC_NOWAIT));
    a = fork();
    if (!a) _exit(snd(id, 2, "late", 0) < 0 ? errno : 0);
    sleep_ms(30);
    T(S(msgrcv, id, &m, 8192, 1, 0));
    ended("sender", a);
    T(rcv(id, 100, 2, 0));
    T(S(msgsnd, id, &m, 8192, IPC_NOWAIT));
    a = fork();
    if (!a) _exit(snd(id, 2, "late", 0) < 0 ? errno : 0);
    sleep_ms(30);
    interrupt("interrupted sender", a);
    T(S(msgrcv, id, &m, 8192, 1, 0));
    struct ds d;
    MUST(S(msgctl, id, IPC_STAT, &d));
    d.qbytes = 8192;
    T(S(msgctl, id, IPC_SET, &d));
    a = fork();
    if (!a) _exit(snd(id, 2, "late", 0) < 0 ? errno : 0);
    sleep_ms(30);
    d.qbytes = 16384;
    T(S(msgctl, id, IPC_SET, &d));
    ended("more room", a);
    show_queue(id);
    gone(id);
}
SECTION(control) {
    struct ds d;
    int id = queue();
    MUST(S(msgctl, id, IPC_STAT, &d));
    d.p.mode = 07123, d.p.uid = 3, d.p.gid = 4, d.qbytes = 10;
    T(S(msgctl, id, IPC_SET, &d));
    show_queue(id);
    T(snd(id, 1, "12345678901", IPC_NOWAIT));
    T(snd(id, 1, "1234567890", IPC_NOWAIT));
    T(snd(id, 1, "", IPC_NOWAIT));
    d.p.uid = -1;
    T(S(msgctl, id, IPC_SET, &d));
    T(S(msgctl, id, IPC_SET, hole()));
    T(S(msgctl, id, IPC_STAT, hole()));
    T(S(msgctl, id, 99, &d));
    T(S(msgctl, id, -1, &d));
    T(S(msgctl, -1, IPC_STAT, &d));
    T(S(msgctl, 0x7fffffff, IPC_STAT, &d));
    T(S(msgctl, 0x7fffffff, IPC_SET, hole()));
    T(S(msgctl, 0x7fffffff, MSG_STAT, &d));
    IS(S(msgctl, id & 0x7fff, MSG_STAT, &d) == id);
    IS(S(msgctl, id & 0x7fff, 13, &d) == id);
    gone(id);
    int i[8];
    memset(i, 0, sizeof i);
    OK(S(msgctl, 0, IPC_INFO, i));
    for (int n = 0; n < 8; n++) printf("%d ", n < 7 ? i[n] : i[n] & 0xffff);
    puts("");
    T(S(msgctl, 0, IPC_INFO, hole()));
    id = queue();
    snd(id, 1, "abc", 0);
    OK(S(msgctl, 0, MSG_INFO, i));
    IS(i[0] >= 1 && i[1] >= 1 && i[6] >= 3);
    printf("%d %d %d %d\n", i[2], i[3], i[4], i[5]);
    gone(id);
}
SECTION(permissions) {
    key_t k = own_key(1);
    struct ds d;
    int id = MUST(msgget(k, IPC_CREAT | 0602));
    int pid = fork();
    if (!pid) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        IS(msgget(k, 0) == id);
        T(msgget(k, 04));
        T(snd(id, 1, "in", 0));
        T(rcv(id, 10, 0, IPC_NOWAIT));
        T(S(msgctl, id, IPC_STAT, &d));
        T(S(msgctl, id & 0x7fff, MSG_STAT, &d));
        IS(S(msgctl, id & 0x7fff, 13, &d) == id);
        T(S(msgctl, id, IPC_SET, &d));
        T(S(msgctl, id, IPC_RMID, &d));
        int own = queue();
        MUST(S(msgctl, own, IPC_STAT, &d));
        d.qbytes = 16385;
        T(S(msgctl, own, IPC_SET, &d));
        d.qbytes = 16384;
        T(S(msgctl, own, IPC_SET, &d));
        gone(own);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    T(rcv(id, 10, 0, IPC_NOWAIT));
    gone(id);
}
SECTION(in_proc) {
    show("/proc/sys/kernel/msgmax");
    show("/proc/sys/kernel/msgmnb");
    show("/proc/sys/kernel/msgmni");
    char line[256];
    int id = queue();
    snd(id, 1, "abc", 0);
    FILE *f = fopen("/proc/sysvipc/msg", "r");
    fgets(line, sizeof line, f);
    fputs(line, stdout);
    while (fgets(line, sizeof line, f)) {
        int k, i, ls, lr;
        unsigned mode, uid, gid, cuid, cgid;
        long bytes, num, st, rt, ct;
        if (sscanf(line, "%d %d %o %ld %ld %d %d %u %u %u %u %ld %ld %ld", &k, &i, &mode, &bytes, &num, &ls, &lr, &uid, &gid, &cuid, &cgid, &st, &rt, &ct) == 14 && i == id)
            printf("%zu: %d %o %ld %ld %d %d %u %u %u %u %d %ld %d\n", strlen(line), k, mode, bytes, num, ls == getpid(), lr, uid, gid, cuid, cgid, st != 0, rt, ct != 0);
    }
    fclose(f);
    gone(id);
}
SECTION(many_processes) {
    int id = queue(), sum = 0;
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            for (int j = 0; j < 400; j++) MUST(snd(id, 1 + i, "0123456789012345678901234567890123456789", 0));
            _exit(0);
        }
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            struct msg m;
            for (int j = 0; j < 400; j++) MUST(S(msgrcv, id, &m, 100, 0, 0)), sum++;
            _exit(sum == 400 ? 0 : 1);
        }
    int s, bad = 0;
    while (wait(&s) > 0) bad |= s;
    N(bad);
    show_queue(id);
    gone(id);
}
