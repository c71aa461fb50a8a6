"""Builds 1.5 million small records, drops all but one in N, and watches.

usage: survivors.py tuple|str|list N regular|random light|idle SECONDS

regular: every N-th record stays, the others are freed in the order they were
made, backwards. random: which stay and the order of freeing are random.

Prints "dropped" when only the survivors are left, and at the end one line of
JSON: CPU seconds of building and dropping, resident bytes with all records,
after the drop, after SECONDS of light work or (idle) after 3 s and SECONDS of
sleep, and after a trim; "taken" is what the machine has less of free memory
than at the start, after the drop and after the light work.
"""
import json
import random
import sys
import time

import gauges

RECORDS = 1500000
SHORT = 3

MAKERS = {
    "tuple": lambda: [(i, i + 1) for i in range(RECORDS)],
    "str": lambda: ["record %d" % i for i in range(RECORDS)],
    "list": lambda: [[i, i + 1] for i in range(RECORDS)],
}


def main():
    kind, one_in, order, then, seconds = sys.argv[1:]
    rng, step, seconds = random.Random(1), int(one_in), float(seconds)
    free = gauges.machine_free()
    with gauges.Used() as build:
        records = MAKERS[kind]()
    figures = {"build_cpu_seconds": build.cpu, "full_bytes": gauges.resident()}
    if order == "random":
        rng.shuffle(records)
    with gauges.Used() as drop:
        survivors = records[::step]
        del records
    figures.update(drop_cpu_seconds=drop.cpu, dropped_bytes=gauges.resident(),
                   dropped_taken_bytes=free - gauges.machine_free())
    print("dropped", flush=True)
    if then == "light":
        gauges.light_work(seconds)
        figures.update(light_bytes=gauges.resident(), light_taken_bytes=free - gauges.machine_free())
    else:
        time.sleep(min(SHORT, seconds))
        figures["sleep_bytes"] = gauges.resident()
        time.sleep(max(0, seconds - SHORT))
        figures["idle_bytes"] = gauges.resident()
    gauges.trim()
    figures["trim_bytes"] = gauges.resident()
    assert len(survivors) == -(-RECORDS // step)

    import prove
    prove.prove()
    print(json.dumps(figures))


main()
