"""What a part of a program takes, and what it leaves."""
from __future__ import annotations

import ctypes
import dataclasses
import functools
from types import TracebackType
from typing import Any, Dict, List, Optional, Tuple, Type

from ._library import CLASS_KINDS, DOMAIN_NAMES, OX_OK, OxClassStats
from ._statistics import class_rows
from ._status import active_library
from .errors import OxmallocError


@dataclasses.dataclass(frozen=True)
class Change:
    """What happened to one domain, or one size class of it, in a region.

    A block that is resized and stays in its size class counts only with the
    bytes that it grows or shrinks by.
    """

    left_blocks: int
    """Allocated blocks more (or, below 0, fewer) than at the region's start."""
    left_bytes: int
    """Their bytes."""
    taken_blocks: int
    """Blocks that were allocated in the region, whether they still live or not."""
    taken_bytes: int
    """Their bytes."""
    freed_blocks: int
    """Blocks that were freed in the region, also such as it found."""
    freed_bytes: int
    """Their bytes."""


@dataclasses.dataclass(frozen=True)
class ClassChange(Change):
    """A `Change` of one size class; or of all spans, or all large blocks."""

    domain: str
    """"mem" or "obj"."""
    kind: str
    """"class", "span" (blocks of 32 KiB to 1 MiB) or "large" (above)."""
    block_bytes: int
    """Size of a block; 0 where blocks differ (spans, large blocks)."""


class Measurement:
    """A region of the program, as `measure()` begins it with `with`.

    The figures are there when the region has ended. They are of the process:
    what other threads do meanwhile is in them.
    """

    total: Change
    """Both domains together."""
    by_domain: Dict[str, Change]
    """"mem" and "obj"."""
    by_class: Tuple[ClassChange, ...]
    """The size classes in which something happened."""
    complete: bool
    """False when tracemalloc, which ran at the start, was stopped inside the
    region: then `taken` and `freed` miss what came later. `left` is right."""

    def __init__(self, own: Optional[List[ClassChange]] = None) -> None:
        self._own = own

    def __enter__(self) -> Measurement:
        self._lib = lib = active_library()
        self._before, self._after = class_rows(lib), class_rows(lib)
        self._row_bytes, self._count = ctypes.sizeof(OxClassStats), len(self._before)
        code = lib.Ox_StartCounting()
        if code != OX_OK:
            raise OxmallocError("counting could not start (code %d)" % code)
        lib.Ox_GetClassStats(self._before, self._row_bytes, self._count)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        lib = self._lib
        lib.Ox_GetClassStats(self._after, self._row_bytes, self._count)
        self.complete = lib.Ox_StopCounting() == OX_OK
        rows = [_change(before, after) for before, after in zip(self._before, self._after)]
        del self._before, self._after, self._lib
        if self._own is not None:
            rows = [_without(row, own) for row, own in zip(rows, self._own)]
        self.by_class = tuple(row for row in rows if any(getattr(row, name) for name in _FIGURES))
        self.by_domain = {name: _sum([row for row in rows if row.domain == name]) for name in ("mem", "obj")}
        self.total = _sum(rows)
        self._rows = rows

    def __getattr__(self, name: str) -> Any:
        if name in ("total", "by_domain", "by_class", "complete"):
            raise AttributeError("the measured region has not ended: ask for .%s behind the with block" % name)
        raise AttributeError(name)


def measure() -> Measurement:
    """Measures a region: `with oxmalloc.measure() as m: …`, then `m.total.left_bytes`.

    Tells the bytes and blocks that the region left behind, and what it took and
    freed on the way; in all, by domain, by size class. Regions may nest, and
    overlap in threads. While one is open each allocation costs some nanoseconds
    more, for functions that count stand in front of the installed ones; its start
    and its end take about 1 ms for each GB of heap. What measuring takes itself is subtracted.
    NotActiveError when oxmalloc does not serve this process.
    """
    active_library()
    return Measurement(_own_cost())


@functools.lru_cache(maxsize=None)
def _own_cost() -> List[ClassChange]:
    """What an empty region shows: the objects that its start and end make.

    It is always the same, but for a collection or another thread in between.
    """
    last: Optional[List[ClassChange]] = None
    for _ in range(10):
        empty = Measurement()
        with empty:
            pass
        if empty._rows == last:
            break
        last = empty._rows
    return empty._rows


_FIGURES = tuple(field.name for field in dataclasses.fields(Change))
_COUNTED = ("taken_blocks", "taken_bytes", "freed_blocks", "freed_bytes")


def _change(before: Any, after: Any) -> ClassChange:
    figures = {name: getattr(after, name) - getattr(before, name) for name in _COUNTED}
    return ClassChange(
        domain=DOMAIN_NAMES[after.domain], kind=CLASS_KINDS[after.kind], block_bytes=after.block_bytes,
        left_blocks=after.live_blocks - before.live_blocks, left_bytes=after.live_bytes - before.live_bytes, **figures)


def _without(row: ClassChange, own: ClassChange) -> ClassChange:
    return dataclasses.replace(row, **{name: getattr(row, name) - getattr(own, name) for name in _FIGURES})


def _sum(rows: List[ClassChange]) -> Change:
    return Change(**{name: sum(getattr(row, name) for row in rows) for name in _FIGURES})
