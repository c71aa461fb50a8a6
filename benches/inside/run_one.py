"""Runs one workload, and prints what it left as its last line, in JSON.

usage: run_one.py WORKLOAD IDLE_SECONDS

    peak    bytes of the peak resident set, or what the workload itself put
            into a global `memory`
    freed   resident bytes when all was freed again
    idle    resident bytes after IDLE_SECONDS of light work, if there were any
    used    CPU seconds, wall seconds, page faults of these seconds

All sides do the same work to prove which allocator they ran on.
"""
import gc
import json
import runpy
import sys

import gauges

path, idle_seconds = sys.argv[1], float(sys.argv[2])
sys.argv = [path]
memory = runpy.run_path(path, run_name="__main__").get("memory")
gc.collect()

left = {"peak": memory or gauges.peak(), "freed": gauges.resident(), "used": [0, 0, 0]}
if idle_seconds:
    with gauges.Used() as used:
        gauges.light_work(idle_seconds)
    left.update(idle=gauges.resident(), used=[used.cpu, used.wall, used.faults])

import prove  # noqa: E402  after the workload, which is what counts

prove.prove()
print(json.dumps(left))
