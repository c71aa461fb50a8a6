"""python -m oxmalloc: reads the command line and runs one of the commands."""
from __future__ import annotations

import argparse
import inspect
import sys
from typing import List, Optional

from .commands import commands
from .errors import OxmallocError


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `arguments.command_main` runs the chosen one."""
    top = argparse.ArgumentParser(
        prog="oxmalloc", description="Runs Python programs on the oxmalloc heap, and shows it.")
    each = top.add_subparsers(metavar="command", required=True)
    for command in commands():
        one = each.add_parser(
            command.NAME, help=command.HELP, description=inspect.getdoc(command), allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(command_main=command.main)
        command.add_arguments(one)
    return top


def main(words: Optional[List[str]] = None) -> int:
    """Runs a command; -> the exit status (2 when the command line is wrong)."""
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.command_main(arguments)
    except OxmallocError as error:
        print("oxmalloc: %s" % error, file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
