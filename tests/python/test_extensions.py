"""Extension modules from the package index compute the same on the library."""

import subprocess
import tempfile
import unittest

import faults
import oxtest

PACKAGES = ("numpy", "lxml", "pyyaml", "orjson")


def release_builds():
    # Wheels are made for release builds.
    return [py for py in faults.chosen() if not py.debug]


@faults.on(release_builds)
class Extensions(unittest.TestCase):

    def test_numpy_lxml_yaml_orjson(self, py):
        with tempfile.TemporaryDirectory() as directory:
            # A virtual environment would need more than every Python brings.
            done = subprocess.run(
                [py.path, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                 "--only-binary", ":all:", "--target", directory, *PACKAGES],
                env=oxtest.clean_env(), universal_newlines=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                self.skipTest("pip cannot install %s for %s: %s" % (
                    " ".join(PACKAGES), py.path, done.stdout.strip().splitlines()[-1]))
            ours, default = faults.with_and_without(py, compute, directory)
            self.assertEqual(ours, default)


def compute(directory):
    import concurrent.futures
    import hashlib
    import sys

    sys.path.insert(0, directory)
    import lxml.etree
    import numpy
    import orjson
    import yaml

    def digest(data):
        return hashlib.sha256(data).hexdigest()

    def arrays():
        random = numpy.random.RandomState(7)
        numbers = random.randint(0, 10**6, 100000)
        words = numpy.array([str(n) for n in numbers[:20000]], dtype=object)
        grown = numpy.concatenate([numbers[i::7] for i in range(7)])
        return digest(
            numpy.sort(numbers).tobytes() + grown.tobytes() + "".join(numpy.unique(words)).encode()
            + (numbers[:90000].reshape(300, 300) % 9 @ numbers[-300:]).tobytes())

    def trees():
        root = lxml.etree.Element("root")
        for i in range(8000):
            child = lxml.etree.SubElement(root, "item", number=str(i))
            child.text = "text %d" % i
            if i % 3 == 0:
                root.remove(child)
        text = lxml.etree.tostring(root)
        again = lxml.etree.fromstring(text)
        last = again.xpath("//item[@number > 7900]/text()")
        return digest(text + "".join(last).encode())

    def documents():
        made = [{"name": "n%d" % i, "list": list(range(i % 9)), "none": None} for i in range(200)]
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        text = yaml.dump(made, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
        assert yaml.load(text, Loader=loader) == made
        return digest(text.encode())

    def texts():
        made = [{"name": "n%d" % i, "list": list(range(i % 99)), "f": i / 7} for i in range(4000)]
        text = orjson.dumps(made)
        assert orjson.loads(text) == made
        return digest(text)

    results = [work() for work in (arrays, trees, documents, texts)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        # numpy, lxml and orjson let go of the GIL, or take it in other threads.
        beside = [pool.submit(work) for work in (arrays, trees, documents, texts) * 2]
        results.append([done.result() for done in beside] == results * 2)
    assert results[-1]
    return results
