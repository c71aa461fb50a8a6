"""Other processes under the same preload: children, and those without Python."""

import os
import shutil
import subprocess
import tempfile
import unittest

import oxtest

# Options that would say something in a process that runs a Python.
LOUD = {"OXMALLOC_STATS": "1", "OXMALLOC_STAT": "1", "OXMALLOC_HUGE_PAGES": "perhaps"}

PROGRAM = "#include <stdio.h>\nint main(void) { return puts(\"compiled\") < 0; }\n"


class WithoutPython(unittest.TestCase):
    """Inert: the same output, and not a word of ours."""

    def same(self, *command, cwd=None):
        if not shutil.which(command[0]):
            self.skipTest("no %s here" % command[0])
        results = []
        for env in (oxtest.clean_env(), oxtest.preload_env(LOUD)):
            done = subprocess.run(
                command, env=env, cwd=cwd, universal_newlines=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            results.append((done.returncode, done.stdout, done.stderr))
        self.assertEqual(results[0], results[1])
        return results[0]

    def test_sh(self):
        code, out, _ = self.same("sh", "-c", "echo one; (echo two | cat); exit 3")
        self.assertEqual((code, out), (3, "one\ntwo\n"))

    def test_env(self):
        self.assertEqual(self.same("env", "-i", "WORD=seven", "sh", "-c", "echo $WORD")[1], "seven\n")

    def test_sort(self):
        self.assertEqual(self.same("sort", oxtest.HEADER)[0], 0)

    def test_git(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assertEqual(self.same("git", "init", "-q", directory)[0], 0)
            self.assertEqual(self.same("git", "-C", directory, "status", "--short", "--branch")[0], 0)

    def test_gcc(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "program.c"), "w") as source:
                source.write(PROGRAM)
            self.assertEqual(
                self.same("gcc", "-Wall", "-O1", "-o", "program", "program.c", cwd=directory)[0], 0)
            self.assertEqual(self.same(os.path.join(directory, "program"))[1], "compiled\n")


@oxtest.each_interpreter
class Children(unittest.TestCase):
    """A Python started from a Python under the preload is active as well."""

    CHILD = "import oxtest; oxtest.assert_active(); print('child')"

    def test_of_subprocess(self, py):
        # Python 3.8+ uses vfork here, or posix_spawn: no fork handlers run.
        done = oxtest.run(py, """
            import subprocess, sys, oxtest
            data = [str(i) for i in range(100000)]
            for close_fds in (True, False):
                for _ in range(5):
                    out = subprocess.check_output([sys.executable, "-c", sys.argv[1]],
                                                  close_fds=close_fds)
                    assert out == b"child\\n", out
            oxtest.assert_active()
        """, self.CHILD)
        self.assertEqual(done.stderr, "")

    def test_of_spawn_and_shell(self, py):
        oxtest.run(py, """
            import os, subprocess, sys
            child = os.posix_spawn(sys.executable, [sys.executable, "-c", sys.argv[1]], os.environ)
            assert os.waitpid(child, 0)[1] == 0
            out = subprocess.check_output(["sh", "-c", '"$0" -c "$1"', sys.executable, sys.argv[1]])
            assert out == b"child\\n", out
        """, self.CHILD)

    def test_of_fork(self, py):
        oxtest.run(py, """
            import os, oxtest
            data = [[str(i)] for i in range(50000)]
            for _ in range(5):
                child = os.fork()
                if child == 0:
                    code = 1
                    try:
                        oxtest.assert_active()
                        data = [one + ["more"] for one in data]
                        code = 0
                    finally:
                        os._exit(code)
                assert os.waitpid(child, 0)[1] == 0
            oxtest.assert_active()
        """)


if __name__ == "__main__":
    unittest.main()
