"""What the programs of the fault tests use inside their process."""

import contextlib
import os
import select
import sys
import threading
import traceback

# Every kind of block there is: size classes small and medium, spans, large.
SIZES = (1, 24, 100, 300, 500, 700, 2000, 5000, 12000, 30000, 50000, 200000)


def make(n):
    """An object that `n` determines: a graph, a buffer, or one that grew."""
    kind = n % 8
    if kind < 4:
        return (n, str(n), [n, float(n)], {n: str(n + 1)})
    if n % 2000 == 4:
        return b"%d" % n * 300000
    if kind < 6:
        return bytes([n % 251]) * SIZES[n // 8 % len(SIZES)]
    if kind == 6:
        grown = bytearray()
        for step in range(12):
            grown += b"%d" % n * (step * step)
        return grown
    return [str(i) for i in range(n % 60)]


def churn(rounds, seed=0, slots=64):
    """Makes and drops objects; each is compared before it goes."""
    live = {}
    for n in range(seed, seed + rounds):
        # Neighbours in time shall not be neighbours in death.
        slot = n * 2654435761 % 4294967296 % slots
        if slot in live:
            born, thing = live.pop(slot)
            assert thing == make(born), "object %d has changed" % born
        live[slot] = n, make(n)


@contextlib.contextmanager
def busy(threads=6):
    """Threads that churn until the block ends; it fails if one of them did."""
    stop, failures = threading.Event(), []

    def loop(seed):
        try:
            while not stop.is_set():
                churn(100, seed)
                seed += 100
        except BaseException:
            failures.append(traceback.format_exc())

    workers = [threading.Thread(target=loop, args=(i * 10**6,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not failures, "".join(failures)


def in_fork(work, children=1, leave=os._exit, seconds=30):
    """Runs `work()` in forked children, which must all `leave(0)` in time."""
    end, held = os.pipe()
    pids = []
    for _ in range(children):
        pids.append(os.fork())
        if pids[-1] == 0:
            os.close(end)
            try:
                work()
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            leave(0)
    os.close(held)
    # A pipe ends with its last holder: a wait for processes with a deadline.
    ended = select.select([end], [], [], seconds)[0]
    os.close(end)
    assert ended, "of the forked children %s one did not end in %d s" % (pids, seconds)
    for pid in pids:
        status = os.waitpid(pid, 0)[1]
        assert status == 0, "the forked child %d ended with status %#x" % (pid, status)


def kib(name):
    """A line of /proc/self/status: VmRSS, VmHWM (its peak), VmSize."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise LookupError(name)


def put_made(queue, count):
    """A worker process's part: sends what it makes."""
    for n in range(count):
        queue.put((n, make(n)))
