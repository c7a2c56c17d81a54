"""A beacon chain on this machine's loopback, and whole validator clients for it: Lodestar (chain/, brought by scripts/setup --interop).

The beacon node knows no other, listens on 127.0.0.1 only and starts the chain itself: validators with Lodestar's interop keys, the preset
"minimal" (8 slots an epoch), a fork each epoch. It verifies every signature that it is given, and only a chain most of whose validators
sign as they must becomes final.
"""
import hashlib
import http.server
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import requests

import real_clients
from harness import PATIENCE, free_port
from test_oracle import CURVE_ORDER

CHAIN = pathlib.Path(__file__).with_name("chain")
PLACE = real_clients.CACHE / f"interop-chain-{hashlib.sha256((CHAIN / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
PROGRAM = PLACE / "node_modules/@chainsafe/lodestar/lib/index.js"
# bcrypto's own cryptography was not compiled: it has the same in JavaScript.
ENVIRONMENT = {"NODE_BACKEND": "js", "LODESTAR_PRESET": "minimal"}
FORKS = ["phase0", "altair", "bellatrix", "capella"]
SLOTS_PER_EPOCH = 8
VALIDATORS = 16


def interop_key(index):
    """The validator's secret key, as every client's development chains have it."""
    return int.from_bytes(hashlib.sha256(index.to_bytes(32, "little")).digest(), "little") % CURVE_ORDER


def seconds_of_a_slot():
    """Three, and more where this machine has other things to do: (of a slot, of a start of the program)."""
    began = time.monotonic()
    subprocess.run(["node", PROGRAM, "--version"], env={**os.environ, **ENVIRONMENT}, check=True, capture_output=True, timeout=600)
    start = time.monotonic() - began
    return int(os.environ.get("NS_SLOT_SECONDS") or min(12, max(3, math.ceil(start / 3)))), start


class Program:
    """One running Lodestar; its log is a file."""

    def __init__(self, folder, name, *arguments, environment=None):
        self.name, self.log_path = name, folder / f"{name}.log"
        with open(self.log_path, "wb") as log:
            # setpriv: should the test runner itself be killed, the program goes with it.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "node", PROGRAM, *map(str, arguments), f"--dataDir={folder}/{name}", "--logLevel=verbose"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **ENVIRONMENT, **(environment or {})})

    def log(self):
        return self.log_path.read_text(errors="replace")

    def must_run(self):
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.log()[-3000:]}"

    def stop(self):
        """As an operator would; the beacon node does not always end by that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


class Builder(http.server.ThreadingHTTPServer):
    """An external block builder, which has no blocks and takes registrations: public key -> signature."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802 (http.server's name)
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.server.registrations |= {one["message"]["pubkey"]: one["signature"] for one in body}
            self.answer(200)

        def do_GET(self):  # noqa: N802
            self.answer(200 if self.path.endswith("/status") else 404)

        def answer(self, status):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Builder.Handler)
        self.registrations, self.url = {}, f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Chain:
    """The beacon node, and what it says of the chain. config is the network's for signer and clients, too."""

    def __init__(self, folder):
        self.folder, self.programs, self.builder = folder, [], Builder()
        slot, start = seconds_of_a_slot()
        self.config = folder / "config.yaml"
        self.config.write_text("".join(f"{line}\n" for line in (
            "PRESET_BASE: 'minimal'", "CONFIG_NAME: 'devnet-7'", f"SECONDS_PER_SLOT: {slot}", "GENESIS_FORK_VERSION: 0x10000042",
            *(f"{fork.upper()}_FORK_VERSION: 0x1{i}000042\n{fork.upper()}_FORK_EPOCH: {i}" for i, fork in enumerate(FORKS) if i))))
        # Time for the node and a client to start, which have 8 slots more: without a block until then the node thinks itself behind.
        self.genesis = int(time.time() + 12 + 5 * start)
        print(f"slots of {slot} s; the chain begins in {self.genesis - time.time():.0f} s", file=sys.stderr)
        rest = free_port()
        self.url = f"http://127.0.0.1:{rest}"
        self.beacon = self.run("beacon", "dev", f"--genesisValidators={VALIDATORS}", f"--genesisTime={self.genesis}", f"--rest.port={rest}",
                               "--rest.namespace=*", "--listenAddress=127.0.0.1", f"--port={free_port()}", "--discv5=false", "--mdns=false",
                               "--targetPeers=0", "--eth1=false", "--execution.engineMock", "--builder", f"--builder.urls={self.builder.url}")
        self.until(lambda: self.get("/eth/v1/node/version"), "the beacon node does not answer")

    def run(self, name, command, *arguments, environment=None):
        program = Program(self.folder, name, command, f"--paramsFile={self.config}", *arguments, environment=environment)
        self.programs.append(program)
        return program

    def client(self, name, signer, *arguments):
        """A validator client that has no keys of its own."""
        trust = {"NODE_EXTRA_CA_CERTS": str(signer.authority)} if signer.authority else {}
        return self.run(name, "validator", "--network=dev", f"--beaconNodes={self.url}", f"--externalSigner.url={signer.url}",
                        "--externalSigner.fetch", "--builder", *arguments, environment=trust)

    def get(self, path):
        """The answer, or None where there is none (yet)."""
        try:
            reply = requests.get(self.url + path, timeout=60 * PATIENCE)
        except requests.ConnectionError:
            return None
        return reply.json() if reply.status_code == 200 else None

    def checkpoints(self):
        """{finalized, current_justified, ...: epoch}"""
        found = self.get("/eth/v1/beacon/states/head/finality_checkpoints")
        return {name: int(one["epoch"]) for name, one in found["data"].items()} if found else {}

    def epoch(self):
        """The head's."""
        return int(self.get("/eth/v1/beacon/headers/head")["data"]["header"]["message"]["slot"]) // SLOTS_PER_EPOCH

    def until(self, holds, what, *clients, seconds=1200):
        """Returns as soon as holds() does; fails when that takes too long, or one of the programs ends."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not holds():
            for program in (self.beacon, *clients):
                program.must_run()
            logs = (program.log()[-3000:] for program in (self.beacon, *clients))
            assert time.monotonic() < deadline, "\n".join([what, *logs])
            time.sleep(0.3)

    def until_final(self, epoch, *clients):
        """Returns when that epoch's checkpoint is final; the clients have to run until then."""
        self.until(lambda: self.checkpoints().get("finalized", 0) >= epoch, f"epoch {epoch} did not become final", *clients)

    def blocks(self):
        """Every block of the chain but the first: (fork, block)."""
        head = int(self.get("/eth/v1/beacon/headers/head")["data"]["header"]["message"]["slot"])
        found = [self.get(f"/eth/v2/beacon/blocks/{slot}") for slot in range(1, head + 1)]
        return [(one["version"], one["data"]["message"]) for one in found if one]

    def validators(self):
        return self.get("/eth/v1/beacon/states/head/validators")["data"]

    def close(self):
        for program in self.programs:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
        self.builder.shutdown()
        self.builder.server_close()


class Signer:
    """nitro-signer with the validators' keys. Another one on the same folder goes on with its slashing protection."""

    def __init__(self, start, folder, config, *options, authority=None):
        self.folder, self.authority = folder, authority
        self.keys = [f"0x{interop_key(i):064x}" for i in range(VALIDATORS)]
        (folder / "keys").mkdir(exist_ok=True)
        for i, key in enumerate(self.keys):
            (folder / f"keys/{i}.yaml").write_text(f'type: file-raw\nkeyType: BLS\nprivateKey: "{key}"\n')
        self.eth2 = ["eth2", f"--network={config}", f"--slashing-protection-db-path={folder}/protection.sqlite"]
        self.process = start("nitro-signer", "--http-listen-port=0", f"--data-path={folder}", f"--key-config-path={folder}/keys", "--metrics-enabled",
                             "--metrics-port=0", *options, *self.eth2)
        ports = dict(re.findall(r"(\w+)-port=(\d+)", (folder / "web3signer.ports").read_text()))
        self.url = f"https://localhost:{ports['http']}" if authority else f"http://127.0.0.1:{ports['http']}"
        self.metrics_port = int(ports["metrics"])

    def history(self, bin_dir):
        """public key -> (greatest slot, greatest target) that were signed, as an operator exports them from a signer that was stopped."""
        file = self.folder / "history.json"
        subprocess.run([bin_dir / "nitro-signer", *self.eth2, "export", f"--to={file}"], check=True, capture_output=True, timeout=120)
        return {one["pubkey"]: (max((int(block["slot"]) for block in one["signed_blocks"]), default=-1),
                                max((int(vote["target_epoch"]) for vote in one["signed_attestations"]), default=-1))
                for one in json.loads(file.read_text())["data"]}
