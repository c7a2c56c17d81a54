"""Lodestar's types and @chainsafe/blst judge a running nitro-signer: random messages of every type and
fork, roots and signatures compared over HTTP (oracle.mjs)."""
import json
import os
import pathlib
import re
import secrets
import subprocess

import pytest

from harness import free_port

ORACLE = pathlib.Path(__file__).with_name("oracle.mjs")
CURVE_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"]
# As long as it takes to meet every fork, boundaries included.
DEVNET = {"epochs": {fork: str(epoch) for fork, epoch in zip(FORKS, [0, 3, 5, 9, 12, 20, 33, 41])},
          "versions": {fork: f"0x{0x11 + i:02x}0000{0x42:02x}" for i, fork in enumerate(FORKS)},
          "genesisValidatorsRoot": "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673"}
BUILT_IN = {"mainnet": "mainnet", "sepolia": "mainnet", "hoodi": "mainnet", "gnosis": "gnosis", "chiado": "gnosis"}


class Signer:
    """A stand-alone signer with fresh keys, and the oracle's view of it."""

    def __init__(self, start, folder, network, protection):
        self.folder = folder
        self.port = free_port()
        self.keys = [f"0x{secrets.randbelow(CURVE_ORDER - 1) + 1:064x}" for _ in range(4)]
        config = folder / "keys"
        config.mkdir()
        for i, key in enumerate(self.keys):
            (config / f"{i}.yaml").write_text(f"type: file-raw\nkeyType: BLS\nprivateKey: \"{key}\"\n")
        (folder / "keys.json").write_text(json.dumps(self.keys))
        store = f"--slashing-protection-db-path={folder}/protection.sqlite" if protection else "--slashing-protection-enabled=false"
        self.process = start("nitro-signer", f"--http-listen-port={self.port}", f"--key-config-path={config}", "eth2",
                             f"--network={network}", store)

    def judge(self, preset, network, *options):
        return subprocess.run(
            ["node", ORACLE, f"--url=http://127.0.0.1:{self.port}", f"--keys={self.folder}/keys.json", f"--network={network}", *options],
            env=dict(os.environ, LODESTAR_PRESET=preset), capture_output=True, text=True, timeout=120, check=False)


def agree(verdict):
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    print(verdict.stdout)
    found = re.search(r"(\d+) signatures, (\d+) refusals, 0 disagreements", verdict.stdout)
    return int(found[1]), int(found[2])


def batches(verdict):
    """How many there were of each type; agree() has seen that they are right."""
    return json.loads(re.search(r"^batches: (\{.*?\})", verdict.stdout, re.M)[1])


def write_devnet(folder, preset):
    """The same facts twice: as JSON for the oracle, as config.yaml for the signer."""
    oracle, signer = folder / "devnet.json", folder / "config.yaml"
    oracle.write_text(json.dumps(DEVNET))
    lines = [f"PRESET_BASE: '{preset}'", "CONFIG_NAME: devnet-7", "MIN_GENESIS_TIME: 1700000000"]
    for fork in FORKS:
        prefix = "GENESIS" if fork == "phase0" else fork.upper()
        lines.append(f"{prefix}_FORK_VERSION: {DEVNET['versions'][fork]}")
        if fork != "phase0":
            lines.append(f"{fork.upper()}_FORK_EPOCH: {DEVNET['epochs'][fork]}")
    signer.write_text("\n".join(lines) + "\n")
    return oracle, signer


@pytest.mark.parametrize("network", BUILT_IN)
def test_random_messages_of_built_in_networks(start, folder, network):
    signer = Signer(start, folder, network, protection=False)
    signatures, refusals = agree(signer.judge(BUILT_IN[network], network))
    assert signatures >= 36 and refusals > 0
    assert signer.process.terminate() == 0


@pytest.mark.parametrize("preset", ["mainnet", "minimal", "gnosis"])
def test_random_messages_of_custom_networks(start, folder, preset):
    oracle, config = write_devnet(folder, preset)
    signer = Signer(start, folder, config, protection=False)
    verdict = signer.judge(preset, oracle, "--rounds=2")
    signatures, refusals = agree(verdict)
    assert batches(verdict) == {"ATTESTATION": 16, "AGGREGATION_SLOT": 16, "RANDAO_REVEAL": 16, "SYNC_COMMITTEE_MESSAGE": 14,
                                "SYNC_COMMITTEE_SELECTION_PROOF": 14}
    # Each round: ten types in phase0, twelve in each later fork, changes of credentials in all of them, eight names of Gloas and Heze.
    assert signatures == 2 * (10 + 7 * 12 + 8 + 8) and refusals > 0


@pytest.mark.parametrize("preset", ["mainnet", "minimal"])
def test_rising_messages_under_slashing_protection(start, folder, preset):
    oracle, config = write_devnet(folder, preset)
    signer = Signer(start, folder, config, protection=True)
    signatures, refusals = agree(signer.judge(preset, oracle, "--order=rising"))
    # Each key, in each fork: attestation and block twice each, and both refused at and below their height.
    assert signatures == 4 * (8 * (2 * 2 + 8) + 7 * 3 + 8) and refusals == 4 * 8 * 4


def test_nimbus_blocks(start, folder, vectors):
    signer = Signer(start, folder, "hoodi", protection=False)
    assert agree(signer.judge("mainnet", "hoodi", f"--nimbus={vectors}/nimbus-signing-node/blocks.json"))[0] == 4


def test_the_oracle_can_disagree(start, folder):
    signer = Signer(start, folder, "hoodi", protection=False)
    spoiled = signer.judge("mainnet", "hoodi", "--sabotage")
    assert spoiled.returncode == 1 and " 1 disagreements" in spoiled.stdout, spoiled.stdout + spoiled.stderr
    other = signer.judge("mainnet", "sepolia")  # other fork epochs and versions: exits, registrations, shapes
    assert other.returncode == 1, other.stdout
