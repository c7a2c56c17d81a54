"""docs/api/openapi.yaml against the running signer: whatever schemathesis makes of it is answered as it says, what clients
really send fits it, and no route is missing."""
import json
import pathlib
import re
import subprocess

import pytest
import requests

from front_process import front  # noqa: F401 (a fixture)
from harness import policy_text
from python_tools import python_tool
from scripted_keeper import Certificate
from test_corpus import make
from test_oracle import Signer as CorpusSigner
from test_oracle import write_devnet
from test_signer_standalone import Signer, write_raw_keys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent / "openapi"
DOCUMENT = ROOT / "docs/api/openapi.yaml"
KEY = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
# Whole blocks: schemathesis' coverage phase would combine all that can stand in them, for hours.
TOO_MANY_COMBINATIONS = {"SignBlock", "SignBlockV2", "SignExecutionPayloadEnvelope"}


def load():
    dump = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    made = subprocess.run([python_tool("python"), "-c", dump, DOCUMENT], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(made.stdout)


def message_types():
    text = DOCUMENT.read_text()
    return re.findall(r"schemas/(Sign\w+)", text[text.index("\n    SignRequest:"):text.index("\n    SignAttestation:")])


def test_it_is_a_sound_document():
    judged = subprocess.run([python_tool("openapi-spec-validator"), DOCUMENT], capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_it_has_every_route_and_no_other():
    source = (ROOT / "src/front/front_routes.c").read_text()
    rows = re.findall(r'\{NET_HTTP_(\w+), "([^"]+)", (true|false)', source)
    served = {(method.lower(), path + ("{identifier}" if rest == "true" else "")) for method, path, rest in rows}
    assert len(served) >= 7
    assert served == {(method, path) for path, operations in load()["paths"].items() for method in operations}


def test_it_has_every_type_of_message():
    document = load()
    names = [name for row in message_types() for name in document["components"]["schemas"][row]["properties"]["type"]["enum"]]
    assert sorted(names) == sorted(re.findall(r'^    \{"(\w+)", ETH2_ORDER_', (ROOT / "lib/eth2/eth2_api.c").read_text(), re.MULTILINE))


@pytest.fixture
def signer(start, folder):
    write_raw_keys(folder, {KEY})
    (folder / "proxies").mkdir()
    (folder / "proxies.txt").write_text("a password")
    return Signer(start, folder, ["--network=mainnet", f"--slashing-protection-db-path={folder}/protection.sqlite",
                                  "--slashing-protection-far-future-epochs=any", "--key-manager-api-enabled=true", "--Xsigning-ext-enabled=true",
                                  "--commit-boost-api-enabled=true", f"--proxy-keystores-path={folder}/proxies",
                                  f"--proxy-keystores-password-file={folder}/proxies.txt"])


def schemathesis(signer, folder, document, phases, *options):
    (folder / "document.json").write_text(json.dumps(document))
    return subprocess.run([python_tool("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run", folder / "document.json",
                           f"--url={signer.url}", "--checks=all", f"--phases={phases}", "--max-examples=20", "--seed=1", "--no-color",
                           "--continue-on-failure", "--suppress-health-check=data_too_large,too_slow,filter_too_much", *options], cwd=folder, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("message", message_types())
def test_a_message_of_schemathesis_is_answered_as_documented(signer, folder, message):
    document = load()
    document["components"]["schemas"]["SignRequest"] = document["components"]["schemas"][message]
    document["paths"] = {path: operations for path, operations in document["paths"].items() if path.startswith("/api/v1/eth2/sign/")}  # one key
    listed = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json()
    document["components"]["parameters"]["identifier"]["schema"] = {"enum": [listed[0], "0x" + "ab" * 48]}
    phases = "fuzzing" if message in TOO_MANY_COMBINATIONS else "coverage,fuzzing"
    judged = schemathesis(signer, folder, document, phases)
    assert judged.returncode == 0, judged.stdout[-6000:] + judged.stderr[-2000:]
    assert re.search(r"Tested: 1\b", judged.stdout), judged.stdout


def test_the_other_requests_of_schemathesis_are_answered_as_documented(signer, folder):
    document = load()
    document["paths"] = {path: operations for path, operations in document["paths"].items()
                         if not path.startswith("/api/v1/eth2/sign/") and path != "/attestation"}  # that is an enclave's
    # Each type has had its turn alone; here it is the batch around one that counts.
    batch = document["components"]["schemas"]["BatchRequest"]["properties"]
    batch["signing_request"] = {"$ref": "#/components/schemas/SignRandaoReveal"}
    del batch["identifiers"]["maxItems"]  # test_batch.py tries the limit; thousands of keys in every case are too many
    judged = schemathesis(signer, folder, document, "coverage,fuzzing")
    assert judged.returncode == 0, judged.stdout[-6000:] + judged.stderr[-2000:]


def test_attestation_is_answered_as_documented(front, folder):  # noqa: F811
    certificate = Certificate(folder)
    f = front("--mode=enclave", hosts=None, tls=certificate, policy=policy_text(store="sqlite:/nowhere"))
    document = load()
    document["paths"] = {"/attestation": document["paths"]["/attestation"]}
    f.url = f"https://localhost:{f.port}"
    judged = schemathesis(f, folder, document, "coverage,fuzzing", f"--tls-verify={certificate.ca_file}")
    assert judged.returncode == 0, judged.stdout[-6000:] + judged.stderr[-2000:]
    assert len(set(f.keeper.nonces)) >= 5


def hold(exchanges):
    lines = "\n".join(json.dumps(exchange) for exchange in exchanges)
    return subprocess.run([python_tool("python"), HERE / "check.py", DOCUMENT], input=lines, capture_output=True, text=True, timeout=120,
                          check=False)


def as_exchange(one):
    head, _, body = one["answer"].partition("\r\n\r\n")
    return {"name": f"{one['client']} {one['type']} {one['fork']}", "path": "/api/v1/eth2/sign/{identifier}", "method": "post",
            "status": int(head.split()[1]), "content_type": re.search(r"content-type: (.*)", head)[1].strip(), "answer": body,
            "request": one["request"].partition("\r\n\r\n")[2]}


def test_what_clients_send_and_receive_fits_it(start, folder):
    oracle, config = write_devnet(folder, "mainnet")
    CorpusSigner(start, folder, config, protection=False)
    exchanges = [as_exchange(one) for one in make(folder, oracle) if " /api/v1/eth2/sign/" in one["request"].split("\r\n")[0]]
    assert len(exchanges) > 400
    judged = hold(exchanges)
    assert judged.returncode == 0, judged.stdout[-3000:] + judged.stderr[-2000:]
    wrong = dict(exchanges[0], request="{}")
    assert hold([wrong]).returncode == 1


def test_the_published_examples_of_web3signer_fit_it(vectors):
    published = json.loads((vectors / "web3signer-openapi/sign-requests.json").read_text())
    # Two examples, published twice each, have names that Web3Signer itself does not read.
    camel = [one for one in published if "previousVersion" in json.dumps(one["request"])]
    answer = json.dumps({"signature": "0x" + "00" * 96})
    judged = hold({"name": one["name"], "path": "/api/v1/eth2/sign/{identifier}", "method": "post", "status": 200,
                   "content_type": "application/json; charset=utf-8", "request": json.dumps(one["request"]), "answer": answer}
                  for one in published if one not in camel)
    assert (len(published), len(camel)) == (41, 4)
    assert judged.returncode == 0, judged.stdout[-3000:] + judged.stderr[-2000:]


def test_the_published_example_of_the_key_manager_is_accepted(signer, vectors):
    """Its keystore says no password; so it is a keystore that cannot be opened, in a request that is as it should be."""
    values = json.loads((vectors / "keymanager-apis/examples.json").read_text())["values"]
    body = {"keystores": [values["keystore"]], "passwords": ["ABCDEFGH01234567ABCDEFGH01234567"]}
    answer = requests.post(f"{signer.url}/eth/v1/keystores", json=body, timeout=60)
    print(answer.text)
    judged = hold([{"name": "import", "path": "/eth/v1/keystores", "method": "post", "status": answer.status_code,
                    "content_type": answer.headers["content-type"], "request": json.dumps(body), "answer": answer.text}])
    assert (answer.status_code, judged.returncode) == (200, 0), judged.stdout
    body = {"pubkeys": [values["public_key"]]}
    answer = requests.delete(f"{signer.url}/eth/v1/keystores", json=body, timeout=60)
    judged = hold([{"name": "delete", "path": "/eth/v1/keystores", "method": "delete", "status": answer.status_code,
                    "content_type": answer.headers["content-type"], "request": json.dumps(body), "answer": answer.text}])
    assert (answer.status_code, judged.returncode) == (200, 0), judged.stdout
