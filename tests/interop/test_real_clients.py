"""Client code that we did not write asks a running nitro-signer: Prysm's and SSV's in Go, Lodestar's in JavaScript.

Each client decodes random objects with its own types, computes their roots itself and sends them in its own words
(clients/); roots and signatures are Lodestar's and @chainsafe/blst's (clients/duties.mjs)."""
import collections
import json
import re
import subprocess

import pytest
import requests

import real_clients
from client_certificate import ClientCertificate
from real_clients import Recorder, Signer
from test_corpus import make
from test_key_manager import ONE, PASSWORDS, TWO, history, keystore
from test_metrics import samples

CLIENTS = ["prysm", "ssv", "lodestar"]
# Duties of each: ten types in each of its forks, blinded blocks from Bellatrix on; Lodestar's two more kinds.
COUNTS = {"prysm": 7 + 5 * 10 + 4, "ssv": 4 * 10 + 4, "lodestar": 4 * 7 + 3 * 3 + 2 + 4 + 1}
# How each speaks of a refusal. Prysm 5.3.2 wants to log the request whose body it has already sent, fails at that, and so
# has the same words for all of them; when the refusal came before it had sent the body, it takes that for a signature.
REFUSED = {"prysm": r"http: ContentLength=\d+ with Body length 0|signature must be 96 bytes", "ssv": "unexpected status: {0}", "lodestar": r'^{{"error":"'}
TOKEN = "0123456789abcdef" * 2


@pytest.fixture(params=CLIENTS)
def client(request):
    if not real_clients.command(request.param):
        pytest.fail(f"{request.param}'s client is not here: scripts/setup --clients brings it")
    return request.param


def agree(duties, answers):
    """Each root and each signature is the oracle's, byte for byte."""
    for duty, answer in zip(duties, answers, strict=True):
        assert answer == {"root": duty["root"], "signature": duty["signature"]}, (duty["type"], duty["fork"], duty["blinded"], answer)


@pytest.mark.bar(1)
@pytest.mark.parametrize("way", ["plain", "tls"])
def test_every_type_and_fork_all_at_once(start, folder, client, way):
    signer = Signer(start, folder, *(["--tls-allow-any-client"] if way == "tls" else []), tls=way == "tls")
    duties = signer.duties(client)
    result = signer.asked_by(client, duties, tls={"certificate": f"{folder}/server.pem"} if way == "tls" else None)
    assert sorted(result["keys"]) == sorted(requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20,
                                                         verify=str(signer.authority) if way == "tls" else None).json())
    assert len(duties) == COUNTS[client], collections.Counter(duty["type"] for duty in duties)
    agree(duties, result["answers"])
    software = {"prysm": "go", "ssv": "go", "lodestar": "node"}[client]
    assert samples(signer.metrics_port)[f"nitro_signer_client_requests_total{{client={software}}}"] >= len(duties)


def manner(request):
    """How a request is put, whatever it says: its head with the values that do not vary; names, order and kinds of members."""
    head, _, body = request.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    path = re.sub("0x[0-9a-f]{96}", "KEY", first)
    return (path, *(re.sub("^(Host|Content-Length): .*", r"\1", line) for line in lines)), kind(json.loads(body))


def kind(value):
    if isinstance(value, dict):
        return tuple((name, kind(member)) for name, member in value.items())
    return type(value).__name__


def sort_of(request):
    """(type, version) of what is to be signed: requests of one sort are put in one manner."""
    body = json.loads(request.partition("\r\n\r\n")[2])
    block = body.get("beacon_block", {})
    return body["type"], "block" in block, "committee_bits" in str(body.get("aggregate_and_proof"))


def test_the_golden_corpus_has_the_clients_manners(start, folder, client):
    """What is written down of them by hand is what their own code sends: heads, names, order, strings or numbers."""
    signer, name = Signer(start, folder), {"prysm": "Prysm 5.3", "ssv": "SSV", "lodestar": "Lodestar 1.5"}[client]
    with Recorder() as recorder:
        signer.asked_by(client, signer.duties(client), url=recorder.url + ("/" if client == "prysm" else ""), keys=f"{recorder.url}/publicKeys")
        recorder.shutdown()
    sent, written = collections.defaultdict(set), collections.defaultdict(set)
    for request in recorder.requests:
        if request.startswith("POST"):
            sent[sort_of(request)].add(manner(request))
    for one in make(folder, signer.oracle):
        if one["client"] == name:
            written[sort_of(one["request"])].add(manner(one["request"]))
    assert len(sent) >= 11
    for sort, manners in sent.items():
        assert manners <= written[sort], (sort, sorted(manners - written[sort])[:1], sorted(written[sort])[:1])


def test_refusals_are_understood(start, folder, client):
    """The same again is signed, another at its height is 412; a stranger's key 404; a root that is not the message's 400."""
    signer = Signer(start, folder, protection=True)
    duties = [{**duty, "inOrder": True} for duty in signer.duties(client, "--order=slashable")]
    spoiled = {**signer.duties(client)[3], "inOrder": True, "spoil": True}
    strange = {**duties[0], "pubkey": ONE}
    answers = signer.asked_by(client, [*duties, spoiled, strange])["answers"]
    for first in (0, 3):
        agree(duties[first:first + 2], answers[first:first + 2])
    for index, status in {2: 412, 5: 412, 6: 400, 7: 404}.items():
        assert re.search(REFUSED[client].format(status), answers[index]["error"]), answers[index]
        assert "signature" not in answers[index]
    counted = samples(signer.metrics_port)
    for outcome, count in {"signed": 4, "slashing_protection": 2, "signing_root_differs": 1, "unknown_key": 1}.items():
        assert counted[f"nitro_signer_sign_answers_total{{outcome={outcome}}}"] == count


@pytest.mark.parametrize("client", ["prysm", "ssv"], indirect=True)
def test_a_base_url_that_ends_in_a_slash(start, folder, client):
    signer = Signer(start, folder)
    duties = signer.duties(client)[:8]
    agree(duties, signer.asked_by(client, duties, url=f"{signer.url}/")["answers"])


def is_shut_out(signer, client, duties):
    """Prysm takes what is no list of keys for an empty one, without a word; Lodestar says what it was told."""
    if client == "prysm":
        result = signer.asked_by(client, duties)
        assert result["keys"] == [] and not [answer["error"] for answer in result["answers"] if not re.search(REFUSED[client], answer["error"])]
    else:
        with pytest.raises(AssertionError, match="does not begin with an access token"):
            signer.asked_by(client, duties)


@pytest.mark.parametrize("client", ["prysm", "ssv"], indirect=True)
@pytest.mark.parametrize("http2", [True, False])
def test_gos_clients_choose_http_2(start, folder, client, http2):
    """All of a slot's requests on one connection; without it, a connection for each that is under way."""
    signer = Signer(start, folder, "--tls-allow-any-client", tls=True)
    duties = signer.duties(client)
    result = signer.asked_by(client, duties, environment={"GODEBUG": "http2debug=1" if http2 else "http2client=0"},
                             tls={"certificate": f"{folder}/server.pem"})
    agree(duties, result["answers"])
    assert signer.remarks.count("http2: Transport creating client conn") == (1 if http2 else 0)


@pytest.mark.parametrize("client", ["prysm"], indirect=True)
def test_prysm_with_a_password_in_its_url(start, folder, client):
    (folder / "basic").write_text("prysm:a long enough password\n")
    signer = Signer(start, folder, "--tls-allow-any-client", f"--http-basic-credentials-file={folder}/basic", tls=True)
    duties = signer.duties(client)[:20]
    url = f"https://prysm:a%20long%20enough%20password@{signer.address}"
    agree(duties, signer.asked_by(client, duties, url=url)["answers"])
    is_shut_out(signer, client, duties)


@pytest.mark.parametrize("client", ["prysm", "lodestar"], indirect=True)
def test_a_token_in_the_path(start, folder, client):
    (folder / "tokens").write_text(f"{TOKEN}\n")
    signer = Signer(start, folder, "--tls-allow-any-client", f"--http-path-tokens-file={folder}/tokens", tls=True)
    duties = signer.duties(client)[:20]
    agree(duties, signer.asked_by(client, duties, url=f"{signer.url}/{TOKEN}")["answers"])
    is_shut_out(signer, client, duties)


@pytest.mark.parametrize("client", ["ssv"], indirect=True)
def test_ssv_with_a_certificate_of_its_own(start, folder, client):
    """It knows the signer by one certificate, the signer knows it by a fingerprint; TLS 1.3 only."""
    mine, stranger = ClientCertificate(folder, "ssv"), ClientCertificate(folder, "stranger")
    (folder / "known").write_text(mine.line())
    signer = Signer(start, folder, f"--tls-known-clients-file={folder}/known", tls=True)
    duties = signer.duties(client)[:20]

    def asked(certificate):
        # The old ciphers: Go's reader of PKCS#12 knows no others.
        keystore_file = certificate.file.replace(".pem", ".old.p12")
        subprocess.run(["openssl", "pkcs12", "-export", "-in", certificate.file, "-inkey", certificate.key_file, "-out", keystore_file, "-passout",
                        "pass:changeit", "-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
                       check=True, capture_output=True, timeout=30)
        return signer.asked_by(client, duties, tls={"certificate": f"{folder}/server.pem", "keystore": keystore_file,
                                                    "password": f"{folder}/password"})
    agree(duties, asked(mine)["answers"])
    # Whichever it sees first.
    with pytest.raises(AssertionError, match="remote error: tls|connection reset by peer|broken pipe|client conn could not be established"):
        asked(stranger)


@pytest.mark.parametrize("client", ["ssv"], indirect=True)
def test_ssv_imports_and_deletes_key_stores(start, folder, client):
    signer = Signer(start, folder, protection=True, more=["--key-manager-api-enabled=true"])
    genesis = json.loads(signer.oracle.read_text())["genesisValidatorsRoot"]
    result = signer.asked_by(client, [], keystores=[keystore(ONE), keystore(TWO)], passwords=[PASSWORDS[ONE], PASSWORDS[TWO]],
                             protection=history(ONE, TWO, genesis=genesis), deletes=[ONE, "0x" + "a1" * 48])
    assert [one["status"] for one in result["imported"]["data"]] == ["imported", "imported"]
    assert {ONE, TWO} < set(result["keys"]) and len(result["keys"]) == 6
    assert [one["status"] for one in result["deleted"]["data"]] == ["deleted", "not_found"]
    assert [one["pubkey"] for one in json.loads(result["deleted"]["slashing_protection"])["data"]] == [ONE]
    assert ONE not in requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json()
