"""Whole enclaves in the hands of a malicious host, second part: when things come. Certificates out of their time; what was said before
and is said again, late or never; messages in any order; deaths at any moment of a start; the ports nobody had tried.

test_hostile_host.py has the rest, and says what the other files try. NS_SEED and NS_ROUNDS are as there."""
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import struct
import threading
import time

import pytest
import requests

from dynamodb_relay import HOST, Authority
from enclave_rig import eventually
from harness import connect, control
from hostile_host import Elsewhere, Records, Silence, Wire, family_of
from hostile_peers import KMS_NAME, certificates_of_days
from test_hostile_host import KEPT, ROUNDS, TARGETS, cloud, make_host, rng_of, serves  # noqa: F401 (fixtures)


@contextlib.contextmanager
def trusted_by_who_starts(cloud, *authorities):
    """Enclaves that begin in here read them as if they were the world's."""
    trusted = cloud.folder / "ca.pem"
    before = trusted.read_text()
    trusted.write_text(before + "".join(one.ca_file.read_text() for one in authorities))
    try:
        yield
    finally:
        trusted.write_text(before)


def test_certificates_out_of_their_time(make_host, cloud, folder):
    """The right name, by an authority that is trusted, but of yesterday or of tomorrow: nothing is said to it. Of today it is spoken to."""
    (folder / "ca").mkdir()
    authority = Authority(folder / "ca")
    with trusted_by_who_starts(cloud, authority):
        host = make_host()
        assert host.state() == "wait"  # it has read the file
    words = {"expired": "certificate has expired", "not yet valid": "certificate is not yet valid"}
    spans = {"expired": (-2, -1), "not yet valid": (1, 2), "valid": (-1, 1)}
    for road, name in (("kms", KMS_NAME.removeprefix("DNS:")), ("dynamodb", HOST)):
        wire = getattr(host, road)
        for what, (first, last) in spans.items():
            server = certificates_of_days(folder / f"{road} {what}", authority, name, first, last)
            wire.always(lambda address=server.address: Elsewhere(address))
            lines = host.log().count("init: 502")
            reply = host.init()
            assert reply["status"] == 502, (road, what, reply)
            assert host.log().count("init: 502") == lines + 1 and reply["body"]["error"] in host.log()
            # The first may tell of a connection that ended with those before it, or of a machine that is too busy for the timeouts.
            if what == "valid":
                eventually(lambda: server.heard or host.init()["status"] != 502)
            else:
                eventually(lambda: words[what] in host.init()["body"]["error"])
            assert bool(server.heard) == (what == "valid") and (what == "valid" or words[what] in host.log()), (road, what)
            host.heal()
    host.judge()
    host.begin()
    serves(host)


@pytest.mark.parametrize("way, what", [("down", "twice"), ("down", "old"), ("down", "left out"), ("up", "twice"), ("up", "old")])
def test_records_of_the_stores_connections(make_host, cloud, way, what):
    """Inside TLS a record has its place: an old answer of the same connection is no answer to a new question, and an old question is
    not asked twice. The signer asks again elsewhere."""
    host = make_host()
    armed = threading.Event()
    faults = []

    def fault():
        faults.append(Records(what, armed, way))
        return faults[-1]
    host.dynamodb.always(fault)
    host.begin()
    for _ in range(ROUNDS // 2 + 1):
        before, after = next(TARGETS), next(TARGETS)
        assert host.settled(0, before) == 200  # a connection is kept, on which there was an answer
        armed.set()
        statuses = [host.vote(0, after, variant) for variant in (1, 2)]
        assert set(statuses) <= {200, 412, 500, 503} and statuses != [200, 200], (statuses, host.log())
        eventually(lambda: any(one.done for one in faults) or host.vote(0, next(TARGETS)) is ...)
        host.dynamodb.hang_up()
        eventually(lambda: host.vote(0, next(TARGETS)) == 200)
    host.judge()
    host.heal()
    serves(host)


def test_acknowledgements_that_are_withheld(make_host, cloud):
    """The write reaches the table, its answer never comes back: no signature, whoever waits. Then the same vote is given, another never."""
    host = make_host()
    armed = threading.Event()
    host.dynamodb.always(lambda: Records("withheld", armed))
    assert host.begin() and host.settled(0, next(TARGETS)) == 200
    target = next(TARGETS)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        armed.set()
        asked = {variant: pool.submit(host.vote, 0, target, variant) for variant in (1, 2)}
        eventually(lambda: cloud.items()[cloud.keys[0]]["target_epoch"]["N"] == str(target))
        assert {vote.result() for vote in asked.values()} <= {500, 503}, host.log()
    assert "cannot be asked" in host.log()
    armed.clear()
    host.heal()
    statuses = {}

    def settled():
        for variant in (1, 2):
            statuses[variant] = host.vote(0, target, variant)
        return sorted(statuses.values()) == [200, 412]
    eventually(settled)
    serves(host)
    host.judge()


# ---- messages again, and in any order ----

def random_walk(host, rng, policies):
    """Messages of the control port as they come to mind; the statuses follow from what was said first. True: it serves."""
    measured, serving, done = None, False, []
    for _ in range(12):
        kind = rng.choice(("init", "init", "old policy", "old credentials", "damaged", "reload", "credentials", "attest", "status", "init_state"))
        if kind == "init" or kind == "old policy":
            policy = policies["present" if kind == "init" else "old"]
            reply = host.init(policy=policy)
            fits = not serving and measured in (None, policy)
            # A machine that is too busy for the timeouts says 500 or 502.
            expected = {409} if not fits else {200, 500, 502} if kind == "init" else {403, 500, 502}
            serving = serving or reply["status"] == 200
            measured = measured or policy
        elif kind == "old credentials":
            reply = host.init(credential={"access_key_id": "ASIAOLD", "secret_access_key": "o" * 40, "token": "old"})
            expected = {403, 500, 502} if not serving and measured in (None, policies["present"]) else {409}
            measured = measured or policies["present"]
        elif kind == "damaged":
            reply, expected = host.init(policy=policies["present"] + "x"), {400} if not serving else {400, 409}
        elif kind == "reload":
            reply = host.ask("reload", encrypted_validator_keys=host.init_message()["encrypted_validator_keys"])
            expected = {200, 500, 502} if serving else {409}
        elif kind == "credentials":
            reply, expected = host.ask("credentials", credential=host.credential), {200}
        elif kind == "attest":
            reply, expected = host.ask("attest", nonce="AAAA"), {200} if measured else {409}
        else:
            reply, expected = host.ask(kind), {200}
        done.append((kind, reply["status"]))
        assert reply["status"] in expected, (done, reply, expected, host.log())
        if reply["status"] in (403, 409, 502) and kind != "attest":
            assert f": {reply['status']} " in host.log(), done
    host.judge(seed=done)
    if serving:
        serves(host)
    else:
        with pytest.raises(requests.RequestException):
            host.get("/upcheck", timeout=5)
    return serving


def test_messages_in_any_order(make_host, cloud):
    """What an enclave becomes is decided by the first policy it was given; an old one, which KMS admits no more, makes it serve never."""
    policies = {"present": (cloud.folder / "policy.txt").read_text()}
    policies["old"] = policies["present"].replace("far_future_epochs 2", "far_future_epochs 9")
    assert policies["old"] != policies["present"]
    hosts = [make_host() for _ in range(ROUNDS)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        served = list(pool.map(lambda pair: random_walk(pair[1], rng_of("order", pair[0]), policies), enumerate(hosts)))
    assert any(served)


def test_other_stores_than_enclaves_have(make_host, cloud):
    """A policy whose store is the host's to write is refused: a PostgreSQL server would be believed, and none is asked."""
    policy = (cloud.folder / "policy.txt").read_text()
    lines = [{"store": "store postgresql", "store_identity": "store_identity none", "store_mode": "store_mode fleet"}.get(line.split(" ")[0], line)
             for line in policy.splitlines()]
    host = make_host()
    reply = host.init(policy="\n".join(lines) + "\n")
    assert reply["status"] >= 400 and f"init: {reply['status']} " in host.log(), reply
    assert "PostgreSQL" in host.log() or "postgresql" in host.log()
    assert host.init()["status"] == 409
    with pytest.raises(requests.RequestException):
        host.get("/upcheck", timeout=5)
    host.judge()


def test_a_start_beside_slow_and_huge_ones(make_host):
    """Most of the longest message, a byte at a time, by all the other places: the one that is whole is heard, and memory is bounded."""
    host = make_host()
    stop = threading.Event()

    def drip(number):
        with contextlib.suppress(OSError), host.connect() as stream:
            stream.sendall(struct.pack(">I", 24 << 20) + b'{"operation":"init","policy":"' + b"x" * (4 << 20) * (number % 2))
            while not stop.wait(0.01):
                stream.sendall(b"x")
    drips = [threading.Thread(target=drip, args=(number,)) for number in range(7)]
    for thread in drips:
        thread.start()
    host.begin()
    serves(host)
    host.judge()
    stop.set()
    for thread in drips:
        thread.join()


# ---- deaths ----

def running(pid):
    """Not one that only waits for somebody to ask how it ended."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def killed_in_a_start(host, rng, message):
    """One of its processes is killed at a moment of the start: which, and what the peer heard."""
    heard = []

    def begin():
        with contextlib.suppress(OSError), host.connect() as stream:
            heard.append(control(stream, message)["status"])
    thread = threading.Thread(target=begin)
    thread.start()
    time.sleep(rng.random() * 0.8)
    victim = rng.choice(family_of(host.enclave.pid))
    name = "loader"  # one that was just being started, or has just ended
    with contextlib.suppress(OSError):
        name = pathlib.Path(f"/proc/{victim}/cmdline").read_text().split("\0")[0].rpartition("-")[2]
        os.kill(victim, signal.SIGKILL)
    thread.join()
    return "enclave" if victim == host.enclave.pid else name if name in ("keeper", "front", "courier") else "loader", heard


def test_killed_at_any_moment_of_a_start(make_host, cloud):
    """And started anew with the very message that was said before: it serves, and no vote that was given is contradicted. Where a loader
    was killed the enclave lives, and says so."""
    first = make_host(init=True)
    message, rng = first.init_message(), rng_of("deaths")
    given = {key: next(TARGETS) for key in range(len(cloud.keys))}
    for key, target in given.items():
        assert first.settled(key, target) == 200
    for _ in range(ROUNDS):
        host = make_host()
        family = family_of(host.enclave.pid)
        victim, heard = killed_in_a_start(host, rng, message)
        if victim == "loader":
            assert heard in ([200], [500], [502]), (heard, host.log())
            if heard != [200]:
                assert f"init: {heard[0]}" in host.log()
                host.begin()
            serves(host)
            continue
        assert heard in ([], [200], [500], [502]), (victim, heard, host.log())
        assert host.enclave.wait() == (-signal.SIGKILL if victim == "enclave" else 1), (victim, host.log())
        assert victim == "enclave" or "was ended by signal 9; ending" in host.log(), (victim, host.log())
        eventually(lambda family=family: not any(running(pid) for pid in family))
        assert not [word for word in cloud.forbidden() if word in host.log()]
    again = make_host()
    again.begin(**message)
    for host in (again, first):  # both live, on one table
        for key, target in given.items():
            assert host.settled(key, target, variant=2) == 412, host.log()
        assert host.settled(2, given[2]) == 200  # nobody asked for more with it
    target = next(TARGETS)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        rivals = list(pool.map(lambda pair: pair[0].settled(0, target, pair[1]), ((first, 1), (again, 2))))
    assert sorted(rivals) == [200, 412], rivals
    again.judge()


# ---- other ports, and the watchdog ----

def test_floods_of_the_metrics_port(make_host, cloud):
    """Whatever is said to it and however slowly, requests are signed; and it says nothing of keys."""
    address = f"unix:{cloud.folder}/metrics"
    host = make_host(metrics=address, init=True)
    before = host.descriptors()
    noise = rng_of("metrics").randbytes(1 << 16)
    asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for number in range(60):
            with contextlib.suppress(OSError):
                stream = stack.enter_context(connect(address, timeout=2))
                stream.sendall((asked * 500, asked[:-2], noise, b"")[number % 4])
        for _ in range(5):
            assert host.settled(0, next(TARGETS)) == 200
        host.judge()
    eventually(lambda: host.descriptors() <= before + KEPT)

    def answer():
        said = b""
        with contextlib.suppress(OSError), connect(address, timeout=5) as stream:
            stream.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while part := stream.recv(65536):
                said += part
        return said
    eventually(lambda: b"200 OK" in answer())
    text = answer().decode()
    assert "nitro_signer" in text and not [key for key in cloud.keys if key.removeprefix("0x") in text]
    serves(host)


def test_a_stalled_handshake_is_begun_again_by_the_watchdog(cloud):
    """init ends with 502 when KMS's handshake does not end; who starts enclaves sends it again, and nobody has to come."""
    folder = cloud.folder
    wire = Wire(f"unix:{folder}/w-kms", f"unix:{folder}/kms")
    with contextlib.closing(wire):
        wire.do(Silence())
        watchdog = cloud.start(
            "nitro-signer-watchdog", f"--control=unix:{folder}/w-control", f"--items={folder}/items", f"--credentials={folder}/cloud/credentials.json",
            f"--policy={folder}/policy.txt", "--status-interval=1", "--", str(cloud.bin_dir / "nitro-signer-enclave"), f"--control=unix:{folder}/w-control",
            f"--https=unix:{folder}/w-https", f"--nsm=unix:{folder}/nsm-a", f"--kms-via={wire.address}", f"--dynamodb-via={cloud.relay.address}",
            f"--ca-file={folder}/ca.pem", ready=False)
        watchdog.wait_ready(180)
        log = watchdog.log()
        assert log.count("init: the enclave answered 502") >= 1 and log.count("started the enclave") == 1, log
        assert not [word for word in cloud.forbidden() if word in log]
        assert watchdog.terminate() == 0
