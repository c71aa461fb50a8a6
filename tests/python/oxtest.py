"""What the Python tests share.

Outside: which interpreters there are, and how to run one with the library
preloaded (`interpreters`, `each_interpreter`, `run`). Inside such a run, whose
code can `import oxtest`: what the library says of itself (`status`, `stats`,
`assert_active`).

    OXMALLOC_LIB=path       the library under test (default: target/release)
    OXTEST_PYTHONS=a:b      test these interpreters only

Runs on Python 3.8 and newer, standard library only.
"""

import collections
import ctypes
import functools
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGE = os.path.join(ROOT, "python")
HEADER = os.path.join(ROOT, "include", "oxmalloc.h")

# Beside this module runs the test; inside a run under the preload the parent
# has left the path here, because OXMALLOC_ names are the library's options.
LIB = os.path.abspath(
    os.environ.get("OXTEST_LIB")
    or os.environ.get("OXMALLOC_LIB")
    or os.path.join(ROOT, "target", "release", "liboxmalloc.so")
)

RAW, MEM, OBJ = 0, 1, 2
OLDEST = (3, 8)

# The codes of oxmalloc.h.
OX_OK, OX_ALREADY, OX_WITHOUT_OBJ, OX_WITHOUT_RAW = 0, 1, 2, 3
OX_ERR_NO_PYTHON, OX_ERR_TRACEMALLOC, OX_ERR_PYTHONMALLOC = -1, -2, -3
OX_ERR_NEEDS_GIL, OX_ERR_VERSION, OX_ERR_DISABLED = -4, -5, -6
OX_ERR_NO_MEMORY, OX_ERR_SECOND_COPY, OX_ERR_ARGUMENT = -7, -8, -9
OX_NOT_INSTALLED = -10


# --- The interpreters of this machine -------------------------------------------

class Interpreter(
    collections.namedtuple("Interpreter", "path version debug optimised free_threaded")
):
    """One CPython: its real path, (major, minor, micro), and how it was built."""

    @property
    def tag(self):
        """A short name, as in `3.11.2-debug`."""
        name = ".".join(map(str, self.version))
        for flag in ("debug", "free_threaded"):
            if getattr(self, flag):
                name += "-" + flag.replace("_", "-")
        return name + ("-optimised" if self.optimised else "")

    @property
    def domains(self):
        """The domains the library serves in this build."""
        return expected_domains(self.debug, self.free_threaded)


def expected_domains(debug, free_threaded):
    """RAW stays CPython's own on debug builds, OBJ on free-threaded ones."""
    domains = {RAW, MEM, OBJ}
    if debug:
        domains.discard(RAW)
    if free_threaded:
        domains.discard(OBJ)
    return domains


# A distribution's python3.N is built with PGO and LTO while the sysconfig it
# ships may be that of its shared library, which is why its path counts as well.
_PROBE = """
import json, os, sys, sysconfig
get = sysconfig.get_config_var
flags = " ".join(str(get(name)) for name in ("CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_CFLAGS"))
path = os.path.realpath(sys.executable)
debug = hasattr(sys, "gettotalrefcount")
optimised = os.path.dirname(path) == "/usr/bin" or any(
    flag in flags for flag in ("--enable-optimizations", "--with-lto", "-flto", "-fprofile-use"))
print(json.dumps([path, sys.version_info[:3], debug, optimised and not debug,
                  bool(get("Py_GIL_DISABLED")), sys.implementation.name]))
"""


@functools.lru_cache(maxsize=None)
def _search():
    """-> (every CPython found, [(path, reason) of what is none])."""
    named = os.environ.get("OXTEST_PYTHONS")
    if named:
        candidates = named.split(":")
    else:
        candidates = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
        # Not everything of that name is an interpreter (python3-config, other tools).
        candidates += sorted(
            path for path in glob.glob("/usr/bin/python3*") + glob.glob("/usr/local/bin/python3*")
            if re.fullmatch(r"python3(\.\d+)?(t?d?|-dbg)", os.path.basename(path)))
        candidates.append(shutil.which("python3") or "")
    found, failed, seen = {}, [], set()
    for path in candidates:
        real = os.path.realpath(path)
        if not path or real in seen:
            continue
        seen.add(real)
        probe = subprocess.run(
            [path, "-c", _PROBE], env=clean_env(), universal_newlines=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if probe.returncode:
            failed.append((path, "does not run: " + (probe.stderr.strip() or "?").splitlines()[-1]))
            continue
        real, version, debug, optimised, free_threaded, kind = json.loads(probe.stdout)
        if kind != "cpython":
            failed.append((path, "is %s, not CPython" % kind))
        else:
            found[real] = Interpreter(real, tuple(version), debug, optimised, free_threaded)
    return sorted(found.values(), key=lambda py: (py.version, py.path)), failed


def interpreters():
    """-> ([Interpreter, oldest first], [(path, why it is skipped)])."""
    found, failed = _search()
    old = [(py.path, "is %s, older than 3.8" % py.tag) for py in too_old()]
    return [py for py in found if py.version >= OLDEST], old + failed


def too_old():
    """The interpreters that the library must refuse (CPython before 3.8)."""
    return [py for py in _search()[0] if py.version < OLDEST]


def fastest_interpreter():
    """The one to measure on: optimised if there is one, then the newest."""
    found = [py for py in interpreters()[0] if not py.debug]
    return max(found, key=lambda py: (py.optimised, not py.free_threaded, py.version))


def each_interpreter(cls):
    """Class decorator: `test_x(self, py)` becomes one test per interpreter."""
    for name, test in list(vars(cls).items()):
        if name.startswith("test_"):
            delattr(cls, name)
            for py in interpreters()[0]:
                def variant(self, test=test, py=py):
                    return test(self, py)
                setattr(cls, "%s[%s]" % (name, py.tag), variant)
    return cls


# --- Running programs -----------------------------------------------------------

def clean_env(extra=None):
    """This process's environment without what would change a run."""
    env = {
        name: value for name, value in os.environ.items()
        if name != "LD_PRELOAD" and not name.startswith(("PYTHON", "OXMALLOC_", "OXTEST_"))
    }
    # A version manager's shim on PATH must not pick another Python for a child.
    env.update(PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1", OXTEST_LIB=LIB)
    env.update(extra or {})
    return env


def preload_env(extra=None):
    """`clean_env` with the library preloaded; `extra` is added last."""
    return clean_env(dict({"LD_PRELOAD": LIB}, **(extra or {})))


def package_env(extra=None):
    """What a run needs beside `clean_env` to import the Python package as it is here."""
    return dict({"PYTHONPATH": HERE + os.pathsep + PACKAGE, "OXMALLOC_LIBRARY": LIB}, **(extra or {}))


def default_signals():
    """For `preexec_fn`: a shell has what it starts in the background ignore SIGINT,
    nohup SIGHUP, and that is inherited."""
    for number in signal.SIGINT, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


def run(interp, code, *args, preload=True, env=None, options=(), check=True, timeout=300, cwd=None):
    """Runs `code` in an interpreter; -> subprocess.CompletedProcess with text.

    `env` is added to the environment, `options` come before `-c`. Unless
    `check` is False a run that fails is an AssertionError with its output.
    """
    path = interp.path if isinstance(interp, Interpreter) else interp
    code = textwrap.dedent(code)
    command = [path, *options, "-c", code, *map(str, args)]
    done = subprocess.run(
        command, env=(preload_env if preload else clean_env)(env), timeout=timeout, cwd=cwd,
        universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if check and done.returncode:
        raise AssertionError("%s ended with %d\n%s%s" % (
            path, done.returncode, done.stdout, _with_source(done.stderr, code)))
    return done


def _with_source(traceback, code):
    """Adds the lines of `-c`'s code, which Python does not show."""
    lines = [""] + code.splitlines()
    return re.sub(r'(?m)^  File "<string>", line (\d+).*$',
                  lambda at: at.group(0) + "\n    " + lines[int(at.group(1))].strip(), traceback)


# --- Inside a process: what the library says of itself --------------------------

class OxStatus(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("code", ctypes.c_int32),
        ("active_domains", ctypes.c_uint32),
        ("installed_by", ctypes.c_uint32),
        ("python_version", ctypes.c_uint32),
        ("text", ctypes.c_char * 160),
    ]

    @property
    def domains(self):
        return {domain for domain in (RAW, MEM, OBJ) if self.active_domains >> domain & 1}

    @property
    def reason(self):
        """The status in words."""
        return self.text.decode()


class OxDomainStats(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "live_bytes live_blocks free_bytes untouched_bytes pool_bytes peak_bytes").split()]


class OxStats(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("mem", OxDomainStats), ("obj", OxDomainStats)] + [
        (name, ctypes.c_size_t) for name in (
            "arenas arenas_peak pools_used pools_full pools_empty spans "
            "large_blocks large_bytes large_cached_bytes mapped_bytes resident_bytes "
            "metadata_bytes given_back_bytes given_back_calls heaps heaps_idle "
            "handovers remote_frees").split()]


@functools.lru_cache(maxsize=None)
def library(path=LIB, loader=ctypes.PyDLL):
    """The library in this process; PyDLL keeps the GIL during its calls."""
    lib = loader(path)
    lib.Ox_Trim.restype = ctypes.c_size_t
    lib.Ox_Version.restype = ctypes.c_char_p
    lib.Ox_UsableSize.restype = ctypes.c_size_t
    lib.Ox_UsableSize.argtypes = lib.Ox_Owns.argtypes = [ctypes.c_void_p]
    return lib


def status(path=LIB):
    out = OxStatus(ctypes.sizeof(OxStatus))
    code = library(path).Ox_GetStatus(ctypes.byref(out))
    assert code == OX_OK, code
    return out


def stats(path=LIB):
    out = OxStats(ctypes.sizeof(OxStats))
    code = library(path).Ox_GetStats(ctypes.byref(out))
    assert code == OX_OK, code
    return out


def assert_active():
    """Fails unless the library serves every domain it can in this build."""
    debug = hasattr(sys, "gettotalrefcount")
    free_threaded = "free-threading" in sys.version
    now = status()
    assert now.domains == expected_domains(debug, free_threaded), (
        "oxmalloc serves the domains %s (%s)" % (sorted(now.domains), now.reason))
