"""Libraries from the package index, kept under target/bench."""
import os
import shutil
import subprocess

from . import CACHE
import oxtest

_MARK = ".complete"


def directory(py, requirement):
    """A directory for PYTHONPATH with one library, None when it cannot be had."""
    def fill(target):
        return _run(py.path, "-m", "pip", "install", "--quiet", "--target", target, requirement)
    return _once("%s-%s" % (requirement, py.tag), fill)


def environment(py, name, *requirements):
    """A virtual environment with these libraries, None when it cannot be had."""
    def fill(target):
        return (_run(py.path, "-m", "venv", target)
                and _run(python_of(target), "-m", "pip", "install", "--quiet", *requirements))
    return _once("%s-%s" % (name, py.tag), fill)


def is_there(py, name):
    """Whether that virtual environment was made before."""
    return os.path.exists(os.path.join(CACHE, "%s-%s" % (name, py.tag), _MARK))


def python_of(environment):
    return os.path.join(environment, "bin", "python")


def _once(name, fill):
    """What was not filled to the end has no mark, and is made anew."""
    target = os.path.join(CACHE, name)
    mark = os.path.join(target, _MARK)
    if not os.path.exists(mark):
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(CACHE, exist_ok=True)
        if not fill(target):
            return None
        open(mark, "w").close()
    return target


def _run(*command):
    env = oxtest.clean_env({"PIP_ROOT_USER_ACTION": "ignore"})
    return subprocess.run(command, env=env, stdout=subprocess.DEVNULL).returncode == 0
