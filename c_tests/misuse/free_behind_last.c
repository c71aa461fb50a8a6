/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    /* 18 blocks of 3,584 bytes leave 1,024 that belong to none. */
    char *first = OxMem_Malloc(NULL, 3584);
    char *end_of_pool = (char *)(((uintptr_t)first & ~(POOL - 1)) + POOL);
    OxMem_Free(NULL, end_of_pool - 16);
    use_up(3584);
    return 0;
}
