"""Checks a wheel: check_wheel.py WHEEL TAG

Its name and its WHEEL file have the tag, auditwheel agrees with it, and it holds
the library and what a typed package needs, but nothing of a CPython's ABI.
"""
import json
import os
import subprocess
import sys
import zipfile

NEEDED = ["oxmalloc/liboxmalloc.so", "oxmalloc/py.typed", "oxmalloc/__init__.py", "oxmalloc/__main__.py"]


def main(wheel, tag):
    wrong = []
    full = "py3-none-" + tag
    if not os.path.basename(wheel).endswith("-%s.whl" % full):
        wrong.append("is not named %s" % full)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = archive.read(next(name for name in names if name.endswith(".dist-info/WHEEL"))).decode()
    if "Tag: %s\n" % full not in about:
        wrong.append("has another tag inside: " + about)
    wrong += ["lacks " + name for name in NEEDED if name not in names]
    extra = [name for name in names if name.endswith(".so") and name != NEEDED[0] or name.endswith(".pyc")]
    wrong += ["should not have " + name for name in extra]
    shown = subprocess.run(["auditwheel", "show", "--json", wheel], stdout=subprocess.PIPE, check=True)
    allowed = json.loads(shown.stdout)["overall_tag"]
    if floor(allowed) > floor(tag):
        wrong.append("is %s at most, as auditwheel says" % allowed)
    if wrong:
        sys.exit("\n".join("%s %s" % (wheel, what) for what in wrong))


def floor(tag):
    """manylinux_2_28_x86_64 -> (2, 28); above all when it promises nothing."""
    parts = tag.split("_")
    return (int(parts[1]), int(parts[2])) if parts[0] == "manylinux" else (99, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
