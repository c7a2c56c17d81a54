"""No function over a cyclomatic complexity of 15, counted as 1 + if, for, while, case, &&, ||, ?.

A flat switch is free: when at most FLAT_REST of the count is left without the case labels, the
function is a table and as easy to read at thirty rows as at three. complexity_allowed.txt lists
the exceptions, "path function count"; an entry that is no longer needed, or whose count is not
the measured one, is a finding, so the list can only shrink. Deep nesting is a warning.
"""
import os
import re

from common import functions, main, read

LIMIT = 15
FLAT_REST = 8
NESTING_WARN = 3
ALLOWED = "tests/lint/complexity_allowed.txt"

BRANCH = re.compile(r"\b(?:if|for|while)\b|&&|\|\||\?")
CASE = re.compile(r"\bcase\b")


def complexity(body):
    """(whole count, count without case labels)"""
    rest = 1 + len(BRANCH.findall(body))
    return rest + len(CASE.findall(body)), rest


def nesting(body):
    """Braces open at once inside the function's own; switch and initialisers count as braces do."""
    depth = deepest = 0
    for character in body:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return deepest - 1


def read_allowed(root):
    allowed = {}
    if os.path.exists(os.path.join(root, ALLOWED)):
        for number, line in enumerate(read(root, ALLOWED).split("\n"), 1):
            words = line.split("#")[0].split()
            if words:
                allowed[(words[0], words[1])] = (int(words[2]), number)
    return allowed


def check(root):
    allowed = read_allowed(root)
    found, unseen = functions(root)
    yield from unseen
    for f in found:
        whole, rest = complexity(f.body)
        flat = rest <= FLAT_REST
        permitted, line = allowed.pop((f.path, f.name), (None, 0))
        if permitted is not None and (whole <= LIMIT or flat):
            yield ALLOWED, line, f"{f.name} no longer needs this entry: remove it"
        elif permitted is not None and whole != permitted:
            yield ALLOWED, line, f"{f.name} is at {whole}, the entry says {permitted}: entries only go down"
        elif permitted is None and whole > LIMIT and not flat:
            yield f.path, f.first, f"{f.name} has a complexity of {whole}, over {LIMIT}"
        if nesting(f.body) > NESTING_WARN + 1:
            yield f.path, f.first, f"warning: {f.name} nests {nesting(f.body)} deep, over {NESTING_WARN}"
    for (path, name), (_, line) in allowed.items():
        yield ALLOWED, line, f"{path} has no function {name}: remove the entry"


if __name__ == "__main__":
    main(check)
