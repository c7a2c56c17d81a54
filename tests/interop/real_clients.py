"""Other people's client code (clients/, brought and built by scripts/setup --clients), and a signer for it to ask."""
import hashlib
import json
import os
import pathlib
import re
import secrets
import socketserver
import subprocess
import threading

from test_oracle import CURVE_ORDER, write_devnet

CLIENTS = pathlib.Path(__file__).with_name("clients")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "nitro-signer"
MADE_OF = {"prysm": ["go.mod", "go.sum", "main.go"], "ssv": ["go.mod", "go.sum", "main.go"], "lodestar": ["package-lock.json"]}


def place(client):
    """Where scripts/setup --clients puts it."""
    made_of = b"".join((CLIENTS / client / name).read_bytes() for name in MADE_OF[client])
    return CACHE / f"interop-{client}-{hashlib.sha256(made_of).hexdigest()[:16]}"


class Recorder(socketserver.ThreadingTCPServer):
    """A server for clients to ask instead of a signer: it keeps what they sent, and its answers are good enough for them."""

    daemon_threads = True
    key = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
    signature = ("0xb3baa751d0a9132cfe93e4e3d5ff9075111100e3789dca219ade5a24d27e19d16b3353149da1833e9b691bb38634e8dc"
                 "04469be7032132906c927d7e1a49b414730612877bc6b2810c8f202daf793d1ab0d6b5cb21d52f9e52e883859887a5d9")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = self.rfile.readline()
                    if not line:
                        return
                    head += line
                body = self.rfile.read(int((re.findall(rb"(?i)\r\ncontent-length: (\d+)", head) or [0])[0]))
                self.server.requests.append((head + body).decode())
                answer = json.dumps([Recorder.key] if b"/publicKeys" in head else {"signature": Recorder.signature}).encode()
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Recorder.Handler)
        self.requests, self.url = [], f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def command(client):
    """What starts the client; None when it was not brought."""
    at = place(client)
    if client == "lodestar":
        return ["node", CLIENTS / "lodestar/client.mjs", at] if (at / "complete").exists() else None
    return [at] if at.exists() else None


def certify(at):
    """A certificate of localhost, for the signer, by an authority of the test's own, whose file is the answer."""
    (at / "password").write_text("changeit\n")
    (at / "server.extensions").write_text("subjectAltName = DNS:localhost\nextendedKeyUsage = serverAuth\n")
    key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for words in (["req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", at / "authority.key", "-out", at / "authority.pem"],
                  ["req", "-new", *key, "-subj", "/CN=localhost", "-keyout", at / "server.key", "-out", at / "server.csr"],
                  ["x509", "-req", "-days", "2", "-in", at / "server.csr", "-CA", at / "authority.pem", "-CAkey", at / "authority.key",
                   "-CAcreateserial", "-extfile", at / "server.extensions", "-out", at / "server.pem"],
                  ["pkcs12", "-export", "-in", at / "server.pem", "-inkey", at / "server.key", "-certfile", at / "authority.pem",
                   "-out", at / "server.p12", "-passout", "pass:changeit"]):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)
    return at / "authority.pem"


class Signer:
    """A stand-alone signer of a network that meets every fork, with keys of its own."""

    def __init__(self, start, folder, *options, tls=False, protection=False, more=()):
        self.folder, self.authority, self.remarks = folder, None, ""
        self.oracle, self.config = write_devnet(folder, "mainnet")
        self.keys = [f"0x{secrets.randbelow(CURVE_ORDER - 1) + 1:064x}" for _ in range(4)]
        (folder / "keys").mkdir()
        for i, key in enumerate(self.keys):
            (folder / f"keys/{i}.yaml").write_text(f'type: file-raw\nkeyType: BLS\nprivateKey: "{key}"\n')
        (folder / "keys.json").write_text(json.dumps(self.keys))
        options = list(options)
        if tls:
            self.authority = certify(folder)
            options += [f"--tls-keystore-file={folder}/server.p12", f"--tls-keystore-password-file={folder}/password"]
        store = f"--slashing-protection-db-path={folder}/protection.sqlite" if protection else "--slashing-protection-enabled=false"
        self.process = start("nitro-signer", "--http-listen-port=0", f"--data-path={folder}", f"--key-config-path={folder}/keys", "--metrics-enabled",
                             "--metrics-port=0", *options, "eth2", f"--network={self.config}", store,
                             *(["--slashing-protection-far-future-epochs=any"] if protection else []), *more)
        ports = dict(re.findall(r"(\w+)-port=(\d+)", (folder / "web3signer.ports").read_text()))
        self.port, self.metrics_port = int(ports["http"]), int(ports["metrics"])
        self.address = f"localhost:{self.port}"
        self.url = f"http{'s' if tls else ''}://{self.address}"

    def duties(self, client, *options):
        made = subprocess.run(["node", CLIENTS / "duties.mjs", f"--client={client}", f"--keys={self.folder}/keys.json",
                               f"--network={self.oracle}", *options], env=dict(os.environ, LODESTAR_PRESET="mainnet"),
                              capture_output=True, text=True, timeout=120, check=False)
        assert made.returncode == 0, made.stderr
        made = json.loads(made.stdout)
        print("seed", made["seed"])
        return made["duties"]

    def asked_by(self, client, duties, url=None, keys=None, environment=None, **task):
        """What the client has to say after it asked for signatures of all the duties; remarks has what it wrote beside."""
        url = url or self.url
        task = {"url": url, "keys": keys or f"{url}/api/v1/eth2/publicKeys", "config": str(self.config),
                "network": json.loads(self.oracle.read_text()), "duties": duties, **task}
        trust = {"NODE_EXTRA_CA_CERTS": str(self.authority), "SSL_CERT_FILE": str(self.authority)} if self.authority else {}
        asked = subprocess.run(command(client), input=json.dumps(task), env={**os.environ, **trust, **(environment or {})},
                               capture_output=True, text=True, timeout=120, check=False)
        self.remarks = asked.stderr
        assert asked.returncode == 0, asked.stderr[-3000:]
        return json.loads(asked.stdout.splitlines()[-1])
