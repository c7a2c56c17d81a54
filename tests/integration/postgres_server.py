"""A PostgreSQL of Debian's for tests: a cluster of its own in a temporary folder, with scram passwords, TLS and durable
writes, on a loopback port and a unix socket. The fixtures of conftest.py give it out:

    def test_it(postgres, postgres_database):
        with postgres_database.connect() as connection: ...         # psycopg2, schema of Web3Signer's version 12
        signer("--db-url", postgres_database.jdbc_url)
"""
import contextlib
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2

from harness import PATIENCE, free_port

# Debian's, whatever else is in PATH.
BINARIES = pathlib.Path("/usr/lib/postgresql/15/bin")
SCHEMA = pathlib.Path(__file__).with_name("web3signer_schema.sql")
USER, PASSWORD = "signer", "Seven small signs"
DISK_SECONDS = 120 * PATIENCE  # recovery, and the checkpoint of an orderly end, wait for a disk that others keep busy


class Database:
    """One database of the server: what a program or psycopg2 needs to reach it."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.host, self.port, self.user, self.password = server.host, server.port, USER, PASSWORD

    @property
    def dsn(self):
        return f"host={self.host} port={self.port} dbname={self.name} user={self.user} password='{self.password}'"

    @property
    def jdbc_url(self):
        """Without user and password, as Web3Signer's --slashing-protection-db-url has it."""
        return f"jdbc:postgresql://{self.host}:{self.port}/{self.name}"

    @contextlib.contextmanager
    def connect(self):
        """A connection that is closed at the end. Transactions as psycopg2 does them: commit() or nothing remains."""
        with contextlib.closing(psycopg2.connect(self.dsn, connect_timeout=10)) as connection:
            yield connection

    def query(self, text, values=None):
        """Runs one statement in a transaction of its own; its rows, if it has any."""
        with self.connect() as connection, connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []


class PostgresServer:
    """kill() is a crash, stop() an orderly end; start() after either goes on with the same data and port."""

    def __init__(self):
        assert (BINARIES / "postgres").exists(), f"no PostgreSQL in {BINARIES}: run scripts/setup"
        self.host, self.user, self.password = "127.0.0.1", USER, PASSWORD
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-pg-"))
        self.socket_folder = self.folder
        self.log_path = self.folder / "log"
        self.ca_file = self.folder / "server.pem"
        self._serial = itertools.count(1)
        self._process = None
        try:
            self._make_cluster()
            self._start_on_free_port()
            self._make_template()
        except BaseException:
            self.close()
            raise

    def _command(self, program, *arguments, ends_with_us=False):
        """The command line of a program of the server's, as a user it accepts: it refuses to be run by root."""
        options = ["--pdeathsig", "INT"] if ends_with_us else []
        if os.geteuid() == 0:
            options += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
        prefix = ["setpriv", *options] if options else []
        return [*prefix, str(BINARIES / program), *map(str, arguments)]

    def _make_cluster(self):
        password_file, key = self.folder / "password", self.folder / "server.key"
        password_file.write_text(PASSWORD)
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", self.ca_file], check=True, capture_output=True, timeout=30 * PATIENCE)
        key.chmod(0o600)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for path in (self.folder, password_file, key, self.ca_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        # Without --no-sync this alone takes seconds; the server itself syncs, by default.
        made = subprocess.run(self._command("initdb", "--pgdata", self.folder / "data", "--username", USER, "--pwfile",
                                            password_file, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
                                            "--no-sync"),
                              cwd=self.folder, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
        assert made.returncode == 0, made.stdout + made.stderr

    def _start_on_free_port(self):
        for attempt in range(5):
            self.port = free_port()
            try:
                return self.start()
            except AssertionError:
                if attempt == 4 or "Address already in use" not in self.log_path.read_text():
                    raise

    def start(self):
        """Returns when the server takes connections."""
        settings = {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": self.socket_folder,
                    "ssl": "on", "ssl_cert_file": self.ca_file, "ssl_key_file": self.folder / "server.key",
                    "max_connections": 200}
        arguments = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(self._command("postgres", "-D", self.folder / "data", *arguments,
                                                           ends_with_us=True),
                                             cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + DISK_SECONDS
        while not self._ready():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log_path.read_text()
            time.sleep(0.02)
        return self

    def _ready(self):
        return subprocess.run([BINARIES / "pg_isready", "-q", "-h", self.host, "-p", str(self.port)], timeout=10,
                              check=False).returncode == 0

    def _make_template(self):
        template = self.database(schema=False, name="template_of_version_12")
        template.query(SCHEMA.read_text(encoding="utf-8"))

    def database(self, schema=True, name=None):
        """A new database, with the tables of Web3Signer's schema version 12 or empty."""
        name = name or f"slashing_{next(self._serial)}"
        with Database(self, "postgres").connect() as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE {'template_of_version_12' if schema else 'template0'}")
        return Database(self, name)

    def kill(self):
        """Every process of the server dies at once by SIGKILL, as in a crash."""
        with open(self.folder / "data/postmaster.pid", encoding="ascii") as file:
            postmaster = int(file.readline())
        os.kill(postmaster, signal.SIGSTOP)  # or it starts another between the list and its end
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True,
                                timeout=10, check=False).stdout
        for pid in [postmaster, *map(int, listed.split())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        deadline = time.monotonic() + 10
        while any(map(self._lives, map(int, listed.split()))):  # no server starts beside one of them
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @staticmethod
    def _lives(pid):
        with contextlib.suppress(OSError):
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def stop(self):
        """An orderly end: transactions are rolled back, connections closed."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(DISK_SECONDS)

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
