"""Where secrets are while the signer serves: in locked memory of the one process that may have them.

Reads the memory of every process of a running stand-alone signer, and of every process of the demo
but devcloud's (which plays AWS), and looks for validator keys, TLS key, mnemonic and
passwords, in every form they might have been left in. Only root may read the
memory of a process that is not dumpable; for others this test is skipped.
"""
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
    """name -> pid of the process and its children, once the loader, which has no more to do, is gone."""
    deadline = time.monotonic() + 20
    while True:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            pids = [pid, *map(int, file.read().split())]
        try:
            found = {os.path.basename(os.readlink(f"/proc/{p}/exe")).replace("nitro-signer-", ""): p for p in pids}
        except FileNotFoundError:
            continue
        if "loader" not in found:
            return found
        assert time.monotonic() < deadline, "the loader stays"
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


def test_secrets_are_only_where_they_may_be(start, folder):
    scene = Scene(start, folder)
    scene.use_every_key()
    processes, held, wrong = family(scene.process.pid), set(), []
    assert set(processes) == {"nitro-signer", "keeper", "front"}
    for process, pid in processes.items():
        for content, locked, where in regions(pid):
            for name, holder, form in scene.forms():
                if form not in content:
                    continue
                if process == holder and locked:
                    held.add(name)
                else:
                    wrong.append(f"{name} in {process}, {'locked' if locked else 'not locked'}: {where}")
    assert not wrong, "\n".join(wrong)
    # Proof that the search can find: keeper and front do hold their keys.
    assert {"raw key", "keystore's key", "TLS key"} == {name.split(",")[0] for name in held}


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
