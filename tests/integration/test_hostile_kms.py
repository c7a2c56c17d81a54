"""devcloud's KMS under garbage: on the stream, in TLS, in HTTP, and in every member of a request that is signed well."""
import base64
import json
import os
import socket
import ssl

from courier_rig import eventually
from hostile import damage, mutants, name_of, seeded
from test_devcloud_kms import HOST, b64, cloud, recipient_key, sign  # noqa: F401 (cloud is a fixture)

ROUNDS = int(os.environ.get("NS_ROUNDS", 40))
ANY_DECRYPT = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def plain(cloud):  # noqa: F811
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(20)
    stream.connect(str(cloud.folder / "kms"))
    return stream


def answer_to(stream, data):
    """What it says to this and the end of the stream; b"" when it just closes."""
    answer = b""
    try:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        while part := stream.recv(65536):
            answer += part
    except OSError:
        pass
    return answer


def client_hello(cloud):  # noqa: F811
    """The first bytes of a sound handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(cloud.folder / "state/kms-ca.pem"))
    handshake = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    try:
        handshake.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_garbage_instead_of_tls(cloud):  # noqa: F811
    cloud.serve()
    blob = cloud.seal()
    before = descriptors(cloud.process)
    rng = seeded("tls")
    hello = client_hello(cloud)
    for number in range(ROUNDS):
        data = rng.randbytes(rng.randint(1, 3000)) if number % 2 else damage(rng, hello)
        with plain(cloud) as stream:
            assert b"HTTP" not in answer_to(stream, data), number
    with plain(cloud) as stream:
        stream.sendall(hello)  # and gone in the middle of the handshake
    assert cloud.seal() != blob
    assert eventually(lambda: descriptors(cloud.process) <= before, 5)


def request_of(cloud, operation, body):  # noqa: F811
    headers = cloud.headers(operation)
    headers["authorization"] = sign(cloud.credentials, headers, body)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_damaged_requests_inside_tls(cloud):  # noqa: F811
    """Damage may hit what does not matter, but then it is still the operation that was signed."""
    cloud.serve()
    body = ('{"KeyId":"%s","Plaintext":"c2VjcmV0"}' % cloud.arn).encode()
    before = descriptors(cloud.process)
    refused = 0
    for seed in range(ROUNDS):
        rng = seeded("https", seed)
        connection = cloud.connect()
        connection.connect()
        answer = b""
        connection.sock.settimeout(0.3)  # of some it waits for the rest
        try:
            connection.sock.sendall(damage(rng, request_of(cloud, "Encrypt", body)))
            answer = connection.sock.recv(65536)
        except OSError:
            pass
        connection.close()
        status = answer[9:12]
        assert not answer or answer.startswith(b"HTTP/1.1 ") and status in (b"200", b"400", b"413", b"431", b"501", b"505"), (seed, answer)
        refused += status != b"200"
    assert refused > ROUNDS // 2
    cloud.seal()
    assert eventually(lambda: descriptors(cloud.process) <= before, 5)


def is_aws_error(answer):
    status, body = answer
    return status == 400 and body["__type"].endswith("Exception") and 0 < len(body["message"]) < 600 and "\n" not in body["message"]


def ask_text(cloud, operation, text, connection):  # noqa: F811
    body = text.encode()
    headers = cloud.headers(operation)
    headers["authorization"] = sign(cloud.credentials, headers, body)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_every_member_of_every_request_made_wrong(cloud, folder):  # noqa: F811
    cloud.serve(ANY_DECRYPT)
    blob = cloud.seal()
    document = cloud.document(public_key=recipient_key(folder))
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b64(document)}
    requests = {
        "Encrypt": ({"KeyId": cloud.arn, "Plaintext": b64(b"secret"), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, ["EncryptionAlgorithm"]),
        "Decrypt": ({"KeyId": cloud.arn, "CiphertextBlob": blob, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "Recipient": recipient},
                    ["KeyId", "EncryptionAlgorithm", "Recipient"]),
    }
    connection = cloud.connect()
    for operation, (good, optional) in requests.items():
        status, answer = cloud.ask(operation, good)
        assert status == 200, answer
        count = 0
        for path, what, text in mutants(good, optional):
            if (name_of(path), what) == ("Plaintext", "text"):
                continue  # base64, as it happens
            answer = ask_text(cloud, operation, text, connection)
            assert is_aws_error(answer), (operation, name_of(path), what, answer)
            count += 1
        assert count > 20
        for name in ("KeyId", "Plaintext", "CiphertextBlob", "EncryptionAlgorithm"):
            if name in good:
                for value in ("", "A" * 100000, "\u0000", "\U0001f511" * 50, "=" * 8, "AAAA\nAAAA"):
                    answer = cloud.ask(operation, dict(good, **{name: value}))
                    assert is_aws_error(answer), (operation, name, value[:20], answer)
        assert is_aws_error(cloud.ask(operation, dict(good, EncryptionContext={"a": "b"})))
    cloud.seal()


def test_documents_and_blobs_damaged_at_random(cloud, folder):  # noqa: F811
    cloud.serve(ANY_DECRYPT)
    blob = base64.b64decode(cloud.seal())
    document = cloud.document(public_key=recipient_key(folder))
    assert cloud.decrypt(b64(blob), document)[0] == 200
    for seed in range(ROUNDS):
        rng = seeded("document", seed)
        bad = damage(rng, document)
        assert bad == document or is_aws_error(cloud.decrypt(b64(blob), bad)), seed
        bad = damage(rng, blob)
        assert bad == blob or is_aws_error(cloud.decrypt(b64(bad), document)), seed
    cloud.seal()
