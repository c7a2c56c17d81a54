"""A shell that keeps running, as a reader's does: jobs, variables and folders of one block are there in the next."""
import os
import pathlib
import signal
import subprocess
import time


class Shell:
    """bash in a folder. A command that fails ends it, and is told with all that was said."""

    def __init__(self, folder, cwd, environment, timeout):
        self.folder, self.timeout, self.number = pathlib.Path(folder), timeout, 0
        self.folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(["bash", "-c", f"set -eo pipefail; while read -r block; do . $block.sh >$block.out 2>$block.err </dev/null; touch $block.done; done"],
                                        cwd=cwd, env=environment, stdin=subprocess.PIPE, start_new_session=True, text=True)

    def run(self, text):
        """(what it printed, what it complained)."""
        self.number += 1
        block = self.folder / str(self.number)
        block.with_suffix(".sh").write_text(text)
        self.process.stdin.write(f"{block}\n")
        self.process.stdin.flush()
        until = time.monotonic() + self.timeout
        while not block.with_suffix(".done").exists():
            assert self.process.poll() is None and time.monotonic() < until, \
                f"ended with {self.process.returncode}:\n{text}\n{self._said(block)}"
            time.sleep(0.02)
        return block.with_suffix(".out").read_text(errors="replace"), block.with_suffix(".err").read_text(errors="replace")

    @staticmethod
    def _said(block):
        return "".join(file.read_text(errors="replace") for file in (block.with_suffix(".out"), block.with_suffix(".err")) if file.exists())

    def everything(self):
        """What all blocks said so far, for what comes after a block has ended, as a job's lines do."""
        return "".join(self._said(self.folder / str(number)) for number in range(1, self.number + 1))

    def close(self):
        """Ends it and every job that it began."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
