/* Three interpreters one after the other, Ox_Install in each. */
#include "embed.h"

int main(void)
{
    static const char *const cycles[] = {"first cycle", "second cycle", "third cycle"};
    size_t after[3];
    for (int i = 0; i < 3; i++) {
        initialize(install, cycles[i]);
        check_active(cycles[i]);
        install(cycles[i]); /* late: nothing left to do */
        run(WORK "work(300)\n"
                 "cycle = []; cycle.append(cycle); del cycle\n"
                 "assert gc.collect() > 0, 'the collector finds nothing'\n");
        check_active(cycles[i]);
        CHECK(Py_FinalizeEx() == 0, "%s: Py_FinalizeEx", cycles[i]);
        after[i] = stats().mem.live_bytes + stats().obj.live_bytes;
    }
    /* What CPython never frees it may leave once a cycle, but not our heap. */
    CHECK(after[2] < 16 * MIB, "%zu bytes are live after three cycles", after[2]);
    printf("three cycles with Ox_Install; live at the end of each: %zu, %zu, %zu KiB\n", after[0] >> 10,
           after[1] >> 10, after[2] >> 10);
    return 0;
}
