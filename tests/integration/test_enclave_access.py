"""Who may connect to an enclave: the policy pins it, whatever the host hands in. Whole enclaves, judged by their clients."""
import base64
import contextlib
import json
import types

import pytest
import requests

from client_certificate import ClientCertificate
from enclave_rig import Cloud, eventually
from harness import connect, control
from test_front_tls_clients import BOTH, admitted

TOKEN, OTHER_TOKEN = "a-token_of-20-letters", "b-token_of-20-letters"
CREDENTIALS = ("teku", "a password of 23 letters")
REFUSED = (requests.exceptions.SSLError, requests.exceptions.ConnectionError)


@pytest.fixture
def cloud(start, bin_dir, folder):
    return Cloud(start, bin_dir, folder, num_keys=1)


@pytest.fixture
def admit(cloud, folder):
    """admit(option, ...) makes the access document and the policy that pins it, and has KMS release the keys under it."""
    def maker(*options):
        (folder / "access.txt").write_text(cloud.ctl("access", "make", *options))
        cloud.access = folder / "access.txt"
        cloud.begin()
        return cloud
    return maker


def write(folder, name, *lines):
    (folder / name).write_text("# who may sign\n" + "".join(line + "\n" for line in lines))
    return folder / name


def as_front(enclave):
    """What test_front_tls_clients takes for a front."""
    return types.SimpleNamespace(port=enclave.port, certificate=types.SimpleNamespace(ca_file=enclave.session.verify))


def status_of(enclave, path="/api/v1/eth2/publicKeys", certificate=None, **more):
    """HTTP's status; None when the handshake was refused."""
    cert = (certificate.file, certificate.key_file) if certificate else None
    with requests.Session() as session:
        session.trust_env, session.verify = False, enclave.session.verify
        with contextlib.suppress(*REFUSED):
            return session.get(f"https://localhost:{enclave.port}{path}", cert=cert, timeout=30, **more).status_code
    return None


# ---- certificates ----

def test_a_known_client_signs_and_nobody_else_shakes_hands(admit, folder):
    mine, other, unlisted = (ClientCertificate(folder, name) for name in ("teku one", "teku one", "prysm"))
    enclave = admit(f"--tls-known-clients-file={write(folder, 'clients', mine.line().strip())}").enclave("a")
    assert status_of(enclave) is None
    assert status_of(enclave, certificate=other) is None  # the name is right, the fingerprint is not
    assert status_of(enclave, certificate=unlisted) is None
    enclave.session.cert = (mine.file, mine.key_file)
    answer = enclave.attest()
    assert answer.status_code == 200 and answer.json()["signature"].startswith("0x")
    eventually(lambda: f"{other.fingerprint}: it is not among the known clients" in enclave.log())
    assert "1 known clients, 0 authorities" in enclave.log() and "access any" not in enclave.log()


@BOTH
def test_sessions_are_resumed_by_those_who_were_let_in(admit, folder, version):
    mine, other = ClientCertificate(folder, "teku"), ClientCertificate(folder, "teku")
    enclave = admit(f"--tls-known-clients-file={write(folder, 'clients', mine.line().strip())}").enclave("a")
    front = as_front(enclave)
    context = mine.context(front.certificate, version)
    session, reused = admitted(front, context)
    assert not reused
    session, reused = admitted(front, context, session)
    assert reused
    assert admitted(front, other.context(front.certificate, version)) is None
    enclave.kill()  # and a session does not outlive the enclave that made it
    _, reused = admitted(front, context, session)
    assert not reused


def test_an_authority_admits_those_it_signed(admit, folder):
    root, foreign = (ClientCertificate(folder, name, kind="authority") for name in ("root", "foreign"))
    listed = ClientCertificate(folder, "listed")
    enclave = admit(f"--tls-client-ca-file={root.file}", f"--tls-known-clients-file={write(folder, 'clients', listed.line().strip())}").enclave("a")
    assert status_of(enclave, certificate=ClientCertificate(folder, "teku", authority=root)) == 200
    assert status_of(enclave, certificate=listed) == 200
    assert status_of(enclave, certificate=ClientCertificate(folder, "teku", authority=foreign)) is None
    assert status_of(enclave, certificate=ClientCertificate(folder, "server", authority=root, kind="server")) is None
    assert status_of(enclave, certificate=ClientCertificate(folder, "old", authority=root, lasts=(-9, -1))) is None
    assert status_of(enclave) is None


# ---- tokens, passwords, names ----

def test_tokens_and_passwords(admit, folder):
    tokens = write(folder, "tokens", TOKEN, "c-token_of-20-letters")
    basic = write(folder, "basic", ":".join(CREDENTIALS))
    cloud = admit(f"--http-path-tokens-file={tokens}", f"--http-basic-credentials-file={basic}")
    assert not any(secret in cloud.access.read_text() for secret in (TOKEN, *CREDENTIALS))
    enclave = cloud.enclave("a")
    assert status_of(enclave, f"/{TOKEN}/api/v1/eth2/publicKeys") == 200
    assert status_of(enclave, f"/{OTHER_TOKEN}/api/v1/eth2/publicKeys") == 401
    assert status_of(enclave, auth=CREDENTIALS) == 200
    assert status_of(enclave, auth=("teku", "a password of 24 letters")) == 401
    assert status_of(enclave, "/upcheck") == 401
    assert enclave.attest().status_code == 401
    assert enclave.get("/upcheck").headers["www-authenticate"].startswith("Basic realm=")
    enclave.session.auth = CREDENTIALS
    assert enclave.attest().status_code == 200


def test_a_certificate_does_not_stand_in_for_a_token(admit, folder):
    mine = ClientCertificate(folder, "teku")
    clients, tokens = write(folder, "clients", mine.line().strip()), write(folder, "tokens", TOKEN)
    enclave = admit(f"--http-path-tokens-file={tokens}", f"--tls-known-clients-file={clients}").enclave("a")
    assert status_of(enclave, f"/{TOKEN}/upcheck") is None
    assert status_of(enclave, "/upcheck", mine) == 403
    assert status_of(enclave, f"/{TOKEN}/upcheck", mine) == 200


def test_hosts_and_origins(admit, folder):
    tokens = write(folder, "tokens", TOKEN)
    enclave = admit(f"--http-path-tokens-file={tokens}", "--http-host-allowlist=Localhost,signer.test", "--http-cors-origins=https://page.test").enclave("a")
    path = f"/{TOKEN}/upcheck"
    assert status_of(enclave, path) == 200
    assert status_of(enclave, path, headers={"Host": "elsewhere.test"}) == 403
    assert status_of(enclave, path, headers={"Origin": "https://page.test"}) == 200
    assert status_of(enclave, path, headers={"Origin": "https://other.test"}) == 403


# ---- what the host hands in ----

class Host:
    """An enclave without its watchdog: the test says init."""

    def __init__(self, cloud, start, folder, name="a"):
        self.cloud, self.folder = cloud, folder
        self.enclave = start("nitro-signer-enclave", f"--control=unix:{folder}/control", f"--https=unix:{folder}/https", f"--nsm=unix:{folder}/nsm-{name}",
                             f"--kms-via=unix:{folder}/kms", f"--ca-file={folder}/ca.pem", "--log-level=debug")
        self.stream = connect(f"unix:{folder}/control", timeout=60)

    def init(self, **changed):
        (item,) = (json.loads(path.read_text()) for path in (self.folder / "items/validators").iterdir())
        tls = json.loads((self.folder / "items/tls/1.json").read_text())
        credential = json.loads((self.folder / "cloud/credentials.json").read_text())
        message = {"operation": "init", "policy": (self.folder / "policy.txt").read_text(), "access": (self.folder / "access.txt").read_text(),
                   "credential": {name: credential[name] for name in ("access_key_id", "secret_access_key", "token")},
                   "encrypted_tls_key": tls["encrypted_tls_key_b64"], "encrypted_validator_keys": [item["encrypted_key_password_mnemonic_b64"]], **changed}
        reply = control(self.stream, {name: value for name, value in message.items() if value is not None})
        return reply["status"], reply["body"].get("error", reply["body"])

    def state(self):
        return control(self.stream, {"operation": "init_state"})["body"]["state"]

    def decrypted(self):
        return "KMS Decrypt" in self.cloud.devcloud.log()


@pytest.fixture
def host(admit, start, folder):
    mine = ClientCertificate(folder, "teku")
    return Host(admit(f"--tls-known-clients-file={write(folder, 'clients', mine.line().strip())}"), start, folder)


def test_another_access_document_gets_no_key(host, folder):
    right = (folder / "access.txt").read_text()
    digit = right[-2]
    other = right[:-2] + ("0" if digit != "0" else "1") + "\n"
    status, error = host.init(access=other)
    assert status == 400 and error == "access: is not the document whose SHA-256 the policy pins"
    assert host.state() == "attest" and not host.decrypted()
    longest = "nitro-signer-access 1\n" + "".join(f"ca {base64.b64encode(bytes([i]) * 6000).decode()}\n" for i in range(6))
    longest += "".join(f"host h{i:02}{'x' * 90}\n" for i in range(10, 10 + (49152 - len(longest) - 120) // 99))
    longest += "host i" + "x" * (49152 - len(longest) - 7) + "\n"
    assert len(longest) == 49152
    for wrong, named in ((longest, "SHA-256"), (longest + "\n", "at most 49152"), ("", "none came"), (None, "access: is missing"), (right + "\0", "JSON"),
                         (right[:-2] + "\0\n", "JSON"), (right + right.splitlines()[1] + "\n", "is the line above again"), (right[:-1], "line 2: must end with a newline"),
                         (right + "\n", "line 3"), (right.replace("\n", "\r\n"), "line 1"), (7, "access")):
        status, error = host.init(access=wrong)
        assert status == 400 and named in error, (named, error)
        assert host.state() == "attest" and not host.decrypted()
    # The document that the policy pins still opens it.
    assert host.init() == (200, {"init_state": True, "keys": 1, "failed": 0})
    assert host.state() == "serve" and host.decrypted()
    for again in (right, other, ""):
        status, error = host.init(access=again)
        assert status == 409 and error == "already initialised"


def test_a_policy_that_admits_others_gets_no_key(host, folder):
    """The host may pin a list of its own, or say any: it is another policy then, and KMS does not know it."""
    policy = (folder / "policy.txt").read_text()
    (line,) = (line for line in policy.splitlines() if line.startswith("access "))
    status, error = host.init(policy=policy.replace(line, "access any"), access="")
    assert status == 403 and "AccessDenied" in error
    status, error = host.init()
    assert status == 409 and "another policy" in error
    with pytest.raises(ConnectionRefusedError):
        connect(f"unix:{folder}/https")


def test_authorities_that_are_no_certificates_end_it_before_it_serves(cloud, start, folder):
    """Pinned and in form, but nothing that a client could be held to: nobody is served rather than anybody."""
    (folder / "access.txt").write_text("nitro-signer-access 1\nca AAAA\n")
    cloud.access = folder / "access.txt"
    cloud.begin()
    enclave = Host(cloud, start, folder)
    with pytest.raises((OSError, AssertionError)):
        enclave.init()
    assert enclave.enclave.wait() == 1
    assert "authorities: one is not a certificate" in enclave.enclave.log()


def test_any_has_to_be_said_and_means_anybody(cloud, start, folder):
    refused = cloud.ctl("policy", "make", "--store=sqlite:/x", f"--kms-key={cloud.key_arn}", status=2)
    assert refused == ""
    cloud.begin()
    assert "\naccess any\n" in (folder / "policy.txt").read_text()
    enclave = cloud.enclave("a")
    assert enclave.get("/upcheck").status_code == 200 and enclave.attest().status_code == 200
    assert "access any: whoever reaches the port is served" in enclave.log()
    assert enclave.watchdog.terminate() == 0
    (folder / "access.txt").write_text("nitro-signer-access 1\npath_token_sha256 " + "ab" * 32 + "\n")
    status, error = Host(cloud, start, folder).init()
    assert status == 400 and "the policy says any" in error
