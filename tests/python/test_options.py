"""Options from the environment, and the summary of OXMALLOC_STATS=1."""

import os
import re
import subprocess
import tempfile
import unittest

import oxtest


@oxtest.each_interpreter
class Options(unittest.TestCase):
    def warnings(self, py, code="import oxtest; oxtest.assert_active()", **env):
        """-> the lines on stderr of a run that is active all the same."""
        return oxtest.run(py, code, env=env).stderr.splitlines()

    def test_good_values_are_taken_silently(self, py):
        self.assertEqual(self.warnings(
            py, OXMALLOC_PURGE_DELAY_MS="0", OXMALLOC_HUGE_PAGES="never", OXMALLOC_STATS="0",
            OXMALLOC_DISABLE="off"), [])
        # What the Python package reads is none of the library's options.
        self.assertEqual(self.warnings(py, OXMALLOC_LIBRARY=oxtest.LIB), [])

    def test_a_bad_value_is_named_with_the_nearest_valid(self, py):
        for name, value, nearest in (
                ("OXMALLOC_HUGE_PAGES", "alwys", "always"),
                ("OXMALLOC_HUGE_PAGES", "nevr", "never"),
                ("OXMALLOC_PURGE_DELAY_MS", "-5", "0"),
                ("OXMALLOC_PURGE_DELAY_MS", "99999999999999999999999", "3600000"),
                ("OXMALLOC_PURGE_DELAY_MS", "soon", "whole number"),
                ("OXMALLOC_PURGE_DELAY_MS", "", "whole number"),
                ("OXMALLOC_DISABLE", "maybe", "0 or 1"),
                ("OXMALLOC_STATS", "2", "0 or 1")):
            with self.subTest(name=name, value=value):
                lines = self.warnings(py, **{name: value})
                self.assertEqual(len(lines), 1, lines)
                said = re.match(r"oxmalloc: %s=(\S*) (.*)" % name, lines[0])
                self.assertTrue(said, lines[0])
                self.assertEqual(said.group(1), value[:40])
                self.assertIn(nearest, said.group(2))

    def test_an_unknown_name_is_named_with_the_nearest(self, py):
        for name, nearest in (
                ("OXMALLOC_STAT", "OXMALLOC_STATS"),
                ("OXMALLOC_PURGE_DELAY", "OXMALLOC_PURGE_DELAY_MS"),
                ("OXMALLOC_DISABLED", "OXMALLOC_DISABLE"),
                ("OXMALLOC_HUGEPAGES", "OXMALLOC_HUGE_PAGES")):
            with self.subTest(name=name):
                lines = self.warnings(py, **{name: "1"})
                self.assertEqual(len(lines), 1, lines)
                self.assertTrue(lines[0].startswith("oxmalloc: "), lines[0])
                self.assertIn(name, lines[0])
                self.assertRegex(lines[0], r"\b%s\b(?!.*\b%s\b)" % (nearest, name))

    def test_the_package_understands_what_the_library_does(self, py):
        code = "import oxmalloc, sys; print([o.accepts(sys.argv[2]) for o in oxmalloc.options() if o.name == sys.argv[1]])"
        for name, values in (
                ("OXMALLOC_PURGE_DELAY_MS", ("5", " 5", "+5", "005", "5_0", "-5", "\u00b2", "\u0663", "9" * 5000)),
                ("OXMALLOC_STATS", ("", "NO", " off", "On", "Yes ", "2", "ja")),
                ("OXMALLOC_HUGE_PAGES", ("Never", "", "nevr"))):
            for value in values:
                done = oxtest.run(py, code, name, value, env=oxtest.package_env(
                    {"PYTHONUTF8": "1", "OXMALLOC_STATS": "0", name: value}))
                self.assertEqual(done.stdout.strip(), str(["not understood" not in done.stderr]), (name, value, done.stderr))

    def test_each_mistake_is_said_once(self, py):
        # The forked child inherits the mistake and does not repeat it.
        lines = self.warnings(py, """
            import os, oxtest
            child = os.fork()
            oxtest.assert_active()
            oxtest.library().Ox_Install()
            oxtest.stats()
            if child:
                assert os.waitpid(child, 0)[1] == 0
        """, OXMALLOC_STAT="1", OXMALLOC_HUGE_PAGES="alwys")
        self.assertEqual(len(lines), 2, lines)

    def test_names_of_others_are_not_ours(self, py):
        self.assertEqual(self.warnings(py, OXMALLOCATOR="1", MY_OXMALLOC_STAT="1"), [])

    def test_a_long_hostile_value_does_no_harm(self, py):
        lines = self.warnings(py, OXMALLOC_HUGE_PAGES="x" * 100000, **{"OXMALLOC_" + "Y" * 5000: "\n"})
        self.assertEqual(len(lines), 2, lines)
        self.assertLess(max(map(len, lines)), 300)


@oxtest.each_interpreter
class Summary(unittest.TestCase):
    """OXMALLOC_STATS=1: a few aligned lines on stderr when a Python ends."""

    def summaries(self, stderr):
        """-> one {label: value} per process, after a look at the layout."""
        found = []
        for line in stderr.splitlines():
            label, value = line[10:21], line[21:]
            self.assertRegex(line[:21], r"^oxmalloc: \w[\w ]{9} $", line)
            if value.startswith(" "):       # a column of numbers
                self.assertRegex(value[:16], r"^ *\d+( {2})?$", line)
            if label.strip() == "version":
                found.append({})
            found[-1][label.strip()] = value
        return found

    def summary(self, py, code, **env):
        done = oxtest.run(py, code, env=dict({"OXMALLOC_STATS": "1"}, **env))
        summaries = self.summaries(done.stderr)
        self.assertEqual(len(summaries), 1, done.stderr)
        return done.stdout, summaries[0]

    def test_its_numbers_add_up(self, py):
        out, rows = self.summary(py, """
            import os, oxtest
            data = [{"number": i, "name": "n" * i} for i in range(5000)] + [bytes(5000000)]
            print(os.getpid())
            del data
            assert oxtest.library().Ox_Trim() > 0
        """)
        self.assertEqual(rows["pid"], out.strip())
        names = {oxtest.RAW: "raw", oxtest.MEM: "mem", oxtest.OBJ: "obj"}
        self.assertEqual(rows["active in"], ", ".join(names[d] for d in sorted(py.domains)))

        def numbers(label):
            return [int(number) for number in re.findall(r"\d+", rows[label])]
        for label in ("live", "peak"):
            total, mem, obj = numbers(label)
            self.assertEqual(total, mem + obj, rows[label])
        self.assertLessEqual(numbers("live")[0], numbers("peak")[0])
        if not py.free_threaded:
            self.assertGreater(numbers("peak")[0], 5000000 + 5000 * 5000 // 2)
        resident, mapped = numbers("resident")
        self.assertLessEqual(resident, mapped)
        self.assertGreater(resident, 0)
        given_back, times = numbers("given back")
        self.assertGreater(given_back, 5000000)
        self.assertGreater(times, 0)
        arenas, arenas_peak = numbers("arenas")
        self.assertLessEqual(arenas, arenas_peak)
        self.assertGreaterEqual(mapped, arenas << 21)
        pools, used, full, empty = numbers("pools")
        self.assertEqual(pools, used + full + empty)
        self.assertLessEqual(pools, arenas * 32)

    def test_each_process_speaks_for_itself(self, py):
        done = oxtest.run(py, """
            import os, sys
            child = os.fork()
            if child == 0:
                sys.exit()
            assert os.waitpid(child, 0)[1] == 0
            print(os.getpid(), child)
        """, env={"OXMALLOC_STATS": "1"})
        pids = [summary["pid"] for summary in self.summaries(done.stderr)]
        self.assertEqual(sorted(pids), sorted(done.stdout.split()))

    def test_goes_nowhere_else(self, py):
        # Neither to stdout, nor into a file that got the number of stderr.
        out, _ = self.summary(py, "print('one')")
        self.assertEqual(out, "one\n")
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "file")
            done = subprocess.run(
                ["sh", "-c", 'exec "$0" -c pass 2>&-', py.path],
                env=oxtest.preload_env({"OXMALLOC_STATS": "1"}), cwd=directory)
            self.assertEqual((done.returncode, os.path.exists(path)), (0, False))

    def test_nothing_without_the_option(self, py):
        for env in ({}, {"OXMALLOC_STATS": "0"}):
            self.assertEqual(oxtest.run(py, "pass", env=env).stderr, "")


@oxtest.each_interpreter
class Verbose(unittest.TestCase):
    """OXMALLOC_VERBOSE=1: a line for each Python, at once when it is active."""

    def lines(self, py, code="pass", options=(), **env):
        done = oxtest.run(py, code, options=options, env=dict({"OXMALLOC_VERBOSE": "1"}, **env))
        return done.stderr.splitlines()

    def active(self, py):
        names = {oxtest.RAW: "raw", oxtest.MEM: "mem", oxtest.OBJ: "obj"}
        version = ".".join(map(str, py.version))
        return r"oxmalloc: process    pid (\d+), CPython %s, active in %s" % (
            re.escape(version), ", ".join(names[d] for d in sorted(py.domains)))

    def test_says_that_it_is_active_before_the_program_runs(self, py):
        # A process that never gets to its exit handlers has told by then.
        (line,) = self.lines(py, "import os; os._exit(0)")
        self.assertRegex(line, "^%s$" % self.active(py))

    def test_says_why_it_is_not(self, py):
        for reason, code, setting in (
                ("PYTHONMALLOC=malloc_debug", oxtest.OX_ERR_PYTHONMALLOC, dict(PYTHONMALLOC="malloc_debug")),
                ("dev mode", oxtest.OX_ERR_PYTHONMALLOC, dict(options=("-X", "dev"))),
                ("OXMALLOC_DISABLE is set", oxtest.OX_ERR_DISABLED, dict(OXMALLOC_DISABLE="1"))):
            with self.subTest(reason=reason):
                (line,) = self.lines(py, **setting)
                self.assertRegex(line, r"^oxmalloc: process    pid \d+, CPython [\d.]+, inactive: %s.* \(code %d\)$" % (
                    re.escape(reason), code))

    def test_each_interpreter_that_starts_tells_once(self, py):
        # A thread, a forked child and one that was started anew.
        lines = self.lines(py, """
            import os, subprocess, sys, threading
            thread = threading.Thread(target=lambda: [[] for i in range(1000)])
            thread.start()
            thread.join()
            child = os.fork()
            if child == 0:
                sys.exit()
            assert os.waitpid(child, 0)[1] == 0
            subprocess.check_call([sys.executable, "-c", "pass"])
        """, options=("-W", "ignore"))   # 3.12 warns of a fork beside a thread that has just ended.
        found = [re.match("^%s$" % self.active(py), line) for line in lines]
        self.assertTrue(all(found), lines)
        self.assertEqual(len({one.group(1) for one in found}), 2, lines)
        self.assertEqual(len(lines), 2)

    def test_late(self, py):
        done = oxtest.run(py, """
            import oxtest
            assert oxtest.library().Ox_Install() >= 0
            data = [[i] for i in range(10000)]
        """, preload=False, env={"OXMALLOC_VERBOSE": "1"})
        self.assertRegex(done.stderr, "^%s\n$" % self.active(py))


@oxtest.each_interpreter
class Children(unittest.TestCase):
    """OXMALLOC_CHILDREN=0: the program has the preload, its children have not."""

    # What a child inherits, by C's environment and by Python's; and how it runs.
    CODE = """
        import os, subprocess, sys
        sys.path.insert(0, sys.argv[1])
        import oxtest
        oxtest.assert_active()
        ours = [name for name in os.environ if name == "LD_PRELOAD" or name.startswith("OXMALLOC_")]
        print({name: os.environ[name] for name in ours})
        sys.stdout.flush()
        assert os.system("env | grep -E '^(LD_PRELOAD|OXMALLOC_)' | sort") == 0 or not ours
        child = "import sys; file = open('/proc/self/maps'); print('liboxmalloc' in file.read(), sys.argv); file.close()"
        subprocess.check_call([sys.executable, "-c", child, "a"])
    """

    def run_it(self, py, options=(), **env):
        done = oxtest.run(py, self.CODE, oxtest.HERE, options=options, env=env)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_children_run_without(self, py):
        self.assertEqual(self.run_it(py, OXMALLOC_CHILDREN="0", OXMALLOC_PURGE_DELAY_MS="100"),
                         ["{}", "False ['-c', 'a']"])

    def test_what_others_preload_stays(self, py):
        with tempfile.TemporaryDirectory() as directory:
            # The loader takes these for our own file, and loads nothing more.
            first, last = (os.path.join(directory, name) for name in ("first.so", "last.so"))
            os.symlink(oxtest.LIB, first)
            os.symlink(oxtest.LIB, last)
            preload = "%s:%s %s" % (oxtest.LIB, first, last)
            lines = self.run_it(py, OXMALLOC_CHILDREN="0", LD_PRELOAD=preload)
            kept = "%s:%s" % (first, last)
            self.assertEqual(lines[:2], [str({"LD_PRELOAD": kept}), "LD_PRELOAD=" + kept])

    def test_its_own_options_are_in_force(self, py):
        done = oxtest.run(py, """
            import oxtest, os
            oxtest.assert_active()
            assert "OXMALLOC_STATS" not in os.environ
        """, env={"OXMALLOC_CHILDREN": "0", "OXMALLOC_STATS": "1"})
        self.assertIn("oxmalloc: active in", done.stderr)

    def test_forked_children_share_the_heap(self, py):
        oxtest.run(py, """
            import os, oxtest
            child = os.fork()
            if child == 0:
                oxtest.assert_active()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        """, env={"OXMALLOC_CHILDREN": "0"})

    def test_a_shell_in_between_hands_it_on(self, py):
        done = subprocess.run(
            ["sh", "-c", '"$0" -c "import oxtest; oxtest.assert_active()"; echo "$OXMALLOC_CHILDREN"', py.path],
            env=oxtest.preload_env({"OXMALLOC_CHILDREN": "0"}), universal_newlines=True, stdout=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stdout), (0, "0\n"))

    def test_by_default_they_have_it(self, py):
        for env in ({}, {"OXMALLOC_CHILDREN": "1"}):
            self.assertIn("True ['-c', 'a']", self.run_it(py, **env))


@oxtest.each_interpreter
class Stats(unittest.TestCase):
    """Ox_GetStats in a running program."""

    def test_fields_add_up(self, py):
        oxtest.run(py, """
            import oxtest

            def check():
                now = oxtest.stats()
                for domain in (now.mem, now.obj):
                    blocks = domain.live_bytes + domain.free_bytes + domain.untouched_bytes
                    # Behind the last block of a pool there may be a rest.
                    assert blocks <= domain.pool_bytes <= blocks * 1.25 + 65536, vars(domain)
                    assert domain.pool_bytes <= domain.peak_bytes
                    assert domain.live_blocks <= domain.live_bytes // 16
                assert now.arenas <= now.arenas_peak
                assert now.resident_bytes <= now.mapped_bytes
                extents = now.mapped_bytes - (now.arenas << 21)
                assert extents % (2 << 20) == 0
                assert now.large_bytes + now.large_cached_bytes <= extents
                pools = now.pools_used + now.pools_full + now.pools_empty
                assert pools + now.spans <= now.arenas * 32
                assert now.mem.pool_bytes + now.obj.pool_bytes <= now.mapped_bytes
                assert 1 <= now.heaps and now.heaps_idle <= now.heaps
                return now

            start = check()
            objects = [object() for i in range(100000)]
            data = [bytearray(i % 3000) for i in range(20000)] + [bytearray(3 << 20)]
            full = check()
            if oxtest.OBJ in oxtest.status().domains:
                assert full.obj.live_blocks - start.obj.live_blocks >= 100000
                assert full.obj.live_bytes - start.obj.live_bytes >= 1600000
            # The items of a list are of MEM.
            lists = [[None] * 1000 for i in range(1000)]
            assert check().mem.live_blocks - full.mem.live_blocks >= 900
            del objects, data, lists
            empty = check()
            dropped = [full.mem.live_bytes + full.obj.live_bytes,
                       empty.mem.live_bytes + empty.obj.live_bytes]
            assert dropped[0] - dropped[1] > 30000000, dropped
            given_back = oxtest.library().Ox_Trim()
            after = check()
            assert given_back >= 3 << 20, given_back
            counted = after.given_back_bytes - empty.given_back_bytes
            assert counted >= given_back, (counted, given_back)
            assert after.resident_bytes <= empty.resident_bytes - given_back // 2
        """)


if __name__ == "__main__":
    unittest.main()
