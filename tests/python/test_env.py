"""python -m oxmalloc env: each form is understood where it belongs, and starts programs on oxmalloc."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import unittest

import oxtest
import test_run

OPTIONS = ("--purge-delay-ms", "250", "--no-children")
VARIABLES = {"LD_PRELOAD": oxtest.LIB, "OXMALLOC_PURGE_DELAY_MS": "250", "OXMALLOC_CHILDREN": "0"}
# What each form has to escape: "$", "%", quotes and backslashes. (A path may have neither space nor colon.)
HOSTILE = "a$HOME%s'\"\\b"


@oxtest.each_interpreter
class Forms(unittest.TestCase):
    def printed(self, py, *words, **env):
        done = test_run.oxmalloc(py, "env", *words, env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def both(self, py, form):
        """What it prints for the library as it is, and for one at a hostile path; with what shall be read of it."""
        yield self.printed(py, form, *OPTIONS), VARIABLES
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, HOSTILE)
            os.symlink(oxtest.LIB, path)
            yield self.printed(py, form, OXMALLOC_LIBRARY=path), {"LD_PRELOAD": path}

    def test_sh(self, py):
        show = 'printf "%s\\n" "$LD_PRELOAD" "${OXMALLOC_PURGE_DELAY_MS-}" "${OXMALLOC_CHILDREN-}"'
        for text, expected in self.both(py, "--sh"):
            for before in ("", "/one.so", "/one.so /two.so"):
                # The shell's own commands only: nothing is loaded there.
                script = "unset LD_PRELOAD; %s %s%s" % (
                    "LD_PRELOAD=%s;" % shlex.quote(before) if before else "", text, show)
                done = subprocess.run(["sh", "-euc", script], universal_newlines=True, stdout=subprocess.PIPE, check=True)
                lines = done.stdout.splitlines()
                self.assertEqual(lines, [expected["LD_PRELOAD"] + (":" + before if before else ""),
                                         expected.get("OXMALLOC_PURGE_DELAY_MS", ""), expected.get("OXMALLOC_CHILDREN", "")])

    def test_sh_is_what_comes_without_a_form(self, py):
        self.assertEqual(self.printed(py), self.printed(py, "--sh"))

    def test_evaluated_it_starts_programs_on_oxmalloc(self, py):
        script = 'eval "$("$0" -m oxmalloc env --verbose)"; "$0" -c "import oxtest; oxtest.assert_active()"'
        done = subprocess.run(["sh", "-euc", script, py.path], env=oxtest.clean_env(oxtest.package_env()),
                              universal_newlines=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("active in"), 1, done.stderr)

    def test_docker(self, py):
        for text, expected in self.both(py, "--docker"):
            found = {}
            for line in text.splitlines():
                instruction, rest = line.split(" ", 1)
                self.assertEqual(instruction, "ENV")
                # Docker's rules for words are those of a shell; unescaped variables it would replace.
                done = subprocess.run(["sh", "-uc", "printf %s " + rest], universal_newlines=True,
                                      stdout=subprocess.PIPE, env={}, check=True)
                name, _, value = done.stdout.partition("=")
                found[name] = value
            self.assertEqual(found, expected)

    def test_ray(self, py):
        for text, expected in self.both(py, "--ray"):
            self.assertEqual(json.loads(text), {"env_vars": expected})
            self.assertEqual(eval(text), {"env_vars": expected})

    def test_spark(self, py):
        for text, expected in self.both(py, "--spark"):
            found = {}
            for line in text.splitlines():
                # As java.util.Properties reads it.
                key, value = line.split(None, 1)
                found[key] = value.encode().decode("unicode_escape")
            self.assertEqual(found, {"%s.%s" % (prefix, name): value for name, value in expected.items()
                                     for prefix in ("spark.executorEnv", "spark.yarn.appMasterEnv")})

    def test_dask(self, py):
        for text, expected in self.both(py, "--dask"):
            top, nanny, environ, *lines = text.splitlines()
            self.assertEqual([top, nanny, environ], ["distributed:", "  nanny:", "    pre-spawn-environ:"])
            found = {}
            for line in lines:
                self.assertTrue(line.startswith(" " * 6), line)
                name, value = line.strip().split(": ", 1)
                found[name] = json.loads(value)     # A string in double quotes is the same in YAML.
            self.assertEqual(found, expected)

    def test_systemd(self, py):
        verify = shutil.which("systemd-analyze")
        for text, expected in self.both(py, "--systemd"):
            self.assertTrue(text.startswith("[Service]\n"))
            found = {}
            for line in text.splitlines()[1:]:
                name, _, quoted = line.partition("=")
                self.assertEqual(name, "Environment")
                (word,) = shlex.split(quoted.replace("%%", "%"))
                found[word.partition("=")[0]] = word.partition("=")[2]
            self.assertEqual(found, expected)
            if verify:
                with tempfile.TemporaryDirectory() as directory:
                    unit = os.path.join(directory, "app.service")
                    with open(unit, "w") as out:
                        out.write(text + "ExecStart=/bin/true\n")
                    done = subprocess.run([verify, "verify", "--man=no", unit], universal_newlines=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    self.assertNotIn("app.service", done.stdout)


class Yaml(unittest.TestCase):
    def test_a_parser_reads_it(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("PyYAML is not installed (pip install pyyaml)")
        text = test_run.oxmalloc(oxtest.fastest_interpreter(), "env", "--dask", *OPTIONS).stdout
        self.assertEqual(yaml.safe_load(text), {"distributed": {"nanny": {"pre-spawn-environ": VARIABLES}}})


class Streams(unittest.TestCase):
    """What it is printed to may be anything. The commands share this."""

    py = oxtest.fastest_interpreter()

    def test_ascii(self):
        ascii_only = {"PYTHONIOENCODING": "ascii"}
        for words in (("env", "--help"), ("doctor", "--help"), ("doctor", "--", "env", "-i", self.py.path, "-c", "0")):
            done = test_run.oxmalloc(self.py, *words, env=ascii_only)
            self.assertEqual(done.stderr, "")
            self.assertNotIn("\\u", done.stdout)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(os.fsencode(directory), b"caf\xc3\xa9\xe9")
            os.symlink(oxtest.LIB, path)
            done = test_run.oxmalloc(self.py, "env", env=dict(ascii_only, OXMALLOC_LIBRARY=path),
                                     universal_newlines=False)
            self.assertEqual(done.stderr, b"")
            self.assertIn(path, done.stdout)
            # As text, where the letter has none.
            done = test_run.oxmalloc(self.py, "doctor", "--", os.fsdecode(path) + "0", env=ascii_only)
            self.assertEqual((done.returncode, done.stderr), (1, ""))
            self.assertIn(r"caf\xe9\udce9", done.stdout)

    def test_nobody_reads(self):
        read, write = os.pipe()
        os.close(read)
        for words in (("env",), ("env", "--help"), ("doctor", "--", "true")):
            done = test_run.oxmalloc(self.py, *words, stdout=write)
            self.assertEqual((done.returncode, done.stderr), (141, ""))
        os.close(write)

    def test_closed(self):
        for words in ("env", "doctor", "doctor -- %s -c 0" % self.py.path, "run -c 0", "stats"):
            for closed in (">&-", "2>&-", ">&- 2>&-"):
                script = "exec %s -m oxmalloc %s %s" % (self.py.path, words, closed)
                done = subprocess.run(["sh", "-c", script], env=oxtest.preload_env(oxtest.package_env()),
                                      universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual((done.returncode, done.stderr), (0, ""), script)


class Mistakes(unittest.TestCase):
    def test_no_library(self):
        done = test_run.oxmalloc(oxtest.fastest_interpreter(), "env", env={"OXMALLOC_LIBRARY": "/nowhere"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("OXMALLOC_LIBRARY names /nowhere", done.stderr)

    def test_two_places(self):
        self.assertEqual(test_run.oxmalloc(oxtest.fastest_interpreter(), "env", "--sh", "--ray").returncode, 2)


if __name__ == "__main__":
    unittest.main()
