"""The library's options, from its own table."""
from __future__ import annotations

import ctypes
import dataclasses
import re
from typing import Any, Optional, Tuple

from ._library import OPTION_KINDS, OxOptionInfo, library

PREFIX = "OXMALLOC_"
_OFF, _ON = ("", "0", "no", "off", "false"), ("1", "yes", "on", "true")


def is_on(text: str) -> Optional[bool]:
    """What a flag is when its variable has this value; None when the library does not understand it."""
    text = text.strip().lower()
    return True if text in _ON else False if text in _OFF else None


@dataclasses.dataclass(frozen=True)
class Option:
    """One environment variable that the library reads (from Ox_GetOptions)."""

    name: str
    """As the environment has it: "OXMALLOC_PURGE_DELAY_MS"."""
    kind: str
    """"flag" (0 or 1), "number" or "word"."""
    unit: str
    """What a number counts, as "ms"; else ""."""
    words: Tuple[str, ...]
    """The words that may be chosen; () unless the kind is "word"."""
    least: int
    """The smallest number."""
    most: int
    """The largest number."""
    default: str
    """The value when the variable is not set."""
    value: str
    """The value that is in force in this process."""
    help: str
    """What the option does."""

    @property
    def flag(self) -> str:
        """As a command line has it: "--purge-delay-ms"."""
        return "--" + self.name[len(PREFIX):].lower().replace("_", "-")

    @property
    def values(self) -> str:
        """What it takes, in words."""
        if self.kind == "number":
            return "a whole number from %d to %d (%s)" % (self.least, self.most, self.unit)
        return " or ".join(self.words or ("0", "1"))

    def accepts(self, text: str) -> bool:
        """Whether the library understands this value."""
        text = text.strip().lower()
        if self.kind == "number":
            # As the library has it: not isdigit(), whose digits int() need not know.
            number = re.fullmatch(r"\+?0*([0-9]{1,20})", text)
            return number is not None and self.least <= int(number.group(1)) <= self.most
        return text in self.words if self.words else is_on(text) is not None


def options() -> Tuple[Option, ...]:
    """Every option of the library, in the order of its table.

    Works whether oxmalloc is active or not; `value` is the default where the
    library had no reason to read the environment yet. Any thread.
    """
    lib = library()
    rows = (OxOptionInfo * lib.Ox_GetOptions(None, 0, 0))()
    lib.Ox_GetOptions(rows, ctypes.sizeof(OxOptionInfo), len(rows))
    return tuple(map(_option_of, rows))


def _option_of(row: Any) -> Option:
    words = tuple(row.words.decode().split(",")) if row.words else ()

    def text(value: int) -> str:
        return words[value] if words else str(value)

    return Option(
        name=row.name.decode(), kind=OPTION_KINDS[row.kind], unit=row.unit.decode(), words=words,
        least=row.least, most=row.most, default=text(row.default_value), value=text(row.value),
        help=row.help.decode())
