"""A large heap of tuples: built, traversed, read at random, dropped."""
import gc
import random


def main():
    records = [(i, i * 0.5, (i % 7, i % 11)) for i in range(1000000)]
    total = sum(number + pair[1] for number, _, pair in records)
    gc.collect()
    rng = random.Random(1)
    total += sum(records[int(rng.random() * 1000000)][2][0] for _ in range(1000000))
    print(total)


main()
