"""python -m oxmalloc run: the program is started as by Python itself, on oxmalloc."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import oxtest

# What a program sees of how it was started.
SCRIPT = """
import json, os, sys
sys.path.insert(1, %r)
import oxtest
oxtest.assert_active()
main = sys.modules["__main__"]
flags = [getattr(sys.flags, name) for name in "optimize bytes_warning ignore_environment isolated no_site quiet".split()]
print(json.dumps([sys.argv, sys.path[0], main.__name__, getattr(main, "__file__", None),
                  main.__spec__ and main.__spec__.name, sys.executable, sys.prefix, flags, sys.warnoptions,
                  sorted(map(str, sys._xoptions.items()))]))
""" % oxtest.HERE


def oxmalloc(py, *words, flags=(), env=None, **more):
    """python -m oxmalloc; -> subprocess.CompletedProcess with text."""
    path = py.path if isinstance(py, oxtest.Interpreter) else py
    more = dict(dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120), **more)
    command = [path, *flags, "-m", "oxmalloc", *map(str, words)]
    return subprocess.run(command, env=dict(oxtest.clean_env(oxtest.package_env()), **(env or {})), **more)


class Directory(unittest.TestCase):
    """A test in a directory of its own, with a script and a module."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = os.path.realpath(directory.name)
        for name in ("app.py", "module.py", os.path.join("package", "__main__.py")):
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            with open(self.path(name), "w") as out:
                out.write(SCRIPT)

    def path(self, name):
        return os.path.join(self.directory, name)

    def run_it(self, py, *words, status=0, **more):
        done = oxmalloc(py, "run", *words, cwd=self.directory, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done


@oxtest.each_interpreter
class Program(Directory):
    def test_a_library_named_from_here_is_found_elsewhere(self, py):
        os.symlink(oxtest.LIB, self.path("ox.so"))
        done = self.run_it(py, "-c", "import os; os.chdir('/'); import oxmalloc; print(oxmalloc.library_path())",
                           env={"OXMALLOC_LIBRARY": "ox.so"})
        self.assertEqual(done.stdout.strip(), self.path("ox.so"))

    def check_same(self, py, *words, flags=()):
        """What it sees is what it sees when Python starts it, but for oxmalloc."""
        env = oxtest.preload_env(oxtest.package_env())
        plain = subprocess.run([py.path, *flags, *words], env=env, cwd=self.directory, universal_newlines=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        done = self.run_it(py, *words, flags=flags)
        self.assertEqual((done.stdout, done.stderr), (plain.stdout, plain.stderr))
        self.assertEqual(plain.returncode, 0, plain.stderr)
        return json.loads(done.stdout)

    def test_script(self, py):
        seen = self.check_same(py, "app.py", "--stats", "-m", "x", "--", "-c", "a b", "")
        self.assertEqual(seen[0], ["app.py", "--stats", "-m", "x", "--", "-c", "a b", ""])
        self.assertEqual(seen[1], self.directory)
        self.check_same(py, self.path("app.py"))
        self.check_same(py, "package", "-h")

    def test_module(self, py):
        seen = self.check_same(py, "-m", "module", "--verbose", "--", "-m")
        self.assertEqual((seen[0], seen[4]), ([self.path("module.py"), "--verbose", "--", "-m"], "module"))
        self.assertEqual(self.check_same(py, "-m", "package")[4], "package.__main__")

    def test_code(self, py):
        self.assertEqual(self.check_same(py, "-c", SCRIPT, "--", "-m", "-x")[0], ["-c", "--", "-m", "-x"])

    def test_standard_input(self, py):
        done = self.run_it(py, "-", "a", input=SCRIPT)
        self.assertEqual(json.loads(done.stdout)[0], ["-", "a"])
        done = self.run_it(py, "-c", "import sys; print(sys.stdin.read())", input="from a pipe")
        self.assertEqual(done.stdout, "from a pipe\n")

    def test_flags_of_the_interpreter(self, py):
        seen = self.check_same(py, "app.py", flags=("-X", "faulthandler", "-Werror", "-W", "ignore::ImportWarning", "-bOq"))
        self.assertEqual(seen[7], [1, 1, 0, 0, 0, 1])
        self.check_same(py, "app.py", flags=("-OO", "-Xutf8", "-X", "pycache_prefix=" + self.path("cache")))

    def test_isolated(self, py):
        # The package is not on the path then: as if it was installed.
        code = "import sys; sys.path.insert(0, %r); sys.argv[1:] = ['run', 'app.py']; " \
            "from oxmalloc.__main__ import main; main()" % oxtest.PACKAGE
        for flags in (["-I"], ["-E", "-s"]):
            done = subprocess.run([py.path, *flags, "-c", code], env=oxtest.clean_env(oxtest.package_env()),
                                  cwd=self.directory, universal_newlines=True, stdout=subprocess.PIPE)
            self.assertEqual(json.loads(done.stdout)[7], [0, 0, 1, int("-I" in flags), 0, 0])

    def test_exit_status_and_signals(self, py):
        self.run_it(py, "-c", "import sys; sys.exit(43)", status=43)
        self.assertIn("ZeroDivisionError", self.run_it(py, "-c", "1 / 0", status=1).stderr)
        self.run_it(py, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)", status=-signal.SIGTERM)
        # The process that was started is the program: a signal to it arrives there.
        child = subprocess.Popen(
            [py.path, "-m", "oxmalloc", "run", "-c", "import signal; print('ready', flush=True); signal.pause()"],
            env=oxtest.clean_env(oxtest.package_env()), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=oxtest.default_signals)
        self.assertEqual(child.stdout.readline(), b"ready\n")
        child.send_signal(signal.SIGINT)
        child.stdout.close()
        self.assertEqual(child.wait(60), -signal.SIGINT)

    def test_terminal(self, py):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        with os.fdopen(theirs, "wb") as terminal:
            done = oxmalloc(py, "run", "-c", "import sys; sys.exit(sys.stdin.isatty() + 2 * sys.stdout.isatty())",
                            stdin=terminal, stdout=terminal)
        self.assertEqual(done.returncode, 3)


@oxtest.each_interpreter
class Environment(Directory):
    SHOW = "import os; print(os.environ['LD_PRELOAD'], os.environ.get('OXMALLOC_PURGE_DELAY_MS'))"

    def test_comes_first_and_once(self, py):
        other = self.path("other.so")
        os.symlink(oxtest.LIB, self.path("liboxmalloc.so"))
        os.symlink("/lib/x86_64-linux-gnu/libm.so.6", other)
        if not os.path.exists(other):
            self.skipTest("there is no libm.so.6 where it is expected")
        for before, after in (
                ("", oxtest.LIB), (other, oxtest.LIB + ":" + other),
                ("%s %s" % (other, oxtest.LIB), oxtest.LIB + ":" + other),
                (self.path("liboxmalloc.so") + ":" + other, oxtest.LIB + ":" + other)):
            with self.subTest(before=before):
                done = self.run_it(py, "-c", self.SHOW, env={"LD_PRELOAD": before})
                self.assertEqual((done.stdout, done.stderr), (after + " None\n", ""))

    def test_options(self, py):
        done = self.run_it(py, "--purge-delay-ms", "250", "--stats", "-c", self.SHOW, env={"OXMALLOC_PURGE_DELAY_MS": "7"})
        self.assertEqual(done.stdout, oxtest.LIB + " 250\n")
        self.assertIn("oxmalloc: active in  ", done.stderr)
        self.run_it(py, "--huge-pages=never", "--large-cache-mib", "0", "--verbose", "app.py")

    def test_children(self, py):
        code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'])"
        self.assertEqual(self.run_it(py, "--verbose", "-c", code).stderr.count("active in"), 2)
        self.assertEqual(self.run_it(py, "--verbose", "--no-children", "-c", code).stderr.count("active in"), 1)

    def test_virtual_environment(self, py):
        oxtest.run(py, "import sys, venv; venv.create(sys.argv[1], with_pip=False)", self.path("venv"), preload=False)
        python = self.path("venv/bin/python")
        seen = json.loads(self.run_it(python, "app.py").stdout)
        self.assertEqual(seen[5:7], [python, self.path("venv")])

    def test_a_command(self, py):
        # Whatever it starts that is a Python.
        done = self.run_it(py, "--verbose", "--", "sh", "-c", '"$@"; exit 7', "sh", py.path, "app.py", "--", status=7)
        self.assertEqual(json.loads(done.stdout)[0], ["app.py", "--"])
        self.assertEqual(done.stderr.count("active in"), 1)


@oxtest.each_interpreter
class Mistakes(Directory):
    def says(self, py, *words, status=2, **more):
        done = self.run_it(py, *words, status=status, **more)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_nothing_to_run(self, py):
        for words in ((), ("--",), ("--stats",)):
            self.assertIn("what shall be run? A script, - for standard input", self.says(py, *words))

    def test_no_such_script(self, py):
        self.assertIn("ap.py: there is no such script\n", self.says(py, "ap.py"))
        self.assertIn("run -- sh -c x", self.says(py, "sh", "-c", "x"))
        self.assertIn("nosuch: there is no such command", self.says(py, "--", "nosuch", status=127))

    def test_options(self, py):
        self.assertIn("whole number from 0 to 3600000 (ms)", self.says(py, "--purge-delay-ms", "soon", "app.py"))
        self.assertIn("invalid choice: 'nevr'", self.says(py, "--huge-pages", "nevr", "app.py"))
        self.assertIn("oxmalloc run", self.says(py, "--nonsense", "app.py"))
        self.assertIn("python -u -m oxmalloc run", self.says(py, "-u", "app.py"))

    def test_what_cannot_be_executed(self, py):
        with open(self.path("broken"), "w") as out:
            out.write("#!/nowhere/sh\n")
        os.chmod(self.path("broken"), 0o755)
        self.assertIn("cannot be run", self.says(py, "--", self.path("broken"), status=126))
        os.chmod(self.path("broken"), 0o644)
        self.assertIn("broken is not executable: `chmod +x` it", self.says(py, "--", self.path("broken"), status=126))
        self.assertIn("is a directory", self.says(py, "--", self.directory, status=126))

    def test_library(self, py):
        missing = {"OXMALLOC_LIBRARY": "/nowhere/liboxmalloc.so"}
        self.assertIn("OXMALLOC_LIBRARY names /nowhere", self.says(py, "--stats", "app.py", status=1, env=missing))
        for name in ("a b", "a:b"):
            path = os.path.join(self.path(name), "liboxmalloc.so")
            os.mkdir(self.path(name))
            os.symlink(oxtest.LIB, path)
            said = self.says(py, "app.py", status=1, env={"OXMALLOC_LIBRARY": path})
            self.assertIn("cannot name " + path, said)

    def test_what_is_in_the_way_is_said(self, py):
        code = "import sys; sys.exit(0)"
        for cause, flags, words, env in (
                ("PYTHONMALLOC=malloc", (), ("-c", code), {"PYTHONMALLOC": "malloc"}),
                ("-X dev", ("-X", "dev"), ("-c", code), {}),
                ("-X dev", (), ("--", py.path, "-Xdev", "-c", code), {}),
                ("PYTHONDEVMODE=1", (), ("-c", code), {"PYTHONDEVMODE": "1"}),
                ("OXMALLOC_DISABLE=1", (), ("--disable", "-c", code), {})):
            with self.subTest(cause=cause, words=words):
                said = self.says(py, *words, status=0, flags=flags, env=env).splitlines()
                said = [line for line in said if "Warning" not in line]
                self.assertEqual(len(said), 1, said)
                self.assertIn("will not run on it: ", said[0])
                self.assertIn(cause, said[0])
        # What Python ignores is in nobody's way.
        self.assertEqual(self.says(py, "--", py.path, "-E", "-c", code, status=0, env={"PYTHONMALLOC": "malloc"}), "")


class Help(unittest.TestCase):
    def test_version(self):
        with open(os.path.join(oxtest.ROOT, "Cargo.toml")) as cargo:
            version = re.search('^version = "(.*)"$', cargo.read(), re.MULTILINE).group(1)
        done = oxmalloc(oxtest.fastest_interpreter(), "--version")
        self.assertEqual((done.returncode, done.stdout), (0, "oxmalloc %s, %s\n" % (version, oxtest.LIB)))
        done = oxmalloc(oxtest.fastest_interpreter(), "--version", env={"OXMALLOC_LIBRARY": "/nowhere"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("OXMALLOC_LIBRARY names /nowhere", done.stderr)

    def test_has_the_table_of_options(self):
        py = oxtest.fastest_interpreter()
        text = " ".join(oxmalloc(py, "run", "--help").stdout.split())
        sys.path.insert(0, oxtest.PACKAGE)
        self.addCleanup(sys.path.remove, oxtest.PACKAGE)
        table = json.loads(oxtest.run(py, """
            import json, oxmalloc
            print(json.dumps([[o.flag, o.kind, o.default, o.least, o.most, o.help] for o in oxmalloc.options()]))
            """, preload=False, env=oxtest.package_env()).stdout)
        self.assertGreater(len(table), 7)
        for flag, kind, default, least, most, explanation in table:
            if (kind, default) == ("flag", "1"):  # it has no 0 of which its text could tell
                flag = "--no-" + flag[2:]
                self.assertRegex(text, flag + " (do not|keep) ")
                self.assertNotIn("; 0:", text)
            else:
                self.assertIn(explanation, text)
            self.assertIn(flag + " ", text)
            if kind == "number":
                self.assertRegex(text, r"%s \S+ .*\(%d to %d \S+, default %s\)" % (flag, least, most, default))


if __name__ == "__main__":
    unittest.main()
