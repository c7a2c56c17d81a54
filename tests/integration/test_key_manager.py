"""The key manager of the stand-alone signer: /eth/v1/keystores against the exchanges of the original."""
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest
import requests

from slashing_peer import Peer
from test_signer_standalone import GENESIS, Signer, attestation
from test_signer_stores import database_options, descendants, eventually, runs, table  # noqa: F401 (a fixture)

PATH = "/eth/v1/keystores"
ONE = "0x98d083489b3b06b8740da2dfec5cc3c01b2086363fe023a9d7dc1f907633b1ff11f7b99b19e0533e969862270061d884"
TWO = "0xa46bf94016af71e55ca0518fe6a8bd3852e01b3f959780a4faf3bbe461ac553c0a83f232cc5f2a4b827d8d3455b706e4"
UNKNOWN = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
PASSWORDS = {ONE: "somepassword", TWO: "otherpassword"}
SALTS = {ONE: "60e0f9e405db569266954d3ee149da98c25db47785f8255eaa6800673368b039",
         TWO: "453b4af2665d2d78864bb99aac11b75c58289ecb330ecfc437edfc8b27ea108e"}
IVS = {ONE: "652c6830bd0dd9e9cf94b6a90b847b44", TWO: "73e6257df21f7bfdffd40c206c9d93f4"}
CIPHERS = {ONE: "1f331a396380b1e76c8f118b9571c80073c81631b4d6ece4abceb6e3545429c1",
           TWO: "ce12c7b05da053b6608b6b1b0f844c06315a1520277954a022443ebe032b3c42"}
CHECKSUMS = {ONE: "d81518789f81e026dd18f62587af3e1fd3ca5e81320169af523157c1a519bd21",
             TWO: "1352df368d4536d61ee590da100a2d1d4f2a937d0a099417523da69db4a2aba3"}
DERIVATION = "m/12381/3600/0/0/0"
IMPORTED = {"status": "imported", "message": None}


def keystore(key, **changes):
    """The original's fixture keystores (pbkdf2)."""
    crypto = {"kdf": {"function": "pbkdf2", "message": "",
                      "params": {"dklen": 32, "c": 262144, "prf": "hmac-sha256", "salt": SALTS[key]}},
              "checksum": {"function": "sha256", "params": {}, "message": CHECKSUMS[key]},
              "cipher": {"function": "aes-128-ctr", "params": {"iv": IVS[key]}, "message": CIPHERS[key]}}
    return json.dumps({"crypto": crypto, "pubkey": key[2:], "path": DERIVATION, "version": 4,
                       "uuid": "64625def-3331-4eea-ab6f-782f3ed16a83", **changes})


def history(*pubkeys, genesis=GENESIS, source="6", target="7", slot="19999"):
    data = [{"pubkey": pubkey,
             "signed_blocks": [{"slot": slot, "signing_root": "0x4ff6f743a43f3b4f95350831aeaf0a122a1a392922c45d804280284a69eb850b"}],
             "signed_attestations": [{"source_epoch": source, "target_epoch": target,
                                      "signing_root": "0x30752da173420e64a66f6ca6b97c55a96390a3158a755ecd277812488bb84e57"}]}
            for pubkey in pubkeys]
    return json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": genesis}, "data": data})


class Manager:
    """A signer with the key manager on, its files in folder."""

    def __init__(self, start, folder, store=None, *more, arguments=()):
        self.keys = folder / "keys"
        if hasattr(store, "env"):  # the table of DynamoDB
            env, store = store.env, store.options()
            start = functools.partial(start, env=env)
        options = ["--network=minimal", f"--slashing-protection-db-path={folder}/slashing.sqlite"] if store is None else list(store)
        self.signer = Signer(start, folder, [*options, "--slashing-protection-far-future-epochs=any",
                                             "--key-manager-api-enabled=true", *more], arguments)
        self.url = self.signer.url + PATH

    def list(self):
        answer = requests.get(self.url, timeout=20)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        return answer.json()["data"]

    def post(self, *pubkeys, slashing_protection=None, keystores=None, passwords=None, headers=None):
        body = {"keystores": keystores or [keystore(pubkey) for pubkey in pubkeys],
                "passwords": passwords or [PASSWORDS[pubkey] for pubkey in pubkeys]}
        if slashing_protection is not None:
            body["slashing_protection"] = slashing_protection
        return requests.post(self.url, json=body, timeout=60, headers=headers)

    def delete(self, *pubkeys):
        answer = requests.delete(self.url, json={"pubkeys": list(pubkeys)}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def statuses(self, *pubkeys):
        return [one["status"] for one in self.delete(*pubkeys)["data"]]

    def imported(self, *pubkeys, **options):
        answer = self.post(*pubkeys, **options)
        assert (answer.status_code, answer.json()) == (200, {"data": [IMPORTED] * len(pubkeys)}), answer.text

    def vote(self, pubkey, target, source=None):
        message = attestation(source=target - 1 if source is None else source, target=target)
        return self.signer.sign(pubkey, message).status_code

    def public_keys(self):
        return requests.get(f"{self.signer.url}/api/v1/eth2/publicKeys", timeout=20).json()

    def files(self):
        return sorted(path.name for path in self.keys.iterdir())

    def stop(self):
        assert self.signer.process.terminate() == 0

    def kill(self):
        """All of its processes at once, as a power cut would."""
        everyone = [self.signer.process.pid] + [pid for _, pid in descendants(self.signer.process.pid)]
        for pid in everyone:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.signer.process.wait()
        eventually(lambda: not any(runs(pid) for pid in everyone))


@pytest.fixture(params=["sqlite", "postgresql", "dynamodb"])
def store(request):
    """Options of the store; the same again for a signer that starts again."""
    if request.param == "sqlite":
        return None
    if request.param == "dynamodb":
        return request.getfixturevalue("table")
    return database_options(request.getfixturevalue("postgres_database"))


@pytest.fixture
def manager(start, folder):
    return Manager(start, folder)


def names(pubkey):
    return [f"{pubkey}.{ending}" for ending in ("json", "password", "yaml")]


def test_the_exchanges_of_the_original(start, folder, store):
    m = Manager(start, folder, store)
    assert m.list() == []
    m.imported(ONE, slashing_protection=history(ONE))
    assert m.post(ONE).json() == {"data": [{"status": "duplicate", "message": None}]}
    assert m.list() == [{"validating_pubkey": ONE, "derivation_path": DERIVATION, "readonly": False}]
    assert m.public_keys() == [ONE]
    assert m.files() == names(ONE)
    assert all((m.keys / name).stat().st_mode & 0o777 == 0o600 for name in m.files())
    assert m.vote(ONE, 7) == 412 and m.vote(ONE, 8) == 200
    answer = m.delete(ONE)
    assert answer["data"] == [{"status": "deleted", "message": ""}]
    document = json.loads(answer["slashing_protection"])
    assert document["metadata"] == {"interchange_format_version": "5", "genesis_validators_root": GENESIS}
    (entry,) = document["data"]
    assert entry["pubkey"] == ONE and entry["signed_blocks"][0]["slot"] == "19999"
    assert [(vote["source_epoch"], vote["target_epoch"]) for vote in entry["signed_attestations"]] == [("7", "8")]
    assert m.list() == [] and m.public_keys() == [] and m.files() == []
    assert m.vote(ONE, 9) == 404
    again = m.delete(ONE, UNKNOWN)
    assert [one["status"] for one in again["data"]] == ["not_active", "not_found"]
    assert json.loads(again["slashing_protection"]) == document
    # What was exported, and the key, can come back; what was signed stays signed.
    m.imported(ONE, slashing_protection=answer["slashing_protection"])
    assert m.vote(ONE, 8) == 200, "the same vote again"
    assert m.vote(ONE, 8, source=5) == 412 and m.vote(ONE, 9) == 200
    m.stop()


def test_a_history_never_lowers_what_the_store_knows(start, folder, store):
    m = Manager(start, folder, store)
    m.imported(ONE)
    assert m.vote(ONE, 50) == 200
    m.delete(ONE)
    m.imported(ONE, slashing_protection=history(ONE))
    assert m.vote(ONE, 49) == 412 and m.vote(ONE, 51) == 200


@pytest.mark.parametrize("signed", [2, 30])
def test_a_history_is_forbidden_to_web3signer_on_the_same_database(start, folder, postgres_database, signed):
    """Whether our marks rise by it or stood above it already: Web3Signer knows the low watermark and the rows, and no marks."""
    m = Manager(start, folder, database_options(postgres_database))
    m.imported(ONE)
    assert m.vote(ONE, 2) == 200 and m.vote(ONE, signed) == 200
    m.delete(ONE)
    document = json.loads(history(ONE))
    document["data"][0]["signed_attestations"] = [{"source_epoch": str(epoch), "target_epoch": str(epoch + 1), "signing_root": "0x" + "ab" * 32}
                                                  for epoch in (6, 7, 8)]
    document["data"][0]["signed_blocks"] = [{"slot": str(slot), "signing_root": "0x" + "ab" * 32} for slot in (200, 201)]
    m.imported(ONE, slashing_protection=json.dumps(document))
    with contextlib.closing(Peer(postgres_database, [])) as peer:
        peer.ids = {0: 1}
        assert not any(peer.vote(0, epoch, epoch + 1, b"\xcd" * 32) for epoch in (6, 7, 8))
        assert not any(peer.block(0, slot, b"\xcd" * 32) for slot in (199, 200, 201))
        assert peer.vote(0, 30, 31, b"\xcd" * 32) and peer.block(0, 202, b"\xcd" * 32)


def test_only_the_histories_of_the_imported_keys_are_taken(manager):
    manager.imported(ONE, slashing_protection=history(TWO, ONE))
    assert manager.statuses(TWO) == ["not_found"]
    manager.imported(TWO)
    assert manager.vote(TWO, 5) == 200


def test_keys_are_there_after_a_restart_and_deleted_ones_are_not(start, folder, store):
    m = Manager(start, folder, store)
    m.imported(ONE, TWO, slashing_protection=history(ONE, TWO))
    assert m.statuses(TWO) == ["deleted"]
    m.stop()
    m = Manager(start, folder, store)
    assert m.list() == [{"validating_pubkey": ONE, "derivation_path": DERIVATION, "readonly": False}]
    assert m.vote(ONE, 7) == 412 and m.vote(ONE, 8) == 200
    assert m.statuses(TWO) == ["not_active"]
    assert m.statuses(ONE) == ["deleted"] and m.files() == []


def test_a_deleted_key_that_is_put_back_by_hand_signs_nothing(start, folder, store):
    m = Manager(start, folder, store)
    m.imported(ONE)
    kept = {name: (m.keys / name).read_bytes() for name in m.files()}
    assert m.vote(ONE, 5) == 200
    m.delete(ONE)
    m.stop()
    for name, content in kept.items():
        (m.keys / name).write_bytes(content)
    m = Manager(start, folder, store)
    assert m.public_keys() == [ONE] and m.vote(ONE, 6) == 412
    # Deleted and imported again by the API, it is enabled.
    assert m.statuses(ONE) == ["deleted"]
    m.imported(ONE)
    assert m.vote(ONE, 6) == 200


@pytest.mark.parametrize("change, password, why", [
    ({}, "not the one", "Failed to decrypt keystore"),
    ({"pubkey": UNKNOWN[2:]}, "somepassword", "Failed to decrypt keystore"),
    ({"version": 3}, "somepassword", "Failed to decrypt keystore"),
    ({"pubkey": "12"}, "somepassword", "Failed to decrypt keystore"),
    ({"pubkey": None}, "somepassword", "Failed to decrypt keystore"),
    ({}, "a\nb", "Failed to decrypt keystore"),
])
def test_a_keystore_that_cannot_be_used(manager, change, password, why):
    answer = manager.post(keystores=[keystore(ONE, **change), keystore(TWO)], passwords=[password, PASSWORDS[TWO]],
                          slashing_protection=history(ONE))
    first, second = answer.json()["data"]
    assert answer.status_code == 200 and second["status"] == "imported"
    assert first["status"] == "error" and first["message"].startswith(why)
    assert password not in first["message"] and manager.public_keys() == [TWO]
    assert manager.files() == names(TWO)
    assert manager.statuses(ONE) == ["not_found"], "not even its history"


def test_the_order_of_results_and_repeats(manager):
    manager.imported(TWO)
    answer = manager.post(keystores=[keystore(ONE), "no JSON", keystore(TWO), keystore(ONE)],
                          passwords=["somepassword", "x", "otherpassword", "somepassword"])
    assert [one["status"] for one in answer.json()["data"]] == ["imported", "error", "duplicate", "imported"]
    assert [key["validating_pubkey"] for key in manager.list()] == [ONE, TWO]
    assert manager.statuses(UNKNOWN, TWO[2:].upper(), "0x12", TWO, ONE) == ["not_found", "deleted", "error", "deleted", "deleted"]


@pytest.mark.parametrize("body", [
    "", "no", "[]", "{}", '{"keystores":[]}', '{"passwords":[]}', '{"keystores":["{}"],"passwords":[]}', '{"keystores":[{}],"passwords":["x"]}',
    '{"keystores":[],"passwords":[],"slashing_protection":"no"}', '{"keystores":[],"passwords":[]} x',
    json.dumps({"keystores": ["{}"] * 257, "passwords": ["x"] * 257})])
def test_requests_that_are_none(manager, body):
    assert requests.post(manager.url, data=body, timeout=20).status_code == 400
    if "keystores" not in body:
        assert requests.delete(manager.url, data=body, timeout=20).status_code == 400
    assert requests.post(manager.url, data='{"keystores":[],"passwords":[]}', timeout=20).text == '{"data": []}'


@pytest.mark.parametrize("document", [
    history(ONE, genesis="0x" + "45" * 32), "{}", "[", history(ONE).replace('"5"', '"4"', 1),
    history(ONE).replace('"19999"', '"many"')])
def test_histories_that_spoil_the_whole_request(start, folder, store, document):
    m = Manager(start, folder, store)
    m.imported(TWO, slashing_protection=history(TWO))  # locks the store to the genesis root
    answer = m.post(ONE, slashing_protection=document)
    assert answer.status_code == 400 and "slashing_protection" in answer.json()["error"]
    assert m.public_keys() == [TWO] and m.files() == names(TWO)
    m.imported(ONE)


def test_a_key_whose_history_reaches_the_high_watermark_is_not_imported(start, folder, bin_dir):
    store = f"--slashing-protection-db-path={folder}/slashing.sqlite"
    m = Manager(start, folder)
    m.imported(TWO, slashing_protection=history(TWO))
    m.stop()
    subprocess.run([bin_dir / "nitro-signer", "eth2", "--network=minimal", store, "watermark-repair", "--set-high-watermark",
                    "--epoch=100", "--slot=30000"], check=True, timeout=60)
    m = Manager(start, folder)
    (one,) = m.post(ONE, slashing_protection=history(ONE, target="100")).json()["data"]
    assert one["status"] == "error" and "high watermark" in one["message"]
    assert m.public_keys() == [TWO] and m.files() == names(TWO)


def test_a_folder_that_cannot_be_written_to(manager, folder):
    os.rename(manager.keys, folder / "elsewhere")
    (one,) = manager.post(ONE, slashing_protection=history(ONE)).json()["data"]
    assert one["status"] == "error" and one["message"].startswith("Error importing keystore")
    assert manager.public_keys() == []
    os.rename(folder / "elsewhere", manager.keys)
    assert manager.statuses(ONE) == ["not_found"]
    manager.imported(ONE)


def test_keys_from_elsewhere_are_not_deleted(start, folder, vectors):
    secret = "0x67b6f9c8baac581cd796fa19b6de11ce1380180063fee38a3ea18044458e7f6b"
    example = json.loads((vectors / "eip-2335/erc-2335-pbkdf2.json").read_text())
    (folder / "keys").mkdir()
    (folder / "keys/raw.yaml").write_text(f"type: file-raw\nprivateKey: {secret}\n")
    (folder / "stores").mkdir()
    (folder / "stores/one.json").write_text(json.dumps(example["keystore"]))
    (folder / "stores/one.txt").write_text(example["password"])
    m = Manager(start, folder, None, f"--keystores-path={folder}/stores", f"--keystores-passwords-path={folder}/stores")
    bulk = "0x" + example["keystore"]["pubkey"]
    assert m.list() == sorted([{"validating_pubkey": ONE, "derivation_path": None, "readonly": True},
                               {"validating_pubkey": bulk, "derivation_path": None, "readonly": False}],
                              key=lambda one: one["validating_pubkey"])
    first, second = m.delete(ONE, bulk)["data"]
    assert first == {"status": "error", "message": f"Unable to delete readonly key: {ONE}"}
    assert second["status"] == "error" and second["message"].startswith("Error deleting keystore file: ")
    assert m.vote(ONE, 5) == 200 and m.vote(bulk, 5) == 200, "they go on signing"


def test_a_deletion_while_the_key_signs(start, folder, store):
    m = Manager(start, folder, store)
    m.imported(ONE, TWO)
    signed, statuses, end = [], set(), threading.Event()

    def sign(first):
        for target in range(first, 100000, 4):
            if end.is_set():
                return
            status = m.vote(ONE, target)
            statuses.add(status)
            if status == 200:
                signed.append(target)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(sign, first) for first in range(1, 5)]
        while len(signed) < 20:
            time.sleep(0.01)
        answer = m.delete(ONE)
        after = len(signed)
        time.sleep(0.3)
        end.set()
        for future in futures:
            future.result()
    assert answer["data"] == [{"status": "deleted", "message": ""}] and statuses <= {200, 404, 412}
    (entry,) = json.loads(answer["slashing_protection"])["data"]
    assert int(entry["signed_attestations"][0]["target_epoch"]) >= max(signed), "nothing signed is missing"
    assert len(signed) - after <= 4, "answers that were on their way"
    assert m.vote(TWO, 5) == 200


@pytest.mark.parametrize("delay", [0, 0.01, 0.05, 0.15, 0.25, 0.35, 0.5])
def test_a_power_cut_during_import_and_deletion(start, folder, delay):
    m = Manager(start, folder)
    m.imported(TWO, slashing_protection=history(TWO))

    def cut(ask):
        def run():
            with contextlib.suppress(requests.RequestException, AssertionError):  # cut off, or answered before
                ask()

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(delay)
        m.kill()
        thread.join()

    cut(lambda: m.post(ONE, slashing_protection=history(ONE)))
    m = Manager(start, folder)
    assert TWO in m.public_keys()
    if ONE in m.public_keys():
        assert m.vote(ONE, 7) == 412, "it is there with its history"
    else:
        m.imported(ONE, slashing_protection=history(ONE))
    assert m.vote(ONE, 8) == 200
    assert m.files() == sorted(names(ONE) + names(TWO))
    cut(lambda: m.delete(ONE))
    m = Manager(start, folder)
    if ONE in m.public_keys():
        assert m.vote(ONE, 8, source=3) == 412 and m.vote(ONE, 9) == 200, "wholly there"
        answer = m.delete(ONE)
        assert answer["data"][0]["status"] == "deleted"
    else:
        answer = m.delete(ONE)
        assert answer["data"][0]["status"] == "not_active"
    (entry,) = json.loads(answer["slashing_protection"])["data"]
    assert int(entry["signed_attestations"][0]["target_epoch"]) >= 8
    assert m.files() == names(TWO)


def test_a_bearer_token(start, folder):
    token = "abcdefghijklmnopqrstuvwxyz-0123456789"
    (folder / "tokens").write_text(token + "\n")
    m = Manager(start, folder, None, f"--key-manager-token-file={folder}/tokens")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {token}"}):
        for method in ("GET", "POST", "DELETE"):
            answer = requests.request(method, m.url, headers=headers, data="{}", timeout=20)
            assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
    headers = {"Authorization": f"Bearer {token}"}
    assert m.post(ONE, headers=headers).json() == {"data": [IMPORTED]}
    assert requests.get(m.url, headers=headers, timeout=20).json()["data"][0]["validating_pubkey"] == ONE
    assert m.vote(ONE, 5) == 200, "signing needs none"
    assert token not in m.signer.process.log() and PASSWORDS[ONE] not in m.signer.process.log()


def test_off_by_default(start, folder):
    signer = Signer(start, folder, ["--network=minimal", "--slashing-protection-enabled=false"])
    for method in ("GET", "POST", "DELETE"):
        assert requests.request(method, signer.url + PATH, data="{}", timeout=20).status_code == 404


def test_other_methods(manager):
    answer = requests.put(manager.url, data="{}", timeout=20)
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, POST, DELETE"


def test_without_slashing_protection_the_history_is_ignored(start, folder):
    m = Manager(start, folder, ["--network=minimal", "--slashing-protection-enabled=false"])
    m.imported(ONE, slashing_protection="not even JSON")
    answer = m.delete(ONE, TWO)
    assert [one["status"] for one in answer["data"]] == ["deleted", "not_found"]
    assert json.loads(answer["slashing_protection"]) == {"metadata": {"interchange_format_version": "5"}, "data": []}


def test_requests_at_once_and_signing_meanwhile(manager):
    manager.imported(TWO)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        imports = [pool.submit(manager.post, ONE) for _ in range(6)]
        for target in range(1, 20):
            assert manager.vote(TWO, target) == 200
        found = sorted(future.result().json()["data"][0]["status"] for future in imports)
    assert found == ["duplicate"] * 5 + ["imported"]


def test_passwords_are_not_left_in_the_front(manager):
    password = "a password that is found nowhere else 5d1b"
    manager.post(keystores=[keystore(ONE)] * 8, passwords=[password] * 8)
    time.sleep(0.5)  # the loader has ended
    for name, pid in descendants(manager.signer.process.pid):
        assert password.encode() not in memory_of(pid), name


def memory_of(pid):
    """All that the process could write to, as root may read it."""
    found = b""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode = line.split()[:2]
            low, high = (int(end, 16) for end in span.split("-"))
            if "w" in mode and high - low < 1 << 28:
                try:
                    memory.seek(low)
                    found += memory.read(high - low)
                except OSError:
                    pass
    return found
