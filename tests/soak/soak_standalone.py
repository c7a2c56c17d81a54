"""Of the soak: nitro-signer alone over TLS, with its record in SQLite or PostgreSQL, and the key manager."""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import time

import requests

from soak_chaos import RARE, Deed, WallClock, pause
from soak_common import ABSENT, BIN, CUTS, ERRORS, TOOLS, say
from enclave_rig import MAINNET_GENESIS
from fleet_rig import write_keys
from harness import Process, free_port, sanitized
from test_key_manager import IMPORTED, ONE, PASSWORDS, TWO, keystore
from test_signer_stores import descendants

KEYS, DISK_BYTES = 256, 48 << 20
BRIEF = ("nitro-signer-loader", "nitro-signer-fetcher")
CHAIN = "0x00000000", MAINNET_GENESIS


class Disk:
    """A small one of its own for the store, so that it can be full; the folder's where we may not mount."""

    def __init__(self, folder):
        self.folder = folder / "disk"
        self.folder.mkdir()
        self.is_small = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(self.folder)], check=False,
                                       capture_output=True).returncode == 0
        if not self.is_small:
            say("soak: no mount(2) here: the disk does not become full")

    @contextlib.contextmanager
    def full(self):
        ballast = self.folder / "ballast"
        with open(ballast, "wb") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        try:
            yield
        finally:
            ballast.unlink()

    def close(self):
        if self.is_small:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class Standalone:
    """The set-up with SQLite. bin_dir may have other programs than those that were built; protected=False is a mutant."""
    name, title = "sqlite", "stand-alone over TLS, SQLite, key manager"
    network, chain = "mainnet", CHAIN

    def __init__(self, folder, bin_dir=BIN, keys=KEYS, protected=True):
        self.folder, self.port, self._protected, self.bin_dir = folder, free_port(), protected, pathlib.Path(bin_dir)
        for name in ("data", "logs"):
            (folder / name).mkdir()
        write_keys(folder / "keys", keys)
        self.disk = Disk(folder)
        self.clock = None if sanitized(BIN / "nitro-signer") else WallClock(folder, TOOLS / "libsoak_clock.so")
        self._certificates = [self._make_certificate(i) for i in range(2)]
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_text("".join(path.with_suffix(".pem").read_text() for path in self._certificates))
        self._session = requests.Session()
        self._session.trust_env, self._session.verify = False, str(self.ca_file)
        self.process, self._past_logs = None, []

    def _make_certificate(self, number):
        run = lambda *words: subprocess.run(["openssl", *words], check=True, cwd=self.folder, capture_output=True, timeout=60)  # noqa: E731
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN=signer {number}",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{number}.key", "-out", f"{number}.pem")
        run("pkcs12", "-export", "-in", f"{number}.pem", "-inkey", f"{number}.key", "-out", f"{number}.p12", "-passout", "pass:secret")
        (self.folder / "password").write_text("secret\n")
        return self.folder / f"{number}.p12"

    def store_options(self):
        return [f"--slashing-protection-db-path={self.disk.folder}/slashing.sqlite"]

    def environment(self):
        return self.clock.environment() if self.clock else None

    def start(self):
        self._spawn()
        imported = self.ask("POST", "/eth/v1/keystores", json={"keystores": [keystore(key) for key in (ONE, TWO)],
                                                                "passwords": [PASSWORDS[key] for key in (ONE, TWO)]})
        assert imported.status_code == 200, imported.text
        self.keys = sorted(self.ask("GET", "/api/v1/eth2/publicKeys").json())
        assert {ONE, TWO} < set(self.keys)

    def _spawn(self):
        """With the other certificate each time."""
        certificate = self._certificates[len(self._past_logs) % 2]
        protection = self.store_options() if self._protected else ["--slashing-protection-enabled=false"]
        self.process = Process(str(self.bin_dir / "nitro-signer"), [
            "--http-listen-host=127.0.0.1", f"--http-listen-port={self.port}", f"--key-config-path={self.folder}/keys",
            f"--data-path={self.folder}/data", f"--tls-keystore-file={certificate}", f"--tls-keystore-password-file={self.folder}/password",
            "--tls-allow-any-client", "eth2", f"--network={self.network}", "--key-manager-api-enabled=true", *protection],
            str(self.folder / "logs"), (), self.environment())
        self.process.wait_ready(120)

    def ask(self, method, path, **more):
        return self._session.request(method, f"https://localhost:{self.port}{path}", timeout=60, **more)

    def ends(self, number):
        """It is sent a signal, and started again."""
        self.hang_up()
        self._past_logs.append(self.process.log_path)
        self.process.signal(number)
        status = self.process.wait(60)
        assert number == signal.SIGKILL or status == 0, self.process.log()[-4000:]
        self.process.cleanup()
        self._spawn()

    def processes(self):
        """Name -> number of each that stays; several of a name are numbered."""
        found = {"nitro-signer": self.process.pid}
        for name, pid in descendants(self.process.pid):
            if name not in BRIEF and name:
                found[name if name not in found else f"{name} {len(found)}"] = pid
        return found

    def workers(self):
        return {name: pid for name, pid in self.processes().items() if name in ("nitro-signer-front", "nitro-signer-keeper", "nitro-signer-courier")}

    def stop(self):
        assert self.process.terminate(60) == 0, self.process.log()[-4000:]

    def close(self):
        if self.process:
            self.process.cleanup()
        self.disk.close()

    def log(self):
        return self.process.log() if self.process else ""

    def hang_up(self):
        """Our own connections."""
        self._session.close()

    def kept(self):
        """Connections to the store there are from the beginning."""
        return {}

    def observed(self):
        """What happened to it without our doing."""
        return []

    # ---- deeds ----

    def deeds(self):
        common = [Deed("reload", self._reload), Deed("reload, a file of a key spoiled", self._reload_spoiled, (ABSENT,), 1),
                  Deed("key deleted and imported", self._delete_and_import, (ABSENT,), 1), Deed("process stopped and continued", pause(self.workers)),
                  Deed("signer ended by SIGTERM, started with another certificate", self._terminate, (CUTS,), 1, RARE),
                  Deed("keeper killed", self._kill_keeper, (CUTS,), 1, RARE), *self.store_deeds()]
        return common + ([Deed("clock stepped", self.clock.deed)] if self.clock else [])

    def store_deeds(self):
        return [Deed("store locked by another process", self._lock), *([Deed("disk full", self._fill_disk, (ERRORS, CUTS), 3, RARE)] if self.disk.is_small else [])]

    def reload(self):
        deadline = time.monotonic() + 120
        while (said := self.ask("POST", "/reload")).status_code != 202:
            assert time.monotonic() < deadline, said.text
            time.sleep(0.05)
        while (said := self.ask("GET", "/reload").json())["status"] == "running":
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        return said["status"]

    def _reload(self, _, act):
        act.detail = self.reload()

    def _write(self, path, text):
        new = self.folder / "new"
        new.write_text(text)
        new.replace(path)

    def _reload_spoiled(self, chance, act):
        path = self.folder / "keys" / f"{chance.randrange(8)}.yaml"
        text = path.read_text()
        self._write(path, "type: file-raw\n")
        act.keys = frozenset(self.keys)  # which one is known only when it has gone
        self.reload()
        act.keys = frozenset(self.keys) - set(self.ask("GET", "/api/v1/eth2/publicKeys").json())
        time.sleep(chance.uniform(0, 1))
        self._write(path, text)
        act.detail = f"{self.reload()}, {len(act.keys)} key absent"

    def _delete_and_import(self, chance, act):
        key = chance.choice((ONE, TWO))
        act.keys = frozenset({key})
        answer = self.ask("DELETE", "/eth/v1/keystores", json={"pubkeys": [key]})
        assert answer.status_code == 200 and answer.json()["data"][0]["status"] == "deleted", answer.text
        time.sleep(chance.uniform(0, 1))
        again = self.ask("POST", "/eth/v1/keystores", json={"keystores": [keystore(key)], "passwords": [PASSWORDS[key]],
                                                             "slashing_protection": answer.json()["slashing_protection"]})
        assert (again.status_code, again.json()) == (200, {"data": [IMPORTED]}), again.text

    def _terminate(self, _chance, _act):
        self.ends(signal.SIGTERM)

    def _kill_keeper(self, _chance, _act):
        self.hang_up()
        self._past_logs.append(self.process.log_path)
        os.kill(self.processes()["nitro-signer-keeper"], signal.SIGKILL)
        assert self.process.wait(60) != 0
        self.process.cleanup()
        self._spawn()

    def _lock(self, chance, act):
        """The signer holds its file exclusively: nobody else may even read it, and it does not feel that one tries."""
        end = time.monotonic() + chance.uniform(0.5, 1.5)
        with contextlib.closing(sqlite3.connect(self.disk.folder / "slashing.sqlite", timeout=0.1)) as other:
            while time.monotonic() < end:
                try:
                    other.execute("BEGIN EXCLUSIVE")
                    act.detail = "which got it"
                    other.rollback()
                except sqlite3.OperationalError as error:
                    act.detail = str(error)

    def _fill_disk(self, chance, act):
        """At a start the log of the store is short: it must grow."""
        self.ends(signal.SIGTERM)
        with self.disk.full():
            time.sleep(chance.uniform(0.5, 2))
            statuses = [self.ask("GET", path).status_code for path in ("/upcheck", "/healthcheck")]
        act.detail = f"upcheck and healthcheck said {statuses}"

    # ---- the record, after the end ----

    def record(self):
        """Public key -> (slot, source, target) by the exported interchange file."""
        file = self.folder / "interchange.json"
        if not self._protected:
            return {}
        subprocess.run([str(BIN / "nitro-signer"), "eth2", *self.store_options(), "export", f"--to={file}"], check=True, timeout=120,
                       capture_output=True)
        highest = lambda entries, name: max((int(entry[name]) for entry in entries), default=0)  # noqa: E731
        return {one["pubkey"]: (highest(one["signed_blocks"], "slot"), highest(one["signed_attestations"], "source_epoch"),
                                highest(one["signed_attestations"], "target_epoch"))
                for one in json.loads(file.read_text())["data"]}


class WithPostgres(Standalone):
    """The same with Web3Signer's tables in PostgreSQL."""
    name, title = "postgresql", "stand-alone over TLS, PostgreSQL, key manager"

    def __init__(self, folder, bin_dir=BIN, keys=KEYS):
        from postgres_server import PostgresServer
        super().__init__(folder, bin_dir, keys)
        self._server = PostgresServer()
        self._database = self._server.database()
        (folder / "database-password").write_text(self._database.password)

    def store_options(self):
        return [f"--slashing-protection-db-url={self._database.jdbc_url}", f"--slashing-protection-db-username={self._database.user}",
                f"--slashing-protection-db-password-file={self.folder}/database-password"]

    def store_deeds(self):
        return [Deed("PostgreSQL stopped and started", self._restart_store, (ERRORS,), 10),
                Deed("PostgreSQL killed and started", self._crash_store, (ERRORS,), 10),
                Deed("rows locked by another transaction", self._lock_rows, (ERRORS,), 10)]

    def _restart_store(self, chance, _act):
        self._server.stop()
        time.sleep(chance.uniform(0, 1.5))
        self._server.start()

    def _crash_store(self, chance, _act):
        self._server.kill()
        time.sleep(chance.uniform(0, 1.5))
        self._server.start()

    def _lock_rows(self, chance, _act):
        with self._database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE signed_attestations IN ACCESS EXCLUSIVE MODE")
            time.sleep(chance.uniform(0.5, 1.5))
            connection.rollback()

    def record(self):
        """By SQL of ours, not by the product."""
        heights = {}
        for table, columns in (("signed_blocks", "max(slot), 0, 0"), ("signed_attestations", "0, max(source_epoch), max(target_epoch)")):
            for key, *found in self._database.query(
                    f"SELECT encode(public_key, 'hex'), {columns} FROM {table} JOIN validators ON validators.id = validator_id GROUP BY 1"):
                before = heights.get("0x" + key, (0, 0, 0))
                heights["0x" + key] = tuple(max(int(a), int(b)) for a, b in zip(before, found))
        return heights

    def close(self):
        super().close()
        self._server.close()
