/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = NULL;
    for (int i = 0; i < 20; i++) { /* the pool has other blocks as well */
        block = OxMem_Malloc(NULL, 64);
    }
    OxMem_Free(NULL, block + 8);
    use_up(64);
    return 0;
}
