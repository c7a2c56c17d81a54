"""How long nitro-signer eth2 import takes for the whole history of a large operator, and how much memory, with histories
of different lengths."""
import json
import os
import subprocess
import sys

from bench_common import BIN, line, spread

VALIDATORS, BLOCKS = 4400, 5
VOTES = (200, 450, 1800)  # of each validator; the last four times as many as the one before
ROUNDS = 3
ROOT = "0x" + "ab" * 32
GENESIS = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"

# The kernel counts what a process was before exec among its peak: so a small process starts the program.
STARTER = """
import os, sys, time
began = time.monotonic()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def write_history(path, validators, votes):
    """A complete EIP-3076 file; its length in bytes."""
    rows = json.dumps({"signed_blocks": [{"slot": str(32 * i), "signing_root": ROOT} for i in range(BLOCKS)],
                       "signed_attestations": [{"source_epoch": str(i), "target_epoch": str(i + 1), "signing_root": ROOT}
                                               for i in range(votes)]})[1:]
    with open(path, "w", encoding="ascii") as file:
        file.write(json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": GENESIS}})[:-1])
        file.write(', "data": [')
        for i in range(validators):
            file.write(("" if i == 0 else ", ") + f'{{"pubkey": "0x{i:096x}", ' + rows)
        file.write("]}")
    return os.path.getsize(path)


def import_once(program, folder, source, validators=VALIDATORS):
    """Seconds, seconds of processor and peak KiB of one import into a new store."""
    store = folder / "import.sqlite"
    for path in folder.glob("import.sqlite*"):
        path.unlink()
    done = subprocess.run([sys.executable, "-c", STARTER, str(program), "eth2", f"--slashing-protection-db-path={store}", "import",
                           f"--from={source}"], capture_output=True, text=True, timeout=300, check=True)
    status, seconds, cpu, peak = done.stdout.split()
    assert status == "0" and f"history of {validators} validators" in done.stderr, done.stderr
    return float(seconds), float(cpu), int(peak)


def measure(context):
    """For each length of history: the file's megabytes, and seconds, seconds of processor and peak MiB of every round."""
    found = {}
    for votes in VOTES:
        source = context.folder / "history.json"
        size = write_history(source, VALIDATORS, votes)
        rounds = [import_once(BIN / "nitro-signer", context.folder, source) for _ in range(ROUNDS)]
        source.unlink()
        found[str(votes)] = {"megabytes": size / 1e6, "seconds": [r[0] for r in rounds], "cpu_seconds": [r[1] for r in rounds],
                             "peak_mib": [r[2] / 1024 for r in rounds]}
    return found


def as_text(found):
    text = f"import of {VALIDATORS:,} validators' history into SQLite, {ROUNDS} rounds\n"
    for votes, of in found.items():
        label = f"{votes} votes each, {of['megabytes']:,.0f} MB"
        text += line(label, spread(of["seconds"]), "s", 2) + line("  processor", spread(of["cpu_seconds"]), "s", 2)
        text += line("  peak memory", spread(of["peak_mib"]), "MiB", 1)
    return text


def goals(_):
    return []
