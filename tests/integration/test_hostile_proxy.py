"""nitro-signer-proxy between ends that send noise and vanish at any moment: it lives, and keeps no descriptor."""
import os
import socket
import time

from courier_rig import eventually
from harness import connect, free_port
from hostile import seeded
from test_proxy import Relay, reset

ROUNDS = int(os.environ.get("NS_ROUNDS", 150))


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def vanish(rng, stream):
    """One of the ways an end goes away."""
    way = rng.randrange(4)
    try:
        if way == 0:
            stream.shutdown(socket.SHUT_WR)
        elif way == 1:
            stream.shutdown(socket.SHUT_RDWR)
        elif way == 2 and stream.family != socket.AF_UNIX:
            reset(stream)
            return
    except OSError:
        pass
    stream.close()


def noise(rng, stream):
    """Random bytes, as much as there is room for."""
    stream.setblocking(False)
    try:
        for _ in range(rng.randint(0, 3)):
            stream.send(rng.randbytes(rng.choice((1, 100, 5000, 200000))))
    except OSError:
        pass


def exchange(relay, rng):
    """One connection: both ends act in random order, each vanishing at a random time."""
    client = connect(relay.address)
    server = None
    if rng.random() < 0.8:
        server, _ = relay.server.accept()
    ends = [end for end in (client, server) if end]
    rng.shuffle(ends)
    for end in ends:
        if rng.random() < 0.8:
            noise(rng, end)
        if rng.random() < 0.3:
            end.setblocking(False)
            try:
                end.recv(rng.choice((1, 1000, 100000)))
            except OSError:
                pass
        if rng.random() < 0.2:
            time.sleep(0.002)
    for end in ends:
        vanish(rng, end)
    return server is not None


def empty_queue(server):
    """Takes the connections that nobody waited for."""
    server.settimeout(0.2)
    try:
        while True:
            server.accept()[0].close()
    except OSError:
        pass
    server.settimeout(20)


def test_noise_and_ends_at_any_time(start, folder):
    places = [(f"unix:{folder}/in", f"tcp:127.0.0.1:{free_port()}"), (f"tcp:127.0.0.1:{free_port()}", f"unix:{folder}/out")]
    for number, (at, target) in enumerate(places):
        relay = Relay(start, at, target)
        client, server = relay.pair()
        before = descriptors(relay.process)  # with one connection open
        rng = seeded("proxy", number)
        for _ in range(ROUNDS):
            exchange(relay, rng)
        empty_queue(relay.server)
        assert eventually(lambda: descriptors(relay.process) <= before, 5), descriptors(relay.process)
        client.sendall(b"still here")
        assert server.recv(100) == b"still here"
        for end in (client, server, relay.server):
            end.close()
        assert relay.process.terminate() == 0


def test_targets_that_refuse_between_targets_that_answer(start, folder):
    """A target that comes and goes while clients send."""
    relay = Relay(start, f"unix:{folder}/in", f"unix:{folder}/out")
    before = descriptors(relay.process)
    rng = seeded("targets")
    for _ in range(ROUNDS):
        os.rename(folder / "out", folder / "away")
        with connect(relay.address) as client:
            noise(rng, client)
            client.settimeout(20)
            try:
                assert client.recv(100) == b""
            except ConnectionResetError:
                pass
        os.rename(folder / "away", folder / "out")
    client, server = relay.pair()
    client.close()
    assert server.recv(1) == b""
    server.close()
    assert eventually(lambda: descriptors(relay.process) <= before, 5)
    relay.server.close()
    assert relay.process.terminate() == 0


def test_the_log_sink_and_noise(start, folder):
    sink = start("nitro-signer-proxy", f"--log-sink=unix:{folder}/log")
    before = descriptors(sink)
    for seed in range(ROUNDS):
        rng = seeded("log", seed)
        with connect(f"unix:{folder}/log") as writer:
            noise(rng, writer)
    assert eventually(lambda: descriptors(sink) <= before, 10)
    with connect(f"unix:{folder}/log") as writer:
        writer.sendall(b"still here\n")
        assert eventually(lambda: "enclave: still here\n" in sink.log(), 10)
    with open(sink.log_path, "rb") as file:
        text = file.read()
    assert not any(byte < 32 and byte != 10 or byte == 127 for byte in text)
    assert sink.terminate() == 0
