"""One test for each validator client: nitro-signer over TLS, asked as that client asks and judged as it judges.
The shapes are read off the clients' sources: which headers, which members, what counts as a good answer."""
import http.client
import json
import re
import socket
import ssl
import subprocess

import pytest

GENESIS = "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"  # hoodi
SECRET = "0x25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
KEY = "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
HEX = re.compile(r"0x[0-9a-f]{192}")
FULU_SLOT = 50688 * 32 + 7
ELECTRA, FULU, CAPELLA = "0x60000910", "0x70000910", "0x40000910"
JSON = {"Content-Type": "application/json"}


def root(byte):
    return "0x" + f"{byte:02x}" * 32


def fork_info(current=FULU, previous=ELECTRA, epoch=50688):
    return {"fork": {"previous_version": previous, "current_version": current, "epoch": str(epoch)},
            "genesis_validators_root": GENESIS}


def attestation_data(slot=FULU_SLOT):
    return {"slot": str(slot), "index": "0", "beacon_block_root": root(1),
            "source": {"epoch": str(slot // 32 - 1), "root": root(2)}, "target": {"epoch": str(slot // 32), "root": root(3)}}


def aggregate(slot=FULU_SLOT):
    return {"aggregator_index": "7", "selection_proof": "0x" + "99" * 96,
            "aggregate": {"aggregation_bits": "0xffff03", "data": attestation_data(slot), "signature": "0x" + "88" * 96,
                          "committee_bits": "0x0100000000000000"}}


def header(slot=FULU_SLOT):
    return {"slot": str(slot), "proposer_index": "3", "parent_root": root(4), "state_root": root(5), "body_root": root(6)}


def registration():
    return {"fee_recipient": "0x" + "ab" * 20, "gas_limit": "45000000", "timestamp": "1760000000", "pubkey": KEY}


class Signer:
    """A running nitro-signer of the network hoodi, and a way to send it exactly what a test says."""

    def __init__(self, start, folder):
        (folder / "keys").mkdir()
        (folder / "keys/one.yaml").write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{SECRET}"\n')
        (folder / "password").write_text("tls password\n")
        self.authority = folder / "certificate.pem"
        for line in ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
                     "-addext subjectAltName=DNS:localhost -keyout {0}/key.pem -out {0}/certificate.pem",
                     "openssl pkcs12 -export -inkey {0}/key.pem -in {0}/certificate.pem -out {0}/tls.p12 "
                     "-passout file:{0}/password"):
            subprocess.run(line.format(folder).split(), check=True, capture_output=True)
        self.process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", f"--data-path={folder}",
                             f"--tls-keystore-file={folder}/tls.p12", f"--tls-keystore-password-file={folder}/password",
                             "--tls-allow-any-client", "eth2", "--network=hoodi", f"--slashing-protection-db-path={folder}/db")
        self.port = int(re.fullmatch(r"http-port=(\d+)\n", (folder / "web3signer.ports").read_text())[1])

    def connect(self, highest=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=self.authority)
        context.maximum_version = highest
        context.set_alpn_protocols(["http/1.1"])  # Go's clients speak HTTP/2: tests/interop/test_real_clients.py
        stream = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 20), server_hostname="localhost")
        assert stream.selected_alpn_protocol() == "http/1.1"
        return stream

    def ask(self, stream, method, path, headers, body=None, parts=1):
        """One exchange, with exactly these headers, head and body in so many writes: (status, headers, text)."""
        text = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", *(f"{k}: {v}" for k, v in headers.items())]
        if body is not None:
            lines.append(f"Content-Length: {len(text)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        for part in ([head + text] if parts == 1 else [head, text]):
            stream.sendall(part)
        response = http.client.HTTPResponse(stream, method=method)
        response.begin()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()

    def sign(self, stream, headers, body, parts=1):
        return self.ask(stream, "POST", f"/api/v1/eth2/sign/{KEY}", {**JSON, **headers}, body, parts)


@pytest.fixture
def signer(start, tmp_path):
    return Signer(start, tmp_path)


def accepts_as_json(answer):
    """The signature, if a strict JSON client would find it."""
    status, headers, text = answer
    assert (status, headers["content-type"].split(";")[0]) == (200, "application/json"), answer
    return re.fullmatch(HEX, json.loads(text)["signature"])[0]


def accepts_as_text(answer):
    """The signature, if a client that takes the body as it is would find it."""
    status, headers, text = answer
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/plain"), answer
    return re.fullmatch(HEX, text)[0]


def test_teku(signer):
    """TLS 1.2 only, no Accept, root first, head and body in two writes, old aggregates of any fork; upcheck's status."""
    stream = signer.connect(ssl.TLSVersion.TLSv1_2)
    agent = {"User-Agent": "Java-http-client/21.0.4"}
    assert signer.ask(stream, "GET", "/upcheck", agent)[0] == 200
    body = {"type": "AGGREGATE_AND_PROOF", "fork_info": fork_info(), "aggregate_and_proof": aggregate()}
    first = accepts_as_text(signer.sign(stream, agent, body, parts=2))
    refusal = signer.sign(stream, agent, {"signingRoot": root(0xee), **body}, parts=2)
    computed = re.search(r"but the message's is (0x[0-9a-f]{64})", refusal[2])[1]
    assert refusal[0] == 400
    assert accepts_as_text(signer.sign(stream, agent, {"signingRoot": computed, **body}, parts=2)) == first
    attestation = {"type": "ATTESTATION", "fork_info": fork_info(), "attestation": attestation_data()}
    accepts_as_text(signer.sign(stream, agent, attestation, parts=2))
    attestation["attestation"]["beacon_block_root"] = root(9)
    assert signer.sign(stream, agent, attestation, parts=2)[0] == 412  # the status it has a message for


def test_lighthouse(signer):
    """Accept JSON; flat old aggregates; an exit whose fork is Capella's twice, at the exit's epoch."""
    stream, accept = signer.connect(), {"Accept": "application/json"}
    flat = {"type": "AGGREGATE_AND_PROOF", "fork_info": fork_info(), "signingRoot": None, "aggregate_and_proof": aggregate()}
    accepts_as_json(signer.sign(stream, accept, flat))
    exit_at = 60000
    leaving = {"type": "VOLUNTARY_EXIT", "fork_info": fork_info(CAPELLA, CAPELLA, exit_at),
               "voluntary_exit": {"epoch": str(exit_at), "validator_index": "3"}}
    accepts_as_json(signer.sign(stream, accept, leaving))


def test_the_clients_forms_of_an_exit_are_one_signature(signer):
    """Lighthouse, Nimbus and Lodestar, Vero, and those that send the fork of the day."""
    stream, accept = signer.connect(), {"Accept": "application/json"}
    payload = {"type": "VOLUNTARY_EXIT", "voluntary_exit": {"epoch": "60000", "validator_index": "3"}}
    infos = [fork_info(CAPELLA, CAPELLA, 60000), fork_info(CAPELLA, "0x30000910", 0), fork_info()]
    assert len({accepts_as_json(signer.sign(stream, accept, {**payload, "fork_info": info})) for info in infos}) == 1


def test_prysm(signer):
    """No Accept; a base URL that ends in a slash; wrapped aggregates with the version in capitals."""
    stream = signer.connect()
    wrapped = {"type": "AGGREGATE_AND_PROOF_V2", "fork_info": fork_info(),
               "aggregate_and_proof": {"version": "FULU", "data": aggregate()}}
    headers = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", **JSON}
    answer = signer.ask(stream, "POST", f"//api/v1/eth2/sign/{KEY}", headers, wrapped)
    accepts_as_text(answer)
    assert "content-encoding" not in answer[1]
    assert signer.ask(stream, "POST", f"/api/v1/eth2/sign/0x{'11' * 48}", headers, wrapped)[0] == 404
    keys = signer.ask(stream, "GET", "/api/v1/eth2/publicKeys", {"User-Agent": "Go-http-client/1.1"})
    assert (keys[0], json.loads(keys[2])) == (200, [KEY])


def test_nimbus(signer):
    """A connection a validator; no root; proofs beside the block; fork_info of zeros for registrations; a lower-case
    version of an aggregate; of an error it wants {"error": text}."""
    accept = {"Accept": "application/json"}
    proofs = [{"index": "801", "proof": [root(7)] * 9}]
    block = {"type": "BLOCK_V2", "fork_info": fork_info(), "beacon_block": {"version": "FULU", "block_header": header()},
             "proofs": proofs}
    for body in (block, block):  # the second after a broken connection: the same root must succeed
        with signer.connect(ssl.TLSVersion.TLSv1_2) as stream:
            accepts_as_json(signer.sign(stream, accept, body))
    with signer.connect(ssl.TLSVersion.TLSv1_2) as stream:
        zero = {"fork": {"previous_version": "0x00000000", "current_version": "0x00000000", "epoch": "0"},
                "genesis_validators_root": root(0)}
        with_fork = {"type": "VALIDATOR_REGISTRATION", "fork_info": zero, "validator_registration": registration()}
        without = {"type": "VALIDATOR_REGISTRATION", "validator_registration": registration()}
        assert accepts_as_json(signer.sign(stream, accept, with_fork)) == accepts_as_json(signer.sign(stream, accept, without))
        lower = {"type": "AGGREGATE_AND_PROOF_V2", "fork_info": fork_info(),
                 "aggregate_and_proof": {"version": "fulu", "data": aggregate()}}
        accepts_as_json(signer.sign(stream, accept, lower))
        block["beacon_block"]["block_header"]["body_root"] = root(0xaa)
        status, headers, text = signer.sign(stream, accept, block)
        assert (status, headers["content-type"], list(json.loads(text))[0]) == (412, "application/json", "error")


def test_lodestar(signer):
    """fetch's headers; the root last; the epoch of the signing slot as the fork's; it must be told how long we keep it."""
    stream = signer.connect()
    headers = {"Accept": "application/json", "accept-language": "*", "sec-fetch-mode": "cors", "user-agent": "node",
               "accept-encoding": "gzip, deflate", "connection": "keep-alive"}
    body = {"type": "RANDAO_REVEAL", "fork_info": fork_info(epoch=FULU_SLOT // 32),
            "randao_reveal": {"epoch": str(FULU_SLOT // 32)}, "signingRoot": root(0xee)}
    refusal = signer.sign(stream, headers, body)
    assert refusal[0] == 400 and "signing_root" in json.loads(refusal[2])["error"]
    body["signingRoot"] = re.search(r"message's is (0x[0-9a-f]{64})", refusal[2])[1]
    answer = signer.sign(stream, headers, body)
    accepts_as_json(answer)
    assert int(re.search(r"timeout=(\d+)", answer[1]["keep-alive"])[1]) > 12
    assert "content-encoding" not in answer[1]
    keys = signer.ask(stream, "GET", "/api/v1/eth2/publicKeys", headers)
    assert keys[1]["content-type"].startswith("application/json") and json.loads(keys[2]) == [KEY]


def test_vero(signer):
    """Accept text/plain, and the body is the signature; health each second as JSON."""
    stream = signer.connect()
    headers = {"Accept": "text/plain", "Accept-Encoding": "gzip, deflate, br", "User-Agent": "Vero/v1.4.1"}
    body = {"type": "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "fork_info": fork_info(), "contribution_and_proof": {
        "aggregator_index": "11", "selection_proof": "0x" + "77" * 96,
        "contribution": {"slot": str(FULU_SLOT), "beacon_block_root": root(1), "subcommittee_index": "1",
                         "aggregation_bits": "0x" + "ff" * 16, "signature": "0x" + "66" * 96}}}
    accepts_as_text(signer.sign(stream, headers, body))
    flat_v2 = {"type": "AGGREGATE_AND_PROOF_V2", "fork_info": fork_info(), "aggregate_and_proof": aggregate()}
    wrapped = {**flat_v2, "aggregate_and_proof": {"version": "FULU", "data": aggregate()}}
    assert accepts_as_text(signer.sign(stream, headers, flat_v2)) == accepts_as_text(signer.sign(stream, headers, wrapped))
    status, _, text = signer.ask(stream, "GET", "/healthcheck", {"Accept": "application/json"})
    health = json.loads(text)
    assert (status, health["status"], health["outcome"], type(health["checks"])) == (200, "UP", "UP", list)


def test_grandine(signer):
    """Accept JSON, and never a look at the status: an error must not carry a signature."""
    stream, accept = signer.connect(), {"Accept": "*/*"}
    attestation = {"type": "ATTESTATION", "fork_info": fork_info(), "attestation": attestation_data()}
    accepts_as_json(signer.sign(stream, accept, attestation))
    attestation["attestation"]["target"]["root"] = root(9)
    for answer in (signer.sign(stream, accept, attestation), signer.sign(stream, accept, {"type": "ATTESTATION"}),
                   signer.ask(stream, "POST", f"/api/v1/eth2/sign/0x{'11' * 48}", {**JSON, **accept}, attestation)):
        assert answer[0] in (400, 404, 412) and "signature" not in json.loads(answer[2])


def test_ssv(signer):
    """signing_root in snake case, fork_info always, hex in capitals, aggregates bare."""
    stream, headers = signer.connect(), {"User-Agent": "Go-http-client/1.1", "Accept": "application/json"}
    body = {"type": "SYNC_COMMITTEE_MESSAGE", "fork_info": fork_info(), "signing_root": root(0xee),
            "sync_committee_message": {"beacon_block_root": root(0xab), "slot": str(FULU_SLOT)}}
    computed = re.search(r"message's is (0x[0-9a-f]{64})", signer.sign(stream, headers, body)[2])[1]
    body["signing_root"] = "0x" + computed[2:].upper()
    body["sync_committee_message"]["beacon_block_root"] = "0x" + "AB" * 32
    accepts_as_json(signer.sign(stream, headers, body))
    accepts_as_json(signer.sign(stream, headers, {"type": "VALIDATOR_REGISTRATION", "fork_info": fork_info(),
                                                  "validator_registration": registration()}))
    bare = {"type": "AGGREGATE_AND_PROOF", "fork_info": fork_info(), "aggregate_and_proof": aggregate()}
    accepts_as_json(signer.sign(stream, headers, bare))
