"""Whole enclaves on one machine: devcloud as NSM and KMS, a proxy, and enclaves under their watchdogs, with their slashing
protection in DynamoDB Local behind its TLS relay. What is encrypted and by whom is as in production; only addresses
differ. The credentials that KMS gives out are those that the relay wants signatures of.

    cloud = Cloud(start, bin_dir, folder, dynamodb, dynamodb_relay)
    cloud.begin("--store-mode=fleet")
    enclave = cloud.enclave("a")
    assert enclave.attest(0, target=7).status_code == 200

Without DynamoDB the record is in SQLite: Cloud(start, bin_dir, folder).
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import requests

from dynamodb_relay import answer_bytes
from dynamodb_server import ACCOUNT, REGION
from harness import PATIENCE, free_port

ROLE = "arn:aws:iam::111122223333:role/nitro-signer-test"
MAINNET_GENESIS = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"


def epoch_now():
    return (int(time.time()) - 1606824023) // 384


EPOCH = epoch_now()  # when the tests began, which may be epochs ago
IMAGE = [f"nitro-signer-{part}" for part in ("enclave", "keeper", "front", "courier", "loader")]
KMS_URL = f"https://kms.{REGION}.amazonaws.com"
NSM_SOCKETS = ("nsm-a", "nsm-b")


def key_policy(actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "Bootstrap", "Effect": "Allow", "Resource": "*",
                                                               "Principal": {"AWS": ROLE}, "Action": actions}]})


def children_of(pid):
    """Its children's numbers; none of one that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Enclave:
    """A watchdog with its enclave, reached over HTTPS through the proxy."""

    def __init__(self, cloud, name, wait=True, seconds=120):
        self.cloud, self.name, self.port = cloud, name, free_port()
        folder = cloud.folder
        self.credentials = folder / f"{name}-credentials.json"
        self.genuine = (folder / "cloud/credentials.json").read_text()
        self.credentials.write_text(self.genuine)
        self._proxy = [
            "nitro-signer-proxy", f"--inbound=tcp:127.0.0.1:{self.port}=unix:{folder}/{name}-https", f"--outbound=unix:{folder}/{name}-kms=unix:{folder}/kms", f"--allow=unix:{folder}/kms",
            *([f"--outbound=unix:{folder}/{name}-dynamodb={cloud.relay.address}", f"--allow={cloud.relay.address}"] if cloud.relay else [])]
        self._watchdog = [
            "nitro-signer-watchdog", f"--control=unix:{folder}/{name}-control", *cloud.sources, f"--credentials={cloud.credentials or self.credentials}",
            f"--policy={folder}/policy.txt", *[f"--access={cloud.access}"] * bool(cloud.access), "--status-interval=1", "--", str(cloud.bin_dir / "nitro-signer-enclave"), f"--control=unix:{folder}/{name}-control",
            f"--https=unix:{folder}/{name}-https", f"--nsm=unix:{folder}/nsm-{name}", f"--kms-via=unix:{folder}/{name}-kms",
            f"--dynamodb-via=unix:{folder}/{name}-dynamodb", f"--ca-file={folder}/ca.pem", "--log-level=debug", *cloud.enclave_options]
        self.start_proxy()
        self.start_watchdog(seconds if wait else None)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(folder / "items/tls-cert.pem")

    def start_proxy(self):
        """Anew, if there was one, which must have ended."""
        self.proxy = self.cloud.start(*self._proxy)

    def start_watchdog(self, seconds=120):
        """Anew, if there was one, which must have ended. Returns when its enclave serves; None: at once."""
        self.watchdog = self.cloud.start(*self._watchdog, ready=False)
        if seconds is not None:
            self.watchdog.wait_ready(seconds)

    def log(self):
        return self.watchdog.log()

    def give_credentials(self, access_key_id=None):
        """The host hands in others, by default the first again; what they are signed with is the same."""
        text = json.dumps({**json.loads(self.genuine), "access_key_id": access_key_id}) if access_key_id else self.genuine
        fresh = self.credentials.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.credentials)

    def kill(self, seconds=60):
        """The enclave dies without warning; its watchdog starts it again. Returns when it serves."""
        (enclave,) = children_of(self.watchdog.pid)
        served = self.log().count("state: serve")
        os.kill(enclave, signal.SIGKILL)
        eventually(lambda: self.log().count("state: serve") > served, seconds)

    def attest(self, key=0, target=EPOCH, block=0x44, source=EPOCH - 4):
        checkpoint = lambda epoch: {"epoch": str(epoch), "root": "0x" + "55" * 32}
        message = {"type": "ATTESTATION", "attestation": {"slot": str(32 * target), "index": "0", "beacon_block_root": f"0x{block:064x}",
                                                          "source": checkpoint(source), "target": checkpoint(target)},
                   "fork_info": {"fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"},
                                 "genesis_validators_root": MAINNET_GENESIS}}
        return self.session.post(f"https://localhost:{self.port}/api/v1/eth2/sign/{self.cloud.keys[key]}", json=message, timeout=30 * PATIENCE)

    def get(self, path):
        return self.session.get(f"https://localhost:{self.port}{path}", timeout=30 * PATIENCE)


def eventually(holds, seconds=60):
    deadline = time.monotonic() + seconds * PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class OtherAccount:
    """An account of the host's own: requests signed with its key id find there a table of the same name, in truth another
    table of the same server, which began as a copy of the genuine one."""
    ACCOUNT, KEY_ID = "999988887777", "AKIDOFTHEHOST"

    def __init__(self, cloud):
        self.name, self.copy, server, self.asked = cloud.table, cloud.dynamodb.create_table(), cloud.dynamodb, 0
        for item in cloud.items().values():
            server.ask("PutItem", {"TableName": self.copy, "Item": item})

    def is_asked(self, exchange):
        return f"Credential={self.KEY_ID}/" in exchange.request.headers.get("authorization", "")

    async def answer(self, exchange):
        self.asked += 1
        answer = await exchange.forward(json.loads(exchange.request.body.decode().replace(self.name, self.copy)))
        head, _, content = answer.partition(b"\r\n\r\n")
        content = content.replace(self.copy.encode(), self.name.encode()).replace(ACCOUNT.encode(), self.ACCOUNT.encode())
        await exchange.reply(answer_bytes(int(head.split()[1]), content))


class Cloud:
    key_options, key_fds = ("--kdf=pbkdf2",), "mnemonic-fd"

    def __init__(self, start, bin_dir, folder, dynamodb=None, relay=None, num_keys=2):
        self.start, self.bin_dir, self.folder, self.dynamodb, self.relay = start, bin_dir, folder, dynamodb, relay
        self.table = dynamodb.fresh_name() if dynamodb else None
        self.access = None  # file of the access document; None: any
        self.sources = [f"--items={folder}/items"]  # the watchdog's options for where keys are
        self.credentials = None  # imds; None: a file that is written for each enclave
        self.enclave_options = []  # more of nitro-signer-enclave's
        (folder / "items").mkdir()
        self.devcloud = self._start_devcloud(key_policy(["kms:Encrypt", "kms:DescribeKey"]))
        self.key_arn = (folder / "cloud/key-arn").read_text().strip()
        self._adopt()
        lines = self.ctl("keys", "generate", f"--count={num_keys}", "--network=mainnet", "--out=items", *self.key_options, *self._kms(arn="key-arn"),
                         fd=self.key_fds)
        self.secrets = self.told.split("\n")
        self.keys = [line.split()[1] for line in lines.splitlines()]
        assert len(self.keys) == num_keys
        self.ctl("tls", "make", "--name=signer.test.private", "--out=items", *self._kms(arn="key-arn"))

    def _adopt(self):
        """Each start of devcloud makes credentials, with which the relay checks signatures."""
        (self.folder / "ca.pem").write_text((self.folder / "cloud/kms-ca.pem").read_text() + (self.relay.ca_file.read_text() if self.relay else ""))
        if self.relay:
            self.relay.secret_key = json.loads((self.folder / "cloud/credentials.json").read_text())["secret_access_key"]

    def _start_devcloud(self, policy):
        (self.folder / "key-policy.json").write_text(policy)
        image = ",".join(str(self.bin_dir / name) for name in IMAGE)
        sockets = [word for name in NSM_SOCKETS for word in (f"--nsm=unix:{self.folder}/{name}", f"--measure={image}")]
        return self.start("nitro-signer-devcloud", f"--state={self.folder}/cloud", f"--role-arn={ROLE}", *sockets,
                          f"--kms=unix:{self.folder}/kms", f"--key-policy={self.folder}/key-policy.json")

    def _kms(self, arn):
        return [f"--{arn}={self.key_arn}", "--credentials=cloud/credentials.json", f"--kms-endpoint={KMS_URL}", f"--kms-via=unix:{self.folder}/kms",
                "--ca-file=ca.pem"]

    def ctl(self, *arguments, fd=None, status=0):
        reader, writer = os.pipe()
        options = [f"--{option}={writer}" for option in (fd or "").split()]
        done = subprocess.run([self.bin_dir / "nitro-signer-ctl", *map(str, arguments), *options], cwd=self.folder, text=True, capture_output=True,
                              timeout=600 * PATIENCE, check=False, pass_fds=[writer] if fd else [])
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.told = pipe.read()  # what went to fd
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def begin_table(self, table):
        """slashing init; the identity it prints."""
        return self.ctl("slashing", "init", f"--table={table}", f"--region={REGION}", *self._kms(arn="kms-key"), f"--dynamodb-via={self.relay.address}",
                        f"--genesis-validators-root={MAINNET_GENESIS}").strip()

    def begin(self, *policy_options, identity=None):
        """Begins the table, writes the policy, and has KMS release its keys to the image under that policy only."""
        store = [f"--store=sqlite:{self.folder}/slashing.sqlite"]
        if self.table:
            store = [f"--store=dynamodb:{ACCOUNT}/{self.table}", f"--store-identity={identity or self.begin_table(self.table)}"]
        policy = self.ctl("policy", "make", "--network=mainnet", *store, f"--kms-key={self.key_arn}",
                          f"--genesis-validators-root={MAINNET_GENESIS}", "--log-level=debug", f"--access={self.access or 'any'}", *policy_options)
        (self.folder / "policy.txt").write_text(policy)
        pcr0 = self.ctl("image", "measure", *(self.bin_dir / name for name in IMAGE)).strip()
        pcr16 = self.ctl("policy", "measure", "policy.txt").strip()
        admitted = self.ctl("policy", "kms-key-policy", f"--pcr0={pcr0}", f"--pcr16={pcr16}", f"--role={ROLE}", f"--encrypt-role={ROLE}")
        assert self.devcloud.terminate() == 0
        self.devcloud = self._start_devcloud(admitted)
        self._adopt()

    def enclave(self, name, wait=True, seconds=120):
        return Enclave(self, name, wait, seconds)

    def items(self):
        """pk -> item, as the service has them."""
        return {item["pk"]["S"]: item for item in self.dynamodb.ask("Scan", {"TableName": self.table, "ConsistentRead": True})["Items"]}

    def put(self, item):
        self.dynamodb.ask("PutItem", {"TableName": self.table, "Item": item})

    def delete(self, key):
        self.dynamodb.ask("DeleteItem", {"TableName": self.table, "Key": {"pk": {"S": key}}})
