"""The pages of the documentation, as blocks: what a reader types, and what is said to come of it.

A block is between fences, and the fence says what it is: `sh` is typed, `yaml`, `json`, `text` and the like are shown. A block whose fence
has the word `output` behind that is what the `sh` block before it prints, or a part of it that begins with whole lines; `...` stands for
anything.
"""
import pathlib
import re
import shlex
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = ("text", "yaml", "json", "ini", "c")
INLINE = re.compile(r"`([^`]+)`")


def names():
    """Every page that a user or an operator reads, as paths from the root."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "ARCHITECTURE.md", ROOT / "infra/README.md"]
    return [path.relative_to(ROOT).as_posix() for path in pages + sorted((ROOT / "docs").glob("*.md"))]


@dataclass
class Block:
    """One between fences. `first` is its first line that is no comment, by which the plan names it."""
    page: str
    line: int
    language: str
    word: str
    text: str

    @property
    def first(self):
        return next((line for line in self.text.splitlines() if line.strip() and not line.startswith("#")), "")

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def split(text, page=""):
    """(blocks, what is not in blocks). Fences of lists are indented; so is then what is between them."""
    blocks, rest, opened = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"( *)```(\w*) ?(\w*)$", line)
        if opened is not None:
            if line.strip() == "```":
                indent, language, word, at, body = opened
                blocks.append(Block(page, at, language, word, "".join(f"{one[indent:]}\n" for one in body)))
                opened = None
            else:
                opened[4].append(line)
        elif fence:
            opened = (len(fence[1]), fence[2], fence[3], number, [])
            rest.append("")
        else:
            rest.append(line)
    assert opened is None, f"{page}: a fence stays open"
    return blocks, "\n".join(rest)


def blocks(page):
    return split(read(page), page)[0]


def typed(page):
    """The blocks of commands, each with what it is said to print, or None."""
    found = []
    for block in blocks(page):
        if block.language == "sh":
            found.append([block, None])
        elif block.word == "output" and found:
            found[-1][1] = block
    return found


def hidden(page):
    """Lines of blocks that are only indented: in no list, four blanks deep, behind an empty line."""
    found, before, in_list = [], "", False
    for line in split(read(page), page)[1].splitlines():
        if re.match(r" *([-*]|\d+\.) ", line):
            in_list = True
        elif line and not line.startswith(" "):
            in_list = False
        deep = len(line) - len(line.lstrip(" "))
        if deep >= (7 if in_list else 4) and not before.strip():
            found.append(line)
        before = line
    return found


def lines(content):
    """Commands, those over several lines as one; without what is between << and its word."""
    content = re.sub(r"<<-?'?(\w+)'?(.*)\n(?:.*\n)*?\1\n", r"\2\n", content)
    return [line for line in content.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")]


def calls(text, program):
    """Words behind each mention of a program, in blocks of sh and between single marks; up to what the shell makes of the rest."""
    found, (shown, rest) = [], split(text)
    commands = [line for block in shown if block.language == "sh" for line in lines(block.text)]
    commands += [" ".join(mark.split()) for mark in INLINE.findall(rest)]
    for command in commands:
        for part in re.split(r"[|;&]+|\$\(|\)$", re.sub(r"(^| )#.*", "", command)):
            words = shlex.split(re.sub(r"[<>].*", "", re.sub(r"[\"'()\\]", "", part)))
            words = [word for word in words if not re.fullmatch(r"[A-Za-z_]+=.*|[0-9]", word)]
            while words and words[0] in ("sudo", "exec", "then", "do", "else", "if", "while", "until", "!"):
                words = words[1:]
            if words and words[0].rsplit("/", 1)[-1] == program:
                found.append(words[1:])
    return found


def agrees(said, printed):
    """Whether what was printed is, or ends with, what a page says; `...` stands for anything, also for lines."""
    pattern = ".*?".join(re.escape(piece) for piece in said.strip().split("..."))
    return re.search(rf"(?s)(?:\A|\n)\s*{pattern}\s*\Z", printed) is not None
