/*
 * Blocks that are taken one after another and freed in some order: what
 * hotpath.c counts in instructions, and micro.c and threads.c in time.
 */
#ifndef PATTERNS_H
#define PATTERNS_H

#include <stddef.h>

/* A way into a heap: the two functions, called with a context that is NULL. */
struct way {
    const char *name;
    void *(*malloc)(void *, size_t);
    void (*free)(void *, void *);
};

enum order { LIFO, FIFO, RANDOM };
static const char *const order_names[] = {"lifo", "fifo", "random"};

enum { MOST_BLOCKS = 16384, FEWEST_BLOCKS = 512 };

/* So many that they fill four pools of 64 KiB, and a few dozen of a large size. */
static inline size_t blocks_of(size_t size) {
    size_t n = 4 * 65536 / size;
    return n < FEWEST_BLOCKS ? FEWEST_BLOCKS : n > MOST_BLOCKS ? MOST_BLOCKS : n;
}

/* A generator of its own for each caller: always the same numbers. */
static inline size_t below(unsigned long long *seed, size_t n) {
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)((*seed >> 33) % n);
}

/* Takes n blocks; 0 when there is no memory. */
__attribute__((noinline, unused)) static int take(const struct way *way, void **block, size_t n, size_t size) {
    for (size_t i = 0; i < n; i++)
        if (!(block[i] = way->malloc(NULL, size))) return 0;
    return 1;
}

/* Brings them into the order in which `drop` shall free them. */
__attribute__((unused)) static void arrange(void **block, size_t n, enum order order) {
    unsigned long long seed = n;
    for (size_t i = 0; i < n; i++) {
        size_t other = order == LIFO && i < n / 2 ? n - 1 - i : order == RANDOM ? i + below(&seed, n - i) : i;
        void *swapped = block[i];
        block[i] = block[other];
        block[other] = swapped;
    }
}

__attribute__((noinline, unused)) static void drop(const struct way *way, void **block, size_t n) {
    for (size_t i = 0; i < n; i++) way->free(NULL, block[i]);
}

#endif
