"""The golden wire corpus: one request for each client, type and fork, byte for byte as that client sends it, and every
byte of the answer (corpus/)."""
import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import types

import pytest

from http2_client import Http2
from test_oracle import Signer, write_devnet

MAKE = pathlib.Path(__file__).with_name("corpus") / "make.mjs"


def make(folder, oracle):
    made = subprocess.run(["node", MAKE, f"--keys={folder}/keys.json", f"--network={oracle}"], env=dict(os.environ, LODESTAR_PRESET="mainnet"),
                          capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


class Wire:
    """A connection that is made again when the other side has closed it."""

    def __init__(self, port):
        self.port, self.stream = port, None

    def ask(self, request):
        if not self.stream:
            self.stream = socket.create_connection(("127.0.0.1", self.port), 20)
        self.stream.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.stream.recv(65536) or pytest.fail(f"closed after {answer!r}")
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self.stream.recv(65536) or pytest.fail(f"closed within {answer!r}")
        if b"connection: close" in head:
            assert self.stream.recv(1) == b""
            self.stream = None
        return (head + b"\r\n\r\n" + body).decode()


def over_http2(request):
    """The same request as HTTP/2 has it: names in lower case, no Connection, Host as :authority."""
    head, _, body = request.encode().partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    method, path, _ = line.split(" ")
    fields = [(name.lower(), value.strip()) for name, value in (one.split(":", 1) for one in lines)]
    host = next(value for name, value in fields if name == "host")
    dropped = {"host", "connection", "keep-alive", "upgrade", "http2-settings", "transfer-encoding"}
    if ("transfer-encoding", "chunked") in fields:
        body = b"".join(unchunked(body))
    return Http2.head(method, path, [field for field in fields if field[0] not in dropped], host), body


def unchunked(body):
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[:int(size, 16)]
        body = body[int(size, 16) + 2:]


def needs_genesis(one):
    """Whether the request leaves it to the signer to know the chain."""
    return "fork" in one and one["type"] == "INCLUSION_LIST"


@pytest.fixture
def served(start, folder):
    """A signer that is told of its devnet's forks only, and what it can be asked."""
    oracle, config = write_devnet(folder, "mainnet")
    signer = Signer(start, folder, config, protection=False)
    return signer, [one for one in make(folder, oracle) if not needs_genesis(one)]


@pytest.mark.bar(1)
def test_every_client_type_and_fork(served):
    signer, corpus = served
    wires = collections.defaultdict(lambda: Wire(signer.port))
    for one in corpus:
        answer = wires[one["client"]].ask(one["request"])
        assert answer == one["answer"], f"{one['client']}, {one['type']}, {one['fork']}\n{one['request'][:3000]}"
    seen = collections.Counter(one["client"] for one in corpus)
    print(dict(seen))
    assert len(seen) == 12 and sum(seen.values()) == 617


def test_the_answers_are_the_same_over_http2(served):
    """The whole corpus on one connection, many requests at a time: status, headers and body of each."""
    signer, corpus = served
    requests = [over_http2(one["request"]) for one in corpus]
    client = Http2(types.SimpleNamespace(connect=lambda _: socket.create_connection(("127.0.0.1", signer.port), 20), certificate=None))
    with client:
        for at in range(0, len(corpus), 64):
            numbers = [client.request(body=body, head=head) for head, body in requests[at:at + 64]]
            for one, got in zip(corpus[at:], client.wait(*numbers)):
                head, _, body = one["answer"].partition("\r\n\r\n")
                status, *lines = head.split("\r\n")
                fields = {name: value for name, value in (line.split(": ", 1) for line in lines) if name not in ("connection", "keep-alive")}
                assert got.headers == {":status": status.split(" ")[1], **fields} and got.body.decode() == body, one["request"][:3000]


def test_the_same_duty_has_one_signature(served):
    """Whatever clothes a client puts it in: names, wrappers, fork_info, JSON or text."""
    _, corpus = served
    signatures, clients = collections.defaultdict(set), collections.defaultdict(set)
    for one in corpus:
        if "duty" in one:
            signatures[one["duty"], one["fork"]].add(re.search(r"0x[0-9a-f]{192}", one["answer"])[0])
            clients[one["duty"], one["fork"]].add(one["client"])
    assert all(len(found) == 1 for found in signatures.values()), signatures
    assert len(signatures) == len({found for one in signatures.values() for found in one})
    assert len(clients["AGGREGATE_AND_PROOF", "fulu"]) == 8 and len(clients["PAYLOAD_ATTESTATION_MESSAGE", "gloas"]) == 4


@pytest.mark.bar(1)
def test_inclusion_lists_without_fork_info(start, folder):
    """The schedule has the version. Of a devnet slashing protection has the genesis validators root, from its first attestation on:
    there is no member for it in config.yaml."""
    oracle, config = write_devnet(folder, "mainnet")
    wire = Wire(Signer(start, folder, config, protection=True).port)
    corpus = make(folder, oracle)
    lists = [one for one in corpus if needs_genesis(one)]
    assert [one["client"] for one in lists] == ["Lodestar for Heze"] and "fork_info" not in lists[0]["request"]
    early = wire.ask(lists[0]["request"])
    assert early.startswith("HTTP/1.1 400 ") and "genesis_validators_root is not known" in early
    vote = next(one for one in corpus if (one["client"], one["type"], one["fork"]) == ("Lodestar", "ATTESTATION", "gloas"))
    for one in (vote, *lists):
        assert wire.ask(one["request"]) == one["answer"]


def test_the_pages_table_names_every_type():
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/http-api.md").read_text()
    table = page.partition("## Types of message")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `") and "`type`" not in line]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    script = "import('./oracle_requests.mjs').then(({TYPES}) => process.stdout.write(Object.keys(TYPES).join(' ')))"
    known = subprocess.run(["node", "-e", script], cwd=MAKE.parents[1], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert sorted(listed) == sorted(known)
