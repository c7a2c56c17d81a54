"""nitro-signer-lambda as AWS Lambda runs it: a Runtime API (lambda_runtime.py), AWS's services (aws_judge.py: moto, with every
signature judged by botocore), and a stand-alone signer that serves with the key the function made.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import time
import urllib.request

import pytest

from harness import free_port
from key_servers import Certificate, Server
from lambda_runtime import RuntimeApi
from python_tools import python_tool
from test_secrets_in_memory import search

HERE = pathlib.Path(__file__).parent
ACCESS_KEY, SECRET_KEY, REGION = "ASIALOCALTESTS", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1"
TOKEN = "FwoGZXIvYXdzEXAMPLETOKEN//" + "a" * 700 + "=="  # as long as AWS's are
NAME, TABLE = "signer.devnitrovalidator.private", "dev-tls-keys"
VALIDATOR = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
PUBKEY = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"


class Judge(Server):
    """aws_judge.py, with a key and a table of the test's own."""

    def __init__(self, folder):
        port, certificate = free_port(), Certificate(folder, "aws")
        command = [python_tool("python"), HERE / "aws_judge.py", port, certificate.file, certificate.key_file, ACCESS_KEY, SECRET_KEY,
                   TOKEN, REGION]
        super().__init__(certificate, command, port, folder)
        self.await_answer("/test/requests")

    def moto(self, target, **body):
        return self.request("POST", "/test", body, {"X-Amz-Target": target})

    def fresh(self):
        """Forgets what was; a table without items, a new key."""
        self.mood()
        if TABLE in self.moto("DynamoDB_20120810.ListTables")["TableNames"]:
            self.moto("DynamoDB_20120810.DeleteTable", TableName=TABLE)
        self.moto("DynamoDB_20120810.CreateTable", TableName=TABLE, BillingMode="PAY_PER_REQUEST",
                  KeySchema=[{"AttributeName": "key_id", "KeyType": "HASH"}],
                  AttributeDefinitions=[{"AttributeName": "key_id", "AttributeType": "N"}])
        self.key_arn = self.moto("TrentService.CreateKey")["KeyMetadata"]["Arn"]
        self.seen = len(self.all_requests())
        return self

    def mood(self, **how):
        self.request("POST", "/test/mood", how)

    def all_requests(self):
        return self.request("GET", "/test/requests")["requests"]

    def requests(self):
        """Since this test began."""
        return self.all_requests()[self.seen:]

    def item(self):
        """The TLS table's only item, without its types."""
        items = self.moto("DynamoDB_20120810.Scan", TableName=TABLE)["Items"]
        assert len(items) == 1 and items[0]["key_id"] == {"N": "1"}
        return {name: value["S"] for name, value in items[0].items() if name != "key_id"}

    def put_item(self, **texts):
        self.moto("DynamoDB_20120810.PutItem", TableName=TABLE, Item={"key_id": {"N": "1"}, **{k: {"S": v} for k, v in texts.items()}})

    def tls_key(self):
        """(PKCS#12 file, password) as the enclave would decrypt them."""
        sealed = self.moto("TrentService.Decrypt", CiphertextBlob=self.item()["encrypted_tls_key_b64"])
        plain = json.loads(base64.b64decode(sealed["Plaintext"]))
        assert set(plain) == {"tls_password_b64", "tls_keystore_b64"}
        return base64.b64decode(plain["tls_keystore_b64"]), base64.b64decode(plain["tls_password_b64"]).decode()


@pytest.fixture(scope="module")
def judge_server(tmp_path_factory):
    with contextlib.closing(Judge(tmp_path_factory.mktemp("judge"))) as server:
        yield server


@pytest.fixture
def judge(judge_server):
    return judge_server.fresh()


@pytest.fixture
def function(start, judge):
    """function(NAME=value, ...) starts one with these variables too (None: without it); all that AWS sets are set."""
    with contextlib.ExitStack() as apis:
        started = []

        def starter(**variables):
            api = apis.enter_context(contextlib.closing(RuntimeApi()))
            environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.address, "_HANDLER": "x", "AWS_REGION": REGION,
                           "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN,
                           "NITRO_INSTANCE_PRIVATE_DNS": NAME, "TLS_KEYS_TABLE_NAME": TABLE, "KEY_ARN": judge.key_arn,
                           "LOG_LEVEL": "DEBUG", "AWS_ENDPOINT_URL": judge.url, "AWS_CA_BUNDLE": str(judge.certificate.file),
                           "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1",  # must not be used
                           **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}, **variables}
            api.process = start("nitro-signer-lambda", ready=False,
                                env={name: value for name, value in environment.items() if value is not None})
            started.append(api)
            return api

        yield starter
        assert [api.violations for api in started if api.violations] == []


def run(api, operation, **more):
    outcome = api.invoke({"operation": operation, **more})
    assert outcome.kind == "response", outcome
    return outcome.value


def failure(api, event, kind, *parts):
    outcome = api.invoke(event if isinstance(event, (bytes, dict)) else {"operation": event})
    assert outcome.kind == "error" and outcome.error_type == f"Function.{kind}", outcome
    for part in parts:
        assert part in outcome.value["errorMessage"], outcome
    return outcome


class Signer:
    """A stand-alone signer that serves HTTPS with the key of the table."""

    def __init__(self, start, judge, folder, host=NAME, options=()):
        pkcs12, password = judge.tls_key()
        self.pkcs12, self.password = pkcs12, password
        keys = folder / f"keys-{time.monotonic_ns()}"
        keys.mkdir()
        (keys / "key.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{VALIDATOR}"\n')
        (folder / "tls.p12").write_bytes(pkcs12)
        (folder / "tls.password").write_text(password)
        self.port = free_port()
        self.address = f"tcp:127.0.0.1:{self.port}"
        self.process = start("nitro-signer", f"--http-listen-port={self.port}", f"--key-config-path={keys}",
                             f"--tls-keystore-file={folder}/tls.p12", f"--tls-keystore-password-file={folder}/tls.password",
                             f"--http-host-allowlist={host}", "--tls-allow-any-client=true", *options, "eth2", "--network=minimal",
                             "--slashing-protection-enabled=false")


def test_a_signer_that_demands_credentials_says_so(function, judge, start, folder):
    run(function(), "set_tls_key")
    (folder / "tokens").write_text("0123456789abcdef0123456789abcdef\n")
    signer = Signer(start, judge, folder, options=[f"--http-path-tokens-file={folder}/tokens"])
    failure(function(SIGNER_ADDRESS=signer.address), "web3signer_public_keys", "Denied", "HTTP 40", "access document")
    foreign = Signer(start, judge, folder, host="other.private")
    failure(function(SIGNER_ADDRESS=foreign.address), "web3signer_status", "Denied", "HTTP 403", "list of hosts")


def test_from_making_the_key_to_asking_the_signer(function, judge, start, folder):
    api = function()
    assert run(api, "set_tls_key") == {"ResponseMetadata": {"HTTPStatusCode": 200}}
    assert run(api, "get_tls_key") == judge.item()["encrypted_tls_key_b64"]
    assert run(api, "decrypt_tls_key") is None
    signer = Signer(start, judge, folder)
    asking = function(SIGNER_ADDRESS=signer.address)
    assert run(asking, "web3signer_status") == "OK"
    assert run(asking, "web3signer_public_keys") == [PUBKEY]
    assert [r["target"].partition(".")[2] for r in judge.requests() if "target" in r][:3] == [
        "GenerateDataKeyPair", "Encrypt", "PutItem"]
    assert not [r for r in judge.requests() if r.get("fault")]
    # A key made later is not the one that the running signer has; the certificate of another is no anchor.
    run(api, "set_tls_key")
    failure(asking, "web3signer_status", "Auth", "web3signer_status: ", "is not the one in the TLS table")


def test_the_certificate_is_what_other_clients_pin(function, judge, start, folder):
    run(function(), "set_tls_key")
    signer = Signer(start, judge, folder, host="*")
    pem = base64.b64decode(judge.item()["cert_pem"]).decode()
    context = ssl.create_default_context(cadata=pem)
    for host in ("localhost", "127.0.0.1"):
        with urllib.request.urlopen(f"https://{host}:{signer.port}/upcheck", context=context, timeout=20) as answer:
            assert answer.read() == b"OK"
    (folder / "cert.pem").write_text(pem)
    subprocess.run(["curl", "-sSf", "--noproxy", "*", "--cacert", folder / "cert.pem", "--resolve", f"{NAME}:{signer.port}:127.0.0.1",
                    f"https://{NAME}:{signer.port}/upcheck"], check=True, timeout=20, capture_output=True)
    text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", folder / "cert.pem"], check=True, capture_output=True, text=True,
                          timeout=20).stdout
    assert f"DNS:{NAME}, DNS:localhost, DNS:127.0.0.1, IP Address:127.0.0.1" in text and "CA:TRUE, pathlen:0" in text
    assert "NIST CURVE: P-256" in text and "Signature Algorithm: ecdsa-with-SHA256" in text


def test_the_signer_is_found_by_its_name(function, judge, start, folder):
    """Without SIGNER_ADDRESS the name is asked of DNS, on port 443: nobody is there."""
    run(function(), "set_tls_key")
    failure(function(NITRO_INSTANCE_PRIVATE_DNS="localhost.invalid"), "web3signer_status", "Io", "localhost.invalid: ")
    signer = Signer(start, judge, folder)
    other = function(NITRO_INSTANCE_PRIVATE_DNS="other.private", SIGNER_ADDRESS=signer.address)
    failure(other, "web3signer_status", "Auth", "other.private: ")
    signer.process.terminate()
    gone = function(SIGNER_ADDRESS=signer.address)
    failure(gone, "web3signer_public_keys", "Io", f"{NAME}: ")


def test_signatures_that_botocore_would_not_make_are_refused(function, judge):
    failure(function(AWS_SECRET_ACCESS_KEY=SECRET_KEY[:-1] + "Z"), "get_tls_key", "Auth", "InvalidSignatureException")
    failure(function(AWS_SESSION_TOKEN=None), "set_tls_key", "Auth", "UnrecognizedClientException")
    failure(function(AWS_REGION="eu-west-1"), "get_tls_key", "Auth", "InvalidSignatureException")
    assert len([r for r in judge.requests() if r.get("fault")]) == 3


BAD_EVENTS = [
    (b"", "Input", "event: "), (b"7", "Input", "event: "), (b'"set_tls_key"', "Input", "event: "), (b"[]", "Input", "event: "),
    (b"{", "Input", "event: "), ({}, "Input", "operation"), ({"operation": None}, "Input", "operation"),
    ({"operation": 7}, "Input", "operation"), ({"operation": ["set_tls_key"]}, "Input", "operation"),
    ({"operation": {"operation": "set_tls_key"}}, "Input", "operation"),
    ({"operation": "destroy"}, "Input", "operation: must be set_tls_key"), ({"Operation": "set_tls_key"}, "Input", "operation"),
    (b'{"operation":"get_tls_key","operation":"set_tls_key"}', "Input", "twice"), (b'{"operation":"\xff"}', "Input", "event: "),
    ({"operation": "get_tls_key", "x": "y" * 20000}, "TooLarge", "event: must have at most"),
    (b'{"operation":' + b"[" * 10000, "Input", "event: "), (b"\0" * (6 * 1024 * 1024), "TooLarge", "event: must have at most")]


def test_bad_events_are_named_and_cost_nothing(function, judge):
    api = function()
    for event, kind, part in BAD_EVENTS:
        outcome = failure(api, event, kind, part)
        assert "destroy" not in outcome.text
    assert judge.requests() == []
    run(api, "set_tls_key", key1="value1")  # the console's example members are not looked at
    assert api.process.alive()


@pytest.mark.parametrize("name, value", [
    ("NITRO_INSTANCE_PRIVATE_DNS", None), ("NITRO_INSTANCE_PRIVATE_DNS", "a,DNS:evil"), ("TLS_KEYS_TABLE_NAME", None),
    ("KEY_ARN", None), ("KEY_ARN", "x"), ("AWS_REGION", None), ("AWS_ACCESS_KEY_ID", None), ("AWS_SECRET_ACCESS_KEY", None),
    ("LOG_LEVEL", "loud"), ("AWS_ENDPOINT_URL_KMS", "http://plain"), ("SIGNER_ADDRESS", "nowhere")])
def test_a_bad_environment_is_told_before_any_event(function, name, value):
    api = function(**{name: value})
    outcome = api.init_error.get(timeout=20)
    assert outcome.error_type == "Runtime.ConfigInvalid" and name in outcome.value["errorMessage"]
    assert api.process.wait(20) == 1 and name in api.process.log()


def test_a_bundle_that_is_not_there_is_told_too(function, folder):
    api = function(AWS_CA_BUNDLE=f"{folder}/nothing.pem")
    assert "CA file" in api.init_error.get(timeout=20).value["errorMessage"]
    assert api.process.wait(20) == 1


def test_without_a_runtime_api_it_says_so(start):
    process = start("nitro-signer-lambda", ready=False, env={"PATH": os.environ["PATH"]})
    assert process.wait(20) == 1 and "AWS_LAMBDA_RUNTIME_API" in process.log()
    for address in ("127.0.0.1:1/path", "127.0.0.1:1"):
        process = start("nitro-signer-lambda", ready=False, env={"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": address})
        assert process.wait(20) == 1
    assert start("nitro-signer-lambda", "--verbose", ready=False).wait(20) == 2
    assert start("nitro-signer-lambda", "--help", ready=False).wait(20) == 0


def test_tables_without_a_key_and_with_a_wrong_one(function, judge):
    api = function()
    for operation in ("get_tls_key", "decrypt_tls_key", "web3signer_status", "web3signer_public_keys"):
        failure(api, operation, "NotFound", f"{operation}: TLS_KEYS_TABLE_NAME")
    judge.put_item(encrypted_tls_key_b64="YmxvYg==")
    failure(api, "get_tls_key", "Input", "item of the TLS table: cert_pem")
    judge.put_item(encrypted_tls_key_b64="not base64", cert_pem="YQ==")
    failure(api, "web3signer_status", "Input", "item of the TLS table: cert_pem: must be a certificate")
    run(api, "set_tls_key")
    first = judge.item()
    judge.put_item(encrypted_tls_key_b64="not base64", cert_pem=first["cert_pem"])
    failure(api, "decrypt_tls_key", "Input", "encrypted_tls_key_b64")
    run(api, "set_tls_key")
    judge.put_item(encrypted_tls_key_b64=first["encrypted_tls_key_b64"], cert_pem=judge.item()["cert_pem"])
    failure(api, "decrypt_tls_key", "Mismatch", "cert_pem")
    foreign = judge.moto("TrentService.Encrypt", KeyId=judge.key_arn, Plaintext=base64.b64encode(b'{"a":1}').decode())
    judge.put_item(encrypted_tls_key_b64=foreign["CiphertextBlob"], cert_pem=first["cert_pem"])
    failure(api, "decrypt_tls_key", "Input", "tls_password_b64")
    failure(function(TLS_KEYS_TABLE_NAME="another-table"), "get_tls_key", "NotFound", "ResourceNotFoundException")


def test_what_aws_refuses_is_told_and_nothing_is_half_done(function, judge):
    api = function()
    run(api, "set_tls_key")
    before = judge.item()
    judge.mood(deny="Decrypt")
    failure(api, "decrypt_tls_key", "Denied", "only the attested enclave may decrypt", "AccessDeniedException")
    for operation in ("GenerateDataKeyPair", "Encrypt", "PutItem"):
        judge.mood(deny=operation)
        failure(api, "set_tls_key", "Denied", operation)
    judge.mood(pair="mismatch")
    failure(api, "set_tls_key", "Peer", "PublicKey")
    judge.mood(pair="p384")
    failure(api, "set_tls_key", "Peer", "P-256")
    assert judge.item() == before
    judge.mood(throttle=2)
    run(api, "set_tls_key")
    assert judge.item() != before


def test_an_invocation_whose_time_is_over_fails_in_time(function, judge):
    api = function()
    outcome = api.invoke({"operation": "set_tls_key"}, seconds=-1)
    assert outcome.error_type == "Function.Timeout" and judge.requests() == []
    run(api, "set_tls_key")


def test_a_lost_and_a_thawed_connection(function):
    api = function()
    api.lose_connection()
    run(api, "set_tls_key")
    assert api.waiting.wait(20)
    api.process.signal(signal.SIGSTOP)  # frozen, and meanwhile the other side has gone
    api.lose_connection()
    time.sleep(1.5)
    outcome = api.begin({"operation": "get_tls_key"})
    api.process.signal(signal.SIGCONT)
    assert outcome.get(timeout=40).kind == "response"
    api.faults = ["close"]  # the answer is lost with the connection: it is sent again
    assert api.invoke({"operation": "get_tls_key"}).kind == "response"


def test_what_the_runtime_api_refuses(function):
    api = function()
    run(api, "set_tls_key")
    api.faults = [413]
    outcome = api.invoke({"operation": "get_tls_key"})
    assert outcome.error_type == "Function.ResponseSizeTooLarge" and outcome.kind == "error"
    api.faults = [403]
    api.begin({"operation": "get_tls_key"})
    run(api, "get_tls_key")  # the next one is served
    assert "refuses the answer" in api.process.log()
    api.faults = [500]
    api.begin({"operation": "get_tls_key"})
    assert api.process.wait(20) == 1 and "HTTP 500" in api.process.log()


@pytest.mark.parametrize("faults", [[500], [503], [404], ["close"] * 3])
def test_a_runtime_api_that_is_done_for_ends_the_process(function, faults):
    api = function()
    api.next_faults = list(faults)
    api.lose_connection()
    assert api.process.wait(20) == 1 and "Runtime API: " in api.process.log()


def test_no_secret_is_told_or_kept(function, judge, start, folder):
    api = function()
    run(api, "set_tls_key")
    run(api, "decrypt_tls_key")
    judge.mood(pair="mismatch")
    failure(api, "set_tls_key", "Peer")
    pkcs12, password = judge.tls_key()
    secrets = [r["secret"] for r in judge.requests() if "secret" in r] + [password, base64.b64encode(password.encode()).decode(),
                                                                        base64.b64encode(pkcs12).decode(), SECRET_KEY, TOKEN]
    assert len(secrets) == 7
    environment = pathlib.Path(f"/proc/{api.process.pid}/environ").read_bytes()
    assert NAME.encode() in environment
    for secret in secrets:
        assert secret not in api.process.log() and secret.encode() not in environment
    der = base64.b64decode(secrets[0])
    private = der[36:68]  # the number itself, behind the head of PKCS#8 and of ECPrivateKey
    text = subprocess.run(["openssl", "pkey", "-inform", "DER", "-noout", "-text"], input=der, capture_output=True, check=True,
                          timeout=20).stdout.decode()
    assert private.hex() in re.sub(r"[:\s]", "", text)
    raw = [base64.b64decode(secret) for secret in secrets[:2]] + [private, pkcs12]
    forms = [(f"form {i}", None, form) for i, form in enumerate([s.encode() for s in secrets[:-2]] + raw)]
    forms += [(name, "function", value.encode()) for name, value in (("secret key", SECRET_KEY), ("token", TOKEN))]
    # What the next call needs is in locked memory; all else is gone.
    assert search({"function": api.process.pid}, forms) == {"secret key", "token"}


def test_64_kib_of_locked_memory_are_enough(judge, bin_dir, folder):
    """What an unprivileged process gets on a machine where nobody has thought of it."""
    with contextlib.closing(RuntimeApi()) as api:
        environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                       "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN, "NITRO_INSTANCE_PRIVATE_DNS": NAME,
                       "TLS_KEYS_TABLE_NAME": TABLE, "KEY_ARN": judge.key_arn, "AWS_ENDPOINT_URL": judge.url,
                       "AWS_CA_BUNDLE": str(judge.certificate.file)}
        privileges = ["--bounding-set=-all"] if os.geteuid() == 0 else []
        command = ["setpriv", "--pdeathsig", "KILL", *privileges, "prlimit", "--memlock=65536:65536", bin_dir / "nitro-signer-lambda"]
        with open(folder / "log", "wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            try:
                run(api, "set_tls_key")
                run(api, "decrypt_tls_key")
            finally:
                process.kill()
        assert api.violations == []
