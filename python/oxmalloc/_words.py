"""Figures as people read them."""
from __future__ import annotations

import time


def number(value: int) -> str:
    """1,234,567."""
    return "{:,}".format(value)


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a figure before the point: 12.3 MiB."""
    value = float(abs(count))
    sign = "\N{MINUS SIGN}" if count < 0 else ""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        # Not 1,024.0 KiB: what rounds up to the next unit goes there.
        if value < 1023.95:
            break
        value /= 1024
    else:
        unit = "TiB"
    exact = value == int(value)  # 64 KiB, not 64.0
    return "%s%.*f %s" % (sign, 0 if exact or value >= 99.95 else 1, value, unit)


def change(count: int) -> str:
    """A difference in bytes, with its sign."""
    return ("+" if count > 0 else "") + size(count)


def number_change(count: int) -> str:
    """A difference, with its sign."""
    return "+" + number(count) if count > 0 else number(count).replace("-", "\N{MINUS SIGN}")


def share(part: int, whole: int) -> str:
    """Per cent, "<1 %" rather than "0 %" of what is there."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    return "<1 %" if 0 < percent < 1 else "%.0f %%" % percent


def age(milliseconds: int) -> str:
    """The two largest units: 3 min 12 s."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return "%.1f s" % seconds
    seconds = int(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (unit, length), (next_unit, next_length) in zip(units, units[1:]):
        if seconds >= length:
            return "%d %s %d %s" % (
                seconds // length, unit, seconds % length // next_length, next_unit)
    return "%d s" % seconds


def moment(epoch: int) -> str:
    """Seconds since 1970 as a date and time of day, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch))
