"""json: a document of some megabytes, written and read again."""
import json


def main():
    document = [
        {
            "id": i,
            "name": "customer %d" % i,
            "active": i % 3 == 0,
            "score": i / 7,
            "tags": ["t%d" % (i % k) for k in range(1, 8)],
            "address": {"street": "street %d" % (i % 977), "city": "city %d" % (i % 89), "geo": [i / 3, -i / 5]},
        }
        for i in range(30000)
    ]
    for _ in range(4):
        text = json.dumps(document)
        document = json.loads(text)
    print(len(text), len(document))


main()
