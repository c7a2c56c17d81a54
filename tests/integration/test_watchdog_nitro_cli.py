"""nitro-signer-watchdog --enclave=nitro-cli: a program that speaks nitro-cli's forms and fails in its ways; the test plays the
enclave's control port."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import image_file
from test_watchdog import POLICY, SERVING, Control, prepare
from test_watchdog_aws import until

FAKE = pathlib.Path(__file__).with_name("fake_nitro_cli.py")
PCR16 = hashlib.sha384(bytes(48) + POLICY.encode()).hexdigest()
OURS = {**SERVING, "pcr16": PCR16}


class NitroCli:
    """The folder in which the stand-in keeps what it was asked and what runs."""

    def __init__(self, folder):
        self.folder = folder / "nitro"
        self.folder.mkdir()
        self.program = folder / "nitro-cli"
        shutil.copy(FAKE, self.program)
        self.program.chmod(0o755)

    def read(self, name, default):
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else default

    def write(self, name, value):
        (self.folder / "mine").write_text(json.dumps(value))
        os.replace(self.folder / "mine", self.folder / name)

    def fail(self, command, *faults):
        self.write("faults.json", {**self.read("faults.json", {}), command: list(faults)})

    @property
    def enclaves(self):
        return self.read("enclaves.json", [])

    @property
    def calls(self):
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def commands(self):
        return [call["words"][0] for call in self.calls]

    def runs(self):
        return [call["words"] for call in self.calls if call["words"][0] == "run-enclave"]

    def put(self, **changes):
        """An enclave that ran before the watchdog."""
        enclave = {"EnclaveName": "nitro-signer", "EnclaveID": "i-0123456789abcdef0-enc0000000000000abc", "ProcessID": 1, "EnclaveCID": 16,
                   "NumberOfCPUs": 2, "CPUIDs": [1, 3], "MemoryMiB": 512, "State": "RUNNING", "Flags": "NONE",
                   "Measurements": {"HashAlgorithm": "Sha384", "PCR0": (self.folder / "pcr0").read_text(), "PCR1": "1" * 96, "PCR2": "2" * 96}}
        self.write("enclaves.json", [{**enclave, **changes}])


@pytest.fixture
def control(folder):
    with contextlib.closing(Control(folder / "control")) as port:
        yield port


@pytest.fixture
def nitro(folder, bin_dir):
    cli = NitroCli(folder)
    (folder / "kernel").write_bytes(b"kernel" * 1000)
    (folder / "manifest").write_text("nitro-signer-ramdisk 1\nfile 0755 init kernel\n")
    (folder / "config").write_text("# Linux/x86_64 6.12.48-1 Kernel Configuration\nCONFIG_64BIT=y\n")
    subprocess.run([bin_dir / "nitro-signer-ctl", "image", "build", "--kernel=kernel", "--cmdline=reboot=k", "--ramdisk=manifest",
                    "--out=signer.eif"], cwd=folder, check=True, capture_output=True, timeout=60)
    (cli.folder / "pcr0").write_text(image_file.measurements((folder / "signer.eif").read_bytes())["PCR0"])
    return cli


@pytest.fixture
def arguments(folder, nitro):
    options = prepare(folder)
    return [f"--nitro-cli={nitro.program}", "--enclave=nitro-cli", f"--eif={folder}/signer.eif", "--describe-interval=1",
            *options[:options.index("--")]]


@pytest.fixture
def launch(start, arguments, nitro):
    def launcher(*more, given=None):
        env = {**os.environ, "FAKE_NITRO_CLI": str(nitro.folder), "AWS_SECRET_ACCESS_KEY": "not for children"}
        return start("nitro-signer-watchdog", *(given or arguments), *more, ready=False, env=env)
    return launcher


@pytest.fixture
def serving(launch, control):
    watchdog = launch()
    control.accept()
    control.expect("init", body=SERVING)
    return watchdog.wait_ready()


def test_an_enclave_is_looked_for_started_and_ended(serving, nitro, folder):
    assert nitro.commands()[:2] == ["describe-enclaves", "run-enclave"]
    assert nitro.runs() == [["run-enclave", "--eif-path", f"{folder}/signer.eif", "--cpu-count", "2", "--memory", "512", "--enclave-cid", "16",
                             "--enclave-name", "nitro-signer"]]
    for call in nitro.calls:
        assert not {"NOTIFY_SOCKET", "AWS_SECRET_ACCESS_KEY"} & set(call["environment"])
    (enclave,) = nitro.enclaves
    assert serving.terminate() == 0
    assert nitro.enclaves == []
    assert nitro.calls[-1]["words"] == ["terminate-enclave", "--enclave-id", enclave["EnclaveID"]]


def test_its_size_name_and_mode_are_options(launch, control, nitro):
    launch("--cpu-count=4", "--memory=2048", "--enclave-cid=21", "--enclave-name=prod.1", "--debug-mode")
    control.accept()
    assert nitro.runs()[0][3:] == ["--cpu-count", "4", "--memory", "2048", "--enclave-cid", "21", "--enclave-name", "prod.1", "--debug-mode"]


@pytest.mark.parametrize("form", ["object", "array"])
def test_both_forms_of_terminate_are_understood(serving, nitro, form):
    nitro.fail("terminate-enclave", form)
    assert serving.terminate() == 0
    assert nitro.commands()[-1] == "terminate-enclave"


AGAIN = {"E22": "too few CPUs", "E27": "too little memory", "E28": "the kernel made no enclave", "E29": "a request to the kernel failed",
         "E31": "did not take the memory", "E36": "did not boot", "E39": "no connection", "E42": "no memory could be mapped",
         "E00": "/var/log/nitro_enclaves", "status 7": "thread 'main' panicked", "garbage": "run-enclave: answer"}


@pytest.mark.parametrize("fault", AGAIN)
def test_what_may_pass_is_tried_again(launch, control, nitro, fault):
    nitro.fail("run-enclave", fault, fault)
    watchdog = launch()
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert len(nitro.runs()) == 3
    assert AGAIN[fault] in watchdog.log()
    if fault[0] == "E":
        assert f"run-enclave: {fault}: " in watchdog.log()


FOR_THE_OPERATOR = {"E03": "an argument is invalid", "E19": "a file cannot be opened", "E24": "must be even", "E26": "below four times",
                    "E34": "does not fit", "E35": "is --eif an enclave image", "E59": "signature is invalid"}


@pytest.mark.parametrize("code", FOR_THE_OPERATOR)
def test_what_will_not_pass_ends_it_with_a_status_of_its_own(launch, nitro, code):
    nitro.fail("run-enclave", code)
    watchdog = launch()
    assert watchdog.wait() == 3
    assert f"run-enclave: {code}: " in watchdog.log() and FOR_THE_OPERATOR[code] in watchdog.log()
    assert len(nitro.runs()) == 1


def test_a_nitro_cli_that_is_not_there_is_named(launch, arguments, control):
    watchdog = launch(given=["--nitro-cli=/nonexistent/nitro-cli", *arguments[1:]])
    until(lambda: watchdog.log().count("/nonexistent/nitro-cli: No such file") > 1, "said nothing of the missing program")
    assert watchdog.terminate() == 0


def test_describe_that_fails_before_a_start_is_tried_again(launch, control, nitro):
    nitro.fail("describe-enclaves", "E39", "garbage")
    watchdog = launch()
    control.accept()
    control.expect("init", body=SERVING)
    assert nitro.commands()[:4] == ["describe-enclaves"] * 3 + ["run-enclave"]
    assert "describe-enclaves: E39: " in watchdog.log() and "describe-enclaves: answer" in watchdog.log()


def test_a_describe_that_fails_is_no_death(serving, control, nitro):
    nitro.fail("describe-enclaves", "E39", "garbage", "status 1")
    until(lambda: nitro.read("faults.json", {})["describe-enclaves"] == [], "was not asked")
    control.expect("status", body=SERVING)
    control.expect("status", body=SERVING)
    assert serving.alive() and len(nitro.runs()) == 1


def test_an_enclave_that_vanished_is_noticed_and_replaced(serving, control, nitro):
    """Its death may leave the host's end of the connection open for a long time."""
    nitro.write("enclaves.json", [])
    until(lambda: "does not run any more" in serving.log(), "did not notice")
    control.accept()
    control.expect("init", body=SERVING)
    assert len(nitro.runs()) == 2
    assert "terminate-enclave" not in nitro.commands()


def test_an_enclave_that_vanishes_while_it_boots_is_noticed(launch, folder, nitro):
    """Nobody listens on its control port."""
    watchdog = launch(f"--control=unix:{folder}/nobody")
    until(lambda: nitro.enclaves, "started none")
    nitro.write("enclaves.json", [])
    until(lambda: len(nitro.runs()) == 2, "started no other")
    assert watchdog.terminate() == 0


def test_a_lost_connection_ends_the_enclave_and_starts_another(serving, control, nitro):
    first = nitro.enclaves[0]["EnclaveID"]
    control.hang_up()
    control.accept()
    control.expect("init", body=SERVING)
    assert [enclave["EnclaveID"] for enclave in nitro.enclaves] != [first] and len(nitro.enclaves) == 1
    assert ["terminate-enclave", "--enclave-id", first] in [call["words"] for call in nitro.calls]


def test_an_enclave_that_died_already_cannot_be_terminated_and_need_not(serving, control, nitro):
    nitro.fail("terminate-enclave", "E39")
    nitro.write("enclaves.json", [])
    control.hang_up()
    control.accept()
    control.expect("init", body=SERVING)
    assert len(nitro.runs()) == 2


def test_an_enclave_that_will_not_end_is_told_again(serving, control, nitro):
    """There are never two."""
    nitro.fail("terminate-enclave", "refuse", "E39")
    assert serving.terminate() == 0
    assert nitro.commands().count("terminate-enclave") == 3 and nitro.enclaves == []
    assert "the enclave still runs" in serving.log()


def test_a_watchdog_that_was_killed_leaves_a_signer_that_signs_on(serving, launch, control, nitro):
    os.kill(serving.pid, signal.SIGKILL)
    serving.wait()
    assert len(nitro.enclaves) == 1
    other = launch()
    control.accept()
    control.expect("status", body=OURS)
    other.wait_ready()
    assert control.expect("credentials")["credential"]["access_key_id"] == "ASIAEXAMPLE"
    assert len(nitro.runs()) == 1 and "serves on" in other.log()


@pytest.mark.parametrize("answer", [{**OURS, "state": "wait"}, {**OURS, "pcr16": "00" * 48}, SERVING])
def test_an_enclave_that_runs_but_does_not_serve_as_we_would_have_it_is_replaced(launch, control, nitro, answer):
    nitro.put()
    watchdog = launch()
    control.accept()
    control.expect("status", body=answer)
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert nitro.commands().count("terminate-enclave") == 1 and len(nitro.runs()) == 1


@pytest.mark.parametrize("changes, said", [
    ({"EnclaveCID": 17}, "another CID"),
    ({"Flags": "DEBUG_MODE"}, "it is in debug mode"),
    ({"State": "TERMINATING"}, "it is not running"),
    ({"State": "Running"}, "it is not running"),
    ({"Measurements": {"PCR0": "ab" * 48}}, "of another image"),
])
def test_an_enclave_of_our_name_that_is_not_ours_is_ended_first(launch, control, nitro, changes, said):
    nitro.put(**changes)
    watchdog = launch()
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert said in watchdog.log()
    assert nitro.commands()[:3] == ["describe-enclaves", "terminate-enclave", "run-enclave"]


def test_an_enclave_of_another_name_is_left_alone(launch, control, nitro):
    nitro.put(EnclaveName="somebody-else", EnclaveCID=30)
    watchdog = launch()
    control.accept()
    control.expect("init", body=SERVING)
    watchdog.wait_ready()
    assert watchdog.terminate() == 0
    assert [enclave["EnclaveName"] for enclave in nitro.enclaves] == ["somebody-else"]


def test_an_end_during_a_start_waits_for_it_and_leaves_nothing(launch, nitro, folder):
    watchdog = launch(f"--control=unix:{folder}/nobody")
    until(lambda: "run-enclave" in nitro.commands(), "started none")
    assert watchdog.terminate() == 0
    assert nitro.enclaves == []


@pytest.mark.parametrize("changes, slow", [({}, "describe-enclaves"), ({"EnclaveCID": 17}, "describe-enclaves"),
                                           ({"EnclaveCID": 17}, "terminate-enclave")])
def test_an_end_while_it_looks_ends_what_an_earlier_watchdog_left(launch, nitro, folder, changes, slow):
    nitro.put(**changes)
    nitro.fail(slow, "slow")
    watchdog = launch(f"--control=unix:{folder}/nobody")
    until(lambda: nitro.commands()[-1:] == [slow], f"no {slow}")
    watchdog.signal(signal.SIGTERM)
    until(lambda: "ending" in watchdog.log(), "did not take note of the signal")
    (nitro.folder / "go on").touch()
    assert watchdog.wait() == 0
    assert nitro.enclaves == [] and nitro.runs() == []


def test_starts_of_a_machine_follow_one_another(launch, control, nitro, folder):
    with open(folder / "start.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watchdog = launch(f"--start-lock={folder}/start.lock")
        until(lambda: "another enclave is being started" in watchdog.log(), "did not wait")
        assert nitro.runs() == []
    control.accept()
    control.expect("init", body=SERVING)
    with open(folder / "start.lock", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_enclave_that_dies_of_its_first_requests_is_not_started_without_end(serving, control, nitro):
    """The wait doubles from restart to restart although each of them served for a moment."""
    began = time.monotonic()
    for _ in range(5):
        control.hang_up()
        control.accept()
        control.expect("init", body=SERVING)
    assert time.monotonic() - began > 0.1 + 0.2 + 0.4 + 0.8 + 1.6


def test_systemd_s_watchdog_hears_of_a_loop_that_turns(start, control, arguments, nitro):
    env = {**os.environ, "FAKE_NITRO_CLI": str(nitro.folder), "WATCHDOG_USEC": "200000"}
    watchdog = start("nitro-signer-watchdog", *arguments, ready=False, env=env)
    control.accept()
    until(lambda: b"WATCHDOG=1" in watchdog._notify.recv(4096), "said nothing")


@pytest.mark.parametrize("more, named", [
    (["--enclave=docker"], "--enclave: must be"), (["--eif="], None), (["--", "/bin/true"], "COMMAND: not together"),
    (["--enclave-name=-x"], "--enclave-name"), (["--enclave-name=a b"], "--enclave-name"), (["--memory=1"], "--memory"),
    (["--enclave-cid=3"], "--enclave-cid"),
])
def test_usage_errors_name_the_option(launch, arguments, more, named):
    if named is None:
        watchdog, named = launch(given=[option for option in arguments if not option.startswith("--eif")]), "--eif: required"
    else:
        watchdog = launch(given=[*(option for option in arguments if option.split("=")[0] != more[0].split("=")[0]), *more])
    assert watchdog.wait() == 2 and named in watchdog.log()
