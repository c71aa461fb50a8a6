"""oxmalloc: CPython's memory on a heap that gives back what is freed.

    python -m oxmalloc run app.py       runs a program on it
    oxmalloc.install()                  puts it into a running interpreter
    oxmalloc.status()                   whether it is active, and why not

Importing this package changes nothing and loads nothing.
"""
from __future__ import annotations

from ._library import library_path
from ._status import Status, install, status
from .errors import InstallError, LibraryError, NotActiveError, OxmallocError

__all__ = [
    "InstallError",
    "LibraryError",
    "NotActiveError",
    "OxmallocError",
    "Status",
    "install",
    "library_path",
    "status",
]
