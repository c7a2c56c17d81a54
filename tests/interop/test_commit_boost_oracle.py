"""Commit-Boost's signer API, judged by @chainsafe/ssz, Lodestar's types and @chainsafe/blst (commit_boost.mjs), and ECDSA by
Python's cryptography."""
import json
import pathlib
import secrets
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
import requests

from test_signer_standalone import Signer, write_raw_keys

JUDGE = pathlib.Path(__file__).with_name("commit_boost.mjs")
VERSIONS = {"mainnet": "0x00000000", "hoodi": "0x10000910", "gnosis": "0x00000064"}
SECRETS = ["0x" + f"{i:064x}" for i in (1, 2)]


def judge(claims):
    run = subprocess.run(["node", JUDGE], input=json.dumps(claims), capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout)


@pytest.mark.parametrize("network", list(VERSIONS))
def test_delegations_and_signatures(start, folder, network):
    write_raw_keys(folder, SECRETS)
    (folder / "password").write_text("a password")
    signer = Signer(start, folder, [f"--network={network}", "--slashing-protection-enabled=false", "--commit-boost-api-enabled=true",
                                    f"--proxy-keystores-path={folder}/proxies", f"--proxy-keystores-password-file={folder}/password"])

    def ask(path, **body):
        answer = requests.post(f"{signer.url}/signer/v1/{path}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    claims, by_ecdsa = [], []
    for key in requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json():
        for scheme in ("BLS", "ECDSA"):
            made = ask("generate_proxy_key", pubkey=key, scheme=scheme)
            proxy = made["message"]["proxy"]
            claims.append({"key": key, "version": VERSIONS[network], "proxy": proxy, "signature": made["signature"]})
            for _ in range(10):
                root = "0x" + secrets.token_hex(32)
                signature = ask("request_signature", type=f"PROXY_{scheme}", pubkey=proxy, object_root=root)
                claim = {"key": proxy, "version": VERSIONS[network], "objectRoot": root, "signature": signature}
                (claims if scheme == "BLS" else by_ecdsa).append(claim)
        root = "0x" + secrets.token_hex(32)
        claims.append({"key": key, "version": VERSIONS[network], "objectRoot": root,
                       "signature": ask("request_signature", type="CONSENSUS", pubkey=key, object_root=root)})
    verdicts = judge(claims)
    assert len(verdicts) == 26 and all(verdict["right"] for verdict in verdicts)
    assert not any(verdict["right"] for verdict in judge([{**claim, "version": "0x99999999"} for claim in claims]))
    for claim, verdict in zip(by_ecdsa, judge(by_ecdsa)):
        raw = bytes.fromhex(claim["signature"][2:])
        signature = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), bytes.fromhex(claim["key"][2:]))
        key.verify(signature, bytes.fromhex(verdict["root"][2:]), ec.ECDSA(SHA256()))
    assert len(by_ecdsa) == 20
