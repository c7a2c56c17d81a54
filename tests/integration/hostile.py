"""Bad input for black-box tests: JSON documents with one member made wrong, and bytes damaged at random.

Randomness is seeded: a failure names the seed and happens again."""
import copy
import json
import random

DEEP = 40


class Twice:
    """Stands for a member that the text shall have twice."""

    def __init__(self, value):
        self.value = value


def members(document, path=()):
    """The path of every member and of every first element, containers too."""
    items = document.items() if isinstance(document, dict) else list(enumerate(document))[:1] if isinstance(document, list) else ()
    for key, value in items:
        yield path + (key,)
        yield from members(value, path + (key,))


def name_of(path):
    """As errors write it: beacon_block.block_header.slot, encrypted_validator_keys[0]."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def get(document, path):
    for key in path:
        document = document[key]
    return document


def changed(document, path, value):
    """A copy with another value there."""
    document = copy.deepcopy(document)
    get(document, path[:-1])[path[-1]] = value
    return document


def without(document, path):
    document = copy.deepcopy(document)
    del get(document, path[:-1])[path[-1]]
    return document


def nested(depth):
    value = 1
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


def wrong_values(value):
    """(what, mutant) of values that cannot stand where this one stands."""
    yield "null", None
    yield "a real", 1.5
    yield "too deep", nested(DEEP)
    if not isinstance(value, bool):
        yield "true", True
    if not isinstance(value, dict):
        yield "an object", {}
    if not isinstance(value, list):
        yield "a list", []
    if not isinstance(value, str):
        yield "text", "text"
    elif value.startswith("0x"):
        yield "wrong hex", value[:-1] + "g"
        yield "odd hex", value + "0"
        yield "long hex", value + "ff" * 20000
        yield "no hex", ""
    elif value.isdigit():
        yield "a large number", "18446744073709551616"
        yield "a negative number", "-1"
        yield "a long number", "1" * 5000
        yield "no number", ""


def text_of(document):
    """JSON, with each Twice written twice."""
    if isinstance(document, dict):
        parts = []
        for key, value in document.items():
            twice = isinstance(value, Twice)
            parts += [f"{json.dumps(key)}:{text_of(value.value if twice else value)}"] * (2 if twice else 1)
        return "{" + ",".join(parts) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(text_of, document)) + "]"
    return json.dumps(document)


def mutants(document, optional=()):
    """(path, what, text): every member missing, twice, and of every wrong value. Optional ones may be missing or null."""
    for path in members(document):
        value = get(document, path)
        for what, wrong in wrong_values(value):
            if wrong is None and name_of(path) in optional:
                continue
            yield path, what, text_of(changed(document, path, wrong))
        if isinstance(path[-1], str):
            yield path, "twice", text_of(changed(document, path, Twice(value)))
            if name_of(path) not in optional:
                yield path, "missing", text_of(without(document, path))


def damage(rng, data, changes=3):
    """A damaged copy: bits, cuts, repetitions, lengths."""
    data = bytearray(data)
    for _ in range(rng.randint(1, changes)):
        at = rng.randrange(len(data)) if data else 0
        way = rng.randrange(7)
        if way == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1 and data:
            data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
        elif way == 2:
            del data[at:]
        elif way == 3:
            del data[at:at + rng.randint(1, 16)]
        elif way == 4:
            data[at:at] = rng.randbytes(rng.randint(1, 16))
        elif way == 5:
            data[at:at] = data[at:at + rng.randint(1, 64)]
        elif way == 6:
            data[at:at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\1\0", b"\0\1\0\0"))
    return bytes(data)


def seeded(*names):
    return random.Random(" ".join(map(str, names)))
