"""An HTTPS server on a listener of its maker's, whose answers a test writes."""
import socket
import ssl
import threading


class ScriptedServer:
    """Whoever derives from it says in serve_one(stream, lines) what comes of one request; False ends the connection."""

    def __init__(self, listener, certificate_file, key_file):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate_file, key_file)
        self._listener = listener
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
                while self.serve_one(stream, lines):
                    pass
        except (OSError, ValueError):
            pass

    @staticmethod
    def headers(lines):
        """What stands between the request line and the body."""
        headers = {}
        for line in iter(lines.readline, b"\r\n"):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return headers

    def close(self):
        # A thread in accept() would keep the socket, and take one more connection.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
