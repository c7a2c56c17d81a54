"""Keys that nitro-signer-ctl keys upload has written are read by the watchdog, opened by an attested enclave, and sign."""
import base64
import json
import os

import pytest

from dynamodb_server import REGION
from enclave_rig import Cloud
from test_ctl_keys import ERC_PASSWORD, ERC_PUBKEY
from test_watchdog_aws import STACK, Tables


@pytest.fixture
def cloud(start, bin_dir, folder, dynamodb, dynamodb_relay):
    """An enclave's cloud whose watchdog reads a validator-key table without keys, and a TLS table."""
    cloud = Cloud(start, bin_dir, folder, dynamodb, dynamodb_relay, num_keys=1)
    cloud.begin()
    cloud.tables = Tables(dynamodb)
    tls = json.loads((folder / "items/tls/1.json").read_text())
    cloud.tables.put(cloud.tables.tls, {"key_id": {"N": "1"}, **{name: {"S": tls[name]} for name in ("encrypted_tls_key_b64", "cert_pem")}})
    url = f"https://localhost:{dynamodb_relay.port}"
    cloud.sources = [f"--validator-table={cloud.tables.validators}", f"--tls-table={cloud.tables.tls}", f"--stack-uuid={STACK}",
                     f"--dynamodb-endpoint={url}", f"--ca-file={folder}/ca.pem"]
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = url
    yield cloud
    del os.environ["AWS_ENDPOINT_URL_DYNAMODB"]


def keys(cloud, verb, *arguments, uuid=STACK, fd=None):
    kms = [f"--key-arn={cloud.key_arn}", f"--kms-via=unix:{cloud.folder}/kms"] if verb == "upload" else []
    return cloud.ctl("keys", verb, f"--table={cloud.tables.validators}", f"--uuid={uuid}", f"--region={REGION}", "--credentials=cloud/credentials.json",
                     "--ca-file=ca.pem", *kms, *arguments, fd=fd)


def stack_file(cloud):
    """What cdk deploy --outputs-file writes."""
    (cloud.folder / "output.json").write_text(json.dumps({"devNitroValidator": {
        "ValidatorKeysTableName": cloud.tables.validators, "KMSKeyARN": cloud.key_arn, "Web3SignerUUID": STACK}}))
    return ["--stack=devNitroValidator", "--outputs=output.json", f"--region={REGION}", "--credentials=cloud/credentials.json", "--ca-file=ca.pem"]


def test_uploaded_keys_are_opened_by_an_enclave_and_sign(cloud, vectors):
    """A keystore of somebody else's, new keys in keystores, one of nobody that is assigned, one switched off, and sealed ones."""
    (cloud.folder / "stores").mkdir()
    (cloud.folder / "stores/keystore-1.json").write_text((vectors / "eip-2335/ethstaker-deposit-cli/test0.json").read_text())
    (cloud.folder / "password").write_text(ERC_PASSWORD)
    stack = stack_file(cloud)
    cloud.ctl("keys", "upload", *stack, f"--kms-via=unix:{cloud.folder}/kms", "--keystores-path=stores", "--keystores-password-file=password")
    keys(cloud, "upload", "--count=2", "--kdf=pbkdf2", fd="mnemonic-fd")
    keys(cloud, "upload", "--count=1", "--kdf=pbkdf2", uuid="none", fd="mnemonic-fd")
    (nobody,) = (key["pubkey"] for key in json.loads(keys(cloud, "list", "--output=json", uuid="none"))["keys"])
    cloud.ctl("keys", "assign", *stack, nobody)
    keys(cloud, "upload", "--sealed", "--count=3", "--deposits=deposits.json", fd="mnemonic-fd")
    words = cloud.told.strip()
    listed = [key["pubkey"] for key in json.loads(keys(cloud, "list", "--output=json"))["keys"]]
    assert len(listed) == 7 and nobody in listed and "0x" + ERC_PUBKEY in listed
    enclave = cloud.enclave("a")
    assert sorted(enclave.get("/api/v1/eth2/publicKeys").json()) == sorted(listed)
    assert enclave.get("/healthcheck").json()["status"] == "UP"
    cloud.keys = listed
    for number in range(len(listed)):
        assert enclave.attest(number).status_code == 200
    assert len(words.split()) == 24
    for secret in (words, ERC_PASSWORD, base64.b64encode(ERC_PASSWORD.encode()).decode()):
        assert secret not in enclave.log()


def test_a_key_that_is_switched_off_is_not_served_after_a_start(cloud):
    keys(cloud, "upload", "--count=2", "--kdf=pbkdf2", fd="mnemonic-fd")
    off, on = (key["pubkey"] for key in json.loads(keys(cloud, "list", "--output=json"))["keys"])
    keys(cloud, "deactivate", off)
    enclave = cloud.enclave("a")
    assert enclave.get("/api/v1/eth2/publicKeys").json() == [on]
    keys(cloud, "activate", off)
    enclave.kill()
    assert sorted(enclave.get("/api/v1/eth2/publicKeys").json()) == [off, on]
