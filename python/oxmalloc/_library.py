"""liboxmalloc.so in this process, and its C structures.

The library is the one that serves this process, if any does: a second copy
would know nothing of its heap. Otherwise it is the file that OXMALLOC_LIBRARY
names, or the one inside this package; to load it installs nothing.

Everything is called through ctypes.PyDLL, which keeps the GIL: only then does
the library reach the interpreter's heap. Nothing calls back: that would ask for
the GIL, and wait for it for ever in a sub-interpreter before 3.12.
"""
from __future__ import annotations

import ctypes
import os
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import LibraryError

RAW, MEM, OBJ = 0, 1, 2
DOMAIN_NAMES = ("raw", "mem", "obj")

# The codes of oxmalloc.h.
OX_OK, OX_ALREADY, OX_WITHOUT_OBJ, OX_WITHOUT_RAW = 0, 1, 2, 3
OX_ERR_NO_PYTHON, OX_ERR_TRACEMALLOC, OX_ERR_PYTHONMALLOC = -1, -2, -3
OX_ERR_NEEDS_GIL, OX_ERR_VERSION, OX_ERR_DISABLED = -4, -5, -6
OX_ERR_NO_MEMORY, OX_ERR_SECOND_COPY, OX_ERR_ARGUMENT = -7, -8, -9
OX_NOT_INSTALLED = -10

POOL_STATES = ("used", "full", "empty", "span", "large")
CLASS_KINDS = ("class", "span", "large")
OPTION_KINDS = ("flag", "number", "word")


# --- The structures of oxmalloc.h (a test compares them) ------------------------

def _sizes(names: str) -> List[Tuple[str, Any]]:
    return [(name, ctypes.c_size_t) for name in names.split()]


class OxStatus(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("code", ctypes.c_int32),
        ("active_domains", ctypes.c_uint32),
        ("installed_by", ctypes.c_uint32),
        ("python_version", ctypes.c_uint32),
        ("text", ctypes.c_char * 160),
    ]


class OxDomainStats(ctypes.Structure):
    _fields_ = _sizes("live_bytes live_blocks free_bytes untouched_bytes pool_bytes peak_bytes")


class OxStats(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("mem", OxDomainStats),
        ("obj", OxDomainStats),
        *_sizes(
            "arenas arenas_peak pools_used pools_full pools_empty spans large_blocks large_bytes "
            "large_cached_bytes mapped_bytes resident_bytes metadata_bytes given_back_bytes "
            "given_back_calls heaps heaps_idle handovers remote_frees"),
    ]


class OxClassStats(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("domain", ctypes.c_uint32),
        ("kind", ctypes.c_uint32),
        *_sizes(
            "block_bytes pools pool_bytes live_blocks live_bytes free_bytes untouched_bytes "
            "purged_bytes resident_bytes taken_blocks taken_bytes freed_blocks freed_bytes"),
    ]


class OxArenaInfo(ctypes.Structure):
    _fields_ = _sizes(
        "size address bytes pools pools_vacant pools_clean live_blocks live_bytes free_bytes "
        "untouched_bytes purged_bytes resident_bytes")


class OxOptionInfo(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        *[(name, ctypes.c_char_p) for name in "name unit help words".split()],
        ("kind", ctypes.c_uint32),
        *_sizes("default_value least most value"),
    ]


# name -> (result, arguments)
_FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "Ox_Install": (ctypes.c_int, []),
    "Ox_GetStatus": (ctypes.c_int, [ctypes.POINTER(OxStatus)]),
    "Ox_GetStats": (ctypes.c_int, [ctypes.POINTER(OxStats)]),
    "Ox_GetClassStats": (ctypes.c_int, [ctypes.POINTER(OxClassStats), ctypes.c_size_t, ctypes.c_size_t]),
    "Ox_GetArenas": (ctypes.c_int, [ctypes.POINTER(OxArenaInfo), ctypes.c_size_t, ctypes.c_size_t]),
    "Ox_GetOptions": (ctypes.c_int, [ctypes.POINTER(OxOptionInfo), ctypes.c_size_t, ctypes.c_size_t]),
    "Ox_Trim": (ctypes.c_size_t, []),
    "Ox_Version": (ctypes.c_char_p, []),
    "Ox_StartCounting": (ctypes.c_int, []),
    "Ox_StopCounting": (ctypes.c_int, []),
    "Ox_WriteSnapshot": (ctypes.c_int, [ctypes.c_int]),
}


# --- The library ----------------------------------------------------------------

class Library(ctypes.PyDLL):
    """The loaded library; its functions are attributes, `path` is its file."""

    def __init__(self, name: str, mode: int = ctypes.DEFAULT_MODE) -> None:
        super().__init__(name, mode=mode)
        self.path = os.path.realpath(name)
        for name, (result, arguments) in _FUNCTIONS.items():
            try:
                function = super().__getattr__(name)
            except AttributeError:
                continue  # An older copy; who asks for it learns of it.
            function.restype, function.argtypes = result, arguments

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name not in _FUNCTIONS:
                raise
        raise LibraryError("%s is oxmalloc %s and has no %s: preload the library of this package, %s" % (
            self.path, self.version, name, library_path()))

    @property
    def version(self) -> str:
        """"major.minor.patch" of the loaded copy."""
        version: bytes = self.Ox_Version()
        return version.decode()

    def status(self) -> OxStatus:
        """The structure that Ox_GetStatus fills."""
        out = OxStatus(ctypes.sizeof(OxStatus))
        self.Ox_GetStatus(ctypes.byref(out))
        return out


def library_path() -> str:
    """The file to preload: OXMALLOC_LIBRARY, or the library in this package.

    Absolute. Any thread. LibraryError when there is no such file.
    """
    named = os.environ.get("OXMALLOC_LIBRARY")
    path = os.path.abspath(named or os.path.join(os.path.dirname(__file__), "liboxmalloc.so"))
    if os.path.isfile(path):
        return path
    if named:
        raise LibraryError("OXMALLOC_LIBRARY names %s, and there is no such file: correct or unset it" % path)
    raise LibraryError(
        "%s is missing: reinstall the package with pip, or name a library with OXMALLOC_LIBRARY" % path)


_serving: Optional[Library] = None
_copies: Dict[str, Library] = {}
"""The copies seen so far, by the name under which they are loaded."""


def library() -> Library:
    """The copy that serves this process, else the one at `library_path()`."""
    global _serving
    if _serving is not None:
        return _serving
    loaded = list(_loaded())
    for copy in loaded:
        if copy.status().active_domains:
            _serving = copy
            return copy
    if loaded:
        return loaded[0]
    path = library_path()
    try:
        return _open(path)
    except OSError as error:
        raise LibraryError("%s cannot be loaded: %s" % (path, error)) from error


def _open(name: str, mode: int = ctypes.DEFAULT_MODE) -> Library:
    if name not in _copies:
        _copies[name] = Library(name, mode)
    return _copies[name]


def _loaded() -> Iterator[Library]:
    """The copies in this process already: the one that its program sees, by
    whatever name it was preloaded or linked, and those that the kernel lists."""
    names = [_global_name()]
    try:
        with open("/proc/self/maps", "rb") as maps:
            names += map(os.fsdecode, re.findall(rb" (/.*/liboxmalloc\.so[^/]*?)(?: \(deleted\))?\n", maps.read()))
    except OSError:
        pass
    seen = set()
    for name in filter(None, names):
        if os.path.realpath(name) in seen:
            continue
        seen.add(os.path.realpath(name))
        try:
            yield _open(name, ctypes.DEFAULT_MODE | os.RTLD_NOLOAD)
        except OSError:
            continue  # Mapped by somebody who only reads it.


class _Symbol(ctypes.Structure):
    """Dl_info of dlfcn.h."""

    _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p),
                ("address", ctypes.c_void_p)]


def _global_name() -> str:
    """The copy whose functions the whole process sees, by the loader's name; "" for none."""
    program = ctypes.PyDLL(None)
    try:
        function = program.Ox_GetStatus
    except AttributeError:
        return ""
    found = _Symbol()
    program.dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(found))
    return os.fsdecode(found.file or b"")
