"""What our texts say is true and ours: no paths of one machine, no registry hosts, no talk about
how the text was made; the commands and tests the documents name exist; ARCHITECTURE.md's rooms are the
tree's; every prototype in a public header stands under a comment.
"""
import os
import re

from common import LINT_FOLDER, line_of, main, read, tags, targets, walk

TEXT = (".c", ".h", ".py", ".mjs", ".js", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".ipc", ".control",
        "Makefile", "setup", "demo", "run")
# Written by npm, with npm's own public addresses.
GENERATED = {"package-lock.json"}

# The bracketed first letters keep this file from finding itself.
FORBIDDEN = [
    (re.compile(r"(?<![\w.$})/-])/(?:[w]ork|[r]oot|[h]ome/\w+)(?:/|\b)(?!fs)"), "an absolute path of one machine"),
    (re.compile(r"[r]egistry\.npmjs|[p]roxy\.golang|[p]ypi\.org|[c]rates\.io|[f]iles\.pythonhosted"), "a registry's host name"),
    (re.compile(r"\b(?:[c]laude|[a]nthropic|[c]hatgpt|[o]penai|[c]opilot|[s]ubagents?|[a]ssistants?|[l]anguage models?)\b",
                re.IGNORECASE), "a word about the tools that made this"),
    (re.compile(r"\b(?:this|previous|next|last|earlier) [s]ession\b(?! (?:token|key|ticket))|\bthe [p]rompt\b|\b[h]elper [s]ession",
                re.IGNORECASE), "a word about how this was made"),
]
COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )?make ([a-z][a-z-]*)[^`]*`|^ *(?:\$ )?make ([a-z][a-z-]*)\b", re.MULTILINE)
SCRIPT = re.compile(r"`(?:\./)?((?:scripts|\.ci)/[\w.-]+|tests/\w+/[\w./-]+)`")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"(\w+/\w+\.h)"', re.MULTILINE)
SOURCE = re.compile(r"`((?:lib|src)/\w+)/(\w[\w/]*\.[ch])`")
CLAIM = re.compile(r"`(tests/[\w./-]+)::(\w+)`")
# Names of tests under Node's runner are sentences. Without a test's name the whole file is the proof.
SENTENCE = re.compile(r"`(infra/test/[\w.-]+)::([^`]+)`")
PROOF = re.compile(r"`(?:tests|infra/test)/[\w./-]+(?:::[^`]+)?`")
PROOFS_OF = "shown by"  # heads the column where each row of a table has one, or says that it has none
WITHOUT = re.compile(r"\*untested\*|AWS's")
ROOM = re.compile(r"^\|\s*`((?:lib|src|tests)/[a-z0-9_]+)/?`( \(to come\))?\s*\|\s*([^|]*?)\s*\|", re.MULTILINE)


def check_words(root):
    for path in walk(root, ("",), TEXT):
        if path in GENERATED or path.startswith(LINT_FOLDER + "/selftest"):
            continue
        text = read(root, path)
        for pattern, what in FORBIDDEN:
            for match in pattern.finditer(text):
                yield path, line_of(text, match.start()), f"{what}: {match.group(0).strip()}"


def check_commands(root):
    """`make x`, `scripts/y`, `tests/z` and sources of existing rooms, where they stand in backquotes, exist."""
    makefile = read(root, "Makefile")
    known = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for path in walk(root, ("",), (".md",)):
        text = read(root, path)
        for match in COMMAND.finditer(text):
            name = match.group(1) or match.group(2)
            if name not in known:
                yield path, line_of(text, match.start()), f"the Makefile has no target {name}"
        for match in SCRIPT.finditer(text):
            if not os.path.exists(os.path.join(root, match.group(1))):
                yield path, line_of(text, match.start()), f"there is no {match.group(1)}"
        for match in SOURCE.finditer(text):
            room, file = match.groups()
            if os.path.isdir(os.path.join(root, room)) and not os.path.exists(os.path.join(root, room, file)):
                yield path, line_of(text, match.start()), f"there is no {room}/{file}"


def check_claims(root):
    """A test that a document names as the proof of something, `tests/folder/file::test`, is there."""
    for path in walk(root, ("",), (".md",)):
        text = read(root, path)
        for match in CLAIM.finditer(text):
            file, test = match.groups()
            there = os.path.exists(os.path.join(root, file)) and re.search(rf"\b{test}\b", read(root, file))
            if not there:
                yield path, line_of(text, match.start()), f"there is no test {test} in {file}"
        for match in SENTENCE.finditer(text):
            file, test = match.groups()
            if not os.path.exists(os.path.join(root, file)) or not re.search(rf'["`]{re.escape(test)}(?: \(\$\{{\w+\}}\))?["`]', read(root, file)):
                yield path, line_of(text, match.start()), f"there is no test \"{test}\" in {file}"


def check_proofs(root):
    """In a table whose last column is headed "shown by", each row names a test, or says *untested*, or whose promise it is."""
    for path in walk(root, ("",), (".md",)):
        among = False
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if not line.startswith("|"):
                among = False
            elif line.rstrip(" |").endswith(PROOFS_OF):
                among = True
            elif among and not set(line) <= set("|- :") and not (PROOF.search(line) or WITHOUT.search(line)):
                if line.count("**") < 2:  # a heading inside of the table
                    yield path, number, "a claim without a test, and it does not say *untested*"


def check_rooms(root):
    """The rows "| `lib/base` | 0 | ..." of ARCHITECTURE.md are the folders of lib, src and tests, with the
    layers of the modules in them."""
    name = "ARCHITECTURE.md"
    text = read(root, name)
    told = {m.group(1): (line_of(text, m.start()), bool(m.group(2)), m.group(3)) for m in ROOM.finditer(text)}
    real = {"/".join(path.split("/")[:2]) for path in walk(root, ("lib", "src", "tests")) if path.count("/") >= 2}
    layers = {}
    for target in targets(root):
        if target.kind == "module":
            layers.setdefault(target.folder, set()).add(target.layer)
    for room in sorted(real - set(told)):
        yield name, 1, f"{room} is a room and has no row"
    for room, (line, to_come, layer) in sorted(told.items()):
        if room not in real and not to_come:
            yield name, line, f"{room} has a row and is no room"
        wanted = ", ".join(str(n) for n in sorted(layers.get(room, ())))
        if room in layers and layer != wanted:
            yield name, line, f"{room} is said to be of layer {layer or 'none'}, its modules are of {wanted}"


def public_headers(root):
    """Headers of lib that a file of another room includes."""
    found = set()
    for path in walk(root, ("lib", "src"), (".c", ".h")):
        for name in INCLUDE.findall(read(root, path)):
            if os.path.dirname(f"lib/{name}") != os.path.dirname(path):
                found.add(f"lib/{name}")
    return found


def check_headers(root):
    """Every header says what it is for; above each prototype of a public one, in its paragraph, is a comment."""
    paths, public = walk(root, ("lib",), (".h",)), public_headers(root)
    prototypes = {}
    for tag in tags(root, [path for path in paths if path in public], "p"):
        prototypes.setdefault(tag["path"], []).append((tag["line"], tag["name"]))
    for path in paths:
        lines = read(root, path).split("\n")
        if not lines[0].startswith("/*"):
            yield path, 1, "opens without a comment that says what it is for"
        for number, name in sorted(prototypes.get(path, [])):
            at = number - 1
            while at >= 0 and lines[at].strip() and "*/" not in lines[at]:
                at -= 1
            documented = "*/" in lines[number - 1] or (at >= 0 and "*/" in lines[at])
            if not documented and not name.isupper():
                yield path, number, f"{name} has no comment"


def check(root):
    yield from check_words(root)
    yield from check_commands(root)
    yield from check_claims(root)
    yield from check_proofs(root)
    yield from check_rooms(root)
    yield from check_headers(root)


if __name__ == "__main__":
    main(check)
