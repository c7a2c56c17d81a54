"""An execution payload envelope of twenty megabytes: signed as Lodestar's types say, in bounded memory, and not one byte
more than the limit."""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

from harness import sanitized
from test_oracle import Signer, write_devnet

MAKE = pathlib.Path(__file__).with_name("envelope.mjs")
BODY_MAX = 32 << 20


def make(folder, oracle, megabytes):
    body = folder / "envelope.json"
    made = subprocess.run(["node", MAKE, f"--keys={folder}/keys.json", f"--network={oracle}", f"--out={body}", f"--megabytes={megabytes}"],
                          env=dict(os.environ, LODESTAR_PRESET="mainnet"), capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stderr
    return body.read_bytes(), made.stdout


def post(signer, body, length=None):
    """(status, text); the body may be shorter than it claims to be."""
    key = json.loads((signer.folder / "keys.json").read_text())[0]
    pubkey = subprocess.run(["node", "-e", "import('@chainsafe/blst').then(({SecretKey}) => process.stdout.write('0x' + Buffer.from("
                             f"SecretKey.fromHex('{key}').toPublicKey().toBytes()).toString('hex')))"],
                            cwd=MAKE.parent, capture_output=True, text=True, timeout=60, check=True).stdout
    with socket.create_connection(("127.0.0.1", signer.port), 60) as stream:
        stream.sendall(f"POST /api/v1/eth2/sign/{pubkey} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length or len(body)}\r\n\r\n".encode())
        try:
            stream.sendall(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused by its head
        answer = stream.recv(65536).decode()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def child_of(signer, name):
    """The process id of the signer's child of that name (its first fifteen letters)."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[1] == str(signer.process.pid) and f"({name})" in text:
            return int(stat.parent.name)
    raise AssertionError(f"no {name}")


def memory(pid, name):
    return int(re.search(rf"{name}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


@pytest.mark.bar(8)
def test_a_large_envelope(start, folder, bin_dir):
    oracle, config = write_devnet(folder, "mainnet")
    signer = Signer(start, folder, config, protection=False)
    front, keeper = child_of(signer, "nitro-signer-fr"), child_of(signer, "nitro-signer-ke")
    before, kept = memory(front, "VmHWM"), memory(keeper, "VmHWM")
    body, signature = make(folder, oracle, 20)
    assert 19_000_000 < len(body) < 22_000_000
    for _ in range(3):
        began = time.monotonic()
        assert post(signer, body) == (200, signature)
        took = time.monotonic() - began
    grown = memory(front, "VmHWM") - before
    print(f"{len(body)} bytes, {grown} bytes of memory, {took:.2f} s with the upload")
    # The body as it arrived, once more in one piece, and what the allocator keeps; hashing adds next to nothing.
    assert sanitized(bin_dir / "nitro-signer-front") or grown < 3 * len(body) + (8 << 20)
    assert memory(keeper, "VmHWM") - kept < 1 << 20  # it sees a root, not the envelope

    damaged = body.replace(b'"block_access_list":"0x', b'"block_access_list":"0xg', 1)
    status, text = post(signer, damaged)
    assert status == 400 and "execution_payload_envelope.data.payload.block_access_list: must be" in text
    assert post(signer, body[:-1])[0] == 400
    padded = body + b" " * (BODY_MAX - len(body))
    assert post(signer, padded) == (200, signature)
    assert post(signer, padded + b" ")[0] == 413
    assert post(signer, body) == (200, signature)
