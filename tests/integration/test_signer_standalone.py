"""nitro-signer, the stand-alone program, as a user of web3signer would run it: files in, HTTP out."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess

import pytest
import requests

from enclave_rig import eventually
from harness import free_port

GENESIS = "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673"
# Two published examples are not as the server reads them: camelCase members (facts of the original, 2.5).
NOT_AS_SERVED = {"openapi AGGREGATION_SLOT"}


class Signer:
    """A running nitro-signer on a port of its own."""

    def __init__(self, start, folder, eth2=(), arguments=(), scheme="http"):
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        keys = folder / "keys"
        keys.mkdir(exist_ok=True)
        self.process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={keys}", f"--data-path={self.data}",
                             *arguments, "eth2", *eth2)
        self.port = int(re.fullmatch(r"http-port=(\d+)\n", (self.data / "web3signer.ports").read_text())[1])
        self.url = f"{scheme}://localhost:{self.port}"

    def sign(self, pubkey, message, accept="application/json"):
        headers = {"Accept": accept, "Content-Type": "application/json"}
        return requests.post(f"{self.url}/api/v1/eth2/sign/{pubkey}", data=json.dumps(message), headers=headers, timeout=20)


def write_raw_keys(folder, secrets):
    (folder / "keys").mkdir(exist_ok=True)
    for i, secret in enumerate(sorted(secrets)):
        (folder / "keys" / f"key-{i}.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{secret}"\n')


@pytest.fixture(scope="session")
def sign_vectors(vectors):
    text = (vectors / "web3signer/web3signer-vectors.json").read_text()
    return [v for v in json.loads(text)["sign"] if v["name"] not in NOT_AS_SERVED]


def needs_altair(vector):
    """These published examples are of a minimal network that begins with Altair; the built-in one never reaches it."""
    return "SYNC_COMMITTEE" in vector["request"]["type"] or vector["name"] == "openapi BLOCK_V2 (ALTAIR)"


def is_of(vector, network):
    if network == "altair.yaml":
        return vector["network"] == "minimal" and needs_altair(vector)
    return vector["network"] in (network, "any") and not needs_altair(vector)


@pytest.mark.parametrize("network, least", [("minimal", 15), ("mainnet", 10), ("altair.yaml", 4)])
def test_published_requests_have_the_published_signatures(start, folder, sign_vectors, network, least):
    wanted = [v for v in sign_vectors if is_of(v, network)]
    assert len(wanted) >= least
    write_raw_keys(folder, {v["secret_key"] for v in wanted})
    (folder / "altair.yaml").write_text("PRESET_BASE: minimal\nCONFIG_NAME: minimal\nALTAIR_FORK_EPOCH: 0\n")
    name = folder / network if network.endswith(".yaml") else network
    signer = Signer(start, folder, [f"--network={name}", "--slashing-protection-enabled=false"])
    listed = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json()
    assert sorted(listed) == sorted({v["public_key"] for v in wanted})
    for vector in wanted:
        answer = signer.sign(vector["public_key"], vector["request"])
        assert (answer.status_code, answer.json()) == (200, {"signature": vector["signature"]}), vector["name"]
        with_root = {**vector["request"], "signingRoot": vector["signing_root"]}
        answer = signer.sign(vector["public_key"], with_root, accept="text/plain")
        assert (answer.status_code, answer.text) == (200, vector["signature"]), vector["name"]
        wrong = {**vector["request"], "signing_root": "0x" + "11" * 32}
        assert signer.sign(vector["public_key"], wrong).status_code == 400, vector["name"]


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
@pytest.mark.parametrize("way", ["yaml", "folder", "one password"])
def test_keystores_of_the_standard_are_loaded(start, folder, vectors, kdf, way):
    example = json.loads((vectors / f"eip-2335/erc-2335-{kdf}.json").read_text())
    password, pubkey = example["password"], "0x" + example["keystore"]["pubkey"]
    stores = folder / "stores"
    stores.mkdir()
    (stores / "one.json").write_text(json.dumps(example["keystore"]))
    eth2 = ["--slashing-protection-enabled=false"]
    if way == "yaml":
        (folder / "keys").mkdir()
        (folder / "password.txt").write_text(password + "\nsecond line\n")
        (folder / "keys/one.yaml").write_text(f"type: file-keystore\nkeystoreFile: {stores}/one.json\n"
                                              f"keystorePasswordFile: {folder}/password.txt\n")
    elif way == "folder":
        (stores / "one.txt").write_text(password + "\n")
        eth2 += [f"--keystores-path={stores}", f"--keystores-passwords-path={stores}"]
    else:
        (folder / "password.txt").write_text(password)
        eth2 += [f"--keystores-path={stores}", f"--keystores-password-file={folder}/password.txt"]
    signer = Signer(start, folder, eth2)
    assert requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json() == [pubkey]
    assert password not in signer.process.log()


@pytest.mark.parametrize("arguments, named", [
    ([], "eth2"),
    (["eth2"], "--slashing-protection-db-path"),
    (["eth2", "prune"], "argument 2"),
    (["eth2", "import"], "--from"),
    (["eth2", "import", "--from=x"], "--slashing-protection-db-path"),
    (["eth1"], "argument 1"),
    (["--no-such-option", "eth2"], "--no-such-option"),
    (["--http-listen-port=70000", "eth2"], "--http-listen-port"),
    (["--http-listen-port=+1", "eth2"], "--http-listen-port"),
    (["--logging=LOUD", "eth2"], "--logging"),
    (["--idle-connection-timeout-seconds=0", "eth2"], "--idle-connection-timeout-seconds"),
    (["--slashing-protection-enabled=false", "eth2"], "--slashing-protection-enabled"),
    (["eth2", "--slashing-protection-enabled=maybe"], "--slashing-protection-enabled"),
    (["eth2", "--slashing-protection-enabled"], "--slashing-protection-enabled"),
    (["eth2", "--slashing-protection-enabled=false", "--network=nowhere"], "--network"),
    (["eth2", "--slashing-protection-db-path=/nonexistent/folder/file"], "--slashing-protection-db-path"),
    (["eth2", "--slashing-protection-db-url=jdbc:postgresql:web3signer"], "--slashing-protection-db-url"),
    (["--check-config", "eth2", "--slashing-protection-db-url=jdbc:h2:mem:"], "--slashing-protection-db-url"),
    (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h/?user=a"], "--slashing-protection-db-url"),
    (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h/d?targetServerType=any"], "--slashing-protection-db-url"),
    (["eth2", "--slashing-protection-enabled=false", "--keystores-path=x"], "--keystores-path"),
    (["eth2", "--slashing-protection-enabled=false", "--keystores-password-file=x"], "--keystores-path"),
    (["eth2", "--slashing-protection-enabled=false", "--keystores-path=x", "--keystores-passwords-path=y",
      "--keystores-password-file=z"], "--keystores-password-file"),
    (["--tls-keystore-file=x", "eth2"], "--tls-keystore-password-file"),
    (["--tls-keystore-password-file=x", "eth2"], "--tls-keystore-file"),
    (["--tls-allow-any-client", "eth2"], "--tls-keystore-file"),
    (["--tls-keystore-file=x", "--tls-keystore-password-file=y", "eth2"], "--tls-known-clients-file"),
    (["--tls-keystore-file=x", "--tls-keystore-password-file=y", "--tls-allow-any-client=false", "eth2"], "--tls-known-clients-file"),
    (["--tls-known-clients-file=x", "eth2"], "--tls-keystore-file"),
    (["--http-listen-host=0.0.0.0", "--http-basic-credentials-file=x", "eth2"], "--http-basic-credentials-file"),
    (["--http-listen-host=::", "--http-path-tokens-file=x", "eth2"], "--http-path-tokens-file"),
    (["--tls-allow-ca-clients", "eth2"], "--tls-keystore-file"),
    (["--tls-keystore-file=x", "--tls-keystore-password-file=y", "--tls-allow-any-client", "--tls-known-clients-file=z", "eth2"],
     "--tls-allow-any-client"),
    (["--tls-keystore-file=x", "--tls-keystore-password-file=y", "--tls-allow-any-client", "--tls-allow-ca-clients", "eth2"],
     "--tls-allow-any-client"),
    (["--tls-keystore-file=x", "--tls-keystore-password-file=y", "--tls-known-clients-file=z", "--tls-client-ca-file=x", "eth2"],
     "--tls-client-ca-file"),
])
def test_usage_errors_name_the_option_and_end_with_2(start, arguments, named):
    process = start("nitro-signer", *arguments, ready=False)
    assert process.wait() == 2
    lines = process.log().splitlines()
    assert len(lines) == 1 and f" {named}: " in lines[0], lines


def test_an_option_on_the_wrong_side_of_eth2_is_told_so(start):
    for arguments, said in ((["--network=hoodi", "eth2"], "--network: must stand behind the word eth2"),
                            (["--network", "hoodi"], "--network: must stand behind the word eth2"),
                            (["eth2", "--http-listen-port", "1"], "--http-listen-port: must stand before the word eth2")):
        process = start("nitro-signer", *arguments, ready=False)
        assert process.wait() == 2
        assert said in process.log()


def test_help_and_version(bin_dir):
    for words in (["--help"], ["eth2", "--help"], ["eth2", "export", "--help"], ["--version"]):
        done = subprocess.run([bin_dir / "nitro-signer", *words], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0 and done.stdout and not done.stderr


def attestation(target, block="0x" + "44" * 32, source=0):
    checkpoint = lambda epoch, byte: {"epoch": str(epoch), "root": "0x" + byte * 32}
    return {"type": "ATTESTATION", "attestation": {"slot": str(8 * target), "index": "0", "beacon_block_root": block,
                                                   "source": checkpoint(source, "55"), "target": checkpoint(target, "66")},
            "fork_info": {"fork": {"previous_version": "0x00000001", "current_version": "0x00000001", "epoch": "0"},
                          "genesis_validators_root": GENESIS}}


@pytest.fixture
def one_key(folder, sign_vectors):
    vector = sign_vectors[0]
    write_raw_keys(folder, {vector["secret_key"]})
    return vector["public_key"]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_slashing_record_survives_a_restart(start, folder, one_key, ending):
    eth2 = ["--network=minimal", f"--slashing-protection-db-path={folder}/slashing.sqlite"]
    signer = Signer(start, folder, eth2)
    first = signer.sign(one_key, attestation(7))
    assert first.status_code == 200
    assert signer.sign(one_key, attestation(7, "0x" + "45" * 32)).status_code == 412
    signer.process.signal(ending)
    assert signer.process.wait() == (0 if ending != signal.SIGKILL else -signal.SIGKILL)
    signer = Signer(start, folder, eth2)
    assert signer.sign(one_key, attestation(7, "0x" + "45" * 32)).status_code == 412
    again = signer.sign(one_key, attestation(7))
    assert (again.status_code, again.json()) == (200, first.json())
    assert signer.sign(one_key, attestation(8, source=7)).status_code == 200


def test_a_relative_store_is_found_again_from_its_folder(start, folder, one_key):
    here = os.getcwd()
    try:
        os.chdir(folder)
        signer = Signer(start, folder, ["--network=minimal", "--slashing-protection-db-path=slashing.sqlite"])
    finally:
        os.chdir(here)
    assert signer.sign(one_key, attestation(7)).status_code == 200
    assert (folder / "slashing.sqlite").exists()


def test_root_keeps_records_in_a_folder_that_is_somebody_elses(start, folder, one_key):
    """A volume of a container: root reads it by a capability, of which the keeper needs one when it looks at its files again."""
    if os.geteuid() != 0:
        pytest.skip("only root has capabilities")
    private = folder / "private"
    private.mkdir(mode=0o700)
    os.chown(private, 65534, 65534)
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={private}/protection.sqlite"])
    assert signer.sign(one_key, attestation(7)).status_code == 200, signer.process.log()
    assert signer.sign(one_key, attestation(8)).status_code == 200, signer.process.log()


def test_a_second_instance_on_the_same_store_is_refused(start, folder, one_key):
    store = f"--slashing-protection-db-path={folder}/slashing.sqlite"
    signer = Signer(start, folder, ["--network=minimal", store])
    second = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2", "--network=minimal", store, ready=False)
    assert second.wait() == 1
    assert "listening" not in second.log()
    assert signer.sign(one_key, attestation(7)).status_code == 200


def test_a_port_in_use_is_named(start, folder, one_key):
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"])
    second = start("nitro-signer", f"--http-listen-port={signer.port}", f"--key-config-path={folder}/keys", "eth2",
                   "--slashing-protection-enabled=false", ready=False)
    assert second.wait() == 1
    assert "--http-listen-port" in second.log()


def test_a_fixed_port_and_health(start, folder, one_key):
    port = free_port()
    process = start("nitro-signer", f"--http-listen-port={port}", f"--key-config-path={folder}/keys", "eth2",
                    f"--slashing-protection-db-path={folder}/slashing.sqlite")
    assert requests.get(f"http://127.0.0.1:{port}/upcheck", timeout=20).text == "OK"
    health = requests.get(f"http://127.0.0.1:{port}/healthcheck", timeout=20)
    assert (health.status_code, health.json()["status"]) == (200, "UP")
    assert f"http://127.0.0.1:{port}" in process.log()


def children_of(pid):
    """Names and numbers; the loader may end while we look."""
    found = {}
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = pathlib.Path(f"/proc/{child}/cmdline").read_text().split("\0")
        except FileNotFoundError:
            continue
        found[pathlib.Path(words[0]).name] = int(child)
    return found


@pytest.mark.parametrize("name", ["keeper", "front"])
def test_the_end_of_a_child_ends_everything(start, folder, one_key, name):
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"])
    children = children_of(signer.process.pid)
    os.kill(children[f"nitro-signer-{name}"], signal.SIGKILL)
    assert signer.process.wait() == 1
    # Or the supervisor heard first of the other, which ended because its peer was gone.
    assert re.search(rf"nitro-signer-{name} was ended by signal 9|ended with status 1; ending", signer.process.log())
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children.values())


@pytest.mark.parametrize("first", ["all at once", "keeper", "front"])
def test_an_end_that_each_process_is_told_is_a_clean_one(start, folder, one_key, first):
    """Ctrl-C on a terminal, and systemctl stop of a unit that does not say KillMode=mixed."""
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"])
    children = children_of(signer.process.pid)
    if first == "all at once":
        os.killpg(signer.process.pid, signal.SIGINT)
    else:
        os.kill(children.pop(f"nitro-signer-{first}"), signal.SIGTERM)
        for pid in (*children.values(), signer.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    assert signer.process.wait() == 0
    assert "; ending" not in signer.process.log()


def make_pkcs12(folder, password):
    """By the openssl command line: somebody else's file."""
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    run("pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-out", "tls.p12", "-passout", f"pass:{password}")
    (folder / "tls.password").write_text(password + "\n")


def test_https_with_a_pkcs12_file(start, folder, one_key):
    make_pkcs12(folder, "correct horse")
    signer = Signer(start, folder, ["--network=minimal", "--slashing-protection-enabled=false"], scheme="https", arguments=[
        f"--tls-keystore-file={folder}/tls.p12", f"--tls-keystore-password-file={folder}/tls.password", "--tls-allow-any-client", "true"])
    answer = requests.get(f"{signer.url}/api/v1/eth2/publicKeys", verify=str(folder / "cert.pem"), timeout=20)
    assert answer.json() == [one_key]
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"http://localhost:{signer.port}/upcheck", timeout=20)
    assert "correct horse" not in signer.process.log()


def test_https_with_the_originals_own_pkcs12_file(start, folder, one_key, vectors):
    tls = vectors / "tls/web3signer"
    password = json.loads((tls / "passwords.json").read_text())["cert1.pfx"]
    (folder / "tls.password").write_text(password)
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"], scheme="https", arguments=[
        f"--tls-keystore-file={tls}/cert1.pfx", f"--tls-keystore-password-file={folder}/tls.password", "--tls-allow-any-client"])
    served = ssl.get_server_certificate(("127.0.0.1", signer.port))
    expected = subprocess.run(["openssl", "pkcs12", "-legacy", "-in", tls / "cert1.pfx", "-nokeys", "-clcerts", "-passin", f"pass:{password}"],
                              check=True, capture_output=True, text=True, timeout=60).stdout
    assert served.strip() in expected


def test_lighthouses_own_certificates_and_list_of_clients(start, folder, one_key, vectors):
    """The files with which Lighthouse tests itself against Web3Signer, as they are."""
    tls = vectors / "tls/lighthouse"
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"], scheme="https", arguments=[
        f"--tls-keystore-file={tls}/web3signer/key.p12", f"--tls-keystore-password-file={tls}/web3signer/password.txt",
        f"--tls-known-clients-file={tls}/web3signer/known_clients.txt"])
    words = ["curl", "-sS", "--max-time", "20", "--cacert", tls / "web3signer/cert.pem", f"https://127.0.0.1:{signer.port}/api/v1/eth2/publicKeys"]
    run = lambda *more: subprocess.run([*words, *more], capture_output=True, timeout=30, check=False)
    password = (tls / "lighthouse/password.txt").read_text().strip()
    answer = run("--cert-type", "P12", "--cert", f"{tls}/lighthouse/key.p12:{password}")
    assert answer.returncode == 0 and json.loads(answer.stdout) == [one_key]
    assert run().stdout == b"" != run().stderr
    password = (tls / "web3signer/password.txt").read_text().strip()
    assert run("--cert-type", "P12", "--cert", f"{tls}/web3signer/key.p12:{password}").stdout == b""
    eventually(lambda: 'certificate of "web3signer", SHA-256 bbd88a5d' in signer.process.log())  # logged after curl was told


def test_credentials_and_origins_by_the_options_of_the_program(start, folder, one_key):
    (folder / "basic").write_text("nimbus:a long enough password\n")
    (folder / "tokens").write_text("abcdefghijklmnopqrstuvwxyz\n")
    signer = Signer(start, folder, ["--slashing-protection-enabled=false"], arguments=[
        f"--http-basic-credentials-file={folder}/basic", f"--http-path-tokens-file={folder}/tokens", "--http-cors-origins=https://example.org"])
    path = "/api/v1/eth2/publicKeys"
    answer = requests.get(signer.url + path, auth=("nimbus", "a long enough password"), headers={"Origin": "https://example.org"}, timeout=20)
    assert answer.json() == [one_key] and answer.headers["access-control-allow-origin"] == "https://example.org"
    assert requests.get(f"{signer.url}/abcdefghijklmnopqrstuvwxyz{path}", timeout=20).json() == [one_key]
    assert requests.get(signer.url + path, timeout=20).status_code == 401
    for secret in ("long enough", "abcdefghijklm"):
        assert secret not in signer.process.log()


@pytest.mark.parametrize("option, text", [("tls-known-clients-file", "nobody"), ("http-basic-credentials-file", "nobody"),
                                          ("tls-client-ca-file", "nobody"), ("http-path-tokens-file", "short")])
def test_a_file_of_clients_that_is_none_is_told_by_the_option(start, folder, one_key, option, text):
    make_pkcs12(folder, "correct horse")
    (folder / "tls.password").write_text("correct horse\n")
    (folder / "list").write_text(text)
    clients = {"tls-known-clients-file": [], "tls-client-ca-file": ["--tls-allow-ca-clients"]}.get(option, ["--tls-allow-any-client"])
    process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", f"--tls-keystore-file={folder}/tls.p12",
                    f"--tls-keystore-password-file={folder}/tls.password", f"--{option}={folder}/list", *clients, "eth2",
                    "--slashing-protection-enabled=false", ready=False)
    assert process.wait() == 1
    assert f" error nitro-signer-front: --{option}: " in process.log(), process.log()


def test_a_wrong_tls_password_ends_with_1(start, folder, one_key):
    make_pkcs12(folder, "correct horse")
    (folder / "tls.password").write_text("wrong donkey\n")
    process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", f"--tls-keystore-file={folder}/tls.p12",
                    f"--tls-keystore-password-file={folder}/tls.password", "--tls-allow-any-client", "eth2",
                    "--slashing-protection-enabled=false", ready=False)
    assert process.wait() == 1
    assert "wrong donkey" not in process.log()


def test_a_damaged_key_file_is_told_and_the_others_serve(start, folder, one_key):
    (folder / "keys/bad.yaml").write_text("type: file-raw\nprivateKey: 0xdeadbeefcafe\n")
    signer = Signer(start, folder, ["--network=minimal", "--slashing-protection-enabled=false"])
    assert signer.sign(one_key, attestation(7)).status_code == 200
    assert requests.get(f"{signer.url}/healthcheck", timeout=20).status_code == 503
    assert "bad.yaml" in signer.process.log()
    assert "deadbeefcafe" not in signer.process.log()


def test_a_network_file(start, folder, one_key, vectors):
    signer = Signer(start, folder, [f"--network={vectors}/networks/raw/hoodi-config.yaml", "--slashing-protection-enabled=false"])
    assert signer.sign(one_key, attestation(7)).status_code == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("lockable_kib, outcome", [(8192, "with 5000 keys"), (4096, "with 5000 keys"), (64, "RLIMIT_MEMLOCK is 65536; raise it")])
def test_an_ordinary_user_with_little_lockable_memory(bin_dir, folder, lockable_kib, outcome):
    """8 MiB is what systemd and login shells give."""
    for name in ("nitro-signer", "nitro-signer-keeper", "nitro-signer-front", "nitro-signer-loader", "nitro-signer-fetcher"):
        shutil.copy(bin_dir / name, folder)
    keys = folder / "keys"
    keys.mkdir()
    for start in range(1, 5001, 1000):
        texts = (f'type: file-raw\nprivateKey: "0x{i:064x}"\n' for i in range(start, start + 1000))
        (keys / f"{start}.yaml").write_text("---\n".join(texts))
    for path in (folder, keys):
        path.chmod(0o777)
    command = ["prlimit", f"--memlock={lockable_kib * 1024}", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
               "--inh-caps=-all", "--bounding-set=-all", folder / "nitro-signer", "--http-listen-port=0", f"--key-config-path={keys}",
               "eth2", f"--slashing-protection-db-path={folder}/p.sqlite"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "listening on" in line:
                process.terminate()
        assert process.wait(60) == (0 if lockable_kib >= 4096 else 1), lines
    assert any(outcome in line for line in lines), lines
