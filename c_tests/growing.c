/* A large block grows in place when what lies behind it was freed and is too
 * short; and what it gives back while it grows is about what it grew by. */
#include <stdlib.h>

#include "check.h"

enum { SPANS = 96, TURNS = 400 };
static const size_t POOL = 64 * 1024;

/* 47 pools, 17 that are freed behind them: two slots. 87 pools are three. */
static void in_place(const Domain *d)
{
    char *block = take(d, 47 * POOL), *behind = take(d, 17 * POOL);
    memset(block, 1, 47 * POOL);
    memset(behind, 2, 17 * POOL);
    CHECK(behind == block + 47 * POOL, "%s: %p is not behind %p", d->name, (void *)behind, (void *)block);
    d->f.free(NULL, behind);
    char *grown = d->f.realloc(NULL, block, 87 * POOL);
    CHECK(grown == block, "%s: moved from %p to %p", d->name, (void *)block, (void *)grown);
    CHECK(filled(grown, 1, 47 * POOL), "%s: the contents have changed", d->name);
    memset(grown, 3, 87 * POOL);
    d->f.free(NULL, grown);
    Ox_Trim();
}

/* It grows by a pool at a time, while arenas fill up and empty. */
static void bounded(const Domain *d)
{
    static char *span[SPANS];
    size_t size = 20 * POOL, given = stats().given_back_bytes;
    char *block = take(d, size);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < SPANS; i++) {
            span[i] = take(d, POOL);
            memset(span[i], turn, POOL);
        }
        for (int i = 0; i < SPANS; i++) {
            d->f.free(NULL, span[i]);
        }
        size += POOL;
        block = d->f.realloc(NULL, block, size);
        CHECK(block != NULL, "%s: no %zu bytes", d->name, size);
        block[size - 1] = 1;
    }
    given = stats().given_back_bytes - given;
    CHECK(given <= 4 * TURNS * POOL, "%s: grew by %zu MiB and gave %zu MiB back", d->name, TURNS * POOL / MIB,
          given / MIB);
    d->f.free(NULL, block);
    Ox_Trim();
}

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        in_place(d);
        bounded(d);
    }
    printf("large blocks grow in place, and give back what they grow by\n");
    return 0;
}
