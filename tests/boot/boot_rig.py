"""The rig of tests/integration/enclave_rig.py with emulated enclaves: the same devcloud, proxy, watchdog and clients, but the signer is
an image that boots, and its NSM, console and vsock are the machine's. KMS believes that NSM because it is told to; the key policy
demands all three measurements of the image.

    cloud = BootCloud(start, bin_dir, folder, parts)             # or with dynamodb
    cloud.begin()
    enclave = cloud.enclave("a")
    assert enclave.attest(0).status_code == 200
"""
import base64
import json
import os
import pathlib
import signal
import subprocess

import requests

from dynamodb_relay import HOST, TlsRelay
from dynamodb_server import ACCOUNT, REGION
from emulator import HERE, Image, emulator_folder
from enclave_rig import MAINNET_GENESIS, ROLE, Cloud, Enclave, children_of, eventually
from harness import connect, control, free_port
from test_devcloud_nsm import decode

STORE = "sqlite:/tmp/slashing.sqlite"  # in the enclave's memory: gone with it
MEMORY_MIB = 128
SERVE_SECONDS = 300  # on a machine with much else to do


def unsigned_payload(document):
    """What QEMU's NSM says; nobody has signed it."""
    _, _, payload, signature = decode(document)
    assert signature == bytes(64)
    return decode(payload)


class SecondCertificate:
    """A certificate of devcloud's authority for another name: an image trusts one authority only."""

    def __init__(self, state, folder):
        self.ca_file, self.certificate, self.key = state / "kms-ca.pem", folder / "dynamodb.pem", folder / "dynamodb.key"
        request, extensions = folder / "dynamodb.csr", folder / "dynamodb.ext"
        extensions.write_text(f"subjectAltName=DNS:{HOST}\nextendedKeyUsage=serverAuth\n")
        for command in (["req", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=relay", "-keyout", self.key,
                         "-out", request],
                        ["x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", state / "kms-ca-key.pem", "-set_serial", "7",
                         "-days", "2", "-extfile", extensions, "-out", self.certificate]):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=30)


class BootEnclave(Enclave):
    """A watchdog with its emulated enclave, reached over HTTPS through the proxy."""

    def __init__(self, cloud, name, wait, memory):
        self.cloud, self.name, self.port = cloud, name, free_port()
        folder = cloud.folder
        vsock = f"unix:{folder}/{name}.vsock"
        outbound = [f"--outbound={vsock}_8000=unix:{folder}/kms", f"--allow=unix:{folder}/kms"]
        if cloud.relay:
            outbound += [f"--outbound={vsock}_8001={cloud.relay.address}", f"--allow={cloud.relay.address}"]
        self.proxy = cloud.start("nitro-signer-proxy", f"--inbound=tcp:127.0.0.1:{self.port}=unix:{folder}/{name}-https", *outbound,
                                 f"--log-sink={vsock}_8002")
        self.watchdog = cloud.start(
            "nitro-signer-watchdog", f"--control=unix:{folder}/{name}-control", f"--items={folder}/items",
            f"--credentials={folder}/cloud/credentials.json", f"--policy={folder}/policy.txt", "--status-interval=1", "--",
            "/usr/bin/python3", str(HERE / "run_enclave.py"), f"--emulator={emulator_folder()}", cloud.image.option, f"--folder={folder}",
            f"--name={name}", f"--memory={memory}", ready=False)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(folder / "items/tls-cert.pem")
        if wait:
            self.watchdog.wait_ready(SERVE_SECONDS)

    def console(self):
        """What every start has written there so far."""
        consoles = sorted(self.cloud.folder.glob(f"{self.name}.console-*"))
        return "".join(path.read_text(errors="replace") for path in consoles)

    def ask(self, operation, **members):
        with connect(f"unix:{self.cloud.folder}/{self.name}-control", timeout=60) as stream:
            return control(stream, {"operation": operation, **members})

    def document(self, nonce):
        """What an attestation document says that the control port gave."""
        answer = self.ask("attest", nonce=base64.b64encode(nonce).decode())
        assert answer["status"] == 200, answer
        return unsigned_payload(base64.b64decode(answer["body"]["document"]))

    def await_log(self, text):
        self.await_that(lambda: text in self.log())

    def await_that(self, holds):
        try:
            eventually(holds, SERVE_SECONDS)
        except AssertionError:
            raise AssertionError(f"{self.log()}\n{self.proxy.log()}\n{self.console()}") from None

    def qemu(self):
        """Its process: a child of the command that the watchdog has started."""
        (command,) = children_of(self.watchdog.pid)
        (found,) = [pid for pid in children_of(command) if b"qemu-system" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        return found

    def kill(self):
        """The machine dies without warning; the watchdog starts it again. Returns when it serves."""
        served = self.log().count("the signer serves again")
        os.kill(self.qemu(), signal.SIGKILL)
        self.await_that(lambda: self.log().count("the signer serves again") > served)


class BootCloud(Cloud):
    memory = MEMORY_MIB
    key_options = ("--kdf=pbkdf2", "--kdf-cost=1024")  # rounds are slow under emulation, and how slow is not the question
    key_fds = "mnemonic-fd secrets-fd"

    def __init__(self, start, bin_dir, folder, parts, dynamodb=None, num_keys=4):
        self.parts, self.believe_unsigned, self.image = parts, True, None
        super().__init__(start, bin_dir, folder, num_keys=num_keys)
        self.authority = folder / "cloud/kms-ca.pem"
        if dynamodb:
            self.dynamodb, self.table = dynamodb, dynamodb.fresh_name()
            self.relay = TlsRelay(dynamodb.port, SecondCertificate(folder / "cloud", folder), folder / "dynamodb")
            self._adopt()

    def _start_devcloud(self, policy):
        (self.folder / "key-policy.json").write_text(policy)
        return self.start("nitro-signer-devcloud", f"--state={self.folder}/cloud", f"--role-arn={ROLE}", f"--nsm=unix:{self.folder}/unused",
                          f"--measure={self.bin_dir}/nitro-signer-enclave", f"--kms=unix:{self.folder}/kms",
                          f"--key-policy={self.folder}/key-policy.json", *["--accept-unsigned-attestation"] * self.believe_unsigned)

    def build_image(self, name="image", **options):
        return Image(self.bin_dir, self.parts, self.folder / f"{name}.eif", self.authority, **options)

    def begin(self, *policy_options):
        self.image = self.build_image()
        store = [f"--store={STORE}"]
        if self.table:
            store = [f"--store=dynamodb:{ACCOUNT}/{self.table}", f"--store-identity={self.begin_table(self.table)}"]
        policy = self.ctl("policy", "make", "--network=mainnet", *store, f"--kms-key={self.key_arn}",
                          f"--genesis-validators-root={MAINNET_GENESIS}", "--log-level=info", "--access=any", *policy_options)
        (self.folder / "policy.txt").write_text(policy)
        self.pcr16 = self.ctl("policy", "measure", "policy.txt").strip()
        self.restart_devcloud()

    def restart_devcloud(self):
        """With the key policy for this image under this policy: beside what ctl demands, PCR1 and PCR2."""
        admitted = json.loads(self.ctl("policy", "kms-key-policy", f"--pcr0={self.image.pcrs['PCR0']}", f"--pcr16={self.pcr16}", f"--role={ROLE}",
                                       f"--encrypt-role={ROLE}"))
        conditions = [statement["Condition"] for statement in admitted["Statement"] if statement["Effect"] == "Allow" and "Condition" in statement]
        assert len(conditions) == 1
        for name in self.image.pcrs.keys() - {"PCR0"}:
            conditions[0]["StringEqualsIgnoreCase"][f"kms:RecipientAttestation:{name}"] = self.image.pcrs[name]
        assert self.devcloud.terminate() == 0
        self.devcloud = self._start_devcloud(json.dumps(admitted))
        self._adopt()

    def enclave(self, name, wait=True, memory=None):
        return BootEnclave(self, name, wait, memory or self.memory)
