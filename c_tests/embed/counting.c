/* Counting: exact by domain and class, nested, below and above tracemalloc,
 * and gone without a trace. */
#include "embed.h"

enum { ROWS = 500 };

typedef struct {
    OxClassStats row[ROWS];
    int count;
} Table;

static Table look(void)
{
    Table t;
    t.count = Ox_GetClassStats(t.row, sizeof t.row[0], ROWS);
    CHECK(t.count > 0 && t.count <= ROWS, "%d rows", t.count);
    return t;
}

typedef struct {
    size_t taken, taken_bytes, freed, freed_bytes;
} Sum;

/* What a domain took and freed from `a` to `b`, in rows of a kind. */
static Sum between(const Table *a, const Table *b, uint32_t domain, uint32_t kind)
{
    Sum sum = {0, 0, 0, 0};
    for (int i = 0; i < a->count; i++) {
        if (a->row[i].domain == domain && a->row[i].kind == kind) {
            sum.taken += b->row[i].taken_blocks - a->row[i].taken_blocks;
            sum.taken_bytes += b->row[i].taken_bytes - a->row[i].taken_bytes;
            sum.freed += b->row[i].freed_blocks - a->row[i].freed_blocks;
            sum.freed_bytes += b->row[i].freed_bytes - a->row[i].freed_bytes;
        }
    }
    return sum;
}

static bool is(Sum sum, size_t taken, size_t taken_bytes, size_t freed, size_t freed_bytes)
{
    return sum.taken == taken && sum.taken_bytes == taken_bytes && sum.freed == freed && sum.freed_bytes == freed_bytes;
}

#define EXPECT(kind, ...)                                                      \
    do {                                                                       \
        Table now = look();                                                    \
        Sum sum = between(&before, &now, domain, kind);                        \
        CHECK(is(sum, __VA_ARGS__), "%s, domain %u: taken %zu of %zu bytes, freed %zu of %zu", when, \
              (unsigned)domain, sum.taken, sum.taken_bytes, sum.freed, sum.freed_bytes); \
        before = now;                                                          \
    } while (0)

static void counts(const char *when, uint32_t domain, void *(*take_)(size_t), void *(*zeroed)(size_t, size_t),
                   void *(*resize)(void *, size_t), void (*give)(void *))
{
    Table before = look();
    void *a = take_(100), *b = zeroed(10, 20);
    size_t bytes[] = {Ox_UsableSize(a), Ox_UsableSize(b)};
    EXPECT(OX_KIND_CLASS, 2, bytes[0] + bytes[1], 0, 0);
    a = resize(a, 99); /* stays */
    EXPECT(OX_KIND_CLASS, 0, 0, 0, 0);
    a = resize(a, 5000); /* moves */
    size_t moved = Ox_UsableSize(a);
    EXPECT(OX_KIND_CLASS, 1, moved, 1, bytes[0]);
    a = resize(a, 100000); /* to a span */
    EXPECT(OX_KIND_CLASS, 0, 0, 1, moved);
    give(b);
    EXPECT(OX_KIND_CLASS, 0, 0, 1, bytes[1]);
    a = resize(a, 4 << 20); /* to a large block, */
    size_t large = Ox_UsableSize(a);
    a = resize(a, 8 << 20); /* which grows */
    size_t grown = Ox_UsableSize(a);
    a = resize(a, 2 << 20); /* and shrinks */
    size_t shrunk = Ox_UsableSize(a);
    EXPECT(OX_KIND_LARGE, 1, large + (grown - large), 0, grown - shrunk);
    give(a);
    EXPECT(OX_KIND_LARGE, 0, 0, 1, shrunk);
    give(NULL);
    CHECK(resize(take_(10), (size_t)PTRDIFF_MAX) == NULL, "%s: out of memory", when);
    Table now = look();
    Sum sum = between(&before, &now, domain, OX_KIND_CLASS);
    CHECK(sum.taken == 1 && sum.freed == 0, "%s: a failed realloc counts", when);
}

static void counts_in_each_domain(const char *when)
{
    counts(when, OX_DOMAIN_MEM, PyMem_Malloc, PyMem_Calloc, PyMem_Realloc, PyMem_Free);
#if !defined(Py_GIL_DISABLED)
    counts(when, OX_DOMAIN_OBJ, PyObject_Malloc, PyObject_Calloc, PyObject_Realloc, PyObject_Free);
#endif
}

static PyMemAllocatorEx installed(PyMemAllocatorDomain domain)
{
    PyMemAllocatorEx now;
    PyMem_GetAllocator(domain, &now);
    return now;
}

static void same_as_before(const char *when, const PyMemAllocatorEx *mem, const PyMemAllocatorEx *obj)
{
    PyMemAllocatorEx now[] = {installed(PYMEM_DOMAIN_MEM), installed(PYMEM_DOMAIN_OBJ)};
    CHECK(memcmp(&now[0], mem, sizeof *mem) == 0 && memcmp(&now[1], obj, sizeof *obj) == 0, "%s: something stays", when);
    Table before = look();
    PyMem_Free(PyMem_Malloc(100));
    Table after = look();
    CHECK(between(&before, &after, OX_DOMAIN_MEM, OX_KIND_CLASS).taken == 0, "%s: still counted", when);
}

int main(void)
{
    initialize(install, "first");
    check_active("first");
    PyMemAllocatorEx mem = installed(PYMEM_DOMAIN_MEM), obj = installed(PYMEM_DOMAIN_OBJ);

    CHECK(Ox_StopCounting() == OX_ERR_ARGUMENT, "stopped what was not started");
    CHECK(Ox_StartCounting() == OX_OK, "start");
    check_active("counted");
    CHECK(Ox_Install() == OX_ALREADY, "Ox_Install while it counts");
    counts_in_each_domain("once");
    CHECK(Ox_StartCounting() == OX_OK, "nested");
    counts_in_each_domain("nested");
    CHECK(Ox_StopCounting() == OX_OK, "the inner one");
    counts_in_each_domain("still");
    CHECK(Ox_StopCounting() == OX_OK, "the outer one");
    same_as_before("stopped", &mem, &obj);

    /* tracemalloc comes and goes while we count. */
    CHECK(Ox_StartCounting() == OX_OK, "start");
    run("import tracemalloc; tracemalloc.start()\n");
    counts_in_each_domain("below tracemalloc");
    CHECK(Ox_StartCounting() == OX_OK, "below tracemalloc");
    CHECK(Ox_StopCounting() == OX_OK, "below tracemalloc");
    run("tracemalloc.stop()\n");
    CHECK(Ox_StopCounting() == OX_OK, "after tracemalloc");
    same_as_before("tracemalloc came and went", &mem, &obj);

    /* It stays longer than we: what is left behind serves and is not doubled. */
    CHECK(Ox_StartCounting() == OX_OK, "start");
    run("tracemalloc.start()\n");
    CHECK(Ox_StopCounting() == OX_OK, "stop below tracemalloc");
    CHECK(Ox_StartCounting() == OX_OK, "start below tracemalloc");
    counts_in_each_domain("left below tracemalloc");
    CHECK(Ox_StopCounting() == OX_OK, "stop below tracemalloc again");
    run("tracemalloc.stop()\n");
    CHECK(Ox_StartCounting() == OX_OK && Ox_StopCounting() == OX_OK, "clean up");
    same_as_before("tracemalloc went last", &mem, &obj);

    /* It goes while we count, and takes us with it: that is told. */
    run("tracemalloc.start()\n");
    CHECK(Ox_StartCounting() == OX_OK, "above tracemalloc");
    counts_in_each_domain("above tracemalloc");
    run("tracemalloc.stop()\n");
    CHECK(Ox_StopCounting() == OX_NOT_INSTALLED, "nobody noticed that counting ended");
    same_as_before("tracemalloc took us", &mem, &obj);

    PyThreadState *state = PyEval_SaveThread();
    CHECK(Ox_StartCounting() == OX_ERR_NEEDS_GIL, "without the GIL");
    PyEval_RestoreThread(state);

    CHECK(Ox_StartCounting() == OX_OK, "to the end");
    run(WORK "work(50)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    OxStatus now = status();
    CHECK(now.active_domains == DOMAINS_SERVED, "counted to the end: '%s'", now.text);
    puts("blocks are counted while somebody counts");
    return 0;
}
