/* Two interpreters with a GIL each start and stop counting at the same time. */
#include "embed.h"

#if PY_VERSION_HEX < 0x030c0000

int main(void)
{
    puts("interpreters with their own GIL came with CPython 3.12");
    return SKIPPED;
}

#else

#include <pthread.h>

enum { ROUNDS = 300000 };

static PyThreadState *with_its_own_gil(void)
{
    const PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_threads = 1,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyThreadState *state = NULL;
    PyStatus status = Py_NewInterpreterFromConfig(&state, &config);
    CHECK(!PyStatus_Exception(status), "Py_NewInterpreterFromConfig: %s", status.err_msg);
    return PyEval_SaveThread();
}

static void *start_and_stop(void *state)
{
    PyEval_RestoreThread(state);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(Ox_StartCounting() == OX_OK, "start");
        PyObject_Free(PyObject_Malloc(10));
        Ox_StopCounting(); /* The other may have ended it for both: it says so. */
    }
    PyEval_SaveThread();
    return NULL;
}

int main(void)
{
    initialize(install, "main interpreter");
    PyThreadState *state[2], *main_state = PyThreadState_Get();
    for (int i = 0; i < 2; i++) {
        state[i] = with_its_own_gil();
        PyEval_RestoreThread(main_state);
    }
    PyEval_SaveThread();
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&thread[i], NULL, start_and_stop, state[i]) == 0, "no thread");
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
    }
    PyEval_RestoreThread(main_state);
    CHECK(Ox_StopCounting() == OX_ERR_ARGUMENT, "more were started than stopped");
    puts("two interpreters count at the same time");
    fflush(stdout);
    _exit(0);
}

#endif
