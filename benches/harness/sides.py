"""The sides of a comparison: Python's default, oxmalloc, and the rivals.

A rival serves Python's objects only when pymalloc is out of the way: preloaded
without PYTHONMALLOC=malloc it would never see a small object.
"""
import collections
import os
import subprocess

from . import INSIDE, compiler, say
import oxtest

LIBC = "libc.so.6"


class Side(collections.namedtuple("Side", "name what env objects malloc install")):
    """`objects` and `malloc` are what inside/prove.py must find: whose functions
    serve objects (None: those that this interpreter has by default), and the
    library that malloc comes from."""

    def environment(self, py, extra=None):
        """The variables for a process on this side, and for nothing else."""
        env = oxtest.clean_env(self.env)
        for name in list(env):
            if name.startswith(("MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_")) and name not in self.env:
                del env[name]
        objects = self.objects
        if objects is None:
            objects = "mimalloc" if py.free_threaded else "pymalloc_debug" if py.debug else "pymalloc"
        env.update(BENCH_EXPECTS="%s %s" % (objects, self.malloc), PYTHONHASHSEED="0", **(extra or {}))
        return env

    def probe(self, py):
        """-> (the version of its malloc, why it cannot run here: "" if it can)."""
        done = subprocess.run(
            [py.path, os.path.join(INSIDE, "prove.py")], env=self.environment(py),
            universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reason = ""
        if "cannot be preloaded" in done.stderr:
            reason = "%s is not installed" % self.malloc
        elif done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it does not start"])[0]
        return done.stdout.strip(), reason


def _preloaded(name, what, library, install, **env):
    return Side(name, what, dict(env, LD_PRELOAD=library, PYTHONMALLOC="malloc"), "malloc", library, install)


DEFAULT = Side("default", "Python's own: pymalloc, libc above 512 bytes", {}, None, LIBC, None)
OURS = Side("oxmalloc", "this library", {"LD_PRELOAD": oxtest.LIB}, "oxmalloc", LIBC, None)
RIVALS = [
    Side("malloc", "libc's malloc for all", {"PYTHONMALLOC": "malloc"}, "malloc", LIBC, None),
    _preloaded("jemalloc", "jemalloc", "libjemalloc.so.2", "apt-get install libjemalloc2"),
    _preloaded("jemalloc-thp", "jemalloc with MALLOC_CONF=thp:always", "libjemalloc.so.2",
               "apt-get install libjemalloc2", MALLOC_CONF="thp:always"),
    _preloaded("mimalloc2", "mimalloc", "libmimalloc.so.2", "apt-get install libmimalloc2.0"),
    _preloaded("mimalloc3", "mimalloc", "libmimalloc.so.3",
               "apt-get install libmimalloc3 (Debian 13), or build https://github.com/microsoft/mimalloc"),
    _preloaded("tcmalloc", "tcmalloc", "libtcmalloc_minimal.so.4",
               "apt-get install libtcmalloc-minimal4"),
    Side("py-mimalloc", "PYTHONMALLOC=mimalloc", {"PYTHONMALLOC": "mimalloc"}, "mimalloc", LIBC,
         "needs CPython 3.13, configured with mimalloc"),
]


def floor():
    """No rival, but a measure: the least that an allocator costs (benches/floor.c)."""
    library = compiler.compiled("floor.c", "floor.so", "-shared", "-fPIC")
    what = "one free list for each size class, which never gives anything back"
    return Side("floor", what, {"LD_PRELOAD": library}, "floor.so", LIBC, None)


def chosen(py, rivals):
    """The sides that run here; those that do not are named, and why."""
    found, skipped = find(py, rivals)
    for side, reason in skipped:
        say("skipped: %s: %s%s" % (side.name, reason, side.install and " (%s)" % side.install or ""))
    return found


def find(py, rivals=True):
    """-> (the sides that run here, [(rival, why it does not)])."""
    sides, skipped = [DEFAULT, OURS], []
    for side in RIVALS if rivals else []:
        version, reason = side.probe(py)
        if reason:
            skipped.append((side, reason))
        elif side.objects == "malloc":
            sides.append(side._replace(what="%s (%s)" % (side.what, version)))
        else:
            sides.append(side)
    return sides, skipped
