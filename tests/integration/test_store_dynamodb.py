"""The DynamoDB store against Amazon's DynamoDB Local, behind a TLS relay that fails as networks and services do. The
conformance program (tests/unit/slashing/store_conformance.c) runs while faults are injected, and must not notice."""
import asyncio
import contextlib
import json
import os
import re
import subprocess

import pytest

import dynamodb_relay as relays
from dynamodb_relay import Authority, TlsRelay
from dynamodb_server import ACCOUNT, SECRET_KEY

PATIENT = ("--attempt-timeout-ms=600", "--deadline-ms=30000")


@pytest.fixture
def command(bin_dir, dynamodb, dynamodb_relay, folder):
    """command(*options) is the program's command line, for new tables through the relay."""
    dynamodb_relay.secret_key = SECRET_KEY

    def maker(*options, relay=dynamodb_relay, ca_file=None, table=None):
        return [bin_dir.parent / "tests/test_store_conformance", f"--dynamodb={table or dynamodb.fresh_name()}",
                f"--via={relay.address}", f"--ca-file={ca_file or relay.ca_file}", f"--secret-key={SECRET_KEY}", f"--account={ACCOUNT}", *options]
    return maker


@pytest.fixture
def conformance(command, vectors):
    """conformance(*options) runs it; its output."""
    def runner(*options, status=0, timeout=120, **settings):
        done = subprocess.run(command(*options, **settings), capture_output=True, text=True, timeout=timeout, check=False,
                              env=dict(os.environ, NS_VECTORS_DIR=str(vectors)))
        print(done.stdout, done.stderr)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    return runner


def test_all_checks(conformance, dynamodb_relay):
    # DynamoDB Local makes a thousand changes a second on two cores, so ten thousand need more time than a signer gives.
    output = conformance("--checks=*", "--deadline-ms=60000", "--attempt-timeout-ms=20000", timeout=200)
    passed = int(re.search(r"PASSED  \] (\d+) test", output).group(1))
    assert passed >= 12 and f"{passed} test(s) run" in output and "SKIPPED" not in output
    assert dynamodb_relay.most_connections <= 4 * 32  # three rivals and one more


@pytest.mark.parametrize("fault", [relays.drop_answer, relays.drop_request, relays.duplicate, relays.throttle, relays.server_error,
                                   relays.half_answer, relays.hang, relays.late(0.2), relays.slow(0.05)],
                         ids=lambda fault: fault.__qualname__.partition(".")[0])
@pytest.mark.parametrize("checks", ["a_*", "*sent_again*"])
def test_many_requests_fail(conformance, dynamodb_relay, fault, checks):
    seen, period = [], 25 if fault is relays.hang else 3

    def is_unlucky(exchange):
        seen.append(exchange.operation)
        return len(seen) % period == 0 and exchange.operation not in ("CreateTable", "DescribeTable")
    dynamodb_relay.inject(fault, count=None, when=is_unlucky)
    patience = "--attempt-timeout-ms=250" if fault is relays.hang else "--attempt-timeout-ms=600"
    assert "FAILED" not in conformance(f"--checks={checks}", patience, "--deadline-ms=30000")
    assert {"BatchExecuteStatement", "BatchGetItem", "TransactWriteItems", "GetItem"} <= set(seen)


def answer_of(parsed):
    return relays.answer_bytes(200, parsed)


async def forwarded(exchange, body=None):
    """The server's answer to the request, or to another instead, parsed; 200 it must be."""
    head, _, content = (await exchange.forward(body)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return json.loads(content)


async def leave_half_unprocessed(exchange):
    body = exchange.body
    (table, wanted), = body["RequestItems"].items()
    half = (len(wanted["Keys"]) + 1) // 2
    answer = await forwarded(exchange, {"RequestItems": {table: dict(wanted, Keys=wanted["Keys"][:half])}})
    if wanted["Keys"][half:]:
        answer["UnprocessedKeys"] = {table: dict(wanted, Keys=wanted["Keys"][half:])}
    await exchange.reply(answer_of(answer))


async def throttle_half(exchange):
    statements = exchange.body["Statements"]
    half = len(statements) // 2
    answer = await forwarded(exchange, {"Statements": statements[half:]})
    busy = {"Error": {"Code": "ThrottlingError", "Message": "busy"}, "TableName": "x"}
    await exchange.reply(answer_of({"Responses": [busy] * half + answer["Responses"]}))


async def hide_items(exchange):
    answer = await forwarded(exchange)
    for response in answer["Responses"]:
        response.get("Error", {}).pop("Item", None)
    await exchange.reply(answer_of(answer))


async def empty_page(exchange):
    """Nothing between the start and the start: a filter or a limit may do that."""
    await exchange.reply(answer_of({"Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": exchange.body["ExclusiveStartKey"]}))


async def in_the_way(exchange):
    reasons = [{"Code": "TransactionConflict", "Message": "x"}] + [{"Code": "None"}] * (len(exchange.body["TransactItems"]) - 1)
    await exchange.reply(relays.answer_bytes(400, {"__type": relays.ERROR_PREFIX + "TransactionCanceledException", "Message": "x",
                                                   "CancellationReasons": reasons}))


@pytest.mark.parametrize("fault, operation, checks, count", [
    (leave_half_unprocessed, "BatchGetItem", "e*", None),
    (throttle_half, "BatchExecuteStatement", "e*", 20),
    (throttle_half, "BatchExecuteStatement", "a_*", 20),
    (hide_items, "BatchExecuteStatement", "a*_advance_*", None),
    (hide_items, "BatchExecuteStatement", "a_*", None),
    (in_the_way, "TransactWriteItems", "*genesis*", 3),
])
def test_the_service_does_less_than_it_was_asked(conformance, dynamodb_relay, fault, operation, checks, count):
    dynamodb_relay.inject(fault, count=count, operation=operation)
    assert "FAILED" not in conformance(f"--checks={checks}", *PATIENT)
    assert dynamodb_relay.operations[operation] > 0


def test_an_empty_page_is_not_the_end(conformance, dynamodb_relay):
    dynamodb_relay.inject(empty_page, count=5, operation="Scan", when=lambda exchange: "ExclusiveStartKey" in exchange.body)
    conformance("--checks=many*", "--many=2500", "--attempt-timeout-ms=20000", "--deadline-ms=60000")
    assert dynamodb_relay.operations["Scan"] > 5


def other_item(exchange):
    return {"pk": {"S": "0x" + "77" * 48}, "format": {"N": "1"}, "disabled": {"BOOL": False}, "generation": {"N": "0"},
            "mac": {"B": "A" * 43 + "="}}


@pytest.mark.parametrize("operation, answer", [
    ("BatchExecuteStatement", lambda e: {"Responses": []}),
    ("BatchExecuteStatement", lambda e: {"Responses": [{}] * (len(e.body["Statements"]) + 1)}),
    ("BatchExecuteStatement", lambda e: {"Responses": [{"Error": {"Code": "ConditionalCheckFailed", "Item": other_item(e)}}]}),
    ("BatchExecuteStatement", lambda e: {"Responses": [{"Error": {"Code": "AccessDenied"}}]}),
    ("BatchExecuteStatement", lambda e: {}),
    ("BatchExecuteStatement", lambda e: b"{\"Responses\":[{}]} and more"),
    ("BatchExecuteStatement", lambda e: b"x" * (5 << 20)),
    ("BatchGetItem", lambda e: {"Responses": {next(iter(e.body["RequestItems"])): [other_item(e)]}}),
    ("BatchGetItem", lambda e: {"Responses": {}}),
    ("BatchGetItem", lambda e: {"Responses": {}, "UnprocessedKeys": {next(iter(e.body["RequestItems"])): {"Keys": []}}}),
    ("BatchGetItem", lambda e: []),
    ("GetItem", lambda e: {"Item": dict(other_item(e), pk={"S": "store"})}),
    ("GetItem", lambda e: {}),
])
def test_answers_that_cannot_be_are_refused(conformance, dynamodb_relay, operation, answer):
    async def lie(exchange):
        told = answer(exchange)
        await exchange.reply(relays.answer_bytes(200, told))
    dynamodb_relay.inject(lie, count=None, operation=operation)
    output = conformance("--checks=*sent_again*", "--deadline-ms=2000", status=1)
    assert "FAILED" in output and ("(store)" in output or "(not_found)" in output)


def test_nobody_without_the_certificate_is_believed(conformance, dynamodb, dynamodb_relay, folder):
    for name in ("other", "names"):
        (folder / name).mkdir()
    other = Authority(folder / "other")
    output = conformance("--checks=*sent_again*", ca_file=other.ca_file, status=1)
    assert "certificate" in output and not dynamodb_relay.operations
    wrong = Authority(folder / "names", names=("DNS:dynamodb.us-east-2.amazonaws.com",))
    with contextlib.closing(TlsRelay(dynamodb.port, wrong)) as relay:
        output = conformance("--checks=*sent_again*", relay=relay, status=1)
        assert "no alternative certificate subject name" in output and not relay.operations


def test_connections_are_bounded_and_kept(conformance, dynamodb_relay):
    conformance("--checks=many*", "--many=1500", "--connections=3", *PATIENT)
    assert dynamodb_relay.most_connections <= 3 * 2  # a store that is closed may overlap with the next
    assert dynamodb_relay.operations["BatchExecuteStatement"] >= 60 and dynamodb_relay.connections <= 3 * 4


class Guided:
    """The program at a check that waits for us to change the world."""

    def __init__(self, arguments):
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""

    def ready(self):
        for line in self.process.stdout:
            self.said += line
            if line == "READY\n":
                return
        pytest.fail(self.said)

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        self.said += self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0, self.said
        return self.said


@pytest.fixture
def guided(command):
    started = []

    def starter(check, *options, **settings):
        started.append(Guided(command(f"--dynamodb-checks={check}", *options, **settings)))
        return started[-1]
    yield starter
    for one in started:
        one.process.kill()
        one.process.wait(10)


def test_a_deadline_leaves_some_open(guided, dynamodb_relay):
    program = guided("a_deadline*", "--deadline-ms=1000", "--attempt-timeout-ms=400")
    program.ready()
    key = "0x" + f"{30:096x}"
    dynamodb_relay.inject(relays.hang, count=None, operation="BatchExecuteStatement", when=lambda e: key.encode() in e.request.body)
    program.go_on()
    program.ready()
    dynamodb_relay.heal()
    program.go_on()
    program.finish()


def test_dead_connections_are_not_tried_in_turn(guided, dynamodb_relay):
    program = guided("dead_connections*", "--deadline-ms=1500", "--attempt-timeout-ms=700")
    program.ready()
    made = dynamodb_relay.connections
    assert dynamodb_relay.open_connections >= 3

    async def stay_silent(exchange):
        await asyncio.Event().wait()
    dynamodb_relay.inject(stay_silent, count=None, when=lambda exchange: dynamodb_relay.connections == made)
    program.go_on()
    program.finish()
    assert dynamodb_relay.connections == made + 1


def test_a_table_that_is_deleted(guided, dynamodb):
    table = dynamodb.fresh_name()
    program = guided("a_table*", table=table)
    program.ready()
    dynamodb.ask("DeleteTable", {"TableName": f"{table}-1"})
    program.go_on()
    program.finish()


def described(**changes):
    """DescribeTable's answer, with other members in its table; those that are None are missing."""
    async def fault(exchange):
        answer = await forwarded(exchange)
        told = {name: value(answer["Table"][name]) if callable(value) else value for name, value in changes.items()}
        answer["Table"] = {name: value for name, value in {**answer["Table"], **told}.items() if value is not None}
        await exchange.reply(answer_of(answer))
    return fault


def in_account(account):
    return described(TableArn=lambda arn: arn.replace(ACCOUNT, account))


def test_whose_table_it_is(guided, dynamodb_relay):
    """What is asked at each step: while the answer is wrong, of four calls nothing but whose table it is."""
    ours, another = (described(TableId=f"9a3c2f51-0000-4000-8000-00000000000{digit}") for digit in (1, 2))
    program = guided("whose_table*")
    program.ready()
    for fault, expected in ((in_account("111122223333"), {"DescribeTable": 4}), (ours, {"DescribeTable": 1, "GetItem": 1}),
                            (in_account("000000000001"), {"DescribeTable": 4, "GetItem": 1}), (ours, {"DescribeTable": 1, "GetItem": 1}),
                            (another, {"DescribeTable": 4})):
        dynamodb_relay.heal()
        dynamodb_relay.inject(fault, count=None, operation="DescribeTable")
        before = dynamodb_relay.operations.copy()
        program.go_on()
        program.ready()
        assert dict(dynamodb_relay.operations - before) == expected
    program.go_on()
    program.finish()


@pytest.mark.parametrize("fault", [
    described(TableArn=None), described(TableArn=7), described(TableArn=""), described(TableArn=lambda arn: arn + "x"), described(TableArn=lambda arn: arn[:-1]),
    described(TableArn=lambda arn: arn.replace(":dynamodb:", ":keyspaces:")), described(TableArn=lambda arn: arn.replace(":table/", ":backup/")),
    described(TableArn=lambda arn: arn.replace("ddblocal", "")), described(TableArn=lambda arn: arn + "\0"), described(TableArn=lambda arn: "x" + arn),
    described(TableArn=lambda arn: arn.replace("arn:aws:", "arn::")), described(TableId=7), described(TableId="x" * 64), relays.server_error])
def test_an_answer_that_says_not_whose(guided, dynamodb_relay, fault):
    program = guided("an_answer*", "--deadline-ms=300")
    program.ready()
    before = dynamodb_relay.operations.copy()
    dynamodb_relay.inject(fault, count=None, operation="DescribeTable")
    program.go_on()
    program.finish()
    assert set(dynamodb_relay.operations - before) == {"DescribeTable"}


@pytest.mark.parametrize("check", ["wrong_credentials*", "of_two_equal_heads*"])
def test_checks_of_this_store_alone(guided, check):
    guided(check).finish()


def test_ten_thousand_at_five_milliseconds(guided, dynamodb_relay):
    """Our own part, and Python's: every advance is said to be done after 5 ms. (DynamoDB Local has not the speed.)"""
    async def all_done(exchange):
        answer = answer_of({"Responses": [{"TableName": "x"}] * exchange.request.body.count(b'"Statement":')})
        await asyncio.sleep(0.005)
        await exchange.reply(answer)
    dynamodb_relay.secret_key = None  # Python would spend more time on signatures than we do
    program = guided("how_long*")
    program.ready()
    dynamodb_relay.inject(all_done, count=None, operation="BatchExecuteStatement")
    program.go_on()
    said = program.finish()
    print(said)
    assert dynamodb_relay.operations["BatchExecuteStatement"] >= 3 * 400 and said.count("10000 advances") == 3
