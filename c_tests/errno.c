/* errno survives free, and every call that succeeds: CPython frees before it
 * reads errno, and fails to start when that changed it. */
#include <errno.h>
#include <pthread.h>

#include "check.h"

enum { SENTINEL = 12345 };

#define KEEPS_ERRNO(call, where, size)                                         \
    do {                                                                       \
        errno = SENTINEL;                                                      \
        call;                                                                  \
        int now = errno;                                                       \
        CHECK(now == SENTINEL, "%s set errno to %d (%s, %zu)", #call, now,     \
              (const char *)(where), (size_t)(size));                          \
    } while (0)

static void blocks(const Domain *d)
{
    enum { N = 300 };
    void *block[N];
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        size_t size = SIZES[s];
        /* Many small blocks, so that pools come and go; a few large ones, so
         * that the cache of large blocks fills, serves and overflows. */
        int n = size <= LAST_CLASS ? N : 8;
        for (int i = 0; i < n; i++) {
            KEEPS_ERRNO(block[i] = d->f.malloc(NULL, size), d->name, size);
            KEEPS_ERRNO(block[i] = d->f.realloc(NULL, block[i], size * 2 + 1), d->name, size);
            KEEPS_ERRNO(block[i] = d->f.realloc(NULL, block[i], size / 3), d->name, size);
            KEEPS_ERRNO(d->f.free(NULL, block[i]), d->name, size);
            KEEPS_ERRNO(block[i] = d->f.calloc(NULL, 1, size), d->name, size);
            CHECK(block[i] != NULL, "%s %zu", d->name, size);
        }
        for (int i = 0; i < n; i++) {
            KEEPS_ERRNO(d->f.free(NULL, block[i]), d->name, size);
        }
    }
    KEEPS_ERRNO(d->f.free(NULL, NULL), d->name, 0);
}

/* The first call of a new thread makes a heap; another's block goes home. */
static void *other_thread(void *block)
{
    KEEPS_ERRNO(OxMem_Free(NULL, block), "of the main thread", 50);
    KEEPS_ERRNO(block = OxObject_Malloc(NULL, 50), "first call of a thread", 50);
    KEEPS_ERRNO(OxObject_Free(NULL, block), "new thread", 50);
    return NULL;
}

int main(void)
{
    EACH_DOMAIN(d) {
        blocks(d);
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other_thread, OxMem_Malloc(NULL, 50)) == 0, "no thread");
    pthread_join(thread, NULL);

    OxArenaInfo arenas[4];
    OxStats totals;
    totals.size = sizeof totals;
    KEEPS_ERRNO(Ox_GetStats(&totals), "own interface", 0);
    KEEPS_ERRNO(Ox_GetArenas(arenas, sizeof arenas[0], COUNT(arenas)), "own interface", 0);
    KEEPS_ERRNO(Ox_Trim(), "own interface", 0);
    KEEPS_ERRNO(Ox_Owns(&arenas), "own interface", 0);
    KEEPS_ERRNO(Ox_UsableSize(NULL), "own interface", 0);
    puts("errno is kept by free and by every successful call");
    return 0;
}
