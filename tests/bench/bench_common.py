"""What the modules of make bench share. A module is a file bench_NAME.py that bench.py lists, with

    measure(context) -> dict    raw figures, JSON-able: every round of both sides, which took turns
    as_text(found) -> str       for people, of what measure returned
    goals(found) -> list[Goal]  the rows of the goals table that it can fill; made by goal()
    SECONDS                     optional: how long measure may take (180)

measure raises NotHere("why") when what it measures with cannot be had on this machine. found is as it comes back from JSON: keys
of objects are text. bench_common has no state but its constants; what a run has is in the Context.
"""
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import secrets
import signal
import ssl
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import Process, free_port  # noqa: E402

BIN = pathlib.Path(os.environ.get("NS_BIN_DIR") or ROOT / "build/bin")
TOOLS = BIN.parent / "bench"
ROUNDS = 7
GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
CORES = len(os.sched_getaffinity(0))


class NotHere(Exception):
    """What a measurement needs is not on this machine; says what, and how it could come."""


class Failed(Exception):
    """A measurement went wrong."""


@dataclasses.dataclass
class Goal:
    """A row of the goals table. measured is a spread(), or None with the reason in why; met is then None too."""
    name: str
    against: str
    goal: str
    measured: dict = None
    met: bool = None
    why: str = ""
    limit: float = None
    is_least: bool = True
    unit: str = "x"
    beside: str = ""


@dataclasses.dataclass(frozen=True)
class Wanted:
    module: str
    name: str
    against: str
    limit: float
    is_least: bool
    unit: str = "x"


# The goals that were set, in the order of the report. A module that fills one asks for it by its key.
GOALS = {
    "burst": Wanted("burst", "burst of 1,000 attestations, kept TLS connections, SQLite: signatures a second",
                    "blst hash-and-sign loop, same cores", 3, True),
    "lone": Wanted("lone", "lone request p50, message of its own, no protection", "one blst hash-and-sign", 1.25, False),
    "lone-protected": Wanted("lone", "lone request p50, message of its own, SQLite", "one blst hash-and-sign", 1.25, False),
    "dirk": Wanted("dirk", "the same burst: signatures a second", "Dirk, same keys, its own client", 5, True),
    "distinct": Wanted("rounds", "every message another one, no protection: signatures a second", "blst hash-and-sign loop, same cores", 0.8, True),
    "distinct-protected": Wanted("rounds", "every message another one, SQLite: signatures a second", "blst hash-and-sign loop, same cores", 0.8, True),
    "storm": Wanted("storm", "a new connection a request: handshakes a second", "openssl s_time's rate", 0.8, True),
    "proxy-socat-1": Wanted("proxy", "proxy, bulk bytes, 1 connection", "socat", 2, True),
    "proxy-socat-1000": Wanted("proxy", "proxy, bulk bytes, 1,000 connections", "socat", 2, True),
    "proxy-python-1": Wanted("proxy", "proxy, bulk bytes, 1 connection", "the Python relay of 1 KiB copies", 5, True),
    "proxy-python-1000": Wanted("proxy", "proxy, bulk bytes, 1,000 connections", "the Python relay of 1 KiB copies", 5, True),
    "proxy-signing": Wanted("proxy", "proxy, signing requests over 64 kept TLS connections", "the same load without the proxy", 0.75, True),
    "memory": Wanted("keys", "resident memory, 10,000 keys, 2,000 kept connections", "Web3Signer's documented sizing", 64, False, "MB"),
    "sealed-start": Wanted("keys", "10,000 sealed keys, start to first signature", "10,000 scrypt keystores of a peer", 0.5, False, "s"),
}


def goal(key, measured, why="", beside=""):
    """That goal with what was measured: a spread(), or None and why not. beside is told behind the row."""
    wanted = GOALS[key]
    met = None
    if measured is not None:
        met = measured["median"] >= wanted.limit if wanted.is_least else measured["median"] <= wanted.limit
    unit = "" if wanted.unit == "x" else f" {wanted.unit}"
    text = f"at {'least' if wanted.is_least else 'most'} {wanted.limit:g}{unit}"
    return Goal(wanted.name, wanted.against, text, measured, met, why, wanted.limit, wanted.is_least, wanted.unit, beside)


def spread(values):
    values = list(values)
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def line(label, value, unit="", digits=0):
    if value is None:
        return f"  {label:<52} not readable here\n"
    return f"  {label:<52} {value['median']:>10,.{digits}f} {unit:<4} ({value['low']:,.{digits}f} .. {value['high']:,.{digits}f})\n"


def rate(outcome):
    """Signatures a second of what bench_load or bench_blst printed."""
    return outcome["signed"] / outcome["seconds"]


def tool(name, *arguments, timeout=60, prefix=()):
    """What a program of build/bench prints, as JSON. prefix goes before it: ["taskset", "-c", "0"]."""
    done = subprocess.run([*prefix, str(TOOLS / name), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise Failed(f"{name} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def say(text):
    """Progress, at once."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def bounded(seconds, what):
    """Raises Failed in the main thread when the block takes longer."""
    def ring(*_):
        raise Failed(f"{what} took more than {seconds} s and was given up")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def cpu_ns_by_task(pids):
    """Of their threads that live, in nanoseconds' steps: the kernel's user and system times only count its ticks."""
    found = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                    found[int(task)] = int(stat.read().split()[0])
    return found


def cpu_seconds_of(pids):
    return sum(cpu_ns_by_task(pids).values()) / 1e9


class Signer:
    """The stand-alone signer, from its start to its first signature and on. protected may be a list of options instead; options
    are further ones of nitro-signer's eth2 command, program_options those before that word; cores, where it may run; bin_dir has
    other programs than those that were built."""

    def __init__(self, context, count, name, protected=True, *, options=(), program_options=(), cores=None, bin_dir=BIN):
        self.folder, self.port, self.epoch, self.cpu_ns = context.folder, free_port(), 1, {}
        keys = context.keys(count)
        context.certificate()
        logs = self.folder / f"logs-{name}"
        logs.mkdir()
        store = self.folder / f"{name}.sqlite"
        protection = [f"--slashing-protection-db-path={store}"] if protected is True else protected or ["--slashing-protection-enabled=false"]
        with on_cores(cores):
            started = time.monotonic()
            self.process = Process(str(bin_dir / "nitro-signer"), [
                "--http-listen-host=127.0.0.1", f"--http-listen-port={self.port}", f"--key-config-path={keys}",
                f"--tls-keystore-file={self.folder}/tls.p12", f"--tls-keystore-password-file={self.folder}/password.txt",
                "--tls-allow-any-client", *program_options, "eth2", "--network=mainnet", *protection, *options], str(logs))
        try:
            self.process.wait_ready(120)
            self.ready_seconds = time.monotonic() - started
            self.keys = json.loads(self.request("GET", "/api/v1/eth2/publicKeys"))
            assert len(self.keys) == count, f"{len(self.keys)} of {count} keys are there"
            self.sign_once(self.keys[0])
            self.first_signature_seconds = time.monotonic() - started
        except BaseException:
            self.process.cleanup()
            raise
        self.keys_file = self.folder / f"{name}.keys"
        self.keys_file.write_text("".join(key + "\n" for key in self.keys))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.process.cleanup()

    def request(self, method, path, body=None):
        context = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, f"{method} {path}: {answer.status} {text}"
        return text

    def sign_once(self, key):
        fork = {"previous_version": "0x06000000", "current_version": "0x06000000", "epoch": "0"}
        self.request("POST", f"/api/v1/eth2/sign/{key}", json.dumps({
            "type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"},
            "fork_info": {"fork": fork, "genesis_validators_root": "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"}}))

    def pids(self):
        """The process and all below it."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                        parents[int(entry)] = int(stat.read().rsplit(")", 1)[1].split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    continue
        found = {self.process.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return sorted(found)
            found |= more

    def named_pids(self):
        """Of its processes by what they do: {"keeper": ..., "front": ...}."""
        names = {}
        for pid in self.pids():
            name = pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")[0].rpartition("/")[2]
            names[name.removeprefix("nitro-signer-")] = pid
        return names

    def cpu_seconds(self):
        """Of all its threads, those that ended since they were seen included."""
        self.cpu_ns.update(cpu_ns_by_task(self.pids()))
        return sum(self.cpu_ns.values()) / 1e9

    def memory_mib(self):
        """Resident (shared pages counted in every process) and proportional (counted once), in MiB.
        The latter is None where the kernel keeps it from us: the processes are not dumpable."""
        resident = proportional = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                resident += next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                    proportional += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
            except PermissionError:
                proportional = float("nan")
        return resident / 1024, (proportional / 1024 if proportional == proportional else None)

    def load(self, connections, milliseconds, *more, bursts=0, prefix=(), port=None, ca_file=None, keys_file=None, timeout=60):
        """What bench_load prints, and signer_cpu_seconds of the same time; another port leads through a proxy, another file names
        some of the keys."""
        before = self.cpu_seconds()
        outcome = tool("bench_load", f"--address=tcp:127.0.0.1:{port or self.port}", f"--ca-file={ca_file or self.folder / 'cert.pem'}",
                       f"--keys={keys_file or self.keys_file}", f"--connections={connections}", f"--milliseconds={milliseconds}",
                       f"--first-epoch={self.epoch}", f"--bursts={bursts}", *more, prefix=prefix, timeout=timeout)
        outcome["signer_cpu_seconds"] = self.cpu_seconds() - before
        self.epoch = outcome["last_epoch"] + 1
        return outcome

    def stop(self):
        status = self.process.terminate()
        self.process.cleanup()
        assert status == 0, f"the signer ended with {status}"


@contextlib.contextmanager
def on_cores(cores):
    """What is started in this block runs there; None is everywhere."""
    before = os.sched_getaffinity(0)
    if cores is not None:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Context:
    """What one run has: a temporary folder on a disk, and inputs that are made when they are first asked for."""

    def __init__(self, folder, rounds=ROUNDS):
        self.folder, self.rounds = pathlib.Path(folder), rounds

    def keys(self, count):
        """The folder with key configuration files of so many raw keys: DIR/00000.yaml and on."""
        folder = self.folder / f"keys-{count}"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            for i in range(count):
                secret = secrets.randbelow(GROUP_ORDER - 1) + 1
                (folder / f"{i:05}.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{secret:064x}"\n')
        return folder

    def certificate(self):
        """cert.pem of localhost and 127.0.0.1, with key.pem, tls.p12 and password.txt beside it."""
        certificate = self.folder / "cert.pem"
        if not certificate.exists():
            (self.folder / "password.txt").write_text(secrets.token_hex(16) + "\n")
            run = lambda *words: subprocess.run(words, check=True, cwd=self.folder, capture_output=True, timeout=60)  # noqa: E731
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem")
            run("openssl", "pkcs12", "-export", "-in", "cert.pem", "-inkey", "key.pem", "-out", "tls.p12", "-passout", "file:password.txt")
        return certificate

    def signer(self, count, name, protected=True, **more):
        return Signer(self, count, name, protected, **more)

    def blst(self, milliseconds, threads=CORES, prefix=()):
        """The yardstick: blst's hash-and-sign loop."""
        return tool("bench_blst", f"--threads={threads}", f"--milliseconds={milliseconds}", prefix=prefix)

    def fsync_us(self, count=60):
        """Median microseconds of one append of 4 KiB made durable: what SQLite waits for once a batch."""
        took = []
        with open(self.folder / "fsync", "ab", buffering=0) as file:
            for _ in range(count):
                started = time.monotonic()
                file.write(bytes(4096))
                os.fdatasync(file.fileno())
                took.append((time.monotonic() - started) * 1e6)
        return statistics.median(took)
