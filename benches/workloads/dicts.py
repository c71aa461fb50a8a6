"""Dictionaries: many small ones, some that grow, an index that changes."""


def main():
    total = 0
    for turn in range(4):
        rows = [{"id": i, "name": "n%d" % i, "tags": {i, i + 1}, turn: None} for i in range(60000)]
        index = {}
        for row in rows:
            index.setdefault(row["id"] % 5000, {})[row["name"]] = row
        for key in range(0, 5000, 2):
            del index[key]
        counts = {}
        for i in range(400000):
            key = i * 7919 % 50021
            counts[key] = counts.get(key, 0) + i
        total += len(index) + len(counts) + sum(len(group) for group in index.values())
        merged = [{**row, "seen": True} for row in rows]
        total += sum(len(row) for row in merged)
    print(total)


main()
