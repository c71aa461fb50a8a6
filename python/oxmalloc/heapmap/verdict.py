"""What the account comes to, in a sentence or two: why is the RSS so high?"""
from __future__ import annotations

from typing import NamedTuple

from .account import Account
from .._words import change, number, share, size


class Use(NamedTuple):
    """A part of Uses, as people read it."""

    name: str
    title: str
    text: str


# In the order of the bar.
USES = (
    Use("live", "live blocks", "what the program holds, each block with the full size of its class"),
    Use("pinned", "pinned", "free or unused memory in the same pools as live blocks: what fragmentation costs"),
    Use("idle", "idle", "pools without a live block: they go back after OXMALLOC_PURGE_DELAY_MS of work, or by trim()"),
    Use("kept", "kept for reuse", "freed large blocks: the next ones take them, trim() gives them back"),
    Use("outside", "not in this heap", "C extensions and libc's malloc (also CPython's RAW domain), code, stacks, "
        "oxmalloc's own records"),
)

MENTIONED = 20
"""A trim() that gives back at least a MENTIONEDth is worth a word."""


def whole(account: Account) -> int:
    """What the shares are of: the RSS, or the heap where that is not known."""
    return account.uses.heap + (account.uses.outside or 0)


def of(account: Account) -> str:
    """For one snapshot."""
    uses, total = account.uses, whole(account)
    known = account.uses.outside is not None
    parts = {use.name: getattr(uses, use.name) or 0 for use in USES}
    largest = max(parts, key=lambda name: parts[name])
    amount = "%s (%s of %s)" % (
        size(parts[largest]), share(parts[largest], total), "the RSS" if known else "what is resident")
    sparse = account.nearly_empty
    words = {
        "live": "%s is in live blocks: the program still refers to them." % amount,
        "pinned": "%s is pinned: free or unused memory that lies between live blocks." % amount,
        "idle": "%s is idle: pools without a live block, which wait to be used again or given back." % amount,
        "kept": "%s is kept of freed large blocks, for the next ones." % amount,
        "outside": "%s is not in this heap: libc's malloc, buffers of C extensions, code." % amount,
    }[largest]
    if sparse and largest == "pinned":
        words += " %s nearly empty arenas pin %s for %s of live blocks." % (
            number(len(sparse)), size(sum(use.excess_bytes for use in sparse)),
            size(sum(use.live_bytes for use in sparse)))
    if account.trim_least is not None and account.trim_least * MENTIONED >= total > 0:
        words += " oxmalloc.trim() would give back at least %s now." % size(account.trim_least)
    elif largest == "pinned":
        words += " oxmalloc.trim() gives back those pages of it on which nothing lives; how many that are is not " \
            "in a snapshot."
    return words


def between(before: Account, after: Account) -> str:
    """For two snapshots."""
    def part(account: Account, name: str) -> int:
        return getattr(account.uses, name) or 0

    what = "The RSS" if None not in (before.uses.outside, after.uses.outside) else "Resident memory"
    total = whole(after) - whole(before)
    changed = sorted(
        ((part(after, use.name) - part(before, use.name), use.title) for use in USES),
        key=lambda item: -abs(item[0]))
    said = [item for item in changed if item[0]]
    if not said:
        return "%s and all that it is there for are the same." % what
    verb = "grew by %s" % size(total) if total > 0 else "fell by %s" % size(-total) if total else "is the same"
    return "%s %s: %s." % (what, verb, ", ".join("%s %s" % (title, change(by)) for by, title in said[:3]))
