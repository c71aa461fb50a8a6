/* tracemalloc restores, when it stops, what it found when it started. So late
 * installation is refused while it traces; tracing after us is welcome. */
#include "late.h"

int main(void)
{
    Py_Initialize();
    run(WORK "import tracemalloc; tracemalloc.start()\n");
    load_library();
    int code = Ox_Install();
    OxStatus now = status();
    CHECK(code == OX_ERR_TRACEMALLOC, "while it traces: %d, '%s'", code, now.text);
    CHECK(now.code == code && now.active_domains == 0, "code %d, domains %#x", (int)now.code,
          (unsigned)now.active_domains);
    CHECK(strncmp(now.text, "inactive: ", 10) == 0 && strstr(now.text, "tracemalloc") != NULL, "'%s'", now.text);
    run("work(50)\n"
        "tracemalloc.stop()\n");
    code = Ox_Install();
    CHECK(code == INSTALLED, "after it stopped: %d, '%s'", code, status().text);
    check_active("after it stopped");

    run("tracemalloc.start()\n");
    CHECK((code = Ox_Install()) == OX_ALREADY, "again, traced: %d", code);
    run("before = tracemalloc.get_traced_memory()[0]\n"
        "kept = [bytearray(1000) for _ in range(1000)]\n"
        "assert tracemalloc.get_traced_memory()[0] - before > 1000000\n"
        "work(20)\n"
        "tracemalloc.stop()\n"
        "del kept\n");
    check_active("after it came and went");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("refused while tracemalloc traces; traced when it starts later");
    return 0;
}
