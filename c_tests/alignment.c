/* Every block is aligned to 16, whatever its size and whichever call made it. */
#include "check.h"

#define ALL_SIZES_TO ((size_t)70000)

static void check_aligned(const Domain *d, const char *how, void *block, size_t size)
{
    CHECK(block != NULL, "%s %s(%zu)", d->name, how, size);
    CHECK((uintptr_t)block % 16 == 0, "%s %s(%zu) is %p", d->name, how, size, block);
}

static void try_size(const Domain *d, size_t size)
{
    /* A second block of the size: not only the first of a pool is aligned. */
    void *first = d->f.malloc(NULL, size), *second = d->f.malloc(NULL, size);
    void *zeroed = d->f.calloc(NULL, size, 1);
    check_aligned(d, "malloc", first, size);
    check_aligned(d, "malloc", second, size);
    check_aligned(d, "calloc", zeroed, size);
    first = d->f.realloc(NULL, first, size / 2 + 7);
    check_aligned(d, "shrinking realloc", first, size);
    second = d->f.realloc(NULL, second, size + size / 2 + 7);
    check_aligned(d, "growing realloc", second, size);
    d->f.free(NULL, first);
    d->f.free(NULL, second);
    d->f.free(NULL, zeroed);
}

int main(void)
{
    EACH_DOMAIN(d) {
        for (size_t size = 0; size <= ALL_SIZES_TO; size++) {
            try_size(d, size);
        }
        for (size_t size = ALL_SIZES_TO; size < 4 * MIB; size += 15953) {
            try_size(d, size);
        }
        try_size(d, 64 * MIB + 1);
    }
    printf("aligned to 16: all sizes to %zu and a sample to 64 MiB\n", ALL_SIZES_TO);
    return 0;
}
