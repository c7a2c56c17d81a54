"""The parts of `make bench` that hold the signer against other programs, with figures made up here and tools that fail."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import bench_dirk  # noqa: E402
from bench_common import NotHere  # noqa: E402


def taken(milliseconds, signer_cpu=0.1):
    return {"signed": 1000 * len(milliseconds), "burst_ms": milliseconds, "cpu_seconds": 0.05, "signer_cpu_seconds": signer_cpu}


def one_round(ours_single, ours_together):
    return {"ours": {"single": taken(ours_single), "together": taken(ours_together)},
            "dirk": {"single": {"library": taken([600.0], 0.5), "bare": taken([300.0], 0.4)},
                     "together": {"library": taken([280.0], 0.3), "bare": taken([200.0], 0.4)}}}


def test_the_goal_is_the_lower_ratio_to_dirk_at_its_best():
    found = {"version": "v1", "same_signatures": 1000, "rounds": [one_round([50.0, 60.0, 90.0], [20.0])]}
    [row] = bench_dirk.goals(found)
    assert row.measured["median"] == pytest.approx(300 / 60) and row.met is True
    assert "single requests 5.0, all in one request 10.0" in row.beside and "12.0 and 3.0" in row.beside
    found["rounds"] = [one_round([50.0], [50.0])]
    [row] = bench_dirk.goals(found)
    assert row.measured["median"] == pytest.approx(200 / 50) and row.met is False
    assert "1000 of 1000 signatures" in bench_dirk.as_text(found)


def fake_go(tmp_path, monkeypatch, says):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(f'#!/bin/sh\n[ "$1" != env ] || {{ echo go1.99.0; exit 0; }}\necho "{says}" >&2\nexit 1\n')
    (tools / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_dirk_that_cannot_be_had_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch):
    fake_go(tmp_path, monkeypatch, "no module to be had")
    with pytest.raises(NotHere, match="no module to be had"):
        bench_dirk.bring()
    assert list((tmp_path / "cache/nitro-signer").iterdir()) == []


def test_the_domain_is_that_of_attestations_of_the_fork():
    """Of mainnet's first fork, whose digest is b5303f2a."""
    assert bench_dirk.attester_domain("0x00000000").hex() == "01000000" + "b5303f2ad2010d699a76c8e62350947421a3e4a979779642cfdb0f66"
