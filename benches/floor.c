/*
 * The floor: what is left of an allocator that gives nothing back and looks at
 * nothing. One free list for each size class of the whole process, popped and
 * pushed, no header, no count, no check, no lock (every call has the GIL). What
 * a program takes on it beyond this is its own work, and the page faults of its
 * first touch. Only the resizing of large blocks could be better: it copies.
 *
 * Preloaded by scripts/bench, as a measure for the other sides; for nothing else.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { POOL_SHIFT = 16, SMALL = 32 * 1024, CLASSES = 256, FIRST_LARGE = 128, PAGE = 4096 };
#define POOL ((size_t)1 << POOL_SHIFT)
#define SPACE ((size_t)64 << 30)
/* A block of the last class. */
#define MOST ((size_t)2 << 30)
/* As oxmalloc for small blocks: small heaps have small pages, the rest huge ones. */
#define HUGE_FROM ((size_t)24 << 20)

/* PyMemAllocatorEx. */
struct allocator {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};
extern void PyMem_SetAllocator(int domain, struct allocator *) __attribute__((weak));

static char *space, *top;
static unsigned char class_of_pool[SPACE >> POOL_SHIFT];
static unsigned char class_of_size[SMALL / 16 + 1];
static size_t size_of[FIRST_LARGE];
static void *free_block[CLASSES];
static struct { char *at, *end; } fresh[FIRST_LARGE];

static inline unsigned class_of(size_t size) {
    if (size <= SMALL) return class_of_size[(size + 15) / 16];
    /* Eight for each doubling. */
    unsigned log = 63 - (unsigned)__builtin_clzl(size - 1);
    return FIRST_LARGE + (log - 15) * 8 + ((size - 1) >> (log - 3) & 7);
}

static size_t block_size(unsigned class) {
    if (class < FIRST_LARGE) return size_of[class];
    class -= FIRST_LARGE;
    return (size_t)(9 + class % 8) << (class / 8 + 12);
}

static char *take(unsigned class, size_t size) {
    char *taken = top;
    top += (size + POOL - 1) & ~(POOL - 1);
    if (top > space + SPACE) abort();
    class_of_pool[(size_t)(taken - space) >> POOL_SHIFT] = (unsigned char)class;
    return taken;
}

/* A page of blocks; the first is returned, the others are free. */
static __attribute__((noinline)) void *more(unsigned class) {
    size_t size = block_size(class);
    if (class >= FIRST_LARGE) return take(class, size);
    if (fresh[class].at == NULL || fresh[class].at + size > fresh[class].end) {
        fresh[class].at = take(class, POOL);
        fresh[class].end = fresh[class].at + POOL;
    }
    char *first = fresh[class].at, *end = first + size;
    while (end + size <= fresh[class].end && end - first < PAGE) end += size;
    fresh[class].at = end;
    for (char *block = end - size; block > first; block -= size) {
        *(void **)block = free_block[class];
        free_block[class] = block;
    }
    return first;
}

static void *floor_malloc(void *context, size_t size) {
    (void)context;
    if (size > MOST) return NULL;
    unsigned class = class_of(size ? size : 1);
    void *block = free_block[class];
    if (__builtin_expect(block == NULL, 0)) return more(class);
    free_block[class] = *(void **)block;
    return block;
}

static void floor_free(void *context, void *block) {
    (void)context;
    size_t offset = (size_t)((char *)block - space);
    if (__builtin_expect(offset >= SPACE, 0)) {
        free(block);
        return;
    }
    unsigned class = class_of_pool[offset >> POOL_SHIFT];
    *(void **)block = free_block[class];
    free_block[class] = block;
}

static void *floor_calloc(void *context, size_t number, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(number, size, &bytes)) return NULL;
    void *block = floor_malloc(context, bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static void *floor_realloc(void *context, void *block, size_t size) {
    if (block == NULL) return floor_malloc(context, size);
    size_t offset = (size_t)((char *)block - space);
    if (offset >= SPACE) return realloc(block, size ? size : 1);
    size_t have = block_size(class_of_pool[offset >> POOL_SHIFT]);
    if (size <= have && size > have - have / 4) return block;
    void *new = floor_malloc(context, size);
    if (new == NULL) return NULL;
    memcpy(new, block, have < size ? have : size);
    floor_free(context, block);
    return new;
}

__attribute__((constructor)) static void install(void) {
    if (!PyMem_SetAllocator) return;
    unsigned class = 0;
    for (size_t size = 0; size < SMALL; class++) {
        size_t step = 16;
        while (size >= 512 && size >= step * 8) step *= 2;
        size_of[class] = size += step;
    }
    class = 0;
    for (size_t units = 0; units <= SMALL / 16; units++) {
        if (units * 16 > size_of[class]) class++;
        class_of_size[units] = (unsigned char)class;
    }
    const size_t huge = (size_t)2 << 20;
    char *mapped = mmap(NULL, SPACE + huge, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) abort();
    top = space = (char *)(((uintptr_t)mapped + huge - 1) & ~(huge - 1));
    madvise(space, HUGE_FROM, MADV_NOHUGEPAGE);
    madvise(space + HUGE_FROM, SPACE - HUGE_FROM, MADV_HUGEPAGE);
    struct allocator table = {NULL, floor_malloc, floor_calloc, floor_realloc, floor_free};
    PyMem_SetAllocator(1, &table);
    PyMem_SetAllocator(2, &table);
}
