"""The host's container image made for a test by packaging/oci/build, and its root file system entered."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import Process, sanitized

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "packaging/oci/build"
PROGRAMS = ("nitro-signer", *(f"nitro-signer-{name}" for name in ("courier", "ctl", "fetcher", "front", "interchange", "keeper", "loader",
                                                                  "proxy", "watchdog")))
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}


def parts(bin_dir, folder):
    """Programs without what a debugger wants, an enclave image and its measurements, in a folder."""
    if sanitized(bin_dir / PROGRAMS[0]):
        pytest.skip("a sanitizer's libraries are no part of an image")
    (folder / "programs").mkdir()
    for name in PROGRAMS:
        subprocess.run(["strip", "-o", folder / "programs" / name, bin_dir / name], check=True, timeout=60)
    (folder / "kernel").write_bytes(b"a kernel")
    (folder / "init").write_bytes(b"an init")
    (folder / "manifest").write_text("nitro-signer-ramdisk 1\nfile 0755 init init\n")
    said = subprocess.run([bin_dir / "nitro-signer-ctl", "image", "build", "--kernel=kernel", "--cmdline=quiet", "--ramdisk=manifest",
                           "--out=signer.eif"], cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout
    (folder / "pcrs.json").write_text(said)
    return folder


def arguments(folder, output, **instead):
    options = {"arch": MACHINE[os.uname().machine], "root": "/", "programs": folder / "programs", "eif": folder / "signer.eif",
               "pcrs": folder / "pcrs.json", "output": output, **instead}
    return [SCRIPT, *(f"--{name}={value}" for name, value in options.items() if value is not None)]


def build(*words, status=0, **settings):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, **settings)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


def measurements(folder):
    return json.loads((folder / "pcrs.json").read_text())["Measurements"]


class Container:
    """Programs of ours in a root file system, with /proc and /dev as every runtime brings them, and the test's folder at its own path."""

    def __init__(self, root, folder, logs):
        self.root, self.logs, self.processes = root, logs, []
        self.enter = folder / "enter"
        inside = f"{root}{folder}"
        self.enter.write_text(
            "#!/bin/sh\nexec unshare --user --map-root-user --mount sh -ec '"
            f"mkdir -p {inside}; mount --rbind /dev {root}/dev; mount --rbind /proc {root}/proc; mount --bind {folder} {inside}; "
            f'program=$1; shift; exec {shutil.which("chroot")} {root} "$program" "$@"\' sh "$@"\n')
        self.enter.chmod(0o755)
        if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False, timeout=20).returncode:
            pytest.skip("no user namespaces here: the image cannot be entered")

    def start(self, program, *words, ready=True):
        process = Process(self.enter, [f"/usr/bin/{program}", *words], self.logs)
        self.processes.append(process)
        return process.wait_ready() if ready else process

    def run(self, program, *words):
        return subprocess.run([self.enter, f"/usr/bin/{program}", *words], capture_output=True, text=True, timeout=60, check=True).stdout

    def end(self):
        for process in self.processes:
            process.cleanup()
