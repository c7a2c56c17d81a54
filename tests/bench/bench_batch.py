"""Of make bench: the same attestation of all keys in one request, against as many single requests over kept connections.

The client is Python's, on one connection; what it needs to send a list and to read the answers is within the time.
"""
import http.client
import json
import ssl
import time

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


def measure(signer, milliseconds):
    """Batches of all its keys for that long. signer is bench.py's. The last answer is what a single request is answered."""
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


def summarise(rounds, of, rate):
    """of and rate are bench.py's."""
    per_cpu = lambda outcome: outcome["signed"] / outcome["signer_cpu_seconds"]  # noqa: E731
    keys = rounds[0]["batch_keys"]
    return {"signatures_per_second": of(lambda r: rate(r["batch"])),
            "ratio_to_single_requests": of(lambda r: rate(r["batch"]) / rate(r["signer_busy"])),
            "ratio_to_blst_thread": of(lambda r: rate(r["batch"]) * r["blst_lone"]["p50_us"] / 1e6),
            "signatures_per_cpu_second_ratio": of(lambda r: per_cpu(r["batch"]) / per_cpu(r["signer_busy"])),
            "milliseconds": of(lambda r: 1000 * min(r["batch"]["batch_seconds"])),
            "single_requests_milliseconds": of(lambda r: 1000 * keys / rate(r["signer_busy"]))}


def as_text(found, line, keys, connections):
    """line is bench.py's."""
    text = f"\nA batch of {keys} keys, one attestation, on one kept connection; protection in SQLite\n"
    text += line("signatures", found["signatures_per_second"], "/s")
    text += line(f"  against single requests, {connections} connections", found["ratio_to_single_requests"], "x", 3)
    text += line("  the same, per second of the signer's processor", found["signatures_per_cpu_second_ratio"], "x", 3)
    text += line("  against blst hash-and-sign, one thread", found["ratio_to_blst_thread"], "x", 3)
    text += line("time to the whole answer", found["milliseconds"], "ms", 1)
    return text + line(f"  {keys} single requests, {connections} connections", found["single_requests_milliseconds"], "ms", 1)
