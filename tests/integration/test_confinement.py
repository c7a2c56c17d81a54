"""How the processes of a running signer are confined: what /proc says of each of their threads, started by root and by somebody
else; that a process whose secrets cannot be locked does not start and says why; and that none leaves a core, whatever limit its
parent has. What the filters let through is tested call by call in tests/unit/sandbox."""
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess

import pytest

from enclave_rig import Cloud, children_of
from harness import PATIENCE, packet_pair, sanitized
from test_signer_standalone import Signer, write_raw_keys

SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
NOBODY = 65534
BRIEF = {"nitro-signer-loader", "nitro-signer-fetcher"}
SUPERVISORS = {"nitro-signer", "nitro-signer-enclave", "nitro-signer-watchdog"}


def family(pid):
    """{program: number} of a process and all below it, but for those of one load, which may be ending."""
    try:
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except (FileNotFoundError, ProcessLookupError):
        return {}
    found = {} if name in BRIEF else {name: pid}
    for child in children_of(pid):
        found |= family(child)
    return found


def threads(pid):
    for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
        try:
            text = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            assert task != str(pid)
            continue  # a thread that has ended
        yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def limits(pid):
    """{name: (soft, hard)}"""
    return {line[:26].strip(): tuple(line[26:68].split()) for line in pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()[1:]}


def check_process(program, pid, bin_dir):
    """What holds for each, whoever started it."""
    for status in threads(pid):
        where = f"{program}, thread {status['Pid']}"
        assert status["NoNewPrivs"] == "1", where
        assert status["Seccomp"] == "2", where
        # One filter of its own, and those of whoever started it.
        assert int(status["Seccomp_filters"]) >= (1 if program in SUPERVISORS or program == "nitro-signer-proxy" else 2), where
        if program not in SUPERVISORS and not sanitized(bin_dir / program):
            effective, permitted = (int(status[name], 16) for name in ("CapEff", "CapPrm"))
            # CAP_DAC_READ_SEARCH: root's records may be in a folder that is somebody else's.
            assert effective == permitted and permitted in (0, 1 << 2 if program == "nitro-signer-keeper" else 0), where
            assert int(status["CapInh"], 16) == 0, where
    assert limits(pid)["Max core file size"] == ("0", "0"), program


@pytest.fixture
def signer(start, folder):
    write_raw_keys(folder, {SECRET})
    return Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"])


def test_a_signer_of_root(signer, bin_dir):
    found = family(signer.process.pid)
    assert set(found) == {"nitro-signer", "nitro-signer-keeper", "nitro-signer-front"}
    for program, pid in found.items():
        check_process(program, pid, bin_dir)
        if program != "nitro-signer":
            assert int(next(threads(pid))["VmLck"].split()[0]) >= 256, program  # KiB: what can be locked is
    assert limits(found["nitro-signer-keeper"])["Max open files"] == ("64", "64")


def test_an_enclave_on_one_machine(start, bin_dir, folder):
    cloud = Cloud(start, bin_dir, folder)
    cloud.begin()
    enclave = cloud.enclave("a")
    found = family(enclave.watchdog.pid) | family(enclave.proxy.pid)
    assert set(found) == {f"nitro-signer-{part}" for part in ("watchdog", "enclave", "keeper", "front", "courier", "proxy")}
    for program, pid in found.items():
        check_process(program, pid, bin_dir)


def test_a_signer_of_nobody(folder, bin_dir):
    """Without root /proc shows who may look into a process: with PR_SET_DUMPABLE 0 only root."""
    if os.geteuid() != 0:
        pytest.skip("only root can start one as somebody else")
    as_nobody = ["setpriv", "--pdeathsig=KILL", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if hard != resource.RLIM_INFINITY and hard < 8 << 20:  # the kernel's own
        pytest.skip("RLIMIT_MEMLOCK is too low here for who is not root")
    if subprocess.run([*as_nobody, "test", "-x", bin_dir / "nitro-signer"], check=False).returncode != 0 or \
            subprocess.run([*as_nobody, "test", "-x", folder.parent], check=False).returncode != 0:
        pytest.skip("nobody may not read where the programs, or temporary files, are")
    write_raw_keys(folder, {SECRET})
    (folder / "data").mkdir()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(folder / "notices"))
    os.chown(folder / "notices", NOBODY, NOBODY)
    notices.settimeout(60 * PATIENCE)
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*as_nobody, bin_dir / "nitro-signer", "--http-listen-port=0",
             f"--key-config-path={folder}/keys", f"--data-path={folder}/data", "eth2", "--network=minimal", f"--slashing-protection-db-path={folder}/protection.sqlite"], stdout=log, stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notices")})
    try:
        while b"READY=1" not in notices.recv(4096):
            pass
        for program, pid in family(process.pid).items():
            check_process(program, pid, bin_dir)
            assert next(threads(pid))["Uid"].split() == [str(NOBODY)] * 4, program
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0, program
            if program != "nitro-signer":
                assert int(next(threads(pid))["CapPrm"], 16) == 0, program
        asked = subprocess.run([*as_nobody, "cat", f"/proc/{process.pid}/environ"],
                               capture_output=True, check=False)
        assert asked.returncode != 0
    finally:
        process.terminate()
        process.wait(60 * PATIENCE)
        notices.close()


# Each program that holds secrets, with what it needs to get as far as its secure heap.
HOLDERS = {
    "nitro-signer": ["eth2", "--network=minimal", "--slashing-protection-enabled=false"],
    "nitro-signer-keeper": ["--mode=standalone"],
    "nitro-signer-front": ["--mode=standalone"],
    "nitro-signer-loader": ["--mode=records"],
    "nitro-signer-fetcher": [],
    "nitro-signer-courier": ["--kms-via=unix:/nonexistent"],
    "nitro-signer-watchdog": ["--control=unix:/nonexistent", "--credentials=/nonexistent", "--items=/nonexistent", "--policy=/nonexistent", "--", "/nonexistent"],
}


@pytest.mark.parametrize("program", HOLDERS)
def test_memory_that_cannot_be_locked(program, bin_dir, folder):
    """Too low a limit, and no capability to exceed it."""
    ends = packet_pair()  # the fetcher's descriptor 3
    rest = ["prlimit", "--memlock=4096:4096", str(bin_dir / program), *HOLDERS[program]]
    less = ["setpriv", "--bounding-set=-ipc_lock,-sys_resource", "--inh-caps=-ipc_lock,-sys_resource"] if os.geteuid() == 0 else []
    done = subprocess.run([*less, *rest], capture_output=True, text=True, timeout=60 * PATIENCE, check=False, cwd=folder.parent,
                          preexec_fn=lambda: os.dup2(ends[0].fileno(), 3), close_fds=False)
    for end in ends:
        end.close()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert re.search(r"cannot lock \d+ bytes of memory for secrets: RLIMIT_MEMLOCK is 4096; raise it", said), said


@pytest.fixture
def cores(folder, monkeypatch):
    """A folder where the kernel would leave cores, proved by one."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    place = folder / "here"
    place.mkdir(mode=0o777)
    monkeypatch.chdir(place)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    control = subprocess.Popen(["sleep", "1000"])
    control.send_signal(signal.SIGABRT)
    status = os.waitpid(control.pid, 0)[1]
    control.returncode = 0
    found = list(place.iterdir())
    for path in found:
        path.unlink()
    yield place if found and os.WCOREDUMP(status) else None
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.parametrize("victim", ["nitro-signer", "nitro-signer-keeper", "nitro-signer-front"])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_no_core(cores, signer, victim, number):
    if not cores:
        pytest.skip("the kernel leaves no cores in the working folder here (core_pattern, RLIMIT_CORE)")
    os.kill(family(signer.process.pid)[victim], number)
    signer.process.wait()
    assert not list(cores.iterdir())


def test_no_core_of_others(cores, start, bin_dir, folder):
    """Those that are not in a stand-alone family, each by a signal of its own."""
    if not cores:
        pytest.skip("the kernel leaves no cores in the working folder here (core_pattern, RLIMIT_CORE)")
    cloud = Cloud(start, bin_dir, folder)
    cloud.begin()
    enclave = cloud.enclave("a")
    os.kill(family(enclave.watchdog.pid)["nitro-signer-courier"], signal.SIGSEGV)
    for process in (enclave.watchdog, enclave.proxy):
        process.signal(signal.SIGSEGV)
        process.wait()
    assert not list(cores.iterdir())
