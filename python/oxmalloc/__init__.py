"""oxmalloc: CPython's memory on a heap that gives back what is freed.

    python -m oxmalloc run app.py       runs a program on it
    oxmalloc.install()                  puts it into a running interpreter
    oxmalloc.status()                   whether it is active, and why not
    oxmalloc.stats()                    what the heap holds
    oxmalloc.trim()                     gives back what is free, now
    oxmalloc.map("heap.html")           draws it

Importing this package changes nothing and loads nothing.
"""
from __future__ import annotations

from ._collect import TrimAfterGC, trim_after_gc
from ._library import library_path
from ._measure import Change, ClassChange, Measurement, measure
from ._options import Option, options
from ._statistics import ArenaStats, ClassStats, DomainStats, Stats, allocated_blocks, stats, trim
from ._status import Status, install, status
from .errors import InstallError, LibraryError, NotActiveError, OxmallocError
from .heapmap import map
from .snapshots import snapshot

__all__ = [
    "ArenaStats",
    "Change",
    "ClassChange",
    "ClassStats",
    "DomainStats",
    "InstallError",
    "LibraryError",
    "Measurement",
    "NotActiveError",
    "Option",
    "OxmallocError",
    "Stats",
    "Status",
    "TrimAfterGC",
    "allocated_blocks",
    "install",
    "library_path",
    "map",
    "measure",
    "options",
    "snapshot",
    "stats",
    "status",
    "trim",
    "trim_after_gc",
]


def __getattr__(name: str) -> str:
    if name == "__version__":  # Not read before somebody asks: it costs milliseconds.
        from importlib.metadata import version

        return version("oxmalloc")
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
