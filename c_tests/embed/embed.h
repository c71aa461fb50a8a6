/*
 * What the embedding programs share: how a cycle of the interpreter starts
 * with oxmalloc in it, and what to expect of this kind of build.
 */
#ifndef EMBED_H
#define EMBED_H

#include <Python.h>

#include "check.h"

#if PY_VERSION_HEX >= 0x030c0000
#define PREINITIALIZE_FIRST 1 /* a second Py_Initialize wipes the hooks */
#else
#define PREINITIALIZE_FIRST 0
#endif

/* The code of an installation that did what can be done in this build. */
#if defined(Py_GIL_DISABLED)
#define INSTALLED OX_WITHOUT_OBJ
#define DOMAINS_SERVED (1u << OX_DOMAIN_RAW | 1u << OX_DOMAIN_MEM)
#elif defined(Py_DEBUG)
#define INSTALLED OX_WITHOUT_RAW
#define DOMAINS_SERVED (1u << OX_DOMAIN_MEM | 1u << OX_DOMAIN_OBJ)
#else
#define INSTALLED OX_OK
#define DOMAINS_SERVED (1u << OX_DOMAIN_RAW | 1u << OX_DOMAIN_MEM | 1u << OX_DOMAIN_OBJ)
#endif

__attribute__((unused)) static OxStatus status(void)
{
    OxStatus now;
    now.size = sizeof now;
    CHECK(Ox_GetStatus(&now) == OX_OK, "Ox_GetStatus");
    return now;
}

/* Is the interpreter served, and does it know? Needs the GIL. */
__attribute__((unused)) static void check_active(const char *when)
{
    OxStatus now = status();
    CHECK(now.active_domains == DOMAINS_SERVED, "%s: domains %#x, '%s'", when, (unsigned)now.active_domains, now.text);
    CHECK(now.python_version == PY_VERSION_HEX >> 8, "%s: python %#x", when, (unsigned)now.python_version);
    void *mem = PyMem_Malloc(100), *obj = PyObject_Malloc(100), *raw = PyMem_RawMalloc(100);
    CHECK(Ox_Owns(mem) == 1, "%s: PyMem_Malloc is not ours", when);
    CHECK(Ox_Owns(obj) == (DOMAINS_SERVED >> OX_DOMAIN_OBJ & 1), "%s: PyObject_Malloc is not ours", when);
    CHECK(Ox_Owns(raw) == 0, "%s: RAW is libc's", when);
    PyMem_Free(mem);
    PyObject_Free(obj);
    PyMem_RawFree(raw);
}

/* Ox_Install, where there is or is not something left to do. */
__attribute__((unused)) static void install(const char *when)
{
    int code = Ox_Install();
    CHECK(code == INSTALLED || code == OX_ALREADY, "%s: Ox_Install says %d, '%s'", when, code, status().text);
    code = Ox_Install();
    CHECK(code == OX_ALREADY, "%s: the second Ox_Install says %d", when, code);
}

/* One Py_Initialize as the documentation tells an embedder to do it, with
 * `hook` at the right moment. */
__attribute__((unused)) static void initialize(void (*hook)(const char *when), const char *when)
{
#if PREINITIALIZE_FIRST
    PyPreConfig before;
    PyPreConfig_InitPythonConfig(&before);
    CHECK(!PyStatus_Exception(Py_PreInitialize(&before)), "%s: Py_PreInitialize", when);
    hook(when);
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    CHECK(!PyStatus_Exception(Py_InitializeFromConfig(&config)), "%s: Py_InitializeFromConfig", when);
    PyConfig_Clear(&config);
#else
    hook(when);
    Py_Initialize();
#endif
}

__attribute__((unused)) static void run(const char *code)
{
    CHECK(PyRun_SimpleString(code) == 0, "Python code failed: %s", code);
}

/* Allocates of every kind and size, with cycles, and drops nearly all. */
#define WORK                                                                   \
    "import gc, json\n"                                                        \
    "def work(n):\n"                                                           \
    "    kept = []\n"                                                          \
    "    for i in range(n):\n"                                                 \
    "        d = {str(k): [k] * (k % 50) for k in range(i % 300)}\n"           \
    "        d['self'] = d\n"                                                  \
    "        b = bytearray(i * 37 % 200000)\n"                                 \
    "        b.extend(b'x' * (i % 5000))\n"                                    \
    "        s = json.dumps([i, 'text' * (i % 100), [None] * (i % 1000)])\n"   \
    "        assert json.loads(s)[0] == i and b.count(b'x') == i % 5000\n"     \
    "        if i % 10 == 0: kept.append((d, b, s))\n"                         \
    "    del d\n"                                                              \
    "    assert all(k[0]['self'] is k[0] for k in kept)\n"                     \
    "    del kept\n"                                                           \
    "    gc.collect()\n"

#endif
