"""Prometheus's own programs, of Debian's package prometheus: installed, or unpacked by scripts/setup, as installing it would start a server.

    server = Prometheus(folder, {"nitro-signer": [port]}, rules=path)
    server.ask("query", query="up")     # "result" of the HTTP API's answer
    server.close()
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
import requests

from harness import PATIENCE, free_port

INTERVAL = "1s"


def prometheus_program(name):
    """The path of prometheus or promtool."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    path = shutil.which(name, path=f"{os.environ['PATH']}:{cache}/nitro-signer/prometheus/usr/bin")
    return path or pytest.fail(f"{name} is not here: run scripts/setup")


def promtool(*arguments, text=None, cwd=None):
    """Status and all that it said. Each unit test of rules has a store of its own, in memory where there is a file system for that."""
    memory = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
    done = subprocess.run([prometheus_program("promtool"), *arguments], input=text, text=True, capture_output=True, timeout=600 * PATIENCE,
                          check=False, cwd=cwd,
                          env={**os.environ, **memory})
    return done.returncode, done.stdout + done.stderr


class Prometheus:
    """A server of its own, with its data in folder, that scrapes ports of loopback: {job: [port, ...]}."""

    def __init__(self, folder, jobs, rules):
        self.port = free_port()
        targets = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]} for job, ports in jobs.items()]
        (folder / "prometheus.json").write_text(json.dumps({"global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
                                                            "rule_files": [str(rules)], "scrape_configs": targets}))
        self.log_path = folder / "prometheus.log"
        with self.log_path.open("w") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", prometheus_program("prometheus"), f"--config.file={folder}/prometheus.json",
                 f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
        self._session = requests.Session()
        self._session.trust_env = False
        self._wait_ready()

    def _wait_ready(self):
        deadline = time.monotonic() + 60 * PATIENCE
        while True:
            assert self._process.poll() is None and time.monotonic() < deadline, self.log_path.read_text()
            try:
                if self._session.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=20).status_code == 200:
                    return
            except requests.exceptions.ConnectionError:
                pass
            time.sleep(0.1)

    def ask(self, what, **parameters):
        reply = self._session.get(f"http://127.0.0.1:{self.port}/api/v1/{what}", params=parameters, timeout=60 * PATIENCE)
        document = reply.json()
        assert document["status"] == "success", (parameters, document)
        return document["data"]

    def close(self):
        self._process.kill()
        self._process.wait()
