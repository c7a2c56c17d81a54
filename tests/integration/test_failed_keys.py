"""Keys that cannot be loaded are named by their public key wherever an operator looks: the enclave's log, /healthcheck, status on
the control port and by ctl, and the watchdog's log. The others serve. Whole enclaves, as in test_sealed.py."""
import base64
import json
import subprocess

import pytest

from enclave_rig import Cloud, eventually
from harness import connect, control
from test_sealed import UUID, Batch


@pytest.fixture
def cloud(start, bin_dir, folder):
    cloud = Cloud(start, bin_dir, folder, num_keys=3)
    cloud.begin()
    return cloud


def items_of(cloud):
    """Public key -> file, and item."""
    found = {}
    for path in (cloud.folder / "items/validators").iterdir():
        item = json.loads(path.read_text())
        found["0x" + item["pubkey"].removeprefix("0x")] = path, item
    return found


def replace(cloud, key, ciphertext):
    path, item = items_of(cloud)[key]
    path.write_text(json.dumps({**item, "encrypted_key_password_mnemonic_b64": ciphertext}))


def assert_named(cloud, enclave, failed, num_loaded):
    """failed: public keys, in the order of their records."""
    served = set(enclave.get("/api/v1/eth2/publicKeys").json())
    assert len(served) == num_loaded and served.isdisjoint(failed) and set(cloud.keys) <= served | set(failed)
    health = enclave.get("/healthcheck")
    assert health.status_code == 503 and health.json()["status"] == health.json()["outcome"] == "DOWN"
    (keys,) = [check for check in health.json()["checks"] if check["id"] == "keys-check"]
    assert keys["checks"] == [{"id": "config-files-loading", "status": "DOWN", "data": {
        "keys-loaded": num_loaded, "error-count": len(failed), "failed-keys": failed}}]
    address = f"unix:{cloud.folder}/a-control"
    with connect(address) as stream:
        body = control(stream, {"operation": "status"})["body"]
    assert (body["keys"], body["failed"], body["failed_keys"]) == (num_loaded, len(failed), failed)
    said = subprocess.run([cloud.bin_dir / "nitro-signer-ctl", "status", f"--control={address}"], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 3 and f"{len(failed)} keys could not be loaded" in said.stderr
    assert json.loads(said.stdout) == {**body, "uptime_seconds": pytest.approx(body["uptime_seconds"], abs=60)}
    eventually(lambda: f"status: {len(failed)} keys could not be loaded: {', '.join(failed)}" in enclave.log())
    for key in failed:
        assert any("nitro-signer-keeper" in line and f"({key})" in line for line in enclave.log().splitlines() if "record" in line)


def test_what_kms_and_what_the_enclave_cannot_open_is_named(cloud):
    """One that KMS cannot decrypt, and one that it can, but which is no key: the TLS key's."""
    order = sorted(cloud.keys)
    replace(cloud, order[0], base64.b64encode(b"no ciphertext of this KMS").decode())
    (tls,) = (cloud.folder / "items/tls").iterdir()
    replace(cloud, order[2], json.loads(tls.read_text())["encrypted_tls_key_b64"])
    enclave = cloud.enclave("a")
    assert_named(cloud, enclave, [order[0], order[2]], 1)
    assert enclave.attest(cloud.keys.index(order[1])).status_code == 200
    assert enclave.attest(cloud.keys.index(order[0])).status_code == 404


def test_a_host_cannot_pass_off_one_key_as_another(cloud):
    """Two ciphertexts change places: both keys are refused, though both open."""
    order = sorted(cloud.keys)
    items = items_of(cloud)
    for key, other in (order[:2], order[1::-1]):
        replace(cloud, key, items[other][1]["encrypted_key_password_mnemonic_b64"])
    enclave = cloud.enclave("a")
    assert_named(cloud, enclave, order[:2], 1)
    assert f"it has the key of {order[1]}" in enclave.log()


def test_a_host_that_names_nothing_is_served_as_ever(cloud):
    """What older watchdogs send. Failures are told by their index."""
    enclave = cloud.enclave("a")
    (tls,) = (cloud.folder / "items/tls").iterdir()
    good = [item["encrypted_key_password_mnemonic_b64"] for _, item in items_of(cloud).values()]
    bad = json.loads(tls.read_text())["encrypted_tls_key_b64"]
    with connect(f"unix:{cloud.folder}/a-control") as stream:
        reply = control(stream, {"operation": "reload", "encrypted_validator_keys": [good[0], bad]})
        assert reply == {"status": 200, "body": {"init_state": True, "keys": 1, "failed": 1}}
        assert control(stream, {"operation": "status"})["body"]["failed_keys"] == []
    assert "keys-loaded\":1,\"error-count\":1}" in enclave.get("/healthcheck").text


def test_sealed_keys_bear_their_names(cloud):
    """Of a batch whose data key KMS refuses, and of one key that was tampered with; no more than sixteen are named, all are counted and logged."""
    batch = Batch(cloud, 20)
    names = ["0x" + blob[:48].hex() for blob in batch.blobs]
    batch.write([batch.blobs[0][:-1] + bytes([batch.blobs[0][-1] ^ 1]), *batch.blobs[1:]])
    enclave = cloud.enclave("a")
    assert_named(cloud, enclave, names[:1], 22)
    assert enclave.watchdog.terminate() == 0 and enclave.proxy.terminate() == 0
    batch.write(encrypted_data_key_b64=base64.b64encode(b"no ciphertext of this KMS").decode(), web3signer_uuid=UUID)
    enclave = cloud.enclave("a")
    data = enclave.get("/healthcheck").json()["checks"][0]["checks"][0]["data"]
    assert data == {"keys-loaded": 3, "error-count": 20, "failed-keys": names[:16]}
    eventually(lambda: "20 keys could not be loaded" in enclave.log())
    assert "and others, which its log names" in enclave.log()
    assert all(f"({name})" in enclave.log() for name in names)
