/* expect: oxmalloc: fatal: free list corrupted (a freed block was written to) */
#include "misuse.h"

int main(void)
{
    void *block[100];
    for (int i = 0; i < 100; i++) {
        block[i] = OxMem_Malloc(NULL, 64);
    }
    for (int i = 1; i < 100; i++) { /* block 0 stays */
        OxMem_Free(NULL, block[i]);
    }
    memset(block[50], 0, 64); /* 49 blocks are no longer on the list */
    use_up(64);
    return 0;
}
