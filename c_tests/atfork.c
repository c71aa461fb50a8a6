/*
 * Handlers of a fork that were registered before the library's: they run while
 * it holds its locks, on the thread that holds them, and may allocate.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "check.h"

static bool ready;
static int ran;

static void handler(void)
{
    if (!ready) {
        return;
    }
    ran++;
    EACH_OWN_DOMAIN(d) {
        for (size_t i = 0; i < COUNT(SIZES); i++) {
            char *block = take(d, SIZES[i]);
            memset(block, 1, SIZES[i]);
            d->f.free(NULL, block);
        }
    }
    Ox_Trim();
}

static void register_handlers(void)
{
    pthread_atfork(handler, handler, handler);
}

/* Before the constructors of all libraries. */
__attribute__((section(".preinit_array"), used)) static void (*const FIRST)(void) = register_handlers;

static void *also_forks(void *unused)
{
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        CHECK(child >= 0, "no fork");
        if (child == 0) {
            handler();
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status is %#x", status);
    }
    return unused;
}

int main(void)
{
    alarm(60);
    ready = true;
    pid_t child = fork(); /* by a thread that has no heap yet */
    if (child == 0) {
        exit(ran == 2 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the child's status is %#x", status);
    CHECK(ran == 2, "%d handlers ran", ran);
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT(threads); i++) {
        CHECK(pthread_create(&threads[i], NULL, also_forks, NULL) == 0, "no thread");
    }
    also_forks(NULL);
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    puts("earlier handlers of a fork may allocate");
    return 0;
}
