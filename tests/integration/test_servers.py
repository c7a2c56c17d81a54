"""The servers that other tests lean on do what those tests assume: PostgreSQL with Web3Signer's tables, DynamoDB Local,
and the relay in front of it with each of its faults."""
import concurrent.futures
import http.client
import json
import ssl
import subprocess
import time

import psycopg2
import pytest

import dynamodb_relay as relays
from dynamodb_server import ACCESS_KEY, REGION, SECRET_KEY

KEYS = [bytes([n]) * 48 for n in range(1, 5)]


# PostgreSQL

def register(database, *keys):
    return dict((bytes(key), number) for number, key in
                database.query("SELECT v_id, v_public_key FROM upsert_validators(%s)", (list(keys),)))


def test_postgres_demands_the_password_and_is_durable(postgres, postgres_database):
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(postgres_database.dsn.replace(postgres.password, "wrong"))
    assert [postgres_database.query(f"SHOW {name}")[0][0] for name in ("fsync", "synchronous_commit")] == ["on", "on"]
    assert postgres_database.query("SHOW server_version")[0][0].startswith("15.")
    verified = psycopg2.connect(postgres_database.dsn + f" sslmode=verify-full sslrootcert={postgres.ca_file}")
    assert verified.info.ssl_in_use
    verified.close()
    socket = psycopg2.connect(postgres_database.dsn.replace(postgres.host, str(postgres.socket_folder)))
    socket.close()


def test_postgres_databases_are_apart(postgres):
    one, other, bare = postgres.database(), postgres.database(), postgres.database(schema=False)
    register(one, KEYS[0])
    assert one.query("SELECT count(*) FROM validators") == [(1,)]
    assert other.query("SELECT count(*) FROM validators") == [(0,)]
    assert bare.query("SELECT to_regclass('validators')") == [(None,)]


def test_postgres_survives_a_crash_with_what_was_committed(postgres, postgres_database):
    register(postgres_database, KEYS[0])
    with postgres_database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO validators (public_key) VALUES (%s)", (KEYS[1],))
        postgres.kill()
        postgres.start()
        with pytest.raises(psycopg2.OperationalError):
            connection.commit()
    assert [bytes(row[0]) for row in postgres_database.query("SELECT public_key FROM validators")] == [KEYS[0]]


def test_schema_version_and_empty_tables(postgres_database):
    assert postgres_database.query("SELECT id, version FROM database_version") == [(1, 12)]
    for table in ("metadata", "validators", "signed_blocks", "signed_attestations", "low_watermarks"):
        assert postgres_database.query(f"SELECT count(*) FROM {table}") == [(0,)]


def test_schema_upsert_keeps_order_duplicates_and_ids(postgres_database):
    first = register(postgres_database, KEYS[1], KEYS[0])
    rows = postgres_database.query("SELECT v_id, v_public_key FROM upsert_validators(%s)",
                                   ([KEYS[2], KEYS[0], KEYS[2], KEYS[1]],))
    assert [bytes(key) for _, key in rows] == [KEYS[2], KEYS[0], KEYS[2], KEYS[1]]
    assert rows[1][0] == first[KEYS[0]] and rows[3][0] == first[KEYS[1]] and rows[0] == rows[2]
    assert postgres_database.query("SELECT count(*), bool_and(enabled) FROM validators") == [(3, True)]


def test_schema_upsert_waits_for_another_transaction(postgres_database):
    """Two signers that load the same key at once get the same id."""
    with postgres_database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT v_id FROM upsert_validators(%s)", ([KEYS[0]],))
        number = cursor.fetchone()[0]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            other = pool.submit(register, postgres_database, KEYS[0], KEYS[1])
            while not postgres_database.query("SELECT 1 FROM pg_locks WHERE NOT granted"):
                assert not other.done()
            connection.commit()
            assert other.result(10)[KEYS[0]] == number


@pytest.mark.parametrize("text", [
    "INSERT INTO validators (public_key) VALUES (%(key)s)",
    "INSERT INTO signed_blocks (validator_id, slot) VALUES (%(id)s, 7)",
    "INSERT INTO signed_blocks (validator_id, slot) VALUES (%(id)s + 1, 8)",
    "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) VALUES (%(id)s, 0, 3)",
    "INSERT INTO signed_blocks (validator_id, slot) VALUES (%(id)s, 100000000000000000000)",
    "INSERT INTO low_watermarks (validator_id) VALUES (%(id)s)",
    "UPDATE low_watermarks SET source_epoch = 1",
    "UPDATE low_watermarks SET target_epoch = 1",
    "UPDATE low_watermarks SET slot = 101",
    "UPDATE low_watermarks SET source_epoch = 2, target_epoch = 51",
    "UPDATE metadata SET high_watermark_slot = 5",
    "UPDATE metadata SET high_watermark_slot = NULL, high_watermark_epoch = 0",
    "INSERT INTO metadata (id) VALUES (2)",
])
def test_schema_refuses(postgres_database, text):
    number = register(postgres_database, KEYS[0])[KEYS[0]]
    postgres_database.query("INSERT INTO metadata VALUES (1, %s, 50, 100)", (b"\x11" * 32,))
    postgres_database.query("INSERT INTO low_watermarks (validator_id, slot) VALUES (%s, 5)", (number,))
    postgres_database.query("INSERT INTO signed_blocks (validator_id, slot) VALUES (%s, 7)", (number,))
    postgres_database.query("INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) VALUES (%s, 1, 3)",
                            (number,))
    if "high_watermark_epoch = 0" in text:
        postgres_database.query("UPDATE low_watermarks SET source_epoch = 0, target_epoch = 0")
    with pytest.raises((psycopg2.IntegrityError, psycopg2.errors.RaiseException, psycopg2.errors.NumericValueOutOfRange)):
        postgres_database.query(text, {"key": KEYS[0], "id": number})


def test_schema_admits_the_edges(postgres_database):
    """A floor equal to the ceiling, the largest 64-bit number, and attestations without a validator."""
    number = register(postgres_database, KEYS[0])[KEYS[0]]
    postgres_database.query("INSERT INTO metadata VALUES (1, %s, 50, 100)", (b"\x11" * 32,))
    postgres_database.query("INSERT INTO low_watermarks (validator_id, slot, source_epoch, target_epoch) "
                            "VALUES (%s, 100, 50, 50)", (number,))
    postgres_database.query("INSERT INTO signed_blocks (validator_id, slot) VALUES (%s, %s)", (number, 2**64 - 1))
    postgres_database.query("INSERT INTO signed_attestations (source_epoch, target_epoch) VALUES (0, 0)")
    postgres_database.query("UPDATE metadata SET high_watermark_slot = NULL, high_watermark_epoch = NULL")


# DynamoDB Local

def put_marks(dynamodb, table, keys, value="0"):
    for key in keys:
        dynamodb.ask("PutItem", {"TableName": table, "Item": {"pk": {"S": key}, "mark": {"N": value}}})


def advance(table, key, old, new):
    """A conditional update, as a store makes it."""
    return {"TableName": table, "Key": {"pk": {"S": key}}, "UpdateExpression": "SET mark = :new",
            "ConditionExpression": "mark = :old", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "ExpressionAttributeValues": {":new": {"N": str(new)}, ":old": {"N": str(old)}}}


def mark(dynamodb, table, key="a"):
    return dynamodb.ask("GetItem", {"TableName": table, "Key": {"pk": {"S": key}}, "ConsistentRead": True})["Item"]["mark"]["N"]


def test_dynamodb_conditional_update_shows_the_item(dynamodb):
    table = dynamodb.create_table()
    put_marks(dynamodb, table, ["a"])
    assert dynamodb.call("UpdateItem", advance(table, "a", 0, 5))[0] == 200
    status, answer = dynamodb.call("UpdateItem", advance(table, "a", 0, 6))
    assert status == 400 and answer["__type"].endswith("#ConditionalCheckFailedException")
    assert answer["Item"] == {"pk": {"S": "a"}, "mark": {"N": "5"}}


def test_dynamodb_batch_of_statements_answers_each(dynamodb):
    table = dynamodb.create_table()
    put_marks(dynamodb, table, ["a", "b"])
    update = f'UPDATE "{table}" SET mark=? WHERE pk=? AND mark=?'
    statements = [{"Statement": update, "Parameters": [{"N": "5"}, {"S": key}, {"N": old}],
                   "ReturnValuesOnConditionCheckFailure": "ALL_OLD"} for key, old in (("a", "0"), ("b", "1"))]
    done, refused = dynamodb.ask("BatchExecuteStatement", {"Statements": statements})["Responses"]
    assert "Error" not in done and mark(dynamodb, table) == "5"
    assert refused["Error"]["Code"] == "ConditionalCheckFailed" and mark(dynamodb, table, "b") == "0"


def test_dynamodb_transaction_is_all_or_nothing(dynamodb):
    table = dynamodb.create_table()
    put_marks(dynamodb, table, ["a", "b"])
    items = [{"Update": advance(table, "a", 0, 5)}, {"Update": advance(table, "b", 1, 5)}]
    status, answer = dynamodb.call("TransactWriteItems", {"TransactItems": items})
    assert status == 400 and [reason["Code"] for reason in answer["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert answer["CancellationReasons"][1]["Item"]["mark"] == {"N": "0"}
    assert mark(dynamodb, table) == "0"


def test_dynamodb_scan_pages(dynamodb):
    table = dynamodb.create_table()
    put_marks(dynamodb, table, [f"k{n}" for n in range(7)])
    seen, start = [], {}
    while start is not None:
        page = dynamodb.ask("Scan", {"TableName": table, "ConsistentRead": True, "Limit": 3, **start})
        seen += [item["pk"]["S"] for item in page["Items"]]
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    assert sorted(seen) == [f"k{n}" for n in range(7)]


# The relay

@pytest.fixture
def https(dynamodb_relay):
    """https(operation, body, timeout) over one verified connection that is kept while it works."""
    context = ssl.create_default_context(cafile=dynamodb_relay.ca_file)
    connection = http.client.HTTPSConnection("localhost", dynamodb_relay.port, context=context)

    def ask(operation, body, timeout=30):
        connection.timeout = timeout
        try:
            connection.request("POST", "/", json.dumps(body), {
                "X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20200101/{REGION}/dynamodb/aws4_request, "
                "SignedHeaders=host, Signature=0"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    yield ask
    connection.close()


@pytest.fixture
def table(dynamodb):
    name = dynamodb.create_table()
    put_marks(dynamodb, name, ["a"])
    return name


BROKEN = (OSError, http.client.HTTPException, ValueError)


def test_relay_passes_and_counts(dynamodb_relay, https, table):
    for n in range(3):
        assert https("UpdateItem", advance(table, "a", n, n + 1))[0] == 200
    assert https("GetItem", {"TableName": table, "Key": {"pk": {"S": "a"}}})[1]["Item"]["mark"] == {"N": "3"}
    assert dynamodb_relay.operations == {"UpdateItem": 3, "GetItem": 1} and dynamodb_relay.requests == 4
    assert (dynamodb_relay.connections, dynamodb_relay.open_connections) == (1, 1)


def test_relay_has_the_region_s_name_and_only_its_own_authority(dynamodb_relay, folder):
    """curl verifies the name of the service, as our client does, by port and by unix socket."""
    def curl(*options):
        return subprocess.run(["curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}",
                               *options, f"https://{relays.HOST}/"], capture_output=True, text=True, timeout=10, check=False)
    trust = ["--cacert", str(dynamodb_relay.ca_file)]
    direct = ["--connect-to", f"{relays.HOST}:443:127.0.0.1:{dynamodb_relay.port}"]
    assert curl(*trust, *direct).stdout.endswith(" 0")
    assert curl(*trust, "--unix-socket", str(folder / "dynamodb")).stdout.endswith(" 0")
    assert curl(*direct).returncode == 60


def test_relay_delays_without_holding_up_others(dynamodb_relay, table):
    context = ssl.create_default_context(cafile=dynamodb_relay.ca_file)

    def one(_):
        connection = http.client.HTTPSConnection("localhost", dynamodb_relay.port, context=context, timeout=30)
        connection.request("POST", "/", json.dumps({"TableName": table, "Key": {"pk": {"S": "a"}}}), {
            "X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=A/20200101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, "
            "Signature=0"})
        start = time.monotonic()
        assert connection.getresponse().read()
        connection.close()
        return time.monotonic() - start

    dynamodb_relay.delay_ms = 1000
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(seconds > 0.99 for seconds in pool.map(one, range(20)))
    assert time.monotonic() - start < 20 / 2
    assert dynamodb_relay.most_connections > 10


def test_relay_loses_answers_after_the_write(dynamodb, dynamodb_relay, https, table):
    for number, fault in enumerate((relays.drop_answer, relays.half_answer)):
        dynamodb_relay.inject(fault)
        with pytest.raises(BROKEN):
            https("UpdateItem", advance(table, "a", number, number + 1))
        assert mark(dynamodb, table) == str(number + 1)


def test_relay_loses_requests_before_the_write(dynamodb, dynamodb_relay, https, table):
    dynamodb_relay.inject(relays.drop_request)
    with pytest.raises(BROKEN):
        https("UpdateItem", advance(table, "a", 0, 1))
    assert mark(dynamodb, table) == "0"
    assert https("UpdateItem", advance(table, "a", 0, 1))[0] == 200


def test_relay_duplicates(dynamodb, dynamodb_relay, https, table):
    dynamodb_relay.inject(relays.duplicate)
    status, answer = https("UpdateItem", advance(table, "a", 0, 1))
    assert status == 400 and answer["Item"]["mark"] == {"N": "1"} and mark(dynamodb, table) == "1"


def test_relay_delivers_late(dynamodb, dynamodb_relay, https, table):
    dynamodb_relay.inject(relays.late(2))
    with pytest.raises(BROKEN):
        https("UpdateItem", advance(table, "a", 0, 1))
    assert mark(dynamodb, table) == "0"
    deadline = time.monotonic() + 30
    while mark(dynamodb, table) == "0":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_relay_hangs_and_heals(dynamodb, dynamodb_relay, https, table):
    dynamodb_relay.inject(relays.hang, count=None)
    with pytest.raises(TimeoutError):
        https("UpdateItem", advance(table, "a", 0, 1), timeout=2)
    assert mark(dynamodb, table) == "1"
    dynamodb_relay.heal()
    assert https("UpdateItem", advance(table, "a", 1, 2))[0] == 200


def test_relay_refuses_as_the_service_does_for_one_operation(dynamodb, dynamodb_relay, https, table):
    dynamodb_relay.inject(relays.throttle, count=2, operation="UpdateItem")
    dynamodb_relay.inject(relays.server_error, operation="UpdateItem")
    answers = []
    for _ in range(4):
        assert https("GetItem", {"TableName": table, "Key": {"pk": {"S": "a"}}})[0] == 200
        status, answer = https("UpdateItem", advance(table, "a", 0, 1))
        answers.append((status, answer.get("__type", "").rpartition("#")[2]))
    assert answers == [(400, "ProvisionedThroughputExceededException")] * 2 + [(500, "InternalServerError"), (200, "")]


def test_relay_lets_a_test_forge(dynamodb, dynamodb_relay, https, table):
    async def forge(exchange):
        body = exchange.body
        body["ExpressionAttributeValues"][":new"] = {"N": "77"}
        await exchange.reply(await exchange.forward(body))

    dynamodb_relay.inject(forge, when=lambda exchange: exchange.body["TableName"] == table)
    assert https("UpdateItem", advance(table, "a", 0, 1))[0] == 200
    assert mark(dynamodb, table) == "77"


def test_relay_checks_signatures_when_asked(dynamodb_relay, https, folder):
    """curl signs by itself, as an independent judge of the check."""
    dynamodb_relay.secret_key = SECRET_KEY
    status, answer = https("ListTables", {})
    assert status == 400 and answer["__type"].endswith("#InvalidSignatureException")

    def curl(secret):
        return subprocess.run(["curl", "-sS", "--max-time", "5", "--cacert", dynamodb_relay.ca_file, "--connect-to",
                               f"{relays.HOST}:443:127.0.0.1:{dynamodb_relay.port}", "--aws-sigv4", f"aws:amz:{REGION}:dynamodb",
                               "--user", f"{ACCESS_KEY}:{secret}", "-H", "X-Amz-Target: DynamoDB_20120810.ListTables", "-H",
                               "Content-Type: application/x-amz-json-1.0", "-d", "{}", f"https://{relays.HOST}/"],
                              capture_output=True, text=True, timeout=10, check=True).stdout
    assert "TableNames" in curl(SECRET_KEY)
    assert "InvalidSignatureException" in curl(SECRET_KEY + "x")
