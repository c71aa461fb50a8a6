/* realloc keeps the contents up to the smaller size, between any two sizes:
 * in place, across classes, to and from spans and large blocks. */
#include "check.h"

static void between(const Domain *d, size_t from, size_t to)
{
    char *block = take(d, from);
    memset(block, 'a', from);
    block = d->f.realloc(NULL, block, to);
    CHECK(block != NULL, "%s %zu to %zu", d->name, from, to);
    CHECK(filled(block, 'a', from < to ? from : to), "%s %zu to %zu lost contents", d->name, from, to);
    memset(block, 'b', to); /* all of it is ours */
    d->f.free(NULL, block);
}

/* Growing step by step, as a list or a buffer does, among neighbours that
 * would notice a block that is longer than its place. */
static void step_by_step(const Domain *d)
{
    enum { N = 8 };
    unsigned char *block[N] = {NULL};
    size_t size = 0, next;
    for (; size < 4 * MIB; size = next) {
        next = size + size / 8 + 16;
        for (int i = 0; i < N; i++) {
            block[i] = d->f.realloc(NULL, block[i], next);
            CHECK(block[i] != NULL, "%s to %zu", d->name, next);
            memset(block[i] + size, 'A' + i, next - size);
        }
    }
    for (; size > 1; size = next) {
        next = size / 3 + 1;
        for (int i = 0; i < N; i++) {
            CHECK(filled(block[i], 'A' + i, size), "%s: block %d lost contents at %zu", d->name, i, size);
            block[i] = d->f.realloc(NULL, block[i], next);
            CHECK(block[i] != NULL, "%s shrinking to %zu", d->name, next);
        }
    }
    for (int i = 0; i < N; i++) {
        d->f.free(NULL, block[i]);
    }
}

/* Within the usable size there is nothing to move. */
static void in_place(const Domain *d)
{
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        void *block = take(d, SIZES[s]);
        size_t usable = Ox_UsableSize(block);
        CHECK(d->f.realloc(NULL, block, usable) == block, "%s %zu to its %zu", d->name, SIZES[s], usable);
        CHECK(d->f.realloc(NULL, block, SIZES[s]) == block, "%s %zu and back", d->name, SIZES[s]);
        d->f.free(NULL, block);
    }
}

int main(void)
{
    size_t before = live_blocks();
    EACH_DOMAIN(d) {
        for (size_t from = 0; from < COUNT(SIZES); from++) {
            for (size_t to = 0; to < COUNT(SIZES); to++) {
                between(d, SIZES[from], SIZES[to]);
            }
        }
        step_by_step(d);
        char *block = d->f.realloc(NULL, NULL, 100); /* realloc(NULL) is malloc */
        CHECK(block != NULL, "%s", d->name);
        block = d->f.realloc(NULL, block, 0); /* and 0 does not free */
        CHECK(block != NULL, "%s", d->name);
        d->f.free(NULL, block);
    }
    EACH_OWN_DOMAIN(d) {
        in_place(d);
    }
    CHECK(live_blocks() == before, "%zu blocks left", live_blocks() - before);
    puts("realloc keeps contents between all kinds of sizes");
    return 0;
}
