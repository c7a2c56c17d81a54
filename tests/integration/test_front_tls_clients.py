"""Which TLS clients the front lets in: judged by openssl s_client, curl and Python's ssl, in both versions, resumed or not."""
import http.client
import re
import socket
import ssl
import subprocess
import time

import pytest

from client_certificate import ClientCertificate
from front_process import front, post  # noqa: F401 (front is a fixture)
from scripted_keeper import Certificate

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BOTH = pytest.mark.parametrize("version", [V12, V13])
UPCHECK = b"GET /upcheck HTTP/1.1\r\nHost: localhost\r\n\r\n"


def admitted(f, context, session=None, request=UPCHECK):
    """(the session, whether it was resumed) of one served request; None when the front refuses."""
    try:
        stream = context.wrap_socket(socket.create_connection(("127.0.0.1", f.port), 20), server_hostname="localhost",
                                     session=session)
        stream.sendall(request)
        response = http.client.HTTPResponse(stream)
        response.begin()
    except (ssl.SSLError, ConnectionError, http.client.BadStatusLine):
        return None
    assert response.status == 200 and response.read()
    with stream:
        return stream.session, stream.session_reused


def logged(f, pattern):
    deadline = time.monotonic() + 5
    while not re.search(pattern, f.process.log()):
        assert time.monotonic() < deadline, f.process.log()
        time.sleep(0.02)
    return True


@pytest.fixture
def known(folder):
    """known(*clients) writes a known-clients file and returns the option."""
    def writer(*clients, text=None):
        path = folder / "known-clients.txt"
        path.write_text(text if text is not None else "# who may sign\n\n" + "".join(c.line() for c in clients))
        return f"--tls-known-clients-file={path}"
    return writer


def s_client(f, *options, client=None):
    """openssl s_client, which sends one request: (its exit status, all it printed)."""
    words = ["openssl", "s_client", "-connect", f"localhost:{f.port}", "-servername", "localhost", "-ign_eof", "-CAfile",
             f.certificate.ca_file, *options]
    if client:
        words += ["-cert", client.file, "-key", client.key_file]
    done = subprocess.run(words, input=UPCHECK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), capture_output=True,
                          timeout=20, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


# ---- the list ----

@BOTH
def test_only_listed_certificates_are_served(front, folder, known, version):
    mine, other = ClientCertificate(folder, "teku"), ClientCertificate(folder, "teku")
    f = front(known(mine), tls=Certificate(folder))
    assert admitted(f, mine.context(f.certificate, version)) is not None
    assert admitted(f, other.context(f.certificate, version)) is None
    assert logged(f, rf'refused a TLS client at 127\.0\.0\.1:\d+: certificate of "teku", SHA-256 {other.fingerprint}: '
                     "it is not among the known clients")
    bare = ssl.create_default_context(cafile=f.certificate.ca_file)
    bare.minimum_version = bare.maximum_version = version
    assert admitted(f, bare) is None
    assert logged(f, r"refused a TLS client at 127\.0\.0\.1:\d+: peer did not return a certificate")
    assert admitted(f, mine.context(f.certificate, version)) is not None


@pytest.mark.bar(5)
@pytest.mark.parametrize("option, name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_s_client_with_and_without_a_certificate(front, folder, known, option, name):
    mine = ClientCertificate(folder, "lighthouse", key=("RSA", "rsa_keygen_bits:2048"))
    f = front(known(mine), tls=Certificate(folder))
    status, said = s_client(f, option, client=mine)
    assert status == 0 and "HTTP/1.1 200 OK" in said and f"New, {name}" in said
    status, said = s_client(f, option)
    assert status != 0 and "HTTP/1.1" not in said
    assert "alert certificate required" in said or "alert handshake failure" in said
    status, said = s_client(f, option, client=ClientCertificate(folder, "stranger"))
    assert status != 0 and "HTTP/1.1" not in said


@pytest.mark.bar(5)
@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_s_client_resumes_what_a_certificate_began(front, folder, known, option):
    mine = ClientCertificate(folder, "lighthouse")
    f = front(known(mine), tls=Certificate(folder))
    kept = folder / "session.pem"
    status, said = s_client(f, option, "-sess_out", kept, client=mine)
    assert status == 0 and kept.exists()
    status, said = s_client(f, option, "-sess_in", kept, client=mine)
    assert status == 0 and "Reused, TLSv1" in said and "HTTP/1.1 200 OK" in said
    # The secret of a session proves that its holder was let in; a session of nobody's is none.
    status, said = s_client(f, option, "-sess_in", kept)
    assert status == 0 and "Reused, TLSv1" in said
    text = kept.read_text().replace("A", "B")
    kept.write_text(text)
    status, said = s_client(f, option, "-sess_in", kept)
    assert status != 0 and "HTTP/1.1" not in said


@BOTH
def test_sessions_do_not_outlive_the_certificate_they_were_made_with(front, folder, version):
    """Seconds are left to it; then the same session, offered again, is no longer resumed and the handshake fails."""
    root = ClientCertificate(folder, "root", kind="authority")
    mine = ClientCertificate(folder, "brief", authority=root, lasts=(-1, 6 / 86400))
    f = front("--tls-allow-ca-clients", f"--tls-client-ca-file={root.file}", tls=Certificate(folder))
    context = mine.context(f.certificate, version)
    session, reused = admitted(f, context)
    assert not reused
    session, reused = admitted(f, context, session)
    assert reused
    time.sleep(7)
    assert admitted(f, context, session) is None
    assert logged(f, f"{mine.fingerprint}: certificate has expired")


@BOTH
def test_sessions_of_one_rule_are_none_under_another(front, folder, known, version):
    """A restart makes new ticket keys: a client that was struck from the list is out, whatever sessions it kept."""
    mine, other = ClientCertificate(folder, "struck"), ClientCertificate(folder, "stays")
    server = Certificate(folder)
    first = front(known(mine, other), tls=server)
    context = mine.context(server, version)
    session, _ = admitted(first, context)
    option = known(other)
    assert admitted(first, context) is not None  # the file is read once, as with the original
    second = front(option, tls=server)
    assert admitted(second, context, session) is None
    resumed = admitted(second, other.context(server, version))
    assert resumed is not None and not resumed[1]


@BOTH
def test_a_new_server_key_ends_old_sessions_but_not_the_rule(front, folder, known, version):
    mine = ClientCertificate(folder, "mine")
    f = front(known(mine), tls=Certificate(folder, "first"))
    f.certificate = Certificate(folder, "second")
    f.keeper.tls(f.certificate)
    context = mine.context(f.certificate, version)
    deadline = time.monotonic() + 5
    while (result := admitted(f, context)) is None:
        assert time.monotonic() < deadline
    assert admitted(f, context, result[0])[1]
    assert admitted(f, ssl.create_default_context(cafile=f.certificate.ca_file)) is None


def test_the_list_decides_and_not_what_a_certificate_says_of_itself(front, folder, known):
    listed = [ClientCertificate(folder, "old", lasts=(-9, -1)), ClientCertificate(folder, "young", lasts=(1, 9)),
              ClientCertificate(folder, "a-server", kind="server")]
    weak, renamed = ClientCertificate(folder, "weak", key=("RSA", "rsa_keygen_bits:1024")), ClientCertificate(folder, "renamed")
    text = "".join(c.line() for c in [*listed, weak]) + f"another {renamed.fingerprint}\n"
    f = front(known(text=text), tls=Certificate(folder))
    for client in listed:
        assert admitted(f, client.context(f.certificate)) is not None, client.name
    assert admitted(f, renamed.context(f.certificate)) is None
    assert logged(f, f"SHA-256 {renamed.fingerprint}: it is not among the known clients")
    status, said = s_client(f, "-cipher", "DEFAULT@SECLEVEL=0", client=weak)
    assert status != 0 and "HTTP/1.1" not in said
    assert logged(f, "refused a TLS client.*(EE certificate key too weak|ee key too small)")


@pytest.mark.parametrize("form", ["colons", "upper case", "tabs and CR LF", "last line counts", "blanks in the name"])
def test_forms_of_the_list(front, folder, known, form):
    name = "a validator client" if form == "blanks in the name" else "client"
    mine = ClientCertificate(folder, name)
    line = {"colons": f"{name} {':'.join(re.findall('..', mine.fingerprint.upper()))}",
            "upper case": f"{name} {mine.fingerprint.upper()}", "tabs and CR LF": f"\t{name}\t {mine.fingerprint} \r",
            "last line counts": f"{name} {'0' * 64}\n{name} {mine.fingerprint}", "blanks in the name": mine.line()}[form]
    f = front(known(text=f"#{name} x\n\n{line}\n"), tls=Certificate(folder))
    assert admitted(f, mine.context(f.certificate)) is not None
    assert "1 TLS clients are known" in f.process.log()


def test_only_the_last_line_of_a_name_counts(front, folder, known):
    first, last = ClientCertificate(folder, "client"), ClientCertificate(folder, "client")
    f = front(known(first, last), tls=Certificate(folder))
    assert admitted(f, last.context(f.certificate)) is not None
    assert admitted(f, first.context(f.certificate)) is None


@pytest.mark.parametrize("text, said", [
    ("client\n", "line 1: must be a common name and a SHA-256 fingerprint|line 1: the last word"),
    (f"\nclient {'a' * 63}\n", "line 2: the last word must be"), (f"client {'g' * 64}\n", "line 1: "),
    (f"client {'aa:' * 31}a-\n", "line 1: "), (f"client {'aa-' * 31}aa\n", "line 1: a colon"), (f"{'a' * 64}\n", "line 1: must be"),
    (f"client {'a' * 64} more\n", "line 1: the last word"), ("client \0\n", "NUL"), (None, "No such file"),
])
def test_lists_that_are_none_end_the_start(front, folder, known, text, said):
    option = known(text=text) if text is not None else f"--tls-known-clients-file={folder}/absent"
    f = front(option, serve=False)
    assert f.process.wait() == 1
    assert re.search(rf"--tls-known-clients-file: .*({said})", f.process.log()), f.process.log()


# ---- authorities ----

@BOTH
def test_an_authority_lets_its_clients_in(front, folder, known, version):
    root, foreign = (ClientCertificate(folder, name, kind="authority") for name in ("root", "foreign"))
    between = ClientCertificate(folder, "between", authority=root, kind="authority")
    served = [ClientCertificate(folder, "one", authority=root), ClientCertificate(folder, "two", authority=between)]
    listed = ClientCertificate(folder, "listed")
    refused = [(ClientCertificate(folder, "alien", authority=foreign), "self-signed certificate in certificate chain|unable to get"),
               (ClientCertificate(folder, "a-server", authority=root, kind="server"), "unsuitable certificate purpose|unsupported"),
               (ClientCertificate(folder, "past", authority=root, lasts=(-9, -1)), "certificate has expired"),
               (ClientCertificate(folder, "alone"), "self-signed certificate")]
    f = front(known(listed), "--tls-allow-ca-clients", f"--tls-client-ca-file={root.file}", tls=Certificate(folder))
    for client in [*served, listed]:
        context = client.context(f.certificate, version)
        session, _ = admitted(f, context)
        assert admitted(f, context, session)[1], client.name
    for client, why in refused:
        assert admitted(f, client.context(f.certificate, version)) is None, client.name
        assert logged(f, f'certificate of "{client.name}", SHA-256 {client.fingerprint}: ({why})')


def test_the_machines_authorities_know_nobody_of_ours(front, folder):
    f = front("--tls-allow-ca-clients", tls=Certificate(folder))
    root = ClientCertificate(folder, "root", kind="authority")
    assert admitted(f, ClientCertificate(folder, "one", authority=root).context(f.certificate)) is None
    assert "--tls-client-ca-file narrows that" in f.process.log()
    for path in ("/dev/null", folder / "absent"):
        broken = front("--tls-allow-ca-clients", f"--tls-client-ca-file={path}", serve=False)
        assert broken.process.wait() == 1 and "--tls-client-ca-file: " in broken.process.log()


# ---- no HTTP before it, no flood, no way around it ----

@BOTH
def test_nothing_is_read_from_a_client_before_it_is_let_in(front, folder, known, version):
    """The request travels with the last message of the handshake; the keeper must never hear of it."""
    mine = ClientCertificate(folder, "mine")
    f = front(known(mine), tls=Certificate(folder))
    for client in (ClientCertificate(folder, "mine"), ClientCertificate(folder, "stranger")):
        assert admitted(f, client.context(f.certificate, version), request=post()) is None
    assert f.keeper.batches == []
    assert admitted(f, mine.context(f.certificate, version), request=post()) is not None
    assert f.keeper.batches == [1]


def test_refusals_do_not_flood_the_log(front, folder, known):
    f = front(known(ClientCertificate(folder, "mine")), tls=Certificate(folder))
    bare = ssl.create_default_context(cafile=f.certificate.ca_file)
    for _ in range(60):
        assert admitted(f, bare) is None
    assert 1 <= f.process.log().count("refused a TLS client") <= 40


def test_names_cannot_forge_log_lines(front, folder, known):
    f = front(known(ClientCertificate(folder, "mine")), tls=Certificate(folder))
    assert admitted(f, ClientCertificate(folder, "é error nitro-signer: x").context(f.certificate)) is None
    assert logged(f, r'certificate of "\?\? error nitro-signer: x", SHA-256')


@pytest.mark.bar(5)
def test_curl_with_mutual_tls(front, folder, known):
    mine = ClientCertificate(folder, "mine")
    f = front(known(mine), tls=Certificate(folder))
    words = ["curl", "-sS", "--max-time", "20", "--cacert", f.certificate.ca_file, f"https://localhost:{f.port}/upcheck"]
    done = subprocess.run([*words, "--cert", mine.file, "--key", mine.key_file], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"OK")
    done = subprocess.run([*words, "--cert-type", "P12", "--cert", mine.p12("changeit") + ":changeit"], capture_output=True,
                          timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, b"OK")
    done = subprocess.run(words, capture_output=True, timeout=30, check=False)
    assert done.returncode in (16, 35, 55, 56) and done.stdout == b""  # 16: it had begun HTTP/2


@pytest.mark.parametrize("arguments", [["--mode=enclave", "--tls-known-clients-file=x"], ["--mode=enclave", "--tls-allow-ca-clients"],
                                       ["--tls-client-ca-file=x"]])
def test_options_that_do_not_fit(front, arguments):
    f = front(*arguments, serve=False)
    assert f.process.wait() == 2


def test_clients_cannot_be_checked_without_tls(front, folder, known):
    f = front(known(ClientCertificate(folder, "mine")), serve=False)
    f.keeper.settings()
    f.keeper.keys([bytes(48)])
    f.keeper.health()
    with pytest.raises((AssertionError, TypeError, OSError)):
        f.keeper.serve()
    assert f.process.wait() == 1 and "SERVE without TLS" in f.process.log()


# ---- ALPN ----

@BOTH
@pytest.mark.parametrize("offered, chosen", [(["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["http/1.0"], "http/1.0"), ([], None)])
def test_what_is_chosen_of_an_offer(front, folder, version, offered, chosen):
    f = front(tls=Certificate(folder))
    context = ssl.create_default_context(cafile=f.certificate.ca_file)
    context.minimum_version = context.maximum_version = version
    if offered:
        context.set_alpn_protocols(offered)
    with f.connect(context) as stream:
        assert stream.selected_alpn_protocol() == chosen
    context.set_alpn_protocols(["h3", "spdy/3"])
    with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
        f.connect(context)
