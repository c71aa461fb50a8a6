"""What scripts/bench is made of.

    programs       measures the programs of benches/workloads
    pyperformance  the benchmarks of that project
    survivors      what stays when most is freed, and what taking it again costs
    micro          one malloc and its free in time, instructions counts them
    scaling        cost by the size of the heap, rate by the number of threads
    sides          the allocators that are compared, and which of them are there
    workloads      the programs, and the libraries they need (packages)
    runner         runs them side by side, cold memory warmed before each
    ratios         what the figures say, and the bars they must keep
    results        the figures as data, with the machine described
    report         tables from that data
    publish        writes README, docs/results.md and the chart from it

What runs in the measured processes is in benches/inside.
"""
import os
import sys

BENCHES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCHES)
INSIDE = os.path.join(BENCHES, "inside")
CACHE = os.path.join(ROOT, "target", "bench")  # what was downloaded or compiled
MIB = 1 << 20

sys.path.insert(0, os.path.join(ROOT, "tests", "python"))  # oxtest


def say(message, end="\n"):
    """Progress goes to stderr, results to stdout."""
    print(message, end=end, file=sys.stderr, flush=True)


def give_up(message):
    sys.exit("bench: " + message)
