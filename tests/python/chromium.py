"""A headless Chromium and one page in it, over the DevTools protocol through two pipes: no port, no other package."""
from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess

SECONDS = 60  # for any answer


def _high(pipe):
    """The ends of a pipe above those numbers that Chromium wants for itself."""
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipe]
    for end in pipe:
        os.close(end)
    return ends


class Page:
    """`url` in a window of this size. A context manager: the browser ends with it."""

    def __init__(self, url, profile, width=900, height=760):
        (its_in, self._out), (self._in, its_out) = _high(os.pipe()), _high(os.pipe())

        def place():
            os.dup2(its_in, 3)
            os.dup2(its_out, 4)

        self._process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--force-color-profile=srgb", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(its_in)
        os.close(its_out)
        self._read, self._count, self._session, self.complaints = b"", 0, None, []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Runtime.enable")
            self.call("Page.enable")
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
            self.call("Page.navigate", url=url)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _message(self):
        while b"\0" not in self._read:
            if not select.select([self._in], [], [], SECONDS)[0]:
                raise TimeoutError(f"chromium said nothing for {SECONDS} seconds")
            part = os.read(self._in, 1 << 16)
            if not part:
                raise EOFError(f"chromium ended with status {self._process.wait()}")
            self._read += part
        text, _, self._read = self._read.partition(b"\0")
        return json.loads(text)

    def call(self, method, **parameters):
        """Calls a method of the protocol; its result."""
        self._count += 1
        request = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        while True:
            said = self._message()
            if said.get("id") == self._count:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]
            if said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(said["params"]["exceptionDetails"])

    def value(self, expression):
        """What an expression of JavaScript gives; where that is a promise, what comes of it."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, condition):
        """Waits until an expression is true, looking once for each picture on the screen."""
        self.value("new Promise((done) => { const look = () => { (%s) ? done() : requestAnimationFrame(look); }; look(); })" % condition)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, points):
        """Presses the button of the mouse at the first point, and lets it go at the last."""
        self.mouse("mouseMoved", *points[0])
        self.mouse("mousePressed", *points[0], button="left", buttons=1, clickCount=1)
        for point in points[1:]:
            self.mouse("mouseMoved", *point, button="left", buttons=1)
        self.mouse("mouseReleased", *points[-1], button="left", clickCount=1)

    def middle(self, selector):
        """Where an element lies."""
        return self.value("(() => { const b = document.querySelector(%s).getBoundingClientRect(); "
                          "return [b.x + b.width / 2, b.y + b.height / 2]; })()" % json.dumps(selector))

    def click(self, selector):
        self.drag([self.middle(selector)])

    def write(self, text):
        """Types a text where the cursor is."""
        self.call("Input.insertText", text=text)

    def screenshot(self):
        """The bytes of a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
