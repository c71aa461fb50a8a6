#!/usr/bin/env python3
"""Runs the Python tests: tests/python/run.py [-k PATTERN]... [FILE...]

Without arguments every test_*.py beside this file, on every interpreter found;
-k selects tests by name, as unittest does (`-k 3.8` for one interpreter).
"""

import argparse
import os
import sys
import time
import unittest

import oxtest


class Result(unittest.TextTestResult):
    """One line per test, by its name; remembers how long each took."""

    times = []

    def getDescription(self, test):
        return test.id()

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.times.append((time.monotonic() - self.began, test.id()))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[0].partition(": ")[2])
    parser.add_argument("-k", action="append", metavar="PATTERN")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()

    if not os.path.exists(oxtest.LIB):
        sys.exit("no library at %s: run cargo build --release first" % oxtest.LIB)
    found, skipped = oxtest.interpreters()
    for py in found:
        print("found    %-28s %s" % (py.tag, py.path))
    for path, reason in skipped:
        print("skipped  %s: %s" % (path, reason))
    if not found:
        sys.exit("no CPython 3.8 or newer found: put a python3 on PATH")

    sys.stdout.flush()
    loader = unittest.TestLoader()
    if options.k:
        loader.testNamePatterns = ["*%s*" % pattern for pattern in options.k]
    names = [os.path.basename(name)[:-3] for name in options.files] or sorted(
        name[:-3] for name in os.listdir(oxtest.HERE)
        if name.startswith("test_") and name.endswith(".py"))
    suite = loader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)

    print("the slowest:")
    for seconds, name in sorted(result.times, reverse=True)[:5]:
        print("%7.1f s  %s" % (seconds, name))
    if result.testsRun == len(result.skipped):
        sys.exit("no test ran")
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
