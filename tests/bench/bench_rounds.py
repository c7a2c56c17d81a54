"""Of make bench: attestations without pause over a few kept connections, all keys the same message or every one another, with
protection and without, against blst on every core."""
from bench_common import CORES, goal, line, rate, spread

CONNECTIONS, KEYS = 32, 1000
BUSY_MS = 1500
SIDES = {"signer": "one message, protection in SQLite", "unprotected": "one message, no protection",
         "distinct": "every message another one, protection in SQLite", "distinct_unprotected": "every message another one, no protection"}


def measure(context):
    rounds = []
    with context.signer(KEYS, "rounds") as signer, context.signer(KEYS, "rounds-bare", protected=False) as bare:
        signer.load(CONNECTIONS, 300)
        bare.load(CONNECTIONS, 300)
        for _ in range(context.rounds):
            rounds.append({"blst": context.blst(BUSY_MS),
                           "signer": signer.load(CONNECTIONS, BUSY_MS), "distinct": signer.load(CONNECTIONS, BUSY_MS, "--distinct=true"),
                           "unprotected": bare.load(CONNECTIONS, BUSY_MS),
                           "distinct_unprotected": bare.load(CONNECTIONS, BUSY_MS, "--distinct=true")})
        resident, _ = signer.memory_mib()
    return {"rounds": rounds, "resident_mib": resident}


def ratio(found, side):
    return spread(rate(r[side]) / rate(r["blst"]) for r in found["rounds"])


def processor_ratio(found, side):
    """What a signature costs in processor time with blst, against ours, load generator included."""
    return spread((r["blst"]["cpu_seconds"] / r["blst"]["signed"]) * r[side]["signed"] / (r[side]["cpu_seconds"] + r[side]["signer_cpu_seconds"])
                  for r in found["rounds"])


def as_text(found):
    rounds = found["rounds"]
    text = f"{CONNECTIONS} kept HTTPS connections without pause, {KEYS} keys, load generator on the same cores\n"
    text += line("blst hash-and-sign, one thread a core", spread(rate(r["blst"]) for r in rounds), "/s")
    for side, name in SIDES.items():
        text += line(name, spread(rate(r[side]) for r in rounds), "/s")
        text += line("  against blst", ratio(found, side), "x", 3)
        text += line("  processor time, blst's against ours", processor_ratio(found, side), "x", 3)
        text += line("  share of the cores: signer", spread(r[side]["signer_cpu_seconds"] / r[side]["seconds"] / CORES for r in rounds), "", 2)
        text += line("  share of the cores: load generator", spread(r[side]["cpu_seconds"] / r[side]["seconds"] / CORES for r in rounds), "", 2)
    return text


def goals(found):
    beside = lambda side: f"in processor time {processor_ratio(found, side)['median']:.2f}"  # noqa: E731
    return [goal("distinct", ratio(found, "distinct_unprotected"), beside=beside("distinct_unprotected")),
            goal("distinct-protected", ratio(found, "distinct"), beside=beside("distinct"))]
