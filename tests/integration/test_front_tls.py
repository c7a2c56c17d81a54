"""nitro-signer-front and TLS: two versions, strong suites only, and clients that speak neither."""
import http.client
import os
import socket
import ssl
import subprocess
import time

import pytest
import requests

from front_process import front, leave, post, randao  # noqa: F401 (front is a fixture)
from scripted_keeper import Certificate


def context(certificate, low, high):
    made = ssl.create_default_context(cafile=certificate.ca_file)
    made.minimum_version, made.maximum_version = low, high
    return made


@pytest.mark.bar(5)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("key", [("EC", "ec_paramgen_curve:P-256"), ("RSA", "rsa_keygen_bits:2048")])
def test_tls_of_one_version_with_resumption(front, folder, version, key):
    certificate = Certificate(folder, key=key)
    f = front("--mode=enclave", tls=certificate, hosts="")
    made = context(certificate, version, version)
    session = None
    for attempt in range(2):
        stream = made.wrap_socket(socket.create_connection(("127.0.0.1", f.port), 20), server_hostname="localhost",
                                  session=session)
        assert stream.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        stream.sendall(post())
        response = http.client.HTTPResponse(stream)
        response.begin()
        assert (response.status, len(response.read())) == (200, 194)
        assert stream.session_reused == (attempt == 1)
        session = stream.session
        stream.close()


def test_tls_refuses_the_old_and_the_weak(front, folder):
    certificate = Certificate(folder)
    f = front(tls=certificate)
    for option in (["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]):
        run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{f.port}", *option, "-cipher", "ALL@SECLEVEL=0"]
                             if option == ["-tls1_1"] else
                             ["openssl", "s_client", "-connect", f"127.0.0.1:{f.port}", *option],
                             input=b"", capture_output=True, timeout=20, check=False)
        assert run.returncode != 0
    run = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{f.port}", "-CAfile", certificate.ca_file,
                          "-verify_return_error", "-brief"], input=b"", capture_output=True, timeout=20, check=False)
    assert run.returncode == 0, run.stderr


def test_what_is_no_tls_on_a_tls_port(front, folder):
    f = front(tls=Certificate(folder))
    for data in (post(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(508), os.urandom(3000), b"\x80", b""):
        with socket.create_connection(("127.0.0.1", f.port), 20) as stream:
            try:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while stream.recv(4096):
                    pass
            except OSError:
                pass
    made = ssl.create_default_context(cafile=f.certificate.ca_file)
    stream = made.wrap_socket(socket.create_connection(("127.0.0.1", f.port), 20), server_hostname="localhost")
    raw = socket.socket(fileno=os.dup(stream.fileno()))
    raw.sendall(b"not a record at all")
    try:
        assert stream.recv(100) == b""
    except OSError:
        pass
    raw.close()
    stream.close()
    assert f.sign().status_code == 200


def test_large_bodies_and_pipelining_over_tls(front, folder):
    f = front(tls=Certificate(folder))
    assert f.sign(randao(pad="x" * 3_000_000)).status_code == 200
    got = f.raw(post(body=randao(1, pad="y" * 100_000)) * 5 + post(headers=b"Connection: close\r\n"))
    assert got.count(b"HTTP/1.1 200 OK") == 6


def test_a_thousand_connections_are_kept(front, folder):
    f = front(tls=Certificate(folder))
    made = ssl.create_default_context(cafile=f.certificate.ca_file)
    waiting = [socket.create_connection(("127.0.0.1", f.port), 20) for _ in range(200)]  # handshakes that never end
    for stream in waiting:
        stream.sendall(b"\x16\x03\x01")
    streams = [f.connect(made) for _ in range(1000)]
    for stream in streams:
        stream.sendall(post())
    for stream in streams:
        response = http.client.HTTPResponse(stream)
        response.begin()
        assert (response.status, len(response.read())) == (200, 194)
    for stream in streams + waiting:
        stream.close()


def test_clients_that_leave_in_the_middle_of_the_handshake(front, folder):
    f = front(tls=Certificate(folder))
    made = ssl.create_default_context(cafile=f.certificate.ca_file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = made.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    for length in range(0, len(hello) + 1, 40):
        stream = socket.create_connection(("127.0.0.1", f.port), 20)
        stream.sendall(hello[:length])
        leave(stream, reset=length % 80 == 0)
    assert f.sign().status_code == 200


def test_a_new_certificate_holds_for_new_connections(front, folder):
    first, second = Certificate(folder, "first"), Certificate(folder, "second")
    f = front(tls=first)
    kept = f.connect()
    f.keeper.tls(second)
    f.certificate = second
    deadline = time.monotonic() + 5
    while True:
        try:
            assert f.sign().status_code == 200
            break
        except requests.exceptions.SSLError:
            assert time.monotonic() < deadline
    kept.sendall(post(headers=b"Connection: close\r\n"))
    assert kept.recv(4096).startswith(b"HTTP/1.1 200 ")
    kept.close()
