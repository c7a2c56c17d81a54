"""Of make bench: the slot's burst. All keys attest to the same data at once, over kept connections.

The yardstick is blst's hash-and-sign on all cores, which the signer shares with the load generator. A round has a few bursts,
so that the signer's part in their TLS handshakes weighs little.
"""
import statistics

from bench_common import goal, line, rate, spread

KEYS, CONNECTIONS, BURSTS = 1000, 256, 15
BLST_MS = 600


def take(signer, bursts=BURSTS):
    return signer.load(min(CONNECTIONS, len(signer.keys)), 0, bursts=bursts, timeout=120)


def measure(context):
    with context.signer(KEYS, "burst") as signer:
        take(signer)
        return {"rounds": [{"blst": context.blst(BLST_MS), "burst": take(signer)} for _ in range(context.rounds)]}


def burst_rate(outcome):
    """Signatures per second of the median burst."""
    keys = outcome["signed"] / len(outcome["burst_ms"])
    return 1000 * keys / statistics.median(outcome["burst_ms"])


def summarise(rounds):
    processor = lambda r: r["burst"]["cpu_seconds"] + r["burst"]["signer_cpu_seconds"]  # noqa: E731
    return {"milliseconds": spread(statistics.median(r["burst"]["burst_ms"]) for r in rounds),
            "signatures_per_second": spread(burst_rate(r["burst"]) for r in rounds),
            "ratio_to_blst": spread(burst_rate(r["burst"]) / rate(r["blst"]) for r in rounds),
            "processor_us_a_signature": spread(1e6 * processor(r) / r["burst"]["signed"] for r in rounds),
            "processor_ratio_to_blst": spread((r["blst"]["cpu_seconds"] / r["blst"]["signed"]) / (processor(r) / r["burst"]["signed"])
                                              for r in rounds)}


def as_text(found):
    summary = summarise(found["rounds"])
    text = f"{KEYS} keys attest to the same at once over {CONNECTIONS} kept HTTPS connections, protection in SQLite\n"
    text += line("time to the last answer", summary["milliseconds"], "ms", 1)
    text += line("signatures", summary["signatures_per_second"], "/s")
    text += line("  against blst hash-and-sign on all cores", summary["ratio_to_blst"], "x", 2)
    text += line("processor, signer and load generator, a signature", summary["processor_us_a_signature"], "us", 1)
    return text + line("  blst's against that", summary["processor_ratio_to_blst"], "x", 2)


def goals(found):
    summary = summarise(found["rounds"])
    return [goal("burst", summary["ratio_to_blst"], beside=f"{summary['milliseconds']['median']:.1f} ms to the last answer; "
                 f"in processor time, load generator included, {summary['processor_ratio_to_blst']['median']:.2f}")]
