"""The limits of all validators over HTTP, each refusal with its code and heights: the high watermark, the far future, the
floor of the start. Epochs are the clock's: hoodi's genesis is known."""
import json
import shutil
import signal
import subprocess
import time

import pytest

from test_interchange import history, run, validator  # noqa: F401
from test_signer_standalone import GENESIS, Signer, attestation, one_key, sign_vectors  # noqa: F401

HOODI_GENESIS = 1742213400
LARGEST = 2**60


def epoch_now():
    return (int(time.time()) - HOODI_GENESIS) // 384


def block(slot, body="77"):
    return {"type": "BLOCK_V2", "fork_info": attestation(0)["fork_info"], "beacon_block": {"version": "FULU", "block_header": {
        "slot": str(slot), "proposer_index": "2", "parent_root": "0x" + "11" * 32, "state_root": "0x" + "22" * 32,
        "body_root": "0x" + body * 32}}}


@pytest.fixture
def serve(start, folder, one_key):
    """serve("--boot-floor") on the store of this test."""
    class Serving(Signer):
        def __init__(self, *eth2):
            super().__init__(start, folder, ["--network=hoodi", f"--slashing-protection-db-path={folder}/protection.sqlite", *eth2])

        def refused(self, message):
            answer = self.sign(one_key, message)
            assert answer.status_code == 412, answer.text
            return answer.json()

        def signed(self, message):
            answer = self.sign(one_key, message)
            assert answer.status_code == 200, answer.text
            return answer.json()["signature"]
    return Serving


def test_nothing_far_ahead_of_the_clock_is_signed(serve):
    now, signer = epoch_now(), serve()
    body = signer.refused(attestation(LARGEST, source=now))
    assert body["code"] == "far_future" and int(body["limit_epoch"]) - now in (2, 3) and "limit_slot" not in body
    limit = int(body["limit_epoch"])
    assert signer.refused(attestation(limit + 5, source=now))["code"] == "far_future"
    body = signer.refused(block(LARGEST))
    assert body["code"] == "far_future" and int(body["limit_slot"]) // 32 - now in (2, 3)
    assert int(body["limit_slot"]) % 32 == 31
    assert not {key for key in body if key.startswith("recorded")}, "a refusal must leave no record"
    # The key was not spoiled: what is due is signed.
    signer.signed(attestation(now, source=now - 1))
    signer.signed(attestation(limit, source=now))
    signer.signed(block(now * 32))
    body = signer.refused(attestation(LARGEST, source=now))
    assert (body["recorded_source_epoch"], body["recorded_target_epoch"]) == (str(now), str(limit))
    assert body["recorded_block_slot"] == str(now * 32)


def test_the_bound_is_the_operators(serve):
    now, signer = epoch_now(), serve("--slashing-protection-far-future-epochs=0")
    body = signer.refused(attestation(now + 2, source=now))
    assert body["code"] == "far_future" and int(body["limit_epoch"]) - now in (0, 1)
    signer.process.terminate()
    signer = serve("--slashing-protection-far-future-epochs=any")
    signer.signed(attestation(LARGEST, source=now))
    signer.signed(block(LARGEST))


@pytest.mark.parametrize("eth2, named", [
    (["--slashing-protection-far-future-epochs=1000001"], "--slashing-protection-far-future-epochs"),
    (["--slashing-protection-far-future-epochs=-1"], "--slashing-protection-far-future-epochs"),
    (["--slashing-protection-far-future-epochs=Any"], "--slashing-protection-far-future-epochs"),
    (["--boot-floor", "--network=minimal"], "boot_floor"),
    (["--boot-floor", "--slashing-protection-enabled=false"], "--boot-floor"),
])
def test_limits_that_cannot_be_are_usage_errors(start, folder, eth2, named):
    process = start("nitro-signer", "eth2", f"--slashing-protection-db-path={folder}/db", *eth2, ready=False)
    assert process.wait() == 2 and f"{named}: " in process.log()


def test_a_network_of_unknown_genesis_has_no_bound_and_says_so(start, folder, one_key):
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/db"])
    assert signer.sign(one_key, attestation(LARGEST)).status_code == 200
    assert signer.process.log().count("genesis time is not known") == 1


def test_a_store_put_back_yields_no_second_vote(serve, folder):
    now, signer = epoch_now(), serve()
    first, proposal = attestation(now, source=now - 1), block(now * 32)
    signer.signed(first)
    signer.signed(proposal)
    assert signer.process.terminate() == 0
    (folder / "protection.sqlite").unlink()  # the oldest copy there is: none
    signer = serve("--boot-floor")
    body = signer.refused(attestation(now, "0x" + "45" * 32, source=now - 1))
    assert body["code"] == "at_or_below_boot_floor" and int(body["limit_epoch"]) - now in (0, 1)
    assert signer.refused(first)["code"] == "at_or_below_boot_floor"  # nobody remembers that it was this one
    body = signer.refused(block(now * 32, body="78"))
    assert body["code"] == "at_or_below_boot_floor"
    floor = int(body["limit_slot"])
    assert now * 32 <= floor and signer.refused(block(floor))["limit_slot"] == str(floor)
    signer.signed(block(floor + 1))
    signer.signed(attestation(floor // 32 + 1, source=now))


def test_above_the_floor_of_another_start_a_repeat_is_signed(serve):
    now, signer = epoch_now(), serve()
    message, proposal = attestation(now, source=now - 1), block(now * 32)
    signatures = signer.signed(message), signer.signed(proposal)
    signer.process.signal(signal.SIGKILL)
    signer.process.wait()
    signer = serve("--boot-floor")
    assert (signer.signed(message), signer.signed(proposal)) == signatures
    assert signer.refused(attestation(now, "0x" + "45" * 32, source=now - 1))["code"] == "double_vote"
    assert signer.refused(block(now * 32, body="78"))["code"] == "double_proposal"


def test_the_high_watermark_is_set_kept_and_removed(serve, run, folder, one_key):
    now = epoch_now()
    repair = lambda *words: run("watermark-repair", *words)
    serve().process.terminate()  # makes the store; no genesis validators root is known yet
    status, said, _ = repair("--set-high-watermark", f"--epoch={now}", f"--slot={now * 32}")
    assert status == 0 and f"epoch {now} and slot {now * 32}" in said, said
    signer = serve()
    assert "high watermark" in signer.process.log()
    for message in (attestation(now, source=now - 1), attestation(now, source=now), attestation(now + 1, source=0)):
        body = signer.refused(message)
        assert (body["code"], body["limit_epoch"]) == ("at_or_above_high_watermark", str(now))
    body = signer.refused(block(now * 32))
    assert (body["code"], body["limit_slot"]) == ("at_or_above_high_watermark", str(now * 32))
    signer.signed(attestation(now - 1, source=now - 2))
    signer.signed(block(now * 32 - 1))
    status, said, _ = repair("--remove-high-watermark")
    assert status == 1 and "in use by another process" in said
    assert signer.process.terminate() == 0

    for words in ((f"--epoch={now - 1}", f"--slot={now * 32}"), (f"--epoch={now}", f"--slot={now * 32 - 1}")):
        status, said, _ = repair("--set-high-watermark", *words)
        assert status == 1 and "not changed" in said and "1 validators" in said, said
    status, said, _ = repair(f"--epoch={now}", "--slot=1")
    assert status == 1 and "high watermark" in said, said
    (folder / "in.json").write_text(json.dumps(history([validator("0x" + "0a" * 48, [(5,)]), validator(one_key, [], [(1, now)])])))
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "nothing was imported" in said and f"data[1], validator {one_key}" in said, said
    signer = serve()
    assert signer.refused(attestation(now, source=now - 1))["limit_epoch"] == str(now)
    assert signer.process.terminate() == 0

    assert repair("--remove-high-watermark", "--epoch=1")[0] == 0  # which is not looked at, as in the original
    assert "there was no" in repair("--remove-high-watermark")[1]
    assert run("import", "--from=in.json")[0] == 0
    signer = serve()
    signer.signed(attestation(now + 1, source=now))


def test_an_older_store_is_brought_up_to_date(serve, run, folder):
    """A file of schema version 1, which had no high watermark: made of a new one, by the statements that undo the change."""
    now, signer = epoch_now(), serve()
    signer.signed(attestation(now, source=now - 1))
    assert signer.process.terminate() == 0
    undo = ("BEGIN; CREATE TABLE genesis ( id INTEGER PRIMARY KEY CHECK (id = 1),"
            " validators_root BLOB NOT NULL CHECK (length(validators_root) = 32)) STRICT;"
            " INSERT INTO genesis SELECT 1, genesis_validators_root FROM store; DROP TABLE store; PRAGMA user_version = 1; COMMIT;")
    store = folder / "protection.sqlite"
    subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])", store, undo],
                   check=True, timeout=20)
    shutil.copy(store, folder / "old.sqlite")
    signer = serve()
    assert signer.refused(attestation(now, "0x" + "45" * 32, source=now - 1))["code"] == "double_vote"
    other = attestation(now + 1, source=now)
    other["fork_info"]["genesis_validators_root"] = "0x" + "99" * 32
    assert signer.refused(other)["code"] == "genesis_validators_root_differs"
    assert signer.process.terminate() == 0
    status, said, _ = run("watermark-repair", "--set-high-watermark", f"--epoch={now + 9}", f"--slot={now * 32}", store="old.sqlite")
    assert status == 0, said
