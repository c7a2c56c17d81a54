"""Memory, descriptors and threads of processes, second by second.

    with Sampler(lambda: {name: pid}, lambda: answers_so_far) as sampler: ...
    sampler.lives                                            # (name, pid) -> [Sample]
"""
import collections
import contextlib
import os
import pathlib
import re
import threading
import time

Sample = collections.namedtuple("Sample", "at answered resident descriptors threads")


def look(pid, answered=0):
    """None for a process that has ended."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        resident, threads = re.search(r"VmRSS:\s+(\d+)", text), re.search(r"Threads:\s+(\d+)", text)
        if resident and threads:
            return Sample(time.monotonic(), answered, int(resident[1]) << 10, len(os.listdir(f"/proc/{pid}/fd")), int(threads[1]))
    return None


class Sampler:
    def __init__(self, processes, answered, period=1.0):
        self.lives = collections.defaultdict(list)
        self._processes, self._answered, self._period = processes, answered, period
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._ending.wait(self._period):
            answered = self._answered()
            for name, pid in self._processes().items():
                sample = look(pid, answered)
                if sample:
                    self.lives[name, pid].append(sample)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join(30)


def quiet(processes):
    """Name -> (descriptors, threads) while nothing is asked."""
    found = {name: look(pid) for name, pid in processes.items()}
    return {name: (sample.descriptors, sample.threads) for name, sample in found.items() if sample}
