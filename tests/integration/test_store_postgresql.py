"""The PostgreSQL store on a real server: what every store must do, and what this one must do beside it."""
import contextlib
import os
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

from postgres_server import PostgresServer
from slashing_peer import PeerThread, slashable_pairs

ORDERS_SECONDS = 3
VALIDATORS = 3


def url_of(database, **parameters):
    """The database as the store's URL."""
    password = urllib.parse.quote(database.password)
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    return f"postgresql://{database.user}:{password}@{database.host}:{database.port}/{database.name}{query}"


def test_conformance(bin_dir, vectors, postgres_database):
    program = bin_dir.parent / "tests/test_store_conformance"
    done = subprocess.run([program, f"--postgresql={url_of(postgres_database)}"], capture_output=True, text=True,
                          timeout=200, check=False, env=os.environ | {"NS_VECTORS_DIR": str(vectors)})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_random_orders_from_one_to_three_signers_that_are_killed(bin_dir, postgres_database):
    program = bin_dir.parent / "tests/test_store_property"
    orders = os.environ.get("NS_ORDERS", "3000")
    done = subprocess.run([program, f"--postgresql={url_of(postgres_database)}"], capture_output=True, text=True, timeout=3000,
                          check=False, env=os.environ | {"NS_ORDERS": orders})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


class Rival:
    """A signer of ours on the store (tests/unit/slashing/postgresql_rival.c)."""

    def __init__(self, bin_dir, url, seed, seconds=ORDERS_SECONDS):
        self._process = subprocess.Popen(
            [bin_dir.parent / "tests/postgresql_rival", f"--postgresql={url}", f"--seed={seed}",
             f"--validators={VALIDATORS}", f"--milliseconds={int(seconds * 1000)}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        """The lines of what it signed, and how many conflicts and errors there were."""
        out, error = self._process.communicate(timeout=300)
        assert self._process.returncode == 0, error
        *lines, end = out.splitlines()
        word, signatures, conflicts, errors = end.split()
        assert word == "end" and int(signatures) == len(lines)
        return lines, int(conflicts), int(errors)


def fleet(bin_dir, database, seed, **peer):
    """Two rivals and two peers at once; what all of them signed, and how many of it the rivals, the peers, conflicts."""
    numbers = range(VALIDATORS)
    peers = [PeerThread(database, numbers, ORDERS_SECONDS, seed + i, **peer) for i in range(2)]
    rivals = [Rival(bin_dir, url_of(database), seed + i) for i in range(2)]
    ours = [rival.result() for rival in rivals]
    theirs = [line for thread in peers for line in thread.result()]
    mine = [line for lines, _, _ in ours for line in lines]
    assert sum(errors for _, _, errors in ours) == 0
    return mine + theirs, len(mine), len(theirs), sum(conflicts for _, conflicts, _ in ours)


def recorded(database):
    """The history as lines of what was signed, whoever did it."""
    votes = database.query("SELECT public_key, source_epoch, target_epoch, signing_root FROM signed_attestations "
                           "JOIN validators v ON v.id = validator_id")
    blocks = database.query("SELECT public_key, slot, signing_root FROM signed_blocks JOIN validators v ON v.id = "
                            "validator_id")
    number = lambda key: int.from_bytes(bytes(key)[:4], "big")
    return ({f"vote {number(key)} {source} {target} {bytes(root)[0]}" for key, source, target, root in votes} |
            {f"block {number(key)} {slot} {bytes(root)[0]}" for key, slot, root in blocks})


def test_a_mixed_fleet_signs_nothing_slashable(bin_dir, postgres_database):
    seed = int(time.time())
    lines, ours, theirs, conflicts = fleet(bin_dir, postgres_database, seed)
    print(f"seed {seed}: {ours} signed by ours, {theirs} by peers, {conflicts} conflicts")
    assert slashable_pairs(lines) == []
    assert set(lines) <= recorded(postgres_database)
    assert ours > 20 and theirs > 20 and conflicts > 10  # they did meet; a busy machine gives little


def test_without_locks_the_fleet_is_convicted(bin_dir, postgres_database):
    """That the test above can fail: a function of the same name takes the place of the lock."""
    postgres_database.query("CREATE FUNCTION pg_advisory_xact_lock(integer, integer) RETURNS void LANGUAGE sql AS ''")
    postgres_database.query(f"ALTER DATABASE {postgres_database.name} SET search_path = public, pg_catalog")
    for seed in range(1, 11):
        lines, *_ = fleet(bin_dir, postgres_database, seed, between=0.002)
        if slashable_pairs(lines):
            return
    pytest.fail("nothing slashable without locks")


def refusal(bin_dir, url):
    """Why the store does not open; empty when it does."""
    done = subprocess.run([bin_dir.parent / "tests/postgresql_rival", f"--postgresql={url}", "--validators=1",
                           "--milliseconds=1"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 1) == bool(done.stderr)
    return done.stderr


def test_only_the_right_database_is_opened(bin_dir, postgres):
    database = postgres.database()
    url = url_of(database)
    assert refusal(bin_dir, url) == ""
    assert "password authentication failed" in refusal(bin_dir, url.replace(":Seven", ":Eight"))
    assert "does not exist" in refusal(bin_dir, url + "_not")
    assert "not the tables of Web3Signer" in refusal(bin_dir, url_of(postgres.database(schema=False)))
    for version in (11, 13):
        database.query("UPDATE database_version SET version = %s", (version,))
        assert f"version is {version}, and must be 12" in refusal(bin_dir, url)
    database.query("DELETE FROM database_version")
    assert "version is none" in refusal(bin_dir, url)
    database.query("INSERT INTO database_version VALUES (1, 12)")
    assert refusal(bin_dir, url) == ""
    database.query("ALTER TABLE signed_attestations SET UNLOGGED")
    assert "unlogged" in refusal(bin_dir, url)


def test_tls_as_the_url_says(bin_dir, postgres, postgres_database):
    url = url_of(postgres_database, sslmode="verify-full", sslrootcert=postgres.ca_file)
    assert refusal(bin_dir, url) == ""
    assert "certificate" in refusal(bin_dir, url_of(postgres_database, sslmode="verify-full"))
    other = url.replace("@127.0.0.1:", "@127.0.0.2:")
    assert refusal(bin_dir, other) != ""


def test_over_a_unix_socket(bin_dir, postgres, postgres_database):
    url = url_of(postgres_database, host=postgres.socket_folder).replace("@127.0.0.1:", "@:")
    assert refusal(bin_dir, url) == ""
    assert "No such file" in refusal(bin_dir, url + "x")


def test_the_environment_is_not_asked(bin_dir, postgres_database, monkeypatch, folder):
    (folder / ".pgpass").write_text(f"*:*:*:*:{postgres_database.password}\n")
    (folder / ".pgpass").chmod(0o600)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PGPASSWORD", postgres_database.password)
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.1")
    monkeypatch.setenv("PGSERVICE", "another")
    assert refusal(bin_dir, url_of(postgres_database)) == ""
    without = url_of(postgres_database).replace(":" + urllib.parse.quote(postgres_database.password), "")
    assert "no password" in refusal(bin_dir, without)


@pytest.fixture
def own_server():
    """A server of the test's own, to be ill-treated."""
    with contextlib.closing(PostgresServer()) as server:
        yield server


def restart(server, kill=False):
    server.kill() if kill else server.stop()  # pylint: disable=expression-not-assigned
    server.start()


def test_only_a_server_that_keeps_its_word(bin_dir, own_server):
    database = own_server.database()
    url = url_of(database)

    def alter(text):
        with database.connect() as connection:
            connection.autocommit = True
            connection.cursor().execute(text)

    for setting in ("fsync", "full_page_writes"):
        alter(f"ALTER SYSTEM SET {setting} = off")
        restart(own_server)
        assert f"{setting} = off" in refusal(bin_dir, url)
        alter(f"ALTER SYSTEM RESET {setting}")
        restart(own_server)
    assert refusal(bin_dir, url) == ""
    alter(f"ALTER ROLE {database.user} SET default_transaction_read_only = on")
    assert "read-only" in refusal(bin_dir, url)
    own_server.stop()
    (own_server.folder / "data/standby.signal").touch()
    own_server.start()
    assert "standby" in refusal(bin_dir, url)


def test_what_was_signed_survives_crashes_of_the_server(bin_dir, own_server):
    """Of a role whose commits would not wait for the disk, too."""
    database = own_server.database()
    database.query(f"ALTER ROLE {database.user} SET synchronous_commit = off")
    url = url_of(database)
    rivals = [Rival(bin_dir, url, seed, seconds=4) for seed in (1, 2)]
    for _ in range(4):
        time.sleep(0.5)  # of work, not of waiting
        restart(own_server, kill=True)
    results = [rival.result() for rival in rivals]
    lines = [line for signed, _, _ in results for line in signed]
    assert sum(errors for *_, errors in results) > 0
    assert lines
    assert slashable_pairs(lines) == []
    assert set(lines) <= recorded(database)


class Cutter:
    """A relay before the server whose first connection ends at the client's packet number at: not passed on ("before"),
    passed on but not answered ("after"), or silent from then on ("silence"). Later connections are left alone."""

    def __init__(self, database, mode, at):
        self._target, self._mode, self._left = (database.host, database.port), mode, at
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.has_cut = False
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            for first in [True] + [False] * 1000:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for one, other, watched in ((client, server, first), (server, client, False)):
                    threading.Thread(target=self._copy, args=(one, other, watched), daemon=True).start()

    def _copy(self, one, other, watched):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 20):
                self._left -= watched
                if watched and self._left == 0:
                    self.has_cut = True
                    if self._mode == "silence":
                        return
                    one.shutdown(socket.SHUT_RDWR)  # so that no answer can pass
                    if self._mode == "before":
                        other.shutdown(socket.SHUT_RDWR)
                    else:
                        other.sendall(data)
                        other.shutdown(socket.SHUT_WR)
                    return
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def close(self):
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


FIRST_PACKETS = range(6, 16)  # before these the connection is being made; each batch is two or three


@pytest.mark.parametrize("mode", ["before", "after", "silence"])
def test_a_connection_lost_at_any_moment(bin_dir, postgres_database, mode):
    cuts, signed = 0, []
    for at in FIRST_PACKETS if mode != "silence" else FIRST_PACKETS[:4]:
        with contextlib.closing(Cutter(postgres_database, mode, at)) as cutter:
            url = url_of(postgres_database, sslmode="disable", socketTimeout=1).replace(
                f":{postgres_database.port}/", f":{cutter.port}/")
            lines, _, errors = Rival(bin_dir, url, at, seconds=2 if mode == "silence" else 0.3).result()
            cuts += cutter.has_cut
            signed += lines
            assert errors == 0  # done again on a new connection, and found or done
            assert set(lines) <= recorded(postgres_database)
    assert cuts > 3 and len(signed) > 20
    assert slashable_pairs(signed) == []

