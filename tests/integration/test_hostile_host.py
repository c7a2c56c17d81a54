"""Whole enclaves in the hands of a malicious host (hostile_host.py). Service may be denied, with a line in the log; that is all.

What the other files do to single programs is not repeated here. Which attack is tried where:

    the control port: every member wrong, frames damaged, cut, too long   test_courier_hostile.py, test_hostile_courier.py
    another policy, any field of it; another access document              test_measured_policy.py, test_enclave_access.py
    ciphertexts that change places, are damaged, or are no keys           test_failed_keys.py, test_sealed.py
    KMS's answers damaged, wrong, endless (as if TLS were broken)         test_hostile_courier.py, test_courier.py
    an NSM that lies                                                      test_hostile_nsm.py
    DynamoDB: forged, deleted, copied items; lost and late answers        test_store_enclave.py, test_store_dynamodb.py
    the table of another account; a copy in another account               test_store_enclave.py
    HTTPS from outside: requests, HTTP/2, floods                          test_hostile_http.py, test_hostile_http2.py, test_front_clients.py
    channels between the enclave's own processes                          test_hostile_ipc.py
    what a log nobody reads costs                                         tests/unit/enclave/test_enclave_log.c, test_enclave_pid_1.py
    certificates out of their time; things said again, late, never, in
    any order; deaths in a start; the metrics port; the watchdog's part   test_hostile_order.py
    everything between them, at the level of bytes and of whole starts    here

NS_SEED chooses other damage, NS_ROUNDS more of it; a failure names what was done."""
import base64
import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import socket
import struct
import tempfile
import threading
import time

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from dynamodb_relay import Authority, TlsRelay
from enclave_rig import EPOCH, eventually
from harness import PATIENCE, Process, connect, control
from hostile import seeded
from hostile_host import QUICK, UP, Cut, Drip, Elsewhere, HostileHost, Replay, SecretCloud, Silence, Stall, judge_signatures, random_fault
from hostile_peers import KMS_NAME, Certificates, RecordingKms, Sink

SEED = os.environ.get("NS_SEED", "0")
ROUNDS = int(os.environ.get("NS_ROUNDS", 5))
TARGETS = itertools.count(EPOCH - 8000)  # of votes; all enclaves here are on one table
ONE_AT_A_TIME = threading.Lock()
SLOW = Silence(), Stall(at=300), Drip(at=300)
KEPT = 32  # descriptors that come and go by themselves: the store's connections, the control port's places
NAMES = (f"h{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def cloud(bin_dir, dynamodb, dynamodb_authority):
    """One cloud for all; what was signed anywhere is judged together at its end."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ns-", ignore_cleanup_errors=True)))
        (folder / "logs").mkdir()
        processes = []

        def starter(program, *arguments, fds=(), ready=True, env=None):
            process = Process(str(bin_dir / program), arguments, str(folder / "logs"), fds, env)
            processes.append(process)
            stack.callback(process.cleanup)
            return process.wait_ready() if ready else process
        relay = stack.enter_context(contextlib.closing(TlsRelay(dynamodb.port, dynamodb_authority, folder / "dynamodb")))
        cloud = SecretCloud(starter, bin_dir, folder, dynamodb, relay, num_keys=3)
        cloud.signed = []
        cloud.begin("--store-mode=fleet")
        yield cloud
        reports = [text for text in (process.sanitizer_report() for process in processes) if text]
        assert not reports, "\n".join(reports)
        judge_signatures(cloud)


@pytest.fixture
def make_host(cloud):
    """make_host() begins an enclave, make_host(init=True) one that serves. All end with the test, judged."""
    hosts = []

    def maker(init=False, **options):
        host = HostileHost(cloud, next(NAMES), **options)
        hosts.append(host)
        if init:
            assert host.begin() == {"status": 200, "body": {"init_state": True, "keys": len(cloud.keys), "failed": 0}}
        return host
    yield maker
    for host in hosts:
        host.close()
        if host.enclave.status is None:
            assert host.enclave.terminate() == 0, host.log()
        host.cloud.relay.heal()


def serves(host):
    """As if nothing had been: right keys, a signature, and none against it."""
    assert host.public_keys() == sorted(host.cloud.keys)
    with ONE_AT_A_TIME:  # who takes a later target and is quicker would make this one a refusal
        target = next(TARGETS)
        assert host.settled(0, target) == 200
        assert host.settled(0, target, variant=2) == 412


def rng_of(*names):
    return seeded(SEED, *names)


# ---- the way to KMS and to the store, while it starts ----

def init_among(host, rng, kinds):
    """init over roads on which the next connections are spoiled; then over sound ones. What was done, and what came of it."""
    done = {wire.target: [random_fault(rng, kinds) for _ in range(rng.randint(1, 4))] for wire in (host.kms, host.dynamodb)}
    for wire in (host.kms, host.dynamodb):
        wire.do(*done[wire.target])
    reply = host.init()
    assert reply["status"] in (200, 403, 500, 502), (done, reply)
    if reply["status"] != 200:
        assert reply["body"]["error"] and f"init: {reply['status']} " in host.log(), (done, host.log())
        host.heal()
        host.begin()
    host.judge(seed=done)
    host.heal()
    return reply["status"]


def test_starts_over_spoiled_roads(make_host):
    """Each is a start that works in the end, or one that says why not and can be had again. Where the host just sits on the bytes it
    is the courier's timeout that says so, and the control port answers all the time."""
    hosts = [make_host() for _ in range(ROUNDS)]
    slow = {fault: make_host() for fault in SLOW}
    with concurrent.futures.ThreadPoolExecutor(len(hosts) + len(slow)) as pool:
        for fault, host in slow.items():
            host.kms.do(fault)
        sat_on = {fault: pool.submit(host.init) for fault, host in slow.items()}
        spoiled = [pool.submit(init_among, host, rng_of("start", number), QUICK) for number, host in enumerate(hosts)]
        for fault, host in slow.items():
            eventually(lambda host=host: host.kms.connections)
            # On a busy machine it may have given up by now, or serve.
            assert host.state() in ("attest", "load") or sat_on[fault].done() or host.state() == "serve", fault
            assert host.ask("reload", encrypted_validator_keys=["AAAA"])["status"] == 409 or sat_on[fault].done() or host.state() == "serve"
            status = sat_on[fault].result(120 * PATIENCE)["status"]
            assert status in (200, 502), (fault, host.log())
            if status == 502:
                assert "init: 502" in host.log(), fault
                host.begin()
            host.judge(seed=fault)
        for one in spoiled:
            one.result(180 * PATIENCE)
    for host in [*hosts, *slow.values()]:
        serves(host)


@pytest.mark.parametrize("road, what", [("kms", "plain HTTP"), *((road, what) for road in ("kms", "dynamodb") for what in (
    "the other service", "its own authority", "a trusted certificate for another name", "an enclave's HTTPS"))])
def test_another_place_than_the_one_that_was_meant(make_host, cloud, folder, road, what):
    """Credentials, documents and records go to nobody but KMS and DynamoDB."""
    host = make_host()
    other = None
    if what == "the other service":
        address = f"unix:{cloud.folder}/kms" if road == "dynamodb" else cloud.relay.address
    elif what == "plain HTTP":
        address = f"tcp:127.0.0.1:{cloud.dynamodb.port}"
    elif what == "its own authority":
        forged = Authority(folder, names=(KMS_NAME, "DNS:dynamodb.us-east-1.amazonaws.com"))
        other = Certificates(folder, forged.certificate, forged.key)
    elif what == "a trusted certificate for another name":
        own = Authority(folder, names=("DNS:kms.us-east-1.amazonaws.com.example.org", "DNS:us-east-1.amazonaws.com", "DNS:kms.eu-central-1.amazonaws.com"))
        other = Certificates(folder, own.certificate, own.key)
        trusted = cloud.folder / "ca.pem"
        before = trusted.read_text()
        trusted.write_text(before + own.ca_file.read_text())
        host = make_host()
        assert host.state() == "wait"  # it has read the file
        trusted.write_text(before)
    else:
        neighbour = make_host(init=True)
        address = f"unix:{cloud.folder}/{neighbour.name}-https"
    address = other.address if other else address
    wire = getattr(host, road)
    wire.always(lambda: Elsewhere(address))
    decrypted, asked = cloud.devcloud.log().count("KMS Decrypt"), cloud.relay.requests
    reply = host.init()
    assert reply["status"] == 502, reply
    assert f"init: 502 {reply['body']['error']}" in host.log()
    assert host.state() == "attest" and not (other and other.heard)
    assert cloud.devcloud.log().count("KMS Decrypt") == decrypted
    assert road == "kms" or cloud.relay.requests == asked
    host.judge()
    host.heal()
    host.begin()
    serves(host)


@pytest.mark.parametrize("road", ["kms", "dynamodb"])
def test_recorded_bytes_of_another_start(make_host, road):
    """What KMS and DynamoDB said once, to this enclave or another, is worth nothing to a new connection."""
    first = make_host()
    wire = getattr(first, road)
    wire.recording = True
    first.begin()
    eventually(lambda: first.vote(0, next(TARGETS)) == 200)
    first.heal()  # ends the connections: their record is complete
    eventually(lambda: len(wire.said) > 0)
    recorded = [said for said in wire.said if len(said) > 1000]
    assert recorded
    for host in (make_host(), first):
        target = getattr(host, road)
        served = target.connections
        turns = itertools.cycle(recorded)
        target.always(lambda: Replay(next(turns)))
        if host is first and road == "dynamodb":
            assert host.vote(1, next(TARGETS)) in (500, 503, None)
        elif host is first:
            reply = host.ask("reload", encrypted_validator_keys=list(host.cloud.items_to_hand_in()[0].values()))
            assert reply["status"] == 502 and host.public_keys() == sorted(host.cloud.keys)
        else:
            assert host.init()["status"] == 502 and host.state() == "attest"
        assert target.connections > served
        host.judge()
        host.heal()
    eventually(lambda: first.vote(1, next(TARGETS)) == 200)


def test_kms_answers_of_another_enclave(make_host, cloud, folder):
    """Even from within KMS's TLS: an envelope opens in the one enclave whose document it answers, and for the one ciphertext
    that was asked about."""
    kms = RecordingKms(cloud, folder)
    trusted = cloud.folder / "ca.pem"
    before = trusted.read_text()
    trusted.write_text(before + kms.authority.ca_file.read_text())
    first, second = make_host(), make_host()
    assert first.state() == second.state() == "wait"  # they have read the file
    trusted.write_text(before)
    for host in (first, second):
        host.kms.always(lambda: Elsewhere(kms.address))
    validators, tls = cloud.items_to_hand_in()
    keys = list(validators)
    first.begin(encrypted_validator_keys=[validators[key] for key in keys])
    assert len(kms.answers) == 2 + len(keys)  # the store's key, TLS, validators
    serves(first)
    # Another enclave's: nothing opens.
    kms.replaying = itertools.cycle(kms.answers)
    reply = second.init()
    assert reply["status"] == 500 and second.state() == "attest", reply
    second.judge()
    # Its own, older and in another order: whose key a record is was said, and is held to.
    answers = dict(zip(keys, kms.answers[2:]))
    turned = [*keys[1:], keys[0]]
    kms.replaying = iter([answers[key] for key in turned])
    reply = first.ask("reload", encrypted_validator_keys=[validators[key] for key in keys], validator_pubkeys=[key[2:] for key in keys])
    assert reply["status"] == 500, reply
    serves(first)
    kms.replaying = iter([kms.answers[1]] * 3)  # the TLS key's for validators'
    assert first.ask("reload", encrypted_validator_keys=[validators[key] for key in keys])["status"] == 500
    serves(first)
    first.judge()
    kms.replaying = None
    second.begin()
    serves(second)


# ---- what the host hands in ----

def test_init_by_many_at_once(make_host):
    """One is heard, and what the others bring changes nothing, before and after."""
    host = make_host()
    policy = (host.cloud.folder / "policy.txt").read_text()
    other = policy.replace("far_future_epochs 2", "far_future_epochs any")
    assert other != policy
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        replies = list(pool.map(lambda number: host.init(), range(7)))
    assert sorted(reply["status"] for reply in replies) == [200] + [409] * 6, replies
    assert host.log().count("another init or reload is under way") + host.log().count("already initialised") == 6
    measured = host.ask("status")["body"]["pcr16"]
    for message in (host.init_message(), host.init_message(policy=other), host.init_message(encrypted_validator_keys=host.init_message()["encrypted_validator_keys"][:1])):
        with host.connect() as stream:
            assert control(stream, message)["status"] == 409
    assert host.ask("status")["body"]["pcr16"] == measured
    serves(host)
    host.judge()


def foreign_ciphertext(start, bin_dir, folder):
    """Of another stack, under its own KMS key."""
    (folder / "other").mkdir()
    other = SecretCloud(start, bin_dir, folder / "other", num_keys=1)
    return other.keys[0], next(iter(other.items_to_hand_in()[0].values()))


def test_reloads_of_whatever_the_host_finds(make_host, cloud, start, bin_dir, folder):
    """Of what is handed in, those are served that KMS opens and that are keys: never another, and never a half of a load."""
    host = make_host(init=True)
    validators, tls = cloud.items_to_hand_in()
    stranger, foreign = foreign_ciphertext(start, bin_dir, folder)
    rng = rng_of("reload")
    expected = set(cloud.keys)
    targets = {key: next(TARGETS) for key in range(len(cloud.keys))}
    for key, target in targets.items():
        assert host.vote(key, target) == 200
    for round_number in range(ROUNDS):
        handed, good = [], []
        for key in rng.sample(cloud.keys, rng.randint(0, len(cloud.keys))):
            handed.append((validators[key], key))
            good.append(key)
        damaged = bytearray(base64.b64decode(rng.choice(list(validators.values()))))
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        for bad in rng.sample([foreign, tls, base64.b64encode(damaged).decode(), base64.b64encode(rng.randbytes(200)).decode(), "AAAA",
                               base64.b64encode(damaged[:40]).decode()], rng.randint(0, 4)):
            handed.append((bad, None))
        rng.shuffle(handed)
        done = (round_number, [key or "bad" for _, key in handed])
        if not handed:
            continue
        reply = host.ask("reload", encrypted_validator_keys=[ciphertext for ciphertext, _ in handed])
        if good:
            assert reply == {"status": 200, "body": {"init_state": True, "keys": len(good), "failed": len(handed) - len(good)}}, (done, reply)
            expected = set(good)
        else:
            assert reply["status"] == 500 and "reload: 500" in host.log(), (done, reply)
        assert set(host.public_keys()) == expected and stranger not in expected, done
        for key, target in targets.items():
            served = cloud.keys[key] in expected
            assert host.vote(key, target, variant=2) == (412 if served else 404), done
            assert host.vote(key, target) == (200 if served else 404), done
        host.judge(seed=done)
    # One key twice in a load is one key or no load.
    key = cloud.keys[0]
    reply = host.ask("reload", encrypted_validator_keys=[validators[key]] * 2)
    assert reply["status"] in (200, 500) and len(set(host.public_keys())) == len(host.public_keys())
    assert host.ask("reload", encrypted_validator_keys=list(validators.values()))["status"] == 200
    serves(host)


def test_tls_keys_that_are_not_the_tls_key(make_host, cloud):
    """A validator's item, a stranger's, a damaged one: nothing is served, and the next init may be right."""
    host = make_host()
    validators, tls = cloud.items_to_hand_in()
    damaged = bytearray(base64.b64decode(tls))
    damaged[-20] ^= 1
    for wrong in (next(iter(validators.values())), base64.b64encode(damaged).decode(), "AAAA"):
        reply = host.init(encrypted_tls_key=wrong)
        assert reply["status"] == 500 and reply["body"]["error"], reply
        assert host.state() == "attest" and "init: 500" in host.log()
        with pytest.raises(requests.RequestException):
            host.get("/upcheck", timeout=5)
    host.judge()
    host.begin()
    serves(host)


def test_a_tls_key_that_the_host_made(make_host, cloud, folder):
    """Whoever may encrypt under the KMS key can have a TLS key of its own served. Clients that hold to the genuine certificate
    do not take it, and the attested state says which it is."""
    host = make_host()
    cloud.ctl("tls", "make", "--name=localhost", f"--out={folder}/mine", *cloud._kms(arn="key-arn"))
    mine = json.loads((folder / "mine/tls/1.json").read_text())
    host.begin(encrypted_tls_key=mine["encrypted_tls_key_b64"])
    with pytest.raises(requests.exceptions.SSLError):
        host.get("/upcheck")
    document = base64.b64decode(host.ask("attest", nonce="AAAA")["body"]["document"])
    genuine = (cloud.folder / "items/tls-cert.pem").read_text()
    assert key_digest((folder / "mine/tls-cert.pem").read_text()) in document and key_digest(genuine) not in document
    host.judge()


def key_digest(pem):
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).digest()


def test_credentials_of_others_while_it_works(make_host, cloud):
    """Each has a signature with its record or none. Real ones heal it."""
    host = make_host(init=True)
    rng = rng_of("credentials")
    real = host.credential
    wrong = [{**real, "secret_access_key": "x" * 40}, {**real, "access_key_id": "AKIDNOBODY"}, {**real, "token": "AAAA" * 30},
             {"access_key_id": "ASIAOLD", "secret_access_key": "o" * 40, "token": "old"}]
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            assert host.ask("credentials", credential=rng.choice([real, *wrong]))["status"] == 200
            time.sleep(0.02)
    flipping = threading.Thread(target=flip)
    flipping.start()
    statuses = [host.vote(number % 3, next(TARGETS)) for number in range(4 * ROUNDS)]
    stop.set()
    flipping.join()
    assert set(statuses) <= {200, 500, 503, 412}, statuses
    host.ask("credentials", credential=wrong[0])
    reply = host.ask("reload", encrypted_validator_keys=list(cloud.items_to_hand_in()[0].values()))
    assert reply["status"] in (403, 502) and f"reload: {reply['status']}" in host.log(), reply
    assert host.public_keys() == sorted(cloud.keys)
    host.ask("credentials", credential=real)
    eventually(lambda: host.vote(2, next(TARGETS)) == 200)
    serves(host)
    host.judge()


# ---- the control port, under load ----

def test_floods_of_the_control_port(make_host):
    """Requests that are not read, halves of long ones, connections without end: the signer signs, and is asked again later."""
    host = make_host(init=True)
    rng = rng_of("control")
    before = host.descriptors()
    frame = struct.pack(">I", 22) + b'{"operation":"status"}'
    ending, refused = threading.Event(), threading.Event()

    def flood(kind):
        while not ending.is_set():
            with contextlib.suppress(OSError), connect(host.address, timeout=5) as stream:
                if kind == 0:  # never reads
                    stream.settimeout(0.3)
                    stream.sendall(frame * 50000)
                elif kind == 1:  # most of the longest message, then nothing
                    stream.settimeout(1)
                    stream.sendall(struct.pack(">I", 24 << 20) + b" " * ((24 << 20) - 1))
                    stream.recv(1)
                elif kind == 2:
                    stream.sendall(struct.pack(">I", 0xffffffff) + b"x" * 100)
                    refused.set()
                else:  # comes and goes
                    stream.sendall(frame[:rng.randrange(len(frame))])
    threads = [threading.Thread(target=flood, args=(number % 4,)) for number in range(8)]
    for thread in threads:
        thread.start()
    began, signed = time.monotonic(), 0
    try:
        while signed < 6 or time.monotonic() < began + 3 or not refused.is_set():
            assert host.settled(0, next(TARGETS)) == 200
            signed += 1
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    eventually(lambda: host.state() == "serve")
    eventually(lambda: host.descriptors() <= before + KEPT)
    assert "control: " in host.log()
    serves(host)
    host.judge()


def test_a_peer_that_leaves_in_the_middle_of_init(make_host):
    """The reply has nobody to go to; the signer serves, or can be asked again."""
    rng = rng_of("leaves")
    hosts = [make_host() for _ in range(3)]
    for number, host in enumerate(hosts):
        stream = host.connect()
        text = json.dumps(host.init_message()).encode()
        whole = struct.pack(">I", len(text)) + text
        stream.sendall(whole if number else whole[:rng.randrange(4, len(whole))])
        if number == 2:
            stream.shutdown(socket.SHUT_WR)
        time.sleep(rng.random() / 5)
        stream.close()
    hosts[0].begin()
    for host in hosts:
        # 409: the first one is still under way.
        eventually(lambda: host.state() == "serve" or (host.state() in ("wait", "attest") and host.init()["status"] == 200), 120)
        serves(host)
        host.judge()


# ---- the store's road, while it signs ----

def test_votes_while_the_road_to_the_store_is_spoiled(make_host, cloud):
    """Two votes of each pair are asked for at once, over roads that do anything to the bytes: at most one is signed, and it is
    in the record by then (HostileHost.sign). In the last round no connection gets through."""
    host = make_host(init=True)
    rng = rng_of("store")
    lock, outage, done = threading.Lock(), threading.Event(), []

    def spoil():
        with lock:
            fault = Cut(rng.randrange(200), UP) if outage.is_set() else random_fault(rng, QUICK + (Stall, Drip), longest=20000) if rng.random() < 0.7 else None
            done.append(fault)
            return fault
    host.dynamodb.always(spoil)
    tally = {}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for round_number in range(ROUNDS):
            if round_number == ROUNDS - 1:
                outage.set()
                host.dynamodb.hang_up()
                time.sleep(0.3)  # connections that were just being made
            host.dynamodb.hang_up()
            target = next(TARGETS)
            pairs = [(key, variant) for key in range(3) for variant in (1, 2)]
            answers = dict(zip(pairs, pool.map(lambda pair: host.vote(pair[0], target, pair[1]), pairs)))
            for key in range(3):
                assert [answers[key, variant] for variant in (1, 2)].count(200) <= 1, (done, answers)
            for status in answers.values():
                tally[status] = tally.get(status, 0) + 1
    assert set(tally) <= {200, 412, 500, 503} and tally.get(500, 0) + tally.get(503, 0) > 0, (done, tally)
    host.judge(seed=done)
    host.heal()
    eventually(lambda: host.vote(0, next(TARGETS)) == 200)
    serves(host)
    assert "cannot be asked" in host.log()
    eventually(lambda: "answers again" in host.log())


# ---- the clients' road ----

def raw_exchange(host, data, seconds=1):
    """These bytes to the HTTPS port, and what it says."""
    answer = b""
    with contextlib.suppress(OSError), connect(f"unix:{host.cloud.folder}/{host.name}-https", timeout=seconds) as stream:
        stream.sendall(data)
        while part := stream.recv(65536):
            answer += part
    return answer


def test_https_bytes_spoiled_and_played_again(make_host, cloud):
    """Clients see a broken connection or a right answer; a recording of what they said orders nothing."""
    host = make_host(init=True)
    rng = rng_of("https")
    host.https.recording = True
    assert host.settled(0, next(TARGETS)) == 200
    host.https.hang_up()
    eventually(lambda: host.https.asked)
    host.https.recording = False
    writes = cloud.relay.operations["UpdateItem"] + cloud.relay.operations["PutItem"] + cloud.relay.operations["TransactWriteItems"]
    lines = host.log().count("ATTESTATION")
    for said in host.https.asked:
        assert b"HTTP/1.1 200" not in raw_exchange(host, said)
        assert b"HTTP/1.1 200" not in raw_exchange(host, said[:rng.randrange(1, len(said))], 0.2)
    assert cloud.relay.operations["UpdateItem"] + cloud.relay.operations["PutItem"] + cloud.relay.operations["TransactWriteItems"] == writes
    assert host.log().count("ATTESTATION") == lines
    done = [random_fault(rng, QUICK, longest=4000) for _ in range(3 * ROUNDS)]
    tally = set()
    for fault in done:
        host.https.do(fault)
        host.session().close()
        tally.add(host.vote(0, next(TARGETS), timeout=2))
    assert tally <= {200, None} and None in tally, (done, tally)
    host.heal()
    host.session().close()
    serves(host)
    host.judge(seed=done)


def test_a_host_that_stalls_half_of_the_clients(make_host):
    """Handshakes that never end hold no place of a client that speaks."""
    host = make_host(init=True)
    before = host.descriptors()
    with contextlib.ExitStack() as stack:
        for number in range(200):
            stream = stack.enter_context(connect(f"unix:{host.cloud.folder}/{host.name}-https"))
            with contextlib.suppress(OSError):
                stream.sendall((b"\x16\x03\x01\x02\x00\x01" + b"\0" * number)[:number % 40])
        serves(host)
        host.judge()
    eventually(lambda: host.descriptors() <= before + KEPT)


# ---- the log ----

def test_a_log_that_is_read_by_nobody_or_badly(make_host, cloud):
    sink = Sink(cloud.folder / "sink")
    host = make_host(log=f"unix:{sink.path}")
    host.begin()
    eventually(lambda: "serve" in sink.text)
    for way, lines in (("close", 50), ("speak", 50), ("stall", 6000)):
        sink.change(way)
        with host.connect() as stream:
            for _ in range(lines):  # each is a line: a refusal
                assert control(stream, b"{}")["status"] == 400
        assert host.settled(0, next(TARGETS)) == 200, way
        host.judge()
    sink.change("read")
    # Told by whoever had lines dropped, when it has another.
    eventually(lambda: host.ask("nothing")["status"] == 400 and "lines of this log were dropped" in sink.text, 20)
    serves(host)
    assert not [word for word in cloud.forbidden() if word in sink.text]
    sink.listener.close()
    sink.path.unlink()
    sink.change("close")
    serves(host)
    host.judge()

