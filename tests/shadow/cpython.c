/*
 * As much of CPython as the library looks for, so that it believes one GIL to
 * serialise the calls of its hooks: loaded by handover.rs.
 */
const char *Py_GetVersion(void) { return "3.11.0 (no CPython, but a test's stand-in)"; }
int Py_IsInitialized(void) { return 0; }
/* Whoever calls has the GIL: the threads of a program take turns. */
static int thread_state;
void *_PyThreadState_UncheckedGet(void) { return &thread_state; }
void *PyGILState_GetThisThreadState(void) { return &thread_state; }
void PyMem_SetAllocator(int domain, void *allocator) { (void)domain, (void)allocator; }
void PyMem_GetAllocator(int domain, void *allocator) { (void)domain, (void)allocator; }
