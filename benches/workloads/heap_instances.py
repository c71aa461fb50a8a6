"""A large heap of instances with a __dict__: built, traversed, read at random, dropped."""
import gc
import random


class Point:
    def __init__(self, x, y, name):
        self.x = x
        self.y = y
        self.name = name


def main():
    points = [Point(i, i + 0.5, "p%d" % i) for i in range(1000000)]
    total = sum(point.x + point.y for point in points)
    gc.collect()
    rng = random.Random(1)
    for _ in range(1000000):
        point = points[int(rng.random() * 1000000)]
        point.y += point.x
    print(total, sum(point.y for point in points), len({point.name for point in points[::10]}))


main()
