"""Every ipc channel between processes, with one side hostile: messages of every type, sound and damaged at random, to
everyone who listens. A process that is told nonsense closes the channel and ends by itself (status 1, one reason in its
log), or it lives on and works; it never crashes, hangs, leaks or signs."""
import json
import os
import pathlib
import shutil
import socket
import stat
import struct
import time


import pytest

from courier_rig import eventually
from front_process import KEY, front  # noqa: F401 (front is a fixture)
from harness import packet, receive_packet, send_packet
from hostile import damage, seeded
from scripted_keeper import POLICY, Certificate, answer
from test_loader import Recipient, recipient, record_body  # noqa: F401 (recipient is a fixture)

POLICY_TEXT = POLICY.replace("level debug", "level info").encode()
STATE, LOADER_START, SETTINGS, KEYS, HEALTH, SERVE, LISTENING, SIGN, SIGNED = (0x0102, 0x0103, 0x0201, 0x0203, 0x0206, 0x0204, 0x0205,
                                                                              0x0207, 0x0208)
KEY_MESSAGE, LOAD_END, STATUS_WANTED, STATUS, SIGN_MANY = 0x0402, 0x0306, 0x0309, 0x030a, 0x020c
ORDER = struct.pack("<QBB6x", 7, 3, 0) + KEY + bytes(32) + bytes(48) + bytes(128)

# A sound message of every type.
SOUND = {
    0x0101: (len(POLICY_TEXT), POLICY_TEXT), 0x0102: (1, struct.pack("<BIII", 4, 1, 0, 9000)), 0x0103: (0, b""),
    0x0201: (len(POLICY_TEXT), POLICY_TEXT), 0x0202: (0, bytes(32) + struct.pack("<I", 3) + b"key" + struct.pack("<I", 4) + b"cert"),
    0x0203: (1, b"\3" + KEY), 0x0204: (0, b""), 0x0205: (0, struct.pack("<I", 9000)), 0x0206: (0, struct.pack("<BII", 1, 1, 0) + bytes(25)),
    0x0207: (1, ORDER), 0x0208: (1, answer(7)), 0x020b: (4, b"text"),
    0x020c: (1, b"\1" + ORDER[:16] + bytes(48) + ORDER[64:] + KEY),
    0x020d: (32, bytes(32)), 0x020e: (4, b"text"),
    0x0301: (3, b"\0why"), 0x0302: (5, b"\0nonce"), 0x0303: (4, b"text"),
    0x0304: (0, b"\0"), 0x0305: (3, struct.pack("<BI48x", 1, 0) + b"abc"), 0x0306: (0, struct.pack("<I", 1)), 0x0307: (0, b""),
    0x0308: (2, struct.pack("<BII", 0, 0, 0) + b"no"), 0x0309: (0, b""), 0x030a: (1, struct.pack("<BIIB", 1, 0, 0, 1) + bytes(121)),
    0x0401: (3, b"der"), 0x0402: (1, struct.pack("<I", 0) + bytes(31) + b"\1" + KEY), 0x0403: (2, struct.pack("<IB48x", 0, 1) + b"no"),
}
PACKETS = [packet(kind, *rest) for kind, rest in SOUND.items()]
RAW = {"empty header": b"\1", "seven bytes": bytes(7), "zeros": bytes(64), "a full packet": b"\7\2\0\0\1\0\0\0" + bytes(65528),
       "more than a packet": b"\7\2\0\0\1\0\0\0" + bytes(70000), "an unknown type": packet(0x7777), "reserved": b"\7\2\1\0" + bytes(276),
       "a count of 2^32-1": packet(0x0207, 0xffffffff, ORDER), "161 orders": packet(0x0207, 161, ORDER * 161)}


def hostile_packets(rng, count):
    """Each type as it should be, the odd ones, and damaged ones."""
    return PACKETS + list(RAW.values()) + [damage(rng, rng.choice(PACKETS)) or b"\0" for _ in range(count)]


def deliver(end, data):
    """False when the other side has closed."""
    try:
        end.send(data)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


def drain(end):
    """Reads what is there; False once the other side has closed."""
    end.setblocking(False)
    try:
        while True:
            data, fds, _, _ = socket.recv_fds(end, 65536, 4)
            for fd in fds:
                os.close(fd)
            if not data:
                return False
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        end.settimeout(20)


# ---- the keeper ----

class KeeperRig:
    """A stand-alone keeper in the state SERVE with one key, or an enclave's one that waits for its policy."""

    def __init__(self, start, pair, folder, vector):
        self._start, self._pair, self._folder = start, pair, folder
        self.secret, self.pubkey = (bytes.fromhex(vector[name].removeprefix("0x")) for name in ("secret_key", "pubkey"))
        self.policy = POLICY.replace("sqlite:/nowhere", f"sqlite:{folder}/store").encode()
        self.loader = None

    def _launch(self, mode, peers):
        ends = [self._pair() for _ in range(peers)]
        self.process = self._start("nitro-signer-keeper", f"--mode={mode}", f"--nsm=unix:{self._folder}/nsm", "--log-level=debug",
                                   fds=[theirs.fileno() for _, theirs in ends], ready=False)
        for _, theirs in ends:
            theirs.close()
        self.supervisor, self.front = ends[0][0], ends[1][0]
        self.courier = ends[2][0] if peers == 3 else None

    def load(self):
        """Up to the state LOAD: the loader's socket is ours."""
        self._launch("standalone", 2)
        send_packet(self.supervisor, 0x0101, len(self.policy), self.policy)
        while (message := receive_packet(self.supervisor))[0] != LOADER_START:
            assert message[0] == STATE
        self.loader = socket.socket(fileno=message[3][0])
        return self

    def serve(self):
        self.load()
        send_packet(self.loader, KEY_MESSAGE, 1, struct.pack("<I", 0) + self.secret + self.pubkey)
        send_packet(self.loader, LOAD_END, 0, struct.pack("<II", 1, 0))
        while receive_packet(self.front)[0] != SERVE:
            pass
        send_packet(self.front, LISTENING, 0, struct.pack("<I", 1))
        assert receive_packet(self.supervisor)[0] == STATE
        self.loader.close()
        return self

    def wait_state(self):
        self._launch("enclave", 3)
        return self

    def peers(self):
        return [end for end in (self.supervisor, self.front, self.courier, self.loader) if end is not None and end.fileno() >= 0]

    def leave(self):
        for end in self.peers():
            end.close()
        self.loader = None


@pytest.fixture
def keeper(start, pair, folder, vectors):
    vector = json.loads((vectors / "lodestar-generated/signing/sepolia.json").read_text())[0]
    rig = KeeperRig(start, pair, folder, vector)
    yield rig
    rig.leave()


def ends_in_order(rig, what):
    """After an attack: everybody leaves, and the keeper ends by itself, whatever it thought of it."""
    for end in rig.peers():
        drain(end)
    rig.leave()
    assert rig.process.wait() in (0, 1), (what, rig.process.log())
    assert rig.process.sanitizer_report() is None, (what, rig.process.log())


@pytest.mark.parametrize("peer", ["supervisor", "front"])
def test_the_keeper_that_serves_and_a_hostile_peer(keeper, peer):
    refused = 0
    for number, data in enumerate(hostile_packets(seeded("keeper", peer), 25)):
        keeper.serve()
        deliver(getattr(keeper, peer), data)
        kind = int.from_bytes(data[:2], "little")
        if peer == "front" and kind in (LISTENING, SIGN, SIGN_MANY) or not data:
            ends_in_order(keeper, number)  # it may be sound
            continue
        assert keeper.process.wait() == 1, (number, data[:40], keeper.process.log())
        assert peer in keeper.process.log()
        refused += 1
        keeper.leave()
    assert refused > 40


def test_the_keeper_that_loads_and_a_hostile_loader(keeper):
    """Stand-alone a load that fails is the end; a damaged key is never served."""
    for number, data in enumerate(hostile_packets(seeded("loader"), 25)):
        keeper.load()
        deliver(keeper.loader, data)
        keeper.loader.close()
        assert keeper.process.wait() == 1, (number, data[:40], keeper.process.log())
        assert "load" in keeper.process.log()
        message = receive_packet(keeper.front)
        assert message is None, (number, message)
        keeper.leave()


@pytest.mark.parametrize("peer", ["supervisor", "front", "courier"])
def test_the_keeper_that_waits_and_a_hostile_peer(keeper, start, folder, bin_dir, peer):
    start("nitro-signer-devcloud", f"--state={folder}/cloud", f"--nsm=unix:{folder}/nsm", f"--measure={bin_dir}/nitro-signer-keeper")
    for number, data in enumerate(hostile_packets(seeded("waiting", peer), 15)):
        keeper.wait_state()
        deliver(getattr(keeper, peer), data)
        if peer == "courier" and int.from_bytes(data[:2], "little") in (STATUS_WANTED, 0x0101):
            ends_in_order(keeper, number)
            continue
        assert keeper.process.wait() == 1, (number, data[:40], keeper.process.log())
        assert peer in keeper.process.log()
        keeper.leave()


def test_a_front_that_orders_and_never_reads(keeper):
    """What it does not read is kept up to a limit, and then it is the end."""
    keeper.serve()
    order = struct.pack("<QBB6x", 7, 3, 0) + KEY + bytes(32) + bytes(48) + bytes(128)  # of a key that is not there
    sent = 0
    while sent < 10000 and deliver(keeper.front, packet(SIGN, 160, order * 160)):
        sent += 1
    assert 0 < sent < 10000
    assert keeper.process.wait() == 1
    assert "does not read" in keeper.process.log()


# ---- the front and its keeper ----

def test_the_front_and_a_hostile_keeper(front, folder):
    certificate = Certificate(folder)
    tls = certificate.spki_digest + struct.pack("<I", len(certificate.key)) + certificate.key + struct.pack("<I", len(certificate.certificates))
    packets = hostile_packets(seeded("front"), 15)
    packets += [damage(seeded("tls", n), packet(0x0202, 0, tls + certificate.certificates)) for n in range(15)]
    for number, data in enumerate(packets):
        f = front()
        with f.connect() as waiting:  # a client with half a request, to be cleaned up
            waiting.sendall(b"POST /api/v1/eth2/sign/0x00 HTTP/1.1\r\n")
            deliver(f.keeper.end, data)
            f.keeper.close()
            assert f.process.wait() == 1, (number, f.process.log())
        assert " error " in f.process.log()


def test_the_front_before_it_serves(front):
    for number, data in enumerate(hostile_packets(seeded("early"), 15)):
        f = front(serve=False)
        deliver(f.keeper.end, data)
        f.keeper.close()
        assert f.process.wait() == 1, (number, f.process.log())


# ---- the loader and its keeper ----

def test_the_loader_and_a_hostile_keeper(start, pair, recipient):
    rng = seeded("loader's keeper")
    key = packet(0x0401, len(recipient.der), recipient.der)
    record = packet(0x0305, 300, record_body(1, 0, b"\x30\x80" + bytes(298)))
    cases = [[data] for data in PACKETS + list(RAW.values())]
    cases += [[key, damage(rng, record) or b"\0"] for _ in range(15)] + [[damage(rng, key) or b"\0"] for _ in range(15)]
    for number, packets in enumerate(cases):
        ours, theirs = pair()
        process = start("nitro-signer-loader", "--mode=records", fds=(theirs.fileno(),), ready=False)
        theirs.close()
        for data in packets:
            deliver(ours, data)
        ours.shutdown(socket.SHUT_WR)
        while (message := receive_packet(ours)) is not None:
            assert message[0] != KEY_MESSAGE
        assert process.wait() == 1, (number, process.log())
        ours.close()


# ---- the supervisors and their keeper ----

FAKE = """#!/usr/bin/python3
import os, socket, sys, time
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=3)
data = open(folder + "/packet", "rb").read()
for _ in range(int(open(folder + "/times").read())):
    try:
        socket.send_fds(end, [data], [1] if os.path.exists(folder + "/with-descriptor") else [])
    except OSError:
        break
time.sleep(15)
"""


def make_impostors(place, bin_dir):
    """A folder with the real supervisor, and children that are scripts."""
    place.mkdir()
    shutil.copy(bin_dir / "nitro-signer-enclave", place)
    for name in ("keeper", "front", "courier", "loader"):
        path = place / f"nitro-signer-{name}"
        path.write_text(FAKE if name == "keeper" else "#!/bin/sh\nexec sleep 15\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return place


@pytest.fixture
def impostors(folder, bin_dir):
    return make_impostors(folder / "bin", bin_dir)


def supervise(start, impostors, data, times=1, *options):
    (impostors / "packet").write_bytes(data)
    (impostors / "times").write_text(str(times))
    return start(pathlib.Path(impostors) / "nitro-signer-enclave", f"--control=unix:{impostors}/control",
                 f"--https=unix:{impostors}/https", *options, ready=False)


def test_the_supervisor_and_a_hostile_keeper(start, folder, bin_dir):
    """All at once: each waits a second to hear whether its keeper died of what it sent."""
    rounds = [(data, supervise(start, make_impostors(folder / str(number), bin_dir), data))
              for number, data in enumerate(hostile_packets(seeded("supervisor"), 15))]
    for number, (data, process) in enumerate(rounds):
        # A STATE is one whatever its numbers are, as long as state and length are right.
        if data[:8] == PACKETS[1][:8] and len(data) == len(PACKETS[1]) and 1 <= data[8] <= 5:
            assert process.alive(), (number, process.log())
            assert process.terminate() == 0
        else:
            assert process.wait(15) == 1, (number, data[:40], process.log())


def test_a_keeper_that_wants_loaders_without_end_has_one(start, impostors):
    (impostors / "with-descriptor").touch()
    process = supervise(start, impostors, packet(LOADER_START), times=50)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    most, deadline = 0, time.monotonic() + 2
    while time.monotonic() < deadline:
        most = max(most, len(children.read_text().split()))
    assert most in (4, 5)  # keeper, front, courier, the loader, and at most one that takes its place
    assert process.alive()
    assert process.terminate() == 0


def test_a_state_with_a_descriptor(start, impostors):
    (impostors / "with-descriptor").touch()
    process = supervise(start, impostors, packet(STATE, *SOUND[STATE]))
    assert process.wait() == 1


def test_notices_that_nobody_reads_stop_nobody(start, impostors):
    """Each STATE is passed on to the service manager, whose socket (the harness's) has room for some ten."""
    process = supervise(start, impostors, packet(STATE, *SOUND[STATE]), 100, "--log-level=debug")
    assert eventually(lambda: process.log().count("keeper: serve") == 100, 10), process.log()
    assert process.terminate() == 0
