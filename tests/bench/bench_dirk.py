"""Of make bench: Dirk, the signer of Attestant, as the peer. The same keys sign the same burst there, by its own client, and here over HTTPS.

Dirk and its client library come from the Go module proxy (dirk/bring), pinned by their hashes; Dirk is built with the versions of
its own go.mod. What is fair to it:
  - it is configured as its documentation shows: no metrics, no tracing, errors alone are logged, and it is left to run
    on all cores, as it does (it asks for eight times as many threads as there are processors);
  - protection is on at both, on the same disk: Dirk's in Badger with every write synced, as it always is, ours in SQLite;
  - every account is unlocked by a burst outside the clock; connections are kept at both and opened outside the clock;
  - both serve TLS 1.3 with P-256. Dirk demands a client's certificate, which costs a connection and nothing afterwards;
  - it is asked in four ways, each with bursts of all keys: by its client library, which is what its users run (128 connections,
    its default, each with one request at a time; every signature is decoded to a point), and by its bare stubs (all requests as
    streams of a few connections; bytes are taken as they come), which asks the least of a client on the shared cores. Each sends
    single requests, and the call that has all attestations in one, SignBeaconAttestations.
Ours is asked by single requests (bench_load.c, 256 kept connections) and by the batch route (Python). Like is held against like,
Dirk at its best of the two clients; the goal is the lower of the two ratios. At the end both sign one more epoch with all keys, and
every signature must be the same; ours were verified already.
"""
import contextlib
import hashlib
import json
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time

from bench_batch import Client, GENESIS_ROOT, VERSION
from bench_burst import burst_rate, take as take_burst
from bench_common import NotHere, Failed, cpu_seconds_of, free_port, goal, line, spread

KEYS, BURSTS = 1000, 4
SECONDS = 900
BUILD_SECONDS = 600
STREAM_CONNECTIONS = 8
CLIENTS = {"library": 128, "bare": STREAM_CONNECTIONS}
WAYS = {"single": ("library", "bare"), "together": ("library", "bare")}
NAMES = {"library": "go-eth2-wallet-dirk, 128 connections", "bare": f"its bare stubs, {STREAM_CONNECTIONS} connections"}
HERE = pathlib.Path(__file__).parent
ANSWER_SECONDS = 60


def bring():
    """The folder with dirk, wallet and client."""
    try:
        done = subprocess.run([HERE / "dirk/bring"], capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotHere(f"Go did not build Dirk in {BUILD_SECONDS} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing said"]
        raise NotHere(f"tests/bench/dirk/bring: {said[-1]}")
    return pathlib.Path(done.stdout.strip())


def make_certificates(folder):
    """An authority, and by it the server's and the client's, all P-256."""
    run = lambda *words: subprocess.run(words, check=True, cwd=folder, capture_output=True, timeout=60)  # noqa: E731
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=bench authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name, purpose in (("server", "serverAuth"), ("client", "clientAuth")):
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:localhost\nextendedKeyUsage={purpose}\n")
        run("openssl", "req", *key, "-subj", f"/CN=bench-{name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        run("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def configuration(folder, port):
    """YAML is JSON's parent."""
    at = lambda name: f"file://{folder}/{name}"  # noqa: E731
    return json.dumps({
        "log-level": "Error", "storage-path": f"{folder}/protection",
        "server": {"id": "1", "name": "localhost", "listen-address": f"127.0.0.1:{port}"},
        "certificates": {"server-cert": at("server.pem"), "server-key": at("server.key"), "ca-cert": at("ca.pem")},
        "stores": [{"name": "Local", "type": "filesystem", "location": f"{folder}/wallets"}],
        "peers": {"1": f"localhost:{port}"},
        "unlocker": {"account-passphrases": [at("passphrase")]},
        "process": {"generation-passphrase": at("passphrase")},
        "permissions": {"bench-client": {"bench": ["All"]}}})


class Dirk:
    """Dirk with the keys of a folder of key configuration files, in a folder of its own."""

    def __init__(self, tools, folder, keys):
        self.folder, self.port, self.epoch, self.clients = folder, free_port(), 1, {}
        folder.mkdir(mode=0o700)
        (folder / "passphrase").write_text("bench")
        make_certificates(folder)
        subprocess.run([tools / "wallet", keys, folder / "wallets", "bench"], check=True, timeout=120)
        (folder / "dirk.json").write_text(configuration(folder, self.port))
        self.tools, self.log = tools, folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([tools / "dirk", f"--base-dir={folder}"], stdout=log, stderr=log, cwd=folder)

    def __enter__(self):
        try:
            self.wait_ready()
            for kind, connections in CLIENTS.items():
                self.clients[kind] = subprocess.Popen(
                    [self.tools / "client", f"-client={kind}", f"-port={self.port}", f"-connections={connections}",
                     f"-certificates={self.folder}", f"-domain={attester_domain().hex()}"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for client in self.clients.values():
            client.stdin.close()
            client.kill()
            client.wait()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def wait_ready(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise Failed(f"Dirk ended: {self.log.read_text()[-500:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.1)
        raise Failed("Dirk does not listen")

    def take(self, kind, *, together, bursts=BURSTS, show=False):
        """What the client prints, and signer_cpu_seconds of the same time."""
        client, before = self.clients[kind], cpu_seconds_of([self.process.pid])
        client.stdin.write(json.dumps({"Multi": together, "Bursts": bursts, "FirstEpoch": self.epoch, "Show": show}) + "\n")
        client.stdin.flush()
        answer = client.stdout.readline()
        if not answer:
            raise Failed(f"Dirk's client ended: {client.stderr.read()[-300:]}; Dirk: {self.log.read_text()[-300:]}")
        self.epoch += bursts
        return {**json.loads(answer), "signer_cpu_seconds": cpu_seconds_of([self.process.pid]) - before}


def attester_domain(version_text=VERSION):
    """Of attestations on mainnet with that fork version, which is bench_order.c's unless told otherwise."""
    fork_data = bytes.fromhex(version_text[2:]).ljust(32, b"\0") + bytes.fromhex(GENESIS_ROOT[2:])
    return bytes([1, 0, 0, 0]) + hashlib.sha256(fork_data).digest()[:28]


def take_batches(signer):
    """One batch of all keys a burst."""
    client, took = Client(signer), []
    signer.request("GET", "/upcheck")
    cpu, own = signer.cpu_seconds(), time.process_time()
    for _ in range(BURSTS):
        time.sleep(0.05)
        began = time.monotonic()
        client.batch(signer.keys, signer.epoch)
        took.append((time.monotonic() - began) * 1e3)
        signer.epoch += 1
    client.connection.close()
    return {"signed": BURSTS * len(signer.keys), "burst_ms": took, "cpu_seconds": time.process_time() - own,
            "signer_cpu_seconds": signer.cpu_seconds() - cpu}


def compare_signatures(signer, dirk):
    """How many signatures of one attestation are the same, key for key; all of them, or Failed."""
    signer.epoch = dirk.epoch = max(signer.epoch, dirk.epoch)
    theirs = dirk.take("bare", together=False, bursts=1, show=True)["signatures"]
    assert len(theirs) == KEYS
    ours = {one["signature"] for one in Client(signer).batch(signer.keys, signer.epoch)}
    if set(theirs.values()) != ours or len(ours) != KEYS:
        raise Failed("Dirk's signatures are not ours")
    return len(ours)


def version():
    return re.search(r"attestantio/dirk (v\S+)", (HERE / "dirk/server/go.mod").read_text())[1]


def measure(context):
    tools, rounds = bring(), []
    keys = context.keys(KEYS)
    with context.signer(KEYS, "dirk") as signer, Dirk(tools, context.folder / "dirk", keys) as dirk:
        for kind in CLIENTS:
            dirk.take(kind, together=False, bursts=1)
            dirk.take(kind, together=True, bursts=1)
        take_burst(signer)
        for _ in range(context.rounds):
            rounds.append({"ours": {"single": take_burst(signer), "together": take_batches(signer)},
                           "dirk": {way: {kind: dirk.take(kind, together=way == "together") for kind in kinds} for way, kinds in WAYS.items()}})
        same = compare_signatures(signer, dirk)
    return {"version": version(), "rounds": rounds, "same_signatures": same}


def best(one, way):
    """Dirk's signatures a second by the client that got most of it in that round."""
    return max(burst_rate(outcome) for outcome in one["dirk"][way].values())


def ratio(one, way):
    return burst_rate(one["ours"][way]) / best(one, way)


def library_ratio(one, way):
    """The same, asked as Dirk's users ask it."""
    return burst_rate(one["ours"][way]) / burst_rate(one["dirk"][way]["library"])


def signer_cpu_us(outcome):
    return 1e6 * outcome["signer_cpu_seconds"] / outcome["signed"]


def processor_ratio(one, way):
    """Of the signers alone: what a signature costs Dirk, asked by the client that makes it cheapest, against ours."""
    return min(signer_cpu_us(outcome) for outcome in one["dirk"][way].values()) / signer_cpu_us(one["ours"][way])


def whole(found):
    """The goal: the lower ratio of each round."""
    return spread(min(ratio(one, way) for way in WAYS) for one in found["rounds"])


def as_text(found):
    rounds = found["rounds"]
    text = f"Dirk {found['version']}: bursts of {KEYS} attestations, the same keys and cores in turns, protection on at both\n"
    for way, name in (("single", "single requests"), ("together", "all in one request")):
        ours = lambda one, way=way: one["ours"][way]  # noqa: E731
        text += f"  {name}\n"
        text += line("    ours: time to the last answer", spread(statistics.median(ours(one)["burst_ms"]) for one in rounds), "ms", 1)
        text += line("    ours: signatures", spread(burst_rate(ours(one)) for one in rounds), "/s")
        text += line("    ours: the signer's processor time, a signature", spread(signer_cpu_us(ours(one)) for one in rounds), "us", 1)
        for kind in WAYS[way]:
            theirs = lambda one, way=way, kind=kind: one["dirk"][way][kind]  # noqa: E731
            text += f"    Dirk by {NAMES[kind] if way == 'single' else NAMES[kind].split(',')[0]}\n"
            text += line("      time to the last answer", spread(statistics.median(theirs(one)["burst_ms"]) for one in rounds), "ms", 1)
            text += line("      signatures", spread(burst_rate(theirs(one)) for one in rounds), "/s")
            text += line("      Dirk's processor time, a signature", spread(signer_cpu_us(theirs(one)) for one in rounds), "us", 1)
            text += line("      its client's", spread(1e6 * theirs(one)["cpu_seconds"] / theirs(one)["signed"] for one in rounds), "us", 1)
        text += line("    ours against Dirk by go-eth2-wallet-dirk", spread(library_ratio(one, way) for one in rounds), "x", 2)
        text += line("    ours against Dirk at its best", spread(ratio(one, way) for one in rounds), "x", 2)
        text += line("    the signers' processor time, Dirk's against ours", spread(processor_ratio(one, way) for one in rounds), "x", 2)
    return text + f"  {found['same_signatures']} of {KEYS} signatures of one more epoch are the same\n"


def goals(found):
    parts = {way: spread(ratio(one, way) for one in found["rounds"])["median"] for way in WAYS}
    library = {way: spread(library_ratio(one, way) for one in found["rounds"])["median"] for way in WAYS}
    cpu = {way: spread(processor_ratio(one, way) for one in found["rounds"])["median"] for way in WAYS}
    return [goal("dirk", whole(found), beside=f"single requests {parts['single']:.1f}, all in one request {parts['together']:.1f}; "
                 f"by go-eth2-wallet-dirk {library['single']:.1f} and {library['together']:.1f}; "
                 f"in the signers' processor time {cpu['single']:.1f} and {cpu['together']:.1f}")]
