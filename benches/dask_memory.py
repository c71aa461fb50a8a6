#!/usr/bin/env python3
"""Measures what stays in the memory of a Dask worker when its data is dropped.

The case of dask/distributed#5971, whose data is numpy arrays, and the same with
lists of records and dataframes of strings, wholly dropped or with one row in 64
kept (benches/inside/dask_memory.py). Each run is a new cluster with one worker.
Dask and pandas are installed once, below target/bench.

    benches/dask_memory.py                     prints the table
    benches/dask_memory.py --json FILE         and keeps every figure
    benches/dask_memory.py --report FILE       writes the table of docs/recipes/dask.md
"""
import argparse
import ast
import json
import os
import re
import statistics
import subprocess
import sys
import textwrap

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import INSIDE, MIB, ROOT, give_up, packages, report, results, say  # noqa: E402
import oxtest  # noqa: E402

PROGRAM = os.path.join(INSIDE, "dask_memory.py")
PAGE = os.path.join(ROOT, "docs", "recipes", "dask.md")
MARKED = re.compile(r"(?<=<!-- memory -->\n).*?(?=<!-- /memory -->)", re.DOTALL)

# What each changes in distributed.nanny.pre-spawn-environ.
SIDES = {
    "untuned": ("Dask without its MALLOC_TRIM_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_="),
    "Dask": ("Dask's default: pymalloc, MALLOC_TRIM_THRESHOLD_=65536",),
    "malloc": ("PYTHONMALLOC=malloc beside it", "PYTHONMALLOC=malloc"),
    "oxmalloc": ("oxmalloc beside it", "LD_PRELOAD=" + oxtest.LIB),
}
COLUMNS = "before", "full", "dropped", "later", "trimmed"


def cases():
    """The names in the program's table, which only its own environment can import."""
    with open(PROGRAM) as file:
        for node in ast.parse(file.read()).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "CASES":
                return [ast.literal_eval(key) for key in node.value.keys]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each side (3)")
    parser.add_argument("--only", action="append", choices=cases(), help="this case (may be repeated)")
    parser.add_argument("--json", metavar="FILE", help="keep every figure, with the machine described")
    parser.add_argument("--report", metavar="FILE", help="measure nothing, write the page's table from FILE")
    options = parser.parse_args()
    if options.report:
        measurement, = results.load(options.report)
        write(measurement)
        return
    py = oxtest.fastest_interpreter()
    measurement = measure(py, options.only or cases(), options.runs)
    if options.json:
        results.keep(options.json, measurement)
    print(table(measurement))


def measure(py, names, runs):
    environment = packages.environment(py, "dask", "distributed", "pandas")
    if not environment:
        give_up("pip could not install distributed and pandas: what it says is above")
    python = packages.python_of(environment)
    env = oxtest.clean_env({"PYTHONWARNINGS": "ignore:Sending large graph"})  # The issue's own case is one.
    figures = {name: {side: {column + "_bytes": [] for column in COLUMNS} for side in SIDES} for name in names}
    for name in names:
        say("%s " % name, end="")
        for turn in range(runs):
            for side, (_, *settings) in SIDES.items():
                done = subprocess.run([python, PROGRAM, name, *settings], env=env, universal_newlines=True,
                                      stdout=subprocess.PIPE)
                if done.returncode:
                    give_up("%s failed with %s" % (name, side))
                told = json.loads(done.stdout)
                for column, values in figures[name][side].items():
                    values.append(told[column])
                say(".", end="")
        say("")
    versions = subprocess.run(
        [python, "-c", "import distributed, numpy, pandas; print(distributed.__version__, numpy.__version__,"
         " pandas.__version__)"], env=oxtest.clean_env(), universal_newlines=True, stdout=subprocess.PIPE, check=True)
    return results.describe(
        "dask", py, runs=runs, sides={side: what for side, (what, *_) in SIDES.items()},
        versions=dict(zip(("distributed", "numpy", "pandas"), versions.stdout.split())), memory=figures)


# The page's columns: the side, what is shown of it, the heading.
SHOWN = [("Dask", "before", "before"), ("Dask", "full", "built"), ("untuned", "later", "untuned"),
         ("Dask", "later", "Dask"), ("malloc", "later", "malloc"), ("malloc", "trimmed", "malloc_trim"),
         ("oxmalloc", "later", "oxmalloc"), ("oxmalloc", "trimmed", "oxmalloc.trim")]


def table(measurement, markdown=False):
    """MiB: the median, and in brackets the least where it is another."""
    rows = [[name] + [_mib(sides[side][column + "_bytes"]) for side, column, _ in SHOWN]
            for name, sides in measurement["memory"].items()]
    return report.table(["dropped"] + [heading for _, _, heading in SHOWN], rows, 1, markdown)


def _mib(values):
    median, least = ("%.0f" % (value / MIB) for value in (statistics.median(values), min(values)))
    return median if median == least else "%s (%s)" % (median, least)


def section(measurement):
    """The page's part: the table, and where it was measured."""
    versions = ", ".join("%s %s" % each for each in measurement["versions"].items())
    where = textwrap.fill("%s With %s." % (report.where(measurement), versions), 80)
    return "%s\n%s\n" % (table(measurement, markdown=True), where)


def write(measurement):
    with open(PAGE) as file:
        page = file.read()
    with open(PAGE, "w") as file:
        file.write(MARKED.sub(lambda _: section(measurement), page))


if __name__ == "__main__":
    main()
