"""A process ends cleanly while other threads are inside the allocator."""

import unittest

import faults

STATS = {"OXMALLOC_STATS": "1"}


@faults.on(faults.chosen_and_debug)
class Exit(unittest.TestCase):

    def test_daemon_threads(self, py):
        faults.program(py, ends, 40, "")

    def test_daemon_threads_while_statistics_are_written(self, py):
        faults.program(py, ends, 20, "", "1")

    def test_atexit_allocates_beside_daemon_threads(self, py):
        faults.program(py, ends, 10, "atexit.register(inside.churn, 500)")

    def test_exit_of_another_thread(self, py):
        faults.program(py, ends, 10, "threading.Thread(target=sys.exit).start()")

    def test_at_once(self, py):
        faults.program(py, ends, 10, "os._exit(0)")

    def test_signal(self, py):
        faults.program(py, ends, 10, "os.kill(os.getpid(), signal.SIGTERM)", "", -15)


def ends(times, how, stats="", code=0):
    import os
    import subprocess
    import sys

    # A thread has begun before the program ends, or there were none to meet.
    ending = (
        "import atexit, inside, os, oxtest, signal, sys, threading\n"
        "oxtest.assert_active()\n"
        "begun = threading.Barrier(7)\n"
        "def work(seed):\n"
        "    begun.wait()\n"
        "    inside.churn(10**9, seed)\n"
        "for seed in range(6):\n"
        "    threading.Thread(target=work, args=(seed,), daemon=True).start()\n"
        "begun.wait()\n"
        "inside.churn(200)\n" + how)
    env = dict(os.environ, OXMALLOC_STATS=stats) if stats else None
    for _ in range(times):
        done = subprocess.run(
            [sys.executable, "-c", ending], env=env, timeout=60, universal_newlines=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (done.returncode, done.stdout) == (code, ""), done
        # Nothing is said but the summary that was asked for.
        assert bool(done.stderr) == bool(stats) and "fatal" not in done.stderr, done
