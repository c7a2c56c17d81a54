"""Amazon's DynamoDB Local for tests, and a TLS front for it that can misbehave.

    def test_it(dynamodb, dynamodb_relay):
        table = dynamodb.create_table()                      # a fresh name, partition key "pk", a string
        relay = dynamodb_relay
        relay.delay_ms = 5                                   # on every answer, without holding up others
        relay.inject(dynamodb_relay.drop_answer, count=2, operation="UpdateItem")
        signer(f"--dynamodb-endpoint=https://{HOST}", relay.address, relay.ca_file)
        assert relay.operations["UpdateItem"] == 3

A fault is any coroutine function that takes an Exchange. DynamoDB Local listens on every interface (it has no option
for that), speaks plain HTTP and believes any signature; the relay is on loopback and can check signatures.
"""
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree

from harness import PATIENCE, free_port

POM = pathlib.Path(__file__).with_name("dynamodb-local") / "pom.xml"
MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
ACCESS_KEY, SECRET_KEY, REGION = "AKIDLOCALTESTS", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"
ACCOUNT = "000000000000"  # of all tables, as their ARNs have it
START_SECONDS = 120 * PATIENCE  # Java, on a machine that others keep busy
IDLE_SECONDS = 10  # the server closes a connection after 30 without a request


def library_folder():
    """Where scripts/setup puts DynamoDB Local."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    version = xml.etree.ElementTree.parse(POM).getroot().findtext("version")
    return pathlib.Path(cache) / "nitro-signer" / f"dynamodb-local-{version}"


class DynamodbServer:
    """DynamoDB Local with its tables in memory: port speaks plain HTTP. Tables of all regions and credentials are one.
    With durable they outlive the process: kill() and start() again lose nothing that was answered."""

    def __init__(self, durable=False):
        self.library = library_folder()
        assert self.library.is_dir(), f"no DynamoDB Local in {self.library}: run scripts/setup"
        # In memory anyway: on a disk each answer would wait for it, tens a second.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-dynamodb-", dir="/dev/shm" if durable else None))
        self.log_path = self.folder / "log"
        self._serial = itertools.count(1)
        self._local = threading.local()
        self._process = None
        self._tables = ["-dbPath", str(self.folder)] if durable else ["-inMemory"]
        self.port = free_port()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Returns when it answers, on the port as ever."""
        command = ["setpriv", "--pdeathsig", "KILL", "java", "-Xmx768m", "-XX:+UseSerialGC",
                   f"-Djava.library.path={self.library}", "-cp", f"{self.library}/*", MAIN_CLASS, *self._tables, "-sharedDb",
                   "-disableTelemetry", "-port", str(self.port)]
        with open(self.log_path, "wb") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS * PATIENCE
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log_path.read_text()
            time.sleep(0.05)

    def _answers(self):
        try:
            return self.call("ListTables", {})[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def call(self, operation, body):
        """(status, parsed answer) of one request; each thread has a connection of its own."""
        connection, used = getattr(self._local, "connection", (None, 0))
        if connection is None or time.monotonic() - used > IDLE_SECONDS:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        scope = f"{ACCESS_KEY}/20200101/{REGION}/dynamodb/aws4_request"
        try:
            connection.request("POST", "/", json.dumps(body), {
                "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"})
            answer = connection.getresponse()
            parsed = json.loads(answer.read())
            self._local.connection = connection, time.monotonic()
            return answer.status, parsed
        except (OSError, http.client.HTTPException):
            connection.close()  # connects anew when it is used again
            raise

    def ask(self, operation, body):
        """The parsed answer of a request that must succeed."""
        status, answer = self.call(operation, body)
        assert status == 200, (operation, status, answer)
        return answer

    def fresh_name(self):
        """A table name nobody else uses."""
        return f"slashing-{os.getpid()}-{next(self._serial)}"

    def create_table(self, name=None, key="pk", key_type="S"):
        """Makes a table with one partition key; its name."""
        name = name or self.fresh_name()
        self.ask("CreateTable", {"TableName": name, "BillingMode": "PAY_PER_REQUEST",
                                 "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                                 "AttributeDefinitions": [{"AttributeName": key, "AttributeType": key_type}]})
        return name

    def kill(self):
        """By SIGKILL, as in a crash."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(10)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
