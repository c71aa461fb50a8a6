/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxMem_Malloc(NULL, 5000000);
    OxMem_Free(NULL, block + ARENA); /* as aligned as a block of its own would be */
    return 0;
}
