"""Signers that are started again whenever they end, and a nemesis who sees to it that they do.

    fleet = Fleet(program, folder)
    slot = fleet.add(eth2_options, relay=relay, env=env)
    with fleet.kept_alive(clients): ...                     # clients.signers follows who can be asked
    nemesis = Nemesis(seed, fleet, faults); nemesis.act(); ...; nemesis.heal()
"""
import asyncio
import collections
import contextlib
import hashlib
import os
import pathlib
import random
import re
import signal
import threading
import time

import requests

import dynamodb_relay as relays
from harness import Process
from test_signer_stores import descendants, runs

VALIDATORS = 8
START_SECONDS = 30
PAUSED = ("nitro-signer-keeper", "nitro-signer-courier")


def write_keys(folder, number=VALIDATORS):
    """Raw keys as files for --key-config-path."""
    folder.mkdir()
    for i in range(number):
        secret = "1" + hashlib.sha256(f"validator {i}".encode()).hexdigest()[1:]  # below the order of the group
        (folder / f"{i}.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{secret}"\n')


class Slot:
    """A place for one signer after another, of the same options. start() and kill() are for one thread at a time."""
    _spawning = threading.Lock()

    def __init__(self, letter, program, folder, eth2, relay=None, env=None):
        self.relay, self.process, self.port, self.starts = relay, None, None, 0
        self._letter, self._program, self._eth2, self._env = letter, program, list(eth2), env
        self.keys, self.data = folder / "keys", folder / letter
        self._logs = self.data / "logs"
        self._logs.mkdir(parents=True)
        self.past_logs = []

    def start(self):
        """Whether it serves; else it has ended."""
        self.reap()
        with contextlib.suppress(FileNotFoundError):
            (self.data / "web3signer.ports").unlink()
        with self._spawning:
            self.process = Process(str(self._program), ["--http-listen-port=0", f"--key-config-path={self.keys}",
                                                        f"--data-path={self.data}", "eth2", *self._eth2],
                                   str(self._logs), (), self._env)
        try:
            self.process.wait_ready(START_SECONDS)
            port = int(re.search(r"http-port=(\d+)\n", (self.data / "web3signer.ports").read_text())[1])
            self.starts += 1
            self.port = port
            return True
        except (AssertionError, FileNotFoundError):
            return False

    @property
    def name(self):
        """Of the signer, not of the place."""
        return f"{self._letter}{self.starts}"

    @property
    def is_serving(self):
        process, port = self.process, self.port
        return port is not None and process is not None and process.alive()

    def processes(self):
        """(name, pid) of all of them, the supervisor first; its number is also the group's."""
        process = self.process  # another thread may take it away
        if process is not None and process.alive():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                return [("nitro-signer", process.pid), *(child for child in descendants(process.pid) if child[0])]
        return []  # or they end while we look

    def ask_reload(self, method="POST"):
        """Its status of HTTP and what it says of the reload; None, None from one that does not answer."""
        try:
            answer = requests.request(method, f"http://127.0.0.1:{self.port}/reload", timeout=5)
            return answer.status_code, answer.json()["status"]
        except requests.RequestException:
            return None, None

    def reload(self):
        """Begins one after all that was true before, and waits for its end; or for the signer's."""
        deadline = time.monotonic() + START_SECONDS
        while self.is_serving and self.ask_reload()[0] != 202:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        while self.is_serving and self.ask_reload("GET")[1] in (None, "running"):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def log(self):
        return "\n".join(self.past_logs + ([self.process.log()] if self.process else []))

    def reap(self):
        """The rest of a signer that has ended: no process of it may survive the others. Kills what does not end."""
        process, self.process, self.port = self.process, None, None
        if process is None:
            return
        survivors = _wait_for_group(process.pid)
        process.cleanup()
        self.past_logs.append(process.log())
        assert process.sanitizer_report() is None, process.log()
        assert not survivors, (self.name, survivors, process.log())

    def kill(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.reap()


def _members(group):
    """Live processes of a process group."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = stat.read_text().rsplit(")", 1)
            if int(rest.split()[2]) == group and rest.split()[0] != "Z":
                found.append(name)
    return found


def _wait_for_group(group):
    deadline = time.monotonic() + 10
    while members := _members(group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)  # one that was paused when the others ended
        if time.monotonic() > deadline:
            return members
        time.sleep(0.02)
    return []


class Fleet:
    """Slots, each kept alive by a thread of its own."""

    def __init__(self, program, folder):
        self.slots = []
        self._program, self._folder = program, folder
        self._ending = threading.Event()
        self.errors = []
        write_keys(folder / "keys")

    def add(self, eth2, **options):
        self.slots.append(Slot("abcdefghijklmnopqrstuvwxyz"[len(self.slots)], self._program, self._folder, eth2, **options))
        return self.slots[-1]

    @property
    def starts(self):
        return sum(slot.starts for slot in self.slots)

    def serving(self):
        """(name, port) of each that can be asked."""
        return [(slot.name, slot.port) for slot in self.slots if slot.is_serving]

    def start(self):
        for slot in self.slots:
            assert slot.start(), slot.log()

    @contextlib.contextmanager
    def kept_alive(self, clients):
        """What ends is started again, and clients.signers says who serves."""
        self._ending.clear()
        threads = [threading.Thread(target=self._keep, args=(slot, clients)) for slot in self.slots]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in threads:
                thread.join(START_SECONDS + 20)
        assert self.errors == []

    def _keep(self, slot, clients):
        try:
            while not self._ending.wait(0.02):
                if not slot.is_serving:
                    slot.port = None
                    clients.signers = self.serving()
                    if slot.process is not None:
                        self._end(slot)
                    slot.start()
                    clients.signers = self.serving()
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))

    @staticmethod
    def _end(slot):
        """One that hangs in its start is ended with force."""
        if slot.process.alive():
            slot.kill()
        else:
            slot.process.wait()

    def close(self):
        for slot in self.slots:
            slot.kill()


# Faults


_background = set()


def echo(seconds):
    """The request is carried out and answered, and arrives once more, that much later."""
    async def again(exchange):
        await asyncio.sleep(seconds)
        await exchange.forward()

    async def fault(exchange):
        await exchange.reply(await exchange.forward())
        task = asyncio.get_running_loop().create_task(again(relays.Exchange(exchange.relay, exchange.request, [], None)))
        _background.add(task)
        task.add_done_callback(_forget)
    return fault


def _forget(task):
    _background.discard(task)
    if not task.cancelled():
        task.exception()  # the server may be gone by then


RELAY_FAULTS = {
    "lost answer": lambda chance: relays.drop_answer, "lost request": lambda chance: relays.drop_request,
    "duplicate": lambda chance: relays.duplicate, "throttling": lambda chance: relays.throttle,
    "server error": lambda chance: relays.server_error, "hang": lambda chance: relays.hang,
    "half answer": lambda chance: relays.half_answer, "late write": lambda chance: relays.late(chance.uniform(0.05, 2)),
    "slow answer": lambda chance: relays.slow(chance.uniform(0.05, 1.5)), "late duplicate": lambda chance: echo(chance.uniform(0.05, 2)),
}


class Nemesis:
    """One random act at a time; done counts them. acts are more of them: name to function and weight; kills is the weight of
    a kill, where a pause has 5."""

    def __init__(self, seed, slots, acts=None, kills=5):
        self.chance = random.Random(f"nemesis {seed}")
        self.slots, self.done = slots, collections.Counter()
        self._paused = []  # (until, pid)
        self._broken = []  # (until, relay)
        self._spoiled = {}  # files of keys that cannot be read now: path to content
        self._acts = dict(acts or {})
        if any(slot.relay for slot in slots):
            self._acts["fault"] = self._fault, 10
        self._acts["pause"] = self._pause, 5
        self._acts["reload"] = self._reload, 5
        if kills:
            self._acts["kill"] = self._kill, kills

    def act(self):
        """Undoes what has lasted long enough, and does something."""
        self._undo(time.monotonic())
        name = self.chance.choices(list(self._acts), [weight for _, weight in self._acts.values()])[0]
        self._acts[name][0]()
        if name not in ("fault", "pause", "kill", "reload"):  # these say what exactly
            self.done[name] += 1

    def run(self, seconds, goes_on=lambda: False):
        """For that time, and as long as it goes on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end or goes_on():
            self.act()
            time.sleep(self.chance.uniform(0.05, 0.35))
        self.heal()

    def heal(self):
        self._undo(float("inf"))
        while self._spoiled:
            self._mend()
        for slot in self.slots:
            deadline = time.monotonic() + 10
            while not slot.is_serving and time.monotonic() < deadline:  # it may be starting, with what it has read before
                time.sleep(0.02)
            slot.reload()

    def _undo(self, now):
        for until, pid in self._paused[:]:
            if until <= now:
                self._paused.remove((until, pid))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        for until, relay in self._broken[:]:
            if until <= now:
                self._broken.remove((until, relay))
                relay.heal()

    def _kill(self):
        found = self.chance.choice(self.slots).processes()
        if not found:
            return
        name, pid = self.chance.choice(found)
        with contextlib.suppress(ProcessLookupError):
            way = self.chance.random()
            if way < 0.25:
                name, pid = "all at once", found[0][1]
                os.killpg(pid, signal.SIGKILL)
            elif way < 0.35:
                name, pid = "by SIGTERM", found[0][1]
                os.kill(pid, signal.SIGTERM)
            else:
                os.kill(pid, signal.SIGKILL)
            self.done[f"kill {name}"] += 1

    def _pause(self):
        found = [(name, pid) for name, pid in self.chance.choice(self.slots).processes() if name in PAUSED and runs(pid)]
        if not found:
            return
        name, pid = self.chance.choice(found)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._paused.append((time.monotonic() + self.chance.uniform(0.1, 1.5), pid))
            self.done[f"pause {name}"] += 1

    def _reload(self):
        """Of a folder where a file has become unreadable, so that its key leaves and is not disabled, or readable again."""
        slot = self.chance.choice(self.slots)
        if self._spoiled and self.chance.random() < 0.6:
            self._mend()
        else:
            path = self.chance.choice(sorted(slot.keys.iterdir()))
            self._spoiled.setdefault(path, path.read_text())
            self._write(path, "type: file-raw\n")
        if slot.is_serving:
            self.done[f"reload {slot.ask_reload()[0]}"] += 1

    def _mend(self):
        self._write(*self._spoiled.popitem())

    @staticmethod
    def _write(path, text):
        """At once: a file that is missing for a moment is a key that is gone, and disabled for good."""
        new = path.parent.parent / "new"
        new.write_text(text)
        new.replace(path)

    def _fault(self):
        relay = self.chance.choice([slot.relay for slot in self.slots if slot.relay])
        kind = self.chance.choice(list(RELAY_FAULTS))
        share, dice = self.chance.uniform(0.2, 1), random.Random(self.chance.random())
        relay.inject(RELAY_FAULTS[kind](self.chance), count=None, when=lambda exchange: dice.random() < share)
        self._broken.append((time.monotonic() + self.chance.uniform(0.1, 1.2), relay))
        self.done[kind] += 1
