"""/reload of the stand-alone signer: the keys are read again while the old ones serve."""
import concurrent.futures
import contextlib
import datetime
import functools
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import pytest
import requests

from front_process import Front
from harness import sanitized
from postgres_server import PostgresServer
from scripted_keeper import Certificate
from test_key_manager import Manager, ONE, history, store  # noqa: F401 (a fixture)
from test_signer_standalone import Signer, attestation, make_pkcs12
from test_signer_stores import database_options, descendants, eventually, runs, table  # noqa: F401 (a fixture)

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


# ---- publicKeys is never partial ----


def body_of(connection):
    connection.request("GET", "/api/v1/eth2/publicKeys")
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def poll(port, count, allowed, seen):
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    for _ in range(count):
        body = body_of(connection)
        assert body in allowed, f"a list of {len(json.loads(body))} keys"
        seen[body] = seen.get(body, 0) + 1


@pytest.mark.bar(9)
def test_bar_9_ten_thousand_polls_during_reloads_never_see_a_partial_list(start, folder):
    """Two sets of more keys than one message to the front has, 200 of them in both."""
    numbers = {"a": range(1, 1201), "b": range(1001, 2201)}
    texts = {name: "---\n".join(document(number) for number in of) for name, of in numbers.items()}
    s = Reloading(start, folder, [])

    def put(name):
        (folder / "new").write_text(texts[name])
        os.replace(folder / "new", s.keys / "all.yaml")

    bodies = {}
    for name in ("a", "b"):
        put(name)
        s.reload()
        bodies[name] = requests.get(f"{s.url}/api/v1/eth2/publicKeys", timeout=20).content
    keys = {name: set(json.loads(body)) for name, body in bodies.items()}
    assert [len(of) for of in keys.values()] == [1200, 1200] and len(keys["a"] & keys["b"]) == 200
    both = sorted(keys["a"] & keys["b"])[0]
    allowed, seen, end, reloads = set(bodies.values()), [{} for _ in range(20)], threading.Event(), []

    def reload():
        for name in itertools.cycle(("a", "b")):
            if end.is_set():
                return
            put(name)
            s.reload()
            reloads.append(name)

    def sign():
        for target in itertools.count(5):
            if end.is_set():
                return target - 5
            assert s.vote(both, target) == 200

    with concurrent.futures.ThreadPoolExecutor(22) as pool:
        others = [pool.submit(reload), pool.submit(sign)]
        polls = [pool.submit(poll, s.signer.port, 500, allowed, one) for one in seen]
        concurrent.futures.wait(polls)
        end.set()
        for future in polls + others:
            future.result()
    assert sum(sum(one.values()) for one in seen) == 10000
    assert len(reloads) >= 4, "the polls fell into several reloads"
    assert {body for one in seen for body in one} == allowed, "both lists were seen"


# ---- while one runs ----


class Hanging:
    """A key file that is a pipe: the loader waits until it is written. With the reload under way."""

    def __init__(self, s):
        self.path = s.keys / "pipe.yaml"
        os.mkfifo(self.path)
        answer = s.post()
        assert (answer.status_code, answer.json()) == (202, ACCEPTED)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.end = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:
                assert time.monotonic() < deadline, "nobody reads"
                time.sleep(0.01)

    def write(self, text):
        os.write(self.end, text.encode())
        self.give_up()

    def give_up(self):
        self.path.unlink()
        os.close(self.end)


def loaders(s):
    return [pid for name, pid in descendants(s.signer.process.pid) if name == "nitro-signer-loader" and runs(pid)]


def test_the_old_keys_serve_while_a_reload_runs_and_a_second_one_is_refused(start, folder, store):  # noqa: F811
    s = Reloading(start, folder, [1, 2], store)
    before = s.public_keys()
    s.remove(2)
    hanging = Hanging(s)
    for _ in range(3):
        answer = s.post()
        assert (answer.status_code, answer.reason, answer.json(), answer.headers["content-type"]) == (409, "Conflict", IN_PROGRESS, "application/json")
    assert s.get() == {"status": "running"} and s.public_keys() == before
    assert [s.vote(pubkey, 5) for pubkey in before] == [200, 200] and s.health()[0] == 200
    hanging.write(document(3))
    assert s.ended()["status"] == "completed"
    after = s.public_keys()
    (kept,), (new,), (gone,) = set(before) & set(after), set(after) - set(before), set(before) - set(after)
    assert (s.vote(kept, 6), s.vote(new, 6), s.vote(gone, 6)) == (200, 200, 404)
    assert s.vote(kept, 6) == 200 and s.signer.sign(kept, attestation(6, block="0x" + "45" * 32, source=5)).status_code == 412


def test_orders_for_a_key_that_goes_are_signed_or_refused_but_never_lost(start, folder, store):  # noqa: F811
    s = Reloading(start, folder, [1, 2], store)
    kept, gone = s.public_keys()  # in the order of loading
    s.remove(2)
    statuses, end = {kept: [], gone: []}, threading.Event()

    def sign(pubkey, first):
        for target in range(first, 100000, 4):
            if end.is_set():
                return
            statuses[pubkey].append(s.vote(pubkey, target))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(sign, pubkey, first) for pubkey in (kept, gone) for first in (6, 7)]
        while len(statuses[gone]) < 20:
            time.sleep(0.01)
        s.reload()
        last = len(statuses[gone])
        time.sleep(0.3)
        end.set()
        for future in futures:
            future.result()
    assert 200 in statuses[gone][:last] and set(statuses[gone]) <= {200, 404, 412} and set(statuses[kept]) <= {200, 412}
    assert set(statuses[gone][last + 2:]) == {404}, "two answers may have been on their way"
    s.add(2)
    s.reload()
    assert s.vote(gone, 200000) == 412 and s.vote(kept, 200000) == 200


def test_a_loader_that_dies_or_hangs_costs_the_reload_and_nothing_else(start, folder):
    s = Reloading(start, folder, [1, 2])
    before = s.public_keys()
    s.remove(2)
    for _ in range(2):
        hanging = Hanging(s)
        (loader,) = loaders(s)
        os.kill(loader, signal.SIGKILL)
        said = s.ended()
        hanging.give_up()
        assert said["status"] == "failed" and "loader" in said["lastError"]
        assert s.public_keys() == before and [s.vote(pubkey, 5) for pubkey in before] == [200, 200]
        eventually(lambda: not loaders(s))
    s.reload()
    assert len(s.public_keys()) == 1


def test_the_limit_in_time_is_the_keepers(start, folder):
    """That it is kept shows tests/unit/keeper/test_keeper_reload.c, in seconds."""
    s = Reloading(start, folder, [1], arguments=["--reload-timeout=2"])
    (keeper,) = [pid for name, pid in descendants(s.signer.process.pid) if name == "nitro-signer-keeper"]
    assert b"--reload-timeout-seconds=120" in pathlib.Path(f"/proc/{keeper}/cmdline").read_bytes().split(b"\0")


def test_the_key_manager_and_a_reload_wait_for_each_other(start, folder):
    m = Manager(start, folder)
    s = Reloading.__new__(Reloading)
    s.signer, s.url, s.keys = m.signer, m.signer.url, m.keys
    s.add(1)
    s.reload()
    (one,) = s.public_keys()
    hanging = Hanging(s)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        importing = pool.submit(m.post, ONE, slashing_protection=history(ONE))
        time.sleep(0.3)
        assert not importing.done() and m.public_keys() == [one] and s.get()["status"] == "running"
        hanging.write(document(2))
        assert importing.result().json()["data"][0]["status"] == "imported"
    assert s.ended()["status"] == "completed"
    assert len(m.public_keys()) == 3 and ONE in m.public_keys()
    assert m.vote(ONE, 7) == 412 and m.vote(ONE, 8) == 200, "with its history"
    # What was imported stays, as its files do; and the other way around: the reload waits.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        deleting = pool.submit(m.delete, ONE)
        s.reload()
        assert deleting.result()["data"][0]["status"] == "deleted"
    assert ONE not in m.public_keys() and one in m.public_keys()
    m.imported(ONE)
    s.reload()
    assert ONE in m.public_keys() and m.vote(ONE, 9) == 200


def test_a_store_that_does_not_answer_fails_the_reload(start, folder):
    server = PostgresServer()
    try:
        s = Reloading(start, folder, [1, 2], database_options(server.database()))
        before = s.public_keys()
        assert [s.vote(pubkey, 5) for pubkey in before] == [200, 200]
        s.remove(2)
        server.stop()
        said = s.reload("failed")
        assert "slashing protection store" in said["lastError"] and s.public_keys() == before
        assert requests.get(f"{s.url}/api/v1/eth2/highWatermark", timeout=30).status_code == 500
        server.start()
        eventually(lambda: s.vote(before[0], 6) == 200)
        s.reload()
        assert len(s.public_keys()) == 1
        assert requests.get(f"{s.url}/api/v1/eth2/highWatermark", timeout=30).text == "{}"
    finally:
        server.close()


def test_many_reloads_leave_nothing_behind(start, folder, bin_dir):
    """Facts 12: reloads of the original leaked until memory ran out."""
    s = Reloading(start, folder, [])
    (s.keys / "all.yaml").write_text("---\n".join(document(number) for number in range(1, 301)))

    def memory():
        sizes, files = {}, {}
        for name, pid in descendants(s.signer.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # of a load, and ending
                sizes[name] = int(re.search(r"^VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text() + "\nVmRSS: 0", re.M)[1])
                files[name] = len(os.listdir(f"/proc/{pid}/fd"))
        return sizes, files

    for _ in range(10):
        s.reload()
    eventually(lambda: set(memory()[1]) == {"nitro-signer-front", "nitro-signer-keeper"})
    time.sleep(0.5)  # closed connections leave
    before, files = memory()
    for _ in range(50):
        s.reload()
    stayed = lambda left: set(left) == set(files) and all(left[name] <= files[name] for name in files)
    eventually(lambda: stayed(memory()[1]))
    after, _ = memory()
    for name, size in before.items():
        assert sanitized(bin_dir / name) or after[name] < size * 1.1 + 512, (name, size, after[name])


@pytest.mark.parametrize("delay", [0, 0.01, 0.02, 0.05, 0.1, 0.2])
def test_a_power_cut_in_the_middle_of_a_reload(start, folder, delay):
    s = Reloading(start, folder, range(1, 301))
    before = s.public_keys()
    some = before[::30]
    assert [s.vote(pubkey, 5) for pubkey in some] == [200] * len(some)
    s.remove(*range(1, 151))
    assert s.post().status_code == 202
    time.sleep(delay)
    s.kill()
    s.again()
    after = s.public_keys()
    assert len(after) == 150 and set(after) < set(before), "the files say which keys there are"
    assert all(s.vote(pubkey, 6) == (200 if pubkey in after else 404) for pubkey in some)
    s.add(*range(1, 151))
    s.reload()
    assert sorted(s.public_keys()) == sorted(before)
    other = "0x" + "45" * 32
    assert all(s.signer.sign(pubkey, attestation(5, block=other, source=4)).status_code == 412 for pubkey in some), "what was signed is known"
    assert all(s.vote(pubkey, 7) == 200 for pubkey in some if pubkey in after), "who stayed is enabled"
    assert {s.vote(pubkey, 7) for pubkey in some if pubkey not in after} <= {200, 412}


def test_files_that_are_broken(start, folder):
    s = Reloading(start, folder, [1, 2, 3])
    pubkeys = s.public_keys()
    assert s.health() == (200, {"config-files-loading": (3, 0)})
    assert [s.vote(pubkey, 5) for pubkey in pubkeys] == [200] * 3
    (s.keys / "key-0002.yaml").write_text("type: file-raw\nprivateKey: 0x12\n")
    s.remove(3)
    said = s.reload("completed_with_errors")
    assert said["lastError"] == "Reload completed with 1 signer loading error(s)"
    (kept,) = s.public_keys()
    assert s.health() == (503, {"config-files-loading": (1, 1)})
    missing = sorted(set(pubkeys) - {kept})
    assert [s.vote(pubkey, 6) for pubkey in missing] == [404, 404] and s.vote(kept, 6) == 200
    assert "not disabled" in s.signer.process.log()
    # Whose file was broken is not disabled, nor is what was missing beside it: nobody could tell the two apart.
    s.add(2, 3)
    said = s.reload()
    assert "lastError" not in said and sorted(s.public_keys()) == sorted(pubkeys)
    assert s.health() == (200, {"config-files-loading": (3, 0)})
    assert [s.vote(pubkey, 7) for pubkey in pubkeys] == [200] * 3
    assert [s.signer.sign(pubkey, attestation(7, block="0x" + "45" * 32, source=6)).status_code for pubkey in pubkeys] == [412] * 3


@pytest.mark.parametrize("spoil", [
    lambda file: file.write_text(""), lambda file: file.write_text("# in a moment\n"), lambda file: file.write_text("---\n---\n"),
    lambda file: file.write_text(file.read_text()[:50]),
    lambda file: (file.unlink(), file.symlink_to("/nonexistent"))],
    ids=["empty", "a comment", "empty documents", "half of it", "a link to nowhere"])
def test_a_file_that_is_being_written_is_no_key_that_is_gone(start, folder, spoil):
    s = Reloading(start, folder, [1, 2])
    file = s.keys / "key-0002.yaml"
    spoil(file)
    s.reload("completed_with_errors")
    assert len(s.public_keys()) == 1 and "not disabled" in s.signer.process.log()
    file.unlink()
    s.add(2)
    s.reload()
    assert [s.vote(pubkey, 5) for pubkey in s.public_keys()] == [200, 200]


def test_an_empty_folder_stops_all_signing_and_disables_nothing(start, folder):
    s = Reloading(start, folder, [1, 2])
    pubkeys = s.public_keys()
    s.remove(1, 2)
    s.reload()
    assert s.public_keys() == [] and [s.vote(pubkey, 5) for pubkey in pubkeys] == [404, 404]
    assert s.health() == (200, {"config-files-loading": (0, 0)})
    s.add(1, 2)
    s.reload()
    assert [s.vote(pubkey, 5) for pubkey in pubkeys] == [200, 200]


def test_a_folder_that_is_not_there_fails_and_changes_nothing(start, folder):
    s = Reloading(start, folder, [1, 2])
    pubkeys = s.public_keys()
    s.keys.rename(folder / "away")
    said = s.reload("failed")
    assert said["lastError"] and "lastOperationTime" in said
    assert s.public_keys() == pubkeys and [s.vote(pubkey, 5) for pubkey in pubkeys] == [200, 200]
    (folder / "away").rename(s.keys)
    assert "lastError" not in s.reload()


def test_sources_are_counted_apart_and_one_that_lost_all_disables_nothing(start, folder, vectors):
    example = json.loads((vectors / "eip-2335/erc-2335-pbkdf2.json").read_text())
    stores = folder / "stores"
    stores.mkdir()
    (stores / "one.json").write_text(json.dumps(example["keystore"]))
    (stores / "one.txt").write_text(example["password"])
    s = Reloading(start, folder, [1], None, f"--keystores-path={stores}", f"--keystores-passwords-path={stores}")
    bulk = "0x" + example["keystore"]["pubkey"]
    assert s.health() == (200, {"config-files-loading": (1, 0), "keystores-bulk-loading": (1, 0)})
    (stores / "two.json").write_text("{}")
    s.reload("completed_with_errors")
    assert s.health() == (503, {"config-files-loading": (1, 0), "keystores-bulk-loading": (1, 1)})
    (stores / "two.json").unlink()
    (stores / "one.json").rename(folder / "one.json")
    s.reload()
    assert s.health() == (200, {"config-files-loading": (1, 0), "keystores-bulk-loading": (0, 0)})
    assert bulk not in s.public_keys() and s.vote(bulk, 5) == 404
    (folder / "one.json").rename(stores / "one.json")
    s.reload()
    assert s.vote(bulk, 5) == 200


def test_tls_is_not_read_again(start, folder):
    make_pkcs12(folder, "correct horse")
    s = Reloading(start, folder, [1], None, arguments=[f"--tls-keystore-file={folder}/tls.p12", "--tls-allow-any-client",
                                                       f"--tls-keystore-password-file={folder}/tls.password"])
    url, trust = s.url.replace("http:", "https:"), str(folder / "cert.pem")
    (folder / "tls.p12").unlink()
    (folder / "tls.password").unlink()
    s.add(2)
    assert requests.post(f"{url}/reload", verify=trust, timeout=20).status_code == 202
    eventually(lambda: requests.get(f"{url}/reload", verify=trust, timeout=20).json()["status"] == "completed")
    assert len(requests.get(f"{url}/api/v1/eth2/publicKeys", verify=trust, timeout=20).json()) == 2


def test_in_an_enclave_there_is_no_reload(start, pair, folder):
    f = Front(start, pair, "--mode=enclave", tls=Certificate(folder))
    for method in ("GET", "POST"):
        assert f.request(method, "/reload").status_code == 404
    assert f.request("GET", "/upcheck").status_code == 200


def test_a_high_watermark_that_is_set_meanwhile(start, folder, postgres_database):
    s = Reloading(start, folder, [1], database_options(postgres_database))
    ask = lambda: requests.get(f"{s.url}/api/v1/eth2/highWatermark", timeout=20)
    (pubkey,) = s.public_keys()
    assert s.vote(pubkey, 5) == 200 and ask().text == "{}"
    postgres_database.query("UPDATE metadata SET high_watermark_epoch = 7, high_watermark_slot = 19998")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert {answer.text for answer in pool.map(lambda _: ask(), range(50))} == {'{"epoch":"7","slot":"19998"}'}
    assert s.vote(pubkey, 6) == 200 and s.vote(pubkey, 7) == 412


def test_the_high_watermark_of_a_table(start, folder, bin_dir, table):  # noqa: F811
    s = Reloading(start, folder, [1], table)
    ask = lambda: requests.get(f"{s.url}/api/v1/eth2/highWatermark", timeout=20).text
    assert ask() == "{}"
    subprocess.run([bin_dir / "nitro-signer", "eth2", *table.options(), "watermark-repair", "--set-high-watermark", "--epoch=7",
                    "--slot=19998"], env=table.env, check=True, capture_output=True, timeout=60)
    assert ask() == '{"epoch":"7","slot":"19998"}'
