"""make analyse: what gcc -fanalyzer, clang-tidy and cppcheck find in lib and src, less what is known to be wrong of them.

  analyse.py [--build=DIR] [--jobs=N] [--tools=gcc,clang-tidy,cppcheck] [--root=DIR] [PATH...]

Each file is compiled as DIR/compile_commands.json says (cmake --preset analyzer writes it), by each analyser. What one found in
a file is kept in DIR/analysed under a digest of the file with all it includes, of the analyser's version and of its options: a
second run looks only at what has changed. PATHs, beginnings of names, narrow a run down to some rooms.

clang-tidy's checks are in .clang-tidy, the classes of findings that cannot be true here in OFF below, and single wrong findings in
analyse_allowed.txt, each with a reason. An entry there that no finding needs is itself a finding, so the list can only shrink.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ALLOWED = "tests/lint/analyse_allowed.txt"
NAMES = ("gcc", "clang-tidy", "cppcheck")
# code: the line of the source that the finding is about, without spaces around.
Finding = collections.namedtuple("Finding", "tool path line check text code")

# (tool, check, pattern of the text, pattern of the line of source): no such finding is true here, and why.
DISARMED = r"^[\w.]+ = \((struct )?\w+\)\{[^;]*\};$"
OFF = [
    # clang's analyser does not know the clean-up attribute by which almost all our memory is freed. gcc's does, and under the
    # preset asan every test ends with LeakSanitizer's look. Double frees, and use of what was freed, are still its to find.
    ("clang-tidy", "clang-analyzer-unix.Malloc", r"^Potential (memory )?leak", r""),
    # So a variable that is set to its zero state, since what it owned was handed on, is read once more: by its clean-up.
    ("clang-tidy", "clang-analyzer-deadcode.DeadStores", r"", DISARMED),
    ("cppcheck", "unreadVariable", r"", DISARMED),
    # -1 is what mmap's descriptor has to be for memory that is no file's; cppcheck's description of it says otherwise.
    ("cppcheck", "invalidFunctionArg", r"^Invalid mmap\(\) argument nr 5", r"MAP_ANONYMOUS|"),
    # readdir is safe from threads that do not share a folder's handle, and readdir_r is deprecated.
    ("cppcheck", "readdirCalled", r"", r""),
    # It is what stands in place of an empty body.
    ("cppcheck", "redundantContinue", r"", r"^continue;$"),
]
# Where a variable is declared, and whether an inner name shadows a function, is taste: our convention is the name that reads best.
# Members without use of ours make the layout of a message, of what the kernel writes, or of a list.
# The last is told of headers of libraries that cppcheck is not given, but for the lists' macros, which it cannot read past.
CPPCHECK = ["--enable=warning,performance,portability,style", "--inline-suppr", "--std=c11", "--language=c", "--library=posix", "--quiet",
            "--suppress=variableScope", "--suppress=shadowFunction", "--suppress=unusedStructMember", "--suppress=missingIncludeSystem",
            "--template={file}:{line}: {severity}: {message} [{id}]"]


class Unit:
    """A source with the options that say what it means: macros, folders of headers."""

    def __init__(self, path, words):
        self.path, self.meaning = path, []
        for before, word in zip([""] + words, words):
            if before == "-isystem":
                self.meaning += [before, word]
            elif word.startswith(("-I", "-D", "-std=")) and "FORTIFY" not in word:
                self.meaning.append(word)


def units(root, build):
    found = {}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for command in json.load(file):
            path = os.path.relpath(command["file"], root)
            if path.startswith(("lib/", "src/")) and path.endswith(".c"):
                found.setdefault(path, Unit(path, shlex.split(command["command"])))
    return [found[path] for path in sorted(found)]


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def run(root, words):
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, done.stdout + done.stderr


# Without optimisation: what gcc's analyser then says is nearer to the source, and less of it is wrong.
COMMANDS = {"gcc": lambda unit: ["gcc", "-fanalyzer", "-O0", "-c", "-o", "/dev/null", *unit.meaning, unit.path],
            "clang-tidy": lambda unit: ["clang-tidy", "--quiet", unit.path, "--", *unit.meaning]}
LINE = re.compile(r"^(\S+?):(\d+)(?::\d+)?: (?:fatal )?(warning|error|style|performance|portability)[^:]*: (.*?) \[([^\]]*)\]$")
EXPANSION = re.compile(r"^(\S+\.c):(\d+):\d+: note: in expansion of macro")


def parse(root, tool, output):
    """Findings of one analyser's output. gcc's place of a finding in a macro is in our source, where that stands."""
    found, lines = [], output.split("\n")
    for number, shown in enumerate(lines):
        match = LINE.match(shown)
        if not match:
            continue
        place, line = match.group(1), int(match.group(2))
        if tool == "gcc" and not place.endswith(".c"):
            after = next((m for m in map(EXPANSION.match, lines[number:number + 40]) if m), None)
            place, line = (after.group(1), int(after.group(2))) if after else (place, line)
        place = os.path.relpath(os.path.join(root, place), root)
        check = match.group(5).split(",-warnings-as-errors")[0].split(" ")[-1]
        found.append(Finding(tool, place, line, check, match.group(4), source_line(root, place, line)))
    return found


def source_line(root, path, line):
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            return file.read().split("\n")[line - 1].strip()
    except (OSError, IndexError):
        return ""


def digest(root, tool, unit, version):
    """All that the outcome depends on. Comments too: NOLINT is one."""
    options = read_bytes(os.path.join(root, ".clang-tidy")) if tool == "clang-tidy" else b""
    whole = subprocess.run(["gcc", "-E", "-C", *unit.meaning, unit.path], cwd=root, capture_output=True, check=False).stdout
    return hashlib.sha256(b"\0".join([version, options, " ".join(COMMANDS[tool](unit)).encode(), whole])).hexdigest()


def analyse(root, kept, tool, unit, version):
    place = os.path.join(kept, digest(root, tool, unit, version) + ".json")
    if not os.path.exists(place):
        with open(place + ".new", "w", encoding="utf-8") as file:
            json.dump(run(root, COMMANDS[tool](unit)), file)
        os.rename(place + ".new", place)
    status, output = json.loads(read_bytes(place))
    found = parse(root, tool, output)
    return found if status == 0 or found else [Finding(tool, unit.path, 1, "failed", output.strip()[-500:], "")]


def cppcheck(root, kept, of_run, jobs):
    """Cppcheck keeps what it found by itself."""
    folder = os.path.join(kept, "cppcheck")
    machine = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    os.makedirs(folder, exist_ok=True)
    status, output = run(root, ["cppcheck", f"-j{jobs}", f"--cppcheck-build-dir={folder}", *CPPCHECK, f"--include=/usr/include/{machine}/sys/queue.h", "-D_GNU_SOURCE", "-DNS_ANALYSER",
                                "-I", "lib", *[unit.path for unit in of_run]])
    found = parse(root, "cppcheck", output)
    return found if status == 0 else found + [Finding("cppcheck", "", 0, "failed", output.strip()[-500:], "")]


def is_off(finding):
    return any(tool == finding.tool and check == finding.check and re.search(text, finding.text) and re.search(code, finding.code)
               for tool, check, text, code in OFF)


def read_allowed(root):
    """(tool, path, check, code) -> (line of the list, whether it has a reason). An entry, TOOL PATH CHECK | the line of source, stands
    with others of its kind under lines with # that say the reason."""
    allowed, reason = {}, False
    full = os.path.join(root, ALLOWED)
    if os.path.exists(full):
        with open(full, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip() or line.startswith("#"):
                    reason = line.startswith("#")
                else:
                    head, _, code = line.strip().partition(" | ")
                    allowed[(*head.split(), code)] = (number, reason)
    return allowed


def findings(root, build, tools=NAMES, jobs=1, only=()):
    """All that stands, each once, and entries of the list that are not needed."""
    of_run = [unit for unit in units(root, build) if not only or unit.path.startswith(tuple(only))]
    if not of_run:
        sys.exit("analyse: no source to look at")
    kept = os.path.join(build, "analysed")
    os.makedirs(kept, exist_ok=True)
    versions = {tool: subprocess.run([tool, "--version"], capture_output=True, check=True).stdout for tool in tools}
    found = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for tool in [t for t in tools if t in COMMANDS]:
            for of_file in pool.map(lambda unit, t=tool: analyse(root, kept, t, unit, versions[t]), of_run):
                found += of_file
    if "cppcheck" in tools:
        found += cppcheck(root, kept, of_run, jobs)
    allowed, used = read_allowed(root), set()
    for finding in sorted(set(found)):
        key = (finding.tool, finding.path, finding.check, finding.code)
        if key in allowed:
            used.add(key)
        elif not is_off(finding):
            yield finding
    for key, (number, reason) in allowed.items():
        if not reason:
            yield Finding(key[0], ALLOWED, number, "allowed", "says no reason", key[3])
        elif key not in used and key[0] in tools and not only:
            yield Finding(key[0], ALLOWED, number, "allowed", "no finding needs this entry: remove it", key[3])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.normpath(os.path.join(HERE, "..", "..")))
    parser.add_argument("--build")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--tools", default=",".join(NAMES))
    parser.add_argument("paths", nargs="*")
    given = parser.parse_args()
    build = os.path.abspath(given.build or os.path.join(given.root, "build/analyzer"))
    stand = list(findings(os.path.abspath(given.root), build, given.tools.split(","), given.jobs, given.paths))
    for finding in stand:
        print(f"{finding.path}:{finding.line}: {finding.tool}: {finding.text} [{finding.check}]\n    {finding.code}")
    print(f"analyse: {len(stand)} findings" if stand else "analyse: PASSED: nothing that stands")
    sys.exit(1 if stand else 0)


if __name__ == "__main__":
    main()
