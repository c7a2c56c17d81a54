"""nitro-signer-enclave as PID 1 of name spaces of its own, in a root that has our executables, the libraries they need, and
nothing else. Its sockets are seen from outside by way of /proc/PID/root."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import control, sanitized

PROGRAMS = ["enclave", "keeper", "front", "courier", "loader"]
NAME_SPACES = ["unshare", "--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "--kill-child"]


def need_name_spaces(bin_dir):
    if os.geteuid() != 0 or subprocess.run([*NAME_SPACES, "true"], capture_output=True, timeout=20, check=False).returncode != 0:
        pytest.skip("no permission to make name spaces")
    if sanitized(bin_dir / "nitro-signer-enclave"):
        pytest.skip("a sanitizer's runtime needs more than the enclave has")


def libraries(programs):
    shown = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=60, check=True).stdout
    return {match.group(1) for match in re.finditer(r"(/\S+) \(0x", shown)}


def make_root(root, bin_dir):
    """The image's layout (two ramdisks in one)."""
    for name in ("bin", "dev", "proc", "run", "tmp", "sys", "etc/nitro-signer"):
        (root / name).mkdir(parents=True)
    programs = [bin_dir / f"nitro-signer-{name}" for name in PROGRAMS]
    for program in programs:
        shutil.copy(program, root / "bin")
    for library in libraries(programs):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/nitro-signer/authorities.pem")
    root.chmod(0o755)


class LogSink:
    """The host's end of the log, which comes and goes."""

    def __init__(self, path):
        self.path, self.text = path, ""
        self._begin()

    def _begin(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)
        self.listener.bind(str(self.path))
        self.listener.listen(1)
        self.streams = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = self.listener.accept()
                self.streams.append(stream)
                while part := stream.recv(65536):
                    self.text += part.decode(errors="replace")
                stream.close()

    def stop(self):
        for one in [self.listener, *self.streams]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.path.unlink(missing_ok=True)
        self.thread.join(10)

    def begin_again(self):
        self._begin()


class PidOne:
    """A started one. Its console is a file."""

    def __init__(self, root, *arguments, env=None):
        self.root, self.console = root, root.parent / "console"
        script = 'mount --bind "$0" "$0" && exec chroot "$0" /bin/nitro-signer-enclave "$@"'
        words = [f"--{name}=unix:/run/{name}" for name in ("control", "https", "metrics")]
        with open(self.console, "wb") as console:
            self.process = subprocess.Popen([*NAME_SPACES, "sh", "-c", script, root, *words, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=console, env=env)

    def said(self):
        return self.console.read_text(errors="replace")

    def wait(self):
        """The status as unshare tells it: by reboot(2) the kernel ends a name space's PID 1 with SIGHUP."""
        return self.process.wait(60)

    def pids(self):
        """name -> number outside, PID 1 included as enclave."""
        pids = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.path.samefile(entry / "root", self.root):
                    name = (entry / "cmdline").read_text().split("\0")[0].rsplit("/", 1)[-1]
                    if name.startswith("nitro-signer-"):
                        pids[name.removeprefix("nitro-signer-")] = int(entry.name)
        return pids

    def path(self, name):
        """Of a file inside. Addresses of unix sockets have to be short, and are."""
        return pathlib.Path(f"/proc/{self.pids()['enclave']}/root{name}")

    def ask(self, message):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(20)
            stream.connect(str(self.path("/run/control")))
            return control(stream, message)

    def end(self):
        if self.process.poll() is None:
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(self.pids()["enclave"], signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
