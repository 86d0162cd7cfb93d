// hello.c - the smallest useful program. "hello" prints and ends; "hello sleep" prints and waits to be killed.
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argv;
    if (write(1, "hello\n", 6) != 6) return 1;
    if (argc > 1) for (;;) pause();
    return 0;
}
