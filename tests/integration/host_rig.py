"""packaging/host on a scratch root: a registry that is scripted, images as packaging/oci/build makes them and as it never would,
and stand-ins for the programs of Amazon Linux that are not here. What they were asked is in the file calls.
"""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import ssl
import subprocess
import tarfile
import threading

HOST = pathlib.Path(__file__).resolve().parents[2] / "packaging/host"
PASSWORD = "eyJwYXlsb2FkIjoiEXAMPLE+/=="
STACK_UUID = "7f6a0bd0-1111-2222-3333-0123456789ab"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FILES = {name: f"{name} of the image".encode() for name in (
    "lib64/ld-linux-x86-64.so.2", "usr/bin/nitro-signer-proxy", "usr/bin/nitro-signer-watchdog", "usr/share/nitro-signer/nitro-signer.eif",
    "usr/share/nitro-signer/pcrs.json", "usr/lib/x86_64-linux-gnu/libc.so.6", "etc/ssl/certs/ca-certificates.crt",
    "lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu/libc.so.6")}
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
STANDS_IN = r"""#!/usr/bin/python3
import json, os, pathlib, sys
folder, name = pathlib.Path(os.environ["HOST_RIG"]), os.path.basename(sys.argv[0])
with open(folder / "calls", "a") as calls:
    calls.write(json.dumps([name, *sys.argv[1:]]) + "\n")
words = " ".join([name, *sys.argv[1:]])
for line in (folder / "answers").read_text().splitlines():
    beginning, status, text = line.split("|", 2)
    if words.startswith(beginning):
        sys.stdout.write(text + "\n" if text else "")
        sys.exit(int(status))
sys.exit(0)
"""


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def member(name, data=b"", mode=0o644, kind=None, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.linkname = len(data), mode, target
    info.type = kind or tarfile.REGTYPE
    return info, data


def folders_of(names):
    found = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 1)}
    return [member(name, mode=0o755, kind=tarfile.DIRTYPE) for name in sorted(found)]


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def plain_members(files=None):
    files = files or FILES
    return folders_of(files) + [member(name, data, 0o755 if "/bin/" in name or "ld-linux" in name else 0o644) for name, data in files.items()]


class Image:
    """One image; a test changes what is wrong with it before it is put."""

    def __init__(self, members=None, config=None, **manifest):
        tar = tar_of(members if members is not None else plain_members())
        self.layer = gzip.compress(tar, mtime=0)
        self.config = json.dumps({"architecture": ARCHITECTURE, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
                                  **(config or {})}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(self.config), "size": len(self.config)},
            "layers": [{"mediaType": LAYER, "digest": digest(self.layer), "size": len(self.layer)}], **manifest}).encode()

    @property
    def digest(self):
        return digest(self.manifest)

    def put(self, registry, tag="latest"):
        for data in (self.config, self.layer):
            registry.answers[f"/v2/host/blobs/{digest(data)}"] = data
        for reference in (tag, self.digest):
            registry.answers[f"/v2/host/manifests/{reference}"] = self.manifest
        return self


class Registry:
    """HTTPS on loopback with a password: answers has a path's bytes, a status, or another path's URL to redirect to."""

    def __init__(self, certificate):
        self.answers, self.asked = {}, []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                registry.get(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file, certificate.key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.certificate = certificate
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def get(self, handler):
        self.asked.append((handler.path, handler.headers.get("Authorization")))
        answer = self.answers.get(handler.path, 404)
        if handler.path.startswith("/v2/"):
            right = "Basic " + base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
            answer = answer if handler.headers.get("Authorization") == right else 401
        status, body = (answer, b'{"errors":[{"code":"SCRIPTED"}]}') if isinstance(answer, int) else (200, answer)
        if isinstance(answer, str):
            status, body = 307, b""
        handler.send_response(status)
        if isinstance(answer, str):
            handler.send_header("Location", answer)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Machine:
    """A root that is empty but for settings, and the programs that Amazon Linux has, as stand-ins in front of the path."""

    def __init__(self, folder, registry, image="latest"):
        self.folder, self.root, self.registry = folder, folder / "root", registry
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("aws", "dnf", "rpm", "systemctl"):
            self.stand_in(name)
        (folder / "calls").write_text("")
        self.answers = {"aws ecr get-login-password": (0, PASSWORD), "aws ssm get-parameter": (0, "false"), "rpm -q": (1, "")}
        (self.root / "etc/nitro-signer").mkdir(parents=True)
        (self.root / "etc/nitro-signer/policy.txt").write_text("a policy\n")
        self.settings = {"STACK": "devNitroValidator", "REGION": "us-east-1", "STACK_UUID": STACK_UUID, "VALIDATOR_TABLE": "dev-validators",
                         "TLS_TABLE": "dev-tls", "INIT_FLAG": "/dev/nitro-signer/init", "ENCLAVE_CPUS": "2", "ENCLAVE_MEMORY": "512",
                         "DEBUG_MODE": "false", "LOG_GROUP": "/nitro-signer/dev", "IMAGE": self.image(image)}

    def image(self, reference):
        return f"127.0.0.1:{self.registry.port}/host{'@' if reference.startswith('sha256:') else ':'}{reference}"

    def stand_in(self, name):
        path = self.bin / name
        path.write_text(STANDS_IN)
        path.chmod(0o755)
        return path

    def write_settings(self):
        text = "".join(f"NITRO_SIGNER_{name}={value}\n" for name, value in self.settings.items())
        (self.root / "etc/nitro-signer/host.env").write_text(f"# a comment\n\n{text}")

    def run(self, program, status=0, **environment):
        """What it said on standard error."""
        if self.settings:
            self.write_settings()
        (self.folder / "answers").write_text("".join(f"{words}|{code}|{text}\n" for words, (code, text) in self.answers.items()))
        settings = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOST_RIG": str(self.folder), "NITRO_SIGNER_ROOT": str(self.root),
                    "CURL_CA_BUNDLE": str(self.registry.certificate.file), "NITRO_SIGNER_RETRIES": "0", "NITRO_SIGNER_PAUSE": "0",
                    **environment}
        done = subprocess.run([HOST / program], env=settings, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        assert PASSWORD not in done.stderr + done.stdout
        return done.stderr

    def calls(self):
        """Since the last time this was asked."""
        lines = (self.folder / "calls").read_text().splitlines()
        (self.folder / "calls").write_text("")
        return [" ".join(json.loads(line)) for line in lines]

    def read(self, path):
        return (self.root / path).read_text()

    @property
    def current(self):
        return self.root / "opt/nitro-signer/current"
