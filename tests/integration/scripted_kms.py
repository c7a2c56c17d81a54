"""A KMS made of a script, for tests of the courier: HTTPS on a unix or tcp socket, each request answered as a test wants."""
import json
import os
import socket
import subprocess

from scripted_server import ScriptedServer

HOST = "kms.us-east-1.amazonaws.com"


class ScriptedKms(ScriptedServer):
    """answer(request) gives (status, body), or bytes to send as they are; None closes the connection. request is the
    parsed JSON with the headers under "headers". Connections are kept open until the client closes them."""

    def __init__(self, folder, answer, host=HOST, tcp=False):
        self.ca_file = os.path.join(folder, "scripted-ca.pem")
        self.path = os.path.join(folder, "scripted-kms")
        self.requests = []
        self._answer = answer
        key = os.path.join(folder, "scripted-kms.key")
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
                        "-subj", "/CN=scripted", "-addext", f"subjectAltName=DNS:{host}", "-keyout", key, "-out", self.ca_file],
                       check=True, capture_output=True, timeout=30)
        if tcp:
            listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        else:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(self.path)
            listener.listen(16)
            self.address = f"unix:{self.path}"
        super().__init__(listener, self.ca_file, key)

    def serve_one(self, stream, lines):
        if not lines.readline():
            return False
        headers = self.headers(lines)
        request = json.loads(lines.read(int(headers["content-length"])))
        request["headers"] = headers
        self.requests.append(request)
        answer = self._answer(request)
        if answer is None:
            return False
        if isinstance(answer, bytes):
            stream.sendall(answer)
            return False
        status, body = answer
        text = json.dumps(body).encode()
        stream.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)
        return True
