"""What is due early in its slot goes first, what nobody waits for is not signed: the front by itself with a scripted
keeper, and the whole stand-alone signer. Orders of things are looked at, not times."""
import concurrent.futures
import json
import socket
import struct
import time

import requests

from front_process import ATTESTATION, IDENTIFIER, Front, front, leave, randao  # noqa: F401 (front is a fixture)
from http2_client import Http2, frames
from scripted_keeper import ORDER_LEN, answer, order_fields, signature_of
from test_signer_standalone import Signer, attestation, write_raw_keys

STREAMS, WINDOW, PACKET, CANCELLED = 500, 640, 160, 10
KIND_ATTESTATION, KIND_AGGREGATION_SLOT, KIND_REGISTRATION = 2, 6, 11
LATE = 7
REGISTRATION = {"type": "VALIDATOR_REGISTRATION", "validator_registration": {
    "fee_recipient": "0x" + "ab" * 20, "gas_limit": "30000000", "timestamp": "100", "pubkey": IDENTIFIER}}
SELECTION = {"type": "AGGREGATION_SLOT", "aggregation_slot": {"slot": "96"}, "fork_info": ATTESTATION["fork_info"]}


class Held:
    """A front whose keeper reads nothing until it is told to go on, and then remembers the orders."""

    def __init__(self, front, **more):
        self.front = front(**more)
        self.keeper = self.front.keeper
        self.keeper.go.clear()
        self.orders = []
        self.keeper.decide = self.decide

    def decide(self, order):
        assert len(order) == ORDER_LEN and order[12:16] == bytes(4)
        self.orders.append((order[8], struct.unpack_from("<H", order, 10)[0]))
        return answer(order_fields(order)[0], signature=signature_of(order))

    @property
    def kinds(self):
        return [kind for kind, _ in self.orders]

    def metric(self, name):
        text = requests.get(f"http://localhost:{self.front.metrics_port}/metrics", timeout=20).text
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def flood(self, message, count):
        """Connections with that many requests on their way."""
        clients = [Http2(self.front) for _ in range(count // STREAMS)]
        for client in clients:
            for _ in range(STREAMS):
                client.sign(message)
            client.h2.ping(b"all came")  # is answered behind them
            client.flush()
            while client.pings == 0:
                assert client.receive()
        return clients


def answers_of(clients):
    for client in clients:
        while not all(a.ended or a.reset is not None for a in client.answers.values()):
            assert client.receive(20)
        yield from client.answers.values()
        client.stream.close()


def test_a_flood_waits_in_the_front_and_an_attestation_goes_by(front):
    held = Held(front)
    clients = held.flood(REGISTRATION, 3 * STREAMS) + held.flood(SELECTION, STREAMS)
    with Http2(held.front) as one:
        for _ in range(3):
            one.sign(ATTESTATION)
        one.h2.ping(b"all came")
        one.flush()
        while one.pings == 0:
            assert one.receive()
        held.keeper.go.set()
        assert all(a.status == 200 for a in answers_of([one]))
    assert all(a.status == 200 for a in answers_of(clients))
    assert len(held.orders) == 4 * STREAMS + 3
    kinds = held.kinds
    first = kinds.index(KIND_ATTESTATION)  # behind what was with the keeper, or on its way to it
    assert first <= WINDOW and kinds[first:first + PACKET].count(KIND_ATTESTATION) == 3
    # Then the selection proofs, which came last; and in each packet, however few were answered, a place for the others.
    last = len(kinds) - 1 - kinds[::-1].index(KIND_AGGREGATION_SLOT)
    assert kinds[last:].count(KIND_REGISTRATION) > 3 * STREAMS / 4 - WINDOW / 4


def test_a_steady_stream_of_attestations_leaves_the_rest_a_place(front):
    held = Held(front)
    clients = held.flood(ATTESTATION, 4 * STREAMS) + held.flood(REGISTRATION, STREAMS)
    held.keeper.go.set()
    assert all(a.status == 200 for a in answers_of(clients))
    kinds = held.kinds
    first, last = kinds.index(KIND_REGISTRATION), len(kinds) - 1 - kinds[::-1].index(KIND_ATTESTATION)
    assert first < last and 1 <= kinds[first:last].count(KIND_REGISTRATION) < 4 * STREAMS / 20
    assert kinds[last:].count(KIND_REGISTRATION) > STREAMS / 2


def test_who_has_left_costs_no_signature(front):
    held = Held(front, metrics=True)
    clients = held.flood(REGISTRATION, 3 * STREAMS)
    for number in list(clients[1].answers)[-CANCELLED:]:
        clients[1].send_frame(frames.RstStreamFrame, number, error_code=8)
    clients[1].h2.ping(b"all gone")
    clients[1].flush()
    while clients[1].pings == 1:
        assert clients[1].receive()
    leave(clients[2].stream, True)
    time.sleep(0.3)  # nothing tells that the front has seen it
    held.keeper.go.set()
    clients[1].answers = dict(list(clients[1].answers.items())[:-CANCELLED])
    assert sum(a.ended for a in answers_of(clients[:2])) == 2 * STREAMS - CANCELLED
    assert len(held.orders) == 2 * STREAMS - CANCELLED
    assert held.metric('nitro_signer_sign_answers_total{outcome="client_gone"}') == STREAMS + CANCELLED


def test_a_request_tells_how_long_it_waits(front):
    held = Held(front)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(held.front.sign)
        time.sleep(0.2)
        held.keeper.go.set()
        assert first.result().status_code == 200
    assert 9000 < held.orders[0][1] <= 10000
    held.keeper.decide = lambda order: answer(order_fields(order)[0], LATE)
    reply = held.front.sign()
    assert reply.status_code == 503 and "no signature within 10 seconds" in reply.json()["error"]


def test_attestations_beside_a_storm_of_registrations(start, folder):
    """All registrations are there before the first attestation comes; in the order of arrival none would be answered
    before the last of them."""
    write_raw_keys(folder, {f"0x{1:064x}"})
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/slashing.sqlite",
                                    "--slashing-protection-far-future-epochs=any"])
    key = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json()[0]
    path = f"/api/v1/eth2/sign/{key}"

    class Place:
        certificate, port = None, signer.port

        @staticmethod
        def connect(_context=None):
            return socket.create_connection(("127.0.0.1", signer.port), 20)

    def post(client, message):
        return client.request("POST", path, json.dumps(message).encode(), [("content-type", "application/json")])

    done = []
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        def storm(number):
            with Http2(Place) as client:
                for i in range(STREAMS):
                    post(client, {**REGISTRATION, "validator_registration": {
                        **REGISTRATION["validator_registration"], "pubkey": key, "timestamp": str(number * STREAMS + i)}})
                started.append(number)
                answers = [a.status for a in answers_of([client])]
                done.extend(["registration"] * len(answers))
                return answers

        started = []
        storms = [pool.submit(storm, number) for number in range(10)]
        while len(started) < 10:
            time.sleep(0.01)
        before = len(done)
        for target in range(1, 11):
            assert signer.sign(key, attestation(target, source=target - 1)).status_code == 200
        assert len(done) - before < 10 * STREAMS / 2, "attestations waited for the storm"
        assert all(status == 200 for one in storms for status in one.result())


def test_a_flood_leaves_places_in_the_front_to_attestations(start, pair, bin_dir):
    """More requests that are not due early than the front has places for: those are refused, not the attestation."""
    def small(program, *arguments, **more):
        return start("/usr/bin/prlimit", "--nofile=800:800", str(bin_dir / program), *arguments, **more)

    held = Held(lambda: Front(small, pair))
    clients = held.flood(REGISTRATION, 3 * STREAMS)
    with Http2(held.front) as one:
        for _ in range(50):
            one.sign(ATTESTATION)
        one.h2.ping(b"all came")
        one.flush()
        while one.pings == 0:
            assert one.receive()
        held.keeper.go.set()
        assert [a.status for a in answers_of([one])] == [200] * 50
    statuses = [a.status for a in answers_of(clients)]
    assert set(statuses) == {200, 503} and statuses.count(200) > 500
    assert held.front.process.terminate() == 0
