/* expect: oxmalloc: fatal: free list corrupted (a freed block was written to) */
#include "misuse.h"

int main(void)
{
    void *block = OxMem_Malloc(NULL, 64);
    OxMem_Malloc(NULL, 64);
    OxMem_Free(NULL, block);
    memset(block, 0x41, 64);
    use_up(64);
    return 0;
}
