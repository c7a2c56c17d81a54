"""The fixtures of tests/integration, for tests that boot enclave images."""
import importlib.util
import pathlib
import sys

import pytest

from emulator import PARTS, emulator_folder, parts_folder

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))

# By its file, under a name of its own: this file is called conftest too.
_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
bin_dir, folder, start, dynamodb = (_module.bin_dir, _module.folder, _module.start, _module.dynamodb)


@pytest.fixture(scope="session")
def parts():
    """What make image left, and the emulator to boot it in. Without them nothing here can be said, so that is a failure."""
    folder_of_parts = parts_folder()
    for name in PARTS:
        assert (folder_of_parts / name).is_file(), f"no {name} in {folder_of_parts}: run make image ARCH=x86_64"
    assert (emulator_folder() / "complete").exists(), f"no emulator in {emulator_folder()}: run scripts/setup --image"
    return folder_of_parts
