"""A keeper made of a script, for tests of the front: it speaks PROTOCOL.ipc and answers orders as a test wants."""
import hashlib
import os
import socket
import struct
import subprocess
import threading

from harness import policy_text, receive_packet, send_packet

SETTINGS, TLS, KEYS, SERVE, LISTENING, HEALTH, SIGN, SIGNED = range(0x0201, 0x0209)
SIGN_MANY = 0x020c
IDENTITY_WANTED, IDENTITY = 0x020d, 0x020e
ACCESS = 0x020b
SIGNED_OK, UNKNOWN_KEY, ROOT_DIFFERS, SLASHABLE, STORE, BAD_ORDER, INTERNAL = range(7)
ORDER_LEN, ANSWER_LEN, ANSWERS_MAX = 272, 192, 160

POLICY = policy_text(store="sqlite:/nowhere", log_level="debug")


def order_fields(order):
    """id, kind, public key and the client's root (None if none was sent) of one packed order."""
    number, kind, has_root = struct.unpack_from("<QBB", order)
    return number, kind, order[16:64], order[64:96] if has_root else None


def answer(number, status=SIGNED_OK, *, root=bytes(32), signature=bytes(96), verdict=0, block=None, attestation=None, limit=None):
    heights = struct.pack("<QQQ", block or 0, *(attestation or (0, 0)))
    flags = struct.pack("<BBB5xQ", block is not None, attestation is not None, limit is not None, limit or 0)
    packed = struct.pack("<QBB6x", number, status, verdict) + root + signature + heights + flags
    return packed.ljust(ANSWER_LEN, b"\0")


def signature_of(order):
    """Not a signature, but 96 bytes that depend on the order's key and object."""
    return (order[16:64] + order[144:176] + bytes(16))[:96]


def orders_of(kind, count, body):
    """The packed orders of a SIGN, or those that a SIGN_MANY stands for."""
    if kind == SIGN:
        assert len(body) == count * ORDER_LEN
        return [body[i * ORDER_LEN:(i + 1) * ORDER_LEN] for i in range(count)]
    assert kind == SIGN_MANY and len(body) == 1 + ORDER_LEN + count * 48 and body[0] <= 1
    common, names = body[1:1 + ORDER_LEN], body[1 + ORDER_LEN:]
    assert common[16:64] == bytes(48)
    first = struct.unpack_from("<Q", common)[0]
    return [struct.pack("<Q", first + i) + common[8:16] + names[i * 48:(i + 1) * 48] + common[64:] for i in range(count)]


class Certificate:
    """A self-signed certificate made by the openssl program: PKCS#8 and X.509 in DER, and a CA file in PEM."""

    def __init__(self, folder, name="signer", key=("EC", "ec_paramgen_curve:P-256")):
        self.ca_file = os.path.join(folder, f"{name}.pem")
        key_file = os.path.join(folder, f"{name}.key")
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", key[0], "-pkeyopt", key[1], "-days", "2",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key_file, "-out", self.ca_file], check=True, capture_output=True)
        self.key = subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", key_file, "-outform", "DER"],
                                  check=True, capture_output=True).stdout
        self.certificates = subprocess.run(["openssl", "x509", "-in", self.ca_file, "-outform", "DER"],
                                           check=True, capture_output=True).stdout
        self.public_key = subprocess.run(["openssl", "pkey", "-in", key_file, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        self.spki_digest = hashlib.sha256(self.public_key).digest()


class Keeper:
    """Our end of the front's descriptor 3. Answers come from decide(order), which gives packed answers or None;
    batches remembers how many orders each SIGN and SIGN_MANY message had, nonces what documents were wanted for."""

    def __init__(self, end):
        self.end = end
        self.batches = []
        self.attest = lambda nonce: b"document for " + nonce  # None: no answer yet
        self.nonces = []
        self.decide = lambda order: answer(order_fields(order)[0], signature=signature_of(order))
        self.go = threading.Event()
        self.go.set()
        self._thread = None

    def settings(self, policy=POLICY):
        send_packet(self.end, SETTINGS, len(policy), policy.encode())

    def access(self, document):
        send_packet(self.end, ACCESS, len(document), document.encode())

    def tls(self, certificate):
        body = certificate.spki_digest + struct.pack("<I", len(certificate.key)) + certificate.key
        body += struct.pack("<I", len(certificate.certificates)) + certificate.certificates
        send_packet(self.end, TLS, 0, body)

    def keys(self, keys, first=True, last=True):
        send_packet(self.end, KEYS, len(keys), bytes([first | last << 1]) + b"".join(keys))

    def health(self, store=True, loaded=1, failed=0, sources=(), failed_keys=()):
        counts = b"".join(struct.pack("<BII", *source) for source in sources)
        send_packet(self.end, HEALTH, len(sources), struct.pack("<BII6I", store, loaded, failed, *range(1000, 7000, 1000)) +
                    bytes([len(failed_keys)]) + b"".join(failed_keys) + counts)

    def serve(self):
        """Says SERVE and waits for LISTENING; then answers orders in a thread. The port."""
        send_packet(self.end, SERVE)
        kind, count, body, _ = receive_packet(self.end)
        assert (kind, count) == (LISTENING, 0)
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return struct.unpack("<I", body)[0]

    def _answer(self):
        while True:
            try:
                message = receive_packet(self.end, 60)
            except (OSError, socket.timeout):
                return
            if message is None:
                return
            kind, count, body, _ = message
            if kind == IDENTITY_WANTED:
                self.nonces.append(body)
                self.identity(self.attest(body))
                continue
            orders = orders_of(kind, count, body)
            self.go.wait()
            self.batches.append(count)
            answers = b"".join(filter(None, map(self.decide, orders)))
            packets = [answers[at:at + ANSWERS_MAX * ANSWER_LEN] for at in range(0, len(answers), ANSWERS_MAX * ANSWER_LEN)]
            try:
                for packed in packets:
                    send_packet(self.end, SIGNED, len(packed) // ANSWER_LEN, packed)
            except OSError:
                return

    def identity(self, document):
        if document is not None:
            send_packet(self.end, IDENTITY, len(document), document)

    def close(self):
        self.go.set()
        try:
            self.end.shutdown(socket.SHUT_RDWR)  # a thread that still receives would keep a closed socket open
        except OSError:
            pass
        self.end.close()
