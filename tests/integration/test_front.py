"""nitro-signer-front as a black box: its routes, who may ask, what it answers."""
import http.client
import json
import re
import struct
import time

import pytest

import scripted_keeper
from front_process import ATTESTATION, FORK_INFO, IDENTIFIER, KEY, front, post, randao  # noqa: F401 (front is a fixture)
from harness import send_packet
from scripted_keeper import (BAD_ORDER, INTERNAL, ROOT_DIFFERS, SLASHABLE, STORE, UNKNOWN_KEY, answer, order_fields,
                             signature_of)


# ---- routes ----

def test_upcheck_is_text_unless_only_json_will_do(front):
    f = front()
    for accept in (None, "*/*", "text/plain", "text/*", "application/json, text/plain"):
        reply = f.request("GET", "/upcheck", headers={"Accept": accept})
        assert (reply.status_code, reply.text) == (200, "OK")
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    reply = f.request("GET", "/upcheck", headers={"Accept": "application/json"})
    assert (reply.status_code, reply.json()) == (200, {"status": "OK"})
    assert f.request("GET", "/upcheck", headers={"Accept": "image/png"}).status_code == 406


def test_paths_are_forgiving_and_methods_are_not(front):
    f = front()
    for path in ("/upcheck/", "//upcheck", "/%75pcheck", "/upcheck?x=1"):
        assert f.request("GET", path).status_code == 200
    sign = f.request("POST", f"//api//v1/eth2/sign/{IDENTIFIER}/", randao())
    assert sign.status_code == 200
    for path in ("/", "/nothing", "/api/v1/eth2/sign/a/b", "/upchec", "/upcheckx"):
        reply = f.request("GET", path)
        assert reply.status_code == 404 and reply.json() == {"error": "Resource not found"}
    for method, path, allow in (("POST", "/upcheck", "GET"), ("DELETE", "/api/v1/eth2/publicKeys", "GET"),
                                ("GET", "/api/v1/eth2/sign", "POST"), ("GET", "/api/v1/eth2/sign/", "POST"),
                                ("GET", f"/api/v1/eth2/sign/{IDENTIFIER}", "POST"), ("BREW", "/upcheck", "GET")):
        reply = f.request(method, path)
        assert (reply.status_code, reply.headers["allow"]) == (405, allow)
        assert "error" in reply.json()


def test_health_follows_what_the_keeper_says(front):
    f = front()

    def health(wanted):
        deadline = time.monotonic() + 5
        while True:
            reply = f.request("GET", "/healthcheck")
            if reply.status_code == wanted or time.monotonic() > deadline:
                assert reply.status_code == wanted
                assert reply.headers["content-type"] == "application/json;charset=UTF-8"
                return reply.json()

    body = health(200)
    assert body == {"status": "UP", "outcome": "UP", "checks": [
        {"id": "keys-check", "status": "UP", "checks": [
            {"id": "config-files-loading", "status": "UP", "data": {"keys-loaded": 1, "error-count": 0}}]},
        {"id": "default-check", "status": "UP"},
        {"id": "slashing-protection-db-health-check", "status": "UP"}]}
    f.keeper.health(store=False)
    body = health(503)
    assert (body["status"], body["outcome"], body["checks"][2]["status"]) == ("DOWN", "DOWN", "DOWN")
    f.keeper.health(loaded=2, failed=1)
    body = health(503)
    while body["checks"][2]["status"] == "DOWN":
        body = health(503)
    assert body["checks"][0]["checks"][0]["data"] == {"keys-loaded": 2, "error-count": 1}
    f.keeper.health(loaded=2, failed=3, failed_keys=[bytes([7]) * 48, bytes([8]) * 48])
    while "failed-keys" not in body["checks"][0]["checks"][0]["data"]:
        body = health(503)
    assert body["checks"][0] == {"id": "keys-check", "status": "DOWN", "checks": [
        {"id": "config-files-loading", "status": "DOWN", "data": {
            "keys-loaded": 2, "error-count": 3, "failed-keys": ["0x" + "07" * 48, "0x" + "08" * 48]}}]}
    f.keeper.health()
    health(200)


def test_without_slashing_protection_its_check_is_absent(front):
    policy = scripted_keeper.POLICY.replace("protection enabled", "protection disabled").replace("sqlite:/nowhere", "none")
    f = front(policy=policy)
    f.keeper.health(store=False)
    time.sleep(0.1)
    reply = f.request("GET", "/healthcheck")
    assert reply.status_code == 200
    assert [check["id"] for check in reply.json()["checks"]] == ["keys-check", "default-check"]


def test_public_keys_are_never_partial(front):
    f = front()
    path = "/api/v1/eth2/publicKeys"
    reply = f.request("GET", path)
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.text == f'["{IDENTIFIER}"]'
    assert f.request("GET", path, headers={"Accept": "application/json"}).status_code == 200
    assert f.request("GET", path, headers={"Accept": "text/plain"}).status_code == 406
    many = [bytes([1]) * 46 + struct.pack(">H", i) for i in range(2500)]
    f.keeper.keys(many[:1024], first=True, last=False)
    f.keeper.keys(many[1024:2048], first=False, last=False)
    time.sleep(0.1)
    assert f.request("GET", path).json() == [IDENTIFIER]
    f.keeper.keys(many[2048:], first=False, last=True)
    deadline = time.monotonic() + 5
    while len(keys := f.request("GET", path).json()) == 1 and time.monotonic() < deadline:
        pass
    assert keys == ["0x" + key.hex() for key in many]
    f.keeper.keys([])
    while (text := f.request("GET", path).text) != "[]" and time.monotonic() < deadline:
        pass
    assert text == "[]"


# ---- who may ask ----

def test_only_listed_hosts_are_served(front):
    f = front(hosts="")
    head = b"GET /upcheck HTTP/1.1\r\nConnection: close\r\n"
    for host in (b"localhost", b"LOCALHOST:9000", b"127.0.0.1:1"):
        assert f.raw(head + b"Host: " + host + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    for host in (b"signer.example", b"localhost.example", b""):
        got = f.raw(head + b"Host: " + host + b"\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 403 ") and got.endswith(b'{"message":"Host not authorized."}')
    assert f.raw(b"GET /upcheck HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    assert f.raw(head + b"\r\n").startswith(b"HTTP/1.1 400 ")
    assert f.raw(b"POST /nowhere HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_a_list_of_hosts(front):
    f = front(hosts="Signer.Example,10.0.0.1")
    for host, status in ((b"signer.example", b"200"), (b"10.0.0.1:9000", b"200"), (b"localhost", b"403")):
        got = f.raw(b"GET /upcheck HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 " + status)
    assert front(hosts="none").request("GET", "/upcheck").status_code == 403


@pytest.mark.parametrize("hosts", ["a.example, [::1]", " ::1 ,\tA.example "])
def test_a_list_of_hosts_may_have_blanks_and_ipv6_addresses(front, hosts):
    f = front(hosts=hosts)
    for host, status in ((b"a.example:1", b"200"), (b"[::1]:9000", b"200"), (b"[::1]", b"200"), (b"[::2]", b"403")):
        got = f.raw(b"GET /upcheck HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 " + status)


def test_foreign_origins_are_refused(front):
    reply = front().request("GET", "/upcheck", headers={"Origin": "http://evil.example"})
    assert reply.status_code == 403 and "Origin".lower() in reply.text.lower()


# ---- signing ----

NEGOTIATION = [
    (None, False), ("text/plain", False), ("application/json", True), ("APPLICATION/JSON", True), ("*/*", True),
    ("text/plain, */*;q=0.1", True), ("text/html,application/json;q=0.2", True), ("text/html, application/json ;q=0", True),
    ("application/*", False), ("application/octet-stream", False), ("application/jsonx", False), ("x", False), ("", False),
]


@pytest.mark.parametrize("accept, is_json", NEGOTIATION)
def test_negotiation(front, accept, is_json):
    f = front()
    headers = b"" if accept is None else b"Accept: " + accept.encode() + b"\r\n"
    got = f.raw(post(headers=headers + b"Connection: close\r\n"))
    head, body = got.split(b"\r\n\r\n", 1)
    signature = "0x" + (KEY + (5).to_bytes(8, "little") + bytes(40)).hex()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    if is_json:
        assert b"content-type: application/json; charset=utf-8\r\n" in head
        assert len(json.loads(body)["signature"]) == len(signature)
        assert json.loads(body)["signature"].startswith(IDENTIFIER)
    else:
        assert b"content-type: text/plain; charset=utf-8\r\n" in head
        assert body.startswith(IDENTIFIER.encode()) and len(body) == 194


def test_two_accept_headers_count_as_one_list(front):
    got = front().raw(post(headers=b"Accept: text/plain\r\nAccept: application/json\r\nConnection: close\r\n"))
    assert b"content-type: application/json" in got


def test_identifiers(front):
    f = front()
    assert f.sign(identifier=KEY.hex().upper()).status_code == 200
    assert f.sign(identifier="0x" + KEY.hex().upper()).status_code == 200
    for identifier in ("0x", "0x00", KEY.hex() + "00", "0X" + KEY.hex(), "zz" * 48, "%30%78" + "zz" * 48):
        reply = f.sign(identifier=identifier)
        assert (reply.status_code, list(reply.json())) == (404, ["error"])
    assert f.sign(body=b"{", identifier="nonsense").status_code == 400  # the body is looked at first


def test_bad_bodies_name_the_member(front):
    f = front()
    for body, named in ((b"", ""), (b"{", ""), (b"null", ""), (b"[]", ""), (b"\xff\xfe", ""), (b'{"type":"NONE"}', "type"),
                        (b'{"type":"RANDAO_REVEAL"}', "fork_info"),
                        (json.dumps(randao(randao_reveal={})).encode(), "randao_reveal.epoch"),
                        (json.dumps(randao(randao_reveal={"epoch": '-1"\\'})).encode(), "randao_reveal.epoch"),
                        (json.dumps(randao(signing_root="0x11")).encode(), "signing_root")):
        reply = f.request("POST", f"/api/v1/eth2/sign/{IDENTIFIER}", body)
        assert reply.status_code == 400 and reply.headers["content-type"] == "application/json"
        assert named in reply.json()["error"]
    assert f.keeper.batches == []


def test_content_types_are_not_looked_at(front):
    f = front()
    for content_type in (None, "text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"):
        assert f.sign(headers={"Content-Type": content_type}).status_code == 200


def test_every_answer_has_its_status(front):
    f = front()
    root = bytes([0xAB]) * 32
    for status, expected in ((UNKNOWN_KEY, 404), (STORE, 500), (BAD_ORDER, 400), (INTERNAL, 500)):
        computed = bytes(32) if status == BAD_ORDER else root
        f.keeper.decide = lambda order, s=status, r=computed: answer(order_fields(order)[0], s, root=r)
        reply = f.sign()
        assert (reply.status_code, list(reply.json())) == (expected, ["error"])


def test_a_differing_root_is_told_with_both_roots(front):
    f = front()
    sent = "0x" + "cd" * 32
    f.keeper.decide = lambda order: answer(order_fields(order)[0], ROOT_DIFFERS, root=order_fields(order)[3][::-1][:31] + b"\1")
    for member in ("signing_root", "signingRoot"):
        reply = f.sign(randao(**{member: sent}))
        assert reply.status_code == 400
        assert sent in reply.json()["error"] and "0x" + "cd" * 31 + "01" in reply.json()["error"]


def test_a_slashable_message_is_refused_with_code_and_heights(front):
    f = front()
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, root=bytes([1]) * 32, verdict=7,
                                           attestation=(5, 18446744073709551615))
    reply = f.sign(ATTESTATION)
    assert reply.status_code == 412 and reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert re.fullmatch("[a-z_]+", body["code"]) and body["code"] in body["error"]
    assert (body["recorded_source_epoch"], body["recorded_target_epoch"]) == ("5", "18446744073709551615")
    assert "recorded_block_slot" not in body
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, root=bytes([1]) * 32, verdict=9, block=77)
    body = f.sign(ATTESTATION).json()
    assert body["recorded_block_slot"] == "77" and "recorded_source_epoch" not in body
    assert "limit_epoch" not in body and "limit_slot" not in body


@pytest.mark.parametrize("verdict, code", [(11, "at_or_above_high_watermark"), (12, "far_future"), (13, "at_or_below_boot_floor")])
def test_a_limit_is_told_with_its_height(front, verdict, code):
    f = front()
    f.keeper.decide = lambda order: answer(order_fields(order)[0], SLASHABLE, root=bytes([1]) * 32, verdict=verdict, limit=2**64 - 1)
    body = f.sign(ATTESTATION).json()
    assert (body["code"], body["limit_epoch"]) == (code, str(2**64 - 1)) and "limit_slot" not in body
    block = {"type": "BLOCK_V2", "fork_info": FORK_INFO, "beacon_block": {"version": "FULU", "block_header": {
        "slot": "1", "proposer_index": "2", "parent_root": "0x" + "11" * 32, "state_root": "0x" + "22" * 32, "body_root": "0x" + "33" * 32}}}
    reply = f.sign(block)
    assert reply.status_code == 412
    assert (reply.json()["code"], reply.json()["limit_slot"]) == (code, str(2**64 - 1)) and "limit_epoch" not in reply.json()


def test_answers_may_come_in_any_order_and_late(front):
    f = front()
    held = []
    f.keeper.decide = lambda order: held.append(order)
    streams = []
    for epoch in range(10):
        streams.append(f.connect())
        streams[-1].sendall(post(body=randao(epoch)))
    deadline = time.monotonic() + 5
    while len(held) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    answers = [answer(order_fields(order)[0], signature=signature_of(order)) for order in reversed(held)]
    by_id = {order_fields(order)[0]: order for order in held}
    assert len(by_id) == 10
    send_packet(f.keeper.end, scripted_keeper.SIGNED, 10, b"".join(answers))
    signatures = set()
    for stream in streams:
        response = http.client.HTTPResponse(stream)
        response.begin()
        signatures.add(response.read())
        stream.close()
    assert len(signatures) == 10
    # The same answers once more: nobody waits for them, and nothing happens.
    send_packet(f.keeper.end, scripted_keeper.SIGNED, 10, b"".join(answers))
    f.keeper.decide = lambda order: answer(order_fields(order)[0], signature=signature_of(order))
    assert f.sign().status_code == 200


def test_no_answer_is_503_after_ten_seconds(front):
    f = front()
    held = []
    f.keeper.decide = lambda order: held.append(order)
    begin = time.monotonic()
    reply = f.sign()
    assert reply.status_code == 503 and 9.5 < time.monotonic() - begin < 12
    assert f.request("GET", "/upcheck").status_code == 200
    send_packet(f.keeper.end, scripted_keeper.SIGNED, 1, answer(order_fields(held[0])[0]))
    f.keeper.decide = lambda order: answer(order_fields(order)[0], signature=signature_of(order))
    assert f.sign().status_code == 200
