"""Commands of a page of documentation, as its reader would type them."""
import re
import shlex

BLOCK = re.compile(r"^```(\w+)[ ]?(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`([^`]+)`")


def blocks(text):
    """(language, second word, content) of each block between fences."""
    return [match.groups() for match in BLOCK.finditer(text)]


def lines(content):
    """Commands, those over several lines as one."""
    return [line for line in content.replace("\\\n", " ").splitlines() if line.strip()]


def calls(text, program):
    """Words behind each mention of a program, in blocks of sh and between single marks; up to what the shell makes of the rest."""
    commands = [line for language, _, content in blocks(text) if language == "sh" for line in lines(content)]
    commands += [" ".join(found.split()) for found in INLINE.findall(BLOCK.sub("", text))]
    found = []
    for command in commands:
        for part in re.split(r"[|;&]+|\$\(|\)$", command):
            words = shlex.split(re.sub(r"[<>].*", "", re.sub(r"[\"'()]", "", part)))
            words = [word for word in words if not re.fullmatch(r"[A-Za-z_]+=.*|[0-9]", word)]
            if words and words[0] == program:
                found.append(words[1:])
    return found
