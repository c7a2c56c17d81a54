"""docs/walkthrough.md, followed to the letter: its commands are taken from the page and run. What they name must exist; and in order
they lead from nothing to a signature, as far as emulators go, which is as far as the page says.

CloudFormation, Systems Manager, Auto Scaling and Lambda's Invoke are moto's behind botocore as judge (aws_judge.py), DynamoDB is
Amazon's DynamoDB Local, KMS and NSM are devcloud's, and KMS gives keys to our enclave's image only. infra/deploy is replaced: what a
deployment makes is there before (infra/test has the templates).
"""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import enclave_rig
import test_lambda
from dynamodb_server import REGION
from harness import PATIENCE, free_port
from lambda_runtime import RuntimeApi
from scripted_server import ScriptedServer
from test_lambda import Judge
from walkthrough_page import blocks, calls

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("walkthrough", "troubleshooting")}
STACK, ACCOUNT, UUID = "devNitroValidator", "000000000000", "51af3dc0-da77-11e4-872e-1234567db123"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nitro-signer-test"
GROUP = "the-group"


def mentioned(program):
    return sorted({(page, shlex.join(words)) for page, text in PAGES.items() for words in calls(text, program)})


# What is named exists.


@pytest.fixture(scope="module")
def helped(bin_dir):
    """(verb's words) -> its help."""
    ask = lambda *words: subprocess.run([bin_dir / "nitro-signer-ctl", *words, "--help"], capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
    verbs = {}
    for name in re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}[a-z]", ask().stdout, re.M):
        answer = ask(*name.split())
        assert answer.returncode == 0, answer.stderr
        verbs[tuple(name.split())] = answer.stdout
    assert ("keys", "upload") in verbs and ("status",) in verbs
    return verbs


@pytest.mark.parametrize("page, command", mentioned("nitro-signer-ctl"))
def test_each_verb_and_option_of_ctl_exists(helped, page, command):
    words = shlex.split(command)
    verb = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in helped), None)
    assert verb or not words, f"{page}.md: nitro-signer-ctl {command}: no such verb"
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"^  {re.escape(word.split('=')[0])}[ =]", helped[verb], re.M), f"{page}.md: {' '.join(verb)} has no {word}"


@pytest.mark.parametrize("page", PAGES)
def test_what_else_is_named_exists(page):
    text = PAGES[page]
    settings = (ROOT / "infra/lib/settings.ts").read_text()
    outputs = (ROOT / "infra/lib/stack.ts").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"-c ([a-z_0-9]+)=", text):
        assert f'"{name}"' in settings, f"infra has no setting {name}"
    for name in re.findall(r'"\.\$STACK\.([A-Za-z0-9]+)"', text) + re.findall(r"output `([A-Za-z0-9]+)`", text):
        assert f"{name}:" in outputs, f"the stack has no output {name}"
    for words in calls(text, "make"):
        for target in (word for word in words if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.M), f"no target {target}"
    for words in calls(text, "scripts/setup"):
        assert all(word in (ROOT / "scripts/setup").read_text() for word in words)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert link.startswith("https://") or (ROOT / "docs" / link).exists(), link
    for operation in re.findall(r'\{"operation": "(\w+)"\}', text):
        assert any(f'"{operation}"' in path.read_text() for path in (ROOT / "src/lambda").glob("*.c")), operation
    assert (ROOT / "infra/deploy").exists()


def sources():
    """Every program's text; strings of C over several lines are one."""
    files = [path for folder in ("src", "lib", "infra/lib", "packaging/host") for path in (ROOT / folder).rglob("*") if path.is_file() and "node_modules" not in path.parts]
    text = "\n".join(path.read_text(errors="replace") for path in [*files, ROOT / "infra/deploy"])
    return re.sub(r'"\s*"', "", text)


def test_each_text_of_troubleshooting_is_one_that_is_written():
    text, missing, looked_up = sources(), [], 0
    for line in PAGES["troubleshooting"].splitlines():
        if not line.startswith("| ") or line.startswith("| you see"):
            continue
        for mark in re.findall(r"`([^`]+)`", line.split("|")[1]):
            if mark.startswith("/") or mark.startswith("--") or "nitro-signer" in mark:
                continue
            looked_up += 1
            mark = mark.removeprefix("Function.").lower() if mark.startswith("Function.") else mark.removeprefix("Runtime.")
            missing += [piece for piece in re.split(r"\.\.\.", mark) if len(piece.strip()) > 3 and piece.strip() not in text]
    assert not missing and looked_up > 25, missing


def numbers(cell):
    found = re.search(r"\d+(\.\d+)?", cell.replace("*", ""))
    return float(found[0]) if found else 0.0


def test_the_sums_of_the_cost_table_are_right():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGES["walkthrough"].split("## Cost")[1].splitlines() if line.startswith("| ")]
    (total,) = [at for at, row in enumerate(rows) if row[0] == "**a month**"]
    for column in range(1, len(rows[0])):
        assert abs(sum(numbers(row[column]) for row in rows[1:total]) - numbers(rows[total][column])) < 0.51
    instances, whole = rows[1], rows[total]
    for row, discount in ((rows[total + 1], 0.37), (rows[total + 2], 0.57)):
        for column in range(2, len(rows[0])):
            assert abs(numbers(whole[column]) - discount * numbers(instances[column]) - numbers(row[column])) < 1


# And it leads to a signature.


class LambdaKms(ScriptedServer):
    """KMS as the Lambda function needs it: the pair is made here, what is encrypted devcloud encrypts."""

    def __init__(self, machine, certificate, key):
        listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.machine = listener.getsockname()[1], machine
        super().__init__(listener, certificate, key)

    def serve_one(self, stream, lines):
        if not lines.readline():
            return False
        headers = self.headers(lines)
        asked = json.loads(lines.read(int(headers["content-length"])))
        operation = headers["x-amz-target"].partition(".")[2]
        answer = self.pair(asked) if operation == "GenerateDataKeyPair" else self.machine.kms(operation, asked)
        text = json.dumps(answer).encode()
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        return True

    def pair(self, asked):
        key, der, b64 = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.DER, lambda data: base64.b64encode(data).decode()
        private = b64(key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        sealed = self.machine.kms("Encrypt", {"KeyId": asked["KeyId"], "Plaintext": private})
        public = key.public_key().public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"KeyId": sealed["KeyId"], "KeyPairSpec": "ECC_NIST_P256", "PrivateKeyPlaintext": private,
                "PrivateKeyCiphertextBlob": sealed["CiphertextBlob"], "PublicKey": b64(public)}


class Machine:
    """What an operator's shell finds: the emulators, what a deployment makes, and the commands' environment."""

    def __init__(self, start, bin_dir, folder, dynamodb, relay):
        self.start, self.bin_dir, self.folder, self.dynamodb, self.relay = start, bin_dir, folder, dynamodb, relay
        self.kms_port, self.signer_port, self.clone = free_port(), free_port(), folder / "clone"
        self.tables = {name: dynamodb.fresh_name() for name in ("validators", "tls", "slashing")}
        self.closing = contextlib.ExitStack()
        self._start_devcloud()
        self._start_aws()
        self._start_lambda()
        self._deploy()
        self._lay_out()

    def _start_devcloud(self):
        image = [self.bin_dir / name for name in enclave_rig.IMAGE]
        pcr0 = subprocess.run([self.bin_dir / "nitro-signer-ctl", "image", "measure", *image], check=True, capture_output=True, text=True, timeout=60).stdout.strip()
        allow = lambda actions, **more: {"Sid": actions[0][4:], "Effect": "Allow", "Resource": "*", "Principal": {"AWS": ROLE}, "Action": actions, **more}
        (self.folder / "key-policy.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [
            allow(["kms:Encrypt", "kms:DescribeKey"]),
            allow(["kms:Decrypt"], Condition={"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": pcr0.removeprefix("0x")}})]}))
        self.start("nitro-signer-devcloud", f"--state={self.folder}/state", f"--role-arn={ROLE}", f"--nsm=unix:{self.folder}/nsm-a",
                   f"--measure={','.join(map(str, image))}", f"--kms=tcp:127.0.0.1:{self.kms_port}", f"--key-policy={self.folder}/key-policy.json")
        self.key_arn = (self.folder / "state/key-arn").read_text().strip()
        self.secrets = json.loads((self.folder / "state/credentials.json").read_text())
        self.relay.secret_key = self.secrets["secret_access_key"]

    def kms(self, operation, body):
        """Encrypt and the like by devcloud, asked with curl."""
        user = f'user = "{self.secrets["access_key_id"]}:{self.secrets["secret_access_key"]}"\nheader = "X-Amz-Security-Token: {self.secrets["token"]}"\n'
        done = subprocess.run(["curl", "-sSf", "-m", "20", "-K", "-", "--aws-sigv4", f"aws:amz:{REGION}:kms", "--cacert", self.folder / "state/kms-ca.pem",
                               "-H", f"X-Amz-Target: TrentService.{operation}", "-H", "Content-Type: application/x-amz-json-1.1", "-d", json.dumps(body),
                               f"https://localhost:{self.kms_port}/"], input=user, capture_output=True, text=True, check=True, timeout=30)
        return json.loads(done.stdout)

    def _start_aws(self):
        (self.folder / "judge").mkdir()
        names = {"ACCESS_KEY": "access_key_id", "SECRET_KEY": "secret_access_key", "TOKEN": "token"}
        with pytest.MonkeyPatch.context() as patch:
            for name, member in names.items():
                patch.setattr(test_lambda, name, self.secrets[member])
            self.judge = self.closing.enter_context(contextlib.closing(Judge(self.folder / "judge")))
        certificates = (self.folder / "state/kms-ca.pem", self.relay.ca_file, self.judge.certificate.file)
        (self.folder / "ca.pem").write_text("".join(pathlib.Path(file).read_text() for file in certificates))

    def call(self, service, operation, **arguments):
        return self.judge.request("POST", "/test/call", {"service": service, "operation": operation, "arguments": arguments})

    def _start_lambda(self):
        self.runtime = self.closing.enter_context(contextlib.closing(RuntimeApi()))
        kms = self.closing.enter_context(contextlib.closing(LambdaKms(self, self.judge.certificate.file, self.judge.certificate.key_file)))
        self.start("nitro-signer-lambda", ready=False, env={
            "PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": self.runtime.address, "_HANDLER": "x", "LOG_LEVEL": "DEBUG",
            **self.environment(), "AWS_ENDPOINT_URL_KMS": f"https://127.0.0.1:{kms.port}", "KEY_ARN": self.key_arn,
            "TLS_KEYS_TABLE_NAME": self.tables["tls"], "NITRO_INSTANCE_PRIVATE_DNS": "signer.devnitrovalidator.private",
            "SIGNER_ADDRESS": f"tcp:127.0.0.1:{self.signer_port}"})
        self.function = self.closing.enter_context(function_server(self.runtime))

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.secrets["access_key_id"], "AWS_SECRET_ACCESS_KEY": self.secrets["secret_access_key"],
                "AWS_SESSION_TOKEN": self.secrets["token"], "AWS_REGION": REGION, "AWS_CA_BUNDLE": str(self.folder / "ca.pem"),
                "AWS_ENDPOINT_URL": self.judge.url.replace("127.0.0.1", "localhost"), "AWS_ENDPOINT_URL_KMS": f"https://localhost:{self.kms_port}",
                "AWS_ENDPOINT_URL_DYNAMODB": f"https://localhost:{self.relay.port}"}

    def _deploy(self):
        """What infra/deploy leaves, as far as a command asks for it."""
        keys = {"validators": [("web3signer_uuid", "S", "HASH"), ("pubkey", "S", "RANGE")], "tls": [("key_id", "N", "HASH")], "slashing": [("pk", "S", "HASH")]}
        for name, attributes in keys.items():
            self.dynamodb.ask("CreateTable", {
                "TableName": self.tables[name], "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": attribute, "KeyType": kind} for attribute, _, kind in attributes],
                "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": form} for attribute, form, _ in attributes]})
        self.call("autoscaling", "create_launch_configuration", LaunchConfigurationName="lc", ImageId="ami-12c6146b", InstanceType="c6a.xlarge")
        self.call("autoscaling", "create_auto_scaling_group", AutoScalingGroupName=GROUP, LaunchConfigurationName="lc", MinSize=2, MaxSize=2,
                  AvailabilityZones=[f"{REGION}a"])
        (group,) = self.call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
        self.instances = [one["InstanceId"] for one in group["Instances"]]
        self.call("ssm", "put_parameter", Name="/init-flag", Value="false", Type="String")
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tls"
        # What the instances' shells would say to start, status and stop, one after the other.
        shown = "\n".join(f"Id=nitro-signer-{name}.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\n"
                          for name in ("proxy", "watchdog"))
        said = [["Success", 0, text, ""] for text in ("active\nactive\n", shown, "")]
        self.judge.mood(function=self.function.url, invocations={instance: said for instance in self.instances})
        self.outputs = {"KMSKeyARN": self.key_arn, "ValidatorKeysTableName": self.tables["validators"], "TLSKeysTableName": self.tables["tls"],
                        "SlashingProtectionTableName": self.tables["slashing"], "Web3SignerUUID": UUID, "ASGGroupName": GROUP,
                        "LambdaFunctionArn": arn, "Web3SignerInitFlagParamName": "/init-flag", "SignerELBFQDN": f"localhost:{self.signer_port}",
                        "EC2InstanceRoleARN": ROLE, "LambdaExecutionArn": ROLE, "ImagePCR0": "ab" * 48}
        self.call("cloudformation", "create_stack", StackName=STACK, TemplateBody=json.dumps({
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {name: {"Value": value} for name, value in self.outputs.items()}}))

    def _lay_out(self):
        """A clone's folder, with keystores of somebody else's beside it."""
        (self.clone / "infra/policies").mkdir(parents=True)
        (self.clone / "build").symlink_to(self.bin_dir.parent)
        deploy = self.clone / "infra/deploy"
        (self.folder / "output.json").write_text(json.dumps({STACK: self.outputs}))
        deploy.write_text(f"#!/bin/sh\necho \"$@\" >> {self.folder}/deployments\ncp {self.folder}/output.json infra/output.json\n")
        deploy.chmod(0o755)

    def run(self, commands):
        """As bash runs them, with what the blocks before have set."""
        state = self.folder / "state.sh"
        script = f"set -aeuo pipefail\n[ ! -e {state} ] || . {state}\n{commands}\ndeclare -px | grep -v -e '^declare -[a-z]*r' > {state}\n"
        done = subprocess.run(["bash", "-c", script], cwd=self.clone, capture_output=True, text=True, timeout=120 * PATIENCE, check=False, env={
            "PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment()})
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start_instance(self):
        """What runs on an instance, with what its user data tells it."""
        self.access, self.credentials, self.enclave_options = None, None, []
        (self.folder / "cloud").symlink_to(self.folder / "state")
        (self.folder / "items").mkdir()
        (self.folder / "items/tls-cert.pem").write_text((self.clone / "signer.pem").read_text())
        (self.folder / "policy.txt").write_text((self.clone / f"infra/policies/{STACK}.txt").read_text())
        self.start("nitro-signer-proxy", f"--inbound=unix:{self.folder}/kms=tcp:127.0.0.1:{self.kms_port}")
        self.sources = [f"--validator-table={self.tables['validators']}", f"--tls-table={self.tables['tls']}", f"--stack-uuid={UUID}",
                        f"--dynamodb-endpoint=https://localhost:{self.relay.port}", f"--ca-file={self.folder}/ca.pem"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(enclave_rig, "free_port", lambda: self.signer_port)
            return enclave_rig.Enclave(self, "a")


@contextlib.contextmanager
def function_server(runtime):
    """Invoke, for aws_judge.py: the event goes to the Runtime API, the outcome back."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            outcome = runtime.invoke(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            text = json.dumps({"kind": outcome.kind, "body": outcome.text}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


@pytest.fixture
def machine(start, bin_dir, folder, dynamodb, dynamodb_relay, vectors):
    made = Machine(start, bin_dir, folder, dynamodb, dynamodb_relay)
    (made.clone / "keystores").mkdir()
    (made.clone / "passwords").mkdir()
    entry = json.loads((vectors / "keystores/teku-interop-keys.json").read_text())["keystores"][0]
    (made.clone / "keystores/mine.json").write_text(json.dumps(entry["keystore"]))
    (made.clone / "passwords/mine.txt").write_text(entry["password"])
    made.foreign = "0x" + entry["keystore"]["pubkey"].removeprefix("0x")
    with made.closing:
        yield made


def test_the_walkthrough_leads_to_signatures(machine):
    told, enclave = {}, None
    for language, second, content in blocks(PAGES["walkthrough"]):
        if (language, second) != ("sh", ""):
            continue
        if "service start" in content:
            enclave = machine.start_instance()
        told[content] = machine.run(content)
        if "service start" in content:
            assert machine.call("ssm", "get_parameter", Name="/init-flag")["Parameter"]["Value"] == "true"
    at = lambda command: next(out for content, out in told.items() if re.search(f"^{re.escape(command)}", content, re.M))
    listed = set(re.findall(r"[0-9a-f]{96}", at("nitro-signer-ctl keys list")))
    assert len(listed) == 2 and len((machine.clone / "mnemonic.txt").read_text().split()) == 24
    served = {f"0x{key}" for key in listed} | {machine.foreign}
    assert all(key in at("nitro-signer-ctl status") for key in served)
    assert "OK" in at("curl ") and set(re.findall(r"0x[0-9a-f]{96}", at("curl "))) == served
    assert machine.call("ssm", "get_parameter", Name="/init-flag")["Parameter"]["Value"] == "false"
    deployments = (machine.folder / "deployments").read_text().splitlines()
    assert deployments == [STACK, STACK, f"{STACK} -c previous_pcr0={'ab' * 48}", STACK]
    assert enclave.watchdog.alive() and enclave.log().count("state: serve") == 1
