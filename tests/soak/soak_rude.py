"""Clients as nobody would like to have them, beside the load: some leave in the middle of a request or before its answer, some
read nothing, some send a byte at a time. Those that are only slow must be answered."""
import contextlib
import json
import random
import socket
import ssl
import struct
import threading
import time

TOO_SLOW_SECONDS = 15  # the signer gives a request thirty, handshake included; we may be slower than we mean to be on a busy machine
RESET = struct.pack("ii", 1, 0)


class Rude:
    """with Rude(...) as rude: ...; rude.unanswered has (began, ended) of slow requests without a whole answer."""

    def __init__(self, port, ca_file, key, seed, body):
        self.unanswered, self.done = [], {"left early": 0, "left unread": 0, "slow": 0}
        self._port, self._key, self._body = port, key, json.dumps(body)
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._context.check_hostname = False
        self._ending, self._may_begin, self._under_way = threading.Event(), threading.Event(), threading.Semaphore(3)
        self._may_begin.set()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(f"rude {seed} {way.__name__}"), way), daemon=True)
                         for way in (self._leave_early, self._leave_unread, self._be_slow)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    @contextlib.contextmanager
    def held_back(self):
        """None of them has a connection in this block."""
        self._may_begin.clear()
        for _ in self._threads:
            assert self._under_way.acquire(timeout=120)
        try:
            yield
        finally:
            for _ in self._threads:
                self._under_way.release()
            self._may_begin.set()

    def _run(self, chance, way):
        while not self._ending.wait(chance.uniform(0.02, 0.3)):
            self._may_begin.wait(1)
            with self._under_way, contextlib.suppress(OSError):  # nobody is there just now
                with socket.create_connection(("127.0.0.1", self._port), 30) as plain, self._context.wrap_socket(plain) as stream:
                    way(stream, chance)

    def _request(self):
        return (f"POST /api/v1/eth2/sign/{self._key} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(self._body)}\r\n\r\n{self._body}").encode()

    def _leave_early(self, stream, chance):
        request = self._request()
        stream.sendall(request[:chance.randrange(1, len(request))])
        self._go(stream, chance, "left early")

    def _leave_unread(self, stream, chance):
        for _ in range(chance.randrange(1, 4)):
            stream.sendall(self._request())
        time.sleep(chance.uniform(0, 0.05))
        self._go(stream, chance, "left unread")

    def _go(self, stream, chance, what):
        if chance.random() < 0.5:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.done[what] += 1

    def _be_slow(self, stream, chance):
        request, began, answer = b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", time.monotonic(), b""
        pause, sent = chance.uniform(0.005, 0.05), None
        try:
            for at in range(len(request)):
                stream.sendall(request[at:at + 1])
                time.sleep(pause)
            sent = time.monotonic()
            while part := stream.recv(4096):
                answer += part
        except OSError as error:
            answer += repr(error).encode()
        if (sent or time.monotonic()) - began > TOO_SLOW_SECONDS:
            return
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\nOK"):
            self.unanswered.append((began, time.monotonic(), answer[:200]))
        self.done["slow"] += 1
