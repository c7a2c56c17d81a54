"""docs/migration-from-web3signer.md is true: our side of each row is shown by an exchange or a start here, by a test elsewhere that
is named here, or cannot be, and then it says why."""
import json
import pathlib
import re
import socket
import subprocess

import pytest

from test_signer_standalone import Signer, write_raw_keys
from test_signer_stores import database_options

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/migration-from-web3signer.md").read_text()
SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
KEY = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
GENESIS = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
FORK_INFO = {"fork": {"previous_version": "0x05000000", "current_version": "0x06000000", "epoch": "411392"},
             "genesis_validators_root": GENESIS}
TEXT, JSON, JSON_UTF8 = "text/plain; charset=utf-8", "application/json", "application/json; charset=utf-8"


# ---- what is asked ----

def ask(method, path, body=None, headers=(), host="localhost"):
    """A request of HTTP/1.1 as bytes; its connection is closed after the answer."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    body = body.encode() if isinstance(body, str) else body or b""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sign(message, *headers, key=KEY):
    return ask("POST", f"/api/v1/eth2/sign/{key}", message, headers)


def changed(message, path, value):
    """The message with another value at a.b.c; None takes the member away."""
    message = json.loads(json.dumps(message))
    *way, last = path.split(".")
    place = message
    for name in way:
        place = place[name]
    place[last] = value
    if value is None:
        del place[last]
    return message


RANDAO = {"type": "RANDAO_REVEAL", "fork_info": FORK_INFO, "randao_reveal": {"epoch": "420000"}}
HEADER = {"slot": "13440000", "proposer_index": "1", "parent_root": "0x" + "01" * 32, "state_root": "0x" + "02" * 32,
          "body_root": "0x" + "03" * 32}
BLOCK = {"type": "BLOCK_V2", "fork_info": FORK_INFO, "beacon_block": {"version": "FULU", "block_header": HEADER}}
DATA = {"slot": "13440000", "index": "0", "beacon_block_root": "0x" + "01" * 32, "source": {"epoch": "419998", "root": "0x" + "02" * 32},
        "target": {"epoch": "420000", "root": "0x" + "03" * 32}}
ATTESTATION = {"type": "ATTESTATION", "fork_info": FORK_INFO, "attestation": DATA}
EXIT = {"type": "VOLUNTARY_EXIT", "fork_info": FORK_INFO, "voluntary_exit": {"epoch": "200000", "validator_index": "1"}}
AGGREGATE = {"type": "AGGREGATE_AND_PROOF_V2", "fork_info": FORK_INFO, "aggregate_and_proof": {"version": "FULU", "data": {
    "aggregator_index": "1", "selection_proof": "0x" + "01" * 96, "aggregate": {
        "aggregation_bits": "0xffff01", "committee_bits": "0x0100000000000000", "signature": "0x" + "01" * 96, "data": DATA}}}}
SYNC = {"type": "SYNC_COMMITTEE_MESSAGE", "fork_info": FORK_INFO, "sync_committee_message": {"beacon_block_root": "0x" + "01" * 32, "slot": "5"}}
CHANGE = {"type": "BLS_TO_EXECUTION_CHANGE", "fork_info": FORK_INFO, "BLS_TO_EXECUTION_CHANGE": {
    "validator_index": "1", "from_bls_pubkey": KEY, "to_execution_address": "0x" + "01" * 20}}
TIMELINESS = {"type": "PAYLOAD_ATTESTATION_MESSAGE", "fork_info": FORK_INFO, "payload_attestation_message": {"version": "GLOAS", "data": {
    "beacon_block_root": "0x" + "01" * 32, "slot": "13440000", "payload_present": True, "blob_data_available": False}}}
PROOF = '{"type":"PROOF_OF_VALIDATION","platform":"AT","timestamp":"1634025600000"}'
MANAGER, BOOST = "/eth/v1/keystores", "/signer/v1/generate_proxy_key"
TEXT_OF_RANDAO = json.dumps(RANDAO)
# What a published keystore of EIP-2335 is without its pubkey: refused before anything is opened.
NO_PUBKEY = json.dumps({"crypto": {}, "path": "", "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f", "version": 4})

# Row: requests in their order, each with status, content type and a part of the answer, head included.
EXCHANGES = {
    "H1": [(ask("GET", "/nowhere"), 404, JSON, '{"error":"Resource not found"}'), (ask("PUT", "/upcheck"), 405, JSON, '{"error":'),
           (ask("GET", "/api/v1/eth2/publicKeys", headers=["Accept: text/html"]), 406, JSON, '{"error":'),
           (sign({"type": "NONE"}), 400, JSON, '{"error":"type: '), (sign(RANDAO, key="0x12"), 404, JSON, '{"error":"identifier: ')],
    "H2": [(ask("GET", "/upcheck", headers=["Accept: application/json"]), 200, JSON_UTF8, '{"status":"OK"}'),
           (ask("GET", "/upcheck"), 200, TEXT, "\r\n\r\nOK")],
    "H3": [(ask("GET", "//upcheck"), 200, TEXT, "OK"), (ask("GET", "//api//v1/eth2/publicKeys"), 200, JSON_UTF8, KEY)],
    "H4": [(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n" + ask("GET", "/upcheck"), 200, TEXT, "\r\nkeep-alive: timeout=800\r\n")],
    "H5": [(ask("GET", "/upcheck", headers=["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]), 200, TEXT, "\r\n\r\nOK")],
    "H6": [(sign(TEXT_OF_RANDAO[:-1] + ',"x":"' + "a" * 10485760 + '"}'), 413, JSON, "10485760")],
    "H7": [(sign(RANDAO, "Content-Type: multipart/form-data; boundary=x"), 200, TEXT, "0x"),
           (sign(RANDAO, "Content-Type: application/xml"), 200, TEXT, "0x")],
    "H10": [(ask("GET", "/upcheck", headers=["X-Request-Id: one.2"]), 200, TEXT, "\r\nx-request-id: one.2\r\n")],
    "H12": [(ask("POST", "/api/v1/eth2/sign", {"identifiers": [KEY], "signing_request": RANDAO}), 200, JSON_UTF8, '[{"identifier":"' + KEY)],
    "H13": [(ask("GET", "/attestation?nonce=00"), 404, JSON, '{"error":"Resource not found"}')],
    "S1": [(sign(changed(RANDAO, "signingRoot", "0x" + "11" * 32)), 400, JSON, "0x" + "11" * 32 + " was sent, but the message's is 0x"),
           (sign(changed(RANDAO, "signing_root", "0x11")), 400, JSON, "signing_root: must be 32 bytes")],
    "S2": [(sign(changed(RANDAO, "fork_info", None)), 400, JSON, "fork_info: is missing"),
           (sign(changed(RANDAO, "randao_reveal", None)), 400, JSON, "randao_reveal: is missing"),
           (sign(changed(ATTESTATION, "attestation.target.epoch", None)), 400, JSON, "attestation.target.epoch: is missing"),
           (sign(changed(RANDAO, "fork_info.fork.epoch", None)), 400, JSON, "fork_info.fork.epoch: is missing"),
           (sign(changed(AGGREGATE, "aggregate_and_proof.data.aggregate.committee_bits", "0x01")), 400, JSON, "committee_bits: must be 8 bytes"),
           (sign(SYNC), 400, JSON, "slot: must not be before Altair")],
    "S3": [(sign("null"), 400, JSON, "error"), (sign(TEXT_OF_RANDAO.replace('"RANDAO_REVEAL"', "null")), 400, JSON, "type: must be a string")],
    "S4": [(sign(changed(RANDAO, "type", 4)), 400, JSON, "type: must be a string")],
    "S5": [(sign(TEXT_OF_RANDAO[:-1] + ',"type":"RANDAO_REVEAL"}'), 400, JSON, "a member twice"),
           (sign(dict(RANDAO, signingRoot="0x" + "11" * 32, signing_root="0x" + "11" * 32)), 400, JSON, "given twice")],
    "S6": [(sign(TEXT_OF_RANDAO + " {}"), 400, JSON, "malformed"), (sign(TEXT_OF_RANDAO + "\n"), 200, TEXT, "0x")],
    "S7": [(sign(changed(RANDAO, "fork_info.genesis_validators_root", "0x04")), 400, JSON, "genesis_validators_root: must be 32 bytes")],
    "S8": [(sign(changed(RANDAO, "randao_reveal.epoch", "+420000")), 400, JSON, "randao_reveal.epoch: must be a decimal number"),
           (sign(changed(RANDAO, "randao_reveal.epoch", "0420000")), 200, TEXT, "0x")],
    "S9": [(sign(TEXT_OF_RANDAO[:-1] + ',"x":' + "[" * 32 + "]" * 32 + "}"), 400, JSON, "deeper than 32 levels"),
           (sign(TEXT_OF_RANDAO[:-1] + ',"x":' + "[" * 31 + "]" * 31 + "}"), 200, TEXT, "0x"),
           (sign(TEXT_OF_RANDAO[:-1] + ',"x":"\\u0000"}'), 400, JSON, "malformed"), (sign(TEXT_OF_RANDAO[:-1] + ',"x":"\\ud800"}'), 400, JSON, "malformed"),
           (sign(TEXT_OF_RANDAO[:-1] + ',"x":18446744073709551616}'), 400, JSON, "out of range"),
           (sign(TEXT_OF_RANDAO[:-1] + ',"x":18446744073709551615}'), 200, TEXT, "0x")],
    "S10": [(sign(changed(BLOCK, "beacon_block.version", "fulu")), 200, TEXT, "0x")],
    "S11": [(sign(changed(BLOCK, "beacon_block", {"data": BLOCK["beacon_block"]})), 400, JSON, "beacon_block.version: is missing")],
    "S14": [(sign(CHANGE), 200, TEXT, "0x"), (sign(TIMELINESS), 200, TEXT, "0x")],
    "S15": [(sign(RANDAO, key="0X" + KEY[2:]), 404, JSON, "identifier: "), (sign(RANDAO, key=KEY[2:].upper()), 200, TEXT, "0x")],
    "S17": [(sign(ATTESTATION), 200, TEXT, "0x"),
            (sign(changed(ATTESTATION, "attestation.beacon_block_root", "0x" + "ff" * 32)), 412, JSON,
             '"code":"double_vote","recorded_source_epoch":"419998","recorded_target_epoch":"420000"}')],
    "P2": [(sign(BLOCK), 200, TEXT, "0x"),
           (sign(changed(BLOCK, "beacon_block.block_header.slot", "13439999")), 412, JSON, "slot_below_watermark"),
           (sign(ATTESTATION), 200, TEXT, "0x"),
           (sign(changed(ATTESTATION, "attestation.source.epoch", "419997")), 412, JSON, "source_below_watermark"),
           (sign(changed(changed(ATTESTATION, "attestation.source.epoch", "419997"), "attestation.target.epoch", "420001")), 412, JSON,
            "source_below_watermark"),
           (sign(changed(ATTESTATION, "attestation.target.epoch", "419999")), 412, JSON, "target_below_watermark")],
    "K2": [(ask("POST", MANAGER, {"keystores": [NO_PUBKEY], "passwords": ["x"]}), 200, JSON_UTF8, '"status":"error","message":"')],
    "K6": [(ask("DELETE", MANAGER, {"pubkeys": ["0x12"]}), 200, JSON_UTF8, '{"status":"error","message":"not a public key"}')],
    "X3": [(ask("POST", BOOST, {"pubkey": KEY, "scheme": "RSA"}), 400, JSON_UTF8, '{"code":400,"message":"scheme: ')],
    "X5": [(ask("POST", f"/api/v1/eth2/ext/sign/{KEY}", " " + PROOF), 400, JSON_UTF8, "error"),
           (ask("POST", f"/api/v1/eth2/ext/sign/{KEY}", PROOF), 200, JSON_UTF8, '"payload":"')],
    "X6": [(ask("POST", f"/api/v1/eth2/ext/sign/{KEY}", {"type": "PROOF_OF_VALIDATION"}), 400, JSON_UTF8, "platform: is missing")],
}
OPTIONS = {
    "K2": ["--key-manager-api-enabled=true"], "K6": ["--key-manager-api-enabled=true"],
    "X3": ["--commit-boost-api-enabled=true", "--proxy-keystores-path={}/proxies", "--proxy-keystores-password-file={}/password"],
    "X5": ["--Xsigning-ext-enabled=true"], "X6": ["--Xsigning-ext-enabled=true"],
}

# Row: command lines of nitro-signer that end at once, each with its status and a part of what it says.
STORE = "--slashing-protection-db-path={}/p.sqlite"
STARTS = {
    "P13": [(["eth2", STORE, "watermark-repair", "--epoch=5"], 2, "--slot: required"), (["eth2", STORE, "watermark-repair", "--slot=5"], 2, "--epoch: required")],
    "P15": [(["eth2", "--slashing-protection-db-url=jdbc:postgresql:web3signer"], 2, "must begin with jdbc:postgresql://"),
            (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h1,h2/db"], 2, "--slashing-protection-db-url: host: must be one"),
            (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h/db?currentSchema=x"], 2, "--slashing-protection-db-url: parameter currentSchema: not known")],
    "P17": [(["eth2", STORE, "watermark-repair", "--set-high-watermark", "--remove-high-watermark"], 2, "--remove-high-watermark: cannot be given")],
    "L6": [(["eth2", STORE, "--aws-secrets-enabled=true", "--aws-secrets-auth-mode=ENVIRONMENT", "--aws-endpoint-override=http://localhost"],
            2, "--aws-endpoint-override: must begin with https://")],
    "X1": [(["eth1", "--chain-id=1"], 2, "eth1 is a mode that is not here")],
    "T1": [(["--tls-keystore-file={}/password", "--tls-keystore-password-file={}/password", "--tls-known-clients-file={}/absent", "eth2", STORE],
            1, "--tls-known-clients-file: {}/absent: No such file")],
    "C3": [(["@{}/password", "eth2", STORE], 2, "expected the word eth2 or an option")],
    "C4": [(["eth2", STORE, f"--network={name}"], 2, "--network: neither a known name nor a usable configuration file")
           for name in ("lukso", "ephemery", "swift", "less-swift", "https://example.org/config.yaml")],
}

# Row: tests elsewhere that show it.
HELD = {
    "K8": ["tests/unit/base/test_process_landlock.c::a_folder_to_read_is_read_and_no_other", "tests/unit/loader/test_loader_sandbox.c::files_are_those_of_the_options"],
    "K9": ["tests/unit/keystore/test_key_sources.c::bulk_folder_with_one_password_for_all"],
    "H4": ["tests/integration/test_front_clients.py::test_keep_alive_is_announced_and_idle_connections_end"],
    "H5": ["tests/integration/test_front_http2.py::test_alpn", "tests/integration/test_front_http2.py::test_curl_speaks_either_version"],
    "H6": ["tests/integration/test_front_clients.py::test_a_body_of_ten_mebibytes_is_read_and_one_more_byte_is_not", "tests/interop/test_envelope.py::test_a_large_envelope"],
    "H8": ["tests/integration/test_front_access.py::test_origins_that_are_none", "tests/integration/test_front_access.py::test_listed_origins"],
    "H9": ["tests/integration/test_front_many.py::test_those_who_never_asked_make_room_first"],
    "H10": ["tests/integration/test_logs.py::test_ids_are_this_processes_own_unless_the_client_has_a_sane_one"],
    "H11": ["tests/integration/test_front_access.py::test_basic_or_a_token", "tests/integration/test_signer_standalone.py::test_credentials_and_origins_by_the_options_of_the_program"],
    "H13": ["tests/integration/test_attestation.py::test_a_document_for_the_nonce", "tests/integration/test_attestation.py::test_only_in_an_enclave"],
    "S16": ["tests/integration/test_signer_stores.py::test_when_the_database_stops_nothing_is_signed_and_when_it_is_back_all_is_well",
            "tests/integration/test_front.py::test_no_answer_is_503_after_ten_seconds"],
    "S18": ["tests/integration/test_batch.py::test_too_many_batches_at_once", "tests/integration/test_batch.py::test_lone_requests_and_health_pass_batches_that_wait"],
    "P1": ["tests/integration/test_signer_standalone.py::test_the_slashing_record_survives_a_restart",
           "tests/integration/test_signer_stores.py::test_records_in_dynamodb_survive", "tests/integration/test_signer_stores.py::test_a_drop_in_on_web3signers_database"],
    "P3": ["tests/integration/test_limits.py::test_nothing_far_ahead_of_the_clock_is_signed"],
    "P4": ["tests/integration/test_options.py::test_what_means_nothing_here_is_told_in_one_line"],
    "P5": ["tests/integration/test_reload.py::test_removed_keys_stop_signing_and_stay_disabled", "tests/integration/test_reload.py::test_an_empty_folder_stops_all_signing_and_disables_nothing"],
    "P7": ["tests/integration/test_interchange.py::test_a_file_with_a_mistake_imports_nothing"],
    "P9": ["tests/integration/test_interchange.py::test_a_complete_history_becomes_watermarks"],
    "P10": ["tests/integration/test_interchange.py::test_the_store_is_the_signers_while_it_runs", "tests/integration/test_interchange_postgresql.py::test_an_import_beside_a_signer"],
    "P11": ["tests/integration/test_interchange.py::test_a_complete_history_becomes_watermarks"],
    "P12": ["tests/integration/test_interchange.py::test_watermarks_are_repaired_upwards_only"],
    "P14": ["tests/integration/test_limits.py::test_the_high_watermark_is_set_kept_and_removed"],
    "P16": ["tests/integration/test_limits.py::test_a_store_put_back_yields_no_second_vote", "tests/integration/test_signer_stores.py::test_single_mode_fences_the_signer_before"],
    "K1": ["tests/integration/test_key_manager.py::test_a_bearer_token"],
    "K2": ["tests/integration/test_key_manager.py::test_a_keystore_that_cannot_be_used"],
    "K3": ["tests/integration/test_key_manager.py::test_a_key_whose_history_reaches_the_high_watermark_is_not_imported",
           "tests/unit/keeper/test_keeper_manage.c::a_history_that_cannot_be_recorded_is_no_import"],
    "K4": ["tests/integration/test_key_manager.py::test_requests_that_are_none", "tests/integration/test_key_manager.py::test_a_keystore_that_cannot_be_used"],
    "K5": ["tests/integration/test_key_manager.py::test_keys_from_elsewhere_are_not_deleted"],
    "K7": ["tests/integration/test_key_manager.py::test_the_exchanges_of_the_original"],
    "X2": ["tests/integration/test_commit_boost.py::test_limit_of_a_key", "tests/integration/test_commit_boost.py::test_more_at_once_than_wait"],
    "X4": ["tests/unit/wallet/test_wallet.c::work_and_memory_are_bounded"],
    "L3": ["tests/integration/test_reload.py::test_files_that_are_broken"],
    "L4": ["tests/integration/test_loader.py::test_scrypt_that_wants_too_much_memory_is_refused"],
    "L5": ["tests/integration/test_key_sources.py::test_one_broken_document_of_many_leaves_the_health_down"],
    "L7": ["tests/integration/test_key_sources.py::test_credentials_from_the_environment_and_from_a_file"],
    "L8": ["tests/unit/keeper/test_keeper_reload.c::a_first_loader_that_hangs_ends_the_start", "tests/integration/test_supervisor.py::test_a_loader_may_fail_crash_and_hang"],
    "M5": ["tests/integration/test_metrics.py::test_counters_move_by_exactly_what_was_asked"],
    "M1": ["tests/integration/test_metrics.py::test_the_page_lists_exactly_what_is_served"],
    "M2": ["tests/integration/test_metrics.py::test_durations_are_durations"],
    "M3": ["tests/integration/test_front_many.py::test_health_is_answered_while_signing_is_saturated"],
    "M4": ["tests/integration/test_logs.py::test_each_line_of_every_process_is_of_the_format", "tests/integration/test_logs.py::test_a_refusal_by_slashing_protection_is_a_line_with_its_request"],
    "T2": ["tests/integration/test_front_tls_clients.py::test_an_authority_lets_its_clients_in", "tests/integration/test_front_tls_clients.py::test_the_machines_authorities_know_nobody_of_ours"],
    "T3": ["tests/integration/test_front_tls_clients.py::test_forms_of_the_list"],
    "T4": ["tests/integration/test_front_tls_clients.py::test_the_list_decides_and_not_what_a_certificate_says_of_itself"],
    "C1": ["tests/integration/test_options.py::test_what_means_nothing_here_is_told_in_one_line", "tests/integration/test_options.py::test_what_is_not_here_is_refused_by_name"],
    "C2": ["tests/integration/test_options.py::test_variables_that_are_not_options"],
    "C5": ["tests/integration/test_options.py::test_a_password_of_the_environment_goes_no_further"],
}

# Row: why nothing can show it.
UNSEEN = {"C6": "there is no image to be looked at"}


# ---- asking ----

def exchange(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as stream:
        try:
            stream.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it had seen enough
        answer = b""
        while part := stream.recv(65536):
            answer += part
    return answer.decode("latin-1")


@pytest.fixture
def serve(start, folder):
    def make(*options, store=True):
        write_raw_keys(folder, {SECRET})
        (folder / "password").write_text("a password of proxies\n")
        protection = [f"--slashing-protection-db-path={folder}/p.sqlite", "--slashing-protection-far-future-epochs=any"] if store else []
        return Signer(start, folder, [*protection, *(option.replace("{}", str(folder)) for option in options)])
    return make


@pytest.mark.parametrize("row", EXCHANGES)
def test_exchanges(serve, row):
    signer = serve(*OPTIONS.get(row, []))
    for request, status, content_type, part in EXCHANGES[row]:
        answer = exchange(signer.port, request)
        head = answer.split("\r\n\r\n")[0]
        got = int(answer.split()[1]), re.search(r"^content-type: (.*)$", head.replace("\r", ""), re.MULTILINE)[1]
        assert got == (status, content_type) and part in answer, (request[:200], answer)


@pytest.mark.parametrize("row", STARTS)
def test_starts(bin_dir, folder, row):
    (folder / "password").write_text("--http-listen-port=0\n")
    for words, status, part in STARTS[row]:
        done = subprocess.run([bin_dir / "nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}",
                               *(word.replace("{}", str(folder)) for word in words)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == status and part.replace("{}", str(folder)) in done.stderr, (words, done)


def signature(signer, message):
    answer = exchange(signer.port, sign(message))
    assert answer.startswith("HTTP/1.1 200 "), answer
    return answer.split("\r\n\r\n")[1]


def test_s12_an_aggregate_is_of_its_version(serve):
    signer = serve()
    fulu, bare = signature(signer, AGGREGATE), dict(AGGREGATE, aggregate_and_proof=AGGREGATE["aggregate_and_proof"]["data"])
    assert signature(signer, bare) == fulu != signature(signer, changed(AGGREGATE, "aggregate_and_proof.version", "DENEB"))


def test_s13_an_exit_within_capella_has_capellas_version(serve):
    """194048 is Capella's epoch on mainnet, 269568 Deneb's."""
    signer = serve()
    capella = {"previous_version": "0x02000000", "current_version": "0x03000000", "epoch": "194048"}
    assert signature(signer, EXIT) == signature(signer, changed(EXIT, "fork_info.fork", capella))
    earlier = changed(EXIT, "voluntary_exit.epoch", "194047")
    assert signature(signer, earlier) != signature(signer, changed(earlier, "fork_info.fork", capella))


def history(*validators):
    return json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": GENESIS, "by": "somebody"},
                       "data": [{"pubkey": KEY, "signed_blocks": [], "signed_attestations": [], "note": 1, **one} for one in validators]})


def test_p8_unknown_members_and_the_way_of_the_page(serve, bin_dir, folder):
    """Step 3: a history in, the first signature above it, and out again."""
    (folder / "history.json").write_text(history({"signed_blocks": [{"slot": "13440000", "proposer": "1"}]}))
    store = f"--slashing-protection-db-path={folder}/p.sqlite"
    subprocess.run([bin_dir / "nitro-signer", "eth2", store, "import", f"--from={folder}/history.json"], check=True, timeout=30)
    signer = serve()
    assert "slot_below_watermark" in exchange(signer.port, sign(changed(BLOCK, "beacon_block.block_header.slot", "13439999")))
    signature(signer, changed(BLOCK, "beacon_block.block_header.slot", "13440001"))
    assert f"listening on http://127.0.0.1:{signer.port} with 1 keys (0 failed to load)\n" in signer.process.log()
    assert '"status":"UP"' in exchange(signer.port, ask("GET", "/healthcheck"))
    signer.process.terminate()
    subprocess.run([bin_dir / "nitro-signer", "eth2", store, "export", f"--to={folder}/out.json"], check=True, timeout=30)
    (out,) = json.loads((folder / "out.json").read_text())["data"]
    assert [block["slot"] for block in out["signed_blocks"]] == ["13440001"]


def test_p6_a_validator_that_is_enabled_again_somewhere_else(start, folder, postgres_database):
    write_raw_keys(folder, {SECRET})
    signer = Signer(start, folder, database_options(postgres_database, "--slashing-protection-far-future-epochs=any"))
    signature(signer, ATTESTATION)
    later = changed(ATTESTATION, "attestation.target.epoch", "420001")
    for enabled in (False, True):
        postgres_database.query("UPDATE validators SET enabled = %s", (enabled,))
        assert '"code":"validator_disabled"' in exchange(signer.port, sign(later))
    signer.process.terminate()
    signature(Signer(start, folder, database_options(postgres_database, "--slashing-protection-far-future-epochs=any")), later)


@pytest.mark.parametrize("kind, failed", [("azure-secret", 1), ("azure-key", 0)])
def test_l1_sources_that_are_not_here(serve, folder, kind, failed):
    """Keys of the other mode are passed over, as there."""
    (folder / "keys").mkdir()
    (folder / "keys/one.yaml").write_text(f"type: {kind}\nclientId: x\n")
    answer = exchange(serve().port, ask("GET", "/healthcheck"))
    assert answer.startswith("HTTP/1.1 503 " if failed else "HTTP/1.1 200 ") and f'"keys-loaded":1,"error-count":{failed}' in answer


def test_l2_documents_that_say_two_things(serve, folder):
    (folder / "keys").mkdir()
    (folder / "keys/one.yaml").write_text(f'type: file-raw\nprivateKey: "{SECRET}"\nprivateKey: "0x{"11" * 32}"\n')
    (folder / "keys/two.yaml").write_text(f'x: &key "0x{"11" * 32}"\n---\ntype: file-raw\nprivateKey: *key\n')
    signer = serve()
    assert KEY in exchange(signer.port, ask("GET", "/api/v1/eth2/publicKeys")) and "stands twice" in signer.process.log()
    assert "anchors and aliases are not allowed" in signer.process.log()


# ---- the page itself ----

def rows():
    return re.findall(r"^\| ([A-Z]\d+) \|", PAGE, re.MULTILINE)


def test_every_row_is_shown_or_says_why_not():
    there = rows()
    assert len(there) == len(set(there)) > 60
    here = set(re.findall(r"\ndef test_([a-z]\d+)_", pathlib.Path(__file__).read_text()))
    shown = set(EXCHANGES) | set(STARTS) | set(HELD) | set(UNSEEN) | {name.upper() for name in here}
    assert set(there) == shown, (set(there) - shown, shown - set(there))
    assert not set(UNSEEN) & (set(EXCHANGES) | set(STARTS) | set(HELD))


def test_rows_have_four_cells_and_stand_in_order():
    for line in PAGE.split("\n"):
        if re.match(r"\| [A-Z]\d+ \|", line):
            assert len(line.split(" | ")) in (3, 4) and line.endswith("|"), line
    for letter in sorted({row[0] for row in rows()}):
        numbers = [int(row[1:]) for row in rows() if row[0] == letter]
        assert numbers == list(range(1, len(numbers) + 1)), letter


@pytest.mark.parametrize("row", HELD)
def test_tests_elsewhere_are_there(row):
    for claim in HELD[row]:
        file, name = claim.split("::")
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text()), claim
