"""Slashing protection as a whole: the executables as they are, stores that are real, clients that ask for anything, and a
nemesis that kills, pauses and cuts. What a judge of the full history must find: nothing slashable, and life when it is over.

NS_SECONDS (of each run) and NS_ORDERS (at least so many on each store) make it longer, NS_SEED names another run: of the choices, as
time has its own. Each run prints what it did.
"""
import asyncio
import collections
import concurrent.futures
import contextlib
import os
import random
import signal
import threading
import time

import pytest
import requests

import dynamodb_relay as relays
from dynamodb_relay import TlsRelay
from fleet_client import Clients, Connections
from fleet_judge import BLOCK, VOTE, Message, slashable_pairs, wrong_signatures
from fleet_rig import Fleet, Nemesis
from harness import PATIENCE
from postgres_server import PostgresServer
from test_ctl_slashing import items_of
from test_signer_stores import database_options, eventually, table  # noqa: F401 (a fixture)

SECONDS = float(os.environ.get("NS_SECONDS", "4"))
ORDERS = int(os.environ.get("NS_ORDERS", "0"))
SEED = os.environ.get("NS_SEED") or str(random.SystemRandom().randrange(1 << 32))
VERIFIED = 300
ALIVE_SECONDS = 60 * PATIENCE  # soon, for what has the processors to itself


@pytest.fixture
def fleet(bin_dir, folder):
    with contextlib.closing(Fleet(bin_dir / "nitro-signer", folder)) as made:
        yield made


@pytest.fixture
def on_table(fleet, table, dynamodb, dynamodb_authority):  # noqa: F811
    """on_table(*options) adds a signer with DynamoDB behind a relay of its own."""
    with contextlib.ExitStack() as stack:
        def adder(*options):
            relay = stack.enter_context(contextlib.closing(TlsRelay(dynamodb.port, dynamodb_authority)))
            env = dict(table.env, AWS_ENDPOINT_URL_DYNAMODB=f"https://localhost:{relay.port}")
            return fleet.add(table.options(*options), relay=relay, env=env)
        yield adder
        fleet.close()  # before the relays


def keys_of(slot):
    return sorted(requests.get(f"http://127.0.0.1:{slot.port}/api/v1/eth2/publicKeys", timeout=20).json())


def begin(fleet):
    """Everybody serves; clients for them."""
    fleet.start()
    return Clients(keys_of(fleet.slots[0]), SEED, fleet.serving())


def everybody_signs(clients, slots, kinds=(VOTE, BLOCK)):
    """Each signer signs something new for each validator, soon after all is well again."""
    connections, deadline = Connections(), time.monotonic() + ALIVE_SECONDS
    for slot in slots:
        for key in clients.orders.keys:
            for kind in kinds:
                while not (slot.is_serving and clients.ask(connections, (slot.name, slot.port), clients.orders.new(key, kind)) == 200):
                    assert time.monotonic() < deadline, (slot.name, key, kind, clients.statuses, slot.log()[-3000:])
                    time.sleep(0.05)
    connections.close()


def judge(name, clients, fleet, done=None):
    """The end of every run."""
    signed = clients.signed
    print(f"\nfleet torture, {name}: seed {SEED}, {clients.num_orders} orders, {clients.statuses[200]} signed, {clients.statuses[412]} "
          f"refused, {clients.statuses[500] + clients.statuses[503]} unavailable, {clients.statuses[None]} without answer; {clients.num_batches} batches; {len(fleet.slots)} signers, "
          f"{fleet.starts} starts" + "".join(f", {count} {act}" for act, count in sorted((done or {}).items())))
    assert slashable_pairs(one.message for one in signed) == []
    assert wrong_signatures(random.Random(SEED).sample(signed, min(VERIFIED, len(signed)))) == []
    one_signature = {}
    assert all(one_signature.setdefault(one.message, one.signature) == one.signature for one in signed)
    assert len(set(one_signature.values())) == len(one_signature)  # none was given for another's message
    print(f"fleet torture, {name}: PASSED: nothing slashable among {len(one_signature)} different messages")


def torture(name, fleet, acts=None):
    clients = begin(fleet)
    nemesis = Nemesis(SEED, fleet.slots, acts)
    with fleet.kept_alive(clients):
        with clients.running():
            nemesis.run(SECONDS, lambda: clients.num_orders < ORDERS or fleet.starts == len(fleet.slots))
        everybody_signs(clients, fleet.slots)
    judge(name, clients, fleet, nemesis.done)
    assert min(clients.statuses[200], clients.statuses[412]) > 50 and clients.num_batches > 5
    return clients


@pytest.mark.bar(10)
def test_a_fleet_on_dynamodb(fleet, on_table, table, dynamodb):  # noqa: F811
    for _ in range(3):
        on_table()
    clients = torture("DynamoDB", fleet)
    items = items_of(dynamodb, table.name)
    for one in clients.signed:  # nothing was signed that the table does not exclude now
        name = "block_slot" if one.message.kind == BLOCK else "target_epoch"
        assert int(items[one.message.key][name]["N"]) >= one.message.high


def database_acts(server, database, chance):
    """What happens to a PostgreSQL server."""
    def end_connections():
        database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() "
                       "AND random() < 0.5", (database.name,))

    def pause_a_backend():
        pids = [pid for pid, in database.query("SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                                               (database.name,))]
        for pid in chance.sample(pids, min(1, len(pids))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(chance.uniform(0.05, 1))
                os.kill(pid, signal.SIGCONT)

    def crash():
        server.kill()
        time.sleep(chance.uniform(0, 0.3))
        server.start()

    def restart():
        server.stop()
        server.start()
    # The server itself needs seconds after a crash.
    return {"end connections": (end_connections, 2), "pause a backend": (pause_a_backend, 4), "crash of the server": (crash, 1),
            "restart of the server": (restart, 1)}


def rows(database):
    """Of the history, as messages without their variant."""
    votes = database.query("SELECT public_key, source_epoch, target_epoch FROM signed_attestations JOIN validators v ON v.id = validator_id")
    blocks = database.query("SELECT public_key, slot FROM signed_blocks JOIN validators v ON v.id = validator_id")
    return ({(VOTE, "0x" + bytes(key).hex(), int(source), int(target)) for key, source, target in votes} |
            {(BLOCK, "0x" + bytes(key).hex(), 0, int(slot)) for key, slot in blocks})


@pytest.mark.bar(10)
def test_a_fleet_on_postgresql(fleet):
    with contextlib.closing(PostgresServer()) as server:  # of its own, to be ill-treated
        database = server.database()
        for _ in range(2):
            fleet.add(database_options(database))
        clients = torture("PostgreSQL", fleet, database_acts(server, database, random.Random(SEED)))
        # Each signature has its row, or Web3Signer would not know of it.
        assert {one.message[:4] for one in clients.signed} <= rows(database)
        fleet.close()


@pytest.mark.bar(10)
def test_one_signer_with_sqlite(fleet, folder):
    fleet.add(["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    torture("SQLite", fleet)


# One signer at a time


def generations(dynamodb, table):  # noqa: F811
    """Of the head and of each entry."""
    items = items_of(dynamodb, table.name)
    head = items.pop("store")
    return int(head["generation"]["N"]), {int(item["generation"]["N"]) for item in items.values()}


@contextlib.contextmanager
def stopped(slot, name):
    """Its processes of that name sleep."""
    pids = [pid for other, pid in slot.processes() if other == name]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def writes_late(slot, seconds):
    """Its writes arrive, if they do, when it has long given them up."""
    slot.relay.inject(relays.late(seconds), count=None, operation="BatchExecuteStatement")
    try:
        yield
    finally:
        slot.relay.heal()


class Succession:
    """Signers that take over from each other while clients ask all of them."""

    def __init__(self, fleet, clients, dynamodb, table):  # noqa: F811
        self._fleet, self._clients = fleet, clients
        self._generations = lambda: generations(dynamodb, table)
        self.served = {slot.name: time.monotonic() for slot in fleet.slots if slot.is_serving}  # name: since when
        self.last_words = collections.Counter()

    def take_over(self, slot, trouble):
        """slot starts beside one that serves and has trouble; from when it does, the other records nothing."""
        older = [other for other in self._fleet.slots if other.is_serving]
        assert slot not in older
        with trouble:
            assert slot.start(), slot.log()
            self.served[slot.name] = time.monotonic()
            self._clients.signers = self._fleet.serving()
            generation, of_entries = self._generations()
            assert of_entries == {generation}
        self._ask_all(slot, older)
        assert self._generations() == (generation, {generation})

    def _ask_all(self, slot, older):
        connections, orders = Connections(), self._clients.orders
        for other in older:
            signer = other.name, other.port
            for key in orders.keys:
                status = self._clients.ask(connections, signer, orders.new(key, variant=9))
                assert status in (500, 412), (other.name, status)
                self.last_words[status] += 1
            assert self._clients.ask(connections, signer, orders.new(orders.keys[0], BLOCK, variant=9)) == 500
            assert "another signer has taken over" in other.log()
        everybody_signs(self._clients, [slot])
        connections.close()

    def judge(self):
        """What an older signer gave out for an order that came when another served, it had been asked for before."""
        for since in self.served.values():
            for one in self._clients.signed:
                if self.served[one.signer] < since < one.sent:
                    assert self._clients.first_asked[one.signer, one.message] < since, one


def test_signers_that_take_over_from_each_other(fleet, on_table, table, dynamodb):  # noqa: F811
    first, *others = (on_table("--slashing-protection-mode=single") for _ in range(3))
    assert first.start()
    clients = Clients(keys_of(first), SEED, fleet.serving())
    succession, chance, done = Succession(fleet, clients, dynamodb, table), random.Random(SEED), collections.Counter()
    older, free = first, others
    with clients.running():
        for _ in range(max(6, int(SECONDS / 2))):
            nemesis = Nemesis(chance.random(), [older], kills=0)
            nemesis.run(SECONDS / 20)
            done += nemesis.done
            newer, free = free[0], free[1:]
            succession.take_over(newer, chance.choice((
                stopped(older, "nitro-signer-keeper"), stopped(older, "nitro-signer-courier"), writes_late(older, 0.6))))
            for slot in fleet.slots:
                if slot not in (newer, older) and slot.is_serving:
                    slot.kill()
                    free.append(slot)
            older = newer
    succession.judge()
    assert succession.last_words[500] > 0
    judge("take-overs", clients, fleet, done)
    assert clients.statuses[200] > 100


def test_rivals_of_single_mode_that_are_killed(fleet, on_table, table, dynamodb):  # noqa: F811
    """Also in the middle of a start. Whoever starts last, and serves, is the one."""
    for _ in range(2):
        on_table("--slashing-protection-mode=single")
    clients = begin(fleet)
    nemesis = Nemesis(SEED, fleet.slots, kills=40)
    with fleet.kept_alive(clients), clients.running():
        nemesis.run(SECONDS / 2)
    for slot in fleet.slots:
        slot.kill()
    assert fleet.slots[0].start()
    everybody_signs(clients, fleet.slots[:1])
    generation, of_entries = generations(dynamodb, table)
    assert of_entries == {generation}
    judge("rivals of single mode", clients, fleet, nemesis.done)


# A table that is put back


def put_back(dynamodb, table, items):  # noqa: F811
    for item in items:
        dynamodb.ask("PutItem", {"TableName": table.name, "Item": item})


def test_a_table_put_back_while_clients_ask(fleet, on_table, table, dynamodb):  # noqa: F811
    """One entry after the other, each to what it was a while ago. The signer's own memory is the judge's only witness."""
    slot = on_table()
    clients = begin(fleet)
    with clients.running():
        eventually(lambda: clients.statuses[200] > 50, 20)
        for _ in range(3):
            earlier = items_of(dynamodb, table.name)
            signed = clients.statuses[200]
            eventually(lambda count=signed: clients.statuses[200] > count + 100, 20)
            now = items_of(dynamodb, table.name)
            moved = [key for key in clients.orders.keys if now[key] != earlier[key]]
            put_back(dynamodb, table, [earlier[key] for key in moved[:3]])
            for key in moved[:3]:
                eventually(lambda key=key: f"validator {key}: the store's record is older" in slot.log(), 20)
    assert slot.is_serving
    refused = [key for key in clients.orders.keys if f"validator {key}: the store's record is older" in slot.log()]
    assert len(refused) >= 3
    connections = Connections()
    for key in refused:
        for kind in (VOTE, BLOCK):
            assert clients.ask(connections, (slot.name, slot.port), clients.orders.new(key, kind)) == 500
    connections.close()
    judge("a table put back", clients, fleet)


def test_a_whole_table_put_back_to_an_earlier_generation(fleet, on_table, table, dynamodb):  # noqa: F811
    first, second = (on_table("--slashing-protection-mode=single") for _ in range(2))
    assert first.start()
    clients = Clients(keys_of(first), SEED, fleet.serving())
    everybody_signs(clients, [first])
    earlier = items_of(dynamodb, table.name)
    first.kill()
    assert second.start()
    everybody_signs(clients, [second])
    heights = {key: clients.orders.new(key) for key in clients.orders.keys}
    put_back(dynamodb, table, earlier.values())
    clients.signers = fleet.serving()
    connections = Connections()
    for key, message in heights.items():
        assert clients.ask(connections, (second.name, second.port), message) == 500
        assert clients.ask(connections, (second.name, second.port), message._replace(high=message.high - 1, variant=7)) in (412, 500)
    connections.close()
    with clients.running():
        time.sleep(0.5)  # of orders
    assert "rolled back" in second.log()
    judge("an earlier generation", clients, fleet)
    assert {one.message for one in clients.signed if one.sent > clients.first_asked[second.name, heights[clients.orders.keys[0]]]} <= {
        one.message for one in clients.signed if one.sent < clients.first_asked[second.name, heights[clients.orders.keys[0]]]}


# Pauses, one by one


@contextlib.contextmanager
def write_on_the_way(slot, _):
    """It arrives when the block ends."""
    arrived, end = threading.Event(), threading.Event()

    async def hold(exchange):
        arrived.set()
        while not end.is_set():
            await asyncio.sleep(0.005)
        await exchange.reply(await exchange.forward())
    slot.relay.inject(hold, operation="BatchExecuteStatement")
    slot.write_arrived = arrived
    try:
        yield
    finally:
        end.set()


@pytest.mark.parametrize("way, name", [(stopped, "nitro-signer-keeper"), (stopped, "nitro-signer-courier"), (write_on_the_way, "write")],
                         ids=lambda value: value if isinstance(value, str) else "")
def test_who_is_late_decides_on_the_store_of_today(fleet, on_table, way, name):
    """It is asked for a message, and sleeps, or its write does; the other signs a rival of that message."""
    for _ in range(2):
        on_table()
    clients = begin(fleet)
    everybody_signs(clients, fleet.slots)
    sleeper, other = fleet.slots
    connections = Connections()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for key in clients.orders.keys:
            for kind in (VOTE, BLOCK):
                ours, theirs = (clients.orders.new(key, kind, variant) for variant in (1, 2))
                with way(sleeper, name):
                    answer = pool.submit(clients.ask, Connections(), (sleeper.name, sleeper.port), theirs)
                    if way is write_on_the_way:
                        assert sleeper.write_arrived.wait(60 * PATIENCE)
                    assert clients.ask(connections, (other.name, other.port), ours) == 200
                assert answer.result(60 * PATIENCE) == 412, sleeper.log()
    connections.close()
    judge(f"{name} asleep", clients, fleet)


def test_what_waits_together_is_recorded_message_by_message(fleet, on_table):
    """Two signers come to the same marks, over different messages below: of those only one may be signed."""
    for _ in range(2):
        on_table()
    clients = begin(fleet)
    everybody_signs(clients, fleet.slots)
    connections = [Connections() for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for key in clients.orders.keys:
            for kind in (VOTE, BLOCK):
                first, answers = clients.orders.new(key, kind), []
                with contextlib.ExitStack() as asleep:
                    for slot in fleet.slots:
                        asleep.enter_context(stopped(slot, "nitro-signer-keeper"))
                    for step in range(2):
                        for number, slot in enumerate(fleet.slots):
                            message = first._replace(high=first.high + step, variant=1 if step else 1 + number)
                            answers.append(pool.submit(clients.ask, connections[len(answers)], (slot.name, slot.port), message))
                        time.sleep(0.02)  # so that they arrive in this order
                assert 200 in [answer.result(20) for answer in answers]
    for connection in connections:
        connection.close()
    judge("what waits together", clients, fleet)


# That all this can fail


def brute_force(messages):
    """Whether any two are slashable, by the words of the specification."""
    for a in messages:
        for b in messages:
            if a != b and (a.kind, a.key) == (b.kind, b.key) and (
                    a.high == b.high or (a.kind == VOTE and a.low < b.low and b.high < a.high)):
                return True
    return False


def test_the_judge_is_right_about_small_histories():
    chance, seen = random.Random(1), collections.Counter()
    for _ in range(20000):
        history = []
        for _ in range(chance.randrange(2, 6)):
            low, high = sorted(chance.choices(range(7), k=2))
            kind = chance.choice((VOTE, VOTE, BLOCK))
            history.append(Message(kind, chance.choice("ab"), low if kind == VOTE else 0, high, chance.randrange(2)))
        pairs = slashable_pairs(history + history[:1])
        assert bool(pairs) == brute_force(history), history
        assert all(brute_force(pair) for pair in pairs)
        seen[bool(pairs)] += 1
    assert min(seen.values()) > 1000


def test_a_wrong_signature_is_found(fleet, folder):
    fleet.add(["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    clients = begin(fleet)
    everybody_signs(clients, fleet.slots)
    one, other = clients.signed[:2]
    assert wrong_signatures(clients.signed) == []
    assert wrong_signatures([one, other._replace(signature=one.signature)]) == [other.message]
    assert wrong_signatures([one, one._replace(signature=other.signature)]) == [one._replace(signature=other.signature)]


async def without_condition(exchange):
    """The write is carried out whatever is there."""
    body = exchange.body
    for statement in body["Statements"]:
        text, condition, _ = statement["Statement"].partition(' AND "mac"=?')
        assert condition, statement
        statement["Statement"] = text
        statement["Parameters"].pop()
    await exchange.reply(await exchange.forward(body))


async def acknowledged_only(exchange):
    """Nothing is carried out."""
    await exchange.reply(relays.answer_bytes(200, {"Responses": [{"TableName": "x"}] * len(exchange.body["Statements"])}))


@pytest.mark.parametrize("sabotage", [without_condition, acknowledged_only])
def test_a_store_without_its_promise_is_convicted(fleet, on_table, sabotage):
    for _ in range(2):
        on_table()
    clients = begin(fleet)
    everybody_signs(clients, fleet.slots)
    for slot in fleet.slots:
        slot.relay.inject(sabotage, count=None, operation="BatchExecuteStatement")
    with clients.running():
        eventually(lambda: slashable_pairs([one.message for one in clients.signed]), 20)
