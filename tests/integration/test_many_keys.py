"""A hundred thousand keys, from where they are kept to a signature. NS_KEYS says how many instead."""
import base64
import os

import pytest

from enclave_rig import IMAGE, Cloud
from harness import connect, control, sanitized
from test_enclave_tables import many
from test_sealed import UUID, Batch, ask, served


@pytest.fixture
def count(bin_dir):
    return int(os.environ.get("NS_KEYS") or (2000 if sanitized(bin_dir / "nitro-signer-keeper") else 100000))


def measure(cloud):
    return cloud.ctl("measure", *(cloud.bin_dir / name for name in IMAGE)).strip()


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
    # Digest and count in the document are those of the list that is served.
    said = cloud.ctl("attest", "verify", f"--url=https://localhost:{enclave.port}", f"--root={folder}/cloud/nsm-root.der", f"--pcr0={measure(cloud)}")
    assert f"\nvalidators {count + 1}\n" in said
    with connect(f"unix:{folder}/a-control", timeout=60) as stream:
        answer = control(stream, {"operation": "reload", "encrypted_validator_keys": [],
                                  "sealed_validator_keys": [sealed_members(batch, blobs[1:count // 3]), sealed_members(batch, blobs[count // 3:])]})
    assert (answer["status"], answer["body"]) == (200, {"init_state": True, "keys": count - 1, "failed": 0})
    assert [enclave.attest(number).status_code for number in range(4)] == [404, 200, 200, 200]
