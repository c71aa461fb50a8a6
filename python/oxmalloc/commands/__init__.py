"""The commands of `python -m oxmalloc`, one module each.

A module that does not start with an underscore is a command:

    NAME = "stats"                      what the user types
    HELP = "one line for --help"        the module's docstring is the long text
    def add_arguments(parser): ...      its options, on an argparse parser
    def main(arguments) -> int: ...     does it; -> the exit status
    UNKNOWN = "; ..."                   what to say behind an unknown option, if anything

Import what is large inside main: every command is imported to list them.
"""
from __future__ import annotations

import argparse
import importlib
import pkgutil
from typing import List, Protocol, cast

class Command(Protocol):
    """What a module here has."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def main(self, arguments: argparse.Namespace) -> int: ...


def commands() -> List[Command]:
    """Every command, in the order of the modules' names."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    return [cast(Command, importlib.import_module("%s.%s" % (__name__, name))) for name in names]
