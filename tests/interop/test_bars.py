"""The bars a drop-in for Web3Signer must clear, each held by named tests: `pytest -m bar` runs them all, and a test here
sees that none is without one."""
import ast
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import time

import pytest
import requests

from real_clients import Signer
from test_metrics import samples
from test_signer_standalone import attestation, one_key, sign_vectors  # noqa: F401 (fixtures)
from test_signer_stores import DynamodbSigner, database_options, descendants, table  # noqa: F401 (a fixture)

BARS = {
    1: "one golden request for each client, type and fork, answered byte for byte, root and signature by the oracle",
    2: "every type is signed with its root absent, right and in either spelling; a wrong one is 400",
    3: "every shape of fork_info that clients send with an exit gives one signature",
    4: "an aggregate of FULU is none of GLOAS; without a version its slot decides, on both sides of the fork",
    5: "TLS 1.2 alone and 1.3 alone, resumption in both, a client's PKCS#12, Teku's 401 challenge",
    6: "five identical 412s cost one durable read at most; what was signed is signed again without a write",
    7: "3,000 connections in a second, 12 s of idleness, the hint, health while signing is saturated",
    8: "an envelope of 20 MB in bounded memory, one byte over the limit is 413",
    9: "publicKeys is never partial during a reload",
    10: "no power cut lets a pair of slashable signatures out",
}
HERE = pathlib.Path(__file__).resolve().parent


def marked(tree):
    """(function, bar) of every test in it that names a bar."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.bar":
                    yield function.name, ast.literal_eval(mark.args[0])


def test_every_bar_has_a_test():
    held = collections.defaultdict(list)
    for folder in ("integration", "interop"):
        for file in sorted((HERE.parent / folder).glob("test_*.py")):
            for name, bar in marked(ast.parse(file.read_text())):
                held[bar].append(f"{file.name}::{name}")
    for file in sorted((HERE.parent / "unit").rglob("test_*.c")):
        for bar in re.findall(r"holds bar (\d+)\s+(?:\*\s+)?of\s+(?:\*\s+)?tests/interop/test_bars.py", file.read_text()):
            held[int(bar)].append(str(file.relative_to(HERE.parent)))
    for bar in sorted(held):
        print(bar, BARS[bar], *held[bar], sep="\n   ")
    assert set(held) == set(BARS)


def made(signer, what):
    done = subprocess.run(["node", HERE / "bars.mjs", f"--what={what}", f"--keys={signer.folder}/keys.json", f"--network={signer.oracle}"],
                          env=dict(os.environ, LODESTAR_PRESET="mainnet"), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Asker:
    """Asks with the first of the signer's keys, on connections that are kept."""

    def __init__(self, signer):
        key = json.loads((signer.folder / "keys.json").read_text())[0]
        script = ("import('@chainsafe/blst').then(({SecretKey}) => process.stdout.write('0x' + Buffer.from("
                  f"SecretKey.fromHex('{key}').toPublicKey().toBytes()).toString('hex')))")
        pubkey = subprocess.run(["node", "-e", script], cwd=HERE, capture_output=True, text=True, timeout=60, check=True).stdout
        self.url, self.session = f"{signer.url}/api/v1/eth2/sign/{pubkey}", requests.Session()

    def __call__(self, request):
        """(status, signature or reason)."""
        answer = self.session.post(self.url, json=request, headers={"Accept": "application/json"}, timeout=60)
        said = answer.json()
        return answer.status_code, said["signature"] if answer.status_code == 200 else said["error"]


@pytest.mark.bar(2)
def test_a_root_may_be_absent_but_never_wrong(start, folder):
    signer = Signer(start, folder)
    ask, cases = Asker(signer), made(signer, "roots")
    assert len({case["type"] for case in cases}) >= 21 and len(cases) >= 100
    for case in cases:
        request, root, good = case["request"], case["root"], (200, case["signature"])
        wrong = root[:-1] + f"{int(root[-1], 16) ^ 1:x}"
        named = (case["type"], case["fork"])
        assert ask(request) == good, named
        for member in ("signingRoot", "signing_root"):
            assert ask({**request, member: root}) == good, (*named, member)
            assert ask({member: "0x" + root[2:].upper(), **request}) == good, (*named, member)
            assert ask({**request, member: None}) == good, (*named, member)
            status, why = ask({**request, member: wrong})
            assert status == 400 and wrong in why and root in why, (*named, member)


@pytest.mark.bar(3)
def test_every_shape_of_an_exit_is_one_signature(start, folder):
    """EIP-7044 from Deneb on; before it the fork that fork_info names."""
    signer = Signer(start, folder)
    ask, cases = Asker(signer), made(signer, "exits")
    assert len(cases) == 16
    for case in cases:
        assert len(case["requests"]) == (4 if case["fork"] in ("deneb", "electra", "fulu", "gloas") else 2)
        for one in case["requests"]:
            assert ask(one["request"]) == (200, case["signature"]), (case["fork"], case["epoch"], one["who"])


@pytest.mark.bar(4)
def test_an_aggregate_of_fulu_is_none_of_gloas(start, folder):
    signer = Signer(start, folder)
    ask, cases = Asker(signer), {case["what"]: case for case in made(signer, "aggregates")}
    for what, case in cases.items():
        assert ask(case["request"]) == (200, case["signature"]), what
    assert cases["ELECTRA"]["objectRoot"] == cases["FULU"]["objectRoot"] != cases["GLOAS"]["objectRoot"]
    assert cases["the first slot of Gloas"]["signature"] == cases["GLOAS"]["signature"]
    # The oracle's roots are no echo: the other fork's signature is refused by comparison.
    assert ask(cases["the first slot of Gloas"]["request"])[1] != cases["FULU"]["signature"]


def vote(root, target=9):
    """An attestation of the network of real_clients.Signer, in Capella."""
    return {"type": "ATTESTATION", "attestation": {
        "slot": str(target * 32), "index": "0", "beacon_block_root": "0x" + f"{root:02x}" * 32,
        "source": {"epoch": str(target - 1), "root": "0x" + "01" * 32}, "target": {"epoch": str(target), "root": "0x" + "02" * 32}},
        "fork_info": {"fork": {"previous_version": "0x13000042", "current_version": "0x14000042", "epoch": "9"},
                      "genesis_validators_root": "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673"}}


def storm(ask, request):
    """Five times the same within three seconds, as Nimbus retries: what all of them are told."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers = set(pool.map(ask, [request] * 2))
    answers |= {ask(request) for _ in range(3)}
    assert time.monotonic() - began < 3 and len(answers) == 1
    return answers.pop()


@pytest.mark.bar(6)
def test_a_storm_of_refusals_reads_nothing_from_sqlite(start, folder):
    """The kernel's count of the keeper's reads and writes, and every byte of the files."""
    signer = Signer(start, folder, protection=True)
    ask = Asker(signer)
    keeper = dict(descendants(signer.process.pid))["nitro-signer-keeper"]

    def work():
        counted = pathlib.Path(f"/proc/{keeper}/io").read_text()
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("protection.sqlite*")
                 if not path.name.endswith("-shm")}
        return {name: int(re.search(rf"^{name}: (\d+)", counted, re.M)[1]) for name in ("syscr", "syscw", "write_bytes")}, files
    nothing = work()
    first = ask(vote(1))
    assert first[0] == 200
    before = work()
    print("a signature:", nothing[0], before[0])
    assert before[1] != nothing[1]
    status, _ = storm(ask, vote(2))
    refused = work()
    print("five refusals:", before[0], refused[0])
    again = storm(ask, vote(1))
    after = work()
    print("five repeats:", refused[0], after[0])
    assert status == 412 and again == first
    assert after[1] == refused[1] == before[1]
    counted = samples(signer.metrics_port)
    assert counted["nitro_signer_slashing_refusals_total{reason=double_vote}"] == 5
    assert counted["nitro_signer_slashing_refused_messages_total"] == 1
    assert ask(vote(3))[0] == ask(vote(2))[0] == 412
    assert samples(signer.metrics_port)["nitro_signer_slashing_refused_messages_total"] == 2


def told(signer, key, message):
    answer = signer.sign(key, message)
    return answer.status_code, answer.text


@pytest.mark.bar(6)
def test_a_storm_of_refusals_on_dynamodb(start, folder, one_key, table, dynamodb_relay):  # noqa: F811
    """The requests that pass the relay before the table."""
    signer = DynamodbSigner(start, folder, table)

    def asked(message):
        before = dynamodb_relay.operations.copy()
        said = storm(lambda one: told(signer, one_key, one), message)
        return said, dict(dynamodb_relay.operations - before)
    first = told(signer, one_key, attestation(7))
    assert first[0] == 200
    refused, cost = asked(attestation(7, "0x" + "45" * 32))
    again, more = asked(attestation(7))
    print("five refusals:", cost, "five repeats:", more)
    assert refused[0] == 412 and again == first
    assert sum(cost.values()) <= 1 and not more
