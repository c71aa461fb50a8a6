"""Runs one of CPython's test files; writes what became of each test method.

    python one_file.py test_gc RESULTS

RESULTS gets one JSON object per line, at once, so that a crash leaves behind
what came before it and the name of the test that was running:

    {"active": [0, 1, 2]}           the domains oxmalloc serves; null: it is absent
    {"started": ID}
    {"test": ID, "outcome": "ok" | "fail" | "error" | "skip" | "xfail" | "xpass",
     "detail": TEXT}

`active` comes first and last: a run without the last one did not complete.
A method with several outcomes (a failed subtest and an error in tearDown) has
several lines. What concerns no method but the file is the test "(file)".

The file runs much as under `python -m test`, but that has no per-method results
that look the same in all versions; 3.8 is the oldest this must run on.
"""

import faulthandler
import importlib
import json
import os
import random
import sys
import traceback
import unittest

from test import support

# A test may replace what is in `os`, fork and run on in the child, close every
# descriptor: so these functions are kept, the pid is compared, and the file is
# opened anew for each line.
_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid
_pid = os.getpid()


def write(**line):
    if _getpid() == _pid:
        fd = _open(RESULTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _write(fd, json.dumps(line).encode() + b"\n")
        _close(fd)


class Recorder(unittest.TestResult):
    """Writes a line for each event; a subtest speaks for its method."""

    def startTest(self, test):
        super().startTest(test)
        write(started=test.id())

    def record(self, test, outcome, detail=""):
        test = getattr(test, "test_case", test)
        write(test=test.id(), outcome=outcome, detail=detail[-3000:])

    def addSuccess(self, test):
        self.record(test, "ok")

    def addFailure(self, test, err):
        self.record(test, "fail", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.record(test, "error", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.record(test, "skip", str(reason))

    def addExpectedFailure(self, test, err):
        self.record(test, "xfail")

    def addUnexpectedSuccess(self, test):
        self.record(test, "xpass")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            (self.addFailure if failed else self.addError)(subtest, err)


def run(suite, depth=20):
    """With a stack as deep as regrtest's, by which test_tracemalloc goes."""
    if depth:
        run(suite, depth - 1)
    else:
        suite(Recorder())


def run_file(name):
    module = importlib.import_module("test." + name)
    if hasattr(module, "test_main") and hasattr(support, "_run_suite"):
        # Up to 3.10 the file itself says what to run, and in which surroundings.
        support._run_suite = run
        module.test_main()
    else:
        run(unittest.defaultTestLoader.loadTestsFromModule(module))
    support.gc_collect()
    support.reap_children()


def import_oxtest():
    """From beside us; the tests themselves see no directory of ours, and no
    bytecode cache is left there."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[0] = os.path.join(os.path.dirname(here), "python")
    sys.dont_write_bytecode = True
    import oxtest
    sys.dont_write_bytecode = False
    del sys.path[0]
    return oxtest


def active_domains(oxtest):
    """The library is asked through the process's global symbols, without its
    path: that finds the preloaded copy, and no copy in a run without preload."""
    try:
        return sorted(oxtest.status(None).domains)
    except AttributeError:
        return None


def main():
    oxtest = import_oxtest()
    faulthandler.enable()
    random.seed(0)
    support.record_original_stdout(sys.stdout)
    support.verbose = 0
    support.use_resources = ["cpu", "decimal", "subprocess"]
    write(active=active_domains(oxtest))
    try:
        run_file(sys.argv[1])
    except unittest.SkipTest as reason:
        write(test="(file)", outcome="skip", detail=str(reason))
    except Exception:
        write(test="(file)", outcome="error", detail=traceback.format_exc())
    write(active=active_domains(oxtest))


# Processes that multiprocessing spawns import this file too.
if __name__ == "__main__":
    RESULTS = os.path.abspath(sys.argv[2])
    main()
