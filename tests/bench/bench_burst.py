"""Of make bench: the slot's burst (all keys attest to the same data at once), and what one message by many keys costs without the signer.

The burst's yardstick is blst's hash-and-sign on all cores, which the signer shares with the load generator. bench_sign counts
processor time, so other programs on the machine hardly move its figures; instructions are callgrind's, and do not move at all.
"""
import os
import re
import shutil
import statistics
import subprocess

CONNECTIONS, BURSTS = 256, 15
COUNTS, GROWTH_ROUNDS = (1, 10, 100, 1000, 10000), 3
SIZES = (1, 2, 4, 8, 16, 32)
SIGN_ROUNDS = 9
BATCHES_A_ROUND = 8  # bench_sign.c


def measure(signer):
    """One round: a few bursts of all its keys, enough that the signer's part in their TLS handshakes weighs little. signer is bench.py's."""
    return signer.load(min(CONNECTIONS, len(signer.keys)), 0, bursts=BURSTS)


def rate(outcome):
    """Signatures per second of the median burst."""
    keys = outcome["signed"] / len(outcome["burst_ms"])
    return 1000 * keys / statistics.median(outcome["burst_ms"])


def summarise(rounds, of, blst_rate):
    """of is bench.py's, blst_rate the yardstick's of a round."""
    processor = lambda r: r["burst"]["cpu_seconds"] + r["burst"]["signer_cpu_seconds"]  # noqa: E731
    return {"milliseconds": of(lambda r: statistics.median(r["burst"]["burst_ms"])),
            "signatures_per_second": of(lambda r: rate(r["burst"])),
            "ratio_to_blst": of(lambda r: rate(r["burst"]) / blst_rate(r)),
            "processor_us_a_signature": of(lambda r: 1e6 * processor(r) / r["burst"]["signed"]),
            "processor_ratio_to_blst": of(lambda r: (r["blst_busy"]["cpu_seconds"] / r["blst_busy"]["signed"])
                                          / (processor(r) / r["burst"]["signed"]))}


def as_text(found, line, keys):
    """line is bench.py's."""
    text = f"\nA slot's burst: {keys} keys attest to the same at once over {CONNECTIONS} kept HTTPS connections, protection in SQLite\n"
    text += line("time to the last answer", found["milliseconds"], "ms", 1)
    text += line("signatures", found["signatures_per_second"], "/s")
    text += line("  against blst hash-and-sign on all cores", found["ratio_to_blst"], "x", 2)
    text += line("processor, signer and load generator, a signature", found["processor_us_a_signature"], "us", 1)
    return text + line("  blst's against that", found["processor_ratio_to_blst"], "x", 2)


def instructions(tools, function, signatures, *arguments):
    """Executed in that function and below, a signature; None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--toggle-collect={function}",
                           str(tools / "bench_sign"), *arguments], capture_output=True, text=True, timeout=120, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / signatures


def measure_signing(tools, tool, spread):
    """What one message costs by the number of keys; tool and spread are bench.py's."""
    found = []
    for arguments in [[f"--keys={keys}"] for keys in SIZES] + [["--keys=32", "--warm"]]:
        outcome = tool("bench_sign", f"--rounds={SIGN_ROUNDS}", *arguments)
        pairs = list(zip(outcome["alone_ns"], outcome["together_ns"]))
        found.append({"keys": outcome["keys"], "warm": outcome["warm"],
                      "microseconds": spread([together / 1000 for _, together in pairs]),
                      "ratio_to_blst": spread([alone / together for alone, together in pairs])})
    together = instructions(tools, "bls_batch_sign", 32 * (BATCHES_A_ROUND + 1), "--keys=32", "--rounds=1")
    alone = instructions(tools, "bls_sign", 32 + BATCHES_A_ROUND, "--keys=32", "--rounds=1")
    return {"sizes": found, "instructions_of_32_together": together, "instructions_alone": alone}


def signing_as_text(found, line):
    text = "\nOne message by many keys in lib/bls, one core, processor time of a signature; against blst hash-and-sign\n"
    for one in found["sizes"]:
        label = f"{one['keys']} keys" + (", the message signed before" if one["warm"] else ", a new message")
        text += line(label, one["microseconds"], "us", 1) + line("  against blst", one["ratio_to_blst"], "x", 2)
    if found["instructions_alone"]:
        text += f"  instructions a signature (callgrind; it emulates no ADX): alone {found['instructions_alone']:,.0f}, "
        text += f"of 32 together {found['instructions_of_32_together']:,.0f}\n"
    return text


def measure_growth(start, yardstick, spread):
    """Start, memory and bursts by the number of keys. start makes a signer of bench.py's, yardstick runs blst on all cores."""
    found = []
    for count in COUNTS:
        signer = start(count)
        rounds = []
        try:
            for _ in range(GROWTH_ROUNDS):
                rounds.append({"blst_busy": yardstick(), "burst": measure(signer)})
            resident, _ = signer.memory_mib()
        finally:
            signer.stop()
        blst_rate = lambda r: r["blst_busy"]["signed"] / r["blst_busy"]["seconds"]  # noqa: E731
        found.append({"keys": count, "first_signature_seconds": signer.first_signature_seconds, "resident_mib": resident,
                      **summarise(rounds, lambda function, rounds=rounds: spread([function(r) for r in rounds]), blst_rate)})
    return found


def growth_as_text(found, line):
    text = f"\nBursts by the number of keys, over as many kept connections, at most {CONNECTIONS}\n"
    for one in found:
        text += f"  {one['keys']:>6,} keys: first signature after {one['first_signature_seconds']:.2f} s, {one['resident_mib']:.1f} MiB resident\n"
        text += line("    time to the last answer", one["milliseconds"], "ms", 1)
        text += line("    against blst hash-and-sign on all cores", one["ratio_to_blst"], "x", 2)
        text += line("    processor, blst's against ours", one["processor_ratio_to_blst"], "x", 2)
    return text


def high_priority():
    """Ours and what we start, where that is allowed: others on the machine then meet both sides less."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    except PermissionError:
        pass
