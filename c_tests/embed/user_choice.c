/* PYTHONMALLOC and the development mode are the user's choice of an allocator:
 * it is respected, and the status names it. */
#include <stdlib.h>
#include <sys/wait.h>

#include "embed.h"

/* CPython up to 3.11 replaces us when it then reads the variable; 3.12 has
 * read it when a program can install, so Ox_Install has to refuse. */
static void install_before(const char *when)
{
    int code = Ox_Install();
    CHECK(code == OX_ERR_PYTHONMALLOC || (!PREINITIALIZE_FIRST && (code == INSTALLED || code == OX_ALREADY)),
          "%s: Ox_Install says %d", when, code);
}

static void check_inactive(const char *expected)
{
    OxStatus now = status();
    CHECK(now.code == OX_ERR_PYTHONMALLOC && now.active_domains == 0, "%s: code %d, domains %#x, '%s'", expected,
          (int)now.code, (unsigned)now.active_domains, now.text);
    CHECK(strncmp(now.text, "inactive: ", 10) == 0 && strstr(now.text, expected) != NULL, "not %s but '%s'", expected,
          now.text);
    void *mem = PyMem_Malloc(100), *obj = PyObject_Malloc(100);
    CHECK(!Ox_Owns(mem) && !Ox_Owns(obj), "in use in spite of %s", expected);
    PyMem_Free(mem);
    PyObject_Free(obj);
}

static int with_choice(const char *expected)
{
    initialize(install_before, expected);
    check_inactive(expected);
    int code = Ox_Install();
    CHECK(code == OX_ERR_PYTHONMALLOC, "%s, late: Ox_Install says %d", expected, code);
    check_inactive(expected);
    run(WORK "work(50)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    return 0;
}

/* Runs this program again, with the variable set from its start. */
static void choose(char *program, const char *variable, const char *value, const char *expected)
{
    int how;
    pid_t pid = fork();
    if (pid == 0) {
        setenv(variable, value, 1);
        execl(program, program, expected, (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(pid, &how, 0) == pid && how == 0, "%s: wait status %#x", expected, (unsigned)how);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return with_choice(argv[1]);
    }
    choose(argv[0], "PYTHONMALLOC", "debug", "PYTHONMALLOC=debug");
    choose(argv[0], "PYTHONMALLOC", "malloc", "PYTHONMALLOC=malloc");
    choose(argv[0], "PYTHONDEVMODE", "1", "PYTHONDEVMODE");
    puts("PYTHONMALLOC and PYTHONDEVMODE are respected, and named");
    return 0;
}
