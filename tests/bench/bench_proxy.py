"""A part of make bench: the proxy between ends on loopback, beside no relay, socat and a relay in Python.

Bulk bytes over one connection are iperf3's. Over a thousand they are bench_bulk's: iperf3 takes 128 connections a process, so that
eight processes a side would share two processors with the relay, each making a file for every connection first. Beside the rate stands
the processor time of the relay a gigabyte, taken while the bytes flow: where others use the machine it is the steadier of the two. Signing
requests are bench_load's, over 64 kept TLS connections. Loopback only: of vsock's cost this says nothing."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import time

from bench_common import BIN, TOOLS, Failed, NotHere, cpu_seconds_of, free_port, goal, line, rate, spread

SECONDS = 300
ROUNDS = 5
MANY = 1000
BULK_MS = 1500
SETTLED_PAGES = 20000
SIGNING_CONNECTIONS, SIGNING_KEYS, SIGNING_MS = 64, 1000, 1500
SIDES = ("direct", "proxy", "socat", "python")
NAMES = {"direct": "no relay", "proxy": "nitro-signer-proxy", "socat": "socat", "python": "Python, 1 KiB a copy"}


def command(side, port, target):
    return {"proxy": [str(BIN / "nitro-signer-proxy"), f"--inbound=tcp:127.0.0.1:{port}=tcp:127.0.0.1:{target}"],
            "socat": ["socat", f"TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=1024", f"TCP4:127.0.0.1:{target}"],
            "python": [sys.executable, str(pathlib.Path(__file__).with_name("python_relay.py")), str(port), str(target)]}[side]


class Relay:
    """One of the sides, from its start on; direct is no process."""

    def __init__(self, side, target):
        self.side, self.process, self.port = side, None, target
        if side != "direct":
            self.port = free_port()
            self.process = subprocess.Popen(command(side, self.port, target), stderr=subprocess.DEVNULL)

    def wait_until_it_listens(self):
        """Without connecting: a connection would be relayed to a target that is not there yet."""
        wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"
        until = time.monotonic() + 10
        while self.process and wanted not in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii"):
            if time.monotonic() > until or self.process.poll() is not None:
                raise Failed(f"{self.side} does not listen")
            time.sleep(0.02)

    def cpu(self):
        """When, and the seconds of processor of each process: socat has one a connection. A thousand are to be read in little time."""
        if not self.process:
            return time.monotonic(), {}
        main = self.process.pid
        began = time.monotonic()
        took = {main: own_cpu(main)}
        for child in pathlib.Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{child}/schedstat", "rb", buffering=0) as file:
                took[int(child)] = int(file.read(100).split()[0]) / 1e9
        return (began + time.monotonic()) / 2, took

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)


def own_cpu(pid):
    """All threads of one process, those that ended too; the kernel's ticks are finer than what is measured here by a hundred."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def cores(before, after):
    """Processors that the relay had in between."""
    return sum(took - before[1].get(pid, 0) for pid, took in after[1].items()) / (after[0] - before[0])


def outcome(rate_of_bytes, used):
    """used is None when the machine was too busy to read it while the bytes flowed."""
    return {"gbit_per_second": rate_of_bytes * 8 / 1e9, "relay_cpu_seconds_per_gb": None if used is None else used / (rate_of_bytes / 1e9)}


def iperf3(relay, target):
    """One connection, two seconds."""
    server = subprocess.Popen(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", str(target)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while f"0100007F:{target:04X} 00000000:0000 0A" not in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii"):
            if time.monotonic() > until:
                raise Failed("iperf3 does not listen")
            time.sleep(0.02)
        client = subprocess.Popen(["iperf3", "-c", "127.0.0.1", "-p", str(relay.port), "-t", "2", "-J"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.4)
        before = relay.cpu()
        time.sleep(1.3)
        after = relay.cpu()
        report = json.loads(client.communicate(timeout=20)[0])
        server.wait(10)
    finally:
        server.kill()
        server.wait()
    if "sum_received" not in report.get("end", {}):
        raise Failed(f"iperf3 through {relay.side}: {report.get('error')}")
    return outcome(report["end"]["sum_received"]["bits_per_second"] / 8, cores(before, after))


def bulk(relay, target, connections):
    tool = subprocess.Popen([TOOLS / "bench_bulk", f"--sink=tcp:127.0.0.1:{target}", f"--address=tcp:127.0.0.1:{relay.port}",
                             f"--connections={connections}", f"--milliseconds={BULK_MS}", "--warm-up-ms=500"], stdout=subprocess.PIPE, text=True)
    try:
        if not tool.stdout.readline():
            raise Failed(f"bench_bulk through {relay.side}")
        before = relay.cpu()
        time.sleep(BULK_MS / 1000 * 0.6)
        after = relay.cpu()
        is_late = bool(select.select([tool.stdout], [], [], 0)[0])
        report = json.loads(tool.communicate(timeout=30)[0] or "{}")
    finally:
        tool.kill()
        tool.wait()
    if "bytes" not in report:
        raise Failed(f"bench_bulk through {relay.side}")
    found = outcome(report["bytes"] / report["seconds"], None if is_late else cores(before, after))
    found["ends_cpu_seconds_per_gb"] = report["cpu_seconds"] / (report["bytes"] / 1e9)
    return found


def settle():
    """Until what connections that ended left in the kernel has gone: short of memory for TCP, it drops the next side's bytes."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with open("/proc/net/sockstat", encoding="ascii") as file:
            pages = next(int(text.split()[-1]) for text in file if text.startswith("TCP:"))
        if pages < SETTLED_PAGES:
            return
        time.sleep(0.05)


def measure_side(side, measure_one):
    """A relay of its own each time, so that none has anything left to do from a turn before."""
    target = free_port()
    relay = Relay(side, target)
    try:
        relay.wait_until_it_listens()
        return measure_one(relay, target)
    finally:
        relay.stop()
        settle()


def measure_bulk(rounds):
    many = lambda relay, target: bulk(relay, target, MANY)  # noqa: E731
    found = [{"one": {side: measure_side(side, iperf3) for side in SIDES}} for _ in range(rounds)]
    for one in found:
        one["many"] = {side: measure_side(side, many) for side in SIDES}
    return found


def measure_signing(context, rounds):
    found = []
    with context.signer(SIGNING_KEYS, "proxy") as signer:
        relay = Relay("proxy", signer.port)
        try:
            relay.wait_until_it_listens()
            for port in (signer.port, relay.port):
                signer.load(SIGNING_CONNECTIONS, 300, port=port)
            for _ in range(rounds):
                direct = signer.load(SIGNING_CONNECTIONS, SIGNING_MS)
                before = cpu_seconds_of([relay.process.pid])
                through = signer.load(SIGNING_CONNECTIONS, SIGNING_MS, port=relay.port)
                took = cpu_seconds_of([relay.process.pid]) - before
                found.append({"direct": direct, "proxy": through, "relay_us_a_request": took / through["signed"] * 1e6})
        finally:
            relay.stop()
    return found


def measure(context):
    for program, package in (("iperf3", "iperf3"), ("socat", "socat")):
        if not shutil.which(program):
            raise NotHere(f"no {program}: Debian's {package}")
    rounds = min(context.rounds, ROUNDS)
    return {"bulk": measure_bulk(rounds), "signing": measure_signing(context, rounds)}


def of_bulk(found, kind, side, what):
    values = [one[kind][side][what] for one in found["bulk"] if one[kind][side][what] is not None]
    return spread(values) if values else None


def ratio(found, kind, side):
    return spread(one[kind]["proxy"]["gbit_per_second"] / one[kind][side]["gbit_per_second"] for one in found["bulk"])


def signing_ratio(found):
    return spread(rate(one["proxy"]) / rate(one["direct"]) for one in found["signing"])


def as_text(found):
    text = ""
    for kind, title in (("one", "Bulk bytes over one connection, iperf3"), ("many", f"Bulk bytes over {MANY:,} connections, bench_bulk")):
        text += f"{title}: Gbit/s\n"
        for side in SIDES:
            text += line(NAMES[side], of_bulk(found, kind, side, "gbit_per_second"), "", 2)
            if side != "direct":
                text += line("  processor time of the relay a GB", of_bulk(found, kind, side, "relay_cpu_seconds_per_gb"), "s", 3)
            if side not in ("direct", "proxy"):
                text += line("  the proxy against it", ratio(found, kind, side), "x", 2)
    text += f"Attestations over {SIGNING_CONNECTIONS} kept TLS connections, SQLite\n"
    for side in ("direct", "proxy"):
        text += line(NAMES[side], spread(rate(one[side]) for one in found["signing"]), "/s")
    text += line("  with the proxy against without", signing_ratio(found), "x", 2)
    return text + line("  processor time of the proxy a request", spread(one["relay_us_a_request"] for one in found["signing"]), "us", 1)


def goals(found):
    rows = []
    for side in ("socat", "python"):
        for kind, connections in (("one", 1), ("many", MANY)):
            took = [of_bulk(found, kind, who, "relay_cpu_seconds_per_gb") for who in ("proxy", side)]
            rows.append(goal(f"proxy-{side}-{connections}", ratio(found, kind, side),
                             beside="processor time of the relay a GB: " + " against ".join(f"{one['median']:.2f} s" if one else "?" for one in took)))
    return rows + [goal("proxy-signing", signing_ratio(found))]
