/* Blocks freed by another thread than the one that took them: all counted, all
 * reused. Without collecting them a producer would grow for ever. */
#include <pthread.h>

#include "check.h"

enum { RING = 256, ROUNDS = 100 };

/* A bounded queue from one producer to one consumer. */
typedef struct {
    const Domain *domain;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *slot[RING];
    unsigned head, tail;
} Ring;

static size_t size_of(unsigned i)
{
    /* every size class and a span now and then */
    return i % 97 == 0 ? 40000 + i % 50000 : (size_t)i * 7 % 5000;
}

static void *produce(void *arg)
{
    Ring *r = arg;
    for (unsigned i = 0; i < ROUNDS * 1000; i++) {
        size_t size = size_of(i);
        unsigned char *block = take(r->domain, size);
        memset(block, (int)(i % 256), size);
        pthread_mutex_lock(&r->lock);
        while (r->head - r->tail == RING) {
            pthread_cond_wait(&r->changed, &r->lock);
        }
        r->slot[r->head++ % RING] = block;
        pthread_cond_signal(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

static void *consume(void *arg)
{
    Ring *r = arg;
    for (unsigned i = 0; i < ROUNDS * 1000; i++) {
        pthread_mutex_lock(&r->lock);
        while (r->head == r->tail) {
            pthread_cond_wait(&r->changed, &r->lock);
        }
        void *block = r->slot[r->tail++ % RING];
        pthread_cond_signal(&r->changed);
        pthread_mutex_unlock(&r->lock);
        CHECK(filled(block, (int)(i % 256), size_of(i)), "%s: block %u changed on its way", r->domain->name, i);
        r->domain->f.free(NULL, block);
    }
    return NULL;
}

static void hand_over(const Domain *d)
{
    Ring ring = {.domain = d, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t producer, consumer;
    CHECK(pthread_create(&producer, NULL, produce, &ring) == 0, "no thread");
    CHECK(pthread_create(&consumer, NULL, consume, &ring) == 0, "no thread");
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
}

/* Every kind of size, taken here and freed there, and the other way round. */
static void *block[COUNT(SIZES)];

static void *free_all(void *domain)
{
    const Domain *d = domain;
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        CHECK(filled(block[s], (int)s, SIZES[s]), "%s %zu", d->name, SIZES[s]);
        /* realloc of a foreign thread's block may move it, and is a free */
        d->f.free(NULL, s % 2 ? d->f.realloc(NULL, block[s], SIZES[s] + 1) : block[s]);
    }
    return NULL;
}

static void *take_all(void *domain)
{
    const Domain *d = domain;
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        block[s] = take(d, SIZES[s]);
        memset(block[s], (int)s, SIZES[s]);
    }
    return NULL;
}

static void in_thread(void *(*what)(void *), const Domain *d)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, what, (void *)(uintptr_t)d) == 0, "no thread");
    pthread_join(thread, NULL);
}

int main(void)
{
    EACH_DOMAIN(d) {
        for (int i = 0; i < 20; i++) {
            take_all((void *)(uintptr_t)d);
            in_thread(free_all, d);
            in_thread(take_all, d);
            free_all((void *)(uintptr_t)d);
        }
    }
    CHECK(live_blocks() == 0, "%zu blocks left", live_blocks());
    CHECK(stats().remote_frees > 0, "no free was remote: this proved nothing");

    EACH_OWN_DOMAIN(d) {
        hand_over(d);
        OxStats first = stats();
        size_t rss = resident();
        for (int i = 0; i < 3; i++) {
            hand_over(d);
        }
        OxStats last = stats();
        CHECK(last.mem.live_blocks + last.obj.live_blocks == 0, "%zu blocks left",
              last.mem.live_blocks + last.obj.live_blocks);
        CHECK(last.arenas_peak <= first.arenas_peak + 8, "%s: grew from %zu to %zu arenas", d->name,
              first.arenas_peak, last.arenas_peak);
        CHECK(resident() < rss + 16 * MIB, "%s: grew from %zu to %zu MiB", d->name, rss / MIB, resident() / MIB);
    }
    puts("blocks freed by other threads are counted and reused");
    return 0;
}
