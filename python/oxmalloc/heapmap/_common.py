"""What the page and the still picture have in common: whose heap it is, files, text."""
from __future__ import annotations

import html
import os
import re
from typing import List, Sequence

from .._words import moment
from ..snapshots import Process, Snapshot

# What XML has no place for: control characters, half of a surrogate pair.
_NO_TEXT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def default_title(snapshots: Sequence[Snapshot]) -> str:
    """What the picture is called when nobody says."""
    return "Heap of %s" % (snapshots[-1].process.name or "a process")


def of_whom(snapshot: Snapshot) -> str:
    """The process and the moment."""
    return ", ".join(_process(snapshot.process) + [
        "oxmalloc %s" % snapshot.version, moment(snapshot.time)])


def _process(process: Process) -> List[str]:
    python = ["CPython %d.%d.%d" % process.python_version] if any(process.python_version) else []
    return ["process %d" % process.pid] + python


def asset(name: str) -> str:
    """The text of a file beside this module."""
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()


def escape(text: str) -> str:
    """Text for HTML and XML, whatever is in it."""
    return html.escape(_NO_TEXT.sub("\ufffd", text))
