"""Inclusion lists of Heze, which Lodestar's client sends without fork_info; that roots are right is the oracle's say (tests/interop)."""
import json

import pytest
import requests

from front_process import IDENTIFIER, front  # noqa: F401 - front is a fixture
from scripted_keeper import POLICY, answer, order_fields
from test_signer_standalone import Signer, write_raw_keys

SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
GENESIS = "0x" + "ab" * 32
FORKS = ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU", "GLOAS", "HEZE"]


def inclusion_list(**change):
    return {"slot": "330", "validator_index": "7", "dependent_root": "0x" + "11" * 32, "transactions": ["0x02f8", "0x", "0xdead"], **change}


def fork_info(version, genesis=GENESIS):
    return {"fork": {"previous_version": version, "current_version": version, "epoch": "0"}, "genesis_validators_root": genesis}


def request(**more):
    return {"type": "INCLUSION_LIST", "inclusion_list": inclusion_list(), **more}


def attestation(version):
    return {"type": "ATTESTATION", "fork_info": fork_info(version),
            "attestation": {"slot": "40", "index": "0", "beacon_block_root": "0x" + "11" * 32,
                            "source": {"epoch": "0", "root": "0x" + "33" * 32}, "target": {"epoch": "5", "root": "0x" + "44" * 32}}}


def test_without_fork_info_the_schedule_decides(start, folder):
    """On a devnet whose genesis only its store knows: Gloas up to epoch 39, Heze from 40, eight slots each."""
    lines = ["PRESET_BASE: minimal", "CONFIG_NAME: devnet", "GENESIS_FORK_VERSION: 0x00000042", "HEZE_FORK_EPOCH: 40",
             "MIN_GENESIS_TIME: 1700000000"]
    lines += [f"{fork}_FORK_VERSION: 0x0{i + 1}000042" for i, fork in enumerate(FORKS)]
    lines += [f"{fork}_FORK_EPOCH: {i}" for i, fork in enumerate(FORKS[:-1])]
    (folder / "devnet.yaml").write_text("\n".join(lines) + "\n")
    write_raw_keys(folder, {SECRET})
    running = Signer(start, folder, (f"--network={folder}/devnet.yaml", f"--slashing-protection-db-path={folder}/p.sqlite"))
    pubkey, = requests.get(f"{running.url}/api/v1/eth2/publicKeys", timeout=20).json()
    early = running.sign(pubkey, request())
    assert early.status_code == 400 and "genesis_validators_root is not known" in early.json()["error"]
    assert running.sign(pubkey, attestation("0x07000042")).status_code == 200
    for slot, version in (("330", "0x08000042"), ("320", "0x08000042"), ("319", "0x07000042")):
        asked = inclusion_list(slot=slot)
        bare = running.sign(pubkey, request(inclusion_list=asked))
        said = running.sign(pubkey, request(inclusion_list=asked, fork_info=fork_info(version)))
        other = running.sign(pubkey, request(inclusion_list=asked, fork_info=fork_info("0x09000042")))
        assert bare.status_code == 200 and bare.json() == said.json() != other.json()
    assert running.process.terminate() == 0


def test_the_policy_and_built_in_networks_know_their_genesis(front):
    assert "genesis_validators_root any" in POLICY
    for policy, genesis in ((POLICY, "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"),
                            (POLICY.replace("genesis_validators_root any", "genesis_validators_root " + GENESIS), GENESIS[2:]),
                            (POLICY.replace("phase0_fork_version 0x00000000", "phase0_fork_version 0x00000001"), None)):
        f = front(policy=policy)
        seen = []
        f.keeper.decide = lambda order, seen=seen: seen.append(bytes(order)) or answer(order_fields(order)[0])
        reply = f.sign(request())
        assert reply.status_code == (200 if genesis else 400), reply.text
        assert not genesis or bytes.fromhex(genesis) in seen[0]


@pytest.mark.parametrize("change, told", [
    ({"transactions": None}, "inclusion_list.transactions: must be an array"),
    ({"transactions": ["0x" + "00" * 8193]}, "inclusion_list.transactions[0]: must be at most 8192"),
    ({"transactions": ["0x" + "00" * 4096, "0x" + "00" * 4097]}, "inclusion_list.transactions[1]: must be at most 4096"),
    ({"transactions": [1]}, "inclusion_list.transactions[0]: must be a string"), ({"slot": "-1"}, "inclusion_list.slot: must be"),
    ({"validator_index": None}, "inclusion_list.validator_index: must be a decimal"), ({"dependent_root": "0x00"}, "inclusion_list.dependent_root: must be 32")])
def test_a_malformed_list_is_refused_by_name(front, change, told):
    reply = front().sign(request(inclusion_list=inclusion_list(**change)))
    assert reply.status_code == 400 and told in reply.json()["error"], reply.text


def test_numbers_may_be_bare_up_to_the_last(front):
    f = front()
    body = json.dumps(request(inclusion_list=inclusion_list(validator_index="N")))
    seen = []
    f.keeper.decide = lambda order: seen.append(bytes(order)[8:]) or answer(order_fields(order)[0])
    for number in ("18446744073709551615", '"18446744073709551615"', "9223372036854775808", '"9223372036854775808"'):
        assert f.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", body.replace('"N"', number)).status_code == 200
    assert seen[0] == seen[1] != seen[2] == seen[3]
    assert f.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", body.replace('"N"', "18446744073709551616")).status_code == 400
