"""A server forks workers that share its heap; memory: the private bytes of one."""
import gc
import os
import re
import statistics

WORKERS, REQUESTS = 8, 150


def private():
    with open("/proc/self/smaps_rollup") as rollup:
        return sum(int(size) << 10 for size in re.findall(r"Private_\w+:\s*(\d+) kB", rollup.read()))


def handle(catalog, number):
    found = [catalog["item %d" % (i * 7919 % 300000)] for i in range(number * 100, number * 100 + 200)]
    page = [{"title": item["title"].upper(), "price": "%.2f" % item["price"]} for item in found]
    return len(repr(page))


def worker(catalog, out):
    total = sum(handle(catalog, number) for number in range(REQUESTS))
    os.write(out, b"%d %d\n" % (total, private()))
    os._exit(0)


def main():
    catalog = {
        "item %d" % i: {"title": "title of %d" % i, "price": i / 7, "tags": [str(i % 9), "t"]}
        for i in range(300000)}
    gc.freeze()
    read, write = os.pipe()
    for _ in range(WORKERS):
        if os.fork() == 0:
            worker(catalog, write)
    for _ in range(WORKERS):
        assert os.wait()[1] == 0
    os.close(write)
    with os.fdopen(read) as lines:
        answers = [line.split() for line in lines]
    print({total for total, _ in answers})
    return int(statistics.median(int(size) for _, size in answers))


memory = main()
