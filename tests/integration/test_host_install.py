"""packaging/host/install and start-if-wanted on a scratch root: which files come of which settings, what is asked of Amazon Linux's
programs, and what a second run leaves alone. Users are made by systemd's own program.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess

import pytest

from host_rig import FILES, HOST, Image, Machine, Registry, STACK_UUID, plain_members
from key_servers import Certificate

UNITS = sorted(path.name for path in HOST.iterdir() if path.suffix in (".service", ".target"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"), "registry")


@pytest.fixture
def machine(folder, certificate):
    with contextlib.closing(Registry(certificate)) as registry:
        one = Machine(folder, registry)
        one.image_put = Image().put(registry)
        agent = one.root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
        agent.parent.mkdir(parents=True)
        shutil.copy(one.bin / "aws", agent)
        yield one


def test_a_new_instance(machine):
    said = machine.run("install")
    calls = machine.calls()
    assert "dnf install -y --setopt=install_weak_deps=False aws-nitro-enclaves-cli amazon-cloudwatch-agent" in calls
    for word in ("systemctl daemon-reload", "systemctl restart nitro-enclaves-allocator.service", "systemctl enable --quiet nitro-signer-start.service",
                 "systemctl enable --quiet --now nitro-signer-logs.service", "systemctl start --no-block nitro-signer-start.service",
                 "systemctl enable --quiet nitro-enclaves-allocator.service"):
        assert word in calls, word
    assert not [call for call in calls if "nitro-signer.target" in call]  # that is the parameter's business
    assert calls.index("systemctl restart nitro-enclaves-allocator.service") < calls.index("aws ecr get-login-password --region us-east-1")
    assert "install: done" in said and machine.current.exists()
    assert re.search(r"^memory_mib: 512\ncpu_count: 2$", machine.read("etc/nitro_enclaves/allocator.yaml"), re.MULTILINE)
    assert machine.read("etc/nitro-signer/units.env").splitlines()[1:] == [
        "NITRO_SIGNER_REGION=us-east-1", f"NITRO_SIGNER_STACK_UUID={STACK_UUID}", "NITRO_SIGNER_VALIDATOR_TABLE=dev-validators",
        "NITRO_SIGNER_TLS_TABLE=dev-tls", "NITRO_SIGNER_ENCLAVE_CPUS=2", "NITRO_SIGNER_ENCLAVE_MEMORY=512", "NITRO_SIGNER_MORE_OPTIONS="]
    for name in UNITS:
        assert machine.read(f"etc/systemd/system/{name}") == (HOST / name).read_text()
    files = json.loads(machine.read("opt/aws/amazon-cloudwatch-agent/etc/nitro-signer.json"))["logs"]["logs_collected"]["files"]["collect_list"]
    assert {file["log_group_name"] for file in files} == {"/nitro-signer/dev"} and files[0]["file_path"] == "/var/log/nitro-signer/host.log"
    users = {line.split(":")[0]: line.split(":") for line in machine.read("etc/passwd").splitlines()}
    assert {"nitro-signer-proxy", "nitro-signer-watchdog"} <= set(users)
    assert all(users[name][6] == "/usr/sbin/nologin" for name in users if name.startswith("nitro-signer"))
    groups = {line.split(":")[0]: line.split(":")[3] for line in machine.read("etc/group").splitlines()}
    assert groups["ne"] == "nitro-signer-watchdog"
    # What the units run is there, and can run when the bundle is gone.
    for name in ("install", "pull", "unpack", "settings", "start-if-wanted", "follow-logs"):
        assert (machine.root / "opt/nitro-signer/host" / name).stat().st_mode & 0o777 == 0o755


def test_a_second_run_changes_nothing(machine):
    machine.run("install")
    machine.calls()
    before = {path: path.stat().st_mtime_ns for path in machine.root.rglob("*") if path.is_file()}
    machine.answers["rpm -q"] = (0, "")
    machine.run("install")
    calls = machine.calls()
    assert not [call for call in calls if "restart" in call or "daemon-reload" in call or call.startswith("dnf") or "agent-ctl" in call], calls
    written = {path for path in machine.root.rglob("*") if path.is_file() and path.stat().st_mtime_ns != before.get(path)}
    assert {path.name for path in written} <= {"host.env"}  # the test's own


def test_a_run_that_ended_before_there_were_users_is_made_good(machine):
    machine.run("install")
    for name in ("passwd", "group", "shadow", "gshadow"):
        (machine.root / "etc" / name).unlink(missing_ok=True)
    machine.run("install")
    assert "nitro-signer-watchdog:" in machine.read("etc/passwd") and "nitro-signer-proxy:" in machine.read("etc/passwd")


def test_what_is_installed_installs_again(machine):
    """From /opt/nitro-signer/host, without the bundle: as somebody does by hand after a change of host.env."""
    machine.run("install")
    place = machine.root / "opt/nitro-signer/host"
    for name in (*UNITS, "cloudwatch-agent.json", "nitro-signer.sysusers"):
        assert (place / name).exists(), name
    machine.settings["ENCLAVE_MEMORY"] = "1024"
    machine.calls()
    machine.run(place / "install")
    assert "systemctl restart nitro-enclaves-allocator.service" in machine.calls()
    assert "memory_mib: 1024" in machine.read("etc/nitro_enclaves/allocator.yaml")
    assert "NITRO_SIGNER_ENCLAVE_MEMORY=1024" in machine.read("etc/nitro-signer/units.env")


def test_an_upgrade_leaves_what_runs_and_says_so(machine):
    machine.run("install")
    Image(plain_members({**FILES, "usr/share/nitro-signer/pcrs.json": b"new"})).put(machine.registry)
    machine.calls()
    said = machine.run("install")
    assert "systemctl restart nitro-signer-proxy nitro-signer-watchdog" in said
    assert not [call for call in machine.calls() if "restart nitro-signer" in call]
    assert (machine.current / "usr/share/nitro-signer/pcrs.json").read_bytes() == b"new"


def test_debug_mode_and_an_access_document(machine):
    machine.settings["DEBUG_MODE"] = "true"
    (machine.root / "etc/nitro-signer/access.txt").write_text("an access document\n")
    machine.run("install")
    assert "NITRO_SIGNER_MORE_OPTIONS=--debug-mode --access=/etc/nitro-signer/access.txt" in machine.read("etc/nitro-signer/units.env")


def test_dnf_is_tried_again_and_what_does_not_come_is_named(machine):
    machine.answers["dnf install"] = (1, "")
    said = machine.run("install", status=1)
    assert "cannot install aws-nitro-enclaves-cli amazon-cloudwatch-agent" in said and "S3" in said
    assert len([call for call in machine.calls() if call.startswith("dnf")]) == 7
    machine.answers["dnf install"] = (0, "")
    machine.run("install")


def test_failures_are_named(machine):
    machine.answers["systemctl restart nitro-enclaves-allocator"] = (1, "")
    assert "512 MiB" in machine.run("install", status=1)
    machine.answers["systemctl restart nitro-enclaves-allocator"] = (0, "")
    (machine.root / "etc/nitro-signer/policy.txt").write_text("")
    assert "policy.txt: is missing or empty" in machine.run("install", status=1)
    (machine.root / "etc/nitro-signer/policy.txt").write_text("a policy")
    machine.registry.answers["/v2/host/manifests/latest"] = 500
    assert "HTTP 500" in machine.run("install", status=1)
    machine.registry.answers["/v2/host/manifests/latest"] = machine.image_put.manifest
    machine.run("install")


BAD_SETTINGS = [("REGION", "us-east-1; reboot", "REGION: is not of its form"), ("REGION", "$(reboot)", "REGION"), ("REGION", '"us-east-1"', "REGION"),
                ("STACK_UUID", "", "STACK_UUID: is not"), ("ENCLAVE_CPUS", "two", "ENCLAVE_CPUS"), ("ENCLAVE_MEMORY", "0512", "ENCLAVE_MEMORY"),
                ("DEBUG_MODE", "yes", "DEBUG_MODE"), ("LOG_GROUP", "a|b", "LOG_GROUP"), ("IMAGE", "https://x/y", "IMAGE"),
                ("IMAGE", "x/y@sha256:00", "IMAGE"), ("INIT_FLAG", "a b", "INIT_FLAG"), ("VALIDATOR_TABLE", "a\r", "VALIDATOR_TABLE"),
                ("EXTRA", "1", "must be NAME=VALUE"), ("STACK", "x\nNITRO_SIGNER_STACK=y", "twice"), ("STACK", "x\0", "zero byte"),
                ("STACK", "x\n NITRO_SIGNER_REGION=y", "must be NAME=VALUE"), ("STACK", "x\nexport A=1", "must be NAME=VALUE")]


@pytest.mark.parametrize("name, value, part", BAD_SETTINGS)
def test_settings_are_data_and_strict(machine, name, value, part):
    machine.settings[name] = value
    said = machine.run("install", status=1)
    assert part in said and "host.env" in said and machine.calls() == [], said
    assert sorted(os.listdir(machine.root)) == ["etc", "opt"] and not (machine.root / "opt/nitro-signer").exists()


@pytest.mark.parametrize("name", ["STACK", "REGION", "IMAGE", "INIT_FLAG", "LOG_GROUP", "DEBUG_MODE"])
def test_each_setting_is_required(machine, name):
    del machine.settings[name]
    assert f"NITRO_SIGNER_{name}: required" in machine.run("install", status=1)


@pytest.mark.parametrize("flag, status, part, starts", [
    ((0, "true"), 0, "is true: starting", True), ((0, "false"), 0, "is false: not started", False),
    ((0, "True"), 1, "neither true nor false", False), ((0, ""), 1, "neither", False), ((254, ""), 1, "cannot be read", False)])
def test_the_parameter_says_whether_it_starts(machine, flag, status, part, starts):
    machine.answers["aws ssm get-parameter"] = flag
    said = machine.run("start-if-wanted", status=status)
    calls = machine.calls()
    assert part in said and ("systemctl start nitro-signer.target" in calls) == starts
    assert calls[0] == "aws ssm get-parameter --region us-east-1 --name /dev/nitro-signer/init --query Parameter.Value --output text"


JOURNAL = r"""#!/usr/bin/python3
import os, pathlib, sys, time
folder = pathlib.Path(os.environ["HOST_RIG"])
with open(folder / "calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\n")
sys.stdout.buffer.write((folder / "journal").read_bytes())
sys.stdout.flush()
time.sleep(float(os.environ["JOURNAL_SECONDS"]))
"""


def follow(machine, text, seconds="0"):
    (machine.bin / "journalctl").write_text(JOURNAL)
    (machine.bin / "journalctl").chmod(0o755)
    (machine.root / "var/log").mkdir(parents=True, exist_ok=True)
    (machine.folder / "journal").write_bytes(text)
    done = subprocess.run([HOST / "follow-logs"], capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": f"{machine.bin}:{os.environ['PATH']}", "HOST_RIG": str(machine.folder),
                               "NITRO_SIGNER_ROOT": str(machine.root), "JOURNAL_SECONDS": seconds})
    assert done.returncode == 1 and "journalctl ended" in done.stderr and "Traceback" not in done.stderr, done.stderr


def entry(number, message, binary=False):
    body = b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n" if binary else b"MESSAGE=" + message + b"\n"
    return (f"__CURSOR=s=ab;i={number:x};b=cd;m=1;t=2;x=3\n__REALTIME_TIMESTAMP=17672256001234{number % 100:02}\n_PID=77\n"
            "SYSLOG_IDENTIFIER=nitro-signer-proxy\n").encode() + body + b"\n"


def test_the_journal_becomes_lines(machine):
    follow(machine, entry(1, b"relaying") + entry(2, b"two\nlines \x1b[31m \xff", binary=True))
    assert machine.read("var/log/nitro-signer/host.log").splitlines() == [
        "2026-01-01T00:00:00.123Z nitro-signer-proxy[77] relaying", "2026-01-01T00:00:00.123Z nitro-signer-proxy[77] two lines  [31m \ufffd"]
    first = (machine.folder / "calls").read_text()
    assert "--boot" in first and "_SYSTEMD_UNIT=nitro-signer-watchdog.service" in first and "--after-cursor" not in first
    follow(machine, b"")
    assert "--after-cursor=s=ab;i=1;b=cd;m=1;t=2;x=3" in (machine.folder / "calls").read_text()


def test_the_file_of_the_log_is_bounded(machine):
    follow(machine, b"".join(entry(i, b"x" * 8000) for i in range(10000)))
    sizes = [path.stat().st_size for path in (machine.root / "var/log/nitro-signer").glob("host.log*")]
    assert len(sizes) == 4 and max(sizes) <= 16 << 20
    follow(machine, entry(1, b"y" * 1000000))
    assert len(machine.read("var/log/nitro-signer/host.log").splitlines()[-1]) < 8300
