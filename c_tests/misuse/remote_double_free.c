/* expect: oxmalloc: fatal: remote free list corrupted (a block freed twice by another thread) */
#include "misuse.h"

static void *free_often(void *blocks)
{
    for (int i = 0; i < 5000; i++) { /* a pool of this size has 1,024 */
        OxMem_Free(NULL, ((void **)blocks)[i % 2]);
    }
    return NULL;
}

int main(void)
{
    void *blocks[3] = {OxMem_Malloc(NULL, 64), OxMem_Malloc(NULL, 64), OxMem_Malloc(NULL, 64)};
    in_thread(free_often, blocks);
    use_up(64);
    return 0;
}
