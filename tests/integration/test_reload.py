"""/reload of the stand-alone signer: the keys are read again while the old ones serve."""
import concurrent.futures
import datetime
import functools
import http.client
import itertools
import json
import os
import signal
import subprocess
import threading
import time

import pytest
import requests

from harness import free_port
from test_key_manager import Manager, ONE, history, store  # noqa: F401 (a fixture)
from test_signer_standalone import Signer, attestation, make_pkcs12, write_raw_keys
from test_signer_stores import descendants, eventually, runs, table  # noqa: F401 (a fixture)

ACCEPTED = {"status": "accepted", "message": "Reload operation accepted and is running in the background. "
                                             "Use GET /reload to check status."}
IN_PROGRESS = {"status": "error", "message": "A reload operation is already in progress. Please try again later."}


def secret(number):
    return f"0x{number:064x}"


def document(number):
    return f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{secret(number)}"\n'


class Reloading:
    """A signer whose key configuration folder has one file per key: key-NUMBER.yaml has the secret NUMBER."""

    def __init__(self, start, folder, numbers, options=None, *more, arguments=()):
        self.start, self.folder = start, folder
        if hasattr(options, "env"):  # the table of DynamoDB
            self.start = functools.partial(start, env=options.env)
            options = options.options()
        store = [f"--slashing-protection-db-path={folder}/slashing.sqlite", "--network=minimal"] if options is None else options
        self.options = [*store, "--slashing-protection-far-future-epochs=any", *more]
        self.arguments = arguments
        self.keys = folder / "keys"
        self.keys.mkdir(exist_ok=True)
        self.add(*numbers)
        self.again()

    def again(self):
        self.signer = Signer(self.start, self.folder, self.options, self.arguments)
        self.url = self.signer.url

    def add(self, *numbers):
        for number in numbers:
            (self.keys / f"key-{number:04}.yaml").write_text(document(number))

    def remove(self, *numbers):
        for number in numbers:
            (self.keys / f"key-{number:04}.yaml").unlink()

    def post(self, **headers):
        return requests.post(f"{self.url}/reload", headers=headers, timeout=20)

    def get(self):
        answer = requests.get(f"{self.url}/reload", timeout=20)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        return answer.json()

    def ended(self):
        """What GET says once no reload runs."""
        deadline = time.monotonic() + 60
        while (said := self.get())["status"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return said

    def reload(self, status="completed"):
        answer = self.post()
        assert (answer.status_code, answer.json()) == (202, ACCEPTED)
        said = self.ended()
        assert said["status"] == status, (said, self.signer.process.log())
        return said

    def public_keys(self):
        return requests.get(f"{self.url}/api/v1/eth2/publicKeys", timeout=20).json()

    def health(self):
        answer = requests.get(f"{self.url}/healthcheck", timeout=20)
        (keys,) = [check for check in answer.json()["checks"] if check["id"] == "keys-check"]
        return answer.status_code, {check["id"]: tuple(check["data"].values()) for check in keys["checks"]}

    def vote(self, pubkey, target):
        return self.signer.sign(pubkey, attestation(target, source=target - 1)).status_code

    def kill(self):
        Manager.kill(self)


def test_the_exchanges_of_the_original(start, folder):
    """Facts 6.6 and 11.13."""
    s = Reloading(start, folder, [1])
    before = s.public_keys()
    assert len(before) == 1 and s.get() == {"status": "idle"}
    s.add(2)
    began = datetime.datetime.now(datetime.timezone.utc)
    answer = s.post()
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (202, ACCEPTED, "application/json")
    said = s.ended()
    assert set(said) == {"status", "lastOperationTime"} and said["status"] == "completed"
    ended = datetime.datetime.fromisoformat(said["lastOperationTime"].replace("Z", "+00:00"))
    assert datetime.timedelta(seconds=-0.01) < ended - began < datetime.timedelta(seconds=30)
    assert said["lastOperationTime"].endswith("Z")
    after = s.public_keys()
    assert len(after) == 2 and set(before) < set(after)
    assert [s.vote(pubkey, 5) for pubkey in after] == [200, 200]
    assert s.health() == (200, {"config-files-loading": (2, 0)})
    for method in ("PUT", "DELETE"):
        answer = requests.request(method, f"{s.url}/reload", timeout=20)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    for accept, status in (("text/html", 406), ("text/plain", 406), ("application/json;q=0.1", 202), ("*/*", 202)):
        assert s.post(Accept=accept).status_code == status
        s.ended()
    assert requests.get(f"{s.url}/reload", headers={"Accept": "text/plain"}, timeout=20).status_code == 406


def test_removed_keys_stop_signing_and_stay_disabled(start, folder, store):  # noqa: F811
    """Facts 3.6."""
    s = Reloading(start, folder, [1, 2], store)
    pubkeys = s.public_keys()
    assert [s.vote(pubkey, 5) for pubkey in pubkeys] == [200, 200]
    s.remove(2)
    s.reload()
    (kept,) = s.public_keys()
    (gone,) = set(pubkeys) - {kept}
    assert (s.vote(kept, 6), s.vote(gone, 6)) == (200, 404)
    # Brought back, by a reload or a restart, it stays disabled.
    s.add(2)
    s.reload()
    assert sorted(s.public_keys()) == sorted(pubkeys)
    assert (s.vote(kept, 7), s.vote(gone, 7)) == (200, 412)
    assert s.signer.process.terminate() == 0
    s.again()
    assert (s.vote(kept, 8), s.vote(gone, 8)) == (200, 412)


def test_the_high_watermark(start, folder, bin_dir):
    at = f"--slashing-protection-db-path={folder}/slashing.sqlite"
    s = Reloading(start, folder, [1])
    ask = lambda signer: requests.get(f"{signer.url}/api/v1/eth2/highWatermark", timeout=20)
    answer = ask(s)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "{}", "application/json; charset=utf-8")
    assert s.signer.process.terminate() == 0
    subprocess.run([bin_dir / "nitro-signer", "eth2", "--network=minimal", at, "watermark-repair", "--set-high-watermark", "--epoch=7",
                    "--slot=19998"], check=True, capture_output=True, timeout=60)
    s.again()
    assert ask(s).text == '{"epoch":"7","slot":"19998"}'
    without = Signer(start, folder, ["--slashing-protection-enabled=false", "--network=minimal"])
    assert ask(without).status_code == 404
