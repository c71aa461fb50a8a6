/* The pools and arenas that are shown are those of the totals; a visit ends when
 * told to, and leaves the callback free to allocate. */
#include <stdlib.h>
#include <time.h>

#include "check.h"

enum { MOST_ARENAS = 10000 };

typedef struct {
    OxDomainStats domain[3];
    size_t by_state[OX_POOL_LARGE + 1];
    size_t last_address, pools_in_arenas, large_bytes;
} Pools;

static int add_pool(const OxPoolInfo *p, void *arg)
{
    Pools *sum = arg;
    CHECK(p->size == sizeof *p, "size is %zu", p->size);
    CHECK(p->domain == OX_DOMAIN_MEM || p->domain == OX_DOMAIN_OBJ, "domain %u", (unsigned)p->domain);
    CHECK(p->state <= OX_POOL_LARGE, "state %u", (unsigned)p->state);
    CHECK(p->address > sum->last_address, "%#zx after %#zx", p->address, sum->last_address);
    CHECK(p->live + p->free + p->untouched == p->capacity, "%zu live, %zu free, %zu untouched of %zu",
          p->live, p->free, p->untouched, p->capacity);
    CHECK(p->capacity * p->block_bytes <= p->bytes, "%zu of %zu in %zu", p->capacity, p->block_bytes, p->bytes);
    CHECK(p->purged_bytes <= p->bytes, "%zu purged of %zu", p->purged_bytes, p->bytes);
    CHECK((p->state == OX_POOL_EMPTY) == (p->live == 0), "%zu live in state %u", p->live, (unsigned)p->state);
    if (p->state == OX_POOL_USED || p->state == OX_POOL_FULL) {
        CHECK((p->state == OX_POOL_FULL) == (p->live == p->capacity), "%zu of %zu live in state %u", p->live,
              p->capacity, (unsigned)p->state);
    }
    OxDomainStats *d = &sum->domain[p->domain];
    d->live_blocks += p->live;
    d->live_bytes += p->live * p->block_bytes;
    d->free_bytes += p->free * p->block_bytes;
    d->untouched_bytes += p->untouched * p->block_bytes;
    d->pool_bytes += p->bytes;
    sum->by_state[p->state]++;
    sum->last_address = p->address;
    if (p->state == OX_POOL_LARGE) {
        sum->large_bytes += p->bytes;
    } else {
        sum->pools_in_arenas += p->bytes >> 16;
    }
    return 0;
}

typedef struct {
    size_t arenas, pools, vacant, bytes, last_address;
} Arenas;

static void add_arena(const OxArenaInfo *a, Arenas *sum)
{
    CHECK(a->size == sizeof *a, "size is %zu", a->size);
    CHECK(a->address > sum->last_address && a->address % a->bytes == 0, "%#zx of %zu", a->address, a->bytes);
    CHECK(a->pools > 0 && a->pools << 16 <= a->bytes, "%zu pools in %zu", a->pools, a->bytes);
    CHECK(a->pools_vacant <= a->pools && a->pools_clean <= a->pools_vacant, "%zu pools, %zu vacant, %zu clean",
          a->pools, a->pools_vacant, a->pools_clean);
    sum->arenas++;
    sum->pools += a->pools;
    sum->vacant += a->pools_vacant;
    sum->bytes += a->bytes;
    sum->last_address = a->address;
}

static void same(const char *name, const OxDomainStats *told, const OxDomainStats *seen)
{
    CHECK(told->live_blocks == seen->live_blocks && told->live_bytes == seen->live_bytes,
          "%s: %zu blocks, %zu bytes live, visited %zu and %zu", name, told->live_blocks, told->live_bytes,
          seen->live_blocks, seen->live_bytes);
    CHECK(told->free_bytes == seen->free_bytes && told->untouched_bytes == seen->untouched_bytes,
          "%s: %zu free, %zu untouched, visited %zu and %zu", name, told->free_bytes, told->untouched_bytes,
          seen->free_bytes, seen->untouched_bytes);
    CHECK(told->pool_bytes == seen->pool_bytes, "%s: pools of %zu, visited %zu", name, told->pool_bytes,
          seen->pool_bytes);
}

static void sums_equal_stats(void)
{
    Pools p = {0};
    Arenas a = {0};
    OxStats s = stats();
    CHECK(Ox_VisitPools(add_pool, &p) == 0, "Ox_VisitPools");
    static OxArenaInfo arenas[MOST_ARENAS];
    int all = Ox_GetArenas(arenas, sizeof arenas[0], MOST_ARENAS);
    CHECK(all >= 0 && all <= MOST_ARENAS, "%d arenas", all);
    for (int i = 0; i < all; i++) {
        add_arena(&arenas[i], &a);
    }
    same("mem", &s.mem, &p.domain[OX_DOMAIN_MEM]);
    same("obj", &s.obj, &p.domain[OX_DOMAIN_OBJ]);
    CHECK(s.pools_used == p.by_state[OX_POOL_USED], "%zu used, visited %zu", s.pools_used, p.by_state[OX_POOL_USED]);
    CHECK(s.pools_full == p.by_state[OX_POOL_FULL], "%zu full, visited %zu", s.pools_full, p.by_state[OX_POOL_FULL]);
    CHECK(s.pools_empty == p.by_state[OX_POOL_EMPTY], "%zu empty, visited %zu", s.pools_empty,
          p.by_state[OX_POOL_EMPTY]);
    CHECK(s.spans == p.by_state[OX_POOL_SPAN], "%zu spans, visited %zu", s.spans, p.by_state[OX_POOL_SPAN]);
    CHECK(s.large_blocks == p.by_state[OX_POOL_LARGE], "%zu large, visited %zu", s.large_blocks,
          p.by_state[OX_POOL_LARGE]);
    CHECK(s.large_bytes == p.large_bytes, "large bytes %zu, visited %zu", s.large_bytes, p.large_bytes);
    CHECK(s.arenas == a.arenas, "%zu arenas, visited %zu", s.arenas, a.arenas);
    CHECK(a.pools - a.vacant == p.pools_in_arenas, "%zu pools not vacant, visited %zu", a.pools - a.vacant,
          p.pools_in_arenas);
}

static int end_at_once(const OxPoolInfo *pool, void *calls)
{
    (void)pool;
    ++*(int *)calls;
    return -77;
}

/* Allocates, frees and asks, in the middle of the visit. */
static int busy(const OxPoolInfo *pool, void *calls)
{
    (void)pool;
    EACH_OWN_DOMAIN(d) {
        for (size_t s = 0; s < COUNT(SIZES); s += 3) {
            d->f.free(NULL, take(d, SIZES[s]));
        }
    }
    stats();
    ++*(int *)calls;
    return 0;
}

/* Rows of the caller's own length, and never more than it asked for. */
static void rows_of_arenas(void)
{
    union {
        OxArenaInfo arena;
        unsigned char bytes[sizeof(OxArenaInfo) + 64];
    } row, rows[2];
    int all = Ox_GetArenas(NULL, 0, 0);
    CHECK(all >= 2, "%d arenas", all);
    memset(rows, 0xEE, sizeof rows);
    CHECK(Ox_GetArenas(&rows[0].arena, sizeof rows[0], 1) == all, "one row");
    CHECK(rows[0].arena.size == sizeof(OxArenaInfo), "%zu", rows[0].arena.size);
    CHECK(filled(rows[0].bytes + sizeof(OxArenaInfo), 0xEE, 64), "wrote behind what it knows");
    CHECK(filled(&rows[1], 0xEE, sizeof rows[1]), "wrote behind the row");
    CHECK(Ox_GetArenas(&rows[0].arena, sizeof rows[0], 2) == all, "two rows");
    CHECK(rows[1].arena.address > rows[0].arena.address, "%#zx", rows[1].arena.address);
    size_t shorter = offsetof(OxArenaInfo, live_bytes);
    memset(&row, 0xEE, sizeof row);
    CHECK(Ox_GetArenas(&row.arena, shorter, 1) == all && row.arena.size == shorter, "%zu", row.arena.size);
    CHECK(filled(row.bytes + shorter, 0xEE, sizeof row - shorter), "wrote behind a short row");
    CHECK(Ox_GetArenas(NULL, sizeof row, 1) == OX_ERR_ARGUMENT, "NULL");
    CHECK(Ox_GetArenas(&row.arena, 2 * sizeof(size_t), 1) == OX_ERR_ARGUMENT, "no room for a length");
}

static size_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (size_t)now.tv_sec * 1000 + (size_t)now.tv_nsec / 1000000;
}

typedef struct {
    size_t block, age_ms;
} Age;

static int find_age(const OxPoolInfo *p, void *arg)
{
    Age *age = arg;
    bool here = age->block - p->address < p->bytes;
    age->age_ms = here ? p->age_ms : age->age_ms;
    return here;
}

static size_t age_of(const void *block)
{
    Age age = {(size_t)block, 0};
    CHECK(Ox_VisitPools(find_age, &age) == 1, "%p lies in no pool", block);
    return age.age_ms;
}

/* Ages are those of the clock, asleep or not, to about 20 ms: 16 of our own and
 * up to 10 of the coarse clock at either end. */
static void ages(const Domain *d)
{
    enum { SLEEP = 120, COARSE = 40 };
    void *block[COUNT(SIZES)];
    size_t before = now_ms();
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        block[s] = take(d, SIZES[s]);
    }
    size_t opened = now_ms();
    nanosleep(&(struct timespec){.tv_nsec = SLEEP * 1000000L}, NULL);
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        size_t least = now_ms() - opened, age = age_of(block[s]), most = now_ms() - before;
        CHECK(age + COARSE >= least, "%s: %zu bytes are %zu ms old, opened %zu ago", d->name, SIZES[s], age, least);
        /* A small block may lie in a pool that was open before. */
        CHECK(SIZES[s] <= LAST_CLASS || age <= most + COARSE, "%s: %zu bytes are %zu ms old, asked for %zu ago",
              d->name, SIZES[s], age, most);
        d->f.free(NULL, block[s]);
    }
    void *young = take(d, LAST_SPAN);
    CHECK(age_of(young) < SLEEP, "%s: a new span is %zu ms old", d->name, age_of(young));
    d->f.free(NULL, young);
}

int main(void)
{
    enum { N = 4000 };
    static void *block[2][N];
    size_t held = 0;
    sums_equal_stats(); /* nothing there yet */
    EACH_OWN_DOMAIN(d) {
        ages(d);
    }
    srand(1);
    for (int i = 0; i < N; i++) {
        /* mostly small, each kind present; some freed so that pools differ */
        size_t size = i % 100 == 0 ? SIZES[rand() % (int)COUNT(SIZES)] : (size_t)(rand() % 3000);
        EACH_OWN_DOMAIN(d) {
            block[d - DOMAINS - 1][i] = take(d, size);
        }
    }
    sums_equal_stats();
    for (int i = 0; i < N; i++) {
        if (rand() % 4 != 0) {
            EACH_OWN_DOMAIN(d) {
                d->f.free(NULL, block[d - DOMAINS - 1][i]);
                block[d - DOMAINS - 1][i] = NULL;
            }
        }
    }
    sums_equal_stats();

    int calls = 0;
    CHECK(Ox_VisitPools(end_at_once, &calls) == -77 && calls == 1, "%d calls", calls);
    CHECK(Ox_VisitPools(NULL, NULL) == OX_ERR_ARGUMENT, "NULL");
    rows_of_arenas();
    held = live_blocks();
    calls = 0;
    CHECK(Ox_VisitPools(busy, &calls) == 0 && calls > 1, "%d calls", calls);
    CHECK(live_blocks() == held, "%zu blocks, not %zu", live_blocks(), held);

    for (int i = 0; i < N; i++) {
        EACH_OWN_DOMAIN(d) {
            d->f.free(NULL, block[d - DOMAINS - 1][i]);
        }
    }
    sums_equal_stats();
    Ox_Trim();
    sums_equal_stats();
    puts("visits and totals show the same heap");
    return 0;
}
