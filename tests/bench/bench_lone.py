"""Of make bench: one client on one kept connection, one request at a time, each message its own; against one blst hash-and-sign.

Such a request goes through three processes, and each hop wakes the next. Where it wakes is much of what it takes, so it is measured in
three ways: as it comes (the client sleeps while it waits, on any processor), with a client that polls and so need not be woken,
and with client and signer on one processor, where no idle processor has to be woken. The goal is of the first."""
import os

from bench_common import goal, line, spread

KEYS, LONE_MS = 1000, 500
PROTECTION = {"bare": "no protection", "protected": "protection in SQLite"}
WAYS = {"sleeps": "the client sleeps, any processor", "spins": "the client polls, any processor", "one": "client and signer on one processor"}


def take(signers, core):
    """One round of one kind of protection, by way."""
    anywhere, pinned = signers
    return {"sleeps": anywhere.load(1, LONE_MS, "--distinct=true"), "spins": anywhere.load(1, LONE_MS, "--distinct=true", "--spin=true"),
            "one": pinned.load(1, LONE_MS, "--distinct=true", prefix=["taskset", "-c", str(core)])}


def measure(context):
    core = min(os.sched_getaffinity(0))
    rounds = []
    with context.signer(KEYS, "lone", True) as protected, context.signer(KEYS, "lone-bare", False) as bare, \
            context.signer(KEYS, "lone-one", True, cores={core}) as protected_one, \
            context.signer(KEYS, "lone-bare-one", False, cores={core}) as bare_one:
        for _ in range(context.rounds):
            rounds.append({"blst": context.blst(LONE_MS, threads=1), "bare": take((bare, bare_one), core),
                           "protected": take((protected, protected_one), core), "fsync_us": context.fsync_us()})
    return {"rounds": rounds}


def ratio(found, kind, way):
    return spread(r[kind][way]["p50_us"] / r["blst"]["p50_us"] for r in found["rounds"])


def as_text(found):
    rounds = found["rounds"]
    text = line("blst hash-and-sign p50", spread(r["blst"]["p50_us"] for r in rounds), "us")
    text += line("the disk: 4 KiB appended and synced, p50", spread(r["fsync_us"] for r in rounds), "us")
    for kind, name in PROTECTION.items():
        for way, words in WAYS.items():
            text += line(f"{name}; {words}: p50", spread(r[kind][way]["p50_us"] for r in rounds), "us")
            text += line("  against blst's p50", ratio(found, kind, way), "x", 2)
            for quantile in ("p90", "p99", "p999"):
                text += line(f"  {quantile}", spread(r[kind][way][f"{quantile}_us"] for r in rounds), "us")
    return text


def goals(found):
    beside = lambda kind: (f"with a client that polls {ratio(found, kind, 'spins')['median']:.2f}, "  # noqa: E731
                           f"all on one processor {ratio(found, kind, 'one')['median']:.2f}")
    disk = spread(r["fsync_us"] for r in found["rounds"])
    return [goal("lone", ratio(found, "bare", "sleeps"), beside=beside("bare")),
            goal("lone-protected", ratio(found, "protected", "sleeps"),
                 beside=f"{beside('protected')}; a write and sync of the disk alone took {disk['median']:.0f} us")]
