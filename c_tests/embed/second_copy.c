/* A second copy of the library, from another path, sees the first and stays
 * out: two heaps would free each other's blocks. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "embed.h"

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    CHECK(in != NULL && out != NULL, "%s to %s", from, to);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        CHECK(fwrite(buffer, 1, n, out) == n, "%s", to);
    }
    fclose(in);
    CHECK(fclose(out) == 0, "%s", to);
}

int main(void)
{
    initialize(install, "first copy");
    check_active("first copy");

    Dl_info first;
    CHECK(dladdr((void *)(uintptr_t)Ox_Version, &first) != 0, "dladdr");
    copy_file(first.dli_fname, "./liboxmalloc-copy.so");
    void *copy = dlopen("./liboxmalloc-copy.so", RTLD_NOW | RTLD_LOCAL);
    CHECK(copy != NULL, "%s", dlerror());
    int (*install_copy)(void) = (int (*)(void))(uintptr_t)dlsym(copy, "Ox_Install");
    int (*status_of_copy)(OxStatus *) = (int (*)(OxStatus *))(uintptr_t)dlsym(copy, "Ox_GetStatus");
    CHECK(install_copy != NULL && install_copy != Ox_Install, "this is the same copy");

    int code = install_copy();
    CHECK(code == OX_ERR_SECOND_COPY, "the second copy says %d", code);
    OxStatus second = {.size = sizeof second};
    CHECK(status_of_copy(&second) == OX_OK && second.code == OX_ERR_SECOND_COPY && second.active_domains == 0,
          "code %d, domains %#x, '%s'", (int)second.code, (unsigned)second.active_domains, second.text);
    check_active("still the first copy");
    run(WORK "work(50)\n");
    CHECK(Py_FinalizeEx() == 0, "Py_FinalizeEx");
    puts("a second copy of the library stays out");
    return 0;
}
