"""The heap written to a file."""
from __future__ import annotations

import os
from typing import Union

from ._status import active_library


def snapshot(path: Union[str, "os.PathLike[str]"]) -> None:
    """Writes every arena and pool of the heap, as one JSON object, to a file.

    Takes no memory from the heap that it describes, so it works when memory is
    exhausted. The GIL is held meanwhile. OSError when the file cannot be written
    (what was written of it stays), NotActiveError when oxmalloc does not serve
    this process.
    """
    lib = active_library()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        error = lib.Ox_WriteSnapshot(fd)
    finally:
        os.close(fd)
    if error:
        raise OSError(error, os.strerror(error), os.fspath(path))
