"""The Python package's public face: exceptions, install, options, docstrings, types."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import oxtest

# Each in a process where oxmalloc is not active.
CALLS = """
import json
import oxmalloc

def outcome(call):
    try:
        call()
    except oxmalloc.OxmallocError as error:
        return [type(error).__name__, getattr(error, "code", None), str(error)]
    return ["returned"]

def measured():
    with oxmalloc.measure():
        pass

print(json.dumps({
    "stats": outcome(oxmalloc.stats), "trim": outcome(oxmalloc.trim),
    "allocated_blocks": outcome(oxmalloc.allocated_blocks), "measure": outcome(measured),
    "snapshot": outcome(lambda: oxmalloc.snapshot("/nowhere/heap.json")),
    "trim_after_gc": outcome(oxmalloc.trim_after_gc)}))
"""
NEED_IT = {"stats", "trim", "allocated_blocks", "measure", "snapshot", "trim_after_gc"}


@oxtest.each_interpreter
class NotActive(unittest.TestCase):
    def outcomes(self, py, preload=True, options=(), **env):
        done = oxtest.run(py, CALLS, preload=preload, options=options, env=oxtest.package_env(env))
        outcomes = json.loads(done.stdout)
        self.assertEqual(set(outcomes), NEED_IT)
        for outcome in outcomes.values():
            self.assertEqual(outcome, outcomes["stats"])
        return outcomes["stats"]

    def test_says_why_and_what_to_do(self, py):
        for why, advice, code, setting in (
                ("inactive: not installed. Start the program with `python -m oxmalloc run`", "install()",
                 oxtest.OX_NOT_INSTALLED, dict(preload=False)),
                ("PYTHONMALLOC=malloc", "Unset PYTHONMALLOC", oxtest.OX_ERR_PYTHONMALLOC, dict(PYTHONMALLOC="malloc")),
                ("dev mode", "leave out -X dev", oxtest.OX_ERR_PYTHONMALLOC, dict(options=("-X", "dev"))),
                ("OXMALLOC_DISABLE", "Unset OXMALLOC_DISABLE", oxtest.OX_ERR_DISABLED, dict(OXMALLOC_DISABLE="1"))):
            with self.subTest(why=why):
                kind, told, text = self.outcomes(py, **setting)
                self.assertEqual(kind, "NotActiveError")
                self.assertEqual(told, code)
                self.assertIn(why, text)
                self.assertIn(advice, text)

    def test_says_what_keeps_it_out_before_anybody_tried(self, py):
        for why, advice, code, setting in (
                ("PYTHONMALLOC=malloc", "Unset PYTHONMALLOC", oxtest.OX_ERR_PYTHONMALLOC, dict(PYTHONMALLOC="malloc")),
                ("dev mode", "leave out -X dev", oxtest.OX_ERR_PYTHONMALLOC, dict(PYTHONDEVMODE="1")),
                ("tracemalloc", "tracemalloc.stop()", oxtest.OX_ERR_TRACEMALLOC, dict(options=("-X", "tracemalloc"))),
                ("OXMALLOC_DISABLE", "Unset OXMALLOC_DISABLE", oxtest.OX_ERR_DISABLED, dict(OXMALLOC_DISABLE="1"))):
            with self.subTest(why=why):
                kind, told, text = self.outcomes(py, preload=False, **setting)
                self.assertEqual((kind, told), ("NotActiveError", code))
                self.assertIn(why, text)
                self.assertIn(advice, text)

    def test_comes_back_from_a_worker_process(self, py):
        oxtest.run(py, """
            import copy, pickle
            from concurrent.futures import ProcessPoolExecutor
            import oxmalloc

            for kind in oxmalloc.NotActiveError, oxmalloc.InstallError:
                error = kind("inactive: why", "Do this.", -3)
                for same in pickle.loads(pickle.dumps(error)), copy.copy(error):
                    assert type(same) is kind and str(same) == str(error) == "inactive: why. Do this."
                    assert (same.reason, same.advice, same.code) == ("inactive: why", "Do this.", -3), vars(same)

            if __name__ == "__main__":
                with ProcessPoolExecutor(1) as workers:
                    error = workers.submit(oxmalloc.trim).exception(60)
                    assert type(error) is oxmalloc.NotActiveError, repr(error)
                    assert workers.submit(abs, -3).result(60) == 3
            """, preload=False, env=oxtest.package_env())

    def test_the_command_says_so_and_fails(self, py):
        done = oxtest.run(py, "import sys; from oxmalloc.__main__ import main; sys.exit(main(['stats']))",
                          preload=False, env=oxtest.package_env(), check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith("oxmalloc: inactive: not installed"), done.stderr)


@oxtest.each_interpreter
class Install(unittest.TestCase):
    def test_late(self, py):
        names = repr(tuple(("raw", "mem", "obj")[domain] for domain in sorted(py.domains)))
        oxtest.run(py, """
            import sys, threading, oxmalloc
            assert not oxmalloc.status().active
            assert oxmalloc.status().installed_by == ""
            old = [object() for _ in range(1000)]
            now = oxmalloc.install()
            assert now.active and now.installed_by == "install" and now.reason == "active", now
            assert now.domains == %s, now
            assert now.python_version == sys.version_info[:3], now
            assert oxmalloc.install() == now == oxmalloc.status()
            before = oxmalloc.allocated_blocks()
            new = [[i] for i in range(1000)]
            assert oxmalloc.allocated_blocks() >= before + 1000 - 5
            del old, new
            # from a thread as well
            seen = []
            thread = threading.Thread(target=lambda: seen.append(oxmalloc.install()))
            thread.start(); thread.join()
            assert seen == [now], seen
            """ % names, preload=False, env=oxtest.package_env())

    def test_refused(self, py):
        for code, words, options, env in (
                ("import tracemalloc; tracemalloc.start()", "tracemalloc.stop()", (), {}),
                ("", "Unset PYTHONMALLOC", (), {"PYTHONMALLOC": "debug"}),
                ("", "leave out -X dev", ("-X", "dev"), {}),
                ("", "Unset OXMALLOC_DISABLE", (), {"OXMALLOC_DISABLE": "1"})):
            if py.debug and options:
                continue  # dev mode's hooks are a debug build's default
            with self.subTest(words=words):
                done = oxtest.run(py, code + """
import oxmalloc
try:
    oxmalloc.install()
except oxmalloc.InstallError as error:
    assert isinstance(error, oxmalloc.NotActiveError) and isinstance(error, RuntimeError)
    assert error.reason.startswith("inactive: ") and error.code < 0
    assert not oxmalloc.status().active
    print(error)
""", preload=False, options=options, env=oxtest.package_env(env))
                self.assertIn(words, done.stdout)


@oxtest.each_interpreter
class Library(unittest.TestCase):
    def test_the_copy_that_serves_is_asked(self, py):
        # Preloaded from one place, with the package naming another.
        with tempfile.TemporaryDirectory() as directory:
            served = os.path.join(directory, "liboxmalloc.so.0")
            shutil.copy(oxtest.LIB, served)
            code = "import oxmalloc; now = oxmalloc.status(); print(now.active, now.library)"
            done = oxtest.run(py, code, env=oxtest.package_env({"LD_PRELOAD": served}))
            self.assertEqual(done.stdout.split(), ["True", os.path.realpath(served)])
            # Whichever comes first, the one that was installed is found.
            for preload in (served + ":" + oxtest.LIB, oxtest.LIB + ":" + served):
                done = oxtest.run(py, code, env=oxtest.package_env({"LD_PRELOAD": preload}))
                self.assertEqual(done.stdout.split()[0], "True", done.stdout)

    def test_a_copy_of_any_name_is_asked(self, py):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy(oxtest.LIB, os.path.join(directory, "ox.so"))
            code = """
                import os, sys, oxmalloc
                os.chdir("/")
                if sys.argv[1:]:
                    os.remove(sys.argv[1])
                now = oxmalloc.status()
                assert now.active and oxmalloc.stats().total.live_blocks > 0, now
                print(now.library)
                """
            for name, arguments in (os.path.join(directory, "ox.so"), ()), ("./ox.so", (os.path.join(directory, "ox.so"),)):
                done = oxtest.run(py, code, *arguments, env=oxtest.package_env({"LD_PRELOAD": name}), cwd=directory)
                self.assertEqual(os.path.basename(done.stdout.strip()), "ox.so")

    def test_asking_an_inactive_one_again_opens_nothing(self, py):
        oxtest.run(py, """
            import oxmalloc
            from oxmalloc import _library
            oxmalloc.status()
            assert not oxmalloc.status().active and _library.library() is _library.library()
            _library.Library.__init__ = None
            oxmalloc.status()
            """, preload=False, env=oxtest.package_env())

    def test_a_copy_that_came_later_is_asked(self, py):
        with tempfile.TemporaryDirectory() as directory:
            other = os.path.join(directory, "liboxmalloc.so")
            shutil.copy(oxtest.LIB, other)
            oxtest.run(py, """
                import ctypes, sys, oxmalloc
                assert not oxmalloc.status().active     # loads the package's
                assert ctypes.PyDLL(sys.argv[1]).Ox_Install() >= 0
                assert oxmalloc.status().active and oxmalloc.status().library == sys.argv[1], oxmalloc.status()
                assert oxmalloc.install() == oxmalloc.status()
                """, other, preload=False, env=oxtest.package_env())

    def test_a_missing_one_is_named(self, py):
        done = oxtest.run(py, """
            import oxmalloc
            for call in oxmalloc.status, oxmalloc.library_path, oxmalloc.install, oxmalloc.stats:
                try:
                    call()
                except oxmalloc.LibraryError as error:
                    print(error)
            """, preload=False, env=oxtest.package_env({"OXMALLOC_LIBRARY": "/nowhere/liboxmalloc.so"}))
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 4)
        for line in lines:
            self.assertIn("OXMALLOC_LIBRARY names /nowhere/liboxmalloc.so", line)

    def test_importing_loads_nothing(self, py):
        oxtest.run(py, """
            import sys
            import oxmalloc
            with open("/proc/self/maps") as maps:
                assert "liboxmalloc" not in maps.read()
            """, preload=False, env=oxtest.package_env())

    def test_a_name_brings_its_module_and_no_other(self, py):
        oxtest.run(py, """
            import sys
            import oxmalloc
            mine = [name for name in sys.modules if name.startswith("oxmalloc")]
            assert mine == ["oxmalloc"], mine
            oxmalloc.stats().to_text(), oxmalloc.trim(), oxmalloc.status(), oxmalloc.allocated_blocks()
            for name in ("oxmalloc.heapmap", "oxmalloc.snapshots", "oxmalloc._measure", "json"):
                assert name not in sys.modules, name
            assert {"map", "errors", "heapmap", "snapshots", *oxmalloc.__all__} <= set(dir(oxmalloc))
            before = map
            from oxmalloc import *
            assert map is before and oxmalloc.map is not before
            for name in oxmalloc.__all__:
                assert globals()[name] is getattr(oxmalloc, name), name
            try:
                oxmalloc.nothing
            except AttributeError as error:
                assert "no attribute 'nothing'" in str(error), error
            else:
                raise AssertionError("found nothing")
            for name in "errors", "heapmap", "snapshots":
                assert getattr(oxmalloc, name).__name__ == "oxmalloc." + name
            assert not hasattr(oxmalloc, "__version__")     # it runs from the repository
            """, env=oxtest.package_env())

    def test_options_are_those_of_the_library(self, py):
        done = oxtest.run(py, """
            import dataclasses, json, oxmalloc
            print(json.dumps([dict(dataclasses.asdict(o), flag=o.flag) for o in oxmalloc.options()]))
            """, env=oxtest.package_env({"OXMALLOC_HUGE_PAGES": "never"}))
        options = {option["name"]: option for option in json.loads(done.stdout)}
        with open(os.path.join(oxtest.ROOT, "README.md")) as readme:
            table = [line.split("|")[1:-1] for line in readme if line.startswith("| `OXMALLOC_")]
        self.assertEqual([row[0].strip(" `") for row in table], list(options))
        for row in table:
            option = options[row[0].strip(" `")]
            self.assertEqual((row[2].strip(" `"), row[3].strip()), (option["default"], option["help"]))
        huge = options["OXMALLOC_HUGE_PAGES"]
        self.assertEqual((huge["value"], huge["words"], huge["flag"]), (
            "never", ["auto", "never", "always"], "--huge-pages"))


@oxtest.each_interpreter
class Documents(unittest.TestCase):
    """The examples of the documents run as they are."""

    def run_examples(self, py, *path, preload):
        with open(os.path.join(oxtest.ROOT, *path)) as text:
            examples = re.findall(r"^```python\n(.*?)^```", text.read(), re.MULTILINE | re.DOTALL)
        self.assertTrue(examples)
        return oxtest.run(py, "\n".join(examples), preload=preload, env=oxtest.package_env()).stdout

    def test_readme(self, py):
        said = self.run_examples(py, "README.md", preload=False)
        self.assertIn("bytes given back to the system", said)
        self.assertIn("active=True", said)

    def test_python_page(self, py):
        said = self.run_examples(py, "docs", "python.md", preload=True)
        self.assertTrue(said.startswith("True "), said)
        self.assertIn("bytes given back", said)

    def test_every_name_is_on_the_page(self, py):
        with open(os.path.join(oxtest.ROOT, "docs", "python.md")) as text:
            page = text.read()
        names = oxtest.run(py, "import oxmalloc; print('map', *(n for n in oxmalloc.__all__ if n[0].islower()))",
                           preload=False, env=oxtest.package_env()).stdout.split()
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertIn(name + "(", page)


class Face(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, oxtest.PACKAGE)
        cls.addClassCleanup(sys.path.remove, oxtest.PACKAGE)
        import oxmalloc
        cls.package = oxmalloc

    def test_names_are_told_to_type_checkers_as_they_are(self):
        with open(self.package.__file__) as source:
            tree = ast.parse(source.read())
        imports = next(node for node in tree.body if isinstance(node, ast.If)).body
        told = {alias.name: node.module for node in imports if isinstance(node, ast.ImportFrom) for alias in node.names}
        modules = [name for name, home in told.items() if home is None]
        self.assertEqual(tuple(modules), self.package._MODULES)
        self.assertEqual({name: home for name, home in told.items() if home}, self.package._HOME_OF)
        # `import *` leaves the builtin of that name alone.
        self.assertEqual(self.package.__all__, sorted(set(told) - set(modules) - {"map"}))

    def test_everything_public_has_a_docstring(self):
        bare = []
        for name in [*self.package.__all__, "map"]:
            thing = getattr(self.package, name)
            if not inspect.getdoc(thing):
                bare.append(name)
            if inspect.isclass(thing):
                members = vars(thing).items()
                bare += ["%s.%s" % (name, member) for member, value in members
                         if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
                         and not inspect.getdoc(value)]
        self.assertEqual(bare, [])

    def test_every_figure_is_explained(self):
        # A string follows each field.
        for module in ("_statistics", "_measure", "_status", "_options", "_checks", "_diagnosis", "snapshots"):
            with open(os.path.join(oxtest.PACKAGE, "oxmalloc", module + ".py")) as source:
                tree = ast.parse(source.read())
            for cls in (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"):
                for field, after in zip(cls.body, cls.body[1:] + [None]):
                    if isinstance(field, ast.AnnAssign):
                        self.assertTrue(isinstance(after, ast.Expr), "%s.%s" % (cls.name, field.target.id))

    def test_needs_nothing_but_the_standard_library(self):
        done = oxtest.run(oxtest.fastest_interpreter(), """
            import sys
            before = set(sys.modules)
            import oxmalloc, oxmalloc.__main__
            oxmalloc.__main__.parser()
            import os
            library = os.path.dirname(os.__file__)
            for name in set(sys.modules) - before:
                path = getattr(sys.modules[name], "__file__", None) or library
                assert name.startswith("oxmalloc") or path.startswith(library) and "site-packages" not in path, name
            """, preload=False, env=oxtest.package_env())
        self.assertEqual(done.stderr, "")

    def test_types(self):
        mypy = shutil.which("mypy")
        if not mypy:
            self.skipTest("mypy is not installed (pip install mypy)")

        def check(path):
            return subprocess.run([mypy, "--strict", path], cwd=oxtest.PACKAGE, universal_newlines=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

        self.assertIn("Success", check("oxmalloc"))
        with tempfile.TemporaryDirectory() as directory:
            program = os.path.join(directory, "program.py")
            with open(program, "w") as out:
                out.write("import oxmalloc\nversion: str = oxmalloc.__version__\nfound: oxmalloc.Finding\n"
                          "shot: oxmalloc.Snapshot = oxmalloc.snapshots.load('x')\noxmalloc.map('x.html')\n"
                          "from oxmalloc import nothing\noxmalloc.sttats()\noxmalloc.measure().totl\n")
            wrong = re.findall(r"program.py:(\d+): error", check(program))
            self.assertEqual(wrong, ["6", "7", "8"])    # a misspelt name is an error


if __name__ == "__main__":
    unittest.main()
