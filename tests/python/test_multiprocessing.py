"""Worker processes of every start method are served, and exchange data."""

import unittest

import faults


@faults.on(faults.chosen_and_debug)
class Multiprocessing(unittest.TestCase):

    def test_fork(self, py):
        faults.program(py, exchange, "fork")

    def test_spawn(self, py):
        faults.program(py, exchange, "spawn")

    def test_forkserver(self, py):
        faults.program(py, exchange, "forkserver")


def exchange(method):
    import concurrent.futures
    import multiprocessing

    import inside
    import oxtest

    context = multiprocessing.get_context(method)

    # What a spawned child is to call must come from a module.
    with context.Pool(3, initializer=oxtest.assert_active) as pool:
        for chunk in (1, 50):
            assert pool.map(inside.make, range(600), chunk) == [
                inside.make(n) for n in range(600)]
        pool.close()
        pool.join()

    with concurrent.futures.ProcessPoolExecutor(
            2, mp_context=context, initializer=oxtest.assert_active) as pool:
        churning = [pool.submit(inside.churn, 3000, seed) for seed in range(4)]
        assert list(pool.map(inside.make, range(200))) == [inside.make(n) for n in range(200)]
        for done in churning:
            done.result()

    # A queue's feeder is a thread; its messages outgrow the pipe.
    queue = context.Queue()
    writers = [context.Process(target=inside.put_made, args=(queue, 1000)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for _ in range(2 * 1000):
        n, thing = queue.get(timeout=60)
        assert thing == inside.make(n)
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0, writer.exitcode
