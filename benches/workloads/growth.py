"""Lists, bytearrays, sets and strings that grow by appending."""
import io


def main():
    total = 0
    for turn in range(7):
        lists = [[] for _ in range(200)]
        for i in range(1000000):
            lists[i % 200 if turn else i % 7].append(i)
        buffers = [bytearray() for _ in range(50)]
        for i in range(300000):
            buffers[i % 50] += b"some bytes"
        text = io.StringIO()
        for i in range(200000):
            text.write("line %d\n" % i)
        seen = set()
        for i in range(300000):
            seen.add(i * i)
        total += sum(map(len, lists)) + sum(map(len, buffers)) + len(text.getvalue()) + len(seen)
    print(total)


main()
