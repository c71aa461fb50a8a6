"""The benchmarks of pyperformance, one by one: default, oxmalloc, default again
for the noise, and the rivals.

Their scripts run by pyperf itself, in a virtual environment in which each of
pyperf's workers proves its allocator (benches/inside/pyperf_worker.py).
"""
import itertools
import json
import math
import os
import statistics
import subprocess
import tempfile
import textwrap

from . import INSIDE, MIB, give_up, packages, report, results, runner, say, sides

REQUIREMENT = "pyperformance==1.14.0"
# A worker on each side in turn, and back, because the speed of a machine changes with
# time; each finds its number of loops, warms up, and takes values of at least 0.1 s.
WORKER = "--processes", "1", "--warmups", "1", "--values"
VALUES, QUICK_VALUES = "3", "1"
ROUNDS, QUICK_ROUNDS = 3, 1
PEAK = 256 * MIB
LEGEND = """\
The median time with the default, and ratios of the medians: of oxmalloc, and of
the default measured once more ("default again"), which is the noise. "fastest"
is oxmalloc's ratio, too, of the fastest values.
"""
AGAIN = sides.DEFAULT._replace(name="default again", what="the default once more: the noise")

USUAL = """
    async_generators async_tree async_tree_io async_tree_memoization asyncio_tcp chameleon chaos
    comprehensions coroutines deepcopy deltablue django_template docutils fannkuch float gc_collect
    gc_traversal generators genshi go hexiom html5lib json_dumps json_loads logging mako mdp nqueens
    pathlib pickle pickle_list pickle_pure_python pidigits pprint pyflate python_startup raytrace
    regex_compile regex_v8 richards spectral_norm sqlalchemy_declarative sqlalchemy_imperative
    sqlglot_v2_parse sqlite_synth sympy telco tomli_loads unpickle unpickle_list
    unpickle_pure_python xml_etree
""".split()


def run(py, options):
    default, ours, *rivals = sides.chosen(py, options.rivals)
    chosen = [default, ours, AGAIN, *rivals]
    python = prepare(py)
    known = json.loads(subprocess.check_output([python, os.path.join(INSIDE, "pyperf_list.py")]))
    names = options.pyperformance or USUAL
    unknown = set(names) - set(known)
    if unknown:
        give_up("pyperformance has no %s; it has %s" % (", ".join(unknown), ", ".join(known)))
    values, rounds = (QUICK_VALUES, QUICK_ROUNDS) if options.quick else (VALUES, ROUNDS)
    measurement = results.describe(
        "pyperformance", py, version=REQUIREMENT, sides={side.name: side.what for side in chosen}, seconds={})
    for number, name in enumerate(names, 1):
        say("%2d/%d %-24s" % (number, len(names), name), end="")
        script, arguments, requirements = known[name]
        if requirements and not installed(python, name, requirements):
            say(" skipped: its libraries cannot be installed")
            continue
        command = [python, script, *arguments, *WORKER, values]
        found = {}
        for side in itertools.islice(itertools.cycle(chosen + chosen[::-1]), rounds * len(chosen)):
            done = execute(py, side, command, name)
            if found and not done:
                give_up("%s with %s: it ran before, and failed now" % (name, side.name))
            for benchmark, seconds in done.items():
                found.setdefault(benchmark, {}).setdefault(side.name, []).extend(seconds)
            say(".", end="")
            if not found:
                break
        say("" if found else " skipped: it does not run on this interpreter")
        measurement["seconds"].update(found)
        if options.json:
            results.keep(options.json, measurement)
    print(table(measurement, options.markdown))
    return []


def prepare(py):
    """A virtual environment with pyperformance and the hook; -> its Python."""
    environment = packages.environment(py, "pyperformance", REQUIREMENT, "wheel")
    if not environment:
        give_up("%s cannot be installed for %s" % (REQUIREMENT, py.path))
    python = packages.python_of(environment)
    where = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], universal_newlines=True)
    with open(os.path.join(where.strip(), "bench_worker.pth"), "w") as hook:
        hook.write("import sys; sys.path.append(%r); import pyperf_worker\n" % INSIDE)
    return python


def installed(python, name, requirements):
    mark = os.path.join(os.path.dirname(os.path.dirname(python)), ".installed-" + name)
    if not os.path.exists(mark):
        if subprocess.call([python, "-m", "pip", "install", "--quiet", "-r", requirements]):
            return False
        open(mark, "w").close()
    return True


def execute(py, side, command, name, inherit=None):
    """Runs a script on a side; -> {benchmark: [seconds]}. A script that fails on
    the default side does not work here at all: -> {}."""
    with tempfile.TemporaryDirectory() as directory:
        output, proofs = os.path.join(directory, "output.json"), os.path.join(directory, "proofs")
        env = side.environment(py, {"BENCH_PROOFS": proofs})
        if inherit is None:
            inherit = ["BENCH_PROOFS", "BENCH_EXPECTS", "OXTEST_LIB", "PYTHONPATH", *side.env]
        runner.touch(PEAK)
        done = subprocess.run(
            [*command, "--quiet", "--inherit-environ", ",".join(inherit), "--output", output],
            env=env, universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            if side.name == "default" and "bench: worker:" not in done.stdout:
                return {}
            give_up("%s failed with %s:\n%s" % (name, side.name, done.stdout))
        with open(output) as file:
            suite = json.load(file)
        workers = sum(len(each["runs"]) for each in suite["benchmarks"])
        with open(proofs) as lines:
            proved = len(lines.readlines())
        if proved < workers:
            give_up("%s with %s: %d of %d workers did not prove themselves" % (
                name, side.name, workers - proved, workers))
    return {
        dict(suite["metadata"], **each.get("metadata", {}))["name"]:
            [value for run in each["runs"] for value in run.get("values", ())]
        for each in suite["benchmarks"]}


def table(measurement, markdown=False):
    """Ratios of the medians and, for oxmalloc, of the fastest values, too."""
    others = [name for name in measurement["sides"] if name != "default"]
    every = {name: [_ratio(seconds, "oxmalloc", min)] + [_ratio(seconds, side) for side in others]
             for name, seconds in measurement["seconds"].items()}
    rows = [[name, _duration(statistics.median(measurement["seconds"][name]["default"]))] + _cells(row)
            for name, row in every.items()]
    rows.append(["geometric mean of %d" % len(rows), ""] + _cells(map(_mean, zip(*every.values()))))
    text = report.table(["benchmark", "default", "fastest"] + others, rows, 1, markdown)
    return text + "\n" + sentence(measurement)


def sentence(measurement):
    """The result in short."""
    every = measurement["seconds"].values()
    noise = statistics.median(abs(_ratio(seconds, AGAIN.name) - 1) for seconds in every)
    slowest = sorted(((_ratio(seconds, "oxmalloc"), name) for name, seconds in measurement["seconds"].items()),
                     reverse=True)[:4]
    return textwrap.fill(
        "pyperformance, %d benchmarks on %s: the geometric mean of oxmalloc's ratios of time is %.3f; default "
        "against default again it is %.3f, and one of these ratios is typically off by %.1f\xa0%%. It is slowest "
        "in %s." % (
            len(every), report.interpreter(measurement), _mean([_ratio(seconds, "oxmalloc") for seconds in every]),
            _mean([_ratio(seconds, AGAIN.name) for seconds in every]), 100 * noise,
            ", ".join("%s (%.2f)" % (name, ratio) for ratio, name in slowest)), 90).replace("\xa0", " ") + "\n"


def _ratio(seconds, side, of=statistics.median):
    return of(seconds[side]) / of(seconds["default"])


def _mean(ratios):
    return math.exp(statistics.mean(map(math.log, ratios)))


def _cells(ratios):
    return ["%.3f" % ratio for ratio in ratios]


def _duration(seconds):
    scale, unit = next(each for each in ((1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")) if seconds * each[0] >= 1)
    return "%.3g %s" % (seconds * scale, unit)
