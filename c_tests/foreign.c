/* A pointer that is not ours goes to libc when nobody was installed before us.
 * The free and realloc of this program stand in front of libc's and remember
 * what reached them. */
#include <stdlib.h>

#include "check.h"

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size);

static void *volatile freed, *volatile reallocated;

void free(void *block)
{
    freed = block;
    __libc_free(block);
}

void *realloc(void *block, size_t size)
{
    reallocated = block;
    return __libc_realloc(block, size);
}

static void pass_through(const Domain *d, size_t size)
{
    char *block = malloc(size);
    memset(block, 'f', size);
    void *address = block;
    block = d->f.realloc(NULL, block, size * 3);
    CHECK(reallocated == address, "%s: libc's realloc did not see %zu bytes", d->name, size);
    CHECK(block != NULL && filled(block, 'f', size), "%s: contents lost", d->name);

    block = d->f.realloc(NULL, block, 0);
    CHECK(block != NULL, "%s: a foreign block resized to 0 was freed", d->name);
    freed = NULL;
    d->f.free(NULL, block);
    CHECK(freed == block, "%s: libc's free did not see it", d->name);
}

int main(void)
{
    EACH_DOMAIN(d) {
        pass_through(d, 10);
        pass_through(d, 1000);
        pass_through(d, 4 * MIB); /* a chunk that libc maps on its own */
    }
    EACH_OWN_DOMAIN(d) { /* and ours do not leak to libc */
        void *block = take(d, 100);
        freed = NULL;
        d->f.free(NULL, d->f.realloc(NULL, block, 5000));
        CHECK(freed == NULL, "%s: libc was given our %p", d->name, freed);
    }
    puts("foreign blocks go to libc, ours do not");
    return 0;
}
