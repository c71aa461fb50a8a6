"""Runs a command, and sees which of its processes run on oxmalloc.

OXMALLOC_VERBOSE=1 has each Python tell by itself, at once when it is active, else
when it ends; /proc shows those that cannot, because the library is not in them.
Its processes are those that descend from it, daemons too: what is orphaned meanwhile
becomes a child of this process.
A Python without the library that lives for less than a tenth of a second, and is
not the command itself, may be missed.
"""
from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Set

from ._facts import is_ours, is_python, loaded_files

# How often /proc is looked at, and how long a process may take to end when it is told to, in seconds.
_LOOK_EVERY = 0.05
_END_WITHIN = 5.0

_PR_SET_CHILD_SUBREAPER = 36

_SAID = re.compile(r"^oxmalloc: process +pid (\d+), CPython ([\d.]+), "
                   r"(?:active in (.*)|(inactive: .*) \(code (-?\d+)\))$")
_LOADER = re.compile(r"^ERROR: ld\.so: object '(.*)' from \S+ cannot be preloaded \((.*)\): ignored\.$")
_ASAN = re.compile(r"ASan runtime does not come first")


@dataclasses.dataclass
class Process:
    """One Python of the command."""

    pid: int
    image: int = 0
    """The same in two processes when one forked from the other; 0 when it was not seen alive."""
    program: str = ""
    """The file that it runs, "" when it was not seen alive."""
    has_library: bool = False
    """oxmalloc is loaded in it, or it said something."""
    version: str = ""
    """Of CPython, when it said so."""
    domains: str = ""
    """Those it is active in, as "raw, mem, obj"."""
    reason: str = ""
    """Why it is not active, when it said so."""
    code: int = 0
    """The number behind the reason."""
    has_preload: bool = False
    """LD_PRELOAD is in the environment that it was started with."""
    looks: int = 0
    """How often it was seen alive."""


@dataclasses.dataclass
class Watched:
    """What came of a command."""

    command: int = 0
    """Its process id."""
    told: Dict[int, Process] = dataclasses.field(default_factory=dict)
    """The Pythons that said something, by process id."""
    looked: Dict[int, Process] = dataclasses.field(default_factory=dict)
    """Those that were seen alive."""
    others: Set[int] = dataclasses.field(default_factory=set)
    """The processes that were seen as something else than a Python."""
    status: Optional[int] = None
    """Its exit status; negative for a signal; None when it was ended from here."""
    left_running: bool = False
    """It ended, and left processes that were ended from here."""
    not_loaded: Dict[str, str] = dataclasses.field(default_factory=dict)
    """The files that the loader left out, and why."""
    sanitizer_refused: bool = False
    """A sanitizer ended a program because it was not loaded first."""
    before: Set[int] = dataclasses.field(default_factory=set)
    """The processes that there were already, which are none of it."""

    @property
    def processes(self) -> Dict[int, Process]:
        """The Pythons, by process id. One that was seen once may have been on its way
        to another program, between its fork and its exec."""
        found = dict(self.told)
        for pid, process in self.looked.items():
            if pid in found:
                found[pid] = dataclasses.replace(found[pid], image=process.image, program=process.program)
            elif process.looks > 1 or pid == self.command:
                found[pid] = process
        return dict(sorted(found.items()))


def watch(command: List[str], environ: Mapping[str, str], seconds: float) -> Watched:
    """Runs a command for at most so long. What it prints goes to stderr. It is ended
    as well when this process is told to end (SystemExit). Main thread. OSError when
    it cannot be started."""
    seen = Watched(before=set(_stats()))
    _say("")
    with _orphans_come_here(), _told_to_end():
        child = subprocess.Popen(
            command, env=dict(environ, OXMALLOC_VERBOSE="1"), stdout=2 if sys.stderr else subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True)
        assert child.stderr is not None
        seen.command = child.pid
        with child.stderr as stderr, selectors.DefaultSelector() as selector:
            os.set_blocking(stderr.fileno(), False)
            selector.register(stderr, selectors.EVENT_READ, _Lines(seen))
            try:
                _until_it_ends(child, selector, seconds, seen)
                seen.status = child.poll()
                seen.left_running = seen.status is not None and bool(_family(seen))
            finally:  # Ends what is left of it, first as one would ask.
                for number in (signal.SIGTERM, signal.SIGKILL):
                    if any([_signal(pid, number) for pid in _family(seen)]):
                        _until_it_ends(child, selector, _END_WITHIN, seen)
    return seen


@contextlib.contextmanager
def _orphans_come_here() -> Iterator[None]:
    """Else a process whose parent has ended belongs to init, and nobody knows whose it was."""
    prctl = ctypes.PyDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """Makes signals that end this process an exception, so that the command is ended first."""
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, _: Any) -> None:
        for each in numbers:  # Told twice it goes on ending the command.
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_it_ends(child: subprocess.Popen[bytes], selector: selectors.BaseSelector, seconds: float,
                   seen: Watched) -> None:
    """Listens and looks while a process of the command lives, for at most so long."""
    deadline = time.monotonic() + seconds
    ended = False
    while not ended and time.monotonic() < deadline:
        _look(seen)
        # Asked before the pipe is read for the last time.
        ended = child.poll() is not None and not _family(seen)
        for key, _ in selector.select(0 if ended else min(_LOOK_EVERY, max(0.0, deadline - time.monotonic()))):
            if not key.data.read(key.fd):
                selector.unregister(key.fileobj)


class _Lines:
    """What the command writes to its stderr, line by line."""

    def __init__(self, seen: Watched) -> None:
        self.seen = seen
        self.rest = b""

    def read(self, fd: int) -> bool:
        """Takes what is there; -> False when there is nothing more to come."""
        while True:
            try:
                some = os.read(fd, 65536)
            except BlockingIOError:
                return True
            *lines, self.rest = (self.rest + some).split(b"\n")
            if not some and self.rest:
                lines, self.rest = [self.rest], b""
            for line in lines:
                _hear(line, self.seen)
            if not some:
                return False


def _hear(line: bytes, seen: Watched) -> None:
    text = line.decode("utf-8", "replace")
    said, left_out = _SAID.match(text), _LOADER.match(text)
    if said:
        pid = int(said.group(1))
        process = seen.told.setdefault(pid, Process(pid))
        process.has_library, process.version = True, said.group(2)
        # Of what it says before and after an exec the last counts.
        process.domains, process.reason = said.group(3) or "", said.group(4) or ""
        process.code = int(said.group(5) or 0)
        return
    if left_out:
        seen.not_loaded[left_out.group(1)] = left_out.group(2)
    seen.sanitizer_refused = seen.sanitizer_refused or bool(_ASAN.search(text))
    _say(text + "\n")


def _say(text: str) -> None:
    if sys.stderr is not None:  # None when it was closed from the start.
        sys.stderr.write(text)
        sys.stderr.flush()


def _look(seen: Watched) -> None:
    """Notes the Pythons among the processes of the command that live now."""
    for pid, stat in _family(seen).items():
        try:
            program = os.readlink("/proc/%d/exe" % pid)
        except OSError:
            continue  # Ended meanwhile.
        files = loaded_files("/proc/%d/maps" % pid)
        if not files:
            continue
        if not is_python(program, files):
            seen.looked.pop(pid, None)  # What it was before an exec.
            seen.others.add(pid)
            continue
        process = seen.looked.setdefault(pid, Process(pid))
        process.looks += 1
        process.image, process.program = stat.image, program
        process.has_library = any(map(is_ours, files))
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                process.has_preload = any(entry.startswith(b"LD_PRELOAD=") for entry in file.read().split(b"\0"))
        except OSError:
            pass


class _Stat(NamedTuple):
    """What /proc/PID/stat says of a process."""

    state: bytes
    parent: int
    image: int
    """Where its stack starts: by chance, and a fork has it from its parent."""


def _stats() -> Dict[int, _Stat]:
    """All processes that there are."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    # After the name, which may have anything in it.
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            found[int(name)] = _Stat(fields[0], int(fields[1]), int(fields[25]))
    return found


def _family(seen: Watched) -> Dict[int, _Stat]:
    """The processes of the command that live, itself among them."""
    stats, here = _stats(), os.getpid()
    found = {}
    for pid, stat in stats.items():
        if stat.parent == here and stat.state == b"Z" and pid not in seen.before and pid != seen.command:
            os.waitpid(pid, os.WNOHANG)  # An orphan that has ended: it waits for its new parent.
        elder = pid
        while elder in stats and stats[elder].parent != here:
            elder = stats[elder].parent
        if elder in stats and elder not in seen.before and stat.state != b"Z":
            found[pid] = stat
    return found


def _signal(pid: int, number: int) -> bool:
    """-> whether the process was there to get it."""
    try:
        os.kill(pid, number)
    except OSError:
        return False
    return True
