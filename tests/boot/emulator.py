"""The emulator that scripts/setup --image builds, and enclave images for it.

    image = Image(bin_dir, parts, folder, authority)       # parts: build/image/x86_64, as make image leaves it
    image.pcrs["PCR0"], image.option

An image for the emulator differs from the one that is shipped in its command line only: the parent's CID is 2, the only one that
vhost-device-vsock knows, the authority of AWS's certificates is a test's own, and the kernel talks. All of it is measured.
"""
import base64
import hashlib
import json
import os
import pathlib
import ssl
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = ("kernel", "cmdline", "boot.cpio", "application.cpio")


def emulator_folder():
    """Where tests/boot/bring puts it: a folder named by all that pins it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    pins = b"".join((HERE / name).read_bytes() for name in ("bring", "requirements.txt"))
    return pathlib.Path(cache) / "nitro-signer" / f"emulator-{hashlib.sha256(pins).hexdigest()[:16]}"


def parts_folder():
    """What make image ARCH=x86_64 left; NS_IMAGE_DIR names another place."""
    return pathlib.Path(os.environ.get("NS_IMAGE_DIR") or ROOT / "build/image/x86_64")


def added_words(authority):
    """What a test's image has on its command line beside what is shipped."""
    der = base64.b64encode(ssl.PEM_cert_to_DER_cert(pathlib.Path(authority).read_text())).decode()
    return f"nitro_signer.parent-cid=2 nitro_signer.authority={der} loglevel=7"


class Image:
    def __init__(self, bin_dir, parts, path, authority, edit=lambda cmdline: cmdline):
        self.path = pathlib.Path(path)
        self.option = f"--eif={path}"  # of run_enclave.py
        shipped = (parts / "cmdline").read_text().strip()
        cmdline = edit(f"{shipped} {added_words(authority)}")
        done = subprocess.run(
            [bin_dir / "nitro-signer-ctl", "image", "build", f"--kernel={parts}/kernel", f"--cmdline={cmdline}",
             *(f"--ramdisk={parts}/{name}.cpio" for name in ("boot", "application")), f"--out={path}"],
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        self.pcrs = {name: value for name, value in json.loads(done.stdout)["Measurements"].items() if name.startswith("PCR")}
        assert set(self.pcrs) == {"PCR0", "PCR1", "PCR2"}
