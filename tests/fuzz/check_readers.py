#!/usr/bin/python3
"""Holds the table of README.md to the tree: each target in a row, each room in one, and no name of what is not there."""
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
TREE = FOLDER.parent.parent


def read_table(text):
    """room -> (targets, the words before a colon where there are none)"""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            rows[cells[0].strip("`")] = cells[3]
    return rows


def mistakes(text, targets, rooms):
    found, rows = [], read_table(text)
    named = set()
    for room, cell in rows.items():
        if room not in rooms:
            found.append(f"{room}: there is no such room")
        words = {word for word in re.split(r",\s*", cell) if re.fullmatch(r"[a-z0-9_]+", word)}
        if not words and not cell.startswith("none"):
            found.append(f"{room}: names no target, and does not say none")
        words.discard("none")
        found += [f"{room}: there is no target {word}" for word in sorted(words - targets)]
        named |= words
    found += [f"fuzz_{target}.c: is in no row" for target in sorted(targets - named)]
    found += [f"{room}: has no row" for room in sorted(rooms - rows.keys())]
    return found


def selftest(text, targets, rooms):
    """The check can fail: of a table that is right, each of these makes a wrong one."""
    assert mistakes(text, targets | {"another"}, rooms) == ["fuzz_another.c: is in no row"]
    assert mistakes(text, targets, rooms | {"lib/another"}) == ["lib/another: has no row"]
    assert mistakes(text, targets - {"yaml"}, rooms) == ["lib/yaml: there is no target yaml"]
    assert mistakes(text, targets, rooms - {"lib/yaml"}) == ["lib/yaml: there is no such room"]


def main():
    text = (FOLDER / "README.md").read_text()
    targets = {path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.c")}
    rooms = {f"{path.parent.parent.name}/{path.parent.name}" for path in TREE.glob("lib/*/CMakeLists.txt")}
    rooms |= {f"{path.parent.parent.name}/{path.parent.name}" for path in TREE.glob("src/*/CMakeLists.txt")}
    found = mistakes(text, targets, rooms)
    if not found:
        selftest(text, targets, rooms)
    print("\n".join(found) or f"{len(targets)} targets, {len(rooms)} rooms")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
