"""Prints what to set so that programs run on oxmalloc, in the form that a place wants.

    eval "$(python -m oxmalloc env)"                    this shell, and what it starts
    python -m oxmalloc env --docker >>Dockerfile        an image, behind its pip install
    python -m oxmalloc env --dask                       ~/.config/dask/distributed.yaml
    python -m oxmalloc env --ray                        ray.init(runtime_env=...)
    python -m oxmalloc env --spark                      conf/spark-defaults.conf
    python -m oxmalloc env --systemd                    systemctl edit NAME

The library is where it is on this machine: elsewhere run the command there.
"""
from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from typing import Callable, Dict, List

from ._arguments import add_options, chosen

NAME = "env"
HELP = "print what to set for a shell, Docker, Dask, Ray, Spark or systemd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    for name, form in FORMS.items():
        place.add_argument("--" + name, dest="form", action="store_const", const=form, help=form.__doc__)
    parser.set_defaults(form=sh)
    add_options(parser)


def main(arguments: argparse.Namespace) -> int:
    from .._environment import preload
    from .._library import library_path

    variables = dict({"LD_PRELOAD": preload(library_path())}, **chosen(arguments))
    form: Callable[[Dict[str, str]], List[str]] = arguments.form
    if sys.stdout is not None:  # As bytes: a path need not be text in the encoding of stdout.
        sys.stdout.buffer.write(os.fsencode("\n".join(form(variables)) + "\n"))
    return 0


def sh(variables: Dict[str, str]) -> List[str]:
    """lines for sh, to evaluate or to put into a profile (the default)"""
    lines = []
    for name, value in variables.items():
        text = shlex.quote(value)
        if name == "LD_PRELOAD":  # Others may be in it: they stay, behind.
            text += '"${LD_PRELOAD:+:$LD_PRELOAD}"'
        lines.append("export %s=%s" % (name, text))
    return lines


def docker(variables: Dict[str, str]) -> List[str]:
    """ENV instructions for a Dockerfile"""
    return ['ENV %s="%s"' % (name, _escaped(value, '\\"$')) for name, value in variables.items()]


def dask(variables: Dict[str, str]) -> List[str]:
    """YAML for Dask: the nanny starts its worker processes so"""
    lines = ["distributed:", "  nanny:", "    pre-spawn-environ:"]
    return lines + ["      %s: %s" % (name, json.dumps(value)) for name, value in variables.items()]


def ray(variables: Dict[str, str]) -> List[str]:
    """a runtime_env for Ray, as Python and as JSON"""
    return [json.dumps({"env_vars": variables}, indent=4)]


def spark(variables: Dict[str, str]) -> List[str]:
    """properties for Spark: of its executors, and of a driver that YARN starts"""
    places = ("spark.executorEnv", "spark.yarn.appMasterEnv")
    return ["%s.%s %s" % (place, name, _escaped(value, "\\")) for place in places for name, value in variables.items()]


def systemd(variables: Dict[str, str]) -> List[str]:
    """a drop-in for a service of systemd"""
    return ["[Service]", *('Environment="%s=%s"' % (name, _escaped(value, '\\"').replace("%", "%%"))
                           for name, value in variables.items())]


def _escaped(text: str, special: str) -> str:
    return "".join("\\" + letter if letter in special else letter for letter in text)


FORMS = {form.__name__: form for form in (sh, docker, dask, ray, spark, systemd)}
