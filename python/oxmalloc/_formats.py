"""Statistics as text: for people, as JSON, as OpenMetrics."""
from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Tuple

from ._words import size

if TYPE_CHECKING:
    from ._statistics import DomainStats, Stats


def to_json(stats: Stats) -> str:
    """One line of JSON."""
    import json  # Some milliseconds, and most who ask for figures want no text.

    return json.dumps(stats.to_dict())


# --- OpenMetrics ----------------------------------------------------------------

def to_openmetrics(stats: Stats) -> str:
    """Gauges and counters, as the OpenMetrics specification writes them."""
    def each_domain(figure: str) -> Dict[str, int]:
        return {'{domain="%s"}' % name: getattr(domain, figure) for name, domain in stats.by_domain.items()}

    families: List[Tuple[str, str, str, Dict[str, int]]] = [
        ("allocated", "gauge", "Bytes of allocated blocks, in whole blocks of their size class.",
         each_domain("live_bytes")),
        ("active", "gauge", "Bytes of pools, spans and large blocks in use.", each_domain("pool_bytes")),
        ("resident", "gauge", "Mapped bytes that the kernel holds in memory.", {"": stats.resident_bytes}),
        ("retained", "gauge", "Mapped bytes that the kernel does not hold in memory: given back or never touched.",
         {"": stats.mapped_bytes - stats.resident_bytes}),
        ("mapped", "gauge", "Address space of arenas and large blocks, live and freed.", {"": stats.mapped_bytes}),
        ("metadata", "gauge", "Bytes of the allocator's own records.", {"": stats.metadata_bytes}),
        ("given_back", "counter", "Bytes given back to the system since the start.", {"_total": stats.given_back_bytes}),
    ]
    lines = []
    for name, kind, text, samples in families:
        name = "oxmalloc_%s_bytes" % name
        lines += ["# TYPE %s %s" % (name, kind), "# UNIT %s bytes" % name, "# HELP %s %s" % (name, text)]
        lines += ["%s%s %d" % (name, suffix, value) for suffix, value in samples.items()]
    return "\n".join(lines + ["# EOF", ""])


# --- For people -----------------------------------------------------------------

# The classes that hold the most are shown; all are in the JSON.
MOST_CLASSES = 16


def to_text(stats: Stats) -> str:
    """A table, some thirty lines."""
    rows = [
        ("resident", size(stats.resident_bytes), "of %s mapped" % size(stats.mapped_bytes)),
        ("fragmentation", "%.1f %%" % (100 * stats.fragmentation), "of resident memory holds no allocated block"),
        ("given back", size(stats.given_back_bytes), "%d times" % stats.given_back_calls),
        ("arenas", "%d" % stats.arenas, "at most %d" % stats.arenas_peak),
        ("pools", "%d" % (stats.pools_used + stats.pools_full + stats.pools_empty),
         "%d used, %d full, %d empty" % (stats.pools_used, stats.pools_full, stats.pools_empty)),
        ("spans", "%d" % stats.spans, "blocks of 32 KiB to 1 MiB"),
        ("large", "%d" % stats.large_blocks, "blocks above 1 MiB: %s, and %s freed and kept" % (
            size(stats.large_bytes), size(stats.large_cached_bytes))),
        ("metadata", size(stats.metadata_bytes), ""),
    ]
    lines = [("%-14s%12s  %s" % row).rstrip() for row in rows]
    lines += ["", "%-14s%12s%12s%12s%12s%12s%12s" % (
        "domain", "blocks", "live", "free", "untouched", "resident", "peak")]
    lines += [_domain_line(name, domain) for name, domain in [*stats.by_domain.items(), ("both", stats.total)]]
    lines += ["", "%-6s%8s%12s%12s%12s%12s%12s%12s" % (
        "class", "block", "pools", "blocks", "live", "free", "untouched", "resident")]
    for row in sorted(stats.by_class, key=lambda row: row.resident_bytes, reverse=True)[:MOST_CLASSES]:
        block = "%d" % row.block_bytes if row.kind == "class" else row.kind
        lines.append("%-6s%8s%12d%12d%12s%12s%12s%12s" % (
            row.domain, block, row.pools, row.live_blocks, size(row.live_bytes), size(row.free_bytes),
            size(row.untouched_bytes), size(row.resident_bytes)))
    if len(stats.by_class) > MOST_CLASSES:
        lines.append("and %d classes with less" % (len(stats.by_class) - MOST_CLASSES))
    return "\n".join(lines) + "\n"


def _domain_line(name: str, domain: DomainStats) -> str:
    return "%-14s%12d%12s%12s%12s%12s%12s" % (
        name, domain.live_blocks, size(domain.live_bytes), size(domain.free_bytes),
        size(domain.untouched_bytes), size(domain.resident_bytes), size(domain.peak_bytes))
