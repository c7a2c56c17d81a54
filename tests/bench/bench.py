"""make bench: how fast the signer is, beside what it is measured against on the same cores. One program, one report.

Everything is measured in one run, and the two sides of a figure take turns in short rounds, so that whatever else the machine
does meets both. What counts is the ratio of a round; the report gives its median and its spread. Absolute figures drift with the
machine. The measurements are modules (bench_common.py says what one has); one that fails is told and the others still run.
Writes report.txt, report.json and report.svg in build/bench.
"""
import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import bench_machine
import bench_plot
from bench_common import GOALS, ROOT, TOOLS, Context, NotHere, bounded, goal, say

# In the order of the report, each with what stands above its figures.
MODULES = {
    "rounds": "Attestations over kept connections",
    "burst": "A slot's burst",
    "lone": "A lone request",
    "signing": "One message by many keys",
    "callgrind": "Instructions a request",
    "growth": "Cost by the number of keys",
    "http2": "HTTP/2, and /healthcheck under load",
    "batch": "Batches",
    "import": "Import of a history",
    "models": "Load models of the clients",
    "stores": "Stores across a network",
    "enclave": "Start of an enclave",
    "proxy": "The proxy",
    "storm": "New connections",
    "dirk": "Dirk",
    "keys": "Many keys",
}
SECONDS = 180
NOT_TAKEN = "not measured in this run"


def find(name):
    return importlib.import_module(f"bench_{name}")


def run_module(name, context, import_module=find):
    """{"found", "text", "goals"}, {"not_here": why} or {"failed": why}, and how long it took."""
    started = time.monotonic()
    try:
        module = import_module(name)
        seconds = getattr(module, "SECONDS", SECONDS)
        with bounded(seconds, name):
            found = json.loads(json.dumps(module.measure(context)))
        outcome = {"found": found, "text": module.as_text(found), "goals": module.goals(found)}
    except ModuleNotFoundError as error:
        if error.name != f"bench_{name}":
            outcome = {"failed": f"needs {error.name}"}
        else:
            outcome = {"not_here": f"there is no bench_{name}.py"}
    except NotHere as error:
        outcome = {"not_here": str(error)}
    except Exception as error:  # pylint: disable=broad-except
        say(traceback.format_exc())
        outcome = {"failed": f"{type(error).__name__}: {error}"}
    return {**outcome, "seconds": time.monotonic() - started}


def why_not(outcome):
    """Why a module filled no goal."""
    if outcome is None:
        return NOT_TAKEN
    if "not_here" in outcome:
        return f"not to be had here: {outcome['not_here']}"
    return f"failed: {outcome['failed'].splitlines()[0]}" if "failed" in outcome else NOT_TAKEN


def all_goals(outcomes):
    """Every goal that was set, in their order, with what the modules said of it; then what else they hold to."""
    told = [one for outcome in outcomes.values() for one in outcome.get("goals", [])]
    rows = []
    for key, wanted in GOALS.items():
        mine = next((one for one in told if (one.name, one.against) == (wanted.name, wanted.against)), None)
        rows.append(mine or goal(key, None, why_not(outcomes.get(wanted.module))))
    return rows + [one for one in told if one not in rows]


def measured_text(one):
    if one.measured is None:
        return one.why
    digits = 2 if one.measured["median"] < 100 else 0
    unit = "" if one.unit == "x" else f" {one.unit}"
    return f"{one.measured['median']:,.{digits}f}{unit} ({one.measured['low']:,.{digits}f} .. {one.measured['high']:,.{digits}f})"


def met_text(one):
    return {True: "met", False: "NOT MET", None: "-"}[one.met]


def goals_table(rows):
    """Columns as wide as they need."""
    cells = [("what", "against", "goal", "measured", "")] + [(r.name, r.against, r.goal, measured_text(r), met_text(r)) for r in rows]
    widths = [max(len(row[i]) for row in cells if i < 3 or len(row[i]) < 40) for i in range(5)]
    text = ""
    for number, row in enumerate(cells):
        text += "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n"
        if number and rows[number - 1].beside:
            text += f"      {rows[number - 1].beside}\n"
    return text


def as_text(machine, outcomes):
    text = f"nitro-signer bench: {bench_machine.as_line(machine)}\n"
    text += "Figures are medians of rounds in which the sides took turns (lowest .. highest). A figure with x is a ratio.\n\nGoals\n"
    text += goals_table(all_goals(outcomes)) + "\n" + bench_machine.as_text(machine)
    for name, outcome in outcomes.items():
        text += f"\n== {MODULES[name]} ({name}, {outcome['seconds']:.0f} s)\n"
        text += outcome["text"] if "text" in outcome else f"  {why_not(outcome)}\n"
    return text + f"\nAll of it took {sum(outcome['seconds'] for outcome in outcomes.values()):.0f} s.\n"


def chosen(only):
    names = [name for name in only.split(",") if name] if only else list(MODULES)
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        sys.exit(f"bench: no module {', '.join(unknown)}; there are {', '.join(MODULES)}")
    return names


def measure_all(names, context, after_each):
    """after_each is given what there is so far: a run that is cut off keeps that."""
    outcomes = {}
    for name in names:
        say(f"bench: {name}: {MODULES[name]}")
        outcomes[name] = run_module(name, context)
        after_each(outcomes)
        say(f"bench: {name}: {outcomes[name]['seconds']:.0f} s\n" + (outcomes[name].get("text") or f"  {why_not(outcomes[name])}\n"))
    return outcomes


def write_reports(folder, machine, outcomes):
    report = {"machine": machine, "goals": [dataclasses.asdict(one) for one in all_goals(outcomes)],
              "modules": {name: {key: value for key, value in outcome.items() if key not in ("text", "goals")}
                          for name, outcome in outcomes.items()}}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "report.txt").write_text(as_text(machine, outcomes))
    (folder / "report.svg").write_text(bench_plot.picture(report))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="modules, separated by commas")
    parser.add_argument("--rounds", type=int, default=None, help="of each figure")
    parser.add_argument("--update-docs", action="store_true", help="the picture of docs/performance.md becomes this run's")
    return parser.parse_args()


def high_priority():
    """Ours and what we start, where that is allowed: others on the machine then meet both sides less."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    except PermissionError:
        pass


def main():
    asked = arguments()
    names = chosen(asked.only)
    high_priority()
    # Beside the build and not in /tmp, which may be memory: an fsync has to cost what it costs.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ns-bench-", dir=TOOLS))
    try:
        context = Context(folder, **({"rounds": asked.rounds} if asked.rounds else {}))
        machine = bench_machine.measure(context)
        outcomes = measure_all(names, context, lambda so_far: write_reports(TOOLS, machine, so_far))
    finally:
        shutil.rmtree(folder)
    print((TOOLS / "report.txt").read_text(), end="")
    print("\nThe same with every round, and as a picture: " + ", ".join(os.path.relpath(TOOLS / f"report.{kind}") for kind in ("json", "svg")))
    if asked.update_docs:
        shutil.copy(TOOLS / "report.svg", ROOT / "docs/performance.svg")
    return 1 if any("failed" in outcome for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
