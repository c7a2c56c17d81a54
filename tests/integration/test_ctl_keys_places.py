"""nitro-signer-ctl keys: one key is in one place of the table. What upload, activate, deactivate and assign do with a key whose item is
inactive, damaged, or not the only one. The rig is test_ctl_keys.py's."""
import base64
import json
import os
import pty
import secrets
import subprocess

import pytest

from dynamodb_relay import answer_bytes, drop_answer
from test_ctl_keys import CHEAP, OTHER, STACK, blobs_of, generated, judge_server, keystore, rig  # noqa: F401 (fixtures)


def test_what_was_inactive_stays_inactive(rig):
    """A key was deactivated for a reason, perhaps because it signs elsewhere: a new password is no reason to sign again."""
    options = rig.some_keystores("keys", 2)
    rig.ctl("upload", *options)
    first, second = sorted(item["pubkey"] for item in rig.items())
    active = lambda: {item["pubkey"]: item["active"] for item in rig.items()}
    rig.ctl("deactivate", first)
    assert "2 keys written" in rig.ctl("upload", "--replace", *options) and active() == {first: False, second: True}
    rig.ctl("deactivate", second)
    rig.ctl("activate", first)
    assert "2 of them were moved" in rig.ctl("upload", "--move", *options, uuid=OTHER)
    assert not rig.items() and {item["pubkey"]: item["active"] for item in rig.items(OTHER)} == {first: True, second: False}


def test_a_damaged_item_is_not_there(rig):
    """Signers leave it out: whoever is told that the key is there waits for it in vain."""
    options = rig.some_keystores("keys", 2)
    rig.ctl("upload", *options)
    damaged, whole = sorted(item["pubkey"] for item in rig.items())
    rig.put(STACK, damaged, active=None)
    said = rig.ctl("upload", *options, status=1)
    assert f"0x{damaged}" in said and "damaged" in said and "1 there already, 1 failed" in said
    assert "2 keys written" in rig.ctl("upload", "--replace", *options)
    assert {item["pubkey"]: item["active"] for item in rig.items()} == {damaged: True, whole: True}


@pytest.mark.parametrize("more, owner", [("--move", OTHER), ("--replace", STACK)])
def test_a_batch_made_before_takes_no_key_out_of_another_item(rig, more, owner):
    """It would have the key twice: a batch's item can take the place of no other."""
    (first, second) = sorted(generated(rig, STACK, "--count=2", "--sealed"))
    rig.put(owner, first[2:])
    before = rig.items(None)
    if owner == STACK:
        assert "1 keys written, 1 there already" in rig.ctl("upload", more, "--items=items")
        (batch,) = (item for item in rig.items() if item not in before)
        assert [blob[:48].hex() for blob in blobs_of(batch)] == [second[2:]]
    else:
        said = rig.ctl("upload", more, "--items=items", status=1)
        assert f"{first} is there already under web3signer_uuid {owner}" in said and "nothing was uploaded" in said
        assert rig.items(None) == before


def test_a_key_in_two_places_can_be_deactivated_in_each(rig):
    """Just then it is urgent."""
    rig.ctl("upload", *rig.some_keystores("keys", 1))
    rig.ctl("upload", "--sealed", "--count=1", "--deposits=d.json")
    (batch,) = (item for item in rig.items() if "sealed_keys_b64" in item)
    (key,) = (item["pubkey"] for item in rig.items() if item != batch)
    rig.put(OTHER, key)
    rig.put(OTHER, batch["pubkey"], sealed_keys_b64={"S": batch["sealed_keys_b64"]})
    active = lambda uuid: {item["active"] for item in rig.items(uuid)}
    for uuid in (STACK, OTHER):
        assert active(uuid) == {True}
        rig.ctl("deactivate", key, batch["pubkey"], uuid=uuid)
        assert active(uuid) == {False}
        for name in (key, batch["pubkey"]):
            assert "is in two items" in rig.ctl("activate", name, status=1, uuid=uuid)
        assert "is in two items" in rig.ctl("assign", key, status=1, uuid=uuid)


def test_a_keystore_that_changes_after_the_check_is_not_uploaded(rig):
    """Its new key was looked up nowhere, and may be another stack's."""
    options = rig.some_keystores("keys", 2)

    async def meanwhile(exchange):
        (rig.folder / "keys/key-0.json").write_text(json.dumps(keystore(secrets.token_bytes(31).rjust(32, b"\0"), "correct horse")))
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="Scan")
    said = rig.ctl("upload", *options, status=1)
    assert "key-0.json: the file has changed meanwhile" in said and "1 keys written, 0 there already, 1 failed" in said
    assert [rig.secret_of(item) for item in rig.items()] == rig.secrets[1:]


def test_an_upload_that_fails_looks_again_too(rig):
    """One key is written, and by another tool for another stack; then the table denies."""
    async def meanwhile(exchange):
        if rig.items(None):
            await exchange.reply(answer_bytes(400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not you"}))
            return
        rig.put(OTHER, exchange.body["Item"]["pubkey"]["S"])
        await exchange.reply(await exchange.forward())

    options = rig.some_keystores("keys", 2)
    rig.relay.inject(meanwhile, count=None, operation="PutItem")
    said = rig.ctl("upload", *options, status=1)
    (key,) = (item["pubkey"] for item in rig.items())
    assert f"0x{key}: 1 items under web3signer_uuid {STACK} and 1 under others have it" in said and "not there exactly once" in said
    assert "1 keys were written, and the same command goes on from there: " in said and "AccessDeniedException" in said


def test_keys_of_a_batch_are_found_wherever_they_are(rig):
    """A keystore's key that is sealed in this stack already is there; so is one that is to be sealed and has an item."""
    options = rig.some_keystores("keys", 3)
    for name in ("json", "txt"):
        (rig.folder / f"keys/key-0.{name}").rename(rig.folder / f"later.{name}")
    assert "2 keys written" in rig.ctl("upload", "--sealed", *options)
    for name in ("json", "txt"):
        (rig.folder / f"later.{name}").rename(rig.folder / f"keys/key-0.{name}")
    assert "1 keys written, 2 there already" in rig.ctl("upload", *options)
    assert "0 keys written, 3 there already" in rig.ctl("upload", "--sealed", *options)
    assert "1 keys written, 2 there already" in rig.ctl("upload", "--replace", *options)


def test_keys_are_removed_once_they_are_inactive(rig):
    for verb in ("activate", "deactivate", "assign", "remove"):
        assert "usage: nitro-signer-ctl keys " + verb in rig.ctl(verb, status=2)
    rig.ctl("upload", "--count=3", *CHEAP)
    first, second, third = (item["pubkey"] for item in sorted(rig.items(), key=lambda item: item["pubkey"]))
    assert f"{first}: is active: keys deactivate comes first" in rig.ctl("remove", "--yes", first, status=1)
    assert json.loads(rig.ctl("deactivate", first, second, "--output=json")) == {"keys": [{"key": one, "state": "inactive"} for one in (first, second)]}
    assert json.loads(rig.ctl("activate", second, "--output=json")) == {"keys": [{"key": second, "state": "active"}]}
    assert "--yes: required" in rig.ctl("remove", first, status=1) and "is active" in rig.ctl("remove", "--yes", first, second, status=1)
    assert "is under web3signer_uuid" in rig.ctl("remove", "--yes", first, uuid=OTHER, status=1) and len(rig.items()) == 3
    assert json.loads(rig.ctl("remove", "--yes", first, "--output=json")) == {"keys": [{"key": first, "state": "removed"}]}
    assert {item["pubkey"] for item in rig.items()} == {second, third} and "no such key" in rig.ctl("remove", "--yes", first, status=1)
    assert json.loads(rig.ctl("assign", second, "--output=json")) == {"keys": [{"key": second, "state": "there already"}]}


@pytest.mark.parametrize("what", ["deactivated", "gone"])
def test_what_changes_while_keys_are_opened_stays_so(rig, what):
    """--replace takes the place of what it has seen: of a key that somebody switched off or took away meanwhile it makes no active one."""
    options = rig.some_keystores("keys", 2)
    rig.ctl("upload", *options)
    changed = rig.items()[0]["pubkey"]

    async def meanwhile(exchange):
        if what == "deactivated":
            rig.put(STACK, changed, active={"BOOL": False})
        else:
            rig.dynamodb.ask("DeleteItem", {"TableName": rig.table, "Key": {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": changed}}})
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="PutItem")
    said = rig.ctl("upload", "--replace", *options, status=1)
    assert f"0x{changed}: somebody else has written or moved its item meanwhile" in said and "1 keys written, 0 there already, 1 failed" in said
    assert {item["pubkey"]: item["active"] for item in rig.items()}.get(changed) is (False if what == "deactivated" else None)


def test_a_deletion_whose_answer_is_lost_is_one(rig):
    rig.ctl("upload", "--count=2", *CHEAP)
    names = [item["pubkey"] for item in rig.items()]
    rig.ctl("deactivate", *names)
    rig.relay.inject(drop_answer, operation="DeleteItem")
    assert all(f"{name}" in rig.ctl("remove", "--yes", name) for name in names) and not rig.items()


def test_a_move_that_nobody_answered_is_told(rig):
    """The signers that had the key go on with it."""
    async def meanwhile(exchange):
        await exchange.forward()
        await exchange.reply(answer_bytes(400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not you"}))

    options = rig.some_keystores("keys", 1)
    rig.ctl("upload", *options)
    (key,) = (item["pubkey"] for item in rig.items())
    rig.relay.inject(meanwhile, operation="TransactWriteItems")
    said = rig.ctl("upload", "--move", *options, uuid=OTHER, status=1)
    assert f"0x{key}: was moved, although no answer came: signers that had it sign with it" in said and "0 keys were written" in said
    assert not rig.items() and rig.items(OTHER)


def test_a_damaged_item_that_is_mended_meanwhile_is_not_moved(rig):
    """keys activate made a key of it that is about to sign where it is."""
    options = rig.some_keystores("keys", 1)
    rig.ctl("upload", *options)
    (key,) = (item["pubkey"] for item in rig.items())
    rig.put(STACK, key, active=None)

    async def meanwhile(exchange):
        rig.put(STACK, key)
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="TransactWriteItems")
    assert f"0x{key}: somebody else has written or moved its item meanwhile" in rig.ctl("upload", "--move", *options, uuid=OTHER, status=1)
    assert [item["active"] for item in rig.items()] == [True] and not rig.items(OTHER)


def test_a_tls_key_that_somebody_put_meanwhile_stays(rig, bin_dir):
    table = rig.dynamodb.fresh_name()
    rig.dynamodb.ask("CreateTable", {"TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "key_id", "KeyType": "HASH"}],
                                     "AttributeDefinitions": [{"AttributeName": "key_id", "AttributeType": "N"}]})
    certificate = rig.folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-out", certificate,
                    "-subj", "/CN=signer"], check=True, capture_output=True, timeout=60)
    (rig.folder / "items/tls").mkdir(parents=True)
    ours = {"key_id": 1, "encrypted_tls_key_b64": base64.b64encode(b"ours").decode(), "cert_pem": base64.b64encode(certificate.read_bytes()).decode()}
    (rig.folder / "items/tls/1.json").write_text(json.dumps(ours))
    theirs = {"key_id": {"N": "1"}, "encrypted_tls_key_b64": {"S": "dGhlaXJz"}, "cert_pem": {"S": ours["cert_pem"]}}
    there = lambda: rig.dynamodb.ask("GetItem", {"TableName": table, "Key": {"key_id": {"N": "1"}}, "ConsistentRead": True})["Item"]["encrypted_tls_key_b64"]["S"]

    def upload():
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "tls", "upload", "--items=items", f"--table={table}"], cwd=rig.folder, env=rig.environment, text=True,
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    async def meanwhile(exchange):
        rig.dynamodb.ask("PutItem", {"TableName": table, "Item": theirs})
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="PutItem")
    status, said = upload()
    assert status == 1 and "somebody else has put a TLS key there meanwhile" in said and there() == "dGhlaXJz"
    rig.dynamodb.ask("DeleteItem", {"TableName": table, "Key": {"key_id": {"N": "1"}}})
    rig.relay.inject(drop_answer, operation="PutItem")
    status, said = upload()
    assert status == 0 and there() == ours["encrypted_tls_key_b64"], said


def test_a_batch_is_removed_and_somebody_is_asked(rig):
    rig.ctl("upload", "--sealed", "--count=2", "--deposits=deposits.json")
    (batch,) = (item["pubkey"] for item in rig.items())
    rig.ctl("deactivate", batch)
    for answer, status, left in ((b"no\n", 1, 1), (b"yes\n", 0, 0)):
        master, slave = pty.openpty()
        child = subprocess.Popen(rig.command("remove", batch), cwd=rig.folder, env=rig.environment, stdin=slave, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        said = b""
        while b"(yes or no)" not in said:
            said += os.read(master, 4096)
        assert b"Remove 1 items" in said
        os.write(master, answer)
        child.communicate(timeout=60)
        os.close(master)
        assert child.returncode == status and len(rig.items()) == left
