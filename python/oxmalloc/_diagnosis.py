"""The doctor's work: facts, checks, children, or a command, put together."""
from __future__ import annotations

import dataclasses
import os
import shlex
import signal
from typing import Iterator, List, Mapping, Tuple

from . import _binary, _children, _facts, _watch
from ._checks import ALL, BEFORE_START, OK, PROBLEM, RUN, WARNING, Finding, examine, keeps_children_out
from ._facts import Facts
from ._status import advice
from ._watch import Process, Watched

_COLOURS = {OK: "32", WARNING: "33", PROBLEM: "31"}


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What the doctor says."""

    subject: str
    """What was looked at, in a line."""
    findings: Tuple[Finding, ...]
    """What was found, each with its name, severity, cause and remedy; at least one."""

    @property
    def is_active(self) -> bool:
        """Every Python that was looked at runs on oxmalloc."""
        return all(finding.severity != PROBLEM for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The outcome, in a line."""
        return "oxmalloc is active." if self.is_active else "oxmalloc is not active, or not everywhere."

    def to_text(self, colours: bool = False) -> str:
        """All of it as a few lines; with colours for a terminal."""
        width = max(len(finding.name) for finding in self.findings) + 2
        lines = [self.subject, ""]
        for finding in self.findings:
            mark = finding.severity.ljust(9)
            if colours:
                mark = "\x1b[%sm%s\x1b[0m" % (_COLOURS[finding.severity], mark)
            lines.append("  %s%s%s" % (mark, finding.name.ljust(width), finding.cause))
            if finding.remedy:
                lines.append(" " * (11 + width) + "-> " + finding.remedy)
        return "\n".join([*lines, "", self.verdict])


# --- This process ---------------------------------------------------------------

def diagnose() -> Diagnosis:
    """What `python -m oxmalloc doctor` says of this process: whether it runs on
    oxmalloc, and if not why and what mends it. For the log of a worker.

    It starts no children to look at, as the command does. Takes milliseconds. Any
    thread.
    """
    facts = _facts.of_this_process()
    return Diagnosis(_subject(facts), tuple(_of_process(facts)))


def of_this_process() -> Diagnosis:
    """Looks at this process, and at children that it starts."""
    facts = _facts.of_this_process()
    findings = _of_process(facts)
    python = facts.python
    assert python is not None
    if python.status is None or not python.status.active:
        findings.append(Finding("children", WARNING, "not looked at: this process comes first"))
    elif not keeps_children_out(facts):
        findings += _of_children(python.status.domains, python.executable)
    return Diagnosis(_subject(facts), tuple(findings))


def _of_process(facts: Facts) -> List[Finding]:
    return [*_with_one_remedy(examine(facts, ALL)), *_preload_list(facts)]


def _subject(facts: Facts) -> str:
    python = facts.python
    assert python is not None
    return "CPython %d.%d.%d, %s, process %d" % (*python.version, python.executable, os.getpid())


def _with_one_remedy(findings: List[Finding]) -> List[Finding]:
    """What the library advises is left out where a check knows the cause."""
    known = any(finding.severity == PROBLEM for finding in findings if finding.name != "active")
    return [dataclasses.replace(finding, remedy="") if known and finding.name == "active" else finding
            for finding in findings]


def _preload_list(facts: Facts) -> Iterator[Finding]:
    if facts.preload:
        yield Finding("LD_PRELOAD", OK, facts.environ["LD_PRELOAD"])


def _of_children(domains: Tuple[str, ...], executable: str) -> Iterator[Finding]:
    if not executable:
        yield Finding("children", PROBLEM, "this interpreter does not know its own file, so none can be started",
                      "Look at one of them: `python -m oxmalloc doctor -- command`")
        return
    for name, start in _children.WAYS.items():
        try:
            child = start()
        except _children.NotAllowed as error:
            yield Finding(name, OK, "not looked at: %s" % error)
            continue
        except Exception as error:  # Whatever keeps this one from starting: the others are looked at.
            yield Finding(name, PROBLEM, "the child could not be asked: %s" % error,
                          "See whether it starts at all: `%s -c pass`" % shlex.quote(executable)
                          if _has_directory() else "The working directory was removed: `cd` to one that is there")
            continue
        if child.domains == domains:
            yield Finding(name, OK, "active in " + ", ".join(child.domains))
        elif child.domains:
            yield Finding(name, WARNING, "active in %s, and here in %s" % (
                ", ".join(child.domains), ", ".join(domains)))
        else:
            yield Finding(name, PROBLEM, "a child that is started so is " + child.reason, advice(child.code))


def _has_directory() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


# --- A command ------------------------------------------------------------------

def of_command(command: List[str], environ: Mapping[str, str], seconds: float) -> Diagnosis:
    """Looks at a command, and runs it for at most so many seconds."""
    subject = "command: " + " ".join(map(shlex.quote, command))
    path = _binary.program(command[0], environ.get("PATH"))
    refused = _binary.refused(command[0]) if path is None else ""
    if refused:
        return Diagnosis(subject, (Finding("cannot-run", PROBLEM, "%s %s" % (command[0], refused)),))
    if path is None:
        return Diagnosis(subject, (Finding(
            "no-command", PROBLEM, "%s: there is no such command" % command[0],
            "Give its path; for a script: `python -m oxmalloc doctor -- python3 %s`" % command[0]),))
    facts = _facts.of_command(path, command, environ)
    try:
        seen = _watch.watch(command, environ, seconds)
    except OSError as error:
        cannot = Finding("cannot-run", PROBLEM, "%s cannot be run: %s" % (path, error.strerror))
        return Diagnosis(subject, (cannot, *examine(facts, BEFORE_START)))
    # What was found in the files and variables comes with what it led to.
    findings = [*_of_processes(seen, facts), *examine(facts, BEFORE_START), *_preload_list(facts)]
    findings += _of_loader(seen, findings)
    findings += _of_end(seen, seconds)
    return Diagnosis(subject, tuple(findings))


def _of_processes(seen: Watched, facts: Facts) -> Iterator[Finding]:
    pythons = seen.processes
    if seen.command not in pythons and seen.command not in seen.others and _facts.is_python(facts.program):
        # It ended before it was looked at, and had nothing to say.
        pythons[seen.command] = Process(
            seen.command, program=facts.program, has_preload=bool(facts.environ.get("LD_PRELOAD")))
    if not pythons:
        yield Finding("no-python", PROBLEM, "the command started no Python that was seen",
                      "See what it printed; name the Python itself: `python -m oxmalloc doctor -- python3 app.py`")
    for process in pythons.values():
        name = "process %d" % process.pid
        what = "CPython " + process.version if process.version else process.program
        if process.domains:
            yield Finding(name, OK, "%s is active in %s" % (what, process.domains))
        elif process.reason:
            yield Finding(name, PROBLEM, "%s is %s" % (what, process.reason), advice(process.code))
        elif _forked_from_active(process, pythons):
            yield Finding(name, OK, "%s shares the heap of process %d, which it forked from" % (
                what, _forked_from_active(process, pythons)))
        elif process.has_library:
            yield Finding(name, PROBLEM, "%s has oxmalloc loaded and took no memory from it" % what,
                          "See PYTHONMALLOC and dev mode; a Python that is still starting needs more `--seconds`")
        else:
            yield from _without_library(name, what, process, pythons, facts)


def _without_library(name: str, what: str, process: Process, pythons: Mapping[int, Process],
                     facts: Facts) -> Iterator[Finding]:
    if keeps_children_out(facts) and any(other.domains for other in pythons.values()):
        yield Finding(name, OK, "%s runs without oxmalloc, as OXMALLOC_CHILDREN=0 has it" % what)
    elif not process.has_preload:
        yield Finding(name, PROBLEM, "%s runs without oxmalloc: LD_PRELOAD is not in its environment" % what,
                      "Start the command with `%s -- ...`; if it cleans the environment of its children, set there "
                      "what `python -m oxmalloc env` prints" % RUN)
    else:
        yield Finding(name, PROBLEM, "%s runs without oxmalloc: the loader did not load it" % what,
                      "See the findings below, or what the loader says: `LD_DEBUG=libs`")


def _forked_from_active(process: Process, pythons: Mapping[int, Process]) -> int:
    """The process that is active and whose fork it is, 0 when there is none."""
    return next((other.pid for other in pythons.values() if process.has_library and process.image and other.domains
                 and (other.image, other.program) == (process.image, process.program)), 0)


def _of_loader(seen: Watched, findings: List[Finding]) -> Iterator[Finding]:
    """What the loader and a sanitizer said, unless it is known."""
    for path, reason in seen.not_loaded.items():
        if not any(path in finding.cause for finding in findings if finding.severity != OK):
            ours = _facts.is_ours(path)
            yield Finding("loader", PROBLEM if ours else WARNING, "the loader left %s out: %s" % (path, reason),
                          "Correct LD_PRELOAD" + (": `%s` does" % RUN if ours else ""))
    if seen.sanitizer_refused and not any(finding.name == "sanitizer" for finding in findings):
        yield Finding("sanitizer", PROBLEM, "the program is built with a sanitizer, which wants to be loaded first",
                      "Test it without oxmalloc: `OXMALLOC_DISABLE=1`, and nothing in LD_PRELOAD")


def _of_end(seen: Watched, seconds: float) -> Iterator[Finding]:
    if seen.left_running:
        yield Finding("ended", OK, "what it left running was ended after %g s" % seconds)
    if seen.status is None:
        yield Finding("ended", OK, "it was ended after %g s; what it does later was not seen" % seconds)
    elif seen.status < 0:
        yield Finding("ended", WARNING, "the command was killed by %s" % _signal_name(-seen.status))
    elif seen.status > 0:
        yield Finding("ended", WARNING, "the command ended with status %d" % seen.status)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # One of the real-time signals has no name.
        return "signal %d" % number
