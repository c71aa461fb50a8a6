/*
 * The part that has to be C: a constructor that runs when the library is
 * loaded, and weak references, which tell without a look-up whether this
 * process has a CPython at all. In any other process this is all that runs.
 */
extern int Ox_Install(void);
extern int Py_IsInitialized(void) __attribute__((weak));
extern void PyMem_SetAllocator(int domain, void *allocator) __attribute__((weak));

/* Read by install.rs, to say how it was installed. */
int oxmalloc_in_constructor;

__attribute__((constructor)) static void oxmalloc_constructor(void)
{
    if (!PyMem_SetAllocator || !Py_IsInitialized)
        return;
    /* Loaded into a running interpreter (dlopen): whoever did it decides. */
    if (Py_IsInitialized())
        return;
    oxmalloc_in_constructor = 1;
    (void)Ox_Install();
    oxmalloc_in_constructor = 0;
}
