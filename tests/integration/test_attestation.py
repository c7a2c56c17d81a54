"""GET /attestation: what a client may ask an enclave for, and what nitro-signer-ctl attest verify --url makes of the answer."""
import base64
import hashlib
import json
import socket
import ssl
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from attestation_forger import ForgedSigner, Forger
from enclave_rig import IMAGE, Cloud
from front_process import front  # noqa: F401 (a fixture)
from harness import policy_text
from http2_client import Http2
from scripted_keeper import Certificate

POLICY = policy_text(store="sqlite:/nowhere", log_level="debug")
NONCE = "00112233445566778899aabbccddeeff"


# ---- the front, its keeper scripted ----

@pytest.fixture
def enclave(front, folder):  # noqa: F811
    return front("--mode=enclave", hosts=None, tls=Certificate(folder), policy=POLICY)


def ask(f, query):
    return f.request("GET", f"/attestation{query}")


@pytest.mark.parametrize("nonce, read", [(NONCE, NONCE), ("0x" + NONCE, NONCE), (NONCE.upper(), NONCE), ("0x00", "00"), ("ab" * 64, "ab" * 64)])
def test_a_document_for_the_nonce(enclave, nonce, read):
    answer = ask(enclave, f"?nonce={nonce}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    assert list(answer.json()) == ["document"]
    assert base64.b64decode(answer.json()["document"], validate=True) == b"document for " + bytes.fromhex(read)
    assert enclave.keeper.nonces == [bytes.fromhex(read)]


@pytest.mark.parametrize("query", [
    "", "?", "?nonce", "?nonce=", "?nonce=0x", "?nonce=0", "?nonce=abc", "?nonce=" + "ab" * 65, "?nonce=0x0x00", "?nonce=0X00", "?nonce=0g", "?nonce=ab+cd",
    "?Nonce=00", "?xnonce=00", "?nonce=00&nonce=00", "?nonce=00&x=1", "?x=1&nonce=00", "?nonce=00;", "?nonce=00%00", "?nonce=" + "a" * 4000, "?nonce==00", "?=00", "?00",
])
def test_other_queries_are_refused_by_name(enclave, query):
    answer = ask(enclave, query)
    assert answer.status_code == 400 and "nonce" in answer.json()["error"]
    assert enclave.keeper.nonces == []


def test_only_in_an_enclave(front, folder):  # noqa: F811
    f = front(tls=Certificate(folder))
    assert ask(f, f"?nonce={NONCE}").status_code == 404
    assert f.keeper.nonces == []


def test_other_methods_and_media_types(enclave):
    answer = enclave.request("POST", f"/attestation?nonce={NONCE}", "{}")
    assert answer.status_code == 405 and answer.headers["allow"] == "GET"
    assert enclave.request("GET", f"/attestation?nonce={NONCE}", headers={"Accept": "text/plain"}).status_code == 406
    assert enclave.request("GET", f"/attestation/{NONCE}").status_code == 404
    assert enclave.keeper.nonces == []


def test_one_at_a_time_and_signing_goes_on(enclave):
    asked, answers = threading.Event(), []
    enclave.keeper.attest = lambda nonce: asked.set()  # not yet
    first = threading.Thread(target=lambda: answers.append(ask(enclave, "?nonce=01")))
    first.start()
    assert asked.wait(20)
    for _ in range(3):
        refused = ask(enclave, "?nonce=02")
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1" and "being made" in refused.json()["error"]
    assert enclave.sign().status_code == 200
    enclave.keeper.identity(b"at last")
    first.join(20)
    assert answers[0].status_code == 200 and base64.b64decode(answers[0].json()["document"]) == b"at last"
    enclave.keeper.attest = lambda nonce: b"again"
    assert ask(enclave, "?nonce=03").status_code == 200
    assert enclave.keeper.nonces == [b"\1", b"\3"]


def test_a_keeper_without_a_document(enclave):
    enclave.keeper.attest = lambda nonce: b""
    answer = ask(enclave, "?nonce=01")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    enclave.keeper.attest = lambda nonce: bytes(16384)
    assert len(base64.b64decode(ask(enclave, "?nonce=01").json()["document"])) == 16384


def test_a_client_that_leaves_keeps_no_place(enclave):
    asked = threading.Event()
    enclave.keeper.attest = lambda nonce: asked.set()
    with enclave.connect() as stream:
        stream.sendall(b"GET /attestation?nonce=01 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert asked.wait(20)
    enclave.keeper.identity(b"for nobody")
    enclave.keeper.attest = lambda nonce: b"for " + nonce
    assert base64.b64decode(ask(enclave, "?nonce=02").json()["document"]) == b"for \2"


@pytest.mark.parametrize("document", [b"unasked", bytes(16385)])
def test_a_keeper_that_says_what_it_should_not_ends_it(enclave, document):
    if len(document) > 16384:
        enclave.keeper.attest = lambda nonce: document
        with pytest.raises(requests.exceptions.ConnectionError):
            ask(enclave, "?nonce=01")
    else:
        enclave.keeper.identity(document)
    assert enclave.process.wait() == 1


def test_the_end_answers_who_still_waits(enclave):
    asked, answers = threading.Event(), []
    enclave.keeper.attest = lambda nonce: asked.set()

    def wait():
        try:
            answers.append(ask(enclave, "?nonce=01").status_code)
        except requests.exceptions.ConnectionError:
            answers.append(None)
    waiting = threading.Thread(target=wait)
    waiting.start()
    assert asked.wait(20)
    assert enclave.process.terminate() == 0
    waiting.join(20)
    assert answers in ([503], [None])


def test_over_http2(enclave):
    enclave.keeper.go.set()
    with Http2(enclave) as client:
        answer = client.ask("GET", f"/attestation?nonce={NONCE}")
        assert answer.status == 200 and b"document" in answer.body
        assert client.ask("GET", "/attestation").status == 400
        assert client.ask("GET", "/attestation?nonce=0").status == 400


def test_a_keeper_that_attests_another_tls_key_serves_nobody(front, folder):  # noqa: F811
    f = front("--mode=enclave", hosts=None, serve=False)
    mine = Certificate(folder)
    mine.spki_digest = Certificate(folder, "other").spki_digest
    f.keeper.settings(POLICY)
    f.keeper.tls(mine)
    assert f.process.wait() == 1
    assert "the digest of another public key" in f.process.log()


# ---- nitro-signer-ctl attest verify --url, of signers that say what a test wants ----

KEYS = [bytes([i]) * 48 for i in (9, 3, 200)]
PCR0, PCR16 = "01" * 48, "02" * 48


@pytest.fixture(scope="module")
def forger(tmp_path_factory):
    return Forger(tmp_path_factory.mktemp("forger"))


@pytest.fixture
def signer(forger, folder):
    certificate = Certificate(folder)
    made = ForgedSigner(forger, certificate, folder / "signer.key", KEYS)
    made.ca_file = certificate.ca_file
    yield made
    made.close()


@pytest.fixture
def verify(bin_dir, forger):
    """verify(url, option, ..., status=0): what attest verify prints; nothing on standard output unless it succeeds."""
    def run(url, *options, status=0, pcr0=PCR0):
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "attest", "verify", f"--url={url}", f"--root={forger.root_file}",
                               *[f"--pcr0={pcr0}"] * bool(pcr0), *map(str, options)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        assert bool(done.stdout) == (status == 0), done.stdout
        return done.stdout if status == 0 else done.stderr
    return run


def test_an_honest_signer(verify, signer):
    facts = dict(line.split() for line in verify(signer.url, f"--pcr16={PCR16}").splitlines())
    assert facts["pcr0"] == PCR0 and facts["pcr16"] == PCR16 and facts["validators"] == "3"
    assert facts["tls_key"] == signer.tls_key.hex() and facts["public_keys"] == hashlib.sha256(b"".join(sorted(KEYS))).hexdigest()
    told = json.loads(verify(signer.url, "--output=json"))
    assert told["pcrs"] == {"0": PCR0, "16": PCR16} and {name: str(told[name]) for name in facts if not name.startswith("pcr")} == {
        **{name: value for name, value in facts.items() if not name.startswith("pcr")}, "timestamp_ms": str(told["timestamp_ms"])}
    assert facts["highest_target_epoch"] == "100" and facts["highest_block_slot"] == "3200" and facts["generation"] == "7"
    nonces = [parse_qs(urlsplit(path).query)["nonce"] for path, _ in signer.seen if "attestation" in path]
    verify(signer.url)
    assert all(len(nonce) == 64 for (nonce,) in nonces) and signer.seen[0][0] != signer.seen[2][0]


def flipped(document):
    return document[:900] + bytes([document[900] ^ 1]) + document[901:]


@pytest.mark.parametrize("change, why", [
    ({"tls_key": bytes(32)}, "another TLS key than the connection's"),
    ({"listed": sorted(KEYS)[:2]}, "not those that are attested"),
    ({"listed": [*KEYS, bytes(48)]}, "not those that are attested"),
    ({"listed": [b"\7" * 48, *sorted(KEYS)[1:]]}, "not those that are attested"),
    ({"listed": [*KEYS, KEYS[0]]}, "twice"),
    ({"listed": []}, "not those that are attested"),
    ({"listed": [b"\1"]}, "publicKeys"),
    ({"nonce": bytes(32)}, "another nonce"),
    ({"nonce": b"\1"}, "another nonce"),
    ({"pcrs": {0: b"\3" * 48, 16: b"\2" * 48}}, "PCR0 is another one"),
    ({"pcrs": {0: b"\1" * 48, 16: b"\3" * 48}}, "PCR16 is another one"),
    ({"pcrs": {0: b"\1" * 48}}, "PCR16 is not in the document"),
    ({"pcrs": {0: bytes(48), 16: b"\2" * 48}}, "debug mode"),
    ({"pcrs": {16: b"\2" * 48}}, "PCR0 is zero"),
    ({"age": 400}, "seconds ago"),
    ({"version": 1}, "version 1"),
    ({"version": 3}, "version 3"),
    ({"change": flipped}, "bad signature"),
    ({"change": lambda document: document[:-1]}, "attestation"),
    ({"change": lambda document: b""}, "attestation"),
    ({"busy": [429] * 9}, "answered 429: being made"),
    ({"busy": [404]}, "answered 404"),
])
def test_what_is_not_so_is_refused(verify, signer, change, why):
    for name, value in change.items():
        setattr(signer, name, value)
    assert why in verify(signer.url, f"--pcr16={PCR16}", status=1)


def test_what_can_be_allowed(verify, signer):
    signer.pcrs[0] = bytes(48)
    assert "PCR0 is another one" in verify(signer.url, "--allow-debug", status=1)
    assert "pcr0" not in verify(signer.url, "--allow-debug", pcr0=None)
    signer.age = 400
    verify(signer.url, "--allow-debug", "--max-age-seconds=500", pcr0=None)
    signer.busy = [429, 503]
    verify(signer.url, "--allow-debug", "--max-age-seconds=500", pcr0=None)
    assert signer.busy == []


def test_the_list_comes_from_the_attested_key_or_not_at_all(verify, signer, folder):
    """The document over the genuine connection, the list over one of somebody in between."""
    other = Certificate(folder, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.ca_file, folder / "other.key")
    signer.after = lambda: setattr(signer, "_context", context)
    assert "another TLS key" in verify(signer.url, status=1)
    assert not any("publicKeys" in path for path, _ in signer.seen)


def test_going_back_is_noticed(verify, signer, folder):
    state = folder / "state"
    verify(signer.url, f"--save={state}")
    assert len(state.read_text()) == 2 * 129 + 1
    verify(signer.url, f"--not-before={state}")
    signer.high = 99
    before = state.read_bytes()
    assert "rolled back: the highest target epoch was 100 and is 99" in verify(signer.url, f"--not-before={state}", f"--save={state}", status=1)
    assert state.read_bytes() == before
    state.write_text("01" + "00" * 96 + "\n")  # of an earlier signer
    assert "version 1" in verify(signer.url, f"--not-before={state}", status=1)
    for wrong in ("", "02\n", "02" + "00" * 129 + "\n", "0" * 258 + "x", "x" * 258 + "\n"):
        state.write_text(wrong)
        verify(signer.url, f"--not-before={state}", status=1)


def test_credentials_go_to_known_servers_only(verify, signer, folder):
    (folder / "token").write_text("a-token_of-20-letters\n")
    (folder / "basic").write_text("teku:a password of 23 letters\n")
    secrets = [f"--path-token-file={folder}/token", f"--basic-credentials-file={folder}/basic"]
    for option in secrets:
        assert "--ca-file: " in verify(signer.url, option, status=2)
    assert signer.seen == []
    verify(signer.url, f"--ca-file={signer.ca_file}", *secrets)
    for path, headers in signer.seen:
        assert path.startswith("/a-token_of-20-letters/")
        assert base64.b64decode(headers["authorization"].split()[1]) == b"teku:a password of 23 letters"
    signer.seen.clear()
    verify(signer.url, f"--ca-file={Certificate(folder, 'unknown').ca_file}", *secrets, status=1)
    assert signer.seen == []


@pytest.mark.parametrize("options, named", [
    ([], "--url"), (["--url=http://x"], "--url"), (["--url=https://"], "--url"), (["--url=https://x/y"], "--url"), (["--url=https://u:p@x"], "--url"),
    (["--url=https://x", "--control=unix:/x"], "--url"), (["--url=https://x"], "--pcr0"), (["--url=https://x", "--pcr0=00"], "--pcr0"),
    (["--url=https://x", f"--pcr0={PCR0}", "--pcr8=0"], "--pcr8"), (["--url=https://x", f"--pcr0={PCR0}", "--max-age-seconds=0"], "--max-age-seconds"),
])
def test_usage(bin_dir, options, named):
    done = subprocess.run([bin_dir / "nitro-signer-ctl", "attest", "verify", *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and f"{named}: " in done.stderr


# ---- whole enclaves ----

def relay(listener, context, port):
    """Somebody in between: ends TLS with a certificate of theirs and passes all on."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with context.wrap_socket(connection, server_side=True) as client, socket.create_connection(("127.0.0.1", port)) as plain:
            outward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            outward.check_hostname, outward.verify_mode = False, ssl.CERT_NONE
            with outward.wrap_socket(plain) as server:
                server.sendall(client.recv(65536))
                while part := server.recv(65536):
                    client.sendall(part)
                    if part.endswith(b"}"):
                        break


def test_an_enclave_and_somebody_in_between(start, bin_dir, folder):
    cloud = Cloud(start, bin_dir, folder, num_keys=2)
    cloud.begin()
    enclave = cloud.enclave("a")
    pcr0 = cloud.ctl("image", "measure", *(bin_dir / name for name in IMAGE)).strip()
    pcr16 = cloud.ctl("policy", "measure", "policy.txt").strip()
    ask_it = ["attest", "verify", f"--root={folder}/cloud/nsm-root.der", f"--pcr0={pcr0}", f"--pcr16={pcr16}"]
    url = f"--url=https://localhost:{enclave.port}"
    facts = dict(line.split() for line in cloud.ctl(*ask_it, url, f"--save={folder}/state").splitlines())
    listed = [bytes.fromhex(key[2:]) for key in enclave.get("/api/v1/eth2/publicKeys").json()]
    served = ssl.get_server_certificate(("localhost", enclave.port))
    public = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=served, capture_output=True, text=True, check=True, timeout=20).stdout
    spki = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.encode(), capture_output=True, check=True, timeout=20).stdout
    assert facts["tls_key"] == hashlib.sha256(spki).hexdigest()
    assert facts["public_keys"] == hashlib.sha256(b"".join(sorted(listed))).hexdigest() and facts["validators"] == "2"
    # The control port tells the same.
    told = cloud.ctl(*ask_it, f"--control=unix:{folder}/a-control")
    assert told.splitlines()[2:] == cloud.ctl(*ask_it, url).splitlines()[2:]
    assert enclave.attest(0).status_code == 200
    later = dict(line.split() for line in cloud.ctl(*ask_it, url, f"--not-before={folder}/state").splitlines())
    assert int(later["highest_target_epoch"]) > int(facts["highest_target_epoch"]) and later["records"] != facts["records"]
    for other in ([f"--pcr0={'ab' * 48}"], [f"--pcr16={'ab' * 48}"]):
        cloud.ctl(*ask_it, url, *other, status=1)
    cloud.ctl("attest", "verify", f"--pcr0={pcr0}", url, status=1)  # AWS's root is another
    mine = Certificate(folder, "between")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine.ca_file, folder / "between.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=relay, args=(listener, context, enclave.port), daemon=True).start()
        between = subprocess.run([bin_dir / "nitro-signer-ctl", *ask_it, f"--url=https://localhost:{listener.getsockname()[1]}"], capture_output=True,
                                 text=True, timeout=60, check=False)
        listener.shutdown(socket.SHUT_RDWR)
    assert between.returncode == 1 and between.stdout == ""
    assert "another TLS key than the connection's" in between.stderr


def test_strangers_get_a_few_a_second_and_signing_goes_on(start, bin_dir, folder):
    cloud = Cloud(start, bin_dir, folder, num_keys=1)
    cloud.begin()
    enclave = cloud.enclave("a")
    stop, counts = time.monotonic() + 2, {}

    def ask_on():
        while time.monotonic() < stop:
            status = requests.get(f"https://localhost:{enclave.port}/attestation?nonce=00", verify=enclave.session.verify, timeout=20).status_code
            counts[status] = counts.get(status, 0) + 1
    strangers = [threading.Thread(target=ask_on) for _ in range(4)]
    for stranger in strangers:
        stranger.start()
    signed = [enclave.attest(0, target=100 + i, source=50).status_code for i in range(20)]
    for stranger in strangers:
        stranger.join()
    assert signed == [200] * 20
    assert 2 <= counts[200] <= 2 / 0.2 + 3 and counts[429] > 0 and set(counts) <= {200, 429, 503}


def test_access_rules_hold_for_it_too(start, bin_dir, folder):
    (folder / "tokens").write_text("a-token_of-20-letters\n")
    cloud = Cloud(start, bin_dir, folder, num_keys=1)
    (folder / "access.txt").write_text(cloud.ctl("access", "make", f"--http-path-tokens-file={folder}/tokens"))
    cloud.access = folder / "access.txt"
    cloud.begin()
    enclave = cloud.enclave("a")
    assert enclave.get("/attestation?nonce=00").status_code == 403
    assert enclave.get("/a-token_of-20-letters/attestation?nonce=00").status_code == 200
    pcr0 = cloud.ctl("image", "measure", *(bin_dir / name for name in IMAGE)).strip()
    words = ["attest", "verify", f"--url=https://localhost:{enclave.port}", f"--root={folder}/cloud/nsm-root.der", f"--pcr0={pcr0}"]
    cloud.ctl(*words, status=1)
    cloud.ctl(*words, f"--ca-file={folder}/items/tls-cert.pem", f"--path-token-file={folder}/tokens")
