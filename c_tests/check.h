/*
 * What the programs here share. A program checks one subject, prints one line
 * and returns 0; CHECK ends it at the first thing that is wrong, saying what.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oxmalloc.h"

/* CHECK(condition, "format", values...): the values of what is wrong.
 * _exit, because a failing thread or forked child must not run exit handlers. */
#define CHECK(condition, ...)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);         \
        }                                                                      \
    } while (0)

__attribute__((noreturn, format(printf, 4, 5), unused)) static void
check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char detail[512];
    va_list values;
    va_start(values, format);
    vsnprintf(detail, sizeof detail, format, values);
    va_end(values);
    fprintf(stderr, "%s:%d: %s is false: %s\n", file, line, condition, detail);
    _exit(1);
}

/* The runner reads 77 as "skipped", and the line as the reason. */
#define SKIPPED 77

/* The three domains under one shape, called without the GIL. */
typedef struct Domain {
    const char *name;
    OxAllocator f;
} Domain;

static const Domain DOMAINS[] = {
    {"raw", {NULL, OxMem_RawMalloc, OxMem_RawCalloc, OxMem_RawRealloc, OxMem_RawFree}},
    {"mem", {NULL, OxMem_Malloc, OxMem_Calloc, OxMem_Realloc, OxMem_Free}},
    {"obj", {NULL, OxObject_Malloc, OxObject_Calloc, OxObject_Realloc, OxObject_Free}},
};

#define EACH_DOMAIN(d) for (const Domain *d = DOMAINS; d <= DOMAINS + OX_DOMAIN_OBJ; d++)
/* RAW belongs to libc; these two are the heap's own. */
#define EACH_OWN_DOMAIN(d)                                                     \
    for (const Domain *d = DOMAINS + OX_DOMAIN_MEM; d <= DOMAINS + OX_DOMAIN_OBJ; d++)

/* A block that has to be had. */
__attribute__((unused)) static void *take(const Domain *d, size_t size)
{
    void *block = d->f.malloc(NULL, size);
    CHECK(block != NULL, "%s: no block of %zu bytes", d->name, size);
    return block;
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A walk through everything the heap treats differently, edges on both sides:
 * size classes to 32 KiB, spans to 1 MiB, then large blocks. */
__attribute__((unused)) static const size_t SIZES[] = {
    0,     1,     16,    17,    100,    512,    513,     1024,    1025,        2048,
    2049,  4096,  4097,  10912, 16384,  16385,  32768,   32769,   65536,       65537,
    98304, 98305, 131072, 500000, 1048575, 1048576, 1048577, 2097152, 3000000, 10 * 1048576,
};
#define LAST_CLASS ((size_t)32768)
#define LAST_SPAN ((size_t)1048576)

/* Are all `size` bytes equal to `byte`? */
__attribute__((unused)) static bool filled(const void *block, int byte, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)block;
    return size == 0 || (bytes[0] == (unsigned char)byte && memcmp(bytes, bytes + 1, size - 1) == 0);
}

__attribute__((unused)) static OxStats stats(void)
{
    OxStats now;
    now.size = sizeof now;
    CHECK(Ox_GetStats(&now) == OX_OK, "Ox_GetStats refused its own structure");
    return now;
}

__attribute__((unused)) static size_t live_blocks(void)
{
    OxStats now = stats();
    return now.mem.live_blocks + now.obj.live_blocks;
}

/* Resident bytes of this process, as the kernel counts them. */
__attribute__((unused)) static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL, "/proc/self/statm cannot be read");
    CHECK(fscanf(statm, "%*u %lu", &pages) == 1, "/proc/self/statm has another form");
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

#define MIB ((size_t)1 << 20)

#endif
