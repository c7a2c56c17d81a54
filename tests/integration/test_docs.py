"""The documentation is in one piece: every link leads somewhere, every page is in the index, every block of commands is run (make docs-test)
or has a reason not to be, and what commands name is there."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/docs"))

import pages  # noqa: E402
from plan import BEFORE, ELSEWHERE, NOT_RUN, SCENES  # noqa: E402

PAGES = [path.relative_to(ROOT).as_posix() for path in
         [*ROOT.glob("*.md"), *ROOT.glob("PROTOCOL.*"), *(ROOT / "docs").glob("*.md"), ROOT / "infra/README.md"]]
FENCE = re.compile(r"^( *)```.*?^\1```", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path):
    """What headings are called by those who render them, the second of a name with -1."""
    names, text = {}, FENCE.sub("", path.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        name = re.sub(r"[^\w -]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).strip().replace(" ", "-")
        names[name] = names.get(name, -1) + 1
    return {name if count == 0 else f"{name}-{count}" for name, last in names.items() for count in range(last + 1)}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page):
    text = re.sub(r"`[^`]*`", "", FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")))
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert target.exists() and target.is_relative_to(ROOT), f"{page}: {link}: there is no such file"
        if anchor:
            assert anchor in anchors(target), f"{page}: {link}: there is no such heading"


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = {link.partition("#")[0] for link in LINK.findall(index)}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


def test_the_first_page_stays_one():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    # Set up by exactly two commands, and both are seen without scrolling.
    assert {"make demo", "make test"} <= {line.partition("#")[0].strip() for line in lines[:30]}


def test_figures_of_the_first_page_are_those_of_performance():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ *\| (.*) \| (.*) \|$", readme.split("| what | measured |")[1].split("\n\n")[0], re.M)
    measured = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    figures = [figure for _, cell in rows for figure in re.findall(r"\d+(?:\.\d+)?(?: ms| MB| s\b)?", cell) if figure != "2,000"]
    assert len(figures) >= 6
    for figure in figures:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", measured), figure


# ---- blocks ----

def test_every_block_is_run_or_has_a_reason():
    known, missing = {}, []
    for page in pages.names():
        for block, _ in pages.typed(page):
            name = (page, block.first)
            assert name not in known or name not in NOT_RUN, f"{block.place}: begins as the block at {known[name]} does"
            known[name] = block.place
            if name not in NOT_RUN and page not in SCENES and page not in ELSEWHERE:
                missing.append(f"{block.place}: {block.first}")
    assert not missing, f"neither run nor listed in tests/docs/plan.py: {missing}"
    assert not [name for name in NOT_RUN if name not in known], "tests/docs/plan.py lists blocks that are not there"
    ran = {page for page, first in known if (page, first) not in NOT_RUN}
    assert {*SCENES, *ELSEWHERE} == ran and set(BEFORE) <= set(SCENES)
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / test).read_text(encoding="utf-8"), f"{test} does not speak of {page}"


@pytest.mark.parametrize("page", pages.names())
def test_every_block_is_what_it_says(page):
    assert not pages.hidden(page), f"{page}: put fences around these, so that they are known"
    for block in pages.blocks(page):
        assert block.language == "sh" or block.language in pages.SHOWN, f"{block.place}: a fence without a known word"
        assert block.word in ("", "output"), block.place
        if block.language == "sh":
            parsed = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=60, check=False)
            assert parsed.returncode == 0 and not parsed.stderr, f"{block.place}: {parsed.stderr}"
        elif block.language == "yaml":
            list(yaml.safe_load_all(block.text))
        elif block.language == "json" and "..." not in block.text:
            json.loads(block.text)


class Helps:
    """What the programs say of their options."""

    def __init__(self, bin_dir):
        self.bin_dir, self.known = bin_dir, {}
        self.verbs = [tuple(name.split()) for name in re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}[a-z]", self.said("nitro-signer-ctl"), re.M)]

    def said(self, program, *words):
        if (program, *words) not in self.known:
            run = subprocess.run([self.bin_dir / program, *words, "--help"], capture_output=True, text=True, timeout=60, check=False)
            assert run.returncode == 0, (program, words, run.stderr)
            self.known[(program, *words)] = run.stdout
        return self.known[(program, *words)]

    def wrong(self, program, words):
        """What is not there of a call, or None. Words behind -- are another program's."""
        words = words[:words.index("--")] if "--" in words else words
        options = [word.split("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]
        if program == "nitro-signer":
            text = self.said(program) + self.said(program, "eth2")
        elif program == "nitro-signer-ctl":
            plain = tuple(word for word in words if not word.startswith("-"))
            if not plain or plain[0] in ("VERB", "help"):
                return None
            verb = next((plain[:length] for length in (2, 1) if plain[:length] in self.verbs), None)
            nouns = {one[0] for one in self.verbs}
            if verb is None:
                return None if len(plain) == 1 and plain[0] in nouns else f"no verb {' '.join(plain[:2])}"
            text = self.said(program, *verb)
        else:
            text = self.said(program)
        missing = [option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text)]
        return f"no {missing}" if missing else None


@pytest.fixture(scope="module")
def helps(bin_dir):
    return Helps(bin_dir)


@pytest.mark.parametrize("page", pages.names())
def test_what_commands_name_is_there(helps, bin_dir, page):
    text, makefile = pages.read(page), (ROOT / "Makefile").read_text()
    for program in sorted(path.name for path in bin_dir.iterdir() if path.name.startswith("nitro-signer")):
        for words in pages.calls(text, program):
            wrong = helps.wrong(program, words)
            assert wrong is None, f"{page}: {program} {shlex.join(words)}: {wrong}"
    for words in pages.calls(text, "make"):
        for target in (word for word in words if not re.search(r"[=.]", word)):
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M), f"{page}: make {target}"


def test_a_wrong_verb_option_or_output_is_found(helps):
    assert helps.wrong("nitro-signer-ctl", ["keys", "lost"]) and helps.wrong("nitro-signer-ctl", ["keys", "list", "--lost"])
    assert helps.wrong("nitro-signer", ["eth2", "--lost=1"]) and helps.wrong("nitro-signer-proxy", ["--inbound-lost=1"])
    assert helps.wrong("nitro-signer", ["--http-listen-port=1", "eth2", "--network=hoodi"]) is None
    text = "a\n\n```sh\none \\\n  --two\n```\n1. b\n\n   ```text output\n   x ... z\n   ```\n\n    three\n"
    (one, output), rest = pages.split(text)
    assert (one.text, one.first, output.text, output.word) == ("one \\\n  --two\n", "one \\", "x ... z\n", "output") and "three" in rest
    assert pages.calls(text, "one") == [["--two"]] and pages.calls("`one --two=3 | four`", "four") == [[]]
    assert pages.agrees(output.text, "x y\ny z\n") and pages.agrees(output.text, "before\nx y z\n") and not pages.agrees(output.text, "x y z behind")


# ---- lines of the log ----

OTHERS = ("ctl", "devcloud", "interchange", "lambda")  # programs that end, and say so on the spot
LOGGED = re.compile(r'\blog_(?:warn|error|event)\(([^;]*?)((?:\s*(?:"(?:[^"\\\\]|\\\\.)*"|PRI\w+))+)')


def logged():
    """{text with ... for what differs: file} of each warning and error; those without a text of their own are left out."""
    found = {}
    for path in sorted([*(ROOT / "src").rglob("*.c"), *(ROOT / "lib").rglob("*.c")]):
        if path.relative_to(ROOT).parts[1] in OTHERS:
            continue
        text = path.read_text(encoding="utf-8")
        for match in LOGGED.finditer(text):
            if "log_event" in match[0] and not re.search(r"LOG_LEVEL_(WARN|ERROR)", match[1]):
                continue
            line = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[2]))
            line = re.sub(r"(%[-0-9.*]*[a-z]*[A-Za-z])+", "...", line)
            if len(re.sub(r"\.\.\.|[^A-Za-z]", "", line)) >= 5:
                found[line] = path.relative_to(ROOT).as_posix()
    return found


def test_every_warning_and_error_is_explained():
    listed = set(re.findall(r"^\| `(.*?)` \|", (ROOT / "docs/log-lines.md").read_text(encoding="utf-8"), re.M))
    written = logged()
    missing = {line: file for line, file in written.items() if line not in listed}
    assert not missing, f"not in docs/log-lines.md: {missing}"
    assert not listed - set(written), f"in docs/log-lines.md, and nowhere written: {listed - set(written)}"
    assert len(written) > 40
