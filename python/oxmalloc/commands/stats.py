"""Prints the statistics of the heap of this process.

It is the process of this command, so it must run on oxmalloc; inside a program
call oxmalloc.stats(), and to see those of a program when it ends start it with
`python -m oxmalloc run --stats`.
"""
from __future__ import annotations

import argparse

NAME = "stats"
HELP = "print the statistics of this process, as text, JSON or OpenMetrics"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="form", const="to_json", help="one JSON object")
    form.add_argument("--openmetrics", action="store_const", dest="form", const="to_openmetrics",
                      help="OpenMetrics text, for Prometheus and the like")
    parser.set_defaults(form="to_text")


def main(arguments: argparse.Namespace) -> int:
    from .._statistics import stats

    text: str = getattr(stats(), arguments.form)()
    print(text.rstrip("\n"))
    return 0
