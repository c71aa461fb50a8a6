"""Interpreters with a GIL of their own (3.12 and newer), one core for each.

usage: own_gil.py SECONDS CORE[,CORE...]

Prints the rounds of work of all together per second.
"""
import os
import sys
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

WORK = """
import os, time
os.sched_setaffinity(0, {core})
os.write(ready, b".")
os.read(go, 1)
end = time.monotonic() + seconds
rounds = 0
while time.monotonic() < end:
    rows = [{"id": i, "name": "n%d" % i, "pair": (i, [i])} for i in range(2000)]
    rounds += len(rows) == 2000
    del rows
os.write(done, b"%d " % rounds)
"""


def main():
    seconds, cores = float(sys.argv[1]), sys.argv[2].split(",")
    ends = {name: os.pipe() for name in ("ready", "go", "done")}
    setting = "seconds, ready, go, done = %r, %d, %d, %d\n" % (
        seconds, ends["ready"][1], ends["go"][0], ends["done"][1])

    def run(core):
        interpreter = interpreters.create()
        failed = interpreters.run_string(interpreter, "core = %s\n" % core + setting + WORK)
        assert not failed, failed
        interpreters.destroy(interpreter)

    threads = [threading.Thread(target=run, args=(core,)) for core in cores]
    for thread in threads:
        thread.start()
    for _ in threads:
        os.read(ends["ready"][0], 1)
    os.write(ends["go"][1], b"." * len(threads))
    for thread in threads:
        thread.join()
    rounds = os.read(ends["done"][0], 4096).split()
    assert len(rounds) == len(cores)

    import prove
    prove.prove()
    print(sum(map(int, rounds)) / seconds)


main()
