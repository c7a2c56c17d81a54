"""packaging/host's units under a systemd that runs: their sandboxes let the programs of an unpacked image do their work, a watchdog that is
killed leaves the enclave and is started again, and nothing else can be done from inside.

Needs root, for a PID 1 in namespaces of its own; without, it is skipped. nitro-cli is a stand-in. Vsock has no namespaces: its ports
become sockets in the file system.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import oci_rig
import systemd_machine
from host_rig import HOST
from systemd_machine import until, write
from test_watchdog import POLICY

HERE = pathlib.Path(__file__).parent
SETTINGS = {"REGION": "us-east-1", "STACK_UUID": "7f6a0bd0", "VALIDATOR_TABLE": "dev-validators", "TLS_TABLE": "dev-tls", "ENCLAVE_CPUS": "2",
            "ENCLAVE_MEMORY": "512", "MORE_OPTIONS": ""}
SOCKETS = {"vsock:16:443": "unix:/run/nitro_enclaves/https", "vsock:any:8000": "unix:/run/sockets/kms",
           "vsock:any:8001": "unix:/run/sockets/dynamodb", "vsock:any:8002": "unix:/run/sockets/log"}
PAGE = "/run/nitro-signer-watchdog/page"  # as docs/status-page.md has it
pytestmark = systemd_machine.needs_root


def unpack(bin_dir, folder, place):
    """What pull leaves, of this build's programs."""
    oci_rig.parts(bin_dir, folder)
    oci_rig.build(*oci_rig.arguments(folder, folder / "host.oci.tar"))
    (folder / "layout").mkdir()
    place.mkdir(parents=True)
    subprocess.run(["tar", "-xf", folder / "host.oci.tar", "-C", folder / "layout"], check=True, timeout=60)
    layer = next(blob for blob in (folder / "layout/blobs/sha256").iterdir() if blob.read_bytes()[:2] == b"\x1f\x8b")
    subprocess.run(["tar", "-xzf", layer, "-C", place], check=True, timeout=60)
    machine = os.uname().machine
    (place / "loader").symlink_to({"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}[machine])
    (place / "libraries").symlink_to(f"usr/lib/{machine}-linux-gnu")


PREPARE = """
systemd-sysusers /etc/sysusers.d/nitro-signer.conf
mkdir -m 775 /run/nitro_enclaves
cp /etc/nitro-signer/pcr0 /run/nitro_enclaves/ # for the stand-in of nitro-cli
mkdir -p -m 775 /var/log/nitro_enclaves
chgrp ne /run/nitro_enclaves /var/log/nitro_enclaves
"""


class Host(systemd_machine.Machine):
    def __init__(self, bin_dir, folder):
        overlay = folder / "overlay"
        unpack(bin_dir, folder, overlay / "opt/nitro-signer/current")
        units = overlay / "etc/systemd/system"
        units.mkdir(parents=True)
        (overlay / "opt/nitro-signer/host").mkdir()
        for path in HOST.iterdir():
            shutil.copy(path, units if path.suffix in (".service", ".target") else overlay / "opt/nitro-signer/host")
        write(overlay / "etc/sysusers.d/nitro-signer.conf", (HOST / "nitro-signer.sysusers").read_text())
        settings = {**SETTINGS, "MORE_OPTIONS": f"--status-page=unix:{PAGE}"}
        write(overlay / "etc/nitro-signer/units.env", "".join(f"NITRO_SIGNER_{name}={value}\n" for name, value in settings.items()))
        write(overlay / "etc/nitro-signer/policy.txt", POLICY)
        write(overlay / "etc/nitro-signer/pcr0", oci_rig.measurements(folder)["PCR0"])
        write(overlay / "usr/bin/nitro-cli", (HERE.parent / "integration/fake_nitro_cli.py").read_text(), 0o755)
        # Other addresses, and no other change: each unit's own line, and room for its sockets.
        line = re.search(r"^ExecStart=(?:.*\\\n)*.*$", (HOST / "nitro-signer-proxy.service").read_text(), re.MULTILINE)[0]
        for old, new in SOCKETS.items():
            assert old in line
            line = line.replace(old, new)
        write(units / "nitro-signer-proxy.service.d/test.conf", f"[Service]\nExecStart=\n{line}\nRuntimeDirectory=sockets\n")
        write(units / "nitro-signer-watchdog.service.d/test.conf",
              "[Service]\nEnvironment=FAKE_NITRO_CLI=/run/nitro_enclaves AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1\n")
        write(overlay / "prepare", PREPARE)
        super().__init__(overlay, folder, "nitro-signer-logs.service nitro-signer.target")

    def calls(self):
        path = pathlib.Path(f"/proc/{self.pid}/root/run/nitro_enclaves/calls")
        return [json.loads(line)["words"][0] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def host(bin_dir, tmp_path_factory):
    systemd_machine.skip_without_mounts()
    one = None
    try:
        one = Host(bin_dir, tmp_path_factory.mktemp("host"))
        yield one
    finally:
        if one:
            one.close()


def test_the_proxy_serves_in_its_sandbox(host):
    until(lambda: host.show("nitro-signer-proxy", "ActiveState") == "active", lambda: host.journal("nitro-signer-proxy"))
    assert host.show("nitro-signer-proxy", "NRestarts") == "0", host.journal("nitro-signer-proxy")
    relay = ("import socket,sys,os;os.umask(0);s=socket.socket(socket.AF_UNIX);s.bind('/run/nitro_enclaves/https');s.listen();"
             "c=socket.create_connection((sys.argv[1],8443),20);a,_=s.accept();c.sendall(b'through');print(a.recv(9).decode());"
             "os.unlink('/run/nitro_enclaves/https')")
    for address in ("127.0.0.1", "::1"):
        assert host.run("/usr/bin/python3", "-c", relay, address) == "through"
    status = pathlib.Path(f"/proc/{host.pid}/root/proc/{host.show('nitro-signer-proxy', 'MainPID')}/status").read_text()
    for line in ("CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    assert re.search(r" nitro-signer-proxy\[\d+\]: ", host.journal("nitro-signer-proxy"))


def test_the_watchdog_starts_nitro_cli_in_its_sandbox(host):
    until(lambda: "run-enclave" in host.calls(), lambda: host.journal("nitro-signer-watchdog"))
    assert host.show("nitro-signer-watchdog", "ActiveState") == "activating"  # no signer serves here
    assert host.run("systemctl", "is-active", "nitro-signer.target") == "active"  # which does not wait for it
    assert "has CID 16" in host.journal("nitro-signer-watchdog")


def test_the_status_page_on_a_socket_in_its_sandbox(host):
    path = host.root(PAGE)
    until(path.exists, lambda: host.journal("nitro-signer-watchdog"))
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    status = json.loads(host.run("curl", "--silent", "--fail", "--unix-socket", PAGE, "http://localhost/status.json"))
    assert status["condition"] in ("starting", "adopting", "restarting") and status["network"] == "mainnet"


def test_a_watchdog_that_is_killed_is_started_again_and_its_enclave_stays(host):
    until(lambda: "run-enclave" in host.calls(), lambda: host.journal("nitro-signer-watchdog"))
    # As nitro-cli leaves a process in the unit's group that holds the enclave.
    group = host.show("nitro-signer-watchdog", "ControlGroup")
    holder = "import os,sys,time;open(sys.argv[1],'w').write(str(os.getpid()));time.sleep(600)"
    with subprocess.Popen(["nsenter", "--target", str(host.pid), "--mount", "--pid", "--cgroup", "--root", "/usr/bin/python3", "-c", holder,
                           f"/sys/fs/cgroup{group}/cgroup.procs"]) as left:
        try:
            procs = pathlib.Path(f"/proc/{host.pid}/root/sys/fs/cgroup{group}/cgroup.procs")
            until(lambda: len(procs.read_text().split()) == 2, procs.read_text)
            first = host.show("nitro-signer-watchdog", "MainPID")
            host.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "nitro-signer-watchdog")
            until(lambda: host.show("nitro-signer-watchdog", "MainPID") not in ("0", first), "not started again")
            # Adopted, and looked at again.
            looks = host.calls().count("describe-enclaves")
            until(lambda: host.calls().count("describe-enclaves") >= looks + 2, lambda: host.journal("nitro-signer-watchdog"))
            assert left.poll() is None
            assert "terminate-enclave" not in host.calls() and host.calls().count("run-enclave") == 1
        finally:
            left.kill()


def test_the_journal_goes_to_the_file(host):
    path = pathlib.Path(f"/proc/{host.pid}/root/var/log/private/nitro-signer/host.log")
    until(lambda: path.exists() and "nitro-signer-watchdog[" in path.read_text() and "nitro-signer-proxy[" in path.read_text(),
          lambda: host.journal("nitro-signer-logs"))
    assert host.show("nitro-signer-logs", "ActiveState") == "active"


def test_stopping_the_target_ends_both_and_the_enclave(host):
    until(lambda: host.show("nitro-signer-proxy", "ActiveState") == "active", "the proxy is not active")
    host.run("systemctl", "stop", "nitro-signer.target")
    until(lambda: host.show("nitro-signer-watchdog", "ActiveState") == "inactive", lambda: host.journal("nitro-signer-watchdog"))
    until(lambda: host.show("nitro-signer-proxy", "ActiveState") == "inactive", lambda: host.journal("nitro-signer-proxy"))
    assert "terminate-enclave" in host.calls()
