"""Draws the heap from a snapshot: where the RSS is, every arena and pool, the size
classes, and the nearly empty arenas with what each pins. From two snapshots it
shows what changed.

    oxmalloc map heap.json                      writes heap.html
    oxmalloc map before.json after.json -o diff.html
    oxmalloc map heap.json -o heap.svg          a still picture; .png as well

In the program, oxmalloc.snapshot("heap.json") takes a snapshot, and
oxmalloc.map("heap.html") takes and draws one.
"""
from __future__ import annotations

import argparse
import os
import sys

NAME = "map"
HELP = "draw the heap from a snapshot, or what changed between two"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("snapshot", help="a file that oxmalloc.snapshot() wrote")
    parser.add_argument("after", nargs="?", help="a later one, to compare with")
    parser.add_argument(
        "-o", "--output", metavar="FILE",
        help="an .html page, or an .svg or .png picture (default: the last snapshot's name with .html)")
    parser.add_argument("--title", help="the heading (default: the name of the process)")


def main(arguments: argparse.Namespace) -> int:
    """Writes the picture; -> the exit status."""
    from .. import heapmap, snapshots

    names = [name for name in (arguments.snapshot, arguments.after) if name]
    output = arguments.output or os.path.splitext(names[-1])[0] + ".html"
    try:
        heapmap.save(output, [snapshots.load(name) for name in names], arguments.title)
    except OSError as error:
        print("oxmalloc map: %s: %s" % (error.filename or output, error.strerror), file=sys.stderr)
        return 1
    print(output)
    return 0
