"""The pools of a snapshot as the page's script reads them: packed columns.

A value for each place of each arena (32 in 2 MiB), in use or not, in columns
that follow each other, little endian: see COLUMNS. 160,000 pools are 1.6 MB so,
a third of it when deflated.
"""
from __future__ import annotations

import base64
import sys
import zlib
from array import array
from typing import Any, Dict, List, Sequence

from ..snapshots import Snapshot

COLUMNS = (
    ("kind", "B"),  # VACANT, index of the size class + 1, SPAN or INSIDE
    ("domain", "B"),  # 0 MEM, 1 OBJ
    ("live", "H"),  # blocks
    ("untouched", "H"),  # blocks; of a span how many places it has
    ("resident", "B"),  # pages
    ("purged", "B"),  # pages
    ("age", "I"),  # in steps of AGE_MS
)
VACANT, SPAN, INSIDE = 0, 254, 255
AGE_MS = 16
"""The library's own resolution."""


def pack(snapshot: Snapshot) -> str:
    """The columns, deflated, as base64."""
    places = snapshot.arena_bytes // snapshot.pool_bytes
    kind_of = {size: index + 1 for index, size in enumerate(snapshot.size_classes)}
    columns: Dict[str, "array[int]"] = {
        name: array(code, bytes(array(code).itemsize * places * len(snapshot.arenas)))
        for name, code in COLUMNS}
    for row, arena in enumerate(snapshot.arenas):
        columns["resident"][row * places:(row + 1) * places] = array("B", arena.resident_pages)
    for pool, row, first, count in snapshot.places():
        at = row * places + first
        span = count if pool.is_span else 0
        columns["kind"][at] = SPAN if span else kind_of[pool.block_bytes]
        columns["domain"][at] = pool.domain == "obj"
        columns["live"][at] = pool.live
        columns["untouched"][at] = span or pool.untouched
        columns["purged"][at] = pool.purged_bytes // snapshot.page_bytes
        columns["age"][at] = min(pool.age_ms // AGE_MS, 0xffffffff)
        for inside in range(at + 1, at + span):
            columns["kind"][inside] = INSIDE
    return base64.b64encode(zlib.compress(b"".join(map(_little_endian, columns.values())), 6)).decode()


def _little_endian(column: "array[int]") -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def describe(snapshot: Snapshot) -> Dict[str, Any]:
    """What the script needs beside the columns."""
    return {
        "columns": [[name, array(code).itemsize] for name, code in COLUMNS],
        "vacant": VACANT, "span": SPAN, "inside": INSIDE, "ageMs": AGE_MS,
        "pageBytes": snapshot.page_bytes,
        "poolBytes": snapshot.pool_bytes,
        "places": snapshot.arena_bytes // snapshot.pool_bytes,
        "sizeClasses": list(snapshot.size_classes),
    }


def rows(snapshots: Sequence[Snapshot]) -> List[List[int]]:
    """[address, row in each snapshot or -1] for each arena of the picture, by
    address when all are of one process. Else no address means the same in both,
    and the first stands beside the first."""
    one_process = len({s.process.pid for s in snapshots}) == 1
    found: Dict[int, List[int]] = {}
    for number, snapshot in enumerate(snapshots):
        for row, arena in enumerate(snapshot.arenas):
            places = found.setdefault(
                arena.address if one_process else row, [arena.address] + [-1] * len(snapshots))
            places[number + 1] = row
    return [found[key] for key in sorted(found)]
