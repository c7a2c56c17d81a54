"""What clients are known to send and to expect, statement by statement: each is held by tests here or by tests that are named here."""
import ast
import copy
import json
import pathlib
import re
import socket

import pytest
import requests

from real_clients import Signer
from test_bars import Asker, made, vote
from test_corpus import make
from test_metrics import samples

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent
KEY_OF_NOBODY = "0x" + "11" * 48

# Statement: the tests that hold it, of integration/ and interop/.
STATEMENTS = {
    # ---- what breaks naive servers ----
    "TLS 1.2 alone is enough, and 1.3 alone": [
        "test_front_tls.py::test_tls_of_one_version_with_resumption", "test_connections.py::test_curl_of_one_version",
        "test_connections.py::test_javas_client_with_tls_1_2",
        "test_connections.py::test_bearssl_shakes_hands_for_each_signature",
        "test_real_clients.py::test_ssv_with_a_certificate_of_its_own"],
    "signingRoot is optional, signing_root is the same, a wrong one is 400 and not the 500 that Nimbus repeats": [
        "test_bars.py::test_a_root_may_be_absent_but_never_wrong"],
    "fork_info's epoch may be the signing slot's or any before it": [
        "test_wire.py::test_the_epoch_of_the_fork_may_be_any_before", "test_corpus.py::test_every_client_type_and_fork"],
    "exits of every shape of fork_info are one signature": [
        "test_bars.py::test_every_shape_of_an_exit_is_one_signature",
        "test_clients.py::test_the_clients_forms_of_an_exit_are_one_signature"],
    "an exit before Capella is of the fork that fork_info names, as clients and the original have it": [
        "test_migration.py::test_s13_an_exit_within_capella_has_capellas_version"],
    "AGGREGATE_AND_PROOF of any fork, whose shape is its slot's": ["test_bars.py::test_an_aggregate_of_fulu_is_none_of_gloas"],
    "an envelope is tens of megabytes": ["test_envelope.py::test_a_large_envelope"],
    "repeated refusals cost one read at most and are counted once, and what was signed is signed again": [
        "test_bars.py::test_a_storm_of_refusals_reads_nothing_from_sqlite", "test_bars.py::test_a_storm_of_refusals_on_dynamodb",
        "test_wire.py::test_refusals_are_counted_by_key_and_message"],
    "publicKeys is never partial": [
        "test_reload.py::test_bar_9_ten_thousand_polls_during_reloads_never_see_a_partial_list",
        "test_front.py::test_public_keys_are_never_partial"],
    "a duty of many keys in one request": ["test_batch.py::test_each_result_is_what_a_single_request_answers"],
    # ---- endpoints ----
    "POST sign, by all": [
        "test_corpus.py::test_every_client_type_and_fork", "test_real_clients.py::test_every_type_and_fork_all_at_once"],
    "GET publicKeys is JSON, of 0x and small hex, also where Accept is absent or */*": [
        "test_wire.py::test_lists_of_keys_as_each_client_asks", "test_front.py::test_public_keys_are_never_partial"],
    "GET upcheck: Teku wants 200, Nimbus's node JSON": [
        "test_front.py::test_upcheck_is_text_unless_only_json_will_do", "test_clients.py::test_teku"],
    "GET healthcheck each second within a second, as Vero has it, while all sign": [
        "test_connections.py::test_veros_sessions_batches_and_health",
        "test_front_many.py::test_health_is_answered_while_signing_is_saturated", "test_clients.py::test_vero"],
    "POST and DELETE keystores, with a history, by SSV": ["test_real_clients.py::test_ssv_imports_and_deletes_key_stores"],
    "POST reload": ["test_reload.py::test_the_exchanges_of_the_original"],
    "slashes of a base URL are doubled by Prysm": [
        "test_front.py::test_paths_are_forgiving_and_methods_are_not",
        "test_real_clients.py::test_a_base_url_that_ends_in_a_slash"],
    "a path before the API's is kept by Prysm, Lodestar and Lighthouse, and dropped by Teku, Grandine and Vero": [
        "test_front_access.py::test_tokens_stand_before_the_path", "test_real_clients.py::test_a_token_in_the_path"],
    # ---- bodies ----
    "Content-Type with or without parameters": ["test_front.py::test_content_types_are_not_looked_at"],
    "integers quoted or bare, hex in capitals, members in any order, unknown ones, type and version in any case": [
        "test_wire.py::test_the_clothes_do_not_matter", "test_wire.py::test_a_base_fee_may_be_bare",
        "test_heze.py::test_numbers_may_be_bare_up_to_the_last"],
    "booleans are bare": ["test_wire.py::test_booleans_are_bare"],
    "Nimbus's proofs are ignored": ["test_clients.py::test_nimbus", "test_oracle.py::test_nimbus_blocks"],
    "fork_info, of zeros too, is ignored where it is not needed": [
        "test_clients.py::test_nimbus", "test_clients.py::test_ssv", "test_corpus.py::test_the_same_duty_has_one_signature"],
    # ---- answers ----
    "Accept decides between JSON and text, no Accept is text, and no newline": [
        "test_front.py::test_negotiation", "test_front.py::test_two_accept_headers_count_as_one_list"],
    "every answer has a Content-Type; every error is JSON, has error and never signature": [
        "test_wire.py::test_every_answer_says_what_it_is", "test_clients.py::test_grandine"],
    "404 unknown key, 412 slashing, 400 malformed": [
        "test_front.py::test_every_answer_has_its_status", "test_real_clients.py::test_refusals_are_understood"],
    "503 is left for what takes too long": ["test_front.py::test_no_answer_is_503_after_ten_seconds"],
    "signatures are compressed points of G2, as another library makes them": [
        "test_oracle.py::test_random_messages_of_built_in_networks"],
    # ---- types ----
    "BLOCK and BLOCK_V2: whole blocks of phase0 and altair, headers from Bellatrix on, blinded or not": [
        "test_wire.py::test_the_version_of_a_block_decides_its_form", "test_oracle.py::test_random_messages_of_custom_networks",
        "test_corpus.py::test_every_client_type_and_fork"],
    "each type has its domain": ["test_oracle.py::test_random_messages_of_custom_networks"],
    "each client's types in each of its forks": [
        "test_wire.py::test_the_corpus_has_every_type_that_a_client_emits", "test_corpus.py::test_every_client_type_and_fork"],
    "Gloas's types, wrapped or bare, under each name they have had, and told of once": [
        "test_wire.py::test_every_shape_of_gloas_is_one_signature", "test_logs.py::test_each_old_shape_is_told_once_and_counted"],
    "INCLUSION_LIST has no fork_info": [
        "test_corpus.py::test_inclusion_lists_without_fork_info", "test_heze.py::test_without_fork_info_the_schedule_decides"],
    "the oracle's types and constants are of one version": ["test_wire.py::test_the_oracle_is_of_one_version"],
    # ---- connections ----
    "(a) connections opened for a slot and closed": ["test_front_many.py::test_3000_connections_within_a_second"],
    "(b) connections kept over a slot, by Node and Java": [
        "test_connections.py::test_nodes_fetch_keeps_its_connections_over_a_slot",
        "test_connections.py::test_javas_client_with_tls_1_2"],
    "(c) a hundred and ten connections, and batches on fresh ones": [
        "test_connections.py::test_veros_sessions_batches_and_health"],
    "(d) a handshake for each signature, TLS 1.2": ["test_connections.py::test_bearssl_shakes_hands_for_each_signature"],
    "(e) one connection of HTTP/2": [
        "test_real_clients.py::test_gos_clients_choose_http_2", "test_corpus.py::test_the_answers_are_the_same_over_http2"],
    "resumption in both versions, by tickets": [
        "test_connections.py::test_s_client_of_one_version_resumes",
        "test_front_tls_clients.py::test_s_client_resumes_what_a_certificate_began"],
    "the Keep-Alive hint, longer than an epoch": [
        "test_connections.py::test_the_hint_is_longer_than_an_epoch",
        "test_front_http2.py::test_a_kept_connection_serves_the_next_slot"],
    "responses that Prysm forgets to close": ["test_connections.py::test_sockets_that_a_client_forgot"],
    "a connection that broke, and the same again": [
        "test_clients.py::test_nimbus", "test_front_many.py::test_half_open_and_slow_connections_are_bounded"],
    "TLS before HTTP/2: ALPN decides": ["test_front_http2.py::test_alpn"],
    # ---- who may ask ----
    "a client's certificate, of a list or an authority, from PKCS#12": [
        "test_front_tls_clients.py::test_curl_with_mutual_tls",
        "test_signer_standalone.py::test_lighthouses_own_certificates_and_list_of_clients"],
    "a password in the URL, sent at once": [
        "test_real_clients.py::test_prysm_with_a_password_in_its_url", "test_front_access.py::test_curl_with_basic"],
    "a password that Teku sends when it is asked with 401": [
        "test_connections.py::test_javas_client_with_tls_1_2", "test_front_access.py::test_basic_is_asked_for_on_every_path"],
    "a token in the path, since Node's fetch takes no password": [
        "test_connections.py::test_nodes_fetch_keeps_its_connections_over_a_slot"],
    # ---- the clients' notes ----
    "Lighthouse": ["test_clients.py::test_lighthouse"],
    "Prysm": ["test_clients.py::test_prysm"],
    "Nimbus": ["test_clients.py::test_nimbus"],
    "Teku: a body behind its head, its name in the metrics": [
        "test_clients.py::test_teku", "test_logs.py::test_clients_are_counted_by_their_user_agents"],
    "Lodestar: nothing is compressed": ["test_clients.py::test_lodestar", "test_wire.py::test_every_answer_says_what_it_is"],
    "Vero": ["test_clients.py::test_vero"],
    "Grandine": ["test_clients.py::test_grandine"],
    "SSV": ["test_clients.py::test_ssv"],
}


def test_each_statement_has_tests_that_are_there():
    there = {f"{file.name}::{node.name}" for folder in ("integration", "interop") for file in (TESTS / folder).glob("test_*.py")
             for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    for statement, claims in STATEMENTS.items():
        assert claims and set(claims) <= there, (statement, set(claims) - there)


# ---- bodies ----

def walked(value, change):
    """The value with change(value) at every level, from the inside."""
    if isinstance(value, dict):
        value = {name: walked(member, change) for name, member in value.items()}
    elif isinstance(value, list):
        value = [walked(member, change) for member in value]
    return change(value)


def bare(value):
    """Integers as numbers; those of more than 64 bits have to be quoted."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d+", value) and int(value) < 2 ** 64 else value


def quoted(value):
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def capitals(value):
    return "0x" + value[2:].upper() if isinstance(value, str) and value.startswith("0x") else value


def backwards(value):
    return dict(reversed(value.items())) if isinstance(value, dict) else value


def strange(value):
    return {"unknown": [1, {"a": None}], **value, "proofs": {"0": True}} if isinstance(value, dict) else value


def spelt(how):
    def change(value):
        if not isinstance(value, dict):
            return value
        return {name: how(member) if name in ("type", "version") else member for name, member in value.items()}
    return change


CLOTHES = {"integers bare": bare, "integers quoted": quoted, "hex in capitals": capitals, "members in another order": backwards,
           "unknown members": strange, "small letters": spelt(str.lower), "capitals": spelt(str.upper), "both": spelt(str.title)}


@pytest.mark.bar(1)
def test_the_clothes_do_not_matter(start, folder):
    """Each type in each fork: another spelling of the same message has the same signature."""
    signer = Signer(start, folder)
    ask, cases = Asker(signer), made(signer, "roots")
    assert len({case["type"] for case in cases}) >= 21
    for case in cases:
        for name, change in CLOTHES.items():
            assert ask(walked(case["request"], change)) == (200, case["signature"]), (case["type"], case["fork"], name)


def test_the_epoch_of_the_fork_may_be_any_before(start, folder):
    """Lodestar has the epoch of the signing slot there, Lighthouse that of the exit: only the versions say the fork."""
    signer = Signer(start, folder)
    ask, seen = Asker(signer), 0
    versions = json.loads(signer.oracle.read_text())["versions"]
    for case in made(signer, "roots"):
        fork = case["request"].get("fork_info", {}).get("fork")
        if fork and fork["current_version"] == versions[case["fork"]]:  # else it is of a fork to come, whose epoch counts
            seen += 1
            for epoch in ("0", fork["epoch"]):
                assert ask({**case["request"], "fork_info": {**case["request"]["fork_info"], "fork": {**fork, "epoch": epoch}}}) == (200, case["signature"])
    assert seen > 50


def in_gloas(signer, kind):
    """A request of that type in Gloas, and its signature."""
    return next((case["request"], case["signature"]) for case in made(signer, "roots") if (case["type"], case["fork"]) == (kind, "gloas"))


def test_a_base_fee_may_be_bare(start, folder):
    """uint256: as a number up to 2^64-1, quoted up to its last."""
    signer = Signer(start, folder)
    ask, (request, _) = Asker(signer), in_gloas(signer, "EXECUTION_PAYLOAD_ENVELOPE")
    envelope = request["execution_payload_envelope"]
    payload, signatures = envelope.get("data", envelope)["payload"], []
    for fee in (0, 7, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1):
        answers = set()
        for payload["base_fee_per_gas"] in (fee, str(fee)):
            answers.add(ask(request))
        assert len(answers) == 1
        signatures += answers
    for payload["base_fee_per_gas"] in (str(2 ** 64), str(2 ** 256 - 1)):
        signatures.append(ask(request))
    assert {status for status, _ in signatures} == {200} and len(set(signatures)) == 7
    for payload["base_fee_per_gas"] in (str(2 ** 256), 2 ** 64, "", "0x7", -1, 1.5, None, True, "\0" + "7"):
        assert ask(request)[0] == 400, payload["base_fee_per_gas"]


def test_booleans_are_bare(start, folder):
    signer = Signer(start, folder)
    ask, (request, _) = Asker(signer), in_gloas(signer, "PAYLOAD_ATTESTATION_MESSAGE")
    name, = (name for name in request if name.startswith("payload_attestation"))
    data, signatures = request[name].get("data", request[name]), set()
    for data["payload_present"] in (True, False):
        for data["blob_data_available"] in (True, False):
            signatures.add(ask(request))
    assert {status for status, _ in signatures} == {200} and len(signatures) == 4
    for data["payload_present"] in ("true", 1, None, "1"):
        status, why = ask(request)
        assert status == 400 and "payload_present" in why


def test_the_version_of_a_block_decides_its_form(start, folder):
    """As with the original: no header of phase0 and altair, no whole block later, and what is not of the form is ignored."""
    signer = Signer(start, folder)
    ask, cases = Asker(signer), {case["fork"]: case for case in made(signer, "roots") if case["type"] == "BLOCK_V2"}
    header = cases["fulu"]["request"]["beacon_block"]["block_header"]
    whole = cases["altair"]["request"]["beacon_block"]["block"]
    for fork, case in cases.items():
        old = fork in ("phase0", "altair")
        needed, other = ("block", header) if old else ("block_header", whole)
        version = case["request"]["beacon_block"]["version"]
        form = "block_header" if old else "block"
        status, why = ask({**case["request"], "beacon_block": {"version": version, form: other}})
        assert status == 400 and why == f"beacon_block.{needed}: is missing"
        assert ask({**case["request"], "beacon_block": {**case["request"]["beacon_block"], form: other}}) == (200, case["signature"])


GLOAS = [("EXECUTION_PAYLOAD_BID",), ("EXECUTION_PAYLOAD_ENVELOPE",), ("PAYLOAD_ATTESTATION_MESSAGE", "PAYLOAD_ATTESTATION"),
         ("PROPOSER_PREFERENCES",), ("BUILDER_REQUEST_AUTH", "REQUEST_AUTH")]
MEMBERS = {"PAYLOAD_ATTESTATION_MESSAGE": ("payload_attestation_message", "payload_attestation_data", "payload_attestation"),
           "BUILDER_REQUEST_AUTH": ("builder_request_auth", "request_auth")}


@pytest.mark.bar(1)
@pytest.mark.parametrize("kinds", GLOAS)
def test_every_shape_of_gloas_is_one_signature(start, folder, kinds):
    signer = Signer(start, folder)
    ask, (request, signature) = Asker(signer), in_gloas(signer, kinds[0])
    names = MEMBERS.get(kinds[0], (kinds[0].lower(),))
    given, = (name for name in request if name in names)
    value = request.pop(given)
    value = value.get("data", value) if "version" in value else value
    for kind in kinds:
        for name in names:
            for shape in (value, {"version": "GLOAS", "data": value}, {"data": value, "version": "gloas"}):
                assert ask({**request, "type": kind, name: shape}) == (200, signature), (kind, name)
    for shape in ({"version": "FULU", "data": value}, {"version": "GLOAS"}, {"data": value}):
        assert ask({**request, names[0]: shape, "type": kinds[0]})[0] == 400, shape.keys()
    two = {**request, **{name: copy.deepcopy(value) for name in names}}
    assert len(names) == 1 or ask({**two, "type": kinds[0]})[0] == 400


# ---- answers ----

def exchange(port, request):
    """All bytes of the answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as stream:
        try:
            stream.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had seen enough
        answer = b""
        while part := stream.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    return int(line.split()[1]), {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}, body.decode()


def http(method, path, headers="", body="", length=None):
    host = "" if "Host:" in headers else "Host: localhost\r\n"
    return f"{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length or len(body)}\r\n{host}{headers}\r\n{body}".encode()


RANDAO = json.dumps({"type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "9"}, "fork_info": {
    "fork": {"previous_version": "0x13000042", "current_version": "0x14000042", "epoch": "9"}, "genesis_validators_root": "0x" + "04" * 32}})
BROWSER = "accept-language: *\r\nsec-fetch-mode: cors\r\naccept-encoding: gzip, deflate\r\n"
SIGN = "/api/v1/eth2/sign/"
# Request, status, type of the answer; {} stands for a key that is there.
ANSWERS = [
    (http("POST", SIGN + "{}", BROWSER, RANDAO), 200, "text/plain; charset=utf-8"),
    (http("POST", SIGN + "{}", "Accept: application/json\r\n" + BROWSER, RANDAO), 200, "application/json; charset=utf-8"),
    (http("GET", "/upcheck", BROWSER), 200, "text/plain; charset=utf-8"),
    (http("GET", "/healthcheck", BROWSER), 200, "application/json;charset=UTF-8"),
    (http("GET", "/api/v1/eth2/publicKeys", BROWSER), 200, "application/json; charset=utf-8"),
    (http("POST", SIGN + "{}", BROWSER, "{"), 400, "application/json"),
    (http("POST", SIGN + "{}", BROWSER, '{"type":"RANDAO_REVEAL"}'), 400, "application/json"),
    (http("POST", SIGN + "{}", "Accept: text/plain\r\n", RANDAO.replace('"fork_info"', '"signingRoot": "0x' + "ee" * 32 + '", "fork_info"')), 400, "application/json"),
    (http("POST", SIGN + KEY_OF_NOBODY, "Accept: text/plain\r\n", RANDAO), 404, "application/json"),
    (http("GET", "/nothing"), 404, "application/json"),
    (http("DELETE", "/upcheck"), 405, "application/json"),
    (http("GET", "/upcheck", "Accept: image/png\r\n"), 406, "application/json"),
    (http("POST", SIGN + "{}", length=32 << 20 | 1), 413, "application/json"),
    (http("GET", "/" + "a" * 4096), 414, "application/json"),
    (http("GET", "/upcheck", "Expect: tea\r\n"), 417, "application/json"),
    (http("GET", "/upcheck", "X: " + "a" * 8192 + "\r\n"), 431, "application/json"),
    (http("GET", "/upcheck", "Origin: http://elsewhere\r\n"), 403, "application/json"),
    (http("GET", "/upcheck", "Host: elsewhere\r\n"), 403, "application/json; charset=utf-8"),
    (b"NONSENSE\r\n\r\n", 400, "application/json"),
]


def test_every_answer_says_what_it_is(start, folder):
    """Lodestar throws without a Content-Type, Nimbus reads {"error"} of errors, Grandine takes whatever has a signature for one;
    and nobody asked for compression in earnest."""
    signer = Signer(start, folder)
    key = Asker(signer).url.rpartition("/")[2]
    for request, wanted, content_type in ANSWERS:
        status, headers, body = exchange(signer.port, request.replace(b"{} ", key.encode() + b" "))
        assert (status, headers.get("content-type"), headers.get("content-encoding")) == (wanted, content_type, None), (request[:300], body)
        if status != 200:
            said = json.loads(body)
            assert "signature" not in said and isinstance(said.get("error", said.get("message")), str), body
    assert {status for _, status, _ in ANSWERS} == {200, 400, 403, 404, 405, 406, 413, 414, 417, 431}  # 401, 412, 503: test_front*.py


ASKED_FOR_KEYS = {"Prysm": "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n", "Nimbus": "Accept: application/json\r\n",
                  "Lodestar": "Accept: application/json\r\n" + BROWSER, "Grandine": "accept: */*\r\n", "Teku": "User-Agent: Java-http-client/21.0.4\r\n",
                  "Vero": "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: Vero/v1.4.1\r\n", "SSV": "User-Agent: Go-http-client/1.1\r\nAccept: application/json\r\n"}


def test_lists_of_keys_as_each_client_asks(start, folder):
    signer = Signer(start, folder)
    answers = [exchange(signer.port, http("GET", "/api/v1/eth2/publicKeys", headers)) for headers in ASKED_FOR_KEYS.values()]
    assert {(status, headers["content-type"]) for status, headers, _ in answers} == {(200, "application/json; charset=utf-8")}
    keys = json.loads(answers[0][2])
    assert len(keys) == 4 and all(re.fullmatch("0x[0-9a-f]{96}", key) for key in keys) and len({body for _, _, body in answers}) == 1


def test_refusals_are_counted_by_key_and_message(start, folder):
    """The same message with four keys is four, in a batch or alone, however often."""
    signer = Signer(start, folder, protection=True)
    keys = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json()

    def codes(root):
        answer = requests.post(f"{signer.url}/api/v1/eth2/sign", json={"identifiers": keys, "signing_request": vote(root)}, timeout=20)
        return {one["error"]["code"] if "error" in one else 200 for one in answer.json()}, samples(signer.metrics_port)["nitro_signer_slashing_refused_messages_total"]
    assert [codes(root) for root in (1, 2, 2, 1, 3)] == [({200}, 0), ({412}, 4), ({412}, 4), ({200}, 4), ({412}, 8)]
    assert requests.post(f"{signer.url}/api/v1/eth2/sign/{keys[2]}", json=vote(2), timeout=20).status_code == 412
    assert samples(signer.metrics_port)["nitro_signer_slashing_refused_messages_total"] == 8


# ---- types ----

COMMON = {"ATTESTATION", "BLOCK_V2", "AGGREGATION_SLOT", "RANDAO_REVEAL", "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF",
          "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "VOLUNTARY_EXIT", "VALIDATOR_REGISTRATION"}
OLD, NEW = {"AGGREGATE_AND_PROOF"}, {"AGGREGATE_AND_PROOF_V2"}
STANDARD = {"EXECUTION_PAYLOAD_ENVELOPE", "PAYLOAD_ATTESTATION_MESSAGE", "PROPOSER_PREFERENCES", "BUILDER_REQUEST_AUTH"}
# What each emits beside COMMON; the corpus has several rows of a client that changed its mind.
EMITTED = {
    "Lighthouse": OLD | {"EXECUTION_PAYLOAD_ENVELOPE", "PAYLOAD_ATTESTATION", "PROPOSER_PREFERENCES", "REQUEST_AUTH"},
    "Prysm": NEW | {"BLOCK"} | STANDARD, "Nimbus": OLD | NEW, "Teku": OLD | {"BLOCK"},
    "Lodestar": OLD | NEW | STANDARD | {"PAYLOAD_ATTESTATION", "BLS_TO_EXECUTION_CHANGE", "DEPOSIT", "INCLUSION_LIST"},
    "Vero": NEW, "Grandine": OLD, "SSV": OLD,
}


def test_the_corpus_has_every_type_that_a_client_emits(start, folder):
    """And no client without its aggregates of Electra in the form that it keeps for them."""
    signer = Signer(start, folder)
    types, late = {}, {}
    for one in make(folder, signer.oracle):
        if "duty" in one:
            name = one["client"].split()[0]
            types.setdefault(name, set()).add(one["type"])
            if one["fork"] in ("electra", "fulu") and one["duty"] == "AGGREGATE_AND_PROOF":
                late.setdefault(name, set()).add(one["type"])
    assert set(types) == set(EMITTED)
    for name, more in EMITTED.items():
        assert COMMON | more <= types[name], (name, (COMMON | more) - types[name])
    old = {name for name, kinds in late.items() if kinds == OLD}
    assert old == {"Lighthouse", "Teku", "Grandine", "SSV"} and all(late[name] == NEW for name in set(late) - old)


def test_the_oracle_is_of_one_version():
    """Types of one version with constants of another would be another oracle."""
    locked = json.loads((HERE.parents[1] / "package-lock.json").read_text())["packages"]
    assert locked["node_modules/@lodestar/types"]["version"] == locked["node_modules/@lodestar/params"]["version"]
