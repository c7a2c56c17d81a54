"""The programs as make image compiled them, with the libcurl and the options of theirs, do what those of the tree do: the whole demo."""
import gzip
import io
import json
import os
import pathlib
import subprocess
import tarfile

from emulator import ROOT, parts_folder

DEMO_SECONDS = 300


def host_programs(archive, folder):
    """Out of the only layer of the host's container image."""
    with tarfile.open(archive) as outer:
        def blob(digest):
            return outer.extractfile(f"blobs/{digest.replace(':', '/')}").read()

        manifest = json.loads(blob(json.load(outer.extractfile("index.json"))["manifests"][0]["digest"]))
        layer = blob(manifest["layers"][0]["digest"])
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as inner:
        for member in inner:
            path = pathlib.PurePath(member.name)
            if member.isfile() and path.name.startswith("nitro-signer") and path.parent.name == "bin":
                (folder / path.name).write_bytes(inner.extractfile(member).read())
                (folder / path.name).chmod(0o755)


def enclave_programs(ramdisk, folder):
    unpacked = folder / ramdisk.name
    unpacked.mkdir()
    content = subprocess.run(["zstd", "-dc", ramdisk], check=True, capture_output=True, timeout=60).stdout
    subprocess.run(["cpio", "--quiet", "--extract", "--make-directories", "bin/nitro-signer-*"], input=content, cwd=unpacked, check=True, timeout=60)
    for program in (unpacked / "bin").iterdir():
        program.rename(folder / program.name)


def test_the_demo_runs_with_the_programs_of_the_image(bin_dir, parts, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    host_programs(parts_folder() / "nitro-signer-host.oci.tar", programs)
    # Second, so that what runs in the enclave is what the ramdisks hold.
    for name in ("boot.cpio", "application.cpio"):
        enclave_programs(parts / name, programs)
    (programs / "nitro-signer-devcloud").symlink_to(bin_dir / "nitro-signer-devcloud")
    done = subprocess.run([ROOT / "scripts/demo"], timeout=DEMO_SECONDS, capture_output=True, text=True, check=False,
                          env=dict(os.environ, NS_BIN_DIR=str(programs), NS_DEMO_DIR=str(tmp_path / "run")))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "steps went as they should" in done.stdout
