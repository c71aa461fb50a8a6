"""How the fault tests run their programs.

A test names a function of its own file. `program` sends the function's source
to an interpreter, where first of all it asserts that the library is active;
its return value comes back. Whatever the program writes to stderr, a process
it leaves behind and a run that does not end are failures; before a hanging
process is killed, gdb (if there is one) shows where all its threads stand.

Each test runs on the oldest, the newest and the fastest interpreter found;
with OXMALLOC_TEST_FULL=1 on all.
"""

import ast
import concurrent.futures
import contextlib
import glob
import inspect
import os
import shutil
import signal
import subprocess
import textwrap

import oxtest

FULL = bool(os.environ.get("OXMALLOC_TEST_FULL"))


# --- On which interpreters ------------------------------------------------------

def chosen():
    found = oxtest.interpreters()[0]
    if FULL or not found:
        return found
    release = [py for py in found if not py.debug] or found
    picked = (release[0], release[-1], oxtest.fastest_interpreter())
    return [py for py in found if py in picked]


def chosen_and_debug():
    """Debug builds check much of their own heap: good for the basic tests."""
    debug = [py for py in oxtest.interpreters()[0] if py.debug]
    return chosen() + [py for py in debug if py not in chosen()]


def on(interpreters):
    """Class decorator: `test_x(self, py)` becomes one test per interpreter."""
    def decorate(cls):
        for name, test in list(vars(cls).items()):
            if name.startswith("test_"):
                delattr(cls, name)
                for py in interpreters():
                    def variant(self, test=test, py=py):
                        return test(self, py)
                    setattr(cls, "%s[%s]" % (name, py.tag), variant)
        return cls
    return decorate


# --- Running a program ----------------------------------------------------------

def program(py, function, *args, preload=True, env=None, prefix=(), timeout=120):
    """Calls `function(*args)` in a process of its own; -> what it returned.

    The function must import what it needs, and return something `repr` shows.
    `prefix` is a command to run the interpreter with.
    """
    # Both runs of a comparison import the same; the function keeps its place
    # in its file, so that tracebacks name it.
    lines, first = inspect.getsourcelines(function)
    source = "\n" * (first - 1) + textwrap.dedent("".join(lines))
    code = "import oxtest\n%sexec(compile(%r, %r, 'exec'))\nprint(repr(%s(*%r)))" % (
        "oxtest.assert_active()\n" if preload else "",
        source, inspect.getsourcefile(function), function.__name__, args)
    command = [*prefix, py.path, "-X", "faulthandler", "-W", "ignore::DeprecationWarning",
               "-c", code]
    process = subprocess.Popen(
        command, env=(oxtest.preload_env if preload else oxtest.clean_env)(env),
        start_new_session=True, universal_newlines=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # The pipes end when the last process that inherited them does.
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        members = session(process.pid)
        stacks = "\n".join(backtrace(pid) for pid in members)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError("%s on %s did not end in %d s\n%s%s%s" % (
            function.__name__, py.path, timeout, out, err, stacks))
    if process.returncode or err:
        raise AssertionError("%s on %s ended with %d\n%s%s" % (
            function.__name__, py.path, process.returncode, out, err))
    return ast.literal_eval(out.splitlines()[-1])


def with_and_without(py, function, *args, env=None, env_without=None, **options):
    """What `program` returns under the preload and without it, run side by side."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ours = pool.submit(program, py, function, *args, env=env, **options)
        default = pool.submit(
            program, py, function, *args, preload=False,
            env=dict(env or {}, **(env_without or {})), **options)
        return ours.result(), default.result()


def session(leader):
    """The processes of a session that have not ended."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.split("/")[2]))
    return found


def backtrace(pid):
    """Where all threads of a process stand."""
    if not shutil.which("gdb"):
        return "process %d: install gdb to see where it stands" % pid
    shown = subprocess.run(
        ["gdb", "-nx", "-batch", "-iex", "set auto-load python-scripts off", "-p", str(pid),
         "-ex", "set print frame-arguments none", "-ex", "thread apply all bt 25"],
        universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return "process %d:\n%s" % (pid, shown.stdout)
