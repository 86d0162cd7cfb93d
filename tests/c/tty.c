//: musl
// termios(3): what a terminal makes of what is typed and written, mode by mode.
#include "facts.h"
#include "tty.h"

SECTION(lines) {
    open_pair();
    TYPE("hel");
    X(events(slave) & ~POLLOUT & ~POLLWRNORM);
    N(unread(slave));
    TYPE("lo\r");
    N(unread(slave));
    get(3);
    N(unread(slave));
    get(100);
    TYPE("a\nb\n");
    N(unread(slave));
    get(100);
    get(100);
    get(100);
    close_pair();
}
SECTION(end_of_file) {
    open_pair();
    TYPE("ab\004");
    N(unread(slave));
    get(100);
    TYPE("\004");
    N(unread(slave));
    get(100);
    TYPE("ab\004cd\n");
    get(2);
    get(100);
    TYPE("abc\004");
    get(1);
    get(100);
    TYPE("x\n\004y\n");
    get(1);
    get(1);
    get(100);
    get(100);
    set_char(VEOL, 'e');
    set_char(VEOL2, 'f');
    TYPE("one two three four\n");
    get(100); get(100); get(100); get(100);
    close_pair();
}
SECTION(erase) {
    open_pair();
    TYPE("abc\177");
    TYPE("\177\177\177\177");
    TYPE("a\001\177");
    TYPE("\177x\ty\177\177\177");
    MUST(write(slave, "> ", 2));
    drain("prompt", master);
    TYPE("a\t\tb\177\177\177\177");
    TYPE("one two_3  \027");
    TYPE("\027\027");
    TYPE("kill me\t\001\025");
    TYPE("z\n");
    get(100);
    close_pair();
}
SECTION(erase_on_paper) {
    open_pair();
    change(0, 0, 0, 0, ECHOPRT, 0);
    TYPE("abc\177\177d\177\177\177\177e\n");
    TYPE("one two\027three\025four\n");
    get(100); get(100);
    change(0, 0, 0, 0, 0, ECHOPRT | ECHOE);
    TYPE("abc\177\177\n");
    TYPE("abc def\027\n");
    change(0, 0, 0, 0, 0, ECHOKE);
    TYPE("abc\025\n");
    change(0, 0, 0, 0, 0, ECHOK);
    TYPE("abc\025\n");
    change(0, 0, 0, 0, ECHOE, ECHOCTL);
    TYPE("a\001b\177\177\177\n");
    change(0, 0, 0, 0, 0, ECHO);
    TYPE("silent\177\025x\n");
    change(0, 0, 0, 0, ECHONL, 0);
    TYPE("silent\n");
    close_pair();
}
SECTION(utf8) {
    open_pair();
    change(IUTF8, 0, 0, 0, 0, 0);
    TYPE("a\303\251\342\202\254\177\177\177\n");
    get(100);
    TYPE("\200\177\n");
    get(100);
    TYPE("x\303\251 y\303\251\027\027\n");
    get(100);
    change(0, IUTF8, 0, 0, 0, 0);
    TYPE("\303\251\177\n");
    get(100);
    close_pair();
}
SECTION(literal_and_reprint) {
    open_pair();
    TYPE("a\026\003b\026\026c\026\nd\n");
    get(100); get(100);
    TYPE("abc\001\022");
    TYPE("\n");
    get(100);
    change(0, 0, 0, 0, 0, IEXTEN);
    TYPE("a\026\022\027\n");
    get(100);
    change(0, 0, 0, 0, IEXTEN, ICANON);
    TYPE("\026\003\n\r");
    get(100);
    close_pair();
}
SECTION(signals_flush) {
    // Nobody is in the foreground, so nobody is hurt.
    open_pair();
    TYPE("abc\003def\n");
    get(100);
    TYPE("line\nabc\034");
    get(100);
    TYPE("abc\032\n");
    get(100);
    change(0, 0, 0, 0, NOFLSH, 0);
    TYPE("abc\003def\n");
    get(100);
    change(0, 0, 0, 0, 0, ISIG);
    TYPE("abc\003\032\n");
    get(100);
    change(0, 0, 0, 0, ISIG, ICANON | ECHO);
    TYPE("abc\003def");
    get(100);
    set_char(VINTR, 'q');
    TYPE("abcqdef\003");
    get(100);
    close_pair();
}
SECTION(input_flags) {
    open_pair();
    change(ISTRIP, 0, 0, 0, 0, 0);
    TYPE("a\341\n"); get(100);
    change(IUCLC, ISTRIP, 0, 0, 0, 0);
    TYPE("ABC\311\n"); get(100);
    change(IGNCR, IUCLC, 0, 0, 0, 0);
    TYPE("a\rb\n"); get(100);
    change(INLCR, IGNCR, 0, 0, 0, 0);
    TYPE("a\nb\r"); get(100);
    change(0, ICRNL, 0, 0, 0, ICANON);
    TYPE("a\nb\r"); get(100);
    change(PARMRK, INLCR, 0, 0, 0, ECHO);
    TYPE("a\377\377b"); get(100);
    change(ICRNL, PARMRK, 0, 0, ECHO, 0);
    TYPE("\r\n\t\001\177\033"); get(100);
    change(0, ICRNL, 0, 0, 0, 0);
    TYPE("\r\n\t\001\177\033"); get(100);
    change(0, 0, 0, 0, EXTPROC | ICANON, 0);
    TYPE("ab\177\003\n"); get(2); get(100);
    close_pair();
}
static void out(const char *text) {
    MUST(write(slave, text, strlen(text)));
    drain("out", master);
}
SECTION(output_flags) {
    open_pair();
    out("a\nb\tc\rd\be\n");
    change(0, 0, TAB3, 0, 0, 0);
    out("\ta\tabcdefg\tabcdefgh\t|\n");
    out("\001\t|\b\b\t|\n");
    change(0, 0, 0, TAB3, 0, 0);
    change(0, 0, OCRNL, 0, 0, 0);
    out("a\rb\n");
    change(0, 0, ONOCR, OCRNL, 0, 0);
    out("\ra\r\rb\n\r");
    change(0, 0, ONLRET, ONLCR, 0, 0);
    out("a\n\rb\r");
    change(0, 0, 0, ONLRET, 0, 0);
    out("a\n\rb\r");
    change(0, 0, OLCUC, ONOCR, 0, 0);
    out("abc \351\n");
    change(0, 0, 0, OPOST, 0, 0);
    out("abc\n\r\t\n");
    TYPE("\n");
    close_pair();
}
SECTION(flow) {
    open_pair();
    TYPE("\023ab");
    fcntl(slave, F_SETFL, O_NONBLOCK);
    T(write(slave, "x", 1));
    X(events(slave));
    TYPE("\021");
    T(write(slave, "x", 1));
    drain("out", master);
    change(IXANY, 0, 0, 0, 0, 0);
    TYPE("\023");
    T(write(slave, "x", 1));
    TYPE("c\n");
    T(tcflow(slave, TCOOFF));
    T(write(slave, "x", 1));
    TYPE("\021d\n");
    T(tcflow(slave, TCOON));
    drain("out", master);
    T(tcflow(slave, TCIOFF));
    drain("out", master);
    T(tcflow(slave, TCION));
    drain("out", master);
    TYPE("\023");
    change(0, IXON, 0, 0, 0, 0);
    T(write(slave, "x", 1));
    drain("out", master);
    TYPE("\023\021\n");
    T(tcflow(slave, 9));
    T(tcflush(slave, 9));
    close_pair();
}
SECTION(full_line) {
    static char x[5000];
    memset(x, 'x', sizeof x);
    open_pair();
    change(0, 0, 0, 0, 0, ECHO);
    MUST(write(master, x, sizeof x));
    sleep_ms(50);
    N(unread(slave));
    MUST(write(master, "y\n", 2));
    sleep_ms(50);
    N(unread(slave));
    get(8192);
    get(8192);
    raw();
    MUST(write(master, x, sizeof x));
    sleep_ms(50);
    N(unread(slave));
    get(8192);
    get(8192);
    get(8192);
    MUST(write(slave, x, sizeof x));
    sleep_ms(50);
    N(unread(master));
    drain("out", master);
    close_pair();
}
SECTION(flush) {
    open_pair();
    TYPE("abc\ndef");
    T(tcflush(slave, TCIFLUSH));
    N(unread(slave));
    TYPE("g\n");
    get(100);
    MUST(write(slave, "out", 3));
    sleep_ms(20);
    T(tcflush(slave, TCOFLUSH));
    drain("out", master);
    MUST(write(slave, "out", 3));
    sleep_ms(20);
    T(tcflush(master, TCIFLUSH));
    drain("out", master);
    TYPE("abc\n");
    struct termios t;
    MUST(tcgetattr(slave, &t));
    T(tcsetattr(slave, TCSAFLUSH, &t));
    N(unread(slave));
    TYPE("abc\n");
    T(tcsetattr(slave, TCSADRAIN, &t));
    N(unread(slave));
    T(tcflush(master, TCOFLUSH));
    T(tcdrain(slave));
    T(tcsendbreak(slave, 0));
    close_pair();
}
SECTION(modes_change) {
    open_pair();
    TYPE("half");
    change(0, 0, 0, 0, 0, ICANON);
    N(unread(slave));
    get(2);
    change(0, 0, 0, 0, ICANON, 0);
    N(unread(slave));
    get(100);
    get(100);
    TYPE("more\n");
    change(0, 0, 0, 0, 0, ICANON);
    get(100);
    TYPE("a\004b");
    get(100);
    close_pair();
}
static void *feeder(void *p) {
    for (const char *s = p; *s; s++) {
        sleep_ms(50);
        if (*s == ' ') continue;
        char b[256];
        memset(b, *s, sizeof b);
        MUST(write(master, b, *s == 'L' ? 70 : 1));
    }
    return NULL;
}
#include <pthread.h>
static void timed(int min, int time, const char *feed, size_t n) {
    char b[1000];
    pthread_t t;
    struct termios o;
    tcflush(slave, TCIOFLUSH);
    MUST(tcgetattr(slave, &o));
    o.c_cc[VMIN] = min;
    o.c_cc[VTIME] = time;
    MUST(tcsetattr(slave, TCSANOW, &o));
    pthread_create(&t, NULL, feeder, (void *)feed);
    long r = read(slave, b, n);
    printf("VMIN %d VTIME %d \"%s\" read(%zu): %ld\n", min, time, feed, n, r);
    pthread_join(t, NULL);
}
SECTION(min_and_time) {
    open_pair();
    raw();
    timed(1, 0, "a", 10);
    timed(3, 0, "abc", 10);
    timed(3, 0, "abcd", 2);
    timed(0, 0, "a", 10);
    timed(0, 9, "ab", 10);
    timed(0, 1, "", 10);
    timed(5, 3, "ab", 10);
    timed(5, 9, "abcde", 10);
    timed(100, 0, "LL", 200);
    timed(64, 0, "LL", 200);
    timed(10, 0, "abcdeL", 200);
    timed(255, 2, "L", 200);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    timed(3, 0, "", 10);
    timed(0, 3, "", 10);
    timed(0, 0, "", 10);
    close_pair();
}
SECTION(settings) {
    open_pair();
    struct termios t;
    T(tcgetattr(slave, &t));
    X(t.c_iflag); X(t.c_oflag); X(t.c_cflag); X(t.c_lflag);
    show_bytes("c_cc", (char *)t.c_cc, 19);
    N(cfgetospeed(&t)); N(cfgetispeed(&t));
    t.c_cflag = (t.c_cflag & ~CSIZE) | CS7 | PARENB | CSTOPB | CLOCAL;
    t.c_line = 3;
    cfsetspeed(&t, B9600);
    T(tcsetattr(slave, TCSANOW, &t));
    memset(&t, 0, sizeof t);
    T(tcgetattr(master, &t));
    X(t.c_cflag); N(t.c_line);
    // struct termios2, struct termio: the kernel's own.
    unsigned t2[11];
    T(ioctl(slave, 0x802c542a, t2));
    X(t2[2]); N(t2[9]); N(t2[10]);
    t2[2] = (t2[2] & ~0x100f) | 0x1000;
    t2[9] = 123; t2[10] = 456;
    T(ioctl(slave, 0x402c542b, t2));
    memset(t2, 0, sizeof t2);
    T(ioctl(slave, 0x802c542a, t2));
    X(t2[2]); N(t2[9]); N(t2[10]);
    unsigned short ta[9] = {0};
    T(ioctl(slave, 0x5405, ta));
    X(ta[0]); X(ta[1]); X(ta[2]); X(ta[3]);
    ta[0] = 0x1234;
    T(ioctl(slave, 0x5406, ta));
    T(tcgetattr(slave, &t));
    X(t.c_iflag);
    int n = -1;
    T(ioctl(slave, TIOCGSOFTCAR, &n)); N(n);
    n = 0;
    T(ioctl(slave, TIOCSSOFTCAR, &n));
    T(ioctl(slave, TIOCGSOFTCAR, &n)); N(n);
    T(ioctl(slave, TCGETS, hole()));
    T(ioctl(slave, TCSETS, hole()));
    T(ioctl(slave, TIOCGWINSZ, hole()));
    T(ioctl(slave, TIOCSWINSZ, hole()));
    close_pair();
}
SECTION(other_commands) {
    open_pair();
    int n = -1;
    T(ioctl(slave, TIOCGETD, &n)); N(n);
    n = 0; T(ioctl(slave, TIOCSETD, &n));
    n = 99; T(ioctl(slave, TIOCSETD, &n));
    n = -1; T(ioctl(slave, TIOCOUTQ, &n)); N(n);
    T(ioctl(slave, TIOCGEXCL, &n)); N(n);
    T(ioctl(slave, TIOCEXCL, 0));
    T(ioctl(slave, TIOCGEXCL, &n)); N(n);
    T(ioctl(master, TIOCGEXCL, &n)); N(n);
    T(ioctl(slave, TIOCNXCL, 0));
    T(ioctl(slave, TIOCSBRK, 0));
    T(ioctl(slave, TIOCCBRK, 0));
    T(ioctl(slave, TCSBRKP, 1));
    T(ioctl(slave, TIOCMGET, &n));
    T(ioctl(slave, TIOCMSET, &n));
    T(ioctl(slave, TIOCGSERIAL, hole()));
    T(ioctl(slave, TIOCGPTN, &n));
    T(ioctl(slave, TIOCPKT, &n));
    T(ioctl(slave, TIOCSPTLCK, &n));
    T(ioctl(slave, 0x1234, &n));
    T(ioctl(master, 0x1234, &n));
    T(ioctl(slave, FIONREAD, hole()));
    T(ioctl(slave, TIOCGPTPEER, 0));
    T(lseek(slave, 0, SEEK_SET));
    T(pread(slave, &n, 1, 0));
    T(ftruncate(slave, 0));
    T(fsync(slave));
    T(mmap(NULL, 4096, PROT_READ, MAP_SHARED, slave, 0) == MAP_FAILED);
    T(write(slave, hole(), 1));
    T(write(slave, "", 0));
    T(read(slave, &n, 0) );
    IS(isatty(slave));
    IS(isatty(master));
    close_pair();
}
SECTION(window_size) {
    open_pair();
    struct winsize w = {1, 2, 3, 4};
    T(ioctl(slave, TIOCGWINSZ, &w));
    N(w.ws_row); N(w.ws_col); N(w.ws_xpixel); N(w.ws_ypixel);
    w = (struct winsize){24, 80, 5, 6};
    T(ioctl(master, TIOCSWINSZ, &w));
    memset(&w, 0, sizeof w);
    T(ioctl(slave, TIOCGWINSZ, &w));
    N(w.ws_row); N(w.ws_col); N(w.ws_xpixel); N(w.ws_ypixel);
    close_pair();
}
