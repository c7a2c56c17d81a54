"""The rig of tests/boot for arm64: kernel and ramdisks as make image ARCH=arm64 leaves them, in QEMU's machine `virt`, which has no NSM.

    cloud = ArmCloud(start, bin_dir, folder, parts, build)   # build: what the preset arm64 has built

In place of the NSM a devcloud runs inside the machine, out of a third ramdisk behind the two that are shipped; it has the root key of
the devcloud outside, which so verifies signed documents as KMS does. PCR0 is what devcloud measures: the programs of the two ramdisks.
What else differs from what is shipped is on the command line: the tests' words, the console, and where init and the NSM are.
"""
import pathlib
import re
import shutil
import subprocess

from boot_rig import BootCloud
from emulator import added_words
from enclave_rig import IMAGE

KEEPER_USER = 1001  # src/enclave/enclave_family.h; nsm_init.c runs devcloud as that
CONSOLE = "console=ttyAMA0"
STAND_IN = "rdinit=/stand-in/nsm-init nitro_signer.nsm=unix:/stand-in/nsm"
MEMORY_MIB = 192  # 128 as in tests/boot, and the stand-in


def libraries(program, sysroot):
    """Those that a program names, and those that these name: name -> path."""
    found, todo = {}, [program]
    while todo:
        told = subprocess.run(["readelf", "--wide", "--dynamic", todo.pop()], check=True, capture_output=True, text=True, timeout=60).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", told):
            if name not in found:
                found[name] = sysroot / "usr/lib/aarch64-linux-gnu" / name
                todo.append(found[name])
    return found


def archive(folder):
    """A ramdisk of the folder's content, the keeper's user's; compressed, as an archive that is not has to begin at a multiple of four."""
    packed = subprocess.run(f"find . -print0 | sort -z | cpio --quiet --null --create --format=newc --owner={KEEPER_USER}:{KEEPER_USER} | zstd -q",
                            shell=True, cwd=folder, check=True, capture_output=True, timeout=120)
    assert not packed.stderr, packed.stderr
    return packed.stdout


def programs(parts, folder):
    """The shipped ones, in the order in which they are measured."""
    folder.mkdir()
    for name in ("boot", "application"):
        content = subprocess.run(["zstd", "-dc", parts / f"{name}.cpio"], check=True, capture_output=True, timeout=60).stdout
        subprocess.run(["cpio", "--quiet", "--extract", "--make-directories", "bin/nitro-signer-*"], input=content, cwd=folder, check=True, timeout=60)
    return [folder / "bin" / name for name in IMAGE]


class ArmImage:
    """What run_enclave.py boots; third: what is behind the ramdisks that are shipped."""

    def __init__(self, parts, path, words, third=b"", pcrs=None):
        path.mkdir()
        shutil.copyfile(parts / "kernel", path / "kernel")
        (path / "ramdisk").write_bytes((parts / "boot.cpio").read_bytes() + (parts / "application.cpio").read_bytes() + third)
        (path / "cmdline").write_text(f"{(parts / 'cmdline').read_text().strip()} {CONSOLE} {words}")
        self.option, self.pcrs = f"--arm64={path}", pcrs


class ArmCloud(BootCloud):
    memory = MEMORY_MIB

    def __init__(self, start, bin_dir, folder, parts, build):
        self.build = build
        super().__init__(start, bin_dir, folder, parts)
        self.believe_unsigned = False

    def stand_in(self):
        """The third ramdisk."""
        root = self.folder / "third"
        place = root / "stand-in"
        (place / "lib").mkdir(parents=True)
        (place / "state").mkdir(mode=0o700)
        for name in ("nsm-root-key.der", "nsm-root.der"):
            shutil.copy(self.folder / "cloud" / name, place / "state")
        program = self.build.path / "bin/nitro-signer-devcloud"
        for name, path in libraries(program, self.build.sysroot).items():
            shutil.copy(path, place / ("loader" if name.startswith("ld-linux") else f"lib/{name}"))
        (place / "loader").chmod(0o755)
        shutil.copy(program, place)
        shutil.copy(self.build.path / "tests/arm64/nsm_init", place / "nsm-init")
        return archive(root)

    def build_image(self, name="image", words=STAND_IN):
        measured = self.ctl("image", "measure", *programs(self.parts, self.folder / f"{name}-programs")).strip()
        return ArmImage(self.parts, self.folder / name, f"{added_words(self.authority)} {words}", self.stand_in(), {"PCR0": measured})

    def bare_image(self, words=""):
        """Nothing behind the two ramdisks."""
        return ArmImage(self.parts, self.folder / "bare", f"{added_words(self.authority)} {words}")
