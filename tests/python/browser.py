"""A headless Chromium under the control of a test, over its debugging pipe.

    with browser.Page(path, width=1200) as page:
        page.evaluate("document.title")
        page.press("ArrowDown")

`missing()` says why there is none. What the page writes to the console as an
error, and what it throws, is in `page.errors`.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

KEYS = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35,
    "PageUp": 33, "PageDown": 34, "Escape": 27, "Enter": 13, "Tab": 9, "+": 187, "-": 189,
}


def find():
    return next(filter(None, map(shutil.which, NAMES)), None)


def missing():
    """Why pages cannot be opened here, or None."""
    return None if find() else "no Chromium: install chromium (looked for %s)" % ", ".join(NAMES)


class Page:
    """One page in a browser of its own, open until the `with` ends."""

    def __init__(self, path, width=1200, height=900, dark=False, touch=False):
        self.errors = []
        self._id = 0
        self._home = tempfile.TemporaryDirectory(prefix="browser-")
        down, self._to = os.pipe()
        self._from, up = os.pipe()
        # The browser talks on 3 and 4; away from there first, or one is lost.
        down, up = _high(down), _high(up)

        def connect():
            os.dup2(down, 3)
            os.dup2(up, 4)

        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self._process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--hide-scrollbars", "--remote-debugging-pipe",
             "--user-data-dir=" + self._home.name, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment, preexec_fn=connect, close_fds=False)
        os.close(down)
        os.close(up)
        self._buffer = b""
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(domain + ".enable")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                   mobile=touch)
        if touch:
            self._call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.set_dark(dark)
        began = time.monotonic()
        went = self._call("Page.navigate", url="file://" + os.path.abspath(path))
        assert "errorText" not in went, (path, went)
        self.wait_for("document.documentElement?.dataset.ready === 'yes'")
        self.paint()
        self.seconds_to_open = time.monotonic() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            session, self._session = self._session, None
            self._send("Browser.close")
            self._session = session
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        for _ in range(50):  # Its helpers may still be writing there.
            try:
                self._home.cleanup()
                return
            except OSError:
                time.sleep(.1)

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError("%s: %s" % (expression, json.dumps(answer["exceptionDetails"])))
        return answer["result"].get("value")

    def wait_for(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not self.evaluate("Boolean(%s)" % condition):
            if time.monotonic() > end:
                raise AssertionError("not within %d s: %s; %s" % (seconds, condition, self.errors))
            time.sleep(.02)

    def press(self, *keys):
        for key in keys:
            event = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            if len(key) == 1:
                event["text"] = key
            self._call("Input.dispatchKeyEvent", type="keyDown", **event)
            self._call("Input.dispatchKeyEvent", type="keyUp", **event)

    def hover(self, x, y):
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def tap(self, x, y):
        self._call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def set_dark(self, dark):
        self._call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.paint()

    def paint(self):
        """Until what happened so far was told to the page and drawn."""
        self.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")

    def screenshot(self, path, whole=False):
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    # --- The debugging protocol: JSON, a NUL after each message -------------------

    def _send(self, method, **params):
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data):]
        return self._id

    def _call(self, method, **params):
        sent = self._send(method, **params)
        while True:
            message = self._receive()
            if message.get("id") == sent:
                if "error" in message:
                    raise AssertionError("%s: %s" % (method, message["error"]))
                return message["result"]
            self._note(message)

    def _receive(self):
        while b"\0" not in self._buffer:
            part = os.read(self._from, 1 << 20)
            if not part:
                raise AssertionError("Chromium ended (%s)" % self._process.poll())
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(json.dumps(params["entry"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(params["args"]))


def _high(fd):
    import fcntl

    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved
