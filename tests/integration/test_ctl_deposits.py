"""nitro-signer-ctl keys derive, encrypt, export-deposit-data and check-deposit-data, against files that the staking deposit tool wrote."""
import base64
import copy
import hashlib
import json
import stat

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from test_ctl import ctl, kms  # noqa: F401 (fixtures)

CHEAP = ("--kdf=pbkdf2", "--kdf-cost=1024")


@pytest.fixture(scope="module")
def runs(vectors):
    return json.loads((vectors / "deposit-data" / "staking-deposit-cli-via-lighthouse.json").read_text())


def check(ctl, folder, data, *options, status=0):
    (folder / "data.json").write_text(data if isinstance(data, str) else json.dumps(data))
    return ctl("keys", "check-deposit-data", "data.json", *options, status=status)


def test_other_tools_deposits_are_right(ctl, folder, runs):
    for run in runs:
        said = json.loads(check(ctl, folder, run["deposit_data"], f"--network={run['network']}", "--output=json"))
        assert said["valid"] is True and [one["pubkey"] for one in said["deposits"]] == ["0x" + one["pubkey"] for one in run["deposit_data"]]
        assert {one["amount_gwei"] for one in said["deposits"]} == {32000000000}
    assert "deposits, all right" in check(ctl, folder, runs[0]["deposit_data"])


@pytest.mark.parametrize("name, version", [("pyrmont", "0x00002009"), ("medalla", "0x00000001")])
def test_a_network_that_is_gone_is_named_by_its_configuration(ctl, folder, vectors, name, version):
    path = vectors / "deposit-data" / f"web3signer-deposit_data-{name}.json"
    assert "eth2_network_name: is of no network" in ctl("keys", "check-deposit-data", path, status=1)
    (folder / "config.yaml").write_text(f"PRESET_BASE: mainnet\nCONFIG_NAME: {name}\nGENESIS_FORK_VERSION: {version}\nSECONDS_PER_SLOT: 12\n"
                                        "MIN_GENESIS_TIME: 0\nGENESIS_DELAY: 0\n" + "".join(
                                            f"{fork}_FORK_VERSION: 0x0{i}000099\n{fork}_FORK_EPOCH: 18446744073709551615\n"
                                            for i, fork in enumerate(("ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU", "GLOAS"), 1)))
    assert "2 deposits" in ctl("keys", "check-deposit-data", path, "--network=config.yaml")


def other_digit(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


# Member, what becomes of it, and the member that the refusal names.
WRONG = [
    *((name, other_digit, wanted) for name, wanted in [
        ("pubkey", "deposit_message_root"), ("withdrawal_credentials", "deposit_message_root"), ("signature", "deposit_data_root"),
        ("deposit_message_root", "deposit_message_root"), ("deposit_data_root", "deposit_data_root"), ("fork_version", "fork_version")]),
    *((name, change, name) for name in ("pubkey", "withdrawal_credentials", "signature", "deposit_message_root", "deposit_data_root", "fork_version")
      for change in (lambda text: "0x" + text, lambda text: text[2:], lambda text: "zz" + text[2:], lambda text: None, lambda text: 7, lambda text: "")),
    *(("amount", change, "amount") for change in (
        lambda gwei: str(gwei), lambda gwei: gwei / 1.0, lambda gwei: 10**9 - 1, lambda gwei: gwei + 1, lambda gwei: -gwei, lambda gwei: None)),
    ("amount", lambda gwei: gwei - 1, "deposit_message_root"),
    ("withdrawal_credentials", lambda text: "03" + text[2:], "withdrawal_credentials"),
    ("withdrawal_credentials", lambda text: "01" + text[2:], "withdrawal_credentials"),
    ("withdrawal_credentials", lambda text: "01" + "00" * 31, "withdrawal_credentials"),
    *(("deposit_cli_version", lambda text, version=version: version, "deposit_cli_version")
      for version in ("0.9.9", "2.7", "2.7.0.1", "2.7.x", "v2.7.0", "", None, 2, "2..0")),
    *(("network_name", lambda text, name=name: name, "network_name") for name in ("", None, 1, "mainnet2")),
    ("network_name", lambda text: "hoodi", "fork_version"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_each_member_that_is_wrong_is_named(ctl, folder, runs, number):
    name, change, wanted = WRONG[number]
    run = next(one for one in runs if one["network"] == "mainnet" and one["count"] == 2 and not one["eth1_withdrawal_address"])
    data = copy.deepcopy(run["deposit_data"])
    data[1][name] = change(data[1][name])
    if data[1][name] is None:
        del data[1][name]
    said = check(ctl, folder, data, "--output=json", status=1)
    assert f"[1].{wanted}: " in said, said


def test_what_is_no_list_of_deposits_is_refused(ctl, folder, runs):
    datum = runs[0]["deposit_data"][0]
    for data in ([], {}, {"deposits": [datum]}, [[datum]], "[", "", "[1]", "null"):
        assert "data.json: " in check(ctl, folder, data, status=1), data
    assert f"pubkey: {datum['pubkey']} is there twice" in check(ctl, folder, [datum, datum], status=1)
    assert "absent.json" in ctl("keys", "check-deposit-data", "absent.json", status=1)


def test_a_signature_of_another_network_is_refused(ctl, folder, runs):
    """Mainnet's deposits with the name and version of holesky: roots are right, the domain is not."""
    for run, name, version in ((runs[0], "mainnet", "00000000"), (runs[-1], "holesky", "01017000")):
        if run["network"] == name:
            name, version = ("holesky", "01017000") if name == "mainnet" else ("mainnet", "00000000")
        data = [dict(one, network_name=name, fork_version=version) for one in run["deposit_data"]]
        assert "[0].signature: is not the key's over this deposit" in check(ctl, folder, data, status=1)


def test_keys_of_a_mnemonic_are_those_of_the_deposit_tool(ctl, folder, runs):
    for run in runs[::5]:
        (folder / "mnemonic").write_text(run["mnemonic"] + "\n")
        (folder / "password").write_text("correct horse\n")
        address = [f"--withdrawal-address={run['eth1_withdrawal_address']}"] if run["eth1_withdrawal_address"] else []
        out = folder / f"out-{runs.index(run)}"
        said = json.loads(ctl("keys", "derive", f"--count={run['count']}", f"--first={run['first_index']}", f"--network={run['network']}", f"--out={out}",
                              "--existing-mnemonic-file=mnemonic", "--password-file=password", *address, *CHEAP, "--output=json"))
        assert [one["pubkey"][2:] for one in said["keys"]] == [one["pubkey"] for one in run["deposit_data"]]
        assert json.loads(next(out.glob("deposit_data-*.json")).read_text()) == run["deposit_data"]
        for one in said["keys"]:
            path = next(out.glob(f"keystore-{one['path'].replace('/', '_')}-*.json"))
            keystore = json.loads(path.read_text())
            assert stat.S_IMODE(path.stat().st_mode) == 0o600 and keystore["pubkey"] == one["pubkey"][2:] and keystore["path"] == one["path"]
            crypto = keystore["crypto"]
            key = hashlib.pbkdf2_hmac("sha256", b"correct horse", bytes.fromhex(crypto["kdf"]["params"]["salt"]), 1024, 32)
            ciphertext = bytes.fromhex(crypto["cipher"]["message"])
            assert hashlib.sha256(key[16:] + ciphertext).hexdigest() == crypto["checksum"]["message"]
            stream = Cipher(algorithms.AES(key[:16]), modes.CTR(bytes.fromhex(crypto["cipher"]["params"]["iv"]))).decryptor()
            assert len(stream.update(ciphertext)) == 32
        assert ctl("keys", "derive", f"--count={run['count']}", f"--first={run['first_index']}", "--existing-mnemonic-file=mnemonic").count("0x") == run["count"]


def test_compounding_validators_may_have_more(ctl, folder):
    (folder / "mnemonic").write_text("abandon " * 11 + "about")
    (folder / "password").write_text("correct horse")
    derive = ["keys", "derive", "--network=hoodi", "--out=out", "--existing-mnemonic-file=mnemonic", "--password-file=password", *CHEAP]
    assert "--compounding" in ctl(*derive, "--deposit-eth=33", status=2) and "--withdrawal-address" in ctl(*derive, "--compounding", status=2)
    ctl(*derive, "--deposit-eth=2048", "--compounding", "--withdrawal-address=0x" + "5a" * 20)
    data = json.loads(next((folder / "out").glob("deposit_data*")).read_text())
    assert data[0]["withdrawal_credentials"] == "02" + "00" * 11 + "5a" * 20 and data[0]["amount"] == 2048 * 10**9
    assert "1 deposits" in check(ctl, folder, data)
    data[0]["amount"] += 1
    assert "[0].amount: must be from 1 to 2048 ETH" in check(ctl, folder, data, status=1)


def test_what_is_generated_is_exported(ctl, folder, kms):
    for number, options in enumerate(((), ("--sealed", f"--uuid={'ab' * 16}"))):
        with open(folder / "mnemonic.txt", "wb") as file:
            made = json.loads(ctl("keys", "generate", "--count=2", f"--out=items{number}", "--network=hoodi", f"--mnemonic-fd={file.fileno()}", *options,
                                  *([] if options else CHEAP), *kms, "--output=json", pass_fds=[file.fileno()]))
        exported = json.loads(ctl("keys", "export-deposit-data", f"--items=items{number}"))
        assert sorted("0x" + one["pubkey"] for one in exported) == sorted(one["pubkey"] for one in made["keys"])
        assert json.loads(ctl("keys", "export-deposit-data", f"--items=items{number}", "--out=data.json", "--output=json")) == {"file": "data.json", "deposits": 2}
        assert json.loads((folder / "data.json").read_text()) == exported
        check(ctl, folder, exported, "--network=hoodi")
        assert "network_name" in ctl("keys", "export-deposit-data", f"--items=items{number}", "--network=mainnet", status=1)
    item = next((folder / "items0" / "validators").glob("*.json"))
    broken = json.loads(item.read_text())
    data = json.loads(base64.b64decode(broken["deposit_json_b64"]))
    data[0]["amount"] = 31000000000
    item.write_text(json.dumps(dict(broken, deposit_json_b64=base64.b64encode(json.dumps(data).encode()).decode())))
    (folder / "data.json").unlink()
    assert "deposit_message_root" in ctl("keys", "export-deposit-data", "--items=items0", "--out=data.json", status=1) and not (folder / "data.json").exists()
    assert "there are no deposit data" in ctl("keys", "export-deposit-data", "--items=absent", status=1)
    assert "--items" in ctl("keys", "export-deposit-data", "--items=items0", "--table=a", status=2)


def test_keystores_are_encrypted_into_items(ctl, folder, kms):
    (folder / "mnemonic").write_text("abandon " * 11 + "about")
    (folder / "password").write_text("correct horse\n")
    ctl("keys", "derive", "--count=3", "--out=keystores", "--existing-mnemonic-file=mnemonic", "--password-file=password", *CHEAP)
    encrypt = ["keys", "encrypt", "--keystores-path=keystores", "--keystores-password-file=password", "--out=items", "--network=hoodi", *kms]
    said = json.loads(ctl(*encrypt, "--output=json"))
    assert len(said["keys"]) == 3 and all(one["path"].startswith("keystore-m_") for one in said["keys"])
    for one in said["keys"]:
        item = json.loads((folder / "items" / "validators" / f"{one['pubkey'][2:]}.json").read_text())
        assert item["chain"] == "hoodi" and item["active"] is True and item["web3signer_uuid"] == "none" and "deposit_json_b64" not in item
        assert len(base64.b64decode(item["encrypted_key_password_mnemonic_b64"])) > 500
    one = sorted((folder / "keystores").glob("keystore-*"))[1]
    keystore = json.loads(one.read_text())
    keystore["crypto"]["checksum"]["message"] = "00" * 32
    one.write_text(json.dumps(keystore))
    refused = ctl(*encrypt, status=1)
    assert f"{one.name}: " in refused and "1 keystores were not encrypted" in refused
    for wrong in (encrypt[:2] + encrypt[3:], encrypt[:3] + encrypt[4:], encrypt[:4] + encrypt[5:]):
        assert "required" in ctl(*wrong, status=2)
