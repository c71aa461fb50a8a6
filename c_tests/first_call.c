/* The first calls of a process, by eight threads at once: what is to be set up
 * once is set up once. It forks meanwhile and afterwards; the child must not
 * find a lock that was taken before the handlers of fork were there. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

enum { PROCESSES = 200, THREADS = 8, ALARM_SECONDS = 20 };

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

static void use_child(const char *which)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(ALARM_SECONDS);
        EACH_OWN_DOMAIN(d) {
            d->f.free(NULL, take(d, 100));
        }
        _exit(0);
    }
    wait_for(pid, which);
}

static void fresh_process(void)
{
    pthread_t thread[THREADS];
    alarm(2 * ALARM_SECONDS);
    pthread_barrier_init(&together, NULL, THREADS + 1);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&thread[i], NULL, first_call, (void *)i) == 0, "no thread");
    }
    pthread_barrier_wait(&together);
    use_child("child forked meanwhile");
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    use_child("child forked afterwards");
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
