"""Runs what the pages of docs/recipes show, as it stands there.

A page has files (a block whose first line is a comment with the file's name),
commands (`sh` blocks) and one report, between marks, of a process that ran on
oxmalloc. A `Recipe` writes the files into a directory of its own, in which the
commands run with the tools from the package index and with the package as pip
would install it. OXMALLOC_UPDATE=1 writes the reports anew.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import oxtest

sys.path.insert(0, os.path.join(oxtest.ROOT, "benches"))
from harness import packages  # noqa: E402

PAGES = os.path.join(oxtest.ROOT, "docs", "recipes")
SECONDS = 120  # No command takes so long, on a machine with other work as well.

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?:#|//) (\S+)(?:: .*)?\n")
_REPORT = re.compile(r"(?<=<!-- report -->\n```\n).*?(?=```\n<!-- /report -->)", re.DOTALL)


@functools.lru_cache(maxsize=None)
def environment(name, *requirements):
    """-> the directory of an environment with these tools and with the package."""
    py = oxtest.fastest_interpreter()
    found = packages.environment(py, name, *requirements)
    if not found:
        raise unittest.SkipTest("pip cannot install %s for %s" % (", ".join(requirements), py.path))
    to = os.path.join(found, "lib", "python%d.%d" % py.version[:2], "site-packages", "oxmalloc")
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(os.path.join(oxtest.PACKAGE, "oxmalloc"), to, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(oxtest.LIB, os.path.join(to, "liboxmalloc.so"))
    return found


class Page:
    def __init__(self, name):
        self.path = os.path.join(PAGES, name + ".md")
        with open(self.path) as file:
            self.text = file.read()
        blocks = [(kind, _NAME.match(text), text) for kind, text in _BLOCK.findall(self.text)]
        self.files = {name.group(1): text for kind, name, text in blocks if name}
        self.commands = [text for kind, name, text in blocks if kind == "sh" and not name]

    def command(self, word):
        """The one `sh` block that has this in it."""
        found, = [text for text in self.commands if word in text]
        return found

    @property
    def report(self):
        return _REPORT.search(self.text).group(0)

    def write_report(self, text):
        with open(self.path, "w") as file:
            file.write(_REPORT.sub(lambda _: text, self.text))


def same(report):
    """A report without what differs from run to run: numbers of processes and versions."""
    return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)*", "N", report))


def whole_reports(text):
    """Every report in what was printed."""
    return re.findall(r"^CPython .*?^oxmalloc is .*?\n", text, re.MULTILINE | re.DOTALL)


class Recipe(unittest.TestCase):
    """A page, a directory with its files, and its commands run there."""

    page_name = None
    tools = "recipes", "gunicorn", "celery", "distributed", "ipykernel", "jupyter_client", "pytest", "pytest-xdist"

    def setUp(self):
        self.page = Page(self.page_name)
        self.venv = environment(*self.tools) if self.tools else None
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        for name, text in self.page.files.items():
            self.write(name, text)
        self.env = oxtest.clean_env({"HOME": self.directory, "PYTHONUNBUFFERED": "1"})
        # The package is in the environment, and nothing of this tree is needed.
        del self.env["PYTHONPATH"]
        if self.venv:
            self.env["PATH"] = os.path.join(self.venv, "bin") + os.pathsep + self.env["PATH"]

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def start(self, command, **more):
        """A command of the page, in a process group that ends with the test."""
        child = subprocess.Popen(
            ["sh", "-ec", command], cwd=self.directory, env=self.env, stdin=subprocess.DEVNULL,
            universal_newlines=True, start_new_session=True, **more)
        timer = threading.Timer(SECONDS, _end, [child])
        timer.start()

        def end():
            timer.cancel()
            _end(child)
            child.wait()
            for stream in (child.stdout, child.stderr):
                if stream:
                    stream.close()

        self.addCleanup(end)
        return child

    def run_command(self, command):
        """-> what a command of the page prints, when it ends well."""
        child = self.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = child.communicate()
        self.assertEqual(child.returncode, 0, out + err)
        return out

    def check_report(self, reports):
        """Every process says it is active; the page shows what the first one said."""
        for report in reports:
            self.assertTrue(report.endswith("\noxmalloc is active.\n"), report)
            self.assertIn("active in" if "command:" in report else "ok       active ", report)
            self.assertNotIn("problem", report)
        self.check_shown(min(reports))

    def check_shown(self, text):
        """The page shows this, but for numbers."""
        for path, shown_as in (self.venv, "/srv/app/venv"), (self.directory, "/srv/app"):
            text = text.replace(path, shown_as) if path else text
        if os.environ.get("OXMALLOC_UPDATE"):
            self.page.write_report(text)
        else:
            self.assertEqual(same(self.page.report), same(text), "OXMALLOC_UPDATE=1 writes it anew")

    def read_reports(self, stream, count):
        """-> this many reports from a log, as {process id: report}; they may have
        a log's prefix before their first line."""
        reports, lines, seen = {}, None, []
        for line in stream:
            seen.append(line)
            begin = re.search(r"CPython [\d.]+, .*, process (\d+)$", line)
            if begin:
                lines, pid = [begin.group(0) + "\n"], int(begin.group(1))
            elif lines is not None:
                lines.append(line)
            if lines and line.startswith("oxmalloc is "):
                reports[pid], lines = "".join(lines), None
                if len(reports) == count:
                    return reports
        self.fail("%d of %d processes told:\n%s" % (len(reports), count, "".join(seen)))


def _end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
