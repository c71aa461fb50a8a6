/* expect: oxmalloc: fatal: remote free list corrupted (a block freed twice by another thread) */
#include "misuse.h"

static void *free_twice(void *block)
{
    OxMem_Free(NULL, block);
    OxMem_Free(NULL, block);
    return NULL;
}

int main(void)
{
    in_thread(free_twice, OxMem_Malloc(NULL, 64));
    use_up(64);
    return 0;
}
