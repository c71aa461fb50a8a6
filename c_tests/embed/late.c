/* Ox_Install while the interpreter runs: refused without the GIL, effective
 * with it, idempotent; blocks taken before go home to their old owner. */
#include <pthread.h>

#include "late.h"

static void *without_gil(void *code)
{
    *(int *)code = Ox_Install();
    return NULL;
}

static int install_in_thread(void)
{
    pthread_t thread;
    int code = 12345;
    CHECK(pthread_create(&thread, NULL, without_gil, &code) == 0, "no thread");
    pthread_join(thread, NULL);
    return code;
}

static void *with_gil(void *code)
{
    PyGILState_STATE state = PyGILState_Ensure();
    *(int *)code = Ox_Install();
    PyGILState_Release(state);
    return NULL;
}

int main(void)
{
    Py_Initialize();
    run(WORK "old = [bytearray(n) for n in range(0, 40000, 7)]\n"
             "old += [{str(i): [i] for i in range(50)} for _ in range(1000)]\n");
    void *mem = PyMem_Malloc(1000), *obj = PyObject_Malloc(100), *large = PyMem_Malloc(5 << 20);
    memset(mem, 'm', 1000);
    memset(obj, 'o', 100);

    load_library();
    PyThreadState *saved = PyEval_SaveThread();
    int code = Ox_Install();
    CHECK(code == OX_ERR_NEEDS_GIL, "this thread without the GIL: %d", code);
    PyEval_RestoreThread(saved);
    CHECK((code = install_in_thread()) == OX_ERR_NEEDS_GIL, "a thread that never had the GIL: %d", code);
    CHECK(status().active_domains == 0, "active though it was refused");

    CHECK((code = Ox_Install()) == INSTALLED, "with the GIL: %d, '%s'", code, status().text);
    CHECK(status().installed_by == 3, "installed by %u", (unsigned)status().installed_by);
    check_active("late");
    CHECK((code = Ox_Install()) == OX_ALREADY, "again: %d", code);
    saved = PyEval_SaveThread();
    pthread_t thread;
    code = 12345;
    CHECK(pthread_create(&thread, NULL, with_gil, &code) == 0, "no thread");
    pthread_join(thread, NULL);
    PyEval_RestoreThread(saved);
    CHECK(code == OX_ALREADY, "again, from another thread: %d", code);

    /* Foreign blocks grow, shrink and die. */
    CHECK(!Ox_Owns(mem) && !Ox_Owns(obj) && !Ox_Owns(large), "an old block became ours");
    mem = PyMem_Realloc(mem, 100000);
    obj = PyObject_Realloc(obj, 5000);
    CHECK(filled(mem, 'm', 1000) && filled(obj, 'o', 100), "an old block lost its contents");
    PyMem_Free(mem);
    PyObject_Free(obj);
    PyMem_Free(large);
    run("for b in old[:5000]: b.extend(b'x' * 1000)\n"
        "del old[::2]\n"
        "work(300)\n"
        "del old\n"
        "work(300)\n");
    check_active("late, after work");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("late: refused without the GIL, works with it");
    return 0;
}
