"""Two producers hand objects to two consumers through a queue."""
import queue
import threading

BATCHES, BATCH = 1200, 1000


def produce(out):
    for turn in range(BATCHES):
        out.put([("key %d" % i, {"turn": turn, "i": i}) for i in range(BATCH)])
    out.put(None)


def consume(source, sums):
    total = 0
    while True:
        batch = source.get()
        if batch is None:
            break
        total += sum(len(key) + fields["i"] for key, fields in batch)
    sums.append(total)


def main():
    between, sums = queue.Queue(maxsize=50), []
    threads = [threading.Thread(target=produce, args=(between,)) for _ in range(2)]
    threads += [threading.Thread(target=consume, args=(between, sums)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(sums))


main()
