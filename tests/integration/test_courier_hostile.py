"""nitro-signer-courier against hosts that send what they should not, and keepers that break the protocol."""
import hashlib
import itertools
import json
import select
import socket
import struct

import pytest
from courier_rig import (CREDENTIAL, DOCUMENT, LOAD_RESULT, POLICY_RESULT, STATUS, Rig, b64, envelope_answer, eventually,
                         make_rig, policy_for)
from harness import Process, control, packet_pair, receive_exactly, send_packet
from scripted_keeper import POLICY
from scripted_kms import ScriptedKms

assert make_rig  # a fixture: used by its name

ACCESS = "nitro-signer-access 1\nclient teku " + "ab" * 32 + "\n"
PIN = "0x" + hashlib.sha256(ACCESS.encode()).hexdigest()
GOOD_INIT = {"operation": "init", "policy": policy_for(), "access": "", "credential": CREDENTIAL, "encrypted_tls_key": "AAAA",
             "encrypted_validator_keys": ["AAAA"]}


def changed(**members):
    message = json.loads(json.dumps(GOOD_INIT))
    for name, value in members.items():
        place, _, inner = name.partition("__")
        target, key = (message[place], inner) if inner else (message, place)
        if value is None:
            del target[key]
        else:
            target[key] = value
    return message


@pytest.mark.parametrize("message, named", [
    (b"", "JSON"), (b"not JSON", "JSON"), (b"[]", "object"), (b'"init"', "JSON"), (b"{}", "operation"),
    (b'{"operation":"status"}x', "JSON"), (b'{"operation":"status","operation":"status"}', "twice"),
    (b"[" * 100000, "nested"), (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested"), (b"[" + b"1," * 100000 + b"1]", "values"),
    (b'{"operation":"stat\\u0000us"}', "JSON"), (b'{"operation":"\xff"}', "JSON"),
    ({"operation": 7}, "operation"), ({"operation": "explode"}, "operation"), ({"operation": "status", "x": 1}, "status"),
    ({"operation": "attest"}, "nonce"), ({"operation": "attest", "nonce": 1}, "nonce"), ({"operation": "attest", "nonce": "?"}, "nonce"),
    ({"operation": "credentials"}, "credential"), ({"operation": "credentials", "credential": "x"}, "credential"),
    ({"operation": "reload", "encrypted_validator_keys": []}, "encrypted_validator_keys"),
    ({"operation": "reload", "encrypted_validator_keys": {}}, "encrypted_validator_keys"),
    (changed(policy=None), "policy"), (changed(policy=1), "policy"), (changed(policy=""), "policy"), (changed(policy="x" * 4097), "policy"),
    (changed(policy="nitro-signer-policy 3\n"), "policy"), (changed(policy=POLICY), "kms_key"),
    (changed(policy=policy_for() + "more\n"), "policy"),
    (changed(access=None), "access"), (changed(access=1), "access"), (changed(access="x" * 49153), "access"), (changed(access="x"), "says any"),
    (changed(policy=policy_for(access=PIN)), "none came"), (changed(policy=policy_for(access=PIN), access="x"), "line 1"),
    (changed(policy=policy_for(access=PIN), access=ACCESS + "x"), "line 3"),
    (changed(policy=policy_for(access=PIN), access=ACCESS + ACCESS.splitlines()[1] + "\n"), "line 3: is the line above again"),
    (changed(policy=policy_for(access=PIN), access=ACCESS[:-2] + "\0\n"), "JSON"),
    (changed(credential=None), "credential"), (changed(credential__token=None), "credential.token"),
    (changed(credential__token=1), "credential.token"), (changed(credential__secret_access_key=""), "secret_access_key"),
    (changed(credential__secret_access_key="a\r\nHost: evil"), "secret_access_key"), (changed(credential__access_key_id="A" * 129), "access_key_id"),
    (changed(credential__more="x"), "credential"), (changed(credential__token="t" * 8193), "token"),
    (changed(encrypted_tls_key=None), "encrypted_tls_key"), (changed(encrypted_tls_key=[]), "encrypted_tls_key"),
    (changed(encrypted_tls_key=""), "encrypted_tls_key"), (changed(encrypted_tls_key="AA"), "encrypted_tls_key"),
    (changed(encrypted_tls_key=b64(b"x" * 6145)), "encrypted_tls_key"),
    (changed(encrypted_validator_keys=None), "encrypted_validator_keys"), (changed(encrypted_validator_keys="AAAA"), "encrypted_validator_keys"),
    (changed(encrypted_validator_keys=[]), "encrypted_validator_keys"), (changed(encrypted_validator_keys=["AAAA", 7]), "encrypted_validator_keys[1]"),
    (changed(encrypted_validator_keys=["AAAA", "AAAA", "*"]), "encrypted_validator_keys[2]"),
    (changed(encrypted_validator_keys=["AAAA"] * 10001), "encrypted_validator_keys"), (changed(settings={}), "init"),
    *((changed(validator_pubkeys=value), f"validator_pubkeys{named}") for value, named in [
        ("ab" * 48, ""), ([], ": must be as many"), (["ab" * 48] * 2, ": must be as many"), (["ab" * 48] * 10001, ""), ([7], "[0]"), ([None], "[0]"), ([""], "[0]: must have 96"),
        (["ab" * 47], "[0]: must have 96"), (["ab" * 49], "[0]: must have 96"), (["0x" + "ab" * 48], "[0]: must have 96"), (["0x" + "ab" * 47], "[0]"),
        (["zz" * 48], "[0]"), (["00" * 48], "[0]: must not be zero"), (["ab" * 47 + "a\n"], "[0]")]),
    ({"operation": "reload", "encrypted_validator_keys": ["AAAA"], "validator_pubkeys": ["ab"]}, "validator_pubkeys[0]"),
    ({"operation": "status", "validator_pubkeys": []}, "status"),
], ids=itertools.count())
def test_malformed_requests_are_answered_400(shared_rig, message, named):
    reply = control(shared_rig.stream, message)
    assert reply["status"] == 400 and named in reply["body"]["error"], reply
    assert shared_rig.messages() == []  # nothing of it reached the keeper


@pytest.fixture(scope="module")
def shared_rig(bin_dir, tmp_path_factory):
    """One courier for all malformed requests: it must take them all."""
    folder = tmp_path_factory.mktemp("courier")
    (folder / "logs").mkdir()
    processes = []

    def starter(program, *arguments, fds=(), ready=True, env=None):
        assert not ready
        processes.append(Process(str(bin_dir / program), arguments, str(folder / "logs"), fds, env))
        return processes[-1]
    kms = ScriptedKms(str(folder), envelope_answer)
    rig = Rig(starter, folder, packet_pair, kms.address, kms.ca_file)
    yield rig
    assert rig.ask("status")["status"] == 200
    assert rig.courier.terminate() == 0
    assert not rig.courier.sanitizer_report()
    log = rig.courier.log()
    assert CREDENTIAL["secret_access_key"] not in log and "evil" not in log
    processes[0].cleanup()
    kms.close()


def closed(stream):
    """Whether the other side has closed, without a reply."""
    stream.settimeout(20)
    try:
        return stream.recv(1) == b""
    except ConnectionResetError:
        return True


def patient_stream(address):
    """Connects however full the listener's queue is; with a timeout set before, connect would fail at once."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(address.removeprefix("unix:"))
    stream.settimeout(20)
    return stream


def test_frames_too_long_or_cut_cost_the_connection_only(make_rig):
    rig = make_rig()
    for length in (24 * 1024 * 1024 + 1, 0xffffffff):
        stream = rig.connect()
        stream.sendall(struct.pack(">I", length) + b"{")
        assert closed(stream)
    stream = rig.connect()
    stream.sendall(struct.pack(">I", 100) + b'{"operation":')
    stream.shutdown(socket.SHUT_WR)
    assert closed(stream)
    for cut in (b"\0", b"\0\0\0", struct.pack(">I", 10)):
        stream = rig.connect()
        stream.sendall(cut)
        stream.close()
    assert rig.ask("status")["status"] == 200


def test_pieces_and_pipelines(make_rig):
    rig = make_rig()
    text = json.dumps({"operation": "init_state"}).encode()
    frame = struct.pack(">I", len(text)) + text
    for byte in frame:
        rig.stream.sendall(bytes([byte]))
    assert json.loads(receive_exactly(rig.stream, struct.unpack(">I", receive_exactly(rig.stream, 4))[0]))["status"] == 200
    rig.stream.sendall(frame * 100)
    rig.stream.shutdown(socket.SHUT_WR)
    for _ in range(100):
        (length,) = struct.unpack(">I", receive_exactly(rig.stream, 4))
        assert json.loads(receive_exactly(rig.stream, length))["body"]["init_state"] is False
    assert closed(rig.stream)


def test_a_ninth_connection_takes_the_place_of_the_quietest(make_rig):
    rig = make_rig()
    streams = [rig.stream] + [rig.connect() for _ in range(7)]
    for stream in streams[1:]:
        assert rig.ask("status", stream)["status"] == 200
    ninth = rig.connect()
    assert rig.ask("status", ninth)["status"] == 200
    assert closed(streams[0])
    for stream in streams[1:]:
        assert rig.ask("status", stream)["status"] == 200


def test_many_connections_that_come_and_go_without_waiting_for_their_reply(make_rig):
    rig = make_rig()
    frame = struct.pack(">I", 22) + b'{"operation":"status"}'
    for _ in range(300):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(rig.address.removeprefix("unix:"))  # without a timeout it waits for a place in the queue
            stream.sendall(frame)
    rig.stream = patient_stream(rig.address)  # the first one made room for the others
    # While the keeper is behind, at most a fixed number of questions wait for it and the rest is told so.
    assert eventually(lambda: rig.ask("status")["status"] == 200)


def test_held_memory_is_bounded(make_rig):
    """Peers that each send most of the longest message, and then wait, are not all humoured."""
    rig = make_rig()
    size = 24 * 1024 * 1024
    refused = []

    def send_most_of_it(stream):
        try:
            stream.sendall(struct.pack(">I", size) + b" " * (size - 1))
        except (BrokenPipeError, ConnectionResetError):
            refused.append(stream)
    streams = [rig.connect() for _ in range(4)]
    for stream in streams:
        send_most_of_it(stream)
    assert eventually(lambda: refused or any(stream in select.select(streams, [], [], 0)[0] for stream in streams))
    assert rig.ask("status")["status"] == 200
    assert "control: too much is held of messages that are not whole; connection closed" in rig.courier.log()


def test_the_end_of_the_keeper_is_the_end(make_rig):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    rig.keeper.end.shutdown(socket.SHUT_RDWR)
    assert rig.courier.wait() == 1


@pytest.mark.parametrize("packet", [
    (STATUS, 1, b"\x07" + bytes(129)), (STATUS, 1, b""), (LOAD_RESULT, 5, bytes(9)), (0x0401, 0, b""), (DOCUMENT, 1, b"x"),
    (POLICY_RESULT, 0, b"\x01"), (0x7777, 0, b"")])
def test_a_keeper_that_breaks_the_protocol_ends_the_courier(make_rig, packet):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    send_packet(rig.keeper.end, *packet)
    assert rig.courier.wait() == 1
    assert "keeper" in rig.courier.log()
