/* With no memory left: NULL and nothing lost. A failed realloc leaves its
 * block whole, a shrinking one does not fail, and all goes on afterwards. */
#include <errno.h>
#include <sys/resource.h>

#include "check.h"

enum { N = COUNT(SIZES) };

/* A limit below what is mapped refuses every new mapping from now on. */
static void address_space(rlim_t limit)
{
    struct rlimit both;
    getrlimit(RLIMIT_AS, &both);
    both.rlim_cur = limit < both.rlim_max ? limit : both.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &both) == 0, "setrlimit");
}

/* Takes blocks of every size until there are no more; they are chained
 * through their first word. */
static void *take_all(const Domain *d)
{
    void **taken = NULL;
    for (size_t i = N; i-- > 1;) {
        size_t size = SIZES[i] < sizeof(void *) ? sizeof(void *) : SIZES[i];
        void **block;
        while ((block = d->f.malloc(NULL, size)) != NULL) {
            *block = taken;
            taken = block;
        }
    }
    return taken;
}

static void give_back(const Domain *d, void *taken)
{
    while (taken != NULL) {
        void *next = *(void **)taken;
        d->f.free(NULL, taken);
        taken = next;
    }
}

static void in_domain(const Domain *d)
{
    char *block[N];
    for (size_t i = 0; i < N; i++) {
        block[i] = take(d, SIZES[i]);
        memset(block[i], 'k', SIZES[i]);
    }
    address_space(1);
    void *taken = take_all(d);

    size_t failures = 0;
    for (size_t i = 0; i < N; i++) {
        CHECK(d->f.malloc(NULL, 64 * MIB) == NULL, "%s: more than there is", d->name);
        CHECK(d->f.calloc(NULL, 64, MIB) == NULL, "%s: more than there is", d->name);
        CHECK(d->f.realloc(NULL, block[i], 64 * MIB) == NULL, "%s: more than there is", d->name);
        CHECK(filled(block[i], 'k', SIZES[i]), "%s: failed realloc spoilt %zu bytes", d->name, SIZES[i]);
        char *grown = d->f.realloc(NULL, block[i], SIZES[i] + SIZES[i] / 2 + 64);
        failures += grown == NULL;
        block[i] = grown != NULL ? grown : block[i];
        CHECK(filled(block[i], 'k', SIZES[i]), "%s: failed realloc spoilt %zu bytes", d->name, SIZES[i]);
    }
    CHECK(failures > N / 2, "%s: memory was not exhausted, only %zu of %d failed", d->name, failures, N);

    for (size_t i = 0; i < N; i++) {
        for (size_t size = SIZES[i], smaller; size > 0; size = smaller) {
            smaller = size / 2;
            errno = 0;
            char *shrunk = d->f.realloc(NULL, block[i], smaller);
            CHECK(shrunk != NULL, "%s: shrinking %zu to %zu failed", d->name, size, smaller);
            CHECK(errno == 0, "%s: shrinking %zu to %zu succeeded but set errno to %d", d->name, size, smaller, errno);
            CHECK(filled(shrunk, 'k', smaller), "%s: shrinking to %zu lost contents", d->name, smaller);
            block[i] = shrunk;
        }
    }
    give_back(d, taken);
    /* What was given back serves again, still under the limit. */
    for (size_t i = 0; i < N; i++) {
        d->f.free(NULL, block[i]);
        d->f.free(NULL, take(d, 100));
    }
    address_space(RLIM_INFINITY);
    d->f.free(NULL, take(d, 64 * MIB)); /* all is well again */
}

int main(void)
{
    size_t before = live_blocks();
    EACH_DOMAIN(d) {
        in_domain(d);
    }
    CHECK(live_blocks() == before, "%zu blocks left", live_blocks() - before);
    puts("out of memory is NULL, with nothing lost, and passes");
    return 0;
}
