"""Buffers of 64 KiB to 8 MiB, taken, filled and dropped in mixed order."""
import random


def main():
    rng = random.Random(1)
    live = [b""] * 40
    total = 0
    for _ in range(8000):
        size = int(65536 * 2 ** rng.uniform(0, 7))
        live[rng.randrange(len(live))] = buffer = bytearray(b"x") * size
        total += len(buffer)
    print(total, sum(map(len, live)))


main()
