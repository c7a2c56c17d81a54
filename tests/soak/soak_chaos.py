"""What is done to a signer while it works, in an order that a seed gives: each deed once a round, the rare ones, by turns, once in
eighteen: most of them end processes, and what may leak in one must have had time to.

    chaos = Chaos(seed, [Deed("reload", function), ...])
    chaos.run(until)                                         # chaos.acts: what was done when
A deed is a function of a random.Random and of the Act, whose keys and detail it may set; it returns when all is well again."""
import collections
import mmap
import os
import random
import signal
import struct
import time

from soak_common import Act, say

Deed = collections.namedtuple("Deed", "name function effects grace every", defaults=((), 0, 1))

RARE = 18
FIRST_RARE = 5
HOUR, DAY, SECOND = 3600, 86400, 1
STEPS = (-90 * SECOND, 90 * SECOND, 0.7 * SECOND, -0.7 * SECOND, HOUR, -HOUR, DAY, -DAY)


class Chaos:
    def __init__(self, seed, deeds, before_rare=lambda: None):
        self.acts = []
        self._chance, self._round, self._bag, self._before_rare = random.Random(f"chaos {seed}"), 0, [], before_rare
        rare = [deed for deed in deeds if deed.every > 1]
        self._offsets = [(deed, FIRST_RARE + rare.index(deed) * deed.every // len(rare) if deed in rare else 0) for deed in deeds]

    def _next(self):
        while not self._bag:
            self._bag = [deed for deed, offset in self._offsets if (self._round - offset) % deed.every == 0]
            self._chance.shuffle(self._bag)
            self._round += 1
        return self._bag.pop()

    def do(self, deed):
        if deed.every > 1:
            self._before_rare()
        act = Act(deed.name, time.monotonic(), None, deed.effects, deed.grace)
        self.acts.append(act)
        deed.function(self._chance, act)
        act.ended = time.monotonic()
        say(f"soak: {act.name} {act.detail}: {act.ended - act.began:.1f} s")

    def run(self, until, least=0):
        """Until that time, and until so much has been done."""
        while time.monotonic() < until or len(self.acts) < least:
            self.do(self._next())
            time.sleep(max(0, min(self._chance.uniform(0.3, 3), until - time.monotonic())))


class WallClock:
    """The wall clock of the programs that are started with environment(); steps of it, and back (soak_clock.c)."""

    def __init__(self, folder, library):
        self._path, self._library = folder / "clock", library
        self._path.write_bytes(bytes(8))
        with open(self._path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8)

    def environment(self):
        return dict(os.environ, LD_PRELOAD=str(self._library), NS_SOAK_CLOCK=str(self._path))

    def set(self, seconds):
        self._page[:8] = struct.pack("<q", int(seconds * 1e9))

    def deed(self, chance, act, steps=STEPS):
        """Two steps and the way back: later ones begin where the earlier ones led."""
        chosen = [chance.choice(steps) for _ in range(2)]
        for seconds in chosen:
            self.set(seconds)
            time.sleep(chance.uniform(0.5, 2))
        self.set(0)
        act.detail = ", ".join(f"{seconds:+g} s" for seconds in chosen)


def pause(name_to_pid, seconds=(0.2, 2.5)):
    """A deed: one of these processes stands still for a while."""
    def deed(chance, act):
        found = name_to_pid()
        name = chance.choice(sorted(found))
        act.detail = name
        try:
            os.kill(found[name], signal.SIGSTOP)
            time.sleep(chance.uniform(*seconds))
            os.kill(found[name], signal.SIGCONT)
        except ProcessLookupError:
            act.detail += ", which had ended"
    return deed
