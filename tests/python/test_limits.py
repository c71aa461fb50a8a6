"""When memory, addresses or mappings run out, Python raises MemoryError and goes on."""

import unittest

import faults

LIMIT_KIB = 512 * 1024


@faults.on(faults.chosen)
class AddressSpace(unittest.TestCase):

    def test_rlimit_as(self, py):
        self.check(py, limit=LIMIT_KIB)

    def test_ulimit_v(self, py):
        self.check(py, prefix=("sh", "-c", 'ulimit -v %d && exec "$@"' % LIMIT_KIB, "sh"))

    def check(self, py, limit=None, prefix=()):
        ours, default = faults.with_and_without(py, exhaust, limit, prefix=prefix)
        for (how, mine), (_, theirs) in zip(ours, default):
            # What grows may need its old and its new place at once.
            part = 0.5 if how == "growing" else 0.8
            self.assertGreater(mine, part * theirs, "bytes had, %s" % how)


def exhaust(limit_kib):
    import resource

    import inside

    if limit_kib:
        resource.setrlimit(resource.RLIMIT_AS, (limit_kib * 1024, resource.RLIM_INFINITY))

    def fill(size):
        blocks, spare = [], bytes(1 << 19)
        try:
            while True:
                # Lists of lists, because one long list must be moved to grow.
                blocks.append([])
                for _ in range(1000):
                    blocks[-1].append(bytes(size))
        except MemoryError:
            del spare  # to count with
            return "in blocks of %d" % size, size * sum(map(len, blocks))

    def grow():
        grown = bytearray()
        try:
            while True:
                grown.extend(b"x" * (1 << 20))
        except MemoryError:
            # A resize that fails leaves the old block whole.
            assert grown.count(b"x") == len(grown)
            return "growing", len(grown)

    # What blocks of one size had must be there for those of the next.
    had = [grow()]
    for size in (120, 3000, 120000, 4 << 20, 120):
        had.append(fill(size))
        inside.churn(2000)
    return had + [grow()]


@faults.on(faults.chosen)
class Mappings(unittest.TestCase):

    def test_140000_blocks_of_128_kib(self, py):
        reason = no_room(140000 * 128)
        if reason:
            self.skipTest(reason)
        mappings, allowed, rss = faults.program(py, many_blocks, 140000, 128 * 1024)
        self.assertLess(mappings, allowed / 2, "mappings of the process")
        self.assertLess(rss, 1 << 20, "KiB of RSS, though the blocks were not touched")


def no_room(kib):
    """Why so much address space cannot be had; the memory is never touched."""
    with open("/proc/sys/vm/overcommit_memory") as file:
        strict = file.read().strip() == "2"
    with open("/proc/meminfo") as file:
        info = {line.split(":")[0]: int(line.split()[1]) for line in file}
    free = info["CommitLimit"] - info["Committed_AS"]
    if strict and free < kib + LIMIT_KIB:
        return "vm.overcommit_memory=2 leaves %d MiB, this takes %d" % (free >> 10, kib >> 10)
    return None


def many_blocks(count, size):
    import ctypes
    import threading

    import inside

    malloc, free = ctypes.pythonapi.PyMem_Malloc, ctypes.pythonapi.PyMem_Free
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]

    def mappings():
        with open("/proc/self/maps") as file:
            return sum(1 for _ in file)

    def take(number):
        blocks = [malloc(size) for _ in range(number)]
        assert all(blocks), "PyMem_Malloc failed"
        return blocks

    blocks = take(count)
    most = mappings()
    for block in blocks[::2]:
        free(block)
    most = max(most, mappings())

    more = take(count // 2)
    for block in more[::1000]:
        ctypes.memset(block, 1, size)
    # Whoever else maps memory has room left.
    thread = threading.Thread(target=inside.churn, args=(5000,))
    thread.start()
    thread.join()
    most = max(most, mappings())

    for block in blocks[1::2] + more:
        free(block)
    most = max(most, mappings())
    with open("/proc/sys/vm/max_map_count") as file:
        return most, int(file.read()), inside.kib("VmHWM")
