"""What may keep a program from running on oxmalloc, one check each.

A check takes the facts and yields findings. PROBLEM: a process does not run on
oxmalloc, or not a whole one. WARNING: it does, but something is not as one would
wish. OK: worth knowing.
"""
from __future__ import annotations

import dataclasses
import difflib
import shlex
from typing import Callable, Iterator, List, Tuple

from ._environment import can_name, is_sanitizer
from ._facts import Facts, Preload
from ._options import PREFIX, is_on
from ._status import advice

OK, WARNING, PROBLEM = "ok", "warning", "problem"

RUN = "python -m oxmalloc run"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a check found."""

    name: str
    """Short, and the same for ever: scripts look for it."""
    severity: str
    """"ok", "warning" or "problem"."""
    cause: str
    """What was found."""
    remedy: str = ""
    """What to do about it, most often a command."""


Check = Callable[[Facts], Iterator[Finding]]


# --- The program ----------------------------------------------------------------

def static(facts: Facts) -> Iterator[Finding]:
    """A program that no loader starts reads no LD_PRELOAD."""
    if facts.binary and facts.binary.is_static:
        yield Finding("static", PROBLEM, "%s is linked statically: no loader runs that would preload anything"
                      % facts.program, "Use a Python that is linked dynamically: `file -L $(command -v python3)` tells")


def musl(facts: Facts) -> Iterator[Finding]:
    """The library is made for glibc."""
    if facts.binary and facts.binary.is_musl:
        yield Finding("musl", PROBLEM, "%s runs on musl (%s), and oxmalloc needs glibc" % (
            facts.program, facts.binary.loader),
            "Use an image with glibc: `FROM python:3.12-slim` instead of `python:3.12-alpine`")


def rights(facts: Facts) -> Iterator[Finding]:
    """Programs that gain rights ignore LD_PRELOAD (ld.so's secure-execution mode)."""
    if facts.rights:
        mend = {"setuid": "chmod u-s", "setgid": "chmod g-s", "capabilities": "setcap -r"}[facts.rights]
        yield Finding("setuid", PROBLEM, "%s gets other rights when it is run (%s), so the loader ignores LD_PRELOAD"
                      % (facts.program, facts.rights), _without_rights("`sudo %s %s`" % (mend, shlex.quote(facts.program))))
    elif facts.python and facts.python.is_secure:
        yield Finding("setuid", PROBLEM, "the kernel started this process with other rights than its parent had "
                      "(setuid, setgid or capabilities), so the loader ignores LD_PRELOAD",
                      _without_rights("`getcap %s`, `ls -l` it, and take that away" % shlex.quote(facts.program)))


def _without_rights(command: str) -> str:
    return command + "; or call oxmalloc.install() in the program, or give rights and preload together: " \
        "`sudo env LD_PRELOAD=... python3 app.py`"


def architecture(facts: Facts) -> Iterator[Finding]:
    """A library for another processor cannot be loaded."""
    for entry in facts.preload:
        if entry.binary and facts.binary and entry.binary.kind != facts.binary.kind:
            yield Finding("architecture", _weight(entry), "%s is for %s, and %s for %s" % (
                entry.path, entry.binary.kind, facts.program, facts.binary.kind),
                "Install the package for that machine: `%s -m pip install --force-reinstall oxmalloc`" % facts.program)


def too_old(facts: Facts) -> Iterator[Finding]:
    """CPython before 3.8 is refused."""
    if facts.python and facts.python.version < (3, 8):
        yield Finding("too-old", PROBLEM, "CPython %d.%d is too old" % facts.python.version[:2],
                      "Use CPython 3.8 or newer")


def free_threaded(facts: Facts) -> Iterator[Finding]:
    """Without a GIL the collector walks CPython's own heaps to find objects."""
    if facts.python and facts.python.is_free_threaded:
        yield Finding("free-threaded", WARNING, "this is a free-threaded build: its garbage collector finds objects "
                      "in CPython's own heap only, so oxmalloc serves raw and mem, not obj",
                      "Use the build with a GIL: `python3.%d` instead of `python3.%dt`" % (
                          facts.python.version[1], facts.python.version[1]))


def debug_build(facts: Facts) -> Iterator[Finding]:
    """Debug builds abort at exit when their RAW domain is replaced."""
    if facts.python and facts.python.is_debug:
        yield Finding("debug-build", WARNING, "this is a debug build (--with-pydebug): slow, and oxmalloc leaves its "
                      "raw domain alone", "Use the release build: `python3.%d`" % facts.python.version[1])


def page_size(facts: Facts) -> Iterator[Finding]:
    """Pools are of 64 KiB: no larger page can be given back with one."""
    kib = facts.page_bytes // 1024
    if kib > 64:
        yield Finding("page-size", PROBLEM, "pages of %d KiB are larger than a pool (64 KiB)" % kib,
                      "Boot a kernel with pages of 4, 16 or 64 KiB: `getconf PAGESIZE` tells")
    elif kib == 64:
        yield Finding("page-size", WARNING, "a page is as large as a pool (64 KiB): the free parts of pools that are "
                      "in use cannot be given back", "Boot a kernel with pages of 4 KiB: `getconf PAGESIZE` tells")


# --- The preload ----------------------------------------------------------------

def no_library(facts: Facts) -> Iterator[Finding]:
    """The package has lost its library."""
    if facts.library_error:
        yield Finding("no-library", PROBLEM, facts.library_error,
                      "`pip install --force-reinstall oxmalloc`, or `unset OXMALLOC_LIBRARY`")


def space_in_path(facts: Facts) -> Iterator[Finding]:
    """Then `run` and `env`, which are advised elsewhere, cannot preload it."""
    loaded = facts.python is not None and facts.python.copies
    if not can_name(facts.library) and not loaded and not any(
            entry.is_ours and not entry.problem for entry in facts.preload):
        yield Finding("space-in-path", PROBLEM, "LD_PRELOAD cannot name %s, because spaces and colons separate its "
                      "entries" % facts.library, "Install the package elsewhere, or copy the library and name the "
                      "copy: `OXMALLOC_LIBRARY=/opt/liboxmalloc.so`")


def not_preloaded(facts: Facts) -> Iterator[Finding]:
    """LD_PRELOAD does not have it."""
    loaded = facts.python is not None and facts.python.copies
    if not loaded and not any(entry.is_ours for entry in facts.preload):
        says = facts.environ.get("LD_PRELOAD")
        yield Finding("not-preloaded", PROBLEM,
                      "LD_PRELOAD does not name oxmalloc: it is %s" % says if says else "LD_PRELOAD is not set",
                      'Start the program with `%s`, or set what `python -m oxmalloc env` prints: '
                      '`eval "$(python -m oxmalloc env)"`' % RUN)


def not_loaded(facts: Facts) -> Iterator[Finding]:
    """It is named, and yet not there, for no reason that another check knows."""
    python = facts.python
    named = [entry for entry in facts.preload if entry.is_ours and not entry.problem]
    if python and named and not python.copies and not any(
            list(check(facts)) for check in (static, musl, rights, architecture)):
        yield Finding("not-loaded", PROBLEM, "LD_PRELOAD names %s, and the loader did not load it" % named[0].path,
                      "See what it says: `LD_DEBUG=libs %s -c pass`" % python.executable)


def bad_preload(facts: Facts) -> Iterator[Finding]:
    """The loader leaves out what it cannot load, and goes on."""
    for entry in facts.preload:
        if entry.problem == "missing":
            why, mend = "there is no such file", "Correct LD_PRELOAD"
        elif entry.problem == "unreadable":
            why, mend = "it cannot be read", "`chmod a+r %s`" % shlex.quote(entry.path)
        elif entry.problem:
            why, mend = "it is no shared library", "Replace the file"
        else:
            continue
        if entry.is_ours and entry.problem != "unreadable":
            mend = 'Set LD_PRELOAD anew: `unset LD_PRELOAD; eval "$(python -m oxmalloc env)"`'
        yield Finding("missing-file" if entry.problem == "missing" else "bad-file", _weight(entry),
                      "LD_PRELOAD names %s, and %s" % (entry.path, why), mend)


def relative(facts: Facts) -> Iterator[Finding]:
    """A path that starts at the working directory is lost when that changes."""
    for entry in facts.preload:
        if "/" in entry.path and not entry.path.startswith(("/", "$")):
            yield Finding("relative-path", WARNING, "LD_PRELOAD names %s, which processes that work in another "
                          "directory will not find" % entry.path, "Give the whole path: `LD_PRELOAD=%s`" % entry.file)


def sanitizer(facts: Facts) -> Iterator[Finding]:
    """A sanitizer replaces malloc itself, and must be loaded first."""
    in_preload = [is_sanitizer(entry.path) for entry in facts.preload]
    ours = [entry.is_ours for entry in facts.preload]
    loaded = facts.python.sanitizers if facts.python else ()
    mend = "Test without oxmalloc: `OXMALLOC_DISABLE=1`; preloaded on, the sanitizer must come first in LD_PRELOAD, " \
        "where `%s` leaves it" % RUN
    if True in in_preload and True in ours and ours.index(True) < in_preload.index(True):
        yield Finding("sanitizer", PROBLEM, "%s comes behind oxmalloc in LD_PRELOAD, and ends programs that it is not "
                      "first in" % facts.preload[in_preload.index(True)].path, mend)
    elif True in in_preload or loaded:
        path = facts.preload[in_preload.index(True)].path if True in in_preload else loaded[0]
        yield Finding("sanitizer", WARNING, "%s is loaded: it does not see the blocks that oxmalloc serves, and "
                      "finds no errors in them" % path, mend)


def second_copy(facts: Facts) -> Iterator[Finding]:
    """Only the first copy of the library serves a process."""
    files = [entry.file or entry.path for entry in facts.preload if entry.is_ours and not entry.problem]
    copies = list(dict.fromkeys([*files, *(facts.python.copies if facts.python else ())]))
    if len(copies) > 1:
        now = facts.python.status if facts.python else None
        serves = now.library if now and now.active else copies[-1]
        yield Finding("second-copy", WARNING, "more than one copy of oxmalloc is loaded, and only one serves the "
                      "process: " + ", ".join(copies), "Keep one in LD_PRELOAD: `LD_PRELOAD=%s`" % serves)


def _weight(entry: Preload) -> str:
    return PROBLEM if entry.is_ours else WARNING


# --- What was chosen ------------------------------------------------------------

def disabled(facts: Facts) -> Iterator[Finding]:
    """The user's own switch."""
    if is_on(facts.environ.get("OXMALLOC_DISABLE", "0")):
        yield Finding("disabled", PROBLEM, "OXMALLOC_DISABLE=%s keeps oxmalloc out" % facts.environ["OXMALLOC_DISABLE"],
                      "`unset OXMALLOC_DISABLE`")


def pythonmalloc(facts: Facts) -> Iterator[Finding]:
    """An explicit PYTHONMALLOC is the user's will."""
    value = facts.environ.get("PYTHONMALLOC")
    if value and not facts.ignores_environment:
        yield Finding("PYTHONMALLOC", PROBLEM, "PYTHONMALLOC=%s chooses another allocator, and wins" % value,
                      "`unset PYTHONMALLOC`")


def dev_mode(facts: Facts) -> Iterator[Finding]:
    """Dev mode puts debug hooks in the place of ours."""
    if facts.dev_mode:
        value = facts.environ.get("PYTHONDEVMODE") if not facts.ignores_environment else ""
        yield Finding("dev-mode", PROBLEM, "Python's development mode (%s) chooses its debug allocator, and wins" % (
            "PYTHONDEVMODE=%s" % value if value else "-X dev"),
            "`unset PYTHONDEVMODE`" if value else "Leave out `-X dev`; `-X faulthandler -W default` does the rest")


def tracemalloc(facts: Facts) -> Iterator[Finding]:
    """It stands in front of the allocator, and refuses a late installation."""
    python = facts.python
    if python and python.is_tracing:
        by = "PYTHONTRACEMALLOC" if facts.environ.get("PYTHONTRACEMALLOC") else "-X tracemalloc"
        yield Finding("tracemalloc", WARNING, "tracemalloc is tracing: it slows every allocation down several times, "
                      "and oxmalloc.install() is refused", "`unset PYTHONTRACEMALLOC`" if by == "PYTHONTRACEMALLOC"
                      else "Leave out `%s`, or call tracemalloc.stop()" % by)


def bad_options(facts: Facts) -> Iterator[Finding]:
    """A name or value that the library does not know changes nothing."""
    known = [option.name for option in facts.options]
    for name in sorted(facts.environ):
        if not known or not name.startswith(PREFIX) or name in known or name == "OXMALLOC_LIBRARY":
            continue
        # What all begin with makes none like another.
        near = difflib.get_close_matches(name[len(PREFIX):], [option[len(PREFIX):] for option in known], 1)
        yield Finding("unknown-option", WARNING, "%s is no option of oxmalloc, and was ignored" % name,
                      "`unset %s`; %s" % (name, "is %s%s meant?" % (PREFIX, near[0]) if near else
                                          "`%s --help` has those that there are" % RUN))
    for option in facts.options:
        value = facts.environ.get(option.name)
        if value is not None and not option.accepts(value):
            yield Finding("bad-option", WARNING, "%s=%s is not understood, and was ignored" % (option.name, value),
                          "Use %s" % option.values)


def children_kept_out(facts: Facts) -> Iterator[Finding]:
    """OXMALLOC_CHILDREN=0 is a wish, and no fault."""
    if keeps_children_out(facts):
        yield Finding("children", OK, "kept from oxmalloc by OXMALLOC_CHILDREN=0; those that fork share the heap")


def keeps_children_out(facts: Facts) -> bool:
    """Whether oxmalloc is on purpose not in child processes."""
    return is_on(facts.environ.get("OXMALLOC_CHILDREN", "1")) is False


# --- The outcome ----------------------------------------------------------------

SINCE = {
    "preload": "preloaded, before the interpreter started",
    "embedder": "installed by the program, before the interpreter started",
    "install": "installed late, into the running interpreter",
}


def outcome(facts: Facts) -> Iterator[Finding]:
    """What the library says of this process."""
    now = facts.python.status if facts.python else None
    if now is None:
        return
    if now.active:
        yield Finding("active", OK, "in %s; %s" % (", ".join(now.domains), SINCE.get(now.installed_by, "")))
        if now.installed_by == "install":
            yield Finding("late", WARNING, "what was allocated before the installation stays with the old allocator",
                          "Start the program with `%s`" % RUN)
    else:
        yield Finding("active", PROBLEM, now.reason, advice(now.code))


# In the order in which they are shown.
BEFORE_START: Tuple[Check, ...] = (
    no_library, space_in_path, static, musl, rights, architecture, bad_preload, second_copy, sanitizer, relative,
    disabled, pythonmalloc, dev_mode, bad_options)
ALL: Tuple[Check, ...] = (
    outcome, too_old, free_threaded, debug_build, page_size, not_preloaded, not_loaded, *BEFORE_START,
    tracemalloc, children_kept_out)


def examine(facts: Facts, checks: Tuple[Check, ...] = ALL) -> List[Finding]:
    """What the checks find, in their order."""
    return [finding for check in checks for finding in check(facts)]
