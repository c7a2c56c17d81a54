"""A hundred thousand keys, from where they are kept to a signature. NS_KEYS says how many instead."""
import base64
import os

import pytest
import requests

from enclave_rig import IMAGE, MAINNET_GENESIS, Cloud, eventually
from harness import connect, control, sanitized
from test_enclave_tables import many
from test_sealed import UUID, Batch, ask, served
from test_signer_standalone import Signer


@pytest.fixture
def count(bin_dir):
    return int(os.environ.get("NS_KEYS") or (2000 if sanitized(bin_dir / "nitro-signer-keeper") else 100000))


def measure(cloud):
    return cloud.ctl("image", "measure", *(cloud.bin_dir / name for name in IMAGE)).strip()


def sealed_members(batch, blobs):
    return {"web3signer_uuid": UUID, "encrypted_data_key": batch.item["encrypted_data_key_b64"], "keys": base64.b64encode(b"".join(blobs)).decode()}


def test_an_enclave_serves_a_hundred_thousand_sealed_keys(start, bin_dir, folder, count):
    """In as many items as a table would have, one of them larger than any of a table's; then a reload with one key less."""
    cloud = Cloud(start, bin_dir, folder, num_keys=1)
    cloud.begin()
    batch = Batch(cloud, 1)
    blobs = many(cloud, batch, count, UUID)
    for number, at in enumerate(range(0, count // 2, 2700)):
        batch.path = batch.path.with_name(f"part-{number}.json")
        batch.write(blobs[at:min(at + 2700, count // 2)])
    batch.path = batch.path.with_name("rest.json")
    batch.write(blobs[count // 2:])
    next(path for path in batch.path.parent.iterdir() if path.name[0] not in "pr").unlink()  # the one key of the batch itself
    enclave = cloud.enclave("a", seconds=60)
    state = ask(f"unix:{folder}/a-control", {"operation": "status"})["body"]
    assert (state["keys"], state["failed"]) == (count + 1, 0)
    keys = ["0x" + blob[:48].hex() for blob in blobs]
    assert served(enclave) == sorted([*cloud.keys, *keys])
    (checks,) = [check["checks"] for check in enclave.get("/healthcheck").json()["checks"] if check["id"] == "keys-check"]
    assert checks[0]["data"] == {"keys-loaded": count + 1, "error-count": 0}
    cloud.keys = [keys[0], keys[count // 2 - 1], keys[count // 2], keys[-1]]
    assert [enclave.attest(number).status_code for number in range(4)] == [200] * 4
    # Digest and count in the document are those of the list that is served. A machine that is busy with other things is asked again.
    words = ["attest", "verify", f"--url=https://localhost:{enclave.port}", f"--root={folder}/cloud/nsm-root.der", f"--pcr0={measure(cloud)}"]
    for left in (2, 1, 0):
        try:
            said = cloud.ctl(*words)
            break
        except AssertionError:
            if left == 0:
                raise
    assert f"\nvalidators {count + 1}\n" in said
    with connect(f"unix:{folder}/a-control", timeout=60) as stream:
        answer = control(stream, {"operation": "reload", "encrypted_validator_keys": [],
                                  "sealed_validator_keys": [sealed_members(batch, blobs[1:count // 3]), sealed_members(batch, blobs[count // 3:])]})
    assert (answer["status"], answer["body"]) == (200, {"init_state": True, "keys": count - 1, "failed": 0})
    assert [enclave.attest(number).status_code for number in range(4)] == [404, 200, 200, 200]


def test_the_stand_alone_signer_serves_a_hundred_thousand_raw_keys(start, folder, count):
    """Half of them in one file, half in a file each; one is no key, and one is there twice. Then those of the file are gone."""
    keys, middle = folder / "keys", count // 2
    keys.mkdir()
    document = lambda secret: f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{secret:064x}"\n'  # noqa: E731
    (keys / "many.yaml").write_text("---\n".join(document(secret) for secret in range(1, middle)))
    for secret in range(middle, count):
        (keys / f"one-{secret}.yaml").write_text(document(secret))
    (keys / f"one-{middle + 777}.yaml").write_text(document(0))
    (keys / f"one-{middle + 778}.yaml").write_text(document(5))
    signer = Signer(start, folder, ["--network=mainnet", f"--slashing-protection-db-path={folder}/slashing.sqlite"])
    listed = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=60).json()
    assert len(set(listed)) == len(listed) == count - 3
    health = requests.get(f"{signer.url}/healthcheck", timeout=20)
    (checks,) = [check["checks"] for check in health.json()["checks"] if check["id"] == "keys-check"]
    assert health.status_code == 503 and checks[0]["data"] == {"keys-loaded": count - 3, "error-count": 1}
    reveal = {"type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"}, "fork_info": {
        "fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"}, "genesis_validators_root": MAINNET_GENESIS}}
    assert [signer.sign(listed[number], reveal).status_code for number in (0, middle, -1)] == [200] * 3
    (keys / f"one-{middle + 777}.yaml").unlink()
    (keys / "many.yaml").unlink()
    assert requests.post(f"{signer.url}/reload", timeout=60).status_code in (200, 202)
    eventually(lambda: len(requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=60).json()) == count - middle - 1)
    assert [signer.sign(listed[number], reveal).status_code for number in (0, -1)] == [404, 200]
