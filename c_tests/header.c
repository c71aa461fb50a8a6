/* The header stands alone, in strict C and (header.cpp) in C++: this file takes
 * the address of everything it declares, so that all of it links as well. */
#include "oxmalloc.h"

#include <stdio.h>

static int pool(const OxPoolInfo *info, void *arg)
{
    (void)info;
    (void)arg;
    return 0;
}

int main(void)
{
    OxAllocator domains[3] = {
        {NULL, OxMem_RawMalloc, OxMem_RawCalloc, OxMem_RawRealloc, OxMem_RawFree},
        {NULL, OxMem_Malloc, OxMem_Calloc, OxMem_Realloc, OxMem_Free},
        {NULL, OxObject_Malloc, OxObject_Calloc, OxObject_Realloc, OxObject_Free},
    };
    int (*get_allocator)(int, OxAllocator *) = Ox_GetAllocator;
    int (*install)(void) = Ox_Install;
    int (*get_status)(OxStatus *) = Ox_GetStatus;
    int (*get_stats)(OxStats *) = Ox_GetStats;
    size_t (*trim)(void) = Ox_Trim;
    size_t (*usable_size)(const void *) = Ox_UsableSize;
    int (*owns)(const void *) = Ox_Owns;
    const char *(*version)(void) = Ox_Version;
    int (*visit_pools)(OxPoolVisitor, void *) = Ox_VisitPools;
    int (*get_class_stats)(OxClassStats *, size_t, size_t) = Ox_GetClassStats;
    int (*get_arenas)(OxArenaInfo *, size_t, size_t) = Ox_GetArenas;
    int (*get_options)(OxOptionInfo *, size_t, size_t) = Ox_GetOptions;
    int (*start_counting)(void) = Ox_StartCounting;
    int (*stop_counting)(void) = Ox_StopCounting;
    int (*write_snapshot)(int) = Ox_WriteSnapshot;
    OxStatus status;
    OxStats stats;
    status.size = sizeof status;
    stats.size = sizeof stats;
    if (get_status(&status) != OX_OK || get_stats(&stats) != OX_OK ||
        get_allocator(OX_DOMAIN_OBJ, &domains[OX_DOMAIN_OBJ]) != OX_OK || install() != OX_ERR_NO_PYTHON ||
        owns(domains) || usable_size(domains) != 0 || visit_pools(pool, NULL) != 0 ||
        get_class_stats(NULL, 0, 0) <= 0 || get_arenas(NULL, 0, 0) < 0 || get_options(NULL, 0, 0) <= 0 || start_counting() != OX_ERR_NO_PYTHON ||
        stop_counting() != OX_ERR_ARGUMENT || write_snapshot(-1) == 0 || version() == NULL || trim() > stats.mapped_bytes) {
        puts("a function answers another thing here than elsewhere");
        return 1;
    }
#ifdef __cplusplus
    puts("the header is valid C++");
#else
    puts("the header is valid C99");
#endif
    return 0;
}
