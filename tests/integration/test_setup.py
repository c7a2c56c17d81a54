"""scripts/setup on a machine that has nothing, which stand-ins of Debian's tools play: how it asks for root, and what for."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ("bash", "dirname", "sed", "env", "cat")


@pytest.fixture
def machine(tmp_path):
    """A PATH with few real tools; apt-get notes how it was called, and fails when it would install."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    stand_in(folder, "dpkg-query", "exit 1")
    stand_in(folder, "id", "echo 1000")
    stand_in(folder, "apt-get", f"""echo "${{DEBIAN_FRONTEND:-asks}} $*" >>{tmp_path}/calls
    case $* in *--assume-no*) echo 'Need to get 5 MB of archives.'; exit 1 ;; *-qq\\ --no-install*) exit 7 ;; esac""")
    return folder


def stand_in(folder, name, script):
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def setup(machine, *options):
    return subprocess.run([ROOT / "scripts/setup", *options], env={"PATH": str(machine), "HOME": str(machine)}, capture_output=True, text=True,
                          timeout=60, check=False)


def asked_for(done):
    return set(re.search(r"installing Debian packages: (.*)", done.stdout).group(1).split())


def test_neither_root_nor_sudo(machine):
    done = setup(machine, "--programs")
    assert done.returncode == 1
    assert "neither root nor sudo is here. As root: apt-get install --no-install-recommends build-essential " in done.stderr
    assert not (machine.parent / "calls").exists()


def test_no_package_asks_a_question_behind_sudo(machine):
    stand_in(machine, "sudo", f'exec env -i PATH={machine} "$@"')  # as sudo does, it passes no variables on
    done = setup(machine)
    assert done.returncode == 7, done.stderr
    assert "apt says: Need to get 5 MB" in done.stdout
    calls = (machine.parent / "calls").read_text().splitlines()
    assert calls[0].startswith("noninteractive update") and calls[-1].startswith("noninteractive install -y -qq"), calls


def test_programs_take_what_the_packages_are_built_with_and_no_more_of_the_tests(machine):
    stand_in(machine, "sudo", 'exec "$@"')
    few, all_of_it = asked_for(setup(machine, "--programs")), asked_for(setup(machine))
    control = (ROOT / "packaging/deb/debian/control").read_text()
    built_with = re.findall(r"^(?:Build-Depends:)? +([a-z0-9.+-]+)(?: \(.*\))?,?$", control[:control.index("\n\n")], re.MULTILINE)
    assert len(built_with) > 15
    assert set(built_with) - {"debhelper-compat", "dh-sequence-installsysusers"} <= few
    assert few < all_of_it and not {"chromium-headless-shell", "postgresql-15", "maven", "openjdk-17-jdk-headless"} & few
