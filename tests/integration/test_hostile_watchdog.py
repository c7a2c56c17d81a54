"""The watchdog between an enclave that answers nonsense and files that are damaged. An enclave that breaks the protocol
is ended and started again, with patience; a damaged file is named."""
import json
import os
import struct

import pytest

from hostile import damage, mutants, name_of, seeded
from test_watchdog import (KEYS, SECRET, SERVING, TOKEN, Control, arguments, control, enclave_of,  # noqa: F401 (fixtures)
                           prepare, serving)

ROUNDS = int(os.environ.get("NS_ROUNDS", 12))


def frame(text):
    return struct.pack(">I", len(text)) + text


GOOD = json.dumps({"status": 200, "body": SERVING}).encode()
BREACHES = {
    "nothing": frame(b""),
    "no JSON": frame(b"\xff\xfe"),
    "a cut": frame(GOOD[:-1]),
    "a byte behind": frame(GOOD + b"x"),
    "a list": frame(b"[]"),
    "no body": frame(b'{"status":200}'),
    "a body that is none": frame(b'{"status":200,"body":[]}'),
    "no status": frame(b'{"body":{}}'),
    "a status that is text": frame(b'{"status":"OK","body":{}}'),
    "a real status": frame(b'{"status":200.0,"body":{}}'),
    "a status below": frame(b'{"status":99,"body":{}}'),
    "a status above": frame(b'{"status":600,"body":{}}'),
    "a status twice": frame(b'{"status":200,"status":200,"body":{}}'),
    "no state": frame(b'{"status":200,"body":{"keys":2}}'),
    "a state that is none": frame(b'{"status":200,"body":{"state":7}}'),
    "an unknown state": frame(b'{"status":200,"body":{"state":"heaven"}}'),
    "deep": frame(b'{"status":200,"body":{"state":' + b'[' * 1000 + b']' * 1000 + b'}}'),
    "many values": frame(b'{"status":200,"body":{"state":[' + b'1,' * 5000 + b'1]}}'),
    "a body that is too long": frame(b'{"status":200,"body":{"state":"serve","x":"' + b'a' * 5000 + b'"}}'),
    "a message that is too long": struct.pack(">I", 65537),
    "a NUL": frame(b'{"status":200,"body":{"state":"serve\\u0000"}}'),
    "a refusal": frame(b'{"status":500,"body":{"error":"no\\n\\u001b[31m"}}'),
    "two replies": frame(GOOD) * 2,
    "many replies": frame(GOOD) * 2000,
}


@pytest.fixture
def serve_many(start, folder):
    """serve_many(names) gives (watchdog, control) by name: many at once, since all of them wait most of the time."""
    controls = []

    def maker(names):
        rigs = {}
        for name in names:
            place = folder / str(len(controls))
            place.mkdir()
            controls.append(Control(place / "control"))
            rigs[name] = start("nitro-signer-watchdog", *prepare(place), ready=False), controls[-1]
        for watchdog, control in rigs.values():
            control.accept()
            control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
            watchdog.wait_ready()
        return rigs

    yield maker
    for control in controls:
        control.close()


def test_a_reply_that_is_none_starts_a_new_enclave(serve_many):
    rigs = serve_many(BREACHES)
    before = {breach: enclave_of(watchdog) for breach, (watchdog, _) in rigs.items()}
    for breach, (_, control) in rigs.items():
        assert control.request() == {"operation": "status"}, breach
        try:
            control.stream.sendall(BREACHES[breach])
        except OSError:
            pass
    for breach, (watchdog, control) in rigs.items():
        control.accept()
        control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
        assert enclave_of(watchdog) != before[breach], breach
        assert "\x1b" not in watchdog.log() and SECRET not in watchdog.log(), breach
        assert watchdog.terminate() == 0, breach


def test_what_nobody_asked_for_starts_a_new_enclave(serving, control):
    control.expect("status", body=SERVING)
    control.stream.sendall(frame(GOOD))
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    assert "answers what nobody asked" in serving.log()
    assert serving.terminate() == 0


def test_a_flood_costs_no_memory(serving, control):
    """Small replies without end: the watchdog hangs up early instead of keeping them."""
    sent = 0
    control.stream.settimeout(5)
    try:
        while sent < 64 << 20:
            control.stream.sendall(frame(GOOD) * 1000)
            sent += 1000 * (len(GOOD) + 4)
    except OSError:
        pass
    assert sent < 8 << 20
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    assert serving.terminate() == 0


def test_replies_damaged_at_random(serve_many):
    """Each is understood, or costs the enclave; after it the watchdog is as before."""
    understood = 0
    for first in range(0, ROUNDS, 12):
        rigs = serve_many(range(first, min(first + 12, ROUNDS)))
        for seed, (_, control) in rigs.items():
            assert control.request() == {"operation": "status"}, seed
            try:
                control.stream.sendall(frame(damage(seeded("replies", seed), GOOD)))
            except OSError:
                pass
        for seed, (watchdog, control) in rigs.items():
            try:
                control.expect("status", body=SERVING)
                understood += 1
            except OSError:
                control.accept()
                control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
            assert watchdog.terminate() == 0, seed
    assert 0 < understood < ROUNDS


def refused(start, arguments, path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    assert watchdog.wait() == 1, (path, text, watchdog.log())
    log = watchdog.log()
    assert path.name in log and "started the enclave" not in log, (text, log)
    assert SECRET not in log and TOKEN not in log, text
    return log


@pytest.mark.parametrize("name, optional", [
    (f"items/validators/{KEYS[0]}.json", ()), ("items/tls/1.json", ()), ("credentials.json", ("token",))],
    ids=["validator", "tls", "credentials"])
def test_every_member_of_every_file_made_wrong(start, arguments, folder, name, optional):
    path = folder / name
    good = json.loads(path.read_text())
    count = 0
    for at, what, text in mutants(good, optional):
        if what in ("text", "long hex", "odd hex", "wrong hex", "a large number", "a long number", "a negative number", "no number"):
            continue  # all these are texts like any other
        log = refused(start, arguments, path, text)
        count += 1
        wanted = {"twice": ("twice",), "too deep": ("nested", "values")}.get(what, (name_of(at),))
        assert any(word in log for word in wanted), (name_of(at), what, log)
    assert count > 10
    for text in (b"", b"[]", b"null", b"\xff", json.dumps(good)[:-1], json.dumps(good) + "x", b" " * 70000, b"[" * 5000,
                 b"{\"\\u0000\":1}"):
        refused(start, arguments, path, text)
    path.unlink()
    path.mkdir()
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    assert watchdog.wait() == 1 and path.name in watchdog.log()


@pytest.mark.parametrize("name", [f"items/validators/{KEYS[0]}.json", "items/tls/1.json", "credentials.json", "policy"])
def test_files_damaged_at_random(start, control, arguments, folder, name):
    """Refused with the file's name, or read whole: then the enclave is started and gets a sound init."""
    rng = seeded("files", name)
    path = folder / name
    good = path.read_bytes()
    refusals = 0
    for _ in range(2 * ROUNDS):
        path.write_bytes(damage(rng, good))
        watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
        log = ""
        while watchdog.alive() and "init: sending" not in (log := watchdog.log()):
            pass
        if "init: sending" not in log:
            assert watchdog.wait() == 1 and path.name in watchdog.log()
            refusals += 1
        else:
            control.accept()
            request = control.request()
            assert request["operation"] == "init" and len(request["encrypted_validator_keys"]) >= 1
            control.hang_up()
            assert watchdog.terminate() == 0
        assert SECRET not in watchdog.log()
    assert refusals > 3


def test_items_without_end(start, arguments, folder):
    """More than an init message holds, and one file that never ends."""
    item = json.loads((folder / "items/validators" / f"{KEYS[0]}.json").read_text())
    item["deposit_json_b64"] = "A" * 100000
    log = refused(start, arguments, folder / "items/validators" / f"{KEYS[0]}.json", json.dumps(item))
    assert "bytes" in log
    (folder / "credentials.json").unlink()
    (folder / "credentials.json").symlink_to("/dev/zero")
    (folder / "items/validators" / f"{KEYS[0]}.json").unlink()
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    assert watchdog.wait() == 1 and "credentials.json" in watchdog.log()
