/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxMem_Malloc(NULL, 64);
    OxMem_Free(NULL, block + 8);
    use_up(64);
    return 0;
}
