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
    from . import errors as errors
    from . import heapmap as heapmap
    from . import snapshots as snapshots
    from ._checks import Finding
    from ._diagnosis import Diagnosis, diagnose
    from ._library import library_path
    from ._measure import Change, ClassChange, Measurement, measure
    from ._options import Option, options
    from ._statistics import ArenaStats, ClassStats, DomainStats, Stats, allocated_blocks, stats
    from ._status import Status, install, status
    from ._trim import TrimAfterGC, trim, trim_after_gc
    from .errors import InstallError, LibraryError, NotActiveError, OxmallocError, PictureError, SnapshotError
    from .heapmap import map as map
    from .snapshots import Snapshot, snapshot

    __version__: str

# Without map: `from oxmalloc import *` shall leave the builtin alone.
__all__ = [
    "ArenaStats",
    "Change",
    "ClassChange",
    "ClassStats",
    "Diagnosis",
    "DomainStats",
    "Finding",
    "InstallError",
    "LibraryError",
    "Measurement",
    "NotActiveError",
    "Option",
    "OxmallocError",
    "PictureError",
    "Snapshot",
    "SnapshotError",
    "Stats",
    "Status",
    "TrimAfterGC",
    "allocated_blocks",
    "diagnose",
    "install",
    "library_path",
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
    "_checks": "Finding",
    "_diagnosis": "Diagnosis diagnose",
    "_library": "library_path",
    "_measure": "Change ClassChange Measurement measure",
    "_options": "Option options",
    "_statistics": "ArenaStats ClassStats DomainStats Stats allocated_blocks stats",
    "_status": "Status install status",
    "_trim": "TrimAfterGC trim trim_after_gc",
    "errors": "InstallError LibraryError NotActiveError OxmallocError PictureError SnapshotError",
    "heapmap": "map",
    "snapshots": "Snapshot snapshot",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
# The modules that are public themselves.
_MODULES = ("errors", "heapmap", "snapshots")


def _bring(name: str) -> object:
    from importlib import import_module

    try:
        if name in _MODULES:
            return import_module("." + name, __name__)
        return getattr(import_module("." + _HOME_OF[name], __name__), name)
    except ImportError as error:
        if "_ctypes" not in str(error):
            raise
        from .errors import LibraryError

        # 3.12 keeps it out of sub-interpreters with a GIL of their own.
        raise LibraryError("this interpreter cannot ask the library: %s. Ask in the main interpreter" % error)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("oxmalloc")
    except PackageNotFoundError:
        raise AttributeError("oxmalloc is imported from a directory and not installed: it has no __version__") from None


if not TYPE_CHECKING:  # To a type checker every name would be an object.
    def __getattr__(name: str) -> object:
        if name in _HOME_OF or name in _MODULES:
            value = globals()[name] = _bring(name)
            return value
        if name == "__version__":
            return _version()
        raise AttributeError("module %r has no attribute %r" % (__name__, name))


def __dir__() -> "list[str]":
    return sorted({*globals(), *_HOME_OF, *_MODULES})
