/*
 * What the misuse programs share. Each does one wrong thing to the heap and
 * must die by SIGABRT with the line in its `expect:` comment as its last on
 * stderr. What the hot path cannot see is found at the latest when the pool
 * next takes a slow path; `use_up` brings that about.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "oxmalloc.h"

#define POOL ((uintptr_t)1 << 16)
#define ARENA ((uintptr_t)1 << 21)

/* Takes more blocks of this size than any pool has. */
__attribute__((unused)) static void use_up(size_t size)
{
    for (size_t i = 0; i < 2 * POOL / 16; i++) {
        OxMem_Malloc(NULL, size);
    }
}

__attribute__((unused)) static void in_thread(void *(*what)(void *), void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, what, arg);
    pthread_join(thread, NULL);
}
