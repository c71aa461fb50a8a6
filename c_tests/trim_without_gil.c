/*
 * Ox_Trim by a thread without the GIL leaves the interpreter's heap alone, also
 * while there is no telling who has the GIL: before the interpreter is
 * initialised, and while it ends. The main thread allocates meanwhile.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

/* A CPython 3.11 in that state, as far as the library asks. */
void PyMem_SetAllocator(int domain, void *allocator) { (void)domain, (void)allocator; }
void PyMem_GetAllocator(int domain, void *allocator) { (void)domain, memset(allocator, 0, sizeof(OxAllocator)); }
const char *Py_GetVersion(void) { return "3.11.2"; }
int Py_IsInitialized(void) { return 0; }

static atomic_bool stop;

static void *trim(void *unused)
{
    while (!stop) {
        Ox_Trim();
    }
    return unused;
}

int main(void)
{
    enum { BLOCKS = 4000, STEPS = 3000000 };
    static unsigned char *block[BLOCKS], tag[BLOCKS];
    OxAllocator obj;
    CHECK(Ox_GetAllocator(OX_DOMAIN_OBJ, &obj) == OX_OK, "no allocator");
    pthread_t other;
    CHECK(pthread_create(&other, NULL, trim, NULL) == 0, "no thread");
    unsigned random = 1;
    for (long step = 0; step < STEPS; step++) {
        random = random * 1103515245 + 12345;
        unsigned i = (random >> 8) % BLOCKS;
        if (block[i] != NULL) {
            CHECK(block[i][8] == tag[i], "a block changed at step %ld", step);
            obj.free(NULL, block[i]);
            block[i] = NULL;
        } else {
            block[i] = obj.malloc(NULL, 16 + (random >> 20) % 500);
            CHECK(block[i] != NULL, "out of memory");
            block[i][8] = tag[i] = (unsigned char)(random >> 4);
        }
    }
    stop = true;
    pthread_join(other, NULL);
    puts("Ox_Trim without the GIL keeps out of the interpreter's heap");
    return 0;
}
