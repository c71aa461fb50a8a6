"""Snapshots: the whole heap at one moment, as the library writes it (JSON).

`snapshot` has the library write one, which takes no memory from the heap that it
describes; `load` reads one, of this or any other process. Its figures are those of
that moment: bytes and blocks are counted by the allocator, a block with the full
size of its class; what is resident is the kernel's word (mincore,
/proc/self/statm).
"""
from __future__ import annotations

import json
import os
from typing import (
    TYPE_CHECKING, Any, Callable, Dict, List, Iterator, NamedTuple, Optional, Tuple, Type, TypeVar, Union)

from ._library import DOMAIN_NAMES, MEM, POOL_STATES
from ._status import active_library
from .errors import SnapshotError

if TYPE_CHECKING:
    AnyPath = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
else:  # Python 3.8 knows os.PathLike without brackets only.
    AnyPath = Union[str, bytes, os.PathLike]

FORMAT = 1
"""The format that `load` reads; the library counts it up when fields change."""

DOMAINS = DOMAIN_NAMES[MEM:]
STATES = tuple(state for state in POOL_STATES if state != "large")


class DomainTotals(NamedTuple):
    """What one domain holds, counted by the allocator."""

    live_bytes: int
    """Bytes in allocated blocks."""
    live_blocks: int
    """Allocated blocks."""
    free_bytes: int
    """Bytes in free blocks of pools: used before, and free again."""
    untouched_bytes: int
    """Bytes in untouched blocks of pools: never used, or given back since."""
    pool_bytes: int
    """Bytes of pools, spans and large blocks together."""
    peak_bytes: int
    """The most that `pool_bytes` ever was."""


class Totals(NamedTuple):
    """The totals of the heap."""

    mem: DomainTotals
    """Of PyMem_Malloc: buffers, items of lists and dictionaries."""
    obj: DomainTotals
    """Of PyObject_Malloc: objects."""
    arenas: int
    """Arenas (of 2 MiB) mapped."""
    arenas_peak: int
    """The most that there ever were."""
    pools_used: int
    """Pools (of 64 KiB) with blocks both allocated and not."""
    pools_full: int
    """Pools with every block allocated."""
    pools_empty: int
    """Pools that are kept though every block is free."""
    spans: int
    """Runs of pools that hold one block each (more than 32 KiB, up to 1 MiB)."""
    large_blocks: int
    """Allocated blocks of more than 1 MiB."""
    large_bytes: int
    """Their bytes."""
    large_cached_bytes: int
    """Freed memory of large blocks that is kept for the next ones, in bytes."""
    mapped_bytes: int
    """Address space mapped for arenas and large blocks, live and freed."""
    resident_bytes: int
    """Of `mapped_bytes`, what the kernel holds in memory (mincore)."""
    metadata_bytes: int
    """Memory for the library's own records, in bytes; not part of `mapped_bytes`."""
    given_back_bytes: int
    """Bytes given back to the operating system since the start."""
    given_back_calls: int
    """How often some were given back."""
    heaps: int
    """Heaps that exist: a thread owns one at a time."""
    heaps_idle: int
    """Of `heaps`, those that no thread owns now."""
    handovers: int
    """How often a heap was handed over with the GIL, since the start."""
    remote_frees: int
    """Blocks that a thread freed which does not own their heap, since the start."""


class Process(NamedTuple):
    """Who was looked at."""

    pid: int
    """Its number, in its own namespace of processes."""
    name: str
    """The name of the thread that wrote the snapshot: most often the program's."""
    python_version: Tuple[int, int, int]
    """(0, 0, 0) when there was no CPython."""
    resident_bytes: Optional[int]
    """RSS of the whole process; None where /proc was not mounted."""


class Arena(NamedTuple):
    """2 MiB, cut into pools."""

    address: int
    """Where it starts."""
    bytes: int
    """Its length: `Snapshot.arena_bytes`."""
    pools: int
    """Pools that it is cut into."""
    pools_vacant: int
    """Of `pools`, those that are not in use."""
    pools_clean: int
    """Of `pools_vacant`, those that nobody used since the system gave them: not
    resident, or as part of a huge page only."""
    resident_pages: Tuple[int, ...]
    """Pages in memory, for each pool, in use or not (mincore)."""


class Pool(NamedTuple):
    """A pool of blocks of one size, or a span: one block in several pools."""

    address: int
    """Where it starts."""
    bytes: int
    """Its length: `Snapshot.pool_bytes`, or several of them for a span."""
    domain: str
    """"mem" or "obj"."""
    state: str
    """"used" (blocks both allocated and not), "full", "empty" or "span"."""
    block_bytes: int
    """Size of a block in bytes; of a span its length."""
    capacity: int
    """Blocks that there are; 1 in a span."""
    live: int
    """Allocated blocks."""
    free: int
    """Blocks that have been used and are free again."""
    untouched: int
    """Blocks that were never used, or were given back since."""
    purged_bytes: int
    """Bytes of it given back to the operating system; 0 for a span."""
    age_ms: int
    """Milliseconds since it was opened, to about 20."""

    @property
    def is_span(self) -> bool:
        """Whether it is one block in several pools."""
        return self.state == "span"

    @property
    def live_bytes(self) -> int:
        """Bytes in allocated blocks."""
        return self.live * self.block_bytes

    @property
    def tail_bytes(self) -> int:
        """Behind the last block: no further one fits, or a span ends there."""
        return self.bytes - self.capacity * self.block_bytes


class LargeBlock(NamedTuple):
    """A block of more than 1 MiB."""

    address: int
    """Where it starts."""
    bytes: int
    """Its length, whole pools."""
    domain: str
    """"mem" or "obj"."""
    resident_bytes: int
    """What of it is in memory (mincore)."""
    age_ms: int
    """Milliseconds since it was allocated, or resized last, to about 20."""


class Extent(NamedTuple):
    """Memory that large blocks lie in, freed ones too."""

    address: int
    """Where it starts."""
    bytes: int
    """Its length."""
    resident_bytes: int
    """What of it is in memory (mincore)."""


class Snapshot(NamedTuple):
    """A heap at one moment; lists are in the order of addresses."""

    version: str
    """Of the library that wrote it."""
    time: int
    """Seconds since 1970."""
    process: Process
    """Whose heap it is."""
    page_bytes: int
    """Size of a page of the kernel."""
    pool_bytes: int
    """Size of a pool: 64 KiB."""
    arena_bytes: int
    """Size of an arena: 2 MiB."""
    size_classes: Tuple[int, ...]
    """Sizes of blocks in bytes, ascending."""
    totals: Totals
    """The sums, as the library had them at the same moment."""
    arenas: List[Arena]
    """All that are mapped."""
    pools: List[Pool]
    """Pools in use, and spans."""
    extents: List[Extent]
    """Where large blocks lie."""
    large_blocks: List[LargeBlock]
    """Those that are allocated."""

    def places(self) -> Iterator[Tuple[Pool, int, int, int]]:
        """Where each pool lies: (pool, number of its arena in `arenas`, number of its
        place there, how many places it takes). Those in no arena are left out: other
        threads opened them while the snapshot was taken."""
        row_of = {arena.address: row for row, arena in enumerate(self.arenas)}
        for pool in self.pools:
            base = pool.address - pool.address % self.arena_bytes
            if base in row_of:
                yield pool, row_of[base], (pool.address - base) // self.pool_bytes, pool.bytes // self.pool_bytes


def snapshot(path: AnyPath) -> None:
    """Writes every arena and pool of this process's heap, as JSON, to a file.

    Takes no memory from the heap that it describes, so it works when memory is
    exhausted. A file of that name is replaced.

    The interpreter stands still meanwhile: 4 to 8 ms for each GiB of heap. Holds
    the GIL. Any thread. NotActiveError when oxmalloc does not serve this process,
    OSError when the file cannot be written; then it may be cut off.
    """
    library = active_library()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        error = library.Ox_WriteSnapshot(fd)
    finally:
        os.close(fd)
    if error:
        raise OSError(error, os.strerror(error), os.fsdecode(path))


def may_replace(path: str) -> bool:
    """Whether nothing is lost when a snapshot goes there: there is no such file, it
    is empty, or a snapshot by its first letters. OSError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_BEGIN)) in (b"", _BEGIN)
    except FileNotFoundError:
        return True


def load(path: AnyPath) -> Snapshot:
    """Reads a snapshot, of this or any other process.

    Takes about 0.1 s and 13 MB for each GiB of heap. Any thread. SnapshotError when
    the file is no snapshot, is damaged or of another format; OSError when it cannot
    be read.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _read(data)
    except SnapshotError as error:
        raise SnapshotError("%s %s" % (os.fsdecode(path), error)) from None


_BEGIN = b'{"oxmalloc"'


def _read(data: bytes) -> Snapshot:
    if not data.strip():
        raise SnapshotError("is empty: nothing was written; take a new snapshot")
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        if data.lstrip().startswith(_BEGIN) and not data.rstrip().endswith(b"}"):
            raise SnapshotError(
                "is cut off after %d bytes: the disk was full, or the program ended while it was "
                "written; take a new snapshot" % len(data))
        raise SnapshotError("is not JSON (%s): name a file that oxmalloc.snapshot() wrote" % error)
    if not isinstance(root, dict) or "oxmalloc" not in root:
        raise SnapshotError("is JSON, but no snapshot of oxmalloc: name a file that oxmalloc.snapshot() wrote")
    form = root.get("format")
    if form is None:
        raise SnapshotError(
            "was written by an early oxmalloc (%s), whose snapshots this one cannot read: take a new one "
            "with the library of this package" % root["oxmalloc"])
    if form != FORMAT:
        raise SnapshotError(
            "has format %s, written by oxmalloc %s; this oxmalloc reads format %d: use the newer of "
            "the two" % (form, root["oxmalloc"], FORMAT))
    try:
        snapshot = _snapshot(root)
        _check(snapshot)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        what = "%s is missing" % error if isinstance(error, KeyError) else error
        raise SnapshotError("is damaged (%s): take a new snapshot" % what)
    return snapshot


def _snapshot(root: Dict[str, Any]) -> Snapshot:
    process, totals = root["process"], root["totals"]
    version = _integer(process["python_version"])
    resident = process["resident_bytes"]
    return Snapshot(
        version=str(root["oxmalloc"]),
        time=_integer(root["time"]),
        process=Process(
            pid=_integer(process["pid"]),
            name=str(process["name"]),
            python_version=(version >> 16, version >> 8 & 0xff, version & 0xff),
            resident_bytes=None if resident is None else _integer(resident)),
        page_bytes=_integer(root["page_bytes"]),
        pool_bytes=_integer(root["pool_bytes"]),
        arena_bytes=_integer(root["arena_bytes"]),
        size_classes=tuple(map(_integer, root["size_classes"])),
        totals=_record(Totals, totals, **{name: _record(DomainTotals, totals[name]) for name in DOMAINS}),
        arenas=[
            _record(Arena, arena, resident_pages=tuple(map(_integer, arena["resident_pages"])))
            for arena in root["arenas"]],
        pools=_table(Pool._fields, Pool._make, root["pool_fields"], root["pools"]),
        extents=[_record(Extent, extent) for extent in root["extents"]],
        large_blocks=_table(
            LargeBlock._fields, LargeBlock._make, root["large_fields"], root["large_blocks"]),
    )


def _integer(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _END:
        raise ValueError("%r where a number should be" % (value,))
    return value


# All are size_t or less where they come from.
_END = 1 << 64

_Tuple = TypeVar("_Tuple", bound=Tuple[Any, ...])


def _record(kind: Type[_Tuple], found: Dict[str, Any], **more: Any) -> _Tuple:
    """A named tuple from an object of the same names, whose values are numbers."""
    names: Tuple[str, ...] = getattr(kind, "_fields")
    return kind(**{name: more[name] if name in more else _integer(found[name]) for name in names})


_WORDS = {"domain": frozenset(DOMAINS), "state": frozenset(STATES)}


def _table(
    names: Tuple[str, ...], make: Callable[[Any], _Tuple], columns: List[str], rows: List[List[Any]]
) -> List[_Tuple]:
    """Named tuples from rows, whose columns a later version may have more of."""
    places = [columns.index(name) for name in names]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("a row has not the %d columns of the others" % len(columns))
    found = list(zip(*rows)) or [()] * len(columns)
    for name, place in zip(names, places):
        values = found[place]
        if name in _WORDS:
            strange = set(values) - _WORDS[name]
        else:
            numbers = set(map(type, values)) <= {int} and min(values, default=0) >= 0 and max(values, default=0) < _END
            strange = set() if numbers else {name}
        if strange:
            raise ValueError("%s in the column %s" % (", ".join(map(repr, strange)), name))
    return list(map(make, zip(*(found[place] for place in places))))


def _check(s: Snapshot) -> None:
    """What the picture relies on."""
    sizes = (s.page_bytes, s.pool_bytes, s.arena_bytes)
    if min(sizes) < 1 or s.pool_bytes % s.page_bytes or s.arena_bytes % s.pool_bytes:
        raise ValueError("pages, pools and arenas of %d, %d and %d bytes" % sizes)
    places = s.arena_bytes // s.pool_bytes
    pages = s.pool_bytes // s.page_bytes
    classes = set(s.size_classes)
    # What cells.py has room for; the library has 70 classes, 32 places and at most 16 pages.
    if not 0 < min(classes, default=0) or max(len(s.size_classes), places, pages) > 250:
        raise ValueError("%d size classes, %d pools in an arena, %d pages in a pool" % (len(classes), places, pages))
    if s.time >= 1 << 40:
        raise ValueError("%d seconds since 1970" % s.time)
    for arena in s.arenas:
        if arena.address % s.arena_bytes or arena.bytes != s.arena_bytes or len(arena.resident_pages) != places:
            raise ValueError("an arena at %#x of %d bytes in %d pools" % (
                arena.address, arena.bytes, len(arena.resident_pages)))
        if max(arena.resident_pages) > pages:
            raise ValueError("a pool with %d pages" % max(arena.resident_pages))
    if len({arena.address for arena in s.arenas}) < len(s.arenas):
        raise ValueError("an arena is there twice")
    # Unpacked, since a property for each of 160,000 pools takes longer than all else here.
    for address, length, _, state, block_bytes, capacity, live, free, untouched, purged, _ in s.pools:
        is_span = state == "span"
        if live + free + untouched != capacity:
            raise ValueError("the blocks of the pool at %#x do not add up" % address)
        if capacity * block_bytes > length or not is_span and length != s.pool_bytes or purged > s.pool_bytes:
            raise ValueError("the bytes of the pool at %#x do not add up" % address)
        if capacity != 1 if is_span else block_bytes not in classes:
            raise ValueError("%d blocks of %d bytes in the pool at %#x" % (capacity, block_bytes, address))
        if address % s.pool_bytes or length % s.pool_bytes or not (
                0 < length <= s.arena_bytes - address % s.arena_bytes):
            raise ValueError("no pool can be at %#x with %d bytes" % (address, length))
