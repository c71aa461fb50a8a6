"""The library's options as arguments of a command, made from its own table."""
from __future__ import annotations

import argparse
from typing import Callable, Dict

from .._options import Option, options


# The table tells of a variable, which can be 0; an argument cannot.
_WITHOUT = {
    "OXMALLOC_CHILDREN": "keep the preload and the options from child processes: the first Python takes them out "
                         "of its environment",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """An argument for each option. LibraryError when there is no library to ask."""
    group = parser.add_argument_group("options of the library (the environment has them, too)")
    for option in options():
        add = group.add_argument
        text = option.help.replace("%", "%%")
        if option.kind == "flag" and option.default == "0":
            add(option.flag, dest=option.name, action="store_const", const="1", help=text)
        elif option.kind == "flag":
            add("--no-" + option.flag[2:], dest=option.name, action="store_const", const="0",
                help=_WITHOUT.get(option.name, "do not " + text))
        elif option.kind == "number":
            add(option.flag, dest=option.name, type=_number(option), metavar=option.unit.upper() or "N",
                help="%s (%d to %d %s, default %s)" % (text, option.least, option.most, option.unit, option.default))
        else:
            add(option.flag, dest=option.name, choices=option.words, help="%s (default %s)" % (text, option.default))


def chosen(arguments: argparse.Namespace) -> Dict[str, str]:
    """The options that were given, as environment variables."""
    given = {option.name: getattr(arguments, option.name) for option in options()}
    return {name: value for name, value in given.items() if value is not None}


def _number(option: Option) -> Callable[[str], str]:
    def check(text: str) -> str:
        if option.accepts(text):
            return text
        raise argparse.ArgumentTypeError("%r: use %s" % (text, option.values))

    return check
