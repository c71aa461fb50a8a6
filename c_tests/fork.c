/* 500 forks while six threads allocate. A child allocates, frees blocks of
 * threads it does not have, and exits; a lock that belongs to one of those
 * would hang it. An alarm says so, of the fork as well. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "check.h"

enum { FORKS = 500, THREADS = 6, SLOTS = 256, ALARM_SECONDS = 30 };

/* A block belongs to whoever took it out of its slot, so a fork finds in the
 * slots only blocks that no thread was busy with. The first word is the size. */
static _Atomic(size_t *) slot[SLOTS];
static atomic_bool stop;

static const Domain *domain_of(size_t index)
{
    return DOMAINS + index % 3;
}

static void replace(size_t index, size_t size)
{
    const Domain *d = domain_of(index);
    size_t *block = atomic_exchange(&slot[index], NULL);
    if (block != NULL) {
        CHECK(filled(block + 1, (int)index, *block - sizeof(size_t)), "%s: block of %zu changed", d->name, *block);
        d->f.free(NULL, block);
    }
    block = take(d, size);
    *block = size;
    memset(block + 1, (int)index, size - sizeof(size_t));
    block = atomic_exchange(&slot[index], block);
    d->f.free(NULL, block); /* another was faster */
}

static size_t next_size(unsigned *seed)
{
    size_t size = (size_t)rand_r(seed);
    return sizeof(size_t) + (size % 256 == 0 ? size % 100000 : size % 1000);
}

static void *allocate(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    do {
        for (int i = 0; i < 100; i++) {
            replace((size_t)rand_r(&seed) % SLOTS, next_size(&seed));
        }
    } while (!atomic_load(&stop));
    return NULL;
}

static void child(int number)
{
    signal(SIGALRM, SIG_DFL);
    alarm(ALARM_SECONDS);
    unsigned seed = (unsigned)number;
    for (size_t i = 0; i < SLOTS; i++) {
        replace(i, next_size(&seed));
    }
    if (number % 50 == 0) { /* a child may have threads of its own */
        pthread_t thread;
        atomic_store(&stop, true); /* after one round */
        CHECK(pthread_create(&thread, NULL, allocate, NULL) == 0, "no thread in child %d", number);
        pthread_join(thread, NULL);
    }
    EACH_OWN_DOMAIN(d) {
        for (size_t s = 0; s < COUNT(SIZES); s++) { /* every kind, also those not in the slots */
            d->f.free(NULL, take(d, SIZES[s]));
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        domain_of(i)->f.free(NULL, atomic_exchange(&slot[i], NULL));
    }
    stats();
    _exit(0);
}

static void fork_hangs(int signal_number)
{
    (void)signal_number;
    CHECK(false, "fork() itself hung");
}

int main(void)
{
    signal(SIGALRM, fork_hangs);
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&thread[i], NULL, allocate, (void *)(i + 1)) == 0, "no thread");
    }
    for (int i = 0; i < FORKS; i++) {
        alarm(ALARM_SECONDS);
        pid_t pid = fork();
        CHECK(pid >= 0, "no fork");
        if (pid == 0) {
            child(i);
        }
        alarm(0);
        int how;
        CHECK(waitpid(pid, &how, 0) == pid, "child %d is gone", i);
        CHECK(!WIFSIGNALED(how) || WTERMSIG(how) != SIGALRM, "child %d hung", i);
        CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 0, "child %d ended with wait status %#x", i, (unsigned)how);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        domain_of(i)->f.free(NULL, slot[i]);
    }
    CHECK(live_blocks() == 0, "%zu blocks left", live_blocks());
    printf("%d forks while %d threads allocate\n", FORKS, THREADS);
    return 0;
}
