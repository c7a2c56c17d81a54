"""Clients that do something else while their request is at the keeper: end their side, reset, send more, or do not read.

The keeper is held back, so that whatever the client does is there before the answer is."""
import re
import socket
import ssl
import time

import pytest

from front_process import front, leave, post, randao  # noqa: F401 (front is a fixture)
from harness import sanitized
from scripted_keeper import Certificate

TRANSPORTS = ["plain", "TLSv1_2", "TLSv1_3"]
UPCHECK = b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """A connection that can end its own side: over TLS by close_notify, which Python's sockets cannot send and go on."""

    def __init__(self, f, transport):
        self.stream = socket.create_connection(("127.0.0.1", f.port), 20)
        self.tls = None
        if transport == "plain":
            return
        context = ssl.create_default_context(cafile=f.certificate.ca_file)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[transport]
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self._until_done(self.tls.do_handshake)

    def _until_done(self, step):
        while True:
            try:
                done = step()
                self._push()
                return done
            except ssl.SSLWantReadError:
                self._push()
                part = self.stream.recv(65536)
                if part:
                    self.incoming.write(part)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:  # the end, with or without close_notify
                return b""

    def _push(self):
        if self.outgoing.pending:
            self.stream.sendall(self.outgoing.read())

    def send(self, data):
        if not self.tls:
            self.stream.sendall(data)
            return
        for at in range(0, len(data), 16384):
            self.tls.write(data[at:at + 16384])
            self._push()

    def records(self, *parts):
        """Each part a record of its own, all in one segment."""
        if not self.tls:
            self.stream.sendall(b"".join(parts))
            return
        for part in parts:
            self.tls.write(part)
        self._push()

    def end_output(self, notify=True):
        if self.tls and notify:
            with pytest.raises(ssl.SSLWantReadError):
                self.tls.unwrap()
            self._push()
        if not self.tls or not notify:
            self.stream.shutdown(socket.SHUT_WR)

    def receive(self):
        try:
            return self._until_done(lambda: self.tls.read(65536)) if self.tls else self.stream.recv(65536)
        except OSError:
            return b""

    def answers(self, count):
        """Whole bodies of so many signatures; less if the front closes first."""
        got = b""
        while len(re.findall(rb"\r\n\r\n0x[0-9a-f]{192}", got)) < count:
            part = self.receive()
            if not part:
                break
            got += part
        return got

    def rest(self):
        got = b""
        while part := self.receive():
            got += part
        return got


@pytest.fixture
def held(front, folder):
    def maker(transport, *options):
        f = front(*options, tls=None if transport == "plain" else Certificate(folder))
        f.keeper.go.clear()
        return f
    return maker


def let_go_after(f, seconds=0.1):
    """The front has time to notice what the client did."""
    time.sleep(seconds)
    f.keeper.go.set()


def processor_seconds(f):
    with open(f"/proc/{f.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("notify", [True, False])
def test_who_ends_its_side_gets_its_answer(held, transport, notify):
    f = held(transport)
    client = Client(f, transport)
    client.send(post())
    client.end_output(notify)
    before = processor_seconds(f)
    let_go_after(f, 0.5)
    assert processor_seconds(f) - before < 0.3  # an end that is ready to be read all the time is no reason to spin
    got = client.rest()
    assert got.startswith(b"HTTP/1.1 200 OK") and got.count(b"HTTP/1.1 ") == 1, got
    assert len(got.partition(b"\r\n\r\n")[2]) == 194
    assert f.process.terminate() == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_ends_its_side_before_the_request_is_whole_gets_none(held, transport):
    f = held(transport)
    client = Client(f, transport)
    client.send(post()[:-1])
    client.end_output()
    assert client.rest() == b""
    f.keeper.go.set()
    assert f.sign().status_code == 200
    assert sum(f.keeper.batches) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("reset", [True, False])
def test_who_leaves_while_the_keeper_works_is_forgotten(held, transport, reset):
    f = held(transport)
    clients = [Client(f, transport) for _ in range(20)]
    for client in clients:
        client.send(post())
        leave(client.stream, reset)
    let_go_after(f)
    deadline = time.monotonic() + 20
    while sum(f.keeper.batches) < 20 and not reset:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert f.sign().status_code == 200
    assert f.process.terminate() == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("way", ["one record", "many records", "meanwhile"])
def test_pipelined_requests_are_answered_one_after_the_other(held, transport, way):
    f = held(transport)
    client, requests = Client(f, transport), [post(body=randao(epoch)) for epoch in range(12)]
    if way == "one record":
        client.send(b"".join(requests))
    elif way == "many records":
        client.records(*requests)
    else:
        for request in requests:
            client.send(request)
            time.sleep(0.01)
    time.sleep(0.1)
    f.keeper.go.set()
    got = client.answers(12)
    assert got.count(b"HTTP/1.1 200 OK") == 12
    assert f.keeper.batches == [1] * 12  # no second order of a connection before the first is answered
    client.send(UPCHECK)
    assert b"\r\n\r\nOK" in client.receive()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_request_split_over_records_and_a_pause(held, transport):
    f = held(transport)
    f.keeper.go.set()
    client, request = Client(f, transport), post()
    client.records(*[request[at:at + 1] for at in range(len(request))], request[:40])
    assert client.answers(1).startswith(b"HTTP/1.1 200 OK")
    client.records(request[40:], UPCHECK, request)
    got = client.answers(2)
    assert got.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_pipelines_without_end_is_held_up(held, transport):
    """What waits behind a request waits in the kernel: the front neither reads it all nor spins over it."""
    f = held(transport)
    client = Client(f, transport)
    client.send(post())
    client.stream.settimeout(0.5)
    resident, used, sent = f.process, processor_seconds(f), 0
    with pytest.raises(socket.timeout):
        while sent < 64 * 2**20:
            client.send(UPCHECK * 372)
            sent += 372 * len(UPCHECK)
    time.sleep(0.5)
    assert processor_seconds(f) - used < 0.6, resident
    with open(f"/proc/{f.process.pid}/status", encoding="ascii") as status:
        kibibytes = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))
    assert kibibytes < 40000 or sanitized(f"/proc/{f.process.pid}/exe")
    leave(client.stream, True)
    f.keeper.go.set()
    assert f.sign().status_code == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("garbage", [b"\0" * 9000, b"\r\n\r\nno request at all\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
                         ids=["zeros", "words", "two hosts"])
def test_garbage_behind_a_request_is_refused_after_its_answer(held, transport, garbage):
    f = held(transport)
    client = Client(f, transport)
    client.send(post() + garbage)
    let_go_after(f)
    got = client.rest()
    first, second = re.match(rb"(HTTP/1.1 200 .*?\r\n\r\n0x[0-9a-f]{192})(.*)", got, re.S).groups()
    assert b"keep-alive" in first and re.match(rb"HTTP/1.1 4\d\d ", second) and b"connection: close" in second, got


@pytest.mark.parametrize("transport", ["TLSv1_2", "TLSv1_3"])
def test_what_is_no_record_behind_a_request(held, transport):
    """The answer may still come, for the request was sound; the connection ends, and others do not notice."""
    f = held(transport)
    other, client = Client(f, transport), Client(f, transport)
    client.send(post())
    client.stream.sendall(b"this is no record, and longer than the head of one" * 40)
    let_go_after(f)
    assert client.rest()[:15] in (b"", b"HTTP/1.1 200 OK")
    other.send(post())
    assert other.answers(1).startswith(b"HTTP/1.1 200 OK")
    assert f.process.terminate() == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_slow_reader_of_a_large_answer(front, folder, transport):
    """More than the kernel takes at once, read in small pieces, with a request behind it."""
    f = front(serve=False)
    f.keeper.settings()
    if transport != "plain":
        f.certificate = Certificate(folder)
        f.keeper.tls(f.certificate)
    for part in range(20):
        f.keeper.keys([b"\x80" + bytes([part, i >> 8, i & 255]) + bytes(44) for i in range(1024)], first=part == 0, last=part == 19)
    f.keeper.health()
    f.keeper.serve()
    client = Client(f, transport)
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    client.records(b"GET /api/v1/eth2/publicKeys HTTP/1.1\r\nHost: localhost\r\n\r\n", UPCHECK)
    time.sleep(0.2)
    got = bytearray()
    while not got.endswith(b"\r\n\r\nOK"):
        part = client.receive()
        assert part, len(got)
        got += part
    assert got.count(b'"0x80') == 20480
    client.send(UPCHECK)
    assert client.receive().endswith(b"\r\n\r\nOK")
