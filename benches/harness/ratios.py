"""What the figures say: each side's, divided by those of the default.

Times are compared by the fastest runs, which other work on the machine
disturbed least, and by the median and the spread of the ratios of runs side by
side; page faults and memory by their medians.
"""
import collections
import math
import statistics

# The most that a ratio of ours may be, where it is not the general bar of time.
TIME_BAR = 1.05
BARS = {("startup", "time"): 1.03, ("threads", "memory"): 1.2}

Ratios = collections.namedtuple("Ratios", "time median spread wall faults peak freed idle")


def of(sides, name):
    """`sides` is a workload's figures by side, as results keeps them."""
    base, side = sides["default"], sides[name]
    pairs = [b / a for a, b in zip(base["cpu_seconds"], side["cpu_seconds"])]

    def best(figure):
        return min(side[figure]) / min(base[figure])

    def middle(figure):
        if not side[figure]:
            return None
        return statistics.median(side[figure]) / (statistics.median(base[figure]) or 1)

    return Ratios(
        best("cpu_seconds"), statistics.median(pairs), (max(pairs) - min(pairs)) / 2, best("wall_seconds"),
        middle("minor_faults"), middle("peak_bytes"), middle("freed_bytes"), middle("idle_bytes"))


def mean(ratios):
    """The geometric mean of each column, but of the spread."""
    columns = []
    for name, column in zip(Ratios._fields, zip(*ratios)):
        whole = name != "spread" and None not in column
        columns.append(math.exp(statistics.mean(map(math.log, column))) if whole else None)
    return Ratios(*columns)


def missed(workloads):
    """A line for each bar that oxmalloc missed."""
    lines = []
    for name, workload in workloads.items():
        ratios = of(workload["sides"], "oxmalloc")
        for what, value, usual in ("time", ratios.time, TIME_BAR), ("memory", ratios.peak, math.inf):
            bar = BARS.get((name, what), usual)
            if value > bar:
                lines.append("%s: %s is %.3f of the default's, the bar is %.2f" % (name, what, value, bar))
    return lines
