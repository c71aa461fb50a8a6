/* expect: oxmalloc: fatal: free of a block in a pool that is not in use */
#include "misuse.h"

int main(void)
{
    void *block = OxMem_Malloc(NULL, 100000);
    OxMem_Free(NULL, block);
    OxMem_Free(NULL, block);
    return 0;
}
