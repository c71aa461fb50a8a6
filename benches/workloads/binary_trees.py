"""Binary trees of tuples, built and dropped while a large one stays."""


def tree(depth):
    return (tree(depth - 1), tree(depth - 1)) if depth else (None, None)


def nodes(node):
    left, right = node
    return 1 if left is None else 1 + nodes(left) + nodes(right)


def main():
    stays = tree(19)
    count = 0
    for depth in range(4, 21, 4):
        for _ in range(2 ** (20 - depth)):
            count += nodes(tree(depth))
    print(count + nodes(stays))


main()
