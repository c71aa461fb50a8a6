/* expect: oxmalloc: fatal: double free (the block is already the last one freed in its pool) */
#include "misuse.h"

int main(void)
{
    void *block = OxObject_Malloc(NULL, 1);
    OxObject_Malloc(NULL, 1);
    OxObject_Free(NULL, block);
    OxObject_Free(NULL, block);
    return 0;
}
