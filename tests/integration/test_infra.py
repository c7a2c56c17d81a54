"""The stacks, judged by others: cfn-lint on the templates, and infra/deploy, AWS's own CDK and skopeo against moto's CloudFormation and a
registry, from an empty account through both passes.

What moto lacks is listed here as data; all else must be there with the properties that matter.
"""
import json
import os
import pathlib
import shutil
import subprocess
import urllib.request

import pytest

from python_tools import python_tool

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
STACKS = ("devNitroValidator", "prodNitroValidator")
# Types that moto's CloudFormation passes over (5.2).
NOT_IN_MOTO = {"AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::EC2::SecurityGroupEgress"}
PATIENCE = 300

pytestmark = pytest.mark.skipif(not (INFRA / "node_modules").exists(), reason="the CDK is not here: scripts/setup brings it")


def run(*command, cwd=INFRA, **more):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def place():
    """Stand-ins for what make image leaves."""
    told = json.loads(run("node", "--import", "tsx", "test/place.ts").stdout)
    yield told
    shutil.rmtree(told["folder"])


def context(place, **changes):
    return [word for name, value in {**place["context"], **changes}.items() for word in ("-c", f"{name}={value}")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """moto and a registry, in an environment that knows no other AWS."""
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen([python_tool("python"), pathlib.Path(__file__).parent / "infra_cloud.py"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=(home / "cloud.log").open("w"), text=True)
    told = json.loads(process.stdout.readline())
    (home / ".config/containers").mkdir(parents=True)
    (home / ".config/containers/registries.conf").write_text(f'[[registry]]\nlocation = "{told["registry"]}"\ninsecure = true\n')
    told["environment"] = {
        "PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "AWS_ENDPOINT_URL": told["url"], "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "CI": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }
    told["process"] = process
    yield told
    process.stdin.close()
    process.wait(timeout=30)


ASK = """
import boto3, json, sys
service, operation, arguments = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
print(json.dumps(getattr(boto3.client(service), operation)(**arguments), default=str))
"""


def ask(cloud, service, operation, **arguments):
    """What Amazon's own client is told."""
    return json.loads(run(python_tool("python"), "-c", ASK, service, operation, json.dumps(arguments), env=cloud["environment"]).stdout)


def deploy(cloud, place):
    # Without a change set: moto forgets the outputs of a stack that is made by one, and does not let one be deleted that is not there.
    # With all parameters: it does not find previous ones that were defaults.
    return run("./deploy", "prodNitroValidator", *context(place), "--method=direct", "--no-previous-parameters", env=cloud["environment"])


@pytest.fixture(scope="module")
def passes(cloud, place):
    """Both passes; what was there after each, and what was said."""
    # Elsewhere, where there is no app that could ask for settings.
    run(INFRA / "node_modules/.bin/cdk", "bootstrap", "aws://123456789012/us-east-1", cwd=cloud["environment"]["HOME"], env=cloud["environment"])
    seen = []
    for _ in range(2):
        said = deploy(cloud, place).stderr
        outputs = json.loads(pathlib.Path(place["context"]["outputs_file"]).read_text())["prodNitroValidator"]
        seen.append({
            "said": said, "outputs": outputs,
            "group": ask(cloud, "autoscaling", "describe_auto_scaling_groups")["AutoScalingGroups"][0],
            "policy": json.loads(ask(cloud, "kms", "get_key_policy", KeyId=outputs["KMSKeyARN"], PolicyName="default")["Policy"]),
        })
        text = place["policies"]["prodNitroValidator"]
        standing = next(line for line in text.splitlines() if line.startswith("kms_key "))
        (pathlib.Path(place["context"]["policies"]) / "prodNitroValidator.txt").write_text(
            text.replace(standing, f"kms_key {outputs['KMSKeyARN']}"))
    return seen


def test_first_pass_has_no_instance_and_nobody_decrypts(passes):
    first = passes[0]
    assert (first["group"]["MinSize"], first["group"]["MaxSize"], first["group"]["Instances"]) == (0, 0, [])
    assert "NobodyBeforeThereIsAPolicy" in {each["Sid"] for each in first["policy"]["Statement"]}
    assert "nitro-signer-ctl slashing init --stack=prodNitroValidator" in first["said"]
    assert "nitro-signer-ctl policy make --stack=prodNitroValidator" in first["said"]


def test_second_pass_admits_the_image_and_the_policy(passes, place):
    second = passes[1]
    assert (second["group"]["MinSize"], len(second["group"]["Instances"])) == (2, 2)
    assert len(set(second["group"]["VPCZoneIdentifier"].split(","))) == 2
    sids = {each["Sid"]: each for each in second["policy"]["Statement"]}
    assert "NobodyBeforeThereIsAPolicy" not in sids
    demanded = sids["DecryptInsideTheEnclave"]["Condition"]["StringEqualsIgnoreCase"]
    assert demanded["kms:RecipientAttestation:ImageSha384"] == [place["pcr0"]]
    assert demanded["kms:RecipientAttestation:PCR16"] == [second["outputs"]["PolicyPCR16"]]
    assert sids["DecryptInsideTheEnclave"]["Principal"]["AWS"] == second["outputs"]["EC2InstanceRoleARN"]
    assert second["outputs"]["KMSKeyARN"] == passes[0]["outputs"]["KMSKeyARN"]
    assert "the first of two passes" not in second["said"]


def test_all_that_moto_knows_is_there(passes, cloud, place):
    wanted = ask(cloud, "cloudformation", "get_template", StackName="prodNitroValidator")["TemplateBody"]["Resources"]
    there = {each["LogicalResourceId"] for each in
             ask(cloud, "cloudformation", "list_stack_resources", StackName="prodNitroValidator")["StackResourceSummaries"]}
    missing = {each["Type"] for name, each in wanted.items() if name not in there}
    assert missing == NOT_IN_MOTO


def test_tables_as_they_must_be(passes, cloud):
    outputs = passes[1]["outputs"]
    keys = {}
    for name in ("ValidatorKeysTableName", "TLSKeysTableName", "SlashingProtectionTableName"):
        table = ask(cloud, "dynamodb", "describe_table", TableName=outputs[name])["Table"]
        keys[name] = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
        assert table["DeletionProtectionEnabled"] and table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert keys == {
        "ValidatorKeysTableName": [("web3signer_uuid", "HASH"), ("pubkey", "RANGE")],
        "TLSKeysTableName": [("key_id", "HASH")],
        "SlashingProtectionTableName": [("pk", "HASH")],
    }
    assert outputs["SlashingProtectionTableName"] == "prodNitroValidator-slashing-protection"


def test_the_rest_as_it_must_be(passes, cloud):
    outputs = passes[1]["outputs"]
    assert ask(cloud, "ssm", "get_parameter", Name=outputs["Web3SignerInitFlagParamName"])["Parameter"]["Value"] == "false"
    function = ask(cloud, "lambda", "get_function", FunctionName=outputs["LambdaFunctionArn"])["Configuration"]
    assert function["Runtime"] == "provided.al2023" and function["Role"] == outputs["LambdaExecutionArn"]
    assert function["Environment"]["Variables"]["NITRO_INSTANCE_PRIVATE_DNS"] == outputs["SignerELBFQDN"] == "signer.prodNitroValidator.private"
    assert function["Environment"]["Variables"]["KEY_ARN"] == outputs["KMSKeyARN"]
    template = ask(cloud, "ec2", "describe_launch_template_versions", Versions=["$Latest"],
                   LaunchTemplateId=passes[1]["group"]["LaunchTemplate"]["LaunchTemplateId"])["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert template["EnclaveOptions"]["Enabled"] and template["MetadataOptions"]["HttpTokens"] == "required"
    assert ask(cloud, "kms", "get_key_rotation_status", KeyId=outputs["KMSKeyARN"])["KeyRotationEnabled"]
    stack = ask(cloud, "cloudformation", "describe_stacks", StackName="prodNitroValidator")["Stacks"][0]
    assert outputs["Web3SignerUUID"] == stack["StackId"].split("/")[2]


def test_the_image_is_in_the_registry_under_its_digest(passes, cloud):
    url = f"http://{cloud['registry']}/test/registry"
    told = json.load(urllib.request.urlopen(url, timeout=30))
    assert list(told["manifests"].values()) == [passes[1]["outputs"]["ImageDigest"]]
    assert told["refusals"], "it gave nothing to whom it did not know"


def test_a_wrong_policy_document_stops_the_deployment(passes, cloud, place):
    folder = pathlib.Path(place["folder"]) / "wrong"
    folder.mkdir(exist_ok=True)
    (folder / "prodNitroValidator.txt").write_text(place["policies"]["prodNitroValidator"])
    done = subprocess.run(["./deploy", "prodNitroValidator", *context(place, policies=folder)], cwd=INFRA, env=cloud["environment"],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert "kms_key is" in done.stderr and "but that of this stack is" in done.stderr


def test_a_stack_that_runs_is_not_taken_back_to_the_first_pass(passes, cloud, place, tmp_path):
    # As from another clone: no policy document, no outputs.
    done = subprocess.run(["./deploy", "prodNitroValidator", *context(place, policies=tmp_path, outputs_file=tmp_path / "output.json"),
                           "--method=direct", "--no-previous-parameters"], cwd=INFRA, env=cloud["environment"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "runs with a policy document" in done.stderr and str(tmp_path / "prodNitroValidator.txt") in done.stderr
    group = ask(cloud, "autoscaling", "describe_auto_scaling_groups")["AutoScalingGroups"][0]
    assert (group["MinSize"], len(group["Instances"])) == (2, 2)


def test_cfn_lint_finds_nothing(place, tmp_path):
    policies = tmp_path / "policies"
    policies.mkdir()
    for stack in STACKS:
        (policies / f"{stack}.txt").write_text(place["policies"][stack])
    templates = []
    for nat in ("false", "true"):
        settings = {**json.loads((INFRA / "cdk.json").read_text())["context"], **place["context"], "nat": nat,
                    "policies": str(policies), "outputs_file": str(tmp_path / "none.json")}
        run("node", "--import", "tsx", "bin/app.ts",
            env={**os.environ, "CDK_OUTDIR": str(tmp_path / nat), "CDK_CONTEXT_JSON": json.dumps(settings)})
        templates += [tmp_path / nat / f"{stack}.template.json" for stack in STACKS]
    # W3005: the CDK names a function's role once more among what it depends on.
    run(python_tool("cfn-lint"), "--non-zero-exit-code", "warning", "--ignore-checks", "W3005", "--", *templates)


def test_deploy_says_how_it_is_used():
    done = subprocess.run(["./deploy", "someStack"], cwd=INFRA, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and "devNitroValidator|prodNitroValidator" in done.stderr
