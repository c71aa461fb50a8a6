"""A large heap of dicts: built, traversed, read at random, dropped."""
import gc
import random


def main():
    records = [{"id": i, "size": i * 0.5, "tags": {"odd": i % 2, "third": i % 3}} for i in range(400000)]
    total = sum(record["size"] + record["tags"]["odd"] for record in records)
    gc.collect()
    rng = random.Random(1)
    for _ in range(500000):
        record = records[int(rng.random() * 400000)]
        total += record["tags"]["third"]
        record["seen"] = True
    print(total, sum("seen" in record for record in records))


main()
