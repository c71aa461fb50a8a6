/* From 3.12 on an interpreter that is initialised again forgets the hooks: the
 * status asks for Ox_Install. Older ones keep them. */
#include "embed.h"

int main(void)
{
    initialize(install, "first");
    check_active("first");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    Py_Initialize();
#if PY_VERSION_HEX >= 0x030c0000 && !defined(Py_DEBUG)
    OxStatus now = status();
    CHECK(now.code == OX_NOT_INSTALLED && now.active_domains == 0, "code %d, '%s'", (int)now.code, now.text);
    CHECK(strstr(now.text, "call Ox_Install") != NULL, "'%s'", now.text);
    install("late");
#endif
#if PY_VERSION_HEX < 0x030c0000 || !defined(Py_DEBUG)
    check_active("second");
#endif
    run(WORK "work(50)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("initialised again: in force, or said not to be");
    return 0;
}
