"""nitro-signer-loader and what the host says whose key a record is."""
from test_loader import E_AUTH, E_MISMATCH, VALIDATOR_KIND, assert_keys, cheap_keystores, load, load_records, recipient, validator_record

assert load and recipient  # fixtures: used by their names


def test_a_key_that_is_not_whose_it_was_handed_in_as_is_refused(load, recipient, vectors):
    """A host could else have one validator's key loaded, and reported on, in the name of another."""
    first, second = cheap_keystores(vectors, 2)
    names = [bytes.fromhex(entry["keystore"]["pubkey"]) for entry in (first, second)]
    records = [(VALIDATOR_KIND, recipient.seal(validator_record(first)), names[0]),
               (VALIDATOR_KIND, recipient.seal(validator_record(second)), names[0]),
               (VALIDATOR_KIND, recipient.seal(b"rubbish"), names[1]), (VALIDATOR_KIND, recipient.seal(b"rubbish"))]
    outcome, loader = load_records(load, recipient, records)
    assert_keys(outcome, [(0, first)])
    assert {index: code for index, (code, _) in outcome.failures.items()} == {1: E_MISMATCH, 2: E_AUTH, 3: E_AUTH}
    assert outcome.labels == {1: names[0], 2: names[1]}
    assert f"it has the key of 0x{names[1].hex()}" in outcome.failures[1][1]
