"""The load generator (soak_load.c), steered and read."""
import json
import subprocess
import threading

from soak_common import TOOLS

END_SECONDS = 150


class Generator:
    """Asks from its start on. seconds, events and samples grow as it goes; verdict is there after end()."""

    def __init__(self, folder, port, ca_file, keys, chain, *, seed, connections=64, answer_seconds=60, sample_one_in=1000):
        (folder / "load.keys").write_text("".join(f"{key}\n" for key in keys))
        self.marks_file = folder / "load.marks"
        self.seconds, self.events, self.samples, self.verdict = [], [], [], None
        self._paused = threading.Event()
        version, genesis = chain
        self._process = subprocess.Popen([
            str(TOOLS / "soak_load"), f"--address=tcp:127.0.0.1:{port}", f"--ca-file={ca_file}", f"--keys={folder}/load.keys",
            f"--marks={self.marks_file}", f"--fork-version={version}", f"--genesis={genesis}", f"--connections={connections}",
            f"--seed={seed}", f"--answer-seconds={answer_seconds}", f"--sample-one-in={sample_one_in}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            said = json.loads(line)
            kind = said.pop("event")
            if kind == "second":
                self.seconds.append(said)
            elif kind == "sample":
                self.samples.append(said)
            elif kind == "paused":
                self._paused.set()
            elif kind == "verdict":
                self.verdict = said
            else:
                self.events.append({"kind": kind, **said})

    def _tell(self, word):
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def pause(self):
        """Returns when no answer is to come any more, and connections are closed."""
        self._paused.clear()
        self._tell("pause")
        assert self._paused.wait(END_SECONDS), "answers are still to come"

    def resume(self):
        self._tell("go")

    def end(self):
        """All that was asked has been answered, or is lost."""
        self._process.stdin.close()
        status = self._process.wait(END_SECONDS)
        self._thread.join(60)
        assert status == 0 and self.verdict, f"soak_load ended with {status}"

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    @property
    def answered(self):
        return sum(sum(second["statuses"].values()) for second in list(self.seconds))

    def marks(self):
        """Public key -> (slot, source, target): the highest that were signed, 0 for none."""
        lines = [line.split() for line in self.marks_file.read_text().splitlines()]
        return {key: tuple(map(int, heights)) for key, *heights in lines}
