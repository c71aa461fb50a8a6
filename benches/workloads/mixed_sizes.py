"""2 GB of mixed sizes, 90 % freed at random and filled again with other sizes."""
import random

GOAL = 2 << 30


def fill(live, rng, least, doublings):
    total = sum(map(len, live))
    while total < GOAL:
        size = int(least * 2 ** (rng.random() * doublings))
        live.append(b"x" * size)
        total += size


def main():
    rng = random.Random(1)
    live = []
    fill(live, rng, 64, 10)             # to 64 KiB
    rng.shuffle(live)
    del live[len(live) // 10:]
    fill(live, rng, 1000, 8)            # to 256 KB
    print(len(live), sum(map(len, live)))


main()
