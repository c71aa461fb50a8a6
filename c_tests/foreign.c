/* A pointer that is not ours goes to libc when nobody was installed before us.
 * The free and realloc of this program stand in front of libc's and remember
 * what reached them. */
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size);

static void *volatile freed, *volatile reallocated;
static char *of_nobody; /* that libc does not know either */

void free(void *block)
{
    freed = block;
    if (block != of_nobody) {
        __libc_free(block);
    }
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

/* A large block grows and finds a mapping of somebody else behind it: what lies
 * there is foreign before and after. */
static void behind_a_large_block(const Domain *d)
{
    char *block = take(d, 2 * MIB), *end = block + 2 * MIB;
    memset(block, 'b', 2 * MIB);
    char *other = mmap(end, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(other == end, "%s: %p is taken", d->name, (void *)end);
    block = d->f.realloc(NULL, block, 3 * MIB);
    CHECK(block != NULL && filled(block, 'b', 2 * MIB), "%s: contents lost", d->name);
    of_nobody = other + 64;
    d->f.free(NULL, of_nobody);
    CHECK(freed == of_nobody, "%s: libc's free did not see it", d->name);
    d->f.free(NULL, block);
    munmap(other, MIB);
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
    behind_a_large_block(&DOMAINS[OX_DOMAIN_MEM]);
    puts("foreign blocks go to libc, ours do not");
    return 0;
}
