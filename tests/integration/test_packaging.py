"""packaging/: the lock file's form, what the ramdisks list, the comparison of two images, and a build root that lets nothing in."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
DEBIAN = TREE / "packaging" / "debian"
IMAGE = TREE / "packaging" / "image"


def run(*words, env=None):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})})


def locked():
    return [line.split(" ") for line in (DEBIAN / "lock").read_text().splitlines() if not line.startswith("#")]


def test_each_locked_file_has_name_version_architecture_hash_and_place():
    lines = locked()
    assert len(lines) > 200
    for line in lines:
        assert len(line) == 5, line
        name, version, architecture, digest, path = line
        assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name) and re.fullmatch(r"[0-9][A-Za-z0-9.+~:-]*", version), line
        assert architecture in ("amd64", "arm64", "all", "source") and re.fullmatch(r"[0-9a-f]{64}", digest), line
        assert path.startswith("pool/") and "%" not in path and ".." not in path, line
        without_epoch = version.split(":", 1)[-1]
        assert path.endswith(f"/{name}_{without_epoch}_{architecture}.deb") or architecture == "source", line
    assert lines == sorted(lines)
    assert len({(name, architecture) for name, _, architecture, *_ in lines if architecture != "source"}) == \
        sum(1 for line in lines if line[2] != "source")


def test_both_architectures_are_locked_at_the_same_versions():
    of = {arch: {name: version for name, version, a, *_ in locked() if a == arch} for arch in ("amd64", "arm64")}
    shared = of["amd64"].keys() & of["arm64"].keys()
    assert {"libc6", "libssl3", "libcbor0.8", "libyaml-0-2"} <= shared
    assert [name for name in sorted(shared) if of["amd64"][name] != of["arm64"][name]] == []


def test_what_is_asked_for_is_locked():
    words = [w for line in (DEBIAN / "packages").read_text().splitlines() for w in line.split("#")[0].split()]
    have = {(name, architecture) for name, _, architecture, *_ in locked()}
    for word in words:
        if word.startswith("source:"):
            assert (word.removeprefix("source:"), "source") in have
        elif word.endswith(":arm64"):
            assert (word.removesuffix(":arm64"), "arm64") in have
        else:
            assert (word, "amd64") in have or (word, "all") in have, word


def test_a_package_that_no_mirror_has_is_named(folder):
    for name in ("common", "fetch"):
        shutil.copy(DEBIAN / name, folder / name)
    (folder / "lock").write_text(f"gone 1.0-1 amd64 {'0' * 64} pool/main/g/gone/gone_1.0-1_amd64.deb\n")
    (folder / "mirror").mkdir()
    done = run(folder / "fetch", env={"XDG_CACHE_HOME": str(folder / "cache"), "NITRO_SIGNER_DEBIAN_MIRRORS": f"file:{folder}/mirror/"})
    assert done.returncode == 1
    assert "gone 1.0-1 (amd64)" in done.stderr and "snapshot archive" in done.stderr


def test_a_package_with_other_bytes_is_refused(folder):
    """From the mirror, and from the cache."""
    for name in ("common", "fetch"):
        shutil.copy(DEBIAN / name, folder / name)
    place = folder / "mirror/pool/main/g/good/good_1_all.deb"
    place.parent.mkdir(parents=True)
    place.write_text("abc")
    env = {"XDG_CACHE_HOME": str(folder / "cache"), "NITRO_SIGNER_DEBIAN_MIRRORS": f"file:{folder}/mirror/"}
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for digest, status in ((right, 0), ("0" * 64, 1)):
        (folder / "lock").write_text(f"good 1 all {digest} pool/main/g/good/good_1_all.deb\n")
        assert run(folder / "fetch", env=env).returncode == status
    kept = folder / "cache/nitro-signer/debian/good_1_all.deb"
    (folder / "lock").write_text(f"good 1 all {right} pool/main/g/good/good_1_all.deb\n")
    kept.write_text("abd")
    assert run(folder / "fetch", env=env).returncode == 0  # brought again
    assert kept.read_text() == "abc"


@pytest.fixture
def images(folder):
    for name in ("first", "second"):
        (folder / name).mkdir()
        for file in ("nitro-signer.eif", "pcrs.json", "kernel"):
            (folder / name / file).write_text(f"bytes of {file}\n")
    return folder / "first", folder / "second"


def test_two_images_compare(images):
    done = run(IMAGE / "compare", *images)
    assert done.returncode == 0, done.stdout
    assert "nitro-signer.eif agrees" in done.stdout and "kernel agrees" in done.stdout


@pytest.mark.parametrize("break_it, message", [
    (lambda first, second: (second / "kernel").write_text("bytez of kernel\n"), "kernel differs: char 5"),
    (lambda first, second: (second / "kernel").unlink(), "kernel is in one"),
    (lambda first, second: (second / "more").touch(), "more is in one"),
    (lambda first, second: [(f / "nitro-signer.eif").unlink() for f in (first, second)], "no nitro-signer.eif"),
])
def test_two_images_that_differ_fail(images, break_it, message):
    break_it(*images)
    done = run(IMAGE / "compare", *images)
    assert done.returncode == 1 and message in done.stdout, done.stdout


def built():
    return [p for p in (TREE / "build/image/x86_64", TREE / "build/image/arm64") if (p / "pcrs.json").exists()]


@pytest.mark.skipif(not built() or not shutil.which("zstd"), reason="no image here: make image")
def test_the_ramdisks_hold_the_programs_their_libraries_and_nothing_else():
    for place in built():
        archive = b"".join(subprocess.run(["zstd", "-dc", place / f"{name}.cpio"], capture_output=True, check=True, timeout=60).stdout
                           for name in ("boot", "application"))
        listing = subprocess.run(["cpio", "-tv", "--quiet"], input=archive, capture_output=True, check=True, timeout=60).stdout.decode()
        assert "rws" not in listing and "rwS" not in listing
        boot = run("sh", "-c", f"zstd -dc {place}/boot.cpio | cpio -t --quiet").stdout.split()
        assert "init" in boot and "bin/nitro-signer-enclave" in boot and not any(p.startswith("bin/nitro-signer-k") for p in boot)
        rest = run("sh", "-c", f"zstd -dc {place}/application.cpio | cpio -t --quiet").stdout.split()
        files = {p for p in boot + rest if not p.startswith(("lib/", "usr/")) or p.count("/") == 0}
        assert files == {"bin", "dev", "etc", "lib", "proc", "run", "sys", "tmp", "usr", "init", "etc/nitro-signer",
                         "etc/nitro-signer/authorities.pem", *(f"bin/nitro-signer-{n}" for n in ("enclave", "keeper", "front", "courier", "loader"))} \
            | ({"lib64"} if place.name == "x86_64" else set())
