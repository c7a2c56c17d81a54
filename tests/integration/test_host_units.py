"""packaging/host's units: systemd takes them, their sandboxes are as tight as docs/host.md says, and their command lines run: from
an unpacked image, by its own loader, with addresses of this machine in the place of vsock's.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import oci_rig
from harness import connect, free_port
from host_rig import HOST
from test_proxy import listen
from test_watchdog import POLICY
from test_watchdog_aws import until

# What systemd-analyze security may say at most, 0 to 10: Debian 12's systemd, 252, as Amazon Linux 2023's.
EXPOSURE = {"nitro-signer-proxy.service": 1.7, "nitro-signer-watchdog.service": 2.1, "nitro-signer-start.service": 2.1,
            "nitro-signer-logs.service": 0.4}
SETTINGS = {"NITRO_SIGNER_REGION": "us-east-1", "NITRO_SIGNER_STACK_UUID": "7f6a0bd0", "NITRO_SIGNER_VALIDATOR_TABLE": "dev-validators",
            "NITRO_SIGNER_TLS_TABLE": "dev-tls", "NITRO_SIGNER_ENCLAVE_CPUS": "2", "NITRO_SIGNER_ENCLAVE_MEMORY": "512",
            "NITRO_SIGNER_MORE_OPTIONS": ""}
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


def command_of(unit):
    """ExecStart in words, as systemd would make them."""
    text = (HOST / unit).read_text().replace("\\\n", " ")
    line = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1]
    words = []
    for word in shlex.split(line):
        if re.fullmatch(r"\$[A-Z_]+", word):
            words += SETTINGS[word[1:]].split()
        else:
            words.append(re.sub(r"\$\{([A-Z_]+)\}", lambda name: SETTINGS[name[1]], word))
    return words


def test_every_unit_has_a_limit():
    assert {path.name for path in HOST.glob("*.service")} == set(EXPOSURE)


@pytest.mark.parametrize("unit", EXPOSURE)
def test_sandboxes_are_as_tight_as_the_document_says(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE[unit] * 10:.0f}", HOST / unit],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    told = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)[1])
    assert told == EXPOSURE[unit]
    assert re.search(rf"`{re.escape(unit)}` .*\| {told} \|", (HOST.parents[1] / "docs/host.md").read_text())


def test_systemd_takes_them(folder):
    """Every word of them is known, and what they start is there."""
    place = folder / "etc/systemd/system"
    place.mkdir(parents=True)
    for unit in HOST.glob("nitro-signer*.*"):
        if unit.suffix in (".service", ".target"):
            shutil.copy(unit, place)
    for name in ("current/loader", "host/start-if-wanted", "host/follow-logs"):
        path = folder / "opt/nitro-signer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)

    def verify():
        done = subprocess.run(["systemd-analyze", "verify", f"--root={folder}", "--recursive-errors=no", "--man=no",
                               *sorted(path.name for path in place.iterdir())], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    assert verify() == (0, "")
    with open(place / "nitro-signer-proxy.service", "a", encoding="ascii") as unit:
        unit.write("[Service]\nProtectEverything=yes\n")
    assert "ProtectEverything" in verify()[1]  # it would have told


@pytest.fixture(scope="module")
def release(bin_dir, tmp_path_factory):
    """What pull leaves, of this build's programs."""
    folder = oci_rig.parts(bin_dir, tmp_path_factory.mktemp("parts"))
    oci_rig.build(*oci_rig.arguments(folder, folder / "host.oci.tar"))
    layout, tree = folder / "layout", folder / "tree"
    layout.mkdir()
    tree.mkdir()
    subprocess.run(["tar", "-xf", folder / "host.oci.tar", "-C", layout], check=True, timeout=60)
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            subprocess.run(["tar", "-xzf", blob, "-C", tree], check=True, timeout=60)
    machine = os.uname().machine
    (tree / "loader").symlink_to({"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}[machine])
    (tree / "libraries").symlink_to(f"usr/lib/{machine}-linux-gnu")
    return tree


def script(folder, name, words, release, replacements):
    """A program that is the unit's command line."""
    words = [word.replace("/opt/nitro-signer/current", str(release)) for word in words]
    for old, new in replacements.items():
        assert any(old in word for word in words), old
        words = [word.replace(old, str(new)) for word in words]
    path = folder / name
    path.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    path.chmod(0o755)
    return path


def test_the_proxys_command_line_relays(start, folder, release):
    words = script(folder, "proxy", command_of("nitro-signer-proxy.service"), release,
                   {"tcp:[::]:8443": f"unix:{folder}/in", "vsock:16:443": f"unix:{folder}/enclave",
                    "tcp:127.0.0.1:9001": f"unix:{folder}/scrape", "vsock:16:9001": f"unix:{folder}/metrics", "vsock:any:8000": f"unix:{folder}/kms",
                    "vsock:any:8001": f"unix:{folder}/dynamodb", "vsock:any:8002": f"unix:{folder}/log"})
    with listen(f"unix:{folder}/enclave") as enclave, listen(f"unix:{folder}/metrics") as metrics:
        proxy = start(words)
        for way, end in (("in", enclave), ("scrape", metrics)):
            with connect(f"unix:{folder}/{way}") as client:
                served, _ = end.accept()
                with served:
                    client.sendall(b"through")
                    assert served.recv(100) == b"through"
        maps = pathlib.Path(f"/proc/{proxy.pid}/maps").read_text()
        assert f"{release}/usr/lib" in maps and " /usr/lib" not in maps and " /lib" not in maps
        assert "kms.us-east-1.amazonaws.com:443" in proxy.log() and "dynamodb.us-east-1.amazonaws.com:443" in proxy.log()
        assert proxy.terminate() == 0


def test_the_proxy_takes_both_families(start, folder, release):
    """One socket on [::] is all that there is."""
    port = free_port()
    words = script(folder, "proxy", command_of("nitro-signer-proxy.service"), release,
                   {"8443": port, "vsock:16:443": f"unix:{folder}/enclave", "tcp:127.0.0.1:9001": f"unix:{folder}/scrape",
                    "vsock:16:9001": f"unix:{folder}/metrics", "vsock:any:8000": f"unix:{folder}/kms",
                    "vsock:any:8001": f"unix:{folder}/dynamodb", "vsock:any:8002": f"unix:{folder}/log"})
    with listen(f"unix:{folder}/enclave") as enclave:
        start(words)
        for address in (f"tcp:127.0.0.1:{port}", f"tcp:[::1]:{port}"):
            with connect(address) as client:
                served, _ = enclave.accept()
                with served:
                    client.sendall(b"x")
                    assert served.recv(10) == b"x"


def test_the_watchdogs_command_line_starts_nitro_cli(start, folder, release, bin_dir):
    """A program of the machine's own, with its own libraries, and no loader's variable in its environment. Without an enclave behind it
    the watchdog waits for the control port, until it is ended and ends the enclave."""
    (folder / "policy.txt").write_text(POLICY)
    (folder / "nitro").mkdir()
    cli = folder / "nitro-cli"
    shutil.copy(pathlib.Path(__file__).with_name("fake_nitro_cli.py"), cli)
    cli.chmod(0o755)
    words = script(folder, "watchdog", command_of("nitro-signer-watchdog.service"), release,
                   {"/usr/bin/nitro-cli": cli, "/etc/nitro-signer/policy.txt": folder / "policy.txt",
                    "tcp:127.0.0.1:9102": f"unix:{folder}/scrape", "tcp:127.0.0.1:9002": f"unix:{folder}/page"})
    watchdog = start(words, ready=False, env={"PATH": os.environ["PATH"], "FAKE_NITRO_CLI": str(folder / "nitro"), "WATCHDOG_USEC": "60000000",
                                              "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"})
    calls = folder / "nitro/calls"
    until(lambda: calls.exists() and "run-enclave" in calls.read_text(), "run-enclave")
    assert (folder / "scrape").is_socket() and (folder / "page").is_socket()
    maps = pathlib.Path(f"/proc/{watchdog.pid}/maps").read_text()
    assert f"{release}/usr/lib" in maps and " /usr/lib" not in maps
    run = next(call for call in map(json.loads, calls.read_text().splitlines()) if call["words"][0] == "run-enclave")
    assert run["words"] == ["run-enclave", "--eif-path", f"{release}/usr/share/nitro-signer/nitro-signer.eif", "--cpu-count", "2", "--memory", "512",
                            "--enclave-cid", "16", "--enclave-name", "nitro-signer"]
    assert not [name for name in run["environment"] if name.startswith(("LD_", "NOTIFY", "WATCHDOG", "AWS_"))]
    assert watchdog.terminate(60) == 0
    assert "terminate-enclave" in calls.read_text()
