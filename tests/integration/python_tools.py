"""Programs of the Python packages that scripts/setup puts beside us: tests/python/*.in name them."""
import hashlib
import os
import pathlib

import pytest

REQUIREMENTS = pathlib.Path(__file__).resolve().parents[1] / "python"


def python_tool(name, requirements="requirements"):
    """The path of one of their programs, such as "moto_server"; a failure where setup has not run, a skip without what is large."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    digest = hashlib.sha256((REQUIREMENTS / f"{requirements}.txt").read_bytes()).hexdigest()[:16]
    place = cache / "nitro-signer" / f"python-{digest}"
    if not (place / "complete").exists():
        if requirements != "localstack":
            pytest.fail("the Python tools are not here: run scripts/setup")
        pytest.skip(f"{requirements} is not here: scripts/setup --interop brings it")
    return place / "bin" / name
