"""Of make bench: a storm of new connections. How fast they are taken, and what a signature costs that has a handshake of its own.

The yardstick is OpenSSL's own pair: `openssl s_time` asks `openssl s_server`, and in turns it asks the signer, with the same P-256
certificate, the same suites (AES-128-GCM, X25519) and as many tickets (one). s_time has one connection at a time,
so several of it run at once too. Forms: full handshakes of TLS 1.2 and 1.3, alone and with a request (GET /upcheck, which s_server answers
from a file), and resumed ones. s_time takes its session before a ticket of TLS 1.3 has come, so of 1.3 only connections with
a request are resumed; how many really were is read from what it prints.

What differs besides: s_server is one blocking process with one connection at a time, which it ends; the signer has limits and timeouts for
each of thousands, and speaks HTTP. s_time checks no certificate. The processor time is that of all the signer's processes.

The goal: signatures a second when each has a full handshake of TLS 1.2 of its own, as Nimbus asks (bench_load, 32 at a time, protection
in SQLite), against the handshakes alone that s_time gets out of s_server at its best, with one process or several. So our side signs,
records, parses, and its client checks the certificate, and must still reach 0.8 of a pair that does none of it.
"""
import contextlib
import os
import re
import socket
import subprocess
import time

from bench_common import Failed, NotHere, cpu_seconds_of, free_port, goal, line, rate, spread

KEYS, CONNECTIONS, SIGN_MS = 1000, 32, 1500
SECONDS, ROUNDS_MAX = 600, 5
AT_ONCE = (1, 2, 8)
SUITES = ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]
REQUEST = ["-www", "/upcheck"]
FORMS = {
    "new-12": ("full handshakes, TLS 1.2", ["-new", "-tls1_2"], AT_ONCE),
    "new-13": ("full handshakes, TLS 1.3", ["-new", "-tls1_3"], AT_ONCE),
    "new-12-request": ("full handshakes and a request, TLS 1.2", ["-new", "-tls1_2", *REQUEST], (1,)),
    "new-13-request": ("full handshakes and a request, TLS 1.3", ["-new", "-tls1_3", *REQUEST], (1,)),
    "resumed-12": ("resumed handshakes, TLS 1.2", ["-reuse", "-tls1_2"], (1,)),
    "resumed-13-request": ("resumed handshakes and a request, TLS 1.3", ["-reuse", "-tls1_3", *REQUEST], (1,)),
}
STORMS = {"new-12": "12", "new-13": "13"}  # what a signing storm is held against, and bench_load's word for its version


class Server:
    """openssl s_server with the certificate of the run and a file upcheck."""

    def __init__(self, context):
        context.certificate()
        self.port, folder = free_port(), context.folder / "storm"
        folder.mkdir()
        (folder / "upcheck").write_text("OK")
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", "../cert.pem", "-key", "../key.pem", "-WWW", "-quiet",
             "-num_tickets", "1"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.05)
        self.__exit__()
        raise Failed("s_server does not listen")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def pids(self):
        return [self.process.pid]


def counts(printed):
    """How many connections s_time made, and how many of them were resumed: it prints a letter each, r for these."""
    made = re.search(r"^(\d+) connections in \d+ real seconds", printed, re.M)
    if not made:
        raise Failed(f"s_time: {printed[-200:]}")
    letters = re.search(r"^[*rtTsS]+$", printed, re.M)
    return int(made[1]), letters[0].count("r") if letters else 0


def wait_for_a_second():
    """s_time stops when the clock's second changes, so one that begins late in a second measures one and no more."""
    time.sleep((0.9 - time.time()) % 1)


def take(server, arguments, at_once):
    """Connections a second of so many s_time, the server's processor time and theirs."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", *SUITES, "-time", "1", *arguments]
    wait_for_a_second()
    cpu, own, started = cpu_seconds_of(server.pids()), os.times(), time.monotonic()
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(at_once)]
    try:
        printed = [client.communicate(timeout=30)[0] for client in clients]
    finally:
        for client in clients:
            client.kill()
    seconds, after = time.monotonic() - started, os.times()
    made = [counts(text) for text in printed]
    return {"connections": sum(one for one, _ in made), "resumed": sum(resumed for _, resumed in made), "seconds": seconds,
            "server_cpu_seconds": cpu_seconds_of(server.pids()) - cpu,
            "client_cpu_seconds": after.children_user + after.children_system - own.children_user - own.children_system}


def one_round(server, signer):
    found = {"s_time": {}, "signing": {}}
    for name, (_, arguments, all_at_once) in FORMS.items():
        found["s_time"][name] = {str(at_once): {"s_server": take(server, arguments, at_once), "ours": take(signer, arguments, at_once)}
                                 for at_once in all_at_once}
    for name, version in STORMS.items():
        found["signing"][name] = signer.load(CONNECTIONS, SIGN_MS, "--opening=per-request", f"--tls={version}")
    return found


def measure(context):
    try:
        version = subprocess.run(["openssl", "version"], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise NotHere(f"openssl: {error}") from error
    with Server(context) as server, context.signer(KEYS, "storm") as signer:
        one_round(server, signer)
        return {"openssl": version, "rounds": [one_round(server, signer) for _ in range(min(context.rounds, ROUNDS_MAX))]}


def per_second(outcome):
    return outcome["connections"] / outcome["seconds"]


def server_us(outcome):
    return 1e6 * outcome["server_cpu_seconds"] / outcome["connections"]


def yardstick(one, name):
    """Handshakes a second that s_time gets out of s_server, with as many processes as gave most."""
    return max(per_second(sides["s_server"]) for sides in one["s_time"][name].values())


def storm_ratio(found, name):
    return spread(rate(one["signing"][name]) / yardstick(one, name) for one in found["rounds"])


def storm_processor_ratio(found, name):
    """What a connection costs s_time and s_server together, against a signature on a connection of its own and its load generator."""
    def of(one):
        sides, storm = one["s_time"][name]["1"]["s_server"], one["signing"][name]
        pair = (sides["server_cpu_seconds"] + sides["client_cpu_seconds"]) / sides["connections"]
        return pair * storm["signed"] / (storm["signer_cpu_seconds"] + storm["cpu_seconds"])

    return spread(map(of, found["rounds"]))


def one_form_as_text(found, name, at_once):
    sides = lambda side: [one["s_time"][name][at_once][side] for one in found["rounds"]]  # noqa: E731
    ours, theirs = sides("ours"), sides("s_server")
    text = f"  {FORMS[name][0]}, {at_once} s_time\n"
    text += line("    s_server", spread(map(per_second, theirs)), "/s") + line("    ours", spread(map(per_second, ours)), "/s")
    text += line("      against s_server", spread(per_second(a) / per_second(b) for a, b in zip(ours, theirs)), "x", 2)
    text += line("    a connection's processor time: s_server", spread(map(server_us, theirs)), "us")
    text += line("      ours", spread(map(server_us, ours)), "us")
    text += line("      s_server's against ours", spread(server_us(b) / server_us(a) for a, b in zip(ours, theirs)), "x", 2)
    resumed = [f"{100 * sum(o['resumed'] for o in side) / sum(o['connections'] for o in side):.0f} %" for side in (ours, theirs)]
    return text + (f"    resumed: ours {resumed[0]}, s_server's {resumed[1]}\n" if name.startswith("resumed") else "")


def as_text(found):
    text = f"{found['openssl']}: s_time against s_server and against the signer, the same certificate and suites, in turns\n"
    for name, (_, _, all_at_once) in FORMS.items():
        for at_once in all_at_once:
            text += one_form_as_text(found, name, str(at_once))
    text += f"  a full handshake for every attestation, {CONNECTIONS} at a time, protection in SQLite\n"
    for name, version in STORMS.items():
        loads = [one["signing"][name] for one in found["rounds"]]
        text += line(f"    signatures, TLS 1.{version[-1]}", spread(map(rate, loads)), "/s")
        text += line("      against s_time's handshakes at their best", storm_ratio(found, name), "x", 2)
        text += line("      processor time, that pair's against ours", storm_processor_ratio(found, name), "x", 2)
        text += line("      the signer's processor time", spread(1e6 * o["signer_cpu_seconds"] / o["signed"] for o in loads), "us")
        text += line("      the load generator's", spread(1e6 * o["cpu_seconds"] / o["signed"] for o in loads), "us")
    return text


def goals(found):
    lone = spread(rate(one["signing"]["new-12"]) / per_second(one["s_time"]["new-12"]["1"]["s_server"]) for one in found["rounds"])
    return [goal("storm", storm_ratio(found, "new-12"), beside=f"TLS 1.2, signature included; TLS 1.3 {storm_ratio(found, 'new-13')['median']:.2f}; "
                 f"against a single s_time {lone['median']:.2f}; in processor time {storm_processor_ratio(found, 'new-12')['median']:.2f}")]
