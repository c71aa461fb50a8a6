"""The programs of benches/workloads.

Each is a file with a line of description, prints the same on every side, and
names a library that it needs in a comment: `# needs: jinja2==3.1.6`.
"""
import ast
import collections
import os
import re

from . import BENCHES, give_up, packages

FOLDER = os.path.join(BENCHES, "workloads")

Workload = collections.namedtuple("Workload", "name path what needs")


def find(only=None):
    found = {}
    for file in sorted(os.listdir(FOLDER)):
        name, extension = os.path.splitext(file)
        if extension == ".py":
            found[name] = _read(name, os.path.join(FOLDER, file))
    unknown = set(only or ()) - set(found)
    if unknown:
        give_up("no workload %s; there are %s" % (", ".join(unknown), ", ".join(found)))
    return [found[name] for name in only or found]


def _read(name, path):
    with open(path) as source:
        text = source.read()
    what = ast.get_docstring(ast.parse(text)).splitlines()[0]
    needs = re.search(r"# needs: (\S+)", text)
    return Workload(name, path, what.rstrip("."), needs and needs.group(1))


def library(py, workload):
    """The directory with the library a workload needs: "" when it needs none,
    None when it cannot be had."""
    return packages.directory(py, workload.needs) if workload.needs else ""
