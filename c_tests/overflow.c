/* A size or product beyond PTRDIFF_MAX is NULL, however it wraps around. */
#include "check.h"

#define HALF ((size_t)1 << (sizeof(size_t) * 8 - 1)) /* PTRDIFF_MAX + 1 */
#define ROOT ((size_t)1 << (sizeof(size_t) * 4))     /* ROOT * ROOT wraps to 0 */

int main(void)
{
    static const size_t too_large[] = {HALF,      HALF + 1,         HALF + 4096,      SIZE_MAX - 4096,
                                       SIZE_MAX - 4095, SIZE_MAX - 15, SIZE_MAX - 1, SIZE_MAX,
                                       PTRDIFF_MAX /* representable, but no memory is that large */};
    static const size_t products[][2] = {
        {SIZE_MAX, 2},     {2, SIZE_MAX},    {SIZE_MAX, SIZE_MAX}, {HALF, 1},          {1, HALF},
        {HALF, 2},         {HALF + 8, 2},    {2, HALF + 8},        {ROOT, ROOT},       {ROOT + 1, ROOT},
        {ROOT, ROOT / 2},  {SIZE_MAX, 1},    {SIZE_MAX / 16 + 2, 16} /* wraps to 16 */};

    static const size_t held[] = {1000, 100 * 1000, 4 * MIB}; /* a pool's block, a span, a large one */

    EACH_DOMAIN(d) for (size_t h = 0; h < COUNT(held); h++) {
        char *block = take(d, held[h]);
        memset(block, 'x', held[h]);
        for (size_t i = 0; i < COUNT(too_large); i++) {
            size_t size = too_large[i];
            CHECK(d->f.malloc(NULL, size) == NULL, "%s %#zx", d->name, size);
            CHECK(d->f.calloc(NULL, 1, size) == NULL, "%s %#zx", d->name, size);
            CHECK(d->f.realloc(NULL, NULL, size) == NULL, "%s %#zx", d->name, size);
            CHECK(d->f.realloc(NULL, block, size) == NULL, "%s %#zx", d->name, size);
            CHECK(filled(block, 'x', held[h]), "%s: realloc to %#zx spoilt the block", d->name, size);
        }
        for (size_t i = 0; i < COUNT(products); i++) {
            size_t n = products[i][0], each = products[i][1];
            CHECK(d->f.calloc(NULL, n, each) == NULL, "%s %#zx * %#zx", d->name, n, each);
        }
        d->f.free(NULL, block);
    }
    puts("sizes and products beyond PTRDIFF_MAX are refused");
    return 0;
}
