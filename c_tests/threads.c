/* 5,000 short threads, eight at a time: heaps are taken over, not piled up. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 5000, TOGETHER = 8, KEPT = COUNT(SIZES) };

static void *kept[TOGETHER][KEPT]; /* blocks that outlive their thread */

static void *short_life(void *arg)
{
    void **mine = arg;
    for (int i = 0; i < 200; i++) {
        EACH_OWN_DOMAIN(d) {
            d->f.free(NULL, take(d, (size_t)i * 16));
        }
    }
    for (int i = 0; i < KEPT && SIZES[i] <= LAST_CLASS; i++) {
        const Domain *d = DOMAINS + 1 + i % 2;
        d->f.free(NULL, mine[i]); /* of a thread that is gone */
        mine[i] = take(d, SIZES[i]);
        memset(mine[i], i, SIZES[i]);
    }
    return NULL;
}

static void batch(void)
{
    pthread_t thread[TOGETHER];
    for (int i = 0; i < TOGETHER; i++) {
        int error = pthread_create(&thread[i], NULL, short_life, kept[i]);
        CHECK(error == 0, "%s", strerror(error));
    }
    for (int i = 0; i < TOGETHER; i++) {
        pthread_join(thread[i], NULL);
    }
}

int main(void)
{
    for (int i = 0; i < 100; i++) {
        batch();
    }
    OxStats early = stats();
    size_t rss = resident();
    for (int i = 100; i < THREADS / TOGETHER; i++) {
        batch();
    }
    OxStats late = stats();
    CHECK(late.heaps <= TOGETHER + 2, "%zu heaps for %d threads at a time", late.heaps, TOGETHER);
    CHECK(late.heaps - late.heaps_idle <= 1, "%zu heaps owned by one thread", late.heaps - late.heaps_idle);
    /* How many run together is the scheduler's choice. If all do, each may hold
     * two pools of 70 classes in two domains: less than nine arenas. */
    CHECK(late.arenas_peak <= TOGETHER * 9, "%zu arenas, early %zu", late.arenas_peak, early.arenas_peak);
    CHECK(late.metadata_bytes <= early.metadata_bytes + MIB, "%zu metadata, then %zu", early.metadata_bytes,
          late.metadata_bytes);
    CHECK(resident() < rss + TOGETHER * 4 * MIB, "%zu MiB, then %zu", rss / MIB, resident() / MIB);
    for (int i = 0; i < TOGETHER; i++) {
        for (int j = 0; j < KEPT; j++) {
            CHECK(kept[i][j] == NULL || filled(kept[i][j], j, SIZES[j]), "a dead thread's block changed");
            DOMAINS[1 + j % 2].f.free(NULL, kept[i][j]);
        }
    }
    CHECK(live_blocks() == 0, "%zu blocks left", live_blocks());
    printf("%d threads leave %zu heaps\n", THREADS, late.heaps);
    return 0;
}
