"""oxmalloc.stats() and what belongs to it: known objects are found in every figure."""

import json
import re
import unittest

import oxtest

# Inside: kinds of objects with known blocks, and the kernel's own figures.
SETTING = """
import gc, json, sys
import oxmalloc
from oxmalloc import _library
gc.disable()

LIB = _library.library()
SERVED = oxmalloc.status().domains

def kept(make, n):
    room = [None] * n
    for i in range(n):
        room[i] = make(i)
    return room

HEADER = sys.getsizeof(b"")
# domain, kind, number, maker, address of its block, bytes asked for
KINDS = [kind for kind in (
    ("obj", "class", 20000, lambda i: b"x" * (100 - HEADER), id, 100),
    ("obj", "class", 1000, lambda i: b"x" * (5000 - HEADER), id, 5000),
    ("obj", "span", 60, lambda i: b"x" * (100000 - HEADER), id, 100000),
    ("obj", "large", 7, lambda i: b"x" * (3000000 - HEADER), id, 3000000),
    ("mem", "class", 500, lambda i: [None] * 1000, None, 8000),
    ("mem", "span", 30, lambda i: [None] * 10000, None, 80000),
    ("mem", "large", 4, lambda i: [None] * 400000, None, 3200000),
) if kind[0] in SERVED]

def row(stats, domain, kind, block):
    rows = [r for r in stats.by_class if (r.domain, r.kind) == (domain, kind) and r.block_bytes in (0, block)]
    return (rows[0].live_blocks, rows[0].live_bytes) if rows else (0, 0)

def adds_up(s):
    for name in "live_blocks live_bytes free_bytes untouched_bytes purged_bytes pool_bytes resident_bytes".split():
        for domain, figures in s.by_domain.items():
            rows = sum(getattr(r, name) for r in s.by_class if r.domain == domain)
            assert rows == getattr(figures, name), (name, domain, rows, figures)
        assert getattr(s.total, name) == sum(getattr(d, name) for d in s.by_domain.values()), name
    for figures in list(s.by_domain.values()) + [s.total]:
        assert figures.live_bytes + figures.free_bytes + figures.untouched_bytes <= figures.pool_bytes, figures
        assert figures.pool_bytes <= figures.peak_bytes, figures
        assert figures.resident_bytes <= figures.pool_bytes, figures
        # What was given back holds no block that lives or is free.
        assert figures.live_bytes + figures.free_bytes + figures.purged_bytes <= figures.pool_bytes, figures
    assert sum(r.pools for r in s.by_class) == (
        s.pools_used + s.pools_full + s.pools_empty + s.spans + s.large_blocks)
    large = [r for r in s.by_class if r.kind == "large"]
    assert sum(r.live_blocks for r in large) == s.large_blocks
    assert sum(r.live_bytes for r in large) == s.large_bytes
    assert len(s.by_arena) == s.arenas <= s.arenas_peak
    assert s.total.pool_bytes <= s.mapped_bytes and s.total.resident_bytes <= s.resident_bytes <= s.mapped_bytes
    # Arenas are looked at last: the calls themselves take an object or two.
    for name in "live_bytes free_bytes untouched_bytes purged_bytes".split():
        small = sum(getattr(r, name) for r in s.by_class if r.kind != "large")
        arenas = sum(getattr(a, name) for a in s.by_arena)
        assert abs(arenas - small) <= 1000, (name, arenas, small)
    assert s.fragmentation == max(0, 1 - s.total.live_bytes / s.resident_bytes), s.fragmentation

def kernel_resident():
    "What the kernel's own list says of the addresses of our arenas and large blocks."
    arenas = [a.address for a in oxmalloc.stats().by_arena]
    low, high = min(arenas), min(arenas) + (1 << 43)
    total, inside = 0, False
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            word = line.split(None, 1)[0]
            if "-" in word and ":" not in word:
                inside = low <= int(word.split("-")[0], 16) < high
            elif word == "Rss:" and inside:
                total += int(line.split()[1]) * 1024
    return total
"""


@oxtest.each_interpreter
class Statistics(unittest.TestCase):
    def inside(self, py, code, **env):
        env.setdefault("OXMALLOC_PURGE_DELAY_MS", "3600000")
        return oxtest.run(py, SETTING + code, env=oxtest.package_env(env)).stdout

    def test_known_objects_are_counted(self, py):
        seen = self.inside(py, """
import ctypes
usable_size = LIB["Ox_UsableSize"]
usable_size.argtypes, usable_size.restype = [ctypes.c_void_p], ctypes.c_size_t
for domain, kind, n, make, address, asked in KINDS:
    # The first ones of a class borrow the blocks of another.
    warm = kept(make, 100 if kind == "class" else 1)
    block = usable_size(address(warm[-1])) if address else 8192
    before = oxmalloc.stats()
    room = kept(make, n)
    after = oxmalloc.stats()
    (b0, y0), (b1, y1) = row(before, domain, kind, block), row(after, domain, kind, block)
    # The statistics themselves are some dozens of small objects.
    assert abs(b1 - b0 - n) <= (20 if kind == "class" else 0), (domain, kind, asked, b1 - b0, n)
    if kind == "class":
        assert y1 - y0 == (b1 - b0) * block, (y1 - y0, block)
    else:
        assert n * asked <= y1 - y0 <= n * (asked + 65536), (y1 - y0, n * asked)
    grown = after.by_domain[domain].live_bytes - before.by_domain[domain].live_bytes
    assert abs(grown - (y1 - y0)) < 100000, (grown, y1 - y0)
    adds_up(before); adds_up(after)
    room = warm = before = after = None
print("checked", len(KINDS))
""")
        self.assertIn("checked", seen)
        self.assertGreaterEqual(int(seen.split()[1]), 3)

    def test_resident_is_what_the_kernel_says(self, py):
        # Without huge pages: when the kernel splits one, it may put its one page of
        # zeros in the place of parts never touched; mincore counts that, Rss does not.
        self.inside(py, """
def compare(when):
    for _ in range(2):
        told, kernel = oxmalloc.stats().resident_bytes, kernel_resident()
    assert abs(told - kernel) <= 0.02 * kernel + 65536, (when, told, kernel)
compare("at the start")
rooms = [kept(make, n) for _, _, n, make, _, _ in KINDS]
compare("full")
untouched = bytes(64 << 20)     # calloc: mapped, and not in memory
assert oxmalloc.stats().mapped_bytes - oxmalloc.stats().resident_bytes > 60 << 20
compare("with memory that was never touched")
for room in rooms:
    for i in range(len(room)):
        if i % 16:
            room[i] = None
compare("freed in part")
s = oxmalloc.stats()
assert s.large_cached_bytes > 0
oxmalloc.trim()
compare("trimmed")
adds_up(oxmalloc.stats())
del rooms, room, untouched
oxmalloc.trim()
compare("empty")
""", OXMALLOC_HUGE_PAGES="never")

    def test_freed_blocks_and_pages_given_back(self, py):
        self.inside(py, """
domain, kind, n, make, address, asked = [k for k in KINDS if k[1] == "class"][0]
n *= 10
room = kept(make, n)
full = oxmalloc.stats()
for i in range(n):
    if i % 64:
        room[i] = None
freed = oxmalloc.stats()
gone = full.by_domain[domain].live_bytes - freed.by_domain[domain].live_bytes
assert abs(gone - n * 63 // 64 * asked) < 0.15 * gone, gone
grown = sum(getattr(freed.by_domain[domain], k) - getattr(full.by_domain[domain], k) for k in ("free_bytes", "untouched_bytes"))
# What is free is in free blocks, or its pool went as a whole.
pools = full.by_domain[domain].pool_bytes - freed.by_domain[domain].pool_bytes
assert abs(grown + pools - gone) < 0.02 * gone, (grown, pools, gone)
assert freed.fragmentation > full.fragmentation + 0.2, (full.fragmentation, freed.fragmentation)
given = oxmalloc.trim()
trimmed = oxmalloc.stats()
assert trimmed.given_back_bytes - freed.given_back_bytes == given > 0
assert trimmed.total.purged_bytes > freed.total.purged_bytes
# The pages go from free to untouched; what lives stays.
assert trimmed.total.free_bytes < freed.total.free_bytes
assert trimmed.fragmentation < freed.fragmentation
for s in full, freed, trimmed: adds_up(s)
""")

    def test_allocated_blocks_finds_a_leak_as_regrtest_does(self, py):
        # As test.libregrtest.refleak: warm up, then the difference of each repetition.
        seen = self.inside(py, """
def repeat(function, warmups=3, repetitions=5):
    deltas = [0] * repetitions
    before = after = 0
    for i in range(-warmups, repetitions):
        function()
        gc.collect()
        after = oxmalloc.allocated_blocks()
        if i >= 0:
            deltas[i] = after - before
        before = after
    return deltas

LEAKED = [None] * 10000
class Leak:
    next = 0
    def __call__(self):
        for _ in range(100):
            LEAKED[Leak.next] = b"x" * (200 + Leak.next % 2)
            Leak.next += 1

def clean():
    return [{str(i): [i]} for i in range(100)]

print(json.dumps([repeat(clean), repeat(Leak())]))
""")
        clean, leak = json.loads(seen)
        if "obj" in [("raw", "mem", "obj")[domain] for domain in py.domains]:
            # The interpreter itself drops some blocks of its start each time; with
            # sys.getallocatedblocks() after a call through ctypes it does as well.
            self.assertTrue(all(abs(delta) <= 10 for delta in clean), clean)
            self.assertTrue(all(abs(delta - 100) <= 10 for delta in leak), leak)

    def test_snapshot_has_the_same_figures(self, py):
        self.inside(py, """
import collections, ctypes, dataclasses, errno, os, pathlib, tempfile
from oxmalloc import _statistics, snapshots
with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory, "heap.json")
    rooms = [kept(make, n)[::3] for _, _, n, make, _, _ in KINDS]
    oxmalloc.trim()
    rows, row_bytes = _statistics.class_rows(LIB), ctypes.sizeof(_library.OxClassStats)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(2):      # for the second time there is next to nothing in between
        os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_SET))
        LIB.Ox_GetClassStats(rows, row_bytes, len(rows))
        LIB.Ox_WriteSnapshot(fd)
    os.close(fd)
    shot = snapshots.load(path)
    assert shot.process.pid == os.getpid()
    pages = {a.address + i * shot.pool_bytes: n for a in shot.arenas for i, n in enumerate(a.resident_pages)}
    told = collections.defaultdict(collections.Counter)
    for p in shot.pools:
        resident = sum(pages[at] for at in range(p.address, p.address + p.bytes, shot.pool_bytes))
        told[p.domain, "span" if p.is_span else "class", 0 if p.is_span else p.block_bytes].update(
            pools=1, pool_bytes=p.bytes, live_blocks=p.live, live_bytes=p.live_bytes,
            free_bytes=p.free * p.block_bytes, untouched_bytes=p.untouched * p.block_bytes,
            purged_bytes=p.purged_bytes, resident_bytes=resident * shot.page_bytes)
    for b in shot.large_blocks:
        told[b.domain, "large", 0].update(
            pools=1, pool_bytes=b.bytes, live_blocks=1, live_bytes=b.bytes, resident_bytes=b.resident_bytes)
    for row in map(_statistics._class_of, rows):
        figures = told[row.domain, row.kind, row.block_bytes]
        for field in dataclasses.fields(row):
            if field.name not in ("domain", "kind", "block_bytes"):
                slack = 0 if row.kind != "class" or "pool" in field.name else 8192
                assert abs(figures[field.name] - getattr(row, field.name)) <= slack, (field.name, figures, row)
    assert any(p.is_span for p in shot.pools)
    assert sum(c["live_bytes"] for c in told.values()) == shot.totals.mem.live_bytes + shot.totals.obj.live_bytes
    oxmalloc.snapshot(str(path))     # over the old one
    json.loads(path.read_text())
    try:
        oxmalloc.snapshot(os.path.join(directory, "none", "heap.json"))
    except FileNotFoundError as error:
        assert "heap.json" in str(error)
    else:
        raise AssertionError("written to nowhere")
if os.path.exists("/dev/full"):
    try:
        oxmalloc.snapshot("/dev/full")
    except OSError as error:
        assert error.errno == errno.ENOSPC and error.filename == "/dev/full", error
    else:
        raise AssertionError("a full disk took it")
""")


class Formats(unittest.TestCase):
    def command(self, *options, code=None):
        py = oxtest.fastest_interpreter()
        code = code or "import sys; from oxmalloc.__main__ import main; sys.exit(main(['stats'] + sys.argv[1:]))"
        return oxtest.run(py, code, *options, env=oxtest.package_env()).stdout

    def test_json_has_every_figure(self):
        told = json.loads(self.command("--json"))
        self.assertGreater(told["total"]["live_bytes"], 100000)
        self.assertEqual(set(told["by_domain"]), {"mem", "obj"})
        self.assertEqual(sum(row["live_bytes"] for row in told["by_class"]), told["total"]["live_bytes"])
        self.assertEqual(len(told["by_arena"]), told["arenas"])
        self.assertTrue(0 <= told["fragmentation"] <= 1)

    def test_text_names_what_matters(self):
        text = self.command()
        for word in ("resident", "fragmentation", "given back", "domain", "class", "peak"):
            self.assertIn(word, text)

    def test_openmetrics_is_well_formed(self):
        text = self.command("--openmetrics")
        self.assertTrue(text.endswith("\n# EOF\n"), text[-50:])
        families, name = {}, None
        for line in text.splitlines()[:-1]:
            about = re.fullmatch(r"# (TYPE|UNIT|HELP) (\S+) (.+)", line)
            sample = re.fullmatch(r'([a-z_]+)(\{domain="(?:mem|obj)"\})? (\d+)', line)
            self.assertTrue(about or sample, line)
            if about:
                if about.group(1) == "TYPE":
                    name = about.group(2)
                    self.assertNotIn(name, families)  # a family is in one piece
                    families[name] = {"samples": {}}
                self.assertEqual(about.group(2), name)
                families[name][about.group(1)] = about.group(3)
            else:
                suffix = "_total" if families[name]["TYPE"] == "counter" else ""
                self.assertEqual(sample.group(1), name + suffix)
                self.assertNotIn(sample.group(2), families[name]["samples"])
                families[name]["samples"][sample.group(2)] = int(sample.group(3))
        wanted = {"oxmalloc_%s_bytes" % what for what in (
            "allocated", "active", "resident", "retained", "mapped", "metadata")}
        self.assertLessEqual(wanted, set(families))
        for name, family in families.items():
            self.assertEqual(family["UNIT"], "bytes")
            self.assertTrue(name.endswith("_" + family["UNIT"]))
            self.assertTrue(family["HELP"].endswith("."))
            self.assertTrue(family["samples"], name)
        value = {name: sum(family["samples"].values()) for name, family in families.items()}
        self.assertLessEqual(value["oxmalloc_allocated_bytes"], value["oxmalloc_active_bytes"])
        self.assertEqual(value["oxmalloc_resident_bytes"] + value["oxmalloc_retained_bytes"],
                         value["oxmalloc_mapped_bytes"])

    def test_a_client_can_read_it(self):
        try:
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("prometheus_client is not installed")
        families = list(text_string_to_metric_families(self.command("--openmetrics")))
        self.assertGreater(len(families), 5)

    def test_the_text_of_the_program_is_that_of_the_command(self):
        code = "import oxmalloc; s = oxmalloc.stats(); print(s.to_openmetrics(), end=''); print(len(s.to_json()) > 1000)"
        self.assertTrue(self.command(code=code).endswith("# EOF\nTrue\n"))


if __name__ == "__main__":
    unittest.main()
