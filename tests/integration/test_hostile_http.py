"""The front's HTTP side: each member of each type of request made wrong over a real connection, and requests
damaged at random. What the keeper gets to see of it, is sound orders."""
import http.client
import json
import select
import socket
import ssl
import threading
import time

import pytest

from front_process import IDENTIFIER, front, post, randao  # noqa: F401 (front is a fixture)
from hostile import damage, mutants, name_of, seeded
from scripted_keeper import ORDER_LEN, Certificate, answer, order_fields, signature_of

SEPOLIA = """nitro-signer-policy 3
network sepolia
preset mainnet
genesis_time 1655733600
seconds_per_slot 12
phase0_fork_version 0x90000069
altair_fork 0x90000070 50
bellatrix_fork 0x90000071 100
capella_fork 0x90000072 56832
deneb_fork 0x90000073 132608
electra_fork 0x90000074 222464
fulu_fork 0x90000075 272640
gloas_fork 0x90000076 never
heze_fork 0x00000000 never
genesis_validators_root any
slashing_protection enabled
store sqlite:/nowhere
store_identity none
store_mode single
far_future_epochs 2
boot_floor disabled
kms_key none
region none
access any
log_level debug
"""
# A root need not be sent; the index of a sync committee message is no part of what is signed.
OPTIONAL = {"signingRoot", "signing_root"}
IGNORED = {"sync_committee_message.validator_index"}


@pytest.fixture(scope="session")
def shapes(vectors):
    """One of Lodestar's requests for each type, before and since Electra where its form changed."""
    found = {}
    for vector in json.loads((vectors / "lodestar-generated/signing/sepolia.json").read_text()):
        since_electra = vector["fork"] in ("electra", "fulu")
        whole_block = "block" in vector["request"].get("beacon_block", {}) or "block" in vector["request"]
        if not whole_block and vector["type"] != "BLS_TO_EXECUTION_CHANGE":  # which is none of Web3Signer's
            found.setdefault((vector["type"], since_electra), vector["request"])
    assert len({kind for kind, _ in found}) >= 11, sorted(found)
    return found


class Client:
    """One kept connection, opened again when the front has closed it."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def sign(self, text):
        body = text if isinstance(text, bytes) else text.encode()
        self.connection.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", body, {"Host": "localhost"})
        response = self.connection.getresponse()
        return response.status, response.read(), response.getheader("content-type")


def names_member(error, path):
    """The path itself, or that of a container of it when nothing more can be said ("fork_info: missing"...)."""
    return name_of(path) in error or (len(path) > 1 and names_member(error, path[:-1]))


def test_every_member_of_every_type_made_wrong(front, shapes):
    f = front(policy=SEPOLIA)
    client = Client(f.port)
    count = 0
    for (kind, since_electra), request in shapes.items():
        where = f"{kind}{' since Electra' if since_electra else ''}"
        status, body, _ = client.sign(json.dumps(request))
        assert status == 200, (where, body)
        before = sum(f.keeper.batches)
        for path, what, text in mutants(request, OPTIONAL):
            if name_of(path) in IGNORED and what != "twice" and what != "too deep":
                continue
            status, body, content_type = client.sign(text)
            count += 1
            assert (status, content_type) == (400, "application/json"), (where, name_of(path), what, status, body)
            error = json.loads(body)
            assert list(error) == ["error"], (where, name_of(path), what, body)
            if what == "twice":
                assert "twice" in error["error"], (where, name_of(path), error)
            elif what == "too deep":
                assert "nested" in error["error"], (where, name_of(path), error)
            else:
                assert names_member(error["error"], path), (where, name_of(path), what, error)
        assert sum(f.keeper.batches) == before, where
    assert count > 3000
    assert client.sign(json.dumps(randao()))[0] == 200
    assert f.process.terminate() == 0


@pytest.mark.parametrize("seed", range(3))
def test_bodies_damaged_at_random(front, shapes, seed):
    f = front(policy=SEPOLIA)

    def decide(order):
        assert len(order) == ORDER_LEN
        return answer(order_fields(order)[0], signature=signature_of(order))
    f.keeper.decide = decide
    rng, client = seeded("bodies", seed), Client(f.port)
    requests = [json.dumps(request).encode() for request in shapes.values()]
    seen = {}
    for number in range(700):
        status, body, _ = client.sign(damage(rng, rng.choice(requests)))
        seen[status] = seen.get(status, 0) + 1
        assert status in (200, 400), (seed, number, status, body)
        if status == 400:
            assert list(json.loads(body)) == ["error"], (seed, number, body)
    assert seen[400] > 300
    assert client.sign(requests[0])[0] == 200
    assert f.process.terminate() == 0


@pytest.mark.parametrize("seed", range(2))
def test_requests_damaged_at_random(front, seed):
    """Head and body. What comes back is HTTP or nothing; nothing holds the front up."""
    f = front()
    rng = seeded("requests", seed)
    chunked = (b"POST /api/v1/eth2/sign/" + IDENTIFIER.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"typ\r\n3;x=y\r\ne\":\r\n0\r\nTrailer: x\r\n\r\n")
    samples = [post(), post(headers=b"Expect: 100-continue\r\n"), chunked, b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3]
    for number in range(250):
        data = damage(rng, rng.choice(samples), changes=5)
        with socket.create_connection(("127.0.0.1", f.port), 20) as stream:
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while part := stream.recv(65536):
                    got += part
            except ConnectionResetError:
                pass
        assert got == b"" or got.startswith(b"HTTP/1.1 "), (seed, number, data, got)
    assert f.sign().status_code == 200
    assert f.process.terminate() == 0


def ask_without_end(stream, request, stop, most_seconds):
    """Sends as fast as the front takes it and reads what comes back, until it is told to stop or time is up."""
    data, at, end = memoryview(request * 1000), 0, time.monotonic() + most_seconds
    while not stop.is_set() and time.monotonic() < end:
        select.select([stream], [stream], [], 1)
        try:
            at = (at + stream.send(data[at:at + 16384])) % len(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            stream.recv(1 << 20)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass


@pytest.mark.parametrize("secure", [False, True])
def test_requests_without_end_on_one_connection_leave_others_their_turn(front, folder, secure):
    """Nobody waits for the end of what one client pipelines."""
    f = front(tls=Certificate(folder) if secure else None)
    stop = threading.Event()
    with f.connect() as greedy:
        greedy.setblocking(False)
        flood = threading.Thread(target=ask_without_end, args=(
            greedy, b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n", stop, 15))
        flood.start()
        time.sleep(0.3)
        for _ in range(5):
            assert f.request("GET", "/upcheck").status_code == 200
        assert flood.is_alive()
        stop.set()
        flood.join()
    assert f.process.terminate() == 0
