"""What every check shares: which files there are, C without its comments and strings, functions
with their extents, the ns_module calls of the build, and one way to report.

A check is a function of the tree's root that yields findings (path, line, text); text that
begins with "warning:" is printed and does not fail. selftest.py feeds each of them a bad tree.
"""
import json
import os
import re
import subprocess
import sys

SKIPPED_FOLDERS = {".git", "build", "node_modules", "demo-run", "__pycache__", ".pytest_cache", ".cache", "cdk.out"}
# The checks name what they forbid; they are read by people instead.
LINT_FOLDER = "tests/lint"


def walk(root, folders=("",), endings=("",)):
    """Paths relative to root, sorted, of files below the folders that end in one of the endings."""
    found = []
    for folder in folders:
        for path, names, files in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in SKIPPED_FOLDERS and not os.path.islink(os.path.join(path, n))]
            found += [os.path.relpath(os.path.join(path, f), root) for f in files if f.endswith(tuple(endings))]
    return sorted(set(found))


def c_files(root):
    return walk(root, ("lib", "src", "tests"), (".c", ".h"))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def bare(text):
    """C with comments blanked and literals emptied; lines keep their numbers."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + token[0]
        return " " + "\n" * token.count("\n")
    return COMMENT_OR_TEXT.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Function:
    def __init__(self, path, name, first, last, lines):
        self.path, self.name, self.first, self.last = path, name, first, last
        self.body = bare("\n".join(lines))

    @property
    def length(self):
        return self.last - self.first + 1


def tags(root, paths, kinds):
    if not paths:
        return []
    output = subprocess.run(
        ["ctags", "--options=NONE", "--language-force=C", "--output-format=json", "--fields=+ne", f"--kinds-C={kinds}",
         "-I", "must_check", "-f", "-", "-L", "-"],
        cwd=root, input="\n".join(paths), capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def functions(root):
    """(functions, findings). A file whose functions ctags counts otherwise than our brace style
    does (each ends with a brace in column one) is a finding: what is not seen is not measured."""
    paths = c_files(root)
    lines = {path: read(root, path).split("\n") for path in paths}
    found, per_file = [], dict.fromkeys(paths, 0)
    for tag in tags(root, paths, "f"):
        path, first, last = tag["path"], tag["line"], tag.get("end", tag["line"])
        per_file[path] += 1
        found.append(Function(path, tag["name"], first, last, lines[path][first - 1:last]))
    findings = []
    for path in paths:
        closing = bare("\n".join(lines[path])).split("\n").count("}")
        if closing != per_file[path]:
            findings.append((path, 1, f"ctags sees {per_file[path]} functions, column-one braces {closing}"))
    return found, findings


class Target:
    """One ns_module, ns_program or ns_test call."""

    def __init__(self, kind, path, line, words):
        self.kind, self.path, self.line, self.name = kind, path, line, words[0]
        self.folder = os.path.dirname(path)
        self.room = os.path.basename(self.folder)
        parts, key = {}, None
        for word in words[1:]:
            if word in ("LAYER", "DEPENDS", "SOURCES", "LINK", "WRAP"):
                key = word
                parts.setdefault(key, [])
            elif key:
                parts[key].append(word)
        self.depends, self.sources = parts.get("DEPENDS", []), parts.get("SOURCES", [])
        self.layer = int(parts["LAYER"][0]) if parts.get("LAYER") else None


def targets(root):
    found = []
    for path in walk(root, ("lib", "src", "tests"), ("CMakeLists.txt",)):
        text = re.sub(r"#[^\n]*", "", read(root, path))
        for match in re.finditer(r"\bns_(module|program|test)\s*\(([^)]*)\)", text):
            found.append(Target(match.group(1), path, line_of(text, match.start()), match.group(2).split()))
    return found


def main(check):
    """The root is the first argument, else the tree this file is in."""
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    root = os.path.normpath(sys.argv[1] if len(sys.argv) > 1 else default)
    failed = False
    for path, line, text in check(root):
        print(f"{path}:{line}: {text}")
        failed = failed or not text.startswith("warning:")
    sys.exit(1 if failed else 0)
