"""The rooms' declarations against the real includes.

A module's DEPENDS are of a lower layer, or targets of its own room; every #include "room/file.h"
is of its own room or of a declared target; every source of a room belongs to a target; a program
includes nothing of another program; and an outside library with one home is included only there.
"""
import os
import re

from common import c_files, line_of, main, read, targets, walk

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.MULTILINE)
# header -> the only folders that may include it
ONE_HOME = {"blst.h": ("lib/bls/", "tests/unit/bls/", "tests/bench/"), "blst_aux.h": ("lib/bls/", "tests/unit/bls/", "tests/bench/"),
            "sqlite3.h": ("lib/slashing/", "tests/unit/slashing/", "tests/fuzz/"), "cbor.h": ("lib/cbor/",), "expat.h": ("lib/aws/",), "yaml.h": ("lib/yaml/",)}


def reachable(name, by_name):
    """The target and all it depends on. (What a test may include: it proves things about the rooms below.)"""
    seen, todo = set(), [name]
    while todo:
        at = todo.pop()
        if at not in seen and at in by_name:
            seen.add(at)
            todo += by_name[at].depends
    return seen


class Tree:
    def __init__(self, root):
        self.root = root
        self.targets = targets(root)
        self.by_name = {t.name: t for t in self.targets}
        self.modules = {t.name: t for t in self.targets if t.kind == "module"}

    def providers(self, room, header):
        """Targets that hold header's source; all of the room's when it has none of that name."""
        of_room = [t for t in self.modules.values() if t.room == room]
        source = os.path.splitext(header)[0] + ".c"
        return [t for t in of_room if source in t.sources] or of_room

    def may_include(self, target, room, header):
        if target.folder == f"lib/{room}" or not self.providers(room, header):
            return True  # its own, or a contract written down before its module
        if target.kind == "test":
            return any(provider.name in reachable(target.name, self.by_name) for provider in self.providers(room, header))
        reach = set()
        for name in target.depends:
            # Only through targets of the header's own room: eth2_api brings eth2, a keeper does not bring bls.
            if name in self.modules and self.modules[name].room == room:
                reach |= reachable(name, self.modules)
        return any(provider.name in reach for provider in self.providers(room, header))


def check_declarations(tree):
    for t in tree.targets:
        if t.kind == "module" and t.layer is None:
            yield t.path, t.line, f"{t.name} has no LAYER"
        for name in t.depends:
            other = tree.modules.get(name)
            if other is None:
                yield t.path, t.line, f"{t.name} depends on {name}, which is no module"
            elif t.kind == "module" and other.room != t.room and not (other.layer or 0) < (t.layer or 0):
                yield t.path, t.line, f"{t.name} [{t.layer}] depends on {name} [{other.layer}], which is not lower"


def check_orphans(tree):
    owned = {os.path.normpath(os.path.join(t.folder, s)) for t in tree.targets for s in t.sources}
    for path in walk(tree.root, ("lib", "src"), (".c",)):
        if path not in owned:
            yield path, 1, "belongs to no target"


def includes(tree, path):
    """(line, name) of each quoted include."""
    text = read(tree.root, path)
    for match in INCLUDE.finditer(text):
        if match.group(1) == '"':
            yield line_of(text, match.start()), match.group(2)


def check_include(tree, path, name, owners):
    """What is wrong with this include in a file that any of the owners may compile; None if nothing."""
    parts = name.split("/")
    if ".." in parts:
        return f'"{name}" leaves its room'
    if len(parts) == 1:
        beside = os.path.exists(os.path.join(tree.root, os.path.dirname(path), name))
        shared = owners[0].kind == "test" and os.path.exists(os.path.join(tree.root, "tests/unit", name))
        if path.startswith("lib/") or not (beside or shared):
            return f'"{name}": write "room/file.h", or a header of the same program'
        return None
    if not any(tree.may_include(owner, parts[0], parts[-1]) for owner in owners):
        return f'"{name}" is of a module that {" or ".join(o.name for o in owners)} does not declare'
    return None


def check_sources(tree):
    for target in tree.targets:
        for source in target.sources:
            path = os.path.normpath(os.path.join(target.folder, source))
            if not os.path.exists(os.path.join(tree.root, path)):
                continue  # a generated source
            for line, name in includes(tree, path):
                wrong = check_include(tree, path, name, [target])
                if wrong:
                    yield path, line, wrong


def check_headers(tree):
    """A header belongs to the target with its source, or to any of its room when it has none."""
    for path in walk(tree.root, ("lib", "src"), (".h",)):
        folder, file = os.path.split(path)
        of_room = [t for t in tree.targets if t.folder == folder]
        owners = [t for t in of_room if os.path.splitext(file)[0] + ".c" in t.sources] or of_room
        if not owners:
            continue  # written down before its module
        for line, name in includes(tree, path):
            wrong = check_include(tree, path, name, owners)
            if wrong:
                yield path, line, wrong


def check_homes(tree):
    for path in c_files(tree.root):
        text = read(tree.root, path)
        for match in INCLUDE.finditer(text):
            homes = ONE_HOME.get(match.group(2))
            if homes and not path.startswith(homes):
                yield path, line_of(text, match.start()), f"<{match.group(2)}> is included only in {', '.join(homes)}"


def check(root):
    tree = Tree(root)
    yield from check_declarations(tree)
    yield from check_orphans(tree)
    yield from check_sources(tree)
    yield from check_headers(tree)
    yield from check_homes(tree)


if __name__ == "__main__":
    main(check)
