/*
 * The window of addresses: chosen and used although others are in the way.
 * Each case is a child, because a process chooses only once.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

/* Hints as they come, of which the kernel is made to refuse... */
static int hints;
static int refused = -1;             /* ...this one, and its address for ever */
static const void *refused_address;
static bool all_refused;

/* Stands before libc's. Refuses as a kernel does that finds the range taken. */
void *mmap(void *hint, size_t length, int prot, int flags, int fd, off_t offset)
{
    if (hint != NULL) {
        if (hints++ == refused) {
            refused_address = hint;
        }
        if (all_refused || hint == refused_address) {
            hint = NULL;
        }
    }
    return (void *)syscall(SYS_mmap, hint, length, prot, flags, fd, offset);
}

static void use(void)
{
    static char *blocks[2000];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        size_t size = SIZES[i % COUNT(SIZES)] % LAST_SPAN;
        blocks[i] = take(&DOMAINS[OX_DOMAIN_OBJ], size + 1);
        CHECK(Ox_Owns(blocks[i]), "%p is not ours", (void *)blocks[i]);
        blocks[i][size] = 1;
    }
    for (size_t i = 0; i < COUNT(blocks); i++) {
        OxObject_Free(NULL, blocks[i]);
    }
    CHECK(live_blocks() == 0, "%zu blocks are left", live_blocks());
}

/* What is taken is the N-th range that the window tries to have. */
static void a_range_is_taken(int n)
{
    refused = n;
    use();
    CHECK(refused_address != NULL, "there were only %d hints", hints);
}

static void every_range_is_taken(int n)
{
    (void)n;
    all_refused = true;
    for (int i = 0; i < 3; i++) {
        CHECK(OxMem_Malloc(NULL, 100) == NULL, "a block out of nowhere");
    }
    OxAllocator out;
    CHECK(Ox_GetAllocator(OX_DOMAIN_MEM, &out) == OX_ERR_NO_MEMORY, "started without a window");
    all_refused = false;
    use();
}

/* Only the slot that holds a foreign page is skipped, and at once. */
static void a_page_inside_is_taken(int n)
{
    (void)n;
    const Domain *mem = &DOMAINS[OX_DOMAIN_MEM];
    char *first = take(mem, 2 * MIB);
    char *foreign = mmap(first + 600 * MIB, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(foreign == first + 600 * MIB, "no foreign page at %p", (void *)(first + 600 * MIB));
    hints = 0;
    char *behind = take(mem, 1024 * MIB);
    CHECK(behind > foreign && behind < foreign + 8 * MIB, "%p is far behind %p", (void *)behind,
          (void *)foreign);
    CHECK(hints < 64, "%d mappings for one block", hints);
    char *before = take(mem, 512 * MIB);
    CHECK(before > first && before < foreign, "the addresses before %p are lost", (void *)foreign);
    CHECK(!Ox_Owns(foreign), "the foreign page counts as ours");
}

static void in_a_child(void (*check)(int), int n)
{
    pid_t child = fork();
    CHECK(child >= 0, "no fork");
    if (child == 0) {
        check(n);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "the child is lost");
    CHECK(status == 0, "status %#x with range %d taken", status, n);
}

int main(void)
{
    for (int n = 0; n < 6; n++) {
        in_a_child(a_range_is_taken, n);
    }
    in_a_child(every_range_is_taken, -1);
    in_a_child(a_page_inside_is_taken, -1);
    puts("the window gives way to what others have mapped");
    return 0;
}
