"""A million instances with __slots__, made, read and dropped, twice."""


class Point:
    __slots__ = "x", "y", "name"

    def __init__(self, x, y, name):
        self.x = x
        self.y = y
        self.name = name


def main():
    for _ in range(2):
        points = [Point(i, i + 0.5, "p%d" % i) for i in range(1000000)]
        print(sum(point.x + point.y for point in points), len({point.name for point in points[::10]}))


main()
