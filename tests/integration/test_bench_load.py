"""The load generator of `make bench` must notice a signer that answers quickly and wrongly."""
import http.server
import json
import ssl
import subprocess
import threading

import pytest

from harness import free_port

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
