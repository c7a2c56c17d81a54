"""nitro-signer-ctl on a terminal: secrets are typed without echo, which comes back whatever happens; bars and colours are there, and nowhere else."""
import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from harness import PATIENCE

WORDS = "abandon " * 11 + "about"
CHEAP = ("--kdf=pbkdf2", "--kdf-cost=1024")


class Terminal:
    """A program that has a terminal, and the person in front of it."""

    def __init__(self, *words, cwd, env=None):
        self.said, self.status = b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(words[0], [str(word) for word in words], {"PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})})

    def read(self, wanted=None):
        """Until that was said, or the program has ended."""
        deadline = time.monotonic() + 60 * PATIENCE
        while wanted is None or wanted.encode() not in self.said:
            assert time.monotonic() < deadline, self.said
            if not select.select([self.fd], [], [], 1)[0]:
                continue
            try:
                more = os.read(self.fd, 4096)
            except OSError:  # the other side is closed
                more = b""
            if not more:
                assert wanted is None, self.said
                break
            self.said += more
        return self.said.decode()

    def asked(self, question):
        """Waits for a question, after which nothing typed is shown; what was said before is forgotten."""
        said = self.read(question)
        assert not self.echoes(), "a secret would be seen"
        self.said = self.said.split(question.encode(), 1)[1]
        return said

    def type(self, text):
        os.write(self.fd, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        self.read()
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.said.decode()

    def close(self):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(bin_dir, folder):
    with contextlib.ExitStack() as stack:
        yield lambda *words, **options: stack.enter_context(contextlib.closing(Terminal(bin_dir / "nitro-signer-ctl", *words, cwd=folder, **options)))


def test_a_mnemonic_and_a_new_password_are_typed_unseen(terminal, folder):
    one = terminal("keys", "derive", "--out=keystores", *CHEAP)
    one.asked("Existing-mnemonic: ")
    one.type(WORDS + "\n")
    one.asked("New password: ")
    one.type("correct horse\n")
    one.asked("New password again: ")
    one.type("correct\n")
    assert "not the same" in one.asked("New password: ")
    for question in (None, "New password again: "):
        if question:
            one.asked(question)
        one.type("correct horse\n")
    said = one.end()
    assert one.status == 0 and "0x" in said and "about" not in said and "horse" not in said
    assert len(list((folder / "keystores").glob("keystore-*"))) == 1


def test_a_password_is_asked_for_three_times(terminal, folder):
    (folder / "mnemonic").write_text(WORDS)
    one = terminal("keys", "derive", "--out=keystores", "--existing-mnemonic-file=mnemonic", *CHEAP)
    for _ in range(3):
        one.asked("New password: ")
        one.type("one\n")
        one.asked("New password again: ")
        one.type("other\n")
    said = one.end()
    assert one.status == 1 and "not typed twice the same" in said and not (folder / "keystores").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_echo_comes_back_after_a_signal(bin_dir, folder, number):
    """A shell's terminal, which outlives the program: its settings are looked at afterwards."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    child = subprocess.Popen(["setsid", "--ctty", "--wait", bin_dir / "nitro-signer-ctl", "keys", "derive"], cwd=folder, stdin=slave, stdout=slave, stderr=slave)
    try:
        said = b""
        while b"mnemonic: " not in said:
            assert select.select([master], [], [], 60 * PATIENCE)[0], said
            said += os.read(master, 4096)
        assert not termios.tcgetattr(slave)[3] & termios.ECHO
        os.write(master, b"abandon aban")
        if number == signal.SIGINT:
            os.write(master, termios.tcgetattr(slave)[6][termios.VINTR])
        else:
            os.kill(int(subprocess.run(["pgrep", "-P", str(child.pid), "-f", "nitro-signer-ctl"], capture_output=True, text=True, check=False).stdout or child.pid), number)
        assert child.wait(60 * PATIENCE) != 0
        assert termios.tcgetattr(slave) == before
    finally:
        child.kill()
        child.wait()
        os.close(master)
        os.close(slave)


def test_ctrl_z_gives_the_terminal_back_and_asks_again(terminal):
    one = terminal("keys", "derive")
    one.asked("Existing-mnemonic: ")
    os.kill(one.pid, signal.SIGTSTP)
    # A process group without a shell to wake it up cannot be stopped so: it is asked again at once.
    one.asked("Existing-mnemonic: ")
    one.type(WORDS + "\n")
    assert "0x" in one.end() and one.status == 0


def test_a_new_mnemonic_is_shown_once_and_typed_again(terminal, folder):
    one = terminal("keys", "generate", "--out=items", "--sealed", "--uuid=" + "ab" * 16, "--key-arn=arn:aws:kms:us-east-1:111122223333:key/abc",
                   "--credentials=credentials.json", "--kms-via=unix:absent")
    assert "credentials.json" in one.end() and one.status == 1
    (folder / "credentials.json").write_text('{"access_key_id": "AKIAEXAMPLE", "secret_access_key": "abc"}')
    one = terminal("keys", "generate", "--out=items", "--sealed", "--uuid=" + "ab" * 16, "--key-arn=arn:aws:kms:us-east-1:111122223333:key/abc",
                   "--credentials=credentials.json", "--kms-via=unix:absent")
    shown = one.asked("Enter takes them away. ")
    words = re.search(r"\n\s+((?:[a-z]+ ){23}[a-z]+)\r", shown)[1]
    one.type("\n")
    assert "\033[2J" in one.asked("The words, to be sure: ")
    one.type("not these\n")
    assert "These are not the words" in one.asked("The words, to be sure: ")
    one.type(words + "\n")
    said = one.end()
    assert one.status == 1 and "KMS Encrypt" in said and words not in said  # there is none to encrypt with


def test_without_a_terminal_nobody_is_asked(bin_dir, folder):
    for words, option in ((("derive",), "--existing-mnemonic-fd"), (("generate", "--out=items", "--key-arn=a", "--credentials=b"), "--mnemonic-fd")):
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "keys", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 2 and option in done.stderr


def test_secrets_come_from_descriptors_too(bin_dir, folder):
    (folder / "mnemonic").write_text(WORDS)
    (folder / "password").write_text("correct horse\n")
    with open(folder / "mnemonic") as mnemonic, open(folder / "password") as password:
        done = subprocess.run([bin_dir / "nitro-signer-ctl", "keys", "derive", "--out=keystores", *CHEAP, f"--existing-mnemonic-fd={mnemonic.fileno()}",
                               f"--password-fd={password.fileno()}"], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
                              pass_fds=[mnemonic.fileno(), password.fileno()])
    assert done.returncode == 0, done.stderr
    both = subprocess.run([bin_dir / "nitro-signer-ctl", "keys", "derive", "--existing-mnemonic-fd=0", "--existing-mnemonic-file=mnemonic"], cwd=folder,
                          capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert both.returncode == 2 and "not together" in both.stderr


BOLD = "\033[1m"


def test_colours_are_a_terminals(terminal, bin_dir):
    assert BOLD in terminal("keys", "list", "--help").end()
    assert BOLD not in terminal("keys", "list", "--help", env={"NO_COLOR": "1"}).end()
    assert BOLD in terminal("keys", "list", "--help", env={"NO_COLOR": ""}).end()
    assert BOLD not in terminal("keys", "list", "--help", env={"TERM": "dumb"}).end()
    run = lambda *words: subprocess.run([bin_dir / "nitro-signer-ctl", *words], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL).stdout
    assert BOLD not in run("keys", "list", "--help")


def test_colours_can_be_asked_for(terminal, bin_dir, folder, vectors):
    path = vectors / "deposit-data" / "staking-deposit-cli-via-lighthouse.json"
    (folder / "data.json").write_text(json.dumps(json.loads(path.read_text())[0]["deposit_data"]))
    words = ["keys", "check-deposit-data", "data.json"]
    assert "\033[32m" in terminal(*words).end() and "\033[" not in terminal(*words, "--color=never").end()
    run = lambda *more: subprocess.run([bin_dir / "nitro-signer-ctl", *words, *more], cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "\033[" not in run() and "\033[32m" in run("--color=always") and "\033[" not in run("--color=always", "--output=json")


def test_a_bar_says_how_far_it_is(terminal, folder):
    (folder / "mnemonic").write_text(WORDS)
    said = terminal("keys", "derive", "--count=20", "--existing-mnemonic-file=mnemonic", "--output=json").end()
    assert "\r[##############################] 20 of 20 keys" in said and said.rstrip().endswith("]}")
