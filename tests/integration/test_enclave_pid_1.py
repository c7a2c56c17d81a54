"""nitro-signer-enclave as PID 1: what it mounts, whom it starts with which rights, and its last words.

In name spaces (pid_1_rig.py): of what only a machine's PID 1 does (kernel settings, credit for randomness, clock,
heartbeat, options on the kernel's command line) nothing is seen here."""
import errno
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from pid_1_rig import LogSink, PidOne, libraries, make_root, need_name_spaces

USERS = {"enclave": 0, "keeper": 1001, "front": 1002, "courier": 1003}
SIGHUP = (128 + signal.SIGHUP, -signal.SIGHUP)


def eventually(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def image(bin_dir, tmp_path_factory):
    need_name_spaces(bin_dir)
    root = tmp_path_factory.mktemp("image") / "root"
    make_root(root, bin_dir)
    return root


@pytest.fixture
def root(image, folder):
    copy = folder / "r"
    subprocess.run(["cp", "-a", image, copy], check=True)
    return copy


@pytest.fixture
def nsm(start, root, bin_dir):
    start("nitro-signer-devcloud", f"--state={root.parent}/cloud", f"--nsm=unix:{root}/nsm", f"--measure={bin_dir}/nitro-signer-keeper")
    (root / "nsm").chmod(0o666)
    return "--nsm=unix:/nsm"


@pytest.fixture
def sink(root):
    sink = LogSink(root / "log")
    yield sink
    sink.stop()


@pytest.fixture
def boot(root):
    started = []

    def booter(*arguments):
        started.append(PidOne(root, *arguments))
        return started[-1]

    yield booter
    for one in started:
        one.end()


@pytest.fixture
def running(boot, nsm, sink):
    enclave = boot(nsm, "--log=unix:/log")
    eventually(lambda: "courier: ready" in sink.text or enclave.process.poll() is not None)
    assert enclave.process.poll() is None, enclave.said() + sink.text
    return enclave


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def test_it_serves_its_control_port(running):
    assert running.ask({"operation": "init_state"}) == {"status": 200, "body": {"init_state": False, "state": "wait"}}


def test_nothing_but_three_folders_of_memory_can_be_written(running):
    seen = running.path("/")
    for place in ("", "bin", "etc/nitro-signer", "dev", "lib"):
        with pytest.raises(OSError) as refused:
            (seen / place / "written").write_text("x")
        assert refused.value.errno in (errno.EROFS, errno.ENOENT), place
    with pytest.raises(OSError) as refused:
        (seen / "bin/nitro-signer-keeper").chmod(0o777)
    assert refused.value.errno == errno.EROFS
    (seen / "run/x").write_text("x")
    with pytest.raises(OSError) as refused:
        (seen / "tmp/x").write_bytes(bytes(17 << 20))
    assert refused.value.errno == errno.ENOSPC
    options = {}
    for line in pathlib.Path(f"/proc/{running.pids()['enclave']}/mountinfo").read_text().splitlines():
        words = line.split()
        options[words[4]] = set(words[5].split(","))
    assert sorted(options) == ["/", "/dev", "/proc", "/run", "/tmp"]
    assert options["/"] >= {"ro", "nosuid", "nodev"}
    assert options["/dev"] >= {"ro", "nosuid", "noexec"}
    for place in ("/proc", "/run", "/tmp"):
        assert options[place] >= {"nosuid", "nodev", "noexec"}
    assert os.stat(seen / "tmp").st_uid == 1001 and os.stat(seen / "tmp").st_mode & 0o777 == 0o700


def test_no_device_is_there_but_what_somebody_needs(running):
    modes = {entry.name: (entry.stat().st_uid, entry.stat().st_mode & 0o777) for entry in running.path("/dev").iterdir()}
    assert modes.pop("null") == (0, 0o666)
    modes.pop("nsm", None)  # this kernel's, if it has one
    assert set(modes) <= {"console", "random", "ptp0"}
    assert all(mode == (0, 0o600) for mode in modes.values())


def test_each_child_is_a_user_without_any_right(running):
    pids = running.pids()
    assert set(pids) == set(USERS)
    for name, user in USERS.items():
        status = status_of(pids[name])
        assert status["Uid"].split() == status["Gid"].split() == [str(user)] * 4, name
        assert status["NoNewPrivs"] == "1"
        if user == 0:
            # kill, setgid, setuid, setpcap, net_bind_service, sys_boot, sys_resource, sys_time; not sys_admin, not dac_override
            kept = sum(1 << number for number in (5, 6, 7, 8, 10, 22, 24, 25)) & int(status_of("self")["CapPrm"], 16)
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == kept
            continue
        assert status["Groups"].strip() == ""
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, (name, kind)


def test_limits_of_the_children(running):
    """Of locked memory as much as the test itself could give."""
    pids = running.pids()
    unlimited = subprocess.run(["sh", "-c", "ulimit -l unlimited; cat /proc/self/limits"], capture_output=True, text=True, timeout=20,
                               check=True).stdout
    for name in ("keeper", "front", "courier"):
        lines = pathlib.Path(f"/proc/{pids[name]}/limits").read_text()
        soft = {key: re.search(rf"^{key} +(\S+)", lines, re.MULTILINE).group(1)
                for key in ("Max core file size", "Max locked memory", "Max open files", "Max processes")}
        assert soft["Max core file size"] == "0"
        assert soft["Max locked memory"] == re.search(r"^Max locked memory +\S+ +(\S+)", unlimited, re.MULTILINE).group(1)
        assert soft["Max processes"] == "256"
        assert soft["Max open files"] == {"keeper": "64", "courier": "512"}.get(name, soft["Max open files"])
        assert int(soft["Max open files"]) <= 65536
    scores = {name: int(pathlib.Path(f"/proc/{pids[name]}/oom_score_adj").read_text()) for name in pids}
    assert scores["front"] > scores["courier"] > scores["keeper"] >= scores["enclave"]


def test_standard_streams_are_no_console(running):
    pids = running.pids()
    for name in ("keeper", "front", "courier"):
        links = [os.readlink(f"/proc/{pids[name]}/fd/{n}") for n in (0, 1, 2)]
        assert links[0].endswith("/dev/null") and links[1] == links[2] and links[1].startswith("pipe:")


def test_a_child_sees_nobody_else(running):
    """hidepid: asked by a process of the front's user with the enclave's own /proc. Not even the front, which is not dumpable."""
    place = running.path("/proc")
    script = f"import os; os.chdir('{place}'); os.setgroups([]); os.setresgid(1002, 1002, 1002); os.setresuid(USER, USER, USER); " \
             "print([n for n in os.listdir('.') if n.isdigit()])"
    shown = {user: subprocess.run(["python3", "-c", script.replace("USER", str(user))], capture_output=True, text=True, timeout=20,
                                  check=True).stdout.strip() for user in (0, 1002)}
    assert shown[0].count(",") == 3 and shown[1002] == "[]"


@pytest.mark.parametrize("victim", ["keeper", "front", "courier"])
def test_last_words_name_who_died_and_how(running, sink, victim):
    os.kill(running.pids()[victim], signal.SIGKILL)
    assert running.wait() in SIGHUP
    words = f"nitro-signer-{victim} was ended by signal 9; ending"
    assert running.said().rstrip().endswith(words), running.said()
    eventually(lambda: words in sink.text)


def test_sigterm_ends_the_machine(running, sink):
    os.kill(running.pids()["enclave"], signal.SIGTERM)
    assert running.wait() in SIGHUP
    assert "ending" not in running.said()


@pytest.mark.parametrize("arguments, named", [
    (["--no-such=1"], "--no-such: unknown option"),
    (["--authority=aGVsbG8="], "--authority: must be one X.509 certificate"),
    (["--authority=***"], "--authority: "),
    (["--kms-via=pigeon"], "--kms-via: "),
    (["--log=tcp:localhost:1"], "--log: must be unix: or vsock:"),
    (["--nsm=unix:/nowhere"], "/nowhere: "),
    (["--control=carrier:pigeon"], "--control: "),
])
def test_a_boot_that_fails_says_why_last(boot, nsm, sink, arguments, named):
    enclave = boot(nsm, "--log=unix:/log", *arguments)
    assert enclave.wait() in SIGHUP
    last = enclave.said().rstrip().splitlines()[-1]
    assert named in last and last.endswith("; ending"), enclave.said()
    if not arguments[0].startswith("--log"):
        eventually(lambda: named in sink.text)


def test_an_authority_takes_the_place_of_the_file(boot, nsm, sink, root):
    pem = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj",
                          "/CN=authority of a test"], capture_output=True, text=True, timeout=60, check=True).stdout
    enclave = boot(nsm, "--log=unix:/log", "--authority=" + "".join(pem.split("\n")[1:-2]))
    eventually(lambda: "courier: ready" in sink.text)
    assert enclave.path("/run/authorities.pem").read_text() == pem
    assert "--ca-file=/run/authorities.pem" in pathlib.Path(f"/proc/{enclave.pids()['courier']}/cmdline").read_text().split("\0")


def test_without_a_host_that_listens_it_serves_and_tells_later(boot, nsm, root):
    enclave = boot(nsm, "--log=unix:/log")
    eventually(lambda: "courier" in enclave.pids())
    eventually(lambda: (enclave.path("/run/control")).exists())
    assert enclave.ask({"operation": "init_state"})["status"] == 200
    sink = LogSink(root / "log")
    eventually(lambda: "control port is" in sink.text)
    sink.stop()
    # The host is gone; what happens now is told when it is back, each line once and whole.
    for _ in range(3):
        assert enclave.ask({"operation": "no such"})["status"] == 400
    sink.begin_again()
    os.kill(enclave.pids()["courier"], signal.SIGTERM)
    assert enclave.wait() in SIGHUP
    eventually(lambda: re.search(r"ended with status \d; ending", sink.text))  # the courier, or one whose peer it was
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in sink.text.splitlines()), sink.text
    sink.stop()


def test_an_orphan_is_reaped(running):
    """A process that loses its parent in there becomes PID 1's child."""
    inside_pid = running.pids()["enclave"]
    subprocess.run(["nsenter", f"--target={inside_pid}", "--pid", "sh", "-c", "(sleep 0.2 &) ; exit 0"], timeout=20, check=True)
    time.sleep(0.5)
    states = [status_of(pid)["State"] for pid in pathlib.Path(f"/proc/{inside_pid}/task/{inside_pid}/children").read_text().split()]
    assert len(states) == 3 and not any(state.startswith("Z") for state in states)
