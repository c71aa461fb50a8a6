"""Tables of a measurement of workloads, for the terminal and for the README."""
from . import ratios

LEGEND = """\
Ratios to the default side, less than 1 is less; "time" compares the fastest
runs, "median" and "±" are of the ratios of runs side by side. "peak", "freed"
and "idle" are resident memory: at its highest, when all was freed, and after
3 s more of light work.
"""


def table(header, rows, text_columns, markdown=False):
    """Rows of strings as lines; the first columns are text, the others numbers."""
    if markdown:
        rule = ["---"] * text_columns + ["--:"] * (len(header) - text_columns)
        return "".join("| %s |\n" % " | ".join(row) for row in [header, rule] + rows).replace("| ---", "|---")
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    return "".join(
        "  ".join(cell.ljust(width) if i < text_columns else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))).rstrip() + "\n"
        for row in [header] + rows)


def ours(measurement, markdown=False):
    """oxmalloc against the default, program by program."""
    workloads = measurement["workloads"]
    header = ["program"] + ["what it does"] * markdown + [
        "time", "median", "±", "wall", "faults", "peak", "freed", "idle"]
    every = {name: ratios.of(each["sides"], "oxmalloc") for name, each in workloads.items()}
    rows = [[name] + [workloads[name]["what"]] * markdown + _cells(each) for name, each in every.items()]
    rows.append(["geometric mean"] + [""] * markdown + _cells(ratios.mean(every.values())))
    return table(header, rows, 1 + markdown, markdown)


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
        for figure in "time", "peak", "idle":
            text += "\n" + rivals(measurement, figure, markdown)
    return text


def _cells(each):
    return [_cell(value) for value in each]


def _cell(value):
    return "" if value is None else "%.2f" % value
