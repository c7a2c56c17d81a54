"""POST /api/v1/eth2/ext/sign/:id: the original's exchange, and what is no proof of validation."""
import base64
import concurrent.futures
import json

import pytest
import requests

from test_signer_standalone import Signer, write_raw_keys

KEY = "0x989d34725a2bfc3f15105f3f5fc8741f436c25ee1ee4f948e425d6bcb8c56bce6e06c269635b7e985a7ffa639e2409bf"
UNKNOWN = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
JSON = "application/json; charset=utf-8"
ON = ["--slashing-protection-enabled=false", "--Xsigning-ext-enabled=true"]


@pytest.fixture
def vector(vectors):
    return json.loads((vectors / "web3signer/web3signer-vectors.json").read_text())["ext_sign"]


@pytest.fixture
def signer(start, folder, vector):
    write_raw_keys(folder, [vector["secret_key"]])
    return Signer(start, folder, ON)


def ask(signer, body, key=KEY, **headers):
    return requests.post(f"{signer.url}/api/v1/eth2/ext/sign/{key}", data=body, headers=headers, timeout=20)


def test_published_exchange(signer, vector):
    for headers in ({}, {"Accept": "text/plain"}, {"Content-Type": "text/plain"}):
        answer = ask(signer, vector["body"], **headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
        assert answer.text == json.dumps({"payload": vector["payload_base64"], "signature": vector["signature"]},
                                         separators=(",", ":"))
    assert ask(signer, vector["body"], key=KEY[2:].upper()).json()["signature"] == vector["signature"]


def test_bytes_are_signed_as_they_came(signer, vector):
    """The same document in other words has another signature, and the payload is what was sent."""
    bodies = [vector["body"], '{"timestamp":1634025600000,"type":"PROOF_OF_VALIDATION","platform":"AT"}',
              '{ "type": "PROOF_OF_VALIDATION",\n"platform": "\u00e4", "timestamp": "now" }']
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: ask(signer, body.encode()), bodies * 20))
    assert {answer.status_code for answer in answers} == {200}
    for body, answer in zip(bodies * 20, answers):
        assert base64.b64decode(answer.json()["payload"]).decode() == body
    assert len({answer.json()["signature"] for answer in answers}) == len(bodies)


def changed(**members):
    document = {"type": "PROOF_OF_VALIDATION", "platform": "AT", "timestamp": "1634025600000", **members}
    return json.dumps({name: value for name, value in document.items() if value is not None})


@pytest.mark.parametrize("body", [
    "", "{}", "[]", "x", changed()[:-1], changed() + "x", "[" + changed() + "]", " " + changed(), changed() + "\n",
    changed(type="ATTESTATION"), changed(type=None), changed(platform=None), changed(timestamp=None), changed(platform=7),
    changed(timestamp=True), changed(timestamp=[]), changed(timestamp=-1), changed(more="1"),
    changed()[:-1] + ',"platform":"X"}', changed(platform="a" * 4096), b"\xff" * 40, bytes(32), "{" + "a" * 30 + "}"],
    ids=lambda body: repr(body[:40]))
def test_no_proof_of_validation(signer, body):
    answer = ask(signer, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, JSON)
    assert list(answer.json()) == ["error"]


def test_longest_document(signer):
    room = 4096 - len(changed(platform=""))
    assert ask(signer, changed(platform="a" * room)).status_code == 200
    assert ask(signer, changed(platform="a" * (room + 1))).status_code == 400


@pytest.mark.parametrize("key", [UNKNOWN, "0x12", "nonsense", KEY + "00"])
def test_unknown_key(signer, vector, key):
    answer = ask(signer, vector["body"], key=key)
    assert (answer.status_code, answer.headers["content-type"]) == (404, JSON)
    assert answer.text == '{"error":"Identifier not found."}'


def test_other_method(signer):
    answer = requests.get(f"{signer.url}/api/v1/eth2/ext/sign/{KEY}", timeout=20)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("options", [["--slashing-protection-enabled=false"],
                                     ["--slashing-protection-enabled=false", "--Xsigning-ext-enabled=false"]])
def test_not_there_unless_enabled(start, folder, vector, options):
    write_raw_keys(folder, [vector["secret_key"]])
    signer = Signer(start, folder, options)
    assert ask(signer, vector["body"]).status_code == 404
    assert ask(signer, "nonsense").status_code == 404
