"""A whole validator client, Lodestar's, does its duties with nitro-signer as its only signer, on a chain of its own (lodestar_chain.py) that
becomes final by nothing but these signatures. Four minutes, which `make interop` takes; NS_SLOT_SECONDS makes the chain slower."""
import contextlib
import os

import pytest

import real_clients
from lodestar_chain import FORKS, PROGRAM, VALIDATORS, Chain, Signer
from test_metrics import samples

pytestmark = [pytest.mark.skipif(os.environ.get("NS_INTEROP_FULL") != "1", reason="make interop: four minutes"),
              pytest.mark.skipif(not PROGRAM.exists(), reason="no Lodestar here: scripts/setup --interop brings it")]
TOKEN = "0123456789abcdef" * 2
DUTIES = ["BLOCK", "RANDAO_REVEAL", "ATTESTATION", "AGGREGATION_SLOT", "AGGREGATE_AND_PROOF", "SYNC_COMMITTEE_MESSAGE",
          "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "VALIDATOR_REGISTRATION"]


@pytest.fixture
def chain(folder):
    with contextlib.closing(Chain(folder)) as running:
        yield running


def counts(signer, name):
    """Of one metric, by its label; without what is 0."""
    prefix = f"nitro_signer_{name}{{"
    return {key.split("=")[1].rstrip("}"): int(value) for key, value in samples(signer.metrics_port).items() if key.startswith(prefix) and value}


def stopped(signer, *clients):
    """(signatures by type, refusals by reason): of each request one or the other came, or the client was gone."""
    outcomes, signatures, refusals = (counts(signer, name) for name in ("sign_answers_total", "signatures_total", "slashing_refusals_total"))
    assert set(outcomes) <= {"signed", "slashing_protection"}, outcomes
    assert set(counts(signer, "client_requests_total")) == {"node"}
    for client in clients:
        client.must_run()
        assert client.stop() == 0, client.log()[-3000:]
    assert signer.process.terminate() == 0
    return signatures, refusals


def nobody_is_slashable(chain):
    """Nor does any block have evidence of it; the forks of the blocks."""
    blocks = chain.blocks()
    for _, block in blocks:
        assert block["body"]["proposer_slashings"] == block["body"]["attester_slashings"] == []
    validators = chain.validators()
    assert len(validators) == VALIDATORS and not any(one["validator"]["slashed"] for one in validators)
    return blocks, {int(one["index"]): one["validator"]["pubkey"] for one in validators}


def remembers(history, chain):
    """The signer's record is not behind what the chain shows that was signed."""
    justified = chain.checkpoints()["current_justified"]
    blocks, keys = nobody_is_slashable(chain)
    for _, block in blocks:
        assert history[keys[int(block["proposer_index"])]][0] >= int(block["slot"])
    # Two thirds of them have voted for it, and their balances differ by rewards only.
    assert sum(target >= justified for _, target in history.values()) * 3 >= VALIDATORS * 2


def test_a_chain_becomes_final_by_our_signatures(start, folder, bin_dir, chain):
    """Through all forks it knows; then client and signer start anew, over TLS with a token; then somebody runs a second client with the same keys."""
    authority = real_clients.certify(folder)
    (folder / "tokens").write_text(f"{TOKEN}\n")
    tls = [f"--tls-keystore-file={folder}/server.p12", f"--tls-keystore-password-file={folder}/password", "--tls-allow-any-client",
           f"--http-path-tokens-file={folder}/tokens"]

    signer = Signer(start, folder, chain.config)
    client = chain.client("client", signer)
    chain.until_final(2, client)
    blocks, _ = nobody_is_slashable(chain)
    assert {fork for fork, _ in blocks} == set(FORKS)
    assert any(int(block["body"]["sync_aggregate"]["sync_committee_bits"], 16) for fork, block in blocks if fork == "capella")
    assert len(chain.builder.registrations) == VALIDATORS
    signatures, refusals = stopped(signer, client)
    assert set(signatures) == set(DUTIES) and not refusals
    assert signatures["BLOCK"] >= len(blocks)
    remembers(signer.history(bin_dir), chain)
    print(f"finalized {chain.checkpoints()['finalized']}, {len(blocks)} blocks, {signatures}")

    signer = Signer(start, folder, chain.config, *tls, authority=authority)
    signer.url += f"/{TOKEN}"
    client = chain.client("client", signer)
    chain.until(lambda: counts(signer, "signatures_total").get("BLOCK", 0) >= 8, "no blocks after the new start", client)
    assert not counts(signer, "slashing_refusals_total")

    rival, began = chain.client("rival", signer, "--graffiti=rival"), chain.epoch()
    chain.until(lambda: counts(signer, "slashing_refusals_total").get("double_proposal", 0) >= 2, "no block was refused to either", client, rival)
    chain.until_final(began, client, rival)
    signatures, refusals = stopped(signer, client, rival)
    remembers(signer.history(bin_dir), chain)
    print(f"finalized {chain.checkpoints()['finalized']}, {len(chain.blocks())} blocks, {signatures}, refused {refusals}")
