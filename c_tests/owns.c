/* Ox_Owns answers for any value at all, and never looks at the memory there. */
#include <stdlib.h>

#include "check.h"

static void check_owned(const Domain *d, size_t size)
{
    char *block = take(d, size);
    CHECK(Ox_Owns(block) == 1, "%s %zu", d->name, size);
    if (size > 0) {
        CHECK(Ox_Owns(block + size / 2) == 1 && Ox_Owns(block + size - 1) == 1, "inside %s %zu", d->name, size);
    }
    /* The same low bits above the address space must not alias. */
    for (int bit = 47; bit < 64; bit++) {
        uintptr_t alias = (uintptr_t)block ^ (uintptr_t)1 << bit;
        CHECK(Ox_Owns((void *)alias) == 0, "bit %d of %s %zu was not looked at", bit, d->name, size);
        CHECK(Ox_Owns((void *)((uintptr_t)block | ~(uintptr_t)0 << bit)) == 0, "bits from %d", bit);
    }
    d->f.free(NULL, block);
}

int main(void)
{
    static int in_data;
    int on_stack = 0;
    void *of_libc = malloc(100), *of_raw = OxMem_RawMalloc(NULL, 100);

    /* Before the heap has anything, and again when it has. */
    for (int round = 0; round < 2; round++) {
        CHECK(Ox_Owns(NULL) == 0, "NULL");
        CHECK(Ox_Owns(&in_data) == 0 && Ox_Owns(&on_stack) == 0, "a variable");
        CHECK(Ox_Owns((void *)(uintptr_t)&main) == 0 && Ox_Owns((void *)(uintptr_t)&puts) == 0, "code");
        CHECK(Ox_Owns(of_libc) == 0 && Ox_Owns(of_raw) == 0, "a block of libc");
        for (int bit = 0; bit < 64; bit++) {
            uintptr_t power = (uintptr_t)1 << bit;
            CHECK(Ox_Owns((void *)power) == 0 && Ox_Owns((void *)(power - 1)) == 0, "near 2^%d", bit);
            CHECK(Ox_Owns((void *)(0 - power)) == 0, "near -2^%d", bit);
        }
        EACH_OWN_DOMAIN(d) {
            for (size_t s = 0; s < COUNT(SIZES); s++) {
                check_owned(d, SIZES[s]);
            }
        }
    }
    free(of_libc);
    OxMem_RawFree(NULL, of_raw);
    puts("any address can be asked for its owner");
    return 0;
}
