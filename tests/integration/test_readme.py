"""The stand-alone quick start of README.md, run as it is written."""
import json
import os
import pathlib
import re
import signal
import subprocess

from harness import free_port

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
PUBLISHED = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"


def quick_start():
    section = README.read_text().split("## Five minutes, on a machine of yours", 1)[1]
    return "".join(re.findall(r"```sh\n(.*?)```", section.split("\n## ", 1)[0], re.DOTALL))


def test_quick_start_serves_the_key_and_ends_cleanly(folder, bin_dir):
    """Only make (we are built), the build's place, and the port (tests run side by side) are replaced."""
    text = quick_start()
    assert text.startswith("make ") and text.count("9000") == 2 and text.count("build/bin/") == 1
    text = text.split("\n", 1)[1].replace("9000", str(free_port())).replace("build/bin", str(bin_dir))
    # A reader types the last line once the signer has spoken; we ask until it answers.
    start, ask = text.strip().rsplit("\n", 1)
    script = f"{start}\nfor i in $(seq 1000); do {ask} -sf && break; sleep 0.05; done\nkill $!; wait $!"
    shell = subprocess.Popen(["bash", "-c", script], cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        answer, _ = shell.communicate(timeout=300)
    finally:
        if shell.returncode is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert json.loads(answer) == [PUBLISHED]
    assert shell.returncode == 0
    assert (folder / "protection.sqlite").exists()
