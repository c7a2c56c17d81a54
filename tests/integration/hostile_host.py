"""A malicious host: what stands between an enclave and everything outside, and does with the bytes what it likes.

Wire is in the place of one road of nitro-signer-proxy. Each connection gets the next fault of its list, and goes through
untouched when there is none. HostileHost is an enclave of enclave_rig.Cloud on three such roads (KMS, DynamoDB, HTTPS)
and without a watchdog: the test speaks on the control port. Judge knows what a host must never bring about.

    host = HostileHost(cloud, "x")
    host.kms.do(Flip(at=700), Cut(at=2000))
    assert host.init()["status"] == 200          # tried again until a connection is sound
    host.judge()

Random faults come from random_fault(rng); repr() of each says all that is needed to have it again."""
import contextlib
import dataclasses
import json
import os
import pathlib
import queue
import random
import re
import select
import socket
import threading
import time

import requests

from enclave_rig import EPOCH, MAINNET_GENESIS, Cloud, children_of
from fleet_judge import VOTE, Message, Signed, request_of, slashable_pairs, wrong_signatures
from harness import PATIENCE, connect, control, free_port, sanitized

UP, DOWN = "up", "down"  # from whoever connected, and to it
CHAIN = "0x00000000", MAINNET_GENESIS
SOURCE = EPOCH - 9000
GROWTH_MAX = 128 << 20  # of a whole enclave while it is attacked: the control port alone may hold 48 MiB


# ---- what can be done to a stream of bytes ----

@dataclasses.dataclass(unsafe_hash=True)
class Fault:
    """Something happens at one place of one direction; bytes before it pass. What change() returns is sent instead of
    bytes; the rest of the connection passes, or what after() says."""
    at: int = 0
    way: str = DOWN
    seed: int = 0

    def change(self, data):
        """data begins at the place, and has at least self.needs bytes or is all there is."""
        return data

    needs = 1


class Flip(Fault):
    def change(self, data):
        return bytes([data[0] ^ 1 << self.seed % 8]) + data[1:]


class Drop(Fault):
    def change(self, data):
        return data[1 + self.seed % 40:]


class Repeat(Fault):
    def change(self, data):
        return data[:1 + self.seed % 200] + data


class Insert(Fault):
    def change(self, data):
        return random.Random(self.seed).randbytes(1 + self.seed % 60) + data


class Swap(Fault):
    """Two pieces change places."""
    needs = 64

    def change(self, data):
        half = len(data) // 2
        return data[half:2 * half] + data[:half] + data[2 * half:]


class Cut(Fault):
    """Nothing more, and both ends hear of it."""


class HalfClose(Fault):
    """Only the receiver hears of an end; the other direction goes on."""


class Stall(Fault):
    """Nothing more, and nobody hears of it."""


class Drip(Fault):
    """From there a byte at a time."""


class Babble(Fault):
    """From there random bytes, for as long as anybody takes them."""


class Refuse(Fault):
    """Accepted and closed."""


class Silence(Fault):
    """Accepted, and nothing is ever read or said."""


class Echo(Fault):
    """Its own bytes come back."""


class Replay(Fault):
    """What the other side once said on another connection, whatever is asked now."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def __repr__(self):
        return f"Replay({len(self.said)} bytes)"


class Records(Fault):
    """Whole records of TLS with application data. The first one after armed was set is given twice; behind an earlier one of the same
    connection (old); or not (left out). Or, while it is set, nothing is given on this and any later connection (withheld)."""

    def __init__(self, what, armed, way=DOWN):
        super().__init__(way=way)
        self.what, self.armed, self.done, self.seen = what, armed, False, []

    def __repr__(self):
        return f"Records({self.what!r}, way={self.way!r})"

    def instead_of(self, record):
        """The records that go on in its place."""
        if self.what == "withheld":
            self.done = self.done or self.armed.is_set()
            return [] if self.done else [record]
        if record[0] != 23 or self.done or not self.armed.is_set():
            self.seen.append(record)
            return [record]
        self.done = True
        self.armed.clear()
        earlier = [one for one in self.seen if one[0] == 23]
        return {"twice": [record, record], "old": [earlier[-1], record] if earlier else [record, record], "left out": []}[self.what]


class Elsewhere(Fault):
    """Connected to another address than the one that was meant."""

    def __init__(self, address):
        super().__init__()
        self.address = address

    def __repr__(self):
        return f"Elsewhere({self.address!r})"


# Stall, Drip and Silence cost the timeout of whoever waits.
QUICK = (Flip, Drop, Repeat, Insert, Swap, Cut, HalfClose, Babble, Refuse, Echo)


def random_fault(rng, kinds=QUICK, longest=6000):
    """Mostly inside the handshake, sometimes behind it."""
    at = rng.randrange(rng.choice((6, 300, 1500, longest)))
    return rng.choice(kinds)(at, rng.choice((UP, DOWN)), rng.randrange(1 << 16))


# ---- the road ----

class Wire:
    """Listens at an address and leads to another. do() hands faults to the connections that come next, in order; those of
    always(make) get what make() returns, None for a sound one. When recording, said has what the far side said, by
    connection."""

    def __init__(self, address, target):
        self.address, self.target, self.connections = address, target, 0
        self.faults, self.make, self.recording, self.said, self.asked = queue.SimpleQueue(), None, False, [], []
        self._ends, self._lock = set(), threading.Lock()
        family, rest = address.split(":", 1)
        if family == "unix":
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(rest)
            self.listener.listen(256)
        else:
            self.listener = socket.create_server(("127.0.0.1", int(rest.rsplit(":", 1)[1])), backlog=256)
        threading.Thread(target=self._serve, daemon=True).start()

    def do(self, *faults):
        for fault in faults:
            self.faults.put(fault)

    def always(self, make):
        self.make = make

    def heal(self):
        """Sound from here on. Connections that were treated badly end, as they would when the host's relay is started anew."""
        self.make = None
        with contextlib.suppress(queue.Empty):
            while True:
                self.faults.get_nowait()
        self.hang_up()

    def hang_up(self):
        with self._lock:
            ends = list(self._ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._treat, args=(near, self._next()), daemon=True).start()

    def _next(self):
        try:
            return self.faults.get_nowait()
        except queue.Empty:
            return self.make() if self.make else None

    def _treat(self, near, fault):
        with self._lock:
            self._ends.add(near)
        try:
            with near, contextlib.suppress(OSError):
                self._carry(near, fault)
        finally:
            with self._lock:
                self._ends.discard(near)

    def _carry(self, near, fault):
        if isinstance(fault, Refuse):
            return
        if isinstance(fault, Silence):
            self._until_closed(near)
            return
        if isinstance(fault, Echo):
            while part := near.recv(65536):
                near.sendall(part)
            return
        if isinstance(fault, Replay):
            near.recv(65536)
            near.sendall(fault.said)
            while near.recv(65536):
                pass
            return
        with connect(fault.address if isinstance(fault, Elsewhere) else self.target) as far:
            with self._lock:
                self._ends.add(far)
            try:
                self._both_ways(near, far, fault)
            finally:
                with self._lock:
                    self._ends.discard(far)

    @staticmethod
    def _until_closed(near):
        """Without reading anything."""
        poll = select.poll()
        poll.register(near, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        poll.poll()

    def _both_ways(self, near, far, fault):
        near.settimeout(None)
        far.settimeout(None)
        kept = {UP: bytearray(), DOWN: bytearray()} if self.recording else None
        other = threading.Thread(target=self._pump, args=(near, far, UP, fault, kept), daemon=True)
        other.start()
        self._pump(far, near, DOWN, fault, kept)
        other.join()
        if kept:
            self.said.append(bytes(kept[DOWN]))
            self.asked.append(bytes(kept[UP]))

    def _pump(self, source, sink, way, fault, kept):
        mine = fault is not None and not isinstance(fault, Elsewhere) and fault.way == way
        try:
            if mine and isinstance(fault, Records):
                self._pump_records(source, sink, fault)
            elif mine:
                self._pump_badly(source, sink, fault)
            else:
                while part := source.recv(65536):
                    if kept is not None:
                        kept[way] += part
                    sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end is gone: so is the connection
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pump_records(source, sink, fault):
        rest = b""
        while part := source.recv(65536):
            rest += part
            while len(rest) >= 5 and len(rest) >= (whole := 5 + int.from_bytes(rest[3:5], "big")):
                record, rest = rest[:whole], rest[whole:]
                for one in fault.instead_of(record):
                    sink.sendall(one)

    def _pump_badly(self, source, sink, fault):
        passed = 0
        while part := source.recv(65536):
            before, here = part[:max(0, fault.at - passed)], part[max(0, fault.at - passed):]
            sink.sendall(before)
            passed += len(part)
            if here:
                self._spoil(source, sink, fault, here)
                return

    def _spoil(self, source, sink, fault, here):
        if isinstance(fault, Cut):
            raise OSError
        if isinstance(fault, HalfClose):
            return
        if isinstance(fault, Stall):
            while source.recv(65536):
                pass
            self._until_closed(sink)
            raise OSError
        if isinstance(fault, Babble):
            noise = random.Random(fault.seed)
            while True:
                sink.sendall(noise.randbytes(65536))
        drips = isinstance(fault, Drip)
        if not drips:
            source.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                while len(here) < fault.needs and (part := source.recv(65536)):
                    here += part
            source.settimeout(None)
        here = fault.change(here)
        while here:
            if drips:
                for byte in here:
                    sink.sendall(bytes([byte]))
                    time.sleep(0.02)
            else:
                sink.sendall(here)
            here = source.recv(65536)


# ---- the enclave in between ----

class SecretCloud(Cloud):
    """Says all secrets it made, so that logs can be searched for them."""
    key_fds = "mnemonic-fd secrets-fd"

    def forbidden(self):
        credentials = json.loads((self.folder / "cloud/credentials.json").read_text())
        words = {word for line in self.secrets for word in line.split() if len(word) >= 20}
        words -= {key for key in self.keys} | {key.removeprefix("0x") for key in self.keys}
        return words | {line for line in self.secrets if line.count(" ") >= 11} | {credentials["secret_access_key"], credentials["token"]}

    def items_to_hand_in(self):
        """Public key -> ciphertext, and the TLS key's ciphertext."""
        items = [json.loads(path.read_text()) for path in (self.folder / "items/validators").iterdir()]
        tls = json.loads((self.folder / "items/tls/1.json").read_text())
        return ({"0x" + item["pubkey"].removeprefix("0x"): item["encrypted_key_password_mnemonic_b64"] for item in items},
                tls["encrypted_tls_key_b64"])


def family_of(pid):
    return [pid] + [grandchild for child in children_of(pid) for grandchild in family_of(child)]


def resident(pid):
    """Bytes of it and of all that it started."""
    total = 0
    for one in family_of(pid):
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{one}/status").read_text())
            total += int(found.group(1)) << 10 if found else 0  # none of one that has ended
    return total


class HostileHost:
    """The host, with its enclave."""

    def __init__(self, cloud, name, log=None, metrics=None):
        self.cloud, self.name, folder = cloud, name, cloud.folder
        self.address = f"unix:{folder}/{name}-control"
        self.port = free_port()
        self.kms = Wire(f"unix:{folder}/{name}-kms", f"unix:{folder}/kms")
        self.dynamodb = Wire(f"unix:{folder}/{name}-dynamodb", cloud.relay.address) if cloud.relay else None
        self.https = Wire(f"tcp:127.0.0.1:{self.port}", f"unix:{folder}/{name}-https")
        self.enclave = cloud.start(
            "nitro-signer-enclave", f"--control={self.address}", f"--https=unix:{folder}/{name}-https", f"--nsm=unix:{folder}/nsm-a",
            f"--kms-via=unix:{folder}/{name}-kms", f"--dynamodb-via=unix:{folder}/{name}-dynamodb", f"--ca-file={folder}/ca.pem",
            "--log-level=debug", *[f"--log={log}"] * bool(log), *[f"--metrics={metrics}"] * bool(metrics))
        self.before = resident(self.enclave.pid)
        self.credential = {key: json.loads((folder / "cloud/credentials.json").read_text())[key] for key in ("access_key_id", "secret_access_key", "token")}
        self._session = threading.local()

    def wires(self):
        return [wire for wire in (self.kms, self.dynamodb, self.https) if wire]

    def heal(self):
        for wire in self.wires():
            wire.heal()

    def close(self):
        for wire in self.wires():
            wire.close()

    def connect(self):
        return connect(self.address, timeout=120)

    def ask(self, operation, **members):
        with self.connect() as stream:
            return control(stream, {"operation": operation, **members})

    def init_message(self, **changed):
        validators, tls = self.cloud.items_to_hand_in()
        return {"operation": "init", "policy": (self.cloud.folder / "policy.txt").read_text(), "access": "", "credential": self.credential,
                "encrypted_tls_key": tls, "encrypted_validator_keys": list(validators.values()), **changed}

    def init(self, **changed):
        with self.connect() as stream:
            return control(stream, self.init_message(**changed))

    def begin(self, **changed):
        """Init over honest roads, as the watchdog sends it: again, where the machine was too busy for the timeouts of the first. The reply."""
        until = time.monotonic() + 60 * PATIENCE
        while (reply := self.init(**changed))["status"] in (500, 502) and time.monotonic() < until:
            time.sleep(0.2)
        assert reply["status"] == 200, (reply, self.log())
        return reply

    def state(self):
        return self.ask("init_state")["body"]["state"]

    def log(self):
        return self.enclave.log()

    def descriptors(self):
        """Of the whole enclave; none of a loader that has just ended."""
        total = 0
        for one in family_of(self.enclave.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += len(os.listdir(f"/proc/{one}/fd"))
        return total

    # ---- as a client, by way of the host ----

    def session(self):
        """Of this thread, so that connections are kept."""
        if not hasattr(self._session, "it"):
            self._session.it = requests.Session()
            self._session.it.trust_env = False
            self._session.it.verify = str(self.cloud.folder / "items/tls-cert.pem")
        return self._session.it

    def get(self, path, timeout=20):
        return self.session().get(f"https://localhost:{self.port}{path}", timeout=timeout * PATIENCE)

    def public_keys(self):
        return sorted(self.get("/api/v1/eth2/publicKeys").json())

    def sign(self, message, timeout=30):
        """The status, or None where the host let no answer through. What is signed stands in the record by then, and is
        remembered for the judge."""
        try:
            answer = self.session().post(f"https://localhost:{self.port}/api/v1/eth2/sign/{message.key}", json=request_of(message, CHAIN),
                                         timeout=timeout * PATIENCE)
        except requests.RequestException:
            return None
        if answer.status_code == 200:
            recorded = int(self.cloud.items()[message.key]["target_epoch"]["N"])
            assert recorded >= message.high, f"signed {message.high} without a record, which is at {recorded}"
            self.cloud.signed.append(Signed(message, answer.json()["signature"] if answer.text.startswith("{") else answer.text, self.name, 0, 0))
        return answer.status_code

    def vote(self, key, target, variant=1, timeout=30):
        return self.sign(Message(VOTE, self.cloud.keys[key], SOURCE, target, variant), timeout)

    def settled(self, key, target, variant=1):
        """200 or 412: asked again, as clients do, where the machine was too busy for the signer's own limits."""
        until = time.monotonic() + 60 * PATIENCE
        while (status := self.vote(key, target, variant)) in (500, 503, None) and time.monotonic() < until:
            time.sleep(0.1)
        return status

    # ---- what must never be ----

    def judge(self, seed=None):
        """Whatever was done to it: it lives, small, and without a secret in its log."""
        log = self.log()
        assert "was ended by signal" not in log, (seed, log)
        told = [word for word in self.cloud.forbidden() if word in log]
        assert not told, (seed, f"{len(told)} secrets in the log")
        assert self.enclave.alive(), (seed, log)
        grown = resident(self.enclave.pid) - self.before
        assert grown < GROWTH_MAX or sanitized(self.cloud.bin_dir / "nitro-signer-enclave"), (seed, f"{grown >> 20} MiB more", log)


def judge_signatures(cloud):
    """Of all that left any enclave of this cloud: each is right, and no two may be punished."""
    messages = [one.message for one in cloud.signed]
    assert slashable_pairs(messages) == []
    assert wrong_signatures(cloud.signed, CHAIN) == []
