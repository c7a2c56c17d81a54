"""devcloud's KMS over HTTPS, asked by a SigV4 signer of this file's own: what it lets through and what not. (curl as
another signer: test_devcloud.py.)"""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import socket
import ssl

import pytest
from test_devcloud import ROLE, measurement, recipient_key
from test_devcloud_nsm import Enclave, decode, openssl

HOST = "kms.us-east-1.amazonaws.com"
ENCRYPT = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Encrypt", "Resource": "*"}
PCR16 = hashlib.sha384(bytes(48) + b"policy").hexdigest()


def b64(data):
    return base64.b64encode(data).decode()


def allow_decrypt(operator="StringEqualsIgnoreCase", **pcrs):
    condition = {operator: {f"kms:RecipientAttestation:{name}": value for name, value in pcrs.items()}}
    return {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}


class Connection(http.client.HTTPSConnection):
    """HTTPS on a unix socket."""

    def __init__(self, path, ca_file):
        super().__init__(HOST, timeout=20, context=ssl.create_default_context(cafile=ca_file))
        self.path = path

    def connect(self):
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(str(self.path))
        stream.settimeout(20)
        self.sock = self._context.wrap_socket(stream, server_hostname=HOST)


def sign(credentials, headers, body, *, names=None, scope_region="us-east-1", service="kms"):
    """The Authorization header, from AWS's description of Signature Version 4."""
    names = sorted(names or headers)
    canonical = "POST\n/\n\n" + "".join(f"{name}:{headers[name]}\n" for name in names)
    canonical += "\n" + ";".join(names) + "\n" + hashlib.sha256(body).hexdigest()
    date = headers["x-amz-date"]
    scope = f"{date[:8]}/{scope_region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n" + hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + credentials["secret_access_key"].encode()
    for part in (date[:8], scope_region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={credentials['access_key_id']}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


class Cloud:
    def __init__(self, start, folder):
        self.start, self.folder = start, folder
        (folder / "image").write_bytes(b"image")
        (folder / "other").write_bytes(b"other image")
        self.process = None

    def serve(self, *statements, ready=True, options=()):
        path = self.folder / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": [ENCRYPT, *statements]}))
        folder = self.folder
        self.process = self.start("nitro-signer-devcloud", f"--state={folder}/state", f"--nsm=unix:{folder}/nsm",
                                  f"--measure={folder}/image", f"--nsm=unix:{folder}/nsm-other", f"--measure={folder}/other",
                                  f"--kms=unix:{folder}/kms", f"--key-policy={path}", *options, ready=ready)
        return self.process

    @property
    def credentials(self):
        return json.loads((self.folder / "state/credentials.json").read_text())

    @property
    def arn(self):
        return (self.folder / "state/key-arn").read_text().strip()

    def connect(self):
        return Connection(self.folder / "kms", self.folder / "state/kms-ca.pem")

    def headers(self, operation, when=None):
        when = when or datetime.datetime.now(datetime.timezone.utc)
        return {"host": HOST, "content-type": "application/x-amz-json-1.1", "x-amz-date": when.strftime("%Y%m%dT%H%M%SZ"),
                "x-amz-target": f"TrentService.{operation}", "x-amz-security-token": self.credentials["token"]}

    def send(self, headers, body, method="POST", path="/"):
        connection = self.connect()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def ask(self, operation, members):
        body = json.dumps(members).encode()
        headers = self.headers(operation)
        return self.send(dict(headers, authorization=sign(self.credentials, headers, body)), body)

    def seal(self, plaintext=b"secret"):
        status, answer = self.ask("Encrypt", {"KeyId": self.arn, "Plaintext": b64(plaintext)})
        assert status == 200, answer
        return answer["CiphertextBlob"]

    def document(self, nsm="nsm", extend=b"policy", lock=True, public_key=None):
        enclave = Enclave(self.folder / nsm)
        if extend is not None:
            assert "ExtendPCR" in decode(enclave.ask(b"\xa1\x69ExtendPCR\xa2\x65index\x10\x64data\x58" + bytes([len(extend)]) + extend))
        if lock:
            assert decode(enclave.ask(b"\xa1\x67LockPCR\xa1\x65index\x10")) == "LockPCR"
        key = b"\xf6" if public_key is None else b"\x59" + len(public_key).to_bytes(2, "big") + public_key
        request = b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key" + key
        document = decode(enclave.ask(request))["Attestation"]["document"]
        enclave.close()
        return document

    def decrypt(self, blob, document=None, **more):
        members = {"CiphertextBlob": blob, "KeyId": self.arn, **more}
        if document is not None:
            members["Recipient"] = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b64(document)}
        return self.ask("Decrypt", members)


@pytest.fixture
def cloud(start, folder):
    return Cloud(start, folder)


def refused(answer, name):
    status, body = answer
    return status == 400 and body["__type"] == name and isinstance(body["message"], str)


def test_the_policy_matrix(cloud, folder):
    cloud.serve(allow_decrypt(ImageSha384=measurement(b"image"), PCR16=PCR16))
    spki = recipient_key(folder)
    blob = cloud.seal(b"for the right one")
    status, answer = cloud.decrypt(blob, cloud.document(public_key=spki))
    assert status == 200 and "Plaintext" not in answer and answer["KeyId"] == cloud.arn
    (folder / "envelope").write_bytes(base64.b64decode(answer["CiphertextForRecipient"]))
    opened = openssl("cms", "-decrypt", "-inform", "DER", "-in", folder / "envelope", "-inkey", folder / "recipient.pem")
    assert opened.stdout == b"for the right one"

    denied = "AccessDeniedException"
    assert refused(cloud.decrypt(blob), denied)  # no recipient
    assert refused(cloud.decrypt(blob, cloud.document(nsm="nsm-other", public_key=spki)), denied)  # PCR0
    assert refused(cloud.decrypt(blob, cloud.document(extend=b"other policy", public_key=spki)), denied)  # PCR16
    assert refused(cloud.decrypt(blob, cloud.document(extend=None, public_key=spki)), denied)
    assert refused(cloud.decrypt(blob, cloud.document(lock=False, public_key=spki)), denied)  # not in the document


def test_documents_that_are_no_proof(cloud, folder):
    cloud.serve(allow_decrypt(ImageSha384=measurement(b"image")))
    blob = cloud.seal()
    spki = recipient_key(folder)
    good = cloud.document(public_key=spki)
    assert cloud.decrypt(blob, good)[0] == 200
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    for document in (b"", b"x", good[:-1], good + b"\0", bytes(flipped), b"\0" * 20000):
        assert refused(cloud.decrypt(blob, document), "ValidationException")
    assert refused(cloud.decrypt(blob, cloud.document(public_key=None)), "ValidationException")
    for key in (b"not a key", spki + b"\0", spki[:-1]):
        assert refused(cloud.decrypt(blob, cloud.document(public_key=key)), "ValidationException")
    ec_key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / "ec.pem")
    assert ec_key.returncode == 0
    ec_spki = openssl("pkey", "-in", folder / "ec.pem", "-pubout", "-outform", "DER").stdout
    assert refused(cloud.decrypt(blob, cloud.document(public_key=ec_spki)), "ValidationException")


def test_documents_of_another_cloud(cloud, folder):
    """The same image, under a root that is not ours."""
    cloud.serve(allow_decrypt(ImageSha384=measurement(b"image")))
    spki = recipient_key(folder)
    (folder / "o").mkdir()
    other = Cloud(cloud.start, folder / "o")
    other.serve()
    assert refused(cloud.decrypt(cloud.seal(), other.document(public_key=spki)), "ValidationException")


def unsigned_document(spki, frame=b"\x84\x43\xa1\x01\x20\xa0", signature=b"\x58\x40" + bytes(64), age_seconds=0):
    """As QEMU's nitro-enclave machine writes them (virtio-nsm.c): an image and a policy, and nobody's word for it."""
    def text(word):
        return bytes([0x60 + len(word)]) + word.encode()

    def long(data):
        return b"\x59" + len(data).to_bytes(2, "big") + data

    pcrs = {0: hashlib.sha384(bytes(48) + hashlib.sha384(b"image").digest()).digest(), 16: bytes.fromhex(PCR16)}
    now_ms = int(datetime.datetime.now().timestamp() - age_seconds) * 1000
    payload = b"".join([
        b"\xa9", text("module_id"), text("boot"), text("digest"), text("SHA384"), text("timestamp"), b"\x1b" + now_ms.to_bytes(8, "big"),
        text("pcrs"), b"\xa2", *(bytes([number]) + b"\x58\x30" + value for number, value in pcrs.items()), text("certificate"), b"\x58\x40" + bytes(64),
        text("cabundle"), b"\x81\x58\x40" + bytes(64), text("public_key"), long(spki), text("user_data"), b"\xf6", text("nonce"), b"\xf6"])
    return frame + long(payload) + signature


def test_unsigned_documents_are_believed_only_where_that_was_asked_for(cloud, folder, vectors):
    statement = allow_decrypt(ImageSha384=measurement(b"image"), PCR16=PCR16)
    spki = recipient_key(folder)
    cloud.serve(statement)
    blob = cloud.seal()
    assert refused(cloud.decrypt(blob, unsigned_document(spki)), "ValidationException")
    assert "unsigned" not in cloud.process.log()
    assert cloud.process.terminate() == 0

    cloud.serve(statement, options=["--accept-unsigned-attestation"])
    assert "anyone can write" in cloud.process.log()
    status, answer = cloud.decrypt(blob, unsigned_document(spki))
    assert status == 200 and "Plaintext" not in answer, answer
    assert "nobody has signed" in cloud.process.log()
    assert cloud.decrypt(blob, cloud.document(public_key=spki))[0] == 200
    # The conditions hold as ever: another PCR0, another PCR16, too old.
    good = unsigned_document(spki)
    for changed in (good.replace(bytes.fromhex(measurement(b"image")), bytes(48)), good.replace(bytes.fromhex(PCR16), bytes(48))):
        assert changed != good and refused(cloud.decrypt(blob, changed), "AccessDeniedException")
    assert refused(cloud.decrypt(blob, unsigned_document(spki, age_seconds=360)), "ValidationException")
    # A frame that is not QEMU's, and a genuine document without its signature.
    genuine = cloud.document(public_key=spki)
    for document in (unsigned_document(spki, frame=b"\x84\x43\xa1\x01\x21\xa0"), unsigned_document(spki, signature=b"\x58\x40" + bytes(63) + b"\1"),
                     unsigned_document(spki, signature=b"\x58\x60" + bytes(96)), good + b"\0", good[:-1], genuine[:-96] + bytes(96),
                     (vectors / "nitro/SYNTHETIC/attdoc_qemu_layout_unsigned.bin").read_bytes()):
        assert refused(cloud.decrypt(blob, document), "ValidationException")


def test_signatures_that_are_wrong(cloud):
    cloud.serve()
    body = json.dumps({"KeyId": cloud.arn, "Plaintext": b64(b"x")}).encode()
    headers = cloud.headers("Encrypt")
    good = sign(cloud.credentials, headers, body)
    assert cloud.send(dict(headers, authorization=good), body)[0] == 200
    wrong = "InvalidSignatureException"
    assert refused(cloud.send(headers, body), "MissingAuthenticationTokenException")
    assert refused(cloud.send(dict(headers, authorization=good), body + b" "), wrong)
    assert refused(cloud.send(dict(headers, authorization=good[:-1] + ("0" if good[-1] != "0" else "1")), body), wrong)
    assert refused(cloud.send(dict(headers, authorization=good, **{"x-amz-target": "TrentService.Decrypt"}), body), wrong)
    assert refused(cloud.send(dict(headers, authorization="Bearer x"), body), "IncompleteSignatureException")

    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes in (-6, 6):
        then = cloud.headers("Encrypt", now + datetime.timedelta(minutes=minutes))
        assert refused(cloud.send(dict(then, authorization=sign(cloud.credentials, then, body)), body), wrong)
    for options in ({"scope_region": "eu-west-1"}, {"service": "s3"}, {"names": ["host", "x-amz-date", "x-amz-security-token"]},
                    {"names": ["x-amz-date", "x-amz-security-token", "x-amz-target"]}):
        assert refused(cloud.send(dict(headers, authorization=sign(cloud.credentials, headers, body, **options)), body), wrong)
    stranger = dict(cloud.credentials, access_key_id="ASIASTRANGER")
    assert refused(cloud.send(dict(headers, authorization=sign(stranger, headers, body)), body), "UnrecognizedClientException")
    other = dict(headers, **{"x-amz-security-token": "other"})
    assert refused(cloud.send(dict(other, authorization=sign(cloud.credentials, other, body)), body), "UnrecognizedClientException")
    del other["x-amz-security-token"]
    assert refused(cloud.send(dict(other, authorization=sign(cloud.credentials, other, body)), body), "UnrecognizedClientException")


def test_other_paths_methods_and_operations(cloud):
    cloud.serve()
    body = b"{}"
    headers = cloud.headers("Encrypt")
    signed = dict(headers, authorization=sign(cloud.credentials, headers, body))
    for method, path in (("GET", "/"), ("PUT", "/"), ("POST", "/x"), ("POST", "/?a=b")):
        assert refused(cloud.send(signed, body, method, path), "UnknownOperationException")
    assert refused(cloud.ask("ScheduleKeyDeletion", {}), "UnknownOperationException")
    assert refused(cloud.ask("Encrypt", []), "SerializationException")
    assert refused(cloud.ask("DescribeKey", {"KeyId": cloud.arn}), "AccessDeniedException")


def test_garbage_leaves_it_alive(cloud):
    cloud.serve()
    for garbage in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" + b"a" * 600):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(str(cloud.folder / "kms"))
            stream.sendall(garbage)
    connection = cloud.connect()
    connection.request("POST", "/", b"", {"Content-Length": str(100 * 1024 * 1024)})
    assert connection.getresponse().status == 413
    cloud.seal()
    assert cloud.process.alive()


def test_ciphertexts_arn_and_authority_outlive_a_restart(cloud, folder):
    decrypt = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    cloud.serve(decrypt)
    arn, blob, authority = cloud.arn, cloud.seal(b"kept"), (folder / "state/kms-ca.pem").read_bytes()
    for name in ("kms-master-key", "kms-ca-key.pem"):
        assert (folder / "state" / name).stat().st_mode & 0o777 == 0o600
    assert cloud.process.terminate() == 0
    cloud.serve(decrypt)
    assert cloud.arn == arn and (folder / "state/kms-ca.pem").read_bytes() == authority
    status, answer = cloud.decrypt(blob)
    assert status == 200 and base64.b64decode(answer["Plaintext"]) == b"kept"
    assert refused(cloud.decrypt(b64(base64.b64decode(blob)[:-1] + b"\0")), "InvalidCiphertextException")
    assert "kept" not in cloud.process.log() and b64(b"kept") not in cloud.process.log()


@pytest.mark.parametrize("statement, named", [
    (dict(ENCRYPT, NotAction="kms:Decrypt"), "NotAction"),
    (dict(ENCRYPT, Resource="arn:aws:kms:us-east-1:123456789012:key/x"), "Resource"),
    (dict(ENCRYPT, Condition={"StringLike": {"kms:RecipientAttestation:PCR0": "*"}}), "StringLike"),
    (dict(ENCRYPT, Condition={"StringEquals": {"kms:ViaService": "x"}}), "kms:ViaService"),
    (dict(ENCRYPT, Condition={"StringEquals": {"kms:RecipientAttestation:PCR32": "x"}}), "PCR32"),
    (dict(ENCRYPT, Principal={"Service": "ec2.amazonaws.com"}), "Principal"),
    (dict(ENCRYPT, Effect="Maybe"), "Effect"),
], ids=["not-action", "resource", "operator", "key", "pcr32", "principal", "effect"])
def test_a_policy_it_does_not_understand_stops_it(cloud, statement, named):
    process = cloud.serve(statement, ready=False)
    assert process.wait() == 1
    assert named in process.log()
