/*
 * How the rate of malloc and free grows with the threads, one core for each.
 *
 *   threads SECONDS CORE[,CORE...] [LIBRARY]
 *
 * With a LIBRARY its OxObject_Malloc and OxObject_Free serve, else malloc and
 * free. Prints the calls of all threads per second, and the library they went to.
 */
#define _GNU_SOURCE /* affinity */
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "patterns.h"

enum { MOST_THREADS = 256, SIZES = 64, BLOCKS = 1024 };

struct worker {
    pthread_t thread;
    int core;
    unsigned long long calls;
};

static struct way way;
static size_t sizes[SIZES];
static atomic_int stop;
static pthread_barrier_t start;

static void *libc_malloc(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void libc_free(void *context, void *block) {
    (void)context;
    free(block);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    void *block[BLOCKS];
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(worker->core, &cores);
    pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    pthread_barrier_wait(&start);
    for (size_t turn = 0; !atomic_load_explicit(&stop, memory_order_relaxed); turn++) {
        for (size_t i = 0; i < BLOCKS; i++)
            if (!(block[i] = way.malloc(NULL, sizes[(i + turn) % SIZES]))) abort();
        arrange(block, BLOCKS, (enum order)(turn % 3));
        drop(&way, block, BLOCKS);
        worker->calls += 2 * BLOCKS;
    }
    return NULL;
}

int main(int argc, char **argv) {
    static struct worker workers[MOST_THREADS];
    unsigned n = 0;
    if (argc < 3) return fprintf(stderr, "usage: threads SECONDS CORES [LIBRARY]\n"), 2;
    way = (struct way){"malloc", libc_malloc, libc_free};
    if (argc > 3) {
        void *library = dlopen(argv[3], RTLD_NOW);
        if (!library) return fprintf(stderr, "threads: %s\n", dlerror()), 1;
        way.malloc = (void *(*)(void *, size_t))dlsym(library, "OxObject_Malloc");
        way.free = (void (*)(void *, void *))dlsym(library, "OxObject_Free");
    }
    Dl_info served;
    /* The address of malloc itself may be that of a jump in this program. */
    void *inside = argc > 3 ? (void *)way.malloc : dlsym(RTLD_DEFAULT, "malloc_usable_size");
    if (!inside || !dladdr(inside, &served)) abort();

    unsigned long long seed = 1;
    for (size_t i = 0; i < SIZES; i++) sizes[i] = (size_t)16 << below(&seed, 7); /* to 1 KiB */

    for (char *core = argv[2]; *core && n < MOST_THREADS; n++) {
        workers[n].core = (int)strtol(core, &core, 10);
        core += *core == ',';
    }
    pthread_barrier_init(&start, NULL, n + 1);
    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) abort();
    pthread_barrier_wait(&start);
    double seconds = atof(argv[1]);
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
    atomic_store(&stop, 1);

    unsigned long long calls = 0;
    for (unsigned i = 0; i < n; i++) {
        pthread_join(workers[i].thread, NULL);
        calls += workers[i].calls;
    }
    printf("%.0f %s\n", (double)calls / seconds, served.dli_fname);
    return 0;
}
