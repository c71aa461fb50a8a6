/* A huge page is resident as a whole. So memory for blocks that leave whole pages
 * unused has small ones, however large the heap; memory for others has huge ones. */
#include "check.h"

enum { COUNT = 6000 };
static char *block[COUNT];

static size_t huge_pages(void)
{
    FILE *smaps = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    size_t kib = 0;
    while (smaps && fgets(line, sizeof line, smaps) && sscanf(line, "AnonHugePages: %zu", &kib) != 1) {
    }
    if (smaps) {
        fclose(smaps);
    }
    return kib * 1024;
}

int main(void)
{
    /* For blocks of two size classes, the largest among them, and for spans. */
    const struct { size_t size; int fills; } cases[] = {
        {21 * 1024, 1}, {23 * 1024, 0}, {40 * 1024, 0}, {63 * 1024, 1}, {66 * 1024, 0}};
    EACH_OWN_DOMAIN(d) {
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            const size_t size = cases[c].size, total = COUNT * size;
            size_t before = resident();
            for (int i = 0; i < COUNT; i++) {
                block[i] = take(d, size);
                memset(block[i], i, size);
            }
            size_t grown = resident() - before, huge = huge_pages();
            if (cases[c].fills && huge == 0) {
                printf("the kernel gave no huge pages\n");
                return SKIPPED;
            }
            CHECK(cases[c].fills ? huge > total / 2 : huge == 0,
                  "%s: %zu MiB of %zu MiB in huge pages for blocks of %zu KiB", d->name, huge / MIB, total / MIB,
                  size / 1024);
            CHECK(grown < total * 9 / 8, "%s: %zu MiB resident for %zu MiB in blocks of %zu KiB", d->name, grown / MIB,
                  total / MIB, size / 1024);
            for (int i = 0; i < COUNT; i++) {
                d->f.free(NULL, block[i]);
            }
            Ox_Trim();
        }
    }
    printf("huge pages for blocks that fill them, and only for these\n");
    return 0;
}
