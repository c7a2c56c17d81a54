#!/usr/bin/python3
"""make coverage: which branches of the rooms that decide the tests reach, and which they do not.

  coverage.py [--build=DIR] [--jobs=N] [--report-only] [--tests=REGEX] [ROOM...]

Everything is built with gcc --coverage (preset coverage) and nothing optimised; then the tests run that TESTS below names for the
ROOMs (all of them, unless some are named: make coverage ROOMS='lib/eth2 lib/nitro'), gcovr puts together what they counted,
and this prints, by file, how many lines and branches were reached of how many, and each branch that was not:

  lib/eth2/eth2_order.c:67 eth2_order_root: 1 of 2 | TRY(hash(root));

A branch is a way on from a condition: TRY and ENSURE are two each, && and || two more. It exits with 1 when a branch is neither reached
nor in unreachable.txt, when an entry there is stale (reached by now, or its text is gone), or when a test fails. DIR/report/index.html
shows the same line by line. While working: --tests=REGEX runs only those of the rooms' tests that match (a name of ctest, a file of
pytest) and keeps the counts of the others; --report-only runs none.

unreachable.txt has, under a reason, the branches that nothing can reach: FILE FUNCTION NUMBER | the line of source, so that it survives
changes elsewhere in the file. NUMBER is how many branches are not reached on all lines of that function with that text.

Of themselves, and by a rule here, not counted: the way by which a switch over an enumeration is left for a value that is none of
it. Such a switch has no default, and -Wswitch -Werror holds it to name every value.

A process writes what it counted when it exits, and opens files for that. So in this build the system call filters let everything through that
does not end the process (lib/base/process_sandbox.c), and a process that is killed or ends by _exit counts for nothing. Rejected:
LLVM's counts, which have no branches for && in macros and would make another compiler's code the judge of gcc's; comments in the source that exclude
lines, which nobody reviews in one place and which outlive their reasons.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
UNREACHABLE = pathlib.Path(__file__).resolve().parent / "unreachable.txt"
# By room: a regular expression of ctest's names; files of pytest; folders of the build that compile its sources.
TESTS = {
    "lib/slashing": (r"^(test_slashing|test_store|torture_keeper|torture_interchange)",
                     ["test_store_postgresql.py", "test_store_dynamodb.py", "test_interchange_postgresql.py", "test_interchange_dynamodb.py"],
                     ["lib/slashing"]),
    "lib/eth2": (r"^test_eth2", [], ["lib/eth2"]),
    "lib/nitro": (r"^(test_nitro|torture_enclave)", [], ["lib/nitro"]),
    "src/keeper": (r"^test_keeper", [], ["src/keeper", "tests/unit/keeper"]),
}
# What gcovr may take. A part of a minute, if nothing is wrong.
GCOVR_SECONDS = 1200
# Before a first run has told more.
MINUTES = "src/keeper took 1 minute on a quiet machine, all rooms took 18 on a busy one, building included"
Missed = collections.namedtuple("Missed", "path line function missed total text")


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=False, cwd=TREE, **options)


def forget_what_is_gone(build):
    """Objects that are no longer made leave .gcno and .gcda behind. gcovr would look for the sources of those, in vain and long; and counts of an
    object that was compiled since fit nothing that is there."""
    run("ninja", "-C", build, "-t", "cleandead", stdout=subprocess.DEVNULL)
    live = set()
    for command in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(command["command"])
        live.add(pathlib.Path(command["directory"], words[words.index("-o") + 1]))
    for notes in list(build.rglob("*.gcno")):
        if notes.with_suffix(".o") not in live or not notes.with_suffix(".o").exists():
            notes.unlink()
    for counts in list(build.rglob("*.gcda")):
        notes = counts.with_suffix(".gcno")
        if not notes.exists() or counts.stat().st_mtime < notes.stat().st_mtime:
            counts.unlink()


def run_tests(build, rooms, jobs, only):
    """True when all passed. Without ONLY, what was counted before is forgotten."""
    if not only:
        for old in build.rglob("*.gcda"):
            old.unlink()
    began = time.monotonic()
    names = "|".join(TESTS[room][0] for room in rooms)
    listed = run("ctest", "--test-dir", build, "-N", "-R", names, capture_output=True, text=True).stdout
    chosen = [name for name in re.findall(r"Test +#\d+: (\S+)", listed) if not only or re.search(only, name)]
    files = sorted({name for room in rooms for name in TESTS[room][1] if not only or re.search(only, name)})
    good, took = True, build / "report" / f"seconds-{'-'.join(rooms).replace('/', '.')}"
    if not only:
        last = f"took {int(took.read_text()) / 60:.0f} minutes here last time" if took.exists() else MINUTES
        print(f"coverage: {len(chosen)} programs of ctest and {len(files)} files of pytest: {last}", flush=True)
    if chosen:
        good = run("ctest", "--test-dir", build, "--output-on-failure", f"-j{jobs}", "-R", f"^({'|'.join(chosen)})$").returncode == 0
    if files:
        good &= run("/usr/bin/python3", "-m", "pytest", "-q", "-n", jobs, "--dist", "loadfile",
                    *(f"tests/integration/{name}" for name in files),
                    env=dict(os.environ, NS_BIN_DIR=str(build / "bin"))).returncode == 0
    if not chosen and not files:
        print(f"coverage: no test is called {only}")
        return False
    if not only:
        took.parent.mkdir(exist_ok=True)
        took.write_text(f"{time.monotonic() - began:.0f}")
    return good


def gather(build, rooms, jobs):
    """gcovr's account by file; writes the pages, too."""
    report = build / "report"
    report.mkdir(exist_ok=True)
    folders = [build / folder for room in rooms for folder in TESTS[room][2] if (build / folder).is_dir()]
    filters = [option for room in rooms for option in ("--filter", f"{room}/")]
    try:
        done = run("gcovr", "-j", jobs, "--root", TREE, *filters, "--exclude-unreachable-branches", "--gcov-ignore-parse-errors",
                   "--json", report / "coverage.json", "--html-details", report / "index.html", *folders, capture_output=True, text=True,
                   timeout=GCOVR_SECONDS)
    except subprocess.TimeoutExpired:
        sys.exit(f"coverage: gcovr has not ended in {GCOVR_SECONDS // 60} minutes")
    if done.returncode != 0:
        sys.exit(f"coverage: gcovr: {done.stderr}")
    account = {file["file"]: file for file in json.loads((report / "coverage.json").read_text())["files"]}
    for room in rooms:
        for source in sorted((TREE / room).glob("*.c")):
            path = str(source.relative_to(TREE))
            if path not in account:
                print(f"coverage: {path} is not compiled in this build")
    return {path: account[path] for path in sorted(account)}


def has_way_out_of_its_own(source, number, num_branches):
    """Whether the switch on that line has no default, and a way for values that it does not name beside the num_branches - 1 it does."""
    depth, groups, behind_label = 0, 0, False
    for line in source[number - 1:]:
        if re.match(r"\s*default:", line):
            return False
        is_label = bool(re.match(r"\s*case\b", line)) and depth == 1
        groups += is_label and not (behind_label and is_label)
        behind_label = is_label and line.rstrip().endswith(":")
        depth += line.count("{") - line.count("}")
        if depth == 0 and line.strip() == "}":
            break
    return num_branches == groups + 1


def look_at(path, file):
    """The file's (lines reached, lines, branches reached, branches), and what was missed."""
    source = (TREE / path).read_text().splitlines()
    functions = sorted((function["lineno"], function["name"], function["execution_count"]) for function in file["functions"])
    counts, missed = [0, 0, 0, 0], []
    for line in file["lines"]:
        if line.get("gcovr/noncode"):
            continue
        number, branches = line["line_number"], line["branches"]
        text = source[number - 1].strip()
        function = next((name for start, name, _ in reversed(functions) if start <= number), "-")
        total, reached = len(branches), sum(branch["count"] > 0 for branch in branches)
        if text.startswith("switch (") and reached < total and has_way_out_of_its_own(source, number, total):
            total -= 1
        counts = [sum(pair) for pair in zip(counts, (line["count"] > 0, 1, reached, total))]
        if reached < total:
            missed.append(Missed(path, number, function, total - reached, total, text))
    for start, name, count in functions:
        if count == 0:
            missed.append(Missed(path, start, name, 1, 1, "(never called)"))
    return counts, sorted(missed, key=lambda m: m.line)


def read_unreachable(path, rooms):
    """(file, function, text) to how many branches; only of the rooms."""
    entries, reason = {}, False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#") or not line.strip():
            reason = line.startswith("# ")
            continue
        head, bar, text = line.partition(" | ")
        words = head.split()
        if not bar or len(words) != 3 or not words[2].isdigit() or not reason:
            sys.exit(f"{path}:{number}: not FILE FUNCTION NUMBER | TEXT under a reason")
        if any(words[0].startswith(f"{room}/") for room in rooms):
            entries[(words[0], words[1], text.strip())] = int(words[2])
    return entries


def judge(missed, entries):
    """What was missed and is not excused, and what is excused and was not missed."""
    by_key = collections.defaultdict(list)
    for m in missed:
        by_key[(m.path, m.function, m.text)].append(m)
    open_ones = [m for key, group in by_key.items() if sum(m.missed for m in group) > entries.get(key, 0) for m in group]
    stale = [(key, number, sum(m.missed for m in by_key.get(key, ()))) for key, number in entries.items()
             if sum(m.missed for m in by_key.get(key, ())) < number]
    return open_ones, stale


def print_report(account, rooms, entries):
    """True when every branch is reached or excused."""
    missed, width = [], max(len(path) for path in account)
    print(f"{'':{width}}  {'lines':>13}  {'branches':>13}")
    for room in rooms:
        sums = [0, 0, 0, 0]
        for path, file in account.items():
            if not path.startswith(f"{room}/"):
                continue
            counts, missed_here = look_at(path, file)
            sums = [sum(pair) for pair in zip(sums, counts)]
            missed += missed_here
            print(f"{path:{width}}  {counts[0]:5} of {counts[1]:4}  {counts[2]:5} of {counts[3]:4}")
        print(f"{room + ', all of it':{width}}  {sums[0]:5} of {sums[1]:4}  {sums[2]:5} of {sums[3]:4}\n")
    open_ones, stale = judge(missed, entries)
    for m in open_ones:
        print(f"{m.path}:{m.line} {m.function}: {m.missed} of {m.total} | {m.text}")
    for (path, function, text), number, found in stale:
        print(f"unreachable.txt: {path} {function}: {number} branches are listed, {found} are not reached | {text}")
    print(f"coverage: {sum(m.missed for m in open_ones)} branches are not reached, {sum(entries.values())} are listed as unreachable, "
          f"{len(stale)} entries of the list are stale")
    return not open_ones and not stale


def main():
    parser = argparse.ArgumentParser(description="which branches the tests reach")
    parser.add_argument("--build", default="build/coverage")
    parser.add_argument("--jobs", default=str(os.cpu_count()))
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--tests", default="")
    parser.add_argument("rooms", nargs="*")
    options = parser.parse_args()
    build, rooms = (TREE / options.build).resolve(), options.rooms or list(TESTS)
    for room in rooms:
        if room not in TESTS:
            sys.exit(f"coverage: {room} is none of {', '.join(TESTS)}")
    forget_what_is_gone(build)
    good = options.report_only or run_tests(build, rooms, options.jobs, options.tests)
    covered = print_report(gather(build, rooms, options.jobs), rooms, read_unreachable(UNREACHABLE, rooms))
    if not good:
        print("coverage: a test FAILED")
    print("coverage: PASSED" if good and covered else "coverage: FAILED")
    sys.exit(0 if good and covered else 1)


if __name__ == "__main__":
    main()
