"""POST /api/v1/eth2/sign: one message, many keys, by the stand-alone signer; the shape is that of pull request 29
of remote-signing-api."""
import concurrent.futures
import json
import struct
import time
from typing import NamedTuple

import pytest
import requests

import scripted_keeper
from front_process import ATTESTATION, FORK_INFO, front, leave, randao  # noqa: F401 (front is a fixture)
from scripted_keeper import SLASHABLE, STORE, UNKNOWN_KEY, answer, order_fields, signature_of
from test_key_manager import Manager, ONE, TWO
from test_signer_stores import database_options
from test_signer_standalone import GENESIS, Signer, attestation, needs_altair, sign_vectors, write_raw_keys  # noqa: F401

PATH = "/api/v1/eth2/sign"
FOR_MANY = {"AGGREGATION_SLOT", "ATTESTATION", "RANDAO_REVEAL", "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF"}
UNKNOWN = "0x" + "ab" * 48
KEYS_MAX, BODY_MAX = 8192, 2 * 1024 * 1024


def batch(url, identifiers, message, timeout=60, **more):
    return requests.post(url + PATH, json={"identifiers": identifiers, "signing_request": message}, timeout=timeout, **more)


class Many:
    """A signer with that many keys, 1, 2, ..., and slashing protection in a file unless other options are given."""

    def __init__(self, start, folder, number, network="minimal", options=None):
        self.database = folder / "slashing.sqlite"
        (folder / "keys").mkdir(exist_ok=True)
        for i in range(number):
            (folder / "keys" / f"key-{i}.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{i + 1:064x}"\n')
        if options is None:
            options = [f"--slashing-protection-db-path={self.database}", "--slashing-protection-far-future-epochs=any"]
        self.signer = Signer(start, folder, [f"--network={network}", *options])
        self.url = self.signer.url
        self.keys = requests.get(f"{self.url}/api/v1/eth2/publicKeys", timeout=20).json()
        assert len(self.keys) == number

    def batch(self, identifiers, message, **more):
        return batch(self.url, identifiers, message, **more)

    def commits(self):
        """Of SQLite's log: a frame that ends a transaction says how many pages the database has then. Frames of another
        salt are left over from before the log was begun anew, which is not to happen while a test counts."""
        log = self.database.with_name(self.database.name + "-wal").read_bytes()
        page_size, sequence, salts = struct.unpack(">II8s", log[8:24])
        frames = [log[at:at + 24] for at in range(32, len(log), 24 + page_size)]
        return Commits(sequence, sum(frame[8:16] == salts and frame[4:8] != bytes(4) for frame in frames))


class Commits(NamedTuple):
    log: int
    number: int

    def and_then(self, more):
        return Commits(self.log, self.number + more)


# ---- the same answers as to single requests ----

@pytest.mark.parametrize("network", ["minimal", "altair.yaml"])
def test_each_result_is_what_a_single_request_answers(start, folder, sign_vectors, network):
    of_altair = network != "minimal"
    (folder / "altair.yaml").write_text("PRESET_BASE: minimal\nCONFIG_NAME: minimal\nALTAIR_FORK_EPOCH: 0\n")
    name = folder / network if of_altair else network
    many = Many(start, folder, 5, name, ["--slashing-protection-enabled=false"])
    mine = [v["request"] for v in sign_vectors if v["network"] in ("minimal", "any") and needs_altair(v) == of_altair]
    seen = set()
    for message in mine:
        if message["type"] not in FOR_MANY:
            continue
        seen.add(message["type"])
        got = many.batch(many.keys[::-1], message)
        assert (got.status_code, got.headers["content-type"]) == (200, "application/json; charset=utf-8")
        singles = [many.signer.sign(key, message).json() for key in many.keys[::-1]]
        assert got.json() == [{"identifier": key, **single} for key, single in zip(many.keys[::-1], singles)]
    assert seen == {t for t in FOR_MANY if t.startswith("SYNC") == of_altair}


def test_published_signatures(start, folder, sign_vectors):
    wanted = [v for v in sign_vectors if v["request"]["type"] in FOR_MANY and v["network"] in ("minimal", "any") and not needs_altair(v)]
    assert wanted
    write_raw_keys(folder, {v["secret_key"] for v in wanted})
    signer = Signer(start, folder, ["--network=minimal", "--slashing-protection-enabled=false"])
    for vector in wanted:
        for request in (vector["request"], {**vector["request"], "signingRoot": vector["signing_root"]}):
            assert batch(signer.url, [vector["public_key"]], request).json() == [
                {"identifier": vector["public_key"], "signature": vector["signature"]}], vector["name"]


def test_types_that_name_a_validator_are_refused(start, folder, sign_vectors):
    many = Many(start, folder, 1, options=["--slashing-protection-enabled=false"])
    refused = {v["request"]["type"] for v in sign_vectors if v["request"]["type"] not in FOR_MANY}
    assert {"BLOCK_V2", "VOLUNTARY_EXIT", "VALIDATOR_REGISTRATION", "AGGREGATE_AND_PROOF"} <= refused
    for vector in sign_vectors:
        if vector["request"]["type"] not in FOR_MANY:
            got = many.batch(many.keys, vector["request"])
            assert (got.status_code, got.json()) == (400, {"error": "signing_request.type: cannot be signed as a batch: its message "
                                                                    "is one validator's"})
    generic = {"type": "GENERIC", "fork_info": FORK_INFO, "generic": {"root": "0x" + "11" * 32}}
    got = many.batch(many.keys, generic)
    assert got.status_code == 400 and got.json()["error"].startswith("signing_request.type: ")


# ---- slashing protection, key by key ----

def test_results_are_mixed_and_in_order(start, folder):
    many = Many(start, folder, 6)
    first = many.signer.sign(many.keys[1], attestation(7)).json()["signature"]
    assert many.signer.sign(many.keys[3], attestation(7, "0x" + "45" * 32)).status_code == 200
    refused = many.signer.sign(many.keys[3], attestation(7))
    asked = [many.keys[4], UNKNOWN, many.keys[3], many.keys[1][2:].upper(), many.keys[0]]
    got = many.batch(asked, attestation(7)).json()
    single = refused.json()
    assert [result["identifier"] for result in got] == [many.keys[4], UNKNOWN, many.keys[3], many.keys[1], many.keys[0]]
    assert got[1]["error"] == {"code": 404, "message": "identifier: no such key is loaded"}
    assert got[2]["error"] == {"code": 412, "message": single.pop("error"), "reason": single.pop("code"), **single}
    assert single == {"recorded_source_epoch": "0", "recorded_target_epoch": "7"}
    assert got[3]["signature"] == first  # what was signed is signed again
    assert {len(got[i]["signature"]) for i in (0, 4)} == {194}
    assert many.signer.sign(many.keys[0], attestation(7, "0x" + "45" * 32)).status_code == 412


def test_a_root_that_differs_is_each_keys_400(start, folder):
    many = Many(start, folder, 2)
    wrong = {**attestation(7), "signingRoot": "0x" + "11" * 32}
    single = many.signer.sign(many.keys[0], wrong)
    got = many.batch(many.keys, wrong)
    assert got.status_code == 200
    assert [result["error"] for result in got.json()] == 2 * [{"code": 400, "message": single.json()["error"]}]
    assert many.signer.sign(many.keys[0], attestation(7)).status_code == 200


def test_a_thousand_keys_are_one_commit(start, folder):
    many = Many(start, folder, 1100)
    assert many.batch(many.keys, attestation(6)).status_code == 200  # locks the store to the network, too
    for target, number in ((7, 1000), (8, 1100)):  # one packet to the keeper, and two
        before = many.commits()
        got = many.batch(many.keys[:number], attestation(target, source=target - 1)).json()
        assert [r["identifier"] for r in got] == many.keys[:number] and all("signature" in r for r in got)
        assert many.commits() == before.and_then(1)
    before = many.commits()
    assert all("signature" in r for r in many.batch(many.keys, attestation(8, source=7)).json())
    assert many.commits() == before  # nothing new


def test_lone_requests_are_signed_between_the_keys_of_a_batch(start, folder):
    """In the order of arrival there would be about one of each answer in the time of a batch."""
    many = Many(start, folder, 1001)
    lone, batched = many.keys[0], many.keys[1:]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        batches = pool.submit(lambda: [many.batch(batched, attestation(target, source=target - 1)).json() for target in range(1, 4)])
        answered = 0
        while not batches.done():
            assert many.signer.sign(lone, attestation(answered + 1, source=answered)).status_code == 200
            answered += 1
        assert all("signature" in r for results in batches.result() for r in results)
    assert answered > 15


def test_on_postgresql(start, folder, postgres_database):
    """Rows know their transaction. The courier is sent packets of 160 and takes together what has come meanwhile."""
    many = Many(start, folder, 1000, options=[*database_options(postgres_database)[1:], "--slashing-protection-far-future-epochs=any"])
    assert many.signer.sign(many.keys[0], attestation(6)).status_code == 200
    assert all("signature" in r for r in many.batch(many.keys, attestation(7, source=6)).json())
    rows = postgres_database.query("SELECT count(*), count(DISTINCT xmin::text) FROM signed_attestations WHERE target_epoch = 7")
    assert rows[0][0] == 1000 and rows[0][1] <= 7, rows
    got = many.batch(many.keys, attestation(7, "0x" + "45" * 32, source=6)).json()
    assert {r["error"]["reason"] for r in got} == {"double_vote"}


def test_a_kill_after_a_batch_keeps_every_record(start, folder):
    many = Many(start, folder, 40)
    signed = many.batch(many.keys, attestation(7)).json()
    many.signer.process.signal(9)
    many.signer.process.wait()
    again = Many(start, folder, 40)
    got = again.batch(again.keys, attestation(7, "0x" + "45" * 32)).json()
    assert {r["error"]["reason"] for r in got} == {"double_vote"}
    assert again.batch(again.keys, attestation(7)).json() == signed


def test_a_key_that_is_deleted_in_between(start, folder):
    manager = Manager(start, folder)
    assert manager.post(ONE, TWO).status_code == 200
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        def ask(target):
            return batch(manager.signer.url, [ONE, TWO], attestation(target, source=target - 1)).json()
        asked = pool.submit(lambda: [ask(target) for target in range(1, 60)])
        manager.delete(ONE)
        results = asked.result()
    outcome = ["signature" if "signature" in result[0] else result[0]["error"]["code"] for result in results]
    cut = outcome.index(404) if 404 in outcome else len(outcome)
    assert set(outcome[:cut]) <= {"signature", 412} and set(outcome[cut:]) <= {404}
    assert all("signature" in result[1] for result in results)
    assert ask(60)[0]["error"]["code"] == 404


# ---- what is no batch ----

def good(**changes):
    return {"identifiers": ["0x" + "01" * 48, "0x" + "02" * 48], "signing_request": randao(), **changes}


@pytest.mark.parametrize("body, named", [
    (b"", "malformed JSON"),
    (b"[]", "document: must be an object"),
    (b"{", "malformed JSON"),
    (b"\xff", "malformed JSON"),
    (json.dumps(randao()).encode() + b"{}", "malformed JSON"),
    (b'{"identifiers":[],"identifiers":[]}', "JSON has a member twice"),
    (b'{"identifiers":' + b"[" * 40 + b"]" * 40 + b"}", "JSON is nested deeper"),
    (b'{"x":[' + b"0," * 10000 + b"0]}", "JSON has more than"),
    (good(identifiers=None), "identifiers: must be an array"),
    (good(identifiers=[]), "identifiers: must not be empty"),
    (good(identifiers="0x" + "01" * 48), "identifiers: must be an array"),
    (good(identifiers=["0x" + "01" * 48, 7]), "identifiers[1]: "),
    (good(identifiers=["0x" + "01" * 47]), "identifiers[0]: "),
    (good(identifiers=["zz" * 48]), "identifiers[0]: "),
    (good(identifiers=["0x" + "0a" * 48, "0x" + "02" * 48, "0A" * 48]), "identifiers[2]: is the same key as identifiers[0]"),
    (good(identifiers=["0x" + "01" * 48] * (KEYS_MAX + 1)), "identifiers: must have at most 8192 elements"),
    (good(signing_request=None), "signing_request: "),
    (good(signing_request=[randao()]), "signing_request: must be an object"),
    (good(signing_request={}), "signing_request.type: "),
    (good(signing_request={"type": "RANDAO_REVEAL"}), "signing_request.fork_info: "),
    (good(signing_request=randao(epoch="x")), "signing_request.randao_reveal.epoch: "),
    (good(signing_request=randao(signingRoot="0x11")), "signing_request.signingRoot: "),
    ({**randao(), "identifiers": ["0x" + "01" * 48]}, "signing_request: is missing"),
])
def test_bodies_that_are_no_batch_name_the_member(front, body, named):
    f = front()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    got = f.request("POST", PATH, text)
    assert got.status_code == 400
    said = got.json()["error"]
    assert said.startswith(named), said
    assert f.keeper.batches == []
    assert f.request("POST", PATH, good()).status_code == 200


def test_size_limits(front):
    f = front()
    most = [f"0x{i:096x}" for i in range(1, KEYS_MAX + 1)]
    got = f.request("POST", PATH, good(identifiers=most))
    assert got.status_code == 200 and [r["identifier"] for r in got.json()] == most
    assert f.keeper.batches == 8 * [1024]
    long = json.dumps(good()).encode()
    assert f.request("POST", PATH, long.ljust(BODY_MAX)).status_code == 200
    assert f.request("POST", PATH, long.ljust(BODY_MAX + 1)).status_code == 413


# ---- the way to the keeper and back ----

def keys(number, tag=1):
    return ["0x" + bytes([tag]).hex() + f"{i:094x}" for i in range(number)]


def test_answers_in_any_order_and_in_several_packets(front):
    f = front()
    held = []

    def hold(order):
        held.append(order)
        if len(held) < 50:
            return None
        for i, one in enumerate(reversed(held)):
            number, _, key, _ = order_fields(one)
            packed = [answer(number, UNKNOWN_KEY), answer(number, STORE),
                      answer(number, SLASHABLE, verdict=7, attestation=(1, 2)), answer(number, signature=signature_of(one))][key[-1] % 4]
            scripted_keeper.send_packet(f.keeper.end, scripted_keeper.SIGNED, 1, packed)
        return None

    f.keeper.decide = hold
    got = f.request("POST", PATH, good(identifiers=keys(50))).json()
    assert [r["identifier"] for r in got] == keys(50)
    assert [r.get("error", {}).get("code") for r in got] == ([404, 500, 412, None] * 13)[:50]
    assert got[2]["error"] == {"code": 412, "message": "slashing protection refuses this RANDAO_REVEAL: double_vote", "reason": "double_vote",
                               "recorded_source_epoch": "1", "recorded_target_epoch": "2"}
    assert got[3]["signature"] == "0x" + signature_of(held[3]).hex()


def test_an_answer_that_comes_twice_ends_the_front(front):
    f = front()

    def twice(order):
        number = order_fields(order)[0]
        return answer(number) + answer(number) if order[63] == 0 else None

    f.keeper.decide = twice
    with pytest.raises(requests.ConnectionError):
        f.request("POST", PATH, good(identifiers=keys(2)))
    assert f.process.wait() == 1


def test_lone_requests_and_health_pass_batches_that_wait(front):
    f = front()
    f.keeper.decide = lambda order: answer(order_fields(order)[0]) if order[16] == 0 else None
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        batches = [pool.submit(f.request, "POST", PATH, good(identifiers=keys(3000, tag))) for tag in range(1, 7)]
        deadline = time.monotonic() + 10
        while sum(f.keeper.batches) < 6000 and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        for _ in range(20):
            assert f.sign().status_code == 200
            assert f.request("GET", "/healthcheck").status_code == 200
        assert time.monotonic() - began < 5
        assert sum(n for n in f.keeper.batches if n > 1) == 6000  # the others have to wait for a place
        results = [one.result() for one in batches]
    for got in results:
        assert got.status_code == 200
        assert {r["error"]["code"] for r in got.json()} == {503} and "within 10 seconds" in got.text
    f.keeper.decide = lambda order: answer(order_fields(order)[0])
    assert all("signature" in r for r in f.request("POST", PATH, good()).json())


def test_clients_that_leave_in_the_middle(front):
    f = front()
    f.keeper.go.clear()
    body = json.dumps(good(identifiers=keys(3000))).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for reset in (True, False):
        for sent in (len(body) // 2, len(body)):
            stream = f.connect()
            stream.sendall(head + body[:sent])
            leave(stream, reset)
    f.keeper.go.set()
    got = f.request("POST", PATH, good())
    assert got.status_code == 200 and all("signature" in r for r in got.json())


def test_too_many_batches_at_once(front):
    f = front()
    f.keeper.go.clear()
    body = json.dumps(good()).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    streams = [f.connect() for _ in range(300)]
    for stream in streams:
        stream.sendall(head + body)
    time.sleep(0.5)
    f.keeper.go.set()
    statuses = []
    for stream in streams:
        stream.settimeout(20)
        reply = stream.recv(65536)
        statuses.append(reply.split(b" ")[1])
        assert (b"retry-after: 1\r\n" in reply) == (statuses[-1] == b"503")
        stream.close()
    assert set(statuses) == {b"200", b"503"} and statuses.count(b"200") >= 256
    assert f.request("POST", PATH, good()).status_code == 200


def test_metrics_count_keys(front):
    f = front(metrics=True)
    assert f.request("POST", PATH, good(identifiers=keys(100))).status_code == 200
    text = requests.get(f"http://localhost:{f.metrics_port}/metrics", timeout=20).text
    assert "nitro_signer_batch_keys_sum 100\n" in text and "nitro_signer_batch_keys_count 1\n" in text
    assert 'nitro_signer_batch_keys_bucket{le="64"} 0\n' in text and 'nitro_signer_batch_keys_bucket{le="256"} 1\n' in text
    assert 'nitro_signer_sign_answers_total{outcome="signed"} 100\n' in text
    assert 'nitro_signer_signatures_total{type="RANDAO_REVEAL"} 100\n' in text
