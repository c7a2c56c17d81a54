"""Metrics: what is counted moves by exactly what was asked, other people's parsers read it, and who may read it."""
import collections
import http.client
import json
import os
import pathlib
import re
import socket
import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

import scripted_keeper
from front_process import ATTESTATION, IDENTIFIER, front, randao  # noqa: F401 (front is a fixture)
from harness import free_port
from prometheus_tools import promtool
from scripted_keeper import (BAD_ORDER, INTERNAL, ROOT_DIFFERS, SIGNED_OK, SLASHABLE, STORE, UNKNOWN_KEY, answer, order_fields,
                             signature_of)

KEY = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
GENESIS = "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673"
VERDICTS = re.search(r"enum slashing_verdict \{(.*?)\}",
                     (pathlib.Path(__file__).parents[2] / "lib/slashing/slashing_rules.h").read_text(), re.DOTALL)[1]
VERDICTS = [word for word in re.sub(r"/\*.*?\*/", "", VERDICTS, flags=re.DOTALL).replace(",", " ").split()]
CONFLICTS, STALE = {"double_vote", "double_proposal"}, {"source_below_watermark", "target_below_watermark", "slot_below_watermark"}


def get(port, path="/metrics", method="GET", host="localhost", headers=None, body=None):
    return requests.request(method, f"http://127.0.0.1:{port}{path}", headers={"Host": host, **(headers or {})}, data=body, timeout=20)


def samples(port):
    """{name or name{label="value"}: number}, but for durations, which no test can know."""
    reply = get(port)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {}
    for family in text_string_to_metric_families(reply.text):
        assert family.type in ("counter", "gauge", "histogram", "summary"), family
        assert family.documentation, family
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} comes twice"
            found[key] = sample.value
    return found


def moved(before, after):
    """What became more, but for durations, the start, and who asked."""
    timed = re.compile(r"_sum\b|_bucket|quantile|client_requests")
    assert before.keys() == after.keys()
    return {key: after[key] - before[key] for key in after if after[key] != before[key] and not timed.search(key)}


def outcome(name, kind=None):
    """What moves with every answer to a sign request."""
    expected = {f"nitro_signer_sign_answers_total{{outcome={name}}}": 1, "signing_bls_signing_duration_count": 1}
    if kind:
        expected[f"nitro_signer_sign_duration_seconds_count{{type={kind}}}"] = 1
    return expected


def signed(kind):
    return {**outcome("signed", kind), f"nitro_signer_signatures_total{{type={kind}}}": 1,
            "eth2_slashingprotection_permitted_signings_total": 1}


def refused(reason, kind):
    also = [name for names, name in ((CONFLICTS, "conflicts"), (STALE, "stale")) if reason in names]
    return {**outcome("slashing_protection", kind), "eth2_slashingprotection_prevented_signings_total": 1,
            f"nitro_signer_slashing_refusals_total{{reason={reason}}}": 1, "nitro_signer_slashing_refused_messages_total": 1,
            **{f"nitro_signer_slashing_{name}_total": 1 for name in also}}


MALFORMED = {**outcome("malformed"), "http_bls_malformed_request_count_total": 1}


# ---- the stand-alone signer ----

class Signer:
    """A running nitro-signer with one key; metrics on a port of their own unless arguments say otherwise."""

    def __init__(self, start, folder, *arguments, ready=True, protection=True):
        keys = folder / "keys"
        keys.mkdir(exist_ok=True)
        (keys / "one.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{SECRET}"\n')
        store = f"--slashing-protection-db-path={folder}/db" if protection else "--slashing-protection-enabled=false"
        self.ports_file = folder / "web3signer.ports"
        self.process = start("nitro-signer", "--http-listen-port=0", f"--data-path={folder}", f"--key-config-path={keys}",
                             *arguments, "eth2", "--network=minimal", store, ready=ready)
        ports = dict(line.split("=") for line in self.ports_file.read_text().split()) if ready else {}
        self.port, self.metrics_port = ports.get("http-port"), ports.get("metrics-port")

    def sign(self, message, key=KEY):
        body = message if isinstance(message, str) else json.dumps(message)
        return requests.post(f"http://127.0.0.1:{self.port}/api/v1/eth2/sign/{key}", data=body, timeout=20).status_code


@pytest.fixture
def signer(start, folder):
    return Signer(start, folder, "--metrics-enabled", "--metrics-port=0")


def fork_info():
    return {"fork": {"previous_version": "0x00000001", "current_version": "0x00000001", "epoch": "0"},
            "genesis_validators_root": GENESIS}


def attestation(source, target, block="44"):
    checkpoint = lambda epoch: {"epoch": str(epoch), "root": "0x" + "55" * 32}
    return {"type": "ATTESTATION", "fork_info": fork_info(),
            "attestation": {"slot": str(8 * target), "index": "0", "beacon_block_root": "0x" + block * 32,
                            "source": checkpoint(source), "target": checkpoint(target)}}


def block(slot, body="66"):
    header = {"slot": str(slot), "proposer_index": "3", "parent_root": "0x" + "11" * 32, "state_root": "0x" + "22" * 32,
              "body_root": "0x" + body * 32}
    return {"type": "BLOCK_V2", "fork_info": fork_info(), "beacon_block": {"version": "BELLATRIX", "block_header": header}}


def test_counters_move_by_exactly_what_was_asked(signer):
    vote, far = attestation(2, 3), {**attestation(2, 3), "signing_root": "0x" + "99" * 32}
    reveal = {"type": "RANDAO_REVEAL", "fork_info": fork_info(), "randao_reveal": {"epoch": "3"}}
    for message, status, expected in (
            (vote, 200, signed("ATTESTATION")),
            (vote, 200, signed("ATTESTATION")),
            (attestation(2, 3, "45"), 412, refused("double_vote", "ATTESTATION")),
            (attestation(1, 4), 412, refused("source_below_watermark", "ATTESTATION")),
            (attestation(2, 2), 412, refused("target_below_watermark", "ATTESTATION")),
            (attestation(5, 4), 412, refused("source_after_target", "ATTESTATION")),
            (block(30), 200, signed("BLOCK")),
            (block(30), 200, signed("BLOCK")),
            (block(30, "67"), 412, refused("double_proposal", "BLOCK")),
            (block(29), 412, refused("slot_below_watermark", "BLOCK")),
            (reveal, 200, signed("RANDAO_REVEAL")),
            (far, 400, {**outcome("signing_root_differs", "ATTESTATION"), "http_bls_malformed_request_count_total": 1}),
            ("{", 400, MALFORMED),
            ({"type": "ATTESTATION"}, 400, MALFORMED)):
        before = samples(signer.metrics_port)
        assert signer.sign(message) == status, message
        assert moved(before, samples(signer.metrics_port)) == expected, message
    for key in ("0x" + "ab" * 48, "0x12", "nonsense"):
        before = samples(signer.metrics_port)
        assert signer.sign(vote, key) == 404
        assert moved(before, samples(signer.metrics_port)) == {**outcome("unknown_key", "ATTESTATION"),
                                                               "signing_bls_missing_identifier_count_total": 1}


def test_what_is_no_sign_request_moves_nothing(signer):
    before = samples(signer.metrics_port)
    for path in ("/upcheck", "/healthcheck", "/api/v1/eth2/publicKeys", "/metrics", f"/api/v1/eth2/sign/{KEY}"):
        get(signer.port, path)
    assert moved(before, samples(signer.metrics_port)) == {}


def test_gauges(signer):
    found = samples(signer.metrics_port)
    assert found["signing_signers_loaded_count"] == 1
    assert found["nitro_signer_keys_failed"] == 0
    assert found["nitro_signer_slashing_store_ok"] == 1
    assert found["nitro_signer_slashing_protection_enabled"] == 1
    assert found["nitro_signer_http_connections"] == 0
    with socket.create_connection(("127.0.0.1", int(signer.port)), 20) as stream:
        stream.sendall(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.recv(4096).startswith(b"HTTP/1.1 200")
        assert samples(signer.metrics_port)["nitro_signer_http_connections"] == 1
    versions = [key for key in found if key.startswith("process_release")]
    (version,) = versions
    assert re.fullmatch(r"process_release\{version=nitro-signer/\d+\.\d+\.\d+\}", version) and found[version] == 1


def test_without_protection_signatures_are_not_called_permitted(start, folder):
    signer = Signer(start, folder, "--metrics-enabled", "--metrics-port=0", protection=False)
    assert samples(signer.metrics_port)["nitro_signer_slashing_protection_enabled"] == 0
    before = samples(signer.metrics_port)
    assert signer.sign(attestation(2, 3)) == 200
    expected = signed("ATTESTATION")
    del expected["eth2_slashingprotection_permitted_signings_total"]
    assert moved(before, samples(signer.metrics_port)) == expected


def test_durations_are_durations(signer):
    for _ in range(5):
        assert signer.sign(attestation(2, 3)) == 200
    found = samples(signer.metrics_port)
    of_type = {key: value for key, value in found.items() if "nitro_signer_sign_duration_seconds" in key and "=ATTESTATION" in key}
    buckets = [value for key, value in of_type.items() if "_bucket" in key]
    assert buckets == sorted(buckets) and buckets[-1] == 5 and len(buckets) == 15
    total = of_type["nitro_signer_sign_duration_seconds_sum{type=ATTESTATION}"]
    assert 5 * 0.00005 < total < 5 * 5  # no computer signs in less; seconds, not milliseconds or microseconds
    assert found["signing_bls_signing_duration_sum"] == pytest.approx(total)
    quantiles = [found[f"signing_bls_signing_duration{{quantile={q}}}"] for q in ("0.2", "0.5", "0.8", "0.95", "0.99", "1.0")]
    assert quantiles == sorted(quantiles) and 0 < quantiles[0] <= total / 5 <= quantiles[-1] < total


def front_of(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (pid,) = [pid for pid in children if b"nitro-signer-front" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def socket_inode(pid, fd):
    """None for what is no socket, or was closed since it was listed."""
    try:
        found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
    except FileNotFoundError:
        return None
    return found and found[1]


def test_it_is_off_unless_asked_for(start, folder):
    signer = Signer(start, folder)
    assert signer.metrics_port is None and "metrics" not in signer.process.log()
    assert get(signer.port).status_code == 404
    pid = front_of(signer.process)
    inodes = {inode for inode in (socket_inode(pid, fd) for fd in os.listdir(f"/proc/{pid}/fd")) if inode}
    listening = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [int(words[1].split(":")[1], 16) for words in listening if words[3] == "0A" and words[9] in inodes] == [int(signer.port)]


def test_the_main_listener_does_not_show_them(signer):
    assert get(signer.port).status_code == 404


@pytest.mark.parametrize("same", ["http", "metrics"])
def test_a_port_in_use_is_named(start, folder, signer, same):
    port = signer.port if same == "http" else signer.metrics_port
    other = folder / "other"
    other.mkdir()
    second = Signer(start, other, "--metrics-enabled", f"--metrics-port={port}", ready=False)
    assert second.process.wait() == 1
    assert "--metrics-port" in second.process.log() and "in use" in second.process.log()


@pytest.mark.parametrize("arguments, status, named", [
    (["--metrics-port=70000"], 2, "--metrics-port"),
    (["--metrics-enabled=perhaps"], 2, "--metrics-enabled"),
    (["--metrics-host=no.such.host.invalid", "--metrics-enabled"], 1, "--metrics-host"),
    (["--metrics-host=" + "x" * 300, "--metrics-enabled"], 1, "--metrics-host"),
    (["--metrics-enabled", "--metrics-host-allowlist=*,localhost"], 2, "--metrics-host-allowlist"),
])
def test_options_that_cannot_be_are_named(start, folder, arguments, status, named):
    signer = Signer(start, folder, *arguments, ready=False)
    assert signer.process.wait() == status
    assert named in signer.process.log()


def test_one_port_cannot_serve_both(start, folder):
    port = free_port()
    process = start("nitro-signer", f"--http-listen-port={port}", "--metrics-enabled", f"--metrics-port={port}", "eth2",
                    "--slashing-protection-enabled=false", ready=False)
    assert process.wait() == 2
    assert "--metrics-port" in process.log()


def test_the_store_that_fails_shows(start, folder):
    signer = Signer(start, folder, "--metrics-enabled", "--metrics-port=0")
    assert signer.sign(attestation(2, 3)) == 200
    before = samples(signer.metrics_port)
    for path in folder.glob("db*"):
        path.unlink()
    assert signer.sign(attestation(3, 4)) == 500
    deadline = time.monotonic() + 10
    while (after := samples(signer.metrics_port))["nitro_signer_slashing_store_ok"] and time.monotonic() < deadline:
        pass  # the keeper's word about its store comes behind its answer
    assert moved(before, after) == {**outcome("store_error", "ATTESTATION"), "nitro_signer_store_errors_total": 1,
                                    "nitro_signer_slashing_store_ok": -1}


# ---- who may read, and what else is there ----

@pytest.mark.parametrize("allowlist, served, refused_hosts", [
    (None, ["localhost", "127.0.0.1", "LocalHost:9001"], ["example.org", "localhost.example.org", "[::1]"]),
    ("scraper.example,10.0.0.7", ["scraper.example:1", "10.0.0.7"], ["localhost"]),
    ("*", ["localhost", "anything.example"], []),
    ("none", [], ["localhost", "127.0.0.1"]),
])
def test_host_allow_list(front, allowlist, served, refused_hosts):
    f = front(*([f"--metrics-host-allowlist={allowlist}"] if allowlist else []), metrics=True, hosts="main.example")
    for host in served:
        assert get(f.metrics_port, host=host).status_code == 200, host
    for host in refused_hosts + ["main.example"] * (allowlist != "*"):
        reply = get(f.metrics_port, host=host)
        assert (reply.status_code, reply.json()) == (403, {"message": "Host not authorized."}), host
    assert get(f.port, "/upcheck", host="main.example").status_code == 200
    assert get(f.port, "/upcheck", host="scraper.example").status_code == 403


def test_one_path_one_method(front):
    f = front(metrics=True)
    for path in ("/metrics", "/metrics/", "/metrics?x=1"):
        assert get(f.metrics_port, path).status_code == 200
    for path in ("/", "/metric", "/metrics/x", "/upcheck", "/healthcheck", "/api/v1/eth2/publicKeys", f"/api/v1/eth2/sign/{IDENTIFIER}"):
        assert get(f.metrics_port, path).status_code == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"):
        reply = get(f.metrics_port, method=method)
        assert (reply.status_code, reply.headers["allow"]) == (405, "GET")
    assert get(f.metrics_port, body=b"two").status_code == 413
    assert get(f.metrics_port, headers={"Origin": "http://localhost"}).status_code == 403


def test_scrapers_have_few_places_and_clients_keep_theirs(front):
    f = front(metrics=True)
    crowd = [socket.create_connection(("127.0.0.1", f.metrics_port), 20) for _ in range(64)]
    for one in crowd:
        one.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert f.sign().status_code == 200
    for one in crowd:
        one.close()
    assert get(f.metrics_port).status_code == 200


def test_it_is_served_when_requests_are_and_not_before(front):
    f = front(metrics=True, serve=False)
    with pytest.raises(requests.exceptions.ConnectionError):
        get(f.metrics_port)
    f.keeper.settings()
    f.keeper.keys([scripted_keeper.os.urandom(48)])
    f.keeper.health(loaded=7, failed=2)
    f.keeper.serve()
    found = samples(f.metrics_port)
    assert (found["signing_signers_loaded_count"], found["nitro_signer_keys_failed"]) == (7, 2)


# ---- every answer of a keeper ----

def keeper_answer(order, status):
    """As it would be packed: what a status does not use is zero."""
    signature = signature_of(order) if status == SIGNED_OK else bytes(96)
    return answer(order_fields(order)[0], status, signature=signature)


def test_every_status_of_the_keeper_has_its_counter(front):
    f = front(metrics=True)
    names = {SIGNED_OK: "signed", UNKNOWN_KEY: "unknown_key", ROOT_DIFFERS: "signing_root_differs", STORE: "store_error",
             BAD_ORDER: "malformed", INTERNAL: "failed"}
    for status, name in names.items():
        f.keeper.decide = lambda order, status=status: keeper_answer(order, status)
        before = samples(f.metrics_port)
        f.sign()
        after = moved(before, samples(f.metrics_port))
        assert {key: after[key] for key in outcome(name, "RANDAO_REVEAL")} == outcome(name, "RANDAO_REVEAL"), name
        assert after.get("http_bls_malformed_request_count_total", 0) == (name in ("signing_root_differs", "malformed"))
        assert after.get("nitro_signer_store_errors_total", 0) == (name == "store_error")


def test_every_refusal_has_one_series_and_one_meaning(front):
    f = front(metrics=True)
    reasons = [key for key in samples(f.metrics_port) if key.startswith("nitro_signer_slashing_refusals_total")]
    refusals = [i for i, name in enumerate(VERDICTS) if name.startswith("SLASHING_REFUSE")]
    assert len(reasons) == len(refusals) == len(set(reasons)) >= 8
    counted = collections.Counter()
    for verdict in refusals:
        f.keeper.decide = lambda order, verdict=verdict: answer(order_fields(order)[0], SLASHABLE, root=bytes([verdict]) * 32, verdict=verdict)
        before = samples(f.metrics_port)
        reply = f.sign(ATTESTATION)
        assert reply.status_code == 412
        assert moved(before, samples(f.metrics_port)) == refused(reply.json()["code"], "ATTESTATION"), VERDICTS[verdict]
        counted[reply.json()["code"]] += 1
    assert CONFLICTS | STALE < set(counted) and set(counted.values()) == {1}


def test_a_request_without_an_answer_is_counted_when_its_time_is_over(front):
    f = front(metrics=True)
    f.keeper.go.clear()
    before = samples(f.metrics_port)
    assert f.sign().status_code == 503
    assert moved(before, samples(f.metrics_port)) == outcome("no_answer_in_time", "RANDAO_REVEAL")


# ---- in an enclave ----

def test_the_enclave_hands_its_front_the_socket(start, folder, bin_dir):
    start("nitro-signer-devcloud", f"--state={folder}/cloud", f"--nsm=unix:{folder}/nsm", f"--measure={bin_dir}/nitro-signer-keeper")
    enclave = start("nitro-signer-enclave", f"--control=unix:{folder}/control", f"--https=unix:{folder}/https",
                    f"--nsm=unix:{folder}/nsm", f"--kms-via=unix:{folder}/kms", f"--metrics=unix:{folder}/metrics")
    inode = socket_inode(front_of(enclave), 5)
    lines = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()]
    assert [words[7] for words in lines if words[6] == inode] == [f"{folder}/metrics"]


def test_an_enclaves_metrics_are_plain_and_for_any_host(front, folder):
    f = front("--mode=enclave", metrics=True, tls=scripted_keeper.Certificate(folder))
    assert f.sign().status_code == 200
    assert get(f.metrics_port, host="whatever.example").status_code == 200


@pytest.mark.parametrize("address", ["carrier:pigeon", "tcp:127.0.0.1:{port}"])
def test_an_enclaves_address_that_cannot_be_is_named(start, folder, address):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("nitro-signer-enclave", f"--control=unix:{folder}/control", f"--https=unix:{folder}/https",
                        f"--metrics={address.format(port=taken.getsockname()[1])}", ready=False)
        assert process.wait() == 1
    assert "--metrics: " in process.log()


# ---- other people's judgement ----

def test_promtool_finds_no_mistake(signer):
    assert signer.sign(attestation(2, 3)) == 200
    status, said = promtool("check", "metrics", text=get(signer.metrics_port).text)
    # Its taste in names is not Web3Signer's; what is no name of theirs must please it.
    theirs = ("signing_bls_signing_duration", "signing_signers_loaded_count")
    complaints = [line for line in said.splitlines() if not line.startswith(theirs)]
    assert complaints == [] and status in (0, 3)


def test_the_page_is_small_and_does_not_grow(signer):
    connection = http.client.HTTPConnection("127.0.0.1", int(signer.metrics_port), timeout=20)

    def length():
        connection.request("GET", "/metrics", headers={"Host": "localhost"})
        return len(connection.getresponse().read())

    first = length()
    for i in range(50):
        signer.sign(attestation(2, 3), f"0x{i:096x}")
        signer.sign(f'{{"type": "KIND_{i}"}}')
    assert first < 40960 and length() < first + 400  # digits, and quantiles that are no longer NaN


def test_the_page_lists_exactly_what_is_served(signer):
    page = (pathlib.Path(__file__).parents[2] / "docs/metrics.md").read_text()
    theirs, ours = page.split("And these are ours", 1)
    listed = {name + suffix for prefix, text in (("", theirs), ("nitro_signer_", ours))
              for row in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
              for name, suffix in ((prefix + word, labels) for word, labels in re.findall(r"`(\w+)(\{\w+\})?`", row))}
    served = set()
    for family in text_string_to_metric_families(get(signer.metrics_port).text):
        labels = {label for sample in family.samples for label in sample.labels} - {"le", "quantile"}
        name = family.name + "_total" * (family.type == "counter")
        served.add(name + "".join(f"{{{label}}}" for label in sorted(labels) if name != "process_release"))
    assert listed == served
