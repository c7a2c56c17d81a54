"""nitro-signer-loader, driven over its socket as the keeper drives it: real and made envelopes,
key files, PKCS#12 files of others, and everything a hostile peer could send.

Envelopes are made by the openssl program, keystores come from other programs: nothing here is
sealed by our own code."""
import base64
import hashlib
import json
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import time

import pytest

from harness import packet, receive_packet, sanitized, send_packet

TLS, RECORD, LOAD_END = 0x0202, 0x0305, 0x0306
RECIPIENT_KEY, KEY, RECORD_FAILED, STORE_KEY = 0x0401, 0x0402, 0x0403, 0x0404
VALIDATOR_KIND, TLS_KIND, STORE_KEY_KIND = 1, 2, 3
E_INPUT, E_TOO_LARGE, E_NOT_FOUND, E_MISMATCH, E_AUTH, E_UNSUPPORTED = 1, 2, 3, 4, 8, 15

FILLER = "the quick brown fox"


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True, timeout=60).stdout


class Recipient:
    """An RSA key and the sealing of plaintexts for it."""

    def __init__(self, folder):
        self.key, self.certificate = folder / "recipient.key", folder / "recipient.crt"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate,
                "-subj", "/CN=recipient")
        self.der = openssl("pkcs8", "-topk8", "-nocrypt", "-in", self.key, "-outform", "DER")

    def seal(self, plaintext):
        if not isinstance(plaintext, bytes):
            plaintext = json.dumps(plaintext).encode()
        return openssl("cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", "-recip", self.certificate,
                       "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", data=plaintext)


@pytest.fixture(scope="session")
def recipient(tmp_path_factory):
    return Recipient(tmp_path_factory.mktemp("recipient"))


def b64(value):
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def cheap_keystores(vectors, count):
    """Teku's interop keystores: pbkdf2 with one round."""
    with open(vectors / "keystores/teku-interop-keys.json", encoding="utf-8") as file:
        return json.load(file)["keystores"][:count]


def validator_record(entry, **changes):
    record = {"keystore_b64": b64(json.dumps(entry["keystore"])), "password_b64": b64(entry["password"]),
              "mnemonic_b64": b64(FILLER)}
    record.update(changes)
    return {name: value for name, value in record.items() if value is not None}


def record_body(kind, index, envelope, pubkey=bytes(48)):
    return struct.pack("<BI", kind, index) + pubkey + envelope


class Outcome:
    """Everything the loader said until it closed."""

    def __init__(self, end):
        self.labels = {}  # of failures
        self.keys, self.failures, self.tls, self.store_key, self.end = [], {}, None, None, None
        while (message := receive_packet(end, timeout=60)) is not None:
            assert self.end is None, "a message behind LOAD_END"
            kind, count, body, _ = message
            if kind == KEY:
                assert len(body) == 84 * count
                self.keys += [(struct.unpack_from("<I", body, 84 * i)[0], body[84 * i + 4:84 * i + 36],
                               body[84 * i + 36:84 * i + 84]) for i in range(count)]
            elif kind == RECORD_FAILED:
                index, code = struct.unpack_from("<IB", body)
                assert len(body) == 53 + count
                self.failures[index] = (code, body[53:].decode())
                if any(body[5:53]):
                    self.labels[index] = body[5:53]
            elif kind == TLS:
                digest, body = body[:32], body[32:]
                key_len = struct.unpack_from("<I", body)[0]
                certificates_len = struct.unpack_from("<I", body, 4 + key_len)[0]
                assert len(body) == 8 + key_len + certificates_len
                self.tls = body[4:4 + key_len], body[8 + key_len:]
                public = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=self.tls[0])
                assert digest == hashlib.sha256(public).digest()
            elif kind == STORE_KEY:
                assert count == 0 and self.store_key is None
                self.store_key = body
            elif kind == LOAD_END:
                self.end = struct.unpack_from("<II", body)
                assert len(body) == 8 + 9 * count
            else:
                raise AssertionError(f"message {kind:#x}")


@pytest.fixture
def load(start, pair):
    """load(messages) runs records mode: messages are (type, count, body) or raw bytes."""
    def runner(messages, *options):
        ours, theirs = pair()
        loader = start("nitro-signer-loader", "--mode=records", *options, fds=(theirs.fileno(),), ready=False)
        theirs.close()
        for message in messages:
            try:
                ours.send(message if isinstance(message, bytes) else packet(*message))
            except (BrokenPipeError, ConnectionResetError):
                break  # it has ended over an earlier one
        return loader, ours
    return runner


def load_records(load, recipient, records, *options):
    """records: (kind, envelope) or (kind, envelope, label). The loader must end well and have said LOAD_END."""
    messages = [(RECIPIENT_KEY, len(recipient.der), recipient.der)]
    messages += [(RECORD, len(envelope), record_body(kind, index, envelope, *label))
                 for index, (kind, envelope, *label) in enumerate(records)]
    messages.append((LOAD_END, 0, struct.pack("<I", len(records))))
    loader, ours = load(messages, *options)
    outcome = Outcome(ours)
    assert loader.wait() == 0, loader.log()
    assert outcome.end == (len(outcome.keys), len(outcome.failures))
    return outcome, loader


def assert_keys(outcome, entries):
    assert [(index, secret.hex(), pubkey.hex()) for index, secret, pubkey in outcome.keys] == \
        [(index, entry["secret"].removeprefix("0x"), entry["keystore"]["pubkey"]) for index, entry in entries]


def test_records_become_keys_in_order(load, recipient, vectors):
    entries = cheap_keystores(vectors, 12)
    records = [(VALIDATOR_KIND, recipient.seal(validator_record(entry))) for entry in entries]
    outcome, _ = load_records(load, recipient, records, "--jobs=3")
    assert_keys(outcome, enumerate(entries))


def test_scrypt_at_the_standard_cost(load, recipient, vectors):
    entry = json.loads((vectors / "eip-2335/erc-2335-scrypt.json").read_text(encoding="utf-8"))
    records = [(VALIDATOR_KIND, recipient.seal(validator_record(entry)))] * 2
    outcome, loader = load_records(load, recipient, records)
    assert_keys(outcome, [(0, entry)])
    assert "loaded before" in loader.log()


def test_without_mnemonic_and_with_unknown_members(load, recipient, vectors):
    first, second = cheap_keystores(vectors, 2)
    records = [(VALIDATOR_KIND, recipient.seal(validator_record(first, mnemonic_b64=None))),
               (VALIDATOR_KIND, recipient.seal(validator_record(second, extra={"deep": [1, 2]})))]
    outcome, _ = load_records(load, recipient, records)
    assert_keys(outcome, [(0, first), (1, second)])


def test_no_records_at_all(load, recipient):
    outcome, _ = load_records(load, recipient, [])
    assert outcome.end == (0, 0)


def test_a_stores_key_is_passed_on_as_it_is(load, recipient, vectors):
    entry = cheap_keystores(vectors, 1)[0]
    key = bytes(range(200, 232))
    records = [(STORE_KEY_KIND, recipient.seal(key)), (VALIDATOR_KIND, recipient.seal(validator_record(entry))),
               (STORE_KEY_KIND, recipient.seal(bytes(32))), (STORE_KEY_KIND, recipient.seal(key[1:]))]
    outcome, loader = load_records(load, recipient, records)
    assert outcome.store_key == key
    assert_keys(outcome, [(1, entry)])
    assert {index: failure[0] for index, failure in outcome.failures.items()} == {2: E_INPUT, 3: E_AUTH}
    assert key.hex() not in loader.log()


# Of what is no object of JSON it says what it says of padding that is wrong: who can change envelopes learns nothing from it.
UNREADABLE = "envelope: the content does not decrypt, or is not what belongs there"
BAD_RECORDS = {
    "not json": (FILLER.encode(), E_AUTH, UNREADABLE),
    "empty": (b"{}", E_INPUT, "keystore_b64"),
    "array": (b"[]", E_AUTH, UNREADABLE),
    "no keystore": ({"keystore_b64": None}, E_INPUT, "keystore_b64"),
    "no password": ({"password_b64": None}, E_INPUT, "password_b64"),
    "keystore is a number": ({"keystore_b64": 7}, E_INPUT, "keystore_b64"),
    "password is an object": ({"password_b64": {"a": FILLER}}, E_INPUT, "password_b64"),
    "keystore is not base64": ({"keystore_b64": "!" + FILLER}, E_INPUT, "keystore_b64"),
    "password is not base64": ({"password_b64": FILLER}, E_INPUT, "password_b64"),
    "keystore is not json": ({"keystore_b64": b64(FILLER)}, E_INPUT, "keystore_b64"),
    "keystore without version": ({"keystore_b64": b64("{}")}, E_INPUT, "version"),
    "password is not utf-8": ({"password_b64": b64(b"\xff\xfe" + FILLER.encode())}, E_INPUT, "password"),
    "wrong password": ({"password_b64": b64(FILLER)}, E_AUTH, "password"),
    "too many members": ({f"member{i}": i for i in range(64)}, E_AUTH, UNREADABLE),
}


def test_bad_records_name_the_member_and_the_rest_loads(load, recipient, vectors):
    entry, good = cheap_keystores(vectors, 2)
    records, names = [], list(BAD_RECORDS)
    for name in names:
        content = BAD_RECORDS[name][0]
        plaintext = content if isinstance(content, bytes) else validator_record(entry, **content)
        records.append((VALIDATOR_KIND, recipient.seal(plaintext)))
    records.append((VALIDATOR_KIND, recipient.seal(validator_record(good))))
    outcome, loader = load_records(load, recipient, records, "--log-level=debug")
    assert_keys(outcome, [(len(names), good)])
    for index, name in enumerate(names):
        _, code, part = BAD_RECORDS[name]
        assert outcome.failures[index][0] == code, (name, outcome.failures[index])
        assert part in outcome.failures[index][1], (name, outcome.failures[index])
    said = loader.log() + json.dumps(outcome.failures)
    for secret in (FILLER, entry["password"], good["password"], entry["secret"][2:], good["secret"][2:], b64(FILLER)):
        assert secret not in said


def test_a_keystore_of_another_key_is_refused(load, recipient, vectors):
    first, second = cheap_keystores(vectors, 2)
    swapped = dict(first, keystore=dict(first["keystore"], pubkey=second["keystore"]["pubkey"]))
    outcome, _ = load_records(load, recipient, [(VALIDATOR_KIND, recipient.seal(validator_record(swapped)))])
    assert outcome.failures[0][0] == E_MISMATCH
    assert "pubkey" in outcome.failures[0][1]


def test_scrypt_that_wants_too_much_memory_is_refused(load, recipient, vectors):
    entry = json.loads((vectors / "eip-2335/erc-2335-scrypt.json").read_text(encoding="utf-8"))
    entry["keystore"]["crypto"]["kdf"]["params"]["n"] *= 2
    outcome, _ = load_records(load, recipient, [(VALIDATOR_KIND, recipient.seal(validator_record(entry)))])
    assert outcome.failures[0][0] == E_INPUT
    assert "crypto.kdf.params.n" in outcome.failures[0][1]


def test_envelopes_that_are_none(load, recipient, vectors):
    entry, = cheap_keystores(vectors, 1)
    good = recipient.seal(validator_record(entry))
    bad = [b"\0", os.urandom(500), good[:-1], good + b"\0", good[:40], bytes(8192), b"\x30\x80" * 4000,
           openssl("cms", "-encrypt", "-binary", "-aes-128-cbc", "-outform", "DER", "-recip", recipient.certificate,
                   data=b"{}")]
    outcome, loader = load_records(load, recipient, [(VALIDATOR_KIND, envelope) for envelope in bad + [good]])
    assert_keys(outcome, [(len(bad), entry)])
    assert len(outcome.failures) == len(bad)
    assert all("envelope" in text for _, text in outcome.failures.values()), loader.log()


def test_every_cut_of_an_envelope(load, recipient, vectors):
    entry, = cheap_keystores(vectors, 1)
    good = recipient.seal(validator_record(entry))
    cuts = [good[:length] for length in range(1, len(good), 13)]
    outcome, _ = load_records(load, recipient, [(VALIDATOR_KIND, envelope) for envelope in cuts])
    assert len(outcome.failures) == len(cuts)


def test_real_envelopes_of_kms(load, recipient, vectors, folder):
    """AWS's own, for a published key: it opens, and what is inside is no record of ours; and those
    for keys nobody published, refused for the key."""
    published = vectors / "nitro/edgebitio_nitro-enclaves-sdk-go"
    aws = Recipient.__new__(Recipient)
    aws.der = openssl("pkcs8", "-topk8", "-nocrypt", "-in", published / "recipient_key_rsa2048.pem", "-outform", "DER")
    envelopes = [(published / "kms_ciphertext_for_recipient.ber").read_bytes()]
    envelopes += [(vectors / f"nitro/RustCrypto_formats/kms_ciphertext_for_recipient_{i}.ber").read_bytes()
                  for i in (1, 2, 3)]
    outcome, _ = load_records(load, aws, [(VALIDATOR_KIND, envelope) for envelope in envelopes])
    assert outcome.failures[0] == (E_AUTH, UNREADABLE)
    for index in (1, 2, 3):
        assert outcome.failures[index][0] == E_AUTH and "another key" in outcome.failures[index][1]


def make_pkcs12(folder, name, password, *options, chain=False, key="ec"):
    """A PKCS#12 file made by openssl, its leaf key and certificates as DER."""
    ca_key, ca, leaf_key, request, leaf = (folder / f"{name}.{part}" for part in ("ca.key", "ca", "key", "csr", "crt"))
    algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", "rsa:2048"]
    openssl("req", "-x509", *algorithm, "-nodes", "-keyout", ca_key, "-out", ca, "-subj", "/CN=test authority")
    openssl("req", *algorithm, "-nodes", "-keyout", leaf_key, "-out", request, "-subj", "/CN=signer")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-out", leaf)
    out = folder / f"{name}.p12"
    extra = ["-certfile", ca] if chain else []
    openssl("pkcs12", "-export", "-inkey", leaf_key, "-in", leaf, *extra, "-name", "signer", "-out", out,
            "-passout", f"pass:{password}", *options)
    certificates = openssl("x509", "-in", leaf, "-outform", "DER")
    if chain:
        certificates += openssl("x509", "-in", ca, "-outform", "DER")
    return out, leaf_key, certificates


def public_of(private_der):
    return openssl("pkey", "-inform", "DER", "-pubout", data=private_der)


def assert_tls(outcome, key_path, certificates):
    assert public_of(outcome.tls[0]) == openssl("pkey", "-in", key_path, "-pubout")
    assert outcome.tls[1] == certificates


def tls_record(path, password, **changes):
    record = {"tls_keystore_b64": b64(path.read_bytes()), "tls_password_b64": b64(password)}
    record.update(changes)
    return {name: value for name, value in record.items() if value is not None}


@pytest.mark.parametrize("options", [(), ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha512"),
                                     ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
                                     ("-keypbe", "NONE", "-certpbe", "NONE")])
def test_tls_records(load, recipient, folder, options):
    path, key, certificates = make_pkcs12(folder, "tls", "pass word", *options, chain=True)
    outcome, _ = load_records(load, recipient, [(TLS_KIND, recipient.seal(tls_record(path, "pass word")))])
    assert_tls(outcome, key, certificates)


def test_bad_tls_records(load, recipient, folder):
    path, key, certificates = make_pkcs12(folder, "tls", "right", key="rsa")
    no_mac, _, _ = make_pkcs12(folder, "nomac", "right", "-nomac")
    no_key = folder / "nokey.p12"
    openssl("pkcs12", "-export", "-nokeys", "-in", folder / "tls.crt", "-out", no_key, "-passout", "pass:right")
    cut = folder / "cut.p12"
    cut.write_bytes(path.read_bytes()[:-5])
    cases = [(tls_record(path, "wrong"), E_AUTH, "password"),
             (tls_record(path, "right", tls_keystore_b64=None), E_INPUT, "tls_keystore_b64"),
             (tls_record(path, "right", tls_password_b64=None), E_INPUT, "tls_password_b64"),
             (tls_record(path, "right", tls_password_b64=b64("right\0")), E_INPUT, "NUL"),
             (tls_record(path, "right", tls_keystore_b64=b64(FILLER)), E_INPUT, "PKCS#12"),
             (tls_record(cut, "right"), E_INPUT, "PKCS#12"),
             (tls_record(no_mac, "right"), E_AUTH, "MAC"),
             (tls_record(no_key, "right"), E_INPUT, "private key")]
    records = [(TLS_KIND, recipient.seal(plaintext)) for plaintext, _, _ in cases]
    records += [(TLS_KIND, recipient.seal(tls_record(path, "right")))] * 2
    outcome, _ = load_records(load, recipient, records)
    for index, (_, code, part) in enumerate(cases):
        assert outcome.failures[index][0] == code, outcome.failures[index]
        assert part in outcome.failures[index][1], outcome.failures[index]
    assert_tls(outcome, key, certificates)
    assert "before" in outcome.failures[len(cases) + 1][1]


def key_message(der):
    return (RECIPIENT_KEY, len(der), der)


END, RECORD_OF_RUBBISH = (LOAD_END, 0, struct.pack("<I", 0)), (RECORD, 3, record_body(VALIDATOR_KIND, 0, b"abc"))

# What is sent, given a good first message (the key).
HOSTILE = {
    "nothing": lambda key: [],
    "one byte": lambda key: [b"\1"],
    "a cut header": lambda key: [packet(*key)[:7]],
    "no key": lambda key: [RECORD_OF_RUBBISH, END],
    "end before the key": lambda key: [END],
    "an unknown type": lambda key: [key, (0x7777, 0, b"")],
    "a message for others": lambda key: [key, (0x0101, 1, b"x")],
    "a type of the other direction": lambda key: [key, (KEY, 1, bytes(84))],
    "reserved bytes": lambda key: [struct.pack("<HHI", RECIPIENT_KEY, 1, key[1]) + key[2]],
    "a key that is none": lambda key: [key_message(b"abcde")],
    "a key that is too long": lambda key: [key_message(bytes(5000))],
    "a key with a byte behind": lambda key: [key_message(key[2] + b"\0")],
    "an elliptic curve's key": lambda key: [key_message(openssl(
        "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", "DER"))],
    "two keys": lambda key: [key, key, END],
    "a record whose count lies": lambda key: [key, (RECORD, 4, record_body(VALIDATOR_KIND, 0, b"abc")), END],
    "a record of no bytes": lambda key: [key, (RECORD, 0, record_body(VALIDATOR_KIND, 0, b"")), END],
    "a record that is too long": lambda key: [key, (RECORD, 8193, record_body(VALIDATOR_KIND, 0, bytes(8193))), END],
    "a record of an unknown kind": lambda key: [key, (RECORD, 3, record_body(3, 0, b"abc")), END],
    "an end whose count lies": lambda key: [key, (LOAD_END, 0, struct.pack("<I", 1))],
    "an end that is too long": lambda key: [key, (LOAD_END, 0, struct.pack("<II", 0, 0))],
    "a whole packet of rubbish": lambda key: [os.urandom(65536)],
    "an end that never comes": lambda key: [key, RECORD_OF_RUBBISH],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_end_the_load(load, recipient, name):
    loader, ours = load(HOSTILE[name](key_message(recipient.der)))
    ours.shutdown(socket.SHUT_WR)
    outcome = Outcome(ours)
    assert outcome.end is None and not outcome.keys
    assert loader.wait() == 1, loader.log()
    assert len(re.findall(r" error nitro-signer-loader: ", loader.log())) == 1, loader.log()


def test_a_descriptor_nobody_asked_for(load, recipient, start, pair):
    ours, theirs = pair()
    loader = start("nitro-signer-loader", "--mode=records", fds=(theirs.fileno(),), ready=False)
    theirs.close()
    send_packet(ours, RECIPIENT_KEY, len(recipient.der), recipient.der, fds=(0,))
    assert loader.wait() == 1


@pytest.fixture
def load_files(start, pair):
    def runner(*options):
        ours, theirs = pair()
        loader = start("nitro-signer-loader", "--mode=files", *options, fds=(theirs.fileno(),), ready=False)
        theirs.close()
        return Outcome(ours), loader
    return runner


def test_key_config_and_bulk_folders(load_files, vectors, folder):
    entries = cheap_keystores(vectors, 4)
    config, keys = folder / "config", folder / "keys"
    config.mkdir()
    keys.mkdir()
    (config / "a.yaml").write_text(f"type: file-raw\nprivateKey: \"{entries[0]['secret']}\"\n", encoding="utf-8")
    (config / "b.yaml").write_text("type: file-keystore\nkeystoreFile: b.json\nkeystorePasswordFile: b.pw\n",
                                   encoding="utf-8")
    (config / "b.json").write_text(json.dumps(entries[1]["keystore"]), encoding="utf-8")
    (config / "b.pw").write_text(entries[1]["password"] + "\nrest\n", encoding="utf-8")
    (config / "c.yaml").write_text("type: azure-secret\n", encoding="utf-8")
    for i in (1, 2, 3):  # the first is a duplicate of b.yaml's
        (keys / f"{i}.json").write_text(json.dumps(entries[i]["keystore"]), encoding="utf-8")
        (keys / f"{i}.txt").write_text(entries[i]["password"] + "\n", encoding="utf-8")
    (keys / "4.json").write_text("{", encoding="utf-8")
    outcome, loader = load_files(f"--key-config-path={config}", f"--keystores-path={keys}",
                                 f"--keystores-passwords-path={keys}")
    assert loader.wait() == 0, loader.log()
    assert_keys(outcome, [(0, entries[0]), (1, entries[1]), (4, entries[2]), (5, entries[3])])
    assert outcome.end == (4, 2)
    assert outcome.failures[2][0] == E_UNSUPPORTED and "type azure-secret is not supported here" in outcome.failures[2][1]
    assert "c.yaml" in outcome.failures[2][1] and "4.json" in outcome.failures[6][1]
    for entry in entries:
        assert entry["secret"][2:] not in loader.log() and entry["password"] not in loader.log()


def test_keystores_of_another_program(load_files, vectors):
    base = vectors / "keystores/commit-boost"
    outcome, loader = load_files(f"--keystores-path={base / 'teku-keys'}",
                                 f"--keystores-passwords-path={base / 'teku-secrets'}")
    assert loader.wait() == 0
    expected = json.loads((base / "pubkeys.json").read_text(encoding="utf-8"))
    assert sorted("0x" + pubkey.hex() for _, _, pubkey in outcome.keys) == sorted(expected)


def test_thousands_of_keys(load_files, folder):
    """More than any one limit of a record load; secrets 1, 2, 3, ... are keys like any other."""
    for start in range(1, 20001, 1000):
        texts = (f'type: file-raw\nprivateKey: "0x{i:064x}"\n' for i in range(start, start + 1000))
        (folder / f"{start:06d}.yaml").write_text("---\n".join(texts))
    outcome, loader = load_files(f"--key-config-path={folder}")
    assert loader.wait() == 0, loader.log()
    assert outcome.end == (20000, 0)
    assert [int.from_bytes(secret, "big") for _, secret, _ in outcome.keys] == list(range(1, 20001))


def test_a_file_of_a_hundred_megabytes_in_bounded_memory(start, pair, folder, bin_dir):
    """Its 20,000 documents are read one at a time. The loader is measured while it waits for its first packet to be read."""
    with open(folder / "large.yaml", "w", encoding="utf-8") as file:
        for i in range(1, 20001):
            file.write(f'---\ntype: file-raw\nprivateKey: "0x{i:064x}"\nfiller: {"x" * 5000}\n')
    assert 100_000_000 < os.path.getsize(folder / "large.yaml") < 100 << 20
    ours, theirs = pair()
    loader = start("nitro-signer-loader", "--mode=files", f"--key-config-path={folder}", fds=(theirs.fileno(),), ready=False)
    theirs.close()
    assert select.select([ours], [], [], 60)[0]
    status = pathlib.Path(f"/proc/{loader.pid}/status").read_text(encoding="utf-8")
    peak_kib = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    outcome = Outcome(ours)
    assert loader.wait() == 0, loader.log()
    assert outcome.end == (20000, 0)
    assert sanitized(bin_dir / "nitro-signer-loader") or peak_kib < 64 << 10


def peak_kib_of(process):
    """What VmHWM of a running process came to."""
    peak = 0
    while process.alive():
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
        peak = max(peak, int(found[1])) if found else peak
        time.sleep(0.02)
    return peak


@pytest.mark.parametrize("jobs", [1, 2])
def test_scrypt_needs_the_memory_of_the_jobs_and_no_more(start, pair, vectors, folder, jobs):
    """Six keystores at the standard cost, 256 MiB each, one or two at a time."""
    vector = json.loads((vectors / "keystores/nimbus-test-keystore.json").read_text(encoding="utf-8"))
    for i in range(6):
        (folder / f"{i}.json").write_text(json.dumps(vector["vectors"]["scryptVector"]), encoding="utf-8")
    (folder / "password").write_bytes(bytes.fromhex(vector["password_hex"]))
    ours, theirs = pair()
    loader = start("nitro-signer-loader", "--mode=files", f"--keystores-path={folder}", f"--keystores-password-file={folder}/password",
                   f"--jobs={jobs}", fds=(theirs.fileno(),), ready=False)
    theirs.close()
    peak = peak_kib_of(loader)
    outcome = Outcome(ours)
    assert loader.wait() == 0, loader.log()
    assert [secret.hex() for _, secret, _ in outcome.keys] == [vector["secret"].removeprefix("0x")]
    assert jobs * 256 << 10 < peak < (jobs * 256 + 100) << 10


def test_a_file_over_the_limit(load_files, folder):
    (folder / "a.yaml").write_text(f'type: file-raw\nprivateKey: "{1:064x}"\n', encoding="utf-8")
    (folder / "b.yaml").write_text(f'type: file-raw\nprivateKey: "{2:064x}"\n#\n', encoding="utf-8")
    limit = os.path.getsize(folder / "a.yaml")
    outcome, loader = load_files(f"--key-config-path={folder}", f"--key-config-file-max-size={limit}")
    assert loader.wait() == 0, loader.log()
    assert outcome.end == (1, 1)
    assert outcome.failures[1][0] == E_TOO_LARGE and "b.yaml" in outcome.failures[1][1]


def test_more_keys_than_a_packet_holds(load_files, folder):
    """The public keys of 1, 2, 3, ... are checked by the unit tests; here their number and order."""
    documents = "---\n".join(f"type: file-raw\nprivateKey: \"{i:064x}\"\n" for i in range(1, 1101))
    (folder / "many.yaml").write_text(documents, encoding="utf-8")
    outcome, loader = load_files(f"--key-config-path={folder}")
    assert loader.wait() == 0, loader.log()
    assert [int.from_bytes(secret, "big") for _, secret, _ in outcome.keys] == list(range(1, 1101))


@pytest.mark.parametrize("name, password", [("web3signer/cert1.pfx", "password"), ("web3signer/cert2.pfx", "password2"),
                                            ("lighthouse/web3signer/key.p12", None), ("lighthouse/lighthouse/key.p12", None)])
def test_pkcs12_files_of_others(load_files, vectors, folder, name, password):
    path = vectors / "tls" / name
    password_file = folder / "password"
    password_file.write_text(f"{password}\nignored\n", encoding="utf-8")
    if password is None:
        password_file = path.parent / "password.txt"
    outcome, loader = load_files(f"--tls-keystore-file={path}", f"--tls-keystore-password-file={password_file}")
    assert loader.wait() == 0, loader.log()
    leaf = openssl("x509", "-inform", "DER", "-pubkey", "-noout", data=outcome.tls[1])
    assert public_of(outcome.tls[0]) == leaf
    if password is None:
        assert public_of(outcome.tls[0]) == openssl("pkey", "-in", path.parent / "key.key", "-pubout")


def test_a_tls_keystore_that_fails_ends_the_load(load_files, folder):
    path, _, _ = make_pkcs12(folder, "tls", "right")
    (folder / "password").write_text("wrong\n", encoding="utf-8")
    outcome, loader = load_files(f"--tls-keystore-file={path}", f"--tls-keystore-password-file={folder / 'password'}")
    assert loader.wait() == 1
    assert outcome.end is None and outcome.tls is None
    assert "tls-keystore-file" in loader.log() and "wrong\n" not in loader.log().replace("is wrong\n", "")


def test_a_stores_key_comes_from_a_file(load_files, folder):
    path, key = folder / "store.key", bytes(range(7, 39))
    path.write_bytes(key)
    outcome, loader = load_files(f"--slashing-protection-key-file={path}")
    assert loader.wait() == 0 and outcome.store_key == key and outcome.end == (0, 0)
    for wrong in (key[1:], key + b"\n", b""):
        path.write_bytes(wrong)
        outcome, loader = load_files(f"--slashing-protection-key-file={path}")
        assert loader.wait() == 1 and outcome.end is None and outcome.store_key is None
        assert "--slashing-protection-key-file" in loader.log()


def test_missing_folders_end_the_load(load_files, folder):
    outcome, loader = load_files(f"--key-config-path={folder / 'none'}")
    assert loader.wait() == 1 and outcome.end is None
    assert "--key-config-path" in loader.log()


USAGE = {
    (): "--mode",
    ("--mode=other",): "--mode",
    ("--mode=records", "--key-config-path=x"): "--mode",
    ("--mode=records", "--slashing-protection-key-file=x"): "--mode",
    ("--mode=files", "--keystores-path=x"): "--keystores-path",
    ("--mode=files", "--keystores-password-file=x"): "--keystores-path",
    ("--mode=files", "--keystores-path=x", "--keystores-password-file=x", "--keystores-passwords-path=x"):
        "--keystores-passwords-path",
    ("--mode=files", "--tls-keystore-file=x"): "--tls-keystore-file",
    ("--mode=files", "--tls-keystore-password-file=x"): "--tls-keystore-file",
    ("--mode=files", "--jobs=0"): "--jobs",
    ("--mode=files", "--jobs=65"): "--jobs",
    ("--mode=files", "extra"): "arguments",
    ("--mode=files", "--log-level=loud"): "log level",
    ("--nothing",): "--nothing",
}


@pytest.mark.parametrize("options", USAGE, ids=lambda options: " ".join(options) or "none")
def test_usage(start, options):
    loader = start("nitro-signer-loader", *options, ready=False)
    assert loader.wait() == 2
    assert USAGE[options] in loader.log()


def test_it_runs_under_a_filter_and_cannot_be_dumped(load, recipient, bin_dir):
    loader, ours = load([(RECIPIENT_KEY, len(recipient.der), recipient.der)], "--jobs=1")
    process = pathlib.Path(f"/proc/{loader.pid}")
    deadline = time.monotonic() + 20
    # Its second thread starts behind the filter, and once it has taken its key.
    while "Threads:\t2\n" not in (status := (process / "status").read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, status
        time.sleep(0.01)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert sanitized(bin_dir / "nitro-signer-loader") or re.search(r"^Seccomp:\t2$", status, re.MULTILINE), status
    assert re.search(r"^Max core file size +0 +0 ", (process / "limits").read_text(encoding="utf-8"), re.MULTILINE)
    ours.close()
    assert loader.wait() == 1
