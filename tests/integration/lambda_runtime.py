"""The Lambda Runtime API, version 2018-06-01, as its documentation has it, for a function that is its own runtime.

    runtime = RuntimeApi()
    runtime.invoke({"operation": "get_tls_key"})   # an Outcome, when the function has answered

It is strict: whatever a function does that the documented contract has no place for is in runtime.violations. AWS's emulator of
this API is on no package registry; this one says itself what the documentation says, and can fail as it says.
"""
import http.server
import json
import queue
import re
import threading
import time
import uuid

BASE = "/2018-06-01/runtime/"
ANSWER_MAX = 6 * 1024 * 1024


class Outcome:
    """How an invocation ended: kind is "response" or "error"; error_type is the header's."""

    def __init__(self, kind, body, error_type=None):
        self.kind, self.text, self.error_type = kind, body, error_type
        self.value = json.loads(body)

    def __repr__(self):
        return f"{self.kind} {self.error_type} {self.text[:400]}"


class RuntimeApi:
    def __init__(self):
        self.violations, self.answers = [], []
        self.init_error = queue.Queue()
        self.waiting = threading.Event()  # a function waits for an event
        self._events, self._outcomes, self._answered = queue.Queue(), {}, set()
        self.faults = []  # one is taken for each answer posted: a status, or "close"
        self.next_faults = []  # one is taken for each wait for an event, likewise
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                api.get(self)

            def do_POST(self):
                api.post(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def expect(self, condition, sentence):
        if not condition:
            self.violations.append(sentence)

    @staticmethod
    def reply(handler, status, body=b"", headers=()):
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def get(self, handler):
        self.expect(handler.path == BASE + "invocation/next", f"GET {handler.path}")
        self.expect("Content-Length" not in handler.headers, "a GET with a body")
        if self.next_faults:
            return self.misbehave(handler, self.next_faults.pop(0))
        self.waiting.set()
        request_id, body, deadline_ms = self._events.get()
        self.waiting.clear()
        if request_id is None:  # the test asks for the connection to be lost
            handler.close_connection = True
            return None
        return self.reply(handler, 200, body, [
            ("lambda-runtime-aws-request-id", request_id), ("LAMBDA-RUNTIME-DEADLINE-MS", str(deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111122223333:function:x"),
            ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"),
            ("Content-Type", "application/json")])

    def misbehave(self, handler, fault):
        if fault == "close":
            handler.close_connection = True
            return None
        return self.reply(handler, fault, b'{"errorMessage":"scripted","errorType":"Scripted"}')

    def read(self, handler):
        length = handler.headers.get("Content-Length")
        self.expect(length is not None and "Transfer-Encoding" not in handler.headers, "a body without a length")
        self.expect("Expect" not in handler.headers, "an Expect header")
        return handler.rfile.read(int(length or 0))

    def check_error(self, handler, body):
        kind = handler.headers.get("Lambda-Runtime-Function-Error-Type", "")
        self.expect(re.fullmatch(r"[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+", kind), f"error type {kind!r}")
        try:
            parsed = json.loads(body)
            self.expect(set(parsed) == {"errorMessage", "errorType", "stackTrace"} and parsed["errorType"] == kind
                        and isinstance(parsed["stackTrace"], list), f"error body {parsed}")
        except ValueError:
            self.expect(False, "an error that is not JSON")
        return kind

    def post(self, handler):
        body = self.read(handler)
        if handler.path == BASE + "init/error":
            self.init_error.put(Outcome("error", body.decode(), self.check_error(handler, body)))
            return self.reply(handler, 202)
        match = re.fullmatch(re.escape(BASE) + r"invocation/([0-9a-f-]+)/(response|error)", handler.path)
        if not match or match[1] not in self._outcomes:
            self.expect(False, f"POST {handler.path}")
            return self.reply(handler, 400)
        request_id, kind = match.groups()
        self.answers.append((kind, len(body)))
        error_type = self.check_error(handler, body) if kind == "error" else None
        if self.faults:
            return self.misbehave(handler, self.faults.pop(0))
        if len(body) > ANSWER_MAX:
            return self.reply(handler, 413)
        if request_id in self._answered:
            self.expect(False, "an invocation answered twice")
            return self.reply(handler, 403)
        self._answered.add(request_id)
        self.reply(handler, 202, b'{"status":"OK"}')
        self._outcomes[request_id].put(Outcome(kind, body.decode(), error_type))
        return None

    def begin(self, event, seconds=60):
        """Hands an event (bytes, or anything that JSON has) to the function; the queue that its outcome comes to."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        request_id = str(uuid.uuid4())
        self._outcomes[request_id] = queue.Queue()
        self._events.put((request_id, body, int((time.time() + seconds) * 1000)))
        return self._outcomes[request_id]

    def invoke(self, event, seconds=60):
        return self.begin(event, seconds).get(timeout=40)

    def lose_connection(self):
        """Ends the connection on which a function waits, or will wait next."""
        self._events.put((None, b"", 0))
