"""Commit-Boost's signer API: published roots and signatures, proxy keys on disk and back, bad requests."""
import concurrent.futures
import hashlib
import json
import os
import signal
import stat
import subprocess
import time
import unicodedata

import pytest
import requests
from Cryptodome.Hash import keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from python_tools import python_tool
from test_signer_standalone import Signer, write_raw_keys
from test_signer_stores import descendants, eventually, runs

UNKNOWN = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
SECOND_SECRET, SECOND = "0x" + "00" * 31 + "01", "0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
JSON = "application/json; charset=utf-8"
# A line's end and all: the password is the whole file. No keystore is opened by another reading of it.
PASSWORD = "sch\u00f6ne Gr\u00fc\u00dfe\n"
ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
ROOT = "0x" + "ab" * 32


@pytest.fixture
def vector(vectors):
    return json.loads((vectors / "web3signer/web3signer-vectors.json").read_text())["commit_boost"]


class Boost:
    """A signer with the API on; its proxies are in folder/proxies."""

    def __init__(self, start, folder, vector, network="mainnet", enabled="true", password=PASSWORD):
        write_raw_keys(folder, [vector["delegator_secret"], SECOND_SECRET])
        self.proxies = folder / "proxies"
        (folder / "password").write_text(password, encoding="utf-8")
        self.delegator = vector["delegator"]
        self.signer = Signer(start, folder, [
            f"--network={network}", "--slashing-protection-enabled=false", f"--commit-boost-api-enabled={enabled}",
            f"--proxy-keystores-path={self.proxies}", f"--proxy-keystores-password-file={folder}/password"])

    def ask(self, path, body):
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return requests.post(f"{self.signer.url}/signer/v1/{path}", data=data, timeout=60)

    def generate(self, scheme, pubkey=None):
        answer = self.ask("generate_proxy_key", {"pubkey": pubkey or self.delegator, "scheme": scheme})
        assert (answer.status_code, answer.headers["content-type"]) == (200, JSON), answer.text
        assert answer.json()["message"]["delegator"] == (pubkey or self.delegator)
        return answer.json()["message"]["proxy"], answer.json()["signature"]

    def sign(self, kind, pubkey, root=ROOT):
        return self.ask("request_signature", {"type": kind, "pubkey": pubkey, "object_root": root})

    def signature(self, *arguments):
        answer = self.sign(*arguments)
        assert (answer.status_code, answer.headers["content-type"]) == (200, JSON), answer.text
        return answer.json()

    def keys(self):
        answer = requests.get(f"{self.signer.url}/signer/v1/get_pubkeys", timeout=20)
        assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)
        assert [list(key) for key in answer.json()["keys"]] == [["consensus", "proxy_bls", "proxy_ecdsa"]] * len(answer.json()["keys"])
        return {key["consensus"]: (key["proxy_bls"], key["proxy_ecdsa"]) for key in answer.json()["keys"]}

    def files(self, scheme, delegator=None):
        return sorted(path.name for path in (self.proxies / (delegator or self.delegator) / scheme).iterdir())

    def kill(self):
        everyone = [self.signer.process.pid] + [pid for _, pid in descendants(self.signer.process.pid)]
        for pid in everyone:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.signer.process.wait()
        eventually(lambda: not any(runs(pid) for pid in everyone))


@pytest.fixture
def boost(start, folder, vector):
    return Boost(start, folder, vector)


def web3_wallet(code, *arguments):
    """eth-keyfile, in its own Python."""
    run = subprocess.run([python_tool("python"), "-c", "import eth_keyfile, json, sys\n" + code, *map(str, arguments)],
                         capture_output=True, text=True, timeout=60, check=True)
    return run.stdout.strip()


def place_ecdsa(boost_folder, vector, password=PASSWORD, kdf="scrypt"):
    """The vector's ECDSA proxy as a wallet that eth-keyfile made."""
    folder = boost_folder / vector["delegator"] / "SECP256K1"
    folder.mkdir(parents=True)
    wallet = web3_wallet("print(json.dumps(eth_keyfile.create_keyfile_json(bytes.fromhex(sys.argv[1][2:]), sys.argv[2].encode(),"
                         " kdf=sys.argv[3], iterations=4096)))", vector["ecdsa_proxy_secret"], password, kdf)
    (folder / f"{vector['ecdsa_proxy']}.json").write_text(wallet)


# pbkdf2 of EIP-2335 in the standard library; AES by the openssl program.
def place_bls(boost_folder, vector, password=PASSWORD):
    """The vector's BLS proxy as a keystore made here."""
    folder = boost_folder / vector["delegator"] / "BLS"
    folder.mkdir(parents=True)
    salt, iv = os.urandom(32), os.urandom(16)
    normal = "".join(c for c in unicodedata.normalize("NFKD", password) if ord(c) >= 0x20 and not 0x7f <= ord(c) < 0xa0)
    derived = hashlib.pbkdf2_hmac("sha256", normal.encode(), salt, 65536)
    cipher = subprocess.run(["openssl", "enc", "-aes-128-ctr", "-K", derived[:16].hex(), "-iv", iv.hex()], capture_output=True,
                            input=bytes.fromhex(vector["bls_proxy_secret"][2:]), check=True).stdout
    crypto = {"kdf": {"function": "pbkdf2", "message": "", "params": {"dklen": 32, "c": 65536, "prf": "hmac-sha256", "salt": salt.hex()}},
              "checksum": {"function": "sha256", "params": {}, "message": hashlib.sha256(derived[16:] + cipher).hexdigest()},
              "cipher": {"function": "aes-128-ctr", "params": {"iv": iv.hex()}, "message": cipher.hex()}}
    (folder / f"{vector['bls_proxy']}.json").write_text(json.dumps({"crypto": crypto, "pubkey": vector["bls_proxy"][2:], "path": "",
                                                                    "version": 4, "uuid": "64625def-3331-4eea-ab6f-782f3ed16a83"}))


def signing_root(vector, network, object_root):
    """SSZ's SigningData, by hand; the domain is a published one."""
    return hashlib.sha256(bytes.fromhex(object_root[2:]) + bytes.fromhex(vector["networks"][network]["domain"][2:])).digest()


def delegation_root(delegator, proxy):
    def leaf(text):
        data = bytes.fromhex(text[2:])
        return hashlib.sha256(data.ljust(64, b"\0")).digest()
    return "0x" + hashlib.sha256(leaf(delegator) + leaf(proxy)).hexdigest()


def verify_ecdsa(pubkey, signature, root):
    raw = bytes.fromhex(signature[2:])
    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    assert 0 < s <= ORDER // 2
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), bytes.fromhex(pubkey[2:]))
    key.verify(utils.encode_dss_signature(r, s), root, ec.ECDSA(SHA256()))


@pytest.mark.parametrize("network", ["mainnet", "holesky", "sepolia"])
def test_published_roots_and_signatures(start, folder, vector, vectors, network):
    """A delegation is a container whose root any module may have signed: so the published ones can be asked for."""
    published = json.loads((vectors / "commit-boost/proxy-delegation-roots.json").read_text())
    boost = Boost(start, folder, vector, network)
    for scheme, roots, signatures in [("bls", "bls_proxy_root", "bls_proxy_message_signature"),
                                      ("ecdsa", "secp_proxy_root", "secp_proxy_message_signature")]:
        object_root = delegation_root(vector["delegator"], vector[f"{scheme}_proxy"])
        assert "0x" + signing_root(vector, network, object_root).hex() == published[roots][network]
        assert boost.signature("CONSENSUS", vector["delegator"], object_root) == published[signatures][network]
    if network == "mainnet":
        wanted = vector["consensus_request"]
        answer = boost.sign("CONSENSUS", vector["delegator"], wanted["object_root"])
        assert answer.text == f'"{wanted["signature"]}"'


def test_proxies_of_others_making_are_loaded(start, folder, vector):
    place_bls(folder / "proxies", vector)
    place_ecdsa(folder / "proxies", vector)
    boost = Boost(start, folder, vector)
    assert boost.keys() == {vector["delegator"]: ([vector["bls_proxy"]], [vector["ecdsa_proxy"]]), SECOND: ([], [])}
    root = signing_root(vector, "mainnet", ROOT)
    verify_ecdsa(vector["ecdsa_proxy"], boost.signature("PROXY_ECDSA", vector["ecdsa_proxy"]), root)
    with pytest.raises(InvalidSignature):
        verify_ecdsa(vector["ecdsa_proxy"], boost.signature("PROXY_ECDSA", vector["ecdsa_proxy"], "0x" + "ac" * 32), root)
    assert boost.signature("PROXY_BLS", vector["bls_proxy"]) == boost.signature("PROXY_BLS", vector["bls_proxy"][2:].upper())


def test_pbkdf2_wallet_and_names_without_prefix(start, folder, vector):
    place_ecdsa(folder / "proxies", vector, kdf="pbkdf2")
    (folder / "proxies" / vector["delegator"]).rename(folder / "proxies" / vector["delegator"][2:])
    (folder / "proxies" / "README").write_text("no key")
    boost = Boost(start, folder, vector)
    assert boost.keys()[vector["delegator"]] == ([], [vector["ecdsa_proxy"]])


def test_new_proxies_are_there_after_a_restart(start, folder, vector):
    boost = Boost(start, folder, vector)
    assert boost.keys() == {vector["delegator"]: ([], []), SECOND: ([], [])}
    made = {scheme: [boost.generate(scheme)[0] for _ in range(2)] for scheme in ("BLS", "ECDSA")}
    other = boost.generate("BLS", SECOND)[0]
    wanted = {vector["delegator"]: (sorted(made["BLS"]), sorted(made["ECDSA"])), SECOND: ([other], [])}
    assert boost.keys() == wanted
    signatures = {proxy: boost.signature(f"PROXY_{scheme}", proxy) for scheme, proxies in made.items() for proxy in proxies}
    for proxy in made["ECDSA"]:
        verify_ecdsa(proxy, signatures[proxy], signing_root(vector, "mainnet", ROOT))
    assert boost.files("BLS") == sorted(f"{proxy}.json" for proxy in made["BLS"])
    assert boost.files("SECP256K1") == sorted(f"{proxy}.json" for proxy in made["ECDSA"])
    for path in boost.proxies.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert boost.signer.process.terminate() == 0
    boost = Boost(start, folder, vector)
    assert boost.keys() == wanted
    assert {proxy: boost.signature(f"PROXY_{scheme}", proxy) for scheme, proxies in made.items() for proxy in proxies} == signatures


def test_files_are_what_others_read(boost, vector):
    proxy, _ = boost.generate("ECDSA")
    path = boost.proxies / vector["delegator"] / "SECP256K1" / f"{proxy}.json"
    secret = web3_wallet("print(eth_keyfile.extract_key_from_keyfile(sys.argv[1], sys.argv[2].encode()).hex())", path, PASSWORD)
    key = ec.derive_private_key(int(secret, 16), ec.SECP256K1()).public_key().public_numbers()
    assert proxy == f"0x{2 + key.y % 2:02x}{key.x:064x}"
    assert json.loads(path.read_text())["crypto"]["kdfparams"]["n"] == 262144
    proxy, _ = boost.generate("BLS")
    keystore = json.loads((boost.proxies / vector["delegator"] / "BLS" / f"{proxy}.json").read_text())
    assert (keystore["version"], keystore["pubkey"], keystore["crypto"]["kdf"]["function"]) == (4, proxy[2:], "pbkdf2")
    assert keystore["crypto"]["kdf"]["params"]["c"] == 65536


def test_duties_go_on_while_proxies_are_made(boost):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        proxies = [pool.submit(boost.generate, "ECDSA") for _ in range(3)]
        slowest = 0.0
        while not all(proxy.done() for proxy in proxies):
            began = time.monotonic()
            assert boost.sign("CONSENSUS", SECOND).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert len({proxy.result()[0] for proxy in proxies}) == 3
    assert slowest < 5


def test_more_at_once_than_wait(boost):
    def generate(_):
        return boost.ask("generate_proxy_key", {"pubkey": boost.delegator, "scheme": "BLS"}).status_code
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(generate, range(40)))
    assert set(statuses) <= {200, 503}
    assert len(boost.keys()[boost.delegator][0]) == statuses.count(200) == len(boost.files("BLS")) >= 9


def test_limit_of_a_key(start, folder, vector):
    boost = Boost(start, folder, vector)
    made = boost.generate("BLS")[0]
    boost.signer.process.terminate()
    path = boost.proxies / vector["delegator"] / "BLS"
    for _ in range(63):
        place_cheap_wallet(boost.proxies / vector["delegator"] / "SECP256K1")
    boost = Boost(start, folder, vector)
    bls, ecdsa = boost.keys()[vector["delegator"]]
    assert (bls, len(ecdsa)) == ([made], 63)
    for scheme in ("BLS", "ECDSA"):
        answer = boost.ask("generate_proxy_key", {"pubkey": boost.delegator, "scheme": scheme})
        assert (answer.status_code, answer.json()["code"]) == (403, 403)
    assert len(list(path.iterdir())) == 1
    boost.generate("BLS", SECOND)
    boost.signer.process.terminate()
    place_cheap_wallet(boost.proxies / vector["delegator"] / "SECP256K1")
    boost = Boost(start, folder, vector)
    assert sum(map(len, boost.keys()[vector["delegator"]])) == 64
    assert "a proxy key is left out" in boost.signer.process.log()


def place_cheap_wallet(folder):
    """A wallet with the least work, made with other people's Keccak and AES."""
    folder.mkdir(parents=True, exist_ok=True)
    secret, salt, iv = os.urandom(32), os.urandom(32), os.urandom(16)
    derived = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 1)
    cipher = subprocess.run(["openssl", "enc", "-aes-128-ctr", "-K", derived[:16].hex(), "-iv", iv.hex()], capture_output=True,
                            input=secret, check=True).stdout
    mac = keccak.new(digest_bits=256, data=derived[16:] + cipher).hexdigest()
    crypto = {"cipher": "aes-128-ctr", "cipherparams": {"iv": iv.hex()}, "ciphertext": cipher.hex(), "kdf": "pbkdf2", "mac": mac,
              "kdfparams": {"c": 1, "dklen": 32, "prf": "hmac-sha256", "salt": salt.hex()}}
    (folder / f"{secret[:4].hex()}.json").write_text(json.dumps({"version": 3, "crypto": crypto}))


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.4])
def test_an_answered_proxy_outlives_a_kill(start, folder, vector, delay):
    boost = Boost(start, folder, vector)
    answered = [boost.generate("BLS")[0]]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        def generate():
            while True:
                try:
                    answered.append(boost.generate("BLS")[0])
                except (requests.RequestException, AssertionError):
                    return
        running = pool.submit(generate)
        time.sleep(delay)
        boost.kill()
        running.result()
    boost = Boost(start, folder, vector)
    loaded = boost.keys()[vector["delegator"]][0]
    assert set(answered) <= set(loaded) and len(loaded) <= len(answered) + 1
    for proxy in answered:
        boost.signature("PROXY_BLS", proxy)
    boost.generate("BLS")
    assert not [name for name in boost.files("BLS") if name.startswith(".")]


def test_nothing_is_answered_that_cannot_be_saved(boost, folder):
    boost.generate("BLS")
    place = boost.proxies / SECOND
    place.write_text("a file where a folder should be")
    answer = boost.ask("generate_proxy_key", {"pubkey": SECOND, "scheme": "BLS"})
    assert (answer.status_code, answer.json()) == (500, {"code": 500, "message": "Internal Error"})
    assert boost.keys()[SECOND] == ([], [])
    place.unlink()
    boost.generate("BLS", SECOND)
    (folder / "password").unlink()
    assert boost.ask("generate_proxy_key", {"pubkey": SECOND, "scheme": "ECDSA"}).status_code == 500
    assert len(boost.keys()[SECOND][0]) == 1


def test_wrong_password(start, folder, vector):
    place_bls(folder / "proxies", vector)
    place_ecdsa(folder / "proxies", vector)
    boost = Boost(start, folder, vector, password="another")
    assert boost.keys()[vector["delegator"]] == ([], [])
    assert boost.signer.process.log().count("the password is wrong") == 2
    assert requests.get(f"{boost.signer.url}/healthcheck", timeout=20).status_code == 200
    assert boost.sign("PROXY_BLS", vector["bls_proxy"]).status_code == 404
    assert boost.sign("CONSENSUS", vector["delegator"]).status_code == 200


def test_broken_files_are_left_out(start, folder, vector):
    place_ecdsa(folder / "proxies", vector)
    place = folder / "proxies" / vector["delegator"]
    (place / "BLS").mkdir()
    (place / "BLS" / "cut.json").write_text('{"crypto":')
    (place / "BLS" / "empty.json").write_text("")
    (place / "BLS" / "large.json").write_text(" " * 20000)
    (place / "SECP256K1" / "other.json").write_text((next((place / "SECP256K1").glob("0x*"))).read_text().replace('"version": 3', '"version": 4'))
    (place / "SECP256K1" / ".hidden.json").write_text("x")
    boost = Boost(start, folder, vector)
    assert boost.keys()[vector["delegator"]] == ([], [vector["ecdsa_proxy"]])
    assert "1 proxy keys loaded, 4 failed" in boost.signer.process.log()


def test_password_file_must_be_there(bin_dir, folder):
    (folder / "keys").mkdir()
    base = [bin_dir / "nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2",
            "--slashing-protection-enabled=false", "--commit-boost-api-enabled=true"]
    for options, named in [([], "--proxy-keystores-path"), ([f"--proxy-keystores-path={folder}/p"], "--proxy-keystores-password-file"),
                           ([f"--proxy-keystores-password-file={folder}/none"], "--proxy-keystores-path"),
                           ([f"--proxy-keystores-path={folder}/p", f"--proxy-keystores-password-file={folder}/none"],
                            "--proxy-keystores-password-file")]:
        run = subprocess.run([*base, *options], capture_output=True, text=True, timeout=30, check=False)
        assert run.returncode in (1, 2) and named in run.stderr, run.stderr


BAD_REQUESTS = [
    ("generate_proxy_key", {"pubkey": UNKNOWN, "scheme": "BLS"}, 404), ("generate_proxy_key", {"pubkey": "0x12", "scheme": "BLS"}, 404),
    ("generate_proxy_key", {"pubkey": "DELEGATOR", "scheme": "bls"}, 400), ("generate_proxy_key", {"pubkey": "DELEGATOR", "scheme": "CONSENSUS"}, 400),
    ("generate_proxy_key", {"pubkey": "DELEGATOR"}, 400), ("generate_proxy_key", {"scheme": "BLS"}, 400),
    ("generate_proxy_key", {"pubkey": 7, "scheme": "BLS"}, 400), ("generate_proxy_key", "", 400), ("generate_proxy_key", "[]", 400),
    ("generate_proxy_key", '{"pubkey":"DELEGATOR","scheme":"BLS","scheme":"ECDSA"}', 400), ("generate_proxy_key", "{" * 5000, 400),
    ("request_signature", {"type": "CONSENSUS", "pubkey": UNKNOWN, "object_root": ROOT}, 404),
    ("request_signature", {"type": "PROXY_BLS", "pubkey": "DELEGATOR", "object_root": ROOT}, 404),
    ("request_signature", {"type": "PROXY_ECDSA", "pubkey": "DELEGATOR", "object_root": ROOT}, 404),
    ("request_signature", {"type": "PROXY_ECDSA", "pubkey": "0x02" + "11" * 32, "object_root": ROOT}, 404),
    ("request_signature", {"type": "CONSENSUS", "pubkey": "DELEGATOR", "object_root": ROOT[:-2]}, 400),
    ("request_signature", {"type": "CONSENSUS", "pubkey": "DELEGATOR", "object_root": ROOT + "00"}, 400),
    ("request_signature", {"type": "CONSENSUS", "pubkey": "DELEGATOR", "object_root": "0x" + "zz" * 32}, 400),
    ("request_signature", {"type": "CONSENSUS", "pubkey": "DELEGATOR", "object_root": 1}, 400),
    ("request_signature", {"type": "CONSENSUS", "pubkey": "DELEGATOR"}, 400),
    ("request_signature", {"type": "BLS", "pubkey": "DELEGATOR", "object_root": ROOT}, 400),
    ("request_signature", {"pubkey": "DELEGATOR", "object_root": ROOT}, 400), ("request_signature", b"\xff\xfe", 400)]


def test_bad_requests(boost, vector):
    for path, body, status in BAD_REQUESTS:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        if isinstance(data, str):
            data = data.replace("DELEGATOR", vector["delegator"])
        answer = boost.ask(path, data)
        assert (answer.status_code, answer.headers["content-type"]) == (status, JSON), (body, answer.text)
        assert list(answer.json()) == ["code", "message"] and answer.json()["code"] == status
        if status == 404:
            assert answer.json()["message"] == "Unknown pubkey"
    assert boost.keys()[vector["delegator"]] == ([], [])
    assert not boost.proxies.exists()


def test_proxies_of_a_key_that_is_not_served(start, folder, vector):
    place_bls(folder / "proxies", vector)
    (folder / "proxies" / vector["delegator"]).rename(folder / "proxies" / UNKNOWN)
    boost = Boost(start, folder, vector)
    assert UNKNOWN not in boost.keys()
    assert boost.sign("PROXY_BLS", vector["bls_proxy"]).status_code == 404


def test_reload_brings_proxies_and_keeps_those_that_were_made(boost, folder, vector):
    made = boost.generate("BLS")[0]
    place_ecdsa(folder / "more", vector)
    (folder / "more" / vector["delegator"] / "SECP256K1").rename(folder / "proxies" / vector["delegator"] / "SECP256K1")
    assert requests.post(f"{boost.signer.url}/reload", timeout=20).status_code == 202
    wanted = ([made], [vector["ecdsa_proxy"]])
    eventually(lambda: boost.keys()[vector["delegator"]] == wanted)
    for kind, proxy in (("PROXY_BLS", made), ("PROXY_ECDSA", vector["ecdsa_proxy"])):
        assert boost.sign(kind, proxy).status_code == 200
    for path in (folder / "keys").glob("*.yaml"):
        if vector["delegator_secret"] in path.read_text():
            path.unlink()
    eventually(lambda: requests.post(f"{boost.signer.url}/reload", timeout=20).status_code == 202)
    eventually(lambda: vector["delegator"] not in boost.keys())
    assert boost.sign("PROXY_BLS", made).status_code == 404
    assert boost.sign("PROXY_ECDSA", vector["ecdsa_proxy"]).status_code == 404


@pytest.mark.parametrize("path", ["get_pubkeys", "generate_proxy_key", "request_signature"])
def test_not_there_unless_enabled(start, folder, vector, path):
    boost = Boost(start, folder, vector, enabled="false")
    assert boost.ask(path, "{}").status_code == 404
    assert requests.get(f"{boost.signer.url}/signer/v1/{path}", timeout=20).status_code == 404


def test_other_methods(boost):
    answer = boost.ask("get_pubkeys", "{}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    answer = requests.get(f"{boost.signer.url}/signer/v1/request_signature", timeout=20)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
