"""The demonstration that `scripts/run` shows without arguments.

One small service's morning: it parses JSON records, makes objects, an index
tree and a report of them, sorts, drops all but a few, and then idles along. The
same program runs on Python's own allocator and on oxmalloc, turn by turn.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "python"))
import oxtest

RECORDS = 150000
DIFFERENT = 3000    # lines of input, over and over
KEPT = 500          # one record in so many outlives the rest
ROUNDS = 3


# --- The program ----------------------------------------------------------------

class Order:
    def __init__(self, fields):
        self.number = fields["number"]
        self.customer = fields["customer"].title()
        self.items = [(item["name"], item["count"] * item["price"]) for item in fields["items"]]
        self.note = " ".join(reversed(fields["note"].split()))
        self.total = sum(price for _, price in self.items)


def lines(rng):
    """The input: JSON records, one a line."""
    words = ["%s%s" % (a, b) for a in "kmnprstv" for b in ("alo", "eri", "ino", "oru", "ust")]
    for number in range(DIFFERENT):
        yield json.dumps({
            "number": number,
            "customer": "%s %s" % (rng.choice(words), rng.choice(words)),
            "note": " ".join(rng.choice(words) for _ in range(rng.randrange(2, 12))),
            "items": [
                {"name": rng.choice(words), "count": rng.randrange(1, 9), "price": rng.random()}
                for _ in range(rng.randrange(1, 6))],
        })


def insert(tree, key, value):
    """A binary tree of lists [key, value, left, right]; -> its root."""
    node = [key, value, None, None]
    if tree is None:
        return node
    here = tree
    while True:
        side = 2 if key < here[0] else 3
        if here[side] is None:
            here[side] = node
            return tree
        here = here[side]


def morning():
    """Does the work; -> the few orders that stay."""
    rng = random.Random(1)
    feed = list(lines(rng)) * (RECORDS // DIFFERENT)
    rng.shuffle(feed)
    orders = [Order(json.loads(line)) for line in feed]
    index, by_customer = None, {}
    for order in orders:
        index = insert(index, rng.random(), order)
        by_customer.setdefault(order.customer, []).append(order)
    report = sorted(
        "%-12s %10.2f %s" % (name, sum(order.total for order in bought), bought[0].note)
        for name, bought in by_customer.items())
    orders.sort(key=lambda order: (order.note, order.total))
    assert len(report) == len(by_customer) and index is not None
    return orders[::KEPT]


def idle(orders):
    """A second of almost nothing, as services spend most of their day."""
    for turn in range(20):
        json.dumps([vars(order) for order in orders[turn::20]])
        time.sleep(0.05)


def memory(field):
    """Bytes of this process, by their name in /proc."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    raise LookupError(field)


def program():
    kept = morning()
    idle(kept)
    print(json.dumps({
        "CPU time": time.process_time(),
        "peak memory": memory("VmHWM:"),
        "memory after dropping": memory("VmRSS:"),
    }))
    if "LD_PRELOAD" in os.environ:
        oxtest.assert_active()


# --- The comparison -------------------------------------------------------------

def measure(py, env):
    done = subprocess.run(
        [py.path, os.path.abspath(__file__), "--program"], env=env,
        stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    if not oxtest.interpreters()[0]:
        sys.exit("no CPython 3.8 or newer found: install one, for example with: apt-get install python3")
    py = oxtest.fastest_interpreter()
    print("%s (CPython %s), %d rounds, medians" % (py.path, py.tag, ROUNDS))
    default, ours = [], []
    for _ in range(ROUNDS):
        default.append(measure(py, oxtest.clean_env()))
        ours.append(measure(py, oxtest.preload_env()))

    print("%-24s%12s%12s%9s" % ("", "default", "oxmalloc", "ratio"))
    for name in default[0]:
        scale, unit = (1, "s") if "time" in name else (1e6, "MB")
        a, b = (statistics.median(run[name] for run in runs) / scale for runs in (default, ours))
        print("%-24s%9.2f %-2s%9.2f %-2s%9.2f" % (name, a, unit, b, unit, b / a))


if __name__ == "__main__":
    program() if sys.argv[1:] == ["--program"] else main()
