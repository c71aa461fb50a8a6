"""A large heap of strings: built, traversed, looked up at random, dropped."""
import random


def main():
    strings = ["%x" % (i * 2654435761) * (i % 12 + 1) for i in range(1500000)]
    total = sum(map(len, strings))
    index = {string: i for i, string in enumerate(strings)}
    rng = random.Random(1)
    total += sum(index[strings[int(rng.random() * 1500000)]] & 1 for _ in range(500000))
    del index
    print(total, sum(string.endswith("f") for string in strings))


main()
