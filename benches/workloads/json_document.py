"""json: a document of 100 MB, read and written."""
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
        for i in range(20000)
    ]
    part = json.dumps(document)
    text = '{"parts": [' + ", ".join([part] * (100000000 // len(part))) + "]}"
    document = json.loads(text)
    print(len(text), len(document["parts"]), json.dumps(document) == text)


main()
