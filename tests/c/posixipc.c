//: musl
// POSIX semaphores and shared memory between processes (sem_overview(7), shm_overview(7)): files of /dev/shm.
#include "facts.h"
#include <semaphore.h>
#include <sys/wait.h>

static char name[64];
static const char *own(int n) { snprintf(name, sizeof name, "/fncall-%d-%d", getpid(), n); return name; }
static int value(sem_t *s) { int v = -1; sem_getvalue(s, &v); return v; }

SECTION(named_semaphore) {
    sem_t *s = sem_open(own(0), 0);
    IS(s == SEM_FAILED && errno == ENOENT);
    s = sem_open(own(0), O_CREAT | O_EXCL, 0600, 2);
    IS(s != SEM_FAILED);
    IS(sem_open(own(0), O_CREAT | O_EXCL, 0600, 2) == SEM_FAILED && errno == EEXIST);
    IS(sem_open(own(0), 0) == s);
    T(sem_wait(s));
    T(sem_wait(s));
    T(sem_trywait(s));
    struct timespec t = {1, 0};
    T(sem_timedwait(s, &t));
    char path[64];
    strcpy(path, own(0));
    int child = fork();
    if (!child) {
        sem_t *c = sem_open(path, 0);
        sleep_ms(20);
        MUST(sem_post(c));
        _exit(0);
    }
    MUST(sem_wait(s));
    waitpid(child, NULL, 0);
    N(value(s));
    T(sem_unlink(own(0)));
    T(sem_unlink(own(0)));
    T(sem_post(s));
    N(value(s));
    T(sem_close(s));
}
SECTION(semaphore_in_shared_memory) {
    struct { sem_t lock, done; int count; } *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(sem_init(&p->lock, 1, 1));
    MUST(sem_init(&p->done, 1, 0));
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            for (int j = 0; j < 1000; j++) {
                sem_wait(&p->lock);
                int n = p->count;
                if (j % 100 == 0) sleep_ms(1);
                p->count = n + 1;
                sem_post(&p->lock);
            }
            sem_post(&p->done);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) MUST(sem_wait(&p->done));
    N(p->count);
    while (wait(NULL) > 0) {}
    printf("%d %d\n", value(&p->lock), value(&p->done));
}
SECTION(shared_memory) {
    IS(shm_open(own(0), O_RDWR, 0) == -1 && errno == ENOENT);
    int fd = MUST(shm_open(own(0), O_RDWR | O_CREAT | O_EXCL, 0600));
    T(fcntl(fd, F_GETFD));
    T(ftruncate(fd, 2 * PAGE));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(p + PAGE, "from the parent");
    char path[64];
    strcpy(path, own(0));
    int child = fork();
    if (!child) {
        int f = MUST(shm_open(path, O_RDWR, 0));
        struct stat s;
        fstat(f, &s);
        printf("size %ld mode %o\n", (long)s.st_size, s.st_mode);
        char *q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        puts(q + PAGE);
        strcpy(q, "from the child");
        T(shm_unlink(path));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    puts(p);
    T(shm_unlink(own(0)));
    IS(shm_open(own(0), O_RDWR, 0) == -1 && errno == ENOENT);
    T(shm_unlink("/no/such/name") == -1);
    T(shm_open("/a/b", O_RDWR | O_CREAT, 0600) == -1);
    fd = MUST(shm_open(own(1), O_RDONLY | O_CREAT, 0400));
    T((long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    T(shm_unlink(own(1)));
}
