/* The pages between the end of a span and the end of its last pool go back when
 * asked for, the block stays as it is, and may grow into them. */
#include <stdlib.h>

#include "check.h"

enum { SPANS = 150, PAGE = 4096 };
static char *block[SPANS];

static void fill(size_t size, int salt)
{
    for (int i = 0; i < SPANS; i++) {
        memset(block[i], i + salt, size);
    }
}

static void check_filled(size_t size, int salt)
{
    for (int i = 0; i < SPANS; i++) {
        CHECK(filled(block[i], (i + salt) & 0xff, size), "span %d of %zu bytes has changed", i, size);
    }
}

int main(void)
{
    if (sysconf(_SC_PAGESIZE) != PAGE) {
        printf("pages are not of 4 KiB\n");
        return SKIPPED;
    }
    const size_t pool = 64 * 1024, size = 33 * 1024, usable = 36 * 1024, tails = SPANS * (pool - usable);
    EACH_OWN_DOMAIN(d) {
        /* Pools that have been used to their end. */
        for (int i = 0; i < SPANS; i++) {
            block[i] = take(d, pool);
        }
        fill(pool, 0);
        for (int i = 0; i < SPANS; i++) {
            d->f.free(NULL, block[i]);
        }
        for (int i = 0; i < SPANS; i++) {
            block[i] = take(d, size);
            CHECK(Ox_UsableSize(block[i]) == usable, "%zu bytes usable", Ox_UsableSize(block[i]));
        }
        fill(usable, 1);
        size_t before = resident(), trimmed = Ox_Trim(), after = resident();
        CHECK(trimmed >= tails - tails / 8, "%s: %zu bytes given back of %zu in tails", d->name, trimmed, tails);
        CHECK(after + tails / 2 < before, "%s: %zu bytes resident, then %zu", d->name, before, after);
        check_filled(usable, 1);
        CHECK(Ox_Trim() < tails / 8, "%s: a second trim found as much again", d->name);

        /* Into the tail, which is then no tail. */
        for (int i = 0; i < SPANS; i++) {
            char *grown = d->f.realloc(NULL, block[i], pool - PAGE);
            CHECK(grown == block[i], "%s: moved, though its pool has room", d->name);
        }
        fill(pool - PAGE, 2);
        Ox_Trim();
        check_filled(pool - PAGE, 2);

        /* And back. */
        for (int i = 0; i < SPANS; i++) {
            block[i] = d->f.realloc(NULL, block[i], size);
        }
        trimmed = Ox_Trim();
        CHECK(trimmed >= tails - tails / 4, "%s: %zu bytes given back after shrinking", d->name, trimmed);
        check_filled(size, 2);
        for (int i = 0; i < SPANS; i++) {
            d->f.free(NULL, block[i]);
            block[i] = d->f.calloc(NULL, 1, pool);
            CHECK(filled(block[i], 0, pool), "%s: not zero", d->name);
        }
        for (int i = 0; i < SPANS; i++) {
            d->f.free(NULL, block[i]);
        }
        Ox_Trim();
    }
    printf("tails of spans are given back\n");
    return 0;
}
