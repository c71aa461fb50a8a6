"""Every way into an interpreter, and every reason to stay out of it.

Preloaded, late through ctypes, or not at all: PYTHONMALLOC, dev mode, no GIL,
tracemalloc, a second copy, OXMALLOC_DISABLE, an old CPython.
"""

import os
import shutil
import tempfile
import textwrap
import unittest

import oxtest

# Data of every kind, taken before a late installation and dropped after it.
DATA = textwrap.dedent("""
    import gc, sys, oxtest

    def build(n=20000):
        return {
            "lists": [[i] for i in range(n)],
            "dicts": [{str(i): i, "x": (i, "y" * (i % 700))} for i in range(n)],
            "bytes": [bytearray(i % 5000) for i in range(n // 4)],
            "big": [bytes(1 << 20), [None] * 300000],
        }

    def grow(data):     # a realloc of every old block that can move
        for i, one in enumerate(data["lists"]):
            one.extend(range(i % 50))
        for one in data["bytes"]:
            one.extend(b"z" * 100)
        data["big"][1].extend(range(300000))
        for one in data["dicts"]:
            one.update((str(k), k) for k in range(20))

    def check(data, n=20000):
        assert len(data["lists"]) == n
        assert all(one[0] == i and one[1:] == list(range(i % 50))
                   for i, one in enumerate(data["lists"]))
        assert all(one[str(i)] == i and one["x"] == (i, "y" * (i % 700))
                   for i, one in enumerate(data["dicts"]))
        assert all(len(one) == i % 5000 + 100 and one.endswith(b"z" * 100)
                   and not any(one[:-100]) for i, one in enumerate(data["bytes"]))
        assert data["big"][0] == bytes(1 << 20) and data["big"][1][-1] == 299999
""")


def with_data(code):
    return DATA + textwrap.dedent(code)


def code_for(py):
    """What Ox_Install returns in this interpreter."""
    if py.free_threaded:
        return oxtest.OX_WITHOUT_OBJ
    return oxtest.OX_WITHOUT_RAW if py.debug else oxtest.OX_OK


@oxtest.each_interpreter
class Preload(unittest.TestCase):
    def test_is_active(self, py):
        done = oxtest.run(py, """
            import sys, oxtest
            oxtest.assert_active()
            now = oxtest.status()
            assert now.code == int(sys.argv[1]), now.code
            assert now.installed_by == 1, now.installed_by
            assert now.reason.startswith("active"), now.reason
            assert now.python_version == sys.hexversion >> 8, hex(now.python_version)
            if oxtest.OBJ in now.domains:
                assert oxtest.library().Ox_Owns(id(now)) == 1
                assert oxtest.stats().obj.live_blocks > 1000
            assert oxtest.stats().mem.live_blocks > 100
            assert oxtest.library().Ox_Install() == oxtest.OX_ALREADY
            oxtest.assert_active()
        """, code_for(py))
        self.assertEqual(done.stderr, "")

    def test_survives_every_kind_of_data(self, py):
        oxtest.run(py, with_data("""
            data = build()
            grow(data)
            check(data)
            del data
            oxtest.assert_active()
        """))

    def test_a_preload_before_ours_is_no_obstacle(self, py):
        # Two libraries in LD_PRELOAD; ours comes second.
        with tempfile.TemporaryDirectory() as directory:
            link = os.path.join(directory, "liboxmalloc.so")
            os.symlink(oxtest.LIB, link)    # the loader knows it as the same file
            oxtest.run(py, "import oxtest; oxtest.assert_active()",
                       env={"LD_PRELOAD": "%s:%s" % (link, oxtest.LIB)})


@oxtest.each_interpreter
class Refusal(unittest.TestCase):
    """What the user chose by PYTHONMALLOC or dev mode is respected, and said."""

    def status(self, py, env=None, options=()):
        """-> the status line, which the summary at exit must show as well."""
        done = oxtest.run(py, """
            import oxtest
            now = oxtest.status()
            print(now.code, sorted(now.domains), oxtest.library().Ox_Install())
            print(now.reason)
        """, env=dict({"OXMALLOC_STATS": "1"}, **(env or {})), options=options)
        facts, reason = done.stdout.splitlines()
        self.assertIn(reason, done.stderr, "the summary does not give the reason")
        self.assertEqual(facts, "%d [] %d" % (oxtest.OX_ERR_PYTHONMALLOC,
                                              oxtest.OX_ERR_PYTHONMALLOC), reason)
        return reason

    def test_pythonmalloc(self, py):
        names = ["debug", "default"]
        if not py.free_threaded:
            names += ["malloc", "malloc_debug", "pymalloc", "pymalloc_debug"]
        for name in names:
            with self.subTest(PYTHONMALLOC=name):
                self.assertEqual(self.status(py, {"PYTHONMALLOC": name}),
                                 "inactive: PYTHONMALLOC=" + name)

    def test_dev_mode_by_option(self, py):
        reason = self.status(py, options=("-X", "dev"))
        self.assertTrue(reason.startswith("inactive: ") and "dev mode" in reason, reason)

    def test_dev_mode_by_environment(self, py):
        reason = self.status(py, {"PYTHONDEVMODE": "1"})
        self.assertTrue(reason.startswith("inactive: ") and "dev mode" in reason, reason)

    def test_what_python_ignores_is_no_reason(self, py):
        active = """
            import sys
            sys.path.insert(0, sys.argv[1])
            import oxtest
            oxtest.assert_active()
        """
        for env, options in (
                ({"PYTHONMALLOC": "debug"}, ("-E",)),
                ({"PYTHONMALLOC": "debug", "PYTHONDEVMODE": "1"}, ("-I",)),
                ({"PYTHONMALLOC": ""}, ()),
                ({"PYTHONDEVMODE": ""}, ())):
            with self.subTest(env=env, options=options):
                oxtest.run(py, active, oxtest.HERE, env=env, options=options)

    def test_disable(self, py):
        done = oxtest.run(py, """
            import oxtest
            now = oxtest.status()
            assert now.code == oxtest.OX_ERR_DISABLED and not now.domains, now.code
            assert oxtest.library().Ox_Install() == oxtest.OX_ERR_DISABLED
            print(now.reason)
        """, env={"OXMALLOC_DISABLE": "1"})
        self.assertRegex(done.stdout, "^inactive: OXMALLOC_DISABLE")
        oxtest.run(py, "import oxtest; oxtest.assert_active()", env={"OXMALLOC_DISABLE": "0"})


@oxtest.each_interpreter
class Late(unittest.TestCase):
    """Ox_Install in a running interpreter."""

    def late(self, py, code):
        return oxtest.run(py, with_data(code), code_for(py), preload=False)

    def test_old_blocks_go_to_their_old_owner(self, py):
        self.late(py, """
            data, dropped = build(), build()
            now = oxtest.status()
            assert now.code == oxtest.OX_NOT_INSTALLED and not now.domains, now.code
            assert now.reason.startswith("inactive: "), now.reason

            code = oxtest.library().Ox_Install()
            assert code == int(sys.argv[1]), code
            oxtest.assert_active()
            assert oxtest.status().installed_by == 3
            assert oxtest.library().Ox_Install() == oxtest.OX_ALREADY

            grow(data)
            del dropped
            gc.collect()
            check(data)
            fresh = build()
            grow(fresh)
            check(fresh)
            del data, fresh
            gc.collect()
            oxtest.assert_active()
        """)

    def test_needs_the_gil(self, py):
        self.late(py, """
            import ctypes
            without = oxtest.library(loader=ctypes.CDLL)
            assert without.Ox_Install() == oxtest.OX_ERR_NEEDS_GIL
            assert not oxtest.status().domains
            assert oxtest.library().Ox_Install() == int(sys.argv[1])
            oxtest.assert_active()
        """)

    def test_from_another_thread_with_others_running(self, py):
        self.late(py, """
            import threading
            codes, stop = [], threading.Event()
            def busy():
                while not stop.is_set():
                    grow(build(200))
            def install():
                codes.append(oxtest.library().Ox_Install())
            others = [threading.Thread(target=busy) for _ in range(3)]
            for thread in others:
                thread.start()
            installer = threading.Thread(target=install)
            installer.start()
            installer.join()
            data = build(2000)
            stop.set()
            for thread in others:
                thread.join()
            assert codes == [int(sys.argv[1])], codes
            oxtest.assert_active()
        """)

    def test_refused_while_tracemalloc_traces(self, py):
        self.late(py, """
            import tracemalloc
            tracemalloc.start()
            data = build()
            assert oxtest.library().Ox_Install() == oxtest.OX_ERR_TRACEMALLOC
            assert not oxtest.status().domains
            tracemalloc.stop()
            assert oxtest.library().Ox_Install() == int(sys.argv[1])
            oxtest.assert_active()
            grow(data)
            check(data)
        """)

    def test_tracemalloc_may_come_later(self, py):
        for preload in (False, True):
            with self.subTest(preload=preload):
                oxtest.run(py, with_data("""
                    import tracemalloc
                    oxtest.library().Ox_Install()
                    tracemalloc.start()
                    data = build()
                    grow(data)
                    assert tracemalloc.get_traced_memory()[0] > 10000000
                    if oxtest.OBJ in oxtest.status().domains:
                        assert oxtest.library().Ox_Owns(id(data["lists"][-1])) == 1
                    oxtest.assert_active()
                    tracemalloc.stop()
                    oxtest.assert_active()
                    check(data)
                """), preload=preload)

    def test_pythonmalloc_is_respected(self, py):
        oxtest.run(py, """
            import oxtest
            assert oxtest.library().Ox_Install() == oxtest.OX_ERR_PYTHONMALLOC
            assert oxtest.status().reason == "inactive: PYTHONMALLOC=debug"
        """, preload=False, env={"PYTHONMALLOC": "debug"})


@oxtest.each_interpreter
class SecondCopy(unittest.TestCase):
    """Two files of the library in one process: one serves, one is inert."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.copy = shutil.copy(oxtest.LIB, os.path.join(directory.name, "copy.so"))

    def test_both_preloaded(self, py):
        for order in ((oxtest.LIB, self.copy), (self.copy, oxtest.LIB)):
            with self.subTest(order=order):
                done = oxtest.run(py, """
                    import sys, oxtest
                    both = [oxtest.status(path) for path in (oxtest.LIB, sys.argv[1])]
                    active = [one for one in both if one.domains]
                    inert = [one for one in both if not one.domains]
                    assert len(active) == len(inert) == 1, [one.reason for one in both]
                    assert active[0].reason.startswith("active")
                    assert inert[0].code == oxtest.OX_ERR_SECOND_COPY, inert[0].code
                    assert inert[0].reason.startswith("inactive: "), inert[0].reason
                """, self.copy, env={"LD_PRELOAD": ":".join(order)})
                self.assertEqual(done.stderr, "")

    def test_opened_beside_the_preloaded(self, py):
        oxtest.run(py, """
            import sys, oxtest
            assert oxtest.library(sys.argv[1]).Ox_Install() == oxtest.OX_ERR_SECOND_COPY
            assert not oxtest.status(sys.argv[1]).domains
            oxtest.assert_active()
        """, self.copy)

    def test_both_opened_late(self, py):
        oxtest.run(py, """
            import sys, oxtest
            oxtest.library(sys.argv[1])
            assert oxtest.library().Ox_Install() == int(sys.argv[2])
            assert oxtest.library(sys.argv[1]).Ox_Install() == oxtest.OX_ERR_SECOND_COPY
            oxtest.assert_active()
        """, self.copy, code_for(py), preload=False)


class OldPython(unittest.TestCase):
    """CPython before 3.8 runs as ever, and the status names it."""

    def test_is_refused_by_name(self):
        if not oxtest.too_old():
            self.skipTest("no CPython before 3.8 here")
        for py in oxtest.too_old():
            for preload in (True, False):
                with self.subTest(py=py.tag, preload=preload):
                    done = oxtest.run(py, """
                        import oxtest
                        assert oxtest.library().Ox_Install() == oxtest.OX_ERR_VERSION
                        now = oxtest.status()
                        assert now.code == oxtest.OX_ERR_VERSION and not now.domains, now.code
                        print(now.reason)
                    """, preload=preload)
                    self.assertRegex(done.stdout, r"^inactive: .*%d\.%d.*3\.8" % py.version[:2])

    def test_is_named_in_the_summary(self):
        if not oxtest.too_old():
            self.skipTest("no CPython before 3.8 here")
        for py in oxtest.too_old():
            with self.subTest(py=py.tag):
                done = oxtest.run(py, "print(sum(range(10)))", env={"OXMALLOC_STATS": "1"})
                self.assertEqual(done.stdout, "45\n")
                self.assertRegex(done.stderr, r"inactive: .*%d\.%d" % py.version[:2])


if __name__ == "__main__":
    unittest.main()
