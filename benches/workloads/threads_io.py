"""1 to 8 threads that serve requests over sockets and pipes and write files."""
import json
import os
import socket
import tempfile
import threading

REQUESTS = 8000


def serve(end, log):
    with end.makefile("rwb") as stream:
        for line in stream:
            request = json.loads(line)
            answer = {"id": request["id"], "rows": [[i, "row %d" % i] for i in range(request["rows"])]}
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()
            os.write(log, line)


def ask(end, first, count, sums):
    with end.makefile("rwb") as stream:
        for number in range(first, first + count):
            stream.write(json.dumps({"id": number, "rows": number % 100}).encode() + b"\n")
            stream.flush()
            answer = json.loads(stream.readline())
            assert answer["id"] == number
            sums.append(sum(len(row[1]) for row in answer["rows"]))
    end.shutdown(socket.SHUT_RDWR)


def collect(log, path):
    with os.fdopen(log, "rb") as lines, open(path, "wb") as out:
        for line in lines:
            out.write(line)


def main():
    sums = []
    for pairs in 1, 2, 4:
        with tempfile.NamedTemporaryFile() as file:
            read, write = os.pipe()
            collector = threading.Thread(target=collect, args=(read, file.name))
            collector.start()
            threads, ends = [], []
            for number in range(pairs):
                ours, theirs = socket.socketpair()
                ends += ours, theirs
                share = REQUESTS // pairs
                threads.append(threading.Thread(target=serve, args=(theirs, write)))
                threads.append(threading.Thread(target=ask, args=(ours, number * share, share, sums)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for end in ends:
                end.close()
            os.close(write)
            collector.join()
            sums.append(os.path.getsize(file.name))
    print(sum(sums))


main()
