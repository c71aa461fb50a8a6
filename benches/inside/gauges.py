"""What a measured process reads of itself."""
import ctypes
import json
import os
import re
import resource
import time


def resident():
    """Bytes of memory in use now."""
    return _field("/proc/self/status", "VmRSS")


def peak():
    """The most there was. Not rusage's figure, whose peak counts the process
    that forked this one, too."""
    return _field("/proc/self/status", "VmHWM")


def machine_free():
    """What the machine has free: pages that a process only offers (MADV_FREE)
    are not."""
    return _field("/proc/meminfo", "MemFree")


def _field(file, name):
    with open(file) as lines:
        return int(re.search(name + r":\s*(\d+) kB", lines.read()).group(1)) << 10


def trim():
    """Asks for all that can be had: of oxmalloc where it is loaded, of libc."""
    with open("/proc/self/maps") as maps:
        if "liboxmalloc" in maps.read():
            ctypes.PyDLL(os.environ["OXTEST_LIB"]).Ox_Trim()
    ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


def light_work(seconds):
    """What a service does between two requests: a little, now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        json.loads(json.dumps([{"id": i, "name": "n%d" % i, "tags": [i] * 5} for i in range(100)]))
        time.sleep(0.05)


class Used:
    """CPU, wall time and page faults of a piece of code."""

    def __enter__(self):
        self.before = self._now()
        return self

    def __exit__(self, *_):
        self.cpu, self.wall, self.faults = (round(b - a, 6) for a, b in zip(self.before, self._now()))

    @staticmethod
    def _now():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime, time.perf_counter(), usage.ru_minflt
