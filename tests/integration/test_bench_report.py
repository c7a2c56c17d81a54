"""The frame of `make bench`, with figures made up here: judgement of goals, table, picture, and modules that fail or cannot run."""
import json
import pathlib
import re
import sys
import types
import xml.etree.ElementTree

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import bench  # noqa: E402
import bench_common  # noqa: E402
import bench_machine  # noqa: E402
import bench_plot  # noqa: E402
from bench_common import Failed, Goal, NotHere, bounded, goal, spread  # noqa: E402

US = {"median": 8.0, "low": 7.0, "high": 9.0}
MACHINE = {"processor": "a <processor> & more", "kernel": "6.1", "cores": 2, "rounds": 3, "date": "2026-11-01", "load_average": 0.5,
           "one_processor_us": US, "two_processors_us": {"median": 68.0, "low": 60.0, "high": 70.0}, "fsync_us": US}


def module(measure, as_text=lambda found: f"  figure {found['figure']}\n", goals=lambda found: [], **more):
    return types.SimpleNamespace(measure=measure, as_text=as_text, goals=goals, **more)


def run(one, name="burst"):
    return bench.run_module(name, None, lambda _: one)


def rounds(milliseconds):
    return [{"blst": {"signed": 600, "seconds": 1.0, "cpu_seconds": 2.0},
             "burst": {"signed": 100, "burst_ms": [m], "cpu_seconds": 0.001, "signer_cpu_seconds": 0.002}} for m in milliseconds]


GROWTH = {"counts": [{"keys": keys, "ready_seconds": 0.1, "first_signature_seconds": 0.04 * keys, "resident_mib": 20.0 + keys / 100,
                      "rounds": rounds([keys / 10, keys / 9, keys / 8])} for keys in (1, 10, 100, 1000)]}
MODELS = {"models": [{"name": name, "rounds": [{"load": {"p50_us": 300.0, "p90_us": 400.0, "p99_us": 2000.0, "p999_us": 9000.0}}]}
                     for name in ("kept & many", "one handshake <each>")]}


def test_a_goal_is_judged_by_the_median_and_its_direction():
    assert goal("burst", spread([3.0, 2.0, 9.0])).met is True  # exactly at least 3
    assert goal("burst", spread([2.99, 2.99, 9.0])).met is False
    assert goal("lone", spread([1.25, 1.0, 4.0])).met is True  # exactly at most 1.25
    assert goal("lone", spread([1.26, 1.0, 4.0])).met is False
    assert goal("memory", spread([70.0])).met is False and goal("memory", spread([70.0])).goal == "at most 64 MB"
    assert goal("dirk", None, "no Go").met is None


def test_each_goal_names_a_module_that_bench_runs():
    assert {wanted.module for wanted in bench_common.GOALS.values()} <= set(bench.MODULES)
    rows = [(wanted.name, wanted.against) for wanted in bench_common.GOALS.values()]
    assert len(set(rows)) == len(rows)


def test_each_module_that_is_there_keeps_the_contract():
    folder = pathlib.Path(bench.__file__).parent
    there = [name for name in bench.MODULES if (folder / f"bench_{name}.py").exists()]
    assert "burst" in there and "stores" in there
    for name in there:
        one = bench.find(name)
        assert all(callable(getattr(one, function)) for function in ("measure", "as_text", "goals")), name
        assert getattr(one, "SECONDS", 1) > 0


def test_a_failing_module_is_told_and_the_others_still_run(monkeypatch, capsys):
    def broken(_):
        raise ValueError("the server fell over")

    modules = {"burst": module(broken), "lone": module(lambda _: {"figure": 7}, goals=lambda _: [goal("lone", spread([1.0]))])}
    monkeypatch.setattr(bench, "find", modules.__getitem__)
    monkeypatch.setattr(bench.run_module, "__defaults__", (modules.__getitem__,))
    so_far = []
    outcomes = bench.measure_all(["burst", "lone"], None, lambda there_are: so_far.append(list(there_are)))
    assert so_far == [["burst"], ["burst", "lone"]]
    text = bench.as_text(MACHINE, outcomes)
    assert "failed: ValueError: the server fell over" in text and "figure 7" in text
    assert "bench: lone" in capsys.readouterr().err
    rows = {one.name: one for one in bench.all_goals(outcomes)}
    assert rows[bench_common.GOALS["burst"].name].met is None
    assert rows[bench_common.GOALS["lone"].name].met is True


def test_the_exit_status_tells_of_a_failure_and_not_of_a_yardstick_that_is_missing(monkeypatch, tmp_path, capsys):
    def main(measure):
        monkeypatch.setattr(sys, "argv", ["bench.py", "--only=burst"])
        monkeypatch.setattr(bench, "TOOLS", tmp_path)
        monkeypatch.setattr(bench_machine, "measure", lambda _: MACHINE)
        monkeypatch.setattr(bench, "high_priority", lambda: None)
        monkeypatch.setattr(bench.run_module, "__defaults__", (lambda _: module(measure),))
        return bench.main()

    def absent(_):
        raise NotHere("no socat: Debian's socat")

    assert main(lambda _: 1 / 0) == 1
    assert main(absent) == 0 and "not to be had here: no socat: Debian's socat" in capsys.readouterr().out
    assert main(lambda _: {"figure": 41}) == 0
    assert "figure 41" in (tmp_path / "report.txt").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["modules"]["burst"]["found"] == {"figure": 41}
    xml.etree.ElementTree.parse(tmp_path / "report.svg")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []  # the inputs are gone


def test_a_module_without_its_file_or_its_library_is_told_apart():
    assert bench.run_module("no_such", None, bench.find)["not_here"] == "there is no bench_no_such.py"

    def needs_more(_):
        raise ModuleNotFoundError("No module named 'grpc'", name="grpc")

    assert bench.run_module("burst", None, needs_more)["failed"] == "needs grpc"


def test_a_module_that_takes_too_long_is_given_up():
    def slow(_):
        while True:
            pass

    outcome = run(module(slow, SECONDS=0.2))
    assert "burst took more than 0.2 s" in outcome["failed"] and outcome["seconds"] < 20
    with bounded(30, "this"):
        pass  # and the alarm is off afterwards
    with pytest.raises(Failed), bounded(0.05, "that"):
        slow(None)


def test_figures_are_what_the_json_file_will_hold():
    seen = []
    outcome = run(module(lambda _: {1: (2, 3), "figure": 0}, goals=lambda found: seen.append(found) or []))
    assert seen == [{"1": [2, 3], "figure": 0}] == [outcome["found"]]
    assert "failed" in run(module(lambda _: {"figure": object()}))


def test_the_table_has_every_goal_and_why_it_is_not_measured():
    beaten = goal("burst", spread([3.4, 3.0, 3.9]), beside="43 ms to the last answer")
    outcomes = {"burst": {"goals": [beaten], "text": "", "seconds": 1},
                "dirk": {"not_here": "the Go proxy does not answer", "seconds": 1}, "keys": {"failed": "Failed: no\nmore", "seconds": 1},
                "models": {"goals": [Goal("another", "nobody", "at least 1", spread([0.5]), False)], "text": "", "seconds": 1}}
    rows = bench.all_goals(outcomes)
    assert len(rows) == len(bench_common.GOALS) + 1 and rows[-1].name == "another"
    lines = bench.goals_table(rows).splitlines()
    first = next(number for number, line in enumerate(lines) if "burst of 1,000" in line)
    assert re.search(r"at least 3 +3\.40 \(3\.00 \.\. 3\.90\) +met$", lines[first]) and "43 ms" in lines[first + 1]
    told = {wanted.module: next(line for line in lines if wanted.name in line and wanted.against in line)
            for wanted in bench_common.GOALS.values()}
    assert "not to be had here: the Go proxy does not answer" in told["dirk"] and told["dirk"].endswith(" -")
    assert "failed: Failed: no" in told["keys"] and "not measured in this run" in told["proxy"]
    assert lines[-1].endswith("NOT MET")


def test_the_machine_is_told_with_what_a_wake_costs():
    assert "waking an idle processor costs 30 us" in bench_machine.as_text(MACHINE)
    assert "Other programs" not in bench_machine.as_text(MACHINE)
    assert "Other programs were busy" in bench_machine.as_text({**MACHINE, "load_average": 1.5})


def test_the_picture_shows_every_panel_that_has_figures():
    goals = [vars(goal("burst", spread([3.4, 3.0, 3.9]))), vars(goal("lone", spread([1.5, 1.4, 1.6]))), vars(goal("dirk", None, "no"))]
    report = {"machine": MACHINE, "goals": goals, "modules": {"growth": {"found": GROWTH}, "models": {"found": MODELS}}}
    tree = xml.etree.ElementTree.fromstring(bench_plot.picture(report))
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Goals", "By the number of keys", "Latency by load model"} <= set(texts)
    assert "kept & many" in texts and "3.4x met" in texts and "1.5x not met" in texts and "not measured" in texts
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) == 3 * 4 + 4 + 2 * 4
    # Nothing lies outside of the paper.
    width, height = float(tree.get("width")), float(tree.get("height"))
    for element in tree.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("y1", height), ("y2", height), ("cy", height)):
            assert 0 <= float(element.get(name, 0)) <= most

    bare = xml.etree.ElementTree.fromstring(bench_plot.picture({"machine": MACHINE, "goals": [goals[2]], "modules": {"growth": {"failed": "no"}}}))
    assert not list(bare.iter("{http://www.w3.org/2000/svg}circle"))


def test_an_axis_grows_with_the_values_and_keeps_them_within():
    scale = bench_plot.Logarithmic(*bench_plot.around([3, 900], 10), 0, 100)
    assert (scale.low, scale.high) == (1, 1000) and scale.powers(10) == [1, 10, 100, 1000]
    assert scale(1) == 0 and scale(1000) == 100 and scale(10) == pytest.approx(100 / 3)
    assert bench_plot.around([10, 10], 10) == (10, 100)
    assert [bench_plot.short(value) for value in (0.25, 1, 100, 10000, 1000000)] == ["0.25", "1", "100", "10k", "1M"]
