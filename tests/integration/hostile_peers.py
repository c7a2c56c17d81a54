"""Whom a malicious host puts in the place of KMS, DynamoDB and the reader of the log (test_hostile_host.py)."""
import contextlib
import datetime
import pathlib
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dynamodb_relay import Authority
from harness import connect

KMS_NAME = "DNS:kms.us-east-1.amazonaws.com"


class Certificates:
    """A TLS server with a certificate that somebody or nobody trusts, and its memory of who got as far as asking."""

    def __init__(self, folder, certificate, key):
        self.address, self.heard = f"unix:{folder}/tls", b""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self.address.removeprefix("unix:"))
        listener.listen(64)
        threading.Thread(target=self._serve, args=(listener, context), daemon=True).start()

    def _serve(self, listener, context):
        while True:
            stream, _ = listener.accept()
            with contextlib.suppress(OSError), stream, context.wrap_socket(stream, server_side=True) as secure:
                self.heard += secure.recv(65536)


def certificates_of_days(folder, authority, name, first, last):
    """Those of a server by this name, from an authority that is good today: good from so many days after now, to so many."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    issuer = x509.load_pem_x509_certificate(authority.ca_file.read_bytes())
    issuer_key = serialization.load_pem_private_key(authority.ca_file.with_suffix(".key").read_bytes(), None)
    certificate = x509.CertificateBuilder(
        issuer.subject, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")]), key.public_key(), x509.random_serial_number(),
        now + datetime.timedelta(days=first), now + datetime.timedelta(days=last),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).add_extension(  # authorities of tests share a name
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False).sign(issuer_key, hashes.SHA256())
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return Certificates(folder, folder / "server.pem", folder / "server.key")


class RecordingKms:
    """In the middle of the TLS of KMS, as nobody can be without its certificate: what if? Gives the first enclave's answers
    to the second."""

    def __init__(self, cloud, folder):
        own = Authority(folder, names=(KMS_NAME,))
        self.authority, self.cloud, self.answers, self.replaying = own, cloud, [], None
        self.address = f"unix:{folder}/recording"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(own.certificate, own.key)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(folder / "recording"))
        listener.listen(64)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def _serve(self, listener):
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=self._one, args=(stream,), daemon=True).start()

    def _one(self, stream):
        with contextlib.suppress(OSError, ValueError), stream, self.context.wrap_socket(stream, server_side=True) as near:
            while request := self._message(near):
                if self.replaying:
                    near.sendall(next(self.replaying))
                    continue
                with connect(f"unix:{self.cloud.folder}/kms") as raw:
                    trusted = ssl.create_default_context(cafile=str(self.cloud.folder / "cloud/kms-ca.pem"))
                    with trusted.wrap_socket(raw, server_hostname=KMS_NAME.removeprefix("DNS:")) as far:
                        far.sendall(request)
                        answer = self._message(far)
                self.answers.append(answer)
                near.sendall(answer)

    @staticmethod
    def _message(stream):
        data = b""
        while b"\r\n\r\n" not in data:
            part = stream.recv(65536)
            if not part:
                return None
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        while len(rest) < length:
            rest += stream.recv(65536)
        return head + b"\r\n\r\n" + rest


class Sink:
    """The host's end of the log: reads, never reads, speaks, or hangs up on each line."""

    def __init__(self, path):
        self.path, self.text, self.way, self.streams = path, "", "read", []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                self.streams.append(stream)
                threading.Thread(target=self._one, args=(stream,), daemon=True).start()

    def _one(self, stream):
        with contextlib.suppress(OSError):
            if self.way == "close":
                stream.close()
                return
            if self.way == "speak":
                stream.sendall(b"what? " * 1000)
            while self.way != "stall" and (part := stream.recv(65536)):
                self.text += part.decode(errors="replace")

    def change(self, way):
        self.way = way
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
        self.streams = [] if way != "stall" else self.streams
