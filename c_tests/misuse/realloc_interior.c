/* expect: oxmalloc: fatal: free of an address that is not the start of a block */
#include "misuse.h"

int main(void)
{
    char *block = OxMem_Malloc(NULL, 1024);
    char *moved = OxMem_Realloc(NULL, block + 512, 20000);
    memset(moved, 0, 20000);
    use_up(1024);
    return 0;
}
