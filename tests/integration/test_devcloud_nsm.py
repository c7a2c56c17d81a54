"""nitro-signer-devcloud's NSM from outside: raw CBOR bytes on its sockets, and documents checked with
the openssl command line, not with our own verifier."""
import hashlib
import os
import pathlib
import socket
import stat
import subprocess

import pytest

DESCRIBE_NSM = b"\x6bDescribeNSM"
GET_RANDOM = b"\x69GetRandom"
DESCRIBE_PCR_0 = b"\xa1\x6bDescribePCR\xa1\x65index\x00"
DESCRIBE_PCR_16 = DESCRIBE_PCR_0[:-1] + b"\x10"
EXTEND_16_HELLO = b"\xa1\x69ExtendPCR\xa2\x65index\x10\x64data\x45hello"
LOCK_16 = b"\xa1\x67LockPCR\xa1\x65index\x10"
ATTEST = b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\x58\x20" + b"\xaa" * 32 + b"\x6apublic_key\xf6"


class Enclave:
    """One connection."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))  # waits in the listener's queue; with a timeout it would not
        self.socket.settimeout(20)

    def ask(self, request):
        self.socket.send(request)
        return self.socket.recv(0x3000)

    def close(self):
        self.socket.close()


def read_cbor(data, at=0):
    """(value, end) of the item there. Definite lengths are all an NSM answer has."""
    kind, length = data[at] >> 5, data[at] & 31
    at += 1
    if 24 <= length <= 27:
        width = 1 << (length - 24)
        length = int.from_bytes(data[at:at + width], "big")
        at += width
    if kind == 0:
        return length, at
    if kind == 1:
        return -1 - length, at
    if kind in (2, 3):
        raw = data[at:at + length]
        assert len(raw) == length
        return (raw if kind == 2 else raw.decode()), at + length
    if kind == 4:
        items = []
        for _ in range(length):
            item, at = read_cbor(data, at)
            items.append(item)
        return items, at
    if kind == 5:
        pairs = {}
        for _ in range(length):
            key, at = read_cbor(data, at)
            pairs[key], at = read_cbor(data, at)
        return pairs, at
    assert kind == 7 and length in (20, 21, 22)
    return {20: False, 21: True, 22: None}[length], at


def decode(data):
    value, end = read_cbor(data)
    assert end == len(data)
    return value


@pytest.fixture
def images(folder):
    """Two images of two files and one file."""
    for name, text in (("one", b"first file"), ("two", b"second file"), ("three", b"other image")):
        (folder / name).write_bytes(text)
    return f"{folder}/one,{folder}/two", f"{folder}/three"


@pytest.fixture
def cloud(start, folder, images):
    def starter():
        return start("nitro-signer-devcloud", f"--state={folder}/state", f"--nsm=unix:{folder}/a", f"--measure={images[0]}",
                     f"--nsm=unix:{folder}/b", f"--measure={images[1]}")
    return starter


def measurement(*contents):
    return hashlib.sha384(bytes(48) + hashlib.sha384(b"".join(contents)).digest()).digest()


def test_each_socket_has_the_measurement_of_its_files(cloud, folder):
    process = cloud()
    for name, contents in (("a", (b"first file", b"second file")), ("b", (b"other image",))):
        answer = Enclave(folder / name).ask(DESCRIBE_PCR_0)
        assert answer == b"\xa1\x6bDescribePCR\xa2\x64lock\xf5\x64data\x58\x30" + measurement(*contents)
        assert stat.S_IMODE(os.stat(folder / name).st_mode) == 0o600
    assert process.terminate() == 0
    assert not (folder / "a").exists()


def test_connections_are_separate_enclaves(cloud, folder):
    cloud()
    first, second = Enclave(folder / "a"), Enclave(folder / "a")
    extended = hashlib.sha384(bytes(48) + b"hello").digest()
    assert first.ask(EXTEND_16_HELLO) == b"\xa1\x69ExtendPCR\xa1\x64data\x58\x30" + extended
    assert first.ask(LOCK_16) == b"\x67LockPCR"
    assert first.ask(EXTEND_16_HELLO) == b"\xa1\x65Error\x6dReadOnlyIndex"
    assert decode(second.ask(DESCRIBE_PCR_16)) == {"DescribePCR": {"lock": False, "data": bytes(48)}}
    assert decode(first.ask(DESCRIBE_PCR_16)) == {"DescribePCR": {"lock": True, "data": extended}}
    about = [decode(enclave.ask(DESCRIBE_NSM))["DescribeNSM"] for enclave in (first, second)]
    assert about[0]["module_id"] != about[1]["module_id"]
    assert about[0]["locked_pcrs"] == list(range(17)) and about[1]["locked_pcrs"] == list(range(16))
    first.close()
    assert decode(Enclave(folder / "a").ask(DESCRIBE_PCR_16))["DescribePCR"]["lock"] is False


def der_of_signature(signature):
    def integer(raw):
        raw = raw.lstrip(b"\0") or b"\0"
        raw = b"\0" + raw if raw[0] & 0x80 else raw
        return b"\x02" + bytes([len(raw)]) + raw
    body = integer(signature[:48]) + integer(signature[48:])
    return b"\x30" + bytes([len(body)]) + body


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, timeout=30)


def pem_of(der, path):
    source = pathlib.Path(f"{path}.der")
    source.write_bytes(der)
    assert openssl("x509", "-inform", "DER", "-in", source, "-out", path).returncode == 0
    return path


def check_with_openssl(folder, document):
    """True when the openssl tool finds the chain and the signature right."""
    protected, unprotected, payload, signature = decode(document)
    assert protected == b"\xa1\x01\x38\x22" and unprotected == {} and len(signature) == 96
    claims = decode(payload)
    root, issuer = claims["cabundle"]
    assert root == (folder / "state/nsm-root.der").read_bytes()
    leaf_pem = pem_of(claims["certificate"], folder / "leaf.pem")
    chain = openssl("verify", "-CAfile", pem_of(root, folder / "root.pem"), "-untrusted",
                    pem_of(issuer, folder / "issuer.pem"), leaf_pem)
    (folder / "key.pem").write_bytes(openssl("x509", "-in", leaf_pem, "-noout", "-pubkey").stdout)
    length = len(payload).to_bytes(2, "big")
    (folder / "signed").write_bytes(b"\x84\x6aSignature1\x44" + protected + b"\x40\x59" + length + payload)
    (folder / "signature").write_bytes(der_of_signature(signature))
    signed = openssl("dgst", "-sha384", "-verify", folder / "key.pem", "-signature", folder / "signature", folder / "signed")
    return chain.returncode == 0 and signed.returncode == 0


def test_openssl_verifies_a_document(cloud, folder):
    cloud()
    document = decode(Enclave(folder / "a").ask(ATTEST))["Attestation"]["document"]
    assert check_with_openssl(folder, document)
    claims = decode(decode(document)[2])
    assert list(claims) == ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data",
                            "nonce"]
    assert list(claims["pcrs"]) == list(range(16))
    assert claims["nonce"] == b"\xaa" * 32 and claims["public_key"] is None and claims["user_data"] is None
    changed = bytearray(document)
    changed[changed.index(b"\xaa" * 32)] ^= 1
    assert not check_with_openssl(folder, bytes(changed))


def test_the_root_outlives_a_restart(cloud, folder):
    process = cloud()
    root = (folder / "state/nsm-root.der").read_bytes()
    assert stat.S_IMODE(os.stat(folder / "state/nsm-root-key.der").st_mode) == 0o600
    assert process.terminate() == 0
    cloud()
    assert (folder / "state/nsm-root.der").read_bytes() == root
    assert check_with_openssl(folder, decode(Enclave(folder / "b").ask(ATTEST))["Attestation"]["document"])


def test_hostile_requests_leave_it_alive(cloud, folder):
    process = cloud()
    enclave = Enclave(folder / "a")
    requests = [b"\xff", b"\x00" * 4096, b"\x81" * 4096, b"\x00" * 4097, b"\xa5" * 60000, b"\x9b" + b"\xff" * 8,
                b"\x5b" + b"\xff" * 8, b"\xbf" * 100, bytes(range(256))]
    requests += [ATTEST[:length] for length in range(1, len(ATTEST))]
    requests += [ATTEST[:at] + bytes([ATTEST[at] ^ 0x20]) + ATTEST[at + 1:] for at in range(len(ATTEST))]
    for request in requests:
        assert enclave.ask(request)[:1] in (b"\xa1", b"\x67", b"\x68")
    assert enclave.ask(b"\x00" * 4097) == b"\xa1\x65Error\x6dInputTooLarge"
    assert len(decode(enclave.ask(GET_RANDOM))["GetRandom"]["random"]) == 256
    assert process.alive()


def test_connections_are_limited_and_a_deaf_peer_is_closed(cloud, folder):
    process = cloud()
    crowd = [Enclave(folder / "a") for _ in range(64)]
    assert crowd[-1].ask(GET_RANDOM)
    with pytest.raises(OSError):
        over = Enclave(folder / "a")
        assert over.ask(GET_RANDOM) == b"" and over.ask(GET_RANDOM) == b""
    crowd.pop().close()
    deaf = crowd.pop()
    deaf.socket.settimeout(5)
    with pytest.raises(OSError):  # closed by the other side long before this many answers
        for _ in range(100000):
            deaf.socket.send(ATTEST)
    assert crowd[0].ask(GET_RANDOM)
    assert process.terminate() == 0


@pytest.mark.parametrize("arguments, named", [
    ((), "--state"),
    (("--state={0}/state",), "--nsm"),
    (("--state={0}/state", "--nsm=unix:{0}/a"), "--measure"),
    (("--state={0}/state", "--nsm=unix:{0}/a", "--measure={0}/absent"), "absent"),
    (("--state={0}/state", "--nsm=tcp:127.0.0.1:0", "--measure=/dev/null"), "--nsm"),
    (("--state={0}/state", "--nsm=unix:{0}/no/such/folder", "--measure=/dev/null"), "/no/such/folder"),
])
def test_mistakes_are_named(start, folder, arguments, named):
    process = start("nitro-signer-devcloud", *(argument.format(folder) for argument in arguments), ready=False)
    assert process.wait() in (1, 2)
    assert named in process.log()
