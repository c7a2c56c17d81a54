"""The TLS front of DynamoDB Local: what stands between a client that insists on https and a verified name, and a test
server that has neither; and where tests make the network and the service fail. See dynamodb_server.py for its use.

One event loop in one thread: a request that waits holds up no other. Each client connection has one connection to the
server behind it, and each request on it is an Exchange, handed to the first fault that wants it.
"""
import asyncio
import collections
import contextlib
import hashlib
import hmac
import http
import json
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading
import urllib.parse
import zlib

HOST = "dynamodb.us-east-1.amazonaws.com"
HEAD_MAX = 65536
ERROR_PREFIX = "com.amazonaws.dynamodb.v20120810#"

Message = collections.namedtuple("Message", "start headers body head")


async def read_message(reader, writer=None):
    """One HTTP/1.1 request or answer with its body; None when the connection ended before it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    start, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    if writer is not None and headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, head = await read_chunks(reader), b""
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Message(start, headers, body, head)


async def read_chunks(reader):
    body = b""
    while True:
        size = int(await reader.readline(), 16)
        body += await reader.readexactly(size)
        await reader.readexactly(2)
        if size == 0:
            return body


def answer_bytes(status, body, headers=()):
    """An answer as DynamoDB would give it: body is a dictionary, or bytes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}", "Content-Type: application/x-amz-json-1.0",
             f"Content-Length: {len(body)}", f"x-amz-crc32: {zlib.crc32(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Exchange:
    """One request on its way. A fault ends it by reply() or close(); forward() may be called never, once or more often."""

    def __init__(self, relay, request, upstream, writer):
        self.relay, self.request, self._upstream, self._writer = relay, request, upstream, writer
        self.operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        self.closed = False

    @property
    def body(self):
        """The request's body, parsed."""
        return json.loads(self.request.body)

    async def forward(self, body=None):
        """Has the server carry out the request (or the same with another body, a dictionary); its answer in bytes."""
        if not self._upstream or self._upstream[0].at_eof():  # the server closes what was idle for 30 seconds
            for stream in self._upstream[1:]:
                stream.close()
            self._upstream[:] = await asyncio.open_connection("127.0.0.1", self.relay.server_port, limit=HEAD_MAX)
        reader, writer = self._upstream
        content = self.request.body if body is None else json.dumps(body).encode()
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.request.headers.items()
                          if name not in ("content-length", "transfer-encoding", "expect", "connection"))
        writer.write(f"{self.request.start}\r\n{headers}content-length: {len(content)}\r\n\r\n".encode("latin-1") + content)
        answer = await read_message(reader)
        if answer is None:
            raise ConnectionResetError("the server closed the connection")
        if answer.head:
            return answer.head + answer.body
        return answer_bytes(int(answer.start.split()[1]), answer.body)

    async def reply(self, answer):
        """Gives the client these bytes."""
        self._writer.write(answer)
        await self._writer.drain()

    def close(self):
        """Ends the client's connection; an answer under way is lost."""
        self.closed = True
        self._writer.transport.abort()


async def drop_answer(exchange):
    """The request is carried out; its answer is lost with the connection."""
    await exchange.forward()
    exchange.close()


async def drop_request(exchange):
    """The connection ends before the server sees the request."""
    exchange.close()


async def duplicate(exchange):
    """The server gets the request twice; the client sees the second answer."""
    await exchange.forward()
    await exchange.reply(await exchange.forward())


async def throttle(exchange):
    """The service is busy; nothing is carried out."""
    await exchange.reply(answer_bytes(400, {
        "__type": f"{ERROR_PREFIX}ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded."}))


async def server_error(exchange):
    """The service fails; nothing is carried out."""
    await exchange.reply(answer_bytes(500, {"__type": f"{ERROR_PREFIX}InternalServerError", "message": "Internal error"}))


async def hang(exchange):
    """The request is carried out; the answer never comes, the connection stays."""
    await exchange.forward()
    await asyncio.Event().wait()


async def half_answer(exchange):
    """The request is carried out; the connection ends in the middle of the answer's body."""
    answer = await exchange.forward()
    await exchange.reply(answer[:(answer.index(b"\r\n\r\n") + 4 + len(answer)) // 2])
    await asyncio.sleep(0.01)  # so that what was sent is not discarded with the connection
    exchange.close()


def late(seconds):
    """The connection ends at once; the request still arrives, after that many seconds, perhaps behind newer ones."""
    async def fault(exchange):
        exchange.close()
        await asyncio.sleep(seconds)
        await exchange.forward()
    return fault


def slow(seconds):
    """The request is carried out; its answer is held back for that time."""
    async def fault(exchange):
        answer = await exchange.forward()
        await asyncio.sleep(seconds)
        await exchange.reply(answer)
    return fault


class Authority:
    """A certificate authority of a test's own and one certificate by it, for HOST, localhost and 127.0.0.1."""

    def __init__(self, folder, names=(f"DNS:{HOST}", "DNS:localhost", "IP:127.0.0.1")):
        folder = pathlib.Path(folder)
        self.ca_file, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        ca_key, request, extensions = (folder / name for name in ("ca.key", "server.csr", "server.ext"))
        new_key = ["-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        for command in (["req", "-x509", *new_key, "-days", "2", "-subj", "/CN=test authority", "-keyout", ca_key,
                         "-out", self.ca_file],
                        ["req", *new_key, "-subj", "/CN=relay", "-keyout", self.key, "-out", request],
                        ["x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", ca_key, "-CAcreateserial",
                         "-days", "2", "-extfile", extensions, "-out", self.certificate]):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=30)


def signature_is_right(request, secret_key):
    """AWS Signature Version 4, computed anew from the request as it arrived."""
    fields = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=[^/]+/(\S+), ?SignedHeaders=(\S+), ?Signature=([0-9a-f]{64})",
                          request.headers.get("authorization", ""))
    if not fields:
        return False
    scope, signed, signature = fields.groups()
    method, path, _ = request.start.split(" ")
    if not {"host", "x-amz-date"} <= set(signed.split(";")):
        return False
    canonical = "\n".join([method, urllib.parse.urlsplit(path).path, urllib.parse.urlsplit(path).query,
                           *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed.split(";")), "",
                           signed, hashlib.sha256(request.body).hexdigest()])
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)


class TlsRelay:
    """https on a loopback port (and on a unix socket, if asked) for the plain HTTP of server_port.

    delay_ms is added to every answer. secret_key, when set, makes it refuse requests that are not signed with it.
    operations, connections, open_connections and most_connections count what came; requests are counted on arrival."""

    def __init__(self, server_port, authority=None, unix_path=None):
        self.server_port, self.delay_ms, self.secret_key = server_port, 0, None
        self.operations = collections.Counter()
        self.connections = self.open_connections = self.most_connections = 0
        self._folder = tempfile.TemporaryDirectory(prefix="ns-relay-")
        authority = authority or Authority(self._folder.name)
        self.ca_file = authority.ca_file
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.certificate, authority.key)
        self._context.set_alpn_protocols(["http/1.1"])
        self._faults, self._lock, self._tasks = [], threading.Lock(), set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(unix_path), self._loop).result(10)
        self.address = f"unix:{unix_path}" if unix_path else f"tcp:127.0.0.1:{self.port}"

    async def _listen(self, unix_path):
        options = {"ssl": self._context, "limit": HEAD_MAX, "backlog": 1024}
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **options)
        if unix_path:
            await asyncio.start_unix_server(self._serve, unix_path, **options)
        return server.sockets[0].getsockname()[1]

    @property
    def requests(self):
        """How many requests came."""
        return sum(self.operations.values())

    def inject(self, fault, count=1, operation=None, when=None):
        """The next count requests (None: all until heal()) of that operation (None: of any) for which when(exchange)
        holds go to the fault. Faults injected earlier come first."""
        with self._lock:
            self._faults.append([fault, count, operation, when])

    def heal(self):
        """No fault, no delay from here on; requests that hang are left hanging."""
        with self._lock:
            self._faults.clear()
        self.delay_ms = 0

    def _fault_for(self, exchange):
        with self._lock:
            for entry in self._faults:
                fault, count, operation, when = entry
                if operation in (None, exchange.operation) and (when is None or when(exchange)):
                    if count is not None:
                        entry[1] -= 1
                        if entry[1] == 0:
                            self._faults.remove(entry)
                    return fault
        return self._pass

    async def _pass(self, exchange):
        answer = await exchange.forward()
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        await exchange.reply(answer)

    async def _serve(self, reader, writer):
        self.connections += 1
        self.open_connections += 1
        self.most_connections = max(self.most_connections, self.open_connections)
        self._tasks.add(asyncio.current_task())  # the loop itself does not keep it from being collected
        upstream = []
        try:
            while (request := await read_message(reader, writer)) is not None:
                exchange = Exchange(self, request, upstream, writer)
                self.operations[exchange.operation] += 1
                await self._treat(exchange)
                if exchange.closed:
                    break
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
            pass  # the peer is gone or talks nonsense: the connection ends, tests see that at the other end
        finally:
            self._tasks.discard(asyncio.current_task())
            self.open_connections -= 1
            for stream in [writer, *upstream[1:]]:
                with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                    stream.close()

    async def _treat(self, exchange):
        if self.secret_key is not None and not signature_is_right(exchange.request, self.secret_key):
            await exchange.reply(answer_bytes(400, {"__type": "com.amazon.coral.service#InvalidSignatureException",
                                                    "message": "The request signature does not match."}))
            return
        await self._fault_for(exchange)(exchange)

    def close(self):
        async def cancel():
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(cancel(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._folder.cleanup()
