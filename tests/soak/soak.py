#!/usr/bin/python3
"""The signer at saturation, in one set-up after the other, while things are done to it and its surroundings; judged by others
than itself. Writes report.txt, report.json and report.svg into build/soak-report; ends with 1 when a judge complains.

    make soak-load MINUTES=30 SEED=7 SETUPS=sqlite,postgresql,enclave

Modules: soak_generator (and soak_load.c) asks, soak_chaos disturbs, soak_sampler looks, soak_judges
judge, soak_report reports; soak_standalone and soak_enclave are the set-ups."""
import argparse
import json
import os
import sys
import time

from soak_common import BIN, ROOT, say
import soak_report
import soak_run
from soak_enclave import WholeEnclave
from soak_standalone import Standalone, WithPostgres

SETUPS = {"sqlite": (Standalone, 0.4), "postgresql": (WithPostgres, 0.2), "enclave": (WholeEnclave, 0.4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=30, help="of all set-ups together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--setups", default=",".join(SETUPS), help="some of them")
    parser.add_argument("--bin", default=str(BIN), help="other programs than those that were built")
    parser.add_argument("--output", default=str(ROOT / "build/soak-report"), help="folder of the report")
    options = parser.parse_args()
    chosen = {name: SETUPS[name] for name in options.setups.split(",")}
    whole, results, reds, text = sum(share for _, share in chosen.values()), [], 0, ""
    for name, (kind, share) in chosen.items():
        say(f"soak: {name}, seed {options.seed}")
        one = soak_run.run(lambda folder, kind=kind: kind(folder, options.bin), 60 * options.minutes * share / whole, options.seed)
        finished = "series" in one.result and "seconds" in one.result
        text += soak_report.as_text(one.result) if finished else f"{one.result['title']}: did not come to its end\n{soak_report.verdict(one.result)}"
        results += [one.result] if finished else []
        reds += len(one.wrong)
    os.makedirs(options.output, exist_ok=True)
    for file, content in (("report.txt", text), ("report.json", json.dumps(results)), ("report.svg", soak_report.as_svg(results))):
        with open(os.path.join(options.output, file), "w", encoding="utf-8") as out:
            out.write(content)
    print(text + (f"soak: RED: {reds} complaints" if reds else "soak: PASSED: no answer lost, nothing slashable, nothing grew"))
    return 1 if reds else 0


if __name__ == "__main__":
    sys.exit(main())
