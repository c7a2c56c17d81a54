"""Of make bench: how start, memory and a slot's burst grow with the number of keys."""
import bench_burst
from bench_common import line, say

COUNTS, ROUNDS, BLST_MS = (1, 10, 100, 1000, 10000, 100000), 3, 600
SIGNATURES_A_ROUND, SECONDS = 50000, 360


def measure_count(context, count):
    rounds, bursts = [], min(bench_burst.BURSTS, max(2, SIGNATURES_A_ROUND // count))
    say(f"bench: growth: {count:,} keys")
    with context.signer(count, f"growth-{count}") as signer:
        for _ in range(ROUNDS):
            rounds.append({"blst": context.blst(BLST_MS), "burst": bench_burst.take(signer, bursts)})
        resident, _ = signer.memory_mib()
    return {"keys": count, "ready_seconds": signer.ready_seconds, "first_signature_seconds": signer.first_signature_seconds,
            "resident_mib": resident, "rounds": rounds}


def measure(context):
    return {"counts": [measure_count(context, count) for count in COUNTS]}


def as_text(found):
    text = f"all keys attest to the same at once, over as many kept connections, at most {bench_burst.CONNECTIONS}; raw keys, a file each\n"
    for one in found["counts"]:
        summary = bench_burst.summarise(one["rounds"])
        text += f"  {one['keys']:>7,} keys: first signature after {one['first_signature_seconds']:.2f} s, {one['resident_mib']:.1f} MiB resident\n"
        text += line("    time to the last answer", summary["milliseconds"], "ms", 1)
        text += line("    against blst hash-and-sign on all cores", summary["ratio_to_blst"], "x", 2)
        text += line("    processor, blst's against ours", summary["processor_ratio_to_blst"], "x", 2)
    return text


def goals(_):
    return []
