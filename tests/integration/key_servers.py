"""Servers that hold keys, for tests of the fetcher: moto's Secrets Manager, OpenBao, and a scripted one.

OpenBao is the continuation of HashiCorp Vault 1.14 under the Linux Foundation, with the same HTTP API.
All are on loopback and speak TLS with a certificate of the test's own.
"""
import hashlib
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from harness import free_port
from python_tools import python_tool
from scripted_server import ScriptedServer

START_SECONDS = 60
ACCESS_KEY, SECRET_KEY, REGION = "AKIDLOCALTESTS", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-2"


class Certificate:
    """Self-signed, for localhost and 127.0.0.1."""

    def __init__(self, folder, name):
        self.file, self.key_file = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key_file,
                        "-out", self.file], check=True, capture_output=True, timeout=30)
        der = ssl.PEM_cert_to_DER_cert(self.file.read_text())
        self.fingerprint = hashlib.sha256(der).hexdigest()


class Server:
    """A program of another's that answers HTTPS at url."""

    def __init__(self, certificate, command, port, folder, environment=None):
        self.port, self.certificate, self.url = port, certificate, f"https://127.0.0.1:{port}"
        self._context = ssl.create_default_context(cafile=certificate.file)
        self._log_path = folder / f"server-{port}.log"
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, cwd=folder, env={**os.environ, **(environment or {})})

    def await_answer(self, path):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.request("GET", path)
            except urllib.error.HTTPError:
                return None
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, self._log_path.read_text()
                time.sleep(0.1)

    def request(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=20, context=self._context) as answer:
            text = answer.read()
        return json.loads(text) if text.startswith(b"{") else None

    def close(self):
        self._process.kill()
        self._process.wait(20)


class Moto(Server):
    """AWS Secrets Manager as moto has it: signatures are not looked at."""

    def __init__(self, folder):
        port, certificate = free_port(), Certificate(folder, "moto")
        super().__init__(certificate, [python_tool("moto_server"), "-H", "127.0.0.1", "-p", port, "-c", certificate.file,
                                       "-k", certificate.key_file], port, folder)
        self.await_answer("/moto-api/data.json")

    def call(self, operation, **body):
        headers = {"X-Amz-Target": f"secretsmanager.{operation}", "Content-Type": "application/x-amz-json-1.1",
                   "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/secretsmanager/aws4_request, "
                                    "SignedHeaders=host, Signature=00"}
        return self.request("POST", "/", body, headers)

    def put(self, name, value, **tags):
        self.call("CreateSecret", Name=name, SecretString=value, Tags=[{"Key": k, "Value": v} for k, v in tags.items()])

    def reset(self):
        self.request("POST", "/moto-api/reset", {})


class OpenBao(Server):
    """A development server, unsealed, with the key-value engine's version 2 at secret/."""
    ROOT_TOKEN = "root-token-of-the-tests"

    def __init__(self, folder):
        port, certificate = free_port(), Certificate(folder, "openbao")
        config = folder / "openbao.hcl"
        config.write_text(f'listener "tcp" {{\n  address = "127.0.0.1:{port}"\n  tls_cert_file = "{certificate.file}"\n'
                          f'  tls_key_file = "{certificate.key_file}"\n}}\n')
        self.plain_port = free_port()
        super().__init__(certificate, [python_tool("bao"), "server", "-dev", f"-config={config}", "-dev-no-store-token",
                                       f"-dev-listen-address=127.0.0.1:{self.plain_port}", f"-dev-root-token-id={self.ROOT_TOKEN}"],
                         port, folder, {"HOME": str(folder)})
        while not (self.await_answer("/v1/sys/health") or {}).get("initialized"):
            time.sleep(0.1)
        while True:  # the engine is mounted a moment later
            try:
                self.put("ready", value="1")
                return
            except urllib.error.HTTPError:
                time.sleep(0.1)

    def call(self, method, path, body=None):
        return self.request(method, f"/v1/{path}", body, {"X-Vault-Token": self.ROOT_TOKEN})

    def put(self, path, **members):
        self.call("POST", f"secret/data/{path}", {"data": members})


class Scripted(ScriptedServer):
    """answer(method, path, headers, body) gives (status, text), bytes to send as they are, or None to stay silent."""

    def __init__(self, folder, answer):
        self.certificate = Certificate(folder, f"scripted-{len(os.listdir(folder))}")
        self.requests = []
        self._answer = answer
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        super().__init__(listener, self.certificate.file, self.certificate.key_file)

    def serve_one(self, stream, lines):
        words = lines.readline().decode().split()
        if not words:
            return False
        headers = self.headers(lines)
        body = lines.read(int(headers.get("content-length", 0)))
        self.requests.append((words[0], words[1], headers, body))
        answer = self._answer(words[0], words[1], headers, body)
        if answer is None:
            time.sleep(30)
            return False
        if isinstance(answer, tuple):
            text = answer[1].encode()
            answer = f"HTTP/1.1 {answer[0]} Scripted\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
        stream.sendall(answer)
        return True
