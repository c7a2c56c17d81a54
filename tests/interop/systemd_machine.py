"""A machine for a test: this one's systemd as PID 1 in namespaces of its own, on this machine's files with others over them
(systemd_root), and what is run in it. Needs root.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from harness import PATIENCE

HERE = pathlib.Path(__file__).parent
needs_root = pytest.mark.skipif(os.geteuid() != 0 or not pathlib.Path("/lib/systemd/systemd").exists(),
                                reason="not root, or no systemd: a PID 1 cannot be started")


def until(condition, what, seconds=120):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.1)


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def skip_without_mounts():
    if subprocess.run(["unshare", "--mount", "--cgroup", "sh", "-c", "mount --make-rprivate / && mount -t cgroup2 none /sys/fs/cgroup"],
                      capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("root may not mount here: in a container without that privilege")


class Machine:
    """Running once it is made. The folder overlay has a script "prepare"; wants are units to start."""

    def __init__(self, overlay, folder, wants=""):
        write(overlay / "etc/systemd/system/machine.target", f"[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service {wants}\n")
        (folder / "place").mkdir()
        self.log = open(folder / "systemd.log", "wb")
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts",
                                         "--ipc", "--net", HERE / "systemd_root", overlay, folder / "place"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.folder, self.pid, self.group = folder, None, None
        until(self.find, lambda: (folder / "systemd.log").read_text())
        until(lambda: self.run("systemctl", "is-active", "machine.target", check=False) == "active", "no machine.target")

    def find(self):
        """PID 1 of the namespaces, once it is systemd."""
        assert self.process.poll() is None, (self.folder / "systemd.log").read_text()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if children and "systemd" in os.path.basename(os.path.realpath(f"/proc/{children[0]}/exe")):
            self.pid = int(children[0])
            self.group = re.search(r"^0::(.*?/machine\.\w+)", pathlib.Path(f"/proc/{self.pid}/cgroup").read_text(), re.MULTILINE)[1]
        return self.pid and os.path.exists(f"/proc/{self.pid}/root/run/systemd/private")

    def run(self, *words, check=True, both=False):
        done = subprocess.run(["nsenter", "--target", str(self.pid), "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd", *words],
                              capture_output=True, text=True, timeout=240 * PATIENCE, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return (done.stdout + done.stderr if both else done.stdout).strip()

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", unit)

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "--output=short", f"--unit={unit}")

    def root(self, path):
        """A path of the machine's as this one sees it."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait(60)  # the kernel reaps PID 1 when all others are gone
            subprocess.run(["unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none "$0" && find "$0$1" -depth -type d -delete',
                            self.folder / "place", self.group], check=True, timeout=60)
        else:
            self.process.kill()
            self.process.wait(20)
        self.log.close()
