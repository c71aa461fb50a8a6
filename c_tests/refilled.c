/* env: OXMALLOC_PURGE_DELAY_MS=20 OXMALLOC_HUGE_PAGES=never */
/* Pools that were sparse, filled up again in part and emptied once more, give
 * their pages back without Ox_Trim. */
#include <unistd.h>

#include "check.h"

enum { POOLS = 300, BLOCKS = 32, SIZE = 2048 };
static char *block[POOLS][BLOCKS];

/* Slow paths, over some time: only then is anything given back. */
static void light_work(const Domain *d)
{
    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 16; j++) {
            d->f.free(NULL, take(d, 100000));
        }
        usleep(10000);
    }
}

static void fill(const Domain *d, int p, int first, int last)
{
    for (int i = first; i < last; i++) {
        block[p][i] = take(d, SIZE);
        memset(block[p][i], 1, SIZE);
    }
}

static void drop(const Domain *d, int p, int first, int last)
{
    for (int i = first; i < last; i++) {
        d->f.free(NULL, block[p][i]);
    }
}

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        for (int p = 0; p < POOLS; p++) {
            fill(d, p, 0, BLOCKS);
        }
        size_t full = stats().resident_bytes;
        for (int p = 0; p < POOLS; p++) {
            drop(d, p, 0, 20); /* sparse */
            fill(d, p, 0, 14); /* more than half, less than full */
        }
        light_work(d);
        for (int p = 0; p < POOLS; p++) {
            drop(d, p, 0, 14);
            drop(d, p, 20, BLOCKS - 1);
        }
        light_work(d);
        size_t left = stats().resident_bytes;
        CHECK(left < full / 4, "%s: %zu of %zu bytes are still there", d->name, left, full);
        for (int p = 0; p < POOLS; p++) {
            drop(d, p, BLOCKS - 1, BLOCKS);
        }
        Ox_Trim();
    }
    puts("pools that became sparse twice give back twice");
    return 0;
}
