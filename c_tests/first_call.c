/* The first calls of a process, by eight threads at once: what is set up once
 * is set up once. Then it forks, which a fork handler registered twice hangs. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

enum { PROCESSES = 50, THREADS = 8, ALARM_SECONDS = 30 };

static pthread_barrier_t together;

static void *first_call(void *number)
{
    const Domain *d = DOMAINS + 1 + (uintptr_t)number % 2;
    pthread_barrier_wait(&together);
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        d->f.free(NULL, take(d, SIZES[s]));
    }
    return NULL;
}

static void wait_for(pid_t pid, const char *who)
{
    int how;
    CHECK(pid > 0 && waitpid(pid, &how, 0) == pid, "no %s", who);
    CHECK(!WIFSIGNALED(how) || WTERMSIG(how) != SIGALRM, "the %s hung", who);
    CHECK(how == 0, "the %s ended with wait status %#x", who, (unsigned)how);
}

static void fresh_process(void)
{
    pthread_t thread[THREADS];
    alarm(ALARM_SECONDS);
    pthread_barrier_init(&together, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&thread[i], NULL, first_call, (void *)i) == 0, "no thread");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    pid_t pid = fork();
    if (pid == 0) {
        alarm(ALARM_SECONDS);
        OxMem_Free(NULL, take(&DOMAINS[OX_DOMAIN_MEM], 100));
        _exit(0);
    }
    wait_for(pid, "forked child");
    _exit(0);
}

int main(void)
{
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            fresh_process();
        }
        wait_for(pid, "fresh process");
    }
    printf("first calls of %d threads at once, in %d processes\n", THREADS, PROCESSES);
    return 0;
}
