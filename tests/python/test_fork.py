"""Forked children work and end, whatever the parent's threads were doing."""

import unittest

import faults


@faults.on(faults.chosen_and_debug)
class Fork(unittest.TestCase):

    def test_500_forks_beside_six_busy_threads(self, py):
        faults.program(py, fork_beside_threads, 500)

    def test_child_of_a_thread_frees_what_the_parent_made(self, py):
        faults.program(py, fork_in_a_thread)

    def test_frozen_heap_is_shared_by_children(self, py):
        faults.program(py, freeze_and_fork)

    def test_subprocesses_from_threads(self, py):
        faults.program(py, subprocesses_from_threads)


def fork_beside_threads(forks):
    import gc
    import os
    import sys

    import inside

    def with_own_threads():
        with inside.busy(2):
            inside.churn(60)

    def without():
        inside.churn(60)
        gc.collect()

    sys.setswitchinterval(0.0005)  # each fork waits for the GIL several times
    with inside.busy(6):
        for i in range(forks // 5):
            # Some children finalize their interpreter, with all it inherited.
            inside.in_fork(
                with_own_threads if i % 10 == 0 else without, children=5,
                leave=sys.exit if i % 5 == 0 else os._exit)


def fork_in_a_thread():
    import gc
    import sys
    import threading

    import inside

    made = [[inside.make(n) for n in range(5000)] for _ in range(3)]

    def drop_everything():
        for things in made:
            assert things == [inside.make(n) for n in range(5000)]
        made.clear()
        gc.collect()
        inside.churn(3000)
        inside.in_fork(lambda: inside.churn(3000))
        with inside.busy(3):
            inside.churn(1000)

    def fork():
        made.append([inside.make(n) for n in range(5000)])
        # In the child this thread is the only one; the process ends with it.
        inside.in_fork(drop_everything, leave=sys.exit)

    for _ in range(5):
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        inside.churn(3000)
    assert len(made) == 8


def freeze_and_fork():
    import gc

    import inside

    made = [inside.make(n) for n in range(20000)]
    cycle = [made]
    cycle.append(cycle)
    gc.collect()
    gc.freeze()

    def child(number):
        gc.collect()
        inside.churn(2000, number)
        if number % 2:
            gc.unfreeze()
            cycle.clear()
            made.clear()
            gc.collect()
        inside.churn(2000, number)

    for number in range(8):
        inside.in_fork(lambda: child(number))
    assert made == [inside.make(n) for n in range(20000)]


def subprocesses_from_threads():
    import concurrent.futures
    import subprocess
    import sys

    import inside

    def run(number):
        # subprocess uses vfork where it can: the child borrows our memory.
        inside.churn(300, number)
        if number % 20:
            code, expected = ["sh", "-c", "echo %d" % number], number
        else:
            code = [sys.executable, "-c", "import oxtest; oxtest.assert_active(); print(7)"]
            expected = 7
        assert int(subprocess.check_output(code)) == expected

    with inside.busy(2), concurrent.futures.ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(run, number) for number in range(120)]:
            done.result()
