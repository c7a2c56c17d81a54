"""make bench: how fast the stand-alone signer is, beside a loop of plain blst on the same cores.

Everything is measured in one run, and the two sides take turns in short rounds, so that whatever
else the machine does meets both. What counts is the ratio of a round; the report gives its median
and its spread. Absolute figures drift with the machine. Writes build/bench/report.txt and .json.
"""
import http.client
import json
import os
import pathlib
import platform
import secrets
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
import bench_batch  # noqa: E402
import bench_burst  # noqa: E402
import bench_http2  # noqa: E402
import bench_import  # noqa: E402
from harness import Process, free_port  # noqa: E402

BIN = pathlib.Path(os.environ.get("NS_BIN_DIR") or ROOT / "build/bin")
TOOLS = BIN.parent / "bench"
ROUNDS = 7
CONNECTIONS = 32
BUSY_MS, LONE_MS = 1500, 600
FEW, MANY = 4, 1000
STARTS = 3
GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
TICKS = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))


def make_inputs(folder):
    """Key configuration folders of raw keys, and a TLS PKCS#12 with its certificate."""
    for count in sorted({FEW, MANY, *bench_burst.COUNTS}):
        keys = folder / f"keys-{count}"
        keys.mkdir(mode=0o700)
        for i in range(count):
            secret = secrets.randbelow(GROUP_ORDER - 1) + 1
            (keys / f"{i:05}.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{secret:064x}"\n')
    password = secrets.token_hex(16)
    (folder / "password.txt").write_text(password + "\n")
    run = lambda *words: subprocess.run(words, check=True, cwd=folder, capture_output=True)  # noqa: E731
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem")
    run("openssl", "pkcs12", "-export", "-in", "cert.pem", "-inkey", "key.pem", "-out", "tls.p12", "-passout", "file:password.txt")


class Signer:
    """The stand-alone signer, from its start to its first signature and on. protected may be a list of options."""

    def __init__(self, folder, count, name, protected=True):
        self.folder, self.port, self.epoch = folder, free_port(), 1
        logs = folder / f"logs-{name}"
        logs.mkdir()
        store = folder / f"{name}.sqlite"
        protection = [f"--slashing-protection-db-path={store}"] if protected is True else protected or ["--slashing-protection-enabled=false"]
        started = time.monotonic()
        self.process = Process(str(BIN / "nitro-signer"), [
            "--http-listen-host=127.0.0.1", f"--http-listen-port={self.port}", f"--key-config-path={folder}/keys-{count}",
            f"--tls-keystore-file={folder}/tls.p12", f"--tls-keystore-password-file={folder}/password.txt",
            "--tls-allow-any-client", "eth2", "--network=mainnet", *protection], str(logs))
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
        self.keys_file = folder / f"{name}.keys"
        self.keys_file.write_text("".join(key + "\n" for key in self.keys))

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

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

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

    def load(self, connections, milliseconds, *more, bursts=0):
        before = self.cpu_seconds()
        outcome = tool("bench_load", f"--address=tcp:127.0.0.1:{self.port}", f"--ca-file={self.folder}/cert.pem",
                       f"--keys={self.keys_file}", f"--connections={connections}", f"--milliseconds={milliseconds}",
                       f"--first-epoch={self.epoch}", f"--bursts={bursts}", *more)
        outcome["signer_cpu_seconds"] = self.cpu_seconds() - before
        self.epoch = outcome["last_epoch"] + 1
        return outcome

    def stop(self):
        status = self.process.terminate()
        self.process.cleanup()
        assert status == 0, f"the signer ended with {status}"


def tool(name, *arguments):
    done = subprocess.run([str(TOOLS / name), *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        sys.exit(f"bench: {name}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def fsync_us(folder, count=60):
    """Median microseconds of one append of 4 KiB made durable: what SQLite waits for once a batch."""
    took = []
    with open(folder / "fsync", "ab", buffering=0) as file:
        for _ in range(count):
            started = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - started) * 1e6)
    return statistics.median(took)


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def measure_starts(folder):
    """Start to first signature, and memory, with few and with many keys; they take turns."""
    found = {count: {"ready": [], "first": [], "resident": [], "proportional": []} for count in (FEW, MANY)}
    for turn in range(STARTS):
        for count in (FEW, MANY):
            signer = Signer(folder, count, f"start-{count}-{turn}")
            resident, proportional = signer.memory_mib()
            for name, value in (("ready", signer.ready_seconds), ("first", signer.first_signature_seconds),
                                ("resident", resident), ("proportional", proportional)):
                found[count][name].append(value)
            signer.stop()
    return {str(count): {"ready_seconds": spread(of["ready"]), "first_signature_seconds": spread(of["first"]),
                         "resident_mib": spread(of["resident"]),
                         "proportional_mib": None if None in of["proportional"] else spread(of["proportional"])}
            for count, of in found.items()}


def measure_rounds(folder):
    """One round: blst on every core, the signer under load, the same without protection; one blst thread, one
    lone client of each; and the disk."""
    signer = Signer(folder, MANY, "busy")
    bare = Signer(folder, MANY, "unprotected", protected=False)
    rounds = []
    try:
        signer.load(CONNECTIONS, 300), bare.load(CONNECTIONS, 300)
        for _ in range(ROUNDS):
            rounds.append({
                "blst_busy": tool("bench_blst", f"--threads={CORES}", f"--milliseconds={BUSY_MS}"),
                "signer_busy": signer.load(CONNECTIONS, BUSY_MS),
                "signer_distinct": signer.load(CONNECTIONS, BUSY_MS, "--distinct=true"),
                "burst": bench_burst.measure(signer), "batch": bench_batch.measure(signer, BUSY_MS), "batch_keys": MANY,
                "unprotected_busy": bare.load(CONNECTIONS, BUSY_MS),
                "blst_lone": tool("bench_blst", "--threads=1", f"--milliseconds={LONE_MS}"),
                "signer_lone": signer.load(1, LONE_MS, "--distinct=true"),
                "unprotected_lone": bare.load(1, LONE_MS, "--distinct=true"),
                "fsync_us": fsync_us(folder)})
        resident, proportional = signer.memory_mib()
        after = {"resident_mib": resident, "proportional_mib": proportional, "http2": bench_http2.measure(signer)}
    finally:
        signer.stop()
        bare.stop()
    return rounds, after


def rate(outcome):
    return outcome["signed"] / outcome["seconds"]


def summarise(rounds):
    of = lambda function: spread([function(r) for r in rounds])  # noqa: E731
    summary = {"blst_signatures_per_second": of(lambda r: rate(r["blst_busy"]))}
    for side in ("signer", "unprotected"):
        busy, lone = f"{side}_busy", f"{side}_lone"
        summary[side] = {
            "signatures_per_second": of(lambda r, k=busy: rate(r[k])),
            "ratio_to_blst": of(lambda r, k=busy: rate(r[k]) / rate(r["blst_busy"])),
            "signatures_per_cpu_second_ratio": of(
                lambda r, k=busy: (r[k]["signed"] / r[k]["signer_cpu_seconds"])
                / (r["blst_busy"]["signed"] / r["blst_busy"]["cpu_seconds"])),
            "generator_share_of_cores": of(lambda r, k=busy: r[k]["cpu_seconds"] / r[k]["seconds"] / CORES),
            "signer_share_of_cores": of(lambda r, k=busy: r[k]["signer_cpu_seconds"] / r[k]["seconds"] / CORES),
            "lone_p50_us": of(lambda r, k=lone: r[k]["p50_us"]),
            "lone_p99_us": of(lambda r, k=lone: r[k]["p99_us"]),
            "lone_p50_ratio": of(lambda r, k=lone: r[k]["p50_us"] / r["blst_lone"]["p50_us"]),
            "lone_p99_ratio": of(lambda r, k=lone: r[k]["p99_us"] / r["blst_lone"]["p99_us"])}
    summary["distinct"] = {"signatures_per_second": of(lambda r: rate(r["signer_distinct"])),
                           "ratio_to_blst": of(lambda r: rate(r["signer_distinct"]) / rate(r["blst_busy"]))}
    summary["burst"] = bench_burst.summarise(rounds, of, lambda r: rate(r["blst_busy"]))
    summary["batch"] = bench_batch.summarise(rounds, of, rate)
    summary["blst_lone_p50_us"] = of(lambda r: r["blst_lone"]["p50_us"])
    summary["fsync_us"] = of(lambda r: r["fsync_us"])
    summary["blst_lone_p99_us"] = of(lambda r: r["blst_lone"]["p99_us"])
    return summary


def line(label, value, unit="", digits=0):
    if value is None:
        return f"  {label:<52} not readable here\n"
    return f"  {label:<52} {value['median']:>10,.{digits}f} {unit:<4} ({value['low']:,.{digits}f} .. {value['high']:,.{digits}f})\n"


def as_text(report):
    r, text = report["rounds_summary"], ""
    text += f"nitro-signer bench: {report['machine']}, {CORES} cores, {ROUNDS} rounds; median (lowest .. highest)\n\n"
    text += f"Attestations over {CONNECTIONS} kept HTTPS connections, {MANY} keys, load generator on the same cores\n"
    text += line("blst hash-and-sign, one thread a core", r["blst_signatures_per_second"], "/s")
    for side, name in (("signer", "nitro-signer, protection in SQLite"), ("unprotected", "nitro-signer, no protection")):
        text += line(name, r[side]["signatures_per_second"], "/s")
        text += line("  against blst", r[side]["ratio_to_blst"], "x", 3)
        text += line("  against blst, per second of processor", r[side]["signatures_per_cpu_second_ratio"], "x", 3)
        text += line("  share of the cores: signer", r[side]["signer_share_of_cores"], "", 2)
        text += line("  share of the cores: load generator", r[side]["generator_share_of_cores"], "", 2)
    text += line("nitro-signer, every message another one", r["distinct"]["signatures_per_second"], "/s")
    text += line("  against blst", r["distinct"]["ratio_to_blst"], "x", 3)
    text += bench_burst.as_text(r["burst"], line, MANY) + bench_burst.signing_as_text(report["signing"], line)
    text += bench_burst.growth_as_text(report["growth"], line)
    text += bench_batch.as_text(r["batch"], line, MANY, CONNECTIONS)
    text += "\nA lone request on a kept connection, its message signed by nobody before\n"
    text += line("blst hash-and-sign p50", r["blst_lone_p50_us"], "us") + line("blst hash-and-sign p99", r["blst_lone_p99_us"], "us")
    text += line("the disk: 4 KiB appended and synced, p50", r["fsync_us"], "us")
    for side, name in (("signer", "protection in SQLite"), ("unprotected", "no protection")):
        text += line(f"{name}: p50", r[side]["lone_p50_us"], "us") + line("  against blst's p50", r[side]["lone_p50_ratio"], "x", 2)
        text += line(f"{name}: p99", r[side]["lone_p99_us"], "us") + line("  against blst's p99", r[side]["lone_p99_ratio"], "x", 2)
    text += f"\nStart and memory, {STARTS} starts each, raw keys\n"
    for count, of in report["starts"].items():
        text += line(f"{count} keys: process start to ready", of["ready_seconds"], "s", 3)
        text += line(f"{count} keys: process start to first signature", of["first_signature_seconds"], "s", 3)
        text += line(f"{count} keys: resident, summed over processes", of["resident_mib"], "MiB", 1)
        text += line(f"{count} keys: proportional (shared pages once)", of["proportional_mib"], "MiB", 1)
    text += bench_http2.as_text(report["after_rounds"]["http2"], line, spread)
    return text + bench_import.as_text(report["import"], line, spread)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((text.split(":", 1)[1].strip() for text in info if text.startswith("model name")), platform.machine())
    return f"{model}, Linux {platform.release()}"


def main():
    # Beside the build and not in /tmp, which may be memory: an fsync has to cost what it costs.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-bench-", dir=TOOLS))
    bench_burst.high_priority()
    try:
        make_inputs(folder)
        starts = measure_starts(folder)
        rounds, after = measure_rounds(folder)
        signing = bench_burst.measure_signing(TOOLS, tool, spread)
        growth = bench_burst.measure_growth(lambda count: Signer(folder, count, f"growth-{count}"), lambda: tool(
            "bench_blst", f"--threads={CORES}", f"--milliseconds={LONE_MS}"), spread)
        imports = bench_import.measure(folder, BIN / "nitro-signer")
    finally:
        shutil.rmtree(folder)
    report = {"machine": machine(), "cores": CORES, "starts": starts, "rounds_summary": summarise(rounds),
              "after_rounds": after, "signing": signing, "growth": growth, "import": imports, "rounds": rounds}
    (TOOLS / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (TOOLS / "report.txt").write_text(as_text(report))
    print(as_text(report), end="")
    print(f"\nThe same as JSON, with every round: {os.path.relpath(TOOLS / 'report.json')}")


if __name__ == "__main__":
    main()
