"""A picture of the heap, from one snapshot or two.

`page` makes one HTML page that needs no network, `drawing` a still picture (SVG);
`save` writes either, or a PNG, by the name of the file. `account` adds the
figures up, `verdict` says what they come to, `cells` packs the pools for the
page's script.
"""
from __future__ import annotations

import os
import sys
from typing import Any, Optional, Sequence

from .. import snapshots as _snapshots
from ..errors import PictureError
from ..snapshots import AnyPath, Snapshot

__all__ = ["KINDS", "map", "save"]

KINDS = (".html", ".svg", ".png")


def save(path: AnyPath, snapshots: Sequence[Snapshot], title: Optional[str] = None) -> None:
    """Writes the picture of one snapshot, or of two (before and after) of the same shape.

    The ending of `path` says what it becomes: .html, .svg or .png. Takes about 0.1 s
    for each GiB of heap. Any thread. PictureError for another ending or number
    of snapshots, for two that differ in the sizes of pages, pools, arenas or blocks,
    and when the PNG's library is missing; OSError when the file cannot be written.
    """
    name = os.fsdecode(path)
    kind = _kind(name)
    if len(snapshots) not in (1, 2):
        raise PictureError("%d snapshots were given: give one, or two to compare" % len(snapshots))
    if len({(s.page_bytes, s.pool_bytes, s.arena_bytes, s.size_classes) for s in snapshots}) > 1:
        raise PictureError(
            "the snapshots differ in the sizes of pages, pools, arenas or blocks: compare two of the same "
            "oxmalloc on the same kind of machine, or draw each alone")
    if kind == ".html":
        from .page import page

        data = page(snapshots, title).encode()
    else:
        from .drawing import drawing

        data = drawing(snapshots, title).encode()
    if kind == ".png":
        data = _cairosvg().svg2png(bytestring=data, scale=2)
    with open(name, "wb") as file:
        file.write(data)


def _kind(name: str) -> str:
    """What a file becomes, by its ending; PictureError when it cannot be made here."""
    kind = os.path.splitext(name)[1].lower()
    if kind not in KINDS:
        raise PictureError("%s ends in none of %s: name a file that does" % (name, ", ".join(KINDS)))
    if kind == ".png":
        _cairosvg()
    return kind


def _cairosvg() -> Any:
    try:
        import cairosvg  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise PictureError(
            "a PNG needs the package cairosvg: pip install cairosvg, or write an .svg (%s)" % error)
    except OSError as error:  # cairosvg is there, cairo itself is not
        raise PictureError("cairosvg finds no cairo library: install libcairo2, or write an .svg (%s)" % error)
    return cairosvg


def map(path: AnyPath) -> None:  # noqa: A001
    """Takes a snapshot of this process and draws it, under the name of its script
    or module.

    The snapshot goes beside the picture, heap.html and heap.json: keep it to
    compare with a later one. An older snapshot of that name is replaced, another
    file is not. It is written first and takes no memory from the heap; the drawing
    does, after that.

    The interpreter stands still for 4 to 8 ms for each GiB of heap; then `load` and
    `save` take their time. Any thread. NotActiveError when oxmalloc does not serve
    this process. PictureError, with nothing written, when no picture of that name
    can be made or the snapshot would replace another file; OSError when a file
    cannot be written.
    """
    name = os.fsdecode(path)
    _kind(name)
    snapshot = os.path.splitext(name)[0] + ".json"
    if not _snapshots.may_replace(snapshot):
        raise PictureError(
            "%s is there, and no snapshot: the snapshot that goes with the picture would replace it; "
            "give the picture another name" % snapshot)
    _snapshots.snapshot(snapshot)
    program = _program()
    save(name, [_snapshots.load(snapshot)], program and "Heap of %s" % program)


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
