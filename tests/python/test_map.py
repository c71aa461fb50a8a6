"""Pictures of the heap: the figures on the page are those of the snapshot, and a
browser can be used on it. Snapshots are from real processes but for the one of
10 GiB, which is made up."""

import collections
import html.parser
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import browser
import oxtest

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def environment(preload=True):
    env = oxtest.preload_env() if preload else oxtest.clean_env()
    env.update(oxtest.package_env())
    return env


def python(py, *words, preload=False, check=True):
    """Runs an interpreter that finds the package."""
    done = subprocess.run(
        [py.path, *words], env=environment(preload), timeout=300, universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode:
        raise AssertionError("%s ended with %d\n%s%s" % (words, done.returncode, done.stdout, done.stderr))
    return done


def draw(*words, py=None, check=True):
    return python(py or oxtest.fastest_interpreter(), "-m", "oxmalloc", "map", *map(str, words), check=check)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def table(root, fields, rows):
    """The rows of a snapshot's table, as named tuples."""
    row = collections.namedtuple("Row", root[fields])
    return [row(*values) for values in root[rows]]


class Raw:
    """A snapshot as the test itself understands it: nothing of the package's."""

    def __init__(self, path):
        self.root = read(path)
        self.totals = self.root["totals"]
        self.page = self.root["page_bytes"]
        self.pools = table(self.root, "pool_fields", "pools")
        self.large = table(self.root, "large_fields", "large_blocks")
        self.arenas = self.root["arenas"]
        self.row_of = {arena["address"]: row for row, arena in enumerate(self.arenas)}

    def place(self, pool):
        """-> (row, column) on a map of one arena a row."""
        base = pool.address - pool.address % (2 * MIB)
        return self.row_of[base], pool.address % (2 * MIB) // (64 * KIB)

    def resident(self, pool):
        row, column = self.place(pool)
        pages = self.arenas[row]["resident_pages"]
        return sum(pages[column:column + max(pool.bytes // (64 * KIB), 1)]) * self.page

    def in_heap(self):
        return (sum(sum(arena["resident_pages"]) for arena in self.arenas) * self.page
                + sum(extent["resident_bytes"] for extent in self.root["extents"]))


# Builds a heap with all there is: classes, spans, large blocks, pools of every
# state, pages given back, memory that waits to be. Writes full.json and later.json.
BUILD = """
import os, random, sys
from oxmalloc import snapshots
from oxmalloc._status import active_library
directory = sys.argv[1]
random.seed(1)
keep = [[{"id": i, "text": str(i) * (i % 9)} for i in range(n, n + 1000)] for n in range(0, 90000, 1000)]
spans = [bytearray(random.choice([70000, 300000, 900000])) for _ in range(12)]
large = [bytearray(3 << 20) for _ in range(3)] + [bytes(24 << 20)]
for number, part in enumerate(keep):
    if number < 20:
        del part[::2]
    elif number < 70:
        part[:] = part[::200]
snapshots.snapshot(os.path.join(directory, "full.json"))
keep = [keep[:10], [bytearray(400) for _ in range(20000)]]
del spans[::2], large[0]
active_library().Ox_Trim()
snapshots.snapshot(os.path.join(directory, "later.json"))
"""

_made = None


def made():
    """The directory with the snapshots of BUILD, made once."""
    global _made
    if _made is None:
        _made = tempfile.mkdtemp(prefix="map-")
        python(oxtest.fastest_interpreter(), "-c", BUILD, _made, preload=True)
    return _made


def tearDownModule():
    if _made is not None:
        shutil.rmtree(_made)


class Document(html.parser.HTMLParser):
    """What a page says without its script: attributes of tagged elements, and text."""

    def __init__(self, path):
        super().__init__()
        self.figures, self.uses, self.text = {}, collections.defaultdict(list), ""
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())
        self.close()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if "data-figure" in found:
            self.figures[found["data-figure"]] = int(found["data-value"])
        if "data-use" in found:
            self.uses[found["data-use"]].append(int(found["data-bytes"]))

    def handle_data(self, data):
        self.text += data


def expected_figures(raw):
    totals = raw.totals
    return {
        "RSS of the process": raw.root["process"]["resident_bytes"],
        "heap, resident": totals["resident_bytes"],
        "live blocks": totals["mem"]["live_blocks"] + totals["obj"]["live_blocks"],
        "objects (OBJ), live": totals["obj"]["live_bytes"],
        "buffers (MEM), live": totals["mem"]["live_bytes"],
        "arenas": totals["arenas"],
        "pools in use": totals["pools_used"] + totals["pools_full"] + totals["pools_empty"],
        "given back, ever": totals["given_back_bytes"],
    }


@oxtest.each_interpreter
class EveryInterpreter(unittest.TestCase):

    def test_map_in_the_program(self, py):
        with tempfile.TemporaryDirectory() as directory:
            page = os.path.join(directory, "heap.html")
            python(py, "-c", "import sys; from oxmalloc import heapmap; kept = [str(i) for i in range(50000)]; "
                   "heapmap.map(sys.argv[1])", page, preload=True)
            raw, document = Raw(os.path.join(directory, "heap.json")), Document(page)
            for name, value in expected_figures(raw).items():
                self.assertEqual(document.figures[name], value, name)
            self.assertIn("process %d" % raw.root["process"]["pid"], document.text)
            self.assertEqual(sum(use[0] for use in document.uses.values()), document.figures["RSS of the process"])
            self.assertIn("Heap of python", document.text)
            draw(os.path.join(directory, "heap.json"), "-o", os.path.join(directory, "heap.svg"), py=py)
            xml.etree.ElementTree.parse(os.path.join(directory, "heap.svg"))


class Title(unittest.TestCase):

    def test_it_is_the_program_s(self):
        """The script's or the module's name, though the process is python."""
        py = oxtest.fastest_interpreter()
        with tempfile.TemporaryDirectory() as directory:
            package = os.path.join(directory, "service")
            os.mkdir(package)
            page = os.path.join(directory, "heap.html")
            for name in "app.py", os.path.join("service", "__main__.py"), "job.py":
                with open(os.path.join(directory, name), "w") as script:
                    script.write("import oxmalloc; oxmalloc.map(%r)" % page)
            env = environment()
            env["PYTHONPATH"] += os.pathsep + directory
            for words, name in (
                    ([os.path.join(directory, "app.py")], "app.py"), (["-m", "service"], "service"), (["-m", "job"], "job")):
                subprocess.run([py.path, *words], env=env, check=True)
                self.assertIn("Heap of %s\n" % name, Document(page).text)


class Snapshot(unittest.TestCase):
    """What the library writes is so."""

    def test_figures_are_the_kernels(self):
        python(oxtest.fastest_interpreter(), "-c", """
import os, sys
from oxmalloc import snapshots
kept = [[str(i)] for i in range(200000)] + [bytearray(5 << 20)]
path = os.path.join(sys.argv[1], "kernel.json")
snapshots.snapshot(path)
with open("/proc/self/statm") as file:
    rss = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
heap = snapshots.load(path)
assert abs(heap.process.resident_bytes - rss) < 2 << 20, (heap.process.resident_bytes, rss)
assert heap.process.pid == os.getpid() and heap.process.python_version == sys.version_info[:3]
resident = heap.page_bytes * sum(sum(a.resident_pages) for a in heap.arenas) + sum(e.resident_bytes for e in heap.extents)
assert resident == heap.totals.resident_bytes, (resident, heap.totals.resident_bytes)
[large] = [block for block in heap.large_blocks if block.bytes > 5 << 20]
assert 5 << 20 <= large.resident_bytes <= large.bytes, large
pools = [pool for pool in heap.pools if pool.state != "span"]
assert len(pools) == heap.totals.pools_used + heap.totals.pools_full + heap.totals.pools_empty
live = sum(pool.live * pool.block_bytes for pool in heap.pools) + sum(block.bytes for block in heap.large_blocks)
assert live == heap.totals.mem.live_bytes + heap.totals.obj.live_bytes, live
""", made(), preload=True)

    def test_trim_gives_back_what_the_picture_says(self):
        done = python(oxtest.fastest_interpreter(), "-c", """
import os, sys
from oxmalloc import snapshots
from oxmalloc._status import active_library
from oxmalloc.heapmap import account
kept = [{"id": i, "name": str(i)} for i in range(400000)] + [bytearray(9 << 20)]
kept = kept[:400000:500] + [str(i) * 20 for i in range(20000)]
path = os.path.join(sys.argv[1], "trim.json")
snapshots.snapshot(path)
trimmed = active_library().Ox_Trim()
print(account.of(snapshots.load(path)).trim_least, trimmed)
""", made(), preload=True)
        least, trimmed = map(int, done.stdout.split())
        self.assertLessEqual(least, trimmed)
        self.assertGreater(least, trimmed / 2, "of %d bytes" % trimmed)

    def test_ages_grow(self):
        python(oxtest.fastest_interpreter(), "-c", """
import os, sys, time
from oxmalloc import snapshots
path = os.path.join(sys.argv[1], "ages.json")
old = [bytearray(3 << 20), bytearray(200000)]
began = time.monotonic()
time.sleep(.3)
young = [bytearray(4 << 20), bytearray(300000)]
snapshots.snapshot(path)
took = time.monotonic() - began
heap = snapshots.load(path)
spans = {pool.bytes // 65536: pool.age_ms for pool in heap.pools if pool.state == "span"}
large = {block.bytes >> 20: block.age_ms for block in heap.large_blocks}
for old_age, young_age in ((large[3], large[4]), (spans[4], spans[5])):
    assert 300 - 40 <= old_age <= took * 1000 + 40, (old_age, took)
    assert young_age <= old_age - 260, (young_age, old_age)
""", made(), preload=True)

    def test_it_stops_the_program_shortly(self):
        done = python(oxtest.fastest_interpreter(), "-c", """
import os, time, ctypes
from oxmalloc._status import active_library
library = active_library()
kept = [[(i, str(i)) for i in range(1000)] for _ in range(2400)]
fd = os.open(os.devnull, os.O_WRONLY)
def once():
    began = time.perf_counter()
    assert library.Ox_WriteSnapshot(fd) == 0
    return time.perf_counter() - began
best = min(once() for _ in range(5))
from oxmalloc._library import OxStats
stats = OxStats(ctypes.sizeof(OxStats))
library.Ox_GetStats(ctypes.byref(stats))
print(best * 1000 / (stats.mapped_bytes / (1 << 30)), stats.mapped_bytes)
""", preload=True)
        per_gib, mapped = map(float, done.stdout.split())
        self.assertGreater(mapped, 256 * MIB)
        self.assertLess(per_gib, 30)


@unittest.skipIf(browser.missing(), browser.missing())
class Page(unittest.TestCase):
    """One snapshot in the browser."""

    def setUp(self):
        self.raw = Raw(os.path.join(made(), "full.json"))
        self.path = os.path.join(made(), "full.html")
        if not os.path.exists(self.path):
            draw(os.path.join(made(), "full.json"))

    def open(self, **how):
        page = browser.Page(self.path, **how)
        self.addCleanup(lambda: self.assertEqual(page.errors, []))
        return page

    @staticmethod
    def go_to(page, row, column):
        """Moves there with the keys; -> the lines of the tip by their names."""
        page.evaluate("zoom.value = '1', zoom.dispatchEvent(new Event('change'))")
        page.evaluate("document.querySelector('canvas').focus()")
        Page.home(page)
        page.press(*["ArrowDown"] * row, *["ArrowRight"] * column)
        return Page.tip(page)

    @staticmethod
    def home(page):
        page.evaluate("""document.querySelector('canvas').dispatchEvent(
            new KeyboardEvent('keydown', {key: 'Home', ctrlKey: true}))""")

    @staticmethod
    def tip(page):
        title, rows = page.evaluate(
            "[tip.hidden ? '' : tip.querySelector('b').textContent, "
            "Array.from(tip.querySelectorAll('tr'), (row) => Array.from(row.cells, (cell) => cell.textContent))]")
        return dict({row[0]: row[1:] for row in rows}, title=title)

    def test_totals(self):
        with self.open() as page:
            shown = dict(page.evaluate(
                "Array.from(document.querySelectorAll('dd[data-figure]'), (e) => [e.dataset.figure, Number(e.dataset.value)])"))
        self.assertEqual(shown, expected_figures(self.raw))

    def test_uses_add_up(self):
        with self.open() as page:
            uses = dict(page.evaluate(
                "Array.from(document.querySelectorAll('[data-use]'), (e) => [e.dataset.use, Number(e.dataset.bytes)])"))
        raw = self.raw
        self.assertEqual(sum(uses.values()), raw.root["process"]["resident_bytes"])
        self.assertEqual(sum(uses.values()) - uses["outside"], raw.totals["resident_bytes"])
        live = sum(min(p.live * p.block_bytes, raw.resident(p)) for p in raw.pools)
        large = sum(block.resident_bytes for block in raw.large)
        self.assertEqual(uses["live"], live + large)
        self.assertEqual(uses["pinned"], sum(
            raw.resident(p) - min(p.live * p.block_bytes, raw.resident(p)) for p in raw.pools if p.live))
        self.assertEqual(uses["kept"], sum(e["resident_bytes"] for e in raw.root["extents"]) - large)

    def test_size_classes(self):
        with self.open() as page:
            rows = page.evaluate(
                "Array.from(document.querySelectorAll('#classes tbody tr'), (row) => [row.cells[0].textContent, "
                "Array.from(row.querySelectorAll('[data-value]'), (cell) => Number(cell.dataset.value))])")
        shown = {name.replace(",", ""): values for name, values in rows}
        self.assertEqual(len(shown), len(rows))
        sums = collections.defaultdict(lambda: [0] * 6)
        for pool in self.raw.pools:
            if pool.state == "span":
                continue
            resident = self.raw.resident(pool)
            sums[str(pool.block_bytes)] = [a + b for a, b in zip(sums[str(pool.block_bytes)], (
                pool.live, pool.live * pool.block_bytes, pool.free * pool.block_bytes,
                pool.untouched * pool.block_bytes, resident - min(pool.live * pool.block_bytes, resident), 1))]
        sizes = [0] + self.raw.root["size_classes"]
        for name, (live, live_bytes, free, untouched, pinned, pools) in sums.items():
            rounding = live * (int(name) - sizes[sizes.index(int(name)) - 1] - 1)
            self.assertEqual(shown.pop(name), [live, live_bytes, free, untouched, pinned, rounding, pools], name)
        spans = [pool for pool in self.raw.pools if pool.state == "span"]
        self.assertEqual(shown.pop("spans"), [len(spans), sum(pool.bytes for pool in spans)])
        self.assertEqual(shown.pop("large"), [len(self.raw.large), sum(block.bytes for block in self.raw.large)])
        self.assertEqual(shown, {})
        self.assertEqual([len(self.raw.large), sum(block.bytes for block in self.raw.large)],
                         [self.raw.totals["large_blocks"], self.raw.totals["large_bytes"]])

    def test_nearly_empty_arenas(self):
        raw = self.raw
        sums = {arena["address"]: [sum(arena["resident_pages"]) * raw.page, 0, 0] for arena in raw.arenas}
        for pool in raw.pools:
            of = sums[pool.address - pool.address % (2 * MIB)]
            of[0] -= min(pool.live * pool.block_bytes, raw.resident(pool))
            of[1] += pool.live * pool.block_bytes
            of[2] += pool.live
        expected = {address: values for address, values in sums.items()
                    if values[0] and values[2] and values[1] * 4 <= 2 * MIB}
        self.assertTrue(expected, "the heap was built to have some")
        with self.open() as page:
            rows = page.evaluate(
                "Array.from(document.querySelectorAll('#sparse tbody tr'), (row) => "
                "[Number(row.querySelector('button').dataset.arena), "
                "...Array.from(row.querySelectorAll('[data-value]'), (cell) => Number(cell.dataset.value))])")
            pins = page.evaluate("Number(document.querySelector('#sparse b').dataset.value)")
            address = rows[0][0]
            page.evaluate("document.querySelector('#sparse button').click()")
            self.assertIn("of the arena at %#x" % address, self.tip(page)["title"])
        self.assertEqual({row[0]: row[1:4] for row in rows}, expected)
        self.assertEqual([row[1] for row in rows], sorted((row[1] for row in rows), reverse=True))
        self.assertEqual(pins, sum(values[0] for values in expected.values()))

    def test_large_blocks(self):
        with self.open() as page:
            rows = page.evaluate(
                "Array.from(document.querySelectorAll('#large tbody tr'), (row) => [row.cells[0].textContent, "
                "...Array.from(row.querySelectorAll('[data-value]'), (cell) => Number(cell.dataset.value))])")
        self.assertEqual(sorted(rows), sorted(["%#x" % b.address, b.bytes, b.resident_bytes] for b in self.raw.large))

    def chosen(self):
        """A pool of each kind."""
        kinds = {
            "used": lambda p: p.state == "used" and p.free and p.untouched,
            "full": lambda p: p.state == "full",
            "empty": lambda p: p.state == "empty",
            "span": lambda p: p.state == "span",
            "mem": lambda p: p.domain == "mem" and p.state == "used",
        }
        return {name: next(filter(wanted, self.raw.pools)) for name, wanted in kinds.items()}

    def expected_tip(self, pool):
        raw, resident = self.raw, self.raw.resident
        row, column = raw.place(pool)
        domain = {"obj": "objects (OBJ)", "mem": "buffers (MEM)"}[pool.domain]
        pages = raw.arenas[row]["resident_pages"][column]
        expected = {
            "title": "pool %d of the arena at %#x" % (column, raw.arenas[row]["address"]),
            "resident": "%d of 64 KiB" % (pages * raw.page // KIB),
        }
        if pool.state == "span":
            return dict(expected, what="one block of {:,} bytes, a span, {}".format(pool.bytes, domain), live="all of it")
        if pool.purged_bytes:
            expected["resident"] += ", %d KiB given back" % (pool.purged_bytes // KIB)

        def blocks(count):
            return "{:,} block{}, {:,} bytes".format(count, "" if count == 1 else "s", count * pool.block_bytes)

        self.assertLessEqual(pool.live * pool.block_bytes, max(resident(pool), 64 * KIB))
        return dict(
            expected, what="{:,}-byte blocks, {}".format(pool.block_bytes, domain),
            free=blocks(pool.free), untouched=blocks(pool.untouched),
            live="{:,} of {:,} block{}, {:,} bytes (".format(
                pool.live, pool.capacity, "" if pool.capacity == 1 else "s", pool.live * pool.block_bytes))

    def test_tips_of_cells_by_keyboard_and_pointer(self):
        chosen = self.chosen()
        with self.open() as page:
            for name, pool in chosen.items():
                row, column = self.raw.place(pool)
                tip = self.go_to(page, row, column)
                for line, text in self.expected_tip(pool).items():
                    said = tip[line] if line == "title" else tip[line][0]
                    self.assertTrue(said == text or line == "live" and said.startswith(text), (name, line, said, text))
                seconds = pool.age_ms / 1000
                self.assertEqual(tip["age"], ["%.1f s" % seconds] if seconds < 10 else tip["age"])
                # The outline is in the middle of the cell; a pointer there finds the same.
                x, y = self.middle(page, row, column)
                page.press("Escape")
                self.assertEqual(self.tip(page)["title"], "")
                page.hover(x, y)
                self.assertEqual(self.tip(page), tip)
                page.hover(2, 2)

    @staticmethod
    def middle(page, row, column):
        """The middle of a cell, in the window; the map is scrolled so that it is in sight."""
        box = page.evaluate("""(() => {
            const canvas = document.querySelector('canvas').getBoundingClientRect();
            return [canvas.left, canvas.top, canvas.width, map.scrollTop, map.querySelector('.spacer').offsetHeight + canvas.height];
        })()""")
        left, top, width, scrolled, height = box
        rows = page.evaluate("JSON.parse(document.getElementById('heap').textContent).rows.length")
        label = 122 if width > 640 else 0
        return (left + label + 2 + (column + .5) * (width - label - 4) / 32,
                top + 2 + (row + .5) * (height - 4) / rows - scrolled)

    def test_vacant_pools(self):
        used = set()
        for pool in self.raw.pools:
            row, column = self.raw.place(pool)
            used.update((row, column + at) for at in range(max(pool.bytes // (64 * KIB), 1)))
        vacant = [(row, column) for row in range(len(self.raw.arenas)) for column in range(32) if (row, column) not in used]
        self.assertTrue(vacant)
        with self.open() as page:
            for row, column in (vacant[0], vacant[-1]):
                tip = self.go_to(page, row, column)
                self.assertEqual(tip["what"], ["1 vacant pool"])
                pages = self.raw.arenas[row]["resident_pages"][column]
                self.assertEqual(tip["resident"], ["%d of 64 KiB" % (pages * self.raw.page // KIB)])

    def test_keys(self):
        with self.open() as page:
            first = self.go_to(page, 0, 0)["title"]
            self.assertEqual(first, "pool 0 of the arena at %#x" % self.raw.arenas[0]["address"])
            page.press("End")
            self.assertTrue(self.tip(page)["title"].startswith("pool 31 of"))
            page.press("ArrowRight")
            self.assertEqual(self.tip(page)["title"], "pool 0 of the arena at %#x" % self.raw.arenas[1]["address"])
            page.press("ArrowLeft", "Home")
            self.assertEqual(self.tip(page)["title"], first)
            page.press("ArrowUp")
            self.assertEqual(self.tip(page)["title"], first)
            page.press("-")
            self.assertEqual(page.evaluate("zoom.value"), "2")
            self.assertEqual(self.tip(page)["title"], "pools 0 to 1 of the arena at %#x" % self.raw.arenas[0]["address"])
            page.press("+")
            self.assertEqual(self.tip(page)["title"], first)

    def test_touch(self):
        with self.open(width=390, height=844, touch=True) as page:
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
            page.evaluate("zoom.value = '1', zoom.dispatchEvent(new Event('change')), map.scrollIntoView()")
            page.tap(*self.middle(page, 1, 3))
            self.assertTrue(self.tip(page)["title"].startswith("pool 3 of the arena at %#x" % self.raw.arenas[1]["address"]))
            tip = page.evaluate("(({left, right}) => [left, right])(tip.getBoundingClientRect())")
            self.assertTrue(0 <= tip[0] and tip[1] <= 390, tip)

    def test_every_way_to_colour(self):
        """Each paints the map differently, and a size class can be shown alone."""
        seen = set()
        shot = "document.querySelector('canvas').toDataURL()"
        with self.open() as page:
            for dark in (False, True):
                page.set_dark(dark)
                for mode in ("fullness", "class", "age"):
                    page.evaluate("document.querySelector('[value=%s]').click()" % mode)
                    seen.add(page.evaluate(shot))
            self.assertEqual(len(seen), 6)
            page.evaluate("document.querySelector('button[data-kind]').click()")
            self.assertNotIn(page.evaluate(shot), seen)
            page.evaluate("document.querySelector('button[data-kind]').click()")
            self.assertIn(page.evaluate(shot), seen)

    def test_contrast(self):
        """Text is at least 4.5 to 1 against what it stands on (WCAG AA), light and dark."""
        script = """(() => {
            const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
                .map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
            const under = (e) => {
                const colour = rgb(getComputedStyle(e).backgroundColor);
                return colour.length === 4 && colour[3] === 0 ? under(e.parentElement) : colour;
            };
            const all = [];
            for (const e of document.querySelectorAll('h1,h2,p,small,dt,dd,td,th,label,legend,button,select,b,span,summary')) {
                if (!e.textContent.trim() || e.closest('[hidden]') || !e.getClientRects().length) continue;
                const [a, b] = [light(rgb(getComputedStyle(e).color)), light(under(e))].sort((x, y) => y - x);
                all.push([(a + .05) / (b + .05), e.tagName + ': ' + e.textContent.slice(0, 40)]);
            }
            return [all.length, ...all.sort((x, y) => x[0] - y[0])[0]];
        })()"""
        for dark in (False, True):
            with self.open(dark=dark) as page:
                count, least, where = page.evaluate(script)
                self.assertGreater(count, 100)
                self.assertGreaterEqual(least, 4.5, "%s (dark: %s)" % (where, dark))

    def test_a_title_is_text(self):
        path = os.path.join(made(), "title.html")
        title = "<img src=x onerror=alert(1)></script><b>"
        draw(os.path.join(made(), "full.json"), "-o", path, "--title", title)
        with browser.Page(path) as page:
            self.assertEqual(page.evaluate("[document.title, document.querySelector('h1').textContent]"), [title] * 2)
            self.assertEqual(page.evaluate("document.images.length"), 0)
            self.assertEqual(page.errors, [])

    def test_it_needs_no_network(self):
        with open(self.path, encoding="utf-8") as file:
            text = file.read()
        for word in ("http:", "https:", "src=", "@import", "url(", "<link"):
            self.assertNotIn(word, text)
        with self.open() as page:
            self.assertEqual(page.evaluate("performance.getEntriesByType('resource').length"), 0)


class Colours(unittest.TestCase):

    def test_what_did_not_change_is_not_what_is_absent(self):
        """The middle of the scale of changes stands out from cells that are not resident."""
        with open(os.path.join(oxtest.ROOT, "python", "oxmalloc", "heapmap", "page.css")) as file:
            light, dark = file.read().split("prefers-color-scheme: dark")

        def luminance(colour):
            parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
            return sum(weight * (part / 12.92 if part <= .03928 else ((part + .055) / 1.055) ** 2.4)
                       for weight, part in zip((.2126, .7152, .0722), parts))

        for css in light, dark:
            change = re.search(r"--change: ([^;]+);", css).group(1).split()
            hollow = re.search(r"--hollow: ([^;]+);", css).group(1)
            high, low = sorted(map(luminance, (change[len(change) // 2], hollow)), reverse=True)
            self.assertGreaterEqual((high + .05) / (low + .05), 1.5)


@unittest.skipIf(browser.missing(), browser.missing())
class TwoSnapshots(unittest.TestCase):

    def test_what_changed(self):
        before, after = (Raw(os.path.join(made(), name)) for name in ("full.json", "later.json"))
        path = os.path.join(made(), "changed.html")
        draw(os.path.join(made(), "full.json"), os.path.join(made(), "later.json"), "-o", path)
        with browser.Page(path) as page:
            uses = page.evaluate("Array.from(document.querySelectorAll('[data-use]'), (e) => [e.dataset.use, Number(e.dataset.bytes)])")
            figures = dict(page.evaluate(
                "Array.from(document.querySelectorAll('dd[data-figure]'), (e) => [e.dataset.figure, Number(e.dataset.value)])"))
            by_name = collections.defaultdict(list)
            for name, amount in uses:
                by_name[name].append(amount)
            self.assertEqual([sum(column) for column in zip(*by_name.values())],
                             [raw.root["process"]["resident_bytes"] for raw in (before, after)])
            self.assertEqual(figures, expected_figures(after))
            self.assertEqual(
                page.evaluate("['.pair > span', '.uses .head b'].map((each) => "
                              "Array.from(document.querySelectorAll(each), (e) => e.textContent))"),
                [["before", "after"], ["before", "after", "change"]])
            said = page.evaluate("document.querySelector('.verdict').textContent")
            self.assertRegex(said, "^The RSS (grew|fell) by ")
            # A pool of an arena that both have, and one whose arena is gone or new.
            rows = page.evaluate("JSON.parse(document.getElementById('heap').textContent).rows")
            self.assertEqual({row[0] for row in rows}, set(before.row_of) | set(after.row_of))
            both = next(i for i, row in enumerate(rows) if row[1] >= 0 and row[2] >= 0)
            tip = Page.go_to(page, both, 0)
            self.assertEqual(tip[""], ["before", "after"])
            for raw, text in zip((before, after), tip["resident"]):
                arena = raw.arenas[raw.row_of[rows[both][0]]]
                self.assertTrue(text.startswith("%d of 64 KiB" % (arena["resident_pages"][0] * raw.page // KIB)), text)
            one = [i for i, row in enumerate(rows) if -1 in row]
            if one:
                tip = Page.go_to(page, one[0], 0)
                self.assertEqual([text == "not mapped" for text in tip["what"]], [row < 0 for row in rows[one[0]][1:]])
            self.assertEqual(page.errors, [])

    def test_of_two_processes(self):
        other = os.path.join(made(), "other.json")
        python(oxtest.fastest_interpreter(), "-c", "import sys; from oxmalloc import snapshots; snapshots.snapshot(sys.argv[1])",
               other, preload=True)
        path = os.path.join(made(), "two.html")
        draw(os.path.join(made(), "full.json"), other, "-o", path)
        with browser.Page(path) as page:
            self.assertIn("two processes", page.evaluate("document.querySelector('.note').textContent"))
            rows = page.evaluate("JSON.parse(document.getElementById('heap').textContent).rows")
            self.assertEqual(rows[0][1:], [0, 0])
            self.assertEqual(page.errors, [])


def ten_gigabytes(path, seed=1):
    """A snapshot of 10 GiB with nothing alike: the worst that can be packed."""
    chance = random.Random(seed)
    sizes = read(os.path.join(made(), "full.json"))["size_classes"]
    root = dict(read(os.path.join(made(), "full.json")), extents=[], large_blocks=[])
    base = 0x200000000000
    arenas, pools = [], []
    for number in range(10 * GIB // (2 * MIB)):
        address = base + number * 2 * MIB
        pages = []
        for place in range(32):
            if chance.random() < .05:
                pages.append(chance.choice((0, 16)))
                continue
            size = chance.choice(sizes[:40])
            capacity = 65536 // size
            live = chance.randrange(1, capacity + 1)
            untouched = chance.randrange(capacity - live + 1)
            pages.append(chance.randrange(1, 17))
            pools.append([
                address + place * 65536, 65536, chance.choice(("mem", "obj")), "full" if live == capacity else "used",
                size, capacity, live, capacity - live - untouched, untouched,
                (16 - pages[-1]) * 4096, chance.randrange(10 ** 8) * 16])
        arenas.append({"address": address, "bytes": 2 * MIB, "pools": 32, "pools_vacant": 0, "pools_clean": 0,
                       "resident_pages": pages})
    root.update(arenas=arenas, pools=pools, page_bytes=4096)
    root["process"]["resident_bytes"] = 11 * GIB
    with open(path, "w", encoding="utf-8") as file:
        json.dump(root, file)


class TenGigabytes(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.snapshot = os.path.join(made(), "ten.json")
        ten_gigabytes(cls.snapshot)
        cls.page = os.path.join(made(), "ten.html")
        draw(cls.snapshot)

    def test_pictures_stay_small(self):
        self.assertLess(os.path.getsize(self.page), 3 * MIB)
        svg = os.path.join(made(), "ten.svg")
        draw(self.snapshot, "-o", svg)
        xml.etree.ElementTree.parse(svg)
        self.assertLess(os.path.getsize(svg), 200 * KIB)

    @unittest.skipIf(browser.missing(), browser.missing())
    def test_it_opens_at_once_and_adds_up(self):
        raw = Raw(self.snapshot)
        with browser.Page(self.page) as page:
            self.assertLess(page.seconds_to_open, 2)
            self.assertEqual(page.evaluate("zoom.value"), "32")
            page.evaluate("document.querySelector('canvas').focus()")
            Page.home(page)
            page.press("ArrowRight", "ArrowDown")
            tip = Page.tip(page)
            # A cell is an arena here: the 34th.
            arena = raw.arenas[33]
            inside = [pool for pool in raw.pools if pool.address - pool.address % (2 * MIB) == arena["address"]]
            self.assertEqual(tip["title"], "pools 0 to 31 of the arena at %#x" % arena["address"])
            live, live_bytes = sum(p.live for p in inside), sum(p.live * p.block_bytes for p in inside)
            self.assertTrue(tip["live"][0].startswith("{:,} of {:,} blocks, {:,} bytes (".format(
                live, sum(p.capacity for p in inside), live_bytes)), tip)
            free = sum(p.free for p in inside), sum(p.free * p.block_bytes for p in inside)
            self.assertEqual(tip["free"], ["{:,} blocks, {:,} bytes".format(*free)])
            self.assertTrue(tip["resident"][0].startswith("{:,} of 2,048 KiB".format(sum(arena["resident_pages"]) * 4)), tip)
            page.press("-")
            self.assertRegex(Page.tip(page)["title"], "^arenas 0x[0-9a-f]+ to 0x")
            for _ in range(6):
                page.press("+")
            self.assertEqual(page.evaluate("zoom.value"), "1")
            page.press("PageDown", "PageDown")
            self.assertGreater(page.evaluate("map.scrollTop"), 0)
            self.assertEqual(page.errors, [])


class Refused(unittest.TestCase):
    """Files that are no snapshot, and places where no picture can go."""

    def refused(self, content, *words):
        path = os.path.join(made(), "broken.json")
        with open(path, "wb") as file:
            file.write(content)
        done = draw(path, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(path, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(made(), "broken.html")))

    def changed(self, change):
        root = read(os.path.join(made(), "full.json"))
        change(root)
        return json.dumps(root).encode()

    def test_files(self):
        with open(os.path.join(made(), "full.json"), "rb") as file:
            whole = file.read()
        self.refused(b"", "is empty")
        for cut in (20, len(whole) // 2, len(whole) - 2):
            self.refused(whole[:cut], "is cut off after %d bytes" % cut, "take a new snapshot")
        self.refused(b"\x89PNG\r\n", "is not JSON", "oxmalloc.snapshot() wrote")
        self.refused(b"[" * 100000, "is not JSON")
        self.refused(b"[]", "no snapshot of oxmalloc")
        self.refused(b'{"traces": []}', "no snapshot of oxmalloc")
        self.refused(self.changed(lambda root: root.pop("format")), "early oxmalloc", "0.1.0")
        self.refused(self.changed(lambda root: root.update(format=2)), "format 2")
        self.refused(self.changed(lambda root: root.pop("arenas")), "damaged", "arenas")
        self.refused(self.changed(lambda root: root["totals"].pop("obj")), "damaged", "obj")
        self.refused(self.changed(lambda root: root["pools"][3].pop()), "damaged", "row")
        self.refused(self.changed(lambda root: root["pools"][3].__setitem__(6, "many")), "damaged", "live")
        self.refused(self.changed(lambda root: root["pools"][3].__setitem__(3, "<b>")), "damaged", "state")
        self.refused(self.changed(lambda root: root["pools"][3].__setitem__(7, 10 ** 6)), "damaged", "add up")
        self.refused(self.changed(lambda root: root["arenas"][0]["resident_pages"].pop()), "damaged")
        self.refused(self.changed(lambda root: root.update(page_bytes=0)), "damaged")
        self.refused(self.changed(lambda root: root["totals"].update(heaps="1")), "damaged", "'1'")
        self.refused(self.changed(lambda root: root["pools"][3].__setitem__(1, 4 * MIB)), "damaged", "do not add up")
        self.refused(self.changed(lambda root: root["pools"][3].__setitem__(0, 4096)), "damaged", "no pool can be at 0x1000")

    def test_a_damaged_field(self):
        """Whichever it is: the file is refused, or drawn."""
        def small(root):
            spans = [pool for pool in root["pools"] if pool[3] == "span"]
            root["pools"] = root["pools"][:2] + spans[:1]
            root["arenas"] = [a for a in root["arenas"] if any(a["address"] == p[0] - p[0] % (2 * MIB) for p in root["pools"])]
            del root["extents"][1:], root["large_blocks"][1:]

        path = os.path.join(made(), "small.json")
        with open(path, "wb") as file:
            file.write(self.changed(small))
        done = python(oxtest.fastest_interpreter(), "-c", """
import json, os, sys
from oxmalloc import heapmap, snapshots
from oxmalloc.errors import SnapshotError
directory = sys.argv[1]
path = os.path.join(directory, "field.json")
with open(os.path.join(directory, "small.json")) as file:
    root = json.load(file)

def fields(value):
    # One of a long list stands for the others.
    items = value.items() if isinstance(value, dict) else enumerate(value[:12]) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from fields(inner)

def drawn():
    with open(path, "w") as file:
        json.dump(root, file)
    try:
        found = snapshots.load(path)
    except SnapshotError:
        return False
    heapmap.save(os.path.join(directory, "field.html"), [found])
    heapmap.save(os.path.join(directory, "field.svg"), [found])
    return True

assert drawn()
outcomes = []
for place, key in list(fields(root)):
    kept = place[key]
    for place[key] in (None, -1, 1 << 62, 1 << 64, "\\udce9", []):
        try:
            outcomes.append(drawn())
        except Exception as error:
            raise AssertionError("%r in the place of %r (%s)" % (place[key], kept, key)) from error
    place[key] = kept
print(len(outcomes), sum(outcomes))
""", made())
        tried, drawn = map(int, done.stdout.split())
        self.assertGreater(tried, 500)
        # What is only shown: the name of the process, its number, counts.
        self.assertLess(drawn, tried // 4)

    def test_two_of_different_shape(self):
        def fewer(root):
            sizes = {pool[root["pool_fields"].index("block_bytes")] for pool in root["pools"]}
            root["size_classes"].remove(next(size for size in root["size_classes"] if size not in sizes))

        other = os.path.join(made(), "other.json")
        with open(other, "wb") as file:
            file.write(self.changed(fewer))
        done = draw(os.path.join(made(), "full.json"), other, check=False)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn("the snapshots differ in the sizes", done.stderr)

    def test_a_title_that_is_no_text(self):
        for kind in ("html", "svg"):
            path = os.path.join(made(), "title." + kind)
            draw(os.path.join(made(), "full.json"), "-o", path, "--title", "a\x01b\udce9")
            with open(path, encoding="utf-8") as file:
                self.assertIn("a\ufffdb\ufffd", file.read())
            if kind == "svg":
                xml.etree.ElementTree.parse(path)

    def test_a_later_version_may_say_more(self):
        def more(root):
            root["news"] = {"x": 1}
            root["arenas"][0]["colour"] = "blue"
            root["pool_fields"].insert(0, "shape")
            for pool in root["pools"]:
                pool.insert(0, "round")

        path = os.path.join(made(), "more.json")
        with open(path, "wb") as file:
            file.write(self.changed(more))
        draw(path)
        raw = Raw(os.path.join(made(), "full.json"))
        self.assertEqual(Document(os.path.join(made(), "more.html")).figures["arenas"], raw.totals["arenas"])

    def test_what_may_be_missing(self):
        """The RSS, where /proc is not mounted; and all of it, in a heap that nobody has used."""
        def without_rss(root):
            root["process"]["resident_bytes"] = None

        def unused(root):
            for name in ("arenas", "pools", "extents", "large_blocks"):
                root[name] = []

        for name, change in (("rss", without_rss), ("unused", unused)):
            path = os.path.join(made(), name + ".json")
            with open(path, "wb") as file:
                file.write(self.changed(change))
            draw(path)
            draw(path, path, "-o", os.path.join(made(), name + "-two.html"))
            draw(path, "-o", os.path.join(made(), name + ".svg"))
            xml.etree.ElementTree.parse(os.path.join(made(), name + ".svg"))
            if not browser.missing():
                for page in (name, name + "-two"):
                    with browser.Page(os.path.join(made(), page + ".html")) as page:
                        page.evaluate("document.querySelector('canvas').focus()")
                        page.press("ArrowDown", "End", "-", "+")
                        self.assertEqual(page.errors, [])
        document = Document(os.path.join(made(), "rss.html"))
        self.assertNotIn("outside", document.uses)
        self.assertNotIn("RSS of the process", document.figures)
        self.assertEqual(sum(use[0] for use in document.uses.values()), document.figures["heap, resident"])

    def test_places(self):
        snapshot = os.path.join(made(), "full.json")
        for words, reason in (
                ((os.path.join(made(), "none.json"),), "none.json: No such file"),
                ((snapshot, "-o", "/nowhere/heap.html"), "/nowhere/heap.html: No such file"),
                ((snapshot, "-o", os.path.join(made(), "heap.pdf")), "ends in none of .html, .svg, .png")):
            done = draw(*words, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_not_active(self):
        done = python(oxtest.fastest_interpreter(), "-c",
                      "from oxmalloc import heapmap; heapmap.map('/nowhere/x.html')", check=False)
        self.assertIn("NotActiveError", done.stderr)

    def test_map_replaces_snapshots_only(self):
        """Before it writes anything: the snapshot that goes with the picture has a name that nobody gave."""
        code = "import os, sys, oxmalloc; oxmalloc.map(os.fsencode(sys.argv[1]) if 'b' in sys.argv[2:] else sys.argv[1])"

        def mapped(name, *words):
            return python(oxtest.fastest_interpreter(), "-c", code, os.path.join(directory, name), *words,
                          preload=True, check=False)

        with tempfile.TemporaryDirectory() as directory:
            mine = os.path.join(directory, "mine.json")
            with open(mine, "w") as file:
                file.write('{"mine": 1}')
            done = mapped("mine.html")
            self.assertIn("PictureError: %s is there, and no snapshot" % mine, done.stderr)
            self.assertEqual(read(mine), {"mine": 1})
            for name in ("heap.txt", "heap"):
                self.assertIn("ends in none of", mapped(name).stderr)
            self.assertEqual(os.listdir(directory), ["mine.json"])
            # Twice: its own it replaces. And a name as bytes.
            for words in ((), ("b",)):
                self.assertEqual(mapped("heap.html", *words).stderr, "")
            self.assertEqual(sorted(os.listdir(directory)), ["heap.html", "heap.json", "mine.json"])

    def test_png(self):
        snapshot, png = os.path.join(made(), "full.json"), os.path.join(made(), "full.png")
        code = "import sys; sys.modules['cairosvg'] = None; import oxmalloc.__main__ as m; sys.exit(m.main(sys.argv[1:]))"
        done = python(oxtest.fastest_interpreter(), "-c", code, "map", snapshot, "-o", png, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("pip install cairosvg", done.stderr)
        self.assertFalse(os.path.exists(png))
        able = [py for py in oxtest.interpreters()[0] if not python(py, "-c", "import cairosvg", check=False).returncode]
        if not able:
            self.skipTest("no interpreter has cairosvg")
        draw(snapshot, "-o", png, py=able[0])
        with open(png, "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
