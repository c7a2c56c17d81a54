"""scripts/release: what it refuses, and what it gathers, in a repository of the test's own. What is built is small stand-ins: make is a program of the test's."""
import os
import pathlib
import re
import shutil
import subprocess
import zipfile

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
CHANGES = "# Changelog\n\n## [1.2.3] - 2026-11-23\n\n### Added\n- Something.\n\n## [1.2.2] - 2026-01-01\n"
NPM = """#!/bin/bash
set -eu
[ "$1 $2" = "ci --ignore-scripts" ]
mkdir -p node_modules
touch node_modules/brought
"""
MAKE = """#!/bin/bash
set -eu
[ "$*" = "--no-print-directory deb image sbom" ]
[ -e node_modules/brought ] # before anything is built of it
cp -r "$NS_BUILT" build
"""
ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}


class Repository:
    def __init__(self, folder):
        self.tree = folder / "tree"
        (self.tree / "scripts").mkdir(parents=True)
        shutil.copy(TREE / "scripts/release", self.tree / "scripts")
        self.write("CMakeLists.txt", (TREE / "CMakeLists.txt").read_text().replace(self.version_of_tree(), "VERSION 1.2.3 "))
        self.write("CHANGELOG.md", CHANGES)
        self.write(".gitignore", "/build\n/node_modules\n")
        tools = folder / "tools"
        tools.mkdir()
        for name, text in (("make", MAKE), ("npm", NPM)):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.environment = {**os.environ, **ENVIRONMENT, "PATH": f"{tools}:{os.environ['PATH']}", "NS_BUILT": str(folder / "built")}
        self.run("git", "init", "--quiet")
        self.commit()

    @staticmethod
    def version_of_tree():
        return re.search(r"^project\(nitro-signer (VERSION \S+ )", (TREE / "CMakeLists.txt").read_text(), re.MULTILINE)[1]

    def write(self, name, text):
        (self.tree / name).write_text(text)

    def run(self, *words, check=True):
        done = subprocess.run([str(word) for word in words], cwd=self.tree, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def commit(self):
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message=release")

    def tag(self):
        self.run("git", "tag", "--annotate", "--message=1.2.3", "v1.2.3")

    def refused(self, *options):
        done = self.run("scripts/release", *options, check=False)
        assert done.returncode, done.stdout
        assert not (self.tree / "build").exists()
        return done.stderr


@pytest.fixture
def repository(folder):
    return Repository(folder)


def test_a_release_is_a_tagged_commit_and_nothing_else(repository):
    assert "no annotated tag v1.2.3" in repository.refused()
    repository.run("git", "tag", "v1.2.3")
    assert "no annotated tag v1.2.3" in repository.refused()  # a name that anyone moves
    repository.run("git", "tag", "--delete", "v1.2.3")
    repository.tag()
    assert "v1.2.3 is " in repository.run("scripts/release", "--check").stdout
    repository.write("forgotten", "")
    assert "the tree has changes" in repository.refused("--check")
    repository.commit()
    assert "v1.2.3 is not at this commit" in repository.refused("--check")


def test_the_changelog_has_a_dated_section_of_the_version(repository):
    for text, said in ((CHANGES.replace("2026-11-23", "unreleased"), "1.2.3 is unreleased"), (CHANGES.replace("[1.2.3]", "[1.3.0]"), "is of 1.3.0"),
                       ("# Changelog\n", "must be headed")):
        repository.write("CHANGELOG.md", text)
        assert said in repository.refused("--check")
    assert "no such option" in repository.refused("--chekc") and "there is no file" in repository.refused("--sign=no/such/key")


def pack(command, folder):
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=60, check=True).stdout


@pytest.fixture
def built(folder, bin_dir):
    """What make leaves: in every form a program of this build."""
    program, place = pathlib.Path(bin_dir) / "nitro-signer-proxy", folder / "built"
    package, ramdisk, layout = folder / "package", folder / "ramdisk", folder / "layout"
    for path in (package / "usr/bin", ramdisk / "bin", layout / "blobs/sha256"):
        path.mkdir(parents=True)
    for path in (package / "usr/bin/nitro-signer", ramdisk / "bin/nitro-signer-keeper"):
        shutil.copy(program, path)
    (package / "usr/bin/nitro-signer.service").write_text("no program\n")
    (package / "DEBIAN").mkdir()
    (package / "DEBIAN/control").write_text("Package: nitro-signer\nVersion: 1.2.3\nArchitecture: amd64\nMaintainer: A <a@example.org>\nDescription: none\n")
    for architecture in ("x86_64", "arm64"):
        image, function = place / "image" / architecture, place / "lambda" / architecture
        image.mkdir(parents=True)
        function.mkdir(parents=True)
        for part in ("boot", "application"):
            (image / f"{part}.cpio").write_bytes(pack("find . | cpio --quiet -o -H newc | zstd -q", ramdisk))
        (image / "nitro-signer.eif").write_text(architecture)
        (image / "pcrs.json").write_text("{}")
        (layout / "blobs/sha256/layer").write_bytes(pack("tar -c usr | gzip", package))
        (layout / "blobs/sha256/config").write_text("{}")
        (image / "nitro-signer-host.oci.tar").write_bytes(pack("tar -c blobs", layout))
        with zipfile.ZipFile(function / "nitro-signer-lambda.zip", "w") as archive:
            archive.write(program, "bootstrap")
    (place / "deb").mkdir()
    pack(f"dpkg-deb --build -Znone {package} {place}/deb/nitro-signer_1.2.3_amd64.deb", folder)
    for name in ("nitro-signer_1.2.3_amd64.buildinfo", "nitro-signer_1.2.3_amd64.changes"):
        (place / "deb" / name).write_text(name)
    (place / "sbom.spdx.json").write_text("{}")
    return program


def test_it_gathers_names_sums_and_signs_everything(repository, built, folder):
    repository.tag()
    repository.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    repository.run("scripts/release", f"--sign={folder}/key")
    place = repository.tree / "build/release"
    of_images = {f"{architecture}/{name}" for architecture in ("x86_64", "arm64")
                 for name in ("nitro-signer.eif", "pcrs.json", "nitro-signer-host.oci.tar", "nitro-signer-lambda.zip")}
    files = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert files == of_images | {"nitro-signer-1.2.3.tar.gz", "nitro-signer_1.2.3_amd64.deb", "nitro-signer_1.2.3_amd64.buildinfo", "SHA256SUMS",
                                 "nitro-signer_1.2.3_amd64.changes", "sbom.spdx.json", "BUILD-IDS", "SHA256SUMS.sig"}
    summed = {line.split("  ")[1] for line in (place / "SHA256SUMS").read_text().splitlines()}
    assert summed == files - {"SHA256SUMS", "SHA256SUMS.sig"}
    pack("sha256sum --check --strict SHA256SUMS", place)
    # As docs/packages.md says it.
    (place / "signers").write_text("releases " + (folder / "key.pub").read_text())
    verify = "ssh-keygen -Y verify -f signers -I releases -n nitro-signer -s SHA256SUMS.sig <SHA256SUMS"
    assert verify in (TREE / "docs/packages.md").read_text()
    pack(verify, place)
    # The same program everywhere here: what it says of itself.
    build = re.search(r"\(build (\w+)\)", pack(f"{built} --version", folder).decode())[1]
    rows = [line.split(" ") for line in (place / "BUILD-IDS").read_text().splitlines()]
    assert {row[0] for row in rows} == {build}
    assert {row[1] for row in rows} == {"nitro-signer_1.2.3_amd64.deb"} | {name for name in of_images if not name.endswith("pcrs.json")}
    assert b"nitro-signer-1.2.3/CHANGELOG.md\n" in pack("tar -tzf nitro-signer-1.2.3.tar.gz", place)
