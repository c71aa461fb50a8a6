"""Writes what readers see from a file of results: the table of the README,
every table in docs/results.md, and the chart docs/results.svg."""
import glob
import os
import re
import subprocess

from . import BENCHES, ROOT, give_up, micro, packages, pyperformance, report, results, say, scaling, survivors
import oxtest

README = os.path.join(ROOT, "README.md")
PAGE = os.path.join(ROOT, "docs", "results.md")
CHART = os.path.join(ROOT, "docs", "results.svg")
MARKED = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- /results -->)", re.DOTALL)

# In the order of the page: what a kind is called, what its words mean, its tables.
KINDS = {
    "workloads": ("Programs", report.LEGEND, report.summary),
    "pyperformance": ("pyperformance", pyperformance.LEGEND, pyperformance.table),
    "survivors": ("What stays", survivors.LEGEND, survivors.tables),
    "scaling": ("Scaling", scaling.LEGEND, scaling.tables),
    "micro": ("One malloc and its free", micro.LEGEND, micro.table),
}

PAGE_HEAD = """\
# Results

Written by `scripts/bench --report` from `benches/results/%s`.
What stays in a Dask worker is in [recipes/dask.md](recipes/dask.md).
Memory is touched before each run, so that no run pays for pages that a virtual
machine's host has to find first. "default" is Python's own allocator; the other
columns are ratios to it where nothing else is said, and less than 1 is less.
"""


def publish(path):
    path = path or newest()
    measurements = sorted(results.load(path), key=lambda each: list(KINDS).index(each["kind"]))
    programs = next((each for each in measurements if each["kind"] == "workloads"), None)
    if not programs:
        give_up("%s has no programs" % path)
    rewrite(README, lambda text: MARKED.sub(lambda _: section(measurements, programs), text))
    rewrite(PAGE, lambda _: page(measurements, os.path.basename(path)))
    draw(path, CHART)


def newest():
    found = sorted(glob.glob(os.path.join(BENCHES, "results", "*.json")))
    if not found:
        give_up("benches/results holds nothing yet: scripts/bench --json benches/results/NAME.json")
    return found[-1]


def section(measurements, programs):
    """The README's: each program, the mean of each side, where it was measured."""
    text = report.ours(programs, markdown=True, columns=("time", "median", "spread", "faults", "peak", "freed", "idle"))
    if len(programs["sides"]) > 2:
        text += "\n" + report.means(programs, markdown=True)
    for each in measurements:
        if each["kind"] == "pyperformance":
            text += "\n" + pyperformance.sentence(each)
    return text + "\n" + report.where(programs) + "\n\n![chart](docs/results.svg)\n"


def page(measurements, source):
    text = PAGE_HEAD % source
    for each in measurements:
        title, legend, tables = KINDS[each["kind"]]
        text += "\n## %s: CPython %s\n\n%s\n%s\n\n%s" % (
            title, each["interpreter"]["tag"], legend, report.where(each), tables(each, markdown=True))
    return text


def draw(path, svg):
    environment = packages.environment(oxtest.fastest_interpreter(), "chart", "matplotlib")
    if not environment:
        give_up("matplotlib cannot be installed: no chart")
    subprocess.run(
        [packages.python_of(environment), "-m", "harness.chart", os.path.abspath(path), svg],
        env=dict(oxtest.clean_env(), PYTHONPATH=BENCHES), check=True)
    say("wrote " + svg)


def rewrite(path, change):
    text = ""
    if os.path.exists(path):
        with open(path) as file:
            text = file.read()
    with open(path, "w") as file:
        file.write(change(text))
    say("wrote " + path)
