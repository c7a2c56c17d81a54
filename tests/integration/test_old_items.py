"""Tables that the system which we replace has filled: keystores of other people's tools, encrypted and written by Amazon's boto3, the TLS
key by the Python package cryptography (old_items.py). The watchdog reads them from DynamoDB, the enclave opens them by attestation,
and signs. Nothing that wrote them is ours.
"""
import json
import subprocess

import pytest

from dynamodb_server import REGION
from enclave_rig import MAINNET_GENESIS, Cloud
from harness import PATIENCE, free_port
from python_tools import python_tool

STACK = "5b1c2f60-4b1e-11ed-8e3f-0a58a9feac02"
MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
LOCAL = ["signer.devnitrovalidator.private", "localhost", "127.0.0.1"]


class OldTables:
    """What old_items.py is to write: the third-party keystores, two that are meant for nobody here, one that is switched off."""

    def __init__(self, vectors, names):
        read = lambda path: json.loads((vectors / path).read_text(encoding="utf-8"))
        self.deposit = read("deposit-data/staking-deposit-cli-via-lighthouse.json")[0]["deposit_data"][0]
        boost = sorted((vectors / "keystores/commit-boost/keys").iterdir())[0]
        teku = read("keystores/teku-interop-keys.json")["keystores"]
        self.validators = [
            self.validator(**{name: read("eip-2335/erc-2335-scrypt.json")[name] for name in ("keystore", "password")}),
            self.validator(**{name: read("keystores/web3signer-bls_keystore.json")[name] for name in ("keystore", "password")}),
            self.validator(read(f"keystores/commit-boost/keys/{boost.name}/voting-keystore.json"),
                           (vectors / "keystores/commit-boost/secrets" / boost.name).read_text(), mnemonic="")]
        self.keys = {"0x" + one["keystore"]["pubkey"].removeprefix("0x") for one in self.validators}
        assert len(self.keys) == 3
        others = [{"web3signer_uuid": "none"}, {"web3signer_uuid": STACK[:-1] + "3"}, {"active": False}]
        self.validators += [self.validator(entry["keystore"], entry["password"], **other) for entry, other in zip(teku, others, strict=False)]
        self.names = names

    def validator(self, keystore, password, **changes):
        return {"keystore": keystore, "password": password, "mnemonic": MNEMONIC, "deposit": self.deposit, "chain": "goerli", "active": True,
                "web3signer_uuid": STACK, **changes}

    def write(self, cloud, **how):
        """Through TLS on a loopback port, where boto3 can reach devcloud's KMS."""
        folder, port = cloud.folder, free_port()
        proxy = cloud.start("nitro-signer-proxy", f"--inbound=tcp:127.0.0.1:{port}=unix:{folder}/kms")
        tables = {"validator_table": cloud.dynamodb.fresh_name(), "tls_table": cloud.dynamodb.fresh_name()}
        job = {"kms_port": port, "dynamodb": f"https://localhost:{cloud.relay.port}", "ca_file": str(folder / "ca.pem"),
               "region": REGION, "credentials": json.loads((folder / "cloud/credentials.json").read_text()), "key_arn": cloud.key_arn,
               "validators": self.validators, "names": self.names, "friendly_name": "signer", **tables, **how}
        done = subprocess.run([python_tool("python"), __file__.replace("test_old_items", "old_items")], input=json.dumps(job), text=True,
                              capture_output=True, timeout=60 * PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        assert proxy.terminate() == 0
        (folder / "old-cert.pem").write_text(done.stdout)
        cloud.sources = [f"--validator-table={tables['validator_table']}", f"--tls-table={tables['tls_table']}", f"--stack-uuid={STACK}",
                         f"--dynamodb-endpoint={job['dynamodb']}", f"--ca-file={folder}/ca.pem"]


@pytest.fixture
def cloud(start, bin_dir, folder, dynamodb, dynamodb_relay):
    return Cloud(start, bin_dir, folder, dynamodb, dynamodb_relay, num_keys=1)


@pytest.mark.parametrize("encryption", ["best", "3des"])
def test_what_the_old_scripts_wrote_is_loaded_and_signs(cloud, vectors, encryption):
    old = OldTables(vectors, LOCAL)
    old.write(cloud, encryption=encryption)
    cloud.begin("--store-mode=fleet")
    enclave = cloud.enclave("a")
    enclave.session.verify = str(cloud.folder / "old-cert.pem")
    assert set(enclave.get("/api/v1/eth2/publicKeys").json()) == old.keys
    assert enclave.get("/healthcheck").json()["status"] == "UP"
    for key in old.keys:
        cloud.ctl("sign-test", f"--url=https://localhost:{enclave.port}", "--ca-file=old-cert.pem", f"--genesis-validators-root={MAINNET_GENESIS}",
                  f"--pubkey={key}", "--only=ATTESTATION")
    assert "1 inactive items" in enclave.log()
    cloud.keys = sorted(old.keys)
    again = enclave.attest(0, target=1, source=0)
    assert (again.status_code, again.json()["code"]) == (412, "source_below_watermark"), again.text


def test_an_old_item_that_does_not_open_costs_no_other(cloud, vectors):
    """A password that was never the keystore's: the scripts checked that, hands on the console do not."""
    old = OldTables(vectors, LOCAL)
    old.validators[1]["password"] += "x"
    old.write(cloud, encryption="best")
    cloud.begin("--store-mode=fleet")
    enclave = cloud.enclave("a")
    enclave.session.verify = str(cloud.folder / "old-cert.pem")
    lost = "0x" + old.validators[1]["keystore"]["pubkey"].removeprefix("0x")
    assert set(enclave.get("/api/v1/eth2/publicKeys").json()) == old.keys - {lost}
    health = enclave.get("/healthcheck")
    assert health.status_code == 503 and health.json()["status"] == "DOWN", health.text
    assert old.validators[1]["password"] not in enclave.log() and MNEMONIC not in enclave.log()
