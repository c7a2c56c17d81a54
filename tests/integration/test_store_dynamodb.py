"""The DynamoDB store against Amazon's DynamoDB Local, behind a TLS relay that fails as networks and services do: the
conformance program (tests/unit/slashing/store_conformance.c) runs while faults are injected, and must not notice."""
import os
import subprocess

import pytest

import dynamodb_relay as relays
from dynamodb_server import SECRET_KEY

SMALL = ("*form_of*", "*order_of_the*", "a_conflict*", "*sent_again*", "*genesis*", "a_transaction*")


@pytest.fixture
def conformance(bin_dir, dynamodb, dynamodb_relay, folder):
    """conformance(*options) runs the program on a new table through the relay; its output."""
    relay = dynamodb_relay
    relay.secret_key = SECRET_KEY
    assert (folder / "dynamodb").is_socket()

    def runner(*options, status=0, ca_file=None, timeout=120):
        done = subprocess.run([bin_dir.parent / "tests/test_store_conformance", f"--dynamodb={dynamodb.fresh_name()}",
                               f"--via=unix:{folder}/dynamodb", f"--ca-file={ca_file or relay.ca_file}", f"--secret-key={SECRET_KEY}",
                               *options], capture_output=True, text=True, timeout=timeout, check=False)
        print(done.stdout, done.stderr)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    return runner


def test_all_checks(conformance, vectors):
    os.environ["NS_VECTORS_DIR"] = str(vectors)
    # DynamoDB Local makes a thousand changes a second on two cores, so ten thousand need more time than a signer gives.
    output = conformance("--checks=*", "--deadline-ms=60000", "--attempt-timeout-ms=20000", timeout=200)
    assert "13 test(s)" in output and "FAILED" not in output and "SKIPPED" not in output
