"""A picture of the heap, from one snapshot or two.

`page` makes one HTML page that needs no network, `drawing` a still picture (SVG);
`save` writes either, or a PNG, by the name of the file. `account` adds the
figures up, `verdict` says what they come to, `cells` packs the pools for the
page's script.
"""
from __future__ import annotations

import os
import sys
from typing import Optional, Sequence

from .. import snapshots as _snapshots
from ..errors import PictureError
from ..snapshots import Snapshot

__all__ = ["KINDS", "map", "save"]

KINDS = (".html", ".svg", ".png")


def save(path: str | os.PathLike[str], snapshots: Sequence[Snapshot], title: Optional[str] = None) -> None:
    """Writes the picture of one snapshot, or of two (before and after).

    The ending of `path` says what it becomes: .html, .svg or .png. PictureError
    for another ending, and when the PNG's library is missing.
    """
    name = os.fspath(path)
    kind = os.path.splitext(name)[1].lower()
    if kind == ".html":
        from .page import page

        data = page(snapshots, title).encode()
    elif kind in (".svg", ".png"):
        from .drawing import drawing

        data = drawing(snapshots, title).encode()
        if kind == ".png":
            data = _png(data)
    else:
        raise PictureError("%s ends in none of %s: name a file that does" % (name, ", ".join(KINDS)))
    with open(name, "wb") as file:
        file.write(data)


def _png(svg: bytes) -> bytes:
    try:
        import cairosvg  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise PictureError(
            "a PNG needs the package cairosvg: pip install cairosvg, or write an .svg (%s)" % error)
    except OSError as error:  # cairosvg is there, cairo itself is not
        raise PictureError("cairosvg finds no cairo library: install libcairo2, or write an .svg (%s)" % error)
    png: bytes = cairosvg.svg2png(bytestring=svg, scale=2)
    return png


def map(path: str | os.PathLike[str]) -> None:  # noqa: A001
    """Takes a snapshot of this process and draws it, under the name of its script
    or module.

    The snapshot goes beside the picture: heap.html and heap.json. It is written
    first and takes no memory from the heap; the drawing does, after that. Keep
    it to compare with a later one. NotActiveError when oxmalloc does not serve
    this process.
    """
    snapshot = os.path.splitext(os.fspath(path))[0] + ".json"
    _snapshots.snapshot(snapshot)
    program = _program()
    save(path, [_snapshots.load(snapshot)], program and "Heap of %s" % program)


def _program() -> Optional[str]:
    """What Python was started with; None of code and of a prompt. A snapshot has
    the name of the process only: python, for all of them."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec:
        name: str = spec.name
        return name[:-len(".__main__")] if name.endswith(".__main__") else name
    file: Optional[str] = getattr(main, "__file__", None)
    return file and os.path.basename(file)
