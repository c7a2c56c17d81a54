"""Of make bench: how the validator clients ask, each in its way, for one slot of an operator with 10,000 keys (313 of them attest) or
for a whole epoch of 1,000.

  a  as many connections as keys, opened for the slot and closed behind it (Prysm, Lodestar)
  b  as many, kept (Teku, Lighthouse)
  c  the selection proofs of an epoch over a hundred fresh connections, a hundred at a time, while ten kept ones register (Vero)
  d  a connection and a handshake for each signature, TLS 1.2 (Nimbus)
  e  all on one connection of HTTP/2; asked by h2load, which checks no signature, and its handshake is not in the times
  f  the selection proofs of an epoch, at most 32 under way (Teku)
  g  the registrations of all keys: no two messages are the same
  h  of eight keys one registers and one proves its selection, the others attest; 64 kept connections

a and d are there a second time with clients that offer the ticket of the connection before. Latencies are from the wish to sign, so
a handshake is in them where one was needed. blst's loop on all cores takes turns with them; processor time is the signer's and the
load generator's together."""
import json
import resource
import shutil
import statistics
import subprocess
import threading

import bench_batch
from bench_common import Failed, line, rate, say, spread

SECONDS = 240
KEYS, SLOT_KEYS = 1000, 313
ROUNDS, BURSTS, BLST_MS = 3, 4, 500
REGISTERING, REGISTERING_MS = 10, 2000
# name: only the slot's keys, connections, what bench_load is told
LOADS = {
    "a: a connection a key, opened per slot": (True, SLOT_KEYS, ["--opening=per-burst"]),
    "a: the same, with tickets": (True, SLOT_KEYS, ["--opening=per-burst", "--resume=true"]),
    "b: a connection a key, kept": (True, SLOT_KEYS, []),
    "c: selection proofs by hundreds": (False, 100, ["--opening=per-burst", "--batches=true", "--type=selection-proof"]),
    "d: a TLS 1.2 handshake a signature": (True, SLOT_KEYS, ["--opening=per-request", "--tls=12"]),
    "d: the same, with tickets": (True, SLOT_KEYS, ["--opening=per-request", "--tls=12", "--resume=true"]),
    "f: selection proofs of an epoch, 32 kept": (False, 32, ["--type=selection-proof"]),
    "g: registrations, 256 kept": (False, 256, ["--type=registration"]),
    "h: mixed, 64 kept": (False, 64, ["--type=mix"])}
BESIDE = "c: selection proofs by hundreds"  # others register meanwhile
HTTP2 = "e: one connection of HTTP/2"


def quantile(values, per_mille):
    """As bench_samples.c has it."""
    return sorted(values)[(len(values) - 1) * per_mille // 1000]


def load_http2(signer, epoch):
    """One burst by h2load: microseconds of each request, milliseconds of all, and its processor time."""
    body, paths, log = (signer.folder / name for name in ("models.json", "models.uris", "models.log"))
    body.write_text(json.dumps(bench_batch.attestation(epoch)))
    paths.write_text("".join(f"https://localhost:{signer.port}/api/v1/eth2/sign/{key}\n" for key in signer.keys[:SLOT_KEYS]))
    log.unlink(missing_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["h2load", "-n", str(SLOT_KEYS), "-c", "1", "-m", str(SLOT_KEYS), "-i", paths, "-d", body, "--log-file", log,
                           "-H", "content-type: application/json"], capture_output=True, text=True, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if f"{SLOT_KEYS} succeeded, 0 failed" not in done.stdout:
        raise Failed(done.stdout)
    rows = [[int(field) for field in row.split()] for row in log.read_text().splitlines()]
    milliseconds = (max(start + took for start, _, took in rows) - min(start for start, _, _ in rows)) / 1000
    return [took for _, _, took in rows], milliseconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def take_http2(signer):
    """A round, as bench_load tells it."""
    before = signer.cpu_seconds()
    bursts = [load_http2(signer, signer.epoch + i) for i in range(BURSTS)]
    signer.epoch += BURSTS
    took = [one for burst, _, _ in bursts for one in burst]
    return {"signed": len(took), "burst_ms": [ms for _, ms, _ in bursts], "cpu_seconds": sum(cpu for _, _, cpu in bursts),
            "signer_cpu_seconds": signer.cpu_seconds() - before,
            **{f"p{name}_us": quantile(took, per_mille) for name, per_mille in (("50", 500), ("90", 900), ("99", 990), ("999", 999))}}


def take_beside(signer, bursts):
    """The bursts while ten kept connections register keys. Processor time is of both, for as many signatures as both had."""
    registered = {}
    other = threading.Thread(target=lambda: registered.update(signer.load(REGISTERING, REGISTERING_MS, "--type=registration")))
    before, epoch = signer.cpu_seconds(), signer.epoch
    other.start()
    outcome = bursts()
    other.join()
    signer.epoch = max(signer.epoch, epoch + BURSTS)
    if not registered:
        raise Failed("the connections that register failed")
    return {**outcome, "signed_beside": registered["signed"], "beside_p99_us": registered["p99_us"],
            "cpu_seconds": outcome["cpu_seconds"] + registered["cpu_seconds"], "signer_cpu_seconds": signer.cpu_seconds() - before}


def take(signer, name, slot_file):
    of_slot, connections, words = LOADS[name]
    bursts = lambda: signer.load(connections, 0, *words, bursts=BURSTS, keys_file=slot_file if of_slot else None)  # noqa: E731
    return take_beside(signer, bursts) if name == BESIDE else bursts()


def measure(context):
    names = sorted([*LOADS, *([HTTP2] if shutil.which("h2load") else [])])
    models = {name: [] for name in names}
    with context.signer(KEYS, "models") as signer:
        slot_file = context.folder / "slot.keys"
        slot_file.write_text("".join(key + "\n" for key in signer.keys[:SLOT_KEYS]))
        for number in range(ROUNDS):
            say(f"bench: models: round {number + 1} of {ROUNDS}")
            for name in names:
                blst = context.blst(BLST_MS)
                models[name].append({"blst": blst, "load": take_http2(signer) if name == HTTP2 else take(signer, name, slot_file)})
    return {"models": [{"name": name, "rounds": rounds} for name, rounds in models.items()]}


def processor_us(outcome):
    signed = outcome["signed"] + outcome.get("signed_beside", 0)
    return 1e6 * (outcome["cpu_seconds"] + outcome["signer_cpu_seconds"]) / signed


def burst_rate(outcome):
    return 1000 * outcome["signed"] / len(outcome["burst_ms"]) / statistics.median(outcome["burst_ms"])


def as_text(found):
    text = f"one slot of {SLOT_KEYS} attestations or one epoch of {KEYS} keys at once; SQLite; latencies from the wish to sign\n"
    for one in found["models"]:
        rounds = one["rounds"]
        of = lambda function, rounds=rounds: spread(function(r["load"]) for r in rounds)  # noqa: E731
        text += f"  {one['name']}\n" + line("    time to the last answer", of(lambda o: statistics.median(o["burst_ms"])), "ms", 1)
        text += line("    against blst hash-and-sign on all cores", spread(burst_rate(r["load"]) / rate(r["blst"]) for r in rounds), "x", 2)
        text += line("    p50", of(lambda o: o["p50_us"] / 1000), "ms", 1) + line("    p99", of(lambda o: o["p99_us"] / 1000), "ms", 1)
        text += line("    processor time a signature, load generator included", of(processor_us), "us", 1)
        text += line("    blst's against that", spread(1e6 * r["blst"]["cpu_seconds"] / r["blst"]["signed"] / processor_us(r["load"]) for r in rounds), "x", 2)
    if HTTP2 not in [one["name"] for one in found["models"]]:
        text += f"  {HTTP2}\n    not to be had here: no h2load (Debian's nghttp2-client)\n"
    return text


def goals(_):
    return []
