/* expect: oxmalloc: fatal: free of a block in a pool that is not in use */
#include "misuse.h"

int main(void)
{
    uintptr_t arena = (uintptr_t)OxMem_Malloc(NULL, 64) & ~(ARENA - 1);
    uintptr_t pool = arena + ARENA - POOL;
    while (pool > arena && Ox_Owns((void *)(pool + 4096))) {
        pool -= POOL;
    }
    OxMem_Free(NULL, (void *)(pool + 4096));
    return 0;
}
