"""What can go wrong, as exceptions."""
from __future__ import annotations

from typing import Any, Tuple


class OxmallocError(Exception):
    """The base of every exception that this package raises itself."""


class LibraryError(OxmallocError):
    """liboxmalloc.so is missing, cannot be loaded, or is of another version."""


class NotActiveError(OxmallocError, RuntimeError):
    """oxmalloc does not serve this process; says why, and what to do.

    `reason` is the library's own word for it (the text of Ox_GetStatus), `code`
    its number (OX_ERR_… of oxmalloc.h), `advice` what to do. It can be pickled, so
    that it comes back from a worker process as it was raised there.
    """

    def __init__(self, reason: str, advice: str, code: int) -> None:
        super().__init__("%s. %s" % (reason, advice))
        self.reason = reason
        self.advice = advice
        self.code = code

    def __reduce__(self) -> Tuple[Any, ...]:
        # By itself an exception is made anew from the one text in `args`.
        return type(self), (self.reason, self.advice, self.code)


class InstallError(NotActiveError):
    """install() could not put oxmalloc into the running interpreter."""


class SnapshotError(OxmallocError):
    """A file is no snapshot that this version can read; says why, and what to do."""


class PictureError(OxmallocError):
    """A picture cannot be made; says why, and what to do."""
