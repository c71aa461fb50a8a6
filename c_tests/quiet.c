/* After large work a program takes and frees a few blocks now and then, always
 * the same: what the work dropped goes back all the same. */
#include <time.h>

#include "check.h"

enum { SIZE = 200, N = 64 << 20, BLOCKS = N / SIZE, KEPT = 1024 };
static char *block[BLOCKS];

static void large_work(const Domain *d)
{
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = take(d, SIZE);
        memset(block[i], i % 251, SIZE);
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (i % KEPT != 0) {
            d->f.free(NULL, block[i]);
        }
    }
}

static void drop_the_rest(const Domain *d)
{
    for (int i = 0; i < BLOCKS; i += KEPT) {
        CHECK(filled(block[i], i % 251, SIZE), "%s: block %d has changed", d->name, i);
        d->f.free(NULL, block[i]);
    }
}

/* In the first classes of these; the first has no block that stays. */
static void small_work(const Domain *d, size_t classes)
{
    static const size_t sizes[] = {40, SIZE, 700, 5000};
    for (size_t i = 0; i < classes; i++) {
        for (int times = 0; times < 20; times++) {
            d->f.free(NULL, take(d, sizes[i]));
        }
    }
}

static void is_given_back(const Domain *d, size_t classes)
{
    small_work(d, classes);
    memset(block, 0, sizeof block);
    size_t at_start = resident();
    /* What is soon taken again is kept. */
    for (int times = 0; times < 3; times++) {
        large_work(d);
        if (times < 2) {
            drop_the_rest(d);
        }
    }
    size_t dropped = resident(), now = dropped;
    int rounds = 0;
    const struct timespec nap = {0, 50 * 1000000};
    while (now > at_start + 4 * MIB && ++rounds < 200) {
        small_work(d, classes);
        nanosleep(&nap, NULL);
        now = resident();
    }
    CHECK(now <= at_start + 4 * MIB, "%s: %zu bytes at the start, %zu dropped, %zu after %d times of small work",
          d->name, at_start, dropped, now, rounds);
    drop_the_rest(d);
}

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        is_given_back(d, 4);
        is_given_back(d, 1);
    }
    puts("a quiet program gives back what it dropped");
    return 0;
}
