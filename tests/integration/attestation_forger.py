"""Attestation documents under a root of the test's own, and an HTTPS server that shows them: what a signer could be made to say."""
import base64
import hashlib
import json
import socket
import struct
import time
from urllib.parse import parse_qs, urlsplit

from client_certificate import run
from scripted_server import ScriptedServer
from test_hostile_nsm import encode


CONFIG = """[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
"""


class Forger:
    """A root and a leaf as AWS has them: P-384, SHA-384."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "forger.cnf").write_text(CONFIG)
        new = ["req", "-new", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384", "-config", folder / "forger.cnf"]
        run(*new, "-x509", "-days", "2", "-subj", "/CN=root", "-extensions", "root", "-keyout", folder / "root.key", "-out", folder / "root.pem")
        run(*new, "-subj", "/CN=leaf", "-keyout", folder / "leaf.key", "-out", folder / "leaf.csr")
        run("x509", "-req", "-in", folder / "leaf.csr", "-CA", folder / "root.pem", "-CAkey", folder / "root.key", "-set_serial", "2", "-days", "1",
            "-sha384", "-extfile", folder / "forger.cnf", "-extensions", "leaf", "-out", folder / "leaf.pem")
        self.root, self.leaf = (run("x509", "-in", folder / f"{name}.pem", "-outform", "DER") for name in ("root", "leaf"))
        self.root_file = folder / "root.der"
        self.root_file.write_bytes(self.root)

    def document(self, pcrs, user_data, nonce, age=0):
        payload = encode({"module_id": "i-0123456789abcdef0-enc0123456789abcdef", "digest": "SHA384", "timestamp": int((time.time() - age) * 1000),
                        "pcrs": pcrs, "certificate": self.leaf, "cabundle": [self.root], "public_key": None, "user_data": user_data, "nonce": nonce})
        protected = encode({1: -35})
        der = run("dgst", "-sha384", "-sign", self.folder / "leaf.key", input=encode(["Signature1", protected, b"", payload]))
        return encode([protected, {}, payload, self.raw(der)])

    @staticmethod
    def raw(der):
        """r || s of SEQUENCE { INTEGER r, INTEGER s }."""
        assert der[0] == 0x30 and der[1] == len(der) - 2
        both, at = b"", 2
        for _ in range(2):
            assert der[at] == 2
            both += der[at + 2:at + 2 + der[at + 1]].lstrip(b"\0").rjust(48, b"\0")
            at += 2 + der[at + 1]
        return both


class ForgedSigner(ScriptedServer):
    """By default it says of itself what is so, in documents of the forger's; a test changes what it says."""

    def __init__(self, forger, certificate, key_file, keys):
        self.listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(self.listener, certificate.ca_file, key_file)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.forger, self.keys, self.listed = forger, sorted(keys), sorted(keys)
        self.tls_key, self.pcrs, self.age, self.nonce = certificate.spki_digest, {0: b"\1" * 48, 16: b"\2" * 48}, 0, None
        self.high, self.version, self.busy, self.seen, self.change = 100, 2, [], [], lambda document: document
        self.after = lambda: None  # done once a document was shown

    def user_data(self):
        digest = lambda data: hashlib.sha256(data).digest()
        state = bytes([self.version]) + self.tls_key + digest(b"".join(self.keys)) + digest(bytes(96 * len(self.keys)))
        return state + struct.pack("<4Q", 7, len(self.keys), self.high, 3200)

    def answer(self, path):
        place = urlsplit(path)
        if place.path.endswith("/attestation"):
            if self.busy:
                return self.busy.pop(), {"error": "being made"}
            nonce = self.nonce or bytes.fromhex(parse_qs(place.query)["nonce"][0])
            document = self.change(self.forger.document(self.pcrs, self.user_data(), nonce, self.age))
            return 200, {"document": base64.b64encode(document).decode()}
        return 200, ["0x" + key.hex() for key in self.listed]

    def serve_one(self, stream, lines):
        request = lines.readline().split()
        if not request:
            return False
        headers = self.headers(lines)
        self.seen.append((request[1].decode(), headers))
        status, body = self.answer(request[1].decode())
        text = json.dumps(body).encode()
        stream.sendall(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(text)) + text)
        if status == 200 and isinstance(body, dict):
            self.after()
        return True
