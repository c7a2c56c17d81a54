"""Of make bench: one client on one kept connection, one request at a time, each message its own; against one blst hash-and-sign."""
from bench_common import goal, line, spread

KEYS, LONE_MS = 1000, 600
SIDES = {"signer": "protection in SQLite", "unprotected": "no protection"}


def measure(context):
    rounds = []
    with context.signer(KEYS, "lone") as signer, context.signer(KEYS, "lone-bare", protected=False) as bare:
        for _ in range(context.rounds):
            rounds.append({"blst": context.blst(LONE_MS, threads=1), "signer": signer.load(1, LONE_MS, "--distinct=true"),
                           "unprotected": bare.load(1, LONE_MS, "--distinct=true"), "fsync_us": context.fsync_us()})
    return {"rounds": rounds}


def ratio(found, side):
    return spread(r[side]["p50_us"] / r["blst"]["p50_us"] for r in found["rounds"])


def as_text(found):
    rounds = found["rounds"]
    text = line("blst hash-and-sign p50", spread(r["blst"]["p50_us"] for r in rounds), "us")
    text += line("the disk: 4 KiB appended and synced, p50", spread(r["fsync_us"] for r in rounds), "us")
    for side, name in SIDES.items():
        text += line(f"{name}: p50", spread(r[side]["p50_us"] for r in rounds), "us") + line("  against blst's p50", ratio(found, side), "x", 2)
        text += line(f"{name}: p99", spread(r[side]["p99_us"] for r in rounds), "us")
    return text


def goals(found):
    disk = spread(r["fsync_us"] for r in found["rounds"])
    return [goal("lone", ratio(found, "unprotected")),
            goal("lone-protected", ratio(found, "signer"), beside=f"a write and sync of the disk alone took {disk['median']:.0f} us")]
