"""The fixtures of tests/integration, for the comparisons with other people's programs."""
import importlib.util
import os
import pathlib
import sys

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path[:0] = [str(INTEGRATION), str(INTEGRATION.parent / "docs")]

# Node 18, which is Debian's, tries a name's first address only, and that is ::1 where /etc/hosts gives localhost both.
os.environ.setdefault("NODE_OPTIONS", "--dns-result-order=ipv4first")

# By its file, under a name of its own: this file is called conftest too.
_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
bin_dir, vectors, folder, start, pair = (_module.bin_dir, _module.vectors, _module.folder, _module.start, _module.pair)
dynamodb, dynamodb_authority, dynamodb_relay = (_module.dynamodb, _module.dynamodb_authority, _module.dynamodb_relay)
postgres, postgres_database = _module.postgres, _module.postgres_database
