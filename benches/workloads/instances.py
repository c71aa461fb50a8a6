"""A million instances with a __dict__, made, read and dropped."""


class Point:
    def __init__(self, x, y, name):
        self.x = x
        self.y = y
        self.name = name


def main():
    points = [Point(i, i + 0.5, "p%d" % i) for i in range(1000000)]
    print(sum(point.x + point.y for point in points), len({point.name for point in points[::10]}))


main()
