"""AWS as moto has it, behind a judge of signatures: run by the Python of scripts/setup, not by the tests' own.

    aws_judge.py PORT CERTIFICATE KEY ACCESS_KEY SECRET_KEY TOKEN REGION

Every request to / is verified by botocore, Amazon's own signer, from the headers that it says are signed; one that botocore
would have signed otherwise is refused as AWS refuses it. KMS GenerateDataKeyPair, which moto lacks, is done here: the pair is
made by the Python package cryptography, its private key encrypted by moto's Encrypt. What is posted to /test goes to moto
unjudged; /test/mood sets how answers are wrong; /test/requests lists what was asked.
"""
import base64
import hmac
import http.server
import json
import re
import ssl
import sys
import threading
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

PORT, CERTIFICATE, KEY, ACCESS_KEY, SECRET_KEY, TOKEN, REGION = sys.argv[1:]
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
                           r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")
SERVICES = {"TrentService": ("kms", "application/x-amz-json-1.1"), "DynamoDB_20120810": ("dynamodb", "application/x-amz-json-1.0")}
MUST_BE_SIGNED = {"host", "content-type", "x-amz-date", "x-amz-target", "x-amz-security-token"}


def fault(headers, body):
    """What botocore finds wrong with a signature, or None."""
    match = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if not match:
        return "IncompleteSignatureException"
    key_id, date, region, service, signed, signature = match.groups()
    names = signed.split(";")
    prefix = headers.get("X-Amz-Target", "").partition(".")[0]
    if key_id != ACCESS_KEY or headers.get("X-Amz-Security-Token", "") != TOKEN:
        return "UnrecognizedClientException"
    if not MUST_BE_SIGNED <= set(names) or region != REGION or SERVICES.get(prefix) != (service, headers.get("Content-Type")):
        return "InvalidSignatureException"
    request = AWSRequest("POST", f"https://{headers['Host']}/", headers={name: headers[name] for name in names}, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, TOKEN), service, region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    right = headers["X-Amz-Date"].startswith(date) and hmac.compare_digest(auth.signature(text, request), signature)
    return None if right else "InvalidSignatureException"


class State:
    mood = {}  # {"deny": operation}, {"pair": "p384"}, {"throttle": count}, ...
    requests = []
    lock = threading.Lock()


moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
MOTO = "http://%s:%d/" % moto.get_host_and_port()


def ask_moto(target, body):
    """(status, answer) of moto's."""
    service = SERVICES[target.partition(".")[0]][0]
    scope = f"{ACCESS_KEY}/20260101/{REGION}/{service}/aws4_request"
    headers = {"X-Amz-Target": target, "Content-Type": SERVICES[target.partition(".")[0]][1],
               "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"}
    try:
        with urllib.request.urlopen(urllib.request.Request(MOTO, body, headers), timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def generate_data_key_pair(body):
    asked, kind = json.loads(body), State.mood.get("pair")
    curve = ec.SECP384R1() if kind == "p384" else ec.SECP256R1()
    if asked["KeyPairSpec"] != "ECC_NIST_P256":
        return 400, b'{"__type":"ValidationException","message":"this judge knows ECC_NIST_P256"}'
    key, other = ec.generate_private_key(curve), ec.generate_private_key(curve)
    private = base64.b64encode(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption())).decode()
    public = (other if kind == "mismatch" else key).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    status, answer = ask_moto("TrentService.Encrypt", json.dumps({"KeyId": asked["KeyId"], "Plaintext": private}).encode())
    if status != 200:
        return status, answer
    sealed = json.loads(answer)
    with State.lock:
        State.requests.append({"secret": private})
    return 200, json.dumps({"KeyId": sealed["KeyId"], "KeyPairSpec": "ECC_NIST_P256", "PrivateKeyPlaintext": private,
                            "PrivateKeyCiphertextBlob": sealed["CiphertextBlob"],
                            "PublicKey": base64.b64encode(public).decode()}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with State.lock:
            self.answer(200, json.dumps({"requests": State.requests}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        if self.path == "/test/mood":
            State.mood = json.loads(body)
            return self.answer(200, b"{}")
        if self.path == "/test":
            return self.answer(*ask_moto(target, body))
        wrong = fault(self.headers, body)
        with State.lock:
            State.requests.append({"target": target, "fault": wrong, "body": body.decode()})
        if wrong:
            return self.answer(400, json.dumps({"__type": wrong, "message": "the judge says no"}).encode())
        return self.act(target, body)

    def act(self, target, body):
        operation = target.partition(".")[2]
        if State.mood.get("deny") == operation:
            return self.answer(400, b'{"__type":"AccessDeniedException","Message":"the key policy does not allow it"}')
        if State.mood.get("throttle", 0) > 0:
            State.mood["throttle"] -= 1
            return self.answer(400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}')
        if operation == "GenerateDataKeyPair":
            return self.answer(*generate_data_key_pair(body))
        return self.answer(*ask_moto(target, body))


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
