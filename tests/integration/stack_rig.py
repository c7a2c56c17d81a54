"""A stack on AWS as nitro-signer-ctl's verbs meet it: moto behind the judge of signatures (aws_judge.py), with a CloudFormation stack
that has the outputs of infra/, an Auto Scaling group of two, a KMS key, a TLS table. A test imports the fixtures it wants:

    from stack_rig import ctl, judge, judge_server  # noqa: F401
"""
import contextlib
import json
import os
import subprocess

import pytest

from test_lambda import ACCESS_KEY, REGION, SECRET_KEY, TABLE, TOKEN, Judge

STACK, GROUP, ACCOUNT = "prodNitroValidator", "signers", "123456789012"
HOST, FLAG, SLASHING = "signer.prodnitrovalidator.private", "/prodNitroValidator/init", "prodNitroValidator-slashing-protection"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:prodNitroValidator-NitroInvokeLambda"
INSTANCE_ROLE, LAMBDA_ROLE = f"arn:aws:iam::{ACCOUNT}:role/prod-instance", f"arn:aws:iam::{ACCOUNT}:role/prod-lambda"


@pytest.fixture(scope="module")
def judge_server(tmp_path_factory):
    with contextlib.closing(Judge(tmp_path_factory.mktemp("judge"))) as server:
        server.fresh()
        call = lambda service, operation, **arguments: server.request(  # noqa: E731
            "POST", "/test/call", {"service": service, "operation": operation, "arguments": arguments})
        server.call = call
        server.key_arn = call("kms", "create_key", KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT")["KeyMetadata"]["Arn"]
        image = call("ec2", "describe_images")["Images"][0]["ImageId"]
        call("autoscaling", "create_launch_configuration", LaunchConfigurationName="c", ImageId=image, InstanceType="m5.large")
        call("autoscaling", "create_auto_scaling_group", AutoScalingGroupName=GROUP, LaunchConfigurationName="c", MinSize=0, MaxSize=4,
             DesiredCapacity=2, AvailabilityZones=[f"{REGION}a", f"{REGION}b"])
        outputs = {"EC2InstanceRoleARN": INSTANCE_ROLE, "LambdaFunctionArn": FUNCTION, "LambdaExecutionArn": LAMBDA_ROLE, "ASGGroupName": GROUP,
                   "TLSKeysTableName": TABLE, "SignerELBFQDN": HOST, "Web3SignerInitFlagParamName": FLAG, "KMSKeyARN": server.key_arn,
                   "SlashingProtectionTableName": SLASHING}
        template = {"Resources": {"Flag": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": FLAG, "Type": "String", "Value": "false"}}},
                    "Outputs": {name: {"Value": value} for name, value in outputs.items()}}
        server.stack_id = call("cloudformation", "create_stack", StackName=STACK, TemplateBody=json.dumps(template))["StackId"]
        server.outputs = outputs
        yield server


class Ctl:
    """ctl("service", "start", ...) runs a verb for the stack, by the environment alone; status is what it must end with."""

    def __init__(self, bin_dir, folder, judge):
        self.bin_dir, self.folder, self.judge = bin_dir, folder, judge
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": TOKEN, "AWS_REGION": REGION, "AWS_CA_BUNDLE": str(judge.certificate.file), "AWS_ENDPOINT_URL": judge.url,
            "AWS_EC2_METADATA_DISABLED": "true", "https_proxy": "http://127.0.0.1:1",  # must not be used
            **{name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}}

    def command(self, *words, stack=STACK):
        return [self.bin_dir / "nitro-signer-ctl", *words, *([f"--stack={stack}"] if stack else [])]

    def __call__(self, *words, status=0, stack=STACK, **environment):
        variables = {name: value for name, value in {**self.environment, **environment}.items() if value is not None}
        done = subprocess.run(self.command(*words, stack=stack), env=variables, cwd=self.folder, capture_output=True, text=True, timeout=300,
                              check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stdout + done.stderr
        assert SECRET_KEY not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr
        self.errors = done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *words, status=0, **environment):
        told = self(*words, "--output=json", status=status, **environment)
        return json.loads(told[:told.rindex("}") + 1])


@pytest.fixture
def judge(judge_server):
    judge_server.mood()
    judge_server.seen = len(judge_server.all_requests())
    judge_server.call("ssm", "put_parameter", Name=FLAG, Value="false", Type="String", Overwrite=True)
    return judge_server


@pytest.fixture
def ctl(bin_dir, folder, judge):
    return Ctl(bin_dir, folder, judge)


def flag(judge):
    return judge.call("ssm", "get_parameter", Name=FLAG)["Parameter"]["Value"]


def instances(judge):
    group = judge.call("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[GROUP])["AutoScalingGroups"][0]
    return sorted(instance["InstanceId"] for instance in group["Instances"])


def operations(judge):
    asked = judge.requests()
    assert not [r for r in asked if r.get("fault")]
    return [r["operation"] for r in asked if "operation" in r]
