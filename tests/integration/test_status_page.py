"""The watchdog's status page: what it says is what happened, to an enclave that the test plays and to a real one; who asks from elsewhere gets nothing,
and neither who asks rudely nor an enclave whose figures are nonsense disturbs the watching. A browser reads it in tests/interop/test_status_page_browser.py."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import threading
import time

import pytest
import requests

from enclave_rig import MAINNET_GENESIS, Cloud, eventually
from harness import PATIENCE, free_port
from hostile import seeded
from test_watchdog import KEYS, SECRET, SERVING, TOKEN, control, enclave_of, prepare  # noqa: F401 (control is a fixture)

PCR = {"pcr0": "ab" * 48, "pcr16": "cd" * 48, "version": "9.8.7", "uptime_seconds": 90}
TOLD = {**SERVING, **PCR}
ROOT = pathlib.Path(__file__).parents[2]
PATHS = ("/", "/status.json", "/history.json", "/status.css", "/status.js", "/icon.svg")


def figures(signed=0, refused=0, started=1700000000, more=""):
    buckets = "".join(f'nitro_signer_sign_duration_seconds_bucket{{type="ATTESTATION",le="{bound}"}} {signed + refused}\n' for bound in ("0.01", "+Inf"))
    return (f"# HELP process_start_time_seconds When.\nprocess_start_time_seconds {started}\nnitro_signer_http_connections 2\n"
            f"nitro_signer_slashing_store_ok 1\nnitro_signer_slashing_protection_enabled 1\nnitro_signer_store_errors_total 0\n"
            f"nitro_signer_slashing_conflicts_total {refused}\n" f'nitro_signer_signatures_total{{type="ATTESTATION"}} {signed}\n'
            f'nitro_signer_sign_answers_total{{outcome="signed"}} {signed}\nnitro_signer_sign_answers_total{{outcome="slashing_protection"}} {refused}\n'
            f'nitro_signer_slashing_refusals_total{{reason="double_vote"}} {refused}\n{buckets}{more}')


class Metrics:
    """The enclave's page of metrics, played: every connection gets answer, bytes; None: silence."""

    def __init__(self, path):
        self.asked, self.open = [], []
        self.say(figures())
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, text):
        body = text.encode()
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body

    def _serve(self):
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self.asked.append(stream.recv(65536))
                if self.answer is None:
                    self.open.append(stream)
                    continue
                stream.sendall(self.answer)
            stream.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for stream in self.open:
            stream.close()


class Page:
    def __init__(self, port):
        self.port, self.address, self.session = port, f"http://127.0.0.1:{port}", requests.Session()

    def get(self, path="/", method="GET", **headers):
        return self.session.request(method, self.address + path, headers=headers, timeout=30 * PATIENCE)

    def status(self):
        return self.get("/status.json").json()

    def history(self):
        return self.get("/history.json").json()

    def until(self, holds, seconds=60):
        deadline = time.monotonic() + seconds * PATIENCE
        while not holds(found := self.status()):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found


@pytest.fixture
def metrics(folder):
    with contextlib.closing(Metrics(folder / "metrics")) as played:
        yield played


@pytest.fixture
def watched(start, control, metrics, folder):  # noqa: F811
    page = Page(free_port())
    options = [f"--status-page=tcp:127.0.0.1:{page.port}", f"--enclave-metrics=unix:{folder}/metrics", "--sample-interval=1"]
    return start("nitro-signer-watchdog", *options, *prepare(folder), ready=False), page


@pytest.fixture
def serving(watched, control):  # noqa: F811
    watchdog, page = watched
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    watchdog.wait_ready()
    control.expect("status", body=TOLD)
    return watchdog, page


def known(page, name):
    return [count for count in page.history()["fine"][name] if count is not None]


def test_the_way_to_serving_and_what_it_says_then(watched, control, metrics):  # noqa: F811
    watchdog, page = watched
    control.accept()
    before = page.until(lambda status: status["condition"] == "loading")
    assert (before["level"], before["keys"], before["signing"], before["enclave"]["pcr0"]) == ("busy", None, None, None)
    control.expect("init", 403, {"error": "AccessDeniedException"})
    assert page.until(lambda status: status["condition"] != "loading")["events"][0]["kind"] == "init_refused"
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    watchdog.wait_ready()
    control.expect("status", body=TOLD)
    now = page.until(lambda status: status["signing"] and status["minute"])
    assert (now["condition"], now["level"], now["problems"], now["network"]) == ("serving", "ok", [], "mainnet")
    assert (now["keys"], now["enclave"]["pcr0"], now["enclave"]["pcr16"]) == ({"loaded": 2, "failed": 0}, PCR["pcr0"], PCR["pcr16"])
    assert (now["enclave"]["version"], now["enclave"]["uptime_seconds"], now["enclave"]["starts"]) == ("9.8.7", 90, 1)
    assert now["store"] == {"kind": "sqlite", "mode": "single", "ok": True, "errors": 0}
    assert [(one["kind"], one["detail"]) for one in now["events"]] == [("serving", None), ("init_refused", "403"), ("enclave_started", None)]
    assert abs(now["now"] - time.time()) < 60 and now["watchdog"]["since"] <= now["since"] <= now["now"]
    assert set(metrics.asked) == {b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n"}


def test_signatures_and_refusals_become_samples(serving, metrics):
    _, page = serving
    page.until(lambda status: status["signing"])
    metrics.say(figures(40, 3))
    now = page.until(lambda status: status["hour"] and status["hour"]["signed"] == 40)
    assert now["signing"]["signatures"] == {"ATTESTATION": 40} and now["signing"]["refusals"] == {"double_vote": 3}
    assert now["hour"]["refused"] == 3 == now["hour"]["conflicts"] and "slashing_conflicts" in now["problems"] and now["level"] == "warn"
    fine = page.history()["fine"]
    (at,) = [i for i, count in enumerate(fine["signed"]) if count]
    assert (fine["signed"][at], fine["refused"][at], fine["failed"][at], fine["p50_ms"][at], fine["p99_ms"][at]) == (40, 3, 0, 5.0, 9.9)
    assert {len(column) for name, column in fine.items() if name != "step_seconds"} == {len(fine["at"])} and fine["step_seconds"] == 1
    metrics.say(figures(7, 0, started=1700000100))  # another enclave, which counts from nothing
    page.until(lambda status: status["hour"]["signed"] == 47)


def test_a_dead_enclave_shows_and_is_forgotten(serving, control, metrics):  # noqa: F811
    watchdog, page = serving
    metrics.say(figures(5))
    page.until(lambda status: status["signing"])
    os.kill(enclave_of(watchdog), signal.SIGKILL)
    down = page.until(lambda status: status["condition"] != "serving")
    assert down["condition"] in ("restarting", "loading") and down["level"] == "busy" and down["keys"] is None and down["signing"] is None
    assert down["enclave"]["pcr0"] is None and down["enclave"]["ends"]["died"] == 1 and ("enclave_ended", "died") in [
        (one["kind"], one["detail"]) for one in down["events"]]
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    control.expect("status", body={**TOLD, "failed": 1, "store_ok": False})
    back = page.until(lambda status: status["condition"] == "serving" and status["keys"])
    assert back["enclave"]["starts"] == 2 and back["problems"][:2] == ["keys_failed", "store_failing"] and back["level"] == "bad"
    control.expect("status", body={**TOLD, "state": "failed"})
    assert page.until(lambda status: status["condition"] == "failed")["problems"][0] == "signer_failed"


def test_figures_that_are_none_leave_gaps_and_the_enclave_alone(serving, control, metrics):  # noqa: F811
    watchdog, page = serving
    enclave = enclave_of(watchdog)
    nonsense = [metrics.answer[:-1], b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200000, metrics.answer.replace(b"signed", b"<img src=x>")]
    for answer in nonsense:
        metrics.answer, asked = answer, len(metrics.asked)
        eventually(lambda: len(metrics.asked) > asked)
        control.expect("status", body=TOLD)
        assert "src=x" not in page.get("/status.json").text + page.get("/").text + page.get("/history.json").text
    asked, metrics.answer = len(metrics.asked), None  # silence
    eventually(lambda: len(metrics.asked) > asked + 1)
    metrics.open[0].settimeout(120 * PATIENCE)
    assert metrics.open[0].recv(1) == b""  # given up for the next one
    control.expect("status", body=TOLD)
    assert len(list(pathlib.Path(f"/proc/{watchdog.pid}/fd").iterdir())) < 60
    assert "no_figures" in page.until(lambda status: status["problems"])["problems"] and enclave_of(watchdog) == enclave
    assert None in page.history()["fine"]["signed"] and watchdog.log().count("--enclave-metrics: ") == 1
    metrics.say(figures(3))
    page.until(lambda status: status["problems"] == [])
    assert watchdog.log().count("--enclave-metrics: ") == 2


def test_only_loopbacks_own_names_and_pages_may_ask(serving):
    _, page = serving
    for host in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST", f"localhost:{page.port}", "127.0.0.1:8080", "127.0.0.2"):  # the other end of a tunnel
        assert page.get(Host=host).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", f"evil.example:{page.port}", "0.0.0.0", "128.0.0.1", "127.1"):
        reply = page.get("/status.json", Host=host)
        assert (reply.status_code, "pcr0" in reply.text) == (403, False), host
    with socket.create_connection(("127.0.0.1", page.port)) as stream:
        stream.sendall(b"GET /status.json HTTP/1.0\r\n\r\n")
        assert stream.recv(100).startswith(b"HTTP/1.1 403 ")
    for origin in ("http://evil.example", "null", page.address):
        assert page.get("/status.json", Origin=origin).status_code == 403, origin
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert page.get("/status.json", method).status_code == 405, method
    for path in ("/status", "/metrics", "/status.json/x", "/%2e%2e/etc/passwd", "/index.html"):
        assert page.get(path).status_code == 404, path
    head = page.get("/status.css", "HEAD")
    assert (head.status_code, head.content) == (200, b"") and int(head.headers["content-length"]) == len(page.get("/status.css").content)


def test_headers_of_every_answer(serving):
    _, page = serving
    kinds = {"/": "text/html; charset=utf-8", "/status.json": "application/json", "/history.json": "application/json", "/status.css": "text/css; charset=utf-8",
             "/status.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml"}
    for path in (*PATHS, "/none"):
        headers = page.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'" and "unsafe" not in str(policy)
        assert (headers["cache-control"], headers["x-content-type-options"], headers["referrer-policy"]) == ("no-store", "nosniff", "no-referrer")
        assert headers["cross-origin-resource-policy"] == "same-origin" and not [name for name in headers if name.lower().startswith("access-control")]
        assert headers["content-type"] == kinds.get(path, "text/plain; charset=utf-8")


def test_nothing_secret_and_no_key_is_told(serving, control):  # noqa: F811
    _, page = serving
    control.expect("status", body={**TOLD, "failed": 1, "failed_keys": ["0x" + "81" * 48]})
    page.until(lambda status: status["keys"]["failed"] == 1)
    told = "".join(page.get(path).text for path in PATHS)
    for secret in (SECRET, TOKEN, "ASIAEXAMPLE", *KEYS):
        assert secret not in told
    assert not re.search(r"(src|href)=\"(?!/)", page.get("/").text) and "http" not in page.get("/status.css").text


def test_the_page_as_it_comes_has_the_words(serving):
    _, page = serving
    page.until(lambda status: status["signing"])
    text = page.get("/").text
    for word in (">Serving<", ">2<", PCR["pcr0"], "all of them loaded", "SQLite, one signer at a time", 'data-level="ok"'):
        assert word in text, word
    assert "{{" not in text and "}}" not in text
    said = set(page.status()["page"])
    assert set(re.findall(r'data-word="(\w+)"', text)) | {"level"} == said


def test_rude_clients_do_not_keep_it_from_watching(serving, control):  # noqa: F811
    watchdog, page = serving
    random = seeded("status page")
    begin = time.monotonic()
    streams = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(100)]
    for i, stream in enumerate(streams):
        with contextlib.suppress(OSError):
            stream.sendall((b"GET /" + b"a" * 9000, b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 9000, b"\x16\x03\x01\0\0", random.randbytes(500),
                            b"POST / HTTP/1.1\r\nHost: localhost\r\ncontent-length: 1000000\r\n\r\n" + b"z" * 1000, b"GET / HTTP/1.1\r\n")[i % 6])
    storm = threading.Event()

    def ask():
        session = requests.Session()
        while not storm.is_set():
            with contextlib.suppress(requests.exceptions.RequestException):
                session.get(page.address + "/history.json", timeout=30)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        control.expect("status", body=TOLD)
    storm.set()
    for thread in threads:
        thread.join()
    for stream in streams:
        stream.close()
    assert page.until(lambda status: True)["condition"] == "serving" and time.monotonic() - begin < 120 * PATIENCE
    assert len(list(pathlib.Path(f"/proc/{watchdog.pid}/fd").iterdir())) < 60
    assert watchdog.terminate() == 0


@pytest.mark.parametrize("address", ["tcp:0.0.0.0:9002", "tcp:192.0.2.1:9002", "tcp:[::]:9002", "tcp:localhost:9002", "vsock:any:9002", "9002", "tcp:127.0.0.1"])
def test_an_address_that_others_reach_is_refused(start, folder, address):
    watchdog = start("nitro-signer-watchdog", f"--status-page={address}", *prepare(folder), ready=False)
    assert watchdog.wait() == 2 and "--status-page: " in watchdog.log() and "started the enclave" not in watchdog.log()


@pytest.mark.parametrize("option, named", [("--enclave-metrics=tcp:192.0.2.1:9001", "--enclave-metrics: must be unix:PATH, vsock:CID:PORT or tcp:"),
                                           ("--sample-interval=0", "--sample-interval"), ("--sample-interval=61", "--sample-interval")])
def test_its_other_options_are_checked_too(start, folder, option, named):
    watchdog = start("nitro-signer-watchdog", "--status-page=tcp:127.0.0.1:1", option, *prepare(folder), ready=False)
    assert watchdog.wait() == 2 and named in watchdog.log()


def test_an_address_that_is_taken_keeps_nobody_from_signing(start, control, folder):  # noqa: F811
    taken = socket.create_server(("127.0.0.1", 0))
    page = Page(taken.getsockname()[1])
    watchdog = start("nitro-signer-watchdog", f"--status-page=tcp:127.0.0.1:{page.port}", "--sample-interval=1", *prepare(folder), ready=False)
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    watchdog.wait_ready()
    control.expect("status", body=TOLD)
    control.expect("status", body=TOLD)
    assert watchdog.log().count(f"--status-page: tcp:127.0.0.1:{page.port}: bind: Address already in use; the watchdog works without") == 1
    taken.close()

    def is_served():
        with contextlib.suppress(requests.exceptions.ConnectionError):
            return page.status()["condition"] == "serving"

    eventually(is_served)
    assert "--status-page: the page is served now" in watchdog.log()


def test_a_unix_socket_is_for_its_owner_only(start, control, folder):  # noqa: F811
    path = folder / "page"
    watchdog = start("nitro-signer-watchdog", f"--status-page=unix:{path}", *prepare(folder), ready=False)
    control.accept()
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        stream.sendall(b"GET /status.json HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with stream.makefile("rb") as answer:
            status = json.loads(answer.read().partition(b"\r\n\r\n")[2])
    assert status["condition"] == "loading" and watchdog.alive()


def test_a_real_enclave(start, bin_dir, folder):
    """Figures of the front itself: each metric that the page wants is there, under its name."""
    page, cloud = Page(free_port()), Cloud(start, bin_dir, folder)
    cloud.begin()
    cloud.sources += [f"--status-page=tcp:127.0.0.1:{page.port}", f"--enclave-metrics=unix:{folder}/metrics", "--sample-interval=1"]
    cloud.enclave_options = [f"--metrics=unix:{folder}/metrics"]
    enclave = cloud.enclave("a")
    page.until(lambda status: status["signing"] and status["keys"])
    assert [enclave.attest(key, source=10, target=11).status_code for key in (0, 1)] == [200, 200]
    assert enclave.attest(source=10, target=11, block=0x45).status_code == 412 and enclave.attest(source=8, target=9).status_code == 412
    fork = {"fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"}, "genesis_validators_root": MAINNET_GENESIS}
    assert enclave.session.post(f"https://localhost:{enclave.port}/api/v1/eth2/sign/0x{'ab' * 48}", timeout=30 * PATIENCE,
                                json={"type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"}, "fork_info": fork}).status_code == 404
    now = page.until(lambda status: status["hour"] and status["hour"]["wrong"])
    assert {name: now["hour"][name] for name in ("signed", "refused", "failed", "wrong", "conflicts")} == {
        "signed": 2, "refused": 2, "failed": 0, "wrong": 1, "conflicts": 1}
    assert now["signing"]["answers"] == {"signed": 2, "slashing_protection": 2, "unknown_key": 1}
    assert sum(now["signing"]["refusals"].values()) == 2 and now["signing"]["slashing_protection"] is True
    assert now["enclave"]["pcr0"] == cloud.ctl("image", "measure", *(bin_dir / f"nitro-signer-{part}" for part in ("enclave", "keeper", "front", "courier", "loader"))).strip().removeprefix("0x")
    assert now["keys"] == {"loaded": 2, "failed": 0} and max(value for value in page.history()["fine"]["p99_ms"] if value is not None) > 0
    told = "".join(page.get(path).text for path in PATHS)
    assert not [secret for secret in (*cloud.keys, json.loads(enclave.genuine)["secret_access_key"]) if secret.removeprefix("0x") in told]
