"""The log: its formats, request ids, the access log; and what never stands in it."""
import json
import os
import re
import subprocess
import time

import pytest
import requests

from front_process import ATTESTATION, FORK_INFO, IDENTIFIER, front, post, randao  # noqa: F401 - front is a fixture
from http2_client import Http2
from scripted_keeper import BAD_ORDER, INTERNAL, ROOT_DIFFERS, SLASHABLE, STORE, UNKNOWN_KEY, answer, order_fields
from test_signer_standalone import Signer, write_raw_keys

SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
JSON_FORMATS = {"JSON": "message", "ECS": "message", "GCP": "message", "GELF": "short_message", "LOGSTASH": "message"}
MEMBERS = {
    "JSON": {"timestamp", "level", "program", "pid", "message"},
    "ECS": {"@timestamp", "log.level", "message", "ecs.version", "service.name", "process.pid", "log.logger"},
    "GCP": {"severity", "timestamp", "message"},
    "GELF": {"version", "host", "short_message", "timestamp", "level"},
    "LOGSTASH": {"@timestamp", "@version", "message", "level", "logger_name"},
}


def signer(start, folder, *arguments):
    write_raw_keys(folder, {SECRET})
    return Signer(start, folder, ("--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"), arguments)


def objects(log):
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_each_line_of_every_process_is_of_the_format(start, folder, name):
    running = signer(start, folder, f"--logging-format={name}", "--logging=DEBUG")
    deadline = time.monotonic() + 20
    while "nitro-signer-loader" not in running.process.log() and time.monotonic() < deadline:
        time.sleep(0.02)  # its last words may come after the signer is ready
    assert running.process.terminate() == 0
    lines = objects(running.process.log())
    assert all(MEMBERS[name] <= line.keys() for line in lines)
    programs = {str(line.get("program") or line.get("log.logger") or line.get("logger") or line.get("_logger") or
                    line.get("logger_name")) for line in lines}
    assert {"nitro-signer", "nitro-signer-keeper", "nitro-signer-front", "nitro-signer-loader"} <= programs
    assert any("listening on" in line[JSON_FORMATS[name]] for line in lines)


def test_plain_is_the_default_and_has_lines_of_text(start, folder):
    running = signer(start, folder)
    assert running.process.terminate() == 0
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) [a-z-]+: .+")
    assert all(form.fullmatch(line) for line in running.process.log().splitlines())


@pytest.mark.parametrize("arguments", [["--logging-format=json", "eth2"], ["--log-format=Json", "eth2"]])
def test_mistakes_behind_the_option_are_in_its_format(start, folder, arguments):
    process = start("nitro-signer", *arguments, "--network=nowhere", f"--slashing-protection-db-path={folder}/p", ready=False)
    assert process.wait(10) == 2
    assert [line["level"] for line in objects(process.log())] == ["error"]


def test_a_format_that_is_none_is_refused(start):
    process = start("nitro-signer", "--logging-format=XML", "eth2", ready=False)
    assert process.wait(10) == 2
    assert "--logging-format: must be one of PLAIN, JSON, ECS, GCP, GELF, LOGSTASH" in process.log()


@pytest.mark.parametrize("program, arguments", [
    ("nitro-signer-front", ()), ("nitro-signer-keeper", ()), ("nitro-signer-loader", ()), ("nitro-signer-courier", ("--kms-via=unix:/x",)),
    ("nitro-signer-enclave", ()), ("nitro-signer-proxy", ()), ("nitro-signer-devcloud", ()),
    ("nitro-signer-watchdog", ("--control=unix:/x", "--items=/x", "--credentials=/x", "--policy=/x", "--", "/bin/false")),
    ("nitro-signer-interchange", ("--store=/x",)), ("nitro-signer-ctl", ("status",))])
def test_every_program_knows_the_option(start, program, arguments):
    verb = ["remove-high-watermark"] if program == "nitro-signer-interchange" else []
    refused = start(program, *verb, "--log-format=xml", *arguments, ready=False)
    assert refused.wait(20) == 2
    assert "--log-format: log format must be one of plain, json, ecs, gcp, gelf, logstash" in refused.log()


# ---- lines about requests: the front under a scripted keeper ----

PROBLEM = {"program", "request_id", "client", "user_agent", "method", "path", "status", "duration_us"}
TOKEN, OTHER = "a" * 20 + "Token", "b" * 20 + "Other"


def lines_of(front, wanted=1, match=lambda line: "request_id" in line):
    """Those of its lines that match; waits for as many as are wanted."""
    deadline = time.monotonic() + 10
    while True:
        found = [line for line in objects(front.process.log().rpartition("\n")[0]) if match(line)]
        if len(found) >= wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def test_a_refusal_by_slashing_protection_is_a_line_with_its_request(front):
    f = front("--log-format=json")
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, verdict=7)
    reply = f.sign(ATTESTATION, headers={"User-Agent": "Lighthouse/v5", "X-Request-Id": "duty-17.a_B"})
    assert reply.status_code == 412 and reply.headers["x-request-id"] == "duty-17.a_B"
    line, = lines_of(f)
    assert PROBLEM <= line.keys() and line["level"] == "warn"
    assert line["message"] == reply.json()["error"] and reply.json()["code"] in line["message"]
    assert (line["request_id"], line["status"], line["outcome"], line["type"]) == ("duty-17.a_B", 412, "slashing_protection", "ATTESTATION")
    assert line["pubkey"] == IDENTIFIER and line["user_agent"] == "Lighthouse/v5" and line["method"] == "POST"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", line["client"]) and 0 < line["duration_us"] < 10**7


@pytest.mark.parametrize("status, decide, outcome", [
    (404, UNKNOWN_KEY, "unknown_key"), (400, ROOT_DIFFERS, "signing_root_differs"), (500, STORE, "store_error"),
    (500, INTERNAL, "failed"), (400, BAD_ORDER, "malformed")])
def test_what_the_keeper_does_not_sign_is_a_line(front, status, decide, outcome):
    f = front("--log-format=json")
    f.keeper.decide = lambda order: answer(order_fields(order)[0], decide)
    reply = f.sign(randao(signingRoot="0x" + "11" * 32))
    line, = lines_of(f)
    assert (line["status"], line["outcome"], line["type"], line["message"]) == (status, outcome, "RANDAO_REVEAL", reply.json()["error"])
    assert line["level"] == ("error" if status == 500 else "warn")


@pytest.mark.parametrize("body, status, message", [
    (b"{", 400, "malformed JSON"), (b'{"type":"RANDAO_REVEAL"}', 400, "fork_info: is missing"),
    (json.dumps({"type": "DEPOSIT", "x": "y" * 11000000}).encode(), 413, "longer than")],
    ids=["no JSON", "a member is missing", "too long"])
def test_a_malformed_request_is_a_line_that_says_why(front, body, status, message):
    f = front("--log-format=json")
    assert f.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", body).status_code == status
    line, = lines_of(f)
    assert line["status"] == status and message in line["message"] and line["pubkey"] == IDENTIFIER


def test_requests_that_are_none_are_lines_too(front):
    f = front("--log-format=json")
    f.raw(b"GET / HTTP/1.1\r\n\r\n")
    f.raw(b"\x16\x03\x01\x02\x00\x01\x00\n\n")
    f.raw(b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n")
    assert [line["status"] for line in lines_of(f, 3)] == [400, 400, 414]
    assert len({line["request_id"] for line in lines_of(f)}) == 3


def test_ids_are_this_processes_own_unless_the_client_has_a_sane_one(front):
    f = front("--log-format=json")
    sent = [None, "", "x" * 65, "a b", "ü", 'a"b', "a;b", "a/b", "x" * 64, "A-z.0_9"]
    for one in sent:
        reply = f.request("GET", "/nothing", headers={"X-Request-Id": one.encode() if one is not None else None})
        assert reply.headers.get("x-request-id") == (one if one in sent[-2:] else None)
    ids = [line["request_id"] for line in lines_of(f, len(sent))]
    assert ids[-2:] == sent[-2:] and len(set(ids)) == len(sent)
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", one) for one in ids[:-2]) and len({one[:16] for one in ids[:-2]}) == 1


def test_without_an_id_of_the_client_the_reply_is_byte_for_byte_the_same(front):
    f = front("--access-logs")
    got = f.raw(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"request-id" not in got.lower()


HOSTILE = [bytes([c]) * 3 for c in range(0x20, 0x100) if c != 0x7f] + [b'"},{"level":"error"', b"\\u0000\\", b"x" * 4000, b"\xed\xa0\x80"]


@pytest.mark.parametrize("name", ["plain", "json", "ecs", "gcp", "gelf", "logstash"])
def test_hostile_bytes_do_not_break_a_line(front, name):
    f = front(f"--log-format={name}", "--access-logs")
    for text in HOSTILE:
        f.raw(b"GET /%25" + text.replace(b" ", b"")[:200].hex().encode() + b"%C3%28%ED%A0%80%22 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " +
              text + b"\r\nConnection: close\r\n\r\n")
    deadline = time.monotonic() + 10
    while f.process.log().count("status") < len(HOSTILE) and time.monotonic() < deadline:
        time.sleep(0.02)
    log = open(f.process.log_path, "rb").read()
    assert all(len(line) < 2048 for line in log.splitlines())
    assert all(0x20 <= byte < 0x7f or byte == 0x0a or byte >= 0x80 for byte in log)
    log.decode()
    if name != "plain":
        assert all(isinstance(line, dict) for line in objects(log.decode()))


# ---- the access log ----

def test_there_is_no_access_log_unless_it_is_asked_for(front):
    f = front("--log-format=json")
    assert f.sign().status_code == f.request("GET", "/upcheck").status_code == 200
    assert f.request("GET", "/nothing").status_code == 404
    line, = lines_of(f)
    assert line["status"] == 404


def test_the_access_log_has_a_line_for_every_request(front):
    f = front("--log-format=json", "--access-logs")
    f.request("GET", "/upcheck?token=secret", headers={"User-Agent": "check"})
    f.sign()
    f.request("DELETE", "/upcheck")
    f.request("GET", "/healthcheck/")
    f.raw(b"nonsense\r\n\r\n")
    lines = lines_of(f, 5, lambda line: line["message"] == "request")
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/upcheck", 200), ("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", 200), ("DELETE", "/upcheck", 405), ("GET", "/healthcheck", 200),
        ("-", "-", 400)]
    assert lines[0]["bytes"] == 2 and lines[0]["user_agent"] == "check" and lines[0]["level"] == "info"
    assert len({line["request_id"] for line in lines}) == 5
    assert "secret" not in f.process.log()


def test_a_request_whose_connection_ends_before_its_answer_is_told_of(front):
    f = front("--log-format=json", "--access-logs")
    f.keeper.go.clear()
    with f.connect() as stream:
        stream.sendall(post())
        lines_of(f, 1, lambda line: "orders to the keeper" in line["message"])
        assert f.process.terminate() == 0
    lines = lines_of(f, 2)
    assert [line["status"] for line in lines] == [0, 0] and lines[0]["message"] == "the connection ended before the answer"


def test_path_tokens_and_passwords_never_reach_the_log(front, folder):
    (folder / "tokens").write_text(f"{TOKEN}\n")
    (folder / "basic").write_text(f"teku:{OTHER}{OTHER}\n")
    f = front("--access-logs", f"--http-path-tokens-file={folder}/tokens", f"--http-basic-credentials-file={folder}/basic")
    secrets = [TOKEN, TOKEN[:-1], TOKEN + "x", OTHER, OTHER + OTHER]
    for secret in secrets:
        for path in ("/upcheck", f"/api/v1/eth2/sign/{IDENTIFIER}", "/nothing", "", "/x/upcheck", f"/{TOKEN}/upcheck"):
            f.request("POST" if "sign" in path else "GET", f"/{secret}{path}", randao())
            f.request("GET", f"/prefix/{secret}{path}")
            f.request("GET", f"//{secret}//{path}?{secret}")
        f.request("GET", "/upcheck", headers={"Authorization": requests.auth._basic_auth_str("teku", secret)})
    log = f.process.log()
    assert not any(secret in log for secret in secrets) and "/***/api/v1/eth2/sign/" in log and "path=/*** " in log


def test_a_flood_of_refusals_leaves_few_lines_and_hides_no_other(front):
    f = front("--log-format=json")
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, verdict=7)
    f.raw(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000 + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert f.sign(ATTESTATION).status_code == 412
    refused = lines_of(f, 1, lambda line: line.get("status") == 412)
    assert len(refused) == 1 and 1 <= len(lines_of(f, 1, lambda line: line.get("status") == 404)) <= 20
    for _ in range(50):
        f.sign(ATTESTATION)
    assert len(lines_of(f, 1, lambda line: line.get("status") == 412)) <= 20


def test_a_log_that_nobody_reads_stops_no_request_and_what_is_lost_is_counted(front, folder):
    """3,000 requests at once, with standard error a pipe that is full: the access log must not block the loop."""
    pipe = folder / "logs" / "01-nitro-signer-front.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    f = front("--log-format=json", "--access-logs")
    assert f.process.log_path == str(pipe)
    begin = time.monotonic()
    got = f.raw(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2999 + b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK") == 3000 and time.monotonic() - begin < 5
    log = drain(reader)
    assert f.request("GET", "/upcheck").status_code == 200
    time.sleep(0.1)
    log += drain(reader)
    lines = objects(log.decode())
    kept = sum(line["message"] == "request" for line in lines)
    told, = [line for line in lines if line["message"].endswith("lines of this log were dropped")]
    assert 0 < kept < 3001 and kept + int(told["message"].split()[0]) == 3001
    assert f.process.terminate() == 0
    pipe.unlink()  # the harness looks through all logs
    pipe.write_bytes(log + drain(reader))
    os.close(reader)


def drain(reader):
    got = b""
    while True:
        try:
            part = os.read(reader, 65536)
        except BlockingIOError:
            return got
        if not part:
            return got
        got += part


def test_the_option_of_web3signer_turns_the_access_log_on(start, folder):
    running = signer(start, folder, "--access-logs-enabled", "--logging-format=ECS")
    assert requests.get(f"{running.url}/upcheck", timeout=20).text == "OK"
    assert running.process.terminate() == 0
    line, = [line for line in objects(running.process.log()) if line["message"] == "request"]
    assert (line["url.path"], line["http.request.method"], line["http.response.status_code"]) == ("/upcheck", "GET", 200)
    assert line["http.request.id"] and line["client.address"].startswith("127.0.0.1:") and line["event.duration"] % 1000 == 0


def test_keys_of_a_batch_that_are_refused_are_lines_of_its_request(front):
    f = front("--log-format=json")
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, verdict=7)
    reply = f.request("POST", "/api/v1/eth2/sign", {"identifiers": [IDENTIFIER], "signing_request": ATTESTATION}, {"X-Request-Id": "slot-5"})
    assert reply.status_code == 200 and reply.json()[0]["error"]["code"] == 412
    line, = lines_of(f)
    assert (line["request_id"], line["status"], line["outcome"], line["type"], line["pubkey"]) == (
        "slot-5", 412, "slashing_protection", "ATTESTATION", IDENTIFIER)


def test_requests_over_http_2_leave_the_same_lines(front):
    f = front("--log-format=json", "--access-logs")
    url = f"http://localhost:{f.port}"
    run = subprocess.run(["curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", "-H", "x-request-id: h2-7", "-D", "-", f"{url}/nothing"],
                         capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.startswith("HTTP/2 404") and "x-request-id: h2-7" in run.stdout
    refused, access = lines_of(f, 2)
    assert (refused["request_id"], refused["status"], refused["path"], refused["level"]) == ("h2-7", 404, "/nothing", "warn")
    assert (access["message"], access["request_id"], access["user_agent"][:5]) == ("request", "h2-7", "curl/")
    too_long = subprocess.run(["curl", "-s", "--max-time", "20", "--http2-prior-knowledge", "-H", f"x-filler: {'x' * 9000}", f"{url}/upcheck"],
                              capture_output=True, text=True, timeout=30, check=True)
    assert "headers" in too_long.stdout
    assert [line["status"] for line in lines_of(f, 4)] == [404, 404, 431, 431]


# ---- which clients, which shapes ----

def old_and_new():
    """[shape, type, member, object]: each in the form of remote-signing-api 1.4 and as clients sent it before (clients' sources)."""
    ptc = {"beacon_block_root": "0x" + "11" * 32, "slot": "1", "payload_present": True, "blob_data_available": False}
    preferences = {"dependent_root": "0x" + "11" * 32, "proposal_slot": "1", "validator_index": "1", "fee_recipient": "0x" + "22" * 20,
                   "target_gas_limit": "1"}
    auth = {"data": "0x1234", "slot": "1"}
    rows = [("payload_attestation", "PAYLOAD_ATTESTATION", "payload_attestation", ptc),
            ("payload_attestation_data", "PAYLOAD_ATTESTATION", "payload_attestation_data", ptc),
            ("bare_payload_attestation_message", "PAYLOAD_ATTESTATION_MESSAGE", "payload_attestation_message", ptc),
            ("request_auth", "REQUEST_AUTH", "request_auth", auth),
            ("bare_builder_request_auth", "BUILDER_REQUEST_AUTH", "builder_request_auth", auth),
            ("bare_proposer_preferences", "PROPOSER_PREFERENCES", "proposer_preferences", preferences)]
    current = [(None, *row[1:3], {"version": "GLOAS", "data": row[3]}) for row in rows if row[0].startswith("bare_")]
    return rows + current


def counted(front, name):
    text = requests.get(f"http://localhost:{front.metrics_port}/metrics", timeout=20).text
    return {label: float(value) for label, value in re.findall(name + r'\{\w+="(\w+)"\} (\S+)', text)}


def test_each_old_shape_is_told_once_and_counted(front):
    f = front("--log-format=json", metrics=True)
    rows = old_and_new()
    for _ in range(3):
        for _shape, kind, member, value in rows:
            body = {"type": kind, "fork_info": FORK_INFO, member: value}
            assert f.sign(body, headers={"User-Agent": "Lighthouse/v8\tGloas"}).status_code == 200
    shapes = [shape for shape, *_ in rows if shape]
    told = lines_of(f, len(shapes), lambda line: "shape" in line)
    assert [line["shape"] for line in told] == shapes
    assert {line["user_agent"] for line in told} == {"Lighthouse/v8?Gloas"} and told[0]["type"] == "PAYLOAD_ATTESTATION_MESSAGE"
    values = counted(f, "nitro_signer_deprecated_requests_total")
    assert {label for label, value in values.items() if value == 3} == set(shapes) and sum(values.values()) == 3 * len(shapes)


def test_clients_are_counted_by_their_user_agents(front):
    f = front(metrics=True)
    sent = {"lighthouse": "Lighthouse/v8.0.0-abc", "java": "Java-http-client/21.0.1", "go": "Go-http-client/1.1", "node": "node",
            "python": "Python/3.12 aiohttp/3.9", "vero": "Vero/v1.4", "nimbus": "nimbus-eth2/v25", "grandine": "Grandine/1.0",
            "lodestar": "Lodestar/v1.50", "prysm": "Prysm/v6", "teku": "teku/v25", "curl": "curl/7.88.1",
            "other": "x\xe9<script>\"}", "reqwest": "reqwest/0.12", "ssv": "ssv-node", "vouch": "Vouch/1.13"}
    for agent in sent.values():
        assert f.request("GET", "/upcheck", headers={"User-Agent": agent.encode("latin-1")}).status_code == 200
    f.raw(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    values = counted(f, "nitro_signer_client_requests_total")
    assert values == {**dict.fromkeys(sent, 1), "none": 1}


# ---- over HTTP/2 ----

def test_requests_over_http2_are_lines_as_over_http1(front, folder):
    (folder / "tokens").write_text(f"{TOKEN}\n")
    f = front("--log-format=json", "--access-logs", f"--http-path-tokens-file={folder}/tokens")
    with Http2(f) as client:
        for number in [client.request(path=path) for path in (f"/{TOKEN}/upcheck", f"//{TOKEN}//nothing?{TOKEN}", f"/%61{TOKEN[1:]}/upcheck", f"/{TOKEN}x/upcheck", f"/{TOKEN}%01")]:
            client.wait(number)
    lines = lines_of(f, 5, lambda line: line["message"] == "request")
    assert sorted((line["method"], line["path"], line["status"]) for line in lines) == [
        ("-", "-", 400), ("GET", "/***", 404), ("GET", "/***/upcheck", 200), ("GET", "/***/upcheck", 200), ("GET", "/***/upcheck", 403)]
    refused = lines_of(f, 3, lambda line: line["level"] == "warn")
    assert sorted(line["status"] for line in refused) == [400, 403, 404]
    assert TOKEN not in f.process.log()


def test_what_ends_before_its_answer_over_http2_is_told_of_once(front):
    f = front("--log-format=json", "--access-logs")
    f.keeper.go.clear()
    with Http2(f) as client:
        client.sign()
        lines_of(f, 1, lambda line: "orders to the keeper" in line["message"])
    lines = lines_of(f, 2, lambda line: line.get("status") == 0)
    assert sorted(line["message"] for line in lines) == ["request", "the connection ended before the answer"]
