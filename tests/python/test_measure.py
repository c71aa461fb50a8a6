"""oxmalloc.measure(): what a region took and left, to the block."""

import unittest

import oxtest

SETTING = """
import gc, sys, threading
import oxmalloc
from oxmalloc import _library
gc.disable()
LIB = _library.library()
SERVED = oxmalloc.status().domains
OBJ = "obj" in SERVED

class Slot:
    __slots__ = ("value",)

def figures(change):
    return (change.left_blocks, change.left_bytes, change.taken_blocks, change.taken_bytes,
            change.freed_blocks, change.freed_bytes)

def adds_up(m):
    for name in "left_blocks left_bytes taken_blocks taken_bytes freed_blocks freed_bytes".split():
        for domain, change in m.by_domain.items():
            assert getattr(change, name) == sum(getattr(c, name) for c in m.by_class if c.domain == domain)
        assert getattr(m.total, name) == sum(getattr(c, name) for c in m.by_domain.values()), name
    for change in list(m.by_class) + [m.total]:
        assert change.left_blocks == change.taken_blocks - change.freed_blocks, change
        assert change.left_bytes == change.taken_bytes - change.freed_bytes, change
    assert m.complete

def of(m, kind, block=None):
    rows = [c for c in m.by_class if c.kind == kind and block in (None, c.block_bytes)]
    return [sum(column) for column in zip(*map(figures, rows))] if rows else [0] * 6
"""


@oxtest.each_interpreter
class Measure(unittest.TestCase):
    def inside(self, py, code, **env):
        return oxtest.run(py, SETTING + code, env=oxtest.package_env(env)).stdout

    def test_an_empty_region_is_empty(self, py):
        self.inside(py, """
for i in range(5):
    m = None
    with oxmalloc.measure() as m:
        pass
    adds_up(m)
    assert figures(m.total) == (0,) * 6 and m.by_class == (), (i, m.by_class)
""")

    def test_a_region_drops_the_one_before_it(self, py):
        # `as m` lets go of the old one inside the new one.
        self.inside(py, """
pair = [None] * 2
for turn in range(4):
    for place in range(2):
        with oxmalloc.measure() as pair[place]:
            pass
        assert figures(pair[place].total) == (0,) * 6, (turn, pair[place].by_class)
for turn in range(4):
    with oxmalloc.measure() as outer:
        with oxmalloc.measure() as inner:
            pass
    assert figures(inner.total) == (0,) * 6, (turn, inner.by_class)
    assert 0 < outer.total.left_blocks < 20, (turn, figures(outer.total))
del outer, inner
with oxmalloc.measure() as m:       # which are gone by now
    pass
assert len([1 for thing in gc.get_objects() if isinstance(thing, oxmalloc.Measurement)]) == 3
""")

    def test_a_region_is_cheap_for_those_around_it(self, py):
        self.inside(py, """
with oxmalloc.measure() as outer:
    for _ in range(100):
        with oxmalloc.measure() as inner:
            pass
left, taken = outer.total.left_blocks, outer.total.taken_blocks
assert left < 20 and outer.total.left_bytes < 3000 and taken < 100 * 60, figures(outer.total)
""")

    def test_is_handed_to_other_processes_when_it_has_ended(self, py):
        self.inside(py, """
import copy, pickle
with oxmalloc.measure() as m:
    try:
        pickle.dumps(m)
    except AttributeError as error:
        assert "has not ended" in str(error), error
    else:
        raise AssertionError("pickled an open region")
    room = bytearray(1000000)
for same in pickle.loads(pickle.dumps(m)), copy.copy(m):
    assert (same.total, same.by_domain, same.by_class, same.complete) == (
        m.total, m.by_domain, m.by_class, m.complete), same.total
""")

    def test_a_tracer_is_no_cost_of_its_own(self, py):
        self.inside(py, """
trail = []
sys.settrace(lambda *event: trail.append(object()))
with oxmalloc.measure():
    pass
sys.settrace(None)
with oxmalloc.measure() as m:
    pass
assert figures(m.total) == (0,) * 6, figures(m.total)
""")

    def test_is_opened_once_at_a_time(self, py):
        self.inside(py, """
m = oxmalloc.measure()
with m:
    try:
        m.__enter__()
    except oxmalloc.OxmallocError as error:
        assert "open already" in str(error), error
    else:
        raise AssertionError("opened twice")
assert figures(m.total)[0] >= 0
with m:                             # one after the other is as good as two
    room = bytearray(1000000)
assert m.total.left_bytes >= 1000000
assert LIB.Ox_StopCounting() == _library.OX_ERR_ARGUMENT
""")

    def test_objects_are_counted_to_the_block(self, py):
        self.inside(py, """
N = 1000
room = [None] * N
items = list(range(N))
def fill():
    for i in items:
        room[i] = Slot()
fill()
for i in items: room[i] = None
with oxmalloc.measure() as left:
    fill()
adds_up(left)
if OBJ:
    assert left.total.left_blocks == N, figures(left.total)
    assert left.total.left_bytes % N == 0 and 24 <= left.total.left_bytes // N <= 96, figures(left.total)
    size = left.total.left_bytes // N
    assert of(left, "class", size)[0] == N, left.by_class
    assert left.by_domain["mem"].left_blocks == 0
with oxmalloc.measure() as gone:
    for i in items: room[i] = None
adds_up(gone)
if OBJ:
    assert gone.total.left_blocks == -N and gone.total.freed_blocks >= N, figures(gone.total)
    assert gone.total.left_bytes == -left.total.left_bytes
fill()
with oxmalloc.measure() as turned:      # as many new as old ones
    fill()
adds_up(turned)
if OBJ:
    assert turned.total.left_blocks == 0 and turned.total.taken_blocks >= N, figures(turned.total)
    assert turned.total.taken_bytes >= left.total.left_bytes
""")

    def test_spans_and_large_blocks_have_rows(self, py):
        self.inside(py, """
with oxmalloc.measure() as m:
    lists = [None] * 20000          # 160,000 bytes: a span of MEM
    more = [None] * 1000000         # 8 MB: a large block
    dropped = [None] * 2000000
    dropped = None
adds_up(m)
span, large = of(m, "span"), of(m, "large")
assert span[0] == 1 and 160000 <= span[1] < 160000 + 65536, span
assert large[0] == 1 and 8000000 <= large[1] < 8000000 + 65536, large
assert large[2] == 2 and 24000000 <= large[3] < 24000000 + 2 * 65536, large
assert large[4] == 1 and 16000000 <= large[5], large
assert m.by_domain["mem"].left_bytes >= 8160000
with oxmalloc.measure() as grown:   # in place or not: one block, larger
    more.extend(range(0))
    more += lists
adds_up(grown)
large = of(grown, "large")
assert large[0] == 0 and large[1] > 0, large
""")

    def test_regions_nest_and_overlap(self, py):
        self.inside(py, """
room = [None] * 3
with oxmalloc.measure() as outer:
    room[0] = bytearray(1000000)
    with oxmalloc.measure() as inner:
        room[1] = bytearray(2000000)
    room[2] = bytearray(3000000)
for m in inner, outer: adds_up(m)
assert 2000000 <= inner.total.left_bytes < 2200000, figures(inner.total)
assert 6000000 <= outer.total.left_bytes < 6400000, figures(outer.total)

first, second = oxmalloc.measure(), oxmalloc.measure()
first.__enter__()
room[0] = None
second.__enter__()
room[1] = None
first.__exit__(None, None, None)
room[2] = None
second.__exit__(None, None, None)
assert -3200000 <= first.total.left_bytes <= -2900000, figures(first.total)
assert -5300000 <= second.total.left_bytes <= -4900000, figures(second.total)
""")

    def test_threads_are_counted(self, py):
        self.inside(py, """
THREADS, N = 4, 5000
rooms = [[None] * N for _ in range(THREADS)]
def work(room):
    for turn in range(3):
        for i in range(N):
            room[i] = Slot()
with oxmalloc.measure() as m:
    threads = [threading.Thread(target=work, args=(room,)) for room in rooms]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
adds_up(m)
if OBJ:
    assert THREADS * N <= m.total.left_blocks <= THREADS * N + 500, figures(m.total)
    assert m.total.taken_blocks >= 3 * THREADS * N, figures(m.total)
""")

    def test_ends_with_an_exception(self, py):
        self.inside(py, """
before = LIB.Ox_StopCounting()
assert before == _library.OX_ERR_ARGUMENT       # nobody counts
try:
    with oxmalloc.measure() as m:
        room = bytearray(1000000)
        raise KeyError("x")
except KeyError:
    pass
assert m.total.left_bytes >= 1000000
assert LIB.Ox_StopCounting() == _library.OX_ERR_ARGUMENT
""")

    def test_figures_come_when_the_region_has_ended(self, py):
        self.inside(py, """
with oxmalloc.measure() as m:
    try:
        m.total
    except AttributeError as error:
        assert "has not ended" in str(error), error
    else:
        raise AssertionError("figures of an open region")
assert m.total is not None
""")

    def test_tracemalloc_inside_and_around(self, py):
        self.inside(py, """
import tracemalloc
room = [None] * 1000
def fill():
    for i in range(1000): room[i] = bytearray(100000)
with oxmalloc.measure() as m:
    tracemalloc.start()
    fill()
    tracemalloc.stop()
    # tracemalloc came second and went: all of it was counted
assert m.complete and m.total.left_bytes >= 100000000, figures(m.total)
room = [None] * 1000
tracemalloc.start()
with oxmalloc.measure() as m:
    fill()
assert m.complete and m.total.left_bytes >= 100000000, figures(m.total)
with oxmalloc.measure() as m:
    for i in range(1000): room[i] = None
    tracemalloc.stop()
assert not m.complete           # it took the functions that count with it
assert m.total.left_bytes <= -99000000, figures(m.total)
m = None
with oxmalloc.measure() as m:
    pass
assert m.complete and m.total.taken_blocks == 0, figures(m.total)
""")

    def test_forked_children_count_on(self, py):
        self.inside(py, """
import os
with oxmalloc.measure() as m:
    child = os.fork()
    room = bytearray(3000000)
if child == 0:
    os._exit(0 if m.complete and 3000000 <= m.total.left_bytes < 3300000 else 1)
assert os.waitpid(child, 0)[1] == 0
assert m.complete and 3000000 <= m.total.left_bytes < 3300000, figures(m.total)
""")


if __name__ == "__main__":
    unittest.main()
