"""Where secrets are while the signer serves: in locked memory of the one process that may have them.

Reads the memory of every process of a running stand-alone signer, and of every process of the demo
but devcloud's (which plays AWS), and looks for validator keys, proxy keys, TLS key, mnemonic, passwords
and credentials of other servers, in every form they might have been left in. Only root may read the
memory of a process that is not dumpable; for others this test is skipped.
"""
import contextlib
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import secrets
import subprocess
import time

import pytest
import requests

from harness import free_port
from key_servers import ACCESS_KEY, REGION, Moto, OpenBao, Scripted
from test_commit_boost import UNKNOWN, web3_wallet

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read these processes' memory")

GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
ROOT = "0x" + "11" * 32


def openssl(*words, stdin=None, cwd=None):
    return subprocess.run(["openssl", *words], input=stdin, cwd=cwd, check=True, capture_output=True).stdout


def keystore(secret, password):
    """An EIP-2335 keystore by hashlib and the openssl command."""
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 262144, 32)
    cipher = openssl("enc", "-aes-128-ctr", "-K", key[:16].hex(), "-iv", iv.hex(), stdin=secret)
    return {"version": 4, "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f", "path": "", "crypto": {
        "kdf": {"function": "pbkdf2", "params": {"dklen": 32, "c": 262144, "prf": "hmac-sha256", "salt": salt.hex()}, "message": ""},
        "checksum": {"function": "sha256", "params": {}, "message": hashlib.sha256(key[16:] + cipher).hexdigest()},
        "cipher": {"function": "aes-128-ctr", "params": {"iv": iv.hex()}, "message": cipher.hex()}}}


def validator_key():
    return (secrets.randbelow(GROUP_ORDER - 1) + 1).to_bytes(32, "big")


class Scene:
    """A serving signer, and its secrets."""

    def __init__(self, start, folder):
        keys, self.raw, self.stored = folder / "keys", validator_key(), validator_key()
        self.password, self.tls_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        keys.mkdir()
        (keys / "raw.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x{self.raw.hex()}"\n')
        (keys / "stored.json").write_text(json.dumps(keystore(self.stored, self.password)))
        (keys / "stored.txt").write_text(self.password)
        (keys / "stored.yaml").write_text('type: "file-keystore"\nkeyType: "BLS"\nkeystoreFile: "stored.json"\n'
                                          'keystorePasswordFile: "stored.txt"\n')
        (folder / "tls.txt").write_text(self.tls_password)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem", cwd=folder)
        openssl("pkcs12", "-export", "-in", "cert.pem", "-inkey", "key.pem", "-out", "tls.p12", "-passout", "file:tls.txt", cwd=folder)
        text = openssl("pkey", "-in", "key.pem", "-noout", "-text", cwd=folder).decode()
        self.tls = bytes.fromhex(re.search(r"priv:\n([\s0-9a-f:]+?)pub:", text).group(1).replace(":", "").replace(" ", "").replace("\n", ""))[-32:]
        port = free_port()
        self.process = start("nitro-signer", f"--http-listen-port={port}", f"--key-config-path={keys}",
                             f"--tls-keystore-file={folder}/tls.p12", f"--tls-keystore-password-file={folder}/tls.txt",
                             "--tls-allow-any-client", "eth2", "--network=mainnet", f"--slashing-protection-db-path={folder}/p.sqlite")
        self.client = requests.Session()
        self.client.trust_env = False  # a CA bundle named by the environment would win
        self.client.verify = str(folder / "cert.pem")
        self.url = f"https://localhost:{port}/api/v1/eth2"

    def use_every_key(self):
        pubkeys = self.client.get(f"{self.url}/publicKeys", timeout=20).json()
        assert len(pubkeys) == 2, self.process.log()
        fork = {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"}
        for pubkey in pubkeys:
            answer = self.client.post(f"{self.url}/sign/{pubkey}", timeout=20, json={
                "type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"}, "fork_info": {"fork": fork, "genesis_validators_root": ROOT}})
            assert answer.status_code == 200

    def forms(self):
        """(name, process that may hold it in locked memory, bytes)"""
        for name, secret, holder in (("raw key", self.raw, "keeper"), ("keystore's key", self.stored, "keeper"),
                                     ("TLS key", self.tls, "front")):
            yield name, holder, secret
            yield f"{name}, little-endian", holder, secret[::-1]
            yield f"{name} as hex", None, secret.hex().encode()
        yield "keystore password", None, self.password.encode()
        yield "TLS password", None, self.tls_password.encode()


def family(pid):
    """name -> pid of the process and its children, once loader and fetcher, which have no more to do, are gone."""
    deadline = time.monotonic() + 20
    while True:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            pids = [pid, *map(int, file.read().split())]
        try:
            found = {os.path.basename(os.readlink(f"/proc/{p}/exe")).replace("nitro-signer-", ""): p for p in pids}
        except FileNotFoundError:
            continue
        if not {"loader", "fetcher"} & set(found):
            return found
        assert time.monotonic() < deadline, f"{sorted(found)} stay"
        time.sleep(0.01)


def regions(pid):
    """(bytes, locked, where) of each readable mapping."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for block in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read())[1:]:
            head, flags = block.split("\n", 1)[0], re.search(r"VmFlags:(.*)", block).group(1).split()
            low, high = (int(x, 16) for x in head.split(" ", 1)[0].split("-"))
            if "rd" not in flags or "[v" in head:
                continue
            if high - low > 1 << 32:
                pytest.skip("a sanitizer's shadow memory is too large to search")
            memory.seek(low)
            found = b""
            while len(found) < high - low:
                part = memory.read(high - low - len(found))
                if not part:
                    break
                found += part
            yield found, "lo" in flags, head


def search(processes, forms):
    """The names of the forms that are where they may be; fails when one is elsewhere."""
    forms, held, wrong = list(forms), set(), []
    for process, pid in processes.items():
        for content, locked, where in regions(pid):
            for name, holder, form in forms:
                if form not in content:
                    continue
                if process == holder and locked:
                    held.add(name)
                else:
                    wrong.append(f"{name} in {process}, {'locked' if locked else 'not locked'}: {where}")
    assert not wrong, "\n".join(wrong)
    return {name.split(",")[0] for name in held}


def test_secrets_are_only_where_they_may_be(start, folder):
    scene = Scene(start, folder)
    scene.use_every_key()
    processes = family(scene.process.pid)
    assert set(processes) == {"nitro-signer", "keeper", "front"}
    # Proof that the search can find: keeper and front do hold their keys.
    assert search(processes, scene.forms()) == {"raw key", "keystore's key", "TLS key"}


def test_no_secret_in_arguments_environment_or_log(start, folder):
    scene = Scene(start, folder)
    scene.use_every_key()
    texts = {"log": scene.process.log().encode()}
    for process, pid in family(scene.process.pid).items():
        for kind in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{kind}", "rb") as file:
                texts[f"{kind} of {process}"] = file.read()
    for name, _, form in scene.forms():
        for where, text in texts.items():
            assert form not in text, f"{name} in {where}"


def test_every_process_gave_up_what_it_does_not_need(start, folder):
    scene = Scene(start, folder)
    for process, pid in family(scene.process.pid).items():
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            core = next(line for line in file if line.startswith("Max core file size")).split()
        assert status["NoNewPrivs"] == "1", process
        assert core[4:6] == ["0", "0"], process
        if process != "nitro-signer":
            assert status["Seccomp"] == "2", process


def forms_of_key(name, secret, holder="keeper"):
    return [(name, holder, secret), (f"{name}, little-endian", holder, secret[::-1]), (f"{name} as hex", None, secret.hex().encode()),
            (f"{name} as capital hex", None, secret.hex().upper().encode())]


class Serving:
    """A signer without TLS and store, and what is asked of it."""

    def __init__(self, start, folder, *eth2, arguments=(), env=None):
        self.keys, port = folder / "keys", free_port()
        self.keys.mkdir(exist_ok=True)
        self.process = start("nitro-signer", f"--http-listen-port={port}", f"--key-config-path={self.keys}", *arguments, "eth2",
                             "--network=mainnet", "--slashing-protection-enabled=false", *eth2, env={**os.environ, **(env or {})})
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, method, path, **options):
        answer = requests.request(method, self.url + path, timeout=60, **options)
        assert answer.status_code in (200, 202), answer.text + self.process.log()
        return answer.json()

    def public_keys(self):
        return self.ask("GET", "/api/v1/eth2/publicKeys")

    def reload(self):
        self.ask("POST", "/reload")
        deadline = time.monotonic() + 60
        while (said := self.ask("GET", "/reload"))["status"] == "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert said["status"] == "completed", self.process.log()

    def sign_with_all(self):
        fork = {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"}
        for pubkey in self.public_keys():
            self.ask("POST", f"/api/v1/eth2/sign/{pubkey}", headers={"Accept": "application/json"}, json={
                "type": "RANDAO_REVEAL", "randao_reveal": {"epoch": "1"}, "fork_info": {"fork": fork, "genesis_validators_root": ROOT}})


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """moto's Secrets Manager and OpenBao."""
    with contextlib.closing(Moto(tmp_path_factory.mktemp("moto"))) as moto, \
            contextlib.closing(OpenBao(tmp_path_factory.mktemp("openbao"))) as vault:
        yield moto, vault


def give(folder, option, value, way):
    """How an option of eth2 is given, but for the environment's AWS names: (arguments, options of eth2, environment)."""
    if way == "argument":
        return [], [f"--{option}={value}"], {}
    if way == "environment":
        return [], [], {f"WEB3SIGNER_ETH2_{option.upper().replace('-', '_')}": value}
    (folder / "config.yaml").write_text(f'eth2.{option}: "{value}"\n')
    return [f"--config-file={folder}/config.yaml"], [], {}


@pytest.mark.parametrize("way", ["argument", "environment", "file", "AWS_SECRET_ACCESS_KEY"])
def test_what_other_servers_hold_and_who_asks_them(start, folder, servers, way):
    """The fetcher is gone after each load. The secret of a reload's credentials waits in the supervisor, for the next fetcher."""
    moto, vault = servers
    moto.reset()
    bulk, more, named, vaults, raw = (validator_key() for _ in range(5))
    access, document_access = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
    moto.put("bulk-1", bulk.hex())
    moto.put("named", named.hex())
    vault.put("validator", value=vaults.hex())
    token = vault.call("POST", "auth/token/create", {"ttl": "1h"})["auth"]["client_token"]
    (folder / "known").write_text(f"127.0.0.1:{vault.port} {vault.certificate.fingerprint}\n")
    documents = folder / "keys"
    documents.mkdir()
    (documents / "aws.yaml").write_text(
        f"type: aws-secret\nauthenticationMode: SPECIFIED\nregion: {REGION}\naccessKeyId: {ACCESS_KEY}\n"
        f"secretAccessKey: {document_access}\nsecretName: named\nendpointOverride: {moto.url}\n")
    (documents / "vault.yaml").write_text(
        f'type: hashicorp\ntlsEnabled: "true"\ntlsKnownServersPath: {folder}/known\nserverHost: 127.0.0.1\nserverPort: "{vault.port}"\n'
        f"keyPath: /v1/secret/data/validator\ntoken: {token}\n")
    (documents / "raw.yaml").write_text(f"type: file-raw\nprivateKey: {raw.hex()}\n")
    mode, arguments, eth2, env = "SPECIFIED", [], [], {"AWS_ACCESS_KEY_ID": ACCESS_KEY, way: access}
    if way.startswith("AWS"):
        mode = "ENVIRONMENT"
    else:
        arguments, eth2, env = give(folder, "aws-secrets-secret-access-key", access, way)
        eth2 = [*eth2, f"--aws-secrets-access-key-id={ACCESS_KEY}"]
    signer = Serving(start, folder, "--aws-secrets-enabled=true", f"--aws-secrets-auth-mode={mode}", f"--aws-secrets-region={REGION}",
                     f"--aws-endpoint-override={moto.url}", "--aws-secrets-prefixes-filter=bulk-", *eth2, arguments=arguments,
                     env={**env, "AWS_CA_BUNDLE": str(moto.certificate.file)})
    assert len(signer.public_keys()) == 4, signer.process.log()
    signer.sign_with_all()
    keys = {"bulk key": bulk, "named key": named, "Vault's key": vaults, "raw key": raw}
    credentials = [("AWS secret access key", "nitro-signer", access.encode()), ("Vault token", None, token.encode()),
                   ("AWS secret access key of a document", None, document_access.encode())]

    def forms():
        return [*credentials, *(form for name, key in keys.items() for form in forms_of_key(name, key))]
    processes = family(signer.process.pid)
    assert set(processes) == {"nitro-signer", "keeper", "front"}
    assert search(processes, forms()) == {*keys, "AWS secret access key"}

    moto.put("bulk-2", more.hex())
    (documents / "raw.yaml").unlink()
    signer.reload()
    assert len(signer.public_keys()) == 4
    signer.sign_with_all()
    keys["another bulk key"] = more
    assert search(family(signer.process.pid), forms()) == {*keys, "AWS secret access key"} - {"raw key"}


def descendants(pid):
    """name -> pids of the process and all below it."""
    names = {os.path.basename(os.readlink(f"/proc/{pid}/exe")).replace("nitro-signer-", ""): [pid]}
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        for name, pids in descendants(int(child)).items():
            names.setdefault(name, []).extend(pids)
    return names


def test_a_fetcher_that_waits_holds_nothing_of_what_it_brought(start, folder):
    """One Vault answers, another is silent: between them the first one's key and token are gone from the fetcher."""
    key, token, later = validator_key(), secrets.token_urlsafe(24), secrets.token_urlsafe(24)

    def answer(method, path, headers, body):
        return (200, json.dumps({"data": {"data": {"value": key.hex()}}})) if path.endswith("/quick") else None
    server = Scripted(folder, answer)
    (folder / "known").write_text(f"127.0.0.1:{server.port} {server.certificate.fingerprint}\n")
    (folder / "keys").mkdir()
    (folder / "keys/all.yaml").write_text("---\n".join(
        f'type: hashicorp\ntlsEnabled: "true"\ntlsKnownServersPath: {folder}/known\nserverHost: 127.0.0.1\nserverPort: "{server.port}"\n'
        f"keyPath: /v1/secret/data/{name}\ntoken: {its}\ntimeout: 60000\nhttpProtocolVersion: HTTP_1_1\n"
        for name, its in (("quick", token), ("silent", later))))
    process = start("nitro-signer", f"--http-listen-port={free_port()}", f"--key-config-path={folder}/keys", "eth2",
                    "--slashing-protection-enabled=false", ready=False)
    deadline = time.monotonic() + 30
    while {path for _, path, _, _ in server.requests} != {"/v1/secret/data/quick", "/v1/secret/data/silent"}:
        assert time.monotonic() < deadline, process.log()
        time.sleep(0.01)
    time.sleep(1)  # no event tells when the answer has been passed on
    names = descendants(process.pid)
    assert set(names) == {"nitro-signer", "keeper", "front", "loader", "fetcher"} and len(names["fetcher"]) == 2
    forms = [*forms_of_key("key", key), ("token", None, token.encode())]
    for pid in names["fetcher"]:
        assert not search({"fetcher": pid}, forms)
    assert not search({name: names[name][0] for name in ("nitro-signer", "front")}, [*forms, ("later token", None, later.encode())])
    # Proof that the search could find: the loader still has the token that is in use.
    assert any(later.encode() in content for content, _, _ in regions(names["loader"][0]))
    server.close()


def open_keystore(store, password):
    """The secret of an EIP-2335 keystore of pbkdf2."""
    crypto = store["crypto"]
    assert crypto["kdf"]["function"] == "pbkdf2"
    params = crypto["kdf"]["params"]
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(params["salt"]), params["c"])
    cipher = bytes.fromhex(crypto["cipher"]["message"])
    assert hashlib.sha256(derived[16:] + cipher).hexdigest() == crypto["checksum"]["message"]
    return openssl("enc", "-d", "-aes-128-ctr", "-K", derived[:16].hex(), "-iv", crypto["cipher"]["params"]["iv"], stdin=cipher)


def boost_options(folder, password):
    (folder / "proxy.txt").write_text(password)
    return ["--commit-boost-api-enabled=true", f"--proxy-keystores-path={folder}/proxies",
            f"--proxy-keystores-password-file={folder}/proxy.txt"]


def make_proxy(signer, folder, delegator, scheme, password):
    """Has a proxy key made and used; its secret, from the file that was written."""
    proxy = signer.ask("POST", "/signer/v1/generate_proxy_key", json={"pubkey": delegator, "scheme": scheme})["message"]["proxy"]
    signer.ask("POST", "/signer/v1/request_signature", json={"type": f"PROXY_{scheme}", "pubkey": proxy, "object_root": ROOT})
    file = folder / "proxies" / delegator / {"BLS": "BLS", "ECDSA": "SECP256K1"}[scheme] / f"{proxy}.json"
    if scheme == "BLS":
        return open_keystore(json.loads(file.read_text()), password)
    return bytes.fromhex(web3_wallet("print(eth_keyfile.extract_key_from_keyfile(sys.argv[1], sys.argv[2].encode()).hex())", file, password))


def test_proxy_keys_are_in_the_keeper_alone(start, folder):
    """Made in this run, and read from their files in the next."""
    password, raw = secrets.token_urlsafe(24), validator_key()
    (folder / "keys").mkdir()
    (folder / "keys/raw.yaml").write_text(f"type: file-raw\nprivateKey: {raw.hex()}\n")
    signer = Serving(start, folder, *boost_options(folder, password))
    (delegator,) = signer.public_keys()
    proxies = {scheme: make_proxy(signer, folder, delegator, scheme, password) for scheme in ("BLS", "ECDSA")}
    forms = [("password", None, password.encode()), *forms_of_key("raw key", raw),
             *(form for name, key in proxies.items() for form in forms_of_key(f"{name} proxy", key))]
    assert search(family(signer.process.pid), forms) == {"raw key", "BLS proxy", "ECDSA proxy"}
    assert signer.process.terminate() == 0
    signer = Serving(start, folder, *boost_options(folder, password))
    assert search(family(signer.process.pid), forms) == {"raw key", "BLS proxy", "ECDSA proxy"}


def public_key(start, folder, secret):
    """As another signer says it."""
    (folder / "keys").mkdir(parents=True)
    (folder / "keys/raw.yaml").write_text(f"type: file-raw\nprivateKey: {secret.hex()}\n")
    other = Serving(start, folder)
    (pubkey,) = other.public_keys()
    assert other.process.terminate() == 0
    return pubkey


def test_what_went_through_the_key_manager(start, folder):
    """A keystore and its password pass through the front; a key that was deleted is nowhere."""
    stays, goes = validator_key(), validator_key()
    passwords = [secrets.token_urlsafe(24) for _ in range(3)]
    gone, stayed = (public_key(start, folder / f"other-{i}", key) for i, key in enumerate((goes, stays)))
    signer = Serving(start, folder, "--key-manager-api-enabled=true")
    stores = [json.dumps({**keystore(key, password), "pubkey": pubkey[2:]}) for key, password, pubkey in
              ((goes, passwords[0], gone), (stays, passwords[1], stayed), (validator_key(), "another", UNKNOWN))]
    answer = signer.ask("POST", "/eth/v1/keystores", json={"keystores": stores, "passwords": passwords})
    assert [one["status"] for one in answer["data"]] == ["imported", "imported", "error"]
    assert sorted(signer.public_keys()) == sorted([gone, stayed])
    signer.sign_with_all()
    forms = [*forms_of_key("key that stays", stays), *forms_of_key("key that goes", goes),
             *((f"password {i}", None, password.encode()) for i, password in enumerate(passwords))]
    assert search(family(signer.process.pid), forms) == {"key that stays", "key that goes"}
    answer = signer.ask("DELETE", "/eth/v1/keystores", json={"pubkeys": [gone]})
    assert [one["status"] for one in answer["data"]] == ["deleted"]
    assert search(family(signer.process.pid), forms) == {"key that stays"}


@pytest.fixture
def demo(folder, bin_dir, monkeypatch):
    """scripts/demo, prepared and serving: (the module, its scene)."""
    path = pathlib.Path(__file__).resolve().parents[2] / "scripts/demo"
    monkeypatch.setenv("NS_BIN_DIR", str(bin_dir))
    monkeypatch.setenv("NS_DEMO_DIR", str(folder / "demo"))
    loader = importlib.machinery.SourceFileLoader("demo", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo", loader))
    loader.exec_module(module)
    module.clear_stage()
    scene = module.Scene(module.Story())
    try:
        module.prepare(scene)
        module.start_signer(scene)
        module.sign(scene)
        yield module, scene
    finally:
        scene.kill_all()


def cast(scene):
    """name -> pid of proxy, watchdog, enclave and the enclave's children."""
    pids = {process.name: process.child.pid for process in scene.processes if process.name != "devcloud"}
    (enclave,) = next(process for process in scene.processes if process.name == "watchdog").children()
    return {**pids, **family(enclave)}


def test_in_the_enclave_too(demo):
    module, scene = demo
    processes, held, wrong = cast(scene), set(), []
    assert set(processes) == {"proxy", "watchdog", "enclave", "keeper", "front", "courier"}
    credentials = set(json.loads((module.RUN / "cloud/credentials.json").read_text()).values())
    wanted = scene.secrets - credentials  # those courier and watchdog need as they are
    assert len(wanted) >= 2 + 2 * len(scene.keys)
    for process, pid in processes.items():
        for content, locked, where in regions(pid):
            for secret in wanted:
                is_key = re.fullmatch(r"[0-9a-f]{64}", secret)
                raw = [bytes.fromhex(secret), bytes.fromhex(secret)[::-1]] if is_key else []
                if any(form in content for form in raw) and process == "keeper" and locked:
                    held.add(secret)
                elif any(form in content for form in raw) or any(form in content for form in module.forms(secret) - set(raw)):
                    kind = "a validator key" if is_key else "a password or the mnemonic"
                    wrong.append(f"{kind} in {process}, {'locked' if locked else 'not locked'}: {where}")
    assert not wrong, "\n".join(wrong)
    assert len(held) == len(scene.keys)
