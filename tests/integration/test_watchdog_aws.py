"""nitro-signer-watchdog on AWS: keys from DynamoDB (Amazon's DynamoDB Local, behind a relay that checks signatures and fails
on demand), credentials from the instance's metadata service (a stand-in by its contract, and moto's)."""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import subprocess
import time

import pytest

from dynamodb_relay import answer_bytes, hang, throttle
from dynamodb_server import SECRET_KEY
from harness import free_port
from imds_server import ImdsServer, document
from python_tools import python_tool
from test_watchdog import SERVING, Control, prepare

STACK = "51af3dc0-da77-11e4-872e-1234567db123"


def until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def control(folder):
    with contextlib.closing(Control(folder / "control")) as port:
        yield port


@pytest.fixture
def imds():
    with contextlib.closing(ImdsServer()) as server:
        yield server


def ciphertext_of(number):
    return base64.b64encode(f"ciphertext {number} ".encode() * 40).decode()


def validator(number, stack=STACK, active=True):
    """An item as the key loader of the system we replace writes it."""
    return {"web3signer_uuid": {"S": stack}, "pubkey": {"S": f"b{number:095x}"}, "chain": {"S": "goerli"},
            "encrypted_key_password_mnemonic_b64": {"S": ciphertext_of(number)}, "active": {"BOOL": active},
            "deposit_json_b64": {"S": base64.b64encode(b"[{}]" * 200).decode()}, "datetime": {"S": "2022-11-15T11:02:09.123456"}}


class Tables:
    def __init__(self, server):
        self.server, self.validators, self.tls = server, server.fresh_name(), server.fresh_name()
        for name, key in ((self.validators, [("web3signer_uuid", "S", "HASH"), ("pubkey", "S", "RANGE")]),
                          (self.tls, [("key_id", "N", "HASH")])):
            server.ask("CreateTable", {
                "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": attribute, "KeyType": kind} for attribute, _, kind in key],
                "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": form} for attribute, form, _ in key]})
        self.put(self.tls, {"key_id": {"N": "1"}, "encrypted_tls_key_b64": {"S": "dGxz"}, "cert_pem": {"S": "cGVt"}})

    def put(self, table, item):
        self.server.ask("PutItem", {"TableName": table, "Item": item})

    def put_all(self, *items):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda item: self.put(self.validators, item), items))


@pytest.fixture
def tables(dynamodb):
    return Tables(dynamodb)


@pytest.fixture
def arguments(folder, tables, dynamodb_relay):
    """Keys from the tables, credentials from a file that DynamoDB's relay takes."""
    dynamodb_relay.secret_key = SECRET_KEY
    options = [option for option in prepare(folder) if not option.startswith("--items=")]
    (folder / "credentials.json").write_text(json.dumps({"access_key_id": "AKIDLOCALTESTS", "secret_access_key": SECRET_KEY, "token": "t"}))
    return [f"--validator-table={tables.validators}", f"--tls-table={tables.tls}", f"--stack-uuid={STACK}",
            f"--dynamodb-endpoint=https://localhost:{dynamodb_relay.port}", f"--ca-file={dynamodb_relay.ca_file}", *options]


def replaced(arguments, *changes):
    """The same with these options in place of those of the same names."""
    names = {change.split("=")[0] for change in changes}
    return [*changes, *(option for option in arguments if option.split("=")[0] not in names)]


def init_of(start, control, arguments):
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    request = control.expect("init", body={"init_state": True, "keys": 1, "failed": 0})
    return watchdog.wait_ready(), request


def test_a_thousand_keys_over_many_pages_and_none_of_anybody_else(start, control, arguments, tables, dynamodb_relay):
    tables.put_all(*(validator(n) for n in range(1000)), *(validator(n, active=False) for n in range(1000, 1010)),
                   validator(2000, stack="none"), validator(2001, stack=STACK + "x"))
    watchdog, request = init_of(start, control, arguments)
    assert request["encrypted_validator_keys"] == [ciphertext_of(n) for n in range(1000)]
    assert request["encrypted_tls_key"] == "dGxz" and "sealed_validator_keys" not in request
    assert dynamodb_relay.operations["Query"] >= 5 and dynamodb_relay.operations["GetItem"] == 1
    assert "10 inactive items" in watchdog.log() and SECRET_KEY not in watchdog.log()


def test_a_page_without_items_is_not_the_last(start, control, arguments, tables, dynamodb_relay):
    """DynamoDB may answer so whenever it likes; the next page must be asked for with the key as it came."""
    tables.put_all(validator(1), validator(2))
    asked = []
    key = {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": f"{0:096x}"}}

    async def empty(exchange):
        asked.append(exchange.body)
        await exchange.reply(answer_bytes(200, {"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": key}))

    dynamodb_relay.inject(empty, operation="Query", when=lambda exchange: "ExclusiveStartKey" not in exchange.body)
    _, request = init_of(start, control, arguments)
    assert request["encrypted_validator_keys"] == [ciphertext_of(1), ciphertext_of(2)]
    assert asked[0]["ConsistentRead"] is True and dynamodb_relay.operations["Query"] == 2


def test_a_page_that_names_itself_ends_the_query_and_not_the_watchdog(start, control, arguments, tables, dynamodb_relay):
    tables.put_all(validator(1))
    key = {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": f"{0:096x}"}}

    async def same(exchange):
        await exchange.reply(answer_bytes(200, {"Items": [], "LastEvaluatedKey": key}))

    dynamodb_relay.inject(same, count=2, operation="Query")
    watchdog, request = init_of(start, control, arguments)
    assert len(request["encrypted_validator_keys"]) == 1
    assert "LastEvaluatedKey: names the same page again" in watchdog.log()


DAMAGES = {
    "encrypted_key_password_mnemonic_b64": [None, {"S": ""}, {"S": "not base64"}, {"N": "1"}, {"S": "QUFB" * 3000}],
    "active": [None, {"S": "true"}, {"NULL": True}],
    "pubkey": [{"S": "zz" * 48}, {"S": "00"}],
}


@pytest.mark.parametrize("attribute, value", [(name, value) for name, values in DAMAGES.items() for value in values])
def test_a_damaged_item_is_named_and_costs_no_other(start, control, arguments, tables, attribute, value):
    damaged = {name: form for name, form in {**validator(7), attribute: value}.items() if form is not None}
    tables.put_all(*(validator(n) for n in (1, 2, 3)), damaged)
    watchdog, request = init_of(start, control, arguments)
    assert request["encrypted_validator_keys"] == [ciphertext_of(n) for n in (1, 2, 3)]
    assert f"item {damaged['pubkey']['S']}: {attribute}" in watchdog.log()
    assert "1 damaged items are left out" in watchdog.log()


def test_sealed_batches_are_items_of_the_same_table(start, control, arguments, tables):
    keys = base64.b64encode(b"".join(bytes([n]) * 108 for n in range(1, 31))).decode()
    batch = {"web3signer_uuid": {"S": STACK}, "pubkey": {"S": "sealed-1"}, "active": {"BOOL": True}, "chain": {"S": "mainnet"},
             "datetime": {"S": "2026-01-31T12:00:00Z"}, "encrypted_data_key_b64": {"S": "ZGF0YSBrZXk="}, "sealed_keys_b64": {"S": keys}}
    tables.put_all(validator(1 << 300), batch, {**batch, "pubkey": {"S": "sealed-2"}, "active": {"BOOL": False}},
                   {**batch, "pubkey": {"S": "sealed-3"}, "sealed_keys_b64": {"S": keys[:-8]}})
    watchdog, request = init_of(start, control, arguments)
    assert request["sealed_validator_keys"] == [{"web3signer_uuid": STACK, "encrypted_data_key": "ZGF0YSBrZXk=", "keys": keys}]
    assert len(request["encrypted_validator_keys"]) == 1
    assert "sending 31 encrypted keys" in watchdog.log() and "item sealed-3: sealed_keys_b64" in watchdog.log()


def test_an_empty_table_is_waited_for(start, control, arguments, tables):
    """The operator may deploy first and upload keys then; nothing has to be restarted."""
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    until(lambda: f"table {tables.validators}, web3signer_uuid {STACK}: no active key" in watchdog.log(), "said nothing of the empty table")
    tables.put_all(validator(1))
    assert control.expect("init", body=SERVING)["encrypted_validator_keys"] == [ciphertext_of(1)]
    watchdog.wait_ready()


@pytest.mark.parametrize("option, said", [("--validator-table=absent", "table absent: "), ("--tls-table=absent", "table absent: ")])
def test_a_missing_table_is_named(start, control, arguments, tables, option, said):
    tables.put_all(validator(1))
    watchdog = start("nitro-signer-watchdog", *replaced(arguments, option), ready=False)
    control.accept()
    until(lambda: said in watchdog.log() and "ResourceNotFoundException" in watchdog.log(), "said nothing of the missing table")
    assert watchdog.terminate() == 0


def test_a_missing_tls_key_is_named(start, control, arguments, tables):
    tables.put_all(validator(1))
    tables.server.ask("DeleteItem", {"TableName": tables.tls, "Key": {"key_id": {"N": "1"}}})
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    until(lambda: "there is no TLS key" in watchdog.log(), "said nothing of the missing TLS key")


def test_throttling_is_sat_out(start, control, arguments, tables, dynamodb_relay):
    tables.put_all(*(validator(n) for n in range(300)))
    dynamodb_relay.inject(throttle, count=5, operation="Query")
    dynamodb_relay.inject(throttle, count=2, operation="GetItem")
    watchdog, request = init_of(start, control, arguments)
    assert len(request["encrypted_validator_keys"]) == 300
    assert "keys:" not in watchdog.log()


def test_a_service_that_hangs_holds_up_neither_death_nor_end(start, control, arguments, tables, dynamodb_relay):
    tables.put_all(validator(1))
    dynamodb_relay.inject(hang, count=None)
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    until(lambda: dynamodb_relay.operations["Query"] == 1, "was not asked")
    control.hang_up()  # it looks as if the enclave were lost: a new one is started meanwhile
    control.accept()
    began = time.monotonic()
    assert watchdog.terminate() == 0
    assert time.monotonic() - began < 5


def test_refused_credentials_are_said_and_new_ones_tried_at_once(start, control, arguments, tables, folder):
    tables.put_all(validator(1))
    genuine = (folder / "credentials.json").read_text()
    (folder / "credentials.json").write_text(genuine.replace(SECRET_KEY, "x" + SECRET_KEY))
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    until(lambda: "InvalidSignatureException" in watchdog.log(), "said nothing of the refusal")
    (folder / "credentials.json").write_text(genuine)
    control.expect("init", body=SERVING)


@pytest.mark.parametrize("gone, named", [("--validator-table", "--validator-table: required"), ("--tls-table", "--tls-table: required"),
                                         ("--stack-uuid", "--stack-uuid: required")])
def test_half_of_the_tables_is_a_mistake(start, arguments, gone, named):
    watchdog = start("nitro-signer-watchdog", *(a for a in arguments if not a.startswith(gone)), ready=False)
    assert watchdog.wait() == 2 and named in watchdog.log()


def test_tables_and_a_folder_are_a_mistake(start, arguments):
    watchdog = start("nitro-signer-watchdog", "--items=x", *arguments, ready=False)
    assert watchdog.wait() == 2 and "--items: not together" in watchdog.log()


# The instance's metadata service.


@pytest.fixture
def by_role(folder, imds):
    """Keys from a folder, credentials from the metadata service."""
    return replaced(prepare(folder), "--credentials=imds", f"--imds-endpoint={imds.url}", "--imds-interval=1")


def credential(serial):
    return {"access_key_id": f"ASIAIMDS{serial}", "secret_access_key": f"imds+secret/{serial}", "token": f"imds-token-{serial}"}


def test_the_role_s_credentials_go_with_init(start, control, by_role, imds):
    watchdog, request = init_of(start, control, by_role)
    assert request["credential"] == credential(1)
    assert imds.paths == [("PUT", "/latest/api/token"), ("GET", "/latest/meta-data/iam/security-credentials/"),
                          ("GET", "/latest/meta-data/iam/security-credentials/nitro-signer-instance")]
    control.expect("status", body=SERVING)
    assert len(imds.paths) == 3, "asks on although nothing expires"
    assert "imds+secret" not in watchdog.log() and "imds-token" not in watchdog.log() and "AQAA" not in watchdog.log()


def test_credentials_are_renewed_before_they_expire(start, control, by_role, imds):
    """The old ones have ten minutes left: there are no new ones yet, then there are."""
    imds.credentials = document(1, lives=600)
    init_of(start, control, by_role)
    until(lambda: len(imds.paths) >= 6, "did not ask again")
    control.expect("status", body=SERVING)  # the same as before: nothing to say to the enclave
    imds.credentials = document(2)
    assert control.expect("credentials")["credential"] == credential(2)
    asked = len(imds.paths)
    control.expect("status", body=SERVING)
    control.expect("status", body=SERVING)
    assert len(imds.paths) == asked, "asks on although the new ones are good"
    assert imds.paths.count(("PUT", "/latest/api/token")) == 1


def test_a_token_that_is_no_longer_taken_is_replaced(start, control, by_role, imds):
    imds.credentials = document(1, lives=600)
    init_of(start, control, by_role)
    imds.credentials = document(2)
    imds.forget()
    assert control.expect("credentials")["credential"] == credential(2)
    assert imds.paths.count(("PUT", "/latest/api/token")) == 2


def no_role(imds):
    imds.role = None


def switched_off(imds):
    imds.token_status = 403


def beyond_the_hop_limit(imds):
    imds.silent = True


def saying(value):
    def damage(imds):
        imds.credentials = value if isinstance(value, bytes) else {**document(), **value}
    return damage


@pytest.mark.parametrize("damage, said", [
    (no_role, "this instance has no role"),
    (switched_off, "is switched off for this instance"),
    (beyond_the_hop_limit, "need a hop limit of 2 or more"),
    (saying({"Code": "AssumeRoleUnauthorizedAccess"}), "Code: is not Success"),
    (saying({"Expiration": "tomorrow"}), "Expiration: must be a time"),
    (saying({"Expiration": "2026-02-30T12:00:00Z"}), "Expiration: must be a time"),
    (saying({"SecretAccessKey": 7}), "SecretAccessKey"),
    (saying({"Token": "with blank"}), "token: must be printable"),
    (saying(b"<html>"), "credentials: "),
    (saying(b'{"x":"' + b"x" * 20000 + b'"}'), "more than 16384 bytes"),
])
def test_each_fault_of_the_metadata_service_is_said_and_healed(start, control, by_role, imds, damage, said):
    healthy = dict(imds.__dict__)
    damage(imds)
    watchdog = start("nitro-signer-watchdog", *by_role, ready=False)
    control.accept()
    until(lambda: said in watchdog.log(), f"{said!r} is not in the log", 30)
    for name in ("role", "token_status", "silent", "credentials"):
        setattr(imds, name, healthy[name])
    assert control.expect("init", body=SERVING)["credential"] == credential(1)
    watchdog.wait_ready()
    assert "imds+secret" not in watchdog.log()


def test_a_busy_metadata_service_is_asked_again(start, control, by_role, imds):
    imds.statuses = [503, 429, 500]
    watchdog, request = init_of(start, control, by_role)
    assert request["credential"] == credential(1) and "keys:" not in watchdog.log()


def test_a_metadata_service_that_is_silent_does_not_hold_up_the_end(start, control, by_role, imds):
    imds.silent = True
    watchdog = start("nitro-signer-watchdog", *by_role, ready=False)
    control.accept()
    until(lambda: imds.paths, "was not asked")
    began = time.monotonic()
    assert watchdog.terminate() == 0
    assert time.monotonic() - began < 4


def test_moto_s_metadata_service(start, control, folder):
    """Somebody else's idea of the same contract."""
    port = free_port()
    with open(folder / "moto.log", "wb") as log, subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", python_tool("moto_server"), "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log) as moto:
        try:
            until(lambda: answers(port), "moto does not answer", 60)
            _, request = init_of(start, control, replaced(prepare(folder), "--credentials=imds", f"--imds-endpoint=http://127.0.0.1:{port}"))
            assert request["credential"] == {"access_key_id": "test-key", "secret_access_key": "test-secret-key", "token": "test-session-token"}
        finally:
            moto.kill()


def answers(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("PUT", "/latest/api/token")
        return connection.getresponse().status == 200
    except OSError:
        return False


def test_role_and_tables_together(start, control, arguments, tables, imds, dynamodb_relay):
    """Credentials that DynamoDB does not take are not kept: the next attempt asks for new ones."""
    tables.put_all(validator(1))
    imds.credentials = document(1)
    watchdog = start("nitro-signer-watchdog", *replaced(arguments, "--credentials=imds", f"--imds-endpoint={imds.url}"), ready=False)
    control.accept()
    until(lambda: "InvalidSignatureException" in watchdog.log(), "said nothing of the refusal")
    imds.credentials = document(2, SecretAccessKey=SECRET_KEY)
    request = control.expect("init", body=SERVING)
    assert request["credential"]["access_key_id"] == "ASIAIMDS2"
