"""docs/walkthrough.md, followed to the letter: its commands are taken from the page and run (tests/docs has the other pages). What they name must
exist; and in order they lead from nothing to a signature, as far as emulators go, which is as far as the page says (stack.py).
"""
import json
import pathlib
import re
import shlex
import subprocess

import pytest

from harness import PATIENCE
from pages import calls, typed
from plan import NOT_RUN
from stack import STACK, Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("walkthrough", "troubleshooting")}


def mentioned(program):
    return sorted({(page, shlex.join(words)) for page, text in PAGES.items() for words in calls(text, program)})


# What is named exists.


@pytest.fixture(scope="module")
def helped(bin_dir):
    """(verb's words) -> its help."""
    ask = lambda *words: subprocess.run([bin_dir / "nitro-signer-ctl", *words, "--help"], capture_output=True, text=True, timeout=20 * PATIENCE, check=False)
    verbs = {}
    for name in re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}[a-z]", ask().stdout, re.M):
        answer = ask(*name.split())
        assert answer.returncode == 0, answer.stderr
        verbs[tuple(name.split())] = answer.stdout
    assert ("keys", "upload") in verbs and ("status",) in verbs
    return verbs


@pytest.mark.parametrize("page, command", mentioned("nitro-signer-ctl"))
def test_each_verb_and_option_of_ctl_exists(helped, page, command):
    words = shlex.split(command)
    verb = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in helped), None)
    assert verb or not words, f"{page}.md: nitro-signer-ctl {command}: no such verb"
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"^  {re.escape(word.split('=')[0])}[ =]", helped[verb], re.M), f"{page}.md: {' '.join(verb)} has no {word}"


@pytest.mark.parametrize("page", PAGES)
def test_what_else_is_named_exists(page):
    text = PAGES[page]
    settings = (ROOT / "infra/lib/settings.ts").read_text()
    outputs = (ROOT / "infra/lib/stack.ts").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"-c ([a-z_0-9]+)=", text):
        assert f'"{name}"' in settings, f"infra has no setting {name}"
    for name in re.findall(r'"\.\$STACK\.([A-Za-z0-9]+)"', text) + re.findall(r"output `([A-Za-z0-9]+)`", text):
        assert f"{name}:" in outputs, f"the stack has no output {name}"
    for words in calls(text, "make"):
        for target in (word for word in words if "=" not in word):
            assert re.search(rf"^{target}:", makefile, re.M), f"no target {target}"
    for words in calls(text, "scripts/setup"):
        assert all(word in (ROOT / "scripts/setup").read_text() for word in words)
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert link.startswith("https://") or (ROOT / "docs" / link).exists(), link
    for operation in re.findall(r'\{"operation": "(\w+)"\}', text):
        assert any(f'"{operation}"' in path.read_text() for path in (ROOT / "src/lambda").glob("*.c")), operation
    assert (ROOT / "infra/deploy").exists()


def sources():
    """Every program's text; strings of C over several lines are one."""
    files = [path for folder in ("src", "lib", "infra/lib", "packaging/host") for path in (ROOT / folder).rglob("*") if path.is_file() and "node_modules" not in path.parts]
    text = "\n".join(path.read_text(errors="replace") for path in [*files, ROOT / "infra/deploy"])
    return re.sub(r'"\s*"', "", text)


def test_each_text_of_troubleshooting_is_one_that_is_written():
    text, missing, looked_up = sources(), [], 0
    for line in PAGES["troubleshooting"].splitlines():
        if not line.startswith("| ") or line.startswith("| you see"):
            continue
        for mark in re.findall(r"`([^`]+)`", line.split("|")[1]):
            if mark.startswith("/") or mark.startswith("--") or "nitro-signer" in mark:
                continue
            looked_up += 1
            mark = mark.removeprefix("Function.").lower() if mark.startswith("Function.") else mark.removeprefix("Runtime.")
            missing += [piece for piece in re.split(r"\.\.\.", mark) if len(piece.strip()) > 3 and piece.strip() not in text]
    assert not missing and looked_up > 25, missing


def numbers(cell):
    found = re.search(r"\d+(\.\d+)?", cell.replace("*", ""))
    return float(found[0]) if found else 0.0


def test_the_sums_of_the_cost_table_are_right():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGES["walkthrough"].split("## Cost")[1].splitlines() if line.startswith("| ")]
    (total,) = [at for at, row in enumerate(rows) if row[0] == "**a month**"]
    for column in range(1, len(rows[0])):
        assert abs(sum(numbers(row[column]) for row in rows[1:total]) - numbers(rows[total][column])) < 0.51
    instances, whole = rows[1], rows[total]
    for row, discount in ((rows[total + 1], 0.37), (rows[total + 2], 0.57)):
        for column in range(2, len(rows[0])):
            assert abs(numbers(whole[column]) - discount * numbers(instances[column]) - numbers(row[column])) < 1


# And it leads to a signature.


@pytest.fixture
def machine(start, bin_dir, folder, dynamodb, dynamodb_relay, vectors):
    made = Machine(start, bin_dir, folder, dynamodb, dynamodb_relay)
    (made.clone / "keystores").mkdir()
    (made.clone / "passwords").mkdir()
    entry = json.loads((vectors / "keystores/teku-interop-keys.json").read_text())["keystores"][0]
    (made.clone / "keystores/mine.json").write_text(json.dumps(entry["keystore"]))
    (made.clone / "passwords/mine.txt").write_text(entry["password"])
    made.foreign = "0x" + entry["keystore"]["pubkey"].removeprefix("0x")
    with made.closing:
        yield made


def test_the_walkthrough_leads_to_signatures(machine):
    told, enclave = {}, None
    for block, _ in typed("docs/walkthrough.md"):
        content = block.text
        if (block.page, block.first) in NOT_RUN:
            continue
        if "service start" in content:
            enclave = machine.start_instance()
        told[content] = machine.run(content)
        if "service start" in content:
            assert machine.call("ssm", "get_parameter", Name="/init-flag")["Parameter"]["Value"] == "true"
    at = lambda command: next(out for content, out in told.items() if re.search(f"^{re.escape(command)}", content, re.M))
    listed = set(re.findall(r"[0-9a-f]{96}", at("nitro-signer-ctl keys list")))
    assert len(listed) == 2 and len((machine.clone / "mnemonic.txt").read_text().split()) == 24
    served = {f"0x{key}" for key in listed} | {machine.foreign}
    assert all(key in at("nitro-signer-ctl status") for key in served)
    assert "OK" in at("curl ") and set(re.findall(r"0x[0-9a-f]{96}", at("curl "))) == served
    assert machine.call("ssm", "get_parameter", Name="/init-flag")["Parameter"]["Value"] == "false"
    deployments = (machine.folder / "deployments").read_text().splitlines()
    assert deployments == [STACK, STACK, f"{STACK} -c previous_pcr0={'ab' * 48}", STACK]
    assert enclave.watchdog.alive() and enclave.log().count("state: serve") == 1
