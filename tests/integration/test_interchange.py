"""nitro-signer eth2 import, export and watermark-repair: EIP-3076 files in and out of the slashing protection store."""
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from harness import sanitized
from test_signer_standalone import GENESIS, Signer, attestation, one_key, sign_vectors  # noqa: F401

KEYS = ["0x" + f"{i:02x}" * 48 for i in range(1, 4)]
LIMIT_KIB = 64 * 1024


# The kernel counts what a process was before exec among its peak, and a test runner grows large: so a small
# process starts the program, sends its words to standard error, and says its status and peak.
STARTER = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@pytest.fixture
def run(bin_dir, folder):
    """run("export", "--to=...") on the store of this test: (status, what it says, peak of its memory in KiB)."""
    def runner(verb, *words, eth2=(), store="protection.sqlite"):
        command = [bin_dir / "nitro-signer", "eth2", f"--slashing-protection-db-path={store}", *eth2, verb, *words]
        done = subprocess.run([sys.executable, "-c", STARTER, *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=600, check=True)
        status, memory = map(int, done.stdout.split())
        return status, done.stderr, memory
    return runner


def history(validators, genesis=GENESIS, version="5"):
    return {"metadata": {"interchange_format_version": version, "genesis_validators_root": genesis}, "data": validators}


def validator(pubkey, blocks=(), votes=()):
    return {"pubkey": pubkey, "signed_blocks": [dict(zip(("slot", "signing_root"), map(str, row))) for row in blocks],
            "signed_attestations": [dict(zip(("source_epoch", "target_epoch", "signing_root"), map(str, row))) for row in votes]}


def write(folder, document):
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "in.json").write_text(text)


def exported(run, folder, name="out.json"):
    status, said, _ = run("export", f"--to={name}")
    assert status == 0, said
    return json.loads((folder / name).read_text())


def test_a_complete_history_becomes_watermarks(run, folder):
    root = "0x" + "ab" * 32
    write(folder, history([validator(KEYS[1], [(5,), (12, root), (7,)], [(0, 1, root), (1, 4, root), (3, 4)]),
                           validator(KEYS[0], [], [(7, 8, root)]),
                           validator(KEYS[2])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 0 and "3 validators" in said
    assert (folder / "protection.sqlite").stat().st_mode & 0o777 == 0o600  # as the signer makes it
    assert exported(run, folder) == history([validator(KEYS[0], [], [(7, 8, root)]), validator(KEYS[1], [(12, root)], [(3, 4)])]
                                            + [validator(KEYS[2])])
    assert (folder / "out.json").stat().st_mode & 0o777 == 0o600


def test_an_export_goes_to_another_machine(run, folder):
    root = "0x" + "cd" * 32
    write(folder, history([validator(key, [(i, root)], [(i, i + 1, root)]) for i, key in enumerate(KEYS)]))
    assert run("import", "--from=in.json")[0] == 0
    first = exported(run, folder)
    assert run("import", "--from=out.json", store="other.sqlite")[0] == 0
    assert run("export", "--to=again.json", store="other.sqlite")[0] == 0
    assert (folder / "again.json").read_bytes() == (folder / "out.json").read_bytes()
    write(folder, history([validator(KEYS[0])]))
    assert run("import", "--from=in.json")[0] == 0  # older than what is there: nothing is lowered
    assert exported(run, folder) == first


MISTAKES = {
    "version": (history([validator(KEYS[0], [(5,)])], version="4"), "metadata.interchange_format_version"),
    "network": (history([validator(KEYS[0], [(5,)])], genesis="0x" + "00" * 32), "genesis validators root"),
    "second validator": (history([validator(KEYS[0], [(5,)]), validator("0x12", [(5,)])]), "data[1].pubkey"),
    "last row": (history([validator(KEYS[0], [(5,), ("six",)])]), "data[0].signed_blocks[1].slot"),
    "trailing bytes": (json.dumps(history([validator(KEYS[0], [(5,)])])) + "]", "trailing bytes"),
    "duplicate": (json.dumps(history([validator(KEYS[0], [(5,)])]))[:-1] + ', "data": []}', "member twice"),
    "truncated": (json.dumps(history([validator(KEYS[0], [(5,)])]))[:-1], "ends early"),
    "empty": ("", "ends early"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_with_a_mistake_imports_nothing(run, folder, mistake):
    write(folder, history([validator(KEYS[1], [(3,)])]))
    assert run("import", "--from=in.json")[0] == 0
    before = exported(run, folder)
    document, named = MISTAKES[mistake]
    write(folder, document)
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "nothing was imported" in said and named in said, said
    assert exported(run, folder) == before


def test_the_store_is_the_signers_while_it_runs(start, run, folder, one_key):
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    assert signer.sign(one_key, attestation(7)).status_code == 200
    write(folder, history([validator(one_key, [], [(8, 9)])]))
    for words in (["import", "--from=in.json"], ["export", "--to=out.json"], ["watermark-repair", "--epoch=90", "--slot=90"]):
        status, said, _ = run(*words)
        assert status == 1 and "in use by another process" in said, said
    assert not (folder / "out.json").exists()
    assert signer.sign(one_key, attestation(8, source=7)).status_code == 200
    assert signer.process.terminate() == 0

    document = exported(run, folder)
    assert document["metadata"]["genesis_validators_root"] == GENESIS
    (row,) = document["data"][0]["signed_attestations"]
    assert (document["data"][0]["pubkey"], row["source_epoch"], row["target_epoch"]) == (one_key, "7", "8")
    assert run("import", "--from=in.json")[0] == 0  # 8 to 9, its root unknown
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    refused = signer.sign(one_key, attestation(9, source=8))
    assert refused.status_code == 412
    assert signer.sign(one_key, attestation(10, source=8)).status_code == 200


def test_watermarks_are_repaired_upwards_only(start, run, folder, one_key):
    write(folder, history([validator(one_key, [(500,)], [(2, 3)]), validator(KEYS[2], [(5,)], [(80, 90)])]))
    assert run("import", "--from=in.json")[0] == 0
    status, said, _ = run("watermark-repair", "--epoch=40", "--slot=100")
    assert status == 0 and "2 validators" in said
    assert sorted(exported(run, folder)["data"], key=lambda v: v["pubkey"] == one_key) == [
        validator(KEYS[2], [(100,)], [(80, 90)]), validator(one_key, [(500,)], [(40, 40)])]
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    assert signer.sign(one_key, attestation(40, source=40)).status_code == 412
    assert signer.sign(one_key, attestation(41, source=39)).status_code == 412
    assert signer.sign(one_key, attestation(41, source=40)).status_code == 200


def test_an_import_that_is_killed_has_imported_nothing(bin_dir, start, run, folder):
    write(folder, history([validator(KEYS[1], [(3,)])]))
    assert run("import", "--from=in.json")[0] == 0
    before = exported(run, folder)
    os.mkfifo(folder / "pipe")
    process = start("nitro-signer", "eth2", f"--slashing-protection-db-path={folder}/protection.sqlite", "import",
                    f"--from={folder}/pipe", ready=False)
    with (folder / "pipe").open("w") as pipe:
        pipe.write(json.dumps(history([validator(KEYS[0], [(7,)])] * 3000))[:-1])
        pipe.flush()  # more than a pipe holds: most of it has been read and merged
        log = folder / "protection.sqlite-wal"
        assert process.alive() and log.exists()
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert sanitized(bin_dir / "nitro-signer-interchange") or "Seccomp:\t2" in status
    assert exported(run, folder) == before


@pytest.mark.parametrize("words, named", [
    (["import"], "--from: required"),
    (["import", "--to=x"], "--to: unknown"),
    (["export"], "--to: required"),
    (["export", "--to=x", "more"], "argument 5: unexpected"),
    (["watermark-repair", "--slot=1"], "--epoch: required"),
    (["watermark-repair", "--epoch=1"], "--slot: required"),
    (["watermark-repair", "--epoch=-1", "--slot=1"], "--epoch: must be"),
    (["watermark-repair", "--epoch=1", "--slot=18446744073709551616"], "--slot: must be"),
    (["watermark-repair", "--set-high-watermark"], "--epoch: required"),
    (["watermark-repair", "--set-high-watermark", "--epoch=1"], "--slot: required"),
    (["watermark-repair", "--set-high-watermark", "--epoch=1", "--slot=x"], "--slot: must be"),
    (["watermark-repair", "--set-high-watermark", "--remove-high-watermark"], "--remove-high-watermark: cannot"),
    (["prune"], "argument 3: unexpected"),
])
def test_usage_errors_name_the_option(run, folder, words, named):
    status, said, _ = run(*words)
    assert status == 2 and named in said, said
    assert not (folder / "protection.sqlite").exists()


def test_what_is_missing_is_told_and_not_made(bin_dir, run, folder):
    for words in (["export", "--to=out.json"], ["watermark-repair", "--epoch=1", "--slot=1"]):
        status, said, _ = run(*words)
        assert status == 1 and "No such file" in said
    status, said, _ = run("import", "--from=absent.json")
    assert status == 1 and "--from: absent.json: No such file" in said
    assert not (folder / "protection.sqlite").exists() and not (folder / "out.json").exists()
    status, said, _ = run("import", "--from=absent.json", eth2=["--slashing-protection-enabled=false"])
    assert status == 2 and "--slashing-protection-enabled" in said
    done = subprocess.run([bin_dir / "nitro-signer", "eth2", "import", "--from=x"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "--slashing-protection-db-path" in done.stderr

    write(folder, "[]")
    assert run("import", "--from=in.json")[0] == 1  # and has made a store, of no network yet
    status, said, _ = run("export", "--to=out.json")
    assert status == 1 and "genesis validators root" in said and not list(folder.glob("out.json*"))
    write(folder, history([]))
    (folder / "protection.sqlite").write_bytes(b"no database at all, but a text of some length" * 30)
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "not a SQLite file" in said


def test_an_export_replaces_a_file_or_leaves_it(run, folder):
    write(folder, history([validator(KEYS[0], [(3,)])]))
    assert run("import", "--from=in.json")[0] == 0
    (folder / "out.json").write_text("old")
    (folder / "out.json").chmod(0o644)
    assert exported(run, folder)["data"] == [validator(KEYS[0], [(3,)])]
    assert (folder / "out.json").stat().st_mode & 0o777 == 0o600
    (folder / "taken").mkdir()
    status, said, _ = run("export", "--to=taken")
    assert status == 1 and "taken" in said
    assert sorted(p.name for p in folder.glob("taken*")) == ["taken"]


def minimal_of(interchange):
    """The watermarks that a file amounts to, by a reader of its own."""
    marks = {}
    for entry in interchange["data"]:
        mark = marks.setdefault(entry["pubkey"], [None, None, None])
        for i, (rows, member) in enumerate([("signed_blocks", "slot"), ("signed_attestations", "source_epoch"), ("signed_attestations", "target_epoch")]):
            heights = [int(row[member]) for row in entry[rows]]
            mark[i] = max([*heights, *([] if mark[i] is None else [mark[i]])], default=None)
    return marks


def test_the_files_of_the_interchange_tests(run, folder, vectors):
    """Each file of eth-clients' tests through the command line, one after the other as a case wants them."""
    paths = sorted((vectors / "slashing-interchange/tests/generated").glob("*.json"))
    assert len(paths) == 38
    for path in paths:
        case = json.loads(path.read_text())
        imported = {"data": []}
        for store in folder.glob("protection.sqlite*"):
            store.unlink()
        write(folder, history([], genesis=case["genesis_validators_root"]))
        assert run("import", "--from=in.json")[0] == 0
        for step in case["steps"]:
            write(folder, step["interchange"])
            status, said, _ = run("import", "--from=in.json")
            assert (status == 0) == step["should_succeed"], f"{path.name}: {said}"
            imported["data"] += step["interchange"]["data"] if status == 0 else []
        assert minimal_of(exported(run, folder)) == minimal_of(imported), path.name


def write_large(path, head, elements, tail, length):
    """A document of about length bytes; elements is a generator of texts."""
    with path.open("w") as out:
        out.write(head)
        written, comma = 0, ""
        for element in elements:
            written += out.write(comma + element)
            comma = ","
            if written > length:
                break
        out.write(tail)
    return path.stat().st_size


def rows():
    epoch = 0
    while True:
        yield f'{{"source_epoch":"{epoch}","target_epoch":"{epoch + 1}","signing_root":"0x{epoch:064x}"}}'
        epoch += 1


def keys_alone():
    number = 0
    while True:
        yield f'{{"pubkey":"0x{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:080x}","signed_blocks":[],"signed_attestations":[]}}'
        number += 1


@pytest.mark.parametrize("shape", ["one validator", "many validators"])
def test_a_hundred_megabytes_in_bounded_memory(bin_dir, run, folder, shape):
    head = json.dumps(history([]))[:-2]
    if shape == "one validator":
        size = write_large(folder / "in.json", head + f'{{"pubkey":"{KEYS[0]}","signed_blocks":[],"signed_attestations":[', rows(), "]}]}", 100_000_000)
    else:
        size = write_large(folder / "in.json", head, keys_alone(), "]}", 100_000_000)
    assert size > 100_000_000
    status, said, memory = run("import", "--from=in.json")
    assert status == 0, said
    assert sanitized(bin_dir / "nitro-signer-interchange") or memory < LIMIT_KIB
