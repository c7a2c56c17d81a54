"""A client of HTTP/2 for tests: Debian's python3-h2 keeps the state, and frames of any kind can be sent past it."""
import json
import select
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings
from hyperframe import frame as frames

from front_process import IDENTIFIER, randao

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SIGN = f"/api/v1/eth2/sign/{IDENTIFIER}"


def context_of(front, protocols=("h2",)):
    context = ssl.create_default_context(cafile=front.certificate.ca_file)
    context.set_alpn_protocols(list(protocols))
    return context


class Answer:
    def __init__(self):
        self.headers, self.informational, self.body, self.ended, self.reset = {}, [], b"", False, None

    @property
    def status(self):
        return int(self.headers[":status"])


class Http2:
    """One connection. answers: stream to Answer; goodbye: the error code of GOAWAY; closed: the front has closed."""

    def __init__(self, front, settings=None, acknowledge=True):
        self.stream = front.connect(context_of(front) if front.certificate else None)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if front.certificate:
            assert self.stream.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False))
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings(settings)
        self.answers, self.goodbye, self.closed, self.pings, self.acknowledge = {}, None, False, 0, acknowledge
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stream.close()

    def flush(self):
        self.send(self.h2.data_to_send())

    def send(self, data):
        """Bytes past the state machine. Whether the front still takes them is seen when its own are read."""
        try:
            self.stream.sendall(data)
        except OSError:
            pass

    def send_frame(self, kind, stream=0, flags=(), **fields):
        one = kind(stream, **fields)
        for flag in flags:
            one.flags.add(flag)
        self.send(one.serialize())

    @staticmethod
    def head(method, path, headers=(), authority="localhost", scheme="http"):
        return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *headers]

    def request(self, method="GET", path="/upcheck", body=None, headers=(), end=True, head=None):
        """Begins a request; its stream. More of the body can follow where end is false."""
        number = self.h2.get_next_available_stream_id()
        self.answers[number] = Answer()
        self.h2.send_headers(number, head or self.head(method, path, headers), end_stream=end and not body)
        if body:
            self.data(number, body, end)
        self.flush()
        return number

    def data(self, number, body, end=False):
        """As much of a body as the front takes: all of it, unless the stream is reset meanwhile."""
        at = 0
        while at < len(body) and self.answers[number].reset is None and self.goodbye is None:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(body) - at)
            if room == 0:
                assert self.receive(5), "no window"
                continue
            self.h2.send_data(number, body[at:at + room], end_stream=end and at + room == len(body))
            at += room
            self.flush()

    def pretend(self, number):
        """As if a request had been sent on that stream; it is then sent by hand, and is the last."""
        self.h2.send_headers(number, self.head("GET", "/"), end_stream=True)
        self.h2.clear_outbound_data_buffer()
        self.answers[number] = Answer()
        return self.answers[number]

    def sign(self, body=None):
        return self.request("POST", SIGN, json.dumps(body or randao()).encode(), [("content-type", "application/json")])

    def receive(self, timeout=5):
        """Takes what comes first; False if nothing comes, or the end."""
        pending = getattr(self.stream, "pending", lambda: 0)()
        if self.closed or (not pending and not select.select([self.stream], [], [], timeout)[0]):
            return False
        try:
            data = self.stream.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(data):
            self.take(event)
        self.flush()
        return True

    def take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goodbye = int(event.error_code)
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings += 1
        elif answer and isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(dict(event.headers))
        elif answer and isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
            assert len(answer.headers) == len(event.headers)
        elif answer and isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.acknowledge:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif answer and isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif answer and isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def wait(self, *numbers, timeout=10):
        """Until each of these streams is answered or reset; the answers."""
        while not all(self.answers[number].ended or self.answers[number].reset is not None for number in numbers):
            assert self.receive(timeout), f"nothing came; closed: {self.closed}, GOAWAY: {self.goodbye}"
        return [self.answers[number] for number in numbers]

    def ask(self, *arguments, **more):
        return self.wait(self.request(*arguments, **more))[0]

    def wait_for_end(self, timeout=10):
        """Until the front closes; the error code of its GOAWAY, None if there was none."""
        while not self.closed:
            assert self.receive(timeout) or self.closed, "the connection stays open"
        return self.goodbye


__all__ = ["Answer", "Http2", "PREFACE", "SIGN", "context_of", "frames", "socket"]
