"""Random orders from one to three signers that are killed, on DynamoDB Local behind a network and a service that fail at
random (tests/unit/slashing/test_store_property.c); a judge of everything they signed. NS_ORDERS and NS_SEED as there."""
import json
import os
import random
import subprocess
import time

import pytest

import dynamodb_relay as relays
from dynamodb_server import SECRET_KEY

FAULTS = [relays.drop_answer, relays.drop_request, relays.duplicate, relays.throttle, relays.server_error, relays.half_answer,
          relays.late(0.02), relays.late(0.2), relays.slow(0.02), relays.slow(0.15), relays.hang]
ONE_IN = 6


@pytest.fixture
def orders(bin_dir, dynamodb, dynamodb_relay):
    """orders(number, *options) runs that many through the relay, for each number of signers: (status, what it said)."""
    dynamodb_relay.secret_key = SECRET_KEY

    def runner(number, *options):
        command = [bin_dir.parent / "tests/test_store_property", f"--dynamodb={dynamodb.fresh_name()}", f"--via={dynamodb_relay.address}",
                   f"--ca-file={dynamodb_relay.ca_file}", f"--secret-key={SECRET_KEY}", "--attempt-timeout-ms=100",
                   "--deadline-ms=250", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False,
                              env=os.environ | {"NS_ORDERS": str(number)})
        print(done.stdout, done.stderr)
        return done.returncode, done.stdout + done.stderr
    return runner


def test_random_orders_while_network_and_service_fail(orders, dynamodb_relay):
    seed = int(os.environ.get("NS_SEED") or time.time())
    lot, met = random.Random(seed), set()
    print(f"NS_SEED={seed} for the faults")

    async def any_fault(exchange):
        fault = lot.choice(FAULTS)
        met.add((fault, exchange.operation))
        await fault(exchange)
    dynamodb_relay.inject(any_fault, count=None, when=lambda exchange: exchange.operation in ("BatchExecuteStatement", "BatchGetItem")
                          and lot.randrange(ONE_IN) == 0)
    status, said = orders(os.environ.get("NS_ORDERS") or 1500)
    assert status == 0, said
    assert {fault for fault, operation in met if operation == "BatchExecuteStatement"} == set(FAULTS)


def test_without_the_condition_signers_are_convicted(orders, dynamodb_relay):
    async def forget_the_condition(exchange):
        body = exchange.body
        for statement in body["Statements"]:
            assert statement["Statement"].endswith(' AND "mac"=?'), statement
            statement["Statement"] = statement["Statement"].removesuffix(' AND "mac"=?')
            statement["Parameters"].pop()
        await exchange.reply(relays.answer_bytes(200, json.loads((await exchange.forward(body)).partition(b"\r\n\r\n")[2])))
    dynamodb_relay.inject(forget_the_condition, count=None, operation="BatchExecuteStatement")
    status, said = orders(20000, "--signers=3")
    assert status == 1 and "slashable: source" in said
