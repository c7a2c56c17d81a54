"""packaging/lambda/build: the zip of the Lambda function has the same bytes wherever it is made, holds what Lambda asks for, and runs
where there is nothing but what Lambda has: /var/task, and of Amazon Linux 2023 the authorities and an older C library.

The zip of this build's program is always tested; those of make lambda where they are, the one for arm64 under emulation.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import zipfile

import pytest

from harness import sanitized
from test_lambda import NAME, PUBKEY, Signer, failure, function, judge, judge_server, run  # pylint: disable=unused-import

TREE = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = TREE / "packaging/lambda/build"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}[os.uname().machine]
LOADER = {"x86_64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
# As Lambda sets it for provided.al2023.
LIBRARY_PATH = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


def make(bootstrap, output, status=0, arch=MACHINE, **settings):
    done = subprocess.run([SCRIPT, f"--arch={arch}", "--root=/", f"--bootstrap={bootstrap}", f"--output={output}"], capture_output=True,
                          text=True, timeout=120, check=False, **settings)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def bootstrap(bin_dir):
    path = bin_dir.parent / "lambda/nitro-signer-lambda-bootstrap"
    if sanitized(path):
        pytest.skip("a sanitizer's libraries are no part of the zip")
    return path


@pytest.fixture(scope="module")
def ordinary(bootstrap, tmp_path_factory):
    output = tmp_path_factory.mktemp("zip") / "function.zip"
    make(bootstrap, output)
    return output


@pytest.fixture(params=["ordinary", "x86_64", "arm64"])
def archive(request):
    """(zip, architecture)"""
    if request.param == "ordinary":
        return request.getfixturevalue("ordinary"), MACHINE
    path = TREE / f"build/lambda/{request.param}/nitro-signer-lambda.zip"
    if not path.exists():
        pytest.skip(f"no zip for {request.param} here: make lambda")
    return path, request.param


def unpack(archive, place):
    """As unzip does: with the modes that are told."""
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            file.extract(entry, place)
            (place / entry.filename).chmod(entry.external_attr >> 16 & 0o777)


@pytest.fixture
def task(archive, folder, judge):
    """A root of what Lambda has, and a script that runs the function there."""
    path, architecture = archive
    root = folder / "root"
    unpack(path, root / "var/task")
    files = {"etc/pki/tls/certs/ca-bundle.crt": pathlib.Path(judge.certificate.file).read_text(), "etc/hosts": "127.0.0.1 at-home.private\n",
             "etc/nsswitch.conf": "hosts: files myhostname resolve [!UNAVAIL=return] dns\n", "etc/resolv.conf": "nameserver 127.0.0.1\n",
             "lib64/libc.so.6": "another C library", "lib64/libcrypto.so.3": "another libcrypto"}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir()
    emulator = []
    if architecture != MACHINE:
        static = shutil.which("qemu-aarch64-static")
        if not static:
            pytest.skip("no qemu-aarch64-static here: tests/arm64/bring needs it too")
        shutil.copy(static, root / "qemu")
        emulator = ["/qemu"]
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False, timeout=20).returncode:
        pytest.skip("no user namespaces here: the root cannot be entered")
    enter = folder / "enter"
    enter.write_text(
        "#!/bin/sh\nexec unshare --user --map-root-user --mount sh -ec '"
        f"mount --rbind /dev {root}/dev; mount --rbind /proc {root}/proc; export LD_LIBRARY_PATH={LIBRARY_PATH} LAMBDA_TASK_ROOT=/var/task; "
        f"exec {shutil.which('chroot')} {root} {' '.join(emulator)} /var/task/bootstrap'\n")
    enter.chmod(0o755)
    return enter


@pytest.fixture
def start(start, task):
    """The other test's function, started where Lambda starts it."""
    def starter(program, *arguments, **settings):
        return start(task if program == "nitro-signer-lambda" else program, *arguments, **settings)

    return starter


def test_the_operations_where_there_is_only_what_lambda_has(function, judge, start, folder):
    api = function(AWS_CA_BUNDLE=None)
    assert run(api, "set_tls_key") == {"ResponseMetadata": {"HTTPStatusCode": 200}}
    assert run(api, "get_tls_key") == judge.item()["encrypted_tls_key_b64"]
    assert run(api, "decrypt_tls_key") is None
    signer = Signer(start, judge, folder)
    asking = function(AWS_CA_BUNDLE=None, SIGNER_ADDRESS=f"tcp:at-home.private:{signer.port}")
    assert run(asking, "web3signer_status") == "OK"
    assert run(asking, "web3signer_public_keys") == [PUBKEY]
    failure(function(AWS_CA_BUNDLE=None, NITRO_INSTANCE_PRIVATE_DNS=f"not.{NAME}"), "web3signer_status", "Io", f"not.{NAME}: ")
    maps = pathlib.Path(f"/proc/{api.process.pid}/maps").read_text()
    assert "/var/task/lib/libc.so.6" in maps and "/lib64" not in maps


def test_what_is_in_it(archive):
    path, architecture = archive
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        entries = file.infolist()
    names = [entry.filename for entry in entries]
    assert names[0] == "bootstrap" and names[1:] == sorted(names[1:])
    assert {f"lib/{LOADER[architecture]}", "lib/libc.so.6", "lib/libcrypto.so.3"} <= set(names)
    for entry in entries:
        executable = entry.filename in ("bootstrap", f"lib/{LOADER[architecture]}")
        assert entry.external_attr >> 16 == (0o100755 if executable else 0o100644), entry
        assert entry.date_time == (1980, 1, 1, 0, 0, 0) and entry.extra == b"" and entry.create_system == 3
    # Lambda's limit is 250 MB unpacked, and 50 MB for what comes directly.
    assert path.stat().st_size < 50_000_000 and sum(entry.file_size for entry in entries) < 250_000_000


def test_the_same_bytes_again(bootstrap, ordinary, tmp_path):
    """Of a file of another time and mode, elsewhere, under another umask, time zone and language."""
    place = tmp_path / "else where"
    place.mkdir()
    shutil.copy(bootstrap, place / "program")
    (place / "program").chmod(0o700)
    make(place / "program", place / "out.zip", cwd=place, umask=0o077, env={**os.environ, "TZ": "XYZ-13", "LC_ALL": "C.UTF-8"})
    assert (place / "out.zip").read_bytes() == ordinary.read_bytes()


def test_what_lambda_could_not_start_is_refused(bin_dir, bootstrap, tmp_path):
    output = tmp_path / "zip"
    other = next(name for name in LOADER if name != MACHINE)
    assert "not linked for Lambda" in make(bin_dir / "nitro-signer-lambda", output, status=1)
    assert "not for" in make(bootstrap, output, status=1, arch=other)
    assert "no such file" in make(tmp_path / "nothing", output, status=1)
    assert "--arch: must be" in make(bootstrap, output, status=2, arch="riscv")
    with contextlib.suppress(FileNotFoundError):
        output.unlink()
        pytest.fail("a refused program left a zip")
