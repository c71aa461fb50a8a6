/* Three cycles where the embedder calls PyMem_SetAllocator itself. */
#include "embed.h"

static void set_allocators(const char *when)
{
    static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
    for (int domain = OX_DOMAIN_RAW; domain <= OX_DOMAIN_OBJ; domain++) {
        if (DOMAINS_SERVED >> domain & 1) {
            PyMemAllocatorEx allocator;
            CHECK(Ox_GetAllocator(domain, (OxAllocator *)&allocator) == OX_OK, "%s: domain %d", when, domain);
            PyMem_SetAllocator(domains[domain], &allocator);
        }
    }
}

int main(void)
{
    CHECK(sizeof(OxAllocator) == sizeof(PyMemAllocatorEx), "%zu and %zu", sizeof(OxAllocator),
          sizeof(PyMemAllocatorEx));
    CHECK(OX_DOMAIN_RAW == PYMEM_DOMAIN_RAW && OX_DOMAIN_MEM == PYMEM_DOMAIN_MEM && OX_DOMAIN_OBJ == PYMEM_DOMAIN_OBJ,
          "the domains have other numbers");
    static const char *const cycles[] = {"first cycle", "second cycle", "third cycle"};
    for (int i = 0; i < 3; i++) {
        initialize(set_allocators, cycles[i]);
        check_active(cycles[i]);
        CHECK(Ox_Install() == OX_ALREADY, "%s: something was left to do, '%s'", cycles[i], status().text);
        run(WORK "work(300)\n");
        check_active(cycles[i]);
        CHECK(Py_FinalizeEx() == 0, "%s: Py_FinalizeEx", cycles[i]);
    }
    puts("three cycles with PyMem_SetAllocator by hand");
    return 0;
}
