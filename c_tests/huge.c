/* env: OXMALLOC_HUGE_PAGES=always */
/* Pools that nobody used are resident all the same as parts of huge pages. Ox_Trim
 * gives them back and says how much; what was never written still reads as zero. */
#include "check.h"

enum { SPANS = 60 };
static char *block[SPANS], *small[SPANS];

int main(void)
{
    /* Three of them leave 2 of an arena's 32 pools vacant. */
    const size_t size = 577 * 1024, pool = 64 * 1024;
    EACH_OWN_DOMAIN(d) {
        Ox_Trim();
        size_t rss_at_start = resident();
        for (int i = 0; i < SPANS; i++) {
            block[i] = take(d, size);
            memset(block[i], i + 1, Ox_UsableSize(block[i]));
        }
        OxStats full = stats();
        size_t live = full.mem.live_bytes + full.obj.live_bytes;
        size_t before = resident();
        if (full.resident_bytes < live + SPANS / 3 * 2 * pool) {
            printf("the kernel gave no huge pages\n");
            return SKIPPED;
        }
        size_t trimmed = Ox_Trim(), gone = before - resident();
        OxStats now = stats();
        CHECK(trimmed >= full.resident_bytes - live, "%s: %zu bytes given back of %zu that nobody uses", d->name,
              trimmed, full.resident_bytes - live);
        CHECK(trimmed <= gone + gone / 20 && gone <= trimmed + trimmed / 20, "%s: Ox_Trim said %zu, the kernel %zu",
              d->name, trimmed, gone);
        CHECK(now.resident_bytes == live, "%s: %zu bytes resident for %zu", d->name, now.resident_bytes, live);
        CHECK(Ox_Trim() == 0, "%s: a second trim found more", d->name);
        for (int i = 0; i < SPANS; i++) {
            CHECK(filled(block[i], i + 1, Ox_UsableSize(block[i])), "%s: span %d has changed", d->name, i);
        }

        /* Where they were. */
        size_t arenas = stats().arenas;
        for (int i = 0; i < SPANS / 2; i++) {
            small[i] = d->f.calloc(NULL, 1, pool);
            CHECK(filled(small[i], 0, pool), "%s: not zero", d->name);
            memset(small[i], 0xCC, pool);
        }
        CHECK(stats().arenas == arenas, "%s: %zu arenas became %zu", d->name, arenas, stats().arenas);
        for (int i = 0; i < SPANS; i++) {
            CHECK(filled(block[i], i + 1, Ox_UsableSize(block[i])), "%s: span %d has changed", d->name, i);
            block[i] = d->f.realloc(NULL, block[i], 10 * pool);
            memset(block[i], i, 10 * pool);
        }
        for (int i = 0; i < SPANS; i++) {
            CHECK(filled(block[i], i, 10 * pool), "%s: span %d has changed", d->name, i);
            d->f.free(NULL, block[i]);
        }
        for (int i = 0; i < SPANS / 2; i++) {
            CHECK(filled(small[i], 0xCC, pool), "%s: span %d among them has changed", d->name, i);
            d->f.free(NULL, small[i]);
        }
        Ox_Trim();
        CHECK(resident() < rss_at_start + MIB, "%s: %zu bytes, %zu before", d->name, resident(), rss_at_start);
    }
    printf("of huge pages, too, all goes back that nobody uses\n");
    return 0;
}
