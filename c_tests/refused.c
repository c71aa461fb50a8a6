/* A request that is refused leaves no records behind. */
#include <sys/resource.h>

#include "check.h"

int main(void)
{
    OxMem_Free(NULL, take(&DOMAINS[OX_DOMAIN_MEM], 5 * MIB));
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 4096 * MIB;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
    EACH_OWN_DOMAIN(d) {
        size_t before = stats().metadata_bytes;
        CHECK(d->f.malloc(NULL, MIB << 20) == NULL, "%s: 1 TiB of 4 GiB", d->name);
        size_t now = stats().metadata_bytes;
        CHECK(now == before, "%s: %zu bytes of records became %zu", d->name, before, now);
    }
    puts("refused requests leave no records");
    return 0;
}
