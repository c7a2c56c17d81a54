"""The fixtures of tests/integration, for the pages' commands."""
import importlib.util
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "docs")]

# By its file, under a name of its own: this file is called conftest too.
_spec = importlib.util.spec_from_file_location("integration_conftest", TESTS / "integration/conftest.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
bin_dir, vectors, folder, start = _module.bin_dir, _module.vectors, _module.folder, _module.start
dynamodb, dynamodb_authority, dynamodb_relay = _module.dynamodb, _module.dynamodb_authority, _module.dynamodb_relay
