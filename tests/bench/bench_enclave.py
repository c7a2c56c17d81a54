"""Of make bench: how long an enclave takes from its start to its first signature, and what memory it needs, with 4, 1,000 and
10,000 sealed keys. Local mode: devcloud is NSM and KMS, the enclave's own program runs as on Nitro. Times are of runs of their
own, since looking at memory costs time.
"""
import base64
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import requests

from bench_common import BIN, TOOLS
from enclave_rig import EPOCH, MAINNET_GENESIS, Cloud, children_of
from harness import Process, connect, control, free_port

COUNTS = (4, 1000, 10000)
STARTS = int(os.environ.get("NS_STARTS", 5))
UUID = "bench"
FIELDS = {"Rss": "resident", "Anonymous": "anonymous", "Locked": "locked", "Pss": "proportional"}


def seal(cloud, count):
    """The item of a batch: ctl makes the data key, which it tells tests, and bench_seal the keys."""
    (secret, secrets_fd), (words, words_fd) = os.pipe(), os.pipe()
    subprocess.run([BIN / "nitro-signer-ctl", "keys", "generate", "--count=1", "--sealed", f"--uuid={UUID}", "--network=mainnet", "--out=batch",
                    *cloud._kms(arn="key-arn"), f"--secrets-fd={secrets_fd}", f"--mnemonic-fd={words_fd}"], cwd=cloud.folder, check=True,
                   capture_output=True, pass_fds=[secrets_fd, words_fd])
    for fd in (secrets_fd, words_fd, words):
        os.close(fd)
    with os.fdopen(secret) as file:
        data_key = next(line.split()[-1] for line in file if line.startswith("data_key"))
    (path,) = (cloud.folder / "batch/sealed").iterdir()
    item = json.loads(path.read_text())
    blobs = subprocess.run([TOOLS / "bench_seal", str(count), UUID], input=data_key.encode(), check=True, capture_output=True).stdout
    return {"web3signer_uuid": UUID, "encrypted_data_key": item["encrypted_data_key_b64"], "keys": base64.b64encode(blobs).decode()}, "0x" + blobs[:48].hex()


def memory_of(pid):
    """KiB, by field, of one process; None when it is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        name = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0].rpartition("/")[2]
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    cpu_ns = sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {"name": name.removeprefix("nitro-signer-"), "cpu_ms": cpu_ns / 1e6, **{short: values[field] for field, short in FIELDS.items()}}


def family(pid):
    return [found for found in map(memory_of, [pid, *children_of(pid)]) if found]


class Watch(threading.Thread):
    """The largest sum of anonymous memory while an enclave loads, and each process's own largest."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.ended, self.peak, self.each = pid, False, 0, {}

    def run(self):
        while not self.ended:
            try:
                now = family(self.pid)
            except FileNotFoundError:
                return
            self.peak = max(self.peak, sum(one["anonymous"] for one in now))
            for one in now:
                self.each[one["name"]] = max(self.each.get(one["name"], 0), one["anonymous"])
            time.sleep(0.002)


class Enclave:
    """From the start of PID 1's program to the first signature. It is given init at once, as the watchdog does."""

    def __init__(self, cloud, message, key, number, watches=False):
        folder, port = cloud.folder, free_port()
        for name in ("control", "slashing.sqlite", "slashing.sqlite-wal", "slashing.sqlite-shm"):
            (folder / name).unlink(missing_ok=True)
        logs = folder / f"enclave-{number}"
        logs.mkdir()
        session = requests.Session()
        session.trust_env, session.verify = False, str(folder / "items/tls-cert.pem")
        began = time.monotonic()
        self.process = Process(str(BIN / "nitro-signer-enclave"), [
            f"--control=unix:{folder}/control", f"--https=tcp:127.0.0.1:{port}", f"--nsm=unix:{folder}/nsm-a", f"--kms-via=unix:{folder}/kms",
            f"--ca-file={folder}/ca.pem"], str(logs))
        try:
            self.process.wait_ready(60)
            self.watch = Watch(self.process.pid)
            if watches:
                self.watch.start()
            with connect(f"unix:{folder}/control", timeout=120) as stream:
                reply = control(stream, message)
                self.served = time.monotonic() - began
                assert reply["status"] == 200, reply
                assert session.post(f"https://localhost:{port}/api/v1/eth2/sign/{key}", json=vote(), timeout=30).status_code == 200
                self.signed = time.monotonic() - began
                self.watch.ended = True
                self.memory = family(self.process.pid)
                self.status = control(stream, {"operation": "status"})["body"]
        finally:
            self.watch.ended = True
            session.close()
            self.process.cleanup()

    @property
    def log(self):
        return self.process.log()


def vote():
    checkpoint = lambda epoch: {"epoch": str(epoch), "root": "0x" + "55" * 32}
    return {"type": "ATTESTATION", "attestation": {"slot": str(32 * EPOCH), "index": "0", "beacon_block_root": "0x" + "44" * 32,
                                                   "source": checkpoint(EPOCH - 4), "target": checkpoint(EPOCH)},
            "fork_info": {"fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"},
                          "genesis_validators_root": MAINNET_GENESIS}}


def measure_count(cloud, count, starts):
    batch, key = seal(cloud, count)
    tls = json.loads(next((cloud.folder / "items/tls").iterdir()).read_text())
    message = json.dumps({"operation": "init", "policy": (cloud.folder / "policy.txt").read_text(), "access": "",
                          "credential": json.loads((cloud.folder / "cloud/credentials.json").read_text()),
                          "encrypted_tls_key": tls["encrypted_tls_key_b64"], "encrypted_validator_keys": [],
                          "sealed_validator_keys": [batch]}).encode()
    runs = [Enclave(cloud, message, key, f"{count}-{i}") for i in range(starts)]
    watched = Enclave(cloud, message, key, f"{count}-watched", watches=True)
    subprocess.run(["rm", "-r", cloud.folder / "batch"], check=True)
    return {"keys": count, "served_ms": [1000 * run.served for run in runs], "signed_ms": [1000 * run.signed for run in runs],
            "phases": [run.status["start_ms"] for run in runs], "memory_kib": watched.memory, "peak_anonymous_kib": watched.watch.peak,
            "peaks_kib": watched.watch.each, "log": runs[-1].log}


def compare(rounds=3):
    """Public keys in a batch and one by one, by turns: the medians, and the median of the ratios."""
    pairs = [tuple(map(float, subprocess.run([TOOLS / "bench_seal", "compare", "2048"], check=True, capture_output=True, text=True).stdout.split()))
             for _ in range(rounds)]
    return [statistics.median(column) for column in (*zip(*pairs), [single / batch for batch, single in pairs])]


def show(found):
    """One number of keys."""
    median = statistics.median(found["signed_ms"])
    text = (f"  {found['keys']} sealed keys: first signature {median:.0f} ms after the start "
            f"({min(found['signed_ms']):.0f} to {max(found['signed_ms']):.0f})\n")
    phases = [p for p in found["phases"] if p]
    if phases:
        text += "    phases, ms: " + ", ".join(f"{name} {statistics.median(p[name] for p in phases):.0f}" for name in phases[0]) + "\n"
    total = {field: sum(one[field] for one in found["memory_kib"]) for field in FIELDS.values()}
    for one in [*found["memory_kib"], {"name": "together", **total}]:
        peak = found["peaks_kib"].get(one["name"], found["peak_anonymous_kib"])
        text += (f"    {one['name']:8} {one.get('cpu_ms', 0):5.0f} ms of a processor; anonymous {one['anonymous'] / 1024:6.1f} MiB, "
                 f"locked {one['locked'] / 1024:5.1f} MiB, resident {one['resident'] / 1024:6.1f} MiB, "
                 f"largest anonymous while loading {peak / 1024:6.1f} MiB\n")
    return text


def as_text(found):
    keys = found["public_keys_us"]
    text = f"  public keys, of a processor's time: {keys['batch']:.1f} us each in a batch, {keys['single']:.1f} us one by one: {keys['ratio']:.1f} times as fast\n"
    return text + "".join(show(one) for one in found["starts"])


def measure_starts(wanted):
    """wanted has pairs of a number of keys and how many starts to measure."""
    processes = []

    def start(program, *arguments):
        processes.append(Process(str(BIN / program), arguments, str(logs)))
        return processes[-1].wait_ready(60)

    with tempfile.TemporaryDirectory(prefix="ns-bench-") as name:
        folder = pathlib.Path(name)
        logs = folder / "logs"
        logs.mkdir()
        try:
            cloud = Cloud(start, BIN, folder, num_keys=1)
            cloud.begin()
            return [measure_count(cloud, count, starts) for count, starts in wanted]
        finally:
            for process in processes:
                process.cleanup()


def measure(_):
    batch, single, ratio = compare()
    return {"public_keys_us": {"batch": batch, "single": single, "ratio": ratio},
            "starts": measure_starts([(count, STARTS) for count in COUNTS])}


def goals(_):
    return []
