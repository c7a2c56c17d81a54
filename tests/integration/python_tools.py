"""Programs of the Python packages that scripts/setup puts beside us: tests/python/requirements.in names them."""
import hashlib
import os
import pathlib

import pytest

REQUIREMENTS = pathlib.Path(__file__).resolve().parents[1] / "python" / "requirements.txt"


def python_tool(name):
    """The path of one of their programs, such as "moto_server"; a failure where setup has not run."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    place = cache / "nitro-signer" / f"python-{digest}"
    if not (place / "complete").exists():
        pytest.fail("the Python tools are not here: run scripts/setup")
    return place / "bin" / name
