"""One case on a Dask worker: builds, drops, and tells what stays in its memory.

usage: dask_memory.py CASE [NAME=VALUE...]

Each NAME=VALUE is put into distributed.nanny.pre-spawn-environ, NAME= is taken
out of it. Prints one line of JSON, in bytes: the worker's memory before, with
everything built, after the drop, some seconds later, and after a trim; of all
but the second, less what Dask manages (its "unmanaged memory").
"""
import json
import sys
import time

import dask
import distributed

LATER_SECONDS = 5.0
PARTS = 16
PART_RECORDS = 50_000
ONE_IN = 64


# --- What is built; each on the worker, a part at a time ---------------------------

def records(part):
    """What a reader of JSON lines or a database cursor returns."""
    return [{"id": number, "customer": "customer %d" % (number * 7919 % 100_003), "amount": number * 1.5,
             "tags": ["tag %d" % (number % 97), "tag %d" % (number % 89)]}
            for number in range(part * PART_RECORDS, (part + 1) * PART_RECORDS)]


def frame(part):
    """A dataframe with a column of numbers and two of strings (Python objects)."""
    import pandas

    rows = records(part)
    return pandas.DataFrame({
        "amount": [row["amount"] for row in rows],
        "customer": pandas.Series([row["customer"] for row in rows], dtype=object),
        "tag": pandas.Series([row["tags"][0] for row in rows], dtype=object)})


def some_of_records(rows):
    return rows[::ONE_IN]


def some_of_frame(rows):
    return rows.iloc[::ONE_IN].copy()


def arrays(client):
    """dask/distributed#5971: 7,000 chunks of 160 KiB."""
    import dask.array

    chunk = 160 * 1024 // 8
    return [dask.array.random.random(7_000 * chunk, chunks=chunk).persist()]


CASES = {
    # name: (what builds it, what is kept of each part)
    "arrays": (arrays, None),
    "records": (lambda client: client.map(records, range(PARTS)), None),
    "records, 1 in 64 kept": (lambda client: client.map(records, range(PARTS)), some_of_records),
    "frames": (lambda client: client.map(frame, range(PARTS)), None),
    "frames, 1 in 64 kept": (lambda client: client.map(frame, range(PARTS)), some_of_frame),
}


# --- Asked of the worker -------------------------------------------------------------

def memory(dask_worker):
    """(bytes of the process, bytes that Dask manages), as its dashboard has them."""
    import psutil

    return psutil.Process().memory_info().rss, dask_worker.state.nbytes


def keys(dask_worker):
    return len(dask_worker.data)


def trim(dask_worker):
    """Where oxmalloc serves the worker; else what people do: malloc_trim."""
    import ctypes

    try:
        ctypes.CDLL(None).Ox_Trim
    except AttributeError:
        ctypes.CDLL(None).malloc_trim(0)
    else:
        ctypes.PyDLL(None).Ox_Trim()


def is_ours(dask_worker):
    """Whether oxmalloc serves the worker's objects."""
    import ctypes

    try:
        owns = ctypes.PyDLL(None).Ox_Owns
    except AttributeError:
        return False
    thing = object()
    return owns(ctypes.c_void_p(id(thing))) == 1


def main():
    case, *settings = sys.argv[1:]
    build, keep = CASES[case]
    environ = {"distributed.nanny.pre-spawn-environ.%s" % name: value or None
               for name, _, value in (setting.partition("=") for setting in settings)}
    with dask.config.set(environ), distributed.Client(
            n_workers=1, threads_per_worker=2, memory_limit="4 GiB", dashboard_address=None) as client:
        def ask(what):
            answer, = client.run(what).values()
            return answer

        def unmanaged():
            total, managed = ask(memory)
            return total - managed

        assert ask(is_ours) == any("liboxmalloc" in setting for setting in settings), "the worker has another allocator"
        figures = {"before_bytes": unmanaged()}
        built = build(client)
        distributed.wait(built)
        figures["full_bytes"], figures["managed_bytes"] = ask(memory)
        kept = client.map(keep, built) if keep else []
        distributed.wait(kept)
        del built
        while ask(keys) > len(kept):  # The scheduler tells the worker to forget them.
            pass
        figures["dropped_bytes"] = unmanaged()
        time.sleep(LATER_SECONDS)
        figures["later_bytes"] = unmanaged()
        ask(trim)
        figures["trimmed_bytes"] = unmanaged()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
