/*
 * What scripts/hot-path runs under callgrind: warm pairs of malloc and free.
 *
 *   hotpath LIBRARY SIZE...      the block sizes of the size classes, ascending
 *
 * Four ways lead into the heap (two domains, each by the exported functions
 * and by those of Ox_GetAllocator); each prints a line "name malloc free" with
 * the addresses of its functions, and for each class callgrind writes two
 * parts, labelled "name size pairs" and "name size mixed". The last way also
 * frees many blocks in each order ("name size lifo" and so on), and from
 * another thread ("name size foreign").
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "../include/oxmalloc.h"
#include "patterns.h"

enum { PAIRS = 1000, STEPS = 4000, BLOCKS = 400, ROUNDS = 5, POOL = 64 * 1024 };

static unsigned long long seed = 1;
static size_t (*trim)(void);

/* The clock that the library reads stands still: what it does when time passes would
 * make the counts depend on the machine. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    (void)clock;
    *now = (struct timespec){1000, 0};
    return 0;
}

static void die(const char *what) {
    fprintf(stderr, "hotpath: %s\n", what);
    exit(1);
}

static size_t pool_of(const void *block) { return (size_t)block / POOL; }

static int has_neighbour(void **live, size_t n, const void *block) {
    for (size_t i = 0; i < n; i++)
        if (pool_of(live[i]) == pool_of(block)) return 1;
    return 0;
}

/*
 * Leaves some hundred live blocks, others freed in mixed order, and the pool
 * that serves next neither empty nor full: beside the block of a pair there
 * are a live one and, where three fit into a pool, a free one.
 * Returns the number of live blocks.
 */
static size_t warm(const struct way *way, size_t size, void **live) {
    size_t n = BLOCKS;
    for (size_t i = 0; i < n; i++)
        if (!(live[i] = way->malloc(NULL, size))) die("out of memory");
    while (n > BLOCKS / 2) {
        size_t i = below(&seed, n);
        way->free(NULL, live[i]);
        live[i] = live[--n];
    }
    for (; n < BLOCKS; live[n++] = way->malloc(NULL, size)) {
        void *first = way->malloc(NULL, size), *second = way->malloc(NULL, size);
        way->free(NULL, second);
        way->free(NULL, first);
        if (has_neighbour(live, n, first) && (size > POOL / 3 || pool_of(first) == pool_of(second)))
            return n;
    }
    die("no pool came to be neither empty nor full");
    return 0;
}

/* The smallest and the largest request of the class in turn. */
__attribute__((noinline)) static void pairs(const struct way *way, size_t least, size_t most) {
    for (size_t i = 0; i < PAIRS; i++)
        way->free(NULL, way->malloc(NULL, i % 2 ? least : most));
}

/* Takes and frees at random: pools fill up and run empty, too. */
__attribute__((noinline)) static void mixed(const struct way *way, size_t least, size_t most) {
    static void *slot[BLOCKS];
    for (size_t step = 0; step < STEPS; step++) {
        void **one = &slot[below(&seed, BLOCKS)];
        if (*one) {
            way->free(NULL, *one);
            *one = NULL;
        } else {
            *one = way->malloc(NULL, least + below(&seed, most - least + 1));
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (slot[i]) way->free(NULL, slot[i]);
        slot[i] = NULL;
    }
}

static void measure(const struct way *way, size_t least, size_t most) {
    char label[64];
    void *live[BLOCKS];
    size_t n = warm(way, most, live);
    /* While much waits to be given back, malloc passes a slow path now and then. */
    trim();
    for (int times = 0; times < 2; times++) way->free(NULL, way->malloc(NULL, most));

    snprintf(label, sizeof label, "%s %zu pairs", way->name, most);
    CALLGRIND_ZERO_STATS;
    pairs(way, least, most);
    CALLGRIND_DUMP_STATS_AT(label);

    snprintf(label, sizeof label, "%s %zu mixed", way->name, most);
    CALLGRIND_ZERO_STATS;
    mixed(way, least, most);
    CALLGRIND_DUMP_STATS_AT(label);

    while (n > 0) way->free(NULL, live[--n]);
}

struct dropping {
    const struct way *way;
    void **block;
    size_t n;
};

static void *drop_there(void *argument) {
    const struct dropping *what = argument;
    drop(what->way, what->block, what->n);
    return NULL;
}

/* Rounds of many blocks, each a part but the first. Of the parts of one name
 * the middle one counts. */
static void rounds(const struct way *way, size_t size, enum order order, int foreign) {
    static void *block[MOST_BLOCKS];
    struct dropping all = {way, block, blocks_of(size)};
    char label[64];

    snprintf(label, sizeof label, "%s %zu %s", way->name, size, foreign ? "foreign" : order_names[order]);
    for (int round = 0; round <= ROUNDS; round++) {
        CALLGRIND_ZERO_STATS;
        if (!take(way, block, all.n, size)) die("out of memory");
        arrange(block, all.n, order);
        pthread_t thread;
        if (!foreign)
            drop(way, block, all.n);
        else if (pthread_create(&thread, NULL, drop_there, &all) || pthread_join(thread, NULL))
            die("no thread");
        if (round > 0) CALLGRIND_DUMP_STATS_AT(label);
    }
}

static void *exported(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (!function) die(dlerror());
    return function;
}

int main(int argc, char **argv) {
    if (argc < 3) die("usage: hotpath LIBRARY SIZE...");
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) die(dlerror());

    int (*get)(int, OxAllocator *) = (int (*)(int, OxAllocator *))exported(library, "Ox_GetAllocator");
    trim = (size_t (*)(void))exported(library, "Ox_Trim");
    OxAllocator mem, obj;
    if (get(OX_DOMAIN_MEM, &mem) != OX_OK || get(OX_DOMAIN_OBJ, &obj) != OX_OK)
        die("Ox_GetAllocator failed");

    const struct way ways[] = {
        {"OxMem", (void *(*)(void *, size_t))exported(library, "OxMem_Malloc"),
         (void (*)(void *, void *))exported(library, "OxMem_Free")},
        {"OxObject", (void *(*)(void *, size_t))exported(library, "OxObject_Malloc"),
         (void (*)(void *, void *))exported(library, "OxObject_Free")},
        {"MEM-table", mem.malloc, mem.free},
        {"OBJ-table", obj.malloc, obj.free},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        Dl_info info;
        if (!dladdr((void *)ways[i].malloc, &info)) die("dladdr failed");
        size_t base = (size_t)info.dli_fbase;
        printf("%s %#zx %#zx\n", ways[i].name, (size_t)ways[i].malloc - base,
               (size_t)ways[i].free - base);
        size_t least = 1;
        for (int class = 2; class < argc; class++) {
            size_t most = strtoul(argv[class], NULL, 10);
            measure(&ways[i], least, most);
            least = most + 1;
        }
    }
    const struct way *last = &ways[sizeof ways / sizeof *ways - 1];
    for (int class = 2; class < argc; class++) {
        size_t size = strtoul(argv[class], NULL, 10);
        for (enum order order = LIFO; order <= RANDOM; order++) rounds(last, size, order, 0);
        rounds(last, size, FIFO, 1);
    }
    return 0;
}
