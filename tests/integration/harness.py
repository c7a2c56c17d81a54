"""What black-box tests share: our executables started as a supervisor would start them, with
readiness by NOTIFY_SOCKET instead of sleeps, and packets on SOCK_SEQPACKET sockets.

Tests get these through the fixtures of conftest.py, which also end whatever is left running.
"""
import contextlib
import fcntl
import itertools
import json
import os
import random
import re
import select
import signal
import socket
import struct
import time

SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
SANITIZER_STATUS = 99  # of a program that ends by a sanitizer's report: none of ours, so that no report passes for a refusal
PACKET_MAX = 65536
PATIENCE = float(os.environ.get("NS_PATIENCE") or 1)  # how many times longer to wait for everything: emulated processors are slow


def sanitized(program):
    """Whether this executable was built with the address sanitizer: then its memory and system calls are not its own."""
    with open(program, "rb") as file:
        return b"__asan_init" in file.read()


def ready_of(readables, timeout):
    """Those that can be read within so many seconds; select(2) would not take descriptors above 1,023, which long runs have."""
    poll, by_number = select.poll(), {}
    for one in readables:
        number = one if isinstance(one, int) else one.fileno()
        by_number[number] = one
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(timeout * PATIENCE * 1000)]


class Process:
    """One running executable of ours. Its standard output and error go to the file log_path."""

    def __init__(self, path, arguments, folder, fds=(), env=None):
        self.name = os.path.basename(path)
        self.status = None
        serial = len(os.listdir(folder))
        self.log_path = os.path.join(folder, f"{serial:02}-{self.name}.log")
        notify_path = os.path.join(folder, f"{serial:02}.notify")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(notify_path)
        environment = dict(os.environ if env is None else env, NOTIFY_SOCKET=notify_path)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            environment[name] = f"{environment.get(name, '')}:exitcode={SANITIZER_STATUS}".lstrip(":")
        # Copies far above the targets, so that no target overwrites a descriptor still to be moved.
        copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in fds]
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 1, self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                   (os.POSIX_SPAWN_DUP2, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, copy, 3 + i) for i, copy in enumerate(copies)]
        # setpriv: should the test runner itself be killed, the program goes with it.
        argv = ["setpriv", "--pdeathsig", "KILL", path, *map(str, arguments)]
        self.pid = os.posix_spawnp(argv[0], argv, environment, file_actions=actions, setpgroup=0)
        self._pidfd = os.pidfd_open(self.pid)
        for copy in copies:
            os.close(copy)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_ready(self, timeout=120):
        """Returns when the program says READY=1; fails when it ends or is silent before that."""
        deadline = time.monotonic() + timeout
        while True:
            readable = ready_of([self._notify, self._pidfd], max(0, deadline - time.monotonic()))
            if self._notify in readable:
                if b"READY=1" in self._notify.recv(4096).split(b"\n"):
                    return self  # what follows is never read, and must not matter
            elif readable:
                raise AssertionError(f"{self.name} ended with {self.wait(1)} before it was ready:\n{self.log()}")
            else:
                raise AssertionError(f"{self.name} was not ready after {timeout} s:\n{self.log()}")

    def alive(self):
        return self.status is None and not ready_of([self._pidfd], 0)

    def wait(self, timeout=120):
        """The exit status; negative is the number of the signal that ended it."""
        if self.status is None:
            if not ready_of([self._pidfd], timeout):
                raise AssertionError(f"{self.name} still runs after {timeout} s:\n{self.log()}")
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def signal(self, number):
        os.kill(self.pid, number)

    def terminate(self, timeout=120):
        """SIGTERM, and the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def cleanup(self):
        """Kills what is left of the process group. Never raises: the test's own failure is the news."""
        try:
            if self.status is None:
                os.killpg(self.pid, signal.SIGKILL)
                self.wait(10)
        except (ProcessLookupError, AssertionError):
            pass
        os.close(self._pidfd)
        self._notify.close()

    def sanitizer_report(self):
        text = self.log()
        return text if SANITIZER.search(text) else None


def packet_pair():
    """Two ends of a SOCK_SEQPACKET socketpair, as a supervisor makes them."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.settimeout(20 * PATIENCE)
    return pair


def packet(kind, count=0, body=b""):
    """A message of PROTOCOL.ipc."""
    return struct.pack("<HHI", kind, 0, count) + body


def send_packet(end, kind, count=0, body=b"", fds=()):
    socket.send_fds(end, [packet(kind, count, body)], list(fds))


def receive_packet(end, timeout=20):
    """(type, count, body, descriptors); None when the other side has closed."""
    end.settimeout(timeout * PATIENCE)
    try:
        data, fds, _, _ = socket.recv_fds(end, PACKET_MAX, 4)
    except ConnectionResetError:
        return None
    if not data:
        return None
    kind, reserved, count = struct.unpack_from("<HHI", data)
    assert reserved == 0
    return kind, count, data[8:], fds


def connect(address, timeout=20):
    """A stream to unix:PATH or tcp:HOST:PORT."""
    family, rest = address.split(":", 1)
    if family == "unix":
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(rest)  # with a timeout set before, a full queue would be an error at once
        stream.settimeout(timeout * PATIENCE)
        return stream
    host, port = rest.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout * PATIENCE)


def receive_exactly(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            raise ConnectionError(f"the peer closed after {len(data)} of {length} bytes")
        data += part
    return data


def control(stream, message):
    """One request and reply of PROTOCOL.control; message is an object, or bytes to send as they are."""
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    stream.sendall(struct.pack(">I", len(text)) + text)
    (length,) = struct.unpack(">I", receive_exactly(stream, 4))
    return json.loads(receive_exactly(stream, length))


def policy_text(store="none", kms_key="none", region="none", log_level="info", far_future="2", access="any"):
    """A policy document for mainnet (PROTOCOL.control section 3)."""
    return f"""nitro-signer-policy 3
network mainnet
preset mainnet
genesis_time 1606824023
seconds_per_slot 12
phase0_fork_version 0x00000000
altair_fork 0x01000000 74240
bellatrix_fork 0x02000000 144896
capella_fork 0x03000000 194048
deneb_fork 0x04000000 269568
electra_fork 0x05000000 364032
fulu_fork 0x06000000 411392
gloas_fork 0x07000000 never
heze_fork 0x08000000 never
genesis_validators_root any
slashing_protection enabled
store {store}
store_identity none
store_mode single
far_future_epochs {far_future}
boot_floor disabled
kms_key {kms_key}
region {region}
access {access}
log_level {log_level}
"""


# Below those that the kernel gives to whoever asks for any, and for each worker of one run others.
_FIRST_PORT, _PORTS = 10000 + 7000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 3), 7000
_given = itertools.count(random.randrange(_PORTS))


def free_port():
    """A TCP port of 127.0.0.1 that nobody has, for a server that is started now. It is not handed out again for long."""
    while True:
        port = _FIRST_PORT + next(_given) % _PORTS
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
