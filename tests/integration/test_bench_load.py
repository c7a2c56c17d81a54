"""The load generator of `make bench` must notice a signer that answers quickly and wrongly."""
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from bench_common import Context, Failed  # noqa: E402

from harness import free_port  # noqa: E402

KEYS = ["0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"] * 4


@pytest.fixture
def impostor(folder):
    """impostor(status, body) serves that answer to everything over TLS; gives the arguments that lead there."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    (folder / "keys").write_text("".join(key + "\n" for key in KEYS))
    servers, seen = [], []

    def maker(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        port = free_port()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return [f"--address=tcp:127.0.0.1:{port}", f"--ca-file={folder}/cert.pem", f"--keys={folder}/keys"], seen

    yield maker
    for server in servers:
        server.shutdown()
        server.server_close()


def load(bin_dir, arguments):
    return subprocess.run([bin_dir.parent / "bench/bench_load", *arguments, "--connections=2", "--milliseconds=300"],
                          capture_output=True, text=True, timeout=30, check=False)


def test_a_wrong_signature_is_noticed(bin_dir, impostor):
    arguments, seen = impostor(200, json.dumps({"signature": "0x" + "c0" + "00" * 95}).encode())
    done = load(bin_dir, arguments)
    assert done.returncode == 1 and not done.stdout
    assert len(seen) > 2  # it was asked for more than one each before the check
    for request in seen:
        assert int(request["attestation"]["source"]["epoch"]) + 1 == int(request["attestation"]["target"]["epoch"])


def test_a_refusal_is_noticed(bin_dir, impostor):
    arguments, _ = impostor(412, b'{"error":"slashable"}')
    done = load(bin_dir, arguments)
    assert done.returncode == 1 and "412" in done.stderr and not done.stdout


def test_an_untrusted_certificate_is_noticed(bin_dir, folder, impostor):
    arguments, _ = impostor(200, b"{}")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=other", "-keyout", "other-key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    done = load(bin_dir, arguments)
    assert done.returncode == 1 and "TLS" in done.stderr


def test_usage(bin_dir):
    assert subprocess.run([bin_dir.parent / "bench/bench_load"], capture_output=True, timeout=30, check=False).returncode == 2


@pytest.fixture
def signer(folder):
    with Context(folder).signer(9, "load") as started:
        yield started


def test_every_type_is_asked_for_and_verified(signer):
    for kind in ("attestation", "distinct", "selection-proof", "registration", "mix"):
        outcome = signer.load(3, 0, f"--type={kind}", bursts=2)
        assert (outcome["signed"], outcome["verified"], len(outcome["burst_ms"])) == (18, 3, 2), kind
        assert 0 < outcome["p50_us"] <= outcome["p90_us"] <= outcome["p99_us"] <= outcome["p999_us"]
        assert 0 < outcome["cpu_seconds"] and 0 < outcome["signer_cpu_seconds"]
    with pytest.raises(Failed, match="--type"):
        signer.load(3, 0, "--type=block", bursts=1)


def test_a_connection_lives_as_long_as_it_is_told_to(signer):
    handshakes = lambda *words: signer.load(3, 0, *words, bursts=2)["handshakes"]  # noqa: E731
    assert handshakes("--opening=kept") == 3
    assert handshakes("--opening=per-burst") == 3 * 2
    assert handshakes("--opening=per-request") == handshakes("--opening=per-request", "--tls=12") == 9 * 2
    assert handshakes("--opening=per-burst", "--batches=true") == 3 * 2
    with pytest.raises(Failed, match="--opening"):
        signer.load(3, 0, "--opening=never", bursts=1)
    with pytest.raises(Failed, match="--tls"):
        signer.load(3, 0, "--tls=11", bursts=1)


@pytest.mark.parametrize("version", ["12", "13"])
def test_all_but_the_first_connection_of_a_client_resume(signer, version):
    outcome = signer.load(3, 0, "--opening=per-request", f"--tls={version}", "--resume=true", bursts=2)
    assert (outcome["handshakes"], outcome["resumed"]) == (18, 15)
    assert signer.load(3, 0, "--opening=per-request", f"--tls={version}", bursts=2)["resumed"] == 0


def test_a_client_that_spins_takes_a_processor_and_one_that_sleeps_does_not(signer):
    asleep, awake = signer.load(1, 300, "--distinct=true"), signer.load(1, 300, "--distinct=true", "--spin=true")
    assert asleep["signed"] > 1 and awake["signed"] > 1
    assert awake["cpu_seconds"] / awake["signed"] > 2 * asleep["cpu_seconds"] / asleep["signed"]


def test_batches_wait_for_each_other(bin_dir, impostor):
    """With answers that are wrong it fails at the end, but all has been asked: two at a time."""
    arguments, seen = impostor(200, json.dumps({"signature": "0x" + "c0" + "00" * 95}).encode())
    done = subprocess.run([bin_dir.parent / "bench/bench_load", *arguments, "--connections=2", "--bursts=1", "--batches=true",
                           "--type=selection-proof"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    slots = [int(request["aggregation_slot"]["slot"]) for request in seen]
    assert sorted(slots[:2]) == [32, 33] and sorted(slots[2:]) == [34, 35]
