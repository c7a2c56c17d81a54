"""A KMS made of a script, for tests of the courier: HTTPS on a unix or tcp socket, each request answered as a test wants."""
import json
import os
import socket
import ssl
import subprocess
import threading

HOST = "kms.us-east-1.amazonaws.com"


class ScriptedKms:
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
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.ca_file, key)
        if tcp:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.address = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self.path)
            self._listener.listen(16)
            self.address = f"unix:{self.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as stream, stream.makefile("rb") as lines:
                while self._serve_one(stream, lines):
                    pass
        except (OSError, ValueError):
            pass

    def _serve_one(self, stream, lines):
        if not lines.readline():
            return False
        headers = {}
        for line in iter(lines.readline, b"\r\n"):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
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

    def close(self):
        self._listener.close()
