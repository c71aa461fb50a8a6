/* calloc is zero on recycled memory too: every size class, spans, large. */
#include "check.h"

/* A block is filled to its last usable byte and freed, then asked for again.
 * Returns how many came back at an address that was dirtied before. */
static size_t recycle(const Domain *d, size_t size, size_t n)
{
    static unsigned char *dirty[40];
    size_t recycled = 0;
    for (size_t i = 0; i < n; i++) {
        dirty[i] = take(d, size);
        memset(dirty[i], 0xA5, Ox_UsableSize(dirty[i]));
    }
    for (size_t i = 0; i < n; i++) {
        d->f.free(NULL, dirty[i]);
    }
    unsigned char *clean[COUNT(dirty)];
    for (size_t i = 0; i < n; i++) {
        /* both factors count: as one product, as bytes, as items */
        size_t each = i % 2 ? 1 : size;
        clean[i] = d->f.calloc(NULL, size / each, each);
        CHECK(filled(clean[i], 0, size), "%s: calloc of %zu is not zero", d->name, size);
        for (size_t j = 0; j < n; j++) {
            recycled += clean[i] == dirty[j];
        }
    }
    for (size_t i = 0; i < n; i++) {
        d->f.free(NULL, clean[i]);
    }
    return recycled;
}

int main(void)
{
    size_t classes = 0, spans = 0, large = 0;
    EACH_OWN_DOMAIN(d) {
        /* From class to class: the byte after a class belongs to the next. */
        for (size_t size = 1, usable; size <= LAST_CLASS; size = usable + 1, classes++) {
            void *block = take(d, size);
            usable = Ox_UsableSize(block);
            d->f.free(NULL, block);
            CHECK(recycle(d, usable, 40) > 0, "%s: freed blocks of %zu were not reused", d->name, usable);
            recycle(d, size, 40);
        }
        for (size_t size = LAST_CLASS + 1; size <= LAST_SPAN; size += 40000) {
            spans += recycle(d, size, 10);
        }
        for (size_t size = LAST_SPAN + 1; size < 16 * MIB; size += MIB) {
            large += recycle(d, size, 3);
        }
    }
    CHECK(spans > 0 && large > 0, "nothing was recycled: %zu spans, %zu large", spans, large);
    /* RAW: libc's own matter, but the zeroes are our promise. */
    void *raw = OxMem_RawCalloc(NULL, 30, 1000);
    CHECK(filled(raw, 0, 30000), "raw");
    OxMem_RawFree(NULL, raw);
    printf("zero on recycled memory: %zu classes, %zu spans, %zu large blocks\n", classes, spans, large);
    return 0;
}
