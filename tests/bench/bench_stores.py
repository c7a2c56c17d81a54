"""Of make bench: slashing protection across a network. DynamoDB Local behind its TLS relay, which adds 5 ms to
every answer; PostgreSQL on this machine.

A burst is 10,000 validators' advances handed to a courier at once, as a keeper does, until the last is answered. Rates are
those of the whole signer over HTTPS. What limits them is measured in the same run: DynamoDB Local's own rate, asked
directly and through the relay, both of which share the cores with the signer.
"""
import asyncio
import contextlib
import json
import os
import pathlib
import secrets
import struct
import subprocess
import threading
import time

from bench_common import BIN, CORES, rate
from dynamodb_relay import Authority, TlsRelay, answer_bytes  # noqa: E402
from dynamodb_server import ACCESS_KEY, REGION, SECRET_KEY, DynamodbServer  # noqa: E402
from harness import Process, packet_pair, policy_text, receive_packet, send_packet  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402

DELAY_MS, BURST, CONNECTIONS, BUSY_MS, BURSTS = 5, 10000, 256, 3000, 3
KEYS, SECONDS = 1000, 240
ROOT_OF_NETWORK = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
STORE_OPEN, STORE_HEAD, STORE_LOAD, STORE_ENTRIES, STORE_ADVANCE, STORE_ADVANCED, STORE_ACCESS = (
    0x0501, 0x0502, 0x0506, 0x0507, 0x0508, 0x0509, 0x050A)


def ceiling(server, threads=8, seconds=3.0):
    """Conditional updates a second of DynamoDB Local alone, 25 a call, asked over plain HTTP by this interpreter on
    the same cores: what there is to be had, about."""
    table, done, until = server.create_table(), [0] * threads, time.monotonic() + seconds
    for first in range(0, 25 * threads, 25):
        server.ask("BatchWriteItem", {"RequestItems": {table: [
            {"PutRequest": {"Item": {"pk": {"S": f"k{i}"}, "a": {"N": "0"}}}} for i in range(first, first + 25)]}})

    def work(thread):
        value = 0
        while time.monotonic() < until:
            server.ask("BatchExecuteStatement", {"Statements": [
                {"Statement": f'UPDATE "{table}" SET a=? WHERE pk=? AND a=?',
                 "Parameters": [{"N": str(value + 1)}, {"S": f"k{25 * thread + i}"}, {"N": str(value)}]} for i in range(25)]})
            value += 1
            done[thread] += 25

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    started = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.monotonic() - started)


async def accept_at_once(exchange):
    """A DynamoDB with no work to do: after the delay, every statement has succeeded. Shows what is ours of a burst."""
    await asyncio.sleep(DELAY_MS / 1000)
    await exchange.reply(answer_bytes(200, {"Responses": [{"TableName": "t"}] * exchange.request.body.count(b'"Statement"')}))


def begin_table(folder, server, env, keys):
    """A table with these validators enrolled; no key, for nothing here is forged."""
    table = server.fresh_name()
    (folder / "credentials.json").write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}))
    history = {"metadata": {"interchange_format_version": "5", "genesis_validators_root": ROOT_OF_NETWORK},
               "data": [{"pubkey": key, "signed_blocks": [], "signed_attestations": [{"source_epoch": "0", "target_epoch": "0"}]}
                        for key in keys]}
    (folder / "history.json").write_text(json.dumps(history))
    subprocess.run([BIN / "nitro-signer-ctl", "slashing", "init", f"--table={table}", f"--region={REGION}", "--without-key",
                    f"--credentials={folder}/credentials.json", f"--genesis-validators-root={ROOT_OF_NETWORK}",
                    f"--from={folder}/history.json"], env=env, check=True, capture_output=True, timeout=120)
    return table


class Courier:
    """A stand-alone courier between this process, which plays keeper and supervisor, and the store."""

    def __init__(self, folder, store, access, env):
        logs = folder / f"logs-courier-{secrets.token_hex(3)}"
        logs.mkdir()
        self.keeper, theirs = packet_pair()
        supervisor, outside = packet_pair()
        self.supervisor = supervisor
        texts = b"".join(struct.pack("<I", len(text)) + text.encode() for text in access)
        send_packet(supervisor, STORE_ACCESS, 0, texts)
        self.process = Process(str(BIN / "nitro-signer-courier"), ["--mode=standalone"], str(logs), (theirs.fileno(), outside.fileno()), env)
        theirs.close()
        outside.close()
        policy = policy_text(store=store, region=REGION).replace("store_mode single", "store_mode fleet").encode()
        send_packet(self.keeper, STORE_OPEN, len(policy), policy)
        kind, _, body, _ = receive_packet(self.keeper, 30)
        assert kind == STORE_HEAD and body[0] == 0, (body[1152:], self.process.log())

    def load(self, keys):
        """key -> entry, as the store has them."""
        found = {}
        for first in range(0, len(keys), 1024):
            part = keys[first:first + 1024]
            send_packet(self.keeper, STORE_LOAD, len(part), struct.pack("<Q", first) + b"".join(part))
            status = 0
            while status == 0:
                kind, count, body, _ = receive_packet(self.keeper, 60)
                status = body[8]
                assert kind == STORE_ENTRIES and status < 2, self.process.log()
                for i in range(count):
                    named = body[9 + 184 * i:9 + 184 * (i + 1)]
                    found[named[:48]] = named[48:]
        return found

    def burst(self, entries, target):
        """Advances all of them to that target at once; seconds until the last answer, and how many were done."""
        new = {key: struct.pack("<B7xQ32sQQ32sQ32s", 8, 0, b"", 0, target, b"", 0, secrets.token_bytes(32) if entry[104:] != bytes(32)
                                else bytes(32)) for key, entry in entries.items()}
        keys = list(entries)
        packets = [b"".join(struct.pack("<Q", i) + keys[i] + entries[keys[i]] + new[keys[i]] for i in range(first, min(first + 160, len(keys))))
                   for first in range(0, len(keys), 160)]
        done = answered = 0
        started = time.monotonic()
        sender = threading.Thread(target=lambda: [send_packet(self.keeper, STORE_ADVANCE, len(p) // 328, p) for p in packets])
        sender.start()
        while answered < len(keys):
            kind, count, body, _ = receive_packet(self.keeper, 60)
            assert kind == STORE_ADVANCED
            answered += count
            done += sum(body[152 * i + 8] == 1 for i in range(count))
        took = time.monotonic() - started
        sender.join()
        entries.update(new if done == len(keys) else self.load(keys))
        return took, done

    def close(self):
        self.process.terminate()
        self.process.cleanup()
        self.keeper.close()
        self.supervisor.close()


def measure_bursts(folder, store, access, env, keys):
    with contextlib.closing(Courier(folder, store, access, env)) as courier:
        entries = courier.load(keys)
        assert len(entries) == len(keys)
        return [courier.burst(entries, target) for target in range(10, 10 + BURSTS)]


def measure_rates(context, options, env):
    rates = {}
    os.environ.update(env)
    for i, (name, protection) in enumerate(options.items()):
        with context.signer(KEYS, f"rates-{i}", protected=protection) as signer:
            signer.load(CONNECTIONS, 500)
            outcome = signer.load(CONNECTIONS, BUSY_MS)
            rates[name] = {"per_second": rate(outcome), "p50_us": outcome["p50_us"], "p99_us": outcome["p99_us"],
                           "signer_share": outcome["signer_cpu_seconds"] / outcome["seconds"] / CORES}
    return rates


def as_text(report):
    text = f"a burst of {BURST:,} validators' attestations at once, courier and store, {BURSTS} times: seconds until all are recorded and answered\n"
    for name, outcomes in report["bursts"].items():
        shown = "  ".join(f"{took:.2f}" + (f" ({BURST - done:,} given up at the deadline)" if done < BURST else "") for took, done in outcomes)
        text += f"  {name:<52} {shown}   (at best {max(done / took for took, done in outcomes):,.0f} /s)\n"
    text += f"  {'DynamoDB Local alone, no relay, 25 a call':<52} {report['ceiling']:,.0f} updates/s: such a burst takes {BURST / report['ceiling']:.2f} s\n"
    text += f"attestations over {CONNECTIONS} kept HTTPS connections, {KEYS} keys, everything on the same cores\n"
    for name, of in report["rates"].items():
        text += f"  {name:<52} {of['per_second']:>10,.0f} /s   p50 {of['p50_us'] / 1000:,.1f} ms  p99 {of['p99_us'] / 1000:,.1f} ms  signer's share of the cores {of['signer_share']:.2f}\n"
    return text


def measure_stores(context, server, relay, postgres):
    folder = context.folder
    env = dict(os.environ, AWS_ENDPOINT_URL_DYNAMODB=f"https://localhost:{relay.port}", AWS_CA_BUNDLE=str(relay.ca_file))
    keys = [secrets.token_bytes(48) for _ in range(BURST)]
    relay.delay_ms = 0
    table = begin_table(folder, server, env, ["0x" + key.hex() for key in keys])
    relay.delay_ms = DELAY_MS
    database = postgres.database()
    report = {"ceiling": ceiling(server), "bursts": {}}
    credentials = (ACCESS_KEY, SECRET_KEY, "")
    report["bursts"][f"DynamoDB Local, relay with {DELAY_MS} ms"] = measure_bursts(folder, f"dynamodb:{table}", credentials, env, keys)
    relay.inject(accept_at_once, count=None, operation="BatchExecuteStatement")
    report["bursts"][f"a DynamoDB that does nothing but wait {DELAY_MS} ms"] = measure_bursts(folder, f"dynamodb:{table}", credentials, env, keys)
    relay.heal()
    relay.delay_ms = DELAY_MS
    report["bursts"]["PostgreSQL, loopback, synced"] = measure_bursts(
        folder, "postgresql", (database.user, database.password, database.jdbc_url), env, keys)
    small = begin_table(folder, server, env, [])
    dynamodb = [f"--slashing-protection-dynamodb-table={small}", f"--slashing-protection-dynamodb-region={REGION}",
                f"--aws-credentials-file={folder}/credentials.json"]
    (folder / "database-password").write_text(database.password)
    fresh = postgres.database()
    sql = [f"--slashing-protection-db-url={fresh.jdbc_url}", f"--slashing-protection-db-username={fresh.user}",
           f"--slashing-protection-db-password-file={folder}/database-password"]
    report["rates"] = measure_rates(context, {"no protection": ["--slashing-protection-enabled=false"],
                                             "SQLite": [f"--slashing-protection-db-path={folder}/rates.sqlite"],
                                             f"DynamoDB Local, relay with {DELAY_MS} ms": dynamodb, "PostgreSQL": sql}, env)
    return report


def measure(context):
    authority_folder = context.folder / "authority"
    authority_folder.mkdir()
    environment = dict(os.environ)
    try:
        with contextlib.closing(DynamodbServer()) as server, contextlib.closing(PostgresServer()) as postgres, \
                contextlib.closing(TlsRelay(server.port, Authority(authority_folder))) as relay:
            return measure_stores(context, server, relay, postgres)
    finally:
        os.environ.clear()
        os.environ.update(environment)


def goals(_):
    return []
