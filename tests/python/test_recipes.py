"""The recipes: every command and file of docs/recipes, tried with the tools themselves.

What a tool starts tells of itself, and does some work whose result is known.
"""

import contextlib
import glob
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import oxtest
import test_package
from recipes import PAGES, Recipe, whole_reports

import dask_memory
from harness import packages, results


class Gunicorn(Recipe):
    page_name = "gunicorn"
    APP = """
import json, os

def app(environ, start_response):
    words = environ["QUERY_STRING"].split("+")
    counts = {word: words.count(word) for word in words * 1000}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), counts]).encode()]
"""

    def serve(self, *arguments):
        self.write("app.py", self.APP)
        # Requests wait in the socket until there is a worker.
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.env["GUNICORN_CMD_ARGS"] = " ".join(("--bind fd://%d" % listener.fileno(), *arguments))
        server = self.start(self.page.command("gunicorn --workers 2"),
                            stderr=subprocess.PIPE, pass_fds=[listener.fileno()])
        reports = self.read_reports(server.stderr, 2)
        for _ in range(20):
            connection = http.client.HTTPConnection(*listener.getsockname())
            with contextlib.closing(connection):
                connection.request("GET", "/?the+cat+and+the+hat")
                pid, counts = json.loads(connection.getresponse().read())
            self.assertIn(pid, reports)
            self.assertEqual(counts, {"the": 2, "cat": 1, "and": 1, "hat": 1})
        return list(reports.values())

    def test_each_worker(self):
        self.check_report(self.serve())

    def test_preloaded(self):
        self.check_report(self.serve("--preload"))


class Celery(Recipe):
    """A broker and results in directories: they need no server, and serve several processes."""

    page_name = "celery"
    CONFIG = """
import os

for name in ("queue", "control", "results"):
    os.makedirs(name, exist_ok=True)
broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control", "polling_interval": 0.05}
result_backend = "file://" + os.path.abspath("results")
worker_hijack_root_logger = True
"""
    CLIENT = """
import tasks

print([tasks.count_words.delay("the cat and the hat %d" % i).get(timeout=60, interval=0.05) for i in range(20)]
      == [{"the": 2, "cat": 1, "and": 1, "hat": 1, str(i): 1} for i in range(20)])
"""

    def test_each_process_of_the_pool(self):
        self.write("celeryconfig.py", self.CONFIG)
        worker = self.start(self.page.command("celery --app"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        reports = self.read_reports(worker.stderr, 2)
        self.assertNotIn(worker.pid, reports)
        self.write("client.py", self.CLIENT)
        self.assertEqual(self.run_command("python client.py"), "True\n")
        self.check_report(reports.values())


class Dask(Recipe):
    page_name = "dask"
    # The page's program, with work behind it.
    WORK = """
import distributed, oxmalloc
from trimming import Trim

def words(part):
    return {"word %d" % (n % 1000): n for n in range(part * 10000, part * 10000 + 10000)}

def given_back():
    return oxmalloc.stats().given_back_bytes

if __name__ == "__main__":
    with distributed.Client(n_workers=2, dashboard_address=None) as client:
        made = client.gather(client.map(words, range(20)))
        assert all(each["word 7"] == n * 10000 + 9007 and len(each) == 1000 for n, each in enumerate(made))
        before = client.run(given_back)
        client.register_plugin(Trim(seconds=0.05))
        while any(now <= before[worker] for worker, now in client.run(given_back).items()):
            pass
        print("done")
"""

    def configure(self):
        self.run_command(self.page.command("env --dask"))

    def test_each_worker(self):
        self.configure()
        reports = whole_reports(self.run_command("python app.py"))
        self.assertEqual(len(set(reports)), 2, reports)
        self.check_report(reports)

    def test_they_work_and_are_trimmed(self):
        self.configure()
        self.write("work.py", self.WORK)
        self.env["OXMALLOC_PURGE_DELAY_MS"] = "3600000"  # Nothing but the plugin gives back.
        self.assertEqual(self.run_command("python work.py"), "done\n")

    def test_without_a_file(self):
        self.write("work.py", self.WORK)
        self.assertEqual(self.run_command("python -m oxmalloc run work.py"), "done\n")

    def test_a_variable_is_no_way(self):
        # When this fails the page has a sentence too much.
        self.env["DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON__LD_PRELOAD"] = oxtest.LIB
        self.assertEqual(self.run_command("python app.py").count("oxmalloc is not active"), 2)


class DaskMemory(Recipe):
    """The page's figures."""

    page_name = "dask"

    def test_are_those_that_were_measured(self):
        newest = max(glob.glob(os.path.join(oxtest.ROOT, "benches", "results", "dask", "*.json")))
        measurement, = results.load(newest)
        self.assertEqual(set(measurement["memory"]), set(dask_memory.cases()))
        self.assertIn(dask_memory.section(measurement), self.page.text)

    def test_records(self):
        """The drop of a list of records, measured again."""
        figures = {}
        for side in "Dask", "oxmalloc":
            settings = " ".join(dask_memory.SIDES[side][1:])
            figures[side] = json.loads(self.run_command("python %s records %s" % (dask_memory.PROGRAM, settings)))
        ours, default = figures["oxmalloc"], figures["Dask"]
        self.assertGreater(ours["full_bytes"], 400 << 20)
        # Not much more than before; the default keeps twice as much.
        self.assertLess(ours["later_bytes"], ours["before_bytes"] + (20 << 20))
        self.assertLess(ours["later_bytes"], default["later_bytes"])


class Jupyter(Recipe):
    page_name = "jupyter"
    # Executes cells, as a front end does; prints what each printed or showed.
    FRONT_END = """
import json, sys
import jupyter_client

manager, client = jupyter_client.manager.start_new_kernel(kernel_name="oxmalloc", startup_timeout=100)
try:
    for cell in sys.stdin.read().split("\\f"):
        said = []
        def hear(message):
            content = message["content"]
            said.append(content["text"] if message["msg_type"] == "stream" else content["data"]["text/plain"]
                        if message["msg_type"] == "execute_result" else "")
        reply = client.execute_interactive(cell, output_hook=hear, timeout=100)
        print(json.dumps([reply["content"]["status"], "".join(said)]))
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""

    def execute(self, *cells):
        self.write("front_end.py", self.FRONT_END)
        self.write("cells", "\f".join(cells))
        answers = [json.loads(line) for line in self.run_command("python front_end.py <cells").splitlines()]
        self.assertEqual({status for status, _ in answers}, {"ok"}, answers)
        return [said for _, said in answers]

    def test_kernel(self):
        self.run_command(self.page.command("ipykernel install"))
        files = self.page.files
        report, work, given_back, picture = self.execute(
            files["cell.py"], "data = [str(i) for i in range(300000)]; print(len(set(data))); del data",
            files["trim.py"], files["picture.py"])
        self.assertEqual(work, "300000\n")
        self.assertGreater(int(given_back), 10 << 20)
        self.assertIn("IFrame", picture)
        with open(os.path.join(self.directory, "heap.html")) as page:
            self.assertIn("</html>", page.read())
        self.check_report([report])


class Pytest(Recipe):
    page_name = "pytest"
    # The page's own files are tests as well.
    WORKER = """
import oxmalloc, pytest

@pytest.mark.parametrize("number", range(10))
def test_worker(number, worker_id):
    assert worker_id in ("gw0", "gw1")
    assert oxmalloc.status().domains == ("raw", "mem", "obj")
    assert sum([n * n for n in range(1000)]) == 332833500
"""

    def test_session_and_workers(self):
        self.write("test_worker.py", self.WORKER)
        said = self.run_command(self.page.command("-n 2"))
        self.assertIn("11 passed", said)
        self.check_report(whole_reports(said))

    def test_a_leak_is_found(self):
        self.write("test_cache.py", self.page.files["test_cache.py"].replace("maxsize=100", "maxsize=None"))
        said = self.start("python -m oxmalloc run -m pytest", stdout=subprocess.PIPE).communicate()[0]
        self.assertIn("1 failed", said)
        self.assertRegex(said, r"assert \d{4} < 20")


class Ray(Recipe):
    page_name = "ray"
    tools = "recipes-ray", "ray"
    WORDS = "[{'the': 2, 'cat': 1, 'and': 1, 'hat': 1}, {'the': 2, 'cat': 1, 'and': 1, 'hat': 1}]"

    def setUp(self):
        super().setUp()
        # Two workers, nothing that asks the network.
        self.env.update(RAY_OVERRIDE_RESOURCES='{"CPU": 2}', RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0")

    def check(self, said):
        words, squares = said.splitlines()[:2]
        self.assertEqual(words, self.WORDS)
        self.assertEqual(squares, str([(True, 332833500)] * 4))
        reports = whole_reports(said)
        self.assertEqual(len(set(reports)), 2)
        self.check_report(reports)

    def test_each_worker(self):
        self.check(self.run_command("python app.py"))

    def test_inherited(self):
        app = self.page.files["app.py"]
        self.write("app.py", re.sub(r"ray\.init\(.*\)\n", "ray.init()\n", app))
        self.check(self.run_command("python -m oxmalloc run app.py"))


class Spark(Recipe):
    page_name = "spark"
    tools = "recipes-spark", "pyspark"
    # Two executors, in processes of their own.
    CLUSTER = "spark.master local-cluster[2,1,1024]\nspark.ui.enabled false\n"

    def setUp(self):
        if not shutil.which("java"):
            self.skipTest("Spark needs java")
        if not (os.environ.get("OXTEST_SPARK") or packages.is_there(oxtest.fastest_interpreter(), self.tools[0])):
            self.skipTest("pyspark is 450 MB to download: OXTEST_SPARK=1 does, and it is kept")
        super().setUp()

    def test_each_worker(self):
        self.env["SPARK_CONF_DIR"] = self.directory
        self.write("spark-defaults.conf", self.CLUSTER)
        self.run_command(self.page.command("env --spark"))
        said = self.run_command("python app.py")
        self.assertEqual(said.count("{'the': 500, 'cat': 250, 'and': 250, 'hat': 250}\n"), 4)
        reports = whole_reports(said)
        self.assertEqual(len(reports), 4)
        self.assertGreaterEqual(len(set(reports)), 2)
        self.check_report(reports)


class Docker(Recipe):
    """With docker, podman or buildah, whichever has the page's base image or can get it."""

    page_name = "docker"
    tools = None
    # name: (has it an image, get one, build one named app, run the image's command)
    ENGINES = {
        "docker": ("docker image inspect", "docker pull", "docker build --progress plain --tag app .",
                   "docker run --rm app"),
        "podman": ("podman image inspect", "podman pull", "podman build --tag app .", "podman run --rm app"),
        "buildah": ("buildah inspect --type image", "buildah pull", "buildah bud --isolation chroot --tag app .",
                    "buildah run --isolation chroot $(buildah from app) -- python app.py"),
    }

    def engine(self, image):
        """-> (build, run) of the first that has the image; SkipTest when there is none."""
        reasons = []
        for name, (has, pull, *commands) in self.ENGINES.items():
            if not shutil.which(name):
                reasons.append("%s is not installed" % name)
                continue
            for command in has, pull:
                done = subprocess.run([*command.split(), image], env=self.env, universal_newlines=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                if done.returncode == 0:
                    return commands
            reasons.append("%s has no %s: %s" % (name, image, done.stdout.strip().splitlines()[-1]))
        self.skipTest("; ".join(reasons))

    def test_image(self):
        build, run = self.engine(re.search("^FROM (.*)$", self.page.files["Dockerfile"], re.M).group(1))
        with tempfile.TemporaryDirectory() as elsewhere:  # Where it is built is more than the wheel.
            shutil.copy(test_package.build_wheel(elsewhere), self.directory)
        self.write("app.py", "import oxmalloc\nprint(oxmalloc.status().active, sum(n * n for n in range(1000)))\n")
        said = self.run_command(build + " 2>&1")
        # Docker puts the step and the time in front of each line.
        said = re.sub(r"^#\d+ [\d.]+ ", "", said, flags=re.M)
        self.assertEqual(self.run_command(run), "True 332833500\n")
        self.check_report(whole_reports(said))


class Systemd(Recipe):
    """No systemd runs where the tests do: its own checker reads the unit with its drop-in."""

    page_name = "systemd"

    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        self.units = os.path.join(self.directory, "etc", "systemd", "system")
        self.write("etc/systemd/system/app.service", self.here(self.page.files["app.service"]))
        self.run_command(self.here(self.page.command("env --systemd")))
        with open(os.path.join(self.units, "app.service.d", "oxmalloc.conf")) as file:
            self.drop_in = file.read()

    def here(self, text):
        """With the directories of the page in this test's."""
        return (text.replace("/srv/app/venv", self.venv).replace("/srv/app", self.directory)
                .replace("/etc/systemd/system", self.units))

    def verify(self):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", os.path.join(self.units, "app.service")],
            env=dict(self.env, SYSTEMD_UNIT_PATH=self.units + ":"), universal_newlines=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return [line for line in done.stdout.splitlines() if "app.service" in line or "oxmalloc.conf" in line]

    def test_unit_and_drop_in(self):
        self.assertEqual(self.verify(), [])
        self.assertRegex(self.drop_in, r'^\[Service\]\nEnvironment="LD_PRELOAD=%s/.*/liboxmalloc.so"\n$' % self.venv)
        self.check_shown(self.drop_in)

    def test_what_is_wrong_is_found(self):
        broken = self.drop_in.replace("LD_PRELOAD=", "=LD_PRELOAD=")
        self.write("etc/systemd/system/app.service.d/oxmalloc.conf", broken)
        self.assertRegex("\n".join(self.verify()), "oxmalloc.conf:2: Invalid environment")

    def test_its_environment_starts_it(self):
        """What systemd would put into the environment, given to a process."""
        variable = re.search('^Environment="(.*)"$', self.drop_in, re.M).group(1)
        self.env.update([variable.split("=", 1)])
        said = self.run_command("python -c 'import oxmalloc; print(oxmalloc.status().installed_by)'")
        self.assertEqual(said, "preload\n")


class Embedding(Recipe):
    page_name = "embedding"
    tools = None

    def interpreter(self):
        """-> the directory of a python3-config that can link a program."""
        reasons = []
        for py in sorted(oxtest.interpreters()[0], key=lambda py: (not py.optimised, py.version)):
            config = "%s%d.%d-config" % (os.path.join(os.path.dirname(py.path), "python"), *py.version[:2])
            said = oxtest.run(py, "import os, sysconfig as s; get = s.get_config_var; print(get('Py_DEBUG') or 0,"
                              " os.path.join(get('LIBDIR'), get('LDLIBRARY')))", preload=False).stdout.split()
            if os.path.exists(config) and said[0] == "0" and said[1].endswith(".so") and os.path.exists(said[1]):
                return py, config
            reasons.append("%s has no python3-config or shared library" % py.tag)
        self.skipTest("; ".join(reasons))

    def test_program(self):
        for tool in "cc", "pkg-config":
            if not shutil.which(tool):
                self.skipTest(tool + " is not installed")
        py, config = self.interpreter()
        prefix = os.path.join(self.directory, "prefix")
        subprocess.run([os.path.join(oxtest.ROOT, "scripts", "install"), prefix], check=True, env=oxtest.clean_env(),
                       stdout=subprocess.DEVNULL)
        self.write("python3-config", '#!/bin/sh\nexec %s "$@"\n' % config)
        os.chmod(os.path.join(self.directory, "python3-config"), 0o755)
        library = os.path.join(os.path.dirname(os.path.dirname(config)), "lib")
        self.env.update(PATH=self.directory + os.pathsep + self.env["PATH"], PYTHONHOME=home(py),
                        PREFIX=prefix, LD_LIBRARY_PATH=library)
        said = self.run_command(self.page.command("cc embed.c"))
        self.assertEqual(re.findall("^(\\d+)$", said, re.M), ["1000000"] * 3)
        self.assertRegex(said, "(?m)^oxmalloc: active in +raw, mem, obj$")
        self.check_shown(said)


def home(py):
    said = oxtest.run(py, "import sys; print(sys.base_prefix + ':' + sys.base_exec_prefix)", preload=False)
    return said.stdout.strip()


class Index(unittest.TestCase):
    def test_every_page_is_in_the_index_and_tested(self):
        names = {name[:-3] for name in os.listdir(PAGES)} - {"README"}
        with open(os.path.join(PAGES, "README.md")) as index:
            self.assertEqual(set(re.findall(r"\]\(([\w-]+)\.md\)", index.read())), names)
        self.assertEqual({recipe.page_name for recipe in Recipe.__subclasses__()}, names)


if __name__ == "__main__":
    unittest.main()
