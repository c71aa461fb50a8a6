"""The size classes, and the checked-in table of what they cost in instructions.

In benches/instructions.csv is a row for each class, and columns for malloc and
free in each pattern: the mean over many calls, slow ways included. Counts
hardly depend on the machine or on what else it does, so a small growth is a
regression. `scripts/hot-path --update` writes it.
"""
import csv
import os

from . import BENCHES

CLASSES = [
    *range(16, 513, 16),
    *range(576, 1025, 64),
    *range(1152, 2049, 128),
    *range(2304, 4097, 256),
    *(4368, 4672, 5040, 5456, 5952, 6544, 7280, 8192),
    *(9360, 10912, 13104, 16384, 21840, 32768),
]
BANDS = (16, 512), (576, 4096), (4368, 32768)  # small as in pymalloc, and two more

TABLE = os.path.join(BENCHES, "instructions.csv")
PATTERNS = "pairs", "lifo", "fifo", "random", "foreign"
COLUMNS = ["%s %s" % (pattern, kind) for pattern in PATTERNS for kind in ("malloc", "free")]

# Where the heap comes to lie and when a clock runs out change a count by up to 4 %.
RELATIVE, ABSOLUTE = 0.08, 0.5


def compare(expected, found):
    """Both {(class, column): count}; -> [(cell, expected, found)] of what grew,
    and of what shrank."""
    grew, shrank = [], []
    for cell, count in sorted(found.items()):
        before = expected.get(cell, 0)
        if abs(count - before) > before * RELATIVE + ABSOLUTE:
            (grew if count > before else shrank).append((cell, before, count))
    return grew, shrank


def load(path=TABLE):
    with open(path, newline="") as file:
        return {(int(row["class"]), column): float(row[column])
                for row in csv.DictReader(file) for column in COLUMNS}


def save(counts, path=TABLE):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["class"] + COLUMNS)
        for size in sorted({size for size, _ in counts}):
            rows.writerow([size] + ["%.1f" % counts[size, column] for column in COLUMNS])
