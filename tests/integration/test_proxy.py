"""nitro-signer-proxy as a black box: bytes through relays, the allow-list, the log sink."""
import hashlib
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from harness import connect, free_port, sanitized

# The tests hold both ends of many connections.
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD if 0 <= HARD < 8192 else 8192, HARD))

PROGRAM = "nitro-signer-proxy"


def listen(address, backlog=1024):
    family, rest = address.split(":", 1)
    if family == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(rest)
    elif family == "vsock":
        listener = socket.socket(socket.AF_VSOCK)
        listener.bind((socket.VMADDR_CID_ANY, int(rest.rsplit(":", 1)[1])))
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(rest.rsplit(":", 1)[1])))
    listener.listen(backlog)
    listener.settimeout(20)
    return listener


def connect_to(address):
    if not address.startswith("vsock:"):
        return connect(address)
    stream = socket.socket(socket.AF_VSOCK)
    stream.settimeout(20)
    stream.connect((1, int(address.rsplit(":", 1)[1])))
    return stream


def vsock_loopback():
    """Whether this kernel connects AF_VSOCK sockets of one machine: module vsock_loopback."""
    try:
        with socket.socket(socket.AF_VSOCK) as server, socket.socket(socket.AF_VSOCK) as client:
            server.bind((socket.VMADDR_CID_ANY, 49152 + os.getpid() % 10000))
            server.listen(1)
            client.settimeout(0.5)
            client.connect((1, server.getsockname()[1]))
            return True
    except OSError:
        return False


class Relay:
    """A proxy with one relay, and both of its ends."""

    def __init__(self, start, listen_at, target, *arguments, kind="inbound"):
        self.address = listen_at
        self.server = listen(target)
        allow = [f"--allow={target}"] if kind == "outbound" else []
        # The address sanitizer keeps freed memory for a while; one test measures memory.
        env = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
        self.process = start(PROGRAM, f"--{kind}={listen_at}={target}", *allow, *arguments, env=env)

    def pair(self):
        client = connect_to(self.address)
        server, _ = self.server.accept()
        server.settimeout(20)
        return client, server


@pytest.fixture(params=["unix to unix", "tcp to unix", "unix to tcp", "tcp to tcp", "tcp to vsock", "vsock to tcp"])
def relay(request, start, folder):
    names = request.param.split(" to ")
    if "vsock" in names and not vsock_loopback():
        pytest.skip("NOT TESTED: this kernel has no loopback for AF_VSOCK (module vsock_loopback)")
    of = {"unix": lambda i: f"unix:{folder}/{i}", "tcp": lambda i: f"tcp:127.0.0.1:{free_port()}", "vsock": lambda i: f"vsock:1:{free_port()}"}
    places = [of[name](i) for i, name in enumerate(names)]
    made = Relay(start, *places, kind="outbound")
    yield made
    made.server.close()


def send_stream(stream, seed, size):
    """Sends size reproducible bytes, then ends this direction."""
    block = hashlib.sha256(seed).digest() * 2048
    for at in range(0, size, len(block)):
        stream.sendall(block[:size - at])
    stream.shutdown(socket.SHUT_WR)


def receive_digest(stream, result):
    digest, length = hashlib.sha256(), 0
    while part := stream.recv(1 << 20):
        digest.update(part)
        length += len(part)
    result.append((length, digest.hexdigest()))


def expected_digest(seed, size):
    block = hashlib.sha256(seed).digest() * 2048
    digest = hashlib.sha256()
    for at in range(0, size, len(block)):
        digest.update(block[:size - at])
    return size, digest.hexdigest()


def test_64_mebibytes_both_ways_at_once(relay):
    size = 64 * 1024 * 1024 + 17
    client, server = relay.pair()
    results = [], []
    threads = [threading.Thread(target=send_stream, args=(client, b"up", size)),
               threading.Thread(target=send_stream, args=(server, b"down", size)),
               threading.Thread(target=receive_digest, args=(server, results[0])),
               threading.Thread(target=receive_digest, args=(client, results[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == ([expected_digest(b"up", size)], [expected_digest(b"down", size)])
    client.close()
    server.close()
    assert relay.process.terminate() == 0


def test_an_end_of_one_direction_is_passed_on_alone(relay):
    client, server = relay.pair()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert server.recv(100) == b"question"
    assert server.recv(100) == b""
    time.sleep(0.1)
    server.sendall(b"answer")
    server.close()
    assert client.recv(100) == b"answer"
    assert client.recv(100) == b""
    client.close()
    client, server = relay.pair()
    server.close()  # the server speaks first, and only says goodbye
    assert client.recv(100) == b""
    client.close()


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def test_a_reset_ends_both_sides(start, folder):
    for names in ("tcp", "unix"), ("unix", "tcp"):
        made = Relay(start, *(f"tcp:127.0.0.1:{free_port()}" if name == "tcp" else f"unix:{folder}/{names[0]}{i}"
                              for i, name in enumerate(names)))
        client, server = made.pair()
        ends = [client, server] if names[0] == "tcp" else [server, client]
        reset(ends[0])
        assert ends[1].recv(100) == b""
        ends[1].close()
        made.server.close()


def test_3000_connections_at_once(relay):
    pairs = [relay.pair() for _ in range(3000)]
    for i, (client, _) in enumerate(pairs):
        client.sendall(b"number %d" % i)
    for i, (client, server) in enumerate(pairs):
        said = server.recv(100)
        server.sendall(said[::-1])
    # Sides are matched by what they say: accept need not keep the order.
    assert sorted(client.recv(100)[::-1] for client, _ in pairs) == sorted(b"number %d" % i for i in range(3000))
    for client, server in pairs:
        client.close()
        assert server.recv(1) == b""
        server.close()


def test_a_storm_of_connections_while_the_target_is_away(start, folder):
    """1,500 clients send before anybody takes them; none is lost, and each gets the answer to its own words."""
    made = Relay(start, f"tcp:127.0.0.1:{free_port()}", f"unix:{folder}/out")
    made.server.listen(50)  # a queue that is full most of the time
    clients = [connect(made.address) for _ in range(1500)]
    for i, client in enumerate(clients):
        client.sendall(b"%06d" % i)
    for _ in clients:
        server, _ = made.server.accept()
        server.settimeout(20)
        server.sendall(server.recv(6, socket.MSG_WAITALL)[::-1])
        server.close()
    for i, client in enumerate(clients):
        assert client.recv(6, socket.MSG_WAITALL) == (b"%06d" % i)[::-1]
        client.close()
    made.server.close()
    assert made.process.terminate() == 0
    assert "relay 1: 1500 connections, 0 without a target" in made.process.log()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_2000_links_whose_readers_stall_cost_bounded_memory(start, folder, bin_dir):
    made = Relay(start, f"unix:{folder}/in", f"unix:{folder}/out")
    first = descriptors(made.process.pid)
    before = resident_kib(made.process.pid)
    pairs = [made.pair() for _ in range(2000)]
    idle = resident_kib(made.process.pid) - before
    assert descriptors(made.process.pid) - first <= 2 * len(pairs)  # an idle link has no pipe of its own
    block, sent, ready = bytes(1 << 20), 0, time.monotonic() + 60
    for client, _ in pairs:
        client.setblocking(False)
    open_ends = [client for client, _ in pairs]
    while open_ends and time.monotonic() < ready:
        for client in open_ends:
            try:
                sent += client.send(block)
            except BlockingIOError:
                pass
        poll = select.poll()
        by_number = {client.fileno(): client for client in open_ends}
        for number in by_number:
            poll.register(number, select.POLLOUT)
        open_ends = [by_number[number] for number, _ in poll.poll(300)]
    assert not open_ends, "a writer was never slowed"
    stalled = resident_kib(made.process.pid) - before
    assert descriptors(made.process.pid) - first <= 2 * len(pairs)
    if not sanitized(bin_dir / PROGRAM):
        assert idle < 2000 * 3, f"{idle} KiB for 2,000 idle links"
        assert stalled < 2000 * 80, f"{stalled} KiB for 2,000 links with a stalled reader"
    # The readers wake, and nothing was lost.
    received = 0
    for client, server in pairs:
        client.shutdown(socket.SHUT_WR)
        while part := server.recv(1 << 20):
            received += len(part)
        client.close()
        server.close()
    assert received == sent
    made.server.close()
    assert made.process.terminate() == 0


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def test_a_slow_reader_slows_the_writer_and_costs_no_memory(relay):
    before = resident_kib(relay.process.pid)
    pairs = [relay.pair() for _ in range(10)]
    sent = 0
    block = bytes(1 << 20)
    for client, _ in pairs:
        client.setblocking(False)
        quiet = time.monotonic() + 0.15
        while time.monotonic() < quiet and sent < 1 << 30:
            try:
                sent += client.send(block)
                quiet = time.monotonic() + 0.15
            except BlockingIOError:
                select.select([], [client], [], 0.05)
    grown = resident_kib(relay.process.pid) - before
    assert sent < 1 << 30
    assert grown < 10 * 2 * 64 + 4096, f"{grown} KiB for {sent} bytes"
    received = 0
    for client, server in pairs:
        client.shutdown(socket.SHUT_WR)
        while part := server.recv(1 << 20):
            received += len(part)
        client.close()
        server.close()
    assert received == sent


def test_a_target_that_is_not_there_closes_the_client(start, folder):
    process = start(PROGRAM, f"--inbound=unix:{folder}/in=unix:{folder}/out", f"--inbound=unix:{folder}/in2=tcp:127.0.0.1:{free_port()}",
                    f"--inbound=unix:{folder}/in3=tcp:name.invalid:1")
    for name in ("in", "in2", "in3"):
        for _ in range(3):
            with connect(f"unix:{folder}/{name}") as client:
                assert client.recv(100) == b""
    server = listen(f"unix:{folder}/out")  # and it is found as soon as it is there
    with connect(f"unix:{folder}/in") as client:
        server.accept()[0].sendall(b"hello")
        assert client.recv(100) == b"hello"
    server.close()
    assert process.terminate() == 0
    assert "relay 1: 4 connections, 3 without a target" in process.log()


def test_names_are_resolved_and_every_address_is_tried(start, folder):
    port = free_port()
    server = listen(f"tcp:127.0.0.1:{port}")  # localhost may be ::1 first, where nobody listens
    target = f"tcp:localhost:{port}"
    start(PROGRAM, f"--outbound=unix:{folder}/in={target}", "--allow=tcp:LOCALHOST:" + str(port))
    with connect(f"unix:{folder}/in") as client:
        server.accept()[0].sendall(b"hello")
        assert client.recv(100) == b"hello"
    server.close()


def test_a_full_queue_of_the_target_is_waited_for(start, folder):
    server = listen(f"unix:{folder}/out", backlog=0)
    start(PROGRAM, f"--inbound=unix:{folder}/in=unix:{folder}/out")
    clients = [connect(f"unix:{folder}/in") for _ in range(10)]
    time.sleep(0.1)
    for _ in clients:
        stream, _ = server.accept()
        stream.sendall(b"hello")
        stream.close()
    assert [client.recv(100) for client in clients] == [b"hello"] * 10
    for client in clients:
        client.close()
    server.close()


def test_more_clients_than_permitted_wait(start, folder):
    made = Relay(start, f"unix:{folder}/in", f"unix:{folder}/out", "--max-connections=2")
    first, second = made.pair(), made.pair()
    third = connect(made.address)
    made.server.settimeout(0.3)
    with pytest.raises(socket.timeout):
        made.server.accept()
    for stream in first:
        stream.close()
    made.server.settimeout(20)
    server, _ = made.server.accept()
    server.sendall(b"hello")
    assert third.recv(100) == b"hello"
    for stream in (*second, third, server):
        stream.close()
    made.server.close()


def test_running_out_of_descriptors_does_not_spin(start, folder):
    made = Relay(start, f"unix:{folder}/in", f"unix:{folder}/out")
    made.pair()

    soft_and_hard = resource.prlimit(made.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(made.process.pid, resource.RLIMIT_NOFILE, (3, soft_and_hard[1]))
    waiting = connect(made.address)

    def seconds_runnable():
        """It ran, or waited for a processor: one that spins is always runnable, however busy the machine."""
        with open(f"/proc/{made.process.pid}/schedstat", encoding="ascii") as file:
            return sum(int(field) for field in file.read().split()[:2]) / 1e9

    before = seconds_runnable()
    time.sleep(1)
    assert seconds_runnable() - before < 0.6
    resource.prlimit(made.process.pid, resource.RLIMIT_NOFILE, soft_and_hard)
    server, _ = made.server.accept()
    server.sendall(b"hello")
    assert waiting.recv(100) == b"hello"
    for stream in (waiting, server, made.server):
        stream.close()


@pytest.mark.parametrize("arguments, said", [
    (["--outbound=unix:/tmp/a=tcp:example.com:443"], "--outbound: target 1 is not in --allow"),
    (["--outbound=unix:/tmp/a=tcp:example.com:443", "--allow=tcp:example.com:444"], "not in --allow"),
    (["--outbound=unix:/tmp/a=tcp:example.com:443", "--allow=tcp:example.co:443"], "not in --allow"),
    (["--outbound=unix:/tmp/a=unix:/tmp/b", "--allow=unix:/tmp/B"], "not in --allow"),
    (["--outbound=unix:/tmp/a=tcp:e:443", "--allow=everything"], "--allow"),
    (["--inbound=unix:/tmp/a"], "--inbound"),
    (["--inbound=unix:/tmp/a=nowhere"], "--inbound"),
    (["--inbound=tcp:x:1=tcp:h:99999"], "--inbound"),
    (["--max-connections=0", "--log-sink=unix:/tmp/l"], "--max-connections"),
    ([], "nothing to do"),
    (["surplus"], "unexpected"),
])
def test_wrong_options_end_it_at_once(start, arguments, said):
    process = start(PROGRAM, *arguments, ready=False)
    assert process.wait(10) == 2
    assert said in process.log()


def test_an_address_in_use_is_fatal(start, folder):
    server = listen(f"unix:{folder}/in")
    process = start(PROGRAM, f"--inbound=unix:{folder}/in=unix:{folder}/out", ready=False)
    assert process.wait(10) == 1
    assert "another process listens there" in process.log()
    server.close()


def test_the_log_sink_prints_lines_and_nothing_else(start, folder):
    process = start(PROGRAM, f"--log-sink=unix:{folder}/log")
    with connect(f"unix:{folder}/log") as writer, connect(f"unix:{folder}/log") as other:
        writer.sendall(b"first li")
        other.sendall("other\tline with \x1b[31m and ünïcode\r\n".encode())
        time.sleep(0.1)
        writer.sendall(b"ne\nsecond line\n\nno newline at the end")
    with connect(f"unix:{folder}/log") as writer:
        writer.sendall(b"x" * 3000 + b"\n" + b"y" * 2048 + b"\n")
    deadline = time.monotonic() + 5
    wanted = ["enclave: first line", "enclave: second line", "enclave: ", "enclave: no newline at the end",
              "enclave: other?line with ?[31m and ünïcode?", "enclave: " + "x" * 2048, "enclave: " + "x" * 952,
              "enclave: " + "y" * 2048]
    while time.monotonic() < deadline and not all(line in process.log().split("\n") for line in wanted):
        time.sleep(0.02)
    lines = process.log().rstrip("\n").split("\n")
    assert sorted(lines) == sorted(wanted)
    writers = [connect(f"unix:{folder}/log") for _ in range(30)]  # more than it serves at once
    for writer in writers:
        writer.sendall(b"late\n")
        writer.close()
    while time.monotonic() < deadline and process.log().count("enclave: late\n") < 30:
        time.sleep(0.02)
    assert process.log().count("enclave: late\n") == 30
    assert process.terminate() == 0


def test_a_log_that_nobody_reads_does_not_stop_relays(bin_dir, folder):
    server = listen(f"unix:{folder}/out")
    command = [bin_dir / PROGRAM, f"--inbound=unix:{folder}/in=unix:{folder}/out", f"--log-sink=unix:{folder}/log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            while not os.path.exists(f"{folder}/log") and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.1)
            with connect(f"unix:{folder}/log") as writer:
                writer.sendall((b"x" * 99 + b"\n") * 5000)  # more than a pipe holds
            with connect(f"unix:{folder}/in") as client:
                stream, _ = server.accept()
                stream.settimeout(10)
                client.sendall(b"hello")
                assert stream.recv(100) == b"hello"
                stream.close()
        finally:
            process.kill()
            process.stderr.close()
    server.close()


def test_it_ends_by_signals_with_connections_open_and_lives_in_a_sandbox(start, folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        made = Relay(start, f"unix:{folder}/in{number}", f"unix:{folder}/out{number}")
        client, server = made.pair()
        client.sendall(b"x")
        with open(f"/proc/{made.process.pid}/status", encoding="ascii") as file:
            assert "Seccomp:\t2\n" in file.read()
        made.process.signal(number)
        assert made.process.wait(10) == 0
        for stream in (client, server, made.server):
            stream.close()
    assert os.path.exists(folder)
