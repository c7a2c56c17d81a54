"""Who may ask the front: origins of pages, HTTP Basic and tokens in the path. Asked by curl and requests."""
import json
import os
import re
import select
import subprocess
import time

import pytest
import requests

from front_process import IDENTIFIER, front, post, randao  # noqa: F401 (front is a fixture)
from http2_client import Http2
from scripted_keeper import Certificate

USER, PASSWORD = "teku", "correct horse battery"
TOKEN, OTHER = "kUr6Z2vJ0mQ-x_T9aYw3", "0123456789abcdefghij0123456789"


@pytest.fixture
def written(folder):
    """written(option, text) makes a file and the option that names it."""
    def writer(option, text):
        path = folder / option
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return f"--{option}={path}"
    return writer


def curl(*words):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", "-i", *words], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# ---- origins, as the original ----

def test_without_an_origin_caches_are_told(front):
    for reply in (front().request("GET", "/upcheck"), front("--cors-origins=*").request("GET", "/upcheck")):
        assert (reply.status_code, reply.headers["vary"]) == (200, "origin")
        assert "access-control-allow-origin" not in reply.headers


def test_no_origin_is_admitted_unless_told_so(front):
    f = front()
    for path in ("/upcheck", "/nothing"):
        reply = f.request("GET", path, headers={"Origin": "https://example.org"})
        assert reply.status_code == 403 and reply.json() == {"error": "CORS Rejected - Invalid origin"}


def test_listed_origins(front):
    f = front("--cors-origins=https://Example.org,http://localhost:3000", hosts="localhost")
    for origin in ("https://example.org", "http://localhost:3000"):
        reply = f.request("GET", "/upcheck", headers={"Origin": origin})
        assert (reply.status_code, reply.headers["access-control-allow-origin"], reply.headers["vary"]) == (200, origin, "origin")
        reply = f.request("OPTIONS", "/upcheck", headers={"Origin": origin, "Access-Control-Request-Method": "POST", "Host": "other"})
        assert (reply.status_code, reply.text) == (204, "")
        assert reply.headers["access-control-allow-methods"] == "GET,POST,DELETE,OPTIONS"
        assert reply.headers["access-control-allow-headers"] == "*"
        assert f.request("OPTIONS", "/upcheck", headers={"Origin": origin}).status_code == 405
        assert f.request("GET", "/upcheck", headers={"Origin": origin, "Host": "other"}).status_code == 403
    for origin in ("https://example.orgs", "https://exampleXorg", "http://example.org", "null", "", "https://example.org, null"):
        assert f.request("GET", "/upcheck", headers={"Origin": origin}).status_code == 403
    assert f.raw(b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\nOrigin: https://example.org\r\nOrigin: https://example.org\r\n"
                 b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 403 ")


def test_any_origin(front):
    f = front("--cors-origins=all")
    reply = f.request("GET", "/upcheck", headers={"Origin": "https://anything"})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "*")
    assert "vary" not in reply.headers


@pytest.mark.parametrize("value", ["https://.*", "https://a(b|c)", "example.org", "https://", "https://a/b", "https://a,*", ",", "https://a b"])
def test_origins_that_are_none(front, value):
    f = front(f"--cors-origins={value}", serve=False)
    assert f.process.wait() == 2 and "--cors-origins: " in f.process.log()


# ---- HTTP Basic ----

def test_basic_is_asked_for_on_every_path(front, folder, written):
    f = front(written("http-basic-credentials-file", f"# who\n\nnimbus:{'x' * 16}\r\n{USER}:{PASSWORD}\n"), tls=Certificate(folder))
    right = (USER, PASSWORD)
    for auth in (right, ("nimbus", "x" * 16)):
        reply = requests.get(f"https://localhost:{f.port}/upcheck", auth=auth, verify=f.certificate.ca_file, timeout=20)
        assert (reply.status_code, reply.text) == (200, "OK")
    for auth in (None, (USER, PASSWORD[:-1]), (USER, PASSWORD + "x"), ("nimbus", PASSWORD), ("", ""), (USER + ":" + PASSWORD, ""),
                 ("# who", ""), (USER, "y" * 5000)):
        for path in ("/upcheck", "/healthcheck", "/api/v1/eth2/publicKeys", "/nothing", f"/{TOKEN}/upcheck"):
            reply = requests.get(f"https://localhost:{f.port}{path}", auth=auth, verify=f.certificate.ca_file, timeout=20)
            assert reply.status_code == 401 and reply.json() == {"error": "credentials are missing or wrong"}
            assert reply.headers["www-authenticate"] == 'Basic realm="nitro-signer", charset="UTF-8"'
    reply = f.sign()
    assert reply.status_code == 401 and f.keeper.batches == []
    reply = f.sign(headers={"Authorization": requests.auth._basic_auth_str(*right)})
    assert reply.status_code == 200 and f.keeper.batches == [1]
    log = f.process.log()
    assert 1 <= log.count("credentials are missing or wrong") <= 20
    assert PASSWORD not in log and "y" * 50 not in log


@pytest.mark.parametrize("header", ["", "Basic", "Basic ", "Basic !!!!", "Basic dGVrdQ==", "Bearer dGVrdQ==", "Basic\tZZ",
                                    "basic dGVrdTpjb3JyZWN0IGhvcnNlIGJhdHRlcnk", "Basic dGVrdTpjb3JyZWN0IGhvcnNlIGJhdHRlcnk=,"])
def test_headers_that_are_no_basic(front, written, header):
    f = front(written("http-basic-credentials-file", f"{USER}:{PASSWORD}"))
    assert f.request("GET", "/upcheck", headers={"Authorization": header}).status_code == 401
    # The same credentials in their own form, so that the refusals above are for the form.
    assert f.request("GET", "/upcheck", headers={"Authorization": "bAsIc  dGVrdTpjb3JyZWN0IGhvcnNlIGJhdHRlcnk="}).status_code == 200


def test_curl_with_basic(front, folder, written):
    f = front(written("http-basic-credentials-file", f"{USER}:{PASSWORD}"), tls=Certificate(folder))
    where = ["--cacert", f.certificate.ca_file, f"https://localhost:{f.port}/upcheck"]
    assert curl("-u", f"{USER}:{PASSWORD}", *where).startswith("HTTP/2 200 ")
    assert curl("--anyauth", "-u", f"{USER}:{PASSWORD}", *where).count("HTTP/2 ") == 2  # after the challenge
    assert curl(*where[:-1], where[-1].replace("//", f"//{USER}:{PASSWORD.replace(' ', '%20')}@")).startswith("HTTP/2 200 ")
    assert curl("-u", f"{USER}:wrong", *where).startswith("HTTP/2 401 ")


# ---- tokens ----

def test_tokens_stand_before_the_path(front, written):
    f = front(written("http-path-tokens-file", f"{OTHER}\n{TOKEN}\n"))
    for token in (TOKEN, OTHER):
        assert f.request("GET", f"/{token}/upcheck").text == "OK"
        assert f.request("GET", f"//{token}//upcheck/").text == "OK"
        assert f.request("GET", f"/{token}/api/v1/eth2/publicKeys").json() == [IDENTIFIER]
        assert f.request("POST", f"/{token}/api/v1/eth2/sign/{IDENTIFIER}", randao()).status_code == 200
        assert f.request("GET", f"/{token}").status_code == 404
        assert f.request("GET", f"/{token}/{token}/upcheck").status_code == 404
    for path in ("/upcheck", f"/{TOKEN[:-1]}/upcheck", f"/{TOKEN}x/upcheck", f"/{TOKEN.lower()}/upcheck", f"/upcheck/{TOKEN}", "/",
                 f"/upcheck?{TOKEN}", f"/{TOKEN}%00/upcheck", f"/x/{TOKEN}/upcheck"):
        reply = f.request("GET", path)
        assert reply.status_code in (400, 403), path
        assert "www-authenticate" not in reply.headers
    assert TOKEN not in f.process.log()


def test_basic_or_a_token(front, written):
    f = front(written("http-basic-credentials-file", f"{USER}:{PASSWORD}\n"), written("http-path-tokens-file", f"{TOKEN}\n"))
    assert requests.get(f"http://localhost:{f.port}/upcheck", auth=(USER, PASSWORD), timeout=20).status_code == 200
    assert f.request("GET", f"/{TOKEN}/upcheck").status_code == 200
    assert f.request("GET", "/upcheck").status_code == 401
    assert requests.get(f"http://localhost:{f.port}/upcheck", auth=("x", TOKEN), timeout=20).status_code == 401


@pytest.mark.parametrize("option, text, said", [
    ("http-basic-credentials-file", "", "nothing is in it"), ("http-basic-credentials-file", "# only this\n", "nothing is in it"),
    ("http-basic-credentials-file", "user\n", "line 1: must be user:password"), ("http-basic-credentials-file", f":{PASSWORD}", "line 1: must be"),
    ("http-basic-credentials-file", "\nuser:tooshort-secret\n".replace("-secret", ""), "line 2: the password must have"),
    ("http-basic-credentials-file", f"user:{'p' * 300}", "line 1: the password"), ("http-basic-credentials-file", b"user:\0" + b"p" * 20, "NUL"),
    ("http-path-tokens-file", "tooshort-secret", "line 1: a token"), ("http-path-tokens-file", TOKEN + "/", "line 1: a token"),
    ("http-path-tokens-file", f"{TOKEN}\n{TOKEN} \n", "line 2: a token"),
])
def test_files_that_are_none_end_the_start_without_a_word_of_them(front, written, option, text, said):
    f = front(written(option, text), serve=False)
    assert f.process.wait() == 1
    log = f.process.log()
    assert re.search(rf"--{option}: .*{said}", log), log
    assert TOKEN not in log and "secret" not in log and PASSWORD not in log


@pytest.mark.parametrize("option", ["http-basic-credentials-file", "http-path-tokens-file"])
def test_an_enclave_takes_no_credentials_from_options(front, written, option):
    f = front("--mode=enclave", written(option, f"a:{TOKEN}"), serve=False)
    assert f.process.wait() == 2


def test_a_browser_asks_first_without_credentials(front, written):
    f = front("--cors-origins=https://example.org", written("http-basic-credentials-file", f"{USER}:{PASSWORD}"))
    origin = {"Origin": "https://example.org"}
    reply = f.request("OPTIONS", "/upcheck", headers={**origin, "Access-Control-Request-Method": "GET"})
    assert reply.status_code == 204
    assert f.request("GET", "/upcheck", headers=origin).status_code == 401


# ---- what those without a token cost the others ----

BATCH = {"identifiers": ["0x%096x" % i for i in range(1, 201)], "signing_request": randao()}
LONGEST = 32 * 1024 * 1024


def all_but_a_byte(f):
    """A request with as long a body as may be, which stops before its end; the front may have enough of it earlier."""
    stream = f.connect()
    try:
        stream.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LONGEST)
        for _ in range(LONGEST // 2 ** 20 - 1):
            stream.sendall(b" " * 2 ** 20)
        stream.sendall(b" " * (2 ** 20 - 1))
    except OSError:
        pass
    return stream


def test_strangers_with_long_bodies_keep_nobody_out(front, written):
    f = front(written("http-path-tokens-file", TOKEN))
    strangers = [all_but_a_byte(f) for _ in range(3)]
    reply = f.request("POST", f"/{TOKEN}/api/v1/eth2/sign", BATCH)
    assert len(str(BATCH)) > 20000 and reply.status_code == 200 and len(reply.json()) == 200
    for stream in strangers:
        stream.close()
    with f.connect() as stream:
        stream.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % LONGEST)
        stream.settimeout(20)
        got = b""
        while part := stream.recv(4096):
            got += part
        assert got.startswith(b"HTTP/1.1 403 ") and b"connection: close\r\n" in got
        assert got.endswith(b'{"error":"this path does not begin with an access token"}')
    assert f.keeper.batches == [200]


def test_where_no_token_is_asked_for_a_body_that_stops_makes_room(front):
    f = front()
    stopped, until = [all_but_a_byte(f) for _ in range(2)], time.monotonic() + 20
    while not select.select(stopped, [], [], 0)[0]:  # until the front has read the last of it
        reply = f.request("POST", "/api/v1/eth2/sign", BATCH)
        assert reply.status_code == 200 and len(reply.json()) == 200
        assert time.monotonic() < until
    assert stopped[0].recv(4096).startswith(b"HTTP/1.1 503 ")
    for stream in stopped:
        stream.close()


def test_a_client_that_waits_for_the_question_keeps_its_connection(front, written):
    """As Java's: the same request again, with the credentials, once the first was refused; over one connection."""
    f = front(written("http-basic-credentials-file", f"{USER}:{PASSWORD}"))
    with requests.Session() as session:
        for headers, status in (({}, 401), ({"Authorization": requests.auth._basic_auth_str(USER, PASSWORD)}, 200)) * 3:
            reply = session.post(f"http://localhost:{f.port}/api/v1/eth2/sign/{IDENTIFIER}", json=randao(), headers=headers, timeout=20)
            assert reply.status_code == status and reply.headers["connection"] == "keep-alive"
    refused, admitted = post(), post(headers=f"Authorization: {requests.auth._basic_auth_str(USER, PASSWORD)}\r\n".encode())
    got = f.raw((refused + admitted) * 2 + refused.replace(b"Host", b"Connection: close\r\nHost"))
    assert re.findall(rb"HTTP/1.1 (\d+) ", got) == [b"401", b"200", b"401", b"200", b"401"]


def test_strangers_over_http2_leave_others_their_streams(front, written):
    """Bodies that do not end, of 70 connections with 80 streams each: beside them a client with a token has all of its own."""
    f = front(written("http-path-tokens-file", TOKEN))
    head = b"\x83\x86\x04\x02/x\x01\x09localhost"
    begun = b"".join(len(head).to_bytes(3, "big") + b"\1\4" + number.to_bytes(4, "big") + head +
                     (12000).to_bytes(3, "big") + b"\0\0" + number.to_bytes(4, "big") + b" " * 12000 for number in range(1, 160, 2))
    strangers = []
    for _ in range(70):
        strangers.append(Http2(f))
        strangers[-1].receive()
        strangers[-1].send(begun)
    path = f"/{TOKEN}/api/v1/eth2/sign/{IDENTIFIER}"
    with Http2(f) as client:
        answers = client.wait(*[client.request("POST", path, json.dumps(randao(epoch)).encode()) for epoch in range(100)])
        assert [(one.reset, one.headers.get(":status")) for one in answers] == [(None, "200")] * 100
    for one in strangers:
        one.stream.close()


def test_a_storm_of_guesses_costs_little(front, written):
    """Pipelined wrong credentials, and the right ones behind them."""
    f = front(written("http-path-tokens-file", TOKEN))
    wrong = b"".join(b"GET /" + os.urandom(15).hex().encode() + b"/upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n" for _ in range(500))
    begin = time.monotonic()
    got = f.raw(wrong + f"GET /{TOKEN}/upcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert got.count(b"HTTP/1.1 403 ") == 500 and got.endswith(b"OK")
    assert time.monotonic() - begin < 5
    assert 1 <= f.process.log().count("does not begin with an access token") <= 20
