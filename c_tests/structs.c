/* The structures: OxAllocator is CPython's, the others grow by their size. */
#include "check.h"

/* As CPython's Include/cpython/pymem.h has it. */
typedef struct {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t nelem, size_t elsize);
    void *(*realloc)(void *ctx, void *ptr, size_t new_size);
    void (*free)(void *ctx, void *ptr);
} PyMemAllocatorEx;

#define SAME_PLACE(member)                                                     \
    CHECK(offsetof(OxAllocator, member) == offsetof(PyMemAllocatorEx, member), \
          "%zu, not %zu", offsetof(OxAllocator, member), offsetof(PyMemAllocatorEx, member))

static void allocator(void)
{
    CHECK(sizeof(OxAllocator) == sizeof(PyMemAllocatorEx), "%zu", sizeof(OxAllocator));
    SAME_PLACE(ctx);
    SAME_PLACE(malloc);
    SAME_PLACE(calloc);
    SAME_PLACE(realloc);
    SAME_PLACE(free);

    OxAllocator untouched;
    memset(&untouched, 0xEE, sizeof untouched);
    const int unknown[] = {-1, 3, 1000};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        CHECK(Ox_GetAllocator(unknown[i], &untouched) == OX_ERR_ARGUMENT, "domain %d", unknown[i]);
        CHECK(filled(&untouched, 0xEE, sizeof untouched), "written to in spite of domain %d", unknown[i]);
    }
    for (int domain = OX_DOMAIN_RAW; domain <= OX_DOMAIN_OBJ; domain++) {
        CHECK(Ox_GetAllocator(domain, NULL) == OX_ERR_ARGUMENT, "NULL, domain %d", domain);
        struct {
            PyMemAllocatorEx theirs;
            char behind[64];
        } out;
        memset(&out, 0xEE, sizeof out);
        CHECK(Ox_GetAllocator(domain, (OxAllocator *)&out.theirs) == OX_OK, "domain %d", domain);
        CHECK(filled(out.behind, 0xEE, sizeof out.behind), "domain %d: written behind the structure", domain);
        void *ctx = out.theirs.ctx;
        char *block = out.theirs.malloc(ctx, 100);
        CHECK(block != NULL && Ox_Owns(block) == (domain != OX_DOMAIN_RAW), "domain %d", domain);
        block = out.theirs.realloc(ctx, block, 100000);
        out.theirs.free(ctx, block);
        block = out.theirs.calloc(ctx, 10, 10);
        CHECK(filled(block, 0, 100), "domain %d", domain);
        out.theirs.free(ctx, block);
    }
}

typedef int (*Fill)(void *out);

static int get_status(void *out)
{
    return Ox_GetStatus(out);
}

static int get_stats(void *out)
{
    return Ox_GetStats(out);
}

/* `whole` is what we know, `smallest` the least that may be asked for and
 * `older` the end of some member in between. */
static void grows(const char *name, Fill fill, size_t whole, size_t smallest, size_t older)
{
    union {
        size_t size;
        unsigned char bytes[4096];
    } out;
    CHECK(fill(NULL) == OX_ERR_ARGUMENT, "%s of NULL", name);
    for (size_t size = 0; size < smallest; size++) {
        memset(&out, 0xEE, sizeof out);
        out.size = size;
        CHECK(fill(&out) == OX_ERR_ARGUMENT, "%s took a size of %zu", name, size);
        CHECK(out.size == size && filled(out.bytes + sizeof(size_t), 0xEE, sizeof out - sizeof(size_t)),
              "%s wrote although it refused %zu", name, size);
    }
    const size_t asked[] = {smallest, older, whole, whole + 1, whole + 64, sizeof out};
    for (size_t i = 0; i < COUNT(asked); i++) {
        size_t expected = asked[i] < whole ? asked[i] : whole;
        memset(&out, 0xEE, sizeof out);
        out.size = asked[i];
        CHECK(fill(&out) == OX_OK, "%s refused a size of %zu", name, asked[i]);
        CHECK(out.size == expected, "%s of %zu filled %zu", name, asked[i], out.size);
        CHECK(filled(out.bytes + expected, 0xEE, sizeof out - expected), "%s wrote behind %zu", name, asked[i]);
        CHECK(!filled(out.bytes + sizeof(size_t), 0xEE, expected - sizeof(size_t)), "%s left it all", name);
    }
}

int main(void)
{
    allocator();
    grows("Ox_GetStatus", get_status, sizeof(OxStatus), offsetof(OxStatus, active_domains),
          offsetof(OxStatus, text));
    grows("Ox_GetStats", get_stats, sizeof(OxStats), offsetof(OxStats, obj), offsetof(OxStats, arenas));
    puts("structures have CPython's layout and grow by their size");
    return 0;
}
