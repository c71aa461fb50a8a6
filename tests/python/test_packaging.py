"""scripts/install: a C and a C++ program are built and run from pkg-config alone."""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import oxtest

# Valid C and C++; prints what Python believes of the structures, too.
PROGRAM = r"""
#include <oxmalloc.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    OxAllocator mem;
    OxStats stats;
    char *block;
    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    if (Ox_GetAllocator(OX_DOMAIN_MEM, &mem) != OX_OK) return 1;
    block = (char *)OxMem_Malloc(NULL, 1000);
    if (block == NULL || !Ox_Owns(block) || Ox_UsableSize(block) < 1000) return 2;
    memset(block, 'x', 1000);
    if (Ox_GetStats(&stats) != OX_OK || stats.mem.live_blocks != 1) return 3;
    OxMem_Free(NULL, block);
    if (Ox_Install() != OX_ERR_NO_PYTHON) return 4;
    printf("%s %zu %zu %zu\n", Ox_Version(), sizeof(OxStatus), sizeof(OxDomainStats), sizeof(OxStats));
    return 0;
}
"""


def run(*command, **env):
    done = subprocess.run(
        command, env=dict(oxtest.clean_env(), **env), universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise AssertionError("%s ended with %d\n%s%s" % (
            " ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


@unittest.skipUnless(all(map(shutil.which, ("pkg-config", "gcc", "g++"))),
                     "pkg-config, gcc and g++ are needed")
class Install(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        with open(os.path.join(oxtest.ROOT, "Cargo.toml")) as cargo:
            self.version = re.search(r'^version = "(.*)"$', cargo.read(), re.MULTILINE).group(1)

    def install(self, prefix, destdir=""):
        run(os.path.join(oxtest.ROOT, "scripts", "install"), prefix, DESTDIR=destdir)
        lib = os.path.join(destdir + prefix, "lib")
        self.assertEqual(sorted(os.listdir(lib)), [
            "liboxmalloc.so", "liboxmalloc.so.0", "liboxmalloc.so." + self.version, "pkgconfig"])
        self.assertEqual(os.path.realpath(lib + "/liboxmalloc.so"),
                         os.path.realpath(lib + "/liboxmalloc.so." + self.version))
        with open(lib + "/pkgconfig/oxmalloc.pc") as pc:
            self.assertEqual(pc.readline(), "prefix=%s\n" % prefix)
        self.build_and_run(lib, destdir)

    def build_and_run(self, lib, destdir):
        env = {"PKG_CONFIG_PATH": lib + "/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": destdir}
        flags = run("pkg-config", "--cflags", "--libs", "oxmalloc", **env).split()
        self.assertEqual(run("pkg-config", "--modversion", "oxmalloc", **env).strip(), self.version)
        facts = [self.version] + [
            str(ctypes.sizeof(kind))
            for kind in (oxtest.OxStatus, oxtest.OxDomainStats, oxtest.OxStats)]
        for compiler, name, standard in (
                ("gcc", "program.c", "-std=c99"), ("g++", "program.cpp", "-std=c++11")):
            with self.subTest(compiler=compiler):
                source = os.path.join(self.directory, name)
                with open(source, "w") as out:
                    out.write(PROGRAM)
                program = source + ".out"
                run(compiler, standard, "-pedantic", "-Wall", "-Wextra", "-Werror",
                    source, *flags, "-o", program)
                self.assertEqual(run(program, LD_LIBRARY_PATH=lib).split(), facts)

    def test_to_a_prefix(self):
        self.install(os.path.join(self.directory, "prefix"))

    def test_to_a_staging_directory(self):
        self.install("/opt/oxmalloc", destdir=os.path.join(self.directory, "stage"))

    def test_over_an_older_installation(self):
        prefix = os.path.join(self.directory, "prefix")
        self.install(prefix)
        self.install(prefix)

    def test_asks_for_an_absolute_prefix(self):
        for arguments in ([], ["relative/path"], ["/a", "/b"]):
            with self.subTest(arguments=arguments):
                done = subprocess.run(
                    [os.path.join(oxtest.ROOT, "scripts", "install")] + arguments,
                    env=oxtest.clean_env(), universal_newlines=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.assertEqual(done.returncode, 1)
                self.assertIn("usage:", done.stderr)


if __name__ == "__main__":
    unittest.main()
