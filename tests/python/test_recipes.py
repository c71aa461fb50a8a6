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


if __name__ == "__main__":
    unittest.main()
