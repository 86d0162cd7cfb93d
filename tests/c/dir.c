//: files musl
// getdents64(2) and what readdir(3), telldir(3) and seekdir(3) make of it.
#include "facts.h"
#include <dirent.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static void list(const char *path) {
    char *names[2000];
    int n = 0;
    DIR *d = opendir(path);
    if (!d) { printf("%s: %s\n", path, ename(errno)); return; }
    struct dirent *e;
    while ((e = readdir(d)) && n < 2000) {
        char line[300];
        snprintf(line, sizeof line, "%s %d", e->d_name, e->d_type);
        names[n++] = strdup(line);
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    printf("%s:", path);
    for (int i = 0; i < n; i++) printf(" [%s]", names[i]), free(names[i]);
    puts("");
}
static int count(const char *path) {
    DIR *d = opendir(path);
    int n = 0;
    if (!d) return -1;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}
SECTION(types) {
    put("file", "x");
    MUST(mkdir("dir", 0755));
    MUST(symlink("file", "link"));
    MUST(mkfifo("fifo", 0600));
    MUST(link("file", "hard"));
    list(".");
    list("dir");
    list("file");
    list("missing");
    MUST(rmdir("dir"));
    MUST(unlink("link"));
    list(".");
    N(count("/proc/self/task"));
}
SECTION(inode_numbers_match) {
    put("a", "x");
    MUST(mkdir("d", 0755));
    MUST(symlink("a", "l"));
    DIR *d = opendir(".");
    struct dirent *e;
    int same = 1, seen = 0;
    while ((e = readdir(d))) {
        struct stat s;
        MUST(lstat(e->d_name, &s));
        same &= s.st_ino == e->d_ino || !strcmp(e->d_name, "..");
        seen++;
    }
    N(seen);
    IS(same);
}
SECTION(many) {
    MUST(mkdir("big", 0755));
    char p[64];
    for (int i = 0; i < 1500; i++) { snprintf(p, sizeof p, "big/entry-%04d", i); put(p, ""); }
    N(count("big"));
    // Every name exactly once, whatever the buffer's size.
    for (int size = 64; size <= 65536; size *= 4) {
        int fd = open("big", O_RDONLY | O_DIRECTORY), seen = 0, twice = 0;
        static char had[1500];
        memset(had, 0, sizeof had);
        char *buf = malloc(size);
        long n;
        while ((n = S(getdents64, fd, buf, size)) > 0)
            for (long o = 0; o < n;) {
                struct dirent64 *e = (void *)(buf + o);
                int i;
                if (sscanf(e->d_name, "entry-%d", &i) == 1) { twice += had[i]; had[i] = 1; }
                seen++;
                o += e->d_reclen;
                if (e->d_reclen & 7) puts("record is not aligned");
            }
        printf("size %d: last %ld, seen %d, twice %d\n", size, n, seen, twice);
        free(buf);
        close(fd);
    }
}
SECTION(small_buffers) {
    MUST(mkdir("d", 0755));
    put("d/a-name-that-is-rather-long-for-a-small-buffer", "");
    int fd = open("d", O_RDONLY);
    char b[256];
    T(S(getdents64, fd, b, 0));
    T(S(getdents64, fd, b, 10));
    T(S(getdents64, fd, b, 23));
    T(S(getdents64, fd, NULL, 256));
    T(S(getdents64, fd, hole(), 256));
    T(S(getdents64, fd, b, 256) > 0);
    T(S(getdents64, fd, b, 256));
    T(S(getdents64, fd, NULL, 256));
    T(S(getdents64, -1, b, 256));
    put("f", "");
    T(S(getdents64, open("f", O_RDONLY), b, 256));
    T(lseek(fd, 0, SEEK_SET));
    T(S(getdents64, fd, b, 256) > 0);
    int p[2];
    MUST(pipe(p));
    T(S(getdents64, p[0], b, 256));
    T(S(getdents, fd, b, 256));
    T(lseek(fd, 0, SEEK_SET));
    T(S(getdents, fd, b, 256) > 0);
    T(S(getdents, fd, b, 8));
}
SECTION(seek_and_tell) {
    MUST(mkdir("d", 0755));
    char p[64];
    for (int i = 0; i < 40; i++) { snprintf(p, sizeof p, "d/n%02d", i); put(p, ""); }
    DIR *d = opendir("d");
    char names[50][32];
    long at[50];
    int n = 0;
    struct dirent *e;
    for (;;) {
        at[n] = telldir(d);
        if (!(e = readdir(d))) break;
        strcpy(names[n++], e->d_name);
    }
    N(n);
    int right = 1;
    for (int i = n - 1; i >= 0; i -= 3) {
        seekdir(d, at[i]);
        e = readdir(d);
        right &= e && !strcmp(e->d_name, names[i]);
    }
    IS(right);
    seekdir(d, at[n]);
    IS(readdir(d) == NULL);
    rewinddir(d);
    e = readdir(d);
    IS(e && !strcmp(e->d_name, names[0]));
}
SECTION(change_while_reading) {
    MUST(mkdir("d", 0755));
    char p[300];
    for (int i = 0; i < 300; i++) { snprintf(p, sizeof p, "d/n%03d", i); put(p, ""); }
    // Removing what was read must not hide what was not: rm -r does this.
    DIR *d = opendir("d");
    struct dirent *e;
    int removed = 0;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        snprintf(p, sizeof p, "d/%s", e->d_name);
        MUST(unlink(p));
        removed++;
    }
    N(removed);
    N(count("d"));
    T(rmdir("d"));
    // A directory that is gone, but open.
    T(readdir(d) != NULL);
    char b[256];
    T(S(getdents64, dirfd(d), b, sizeof b));
    T(lseek(dirfd(d), 0, SEEK_SET));
    T(S(getdents64, dirfd(d), b, sizeof b));
}
SECTION(added_after_rewind) {
    MUST(mkdir("d", 0755));
    put("d/one", "");
    DIR *d = opendir("d");
    int n = 0;
    while (readdir(d)) n++;
    N(n);
    put("d/two", "");
    rewinddir(d);
    n = 0;
    while (readdir(d)) n++;
    N(n);
    MUST(unlink("d/one"));
    MUST(unlink("d/two"));
    rewinddir(d);
    n = 0;
    while (readdir(d)) n++;
    N(n);
}
SECTION(fdopendir_shares) {
    MUST(mkdir("d", 0755));
    put("d/one", "");
    int fd = open("d", O_RDONLY), fd2 = dup(fd);
    char b[1024];
    T(S(getdents64, fd, b, sizeof b) > 0);
    T(S(getdents64, fd2, b, sizeof b));
    int fd3 = open("d", O_RDONLY);
    T(S(getdents64, fd3, b, sizeof b) > 0);
}
