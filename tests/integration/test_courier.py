"""nitro-signer-courier at its work: with a scripted KMS, and with devcloud's real one."""
import base64
import hashlib
import json
import os
import threading

import pytest
from courier_rig import (ACCESS_MESSAGE, ATTESTED, ATTEST, CREDENTIAL, FAILED, KEY, LOAD_ABORT, LOAD_BEGIN, LOAD_END, POLICY_MESSAGE, RECORD, SERVE,
                         TLS, VALIDATOR, Rig, b64, envelope_answer, eventually, make_rig, policy_for)
from test_devcloud import ROLE, ask_kms, measurement, recipient_key
from test_devcloud_nsm import Enclave, decode, openssl

assert make_rig  # a fixture: used by its name

def test_init_carries_documents_out_and_envelopes_in(make_rig):
    rig = make_rig()
    assert rig.ask("init_state") == {"status": 200, "body": {"init_state": False, "state": "wait"}}
    assert rig.init() == {"status": 200, "body": {"init_state": True, "keys": 2, "failed": 0}}
    assert rig.keeper.policy == policy_for().encode()
    assert rig.keeper.records == [(TLS, 0, b"envelope of tls"), (VALIDATOR, 0, b"envelope of k0"), (VALIDATOR, 1, b"envelope of k1")]
    assert rig.keeper.log == [POLICY_MESSAGE, LOAD_BEGIN, ATTEST, RECORD, RECORD, RECORD, LOAD_END]
    assert rig.keeper.attested == [(0, b"")]  # one document serves for a minute
    for request in rig.kms.requests:
        assert request["KeyId"] == KEY
        assert request["Recipient"] == {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b64(b"document")}
        assert request["headers"]["x-amz-security-token"] == CREDENTIAL["token"]
        assert "Credential=AKIDCOURIER/" in request["headers"]["authorization"]
    assert rig.ask("init_state") == {"status": 200, "body": {"init_state": True, "state": "serve"}}
    assert rig.courier.terminate() == 0


def test_kms_may_be_reached_by_tcp(make_rig):
    rig = make_rig(tcp=True)
    assert rig.init()["status"] == 200


def test_status_and_attest(make_rig):
    rig = make_rig()
    status = rig.ask("status")
    assert status["status"] == 200
    body = status["body"]
    assert set(body) == {"state", "keys", "failed", "store_ok", "pcr0", "pcr16", "version", "uptime_seconds", "start_ms", "failed_keys"}
    assert body["start_ms"] == {"init": 1.5, "attest": 2.5, "decrypt": 3.5, "load": 4.5, "records": 5.5, "ready": 6.5}
    assert body["state"] == "wait" and body["store_ok"] is True and body["pcr0"] == "11" * 48 and body["pcr16"] == "22" * 48
    reply = rig.ask("attest", nonce=b64(b"fresh"))
    assert reply["status"] == 409
    assert rig.init()["status"] == 200
    reply = rig.ask("attest", nonce=b64(b"n" * 512))
    assert reply == {"status": 200, "body": {"document": b64(b"document")}}
    assert rig.keeper.attested[-1] == (1, b"n" * 512)
    assert rig.ask("attest", nonce="")["status"] == 200
    assert rig.ask("attest", nonce=b64(b"n" * 513))["status"] == 400


def test_a_second_init_and_an_early_reload(make_rig):
    rig = make_rig()
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 409
    assert rig.init()["status"] == 200
    assert rig.init()["status"] == 409
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k5"), b64(b"k6"), b64(b"k7")]) == \
        {"status": 200, "body": {"init_state": True, "keys": 3, "failed": 0}}
    assert rig.keeper.records == [(VALIDATOR, i, b"envelope of k%d" % (5 + i)) for i in range(3)]
    assert rig.keeper.log[7:] == [LOAD_BEGIN, ATTEST, RECORD, RECORD, RECORD, LOAD_END]


def test_the_access_document_goes_to_the_keeper_before_kms_is_asked(make_rig):
    rig = make_rig()
    document = "nitro-signer-access 1\nbasic_sha256 " + "ab" * 32 + "\n"
    policy = policy_for(access="0x" + hashlib.sha256(document.encode()).hexdigest())
    rig.keeper.refuse_access = b"access: is another"
    assert rig.init(policy=policy, access=document) == {"status": 400, "body": {"error": "access: is another"}}
    assert rig.messages() == [POLICY_MESSAGE, ACCESS_MESSAGE] and not rig.kms.requests
    rig.keeper.refuse_access = b""
    assert rig.init(policy=policy, access=document)["status"] == 200
    assert rig.keeper.access == [document.encode()] * 2
    assert rig.messages()[:5] == [POLICY_MESSAGE, ACCESS_MESSAGE, POLICY_MESSAGE, ACCESS_MESSAGE, LOAD_BEGIN]


def test_denied_by_kms_then_allowed(make_rig):
    answers = [(400, {"__type": "AccessDeniedException", "Message": "not authorized"})]
    rig = make_rig(lambda request: answers.pop() if answers else envelope_answer(request))
    reply = rig.init()
    assert reply["status"] == 403 and "AccessDenied" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT and rig.keeper.state == ATTESTED
    assert rig.ask("init_state")["body"] == {"init_state": False, "state": "attest"}
    other = policy_for().replace("log_level debug", "log_level info")
    assert rig.init(policy=other)["status"] == 409
    assert rig.init()["status"] == 200


@pytest.mark.parametrize("answer, status, named", [
    ((200, {"KeyId": KEY, "Plaintext": b64(b"plaintext of a key")}), 502, "Plaintext"),
    ((200, {"KeyId": KEY + "0", "CiphertextForRecipient": "AAAA"}), 502, "KeyId"),
    ((200, []), 502, "object"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"KeyId\":", 502, "JSON"),
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"a" * 300000, 502, "bytes"),
    (b"\x16\x03\x01 not HTTP", 502, ""),
    ((400, {"__type": "ExpiredTokenException", "message": "expired"}), 502, "ExpiredToken"),
    ((400, {"__type": "InvalidCiphertextException"}), 500, "InvalidCiphertext"),  # the TLS key: no service without
], ids=["plaintext", "other-key", "array", "cut", "huge", "not-http", "expired", "bad-tls-key"])
def test_kms_answers_that_end_the_load(make_rig, answer, status, named):
    rig = make_rig(lambda request: answer)
    reply = rig.init()
    assert reply["status"] == status and named in reply["body"]["error"], reply
    assert rig.messages()[-1] == LOAD_ABORT and not rig.keeper.records
    assert b64(b"plaintext of a key") not in rig.courier.log()
    assert rig.ask("status")["status"] == 200


def test_one_bad_ciphertext_does_not_stop_the_others(make_rig):
    def answer(request):
        if request["CiphertextBlob"] == b64(b"bad"):
            return 400, {"__type": "InvalidCiphertextException"}
        return envelope_answer(request)
    rig = make_rig(answer)
    assert rig.init(keys=(b"k0", b"bad", b"k2"))["body"] == {"init_state": True, "keys": 2, "failed": 1}
    assert [index for kind, index, _ in rig.keeper.records if kind == VALIDATOR] == [0, 2]
    ((index, error, label, text),) = rig.keeper.refused
    assert (index, error, label) == (1, 1, bytes(48)) and "InvalidCiphertext" in text


PUBKEYS = [bytes([n]) * 48 for n in (1, 2, 3)]


@pytest.mark.parametrize("operation", ["init", "reload"])
def test_what_the_host_says_whose_keys_they_are_goes_with_them(make_rig, operation):
    bad = (400, {"__type": "InvalidCiphertextException"})
    rig = make_rig(lambda request: bad if request["CiphertextBlob"] == b64(b"bad") else envelope_answer(request))
    pubkeys = [PUBKEYS[0].hex(), PUBKEYS[1].hex().upper(), PUBKEYS[2].hex()]
    if operation == "reload":
        assert rig.init()["status"] == 200 and not any(map(any, rig.keeper.labels.values()))
        reply = rig.ask("reload", encrypted_validator_keys=[b64(b"k0"), b64(b"bad"), b64(b"k2")], validator_pubkeys=pubkeys)
    else:
        reply = rig.init(keys=(b"k0", b"bad", b"k2"), validator_pubkeys=pubkeys)
        assert rig.keeper.labels[TLS, 0] == bytes(48)
    assert reply["body"] == {"init_state": True, "keys": 2, "failed": 1}
    assert [rig.keeper.labels[VALIDATOR, index] for index in (0, 2)] == [PUBKEYS[0], PUBKEYS[2]]
    assert [(index, label) for index, _, label, _ in rig.keeper.refused] == [(1, PUBKEYS[1])]


def test_each_key_of_a_batch_that_kms_refuses_is_told(make_rig):
    bad = (400, {"__type": "InvalidCiphertextException"})
    rig = make_rig(lambda request: bad if request["CiphertextBlob"] == b64(b"bad") else envelope_answer(request))
    names = [n.to_bytes(48, "big") for n in range(1, 20000)]
    keys = b64(b"".join(name + bytes(60) for name in names))
    reply = rig.init(keys=(b"k0",), sealed_validator_keys=[{"web3signer_uuid": "u", "encrypted_data_key": b64(b"bad"), "keys": keys}])
    assert reply["body"] == {"init_state": True, "keys": 1, "failed": 19999}
    assert [(index, label) for index, _, label, _ in rig.keeper.refused] == list(enumerate(names, 1))


def test_status_names_keys_that_failed(make_rig):
    rig = make_rig()
    assert rig.ask("status")["body"]["failed_keys"] == []
    rig.keeper.failed_keys = PUBKEYS
    assert rig.ask("status")["body"]["failed_keys"] == ["0x" + key.hex() for key in PUBKEYS]


def test_the_keeper_refuses_the_load_or_the_document(make_rig):
    rig = make_rig()
    rig.keeper.load_ok = False
    reply = rig.init()
    assert reply["status"] == 500 and "no key could be loaded" in reply["body"]["error"]
    rig.keeper.document = lambda nonce: b""
    reply = rig.init()
    assert reply["status"] == 500 and "attestation document" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT
    rig.keeper.state = FAILED
    assert rig.init()["status"] == 500
    assert rig.ask("attest", nonce="")["status"] == 409
    assert rig.ask("init_state")["body"] == {"init_state": False, "state": "failed"}


def test_the_control_port_answers_while_kms_is_slow(make_rig):
    go_on = threading.Event()

    def answer(request):
        go_on.wait(30)
        return envelope_answer(request)
    rig = make_rig(answer)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(rig.init()))
    waiting.start()
    other = rig.connect()
    assert eventually(lambda: rig.ask("status", other)["body"]["state"] == "load")
    assert rig.init(stream=other)["status"] == 409
    assert rig.ask("attest", other, nonce="")["status"] == 200
    assert rig.ask("credentials", other, credential=CREDENTIAL) == {"status": 200, "body": {}}
    assert not replies
    go_on.set()
    waiting.join(30)
    assert replies[0]["status"] == 200


def test_new_credentials_are_used_at_once(make_rig):
    def answer(request):
        if "Credential=AKIDNEW/" not in request["headers"]["authorization"]:
            return 400, {"__type": "ExpiredTokenException"}
        return envelope_answer(request)
    rig = make_rig(answer)
    fresh = dict(CREDENTIAL, access_key_id="AKIDNEW")
    assert rig.init()["status"] == 502
    assert rig.init(credential=fresh)["status"] == 200
    assert rig.ask("credentials", credential=CREDENTIAL)["status"] == 200
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 502
    assert rig.messages()[-1] == LOAD_ABORT and rig.keeper.state == SERVE  # the old keys go on
    assert rig.ask("credentials", credential=fresh)["status"] == 200
    assert rig.ask("reload", encrypted_validator_keys=[b64(b"k")])["status"] == 200


def test_kms_out_of_reach(make_rig, folder):
    rig = make_rig()
    (folder / "scripted-kms").unlink()
    assert rig.init()["status"] == 502


def test_it_lives_in_a_sandbox(make_rig):
    rig = make_rig()
    assert rig.ask("status")["status"] == 200
    for task in os.listdir(f"/proc/{rig.courier.pid}/task"):
        with open(f"/proc/{rig.courier.pid}/task/{task}/status", encoding="ascii") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1", task


@pytest.mark.parametrize("arguments, status, named", [
    ((), 2, "--kms-via"), (("--kms-via=nowhere",), 2, "--kms-via"), (("--kms-via=unix:/x", "--ca-file=/absent"), 1, "/absent"),
    (("--kms-via=tcp:localhost:1", "--ca-file=/dev/null"), 2, "numeric"), (("--kms-via=unix:/x", "--log-level=loud"), 2, "log level"), (("--kms-via=unix:/x", "--secret=x"), 2, "--secret")])
def test_mistakes_are_named(start, arguments, status, named):
    process = start("nitro-signer-courier", *arguments, ready=False)
    assert process.wait() == status
    assert named in process.log()


class RealCloud:
    """devcloud, and a courier whose scripted keeper gets its documents from devcloud's NSM."""

    def __init__(self, start, folder, pair):
        self.start, self.folder, self.pair = start, folder, pair
        (folder / "image-a").write_bytes(b"image a")
        (folder / "image-b").write_bytes(b"image b")
        self.spki = recipient_key(folder)
        self.serve().terminate()  # the key's ARN is part of the policy document, which is part of the key policy
        self.policy = policy_for((folder / "state/key-arn").read_text().strip())

    @property
    def credential(self):
        """New at each start of devcloud."""
        return json.loads((self.folder / "state/credentials.json").read_text())

    def serve(self, **pcrs):
        condition = {"StringEqualsIgnoreCase": {f"kms:RecipientAttestation:{name}": value for name, value in pcrs.items()}}
        statements = [{"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Encrypt", "Resource": "*"}]
        if pcrs:
            statements.append({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt", "Resource": "*",
                               "Condition": condition})
        path = self.folder / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        return self.start("nitro-signer-devcloud", f"--state={self.folder}/state", f"--nsm=unix:{self.folder}/a",
                          f"--measure={self.folder}/image-a", f"--nsm=unix:{self.folder}/b",
                          f"--measure={self.folder}/image-b", f"--kms=unix:{self.folder}/kms", f"--key-policy={path}")

    def seal(self, plaintext):
        arn = (self.folder / "state/key-arn").read_text().strip()
        status, answer = ask_kms(self.folder, "Encrypt", {"KeyId": arn, "Plaintext": b64(plaintext)})
        assert status == 200, answer
        return base64.b64decode(answer["CiphertextBlob"])

    def open(self, envelope):
        (self.folder / "envelope").write_bytes(envelope)
        return openssl("cms", "-decrypt", "-inform", "DER", "-in", self.folder / "envelope", "-inkey",
                       self.folder / "recipient.pem").stdout

    def rig(self, image="a"):
        enclave = Enclave(self.folder / image)

        def measure(policy):
            extend = b"\xa1\x69ExtendPCR\xa2\x65index\x10\x64data\x59" + len(policy).to_bytes(2, "big") + policy
            assert "ExtendPCR" in decode(enclave.ask(extend))
            assert decode(enclave.ask(b"\xa1\x67LockPCR\xa1\x65index\x10")) == "LockPCR"

        def document(nonce):
            del nonce
            request = (b"\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key\x59"
                       + len(self.spki).to_bytes(2, "big") + self.spki)
            return decode(enclave.ask(request))["Attestation"]["document"]
        return Rig(self.start, self.folder, self.pair, f"unix:{self.folder}/kms", self.folder / "state/kms-ca.pem",
                   document=document, measure=measure)


def pcr16(policy):
    return hashlib.sha384(bytes(48) + policy.encode()).hexdigest()


def test_a_real_kms_releases_to_the_right_image_under_the_right_policy(start, folder, pair):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"), PCR16=pcr16(cloud.policy))
    rig = cloud.rig()
    reply = rig.init(tls=cloud.seal(b"tls record"), keys=[cloud.seal(b"key 0"), b"\x01" * 64, cloud.seal(b"key 2")],
                     policy=cloud.policy, credential=cloud.credential)
    assert reply == {"status": 200, "body": {"init_state": True, "keys": 2, "failed": 1}}
    assert [(kind, index, cloud.open(envelope)) for kind, index, envelope in rig.keeper.records] == [
        (TLS, 0, b"tls record"), (VALIDATOR, 0, b"key 0"), (VALIDATOR, 2, b"key 2")]


@pytest.mark.parametrize("image, level", [("b", "debug"), ("a", "info")])
def test_a_real_kms_denies_another_image_and_another_policy(start, folder, pair, image, level):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"), PCR16=pcr16(cloud.policy))
    rig = cloud.rig(image)
    policy = cloud.policy.replace("log_level debug", f"log_level {level}")
    reply = rig.init(tls=cloud.seal(b"tls record"), policy=policy, credential=cloud.credential)
    assert reply["status"] == 403 and "AccessDenied" in reply["body"]["error"]
    assert rig.messages()[-1] == LOAD_ABORT and not rig.keeper.records


def test_a_real_kms_sees_that_credentials_are_wrong(start, folder, pair):
    cloud = RealCloud(start, folder, pair)
    cloud.serve(ImageSha384=measurement(b"image a"))
    reply = cloud.rig().init(policy=cloud.policy, credential=dict(cloud.credential, secret_access_key="A" * 40))
    assert reply["status"] == 502 and "InvalidSignature" in reply["body"]["error"]
