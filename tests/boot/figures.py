"""What make enclave-boot prints beside its verdict: sizes, the smallest memory, where the time of a start goes. Nothing here is asserted
but that it works. All of it is under software emulation, many times slower than hardware; memory and sizes are not.

NS_FIGURES=4,1000 asks for other numbers of keys.
"""
import contextlib
import os
import re
import threading
import time

import pytest

from boot_rig import BootCloud
from enclave_rig import EPOCH

KEYS = [int(word) for word in os.environ.get("NS_FIGURES", "4,1000,10000").split(",")]
AMPLE_MIB, STEP_MIB = 256, 2
SERVE_SECONDS, FAIL_WORDS = 240, ("Kernel panic", "Out of memory", "ended with", "oom-kill")
# name of a phase; the line in the log of the enclave or of KMS that ends it, and whether its first (0) or its last one (-1) does
PHASES = (("init: PID 1 until its processes run", "nitro-signer-enclave: started", 0), ("init: the host's message arrives", "courier: init: ", 0),
          ("init: policy measured, RSA key made", "state: attest", 0), ("attest: until KMS has the document", "nobody has signed", 0),
          ("decrypt: until KMS has decrypted all", "KMS Decrypt for an enclave", -1), ("load: until it serves", "state: serve", 0))


class SealedCloud(BootCloud):
    """Its keys are one sealed batch."""
    key_options, key_fds = ("--sealed",), "mnemonic-fd"


class Clock(threading.Thread):
    """When lines come to a log, by this machine's clock: an emulated one is slow."""

    def __init__(self, *processes):
        super().__init__(daemon=True)
        self.processes, self.times, self.ended = processes, [], False
        self.start()

    def run(self):
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(process.log_path, encoding="utf-8", errors="replace")) for process in self.processes]
            for file in files:
                file.seek(0, os.SEEK_END)
            while not self.ended:
                lines = [line for file in files for line in file.readlines()]
                self.times += [(time.monotonic(), line) for line in lines]
                if not lines:
                    time.sleep(0.005)

    def when(self, text, which):
        """At the first or last line with this text."""
        found = [at for at, line in self.times if text in line]
        assert found, f"no line has: {text}"
        return found[which]


def serves(enclave):
    """Does it come to serve and sign? False as soon as it is clear that it does not."""
    deadline = time.monotonic() + SERVE_SECONDS
    while "the enclave serves" not in enclave.log():
        if time.monotonic() > deadline or any(word in enclave.log() + enclave.console() for word in FAIL_WORDS):
            return False
        time.sleep(0.1)
    answers = [enclave.attest(key).status_code for key in range(min(20, len(enclave.cloud.keys)))]
    return set(answers) == {200} and len(enclave.get("/api/v1/eth2/publicKeys").json()) == len(enclave.cloud.keys)


def finish(enclave):
    enclave.watchdog.terminate()
    enclave.proxy.terminate()


def smallest_memory(cloud):
    """In MiB, by bisection; None when even the ample one is too small."""
    low, high, tries = 8, AMPLE_MIB, 0
    while high - low > STEP_MIB:
        middle = (low + high) // 2 // STEP_MIB * STEP_MIB
        tries += 1
        enclave = cloud.enclave(f"m{tries}", wait=False, memory=middle)
        good = serves(enclave)
        finish(enclave)
        low, high = (low, middle) if good else (middle, high)
    return high if high < AMPLE_MIB else None


def print_start(cloud):
    """One start, split."""
    began = time.monotonic()
    enclave = cloud.enclave("timed", wait=False, memory=AMPLE_MIB)
    clock = Clock(enclave.proxy, cloud.devcloud)
    assert serves(enclave), enclave.log() + enclave.console()
    signed = time.monotonic()
    assert enclave.attest(0, target=EPOCH + 1).status_code == 200
    signed = time.monotonic() - signed
    clock.ended = True
    clock.join()
    console = enclave.console()
    init = float(re.search(r"^ *([0-9.]+) Run /init", console, re.MULTILINE).group(1))
    print(f"  {init:7.2f} s  kernel: machine and kernel until PID 1")
    at = began + init
    for name, text, which in PHASES:
        reached = clock.when(text, which)
        print(f"  {reached - at:7.2f} s  {name}")
        at = reached
    print(f"  {at - began:7.2f} s  in all; then a signature over HTTPS in {signed:.2f} s")
    status = enclave.ask("status")["body"]
    for name, value in status.items():
        if name.endswith("_ms") or isinstance(value, dict):
            print(f"             status: {name} = {value}")
    finish(enclave)


def test_sizes(parts, bin_dir, folder, start):
    cloud = BootCloud(start, bin_dir, folder, parts, num_keys=1)
    image = cloud.build_image()
    sizes = {"image": image.path.stat().st_size, **{name: (parts / name).stat().st_size for name in ("kernel", "boot.cpio", "application.cpio")}}
    print("\nsizes: " + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items()))


@pytest.mark.parametrize("num_keys", KEYS)
def test_starts(start, bin_dir, folder, parts, num_keys):
    cloud = SealedCloud(start, bin_dir, folder, parts, num_keys=num_keys)
    cloud.begin()
    print(f"\n{num_keys} sealed keys, {AMPLE_MIB} MiB, under emulation:")
    print_start(cloud)
    smallest = smallest_memory(cloud)
    print(f"  smallest -m that boots and serves: {smallest} MiB" if smallest else f"  {AMPLE_MIB} MiB are too few")
