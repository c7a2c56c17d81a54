"""nitro-signer-front running under a scripted keeper: what the tests of it share."""
import json
import resource
import socket
import ssl
import struct

import pytest
import requests

import scripted_keeper
from scripted_keeper import Keeper

# The tests hold both ends of many connections.
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD if 0 <= HARD < 8192 else 8192, HARD))

KEY = bytes(range(48))
IDENTIFIER = "0x" + KEY.hex()
FORK_INFO = {"fork": {"previous_version": "0x05000000", "current_version": "0x06000000", "epoch": "411392"},
             "genesis_validators_root": "0x" + "22" * 32}


def randao(epoch=5, **more):
    return {"type": "RANDAO_REVEAL", "fork_info": FORK_INFO, "randao_reveal": {"epoch": str(epoch)}, **more}


ATTESTATION = {"type": "ATTESTATION", "fork_info": FORK_INFO,
               "attestation": {"slot": "32", "index": "0", "beacon_block_root": "0x" + "11" * 32,
                               "source": {"epoch": "0", "root": "0x" + "33" * 32},
                               "target": {"epoch": "1", "root": "0x" + "44" * 32}}}


def bound():
    """A socket of a free port that does not listen yet, as the supervisor makes them."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    return made


class Front:
    """A running front with its keeper."""

    def __init__(self, start, pair, *arguments, tls=None, hosts="*", serve=True, policy=scripted_keeper.POLICY,
                 metrics=False):
        ours, theirs = pair()
        self.listener, metrics_listener = bound(), bound()
        self.metrics_port = metrics_listener.getsockname()[1]
        self.port = self.listener.getsockname()[1]
        allow = [f"--host-allowlist={hosts}"] if hosts else []
        sockets = [theirs, self.listener] + [metrics_listener] * metrics
        self.process = start("nitro-signer-front", "--log-level=debug", *allow, *["--metrics"] * metrics, *arguments,
                             fds=[one.fileno() for one in sockets], ready=False)
        theirs.close()
        self.listener.close()
        metrics_listener.close()
        self.keeper = Keeper(ours)
        self.certificate = tls
        if serve:
            self.keeper.settings(policy)
            if tls:
                self.keeper.tls(tls)
            self.keeper.keys([KEY])
            self.keeper.health()
            assert self.keeper.serve() == self.port

    def connect(self, context=None):
        stream = socket.create_connection(("127.0.0.1", self.port), 20)
        if self.certificate:
            context = context or ssl.create_default_context(cafile=self.certificate.ca_file)
            stream = context.wrap_socket(stream, server_hostname="localhost")
        return stream

    def raw(self, data, until_closed=True, timeout=20):
        """Sends bytes on a connection of their own; what comes back until the front closes."""
        with self.connect() as stream:
            stream.settimeout(timeout)
            try:
                stream.sendall(data)
            except OSError:
                pass
            got = b""
            while True:
                try:
                    part = stream.recv(65536)
                except OSError:
                    return got
                if not part:
                    return got
                got += part
                if not until_closed and b"\r\n\r\n" in got:
                    return got

    def request(self, method, path, body=None, headers=None):
        scheme = "https" if self.certificate else "http"
        verify = self.certificate.ca_file if self.certificate else None
        headers = {"Accept": None, **(headers or {})}
        data = json.dumps(body) if isinstance(body, dict) else body
        return requests.request(method, f"{scheme}://localhost:{self.port}{path}", data=data, headers=headers,
                                verify=verify, timeout=20)

    def sign(self, body=None, identifier=IDENTIFIER, headers=None):
        return self.request("POST", f"/api/v1/eth2/sign/{identifier}", body or randao(), headers)


@pytest.fixture
def front(start, pair):
    fronts = []

    def maker(*arguments, **more):
        fronts.append(Front(start, pair, *arguments, **more))
        return fronts[-1]

    yield maker
    for one in fronts:
        one.keeper.close()


def post(path=f"/api/v1/eth2/sign/{IDENTIFIER}", body=None, headers=b"", version=b"1.1"):
    """The bytes of a sign request."""
    text = json.dumps(body or randao()).encode()
    return (b"POST " + path.encode() + b" HTTP/" + version + b"\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
            headers + b"Content-Length: " + str(len(text)).encode() + b"\r\n\r\n" + text)


def leave(stream, reset):
    if reset:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()
