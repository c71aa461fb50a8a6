"""Giving memory back: now, and whenever the garbage collector has run."""
from __future__ import annotations

import gc
import re
import time
from types import TracebackType
from typing import Any, Dict, Optional, Type, Union

from ._status import active_library


def trim() -> int:
    """Gives back to the system all that is free now; -> how many bytes that was.

    Wholly free pools and arenas, freed large blocks, the free pages of sparse pools:
    about 0.1 s for each GB of heap, up to 0.4 s when many huge pages have to be
    broken up, with the GIL held. In such a page the kernel drops what is zero, also
    in live blocks; that is not in the figure. Any thread. NotActiveError when oxmalloc does not serve this process.
    """
    given_back: int = active_library().Ox_Trim()
    return given_back


# --- After collections ----------------------------------------------------------

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}


def seconds(every: Union[int, float, str]) -> float:
    """A duration as seconds: a number of them, or "500ms", "2s", "1min", "1h"."""
    found = -1.0
    if isinstance(every, str):
        parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h)\s*", every)
        if parts:
            found = float(parts.group(1)) * _UNITS[parts.group(2)]
    elif isinstance(every, (int, float)) and not isinstance(every, bool):
        try:
            found = float(every)
        except OverflowError:
            pass
    if 0 <= found < float("inf"):
        return found
    raise ValueError('every=%r is no duration: use a number of seconds, or "500ms", "2s", "1min", "1h"' % (every,))


class _Last:
    """The last time, of all that were switched on."""

    ended = -float("inf")
    was_now = False
    """In the collection that is being made, or has just been."""


_LAST = _Last()


class TrimAfterGC:
    """What `trim_after_gc()` switched on, and what came of it.

    A context manager, too: it is on inside its `with`, and off where that ends. The
    figures are of what this one did, not others that are on as well.
    """

    times: int = 0
    """How often memory was given back."""
    last_bytes: int = 0
    """Bytes given back the last time."""
    total_bytes: int = 0
    """Bytes given back in all."""
    last_seconds: float = 0.0
    """How long that took the last time."""
    total_seconds: float = 0.0
    """How long that took in all."""

    def __init__(self, generation: int, every: float) -> None:
        self.generation = generation
        self.every = every
        self._trim = active_library().Ox_Trim
        self._clock = time.monotonic
        self._last = _LAST
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: Dict[str, Any]) -> None:
        # The collection is over and the GIL is ours. A collection never starts
        # inside the allocator, and trimming runs no Python code, so this may be
        # done here. (While the interpreter ends, globals may be gone.)
        last = self._last
        if phase == "start":
            last.was_now = False
        if phase != "stop" or info["generation"] < self.generation:
            return
        begun = self._clock()
        if last.was_now or begun < last.ended + self.every:
            return
        self.last_bytes = self._trim()
        last.ended, last.was_now = self._clock(), True
        self.last_seconds = last.ended - begun
        self.times += 1
        self.total_bytes += self.last_bytes
        self.total_seconds += self.last_seconds

    @property
    def active(self) -> bool:
        """Whether it is switched on."""
        return self._collected in gc.callbacks

    def stop(self) -> None:
        """Switches it off; the figures stay. A second call does nothing."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)

    def __enter__(self) -> TrimAfterGC:
        if not self.active:
            gc.callbacks.append(self._collected)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.stop()

    def __repr__(self) -> str:
        return "<TrimAfterGC %s: %d bytes given back in %d times, %d the last time>" % (
            "on" if self.active else "off", self.total_bytes, self.times, self.last_bytes)


def trim_after_gc(generation: int = 2, every: Union[int, float, str] = "1s") -> TrimAfterGC:
    """From now on, gives memory back when the garbage collector has run.

    `generation`: after collections of this generation or an older one; 2 is a full
    collection, also one by gc.collect(). `every`: at the most so often, as a number
    of seconds or "500ms", "2s", "1min"; what comes earlier is left out. It takes as
    long as trim(), in the thread that collected.

    Each call switches on one more. They share their time: after one collection only
    one gives back, and none for which another did less than its `every` ago.

    Any thread. Switch it off by `.stop()`, or use it with `with`. ValueError for arguments that
    make no sense, NotActiveError when oxmalloc does not serve this process.
    """
    if type(generation) is not int or generation not in (0, 1, 2):
        raise ValueError("generation=%r: the collector has the generations 0, 1 and 2" % (generation,))
    return TrimAfterGC(generation, seconds(every))
