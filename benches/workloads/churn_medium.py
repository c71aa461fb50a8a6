"""Buffers of 0.5 to 32 KiB, taken and dropped in mixed order."""
import random


def main():
    rng = random.Random(1)
    sizes = [int(512 * 2 ** rng.uniform(0, 6)) for _ in range(4096)]
    places = [rng.randrange(3000) for _ in range(16384)]
    live = [None] * 3000
    total = 0
    for i in range(1800000):
        place = places[i & 16383]
        live[place] = bytearray(sizes[(i * 31) & 4095])
        if not i & 3:
            piece = bytes(live[place][:4096])
            total += len(piece)
    print(total, sum(len(buffer) for buffer in live if buffer))


main()
