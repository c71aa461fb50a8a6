/* env: OXMALLOC_HUGE_PAGES=never */
/* 140,000 live blocks of 128 KiB, every other freed, then more of other sizes:
 * with a mapping for each the kernel's vm.max_map_count (65,530) would end it.
 * No huge pages, because 17 GiB are to be mapped but hardly touched. */
#include "check.h"

enum { BLOCKS = 140000, MORE = 30000 };

int main(void)
{
    static size_t *block[BLOCKS], *more[MORE];
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = OxMem_Malloc(NULL, 128 << 10);
        CHECK(block[i] != NULL, "after %zu blocks", i);
        if (i % 16 < 2) { /* enough to see an overlap, within little memory */
            *block[i] = i;
        }
    }
    for (size_t i = 0; i < BLOCKS; i += 2) {
        OxMem_Free(NULL, block[i]);
    }
    for (size_t i = 0; i < MORE; i++) {
        size_t size = SIZES[i % COUNT(SIZES)] % (3 * MIB) + 8;
        more[i] = (i % 2 ? OxMem_Malloc : OxObject_Malloc)(NULL, size);
        CHECK(more[i] != NULL, "%zu bytes, after %zu more blocks", size, i);
        *more[i] = i;
    }
    Ox_Trim();
    for (size_t i = 1; i < BLOCKS; i += 2) {
        CHECK(i % 16 != 1 || *block[i] == i, "block %zu changed", i);
        OxMem_Free(NULL, block[i]);
    }
    for (size_t i = 0; i < MORE; i++) {
        CHECK(*more[i] == i, "later block %zu changed", i);
        (i % 2 ? OxMem_Free : OxObject_Free)(NULL, more[i]);
    }
    CHECK(live_blocks() == 0, "%zu blocks left", live_blocks());
    puts("140,000 blocks of 128 KiB, and more, within vm.max_map_count");
    return 0;
}
