"""nitro-signer-watchdog against a control port that the test plays itself; the enclave is a shell that waits."""
import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import struct

import pytest

from harness import PATIENCE, policy_text, receive_exactly

KEYS = [f"{n:02x}" * 48 for n in (0x81, 0x82, 0x83)]
POLICY = policy_text(store="sqlite:/run/slashing.sqlite", kms_key="arn:aws:kms:us-east-1:111122223333:key/abc", region="us-east-1")
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "dG9rZW4rdG9rZW4="
SERVING = {"state": "serve", "keys": 2, "failed": 0, "store_ok": True}


class Control:
    """The enclave's side of the control port."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        self.listener.settimeout(120 * PATIENCE)
        self.stream = None

    def accept(self):
        self.hang_up()
        self.stream, _ = self.listener.accept()
        self.stream.settimeout(120 * PATIENCE)

    def request(self):
        (length,) = struct.unpack(">I", receive_exactly(self.stream, 4))
        return json.loads(receive_exactly(self.stream, length))

    def reply(self, status, body):
        self.reply_bytes(json.dumps({"status": status, "body": body}).encode())

    def reply_bytes(self, text):
        self.stream.sendall(struct.pack(">I", len(text)) + text)

    def expect(self, operation, status=200, body=None):
        """Takes requests until that operation comes (status requests in between are answered well)."""
        while True:
            request = self.request()
            if request["operation"] == operation:
                self.reply(status, {} if body is None else body)
                return request
            assert request["operation"] == "status"
            self.reply(200, SERVING)

    def hang_up(self):
        if self.stream:
            self.stream.close()
        self.stream = None

    def close(self):
        self.hang_up()
        self.listener.close()


@pytest.fixture
def control(folder):
    port = Control(folder / "control")
    yield port
    port.close()


def write_item(folder, pubkey, ciphertext, active=True):
    item = {"web3signer_uuid": "none", "pubkey": pubkey, "chain": "mainnet", "datetime": "2026-01-31T12:00:00Z", "active": active,
            "encrypted_key_password_mnemonic_b64": base64.b64encode(ciphertext).decode(), "deposit_json_b64": "W10="}
    (folder / "items/validators" / f"{pubkey}.json").write_text(json.dumps(item))


def write_credentials(folder, secret=SECRET):
    text = json.dumps({"access_key_id": "ASIAEXAMPLE", "secret_access_key": secret, "token": TOKEN})
    (folder / "new").write_text(text)
    os.replace(folder / "new", folder / "credentials.json")


def prepare(folder):
    """Items, credentials and a policy there; the watchdog's arguments."""
    (folder / "items/validators").mkdir(parents=True)
    (folder / "items/tls").mkdir()
    write_item(folder, KEYS[0], b"first")
    write_item(folder, KEYS[1], b"second")
    write_item(folder, KEYS[2], b"third", active=False)
    (folder / "items/tls/1.json").write_text(json.dumps({"key_id": 1, "encrypted_tls_key_b64": "dGxz", "cert_pem": "cGVt"}))
    (folder / "policy").write_text(POLICY)
    write_credentials(folder)
    return [f"--control=unix:{folder}/control", f"--items={folder}/items", f"--credentials={folder}/credentials.json",
            f"--policy={folder}/policy", "--status-interval=1", "--log-level=debug", "--", "/bin/sh", "-c", "exec sleep 1000"]


@pytest.fixture
def arguments(folder):
    return prepare(folder)


def enclave_of(watchdog):
    (pid,) = pathlib.Path(f"/proc/{watchdog.pid}/task/{watchdog.pid}/children").read_text().split()
    return int(pid)


@pytest.fixture
def serving(start, control, arguments):
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    return watchdog.wait_ready()


def test_init_has_everything_and_nothing_inactive(start, control, arguments):
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    request = control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    assert request == {"operation": "init", "policy": POLICY, "access": "", "encrypted_tls_key": "dGxz",
                       "encrypted_validator_keys": [base64.b64encode(b"first").decode(), base64.b64encode(b"second").decode()],
                       "validator_pubkeys": ["81" * 48, "82" * 48],
                       "credential": {"access_key_id": "ASIAEXAMPLE", "secret_access_key": SECRET, "token": TOKEN}}
    watchdog.wait_ready()
    assert control.request() == {"operation": "status"}
    control.reply(200, SERVING)
    assert watchdog.terminate() == 0
    assert SECRET not in watchdog.log() and TOKEN not in watchdog.log()
    assert "1 inactive" in watchdog.log()


def test_refused_init_is_logged_and_sent_again(start, control, arguments):
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    control.accept()
    control.expect("init", 403, {"error": "AccessDeniedException"})
    control.expect("init", 502, {"error": "KMS is away"})
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    watchdog.wait_ready()
    assert "KMS denied the enclave (403)" in watchdog.log() and "AccessDeniedException" in watchdog.log()
    assert "502" in watchdog.log() and "KMS is away" in watchdog.log()


def test_fresh_credentials_are_sent(serving, control, folder):
    write_credentials(folder, SECRET[::-1])
    request = control.expect("credentials")
    assert request["credential"] == {"access_key_id": "ASIAEXAMPLE", "secret_access_key": SECRET[::-1], "token": TOKEN}
    assert set(request) == {"operation", "credential"}
    control.expect("status", body=SERVING)
    assert serving.alive()


def test_damaged_credentials_are_named_and_survived(serving, control, folder):
    (folder / "credentials.json").write_text('{"access_key_id":"ASIAEXAMPLE","secret_access_key":7}')
    control.expect("status", body=SERVING)
    control.expect("status", body=SERVING)
    assert "secret_access_key" in serving.log()
    write_credentials(folder)
    control.expect("credentials")


def test_dead_enclave_is_started_again(serving, control):
    before = enclave_of(serving)
    os.kill(before, signal.SIGKILL)
    control.accept()
    request = control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    assert len(request["encrypted_validator_keys"]) == 2
    assert enclave_of(serving) != before
    assert "ended by signal 9" in serving.log()


@pytest.mark.parametrize("breakage", ["hang up", "garbage", "too long", "not serving", "no status"])
def test_whatever_breaks_starts_a_new_enclave(serving, control, breakage):
    before = enclave_of(serving)
    if breakage == "hang up":
        control.hang_up()
    else:
        control.request()
        if breakage == "garbage":
            control.reply_bytes(b"\xff garbage")
        elif breakage == "too long":
            control.stream.sendall(b"\xff\xff\xff\xff")
        elif breakage == "not serving":
            control.reply(200, {**SERVING, "state": "attest"})
        else:
            control.reply_bytes(b'{"body":{}}')
    control.accept()
    control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})
    assert enclave_of(serving) != before


def test_a_signer_that_failed_for_good_is_left_alone(serving, control):
    """A new one would take over from the signer that took over from it, or believe a store that was put back."""
    before = enclave_of(serving)
    for _ in range(3):
        control.expect("status", body={**SERVING, "state": "failed"})
    assert enclave_of(serving) == before
    assert serving.log().count("failed for good and is not started again") == 1


def test_the_enclave_ends_with_the_watchdog(serving):
    enclave = enclave_of(serving)
    assert serving.terminate() == 0
    assert not pathlib.Path(f"/proc/{enclave}").exists()


@pytest.mark.parametrize("change, named", [
    (lambda folder: (folder / "items/validators" / f"{KEYS[0]}.json").write_text("{}"), KEYS[0] + ".json: pubkey"),
    (lambda folder: (folder / "items/tls/1.json").unlink(), "exactly one TLS item"),
    (lambda folder: (folder / "policy").write_text(POLICY + "\n"), "policy"),
    (lambda folder: (folder / "credentials.json").unlink(), "credentials.json"),
])
def test_damaged_files_are_named_before_anything_starts(start, arguments, folder, change, named):
    change(folder)
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False)
    assert watchdog.wait() == 1
    assert named in watchdog.log()
    assert "started the enclave" not in watchdog.log()


ACCESS = "nitro-signer-access 1\npath_token_sha256 " + "ab" * 32 + "\n"
PINNED = POLICY.replace("access any", "access 0x" + hashlib.sha256(ACCESS.encode()).hexdigest())


def with_access(arguments, folder, text):
    (folder / "access").write_text(text)
    return [f"--access={folder}/access", *arguments]


@pytest.mark.parametrize("policy, access, named", [
    (PINNED, None, "policy: access: the policy pins an access document, and none came"),
    (PINNED, ACCESS.replace("ab", "ac"), "access: is not the document whose SHA-256 the policy pins"),
    (PINNED, "", "none came"),
    (PINNED, "x" * 49153, "access"),
    (POLICY, ACCESS, "access: the policy says any"),
    (PINNED.replace(hashlib.sha256(ACCESS.encode()).hexdigest(), hashlib.sha256(b"x\n").hexdigest()), "x\n", "access: line 1"),
])
def test_an_access_document_that_would_be_refused_is_named_before_anything_starts(start, arguments, folder, policy, access, named):
    (folder / "policy").write_text(policy)
    watchdog = start("nitro-signer-watchdog", *(arguments if access is None else with_access(arguments, folder, access)), ready=False)
    assert watchdog.wait() == 1
    assert named in watchdog.log()
    assert "started the enclave" not in watchdog.log()


def test_the_access_document_goes_with_init(start, control, arguments, folder):
    (folder / "policy").write_text(PINNED)
    start("nitro-signer-watchdog", *with_access(arguments, folder, ACCESS), ready=False)
    control.accept()
    assert control.expect("init", body={"init_state": True, "keys": 2, "failed": 0})["access"] == ACCESS


@pytest.mark.parametrize("missing", ["--control", "--items", "--credentials", "--policy", "COMMAND"])
def test_usage_errors_name_the_option(start, arguments, missing):
    kept = arguments[:arguments.index("--")] if missing == "COMMAND" else [a for a in arguments if not a.startswith(missing)]
    watchdog = start("nitro-signer-watchdog", *kept, ready=False)
    assert watchdog.wait() == 2
    assert f"{missing}: required" in watchdog.log()
