/* Late, a RAW domain of somebody else's is left alone: its live blocks are not
 * libc's. Asked again there is nothing left to do. */
#include "late.h"

static PyMemAllocatorEx before;

static void *raw_malloc(void *ctx, size_t size) { return (void)ctx, before.malloc(before.ctx, size); }
static void *raw_calloc(void *ctx, size_t n, size_t size) { return (void)ctx, before.calloc(before.ctx, n, size); }
static void *raw_realloc(void *ctx, void *old, size_t size) { return (void)ctx, before.realloc(before.ctx, old, size); }
static void raw_free(void *ctx, void *block) { (void)ctx, before.free(before.ctx, block); }

int main(void)
{
    Py_Initialize();
    PyMemAllocatorEx mine = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free}, now;
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &before);
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &mine);
    load_library();
    int code = Ox_Install(), expected = INSTALLED == OX_OK ? OX_WITHOUT_RAW : INSTALLED;
    CHECK(code == expected, "%d, '%s'", code, status().text);
    CHECK(status().active_domains == (DOMAINS_SERVED & ~(1u << OX_DOMAIN_RAW)), "domains %#x, '%s'",
          (unsigned)status().active_domains, status().text);
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &now);
    CHECK(now.malloc == raw_malloc, "the RAW domain was replaced");
    CHECK((code = Ox_Install()) == OX_ALREADY, "again: %d", code);
    run(WORK "work(100)\n");
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &before);
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("late: somebody else's RAW domain stays");
    return 0;
}
