/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxMem_Malloc(NULL, 100000);
    OxMem_Free(NULL, block + 16);
    return 0;
}
