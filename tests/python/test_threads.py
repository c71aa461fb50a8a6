"""Threads come and go: their memory is used again, and their blocks live on."""

import unittest

import faults


@faults.on(faults.chosen_and_debug)
class Threads(unittest.TestCase):

    def test_5000_short_threads_do_not_make_the_process_grow(self, py):
        # One arena of libc's will do: more of them, of 64 MiB, come when they like.
        rss, virtual, heaps = faults.program(
            py, short_threads, 5000, env={"MALLOC_ARENA_MAX": "1"})
        # What is alive varies by some MiB; 2 KiB for each thread would be 8.
        self.assertLess(rss, 8192, "KiB of RSS grown after the first thousand")
        self.assertLess(virtual, 16384, "KiB of VIRT grown after the first thousand")
        self.assertLessEqual(heaps, 0, "heaps more than after the first thousand")

    def test_blocks_of_dead_threads_are_freed_elsewhere_and_used_again(self, py):
        after_first, after_all, left, started = faults.program(py, blocks_of_the_dead)
        self.assertLess(after_all, after_first * 1.1, "bytes mapped")
        self.assertLess(left, started * 1.1, "live blocks once everything was freed")

    def test_threads_that_take_turns_all_the_time(self, py):
        faults.program(py, take_turns)

    def test_threads_that_python_did_not_start(self, py):
        faults.program(py, native_threads, 400)

    def test_executors(self, py):
        faults.program(py, executors)


def short_threads(count):
    import collections
    import threading

    import inside
    import oxtest

    # Each thread leaves something for a later one to free.
    left = collections.deque(maxlen=500)

    def work(seed):
        inside.churn(8, seed * 7, slots=4)
        left.append(inside.make(seed))

    def batch(first):
        threads = [threading.Thread(target=work, args=(first + i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def now():
        return [inside.kib("VmRSS"), inside.kib("VmSize"), oxtest.stats().heaps]

    for first in range(0, 1000, 8):
        batch(first)
    before = now()
    for first in range(1000, count, 8):
        batch(first)
    return [late - early for late, early in zip(now(), before)]


def blocks_of_the_dead():
    import gc
    import threading

    import inside
    import oxtest

    def made_by_threads():
        made = []
        threads = [
            threading.Thread(target=lambda: made.append([inside.make(n) for n in range(6000)]))
            for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return made

    def free(things):
        while things:
            things.pop()

    def live_blocks():
        gc.collect()
        now = oxtest.stats()
        return now.mem.live_blocks + now.obj.live_blocks

    mapped = []
    for round in range(6):
        made = made_by_threads()
        for things in made:
            assert things == [inside.make(n) for n in range(6000)]
        mapped.append(oxtest.stats().mapped_bytes)
        if round % 2:
            threads = [threading.Thread(target=free, args=(things,)) for things in made]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            del thread, threads
        del made, things
        if round == 0:
            started = live_blocks()
    return mapped[1], max(mapped), live_blocks(), started


def take_turns():
    import sys
    import threading

    import inside

    sys.setswitchinterval(1e-6)
    shared = {}

    def work(seed):
        for n in range(seed, seed + 4000):
            # Whoever comes next to this place checks and frees it.
            born, thing = shared.pop(n % 50, (0, None))
            assert thing is None or thing == inside.make(born)
            shared[n % 50] = n, inside.make(n)

    failures = []

    def watched(seed):
        try:
            work(seed)
        except BaseException as failure:
            failures.append(repr(failure))

    threads = [threading.Thread(target=watched, args=(i * 4000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def native_threads(count):
    import ctypes

    import inside

    # Each has a thread state for the time of the call only. libc keeps no stack
    # of that size, so what still points to a thread's own data meets nothing.
    process = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)
    assert process.pthread_attr_init(attributes) == 0
    assert process.pthread_attr_setstacksize(attributes, ctypes.c_size_t(64 << 20)) == 0
    work_type = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    done = []

    @work_type
    def work(seed):
        inside.churn(100, seed or 0)
        done.append(inside.make(seed or 0))
        return None

    for first in range(0, count, 8):
        threads = [ctypes.c_ulong() for _ in range(8)]
        for i, thread in enumerate(threads):
            assert process.pthread_create(
                ctypes.byref(thread), attributes, work, ctypes.c_void_p(first + i)) == 0
        inside.churn(100)
        for thread in threads:
            assert process.pthread_join(thread, None) == 0
    done.sort(key=repr)
    assert done == sorted(map(inside.make, range(count)), key=repr)


def executors():
    import asyncio
    import concurrent.futures

    import inside

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(inside.make, range(5000))) == [inside.make(n) for n in range(5000)]

    async def in_threads():
        # asyncio.to_thread of Python 3.9, for 3.8 as well.
        call = asyncio.get_running_loop().run_in_executor
        for _ in range(20):
            things = await asyncio.gather(
                *(call(None, inside.make, n) for n in range(100)),
                *(call(None, inside.churn, 100, n) for n in range(10)))
            assert things[:100] == [inside.make(n) for n in range(100)]

    asyncio.run(in_threads())
