"""nitro-signer-front and its clients: many at once, and those that behave badly."""
import http.client
import json
import signal
import threading
import time

import pytest

from front_process import IDENTIFIER, front, leave, post, randao  # noqa: F401 (front is a fixture)
from scripted_keeper import Certificate


# ---- load ----

def pile_up(f, count):
    """Sends one request on each of count connections while the front is stopped, then lets it go on."""
    streams = [f.connect() for _ in range(count)]
    for stream in streams:
        stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for stream in streams:  # all are accepted now
        assert stream.recv(4096).startswith(b"HTTP/1.1 200 ")
    f.process.signal(signal.SIGSTOP)
    for epoch, stream in enumerate(streams):
        stream.sendall(post(body=randao(epoch)))
    f.process.signal(signal.SIGCONT)
    return streams


def read_all(streams):
    bodies = []
    for stream in streams:
        response = http.client.HTTPResponse(stream)
        response.begin()
        bodies.append((response.status, response.read()))
        stream.close()
    return bodies


def test_300_connections_at_once_travel_in_batches(front):
    f = front()
    bodies = read_all(pile_up(f, 300))
    assert [status for status, _ in bodies] == [200] * 300
    assert len({body for _, body in bodies}) == 300
    assert sum(f.keeper.batches) == 300 and max(f.keeper.batches) <= 160
    assert len(f.keeper.batches) < 60


def test_a_keeper_that_does_not_read_is_waited_for(front):
    f = front()
    f.keeper.go.clear()
    streams = pile_up(f, 900)
    time.sleep(0.5)
    assert f.request("GET", "/healthcheck").status_code == 200  # does not wait for the keeper
    f.keeper.go.set()
    assert [status for status, _ in read_all(streams)] == [200] * 900
    assert sum(f.keeper.batches) == 900


def test_a_lone_request_is_not_delayed(front):
    f = front()
    with f.connect() as stream:
        times = []
        for _ in range(50):
            begin = time.monotonic()
            stream.sendall(post())
            response = http.client.HTTPResponse(stream)
            response.begin()
            response.read()
            times.append(time.monotonic() - begin)
        assert sorted(times)[25] < 0.035  # 40 ms would be Nagle's


# ---- clients that behave badly ----

def test_keep_alive_is_announced_and_idle_connections_end(front):
    f = front("--idle-connection-timeout-seconds=1")
    with f.connect() as stream:
        stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"keep-alive: timeout=1\r\n" in stream.recv(4096)
        begin = time.monotonic()
        assert stream.recv(1) == b""
        assert 0.5 < time.monotonic() - begin < 10


def test_pipelined_requests_are_answered_in_order(front):
    f = front()
    data = post(body=randao(1)) + b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data += post(body=randao(2), headers=b"Connection: close\r\n")
    got = f.raw(data)
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert got.count(IDENTIFIER.encode()) == 2
    assert got.find(b"\r\n\r\nOKHTTP/1.1") > got.find(IDENTIFIER.encode())


def test_chunked_bodies(front):
    f = front()
    reply = f.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", iter([b"{", json.dumps(randao()).encode()[1:]]))
    assert reply.status_code == 200


@pytest.mark.parametrize("data, status", [
    (b"GARBAGE\r\n\r\n", 400), (b"\x16\x03\x01\x00\xa5\x01\x00\n\x00", 400), (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 8192 + b"\r\n\r\n", 431),
    (b"POST /upcheck HTTP/1.1\r\nHost: h\r\nContent-Length: 33554433\r\n\r\n", 413),
    (b"POST /upcheck HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", 417),
    (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
])
def test_requests_that_are_none(front, data, status):
    f = front()
    got = f.raw(data)
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert "error" in json.loads(got.split(b"\r\n\r\n", 1)[1])
    assert f.sign().status_code == 200


def test_a_body_of_ten_mebibytes_is_read_and_one_more_byte_is_not(front):
    f = front()
    pad = 10 * 1024 * 1024 - len(json.dumps(randao(pad="")))
    assert f.sign(randao(pad="x" * pad)).status_code in (200, 400)
    assert f.sign(randao(pad="x" * (pad + 1))).status_code == 413


def test_truncated_requests_cost_nothing(front):
    f = front()
    data = post()
    for length in range(0, len(data), 7):
        with f.connect() as stream:
            stream.sendall(data[:length])
    assert f.sign().status_code == 200
    assert f.keeper.batches == [1]


@pytest.mark.parametrize("with_tls", [False, True])
def test_clients_that_leave_while_the_keeper_decides(front, folder, with_tls):
    f = front(tls=Certificate(folder) if with_tls else None)
    f.keeper.go.clear()
    staying = f.connect()
    staying.sendall(post(headers=b"Connection: close\r\n"))
    for i in range(60):
        stream = f.connect()
        stream.sendall(post(body=randao(i)))
        if i % 3 == 0:
            stream.sendall(post(body=randao(i))[:i])  # more behind it
        leave(stream, reset=i % 2 == 0)
    time.sleep(0.2)
    f.keeper.go.set()
    assert read_all([staying])[0][0] == 200
    assert f.sign().status_code == 200
    assert f.process.alive()


def test_many_clients_leaving_while_answers_fly(front):
    f = front()
    stop = threading.Event()

    def hammer(seed):
        i = seed
        while not stop.is_set():
            i += 1
            try:
                stream = f.connect()
                stream.sendall(post(body=randao(i)) * 2)
                if i % 3:
                    stream.recv(i % 200 + 1)
                leave(stream, reset=i % 2 == 0)
            except OSError:
                pass

    threads = [threading.Thread(target=hammer, args=(i * 1000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    assert f.sign().status_code == 200
