"""packaging/deb: what is in the Debian packages, and what becomes of a machine by them: installed, configured, upgraded, removed, purged and
installed again by apt under a systemd that runs, the signer remembers what it signed, and is never started unasked. The commands are docs/packages.md's.

Debian's own tools judge. `make deb-test` (NS_DEB_FULL=1) also compiles the packages, twice in other folders, compares them, and asks lintian.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import oci_rig
import systemd_machine
from harness import sanitized
from systemd_machine import until
from test_host_systemd import SETTINGS, SOCKETS
from test_watchdog import POLICY

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = TREE / "packaging/deb/build"
PAGE = TREE / "docs/packages.md"
FULL = os.environ.get("NS_DEB_FULL") == "1"
# What systemd-analyze security may say at most, 0 to 10, of Debian 12's systemd. The last two: as packaging/host's.
EXPOSURE = {"nitro-signer.service": 1.8, "nitro-signer-proxy.service": 1.7, "nitro-signer-watchdog.service": 2.1}
FOLLOWED = set()
UNIT = "nitro-signer.service"
STATE = "/var/lib/nitro-signer"
KEY = "0x9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07"
GENESIS = "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"  # hoodi's
OWN = ("nitro-signer", "nitro-signer-courier", "nitro-signer-fetcher", "nitro-signer-front", "nitro-signer-interchange", "nitro-signer-keeper",
       "nitro-signer-loader")
pytestmark = pytest.mark.skipif(not shutil.which("dh"), reason="no debhelper here: scripts/setup brings it")
needs_full = pytest.mark.skipif(not FULL, reason="make deb-test: compiles")


def run(*words, env=None, seconds=600):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False, env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_name(folder):
    return {path.name.split("_")[0]: path for path in folder.glob("*.deb")}


@pytest.fixture(scope="module")
def packages(bin_dir, tmp_path_factory):
    """Of this build's programs, or compiled."""
    if sanitized(f"{bin_dir}/nitro-signer"):
        pytest.skip("programs with a sanitizer are not for packages")
    folder = tmp_path_factory.mktemp("deb")
    run(BUILD, *([] if FULL else [f"--programs={pathlib.Path(bin_dir).parent}"]), folder, seconds=3600)
    return by_name(folder)


def content(package):
    """path: (mode, owner, what a link names)."""
    rows = {}
    for line in run("dpkg-deb", "--contents", package).splitlines():
        mode, owner, _, _, _, path, *link = line.split()
        rows[path.removeprefix(".")] = (mode, owner, link[-1] if link else None)
    return rows


def test_each_package_has_what_it_is_for(packages):
    assert set(packages) - {f"{name}-dbgsym" for name in packages} == {"nitro-signer", "nitro-signer-host", "nitro-signer-tools"}
    signer, host, tools = (content(packages[name]) for name in ("nitro-signer", "nitro-signer-host", "nitro-signer-tools"))
    for rows in (signer, host, tools):
        assert {row[1] for row in rows.values()} == {"root/root"}
        assert not [path for path in rows if path.startswith("/var")]
        assert not [path for path, row in rows.items() if row[0][0] not in "dl" and row[0] not in ("-rw-r--r--", "-rwxr-xr-x")]
        assert not set("st") & set("".join(row[0] for row in rows.values()))
    assert {path for path in signer if path.startswith("/usr/libexec/") and not path.endswith("/")} == {f"/usr/libexec/nitro-signer/{name}" for name in OWN}
    assert signer["/usr/bin/nitro-signer"][2] == "../libexec/nitro-signer/nitro-signer"
    assert {"/lib/systemd/system/nitro-signer.service", "/usr/share/man/man8/nitro-signer.8.gz", "/usr/share/doc/nitro-signer/packages.md"} <= set(signer)
    assert {"/usr/sbin/nitro-signer-proxy", "/usr/sbin/nitro-signer-watchdog", "/lib/systemd/system/nitro-signer.target",
            "/lib/systemd/system/nitro-signer-proxy.service", "/lib/systemd/system/nitro-signer-watchdog.service"} <= set(host)
    assert {"/usr/bin/nitro-signer-ctl", "/usr/share/man/man1/nitro-signer-ctl.1.gz", "/usr/share/bash-completion/completions/nitro-signer-ctl",
            "/usr/share/zsh/vendor-completions/_nitro-signer-ctl", "/usr/share/fish/vendor_completions.d/nitro-signer-ctl.fish"} <= set(tools)
    kept = {name: run("dpkg-deb", "--info", package, "conffiles") for name, package in packages.items() if name in ("nitro-signer", "nitro-signer-host")}
    assert kept == {"nitro-signer": "/etc/nitro-signer/signer.yaml\n", "nitro-signer-host": "/etc/nitro-signer/enclave.env\n"}
    assert "libssl3 (>= 3" in run("dpkg-deb", "--field", packages["nitro-signer"], "Depends")


def unpacked(packages, folder):
    for name in ("nitro-signer", "nitro-signer-host", "nitro-signer-tools"):
        run("dpkg-deb", "--extract", packages[name], folder)
    return folder


def test_systemd_takes_the_units_and_their_sandboxes_are_tight(packages, folder):
    units = unpacked(packages, folder) / "lib/systemd/system"
    assert {path.name for path in units.glob("*.service")} == set(EXPOSURE)
    done = subprocess.run(["systemd-analyze", "verify", f"--root={folder}", "--recursive-errors=no", "--man=no", *sorted(os.listdir(units))],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for unit, most in EXPOSURE.items():
        said = run("systemd-analyze", "security", "--offline=true", "--no-pager", units / unit)
        assert float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1]) <= most, said
    for name in OWN:
        notes = run("readelf", "--wide", "--notes", folder / "usr/libexec/nitro-signer" / name)
        assert re.search(r"Build ID: ([0-9a-f]{40})$", notes, re.MULTILINE)[1] in run(folder / "usr/libexec/nitro-signer" / name, "--version")


@pytest.fixture(scope="module")
def machine(packages, vectors, tmp_path_factory):
    if os.geteuid() != 0 or not pathlib.Path("/lib/systemd/systemd").exists():
        pytest.skip("not root, or no systemd: a PID 1 cannot be started")
    systemd_machine.skip_without_mounts()
    overlay = tmp_path_factory.mktemp("overlay")
    debs, newer, work = overlay / "debs", overlay / "newer", tmp_path_factory.mktemp("newer")
    debs.mkdir()
    newer.mkdir()
    for name in ("nitro-signer", "nitro-signer-host", "nitro-signer-tools"):
        shutil.copy(packages[name], debs)
        # The next release: the same programs.
        run("dpkg-deb", "--raw-extract", packages[name], work / name)
        control = work / name / "DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*$", "Version: 99.0.0", control.read_text(), flags=re.MULTILINE))
        run("dpkg-deb", "--build", "-Zgzip", "-z1", work / name, newer)
    (debs / "SHA256SUMS").write_text(run("sh", "-c", f"cd {debs} && sha256sum *.deb") + f"{'0' * 64}  of-the-image.eif\n")
    # What docs/packages.md calls its files: somebody else's keystore, and a history of it.
    example = json.loads((vectors / "eip-2335/erc-2335-pbkdf2.json").read_text())
    systemd_machine.write(debs / "validator_keys/keystore-m_12381_3600_0_0_0.json", json.dumps(example["keystore"]))
    systemd_machine.write(debs / "password.txt", example["password"])
    signed = {"pubkey": KEY, "signed_blocks": [], "signed_attestations": [{"source_epoch": "2", "target_epoch": "3"}]}
    systemd_machine.write(debs / "slashing-protection.json", json.dumps({
        "metadata": {"interchange_format_version": "5", "genesis_validators_root": GENESIS}, "data": [signed]}))
    # Nothing of ours is on the machine; services may be started; and the index of all manual pages is not what is tested.
    systemd_machine.write(overlay / "prepare", """
        ! getent passwd nitro-signer
        rm -rf /etc/nitro-signer /var/lib/nitro-signer /usr/sbin/policy-rc.d /var/lib/man-db/auto-update
        """)
    one = None
    try:
        one = systemd_machine.Machine(overlay, tmp_path_factory.mktemp("machine"))
        yield one
    finally:
        if one:
            one.close()


def page(heading):
    """The commands under a heading of docs/packages.md."""
    text = re.search(rf"^##+ {re.escape(heading)}$(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    return re.search(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def follow(machine, heading, folder="/debs"):
    FOLLOWED.add(heading)
    return machine.run("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "bash", "-euxc",
                       f"cd {folder}\n{page(heading)}", both=True)


def states(machine):
    return machine.run("systemctl", "is-active", UNIT, check=False), machine.run("systemctl", "is-enabled", UNIT, check=False)


def attest(machine, root, source="4", target="5"):
    """The status of the answer for an attestation to these blocks."""
    fork = {"previous_version": "0x50000910", "current_version": "0x50000910", "epoch": "0"}
    body = {"type": "ATTESTATION", "fork_info": {"fork": fork, "genesis_validators_root": GENESIS},
            "attestation": {"slot": "160", "index": "0", "beacon_block_root": "0x" + root * 32, "source": {"epoch": source, "root": "0x" + "00" * 32},
                            "target": {"epoch": target, "root": "0x" + "00" * 32}}}
    return machine.run("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", "Content-Type: application/json",
                       "--data", json.dumps(body), f"http://127.0.0.1:9000/api/v1/eth2/sign/{KEY}")


def started(machine):
    machine.run("systemctl", "reset-failed", UNIT, check=False)
    done = machine.run("systemctl", "start", UNIT, check=False, both=True)
    assert machine.run("systemctl", "is-active", UNIT, check=False) == "active", done + machine.journal(UNIT)


def programs_of(machine):
    return machine.run("pgrep", "nitro-signer", check=False)


def links_of(machine):
    """What would have them started at a boot, also once they are installed again."""
    return list(machine.root("/etc/systemd/system").glob("*.wants/nitro-signer*"))


def keeper_of(machine):
    return machine.run("pgrep", "--exact", "nitro-signer-ke").split()


def test_a_new_machine_runs_nothing_until_it_is_told_to(machine):
    follow(machine, "Look at what you have")
    follow(machine, "Install")
    machine.run("sh", "-c", "dpkg --force-unsafe-io --install /debs/nitro-signer-host_*.deb")
    assert states(machine) == ("inactive", "disabled")
    assert machine.run("systemctl", "is-active", "nitro-signer.target", check=False) == "inactive"
    assert "nitro-signer" not in machine.run("systemctl", "list-units", "--failed", "--no-legend")
    assert machine.run("stat", "--format=%a %U:%G", STATE, f"{STATE}/keystores").splitlines() == ["700 nitro-signer:nitro-signer"] * 2
    assert machine.run("getent", "passwd", "nitro-signer").endswith(":/usr/sbin/nologin")
    assert "ne" in machine.run("id", "-nG", "nitro-signer-watchdog").split()
    assert machine.run("nitro-signer-ctl", "--version").startswith("nitro-signer-ctl ")
    assert machine.run("nitro-signer", "--version").startswith("nitro-signer ")


def test_a_network_has_to_be_chosen(machine):
    assert machine.run("systemctl", "start", UNIT, check=False, both=True)
    said = machine.journal(UNIT)
    assert "--network: neither a known name nor a usable configuration file: CHOOSE-A-NETWORK" in said
    assert machine.show(UNIT, "ActiveState") == "failed"
    assert (machine.show(UNIT, "ExecMainStatus"), machine.show(UNIT, "NRestarts")) == ("2", "0")
    # Nor is the host's without its policy.
    assert machine.run("systemctl", "start", "nitro-signer-watchdog", check=False, both=True)
    assert machine.show("nitro-signer-watchdog", "AssertResult") == "no"


def test_it_signs_in_its_sandbox_and_refuses_what_is_slashable(machine):
    for heading in ("Choose a network", "Bring the keys", "Bring their history"):
        follow(machine, heading)
    said = follow(machine, "Start")
    assert KEY in said and 'eth2.network: "hoodi"' in said
    assert states(machine) == ("active", "enabled") and links_of(machine)
    assert attest(machine, "11", "1", "3") == "412"  # the history's
    assert attest(machine, "11") == "200"
    assert attest(machine, "22") == "412"
    status = machine.root(f"/proc/{keeper_of(machine)[0]}/status").read_text()
    for line in ("CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status
    assert int(re.search(r"VmLck:\s+(\d+) kB", status)[1]) > 0
    assert machine.run("curl", "--silent", "--fail", "http://127.0.0.1:9001/metrics").count("\n") > 50
    assert machine.run("stat", "--format=%U", f"{STATE}/protection.sqlite") == "nitro-signer"


def test_an_upgrade_ends_the_old_signer_and_starts_the_new_one(machine):
    before = keeper_of(machine)
    follow(machine, "Upgrade", "/newer")
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", "nitro-signer") == "99.0.0"
    until(lambda: machine.run("systemctl", "is-active", UNIT, check=False) == "active", lambda: machine.journal(UNIT))
    after = keeper_of(machine)
    assert len(before) == len(after) == 1 and before != after
    # systemd's own words, in the order of time.
    said = [word for word in re.findall(r" systemd\[1\]: (Starting|Started|Stopping|Stopped) ", machine.journal(UNIT))]
    assert said[-5:] == ["Started", "Stopping", "Stopped", "Starting", "Started"], said
    assert attest(machine, "22") == "412"
    assert attest(machine, "11") == "200"
    assert states(machine) == ("active", "enabled")


def test_what_does_not_run_is_not_started_by_an_upgrade(machine):
    machine.run("systemctl", "stop", UNIT)
    machine.run("sh", "-c", "dpkg --force-unsafe-io --install /newer/nitro-signer_*.deb")
    assert states(machine) == ("inactive", "enabled")
    follow(machine, "Move to another machine")
    assert states(machine) == ("inactive", "disabled")
    history = json.loads(machine.root(f"{STATE}/history.json").read_text())
    assert [row["pubkey"] for row in history["data"]] == [KEY] and history["data"][0]["signed_attestations"][-1]["target_epoch"] == "5"


VAULT = """type: hashicorp
keyType: BLS
serverHost: localhost
serverPort: 1
keyPath: /v1/secret/data/one
token: one
"""


def test_servers_are_reached_from_its_sandbox(machine):
    """Names are resolved and connections tried, as far as a port at which nobody listens."""
    settings, key = machine.root("/etc/nitro-signer/signer.yaml"), machine.root(f"{STATE}/keys/vault.yaml")
    before = settings.read_text()
    settings.write_text(re.sub(r"^eth2.slashing-protection-db-path: .*$", "eth2.slashing-protection-db-url: jdbc:postgresql://localhost:1/x\n"
                               "eth2.slashing-protection-db-username: one", before, flags=re.MULTILINE))
    try:
        key.write_text(VAULT)
        machine.run("chown", "nitro-signer:", f"{STATE}/keys/vault.yaml")
        machine.run("systemctl", "start", UNIT, check=False)
        machine.run("systemctl", "stop", UNIT)
        said = machine.journal(UNIT)
        assert "vault.yaml: localhost:1: Couldn't connect to server" in said, said
        # Which of a name's addresses is told is /etc/hosts' choice.
        assert re.search(r'connection to server at "(127\.0\.0\.1|::1)", port 1 failed: Connection refused', said), said
    finally:
        settings.write_text(before)
        key.unlink()


def left_behind(machine):
    """The watchdog is gone for good, and what nitro-cli started in its unit's group is there: the package stays, too."""
    group = machine.show("nitro-signer-watchdog", "ControlGroup")
    holder = "import os,sys,time;open(sys.argv[1],'w').write(str(os.getpid()));time.sleep(600)"
    with subprocess.Popen(["nsenter", "--target", str(machine.pid), "--mount", "--pid", "--cgroup", "--root", "/usr/bin/python3", "-c", holder,
                           f"/sys/fs/cgroup{group}/cgroup.procs"]) as enclave:
        try:
            until(lambda: len(machine.root(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split()) == 2, "not in the unit's group")
            machine.run("systemctl", "stop", "nitro-signer-watchdog")
            until(lambda: machine.show("nitro-signer-watchdog", "ActiveState") in ("inactive", "failed"), lambda: machine.journal("nitro-signer-watchdog"))
            said = machine.run("dpkg", "--force-unsafe-io", "--remove", "nitro-signer-host", check=False, both=True)
            assert "nitro-cli terminate-enclave" in said and machine.root("/usr/sbin/nitro-signer-watchdog").exists(), said
            assert enclave.poll() is None
        finally:
            for pid in machine.root(f"/sys/fs/cgroup{group}/cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)


def test_the_enclaves_host_works_in_its_sandbox(machine, bin_dir, folder):
    """nitro-cli is a stand-in, and vsock's ports are sockets in the file system, as in test_host_systemd.py."""
    oci_rig.parts(pathlib.Path(bin_dir), folder)

    def put(path, text, mode=0o644):
        systemd_machine.write(machine.root(path), text, mode)

    machine.run("install", "-d", "-g", "ne", "-m", "775", "/run/nitro_enclaves", "/var/log/nitro_enclaves")
    put("/run/nitro_enclaves/pcr0", oci_rig.measurements(folder)["PCR0"])
    put("/usr/bin/nitro-cli", (TREE / "tests/integration/fake_nitro_cli.py").read_text(), 0o755)
    machine.root("/opt/nitro-signer").mkdir()
    shutil.copy(folder / "signer.eif", machine.root("/opt/nitro-signer/nitro-signer.eif"))
    put("/etc/nitro-signer/policy.txt", POLICY)
    for name, value in SETTINGS.items():
        machine.run("sed", "-i", f"s/^NITRO_SIGNER_{name}=$/&{value}/", "/etc/nitro-signer/enclave.env")
    line = re.search(r"^ExecStart=(?:.*\\\n)*.*$", machine.root("/lib/systemd/system/nitro-signer-proxy.service").read_text(), re.MULTILINE)[0]
    for old, new in SOCKETS.items():
        assert old in line
        line = line.replace(old, new)
    put("/etc/systemd/system/nitro-signer-proxy.service.d/test.conf", f"[Service]\nExecStart=\n{line}\nRuntimeDirectory=sockets\n")
    put("/etc/systemd/system/nitro-signer-watchdog.service.d/test.conf",
        "[Service]\nEnvironment=FAKE_NITRO_CLI=/run/nitro_enclaves AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1\n")
    machine.run("systemctl", "daemon-reload")
    for command in re.findall(r"^[45]\. `(systemctl [^`]+)`", PAGE.read_text(), re.MULTILINE):
        machine.run(*command.split())
    assert {"nitro-signer-proxy.service", "nitro-signer-watchdog.service"} <= set(re.findall(r"nitro-signer\S+", machine.run(
        "systemctl", "list-dependencies", "--plain", "--all", "multi-user.target")))  # at the next boot, too
    until(lambda: machine.show("nitro-signer-proxy", "ActiveState") == "active", lambda: machine.journal("nitro-signer-proxy"))
    calls = machine.root("/run/nitro_enclaves/calls")
    until(lambda: calls.exists() and "run-enclave" in calls.read_text(), lambda: machine.journal("nitro-signer-watchdog"))
    assert "/opt/nitro-signer/nitro-signer.eif" in calls.read_text()
    assert "kms.us-east-1.amazonaws.com" in machine.journal("nitro-signer-proxy")
    # An upgrade leaves the enclave alone, and says so; removal does not.
    before = machine.show("nitro-signer-proxy", "MainPID")
    said = machine.run("sh", "-c", "dpkg --force-unsafe-io --install /newer/nitro-signer-host_*.deb", both=True)
    assert "the former version runs on" in said and machine.show("nitro-signer-proxy", "MainPID") == before
    left_behind(machine)
    machine.run("dpkg", "--force-unsafe-io", "--remove", "nitro-signer-host")
    assert "terminate-enclave" in calls.read_text() and not programs_of(machine)
    assert not links_of(machine)


def test_removed_and_purged_and_back_it_remembers(machine):
    started(machine)
    machine.run("systemctl", "enable", UNIT)
    # Who forbids packages to stop services keeps the package, too.
    systemd_machine.write(machine.root("/usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", 0o755)
    said = machine.run("dpkg", "--force-unsafe-io", "--remove", "nitro-signer", check=False, both=True)
    assert "First: systemctl stop nitro-signer" in said and states(machine) == ("active", "enabled")
    machine.root("/usr/sbin/policy-rc.d").unlink()
    machine.run("dpkg", "--force-unsafe-io", "--remove", "nitro-signer")
    assert not programs_of(machine)
    assert not links_of(machine)
    assert not machine.root("/usr/bin/nitro-signer").is_symlink() and machine.root("/etc/nitro-signer/signer.yaml").exists()
    assert machine.root(f"{STATE}/protection.sqlite").exists()
    said = follow(machine, "Remove")
    assert f"{STATE} stays" in said
    assert not machine.root("/etc/nitro-signer/signer.yaml").exists() and machine.root("/etc/nitro-signer/enclave.env").exists()
    assert machine.run("stat", "--format=%U", f"{STATE}/protection.sqlite", f"{STATE}/keystores-password.txt").splitlines() == ["nitro-signer"] * 2
    assert not machine.root("/usr/bin/nitro-signer-ctl").exists()
    follow(machine, "Install")
    assert states(machine) == ("inactive", "disabled")
    follow(machine, "Choose a network")
    started(machine)
    assert attest(machine, "22") == "412"
    assert attest(machine, "11") == "200"
    assert FOLLOWED == set(re.findall(r"^##+ ([^\n]+)\n(?:(?!#)[^\n]*\n)*?```sh$", PAGE.read_text(), re.MULTILINE))  # the whole page


@needs_full
def test_the_same_tree_gives_the_same_bytes_in_another_folder(packages, tmp_path):
    """Compiled again, somewhere else, with another umask and language, and no git: the time is given. The tree must stay as it is meanwhile."""
    copy = tmp_path / "elsewhere/with a longer name"
    copy.mkdir(parents=True)
    for name in ("CMakeLists.txt", "CHANGELOG.md", "LICENSE", "SECURITY.md", "cmake", "docs", "lib", "packaging", "src", "node_modules"):
        os.symlink(TREE / name, copy / name) if name == "node_modules" else run("cp", "-r", TREE / name, copy)
    epoch = run("git", "-C", TREE, "log", "-1", "--format=%ct").strip()
    assert time.strftime("%Y%m%d%H%M%S", time.gmtime(int(epoch))) in packages["nitro-signer"].name or "~" not in packages["nitro-signer"].name
    run("sh", "-c", f'umask 077; exec "{copy}/packaging/deb/build" "{tmp_path}/out"', seconds=3600,
        env={"SOURCE_DATE_EPOCH": epoch, "LC_ALL": "C", "TZ": "Asia/Tokyo", "CMAKE_C_COMPILER_LAUNCHER": ""})
    second = by_name(tmp_path / "out")
    assert set(second) == set(packages) and len(second) == 6
    for name, path in packages.items():
        assert path.read_bytes() == second[name].read_bytes(), name


def test_a_folder_that_debians_tools_do_not_take_is_refused(tmp_path):
    done = subprocess.run([BUILD, tmp_path / "a b"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "take no folder with a blank" in done.stderr


@needs_full
def test_lintian_has_nothing_to_say(packages):
    folder = next(iter(packages.values())).parent
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", *folder.glob("*.changes")],
                          capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
