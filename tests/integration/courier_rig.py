"""A nitro-signer-courier between a scripted keeper and a KMS, for the tests of test_courier*.py."""
import base64
import socket
import struct
import threading
import time

import pytest
from harness import connect, control, policy_text, receive_packet, send_packet
from scripted_kms import ScriptedKms

POLICY_MESSAGE, ACCESS_MESSAGE = 0x0101, 0x020b
POLICY_RESULT, ATTEST, DOCUMENT, LOAD_BEGIN, RECORD, LOAD_END, LOAD_ABORT, LOAD_RESULT, STATUS_WANTED, STATUS = range(0x0301, 0x030b)
RECORD_FAILED = 0x0403
WAIT, ATTESTED, LOAD, SERVE, FAILED = range(1, 6)
VALIDATOR, TLS = 1, 2
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CREDENTIAL = {"access_key_id": "AKIDCOURIER", "secret_access_key": "wJalrXUtnFEMI/SECRET/KEY", "token": "TOKENTOKEN"}


def policy_for(key=KEY, access="any"):
    return policy_text(store="sqlite:/nowhere", kms_key=key, region="us-east-1", log_level="debug", access=access)


def b64(data):
    return base64.b64encode(data).decode()


class Keeper:
    """The other end of the courier's descriptor 3. Answers like a keeper, in a thread, and remembers."""

    def __init__(self, end, document=lambda nonce: b"document", measure=lambda policy: None):
        self.end = end
        self.measure = measure
        self.state = WAIT
        self.policy = None
        self.access = []   # documents
        self.refuse_access = b""
        self.records = []  # (kind, index, envelope)
        self.labels = {}   # of records
        self.refused = []  # (index, error, label, text)
        self.failed_keys = []
        self.log = []      # message types in order
        self.attested = [] # (purpose, nonce)
        self.document = document
        self.load_ok = True
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                message = receive_packet(self.end, 60)
                if message is None:
                    return
                self._take(*message[:3])
            except OSError:
                return  # the courier may end, or the test close the socket, at any time

    def _take(self, kind, count, body):
        if kind != STATUS_WANTED:
            self.log.append(kind)
        if kind == STATUS_WANTED:
            counts = struct.pack("<BIIB", self.state, len(self.records), len(self.refused), 1)
            names = bytes([len(self.failed_keys)]) + b"".join(self.failed_keys)
            send_packet(self.end, STATUS, 1, counts + b"\x11" * 48 + b"\x22" * 48 + struct.pack("<6I", *range(1500, 7500, 1000)) + names)
        elif kind == POLICY_MESSAGE:
            assert self.state in (WAIT, ATTESTED) and len(body) == count
            accepted = self.policy in (None, body)
            text = b"" if accepted else b"another policy is in force already"
            if self.policy is None:
                self.measure(body)
            if accepted:
                self.policy, self.state = body, ATTESTED
            send_packet(self.end, POLICY_RESULT, len(text), bytes([accepted]) + text)
        elif kind == ACCESS_MESSAGE:
            assert self.state == ATTESTED and len(body) == count
            self.access.append(body)
            send_packet(self.end, POLICY_RESULT, len(self.refuse_access), bytes([not self.refuse_access]) + self.refuse_access)
        elif kind == ATTEST:
            assert self.state in (ATTESTED, LOAD, SERVE)
            self.attested.append((body[0], body[1:]))
            document = self.document(body[1:])
            send_packet(self.end, DOCUMENT, len(document), document)
        elif kind == LOAD_BEGIN:
            assert self.state in (ATTESTED, SERVE)
            self.before, self.state, self.records, self.refused = self.state, LOAD, [], []
        elif kind == RECORD:
            assert self.state == LOAD
            record_kind, index = struct.unpack_from("<BI", body)
            self.records.append((record_kind, index, body[53:]))
            self.labels[record_kind, index] = body[5:53]
        elif kind == RECORD_FAILED:
            assert self.state == LOAD and len(body) == 53 + count
            self.refused.append((*struct.unpack_from("<IB", body), body[5:53], body[53:].decode()))
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
        send_packet(self.end, LOAD_RESULT, len(text), struct.pack("<BII", ok, keys, len(self.refused)) + text)


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

    def init(self, tls=b"tls", keys=(b"k0", b"k1"), policy=None, access="", credential=None, stream=None, **more):
        return self.ask("init", stream, policy=policy or policy_for(), access=access, credential=credential or CREDENTIAL,
                        encrypted_tls_key=b64(tls), encrypted_validator_keys=[b64(key) for key in keys], **more)


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


def eventually(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
    return False
