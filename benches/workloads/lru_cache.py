"""An LRU cache of pages of 100 bytes to 10 KB, read with a skew: it misses often."""
import collections
import random


class Cache:
    def __init__(self, room):
        self.room = room
        self.pages = collections.OrderedDict()
        self.hits = 0

    def get(self, key):
        page = self.pages.get(key)
        if page is not None:
            self.pages.move_to_end(key)
            self.hits += 1
            return page
        page = {"key": "page/%d" % key, "body": b"%d " % key * (100 + key * 37 % 1500), "links": [key, key + 1]}
        self.pages[key] = page
        self.room -= len(page["body"])
        while self.room < 0:
            _, oldest = self.pages.popitem(last=False)
            self.room += len(oldest["body"])
        return page


def main():
    rng = random.Random(1)
    cache = Cache(100 << 20)
    total = 0
    for _ in range(1000000):
        total += len(cache.get(int(200000 * rng.random() ** 3))["body"])
    print(total, cache.hits, len(cache.pages))


main()
