"""GET /attestation: what a client may ask an enclave for, and what nitro-signer-ctl attest verify --url makes of the answer."""
import base64
import subprocess
import threading

import pytest
import requests

from front_process import front, randao  # noqa: F401 (front is a fixture)
from harness import policy_text
from http2_client import SIGN, Http2, context_of
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
