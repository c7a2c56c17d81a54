"""packaging/oci/build: the host's container image is the same bytes wherever it is made, is what the OCI's image layout says, holds
what was named and what that needs, and runs."""
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile

import pytest
import requests

import oci_rig
from harness import connect
from test_proxy import listen
from test_signer_standalone import Signer, write_raw_keys

SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
PUBLIC = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"


@pytest.fixture(scope="module")
def parts(bin_dir, tmp_path_factory):
    return oci_rig.parts(bin_dir, tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def archive(parts):
    oci_rig.build(*oci_rig.arguments(parts, parts / "host.oci.tar", revision="0123abc"))
    return parts / "host.oci.tar"


@pytest.fixture(scope="module")
def image(archive):
    """Every file of the archive by its name."""
    with tarfile.open(archive) as tar:
        assert all((one.mtime, one.uid, one.gid, one.uname, one.mode & 0o7022) == (0, 0, 0, "", 0) for one in tar)
        return {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}


def blob(image, descriptor):
    data = image[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"] and len(data) == descriptor["size"]
    return data


@pytest.fixture(scope="module")
def layer(image):
    manifest = json.loads(blob(image, json.loads(image["index.json"])["manifests"][0]))
    return gzip.decompress(blob(image, manifest["layers"][0]))


def test_the_same_bytes_again(parts, archive, tmp_path):
    """Files of other times and modes, elsewhere, under another umask, time zone, language, name and working folder."""
    copies = tmp_path / "else where"
    subprocess.run(["cp", "-r", parts, copies], check=True, timeout=60)
    for path in copies.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1e9, 1.5e9))
    tree = tmp_path / "tree"
    (tree / "packaging/oci").mkdir(parents=True)
    subprocess.run(["cp", oci_rig.SCRIPT, oci_rig.SCRIPT.with_name("libraries"), tree / "packaging/oci"], check=True, timeout=60)
    subprocess.run(["cp", oci_rig.SCRIPT.parents[2] / "CMakeLists.txt", tree], check=True, timeout=60)
    words = oci_rig.arguments(copies, tmp_path / "again", revision="0123abc")
    setting = dict(os.environ, TZ="Asia/Kathmandu", LC_ALL="C.UTF-8", HOME=str(tmp_path), USER="somebody", TMPDIR=str(tmp_path),
                   GZIP="-1", TAR_OPTIONS="--mode=0000")
    oci_rig.build("sh", "-c", 'umask 077; exec unshare --user -- "$@"', "sh", tree / "packaging/oci/build", *words[1:], cwd=tmp_path,
                  env=setting)
    assert (tmp_path / "again").read_bytes() == archive.read_bytes()


def test_the_time_is_the_callers(parts, archive, tmp_path):
    oci_rig.build(*oci_rig.arguments(parts, tmp_path / "later"), env=dict(os.environ, SOURCE_DATE_EPOCH="1767225600"))
    with tarfile.open(tmp_path / "later") as tar:
        assert {one.mtime for one in tar} == {1767225600}
        created = [json.loads(tar.extractfile(one).read()).get("created") for one in tar if one.isfile() and one.size < 3000
                   and tar.extractfile(one).read(1) == b"{"]
    assert "2026-01-01T00:00:00Z" in created


def test_the_layout_is_the_specifications(image, layer, parts):
    assert json.loads(image["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(image["index.json"])
    (entry,) = index["manifests"]
    assert index["schemaVersion"] == 2 and entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert entry["platform"] == {"architecture": architecture, "os": "linux"}
    manifest = json.loads(blob(image, entry))
    config = json.loads(blob(image, manifest["config"]))
    assert manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip" and len(manifest["layers"]) == 1
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    assert (config["architecture"], config["os"], config["created"]) == (architecture, "linux", "1970-01-01T00:00:00Z")
    assert config["config"]["User"] == "65532:65532"
    labels = config["config"]["Labels"]
    measured = oci_rig.measurements(parts)
    assert {name: labels[f"nitro-signer.{name.lower()}"] for name in ("PCR0", "PCR1", "PCR2")} == {
        name: measured[name] for name in ("PCR0", "PCR1", "PCR2")}
    assert labels["org.opencontainers.image.revision"] == "0123abc" and re.fullmatch(r"\d+\.\d+\.\d+",
                                                                                     labels["org.opencontainers.image.version"])
    assert json.loads(image["manifest.json"])[0]["Config"].endswith(manifest["config"]["digest"][7:])
    assert len(image) == 3 + 3  # and no blob that nothing speaks of


def test_nothing_is_in_it_but_what_was_named(layer, parts):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        members = {one.name: one for one in tar}
        assert all(one.isfile() or one.isdir() for one in members.values())
        files = {name: tar.extractfile(one).read() for name, one in members.items() if one.isfile()}
    programs = {name for name in files if files[name][:4] == b"\x7fELF" and not re.search(r"\.so(\.|$)", name)}
    assert programs == {f"usr/bin/{name}" for name in oci_rig.PROGRAMS}
    assert {name for name, one in members.items() if one.mode & 0o7022} == {"tmp"}
    assert {name: (one.uid, one.mode) for name, one in members.items() if one.uid or one.gid} == {"var/lib/nitro-signer": (65532, 0o700)}
    assert all(name.startswith(("usr/bin/", "usr/lib/", "lib64/ld-", "lib/ld-")) for name, one in members.items() if one.isfile()
               and one.mode & 0o111)
    assert files["usr/share/nitro-signer/nitro-signer.eif"] == (parts / "signer.eif").read_bytes()
    assert files["usr/share/nitro-signer/pcrs.json"] == (parts / "pcrs.json").read_bytes()
    assert files["etc/ssl/certs/ca-certificates.crt"].count(b"BEGIN CERTIFICATE") > 50


@pytest.fixture
def container(layer, folder):
    """The layer unpacked and entered."""
    root = folder / "root"
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        tar.extractall(root, filter="tar") if hasattr(tarfile, "tar_filter") else tar.extractall(root)
    (folder / "logs").mkdir(exist_ok=True)
    inside = oci_rig.Container(root, folder, folder / "logs")
    yield inside
    inside.end()


def test_programs_run_in_it(container, parts):
    said = {name: container.run(name, "--version") for name in ("nitro-signer", "nitro-signer-ctl", "nitro-signer-proxy", "nitro-signer-watchdog",
                                                                "nitro-signer-interchange")}
    version = said["nitro-signer-ctl"].split()[1]
    assert all(line.startswith(f"{name} {version} (build ") for name, line in said.items()), said
    described = json.loads(container.run("nitro-signer-ctl", "image", "describe", "/usr/share/nitro-signer/nitro-signer.eif"))
    assert described["Measurements"] == oci_rig.measurements(parts)


def test_the_proxy_relays_in_it(container, folder):
    server = listen(f"unix:{folder}/target")
    container.start("nitro-signer-proxy", f"--inbound=unix:{folder}/relay=unix:{folder}/target")
    client = connect(f"unix:{folder}/relay")
    far, _ = server.accept()
    client.sendall(b"to the enclave")
    assert far.recv(100) == b"to the enclave"
    far.sendall(b"and back")
    assert client.recv(100) == b"and back"


def test_the_stand_alone_signer_serves_in_it(container, folder):
    write_raw_keys(folder, [SECRET])
    signer = Signer(container.start, folder, ["--network=minimal", f"--slashing-protection-db-path={folder}/slashing.sqlite"])
    assert requests.get(f"{signer.url}/api/v1/eth2/publicKeys", timeout=20).json() == [PUBLIC]


def test_without_the_stand_alone_signer(parts, tmp_path):
    few = tmp_path / "programs"
    few.mkdir()
    for name in ("proxy", "watchdog", "ctl"):
        (few / f"nitro-signer-{name}").symlink_to(parts / "programs" / f"nitro-signer-{name}")
    oci_rig.build(*oci_rig.arguments(parts, tmp_path / "few.tar", programs=few))
    with tarfile.open(tmp_path / "few.tar") as tar:
        said = json.load(tar.extractfile("manifest.json"))[0]
        assert json.load(tar.extractfile(said["Config"]))["config"]["Cmd"] == ["/usr/bin/nitro-signer-ctl", "--help"]
        (layer,) = said["Layers"]
        files = [one.name for one in tarfile.open(fileobj=io.BytesIO(gzip.decompress(tar.extractfile(layer).read())))]
    assert sorted(name for name in files if name.startswith("usr/bin/")) == [f"usr/bin/nitro-signer-{name}" for name in ("ctl", "proxy", "watchdog")]
    assert not [name for name in files if "libpq" in name or "legacy" in name]
    (few / "nitro-signer").symlink_to(parts / "programs/nitro-signer")
    assert "nitro-signer-keeper" in oci_rig.build(*oci_rig.arguments(parts, tmp_path / "half", programs=few), status=1)


@pytest.mark.parametrize("instead, status, named", [
    ({"eif": None}, 2, "--eif: required"),
    ({"arch": "riscv64"}, 2, "--arch: must be"),
    ({"arch": "arm64" if os.uname().machine == "x86_64" else "x86_64"}, 1, "--programs: nitro-signer-proxy is not for"),
    ({"nonsense": "1"}, 2, "--nonsense=1: no such option"),
    ({"root": "/nowhere"}, 1, "in /nowhere"),
    ({"programs": "/nowhere"}, 1, "--programs: "),
    ({"pcrs": "/dev/null"}, 5, "no PCR0 in --pcrs"),
])
def test_what_is_missing_is_named(parts, tmp_path, instead, status, named):
    if "pcrs" in instead:
        (tmp_path / "pcrs.json").write_text('{"Measurements": {"PCR0": "00"}}')
        instead = {"pcrs": tmp_path / "pcrs.json"}
    assert named in oci_rig.build(*oci_rig.arguments(parts, tmp_path / "output", **instead), status=status)
    assert not (tmp_path / "output").exists()
