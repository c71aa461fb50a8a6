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


if __name__ == "__main__":
    unittest.main()
