//: files musl
// getxattr(2), setxattr(2), listxattr(2), removexattr(2).
#include "facts.h"
#include <sys/xattr.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static void list(const char *path) {
    char b[4096], *names[64];
    ssize_t n = llistxattr(path, b, sizeof b);
    if (n < 0) { printf("list %s: %s\n", path, ename(errno)); return; }
    int k = 0;
    for (char *p = b; p < b + n && k < 64; p += strlen(p) + 1) names[k++] = p;
    qsort(names, k, sizeof *names, by_name);
    printf("list %s (%zd):", path, n);
    for (int i = 0; i < k; i++) printf(" %s", names[i]);
    puts("");
}
SECTION(user_names) {
    char b[64];
    put("f", "");
    MUST(mkdir("d", 0755));
    MUST(symlink("f", "l"));
    list("f");
    T(setxattr("f", "user.one", "value", 5, 0));
    T(getxattr("f", "user.one", b, sizeof b));
    show_bytes("b", b, 5);
    T(getxattr("f", "user.one", b, 0));
    T(getxattr("f", "user.one", b, 3));
    T(getxattr("f", "user.two", b, 3));
    T(setxattr("f", "user.one", "new", 3, XATTR_CREATE));
    T(setxattr("f", "user.two", "new", 3, XATTR_REPLACE));
    T(setxattr("f", "user.one", "new", 3, XATTR_REPLACE));
    T(setxattr("f", "user.two", "", 0, XATTR_CREATE));
    T(getxattr("f", "user.two", b, sizeof b));
    T(setxattr("f", "user.x", "", 0, 4));
    T(setxattr("f", "user.x", "", 0, 3));
    list("f");
    T(getxattr("l", "user.one", b, sizeof b));
    T(lgetxattr("l", "user.one", b, sizeof b));
    T(lsetxattr("l", "user.one", "v", 1, 0));
    T(setxattr("d", "user.dir", "v", 1, 0));
    list("d");
    T(listxattr("f", b, 3));
    T(listxattr("f", NULL, 0));
    T(removexattr("f", "user.one"));
    T(removexattr("f", "user.one"));
    list("f");
    int fd = open("f", O_RDONLY);
    T(fsetxattr(fd, "user.fd", "v", 1, 0));
    T(fgetxattr(fd, "user.fd", b, sizeof b));
    T(flistxattr(fd, NULL, 0));
    T(fremovexattr(fd, "user.fd"));
    T(fgetxattr(-1, "user.fd", b, sizeof b));
    MUST(link("f", "hard"));
    list("hard");
    MUST(rename("f", "g"));
    list("g");
}
SECTION(wrong) {
    char b[64];
    static char name[300] = "user.", big[70000];
    put("f", "");
    T(setxattr("missing", "user.a", "v", 1, 0));
    T(getxattr("missing", "user.a", b, 1));
    T(setxattr("f", "", "v", 1, 0));
    T(setxattr("f", "nonsense", "v", 1, 0));
    T(setxattr("f", "nonsense.x", "v", 1, 0));
    T(setxattr("f", "user.", "v", 1, 0));
    T(getxattr("f", "nonsense", b, 64));
    T(getxattr("f", "user.", b, 64));
    T(removexattr("f", "nonsense.x"));
    memset(name + 5, 'n', 260);
    T(setxattr("f", name, "v", 1, 0));
    name[255] = 0;
    T(setxattr("f", name, "v", 1, 0));
    T(removexattr("f", name));
    T(setxattr("f", "user.big", big, 65537, 0));
    T(setxattr("f", "user.a", NULL, 5, 0));
    T(setxattr("f", "user.a", hole(), 5, 0));
    T(setxattr("f", "user.a", NULL, 0, 0));
    T(S(setxattr, "f", NULL, "v", 1, 0));
    T(S(setxattr, NULL, "user.a", "v", 1, 0));
    T(S(getxattr, "f", hole(), b, 1));
    T(S(listxattr, "f", hole(), 100));
    T(setxattr("/dev/null", "user.a", "v", 1, 0));
    int p[2];
    MUST(pipe(p));
    T(fsetxattr(p[0], "user.a", "v", 1, 0));
    T(fgetxattr(p[0], "user.a", b, 1));
    T(getxattr("f", "security.capability", b, 64));
    T(getxattr("f", "trusted.x", b, 64));
    T(setxattr("f", "trusted.x", "v", 1, 0));
}
