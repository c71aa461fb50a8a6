"""What a program file is: for which machine, with which loader, with which rights."""
from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import struct
from typing import BinaryIO, List, Optional

# e_machine of the machines that have a CPython, as <elf.h> numbers them.
MACHINES = {3: "i386", 8: "MIPS", 21: "ppc64", 22: "s390x", 40: "ARM", 62: "x86-64", 183: "aarch64", 243: "RISC-V",
            258: "LoongArch"}
_PT_DYNAMIC, _PT_INTERP = 2, 3


@dataclasses.dataclass(frozen=True)
class Binary:
    """One ELF file."""

    path: str
    """Where it is, links followed."""
    bits: int
    """32 or 64."""
    machine: str
    """What it runs on: "x86-64", "aarch64", or "machine N"."""
    loader: str
    """The program that loads its libraries (PT_INTERP); "" when it has none."""
    is_dynamic: bool
    """Whether it has libraries or is one (PT_DYNAMIC)."""

    @property
    def kind(self) -> str:
        """What it runs on, in words."""
        return "%s, %d bits" % (self.machine, self.bits)

    @property
    def is_static(self) -> bool:
        """Whether it is a program that no loader starts, so nothing can be preloaded."""
        return not self.loader

    @property
    def is_musl(self) -> bool:
        """Whether its C library is musl."""
        return os.path.basename(self.loader).startswith("ld-musl")


def read(path: str) -> Optional[Binary]:
    """Looks at a file; None when it is no ELF file, OSError when it cannot be read."""
    with open(path, "rb") as file:
        start = file.read(64)
        if len(start) < 52 or start[:4] != b"\x7fELF" or start[4] not in (1, 2):
            return None
        try:
            return _parse(os.path.realpath(path), start, file)
        except struct.error:  # It ends too early.
            return None


def _parse(path: str, start: bytes, file: BinaryIO) -> Binary:
    wide = start[4] == 2
    order = ">" if start[5] == 2 else "<"
    (machine,) = struct.unpack_from(order + "H", start, 18)
    # e_phoff; then e_phentsize and e_phnum.
    (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), start, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", start, 54 if wide else 42)
    loader, is_dynamic = "", False
    for index in range(count):
        file.seek(offset + index * size)
        header = file.read(size)
        (kind,) = struct.unpack_from(order + "I", header)
        is_dynamic = is_dynamic or kind == _PT_DYNAMIC
        if kind == _PT_INTERP:
            at, length = struct.unpack_from(order + ("Q16xQ" if wide else "I8xI"), header, 8 if wide else 4)
            file.seek(at)
            loader = os.fsdecode(file.read(length).rstrip(b"\0"))
    return Binary(path, 64 if wide else 32, MACHINES.get(machine, "machine %d" % machine), loader, is_dynamic)


def raises_rights(path: str) -> str:
    """How running a file gives the caller other rights: "setuid", "setgid",
    "capabilities", or "". The loader then ignores LD_PRELOAD."""
    found = os.stat(path)
    if found.st_mode & stat.S_ISUID and found.st_uid != os.getuid():
        return "setuid"
    if found.st_mode & stat.S_ISGID and found.st_gid != os.getgid():
        return "setgid"
    try:
        return "capabilities" if os.getuid() and os.getxattr(path, "security.capability") else ""
    except OSError:
        return ""


def program(word: str, path: Optional[str] = None) -> Optional[str]:
    """The file that a shell would run for a word, None when there is none. `path`: PATH."""
    return shutil.which(word, path=path)


def refused(word: str) -> str:
    """Why nothing is run for a word that names a file which is there, and what to do;
    "" when it names none."""
    if "/" not in word or not os.path.exists(word):
        return ""
    if os.path.isdir(word):
        return "is a directory: name a program in it"
    return "is not executable: `chmod +x` it, or name its interpreter in front"


def interpreters(path: str, search: Optional[str] = None) -> List[str]:
    """The programs that really run when a file is: itself, unless it is a script;
    then the one that its first line names, and so on. "#!/usr/bin/env python3"
    leads to that python3."""
    chain = [path]
    while len(chain) < 5:  # The kernel gives up as well.
        try:
            with open(chain[-1], "rb") as file:
                line = file.readline(256)
        except OSError:
            break
        if not line.startswith(b"#!"):
            break
        words = os.fsdecode(line[2:]).split()
        if words and os.path.basename(words[0]) == "env":
            named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
            words = [program(named[0], search) or ""] if named else []
        if not words or not words[0]:
            break
        chain.append(words[0])
    return chain
