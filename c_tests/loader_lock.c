/*
 * A look-up waits for the loader's lock, under which constructors run; one of
 * them may allocate. So the library must hold no lock of its own when it looks
 * something up, or two threads wait for each other. The alarm says so.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

static pthread_t first;
static atomic_bool looks_up, allocated;

static void *constructor(void *unused)
{
    while (!looks_up) {
        usleep(1000);
    }
    OxMem_Free(NULL, take(&DOMAINS[OX_DOMAIN_MEM], 10));
    allocated = true;
    return unused;
}

/* Stands before libc's: finds nothing, and for the first thread only when the
 * constructor is through. */
void *dlsym(void *handle, const char *name)
{
    (void)handle, (void)name;
    if (pthread_equal(pthread_self(), first)) {
        looks_up = true;
        while (!allocated) {
            usleep(1000);
        }
    }
    return NULL;
}

int main(void)
{
    alarm(20);
    first = pthread_self();
    pthread_t other;
    CHECK(pthread_create(&other, NULL, constructor, NULL) == 0, "no thread");
    OxMem_Free(NULL, take(&DOMAINS[OX_DOMAIN_MEM], 10));
    CHECK(looks_up, "nothing was looked up");
    pthread_join(other, NULL);
    puts("nothing is looked up under a lock");
    return 0;
}
