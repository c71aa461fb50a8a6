/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxMem_Malloc(NULL, 1000000);
    OxMem_Free(NULL, block + 3 * POOL); /* where a later pool of the span starts */
    return 0;
}
