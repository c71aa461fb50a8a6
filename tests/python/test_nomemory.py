"""Allocations that fail one by one end as they do without us.

`_testcapi.set_nomemory(start, stop)` lets the calls of all domains behind the
`start`-th fail, up to the `stop`-th or for ever. Each operation is run with one
start after the other, each time in a forked child of the same state. What came
of it (a MemoryError, another exception, a crash, a loop without end) must be
the same as on the allocator that CPython names `malloc`; pymalloc calls RAW
from OBJ and so counts otherwise.
"""

import unittest

import faults

OPERATIONS = {
    "dict": "{str(i): [i] for i in range(40)}",
    "list": "[[]] * 10 + list(range(300)) + [i * 1.5 for i in range(40)]",
    "format": "'%s %r %5.2f' % ('a' * 600, [1, 2], 3.14159) + f'{1:>700}'",
    "json": "json.loads(json.dumps({'a': [1, 2.5, None, 'x' * 700], 'b': {'c': True}}))",
    "import": "[sys.modules.pop('colorsys'), __import__('colorsys').rgb_to_hsv(0.1, 0.2, 0.3)]",
    "exceptions": "raises()",
    "class": "type('C', (dict,), {'method': lambda self: 1, '__slots__': ('a', 'b')})().method()",
    "buffers": "bytearray(100).join([b'x' * 5000, bytes(70000)]).decode('latin-1').encode()",
    "sort": "sorted(map(str, range(70)), key=len, reverse=True)",
}


@faults.on(faults.chosen)
class NoMemory(unittest.TestCase):

    def test_same_outcome_at_every_call(self, py):
        ours, default = faults.with_and_without(
            py, sweep, OPERATIONS,
            env={"PYTHONHASHSEED": "0"}, env_without={"PYTHONMALLOC": "malloc"})
        if ours is None:
            self.skipTest("%s has no _testcapi.set_nomemory" % py.path)
        for name in OPERATIONS:
            with self.subTest(operation=name):
                self.assertIn("MemoryError", ours[name])
                self.assertEqual(ours[name], default[name])


def sweep(operations):
    import colorsys  # so that it can be imported afresh
    import gc
    import json
    import os
    import signal
    import sys

    try:
        from _testcapi import remove_mem_hooks, set_nomemory
    except ImportError:
        return None

    def raises():
        try:
            try:
                {}["a" * 600]
            except KeyError as error:
                raise ValueError([str(error)]) from error
        except ValueError as error:
            return repr(error)

    space = {"json": json, "sys": sys, "raises": raises}

    def outcome(operation, start, stop):
        result, report = os.pipe()
        child = os.fork()
        if child == 0:
            # CPython 3.11 may loop for ever here; this CPU time is ample, also where
            # the machine has other work and fresh pages are dear.
            signal.setitimer(signal.ITIMER_PROF, 1)
            # A crashing CPython writes what it knows.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            ended = b"no exception"
            try:
                set_nomemory(start, stop)
                eval(operation, space)
                remove_mem_hooks()
            except BaseException as error:
                remove_mem_hooks()
                ended = type(error).__name__.encode()
            os.write(report, ended)
            os._exit(0)
        os.close(report)
        with os.fdopen(result) as file:
            ended = file.read()
        status = os.waitpid(child, 0)[1]
        return ended if status == 0 else "status %#x" % status

    def outcomes(operation):
        calls, most = 0, 4096
        while calls < most:
            middle = (calls + most) // 2
            if outcome(operation, middle, 0) == "no exception":
                most = middle
            else:
                calls = middle + 1
        # Each call fails alone; all behind a start do, for a choice of starts.
        return [outcome(operation, start, start + 1) for start in range(calls)] + [
            outcome(operation, start, 0) for start in range(0, calls + 1, calls // 20 + 1)]

    gc.disable()
    found = {}
    for name, code in operations.items():
        operation = compile(code, name, "eval")
        eval(operation, dict(space))  # what is done only once is done
        found[name] = outcomes(operation)
    return found
