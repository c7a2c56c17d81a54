"""Where pages are run: a machine with the signer alone, and the machine of who operates a stack (stack.py).

Both are a folder like a clone that was built, with keys that a deposit tool's user would have. What is not as the page says: the ports,
because tests run side by side; `make` and `git pull`, which have been run; `sudo`, which is not needed; and curl asks again until somebody
listens, as a reader does who types it a moment later.
"""
import os
import re
import subprocess

from harness import PATIENCE, free_port
from pages import typed
from plan import NOT_RUN
from shell import Shell
from stack import STACK, Machine

MNEMONIC = "abandon " * 23 + "art"
PORTS = (9000, 9001, 9100, 9102)
TOOLS = {
    "make": '#!/bin/sh\nfor word; do case $word in *=*) ;; *) grep -q "^$word:" {root}/Makefile || exit 1 ;; esac; done\n',
    "git": '#!/bin/sh\ntest "$1" = pull || exec /usr/bin/git "$@"\n',
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "curl": '#!/bin/sh\nexec /usr/bin/curl -sS --fail-with-body --retry 60 --retry-delay 1 --retry-connrefused --noproxy "*" "$@"\n',
}
ONE_YAML = 'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"\n'
ONE = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
HOODI = "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"


def history(pubkeys):
    """EIP-3076: each has proposed and attested, long ago."""
    data = ",".join('{"pubkey":"%s","signed_blocks":[{"slot":"9600"}],"signed_attestations":[{"source_epoch":"299","target_epoch":"300"}]}' % key
                    for key in pubkeys)
    return '{"metadata":{"interchange_format_version":"5","genesis_validators_root":"%s"},"data":[%s]}\n' % (HOODI, data)


class Clone:
    """The folder, its tools and its shell."""

    def __init__(self, folder, bin_dir, root, clone=None, environment=None):
        self.clone, self.tools = clone or folder / "clone", folder / "tools"
        self.tools.mkdir()
        for name, text in TOOLS.items():
            (self.tools / name).write_text(text.format(root=root) if "{root}" in text else text)
            (self.tools / name).chmod(0o755)
        if clone is None:
            self.clone.mkdir()
            (self.clone / "build").symlink_to(bin_dir.parent)
        self._lay_out(bin_dir)
        self.ports = {str(port): str(free_port()) for port in PORTS}
        self.shell = Shell(folder / "blocks", self.clone, {
            "PATH": f"{self.tools}:{bin_dir}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8",
            "WEB3SIGNER_HTTP_LISTEN_PORT": self.ports["9000"], "WEB3SIGNER_METRICS_PORT": self.ports["9001"], **(environment or {})}, 300 * PATIENCE)

    def _lay_out(self, bin_dir):
        (self.clone / "mnemonic.txt").write_text(MNEMONIC + "\n")
        (self.clone / "password.txt").write_text("a password of the deposit tool\n")
        made = subprocess.run([bin_dir / "nitro-signer-ctl", "keys", "derive", "--first=8", "--count=2", "--network=hoodi", "--out=validator_keys", "--kdf-cost=10",
                               "--existing-mnemonic-file=mnemonic.txt", "--password-file=password.txt"],
                              cwd=self.clone, capture_output=True, text=True, timeout=120 * PATIENCE, check=True)
        self.keys = re.findall(r"0x[0-9a-f]{96}", made.stdout)
        (self.clone / "history.json").write_text(history([*self.keys, ONE]))
        (self.clone.parent / "one.yaml").write_text(ONE_YAML)
        (self.clone.parent / "one.json").write_text('{"pubkey": "%s"}\n' % ONE)

    def run(self, text):
        return self.shell.run(re.sub(rf"(?<![\d.])({'|'.join(self.ports)})(?![\d])", lambda found: self.ports[found[1]], text))

    def said(self, text):
        """What was printed, in the page's own ports."""
        for ours, free in self.ports.items():
            text = text.replace(free, ours)
        return text


class RunningStack(Clone):
    """With an instance that is replaced when the page replaces it, and Systems Manager's answers to what the page asks."""

    def walk(self, machine):
        """As the walkthrough says, until the service is started, but for keystores of one's own."""
        self.machine, self.instance = machine, None
        for block, _ in typed("docs/walkthrough.md"):
            if (block.page, block.first) not in NOT_RUN and "--keystores-path" not in block.text:
                self.run(block.text)
            if self.instance:
                return

    def run(self, text):
        self.machine.expect(re.findall(r"ctl service (start|status|stop)", text))
        if "service start" in text and not self.instance:
            self.instance = self.machine.start_instance()
        done = super().run(text)
        if re.search(r"ctl instances refresh|infra/deploy", text) and self.instance:
            self.machine.replace_instance()
        return done


def stack(start, bin_dir, folder, dynamodb, dynamodb_relay, root, kind=Clone):
    """What the walkthrough leaves behind its first part, under both names of stacks: (machine, clone)."""
    machine = Machine(start, bin_dir, folder, dynamodb, dynamodb_relay)
    machine.same_stack_under("prodNitroValidator")
    (folder / "aws.json").write_text((folder / "state/credentials.json").read_text())
    clone = kind(folder, bin_dir, root, machine.clone, {**machine.environment(), "KEY_ARN": machine.key_arn, "STACK": STACK, "NETWORK": "hoodi", "GENESIS": HOODI})
    (clone.clone / "aws.json").symlink_to(folder / "aws.json")
    if kind is RunningStack:
        clone.walk(machine)
    return machine, clone
