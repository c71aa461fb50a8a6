/* The debug hooks come in front of what counts: nobody stands there twice. */
#include "embed.h"

int main(void)
{
    initialize(install, "first");
    CHECK(Ox_StartCounting() == OX_OK, "start");
    PyMem_SetupDebugHooks();
    CHECK(Ox_StartCounting() == OX_OK, "below the debug hooks");
    PyMem_Free(PyMem_Malloc(10));
    PyObject_Free(PyObject_Malloc(10));
    CHECK(Ox_StopCounting() == OX_OK, "the inner one");
    CHECK(Ox_StopCounting() == OX_OK, "the outer one");
    PyMem_Free(PyMem_Malloc(10));
    puts("counting finds itself below the debug hooks");
    fflush(stdout);
    _exit(0); /* What was there before the hooks has none of their marks. */
}
