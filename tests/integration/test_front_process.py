"""nitro-signer-front as a process: its keeper, its options, its sandbox."""
import socket
import struct
import time

import pytest

import scripted_keeper
from front_process import KEY, front, post  # noqa: F401 (front is a fixture)
from harness import send_packet
from scripted_keeper import Certificate, Keeper, answer


def test_the_end_of_the_keeper_is_the_end(front):
    f = front()
    f.keeper.go.clear()
    waiting = f.connect()
    waiting.sendall(post())
    time.sleep(0.1)
    f.keeper.end.shutdown(socket.SHUT_RDWR)
    assert f.process.wait(10) == 1
    waiting.close()


def test_sigterm_ends_it_cleanly(front):
    f = front()
    with f.connect() as stream:
        stream.sendall(b"GET /up")
        assert f.process.terminate(10) == 0


def test_messages_out_of_order_or_malformed_end_it(front, folder):
    certificate = Certificate(folder)
    breaches = [
        lambda k: send_packet(k.end, scripted_keeper.SERVE),
        lambda k: (k.settings(), k.settings()),
        lambda k: k.settings(scripted_keeper.POLICY.replace("network mainnet", "network Main Net")),
        lambda k: (k.settings(), send_packet(k.end, scripted_keeper.SERVE)),
        lambda k: k.keys([KEY], first=False),
        lambda k: (k.keys([KEY], last=False), k.keys([KEY])),
        lambda k: send_packet(k.end, 0x9999),
        lambda k: send_packet(k.end, scripted_keeper.SIGN, 1, bytes(272)),
        lambda k: send_packet(k.end, scripted_keeper.SIGNED, 1, answer(1 << 19)),
        lambda k: send_packet(k.end, scripted_keeper.HEALTH, 0, b"\2" + bytes(32)),
        lambda k: k.health(sources=[(2, 1, 0), (1, 0, 0)]),
        lambda k: k.health(sources=[(99, 1, 0)]),
        lambda k: send_packet(k.end, 0x0608, 0, struct.pack("<BII", 1, 1, 0)),
        lambda k: send_packet(k.end, 0x020a, 0, bytes(17)),
        lambda k: k.end.send(b"x"),
        lambda k: send_packet(k.end, scripted_keeper.TLS, 0, struct.pack("<I", 3) + b"key" + struct.pack("<I", 4) + b"cert"),
        lambda k: send_packet(k.end, scripted_keeper.TLS, 0,
                              struct.pack("<I", len(certificate.key)) + certificate.key + struct.pack("<I", 4) + b"cert"),
    ]
    for number, breach in enumerate(breaches):
        f = front(serve=False)
        breach(f.keeper)
        assert f.process.wait(10) == 1, number
        assert " error " in f.process.log()


def test_a_foreign_key_is_refused(front, folder):
    first, second = Certificate(folder, "first"), Certificate(folder, "second")
    second.certificates = first.certificates
    f = front(serve=False)
    f.keeper.settings()
    f.keeper.tls(second)
    assert f.process.wait(10) == 1
    assert "does not fit the certificate" in f.process.log()


def test_an_enclave_never_serves_without_tls(front):
    f = front("--mode=enclave", serve=False)
    f.keeper.settings()
    f.keeper.keys([KEY])
    send_packet(f.keeper.end, scripted_keeper.SERVE)
    assert f.process.wait(10) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", f.port), 5)


def test_nothing_listens_before_serve(front):
    f = front(serve=False)
    f.keeper.settings()
    f.keeper.keys([KEY])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", f.port), 5)
    assert f.keeper.serve() == f.port
    assert f.request("GET", "/upcheck").status_code == 200


def test_a_unix_socket_has_port_zero(start, pair, folder):
    ours, theirs = pair()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "front"))
    process = start("nitro-signer-front", fds=(theirs.fileno(), listener.fileno()), ready=False)
    theirs.close()
    keeper = Keeper(ours)
    keeper.settings()
    keeper.keys([KEY])
    assert keeper.serve() == 0
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(folder / "front"))
        stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(4096).endswith(b"OK")
    keeper.close()
    assert process.wait(10) == 1


@pytest.mark.parametrize("option", ["--mode=other", "--host-allowlist=a,*", "--host-allowlist=none,a", "--host-allowlist=a,,b",
                                    "--idle-connection-timeout-seconds=0", "--log-level=loud", "surplus", "--unknown=1"])
def test_wrong_options_are_named(start, pair, option):
    ours, theirs = pair()
    process = start("nitro-signer-front", option, fds=(theirs.fileno(), theirs.fileno()), ready=False)
    assert process.wait(10) == 2
    assert option.split("=")[0].replace("surplus", "argument 1: unexpected") in process.log()
    ours.close()


def test_it_lives_in_a_sandbox(front):
    f = front()
    with open(f"/proc/{f.process.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
