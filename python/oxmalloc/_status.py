"""Whether oxmalloc serves this process, and putting it there."""
from __future__ import annotations

import dataclasses
from typing import Dict, Tuple, Type

from . import _library
from ._library import DOMAIN_NAMES, Library, library
from .errors import InstallError, NotActiveError

INSTALLED_BY = ("", "preload", "embedder", "install")


@dataclasses.dataclass(frozen=True)
class Status:
    """Whether and how oxmalloc serves this process (from Ox_GetStatus)."""

    active: bool
    """True when it serves at least one domain."""
    domains: Tuple[str, ...]
    """The domains it serves, of "raw", "mem" and "obj"."""
    reason: str
    """"active", or "inactive: " and why."""
    installed_by: str
    """"preload"; "embedder", before the interpreter started; "install", while
    it ran; or "" when it never was."""
    code: int
    """The number behind `reason`: OX_OK and so on in oxmalloc.h."""
    python_version: Tuple[int, int, int]
    """The CPython that the library found."""
    library: str
    """The file of the copy that was asked."""
    version: str
    """The version of that copy."""


def status() -> Status:
    """Whether and how oxmalloc serves this process.

    Never raises for being inactive. Any thread. LibraryError when there is no
    library.
    """
    return _status(library())


def _status(lib: Library) -> Status:
    out = lib.status()
    number = out.python_version
    return Status(
        active=out.active_domains != 0,
        domains=tuple(name for bit, name in enumerate(DOMAIN_NAMES) if out.active_domains >> bit & 1),
        reason=out.text.decode("utf-8", "replace"),
        installed_by=INSTALLED_BY[out.installed_by] if out.installed_by < len(INSTALLED_BY) else "?",
        code=out.code,
        python_version=(number >> 16, number >> 8 & 0xff, number & 0xff),
        library=lib.path,
        version=lib.version,
    )


# What to do about each code.
ADVICE: Dict[int, str] = {
    _library.OX_ERR_TRACEMALLOC: "Call tracemalloc.stop() first, or preload oxmalloc; then tracemalloc may run.",
    _library.OX_ERR_PYTHONMALLOC: "Unset PYTHONMALLOC and PYTHONDEVMODE, and leave out -X dev.",
    _library.OX_ERR_NEEDS_GIL: "Call oxmalloc.install() in the main interpreter.",
    _library.OX_ERR_VERSION: "Use CPython 3.8 or newer.",
    _library.OX_ERR_DISABLED: "Unset OXMALLOC_DISABLE.",
    _library.OX_ERR_NO_MEMORY: "Raise the limit on address space (ulimit -v).",
    _library.OX_ERR_SECOND_COPY: "Preload one copy of the library only: see LD_PRELOAD.",
}
_DEFAULT_ADVICE = (
    "Start the program with `python -m oxmalloc run`, or call oxmalloc.install() before it takes memory.")


def advice(code: int) -> str:
    """What to do about an inactive library, as one sentence."""
    return ADVICE.get(code, _DEFAULT_ADVICE)


def active_library() -> Library:
    """The library, when it serves this process; NotActiveError when not."""
    lib = library()
    now = lib.status()
    if not now.active_domains:
        raise _not_active(lib, NotActiveError)
    return lib


def _not_active(lib: Library, kind: Type[NotActiveError]) -> NotActiveError:
    now = _status(lib)
    return kind(now.reason, advice(now.code), now.code)


def install() -> Status:
    """Puts oxmalloc into this interpreter while it runs; -> the status then.

    Does nothing more when it is active already. What was allocated before stays
    with its old allocator and is freed there, so call it early. There is no way
    back. InstallError, with nothing changed, when it cannot be: under
    tracemalloc, PYTHONMALLOC or dev mode, with OXMALLOC_DISABLE set, and before
    3.12 in a sub-interpreter. Any thread.
    """
    lib = library()
    code = lib.Ox_Install()
    now = _status(lib)
    if code < 0 and not now.active:
        reason = now.reason if now.code == code else "inactive (code %d)" % code
        raise InstallError(reason, advice(code), code)
    return now
