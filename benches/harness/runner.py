"""Runs programs side by side: A B C A B C, on one core, in warmed memory."""
import collections
import json
import mmap
import os
import subprocess
import time

from . import INSIDE, MIB, give_up

IDLE_SECONDS = 3

Done = collections.namedtuple("Done", "output cpu wall faults")
Run = collections.namedtuple("Run", "cpu wall faults peak freed idle printed")


def compare(py, sides, workload, path, runs, idle, progress):
    """-> {side's name: [Run, ...]}. The default side runs once more before all,
    unmeasured, to learn how much memory the program needs; the first round ends
    with an idle phase, which is not counted as the program's."""
    peak = run_once(py, sides[0], workload, path, 256 * MIB).peak
    done = {side.name: [] for side in sides}
    for turn in range(runs):
        for side in sides:
            run = run_once(py, side, workload, path, peak, IDLE_SECONDS if idle and turn == 0 else 0)
            done[side.name].append(run)
            peak = max(peak, run.peak)
        progress()
    printed = {str(run.printed): side for side in done for run in done[side]}
    if len(printed) > 1:
        give_up("%s printed different results: %s" % (workload.name, printed))
    return done


def run_once(py, side, workload, path, peak, idle=0):
    env = side.environment(py)
    if path:
        env["PYTHONPATH"] += os.pathsep + path
    touch(peak * 3 // 2 + 64 * MIB)  # this side may need more than the others did
    done = execute([py.path, os.path.join(INSIDE, "run_one.py"), workload.path, str(idle)], env,
                   "%s with %s" % (workload.name, side.name))
    *printed, last = done.output.splitlines()
    left = json.loads(last)
    cpu, wall, faults = left["used"]
    return Run(done.cpu - cpu, done.wall - wall, done.faults - faults,
               left["peak"], left["freed"], left.get("idle"), printed)


def execute(command, env, what, cores=None):
    """Runs a command to its end, on the cores of this process or on others; the
    cost is of the process and its children."""
    began = time.perf_counter()
    child = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        preexec_fn=cores and (lambda: os.sched_setaffinity(0, cores)))
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = status
    child.stdout.close()
    if status != 0:
        give_up("%s failed (wait status %d)" % (what, status))
    return Done(output, usage.ru_utime + usage.ru_stime, wall, usage.ru_minflt)


def touch(size):
    """Touches memory in a process that then ends. A virtual machine may have
    given its free pages back to the host; to get one again costs many times a
    page fault, and the first program to need it would be charged for that.
    Small and huge pages come from different free lists: touches both, private
    (mmap's default, shared memory, knows no huge pages), as far as they fit."""
    size = min(size, available() // 3)
    child = os.fork()
    if child == 0:
        both = [mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(2)]
        for pages, kind in zip(both, (mmap.MADV_HUGEPAGE, mmap.MADV_NOHUGEPAGE)):
            pages.madvise(kind)
            pages[::mmap.PAGESIZE] = bytes(len(range(0, size, mmap.PAGESIZE)))
        os._exit(0)
    os.waitpid(child, 0)


def available():
    """Bytes that programs can still have on this machine."""
    with open("/proc/meminfo") as meminfo:
        return next(int(line.split()[1]) for line in meminfo if line.startswith("MemAvailable")) << 10
