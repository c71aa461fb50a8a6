/* A huge page is resident as a whole. So blocks that leave whole pages unused get
 * small ones, however large the heap: what is resident is what was written. */
#include "check.h"

enum { COUNT = 3000 };
static char *block[COUNT];

int main(void)
{
    EACH_OWN_DOMAIN(d) {
        /* The largest size class, and spans just above two sizes of theirs. */
        const size_t sizes[] = {23 * 1024, 34 * 1024, 66 * 1024};
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const size_t size = sizes[s];
            size_t before = resident();
            for (int i = 0; i < COUNT; i++) {
                block[i] = take(d, size);
                memset(block[i], i, size);
            }
            size_t grown = resident() - before;
            CHECK(grown < COUNT * size * 5 / 4, "%s: %zu MiB resident for %zu MiB in blocks of %zu KiB", d->name,
                  grown / MIB, COUNT * size / MIB, size / 1024);
            for (int i = 0; i < COUNT; i++) {
                d->f.free(NULL, block[i]);
            }
            Ox_Trim();
        }
    }
    printf("blocks that leave pages unused take no more than they use\n");
    return 0;
}
