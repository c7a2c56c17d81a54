"""HTTP/2 at nitro-signer-front as clients speak it: curl, nghttp and python3-h2, with TLS and without."""
import json
import re
import ssl
import subprocess
import time

import pytest
import requests

from front_process import front, randao  # noqa: F401 (front is a fixture)
from http2_client import SIGN, Http2, frames
from scripted_keeper import Certificate


@pytest.fixture(params=["plain", "tls"])
def either(request, front, folder):
    """A front without TLS, then one with it."""
    return lambda *options, **more: front(*options, tls=Certificate(folder) if request.param == "tls" else None, **more)


def url_of(f, path):
    return f"{'https' if f.certificate else 'http'}://localhost:{f.port}{path}"


def curl(f, *words):
    trust = ["--cacert", f.certificate.ca_file] if f.certificate else []
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "-w", "\n%{http_version} %{http_code} %{num_connects}\n", *trust, *words],
                          capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.rstrip("\n").split("\n")


@pytest.mark.parametrize("word, version", [("--http1.1", "1.1"), ("--http2", "2"), ("--http2-prior-knowledge", "2")])
def test_curl_speaks_either_version(either, word, version):
    f = either()
    if word == "--http2" and not f.certificate:
        version = "1.1"  # it asks for an upgrade, which is not granted
    assert curl(f, word, url_of(f, "/upcheck")) == ["OK", f"{version} 200 1"]
    signature, last = curl(f, word, "-d", json.dumps(randao()), url_of(f, SIGN))
    assert last == f"{version} 200 1" and re.search("0x[0-9a-f]{192}", signature)


def test_nghttp_asks_for_many_things_on_one_connection(either):
    f = either()
    done = subprocess.run(["nghttp", "-nv", "--no-dep", *[url_of(f, path) for path in ("/upcheck", "/healthcheck", "/nothing", "/api/v1/eth2/publicKeys")]],
                          capture_output=True, text=True, timeout=30, check=True)
    assert re.findall(r":status: (\d+)", done.stdout) == ["200", "200", "404", "200"] or \
        sorted(re.findall(r":status: (\d+)", done.stdout)) == ["200", "200", "200", "404"]
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):512" in done.stdout
    assert "SETTINGS_MAX_HEADER_LIST_SIZE(0x06):8192" in done.stdout


@pytest.mark.parametrize("offer, chosen", [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), ([], None)])
def test_alpn(front, folder, offer, chosen):
    f = front(tls=Certificate(folder))
    context = ssl.create_default_context(cafile=f.certificate.ca_file)
    if offer:
        context.set_alpn_protocols(offer)
    with f.connect(context) as stream:
        assert stream.selected_alpn_protocol() == chosen
        if chosen != "h2":
            stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert stream.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_preface_over_tls_without_alpn_is_not_http2(front, folder):
    f = front(tls=Certificate(folder))
    assert f.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"HTTP/1.1 505 ")


def test_many_requests_wait_on_one_connection(either):
    """Answers come in the keeper's order, each to its own stream; the metric counts one connection."""
    f = either(metrics=True)
    with Http2(f) as client:
        f.keeper.go.clear()
        numbers = [client.sign(randao(epoch)) for epoch in range(400)]
        up = client.ask()
        assert (up.status, up.body) == (200, b"OK")
        text = requests.get(f"http://localhost:{f.metrics_port}/metrics", timeout=20).text
        assert re.search(r"^nitro_signer_http_connections 1$", text, re.M)
        f.keeper.go.set()
        answers = client.wait(*numbers)
        assert [a.status for a in answers] == [200] * 400
        assert len({a.body for a in answers}) == 400
        assert sum(f.keeper.batches) == 400
        again = client.wait(client.sign(randao(7)))[0]
        assert again.body == answers[7].body


def test_a_client_that_does_not_count_its_streams_is_sent_away(front):
    f = front()
    with Http2(f) as client, Http2(f) as other:
        f.keeper.go.clear()
        while client.h2.remote_settings.max_concurrent_streams != 512:
            assert client.receive()
        for _ in range(512):
            client.sign()
        client.h2.remote_settings[3] = 10000  # as if it had not been told
        client.h2.remote_settings.acknowledge()
        client.sign()
        assert client.wait_for_end() == 1
        f.keeper.go.set()
        assert other.wait(other.sign())[0].status == 200


def test_answers_are_those_of_http1(either):
    f = either("--cors-origins=https://page.example", hosts="localhost,signer.example")
    cases = [("GET", "/upcheck", None, {}), ("GET", "/upcheck", None, {"accept": "application/json"}), ("GET", "/upcheck?x=1", None, {}),
             ("GET", "//healthcheck/", None, {}), ("HEAD", "/upcheck", None, {}), ("PUT", "/upcheck", None, {}),
             ("DELETE", "/api/v1/eth2/publicKeys", None, {}), ("GET", "/nothing", None, {}), ("GET", "/%00", None, {}), ("GET", "/%zz", None, {}),
             ("OPTIONS", "/upcheck", None, {"origin": "https://page.example", "access-control-request-method": "GET"}),
             ("GET", "/upcheck", None, {"origin": "https://page.example"}), ("GET", "/upcheck", None, {"origin": "https://other.example"}),
             ("POST", SIGN, json.dumps(randao()), {}), ("POST", SIGN, json.dumps(randao()), {"accept": "application/json"}),
             ("POST", SIGN, "{", {}), ("POST", SIGN, "", {}), ("POST", "/api/v1/eth2/sign/0x12", json.dumps(randao()), {}),
             ("GET", "/upcheck", None, {"host": "signer.example:9000"}), ("GET", "/upcheck", None, {"host": "other.example"}),
             ("GET", "/upcheck", None, {"host": "a:b"}), ("GET", "/upcheck", None, {"expect": "more"})]
    with Http2(f) as client:
        for method, path, body, headers in cases:
            data = body.encode() if body is not None else None
            lines = "".join(f"{name}: {value}\r\n" for name, value in ({"host": "localhost"} | headers).items())
            length = f"content-length: {len(data)}\r\n" if data is not None else ""
            raw = f.raw(f"{method} {path} HTTP/1.1\r\n{lines}{length}connection: close\r\n\r\n".encode() + (data or b""))
            one, _, one_body = raw.partition(b"\r\n\r\n")
            status, *fields = one.decode().split("\r\n")
            wanted = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            del wanted["connection"]
            host = headers.get("host", "localhost")
            rest = [pair for pair in headers.items() if pair[0] != "host"]
            got = client.ask(body=data, head=client.head(method, path, rest, host))
            assert got.headers == {":status": status.split(" ")[1], **wanted}, (method, path, headers)
            assert got.body == one_body and got.reset is None


def test_bodies(either):
    f = either()
    with Http2(f) as client:
        # In pieces, with a length and without, with trailers.
        text = json.dumps(randao()).encode()
        for length in ([("content-length", str(len(text)))], []):
            number = client.request("POST", SIGN, headers=length, end=False)
            for at in range(0, len(text), 7):
                client.data(number, text[at:at + 7])
            client.h2.send_headers(number, [("x-trailer", "y")], end_stream=True)
            client.flush()
            assert client.wait(number)[0].status == 200
        # Padded with white space up to what a body may have.
        padded = text + b" " * (9 * 1024 * 1024)
        assert client.ask("POST", SIGN, padded).status == 200
        # Said to be too long, and found to be.
        said = client.ask("POST", SIGN, headers=[("content-length", str(10 ** 9))], end=False)
        assert (said.status, said.reset) == (413, None) or (said.status, said.reset) == (413, 0)
        number = client.request("POST", SIGN, end=False)
        while not client.answers[number].headers:
            room = min(16384, client.h2.local_flow_control_window(number))
            client.h2.send_data(number, b" " * room)
            client.flush()
            client.receive(0 if room else 5)
        assert client.wait(number)[0].status == 413
        # A client that waits to be told to go on.
        number = client.request("POST", SIGN, headers=[("expect", "100-continue"), ("content-length", str(len(text)))], end=False)
        while not client.answers[number].informational:
            assert client.receive()
        client.data(number, text, True)
        assert client.wait(number)[0].status == 200
        assert client.ask().status == 200


def test_long_replies_flow(front):
    f = front(serve=False)
    f.keeper.settings()
    keys = [bytes([i // 256, i % 256]) * 24 for i in range(8000)]
    for at in range(0, len(keys), 1000):
        f.keeper.keys(keys[at:at + 1000], first=at == 0, last=at == 7000)
    f.keeper.health()
    f.keeper.serve()
    with Http2(f) as client:
        replies = client.wait(*[client.request(path="/api/v1/eth2/publicKeys") for _ in range(4)])
        for one in replies:
            assert one.status == 200 and len(json.loads(one.body)) == 8000


def test_an_idle_connection_ends_with_goaway(either):
    f = either("--idle-connection-timeout-seconds=5")
    with Http2(f) as client:
        assert client.ask().status == 200
        time.sleep(3)
        client.send_frame(frames.PingFrame, opaque_data=b"12345678")  # which is no request
        began = time.monotonic()
        assert client.wait_for_end() == 0 and time.monotonic() - began < 5
    with Http2(f) as client:  # nothing is ever asked
        began = time.monotonic()
        assert client.wait_for_end() == 0 and 4.5 < time.monotonic() - began < 15


def test_a_kept_connection_serves_the_next_slot(front, folder):
    """Idle for longer than a slot of twelve seconds."""
    f = front(tls=Certificate(folder))
    with Http2(f) as client:
        assert client.ask().status == 200
        time.sleep(13)
        assert client.wait(client.sign())[0].status == 200


def test_the_end_of_the_front_is_told(either):
    f = either()
    with Http2(f) as client:
        assert client.ask().status == 200
        assert f.process.terminate() == 0
        assert client.wait_for_end() == 0


def test_answers_may_come_late_or_to_nobody(front):
    f = front()
    f.keeper.go.clear()
    gone, stays = Http2(f), Http2(f)
    for _ in range(50):
        gone.sign()
    kept = [stays.sign(randao(epoch)) for epoch in range(50)]
    for number in kept[::2]:
        stays.h2.reset_stream(number, 8)
    stays.flush()
    gone.stream.close()
    stays.ask()
    f.keeper.go.set()
    assert {a.status for a in stays.wait(*kept[1::2])} == {200}
    assert stays.ask().status == 200
    assert f.process.alive()
