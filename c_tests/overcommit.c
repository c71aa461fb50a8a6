/* env: OXMALLOC_HUGE_PAGES=never */
/* What libc refuses, because the machine can never have it, is refused here too:
 * else MemoryError becomes a process that the kernel ends. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

int main(void)
{
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t size[] = {memory * 2, memory * 16, memory * 200};
    void *(*volatile of_libc)(size_t) = malloc;
    size_t refused = 0;
    EACH_OWN_DOMAIN(d) {
        for (size_t i = 0; i < COUNT(size); i++) {
            void *theirs = of_libc(size[i]), *ours = d->f.malloc(NULL, size[i]);
            CHECK(theirs != NULL || ours == NULL, "%s: libc has no %zu bytes", d->name, size[i]);
            refused += theirs == NULL;
            free(theirs);
            d->f.free(NULL, ours);
        }
    }
    if (refused == 0) {
        puts("this kernel promises everything (vm.overcommit_memory)");
        return SKIPPED;
    }
    puts("no more is promised than libc does");
    return 0;
}
