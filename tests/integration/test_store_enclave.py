"""Enclaves with their slashing protection in DynamoDB: TLS ends inside them, the host sees and changes what it likes."""
import concurrent.futures
import copy
import itertools
import re

import pytest

from dynamodb_relay import drop_answer, drop_request, server_error, slow, throttle
from enclave_rig import EPOCH, Cloud, OtherAccount, eventually


@pytest.fixture
def cloud(start, bin_dir, folder, dynamodb, dynamodb_relay):
    return Cloud(start, bin_dir, folder, dynamodb, dynamodb_relay)


@pytest.fixture
def fleet(cloud):
    cloud.begin("--store-mode=fleet")
    return cloud


def refusal(cloud, name, word):
    """An enclave that does not come to serve, and says why to the host."""
    enclave = cloud.enclave(name, wait=False)
    eventually(lambda: word in enclave.log())
    assert "state: serve" not in enclave.log(), enclave.log()
    return enclave


def test_what_was_signed_is_known_after_a_crash(fleet):
    enclave = fleet.enclave("a")
    first = enclave.attest()
    assert first.status_code == 200, (first.text, enclave.log())
    conflicting = enclave.attest(block=0x45)
    assert conflicting.status_code == 412, conflicting.text
    enclave.kill()
    assert enclave.attest(block=0x45).status_code == 412
    again = enclave.attest()
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(fleet.items()) == 1 + len(fleet.keys)


def test_two_enclaves_behind_one_client(fleet):
    a, b = fleet.enclave("a"), fleet.enclave("b")
    one, other = a.attest(target=EPOCH - 3), b.attest(target=EPOCH - 3)
    assert (one.status_code, other.status_code) == (200, 200) and one.json() == other.json()
    assert b.attest(target=EPOCH - 3, block=0x45).status_code == 412
    assert b.attest(target=EPOCH - 2).status_code == 200
    assert a.attest(target=EPOCH - 2, block=0x45).status_code == 412
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for key in range(len(fleet.keys)):
            answers = list(pool.map(lambda i: (a, b)[i % 2].attest(key, EPOCH - 1, block=0x50 + i), range(8)))
            assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7, [answer.text for answer in answers]


def test_single_mode_fences_the_enclave_before(cloud):
    cloud.begin("--store-mode=single")
    a = cloud.enclave("a")
    assert a.attest(target=EPOCH - 2).status_code == 200
    b = cloud.enclave("b")
    assert b.attest(target=EPOCH - 1).status_code == 200
    fenced = a.attest(target=EPOCH)
    assert fenced.status_code == 500, fenced.text
    assert a.attest(key=1, target=EPOCH).status_code == 500
    assert "another signer has taken over" in a.log()
    assert b.attest(target=EPOCH).status_code == 200


def test_a_table_that_was_never_begun_is_refused(cloud):
    cloud.begin("--store-mode=fleet", identity="0x" + "12" * 32)
    cloud.dynamodb.create_table(cloud.table)
    refusal(cloud, "a", "slashing init")


def test_a_table_of_another_identity_is_refused(cloud):
    identity = cloud.begin_table(cloud.dynamodb.fresh_name())
    cloud.begin_table(cloud.table)
    cloud.begin("--store-mode=fleet", identity=identity)
    refusal(cloud, "a", "its identity is not the one that the policy names")


def test_a_living_copy_in_another_account_is_refused(fleet):
    """The same table twice: two enclaves, each alone on its own, would sign two votes."""
    a, b = fleet.enclave("a"), fleet.enclave("b")
    assert a.attest(target=EPOCH - 3).status_code == 200
    other = OtherAccount(fleet)
    fleet.relay.inject(other.answer, count=None, when=other.is_asked)
    b.give_credentials(other.KEY_ID)
    targets = itertools.count(EPOCH - 200)
    eventually(lambda: b.attest(key=1, target=next(targets), source=EPOCH - 300).status_code and other.asked)
    assert a.attest(target=EPOCH - 2).status_code == 200
    second = b.attest(target=EPOCH - 2, block=0x45)
    assert second.status_code != 200, "signed twice: " + second.text
    assert "this is another account's table" in b.log()
    b.give_credentials()
    eventually(lambda: b.attest(target=EPOCH - 2, block=0x45).status_code == 412)
    assert b.attest(target=EPOCH - 1).status_code == 200


def test_a_start_on_a_copy_in_another_account_is_refused(fleet):
    enclave = fleet.enclave("a")
    assert enclave.attest().status_code == 200
    enclave.watchdog.terminate()
    other, before = OtherAccount(fleet), fleet.relay.operations.copy()
    fleet.relay.inject(other.answer, count=None)
    refusal(fleet, "b", "this is another account's table")
    assert set(fleet.relay.operations - before) == {"DescribeTable"}


def edited(items, keys):
    item = copy.deepcopy(items[keys[0]])
    item["target_epoch"]["N"] = str(EPOCH - 50)
    return item


def copied(items, keys):
    return {**items[keys[1]], "pk": {"S": keys[0]}}


@pytest.mark.parametrize("forge", [edited, copied])
def test_a_forged_item_is_refused(fleet, forge):
    enclave = fleet.enclave("a")
    for key in range(2):
        assert enclave.attest(key).status_code == 200
    enclave.watchdog.terminate()
    fleet.put(forge(fleet.items(), fleet.keys))
    refusal(fleet, "b", "is not sealed with this store's key")


def test_a_deleted_item_is_refused(fleet):
    enclave = fleet.enclave("a")
    assert enclave.attest().status_code == 200
    enclave.watchdog.terminate()
    fleet.delete(fleet.keys[0])
    refusal(fleet, "b", "records are missing")


@pytest.mark.parametrize("floor", [False, True])
def test_an_item_put_back_between_two_starts(cloud, floor):
    """Whoever may write the table, the host's role among them, can give a key its genuine record of yesterday while no signer runs: then a
    client that asks gets a second vote. This is said in docs/threat-model.md, and the boot floor is what there is against it."""
    cloud.begin("--store-mode=single")
    enclave = cloud.enclave("a")
    assert enclave.attest(target=EPOCH - 3).status_code == 200
    yesterday = cloud.items()[cloud.keys[0]]
    assert enclave.attest(target=EPOCH - 2).status_code == 200
    enclave.watchdog.terminate()
    cloud.put(yesterday)
    if floor:
        identity = re.search(r"store_identity (\S+)", (cloud.folder / "policy.txt").read_text()).group(1)
        cloud.begin("--store-mode=single", "--boot-floor", identity=identity)
    second = cloud.enclave("b").attest(target=EPOCH - 2, block=0x45)
    assert (second.status_code, second.json().get("code")) == ((412, "at_or_below_boot_floor") if floor else (200, None)), second.text


def test_an_item_that_is_forged_while_it_runs_ends_that_validators_signing(fleet):
    enclave = fleet.enclave("a")
    assert enclave.attest(target=EPOCH - 2).status_code == 200
    fleet.put(edited(fleet.items(), fleet.keys))
    assert enclave.attest(target=EPOCH - 1).status_code in (200, 500)  # nothing lower than what it remembers
    assert enclave.attest(target=EPOCH - 2, block=0x45).status_code == 412


@pytest.mark.parametrize("fault", [drop_answer, drop_request, throttle, server_error, slow(0.5)])
def test_what_the_network_does_costs_no_signature(fleet, fault):
    enclave = fleet.enclave("a")
    fleet.relay.inject(fault, count=2)
    assert enclave.attest().status_code == 200
    assert enclave.attest(block=0x45).status_code == 412


def test_an_outage_is_500_and_passes(fleet):
    enclave = fleet.enclave("a")
    assert enclave.attest(target=EPOCH - 3).status_code == 200
    fleet.relay.inject(drop_request, count=None)
    refused = enclave.attest(target=EPOCH - 2)
    assert refused.status_code == 500 and "store" in refused.text
    eventually(lambda: enclave.get("/healthcheck").status_code == 503)
    assert enclave.get("/upcheck").status_code == 200
    fleet.relay.heal()
    eventually(lambda: enclave.attest(target=EPOCH - 1).status_code == 200)
    eventually(lambda: enclave.get("/healthcheck").status_code == 200)
    assert enclave.attest(target=EPOCH - 1, block=0x45).status_code == 412
    log = enclave.log()
    assert log.count("cannot be asked") <= 3 and "answers again" in log


def test_a_relay_without_the_right_certificate_learns_and_changes_nothing(fleet, folder):
    (folder / "ca.pem").write_text((folder / "cloud/kms-ca.pem").read_text())
    before = fleet.relay.requests
    refusal(fleet, "a", "certificate problem")
    assert fleet.relay.requests == before


def test_nobody_but_the_attested_enclave_gets_the_stores_key(fleet, folder):
    """Another policy, so another PCR16: KMS does not release the store's key, and nothing is loaded."""
    text = (folder / "policy.txt").read_text()
    (folder / "policy.txt").write_text(text.replace("far_future_epochs 2", "far_future_epochs 3"))
    refusal(fleet, "a", "403")
