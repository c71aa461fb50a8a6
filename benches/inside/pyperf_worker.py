"""Makes each of pyperf's workers prove its allocator.

pyperf hands few variables on to its workers: a preload can get lost on the way
without a word. A .pth file imports this in every process of the benchmark's
virtual environment, whatever its variables; a worker that cannot prove itself
at its end fails, and one that could leaves a line in the file BENCH_PROOFS.
"""
import atexit
import os
import sys

FAILED = 3


def at_exit():
    import prove  # not before the end: it must not weigh on what is measured
    try:
        prove.prove()
        with open(os.environ["BENCH_PROOFS"], "a") as proofs:
            proofs.write("%d\n" % os.getpid())
    except BaseException as wrong:
        sys.stderr.write("bench: worker: %r\n" % wrong)
        sys.stderr.flush()
        os._exit(FAILED)


with open("/proc/self/cmdline", "rb") as command:
    if b"--worker" in command.read().split(b"\0"):
        atexit.register(at_exit)
