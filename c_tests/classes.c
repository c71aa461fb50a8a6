/* The rows of size classes: they add up to the totals, and know their blocks. */
#include "check.h"

enum { MOST = 1000 };

static OxClassStats rows[MOST];
static size_t count;

static void look(void)
{
    int all = Ox_GetClassStats(rows, sizeof rows[0], MOST);
    CHECK(all > 100 && all <= MOST, "%d rows", all);
    count = (size_t)all;
}

/* The row that blocks of `size` belong to; `usable` is how large one is. */
static OxClassStats row_of(uint32_t domain, size_t size, size_t usable)
{
    uint32_t kind = size > LAST_SPAN ? OX_KIND_LARGE : size > LAST_CLASS ? OX_KIND_SPAN : OX_KIND_CLASS;
    look();
    for (size_t i = 0; i < count; i++) {
        if (rows[i].domain == domain && rows[i].kind == kind &&
            rows[i].block_bytes == (kind == OX_KIND_CLASS ? usable : 0)) {
            return rows[i];
        }
    }
    CHECK(0, "no row for %zu bytes in domain %u", size, (unsigned)domain);
}

static void add_up(void)
{
    OxStats s = stats();
    look();
    OxDomainStats sum[3];
    memset(sum, 0, sizeof sum);
    size_t pools = 0, resident = 0;
    for (size_t i = 0; i < count; i++) {
        const OxClassStats *r = &rows[i];
        CHECK(r->size == sizeof *r, "size %zu", r->size);
        CHECK(r->domain == OX_DOMAIN_MEM || r->domain == OX_DOMAIN_OBJ, "domain %u", (unsigned)r->domain);
        CHECK(r->kind <= OX_KIND_LARGE && (r->kind == OX_KIND_CLASS) == (r->block_bytes > 0), "kind %u",
              (unsigned)r->kind);
        CHECK(i == 0 || r->domain > r[-1].domain || r->kind > r[-1].kind || r->block_bytes > r[-1].block_bytes,
              "row %zu is out of order", i);
        CHECK(r->kind != OX_KIND_CLASS || r->live_bytes == r->live_blocks * r->block_bytes, "%zu bytes in %zu blocks",
              r->live_bytes, r->live_blocks);
        CHECK(r->resident_bytes <= r->pool_bytes && r->purged_bytes <= r->pool_bytes, "%zu resident, %zu purged of %zu",
              r->resident_bytes, r->purged_bytes, r->pool_bytes);
        CHECK(r->taken_blocks == 0 && r->freed_blocks == 0, "counted although nobody counts");
        OxDomainStats *d = &sum[r->domain];
        d->live_blocks += r->live_blocks;
        d->live_bytes += r->live_bytes;
        d->free_bytes += r->free_bytes;
        d->untouched_bytes += r->untouched_bytes;
        d->pool_bytes += r->pool_bytes;
        pools += r->pools;
        resident += r->resident_bytes;
    }
    const OxDomainStats *told[] = {NULL, &s.mem, &s.obj};
    for (int d = OX_DOMAIN_MEM; d <= OX_DOMAIN_OBJ; d++) {
        CHECK(sum[d].live_blocks == told[d]->live_blocks && sum[d].live_bytes == told[d]->live_bytes, "%zu live, not %zu",
              sum[d].live_bytes, told[d]->live_bytes);
        CHECK(sum[d].free_bytes == told[d]->free_bytes && sum[d].untouched_bytes == told[d]->untouched_bytes,
              "%zu free, not %zu", sum[d].free_bytes, told[d]->free_bytes);
        CHECK(sum[d].pool_bytes == told[d]->pool_bytes, "pools of %zu, not %zu", sum[d].pool_bytes,
              told[d]->pool_bytes);
    }
    CHECK(pools == s.pools_used + s.pools_full + s.pools_empty + s.spans + s.large_blocks, "%zu pools", pools);
    CHECK(resident <= s.resident_bytes, "%zu resident of %zu", resident, s.resident_bytes);
}

static void add_arena(const OxArenaInfo *a, OxArenaInfo *sum)
{
    CHECK(a->live_bytes + a->free_bytes + a->untouched_bytes <= a->bytes, "%zu live in an arena", a->live_bytes);
    CHECK(a->resident_bytes <= a->bytes, "%zu resident", a->resident_bytes);
    sum->live_blocks += a->live_blocks;
    sum->live_bytes += a->live_bytes;
    sum->free_bytes += a->free_bytes;
    sum->untouched_bytes += a->untouched_bytes;
    sum->purged_bytes += a->purged_bytes;
    sum->resident_bytes += a->resident_bytes;
}

/* Arenas hold everything but the large blocks. */
static void arenas_add_up(void)
{
    OxArenaInfo arenas, classes;
    memset(&arenas, 0, sizeof arenas);
    memset(&classes, 0, sizeof classes);
    static OxArenaInfo each[MOST];
    int all = Ox_GetArenas(each, sizeof each[0], MOST);
    CHECK(all >= 0 && all <= MOST, "%d arenas", all);
    for (int i = 0; i < all; i++) {
        add_arena(&each[i], &arenas);
    }
    look();
    for (size_t i = 0; i < count; i++) {
        if (rows[i].kind != OX_KIND_LARGE) {
            classes.live_blocks += rows[i].live_blocks;
            classes.live_bytes += rows[i].live_bytes;
            classes.free_bytes += rows[i].free_bytes;
            classes.untouched_bytes += rows[i].untouched_bytes;
            classes.purged_bytes += rows[i].purged_bytes;
            classes.resident_bytes += rows[i].resident_bytes;
        }
    }
    CHECK(arenas.live_blocks == classes.live_blocks && arenas.live_bytes == classes.live_bytes, "%zu live, not %zu",
          arenas.live_bytes, classes.live_bytes);
    CHECK(arenas.free_bytes == classes.free_bytes && arenas.untouched_bytes == classes.untouched_bytes,
          "%zu free, not %zu", arenas.free_bytes, classes.free_bytes);
    CHECK(arenas.purged_bytes == classes.purged_bytes, "%zu purged, not %zu", arenas.purged_bytes,
          classes.purged_bytes);
    CHECK(arenas.resident_bytes >= classes.resident_bytes, "%zu resident, not %zu", arenas.resident_bytes,
          classes.resident_bytes);
}

static void arguments(void)
{
    unsigned char bytes[4 * sizeof(OxClassStats)];
    CHECK(Ox_GetClassStats(NULL, 0, 0) == (int)count, "the number alone");
    CHECK(Ox_GetClassStats(NULL, sizeof(OxClassStats), 1) == OX_ERR_ARGUMENT, "NULL");
    CHECK(Ox_GetClassStats(rows, 8, 1) == OX_ERR_ARGUMENT, "rows of 8 bytes");
    memset(bytes, 0xEE, sizeof bytes);
    /* Rows of an older and of a newer caller; no more than asked for. */
    const size_t sizes[] = {offsetof(OxClassStats, taken_blocks), sizeof(OxClassStats) + 8};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(bytes, 0xEE, sizeof bytes);
        CHECK(Ox_GetClassStats((OxClassStats *)bytes, sizes[i], 2) == (int)count, "%zu", sizes[i]);
        size_t filled_bytes = sizes[i] < sizeof(OxClassStats) ? sizes[i] : sizeof(OxClassStats);
        const OxClassStats *second = (const OxClassStats *)(bytes + sizes[i]);
        CHECK(second->size == filled_bytes && second->block_bytes == 32, "the second row: %zu", second->size);
        CHECK(filled(bytes + sizes[i] + filled_bytes, 0xEE, sizeof bytes - sizes[i] - filled_bytes),
              "written behind the second row");
    }
}

int main(void)
{
    enum { N = 50 };
    void *block[N];
    add_up();
    EACH_OWN_DOMAIN(d) {
        uint32_t domain = (uint32_t)(d - DOMAINS);
        for (size_t s = 0; s < COUNT(SIZES); s++) {
            size_t usable = 0, bytes = 0;
            int n = SIZES[s] > LAST_SPAN ? 3 : N;
            /* The first ones of a class may be lent by another: let those pass. */
            void *early[N];
            for (int i = 0; i < N && SIZES[s] <= LAST_CLASS; i++) {
                early[i] = take(d, SIZES[s]);
            }
            block[0] = take(d, SIZES[s]);
            usable = Ox_UsableSize(block[0]);
            OxClassStats before = row_of(domain, SIZES[s], usable);
            for (int i = 1; i < n; i++) {
                block[i] = take(d, SIZES[s]);
                bytes += Ox_UsableSize(block[i]);
                memset(block[i], 1, SIZES[s]);
            }
            OxClassStats after = row_of(domain, SIZES[s], usable);
            CHECK(after.live_blocks - before.live_blocks == (size_t)n - 1, "%zu blocks of %zu, not %d",
                  after.live_blocks - before.live_blocks, SIZES[s], n - 1);
            CHECK(after.live_bytes - before.live_bytes == bytes, "%zu bytes, not %zu",
                  after.live_bytes - before.live_bytes, bytes);
            CHECK(after.resident_bytes >= SIZES[s] * (size_t)(n - 1), "%zu resident", after.resident_bytes);
            add_up();
            arenas_add_up();
            for (int i = 0; i < n; i++) {
                d->f.free(NULL, block[i]);
            }
            for (int i = 0; i < N && SIZES[s] <= LAST_CLASS; i++) {
                d->f.free(NULL, early[i]);
            }
        }
    }
    arguments();
    Ox_Trim();
    add_up();
    arenas_add_up();
    OxStats end = stats();
    CHECK(end.resident_bytes == 0 || end.resident_bytes < MIB, "%zu resident after a trim", end.resident_bytes);
    puts("size classes and arenas add up to the totals");
    return 0;
}
