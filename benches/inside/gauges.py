"""What a measured process reads of itself."""
import json
import re
import resource
import time


def resident():
    """Bytes of memory in use now."""
    return _status("VmRSS")


def peak():
    """The most there was. Not rusage's figure, whose peak counts the process
    that forked this one, too."""
    return _status("VmHWM")


def _status(field):
    with open("/proc/self/status") as status:
        return int(re.search(field + r":\s*(\d+) kB", status.read()).group(1)) << 10


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
        self.cpu, self.wall, self.faults = (b - a for a, b in zip(self.before, self._now()))

    @staticmethod
    def _now():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime, time.perf_counter(), usage.ru_minflt
