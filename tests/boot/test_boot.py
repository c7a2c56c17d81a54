"""An enclave image, booted: what is shipped but for its command line, in QEMU's nitro-enclave machine, under the real watchdog and behind
the real proxy."""
import base64
import hashlib
import os

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from boot_rig import SERVE_SECONDS, BootCloud, unsigned_payload
from enclave_rig import EPOCH, MAINNET_GENESIS

SECRET_WORDS = ("BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY", "secret_access_key", "mnemonic")


def no_secret(text, cloud):
    """Neither of the operator's nor what KMS has decrypted."""
    credentials = (cloud.folder / "cloud/credentials.json").read_text().split('"')
    words = [word for word in credentials if len(word) > 20] + [word for word in cloud.secrets if len(word) > 20]
    assert len(words) > len(cloud.keys)
    for word in (*words, *SECRET_WORDS):
        assert word.lower() not in text.lower(), f"a secret ({word[:4]}...) can be read"


def sha256(data):
    return hashlib.sha256(data).digest()


def measured(payload):
    return {f"PCR{number}": payload["pcrs"][number].hex() for number in (0, 1, 2)}


@pytest.fixture
def cloud(start, bin_dir, folder, parts):
    return BootCloud(start, bin_dir, folder, parts)


def test_keys_are_released_to_the_measured_image_and_it_signs(cloud):
    """KMS refuses what nobody has signed until it is told to believe it; then the same enclave gets its keys, and serves."""
    cloud.believe_unsigned = False
    cloud.begin()
    enclave = cloud.enclave("a", wait=False)
    enclave.await_log("ValidationException: attestation protected header: algorithm is not ES384")
    assert "KMS Decrypt" not in cloud.devcloud.log() and "nobody has signed" not in cloud.devcloud.log()
    cloud.believe_unsigned = True
    cloud.restart_devcloud()
    enclave.watchdog.wait_ready(SERVE_SECONDS)
    assert cloud.devcloud.log().count("nobody has signed") >= 1

    # The emulated NSM measured the image as `image build` did. (The key policy, too, demanded all three, and PCR16.)
    nonce = os.urandom(32)
    payload = enclave.document(nonce)
    assert measured(payload) == cloud.image.pcrs
    assert payload["pcrs"][16].hex() == cloud.pcr16
    assert payload["nonce"] == nonce and payload["module_id"] == "boot-a"
    # Whoever asks over HTTPS gets the same, bound to the key of that very TLS server.
    answer = enclave.get(f"/attestation?nonce={nonce.hex()}")
    assert answer.status_code == 200, answer.text
    asked = unsigned_payload(base64.b64decode(answer.json()["document"]))
    assert (measured(asked), asked["nonce"], asked["user_data"]) == (cloud.image.pcrs, nonce, payload["user_data"])
    certificate = load_pem_x509_certificate((cloud.folder / "items/tls-cert.pem").read_bytes())
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert asked["user_data"][:65] == b"\2" + sha256(spki) + sha256(b"".join(sorted(bytes.fromhex(key[2:]) for key in cloud.keys)))
    status = enclave.ask("status")["body"]
    assert (status["state"], status["keys"], status["failed"]) == ("serve", len(cloud.keys), 0)
    assert (status["pcr0"], status["pcr16"]) == (cloud.image.pcrs["PCR0"], cloud.pcr16)

    # Every type is signed over HTTPS through the proxy, and what comes is verified.
    assert enclave.get("/upcheck").status_code == 200
    assert sorted(enclave.get("/api/v1/eth2/publicKeys").json()) == sorted(cloud.keys)
    sign_test = ["sign-test", f"--url=https://localhost:{enclave.port}", "--ca-file=items/tls-cert.pem", f"--genesis-validators-root={MAINNET_GENESIS}"]
    assert "ATTESTATION" in cloud.ctl(*sign_test, f"--pubkey={cloud.keys[0]}")
    first = enclave.attest(1)
    assert first.status_code == 200, first.text
    refused = enclave.attest(1, block=0x45)
    assert refused.status_code == 412, refused.text
    again = enclave.attest(1)
    assert (again.status_code, again.json()) == (200, first.json())

    # What the enclave has to say comes over vsock; the console has no secret, and nor has the log.
    assert "enclave: " in enclave.proxy.log(), enclave.proxy.log()
    assert "nitro-signer-enclave: started" in enclave.proxy.log(), enclave.proxy.log()
    for text in (enclave.console(), enclave.proxy.log(), enclave.log(), cloud.devcloud.log()):
        no_secret(text, cloud)
    assert "Run /init" in enclave.console()
    assert enclave.watchdog.terminate() == 0


def test_what_was_signed_is_known_after_a_crash(start, bin_dir, folder, parts, dynamodb):
    cloud = BootCloud(start, bin_dir, folder, parts, dynamodb)
    cloud.begin("--store-mode=single")
    enclave = cloud.enclave("a")
    first = enclave.attest()
    assert first.status_code == 200, (first.text, enclave.log())
    assert enclave.attest(block=0x45).status_code == 412
    before = enclave.qemu()
    enclave.kill()
    assert enclave.qemu() != before
    assert enclave.attest(block=0x45).status_code == 412
    again = enclave.attest()
    assert (again.status_code, again.json()) == (200, first.json())
    assert enclave.attest(target=EPOCH + 1, source=EPOCH).status_code == 200
    assert len(cloud.items()) == 1 + len(cloud.keys)
    assert measured(enclave.document(bytes(32))) == cloud.image.pcrs


def denied(cloud, enclave):
    """KMS says no, because of the measurements and for no other reason."""
    enclave.await_log("KMS denied the enclave (403)")
    log = cloud.devcloud.log()
    assert "AccessDeniedException" in log and "nobody has signed" in log and "KMS Decrypt" not in log
    status = enclave.ask("status")["body"]
    assert (status["state"], status["keys"]) != ("serve", len(cloud.keys)) and status["keys"] == 0
    return status


def test_a_policy_with_one_changed_byte_gets_no_keys(cloud):
    cloud.begin()
    path = cloud.folder / "policy.txt"
    text = path.read_text()
    path.write_text(text.replace("far_future_epochs 2", "far_future_epochs 3"))
    assert sum(a != b for a, b in zip(text, path.read_text(), strict=True)) == 1
    status = denied(cloud, cloud.enclave("a", wait=False))
    assert status["pcr0"] == cloud.image.pcrs["PCR0"] and status["pcr16"] != cloud.pcr16


def test_an_image_with_one_changed_byte_gets_no_keys(cloud):
    cloud.begin()
    admitted = cloud.image
    cloud.image = cloud.build_image("other", edit=lambda cmdline: cmdline.replace("loglevel=7", "loglevel=6"))
    status = denied(cloud, cloud.enclave("a", wait=False))
    assert status["pcr0"] == cloud.image.pcrs["PCR0"] != admitted.pcrs["PCR0"] and status["pcr16"] == cloud.pcr16
