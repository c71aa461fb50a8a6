"""The shared library as a file: names, soname, flags, what it needs."""

import re
import shutil
import subprocess
import unittest

import oxtest


def tool(*command):
    return subprocess.run(
        command, check=True, universal_newlines=True, stdout=subprocess.PIPE).stdout


@unittest.skipUnless(shutil.which("readelf") and shutil.which("nm"), "binutils are not installed")
class Library(unittest.TestCase):
    def setUp(self):
        self.dynamic = tool("readelf", "-dW", oxtest.LIB)

    def test_exports_are_those_of_the_header(self):
        with open(oxtest.HEADER) as header:
            declared = re.findall(r"^OX_API [^;]*?(\w+)\(", header.read(), re.MULTILINE)
        exported = [line.split()[-1] for line in tool(
            "nm", "-D", "--defined-only", oxtest.LIB).splitlines()]
        self.assertGreater(len(declared), 20)
        self.assertEqual(sorted(exported), sorted(declared))

    def test_soname(self):
        self.assertIn("Library soname: [liboxmalloc.so.0]", self.dynamic)

    def test_is_never_unloaded(self):
        # Blocks and hooks outlive every dlclose.
        self.assertRegex(self.dynamic, r"\(FLAGS_1\).*\bNODELETE\b")

    def test_has_no_text_relocations(self):
        self.assertNotIn("TEXTREL", self.dynamic)

    def test_needs_the_c_library_only(self):
        # Every other library would be loaded into each process under the preload.
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", self.dynamic)
        # (libpthread and libdl are parts of it, and files of their own before glibc 2.34.)
        c_library = r"(libc|libpthread|libdl|libgcc_s|ld-linux.*|ld64)\.so"
        others = [name for name in needed if not re.match(c_library, name)]
        self.assertEqual(others, [])

    def test_reads_its_thread_local_word_without_a_call(self):
        # Rust's std has thread-locals of its own; no function of ours may wait for one.
        self.assertRegex(self.dynamic, r"\(FLAGS\).*\bSTATIC_TLS\b")
        callers, function = set(), None
        for line in tool("objdump", "-dC", "--no-show-raw-insn", oxtest.LIB).splitlines():
            title = re.match(r"[0-9a-f]+ <(.*)>:$", line)
            if title:
                function = title.group(1)
            elif "__tls_get_addr" in line and not function.startswith("__tls_get_addr"):
                callers.add(function)
        self.assertEqual([name for name in callers if not re.match(r"<*std::", name)], [])

    def test_takes_little_static_tls(self):
        # glibc keeps about 1.6 KiB for all libraries that are opened late.
        sizes = [int(line.split()[5], 16) for line in tool(
            "readelf", "-lW", oxtest.LIB).splitlines() if line.split()[:1] == ["TLS"]]
        self.assertLessEqual(sum(sizes), 256)

    def test_stack_is_not_executable(self):
        stack = [line for line in tool("readelf", "-lW", oxtest.LIB).splitlines()
                 if "GNU_STACK" in line]
        self.assertEqual(len(stack), 1)
        self.assertNotIn("RWE", stack[0])


if __name__ == "__main__":
    unittest.main()
