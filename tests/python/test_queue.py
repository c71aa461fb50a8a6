"""What producers make and consumers free does not pile up.

A block freed by another thread than its owner's takes a detour. Were it to get
lost there for a while, the producer would need new memory all the time.
"""

import unittest

import faults


@faults.on(faults.chosen)
class PeakOfQueues(unittest.TestCase):

    def test_small_objects(self, py):
        self.check(py, "small objects", 1)

    def test_buffers(self, py):
        self.check(py, "buffers", 1)

    def test_small_objects_two_by_two(self, py):
        self.check(py, "small objects", 2)

    def test_buffers_two_by_two(self, py):
        self.check(py, "buffers", 2)

    def check(self, py, what, pairs):
        ours, default = faults.with_and_without(py, hand_over, what, pairs)
        self.assertLess(ours, 1.2 * default, "KiB of peak RSS; the default's are %d" % default)


def hand_over(what, pairs):
    import queue
    import threading

    import inside

    messages = 1200
    line = queue.Queue(maxsize=300)
    full = threading.Event()
    received = []

    def message(number):
        if what == "small objects":
            return [(number + i, str(number + i), {"n": [i]}) for i in range(200)]
        # 0.5 to 32 KiB, one size as likely as another.
        return [bytes([i]) * (512 + (number * 25 + i) * 509 % 32256) for i in range(25)]

    def produce():
        for number in range(messages):
            line.put((number, message(number)))
            if line.full():
                full.set()
        line.put((None, None))

    def consume():
        # However threads take turns, every run once holds as much.
        full.wait()
        while True:
            number, got = line.get()
            if number is None:
                return
            assert got == message(number)
            received.append(number)

    threads = [threading.Thread(target=work) for work in (produce, consume) for _ in range(pairs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(received) == sorted(list(range(messages)) * pairs)
    return inside.kib("VmHWM")
