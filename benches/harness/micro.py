"""One malloc and its free, for each size class and order of freeing, in time.

The same patterns in instructions: scripts/hot-path.
"""
import collections
import itertools
import json
import math
import os
import statistics

from . import INSIDE, MIB, compiler, report, results, runner, say, sides
from .instructions import BANDS, CLASSES, PATTERNS

PEAK = 128 * MIB

LEGEND = """\
Nanoseconds for a malloc and its free of objects, and ratios: means over the size
classes of a band. "pairs": each block is freed before the next is taken. Else some
hundred to 16,384 are taken, then freed: the last first ("lifo"), the first first
("fifo"), in random order, or by another thread ("foreign").
"""


def run(py, options):
    chosen = sides.chosen(py, options.rivals)
    library = compiler.compiled("micro.c", "micro.so", "-shared", "-fPIC")
    command = [py.path, os.path.join(INSIDE, "micro.py"), library] + [str(size) for size in CLASSES]
    found = {side.name: collections.defaultdict(list) for side in chosen}
    say("micro ", end="")
    for _, side in itertools.product(range(options.runs), chosen):
        runner.touch(PEAK)
        done = runner.execute(command, side.environment(py), "micro with " + side.name)
        for pattern, nanoseconds in json.loads(done.output).items():
            found[side.name][pattern].append(nanoseconds)
        say(".", end="")
    say("")
    measurement = results.describe(
        "micro", py, runs=options.runs, sides={side.name: side.what for side in chosen}, sizes=CLASSES,
        nanoseconds={side: {pattern: [min(column) for column in zip(*runs)] for pattern, runs in each.items()}
                     for side, each in found.items()})
    if options.json:
        results.keep(options.json, measurement)
    print(table(measurement, options.markdown))
    return []


def table(measurement, markdown=False):
    """Ratios of time to the default, the geometric mean over the sizes of a band."""
    sizes, nanoseconds = measurement["sizes"], measurement["nanoseconds"]
    others = [name for name in measurement["sides"] if name != "default"]
    rows = []
    for pattern, (first, last) in itertools.product(PATTERNS, BANDS):
        places = [place for place, size in enumerate(sizes) if first <= size <= last]
        default = [nanoseconds["default"][pattern][place] for place in places]
        row = [pattern, "%d-%d" % (first, last), "%.1f ns" % statistics.mean(default)]
        for name in others:
            ratios = [nanoseconds[name][pattern][place] / base for place, base in zip(places, default)]
            row.append("%.2f" % math.exp(statistics.mean(map(math.log, ratios))))
        rows.append(row)
    return report.table(["malloc and free", "bytes", "default"] + others, rows, 2, markdown)
