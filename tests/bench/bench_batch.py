"""Of make bench: the same attestation of all keys in one request, against as many single requests over kept connections.

The client is Python's, on one connection; what it needs to send a list and to read the answers is within the time.
"""
import http.client
import json
import ssl
import time

from bench_common import line, rate, spread

KEYS, CONNECTIONS, BUSY_MS, BLST_MS = 1000, 32, 1500, 600
VERSION = "0x06000000"
GENESIS_ROOT = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"


def attestation(epoch):
    """The one that bench_order.c asks for."""
    checkpoint = lambda number, byte: {"epoch": str(number), "root": "0x" + byte * 32}  # noqa: E731
    fork = {"previous_version": VERSION, "current_version": VERSION, "epoch": "0"}
    return {"type": "ATTESTATION", "fork_info": {"fork": fork, "genesis_validators_root": GENESIS_ROOT},
            "attestation": {"slot": str(32 * epoch), "index": "0", "beacon_block_root": "0x" + "11" * 32,
                            "source": checkpoint(epoch - 1, "22"), "target": checkpoint(epoch, "33")}}


class Client:
    """One kept connection."""

    def __init__(self, signer):
        context = ssl.create_default_context(cafile=str(signer.folder / "cert.pem"))
        self.connection = http.client.HTTPSConnection("localhost", signer.port, context=context, timeout=30)

    def post(self, path, body):
        self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Accept": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:300]
        return json.loads(text)

    def batch(self, keys, epoch):
        results = self.post("/api/v1/eth2/sign", {"identifiers": keys, "signing_request": attestation(epoch)})
        assert [one["identifier"] for one in results] == keys and all("signature" in one for one in results), results[:3]
        return results


def take(signer, milliseconds):
    """Batches of all its keys for that long. The last answer is what a single request is answered."""
    client, took = Client(signer), []
    signer.request("GET", "/upcheck")
    cpu, started = signer.cpu_seconds(), time.monotonic()
    while time.monotonic() - started < milliseconds / 1000:
        began = time.monotonic()
        results = client.batch(signer.keys, signer.epoch)
        took.append(time.monotonic() - began)
        signer.epoch += 1
    seconds, cpu = time.monotonic() - started, signer.cpu_seconds() - cpu
    single = client.post(f"/api/v1/eth2/sign/{signer.keys[-1]}", attestation(signer.epoch - 1))
    assert single["signature"] == results[-1]["signature"]
    client.connection.close()
    return {"signed": len(took) * len(signer.keys), "seconds": seconds, "signer_cpu_seconds": cpu, "batch_seconds": took}


def measure(context):
    with context.signer(KEYS, "batch") as signer:
        signer.load(CONNECTIONS, 300)
        return {"rounds": [{"blst": context.blst(BLST_MS, threads=1), "single": signer.load(CONNECTIONS, BUSY_MS), "batch": take(signer, BUSY_MS)}
                           for _ in range(context.rounds)]}


def as_text(found):
    rounds, per_cpu = found["rounds"], lambda outcome: outcome["signed"] / outcome["signer_cpu_seconds"]
    text = f"{KEYS} keys, one attestation, in one request on one kept connection; protection in SQLite\n"
    text += line("signatures", spread(rate(r["batch"]) for r in rounds), "/s")
    text += line(f"  against single requests, {CONNECTIONS} connections", spread(rate(r["batch"]) / rate(r["single"]) for r in rounds), "x", 3)
    text += line("  the same, per second of the signer's processor", spread(per_cpu(r["batch"]) / per_cpu(r["single"]) for r in rounds), "x", 3)
    text += line("  against blst hash-and-sign, one thread", spread(rate(r["batch"]) * r["blst"]["p50_us"] / 1e6 for r in rounds), "x", 3)
    text += line("time to the whole answer", spread(1000 * min(r["batch"]["batch_seconds"]) for r in rounds), "ms", 1)
    return text + line(f"  {KEYS} single requests, {CONNECTIONS} connections", spread(1000 * KEYS / rate(r["single"]) for r in rounds), "ms", 1)


def goals(_):
    return []
