"""Of the soak: a whole enclave on this machine, with proxy, watchdog, devcloud, and DynamoDB Local behind its TLS relay."""
import contextlib
import os
import pathlib
import signal
import time

from dynamodb_relay import Authority, TlsRelay, drop_answer, duplicate, half_answer, server_error, slow, throttle
from dynamodb_server import DynamodbServer
from enclave_rig import Cloud, children_of
from harness import Process, sanitized
from soak_chaos import RARE, Deed, WallClock, pause
from soak_common import BIN, CUTS, ERRORS, TOOLS, Act
from soak_standalone import CHAIN
from test_signer_stores import descendants

KEYS = 128
STORE_CONNECTIONS = 4 * 16  # courier_backend.c: of each thread
CLOCKED = ("nitro-signer-proxy", "nitro-signer-watchdog")
SLOW_SECONDS, LONG_SECONDS = 0.3, 1


class WatchedRelay(TlsRelay):
    """Knows when the store itself took long: the signer waits five seconds for it, and a busy machine may need them."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.acts = []

    async def _treat(self, exchange):
        began = time.monotonic()
        try:
            await super()._treat(exchange)
        finally:
            if time.monotonic() - began > LONG_SECONDS:
                self.acts.append(Act("DynamoDB took long by itself", began, time.monotonic(), (ERRORS,), 5))


class SealedCloud(Cloud):
    key_options = ("--sealed", "--uuid=soak")


class WholeEnclave:
    """Its clients come through the proxy."""
    name, title, chain = "enclave", "enclave behind proxy and watchdog, DynamoDB", CHAIN

    def __init__(self, folder, bin_dir=BIN, keys=KEYS):
        self.folder, self._bin, self._num_keys, self._processes = folder, pathlib.Path(bin_dir), keys, []
        (folder / "logs").mkdir()
        self.clock = None if sanitized(BIN / "nitro-signer-keeper") else WallClock(folder, TOOLS / "libsoak_clock.so")
        self._server = DynamodbServer(durable=True)
        self._relay = WatchedRelay(self._server.port, Authority(str(folder)), folder / "dynamodb")
        self.enclave = None

    def _start_program(self, program, *arguments, fds=(), ready=True, env=None):
        clocked = self.clock and program in CLOCKED
        process = Process(str(self._bin / program), arguments, str(self.folder / "logs"), fds, self.clock.environment() if clocked else env)
        self._processes.append(process)
        return process.wait_ready(120) if ready else process

    def start(self):
        self._cloud = SealedCloud(self._start_program, self._bin, self.folder, self._server, self._relay, self._num_keys)
        self._cloud.begin("--store-mode=single")
        self.enclave = self._cloud.enclave("a", seconds=120)
        self.keys, self.port, self.ca_file = self._cloud.keys, self.enclave.port, self.folder / "items/tls-cert.pem"

    def processes(self):
        found = {"nitro-signer-proxy": self.enclave.proxy.pid, "nitro-signer-watchdog": self.enclave.watchdog.pid}
        for name, pid in descendants(self.enclave.watchdog.pid):
            if name and name != "nitro-signer-loader":
                found[name if name not in found else f"{name} {len(found)}"] = pid
        return found

    def workers(self):
        return {name: pid for name, pid in self.processes().items() if name.removeprefix("nitro-signer-") in ("front", "keeper", "courier", "proxy")}

    def stop(self):
        assert self.enclave.watchdog.terminate(60) == 0
        assert self.enclave.proxy.terminate(60) == 0

    def close(self):
        for process in reversed(self._processes):
            process.cleanup()
        self._relay.close()
        self._server.close()

    def log(self):
        return self.enclave.watchdog.log() if self.enclave else ""

    def reload(self):
        """Enclaves have none."""

    def hang_up(self):
        """Our own connections."""
        self.enclave.session.close()

    def kept(self):
        """The courier keeps as many connections to DynamoDB as it once needed at the same time, up to a limit; each goes through the proxy."""
        number = min(self._relay.open_connections, STORE_CONNECTIONS)
        return {"nitro-signer-courier": number, "nitro-signer-proxy": 2 * number}

    def observed(self):
        """What happened to it without our doing."""
        return self._relay.acts

    # ---- deeds ----

    def deeds(self):
        deeds = [Deed("proxy ended by SIGTERM and started", self._restart_proxy(signal.SIGTERM), (CUTS, ERRORS), 5, RARE // 2),
                 Deed("proxy killed and started", self._restart_proxy(signal.SIGKILL), (CUTS, ERRORS), 5, RARE // 2),
                 Deed("enclave killed", self._kill_enclave, (CUTS, ERRORS), 5, RARE),
                 Deed("watchdog ended and started", self._restart_watchdog, (CUTS, ERRORS), 5, RARE),
                 Deed("DynamoDB killed and started", self._crash_store, (ERRORS,), 15),
                 Deed("faults of DynamoDB", self._faults, (ERRORS,), 15),
                 Deed("credentials rotated", self._rotate), Deed("credentials that are wrong, then right", self._rotate_badly, (ERRORS,), 15),
                 Deed("process stopped and continued", pause(self.workers))]
        return deeds + ([Deed("clock stepped", self._step, (ERRORS,), 10)] if self.clock else [])

    def serves(self):
        with contextlib.suppress(OSError):
            return self.enclave.get("/upcheck").status_code == 200
        return False

    def until_it_serves(self):
        deadline = time.monotonic() + 120
        while not self.serves():
            assert time.monotonic() < deadline, self.log()[-4000:]
            time.sleep(0.1)

    def _restart_proxy(self, number):
        def deed(chance, _act):
            self.hang_up()
            self.enclave.proxy.signal(number)
            status = self.enclave.proxy.wait(60)
            assert number == signal.SIGKILL or status == 0, self.enclave.proxy.log()[-4000:]
            time.sleep(chance.uniform(0, 1))
            self.enclave.start_proxy()
            self.until_it_serves()
        return deed

    def _kill_enclave(self, _chance, _act):
        self.hang_up()
        (pid,) = children_of(self.enclave.watchdog.pid)
        os.kill(pid, signal.SIGKILL)
        while children_of(self.enclave.watchdog.pid) == [pid]:
            time.sleep(0.05)
        self.until_it_serves()

    def _restart_watchdog(self, _chance, _act):
        self.hang_up()
        assert self.enclave.watchdog.terminate(60) == 0
        self.enclave.start_watchdog(120)

    def _crash_store(self, chance, _act):
        self._server.kill()
        time.sleep(chance.uniform(0, 1.5))
        self._server.start()

    def _faults(self, chance, act):
        faults = {"throttled": throttle, "server errors": server_error, "answers lost": drop_answer, "half an answer": half_answer,
                  "slow": slow(SLOW_SECONDS), "twice": duplicate}
        act.detail, share = chance.choice(sorted(faults)), chance.uniform(0.1, 1)
        self._relay.inject(faults[act.detail], count=None, when=lambda _: chance.random() < share)
        time.sleep(chance.uniform(0.5, 2.5))
        self._relay.heal()

    def _rotate(self, chance, act):
        """To a name that the store takes, and back: KMS, which a later start asks, knows only the first."""
        act.detail = f"AKIDROTATED{chance.randrange(10 ** 6)}"
        for name in (act.detail, None):
            self.enclave.give_credentials(name)
            time.sleep(2)

    def _rotate_badly(self, chance, _act):
        """A secret that the store does not know."""
        right = self._relay.secret_key
        self._relay.secret_key = "not " + right
        time.sleep(chance.uniform(0.5, 2))
        self._relay.secret_key = right

    def _step(self, chance, act):
        """The relay's certificate is not valid at every date."""
        self.clock.deed(chance, act)

    def record(self):
        heights = {}
        for key, item in self._cloud.items().items():
            heights[key] = tuple(int(item[name]["N"]) if name in item else 0 for name in ("block_slot", "source_epoch", "target_epoch"))
        return heights
