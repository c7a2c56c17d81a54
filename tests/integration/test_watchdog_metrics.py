"""The watchdog's metrics: Prometheus's own parser reads them, they move by what happens, docs/watchdog.md lists them, and a hostile scraper
costs nothing."""
import os
import pathlib
import re
import signal
import socket
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from harness import free_port
from imds_server import ImdsServer, document
from test_watchdog import SERVING, control, enclave_of, prepare  # noqa: F401 (control is a fixture)
from test_watchdog_aws import replaced, until
from test_watchdog_nitro_cli import arguments, launch, nitro  # noqa: F401 (fixtures)

PREFIX = "nitro_signer_watchdog_"
KEY = bytes([5]) * 48


def get(port, path="/metrics", method="GET", **headers):
    return requests.request(method, f"http://127.0.0.1:{port}{path}", headers=headers, timeout=20)


def families(port):
    reply = get(port)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = list(text_string_to_metric_families(reply.text))
    assert all(family.documentation and family.type in ("counter", "gauge", "histogram") for family in found)
    return found


def samples(port):
    """Without the prefix: {name or name{value of its label}: number}, but for buckets."""
    found = {}
    for family in families(port):
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name != "le"]
            key = sample.name.removeprefix(PREFIX) + "".join(f"{{{label}}}" for label in labels)
            assert sample.name.startswith(PREFIX) and (key not in found or "le" in sample.labels)
            found[key] = sample.value
    return found


def nonzero(port, word):
    return {name: value for name, value in samples(port).items() if name.startswith(word) and value}


@pytest.fixture
def watched(start, control, folder):  # noqa: F811
    port = free_port()
    watchdog = start("nitro-signer-watchdog", f"--metrics=tcp:127.0.0.1:{port}", *prepare(folder), ready=False)
    return watchdog, port


def test_starts_ends_keys_and_round_trips(watched, control):  # noqa: F811
    watchdog, port = watched
    control.accept()
    assert nonzero(port, "state") in ({"state{connecting}": 1}, {"state{init}": 1})
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    watchdog.wait_ready()
    before = time.time()
    control.expect("status", body={**SERVING, "keys": 7, "failed": 1, "failed_keys": ["0x" + KEY.hex()]})
    until(lambda: samples(port)["keys_failed"] == 1, "does not count what failed")
    now = samples(port)
    assert (now["enclave_starts_total"], now["keys_loaded"], now["credentials_expiry_timestamp_seconds"]) == (1, 7, 0)
    assert before - 2 <= now["last_status_timestamp_seconds"] <= time.time()
    assert now["control_duration_seconds_count{init}"] == 1 and now["control_duration_seconds_count{status}"] >= 1
    assert not nonzero(port, "enclave_ends") and not nonzero(port, "fetch_errors") and not nonzero(port, "nitro_cli_errors")
    assert KEY.hex() in watchdog.log() and KEY.hex() not in get(port).text

    control.hang_up()
    control.accept()
    assert nonzero(port, "enclave_ends") == {"enclave_ends_total{lost}": 1}
    control.expect("init", body=SERVING)
    control.expect("status", body={"state": "wait"})
    control.accept()
    assert nonzero(port, "enclave_ends") == {"enclave_ends_total{lost}": 1, "enclave_ends_total{unhealthy}": 1}

    os.kill(enclave_of(watchdog), signal.SIGKILL)
    until(lambda: samples(port)["enclave_ends_total{died}"] == 1, "does not count a death")
    until(lambda: samples(port)["enclave_starts_total"] == 4, "does not count the starts")


def test_what_cannot_be_fetched_and_when_credentials_end(start, control, folder):  # noqa: F811
    port, imds = free_port(), ImdsServer()
    imds.role = None
    watchdog = start("nitro-signer-watchdog", *replaced(prepare(folder), f"--metrics=tcp:127.0.0.1:{port}", "--credentials=imds",
                                                        f"--imds-endpoint={imds.url}"), ready=False)
    control.accept()
    until(lambda: nonzero(port, "fetch_errors"), "counts no error")
    ((name, _),) = nonzero(port, "fetch_errors").items()
    assert name == "fetch_errors_total{not_found}", name
    imds.credentials, imds.role = document(1, lives=3000), "nitro-signer-instance"
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert samples(port)["credentials_expiry_timestamp_seconds"] == pytest.approx(time.time() + 3000, abs=60)
    imds.close()


def test_errors_of_nitro_cli_by_their_code(launch, control, nitro, folder):  # noqa: F811
    port = free_port()
    nitro.fail("run-enclave", "E22", "E22", "status 7")
    watchdog = launch(f"--metrics=tcp:127.0.0.1:{port}")
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert nonzero(port, "nitro_cli_errors") == {"nitro_cli_errors_total{E22}": 2, "nitro_cli_errors_total{none}": 1}
    assert samples(port)["enclave_ends_total{died}"] == 3


def test_the_manual_lists_exactly_what_is_served(watched, control):  # noqa: F811
    _, port = watched
    control.accept()
    text = (pathlib.Path(__file__).parents[2] / "docs/watchdog.md").read_text().split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    listed = set(re.findall(r"^\| `(\w+(?:\{\w+\})?)` \|", text, re.MULTILINE))
    served = set()
    for family in families(port):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        served.add(family.name.removeprefix(PREFIX) + "_total" * (family.type == "counter") + "".join(f"{{{label}}}" for label in labels))
    assert listed == served


def test_hostile_scrapers(watched, control):  # noqa: F811
    watchdog, port = watched
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert get(port, "/").status_code == 404 and get(port, "/metrics/x").status_code == 404
    assert get(port, method="POST").status_code == 405 and get(port, Origin="http://evil.example").status_code == 403
    length = len(get(port).content)
    streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for i, stream in enumerate(streams):
        try:
            stream.sendall(b"GET /" + bytes([65 + i % 26]) * 5000 if i % 2 else b"\x16\x03\x01\0\0")
        except OSError:
            pass
    control.expect("status", body=SERVING)  # it watches on
    for stream in streams:
        stream.close()
    until(lambda: abs(len(get(port).content) - length) < 200, "grows by what was asked")
    assert watchdog.terminate() == 0


@pytest.mark.parametrize("address", ["tcp:127.0.0.1", "9102", "tcp:192.0.2.1:9102"])
def test_an_address_that_cannot_be_served_is_named(start, folder, address):
    watchdog = start("nitro-signer-watchdog", f"--metrics={address}", *prepare(folder), ready=False)
    assert watchdog.wait() == 1 and "--metrics: " in watchdog.log() and "started the enclave" not in watchdog.log()


def test_without_the_option_nothing_listens(start, control, folder):  # noqa: F811
    watchdog = start("nitro-signer-watchdog", *prepare(folder), ready=False)
    control.accept()
    sockets = {link for link in map(lambda path: path.readlink().as_posix(), pathlib.Path(f"/proc/{watchdog.pid}/fd").iterdir()) if "socket" in link}
    inodes = {link[8:-1] for link in sockets}
    listening = [line for line in pathlib.Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A" and line.split()[9] in inodes]
    assert not listening
