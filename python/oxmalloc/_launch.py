"""The command line of a program that is started anew."""
from __future__ import annotations

import os
import sys
from typing import List


def interpreter_flags() -> List[str]:
    """The flags that this interpreter was started with, such as -X dev, -W error, -O, -I."""
    words: List[str] = list(getattr(sys, "orig_argv", ()))  # Since 3.10.
    if not words:
        try:
            with open("/proc/self/cmdline", "rb") as file:
                words = [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
        except OSError:
            from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

            flags: List[str] = _args_from_interpreter_flags()
            return flags
    return flags_of(words)


def flags_of(words: List[str]) -> List[str]:
    """The flags of an interpreter's command line: what stands before -m, -c or the script."""
    flags: List[str] = []
    rest = iter(words[1:])
    for word in rest:
        if word in ("-", "--") or not word.startswith("-"):
            break
        if word.startswith("--"):
            flags.append(word)
            if word == "--check-hash-based-pycs":
                flags += [next(rest, "")]
            continue
        # Letters may stand together, as in -Im; these have a value, which may follow.
        value = next((at for at, letter in enumerate(word) if at and letter in "WXmc"), 0)
        if value and word[value] in "mc":
            return flags + [word[:value]] * (value > 1)
        flags.append(word)
        if value == len(word) - 1:
            flags += [next(rest, "")]
    return flags
