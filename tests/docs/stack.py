"""A stack on AWS as far as emulators go, and the machine of who operates it: CloudFormation, Systems Manager, Auto Scaling and Lambda's Invoke
are moto's behind botocore as judge (aws_judge.py), DynamoDB is Amazon's DynamoDB Local, KMS and NSM are devcloud's, and KMS gives keys to
our enclave's image only. infra/deploy is replaced: what a deployment makes is there before (infra/test has the templates).
"""
import base64
import contextlib
import http.server
import json
import os
import pathlib
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

STACK, ACCOUNT, UUID = "devNitroValidator", "000000000000", "51af3dc0-da77-11e4-872e-1234567db123"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nitro-signer-test"
GROUP = "the-group"


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
        self.shown = "\n".join(f"Id=nitro-signer-{name}.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=0\n"
                          for name in ("proxy", "watchdog"))
        self.expect(["start", "status", "stop"])
        self.outputs = {"KMSKeyARN": self.key_arn, "ValidatorKeysTableName": self.tables["validators"], "TLSKeysTableName": self.tables["tls"],
                        "SlashingProtectionTableName": self.tables["slashing"], "Web3SignerUUID": UUID, "ASGGroupName": GROUP,
                        "LambdaFunctionArn": arn, "Web3SignerInitFlagParamName": "/init-flag", "SignerELBFQDN": f"localhost:{self.signer_port}",
                        "EC2InstanceRoleARN": ROLE, "LambdaExecutionArn": ROLE, "ImagePCR0": "ab" * 48}
        self.same_stack_under(STACK)

    def expect(self, verbs):
        """What the instances' shells will say to these verbs of service, one after the other."""
        told = {"start": "active\nactive\n", "status": self.shown, "stop": ""}
        said = [["Success", 0, told[verb], ""] for verb in verbs or ["status"]]
        self.judge.mood(function=self.function.url, invocations={instance: said for instance in self.instances})

    def same_stack_under(self, name):
        self.call("cloudformation", "create_stack", StackName=name, TemplateBody=json.dumps({
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
        self.credentials, self.enclave_options = None, []
        (self.folder / "cloud").symlink_to(self.folder / "state")
        (self.folder / "items").mkdir()
        (self.folder / "items/tls-cert.pem").write_text((self.clone / "signer.pem").read_text())
        self._take_documents()
        self.start("nitro-signer-proxy", f"--inbound=unix:{self.folder}/kms=tcp:127.0.0.1:{self.kms_port}")
        self.sources = [f"--validator-table={self.tables['validators']}", f"--tls-table={self.tables['tls']}", f"--stack-uuid={UUID}",
                        f"--dynamodb-endpoint=https://localhost:{self.relay.port}", f"--ca-file={self.folder}/ca.pem"]
        return self._begin()

    def _take_documents(self):
        policies = self.clone / "infra/policies"
        (self.folder / "policy.txt").write_text((policies / f"{STACK}.txt").read_text())
        access = policies / f"{STACK}.access.txt"
        self.access = access if "access 0x" in (self.folder / "policy.txt").read_text() else None

    def _begin(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(enclave_rig, "free_port", lambda: self.signer_port)
            self.instance = enclave_rig.Enclave(self, "a")
        return self.instance

    def replace_instance(self):
        """Another in its place, which reads tables and documents anew."""
        self.instance.watchdog.terminate()
        self.instance.proxy.terminate()
        self._take_documents()
        self._begin()


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
