"""The measured policy, PCR16: what changes in a document, in any of its fields, leaves KMS with another measurement and the enclave without
keys. Documents come from nitro-signer-ctl, measurements from hashlib, decisions from devcloud's KMS."""
import base64
import hashlib
import itertools
import json
import re
import subprocess

import pytest

import test_devcloud_kms
from enclave_rig import Cloud
from harness import connect, control
from test_devcloud import ROLE, measurement, recipient_key
from test_devcloud_kms import refused
from test_devcloud_nsm import Enclave, decode
from test_enclave_access import Host

KEY = "arn:aws:kms:us-east-1:123456789012:key/abc"
OTHER_ROLE = "arn:aws:iam::123456789012:role/another"

# A line of the document, and what its value may become: another good value where there is one, alone.
CHANGES = {
    "nitro-signer-policy": "4", "network": "hoodi", "preset": "minimal", "genesis_time": "1606824024", "seconds_per_slot": "6",
    "phase0_fork_version": "0x00000009", **{f"{fork}_fork": None for fork in ("altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas", "heze")},
    "genesis_validators_root": "any", "slashing_protection": "disabled", "store": None, "store_identity": None, "store_mode": None,
    "far_future_epochs": "3", "boot_floor": None, "kms_key": f"{KEY[:-1]}d", "region": "us-west-2", "access": "0x" + "11" * 32,
    "log_level": "warn",
}
NOT_ALONE = {"nitro-signer-policy", "slashing_protection"}  # another version is not read; no protection takes other lines with it


def changed(text):
    """(name of the field, the document with another value there) for every line, in order."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        other = CHANGES[name]
        if name.endswith("_fork"):
            version, _, epoch = value.partition(" ")
            other = f"0xfe{version[4:]} {epoch}"
        elif name == "store":
            other = value[:-1] + ("y" if value[-1] != "y" else "z")
        elif name == "store_identity":
            other = "none" if value != "none" else "0x" + "11" * 32
        elif name == "store_mode":
            other = {"single": "fleet", "fleet": "single"}[value]
        elif name == "boot_floor":
            other = {"enabled": "disabled", "disabled": "enabled"}[value]
        assert other != value, name
        yield name, text.replace(f"{line}\n", f"{name} {other}\n", 1)


def pcr(data):
    return hashlib.sha384(bytes(48) + data).hexdigest()


@pytest.fixture
def ctl(bin_dir, folder):
    """The answer without its newline; None when it was refused."""
    def run(*words):
        done = subprocess.run([bin_dir / "nitro-signer-ctl", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.rstrip("\n") if done.returncode == 0 else None
    return run


@pytest.fixture
def kms(start, folder):
    return test_devcloud_kms.Cloud(start, folder)


def document(kms, nsm, extend, spki, lock=True):
    """As an enclave makes it, of a policy of any length."""
    enclave = Enclave(kms.folder / nsm)
    request = b"\xa1\x69ExtendPCR\xa2\x65index\x10\x64data\x59" + len(extend).to_bytes(2, "big") + extend
    assert decode(enclave.ask(request))["ExtendPCR"]["data"].hex() == pcr(extend)
    if lock:
        assert decode(enclave.ask(b"\xa1\x67LockPCR\xa1\x65index\x10")) == "LockPCR"
        assert decode(enclave.ask(request)) == {"Error": "ReadOnlyIndex"}
    answer = enclave.ask(b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key\x59" + len(spki).to_bytes(2, "big") + spki)
    enclave.close()
    return decode(answer)["Attestation"]["document"]


def serve(kms, ctl, **pcrs):
    words = [f"--{name}={value}" for name, value in pcrs.items()]
    made = ctl("policy", "kms-key-policy", *words, f"--encrypt-role={ROLE}")
    kms.serve(*json.loads(made)["Statement"])


def test_each_field_is_measured_and_no_other_document_gets_a_key(kms, ctl, folder):
    text = ctl("policy", "make", "--network=mainnet", "--store=dynamodb:123456789012/marks", f"--store-identity=0x{'5a' * 32}", "--store-mode=single",
               f"--genesis-validators-root=0x{'4b' * 32}", f"--kms-key={KEY}", "--boot-floor", "--access=any") + "\n"
    (folder / "policy.txt").write_text(text)
    assert ctl("policy", "measure", "policy.txt") == pcr(text.encode())
    serve(kms, ctl, pcr0=measurement(b"image"), pcr16=pcr(text.encode()), role=ROLE)
    spki, blob, seen = recipient_key(folder), kms.seal(b"a key"), {pcr(text.encode())}
    assert kms.decrypt(blob, document(kms, "nsm", text.encode(), spki))[0] == 200
    names = []
    for name, other in changed(text):
        names.append(name)
        (folder / "other.txt").write_text(other)
        assert ctl("policy", "measure", "other.txt") == (None if name in NOT_ALONE else pcr(other.encode())), name
        assert refused(kms.decrypt(blob, document(kms, "nsm", other.encode(), spki)), "AccessDeniedException"), name
        seen.add(pcr(other.encode()))
    assert names == list(CHANGES) and len(seen) == 1 + len(CHANGES)


def test_one_byte_of_the_document_anywhere(kms, ctl, folder):
    """Whatever the keeper would say to it: no other bytes have that measurement, nor have the same in two parts or twice."""
    text = ctl("policy", "make", "--network=hoodi", "--store=sqlite:/s", f"--kms-key={KEY}", "--access=any").encode() + b"\n"
    serve(kms, ctl, pcr0=measurement(b"image"), pcr16=pcr(text), role=ROLE)
    spki, blob = recipient_key(folder), kms.seal()
    for at in range(0, len(text), 37):
        other = text[:at] + bytes([text[at] ^ 1]) + text[at + 1:]
        assert refused(kms.decrypt(blob, document(kms, "nsm", other, spki)), "AccessDeniedException"), at
    for other in (text[:-1], text + b"\n", b"\n" + text, text + text, b"", text.replace(b"\n", b"\r\n")):
        assert refused(kms.decrypt(blob, document(kms, "nsm", other, spki)), "AccessDeniedException")
    assert refused(kms.decrypt(blob, document(kms, "nsm", text, spki, lock=False)), "AccessDeniedException")
    assert kms.decrypt(blob, document(kms, "nsm", text, spki))[0] == 200


def test_image_policy_and_role_are_demanded_each(kms, ctl, folder, vectors):
    """PCR0, PCR16 and PCR3: a key that demands all three, and documents of which one is another's."""
    example = (vectors / "nitro/SYNTHETIC/pcr3_pcr4_example.txt").read_text()
    role, value = re.search(r"PCR3 for role (\S+) = (\w{96})", example).groups()
    made = json.loads(ctl("policy", "kms-key-policy", f"--pcr0={'02' * 48}", f"--pcr16={'01' * 48}", "--pcr3=role", f"--role={role}", f"--encrypt-role={role}"))
    assert [s["Condition"]["StringNotEqualsIgnoreCase"]["kms:RecipientAttestation:PCR3"] for s in made["Statement"]
            if s["Sid"] == "NobodyWithoutThisPCR3"] == [[value]]
    assert ctl("policy", "kms-key-policy", f"--pcr0={'02' * 48}", f"--pcr16={'01' * 48}", "--pcr3=00", f"--role={role}", f"--encrypt-role={role}") is None

    spki = recipient_key(folder)
    right = {"pcr0": measurement(b"image"), "pcr16": pcr(b"policy"), "pcr3": "role", "role": ROLE}
    for wrong, status in ((None, 200), ("pcr0", 400), ("pcr16", 400), ("pcr3", 400)):
        demands = {**right, **({wrong: pcr(OTHER_ROLE.encode())} if wrong else {})}
        serve(kms, ctl, **demands)
        blob = kms.seal()
        assert kms.decrypt(blob, document(kms, "nsm", b"policy", spki))[0] == status, wrong
        assert refused(kms.decrypt(blob, document(kms, "nsm-other", b"policy", spki)), "AccessDeniedException")
        assert refused(kms.decrypt(blob, document(kms, "nsm", b"polisy", spki)), "AccessDeniedException")
        assert kms.process.terminate() == 0


# ---- whole enclaves ----

@pytest.fixture
def cloud(start, bin_dir, folder):
    made = Cloud(start, bin_dir, folder, num_keys=1)
    made.begin()
    (folder / "access.txt").write_text("")
    return made


def status_of(host):
    return control(host.stream, {"operation": "status"})["body"]


def attested(host):
    return control(host.stream, {"operation": "attest", "nonce": base64.b64encode(b"nonce").decode()})


def test_the_measurement_is_there_before_any_document(cloud, start, folder, ctl):
    host = Host(cloud, start, folder)
    assert status_of(host)["pcr16"] == "00" * 48 and attested(host)["status"] == 409
    assert host.init(access="")[0] == 200
    said = attested(host)
    assert said["status"] == 200 and status_of(host)["pcr16"] == ctl("policy", "measure", "policy.txt")
    payload = decode(decode(base64.b64decode(said["body"]["document"]))[2])
    assert payload["pcrs"][16].hex() == ctl("policy", "measure", "policy.txt") and payload["pcrs"][0].hex() == status_of(host)["pcr0"]
    for name, other in itertools.islice(changed((folder / "policy.txt").read_text()), 1, 3):
        assert host.init(policy=other, access="")[0] == 409, name
    assert status_of(host)["pcr16"] == ctl("policy", "measure", "policy.txt")


def test_an_enclave_with_any_field_changed_gets_no_key(cloud, start, folder, ctl):
    """What the keeper does not refuse itself, KMS does; and a second policy, the right one, comes too late."""
    text = (folder / "policy.txt").read_text()
    by_kms = []
    for name, other in changed(text):
        (folder / "other.txt").write_text(other)
        host = Host(cloud, start, folder)
        status, error = host.init(policy=other, access="")
        assert status in (400, 403, 502), (name, status, error)
        if status_of(host)["pcr16"] != "00" * 48:
            assert status_of(host)["pcr16"] == ctl("policy", "measure", "other.txt"), name
            assert host.init(access="")[0] == 409, name
        by_kms += [name] * (status == 403)
        with pytest.raises(ConnectionRefusedError):
            connect(f"unix:{folder}/https")
        assert host.enclave.terminate() == 0
    assert {"network", "genesis_time", "fulu_fork", "genesis_validators_root", "store", "far_future_epochs", "log_level"} <= set(by_kms)
    assert Host(cloud, start, folder).init(access="")[0] == 200
