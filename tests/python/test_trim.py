"""oxmalloc.trim() and trim_after_gc(): the bytes they tell are gone from /proc."""

import unittest

import oxtest

SETTING = """
import ctypes, gc, os, sys, threading, time
import oxmalloc
from oxmalloc import _library

# To look takes next to no memory, and there is room for it: else that might be an
# arena, of 2 MiB at once.
OPEN = [(b"x" * n, [None] * (n // 8), {n: n}) for n in range(0, 4000, 8)]
SMAPS, ROOM = os.open("/proc/self/smaps_rollup", os.O_RDONLY), [bytearray(8192)]
def resident():
    length = os.preadv(SMAPS, ROOM, 0)
    return int(ROOM[0][:length].partition(b"\\nRss:")[2].split()[0]) * 1024

LIB, TOTALS = _library.library(), _library.OxStats(ctypes.sizeof(_library.OxStats))
def totals():
    LIB.Ox_GetStats(ctypes.byref(TOTALS))
    return TOTALS.given_back_bytes, TOTALS.resident_bytes

def near(told, measured, part=0.05, what=""):
    assert abs(told - measured) <= part * measured, "%s: told %d, /proc says %d" % (what, told, measured)

class Node:
    def __init__(self, load):
        self.me, self.load = self, load     # a cycle, with something heavy
"""


@oxtest.each_interpreter
class Trim(unittest.TestCase):
    def inside(self, py, code, *args, **env):
        # Nothing goes back by itself.
        env.setdefault("OXMALLOC_PURGE_DELAY_MS", "3600000")
        return oxtest.run(py, SETTING + code, *args, env=oxtest.package_env(env)).stdout

    # Blocks between survivors; spans of all lengths, also such as leave a third of
    # the arena; large blocks. Half of it stays, else the freeing itself would give
    # back. When the kernel splits a huge page it drops what is zero, also in blocks
    # that live: so there are as long as their size class or nearly, and spans that
    # leave much of their last pool are left out where there are huge pages. Should
    # the call itself take an arena, that is 2 MiB of 40 to 120.
    GONE = """
trim = oxmalloc.trim
part_allowed, total = float(sys.argv[1]), int(sys.argv[2]) << 20
for size, part in [
        (40, 1024), (100, 256), (500, 64), (1000, 64), (3000, 64), (5000, 4), (9000, 4), (30000, 4), (32700, 64),
        (33000, 4), (40000, 64), (66000, 4), (70000, 4), (100000, 64), (200000, 4), (262000, 4), (300000, 64),
        (600000, 4), (660000, 4), (1000000, 4), (1100000, 4), (2200000, 64), (5000000, 4)]:
    unused = -(size + 34) % 65536
    if size > 32768 and unused > size * part_allowed / 4 and os.environ.get("OXMALLOC_HUGE_PAGES") != "never":
        continue
    number = total // size
    rooms = [[b"x" * (size + i % 2) for i in range(number)] for _ in range(2)]
    gone = rooms[0]
    for i in range(number):
        if i % part:
            gone[i] = None
    totals(), resident(), oxmalloc.status()     # now there is
    (given_before, held_before), before = totals(), resident()
    told = trim()
    (given, held), after = totals(), resident()
    assert told > 0.4 * (1 - 1 / part) * size * number, (size, told)
    near(told, before - after, part_allowed, size)
    given -= given_before
    near(given, held_before - held, part_allowed, size)
    assert told <= given <= 1.1 * told, (told, given)
    assert trim() < 0.05 * told + 200000    # nothing is left to give
    rooms = gone = None
    trim()
"""

    def test_what_it_tells_is_gone(self, py):
        self.inside(py, self.GONE, 0.05, 80)

    def test_what_it_tells_is_gone_without_huge_pages(self, py):
        self.inside(py, self.GONE, 0.05, 80, OXMALLOC_HUGE_PAGES="never")

    def test_what_it_tells_is_gone_from_huge_pages(self, py):
        self.inside(py, self.GONE, 0.05, 120, OXMALLOC_HUGE_PAGES="always")

    def test_after_a_full_collection(self, py):
        self.inside(py, """
gc.disable()
stay = [b"x" * (100000 + i % 2) for i in range(1000)]
def litter():
    nodes = [Node(b"x" * (50000 + i % 2)) for i in range(1000)]

with oxmalloc.trim_after_gc(every=0) as handle:
    assert handle.active and handle.times == 0 and handle.last_bytes == 0
    litter()
    before = resident()
    gc.collect(0)                       # too young a collection
    assert handle.times == 0
    litter()
    (given, _), before = totals(), resident()
    gc.collect()
    after, told = resident(), totals()[0] - given
    assert handle.times == 1, handle.times
    near(told, before - after)
    # What the freeing gave back at once is not its own.
    assert 0 < handle.last_bytes <= told and handle.total_bytes == handle.last_bytes
    assert handle.last_bytes > 0.5 * 50000 * 1000, handle.last_bytes
    assert 0 < handle.last_seconds == handle.total_seconds < 10
    litter(); gc.collect()
    assert handle.times == 2 and handle.total_bytes > handle.last_bytes > 0
    assert str(handle.total_bytes) in repr(handle)
assert not handle.active
litter(); gc.collect()
assert handle.times == 2
""")

    def test_no_more_often_than_asked(self, py):
        self.inside(py, """
gc.disable()
rare, often = oxmalloc.trim_after_gc(every="1h"), oxmalloc.trim_after_gc(every="0.5ms")
for _ in range(5):
    gc.collect()
    began = time.monotonic()
    while time.monotonic() - began < 0.001:
        pass
assert rare.times == 1, rare.times      # the first one is due at once
assert often.times == 4, often.times    # and enough for both
rare.stop(); rare.stop()                # twice does no harm
gc.collect()
assert (rare.times, often.times) == (1, 5)
often.stop()
assert gc.callbacks == []
""")

    def test_once_in_a_collection(self, py):
        # A call that is repeated, or made by a library and a program, trims no more.
        self.inside(py, """
gc.disable()
for every, times in (0, 3), ("1h", 0):
    handles = [oxmalloc.trim_after_gc(every=every) for _ in range(10)]
    for _ in range(3):
        gc.collect()
    assert sum(handle.times for handle in handles) == times, (every, handles)
    for handle in handles:
        handle.stop()
with handle:                            # on again
    assert handle.active and len(gc.callbacks) == 1
assert gc.callbacks == []
""")

    def test_younger_generations(self, py):
        self.inside(py, """
gc.disable()
for generation, times in (0, 3), (1, 2), (2, 1):
    with oxmalloc.trim_after_gc(generation, every=0) as handle:
        gc.collect(0); gc.collect(1); gc.collect(2)
    assert handle.times == times, (generation, handle.times)
""")

    def test_wherever_a_collection_comes(self, py):
        # In threads, in the middle of whatever allocates, as often as can be: there is no
        # other collection while a thread that is in one waits for the GIL.
        self.inside(py, """
import inside
gc.set_threshold(30, 2, 2)
with oxmalloc.trim_after_gc(generation=0, every=0) as handle:
    with inside.busy(threads=3):
        inside.churn(1500, seed=5)
        while handle.times < 200:
            Node([1] * 300)
oxmalloc.stats()
""", OXMALLOC_PURGE_DELAY_MS="0")

    def test_at_exit_it_is_silent(self, py):
        done = oxtest.run(py, SETTING + """
handle = oxmalloc.trim_after_gc(every=0)
nodes = Node(bytearray(1000000))
""", env=oxtest.package_env())
        self.assertEqual(done.stderr, "")

    def test_arguments(self, py):
        self.inside(py, """
from oxmalloc._trim import seconds
for text, value in ("500ms", 0.5), ("2s", 2), ("1min", 60), (" 1.5 h ", 5400), (0, 0), (0.25, 0.25), (3, 3):
    assert seconds(text) == value, (text, seconds(text))
for wrong in "soon", "", "5", "-1s", "1 day", -1, float("inf"), float("nan"), 10**400, "9" * 400 + "s", None, True, [1]:
    try:
        oxmalloc.trim_after_gc(every=wrong)
    except ValueError as error:
        assert "500ms" in str(error) and repr(wrong) in str(error), error
    else:
        raise AssertionError(wrong)
for wrong in 3, -1, "2", 2.0, True:
    try:
        oxmalloc.trim_after_gc(wrong)
    except ValueError as error:
        assert "generation" in str(error)
    else:
        raise AssertionError(wrong)
assert gc.callbacks == []
""")


if __name__ == "__main__":
    unittest.main()
