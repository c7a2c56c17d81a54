"""The bill of materials: the SPDX project's own tools accept it, and it says what dpkg, ldd and npm's lock files say."""
import base64
import json
import os
import pathlib
import re
import subprocess

import pytest

from python_tools import python_tool

TREE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["NS_BIN_DIR"])
SBOM = TREE / "scripts/sbom"
KEEPER = subprocess.run(["ldd", BIN / "nitro-signer-keeper"], capture_output=True, text=True, check=False).stdout
pytestmark = pytest.mark.skipif("san.so" in KEEPER, reason="a sanitizer's libraries are in no product")


def run(*words, status=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("sbom") / "sbom.spdx.json"
    run(SBOM, f"--bin={BIN}", f"--output={place}")
    return place


@pytest.fixture(scope="module")
def document(path):
    return json.loads(path.read_text())


def named(document, name):
    return [package for package in document["packages"] if package["name"] == name]


def related(document, one, *kinds):
    identifiers = {r["relatedSpdxElement"] for r in document["relationships"]
                   if r["spdxElementId"] == one and r["relationshipType"] in kinds}
    return {package["name"]: package for package in document["packages"] if package["SPDXID"] in identifiers}


def test_it_is_spdx(path):
    run(python_tool("pyspdxtools", "spdx"), "--infile", path, "--version", "SPDX-2.3")


@pytest.mark.parametrize("spoil", ["licence", "relationship", "name"])
def test_what_is_not_spdx_is_found(path, document, tmp_path, spoil):
    spoiled = json.loads(json.dumps(document))
    if spoil == "licence":
        spoiled["packages"][-1]["licenseDeclared"] = "Whatever AND"
    elif spoil == "relationship":
        spoiled["relationships"][-1]["relatedSpdxElement"] = "SPDXRef-nothing"
    else:
        del spoiled["packages"][-1]["name"]
    other = tmp_path / "spoiled.spdx.json"
    other.write_text(json.dumps(spoiled))
    run(python_tool("pyspdxtools", "spdx"), "--infile", other, "--version", "SPDX-2.3", status=1)


PROGRAMS = sorted(p.name for p in BIN.glob("nitro-signer*"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_library_is_in_it(document, program):
    """By another way than the script's: libraries by the loader's own word, files by dpkg's lists."""
    (own,) = named(document, "nitro-signer-program" if program == "nitro-signer" else program)
    told = related(document, own["SPDXID"], "DYNAMIC_LINK", "DEPENDS_ON")
    loaded = subprocess.run([BIN / program], env={"LD_TRACE_LOADED_OBJECTS": "1"}, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^\s*(\S+\.so\S*) =>", loaded, re.MULTILINE)
    assert names
    for name in names:
        lists = subprocess.run(["dpkg", "-S", f"*/{name}"], capture_output=True, text=True, check=True).stdout
        packages = {line.split(":")[0] for line in lists.splitlines()}
        held = packages & set(told)
        assert held, f"{program} loads {name} of {packages}, which is not in the bill"
        version = run("dpkg-query", "-W", "-f", "${Version}\n", held.pop()).split("\n")[0]
        assert version in [told[p]["versionInfo"] for p in packages & set(told)]


def test_each_licence_is_known(document):
    for package in document["packages"]:
        assert package["licenseDeclared"] not in ("", "NOASSERTION", "NONE"), package["name"]


def test_blst_is_what_the_lock_file_pins(document):
    (blst,) = named(document, "blst")
    pinned = json.loads((TREE / "package-lock.json").read_text())["packages"]["node_modules/c-kzg"]
    assert blst["versionInfo"] == f"in c-kzg {pinned['version']}"
    assert base64.b64encode(bytes.fromhex(blst["checksums"][0]["checksumValue"])).decode() == pinned["integrity"].removeprefix("sha512-")
    for program, has in (("nitro-signer-keeper", True), ("nitro-signer-front", False)):
        (own,) = named(document, program)
        assert ("blst" in related(document, own["SPDXID"], "STATIC_LINK")) == has


def test_what_the_images_ship_is_what_is_locked(document):
    (images,) = named(document, "nitro-signer-images")
    shipped = related(document, images["SPDXID"], "CONTAINS")
    lock = [line.split() for line in (TREE / "packaging/debian/lock").read_text().splitlines() if not line.startswith("#")]
    assert {"linux-source-6.12", "curl", "ca-certificates", "libc6", "libssl3", "libpq5", "libldap-2.5-0"} <= set(shipped)
    assert "libcurl4" not in shipped
    for name, package in shipped.items():
        assert [name, package["versionInfo"], package["checksums"][0]["checksumValue"]] in [[l[0], l[1], l[3]] for l in lock]


def test_the_table_is_not_stale():
    assert run(SBOM, f"--bin={BIN}", "--table") == (TREE / "docs/dependencies.md").read_text(), \
        "what is linked has changed: scripts/sbom --table > docs/dependencies.md"
