/* Four interpreters with a GIL each, on four threads at the same time: their
 * MEM and OBJ calls are no longer serialised by anything. */
#include "embed.h"

#if PY_VERSION_HEX < 0x030c0000

int main(void)
{
    puts("interpreters with their own GIL came with CPython 3.12");
    return SKIPPED;
}

#else

#include <pthread.h>

enum { INTERPRETERS = 4, ROUNDS = 3 };

/* CPython 3.12 does not create and end interpreters in parallel reliably, so
 * that is done one at a time; what runs inside is what matters here. */
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t all_running;
static PyInterpreterState *main_interpreter;

static void *interpreter(void *number)
{
    (void)number;
    const PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    for (int i = 0; i < ROUNDS; i++) {
        PyThreadState *mine, *own = NULL;
        pthread_mutex_lock(&life);
        mine = PyThreadState_New(main_interpreter);
        PyEval_RestoreThread(mine);
        PyStatus status = Py_NewInterpreterFromConfig(&own, &config);
        pthread_mutex_unlock(&life);
        CHECK(!PyStatus_Exception(status), "Py_NewInterpreterFromConfig: %s", status.err_msg);

        pthread_barrier_wait(&all_running);
        check_active("own GIL");
        run(WORK "work(1000)\n");
        run("import threading\n"
            "ts = [threading.Thread(target=work, args=(200,)) for _ in range(2)]\n"
            "for t in ts: t.start()\n"
            "for t in ts: t.join()\n");
        check_active("own GIL");

        pthread_mutex_lock(&life);
        Py_EndInterpreter(own);
        PyEval_RestoreThread(mine);
        PyThreadState_Clear(mine);
        PyThreadState_DeleteCurrent();
        pthread_mutex_unlock(&life);
    }
    return NULL;
}

int main(void)
{
    initialize(install, "main interpreter");
    run(WORK "work(100)\n");
    main_interpreter = PyInterpreterState_Get();
    PyThreadState *saved = PyEval_SaveThread();

    pthread_t thread[INTERPRETERS];
    pthread_barrier_init(&all_running, NULL, INTERPRETERS);
    for (int i = 0; i < INTERPRETERS; i++) {
        CHECK(pthread_create(&thread[i], NULL, interpreter, NULL) == 0, "no thread");
    }
    for (int i = 0; i < INTERPRETERS; i++) {
        pthread_join(thread[i], NULL);
    }
    PyEval_RestoreThread(saved);
    check_active("after the others");
    run("work(100)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    printf("%d interpreters with their own GIL, %d times\n", INTERPRETERS, ROUNDS);
    return 0;
}

#endif
