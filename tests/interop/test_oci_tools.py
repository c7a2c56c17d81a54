"""skopeo and umoci, which are not ours, read the host's container image: what they say of it, and what they unpack, runs."""
import json
import shutil
import subprocess

import pytest

import oci_rig


@pytest.fixture(scope="module")
def tools():
    missing = [name for name in ("skopeo", "umoci") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here: scripts/setup --interop brings them")


@pytest.fixture(scope="module")
def image(tools, bin_dir, tmp_path_factory):
    """A folder with host.oci.tar and what it was made of."""
    folder = oci_rig.parts(bin_dir, tmp_path_factory.mktemp("parts"))
    oci_rig.build(*oci_rig.arguments(folder, folder / "host.oci.tar", version="1.2.3", revision="0123abc"))
    return folder


def ask(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_reads_it(image, transport):
    said = json.loads(ask("skopeo", "inspect", f"{transport}:{image}/host.oci.tar"))
    assert (said["Os"], said["Created"], len(said["Layers"])) == ("linux", "1970-01-01T00:00:00Z", 1)
    assert said["Labels"]["nitro-signer.pcr0"] == oci_rig.measurements(image)["PCR0"]
    assert (said["Labels"]["org.opencontainers.image.version"], said["Labels"]["org.opencontainers.image.revision"]) == ("1.2.3", "0123abc")
    config = json.loads(ask("skopeo", "inspect", "--config", f"{transport}:{image}/host.oci.tar"))
    assert (config["config"]["User"], config["config"]["Cmd"]) == ("65532:65532", ["/usr/bin/nitro-signer", "--help"])


def test_a_changed_byte_is_found(image, tmp_path):
    """Of the layer, in the middle of the archive."""
    data = bytearray((image / "host.oci.tar").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "broken").write_bytes(data)
    done = subprocess.run(["skopeo", "copy", f"oci-archive:{tmp_path}/broken", f"dir:{tmp_path}/copy"], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode != 0 and "digest" in done.stderr.lower()


def test_umoci_unpacks_what_runs(image, folder):
    ask("skopeo", "copy", "--quiet", f"oci-archive:{image}/host.oci.tar:1.2.3", f"oci:{folder}/layout:1.2.3")
    ask("umoci", "unpack", "--rootless", "--image", f"{folder}/layout:1.2.3", folder / "bundle")
    runtime = json.loads((folder / "bundle/config.json").read_text())
    assert runtime["process"]["args"] == ["/usr/bin/nitro-signer", "--help"]
    (folder / "logs").mkdir(exist_ok=True)
    container = oci_rig.Container(folder / "bundle/rootfs", folder, folder / "logs")
    assert "Web3Signer" in container.run("nitro-signer", "--help")
    described = json.loads(container.run("nitro-signer-ctl", "image", "describe", "/usr/share/nitro-signer/nitro-signer.eif"))
    assert described["Measurements"] == oci_rig.measurements(image)
