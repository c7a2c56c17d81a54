"""packaging/host/pull: an image comes from a registry whole and right, or not at all, and what was there stays."""
import contextlib
import gzip
import json
import os
import shutil
import tarfile

import pytest

from host_rig import ARCHITECTURE, FILES, Image, Machine, PASSWORD, Registry, digest, folders_of, member, plain_members
from key_servers import Certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"), "registry")


@pytest.fixture
def registry(certificate):
    with contextlib.closing(Registry(certificate)) as server:
        yield server


@pytest.fixture
def machine(folder, registry):
    return Machine(folder, registry)


def releases(machine):
    return sorted(path.name for path in (machine.root / "opt/nitro-signer/releases").iterdir())


def test_an_image_becomes_the_current_release(machine, registry):
    image = Image().put(registry)
    said = machine.run("pull")
    assert image.digest in said
    assert os.readlink(machine.current) == f"releases/{image.digest.removeprefix('sha256:')}"
    for name, data in FILES.items():
        assert (machine.current / name).read_bytes() == data
    assert (machine.current / "loader").resolve().name.startswith("ld-linux") and (machine.current / "libraries/libc.so.6").exists()
    for path in machine.current.resolve().rglob("*"):
        assert not path.lstat().st_mode & 0o022 or path.is_symlink(), path
    assert (machine.current / "usr/bin/nitro-signer-proxy").stat().st_mode & 0o777 == 0o755
    assert machine.calls() == ["aws ecr get-login-password --region us-east-1"]
    assert not [name for name in os.listdir(machine.root / "opt/nitro-signer") if name.startswith(".pull")]


def test_by_digest_and_only_once(machine, registry):
    image = Image().put(registry)
    machine.settings["IMAGE"] = machine.image(image.digest)
    machine.run("pull")
    registry.asked.clear()
    machine.run("pull")
    assert [path for path, _ in registry.asked] == [f"/v2/host/manifests/{image.digest}"]


def test_the_release_before_is_kept_and_older_ones_go(machine, registry):
    images = [Image(plain_members({**FILES, "usr/share/nitro-signer/pcrs.json": bytes([65 + i])})).put(registry) for i in range(3)]
    names = [image.digest.removeprefix("sha256:") for image in images]
    for image in (*images, images[2]):
        machine.settings["IMAGE"] = machine.image(image.digest)
        machine.run("pull")
    assert releases(machine) == sorted(names[1:]) and os.readlink(machine.current).endswith(names[2])
    machine.settings["IMAGE"] = machine.image(images[1].digest)  # and back
    machine.run("pull")
    assert releases(machine) == sorted(names[1:]) and os.readlink(machine.current).endswith(names[1])


def test_the_token_stays_with_the_registry(machine, registry, certificate):
    """ECR answers for a blob with a redirect to S3, which refuses what has a token."""
    image = Image().put(registry)
    with contextlib.closing(Registry(certificate)) as store:
        store.answers["/bucket/layer"] = image.layer
        registry.answers[f"/v2/host/blobs/{digest(image.layer)}"] = f"https://localhost:{store.port}/bucket/layer"
        machine.run("pull")
        assert store.asked == [("/bucket/layer", None)]
    assert machine.current.exists()


def test_a_redirect_to_plain_http_is_not_followed(machine, registry):
    image = Image().put(registry)
    registry.answers[f"/v2/host/blobs/{digest(image.layer)}"] = f"http://localhost:{registry.port}/x"
    assert "http" in machine.run("pull", status=1).lower() and not machine.current.exists()


def refused(machine, *parts):
    said = machine.run("pull", status=1)
    for part in parts:
        assert part in said, said
    assert "Traceback" not in said
    assert not [name for name in os.listdir(machine.root / "opt/nitro-signer") if name.startswith(".pull")]
    return said


def test_what_was_there_stays_when_another_is_refused(machine, registry):
    good = Image().put(registry)
    machine.run("pull")
    bad = Image(plain_members({**FILES, "usr/share/nitro-signer/pcrs.json": b"x"})).put(registry)
    registry.answers[f"/v2/host/blobs/{digest(bad.layer)}"] = bad.layer[:-1] + b"?"
    refused(machine, "layer: is not what the manifest names")
    assert os.readlink(machine.current).endswith(good.digest.removeprefix("sha256:")) and len(releases(machine)) == 1


@pytest.mark.parametrize("part", ["layer", "config"])
def test_changed_bytes_are_found(machine, registry, part):
    image = Image().put(registry)
    data = getattr(image, part)
    for changed in (data[:40] + bytes([data[40] ^ 1]) + data[41:], data + b"\0", data[:-1], b"?"):
        registry.answers[f"/v2/host/blobs/{digest(data)}"] = changed
        said = machine.run("pull", status=1)
        assert f"{part}: is not what the manifest names" in said or "exceeded" in said.lower(), said
    assert not machine.current.exists()


def test_a_manifest_that_is_not_the_digests(machine, registry):
    image, other = Image().put(registry), Image(config={"author": "another"}).put(registry)
    machine.settings["IMAGE"] = machine.image(image.digest)
    registry.answers[f"/v2/host/manifests/{image.digest}"] = other.manifest
    refused(machine, "manifest: is not the one of", other.digest)


@pytest.mark.parametrize("answer, part", [(500, "HTTP 500: {\"errors\""), (404, "HTTP 404"), (403, "HTTP 403"), (429, "HTTP 429"),
                                          (b"", "manifest: is not JSON"), (b"[]", "no JSON object"), (b"{}", "not that of one image"),
                                          (b"x" * (2 << 20), "manifests/latest")])
def test_what_a_registry_may_say_instead(machine, registry, answer, part):
    registry.answers["/v2/host/manifests/latest"] = answer
    refused(machine, part)


def test_a_wrong_password_and_no_token(machine, registry):
    Image().put(registry)
    machine.answers["aws ecr get-login-password"] = (0, "wrong")
    refused(machine, "HTTP 401")
    machine.answers["aws ecr get-login-password"] = (0, 'a" b')
    refused(machine, "token")
    machine.answers["aws ecr get-login-password"] = (255, "")
    said = machine.run("pull", status=1)
    assert "ecr:GetAuthorizationToken" in said


def test_a_registry_of_another_authority(machine, registry, folder):
    Image().put(registry)
    (folder / "else").mkdir()
    said = machine.run("pull", status=1, CURL_CA_BUNDLE=str(Certificate(folder / "else", "other").file))
    assert "certificate" in said and PASSWORD not in said


ODD = [("../escape", {}, "climbs"), ("/etc/absolute", {}, "climbs"), ("a/../../b", {}, "climbs"), ("./a", {}, "climbs"),
       ("a\nb", {}, "printed"), ("nowhere/file", {}, "folder is not there"),
       ("usr/link", {"kind": tarfile.SYMTYPE, "target": "/etc"}, "no file and no folder"),
       ("usr/link", {"kind": tarfile.SYMTYPE, "target": "../../.."}, "no file and no folder"),
       ("usr/hard", {"kind": tarfile.LNKTYPE, "target": "usr/bin/nitro-signer-proxy"}, "no file and no folder"),
       ("usr/device", {"kind": tarfile.CHRTYPE}, "no file and no folder"), ("usr/pipe", {"kind": tarfile.FIFOTYPE}, "no file and no folder"),
       ("usr/root", {"mode": 0o4755}, "another user"), ("usr/bin/nitro-signer-proxy", {}, "is there twice"),
       ("usr/bin", {"kind": tarfile.SYMTYPE, "target": "lib"}, "no file and no folder")]


@pytest.mark.parametrize("name, how, part", ODD)
def test_hostile_members_are_refused(machine, registry, name, how, part):
    Image(plain_members() + [member(name, b"" if how.get("kind") else b"x", **how)]).put(registry)
    refused(machine, part)
    assert not machine.current.exists() and releases(machine) == []
    assert not (machine.folder / "escape").exists()


def test_a_layer_through_a_link_goes_nowhere(machine, registry, folder):
    """The link comes first, then a file below it."""
    link = member("usr/way", kind=tarfile.SYMTYPE, target=str(folder))
    Image(plain_members() + [link, member("usr/way/escape", b"x")]).put(registry)
    refused(machine, "no file and no folder")
    assert not (folder / "escape").exists()


def test_images_that_are_something_else(machine, registry):
    other = {"amd64": "arm64", "arm64": "amd64"}[ARCHITECTURE]
    Image(config={"architecture": other}).put(registry)
    refused(machine, f"linux/{other}", f"linux/{ARCHITECTURE}")
    Image(config={"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}).put(registry)
    refused(machine, "diff_ids")
    Image(plain_members({name: data for name, data in FILES.items() if not name.endswith(".eif")})).put(registry)
    refused(machine, "nitro-signer.eif")
    Image(layers=[]).put(registry)
    refused(machine, "one layer")
    Image(mediaType="application/vnd.oci.image.index.v1+json").put(registry)
    refused(machine, "index")
    image = Image()
    layer = json.loads(image.manifest)["layers"][0]
    for change in ({"size": -1}, {"size": 1 << 40}, {"size": True}, {"size": "1"}, {"digest": "sha512:00"}, {"digest": "sha256:../../x"}):
        Image(layers=[{**layer, **change}]).put(registry)
        refused(machine, "manifest: layer: no digest")


def test_too_many_members_and_bytes(machine, registry):
    Image(folders_of(["many/x"]) + [member(f"many/{i}") for i in range(10001)]).put(registry)
    refused(machine, "members")
    image = Image()
    image.layer = gzip.compress(b"\0" * ((256 << 20) + 1), 1)
    manifest = json.loads(image.manifest)
    manifest["layers"][0] |= {"digest": digest(image.layer), "size": len(image.layer)}
    image.manifest = json.dumps(manifest).encode()
    image.put(registry)
    refused(machine, "bytes when unpacked")


def test_a_pull_that_was_killed_leaves_nothing_in_the_way(machine, registry):
    Image().put(registry)
    place = machine.root / "opt/nitro-signer"
    place.mkdir(parents=True)
    (place / ".current").symlink_to("releases/half")
    (place / ".pull-half/tree").mkdir(parents=True)
    machine.run("pull")
    assert not (place / ".pull-half").exists()
    shutil.rmtree(place / "releases")
    machine.run("pull")  # what current names is gone: it comes again
    assert (machine.current / "loader").exists()
