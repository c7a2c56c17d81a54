"""Whole enclaves whose keys are in DynamoDB and whose credentials come from the instance's metadata service: as on AWS, with devcloud's NSM and
KMS, DynamoDB Local behind TLS, and a stand-in for the metadata service. The slashing protection is in DynamoDB too.
"""
import base64
import contextlib
import hashlib
import json
import subprocess

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dynamodb_relay import throttle
from enclave_rig import Cloud, eventually
from harness import sanitized
from imds_server import ImdsServer, document
from test_devcloud_kms import Connection, sign
from test_devcloud_kms import Cloud as KmsClient
from test_sealed import Batch, opened
from test_watchdog_aws import Tables

STACK = "51af3dc0-da77-11e4-872e-1234567db123"
BLOB = 108


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


class Kms:
    """Encrypts, on one connection."""

    def __init__(self, cloud):
        self.client = KmsClient.__new__(KmsClient)
        self.credentials = json.loads((cloud.folder / "cloud/credentials.json").read_text())
        self.client.folder = cloud.folder
        (cloud.folder / "state").symlink_to(cloud.folder / "cloud")
        self.connection, self.arn = Connection(cloud.folder / "kms", cloud.folder / "cloud/kms-ca.pem"), cloud.key_arn

    def encrypt(self, plaintext):
        body = json.dumps({"KeyId": self.arn, "Plaintext": b64(plaintext)}).encode()
        headers = self.client.headers("Encrypt")
        self.connection.request("POST", "/", body, dict(headers, authorization=sign(self.credentials, headers, body)))
        answer = self.connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        return said["CiphertextBlob"]


def cheap_keystore(secret, pubkey):
    """EIP-2335, with one round of PBKDF2: a thousand of them are opened in no time."""
    password, salt, vector = "password", bytes(32), bytes(16)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1, 32)
    encryptor = Cipher(algorithms.AES(key[:16]), modes.CTR(vector)).encryptor()
    message = encryptor.update(secret)
    return password, {"version": 4, "uuid": "09da14c4-9603-45a2-b920-275ac72731e7", "path": "", "pubkey": pubkey.removeprefix("0x"), "crypto": {
        "kdf": {"function": "pbkdf2", "params": {"dklen": 32, "c": 1, "prf": "hmac-sha256", "salt": salt.hex()}, "message": ""},
        "checksum": {"function": "sha256", "params": {}, "message": hashlib.sha256(key[16:] + message).hexdigest()},
        "cipher": {"function": "aes-128-ctr", "params": {"iv": vector.hex()}, "message": message.hex()}}}


def many(cloud, batch, count, uuid):
    """Blobs under the batch's data key, by the program of the benchmarks: ctl takes a millisecond for each and more."""
    program = cloud.bin_dir.parent / "bench/bench_seal"
    whole = subprocess.run([program, str(count), uuid], input=batch.data_key.hex().encode(), check=True, capture_output=True, timeout=60).stdout
    return [whole[at:at + BLOB] for at in range(0, len(whole), BLOB)]


class Fed:
    """A cloud whose watchdog reads tables, with the role's credentials."""

    def __init__(self, cloud, imds):
        self.cloud, self.imds = cloud, imds
        self.tables = Tables(cloud.dynamodb)
        (tls,) = (cloud.folder / "items/tls").iterdir()
        item = json.loads(tls.read_text())
        self.tables.put(self.tables.tls, {"key_id": {"N": "1"}, "cert_pem": {"S": item["cert_pem"]},
                                          "encrypted_tls_key_b64": {"S": item["encrypted_tls_key_b64"]}})
        cloud.begin("--store-mode=single")
        self.give_role()
        cloud.sources = [f"--validator-table={self.tables.validators}", f"--tls-table={self.tables.tls}", f"--stack-uuid={STACK}",
                         f"--dynamodb-endpoint=https://localhost:{cloud.relay.port}", f"--ca-file={cloud.folder}/ca.pem",
                         f"--imds-endpoint={imds.url}", "--imds-interval=1"]
        cloud.credentials = "imds"

    def give_role(self, lives=3600, **changes):
        """What KMS and DynamoDB take, or not."""
        genuine = json.loads((self.cloud.folder / "cloud/credentials.json").read_text())
        self.imds.credentials = document(lives=lives, AccessKeyId=genuine["access_key_id"], SecretAccessKey=genuine["secret_access_key"],
                                         Token=genuine["token"]) | changes

    def validator(self, kms, secret, pubkey, stack=STACK, active=True, padding=0):
        password, keystore = cheap_keystore(secret, pubkey)
        plaintext = json.dumps({"keystore_b64": b64(json.dumps(keystore)), "password_b64": b64(password), "mnemonic_b64": b64("no words")})
        return {"web3signer_uuid": {"S": stack}, "pubkey": {"S": pubkey.removeprefix("0x")}, "chain": {"S": "mainnet"}, "active": {"BOOL": active},
                "encrypted_key_password_mnemonic_b64": {"S": kms.encrypt(plaintext.encode())}, "deposit_json_b64": {"S": b64(b"[]" * (1 + padding // 2))},
                "datetime": {"S": "2022-11-15T11:02:09.123456"}}

    def sealed(self, batch, blobs, name, active=True):
        """An item of the batch; its UUID is the table's partition key."""
        return {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": f"sealed-{name}"}, "chain": {"S": "mainnet"}, "active": {"BOOL": active},
                "datetime": {"S": "2026-01-31T12:00:00Z"}, "encrypted_data_key_b64": {"S": batch.item["encrypted_data_key_b64"]},
                "sealed_keys_b64": {"S": b64(b"".join(blobs))}}


@pytest.fixture
def fed(start, bin_dir, folder, dynamodb, dynamodb_relay):
    with contextlib.closing(ImdsServer()) as imds:
        yield Fed(Cloud(start, bin_dir, folder, dynamodb, dynamodb_relay, num_keys=1), imds)


def test_a_thousand_items_batches_and_one_that_cannot_be_opened(fed):
    """Pages end at a megabyte, which is some 90 of these items."""
    cloud, count = fed.cloud, 60 if sanitized(fed.cloud.bin_dir / "nitro-signer-keeper") else 1000
    kms, batch = Kms(cloud), Batch(cloud, 7, uuid=STACK)
    blobs = many(cloud, batch, count + 3, "plain")
    keys = ["0x" + blob[:48].hex() for blob in blobs]
    items = [fed.validator(kms, opened(blob, batch.data_key, "plain"), key, padding=12000) for blob, key in zip(blobs, keys, strict=True)]
    items[count]["encrypted_key_password_mnemonic_b64"]["S"] = b64(b"no ciphertext of this KMS")
    items[count + 1]["active"]["BOOL"] = False
    items[count + 2]["web3signer_uuid"]["S"] = "none"
    fed.tables.put_all(*items, fed.sealed(batch, batch.blobs[:4], "1"), fed.sealed(batch, batch.blobs[4:6], "2"), fed.sealed(batch, batch.blobs[6:], "3", active=False))
    cloud.relay.inject(throttle, count=2, operation="Query")
    enclave = cloud.enclave("a")
    assert set(enclave.get("/api/v1/eth2/publicKeys").json()) == {*keys[:count], *batch.keys[:6]}
    health = enclave.get("/healthcheck")
    (checks,) = [check["checks"] for check in health.json()["checks"] if check["id"] == "keys-check"]
    assert health.status_code == 503 and checks[0]["data"] == {"keys-loaded": count + 6, "error-count": 1, "failed-keys": [keys[count]]}
    assert cloud.relay.operations["Query"] - 2 >= count * 12000 // (1 << 20) + 1
    assert "2 inactive items are left out" in enclave.log()
    cloud.keys = [keys[0], keys[count - 1], batch.keys[5], keys[count + 1]]
    assert [enclave.attest(key).status_code for key in range(4)] == [200, 200, 200, 404]


def test_ten_thousand_sealed_keys_in_several_items(fed):
    """The texts of a page are megabytes, more than the watchdog's memory for secrets. A store that is slow does not make a start begin again."""
    cloud, count, each = fed.cloud, 200 if sanitized(fed.cloud.bin_dir / "nitro-signer-keeper") else 10000, 2500
    batch = Batch(cloud, 1, uuid=STACK)
    blobs = many(cloud, batch, count, STACK)
    for at in range(0, count, each):
        fed.tables.put(fed.tables.validators, fed.sealed(batch, blobs[at:at + each], at))
    enclave = cloud.enclave("a", seconds=120)
    assert len(enclave.get("/api/v1/eth2/publicKeys").json()) == count
    assert enclave.get("/healthcheck").status_code == 200
    cloud.keys = ["0x" + blob[:48].hex() for blob in (blobs[0], blobs[-1])]
    assert [enclave.attest(key).status_code for key in range(2)] == [200, 200]
    cloud.relay.delay_ms = 500  # so all records cannot be rewritten in the time that one has
    enclave.kill(seconds=240)
    cloud.relay.delay_ms = 0
    assert "load failed" not in enclave.log()
    assert enclave.attest(0, block=0x45).status_code == 412


def test_keys_that_are_uploaded_later_and_credentials_that_are_renewed(fed):
    """A watchdog that starts with nothing at hand needs no hands: it serves as soon as there is what it needs."""
    cloud = fed.cloud
    fed.give_role(SecretAccessKey="of/a/session/that/has/ended")
    enclave = cloud.enclave("a", wait=False)
    eventually(lambda: "InvalidSignatureException" in enclave.log())
    fed.give_role(lives=600)  # they end soon: new ones are looked for at once
    eventually(lambda: "no active key" in enclave.log())
    batch = Batch(cloud, 2, uuid=STACK)
    fed.tables.put(fed.tables.validators, fed.sealed(batch, batch.blobs, "1"))
    enclave.watchdog.wait_ready(60)
    cloud.keys = batch.keys
    assert enclave.attest(1).status_code == 200
    told = enclave.log().count("credentials: sending fresh ones")
    fed.give_role(Token="another-session-token")
    eventually(lambda: enclave.log().count("credentials: sending fresh ones") > told)
    assert enclave.attest(1, block=0x45).status_code == 412 and enclave.attest(0).status_code == 200
    assert json.loads((cloud.folder / "cloud/credentials.json").read_text())["secret_access_key"] not in enclave.log()


def test_a_policy_that_kms_does_not_admit_is_said_and_healed(fed):
    """As when the image or the policy document was changed and the key policy was not: PCR0 or PCR16 is another."""
    cloud = fed.cloud
    batch = Batch(cloud, 1, uuid=STACK)
    fed.tables.put(fed.tables.validators, fed.sealed(batch, batch.blobs, "1"))
    admitted = (cloud.folder / "policy.txt").read_text()
    (cloud.folder / "policy.txt").write_text(admitted.replace("far_future_epochs 2", "far_future_epochs 3"))
    enclave = cloud.enclave("a", wait=False)
    eventually(lambda: "KMS denied the enclave (403)" in enclave.log() and "AccessDenied" in enclave.log())
    eventually(lambda: enclave.log().count("KMS denied the enclave (403)") > 1)  # tried again, by the same enclave
    assert enclave.log().count("started the enclave") == 1 and "state: serve" not in enclave.log()
    (cloud.folder / "policy.txt").write_text(admitted)
    assert enclave.watchdog.terminate() == 0 and enclave.proxy.terminate() == 0
    cloud.keys = batch.keys
    assert cloud.enclave("a").attest().status_code == 200
