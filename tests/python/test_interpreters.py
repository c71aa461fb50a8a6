"""Interpreters beside each other in one process: from 3.12 on each with its GIL."""

import unittest

import faults
import oxtest


@faults.on(faults.chosen_and_debug)
class Interpreters(unittest.TestCase):

    def test_four_threads_with_an_interpreter_each(self, py):
        if faults.program(py, ring, 4, 3) is None:
            self.skipTest("%s has no module for interpreters" % py.path)


CALLS = "status options install stats allocated_blocks trim diagnose measure".split()

IN_EACH_KIND = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
kinds = [("legacy",), ("isolated",)] if interpreters.__name__ == "_interpreters" else [()]
failed = [interpreters.run_string(interpreters.create(*kind), sys.argv[1]) for kind in kinds]
assert not any(failed), failed
"""

ASK = """
import os
import oxmalloc

def answer(name):
    try:
        told = getattr(oxmalloc, name)()
        if name == "measure":
            with told:
                pass
    except oxmalloc.OxmallocError as error:
        return str(error)
    assert name not in ("status", "install") or told.active, told
    assert name != "options" or len(told) > 5, told
    assert name != "stats" or len(told.by_arena) == told.arenas > 0, told
    return "ok"

os.write(1, "".join("%s: %s\\n" % (name, answer(name)) for name in "{calls}".split()).encode())
"""


@oxtest.each_interpreter
class Package(unittest.TestCase):
    def test_answers_in_sub_interpreters(self, py):
        said = oxtest.run(py, IN_EACH_KIND, ASK.replace("{calls}", " ".join(CALLS)), env=oxtest.package_env(),
                          timeout=60).stdout.splitlines()
        if py.version[:2] == (3, 12):
            self.assertEqual([line.partition(":")[0] for line in said], CALLS)
            for line in said:
                self.assertIn("main interpreter", line)
        elif py.version < (3, 12):
            self.assertIn("main interpreter", said.pop())
            self.assertEqual(said, [name + ": ok" for name in CALLS if name != "measure"])
        else:
            self.assertEqual(said, [name + ": ok" for name in CALLS] * 2)


def ring(count, cycles):
    import os
    import threading

    import inside
    import oxtest

    try:
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
    except ImportError:
        return None
    # Messages fit in a pipe: all write before they read.
    member = """
import os
import inside
for n in range(150):
    inside.churn(100, n)
    message = str((n, inside.make(n + 5))).encode()[:4000]
    os.write(right, len(message).to_bytes(8, "little") + message)
    length = int.from_bytes(os.read(left, 8), "little")
    got = b""
    while len(got) < length:
        got += os.read(left, length - len(got))
    assert got == message
"""
    failures = []

    def run(left, right):
        interpreter = interpreters.create()
        failed = None
        try:
            code = "left, right = %d, %d\n%s" % (left, right, member)
            failed = interpreters.run_string(interpreter, code)
        except Exception as error:
            failed = error
        finally:
            interpreters.destroy(interpreter)
        if failed:
            failures.append(failed)

    for _ in range(cycles):
        pipes = [os.pipe() for _ in range(count)]
        threads = [
            threading.Thread(target=run, args=(pipes[i][0], pipes[(i + 1) % count][1]))
            for i in range(count)]
        for thread in threads:
            thread.start()
        inside.churn(3000)
        for thread in threads:
            thread.join()
        for end in sum(pipes, ()):
            os.close(end)
        assert not failures, failures
        oxtest.assert_active()
        inside.churn(3000)
    return True
