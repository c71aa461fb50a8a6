/* Many sparse pools with a block on every page have nothing to give back: to find
 * that out must not stop the program. */
#include <stdlib.h>
#include <time.h>

#include "check.h"

enum { SIZE = 64, BLOCKS = (256 << 20) / SIZE };
static char *block[BLOCKS];

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void)
{
    const Domain *d = &DOMAINS[OX_DOMAIN_OBJ];
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = take(d, SIZE);
        *block[i] = 1;
    }
    srandom(1);
    for (int i = BLOCKS - 1; i > 0; i--) {
        int j = (int)(random() % (i + 1));
        char *other = block[i];
        block[i] = block[j];
        block[j] = other;
    }
    for (int i = 0; i < BLOCKS * 0.6; i++) {
        d->f.free(NULL, block[i]);
    }
    double worst = 0, start = cpu();
    for (int i = 0; i < 2000 && cpu() < start + 1; i++) {
        double before = cpu();
        block[i] = take(d, 40000);
        double took = cpu() - before;
        worst = took > worst ? took : worst;
    }
    CHECK(worst < 0.1, "one malloc took %.0f ms", worst * 1e3);
    printf("no malloc took more than 100 ms\n");
    return 0;
}
