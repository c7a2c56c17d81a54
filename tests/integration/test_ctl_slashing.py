"""nitro-signer-ctl slashing: tables begun on DynamoDB Local and read item by item; seals recomputed with Python's hmac."""
import base64
import hmac
import json
import os
import struct
import subprocess

import pytest

import dynamodb_relay as relays
from dynamodb_server import ACCESS_KEY, SECRET_KEY
from scripted_kms import ScriptedKms

ROOT = "0x" + "4b" * 32
KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def word(text):
    return text.encode().ljust(32, b"\0")


def identity(key, store_id):
    return "0x" + hmac.digest(key, word("nitro-signer store identity 1") + store_id, "sha256").hex()


def number(item, name):
    return int(item[name]["N"]) if name in item else 0


def binary(item, name, length=32):
    return base64.b64decode(item[name]["B"]) if name in item else bytes(length)


def entry_mac(key, store_id, item):
    """Over the fixed form of PROTOCOL.ipc, made from the readable attributes."""
    flags = (item["disabled"]["BOOL"] | ("block_slot" in item) << 1 | ("block_root" in item) << 2 |
             ("target_epoch" in item) << 3 | ("attestation_root" in item) << 4)
    entry = struct.pack("<B7xQ", flags, number(item, "block_slot")) + binary(item, "block_root")
    entry += struct.pack("<QQ", number(item, "source_epoch"), number(item, "target_epoch")) + binary(item, "attestation_root")
    entry += struct.pack("<Q", number(item, "generation"))
    return hmac.digest(key, word("nitro-signer store entry 1") + store_id + bytes.fromhex(item["pk"]["S"][2:]) + entry, "sha256")


@pytest.fixture
def ctl(bin_dir, folder, dynamodb_relay):
    """ctl(verb, *options) with what reaches DynamoDB, in us-east-1; its standard output, or error when it is to fail."""
    dynamodb_relay.secret_key = SECRET_KEY
    credentials = folder / "credentials.json"
    credentials.write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}))

    def runner(verb, *options, status=0):
        arguments = [f"--region=us-east-1 --credentials={credentials} --dynamodb-via={dynamodb_relay.address}", *options]
        if "--ca-file" not in "".join(options):
            arguments.append(f"--ca-file={dynamodb_relay.ca_file}")
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "slashing", verb, *" ".join(arguments).split()], cwd=folder,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr
    return runner


def items_of(dynamodb, table):
    """All items of a table, by key."""
    items, start = {}, {}
    while start is not None:
        page = dynamodb.ask("Scan", {"TableName": table, "ConsistentRead": True, **start})
        items.update((item["pk"]["S"], item) for item in page["Items"])
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    return items


def history(count, root=ROOT):
    """An interchange file of that many validators; every tenth stands in it twice."""
    data = [{"pubkey": f"0x{n:096x}", "signed_blocks": [{"slot": str(n), "signing_root": f"0x{n:064x}"}],
             "signed_attestations": [{"source_epoch": "1", "target_epoch": str(n + 1)}]} for n in range(count)]
    data += [{"pubkey": f"0x{n:096x}", "signed_blocks": [], "signed_attestations": [
        {"source_epoch": "3", "target_epoch": "100000", "signing_root": f"0x{n:064x}"}]} for n in range(0, count, 10)]
    return json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": root}, "data": data})


def test_a_table_is_begun_with_a_key_file(ctl, dynamodb, folder):
    table, key_file = dynamodb.fresh_name(), folder / "store.key"
    printed = ctl("init", f"--table={table} --genesis-validators-root={ROOT} --key-file={key_file}").strip()
    items = items_of(dynamodb, table)
    head, key = items["store"], key_file.read_bytes()
    assert list(items) == ["store"] and len(key) == 32 and key_file.stat().st_mode & 0o777 == 0o600
    assert printed == identity(key, binary(head, "store_id"))
    assert binary(head, "genesis_validators_root").hex() == ROOT[2:] and "sealed_key" not in head and "high_slot" not in head
    assert number(head, "num_validators") == 0 and number(head, "generation") == 0
    table_now = dynamodb.ask("DescribeTable", {"TableName": table})["Table"]
    assert table_now["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    said = ctl("show", f"--table={table} --key-file={key_file}")
    assert f"identity {printed}\nseals right\n" in said and "key from_file_or_none" in said
    other = folder / "other.key"
    other.write_bytes(os.urandom(32))
    assert "not sealed with its key" in ctl("show", f"--table={table} --key-file={other}", status=1)
    assert ctl("show", f"--table={table}").endswith("seals unchecked\n")


def test_a_store_is_never_begun_again(ctl, dynamodb, folder):
    table = dynamodb.create_table()
    begin = f"--table={table} --genesis-validators-root={ROOT} --key-file="
    ctl("init", begin + f"{folder}/first")
    before = items_of(dynamodb, table)
    assert "never begun again" in ctl("init", begin + f"{folder}/second", status=1)
    assert items_of(dynamodb, table) == before and not (folder / "second").exists()
    other = f"--table={dynamodb.create_table()} --genesis-validators-root={ROOT} --key-file="
    assert "File exists" in ctl("init", other + f"{folder}/first", status=1)  # it is the other store's key


def test_validators_are_enrolled_with_their_marks(ctl, dynamodb, folder):
    (folder / "history.json").write_text(history(250))
    table = dynamodb.fresh_name()
    ctl("init", f"--table={table} --genesis-validators-root={ROOT} --key-file={folder}/key --from={folder}/history.json")
    items, key = items_of(dynamodb, table), (folder / "key").read_bytes()
    head = items.pop("store")
    assert len(items) == 250 == number(head, "num_validators") and "high_slot" not in head
    for n in range(250):
        item = items[f"0x{n:096x}"]
        assert number(item, "block_slot") == n and binary(item, "block_root").hex() == f"{n:064x}"
        assert (number(item, "source_epoch"), number(item, "target_epoch")) == ((3, 100000) if n % 10 == 0 else (1, n + 1))
        assert binary(item, "mac") == entry_mac(key, binary(head, "store_id"), item)
    assert "validators 250\n" in ctl("show", f"--table={table} --key-file={folder}/key")

    # What a hand with access to the table may do is noticed.
    changed = dict(items[f"0x{7:096x}"], block_slot={"N": "6"})
    dynamodb.ask("PutItem", {"TableName": table, "Item": changed})
    assert "not sealed" in ctl("show", f"--table={table} --key-file={folder}/key", status=1)
    dynamodb.ask("DeleteItem", {"TableName": table, "Key": {"pk": changed["pk"]}})
    assert "number of validators" in ctl("show", f"--table={table} --key-file={folder}/key", status=1)
    dynamodb.ask("PutItem", {"TableName": table, "Item": dict(items[f"0x{7:096x}"], ttl={"N": "1"})})
    assert "not ours" in ctl("show", f"--table={table} --key-file={folder}/key", status=1)


def test_what_was_not_finished_signs_nothing_and_says_so(ctl, dynamodb, dynamodb_relay, folder):
    (folder / "history.json").write_text(history(250))
    table = dynamodb.create_table()
    begin = f"--table={table} --genesis-validators-root={ROOT} --without-key --from={folder}/history.json"

    async def deny(exchange):
        await exchange.reply(relays.answer_bytes(400, {"__type": "x#AccessDeniedException", "message": "no"}))
    dynamodb_relay.inject(deny, operation="TransactWriteItems", when=lambda exchange: dynamodb_relay.operations["TransactWriteItems"] == 3)
    assert "is not finished" in ctl("init", begin, status=1)
    head = items_of(dynamodb, table)["store"]
    assert number(head, "num_validators") == 192 and (number(head, "high_epoch"), number(head, "high_slot")) == (0, 0) and "high_slot" in head
    assert "not finished" in ctl("init", begin, status=1)


def test_lost_answers_are_no_obstacle(ctl, dynamodb, dynamodb_relay, folder):
    (folder / "history.json").write_text(history(200))
    dynamodb_relay.inject(relays.drop_answer, count=1, operation="CreateTable")
    dynamodb_relay.inject(relays.drop_answer, count=2, operation="TransactWriteItems")
    dynamodb_relay.inject(relays.half_answer, count=2, operation="TransactWriteItems")
    table = dynamodb.fresh_name()
    ctl("init", f"--table={table} --genesis-validators-root={ROOT} --without-key --from={folder}/history.json")
    assert len(items_of(dynamodb, table)) == 201


def test_the_key_is_sealed_by_kms(ctl, dynamodb, dynamodb_relay, folder):
    asked = []

    def answer(request):
        asked.append(request)
        return 200, {"KeyId": KMS_KEY, "CiphertextBlob": base64.b64encode(b"a ciphertext").decode()}
    kms = ScriptedKms(folder, answer)
    (folder / "ca.pem").write_text(open(kms.ca_file, encoding="ascii").read() + dynamodb_relay.ca_file.read_text())
    table = dynamodb.fresh_name()
    options = f"--table={table} --genesis-validators-root={ROOT} --kms-key={KMS_KEY} --kms-via={kms.address} --ca-file={folder}/ca.pem"
    printed = ctl("init", options).strip()
    head = items_of(dynamodb, table)["store"]
    key = base64.b64decode(asked[0]["Plaintext"])
    assert asked[0]["KeyId"] == KMS_KEY and len(key) == 32 and len(asked) == 1
    assert binary(head, "sealed_key") == b"a ciphertext" and printed == identity(key, binary(head, "store_id"))
    assert "key sealed_by_kms" in ctl("show", f"--table={table}")


@pytest.mark.parametrize("options, named, status", [
    ("", "--genesis-validators-root", 2),
    (f"--genesis-validators-root={ROOT}", "one of --kms-key, --key-file and --without-key", 2),
    (f"--genesis-validators-root={ROOT} --without-key --key-file=x", "one of --kms-key", 2),
    (f"--genesis-validators-root={ROOT} --without-key", "--table", 2),
    ("--genesis-validators-root=0x12 --without-key --table=abc", "--genesis-validators-root", 2),
    (f"--genesis-validators-root={ROOT} --without-key --table=ab", "table: must be", 2),
    (f"--genesis-validators-root={ROOT} --without-key --table=abc --from=nowhere", "nowhere", 1),
])
def test_mistakes_are_named(ctl, options, named, status):
    assert named in ctl("init", options, status=status)


def test_a_file_of_another_network_is_refused_before_anything_is_made(ctl, dynamodb, folder):
    (folder / "history.json").write_text(history(3, "0x" + "11" * 32))
    table = dynamodb.fresh_name()
    begin = f"--table={table} --genesis-validators-root={ROOT} --without-key --from={folder}/history.json"
    assert "genesis_validators_root" in ctl("init", begin, status=1)
    assert dynamodb.call("DescribeTable", {"TableName": table})[0] == 400


def test_a_table_that_is_none_of_ours(ctl, dynamodb):
    assert "there is no DynamoDB table" in ctl("show", f"--table={dynamodb.fresh_name()}", status=1)
    assert "slashing init must be run" in ctl("show", f"--table={dynamodb.create_table()}", status=1)
    foreign = dynamodb.create_table(key="web3signer_uuid")
    begin = f"--table={foreign} --genesis-validators-root={ROOT} --without-key"
    assert "its key is not pk" in ctl("init", begin, status=1)
