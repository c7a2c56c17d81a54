"""nitro-signer-ctl --output=json: one JSON value of every verb, with the members that its help names; and the exit statuses.

Verbs for AWS are asked in test_ctl_aws.py and others (ELSEWHERE says where): here is that none is forgotten."""
import json
import os
import pathlib
import re
import subprocess

import pytest
import requests

from test_ctl import KEY, ROLE, ctl, kms  # noqa: F401 (fixtures)
from test_image import make_inputs
from test_key_manager import ONE, PASSWORDS, TWO, Manager, history, keystore
from test_signer_standalone import GENESIS, Signer, write_raw_keys

HERE = pathlib.Path(__file__).parent
WORDS = "abandon " * 11 + "about"
CHEAP = ("--kdf=pbkdf2", "--kdf-cost=1024")
# verb -> the file whose tests read its JSON
ELSEWHERE = {
    "keys upload": "test_ctl_keys.py", "keys list": "test_ctl_keys.py", "keys activate": "test_ctl_keys_places.py", "keys deactivate": "test_ctl_keys_places.py",
    "keys assign": "test_ctl_keys_places.py", "keys remove": "test_ctl_keys_places.py", "tls upload": "test_ctl_aws.py", "tls set": "test_ctl_aws.py",
    "tls show": "test_ctl_aws.py", "policy show": "test_ctl_policy.py", "policy apply": "test_ctl_policy.py", "attest verify": "test_attestation.py",
    "slashing init": "test_ctl_policy.py", "service start": "test_ctl_aws.py", "service stop": "test_ctl_aws.py", "service status": "test_ctl_aws.py",
    "instances refresh": "test_ctl_aws.py", "status": "test_ctl_aws.py"}
asked = set()


@pytest.fixture
def members(ctl, folder):  # noqa: F811
    """members(verb, option, ...): what it prints, whose members are those that its help names."""
    def ask(verb, *options, **more):
        asked.add(verb)
        text = ctl(*verb.split(), *options, "--output=json", **more)
        value = json.loads(text)
        named = ctl(*verb.split(), "--help").split("\nWith --output=json:\n")[1].split("\nExamples:")[0]
        for name in value if isinstance(value, dict) else ():
            assert f'"{name}"' in named or "nitro-cli" in named or "the key policy" in named, (verb, name)
        return value
    return ask


def test_documents_and_measurements(members, ctl, folder):  # noqa: F811
    (folder / "tokens").write_text("a-token-of-a-decent-length-0123456789\n")
    access = members("access make", "--http-path-tokens-file=tokens")["document"]
    assert access == ctl("access", "make", "--http-path-tokens-file=tokens")
    policy = members("policy make", "--store=sqlite:/x", f"--kms-key={KEY}", "--access=any")["document"]
    (folder / "policy.txt").write_text(policy)
    assert members("policy measure", "policy.txt") == {"pcr16": ctl("policy", "measure", "policy.txt").strip()}
    assert members("image measure", "policy.txt") == {"pcr0": ctl("image", "measure", "policy.txt").strip()}
    key_policy = members("policy kms-key-policy", f"--pcr0={'ab' * 48}", f"--pcr16={'cd' * 48}", f"--role={ROLE}", f"--encrypt-role={ROLE}")
    assert key_policy["Version"] == "2012-10-17"


def test_images(members, ctl, folder):  # noqa: F811
    make_inputs(folder)
    assert members("image ramdisk", "--manifest=manifest", "--out=out.cpio") == {"ramdisk": "out.cpio", "bytes": os.path.getsize(folder / "out.cpio")}
    built = members("image build", "--kernel=kernel", "--cmdline=quiet", "--ramdisk=out.cpio", "--out=out.eif")
    assert members("image describe", "out.eif")["Measurements"] == built["Measurements"]


def test_keys_and_tls(members, ctl, folder, kms):  # noqa: F811
    (folder / "mnemonic").write_text(WORDS)
    (folder / "password").write_text("correct horse")
    source = ("--existing-mnemonic-file=mnemonic", "--network=hoodi", *CHEAP)
    pubkeys = {one["pubkey"] for one in members("keys generate", "--count=2", "--out=items", *source, *kms)["keys"]}
    assert {one["pubkey"] for one in members("keys derive", "--count=2", "--out=keystores", "--password-file=password", *source)["keys"]} == pubkeys
    encrypt = ("--keystores-path=keystores", "--keystores-password-file=password", "--network=hoodi", "--out=again", *kms)
    assert {one["pubkey"] for one in members("keys encrypt", *encrypt)["keys"]} == pubkeys
    assert members("keys export-deposit-data", "--items=items", "--out=deposits.json")["deposits"] == 2
    assert {one["pubkey"] for one in members("keys check-deposit-data", "deposits.json")["deposits"]} == pubkeys
    assert members("tls make", "--name=signer.example", "--out=items", *kms) == {
        "item": "items/tls/1.json", "certificate": "items/tls-cert.pem", "name": "signer.example"}


def test_a_history_goes_in_out_and_is_shown(members, ctl, folder):  # noqa: F811
    data = [{"pubkey": "0x" + "ab" * 48, "signed_blocks": [{"slot": "81952"}], "signed_attestations": [{"source_epoch": "2290", "target_epoch": "3007"}]},
            {"pubkey": "0x" + "cd" * 48, "signed_blocks": [], "signed_attestations": []}]
    (folder / "in.json").write_text(json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": "0x" + "11" * 32}, "data": data}))
    assert members("slashing import", "--store=protection.sqlite", "--from=in.json") == {"file": "in.json", "validators": 2}
    assert members("slashing export", "--store=protection.sqlite", "--to=out.json")["file"] == "out.json"
    shown = members("slashing show", "--file=out.json")
    assert shown["genesis_validators_root"] == "0x" + "11" * 32
    assert shown["validators"][0] == {"pubkey": "0x" + "ab" * 48, "source_epoch": "2290", "target_epoch": "3007", "slot": "81952"}
    assert "source 2290 target 3007  slot 81952" in ctl("slashing", "show", "--file=out.json")
    assert "exported the history of " in ctl("slashing", "export", "--store=protection.sqlite", "--to=out.json")
    for words in (("import", "--from=absent.json"), ("export", "--to=absent/out.json")):
        assert "absent" in ctl("slashing", words[0], "--store=protection.sqlite", words[1], status=1)
    assert "--store: required" in ctl("slashing", "export", "--to=out.json", status=2)
    (folder / "in.json").write_text("{}")
    assert "in.json" in ctl("slashing", "import", "--store=protection.sqlite", "--from=in.json", status=1)


def test_messages_are_signed(members, ctl, start, folder):  # noqa: F811
    write_raw_keys(folder, ["0x" + "11" * 32])
    signer = Signer(start, folder, eth2=["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])
    options = (f"--url={signer.url}", "--network=minimal", f"--genesis-validators-root={GENESIS}")
    said = members("sign-test", *options, "--only=RANDAO_REVEAL", "--epoch=1", "--show-signature")
    (one,) = said["results"]
    assert one["type"] == "RANDAO_REVEAL" and one["status"] == 200 and one["verified"] is True and re.fullmatch("0x[0-9a-f]{192}", one["signature"])
    assert members("sign-test", *options, "--only=ATTESTATION", "--epoch=3")["results"][0]["verified"] is True
    refused = members("sign-test", *options, "--only=ATTESTATION", "--epoch=3", "--variant=b", "--expect=412")
    assert refused["results"][0]["status"] == 412 and refused["results"][0]["answer"]


def test_keystores_are_imported(members, ctl, start, folder):  # noqa: F811
    (folder / "tokens").write_text("a-token-of-the-key-manager\n")
    manager = Manager(start, folder, None, "--key-manager-token-file=" + str(folder / "tokens"))
    for place, keys in (("right", (ONE, TWO)), ("wrong", (ONE,))):
        (folder / place).mkdir()
        for key in keys:
            (folder / place / f"{key[2:10]}.json").write_text(keystore(key))
            (folder / place / f"{key[2:10]}.txt").write_text((PASSWORDS[key] if place == "right" else "another") + "\n")
    (folder / "history.json").write_text(history(ONE))
    options = lambda place: (f"--url={manager.signer.url}", f"--keystores-path={place}", f"--keystores-passwords-path={place}")
    assert "answered 401" in ctl("keys", "import", *options("right"), status=1)
    refused = ctl("keys", "import", *options("wrong"), "--token-file=tokens", status=1)
    assert f"{ONE[2:10]}.json: " in refused and "1 keystores were not imported" in refused and "another" not in refused
    said = members("keys import", *options("right"), "--token-file=tokens", "--slashing-protection-file=history.json")
    assert {one["pubkey"] for one in said["keys"]} == {ONE, TWO}
    assert members("keys import", *options("right"), "--token-file=tokens") == said  # they are there already
    listed = requests.get(manager.url, headers={"Authorization": "Bearer a-token-of-the-key-manager"}, timeout=20).json()["data"]
    assert {one["validating_pubkey"] for one in listed} == {ONE, TWO}
    for url in ("http://signer.example:9000", "ftp://localhost", "https://user@host", "http://localhost"):
        assert "--url: must be https" in ctl("keys", "import", f"--url={url}", *options("right")[1:], status=2)


def test_failures_are_sentences_on_standard_error(bin_dir, folder):
    for words, status in ((("keys", "check-deposit-data", "absent"), 1), (("keys", "check-deposit-data"), 2), (("image", "describe", "absent"), 1),
                          (("status", "--control=unix:absent"), 1), (("keys", "nothing"), 2)):
        done = subprocess.run([bin_dir / "nitro-signer-ctl", *words, "--output=json"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status and not done.stdout and done.stderr.count("\n") == 1, words
        logged = subprocess.run([bin_dir / "nitro-signer-ctl", "--log-format=json", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert json.loads(logged.stderr) and logged.returncode == status


def test_no_verb_is_forgotten(bin_dir):
    """After the others of this file: what they asked, and what other files ask, is all that there is."""
    listed = subprocess.run([bin_dir / "nitro-signer-ctl", "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}[a-z]", listed, re.M)) - {"help"}
    own = set(re.findall(r'members\("([a-z -]+)"', pathlib.Path(__file__).read_text()))
    assert verbs == own | set(ELSEWHERE) and not own & set(ELSEWHERE) and asked <= own
    for verb, name in ELSEWHERE.items():
        text = (HERE / name).read_text()
        word = verb.split()[-1]
        pattern = rf'"{word}"[^\n]*output=json|json\([^\n]*"{word}"|json\.loads\({word}\([^\n]*output=json'
        assert re.search(pattern, text), (verb, name)
