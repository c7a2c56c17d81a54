"""AWS as moto has it, behind a judge of signatures: run by the Python of scripts/setup, not by the tests' own.

    aws_judge.py PORT CERTIFICATE KEY ACCESS_KEY SECRET_KEY TOKEN REGION

Every request is verified by botocore, Amazon's own signer, from the headers that it says are signed; one that botocore
would have signed otherwise is refused as AWS refuses it. KMS GenerateDataKeyPair, which moto lacks, is done here: the pair is
made by the Python package cryptography, its private key encrypted by moto's Encrypt. So are, by their documented shapes, instance
refreshes, and Lambda's Invoke, which asks the URL that /test/mood names. What is posted to /test goes to moto unjudged;
/test/call does any call of boto3's with moto; /test/mood sets how answers are wrong; /test/requests lists what was asked.
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
import urllib.parse
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

PORT, CERTIFICATE, KEY, ACCESS_KEY, SECRET_KEY, TOKEN, REGION = sys.argv[1:]
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
                           r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})")
SERVICES = {"TrentService": ("kms", "application/x-amz-json-1.1"), "DynamoDB_20120810": ("dynamodb", "application/x-amz-json-1.0"),
            "AmazonSSM": ("ssm", "application/x-amz-json-1.1")}
FORM = "application/x-www-form-urlencoded; charset=utf-8"
OTHERS = {"2010-05-15": ("cloudformation", FORM), "2011-01-01": ("autoscaling", FORM)}  # the older protocol, by its version
MUST_BE_SIGNED = {"host", "content-type", "x-amz-date", "x-amz-security-token"}


def service_of(path, headers, body):
    """(service, content type, operation) of a request, by its protocol."""
    if path.startswith("/2015-03-31/functions/"):
        return "lambda", "application/json", "Invoke"
    prefix, _, operation = headers.get("X-Amz-Target", "").partition(".")
    if prefix:
        return *SERVICES.get(prefix, ("", "")), operation
    form = dict(urllib.parse.parse_qsl(body.decode()))
    return *OTHERS.get(form.get("Version"), ("", "")), form.get("Action", "")


def fault(path, headers, body):
    """What botocore finds wrong with a signature, or None."""
    match = AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    if not match:
        return "IncompleteSignatureException"
    key_id, date, region, service, signed, signature = match.groups()
    names = signed.split(";")
    wanted = service_of(path, headers, body)[:2]
    must_be_signed = MUST_BE_SIGNED | ({"x-amz-target"} if "X-Amz-Target" in headers else set())
    if key_id != ACCESS_KEY or headers.get("X-Amz-Security-Token", "") != TOKEN:
        return "UnrecognizedClientException"
    if not must_be_signed <= set(names) or region != REGION or wanted != (service, headers.get("Content-Type")):
        return "InvalidSignatureException"
    request = AWSRequest("POST", f"https://{headers['Host']}{path}", headers={name: headers[name] for name in names}, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, TOKEN), service, region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    right = headers["X-Amz-Date"].startswith(date) and hmac.compare_digest(auth.signature(text, request), signature)
    return None if right else "InvalidSignatureException"


class State:
    mood = {}  # {"deny": operation}, {"pair": "p384"}, {"throttle": count}, ...
    requests = []
    refreshes = {}
    lock = threading.Lock()


moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
MOTO = "http://%s:%d/" % moto.get_host_and_port()


def ask_moto(target, body):
    """(status, answer) of moto's."""
    service, content_type, _ = service_of("/", {"X-Amz-Target": target} if target else {}, body)
    scope = f"{ACCESS_KEY}/20260101/{REGION}/{service}/aws4_request"
    headers = {"Content-Type": content_type, "Host": f"{service}.{REGION}.amazonaws.com",
               "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00",
               **({"X-Amz-Target": target} if target else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(MOTO, body, headers), timeout=120) as answer:
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


def call(body):
    """Any call of boto3's, to moto: for what a test needs to be there."""
    asked = json.loads(body)
    client = boto3.client(asked["service"], region_name=REGION, endpoint_url=MOTO, aws_access_key_id="a", aws_secret_access_key="b")
    answer = getattr(client, asked["operation"])(**asked["arguments"])
    answer.pop("ResponseMetadata", None)
    return 200, json.dumps(answer, default=str).encode()


def refresh(operation, body):
    """Instance refreshes, which moto lacks: what each question is answered stands in the mood, the last for ever."""
    form = dict(urllib.parse.parse_qsl(body.decode()))
    group, number = form["AutoScalingGroupName"], len(State.refreshes) + 1
    if operation == "StartInstanceRefresh":
        assert form["Strategy"] == "Rolling" and 0 <= int(form["Preferences.MinHealthyPercentage"]) <= 100
        State.refreshes[f"refresh-{number}"] = list(State.mood.get("refresh", [["Successful", 100, ""]]))
        inside = f"<InstanceRefreshId>refresh-{number}</InstanceRefreshId>"
    else:
        answers = State.refreshes.get(form["InstanceRefreshIds.member.1"], [])
        status, percentage, reason = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else (None, 0, "")
        member = (f"<member><InstanceRefreshId>{form['InstanceRefreshIds.member.1']}</InstanceRefreshId><AutoScalingGroupName>{group}"
                  f"</AutoScalingGroupName><Status>{status}</Status><StatusReason>{reason}</StatusReason><PercentageComplete>{percentage}"
                  "</PercentageComplete><InstancesToUpdate>1</InstancesToUpdate></member>") if status else ""
        inside = f"<InstanceRefreshes>{member}</InstanceRefreshes>"
    return 200, (f'<{operation}Response xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><{operation}Result>{inside}</{operation}Result>'
                 f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>").encode()


def refusal(service, kind, message):
    """As a service of each protocol says no."""
    if service in ("cloudformation", "autoscaling"):
        return 400, (f'<ErrorResponse xmlns="http://x/"><Error><Type>Sender</Type><Code>{kind}</Code><Message>{message}</Message></Error>'
                     "<RequestId>1</RequestId></ErrorResponse>").encode()
    return 400, json.dumps({"__type": kind, "message": message}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
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
        if self.path == "/test/call":
            return self.answer(*call(body))
        wrong = fault(self.path, self.headers, body)
        service, _, operation = service_of(self.path, self.headers, body)
        with State.lock:
            State.requests.append({"target": target, "service": service, "operation": operation, "fault": wrong, "body": body.decode()})
        if wrong:
            return self.answer(*refusal(service, wrong, "the judge says no"))
        return self.act(target, body) if self.path == "/" else self.invoke(body)

    def invoke(self, body):
        """Lambda's Invoke: the test's own function, which answers {"kind", "body", "arn"}."""
        arn = urllib.parse.unquote(self.path.split("/")[3])
        try:
            request = urllib.request.Request(State.mood.get("function", ""), body, {"X-Function": arn})
            with urllib.request.urlopen(request, timeout=60) as outcome:
                told = json.load(outcome)
        except (ValueError, urllib.error.URLError):
            return self.answer(404, b'{"Type":"User","Message":"Function not found"}', x_amzn_ErrorType="ResourceNotFoundException:http://x/")
        headers = {"X_Amz_Function_Error": "Unhandled"} if told["kind"] == "error" else {}
        return self.answer(200, told["body"].encode(), **headers)

    def act(self, target, body):
        service, _, operation = service_of("/", self.headers, body)
        older = service in ("cloudformation", "autoscaling")
        if State.mood.get("deny") == operation:
            return self.answer(*refusal(service, "AccessDenied" if older else "AccessDeniedException", "the key policy does not allow it"))
        if State.mood.get("throttle", 0) > 0:
            State.mood["throttle"] -= 1
            return self.answer(*refusal(service, "Throttling" if older else "ThrottlingException", "Rate exceeded"))
        if operation in State.mood.get("answers", {}):
            return self.answer(200, State.mood["answers"][operation].encode())
        if operation == "GetCommandInvocation" and "invocations" in State.mood:
            return self.answer(*self.invocation(json.loads(body)))
        if operation in ("StartInstanceRefresh", "DescribeInstanceRefreshes"):
            return self.answer(*refresh(operation, body))
        if operation == "GenerateDataKeyPair":
            return self.answer(*generate_data_key_pair(body))
        return self.answer(*ask_moto(target, body))


    @staticmethod
    def invocation(asked):
        """The next of the answers that the mood has for an instance, the last for ever; null: it has none yet."""
        answers = State.mood["invocations"].get(asked["InstanceId"], [None])
        next_one = answers.pop(0) if len(answers) > 1 else answers[0]
        if next_one is None:
            return refusal("ssm", "InvocationDoesNotExist", "")
        status, code, out, error = next_one
        return 200, json.dumps({"CommandId": asked["CommandId"], "InstanceId": asked["InstanceId"], "Status": status,
                                "StatusDetails": status, "ResponseCode": code, "StandardOutputContent": out,
                                "StandardErrorContent": error}).encode()


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
