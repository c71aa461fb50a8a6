/* The kernel gives no locked page back: what was freed there is not zeroed, and
 * calloc must see to that itself. */
#include <sys/mman.h>

#include "check.h"

int main(void)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        puts("this process may not lock memory");
        return SKIPPED;
    }
    static const size_t sizes[] = {1000, 20 * 1000, 256 * 1024, 3 * MIB + 5000};
    EACH_OWN_DOMAIN(d) {
        void *keep = take(d, 100); /* else the arena would be unmapped */
        for (size_t i = 0; i < COUNT(sizes); i++) {
            void *neighbour = take(d, sizes[i]);
            char *block = take(d, sizes[i]);
            memset(block, 'x', sizes[i]);
            d->f.free(NULL, block);
            Ox_Trim();
            block = d->f.calloc(NULL, 1, sizes[i]);
            CHECK(block && filled(block, 0, sizes[i]), "%s: %zu are not zero", d->name, sizes[i]);
            d->f.free(NULL, block);
            d->f.free(NULL, neighbour);
        }
        d->f.free(NULL, keep);
    }
    puts("calloc zeroes what the kernel could not");
    return 0;
}
