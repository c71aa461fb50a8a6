/* Ox_UsableSize: at least what was asked, writable to the last byte, and 0 for
 * what is not ours. */
#include <stdlib.h>

#include "check.h"

/* Three neighbours of a size, each filled with a byte of its own: a usable
 * size that is too large would overwrite the next. */
static void neighbours(const Domain *d, size_t size)
{
    unsigned char *block[3];
    for (int i = 0; i < 3; i++) {
        block[i] = take(d, size);
        size_t usable = Ox_UsableSize(block[i]);
        CHECK(usable >= size, "%s: %zu of %zu", d->name, usable, size);
    }
    for (int i = 0; i < 3; i++) {
        memset(block[i], 'a' + i, Ox_UsableSize(block[i]));
    }
    for (int i = 0; i < 3; i++) {
        CHECK(filled(block[i], 'a' + i, Ox_UsableSize(block[i])), "%s: blocks of %zu overlap", d->name, size);
        d->f.free(NULL, block[i]);
    }
}

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        for (size_t size = 0; size <= LAST_CLASS + 1; size++) {
            neighbours(d, size);
        }
        for (size_t size = LAST_CLASS; size < 4 * MIB; size += size / 7) {
            neighbours(d, size);
        }
    }
    static int in_data;
    int on_stack = 0;
    void *of_libc = malloc(100), *of_raw = OxMem_RawMalloc(NULL, 100);
    CHECK(Ox_UsableSize(NULL) == 0, "NULL");
    CHECK(Ox_UsableSize(of_libc) == 0, "a block of libc");
    CHECK(Ox_UsableSize(of_raw) == 0, "a RAW block, which is libc's");
    CHECK(Ox_UsableSize(&on_stack) == 0 && Ox_UsableSize(&in_data) == 0, "a variable");
    free(of_libc);
    OxMem_RawFree(NULL, of_raw);
    puts("usable size covers the request and can be written");
    return 0;
}
