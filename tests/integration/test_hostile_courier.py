"""nitro-signer-courier between a host, a KMS and a keeper that all send damaged messages, seeded. A host is answered
4xx or hung up on; a KMS costs the load; a keeper that breaks the protocol is the end."""
import concurrent.futures
import json
import os
import select
import socket
import struct

import pytest

from courier_rig import CREDENTIAL, KEY, Rig, b64, connect, make_rig, policy_for
from harness import control, packet, receive_packet
from hostile import damage, mutants, name_of, seeded
from scripted_kms import ScriptedKms
from test_hostile_ipc import PACKETS, SOUND, deliver, hostile_packets

assert make_rig  # a fixture: used by its name

ROUNDS = int(os.environ.get("NS_ROUNDS", 60))
STATUS_WANTED, STATUS = 0x0309, 0x030a
REQUESTS = {
    "status": {"operation": "status"},
    "init_state": {"operation": "init_state"},
    "attest": {"operation": "attest", "nonce": "AAAA"},
    "credentials": {"operation": "credentials", "credential": CREDENTIAL},
    "reload": {"operation": "reload", "encrypted_validator_keys": ["AAAA"]},
    "init": {"operation": "init", "policy": policy_for(), "access": "", "credential": CREDENTIAL, "encrypted_tls_key": "AAAA",
             "encrypted_validator_keys": ["AAAA", "BBBB"]},
}
# Texts without a form of their own: any printable one will do.
FREE = ("credential.access_key_id", "credential.secret_access_key", "credential.token")


def test_every_member_of_every_request_made_wrong(make_rig):
    rig = make_rig()
    for operation, good in REQUESTS.items():
        for path, what, text in mutants(good):
            if name_of(path) in FREE and what == "text" or (what == "text" and path[-1] in ("nonce", "encrypted_tls_key")):
                continue
            if what == "text" and isinstance(path[-1], int):
                continue  # "text" is base64, as it happens
            reply = control(rig.stream, text.encode())
            assert reply["status"] == 400 and reply["body"]["error"], (operation, name_of(path), what, reply)
    assert rig.messages() == []  # nothing of it reached the keeper
    assert rig.courier.terminate() == 0


@pytest.mark.parametrize("operation", REQUESTS)
def test_frames_damaged_at_random(make_rig, operation):
    """Of one whose length says more than comes nothing is heard; the next connection is served."""
    rig = make_rig()
    rig.keeper.load_ok = False  # so that an init that is sound all the same fails
    text = json.dumps(REQUESTS[operation]).encode()
    for seed in range(ROUNDS // 3):
        rng = seeded("control", operation, seed)
        frame = struct.pack(">I", len(text)) + text
        with rig.connect() as stream:
            if seed % 2:
                bad = damage(rng, text)
                frame = struct.pack(">I", len(bad)) + bad
            else:
                frame = damage(rng, frame)
            stream.sendall(frame)
            stream.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while part := stream.recv(65536):
                    answer += part
            except ConnectionResetError:
                pass
        while answer:  # one frame may have become two
            (length,) = struct.unpack_from(">I", answer)
            assert json.loads(answer[4:4 + length])["status"] in (200, 400, 409, 500, 502), (seed, answer)
            answer = answer[4 + length:]
        assert rig.ask("status")["status"] == 200, seed
    assert rig.courier.terminate() == 0


def kms_answer(ciphertext):
    body = json.dumps({"KeyId": KEY, "CiphertextForRecipient": b64(ciphertext * 8), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}).encode()
    return (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n" % len(body)) + body


def test_kms_answers_damaged_at_random(make_rig):
    """The keeper refuses every load here, so that each round can begin anew."""
    state = {}
    rig = make_rig(lambda request: damage(state["rng"], kms_answer(b"envelope")))
    rig.keeper.load_ok = False
    told = set()
    for seed in range(ROUNDS):
        state["rng"] = seeded("kms", seed)
        reply = rig.init(keys=(b"k",))
        assert reply["status"] in (403, 500, 502) and reply["body"]["error"], (seed, reply)
        told.add(reply["status"])
        assert rig.ask("status")["status"] == 200, seed
    assert 502 in told
    assert rig.courier.terminate() == 0


ANSWERS = {
    "no status": b"HTTP/1.1\r\n\r\n", "a status of letters": b"HTTP/1.1 abc\r\n\r\n", "a large status": b"HTTP/1.1 99999 X\r\n\r\n",
    "a redirection": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 20000,
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 400000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60000,
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}",
    "wrong chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "chunks without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\n{}\r\n" * 100000,
    "a bomb": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "deep": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 50000,
    "nothing": b"",
}


def test_kms_answers_that_are_none(start, folder, pair):
    """A courier for each, and all at once: most of the time they wait before they ask again."""
    rigs = {}
    for what, answer in ANSWERS.items():
        place = folder / str(len(rigs))
        place.mkdir()
        kms = ScriptedKms(str(place), lambda request, answer=answer: answer)
        rigs[what] = Rig(start, place, pair, kms.address, kms.ca_file)
    with concurrent.futures.ThreadPoolExecutor(len(rigs)) as pool:
        replies = dict(zip(rigs, pool.map(lambda rig: rig.init(keys=(b"k",)), rigs.values())))
    for what, rig in rigs.items():
        assert replies[what]["status"] in (500, 502) and replies[what]["body"]["error"], (what, replies[what])
        assert rig.ask("status")["status"] == 200, what
        assert rig.courier.terminate() == 0


def test_every_member_of_a_kms_answer_made_wrong(make_rig):
    state = {}
    rig = make_rig(lambda request: b"HTTP/1.1 %d X\r\nConnection: close\r\n\r\n" % state["status"] + state["text"].encode())
    good = {"KeyId": KEY, "CiphertextForRecipient": "AAAA", "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    refusal = {"__type": "InvalidCiphertextException", "message": "no"}
    for status, document in ((200, good), (400, refusal)):
        for path, what, text in mutants(document, optional=("message", "EncryptionAlgorithm")):
            if (name_of(path), what) == ("CiphertextForRecipient", "text") or name_of(path) == "EncryptionAlgorithm":
                continue
            state.update(status=status, text=text)
            reply = rig.init(keys=(b"k",))
            assert reply["status"] in (500, 502) and reply["body"]["error"], (name_of(path), what, reply)
    assert rig.ask("status")["status"] == 200
    assert not rig.keeper.records
    assert rig.courier.terminate() == 0


class Bare:
    """A courier whose keeper is the test itself."""

    def __init__(self, start, folder, pair, number):
        self.keeper, theirs = pair()
        path = f"{folder}/control{number}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(4)
        listener.setblocking(False)
        self.process = start("nitro-signer-courier", f"--kms-via=unix:{folder}/nobody", "--log-level=debug",
                             fds=(theirs.fileno(), listener.fileno()), ready=False)
        theirs.close()
        listener.close()
        self.stream = connect(f"unix:{path}")

    def send(self, message):
        text = json.dumps(message).encode()
        self.stream.sendall(struct.pack(">I", len(text)) + text)

    def close(self):
        self.stream.close()
        self.keeper.close()


def test_a_keeper_that_sends_what_nobody_asked_for(start, folder, pair):
    for number, data in enumerate(hostile_packets(seeded("courier"), ROUNDS // 3)):
        bare = Bare(start, folder, pair, number)
        deliver(bare.keeper, data)
        assert bare.process.wait(8) == 1, (number, data[:40], bare.process.log())
        assert "keeper" in bare.process.log()
        bare.close()


def test_a_keeper_whose_answers_are_damaged(start, folder, pair):
    """An answer is taken, or the courier ends; the host always hears something or sees the end."""
    good = packet(STATUS, *SOUND[STATUS])
    taken = 0
    for number in range(ROUNDS // 2):
        rng = seeded("answers", number)
        bare = Bare(start, folder, pair, number)
        bare.send({"operation": "status"})
        assert receive_packet(bare.keeper)[0] == STATUS_WANTED
        data = damage(rng, good) if number % 3 else rng.choice(PACKETS)
        deliver(bare.keeper, data or b"\0")
        assert select.select([bare.stream], [], [], 20)[0], number
        try:
            answer = bare.stream.recv(65536)
        except ConnectionResetError:
            answer = b""
        if answer:
            assert json.loads(answer[4:])["status"] == 200 and len(data) == len(good), number
            taken += 1
            bare.keeper.close()
        assert bare.process.wait() == 1, (number, bare.process.log())
        bare.close()
    assert 0 < taken < ROUNDS // 2
