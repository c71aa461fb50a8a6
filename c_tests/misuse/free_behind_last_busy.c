/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = NULL;
    for (int i = 0; i < 5; i++) { /* the pool has other blocks as well */
        block = OxMem_Malloc(NULL, 3584);
    }
    char *end_of_pool = (char *)(((uintptr_t)block & ~(POOL - 1)) + POOL);
    OxMem_Free(NULL, end_of_pool - 16);
    use_up(3584);
    return 0;
}
