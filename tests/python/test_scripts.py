"""The README's commands, scripts/run, and how lib.sh gets what a build needs."""

import os
import re
import subprocess
import tempfile
import unittest

import oxtest

RUN = os.path.join(oxtest.ROOT, "scripts", "run")


def run(*command, **env):
    return subprocess.run(
        command, env=dict(oxtest.clean_env(), **env), universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Readme(unittest.TestCase):
    """What the README tells a newcomer to type."""

    def setUp(self):
        with open(os.path.join(oxtest.ROOT, "README.md")) as readme:
            blocks = re.findall(r"^```.*?\n(.*?)^```", readme.read(), re.MULTILINE | re.DOTALL)
        lines = (line.partition("#")[0].strip() for block in blocks for line in block.splitlines())
        self.commands = [line for line in lines if "scripts/" in line.split(" ")[0]]

    def test_every_script_exists(self):
        # scripts/test is not run here: it runs this.
        self.assertIn("scripts/test", self.commands)
        for command in self.commands:
            script = os.path.join(oxtest.ROOT, command.split()[0])
            self.assertTrue(os.access(script, os.X_OK), command)

    def test_your_program(self):
        command = "scripts/run python3 app.py"
        self.assertIn(command, self.commands)
        with tempfile.TemporaryDirectory() as directory:
            os.symlink(os.path.dirname(RUN), os.path.join(directory, "scripts"))
            with open(os.path.join(directory, "app.py"), "w") as app:
                app.write("import oxtest; oxtest.assert_active(); print('worked')\n")
            done = subprocess.run(
                ["sh", "-c", command], cwd=directory, env=oxtest.clean_env(),
                universal_newlines=True, stdout=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout, "worked\n")

    def test_the_demonstration(self):
        done = run(RUN)
        self.assertEqual(done.returncode, 0, done.stderr)
        for row in ("CPU time", "peak memory", "memory after dropping"):
            self.assertRegex(done.stdout, r"(?m)^%s +\S+ \S+ +\S+ \S+ +\d+\.\d\d$" % row)


class Run(unittest.TestCase):
    """The library under test is the one that scripts/run builds."""

    def setUp(self):
        self.library = os.path.join(oxtest.ROOT, "target", "release", "liboxmalloc.so")
        run(RUN, "true")        # builds, if anything has changed

    def test_preloads_and_says_nothing(self):
        done = run(RUN, "sh", "-c", 'echo "$LD_PRELOAD"')
        self.assertEqual((done.stdout, done.stderr), (self.library + "\n", ""))

    def test_keeps_what_is_preloaded(self):
        with tempfile.TemporaryDirectory() as directory:
            other = os.path.join(directory, "other.so")
            os.symlink(self.library, other)
            done = run(RUN, "sh", "-c", 'echo "$LD_PRELOAD"', LD_PRELOAD=other)
            self.assertEqual(done.stdout, "%s:%s\n" % (self.library, other))

    def test_keeps_arguments_and_exit_status(self):
        done = run(RUN, "sh", "-c", 'printf "%s|" "$@"; exit 5', "sh", "a b", "", "*")
        self.assertEqual((done.stdout, done.returncode), ("a b||*|", 5))

    def test_works_through_a_link_and_from_anywhere(self):
        with tempfile.TemporaryDirectory() as directory:
            link = os.path.join(directory, "oxrun")
            os.symlink(RUN, link)
            done = subprocess.run(
                [link, "pwd"], cwd=directory, env=oxtest.clean_env(), universal_newlines=True,
                stdout=subprocess.PIPE)
            self.assertEqual(done.stdout.strip(), os.path.realpath(directory))

    def test_python_is_active(self):
        for py in oxtest.interpreters()[0]:
            with self.subTest(py=py.tag):
                done = run(RUN, py.path, "-c", "import oxtest; oxtest.assert_active()")
                self.assertEqual((done.returncode, done.stderr), (0, ""))


class Tools(unittest.TestCase):
    """lib.sh on machines made of a few stub programs."""

    REAL = "cut dirname head id printf rm sed sh sort touch".split()

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = directory.name
        self.bin = os.path.join(self.home, "bin")
        for name in self.REAL:
            path = next(os.path.join(d, name) for d in ("/usr/bin", "/bin")
                        if os.path.exists(os.path.join(d, name)))
            os.makedirs(self.bin, exist_ok=True)
            os.symlink(path, os.path.join(self.bin, name))

    def stub(self, name, script, where="bin"):
        path = os.path.join(self.home, where, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.remove(path)
        with open(path, "w") as out:
            out.write("#!/bin/sh\n%s\n" % script)
        os.chmod(path, 0o755)

    def rust(self, version, where="bin"):
        self.stub("rustc", "echo 'rustc %s (0123 2025-01-01)'" % version, where)
        self.stub("cargo", "echo cargo", where)

    def apt(self, **candidates):
        """An apt with these packages; `apt-get install` leaves a log."""
        self.stub("id", "echo 0")
        self.stub("apt-get", 'echo "$@" >>"$HOME/apt.log"\n[ "$1" = update ] || rustup-stub')
        self.stub("rustup-stub", "printf '#!/bin/sh\\necho rustc 1.90.0\\n' >$HOME/bin/rustc\n"
                  "printf '#!/bin/sh\\n' >$HOME/bin/cargo\n"
                  "printf '#!/bin/sh\\n' >$HOME/bin/cc\n"
                  "/bin/chmod +x $HOME/bin/rustc $HOME/bin/cargo $HOME/bin/cc")
        policy = "".join("%s) echo '  Candidate: %s' ;; " % (name.replace("_", "-"), version)
                         for name, version in candidates.items())
        self.stub("apt-cache", 'case $1 in pkgnames) %s ;; policy) case $2 in %s esac ;; esac' % (
            "; ".join("echo " + name.replace("_", "-") for name in candidates if "_1" in name) or ":",
            policy))

    def sh(self, code):
        return run("/bin/sh", "-euc", 'root=/nowhere; . "$1"; numbered_rusts=$HOME/rust-*/bin; ' + code, "script",
                   os.path.join(oxtest.ROOT, "scripts", "lib.sh"), PATH=self.bin, HOME=self.home,
                   CARGO_HOME="")

    def installed(self):
        try:
            with open(os.path.join(self.home, "apt.log")) as log:
                return [line.split()[-2:] for line in log if line.startswith("install")]
        except FileNotFoundError:
            return []

    def test_versions_are_compared_as_numbers(self):
        done = self.sh("for v in 1.63.0 1.84.1 1.85.0 1.85.0+dfsg3-1~deb12u3 1.100.0 2.0.0;"
                       " do new_enough $v && echo $v; done; :")
        self.assertEqual(done.stdout.split(), ["1.85.0", "1.85.0+dfsg3-1~deb12u3", "1.100.0", "2.0.0"])

    def test_a_new_rust_on_path_is_taken(self):
        self.rust("1.85.0")
        done = self.sh("need_rust; command -v cargo")
        self.assertEqual(done.stdout.strip(), self.bin + "/cargo", done.stderr)

    def test_rustup_off_path_is_found(self):
        self.rust("1.90.0", where=".cargo/bin")
        done = self.sh("need_rust; command -v cargo")
        self.assertEqual(done.stdout.strip(), self.home + "/.cargo/bin/cargo", done.stderr)

    def test_rustup_is_preferred_to_an_old_rust_on_path(self):
        self.rust("1.63.0")
        self.rust("1.90.0", where=".cargo/bin")
        done = self.sh("need_rust; command -v rustc")
        self.assertEqual(done.stdout.strip(), self.home + "/.cargo/bin/rustc", done.stderr)

    def test_debian_12_takes_rustc_web(self):
        self.apt(rustc="1.63.0+dfsg1-2", rustc_web="1.85.0+dfsg3-1~deb12u3")
        done = self.sh("need_rust")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.installed(), [["rustc-web", "cargo-web"]])

    def test_debian_13_takes_rustc(self):
        self.apt(rustc="1.85.0+dfsg3-1")
        self.assertEqual(self.sh("need_rust").returncode, 0)
        self.assertEqual(self.installed(), [["rustc", "cargo"]])

    def test_ubuntu_takes_a_numbered_rustc(self):
        self.apt(**{"rustc": "1.75.0+dfsg0ubuntu1", "rustc_1.84": "1.84.1+dfsg0",
                    "rustc_1.85": "1.85.1+dfsg0"})
        self.assertEqual(self.sh("need_rust").returncode, 0)
        self.assertEqual(self.installed(), [["rustc-1.85", "cargo-1.85"]])

    def test_a_numbered_rust_off_path_is_found(self):
        self.rust("1.75.0")
        self.rust("1.84.1", where="rust-1.84/bin")
        self.rust("1.85.1", where="rust-1.85/bin")
        done = self.sh("need_rust; command -v cargo")
        self.assertEqual(done.stdout.strip(), self.home + "/rust-1.85/bin/cargo", done.stderr)

    def test_no_package_is_new_enough(self):
        self.apt(rustc="1.63.0")
        done = self.sh("need_rust")
        self.assertEqual((done.returncode, self.installed()), (1, []))
        self.assertIn("https://sh.rustup.rs", done.stderr)

    def test_without_apt_or_root_the_command_is_named(self):
        done = self.sh("need_rust")
        self.assertEqual(done.returncode, 1)
        self.assertIn("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y",
                      done.stderr)
        self.apt(rustc="1.90.0")
        self.stub("id", "echo 1000")
        self.assertEqual(self.sh("need_rust").returncode, 1)
        self.assertEqual(self.installed(), [])

    def test_an_old_rustup_is_told_to_update(self):
        self.rust("1.63.0")
        self.stub("rustup", "")
        self.assertIn("rustup update stable", self.sh("need_rust").stderr)
        os.remove(self.bin + "/rustup")
        self.stub("rustup", "", where=".cargo/bin")
        self.assertIn("/.cargo/bin/rustup update stable", self.sh("need_rust").stderr)

    def test_a_c_compiler(self):
        done = self.sh("need_cc")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get install gcc", done.stderr)
        self.apt()
        self.assertEqual(self.sh("need_cc").returncode, 0)
        self.assertEqual(self.installed(), [["gcc", "libc6-dev"]])


if __name__ == "__main__":
    unittest.main()
