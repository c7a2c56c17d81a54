"""The options of nitro-signer: by command line, environment and configuration file; those of Web3Signer's that
mean nothing here; --check-config. What is printed is read with PyYAML, not with our own reader."""
import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest
import requests
import yaml

from test_signer_standalone import one_key, sign_vectors, write_raw_keys  # noqa: F401 (fixtures)

TREE = pathlib.Path(__file__).resolve().parents[2]
DOCS = TREE / "docs"
PAGES = "\n".join((DOCS / f"{name}.md").read_text()
                  for name in ("options", "key-sources", "who-may-connect", "http-api", "slashing-history"))

# Web3Signer's own names: all of its base command and of eth2, with aliases. {} stands for a folder with the files.
GLOBAL = {
    "data-path": "{}", "key-config-path": "{}/keys", "key-store-path": "{}/keys", "logging": "WARN", "logging-format": "GELF", "access-logs-enabled": "true",
    "http-listen-host": "127.0.0.2", "http-listen-port": "6001", "http-host-allowlist": "a.example,b.example", "http-cors-origins": "https://a.example",
    "idle-connection-timeout-seconds": "45", "metrics-enabled": "true", "metrics-host": "127.0.0.3", "metrics-port": "6002",
    "metrics-host-allowlist": "c.example", "signer-load-parallel": "false", "reload-timeout": "45",
    "key-store-config-file-max-size": "1048576", "tls-keystore-file": "{}/file",
    "tls-keystore-password-file": "{}/file", "tls-known-clients-file": "{}/file", "tls-allow-ca-clients": "true",
    "tls-allow-any-client": "true"}
ETH2 = {
    "aws-secrets-enabled": "true", "aws-secrets-auth-mode": "ENVIRONMENT", "aws-secrets-access-key-id": "AKIA",
    "aws-secrets-secret-access-key": "geheim", "aws-secrets-region": "us-east-2", "aws-secrets-prefixes-filter": "a,b",
    "aws-secrets-tag": "a=b|c=d", "aws-endpoint-override": "https://localhost:4566",
    "network": "hoodi", "keystores-path": "{}/keys", "keystores-passwords-path": "{}/keys", "keystores-password-file": "{}/file",
    "key-manager-api-enabled": "true", "enable-key-manager-api": "true", "Xsigning-ext-enabled": "true", "commit-boost-api-enabled": "true",
    "proxy-keystores-path": "{}/proxies", "proxy-keystores-password-file": "{}/file",
    "slashing-protection-enabled": "false", "slashing-protection-db-url": "jdbc:postgresql://localhost/web3signer",
    "slashing-protection-db-username": "postgres", "slashing-protection-db-password": "geheim"}
OURS_GLOBAL = {"log-format": "JSON", "signing-threads": "3", "http-basic-credentials-file": "{}/file", "http-path-tokens-file": "{}/file", "tls-client-ca-file": "{}/file"}
OURS_ETH2 = {
    "slashing-protection-far-future-epochs": "7", "boot-floor": "true", "slashing-protection-mode": "fleet",
    "slashing-protection-db-path": "{}/p.sqlite", "slashing-protection-db-password-file": "{}/file",
    "slashing-protection-dynamodb-table": "table", "slashing-protection-dynamodb-region": "eu-central-1",
    "slashing-protection-dynamodb-key-file": "{}/file", "slashing-protection-dynamodb-identity": "0x" + "11" * 32,
    "aws-credentials-file": "{}/file", "key-manager-token-file": "{}/file"}
IGNORED_GLOBAL = """signer-load-timeout signer-load-batch-size signer-load-sequential-threshold
    vertx-worker-pool-size metrics-categories metrics-category metrics-push-host metrics-push-port
    metrics-push-interval metrics-push-prometheus-job""".split()
IGNORED_ETH2 = """slashing-protection-db-pool-configuration-file slashing-protection-pruning-db-pool-configuration-file
    Xslashing-protection-db-connection-pool-enabled slashing-protection-pruning-enabled slashing-protection-pruning-at-boot-enabled
    slashing-protection-pruning-epochs-to-keep slashing-protection-pruning-slots-per-epoch slashing-protection-pruning-interval
    slashing-protection-db-health-check-timeout-milliseconds slashing-protection-db-health-check-interval-milliseconds Xtrusted-setup
    azure-vault-auth-mode azure-vault-name azure-client-id azure-tenant-id
    azure-client-secret azure-response-timeout azure-tags aws-connection-cache-size gcp-project-id gcp-secrets-filter""".split()
REFUSED_GLOBAL = {"metrics-push-enabled": "false"}
REFUSED_ETH2 = {"azure-vault-enabled": "false",
                "gcp-secrets-enabled": "false", "Xkey-manager-skip-keystore-storage": "false",
                **{f"Xnetwork-{fork}-fork-epoch": None for fork in ("altair", "bellatrix", "capella", "deneb", "electra", "fulu")}}
# Without these a value would contradict others.
COMPANIONS = {
    "tls-keystore-file": ["--tls-keystore-password-file={}/file", "--tls-allow-any-client"],
    "tls-keystore-password-file": ["--tls-keystore-file={}/file", "--tls-allow-any-client"],
    "tls-known-clients-file": ["--tls-keystore-file={}/file", "--tls-keystore-password-file={}/file"],
    "tls-allow-ca-clients": ["--tls-keystore-file={}/file", "--tls-keystore-password-file={}/file"],
    "tls-allow-any-client": ["--tls-keystore-file={}/file", "--tls-keystore-password-file={}/file"],
    "tls-client-ca-file": ["--tls-keystore-file={}/file", "--tls-keystore-password-file={}/file", "--tls-allow-ca-clients"],
    "http-basic-credentials-file": ["--http-listen-host=127.0.0.1"],
    "keystores-path": ["--slashing-protection-enabled=false", "--keystores-password-file={}/file"],
    "keystores-passwords-path": ["--slashing-protection-enabled=false", "--keystores-path={}/keys"],
    "keystores-password-file": ["--slashing-protection-enabled=false", "--keystores-path={}/keys"],
    "key-manager-token-file": ["--slashing-protection-db-path={}/p.sqlite", "--key-manager-api-enabled"],
    "key-manager-api-enabled": ["--slashing-protection-db-path={}/p.sqlite"],
    "enable-key-manager-api": ["--slashing-protection-db-path={}/p.sqlite"],
    "commit-boost-api-enabled": ["--slashing-protection-enabled=false", "--proxy-keystores-path={}/proxies",
                                 "--proxy-keystores-password-file={}/file"],
    "aws-secrets-enabled": ["--slashing-protection-enabled=false", "--aws-secrets-auth-mode=ENVIRONMENT"],
    "boot-floor": ["--slashing-protection-db-path={}/p.sqlite"],
    "slashing-protection-enabled": [],
    "slashing-protection-db-url": [],
    "slashing-protection-db-path": [],
    "slashing-protection-db-username": ["--slashing-protection-db-url=jdbc:postgresql://localhost/web3signer"],
    "slashing-protection-db-password": ["--slashing-protection-db-url=jdbc:postgresql://localhost/web3signer"],
    "slashing-protection-db-password-file": ["--slashing-protection-db-url=jdbc:postgresql://localhost/web3signer"]}
DYNAMODB = {"slashing-protection-dynamodb-table": "table", "slashing-protection-dynamodb-region": "eu-central-1",
            "slashing-protection-dynamodb-key-file": "{}/file", "aws-credentials-file": "{}/file"}
for _name in list(DYNAMODB) + ["slashing-protection-dynamodb-identity", "slashing-protection-mode"]:
    COMPANIONS[_name] = [f"--{n}={v}" for n, v in DYNAMODB.items() if n != _name]
ALIASES = {"log-format": "logging-format", "key-store-path": "key-config-path", "enable-key-manager-api": "key-manager-api-enabled"}


@pytest.fixture
def signer(bin_dir, folder):
    """signer(*words, environment={}, file=None): a finished run, in a folder that has a file and keys/."""
    (folder / "keys").mkdir(exist_ok=True)
    (folder / "file").write_text("x\n")

    def run(*words, environment=None, file=None, cwd=folder):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("WEB3SIGNER_")}
        words = [str(word).replace("{}", str(folder)) for word in words]
        if file is not None:
            (folder / "config.yaml").write_text(file.replace("{}", str(folder)))
            words.insert(0, f"--config-file={folder}/config.yaml")
        values = {name: value.replace("{}", str(folder)) for name, value in (environment or {}).items()}
        return subprocess.run([bin_dir / "nitro-signer", *words], capture_output=True, text=True, timeout=30, check=False, cwd=cwd,
                              env={**clean, **values})
    return run


def command(name, of_eth2, value=None):
    """--check-config with one option and what it cannot be without."""
    companions = COMPANIONS.get(name, ["--slashing-protection-enabled=false"] if of_eth2 else [])
    option = [] if value is None else [f"--{name}={value}"]
    if of_eth2:
        return ["--check-config", "eth2", *option, *companions]
    return ["--check-config", *option, *companions, "eth2", "--slashing-protection-enabled=false"]


def variable(name, of_eth2):
    return ("WEB3SIGNER_ETH2_" if of_eth2 else "WEB3SIGNER_") + name.upper().replace("-", "_")


def shown(run, name, of_eth2):
    """The line of --check-config: its key, its value, its origin."""
    assert run.returncode == 0, run.stderr
    key = ("eth2." if of_eth2 else "") + ALIASES.get(name, name)
    found = [line for line in run.stdout.splitlines() if line.removeprefix("# ").startswith(key + ": ")]
    assert len(found) == 1, found
    value, origin = found[0].removeprefix("# ").rsplit("  # ", 1)
    if value.endswith(": ********"):
        return "********", origin
    return str(yaml.safe_load(value)[key]), origin


USED = [(name, False, value) for name, value in {**GLOBAL, **OURS_GLOBAL}.items()] + \
       [(name, True, value) for name, value in {**ETH2, **OURS_ETH2}.items()]


@pytest.mark.parametrize("name, of_eth2, value", USED, ids=lambda x: str(x))
def test_each_option_from_each_source(signer, folder, name, of_eth2, value):
    expected = value.replace("{}", str(folder)) if value != "geheim" else "********"
    expected = expected.capitalize() if expected in ("true", "false") else expected
    key = ("eth2." if of_eth2 else "") + name
    by_words = signer(*command(name, of_eth2, value))
    assert shown(by_words, name, of_eth2) == (expected, "command line")
    by_environment = signer(*command(name, of_eth2), environment={variable(name, of_eth2): value})
    label = variable(ALIASES.get(name, name), of_eth2)
    assert shown(by_environment, name, of_eth2) == (expected, f"environment: {label}")
    by_file = signer(*command(name, of_eth2), file=f'{key}: "{value}"\n')
    assert shown(by_file, name, of_eth2) == (expected, "configuration file")
    for run in (by_words, by_environment, by_file):
        assert "geheim" not in run.stdout + run.stderr


@pytest.mark.parametrize("name, of_eth2", [(n, False) for n in IGNORED_GLOBAL] + [(n, True) for n in IGNORED_ETH2])
def test_what_means_nothing_here_is_told_in_one_line(signer, name, of_eth2):
    key = ("eth2." if of_eth2 else "") + name
    by_name = "metrics-categories" if name == "metrics-category" else name
    for run, told in ((signer(*command(name, of_eth2, "1")), f"--{by_name}"),
                      (signer(*command(name, of_eth2), environment={variable(name, of_eth2): "1"}), variable(by_name, of_eth2)),
                      (signer(*command(name, of_eth2), file=f"{key}: 1\n"), key.replace(name, by_name))):
        assert run.returncode == 0, run.stderr
        lines = run.stderr.splitlines()
        assert len(lines) == 1 and f"warn nitro-signer: {told}: ignored: " in lines[0], lines


@pytest.mark.parametrize("name, of_eth2, harmless", [(n, False, v) for n, v in REFUSED_GLOBAL.items()] +
                         [(n, True, v) for n, v in REFUSED_ETH2.items()])
def test_what_is_not_here_is_refused_by_name(signer, name, of_eth2, harmless):
    asked = "ECS" if harmless == "PLAIN" else "true"
    key = ("eth2." if of_eth2 else "") + name
    for run, told in ((signer(*command(name, of_eth2, asked)), f"--{name}"),
                      (signer(*command(name, of_eth2), environment={variable(name, of_eth2): asked}), variable(name, of_eth2)),
                      (signer(*command(name, of_eth2), file=f"{key}: {asked}\n"), key)):
        assert run.returncode == 2 and not run.stdout
        lines = run.stderr.splitlines()
        assert len(lines) == 1 and f" error nitro-signer: {told}: " in lines[0], lines
    if harmless:
        run = signer(*command(name, of_eth2, harmless))
        assert (run.returncode, run.stderr) == (0, "")


def option_names(text):
    return set(re.findall(r"(?<![\w-])--([A-Za-z][\w-]*)", text))


def test_help_has_every_option_and_so_have_these_tests(signer):
    common = {"help", "version"}
    head = option_names(signer("--help").stdout)
    assert head - common == {*GLOBAL, *OURS_GLOBAL, *IGNORED_GLOBAL, *REFUSED_GLOBAL, "config-file", "check-config"}
    body = option_names(signer("eth2", "--help").stdout)
    of_commands = {"from", "to", "epoch", "slot", "set-high-watermark", "remove-high-watermark"}
    assert body - common - of_commands == {*ETH2, *OURS_ETH2, *IGNORED_ETH2, *REFUSED_ETH2}


def test_help_and_version_in_all_their_forms(signer):
    version = signer("--version").stdout
    assert re.fullmatch(r"nitro-signer \d+\.\d+\.\d+ \(build [0-9a-f]{40}\)\n", version)
    assert signer("-V").stdout == signer("eth2", "-V").stdout == version
    assert signer("-h").stdout == signer("help").stdout == signer("--help").stdout != signer("eth2", "-h").stdout
    assert signer("help", "eth2").stdout == signer("eth2", "--help").stdout
    for words in (["-h"], ["eth2", "-h"], ["eth2", "export", "-h"], ["eth2", "watermark-repair", "-h"]):
        run = signer(*words)
        assert run.returncode == 0 and not run.stderr and run.stdout.startswith("Usage: nitro-signer")
        assert max(len(line) for line in run.stdout.split("\n\n", 1)[1].splitlines()) <= 100


def test_every_program_says_its_version_and_the_build_that_it_is(bin_dir):
    """Of the file that runs, by binutils; the version is in one place."""
    version = re.search(r"^project\(nitro-signer VERSION (\S+) ", (TREE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
    programs = sorted(path for path in pathlib.Path(bin_dir).glob("nitro-signer*") if path.is_file())
    assert len(programs) >= 13
    for program in programs:
        notes = subprocess.run(["readelf", "--wide", "--notes", program], capture_output=True, text=True, timeout=60, check=True).stdout
        build = re.search(r"Build ID: ([0-9a-f]{40})$", notes, re.MULTILINE)[1]
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
        assert (said.returncode, said.stdout, said.stderr) == (0, f"{program.name} {version} (build {build})\n", "")


def test_the_pages_have_the_options_there_are(signer):
    """In its tables; options of other programs are written with the program's name."""
    rows = "\n".join(line.split("|")[1] for line in PAGES.splitlines() if line.startswith("| `--"))
    there_are = option_names(signer("--help").stdout) | option_names(signer("eth2", "--help").stdout)
    assert option_names(rows) <= there_are
    assert {*GLOBAL, *ETH2, *OURS_GLOBAL, *OURS_ETH2, "config-file", "check-config"} <= option_names(rows)
    prose = option_names(PAGES)
    assert {*IGNORED_GLOBAL, *IGNORED_ETH2, *REFUSED_GLOBAL, *REFUSED_ETH2} <= prose


@pytest.mark.parametrize("sources", range(8))
def test_command_line_before_environment_before_file_before_default(signer, sources):
    environment = {"WEB3SIGNER_HTTP_LISTEN_PORT": "7001", "WEB3SIGNER_ETH2_NETWORK": "sepolia"} if sources & 2 else {}
    file = "http-listen-port: 6001\neth2.network: hoodi\n" if sources & 1 else None
    words = (["--http-listen-port=5001"], ["--network=gnosis"]) if sources & 4 else ([], [])
    run = signer("--check-config", *words[0], "eth2", "--slashing-protection-enabled=false", *words[1], environment=environment, file=file)
    port = "5001" if sources & 4 else "7001" if sources & 2 else "6001" if sources & 1 else "9000"
    network = "gnosis" if sources & 4 else "sepolia" if sources & 2 else "hoodi" if sources & 1 else "mainnet"
    assert shown(run, "http-listen-port", False)[0] == port
    assert shown(run, "network", True)[0] == network


@pytest.mark.parametrize("file, said", [
    ("", "--config-file: is empty"),
    ("# only this\n", "--config-file: is empty"),
    ("http-listen-prot: 1\n", "line 1: unknown key http-listen-prot; is http-listen-port meant?"),
    ("network: hoodi\n", "unknown key network; is eth2.network meant?"),
    ("eth2:\n  network: hoodi\n", "line 1: unknown key eth2"),
    ("http-listen-port: 1\nhttp-listen-port: 2\n", "line 2: this key stands twice"),
    ("key-config-path: keys\nkey-store-path: keys\n", "key-config-path: given twice"),
    ("http-listen-port: many\n", " http-listen-port: must be a decimal number"),
    ("http-listen-port: 70000\n", " http-listen-port: must be from 0 to 65535"),
    ("http-listen-port: [1]\n", "line 1: http-listen-port: must not be a list"),
    ("http-listen-port: {a: 1}\n", "line 1: http-listen-port: must be a plain value"),
    ("http-listen-port:\n", "http-listen-port: must not be empty"),
    ("eth2.slashing-protection-enabled: 0\n", "eth2.slashing-protection-enabled: must be true or false"),
    ("metrics-enabled: yes\n", "metrics-enabled: must be true or false"),
    ("http-listen-port: 1\n---\nhttp-listen-port: 2\n", "must be one YAML document"),
    ("just words\n", "--config-file: line 1"),
    ("http-listen-host: &a x\nmetrics-host: *a\n", "anchors"),
    ("http-listen-host: 'x\n", "--config-file: line"),
    pytest.param("http-listen-host: " + "x" * 300000, "--config-file: longer than", id="long"),
])
def test_mistakes_in_the_file(signer, file, said):
    run = signer("--check-config", "eth2", file=file)
    assert run.returncode == 2 and not run.stdout
    assert len(run.stderr.splitlines()) == 1 and said in run.stderr


def test_a_file_that_is_not_there(signer, folder):
    for path in (folder / "none.yaml", folder):
        run = signer(f"--config-file={path}", "eth2")
        assert run.returncode == 2 and "--config-file: " in run.stderr


def test_lists_and_other_modes_in_the_file(signer):
    run = signer("--check-config", "eth2", file='http-host-allowlist: ["a.example", "b.example"]\nmetrics-host-allowlist: "*"\n'
                 "eth1.chain-id: 2017\neth2.slashing-protection-enabled: false\neth2.azure-tags: {a: b}\neth2.export.to: x\n")
    assert shown(run, "http-host-allowlist", False) == ("a.example,b.example", "configuration file")
    told = run.stderr.splitlines()
    assert len(told) == 3 and "eth1.chain-id: ignored" in told[0] and "eth2.azure-tags: ignored" in told[1]
    assert "eth2.slashing-protection-enabled: false: nothing that is signed will be remembered" in told[2]


@pytest.mark.parametrize("words, said", [
    (["--http-listen-port=1", "--http-listen-port=2", "eth2"], "--http-listen-port: given twice"),
    (["--key-config-path=x", "--key-store-path=x", "eth2"], "--key-config-path: given twice"),
    (["--config-file", "--http-listen-port=2", "eth2"], "--config-file: needs a value"),
    (["--htp-listen-port=1", "eth2"], "--htp-listen-port: unknown option; is --http-listen-port meant?"),
    (["eth2", "--slashing-protection-db-pasword=geheim"],
     "--slashing-protection-db-pasword: unknown option; is --slashing-protection-db-password meant?"),
    (["-x", "eth2"], "-x: unknown option"),
    (["-lLOUD", "eth2"], "--logging: must be one of"),
    (["--data-path=", "eth2"], "--data-path: must not be empty"),
    (["eth1", "--chain-id=1"], "argument 1: eth1 is a mode that is not here"),
    (["eth2", "-lDEBUG"], "-lDEBUG: must stand before the word eth2"),
])
def test_mistakes_on_the_command_line(signer, words, said):
    run = signer(*words)
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1 and said in run.stderr and "geheim" not in run.stderr


def test_conflicts_across_sources(signer):
    environment = {"WEB3SIGNER_TLS_KEYSTORE_FILE": "{}/file", "WEB3SIGNER_TLS_ALLOW_ANY_CLIENT": "true"}
    run = signer("--tls-keystore-password-file={}/file", "eth2", environment=environment, file="tls-known-clients-file: {}/file\n")
    assert run.returncode == 2 and "--tls-allow-any-client: cannot be given together" in run.stderr
    run = signer("eth2", "--slashing-protection-db-path={}/p", environment={"WEB3SIGNER_ETH2_SLASHING_PROTECTION_DB_URL": "jdbc:x"})
    assert run.returncode == 2 and "only one of them" in run.stderr


def test_variables_that_are_not_options(signer):
    """Those of Kubernetes for a service of that name, and of the original's start script, are nobody's mistake."""
    others = {"WEB3SIGNER_PORT": "tcp://10.0.0.1:9000", "WEB3SIGNER_SERVICE_HOST": "10.0.0.1", "WEB3SIGNER_SERVICE_PORT": "9000",
              "WEB3SIGNER_PORT_9000_TCP": "tcp://10.0.0.1:9000", "WEB3SIGNER_PORT_9000_TCP_PROTO": "tcp", "WEB3SIGNER_OPTS": "-Xmx1g",
              "WEB3SIGNER_PORT_9000_TCP_PORT": "9000", "WEB3SIGNER_PORT_9000_TCP_ADDR": "10.0.0.1", "WEB3SIGNER_HELP": "true"}
    run = signer("--check-config", "eth2", "--slashing-protection-enabled=false", environment=others)
    assert (run.returncode, run.stderr) == (0, "")
    run = signer("--check-config", "eth2", "--slashing-protection-enabled=false",
                 environment={"WEB3SIGNER_ETH2_NETWROK": "hoodi", "WEB3SIGNER_CONFIG_FILE": "x", "WEB3SIGNER_CHECK_CONFIG": "false"})
    assert run.returncode == 0
    told = "\n".join(sorted(line.split(": ", 1)[1] for line in run.stderr.splitlines()))
    assert "WEB3SIGNER_ETH2_NETWROK: this variable means nothing here; is this one meant? WEB3SIGNER_ETH2_NETWORK" in told
    assert told.count("heeded on the command line only") == 2


def test_what_check_config_prints_can_be_the_file(signer, folder):
    awkward = 'a "quoted" \\ name\nof two lines'
    (folder / awkward).mkdir()
    first = signer("--check-config", "-l", "debug", "--metrics-enabled", f"--key-config-path={folder}/{awkward}", "eth2", "--boot-floor",
                   "--slashing-protection-db-path={}/p.sqlite", "--network", "hoodi")
    assert first.returncode == 0 and not first.stderr
    again = signer("--check-config", "eth2", file=first.stdout)
    assert yaml.safe_load(again.stdout) == yaml.safe_load(first.stdout)
    assert yaml.safe_load(first.stdout)["key-config-path"] == f"{folder}/{awkward}"


@pytest.mark.parametrize("words, said", [
    (["--key-config-path=/nonexistent", "eth2", "--slashing-protection-enabled=false"], "--key-config-path: No such file"),
    (["eth2", "--slashing-protection-enabled=false", "--network=/nonexistent"], "--network"),
    (["eth2", "--slashing-protection-db-path=/nonexistent/folder/file"], "--slashing-protection-db-path"),
    (["eth2", "--slashing-protection-db-path={}/p", "import", "--from=/nonexistent"], "--from: No such file"),
    (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h"], "--slashing-protection-db-url: the name of the database is missing"),
    (["eth2", "--slashing-protection-db-url=jdbc:postgresql://h/d?a=b"], "--slashing-protection-db-url: parameter a: not known"),
    (["eth2", f"--slashing-protection-db-url=jdbc:postgresql://{'h' * 300}/d"], "--slashing-protection-db-url: host: too long"),
    (["eth2", "--slashing-protection-db-url=postgresql://u:p%q@h/d", "export", "--to=x"], "--slashing-protection-db-url: password: not"),
    (["--http-host-allowlist=a,*", "eth2", "--slashing-protection-enabled=false"], "--http-host-allowlist: * and none stand alone"),
    (["--metrics-host-allowlist=a,,b", "eth2", "--slashing-protection-enabled=false"], "--metrics-host-allowlist: empty name"),
    (["--http-cors-origins=https://.*", "eth2", "--slashing-protection-enabled=false"], "--http-cors-origins: must be origins"),
])
def test_check_config_finds_what_a_start_would(signer, words, said):
    run = signer("--check-config", *words)
    assert run.returncode == 2 and not run.stdout and said in run.stderr


def test_passwords_are_masked_in_an_address_too(signer):
    run = signer("--check-config", "eth2", "--slashing-protection-db-url=jdbc:postgresql://h/d?user=u&password=geheim")
    assert run.returncode == 0 and "geheim" not in run.stdout + run.stderr and "eth2.slashing-protection-db-url: ****" in run.stdout


def test_a_password_of_the_environment_goes_no_further(start, folder, one_key, postgres_database):
    """It is heeded, with a warning, and neither we nor our children have it in the environment afterwards."""
    database = postgres_database
    environment = {**os.environ, "WEB3SIGNER_ETH2_SLASHING_PROTECTION_DB_PASSWORD": database.password,
                   "WEB3SIGNER_ETH2_SLASHING_PROTECTION_DB_USERNAME": database.user}
    process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2",
                    f"--slashing-protection-db-url={database.jdbc_url}", env=environment)
    assert "WEB3SIGNER_ETH2_SLASHING_PROTECTION_DB_PASSWORD: a secret in the environment" in process.log()
    pids = [process.pid, *map(int, pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
    assert len(pids) >= 3
    for pid in pids:
        for file in ("environ", "cmdline"):
            assert database.password.encode() not in pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
    assert database.password not in process.log()


@pytest.mark.parametrize("mode, told", [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_a_password_in_a_file_for_all_eyes_is_told(signer, folder, mode, told):
    (folder / "own.yaml").write_text("eth2.slashing-protection-db-url: jdbc:postgresql://h/d\neth2.slashing-protection-db-password: geheim\n")
    (folder / "own.yaml").chmod(mode)
    run = signer("--check-config", "--config-file={}/own.yaml", "eth2")
    assert run.returncode == 0 and "geheim" not in run.stdout + run.stderr
    assert run.stderr.count("--config-file: a secret in a file that others than its owner can read") == told == len(run.stderr.splitlines())


# Web3Signer's documentation, word for word but for the paths, the database and the port (its own may be in use).
DOCUMENTED = """
web3signer --key-store-path=/Users/me/keyFiles/ eth2 --slashing-protection-db-url="jdbc:postgresql://localhost/web3signer" --slashing-protection-db-username=postgres --slashing-protection-db-password=password
web3signer --key-store-path=/Users/me/keyFiles/ eth2 --network=holesky --slashing-protection-db-url="jdbc:postgresql://localhost/web3signer" --slashing-protection-db-username=postgres --slashing-protection-db-password=password
web3signer --key-store-path=/Users/me/keys eth2 --slashing-protection-db-url="jdbc:postgresql://localhost/web3signer" --slashing-protection-db-username=postgres --slashing-protection-db-password=password --slashing-protection-pruning-enabled=true
web3signer eth2 --slashing-protection-db-url="jdbc:postgresql://localhost/web3signer" --slashing-protection-db-username=postgres --slashing-protection-db-password=password --slashing-protection-pruning-enabled=true --slashing-protection-pruning-at-boot-enabled=true --slashing-protection-pruning-epochs-to-keep=5000 --slashing-protection-pruning-interval=18
web3signer --key-store-path=/Users/me/keys --metrics-enabled --metrics-host-allowlist=* --http-host-allowlist=* --logging=info eth2 --network=mainnet --slashing-protection-db-url=jdbc:postgresql://postgres/web3signer --slashing-protection-db-username=postgres --slashing-protection-db-password=postgres --slashing-protection-pruning-enabled=true
""".strip().splitlines()


@pytest.mark.parametrize("line", DOCUMENTED)
def test_documented_command_lines_start_unchanged(start, folder, one_key, postgres_database, line):
    (folder / "keyFiles").symlink_to(folder / "keys")
    line = re.sub(r"jdbc:postgresql://\w+/web3signer", postgres_database.jdbc_url, line).replace("/Users/me", str(folder))
    line = line.replace("-username=postgres", f"-username={postgres_database.user}")
    environment = {**os.environ, "WEB3SIGNER_HTTP_LISTEN_PORT": "0", "WEB3SIGNER_DATA_PATH": str(folder), "WEB3SIGNER_METRICS_PORT": "0"}
    words = [re.sub("-db-password=.*", lambda _: f"-db-password={postgres_database.password}", word) for word in shlex.split(line)[1:]]
    process = start("nitro-signer", *words, env=environment)
    port = re.search(r"http-port=(\d+)", (folder / "web3signer.ports").read_text())[1]
    keys = requests.get(f"http://127.0.0.1:{port}/api/v1/eth2/publicKeys", timeout=20).json()
    assert keys == ([one_key] if "--key-store-path" in line else [])
    assert process.log().count(" warn ") == sum("pruning" in word for word in words)
    assert process.terminate() == 0


@pytest.mark.parametrize("line, named", [
    ("eth2 --azure-vault-enabled=true --azure-client-id=87efaa5b --azure-client-secret=geheim --azure-vault-name=AzureKeyVault",
     "--azure-vault-enabled"),
    ("eth2 --gcp-secrets-enabled=true --gcp-project-id=AKIA", "--gcp-secrets-enabled"),
])
def test_documented_command_lines_of_what_is_not_here_are_refused(signer, line, named):
    run = signer(*shlex.split(line))
    assert run.returncode == 2 and f" error nitro-signer: {named}: " in run.stderr and "geheim" not in run.stderr


def test_a_signer_from_its_file_alone_serves(start, folder, one_key):
    (folder / "config.yaml").write_text(json.dumps({  # JSON is YAML
        "http-listen-port": 0, "http-listen-host": "localhost", "key-config-path": f"{folder}/keys", "data-path": str(folder),
        "logging": "DEBUG", "idle-connection-timeout-seconds": 45, "http-host-allowlist": ["localhost", "signer.example"],
        "eth2.network": "minimal", "eth2.slashing-protection-db-path": f"{folder}/p.sqlite", "signer-load-parallel": False}))
    start("nitro-signer", f"--config-file={folder}/config.yaml", "eth2")
    port = re.search(r"http-port=(\d+)", (folder / "web3signer.ports").read_text())[1]
    url = f"http://localhost:{port}/api/v1/eth2/publicKeys"
    answer = requests.get(url, timeout=20)
    assert answer.json() == [one_key] and answer.headers["keep-alive"] == "timeout=45"
    assert requests.get(url, headers={"Host": "signer.example"}, timeout=20).status_code == 200
    assert requests.get(url, headers={"Host": "other.example"}, timeout=20).status_code == 403
