/*
 * Times many blocks through PyObject_Malloc, whichever allocator serves it:
 * benches/inside/micro.py loads this into an interpreter and holds the GIL.
 */
#define _POSIX_C_SOURCE 199309L
#include <time.h>

#include "patterns.h"

enum { PAIRS = 20000 };

/* Of the interpreter that loads this. */
extern void *PyObject_Malloc(size_t size);
extern void PyObject_Free(void *block);

static void *object_malloc(void *context, size_t size) {
    (void)context;
    return PyObject_Malloc(size);
}

static void object_free(void *context, void *block) {
    (void)context;
    PyObject_Free(block);
}

static const struct way objects = {"PyObject", object_malloc, object_free};
static void *block[MOST_BLOCKS];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Nanoseconds for a malloc and the free of the same block; negative: no memory. */
double micro_pair(size_t size) {
    double began = now();
    for (size_t i = 0; i < PAIRS; i++) {
        void *one = PyObject_Malloc(size);
        if (!one) return -1;
        PyObject_Free(one);
    }
    return (now() - began) / PAIRS;
}

/* Nanoseconds for a malloc of many, which then wait in the order of freeing. */
double micro_take(size_t size, int order) {
    size_t n = blocks_of(size);
    double began = now();
    if (!take(&objects, block, n, size)) return -1;
    double spent = now() - began;
    arrange(block, n, (enum order)order);
    return spent / (double)n;
}

/* Nanoseconds for a free of one of them. */
double micro_drop(size_t size) {
    size_t n = blocks_of(size);
    double began = now();
    drop(&objects, block, n);
    return (now() - began) / (double)n;
}
