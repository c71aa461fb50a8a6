"""`python3 -c pass`, a hundred times."""
import os
import sys


def main():
    for _ in range(100):
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
        assert os.waitpid(child, 0)[1] == 0
    print("started")


main()
