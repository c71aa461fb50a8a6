"""The figures of a measurement as data, with the machine described.

A file of results is a list of measurements; there is one of each kind and
interpreter, so measuring again replaces what was there.
"""
import ctypes
import datetime
import json
import os
import platform
import re
import subprocess

import oxtest

PROBE = """
import json, platform, sys, sysconfig as s
print(json.dumps([sys.version, platform.python_compiler(), s.get_config_var('CONFIG_ARGS'),
                  s.get_config_var('PY_CFLAGS')]))
"""


def describe(kind, py, **figures):
    """A measurement: what was measured, and where."""
    probe = subprocess.run(
        [py.path, "-c", PROBE], env=oxtest.clean_env(), stdout=subprocess.PIPE, check=True)
    version, compiler, arguments, flags = json.loads(probe.stdout)
    library = ctypes.CDLL(oxtest.LIB)
    library.Ox_Version.restype = ctypes.c_char_p
    return {
        "kind": kind,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "oxmalloc": library.Ox_Version().decode(),
        "machine": {
            "cpu": _field("/proc/cpuinfo", "model name"),
            "cores": os.cpu_count(),
            "memory": _field("/proc/meminfo", "MemTotal"),
            "kernel": "%s %s %s" % (platform.system(), platform.release(), platform.machine()),
            "libc": " ".join(platform.libc_ver()),
            "load": round(os.getloadavg()[0], 2),
            "transparent_hugepage": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
        },
        "interpreter": {
            "tag": py.tag,
            "version": version,
            "compiler": compiler,
            "optimised": py.optimised,
            # Without directories, which say nothing about speed.
            "configure": " ".join(re.findall(r"'(--(?:enable|with)[^'/]*)'", arguments or "")),
            "cflags": " ".join(flag for flag in (flags or "").split() if "/" not in flag),
        },
        **figures,
    }


def keep(path, measurement):
    """Adds a measurement to a file, in place of an older one of its kind."""
    def place(each):
        return each["kind"], each["interpreter"]["tag"]

    others = [each for each in load(path) if place(each) != place(measurement)] if os.path.exists(path) else []
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    text = json.dumps(others + [measurement], indent=1)
    # A list of numbers takes one line.
    text = re.sub(r"\[[^][{}\"]*\]", lambda numbers: re.sub(r"\s+", " ", numbers.group(0)), text)
    with open(path + ".part", "w") as out:
        out.write(text + "\n")
    os.replace(path + ".part", path)


def load(path):
    with open(path) as file:
        return json.load(file)


def runs(done):
    """The figures of {side: [Run, ...]}, column by column."""
    return {
        side: {
            "cpu_seconds": [round(run.cpu, 6) for run in each],
            "wall_seconds": [round(run.wall, 6) for run in each],
            "minor_faults": [run.faults for run in each],
            "peak_bytes": [run.peak for run in each],
            "freed_bytes": [run.freed for run in each],
            "idle_bytes": [run.idle for run in each if run.idle],
        }
        for side, each in done.items()
    }


def _field(file, name):
    found = re.search(r"^%s\s*:\s*(.*)$" % re.escape(name), _read(file) or "", re.MULTILINE)
    return found and found.group(1).strip()


def _read(file):
    try:
        with open(file) as text:
            return text.read().strip()
    except OSError:
        return None
