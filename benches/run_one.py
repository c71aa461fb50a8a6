"""Runs one workload for scripts/bench, then proves which allocator served it.

usage: run_one.py WORKLOAD default|oxmalloc

Its last line of output is the peak resident set in KiB. The parent's rusage
would do for large programs only: its peak counts the process that forked, too.
Both sides do the same work for the proof; with oxmalloc the library must be
active in this very process, on the default side it must not even be mapped.
"""
import re
import runpy
import sys

path, side = sys.argv[1:]
sys.argv = [path]
runpy.run_path(path, run_name="__main__")

with open("/proc/self/status") as status:
    print(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1))

import oxtest  # noqa: E402  after the workload, which is what counts

with open("/proc/self/maps") as maps:
    mapped = "liboxmalloc" in maps.read()
assert mapped == (side == "oxmalloc"), "the library is %smapped" % ("" if mapped else "not ")
if mapped:
    oxtest.assert_active()
