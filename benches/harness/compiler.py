"""The C programs and libraries of benches/, compiled into target/bench."""
import os
import subprocess

from . import BENCHES, CACHE, give_up


def compiled(source, name, *flags):
    target = os.path.join(CACHE, name)
    os.makedirs(CACHE, exist_ok=True)
    command = ["cc", "-O2", "-o", target, os.path.join(BENCHES, source), *flags]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        give_up("a C compiler is needed (apt-get install gcc libc6-dev): %s" % error)
    return target
