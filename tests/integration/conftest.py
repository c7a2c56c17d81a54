"""Fixtures of the black-box tests. Binaries come from $NS_BIN_DIR (else build/bin), third-party
vectors from $NS_VECTORS_DIR (else ../shared/vectors).

    def test_it(start, folder):
        relay = start("nitro-signer-proxy", f"--inbound=unix:{folder}/in=unix:{folder}/out")
        assert relay.terminate() == 0

A missing executable or server is a failure; missing vectors are a skip that the summary shows.
"""
import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

from dynamodb_relay import Authority, TlsRelay
from dynamodb_server import DynamodbServer
from harness import Process, packet_pair
from postgres_server import PostgresServer

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def bin_dir():
    return pathlib.Path(os.environ.get("NS_BIN_DIR") or ROOT / "build/bin")


@pytest.fixture(scope="session")
def vectors():
    """The folder of third-party vectors."""
    path = pathlib.Path(os.environ.get("NS_VECTORS_DIR") or ROOT.parent / "shared/vectors")
    if not path.is_dir():
        pytest.skip("no third-party vectors: NS_VECTORS_DIR is unset or names no folder")
    return path


@pytest.fixture
def folder():
    """A temporary folder whose name is short enough for unix: addresses (108 bytes)."""
    path = tempfile.mkdtemp(prefix="ns-")
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start(bin_dir, folder):
    """start(program, *arguments, fds=(), ready=True, env=None) gives a harness.Process.

    fds become descriptors 3, 4, ... of the program. ready=False for programs that do not
    notify. env replaces the environment. At the end of the test what still runs is killed,
    and a sanitizer's report in any log fails the test."""
    processes = []
    logs = folder / "logs"
    logs.mkdir()

    def starter(program, *arguments, fds=(), ready=True, env=None):
        path = bin_dir / program
        assert path.exists(), f"{program} is not built"
        process = Process(str(path), arguments, str(logs), fds, env)
        processes.append(process)
        return process.wait_ready() if ready else process

    yield starter
    for process in reversed(processes):
        process.cleanup()
    reports = [text for text in (process.sanitizer_report() for process in processes) if text]
    assert not reports, "\n".join(reports)


@pytest.fixture
def pair():
    """pair() makes a SOCK_SEQPACKET socketpair that is closed at the end of the test."""
    ends = []

    def maker():
        ends.extend(packet_pair())
        return ends[-2], ends[-1]

    yield maker
    for end in ends:
        end.close()


@pytest.fixture(scope="session")
def postgres():
    """One PostgreSQL server for the whole run (postgres_server.PostgresServer)."""
    with contextlib.closing(PostgresServer()) as server:
        yield server


@pytest.fixture
def postgres_database(postgres):
    """A database of the test's own with Web3Signer's tables, as yet without a row of data."""
    return postgres.database()


@pytest.fixture(scope="session")
def dynamodb():
    """One DynamoDB Local for the whole run (dynamodb_server.DynamodbServer), its tables in memory."""
    with contextlib.closing(DynamodbServer()) as server:
        yield server


@pytest.fixture(scope="session")
def dynamodb_authority():
    with tempfile.TemporaryDirectory(prefix="ns-ca-") as path:
        yield Authority(path)


@pytest.fixture
def dynamodb_relay(dynamodb, dynamodb_authority, folder):
    """The TLS front of DynamoDB Local, the test's own (dynamodb_relay.TlsRelay): a loopback port and a unix socket."""
    with contextlib.closing(TlsRelay(dynamodb.port, dynamodb_authority, folder / "dynamodb")) as relay:
        yield relay
