"""Proves which allocator serves this process: fails, or says nothing.

BENCH_EXPECTS holds two words: what CPython calls the allocator of its objects,
and the file of the library that malloc comes from. Run by itself, it prints
the version of that library.
"""
import ctypes
import os
import platform
import re
import sys

VARIABLE = "BENCH_EXPECTS"


def prove():
    expected = os.environ[VARIABLE].split()
    found = [objects_allocator(), malloc_library()]
    # A library's file may have more of the version in its name.
    assert found[0] == expected[0] and found[1].startswith(expected[1]), (
        "objects come from %s and malloc from %s, not from %s and %s" % (*found, *expected))
    wanted = re.search(r"\bthp:(\w+)", os.environ.get("MALLOC_CONF", ""))
    if wanted:
        assert jemalloc_option(b"opt.thp") == wanted.group(1), "jemalloc ignored MALLOC_CONF"


def objects_allocator():
    """CPython compares the functions in use with those it knows."""
    name = ctypes.pythonapi._PyMem_GetCurrentAllocatorName
    name.restype = ctypes.c_char_p
    known = name()
    if known:
        return known.decode()
    if "liboxmalloc" not in mappings():
        return objects_library()
    import oxtest  # imported on this side only, so the others need no library
    oxtest.assert_active()
    return "oxmalloc"


def objects_library():
    """Where the functions are that CPython does not know."""
    table = (ctypes.c_void_p * 5)()  # PyMemAllocatorEx: a context, then malloc
    ctypes.pythonapi.PyMem_GetAllocator(2, table)
    return library_at(table[1])


def malloc_library():
    """Asks for malloc_usable_size: every malloc exports both, so the loader
    finds both in one library; but the address of malloc itself may be that of
    a jump in the executable."""
    function = ctypes.CDLL(None).malloc_usable_size
    return library_at(ctypes.cast(function, ctypes.c_void_p).value)


def library_at(address):
    for first, last, path in re.findall(r"(?m)^(\w+)-(\w+) .* (/.*)$", mappings()):
        if int(first, 16) <= address < int(last, 16):
            return os.path.basename(path)
    return "nowhere"


def jemalloc_option(name):
    value, size = ctypes.c_char_p(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_char_p))
    failed = ctypes.CDLL(None).mallctl(
        name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
    return None if failed else value.value.decode()


def malloc_version():
    program = ctypes.CDLL(None)
    if hasattr(program, "mallctl"):
        return jemalloc_option(b"version").split("-")[0]
    if hasattr(program, "mi_version"):
        return ".".join(str(program.mi_version()))  # 209 is 2.0.9
    if hasattr(program, "tc_version"):
        program.tc_version.restype = ctypes.c_char_p
        return program.tc_version(None, None, None).decode()
    return " ".join(platform.libc_ver())


def mappings():
    with open("/proc/self/maps") as maps:
        return maps.read()


if __name__ == "__main__":
    try:
        prove()
        print(malloc_version())
    except AssertionError as wrong:
        sys.exit(str(wrong))
