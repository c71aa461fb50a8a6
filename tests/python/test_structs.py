"""The Python package's structures, functions and numbers are those of the header."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import oxtest

sys.path.insert(0, oxtest.PACKAGE)
from oxmalloc import _library  # noqa: E402

with open(oxtest.HEADER) as header:
    HEADER = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.DOTALL)

# What the package has no use for: CPython calls some of these, and C programs the others.
NOT_CALLED = r"OxMem_|OxObject_|Ox_GetAllocator$|Ox_UsableSize$|Ox_Owns$|Ox_VisitPools$"
NOT_FILLED = ("OxAllocator", "OxPoolInfo")


def structures():
    """-> {name: [member, in order]} of the header."""
    found = {}
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", HEADER, re.DOTALL):
        if name not in NOT_FILLED:
            found[name] = re.findall(r"(\w+)(?:\[\d+\])?;", body)
    return found


class Structures(unittest.TestCase):
    def test_all_are_there_with_all_members(self):
        ours = {name: [field[0] for field in value._fields_] for name, value in vars(_library).items()
                if name.startswith("Ox") and issubclass(value, ctypes.Structure)}
        self.assertGreater(len(ours), 5)
        self.assertEqual(ours, structures())

    @unittest.skipUnless(shutil.which("cc"), "there is no C compiler (cc)")
    def test_members_are_where_the_compiler_puts_them(self):
        lines, expected = [], []
        for name, members in structures().items():
            kind = getattr(_library, name)
            lines.append('printf("%s %%zu\\n", sizeof(%s));' % (name, name))
            expected.append("%s %d" % (name, ctypes.sizeof(kind)))
            for member in members:
                place = getattr(kind, member)
                lines.append('printf("%s.%s %%zu %%zu\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s));' % (
                    name, member, name, member, name, member))
                expected.append("%s.%s %d %d" % (name, member, place.offset, place.size))
        with tempfile.TemporaryDirectory() as directory:
            source, program = os.path.join(directory, "layout.c"), os.path.join(directory, "layout")
            with open(source, "w") as out:
                out.write('#include <stdio.h>\n#include "oxmalloc.h"\nint main(void) {\n%s\nreturn 0; }\n' % "\n".join(lines))
            subprocess.run(["cc", "-I", os.path.dirname(oxtest.HEADER), source, "-o", program], check=True)
            told = subprocess.run([program], check=True, universal_newlines=True, stdout=subprocess.PIPE).stdout
        self.assertEqual(told.splitlines(), expected)


class Functions(unittest.TestCase):
    def test_all_are_declared_with_their_number_of_arguments(self):
        declared = {
            name: 0 if arguments == "void" else arguments.count(",") + 1
            for name, arguments in re.findall(r"^OX_API [^;]*?(\w+)\(([^;]*?)\);", HEADER, re.MULTILINE)
            if not re.match(NOT_CALLED, name)}
        self.assertGreater(len(declared), 10)
        self.assertEqual({name: len(arguments) for name, (_, arguments) in _library._FUNCTIONS.items()}, declared)

    def test_numbers(self):
        numbers = {name: int(value) for name, value in re.findall(r"^#define (OX_\w+) (-?\d+)$", HEADER, re.MULTILINE)}
        ours = {name: value for name, value in vars(_library).items() if name.startswith("OX_")}
        self.assertGreater(len(ours), 10)
        self.assertEqual(ours, {name: numbers[name] for name in ours})
        for prefix, names in (("OX_DOMAIN_", _library.DOMAIN_NAMES), ("OX_KIND_", _library.CLASS_KINDS),
                              ("OX_OPTION_", _library.OPTION_KINDS), ("OX_POOL_", _library.POOL_STATES)):
            of_header = {name[len(prefix):].lower(): value for name, value in numbers.items() if name.startswith(prefix)}
            self.assertEqual({name: place for place, name in enumerate(names)}, of_header)


if __name__ == "__main__":
    unittest.main()
