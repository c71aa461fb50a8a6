"""The account of a heap: what its memory is there for.

Everything is added up from the pools of a snapshot. Two sources meet here, and
the names say which a figure is from:

- live, free and untouched are *counted* by the allocator, in blocks of a size
  class. What the program asked for is not recorded; so how much of a live block
  is lost by rounding up is not known (`SizeClass.rounding_most` is a bound);
- resident is *measured*, page by page: the kernel's word.

A pool's live bytes count as resident as far as its resident pages go. What is
resident beyond that is *pinned* when the pool has live blocks, else *idle*.
"""
from __future__ import annotations

from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..snapshots import Arena, Pool, Snapshot

SPARSE = 4
"""An arena is nearly empty when at most a SPARSEth of it is live blocks."""


class Uses(NamedTuple):
    """What the resident bytes are there for. Without `outside` they are those of
    the heap's totals, with it the RSS of the process."""

    live: int
    """In blocks that the program holds."""
    pinned: int
    """Beside live blocks, in the same pools: free or not used yet."""
    idle: int
    """Pools without a live block."""
    kept: int
    """Freed large blocks, kept for the next ones."""
    outside: Optional[int]
    """Not of this heap: libc's malloc (the RAW domain, C extensions), code,
    stacks, the library's own records. None when the RSS is not known."""

    @property
    def heap(self) -> int:
        """All that is the heap's."""
        return self.live + self.pinned + self.idle + self.kept


class SizeClass(NamedTuple):
    """Blocks of one size."""

    block_bytes: int
    smaller: int
    """The next smaller class, 0 below the first."""
    pools: int
    live: int
    free: int
    untouched: int
    tail_bytes: int
    """What is left of each pool behind its last block."""
    resident_bytes: int
    pinned_bytes: int
    """Resident beyond the live blocks."""
    oldest_ms: int

    @property
    def live_bytes(self) -> int:
        return self.live * self.block_bytes

    @property
    def free_bytes(self) -> int:
        return self.free * self.block_bytes

    @property
    def untouched_bytes(self) -> int:
        return self.untouched * self.block_bytes

    @property
    def rounding_most(self) -> int:
        """The most that the live blocks can lose by rounding, if each holds a
        request of its own class (not a borrowed block, nor one that shrank)."""
        return self.live * (self.block_bytes - self.smaller - 1)


class Singles(NamedTuple):
    """Blocks that have their pools for themselves: spans, or large blocks."""

    blocks: int
    bytes: int
    resident_bytes: int
    oldest_ms: int


class ArenaUse(NamedTuple):
    """One arena."""

    arena: Arena
    pools: int
    """In use, those under spans included."""
    live_blocks: int
    live_bytes: int
    resident_bytes: int
    excess_bytes: int
    """Resident beyond the live blocks."""
    classes: Tuple[Tuple[int, int], ...]
    """(block size, live blocks), most bytes first."""
    oldest_ms: int

    @property
    def is_nearly_empty(self) -> bool:
        return self.live_blocks > 0 and self.excess_bytes > 0 and self.live_bytes * SPARSE <= self.arena.bytes


class Account(NamedTuple):
    """All figures of a snapshot that the picture shows."""

    snapshot: Snapshot
    uses: Uses
    classes: List[SizeClass]
    """Those that have pools, smallest first."""
    spans: Singles
    large: Singles
    arenas: List[ArenaUse]
    unplaced: int
    """Pools in no arena of the snapshot: other threads opened them meanwhile."""
    trim_least: Optional[int]
    """Bytes that trim() gives back at least; None when there are several heaps,
    because it reaches that of its caller only."""

    @property
    def nearly_empty(self) -> List[ArenaUse]:
        """What pins most first."""
        found = [arena for arena in self.arenas if arena.is_nearly_empty]
        return sorted(found, key=lambda use: (-use.excess_bytes, use.arena.address))

    @property
    def vacant(self) -> List[ArenaUse]:
        """Arenas without a live block that are resident all the same."""
        return [arena for arena in self.arenas if not arena.live_blocks and arena.resident_bytes]

    @property
    def live_blocks(self) -> int:
        return self.snapshot.totals.mem.live_blocks + self.snapshot.totals.obj.live_blocks

    @property
    def live_bytes(self) -> int:
        return self.snapshot.totals.mem.live_bytes + self.snapshot.totals.obj.live_bytes


class _Sum:
    """What is added up for a size class or an arena."""

    def __init__(self) -> None:
        self.pools = self.live = self.free = self.untouched = 0
        self.live_bytes = self.resident = self.beyond = self.oldest = 0
        self.classes: Counter[int] = Counter()


def of(snapshot: Snapshot) -> Account:
    """Adds up a snapshot."""
    page, pool_bytes = snapshot.page_bytes, snapshot.pool_bytes
    arenas = [(arena, _Sum()) for arena in snapshot.arenas]
    classes: Dict[int, _Sum] = {}
    spans = _Sum()
    live = pinned = trimmable = 0
    unplaced = len(snapshot.pools)
    for pool, row, first, count in snapshot.places():
        unplaced -= 1
        arena, use = arenas[row]
        resident = sum(arena.resident_pages[first:first + count]) * page
        live_bytes = pool.live * pool.block_bytes
        beyond = resident - min(live_bytes, resident)
        live += resident - beyond
        if pool.live:
            pinned += beyond
        trimmable += _trim_least(pool, resident, page)
        of_size = spans if pool.is_span else classes.setdefault(pool.block_bytes, _Sum())
        for total in (use, of_size):
            total.pools += count
            total.live += pool.live
            total.live_bytes += live_bytes
            total.resident += resident
            total.beyond += beyond
            total.oldest = max(total.oldest, pool.age_ms)
        of_size.free += pool.free
        of_size.untouched += pool.untouched
        if pool.live:
            use.classes[pool.block_bytes] += pool.live

    in_arenas = page * sum(sum(arena.resident_pages) for arena in snapshot.arenas)
    # What is vacant goes back, also what only a huge page holds.
    trimmable += in_arenas - sum(use.resident for _, use in arenas)
    in_extents = sum(extent.resident_bytes for extent in snapshot.extents)
    large = sum(block.resident_bytes for block in snapshot.large_blocks)
    kept = max(in_extents - large, 0)
    idle = in_arenas - live - pinned
    heap = live + large + pinned + idle + kept
    rss = snapshot.process.resident_bytes
    smaller = dict(zip(snapshot.size_classes, (0,) + snapshot.size_classes))
    return Account(
        snapshot=snapshot,
        uses=Uses(
            live=live + large, pinned=pinned, idle=idle, kept=kept,
            # The kernel's count of the process may be some pages behind.
            outside=None if rss is None else max(rss - heap, 0)),
        classes=[
            SizeClass(
                block_bytes=block, smaller=smaller[block], pools=s.pools, live=s.live, free=s.free,
                untouched=s.untouched, tail_bytes=s.pools * (pool_bytes % block),
                resident_bytes=s.resident, pinned_bytes=s.beyond, oldest_ms=s.oldest)
            for block, s in sorted(classes.items())],
        spans=Singles(spans.live, spans.live_bytes, spans.resident, spans.oldest),
        large=Singles(
            len(snapshot.large_blocks), sum(block.bytes for block in snapshot.large_blocks), large,
            max((block.age_ms for block in snapshot.large_blocks), default=0)),
        arenas=[_arena_use(arena, use, page) for arena, use in arenas],
        unplaced=unplaced,
        trim_least=trimmable + min(kept, snapshot.totals.large_cached_bytes)
        if snapshot.totals.heaps <= 1 else None,
    )


def _arena_use(arena: Arena, s: _Sum, page: int) -> ArenaUse:
    resident = sum(arena.resident_pages) * page
    by_bytes = sorted(s.classes.items(), key=lambda item: (-item[0] * item[1], item[0]))
    return ArenaUse(
        arena, s.pools, s.live, s.live_bytes, resident, resident - (s.resident - s.beyond),
        tuple(by_bytes), s.oldest)


def _trim_least(pool: Pool, resident: int, page: int) -> int:
    """Resident bytes of a pool in use that lie on pages without a live block, at
    least: where its live blocks are is not in the snapshot, but each touches so
    many pages at most."""
    if pool.is_span:
        return 0
    touched = pool.live * ((pool.block_bytes + page - 2) // page + 1)
    return max(resident - touched * page, 0)
