"""packaging/host/pull from a registry that we did not write, Docker's, to which skopeo pushed what packaging/oci/build made: what it unpacks
runs; what is changed in the registry's own store is refused."""
import contextlib
import crypt
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import oci_rig
from harness import free_port
from host_rig import Machine, PASSWORD
from key_servers import Certificate, Server

PLACE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "nitro-signer/docker-registry/usr/bin/docker-registry"
pytestmark = pytest.mark.skipif(not PLACE.exists() or not shutil.which("skopeo"), reason="no docker-registry or no skopeo: scripts/setup --interop")


class DockerRegistry(Server):
    """HTTPS with a password, as ECR has one."""

    def __init__(self, folder):
        port, certificate = free_port(), Certificate(folder, "registry")
        self.store, self.folder = folder / "store", folder
        (folder / "users").write_text(f"AWS:{crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))}\n")
        (folder / "config.yml").write_text(json.dumps({
            "version": 0.1, "log": {"level": "warn"}, "storage": {"filesystem": {"rootdirectory": str(self.store)}},
            "auth": {"htpasswd": {"realm": "test", "path": str(folder / "users")}},
            "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(certificate.file), "key": str(certificate.key_file)}}}))
        super().__init__(certificate, [PLACE, "serve", folder / "config.yml"], port, folder)
        self.await_answer("/v2/")

    def push(self, archive, tag):
        """The digest that it has there."""
        (self.folder / "digest").unlink(missing_ok=True)
        done = subprocess.run(["skopeo", "copy", "--quiet", f"--digestfile={self.folder}/digest", "--dest-tls-verify=false",
                               f"--dest-creds=AWS:{PASSWORD}", f"oci-archive:{archive}", f"docker://127.0.0.1:{self.port}/host:{tag}"],
                              capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return (self.folder / "digest").read_text().strip()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with contextlib.closing(DockerRegistry(tmp_path_factory.mktemp("registry"))) as server:
        yield server


@pytest.fixture(scope="module")
def archive(bin_dir, tmp_path_factory):
    folder = oci_rig.parts(bin_dir, tmp_path_factory.mktemp("parts"))
    oci_rig.build(*oci_rig.arguments(folder, folder / "host.oci.tar"))
    return folder / "host.oci.tar"


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_what_skopeo_pushed_is_pulled_and_runs(registry, archive, folder, by):
    digest = registry.push(archive, "1.0")
    machine = Machine(folder, registry, "1.0" if by == "tag" else digest)
    assert digest in machine.run("pull")
    release = machine.current
    said = subprocess.run([release / "loader", "--inhibit-cache", "--library-path", release / "libraries", release / "usr/bin/nitro-signer-watchdog",
                           "--help"], capture_output=True, text=True, timeout=20, check=True, env={}).stdout
    assert "--enclave=nitro-cli" in said
    assert (release / "usr/share/nitro-signer/nitro-signer.eif").read_bytes() == (archive.parent / "signer.eif").read_bytes()


def test_what_was_changed_in_the_registrys_store_is_refused(registry, archive, folder):
    registry.push(archive, "2.0")
    layer = max(registry.store.rglob("data"), key=lambda path: path.stat().st_size)
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    kept = layer.read_bytes()
    layer.write_bytes(data)
    try:
        said = Machine(folder, registry, "2.0").run("pull", status=1)
        assert "layer: is not what the manifest names" in said
    finally:
        layer.write_bytes(kept)


def test_what_is_not_there_and_who_may_not(registry, archive, folder):
    registry.push(archive, "3.0")
    machine = Machine(folder, registry, "none")
    assert "HTTP 404" in machine.run("pull", status=1)
    machine.settings["IMAGE"] = machine.image("sha256:" + "0" * 64)
    assert "HTTP 404" in machine.run("pull", status=1)
    machine.settings["IMAGE"] = machine.image("3.0")
    machine.answers["aws ecr get-login-password"] = (0, "wrong")
    assert "HTTP 401" in machine.run("pull", status=1)
