"""nitro-signer-ctl: measurements recomputed with hashlib, certificates read by openssl, items made with devcloud's KMS."""
import base64
import hashlib
import json
import os
import re
import subprocess

import pytest

from client_certificate import ClientCertificate

KEY = "arn:aws:kms:us-east-1:111122223333:key/abc"
ROLE = "arn:aws:iam::111122223333:role/nitro-signer-dev"
BOOTSTRAP = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Resource": "*",
                                                     "Action": ["kms:Encrypt", "kms:DescribeKey"]}]}


@pytest.fixture
def ctl(bin_dir, folder):
    def runner(*arguments, status=0, pass_fds=()):
        done = subprocess.run([bin_dir / "nitro-signer-ctl", *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                              timeout=60, check=False, pass_fds=pass_fds)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr
    return runner


@pytest.fixture
def kms(start, folder, bin_dir):
    """Options for a running devcloud."""
    (folder / "key-policy.json").write_text(json.dumps(BOOTSTRAP))
    start("nitro-signer-devcloud", f"--state={folder}/cloud", f"--role-arn={ROLE}", f"--nsm=unix:{folder}/nsm",
          f"--measure={bin_dir}/nitro-signer-ctl", f"--kms=unix:{folder}/kms", f"--key-policy={folder}/key-policy.json")
    return [f"--key-arn={(folder / 'cloud/key-arn').read_text().strip()}", f"--credentials={folder}/cloud/credentials.json",
            f"--kms-via=unix:{folder}/kms", f"--ca-file={folder}/cloud/kms-ca.pem"]


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True, timeout=60).stdout


def extend(data):
    return hashlib.sha384(bytes(48) + data).hexdigest()


def test_measure_is_the_formula(ctl, folder):
    big = os.urandom(300000)
    (folder / "one").write_bytes(b"first")
    (folder / "two").write_bytes(big)
    assert ctl("image", "measure", "one", "two").strip() == extend(hashlib.sha384(b"first" + big).digest())
    assert ctl("image", "measure", "one").strip() == extend(hashlib.sha384(b"first").digest())
    assert "three" in ctl("image", "measure", "one", "three", status=1)


def test_policy_is_made_and_measured(ctl, folder):
    text = ctl("policy", "make", "--network=hoodi", "--store=sqlite:/run/slashing.sqlite", f"--kms-key={KEY}", "--access=any")
    assert text.startswith("nitro-signer-policy 3\nnetwork hoodi\n") and f"\nkms_key {KEY}\nregion us-east-1\naccess any\n" in text
    assert "\nstore sqlite:/run/slashing.sqlite\nstore_identity none\nstore_mode single\nfar_future_epochs 2\nboot_floor disabled\n" in text
    (folder / "policy").write_text(text)
    assert ctl("policy", "measure", "policy").strip() == extend(text.encode())
    (folder / "policy").write_text(text + " ")
    assert "policy: " in ctl("policy", "measure", "policy", status=1)


def test_policy_for_a_store_across_a_network(ctl):
    identity = "0x" + "5a" * 32
    make = ("policy", "make", f"--kms-key={KEY}", "--access=any")
    assert "\nstore dynamodb:marks\nstore_identity none\nstore_mode fleet\n" in ctl(*make, "--store=dynamodb:marks")
    text = ctl(*make, "--store=dynamodb:marks", f"--store-identity={identity}", "--store-mode=single", "--far-future-epochs=any", "--boot-floor")
    assert f"\nstore dynamodb:marks\nstore_identity {identity}\nstore_mode single\nfar_future_epochs any\nboot_floor enabled\n" in text
    for given in ("dynamodb:111122223333/marks", "arn:aws:dynamodb:us-east-1:111122223333:table/marks"):
        assert "\nstore dynamodb:111122223333/marks\nstore_identity none\n" in ctl(*make, f"--store={given}")
    for wrong in ("arn:aws:dynamodb:us-east-2:111122223333:table/marks", "arn:aws:dynamodb:us-east-1:1111:table/marks",
                  "arn:aws:dynamodb:us-east-1:111122223333:table/marks/index/x", "arn:aws:s3:us-east-1:111122223333:table/marks",
                  "arn:aws:dynamodb:us-east-1:111122223333:table/", "dynamodb:1111/marks"):
        assert "--store: " in ctl(*make, f"--store={wrong}", status=2), wrong
    assert "\nstore postgresql\nstore_identity none\nstore_mode fleet\n" in ctl(*make, "--store=postgresql")
    for wrong, named in (("--store=dynamodb:a", "--store: "), ("--store=none", "store"), ("--store-mode=both", "--store-mode: "),
                         ("--store-mode=fleet", "store_mode: "), (f"--store-identity={identity}", "store_identity: "),
                         ("--store-identity=5a", "--store-identity: "), ("--far-future-epochs=1000001", "--far-future-epochs: ")):
        assert named in ctl(*make, "--store=sqlite:/s", wrong, status=2), wrong


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_access_document_is_made_of_the_stand_alone_files(ctl, folder):
    clients = [ClientCertificate(folder, name) for name in ("teku two", "Lodestar")]
    authorities = [ClientCertificate(folder, name, kind="authority") for name in ("root", "other root")]
    colons = ":".join(clients[1].fingerprint[i:i + 2].upper() for i in range(0, 64, 2))
    (folder / "known").write_text(f"# who\n\nteku two {'00' * 32}\n{clients[0].line()}Lodestar\t{colons}\n")
    (folder / "cas.pem").write_text("the first\n" + "".join(open(one.file, encoding="ascii").read() for one in authorities))
    tokens, passwords = ["token-of_20-characters", "another-token-of-more"], ["teku:a password of 16", "nimbus:pass:word:with:colons"]
    (folder / "tokens").write_text("\r\n".join(tokens + tokens[:1]) + "\n# a comment\n")
    (folder / "basic").write_text("\n".join(passwords))
    make = ("access", "make", "--tls-known-clients-file=known", "--tls-client-ca-file=cas.pem", "--http-path-tokens-file=tokens",
            "--http-basic-credentials-file=basic", "--http-host-allowlist=signer.test,A.test", "--http-cors-origins=https://B.test:8443,http://a.test")
    der = [base64.b64encode(subprocess.run(["openssl", "x509", "-in", one.file, "-outform", "DER"], check=True, capture_output=True).stdout).decode()
           for one in authorities]
    expected = "\n".join(["nitro-signer-access 1", f"client Lodestar {clients[1].fingerprint}", f"client teku two {clients[0].fingerprint}",
                          *sorted(f"ca {one}" for one in der), *sorted(f"path_token_sha256 {digest(one)}" for one in tokens),
                          *sorted(f"basic_sha256 {digest(one)}" for one in passwords), "host a.test", "host signer.test",
                          "cors http://a.test", "cors https://b.test:8443", ""])
    assert ctl(*make) == expected
    (folder / "access.txt").write_text(expected)
    policy = ctl("policy", "make", "--store=sqlite:/s", f"--kms-key={KEY}", "--access=access.txt")
    assert f"\nregion us-east-1\naccess 0x{digest(expected)}\nlog_level info\n" in policy
    (folder / "access.txt").write_text(expected + "\n")
    assert "--access: access: line 14" in ctl("policy", "make", "--store=sqlite:/s", f"--kms-key={KEY}", "--access=access.txt", status=2)


@pytest.mark.parametrize("option, text, named", [
    ("--tls-known-clients-file", "teku 00", "--tls-known-clients-file: line 1"),
    ("--tls-known-clients-file", "# nobody\n", "access: admits nobody"),
    ("--tls-known-clients-file", "t\u00e9ku " + "00" * 32 + "\n", "access: line 2: must be printable ASCII"),
    ("--tls-known-clients-file", "".join(f"c{i} {'00' * 32}\n" for i in range(513)), "--tls-known-clients-file: more than 512"),
    ("--tls-client-ca-file", "no PEM", "--tls-client-ca-file: not a PEM file of certificates"),
    ("--tls-client-ca-file", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "--tls-client-ca-file: not a PEM file"),
    ("--http-path-tokens-file", "nineteen-characters", "--http-path-tokens-file: line 1: a token must have from 20"),
    ("--http-basic-credentials-file", "user:fifteen chars..", "--http-basic-credentials-file: line 1: the password must have from 16"),
    ("--http-path-tokens-file", "", "--http-path-tokens-file: nothing is in it"),
])
def test_what_would_make_no_access_document_is_named(ctl, folder, option, text, named):
    (folder / "file").write_text(text, encoding="utf-8")
    refused = ctl("access", "make", f"{option}=file", status=1)
    assert named in refused and "fifteen" not in refused and "nineteen-" not in refused
    assert "No such file" in ctl("access", "make", f"{option}=nowhere", status=1)


def test_key_policy_allows_and_denies(ctl):
    pcr0, pcr16 = "0a" * 48, "1b" * 48
    document = json.loads(ctl("policy", "kms-key-policy", f"--pcr0={pcr0}", f"--pcr16={pcr16}", f"--role={ROLE}",
                              "--encrypt-role=arn:aws:iam::111122223333:role/operator"))
    allow = [s for s in document["Statement"] if s["Effect"] == "Allow" and s["Action"] == "kms:Decrypt"]
    assert [s["Condition"] for s in allow] == [{"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": [pcr0],
                                                                           "kms:RecipientAttestation:PCR16": [pcr16]}}]
    deny = [s for s in document["Statement"] if s["Effect"] == "Deny"]
    assert {json.dumps(s["Condition"]["StringNotEqualsIgnoreCase"]) for s in deny} == {
        json.dumps({"kms:RecipientAttestation:ImageSha384": [pcr0]}), json.dumps({"kms:RecipientAttestation:PCR16": [pcr16]})}
    assert all(s["Principal"] == "*" and {"kms:Decrypt", "kms:ReEncryptFrom"} <= set(s["Action"]) for s in deny)


@pytest.mark.parametrize("arguments, named", [
    (["nothing"], "no such verb"),
    (["keys"], "no such verb"),
    (["image", "measure"], "usage"),
    (["status"], "--control"),
    (["keys", "generate", "--out=x"], "--mnemonic-fd"),
    (["keys", "generate", "--mnemonic-fd=1"], "--out"),
    (["keys", "generate", "--mnemonic-fd=1", "--out=x", "--kdf=argon2"], "--kdf"),
    (["keys", "generate", "--mnemonic-fd=1", "--out=x", "--kdf-cost=31"], "--kdf-cost"),
    (["keys", "generate", "--mnemonic-fd=1", "--out=x", "--uuid=a\"b"], "--uuid"),
    (["keys", "generate", "--mnemonic-fd=1", "--out=x", "--network=nowhere"], "--network"),
    (["keys", "generate", "--mnemonic-fd=1", "--out=x", "--withdrawal-address=0x12"], "--withdrawal-address"),
    (["tls", "make", "--out=x", "--name=a,IP:1.2.3.4"], "--name"),
    (["tls", "make", "--out=x"], "--name"),
    (["policy", "make", "--store=sqlite:/x"], "--kms-key"),
    (["policy", "make", "--store=sqlite:/x", f"--kms-key={KEY}"], "--access: required"),
    (["access", "make", "--http-host-allowlist=a"], "--tls-known-clients-file"),
    (["policy", "kms-key-policy", "--pcr0=0x00", "--pcr16=00", "--role=x", "--encrypt-role=y"], "--pcr0"),
    (["policy", "kms-key-policy", f"--pcr0={'01' * 48}", f"--pcr16={'02' * 48}", "--role=x\"", "--encrypt-role=y"], "--role"),
    (["policy", "kms-key-policy", f"--pcr0={'00' * 48}", f"--pcr16={'02' * 48}", "--role=x", "--encrypt-role=y"], "--pcr0: must not be zeros"),
    (["policy", "kms-key-policy", f"--pcr0={'01' * 48}", f"--pcr16={'00' * 48}", "--role=x", "--encrypt-role=y"], "--pcr16: must not be zeros"),
    (["policy", "kms-key-policy", f"--pcr0={'01' * 48}", f"--pcr16={'02' * 48}", f"--pcr3={'00' * 48}", "--role=x", "--encrypt-role=y"],
     "--pcr3: must not be zeros"),
    (["sign-test", "--url=https://localhost"], "--genesis-validators-root"),
])
def test_usage_errors_name_the_option_and_end_with_2(ctl, arguments, named):
    assert named in ctl(*arguments, status=2)


def generate(ctl, folder, kms, *arguments):
    reader, writer = os.pipe()
    output = ctl("keys", "generate", f"--out={folder}/items", f"--mnemonic-fd={writer}", f"--secrets-fd={writer}", "--kdf=pbkdf2",
                 "--kdf-cost=2048", *arguments, *kms, pass_fds=[writer])
    os.close(writer)
    with open(reader, encoding="ascii") as lines:
        return output, lines.read().splitlines()


def test_keys_become_items(ctl, folder, kms):
    output, secrets = generate(ctl, folder, kms, "--count=3", "--network=hoodi", "--uuid=stack-1")
    mnemonic = secrets[0]
    assert len(mnemonic.split()) == 24 and secrets[1] == f"mnemonic {mnemonic}"
    assert [line.split()[0] for line in secrets[2:]] == ["secret_key", "password"] * 3
    assert len({line for line in secrets[2:]}) == 6
    paths_and_keys = [line.split() for line in output.splitlines()]
    assert [path for path, _ in paths_and_keys] == [f"m/12381/3600/{i}/0/0" for i in range(3)]
    for _, key in paths_and_keys:
        item = json.loads((folder / f"items/validators/{key[2:]}.json").read_text())
        assert set(item) == {"web3signer_uuid", "pubkey", "chain", "datetime", "active", "encrypted_key_password_mnemonic_b64",
                             "deposit_json_b64"}
        assert (item["web3signer_uuid"], item["pubkey"], item["chain"], item["active"]) == ("stack-1", key[2:], "hoodi", True)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["datetime"])
        assert len(base64.b64decode(item["encrypted_key_password_mnemonic_b64"], validate=True)) > 500
        (deposit,) = json.loads(base64.b64decode(item["deposit_json_b64"], validate=True))
        assert (deposit["pubkey"], deposit["amount"], deposit["fork_version"]) == (key[2:], 32000000000, "10000910")
        assert deposit["withdrawal_credentials"].startswith("00")
    everything = b"".join(path.read_bytes() for path in (folder / "items").rglob("*.json")) + output.encode()
    for secret in [mnemonic] + [line.split(" ", 1)[1] for line in secrets[1:]]:
        assert secret.encode() not in everything


def test_the_environment_cannot_make_libcurl_write_tls_secrets(ctl, folder, kms, monkeypatch):
    monkeypatch.setenv("SSLKEYLOGFILE", str(folder / "tls-secrets"))
    generate(ctl, folder, kms, "--count=1", "--network=hoodi")
    assert not (folder / "tls-secrets").exists()


def test_withdrawal_address_and_first_index(ctl, folder, kms):
    output, _ = generate(ctl, folder, kms, "--first=7", "--withdrawal-address=0x00112233445566778899aabbccddeeff00112233")
    path, key = output.split()
    assert path == "m/12381/3600/7/0/0"
    item = json.loads((folder / f"items/validators/{key[2:]}.json").read_text())
    (deposit,) = json.loads(base64.b64decode(item["deposit_json_b64"]))
    assert deposit["withdrawal_credentials"] == "01" + "00" * 11 + "00112233445566778899aabbccddeeff00112233"


def test_tls_certificate_as_clients_expect_it(ctl, folder, kms):
    ctl("tls", "make", "--name=signer.example.private", f"--out={folder}/items", *kms)
    certificate = folder / "items/tls-cert.pem"
    text = openssl("x509", "-in", certificate, "-noout", "-text")
    assert "CN = signer.example.private" in text and "prime256v1" in text and "ecdsa-with-SHA256" in text
    assert "DNS:signer.example.private, DNS:localhost, DNS:127.0.0.1, IP Address:127.0.0.1" in text
    assert "CA:TRUE, pathlen:0" in text
    assert "OK" in openssl("verify", "-CAfile", certificate, "-purpose", "sslserver", certificate)
    openssl("x509", "-in", certificate, "-noout", "-checkend", 9 * 365 * 86400)
    item = json.loads((folder / "items/tls/1.json").read_text())
    assert set(item) == {"key_id", "encrypted_tls_key_b64", "cert_pem"} and item["key_id"] == 1
    assert base64.b64decode(item["cert_pem"], validate=True) == certificate.read_bytes()


def test_what_clients_pin_is_not_replaced_by_accident(ctl, folder, kms):
    make = ["tls", "make", "--name=a.b", f"--out={folder}/items", *kms]
    certificate, item = folder / "items/tls-cert.pem", folder / "items/tls/1.json"
    ctl(*make)
    before = certificate.read_bytes(), item.read_bytes()
    for one, other in ((certificate, item), (item, certificate)):
        aside = other.rename(folder / "aside")
        refused = ctl(*make, status=1)
        assert f"{one} is there already; --replace" in refused and not other.exists()
        aside.rename(other)
    assert (certificate.read_bytes(), item.read_bytes()) == before
    ctl(*make, "--replace")
    assert certificate.read_bytes() != before[0] and item.read_bytes() != before[1]


def test_kms_says_no(ctl, folder, kms, start):
    damaged = json.loads((folder / "cloud/credentials.json").read_text())
    damaged["secret_access_key"] = damaged["secret_access_key"][::-1]
    (folder / "damaged.json").write_text(json.dumps(damaged))
    kms = [f"--credentials={folder}/damaged.json" if option.startswith("--credentials") else option for option in kms]
    text = ctl("tls", "make", "--name=a.b", f"--out={folder}/items", *kms, status=1)
    assert "KMS Encrypt" in text and damaged["secret_access_key"] not in text
    assert not (folder / "items/tls/1.json").exists()


@pytest.mark.parametrize("arguments, named", [
    (["policy", "make", "--store=sqlite:/x", "--access=any", "--kms-key=abc"], "--kms-key"),
    (["policy", "make", "--store=sqlite:/x", "--access=any", f"--kms-key={KEY}", "--network=nowhere"], "--network"),
    (["policy", "make", "--store=sqlite:/x", "--access=any", f"--kms-key={KEY}", "--log-level=loud"], "--log-level"),
    (["policy", "make", "--store=sqlite:/x", "--access=any", f"--kms-key={KEY}", "--genesis-validators-root=0x12"], "--genesis-validators-root"),
    (["status", "--control=nowhere"], "--control"),
    (["attest", "verify", "--control=nowhere"], "--control"),
    (["attest", "verify", "--control=unix:/nowhere", "--pcr0=12"], "--pcr0"),
    (["attest", "verify", "--control=unix:/nowhere", "--pcr16=xyz"], "--pcr16"),
    (["sign-test", "--url=http://127.0.0.1:1", "--genesis-validators-root=any"], "--genesis-validators-root"),
    (["sign-test", "--url=http://127.0.0.1:1", f"--genesis-validators-root=0x{'00' * 32}", "--only=NOTHING"], "--only"),
])
def test_a_value_that_cannot_be_is_a_usage_error(ctl, arguments, named):
    assert f" {named}: " in ctl(*arguments, status=2)


def test_what_could_not_be_printed_was_not_done(bin_dir):
    """A document cut short by a full disk would be measured, and no enclave would come up with it."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "policy", "make", "--store=sqlite:/x", "--access=any", f"--kms-key={KEY}"],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "standard output" in done.stderr
