"""Times malloc and free of each size class, freed in each order.

usage: micro.py LIBRARY SIZE...      benches/micro.c, compiled

Prints one line of JSON: {pattern: [nanoseconds of a malloc and its free, for
each size]}, the fastest of some rounds. "foreign": another Python thread frees.
"""
import ctypes
import json
import sys
import threading

ROUNDS = 5
ORDERS = {"lifo": 0, "fifo": 1, "random": 2}


def main():
    # The GIL is held during calls, as it is when CPython itself allocates.
    library = ctypes.PyDLL(sys.argv[1])
    for name in "micro_pair", "micro_take", "micro_drop":
        getattr(library, name).restype = ctypes.c_double
    library.micro_pair.argtypes = library.micro_drop.argtypes = [ctypes.c_size_t]
    library.micro_take.argtypes = [ctypes.c_size_t, ctypes.c_int]

    def there(size):
        spent = []
        thread = threading.Thread(target=lambda: spent.append(library.micro_drop(size)))
        thread.start()
        thread.join()
        return spent[0]

    patterns = {"pairs": library.micro_pair}
    for name, order in ORDERS.items():
        patterns[name] = lambda size, order=order: library.micro_take(size, order) + library.micro_drop(size)
    patterns["foreign"] = lambda size: library.micro_take(size, ORDERS["fifo"]) + there(size)

    sizes = [int(size) for size in sys.argv[2:]]
    found = {
        name: [round(min(pattern(size) for _ in range(ROUNDS)), 2) for size in sizes]
        for name, pattern in patterns.items()}

    import prove
    prove.prove()
    print(json.dumps(found))


main()
