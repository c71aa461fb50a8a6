"""tracemalloc wraps the library and lets go of it, again and again."""

import unittest

import faults


@faults.on(faults.chosen_and_debug)
class Tracemalloc(unittest.TestCase):

    def test_start_and_stop_beside_busy_threads(self, py):
        faults.program(py, cycles, 20)

    def test_traced_from_the_start(self, py):
        faults.program(py, traced_from_the_start, env={"PYTHONTRACEMALLOC": "3"})


def cycles(count):
    import tracemalloc

    import inside
    import oxtest

    with inside.busy(6):
        for cycle in range(count):
            # Blocks die in another state of tracing than they were born in.
            before = [inside.make(n) for n in range(300)]
            tracemalloc.start(cycle % 4 + 1)
            during = [inside.make(n) for n in range(300)]
            size, peak = tracemalloc.get_traced_memory()
            assert 0 < size <= peak
            assert before == during
            del before
            if cycle % 10 == 0:
                assert tracemalloc.take_snapshot().statistics("lineno")
            tracemalloc.stop()
            oxtest.assert_active()
            inside.churn(300)
            assert during == [inside.make(n) for n in range(300)]


def traced_from_the_start():
    import tracemalloc

    import inside
    import oxtest

    assert tracemalloc.is_tracing()
    with inside.busy(3):
        inside.churn(3000)
        before = tracemalloc.get_traced_memory()[0]
        held = bytes(10**8)  # far more than the other threads free meanwhile
        assert tracemalloc.get_traced_memory()[0] - before > 9 * 10**7
    tracemalloc.stop()
    oxtest.assert_active()
    inside.churn(3000)
