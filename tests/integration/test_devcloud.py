"""nitro-signer-devcloud as a whole, with strangers as its clients: curl signs and asks the KMS, openssl makes the
recipient key and opens the envelope."""
import base64
import hashlib
import json
import os
import stat
import subprocess

import pytest
from test_devcloud_nsm import Enclave, decode, openssl

ROLE = "arn:aws:iam::123456789012:role/nitro-signer-devcloud"
HOST = "kms.us-east-1.amazonaws.com"


def measurement(content):
    return hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).hexdigest()


def policy(pcr0):
    condition = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": pcr0}}
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Encrypt", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}]}


@pytest.fixture
def cloud(start, folder):
    """Two images, a and b; the key is released to a only."""
    (folder / "image-a").write_bytes(b"image a")
    (folder / "image-b").write_bytes(b"image b")
    (folder / "policy.json").write_text(json.dumps(policy(measurement(b"image a"))))
    return start("nitro-signer-devcloud", f"--state={folder}/state", f"--nsm=unix:{folder}/a", f"--measure={folder}/image-a",
                 f"--nsm=unix:{folder}/b", f"--measure={folder}/image-b", f"--kms=unix:{folder}/kms",
                 f"--key-policy={folder}/policy.json")


def ask_kms(folder, operation, body, secret=None):
    """(status, answer)"""
    credentials = json.loads((folder / "state/credentials.json").read_text())
    (folder / "curl.conf").write_text(f'user = "{credentials["access_key_id"]}:{secret or credentials["secret_access_key"]}"\n'
                                      f'header = "X-Amz-Security-Token: {credentials["token"]}"\n')
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "-K", folder / "curl.conf", "--aws-sigv4", "aws:amz:us-east-1:kms", "--unix-socket",
         folder / "kms", "--cacert", folder / "state/kms-ca.pem", "-H", f"X-Amz-Target: TrentService.{operation}",
         "-H", "Content-Type: application/x-amz-json-1.1", "-d", json.dumps(body), "-w", "\n%{http_code}",
         f"https://{HOST}/"], capture_output=True, check=False, timeout=30, env=dict(os.environ, no_proxy="*"))
    assert done.returncode == 0, done.stderr
    text, status = done.stdout.decode().rsplit("\n", 1)
    return int(status), json.loads(text)


def attest(folder, socket_name, spki):
    request = b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key\x59" + len(spki).to_bytes(2, "big") + spki
    return decode(Enclave(folder / socket_name).ask(request))["Attestation"]["document"]


def recipient_key(folder):
    """A new RSA key in recipient.pem; its SubjectPublicKeyInfo."""
    path = folder / "recipient.pem"
    assert openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path).returncode == 0
    return openssl("pkey", "-in", path, "-pubout", "-outform", "DER").stdout


def decrypt(folder, blob, key_arn, socket_name, spki):
    document = attest(folder, socket_name, spki)
    return ask_kms(folder, "Decrypt", {
        "CiphertextBlob": blob, "KeyId": key_arn,
        "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                      "AttestationDocument": base64.b64encode(document).decode()}})


def test_the_kms_gives_secrets_to_the_right_enclave_only(cloud, folder):
    key_arn = (folder / "state/key-arn").read_text().strip()
    assert key_arn.startswith("arn:aws:kms:us-east-1:123456789012:key/")
    plaintext = base64.b64encode(b"for enclave a").decode()
    status, sealed = ask_kms(folder, "Encrypt", {"KeyId": key_arn, "Plaintext": plaintext})
    assert status == 200, sealed
    spki = recipient_key(folder)

    status, answer = decrypt(folder, sealed["CiphertextBlob"], key_arn, "a", spki)
    assert status == 200, answer
    assert not answer.get("Plaintext")
    (folder / "envelope").write_bytes(base64.b64decode(answer["CiphertextForRecipient"]))
    opened = openssl("cms", "-decrypt", "-inform", "DER", "-in", folder / "envelope", "-inkey", folder / "recipient.pem")
    assert opened.stdout == b"for enclave a"

    status, answer = decrypt(folder, sealed["CiphertextBlob"], key_arn, "b", spki)
    assert status == 400 and "AccessDenied" in answer["__type"]
    status, answer = ask_kms(folder, "Decrypt", {"CiphertextBlob": sealed["CiphertextBlob"], "KeyId": key_arn})
    assert status == 400 and "AccessDenied" in answer["__type"]
    assert cloud.terminate() == 0


def test_credentials_are_private_and_checked(cloud, folder):
    path = folder / "state/credentials.json"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    credentials = json.loads(path.read_text())
    assert set(credentials) == {"access_key_id", "secret_access_key", "token"}
    assert credentials["access_key_id"].startswith("ASIA") and len(credentials["access_key_id"]) == 20
    assert len(credentials["secret_access_key"]) == 40
    status, answer = ask_kms(folder, "DescribeKey", {"KeyId": "x"}, secret="A" * 40)
    assert status in (400, 403) and "Signature" in answer["__type"]
    log = cloud.log()
    assert credentials["secret_access_key"] not in log and credentials["token"] not in log


@pytest.mark.parametrize("change, named", [
    ({"kms": None}, "--key-policy"),
    ({"key-policy": None}, "--key-policy"),
    ({"key-policy": "/absent"}, "/absent"),
    ({"kms": "nowhere"}, "--kms"),
    ({"role-arn": "arn:aws:iam::1:role/x"}, "--role-arn"),
    ({"role-arn": "arn:aws:iam::123456789012:role/"}, "--role-arn"),
])
def test_mistakes_are_named(start, folder, change, named):
    (folder / "policy.json").write_text(json.dumps(policy("00" * 48)))
    options = {"state": f"{folder}/state", "nsm": f"unix:{folder}/a", "measure": "/dev/null", "kms": f"unix:{folder}/kms",
               "key-policy": f"{folder}/policy.json", "role-arn": ROLE}
    options.update(change)
    process = start("nitro-signer-devcloud", *(f"--{name}={value}" for name, value in options.items() if value), ready=False)
    assert process.wait() in (1, 2)
    assert named in process.log()
