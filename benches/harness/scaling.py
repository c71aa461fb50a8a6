"""How the cost grows with the live heap, and the rate with the threads.

The heap: blocks replaced at random while 10 MB to 10 GB live. Threads: a C
program without a GIL, and interpreters with a GIL each (CPython 3.12), one core
for each.
"""
import collections
import itertools
import json
import os
import statistics

from . import INSIDE, compiler, give_up, report, results, runner, say, sides
import oxtest

MEGABYTES = 10, 30, 100, 300, 1000, 3000, 10000
MOST_THREADS = 4
SECONDS = 1
LEGEND = """\
While blocks of 16 bytes to 2 KiB live, so many MB in all: the time to "build"
each, to "replace" one at a random place, and to "drop" each. Then the calls per
second of C threads without a GIL, and the rounds of work of interpreters with a
GIL each, one core for each: with one (n=1), and how many times that with n.
"""


def run(py, options):
    chosen = sides.chosen(py, options.rivals)
    runs = min(options.runs, 3)
    measurement = results.describe(
        "scaling", py, runs=runs, sides={side.name: side.what for side in chosen},
        live_heap=live_heap(py, chosen, runs, options.quick))
    cores = options.cores[:MOST_THREADS]
    measurement["threads"] = threads(py, chosen, runs, cores)
    own_gil = py if py.version >= (3, 12) else with_own_gil()
    if own_gil:
        measurement["own_gil"] = dict(
            interpreter=own_gil.tag, rates=interpreters(own_gil, runs, cores, options.rivals))
    else:
        say("skipped: interpreters with a GIL each: no CPython 3.12 or newer found")
    if options.json:
        results.keep(options.json, measurement)
    print(tables(measurement, options.markdown))
    return []


def live_heap(py, chosen, runs, quick):
    """-> {megabytes: {side: {"build", "replace", "drop": nanoseconds}}}, medians."""
    found = {}
    for size in MEGABYTES:
        if size > (300 if quick else runner.available() * 0.6e-6):
            say("live heap of %d MB: left out" % size)
            continue
        say("live heap of %d MB " % size, end="")
        done = {side.name: [] for side in chosen}
        for _, side in itertools.product(range(runs), chosen):
            runner.touch(size * 1000000)
            output = runner.execute(
                [py.path, os.path.join(INSIDE, "live_heap.py"), str(size)], side.environment(py),
                "live heap with " + side.name).output
            done[side.name].append(json.loads(output))
            say(".", end="")
        say("")
        found[size] = {
            name: {what: statistics.median(each[what] for each in every) for what in every[0]}
            for name, every in done.items()}
    return found


def threads(py, chosen, runs, cores):
    """The C program: every malloc, and ours by the exported functions."""
    program = compiler.compiled("threads.c", "threads", "-pthread", "-ldl")
    mallocs = [side for side in chosen if side.objects == "malloc" or side is sides.OURS]

    def command(side, some):
        command = [program, str(SECONDS), ",".join(map(str, some))]
        return command + [oxtest.LIB] * (side is sides.OURS)

    def environment(side):
        env = side.environment(py)
        if side is sides.OURS:
            del env["LD_PRELOAD"]
        return env

    return _rates("C threads", mallocs, runs, cores, command, environment)


def interpreters(py, runs, cores, rivals):
    def command(_, some):
        return [py.path, os.path.join(INSIDE, "own_gil.py"), str(SECONDS), ",".join(map(str, some))]
    return _rates("interpreters", sides.chosen(py, rivals), runs, cores, command, lambda side: side.environment(py))


def with_own_gil():
    """The best interpreter for that, of those that are there."""
    found = [py for py in oxtest.interpreters()[0]
             if py.version >= (3, 12) and not py.debug and not py.free_threaded]
    return max(found, key=lambda py: (py.optimised, py.version), default=None)


def _rates(what, chosen, runs, cores, command, environment):
    """-> {side: [calls per second on one core, on two, ...]}, the best of the runs."""
    say(what + " ", end="")
    best = collections.defaultdict(lambda: [0] * len(cores))
    for _, n, side in itertools.product(range(runs), range(1, len(cores) + 1), chosen):
        output = runner.execute(
            command(side, cores[:n]), environment(side), "%s with %s" % (what, side.name), cores).output
        rate, *library = output.split()
        expected = os.path.basename(oxtest.LIB) if side is sides.OURS else side.malloc
        if library and not os.path.basename(library[0]).startswith(expected):
            give_up("%s with %s were served by %s" % (what, side.name, library[0]))
        best[side.name][n - 1] = max(best[side.name][n - 1], float(rate))
        say(".", end="")
    say("")
    return best


def tables(measurement, markdown=False):
    names = list(measurement["sides"])
    text = ""
    for what in "build", "replace", "drop":
        rows = []
        for size, each in measurement["live_heap"].items():
            row = ["%s MB" % size, "%.0f ns" % each["default"][what]]
            rows.append(row + ["%.2f" % (each[name][what] / each["default"][what]) for name in names[1:]])
        text += report.table([what] + names, rows, 1, markdown) + "\n"
    text += _rate_table("C threads", measurement["threads"], markdown)
    if "own_gil" in measurement:
        text += "\n" + _rate_table(
            "interpreters of " + measurement["own_gil"]["interpreter"], measurement["own_gil"]["rates"], markdown)
    return text


def _rate_table(what, rates, markdown):
    """Relative to one thread of the same side."""
    rows = [[side, "%.3g/s" % each[0]] + ["%.2f" % (rate / each[0]) for rate in each[1:]]
            for side, each in rates.items()]
    count = max(map(len, rates.values()))
    return report.table([what] + ["n=%d" % n for n in range(1, count + 1)], rows, 1, markdown)
