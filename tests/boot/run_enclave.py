#!/usr/bin/python3
"""Runs one emulated enclave in the foreground, as a wrapper of nitro-cli would a real one: the watchdog's ENCLAVE COMMAND in tests.

Beside QEMU and vhost-device-vsock it is what only AWS's hypervisor has: the listener that waits for the enclave's heartbeat, and
vsock addresses for the host. FOLDER/NAME-control, -https and -metrics are its ports 5000, 443 and 9001; they are there only while the
enclave's control port answers, as a vsock address would be. What the enclave connects to on port N has to listen on FOLDER/NAME.vsock_N.
Ends with QEMU; prints the seconds to each stage as it is reached.
"""
import argparse
import asyncio
import contextlib
import itertools
import os
import pathlib
import signal
import sys
import time

PORTS = {"control": 5000, "https": 443, "metrics": 9001}
HEARTBEAT_PORT, HEARTBEAT_BYTE = 9000, b"\xb7"
CONNECT_SECONDS, CHUNK = 5, 65536


def parse(words):
    parser = argparse.ArgumentParser()
    for name in ("emulator", "folder", "name"):
        parser.add_argument(f"--{name}", required=True)
    image = parser.add_mutually_exclusive_group(required=True)
    image.add_argument("--eif", help="for the nitro-enclave machine, which is an x86_64 one")
    image.add_argument("--arm64", help="a folder with kernel, ramdisk and cmdline, for Debian's QEMU and its arm64 machine, virt")
    parser.add_argument("--memory", type=int, default=64, help="MiB")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--cid", type=int, default=4)
    return parser.parse_args(words)


async def pump(reader, writer):
    """Everything, then the end of it."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Enclave:
    def __init__(self, options):
        self.options, self.began = options, time.monotonic()
        self.path = f"{options.folder}/{options.name}"
        self.tasks = set()

    def tell(self, text):
        print(f"enclave {self.options.name}: {text} after {time.monotonic() - self.began:.3f} s", flush=True)

    def file(self, suffix):
        path = self.path + suffix
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return path

    async def spawn(self, *command, output=None):
        # setpriv: whatever becomes of us, they go with us.
        return await asyncio.create_subprocess_exec("setpriv", "--pdeathsig", "KILL", *command,
                                                    stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output and asyncio.subprocess.STDOUT)

    def machine(self):
        """What is QEMU's and the architecture's; vsock is behind the character device c."""
        o = self.options
        if o.eif:
            return [f"{o.emulator}/bin/qemu-system-x86_64", "-M", f"nitro-enclave,vsock=c,id=boot-{o.name}", "-kernel", o.eif, "-cpu", "max",
                    "-L", "/usr/share/qemu", "-L", "/usr/share/seabios"]
        # As Nitro's: virtio of today's kind over memory-mapped registers, and memory that the other end of vsock sees.
        return ["qemu-system-aarch64", "-M", "virt,gic-version=3,memory-backend=memory", "-cpu", "neoverse-n1", "-nodefaults", "-serial", "stdio",
                "-object", f"memory-backend-memfd,id=memory,size={o.memory}M,share=on", "-global", "virtio-mmio.force-legacy=false",
                "-device", "vhost-user-vsock-device,chardev=c", "-kernel", f"{o.arm64}/kernel", "-initrd", f"{o.arm64}/ramdisk",
                "-append", pathlib.Path(o.arm64, "cmdline").read_text()]

    async def heartbeat(self):
        """Returns when the enclave's byte has come and gone back."""
        done = asyncio.get_running_loop().create_future()

        async def answer(reader, writer):
            byte = await reader.read(1)
            writer.write(byte)
            await writer.drain()
            writer.close()
            if byte == HEARTBEAT_BYTE and not done.done():
                done.set_result(None)

        server = await asyncio.start_unix_server(answer, self.file(f".vsock_{HEARTBEAT_PORT}"))
        await done
        server.close()

    async def dial(self, port):
        """A connection to a port of the enclave; None when nothing listens there."""
        try:
            reader, writer = await asyncio.open_unix_connection(f"{self.path}.vsock")
            writer.write(f"CONNECT {port}\n".encode())
            line = b""
            async with asyncio.timeout(CONNECT_SECONDS):
                while not line.endswith(b"\n"):
                    byte = await reader.readexactly(1)  # nothing of what stands behind the line
                    line += byte
        except (OSError, EOFError, TimeoutError):
            return None
        return (reader, writer) if line.startswith(b"OK ") else None

    def bridge(self, port):
        async def serve(reader, writer):
            self.tasks.add(asyncio.current_task())
            inside = await self.dial(port)
            if inside:
                await asyncio.gather(pump(reader, inside[1]), pump(inside[0], writer))
                inside[1].close()
            writer.close()
            self.tasks.discard(asyncio.current_task())

        return serve

    async def open_ports(self):
        await self.heartbeat()
        self.tell("heartbeat")
        for wait in itertools.count():
            connection = await self.dial(PORTS["control"])
            if connection:
                connection[1].close()
                break
            await asyncio.sleep(min(0.02 * (wait + 1), 0.5))
        self.tell("control port")
        for name, port in PORTS.items():
            await asyncio.start_unix_server(self.bridge(port), self.file(f"-{name}"))

    async def keep_console(self, reader):
        """The console's lines with the seconds at which they came; a file for each start."""
        path = next(path for n in itertools.count(1) if not (path := pathlib.Path(f"{self.path}.console-{n}")).exists())
        with open(path, "wb", buffering=0) as file:
            while line := await reader.readline():
                file.write(f"{time.monotonic() - self.began:8.3f} ".encode() + line)

    async def run(self):
        o = self.options
        socket = self.file(".vhost")
        for name in PORTS:
            self.file(f"-{name}")
        vsock = await self.spawn(f"{o.emulator}/bin/vhost-device-vsock", "--vm", f"guest-cid={o.cid},socket={socket},uds-path={self.file('.vsock')}")
        while not os.path.exists(socket):
            if vsock.returncode is not None:
                return vsock.returncode
            await asyncio.sleep(0.01)
        qemu = await self.spawn(
            *self.machine(), "-accel", "tcg", "-m", f"{o.memory}M", "-smp", str(o.cpus), "-nographic", "-no-reboot",
            "-chardev", f"socket,id=c,path={socket}", output=asyncio.subprocess.PIPE)
        console = asyncio.create_task(self.keep_console(qemu.stdout))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, qemu.terminate)
        ports = asyncio.create_task(self.open_ports())
        status = await qemu.wait()
        await console
        self.tell(f"ended with {status}")
        ports.cancel()
        for name in PORTS:
            self.file(f"-{name}")
        with contextlib.suppress(ProcessLookupError):  # it ends when QEMU lets go of it
            vsock.kill()
        await vsock.wait()
        return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(Enclave(parse(sys.argv[1:])).run()))
