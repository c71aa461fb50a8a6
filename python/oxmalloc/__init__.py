"""oxmalloc: CPython's memory on a heap that gives back what is freed.

    python -m oxmalloc run app.py       runs a program on it
    oxmalloc.install()                  puts it into a running interpreter
    oxmalloc.status()                   whether it is active, and why not
    oxmalloc.diagnose()                 what is in the way, and what mends it
    oxmalloc.stats()                    what the heap holds
    oxmalloc.trim()                     gives back what is free, now
    oxmalloc.map("heap.html")           draws it

Importing this package changes nothing and loads nothing, not even its own modules:
each name brings its module when it is used first.
"""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._diagnosis import Diagnosis, diagnose
    from ._library import library_path
    from ._measure import Change, ClassChange, Measurement, measure
    from ._options import Option, options
    from ._statistics import ArenaStats, ClassStats, DomainStats, Stats, allocated_blocks, stats
    from ._status import Status, install, status
    from ._trim import TrimAfterGC, trim, trim_after_gc
    from .errors import InstallError, LibraryError, NotActiveError, OxmallocError, PictureError, SnapshotError
    from .heapmap import map
    from .snapshots import snapshot

__all__ = [
    "ArenaStats",
    "Change",
    "ClassChange",
    "ClassStats",
    "Diagnosis",
    "DomainStats",
    "InstallError",
    "LibraryError",
    "Measurement",
    "NotActiveError",
    "Option",
    "OxmallocError",
    "PictureError",
    "SnapshotError",
    "Stats",
    "Status",
    "TrimAfterGC",
    "allocated_blocks",
    "diagnose",
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

# Where each name is, as above.
_HOMES = {
    "_diagnosis": "Diagnosis diagnose",
    "_library": "library_path",
    "_measure": "Change ClassChange Measurement measure",
    "_options": "Option options",
    "_statistics": "ArenaStats ClassStats DomainStats Stats allocated_blocks stats",
    "_status": "Status install status",
    "_trim": "TrimAfterGC trim trim_after_gc",
    "errors": "InstallError LibraryError NotActiveError OxmallocError PictureError SnapshotError",
    "heapmap": "map",
    "snapshots": "snapshot",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        from importlib import import_module

        try:
            home = import_module("." + _HOME_OF[name], __name__)
        except ImportError as error:
            if "_ctypes" not in str(error):
                raise
            from .errors import LibraryError

            # 3.12 keeps it out of sub-interpreters with a GIL of their own.
            raise LibraryError("this interpreter cannot ask the library: %s. Ask in the main interpreter" % error)
        value = globals()[name] = getattr(home, name)
        return value
    if name == "__version__":
        from importlib.metadata import version

        return version("oxmalloc")
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})
