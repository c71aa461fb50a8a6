/* A real-time thread does not starve the thread that holds a lock it wants, on
 * the processor that both share. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static atomic_bool stop;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void take_and_free(void)
{
    OxMem_Free(NULL, take(&DOMAINS[OX_DOMAIN_MEM], 100000));
}

static void *ordinary(void *unused)
{
    while (!stop) {
        take_and_free();
    }
    return unused;
}

int main(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0, "no processor of our own");
    pthread_t other;
    CHECK(pthread_create(&other, NULL, ordinary, NULL) == 0, "no thread");
    struct sched_param priority = {.sched_priority = 1};
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) != 0) {
        puts("no right to a real-time thread");
        return SKIPPED;
    }
    double longest = 0, end = now() + 4;
    while (now() < end) {
        usleep(500);
        double start = now();
        take_and_free();
        double took = now() - start;
        longest = took > longest ? took : longest;
    }
    stop = true;
    CHECK(longest < 0.5, "one malloc and free took %.3f s", longest);
    pthread_join(other, NULL);
    puts("a real-time thread waits for a lock without starving its holder");
    return 0;
}
