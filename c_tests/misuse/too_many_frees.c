/* expect: oxmalloc: fatal: more blocks freed than were allocated in a pool */
#include "misuse.h"

int main(void)
{
    void *one = OxMem_Malloc(NULL, 64), *two = OxMem_Malloc(NULL, 64);
    OxMem_Free(NULL, one);
    OxMem_Free(NULL, two);
    OxMem_Free(NULL, one);
    return 0;
}
