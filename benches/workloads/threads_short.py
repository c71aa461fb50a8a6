"""10,000 short threads, up to 16 at a time, each with a little work."""
import threading


def work(number, results):
    rows = [{"id": i, "name": "n%d" % i, "data": bytes(i * 4)} for i in range(100)]
    results[number] = sum(len(row["name"]) + len(row["data"]) for row in rows), rows[number % 100]


def main():
    results = {}
    waiting = []
    for number in range(10000):
        thread = threading.Thread(target=work, args=(number, results))
        thread.start()
        waiting.append(thread)
        if len(waiting) == 16:
            for thread in waiting:
                thread.join()
            waiting.clear()
    for thread in waiting:
        thread.join()
    print(len(results), sum(total for total, _ in results.values()))


main()
