"""Tables of a measurement of workloads, for the terminal and for the README."""
import re
import textwrap

from . import ratios

LEGEND = """\
Ratios to the default side, less than 1 is less. "time" is CPU time and compares
the fastest runs, as "wall" does; "median" and "±" are of the ratios of runs side
by side. "faults" are page faults; "peak", "freed" and "idle" are resident
memory: at its highest, when all was freed, and after 3 s more of light work.
"""

# One is the measurement's own; with more, single figures scatter.
QUIET = 1.5


def table(header, rows, text_columns, markdown=False):
    """Rows of strings as lines; the first columns are text, the others numbers."""
    if markdown:
        rule = "|---" * text_columns + "|--:" * (len(header) - text_columns) + "|\n"
        lines = ["| %s |\n" % " | ".join(row) for row in [header] + rows]
        return lines[0] + rule + "".join(lines[1:])
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return "".join(
        "  ".join(cell.ljust(width) if i < text_columns else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))).rstrip() + "\n"
        for row in [header] + rows)


def ours(measurement, markdown=False, columns=ratios.Ratios._fields):
    """oxmalloc against the default, program by program."""
    workloads = measurement["workloads"]
    every = {name: ratios.of(each["sides"], "oxmalloc") for name, each in workloads.items()}
    rows = [[name] + [workloads[name]["what"]] * markdown + _cells(each, columns) for name, each in every.items()]
    rows.append(["geometric mean"] + [""] * markdown + _cells(ratios.mean(every.values()), columns))
    header = ["program"] + ["what it does"] * markdown + ["±" if name == "spread" else name for name in columns]
    return table(header, rows, 1 + markdown, markdown)


def means(measurement, markdown=False, columns=("time", "faults", "peak", "freed", "idle")):
    """Every side against the default: the geometric means."""
    rows = [
        [name, what] + _cells(
            ratios.mean([ratios.of(each["sides"], name) for each in measurement["workloads"].values()]), columns)
        for name, what in measurement["sides"].items() if name != "default"]
    return table(["geometric means", "what it is", *columns], rows, 2, markdown)


def interpreter(measurement):
    """With what a measurement was made."""
    build = measurement["interpreter"]
    return "CPython %s (%s)" % (
        build["version"].split()[0], "optimised" if build["optimised"] else "not optimised")


def where(measurement):
    """When and on what a measurement was made, in a sentence."""
    machine = measurement["machine"]
    runs = ", runs of each side: %d" % measurement["runs"] if "runs" in measurement else ""
    # "always [madvise] never": the kernel brackets the one that is chosen.
    pages = re.search(r"\[(\w+)\]", machine["transparent_hugepage"] or "[none]").group(1)
    busy = " The machine had other work, so single figures scatter." if machine["load"] > QUIET else ""
    return textwrap.fill(
        "Measured on %s: oxmalloc %s, %s, %s, %d cores, %.0f GB, %s, %s, transparent huge pages: %s, "
        "load: %.1f%s.%s" % (
            measurement["date"], measurement["oxmalloc"], interpreter(measurement), machine["cpu"], machine["cores"],
            int(machine["memory"].split()[0]) * 1024e-9, machine["kernel"], machine["libc"], pages, machine["load"],
            runs, busy), 80)


def rivals(measurement, figure, markdown=False):
    """Every side against the default: one figure, program by program."""
    names = [name for name in measurement["sides"] if name != "default"]
    workloads = measurement["workloads"]
    every = {
        workload: [ratios.of(each["sides"], name) for name in names] for workload, each in workloads.items()}
    rows = [[workload] + [_cell(getattr(each, figure)) for each in row] for workload, row in every.items()]
    means = [ratios.mean(column) for column in zip(*every.values())]
    rows.append(["geometric mean"] + [_cell(getattr(each, figure)) for each in means])
    return table([figure] + names, rows, 1, markdown)


def summary(measurement, markdown=False):
    names = measurement["sides"]
    text = "" if markdown else LEGEND + "\n"
    text += ours(measurement, markdown)
    if len(names) > 2:
        for figure in "time", "peak", "freed", "idle":
            text += "\n" + rivals(measurement, figure, markdown)
    return text


def _cells(each, columns):
    return [_cell(getattr(each, name)) for name in columns]


def _cell(value):
    return "" if value is None else "%.2f" % value
