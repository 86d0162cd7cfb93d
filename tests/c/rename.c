//: files musl
// rename(2), renameat2(2).
#include "facts.h"
#include <linux/fs.h>
#define R2(a, b, f) T(S(renameat2, AT_FDCWD, a, AT_FDCWD, b, f))

static void scenery(void) {
    put("a", "A");
    put("b", "B");
    MUST(mkdir("d", 0755));
    MUST(mkdir("e", 0755));
    MUST(mkdir("full", 0755));
    put("full/x", "X");
    MUST(symlink("a", "la"));
    MUST(symlink("d", "ld"));
    MUST(symlink("nowhere", "dangling"));
}
SECTION(files) {
    scenery();
    T(rename("a", "c"));
    show("c");
    T(path_exists("a"));
    T(rename("c", "b"));
    show("b");
    T(rename("missing", "x"));
    T(rename("b", "nodir/x"));
    T(rename("b", "full/y"));
    show("full/y");
    T(rename("full/y", "full/x"));
    show("full/x");
    T(rename("full/x", "full/x"));
    T(rename("full/x", "full/x/y"));
    T(rename("full/x/y", "z"));
    T(rename("", "x"));
    T(rename("full/x", ""));
    put("n", "N");
    MUST(link("n", "m"));
    T(rename("n", "m"));
    T(path_exists("n"));
    T(path_exists("m"));
    T(rename("n", "d"));
    T(rename("n", "d/"));
    T(rename("n/", "q"));
    T(rename("n", "q/"));
    T(rename("n", "."));
    T(rename("n", ".."));
    T(rename(".", "q"));
    T(rename("..", "q"));
    T(rename("d/.", "q"));
    T(rename("/", "/q"));
}
SECTION(directories) {
    scenery();
    T(rename("d", "dd"));
    T(rename("dd/", "d/"));
    T(rename("d", "e"));
    T(path_exists("d"));
    T(rename("e", "full"));
    T(rename("full", "e"));
    show("e/x");
    T(rename("e", "e/sub"));
    T(rename("e", "e/sub/sub"));
    T(rename("e", "a"));
    T(rename("a", "e"));
    MUST(mkdir("p", 0755));
    MUST(mkdir("p/q", 0755));
    T(rename("p/q", "p"));
    T(rename("p", "p/q"));
    T(rename("p/q", "moved"));
    T(rename("e", "moved/in"));
    show("moved/in/x");
    T(rename("e", "moved"));
    T(rename("ld", "lmoved"));
    show_stat("lmoved");
    MUST(symlink("p", "lp"));
    T(rename("lp/", "zz"));
    T(rename("p", "lp"));
    T(rename("p", "lp/"));
}
SECTION(links) {
    scenery();
    T(rename("la", "lb"));
    show_stat("lb");
    show("lb");
    T(rename("a", "lb"));
    show_stat("lb");
    show("lb");
    T(rename("b", "dangling"));
    show("dangling");
    T(path_exists("nowhere"));
}
SECTION(flags) {
    scenery();
    R2("a", "b", RENAME_NOREPLACE);
    R2("a", "new", RENAME_NOREPLACE);
    show("new");
    R2("new", "dangling", RENAME_NOREPLACE);
    R2("missing", "b", RENAME_NOREPLACE);
    R2("missing", "zz", RENAME_NOREPLACE);
    R2("new", "b", RENAME_EXCHANGE);
    show("new");
    show("b");
    R2("new", "full", RENAME_EXCHANGE);
    show_stat("new");
    show("full");
    show("new/x");
    R2("new", "missing", RENAME_EXCHANGE);
    R2("missing", "b", RENAME_EXCHANGE);
    R2("new", "new/x", RENAME_EXCHANGE);
    R2("new/x", "new", RENAME_EXCHANGE);
    R2("new/x", "b", RENAME_EXCHANGE);
    show("b");
    R2("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE);
    R2("a", "b", 8);
    R2("a", "b", RENAME_EXCHANGE | RENAME_WHITEOUT);
    R2("la", "ld", RENAME_EXCHANGE);
    show_stat("la");
    R2("d", "e", RENAME_EXCHANGE);
    R2("d", "d", RENAME_EXCHANGE);
    R2("d", "d", RENAME_NOREPLACE);
    R2("b", "b", RENAME_NOREPLACE);
    T(S(renameat2, 999, "x", AT_FDCWD, "y", 0));
    int fd = open("b", O_RDONLY);
    T(S(renameat2, fd, "x", AT_FDCWD, "y", 0));
    int d = open("full", O_PATH), d2 = open("new", O_RDONLY);
    T(S(renameat, d2, "x", AT_FDCWD, "out"));
    T(S(renameat2, d, "x", d2, "y", 0));
    T(S(renameat2, AT_FDCWD, NULL, AT_FDCWD, "y", 0));
    T(S(renameat2, AT_FDCWD, "b", AT_FDCWD, hole(), 0));
}
SECTION(open_files_follow) {
    scenery();
    char b[8];
    int fd = open("a", O_RDWR), fb = open("b", O_RDONLY), dfd = open("full", O_RDONLY);
    T(rename("a", "b"));
    T(pread(fd, b, 8, 0));
    T(pread(fb, b, 8, 0));
    show_bytes("old b", b, 1);
    T(write(fd, "new", 3));
    show("b");
    T(rename("full", "elsewhere"));
    T(openat(dfd, "x", O_RDONLY) >= 0);
    T(openat(dfd, "y", O_RDWR | O_CREAT, 0600) >= 0);
    T(path_exists("elsewhere/y"));
    T(chdir("elsewhere"));
    T(rename("../elsewhere", "../again"));
    char cwd[4096];
    T(getcwd(cwd, sizeof cwd) != NULL);
    printf("%s\n", strrchr(cwd, '/'));
    T(path_exists("x"));
}
SECTION(tree) {
    MUST(mkdir("t", 0755));
    MUST(mkdir("t/u", 0755));
    MUST(mkdir("t/u/v", 0755));
    put("t/u/v/f", "deep");
    T(rename("t/u", "w"));
    show("w/v/f");
    T(path_exists("t/u"));
    T(mkdir("t/u", 0755));
    T(path_exists("t/u/v"));
    T(rename("w", "t/u"));
    show("t/u/v/f");
    T(rename("t", "t/u/v/t"));
    T(rmdir("t/u"));
    T(rename("t/u/v/f", "f"));
    T(rmdir("t/u/v"));
    T(rmdir("t/u"));
    T(rmdir("t"));
    show("f");
}
