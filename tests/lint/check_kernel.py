"""The enclave kernel's fragments can be read as a list of reasons: every group of options stands under a comment, no option is asked for
twice, nothing else is in them; and the command lines are one line each that fits into an image. (What comes out of them is held
to the fragments by packaging/kernel/check, which the kernel's build runs.)
"""
import os
import re

from common import main, read

FOLDER = "packaging/kernel"
MACHINES = ("x86_64", "arm64")
OPTION = re.compile(r'^(?:(CONFIG_[A-Za-z0-9_]+)=(?:y|-?[0-9]+|0x[0-9a-f]+|"[^"]*")|# (CONFIG_[A-Za-z0-9_]+) is not set)$')
# The hypervisor appends its devices to what is measured; Linux on x86 takes 2,047 characters in all.
LONGEST_CMDLINE = 1024


def check_fragment(root, path, seen):
    has_reason = False
    for number, line in enumerate(read(root, path).split("\n"), 1):
        option = OPTION.match(line)
        if option:
            name = option.group(1) or option.group(2)
            if name in seen:
                yield path, number, f"{name} is asked for in {seen[name]} already"
            seen[name] = f"{path}:{number}"
            if not has_reason:
                yield path, number, f"{name} stands under no reason"
        elif line == "":
            has_reason = False
        elif line.startswith("# ") and "CONFIG_" not in line:
            has_reason = True
        else:
            yield path, number, "neither an option, a comment nor an empty line"


def check_cmdline(root, path):
    text = read(root, path)
    if not re.fullmatch(r"[!-~]+(?: [!-~]+)*\n", text):
        yield path, 1, "not one line of words with one blank between them"
    if len(text) > LONGEST_CMDLINE:
        yield path, 1, f"{len(text)} characters, over {LONGEST_CMDLINE}"


def check(root):
    if not os.path.isdir(os.path.join(root, FOLDER)):
        yield FOLDER, 1, "is not there"
        return
    common = {}
    yield from check_fragment(root, f"{FOLDER}/common.config", common)
    for machine in MACHINES:
        yield from check_fragment(root, f"{FOLDER}/{machine}.config", dict(common))
        yield from check_cmdline(root, f"{FOLDER}/cmdline.{machine}")


if __name__ == "__main__":
    main(check)
