"""nitro-signer-courier between a scripted keeper, a scripted or a real development KMS, and a hostile host."""
import base64
import hashlib
import itertools
import json
import os
import select
import socket
import struct
import threading
import time

import pytest
from harness import connect, control, policy_text, receive_exactly, receive_packet, send_packet
from scripted_keeper import POLICY
from scripted_kms import ScriptedKms
from test_devcloud import ROLE, ask_kms, measurement, recipient_key
from test_devcloud_nsm import Enclave, decode, openssl

POLICY_MESSAGE = 0x0101
POLICY_RESULT, ATTEST, DOCUMENT, LOAD_BEGIN, RECORD, LOAD_END, LOAD_ABORT, LOAD_RESULT, STATUS_WANTED, STATUS = range(0x0301, 0x030b)
WAIT, ATTESTED, LOAD, SERVE, FAILED = range(1, 6)
VALIDATOR, TLS = 1, 2
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CREDENTIAL = {"access_key_id": "AKIDCOURIER", "secret_access_key": "wJalrXUtnFEMI/SECRET/KEY", "token": "TOKENTOKEN"}


def policy_for(key=KEY):
    return policy_text(store="sqlite:/nowhere", kms_key=key, region="us-east-1", log_level="debug")


def b64(data):
    return base64.b64encode(data).decode()


class Keeper:
    """The other end of the courier's descriptor 3. Answers like a keeper, in a thread, and remembers."""

    def __init__(self, end, document=lambda nonce: b"document", measure=lambda policy: None):
        self.end = end
        self.measure = measure
        self.state = WAIT
        self.policy = None
        self.records = []  # (kind, index, envelope)
        self.log = []      # message types in order
        self.attested = [] # (purpose, nonce)
        self.document = document
        self.load_ok = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                message = receive_packet(self.end, 60)
            except OSError:
                return
            if message is None:
                return
            self._take(*message[:3])

    def _take(self, kind, count, body):
        if kind != STATUS_WANTED:
            self.log.append(kind)
        if kind == STATUS_WANTED:
            send_packet(self.end, STATUS, 1, struct.pack("<BIIB", self.state, len(self.records), 0, 1) + b"\x11" * 48 + b"\x22" * 48)
        elif kind == POLICY_MESSAGE:
            assert self.state in (WAIT, ATTESTED) and len(body) == count
            accepted = self.policy in (None, body)
            text = b"" if accepted else b"another policy is in force already"
            if self.policy is None:
                self.measure(body)
            if accepted:
                self.policy, self.state = body, ATTESTED
            send_packet(self.end, POLICY_RESULT, len(text), bytes([accepted]) + text)
        elif kind == ATTEST:
            assert self.state in (ATTESTED, LOAD, SERVE)
            self.attested.append((body[0], body[1:]))
            document = self.document(body[1:])
            send_packet(self.end, DOCUMENT, len(document), document)
        elif kind == LOAD_BEGIN:
            assert self.state in (ATTESTED, SERVE)
            self.before, self.state, self.records = self.state, LOAD, []
        elif kind == RECORD:
            assert self.state == LOAD
            record_kind, index = struct.unpack_from("<BI", body)
            self.records.append((record_kind, index, body[5:]))
        elif kind == LOAD_END:
            (records,) = struct.unpack("<I", body)
            assert self.state == LOAD and records == len(self.records)
            self._finish(self.load_ok, b"" if self.load_ok else b"no key could be loaded")
        elif kind == LOAD_ABORT:
            assert self.state == LOAD
            self._finish(False, b"aborted")
        else:
            raise AssertionError(f"message {kind:#x}")

    def _finish(self, ok, text):
        self.state = SERVE if ok else self.before
        keys = sum(1 for kind, _, _ in self.records if kind == VALIDATOR) if ok else 0
        send_packet(self.end, LOAD_RESULT, len(text), struct.pack("<BII", ok, keys, 0) + text)


class Rig:
    """A courier with its control port, and the keeper behind it."""

    def __init__(self, start, folder, pair, kms_address, ca_file, **options):
        ours, theirs = pair()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.address = f"unix:{folder}/control"
        listener.bind(f"{folder}/control")
        listener.listen(16)
        listener.setblocking(False)
        self.keeper = Keeper(ours, **options)
        self.courier = start("nitro-signer-courier", f"--kms-via={kms_address}", f"--ca-file={ca_file}", "--log-level=debug",
                             fds=(theirs.fileno(), listener.fileno()), ready=False)
        theirs.close()
        listener.close()
        self.stream = self.connect()

    def connect(self):
        return connect(self.address)

    def ask(self, operation, stream=None, **members):
        return control(stream or self.stream, {"operation": operation, **members})

    def messages(self):
        """What the keeper has got so far; the courier's packets arrive in order, so a status comes after all of them."""
        assert self.ask("status")["status"] == 200
        return self.keeper.log

    def init(self, tls=b"tls", keys=(b"k0", b"k1"), policy=None, credential=None, stream=None):
        return self.ask("init", stream, policy=policy or policy_for(), credential=credential or CREDENTIAL,
                        encrypted_tls_key=b64(tls), encrypted_validator_keys=[b64(key) for key in keys])


def envelope_answer(request):
    """An answer whose envelope tells which ciphertext it is of."""
    blob = base64.b64decode(request["CiphertextBlob"])
    return 200, {"KeyId": KEY, "CiphertextForRecipient": b64(b"envelope of " + blob), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}


@pytest.fixture
def make_rig(start, folder, pair):
    made = []

    def maker(answer=envelope_answer, tcp=False, **options):
        kms = ScriptedKms(str(folder), answer, tcp=tcp)
        rig = Rig(start, folder, pair, kms.address, kms.ca_file, **options)
        rig.kms = kms
        made.append(rig)
        return rig

    yield maker
    for rig in made:
        rig.kms.close()
        log = rig.courier.log()
        assert CREDENTIAL["secret_access_key"] not in log and CREDENTIAL["token"] not in log


def test_init_carries_documents_out_and_envelopes_in(make_rig):
    rig = make_rig()
    assert rig.ask("init_state") == {"status": 200, "body": {"init_state": False, "state": "wait"}}
    assert rig.init() == {"status": 200, "body": {"init_state": True, "keys": 2, "failed": 0}}
    assert rig.keeper.policy == policy_for().encode()
    assert rig.keeper.records == [(TLS, 0, b"envelope of tls"), (VALIDATOR, 0, b"envelope of k0"), (VALIDATOR, 1, b"envelope of k1")]
    assert rig.keeper.log == [POLICY_MESSAGE, LOAD_BEGIN, ATTEST, RECORD, RECORD, RECORD, LOAD_END]
    assert rig.keeper.attested == [(0, b"")]  # one document serves for a minute
    for request in rig.kms.requests:
        assert request["KeyId"] == KEY
        assert request["Recipient"] == {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b64(b"document")}
        assert request["headers"]["x-amz-security-token"] == CREDENTIAL["token"]
        assert "Credential=AKIDCOURIER/" in request["headers"]["authorization"]
    assert rig.ask("init_state") == {"status": 200, "body": {"init_state": True, "state": "serve"}}
    assert rig.courier.terminate() == 0


def test_kms_may_be_reached_by_tcp(make_rig):
    rig = make_rig(tcp=True)
    assert rig.init()["status"] == 200


def test_status_and_attest(make_rig):
    rig = make_rig()
    status = rig.ask("status")
    assert status["status"] == 200
    body = status["body"]
    assert set(body) == {"state", "keys", "failed", "store_ok", "pcr0", "pcr16", "version", "uptime_seconds"}
    assert body["state"] == "wait" and body["store_ok"] is True and body["pcr0"] == "11" * 48 and body["pcr16"] == "22" * 48
    reply = rig.ask("attest", nonce=b64(b"fresh"))
    assert reply["status"] == 409
    assert rig.init()["status"] == 200
    reply = rig.ask("attest", nonce=b64(b"n" * 512))
    assert reply == {"status": 200, "body": {"document": b64(b"document")}}
    assert rig.keeper.attested[-1] == (1, b"n" * 512)
    assert rig.ask("attest", nonce="")["status"] == 200
    assert rig.ask("attest", nonce=b64(b"n" * 513))["status"] == 400


def test_a_second_init_and_an_early_reload(make_rig):
    rig = make_rig()
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 409
    assert rig.init()["status"] == 200
    assert rig.init()["status"] == 409
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k5"), b64(b"k6"), b64(b"k7")]) == \
        {"status": 200, "body": {"init_state": True, "keys": 3, "failed": 0}}
    assert rig.keeper.records == [(VALIDATOR, i, b"envelope of k%d" % (5 + i)) for i in range(3)]
    assert rig.keeper.log[7:] == [LOAD_BEGIN, ATTEST, RECORD, RECORD, RECORD, LOAD_END]


def test_denied_by_kms_then_allowed(make_rig):
    answers = [(400, {"__type": "AccessDeniedException", "Message": "not authorized"})]
    rig = make_rig(lambda request: answers.pop() if answers else envelope_answer(request))
    reply = rig.init()
    assert reply["status"] == 403 and "AccessDenied" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT and rig.keeper.state == ATTESTED
    assert rig.ask("init_state")["body"] == {"init_state": False, "state": "attest"}
    other = policy_for().replace("log_level debug", "log_level info")
    assert rig.init(policy=other)["status"] == 409
    assert rig.init()["status"] == 200


@pytest.mark.parametrize("answer, status, named", [
    ((200, {"KeyId": KEY, "Plaintext": b64(b"plaintext of a key")}), 502, "Plaintext"),
    ((200, {"KeyId": KEY + "0", "CiphertextForRecipient": "AAAA"}), 502, "KeyId"),
    ((200, []), 502, "object"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"KeyId\":", 502, "JSON"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"a" * 300000, 502, "bytes"),
    (b"\x16\x03\x01 not HTTP", 502, ""),
    ((400, {"__type": "ExpiredTokenException", "message": "expired"}), 502, "ExpiredToken"),
    ((400, {"__type": "InvalidCiphertextException"}), 500, "InvalidCiphertext"),  # the TLS key: no service without
], ids=["plaintext", "other-key", "array", "cut", "huge", "not-http", "expired", "bad-tls-key"])
def test_kms_answers_that_end_the_load(make_rig, answer, status, named):
    rig = make_rig(lambda request: answer)
    reply = rig.init()
    assert reply["status"] == status and named in reply["body"]["error"], reply
    assert rig.messages()[-1] == LOAD_ABORT and not rig.keeper.records
    assert b64(b"plaintext of a key") not in rig.courier.log()
    assert rig.ask("status")["status"] == 200


def test_one_bad_ciphertext_does_not_stop_the_others(make_rig):
    def answer(request):
        if request["CiphertextBlob"] == b64(b"bad"):
            return 400, {"__type": "InvalidCiphertextException"}
        return envelope_answer(request)
    rig = make_rig(answer)
    assert rig.init(keys=(b"k0", b"bad", b"k2"))["body"] == {"init_state": True, "keys": 2, "failed": 1}
    assert [index for kind, index, _ in rig.keeper.records if kind == VALIDATOR] == [0, 2]
    assert "record 1" in rig.courier.log()


def test_the_keeper_refuses_the_load_or_the_document(make_rig):
    rig = make_rig()
    rig.keeper.load_ok = False
    reply = rig.init()
    assert reply["status"] == 500 and "no key could be loaded" in reply["body"]["error"]
    rig.keeper.document = lambda nonce: b""
    reply = rig.init()
    assert reply["status"] == 500 and "attestation document" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT  # the keeper has seen it
    rig.keeper.state = FAILED
    assert rig.init()["status"] == 500
    assert rig.ask("attest", nonce="")["status"] == 409
    assert rig.ask("init_state")["body"] == {"init_state": False, "state": "failed"}


def test_the_control_port_answers_while_kms_is_slow(make_rig):
    go_on = threading.Event()

    def answer(request):
        go_on.wait(30)
        return envelope_answer(request)
    rig = make_rig(answer)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(rig.init()))
    waiting.start()
    other = rig.connect()
    deadline = time.monotonic() + 20
    while rig.ask("status", other)["body"]["state"] != "load" and time.monotonic() < deadline:
        pass
    assert rig.ask("status", other)["body"]["state"] == "load"
    assert rig.init(stream=other)["status"] == 409
    assert rig.ask("attest", other, nonce="")["status"] == 200
    assert rig.ask("credentials", other, credential=CREDENTIAL) == {"status": 200, "body": {}}
    assert not replies
    go_on.set()
    waiting.join(30)
    assert replies[0]["status"] == 200


def test_new_credentials_are_used_at_once(make_rig):
    def answer(request):
        if "Credential=AKIDNEW/" not in request["headers"]["authorization"]:
            return 400, {"__type": "ExpiredTokenException"}
        return envelope_answer(request)
    rig = make_rig(answer)
    fresh = dict(CREDENTIAL, access_key_id="AKIDNEW")
    assert rig.init()["status"] == 502
    assert rig.init(credential=fresh)["status"] == 200
    assert rig.ask("credentials", credential=CREDENTIAL)["status"] == 200
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 502
    assert rig.keeper.state == SERVE  # the old keys go on
    assert rig.ask("credentials", credential=fresh)["status"] == 200
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 200


def test_kms_out_of_reach(make_rig, folder):
    rig = make_rig()
    (folder / "scripted-kms").unlink()
    assert rig.init()["status"] == 502


GOOD_INIT = {"operation": "init", "policy": policy_for(), "credential": CREDENTIAL, "encrypted_tls_key": "AAAA",
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
    (changed(policy="nitro-signer-policy 1\n"), "policy"), (changed(policy=POLICY), "kms_key"),
    (changed(policy=policy_for() + "more\n"), "policy"),
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
], ids=itertools.count())
def test_malformed_requests_are_answered_400(shared_rig, message, named):
    reply = control(shared_rig.stream, message)
    assert reply["status"] == 400 and named in reply["body"]["error"], reply
    assert shared_rig.messages() == []  # nothing of it reached the keeper


@pytest.fixture(scope="module")
def shared_rig(bin_dir, tmp_path_factory):
    """One courier for all malformed requests: it must take them all."""
    from harness import Process, packet_pair  # pylint: disable=import-outside-toplevel
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


def eventually(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
    return False


def patient_stream(address):
    """Connects however full the listener's queue is; with a timeout set before, connect would fail at once."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(address.removeprefix("unix:"))
    stream.settimeout(20)
    return stream


def test_frames_too_long_or_cut_cost_the_connection_only(make_rig):
    rig = make_rig()
    for length in (16 * 1024 * 1024 + 1, 0xffffffff):
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
    size = 16 * 1024 * 1024
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


def test_the_end_of_the_keeper_is_the_end(make_rig):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    rig.keeper.end.shutdown(socket.SHUT_RDWR)
    assert rig.courier.wait() == 1


@pytest.mark.parametrize("packet", [
    (STATUS, 1, b"\x07" + bytes(105)), (STATUS, 1, b""), (LOAD_RESULT, 5, bytes(9)), (0x0401, 0, b""), (DOCUMENT, 1, b"x"),
    (POLICY_RESULT, 0, b"\x01"), (0x7777, 0, b"")])
def test_a_keeper_that_breaks_the_protocol_ends_the_courier(make_rig, packet):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    send_packet(rig.keeper.end, *packet)
    assert rig.courier.wait() == 1
    assert "keeper" in rig.courier.log()


def test_it_lives_in_a_sandbox(make_rig):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    for task in os.listdir(f"/proc/{rig.courier.pid}/task"):
        with open(f"/proc/{rig.courier.pid}/task/{task}/status", encoding="ascii") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1", task


@pytest.mark.parametrize("arguments, status, named", [
    ((), 2, "--kms-via"), (("--kms-via=nowhere",), 1, "--kms-via"), (("--kms-via=unix:/x", "--ca-file=/absent"), 1, "/absent"),
    (("--kms-via=tcp:localhost:1", "--ca-file=/dev/null"), 1, "numeric"), (("--kms-via=unix:/x", "--log-level=loud"), 2, "log level"), (("--kms-via=unix:/x", "--secret=x"), 2, "--secret")])
def test_mistakes_are_named(start, arguments, status, named):
    process = start("nitro-signer-courier", *arguments, ready=False)
    assert process.wait() == status
    assert named in process.log()


class RealCloud:
    """devcloud, and a courier whose scripted keeper gets its documents from devcloud's NSM."""

    def __init__(self, start, folder, pair):
        self.start, self.folder, self.pair = start, folder, pair
        (folder / "image-a").write_bytes(b"image a")
        (folder / "image-b").write_bytes(b"image b")
        self.spki = recipient_key(folder)
        self.serve().terminate()  # the key's ARN is part of the policy document, which is part of the key policy
        self.policy = policy_for((folder / "state/key-arn").read_text().strip())

    @property
    def credential(self):
        """New at each start of devcloud."""
        return json.loads((self.folder / "state/credentials.json").read_text())

    def serve(self, **pcrs):
        condition = {"StringEqualsIgnoreCase": {f"kms:RecipientAttestation:{name}": value for name, value in pcrs.items()}}
        statements = [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Encrypt", "Resource": "*"}]
        if pcrs:
            statements.append({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*",
                               "Condition": condition})
        path = self.folder / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        return self.start("nitro-signer-devcloud", f"--state={self.folder}/state", f"--nsm=unix:{self.folder}/a",
                          f"--measure={self.folder}/image-a", f"--nsm=unix:{self.folder}/b",
                          f"--measure={self.folder}/image-b", f"--kms=unix:{self.folder}/kms", f"--key-policy={path}")

    def seal(self, plaintext):
        arn = (self.folder / "state/key-arn").read_text().strip()
        status, answer = ask_kms(self.folder, "Encrypt", {"KeyId": arn, "Plaintext": b64(plaintext)})
        assert status == 200, answer
        return base64.b64decode(answer["CiphertextBlob"])

    def open(self, envelope):
        (self.folder / "envelope").write_bytes(envelope)
        return openssl("cms", "-decrypt", "-inform", "DER", "-in", self.folder / "envelope", "-inkey",
                       self.folder / "recipient.pem").stdout

    def rig(self, image="a"):
        enclave = Enclave(self.folder / image)

        def measure(policy):
            extend = b"\xa1\x69ExtendPCR\xa2\x65index\x10\x64data\x59" + len(policy).to_bytes(2, "big") + policy
            assert "ExtendPCR" in decode(enclave.ask(extend))
            assert decode(enclave.ask(b"\xa1\x67LockPCR\xa1\x65index\x10")) == "LockPCR"

        def document(nonce):
            del nonce
            request = (b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key\x59"
                       + len(self.spki).to_bytes(2, "big") + self.spki)
            return decode(enclave.ask(request))["Attestation"]["document"]
        return Rig(self.start, self.folder, self.pair, f"unix:{self.folder}/kms", self.folder / "state/kms-ca.pem",
                   document=document, measure=measure)


def pcr16(policy):
    return hashlib.sha384(bytes(48) + policy.encode()).hexdigest()


def test_a_real_kms_releases_to_the_right_image_under_the_right_policy(start, folder, pair):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"), PCR16=pcr16(cloud.policy))
    rig = cloud.rig()
    reply = rig.init(tls=cloud.seal(b"tls record"), keys=[cloud.seal(b"key 0"), b"\x01" * 64, cloud.seal(b"key 2")],
                     policy=cloud.policy, credential=cloud.credential)
    assert reply == {"status": 200, "body": {"init_state": True, "keys": 2, "failed": 1}}
    assert [(kind, index, cloud.open(envelope)) for kind, index, envelope in rig.keeper.records] == [
        (TLS, 0, b"tls record"), (VALIDATOR, 0, b"key 0"), (VALIDATOR, 2, b"key 2")]


@pytest.mark.parametrize("image, level", [("b", "debug"), ("a", "info")])
def test_a_real_kms_denies_another_image_and_another_policy(start, folder, pair, image, level):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"), PCR16=pcr16(cloud.policy))
    rig = cloud.rig(image)
    policy = cloud.policy.replace("log_level debug", f"log_level {level}")
    reply = rig.init(tls=cloud.seal(b"tls record"), policy=policy, credential=cloud.credential)
    assert reply["status"] == 403 and "AccessDenied" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT and not rig.keeper.records


def test_a_real_kms_sees_that_credentials_are_wrong(start, folder, pair):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"))
    reply = cloud.rig().init(policy=cloud.policy, credential=dict(cloud.credential, secret_access_key="A" * 40))
    assert reply["status"] == 502 and "InvalidSignature" in reply["body"]["error"]
