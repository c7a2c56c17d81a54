"""nitro-signer eth2 import, export and watermark-repair on a DynamoDB table whose key is in a file; items are read and made
with Python, their seals recomputed."""
import base64
import json
import os
import pathlib
import signal
import subprocess

import pytest

import dynamodb_relay as relays
from dynamodb_server import REGION
from harness import sanitized
from test_ctl_slashing import binary, ctl, entry_mac, items_of, number  # noqa: F401 (a fixture)
from test_interchange import KEYS, exported, history, validator, write
from test_signer_standalone import GENESIS, attestation, one_key, sign_vectors  # noqa: F401 (fixtures)
from test_signer_stores import DynamodbSigner, table  # noqa: F401 (a fixture)

ROOT, OTHER_ROOT = "0x" + "ab" * 32, "0x" + "cd" * 32
MANY = 250


@pytest.fixture
def store(dynamodb, folder, table):  # noqa: F811
    """What the table holds, each entry's seal checked."""
    class Store:
        key = (folder / "store.key").read_bytes()

        def entries(self):
            items = items_of(dynamodb, table.name)
            head = items.pop("store")
            assert number(head, "num_validators") == len(items)
            for item in items.values():
                assert binary(item, "mac") == entry_mac(self.key, binary(head, "store_id"), item)
            return items

        def head(self):
            return items_of(dynamodb, table.name)["store"]

        def put(self, item):
            """Another signer of this store has written that."""
            item = dict(item, mac={"B": ""})
            item["mac"]["B"] = base64.b64encode(entry_mac(self.key, binary(self.head(), "store_id"), item)).decode()
            dynamodb.ask("PutItem", {"TableName": table.name, "Item": item})
    return Store()


@pytest.fixture
def run(bin_dir, folder, table):  # noqa: F811
    """As in test_interchange.py, on a table of this test's own."""
    def runner(verb, *words, options=None):
        done = subprocess.run([bin_dir / "nitro-signer", "eth2", *(options or table.options()), verb, *words], cwd=folder, text=True,
                              capture_output=True, timeout=600, check=False, env=table.env)
        return done.returncode, done.stderr, 0
    return runner


def key_of(n):
    return f"0x{n:096x}"


def marks(item):
    return tuple(number(item, name) if name in item else None for name in ("block_slot", "source_epoch", "target_epoch"))


def test_a_complete_history_becomes_sealed_marks(run, folder, store):
    write(folder, history([validator(KEYS[1], [(5,), (12, ROOT), (7,)], [(0, 1, ROOT), (1, 4, ROOT), (3, 4)]),
                           validator(KEYS[0], [], [(7, 8, ROOT)]), validator(KEYS[2]), validator(KEYS[1], [(11,)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 0 and "3 validators" in said, said
    assert {key: marks(item) for key, item in store.entries().items()} == {
        KEYS[0]: (None, 7, 8), KEYS[1]: (12, 3, 4), KEYS[2]: (None, None, None)}
    assert exported(run, folder) == history([validator(KEYS[0], [], [(7, 8, ROOT)]), validator(KEYS[1], [(12, ROOT)], [(3, 4)]),
                                             validator(KEYS[2])])


def test_an_import_never_lowers_a_mark(run, folder, store, dynamodb_relay):
    write(folder, history([validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)])]))
    assert run("import", "--from=in.json")[0] == 0
    before = store.entries(), store.head()
    write(folder, history([validator(KEYS[0], [(11,)], [(2, 8)]), validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)])]))
    assert run("import", "--from=in.json")[0] == 0
    assert (store.entries(), store.head()) == before and dynamodb_relay.operations["BatchExecuteStatement"] == 0
    write(folder, history([validator(KEYS[0], [(12, OTHER_ROOT)], [(5, 6)]), validator(KEYS[1], [(1,)])]))
    assert run("import", "--from=in.json")[0] == 0
    assert exported(run, folder) == history([validator(KEYS[0], [(12,)], [(5, 9)]), validator(KEYS[1], [(1,)])])
    store.entries()


def many(height, count=MANY):
    return history([validator(key_of(n), [(height + n, ROOT)], [(height, height + n, ROOT)]) for n in range(count)])


async def deny(exchange):
    await exchange.reply(relays.answer_bytes(400, {"__type": "x#AccessDeniedException", "message": "no"}))


@pytest.mark.parametrize("operation, from_call", [("TransactWriteItems", 1), ("TransactWriteItems", 2), ("BatchExecuteStatement", 1),
                                                  ("BatchExecuteStatement", 4), ("Scan", 1), ("BatchGetItem", 1)])
def test_an_import_that_is_cut_is_made_again(run, folder, store, dynamodb_relay, operation, from_call):
    write(folder, many(10, count=100))
    assert run("import", "--from=in.json")[0] == 0
    write(folder, many(500))
    before = store.entries()
    already = dynamodb_relay.operations[operation]
    dynamodb_relay.inject(deny, count=None, operation=operation,
                          when=lambda exchange: dynamodb_relay.operations[operation] >= already + from_call)
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "can be imported again" in said, said
    between = store.entries()
    assert set(before) <= set(between) and all(item in (before.get(key), between[key]) for key, item in between.items())
    dynamodb_relay.heal()
    status, said, _ = run("import", "--from=in.json")
    assert status == 0, said
    assert {key: marks(item) for key, item in store.entries().items()} == {key_of(n): (500 + n, 500, 500 + n) for n in range(MANY)}


@pytest.mark.parametrize("operation, call", [("TransactWriteItems", 2), ("BatchExecuteStatement", 3)])
def test_an_import_that_is_killed_is_made_again(bin_dir, start, run, folder, store, table, dynamodb_relay, operation, call):  # noqa: F811
    write(folder, many(10, count=100))
    assert run("import", "--from=in.json")[0] == 0
    write(folder, many(500))
    seen, already = [], dynamodb_relay.operations[operation]

    async def kill(exchange):
        await exchange.forward()
        seen.append(pathlib.Path(f"/proc/{process.pid}/status").read_text())
        process.signal(signal.SIGKILL)
    dynamodb_relay.inject(kill, count=1, operation=operation, when=lambda exchange: dynamodb_relay.operations[operation] >= already + call)
    process = start("nitro-signer", "eth2", *table.options(), "import", f"--from={folder}/in.json", ready=False, env=table.env)
    assert process.wait() == -signal.SIGKILL
    assert sanitized(bin_dir / "nitro-signer-interchange") or "Seccomp:\t2" in seen[0]
    store.entries()
    assert run("import", "--from=in.json")[0] == 0
    assert {key: marks(item) for key, item in store.entries().items()} == {key_of(n): (500 + n, 500, 500 + n) for n in range(MANY)}


@pytest.mark.parametrize("fault", [relays.drop_answer, relays.half_answer, relays.duplicate, relays.throttle])
def test_lost_answers_are_no_obstacle(run, folder, store, dynamodb_relay, fault):
    write(folder, many(10, count=100))
    dynamodb_relay.inject(fault, count=2, operation="TransactWriteItems")
    assert run("import", "--from=in.json")[0] == 0
    write(folder, many(500))
    for operation in ("TransactWriteItems", "BatchExecuteStatement", "Scan", "BatchGetItem"):
        dynamodb_relay.inject(fault, count=2, operation=operation)
    status, said, _ = run("import", "--from=in.json")
    assert status == 0, said
    assert {key: marks(item) for key, item in store.entries().items()} == {key_of(n): (500 + n, 500, 500 + n) for n in range(MANY)}


def test_what_another_signer_writes_meanwhile_stays(run, folder, store, dynamodb_relay):
    write(folder, history([validator(key, [(5, ROOT)], [(1, 2, ROOT)]) for key in KEYS]))
    assert run("import", "--from=in.json")[0] == 0
    higher = dict(store.entries()[KEYS[1]], block_slot={"N": "7"}, source_epoch={"N": "40"}, target_epoch={"N": "41"})

    async def be_first(exchange):
        store.put(higher)
        await exchange.reply(await exchange.forward())
    dynamodb_relay.inject(be_first, count=1, operation="BatchExecuteStatement")
    write(folder, history([validator(key, [(6, OTHER_ROOT)], [(10, 20, OTHER_ROOT)]) for key in KEYS[:2]]
                          + [validator(KEYS[2], [(9, ROOT)], [(50, 60, ROOT)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 0, said
    assert {key: marks(item) for key, item in store.entries().items()} == {
        KEYS[0]: (6, 10, 20), KEYS[1]: (7, 40, 41), KEYS[2]: (9, 50, 60)}


def test_an_import_beside_a_signer(start, run, folder, one_key, store, table):  # noqa: F811
    signer = DynamodbSigner(start, folder, table)
    assert signer.sign(one_key, attestation(7)).status_code == 200
    write(folder, history([validator(one_key, [], [(11, 12)]), validator(KEYS[0], [(5,)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 0, said
    assert signer.sign(one_key, attestation(12, source=11)).status_code == 412
    assert signer.sign(one_key, attestation(13, source=11)).status_code == 200
    assert marks(store.entries()[one_key])[1:] == (11, 13)
    assert signer.process.terminate() == 0


def test_watermarks_are_repaired_and_capped(run, folder, store):
    write(folder, history([validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)]), validator(KEYS[1])]))
    assert run("import", "--from=in.json")[0] == 0
    assert run("watermark-repair", "--epoch=50", "--slot=1600")[0] == 0
    assert {marks(item) for item in store.entries().values()} == {(1600, 50, 50)}
    for epoch, slot in ((50, 3200), (100, 1600)):
        status, said, _ = run("watermark-repair", "--set-high-watermark", f"--epoch={epoch}", f"--slot={slot}")
        assert status == 1 and "must be above all watermarks" in said
    assert run("watermark-repair", "--set-high-watermark", "--epoch=100", "--slot=3200")[0] == 0
    assert (number(store.head(), "high_epoch"), number(store.head(), "high_slot")) == (100, 3200)
    before = store.entries(), store.head()
    write(folder, history([validator(KEYS[1], [(3199,)]), validator(KEYS[2], [(3200,)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "high watermark" in said and KEYS[2] in said
    assert (store.entries(), store.head()) == before  # nothing was changed
    assert run("watermark-repair", "--remove-high-watermark")[0] == 0
    assert "high_epoch" not in store.head()
    assert run("import", "--from=in.json")[0] == 0
    assert marks(store.entries()[KEYS[2]])[0] == 3200
    assert "there was no high watermark" in run("watermark-repair", "--remove-high-watermark")[1]


def test_a_file_with_a_mistake_imports_nothing(run, folder, store, dynamodb_relay):
    before = store.entries(), store.head()
    text = json.dumps(many(10))
    for document, named in ((text[:-1], "ends early"), (text + "]", "trailing bytes"), (history([validator("0x12")]), "data[0].pubkey"),
                            (history([validator(KEYS[0])], genesis="0x" + "11" * 32), "another genesis validators root")):
        write(folder, document)
        status, said, _ = run("import", "--from=in.json")
        assert status == 1 and named in said and "imported" in said, said
    assert (store.entries(), store.head()) == before and dynamodb_relay.operations["BatchExecuteStatement"] == 0


def test_a_table_that_was_tampered_with_is_refused(run, folder, store, dynamodb, table):  # noqa: F811
    write(folder, many(10, count=100))
    assert run("import", "--from=in.json")[0] == 0
    good, head = store.entries(), store.head()

    def refused(named):
        for words in (["export", "--to=out.json"], ["import", "--from=in.json"], ["watermark-repair", "--epoch=9", "--slot=9"],
                      ["watermark-repair", "--set-high-watermark", "--epoch=9000", "--slot=9000"]):
            status, said, _ = run(*words)
            assert status == 1 and named in said, said
        assert not (folder / "out.json").exists()
        for item in [head, *good.values()]:
            dynamodb.ask("PutItem", {"TableName": table.name, "Item": item})
    write(folder, many(10, count=40))
    one = good[key_of(7)]
    dynamodb.ask("PutItem", {"TableName": table.name, "Item": dict(one, block_slot={"N": "6"})})
    refused("not sealed with this store's key")
    dynamodb.ask("PutItem", {"TableName": table.name, "Item": dict(one, pk={"S": key_of(8)})})
    refused("not sealed with this store's key")
    dynamodb.ask("DeleteItem", {"TableName": table.name, "Key": {"pk": one["pk"]}})
    refused("another number of validators")
    dynamodb.ask("PutItem", {"TableName": table.name, "Item": dict(head, num_validators={"N": "99"})})
    refused("head is not sealed with its key")
    assert run("export", "--to=out.json")[0] == 0


def test_the_wrong_key_identity_or_table(run, folder, table, dynamodb, store):  # noqa: F811
    def options(**changes):
        words = {"table": table.name, "region": REGION, "key-file": folder / "store.key", "identity": table.identity} | changes
        return [f"--slashing-protection-dynamodb-{name}={value}" for name, value in words.items() if value] + \
            [f"--aws-credentials-file={folder}/credentials.json"]
    (folder / "other.key").write_bytes(os.urandom(32))
    (folder / "short.key").write_bytes(os.urandom(31))
    for changes, named in (({"key-file": folder / "other.key"}, "identity: is not that of this table"),
                           ({"key-file": folder / "other.key", "identity": None}, "head is not sealed with its key"),
                           ({"key-file": None, "identity": None}, "head is not sealed with its key"),
                           ({"key-file": folder / "short.key"}, "32"),
                           ({"key-file": "absent"}, "--slashing-protection-dynamodb-key-file"),
                           ({"identity": "0x" + "11" * 32}, "identity: is not that of this table"),
                           ({"table": dynamodb.fresh_name()}, "there is no DynamoDB table"),
                           ({"table": dynamodb.create_table()}, "slashing init must be run")):
        status, said, _ = run("export", "--to=out.json", options=options(**changes))
        assert status == 1 and named in said and not (folder / "out.json").exists(), said
    for changes, named in (({"identity": "0x11"}, "--slashing-protection-dynamodb-identity"),
                           ({"table": f"1111/{table.name}"}, "--slashing-protection-dynamodb-table")):
        status, said, _ = run("export", "--to=out.json", options=options(**changes))
        assert status == 2 and named in said and not (folder / "out.json").exists(), said
    assert run("export", "--to=out.json", options=options(identity=None))[0] == 0


def test_a_table_of_enclaves_says_how(run, folder, dynamodb, table, store):  # noqa: F811
    dynamodb.ask("PutItem", {"TableName": table.name, "Item": dict(store.head(), sealed_key={"B": "AAAA"})})
    write(folder, history([validator(KEYS[0], [(5,)])]))
    for words in (["import", "--from=in.json"], ["export", "--to=out.json"], ["watermark-repair", "--remove-high-watermark"]):
        status, said, _ = run(*words)
        assert status == 1 and "belongs to enclaves" in said and "nitro-signer-ctl slashing init --from" in said, said


def test_a_table_that_was_not_finished_stays_shut(run, folder, dynamodb, dynamodb_relay, ctl):  # noqa: F811
    name = dynamodb.fresh_name()
    (folder / "in.json").write_text(json.dumps(many(10)))
    dynamodb_relay.inject(deny, count=None, operation="TransactWriteItems",
                          when=lambda exchange: dynamodb_relay.operations["TransactWriteItems"] % 3 == 0)
    ctl("init", f"--table={name} --genesis-validators-root={GENESIS} --key-file={folder}/unfinished.key --from={folder}/in.json", status=1)
    dynamodb_relay.heal()
    options = [f"--slashing-protection-dynamodb-table={name}", f"--slashing-protection-dynamodb-region={REGION}",
               f"--slashing-protection-dynamodb-key-file={folder}/unfinished.key", f"--aws-credentials-file={folder}/credentials.json"]
    for words in (["import", "--from=in.json"], ["watermark-repair", "--remove-high-watermark"]):
        status, said, _ = run(*words, options=options)
        assert status == 1 and "not finished" in said, said
