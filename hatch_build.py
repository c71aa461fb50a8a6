"""Hatchling's build hook: builds liboxmalloc.so and puts it into the wheel.

A plain build is for this machine, and its tag says so (linux_x86_64). With
WHEEL_GLIBC=2.28 in the environment cargo-zigbuild links against that glibc,
and the tag promises no more than that (manylinux_2_28_x86_64); scripts/wheel
does it, and checks the promise.
"""
from __future__ import annotations

import glob
import json
import os
import platform
import shutil
import subprocess
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "liboxmalloc.so"
MACHINES = ("x86_64", "aarch64")


class LibraryBuildHook(BuildHookInterface):
    def dependencies(self) -> list[str]:
        """What to install from PyPI to build with."""
        return ["cargo-zigbuild", "ziglang"] if os.environ.get("WHEEL_GLIBC") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        machine = platform.machine()
        if platform.system() != "Linux" or machine not in MACHINES:
            raise SystemExit("oxmalloc runs on Linux with glibc, on x86-64 and aarch64; this is %s on %s"
                             % (platform.system(), machine))
        glibc = os.environ.get("WHEEL_GLIBC")
        built = build_library(self.root, machine, glibc)
        self.scratch = tempfile.mkdtemp()
        library = os.path.join(self.scratch, NAME)
        shutil.copy(built, library)
        strip = shutil.which("strip")
        if strip:  # The line tables are four fifths of the file.
            subprocess.run([strip, "--strip-debug", library], check=True)
        system = "manylinux_" + glibc.replace(".", "_") if glibc else "linux"
        build_data["tag"] = "py3-none-%s_%s" % (system, machine)
        build_data["pure_python"] = False
        if version == "editable":  # Imported from where the sources are.
            shutil.copy(library, os.path.join(self.root, "python", "oxmalloc", NAME))
        else:
            build_data["force_include"][library] = "oxmalloc/" + NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self.scratch)


def build_library(root: str, machine: str, glibc: str | None) -> str:
    """Runs cargo, which builds what has changed; -> the path of the library.

    cargo says itself where the file is: CARGO_TARGET_DIR, build.target-dir and
    build.target may all have moved it.
    """
    cargo = find_cargo()
    command = [cargo, "build"]
    if glibc:
        command = [cargo, "zigbuild", "--target", "%s-unknown-linux-gnu.%s" % (machine, glibc)]
    command += ["--release", "--locked", "--lib", "--message-format=json-render-diagnostics"]
    # rustc must be the one that belongs to this cargo.
    path = os.path.dirname(cargo) + os.pathsep + os.environ.get("PATH", "")
    done = subprocess.run(command, cwd=root, env=dict(os.environ, PATH=path), stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(
            "%s ended with %d: it says above what is missing (oxmalloc needs Rust 1.85 or newer and a C "
            "compiler; without a network, run `cargo fetch` once before)" % (" ".join(command), done.returncode))
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "oxmalloc":
            for name in message["filenames"]:
                if name.endswith(".so"):
                    return str(name)
    raise SystemExit("cargo built no %s" % NAME)


def find_cargo() -> str:
    """cargo on PATH, or where rustup and Ubuntu's rustc-1.N put it."""
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    numbered = sorted(glob.glob("/usr/lib/rust-*/bin/cargo"))
    for path in [shutil.which("cargo"), os.path.join(home, "bin", "cargo"), *reversed(numbered)]:
        if path and os.access(path, os.X_OK):
            return path
    raise SystemExit(
        "building oxmalloc needs Rust 1.85 or newer, and no cargo was found on PATH. Install it with\n"
        "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y\n"
        "or install a wheel, which needs no Rust.")
