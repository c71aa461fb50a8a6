"""Takes 100 MB, frees it, pauses, and takes it again.

usage: retake.py small|medium|large PAUSE TURNS

Prints one line of JSON: the CPU seconds of each turn but the first.
"""
import json
import random
import sys
import time

import gauges

TOTAL = 100 << 20
SIZES = {"small": (16, 5), "medium": (512, 6), "large": (65536, 7)}  # from, doublings


def main():
    kind, pause, turns = sys.argv[1:]
    least, doublings = SIZES[kind]
    rng, sizes = random.Random(1), []
    rest = TOTAL
    while rest > 0:
        sizes.append(int(least * 2 ** rng.uniform(0, doublings)))
        rest -= sizes[-1]
    seconds = []
    for _ in range(int(turns) + 1):
        with gauges.Used() as used:
            live = [b"x" * size for size in sizes]
            del live
        seconds.append(used.cpu)
        time.sleep(float(pause))

    import prove
    prove.prove()
    print(json.dumps(seconds[1:]))


main()
