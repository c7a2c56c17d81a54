"""The keeper under an NSM that lies, errs, breaks off, says nothing, or says too much. It gets no key that way: the
keeper ends before it serves, refuses the policy, or has no document, and says why."""
import hashlib
import socket
import threading

import pytest

from harness import receive_packet, send_packet
from hostile import damage, seeded
from scripted_keeper import POLICY as POLICY_TEXT
from test_devcloud_nsm import decode

POLICY, STATE, LOADER_START = 0x0101, 0x0102, 0x0103
POLICY_RESULT, ATTEST, DOCUMENT, STATUS_WANTED, STATUS = 0x0301, 0x0302, 0x0303, 0x0309, 0x030a
WAIT, ATTESTED = 1, 2


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    width = 1 if value < 1 << 8 else 2 if value < 1 << 16 else 4 if value < 1 << 32 else 8
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + value.to_bytes(width, "big")


def encode(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, (bytes, str)):
        raw = value if isinstance(value, bytes) else value.encode()
        return head(2 if isinstance(value, bytes) else 3, len(raw)) + raw
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    return head(5, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())


class Nsm:
    """Answers well, but for the operations that a test has given an answer of its own in lies: bytes, a function of the
    good answer, or None for hanging up. Operations are counted: Describe0, Describe16, Describe16b (read back)."""

    def __init__(self, path):
        self.lies = {}
        self.seen = []
        self.pcr16, self.locked = bytes(48), False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            with stream:
                self._talk(stream)

    def _talk(self, stream):
        while True:
            try:
                request = stream.recv(0x2000)
                if not request:
                    return
                name, good = self._answer(decode(request))
                self.seen.append(name)
                lie = self.lies.get(name, good)
                answer = lie(good) if callable(lie) else lie
                if answer is None:
                    return
                for one in answer if isinstance(answer, list) else [answer]:
                    stream.send(one)
            except OSError:
                return

    def _answer(self, request):
        name = request if isinstance(request, str) else next(iter(request))
        if name == "GetRandom":
            return name, encode({"GetRandom": {"random": b"\x5a" * 256}})
        if name == "DescribePCR":
            index = request[name]["index"]
            data, lock = (self.pcr16, self.locked) if index == 16 else (b"\x10" * 48, True)
            label = f"Describe{index}" + ("b" if self.locked and index == 16 else "")
            return label, encode({"DescribePCR": {"lock": lock, "data": data}})
        if name == "ExtendPCR":
            if name not in self.lies:
                self.pcr16 = hashlib.sha384(self.pcr16 + request[name]["data"]).digest()
            return name, encode({"ExtendPCR": {"data": self.pcr16}})
        if name == "LockPCR":
            self.locked = name not in self.lies
            return name, encode("LockPCR")
        return name, encode({"Attestation": {"document": b"document of " + (request[name]["nonce"] or b"nobody")}})

    def close(self):
        self._listener.close()


ERRORS = ("Success", "InvalidArgument", "InvalidIndex", "InvalidResponse", "ReadOnlyIndex", "InvalidOperation", "BufferTooSmall",
          "InputTooLarge", "InternalError", "SomethingNew", "Evil\n\x1b[31m")

# Of a good answer; the field that each answer but LockPCR's has is data, random or document.
LIES = {
    **{f"error {name!r}": lambda good, name=name: encode({"Error": name}) for name in ERRORS},
    "an error that is a number": lambda good: encode({"Error": 7}),
    "an error beside the answer": lambda good: encode({**decode(good), "Error": "InternalError"}) if good[0] >> 5 == 5
                                  else encode({"Error": "InternalError", "LockPCR": None}),
    "another variant": lambda good: encode({"DescribeNSM": {"digest": "SHA384"}}),
    "another variant without fields": lambda good: encode("DescribeNSM"),
    "a list": lambda good: encode([good]),
    "null": lambda good: b"\xf6",
    "no fields": lambda good: encode({name: {} for name in decode(good)}) if good[0] >> 5 == 5 else encode({"LockPCR": {}}),
    "fields that are none": lambda good: encode({name: 1 for name in decode(good)}) if good[0] >> 5 == 5 else encode(1),
    "an empty value": lambda good: encode({name: {key: b"" for key in fields} for name, fields in decode(good).items()})
                      if good[0] >> 5 == 5 else encode(""),
    "text for bytes": lambda good: encode({name: {key: "0" * 48 for key in fields} for name, fields in decode(good).items()})
                      if good[0] >> 5 == 5 else encode(b"LockPCR"),
    "a cut": lambda good: good[:-1],
    "a byte": lambda good: good[:1],
    "a byte behind": lambda good: good + b"\0",
    "twice": lambda good: good + good,
    "a length without end": lambda good: b"\x5b" + b"\xff" * 8,
    "a list without end": lambda good: b"\x9b" + b"\xff" * 8,
    "nested deep": lambda good: b"\x81" * 3000,
    "too long": lambda good: bytes(0x3001),
    "huge": lambda good: bytes(150000),
    "zeros": lambda good: bytes(0x3000),
    "hanging up": None,
}


class Rig:
    """A keeper in enclave mode under that NSM; the test is supervisor, front and courier."""

    def __init__(self, start, pair, folder):
        self.nsm = Nsm(folder / "hostile-nsm")
        self.folder, self._start, self._pair = folder, start, pair
        self.policy = POLICY_TEXT.replace("sqlite:/nowhere", f"sqlite:{folder}/store").encode()

    def start(self):
        ends = [self._pair() for _ in range(3)]
        self.supervisor, self.front, self.courier = (ours for ours, _ in ends)
        self.keeper = self._start("nitro-signer-keeper", "--mode=enclave", f"--nsm=unix:{self.folder}/hostile-nsm", "--log-level=debug",
                                  fds=[theirs.fileno() for _, theirs in ends], ready=False)
        for _, theirs in ends:
            theirs.close()
        return self

    def ask(self, kind, count, body, answer):
        send_packet(self.courier, kind, count, body)
        message = receive_packet(self.courier)
        assert message and message[0] == answer, (message, self.keeper.log())
        return message

    def state(self):
        return self.ask(STATUS_WANTED, 0, b"", STATUS)[2][0]

    def propose(self):
        """None when the policy was accepted, else the reason."""
        _, count, body, _ = self.ask(POLICY, len(self.policy), self.policy, POLICY_RESULT)
        assert body[0] in (0, 1) and len(body) == 1 + count
        return None if body[0] else body[1:].decode()

    def attest(self, nonce):
        _, count, body, _ = self.ask(ATTEST, len(nonce), b"\0" + nonce, DOCUMENT)
        assert count == len(body)
        return body


@pytest.fixture
def rig(start, pair, folder):
    made = Rig(start, pair, folder)
    yield made
    made.nsm.close()


@pytest.mark.parametrize("operation", ["Describe0", "Describe16", "GetRandom"])
def test_no_keeper_starts_on_lies(rig, operation):
    for what, lie in LIES.items():
        if what == "another variant" and operation == "Describe16":
            continue
        rig.nsm.lies = {operation: lie}
        rig.start()
        assert rig.keeper.wait() == 1, (what, rig.keeper.log())
        assert "NSM" in rig.keeper.log() and "\x1b" not in rig.keeper.log(), what
        assert receive_packet(rig.courier) is None
    rig.nsm.lies = {}
    rig.start()
    assert rig.state() == WAIT
    assert rig.keeper.terminate() == 0


@pytest.mark.parametrize("operation", ["Describe16", "ExtendPCR", "LockPCR", "Describe16b"])
def test_no_policy_is_accepted_on_lies(rig, operation):
    for what, lie in LIES.items():
        rig.nsm.pcr16, rig.nsm.locked, rig.nsm.lies = bytes(48), False, {}
        rig.start()
        assert rig.state() == WAIT
        rig.nsm.lies = {operation: lie}
        why = rig.propose()
        assert why and "NSM" in why, (what, why)
        assert rig.state() == WAIT
        assert rig.keeper.terminate() == 0, what


@pytest.mark.parametrize("operation, value, named", [
    ("Describe16", {"DescribePCR": {"lock": False, "data": b"\1" * 48}}, "another policy"),
    ("Describe16", {"DescribePCR": {"lock": True, "data": bytes(48)}}, "another policy"),
    ("ExtendPCR", {"ExtendPCR": {"data": bytes(48)}}, "another policy"),
    ("Describe16b", {"DescribePCR": {"lock": False, "data": bytes(48)}}, "did not lock"),
    ("Describe16b", {"DescribePCR": {"lock": True, "data": b"\2" * 48}}, "did not lock"),
    ("Describe16b", {"DescribePCR": {"lock": 1, "data": bytes(48)}}, "boolean"),
])
def test_well_formed_lies_about_the_policy_are_seen(rig, operation, value, named):
    rig.start()
    assert rig.state() == WAIT
    rig.nsm.lies = {operation: encode(value)}
    assert named in rig.propose()
    assert rig.state() == WAIT
    assert rig.keeper.terminate() == 0


def test_without_a_document_the_keeper_goes_on(rig):
    rig.start()
    assert rig.propose() is None
    for what, lie in LIES.items():
        if what == "hanging up":
            continue
        rig.nsm.lies = {"Attestation": lie}
        assert rig.attest(b"nonce") == b"", what
        assert rig.state() == ATTESTED
    rig.nsm.lies = {}
    assert rig.attest(b"nonce") == b"document of nonce"
    rig.nsm.lies = {"Attestation": None}
    assert rig.attest(b"nonce") == rig.attest(b"nonce") == b""
    assert rig.state() == ATTESTED
    assert rig.keeper.terminate() == 0


@pytest.mark.parametrize("seed", range(2))
def test_answers_damaged_at_random(rig, seed):
    rng = seeded("nsm", seed)
    rig.start()
    assert rig.propose() is None
    documents = 0
    rig.nsm.lies = {"Attestation": lambda good: damage(rng, good) or b"\0"}
    for number in range(400):
        document = rig.attest(b"%d" % number)
        documents += bool(document)
    assert documents < 400
    assert rig.state() == ATTESTED
    rig.nsm.lies = {}
    assert rig.attest(b"nonce") == b"document of nonce"
    assert rig.keeper.terminate() == 0


def test_an_answer_is_never_taken_for_that_of_another_request(rig):
    """An answer that nobody asked for waits in the socket when the next request goes out."""
    rig.start()
    assert rig.propose() is None
    rig.nsm.lies = {"Attestation": lambda good: [good, good]}
    assert rig.attest(b"first") == b"document of first"
    rig.nsm.lies = {}
    assert rig.attest(b"second") == b""
    assert "without a request" in rig.keeper.log()
    assert rig.keeper.terminate() == 0


def test_silence_has_an_end_and_a_late_answer_is_for_nobody(rig):
    rig.start()
    assert rig.propose() is None
    go_on = threading.Event()

    def late(good):
        go_on.wait(60)
        return good
    rig.nsm.lies = {"Attestation": late}
    assert rig.attest(b"first") == b""
    rig.nsm.lies = {}
    go_on.set()
    assert rig.attest(b"second") == b""
    assert rig.state() == ATTESTED
    assert rig.keeper.terminate() == 0
