"""Keys that other servers have: AWS Secrets Manager (moto's server) and HashiCorp Vault.

The Vault is a real one: OpenBao, Vault's continuation under the Linux Foundation, a development server with the key-value
engine's version 2. What neither server does by itself (throttling, silence, nonsense) is scripted over the documented wire
form. Loader and fetcher run together as the supervisor starts them; the tests are the keeper, who sees which keys come.
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import struct
import threading
import time

import pytest
import requests

from harness import send_packet
from key_servers import ACCESS_KEY, REGION, SECRET_KEY, Certificate, Moto, OpenBao, Scripted
from test_loader import Outcome

FETCH_ACCESS, FETCH, FETCHED = 0x0801, 0x0802, 0x0803
E_INPUT, E_TOO_LARGE, E_NOT_FOUND, E_AUTH, E_DENIED, E_PEER, E_TIMEOUT, E_IO = 1, 2, 3, 8, 9, 10, 11, 12


def key(number):
    return f"{number:064x}"


@pytest.fixture(scope="module")
def moto_server(tmp_path_factory):
    with contextlib.closing(Moto(tmp_path_factory.mktemp("moto"))) as server:
        yield server


@pytest.fixture
def moto(moto_server):
    moto_server.reset()
    return moto_server


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    with contextlib.closing(OpenBao(tmp_path_factory.mktemp("openbao"))) as server:
        yield server


def texts(*words):
    return b"".join(struct.pack("<I", len(word)) + word.encode() for word in words)


class Load:
    """One load by loader and fetcher."""

    def __init__(self, start, pair, config, *, ca_file=None, specified=(ACCESS_KEY, SECRET_KEY, ""), environment=("", "", ""),
                 options=(), variables=None, loader_options=()):
        keeper, of_loader = pair()
        asking, fetching = pair()
        variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(variables or {})}
        if ca_file:
            variables.setdefault("AWS_CA_BUNDLE", str(ca_file))
        send_packet(asking, FETCH_ACCESS, 0, texts(*environment))
        send_packet(asking, FETCH_ACCESS, 0, texts(*specified))
        self.fetcher = start("nitro-signer-fetcher", *options, fds=(fetching.fileno(),), ready=False, env=variables)
        self.loader = start("nitro-signer-loader", "--mode=files", "--fetcher", f"--key-config-path={config}", *loader_options,
                            fds=(of_loader.fileno(), asking.fileno()), ready=False)
        for end in (of_loader, asking, fetching):
            end.close()
        self.keeper = keeper

    def finish(self):
        self.outcome = Outcome(self.keeper)
        assert self.loader.wait() == 0, self.loader.log() + self.fetcher.log()
        assert self.fetcher.wait() == 0, self.fetcher.log()
        assert self.outcome.end is not None
        self.numbers = [int.from_bytes(secret, "big") for _, secret, _ in self.outcome.keys]
        self.failures = [self.outcome.failures[index] for index in sorted(self.outcome.failures)]
        return self

    def logs(self):
        return self.loader.log() + self.fetcher.log()


@pytest.fixture
def config(folder):
    path = folder / "config"
    path.mkdir()
    return path


@pytest.fixture
def load(start, pair, config):
    def runner(**more):
        return Load(start, pair, config, **more).finish()
    return runner


@pytest.fixture
def load_all(load, moto):
    """Everything in Secrets Manager, by the fetcher's own options."""
    def runner(*options, **more):
        return load(ca_file=moto.certificate.file, loader_options=["--aws-secrets"],
                    options=[f"--aws-region={REGION}", f"--aws-endpoint={moto.url}", *options], **more)
    return runner


def documents(config, *members):
    lines = ("".join(f"{name}: {json.dumps(value)}\n" for name, value in document.items()) for document in members)
    (config / "keys.yaml").write_text("---\n".join(lines))


# Secrets Manager, all at once


def test_more_secrets_than_a_page_and_many_keys_in_one(load_all, moto):
    for i in range(1, 106):
        moto.put(f"key-{i}", key(i))
    moto.put("many", "".join(f"0x{key(i)}\r\n" for i in range(1001, 1801)))  # two parts of a value
    done = load_all()
    assert sorted(done.numbers) == [*range(1, 106), *range(1001, 1801)]
    assert done.outcome.end == (905, 0)


def test_prefixes_and_tags_choose(load_all, moto):
    moto.put("a/1", key(1), client="x")
    moto.put("b/2", key(2), client="x", other="y")
    moto.put("c/3", key(3), client="x")
    moto.put("a/4", key(4), client="z")
    moto.put("a/5", key(5))
    assert sorted(load_all("--aws-name-prefixes=a/").numbers) == [1, 4, 5]
    assert sorted(load_all("--aws-name-prefixes=a/,b/").numbers) == [1, 2, 4, 5]
    assert sorted(load_all("--aws-tag-keys=client", "--aws-tag-values=x").numbers) == [1, 2, 3]
    assert sorted(load_all("--aws-name-prefixes=a/", "--aws-tag-keys=client", "--aws-tag-values=x").numbers) == [1]
    assert load_all("--aws-name-prefixes=nothing").outcome.end == (0, 0)


def test_a_bad_line_costs_only_itself(load_all, moto):
    moto.put("keys", f"{key(1)}\n\nhunter2\n{key(2)}\n{'0' * 64}\n{key(1)}\n")
    moto.call("CreateSecret", Name="binary", SecretBinary="AAAA"), moto.put("blank", " \n\n")
    done = load_all()
    assert done.numbers == [1, 2]
    assert done.outcome.end == (2, 4)
    told = "\n".join(text for _, text in done.failures)
    assert "line 3" in told and "line 5" in told and "the secret has no string" in told and ": has no key" in told
    assert "hunter2" not in told + done.logs()
    assert "was loaded before" in done.loader.log()


def test_no_secret_is_told(load_all, moto):
    secrets = [f"{0xabcdef0123456789 << 64 | i:064x}" for i in range(1, 30)]
    moto.put("keys", "\n".join(secrets))
    done = load_all()
    assert done.outcome.end == (29, 0)
    assert "abcdef0123456789" not in done.logs() and SECRET_KEY not in done.logs()


def test_no_credentials(load_all):
    done = load_all(specified=("", "", ""))
    assert done.outcome.end == (0, 1) and done.failures[0][0] == E_AUTH and "no AWS credentials" in done.failures[0][1]


def test_credentials_from_the_environment_and_from_a_file(load_all, moto, folder):
    moto.put("one", key(1))
    assert load_all("--aws-environment", specified=("", "", ""), environment=("AKIDENV", "secret", "token")).numbers == [1]
    shared = folder / "credentials"
    shared.write_text("[default]\naws_access_key_id = no\n[ours]\n# comment\naws_access_key_id = AKIDFILE\n"
                      "aws_secret_access_key=s3cret/of=file\n")
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(shared), "AWS_PROFILE": "ours"}
    assert load_all("--aws-environment", specified=("", "", ""), variables=variables).numbers == [1]
    missing = load_all("--aws-environment", specified=("", "", ""), variables={**variables, "AWS_PROFILE": "theirs"})
    assert missing.outcome.end == (0, 1) and "profile theirs" in missing.fetcher.log()


def test_a_certificate_that_is_not_trusted(load_all, moto, folder):
    moto.put("one", key(1))
    done = load_all(variables={"AWS_CA_BUNDLE": str(Certificate(folder, "other").file)})
    assert done.outcome.end == (0, 1) and done.failures[0][0] == E_AUTH and "TLS" in done.failures[0][1]


class Throttled:
    """Secrets Manager that refuses every other request, and hands out pages of two."""

    def __init__(self, secrets):
        self.secrets, self.refused = secrets, 0
        self.names = sorted(secrets)

    def __call__(self, method, path, headers, body):
        if (self.refused + 1) % 2:
            self.refused += 1
            return 400, '{"__type":"ThrottlingException","message":"Rate exceeded"}'
        self.refused += 1
        request = json.loads(body)
        if headers["x-amz-target"] == "secretsmanager.ListSecrets":
            first = int(request.get("NextToken", 0))
            page = {"SecretList": [{"ARN": f"arn:{name}", "Name": name} for name in self.names[first:first + 2]]}
            if first + 2 < len(self.names):
                page["NextToken"] = str(first + 2)
            return 200, json.dumps(page)
        return 200, json.dumps({"SecretString": self.secrets[request["SecretId"].removeprefix("arn:")]})


@pytest.fixture
def scripted(folder):
    servers = []

    def maker(answer):
        servers.append(Scripted(folder, answer))
        return servers[-1]
    yield maker
    for server in servers:
        server.close()


def scripted_load(load, server, **more):
    return load(ca_file=server.certificate.file, loader_options=["--aws-secrets"],
                options=[f"--aws-region={REGION}", f"--aws-endpoint={server.url}"], **more)


def test_throttling_is_waited_out(load, scripted):
    server = scripted(Throttled({f"s{i}": key(i) for i in range(1, 8)}))
    done = scripted_load(load, server)
    assert sorted(done.numbers) == list(range(1, 8)) and done.outcome.end == (7, 0)
    signed = server.requests[0][2]["authorization"]
    assert signed.startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/") and f"/{REGION}/secretsmanager/aws4_request" in signed


@pytest.mark.parametrize("answer, code, part", [
    ((400, '{"__type":"AccessDeniedException","message":"no"}'), E_DENIED, "AccessDenied"),
    ((400, '{"__type":"UnrecognizedClientException","message":"no"}'), E_AUTH, "UnrecognizedClient"),
    ((200, "[]"), E_PEER, "answer"),
    ((200, '{"SecretList":[{}]}'), E_PEER, "ARN"),
    ((200, '{"SecretList":' + "[" * 100), E_PEER, "answer"),
    ((200, " " * (9 << 20)), E_TOO_LARGE, "8388608"),
    ((200, '{"SecretList":[],"NextToken":"again"}'), E_PEER, "same page"),
    ((302, ""), E_PEER, "302"),
], ids=range(8))
def test_hostile_lists(load, scripted, answer, code, part):
    done = scripted_load(load, scripted(lambda *_: answer))
    assert done.outcome.end == (0, 1)
    assert done.failures[0][0] == code and part in done.failures[0][1], done.failures


@pytest.mark.parametrize("value", ['{"SecretString":5}', "{}", "nonsense", '{"SecretString":"' + "a" * 70000 + '"}', " " * 200000], ids=len)
def test_hostile_values(load, scripted, value):
    def answer(method, path, headers, body):
        if headers["x-amz-target"].endswith("ListSecrets"):
            return 200, '{"SecretList":[{"ARN":"bad"},{"ARN":"good"}]}'
        return 200, json.dumps({"SecretString": key(7)}) if b"good" in body else value
    done = scripted_load(load, scripted(answer))
    assert done.numbers == [7] and done.outcome.end == (1, 1)
    assert "secret bad" in done.failures[0][1]


# aws-secret documents


def aws_document(url, **more):
    document = {"type": "aws-secret", "authenticationMode": "SPECIFIED", "region": REGION, "accessKeyId": ACCESS_KEY,
                "secretAccessKey": SECRET_KEY, "secretName": "one", "endpointOverride": url, **more}
    return {name: value for name, value in document.items() if value is not None}


def test_aws_secret_documents(load, moto, config):
    moto.put("one", f"0x{key(1)}")
    moto.put("two", f"{key(2)}\n")
    moto.put("none", "hunter2")
    environment = {"authenticationMode": "ENVIRONMENT", "accessKeyId": None, "secretAccessKey": None}
    documents(config, aws_document(moto.url), aws_document(moto.url, secretName="two", region=None, **environment),
              aws_document(moto.url, secretName="none"), aws_document(moto.url, secretName="absent"),
              aws_document(moto.url.replace("https", "http")), {"type": "file-raw", "privateKey": key(9)})
    done = load(ca_file=moto.certificate.file, environment=(ACCESS_KEY, SECRET_KEY, ""), variables={"AWS_REGION": REGION})
    assert done.numbers == [1, 2, 9]
    assert [code for code, _ in done.failures] == [E_INPUT, E_NOT_FOUND, E_INPUT]
    assert all("keys.yaml" in text for _, text in done.failures)
    assert "hunter2" not in done.logs() and SECRET_KEY not in done.logs()


# Vault


def vault_document(vault, path, **more):
    return {"type": "hashicorp", "keyType": "BLS", "serverHost": "127.0.0.1", "serverPort": vault.port, "tlsEnabled": "true",
            "tlsKnownServersPath": "known", "keyPath": f"/v1/secret/data/{path}", "token": OpenBao.ROOT_TOKEN, "timeout": 10000,
            **more}


def write_known(config, server, name="known"):
    (config / name).write_text(f"# servers\n127.0.0.1:{server.port} {server.certificate.fingerprint.upper()}\n")


def test_vault_keys(load, vault, config):
    write_known(config, vault)
    for i in range(1, 41):
        vault.put(f"key-{i}", value=key(i))
    vault.put("other", named=f"0x{key(100)}", value="not this one")
    documents(config, *(vault_document(vault, f"key-{i}") for i in range(1, 41)),
              vault_document(vault, "other", keyName="named"), vault_document(vault, "key-7", httpProtocolVersion="HTTP_1_1"))
    done = load()
    assert done.numbers == [*range(1, 41), 100]  # in the order of the documents; the last is there already
    assert "was loaded before" in done.loader.log() and done.outcome.end == (41, 0)


def test_vault_without_tls(load, vault, config):
    vault.put("plain", value=key(5))
    documents(config, {"type": "hashicorp", "serverHost": "localhost", "serverPort": vault.plain_port, "token": OpenBao.ROOT_TOKEN,
                       "keyPath": "/v1/secret/data/plain"})
    assert load().numbers == [5]


def test_what_vault_refuses(load, vault, config):
    write_known(config, vault)
    vault.put("there", value=key(1), number=5, hunter2="hunter2")
    vault.put("gone", value=key(2))
    vault.call("DELETE", "secret/data/gone")
    documents(config, vault_document(vault, "there", token="s.wrong"), vault_document(vault, "absent"),
              vault_document(vault, "there", keyName="missing"), vault_document(vault, "there", keyName="number"),
              vault_document(vault, "there", keyName="hunter2"), vault_document(vault, "gone"), vault_document(vault, "there"))
    done = load()
    assert done.numbers == [1]
    assert [code for code, _ in done.failures] == [E_DENIED, E_NOT_FOUND, E_INPUT, E_INPUT, E_INPUT, E_NOT_FOUND]
    assert "403" in done.failures[0][1] and "data.data.missing" in done.failures[2][1]
    for word in ("hunter2 ", "s.wrong", OpenBao.ROOT_TOKEN, key(1)[2:]):
        assert word not in done.logs()


@pytest.mark.parametrize("line", ["127.0.0.1:{port} {other}", "127.0.0.2:{port} {right}", "127.0.0.1:1 {right}", "localhost:{port} {right}"])
def test_a_server_that_is_not_known(load, vault, config, folder, line):
    vault.put("one", value=key(1))
    other = Certificate(folder, "other")
    (config / "known").write_text(line.format(port=vault.port, right=vault.certificate.fingerprint, other=other.fingerprint) + "\n")
    documents(config, vault_document(vault, "one"))
    done = load()
    assert done.outcome.end == (0, 1)
    assert done.failures[0][0] == E_AUTH and "tlsKnownServersPath" in done.failures[0][1]


def test_known_servers_are_not_shared_between_documents(load, vault, config, folder):
    """A connection that one list has admitted must not serve a document with another list."""
    vault.put("one", value=key(1))
    write_known(config, vault)
    (config / "wrong").write_text(f"127.0.0.1:{vault.port} {Certificate(folder, 'other').fingerprint}\n")
    documents(config, *[vault_document(vault, "one"), vault_document(vault, "one", tlsKnownServersPath="wrong")] * 40)
    done = load()
    assert done.outcome.end == (1, 40) and {code for code, _ in done.failures} == {E_AUTH}


def test_without_a_list_authorities_decide(load, vault, config):
    documents(config, vault_document(vault, "one", tlsKnownServersPath=""))
    done = load()
    assert done.outcome.end == (0, 1) and done.failures[0][0] == E_AUTH and "TLS" in done.failures[0][1]


def test_files_that_a_document_names(load, vault, config):
    (config / "malformed").write_text("127.0.0.1:8200 abc\n")
    documents(config, vault_document(vault, "one", tlsKnownServersPath="absent"),
              vault_document(vault, "one", tlsKnownServersPath="malformed"))
    done = load()
    assert [code for code, _ in done.failures] == [E_NOT_FOUND, E_INPUT]


def test_a_role_of_kubernetes(load, scripted, config):
    """The login of Vault's Kubernetes method, by its documented form."""
    def answer(method, path, headers, body):
        if method == "POST":
            assert path == "/v1/auth/cluster/login" and "x-vault-token" not in headers
            right = json.loads(body) == {"role": "signer", "jwt": "header.payload.signature"}
            return (200, '{"auth":{"client_token":"s.granted"}}') if right else (403, "{}")
        return (200, json.dumps({"data": {"data": {"value": key(3)}}})) if headers["x-vault-token"] == "s.granted" else (403, "{}")
    server = scripted(answer)
    write_known(config, server)
    (config / "jwt").write_text("header.payload.signature\n")
    document = vault_document(server, "one", authMethod="KUBERNETES", kubernetesRole="signer", kubernetesAuthPath="cluster",
                              kubernetesServiceAccountTokenPath=str(config / "jwt"))
    del document["token"]
    documents(config, document, {**document, "kubernetesRole": "other"})
    done = load()
    assert done.numbers == [3]
    assert done.failures[0][0] == E_DENIED and "login" in done.failures[0][1]


@pytest.mark.parametrize("answer, code", [
    (None, E_TIMEOUT), ((200, "x" * 70000), E_TOO_LARGE), ((200, "[]"), E_INPUT), ((200, '{"data":{"value":"' + key(1) + '"}}'), E_INPUT),
    ((500, ""), E_PEER), ((301, ""), E_PEER), (b"nonsense\r\n\r\n", E_PEER), ((200, '{"data":{"data":{"value":"' + "0" * 63000 + '"}}}'), E_INPUT)], ids=range(8))
def test_hostile_vaults(load, scripted, config, answer, code):
    server = scripted(lambda *_: answer)
    write_known(config, server)
    # Silence lasts for 30 seconds, then comes the end of the connection, which would be another code.
    documents(config, vault_document(server, "one", timeout=60000 if answer else 400), {"type": "file-raw", "privateKey": key(9)})
    done = load()
    assert done.numbers == [9] and done.outcome.end == (1, 1)
    assert done.failures[0][0] == code, done.failures


def test_a_server_that_is_silent_is_not_waited_for_by_every_key(load, scripted, config):
    """400 keys of a second each would be 25 seconds with sixteen threads; after 32 silences it is not asked again."""
    server = scripted(lambda *_: None)
    write_known(config, server)
    documents(config, *(vault_document(server, f"k{i}", timeout=1000) for i in range(400)))
    done = load()
    assert done.outcome.end == (0, 400) and len(server.requests) <= 100
    assert {code for code, _ in done.failures} == {E_TIMEOUT}
    assert "not asked again" in done.failures[-1][1]


def test_nobody_listens(load, config):
    with contextlib.closing(Scripted(config, lambda *_: None)) as server:
        write_known(config, server)
    documents(config, vault_document(server, "one"), vault_document(server, "two", serverHost="no-such-host.invalid"))
    done = load()
    assert [code for code, _ in done.failures] == [E_IO, E_NOT_FOUND]


def test_a_fetcher_that_dies_costs_its_keys_only(start, pair, config, scripted):
    server = scripted(lambda *_: None)
    write_known(config, server)
    documents(config, *(vault_document(server, f"k{i}", timeout=60000) for i in range(100)),
              {"type": "file-raw", "privateKey": key(9)})
    running = Load(start, pair, config)
    while len(server.requests) < 16:
        time.sleep(0.02)
    running.fetcher.signal(9)
    outcome = Outcome(running.keeper)
    assert running.loader.wait() == 0
    assert outcome.end == (1, 100) and "fetcher" in outcome.failures[99][1]


# The fetcher itself


def test_the_fetcher_starts_nothing_before_it_is_asked(start, pair):
    asking, fetching = pair()
    for _ in range(2):
        send_packet(asking, FETCH_ACCESS, 0, texts("", "", ""))
    fetcher = start("nitro-signer-fetcher", fds=(fetching.fileno(),), ready=False)
    fetching.close()
    time.sleep(0.3)
    status = pathlib.Path(f"/proc/{fetcher.pid}/status").read_text()
    assert re.search(r"^Threads:\s+1$", status, re.M)
    asking.close()
    assert fetcher.wait() == 0


@pytest.mark.parametrize("messages", [
    [(FETCH, 0, b"")],
    [(FETCH_ACCESS, 0, texts("", "", ""))] * 3,
    [(FETCH_ACCESS, 0, texts("id", "key", "")), (FETCH_ACCESS, 0, b"\xff" * 12)],
    [(FETCH_ACCESS, 0, texts("", "", ""))] * 2 + [(FETCH, 0, struct.pack("<IBBBBII", 0, 9, 0, 0, 0, 0, 0) + texts(*[""] * 8))],
    [(FETCH_ACCESS, 0, texts("", "", ""))] * 2 + [(FETCH, 0, struct.pack("<IBBBBII", 0, 1, 0, 0, 0, 0, 0) + texts(*["a\0b"] * 8))],
    [(FETCH_ACCESS, 0, texts("", "", ""))] * 2 + [(FETCH, 0, struct.pack("<IBBBBII", 0, 1, 0, 0, 0, 0, 0) + texts(*[""] * 7))],
])
def test_malformed_messages_end_the_fetcher(start, pair, messages):
    asking, fetching = pair()
    for message in messages:
        send_packet(asking, *message)
    fetcher = start("nitro-signer-fetcher", fds=(fetching.fileno(),), ready=False)
    fetching.close()
    assert fetcher.wait() in (0, 1)


# Progress


def test_progress_in_the_log(start, pair, config, scripted):
    """A slow server: the log says every few seconds how far the load is, and what has come is sent on meanwhile."""
    def answer(method, path, headers, body):
        time.sleep(1.5)
        return 200, json.dumps({"data": {"data": {"value": key(1 + int(path.rsplit("-", 1)[1]))}}})
    server = scripted(answer)
    write_known(config, server)
    documents(config, *(vault_document(server, f"k-{i}") for i in range(80)))
    running = Load(start, pair, config)
    assert select.select([running.keeper], [], [], 5)[0]  # long before all 80 are there
    assert running.loader.alive()
    running.finish()
    assert running.outcome.end == (80, 0)
    assert re.search(r"loaded \d+ of 80 keys, 0 failed", running.loader.log())


def test_progress_on_a_terminal(bin_dir, pair, config):
    """One line, written over, and taken away at the end."""
    (config / "keys.yaml").write_text("---\n".join(f'type: file-raw\nprivateKey: "{key(i)}"\n' for i in range(1, 40001)))
    keeper, of_loader = pair()
    ours, theirs = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs, 2)
        os.dup2(of_loader.fileno(), 3)
        os.execv(bin_dir / "nitro-signer-loader", ["loader", "--mode=files", "--jobs=1", f"--key-config-path={config}"])
    of_loader.close()
    os.close(theirs)
    shown = []

    def read():
        with contextlib.suppress(OSError):
            while data := os.read(ours, 4096):
                shown.append(data)
    reader = threading.Thread(target=read)
    reader.start()
    outcome = Outcome(keeper)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    reader.join(10)
    os.close(ours)
    text = b"".join(shown).decode()
    assert outcome.end == (40000, 0)
    assert re.search(r"\rloaded \d+ of 40000 keys, 0 failed\x1b\[K", text)
    assert text.count("\n") <= 2 and "\r\x1b[K" in text


# The whole signer


def keys_of(port):
    return requests.get(f"http://127.0.0.1:{port}/api/v1/eth2/publicKeys", timeout=20).json()


def health_of(port):
    answer = requests.get(f"http://127.0.0.1:{port}/healthcheck", timeout=20)
    checks = {check["id"]: check for check in answer.json()["checks"]}
    return answer.status_code, {check["id"]: check["data"] for check in checks["keys-check"]["checks"]}


@pytest.fixture
def signer(start, folder, config):
    def runner(*eth2, env=None):
        data = folder / "data"
        data.mkdir(exist_ok=True)
        process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={config}", f"--data-path={data}", "eth2",
                        "--slashing-protection-enabled=false", *eth2, env={**os.environ, **(env or {})})
        return process, int(re.search(r"http-port=(\d+)", (data / "web3signer.ports").read_text())[1])
    return runner


def bulk_options(moto):
    return ["--aws-secrets-enabled=true", f"--aws-secrets-region={REGION}", f"--aws-endpoint-override={moto.url}"]


def test_the_signer_with_a_documented_command_line(signer, moto):
    for i in range(1, 4):
        moto.put(f"keys-{i}", key(i), network="hoodi")
    moto.put("other", key(9))
    process, port = signer(*bulk_options(moto), "--aws-secrets-auth-mode=SPECIFIED", f"--aws-secrets-access-key-id={ACCESS_KEY}",
                           f"--aws-secrets-secret-access-key={SECRET_KEY}", "--aws-secrets-prefixes-filter=keys-,nothing",
                           "--aws-secrets-tag=network=hoodi", env={"AWS_CA_BUNDLE": str(moto.certificate.file)})
    assert len(keys_of(port)) == 3
    status, checks = health_of(port)
    assert status == 200 and checks["aws-bulk-loading"] == {"keys-loaded": 3, "error-count": 0}
    assert "--aws-secrets-secret-access-key" in process.log()  # the warning
    assert SECRET_KEY not in process.log()
    assert SECRET_KEY not in pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
    moto.put("keys-more", f"{key(50)}\n{key(51)}\nnonsense\n", network="hoodi")
    assert requests.post(f"http://127.0.0.1:{port}/reload", timeout=20).status_code == 202
    deadline = time.monotonic() + 20
    while len(keys_of(port)) != 5:
        assert time.monotonic() < deadline, process.log()
        time.sleep(0.05)
    status, checks = health_of(port)
    assert status == 503 and checks["aws-bulk-loading"] == {"keys-loaded": 5, "error-count": 1}
    assert process.terminate() == 0


def test_the_environments_credentials_reach_no_other_process(signer, moto):
    moto.put("one", key(1))
    process, port = signer(*bulk_options(moto), "--aws-secrets-auth-mode=ENVIRONMENT",
                           env={"AWS_CA_BUNDLE": str(moto.certificate.file), "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                                "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": "geheim"})
    assert len(keys_of(port)) == 1
    pids = [process.pid, *pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(pids) >= 3
    for pid in pids:
        with contextlib.suppress(OSError):  # a loader may be ending
            assert not re.search(f"{re.escape(SECRET_KEY)}|geheim", pathlib.Path(f"/proc/{pid}/environ").read_text())


def test_one_broken_document_of_many_leaves_the_health_down(signer, config):
    (config / "keys.yaml").write_text(f"type: file-raw\nprivateKey: {key(1)}\n---\ntype: file-raw\nprivateKey: broken\n---\n"
                                      f"type: gcp-secret\n---\ntype: file-raw\nprivateKey: {key(2)}\n")
    process, port = signer()
    assert len(keys_of(port)) == 2
    status, checks = health_of(port)
    assert status == 503 and checks == {"config-files-loading": {"keys-loaded": 2, "error-count": 2}}
    assert "document at line 4: privateKey" in process.log() and "type gcp-secret is not supported here" in process.log()


@pytest.mark.parametrize("options, named", [
    (["--aws-secrets-enabled=true", "--aws-secrets-region=r", "--aws-secrets-access-key-id=i"], "--aws-secrets-secret-access-key"),
    (["--aws-secrets-enabled=true", "--aws-secrets-region=r", "--aws-secrets-secret-access-key=geheim"], "--aws-secrets-access-key-id"),
    (["--aws-secrets-enabled=true", "--aws-secrets-access-key-id=i", "--aws-secrets-secret-access-key=geheim"], "--aws-secrets-region"),
    (["--aws-secrets-enabled=true", "--aws-secrets-auth-mode=FILE"], "--aws-secrets-auth-mode"),
    (["--aws-secrets-enabled=true", "--aws-secrets-auth-mode=environment", "--aws-secrets-tag=novalue"], "--aws-secrets-tag"),
    (["--aws-secrets-enabled=true", "--aws-secrets-auth-mode=ENVIRONMENT", "--aws-endpoint-override=http://127.0.0.1:1"],
     "--aws-endpoint-override"),
])
def test_mistakes_are_named(start, options, named):
    process = start("nitro-signer", "eth2", "--slashing-protection-enabled=false", *options, ready=False)
    assert process.wait() == 2
    assert f" error nitro-signer: {named}: " in process.log() and "geheim" not in process.log()
