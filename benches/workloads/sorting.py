"""Sorting records, strings and numbers, with keys that allocate."""
import random


def main():
    rng = random.Random(1)
    numbers = [rng.random() for _ in range(150000)]
    total = 0
    for turn in range(2):
        records = [(int(x * 1000), str(x), [i]) for i, x in enumerate(numbers)]
        records.sort(key=lambda record: (record[0], record[1][turn + 2:]))
        names = sorted("name %d" % (x * 1e9) for x in numbers)
        total += records[0][2][0] + len(names[0])
        total += sum(a > b for a, b in zip(sorted(numbers), sorted(numbers, reverse=True)))
    print(total)


main()
