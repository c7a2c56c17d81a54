"""nitro-signer-ctl keys upload, list, activate, deactivate, assign: keys encrypted by moto's KMS, every signature judged by botocore
(aws_judge.py), items in Amazon's DynamoDB Local behind a relay that fails on demand."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import pty
import re
import secrets
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dynamodb_relay import answer_bytes, drop_answer, drop_request, half_answer, server_error, throttle
from test_lambda import ACCESS_KEY, REGION, SECRET_KEY, TOKEN, Judge
from test_secrets_in_memory import search

STACK, OTHER = "51af3dc0-da77-11e4-872e-1234567db123", "99999999-da77-11e4-872e-1234567db123"
CHEAP = ["--kdf=pbkdf2", "--kdf-cost=1"]
ERC_PASSWORD = "\U0001d531\U0001d522\U0001d530\U0001d531\U0001d52d\U0001d51e\U0001d530\U0001d530\U0001d534\U0001d52c\U0001d52f\U0001d521\U0001f511"
ERC_SECRET = bytes.fromhex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
ERC_PUBKEY = "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07"


def cipher(key, iv, data):
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


def keystore(secret, password, pubkey=None, rounds=2):
    """EIP-2335, by hashlib and cryptography."""
    salt, iv = os.urandom(32), os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, 32)
    text = cipher(key[:16], iv, secret)
    return {"crypto": {"kdf": {"function": "pbkdf2", "params": {"dklen": 32, "c": rounds, "prf": "hmac-sha256", "salt": salt.hex()}, "message": ""},
                       "checksum": {"function": "sha256", "params": {}, "message": hashlib.sha256(key[16:] + text).hexdigest()},
                       "cipher": {"function": "aes-128-ctr", "params": {"iv": iv.hex()}, "message": text.hex()}},
            "description": "", **({"pubkey": pubkey} if pubkey else {}), "path": "m/12381/3600/0/0/0", "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f", "version": 4}


def opened(item, password):
    """The secret key of a keystore whose password we know."""
    crypto = item["crypto"]
    key = hashlib.pbkdf2_hmac("sha256", password, bytes.fromhex(crypto["kdf"]["params"]["salt"]), crypto["kdf"]["params"]["c"], 32)
    text = bytes.fromhex(crypto["cipher"]["message"])
    assert hashlib.sha256(key[16:] + text).hexdigest() == crypto["checksum"]["message"]
    return cipher(key[:16], bytes.fromhex(crypto["cipher"]["params"]["iv"]), text)


def unsealed(blob, data_key, uuid=STACK):
    """PROTOCOL.control section 8."""
    return AESGCM(data_key).decrypt(blob[48:60], blob[60:], b"nitro-signer sealed key 1".ljust(32, b"\0") + blob[:48] + uuid.encode())


@pytest.fixture(scope="module")
def judge_server(tmp_path_factory):
    with contextlib.closing(Judge(tmp_path_factory.mktemp("judge"))) as server:
        yield server


class Rig:
    """A table, a KMS key, and the tool with all that it needs to reach them."""

    def __init__(self, bin_dir, folder, dynamodb, relay, judge):
        self.bin_dir, self.folder, self.dynamodb, self.relay, self.judge = bin_dir, folder, dynamodb, relay, judge.fresh()
        relay.secret_key = SECRET_KEY
        self.table = dynamodb.fresh_name()
        dynamodb.ask("CreateTable", {
            "TableName": self.table, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "web3signer_uuid", "KeyType": "HASH"}, {"AttributeName": "pubkey", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("web3signer_uuid", "pubkey")]})
        (folder / "ca.pem").write_text(relay.ca_file.read_text() + judge.certificate.file.read_text())
        self.told = ""
        self.environment = {
            "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN,
            "AWS_REGION": REGION, "AWS_CA_BUNDLE": str(folder / "ca.pem"), "AWS_ENDPOINT_URL_KMS": f"https://localhost:{judge.port}",
            "AWS_ENDPOINT_URL_DYNAMODB": f"https://localhost:{relay.port}"}

    def command(self, verb, *arguments, uuid=STACK):
        own = [f"--table={self.table}"] + ([f"--uuid={uuid}"] if uuid else [])
        if verb == "upload" and not any(str(word).startswith("--items") for word in arguments):
            own.append(f"--key-arn={self.judge.key_arn}")
        return [self.bin_dir / "nitro-signer-ctl", "keys", verb, *own, *map(str, arguments)]

    def ctl(self, verb, *arguments, uuid=STACK, status=0, input=None):
        """What it prints; what it tells --secrets-fd is then in told."""
        reader, writer = os.pipe()
        options = [f"--secrets-fd={writer}"] if verb == "upload" else []
        if any(str(word).startswith("--count") for word in arguments) and not any("mnemonic" in str(word) for word in arguments):
            options.append(f"--mnemonic-fd={writer}")
        with open(self.folder / "told", "w+b") as file:
            os.dup2(file.fileno(), writer)
            os.close(reader)
            done = subprocess.run(self.command(verb, *options, *arguments, uuid=uuid), cwd=self.folder, text=True, capture_output=True, timeout=120,
                                  check=False, pass_fds=[writer], env=self.environment, input=input)
            os.close(writer)
            file.seek(0)
            self.told = file.read().decode()
        assert done.returncode == status, done.stdout + done.stderr
        for line in self.told.splitlines():  # no secret goes anywhere else
            assert line.split(" ", 1)[-1] not in done.stdout + done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    def told_all(self, name):
        return [line.split(" ", 1)[1] for line in self.told.splitlines() if line.startswith(name + " ")]

    def items(self, uuid=STACK):
        """All of one web3signer_uuid, or of the whole table (None), without their types."""
        found, start = [], {}
        while True:
            page = self.dynamodb.ask("Scan", {"TableName": self.table, "ConsistentRead": True, **start})
            found += [{name: next(iter(value.values())) for name, value in item.items()} for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return [item for item in found if uuid in (None, item["web3signer_uuid"])]
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def put(self, uuid, pubkey, **attributes):
        """An item that another tool wrote."""
        named = {"web3signer_uuid": {"S": uuid}, "pubkey": {"S": pubkey}, "active": {"BOOL": True}, **attributes}
        self.dynamodb.ask("PutItem", {"TableName": self.table, "Item": {name: value for name, value in named.items() if value}})

    def decrypt(self, text):
        return base64.b64decode(self.judge.moto("TrentService.Decrypt", CiphertextBlob=text)["Plaintext"])

    def secret_of(self, item):
        """The secret key in an item of a keystore."""
        plain = json.loads(self.decrypt(item["encrypted_key_password_mnemonic_b64"]))
        assert set(plain) == {"keystore_b64", "password_b64", "mnemonic_b64"} and plain["mnemonic_b64"] == ""
        return opened(json.loads(base64.b64decode(plain["keystore_b64"])), base64.b64decode(plain["password_b64"]))

    def write_keystores(self, name, *stores, password="correct horse\n"):
        """A folder of keystores, its name; each store a dictionary or (dictionary, password)."""
        (self.folder / name).mkdir()
        for number, store in enumerate(stores):
            store, own = store if isinstance(store, tuple) else (store, password)
            (self.folder / f"{name}/key-{number}.json").write_text(json.dumps(store))
            (self.folder / f"{name}/key-{number}.txt").write_text(own)
        return [f"--keystores-path={name}", f"--keystores-passwords-path={name}"]

    def some_keystores(self, name, count, **how):
        self.secrets = [secrets.token_bytes(31).rjust(32, b"\0") for _ in range(count)]
        return self.write_keystores(name, *(keystore(secret, "correct horse", **how) for secret in self.secrets))


@pytest.fixture
def rig(bin_dir, folder, dynamodb, dynamodb_relay, judge_server):
    return Rig(bin_dir, folder, dynamodb, dynamodb_relay, judge_server)


def test_new_keys_become_items_of_the_original_form(rig):
    said = rig.ctl("upload", "--count=5", "--network=hoodi", *CHEAP)
    items = sorted(rig.items(), key=lambda item: item["pubkey"])
    assert "5 keys written, 0 there already, 0 failed" in said and len(items) == 5
    for item in items:
        assert set(item) == {"web3signer_uuid", "pubkey", "chain", "datetime", "active", "encrypted_key_password_mnemonic_b64", "deposit_json_b64"}
        assert (item["chain"], item["active"]) == ("hoodi", True) and len(item["pubkey"]) == 96
        (deposit,) = json.loads(base64.b64decode(item["deposit_json_b64"], validate=True))
        assert deposit["pubkey"] == item["pubkey"]
    assert sorted(rig.secret_of(item).hex() for item in items) == sorted(rig.told_all("secret_key"))
    faults = [request for request in rig.judge.requests() if request.get("fault")]
    assert not faults and sum(request.get("target") == "TrentService.Encrypt" for request in rig.judge.requests()) == 5


def test_the_same_mnemonic_goes_on_where_it_was(rig):
    """Interrupted or not: what is there is not made again, and more keys of it come after."""
    rig.ctl("upload", "--count=3", *CHEAP)
    (words,) = rig.told_all("mnemonic")
    before = rig.items()
    said = rig.ctl("upload", "--count=7", "--existing-mnemonic-fd=0", *CHEAP, input=words + "\n")
    assert "4 keys written, 3 there already, 0 failed" in said
    assert all(item in rig.items() for item in before) and len(rig.items()) == 7
    assert "mnemonic" in rig.ctl("upload", "--count=1", "--existing-mnemonic-fd=0", input=words + " zoo", status=1)


def test_third_party_keystores(rig, vectors):
    """What ethstaker-deposit-cli writes, a deposit data file beside it."""
    store = (vectors / "eip-2335/ethstaker-deposit-cli/test0.json").read_text()
    (rig.folder / "validator_keys").mkdir()
    (rig.folder / "validator_keys/keystore-m_12381_60_0_0-1.json").write_text(store)
    (rig.folder / "validator_keys/deposit_data-1.json").write_text("[]")
    (rig.folder / "password.txt").write_text(ERC_PASSWORD + "\n")
    rig.ctl("upload", "--keystores-path=validator_keys", "--keystores-password-file=password.txt")
    (item,) = rig.items()
    assert item["pubkey"] == ERC_PUBKEY and item["chain"] == "mainnet" and "deposit_json_b64" not in item
    plain = json.loads(rig.decrypt(item["encrypted_key_password_mnemonic_b64"]))
    assert base64.b64decode(plain["keystore_b64"]).decode() == store
    assert base64.b64decode(plain["password_b64"]).decode() == ERC_PASSWORD
    assert rig.told_all("secret_key") == [ERC_SECRET.hex()]


def test_scrypt_of_a_third_party(rig, vectors):
    for name in ("web3signer/scryptTestVector.json", "chainsafe-bls-keystore/scrypt-0.json"):
        (rig.folder / "stores").mkdir(exist_ok=True)
        (rig.folder / "stores/one.json").write_text((vectors / "eip-2335" / name).read_text())
        (rig.folder / "stores/one.txt").write_text(ERC_PASSWORD)
        assert "1 " in rig.ctl("upload", "--keystores-path=stores", "--keystores-passwords-path=stores")
    assert [item["pubkey"] for item in rig.items()] == [ERC_PUBKEY]


def test_a_wrong_password_names_its_file_and_costs_no_other(rig):
    good, bad = secrets.token_bytes(31).rjust(32, b"\0"), secrets.token_bytes(31).rjust(32, b"\0")
    options = rig.write_keystores("keys", (keystore(bad, "right", ERC_PUBKEY), "wrong-password-of-mine"), keystore(good, "correct horse"))
    said = rig.ctl("upload", *options, status=1)
    assert "key-0.json: " in said and "wrong-password-of-mine" not in said and "1 keys were not uploaded" in said and "1 keys written" in said
    assert [rig.secret_of(item) for item in rig.items()] == [good]


def test_a_pubkey_that_is_not_the_secret_s(rig):
    options = rig.write_keystores("keys", keystore(b"\1".rjust(32, b"\0"), "correct horse", ERC_PUBKEY))
    assert "key-0.json: pubkey" in rig.ctl("upload", *options, status=1) and not rig.items()


def test_a_keystore_that_kms_does_not_take_costs_no_other(rig):
    good = secrets.token_bytes(31).rjust(32, b"\0")
    large = {**keystore(b"\2".rjust(32, b"\0"), "correct horse"), "description": "d" * 4000}
    said = rig.ctl("upload", *rig.write_keystores("keys", large, keystore(good, "correct horse")), status=1)
    assert "key-0.json: keystore and password are" in said and [rig.secret_of(item) for item in rig.items()] == [good]
    assert "1 keys written" in rig.ctl("upload", "--sealed", "--keystores-path=keys", "--keystores-passwords-path=keys")


def test_a_service_that_is_not_there_is_said_soon(rig):
    options, began = rig.some_keystores("keys", 1), time.monotonic()
    rig.environment["AWS_ENDPOINT_URL_DYNAMODB"] = "https://localhost:1"
    assert "localhost:1" in rig.ctl("upload", *options, status=1) and time.monotonic() - began < 30


def test_two_keystores_of_one_key(rig):
    secret = secrets.token_bytes(31).rjust(32, b"\0")
    options = rig.write_keystores("keys", keystore(b"\2".rjust(32, b"\0"), "correct horse"), keystore(secret, "correct horse"), keystore(secret, "correct horse"))
    said = rig.ctl("upload", *options, status=1)
    assert "key-1.json" in said and "key-2.json" in said and "one public key" in said and not rig.items(None)


def test_what_is_there_is_left_alone_unless_asked(rig):
    options = rig.some_keystores("keys", 3)
    rig.ctl("upload", *options)
    before = sorted(item["encrypted_key_password_mnemonic_b64"] for item in rig.items())
    assert "0 keys written, 3 there already, 0 failed" in rig.ctl("upload", *options)
    assert sorted(item["encrypted_key_password_mnemonic_b64"] for item in rig.items()) == before
    assert "3 keys written, 0 there already" in rig.ctl("upload", "--replace", *options)
    after = sorted(item["encrypted_key_password_mnemonic_b64"] for item in rig.items())
    assert len(after) == 3 and not set(before) & set(after)


@pytest.mark.parametrize("owner", [OTHER, "none"])
def test_a_key_of_another_stack_is_refused_loudly(rig, owner):
    options = rig.some_keystores("keys", 3)
    (rig.folder / "other").mkdir()
    for ending in ("json", "txt"):
        (rig.folder / f"other/key-1.{ending}").write_bytes((rig.folder / f"keys/key-1.{ending}").read_bytes())
    rig.ctl("upload", "--keystores-path=other", "--keystores-passwords-path=other", uuid=owner)
    (theirs,) = rig.items(None)
    for more in ([], ["--replace"], ["--sealed"]):
        said = rig.ctl("upload", *more, *options, status=1)
        assert f"0x{theirs['pubkey']} is there already under web3signer_uuid {owner}" in said and "slashed" in said and "nothing was uploaded" in said
        assert rig.items(None) == [theirs]
    said = rig.ctl("upload", "--move", *options)
    assert "3 keys written" in said and "1 of them were moved" in said
    assert len(rig.items()) == 3 and not rig.items(owner)
    assert sorted(rig.secret_of(item) for item in rig.items()) == sorted(rig.secrets)


def test_a_key_sealed_for_another_stack_cannot_be_moved(rig):
    options = rig.some_keystores("keys", 2)
    rig.ctl("upload", "--sealed", *options, uuid=OTHER)
    for more in ([], ["--move"]):
        said = rig.ctl("upload", *more, *options, status=1)
        assert "sealed: it cannot be moved" in said and not rig.items()


def test_an_upload_at_the_same_time_is_seen(rig):
    """Another tool gives the key to another stack behind our back."""
    options = rig.some_keystores("keys", 1)

    async def meanwhile(exchange):
        rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": {**exchange.body["Item"], "web3signer_uuid": {"S": OTHER}}})
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="PutItem")
    said = rig.ctl("upload", *options, status=1)
    assert "not there exactly once" in said and "1 items under web3signer_uuid" in said


def test_an_item_that_appears_meanwhile_is_not_overwritten(rig):
    options = rig.some_keystores("keys", 2)

    async def meanwhile(exchange):
        rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": {**exchange.body["Item"], "encrypted_key_password_mnemonic_b64": {"S": "dGhlaXJz"}}})
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="PutItem")
    said = rig.ctl("upload", *options, status=1)
    assert "somebody else has written" in said and "1 keys were not uploaded" in said
    assert "dGhlaXJz" in [item["encrypted_key_password_mnemonic_b64"] for item in rig.items()]


@pytest.mark.parametrize("fault", [drop_answer, drop_request, half_answer, server_error, throttle])
@pytest.mark.parametrize("kind", ["put", "move", "sealed"])
def test_an_outcome_that_is_not_known_is_found_out(rig, fault, kind):
    """A lost answer of a write that was carried out: asked again, the condition fails, because of ourselves."""
    options = rig.some_keystores("keys", 3)
    if kind == "move":
        rig.ctl("upload", *options, uuid="none")
        options.append("--move")
    rig.relay.inject(fault, count=4, operation="TransactWriteItems" if kind == "move" else "PutItem")
    said = rig.ctl("upload", *options, *["--sealed"] * (kind == "sealed"))
    assert "3 keys written, 0 there already, 0 failed" in said
    assert len(rig.items(None)) == (1 if kind == "sealed" else 3)


def test_kms_and_table_are_throttled(rig):
    rig.judge.mood(throttle=6)
    rig.relay.inject(throttle, count=3, operation="Scan")
    assert "40 keys written" in rig.ctl("upload", *rig.some_keystores("keys", 40))
    assert len(rig.items()) == 40


def test_a_terminal_is_shown_how_far_it_is(rig):
    options = rig.some_keystores("keys", 40)
    master, terminal = pty.openpty()
    done = subprocess.run(rig.command("upload", *options), cwd=rig.folder, env=rig.environment, stdout=subprocess.PIPE, stderr=terminal, timeout=600, check=True)
    os.close(terminal)
    said = os.read(master, 4096)
    os.close(master)
    bars = re.findall(rb"\r(?:\[(#*)(\.*)\] )?(\d+) of 40 keys(?:, about \d+:\d\d left)?\x1b\[K", said)
    assert [(int(done), len(full), len(full + empty)) for full, empty, done in bars] == [(32, 24, 30), (40, 30, 30)] and said.endswith(b"\r\x1b[K") and done.stdout.startswith(b"40 keys written")


def test_kms_says_no(rig):
    rig.judge.mood(deny="Encrypt")
    said = rig.ctl("upload", *rig.some_keystores("keys", 2), status=1)
    assert "KMS Encrypt" in said and "AccessDeniedException" in said and "0 keys were written" in said and not rig.items()


def test_the_table_says_no(rig):
    async def deny(exchange):
        await exchange.reply(answer_bytes(400, {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not you"}))

    rig.relay.inject(deny, count=None, operation="PutItem")
    said = rig.ctl("upload", *rig.some_keystores("keys", 2), status=1)
    assert "AccessDeniedException" in said and "0 keys were written" in said and "the same command goes on" in said
    said = rig.ctl("upload", "--count=2", *CHEAP, status=1)  # the same command would make another mnemonic
    assert "0 keys were written, and keep their mnemonic: with it, by --existing-mnemonic-fd, the same command goes on" in said
    rig.environment["AWS_SECRET_ACCESS_KEY"] = "x" + SECRET_KEY
    said = rig.ctl("list", status=1)
    assert "InvalidSignatureException" in said and SECRET_KEY not in said


def killed_in_the_middle(rig, wanted, operation, *arguments):
    """Kills an upload once so many writes have come; returns when it is dead."""
    process = subprocess.Popen(rig.command("upload", *arguments), cwd=rig.folder, env=rig.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while rig.relay.operations[operation] < wanted:
        assert process.poll() is None and time.monotonic() < deadline, "it was over too early"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def settle(rig):
    """Until what was under way when the upload was killed has arrived, or never will."""
    before, now = -1, len(rig.items(None))
    while before != now:
        time.sleep(0.5)
        before, now = now, len(rig.items(None))


def test_a_killed_upload_goes_on(rig):
    options = rig.some_keystores("keys", 200)
    rig.relay.delay_ms = 5
    for wanted in (50, 120):
        killed_in_the_middle(rig, wanted, "PutItem", *options)
        settle(rig)
        assert 0 < len(rig.items()) < 200
    rig.relay.heal()
    there = len(rig.items())
    before = {item["pubkey"]: item for item in rig.items()}
    assert f"{200 - there} keys written, {there} there already, 0 failed" in rig.ctl("upload", *options)
    items = rig.items()
    assert len(items) == 200 and all(item == before.get(item["pubkey"], item) for item in items)
    assert sorted(rig.secret_of(item) for item in items) == sorted(rig.secrets)


def test_a_thousand_keys_over_many_pages(rig):
    """Two pages of a megabyte and more, and each key once, whatever way it is listed."""
    said = rig.ctl("upload", "--count=1000", *CHEAP, "--output=json")
    answer, told = json.loads(said), rig.told_all("secret_key")
    assert (answer["written"], answer["there"], answer["failed"]) == (1000, 0, 0)
    items = rig.items()
    assert len({item["pubkey"] for item in items}) == len(items) == 1000
    before = rig.relay.operations["Query"]
    listed = json.loads(rig.ctl("list", "--output=json"))
    assert listed["count"] == listed["keystores"] == 1000 and listed["inactive"] == 0
    assert sorted(key["pubkey"] for key in listed["keys"]) == sorted("0x" + item["pubkey"] for item in items)
    assert rig.relay.operations["Query"] - before >= 2
    assert sorted(key["pubkey"] for key in answer["keys"]) == sorted(key["pubkey"] for key in listed["keys"])
    for item in items[::100]:
        assert rig.secret_of(item).hex() in told


def blobs_of(item):
    whole = base64.b64decode(item["sealed_keys_b64"])
    return [whole[at:at + 108] for at in range(0, len(whole), 108)]


def test_ten_thousand_sealed_keys_fit_into_items(rig):
    """The most that one batch of a folder may have: here four items, each below DynamoDB's 400 KB, with a data key of its own."""
    assert "10000 keys written" in rig.ctl("upload", "--sealed", "--count=10000", "--deposits=deposits.json", "--withdrawal-address=0x" + "11" * 20)
    items = rig.items()
    assert sorted(len(blobs_of(item)) for item in items) == [1900, 2700, 2700, 2700]
    assert all(item["pubkey"].startswith("sealed-") and set(item) == {"web3signer_uuid", "pubkey", "chain", "datetime", "active", "encrypted_data_key_b64",
                                                                      "sealed_keys_b64"} for item in items)
    assert max(sum(len(name) + len(str(value)) for name, value in item.items()) for item in items) < 400 * 1024
    secret_keys, found = set(rig.told_all("secret_key")), set()
    data_keys = [rig.decrypt(item["encrypted_data_key_b64"]) for item in items]
    assert sorted(key.hex() for key in data_keys) == sorted(rig.told_all("data_key")) and len(set(data_keys)) == 4
    for item, data_key in zip(items, data_keys):
        found |= {unsealed(blob, data_key).hex() for blob in blobs_of(item)}
    assert len(secret_keys) == 10000 and found == secret_keys
    deposits = json.loads((rig.folder / "deposits.json").read_text())
    listed = json.loads(rig.ctl("list", "--output=json"))
    assert listed["count"] == listed["sealed"] == 10000 and listed["batches"] == 4
    assert sorted("0x" + deposit["pubkey"] for deposit in deposits) == sorted(key["pubkey"] for key in listed["keys"])


def test_a_killed_upload_of_sealed_keys_goes_on(rig):
    rig.ctl("upload", "--count=1", *CHEAP, uuid=OTHER)  # only for a mnemonic
    (words,) = rig.told_all("mnemonic")
    (rig.folder / "words").write_text(words)
    options = ["--sealed", "--count=3000", "--first=1", "--deposits=deposits.json", "--existing-mnemonic-fd=0"]
    with open(rig.folder / "words", encoding="ascii") as file:
        process = subprocess.Popen(rig.command("upload", *options), cwd=rig.folder, env=rig.environment, stdin=file, stdout=subprocess.DEVNULL)
        puts = rig.relay.operations["PutItem"]
        deadline = time.monotonic() + 600
        while rig.relay.operations["PutItem"] == puts:
            assert process.poll() is None and time.monotonic() < deadline, "it was over too early"
            time.sleep(0.002)
        time.sleep(0.05)
        process.kill()
        process.wait(10)
    settle(rig)
    assert len(rig.items()) <= 1
    there = sum(len(blobs_of(item)) for item in rig.items())
    assert f"{3000 - there} keys written, {there} there already" in rig.ctl("upload", *options, input=words)
    pubkeys = [blob[:48] for item in rig.items() for blob in blobs_of(item)]
    assert len(pubkeys) == len(set(pubkeys)) == 3000


def generated(rig, uuid, *arguments):
    """keys generate --out=items."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), writer)
    (rig.folder / "credentials.json").write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "token": TOKEN}))
    done = subprocess.run([rig.bin_dir / "nitro-signer-ctl", "keys", "generate", "--out=items", f"--uuid={uuid}", f"--mnemonic-fd={writer}", *arguments,
                           f"--key-arn={rig.judge.key_arn}", "--credentials=credentials.json"], cwd=rig.folder, pass_fds=[writer], check=True, capture_output=True, text=True, timeout=600, env=rig.environment)
    os.close(writer)
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_items_made_before(rig):
    keys = generated(rig, "none", "--count=4", *CHEAP)
    sealed = generated(rig, STACK, "--count=2800", "--sealed", "--withdrawal-address=0x" + "11" * 20)
    assert "2804 keys written" in rig.ctl("upload", "--items=items")
    assert sorted(len(blobs_of(item)) for item in rig.items() if "sealed_keys_b64" in item) == [100, 2700]
    for key in keys:
        made = json.loads((rig.folder / f"items/validators/{key[2:]}.json").read_text())
        assert {**made, "web3signer_uuid": STACK} in rig.items()
    listed = json.loads(rig.ctl("list", "--output=json"))
    assert sorted(key["pubkey"] for key in listed["keys"]) == sorted(keys + sealed)
    assert "0 keys written, 2804 there already" in rig.ctl("upload", "--items=items")
    assert "web3signer_uuid: is another" in rig.ctl("upload", "--items=items", uuid=OTHER, status=1) and not rig.items(OTHER)


@pytest.mark.parametrize("change, why", [
    ({"pubkey": "00"}, "pubkey"), ({"encrypted_key_password_mnemonic_b64": "!"}, "encrypted_key_password_mnemonic_b64"), ({"active": "yes"}, "active"),
    ({"web3signer_uuid": OTHER}, "web3signer_uuid")])
def test_a_damaged_item_of_a_folder_is_named(rig, change, why):
    (first, _) = generated(rig, "none", "--count=2", *CHEAP)
    path = rig.folder / f"items/validators/{first[2:]}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    said = rig.ctl("upload", "--items=items", status=1)
    assert path.name in said and why in said and not rig.items(None)


def test_activate_deactivate_and_list(rig):
    rig.ctl("upload", *rig.some_keystores("keys", 2))
    rig.ctl("upload", "--sealed", "--count=3", "--deposits=d.json")
    first, second = sorted(item["pubkey"] for item in rig.items() if "sealed_keys_b64" not in item)
    (batch,) = (item["pubkey"] for item in rig.items() if "sealed_keys_b64" in item)
    active = lambda: {item["pubkey"]: item["active"] for item in rig.items()}
    rig.ctl("deactivate", "0x" + first, batch)
    assert active() == {first: False, second: True, batch: False}
    said = rig.ctl("list")
    assert "5 keys: 2 in keystores, 3 sealed in 1 batches; 4 inactive; 0 damaged items" in said and f"0x{first}  keystore  inactive" in said
    rig.ctl("activate", first, batch)
    assert active() == {first: True, second: True, batch: True}
    assert "no such key" in rig.ctl("activate", ERC_PUBKEY, status=1)
    assert f"is sealed in the batch {batch}" in rig.ctl("deactivate", batch.removeprefix("sealed-"), status=1)
    assert f"is under web3signer_uuid {STACK}" in rig.ctl("deactivate", first, uuid=OTHER, status=1)
    rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": {"web3signer_uuid": {"S": OTHER}, "pubkey": {"S": first}, "active": {"BOOL": False}}})
    assert "is in two items" in rig.ctl("activate", first, status=1)
    rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": {"web3signer_uuid": {"S": OTHER}, "pubkey": {"S": batch.removeprefix("sealed-")}}})
    assert "is in two items" in rig.ctl("activate", batch, status=1) and rig.ctl("deactivate", batch) == f"{batch} inactive\n"


def test_a_damaged_item_is_listed_as_such(rig):
    for name in ("zz" * 48, "sealed-x"):
        rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": name}, "active": {"BOOL": True}, "chain": {"N": "7"}}})
    assert "0 keys" in rig.ctl("list") and "2 damaged items" in rig.ctl("list") and "damaged item  sealed-x" in rig.ctl("list")


def test_keys_of_nobody_are_assigned(rig):
    rig.ctl("upload", "--count=2", *CHEAP, uuid="none")
    before = {item["pubkey"]: item for item in rig.items("none")}
    first, second = sorted(before)
    rig.ctl("deactivate", second, uuid="none")
    rig.relay.inject(drop_answer, operation="TransactWriteItems")
    assert "assigned" in rig.ctl("assign", "0x" + first, second)
    assert {item["pubkey"]: item for item in rig.items()} == {first: {**before[first], "web3signer_uuid": STACK},
                                                              second: {**before[second], "web3signer_uuid": STACK, "active": False}}
    assert not rig.items("none") and "there already" in rig.ctl("assign", first)
    assert f"is under web3signer_uuid {STACK}" in rig.ctl("assign", first, uuid=OTHER, status=1)


def test_keys_of_a_stack_that_is_gone_are_assigned(rig):
    """Only while they are inactive there, and they stay so: the signers of that stack may live."""
    rig.ctl("upload", "--count=1", *CHEAP, uuid=OTHER)
    (item,) = rig.items(OTHER)
    key = "0x" + item["pubkey"]
    assert 'not "none"' in rig.ctl("assign", key, status=1)
    assert "is active there: keys deactivate" in rig.ctl("assign", f"--from={OTHER}", key, status=1) and not rig.items()
    rig.ctl("deactivate", key, uuid=OTHER)
    assert f'not "{STACK}"' in rig.ctl("assign", f"--from={STACK}", key, status=1)
    assert "assigned" in rig.ctl("assign", f"--from={OTHER}", key)
    assert rig.items() == [{**item, "web3signer_uuid": STACK, "active": False}] and not rig.items(OTHER)
    rig.ctl("activate", key)
    assert rig.items() == [{**item, "web3signer_uuid": STACK}]


def test_a_key_that_is_activated_meanwhile_stays_where_it_is(rig):
    rig.ctl("upload", "--count=1", *CHEAP, uuid=OTHER)
    (item,) = rig.items(OTHER)
    rig.ctl("deactivate", item["pubkey"], uuid=OTHER)
    key = {"web3signer_uuid": {"S": OTHER}, "pubkey": {"S": item["pubkey"]}}
    full = {**rig.dynamodb.ask("GetItem", {"TableName": rig.table, "Key": key})["Item"], "active": {"BOOL": True}}

    async def meanwhile(exchange):
        rig.dynamodb.ask("PutItem", {"TableName": rig.table, "Item": full})
        await exchange.reply(await exchange.forward())

    rig.relay.inject(meanwhile, operation="TransactWriteItems")
    assert "somebody else has changed its item meanwhile" in rig.ctl("assign", f"--from={OTHER}", item["pubkey"], status=1)
    assert rig.items(OTHER) == [item] and not rig.items()


@pytest.mark.parametrize("arguments, named", [
    ([], "one of --count"), (["--count=1", "--items=x"], "one of --count"), (["--keystores-path=x"], "--keystores-passwords-path"),
    (["--items=x", "--sealed"], "--sealed"), (["--keystores-path=x", "--keystores-password-file=y", "--sealed", "--replace"], "--replace"),
    (["--keystores-path=x", "--keystores-password-file=y", "--sealed", "--move"], "--move"), (["--count=1", "--sealed"], "--deposits"),
    (["--count=1", "--deposits=x"], "--deposits"), (["--count=1", "--sealed", "--deposits=x", "--kdf=pbkdf2"], "--kdf: not with --sealed"),
    (["--keystores-path=x", "--keystores-password-file=y", "--kdf=pbkdf2"], "--kdf"), (["--count=1", "--network=nowhere"], "--network"),
    (["--keystores-path=x", "--keystores-password-file=y", "--key-arn=arn:aws:kms:eu-west-1:1:key/a"], "--key-arn")])
def test_usage_errors(rig, arguments, named):
    assert named in rig.ctl("upload", *arguments, status=2)


def test_sealed_keys_of_nobody_could_never_be_assigned(rig):
    assert "--uuid" in rig.ctl("upload", "--sealed", "--count=1", "--deposits=d", uuid="none", status=2)
    assert "--stack" in rig.ctl("list", uuid=None, status=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may read this process's memory")
def test_secrets_are_in_locked_memory_alone(rig):
    """While it writes, KMS having its plaintexts already: memory, arguments, environment, and what a crash would leave behind."""
    keys, password = [secrets.token_bytes(31).rjust(32, b"\0") for _ in range(3)], secrets.token_urlsafe(24)
    options = rig.write_keystores("keys", *(keystore(key, password) for key in keys), password=password + "\n")
    rig.relay.delay_ms = 1500
    process = subprocess.Popen(rig.command("upload", *options), cwd=rig.folder, env=rig.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not rig.relay.operations["PutItem"]:
        assert process.poll() is None
        time.sleep(0.002)
    forms = [(f"key {number}, {form}", "ctl", content) for number, key in enumerate(keys)
             for form, content in (("as it is", key), ("hex", key.hex().encode()), ("base64", base64.b64encode(key)[:40]))]
    forms += [(f"password, {form}", "ctl", content) for form, content in (("as it is", password.encode()), ("base64", base64.b64encode(password.encode())[:30]))]
    assert search({"ctl": process.pid}, forms) == {"key 0", "key 1", "key 2", "password"}
    about = pathlib.Path(f"/proc/{process.pid}")
    seen = (about / "cmdline").read_bytes() + (about / "environ").read_bytes()
    assert re.search(r"Max core file size +0 +0", (about / "limits").read_text())
    process.send_signal(signal.SIGQUIT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGQUIT
    assert not [name for name, _, form in forms if form in seen + said]
    assert not [path for path in rig.folder.iterdir() if path.name.startswith("core")]
