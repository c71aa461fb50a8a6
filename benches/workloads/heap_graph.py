"""A large graph of nodes full of cycles: built, searched, rewired, collected."""
import collections
import gc
import random


class Node:
    def __init__(self, number):
        self.number = number
        self.next = []
        self.seen = 0


def reach(start, mark):
    """The nodes that can be reached, breadth first."""
    start.seen, count, waiting = mark, 0, collections.deque([start])
    while waiting:
        node = waiting.popleft()
        count += 1
        for other in node.next:
            if other.seen != mark:
                other.seen = mark
                waiting.append(other)
    return count


def main():
    rng = random.Random(1)
    nodes = [Node(i) for i in range(300000)]
    for node in nodes:
        node.next = [nodes[int(rng.random() * len(nodes))] for _ in range(3)]
    counts = [reach(nodes[0], 1)]
    for _ in range(300000):
        node = nodes[int(rng.random() * len(nodes))]
        node.next = node.next[1:] + [nodes[int(rng.random() * len(nodes))]]
    counts.append(reach(nodes[0], 2))
    gc.collect()
    del nodes, node
    print(counts, gc.collect() > 300000)


main()
