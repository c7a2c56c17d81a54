"""nitro-signer-enclave: its command line and its family; test_enclave_pid_1.py has it as PID 1."""
import os
import pathlib
import re
import signal

import pytest

from harness import connect, control, policy_text

CHILDREN = ["nitro-signer-keeper", "nitro-signer-front", "nitro-signer-courier"]


def name_of(pid):
    return pathlib.Path(pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]).name


def children_of(process):
    pids = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {name_of(pid): int(pid) for pid in pids}


@pytest.fixture
def enclave(start, folder, bin_dir):
    start("nitro-signer-devcloud", f"--state={folder}/cloud", f"--nsm=unix:{folder}/nsm", f"--measure={bin_dir}/nitro-signer-keeper")
    return start("nitro-signer-enclave", f"--control=unix:{folder}/control", f"--https=unix:{folder}/https",
                 f"--nsm=unix:{folder}/nsm", f"--kms-via=unix:{folder}/kms")


@pytest.mark.parametrize("arguments, named", [
    (["--no-such"], "--no-such"),
    (["--log-level=loud"], "log level"),
    (["word"], "argument 1"),
    (["--drop-privileges=perhaps"], "--drop-privileges"),
])
def test_usage_errors(start, arguments, named):
    process = start("nitro-signer-enclave", *arguments, ready=False)
    assert process.wait() == 2
    assert named in process.log()


@pytest.mark.parametrize("option", ["control", "https"])
def test_bad_addresses_are_named(start, folder, option):
    addresses = {"control": f"unix:{folder}/control", "https": f"unix:{folder}/https", option: "carrier:pigeon"}
    process = start("nitro-signer-enclave", *(f"--{name}={value}" for name, value in addresses.items()), ready=False)
    assert process.wait() == 1
    assert f"--{option}" in process.log()


def test_ready_means_that_the_control_port_answers(enclave, folder):
    assert sorted(children_of(enclave)) == sorted(CHILDREN)
    with connect(f"unix:{folder}/control") as stream:
        assert control(stream, {"operation": "init_state"}) == {"status": 200, "body": {"init_state": False, "state": "wait"}}
    assert enclave.terminate() == 0


@pytest.mark.parametrize("victim", CHILDREN)
def test_any_death_ends_everything(enclave, victim):
    children = children_of(enclave)
    os.kill(children[victim], signal.SIGKILL)
    assert enclave.wait() == 1
    # Or the supervisor heard first of another, which ended because its peer was gone.
    assert re.search(rf"{victim} was ended by signal 9|ended with status 1; ending", enclave.log())
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children.values())


def test_children_have_exactly_their_descriptors(enclave):
    expected = {"nitro-signer-keeper": {3, 4, 5}, "nitro-signer-front": {3, 4}, "nitro-signer-courier": {3, 4}}
    for name, pid in children_of(enclave).items():
        sockets = {int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()
                   if int(entry.name) > 2 and os.readlink(entry).startswith("socket:")}
        assert expected[name] <= sockets, name


def test_a_store_that_ends_with_the_enclave_is_warned_of_once(enclave, folder):
    policy = policy_text(store=f"sqlite:{folder}/slashing.sqlite", kms_key=f"arn:aws:kms:eu-central-1:123456789012:key/{'0' * 8}", region="eu-central-1")
    init = {"operation": "init", "policy": policy, "access": "", "credential": {"access_key_id": "A" * 16, "secret_access_key": "s", "token": ""},
            "encrypted_tls_key": "AAAA", "encrypted_validator_keys": ["AAAA"]}
    for _ in range(2):
        with connect(f"unix:{folder}/control", timeout=60) as stream:
            assert control(stream, init)["status"] == 502  # there is no KMS
    assert enclave.log().count("the store is sqlite") == 1
    assert enclave.terminate() == 0
