"""The environment that starts a program on oxmalloc."""
from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping

from .errors import LibraryError

# Sanitizers insist on being the first library that is loaded.
_SANITIZER = re.compile(r"lib(clang_rt\.)?(asan|hwasan|lsan|tsan|ubsan)\b")


def entries(preload: str) -> List[str]:
    """The files that a value of LD_PRELOAD names; spaces and colons separate them."""
    return [entry for entry in re.split("[ :]", preload) if entry]


def is_sanitizer(path: str) -> bool:
    """Whether a library is the run-time of a sanitizer, by its name."""
    return bool(_SANITIZER.match(os.path.basename(path)))


def can_name(path: str) -> bool:
    """Whether LD_PRELOAD can name a file: it cannot when a separator is in the path."""
    return not re.search("[ :]", path)


def preload(library: str, before: str = "") -> str:
    """LD_PRELOAD with `library` first and what was there `before` behind it.

    Only sanitizers stay in front. The library is in it once. LibraryError when
    LD_PRELOAD cannot name it.
    """
    if not can_name(library):
        raise LibraryError(
            "LD_PRELOAD cannot name %s, because spaces and colons separate its entries: install the package "
            "elsewhere, or copy the library and name the copy with OXMALLOC_LIBRARY" % library)
    others = [entry for entry in entries(before) if not _is_same_file(entry, library)]
    first = [entry for entry in others if is_sanitizer(entry)]
    return ":".join([*first, library, *[entry for entry in others if entry not in first]])


def environment(library: str, options: Mapping[str, str], before: Mapping[str, str]) -> Dict[str, str]:
    """`before`, changed so that a program runs on `library` with these options."""
    changed = dict(before, LD_PRELOAD=preload(library, before.get("LD_PRELOAD", "")), **options)
    if "OXMALLOC_LIBRARY" in before:
        changed["OXMALLOC_LIBRARY"] = library  # Of whatever directory it was relative to.
    return changed


def _is_same_file(path: str, other: str) -> bool:
    try:
        return path == other or os.path.samefile(path, other)
    except OSError:
        return False
