"""The parts of `make bench` that hold the signer against other programs, with figures made up here and tools that fail."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import bench_dirk  # noqa: E402
import bench_storm  # noqa: E402
from bench_common import Context, Failed, NotHere  # noqa: E402


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
    assert "single requests 5.0, all in one request 10.0; by go-eth2-wallet-dirk 10.0 and 14.0" in row.beside and "12.0 and 3.0" in row.beside
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


def connections(number, seconds, server_cpu=0.3):
    return {"connections": number, "resumed": 0, "seconds": seconds, "server_cpu_seconds": server_cpu, "client_cpu_seconds": 0.5}


def storm_round(signed):
    sides = lambda theirs: {"s_server": connections(theirs, 1.0), "ours": connections(900, 1.0)}  # noqa: E731
    forms = {name: {str(at_once): sides(1000 + at_once) for at_once in all_at_once} for name, (_, _, all_at_once) in bench_storm.FORMS.items()}
    storm = {"signed": signed, "seconds": 2.0, "cpu_seconds": 1.0, "signer_cpu_seconds": 1.0}
    return {"s_time": forms, "signing": {name: storm for name in bench_storm.STORMS}}


@pytest.mark.parametrize("signed,met", [(1620, True), (1600, False)])
def test_a_storm_is_held_against_the_best_of_s_time(signed, met):
    found = {"openssl": "OpenSSL", "rounds": [storm_round(signed)]}
    [row] = bench_storm.goals(found)
    assert row.measured["median"] == pytest.approx(signed / 2 / 1008) and row.met is met
    assert f"single s_time {signed / 2 / 1001:.2f}" in row.beside and f"processor time {0.8 / 1001 * signed / 2:.2f}" in row.beside
    assert "resumed: ours 0 %" in bench_storm.as_text(found)


def test_s_time_counts_what_is_new_and_what_is_resumed(tmp_path):
    """Of the real one, against the real s_server."""
    with bench_storm.Server(Context(tmp_path)) as server:
        made = {form: bench_storm.take(server, bench_storm.FORMS[form][1], 2) for form in ("new-13", "resumed-12", "resumed-13-request")}
    for form, outcome in made.items():
        assert outcome["connections"] > 10 and 0.5 < outcome["seconds"] < 20 and outcome["server_cpu_seconds"] > 0, form
        assert outcome["resumed"] == (outcome["connections"] if form.startswith("resumed") else 0), form
    with pytest.raises(Failed, match="refused"):
        bench_storm.counts("connect:errno=111: refused")
