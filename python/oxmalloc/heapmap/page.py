"""The picture as one page that needs nothing else: figures, bars and lists are
plain HTML, the map is drawn by page.js from the packed pools."""
from __future__ import annotations

import json
from typing import Callable, Iterable, List, Optional, Sequence, Tuple, TypeVar

from .._words import age, change, number, number_change, share, size
from ..snapshots import LargeBlock, Snapshot
from . import account, cells, verdict
from ._common import asset, default_title, escape, of_whom
from .account import Account, ArenaUse, SizeClass

LISTED = 50
"""Rows of a list at most; what is left out is summed up."""

AT_ONCE = 20
"""Size classes that are not folded away."""

_Row = TypeVar("_Row")


def page(snapshots: Sequence[Snapshot], title: Optional[str] = None) -> str:
    """The page of one snapshot, or of two: before and after."""
    accounts = [account.of(snapshot) for snapshot in snapshots]
    heading = title or default_title(snapshots)
    sections = [
        _head(accounts, heading), _uses(accounts), _figures(accounts), _map(accounts), _classes(accounts),
        _nearly_empty(accounts[-1], len(accounts) > 1), _large(accounts[-1], len(accounts) > 1), _reading(),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="generator" content="oxmalloc %s">\n<title>%s</title>\n<style>\n%s</style>\n%s\n'
        '<script type="application/json" id="heap">%s</script>\n<script>\n%s</script>\n</html>\n' % (
            escape(snapshots[-1].version), escape(heading), asset("page.css"), "\n".join(sections),
            _data(snapshots), asset("page.js")))


def _data(snapshots: Sequence[Snapshot]) -> str:
    data = json.dumps({
        "cells": cells.describe(snapshots[-1]),
        "packed": [cells.pack(snapshot) for snapshot in snapshots],
        "rows": cells.rows(snapshots),
    }, separators=(",", ":"))
    return data.replace("<", "\\u003c")


# --- Sections -------------------------------------------------------------------

def _head(accounts: Sequence[Account], heading: str) -> str:
    if len(accounts) == 1:
        said = escape(verdict.of(accounts[0]))
        who = escape(of_whom(accounts[0].snapshot))
    else:
        said = escape(verdict.between(*accounts))
        who = "before: %s<br>after: %s" % tuple(escape(of_whom(a.snapshot)) for a in accounts)
    return '<header><h1>%s</h1>\n<p class="soft">%s</p>\n<p class="verdict">%s</p></header>' % (
        escape(heading), who, said)


def _bar(parts: Iterable[Tuple[str, int]], of: int, tall: bool = False) -> str:
    """Parts (class, amount) of a whole, to scale; for the eye only."""
    return '<div class="bar%s" aria-hidden="true">%s</div>' % (" tall" if tall else "", "".join(
        '<i class="%s" style="width:%.3f%%"></i>' % (name, 100 * amount / max(of, 1))
        for name, amount in parts if amount > 0))


def _parts(a: Account) -> List[Tuple[str, int]]:
    return [(use.name, getattr(a.uses, use.name) or 0) for use in verdict.USES]


def _uses(accounts: Sequence[Account]) -> str:
    known = accounts[-1].uses.outside is not None
    longest = max(map(verdict.whole, accounts))
    bars = [_bar(_parts(a), longest, tall=True) for a in accounts]
    lines = []
    for use in verdict.USES:
        amounts = [getattr(a.uses, use.name) for a in accounts]
        if use.name == "outside" and not known:
            continue
        shown = "".join("<b data-use=\"%s\" data-bytes=\"%d\">%s</b>" % (use.name, amount or 0, size(amount or 0))
                        for amount in amounts)
        if len(amounts) == 2:
            shown += "<b>%s</b>" % change((amounts[1] or 0) - (amounts[0] or 0))
        percent = " \N{RIGHTWARDS ARROW} ".join(
            escape(share(amount or 0, verdict.whole(a))) for amount, a in zip(amounts, accounts))
        lines.append('<li><i class="key %s"></i>%s<span>%s <span class="soft">%s, %s</span></span></li>' % (
            use.name, shown, use.title, percent, use.text))
    title = "Where the RSS is" if known else "Where resident memory is"
    if len(accounts) == 1:
        return '<section><h2>%s</h2>%s<ul class="uses">%s</ul></section>' % (title, bars[0], "".join(lines))
    return (
        '<section><h2>%s</h2><div class="pair"><span>before</span>%s<span>after</span>%s</div><ul class="uses two">'
        '<li class="head"><i></i><b>before</b><b>after</b><b>change</b><span></span></li>%s</ul></section>' % (
            title, bars[0], bars[1], "".join(lines)))


def _figures(accounts: Sequence[Account]) -> str:
    """Totals, as the snapshot has them."""
    def tile(name: str, values: Sequence[Optional[int]], in_bytes: bool, note: str = "") -> str:
        if values[-1] is None:
            return ""
        last = values[-1]
        text = size(last) if in_bytes else number(last)
        first = values[0]
        if len(values) == 2 and first is not None:
            by = last - first
            note = "%s since before" % (change(by) if in_bytes else number_change(by))
        return '<div><dt>%s</dt><dd data-figure="%s" data-value="%d">%s%s</dd></div>' % (
            name, name, last, text, "<small>%s</small>" % note if note else "")

    snapshots = [a.snapshot for a in accounts]
    totals = [s.totals for s in snapshots]
    t = totals[-1]
    tiles = [
        tile("RSS of the process", [s.process.resident_bytes for s in snapshots], True, "as the kernel counts"),
        tile("heap, resident", [x.resident_bytes for x in totals], True,
             "of %s mapped" % size(t.mapped_bytes)),
        tile("live blocks", [x.mem.live_blocks + x.obj.live_blocks for x in totals], False,
             "%s in all" % size(t.mem.live_bytes + t.obj.live_bytes)),
        tile("objects (OBJ), live", [x.obj.live_bytes for x in totals], True,
             "%s blocks" % number(t.obj.live_blocks)),
        tile("buffers (MEM), live", [x.mem.live_bytes for x in totals], True,
             "%s blocks" % number(t.mem.live_blocks)),
        tile("arenas", [x.arenas for x in totals], False, "%s at the peak" % number(t.arenas_peak)),
        tile("pools in use", [x.pools_used + x.pools_full + x.pools_empty for x in totals], False,
             "%s full, %s empty" % (number(t.pools_full), number(t.pools_empty))),
        tile("given back, ever", [x.given_back_bytes for x in totals], True,
             "in %s calls" % number(t.given_back_calls)),
    ]
    return '<dl class="figures">%s</dl>' % "".join(tiles)


def _map(accounts: Sequence[Account]) -> str:
    modes = [("fullness", "how full"), ("class", "size class"), ("age", "age")]
    if len(accounts) == 2:
        modes[:0] = [("resident", "resident, change"), ("live", "live, change")]
    chosen = "fullness" if len(accounts) == 1 else _changed_more(*accounts)
    radios = "".join('<label><input type="radio" name="mode" value="%s"%s> %s</label>' % (
        mode, " checked" if mode == chosen else "", text) for mode, text in modes)
    notes = []
    if len(accounts) == 2:
        if len({a.snapshot.process.pid for a in accounts}) > 1:
            notes.append("The snapshots are of two processes: rows side by side are the first, second … arena "
                         "of each, not the same memory.")
    unplaced = sum(a.unplaced for a in accounts)
    if unplaced:
        notes.append("%s pools are not shown: other threads opened them while the snapshot was taken." % (
            number(unplaced)))
    s = accounts[-1].snapshot
    sides = '<div class="sides"><span>before</span><span>after</span></div>' if len(accounts) == 2 else ""
    if not any(a.snapshot.arenas for a in accounts):
        notes.append("There are no arenas: nothing was allocated yet.")
    return (
        '<section><h2>Arenas and pools</h2>\n'
        '<p class="soft">A cell is a pool of %s with blocks of one size; %d of them, a row, are an arena of %s. '
        'In a large heap each stands for several: choose below. The coloured part of a cell is resident. Point '
        'at a cell, tap it, or move with the arrow keys; <kbd>+</kbd> and <kbd>&minus;</kbd> go nearer and '
        'farther.</p>\n%s'
        '<div class="controls"><fieldset><legend>Colour:</legend>%s</fieldset>'
        '<label>A row is <select id="zoom"></select></label></div>\n'
        '<div class="legend" id="legend"></div>\n%s'
        '<div class="map" id="map"><canvas tabindex="0" role="application" '
        'aria-label="Map of the heap. Arrow keys move from pool to pool." aria-describedby="tip"></canvas>'
        '<div class="spacer"></div></div>\n'
        '<div class="tip" id="tip" role="status" hidden></div></section>' % (
            size(s.pool_bytes), s.arena_bytes // s.pool_bytes, size(s.arena_bytes),
            "".join('<p class="note">%s</p>' % escape(note) for note in notes), radios, sides))


def _changed_more(before: Account, after: Account) -> str:
    resident = abs(after.uses.heap - before.uses.heap)
    return "live" if abs(after.live_bytes - before.live_bytes) > resident else "resident"


def _table(head: Sequence[str], rows: Iterable[str]) -> str:
    return '<div class="scroll"><table><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>' % (
        "".join(head), "".join("<tr>%s</tr>" % row for row in rows))


def _th(text: str, css: str = "") -> str:
    return '<th scope="col"%s>%s</th>' % (' class="%s"' % css if css else "", text)


def _td(text: str, css: str = "", value: Optional[int] = None) -> str:
    return "<td%s%s>%s</td>" % (
        ' class="%s"' % css if css else "", "" if value is None else ' data-value="%d"' % value, text)


def _button(kind: int, text: str) -> str:
    return '<th scope="row"><button class="plain" data-kind="%d" aria-pressed="false" title="show these alone on ' \
        'the map">%s</button></th>' % (kind, text)


def _key(css: str, text: str) -> str:
    return '<span><i class="key %s"></i>%s</span>' % (css, text)


def _classes(accounts: Sequence[Account]) -> str:
    if len(accounts) == 2:
        return _changed_classes(*accounts)
    a = accounts[0]
    kind_of = {block: index + 1 for index, block in enumerate(a.snapshot.size_classes)}
    longest = max([_pool_bytes(a, c) for c in a.classes] + [a.spans.bytes, a.large.bytes, 1])

    def row(c: SizeClass) -> str:
        parts = [("live", c.live_bytes), ("free", c.free_bytes), ("untouched", c.untouched_bytes),
                 ("tail", c.tail_bytes)]
        return "".join((
            _button(kind_of[c.block_bytes], number(c.block_bytes)),
            _td(_bar(parts, longest), "wide"),
            _td(number(c.live), value=c.live),
            _td(size(c.live_bytes), value=c.live_bytes),
            _td(size(c.free_bytes), value=c.free_bytes),
            _td(size(c.untouched_bytes), value=c.untouched_bytes),
            _td(size(c.pinned_bytes), value=c.pinned_bytes),
            _td("&le; " + size(c.rounding_most), "optional", c.rounding_most),
            _td(number(c.pools), "optional", c.pools),
            _td(age(c.oldest_ms), "optional"),
        ))

    def single(name: str, s: account.Singles, kind: int) -> str:
        absent = max(s.bytes - s.resident_bytes, 0)
        first = _button(kind, name) if kind else '<th scope="row">%s</th>' % name
        return "".join((
            first,
            _td(_bar([("live", s.bytes - absent), ("absent", absent)], longest), "wide"),
            _td(number(s.blocks), value=s.blocks), _td(size(s.bytes), value=s.bytes),
            _td(""), _td(size(absent) if absent else ""), _td(""), _td("", "optional"), _td("", "optional"),
            _td(age(s.oldest_ms), "optional")))

    large, small = _apart(a.classes, lambda c: _pool_bytes(a, c))
    rows = [row(c) for c in large]
    if a.spans.blocks:
        rows.append(single("spans", a.spans, cells.SPAN))
    if a.large.blocks:
        rows.append(single("large", a.large, 0))
    head = [
        _th("bytes"), _th("", "wide"), _th("live blocks"), _th("live"), _th("free"), _th("untouched"),
        _th("pinned"), _th("rounding", "optional"), _th("pools", "optional"), _th("oldest", "optional")]
    return (
        '<section id="classes"><h2>Size classes</h2>\n'
        '<p class="soft">What a program asks for is rounded up to one of %d sizes of blocks. <em>Free</em> blocks '
        'have been used; <em>untouched</em> ones never were, or their pages went back. <em>Pinned</em> is what is '
        'resident beyond the live blocks. <em>Rounding</em> is not recorded: the figure is the most that live '
        'blocks lose when each holds a request of its own class. Press a size to see it alone on the map.</p>\n'
        '<div class="legend">%s%s%s%s%s</div>%s</section>' % (
            len(a.snapshot.size_classes), _key("live", "live"), _key("free", "free"), _key("untouched", "untouched"),
            _key("tail", "behind the last block"), _key("absent", "of spans and large blocks, not resident"),
            _table(head, rows) + _folded(head, [row(c) for c in small], sum(_pool_bytes(a, c) for c in small))))


def _apart(rows: Sequence[_Row], weight: Callable[[_Row], int]) -> Tuple[List[_Row], List[_Row]]:
    """The rows that matter, and the others; both in the order they have."""
    heaviest = sorted(map(weight, rows), reverse=True)
    least = max(heaviest[AT_ONCE] + 1 if len(heaviest) > AT_ONCE else 0, sum(heaviest) // 1000)
    return [row for row in rows if weight(row) >= least], [row for row in rows if weight(row) < least]


def _folded(head: Sequence[str], rows: Sequence[str], of: int) -> str:
    if not rows:
        return ""
    return "<details><summary>%d smaller ones, %s of pools</summary>%s</details>" % (
        len(rows), size(of), _table(head, rows))


def _pool_bytes(a: Account, c: SizeClass) -> int:
    return c.pools * a.snapshot.pool_bytes


def _changed_classes(before: Account, after: Account) -> str:
    kind_of = {block: index + 1 for index, block in enumerate(after.snapshot.size_classes)}
    by_size = [{c.block_bytes: c for c in a.classes} for a in (before, after)]
    singles = [
        ("spans", before.spans, after.spans, cells.SPAN), ("large", before.large, after.large, 0)]
    longest = max(
        [_pool_bytes(a, c) for a in (before, after) for c in a.classes]
        + [s.bytes for _, b, a, _ in singles for s in (b, a)] + [1])
    rows, weights = [], []
    for block in sorted(set(by_size[0]) | set(by_size[1])):
        pair = [found.get(block) for found in by_size]
        bars = "".join(
            _bar([("live", c.live_bytes), ("free", c.free_bytes), ("untouched", c.untouched_bytes),
                  ("tail", c.tail_bytes)], longest) if c else _bar([], 1) for c in pair)
        blocks = [c.live if c else 0 for c in pair]
        live = [c.live_bytes if c else 0 for c in pair]
        pinned = [c.pinned_bytes if c else 0 for c in pair]
        rows.append(_button(kind_of[block], number(block)) + _change_cells(bars, blocks, live, pinned))
        weights.append(max(c.pools for c in pair if c) * after.snapshot.pool_bytes)
    pools_of = dict(zip(rows, weights))
    rows, small = _apart(rows, pools_of.__getitem__)
    for name, first, second, kind in singles:
        if first.blocks or second.blocks:
            bars = "".join(_bar([("live", s.bytes)], longest) for s in (first, second))
            button = _button(kind, name) if kind else '<th scope="row">%s</th>' % name
            rows.append(button + _change_cells(
                bars, [first.blocks, second.blocks], [first.bytes, second.bytes], None))
    head = [_th("bytes"), _th("before, after", "wide"), _th("live blocks"), _th("change"), _th("live"), _th("change"),
            _th("pinned", "optional"), _th("change")]
    return (
        '<section id="classes"><h2>Size classes, after and what changed</h2><div class="legend">%s%s%s%s</div>'
        '%s</section>' % (
            _key("live", "live"), _key("free", "free"), _key("untouched", "untouched"),
            _key("tail", "behind the last block"),
            _table(head, rows) + _folded(head, small, sum(pools_of[row] for row in small))))


def _change_cells(bars: str, blocks: List[int], live: List[int], pinned: Optional[List[int]]) -> str:
    return "".join((
        _td(bars, "wide"),
        _td(number(blocks[1]), value=blocks[1]), _td(number_change(blocks[1] - blocks[0])),
        _td(size(live[1]), value=live[1]), _td(change(live[1] - live[0])),
        _td(size(pinned[1]) if pinned else "", "optional"), _td(change(pinned[1] - pinned[0]) if pinned else "")))


def _nearly_empty(a: Account, after: bool) -> str:
    sparse = a.nearly_empty
    title = "<h2>Nearly empty arenas%s</h2>" % (", after" if after else "")
    idle = ""
    if a.vacant:
        idle = " %s hold no live block, and are resident with %s: idle, not pinned." % (
            number(len(a.vacant)), size(sum(use.resident_bytes for use in a.vacant)))
    if not sparse:
        return '<section id="sparse">%s<p>There are none: each arena with a live block is more than a quarter of ' \
            'them.%s</p></section>' % (title, idle)
    pins = sum(use.excess_bytes for use in sparse)

    def row(use: ArenaUse) -> str:
        held = ", ".join("%s &times; %s" % (number(blocks), number(block)) for block, blocks in use.classes[:3])
        more = len(use.classes) - 3
        return "".join((
            '<th scope="row"><button class="plain address" data-arena="%d" title="show it on the map">%#x</button></th>' % (
                use.arena.address, use.arena.address),
            _td(size(use.excess_bytes), value=use.excess_bytes),
            _td(_bar([("live", use.resident_bytes - use.excess_bytes), ("pinned", use.excess_bytes)],
                     use.arena.bytes), "wide"),
            _td(size(use.live_bytes), value=use.live_bytes),
            _td(number(use.live_blocks), "optional", use.live_blocks),
            _td(number(use.pools), "optional", use.pools),
            _td("%s bytes%s" % (held, ", %d more" % more if more > 0 else ""), "words"),
            _td(age(use.oldest_ms), "optional"),
        ))

    head = [_th("arena"), _th("pins"), _th("", "wide"), _th("live"), _th("live blocks", "optional"),
            _th("pools", "optional"), _th("who stays", "words"), _th("oldest pool", "optional")]
    rest = sparse[LISTED:]
    more = '<p class="soft">%s more pin %s.</p>' % (
        number(len(rest)), size(sum(use.excess_bytes for use in rest))) if rest else ""
    return (
        '<section id="sparse">%s<p>%s of %s arenas are at most a quarter live blocks: for %s of them they pin '
        '<b data-figure="pinned by nearly empty arenas" data-value="%d">%s</b>, resident beyond what lives there. '
        'Those that pin most first.%s</p>%s%s</section>' % (
            title, number(len(sparse)), number(len(a.arenas)), size(sum(use.live_bytes for use in sparse)), pins,
            size(pins), idle, _table(head, map(row, sparse[:LISTED])), more))


def _large(a: Account, after: bool) -> str:
    s = a.snapshot
    title = "<h2>Large blocks%s</h2>" % (", after" if after else "")
    kept = "Of freed ones %s is kept for the next, and %s resident." % (
        size(s.totals.large_cached_bytes), size(a.uses.kept))
    if not s.large_blocks:
        return '<section id="large">%s<p>There is no block above 1 MiB. %s</p></section>' % (title, kept)
    blocks = sorted(s.large_blocks, key=lambda block: (-block.bytes, block.address))
    longest = blocks[0].bytes

    def row(block: LargeBlock) -> str:
        absent = max(block.bytes - block.resident_bytes, 0)
        return "".join((
            '<th scope="row" class="address">%#x</th>' % block.address,
            _td(size(block.bytes), value=block.bytes),
            _td(_bar([("live", block.bytes - absent), ("absent", absent)], longest), "wide"),
            _td(size(block.resident_bytes), value=block.resident_bytes),
            _td("objects" if block.domain == "obj" else "buffers", "optional"),
            _td(age(block.age_ms))))

    head = [_th("address"), _th("size"), _th("", "wide"), _th("resident"), _th("domain", "optional"), _th("age")]
    rest = blocks[LISTED:]
    more = '<p class="soft">%s more have %s.</p>' % (
        number(len(rest)), size(sum(block.bytes for block in rest))) if rest else ""
    return '<section id="large">%s<p>%s blocks above 1 MiB have %s, of that %s resident. %s</p>%s%s</section>' % (
        title, number(a.large.blocks), size(a.large.bytes), size(a.large.resident_bytes), kept,
        _table(head, map(row, blocks[:LISTED])), more)


def _reading() -> str:
    return (
        "<section><h2>What is measured, what is counted, what is not known</h2><p><b>Measured</b>, by the kernel: the "
        "RSS, and which pages of the heap are resident. <b>Counted</b>, by the allocator: blocks and their bytes, a "
        "block with the full size of its class; pages that went back. <b>Not known</b>: how many bytes of a block "
        "the program asked for, and which objects the blocks are. The RAW domain passes to libc and is part of "
        "&ldquo;not in this heap&rdquo;. Ages are since the pool was opened (of a large block: since it was last "
        "resized), not those of its blocks.</p></section>")
