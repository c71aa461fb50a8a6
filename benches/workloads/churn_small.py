"""Buffers of 16 to 512 bytes, taken and dropped in mixed order."""
import random


def main():
    rng = random.Random(1)
    pieces = [b"x" * rng.randrange(512) for _ in range(4096)]
    places = [rng.randrange(200000) for _ in range(1 << 20)]
    live = [None] * 200000
    for turn in range(8):
        for i, place in enumerate(places):
            live[place] = pieces[(i + turn) & 4095] + b"!"
    print(sum(len(piece) for piece in live if piece))


main()
