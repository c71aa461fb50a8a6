"""What the heap holds, in numbers."""
from __future__ import annotations

import ctypes
import dataclasses
from typing import Any, Dict, List, Tuple

from . import _formats
from ._library import CLASS_KINDS, DOMAIN_NAMES, Library, OxArenaInfo, OxClassStats, OxStats
from ._status import active_library


@dataclasses.dataclass(frozen=True)
class HeldStats:
    """The blocks of a part of the heap, and their memory.

    A block counts with the full size of its size class: a request of 100 bytes
    as 112; one of more than 32 KiB with whole pages, of more than 1 MiB with
    whole pools (64 KiB).
    """

    live_blocks: int
    """Allocated blocks."""
    live_bytes: int
    """Bytes of allocated blocks."""
    free_bytes: int
    """Bytes of blocks that were used and are free again."""
    untouched_bytes: int
    """Bytes of blocks never used, or given back since."""
    purged_bytes: int
    """Bytes of pools and spans in use that the system has: given back, or behind
    the block of a span and never used."""
    resident_bytes: int
    """What the kernel holds in memory (mincore)."""


@dataclasses.dataclass(frozen=True)
class DomainStats(HeldStats):
    """One domain, or the sum of both that oxmalloc serves with blocks of its own.

    live + free + untouched is at most pool_bytes; the rest is the end of pools,
    where no further block fits, and of spans, behind the block's last page.
    """

    pool_bytes: int
    """Bytes of pools, spans and large blocks in use."""
    peak_bytes: int
    """The most that pool_bytes ever was. Of several domains: the sum of their
    peaks, which may have come at different times."""


@dataclasses.dataclass(frozen=True)
class ClassStats(HeldStats):
    """One size class of one domain; or all of its spans, or large blocks."""

    pool_bytes: int
    """Bytes of its pools, spans or large blocks."""
    domain: str
    """"mem" or "obj"."""
    kind: str
    """"class", "span" (blocks of 32 KiB to 1 MiB) or "large" (above)."""
    block_bytes: int
    """Size of a block; 0 where blocks differ (spans, large blocks)."""
    pools: int
    """Pools, spans or large blocks in use."""


@dataclasses.dataclass(frozen=True)
class ArenaStats(HeldStats):
    """One arena, vacant pools and all. Large blocks (above 1 MiB) lie in none."""

    address: int
    """Its first byte."""
    bytes: int
    """Its length."""
    pools: int
    """Pools it is cut into."""
    pools_vacant: int
    """Pools that are not in use."""
    pools_clean: int
    """Vacant pools that nobody used since the system gave them: not resident, or
    as part of a huge page only."""


@dataclasses.dataclass(frozen=True)
class Stats:
    """The heap of this process at one moment; every figure in bytes or pieces.

    From the library's own records, but for resident bytes, which the kernel
    tells. RAW memory is libc's and not in here.
    """

    total: DomainStats
    """Both domains together."""
    by_domain: Dict[str, DomainStats]
    """"mem" and "obj"."""
    by_class: Tuple[ClassStats, ...]
    """The size classes that have a pool, by domain and size; spans and large
    blocks last. Their sums are the domains' figures."""
    by_arena: Tuple[ArenaStats, ...]
    """The arenas in order of address."""
    resident_bytes: int
    """Of mapped_bytes, what the kernel holds in memory (mincore)."""
    mapped_bytes: int
    """Address space of arenas and large blocks, live and freed."""
    metadata_bytes: int
    """The library's own records, not part of mapped_bytes."""
    arenas: int
    """Arenas (of 2 MiB) mapped now."""
    arenas_peak: int
    """The most arenas that ever were."""
    pools_used: int
    """Pools (of 64 KiB) with blocks both allocated and not."""
    pools_full: int
    """Pools of which every block is allocated."""
    pools_empty: int
    """Pools kept although every block is free."""
    spans: int
    """Blocks of 32 KiB to 1 MiB, in pools side by side."""
    large_blocks: int
    """Blocks above 1 MiB."""
    large_bytes: int
    """Bytes of large blocks."""
    large_cached_bytes: int
    """Freed memory of large blocks that is kept for reuse."""
    given_back_bytes: int
    """Bytes given back to the system since the start."""
    given_back_calls: int
    """How often something was."""
    heaps: int
    """Heaps that exist."""
    heaps_idle: int
    """Heaps that no thread owns now."""
    handovers: int
    """How often a heap was handed over with the GIL."""
    remote_frees: int
    """Blocks freed by a thread that does not own their heap."""

    @property
    def fragmentation(self) -> float:
        """The share of resident memory that holds no allocated block, 0 to 1.

        1 - live_bytes / resident_bytes. Free and untouched blocks, vacant pools
        and freed large blocks make it grow, trim() makes it fall. 0 also where
        more is allocated than resident, because a program has not touched all of
        its large blocks. What rounding to size classes wastes counts as live.
        """
        if self.resident_bytes <= self.total.live_bytes:
            return 0.0
        return 1 - self.total.live_bytes / self.resident_bytes

    def to_dict(self) -> Dict[str, Any]:
        """As dictionaries, lists and numbers; with `fragmentation`."""
        return dict(dataclasses.asdict(self), fragmentation=self.fragmentation)

    def to_json(self) -> str:
        """`to_dict` as one line of JSON."""
        return _formats.to_json(self)

    def to_openmetrics(self) -> str:
        """As OpenMetrics text, gauges and counters named oxmalloc_…, ended by # EOF.

        For a scrape, answer with the content type
        "application/openmetrics-text; version=1.0.0; charset=utf-8".
        """
        return _formats.to_openmetrics(self)

    def to_text(self) -> str:
        """As a table for people."""
        return _formats.to_text(self)


def stats() -> Stats:
    """What the heap of this process holds now.

    Walks the headers of all pools and asks the kernel for residency: about 4 ms
    for each GB, during which the GIL is held. Any thread; exact while no other
    thread without the GIL allocates. NotActiveError when oxmalloc does not serve
    this process.
    """
    lib = active_library()
    totals, classes, arenas = OxStats(ctypes.sizeof(OxStats)), class_rows(lib), _arena_rows(lib)
    read_totals = _reader(lib.Ox_GetStats, ctypes.byref(totals))
    read_classes, read_arenas = _rows_reader(lib.Ox_GetClassStats, classes), _rows_reader(lib.Ox_GetArenas, arenas)
    read_classes()
    read_totals()
    number = read_arenas()
    if number > len(arenas):
        return stats()  # Other threads took many meanwhile.
    by_class = [_class_of(row) for row in classes]
    by_domain = {name: _domain_of([row for row in by_class if row.domain == name], getattr(totals, name).peak_bytes)
                 for name in ("mem", "obj")}
    direct = {field.name: getattr(totals, field.name) for field in dataclasses.fields(Stats)
              if hasattr(OxStats, field.name)}
    return Stats(
        total=_domain_of(by_class, totals.mem.peak_bytes + totals.obj.peak_bytes), by_domain=by_domain,
        by_class=tuple(row for row in by_class if row.pools), by_arena=tuple(map(_arena_of, arenas[:number])), **direct)


def allocated_blocks() -> int:
    """How many blocks CPython has from oxmalloc now, of both domains and all sizes.

    Serves where sys.getallocatedblocks() does not: that counts pymalloc's blocks
    only, and is 0 under another allocator. Two calls with nothing in between give
    the same number, so the difference of two is what was left over, as
    `regrtest -R` asks. Takes about 1 ms for each GB. Any thread. NotActiveError when
    oxmalloc does not serve this process.
    """
    out = _totals
    active_library().Ox_GetStats(ctypes.byref(out))
    blocks: int = out.mem.live_blocks + out.obj.live_blocks
    return blocks


# Made once, so that a call leaves nothing of its own behind.
_totals = OxStats(ctypes.sizeof(OxStats))


# --- From the library's structures ----------------------------------------------

def class_rows(lib: Library) -> Any:
    """An array with a row for each size class."""
    return (OxClassStats * lib.Ox_GetClassStats(None, 0, 0))()


def _arena_rows(lib: Library) -> Any:
    """An array with a row for each arena, and for those that come meanwhile."""
    return (OxArenaInfo * (lib.Ox_GetArenas(None, 0, 0) + 16))()


def _rows_reader(function: Any, rows: Any) -> Any:
    return _reader(function, rows, ctypes.sizeof(rows._type_), len(rows))


def _reader(function: Any, *arguments: Any) -> Any:
    """A call with its arguments made, so that it takes as little memory as can be."""
    return lambda: function(*arguments)


def _class_of(row: Any) -> ClassStats:
    named = {field.name: getattr(row, field.name) for field in dataclasses.fields(ClassStats)}
    return ClassStats(**dict(named, domain=DOMAIN_NAMES[row.domain], kind=CLASS_KINDS[row.kind]))


def _domain_of(rows: List[ClassStats], peak: int) -> DomainStats:
    sums = {field.name: sum(getattr(row, field.name) for row in rows)
            for field in dataclasses.fields(DomainStats) if field.name != "peak_bytes"}
    return DomainStats(peak_bytes=peak, **sums)


def _arena_of(row: Any) -> ArenaStats:
    return ArenaStats(**{field.name: getattr(row, field.name) for field in dataclasses.fields(ArenaStats)})
