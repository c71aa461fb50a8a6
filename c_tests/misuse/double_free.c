/* expect: oxmalloc: fatal: double free (the block is already the last one freed in its pool) */
#include "misuse.h"

int main(void)
{
    void *block = OxMem_Malloc(NULL, 64);
    OxMem_Malloc(NULL, 64);
    OxMem_Free(NULL, block);
    OxMem_Free(NULL, block);
    return 0;
}
