"""No file over 600 lines, no function over 80; a warning from 400 and 50 on."""
from common import c_files, functions, main, read, walk

FILE_WARN, FILE_HARD = 400, 600
FUNCTION_WARN, FUNCTION_HARD = 50, 80


def check(root):
    scripts = walk(root, ("lib", "src", "tests", "scripts", "cmake"), (".py", ".mjs", ".js", ".cmake", ".sh"))
    for path in sorted(set(c_files(root) + scripts)):
        length = read(root, path).count("\n")
        if length > FILE_HARD:
            yield path, FILE_HARD, f"{length} lines, over {FILE_HARD}"
        elif length > FILE_WARN:
            yield path, FILE_WARN, f"warning: {length} lines, over {FILE_WARN}"
    found, unseen = functions(root)
    yield from unseen
    for f in found:
        if f.length > FUNCTION_HARD:
            yield f.path, f.first, f"{f.name} has {f.length} lines, over {FUNCTION_HARD}"
        elif f.length > FUNCTION_WARN:
            yield f.path, f.first, f"warning: {f.name} has {f.length} lines, over {FUNCTION_WARN}"


if __name__ == "__main__":
    main(check)
