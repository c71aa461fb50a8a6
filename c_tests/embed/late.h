/*
 * Late: the library comes into an interpreter that runs, by dlopen, as
 * ctypes.PyDLL loads it. A program that is linked with it has it from its
 * start, so this one is not; the names stand for what dlsym finds.
 */
#ifndef LATE_H
#define LATE_H

#include <dlfcn.h>

#include "oxmalloc.h"

static struct {
    int (*install)(void);
    int (*get_status)(OxStatus *);
    int (*owns)(const void *);
} late;

#define Ox_Install late.install
#define Ox_GetStatus late.get_status
#define Ox_Owns late.owns

#include "embed.h"

static uintptr_t find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    CHECK(symbol != NULL, "%s", dlerror());
    return (uintptr_t)symbol;
}

static void load_library(void)
{
    void *library = dlopen("liboxmalloc.so", RTLD_NOW | RTLD_NOLOAD);
    CHECK(library == NULL, "the program was linked with the library");
    library = dlopen("liboxmalloc.so", RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    late.install = (int (*)(void))find(library, "Ox_Install");
    late.get_status = (int (*)(OxStatus *))find(library, "Ox_GetStatus");
    late.owns = (int (*)(const void *))find(library, "Ox_Owns");
    CHECK(status().active_domains == 0, "loading it installed it: '%s'", status().text);
}

#endif
