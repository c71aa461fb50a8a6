/* Allocation after Py_FinalizeEx, in exit handlers and in an ELF destructor;
 * blocks of the interpreter's time are freed then, and by another thread. */
#include <pthread.h>
#include <stdlib.h>

#include "embed.h"

static OxAllocator given[3]; /* as CPython has them */
static void *from_before[3][COUNT(SIZES)];
static int exit_handlers;

static void use_all(void)
{
    for (int domain = 0; domain < 3; domain++) {
        const OxAllocator *ways[] = {&given[domain], &DOMAINS[domain].f};
        for (size_t i = 0; i < 2 * COUNT(SIZES); i++) {
            const OxAllocator *way = ways[i % 2];
            size_t size = SIZES[i / 2];
            char *block = way->malloc(way->ctx, size);
            CHECK(block != NULL, "domain %d: %zu", domain, size);
            memset(block, 'z', size);
            block = way->realloc(way->ctx, block, size + 100);
            CHECK(filled(block, 'z', size), "domain %d: %zu lost contents", domain, size);
            way->free(way->ctx, block);
        }
    }
    void *raw = PyMem_RawCalloc(10, 10); /* CPython allows RAW at any time */
    CHECK(filled(raw, 0, 100), "PyMem_RawCalloc");
    PyMem_RawFree(raw);
}

static void *in_thread(void *arg)
{
    (void)arg;
    use_all();
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        given[i % 3].free(given[i % 3].ctx, from_before[i % 3][i]);
    }
    return NULL;
}

static void exit_handler(void)
{
    use_all();
    exit_handlers++;
}

__attribute__((destructor)) static void elf_destructor(void)
{
    CHECK(exit_handlers == 2, "%d exit handlers of 2 ran", exit_handlers);
    use_all();
    puts("allocation goes on after Py_FinalizeEx, to the last destructor");
    fflush(stdout);
}

static void get_and_install(const char *when)
{
    for (int domain = 0; domain < 3; domain++) {
        CHECK(Ox_GetAllocator(domain, &given[domain]) == OX_OK, "domain %d", domain);
    }
    install(when);
}

int main(void)
{
    atexit(exit_handler); /* runs last */
    initialize(get_and_install, "start");
    atexit(exit_handler);
    check_active("start");
    run(WORK "work(100)\n"
             "import atexit, threading\n"
             "kept = []\n"
             "atexit.register(lambda: (work(100), kept.append(bytearray(100000))))\n"
             "stop = threading.Event()\n"
             "threading.Thread(target=stop.wait, daemon=True).start()\n");
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        from_before[i % 3][i] = given[i % 3].malloc(given[i % 3].ctx, SIZES[i]);
    }
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    use_all();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    return 0;
}
