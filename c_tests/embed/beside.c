/* Four C threads that call the exported functions without the GIL, beside an
 * interpreter whose threads allocate: they must never be inside a heap that is
 * handed over with the GIL. Blocks pass between all of them, both ways. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "embed.h"

enum { C_THREADS = 4, SLOTS = 512 };

/* A block belongs to whoever took it out of its slot. Its first word is its
 * size, the rest is filled with the number of the slot. */
static _Atomic(size_t *) slot[SLOTS];
static atomic_bool stop;
static atomic_ulong exchanges;

static void replace(size_t index, size_t size, const OxAllocator *way)
{
    size_t *block = way->malloc(way->ctx, size);
    CHECK(block != NULL, "%zu", size);
    *block = size;
    memset(block + 1, (int)index, size - sizeof *block);
    block = atomic_exchange(&slot[index], block);
    if (block != NULL) {
        CHECK(filled(block + 1, (int)index, *block - sizeof *block), "block of %zu changed", *block);
        way->free(way->ctx, block);
    }
}

static size_t next_size(unsigned *seed)
{
    size_t size = (size_t)rand_r(seed);
    return sizeof(size_t) + (size % 256 == 0 ? size % 300000 : size % 1000);
}

/* Even slots are MEM, odd ones OBJ. */
static void *without_gil(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    while (!atomic_load(&stop)) {
        size_t index = (size_t)rand_r(&seed) % SLOTS;
        replace(index, next_size(&seed), &DOMAINS[OX_DOMAIN_MEM + index % 2].f);
        atomic_fetch_add(&exchanges, 1);
    }
    return NULL;
}

/* The same through CPython's own functions, called by Python threads: both
 * sides free what the other took. */
static PyObject *with_gil(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned seed;
    if (!PyArg_ParseTuple(args, "I", &seed)) {
        return NULL;
    }
    for (int i = 0; i < 200; i++) {
        size_t index = (size_t)rand_r(&seed) % SLOTS;
        PyMemAllocatorEx way;
        PyMem_GetAllocator(index % 2 ? PYMEM_DOMAIN_OBJ : PYMEM_DOMAIN_MEM, &way);
        replace(index, next_size(&seed), (const OxAllocator *)&way);
    }
    Py_RETURN_NONE;
}

static PyMethodDef exchange_method = {"exchange", with_gil, METH_VARARGS, NULL};

int main(void)
{
    initialize(install, "start");
    check_active("start");
    PyObject *exchange = PyCFunction_New(&exchange_method, NULL);
    CHECK(PyObject_SetAttrString(PyImport_AddModule("__main__"), "exchange", exchange) == 0, "no function");
    Py_DECREF(exchange);

    pthread_t thread[C_THREADS];
    for (uintptr_t i = 0; i < C_THREADS; i++) {
        CHECK(pthread_create(&thread[i], NULL, without_gil, (void *)(i + 1)) == 0, "no thread");
    }
    run(WORK "import sys, threading\n"
             "sys.setswitchinterval(0.0001)\n"
             "def both(seed):\n"
             "    for i in range(60):\n"
             "        exchange(seed * 1000 + i)\n"
             "        [str(k) for k in range(500)]\n"
             "        work(11)\n"
             "ts = [threading.Thread(target=both, args=(i,)) for i in range(4)]\n"
             "for t in ts: t.start()\n"
             "for t in ts: t.join()\n");
    atomic_store(&stop, true);
    for (int i = 0; i < C_THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    CHECK(exchanges > 10000, "the C threads did only %lu rounds beside Python", (unsigned long)exchanges);
    for (size_t i = 0; i < SLOTS; i++) {
        (i % 2 ? PyObject_Free : PyMem_Free)(slot[i]);
    }
    check_active("end");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("four C threads without the GIL beside Python threads");
    return 0;
}
