"""Clients of a fleet that nobody would like to have: they ask any signer for anything near what was signed last, in every way
that could be slashable, many at once, and again after every error. All answers are kept.

    clients = Clients(keys, seed, signers)
    with clients.running(): ...
    clients.signed                                           # fleet_judge.Signed
"""
import collections
import contextlib
import http.client
import json
import random
import threading
import time

from fleet_judge import BLOCK, VOTE, Message, Signed, request_of

THREADS = 24
RUSH = 6
MANY = 5
ANSWER_SECONDS = 20  # patience: an answer that comes late, from a signer that was paused, is the most interesting one
VARIANTS = 3
FIRST_HEIGHT = 10


class Orders:
    """What to ask for next. Knows how high each validator is, as far as answers told."""

    def __init__(self, keys):
        self.keys = list(keys)
        self._heights = {key: [FIRST_HEIGHT, FIRST_HEIGHT, FIRST_HEIGHT] for key in self.keys}  # slot, source, target
        self._recent = {key: collections.deque(maxlen=12) for key in self.keys}

    def rise(self, key, slot=0, source=0, target=0):
        self._heights[key] = [max(pair) for pair in zip(self._heights[key], (slot, source, target))]

    def next(self, chance):
        key = chance.choice(self.keys)
        recent = self._recent[key]
        if recent and chance.random() < 0.15:
            return chance.choice(recent)
        message = (self._block if chance.random() < 0.3 else self._vote)(key, chance)
        recent.append(message)
        return message

    def new(self, key, kind=VOTE, variant=1):
        """Above everything."""
        slot, source, target = self._heights[key]
        return Message(BLOCK, key, 0, slot + 1, variant) if kind == BLOCK else Message(VOTE, key, source, target + 1, variant)

    def rush(self, chance):
        """Several for one validator, to be sent at once."""
        key, kind = chance.choice(self.keys), chance.choice((VOTE, VOTE, BLOCK))
        first = self.new(key, kind)
        return [first._replace(high=first.high + chance.randrange(3), variant=chance.randrange(1, 3)) for _ in range(RUSH)]

    def for_many(self, chance):
        """One vote of several validators, for one batch: new to some of them, and whatever it is to the others."""
        first = self._vote(chance.choice(self.keys), chance)
        chosen = chance.sample(self.keys, min(MANY, len(self.keys)))
        votes = [first._replace(key=key) for key in chosen]
        for vote in votes:
            self._recent[vote.key].append(vote)
        return votes

    def _block(self, key, chance):
        slot = self._heights[key][0]
        step = chance.choices((1, 2, 3, 0, -1, -3, 20), (50, 12, 8, 15, 7, 5, 1))[0]
        return Message(BLOCK, key, 0, max(0, slot + step), chance.randrange(1, VARIANTS + 1))

    def _vote(self, key, chance):
        _, source, target = self._heights[key]
        up, down = chance.randrange(1, 4), chance.randrange(1, 4)
        low, high = chance.choices((
            (source, target + 1), (min(source + up, target), target + 1), (source, target + up),
            (source, target), (source + 1, target),  # double votes
            (source - down, target + up),  # surrounds
            (source + 1, target - down),  # is surrounded
            (source, target - down), (target, target + 20), (target + 1, target)), (30, 12, 20, 12, 6, 10, 6, 4, 1, 1))[0]
        return Message(VOTE, key, max(0, low), max(0, high), chance.randrange(1, VARIANTS + 1))


class Connections:
    """Of one thread, to each signer as many as it has orders under way."""

    def __init__(self):
        self._open = {}

    def send(self, lane, message):
        """lane: a port, and a number. False: it went nowhere."""
        return self._post(lane, f"/{message.key}", request_of(message))

    def send_batch(self, lane, messages):
        return self._post(lane, "", {"identifiers": [message.key for message in messages], "signing_request": request_of(messages[0])})

    def _post(self, lane, path, body):
        if lane not in self._open:
            self._open[lane] = http.client.HTTPConnection("127.0.0.1", lane[0], timeout=ANSWER_SECONDS)
        try:
            self._open[lane].request("POST", f"/api/v1/eth2/sign{path}", json.dumps(body),
                                     {"Content-Type": "application/json", "Accept": "application/json"})
            return True
        except (OSError, http.client.HTTPException):
            self._drop(lane)
            return False

    def receive(self, lane):
        """(status, parsed answer); None for the status when there was no answer."""
        try:
            answer = self._open[lane].getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._drop(lane)
            return None, {}

    def keep(self, ports):
        """Others are of the past."""
        for lane in [lane for lane in self._open if lane[0] not in ports]:
            self._drop(lane)

    def _drop(self, lane):
        self._open.pop(lane).close()

    def close(self):
        for connection in self._open.values():
            connection.close()


class Clients:
    """signers: a list of (name, port) of those that can be asked at present; may be replaced at any time."""

    def __init__(self, keys, seed, signers=(), threads=THREADS):
        self.orders, self.signers, self.signed = Orders(keys), list(signers), []
        self.statuses = collections.Counter()
        self.unexpected = []
        self.num_batches = 0
        self.first_asked = {}  # (name, message): when
        self._seed, self._num_threads = seed, threads
        self._ending = threading.Event()

    @property
    def num_orders(self):
        return sum(self.statuses.values())

    @contextlib.contextmanager
    def running(self):
        self._ending.clear()
        threads = [threading.Thread(target=self._run, args=(random.Random(f"{self._seed} {i}"),)) for i in range(self._num_threads)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in threads:
                thread.join(ANSWER_SECONDS + 10)
                assert not thread.is_alive()
        assert self.unexpected == []

    def _run(self, chance):
        connections = Connections()
        try:
            while not self._ending.is_set():
                self._turn(connections, chance)
        except Exception as error:  # pylint: disable=broad-except
            self.unexpected.append(repr(error))
        finally:
            connections.close()

    def _turn(self, connections, chance):
        signers = self.signers
        connections.keep({port for _, port in signers})
        if not signers:
            self._ending.wait(0.05)
        elif chance.random() < 0.1:
            self.ask_batch(connections, chance.choice(signers), self.orders.for_many(chance))
        elif chance.random() < 0.15:
            rush = self.orders.rush(chance)
            self.ask_together(connections, [(chance.choice(signers), message) for message in rush])
        else:
            self._insist(connections, chance, signers)

    def _insist(self, connections, chance, signers):
        """One order; after an error the same again or a rival of it, of the same signer or another."""
        message = self.orders.next(chance)
        for _ in range(chance.randrange(1, 4)):
            if self.ask(connections, chance.choice(signers), message) in (200, 412):
                return
            self._ending.wait(0.02)  # it may be starting anew
            if chance.random() < 0.5:
                message = message._replace(variant=chance.randrange(1, VARIANTS + 1))

    def ask(self, connections, signer, message):
        """The status; None when there was no answer."""
        return self.ask_together(connections, [(signer, message)])[0]

    def ask_together(self, connections, orders):
        """All are sent before the first answer is read. The statuses."""
        sent = []
        for number, (signer, message) in enumerate(orders):
            lane, now = (signer[1], number), time.monotonic()
            self.first_asked.setdefault((signer[0], message), now)
            sent.append((lane, now, connections.send(lane, message)))
        return [self._note(order, now, *(connections.receive(lane) if arrived else (None, {})))
                for order, (lane, now, arrived) in zip(orders, sent)]

    def ask_batch(self, connections, signer, messages):
        """One message of all their keys, in one request. The statuses."""
        lane, now = (signer[1], 0), time.monotonic()
        for message in messages:
            self.first_asked.setdefault((signer[0], message), now)
        arrived = connections.send_batch(lane, messages)
        status, results = connections.receive(lane) if arrived else (None, [])
        if status != 200:
            return [self._note((signer, message), now, status, results) for message in messages]
        if [result["identifier"] for result in results] != [message.key for message in messages]:
            self.unexpected.append(("order", results, messages))
        self.num_batches += 1
        return [self._note((signer, message), now, result.get("error", {}).get("code", 200), result.get("error", result))
                for message, result in zip(messages, results)]

    def _note(self, order, sent, status, answer):
        (name, _), message = order
        self.statuses[status] += 1
        if status == 200:
            self.signed.append(Signed(message, answer["signature"], name, sent, time.monotonic()))
            self.orders.rise(message.key, **({"slot": message.high} if message.kind == BLOCK else
                                             {"source": message.low, "target": message.high}))
        elif status == 412:
            self.orders.rise(message.key, **{name: int(answer.get(f"recorded_{name}_epoch", 0)) for name in ("source", "target")},
                             slot=int(answer.get("recorded_block_slot", 0)))
        elif status not in (None, 404, 500, 503):  # a reload may have taken the key out of service for a while
            self.unexpected.append((status, answer, order))
        return status
