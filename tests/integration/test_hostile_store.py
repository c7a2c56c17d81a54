"""nitro-signer on a slashing protection store that somebody damaged: before it starts, and under it while it runs.

Before: it refuses to start and names the file. Under it: whatever it still signs, it never signs against what it has
signed, neither in this life nor in the next one. Undetectable, and no test here: a store that was put back to an older
sound state, which the loss of the last transaction of the log of a killed signer is too."""
import os
import shutil
import signal
import sqlite3
import struct

import pytest

from hostile import damage, seeded
from test_signer_standalone import Signer, attestation, one_key, sign_vectors  # noqa: F401 (fixtures)

ROUNDS = int(os.environ.get("NS_ROUNDS", 12))
PAGE = 4096


@pytest.fixture
def store(folder):
    return folder / "slashing.sqlite"


def options(store):
    return ["--network=minimal", f"--slashing-protection-db-path={store}"]


def wal_of(store):
    return store.with_name(store.name + "-wal")


def other_block(target):
    return attestation(target, "0x" + "45" * 32)


def used_store(start, folder, store, key, ending=signal.SIGTERM, targets=(7, 8, 9)):
    """A store with attestations; killed, its log is beside it."""
    signer = Signer(start, folder, options(store))
    for target in targets:
        assert signer.sign(key, attestation(target)).status_code == 200
    signer.process.signal(ending)
    signer.process.wait()
    assert wal_of(store).exists() == (ending == signal.SIGKILL)


def refused(start, folder, store, what):
    process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2", *options(store), ready=False)
    assert process.wait(8) == 1, (what, process.log())
    assert store.name in process.log() and "listening" not in process.log(), (what, process.log())


def overwrite(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def make_other(path, statements=("CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")):
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


GARBAGE = seeded("garbage").randbytes(PAGE)
BEFORE = {
    **{f"cut to {length}": lambda path, length=length: os.truncate(path, length) for length in (0, 1, 99, 100, PAGE - 1, PAGE, 2 * PAGE, 2 * PAGE + 7)},
    "another magic": lambda path: overwrite(path, 0, b"SQLite format 4\0"),
    "a page size of 3": lambda path: overwrite(path, 16, b"\0\3"),
    "a garbage header": lambda path: overwrite(path, 0, GARBAGE[:100]),
    "a garbage schema": lambda path: overwrite(path, 100, GARBAGE[100:]),
    "a zero schema": lambda path: overwrite(path, 100, bytes(PAGE - 100)),
    "another application": lambda path: overwrite(path, 68, b"\0\0\0\1"),
    "no application": lambda path: overwrite(path, 68, bytes(4)),
    "a later version": lambda path: overwrite(path, 60, b"\0\0\0\3"),
    "the version before": lambda path: overwrite(path, 60, b"\0\0\0\1"),
    "garbage in the middle": lambda path: overwrite(path, PAGE, GARBAGE),
    "zeros in the middle": lambda path: overwrite(path, PAGE, bytes(PAGE)),
    "garbage at the end": lambda path: overwrite(path, path.stat().st_size - PAGE, GARBAGE),
    "all garbage": lambda path: path.write_bytes(GARBAGE * 4),
    "all zeros": lambda path: path.write_bytes(bytes(4 * PAGE)),
    "text": lambda path: path.write_text("[]\n" * 1000),
    "another database": make_other,
    "an empty database of ours": lambda path: make_other(path, (f"PRAGMA application_id = {0x4e535350}", "PRAGMA user_version = 2")),
    "a view instead": lambda path: make_other(path, (f"PRAGMA application_id = {0x4e535350}", "PRAGMA user_version = 2",
                                                     "CREATE VIEW validator AS SELECT 1", "CREATE TABLE store (id, genesis_validators_root, high_epoch, high_slot)")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a second name": lambda path: os.link(path, path.with_name("second")),
}


def test_a_store_damaged_before_the_start_is_refused(start, folder, store, one_key):  # noqa: F811
    used_store(start, folder, store, one_key)
    shutil.copy(store, folder / "good")
    for what, spoil in BEFORE.items():
        shutil.copy(folder / "good", store)
        spoil(store)
        refused(start, folder, store, what)
        if store.is_dir():
            store.rmdir()
        for left in (store, wal_of(store), folder / "second"):
            left.unlink(missing_ok=True)
    shutil.copy(folder / "good", store)
    assert Signer(start, folder, options(store)).sign(one_key, other_block(9)).status_code == 412


def frame_at(number):
    return 32 + number * (24 + PAGE)


def salted(path):
    """Header with other salts, and no sound checksum for them."""
    overwrite(path, 16, b"otherone")


LOGS = {
    "no log": lambda store, log: (store.unlink(), store.touch()),  # the file is empty, the log is not
    "no file": lambda store, log: store.unlink(),
    "a garbage header": lambda store, log: overwrite(log, 0, GARBAGE[:32]),
    "a zero header": lambda store, log: overwrite(log, 0, bytes(32)),
    "other salts": lambda store, log: salted(log),
    "a garbage frame": lambda store, log: overwrite(log, frame_at(1), GARBAGE),
    "zeros in a frame": lambda store, log: overwrite(log, frame_at(1) + 24, bytes(PAGE)),
    "a flipped bit": lambda store, log: overwrite(log, frame_at(1) + 2000, bytes([log.read_bytes()[frame_at(1) + 2000] ^ 1])),
    "all garbage": lambda store, log: log.write_bytes(GARBAGE * 8),
    "a log of text": lambda store, log: log.write_text("log\n" * 5000),
    "a folder": lambda store, log: (log.unlink(), log.mkdir()),
    "damage that was there before": lambda store, log: overwrite(log, frame_at(0) + 24, GARBAGE),
}


def test_a_log_damaged_before_the_start_is_refused(start, folder, store, one_key):  # noqa: F811
    used_store(start, folder, store, one_key, signal.SIGKILL)
    log = wal_of(store)
    shutil.copy(store, folder / "good")
    shutil.copy(log, folder / "good-log")
    for what, spoil in LOGS.items():
        shutil.copy(folder / "good", store)
        shutil.copy(folder / "good-log", log)
        spoil(store, log)
        refused(start, folder, store, what)
        if log.is_dir():
            log.rmdir()
    shutil.copy(folder / "good", store)
    shutil.copy(folder / "good-log", log)
    assert Signer(start, folder, options(store)).sign(one_key, other_block(9)).status_code == 412


def test_a_transaction_cut_by_a_crash_is_no_damage(start, folder, store, one_key):  # noqa: F811
    """Of the last frames anything may be missing: nothing was signed on them."""
    used_store(start, folder, store, one_key, signal.SIGKILL)
    log = wal_of(store)
    size = log.stat().st_size
    assert (size - 32) % (24 + PAGE) == 0
    header, frames = log.read_bytes()[:32], log.read_bytes()[32:]
    unfinished = frames[-(24 + PAGE):]
    assert struct.unpack(">I", unfinished[4:8])[0] != 0  # a commit
    for tail in (unfinished[:10], unfinished[:24], unfinished[:3000], unfinished, bytes(PAGE), b"\xff" * 100):
        log.write_bytes(header + frames + tail)
        signer = Signer(start, folder, options(store))
        assert signer.sign(one_key, other_block(9)).status_code == 412
        signer.process.signal(signal.SIGKILL)
        signer.process.wait()


def test_random_damage_never_crashes(start, folder, store, one_key):  # noqa: F811
    used_store(start, folder, store, one_key, signal.SIGKILL)
    good, good_log = store.read_bytes(), wal_of(store).read_bytes()
    refusals = 0
    for seed in range(ROUNDS):
        rng = seeded("store", seed)
        store.write_bytes(damage(rng, good) if seed % 2 else good)
        wal_of(store).write_bytes(good_log if seed % 2 else damage(rng, good_log))
        process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2", *options(store), ready=False)
        while process.alive() and "listening on" not in process.log():
            pass
        if process.alive():
            assert process.terminate() == 0, seed
        else:
            assert process.wait() == 1 and store.name in process.log(), (seed, process.log())
            refusals += 1
    assert refusals > ROUNDS // 4


def replace(path, data):
    path.with_name("new").write_bytes(data)
    os.replace(path.with_name("new"), path)


UNDER_IT = {
    "the file emptied": lambda store, log: os.truncate(store, 0),
    "the file cut": lambda store, log: os.truncate(store, PAGE),
    "the file overwritten": lambda store, log: overwrite(store, 0, GARBAGE * 4),
    "the middle overwritten": lambda store, log: overwrite(store, PAGE, GARBAGE),
    "the file replaced": lambda store, log: replace(store, GARBAGE),
    "the file replaced by itself": lambda store, log: replace(store, store.read_bytes()),
    "the file replaced by another database": lambda store, log: make_other(store),
    "the file deleted": lambda store, log: store.unlink(),
    "the file made a folder": lambda store, log: (store.unlink(), store.mkdir()),
    "the log emptied": lambda store, log: os.truncate(log, 0),
    "the log cut": lambda store, log: os.truncate(log, 5000),
    "the log overwritten": lambda store, log: overwrite(log, 0, GARBAGE * 4),
    "the log's header overwritten": lambda store, log: overwrite(log, 0, GARBAGE[:32]),
    "the log's middle overwritten": lambda store, log: overwrite(log, frame_at(1), GARBAGE),
    "the log replaced": lambda store, log: replace(log, GARBAGE),
    "the log deleted": lambda store, log: log.unlink(),
    "both emptied": lambda store, log: (os.truncate(store, 0), os.truncate(log, 0)),
    "both deleted": lambda store, log: (store.unlink(), log.unlink()),
}
# Noticed at the next order, which is not signed: names that lead elsewhere, and files that shrank.
NOTICED = [what for what in UNDER_IT if what.split()[-1] not in ("overwritten",)]
# What is left is an older state or nothing, as if the operator had begun anew: no program can tell.
FORGOTTEN = ("the file deleted", "the log emptied", "the log cut", "the log replaced", "the log deleted", "both deleted",
             "the file replaced by itself")


@pytest.mark.parametrize("what", UNDER_IT)
def test_a_store_damaged_under_the_signer(start, folder, store, one_key, what):  # noqa: F811
    signer = Signer(start, folder, options(store))
    for target in (7, 8):
        assert signer.sign(one_key, attestation(target)).status_code == 200
    UNDER_IT[what](store, wal_of(store))
    assert signer.sign(one_key, other_block(8)).status_code != 200
    after = [target for target in (9, 10) if signer.sign(one_key, attestation(target)).status_code == 200]
    assert signer.sign(one_key, other_block(9)).status_code != 200 or 9 not in after
    assert not after or what not in NOTICED
    assert signer.process.alive() or signer.process.wait() == 1
    signer.process.signal(signal.SIGKILL)
    signer.process.wait()
    if what in FORGOTTEN:
        return
    process = start("nitro-signer", "--http-listen-port=0", f"--data-path={folder}/data", f"--key-config-path={folder}/keys", "eth2", *options(store), ready=False)
    while process.alive() and "listening on" not in process.log():
        pass
    if process.alive():
        port = int((folder / "data/web3signer.ports").read_text().split("=")[1])
        signer.url = f"http://localhost:{port}"
        for target in [7, 8, *after]:
            assert signer.sign(one_key, other_block(target)).status_code == 412, target
    else:
        assert process.wait() == 1 and store.name in process.log()
