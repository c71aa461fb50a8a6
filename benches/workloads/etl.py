"""An ETL pass: lines of orders parsed, checked, joined, grouped and written."""
import csv
import datetime
import io
import json


def extract(count):
    lines = (
        "%d;%s;2024-%02d-%02d;%d.%02d;%s" % (
            i, "customer %d" % (i * 7919 % 5003), i % 12 + 1, i % 28 + 1, i % 997, i % 100,
            "note on %d" % i if i % 3 else "")
        for i in range(count))
    return csv.reader(lines, delimiter=";")


def transform(rows, customers):
    for number, name, day, price, note in rows:
        if not note:
            continue
        customer = customers.get(name.strip().upper())
        yield {
            "number": int(number),
            "customer": customer,
            "day": datetime.date(*map(int, day.split("-"))),
            "cents": round(float(price) * 100),
            "words": note.split(),
        }


def load(orders):
    groups = {}
    for order in orders:
        groups.setdefault((order["customer"]["region"], order["day"].month), []).append(order)
    out = io.StringIO()
    for key in sorted(groups):
        group = sorted(groups[key], key=lambda order: (order["day"], -order["cents"]))
        total = sum(order["cents"] for order in group)
        best = [dict(order, day=order["day"].isoformat()) for order in group[:100]]
        out.write(json.dumps({"key": key, "total": total, "best": best}) + "\n")
    return out.getvalue()


def main():
    customers = {
        "CUSTOMER %d" % i: {"id": i, "region": "region %d" % (i % 17)} for i in range(5003)}
    print(len(load(transform(extract(400000), customers))))


main()
