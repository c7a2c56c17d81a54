"""Debian's headless Chromium, driven over its DevTools protocol: two pipes, JSON with a NUL behind each message, so that nothing else is needed.

    with Browser(folder) as browser:
        browser.open("http://127.0.0.1:9002/")
        browser.evaluate("document.title")
        browser.until("document.querySelectorAll('svg').length === 3")
        assert browser.complaints == []
"""
import base64
import json
import os
import select
import shutil
import struct
import subprocess
import time
import zlib

import pytest

from harness import PATIENCE

NAMES = ("chromium-headless-shell", "chromium")


def program():
    return next((path for name in NAMES if (path := shutil.which(name))), None) or pytest.fail("chromium is not here: run scripts/setup --interop")


def unfiltered(data, stride, bpp):
    """The rows of a PNG as they are, without the differences that stand for them."""
    above, rows = bytearray(stride), []
    for at in range(0, len(data), stride + 1):
        kind, row = data[at], bytearray(data[at + 1:at + 1 + stride])
        for i in range(stride):
            left, up, corner = (row[i - bpp], above[i], above[i - bpp]) if i >= bpp else (0, above[i], 0)
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda one: abs(guess - one)) if kind == 4 else 0
            row[i] = (row[i] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
        rows.append(bytes(row))
        above = row
    return rows


def smaller(picture):
    """The same PNG for the documentation: rows as they are, which of a page with few colours are smaller than their differences."""
    at, kept, data = 8, {}, b""
    while at < len(picture):
        (length,), kind = struct.unpack_from(">I", picture, at), picture[at + 4:at + 8]
        kept[kind], at = picture[at + 8:at + 8 + length], at + 12 + length
        data += kept[kind] if kind == b"IDAT" else b""
    width, _, depth, colours = struct.unpack_from(">IIBB", kept[b"IHDR"])
    bpp = {2: 3, 6: 4}[colours]
    assert depth == 8
    rows = unfiltered(zlib.decompress(data), width * bpp, bpp)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return picture[:8] + chunk(b"IHDR", kept[b"IHDR"]) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


class Browser:
    """One page. complaints: what the console, the page's errors, violated policies and failed requests had to say."""

    def __init__(self, folder, width=1200, height=1000):
        self.complaints, self.requests, self._serial, self._waiting, self._pending = [], [], 0, b"", []
        from_us, self._write = os.pipe()
        self._read, to_us = os.pipe()
        # The pipes are descriptors 3 and 4 there. A test's browser sees our own pages only: its sandbox, which root and containers cannot have, is off.
        arguments = [program(), "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--hide-scrollbars", "--no-proxy-server", "--disable-background-networking", f"--user-data-dir={folder}/chromium",
                     f"--window-size={width},{height}", "about:blank"]
        self._log = open(folder / "chromium.log", "wb")  # noqa: SIM115 (closed below)
        # Copies far above the targets, so that neither takes the other's place.
        shell = f'exec 3<&{from_us} 4>&{to_us}; exec "$@"'
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "bash", "-c", shell, "sh", *arguments], pass_fds=(from_us, to_us),
                                         stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env={**os.environ, "HOME": str(folder)})
        os.close(from_us)
        os.close(to_us)
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.ask(f"{domain}.enable")
        self.size(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._log.close()

    # ---- the protocol ----

    def _receive(self, deadline):
        while b"\0" not in self._waiting:
            if not select.select([self._read], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            piece = os.read(self._read, 1 << 20)
            assert piece, "chromium ended"
            self._waiting += piece
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)

    def _note(self, message):
        method, told = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(("console", told["type"], [one.get("value") for one in told["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(("exception", told["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(("log", told["entry"]["text"], told["entry"].get("url")))
        elif method == "Audits.issueAdded":
            self.complaints.append(("issue", told["issue"]["code"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Network.loadingFailed" and not told.get("canceled"):
            self.complaints.append(("network", told["errorText"]))

    def _ask(self, method, session=None, **parameters):
        self._serial += 1
        message = {"id": self._serial, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 120 * PATIENCE
        while (answer := self._receive(deadline)) is not None:
            if answer.get("id") == self._serial:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)
        raise AssertionError(f"chromium does not answer {method}")

    def ask(self, method, **parameters):
        return self._ask(method, self._session, **parameters)

    # ---- the page ----

    def open(self, url):
        assert "errorText" not in self.ask("Page.navigate", url=url), url
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression, seconds=60):
        deadline = time.monotonic() + seconds * PATIENCE
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < deadline, (expression, self.evaluate("document.body.innerText"), self.complaints)
            time.sleep(0.1)
        return found

    def size(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme):
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self):
        """Of all of the page, as PNG."""
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"])
