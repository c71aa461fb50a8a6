"""Finds out whether programs run on oxmalloc, and if not why and what mends it.

Without a command it looks at its own process, and starts children in every way
that Python has; run it where and how the program runs:

    python -m oxmalloc run -m oxmalloc doctor

With one it looks at the program, then really runs it, ends it when it takes
longer than --seconds, and tells which of its Pythons ran on oxmalloc:

    python -m oxmalloc doctor -- gunicorn app:app

The exit status is 0 when every Python that it looked at runs on oxmalloc, else 1.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from typing import Any, Dict, List

NAME = "doctor"
HELP = "find out whether programs run on oxmalloc, and what mends it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [--json] [--seconds N] [-- command [argument ...]]"
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--seconds", type=_seconds, default=10.0, metavar="N",
                        help="how long the command may run before it is ended (default 10)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and a command with its arguments")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("%r: use a number above 0" % text)
    return seconds


def main(arguments: argparse.Namespace) -> int:
    from .. import _diagnosis
    from .._facts import initial_environment

    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if command:
        found = _diagnosis.of_command(command, initial_environment(), arguments.seconds)
    else:
        found = _diagnosis.of_this_process()
    colours = sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(_json(found) if arguments.json else found.to_text(colours))
    return 0 if found.is_active else 1


def _json(found: Any) -> str:
    findings: List[Dict[str, str]] = [dataclasses.asdict(finding) for finding in found.findings]
    return json.dumps({"active": found.is_active, "subject": found.subject, "findings": findings}, indent=2)
