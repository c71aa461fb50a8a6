"""Draws the chart of a file of results: chart.py RESULTS SVG

Runs in an environment of its own, which has matplotlib (see publish).
"""
import itertools
import statistics
import sys

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness import ratios, results

# Of Okabe and Ito, told apart by colour-blind readers, too.
COLOURS = {
    "default": "#000000", "oxmalloc": "#0072b2", "malloc": "#999999", "jemalloc": "#e69f00",
    "jemalloc-thp": "#d55e00", "mimalloc2": "#009e73", "mimalloc3": "#56b4e9", "tcmalloc": "#cc79a7",
    "py-mimalloc": "#f0e442", "floor": "#000000"}
MARKERS = dict(zip(COLOURS, "|osvDPX^*d"))
RATIOS = {
    "time": "CPU time", "peak": "peak memory", "freed": "memory right\nafter freeing all",
    "idle": "memory after\n3 s of light work more"}
SURVIVORS = {"1 in 64": "-", "1 in 1024": (0, (4, 2))}  # how the lines are drawn
# What a process does after the drop is one of: sleep, work, trim.
PHASES = {
    "full_bytes": "all\n1.5 million", "dropped_bytes": "right after\nthe drop", "idle_bytes": "… then\n60 s of sleep",
    "light_bytes": "… or 3 s of\nlight work", "trim_bytes": "… or a\ntrim()"}

# The more, the smaller the range.
TICKS = {
    10: (0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5), 1000: (0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
    float("inf"): (0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000)}

matplotlib.rcParams.update({
    "svg.hashsalt": "oxmalloc", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 10, "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True})


def main():
    path, svg = sys.argv[1:]
    kinds = {each["kind"]: each for each in reversed(results.load(path))}
    below = [(draw, kinds[kind]) for kind, draw in
             (("survivors", survivors), ("scaling", live_heap), ("scaling", threads)) if kind in kinds]
    programs = kinds["workloads"]
    heights = [0.24 * len(programs["workloads"]) + 1] + [3] * bool(below)
    figure = plt.figure(figsize=(11, sum(heights) + 0.4), layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    compare(programs, parts[0][0])
    if below:
        panels = parts[1][0].subplots(1, len(below), squeeze=False, width_ratios=[1.6, 1, 1][:len(below)])[0]
        for panel, (draw, measurement) in zip(panels, below):
            draw(measurement, panel)
    figure.legend(*legend(programs), loc="outside upper center", ncols=len(programs["sides"]), frameon=False)
    figure.savefig(svg, metadata={"Date": None})


def legend(programs):
    names = [name for name in programs["sides"] if name != "default"] + ["default"]
    return [plt.Line2D([], [], **dot(name), linestyle="") for name in names], names


def dot(name):
    ours = name == "oxmalloc"
    look = {"color": COLOURS[name], "marker": MARKERS[name], "markersize": 7 if ours else 4.5,
            "zorder": 4 if ours else 3, "alpha": 1 if ours else 0.8}
    if name == "default":
        look.update(markersize=11, markeredgewidth=1.4)
    if name == "floor":
        look.update(markersize=6, markerfacecolor="none", zorder=2)
    return look


def compare(programs, figure):
    """A row for each program, a dot for each side, where the default is 1."""
    workloads = programs["workloads"]
    rows = list(workloads) + ["geometric mean"]
    panels = figure.subplots(1, len(RATIOS), sharey=True)
    for panel, (field, title) in zip(panels, RATIOS.items()):
        panel.set_title(title)
        panel.set_xlabel("default = 1", fontsize=8)
        panel.set_xscale("log")
        panel.axvline(1, color=COLOURS["default"], linewidth=1)
        panel.axhline(len(rows) - 1.5, color="#999999", linewidth=0.6)
        for name in programs["sides"]:
            if name == "default":
                continue
            every = [ratios.of(each["sides"], name) for each in workloads.values()]
            every.append(ratios.mean(every))
            found = [(getattr(each, field), row) for row, each in enumerate(every) if getattr(each, field)]
            if found:
                panel.plot(*zip(*found), **dot(name), linestyle="")
        plain(panel.xaxis)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].invert_yaxis()


def survivors(measurement, panel):
    """What stays of the memory of many records when few of them do, of the default
    and of oxmalloc."""
    panel.set_title("MB resident: 1.5 million tuples, 1 in N kept at random")
    ends = []
    for (kept, line), name in itertools.product(SURVIVORS.items(), ("default", "oxmalloc")):
        figures = measurement["survivors"].get("tuple, %s, random" % kept, {}).get(name, {})
        phases = [phase for phase in PHASES if figures.get(phase)]
        if phases:
            places = [list(PHASES).index(phase) for phase in phases]
            values = [statistics.median(figures[phase]) / 1e6 for phase in phases]
            look = dict(dot(name), marker="o", markersize=4.5)
            panel.plot(places, values, **look, linestyle=line, linewidth=1.4)
            ends.append((values[-1], places[-1], "%s, %s" % (name, kept), COLOURS[name]))
    panel.set_xticks(range(len(PHASES)), PHASES.values(), fontsize=8)
    panel.set_xlim(right=len(PHASES) - 0.3)
    panel.set_ylim(bottom=0, top=1.1 * panel.get_ylim()[1])
    label(panel, ends)


def label(panel, ends):
    """Names the lines where they end, one name below the other where they meet."""
    line = 0.075 * panel.get_ylim()[1]
    taken = float("inf")
    for value, place, text, colour in sorted(ends, reverse=True):
        taken = min(value, taken - line)
        panel.annotate(text, (place, taken), (7, 0), textcoords="offset points", color=colour, fontsize=8,
                       verticalalignment="center", annotation_clip=False)


def live_heap(measurement, panel):
    panel.set_title("ns to replace a block, by MB alive")
    sizes = list(measurement["live_heap"])
    for name in measurement["sides"]:
        panel.plot([int(size) for size in sizes],
                   [measurement["live_heap"][size][name]["replace"] for size in sizes], **dot(name), linewidth=1.2)
    panel.set_xscale("log")
    panel.set_ylim(bottom=0)
    plain(panel.xaxis)


def threads(measurement, panel):
    panel.set_title("million calls per second, by threads")
    for name, rates in measurement["threads"].items():
        panel.plot(range(1, len(rates) + 1), [rate / 1e6 for rate in rates], **dot(name), linewidth=1.2)
        panel.set_xticks(range(1, len(rates) + 1))
    panel.set_ylim(bottom=0)


def plain(axis):
    """1, 1.4 and 1000 instead of powers of ten."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(FixedLocator(next(ticks for most, ticks in TICKS.items() if high < most * low)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: "%g" % value))
    axis.set_minor_locator(NullLocator())


main()
