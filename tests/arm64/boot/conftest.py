"""The fixtures of tests/integration, for tests that boot the arm64 image."""
import collections
import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[2]
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS / "boot"), str(TESTS / "integration")]

from emulator import PARTS, emulator_folder  # noqa: E402

# By its file, under a name of its own: this file is called conftest too.
_spec = importlib.util.spec_from_file_location("integration_conftest", TESTS / "integration/conftest.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
bin_dir, folder, start = (_module.bin_dir, _module.folder, _module.start)

Build = collections.namedtuple("Build", "path sysroot")


@pytest.fixture(scope="session")
def parts():
    """What make image ARCH=arm64 left, and the other end of vsock. Without them nothing here can be said, so that is a failure."""
    place = pathlib.Path(os.environ.get("NS_IMAGE_DIR") or ROOT / "build/image/arm64")
    for name in PARTS:
        assert (place / name).is_file(), f"no {name} in {place}: run make image ARCH=arm64"
    assert (emulator_folder() / "complete").exists(), f"no vhost-device-vsock in {emulator_folder()}: run scripts/setup --image"
    return place


@pytest.fixture(scope="session")
def build():
    """What the preset arm64 has built, and the libraries of that: for the stand-in of the NSM."""
    path = ROOT / "build/arm64"
    for name in ("bin/nitro-signer-devcloud", "tests/arm64/nsm_init"):
        assert (path / name).is_file(), f"no {name} in {path}: tests/arm64/check builds it"
    sysroot = subprocess.run([TESTS / "arm64/bring"], check=True, stdout=subprocess.PIPE, text=True, timeout=1800).stdout.strip()
    return Build(path, pathlib.Path(sysroot))
