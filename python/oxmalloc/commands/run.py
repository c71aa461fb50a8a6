"""Runs a program on oxmalloc.

It takes the place of this process (exec): exit status, signals, stdin and stdout
are the program's own. The interpreter is the one that runs this command, with its
flags; after -- it is whatever the command starts. LD_PRELOAD gets the library in
front of what it has. Options come before the program.

    python -m oxmalloc run app.py --port 80
    python -m oxmalloc run --stats -m pytest -x
    python -m oxmalloc run --no-children -c "print(1)"
    python -m oxmalloc run -- gunicorn app:app
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import Dict, List, NoReturn

from .. import _binary
from ._arguments import add_options, chosen

NAME = "run"
HELP = "run a program on oxmalloc"
UNKNOWN = "; Python's own options come first, as in python -u -m oxmalloc run app.py"

# As a shell has it.
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s [options] script.py | -m module | -c code | -- command [argument ...]"
    form = parser.add_mutually_exclusive_group()
    form.add_argument("-m", dest="form", action="store_const", const="-m",
                      help="the program is a module, as with python -m")
    form.add_argument("-c", dest="form", action="store_const", const="-c",
                      help="the program is code, as with python -c")
    parser.add_argument("program", nargs=argparse.REMAINDER,
                        help="a script (- for standard input), module or code; or -- and a command; then its arguments")
    add_options(parser)


def main(arguments: argparse.Namespace) -> int:
    from .._environment import environment
    from .._library import library_path

    options = chosen(arguments)
    words = _words(arguments.form, arguments.program)
    environ = environment(library_path(), options, os.environ)
    program = _binary.program(words[0], environ.get("PATH"))
    if program is None:
        refused = _binary.refused(words[0])
        if refused:
            _fail(_NOT_EXECUTABLE, "%s %s" % (words[0], refused))
        _fail(_NOT_FOUND, "%s: there is no such command; for a script, leave out the --" % words[0])
    _warn(program, environ, words)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # Closed from the start.
            stream.flush()
    try:
        os.execve(program, words, environ)
    except OSError as error:
        _fail(_NOT_EXECUTABLE, "%s cannot be run: %s" % (program, error.strerror))


def _words(form: str, program: List[str]) -> List[str]:
    """The command line to execute."""
    from .._launch import interpreter_flags

    if not program or program == ["--"]:
        _fail(2, "what shall be run? A script, - for standard input, -m module, -c code, or -- command; see --help")
    if not form and program[0] == "--":
        return program[1:]
    if not sys.executable:
        _fail(1, "this interpreter does not know its own file: name one, as in `run -- python3 app.py`")
    if form:
        return [sys.executable, *interpreter_flags(), form, *program]
    script = program[0]
    if script != "-" and not os.path.exists(script):
        hint = ""
        if "/" not in script and _binary.program(script):
            hint = "; for the command of that name: run -- %s" % " ".join(program)
        _fail(2, "%s: there is no such script%s" % (script, hint))
    return [sys.executable, *interpreter_flags(), *program]


def _warn(program: str, environ: Dict[str, str], words: List[str]) -> None:
    """Says what will be in the way; the program runs all the same."""
    from .._checks import BEFORE_START, PROBLEM, examine
    from .._facts import of_command

    for finding in examine(of_command(program, words, environ), BEFORE_START):
        if finding.severity == PROBLEM:
            print("oxmalloc: the program will not run on it: %s. To mend that: %s." % (finding.cause, finding.remedy),
                  file=sys.stderr)


def _fail(status: int, text: str) -> NoReturn:
    print("oxmalloc run: %s" % text, file=sys.stderr)
    sys.exit(status)
