/* The totals add up: known blocks in, the same blocks counted, all out again. */
#include "check.h"

enum { N = 200 };

static const OxDomainStats *of(const OxStats *all, const Domain *d)
{
    return d == DOMAINS + OX_DOMAIN_MEM ? &all->mem : &all->obj;
}

/* What must hold of any totals at rest. */
static void sane(const OxStats *s)
{
    EACH_OWN_DOMAIN(d) {
        const OxDomainStats *sum = of(s, d);
        CHECK(sum->live_bytes + sum->free_bytes + sum->untouched_bytes <= sum->pool_bytes,
              "%s: %zu live, %zu free, %zu untouched in %zu", d->name, sum->live_bytes, sum->free_bytes,
              sum->untouched_bytes, sum->pool_bytes);
        CHECK(sum->pool_bytes <= sum->peak_bytes, "%s: %zu above the peak %zu", d->name, sum->pool_bytes,
              sum->peak_bytes);
    }
    CHECK(s->arenas <= s->arenas_peak, "%zu arenas, peak %zu", s->arenas, s->arenas_peak);
    CHECK(s->mem.pool_bytes + s->obj.pool_bytes <= s->mapped_bytes, "pools of %zu in %zu mapped",
          s->mem.pool_bytes + s->obj.pool_bytes, s->mapped_bytes);
    CHECK(s->arenas * 2 * MIB + s->large_bytes + s->large_cached_bytes <= s->mapped_bytes,
          "%zu arenas, %zu large, %zu cached in %zu mapped", s->arenas, s->large_bytes,
          s->large_cached_bytes, s->mapped_bytes);
    CHECK(s->resident_bytes <= s->mapped_bytes, "%zu resident of %zu", s->resident_bytes, s->mapped_bytes);
    CHECK(s->heaps_idle <= s->heaps, "%zu of %zu heaps idle", s->heaps_idle, s->heaps);
}

/* `n` blocks of `size` in one domain, and none in the other. */
static void counted(const Domain *d, size_t size, int n)
{
    const Domain *other = d == DOMAINS + OX_DOMAIN_MEM ? d + 1 : d - 1;
    void *block[N];
    size_t bytes = 0;
    OxStats before = stats();
    for (int i = 0; i < n; i++) {
        block[i] = take(d, size);
        bytes += Ox_UsableSize(block[i]);
    }
    OxStats held = stats();
    for (int i = 0; i < n; i++) {
        d->f.free(NULL, block[i]);
    }
    OxStats after = stats();

    sane(&held);
    sane(&after);
    size_t more = of(&held, d)->live_blocks - of(&before, d)->live_blocks;
    size_t larger = of(&held, d)->live_bytes - of(&before, d)->live_bytes;
    CHECK(more == (size_t)n, "%s: %zu blocks of %zu, not %d", d->name, more, size, n);
    CHECK(larger == bytes, "%s: %zu bytes for %d of %zu, not %zu", d->name, larger, n, size, bytes);
    CHECK(of(&held, other)->live_bytes == of(&before, other)->live_bytes, "%s counted in %s", d->name, other->name);
    CHECK(of(&after, d)->live_blocks == of(&before, d)->live_blocks, "%s: blocks of %zu left", d->name, size);
    CHECK(of(&after, d)->live_bytes == of(&before, d)->live_bytes, "%s: bytes of %zu left", d->name, size);

    size_t spans = size > LAST_CLASS && size <= LAST_SPAN ? (size_t)n : 0;
    size_t large = size > LAST_SPAN ? (size_t)n : 0;
    CHECK(held.spans - before.spans == spans, "%zu spans for %d of %zu", held.spans - before.spans, n, size);
    CHECK(held.large_blocks - before.large_blocks == large, "%zu large for %d of %zu",
          held.large_blocks - before.large_blocks, n, size);
    CHECK(held.large_bytes - before.large_bytes >= large * size, "%zu bytes for %zu large blocks",
          held.large_bytes - before.large_bytes, large);
    CHECK(after.spans == before.spans && after.large_blocks == before.large_blocks, "left of %zu", size);
    CHECK(spans + large > 0 || held.pools_used + held.pools_full > 0, "no pool holds %d of %zu", n, size);
}

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        for (size_t s = 0; s < COUNT(SIZES); s++) {
            counted(d, SIZES[s], SIZES[s] <= LAST_SPAN ? N : 5);
        }
    }
    OxStats before = stats();
    void *raw = OxMem_RawMalloc(NULL, 1000);
    OxStats after = stats();
    CHECK(memcmp(&before, &after, sizeof before) == 0, "a RAW block, or the question, changed the totals");
    OxMem_RawFree(NULL, raw);

    void *mine = OxMem_Malloc(NULL, 3 * MIB);
    memset(mine, 1, 3 * MIB);
    OxStats touched = stats();
    CHECK(touched.resident_bytes >= 3 * MIB, "only %zu resident", touched.resident_bytes);
    OxMem_Free(NULL, mine);

    OxStats end = stats();
    CHECK(end.mem.live_blocks == 0 && end.obj.live_blocks == 0, "%zu and %zu blocks left", end.mem.live_blocks,
          end.obj.live_blocks);
    CHECK(end.mem.live_bytes == 0 && end.obj.live_bytes == 0, "bytes left");
    CHECK(end.remote_frees == 0 && end.handovers == 0, "%zu remote frees in one thread", end.remote_frees);
    puts("statistics count what is there, by domain and kind");
    return 0;
}
