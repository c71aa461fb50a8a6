/* A request that no window can hold is refused at once, and costs nothing. */
#include <errno.h>

#include "check.h"

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        char *live = take(d, 2 * MIB), *block = take(d, 8 * MIB);
        memset(block, 1, 8 * MIB);
        d->f.free(NULL, block);
        size_t cached = stats().large_cached_bytes;
        CHECK(cached >= 8 * MIB, "%s: only %zu bytes are cached", d->name, cached);
        for (size_t size = (size_t)1 << 62; size >= (size_t)1 << 50; size /= 2) {
            errno = 0;
            CHECK(d->f.malloc(NULL, size) == NULL, "%s: a block of %zu bytes", d->name, size);
            CHECK(errno == ENOMEM, "%s: errno %d for %zu bytes", d->name, errno, size);
            CHECK(d->f.calloc(NULL, 2, size / 2) == NULL, "%s: %zu bytes of calloc", d->name, size);
            CHECK(d->f.realloc(NULL, live, size) == NULL, "%s: %zu bytes of realloc", d->name, size);
        }
        size_t left = stats().large_cached_bytes;
        CHECK(left == cached, "%s: %zu of %zu cached bytes are left", d->name, left, cached);
        d->f.free(NULL, live);
    }
    puts("hopeless requests leave the heap as it was");
    return 0;
}
