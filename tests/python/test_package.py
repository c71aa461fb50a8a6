"""The Python package as a wheel: built once, installed into a fresh venv of every interpreter."""

import email
import functools
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile

import oxtest

# No Rust on it; where a wheel is installed none may be needed.
PLAIN_PATH = "/usr/bin:/bin"


def run(*command, env=None):
    done = subprocess.run(
        list(map(str, command)), env=env, universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise AssertionError("%s ended with %d\n%s%s" % (
            " ".join(map(str, command)), done.returncode, done.stdout, done.stderr))
    return done.stdout


def venv(py, directory):
    """-> the interpreter of a fresh environment."""
    run(py.path, "-m", "venv", directory)
    return os.path.join(directory, "bin", "python")


def newest():
    return max((py for py in oxtest.interpreters()[0] if not py.debug), key=lambda py: py.version)


def build_environment(**extra):
    # The library that was built for the tests is not built anew.
    kept = {name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR") if name in os.environ}
    return dict(oxtest.clean_env(), PIP_DISABLE_PIP_VERSION_CHECK="1", **kept, **extra)


def build_wheel(directory):
    """pip builds the wheel with what it gets from PyPI."""
    python = venv(newest(), os.path.join(directory, "builder"))
    command = [python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", directory, oxtest.ROOT]
    try:
        run(*command, env=build_environment())
    except AssertionError as error:
        if "No matching distribution" in str(error) or "connection" in str(error).lower():
            raise unittest.SkipTest("PyPI, where the build backend comes from, cannot be reached") from None
        raise
    (wheel,) = [name for name in os.listdir(directory) if name.endswith(".whl")]
    return os.path.join(directory, wheel)


@functools.lru_cache(maxsize=None)
def scratch():
    """A directory for all tests, with an environment to build in."""
    directory = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, directory)
    return directory


@functools.lru_cache(maxsize=None)
def wheel():
    return build_wheel(scratch())


@functools.lru_cache(maxsize=None)
def wheel_for_all():
    script = os.path.join(oxtest.ROOT, "scripts", "wheel")
    return run(script, os.path.join(scratch(), "for-all"), env=build_environment()).strip()


class Wheel(unittest.TestCase):
    def setUp(self):
        with zipfile.ZipFile(wheel()) as archive:
            self.names = archive.namelist()
            self.read = {name.rpartition("/")[2]: archive.read(name).decode()
                         for name in self.names if ".dist-info/" in name}

    def test_has_no_abi_of_a_cpython(self):
        machine = os.uname().machine
        self.assertRegex(wheel(), r"-py3-none-linux_%s\.whl$" % machine)
        tags = email.message_from_string(self.read["WHEEL"])
        self.assertEqual(tags["Tag"], "py3-none-linux_" + machine)
        self.assertEqual(tags["Root-Is-Purelib"], "false")
        libraries = [name for name in self.names if name.endswith(".so")]
        self.assertEqual(libraries, ["oxmalloc/liboxmalloc.so"])

    def test_is_complete_and_typed(self):
        for directory, _, files in os.walk(os.path.join(oxtest.PACKAGE, "oxmalloc")):
            for name in files:
                if name.endswith(".py"):
                    path = os.path.relpath(os.path.join(directory, name), oxtest.PACKAGE)
                    self.assertIn(path, self.names)
        self.assertIn("oxmalloc/py.typed", self.names)
        self.assertEqual([name for name in self.names if name.endswith(".pyc")], [])

    def test_metadata(self):
        about = email.message_from_string(self.read["METADATA"])
        with open(os.path.join(oxtest.ROOT, "Cargo.toml")) as cargo:
            self.assertIn('\nversion = "%s"\n' % about["Version"], cargo.read())
        # Nothing but what an extra asks for.
        self.assertEqual([name for name in about.get_all("Requires-Dist", []) if "extra ==" not in name], [])
        self.assertEqual(about["Requires-Python"], ">=3.8")
        self.assertIn("oxmalloc = oxmalloc.__main__:main", self.read["entry_points.txt"])


class Build(unittest.TestCase):
    """What the build says when something is missing."""

    def hook(self, path, **env):
        code = "import sys; sys.path.insert(0, %r); import hatch_build; print(hatch_build.find_cargo())"
        # The hook's base class is hatchling's, of which only the name is needed here.
        stub = ("import sys, types; base = types.ModuleType('interface'); base.BuildHookInterface = object;"
                "sys.modules['hatchling.builders.hooks.plugin.interface'] = base;"
                "[sys.modules.setdefault(name, types.ModuleType(name)) for name in ('hatchling',"
                " 'hatchling.builders', 'hatchling.builders.hooks', 'hatchling.builders.hooks.plugin')];")
        return subprocess.run(
            [newest().path, "-c", stub + code % oxtest.ROOT], universal_newlines=True,
            env=dict(oxtest.clean_env(), PATH=path, **env), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_names_cargo_when_it_is_missing(self):
        with tempfile.TemporaryDirectory() as home:
            done = self.hook("/nowhere", HOME=home, CARGO_HOME=home)
        if done.returncode == 0:
            self.skipTest("a rustc-1.N of the system is found: " + done.stdout.strip())
        self.assertIn("no cargo was found on PATH", done.stderr)
        self.assertIn("rustup", done.stderr)

    def test_finds_rustups_cargo_without_path(self):
        with tempfile.TemporaryDirectory() as home:
            cargo = os.path.join(home, "bin", "cargo")
            os.mkdir(os.path.dirname(cargo))
            os.symlink("/bin/true", cargo)
            self.assertEqual(self.hook("/nowhere", CARGO_HOME=home).stdout.strip(), cargo)


@oxtest.each_interpreter
class Installed(unittest.TestCase):
    def test_works_in_a_fresh_environment(self, py):
        with tempfile.TemporaryDirectory() as directory:
            python = venv(py, directory)
            env = {name: value for name, value in oxtest.clean_env().items() if name != "PYTHONPATH"}
            env["PATH"] = os.path.dirname(python) + ":" + PLAIN_PATH
            run(python, "-m", "pip", "install", "-q", "--no-index", wheel(), env=env)
            script = os.path.join(directory, "bin", "oxmalloc")
            for command in ([python, "-m", "oxmalloc"], [script]):
                self.assertIn("stats", run(*command, "--help", env=env))
            path = run(python, "-c", "import oxmalloc; print(oxmalloc.library_path())", env=env).strip()
            self.assertTrue(path.startswith(directory + "/"), path)
            version = run(python, "-c", "import oxmalloc; print(oxmalloc.__version__)", env=env).strip()
            self.assertIn("-%s-" % version, wheel())
            # Late,
            facts = run(python, "-c", "import oxmalloc as o; s = o.install(); print(s.installed_by, s.domains)", env=env)
            domains = [("raw", "mem", "obj")[domain] for domain in sorted(py.domains)]
            self.assertEqual(facts.strip(), "install %s" % (tuple(domains),))
            # and preloaded: the API talks to that copy.
            code = "import oxmalloc as o; s = o.status(); print(s.installed_by, s.library, o.stats().total.live_blocks > 0)"
            facts = run(python, "-c", code, env=dict(env, LD_PRELOAD=path)).split()
            self.assertEqual(facts, ["preload", os.path.realpath(path), "True"])
            table = run(script, "stats", env=dict(env, LD_PRELOAD=path))
            self.assertIn("resident", table)
            # A program is run, and the doctor finds nothing, also of what the script starts.
            with open(os.path.join(directory, "app.py"), "w") as app:
                app.write("import oxmalloc, sys; print(oxmalloc.status().active, sys.prefix, sys.argv)")
            said = run(python, "-m", "oxmalloc", "run", app.name, "--port", "80", env=env)
            self.assertEqual(said, "True %s %s\n" % (directory, [app.name, "--port", "80"]))
            self.assertIn("oxmalloc is active.\n", run(python, "-m", "oxmalloc", "run", "-m", "oxmalloc", "doctor", env=env))
            self.assertIn("oxmalloc is active.\n", run(script, "doctor", "--", script, "run", app.name, env=env))
            self.assertIn("True", run("sh", "-euc", 'eval "$("$0" env)"; python "$1"', script, app.name, env=env))


class Everywhere(unittest.TestCase):
    """scripts/wheel: the wheel for old systems, and the check that it is one."""

    def setUp(self):
        wheel()  # skips when PyPI cannot be reached
        self.tag = "manylinux_2_28_" + os.uname().machine
        self.made = wheel_for_all()

    def test_is_tagged_and_works(self):
        self.assertRegex(self.made, r"-py3-none-%s\.whl$" % self.tag)
        with tempfile.TemporaryDirectory() as directory:
            python = venv(newest(), directory)
            run(python, "-m", "pip", "install", "-q", "--no-index", self.made)
            said = run(python, "-I", "-c", "import oxmalloc; print(oxmalloc.install().active, oxmalloc.trim() >= 0)")
            self.assertEqual(said.split(), ["True", "True"])
        # Its library is the one that the tests test, but for the C library below it.
        with zipfile.ZipFile(self.made) as archive:
            old = archive.extract("oxmalloc/liboxmalloc.so", scratch())
        needs = re.findall(r"GLIBC_2\.(\d+)", run("readelf", "-V", old))
        self.assertLessEqual(max(map(int, needs)), 28)

    def test_a_promise_not_kept_is_found(self):
        tools = os.path.join(oxtest.ROOT, "target", "wheel-tools", "bin")
        env = dict(oxtest.clean_env(), PATH=tools + os.pathsep + os.environ["PATH"])
        check = os.path.join(oxtest.ROOT, "scripts", "check_wheel.py")
        run("python3", check, self.made, self.tag, env=env)
        for broken, complaint in ((wheel(), "is not named"), (self.made, "at most, as auditwheel says")):
            done = subprocess.run(
                ["python3", check, broken, self.tag.replace("2_28", "2_17")], env=env,
                universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(complaint, done.stderr)


@unittest.skipUnless(shutil.which("cargo") or os.path.exists(os.path.expanduser("~/.cargo/bin/cargo")),
                     "there is no cargo to build with")
class SourceDistribution(unittest.TestCase):
    def test_has_all_that_a_build_needs(self):
        directory = os.path.dirname(wheel())
        builder = os.path.join(directory, "builder", "bin", "python")
        run(builder, "-m", "pip", "install", "-q", "build", env=build_environment())
        run(builder, "-m", "build", "--sdist", "--outdir", directory, oxtest.ROOT, env=build_environment())
        (archive,) = [name for name in os.listdir(directory) if name.endswith(".tar.gz")]
        with tempfile.TemporaryDirectory() as unpacked:
            shutil.unpack_archive(os.path.join(directory, archive), unpacked)
            (source,) = [os.path.join(unpacked, name) for name in os.listdir(unpacked)]
            self.assertFalse(os.path.exists(os.path.join(source, "tests")))
            # All of it compiles; to link it once more would tell nothing new.
            env = dict(build_environment(), CARGO_TARGET_DIR=os.path.join(oxtest.ROOT, "target", "sdist"))
            env["PATH"] += os.pathsep + os.path.expanduser("~/.cargo/bin")
            subprocess.run(["cargo", "check", "--locked", "--release", "--lib", "-q"], cwd=source, env=env, check=True)


if __name__ == "__main__":
    unittest.main()
