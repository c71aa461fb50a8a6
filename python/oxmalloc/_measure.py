"""What a part of a program takes, and what it leaves."""
from __future__ import annotations

import ctypes
import dataclasses
import functools
import itertools
import mmap
import sys
from types import TracebackType
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type

from ._library import CLASS_KINDS, DOMAIN_NAMES, OX_ERR_NEEDS_GIL, OX_OK, Library, OxClassStats
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


class _Figures(NamedTuple):
    total: Change
    by_domain: Dict[str, Change]
    by_class: Tuple[ClassChange, ...]


class Measurement:
    """A region of the program, as `measure()` begins it with `with`.

    The figures are there when the region has ended. They are of the process:
    what other threads do meanwhile is in them. They are worked out when one is
    asked for, which takes some hundred blocks.
    """

    __slots__ = ("_own", "_lib", "_before", "_after", "_row_bytes", "_count", "_complete", "_figures",
                 "_number", "_outer", "_dropped", "_next_dropped")

    def __init__(self, own: Optional[List[ClassChange]] = None) -> None:
        self._own = own
        self._lib: Optional[Library] = None
        self._number = next(_numbers)
        self._outer: Optional[Measurement] = None
        self._dropped: Optional[Measurement] = None
        self._complete: Optional[bool] = None
        self._figures: Optional[_Figures] = None

    @property
    def total(self) -> Change:
        """Both domains together."""
        return self._ended().total

    @property
    def by_domain(self) -> Dict[str, Change]:
        """"mem" and "obj"."""
        return self._ended().by_domain

    @property
    def by_class(self) -> Tuple[ClassChange, ...]:
        """The size classes in which something happened."""
        return self._ended().by_class

    @property
    def complete(self) -> bool:
        """False when tracemalloc, which ran at the start, was stopped inside the
        region: then `taken` and `freed` miss what came later. `left` is right."""
        if self._complete is None:
            raise AttributeError("the measured region has not ended: ask for its figures behind the with block")
        return self._complete

    def __enter__(self) -> Measurement:
        if self._lib is not None:
            raise OxmallocError("this region is open already: call oxmalloc.measure() for another one")
        lib = active_library()
        self._complete = self._figures = None
        self._before, self._after = _rows_outside(lib)
        self._row_bytes, self._count = ctypes.sizeof(OxClassStats), len(self._before)
        code = lib.Ox_StartCounting()
        if code == OX_ERR_NEEDS_GIL:
            raise OxmallocError("before CPython 3.12 a sub-interpreter cannot measure: do it in the main interpreter")
        if code != OX_OK:
            raise OxmallocError(
                "CPython takes neither mem nor obj from oxmalloc now (code %d): oxmalloc.diagnose() says more" % code)
        self._begin(lib)
        try:
            lib.Ox_GetClassStats(self._before, self._row_bytes, self._count)
        except BaseException:
            self._stop(lib)
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        lib = self._lib
        assert lib is not None
        try:
            lib.Ox_GetClassStats(self._after, self._row_bytes, self._count)
        finally:
            self._complete = self._stop(lib)

    # Regions that are open know the one that was begun before them (`_outer`). Nothing
    # here may allocate: with a list of them a figure would be wrong now and then.

    def _begin(self, lib: Library) -> None:
        global _newest
        self._lib, self._number = lib, next(_numbers)
        self._outer, _newest = _newest, self

    def _stop(self, lib: Library) -> bool:
        global _newest
        complete: bool = lib.Ox_StopCounting() == OX_OK
        if _newest is self:
            _newest = self._outer
        else:
            inner = _newest
            while inner is not None and inner._outer is not self:
                inner = inner._outer
            if inner is not None:
                inner._outer = self._outer
        self._lib = self._outer = self._dropped = None
        return complete

    def __del__(self) -> None:
        # `with measure() as m` drops what m was inside the new region, which did not
        # see it made: it lives on until no region is open that is younger.
        younger, region = None, _newest
        while region is not None and region._number > self._number:
            younger, region = region, region._outer
        if younger is not None:
            self._next_dropped, younger._dropped = younger._dropped, self

    def _ended(self) -> _Figures:
        if self._figures is None:
            rows = self._changes()
            if self._own is not None:
                rows = [_without(row, own) for row, own in zip(rows, self._own)]
            self._figures = _Figures(
                total=_sum(rows),
                by_domain={name: _sum([row for row in rows if row.domain == name]) for name in ("mem", "obj")},
                by_class=tuple(row for row in rows if any(getattr(row, name) for name in _FIGURES)))
            del self._before, self._after
        return self._figures

    def __reduce__(self) -> Tuple[Any, ...]:
        # As a worker process returns it.
        return _of_figures, (self._ended(), self.complete)

    def _changes(self) -> List[ClassChange]:
        assert self.complete is not None  # It has ended.
        return [_change(before, after) for before, after in zip(self._before, self._after)]


def _of_figures(figures: _Figures, complete: bool) -> Measurement:
    ended = Measurement()
    ended._figures, ended._complete = figures, complete
    return ended


_numbers = itertools.count(1)
_newest: Optional[Measurement] = None
"""The open region that was begun last."""


def measure() -> Measurement:
    """Measures a region: `with oxmalloc.measure() as m: …`, then `m.total.left_bytes`.

    Tells the bytes and blocks that the region left behind, and what it took and
    freed on the way; in all, by domain, by size class. Regions may nest, and
    overlap in threads. While one is open each allocation costs some nanoseconds
    more, for functions that count stand in front of the installed ones; its start
    and its end take about 1 ms for each GB of heap.

    What measuring takes itself is subtracted; a region inside another leaves some
    ten blocks in the outer one, and what working out its figures takes if they are
    asked for there.

    Any thread; before 3.12 not in a sub-interpreter. NotActiveError when oxmalloc
    does not serve this process; OxmallocError, from `with`, when it cannot count
    or the region is open already.
    """
    active_library()
    return Measurement(_own_cost(sys.gettrace() is not None or sys.getprofile() is not None))


def _rows_outside(lib: Library) -> Tuple[Any, Any]:
    """Rows for the start and for the end, in memory that is no block of the heap."""
    kind = OxClassStats * lib.Ox_GetClassStats(None, 0, 0)
    memory = mmap.mmap(-1, 2 * ctypes.sizeof(kind), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return kind.from_buffer(memory), kind.from_buffer(memory, ctypes.sizeof(kind))


@functools.lru_cache(maxsize=None)
def _own_cost(traced: bool) -> List[ClassChange]:
    """What an empty region shows: the objects that its start and end make.

    It is always the same, but for a collection or another thread in between; and
    for what a debugger or a profiler does, if there is one (`traced`).
    """
    Measurement().__del__()  # The first call may leave a frame.
    last: Optional[List[ClassChange]] = None
    for _ in range(10):
        empty = Measurement()
        with empty:
            pass
        rows = empty._changes()
        if rows == last:
            break
        last = rows
    return rows


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
