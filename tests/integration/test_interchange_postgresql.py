"""nitro-signer eth2 import, export and watermark-repair on Web3Signer's PostgreSQL database."""
import contextlib
import json
import os
import subprocess
import time

import pytest

from slashing_peer import Peer, PeerThread
from test_interchange import KEYS, exported, history, validator, write
from test_signer_standalone import GENESIS

ROOT = "0x" + "ab" * 32


@pytest.fixture
def run(bin_dir, folder, postgres_database):
    """As in test_interchange.py, on a database of this test's own."""
    def runner(verb, *words, url=postgres_database.jdbc_url, user=postgres_database.user,
               password=postgres_database.password):
        options = [f"--slashing-protection-db-url={url}", f"--slashing-protection-db-username={user}",
                   f"--slashing-protection-db-password={password}"]
        done = subprocess.run([bin_dir / "nitro-signer", "eth2", *options, verb, *words], cwd=folder, text=True,
                              capture_output=True, timeout=600, check=False)
        return done.returncode, done.stderr, 0
    return runner


def rows(database, table):
    numbers = "validator_id, " + {"signed_blocks": "slot", "signed_attestations": "source_epoch, target_epoch",
                                  "low_watermarks": "slot, source_epoch, target_epoch"}[table]
    root = "" if table == "low_watermarks" else ", encode(signing_root, 'hex')"
    return [tuple(int(value) if value is not None and not isinstance(value, str) else value for value in row)
            for row in database.query(f"SELECT {numbers}{root} FROM {table} ORDER BY 1, 2")]


def test_a_complete_history_becomes_rows_that_web3signer_respects(run, folder, postgres_database):
    write(folder, history([validator(KEYS[0], [(5,), (12, ROOT), (7,)], [(0, 1, ROOT), (1, 4, ROOT), (3, 4)]),
                           validator(KEYS[1], [], [(7, 8, ROOT)]), validator(KEYS[2])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 0 and "3 validators" in said, said
    assert rows(postgres_database, "signed_blocks") == [(1, 12, "ab" * 32)]
    assert rows(postgres_database, "signed_attestations") == [(1, 3, 4, None), (2, 7, 8, "ab" * 32)]
    assert rows(postgres_database, "low_watermarks") == [(1, 12, 3, 4), (2, None, 7, 8)]
    assert exported(run, folder) == history([validator(KEYS[0], [(12, ROOT)], [(3, 4)]),
                                             validator(KEYS[1], [], [(7, 8, ROOT)]), validator(KEYS[2])])

    # What was folded away is forbidden to the peer, too; what stands at the mark is to be repeated.
    with contextlib.closing(Peer(postgres_database, [0])) as peer:
        peer.ids = {0: 1, 1: 2}
        root = bytes.fromhex("ab" * 32)
        assert not any(peer.block(0, slot, root) for slot in range(12))
        assert peer.block(0, 12, root) and not peer.block(0, 12, bytes(32)) and peer.block(0, 13, root)
        assert not any(peer.vote(0, source, target, root) for source in range(5) for target in range(5))
        assert peer.vote(1, 7, 8, root) and not peer.vote(1, 7, 8, bytes(32)) and peer.vote(0, 3, 5, root)


def test_an_import_never_lowers_a_mark(run, folder, postgres_database):
    write(folder, history([validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)])]))
    assert run("import", "--from=in.json")[0] == 0
    before = exported(run, folder)
    write(folder, history([validator(KEYS[0], [(11,)], [(2, 8)]), validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)])]))
    assert run("import", "--from=in.json")[0] == 0
    assert exported(run, folder) == before
    write(folder, history([validator(KEYS[0], [(12, "0x" + "cd" * 32)], [(5, 6)])]))
    assert run("import", "--from=in.json")[0] == 0
    assert exported(run, folder) == history([validator(KEYS[0], [(12,)], [(5, 9)])])


@pytest.mark.parametrize("what", ["import", "repair"])
def test_what_is_older_than_the_marks_is_forbidden_to_web3signer_too(run, folder, postgres_database, what):
    """Our marks stand above it already. But Web3Signer signs anything between the low watermark and the highest row that no row forbids."""
    write(folder, history([validator(KEYS[0])]))
    assert run("import", "--from=in.json")[0] == 0
    root, other = bytes.fromhex("ab" * 32), bytes.fromhex("cd" * 32)
    with contextlib.closing(Peer(postgres_database, [0])) as peer:
        peer.ids = {0: 1}
        assert all(peer.vote(0, epoch, epoch + 1, root) and peer.block(0, epoch, root) for epoch in (10, 60))

        def signed():
            return [row for table in ("signed_blocks", "signed_attestations") for row in rows(postgres_database, table) if row[0] == 1]
        before = signed()
        if what == "import":
            write(folder, history([validator(KEYS[0], [(slot, ROOT) for slot in range(20, 30)], [(e, e + 1, ROOT) for e in range(20, 30)])]))
            assert run("import", "--from=in.json")[0] == 0
        else:
            assert run("watermark-repair", "--epoch=40", "--slot=40")[0] == 0
        assert not peer.vote(0, 25, 26, other) and not peer.block(0, 25, other)
        assert signed() == before
        assert peer.vote(0, 60, 61, root) and peer.block(0, 60, root), "the same again"
        assert peer.vote(0, 61, 62, other) and peer.block(0, 61, other)


def test_all_of_a_file_or_nothing(run, folder, postgres_database):
    text = json.dumps(history([validator(key, [(i,)], [(i, i)]) for i, key in enumerate(KEYS)]))
    write(folder, text[:-20])
    assert run("import", "--from=in.json")[0] == 1
    assert postgres_database.query("SELECT * FROM validators") == []
    assert postgres_database.query("SELECT * FROM metadata") == []
    write(folder, history([validator(KEYS[0], [(1,)])], genesis="0x" + "11" * 32))
    assert run("import", "--from=in.json")[0] == 0
    write(folder, history([validator(KEYS[1], [(1,)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "another genesis validators root" in said
    assert len(postgres_database.query("SELECT * FROM validators")) == 1


def test_watermarks_are_repaired_and_capped(run, folder, postgres_database):
    status, said, _ = run("watermark-repair", "--set-high-watermark", "--epoch=100", "--slot=3200")
    assert status == 1 and "no genesis validators root yet" in said
    write(folder, history([validator(KEYS[0], [(12, ROOT)], [(3, 9, ROOT)]), validator(KEYS[1])]))
    assert run("import", "--from=in.json")[0] == 0
    assert run("watermark-repair", "--epoch=50", "--slot=1600")[0] == 0
    assert rows(postgres_database, "low_watermarks") == [(1, 1600, 50, 50), (2, 1600, 50, 50)]
    for epoch, slot in ((50, 3200), (100, 1600)):
        status, said, _ = run("watermark-repair", "--set-high-watermark", f"--epoch={epoch}", f"--slot={slot}")
        assert status == 1 and "must be above all watermarks" in said
    assert run("watermark-repair", "--set-high-watermark", "--epoch=100", "--slot=3200")[0] == 0
    high = postgres_database.query("SELECT high_watermark_epoch, high_watermark_slot FROM metadata")
    assert [list(map(int, row)) for row in high] == [[100, 3200]]
    write(folder, history([validator(KEYS[0], [(3200,)])]))
    status, said, _ = run("import", "--from=in.json")
    assert status == 1 and "high watermark" in said
    assert run("watermark-repair", "--remove-high-watermark")[0] == 0
    assert postgres_database.query("SELECT high_watermark_epoch, high_watermark_slot FROM metadata") == [(None, None)]
    assert run("import", "--from=in.json")[0] == 0


def test_a_disabled_validator_stays_so(run, folder, postgres_database):
    postgres_database.query("INSERT INTO validators (public_key, enabled) VALUES (decode(%s, 'hex'), false)", (KEYS[0][2:],))
    write(folder, history([validator(KEYS[0], [(12, ROOT)])]))
    assert run("import", "--from=in.json")[0] == 0
    assert postgres_database.query("SELECT enabled FROM validators") == [(False,)]


def test_votes_whose_source_is_above_their_target_count(run, folder, postgres_database):
    """Web3Signer imports such a row with a warning."""
    postgres_database.query("INSERT INTO metadata (id, genesis_validators_root) VALUES (1, decode(%s, 'hex'))", (GENESIS[2:],))
    postgres_database.query("INSERT INTO validators (public_key) VALUES (decode(%s, 'hex'))", (KEYS[0][2:],))
    postgres_database.query("INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) VALUES "
                            "(1, 90, 5), (1, 10, 50)")
    assert exported(run, folder) == history([validator(KEYS[0], [], [(90, 50)])])


def test_words_that_are_wrong(run, bin_dir, folder, postgres_database):
    write(folder, history([]))
    status, said, _ = run("import", "--from=in.json", url="jdbc:mysql://h/d")
    assert status == 2 and "--slashing-protection-db-url: must begin with jdbc:postgresql://" in said
    status, said, _ = run("import", "--from=in.json", password="wrong secret")
    assert status == 1 and "password authentication failed" in said and "wrong secret" not in said
    status, said, _ = run("import", "--from=in.json", user="")
    assert status == 2 and "--slashing-protection-db-username: must not be empty" in said
    done = subprocess.run([bin_dir / "nitro-signer", "eth2", f"--slashing-protection-db-url={postgres_database.jdbc_url}",
                           "--slashing-protection-db-path=x", "export", "--to=y"], cwd=folder, text=True,
                          capture_output=True, timeout=10, check=False)
    assert done.returncode == 2 and "only one of them can be given" in done.stderr


def test_the_password_is_in_no_argument_and_no_variable(run, bin_dir, folder, postgres_database):
    """While it waits for a table, somebody looks at it."""
    os.mkfifo(folder / "in.json")
    command = [bin_dir / "nitro-signer", "eth2", f"--slashing-protection-db-url={postgres_database.jdbc_url}",
               f"--slashing-protection-db-username={postgres_database.user}",
               f"--slashing-protection-db-password={postgres_database.password}", "import", "--from=in.json"]
    with postgres_database.connect() as blocker:
        blocker.cursor().execute("LOCK TABLE database_version")
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
            with open(folder / "in.json", "w", encoding="ascii") as writer:  # it has become the other program
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{process.pid}/{name}", "rb") as file:
                        seen = file.read()
                    assert b"nitro-signer-interchange" in seen or name == "environ"
                    assert postgres_database.password.encode() not in seen
                blocker.rollback()
                writer.write(json.dumps(history([])))
            assert process.wait(30) == 0, process.stderr.read()


def test_an_import_beside_a_signer(run, folder, postgres_database):
    thread = PeerThread(postgres_database, range(3), 2, seed=7)
    for _ in range(3):
        keys = ["0x" + number.to_bytes(4, "big").hex() + "00" * 44 for number in range(3)]
        write(folder, history([validator(key, [(1, ROOT)], [(0, 1, ROOT)]) for key in keys]))
        status, said, _ = run("import", "--from=in.json")
        assert status == 0, said
    assert thread.result()


def test_a_large_import_is_fast(run, folder):
    """4,400 validators with every vote of 2 days and some blocks, which the peer takes 90 minutes for; a figure, no goal."""
    with open(folder / "in.json", "w", encoding="ascii") as file:
        file.write(json.dumps(history([]))[:-2])
        for i in range(4400):
            one = validator("0x" + i.to_bytes(48, "big").hex(), [(slot, ROOT) for slot in range(5)],
                            [(epoch, epoch + 1, ROOT) for epoch in range(450)])
            file.write(", " * (i > 0) + json.dumps(one))
        file.write("]}")
    size, began = (folder / "in.json").stat().st_size, time.monotonic()
    status, said, _ = run("import", "--from=in.json")
    print(f"\n4,400 validators, {size / 1e6:.0f} MB: {time.monotonic() - began:.2f} s")
    assert status == 0 and "4400 validators" in said, said
