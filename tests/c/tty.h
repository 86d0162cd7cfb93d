// Pseudo-terminals for the programs that ask about terminals.
#include <pty.h>
#include <termios.h>
#include <sys/ioctl.h>
#include <poll.h>

static int master = -1, slave = -1;
// A new pair; the slave is nobody's controlling terminal.
static UNUSED void open_pair(void) {
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    MUST(grantpt(master));
    MUST(unlockpt(master));
    slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
}
static UNUSED void close_pair(void) { close(slave); close(master); }
// Changes flags of the slave: i, o, l on and off.
static UNUSED void change(int ion, int ioff, int oon, int ooff, int lon, int loff) {
    struct termios t;
    MUST(tcgetattr(slave, &t));
    t.c_iflag = (t.c_iflag & ~ioff) | ion;
    t.c_oflag = (t.c_oflag & ~ooff) | oon;
    t.c_lflag = (t.c_lflag & ~loff) | lon;
    MUST(tcsetattr(slave, TCSANOW, &t));
}
static UNUSED void set_char(int at, int c) {
    struct termios t;
    MUST(tcgetattr(slave, &t));
    t.c_cc[at] = c;
    MUST(tcsetattr(slave, TCSANOW, &t));
}
static UNUSED void raw(void) {
    struct termios t;
    MUST(tcgetattr(slave, &t));
    cfmakeraw(&t);
    MUST(tcsetattr(slave, TCSANOW, &t));
}
// Everything that comes from fd within a moment.
static UNUSED void drain(const char *what, int fd) {
    static char b[1 << 16];
    size_t n = 0;
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 60) <= 0 || !(p.revents & POLLIN)) break;
        ssize_t r = read(fd, b + n, sizeof b - n);
        if (r < 0) { printf("%s: %s\n", what, ename(errno)); break; }
        if (r == 0) { printf("%s: end\n", what); break; }
        n += r;
    }
    show_bytes(what, b, n);
}
// Types at the master and says what shows there.
static UNUSED void type_bytes(const char *text, size_t n) {
    MUST(write(master, text, n));
    drain("shown", master);
}
#define TYPE(s) do { printf("type %s\n", #s); type_bytes(s, sizeof s - 1); } while (0)
// One read of the slave.
static UNUSED void get(size_t n) {
    static char b[1 << 16];
    struct pollfd p = {slave, POLLIN, 0};
    if (poll(&p, 1, 60) <= 0) { puts("nothing to read"); return; }
    ssize_t r = read(slave, b, n);
    if (r < 0) printf("read: %s\n", ename(errno));
    else show_bytes("read", b, r);
}
static UNUSED int events(int fd) {
    struct pollfd f = {fd, -1, 0};
    poll(&f, 1, 60);
    return f.revents;
}
static UNUSED int unread(int fd) { int n = -1; ioctl(fd, FIONREAD, &n); return n; }
