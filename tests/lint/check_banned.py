"""Functions and words that do not appear in our C, each with the reason a reviewer would give."""
import re

from common import LINT_FOLDER, bare, c_files, line_of, main, read, walk

UNBOUNDED = "no bound on what it writes"
UNCHECKED = "cannot report a bad number; parse_u64"
EVERYWHERE = {
    "strcpy": UNBOUNDED, "strcat": UNBOUNDED, "stpcpy": UNBOUNDED, "sprintf": UNBOUNDED, "vsprintf": UNBOUNDED,
    "gets": UNBOUNDED, "strncpy": "may leave no NUL; snprintf or memcpy", "strncat": "its bound is not the target's size",
    "atoi": UNCHECKED, "atol": UNCHECKED, "atoll": UNCHECKED, "atof": UNCHECKED,
    "strtok": "hidden state", "alloca": "unbounded stack", "tmpnam": "a race", "mktemp": "a race",
    "setjmp": "skips clean-up", "longjmp": "skips clean-up",
}
PRODUCT = {
    "system": "a shell", "popen": "a shell",
    "rand": "not random; RAND_bytes or the NSM", "random": "not random; RAND_bytes or the NSM",
    "srand": "not random; RAND_bytes or the NSM",
    "sleep": "wait for events", "usleep": "wait for events", "nanosleep": "wait for events",
}
LIBRARY = {
    "exit": "libraries return errors", "_exit": "libraries return errors", "abort": "libraries return errors",
    "log_error": "libraries do not log", "log_warn": "libraries do not log", "log_info": "libraries do not log",
    "log_debug": "libraries do not log", "perror": "libraries do not log", "printf": "libraries do not log",
}
# Where a library's job is the very thing.
EXEMPT = {("lib/base/log.c", "*"), ("lib/base/options.c", "exit"), ("lib/base/options.c", "printf"),
          ("lib/process/process.c", "_exit"), ("lib/net/net_resolver.c", "_exit")}

CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
GOTO = re.compile(r"\bgoto\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")


def banned_in(path):
    banned = dict(EVERYWHERE)
    if path.startswith(("lib/", "src/")):
        banned.update(PRODUCT)
    if path.startswith("lib/"):
        banned.update(LIBRARY)
    return banned


def check(root):
    for path in c_files(root):
        text = bare(read(root, path))
        banned = banned_in(path)
        for match in CALL.finditer(text):
            name = match.group(1)
            if name in banned and not path.endswith(".h") and not EXEMPT & {(path, name), (path, "*")}:
                yield path, line_of(text, match.start()), f"{name}: {banned[name]}"
        for match in GOTO.finditer(text):
            yield path, line_of(text, match.start()), "goto: clean up by attribute"
    for path in walk(root, ("lib", "src", "tests", "scripts", "cmake"), ("",)):
        if path.startswith(LINT_FOLDER) or not path.endswith((".c", ".h", ".py", ".mjs", ".js", ".cmake", ".txt", ".sh")):
            continue
        text = read(root, path)
        for match in UNFINISHED.finditer(text):
            yield path, line_of(text, match.start()), f"{match.group(1)}: finish it or open an issue"


if __name__ == "__main__":
    main(check)
