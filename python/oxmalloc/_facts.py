"""What the doctor looks at, gathered before it judges: checks ask nobody else."""
from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import sys
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import _binary, _environment
from ._binary import Binary
from ._launch import flags_of
from ._library import library_path
from ._options import Option, options
from ._status import Status, status
from .errors import LibraryError

_AT_SECURE = 23


@dataclasses.dataclass(frozen=True)
class Preload:
    """One entry of LD_PRELOAD."""

    path: str
    """As it is written."""
    problem: str = ""
    """"missing", "unreadable", "no library", or ""."""
    binary: Optional[Binary] = None
    """What the file is; None for a bare name, which the loader looks for itself."""
    file: str = ""
    """The real path."""

    @property
    def is_ours(self) -> bool:
        """Whether it is oxmalloc, by its name or because the package calls it so."""
        return is_ours(self.path) or is_ours(self.file)


@dataclasses.dataclass(frozen=True)
class Python:
    """The interpreter of this process."""

    version: Tuple[int, int, int]
    executable: str
    is_debug: bool
    is_free_threaded: bool
    is_tracing: bool
    """tracemalloc is on."""
    is_secure: bool
    """The kernel started it with other rights than its parent had (AT_SECURE)."""
    copies: Tuple[str, ...]
    """The files of oxmalloc that are loaded."""
    sanitizers: Tuple[str, ...]
    """The run-time libraries of sanitizers that are loaded."""
    status: Optional[Status]
    """None when there is no library to ask."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """A program with its environment: this process, or one that is to be started."""

    environ: Mapping[str, str]
    """What it had, or will have, when it starts."""
    program: str
    """The file that is run; "" when there is none."""
    binary: Optional[Binary]
    """What it is; None when it is no ELF file or cannot be read."""
    rights: str
    """How running it gives other rights: "setuid", "setgid", "capabilities" or ""."""
    preload: Tuple[Preload, ...]
    """The entries of LD_PRELOAD."""
    library: str
    """The file that the package would preload; "" when there is none."""
    library_error: str
    """Why the package has no library, else ""."""
    options: Tuple[Option, ...]
    """The library's options; () when it cannot be asked."""
    page_bytes: int
    """The size of a page."""
    ignores_environment: bool = False
    """-E or -I: PYTHON… variables do not count."""
    dev_mode: bool = False
    """Python's development mode, by -X dev or PYTHONDEVMODE."""
    python: Optional[Python] = None
    """Only for this process."""


def of_command(path: str, words: List[str], environ: Mapping[str, str]) -> Facts:
    """A command that is to be started; `path` is its file. For a script the interpreter counts."""
    facts = _of_program(path, environ)
    flags = flags_of(words) if is_python(path) else []
    ignores = any(re.match("-[a-zA-VY-Z]*[EI]", flag) for flag in flags)
    by_flag = any(re.match("-[a-zA-Z]*X$", flag) and value == "dev" or re.match("-[a-zA-Z]*Xdev$", flag)
                  for flag, value in zip(flags, [*flags[1:], ""]))
    return dataclasses.replace(
        facts, ignores_environment=ignores,
        dev_mode=by_flag or not ignores and bool(environ.get("PYTHONDEVMODE")))


def is_python(path: str, files: Tuple[str, ...] = ()) -> bool:
    """Whether a program is a CPython, by the names of its file and of those that it has loaded."""
    return bool(re.match(r"python[\d.]*[dt]*$", os.path.basename(path))) or any(
        os.path.basename(file).startswith("libpython") for file in files)


def _of_program(path: str, environ: Mapping[str, str]) -> Facts:
    program = _binary.interpreters(path, environ.get("PATH"))[-1] if path else ""
    try:
        binary = _binary.read(program)
        rights = _binary.raises_rights(program)
    except OSError:
        binary, rights = None, ""
    library = ""
    try:
        library = library_path()
        problem, table = "", options()
    except LibraryError as error:
        problem, table = str(error), ()
    return Facts(
        environ=environ, program=program, binary=binary, rights=rights,
        preload=tuple(map(_preload, _environment.entries(environ.get("LD_PRELOAD", "")))),
        library=library, library_error=problem, options=table, page_bytes=os.sysconf("SC_PAGESIZE"))


def of_this_process() -> Facts:
    """This process, as it was started."""
    # First what is loaded: the questions that follow load the library of the package.
    loaded = loaded_files("/proc/self/maps")
    facts = _of_program(os.path.realpath("/proc/self/exe"), initial_environment())
    # What the file promises, the kernel has told by now.
    return dataclasses.replace(
        facts, rights="", ignores_environment=bool(sys.flags.ignore_environment), dev_mode=bool(sys.flags.dev_mode),
        python=_this_python(loaded))


def _preload(path: str) -> Preload:
    if "/" not in path or "$" in path:
        return Preload(path)
    real = os.path.realpath(path)
    try:
        binary = _binary.read(path)
    except FileNotFoundError:
        return Preload(path, "missing", file=real)
    except OSError:
        return Preload(path, "unreadable", file=real)
    if binary is None or not binary.is_dynamic:
        return Preload(path, "no library", file=real)
    return Preload(path, binary=binary, file=real)


def is_ours(path: str) -> bool:
    """Whether a file is a copy of oxmalloc, by its name."""
    named = os.environ.get("OXMALLOC_LIBRARY")
    return os.path.basename(path).startswith("liboxmalloc.so") or bool(named) and path == os.path.abspath(str(named))


def initial_environment() -> Dict[str, str]:
    """The environment that the kernel handed over: OXMALLOC_CHILDREN=0 has taken
    something out of it since. Where setproctitle wrote over it, what it is now."""
    try:
        with open("/proc/self/environ", "rb") as file:
            lines = os.fsdecode(file.read()).split("\0")
    except OSError:
        return dict(os.environ)
    lines = [line for line in lines if line]
    if not lines or not all(re.match(r"[^=\s]+=", line) for line in lines):
        return dict(os.environ)
    return dict(line.split("=", 1) for line in lines)


def _this_python(loaded: Tuple[str, ...]) -> Python:
    try:
        now: Optional[Status] = status()
    except LibraryError:
        now = None
    return Python(
        version=sys.version_info[:3], executable=sys.executable or "",
        is_debug=hasattr(sys, "gettotalrefcount"), is_free_threaded=_is_free_threaded(),
        is_tracing=_is_tracing(), is_secure=_is_secure(),
        copies=tuple(path for path in loaded if is_ours(path)),
        sanitizers=tuple(path for path in loaded if _environment.is_sanitizer(path)), status=now)


def _is_tracing() -> bool:
    tracing: Any = sys.modules.get("tracemalloc") or sys.modules.get("_tracemalloc")
    if tracing is None:
        try:
            import _tracemalloc as tracing  # The part that is built in.
        except ImportError:  # A sub-interpreter gets it not; the library tells when it is in the way.
            return False
    return bool(tracing.is_tracing())


def _is_free_threaded() -> bool:
    import sysconfig

    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def _is_secure() -> bool:
    # Such a process may not even read its own /proc/self/auxv.
    getauxval = ctypes.PyDLL(None).getauxval
    getauxval.restype, getauxval.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    return bool(getauxval(_AT_SECURE))


def loaded_files(maps: str) -> Tuple[str, ...]:
    """The files that a process has mapped, in order; () when it is gone or somebody else's."""
    try:
        with open(maps, encoding="utf-8", errors="surrogateescape") as file:
            found = re.findall(r"^\S+ r\S+ \S+ \S+ \S+ +(/.*?)(?: \(deleted\))?$", file.read(), re.MULTILINE)
    except OSError:
        return ()
    return tuple(dict.fromkeys(found))
