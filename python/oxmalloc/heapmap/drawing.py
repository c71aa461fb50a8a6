"""The picture as a still one, for reports: an SVG of a few dozen KB at any size
of the heap. Colours are those of page.css, light and dark."""
from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..snapshots import Snapshot
from . import account, cells, verdict
from ._common import asset, default_title, escape, of_whom
from .account import Account
from .._words import number, size

WIDTH, MARGIN = 900, 24
INNER = WIDTH - 2 * MARGIN
MAP_ROWS = 48
CLASSES = 8
LINE = 18


def drawing(snapshots: Sequence[Snapshot], title: Optional[str] = None) -> str:
    """The SVG of one snapshot, or of two: before and after."""
    accounts = [account.of(snapshot) for snapshot in snapshots]
    to = _Sheet()
    to.text(MARGIN, 16, title or default_title(snapshots), "title")
    names = ("",) if len(accounts) == 1 else ("before: ", "after: ")
    for name, a in zip(names, accounts):
        to.line(name + of_whom(a.snapshot), "soft")
    said = verdict.of(accounts[0]) if len(accounts) == 1 else verdict.between(*accounts)
    to.y += 6
    for line in textwrap.wrap(said, 105):
        to.line(line)
    _uses(to, accounts)
    _map(to, accounts)
    _classes(to, accounts[-1], ", after" if len(accounts) == 2 else "")
    return to.finish()


class _Sheet:
    """What is drawn so far, from the top to `y`."""

    def __init__(self) -> None:
        self.y = 16
        self.parts: List[str] = []

    def text(self, x: float, down: float, text: str, css: str = "", y: Optional[float] = None) -> None:
        """Text at x; moves down first, or writes at y and stays."""
        if y is None:
            self.y += int(down)
            y = self.y
        self.parts.append('<text x="%g" y="%g"%s>%s</text>' % (
            x, y, ' class="%s"' % css if css else "", escape(text)))

    def line(self, text: str, css: str = "") -> None:
        self.text(MARGIN, LINE, text, css)

    def rect(self, x: float, y: float, width: float, height: float, css: str) -> None:
        self.parts.append('<rect class="%s" x="%g" y="%g" width="%g" height="%g"/>' % (
            css, round(x, 2), round(y, 2), round(width, 2), height))

    def bar(self, x: float, width: float, height: float, parts: Sequence[Tuple[str, int]], of: int) -> None:
        for css, amount in parts:
            wide = width * amount / max(of, 1)
            if wide > 0:
                self.rect(x, self.y, wide, height, css)
            x += wide

    def finish(self) -> str:
        height = self.y + MARGIN
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">\n<style>%s</style>\n'
            '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="hollow" '
            'width="6" height="6"/><path class="line" d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2"/></pattern></defs>\n'
            '<rect class="paper" width="%d" height="%d"/>\n%s\n</svg>\n' % (
                WIDTH, height, WIDTH, height, _style(), WIDTH, height, "\n".join(self.parts)))


def _style() -> str:
    css = asset("page.css")
    light, dark = (_colours(text) for text in css.partition("@media (prefers-color-scheme: dark)")[::2])
    return (
        'text{font:13px "DejaVu Sans",system-ui,sans-serif}.title{font-size:20px;font-weight:bold}'
        '.head{font-size:15px;font-weight:bold}.soft{font-size:12px}.right{font-size:12px;text-anchor:end}'
        '.idle{fill:url(#hatch)}.line{fill:none;stroke-width:2}%s@media (prefers-color-scheme:dark){%s}' % (
            light, dark))


def _colours(css: str) -> str:
    """Classes with the colours of page.css."""
    found: Dict[str, str] = {}
    for name, value in re.findall(r"--([\w-]+):\s*([^;]+);", css):
        found.setdefault(name, value)
    rules = ["text{fill:%(ink)s}.soft,.right{fill:%(soft)s}.line{stroke:%(idle)s}.paper{fill:%(paper)s}" % found]
    rules += [".%s{fill:%s}" % (name, found[name]) for name in (
        "hollow", "live", "pinned", "kept", "outside", "free", "untouched")]
    rules += [".f%d{fill:%s}" % (step, colour) for step, colour in enumerate(found["fullness"].split())]
    return "".join(rules)


def _uses(to: _Sheet, accounts: Sequence[Account]) -> None:
    known = accounts[-1].uses.outside is not None
    to.text(MARGIN, 34, "Where the RSS is" if known else "Where resident memory is", "head")
    longest = max(map(verdict.whole, accounts))
    left = 54 if len(accounts) == 2 else 0
    to.y += 10
    for name, a in zip(("before", "after"), accounts):
        if left:
            to.text(MARGIN, 0, name, "soft", to.y + 15)
        to.bar(MARGIN + left, INNER - left, 20, [
            (use.name, getattr(a.uses, use.name) or 0) for use in verdict.USES], longest)
        to.y += 24
    for index, use in enumerate(verdict.USES):
        column = index % 3
        if column == 0:
            to.y += LINE
        x = MARGIN + column * INNER / 3
        amounts = " \N{RIGHTWARDS ARROW} ".join(size(getattr(a.uses, use.name) or 0) for a in accounts)
        if use.name == "outside" and not known:
            continue
        to.rect(x, to.y - 10, 11, 11, use.name)
        to.text(x + 17, 0, "%s %s" % (amounts, use.title), y=to.y)


class _Place(NamedTuple):
    """A pool, or several added up (bytes)."""

    mapped: int = 0
    live: int = 0
    usable: int = 0
    used: int = 0
    idle: int = 0


def _places(s: Snapshot) -> List[List[_Place]]:
    """Each arena's pools."""
    rows = [[_Place(mapped=s.pool_bytes, idle=pages * s.page_bytes) for pages in arena.resident_pages]
            for arena in s.arenas]
    for pool, row, first, count in s.places():
        if not pool.live:
            continue
        for at in range(first, first + count):
            rows[row][at] = _Place(
                s.pool_bytes, s.pool_bytes if pool.is_span else pool.live * pool.block_bytes,
                s.pool_bytes if pool.is_span else pool.capacity * pool.block_bytes, rows[row][at].idle, 0)
    return rows


def _map(to: _Sheet, accounts: Sequence[Account]) -> None:
    snapshots = [a.snapshot for a in accounts]
    order = cells.rows(snapshots)
    if not order:
        return
    s = snapshots[-1]
    places = s.arena_bytes // s.pool_bytes
    unit = 1
    while len(order) > MAP_ROWS * unit:
        unit *= 2
    to.text(MARGIN, 34, "Arenas and pools", "head")
    to.line("A row is %s (%s), a cell %s. What is filled is resident; colour says how much of it is live blocks." % (
        "%d arenas" % unit if unit > 1 else "an arena", size(unit * s.arena_bytes), size(unit * s.pool_bytes)), "soft")
    x = MARGIN
    to.y += 8
    to.text(x, 0, "few", "soft", to.y + 11)
    for step in range(8):
        to.rect(x + 28 + step * 16, to.y, 16, 12, "f%d" % step)
    to.text(x + 162, 0, "all live", "soft", to.y + 11)
    to.rect(x + 232, to.y, 16, 12, "idle")
    to.text(x + 254, 0, "resident, no live block", "soft", to.y + 11)
    to.rect(x + 412, to.y, 16, 12, "hollow")
    to.text(x + 434, 0, "not resident: given back, or never used", "soft", to.y + 11)
    to.y += 22
    between = 16
    wide = (INNER - between * (len(snapshots) - 1)) / len(snapshots)
    count = -(-len(order) // unit)
    tall = 16 if count <= 12 else 9 if count <= 32 else 7
    if len(snapshots) == 2:
        to.y += 14
        for pane, name in enumerate(("before", "after")):
            to.text(MARGIN + pane * (wide + between), 0, name, y=to.y)
        to.y += 8
    for pane, snapshot in enumerate(snapshots):
        _pane(to, _places(snapshot), [row[1 + pane] for row in order], places, unit,
              (MARGIN + pane * (wide + between), wide / places, tall))
    to.y += count * tall


def _pane(
    to: _Sheet, arenas: List[List[_Place]], order: List[int], places: int, unit: int,
    geometry: Tuple[float, float, int],
) -> None:
    """One snapshot's cells: a path for each colour."""
    left, pitch, tall = geometry
    flat: List[_Place] = []
    for row in order:
        flat.extend(arenas[row] if row >= 0 else [_Place()] * places)
    paths: Dict[str, List[str]] = defaultdict(list)
    width = pitch - (1 if pitch > 4 else .5)
    height = tall - 1
    for cell in range(-(-len(flat) // unit)):
        parts = flat[cell * unit:(cell + 1) * unit]
        mapped, live, usable, used, idle = map(sum, zip(*parts))
        if not mapped:
            continue
        x, bottom = left + cell % places * pitch, to.y + cell // places * tall + height
        colours = (("f%d" % min(int(8 * live / max(usable, 1)), 7), used), ("idle", idle), ("hollow", mapped))
        top = float(bottom)
        for css, amount in colours:
            high = min(max(height * amount / mapped, .7) if amount else 0, top - (bottom - height))
            if high > 0:
                paths[css].append("M%.4g %.4gh%.3gv-%.3gh-%.3gz" % (x, top, width, high, width))
            top -= high
    for css, path in sorted(paths.items()):
        to.parts.append('<path class="%s" d="%s"/>' % (css, "".join(path)))


def _classes(to: _Sheet, a: Account, when: str) -> None:
    pool_bytes = a.snapshot.pool_bytes
    largest = sorted(a.classes, key=lambda c: -c.pools)[:CLASSES]
    if not largest:
        return
    longest = max(c.pools for c in largest) * pool_bytes
    to.text(MARGIN, 34, "The largest size classes" + when, "head")
    x = MARGIN
    for css, name in (("live", "live"), ("free", "free"), ("untouched", "untouched")):
        to.rect(x + 280, to.y - 10, 11, 11, css)
        to.text(x + 297, 0, name, "soft", to.y)
        x += 70
    to.y += 10
    for c in sorted(largest, key=lambda c: c.block_bytes):
        to.text(MARGIN + 48, 0, number(c.block_bytes), "right", to.y + 11)
        to.bar(MARGIN + 56, 470, 13, [
            ("live", c.live_bytes), ("free", c.free_bytes), ("untouched", c.untouched_bytes)], longest)
        to.text(MARGIN + 540, 0, "%s blocks, %s; pinned %s" % (
            number(c.live), size(c.live_bytes), size(c.pinned_bytes)), "soft", to.y + 11)
        to.y += LINE
    sparse = a.nearly_empty
    if sparse:
        to.line("%s%s of %s arenas are nearly empty: for %s of live blocks they pin %s." % (
            when and "After, ", number(len(sparse)), number(len(a.arenas)), size(sum(use.live_bytes for use in sparse)),
            size(sum(use.excess_bytes for use in sparse))))
