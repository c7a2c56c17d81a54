"""Bad input over HTTP/2: what has been done to other servers, each rule of RFC 9113 broken, and frames damaged at random.

After each of it another connection is served, and what the front holds stays small."""
import json
import struct
import time

import h2.config
import h2.connection
import pytest

from front_process import front, leave, randao  # noqa: F401 (front is a fixture)
from harness import PATIENCE
from hostile import seeded
from http2_client import PREFACE, SIGN, Http2, frames
from scripted_keeper import Certificate
from test_front_many import resident, small

PROTOCOL_ERROR, CANCEL, REFUSED_STREAM, ENHANCE_YOUR_CALM = 1, 8, 7, 11
MIB = 1024 * 1024


def serves(f):
    with Http2(f) as client:
        assert client.wait(client.sign())[0].status == 200
    assert f.request("GET", "/upcheck").text == "OK"
    return f.process.alive()


def literal(name, value):
    """A field as HPACK's literal without indexing."""
    def text(data):
        return (bytes([len(data)]) if len(data) < 127 else b"\x7f" + varint(len(data) - 127)) + data
    return b"\0" + text(name) + text(value)


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value % 128 + 128]), value // 128
    return out + bytes([value])


HEAD = literal(b":method", b"GET") + literal(b":scheme", b"http") + literal(b":path", b"/upcheck") + literal(b":authority", b"localhost")
IN_TABLE = b"\x40\x01x\x7f" + varint(4000 - 127) + b"y" * 4000  # and then 0xbe for each time that it comes again


def raw_head(client, block, stream=1, flags=("END_HEADERS", "END_STREAM")):
    client.send_frame(frames.HeadersFrame, stream, flags, data=block)


# ---- streams ----

def test_rapid_reset(front):
    """Streams opened and cancelled as fast as they can be: the keeper gets a bounded number of orders, the client GOAWAY."""
    f = front()
    body = json.dumps(randao()).encode()
    with Http2(f) as client:
        f.keeper.go.clear()
        pieces = []
        for number in range(1, 20001, 2):
            client.h2.send_headers(number, client.head("POST", SIGN))
            client.h2.send_data(number, body, end_stream=True) if number < 100 else client.h2.end_stream(number)
            client.h2.reset_stream(number, CANCEL)
            pieces.append(client.h2.data_to_send())
        client.send(b"".join(pieces))
        assert client.wait_for_end() in (ENHANCE_YOUR_CALM, 2, None)
        f.keeper.go.set()
    assert serves(f)
    assert sum(f.keeper.batches) <= 600


def test_cancelled_streams_count_until_they_are_answered(front):
    """A client gets no more work done at a time by cancelling."""
    f = front()
    with Http2(f) as client:
        f.keeper.go.clear()
        cancelled = [client.sign(randao(epoch)) for epoch in range(512)]
        for number in cancelled:
            client.h2.reset_stream(number, CANCEL)
        client.flush()
        assert client.ask().reset == REFUSED_STREAM
        with Http2(f) as other:
            assert other.ask().status == 200
        f.keeper.go.set()
        deadline = time.monotonic() + 10 * PATIENCE
        while client.ask().reset == REFUSED_STREAM:
            assert time.monotonic() < deadline
        assert client.wait(client.sign())[0].status == 200
    assert sum(f.keeper.batches) < 513  # nobody signs what was cancelled before the keeper was asked
    assert serves(f)


def test_clients_that_leave_with_everything_under_way(front, folder):
    f = front(tls=Certificate(folder))
    f.keeper.go.clear()
    for reset in (False, True) * 5:
        client = Http2(f)
        for epoch in range(100):
            client.sign(randao(epoch))
        client.request("POST", SIGN, b"{", end=False)
        leave(client.stream, reset)
    f.keeper.go.set()
    assert serves(f)


def test_whoever_ends_its_output_is_gone(front):
    f = front()
    with Http2(f) as client:
        f.keeper.go.clear()
        for epoch in range(50):
            client.sign(randao(epoch))
        client.ask()
        client.stream.shutdown(1)
        client.wait_for_end()
        f.keeper.go.set()
    assert serves(f)


# ---- floods ----

def flood(f, data, rounds=1000, begin=True):
    """Sends it until the front has had enough; the error code of its GOAWAY."""
    with Http2(f) as client:
        if begin:
            assert client.ask().status == 200
        for _ in range(rounds):
            client.send(data)
            if client.closed:
                break
            client.receive(0)
        client.wait_for_end()
        return client.goodbye


@pytest.mark.parametrize("name, one", [
    ("PING", frames.PingFrame(0, b"12345678")),
    ("SETTINGS", frames.SettingsFrame(0, {4: 65535})),
    ("PRIORITY", frames.PriorityFrame(1001, depends_on=3, stream_weight=1)),
    ("WINDOW_UPDATE", frames.WindowUpdateFrame(0, 1)),
    ("an unknown frame", frames.ExtensionFrame(type=0xBE, stream_id=0, flag_byte=0, body=b"")),
    ("RST_STREAM", frames.RstStreamFrame(1, 8)),
])
def test_floods_of_small_frames(front, name, one):
    f = front()
    before = resident(f)
    began = time.monotonic()
    code = flood(f, one.serialize() * 500)
    assert code in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, 2, None), name
    assert time.monotonic() - began < 10
    assert small(f, resident(f) - before, 2 * MIB)
    assert serves(f)


def test_empty_data_frames(front):
    f = front()
    with Http2(f) as client:
        client.request("POST", SIGN, end=False)
        client.send(frames.DataFrame(1, b"").serialize() * 5000)
        assert client.wait_for_end() == ENHANCE_YOUR_CALM
    assert serves(f)


def test_pings_of_a_client_that_does_not_read(front):
    """Its acknowledgements do not pile up."""
    f = front()
    before = resident(f)
    clients = [Http2(f) for _ in range(50)]
    for client in clients:
        client.stream.settimeout(2)
        client.send(frames.PingFrame(0, b"12345678").serialize() * 1900)
    assert small(f, resident(f) - before, 8 * MIB)
    assert serves(f)
    for client in clients:
        client.stream.close()


def test_continuation_flood(front):
    f = front()
    before = resident(f)
    with Http2(f) as client:
        client.receive()
        client.send_frame(frames.HeadersFrame, 1, data=HEAD)
        for i in range(100):
            client.send_frame(frames.ContinuationFrame, 1, data=literal(b"x-%d" % i, b"y" * 100))
        client.wait_for_end()
    assert small(f, resident(f) - before, MIB)
    assert serves(f)


def test_nothing_may_come_between_the_parts_of_a_head(front):
    f = front()
    with Http2(f) as client:
        client.receive()
        client.send_frame(frames.HeadersFrame, 1, data=HEAD)
        client.send_frame(frames.PingFrame, 0, opaque_data=b"12345678")
        assert client.wait_for_end() == PROTOCOL_ERROR
    assert serves(f)


@pytest.mark.parametrize("fields, status", [
    ([("x", "y" * 8160)], 431), ([("x", "y" * 9000)], 431), ([(f"x-{i}", "y") for i in range(101)], 431), ([(f"x-{i}", "y" * 100) for i in range(90)], 431),
    ([("x", "y" * 30000)], 431),
])
def test_long_heads_are_431(front, fields, status):
    f = front()
    with Http2(f) as client:
        assert client.ask(headers=fields).status == status
        assert client.ask().status == 200
        assert client.ask(path="/" + "x" * 4100).status == 414
        assert client.ask(headers=[("x", "y" * 7000)]).status == 200


def test_heads_that_grow_when_unpacked(front):
    """One field of 4,000 bytes in HPACK's table, named 16,000 times in as many bytes."""
    f = front()
    before = resident(f)
    with Http2(f) as client:
        client.receive()
        client.pretend(1)
        raw_head(client, HEAD + IN_TABLE)
        client.pretend(3)
        raw_head(client, HEAD + b"\xbe" * 12000, 3)
        assert client.wait_for_end() == ENHANCE_YOUR_CALM
    assert small(f, resident(f) - before, MIB)
    assert serves(f)


def test_trailers_that_grow_when_unpacked(front):
    """As heads: what is read and dropped costs time, too."""
    f = front()
    with Http2(f) as client:
        client.receive()
        client.pretend(1)
        raw_head(client, HEAD + IN_TABLE)
        client.pretend(3)
        raw_head(client, HEAD, 3, ("END_HEADERS",))
        raw_head(client, b"\xbe" * 12000, 3)
        assert client.wait_for_end() == ENHANCE_YOUR_CALM
    assert serves(f)


def test_trailers_are_dropped(front):
    f = front()
    with Http2(f) as client:
        client.receive()
        for number in (1, 3, 5):
            client.pretend(number)
            raw_head(client, HEAD, number, ("END_HEADERS",))
            raw_head(client, IN_TABLE + b"\xbe" * 14, number)
        assert [one.status for one in client.wait(1, 3, 5)] == [200] * 3
    assert serves(f)


# ---- windows ----

def many_keys(front):
    f = front(serve=False)
    f.keeper.settings()
    keys = [bytes([i // 256, i % 256]) * 24 for i in range(4000)]
    for at in range(0, 4000, 1000):
        f.keeper.keys(keys[at:at + 1000], first=at == 0, last=at == 3000)
    f.keeper.health()
    f.keeper.serve()
    return f


@pytest.mark.parametrize("window", [0, 1])
def test_closed_windows_hold_little(front, window):
    """Replies of 400 KB, 500 of them a connection, that nobody takes: a few of them are kept, the rest is turned away."""
    f = many_keys(front)
    before = resident(f)
    for _ in range(3):
        clients = [Http2(f, settings={4: window}, acknowledge=False) for _ in range(4)]
        for client in clients:
            client.receive()
            numbers = [client.request(path="/api/v1/eth2/publicKeys") for _ in range(500)]
            answers = client.answers
            while sum(answers[n].reset is None for n in numbers) > 40:
                assert client.receive()
            resets = {answers[n].reset for n in numbers}  # which of the two limits came first is a matter of time
            assert None in resets and resets & {ENHANCE_YOUR_CALM, REFUSED_STREAM} == resets - {None} != set()
        assert small(f, resident(f) - before, 80 * MIB)
        with Http2(f) as client:
            assert client.ask(path="/api/v1/eth2/publicKeys").ended
        for client in clients:
            client.stream.close()


def test_many_bodies_at_once_are_bounded(front):
    """Bodies begun on many streams of many connections: what is beyond the limits is 503, and others are served."""
    f = front()
    before = resident(f)
    clients = [Http2(f) for _ in range(6)]
    for client in clients:
        client.receive()
        for _ in range(350):
            number = client.request("POST", SIGN, end=False)
            client.data(number, b" " * 60000)
            client.receive(0)
            if client.goodbye is not None:
                break  # it did not stop sending what was refused
    for client in clients:  # those that stopped first are told
        while client.receive(0.2):
            pass
    statuses = [a.headers.get(":status") for client in clients for a in client.answers.values()]
    assert statuses.count("503") > 20 and statuses.count(None) > 900
    assert small(f, resident(f) - before, 160 * MIB)
    assert serves(f)
    for client in clients:
        client.stream.close()
    assert serves(f)


# ---- the rules of RFC 9113 ----

def with_field(name, value):
    return HEAD + literal(name, value)


@pytest.mark.parametrize("block", [
    with_field(b"connection", b"keep-alive"), with_field(b"keep-alive", b"timeout=1"), with_field(b"proxy-connection", b"x"),
    with_field(b"transfer-encoding", b"chunked"), with_field(b"upgrade", b"h2c"), with_field(b"te", b"gzip"),
    with_field(b"X-Upper", b"y"), with_field(b"x y", b"z"), with_field(b"", b"z"), with_field(b"x:y", b"z"), with_field(b"x\r\ny", b"z"),
    with_field(b"x", b"y\r\nhost: evil"), with_field(b"x", b"y\0"), with_field(b"x", b"y\n"), with_field(b"x", b"\x7f"),
    with_field(b":path", b"/again"), with_field(b":status", b"200"), with_field(b":unknown", b"x"), with_field(b":protocol", b"websocket"),
    literal(b"x", b"y") + HEAD, HEAD.replace(literal(b":path", b"/upcheck"), b""), HEAD.replace(literal(b":method", b"GET"), b""),
    HEAD.replace(literal(b":scheme", b"http"), b""), HEAD.replace(literal(b":authority", b"localhost"), b""),
    HEAD.replace(literal(b":path", b"/upcheck"), literal(b":path", b"upcheck")), HEAD.replace(literal(b":path", b"/upcheck"), literal(b":path", b"")),
    HEAD.replace(literal(b":path", b"/upcheck"), literal(b":path", b"/a b HTTP/1.1\r\nx:")),
    HEAD.replace(literal(b":path", b"/upcheck"), literal(b":path", b"/a b")), HEAD.replace(literal(b":path", b"/upcheck"), literal(b":path", b"http://localhost/upcheck")),
    HEAD.replace(literal(b":method", b"GET"), literal(b":method", b"G T")), HEAD.replace(literal(b":method", b"GET"), literal(b":method", b"")),
    HEAD.replace(literal(b":method", b"GET"), literal(b":method", b"CONNECT")), with_field(b"host", b"other"), with_field(b"host", b""),
    HEAD.replace(literal(b":authority", b"localhost"), literal(b":authority", b"user@localhost")),
    HEAD.replace(literal(b":scheme", b"http"), literal(b":scheme", b"ftp")),
    with_field(b"content-length", b"5"), with_field(b"content-length", b"0") + literal(b"content-length", b"0"), with_field(b"content-length", b"-1"),
    with_field(b"host", b"localhost") + literal(b"host", b"localhost"),
    HEAD + b"\x80", HEAD + b"\xff\xff\xff\xff\xff\xff\xff", HEAD + b"\x00\x7f", HEAD + b"\x3f\xe1\xff\xff\x7f",
])
def test_malformed_requests(front, block):
    """Each is answered with 400, or its stream or connection ends; none reaches a route, and none hurts the others."""
    f = front(hosts="localhost")
    with Http2(f) as client:
        client.receive()
        answer = client.pretend(1)
        raw_head(client, block)
        while not (answer.ended or answer.reset is not None or client.closed):
            assert client.receive() or client.closed
        if answer.ended:
            assert answer.status == 400 and list(json.loads(answer.body)) == ["error"]
    assert serves(f)


def test_the_host_may_be_said_twice_or_without_authority(front):
    f = front(hosts="localhost")
    with Http2(f) as client:
        assert client.ask(headers=[("host", "LOCALHOST")]).status == 200
        assert client.ask(head=[(":method", "GET"), (":scheme", "http"), (":path", "/upcheck"), ("host", "localhost")]).status == 200
        assert client.ask(head=[(":method", "GET"), (":scheme", "http"), (":path", "/upcheck"), ("host", "other")]).status == 403
        assert client.ask(headers=[("te", "trailers")]).status == 200


@pytest.mark.parametrize("length, sent", [(10, 11), (10, 9), (0, 1)])
def test_bodies_must_have_their_length(front, length, sent):
    f = front()
    with Http2(f) as client:
        client.receive()
        number = client.request("POST", SIGN, headers=[("content-length", str(length))], end=False)
        client.send_frame(frames.DataFrame, number, ["END_STREAM"], data=b" " * sent)
        assert client.wait(number)[0].reset == PROTOCOL_ERROR
        assert client.ask().status == 200
    assert f.keeper.batches == []


def raw(kind, flags, stream, payload=b"", length=None):
    """A frame of any sort."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


DATA, HEADERS, _, RESET, SETTINGS, PROMISE, PING, _, WINDOW, CONTINUATION = range(10)


@pytest.mark.parametrize("data", [
    raw(PROMISE, 4, 1, b"\0\0\0\2" + HEAD), raw(DATA, 0, 0, b"x"), raw(DATA, 0, 5, b"x"), raw(DATA, 0, 2, b"x"), raw(HEADERS, 4, 2, HEAD),
    raw(HEADERS, 4, 0, HEAD), raw(CONTINUATION, 4, 1), raw(SETTINGS, 0, 0, b"\0\4\x80\0\0\0"), raw(SETTINGS, 0, 0, b"\0\5\0\0\0\1"),
    raw(SETTINGS, 0, 0, b"\0\2\0\0\0\2"), raw(SETTINGS, 0, 1, b"\0\4\0\0\0\1"), raw(SETTINGS, 0, 0, b"hello"), raw(SETTINGS, 1, 0, b"\0\4\0\0\0\1"),
    raw(SETTINGS, 0, 0, b"\0\4\0\0\0\1" * 200), raw(PING, 0, 0, b"seven.."), raw(PING, 0, 1, b"12345678"), raw(RESET, 0, 1, b"abc"),
    raw(RESET, 0, 5, b"abcd"), raw(WINDOW, 0, 0, bytes(4)), raw(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2, raw(WINDOW, 0, 5, b"\0\0\0\1"),
    raw(DATA, 0, 1, length=0xFFFFFF), raw(HEADERS, 5, 1, length=0x10000), raw(HEADERS, 13, 1, b"\xff" + HEAD), raw(HEADERS, 0x25, 1, b"\0"),
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
])
def test_broken_frames_end_the_connection(front, data):
    f = front()
    with Http2(f) as client:
        client.receive()
        client.send(data)
        client.wait_for_end()
    assert serves(f)


@pytest.mark.parametrize("data", [PREFACE[:10], PREFACE, PREFACE + b"x" * 100, PREFACE[:-1] + b"x", PREFACE + b"\0\0\0\6\0\0\0\0\0", PREFACE + PREFACE])
def test_bad_beginnings(front, data):
    f = front()
    with f.connect() as stream:
        stream.sendall(data)
        stream.shutdown(1)
        stream.settimeout(10)
        try:
            while stream.recv(4096):
                pass
        except OSError:
            pass
    assert serves(f)


# ---- anything ----

def conversation():
    """The bytes of a client that asks for a few things, frame by frame."""
    c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    c.initiate_connection()
    pieces = [c.data_to_send()]
    for number in range(1, 14, 2):
        c.send_headers(number, Http2.head("POST", SIGN), end_stream=False)
        pieces.append(c.data_to_send())
        c.send_data(number, json.dumps(randao(number)).encode(), end_stream=True)
        pieces.append(c.data_to_send())
        c.ping(b"12345678")
        c.increment_flow_control_window(100)
        pieces.append(c.data_to_send())
    return pieces


def mutate(pieces, random_number):
    out = list(pieces)
    for _ in range(random_number.randint(1, 4)):
        at = random_number.randrange(len(out))
        piece = bytearray(out[at])
        kind = random_number.randrange(7)
        if kind == 0:
            piece[random_number.randrange(len(piece))] ^= 1 << random_number.randrange(8)
        elif kind == 1:  # a frame's header, where damage is worth most
            start = len(PREFACE) if at == 0 and len(piece) > len(PREFACE) else 0
            piece[start + random_number.randrange(min(9, len(piece) - start))] = random_number.randrange(256)
        elif kind == 2:
            del piece[random_number.randrange(len(piece)):]
        elif kind == 3:
            piece[random_number.randrange(len(piece)):0] = random_number.randbytes(random_number.randint(1, 40))
        elif kind == 4:
            piece = piece * 2
        elif kind == 5:
            piece = bytearray(struct.pack(">I", random_number.randint(0, 60))[1:] + bytes([random_number.randrange(12), random_number.randrange(256)]) +
                              struct.pack(">I", random_number.randrange(16)) + random_number.randbytes(random_number.randint(0, 60)))
        else:
            other = random_number.randrange(len(out))
            out[other], piece = bytes(piece), bytearray(out[other])
        out[at] = bytes(piece) or b"\0"
    return b"".join(out)


def test_conversations_damaged_at_random(front):
    """For some seconds; what the keeper sees of them is sound orders."""
    f = front()
    source = seeded("http2")
    pieces, count = conversation(), 0
    until = time.monotonic() + 6
    waiting = []
    while time.monotonic() < until:
        stream = f.connect()
        stream.settimeout(5)
        try:
            stream.sendall(mutate(pieces, source))
        except OSError:
            pass
        waiting.append(stream)
        if len(waiting) > 30:
            waiting.pop(0).close()
        count += 1
    for stream in waiting:
        stream.close()
    print(f"{count} damaged conversations, {sum(f.keeper.batches)} orders")
    orders = -1
    while sum(f.keeper.batches) != orders:  # the keeper is slower
        orders = sum(f.keeper.batches)
        time.sleep(3)
    assert count > 200 and sum(f.keeper.batches) > 100
    assert serves(f)
