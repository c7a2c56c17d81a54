"""nitro-signer-ctl policy make, show and apply, and slashing init, for a stack on AWS: KMS and DynamoDB as moto has them, signatures
judged by botocore (aws_judge.py)."""
import hashlib
import json
import os
import pathlib
import pty
import subprocess

import pytest

from stack_rig import ACCOUNT, INSTANCE_ROLE, LAMBDA_ROLE, REGION, SLASHING, STACK, ctl, judge, judge_server, operations  # noqa: F401

PCR0, OLDER = "ab" * 48, "cd" * 48
IDENTITY = "0x" + "5e" * 32


@pytest.fixture
def documents(ctl, folder, judge):
    """(policy document of the stack, pcrs.json)"""
    made = ctl("policy", "make", "--network=mainnet", f"--store-identity={IDENTITY}", "--access=any")
    policy, pcrs = folder / "policy.txt", folder / "pcrs.json"
    policy.write_text(made)
    pcrs.write_text(json.dumps({"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": PCR0, "PCR1": "00" * 48, "PCR2": "11" * 48}}))
    key_policy = {"Version": "2012-10-17", "Statement": [{"Sid": "all", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                                                          "Action": "kms:*", "Resource": "*"}]}
    judge.call("kms", "put_key_policy", KeyId=judge.key_arn, PolicyName="default", Policy=json.dumps(key_policy))
    return policy, pcrs


def measure(data):
    return hashlib.sha384(bytes(48) + data).hexdigest()


def in_force(judge):
    return json.loads(judge.call("kms", "get_key_policy", KeyId=judge.key_arn, PolicyName="default")["Policy"])


def test_a_policy_document_of_the_outputs(ctl, judge, documents):
    lines = dict(line.split(" ", 1) for line in documents[0].read_text().splitlines())
    assert lines["kms_key"] == judge.key_arn and lines["region"] == REGION and lines["store"] == f"dynamodb:{ACCOUNT}/{SLASHING}"
    assert "--stack: instead of" in ctl("policy", "make", "--store=sqlite:/x", "--access=any", status=2)


def test_a_key_policy_is_shown_applied_and_read_back(ctl, judge, documents):
    policy, pcrs = documents
    before = ctl.json("policy", "show")
    assert before["decrypt"] == "open" and before["demands"] == {} and "OPEN" in ctl("policy", "show")
    apply = ["policy", "apply", f"--policy={policy}", f"--pcrs={pcrs}"]
    assert "--yes: required" in ctl(*apply, status=1) and in_force(judge) == before["policy"]
    told = ctl.json(*apply, "--yes", f"--previous-pcr0={OLDER}")
    assert told["changed"] is True and told["decrypt"] == "attested"
    assert "- " in ctl.errors and "+ " in ctl.errors and PCR0 in ctl.errors
    demands = {"ImageSha384": [PCR0, OLDER], "PCR16": [measure(policy.read_bytes())], "PCR3": [measure(INSTANCE_ROLE.encode())]}
    shown = ctl.json("policy", "show")
    assert shown["decrypt"] == "attested" and shown["demands"] == demands and shown["policy"] == in_force(judge) == told["policy"]
    text = ctl("policy", "show")
    assert f"demands ImageSha384 {PCR0} or {OLDER}" in text and "only enclaves that attest" in text
    assert ctl.json(*apply, "--yes")["changed"] is True  # the older image is let go
    assert ctl.json("policy", "show")["demands"]["ImageSha384"] == [PCR0]
    seen = len(operations(judge))
    assert ctl.json(*apply)["changed"] is False and "PutKeyPolicy" not in operations(judge)[seen:]


def test_it_is_the_policy_of_the_stacks_own_keys(ctl, judge, documents):
    """infra/lib/key-policy.ts makes the other one; what may Decrypt, and what is denied, statement by statement."""
    policy, pcrs = documents
    statements = {s["Sid"]: s for s in ctl.json("policy", "apply", f"--policy={policy}", f"--pcrs={pcrs}", "--yes")["policy"]["Statement"]}
    source = (pathlib.Path(__file__).parents[2] / "infra/lib/key-policy.ts").read_text()
    for sid, statement in statements.items():
        assert f'"{sid}"' in source or sid.startswith("NobodyWithoutThis"), sid
        for action in statement["Action"]:
            assert f'"{action}"' in source, action
    assert [sid for sid, s in statements.items() if s["Effect"] == "Allow" and "kms:Decrypt" in s["Action"]] == ["DecryptInsideTheEnclave"]
    assert statements["DecryptInsideTheEnclave"]["Principal"] == {"AWS": [INSTANCE_ROLE]}
    assert statements["KeyPairsForTheLambdaOnly"]["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": LAMBDA_ROLE}}


def test_development_has_no_attestation(ctl, judge, documents):
    policy, _ = documents
    assert "--without-attestation: not with" in ctl("policy", "apply", "--without-attestation", f"--policy={policy}", status=2)
    told = ctl.json("policy", "apply", "--without-attestation", "--yes")
    assert told["decrypt"] == "open" and "DecryptInDevelopment" in [s["Sid"] for s in in_force(judge)["Statement"]]


def test_what_must_not_be_applied(ctl, judge, documents):
    policy, pcrs = documents
    good, arguments = policy.read_text(), ["policy", "apply", f"--policy={policy}", f"--pcrs={pcrs}", "--yes"]
    for old, new, part in (
            (judge.key_arn, judge.key_arn[:-1] + "0", "kms_key: is not the stack's key"), (SLASHING, "other-table", "store: is not the stack's table"),
            (f"dynamodb:{ACCOUNT}", "dynamodb:999999999999", "store: is in another account"), ("log_level info", "log_level loud", "log_level")):
        policy.write_text(good.replace(old, new))
        assert part in ctl(*arguments, status=1)
    policy.write_text(good)
    for pcr0 in ("00" * 48, "0x" + PCR0, PCR0[:-2], "zz" * 48):
        pcrs.write_text(json.dumps({"Measurements": {"PCR0": pcr0}}))
        assert "--pcrs: Measurements.PCR0" in ctl(*arguments, status=1)
    pcrs.write_text(json.dumps({"Measurements": {"PCR0": PCR0}}))
    assert "PutKeyPolicy" not in operations(judge)
    before = in_force(judge)
    judge.mood(deny="PutKeyPolicy")
    assert "its policy was not changed" in ctl(*arguments, status=1) and in_force(judge) == before
    judge.mood(answers={"PutKeyPolicy": ""})  # said to be done, and not
    assert "is not the one that was put" in ctl(*arguments, status=1)


def test_a_multi_region_key_is_said_and_not_taken_for_closed(ctl, judge, documents, folder):
    policy, pcrs = documents
    assert ctl.json("policy", "show")["multi_region"] is False
    arn = judge.call("kms", "create_key", KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT", MultiRegion=True)["KeyMetadata"]["Arn"]
    outputs = folder / "output.json"
    outputs.write_text(json.dumps({STACK: {**judge.outputs, "KMSKeyARN": arn, "Web3SignerUUID": "x"}}))
    policy.write_text(policy.read_text().replace(judge.key_arn, arn))
    assert "multi-region: replicas" in ctl("policy", "show", f"--outputs={outputs}")
    assert ctl.json("policy", "show", f"--outputs={outputs}")["multi_region"] is True
    before = judge.call("kms", "get_key_policy", KeyId=arn, PolicyName="default")["Policy"]
    said = ctl("policy", "apply", f"--policy={policy}", f"--pcrs={pcrs}", f"--outputs={outputs}", "--yes", status=1)
    assert "is a multi-region key" in said and judge.call("kms", "get_key_policy", KeyId=arn, PolicyName="default")["Policy"] == before


def test_on_a_terminal_it_asks(ctl, judge, documents):
    policy, pcrs = documents
    for answer, status in (("no\n", 1), ("yes\n", 0)):
        main, terminal = pty.openpty()
        with subprocess.Popen(ctl.command("policy", "apply", f"--policy={policy}", f"--pcrs={pcrs}"), env=ctl.environment, stdin=terminal,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            os.write(main, answer.encode())
            _, errors = process.communicate(timeout=300)
        os.close(main)
        os.close(terminal)
        assert process.returncode == status and "Put this key policy in force?" in errors
        assert ("nothing was changed" in errors) == (status == 1)
    assert ctl.json("policy", "show")["decrypt"] == "attested"


def test_a_store_is_begun_under_the_stacks_key(ctl, judge):
    told = ctl.json("slashing", "init", "--genesis-validators-root=0x" + "4b" * 32)
    assert len(told["store_identity"]) == 66 and "Encrypt" in operations(judge)
    status = ctl.json("slashing", "show")
    assert status["key"] == "sealed_by_kms" and status["seals_checked"] is False and status["identity"] is None
    assert status["genesis_validators_root"] == "0x" + "4b" * 32 and status["high_watermark"] is None
    assert "is a store already" in ctl("slashing", "init", "--genesis-validators-root=0x" + "4b" * 32, status=1)
