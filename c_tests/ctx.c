/* The first argument means nothing: CPython reads {ctx, function} without a
 * lock, so a call may arrive with anybody's ctx. */
#include "check.h"

int main(void)
{
    static char anything;
    void *const contexts[] = {NULL, &anything, (void *)1, (void *)(uintptr_t)-1, (void *)((uintptr_t)1 << 63)};
    EACH_DOMAIN(d) {
        for (size_t i = 0; i < COUNT(contexts); i++) {
            for (size_t s = 0; s < COUNT(SIZES); s++) {
                void *other = contexts[(i + 1) % COUNT(contexts)];
                char *block = d->f.malloc(contexts[i], SIZES[s]);
                block = d->f.realloc(other, block, SIZES[s] + 1);
                CHECK(block != NULL, "%s, ctx %p", d->name, other);
                block[SIZES[s]] = 'x';
                d->f.free(contexts[i], block);
                block = d->f.calloc(other, 1, SIZES[s]);
                CHECK(block != NULL && filled(block, 0, SIZES[s]), "%s, ctx %p", d->name, other);
                d->f.free(other, block);
            }
        }
    }
    puts("any ctx is accepted and ignored");
    return 0;
}
