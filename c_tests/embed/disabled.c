/* env: OXMALLOC_DISABLE=1 */
/* Switched off by the user: the interpreter runs on its own allocator. */
#include "embed.h"

static void refused(const char *when)
{
    int code = Ox_Install();
    CHECK(code == OX_ERR_DISABLED, "%s: Ox_Install says %d, '%s'", when, code, status().text);
}

int main(void)
{
    initialize(refused, "before");
    refused("late");
    OxStatus now = status();
    CHECK(now.code == OX_ERR_DISABLED && now.active_domains == 0, "code %d, domains %#x", (int)now.code,
          (unsigned)now.active_domains);
    CHECK(strncmp(now.text, "inactive: ", 10) == 0 && strstr(now.text, "OXMALLOC_DISABLE"), "'%s'", now.text);
    void *block = PyObject_Malloc(100);
    CHECK(!Ox_Owns(block), "in use though switched off");
    PyObject_Free(block);
    run(WORK "work(50)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("OXMALLOC_DISABLE is respected, and named");
    return 0;
}
