"""Of make bench: instructions a signature request, of the front and of the keeper, as callgrind counts them: the figure that no other
program on the machine moves. Beside it the signature itself, in lib/bls, alone and of 32 together.

The processes run as they always do, under valgrind, but for their sandbox (bench_no_sandbox.c) and with one signing thread. A count
is the difference of two runs that differ in nothing but how many requests there were, so starts and handshakes are not in it.
callgrind emulates a processor without ADX: its counts compare with each other only. How a burst is cut into turns of the loops
depends on time, so counts of bursts move by a few hundredths."""
import re
import shutil
import stat
import subprocess

from bench_common import BIN, TOOLS, NotHere

SECONDS = 300
COUNTED = ("front", "keeper")
FEW, MANY = 1, 3  # bursts of all keys
SIGNING_THREADS = 1
BATCHES_A_ROUND = 8  # bench_sign.c
# name: keys, connections, protected, what bench_load is told
CASES = {"a lone attestation, a message of its own, no protection": (64, 1, False, ["--distinct=true"]),
         "a lone attestation, a message of its own, SQLite": (64, 1, True, ["--distinct=true"]),
         "of a burst of 256 with one message, SQLite": (256, 256, True, [])}


def counted_programs(context):
    """A folder with all programs, of which those that are counted run under callgrind."""
    folder = context.folder / "counted"
    folder.mkdir()
    for program in BIN.iterdir():
        name = program.name.removeprefix("nitro-signer-")
        if name not in COUNTED:
            shutil.copy(program, folder)  # no link: a program finds its siblings beside itself
            continue
        wrapper = folder / program.name
        wrapper.write_text(f'#!/bin/sh\nLD_PRELOAD={TOOLS}/libbench_no_sandbox.so exec valgrind -q --tool=callgrind '
                           f'--callgrind-out-file={folder}/{name}.out {program} "$@"\n')
        wrapper.chmod(stat.S_IRWXU)
    return folder


def totals(folder):
    return {name: int(re.search(r"^totals: (\d+)", (folder / f"{name}.out").read_text(), re.MULTILINE)[1]) for name in COUNTED}


def count(context, folder, name, case, bursts):
    keys, connections, protected, words = case
    with context.signer(keys, name, protected, program_options=[f"--signing-threads={SIGNING_THREADS}"], bin_dir=folder) as signer:
        signer.load(connections, 0, *words, bursts=bursts, timeout=120)
    return totals(folder)


def count_case(context, folder, number, case):
    """Instructions a request, by process."""
    few, many = (count(context, folder, f"counted-{number}-{bursts}", case, bursts) for bursts in (FEW, MANY))
    return {name: (many[name] - few[name]) / (case[0] * (MANY - FEW)) for name in COUNTED}


def count_signatures(function, signatures, *arguments):
    """Executed in that function of lib/bls and below, a signature."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--toggle-collect={function}",
                           str(TOOLS / "bench_sign"), *arguments], capture_output=True, text=True, timeout=120, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1]) / signatures


def measure(context):
    if not shutil.which("valgrind"):
        raise NotHere("no valgrind: Debian's valgrind")
    folder = counted_programs(context)
    return {"requests": {name: count_case(context, folder, number, case) for number, (name, case) in enumerate(CASES.items())},
            "signature_alone": count_signatures("bls_batch_sign", BATCHES_A_ROUND + 1, "--keys=1", "--rounds=1"),
            "signature_by_blst": count_signatures("bls_sign", 32 + BATCHES_A_ROUND, "--keys=32", "--rounds=1"),
            "signature_of_32_together": count_signatures("bls_batch_sign", 32 * (BATCHES_A_ROUND + 1), "--keys=32", "--rounds=1")}


def as_text(found):
    text = f"instructions a request (callgrind, which emulates no ADX), one signing thread\n  {'':<58} {'front':>12} {'keeper':>12}\n"
    for name, counts in found["requests"].items():
        text += f"  {name:<58} {counts['front']:>12,.0f} {counts['keeper']:>12,.0f}\n"
    for name, key in (("by blst: hash and multiply", "by_blst"), ("alone", "alone"), ("of 32 together", "of_32_together")):
        text += f"  {f'the signature itself, {name}':<58} {'':>12} {found[f'signature_{key}']:>12,.0f}\n"
    return text


def goals(_):
    return []
