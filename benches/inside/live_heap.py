"""What it costs to replace a block while many others live.

usage: live_heap.py MEGABYTES

Prints one line of JSON: nanoseconds to build each block, to replace one at a
random place, and to drop each.
"""
import json
import random
import sys

import gauges

LEAST, DOUBLINGS = 16, 7    # to 2 KiB
REPLACED = 1000000


def main():
    rng = random.Random(1)
    sizes = [int(LEAST * 2 ** rng.uniform(0, DOUBLINGS)) for _ in range(4096)]
    count = int(sys.argv[1]) * 1000000 * len(sizes) // sum(sizes)
    with gauges.Used() as build:
        live = [b"x" * sizes[i & 4095] for i in range(count)]
    place = 1
    with gauges.Used() as replace:
        for i in range(REPLACED):
            place = (place * 6364136223846793005 + 1442695040888963407) & 0xffffffffffffffff
            live[(place >> 20) % count] = b"x" * sizes[i & 4095]
    with gauges.Used() as drop:
        del live

    import prove
    prove.prove()
    print(json.dumps({
        "build": round(build.cpu / count * 1e9, 1), "replace": round(replace.cpu / REPLACED * 1e9, 1),
        "drop": round(drop.cpu / count * 1e9, 1)}))


main()
