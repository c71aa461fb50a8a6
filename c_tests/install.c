/* In a process without CPython the library says so, and stays out of the way. */
#include <stdlib.h>

#include "check.h"

static OxStatus status(void)
{
    OxStatus now;
    memset(&now, 0xEE, sizeof now);
    now.size = sizeof now;
    CHECK(Ox_GetStatus(&now) == OX_OK, "Ox_GetStatus");
    CHECK(memchr(now.text, 0, sizeof now.text) != NULL, "the text has no end");
    CHECK(strncmp(now.text, "inactive: ", 10) == 0 && strlen(now.text) > 10, "the text is '%s'", now.text);
    CHECK(now.active_domains == 0 && now.installed_by == 0 && now.python_version == 0,
          "domains %#x, installed by %u, python %#x", (unsigned)now.active_domains,
          (unsigned)now.installed_by, (unsigned)now.python_version);
    return now;
}

int main(void)
{
    OxStatus now = status();
    CHECK(now.code == OX_NOT_INSTALLED || now.code == OX_ERR_NO_PYTHON, "%d", (int)now.code);
    for (int i = 0; i < 3; i++) {
        int code = Ox_Install();
        CHECK(code == OX_ERR_NO_PYTHON, "Ox_Install says %d", code);
        now = status();
        CHECK(now.code == OX_ERR_NO_PYTHON, "%d", (int)now.code);
    }
    int major, minor, patch, end = 0;
    const char *version = Ox_Version();
    CHECK(sscanf(version, "%d.%d.%d%n", &major, &minor, &patch, &end) == 3 && version[end] == 0, "%s", version);
    CHECK(version == Ox_Version(), "two versions");
    printf("without CPython: %s (version %s)\n", now.text, version);
    return 0;
}
