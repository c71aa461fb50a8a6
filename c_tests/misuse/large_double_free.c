/* expect: oxmalloc: fatal: free of a block in a pool that is not in use */
#include "misuse.h"

int main(void)
{
    void *block = OxObject_Malloc(NULL, 5000000);
    OxObject_Free(NULL, block);
    OxObject_Free(NULL, block);
    return 0;
}
