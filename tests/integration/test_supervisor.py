"""What a loader's end means for the others: nitro-signer-enclave among children that the test plays."""
import shutil
import sys
import time

import pytest

# Starts loaders one after the other and tells each how to end; writes down how far it came.
KEEPER = """#!{python}
import socket, struct, sys, time
supervisor = socket.socket(fileno=3)

def start(orders):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(supervisor, [struct.pack("<HHI", 0x0103, 0, 0)], [theirs.fileno()])
    theirs.close()
    ours.settimeout(20)
    ours.send(orders)
    return ours

for orders in (b"end", b"fail", b"crash"):
    assert start(orders).recv(1) == b"", orders
before = None
for _ in range(10):
    stuck = start(b"hang")
    assert stuck.recv(100) == b"I hang"
    assert before is None or before.recv(1) == b""
    before = stuck
supervisor.send(struct.pack("<HHI", 0x0105, 0, 0))
assert before.recv(1) == b"", "given up and still there"
with open("{folder}/done", "w") as file:
    file.write("done")
time.sleep(1000)
"""

LOADER = """#!{python}
import os, signal, socket, sys, time
keeper = socket.socket(fileno=3)
orders = keeper.recv(100)
if orders == b"fail":
    sys.exit(3)
if orders == b"crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if orders == b"hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keeper.send(b"I hang")
    time.sleep(1000)
"""

IDLER = "#!{python}\nimport time\ntime.sleep(1000)\n"


@pytest.fixture
def family(folder, bin_dir):
    """A folder in which the supervisor finds these children beside it."""
    shutil.copy(bin_dir / "nitro-signer-enclave", folder)
    for name, text in (("keeper", KEEPER), ("loader", LOADER), ("front", IDLER), ("courier", IDLER)):
        path = folder / f"nitro-signer-{name}"
        path.write_text(text.format(python=sys.executable, folder=folder))
        path.chmod(0o755)
    return folder


def test_a_loader_may_fail_crash_and_hang(start, family):
    process = start(family / "nitro-signer-enclave", f"--control=unix:{family}/control", f"--https=unix:{family}/https")
    deadline = time.monotonic() + 60
    while not (family / "done").exists() and process.alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.alive(), process.log()
    assert (family / "done").read_text() == "done", process.log()
    assert process.terminate() == 0
