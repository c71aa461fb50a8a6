// Calls come when everything else is over: from destructors of C++ thread
// locals and pthread keys, exit handlers, static objects and, last, from an
// ELF destructor, which prints the line.
#include <pthread.h>
#include <stdlib.h>

#include <atomic>

#include "check.h"

namespace {

constexpr int THREADS = 200;
std::atomic<int> thread_locals, key_rounds;
int exit_handlers, static_objects;
pthread_key_t key;
void *left_over[16]; // taken while ending, freed by the ELF destructor

// Takes, resizes and frees in every domain; keeps one block in `place`.
void use(void *&place)
{
    EACH_DOMAIN(d) {
        for (size_t size : SIZES) {
            if (size <= 2 * LAST_CLASS) { // classes and a span
                char *block = static_cast<char *>(take(d, size));
                memset(block, 'e', size);
                block = static_cast<char *>(d->f.realloc(nullptr, block, size + 100));
                CHECK(filled(block, 'e', size), "%s %zu", d->name, size);
                d->f.free(nullptr, block);
            }
        }
    }
    OxMem_Free(nullptr, place);
    place = OxMem_Calloc(nullptr, 1, 100);
    CHECK(filled(place, 0, 100), "calloc");
}

struct ThreadLocal {
    void *block = OxMem_Malloc(nullptr, 100);
    ~ThreadLocal()
    {
        use(block);
        OxMem_Free(nullptr, block);
        ++thread_locals;
    }
};
thread_local ThreadLocal thread_local_object;

struct Static {
    ~Static()
    {
        use(left_over[0]);
        ++static_objects;
    }
} static_object;

// Runs in each round that there is (POSIX: at least four).
void key_destructor(void *block)
{
    ++key_rounds;
    void *next = nullptr;
    use(next);
    OxMem_Free(nullptr, block);
    CHECK(pthread_setspecific(key, next) == 0, "pthread_setspecific");
}

void *live(void *)
{
    use(thread_local_object.block);
    CHECK(pthread_setspecific(key, OxMem_Malloc(nullptr, 10)) == 0, "pthread_setspecific");
    return nullptr;
}

void exit_handler()
{
    use(left_over[1]);
    ++exit_handlers;
}

__attribute__((destructor)) void elf_destructor()
{
    CHECK(thread_locals == THREADS + 1, "%d of %d", thread_locals.load(), THREADS + 1);
    CHECK(key_rounds >= THREADS * 2, "%d rounds for %d threads", key_rounds.load(), THREADS);
    CHECK(exit_handlers == 1 && static_objects == 1, "%d and %d", exit_handlers, static_objects);
    use(left_over[2]);
    for (void *block : left_over) {
        OxMem_Free(nullptr, block);
    }
    OxStats now = stats();
    CHECK(now.heaps <= 10, "%zu heaps left by %d threads, four at a time", now.heaps, THREADS);
    puts("allocation works in destructors of every kind, to the last");
    fflush(stdout);
}

} // namespace

int main()
{
    CHECK(pthread_key_create(&key, key_destructor) == 0, "pthread_key_create");
    atexit(exit_handler);
    for (int i = 0; i < THREADS; i += 4) {
        pthread_t thread[4];
        for (pthread_t &t : thread) {
            CHECK(pthread_create(&t, nullptr, live, nullptr) == 0, "no thread");
        }
        for (pthread_t &t : thread) {
            pthread_join(t, nullptr);
        }
    }
    use(thread_local_object.block); // the main thread has one too
    return 0;
}
