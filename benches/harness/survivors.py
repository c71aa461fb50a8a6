"""What stays in memory when most is freed, and what taking it again costs.

1.5 million small records of which one in N survives, and 100 MB that are freed
and taken again after a pause (benches/inside/survivors.py and retake.py).
"""
import collections
import itertools
import json
import os
import statistics
import subprocess
import textwrap

from . import INSIDE, MIB, give_up, report, results, runner, say, sides

KINDS = "tuple", "str", "list"
ONE_IN = 1024, 64
ORDERS = "regular", "random"
RECORDS_PEAK = 400 * MIB
LIGHT_SECONDS, IDLE_SECONDS = 3, 60

RETAKE_SIZES = "small", "medium", "large"
RETAKE_PEAK = 200 * MIB
RETAKE_PAUSES = 0, 0.15, 1, 5  # seconds
RETAKE_TURNS = 10  # after each of them

LEGEND = """\
1.5 million small records are made, and all but one in N dropped: every N-th stays
and the others go backwards ("regular"), or both are random. "time" is the ratio
of CPU time to make and drop them; the rest is resident memory in MB: with all of
them, right after the drop, after 3 s of light work or else of sleep, after 60 s
of sleep, and after a trim.
"""
RETAKE_LEGEND = """\
100 MB of small (16 to 512 bytes), medium (to 32 KiB) or large blocks (64 KiB to
8 MiB) are taken and freed, and after a pause taken and freed again: CPU time of
one such turn, the median and the mean of %s turns.
"""


def run(py, options):
    chosen = sides.chosen(py, options.rivals)
    runs = min(options.runs, 3)  # many cases, each of them the same every time
    measurement = results.describe(
        "survivors", py, runs=runs, sides={side.name: side.what for side in chosen},
        survivors=survivors(py, chosen, runs, options.quick), retake={})
    if options.json:
        results.keep(options.json, measurement)
    measurement["retake"] = retake(py, chosen, options.quick)
    if options.json:
        results.keep(options.json, measurement)
    print(tables(measurement, options.markdown))
    return []


def survivors(py, chosen, runs, quick):
    """-> {case: {side: {figure: [values]}}}"""
    found = collections.defaultdict(lambda: {side.name: collections.defaultdict(list) for side in chosen})
    for kind in KINDS:
        cases = list(itertools.product([kind], map(str, ONE_IN), ORDERS))
        for case in cases:
            say("survivors: %s " % _name(case), end="")
            for turn, side in itertools.product(range(runs), chosen):
                runner.touch(RECORDS_PEAK)
                # What happens after the drop does not change between the runs.
                done = runner.execute(
                    _command(py, case, "light", 0 if turn else LIGHT_SECONDS), side.environment(py), _name(case))
                _add(found[_name(case)][side.name], done.output, only_times=turn > 0)
                say(".", end="")
            say("")
        if not quick:
            say("survivors: %s, %d s of sleep" % (kind, IDLE_SECONDS))
            sleep(py, chosen, cases, found)
    return found


def sleep(py, chosen, cases, found):
    """Sleeping takes no core: all cases at once, each built after the drop of
    the one before."""
    sleepers = []
    for case, side in itertools.product(cases, chosen):
        process = subprocess.Popen(
            _command(py, case, "idle", IDLE_SECONDS), env=side.environment(py),
            stdout=subprocess.PIPE, universal_newlines=True)
        process.stdout.readline()
        sleepers.append((case, side, process))
    for case, side, process in sleepers:
        output, _ = process.communicate()
        if process.returncode:
            give_up("%s failed with %s" % (_name(case), side.name))
        figures = json.loads(output)
        for name in "sleep_bytes", "idle_bytes":
            found[_name(case)][side.name][name].append(figures[name])


def _name(case):
    return "%s, 1 in %s, %s" % case


def _command(py, case, then, seconds):
    return [py.path, os.path.join(INSIDE, "survivors.py"), *case, then, str(seconds)]


def _add(figures, output, only_times):
    for name, value in json.loads(output.splitlines()[-1]).items():
        if name.endswith("seconds") or not only_times:
            figures[name].append(value)


def retake(py, chosen, quick):
    """-> {case: {side: {"cpu_seconds": [of each turn]}}}"""
    found = {}
    for size, pause in itertools.product(RETAKE_SIZES, RETAKE_PAUSES):
        if quick and pause > 1:
            continue
        say("100 MB of %s blocks again after %g s " % (size, pause), end="")
        case = found["%s, %g s" % (size, pause)] = {}
        for side in chosen:
            runner.touch(RETAKE_PEAK)
            command = [py.path, os.path.join(INSIDE, "retake.py"), size, str(pause), str(RETAKE_TURNS)]
            done = runner.execute(command, side.environment(py), "retake with " + side.name)
            case[side.name] = {"cpu_seconds": json.loads(done.output)}
            say(".", end="")
        say("")
    return found


def tables(measurement, markdown=False):
    """Resident memory of the survivors in MB, and the ratios of time."""
    columns = "full dropped light sleep idle trim".split()
    rows = []
    for case, each in measurement["survivors"].items():
        for side, figures in each.items():
            rows.append([case, side, "%.2f" % (_work(figures) / _work(each["default"]))]
                        + [_megabytes(figures, name + "_bytes") for name in columns])
    text = report.table(
        ["survivors", "side", "time", "full", "dropped", "3 s light", "3 s sleep", "%d s sleep" % IDLE_SECONDS,
         "trimmed"], rows, 2, markdown)
    return text + "\n" + _machine(measurement) + _retaken(measurement, markdown)


def _machine(measurement):
    """Whether the machine's free memory follows the process's."""
    every = [figures for each in measurement["survivors"].values() for figures in each.values()]
    off = [abs(figures[name + "_taken_bytes"][0] - figures[name + "_bytes"][0])
           for figures in every for name in ("dropped", "light") if name + "_taken_bytes" in figures]
    if not off:
        return ""
    return textwrap.fill(
        "MemFree of the machine fell by what is resident, within %.0f MB: the median of all cases, after the drop "
        "and after the light work. What else the machine did is in it." % (statistics.median(off) / 1e6), 80) + "\n\n"


def _retaken(measurement, markdown):
    """CPU time of a turn: the default's, and ratios to it."""
    cases, (first, *others) = measurement["retake"], measurement["sides"]
    counts = sorted({len(side["cpu_seconds"]) for each in cases.values() for side in each.values()})
    rows = []
    for case, each in cases.items():
        row = [case]
        for middle in statistics.median, statistics.mean:
            base = middle(each[first]["cpu_seconds"])
            row.append("%.1f ms" % (1e3 * base))
            row += ["%.2f" % (middle(each[name]["cpu_seconds"]) / base) for name in others]
        rows.append(row)
    if not rows:
        return ""
    text = textwrap.fill(RETAKE_LEGEND % " to ".join(map(str, sorted({counts[0], counts[-1]}))), 80) + "\n\n"
    return text + report.table(
        ["100 MB again", first + ", median", *others, first + ", mean", *others], rows, 1, markdown)


def _work(figures):
    """The fastest build and the fastest drop."""
    return min(figures["build_cpu_seconds"]) + min(figures["drop_cpu_seconds"])


def _megabytes(figures, name):
    return "%.0f" % (figures[name][0] / 1e6) if name in figures else ""
