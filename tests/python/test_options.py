"""Options from the environment, and the summary of OXMALLOC_STATS=1."""

import re
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


if __name__ == "__main__":
    unittest.main()
