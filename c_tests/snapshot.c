/* Ox_WriteSnapshot: JSON (the runner parses the *.json left here), also when
 * memory is exhausted; a descriptor that fails gives its errno. */
/* env: OXMALLOC_HUGE_PAGES=never */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "check.h"

/* A descriptor that takes nothing and gives no reason. */
enum { TAKES_NOTHING = 12345 };

/* Stands before libc's. */
ssize_t write(int fd, const void *bytes, size_t length)
{
    return fd == TAKES_NOTHING ? 0 : syscall(SYS_write, fd, bytes, length);
}

static int create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0, "%s: %s", path, strerror(errno));
    return fd;
}

/* A large block's row, found by its address in the text. */
static void shows_large(const char *path, const void *block, size_t bytes, size_t touched)
{
    static char text[8 * 1024 * 1024];
    int fd = open(path, O_RDONLY);
    ssize_t length = read(fd, text, sizeof text - 1);
    CHECK(length > 0 && length < (ssize_t)sizeof text - 1, "%s has %zd bytes", path, length);
    close(fd);
    text[length] = 0;
    const char *columns =
        "\"large_fields\":[\"address\",\"bytes\",\"domain\",\"resident_bytes\",\"age_ms\"],\"large_blocks\":[";
    const char *rows = strstr(text, columns);
    CHECK(rows != NULL, "no columns of large blocks in %s", path);
    char start[64];
    snprintf(start, sizeof start, "\n[%zu,%zu,\"mem\",", (size_t)block, bytes);
    const char *row = strstr(rows, start);
    CHECK(row != NULL, "no row%s in %s", start, path);
    size_t resident, age;
    CHECK(sscanf(row + strlen(start), "%zu,%zu]", &resident, &age) == 2, "%.80s", row);
    CHECK(resident == touched, "%zu resident, %zu touched", resident, touched);
    CHECK(age < 60000, "%zu ms old", age);
}

static off_t snapshot(int fd)
{
    int code = Ox_WriteSnapshot(fd);
    CHECK(code == 0, "%d: %s", code, strerror(code));
    off_t length = lseek(fd, 0, SEEK_CUR);
    CHECK(length > 2, "only %ld bytes written", (long)length);
    close(fd);
    return length;
}

int main(void)
{
    off_t empty = snapshot(create("empty.json"));
    for (size_t i = 0; i < 20000; i++) { /* never freed: it is to be seen */
        void *mem = OxMem_Malloc(NULL, i), *obj = OxObject_Malloc(NULL, i * 300 % 3000000);
        CHECK(mem != NULL && obj != NULL, "out of memory");
        OxMem_Free(NULL, i % 3 ? NULL : mem);
        OxObject_Free(NULL, i % 50 ? obj : NULL);
    }
    off_t full = snapshot(create("full.json"));
    CHECK(full > empty, "%ld bytes with blocks, %ld without", (long)full, (long)empty);

    /* What is resident is what was touched, page for page. */
    Ox_Trim();
    char *large = OxMem_Malloc(NULL, 40 * MIB);
    memset(large + 8 * MIB, 1, 3 * MIB);
    snapshot(create("large.json"));
    shows_large("large.json", large, 40 * MIB, 3 * MIB);

    signal(SIGPIPE, SIG_IGN);
    int ends[2], closed = create("closed"), code, no_space = open("/dev/full", O_WRONLY);
    close(closed);
    CHECK(pipe(ends) == 0, "pipe");
    close(ends[0]);
    CHECK((code = Ox_WriteSnapshot(-1)) == EBADF, "%d", code);
    CHECK((code = Ox_WriteSnapshot(closed)) == EBADF, "%d", code);
    CHECK((code = Ox_WriteSnapshot(ends[1])) == EPIPE, "%d", code);
    CHECK((code = Ox_WriteSnapshot(TAKES_NOTHING)) == EIO, "%d", code);
    CHECK(no_space < 0 || (code = Ox_WriteSnapshot(no_space)) == ENOSPC, "%d", code);

    int fd = create("exhausted.json");
    struct rlimit none = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &none) == 0, "setrlimit");
    while (OxMem_Malloc(NULL, LAST_SPAN) != NULL || OxMem_Malloc(NULL, 16) != NULL) {
    }
    snapshot(fd);
    puts("snapshots are written, with no memory left too; errors are told");
    return 0;
}
