"""nitro-signer-ctl's verbs for a stack on AWS: CloudFormation, Auto Scaling, Systems Manager and DynamoDB as moto has them, every
signature judged by botocore (aws_judge.py). moto knows no instance refreshes, its commands end at once and its Lambda wants
Docker: those answer by AWS's documented shapes; behind Lambda's Invoke is nitro-signer-lambda itself.
"""
import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

from imds_server import ImdsServer, document
from lambda_runtime import RuntimeApi
from stack_rig import (  # noqa: F401
    ACCESS_KEY, FLAG, FUNCTION, GROUP, HOST, REGION, SECRET_KEY, STACK, TABLE, TOKEN, ctl, flag, instances, judge, judge_server, operations)
from test_lambda import PUBKEY, Signer

UNITS = """Id=nitro-signer-proxy.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
NRestarts=0

Id=nitro-signer-watchdog.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
Result=exit-code
NRestarts=7
"""


def test_start_on_every_instance_then_the_flag(ctl, judge):
    told = ctl.json("service", "start")
    assert told["stack"] == STACK and told["group"] == GROUP and told["init_flag"] == "true" == flag(judge)
    assert sorted(i["id"] for i in told["instances"]) == instances(judge)
    assert {i["status"] for i in told["instances"]} == {"Success"} and {i["lifecycle"] for i in told["instances"]} == {"InService"}
    asked = operations(judge)
    assert asked.index("DescribeAutoScalingGroups") < asked.index("SendCommand") < asked.index("PutParameter")
    sent = [json.loads(r["body"]) for r in judge.requests() if r.get("operation") == "SendCommand"]
    assert [s["Targets"] for s in sent] == [[{"Key": "tag:aws:autoscaling:groupName", "Values": [GROUP]}]]
    assert sent[0]["DocumentName"] == "AWS-RunShellScript" and sent[0]["Parameters"]["commands"] == [
        "set -eu", "systemctl start nitro-signer.target",
        "systemctl start nitro-signer-proxy.service nitro-signer-watchdog.service", "systemctl is-active nitro-signer-proxy.service",
        "systemctl is-active nitro-signer-watchdog.service"]
    text = ctl("service", "stop")
    assert re.search(rf"^{instances(judge)[0]} {REGION}[ab] InService Success$", text, re.MULTILINE) and "init flag false" in text and flag(judge) == "false"


def test_stop_sets_the_flag_first(ctl, judge):
    ctl("service", "start")
    judge.mood(deny="SendCommand")
    assert "AccessDeniedException" in ctl("service", "stop", status=1)
    assert flag(judge) == "false"
    asked = operations(judge)
    assert asked.index("PutParameter", asked.index("PutParameter") + 1) < len(asked) - 1 - asked[::-1].index("SendCommand")


def test_stop_asks_every_instance_whatever_its_state(ctl, judge):
    """One that stands by, or is about to begin, may sign. Its agent does not answer, and that may not pass for stopped."""
    first, second = instances(judge)
    moved = {"InstanceIds": [second], "AutoScalingGroupName": GROUP}
    judge.call("autoscaling", "enter_standby", ShouldDecrementDesiredCapacity=True, **moved)
    try:
        judge.mood(invocations={first: [["Success", 0, "", ""]], second: [None]}, answers=whole("Success", "Success", 1))
        told = ctl.json("service", "stop", "--timeout-seconds=2", status=1)
        assert f"{second} was not reached" in ctl.errors and {i["id"]: i["lifecycle"] for i in told["instances"]} == {first: "InService", second: "Standby"}
        ctl("service", "start", "--timeout-seconds=2")
    finally:
        judge.mood()
        judge.call("autoscaling", "exit_standby", **moved)


def test_an_invocation_comes_late_and_takes_its_time(ctl, judge):
    first, second = instances(judge)
    judge.mood(invocations={first: [None, ["Pending", -1, "", ""], ["InProgress", -1, "", ""], ["Success", 0, "active\n", ""]],
                            second: [["Delayed", -1, "", ""], ["Success", 0, "", ""]]},
               answers={"ListCommands": json.dumps({"Commands": [{"Status": "InProgress", "StatusDetails": "InProgress", "TargetCount": 2,
                                                                  "CompletedCount": 0, "ErrorCount": 0, "DeliveryTimedOutCount": 0}]})})
    told = ctl.json("service", "start")
    assert {i["id"]: i["output"] for i in told["instances"]} == {first: "active\n", second: ""} and flag(judge) == "true"


def whole(status, details, targets):
    return {"ListCommands": json.dumps({"Commands": [{"Status": status, "StatusDetails": details, "TargetCount": targets, "CompletedCount": 0,
                                                      "ErrorCount": 0, "DeliveryTimedOutCount": 0}]})}


@pytest.mark.parametrize("answers, invocations, parts", [
    (whole("Failed", "Failed", 2), {0: [["Success", 0, "", ""]], 1: [["Failed", 5, "", "Job for nitro-signer.target failed"]]},
     ["{1}: the command ended as Failed", "exit status 5: Job for nitro-signer.target failed"]),
    (whole("TimedOut", "DeliveryTimedOut", 2), {0: [["Success", 0, "", ""]], 1: [["TimedOut", -1, "", ""]]}, ["{1}: the command ended as TimedOut"]),
    (whole("Success", "Success", 1), {0: [["Success", 0, "", ""]], 1: [None]}, ["{1} was not reached: is its SSM agent running?"]),
    (whole("Success", "NoInstancesInTag", 0), {0: [None], 1: [None]}, ["none of the 2 instances", "NoInstancesInTag"]),
    (whole("InProgress", "InProgress", 2), {0: [["Success", 0, "", ""]], 1: [["InProgress", -1, "", ""]]},
     ["{1}: the command is still InProgress"])])
def test_one_that_fails_keeps_the_flag_down(ctl, judge, answers, invocations, parts):
    names = instances(judge)
    judge.mood(invocations={names[i]: answer for i, answer in invocations.items()}, answers=answers)
    told = ctl.json("service", "start", "--timeout-seconds=2", status=1)
    assert told["init_flag"] == "false" == flag(judge) and len(told["instances"]) == 2
    for part in parts:
        assert part.format(*names) in ctl.errors
    assert "PutParameter" not in operations(judge)
    ctl("service", "stop", "--timeout-seconds=2", status=1)
    ctl("service", "status", "--timeout-seconds=2", status=1)


def test_status_has_the_units_of_every_instance(ctl, judge):
    judge.mood(invocations={name: [["Success", 0, UNITS, ""]] for name in instances(judge)})
    told = ctl.json("service", "status")
    assert told["init_flag"] == "false" and [len(i["units"]) for i in told["instances"]] == [2, 2]
    assert told["instances"][0]["units"][1] == {"name": "nitro-signer-watchdog.service", "load": "loaded", "active": "activating",
                                                "sub": "auto-restart", "result": "exit-code", "restarts": 7}
    assert "nitro-signer-watchdog.service activating (auto-restart), loaded, restarted 7 times, last result exit-code" in ctl("service", "status")
    judge.mood(invocations={name: [["Success", 0, "\x1b[31mId=evil", ""]] for name in instances(judge)})
    assert "what systemctl says: line 1" in ctl("service", "status", status=1)


def test_a_group_without_instances_and_one_that_is_not_there(ctl, judge):
    empty = '<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>{}</AutoScalingGroups>' \
            '</DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>'
    judge.mood(answers={"DescribeAutoScalingGroups": empty.format("<member><DesiredCapacity>2</DesiredCapacity><Instances/></member>")})
    assert "has no instance in service (it has 0, and wants 2)" in ctl("service", "start", status=1)
    judge.mood(answers={"DescribeAutoScalingGroups": empty.format("")})
    assert f"group {GROUP}: " in ctl("service", "start", status=1)
    assert "SendCommand" not in operations(judge)


@pytest.mark.parametrize("answer, part", [
    ("<DescribeStacksResponse><DescribeStacksResult>", "XML: "), ("{}", "XML: "), ("", "XML: "), ("<A/>", "the root must be DescribeStacksResponse"),
    ('<!DOCTYPE a [<!ENTITY x "y">]><DescribeStacksResponse/>', "a document type is not accepted"),
    ("<DescribeStacksResponse><DescribeStacksResult><Stacks/></DescribeStacksResult></DescribeStacksResponse>", "Stacks: must have one member")])
def test_answers_that_are_not_cloudformations(ctl, judge, answer, part):
    judge.mood(answers={"DescribeStacks": answer})
    assert part in ctl("service", "start", status=1)


def test_stacks_outputs_and_their_file(ctl, judge, folder):
    assert "stack nothing in us-east-1: " in ctl("tls", "show", stack="nothing", status=1)
    assert "does not exist" in ctl("tls", "show", stack="nothing", status=1)
    path = folder / "output.json"
    path.write_text(json.dumps({STACK: judge.outputs, "other": {"ASGGroupName": GROUP}}))
    seen = len(operations(judge))
    ctl("service", "start", f"--outputs={path}")
    assert "DescribeStacks" not in operations(judge)[seen:]
    assert "stack other: there is no output Web3SignerInitFlagParamName" in ctl("service", "start", f"--outputs={path}", stack="other", status=1)
    assert "there is no stack of that name" in ctl("service", "start", f"--outputs={path}", stack="devNitroValidator", status=1)
    assert "--stack: required" in ctl("service", "start", f"--outputs={path}", stack=None, status=2)
    path.write_text('{"a":{},"a":{}}')
    assert "twice" in ctl("service", "start", f"--outputs={path}", status=1)
    assert "--stack: required" in ctl("service", "start", stack=None, status=2)
    assert "--output: must be" in ctl("service", "start", "--output=yaml", status=2)


def test_throttling_is_waited_for_and_expired_credentials_are_told(ctl, judge):
    judge.mood(throttle=3)
    ctl("service", "start")
    assert flag(judge) == "true"
    assert "DescribeStacks" in operations(judge)
    judge.mood(deny="DescribeStacks")
    assert "AccessDenied" in ctl("service", "start", status=1)
    told = ctl("service", "start", status=1, AWS_SECRET_ACCESS_KEY="another")
    assert "InvalidSignatureException" in told and "another" not in told
    assert "AWS_SECRET_ACCESS_KEY: must be set" in ctl("service", "start", status=1, AWS_SECRET_ACCESS_KEY=None)


def test_the_chain_of_credentials(ctl, judge, folder):
    nothing = {name: None for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    assert "there are no AWS credentials" in ctl("service", "start", status=1, **nothing)
    path = folder / "credentials.json"
    path.write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "token": TOKEN}))
    ctl("service", "status", f"--credentials={path}", AWS_SECRET_ACCESS_KEY="another")
    (folder / ".aws").mkdir()
    keys = f"aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {TOKEN}\n"
    (folder / ".aws/credentials").write_text(f"[ops]\n{keys}")
    (folder / ".aws/config").write_text(f"[default]\nregion = eu-west-1\n[profile ops]\nregion = {REGION}\n")
    ctl("service", "status", AWS_PROFILE="ops", AWS_REGION=None, **nothing)
    assert "profile none" in ctl("service", "status", status=1, AWS_PROFILE="none")
    assert "--region: required" in ctl("service", "status", status=2, AWS_PROFILE="none", AWS_REGION=None)
    ctl("service", "status", AWS_REGION=None, AWS_DEFAULT_REGION=REGION)
    shutil.copy(folder / ".aws/credentials", folder / "elsewhere")
    (folder / ".aws/credentials").unlink()
    ctl("service", "status", AWS_PROFILE="ops", AWS_SHARED_CREDENTIALS_FILE=str(folder / "elsewhere"), **nothing)
    with contextlib.closing(ImdsServer()) as imds:
        imds.credentials = document(AccessKeyId=ACCESS_KEY, SecretAccessKey=SECRET_KEY, Token=TOKEN)
        ctl("service", "status", AWS_EC2_METADATA_DISABLED=None, AWS_EC2_METADATA_SERVICE_ENDPOINT=imds.url, **nothing)
        assert imds.paths[0] == ("PUT", "/latest/api/token")


def test_endpoints(ctl, judge):
    assert "must be https://" in ctl("service", "start", status=1, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "cloudformation" in ctl("service", "start", status=1, AWS_ENDPOINT_URL_CLOUDFORMATION="https://127.0.0.1:1/path")
    ctl("service", "start", AWS_ENDPOINT_URL="https://127.0.0.1:1", AWS_ENDPOINT_URL_CLOUDFORMATION=judge.url, AWS_ENDPOINT_URL_SSM=judge.url,
        AWS_ENDPOINT_URL_AUTO_SCALING=judge.url)


def test_a_refresh_is_waited_for(ctl, judge):
    judge.mood(refresh=[["Pending", 0, ""], ["InProgress", 50, "Waiting"], ["Successful", 100, ""]])
    told = ctl.json("instances", "refresh")
    assert told["status"] == "Successful" and told["percentage"] == 100 and told["group"] == GROUP
    assert operations(judge).count("DescribeInstanceRefreshes") == 3
    judge.mood(refresh=[["InProgress", 50, "an instance is unhealthy"], ["Failed", 50, "an instance is unhealthy"]])
    assert "ended as Failed: an instance is unhealthy" in ctl("instances", "refresh", status=1)
    judge.mood(refresh=[["InProgress", 10, ""]])
    assert "is still InProgress; it goes on" in ctl("instances", "refresh", "--timeout-seconds=1", status=1)
    assert ctl.json("instances", "refresh", "--no-wait")["status"] == "Pending"
    judge.mood(deny="StartInstanceRefresh")
    assert "AccessDenied" in ctl("instances", "refresh", status=1)
    judge.mood(answers={"DescribeInstanceRefreshes": "<DescribeInstanceRefreshesResponse><DescribeInstanceRefreshesResult><InstanceRefreshes>"
                        "<member><Status>Odd</Status></member></InstanceRefreshes></DescribeInstanceRefreshesResult></DescribeInstanceRefreshesResponse>"})
    assert "Status: is not one of those" in ctl("instances", "refresh", status=1)


@pytest.fixture
def function(start, judge):
    """function(**environment): nitro-signer-lambda behind the judge's Invoke."""
    with contextlib.ExitStack() as stack:
        def starter(**environment):
            api = stack.enter_context(contextlib.closing(RuntimeApi()))
            variables = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                         "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": TOKEN, "NITRO_INSTANCE_PRIVATE_DNS": HOST,
                         "TLS_KEYS_TABLE_NAME": TABLE, "KEY_ARN": judge.key_arn, "AWS_ENDPOINT_URL": judge.url,
                         "AWS_CA_BUNDLE": str(judge.certificate.file), **environment}
            start("nitro-signer-lambda", ready=False, env=variables)

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    outcome = api.invoke(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                    assert self.headers["X-Function"] == FUNCTION
                    body = json.dumps({"kind": outcome.kind, "body": outcome.text}).encode()
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *_):
                    pass

            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            judge.mood(function=f"http://127.0.0.1:{server.server_port}")
        yield starter


def test_the_function_makes_a_tls_key_and_asks_the_signer(ctl, judge, function, start, folder):
    function()
    assert set(ctl.json("tls", "set")) == {"stack", "answer"}
    assert "a new TLS key is in the table" in ctl("tls", "set")
    pem = ctl("tls", "show")
    assert pem == base64.b64decode(judge.item()["cert_pem"]).decode()
    assert ctl.json("tls", "show") == {"stack": STACK, "host": HOST, "certificate_pem": pem}
    subject = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True, timeout=20)
    assert HOST in subject.stdout
    signer = Signer(start, judge, folder, host=HOST)
    function(SIGNER_ADDRESS=signer.address)
    assert ctl.json("status") == {"stack": STACK, "status": "OK", "public_keys": [PUBKEY]}
    assert ctl("status").splitlines() == ["status OK", "public_keys 1", PUBKEY]
    signer.process.terminate()
    assert "Lambda web3signer_status: the function failed: Function.Io" in ctl("status", status=1)


def test_a_tls_item_is_uploaded_once(ctl, judge, folder):
    (folder / "items" / "tls").mkdir(parents=True)
    certificate = (folder / "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull, "-out", certificate,
                    "-subj", "/CN=signer"], check=True, capture_output=True, timeout=60)
    item = {"key_id": 1, "encrypted_tls_key_b64": base64.b64encode(b"ciphertext").decode(), "cert_pem": base64.b64encode(certificate.read_bytes()).decode()}
    path = folder / "items" / "tls" / "1.json"
    for wrong, part in (({"key_id": 2}, "key_id"), ({"encrypted_tls_key_b64": ""}, "encrypted_tls_key_b64"), ({"cert_pem": "YQ=="}, "cert_pem")):
        path.write_text(json.dumps({**item, **wrong}))
        assert part in ctl("tls", "upload", "--items=items", status=1)
    path.write_text(json.dumps(item))
    judge.moto("DynamoDB_20120810.DeleteItem", TableName=TABLE, Key={"key_id": {"N": "1"}})
    assert ctl.json("tls", "upload", "--items=items") == {"table": TABLE, "item": "items/tls/1.json"}
    assert judge.item()["cert_pem"] == item["cert_pem"] and judge.item()["encrypted_tls_key_b64"] == item["encrypted_tls_key_b64"]
    assert ctl("tls", "show") == certificate.read_text()
    assert "--replace" in ctl("tls", "upload", "--items=items", status=1)
    assert "signers take it when they are started" in ctl("tls", "upload", "--items=items", "--replace", f"--table={TABLE}")
    assert "absent/tls/1.json" in ctl("tls", "upload", "--items=absent", status=1)


def test_a_function_that_is_not_there_and_an_empty_table(ctl, judge):
    assert "ResourceNotFoundException" in ctl("status", status=1)
    judge.moto("DynamoDB_20120810.DeleteItem", TableName=TABLE, Key={"key_id": {"N": "1"}})
    assert f"table {TABLE}" in ctl("tls", "show", status=1)
    judge.put_item(cert_pem="YQ==", encrypted_tls_key_b64="YQ==")
    assert "cert_pem: must be a certificate" in ctl("tls", "show", status=1)
    assert "one of --control and --stack" in ctl("status", "--control=unix:/x", status=2)
    assert "one of --control and --stack" in ctl("status", stack=None, status=2)
