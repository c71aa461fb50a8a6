"""python -m oxmalloc doctor: everything that may be in the way is provoked, found, and named.

What this machine cannot provoke is told to the check as a system would tell it
(`Told`): pages of 64 KiB and more, a build without a GIL, and a CPython that is
too old for the package (for a command that is provoked, too).
"""

import dataclasses
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import faults
import oxtest
from test_run import oxmalloc

CHILDREN = ["subprocess", "exec", "fork", "spawn", "forkserver"]
NOBODY = 65534
GCC = unittest.skipUnless(shutil.which("gcc"), "gcc is not installed")


def findings():
    """The names of all findings, from the source."""
    names = set()
    for module in ("_checks", "_diagnosis"):
        with open(os.path.join(oxtest.PACKAGE, "oxmalloc", module + ".py")) as source:
            names |= set(re.findall(r'Finding\(\s*"([\w-]+)"', source.read()))
    return names - {"active", "LD_PRELOAD"}


class Doctor(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = os.path.realpath(directory.name)

    def path(self, name):
        return os.path.join(self.directory, name)

    def copy_of_library(self, name="liboxmalloc.so"):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        return shutil.copy(oxtest.LIB, self.path(name))

    def ask(self, py, *words, flags=(), env=None, preload=oxtest.LIB, **more):
        """-> (exit status, {name: finding}, what went to stderr)."""
        env = dict({"LD_PRELOAD": preload} if preload else {}, **(env or {}))
        return self.answer(oxmalloc(py, "doctor", "--json", *words, flags=flags, env=env, cwd=self.directory, **more))

    def answer(self, done):
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            self.fail("no JSON: %r\n%s" % (done.stdout, done.stderr))
        self.assertEqual(answer["active"], done.returncode == 0)
        self.assertIn(done.returncode, (0, 1))
        found = {}
        for finding in answer["findings"]:
            name = re.sub(r"process \d+", "process", finding["name"])
            # The same name twice: the worse one counts.
            order = ("ok", "warning", "problem")
            if name not in found or order.index(found[name]["severity"]) < order.index(finding["severity"]):
                found[name] = finding
            if finding["severity"] != "ok" and name not in ("active", "children", "ended", "cannot-run"):
                self.assertTrue(finding["remedy"], finding)
        return done.returncode, found, done.stderr

    def finds(self, answer, name, severity, *words):
        """One finding, with these words in its cause or remedy; the exit status goes with it."""
        status, found, _ = answer
        self.assertIn(name, found)
        self.assertEqual(found[name]["severity"], severity, found[name])
        for word in words:
            self.assertIn(word, found[name]["cause"] + " -> " + found[name]["remedy"])
        if severity == "problem":
            self.assertEqual(status, 1)
        return found

    def problems(self, answer):
        return sorted(name for name, finding in answer[1].items() if finding["severity"] == "problem")


@oxtest.each_interpreter
class Active(Doctor):
    def test_here_and_in_children(self, py):
        answer = self.ask(py)
        self.assertEqual(answer[0], 0, answer)
        domains = ", ".join(name for bit, name in enumerate(("raw", "mem", "obj")) if bit in py.domains)
        found = self.finds(answer, "active", "ok", "in %s; preloaded, before the interpreter started" % domains)
        for name in CHILDREN:
            self.assertEqual(found[name]["cause"], "active in " + domains)
        self.assertEqual(found["LD_PRELOAD"]["cause"], oxtest.LIB)
        severe = {name for name, finding in found.items() if finding["severity"] != "ok"}
        self.assertEqual(severe, {"debug-build"} if py.debug else set())

    def test_in_a_daemonic_process(self, py):
        # It may start no process of multiprocessing: a worker of a pool is one.
        oxtest.run(py, """
            import multiprocessing
            from oxmalloc._diagnosis import of_this_process

            with multiprocessing.get_context("fork").Pool(1) as pool:
                found = pool.apply(of_this_process)
            assert found.is_active, found.to_text()
            causes = {finding.name: finding.cause for finding in found.findings}
            for name in "subprocess", "exec":
                assert causes[name].startswith("active in"), causes
            for name in "fork", "spawn", "forkserver":
                assert "not looked at: a daemonic process" in causes[name], causes
            """, env=oxtest.package_env())

    def test_after_run(self, py):
        done = oxmalloc(py, "run", "-m", "oxmalloc", "doctor", "--json")
        self.assertEqual(self.answer(done)[0], 0)
        # Children without it, when that is what was wished.
        answer = self.answer(oxmalloc(py, "run", "--no-children", "-m", "oxmalloc", "doctor", "--json"))
        self.assertEqual(answer[0], 0, answer)
        found = self.finds(answer, "children", "ok", "OXMALLOC_CHILDREN=0")
        self.assertFalse(set(CHILDREN) & set(found))

    def test_a_command(self, py):
        code = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', 'pass']); sys.exit(3)"
        answer = self.ask(py, "--", py.path, "-c", code)
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)
        self.finds(answer, "process", "ok", "CPython %s is active in " % ".".join(map(str, py.version)))
        self.finds(answer, "ended", "warning", "status 3")
        # And one that puts it there itself.
        answer = self.ask(py, "--", py.path, "-m", "oxmalloc", "run", "-c", "print('said')", preload="")
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)
        self.assertIn("said\n", answer[2])


@oxtest.each_interpreter
class Inactive(Doctor):
    """Misconfigurations of a process, each provoked."""

    def test_not_preloaded(self, py):
        answer = self.ask(py, preload="")
        found = self.finds(answer, "not-preloaded", "problem", "LD_PRELOAD is not set", "python -m oxmalloc run")
        self.assertEqual(self.problems(answer), ["active", "not-preloaded"])
        self.assertIn("children", found)
        self.assertFalse(set(CHILDREN) & set(found))

    def test_missing_file(self, py):
        answer = self.ask(py, preload="/nowhere/liboxmalloc.so")
        self.finds(answer, "missing-file", "problem", "/nowhere/liboxmalloc.so", "no such file", "oxmalloc env")
        # Another's is no reason not to run on oxmalloc.
        answer = self.ask(py, preload="/nowhere/libother.so:" + oxtest.LIB)
        self.finds(answer, "missing-file", "warning", "/nowhere/libother.so")
        self.assertEqual(answer[0], 0)

    def test_no_library_file(self, py):
        with open(self.path("liboxmalloc.so"), "w") as out:
            out.write("an empty download\n" * 10)
        self.finds(self.ask(py, preload=self.path("liboxmalloc.so")), "bad-file", "problem", "no shared library")
        with open(self.copy_of_library(), "r+b") as out:
            out.truncate(100)
        self.finds(self.ask(py, preload=self.path("liboxmalloc.so")), "bad-file", "problem", "no shared library")

    def test_wrong_architecture(self, py):
        with open(self.copy_of_library(), "r+b") as out:
            out.seek(18)
            out.write(bytes([183, 0]))
        answer = self.ask(py, preload=self.path("liboxmalloc.so"))
        self.finds(answer, "architecture", "problem", "for aarch64, 64 bits", "for x86-64, 64 bits", "pip install")
        self.assertEqual(self.problems(answer), ["active", "architecture"])

    def test_pythonmalloc(self, py):
        answer = self.ask(py, env={"PYTHONMALLOC": "malloc"})
        self.finds(answer, "PYTHONMALLOC", "problem", "PYTHONMALLOC=malloc", "`unset PYTHONMALLOC`")
        self.assertEqual(self.problems(answer), ["PYTHONMALLOC", "active"])

    def test_dev_mode(self, py):
        answer = self.ask(py, flags=("-X", "dev"))
        self.finds(answer, "dev-mode", "problem", "(-X dev)", "Leave out `-X dev`")
        self.assertEqual(self.problems(answer), ["active", "dev-mode"])
        self.finds(self.ask(py, env={"PYTHONDEVMODE": "1"}), "dev-mode", "problem", "`unset PYTHONDEVMODE`")

    def test_disabled(self, py):
        answer = self.ask(py, env={"OXMALLOC_DISABLE": "1"})
        self.finds(answer, "disabled", "problem", "OXMALLOC_DISABLE=1", "`unset OXMALLOC_DISABLE`")
        self.assertEqual(self.problems(answer), ["active", "disabled"])

    def test_a_process_with_a_title(self, py):
        # What setproctitle does, for gunicorn and Celery: it writes over the arguments
        # and the environment that the process was started with.
        for title in b"", b"worker [app=1]":
            said = oxtest.run(py, """
                import ctypes, sys, oxmalloc
                with open("/proc/self/stat") as stat:
                    start, end = map(int, stat.read().rpartition(")")[2].split()[47:49])
                assert end - start > 200
                ctypes.memset(start, 0, end - start)
                ctypes.memmove(start, sys.argv[1].encode(), len(sys.argv[1]))
                print(oxmalloc.diagnose().to_text())
                """, title.decode(), env=oxtest.package_env({"PYTHONMALLOC": "malloc"})).stdout
            self.assertIn("LD_PRELOAD", said)
            self.assertIn("PYTHONMALLOC=malloc", said)
            self.assertNotIn("not set", said)

    def test_package_without_library(self, py):
        answer = self.ask(py, preload="", env={"OXMALLOC_LIBRARY": "/nowhere/liboxmalloc.so"})
        self.finds(answer, "no-library", "problem", "OXMALLOC_LIBRARY names /nowhere", "pip install")


@faults.on(faults.chosen_and_debug)
class Children(Doctor):
    """The process is well, and its children are not."""

    def after(self, py, code, env=None):
        """The doctor, in a process that did something before."""
        code = "import os, sys\n%s\nfrom oxmalloc.__main__ import main\nsys.exit(main(['doctor', '--json']))" % code
        done = subprocess.run([py.path, "-c", code], env=oxtest.preload_env(oxtest.package_env(env)), universal_newlines=True,
                              cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return self.answer(done)

    def test_library_removed_since(self, py):
        library = self.copy_of_library()
        answer = self.after(py, "os.remove(%r)" % library, env={"LD_PRELOAD": library})
        self.finds(answer, "active", "ok")
        self.finds(answer, "fork", "ok")
        self.assertEqual(self.problems(answer), ["exec", "forkserver", "missing-file", "spawn", "subprocess"])
        self.finds(answer, "subprocess", "problem", "inactive: not installed")

    def test_environment_changed_since(self, py):
        answer = self.after(py, "os.environ['PYTHONMALLOC'] = 'debug'")
        self.assertEqual(self.problems(answer), ["exec", "forkserver", "spawn", "subprocess"])
        self.finds(answer, "exec", "problem", "inactive: PYTHONMALLOC=debug", "Unset PYTHONMALLOC")
        answer = self.after(py, "del os.environ['LD_PRELOAD']")
        self.finds(answer, "spawn", "problem", "not installed")

    def test_children_that_cannot_start(self, py):
        answer = self.after(py, "sys.executable = '/bin/false'")
        self.finds(answer, "subprocess", "problem", "could not be asked", "status 1")
        self.finds(self.after(py, "sys.executable = ''"), "children", "problem", "does not know its own file")
        answer = self.after(py, "os.mkdir('gone'); os.chdir('gone'); os.rmdir(os.getcwd())")
        self.finds(answer, "spawn", "problem", "could not be asked", "The working directory was removed")

    def test_modules_in_the_working_directory(self, py):
        for name in ("json", "ctypes", "ast"):
            with open(self.path(name + ".py"), "w") as out:
                out.write("raise RuntimeError('shadowed')\n")
        shutil.copytree(os.path.join(oxtest.PACKAGE, "oxmalloc"), self.path(os.path.join("site", "oxmalloc")))
        with open(self.path("doctor.py"), "w") as out:
            out.write("import sys; sys.path[0] = sys.argv.pop(1)\n"
                      "from oxmalloc.__main__ import main\n"
                      "if __name__ == '__main__':\n    sys.exit(main())\n")
        done = subprocess.run([py.path, self.path("doctor.py"), self.path("site"), "doctor", "--json"],
                              cwd=self.directory, universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=oxtest.preload_env({"OXMALLOC_LIBRARY": oxtest.LIB, "PYTHONPATH": ""}))
        answer = self.answer(done)
        for name in ("subprocess", "exec", "fork"):
            self.finds(answer, name, "ok", "active in")


@faults.on(faults.chosen_and_debug)
class Doubts(Doctor):
    """What works, but not as one would wish: the exit status stays 0."""

    def doubts(self, answer, name, *words):
        self.finds(answer, name, "warning", *words)
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)

    def test_options(self, py):
        answer = self.ask(py, env={"OXMALLOC_STAT": "1", "OXMALLOC_PURGE_DELAY_MS": "soon", "OXMALLOC_HUGE_PAGES": "Never"})
        self.doubts(answer, "unknown-option", "OXMALLOC_STAT is no option", "is OXMALLOC_STATS meant?")
        self.doubts(answer, "bad-option", "OXMALLOC_PURGE_DELAY_MS=soon", "a whole number from 0 to 3600000 (ms)")
        answer = self.ask(py, env={"OXMALLOC_FOO": "1", "OXMALLOC_PURGE_DELAY_MS": "\u00b2", "PYTHONUTF8": "1"})
        self.doubts(answer, "unknown-option", "OXMALLOC_FOO is no option", "run --help` has those that there are")
        self.doubts(answer, "bad-option", "OXMALLOC_PURGE_DELAY_MS=\u00b2")

    def test_second_copy(self, py):
        copy = self.copy_of_library()
        answer = self.ask(py, preload=copy + ":" + oxtest.LIB)
        self.doubts(answer, "second-copy", copy, oxtest.LIB)
        # The advice is to keep the one that serves.
        kept = re.search("`LD_PRELOAD=(.*)`", answer[1]["second-copy"]["remedy"]).group(1)
        code = "import oxmalloc; print(oxmalloc.status().library)"
        serves = oxtest.run(py, code, env=oxtest.package_env({"LD_PRELOAD": copy + ":" + oxtest.LIB})).stdout.strip()
        self.assertEqual(kept, serves)

    def test_relative_path(self, py):
        self.copy_of_library()
        self.doubts(self.ask(py, preload="./liboxmalloc.so"), "relative-path", "`LD_PRELOAD=%s`" % self.path("liboxmalloc.so"))

    def test_late(self, py):
        code = "import oxmalloc, sys; oxmalloc.install(); from oxmalloc import _checks, _facts; " \
            "print(*[f.name for f in _checks.examine(_facts.of_this_process()) if f.severity == 'warning'])"
        said = oxtest.run(py, code, preload=False, env=oxtest.package_env()).stdout
        self.assertIn("late", said.split())


class Tracing(Doctor):
    def test_tracemalloc(self):
        py = oxtest.fastest_interpreter()
        for flags, env, mend in ((("-X", "tracemalloc"), {}, "Leave out `-X tracemalloc`"),
                                 ((), {"PYTHONTRACEMALLOC": "2"}, "`unset PYTHONTRACEMALLOC`")):
            answer = self.ask(py, flags=flags, env=env)
            self.finds(answer, "tracemalloc", "warning", mend)
            self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)


class Commands(Doctor):
    """Misconfigurations of a command."""

    py = oxtest.fastest_interpreter()

    def build(self, name, source, *flags):
        with open(self.path(name + ".c"), "w") as out:
            out.write(source)
        subprocess.run(["gcc", "-o", self.path(name), self.path(name + ".c"), *flags], check=True)
        return self.path(name)

    def test_not_preloaded(self):
        answer = self.ask(self.py, "--", self.py.path, "-c", "pass", preload="")
        self.finds(answer, "process", "problem", "runs without oxmalloc: LD_PRELOAD is not in its environment",
                   "python -m oxmalloc run -- ")

    def test_a_library_that_cannot_be_named(self):
        path = self.copy_of_library("a b/liboxmalloc.so")
        env = {"OXMALLOC_LIBRARY": path}
        answer = self.ask(self.py, "--", self.py.path, "-c", "pass", preload="", env=env)
        self.finds(answer, "space-in-path", "problem", path, "OXMALLOC_LIBRARY=")
        self.finds(self.ask(self.py, preload="", env=env), "space-in-path", "problem", path)
        # Another copy, which it can name, serves as well.
        answer = self.ask(self.py, "--", self.py.path, "-c", "pass", env=env)
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)

    def test_python_that_is_too_old(self):
        old = oxtest.too_old()
        if not old:
            self.skipTest("there is no CPython before 3.8")
        answer = self.ask(self.py, "--", old[-1].path, "-c", "pass")
        self.finds(answer, "process", "problem", "CPython 3.%d is too old" % old[-1].version[1], "CPython 3.8 or newer")

    def test_pythonmalloc_and_dev_mode(self):
        answer = self.ask(self.py, "--", "env", "PYTHONMALLOC=debug", self.py.path, "-c", "pass")
        self.finds(answer, "process", "problem", "inactive: PYTHONMALLOC=debug", "Unset PYTHONMALLOC")
        answer = self.ask(self.py, "--", self.py.path, "-Xdev", "-c", "pass")
        self.finds(answer, "process", "problem", "inactive: dev mode")
        self.finds(answer, "dev-mode", "problem", "-X dev")
        # Without an exit it says nothing, and is found all the same.
        answer = self.ask(self.py, "--", self.py.path, "-Xdev", "-c", "import os, time; time.sleep(0.3); os._exit(0)")
        self.finds(answer, "process", "problem", "took no memory from it")

    def test_a_child_with_a_clean_environment(self):
        code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(1)'], env={})"
        answer = self.ask(self.py, "--", self.py.path, "-c", code)
        self.assertEqual(self.problems(answer), ["process"])
        self.finds(answer, "process", "problem", "LD_PRELOAD is not in its environment", "`python -m oxmalloc env` prints")
        # By the wish of who started it that is well.
        answer = self.ask(self.py, "--", self.py.path, "-c", code, env={"OXMALLOC_CHILDREN": "0"})
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)

    def test_forked_children(self):
        code = "import os, time; os.fork(); time.sleep(0.5)"
        done = oxmalloc(self.py, "doctor", "--", self.py.path, "-c", code, env={"LD_PRELOAD": oxtest.LIB})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"ok +process \d+ +\S+ shares the heap of process \d+")

    @GCC
    def test_static(self):
        program = self.build("app", "int main(void) { return 0; }", "-static")
        answer = self.ask(self.py, "--", program)
        self.finds(answer, "static", "problem", program + " is linked statically")
        self.finds(answer, "no-python", "problem", "no Python")
        # A Python, by its name.
        os.rename(program, self.path("python3"))
        answer = self.ask(self.py, "--", self.path("python3"))
        self.assertEqual(self.problems(answer), ["process", "static"])

    @GCC
    def test_musl(self):
        # As every program of Alpine is made; here there is no such loader to run it.
        program = self.build("python3", "int main(void) { return 0; }", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
        answer = self.ask(self.py, "--", program)
        self.finds(answer, "musl", "problem", program + " runs on musl (/lib/ld-musl-x86_64.so.1)", "FROM python:3.12-slim")
        if not os.path.exists("/lib/ld-musl-x86_64.so.1"):
            self.finds(answer, "cannot-run", "problem", "No such file or directory")

    @GCC
    def test_script_of_a_static_interpreter(self):
        program = self.build("python3", "int main(void) { return 0; }", "-static")
        for first in ("#!" + program, "#!/usr/bin/env python3"):
            with open(self.path("script"), "w") as out:
                out.write(first + "\n")
            os.chmod(self.path("script"), 0o755)
            answer = self.ask(self.py, "--", self.path("script"), env={"PATH": self.directory + ":" + os.environ["PATH"]})
            self.finds(answer, "static", "problem", program)

    @GCC
    def test_wrong_architecture(self):
        with open(self.copy_of_library(), "r+b") as out:
            out.seek(18)
            out.write(bytes([183, 0]))
        code = "import time; time.sleep(0.2)"
        answer = self.ask(self.py, "--", self.py.path, "-c", code, preload=self.path("liboxmalloc.so"))
        self.finds(answer, "architecture", "problem", "aarch64")
        self.finds(answer, "process", "problem", "the loader did not load it")

    def test_what_the_loader_says(self):
        # A bare name the loader looks for, and only it knows where.
        answer = self.ask(self.py, "--", self.py.path, "-c", "pass", preload="liboxmalloc.so.77")
        self.finds(answer, "loader", "problem", "liboxmalloc.so.77", "cannot open shared object file")

    @GCC
    def test_sanitizer(self):
        asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE).stdout.decode().strip()
        if not os.path.isfile(asan):
            self.skipTest("gcc has no libasan")
        # What programs load has a number behind its name.
        asan = os.path.realpath(asan)
        asan = (glob.glob(os.path.join(os.path.dirname(asan), "libasan.so.?")) or [asan])[0]
        env = {"ASAN_OPTIONS": "detect_leaks=0"}
        # A program that is built with it, and oxmalloc in front.
        program = self.build("program", "int main(void) { return 0; }", "-fsanitize=address")
        answer = self.ask(self.py, "--", program, env=env)
        self.finds(answer, "sanitizer", "problem", "wants to be loaded first", "OXMALLOC_DISABLE=1")
        # Preloaded into a Python, behind oxmalloc: it ends the program.
        answer = self.answer(oxmalloc(self.py, "doctor", "--json", "--", "env", "LD_PRELOAD=%s:%s" % (oxtest.LIB, asan),
                                      self.py.path, "-c", "pass", env=env))
        self.finds(answer, "sanitizer", "problem", "wants to be loaded first")
        # In front of it: it works, and sees little. `run` puts it there.
        done = oxmalloc(self.py, "run", "-m", "oxmalloc", "doctor", "--json", env=dict(env, LD_PRELOAD=asan))
        answer = self.answer(done)
        self.finds(answer, "sanitizer", "warning", asan, "does not see the blocks")
        self.assertEqual(answer[0], 0, answer)

    def test_sanitizer_by_name(self):
        shutil.copy(oxtest.LIB, self.path("libasan.so.8"))
        answer = self.ask(self.py, "--", self.py.path, "-c", "pass", preload=oxtest.LIB + ":" + self.path("libasan.so.8"))
        self.finds(answer, "sanitizer", "problem", "comes behind oxmalloc in LD_PRELOAD")

    def test_no_such_command(self):
        self.finds(self.ask(self.py, "--", "nosuch"), "no-command", "problem", "nosuch")
        with open(self.path("broken"), "w") as out:
            out.write("#!/nowhere/sh\n")
        os.chmod(self.path("broken"), 0o755)
        self.finds(self.ask(self.py, "--", self.path("broken")), "cannot-run", "problem", "No such file")
        os.chmod(self.path("broken"), 0o644)
        self.finds(self.ask(self.py, "--", self.path("broken")), "cannot-run", "problem", "is not executable: `chmod +x` it")

    def test_a_command_that_does_not_end(self):
        # A server, with a worker, that takes no notice of being asked to end.
        code = "import os, signal, sys; child = os.fork(); os.write(1, b'up %d\\n' % os.getpid()); " \
            "signal.signal(signal.SIGTERM, lambda *_: None if child else sys.exit()); " \
            "[signal.pause() for _ in range(9)]"
        answer = self.ask(self.py, "--seconds", "1", "--", self.py.path, "-c", code)
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)
        self.finds(answer, "ended", "ok", "ended after 1 s")
        pids = re.findall(r"up (\d+)", answer[2])
        self.assertEqual(len(set(pids)), 2)
        for pid in pids:
            try:
                with open("/proc/%s/stat" % pid) as stat:
                    # Nobody may have asked for the exit status of an orphan.
                    self.assertEqual(stat.read().rpartition(") ")[2][0], "Z")
            except FileNotFoundError:
                pass

    def test_a_command_that_is_killed(self):
        answer = self.ask(self.py, "--", self.py.path, "-c", "import os; os.kill(os.getpid(), 9)")
        self.finds(answer, "ended", "warning", "SIGKILL")
        self.finds(answer, "process", "ok", "active in")
        # A real-time signal, which has no name.
        answer = self.ask(self.py, "--", self.py.path, "-c", "import os; os.kill(os.getpid(), 40)")
        self.finds(answer, "ended", "warning", "signal 40")

    # In a session of its own, without a parent, as `gunicorn --daemon` is.
    DAEMON = "import os, time\n" \
        "time.sleep(0.2)\n" \
        "if os.fork() == 0:\n" \
        "    os.setsid()\n" \
        "    if os.fork() == 0:\n" \
        "        os.write(2, b'up %d\\n' % os.getpid())\n" \
        "        null = os.open(os.devnull, os.O_RDWR)\n" \
        "        [os.dup2(null, fd) for fd in range(3)]\n" \
        "        time.sleep(100)\n" \
        "    os._exit(0)\n"

    def assert_ended(self, said):
        (pid,) = re.findall(r"up (\d+)", said)
        self.assertFalse(os.path.exists("/proc/" + pid), said)

    def test_a_daemon(self):
        answer = self.ask(self.py, "--seconds", "1", "--", self.py.path, "-c", self.DAEMON)
        self.assertEqual((answer[0], self.problems(answer)), (0, []), answer)
        self.finds(answer, "ended", "ok", "what it left running was ended after 1 s")
        self.assert_ended(answer[2])
        done = oxmalloc(self.py, "doctor", "--seconds", "1", "--", self.py.path, "-c", self.DAEMON,
                        env={"LD_PRELOAD": oxtest.LIB})
        self.assertRegex(done.stdout, r"ok +process \d+ +\S+ shares the heap of process \d+, which it forked from")
        # One that starts another program, without the preload.
        answer = self.ask(self.py, "--seconds", "1", "--", self.py.path, "-c", self.DAEMON.replace(
            "time.sleep(100)", "os.execve(%r, ['python3', '-c', 'import time; time.sleep(100)'], {})" % self.py.path))
        self.finds(answer, "process", "problem", "LD_PRELOAD is not in its environment")
        self.assert_ended(answer[2])

    def test_a_doctor_that_is_ended(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            command = [self.py.path, "-m", "oxmalloc", "doctor", "--", self.py.path, "-c", self.DAEMON]
            with subprocess.Popen(command, env=oxtest.preload_env(oxtest.package_env()), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, universal_newlines=True,
                                  preexec_fn=oxtest.default_signals) as doctor:
                said = next(line for line in doctor.stderr if "up " in line)
                doctor.send_signal(number)
                self.assertEqual(doctor.stderr.read(), "")
            self.assertEqual(doctor.returncode, 128 + number)
            self.assert_ended(said)


@unittest.skipUnless(os.getuid() == 0, "only root can run something as somebody else")
class Rights(Doctor):
    """Interpreters that give rights, run by nobody."""

    def setUp(self):
        super().setUp()
        self.py = oxtest.fastest_interpreter()
        os.chmod(self.directory, 0o755)
        self.library = self.copy_of_library()
        shutil.copytree(os.path.join(oxtest.PACKAGE, "oxmalloc"), self.path("oxmalloc"))
        self.python = shutil.copy(self.py.path, self.path("python3"))

    def ask_nobody(self, *words, program=None):
        def become_nobody():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        env = oxtest.clean_env({"LD_PRELOAD": self.library, "OXMALLOC_LIBRARY": self.library, "PYTHONPATH": self.directory})
        command = [program or self.python, "-m", "oxmalloc", "doctor", "--json", *words]
        done = subprocess.run(command, env=env, cwd="/", preexec_fn=become_nobody, universal_newlines=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if "Permission denied" in done.stderr or "No module named" in done.stderr or done.returncode not in (0, 1):
            self.skipTest("a copy of %s does not run for nobody: %s" % (self.py.path, done.stderr.strip()[-200:]))
        return self.answer(done)

    def give(self, what):
        if os.statvfs(self.directory).f_flag & os.ST_NOSUID:
            self.skipTest("programs get no rights in " + self.directory)
        if what == "setuid":
            os.chmod(self.python, 0o4755)
        elif subprocess.run(["setcap", "cap_net_bind_service+ep", self.python]).returncode:
            self.skipTest("capabilities cannot be given here")

    def test_without_rights_it_is_active(self):
        self.assertEqual(self.problems(self.ask_nobody()), [])

    def test_setuid(self):
        self.give("setuid")
        answer = self.ask_nobody()
        self.finds(answer, "setuid", "problem", "other rights", "sudo env LD_PRELOAD=")
        self.assertIn("active", self.problems(answer))

    def test_capabilities(self):
        if not shutil.which("setcap"):
            self.skipTest("setcap is not installed")
        self.give("capabilities")
        self.finds(self.ask_nobody(), "setuid", "problem", "other rights")

    def test_of_a_command(self):
        plain = shutil.copy(self.py.path, self.path("plain"))
        self.give("setuid")
        answer = self.ask_nobody("--", self.python, "-c", "pass", program=plain)
        self.finds(answer, "setuid", "problem", "(setuid)", "`sudo chmod u-s %s`" % self.python)

    def test_unreadable_library(self):
        os.chmod(self.library, 0)
        answer = self.ask_nobody()
        self.finds(answer, "bad-file", "problem", "cannot be read", "`chmod a+r %s`" % self.library)


class Told(Doctor):
    """Checks that are told what the system would say, since this one does not say it."""

    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, oxtest.PACKAGE)
        cls.addClassCleanup(sys.path.remove, oxtest.PACKAGE)
        from oxmalloc import _binary, _checks, _facts
        cls.checks, cls.binary, cls.Facts, cls.Python, cls.Preload = (
            _checks, _binary, _facts.Facts, _facts.Python, _facts.Preload)

    def facts(self, python=(), **changed):
        elf = self.binary.Binary("/usr/bin/python3", 64, "x86-64", "/lib64/ld-linux-x86-64.so.2", True)
        well = self.Python(
            version=(3, 13, 0), executable="/usr/bin/python3", is_debug=False, is_free_threaded=False, is_tracing=False,
            is_secure=False, copies=("/l/liboxmalloc.so",), sanitizers=(), status=None)
        facts = self.Facts(
            environ={"LD_PRELOAD": "/l/liboxmalloc.so"}, program="/usr/bin/python3", binary=elf, rights="",
            preload=(self.Preload("/l/liboxmalloc.so", binary=elf, file="/l/liboxmalloc.so"),),
            library="/l/liboxmalloc.so", library_error="", options=(), page_bytes=4096, python=dataclasses.replace(well, **dict(python)))
        return dataclasses.replace(facts, **changed)

    def found(self, **changed):
        return [(finding.name, finding.severity) for finding in self.checks.examine(self.facts(**changed))]

    def test_nothing_is_found_where_all_is_well(self):
        self.assertEqual(self.found(), [])

    def test_page_size(self):
        self.assertEqual(self.found(page_bytes=16384), [])
        self.assertEqual(self.found(page_bytes=65536), [("page-size", "warning")])
        self.assertEqual(self.found(page_bytes=262144), [("page-size", "problem")])

    def test_free_threaded(self):
        self.assertEqual(self.found(python={"is_free_threaded": True}), [("free-threaded", "warning")])

    def test_too_old(self):
        self.assertEqual(self.found(python={"version": (3, 7, 16)}), [("too-old", "problem")])

    def test_not_loaded(self):
        self.assertEqual(self.found(python={"copies": ()}), [("not-loaded", "problem")])
        # Not twice, where the reason is known.
        self.assertEqual(self.found(python={"copies": ()}, rights="setgid"), [("setuid", "problem")])

    def test_every_finding_is_provoked_here(self):
        names = findings()
        self.assertGreater(len(names), 24)
        with open(__file__) as source:
            text = source.read()
        self.assertEqual([name for name in names if '"%s"' % name not in text], [])


class Page(Doctor):
    """docs/commands.md."""

    def setUp(self):
        super().setUp()
        self.py = oxtest.fastest_interpreter()
        with open(os.path.join(oxtest.ROOT, "docs", "commands.md")) as text:
            self.page = text.read()

    def test_its_commands_work(self):
        os.symlink(self.py.path, self.path("python"))
        with open(self.path("app.py"), "w") as out:
            out.write("import oxtest; oxtest.assert_active(); print('on oxmalloc')\n")
        blocks = re.findall(r"^```sh\n(.*?)^```", self.page, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(blocks), 4)
        env = oxtest.clean_env(oxtest.package_env({"PATH": self.directory + ":" + os.environ["PATH"]}))
        said = ""
        for block in blocks:
            done = subprocess.run(["sh", "-eu", "-c", block], cwd=self.directory, env=env, universal_newlines=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 0, block + done.stdout + done.stderr)
            said += done.stdout + done.stderr
        self.assertEqual(said.count("on oxmalloc"), 5, said)
        self.assertEqual(said.count("oxmalloc is active."), 2, said)

    def test_shows_what_the_doctor_says(self):
        shown = re.search(r"<!-- doctor -->\n```\n(.*?)```", self.page, re.DOTALL).group(1)
        said = oxmalloc(self.py, "doctor", env={"LD_PRELOAD": oxtest.LIB}).stdout
        for text in (oxtest.LIB, "/usr/lib/liboxmalloc.so"):
            said = said.replace(text, "LIBRARY")
            shown = shown.replace(text, "LIBRARY")
        self.assertEqual(said.partition("\n")[2], shown.partition("\n")[2])

    def test_explains_every_finding(self):
        for name in findings() | set(CHILDREN):
            self.assertIn("`%s`" % name, self.page)


class Text(Doctor):
    """As a person reads it."""

    def test_layout(self):
        py = oxtest.fastest_interpreter()
        done = oxmalloc(py, "doctor", env={"LD_PRELOAD": oxtest.LIB, "PYTHONMALLOC": "malloc"})
        first, empty, *lines, space, verdict = done.stdout.splitlines()
        self.assertRegex(first, r"^CPython %s, %s, process \d+$" % (re.escape(".".join(map(str, py.version))), py.path))
        self.assertEqual((empty, space, verdict), ("", "", "oxmalloc is not active, or not everywhere."))
        columns = set()
        for line in lines:
            found = re.match(r"  (?:ok|warning|problem) +(?=\S)(\S+ +)|( +)-> ", line)
            self.assertTrue(found, line)
            columns.add(found.end() if found.group(1) else len(found.group(2)))
        self.assertEqual(len(columns), 1, done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_usage(self):
        py = oxtest.fastest_interpreter()
        self.assertEqual(oxmalloc(py, "doctor", "--jsn").returncode, 2)
        for seconds in ("x", "0", "-1", "nan", "inf"):
            done = oxmalloc(py, "doctor", "--seconds", seconds, "--", "true")
            self.assertEqual(done.returncode, 2)
            self.assertIn("use a number above 0", done.stderr)


@oxtest.each_interpreter
class Inside(Doctor):
    """oxmalloc.diagnose(), in the program itself."""

    CODE = """
import multiprocessing, oxmalloc

def tell(connection):
    found = oxmalloc.diagnose()
    connection.send((found.is_active, found.to_text()))

if __name__ == "__main__":
    # Such a process may have no children of its own.
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    worker = context.Process(target=tell, args=(there,), daemon=True)
    worker.start()
    print(*here.recv(), sep="\\n")
    worker.join()
"""

    def test_a_worker(self, py):
        told = oxtest.run(py, self.CODE, env=oxtest.package_env()).stdout.splitlines()
        self.assertEqual(told[0], "True")
        self.assertRegex(told[1], r"^CPython %d\.%d\.%d, .*, process \d+$" % py.version)
        self.assertRegex(told[3], "^  ok +active +in .*; preloaded")
        self.assertEqual(told[-1], "oxmalloc is active.")

    def test_a_worker_without(self, py):
        told = oxtest.run(py, self.CODE, preload=False, env=oxtest.package_env()).stdout.splitlines()
        self.assertEqual(told[0], "False")
        self.assertIn("-> Start the program with `python -m oxmalloc run`", "\n".join(told))
        self.assertEqual(told[-1], "oxmalloc is not active, or not everywhere.")


if __name__ == "__main__":
    unittest.main()
