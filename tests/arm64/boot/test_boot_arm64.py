"""The image for arm64, booted: its kernel and its two ramdisks, to the byte, in QEMU's machine `virt`, under the real watchdog and behind
the real proxy."""
import base64
import os

import pytest

from arm64_rig import ArmCloud
from enclave_rig import EPOCH, MAINNET_GENESIS
from boot_rig import decode


@pytest.fixture
def cloud(start, bin_dir, folder, parts, build):
    cloud = ArmCloud(start, bin_dir, folder, parts, build)
    cloud.begin()
    return cloud


def signed_payload(document):
    """Of an attestation document that KMS's stand-in could believe."""
    _, _, payload, signature = decode(document)
    assert signature != bytes(len(signature))
    return decode(payload)


def test_it_gets_its_keys_and_signs(cloud):
    enclave = cloud.enclave("a")

    # Heartbeat (run_enclave.py opens no port before), PID 1's log over vsock, and its processes.
    log, console = enclave.proxy.log(), enclave.console()
    assert "heartbeat after" in enclave.log() and "nitro-signer-enclave: started" in log, (enclave.log(), log)
    assert "Machine model: linux,dummy-virt" in console and "Run /stand-in/nsm-init as init process" in console
    payload = signed_payload(base64.b64decode(enclave.ask("attest", nonce=base64.b64encode(os.urandom(32)).decode())["body"]["document"]))
    assert (payload["pcrs"][0].hex(), payload["pcrs"][16].hex()) == (cloud.image.pcrs["PCR0"], cloud.pcr16)
    assert "KMS Decrypt for an enclave" in cloud.devcloud.log() and "nobody has signed" not in cloud.devcloud.log()

    assert sorted(enclave.get("/api/v1/eth2/publicKeys").json()) == sorted(cloud.keys)
    assert "ATTESTATION" in cloud.ctl("sign-test", f"--url=https://localhost:{enclave.port}", "--ca-file=items/tls-cert.pem",
                                      f"--genesis-validators-root={MAINNET_GENESIS}", f"--pubkey={cloud.keys[0]}")
    first = enclave.attest(1)
    assert first.status_code == 200, first.text
    assert enclave.attest(1, block=0x45).status_code == 412
    again = enclave.attest(1)
    assert (again.status_code, again.json()) == (200, first.json())
    assert enclave.attest(1, target=EPOCH + 1, source=EPOCH).status_code == 200
    assert enclave.watchdog.terminate() == 0


def test_another_policy_gets_no_keys(cloud):
    path = cloud.folder / "policy.txt"
    path.write_text(path.read_text().replace("far_future_epochs 2", "far_future_epochs 3"))
    enclave = cloud.enclave("a", wait=False)
    enclave.await_log("KMS denied the enclave (403)")
    status = enclave.ask("status")["body"]
    assert (status["keys"], status["pcr0"]) == (0, cloud.image.pcrs["PCR0"]) and status["pcr16"] != cloud.pcr16


@pytest.mark.parametrize("word, last", [
    ("", "/dev/nsm: No such file or directory"),
    ("nitro_signer.no-such=1", "nitro_signer.no-such: unknown option"),
])
def test_nothing_but_what_is_shipped_says_why_it_ends(cloud, word, last):
    """Without a stand-in there is no NSM: PID 1 says so, over vsock and on the console, and the machine ends at once."""
    cloud.image = cloud.bare_image(word)
    enclave = cloud.enclave("a", wait=False)
    enclave.await_that(lambda: f"{last}; ending" in enclave.console() and f"{last}; ending" in enclave.proxy.log() and "ended with 0" in enclave.log())
    assert "Run /init as init process" in enclave.console()
