/* A request for zero bytes gets a block like any other: not NULL, its own. */
#include <stdlib.h>

#include "check.h"

enum { BLOCKS = 5000 };

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static void *zero_bytes(const Domain *d, int how)
{
    switch (how % 6) {
    case 0:
        return d->f.malloc(NULL, 0);
    case 1:
        return d->f.calloc(NULL, 0, 0);
    case 2:
        return d->f.calloc(NULL, 0, SIZE_MAX);
    case 3:
        return d->f.calloc(NULL, SIZE_MAX, 0);
    case 4:
        return d->f.realloc(NULL, NULL, 0);
    default: /* realloc to 0 resizes; it must not free */
        return d->f.realloc(NULL, take(d, 100), 0);
    }
}

int main(void)
{
    static void *blocks[BLOCKS];
    size_t before = live_blocks();
    EACH_DOMAIN(d) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = zero_bytes(d, i);
            CHECK(blocks[i] != NULL, "%s, way %d", d->name, i % 6);
        }
        qsort(blocks, BLOCKS, sizeof blocks[0], by_address);
        for (int i = 1; i < BLOCKS; i++) {
            CHECK(blocks[i - 1] != blocks[i], "%s: %p was given twice", d->name, blocks[i]);
        }
        for (int i = 0; i < BLOCKS; i++) {
            d->f.free(NULL, blocks[i]);
        }
        d->f.free(NULL, NULL);
    }
    CHECK(live_blocks() == before, "%zu blocks left", live_blocks() - before);
    puts("zero sizes get distinct blocks in every domain");
    return 0;
}
