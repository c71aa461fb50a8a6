/* Ox_Trim gives memory back, says how much, and the kernel agrees; blocks that
 * stay keep their contents, and what was given back serves again. */
#include "check.h"

static char *block[MIB];

/* About 64 MiB of blocks of one size; all but one in `keep` are freed. */
static void fill_and_drop(const Domain *d, size_t size, size_t keep)
{
    size_t n = 64 * MIB / size;
    size_t rss_at_start = resident();
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            block[i] = take(d, size);
            memset(block[i], (int)(i % 251), size);
        }
        size_t rss_full = resident();
        CHECK(rss_full > rss_at_start + 60 * MIB, "%zu MiB of blocks in %zu", n * size / MIB, rss_full);
        size_t given_before = stats().given_back_bytes;
        for (size_t i = 0; i < n; i++) {
            if (i % keep != 0) {
                d->f.free(NULL, block[i]);
            }
        }
        size_t given_by_free = stats().given_back_bytes - given_before;
        size_t trimmed = Ox_Trim();
        size_t given = stats().given_back_bytes - given_before;
        size_t rss = resident();
        CHECK(given == given_by_free + trimmed, "Ox_Trim said %zu, the totals %zu", trimmed, given - given_by_free);
        CHECK(given > 48 * MIB, "%s %zu, 1 of %zu kept: only %zu of 64 MiB given back", d->name, size, keep, given);
        CHECK(rss < rss_at_start + 16 * MIB, "%s %zu, 1 of %zu kept: from %zu to %zu MiB, %zu before", d->name, size,
              keep, rss_full / MIB, rss / MIB, rss_at_start / MIB);
        CHECK(Ox_Trim() < 2 * MIB, "a second trim found as much again");
        for (size_t i = 0; i < n; i += keep) {
            CHECK(filled(block[i], (int)(i % 251), size), "%s %zu: a block that stayed has changed", d->name, size);
        }
        if (round == 1) {
            for (size_t i = 0; i < n; i += keep) {
                d->f.free(NULL, block[i]);
            }
        } else { /* reuse among the survivors, zeroed or not */
            for (size_t i = 0; i < n; i++) {
                if (i % keep != 0) {
                    block[i] = d->f.calloc(NULL, 1, size);
                    CHECK(filled(block[i], 0, size), "%s %zu: not zero after a trim", d->name, size);
                }
            }
            for (size_t i = 0; i < n; i++) {
                CHECK(i % keep != 0 || filled(block[i], (int)(i % 251), size), "%s %zu: overwritten", d->name, size);
                d->f.free(NULL, block[i]);
            }
        }
        Ox_Trim();
    }
}

int main(void)
{
    memset(block, 0xEE, sizeof block); /* resident from here on */
    EACH_OWN_DOMAIN(d) {
        fill_and_drop(d, 64, 1024);
        fill_and_drop(d, 400, 1000);
        fill_and_drop(d, 2048, 100);
        fill_and_drop(d, 20000, 50);
        fill_and_drop(d, 200000, 20);
        fill_and_drop(d, 3 * MIB, 10);
    }
    CHECK(live_blocks() == 0, "%zu blocks left", live_blocks());
    puts("trim gives back what is free, also between survivors");
    return 0;
}
