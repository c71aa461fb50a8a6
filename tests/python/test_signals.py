"""Signal handlers that allocate, and faulthandler looking on."""

import unittest

import faults


@faults.on(faults.chosen)
class Signals(unittest.TestCase):

    def test_handler_that_allocates(self, py):
        faults.program(py, allocate_in_a_handler, 2000)

    def test_faulthandler_dumps_beside_busy_threads(self, py):
        faults.program(py, dump_beside_threads, 25)

    def test_faulthandler_reports_a_crash(self, py):
        faults.program(py, crash_reported)


def allocate_in_a_handler(signals):
    import signal

    import inside

    calls, kept = [0], {}

    def handler(signum, frame):
        calls[0] += 1
        n = calls[0] * 7
        # Some of it dies at once, some in a later handler, some in the loop.
        inside.churn(20, n)
        kept[n % 50] = n, inside.make(n)

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    seed = 0
    while calls[0] < signals:
        inside.churn(100, seed)
        seed += 100
        for n, thing in [kept.pop(slot) for slot in list(kept) if slot % 2]:
            assert thing == inside.make(n)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for n, thing in kept.values():
        assert thing == inside.make(n)


def dump_beside_threads(dumps):
    import faulthandler
    import os
    import tempfile
    import threading

    import inside

    started, going = [], [True]

    # The watchdog thread walks the frames without the GIL. CPython 3.9 and
    # 3.10 do not survive calls of Python functions meanwhile, so here are none.
    def work():
        started.append(True)
        while going:
            kept = list(map(bytes, inside.SIZES))
            kept.append("".join(map(str, range(1000))))
            kept.append(list(map(bytearray, inside.SIZES)))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    with tempfile.TemporaryFile() as file:
        while len(started) < len(threads):
            pass
        faulthandler.dump_traceback_later(0.002, repeat=True, file=file)
        for _ in range(dumps):
            list(map(bytes, inside.SIZES))
            faulthandler.dump_traceback(file)
        # As many again, all of them the watchdog's.
        enough = 2 * os.fstat(file.fileno()).st_size
        while os.fstat(file.fileno()).st_size < enough:
            pass
        faulthandler.cancel_dump_traceback_later()
        going.clear()
        for thread in threads:
            thread.join()
        file.seek(0)
        assert file.read().count(b"Timeout (") > 1


def crash_reported():
    import subprocess
    import sys

    for crash, code, said in (
            ("faulthandler._sigsegv()", -11, "Segmentation fault"),
            ("faulthandler._sigabrt()", -6, "Aborted"),
            ("os.kill(os.getpid(), signal.SIGSEGV)", -11, "Segmentation fault")):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", (
                "import faulthandler, inside, os, oxtest, signal\n"
                "oxtest.assert_active()\n"
                "inside.churn(1000)\n"
                + crash)],
            universal_newlines=True, stderr=subprocess.PIPE)
        assert done.returncode == code, (crash, done)
        assert done.stderr.startswith("Fatal Python error: " + said), (crash, done)
        assert "most recent call first" in done.stderr, (crash, done)
