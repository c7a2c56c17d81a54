"""AWS's own crates, those that nitro-cli is made of, read our enclave images; and ours reads theirs (rust/)."""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess

import pytest

import image_file

RUST = pathlib.Path(__file__).with_name("rust")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "nitro-signer"
NEEDED = (1, 94, 1)  # as in rust/bring
CURVES = ["prime256v1", "secp384r1", "secp521r1"]


def place():
    """Where rust/bring puts it."""
    made_of = b"".join((RUST / name).read_bytes() for name in ("Cargo.toml", "Cargo.lock", "src/main.rs"))
    return CACHE / f"interop-rust-{hashlib.sha256(made_of).hexdigest()[:16]}"


def cargo_version():
    if not shutil.which("cargo"):
        return (0,)
    said = subprocess.run(["cargo", "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])


def run(program, arguments, folder, status=0):
    done = subprocess.run([program, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


@pytest.fixture
def judge(folder):
    if not place().exists():
        if cargo_version() < NEEDED:
            pytest.skip("no Rust 1.94.1 or newer here: AWS's image crates cannot be built")
        pytest.skip("AWS's image crates are not here: make interop builds them")
    return lambda *arguments, status=0: run(place(), arguments, folder, status)


@pytest.fixture
def image(bin_dir, folder):
    return lambda *arguments, status=0: run(bin_dir / "nitro-signer-ctl", ["image", *arguments], folder, status)


@pytest.fixture
def inputs(folder):
    """A kernel, two manifests and two archives of random contents; and a signer of each curve."""
    generator = random.Random(os.environ.get("NS_SEED", "images"))
    (folder / "kernel").write_bytes(generator.randbytes(generator.randrange(1, 300000)))
    for index in range(2):
        (folder / f"init{index}").write_bytes(generator.randbytes(generator.randrange(0, 10000)))
        (folder / f"manifest{index}").write_text(f"nitro-signer-ramdisk 1\ndirectory 0755 dev\nfile 0755 dev/init init{index}\n")
        (folder / f"archive{index}").write_bytes(subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], input=b"kernel\n", cwd=folder,
                                                                capture_output=True, check=True, timeout=30).stdout)
    (folder / "custom.json").write_text('{"colour":"green","list":[1,2.5,null]}')
    for curve in CURVES:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-days", "10", "-keyout",
                        f"{curve}.key", "-out", f"{curve}.pem", "-subj", "/C=CH/O=Ours, quoted/CN=image signer"], cwd=folder, check=True,
                       capture_output=True, timeout=30)
    return folder


def registers(said):
    return {name: value for name, value in said["Measurements"].items() if name != "HashAlgorithm"}


def agree(theirs, ours, built):
    """Their reader's and our reader's views of one image, and what its builder said."""
    assert registers(theirs) == registers(ours) == registers(built)
    assert theirs["CheckCRC"] is True and ours["CheckCRC"] is True and theirs["version"] == ours["EifVersion"] == 4
    assert theirs["SignatureCheck"] == ours.get("SignatureCheck") == (True if ours["IsSigned"] else None)
    assert theirs["SigningCertificate"] == ours.get("SigningCertificate")
    metadata = theirs["Metadata"]
    assert (metadata["ImageName"], metadata["ImageVersion"]) == (ours["ImageName"], ours["ImageVersion"])
    assert {**metadata["BuildMetadata"], "DockerInfo": metadata["DockerInfo"], **metadata["CustomMetadata"]} == ours["Metadata"]


BASE = ["build", "--kernel=kernel", "--cmdline=reboot=k panic=30 pci=off", "--out=ours.eif"]
SHAPES = {
    "one ramdisk": ["--ramdisk=manifest0"],
    "two ramdisks": ["--ramdisk=manifest0", "--ramdisk=manifest1"],
    "28 ramdisks": [*["--ramdisk=manifest0", "--ramdisk=archive1"] * 14, "--signing-certificate=secp384r1.pem", "--private-key=secp384r1.key"],
    "metadata": ["--ramdisk=archive0", "--metadata=custom.json", "--image-name=na\u00efve \"quoted\"", "--build-time=1767225600"],
    "arm64": ["--ramdisk=manifest0", "--architecture=arm64"],
    **{curve: ["--ramdisk=manifest0", "--ramdisk=archive1", f"--signing-certificate={curve}.pem", f"--private-key={curve}.key"] for curve in CURVES},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_theirs_reads_ours(judge, image, inputs, shape):
    built = image(*BASE, *SHAPES[shape])
    theirs = judge("describe", "ours.eif")
    agree(theirs, image("describe", "ours.eif"), built)
    assert theirs["flags"] == (shape == "arm64") and theirs["sections"] == len(image_file.sections((inputs / "ours.eif").read_bytes()))


@pytest.mark.parametrize("ramdisks", [1, 2, 28])
@pytest.mark.parametrize("curve", [None, *CURVES])
def test_ours_reads_theirs(judge, image, inputs, curve, ramdisks):
    signer = (f"{curve}.pem", f"{curve}.key") if curve else ("-", "-")
    built = judge("build", "theirs.eif", "kernel", "console=ttyS0", int(ramdisks == 2), *signer,
                  *[f"archive{index % 2}" for index in range(ramdisks)])
    agree(judge("describe", "theirs.eif"), image("describe", "theirs.eif"), built)


def test_both_build_the_same_file(judge, image, inputs):
    """Of the same parts, all but the metadata and what follows from their length: section by section, and the header's defaults."""
    judge("build", "theirs.eif", "kernel", "console=ttyS0", 0, "-", "-", "archive0", "archive1")
    image(*BASE[:2], "--cmdline=console=ttyS0", "--ramdisk=archive0", "--ramdisk=archive1", "--out=ours.eif")
    theirs, ours = (inputs / "theirs.eif").read_bytes(), (inputs / "ours.eif").read_bytes()
    assert theirs[:0x1c] == ours[:0x1c]
    pairs = list(zip(image_file.sections(theirs), image_file.sections(ours), strict=True))
    assert [kind for (kind, data), other in pairs if (kind, data) != other] == [image_file.METADATA]


def test_images_of_a_third_program(judge, image, vectors):
    for name in ("unsigned.eif", "signed.eif"):
        path = vectors / "nitro/SYNTHETIC" / name
        ours = image("describe", path)
        agree(judge("describe", path), ours, ours)


@pytest.mark.parametrize("curve", CURVES)
def test_their_cose_verifies_our_signature(judge, image, inputs, curve):
    built = image(*BASE, *SHAPES[curve])
    _, cose = image_file.signature(image_file.sections((inputs / "ours.eif").read_bytes())[-1][1])
    (inputs / "cose").write_bytes(cose)
    payload = bytes(judge("cose", "cose", f"{curve}.pem")["payload"])
    assert payload.startswith(b"\xa2\x6eregister_index\x00\x6eregister_value\x98\x30")
    value = bytes.fromhex(built["Measurements"]["PCR0"])
    assert payload.endswith(b"".join(bytes([byte]) if byte < 24 else bytes([0x18, byte]) for byte in value))
    other = CURVES[(CURVES.index(curve) + 1) % len(CURVES)]
    judge("cose", "cose", f"{other}.pem", status=1)
    for at in (10, len(cose) // 2, len(cose) - 1):
        (inputs / "cose").write_bytes(cose[:at] + bytes([cose[at] ^ 1]) + cose[at + 1:])
        judge("cose", "cose", f"{curve}.pem", status=1)


def test_what_one_refuses_the_other_does_not_trust(judge, image, inputs):
    """Flipped bits all over a signed image: ours refuses it; theirs fails, or says that a check did not pass."""
    image(*BASE, *SHAPES["secp384r1"])
    whole = (inputs / "ours.eif").read_bytes()
    generator = random.Random(os.environ.get("NS_SEED", "bits"))
    for at in [5, 0x220, 0x224, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(30))]:
        broken = bytearray(whole)
        broken[at] ^= 1 << generator.randrange(8)
        (inputs / "broken.eif").write_bytes(broken)
        image("describe", "broken.eif", status=1)
        done = subprocess.run([place(), "describe", inputs / "broken.eif"], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0 or json.loads(done.stdout)["CheckCRC"] is False, at
