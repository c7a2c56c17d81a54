"""nitro-signer-ctl image: measurements recomputed with hashlib, ramdisks read by cpio, signatures by openssl; the same bytes
wherever they are made."""
import base64
import hashlib
import json
import os
import stat
import subprocess

import pytest

import image_file

MANIFEST = """nitro-signer-ramdisk 1
# in no order
symlink lib/b.so a.so
file 0750 init the init
directory 0755 lib
directory 1777 tmp
directory 0755 dev
character-device 0600 dev/console 5 1
block-device 0660 dev/vda 254 0
file 0644 lib/a.so nested/a
file 0400 empty void
"""
CONFIG = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86_64 6.12.48-1 Kernel Configuration\n#\nCONFIG_64BIT=y\n"


@pytest.fixture
def image(bin_dir, folder):
    """Runs a verb of image; in a folder with inputs."""
    make_inputs(folder)

    def runner(*arguments, status=0, env=None, cwd=folder, prefix=()):
        done = subprocess.run([*prefix, bin_dir / "nitro-signer-ctl", "image", *map(str, arguments)], cwd=cwd, capture_output=True,
                              text=True, timeout=60, check=False, env={**os.environ, **(env or {})})
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout) if status == 0 else done.stderr
    return runner


def make_inputs(folder):
    (folder / "nested").mkdir()
    for name, text in {"manifest": MANIFEST, "second": "nitro-signer-ramdisk 1\nfile 0755 cmd the init\n", "the init": "#!/bin/false\n",
                       "nested/a": "x" * 4097, "void": "", "config": CONFIG, "custom.json": '{"colour":"green","number":7}'}.items():
        (folder / name).write_text(text)
    (folder / "kernel").write_bytes(hashlib.shake_128(b"kernel").digest(70001))


BUILD = ["build", "--kernel=kernel", "--cmdline=reboot=k panic=30", "--ramdisk=manifest", "--ramdisk=second", "--out=out.eif"]


def ramdisks(file):
    return [data for kind, data in image_file.sections(file.read_bytes()) if kind == image_file.RAMDISK]


def test_a_ramdisk_alone_is_the_one_in_the_image(bin_dir, image, folder):
    image(*BUILD)
    done = subprocess.run([bin_dir / "nitro-signer-ctl", "image", "ramdisk", f"--manifest={folder}/manifest", "--out=out.cpio"],
                          cwd=folder, check=False, timeout=60)
    assert done.returncode == 0
    assert (folder / "out.cpio").read_bytes() == ramdisks(folder / "out.eif")[0]
    assert "not a manifest" in image("ramdisk", "--manifest=kernel", "--out=other.cpio", status=1)
    assert not (folder / "other.cpio").exists()


def test_measurements_are_hashlibs(image, folder):
    built = image(*BUILD)["Measurements"]
    file = (folder / "out.eif").read_bytes()
    assert built == {"HashAlgorithm": "Sha384 { ... }", **image_file.measurements(file)}
    parts = image_file.sections(file)
    assert [kind for kind, _ in parts] == [1, 2, 5, 3, 3]
    assert parts[0][1] == (folder / "kernel").read_bytes() and parts[1][1] == b"reboot=k panic=30"
    assert json.loads(parts[2][1]) == {
        "ImageName": "nitro-signer", "ImageVersion": "0.1.0", "DockerInfo": {}, "CustomMetadata": {},
        "BuildMetadata": {"BuildTime": "1970-01-01T00:00:00+00:00", "BuildTool": "nitro-signer-ctl", "BuildToolVersion": "0.1.0",
                          "OperatingSystem": "Unknown", "KernelVersion": "Unknown"}}


def test_describe_says_what_nitro_cli_says(image, folder):
    built = image(*BUILD, "--kernel-config=config", "--metadata=custom.json", "--image-name=ours", "--image-version=2",
                  "--build-time=1767225600", env={"SOURCE_DATE_EPOCH": "1"})
    said = image("describe", "out.eif")
    assert said == {"EifVersion": 4, **built, "IsSigned": False, "CheckCRC": True, "ImageName": "ours", "ImageVersion": "2",
                    "Metadata": {"BuildTime": "2026-01-01T00:00:00+00:00", "BuildTool": "nitro-signer-ctl", "BuildToolVersion": "0.1.0",
                                 "OperatingSystem": "Linux", "KernelVersion": "6.12.48", "DockerInfo": {}, "colour": "green", "number": 7}}
    assert list(said) == ["EifVersion", "Measurements", "IsSigned", "CheckCRC", "ImageName", "ImageVersion", "Metadata"]
    # Metadata are not measured.
    assert built == image(*BUILD)


def test_the_metadata_cannot_pose_as_the_builders(image, folder):
    (folder / "posing.json").write_text('{"BuildTool":"nitro-cli","other":1}')
    image(*BUILD, "--metadata=posing.json")
    said = image("describe", "out.eif")["Metadata"]
    assert said["BuildTool"] == "nitro-signer-ctl" and said["other"] == 1


def test_images_of_another_program(image, vectors):
    made = vectors / "nitro/SYNTHETIC"
    for name in ("unsigned", "signed"):
        said = image("describe", made / f"{name}.eif")
        for line in (made / "eif_expected.txt").read_text().splitlines():
            if line.startswith("PCR") and (name == "signed" or "PCR8" not in line):
                register, value = line.split()[0].split("=")
                assert said["Measurements"][register] == value
        assert said["IsSigned"] == (name == "signed") == ("SigningCertificate" in said)
    assert said["SigningCertificate"]["IssuerName"] == {"commonName": "synthetic eif signer"} and said["SignatureCheck"] is True
    assert "CRC" in image("describe", made / "unsigned_badcrc.eif", status=1)
    assert "another PCR0" in image("describe", made / "signed_tampered_ramdisk_goodcrc.eif", status=1)


def test_cpio_unpacks_the_ramdisk(image, folder):
    image(*BUILD)
    archive = ramdisks(folder / "out.eif")[0]
    assert archive[:6] == b"070701" and len(archive) % 512 == 0
    listed = subprocess.run(["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"], input=archive, capture_output=True, check=True,
                            timeout=30, env={"TZ": "UTC", "LC_ALL": "C", "PATH": os.environ["PATH"]}).stdout.decode().splitlines()
    rows = [(line.split()[0], line.split()[2:4], line.split(" 1970 ")[1]) for line in listed]
    assert all(owner == ["0", "0"] for _, owner, _ in rows)
    assert [(mode, name) for mode, _, name in rows] == [
        ("drwxr-xr-x", "dev"), ("crw-------", "dev/console"), ("brw-rw----", "dev/vda"), ("-r--------", "empty"), ("-rwxr-x---", "init"),
        ("drwxr-xr-x", "lib"), ("-rw-r--r--", "lib/a.so"), ("lrwxrwxrwx", "lib/b.so -> a.so"), ("drwxrwxrwt", "tmp")]
    assert [" 5,   1 " in listed[1], " 254,   0 " in listed[2]] == [True, True]
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    # Devices need a privilege, and are listed above.
    subprocess.run(["cpio", "--extract", "--quiet", "--preserve-modification-time", "--nonmatching", "dev/*"], input=archive, cwd=unpacked,
                   check=True, timeout=30)
    assert (unpacked / "init").read_text() == "#!/bin/false\n" and (unpacked / "lib/b.so").read_text() == "x" * 4097
    assert (unpacked / "empty").read_bytes() == b"" and os.readlink(unpacked / "lib/b.so") == "a.so"
    assert stat.S_IMODE((unpacked / "init").stat().st_mode) == 0o750 and (unpacked / "init").stat().st_mtime == 0


def test_the_same_bytes_wherever_they_are_made(image, folder, tmp_path):
    """Another folder, umask, time zone, locale and user's files, with times and modes of their own, and another order of lines."""
    image(*BUILD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    make_inputs(elsewhere)
    head, *lines = MANIFEST.splitlines()
    (elsewhere / "manifest").write_text("\n".join([head, *reversed(lines)]) + "\n")
    for file in (path for path in elsewhere.rglob("*") if path.is_file()):
        os.utime(file, (10 ** 9, 10 ** 9))
        file.chmod(0o600)
    environment = {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8", "HOME": "/nonexistent", "USER": "nobody"}
    image(*BUILD, cwd=elsewhere, env=environment, prefix=["bash", "-c", 'umask 077; exec "$@"', "-"])
    assert (elsewhere / "out.eif").read_bytes() == (folder / "out.eif").read_bytes()
    assert stat.S_IMODE((elsewhere / "out.eif").stat().st_mode) == 0o644
    # Manifests elsewhere than their sources.
    moved = [f"--ramdisk={elsewhere}/manifest" if option == "--ramdisk=manifest" else option for option in BUILD]
    os.remove(elsewhere / "void")
    assert "void" in image(*moved, status=1)
    image(*moved, "--sources=.", f"--out={folder}/third.eif")
    assert (folder / "third.eif").read_bytes() == (folder / "out.eif").read_bytes()


def test_the_clock_does_not_matter(image, folder, tmp_path):
    """SOURCE_DATE_EPOCH is shown, and nothing but that changes."""
    dated = {"SOURCE_DATE_EPOCH": "1000000000"}
    first = image(*BUILD, env=dated)
    assert image("describe", "out.eif")["Metadata"]["BuildTime"] == "2001-09-09T01:46:40+00:00"
    assert image(*BUILD) == first
    with_date, without = folder / "with.eif", folder / "out.eif"
    image(*BUILD[:-1], f"--out={with_date}", env=dated)
    parts = zip(image_file.sections(with_date.read_bytes()), image_file.sections(without.read_bytes()))
    assert [ours[0] for ours, theirs in parts if ours != theirs] == [image_file.METADATA]
    for wrong in ("yesterday", "-1", "1.5", "253402300800", ""):
        assert "SOURCE_DATE_EPOCH: " in image(*BUILD, env={"SOURCE_DATE_EPOCH": wrong}, status=1)
        assert "--build-time: " in image(*BUILD, f"--build-time={wrong}", env=dated, status=1)


def test_other_archives_are_taken_as_they_are(image, folder):
    archive = subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], input=b"kernel\n", cwd=folder, capture_output=True, check=True,
                             timeout=30).stdout
    (folder / "other.cpio").write_bytes(archive)
    subprocess.run(["gzip", "-k", "other.cpio"], cwd=folder, check=True, timeout=30)
    image(*BUILD[:3], "--ramdisk=other.cpio", "--ramdisk=other.cpio.gz", "--out=out.eif")
    assert ramdisks(folder / "out.eif") == [archive, (folder / "other.cpio.gz").read_bytes()]
    (folder / "text").write_text("nitro-signer-ramdisk 2\n")
    assert "text: neither a manifest nor a cpio archive" in image(*BUILD, "--ramdisk=text", status=1)


def test_arm64_is_flagged(image, folder):
    x86 = image(*BUILD)
    assert image(*BUILD, "--architecture=arm64") == x86
    assert (folder / "out.eif").read_bytes()[6:8] == b"\0\1" and image("describe", "out.eif")["Measurements"] == x86["Measurements"]
    assert "--architecture" in image(*BUILD, "--architecture=riscv", status=2)


def signer(folder, curve="secp384r1", name="signer"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-days", "10",
                    "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", "/O=Ours/CN=image signer"], cwd=folder, check=True,
                   capture_output=True, timeout=30)
    return [f"--signing-certificate={name}.pem", f"--private-key={name}.key"]


def der_integer(data):
    data = data.lstrip(b"\0") or b"\0"
    data = b"\0" + data if data[0] & 0x80 else data
    return bytes([2, len(data)]) + data


@pytest.mark.parametrize("curve, algorithm, digest", [("prime256v1", "26", "sha256"), ("secp384r1", "3822", "sha384"),
                                                      ("secp521r1", "3823", "sha512")])
def test_openssl_verifies_the_signature(image, folder, curve, algorithm, digest):
    unsigned = image(*BUILD)["Measurements"]
    signed = image(*BUILD, *signer(folder, curve))["Measurements"]
    certificate = (folder / "signer.pem").read_text()
    der = base64.b64decode("".join(certificate.splitlines()[1:-1]))
    assert signed == {**unsigned, "PCR8": image_file.pcr(der)}
    parts = image_file.sections((folder / "out.eif").read_bytes())
    assert [kind for kind, _ in parts] == [1, 2, 5, 3, 3, 4]
    pem, cose = image_file.signature(parts[-1][1])
    assert pem.decode() == certificate
    protected = bytes.fromhex("a101" + algorithm)
    value = b"".join(bytes([byte]) if byte < 24 else bytes([0x18, byte]) for byte in bytes.fromhex(signed["PCR0"]))
    payload = b"\xa2\x6eregister_index\x00\x6eregister_value\x98\x30" + value
    body = b"\x84" + bytes([0x40 + len(protected)]) + protected + b"\xa0\x58" + bytes([len(payload)]) + payload + b"\x58"
    assert cose.startswith(body) and cose[len(body)] == len(cose) - len(body) - 1
    raw = cose[len(body) + 1:]
    pair = der_integer(raw[:len(raw) // 2]) + der_integer(raw[len(raw) // 2:])
    (folder / "signature").write_bytes(b"\x30" + (bytes([0x81]) if len(pair) > 127 else b"") + bytes([len(pair)]) + pair)
    (folder / "signed").write_bytes(b"\x84\x6aSignature1" + bytes([0x40 + len(protected)]) + protected + b"\x40\x58" + bytes([len(payload)]) + payload)
    (folder / "public").write_bytes(subprocess.run(["openssl", "x509", "-in", "signer.pem", "-noout", "-pubkey"], cwd=folder, check=True,
                                                   capture_output=True, timeout=30).stdout)
    subprocess.run(["openssl", "dgst", f"-{digest}", "-verify", "public", "-signature", "signature", "signed"], cwd=folder, check=True, timeout=30)
    said = image("describe", "out.eif")
    assert said["Measurements"] == signed and said["IsSigned"] is True and said["SignatureCheck"] is True
    assert said["SigningCertificate"]["IssuerName"] == {"organizationName": "Ours", "commonName": "image signer"}


def test_signing_refusals(image, folder):
    ours, other = signer(folder), signer(folder, name="other")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", "rsa.key", "-out", "rsa.pem", "-subj",
                    "/CN=r"], cwd=folder, check=True, capture_output=True, timeout=30)
    subprocess.run(["openssl", "ec", "-in", "signer.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key"], cwd=folder, check=True,
                   capture_output=True, timeout=30)
    assert "--private-key: required" in image(*BUILD, ours[0], status=2)
    assert "--signing-certificate: required" in image(*BUILD, ours[1], status=2)
    assert "not the certificate's" in image(*BUILD, ours[0], other[1], status=1)
    assert "curve" in image(*BUILD, "--signing-certificate=rsa.pem", "--private-key=rsa.key", status=1)
    assert "locked.key: not a private key in PEM, or an encrypted one" in image(*BUILD, ours[0], "--private-key=locked.key", status=1)
    assert "not a certificate" in image(*BUILD, "--signing-certificate=manifest", ours[1], status=1)
    assert not (folder / "out.eif").exists()


def test_input_refusals(image, folder):
    (folder / "big.json").write_text('{"a":"' + "x" * 4096 + '"}')
    (folder / "list.json").write_text("[1]")
    for arguments, status, named in [
            (["--kernel=absent"], 1, "absent"), (["--kernel=void"], 1, "kernel is empty"), (["--cmdline=a\nb"], 1, "printable"),
            (["--cmdline=" + "x" * 2048], 1, "command line"), (["--metadata=big.json"], 1, "big.json"), (["--metadata=list.json"], 1, "list.json"),
            (["--kernel-config=manifest"], 1, "third line"), (["--kernel-config=void"], 1, "third line"),
            (["--ramdisk=second"] * 27, 2, "--ramdisk: at most 28"), (["--out=absent/out.eif"], 1, "absent/out.eif"), (["extra"], 2, "usage")]:
        assert named in image(*BUILD, *arguments, status=status), arguments
    assert "--ramdisk: required" in image(*BUILD[:3], "--out=out.eif", status=2)
    assert "void: EIF: truncated" in image("describe", "void", status=1)
    assert not (folder / "out.eif").exists()
    image(*BUILD, *["--ramdisk=second"] * 26)
    assert len(ramdisks(folder / "out.eif")) == 28


def test_describe_refuses_metadata_that_are_none(image, folder):
    image(*BUILD)
    whole = (folder / "out.eif").read_bytes()
    for was, now in ((b'"ImageName"', b'"imageName"'), (b'"BuildTime":"', b'"BuildTime":[')):
        broken = bytearray(whole.replace(was, now))
        broken[0x220:0x224] = image_file.zlib.crc32(bytes(broken[:0x220] + broken[548:])).to_bytes(4, "big")
        (folder / "broken.eif").write_bytes(broken)
        assert "broken.eif: metadata: " in image("describe", "broken.eif", status=1)
