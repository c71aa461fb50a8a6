"""scripts/bench: what it runs proves itself, and its figures are put together right."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import oxtest

sys.path.insert(0, os.path.join(oxtest.ROOT, "benches"))
from harness import (  # noqa: E402
    CACHE, INSIDE, instructions, publish, pyperformance, ratios, report, results, scaling, sides, workloads)

BENCH = os.path.join(oxtest.ROOT, "scripts", "bench")


def bench(*arguments):
    return subprocess.run(
        [sys.executable, BENCH, *arguments], env=oxtest.clean_env(), universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Sides(unittest.TestCase):
    """Each process proves which allocator serves it."""

    def setUp(self):
        self.py = oxtest.fastest_interpreter()

    def prove(self, side, **without):
        """What a process says whose variables were lost on the way."""
        env = {name: value for name, value in side.environment(self.py).items() if name not in without}
        done = subprocess.run(
            [self.py.path, os.path.join(INSIDE, "prove.py")], env=env,
            universal_newlines=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return done.returncode, done.stderr.strip()

    def test_every_side_that_is_found_proves_itself(self):
        found, skipped = sides.find(self.py)
        for side in found:
            with self.subTest(side=side.name):
                self.assertEqual(self.prove(side), (0, ""))
        for side, reason in skipped:
            self.assertTrue(reason and (side.install or side.name == "malloc"), side.name)

    def test_a_dropped_preload_is_found(self):
        for side in sides.find(self.py)[0]:
            if "LD_PRELOAD" in side.env:
                with self.subTest(side=side.name):
                    code, message = self.prove(side, LD_PRELOAD=None)
                    self.assertEqual(code, 1)
                    self.assertIn(", not from %s and %s" % (side.objects, side.malloc), message)

    def test_a_dropped_pythonmalloc_is_found(self):
        for side in sides.find(self.py)[0]:
            if "PYTHONMALLOC" in side.env:
                with self.subTest(side=side.name):
                    self.assertEqual(self.prove(side, PYTHONMALLOC=None)[0], 1)

    def test_the_default_side_notices_a_preload(self):
        env = dict(sides.DEFAULT.environment(self.py), LD_PRELOAD=oxtest.LIB)
        done = subprocess.run([self.py.path, os.path.join(INSIDE, "prove.py")], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)

    def test_a_missing_rival_is_named(self):
        rival = sides.RIVALS[1]._replace(
            malloc="libnosuch.so.7", env={"LD_PRELOAD": "libnosuch.so.7", "PYTHONMALLOC": "malloc"})
        self.assertEqual(rival.probe(self.py)[1], "libnosuch.so.7 is not installed")

    def test_an_unknown_allocator_is_a_reason(self):
        rival = sides.RIVALS[0]._replace(env={"PYTHONMALLOC": "nosuch"})
        self.assertIn("unknown allocator", rival.probe(self.py)[1])


class Inside(unittest.TestCase):
    """What runs in the measured processes and is not a workload."""

    def run_inside(self, program, *arguments, py=None):
        py = py or oxtest.fastest_interpreter()
        env = sides.OURS.environment(py)
        done = subprocess.run(
            [py.path, os.path.join(INSIDE, program), *arguments], env=env,
            universal_newlines=True, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    def test_survivors(self):
        for order in "regular", "random":
            figures = self.run_inside("survivors.py", "str", "1024", order, "idle", "0.1")
            self.assertGreater(figures["full_bytes"], 50 << 20)
            # All but the survivors' own pages go, and the parts of the heap that stay ready.
            self.assertLess(figures["trim_bytes"], figures["full_bytes"] / 2, order)

    def test_live_heap(self):
        self.assertEqual(list(self.run_inside("live_heap.py", "10")), ["build", "replace", "drop"])

    def test_threads(self):
        core, = list(os.sched_getaffinity(0))[:1]
        rates = scaling.threads(oxtest.fastest_interpreter(), [sides.OURS, sides.RIVALS[0]], 1, [core])
        self.assertEqual(set(rates), {"oxmalloc", "malloc"})

    @unittest.skipUnless(scaling.with_own_gil(), "no CPython 3.12 or newer")
    def test_interpreters(self):
        py = scaling.with_own_gil()
        core, = list(os.sched_getaffinity(0))[:1]
        self.assertGreater(self.run_inside("own_gil.py", "0.1", str(core), py=py), 0)

    def test_retake(self):
        for size in "small", "medium", "large":
            self.assertEqual(len(self.run_inside("retake.py", size, "0", "2")), 2)


class Workers(unittest.TestCase):
    """pyperf's workers, which lose the preload unless it is handed on."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.proofs = os.path.join(directory.name, "proofs")
        self.py = oxtest.fastest_interpreter()

    def worker(self, *arguments, **without):
        env = sides.OURS.environment(self.py, {"BENCH_PROOFS": self.proofs})
        return subprocess.run(
            [self.py.path, "-c", "import sys; sys.path.append(%r); import pyperf_worker" % INSIDE, *arguments],
            env={name: value for name, value in env.items() if name not in without},
            universal_newlines=True, stderr=subprocess.PIPE)

    def test_a_worker_proves_itself(self):
        done = self.worker("--worker")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(self.proofs) as lines:
            self.assertEqual(len(lines.readlines()), 1)

    def test_a_worker_without_the_preload_fails(self):
        done = self.worker("--worker", LD_PRELOAD=None)
        self.assertEqual(done.returncode, 3)
        self.assertIn("objects come from pymalloc", done.stderr)
        self.assertFalse(os.path.exists(self.proofs))

    def test_a_worker_that_was_told_nothing_fails(self):
        self.assertEqual(self.worker("--worker", BENCH_EXPECTS=None).returncode, 3)

    def test_others_prove_nothing(self):
        self.assertEqual(self.worker(LD_PRELOAD=None).returncode, 0)

    def test_pyperf_drops_the_preload_and_the_run_fails(self):
        if not os.path.isdir(os.path.join(CACHE, "pyperformance-" + self.py.tag)):
            self.skipTest("scripts/bench --pyperformance was not run here")
        def execute(inherit):
            python = pyperformance.prepare(self.py)
            return pyperformance.execute(
                self.py, sides.OURS, [python, "-m", "pyperf", "timeit", "--name", "nothing", "-p1", "-n1", "-w0",
                                      "-l1", "pass"], "timeit", inherit)

        self.assertEqual(list(execute(None)), ["nothing"])
        with self.assertRaisesRegex(SystemExit, "objects come from pymalloc"):
            execute(["BENCH_PROOFS", "BENCH_EXPECTS", "OXTEST_LIB", "PYTHONPATH"])


class Measuring(unittest.TestCase):
    def test_each_has_a_line_of_description(self):
        for workload in workloads.find():
            with self.subTest(workload=workload.name):
                self.assertTrue(0 < len(workload.what) < 90)

    def test_micro(self):
        done = bench("--micro", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        for pattern in instructions.PATTERNS:
            self.assertRegex(done.stdout, r"(?m)^%s +16-512 .*\d\.\d\d$" % pattern)

    def test_one_is_measured_and_kept(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "results.json")
            done = bench("--quick", "--only", "threads_short", "--json", file)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)^threads_short +\d\.\d\d")
            measurement, = results.load(file)
        figures = measurement["workloads"]["threads_short"]["sides"]
        self.assertEqual(list(figures), ["default", "oxmalloc"])
        for column in "cpu_seconds", "wall_seconds", "minor_faults", "peak_bytes", "freed_bytes":
            self.assertGreater(figures["oxmalloc"][column][0], 0)

    def test_an_unknown_name_is_refused(self):
        done = bench("--only", "nosuch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no workload nosuch; there are binary_trees, ", done.stderr)


def figures(*cpu, peak=100):
    return {
        "cpu_seconds": list(cpu), "wall_seconds": list(cpu), "minor_faults": [1000] * len(cpu),
        "peak_bytes": [peak] * len(cpu), "freed_bytes": [peak] * len(cpu), "idle_bytes": [peak]}


SIDES = {"default": figures(1.0, 2.0), "oxmalloc": figures(0.5, 1.8, peak=80), "malloc": figures(2.0, 2.0)}


def measurement(kind, **more):
    return dict({
        "kind": kind, "runs": 2, "date": "2030-01-02", "oxmalloc": "9.8.7",
        "machine": {"cpu": "Z80", "cores": 1, "memory": "64 kB", "kernel": "CP/M", "libc": "none", "load": 0.4,
                    "transparent_hugepage": "always [madvise] never"},
        "interpreter": {"tag": "3.8.0", "version": "3.8.0 (main)", "optimised": True},
        "sides": dict.fromkeys(SIDES, "what it is")}, **more)


MEASUREMENT = measurement("workloads", workloads={
    "one": {"what": "the first", "sides": SIDES}, "two": {"what": "the second", "sides": SIDES}})
RATES = {"default": [10.0, 15.0], "oxmalloc": [20.0, 40.0]}
EVERY_KIND = [
    MEASUREMENT,
    measurement("pyperformance", seconds={"chaos": {
        "default": [1.0], "oxmalloc": [0.8], "default again": [1.1], "malloc": [1.5]}}, sides=dict.fromkeys(
            ["default", "oxmalloc", "default again", "malloc"], "")),
    measurement("survivors", retake={"small, 0 s": {
        "default": {"cpu_seconds": [0.1, 0.1, 0.4]}, "oxmalloc": {"cpu_seconds": [0.2, 0.2, 0.5]},
        "malloc": {"cpu_seconds": [0.1, 0.1, 0.4]}}}, survivors={
        "tuple, 1 in 1024, random": {side: {
            "build_cpu_seconds": [1.0], "drop_cpu_seconds": [1.0], "full_bytes": [300000000],
            "dropped_bytes": [200000000], "dropped_taken_bytes": [170000000],
            "light_bytes": [100000000], "light_taken_bytes": [110000000], "trim_bytes": [1000000]} for side in SIDES}}),
    measurement("scaling", threads=RATES, own_gil={"interpreter": "3.13.0", "rates": RATES}, live_heap={
        "10": {side: {"build": 1.0, "replace": 2.0, "drop": 3.0} for side in SIDES}}),
    measurement("micro", sizes=[16, 576, 4368], nanoseconds={
        side: {pattern: [1.0, 2.0, 4.0] for pattern in instructions.PATTERNS} for side in SIDES}),
]


class Figures(unittest.TestCase):
    def test_ratios(self):
        self.assertEqual(
            [round(value, 3) for value in ratios.of(SIDES, "oxmalloc")],
            [0.5, 0.7, 0.2, 0.5, 1.0, 0.8, 0.8, 0.8])

    def test_bars(self):
        self.assertEqual(ratios.missed(MEASUREMENT["workloads"]), [])
        slow = dict(SIDES, oxmalloc=figures(1.06, 2.0))
        self.assertEqual(
            ratios.missed({"one": {"sides": slow}}),
            ["one: time is 1.060 of the default's, the bar is 1.05"])

    def test_tables(self):
        for markdown in False, True:
            text = report.summary(MEASUREMENT, markdown)
            self.assertRegex(text, r"(?m)^(\| )?one[ |]+(the first \| )?0\.50[ |]+0\.70[ |]+0\.20")
            self.assertRegex(text, r"(?m)^(\| )?geometric mean[ |]+0\.50[ |]+2\.00")

    def test_the_readme_s_section(self):
        text = publish.section(EVERY_KIND, MEASUREMENT)
        self.assertIn("| one | the first | 0.50 | 0.70 | 0.20 | 1.00 | 0.80 | 0.80 | 0.80 |\n", text)
        self.assertIn("| malloc | what it is | 2.00 | 1.00 | 1.00 | 1.00 | 1.00 |\n", text)
        self.assertIn("pyperformance, 1 benchmarks on CPython 3.8.0 (optimised): the geometric mean of oxmalloc's "
                      "ratios of time is 0.800", " ".join(text.split()))
        self.assertIn("It is slowest in chaos (0.80).", text)
        self.assertIn("Measured on 2030-01-02: oxmalloc 9.8.7, CPython 3.8.0 (optimised), Z80", text)
        self.assertIn("huge pages: madvise, load: 0.4, runs of each side: 2.  ![chart]", text.replace("\n", " "))

    def test_a_busy_machine_is_named(self):
        self.assertNotIn("other work", report.where(MEASUREMENT))
        busy = dict(MEASUREMENT, machine=dict(MEASUREMENT["machine"], load=3.0, transparent_hugepage=None))
        self.assertIn("huge pages: none, load: 3.0, runs of each side: 2. The machine had other work",
                      report.where(busy).replace("\n", " "))

    def test_the_page_has_every_kind(self):
        text = publish.page(EVERY_KIND, "some.json")
        for title, legend, _ in publish.KINDS.values():
            self.assertIn("\n## %s: CPython 3.8.0\n\n%s" % (title, legend), text)
        for row in ("| chaos | 1 s | 0.800 | 0.800 | 1.100 | 1.500 |", "| oxmalloc | 20/s | 2.00 |",
                    "| tuple, 1 in 1024, random | oxmalloc | 1.00 | 300 | 200 | 100 |  |  | 1 |\n",
                    "| 100 MB again | default, median | oxmalloc | malloc | default, mean | oxmalloc | malloc |",
                    "| small, 0 s | 100.0 ms | 2.00 | 1.00 | 200.0 ms | 1.50 | 1.00 |"):
            self.assertIn(row, text)
        self.assertIn("the median and the mean of 3 turns.", text)
        self.assertIn("fell by what is resident, within 20 MB:", text.replace("\n", " "))

    def test_the_chart(self):
        if not os.path.isdir(os.path.join(CACHE, "chart-" + oxtest.fastest_interpreter().tag)):
            self.skipTest("scripts/bench --report was not run here")
        with tempfile.TemporaryDirectory() as directory:
            file, svg = (os.path.join(directory, name) for name in ("results.json", "results.svg"))
            for each in EVERY_KIND:
                results.keep(file, each)
            publish.draw(file, svg)
            self.assertGreater(os.path.getsize(svg), 10000)

    def test_measuring_again_replaces(self):
        with tempfile.TemporaryDirectory() as directory:
            file = os.path.join(directory, "results.json")
            results.keep(file, MEASUREMENT)
            results.keep(file, dict(MEASUREMENT, kind="other"))
            results.keep(file, dict(MEASUREMENT, runs=3))
            kept = results.load(file)
            with open(file) as text:
                self.assertIn('"cpu_seconds": [ 1.0, 2.0 ]', text.read())
        self.assertEqual([(each["kind"], each["runs"]) for each in kept], [("other", 2), ("workloads", 3)])


if __name__ == "__main__":
    unittest.main()
