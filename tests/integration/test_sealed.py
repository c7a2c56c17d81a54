"""Keys sealed under one data key: made by ctl, opened by an attested enclave with one call of KMS. Python's cryptography
seals and opens them too, so that the form is PROTOCOL.control's and not only ours."""
import base64
import json
import os
import pathlib
import subprocess

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from enclave_rig import ROLE, Cloud, eventually, key_policy
from harness import connect, control

UUID, LENGTH = "batch-7", 108
# The secret key 1 has the generator of G1 as its public key.
GENERATOR = bytes.fromhex("97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb")


def sealed(secret, pubkey, data_key, uuid=UUID, nonce=None):
    """PROTOCOL.control section 8."""
    nonce = nonce or os.urandom(12)
    return pubkey + nonce + AESGCM(data_key).encrypt(nonce, secret, b"nitro-signer sealed key 1".ljust(32, b"\0") + pubkey + uuid.encode())


def opened(blob, data_key, uuid=UUID):
    return AESGCM(data_key).decrypt(blob[48:60], blob[60:], b"nitro-signer sealed key 1".ljust(32, b"\0") + blob[:48] + uuid.encode())


class Batch:
    """The one item of a folder, with the secrets that made it."""

    def __init__(self, cloud, count, folder="items", uuid=UUID):
        self.cloud = cloud
        reader, writer = os.pipe()
        (mnemonic, words) = os.pipe()
        done = subprocess.run([cloud.bin_dir / "nitro-signer-ctl", "keys", "generate", f"--count={count}", "--sealed", f"--uuid={uuid}", "--network=mainnet",
                               f"--out={folder}", *cloud._kms(arn="key-arn"), f"--secrets-fd={writer}", f"--mnemonic-fd={words}"],
                              cwd=cloud.folder, text=True, capture_output=True, timeout=60, check=True, pass_fds=[writer, words])
        for fd in (writer, words, mnemonic):
            os.close(fd)
        with os.fdopen(reader) as file:
            said = [line.split() for line in file.read().splitlines()]
        self.data_key = next(bytes.fromhex(words[-1]) for words in said if words[0].startswith("data_key"))
        self.secrets = [bytes.fromhex(words[-1]) for words in said if words[0].startswith("secret_key")]
        self.keys = [line.split()[1] for line in done.stdout.splitlines()]
        (self.path,) = (cloud.folder / folder / "sealed").iterdir()
        self.item = json.loads(self.path.read_text())

    @property
    def blobs(self):
        whole = base64.b64decode(self.item["sealed_keys_b64"])
        return [whole[at:at + LENGTH] for at in range(0, len(whole), LENGTH)]

    def write(self, blobs=None, **members):
        if blobs is not None:
            members["sealed_keys_b64"] = base64.b64encode(b"".join(blobs)).decode()
        self.item |= members
        self.path.write_text(json.dumps(self.item))


@pytest.fixture
def cloud(start, bin_dir, folder):
    cloud = Cloud(start, bin_dir, folder, num_keys=1)
    cloud.begin()
    return cloud


@pytest.fixture
def batch(cloud):
    # begin() started KMS anew with the policy that admits the image; the data key is encrypted under it
    return Batch(cloud, 4)


def ask(address, message):
    with connect(address) as stream:
        return control(stream, message)


def status(cloud):
    return ask(f"unix:{cloud.folder}/a-control", {"operation": "status"})["body"]


def served(enclave):
    return sorted(enclave.get("/api/v1/eth2/publicKeys").json())


def test_a_batch_is_served_beside_keystores(cloud, batch):
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["keys"] == 5)
    assert status(cloud)["failed"] == 0
    assert served(enclave) == sorted([*cloud.keys, *batch.keys])
    cloud.keys = batch.keys
    for number in range(4):
        assert enclave.attest(number).status_code == 200
    deposits = json.loads(next((cloud.folder / "items/deposits").iterdir()).read_text())
    assert [f"0x{deposit['pubkey']}" for deposit in deposits] == batch.keys


def test_a_batch_alone_is_enough(cloud, batch):
    (cloud.folder / f"items/validators/{cloud.keys[0][2:]}.json").unlink()
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["keys"] == 4)
    assert served(enclave) == sorted(batch.keys)


def test_a_reload_takes_sealed_keys_alone(cloud, batch):
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["keys"] == 5)

    def reload(blobs, uuid=UUID):
        members = {"web3signer_uuid": uuid, "encrypted_data_key": batch.item["encrypted_data_key_b64"], "keys": base64.b64encode(b"".join(blobs)).decode()}
        answer = ask(f"unix:{cloud.folder}/a-control", {"operation": "reload", "encrypted_validator_keys": [], "sealed_validator_keys": [members]})
        return answer["status"], answer["body"]

    assert reload(batch.blobs[2:]) == (200, {"init_state": True, "keys": 2, "failed": 0})
    assert served(enclave) == sorted(batch.keys[2:])
    # Nothing of this batch opens: what served goes on serving.
    answer, _ = reload(batch.blobs, "batch-8")
    assert answer == 500
    assert served(enclave) == sorted(batch.keys[2:])
    cloud.keys = batch.keys[2:]
    assert enclave.attest(0).status_code == 200


def test_cryptography_opens_what_ctl_seals(batch):
    assert [opened(blob, batch.data_key) for blob in batch.blobs] == batch.secrets
    assert ["0x" + blob[:48].hex() for blob in batch.blobs] == batch.keys
    with pytest.raises(InvalidTag):
        opened(batch.blobs[0], batch.data_key, uuid="batch-8")


def test_the_enclave_opens_what_cryptography_seals(cloud, batch):
    batch.write(batch.blobs + [sealed((1).to_bytes(32, "big"), GENERATOR, batch.data_key)])
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["keys"] == 6)
    assert "0x" + GENERATOR.hex() in served(enclave)


def bad_blobs(batch):
    """What a host can do to two of four keys: the other two serve."""
    one, two, three, four = batch.blobs
    flipped = bytearray(four)
    flipped[60] ^= 1
    return {"swapped": [one, two, three[:48] + four[48:], four[:48] + three[48:]],
            "of another batch": [one, two, sealed(batch.secrets[2], three[:48], os.urandom(32)), sealed(batch.secrets[3], four[:48], batch.data_key, "batch-8")],
            "a bit, a nonce": [one, two, bytes(flipped), three[:48] + bytes(12) + three[60:]]}


@pytest.mark.parametrize("what", ["swapped", "of another batch", "a bit, a nonce"])
def test_what_was_not_sealed_so_fails_alone(cloud, batch, what):
    batch.write(bad_blobs(batch)[what])
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["failed"] == 2)
    assert served(enclave) == sorted([*cloud.keys, *batch.keys[:2]])
    assert "was not sealed with this data key" in enclave.log()


def test_another_uuid_opens_none(cloud, batch):
    batch.write(web3signer_uuid="batch-8")
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["failed"] == 4)
    assert served(enclave) == cloud.keys


def test_a_key_sealed_under_anothers_name_ends_the_load(cloud, batch):
    """Only who has the data key can do that. The keeper computes each public key; nothing of such a load is served."""
    batch.write(batch.blobs[:3] + [sealed(batch.secrets[0], GENERATOR, batch.data_key)])
    enclave = cloud.enclave("a", wait=False)
    eventually(lambda: "a public key is not that of its secret" in enclave.log())
    assert status(cloud)["keys"] == 0


def test_a_data_key_that_kms_cannot_open_costs_its_batch(cloud, batch):
    batch.write(encrypted_data_key_b64=base64.b64encode(b"no ciphertext of this KMS").decode())
    enclave = cloud.enclave("a")
    eventually(lambda: "1 keys, 4 failed" in enclave.log())
    assert served(enclave) == cloud.keys


def test_a_data_key_of_another_length_costs_its_batch(cloud, batch):
    """The TLS key's ciphertext is one that KMS opens."""
    tls = json.loads(next(pathlib.Path(cloud.folder / "items/tls").iterdir()).read_text())
    batch.write(encrypted_data_key_b64=tls["encrypted_tls_key_b64"])
    enclave = cloud.enclave("a")
    eventually(lambda: status(cloud)["failed"] == 4)
    assert served(enclave) == cloud.keys
    assert "its data key" in enclave.log()


@pytest.mark.parametrize("change,why", [
    (lambda blobs: [*blobs[:3], blobs[3][:-1]], "times 108 bytes"), (lambda blobs: [], "times 108 bytes"), (lambda blobs: [*blobs, blobs[1]], "is there twice")])
def test_the_watchdog_refuses_damaged_items(cloud, batch, change, why):
    batch.write(change(batch.blobs))
    watchdog = cloud.enclave("a", wait=False).watchdog
    eventually(lambda: why in watchdog.log())


def batches(*members):
    good = {"web3signer_uuid": UUID, "encrypted_data_key": "QUFB", "keys": base64.b64encode(bytes(LENGTH)).decode()}
    return [good | dict(member) for member in members]


@pytest.mark.parametrize("member,why", [
    ({"keys": base64.b64encode(bytes(LENGTH - 1)).decode()}, "sealed_validator_keys[1]: keys: must have a multiple of 108 bytes"),
    ({"keys": ""}, "must have a multiple"), ({"keys": "!"}, "sealed_validator_keys[1]: keys"), ({"keys": base64.b64encode(bytes(LENGTH * 131072)).decode()}, "sealed_validator_keys[1]: keys: more than 131072 in all"),
    ({"web3signer_uuid": ""}, "web3signer_uuid: must have"), ({"web3signer_uuid": "a b"}, "web3signer_uuid: must have"), ({"web3signer_uuid": "u" * 65}, "web3signer_uuid: must have"),
    ({"encrypted_data_key": ""}, "encrypted_data_key"), ({"more": 1}, "has a member it does not know")])
def test_the_control_port_refuses_malformed_batches(start, bin_dir, folder, member, why):
    (folder / "key-policy.json").write_text(key_policy(["kms:Encrypt"]))
    start("nitro-signer-devcloud", f"--state={folder}/cloud", f"--role-arn={ROLE}", f"--nsm=unix:{folder}/nsm", f"--measure={bin_dir}/nitro-signer-keeper",
          f"--kms=unix:{folder}/kms", f"--key-policy={folder}/key-policy.json")
    start("nitro-signer-enclave", f"--control=unix:{folder}/control", f"--https=unix:{folder}/https", f"--nsm=unix:{folder}/nsm", f"--kms-via=unix:{folder}/kms",
          f"--ca-file={folder}/cloud/kms-ca.pem")
    message = {"operation": "init", "policy": "x", "access": "", "credential": {"access_key_id": "a", "secret_access_key": "b", "token": "c"},
               "encrypted_tls_key": "QUFB", "encrypted_validator_keys": [], "sealed_validator_keys": batches({}, member)}
    answer = ask(f"unix:{folder}/control", message)
    assert answer["status"] == 400
    assert why in answer["body"]["error"]
