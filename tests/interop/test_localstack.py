"""KMS as LocalStack has it, and our side of the conversation: its CiphertextForRecipient is opened by the enclave's reader, and a whole
enclave (devcloud as its NSM) gets its keys from there and signs.

LocalStack names the recipient by an issuer and a serial number of nobody, where AWS names the key by its digest, and writes DER
where AWS writes BER. Both are CMS, so nothing had to be switched off for it: what counts is that the key opens it.
"""
import base64
import contextlib
import json
import os
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from courier_rig import LOAD_ABORT, Rig, policy_for
from dynamodb_server import ACCESS_KEY, SECRET_KEY
from enclave_rig import IMAGE, MAINNET_GENESIS, NSM_SOCKETS, Cloud, epoch_now
from localstack_server import ACCOUNT, LocalStack
from test_aws_cose import batch
from test_devcloud_nsm import Enclave, decode
from test_hostile_nsm import encode

DER = serialization.Encoding.DER


@pytest.fixture(scope="module")
def localstack(tmp_path_factory):
    with contextlib.closing(LocalStack(tmp_path_factory.mktemp("localstack"))) as server:
        yield server


class Recipient:
    """An RSA key, and devcloud's attestation document of it."""

    def __init__(self, start, bin_dir, folder):
        self.folder, self.program = folder, bin_dir.parent / "tests/nitro_judge"
        key = rsa.generate_private_key(65537, 2048)
        (folder / "key.der").write_bytes(key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.spki = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / "image").write_text("an image")
        start("nitro-signer-devcloud", f"--state={folder}/state", f"--nsm=unix:{folder}/nsm", f"--measure={folder}/image")

    def document(self):
        with contextlib.closing(Enclave(self.folder / "nsm")) as nsm:
            return decode(nsm.ask(encode({"Attestation": {"user_data": None, "nonce": None, "public_key": self.spki}})))["Attestation"]["document"]

    def open(self, *envelopes):
        done = subprocess.run([self.program, "envelopes", batch(self.folder / "batch", envelopes), self.folder / "key.der"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def recipient(start, bin_dir, folder):
    return Recipient(start, bin_dir, folder)


def test_our_reader_opens_what_localstack_seals(localstack, recipient):
    """Of every length up to two blocks of AES, and KMS's longest."""
    key, document = localstack.create_key(), recipient.document()
    plaintexts = [os.urandom(length) for length in (*range(1, 34), 255, 1024, 4096)]
    envelopes = []
    for plaintext in plaintexts:
        answer = localstack.decrypt_for(key, localstack.encrypt(key, plaintext), document)
        assert "Plaintext" not in answer and answer["KeyId"] == key
        envelopes.append(base64.b64decode(answer["CiphertextForRecipient"]))
    assert recipient.open(*envelopes) == [plaintext.hex() for plaintext in plaintexts]
    # This is the other shape: definite lengths, and an issuer and a serial number for the recipient.
    assert all(envelope[:2] == b"\x30\x82" and b"\x0c\x09recipient" in envelope for envelope in envelopes)


def test_nobody_else_opens_it(localstack, recipient, start, bin_dir, folder):
    """No digest names the key here: only the decryption tells."""
    (folder / "other").mkdir()
    key, other = localstack.create_key(), Recipient(start, bin_dir, folder / "other")
    envelope = base64.b64decode(localstack.decrypt_for(key, localstack.encrypt(key, b"secret"), recipient.document())["CiphertextForRecipient"])
    assert recipient.open(envelope) == [b"secret".hex()]
    (refused,) = other.open(envelope)
    assert refused == "- envelope: the key does not open it"
    broken = [envelope[:place] + bytes([envelope[place] ^ 1]) + envelope[place + 1:] for place in range(0, len(envelope), 7)]
    opened = [line for line in recipient.open(*broken) if not line.startswith("- ") and line != b"secret".hex()]
    assert len(opened) <= len(broken) // 8  # CBC: a bit of the IV or the content changes the plaintext, and who decrypts looks at that


class LocalStackCloud(Cloud):
    """devcloud gives attestation documents, and nothing else; KMS is LocalStack."""

    def __init__(self, localstack, start, bin_dir, folder, **options):
        self.localstack = localstack
        (folder / "cloud").mkdir(mode=0o700)
        (folder / "cloud/key-arn").write_text(localstack.create_key())
        (folder / "cloud/credentials.json").write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "token": "t"}))
        start("nitro-signer-proxy", f"--inbound=unix:{folder}/kms=tcp:127.0.0.1:{localstack.port}")
        super().__init__(start, bin_dir, folder, **options)

    def _start_devcloud(self, policy):
        image = ",".join(str(self.bin_dir / name) for name in IMAGE)
        sockets = [word for name in NSM_SOCKETS for word in (f"--nsm=unix:{self.folder}/{name}", f"--measure={image}")]
        return self.start("nitro-signer-devcloud", f"--state={self.folder}/cloud", *sockets)

    def _adopt(self):
        (self.folder / "ca.pem").write_text(self.localstack.ca_file.read_text())


def test_an_enclave_gets_its_keys_from_localstack_and_signs(localstack, start, bin_dir, folder):
    cloud = LocalStackCloud(localstack, start, bin_dir, folder)
    assert f"arn:aws:kms:us-east-1:{ACCOUNT}:key/" in cloud.key_arn
    cloud.begin()
    opened = localstack.opened()
    enclave = cloud.enclave("a")
    assert localstack.opened() == opened + 3  # two keys and the TLS key
    assert set(enclave.get("/api/v1/eth2/publicKeys").json()) == set(cloud.keys)
    cloud.ctl("sign-test", f"--url=https://localhost:{enclave.port}", "--ca-file=items/tls-cert.pem", f"--genesis-validators-root={MAINNET_GENESIS}")
    enclave.kill()  # another RSA key, another document, other envelopes
    assert localstack.opened() == opened + 6
    later = epoch_now() + 1  # above the epoch of sign-test, source and target
    first = enclave.attest(1, target=later, source=later - 1)
    assert first.status_code == 200, first.text
    assert enclave.attest(1, target=later, source=later - 1, block=0x45).status_code == 412


def test_thousands_of_keys_under_one_data_key_too(localstack, start, bin_dir, folder):
    """Its GenerateDataKey and Encrypt are all that ctl needs, and one Decrypt all that the enclave does."""
    cloud = LocalStackCloud(localstack, start, bin_dir, folder, num_keys=1)
    made = cloud.ctl("keys", "generate", "--count=300", "--sealed", "--uuid=batch-1", "--network=mainnet", "--out=items", "--first=1", *cloud._kms(arn="key-arn"),
                     fd=cloud.key_fds).splitlines()
    cloud.begin()
    opened = localstack.opened()
    enclave = cloud.enclave("a")
    assert localstack.opened() == opened + 3  # one key, the data key, the TLS key
    assert set(enclave.get("/api/v1/eth2/publicKeys").json()) == {*cloud.keys, *(line.split()[1] for line in made)}


def test_the_plaintext_that_localstack_gives_without_a_key_to_seal_for_is_refused(localstack, start, folder, pair):
    """To a document that it cannot read it answers with the plaintext, which AWS never does: it must not go on to the loader."""
    key = localstack.create_key()
    ciphertexts = [localstack.encrypt(key, plaintext) for plaintext in (b"tls", b"k0")]
    assert base64.b64decode(localstack.decrypt_for(key, ciphertexts[1], b"no document")["Plaintext"]) == b"k0"
    rig = Rig(start, folder, pair, f"tcp:127.0.0.1:{localstack.port}", localstack.ca_file, document=lambda nonce: b"no document")
    tls, validator = (base64.b64decode(ciphertext) for ciphertext in ciphertexts)
    reply = rig.init(tls=tls, keys=[validator], policy=policy_for(key))
    assert reply["status"] == 502 and "Plaintext: must be absent" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT and not rig.keeper.records
