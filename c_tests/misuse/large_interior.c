/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxObject_Malloc(NULL, 5000000);
    OxObject_Free(NULL, block + 4096);
    return 0;
}
