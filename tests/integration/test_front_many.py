"""nitro-signer-front and thousands of connections: idle ones, all at one moment, and health among them."""
import json
import re
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pytest
import requests

from client_certificate import ClientCertificate
from front_process import HARD, IDENTIFIER, Front, front, post, randao  # noqa: F401 (front is a fixture)
from harness import PATIENCE, sanitized
from http2_client import PREFACE as CLIENT_PREFACE, Http2, frames
from scripted_keeper import Certificate

PREFACE = CLIENT_PREFACE + frames.SettingsFrame(0).serialize()
UPCHECK = b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"


def raise_limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))


def resident(f):
    """Bytes of memory that the front has of its own."""
    with open(f"/proc/{f.process.pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(re.findall(r"^(\w+): +(\d+) kB", file.read(), re.M))
    return (int(fields["Private_Dirty"]) + int(fields["Private_Clean"])) * 1024


def small(f, each, most_bytes):
    """Whether a connection costs that little; nothing is known of it in a build that watches its memory."""
    return each < most_bytes or sanitized(f"/proc/{f.process.pid}/exe")


def served(stream, request=UPCHECK):
    stream.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got:
        part = stream.recv(4096)
        if not part:
            return b""
        got += part
    return got


def report(text):
    print(text)
    sys.stderr.write(f"\n{text}\n")


@pytest.mark.parametrize("kind, most_bytes", [("plain", 4096), ("tls", 40960), ("mutual tls", 49152)])
def test_20000_idle_connections(front, folder, kind, most_bytes):
    """As many of them as the limits of this machine allow; each was served once, and the last is served as fast as the first."""
    raise_limit()
    wanted = min(20000 if kind == "plain" else 5000, HARD - 200 if HARD > 0 else 20000)
    options, context = ["--idle-connection-timeout-seconds=600"], None
    server = Certificate(folder) if kind != "plain" else None
    if kind == "mutual tls":
        client = ClientCertificate(folder, "client")
        (folder / "known").write_text(client.line())
        options.append(f"--tls-known-clients-file={folder}/known")
        context = client.context(server)
    elif server:
        context = ssl.create_default_context(cafile=server.ca_file)
    f = front(*options, tls=server)
    assert served(f.connect(context)).startswith(b"HTTP/1.1 200 ")
    before, streams, began = resident(f), [], time.monotonic()
    for _ in range(wanted):
        streams.append(f.connect(context))
        assert served(streams[-1]).startswith(b"HTTP/1.1 200 ")
    each = (resident(f) - before) / wanted
    report(f"{wanted} idle connections ({kind}): {each:.0f} bytes of memory each in the front, "
           f"{(time.monotonic() - began) / wanted * 1e6:.0f} us each to open and serve")
    assert small(f, each, most_bytes)
    assert served(streams[0]) and served(streams[-1])
    for stream in streams:
        stream.close()


def test_half_open_and_slow_connections_are_bounded(front, folder):
    """Clients that begin a handshake or a request and stop: what each costs, and that their time is short."""
    f = front(tls=Certificate(folder))
    context = ssl.create_default_context(cafile=f.certificate.ca_file)
    kept = f.connect(context)
    assert served(kept)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    before, streams, began = resident(f), [], time.monotonic()
    for i in range(600):
        streams.append(socket.create_connection(("127.0.0.1", f.port), 20))
        streams[-1].sendall(hello if i % 2 else hello[:-1])
    assert served(kept) and served(f.connect(context))  # let in after all of them
    each = (resident(f) - before) / len(streams)
    report(f"{len(streams)} half-open connections: {each:.0f} bytes of memory each in the front")
    assert small(f, each, 65536)
    slow = [f.connect(context) for _ in range(20)]
    for stream in slow:
        stream.sendall(post()[:60])
    for stream in streams:  # the front ends them; what it sent of the handshake is read away
        stream.settimeout(20)
        try:
            while stream.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert 9 <= time.monotonic() - began < 20
    assert served(kept)
    for stream in streams + slow:
        stream.close()


LARGE = b"GET /api/v1/eth2/publicKeys HTTP/1.1\r\nHost: localhost\r\n\r\n"


def unread(port, send=LARGE):
    """A client that asks and does not read."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.settimeout(20)
    stream.connect(("127.0.0.1", port))
    stream.sendall(send)
    return stream


@pytest.mark.parametrize("version", [1, 2])
def test_replies_that_nobody_takes_are_bounded(front, version):
    """600 clients that ask for two mebibytes each; meanwhile others get theirs."""
    f = front(serve=False)
    f.keeper.settings()
    for part in range(20):
        f.keeper.keys([b"\x80" + bytes([part, i >> 8, i & 255]) + bytes(44) for i in range(1024)], first=part == 0, last=part == 19)
    f.keeper.health()
    f.keeper.serve()
    with requests.get(f"http://localhost:{f.port}/api/v1/eth2/publicKeys", timeout=20) as whole:
        assert len(whole.json()) == 20480
    before, streams = resident(f), []
    for _ in range(600):
        streams.append(unread(f.port) if version == 1 else Http2(f, acknowledge=False))
        if version == 2:
            streams[-1].request(path="/api/v1/eth2/publicKeys")
    assert served(f.connect()).startswith(b"HTTP/1.1 200 ")
    held = resident(f) - before
    report(f"{len(streams)} clients that take no reply over HTTP/{version}: {held / 2**20:.0f} MiB of memory in the front")
    assert sanitized(f"/proc/{f.process.pid}/exe") or held < 256 * 2**20
    assert requests.get(f"http://localhost:{f.port}/api/v1/eth2/publicKeys", timeout=20).content == whole.content
    for one in streams:
        (one if version == 1 else one.stream).close()


def test_those_who_never_asked_make_room_first(start, pair, bin_dir):
    """With every place taken, a kept connection that was served stays, however old; those that only connected go."""
    limited = lambda program, *words, **more: start(shutil.which("prlimit"), "--nofile=200:200", bin_dir / program, *words, **more)
    f = Front(limited, pair)
    kept = f.connect()
    assert served(kept)
    crowd = [f.connect() for _ in range(400)]
    late = f.connect()
    assert served(late).startswith(b"HTTP/1.1 200 ")
    assert served(kept).startswith(b"HTTP/1.1 200 ")
    crowd[0].settimeout(5)
    assert crowd[0].recv(1) == b""
    for stream in [kept, late, *crowd]:
        stream.close()
    f.keeper.close()


TOKEN = "kUr6Z2vJ0mQ-x_T9aYw3"
# What strangers send who have no token: nothing, one byte, a whole request, one whose body stops, and these over HTTP/2.
CROWDS = {"silent": b"", "one byte": b"G", "refused": UPCHECK, "half a body": post(headers=b"Connection: keep-alive\r\n")[:-9],
          "no HTTP": b"nonsense\r\n\r\n", "HTTP/2": PREFACE, "a head of HTTP/2": PREFACE + b"\0\0\2\1\0\0\0\0\1\x82\x86"}


@pytest.mark.parametrize("name", CROWDS)
def test_those_who_were_never_admitted_make_room_first(start, pair, bin_dir, folder, name):
    """Kept connections of clients with a token stay, and a new one is let in, whatever strangers do."""
    (folder / "tokens").write_text(TOKEN)
    limited = lambda program, *words, **more: start(shutil.which("prlimit"), "--nofile=200:200", bin_dir / program, *words, **more)
    f = Front(limited, pair, f"--http-path-tokens-file={folder}/tokens")
    admitted = UPCHECK.replace(b"/upcheck", b"/" + TOKEN.encode() + b"/upcheck")
    kept = [f.connect() for _ in range(10)]
    assert all(served(stream, admitted).startswith(b"HTTP/1.1 200 ") for stream in kept)
    crowd = []
    for _ in range(400):
        crowd.append(f.connect())
        try:
            crowd[-1].sendall(CROWDS[name])
        except OSError:
            pass
    began, late = time.monotonic(), f.connect()
    assert served(late, admitted).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began < 2 * PATIENCE  # nobody was waited for
    assert all(served(stream, admitted).startswith(b"HTTP/1.1 200 ") for stream in kept)
    for stream in [late, *kept, *crowd]:
        stream.close()
    f.keeper.close()


HANDSHAKE_SECONDS, FEWER = 10, 50  # that the front gives; how many we can surely do in that time


class Storm:
    """Many clients in one thread, each of which opens a connection, sends one request and waits for the signature."""

    def __init__(self, port, context, count):
        self.port, self.context, self.count, self.again, self.left = port, context, count, 0, 0
        self.poll, self.waiting, self.done = select.epoll(), {}, []

    def open(self):
        for _ in range(self.count):
            self.open_one()

    def open_one(self):
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex(("127.0.0.1", self.port))
        self.poll.register(stream, select.EPOLLOUT)
        self.waiting[stream.fileno()] = [stream, self.begin, b"", time.monotonic()]

    def was_too_slow(self, client):
        """The front gives a handshake ten seconds, and a busy machine may not have them for all of us: another try, with
        fewer at a time. TLS 1.3 lets a client send its request before the front has seen the end of that. False: it is to blame."""
        may_shake_hands = client[1] != self.receive or (self.context and not client[2])
        if not may_shake_hands or time.monotonic() - client[3] < HANDSHAKE_SECONDS - 1:
            return False
        self.poll.unregister(client[0])
        del self.waiting[client[0].fileno()]
        client[0].close()
        self.again += 1
        self.left += 1
        return True

    def begin(self, client):
        """It is connected."""
        if self.context:
            client[0] = self.context.wrap_socket(client[0], server_hostname="localhost", do_handshake_on_connect=False)
        client[1] = self.shake if self.context else self.send
        client[1](client)

    def shake(self, client):
        client[0].do_handshake()
        self.send(client)

    def send(self, client):
        client[0].sendall(post())
        client[1] = self.receive

    def receive(self, client):
        part = client[0].recv(4096)
        if not part:
            raise ConnectionError("closed without an answer")
        client[2] += part
        if b"0x" in client[2].partition(b"\r\n\r\n")[2]:
            assert client[2].startswith(b"HTTP/1.1 200 OK")
            self.poll.unregister(client[0])
            del self.waiting[client[0].fileno()]
            self.done.append(client[0])

    def run(self, seconds):
        until = time.monotonic() + seconds * PATIENCE
        while self.waiting or self.left:
            while self.left and len(self.waiting) < FEWER:
                self.left -= 1
                self.open_one()
            assert time.monotonic() < until, f"{len(self.waiting)} still wait"
            for number, _ in self.poll.poll(1):
                self.poll.modify(number, select.EPOLLIN)
                client = self.waiting[number]
                try:
                    client[1](client)
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                except OSError:
                    if not self.was_too_slow(client):
                        raise
        for stream in self.done:
            stream.close()


@pytest.mark.bar(7)
@pytest.mark.parametrize("with_tls", [False, True])
def test_3000_connections_within_a_second(front, folder, with_tls):
    """All open at the start of a slot, each with one request; the keeper decides at once. The second is told, not held to: it is
    the test's own clients' that open them."""
    raise_limit()
    f = front(tls=Certificate(folder) if with_tls else None)
    storm = Storm(f.port, ssl.create_default_context(cafile=f.certificate.ca_file) if with_tls else None, 3000)
    began = time.monotonic()
    storm.open()
    opened = time.monotonic() - began
    assert storm.count == len(storm.waiting) == 3000
    storm.run(180)
    assert len(storm.done) == 3000
    report(f"3000 connections{' with TLS' if with_tls else ''}: opened in {opened:.2f} s, all signed for after "
           f"{time.monotonic() - began:.2f} s, {storm.again} of them at another try")


# A client of its own process, which asks until its input ends and then says how long each answer took.
KEPT = r"""
import select, socket, ssl, sys, time
stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
if sys.argv[2]:
    stream = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(stream, server_hostname="localhost")
waits = []
while not select.select([sys.stdin], [], [], 0.002)[0]:
    began, got = time.monotonic(), b""
    stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while not got.endswith(b"OK"):
        part = stream.recv(4096)
        assert part
        got += part
    waits.append(time.monotonic() - began)
    if len(waits) == 1:
        print("ready", flush=True)
print(*waits)
"""


@pytest.mark.parametrize("with_tls, count", [(False, 5000), (True, 2000)])
def test_a_kept_connection_is_served_during_a_storm(front, folder, with_tls, count):
    """All at once: none is lost, memory has a bound, and who was there before waits for a few of them, not for all.
    With TLS no more than clients in Python can shake hands with in the ten seconds that the front gives them."""
    raise_limit()
    f = front(tls=Certificate(folder) if with_tls else None)
    context = ssl.create_default_context(cafile=f.certificate.ca_file) if with_tls else None
    before, storm = resident(f), Storm(f.port, context, min(count, HARD // 2 - 200 if HARD > 0 else count))
    kept = subprocess.Popen([sys.executable, "-c", KEPT, str(f.port), f.certificate.ca_file if with_tls else ""], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        assert kept.stdout.readline() == "ready\n"
        storm.open()
        storm.run(180)
        waits = [float(word) for word in kept.communicate(timeout=60 * PATIENCE)[0].split()]
    finally:
        kept.kill()
        kept.wait()
    each = (resident(f) - before) / storm.count
    report(f"{storm.count} connections at once{' with TLS' if with_tls else ''}: {each:.0f} bytes each in the front; a kept connection was served "
           f"{len(waits)} times meanwhile, after {sorted(waits)[len(waits) // 2] * 1e3:.1f} ms, at most {max(waits) * 1e3:.1f} ms")
    assert len(waits) >= 10 and small(f, each, 65536)


def test_what_a_storm_took_is_given_back(front, folder):
    f = front(tls=Certificate(folder))
    context = ssl.create_default_context(cafile=f.certificate.ca_file)
    before, streams = resident(f), []
    for _ in range(600):
        stream = context.wrap_socket(socket.create_connection(("127.0.0.1", f.port)), server_hostname="localhost")
        assert served(stream).startswith(b"HTTP/1.1 200")
        streams.append(stream)
    most = resident(f)
    for stream in streams[:-1]:  # the last keeps what lies before it from the end of the heap
        stream.close()
    until = time.monotonic() + 15
    while resident(f) - before > (most - before) // 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert resident(f) - before <= (most - before) // 2 or sanitized(f"/proc/{f.process.pid}/exe")
    assert served(streams[-1]).startswith(b"HTTP/1.1 200")
    streams[-1].close()


@pytest.mark.bar(7)
def test_health_is_answered_while_signing_is_saturated(front, folder):
    """100 clients that never pause, on connections they keep, from processes of their own; a prober beside them."""
    f = front(tls=Certificate(folder))
    script = (f"import http.client, ssl, sys, threading\n"
              f"context = ssl.create_default_context(cafile={f.certificate.ca_file!r})\n"
              f"body = {json.dumps(randao())!r}\n"
              f"def work():\n"
              f"    c = http.client.HTTPSConnection('localhost', {f.port}, context=context)\n"
              f"    while True:\n"
              f"        c.request('POST', '/api/v1/eth2/sign/{IDENTIFIER}', body)\n"
              f"        assert len(c.getresponse().read()) == 194\n"
              f"for _ in range(100): threading.Thread(target=work, daemon=True).start()\n"
              f"sys.stdin.read()\n")
    load = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while sum(f.keeper.batches) < 500:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with f.connect() as stream:
            times, before = [], sum(f.keeper.batches)
            for i in range(400):
                began = time.monotonic()
                request = UPCHECK if i % 2 else UPCHECK.replace(b"/upcheck", b"/healthcheck")
                assert served(stream, request).startswith(b"HTTP/1.1 200 ")
                times.append(time.monotonic() - began)
                time.sleep(0.005)
            signed = sum(f.keeper.batches) - before
    finally:
        load.stdin.close()
        load.kill()
        load.wait()
    times.sort()
    report(f"/healthcheck and /upcheck beside {signed} signatures: median {times[200] * 1e3:.1f} ms, "
           f"p99 {times[395] * 1e3:.1f} ms")
    assert signed > 400
    # The prober, the load and a keeper in Python share the cores with the front, so the bound is not the bar's 5 ms.
    assert times[395] < 0.5
