"""python -m oxmalloc: reads the command line and runs one of the commands."""
from __future__ import annotations

import argparse
import inspect
import io
import os
import signal
import sys
from typing import Any, List, Optional, Tuple

from .commands import Command, commands
from .errors import OxmallocError


class _CommandParser(argparse.ArgumentParser):
    """Asks its command for the arguments when it is the one that was chosen: to
    know them some load the library, which may be what is missing."""

    command: Optional[Command] = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Tuple[Any, List[str]]:
        command, self.command = self.command, None
        if command is not None:
            command.add_arguments(self)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:  # The parser of all commands would say so, with a usage that does not help.
            self.error("unknown: %s%s" % (" ".join(unknown), getattr(command, "UNKNOWN", "")))
        return found, unknown


class _Version(argparse.Action):
    """Asks the library, when it is wanted."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from ._library import library

        found = library()
        print("oxmalloc %s, %s" % (found.version, found.path))
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `arguments.command_main` runs the chosen one."""
    top = argparse.ArgumentParser(
        prog="oxmalloc", description="Runs Python programs on the oxmalloc heap, and shows it.")
    top.add_argument("--version", action=_Version, nargs=0, help="print the version, and which library it is of")
    each = top.add_subparsers(metavar="command", required=True, parser_class=_CommandParser)
    for command in commands():
        one = each.add_parser(
            command.NAME, help=command.HELP, description=inspect.getdoc(command), allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        one.set_defaults(command_main=command.main)
        one.command = command
    return top


def main(words: Optional[List[str]] = None) -> int:
    """Runs a command; -> the exit status (2 when the command line is wrong)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # A path may have any letter.
    try:
        try:
            arguments = parser().parse_args(words)
            status: int = arguments.command_main(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # Who reads has seen enough. What is left must not be written at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OxmallocError as error:
        print("oxmalloc: %s" % error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


if __name__ == "__main__":
    sys.exit(main())
