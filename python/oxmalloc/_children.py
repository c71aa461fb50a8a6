"""Whether the children of this process run on oxmalloc, however they are started.

Each is really started, and says it itself.
"""
from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import Callable, Dict, NamedTuple, Tuple

from ._library import OX_NOT_INSTALLED
from ._status import status
from .errors import OxmallocError

# A child that takes longer hangs.
SECONDS = 60.0


class NotAllowed(Exception):
    """This process may start no child so."""


class Answer(NamedTuple):
    """What a child says of itself."""

    domains: Tuple[str, ...]
    """The domains that oxmalloc serves there; () when it is inactive."""
    reason: str
    """"active", or why not."""
    code: int
    """The number behind the reason."""


def answer() -> Answer:
    """What this process says of itself."""
    try:
        now = status()
        return Answer(now.domains, now.reason, now.code)
    except OxmallocError as error:
        return Answer((), str(error), OX_NOT_INSTALLED)


# Finds this package whatever the child's search path is, and no module of the working
# directory in the place of one of Python's.
_CODE = "import sys; sys.path[:] = [*filter(None, sys.path), sys.argv[1]]; " \
    "from oxmalloc._children import answer; print(tuple(answer()))"
_WHERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _output(command: Tuple[str, ...]) -> Answer:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=SECONDS)
    try:
        # The last line: what starts with every Python may print as well.
        domains, reason, code = ast.literal_eval(done.stdout.splitlines()[-1])
    except (ValueError, SyntaxError, IndexError, TypeError):
        said = done.stderr.strip().splitlines()
        raise RuntimeError("it ended with status %d: %s" % (done.returncode, said[-1] if said else "")) from None
    return Answer(domains, reason, code)


def _subprocess() -> Answer:
    return _output((sys.executable, "-c", _CODE, _WHERE))


def _exec() -> Answer:
    """A process that makes room for another program."""
    code = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', *sys.argv[1:]])"
    return _output((sys.executable, "-c", code, _CODE, _WHERE))


def _multiprocessing(method: str) -> Callable[[], Answer]:
    def start() -> Answer:
        import multiprocessing

        if multiprocessing.current_process().daemon:
            raise NotAllowed("a daemonic process of multiprocessing may start none so")
        context = multiprocessing.get_context(method)
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(there,))  # type: ignore[attr-defined]
        try:
            process.start()
            there.close()  # So that the end of the child is seen.
            if not here.poll(SECONDS):
                raise RuntimeError("it did not answer in %d s" % SECONDS)
            found: Answer = here.recv()
            process.join(SECONDS)
            return found
        except EOFError:
            raise RuntimeError("it ended before it answered") from None
        finally:
            here.close()
            if process.is_alive():
                process.kill()
                process.join()

    return start


def _send(connection: object) -> None:
    connection.send(answer())  # type: ignore[attr-defined]


WAYS: Dict[str, Callable[[], Answer]] = {
    "subprocess": _subprocess,
    "exec": _exec,
    "fork": _multiprocessing("fork"),
    "spawn": _multiprocessing("spawn"),
    "forkserver": _multiprocessing("forkserver"),
}
