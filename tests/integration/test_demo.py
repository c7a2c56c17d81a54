"""make demo: the whole story passes, tells its steps, keeps its secrets, and notices when a step fails."""
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = ["Start devcloud", "Measure", "Make a mnemonic and 4 validator keys", "Make the TLS key", "access document", "policy document", "Start the proxy",
         "KMS refuses it", "it serves", "refused in the handshake", "attestation document", "List the public keys", "Sign one message of every type",
         "conflicting attestation", "conflicting block", "ten epochs ahead", "Kill the enclave", "slashing record survived", "went back is noticed", "Stop every process",
         "Search everything"]
TYPES = ["ATTESTATION", "BLOCK_V2", "AGGREGATION_SLOT", "AGGREGATE_AND_PROOF_V2", "RANDAO_REVEAL", "SYNC_COMMITTEE_MESSAGE",
         "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "VALIDATOR_REGISTRATION", "VOLUNTARY_EXIT", "DEPOSIT",
         "BLS_TO_EXECUTION_CHANGE", "PAYLOAD_ATTESTATION_MESSAGE", "PROPOSER_PREFERENCES", "EXECUTION_PAYLOAD_BID",
         "EXECUTION_PAYLOAD_ENVELOPE", "BUILDER_REQUEST_AUTH", "INCLUSION_LIST"]


def environment(bin_dir, folder):
    return {**os.environ, "NS_BIN_DIR": str(bin_dir), "NS_DEMO_DIR": str(folder / "demo")}


def test_the_whole_story(bin_dir, folder):
    done = subprocess.run([ROOT / "scripts/demo"], env=environment(bin_dir, folder), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    at = 0
    for step in STEPS:
        at = done.stdout.find(step, at)
        assert at >= 0, f"{step} is missing or out of order:\n{done.stdout}"
    verified = [line.split()[0] for line in done.stdout.splitlines() if line.rstrip().endswith("verified")]
    assert sorted(verified) == sorted(TYPES)
    assert done.stdout.count("    ok, ") == len(STEPS)
    assert done.stdout.count("refused as expected") == 4
    assert "\x1b" not in done.stdout  # no colours away from a terminal


def test_a_failing_step_fails_the_demo(bin_dir, folder):
    """The front is replaced by a program that does nothing: the demo must say so and not end with 0."""
    broken = folder / "bin"
    broken.mkdir()
    for program in bin_dir.iterdir():
        # Copies, not links: a supervisor looks for its children beside its own, resolved, path.
        shutil.copy(program, broken)
    shutil.copy("/bin/true", broken / "nitro-signer-front")
    done = subprocess.run([ROOT / "scripts/demo"], env={**environment(broken, folder), "NS_DEMO_PATIENCE": "3"},
                          capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 1
    assert "FAILED" in done.stdout


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_make_run_waits_and_ends_cleanly(bin_dir, folder, ending):
    child = subprocess.Popen([ROOT / "scripts/demo", "--run"], env=environment(bin_dir, folder), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(200, child.kill)
    timer.start()
    try:
        command = None
        for line in child.stdout:
            if line.strip().startswith("curl "):
                command = line.split()
            if "Ctrl-C" in line:
                break
        assert command, "no curl line was printed"
        listed = subprocess.run(["curl", "-sS", *command[1:]], capture_output=True, text=True, timeout=30, check=False)
        assert listed.returncode == 0, listed.stderr
        assert listed.stdout.count("0x") == 4
        child.send_signal(ending)
        rest = child.stdout.read()
        assert child.wait(60) == 0, rest
    finally:
        timer.cancel()
        if child.poll() is None:
            child.kill()
            child.wait()
