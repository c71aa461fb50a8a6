"""The library works where /proc is not mounted."""

import subprocess
import unittest

import faults

WITHOUT_PROC = (
    "unshare", "--user", "--map-root-user", "--mount",
    "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")


def refused():
    """Why /proc cannot be hidden here, or None."""
    try:
        done = subprocess.run(
            [*WITHOUT_PROC, "test", "!", "-e", "/proc/self"],
            universal_newlines=True, stderr=subprocess.PIPE)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or "no mount namespace" if done.returncode else None


@faults.on(faults.chosen)
class NoProc(unittest.TestCase):

    def test_without_proc(self, py):
        reason = refused()
        if reason:
            self.skipTest(reason)
        faults.program(py, work, prefix=WITHOUT_PROC)


def work():
    import os
    import subprocess
    import sys

    import inside
    import oxtest

    assert not os.path.exists("/proc/self")
    with inside.busy(4):
        inside.churn(5000)
        for _ in range(20):
            inside.in_fork(lambda: inside.churn(500))
    big = bytearray(20 << 20)
    now = oxtest.stats()
    assert now.large_bytes >= len(big) and now.resident_bytes >= len(big), now.resident_bytes
    del big
    assert oxtest.library().Ox_Trim() >= 20 << 20
    subprocess.check_call([sys.executable, "-c", "import oxtest; oxtest.assert_active()"])
