"""nitro-signer-ctl's help, manual pages and completion of words, which are made of one table: read by man, mandoc, bash, zsh and fish."""
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from harness import PATIENCE

SECRET_WORDS = ("password", "mnemonic", "token", "secret", "passphrase", "private", "credentials")


def run(*words, **options):
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60 * PATIENCE, check=False, stdin=subprocess.DEVNULL, **options)


@pytest.fixture(scope="module")
def program(bin_dir):
    return bin_dir / "nitro-signer-ctl"


@pytest.fixture(scope="module")
def verbs(program):
    """name -> help of each verb."""
    listed = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}[a-z]", run(program, "--help").stdout, re.M)
    found = {name: run(program, *name.split(), "--help") for name in listed}
    assert len(found) > 25 and all(done.returncode == 0 and not done.stderr for done in found.values())
    return {name: done.stdout for name, done in found.items()}


@pytest.fixture(scope="module")
def share(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("share")
    done = run(program, "help", f"--share={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def options_of(text):
    """name -> shape (FILE, N, text|json; None: a flag)"""
    return dict(re.findall(r"^  --([a-z0-9-]+)(?:=(\S+))?", text, re.M))


def test_every_verb_says_what_it_takes_prints_and_gives_examples(verbs):
    for name, text in verbs.items():
        assert text.startswith(f"Usage: nitro-signer-ctl {name} [options]"), name
        for heading in ("Options:", "With --output=json:", "Examples:"):
            assert f"\n{heading}\n" in text, (name, heading)
        assert options_of(text)["output"] == "text|json" and options_of(text)["color"] == "auto|always|never"


def test_examples_are_of_the_verb_and_their_options_are_there(verbs):
    for name, text in verbs.items():
        examples = text.split("\nExamples:\n")[1].replace("\\\n", " ")
        calls = [line.split("|")[0].split(" >")[0] for line in examples.splitlines() if "nitro-signer-ctl" in line]
        assert calls, name
        for call in calls:
            words = shlex.split(call.replace("<(", "").replace(")", ""))
            words = words[words.index("nitro-signer-ctl") + 1:]
            assert words[:len(name.split())] == name.split(), call
            for word in words:
                if word.startswith("--"):
                    assert word[2:].split("=")[0] in options_of(text) or name == "help", (name, word)


def test_no_option_takes_a_secret_as_its_value(verbs):
    for name, text in verbs.items():
        for option, shape in options_of(text).items():
            if any(word in option for word in SECRET_WORDS):
                assert shape in ("FILE", "FOLDER", "") or (shape == "N" and option.endswith("-fd")), (name, option)


def test_help_is_found_by_every_way_of_asking(program):
    asked = run(program, "keys", "list", "--help").stdout
    assert "--all" in asked and asked == run(program, "help", "keys", "list").stdout == run(program, "keys", "list", "--all", "-h").stdout
    assert run(program, "help").stdout == run(program, "--help").stdout
    assert "keys list" in run(program, "keys", "--help").stdout and run(program, "help", "keys").stdout == run(program, "keys", "--help").stdout
    for words in ((), ("keys",), ("keys", "lost"), ("kies",), ("help", "kies"), ("help", "keys", "lost"), ("image", "describe"), ("status", "extra")):
        done = run(program, *words)
        assert done.returncode == 2 and not done.stdout and done.stderr, words


def test_options_may_stand_behind_operands(program, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert run(program, "image", "measure", "file", "--output=text", "--", "file", cwd=tmp_path).returncode == 0
    assert "--output" in run(program, "image", "measure", "file", "--output=yaml", cwd=tmp_path).stderr
    assert "--output: " in run(program, "image", "measure", "--", "--output=yaml", cwd=tmp_path).stderr.replace("=yaml", "")


DAEMONS = ("nitro-signer", "nitro-signer-proxy", "nitro-signer-watchdog")
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def daemons(bin_dir, tmp_path_factory):
    """The daemons' pages, made as the build makes them."""
    folder, pages = tmp_path_factory.mktemp("man8"), []
    for name in DAEMONS:
        made = run(ROOT / "packaging/man/make", ROOT / f"packaging/man/{name}.8.in", bin_dir, "1.2.3")
        assert made.returncode == 0, made.stderr
        pages.append(folder / f"{name}.8")
        pages[-1].write_text(made.stdout)
    return pages


def test_the_daemons_pages_have_every_option(bin_dir, daemons):
    for page, words in zip(daemons + daemons[:1], ((), (), (), ("eth2",)), strict=True):
        listed = re.findall(r"^ ? ?(--[a-z0-9-]+)", run(bin_dir / page.stem, *words, "--help").stdout, re.M)
        text = run("man", "-l", page, env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"}).stdout
        assert len(listed) > 5 and "1.2.3" in text and not re.search("@[A-Z]", text)
        assert [option for option in listed if not re.search(rf"{option}\b", text)] == [], page


def test_manual_pages_are_clean(share, daemons):
    pages = sorted((share / "man" / "man1").glob("*.1")) + daemons
    assert {"nitro-signer-ctl.1", "nitro-signer-ctl-keys.1", "nitro-signer-ctl-status.1"} <= {page.name for page in pages}
    for page in pages:
        linted = run("mandoc", "-Tlint", "-W", "style", page)
        assert linted.returncode == 0, linted.stdout
        read = run("man", "--warnings", "-E", "UTF-8", "-l", page, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        assert read.returncode == 0 and not read.stderr and "NAME" in read.stdout, (page.name, read.stderr)


def test_manual_pages_have_every_verb_and_option(share, verbs):
    for name, text in verbs.items():
        if name == "help":
            continue
        page = run("man", "-l", share / "man/man1" / f"nitro-signer-ctl-{name.split()[0]}.1", env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C"}).stdout
        section = page.split(f"\n{name.upper()}\n")[1]
        for option in options_of(text):
            assert option in ("help", "version") or f"--{option}" in section, (name, option)


def bash_words(share, words, cwd):
    """What bash offers for the last of the words; its own way of breaking words at '='."""
    script = f"""source {shlex.quote(str(share / 'bash-completion/completions/nitro-signer-ctl'))}
[[ $(complete -p nitro-signer-ctl) == *_nitro_signer_ctl* ]] || exit 9
COMP_WORDS=(nitro-signer-ctl {' '.join(shlex.quote(word) for word in words)})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_nitro_signer_ctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run("bash", "--norc", "--noprofile", "-c", script, cwd=cwd)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted(done.stdout.split("\n")[:-1])


@pytest.fixture
def place(tmp_path):
    (tmp_path / "one file.json").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_bash_completes(share, verbs, place):
    ask = lambda *words: bash_words(share, words, place)
    assert {"keys", "tls", "status", "help"} <= set(ask("")) and ask("key") == ["keys"]
    for noun in {name.split()[0] for name in verbs if " " in name}:
        assert {name.split()[1] for name in verbs if name.startswith(f"{noun} ")} == set(ask(noun, "")) - {"--help"}
    for name, text in verbs.items():
        if name != "help":
            wanted = {f"--{option}{'=' if shape else ''}" for option, shape in options_of(text).items()}
            assert wanted == set(ask(*name.split(), "--")), name
    assert ask("keys", "list", "--outp") == ["--output=", "--outputs="]
    assert ask("keys", "list", "--output", "=") == ask("keys", "list", "--output", "=", "") == ["json", "text"]
    assert ask("keys", "list", "--output", "=", "j") == ["json"]
    assert ask("keys", "generate", "--out", "=", "") == ["folder"]
    assert ask("keys", "list", "--outputs", "=", "") == ["folder", "one file.json"] == ask("image", "describe", "")
    assert ask("image", "describe", "--color", "=", "never", "one") == ["one file.json"]
    assert ask("keys", "activate", "") == [""] and ask("keys", "list", "--count", "=", "") == [""]
    assert ask("--log-format", "=", "js") == ["json"] and ask("--log-format", "=", "json", "keys", "li") == ["list"]
    assert ask("help", "ke") == ["keys"]


def test_fish_completes(share, verbs, place):
    script = share / "fish/vendor_completions.d/nitro-signer-ctl.fish"

    def ask(text):
        done = run("fish", "--no-config", "-c", f"source {shlex.quote(str(script))}; complete -C {shlex.quote('nitro-signer-ctl ' + text)}", cwd=place,
                   env={**os.environ, "HOME": str(share), "XDG_CONFIG_HOME": str(share / "fish")})
        assert done.returncode == 0 and not done.stderr, done.stderr
        return {line.split("\t")[0]: line.partition("\t")[2] for line in done.stdout.splitlines()}

    assert {"keys", "tls", "status", "help"} <= set(ask("")) and "list" not in ask("")
    for noun in {name.split()[0] for name in verbs if " " in name}:
        assert {name.split()[1] for name in verbs if name.startswith(f"{noun} ")} == set(ask(f"{noun} ")), noun
    for name, text in verbs.items():
        if name != "help":
            assert {f"--{option}" for option in options_of(text)} == {word.rstrip("=") for word in ask(f"{name} --")}, name
    assert "one" in " ".join(ask("image describe ")) and set(ask("keys list --output=")) == {"--output=json", "--output=text"}
    assert set(ask("keys generate --out=")) == {"--out=folder/"}
    assert set(ask("--log-format=json keys li")) == {"list"}
    assert ask("keys li")["list"].startswith("print the keys")




def zsh_words(share, place, lines):
    """What zsh's completion adds for each line, in a zsh with a terminal of its own: every compadd is overheard."""
    quote = lambda path: shlex.quote(str(path))
    typed = "\n".join(f"type {quote('nitro-signer-ctl ' + line)}" for line in lines)
    script = f"""
zmodload zsh/zpty
wait_for() {{ repeat 6000; do [[ -e $1 ]] && return; zpty -t shell && zpty -r shell nothing; sleep 0.01; done; exit 8 }}
type() {{ zpty -w -n shell "$1"$'\\t'$'\\x18'; wait_for {quote(place / "over")}; rm {quote(place / "over")} }}
zpty -b shell zsh --no-rcs --interactive
zpty -w shell 'PS1=; unsetopt zle_bracketed_paste; fpath=({quote(share / "zsh/site-functions")} $fpath); autoload -Uz compinit; compinit -u -D'
zpty -w shell 'compadd() {{ local -a shown; if [[ ${{@[(I)-[OAD]]}} -eq 0 ]]; then builtin compadd -A shown "$@"; print -rl -- ${{shown/#/FOUND:}} >>{quote(place / "found")}; fi; builtin compadd "$@" }}'
zpty -w shell 'over() {{ zle kill-buffer; print OVER >>{quote(place / "found")}; print >{quote(place / "over")} }}; zle -N over; bindkey "^X" over; bindkey "^I" complete-word'
zpty -w shell 'cd {quote(place / "work")}; print ready >{quote(place / "ready")}'
wait_for {quote(place / "ready")}
{typed}
zpty -d shell
"""
    done = run("zsh", "--no-rcs", "-c", script, cwd=place, env={**os.environ, "TERM": "xterm", "ZDOTDIR": str(place), "HOME": str(place)})
    assert done.returncode == 0, done.stderr
    answers = (place / "found").read_text().split("OVER\n")[:-1]
    return [set(re.findall("^FOUND:(.*)$", answer, re.M)) for answer in answers]


def test_zsh_completes(share, verbs, tmp_path):
    (tmp_path / "work" / "folder").mkdir(parents=True)
    (tmp_path / "work" / "image.eif").touch()
    names = ("keys generate", "sign-test", "image describe")
    nouns, of_keys, outputs, files, folders, behind, *options = zsh_words(share, tmp_path, [
        "", "keys ", "keys list --output=", "image describe ", "keys generate --out=", "--log-format=json keys ", *(f"{name} --" for name in names)])
    assert {"keys", "tls", "status", "help"} <= nouns
    assert {name.split()[1] for name in verbs if name.startswith("keys ")} == of_keys == behind
    assert outputs == {"json", "text"} and "image.eif" in files and folders == {"folder"}
    for name, offered in zip(names, options, strict=True):
        assert {f"--{option}" for option in options_of(verbs[name])} == {word.rstrip("=") for word in offered if word.startswith("--")}, name


def test_the_build_has_the_files(program):
    share = pathlib.Path(program).resolve().parents[1] / "share"
    if not share.exists():
        pytest.skip("cross-built")
    for name in ("man/man1/nitro-signer-ctl.1", *(f"man/man8/{name}.8" for name in DAEMONS), "bash-completion/completions/nitro-signer-ctl", "zsh/site-functions/_nitro-signer-ctl",
                 "fish/vendor_completions.d/nitro-signer-ctl.fish"):
        assert (share / name).stat().st_size > 500
